package rows

import (
	"nod/config"
)

// RulesOf are the rules of a role's configuration.
func RulesOf(t *config.Trusted, p *config.Parties, l *config.Limits) Rules {
	return Rules{Plans: t.Plans, Parties: p.RelyingParties, Stations: p.Stations, Bureau: p.Bureau, Limits: l.Admit()}
}
