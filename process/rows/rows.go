// Package rows adds to a process what a matcher and a custodian have, and a dealer has
// not: a store of encrypted rows, the names under which they stand, and the desk that
// admits what touches them.
package rows

import (
	"context"
	"path/filepath"

	"nod/admit"
	"nod/crypto/code"
	"nod/keyring/keysets"
	"nod/orders"
	"nod/process"
	"nod/store"
	"nod/store/pebble"
)

// Hooks stand around the store in tests. A nil hook changes nothing.
type Hooks struct {
	Store    func(store.Store) store.Store
	RawStore func(store.Store) store.Store // below the encryption of rows
}

// Rows is a process with a store.
type Rows struct {
	*process.Parts
	Store store.Store // encrypted
	names admit.Names
	raw   *pebble.Store
}

// Open opens the store in the process's folder, or makes one: fault.StoreInUse while
// another process has it open. It closes with the process.
func Open(ctx context.Context, p *process.Parts, h Hooks) (*Rows, error) {
	r := &Rows{Parts: p}
	raw, err := pebble.Open(pebble.Options{Folder: filepath.Join(p.Folder, "store"), Log: p.Log})
	if err != nil {
		return nil, err
	}
	p.Closes(raw.Close)
	shelf, err := keysets.Folder(filepath.Join(p.Folder, "keysets"))
	if err != nil {
		return nil, err
	}
	sets := keysets.New(string(p.Role), p.Ring, shelf)
	aead, err := sets.AEAD(ctx, keysets.Records)
	if err != nil {
		return nil, err
	}
	r.Store, r.raw = raw, raw
	if h.RawStore != nil {
		r.Store = h.RawStore(r.Store)
	}
	r.Store = store.Encrypted(r.Store, aead)
	if h.Store != nil {
		r.Store = h.Store(r.Store)
	}
	r.names, err = open(ctx, sets)
	return r, err
}

// open opens the PRFs under which the role names citizens.
func open(ctx context.Context, sets *keysets.Keysets) (n admit.Names, err error) {
	if n.Handles, err = sets.PRF(ctx, keysets.Handles); err != nil {
		return n, err
	}
	if n.Subjects, err = sets.PRF(ctx, keysets.Subjects); err != nil {
		return n, err
	}
	n.Pseudonyms, err = sets.PRF(ctx, keysets.Pseudonyms)
	return n, err
}

// Rules are what the role's own operator says of others.
type Rules struct {
	Plans    []*code.Plan // one a policy
	Parties  orders.Parties
	Stations orders.Stations
	Bureau   []*orders.PublicKey
	Limits   admit.Limits
}

// Desk is the desk that admits under the rules.
func (r *Rows) Desk(rules Rules) (*admit.Desk, error) {
	return admit.New(admit.Config{
		Store: r.Store, Names: r.names, Plans: rules.Plans, Limits: rules.Limits, Now: r.Now,
		Parties: rules.Parties, Stations: rules.Stations, Bureau: rules.Bureau,
	})
}

// Checks are all checks of the rules' plans, each once.
func (r Rules) Checks() (out []*code.Check) {
	seen := map[*code.Check]bool{}
	for _, p := range r.Plans {
		for _, s := range p.Steps {
			if !seen[s.Check] {
				seen[s.Check] = true
				out = append(out, s.Check)
			}
		}
	}
	return out
}
