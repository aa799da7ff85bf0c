// Package compare is the two-party comparison: correlated randomness from the
// dealer, and the steps of both parties as pure transitions. It implements
// docs/spec/protocol.md, sections 5 and 6.
//
// Nothing here does I/O, reads a clock, logs or keeps global state. What the two
// parties send each other are the types M1 to M4; transport is elsewhere.
//
// The masked difference c is known to both servers and uniform to everyone else,
// so walking its set bits is not a secret-dependent branch for them. Everything
// else is computed without branching on a secret, but for the final hash, which
// is computed only where the outcome (known to both) may be yes.
package compare

import (
	"encoding/binary"

	"nod/crypto/code"
	"nod/crypto/dcf"
)

// Party is a place in the comparison: 0 is the matcher, 1 the custodian.
type Party int

// The parties.
const (
	Matcher   Party = 0
	Custodian Party = 1
)

// Peer is the other party.
func (p Party) Peer() Party { return 1 - p }

const wordSize = 8

// layout says where each field of a half stands. A half is one seed's expansion
// (the first block of offsets, in that order) and corrections (the second). B and
// gamma are expanded in half 0 and sent in half 1.
type layout struct {
	n, levels int

	r, b, t, w, tw, m, beta, gamma, root int // in the expansion; b and gamma only in half 0
	expanded                             int

	cb, cgamma, k, kw, cw, commitment int // in the corrections; cb and cgamma only in half 1
	corrections                       int
}

const commitmentSize = 32

func layoutOf(check *code.Check, party Party) layout {
	n := check.Bits()
	l := layout{n: n, levels: check.Domain - 1}
	at := 0
	field := func(size int) int {
		start := at
		at += size
		return start
	}
	l.r = field(n / 8)
	if party == Matcher {
		l.b = field(4 * n)
	}
	l.t = field(wordSize * n)
	l.w = field(wordSize)
	l.tw = field(wordSize)
	l.m = field(wordSize)
	l.beta = field(dcf.BlockSize)
	if party == Matcher {
		l.gamma = field(dcf.BlockSize)
	}
	l.root = field(dcf.BlockSize)
	l.expanded = at

	at = 0
	if party == Custodian {
		l.cb = field(4 * n)
		l.cgamma = field(dcf.BlockSize)
	}
	l.k = field(wordSize * n)
	l.kw = field(wordSize)
	l.cw = field(dcf.Size(l.levels))
	l.commitment = field(commitmentSize)
	l.corrections = at
	return l
}

// roundUp is size made a whole number of the eight blocks that the AES of most
// machines works on at a time: expanding the rest by itself costs more than
// expanding too much.
func roundUp(size int) int { return (size + 127) &^ 127 }

// CorrectionsSize is the size in bytes of a party's corrections for a check.
func CorrectionsSize(check *code.Check, party Party) int { return layoutOf(check, party).corrections }

func word(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }

// macKey is the MAC key at a place: a word whose low bit is always 1. An even key
// would let a change of z's top bits pass unseen now and then (harmlessly: they
// are reduced away); an odd one notices every change, and still leaves a forger
// 63 - v unknown bits (docs/decisions/0002-odd-mac-keys.md).
func macKey(b []byte, at int) uint64 { return word(b, at) | 1 }

func putWord(b []byte, at int, v uint64) { binary.LittleEndian.PutUint64(b[at:], v) }
