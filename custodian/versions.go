package custodian

import (
	"context"

	"nod/store"
)

// scanned is how many slots are read at once.
const scanned = 1024

// PadVersions counts the pads that need each version of the pad key, in use or waiting:
// a version that is destroyed takes all of its templates with it.
func (c *Custodian) PadVersions(ctx context.Context) (map[uint32]int, error) {
	out := map[uint32]int{}
	for after, more := (store.Row{}), true; more; {
		entries, err := c.Store.Scan(ctx, tableSlot, after, scanned)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			s, err := decodeSlot(e.Value)
			if err != nil {
				return nil, err
			}
			s.settle(c.Now())
			if s.active != nil {
				out[s.active.version]++
			}
			for _, p := range s.pending {
				out[p.version]++
			}
		}
		if more = len(entries) == scanned; more {
			after = entries[scanned-1].Row
		}
	}
	return out, nil
}
