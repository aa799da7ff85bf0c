package orders

import (
	"time"

	"nod/crypto/canon"
	"nod/crypto/seal"
	"nod/fault"
)

// ReceiptKind is what was done.
type ReceiptKind string

// The kinds.
const (
	Enrolled ReceiptKind = "enrolled"
	Erased   ReceiptKind = "erased"
	Locked   ReceiptKind = "locked"
	Unlocked ReceiptKind = "unlocked"
	Lifted   ReceiptKind = "lifted"
)

// MaxRemoved is the most rows that one statement lists.
const MaxRemoved = 64

// Statement is one server's word on what it did, at its own side, with an
// enrolment or order.
type Statement struct {
	Kind ReceiptKind
	Role seal.Role
	// Order is the order's hash, or the row that was enrolled.
	Order [32]byte
	Time  time.Time // whole seconds
	// KeyVersion is of the pad key that the row is masked with, or of the KEK of
	// the server's records.
	KeyVersion uint32
	// Removed lists rows that this server can no longer use: the matcher deleted
	// the masked template, the custodian the salt.
	Removed []canon.RowID
}

func (s *Statement) bytes() []byte {
	rows := make([]byte, 0, 32*len(s.Removed))
	for _, row := range s.Removed {
		rows = append(rows, row[:]...)
	}
	return canon.Encode("statement", []byte(s.Kind), []byte(s.Role), s.Order[:], canon.Time(s.Time),
		canon.Uint64(uint64(s.KeyVersion)), rows)
}

func parseStatement(data []byte) (*Statement, error) {
	r := canon.NewReader("statement", data)
	s := &Statement{Kind: ReceiptKind(r.Text(1, 16)), Role: seal.Role(r.Text(1, 16))}
	r.Fixed(s.Order[:])
	s.Time = r.Time()
	s.KeyVersion = uint32(r.Uint(1<<32 - 1))
	rows := r.Bytes(0, 32*MaxRemoved)
	if err := r.Close(); err != nil {
		return nil, err
	}
	if len(rows)%32 != 0 {
		return nil, fault.New(fault.BadEncoding, "statement: rows of %d bytes", len(rows))
	}
	for ; len(rows) > 0; rows = rows[32:] {
		s.Removed = append(s.Removed, canon.RowID(rows[:32]))
	}
	return s, s.valid()
}

func (s *Statement) valid() error {
	switch s.Kind {
	case Enrolled, Erased, Locked, Unlocked, Lifted:
	default:
		return fault.New(fault.OutOfRange, "statement of an unknown kind")
	}
	if s.Role != seal.Matcher && s.Role != seal.Custodian {
		return fault.New(fault.OutOfRange, "statement of another role than the two servers")
	}
	if len(s.Removed) > MaxRemoved {
		return fault.New(fault.Oversize, "statement of %d rows, at most %d", len(s.Removed), MaxRemoved)
	}
	return nil
}

// SignStatement is one server's half of a receipt. s.Role and s.Time are set to
// the signer's and to now.
func SignStatement(signers *seal.Signers, s Statement, now time.Time) ([]byte, error) {
	s.Role, s.Time = signers.Role(), now
	if err := s.valid(); err != nil {
		return nil, err
	}
	body := s.bytes()
	signature, err := signers.Sign(now, body)
	if err != nil {
		return nil, err
	}
	return canon.Encode("signed-statement", body, signature.Cert, signature.Value), nil
}

// CombineReceipt is a receipt, out of both servers' statements.
func CombineReceipt(matcher, custodian []byte) []byte {
	return canon.Encode("receipt", matcher, custodian)
}

// VerifyStatement checks one half of a receipt: that role, in its own name,
// signed it about this kind and order. Faults: those of the encoding,
// NotCosigned, BadCertificate, KeyExpired, BadSignature, WrongRequest.
func VerifyStatement(half []byte, role seal.Role, bundle *seal.Bundle, kind ReceiptKind, order [32]byte) (*Statement, error) {
	r := canon.NewReader("signed-statement", half)
	body := r.Bytes(0, maxSigned)
	signature := seal.Signature{Cert: r.Bytes(0, seal.MaxCert), Value: r.Bytes(0, 64)}
	if err := r.Close(); err != nil {
		return nil, err
	}
	s, err := parseStatement(body)
	if err != nil {
		return nil, err
	}
	if s.Role != role {
		return nil, fault.New(fault.NotCosigned, "a statement by the %s in the place of the %s's", s.Role, role)
	}
	if err := verifyOne(bundle, role, body, signature, s.Time); err != nil {
		return nil, err
	}
	if s.Kind != kind || s.Order != order {
		return nil, fault.New(fault.WrongRequest, "the %s's statement is about something else", role)
	}
	return s, nil
}

// VerifyReceipt is the station's, bureau's or citizen's check that both servers
// did what was ordered: the matcher's statement first, then the custodian's.
// Faults: as VerifyStatement.
func VerifyReceipt(receipt []byte, bundle *seal.Bundle, kind ReceiptKind, order [32]byte) ([2]*Statement, error) {
	r := canon.NewReader("receipt", receipt)
	halves := [2][]byte{r.Bytes(0, maxSigned), r.Bytes(0, maxSigned)}
	var out [2]*Statement
	if err := r.Close(); err != nil {
		return out, err
	}
	for i, role := range servers() {
		s, err := VerifyStatement(halves[i], role, bundle, kind, order)
		if err != nil {
			return [2]*Statement{}, err
		}
		out[i] = s
	}
	return out, nil
}
