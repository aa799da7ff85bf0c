//go:build !cgo

package dlib

import (
	"nod/face"
	"nod/fault"
)

// Open cannot load the network: this program was built without cgo. Fault:
// fault.NetworkNotBuilt.
func Open(string, face.Gate) (face.Network, error) {
	return nil, fault.New(fault.NetworkNotBuilt, "built without cgo")
}
