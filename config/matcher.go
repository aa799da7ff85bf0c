package config

// Matcher is the configuration of nod-matcher.
type Matcher struct {
	// Folder is the role's own: keyring, keysets, store and audit record. Only the
	// user that the program runs as may open it (mode 0700).
	Folder string `toml:"folder" is:"path"`
	// Trust says whose keys and which models and policies this server accepts.
	Trust Trust `toml:"trust"`
	// Listen is where the program listens.
	Listen Listen `toml:"listen"`
	// Peers are the roles that a matcher calls.
	Peers MatcherPeers `toml:"peers"`
	// Callers are those who may call this matcher besides the two other roles. With
	// none, nobody may.
	Callers []Caller `toml:"caller"`
	// RelyingParties are those whose requests are answered.
	RelyingParties []RelyingParty `toml:"relying_party"`
	// Stations are those whose enrolments are stored.
	Stations []Station `toml:"station"`
	// Bureau is who orders erasures, locks, unlocks and lifts.
	Bureau Bureau `toml:"bureau"`
	// Limits are this server's own limits on answers about one citizen.
	Limits Limits `toml:"limits"`
	// Correlations is the stock that verifications draw on.
	Correlations MatcherCorrelations `toml:"correlations"`
	// Log is what the program writes about itself.
	Log Log `toml:"log"`
	// Drain is how long calls under way may still take when the program is told to
	// stop. Default: 20s. Range: 1s to 5m.
	Drain Duration `toml:"drain" default:"20s" range:"1s..5m"`
}

// MatcherPeers are the addresses of the roles that a matcher calls. Who answers
// there is held to the trust bundle; an address alone is trusted with nothing.
type MatcherPeers struct {
	// Custodian is the custodian's address for calls: host:port.
	Custodian string `toml:"custodian" is:"address"`
	// Dealer is the dealer's address for calls: host:port.
	Dealer string `toml:"dealer" is:"address"`
}

// LoadMatcher reads the configuration of nod-matcher. The package names the faults.
func LoadMatcher(path string) (*Matcher, error) { return load[Matcher](path) }

func (m *Matcher) check() error {
	if err := checkCallers(m.Callers); err != nil {
		return err
	}
	if err := checkParties(m.RelyingParties, m.Stations); err != nil {
		return err
	}
	return m.Correlations.check()
}

// LoadParties reads the keys of relying parties, stations and bureau.
func (m *Matcher) LoadParties() (*Parties, error) {
	return loadParties(m.RelyingParties, m.Stations, m.Bureau)
}

// LoadCallers reads the keys of the callers.
func (m *Matcher) LoadCallers() (*Callers, error) { return loadCallers(m.Callers) }
