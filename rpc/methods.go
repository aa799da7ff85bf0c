package rpc

import (
	"regexp"
	"strings"
	"time"

	"nod/wire"
)

// Limits of messages, in bytes. What a role's decoder takes is smaller still.
const (
	maxRequest = 256 << 10
	maxAnswer  = 256 << 10
	maxHeaders = 8 << 10 // of one call, either way
)

// longest is the most time that any call gets.
const longest = 2 * time.Minute

// kind is how one method travels.
type kind struct {
	streamed bool          // the answer comes in pieces, up to wire.MaxMessage
	timeout  time.Duration // the longest that a call may take, on either side
}

// kindOf is how a method travels. Only a batch of correlations is large.
func kindOf(m wire.Method) kind {
	switch m {
	case wire.DealerBatch:
		return kind{streamed: true, timeout: longest}
	case wire.CustodianToss: // the custodian fetches a batch meanwhile
		return kind{timeout: longest}
	case wire.MatcherRenew: // a page of templates
		return kind{timeout: longest}
	case wire.PeerHello:
		return kind{timeout: 5 * time.Second}
	}
	return kind{timeout: 30 * time.Second}
}

// prefix stands before a method's role in its gRPC name: /nod.v1.custodian/Open.
const prefix = "/nod.v1."

func fullName(m wire.Method) string { return prefix + string(m) }

var methodShape = regexp.MustCompile(`^[a-z]{1,32}/[A-Za-z]{1,32}$`)

// methodOf is the method of a gRPC name, or "" if it cannot be one: logs are to hold
// no text of a caller's choice.
func methodOf(full string) wire.Method {
	m, ok := strings.CutPrefix(full, prefix)
	if !ok || !methodShape.MatchString(m) {
		return ""
	}
	return wire.Method(m)
}
