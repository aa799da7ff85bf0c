package dev

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"nod/crypto/seal"
	"nod/enrol"
	"nod/fault"
	"nod/orders"
	"nod/process"
)

// The parties outside Nod that an embedded deployment plays.
const (
	RelyingParty = "bank.example"
	Purpose      = "account-opening"
	StationName  = "counter-1"
)

// parties are the keys of the parties outside. In a deployment each is with its
// own owner, and the servers have public keys only.
type parties struct{ rp, station, bureau *orders.PrivateKey }

func openParties(o *Options) (p *parties, err error) {
	p = new(parties)
	for name, key := range map[string]**orders.PrivateKey{"rp": &p.rp, "station": &p.station, "bureau": &p.bureau} {
		if *key, err = openKey(o.Folder, name); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// openKey reads a private JWK, or makes one.
func openKey(folder, name string) (*orders.PrivateKey, error) {
	path := filepath.Join(folder, name+".jwk")
	data, err := os.ReadFile(path)
	if err == nil {
		defer clear(data)
		return orders.ParsePrivateKey(data)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.StoreUnavailable, "%w", err)
	}
	return newKey(path, "ES256")
}

// newKey makes a private JWK in a file of mode 0600.
func newKey(path, algorithm string) (*orders.PrivateKey, error) {
	key, err := orders.NewPrivateKey(algorithm)
	if err != nil {
		return nil, err
	}
	data, err := key.MarshalSecret()
	if err != nil {
		return nil, err
	}
	defer clear(data)
	return key, writeFile(path, data, 0o600)
}

func writeFile(path string, data []byte, mode os.FileMode) error {
	if err := os.WriteFile(path, data, mode); err != nil {
		return fault.New(fault.StoreUnavailable, "%w", err)
	}
	return nil
}

// privateFolder makes a folder that nobody else may open.
func privateFolder(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fault.New(fault.StoreUnavailable, "%w", err)
	}
	return nil
}

func (p *parties) party(rp string) (orders.Party, bool) {
	return orders.Party{Keys: []*orders.PublicKey{p.rp.Public()}, Purposes: []string{Purpose}}, rp == RelyingParty
}

func (p *parties) stationKeys(name string) ([]*orders.PublicKey, bool) {
	return []*orders.PublicKey{p.station.Public()}, name == StationName
}

// outside sets up the parties that use the deployment.
func (d *Deployment) outside(p *parties) {
	d.RP = relyingParty(RelyingParty, Purpose, d.Plan, d.Bundle)
	d.RP.Key = p.rp
	d.Station = &enrol.Station{ID: StationName, Key: p.station, Bundle: d.Bundle, Matcher: d.Matcher, Now: d.now}
	d.Bureau = p.bureau
}

// bundleFile is the trust bundle, written once the roles' keys are there.
const bundleFile = "bundle.json"

// Exists reports whether a folder holds an embedded deployment.
func Exists(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, bundleFile))
	return err == nil
}

// openBundle pins the three identity keys. A bundle that is there must name the
// keys of the keyrings: the folders belong together.
func openBundle(ctx context.Context, o *Options, parts map[seal.Role]*process.Parts) (*seal.Bundle, error) {
	path := filepath.Join(o.Folder, bundleFile)
	data, err := os.ReadFile(path)
	if err == nil {
		return seal.ParseBundle(data)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.StoreUnavailable, "%w", err)
	}
	identities := map[seal.Role][]seal.Identity{}
	for role, p := range parts {
		id, err := p.Identity(ctx)
		if err != nil {
			return nil, err
		}
		identities[role] = []seal.Identity{id}
	}
	// The key that would sign the next bundle is thrown away: an embedded
	// deployment is made anew instead.
	offline, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fault.New(fault.Unexpected, "offline key: %w", err)
	}
	bundle, err := seal.NewBundle(identities, offline)
	if err != nil {
		return nil, err
	}
	if data, err = bundle.Marshal(); err != nil {
		return nil, err
	}
	return bundle, writeFile(path, data, 0o644)
}
