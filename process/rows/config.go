package rows

import (
	"nod/admit"
	"nod/channel"
	"nod/config"
	"nod/crypto/compare/cut"
)

// RulesOf are the rules of a role's configuration.
func RulesOf(t *config.Trusted, p *config.Parties, l *config.Limits) Rules {
	return Rules{Plans: t.Plans, Parties: p.RelyingParties, Stations: p.Stations, Bureau: p.Bureau, Limits: LimitsOf(l)}
}

// LimitsOf is the part of a configuration's limits that is about one citizen. The
// ranges of the configuration are within what admit takes.
func LimitsOf(l *config.Limits) admit.Limits {
	return admit.Limits{
		Consecutive: l.Consecutive,
		Pause:       l.Pause.Std(),
		NoMatches:   l.NoMatches,
		Answers:     l.Answers,
		Session:     l.Session.Std(),
		Replay:      l.Replay.Std(),
	}
}

// SizesOf is the part of a configuration's correlations that both parties have.
func SizesOf(batch, sacrifice int, age, timeout config.Duration) channel.Config {
	return channel.Config{Params: cut.Params{Batch: batch, Sacrifice: sacrifice}, MaxAge: age.Std(), Timeout: timeout.Std()}
}
