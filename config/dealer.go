package config

// Dealer is the configuration of nod-dealer. Only the two other roles call a dealer,
// and it calls nobody.
type Dealer struct {
	// Folder is the role's own: keyring and audit record. Only the user that the
	// program runs as may open it (mode 0700).
	Folder string `toml:"folder" is:"path"`
	// Trust says whose keys and which models this dealer accepts.
	Trust DealerTrust `toml:"trust"`
	// Listen is where the program listens.
	Listen Listen `toml:"listen"`
	// Correlations is how much is dealt at once.
	Correlations DealerCorrelations `toml:"correlations"`
	// Log is what the program writes about itself.
	Log Log `toml:"log"`
	// Drain is how long calls under way may still take when the program is told to
	// stop. Default: 20s. Range: 1s to 5m.
	Drain Duration `toml:"drain" default:"20s" range:"1s..5m"`
}

// LoadDealer reads the configuration of nod-dealer. The package names the faults.
func LoadDealer(path string) (*Dealer, error) { return load[Dealer](path) }

func (*Dealer) check() error { return nil }
