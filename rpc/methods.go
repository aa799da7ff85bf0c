package rpc

import (
	"strings"
	"time"

	"nod/wire"
)

// Limits of messages, in bytes. What a role's decoder takes is smaller still.
const (
	maxRequest = 256 << 10
	maxAnswer  = 256 << 10
)

// kind is how one method travels.
type kind struct {
	streamed bool          // the answer comes in pieces, up to wire.MaxMessage
	timeout  time.Duration // the longest that a call may take, on either side
}

// kindOf is how a method travels. Only a batch of correlations is large.
func kindOf(m wire.Method) kind {
	switch m {
	case wire.DealerBatch:
		return kind{streamed: true, timeout: 2 * time.Minute}
	case wire.CustodianToss: // the custodian fetches a batch meanwhile
		return kind{timeout: 2 * time.Minute}
	case wire.MatcherRenew: // a page of templates
		return kind{timeout: 2 * time.Minute}
	case wire.PeerHello:
		return kind{timeout: 5 * time.Second}
	}
	return kind{timeout: 30 * time.Second}
}

// prefix stands before a method's role in its gRPC name: /nod.v1.custodian/Open.
const prefix = "/nod.v1."

func fullName(m wire.Method) string { return prefix + string(m) }

// methodOf is the method of a gRPC name, or "".
func methodOf(full string) wire.Method {
	m, ok := strings.CutPrefix(full, prefix)
	if !ok {
		return ""
	}
	return wire.Method(m)
}
