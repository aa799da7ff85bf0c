package canon

import (
	"encoding/hex"
	"fmt"
)

// ID is a 32-byte public identifier, nearly always a SHA-256. The parameter
// tells kinds of ids apart at compile time; it has no value of its own.
type ID[kind any] [32]byte

// The ids of the protocol.
type (
	// RequestHash is q: SHA-256 of a relying party's exact compact JWS.
	RequestHash = ID[requestKind]
	// SessionID is SHA-256(canonical(q, nonce_0, nonce_1)).
	SessionID = ID[sessionKind]
	// RowID names a template; it is the q of the enrolment that made it.
	RowID = ID[rowKind]
	// ModelID is the SHA-256 of a model file.
	ModelID = ID[modelKind]
	// PolicyID is the SHA-256 of a policy file.
	PolicyID = ID[policyKind]
	// ChannelID names a stream of correlations between two instances for one check.
	ChannelID = ID[channelKind]
	// CheckID names a check: a model and which of its two checks.
	CheckID = ID[checkKind]
	// OrderHash is the SHA-256 of an order's exact bytes.
	OrderHash = ID[orderKind]
	// Digest is any other SHA-256.
	Digest = ID[digestKind]
)

type (
	requestKind struct{}
	sessionKind struct{}
	rowKind     struct{}
	modelKind   struct{}
	policyKind  struct{}
	channelKind struct{}
	checkKind   struct{}
	orderKind   struct{}
	digestKind  struct{}
)

// String is the id as 64 lower-case hexadecimal digits.
func (id ID[kind]) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether id was never set.
func (id ID[kind]) IsZero() bool { return id == ID[kind]{} }

// MarshalText is String's form.
func (id ID[kind]) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText accepts exactly what MarshalText writes.
func (id *ID[kind]) UnmarshalText(text []byte) error {
	if len(text) != 64 {
		return fmt.Errorf("canon: id of %d characters, want 64", len(text))
	}
	var v ID[kind]
	if _, err := hex.Decode(v[:], text); err != nil {
		return fmt.Errorf("canon: id is not hexadecimal")
	}
	if v.String() != string(text) {
		return fmt.Errorf("canon: id must use lower-case digits")
	}
	*id = v
	return nil
}
