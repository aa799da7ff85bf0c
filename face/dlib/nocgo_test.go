//go:build !cgo

package dlib

import (
	"testing"

	"nod/face"
	"nod/fault"
)

func TestOpenWithoutC(t *testing.T) {
	if n, err := Open("anywhere", face.DefaultGate()); n != nil || !fault.Is(err, fault.NetworkNotBuilt) {
		t.Errorf("%v, %v", n, err)
	}
}
