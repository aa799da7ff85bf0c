//go:build cgo

package dlib

import (
	"context"
	"image"
	"sync"

	goface "github.com/Kagami/go-face"

	"nod/crypto/canon"
	"nod/face"
	"nod/fault"
)

// network keeps one go-face recogniser.
type network struct {
	gate face.Gate

	mu         sync.RWMutex // write-locked to close
	recogniser *goface.Recognizer
}

// Open checks the files of weights in folder and loads them: 32 MB of files, a
// second or less, once a process. Nod uses the frontal detector that is part of
// dlib itself.
//
// go-face has one lock around its detector and one around its network, so calls
// are safe from any number of goroutines, and at most two of them work at once.
//
// Faults: fault.NetworkMissing, fault.NetworkChanged.
func Open(folder string, gate face.Gate) (face.Network, error) {
	if err := verify(folder); err != nil {
		return nil, err
	}
	recogniser, err := goface.NewRecognizer(folder)
	if err != nil {
		return nil, fault.New(fault.NetworkChanged, "%w", err)
	}
	return &network{gate: gate, recogniser: recogniser}, nil
}

// Dimension is 128.
func (*network) Dimension() int { return Dimension }

// Digest is the package's Digest.
func (*network) Digest() canon.Digest { return Digest() }

// Close frees the recogniser, once the calls under way have ended.
func (n *network) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.recogniser != nil {
		n.recogniser.Close()
		n.recogniser = nil
	}
	return nil
}

// Describe implements face.Network. The landmarks are, seen from the viewer:
// right eye's outer and inner corner, left eye's outer and inner corner, base of
// the nose, in whole pixels of the picture searched.
//
// A photo's own bytes never reach C code. Go decodes the photo, and dlib is given
// a JPEG of quality 100 made from those pixels, so that hostile bytes meet a
// decoder that is safe in memory, every format takes one path, and grey JPEGs,
// which go-face refuses, work. This moves the features no more than any change of
// single grey levels does (median 0.04; TestAgreesWithDataSet).
//
// Wiped on return: the decoded photo, its scaled copies and its JPEG, go-face's
// features but the ones returned. Not wiped: what decoders and encoders keep
// while they run, the picture inside dlib, the last face inside its network, and
// the memory from which go-face copies its results.
func (n *network) Describe(ctx context.Context, photo []byte) (*face.Face, error) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.recogniser == nil {
		return nil, fault.New(fault.NetworkMissing, "the network was closed")
	}
	if err := alive(ctx); err != nil {
		return nil, err
	}
	upright, err := face.Decode(photo)
	if err != nil {
		return nil, err
	}
	defer upright.Wipe()
	found, err := n.search(ctx, upright)
	if err != nil {
		return nil, err
	}
	defer clear(found)

	boxes := make([]image.Rectangle, len(found))
	for i := range found {
		boxes[i] = found[i].Rectangle
	}
	i, err := n.gate.Choose(boxes)
	if err != nil {
		return nil, err
	}
	quality := face.Measure(upright, boxes[i], len(found))
	if err := n.gate.Accept(quality); err != nil {
		return nil, err
	}
	out := &face.Face{Box: boxes[i], Quality: quality, Features: make(face.Features, Dimension)}
	copy(out.Features, found[i].Descriptor[:])
	for _, p := range found[i].Shapes {
		out.Landmarks = append(out.Landmarks, face.Point{X: float32(p.X), Y: float32(p.Y)})
	}
	return out, nil
}
