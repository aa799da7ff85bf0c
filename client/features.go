package client

import (
	"fmt"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/fault"
)

// Features are what face networks made of one person's photos: by the digest of
// the network (code.Model.Network), one vector a photo. They are as secret as the
// photos; whoever is given them wipes them.
type Features map[canon.Digest][][]float32

// Wipe overwrites every vector with zeros.
func (f Features) Wipe() {
	for _, photos := range f {
		for _, v := range photos {
			clear(v)
		}
	}
}

// String hides the values.
func (Features) String() string { return "client.Features(secret)" }

// GoString hides the values.
func (Features) GoString() string { return "client.Features(secret)" }

// Format hides the values under every verb.
func (f Features) Format(w fmt.State, _ rune) { _, _ = w.Write([]byte(f.String())) }

// MarshalText hides the values from JSON and from structured logs.
func (f Features) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// encode makes the code of one model out of the photos of its network. A photo
// that looks like somebody else than the others is fault.FaceInconsistent.
func (f Features) encode(m *code.Model) (code.Code, error) {
	photos := f[m.Network()]
	if len(photos) == 0 {
		return nil, fault.New(fault.BadDimension, "no features by the network of model %s", m.Name())
	}
	number, found, err := m.Outlier(photos...)
	if err != nil {
		return nil, err
	}
	if found {
		return nil, fault.New(fault.FaceInconsistent, "photo %d of %d looks like somebody else", number+1, len(photos))
	}
	return m.Encode(photos...)
}
