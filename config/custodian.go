package config

// Custodian is the configuration of nod-custodian. Only the matcher calls a
// custodian, so it names no callers. Relying parties, stations, bureau and limits are
// its own operator's: nothing of them is taken from the matcher.
type Custodian struct {
	// Folder is the role's own: keyring, keysets, store and audit record. Only the
	// user that the program runs as may open it (mode 0700).
	Folder string `toml:"folder" is:"path"`
	// Trust says whose keys and which models and policies this server accepts.
	Trust Trust `toml:"trust"`
	// Listen is where the program listens.
	Listen Listen `toml:"listen"`
	// Peers are the roles that a custodian calls.
	Peers CustodianPeers `toml:"peers"`
	// RelyingParties are those whose requests are answered.
	RelyingParties []RelyingParty `toml:"relying_party"`
	// Stations are those whose enrolments are stored.
	Stations []Station `toml:"station"`
	// Bureau is who orders erasures, locks, unlocks and lifts.
	Bureau Bureau `toml:"bureau"`
	// Limits are this server's own limits on answers about one citizen.
	Limits Limits `toml:"limits"`
	// Correlations is what is kept for the matcher's verifications.
	Correlations CustodianCorrelations `toml:"correlations"`
	// Log is what the program writes about itself.
	Log Log `toml:"log"`
	// Drain is how long calls under way may still take when the program is told to
	// stop. Default: 20s. Range: 1s to 5m.
	Drain Duration `toml:"drain" default:"20s" range:"1s..5m"`
}

// CustodianPeers are the addresses of the roles that a custodian calls. Who answers
// there is held to the trust bundle; an address alone is trusted with nothing.
type CustodianPeers struct {
	// Dealer is the dealer's address for calls: host:port.
	Dealer string `toml:"dealer" is:"address"`
}

// LoadCustodian reads the configuration of nod-custodian. The package names the faults.
func LoadCustodian(path string) (*Custodian, error) { return load[Custodian](path) }

func (c *Custodian) check() error {
	if err := checkParties(c.RelyingParties, c.Stations); err != nil {
		return err
	}
	return c.Correlations.check()
}

// LoadParties reads the keys of relying parties, stations and bureau.
func (c *Custodian) LoadParties() (*Parties, error) {
	return loadParties(c.RelyingParties, c.Stations, c.Bureau)
}
