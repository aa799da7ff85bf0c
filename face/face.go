// Package face turns a photo into features: the contract, the quality gate, and
// fusion of several photos of one person. The networks are in face/dlib and,
// later, face/onnx; they are the only packages with cgo.
package face

import (
	"context"
	"image"

	"nod/crypto/canon"
)

// Features is the output of a face network for one face: finite values, of the
// network's dimension, not normalised. Secret: wipe it after use.
type Features []float32

// Point is a place in the upright photo, in pixels from its top left corner.
type Point struct{ X, Y float32 }

// Quality is what the gate looks at, measured on the chosen face.
type Quality struct {
	Size       int     // shorter side of the face's box, pixels
	Sharpness  float64 // variance of the Laplacian over the box scaled to 150x150, grey levels squared
	Brightness float64 // mean grey level over the box, 0 to 255
	Contrast   float64 // standard deviation of the grey level over the box, 0 to 127.5
	Faces      int     // faces found in the photo
}

// Face is one face found in a photo.
type Face struct {
	Box       image.Rectangle // in the upright photo
	Landmarks []Point         // the network's own set and order; face/dlib gives five
	Features  Features
	Quality   Quality
}

// Wipe overwrites the features and landmarks.
func (f *Face) Wipe() {
	clear(f.Features)
	clear(f.Landmarks)
}

// Network finds the face of a photo and describes it.
type Network interface {
	// Describe takes the bytes of a JPEG or PNG (EXIF orientation honoured), at
	// most MaxPhoto of them, and returns the one face that the gate accepts. It
	// keeps nothing. Faults: see Gate, and fault.BadPhoto for what is no photo.
	Describe(ctx context.Context, photo []byte) (*Face, error)
	// Dimension is the number of features.
	Dimension() int
	// Digest is the SHA-256 of the network's weights, as model files name it.
	Digest() canon.Digest
	// Close frees the network.
	Close() error
}

// Limits of a photo.
const (
	MaxPhoto  = 16 << 20 // bytes
	MaxPixels = 40 << 20 // width times height
)
