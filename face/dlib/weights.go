// Package dlib is the built-in face network: dlib's frontal face detector, its
// five landmarks and its ResNet of 128 features, through go-face.
//
// It needs cgo and dlib, and the three files of weights that weights.sha256
// names, which `make models` fetches. Built without cgo, Open is a fault.
package dlib

import (
	"crypto/sha256"
	_ "embed"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"nod/crypto/canon"
	"nod/fault"
)

// Dimension is the number of features.
const Dimension = 128

// checksums names the files of weights in sha256sum's format: landmarks, network,
// and a second detector that go-face loads but Nod does not use.
//
//go:embed weights.sha256
var checksums string

// weight is one file and what it must be.
type weight struct {
	name string
	sum  canon.Digest
}

// weights parses checksums.
func weights() []weight {
	var out []weight
	for line := range strings.Lines(checksums) {
		sum, name, found := strings.Cut(strings.TrimSpace(line), "  ")
		w := weight{name: name}
		if err := w.sum.UnmarshalText([]byte(sum)); err != nil || !found {
			panic("face/dlib: weights.sha256 is not in sha256sum's format")
		}
		out = append(out, w)
	}
	return out
}

// Digest names the network in model files: the SHA-256 over the canonical
// encoding, of kind "face/dlib/1", of name and SHA-256 of the landmarks' file and
// then of the network's. The number stands for the rest of what makes the
// features: the face turned upright and scaled to 150x150 by its landmarks, with
// a quarter of its size around it, no jitter. It changes with any of these.
func Digest() canon.Digest {
	var fields [][]byte
	for _, w := range weights()[:2] {
		fields = append(fields, []byte(w.name), w.sum[:])
	}
	return canon.Sum("face/dlib/1", fields...)
}

// verify reads every file of weights in folder and compares it with its
// checksum. Faults: fault.NetworkMissing, fault.NetworkChanged.
func verify(folder string) error {
	for _, w := range weights() {
		sum, err := sumOf(filepath.Join(folder, w.name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fault.New(fault.NetworkMissing, "%w", err)
		case err != nil:
			return fault.New(fault.NetworkChanged, "%w", err)
		case sum != w.sum:
			return fault.New(fault.NetworkChanged, "%s has SHA-256 %v, want %v", filepath.Join(folder, w.name), sum, w.sum)
		}
	}
	return nil
}

func sumOf(path string) (sum canon.Digest, err error) {
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return sum, err
	}
	h.Sum(sum[:0])
	return sum, nil
}
