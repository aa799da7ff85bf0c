package compare

import (
	"crypto/sha256"
	"crypto/subtle"

	"nod/crypto/code"
	"nod/crypto/dcf"
	"nod/fault"
)

// The four messages of one check, in order. Words are in Z_2^64.
//
//	matcher                        custodian
//	Open      -- M1: c0 -->        Answer
//	Reply     <-- M2: c1, z1, g1 --
//	          -- M3: z0, g0, o0 --> Close: outcome
//	Conclude  <-- M4: o1 --
type (
	// M1 is the matcher's masked share: n bits.
	M1 struct{ C code.Code }
	// M2 is the custodian's masked share and its authenticated part of the sum.
	M2 struct {
		C    code.Code
		Z, G uint64
	}
	// M3 is the matcher's authenticated part and its share of the gate's output.
	M3 struct {
		Z, G uint64
		O    dcf.Block
	}
	// M4 is the custodian's share of the gate's output.
	M4 struct{ O dcf.Block }
)

// Outcome is what both servers learn of one check: whether D < T.
type Outcome bool

type state uint8

const (
	spent state = iota
	loaded
	opened
	replied
)

// step moves from one state to the next. A half is used once: every transition
// that fails leaves it spent.
func (r *Ready) step(party Party, from, to state) error {
	if r.party != party || r.state != from {
		r.state = spent
		return fault.New(fault.WrongStep, "check is not at this step")
	}
	r.state = to
	return nil
}

// bound takes the T of a policy.
func (r *Ready) bound(u code.Code, t int32) error {
	switch {
	case len(u) != len(r.c):
		return fault.New(fault.BadDimension, "share of %d bits for a check of %d", u.Bits(), r.c.Bits())
	case !r.check.Allows(t):
		return fault.New(fault.OutOfRange, "bound %d is not one that the model allows", t)
	}
	r.t = t
	return nil
}

// mask sets r.c and, for the wire, out to u xor r.
func (r *Ready) mask(u, out code.Code) {
	for w := range r.c {
		r.c[w] = u[w] ^ word(r.expansion, r.layout.r+8*w)
	}
	copy(out, r.c)
}

// Open starts the matcher's part for its share u0 of the bits, with bound t from
// its own policy. c0 is written to out.C, which has the check's length. u0 stays
// the caller's to wipe. The session must be consumed and debited, durably, before
// c0 leaves.
func (r *Ready) Open(u0 code.Code, t int32, out *M1) error {
	if err := r.step(Matcher, loaded, opened); err != nil {
		return err
	}
	if err := r.bound(u0, t); err != nil {
		return r.spoil(err)
	}
	if len(out.C) != len(r.c) {
		panic("compare: no room for c0")
	}
	r.mask(u0, out.C)
	return nil
}

// Answer is the custodian's first step, for its share u1 and its own bound t.
func (r *Ready) Answer(u1 code.Code, t int32, in *M1, out *M2) error {
	if err := r.step(Custodian, loaded, replied); err != nil {
		return err
	}
	if err := r.bound(u1, t); err != nil {
		return r.spoil(err)
	}
	if len(in.C) != len(r.c) {
		return r.spoil(fault.New(fault.BadDimension, "c0 of %d bits", in.C.Bits()))
	}
	if len(out.C) != len(r.c) {
		panic("compare: no room for c1")
	}
	r.mask(u1, out.C)
	r.c.Xor(in.C)
	r.sum()
	out.Z, out.G = r.sums.b, r.sums.t
	return nil
}

// Reply is the matcher's second step: it checks the custodian's part, and only
// then sends its own.
func (r *Ready) Reply(in *M2, out *M3) error {
	if err := r.step(Matcher, opened, replied); err != nil {
		return err
	}
	if len(in.C) != len(r.c) {
		return r.spoil(fault.New(fault.BadDimension, "c1 of %d bits", in.C.Bits()))
	}
	r.c.Xor(in.C)
	r.sum()
	if err := r.authentic(in.Z, in.G); err != nil {
		return r.spoil(err)
	}
	r.gate(in.Z)
	out.Z, out.G, out.O = r.sums.b, r.sums.t, r.own
	return nil
}

// Close is the custodian's last step. On success the outcome is final for it, and
// out may leave.
func (r *Ready) Close(in *M3, out *M4) (Outcome, error) {
	if err := r.step(Custodian, replied, spent); err != nil {
		return false, err
	}
	if err := r.authentic(in.Z, in.G); err != nil {
		return false, err
	}
	r.gate(in.Z)
	out.O = r.own
	return r.outcome(in.O)
}

// Conclude is the matcher's last step.
func (r *Ready) Conclude(in *M4) (Outcome, error) {
	if err := r.step(Matcher, replied, spent); err != nil {
		return false, err
	}
	return r.outcome(in.O)
}

func (r *Ready) spoil(err error) error {
	r.state = spent
	return err
}

// authentic checks the peer's sum: g = m_i z + S(K) + k.
func (r *Ready) authentic(z, g uint64) error {
	if diff := g - r.m*z - r.sums.k; diff != 0 {
		return fault.New(fault.Tampered, "the other party's sum does not carry its MAC")
	}
	return nil
}

// gate computes y = D + rho - T mod 2^N and this party's share
// o_i = DCF_i(y mod 2^(N-1)) xor gamma_i xor (beta_i if msb(y)), which xors with the
// peer's to beta if D < T and to zero if not.
func (r *Ready) gate(peerZ uint64) {
	l := &r.layout
	p := uint64(int64(r.check.Distance(r.c)))
	r.y = p + r.sums.b + peerZ - uint64(int64(r.t))
	x := uint32(r.y & (1<<l.levels - 1))
	cw := r.corrections[l.cw : l.cw+dcf.Size(l.levels)]
	o := r.channel.prg.Eval(&r.scratch, cw, l.levels, int(r.party), r.root, x)
	r.own = o.Xor(r.gamma).Xor(r.beta.And(r.y >> l.levels & 1))
}

// outcome opens the gate: zero is no, the preimage of C is yes, anything else is
// tampering.
func (r *Ready) outcome(peer dcf.Block) (Outcome, error) {
	o := r.own.Xor(peer)
	if o.IsZero() {
		return false, nil
	}
	sum := r.commit.of(r.index, o)
	want := r.corrections[r.layout.commitment : r.layout.commitment+sha256.Size]
	if subtle.ConstantTimeCompare(sum[:], want) != 1 {
		return false, fault.New(fault.Tampered, "the gate's output is neither no nor yes")
	}
	return true, nil
}
