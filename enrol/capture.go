// Package enrol is what runs at the bureau's counter: photos to features, features
// to a sealed template, and the check of both servers' receipt.
package enrol

import (
	"context"

	"nod/client"
	"nod/face"
	"nod/fault"
)

// MaxPhotos is the most photos of one person that are fused.
const MaxPhotos = 32

// Capture describes photos of one person with a face network. A photo that cannot
// be used is named by its number, from 1. The photos stay the caller's to wipe,
// as do the features.
func Capture(ctx context.Context, network face.Network, photos ...[]byte) (client.Features, error) {
	if len(photos) < 1 || len(photos) > MaxPhotos {
		return nil, fault.New(fault.OutOfRange, "%d photos, from 1 to %d can be used", len(photos), MaxPhotos)
	}
	out := client.Features{}
	for i, photo := range photos {
		f, err := network.Describe(ctx, photo)
		if err != nil {
			out.Wipe()
			return nil, fault.Within(err, "photo %d", i+1)
		}
		out[network.Digest()] = append(out[network.Digest()], f.Features)
		clear(f.Landmarks)
	}
	return out, nil
}
