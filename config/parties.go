package config

import (
	"nod/fault"
	"nod/orders"
)

// RelyingParty is a bank or portal as this server's operator registered it.
type RelyingParty struct {
	// ID is its id, as its requests name it: 1 to 128 printable ASCII characters without
	// space.
	ID string `toml:"id" is:"id"`
	// Keys are the paths of the public JWKs (P-256 or Ed25519) that its requests are
	// signed with, one at least.
	Keys []string `toml:"keys" is:"path" min:"1"`
	// Purposes are what it may ask for, one at least: 1 to 64 printable ASCII characters
	// without space each.
	Purposes []string `toml:"purposes" is:"purpose" min:"1"`
}

// Station is a place of enrolment as this server's operator registered it.
type Station struct {
	// ID is its id, as its orders name it: 1 to 128 printable ASCII characters without
	// space.
	ID string `toml:"id" is:"id"`
	// Keys are the paths of the public JWKs (P-256 or Ed25519) that its enrolments are
	// signed with, one at least.
	Keys []string `toml:"keys" is:"path" min:"1"`
}

// Bureau is the identity bureau.
type Bureau struct {
	// Keys are the paths of the public JWKs (P-256 or Ed25519) that its orders are
	// signed with, one at least.
	Keys []string `toml:"keys" is:"path" min:"1"`
}

// Parties are those whose signatures a server accepts, with their keys: what
// admit.Config needs.
type Parties struct {
	// RelyingParties looks up relying parties.
	RelyingParties orders.Parties
	// Stations looks up stations.
	Stations orders.Stations
	// Bureau are the bureau's keys.
	Bureau []*orders.PublicKey
}

// checkParties refuses one id for two parties, of which the second would never be
// found.
func checkParties(parties []RelyingParty, stations []Station) error {
	seen := map[string]bool{}
	for i, p := range parties {
		if seen[p.ID] {
			return fault.New(fault.BadEncoding, "%s.id: %q is registered twice", element("relying_party", i), p.ID)
		}
		seen[p.ID] = true
	}
	clear(seen)
	for i, s := range stations {
		if seen[s.ID] {
			return fault.New(fault.BadEncoding, "%s.id: %q is registered twice", element("station", i), s.ID)
		}
		seen[s.ID] = true
	}
	return nil
}

// loadParties reads all keys. A key belongs to one party: found a second time it is
// fault.BadKey, for whoever holds it could sign for both.
func loadParties(parties []RelyingParty, stations []Station, bureau Bureau) (*Parties, error) {
	seen := map[string]string{} // thumbprint to the field that has it
	byID := make(map[string]orders.Party, len(parties))
	for i, p := range parties {
		keys, err := loadPublicKeys(element("relying_party", i)+".keys", p.Keys, seen)
		if err != nil {
			return nil, err
		}
		byID[p.ID] = orders.Party{Keys: keys, Purposes: p.Purposes}
	}
	byName := make(map[string][]*orders.PublicKey, len(stations))
	for i, s := range stations {
		keys, err := loadPublicKeys(element("station", i)+".keys", s.Keys, seen)
		if err != nil {
			return nil, err
		}
		byName[s.ID] = keys
	}
	keys, err := loadPublicKeys("bureau.keys", bureau.Keys, seen)
	if err != nil {
		return nil, err
	}
	return &Parties{
		RelyingParties: func(rp string) (orders.Party, bool) { p, ok := byID[rp]; return p, ok },
		Stations:       func(station string) ([]*orders.PublicKey, bool) { k, ok := byName[station]; return k, ok },
		Bureau:         keys,
	}, nil
}

// loadPublicKeys reads the keys of one list.
func loadPublicKeys(list string, paths []string, seen map[string]string) ([]*orders.PublicKey, error) {
	keys := make([]*orders.PublicKey, 0, len(paths))
	for i, path := range paths {
		key, err := loadPublicKey(element(list, i), path, seen)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// loadPublicKey reads one key that is not among those seen, and adds it to them.
func loadPublicKey(field, path string, seen map[string]string) (*orders.PublicKey, error) {
	data, err := readPinned(field, path, orders.MaxJWK)
	if err != nil {
		return nil, err
	}
	key, err := orders.ParsePublicKey(data)
	if err != nil {
		return nil, fault.Within(err, "%s %s", field, path)
	}
	if other, taken := seen[key.ID()]; taken {
		return nil, fault.New(fault.BadKey, "%s %s is the key of %s too; want a key of its own", field, path, other)
	}
	seen[key.ID()] = field
	return key, nil
}

// loadPrivateKey reads one private JWK, from a file that is its owner's only.
func loadPrivateKey(field, path string) (*orders.PrivateKey, error) {
	data, err := readPrivate(field, path, orders.MaxJWK)
	if err != nil {
		return nil, err
	}
	defer clear(data)
	key, err := orders.ParsePrivateKey(data)
	if err != nil {
		return nil, fault.Within(err, "%s %s", field, path)
	}
	return key, nil
}
