package audit

import (
	"time"

	"nod/crypto/canon"
	"nod/fault"
)

// MaxText is the most bytes that Party and Key may have.
const MaxText = 128

// maxTime is the first instant that a leaf cannot state: its year has five
// digits.
var maxTime = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)

// Check holds a leaf to its limits: a known operation, a time from 1970 to 9999,
// and texts of visible ASCII without quotes, backslashes and braces, which a
// line of JSON holds as they are. It fails with fault.OutOfRange or
// fault.Oversize.
func (l Leaf) Check() error {
	switch l.Operation {
	case OpOpen, OpVerify, OpAbort, OpEnrol, OpRenew, OpErase, OpLock, OpUnlock,
		OpLift, OpDeal, OpChannel, OpAlarm, OpStart:
	default:
		return fault.New(fault.OutOfRange, "an audit leaf of an operation that is not in the list")
	}
	if l.Time.Before(time.UnixMilli(0)) || !l.Time.Before(maxTime) {
		return fault.New(fault.OutOfRange, "an audit leaf's time is not from 1970 to 9999")
	}
	for _, text := range []string{l.Party, l.Key} {
		if len(text) > MaxText {
			return fault.New(fault.Oversize, "a text of %d bytes in an audit leaf, at most %d", len(text), MaxText)
		}
		for _, c := range []byte(text) {
			if c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '{' || c == '}' {
				return fault.New(fault.OutOfRange, "an audit leaf's text has the character %#x", c)
			}
		}
	}
	return nil
}

// Kept is the leaf as a log keeps it: its time in UTC and whole milliseconds.
func (l Leaf) Kept() Leaf {
	l.Time = time.UnixMilli(l.Time.UnixMilli()).UTC()
	return l
}

// Encode is the leaf's canonical encoding, with every field:
//
//	canon.Encode("leaf", serial, milliseconds since 1970, operation, subject,
//	             party, key, key version, correlation, session, count)
//
// Numbers are 8 bytes.
func (l Leaf) Encode() []byte {
	return canon.Encode("leaf",
		canon.Uint64(l.Serial),
		canon.Uint64(uint64(l.Time.UnixMilli())),
		[]byte(l.Operation),
		l.Subject[:],
		[]byte(l.Party),
		[]byte(l.Key),
		canon.Uint64(uint64(l.KeyVersion)),
		l.Correlation[:],
		l.Session[:],
		canon.Uint64(uint64(l.Count)),
	)
}

// Link is the leaf's hash in a chain, given that of the leaf before it, or zero:
//
//	SHA-256(canon.Encode("link", previous, leaf.Encode()))
//
// So a hash stands for the leaf and for everything before it.
func (l Leaf) Link(previous canon.Digest) canon.Digest {
	return canon.Digest(canon.Sum("link", previous[:], l.Encode()))
}
