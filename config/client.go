package config

import (
	"crypto"

	"nod/fault"
	"nod/orders"
)

// Client is the configuration of the nod command against a running matcher. A bank
// has a caller's key alone, or its relying party's key as well; the command plays
// device, station and bureau for development.
type Client struct {
	// Matcher is the matcher's address for calls: host:port.
	Matcher string `toml:"matcher" is:"address"`
	// Trust pins the keys of the three roles, and the models and policies in use.
	Trust Trust `toml:"trust"`
	// Caller is who connects, as the matcher's operator registered it.
	Caller ClientCaller `toml:"caller"`
	// RelyingParty is who signs requests. Optional as a whole.
	RelyingParty *ClientParty `toml:"relying_party"`
	// Station is who signs enrolments. Optional as a whole.
	Station *ClientStation `toml:"station"`
	// Bureau is who signs orders. Optional as a whole.
	Bureau *ClientBureau `toml:"bureau"`
}

// ClientCaller is a caller with its own key.
type ClientCaller struct {
	// Name is the caller's name at the matcher: 1 to 64 of a-z, 0-9, '.' and '-', and
	// none of matcher, custodian and dealer.
	Name string `toml:"name" is:"name"`
	// Key is the path of the caller's private Ed25519 JWK (mode 0600).
	Key string `toml:"key" is:"path"`
}

// ClientParty is a relying party with its own key.
type ClientParty struct {
	// ID is the relying party's id: 1 to 128 printable ASCII characters without space.
	ID string `toml:"id" is:"id"`
	// Purpose is the purpose of its requests: 1 to 64 printable ASCII characters
	// without space.
	Purpose string `toml:"purpose" is:"purpose"`
	// Key is the path of its private P-256 or Ed25519 JWK (mode 0600).
	Key string `toml:"key" is:"path"`
}

// ClientStation is a station with its own key.
type ClientStation struct {
	// ID is the station's id: 1 to 128 printable ASCII characters without space.
	ID string `toml:"id" is:"id"`
	// Key is the path of its private P-256 or Ed25519 JWK (mode 0600).
	Key string `toml:"key" is:"path"`
}

// ClientBureau is the bureau with its own key.
type ClientBureau struct {
	// Key is the path of its private P-256 or Ed25519 JWK (mode 0600).
	Key string `toml:"key" is:"path"`
}

// LoadClient reads the configuration of the nod command. The package names the faults.
func LoadClient(path string) (*Client, error) { return load[Client](path) }

func (c *Client) check() error { return checkCallerName("caller.name", c.Caller.Name) }

// Load reads the key with which the caller connects, for TLS. A key that is not
// Ed25519 is fault.BadKey.
func (c *ClientCaller) Load() (crypto.Signer, error) {
	key, err := loadPrivateKey("caller.key", c.Key)
	if err != nil {
		return nil, err
	}
	signer, ok := key.Signer()
	if !ok {
		return nil, fault.New(fault.BadKey, "caller.key: %s is not an Ed25519 key", c.Key)
	}
	return signer, nil
}

// Load reads the relying party's key.
func (p *ClientParty) Load() (*orders.PrivateKey, error) {
	return loadPrivateKey("relying_party.key", p.Key)
}

// Load reads the station's key.
func (s *ClientStation) Load() (*orders.PrivateKey, error) {
	return loadPrivateKey("station.key", s.Key)
}

// Load reads the bureau's key.
func (b *ClientBureau) Load() (*orders.PrivateKey, error) {
	return loadPrivateKey("bureau.key", b.Key)
}
