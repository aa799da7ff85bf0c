package wire

import (
	"context"

	"nod/crypto/canon"
)

// Matcher is the role that relying parties, stations and the bureau call, through
// the HTTP edge or a command line.
type Matcher interface {
	// Open opens a session for a request that a relying party signed.
	Open(ctx context.Context, m *OpenRequest) (*OpenAnswer, error)
	// Verify compares the probe of an open session.
	Verify(ctx context.Context, m *ProbeRequest) (*VerdictAnswer, error)
	// Keys gives both servers' recipient certificates, for an enrolment.
	Keys(ctx context.Context, m *KeysRequest) (*KeysAnswer, error)
	// Enrol stores a template that a station signed.
	Enrol(ctx context.Context, m *EnrolRequest) (*ReceiptAnswer, error)
	// Order carries out an order of the bureau: erase, lock, unlock, lift.
	Order(ctx context.Context, m *OrderRequest) (*ReceiptAnswer, error)
	// Renew moves templates to the custodian's newest pad key, a page at a time.
	// It is the operator's: no relying party is let through to it.
	Renew(ctx context.Context, m *RenewRequest) (*RenewAnswer, error)
}

type (
	// OpenRequest carries the relying party's compact JWS.
	OpenRequest struct{ Request []byte }
	// OpenAnswer carries the answer that both servers signed (orders.Answer).
	OpenAnswer struct{ Answer []byte }
	// ProbeRequest is a client's sealed probe.
	ProbeRequest struct {
		Session     canon.SessionID
		Sealed0     []byte // x_0, to the matcher
		Sealed1     []byte // the seed of x_1, to the custodian
		Attestation []byte // a capture attestation, or empty
		Signature   []byte // by the client's one-time key
	}
	// VerdictAnswer carries the verdict that both servers signed.
	VerdictAnswer struct{ Verdict []byte }
	// KeysRequest asks for recipient certificates.
	KeysRequest struct{}
	// KeysAnswer gives them. The station checks each under its own role's pinned
	// identity key.
	KeysAnswer struct{ Matcher, Custodian []byte }
	// EnrolRequest is a station's sealed template.
	EnrolRequest struct {
		Order   []byte // orders.Enrolment, signed by the station
		Sealed0 []byte // y_0, to the matcher
		Sealed1 []byte // the seed of y_1, to the custodian
	}
	// OrderRequest carries an order that the bureau signed.
	OrderRequest struct{ Order []byte }
	// ReceiptAnswer carries a receipt that both servers signed.
	ReceiptAnswer struct{ Receipt []byte }
	// RenewRequest asks to renew at most Limit templates, from Cursor on (empty:
	// from the first).
	RenewRequest struct {
		Cursor []byte
		Limit  uint32
	}
	// RenewAnswer says how many templates were looked at, how many moved, how many
	// could not (the custodian does not hold their rows), and where to go on; an
	// empty Cursor means that this was the last page.
	RenewAnswer struct {
		Cursor                []byte
		Seen, Renewed, Failed uint32
	}
)

func (m *OpenRequest) fields(c *coder) { c.bytes(&m.Request, MaxRequest) }

func (m *OpenAnswer) fields(c *coder) { c.bytes(&m.Answer, MaxSigned) }

func (m *ProbeRequest) fields(c *coder) {
	c.fixed(m.Session[:])
	c.bytes(&m.Sealed0, MaxSealed)
	c.bytes(&m.Sealed1, MaxSealed)
	c.bytes(&m.Attestation, MaxAttestation)
	c.bytes(&m.Signature, MaxSignature)
}

func (m *VerdictAnswer) fields(c *coder) { c.bytes(&m.Verdict, MaxSigned) }

func (*KeysRequest) fields(*coder) {}

func (m *KeysAnswer) fields(c *coder) {
	c.bytes(&m.Matcher, MaxCertificate)
	c.bytes(&m.Custodian, MaxCertificate)
}

func (m *EnrolRequest) fields(c *coder) {
	c.bytes(&m.Order, MaxRequest)
	c.bytes(&m.Sealed0, MaxSealed)
	c.bytes(&m.Sealed1, MaxSealed)
}

func (m *OrderRequest) fields(c *coder) { c.bytes(&m.Order, MaxRequest) }

func (m *ReceiptAnswer) fields(c *coder) { c.bytes(&m.Receipt, MaxSigned) }

func (m *RenewRequest) fields(c *coder) {
	c.bytes(&m.Cursor, 512)
	c.uint32(&m.Limit)
}

func (m *RenewAnswer) fields(c *coder) {
	c.bytes(&m.Cursor, 512)
	c.uint32(&m.Seen)
	c.uint32(&m.Renewed)
	c.uint32(&m.Failed)
}

// The matcher's methods.
const (
	MatcherOpen   Method = "matcher/Open"
	MatcherVerify Method = "matcher/Verify"
	MatcherKeys   Method = "matcher/Keys"
	MatcherEnrol  Method = "matcher/Enrol"
	MatcherOrder  Method = "matcher/Order"
	MatcherRenew  Method = "matcher/Renew"
)

// ServeMatcher serves any Matcher.
func ServeMatcher(m Matcher, report Report) Handler {
	return handler(report, map[Method]func(context.Context, []byte) ([]byte, error){
		MatcherOpen:   serve(m.Open),
		MatcherVerify: serve(m.Verify),
		MatcherKeys:   serve(m.Keys),
		MatcherEnrol:  serve(m.Enrol),
		MatcherOrder:  serve(m.Order),
		MatcherRenew:  serve(m.Renew),
	})
}

// MatcherClient is a Matcher at the other end of a Caller.
type MatcherClient struct{ Caller Caller }

var _ Matcher = MatcherClient{}

// Open calls matcher/Open.
func (c MatcherClient) Open(ctx context.Context, m *OpenRequest) (*OpenAnswer, error) {
	return invoke[OpenAnswer](ctx, c.Caller, MatcherOpen, m)
}

// Verify calls matcher/Verify.
func (c MatcherClient) Verify(ctx context.Context, m *ProbeRequest) (*VerdictAnswer, error) {
	return invoke[VerdictAnswer](ctx, c.Caller, MatcherVerify, m)
}

// Keys calls matcher/Keys.
func (c MatcherClient) Keys(ctx context.Context, m *KeysRequest) (*KeysAnswer, error) {
	return invoke[KeysAnswer](ctx, c.Caller, MatcherKeys, m)
}

// Enrol calls matcher/Enrol.
func (c MatcherClient) Enrol(ctx context.Context, m *EnrolRequest) (*ReceiptAnswer, error) {
	return invoke[ReceiptAnswer](ctx, c.Caller, MatcherEnrol, m)
}

// Order calls matcher/Order.
func (c MatcherClient) Order(ctx context.Context, m *OrderRequest) (*ReceiptAnswer, error) {
	return invoke[ReceiptAnswer](ctx, c.Caller, MatcherOrder, m)
}

// Renew calls matcher/Renew.
func (c MatcherClient) Renew(ctx context.Context, m *RenewRequest) (*RenewAnswer, error) {
	return invoke[RenewAnswer](ctx, c.Caller, MatcherRenew, m)
}
