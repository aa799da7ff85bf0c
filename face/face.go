// Package face turns a photo into features: the contract that every face network
// keeps, the strict decoding of photos, and the quality gate. The networks are in
// face/dlib and, later, face/onnx; those alone use cgo.
package face

import (
	"context"
	"fmt"
	"image"
	"io"

	"nod/crypto/canon"
)

// Features is the output of a face network for one face: finite values, of the
// network's dimension, not normalised. Secret: it prints only its kind; wipe it
// after use.
type Features []float32

// Format prints the kind, whatever the verb.
func (Features) Format(s fmt.State, _ rune) { printKind(s, "face.Features(secret)") }

// Wipe overwrites the values.
func (f Features) Wipe() { clear(f) }

// Point is a place in the upright photo, in pixels from its top left corner.
type Point struct{ X, Y float32 }

// Quality is what the gate looks at, measured on the chosen face. Sharpness,
// Brightness and Contrast are measured on the part of the face's box that lies in
// the photo, scaled to 150x150 pixels and turned to grey (BT.601), so that they
// do not depend on the camera's resolution.
type Quality struct {
	Size       int     // shorter side of the face's box, pixels of the upright photo
	Inside     float64 // share of the face's box that lies in the photo, 0 to 1
	Sharpness  float64 // variance of the Laplacian over the variance of grey, at least 0; see Measure
	Brightness float64 // mean grey level, 0 to 255
	Contrast   float64 // standard deviation of the grey level, 0 to 127.5
	Faces      int     // faces found in the photo
}

// Face is the face chosen in a photo. Secret: it prints only its kind.
type Face struct {
	Box       image.Rectangle // in the upright photo; may reach over its edge
	Landmarks []Point         // the network's own set and order
	Features  Features
	Quality   Quality
}

// Format prints the kind, whatever the verb.
func (Face) Format(s fmt.State, _ rune) { printKind(s, "face.Face(secret)") }

// Wipe overwrites the features and landmarks.
func (f *Face) Wipe() {
	f.Features.Wipe()
	clear(f.Landmarks)
}

// Network finds the face of a photo and describes it. Its methods may be called
// from several goroutines at once.
type Network interface {
	// Describe takes the bytes of a JPEG or PNG (EXIF orientation honoured), at
	// most MaxPhoto of them, and returns the one face that the gate accepts; the
	// caller owns and wipes it. It keeps nothing and leaves photo as it was. The
	// context is looked at between steps, not within them. Faults: Decode's,
	// those of Gate.Choose and Gate.Accept, fault.Cancelled.
	Describe(ctx context.Context, photo []byte) (*Face, error)
	// Dimension is the number of features.
	Dimension() int
	// Digest is the SHA-256 of the network's weights, as model files name it.
	Digest() canon.Digest
	// Close frees the network. It waits for calls under way.
	Close() error
}

func printKind(s fmt.State, kind string) { _, _ = io.WriteString(s, kind) }
