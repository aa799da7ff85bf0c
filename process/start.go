package process

import (
	"log/slog"
	"net"
	"time"

	"nod/config"
)

// Start is how a role's process is started, beside its configuration.
type Start struct {
	Log     *slog.Logger
	Profile bool // serve Go's profiles at the operations address
	// Listening is told both addresses once they are open; nil: nobody.
	Listening func(calls, operations net.Addr)
	Hooks     Hooks
}

// Service is the part of a Service that configuration and start say.
func (s *Start) Service(l config.Listen, drain config.Duration) Service {
	return Service{
		Calls: l.Calls, Operations: l.Operations, Drain: time.Duration(drain), Profile: s.Profile, Listening: s.Listening,
	}
}
