package config

// Limits are a server's own limits on answers about one citizen, and on its memory.
// Each server counts for itself, so the stricter of the two decides.
type Limits struct {
	// Consecutive is how many no-matches in a row, over all relying parties, start a
	// pause. Default: 5. Range: 1 to 65535.
	Consecutive int `toml:"consecutive" default:"5" range:"1..65535"`
	// Pause is how long the first pause lasts; each further one doubles it.
	// Default: 30m. Range: 1s to 24h.
	Pause Duration `toml:"pause" default:"30m" range:"1s..24h"`
	// NoMatches is how many no-matches in any 30 days, not reset by a match, turn face
	// verification off for the citizen until the bureau lifts it. Default: 50.
	// Range: 1 to 65535.
	NoMatches int `toml:"no_matches" default:"50" range:"1..65535"`
	// Answers is how many answers of any kind in any 30 days do the same.
	// Default: 300. Range: 1 to 65535.
	Answers int `toml:"answers" default:"300" range:"1..65535"`
	// Session is how long a session lives, and a finished verdict is repeated. A longer
	// one would outlive the keys that it is sealed to. Default: 180s. Range: 1s to 9m.
	Session Duration `toml:"session" default:"180s" range:"1s..9m"`
	// Replay is how long a request's jti is remembered. Default: 24h. Range: 10m to
	// 720h.
	Replay Duration `toml:"replay" default:"24h" range:"10m..720h"`
	// Sessions is how many sessions are open at a time, over all citizens; further
	// requests are refused as overload. Default: 10000. Range: 1 to 1000000.
	Sessions int `toml:"sessions" default:"10000" range:"1..1000000"`
}
