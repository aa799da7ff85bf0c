package code

import (
	"math/bits"

	"nod/crypto/canon"
	"nod/fault"
)

// Limits of a check (docs/spec/protocol.md, section 2). A forger who shifts the sum
// by e has to guess 63 - v bits, v < N the trailing zeros of e: MaxDomain keeps that
// at 46 or more. (Beyond 32 bits the folded weights of section 5 would wrap.)
const (
	MaxWeight = 31
	MaxDomain = 18
)

// CheckKind tells the two checks of a model apart.
type CheckKind string

// The checks.
const (
	Match        CheckKind = "match"
	Plausibility CheckKind = "plausibility"
)

// Check is the public side of one comparison: given n bits u shared by xor,
// decide whether D < T for D = A0 + sum_j A[j] u_j.
//
// Domain is the number N of bits with -2^(N-1) <= D-T < 2^(N-1) for every code
// and every T from MinT to MaxT; outside it the sign of D-T would be wrong, so
// NewCheck proves it. A Check is immutable.
type Check struct {
	ID     canon.CheckID
	Kind   CheckKind
	A0     int32
	A      []int32
	Domain int
	MinT   int32
	MaxT   int32

	planes []plane
}

// plane holds the bits whose weight has one binary digit set, so that a sum of
// weights is a few population counts.
type plane struct {
	value int32 // +-2^k
	mask  Code
}

// NewCheck builds a check and proves its domain. len(a) is the code's length in
// bits; weights lie in -31..31; minT <= maxT bound every T that a policy may
// name. It fails with fault.BadDimension or fault.OutOfRange.
func NewCheck(model canon.ModelID, kind CheckKind, a0 int32, a []int32, minT, maxT int32) (*Check, error) {
	if !validBits(len(a)) {
		return nil, fault.New(fault.BadDimension, "check over %d bits", len(a))
	}
	if minT > maxT {
		return nil, fault.New(fault.OutOfRange, "bounds %d..%d are the wrong way round", minT, maxT)
	}
	low, high := int64(a0), int64(a0)
	for j, w := range a {
		switch {
		case w > MaxWeight || w < -MaxWeight:
			return nil, fault.New(fault.OutOfRange, "weight %d of bit %d is outside -31..31", w, j)
		case w < 0:
			low += int64(w)
		default:
			high += int64(w)
		}
	}
	domain := domainFor(low-int64(maxT), high-int64(minT))
	if domain > MaxDomain {
		return nil, fault.New(fault.OutOfRange, "the distance needs a domain of %d bits, at most %d are safe", domain, MaxDomain)
	}
	return &Check{
		ID:     canon.CheckID(canon.Sum("check", model[:], []byte(kind))),
		Kind:   kind,
		A0:     a0,
		A:      append([]int32(nil), a...),
		Domain: domain,
		MinT:   minT,
		MaxT:   maxT,
		planes: planesOf(a),
	}, nil
}

func planesOf(a []int32) []plane {
	var out []plane
	for _, sign := range []int32{1, -1} {
		for value := int32(1); value <= MaxWeight; value <<= 1 {
			mask, used := NewCode(len(a)), false
			for j, w := range a {
				if w*sign > 0 && w*sign&value != 0 {
					mask[j/64] |= 1 << (j % 64)
					used = true
				}
			}
			if used {
				out = append(out, plane{sign * value, mask})
			}
		}
	}
	return out
}

// domainFor is the least N >= 2 with -2^(N-1) <= low and high < 2^(N-1).
func domainFor(low, high int64) int {
	n := 2
	if high > 0 {
		n = max(n, bits.Len64(uint64(high))+1)
	}
	if low < 0 {
		n = max(n, bits.Len64(uint64(-low-1))+1)
	}
	return n
}

// Bits is the number n of bits that the check takes.
func (c *Check) Bits() int { return len(c.A) }

// Allows reports whether a policy may name the bound t.
func (c *Check) Allows(t int32) bool { return c.MinT <= t && t <= c.MaxT }

// Distance is D of the bits u: A0 plus the weights of the set bits. It allocates
// nothing and its time does not depend on u. In the two-party comparison u is the
// masked difference that both servers know; on codes in the clear it is the
// reference that the comparison is tested against, and what calibration measures.
func (c *Check) Distance(u Code) int32 {
	d := c.A0
	for _, p := range c.planes {
		count := 0
		for w, word := range u[:len(p.mask)] {
			count += bits.OnesCount64(word & p.mask[w])
		}
		d += p.value * int32(count)
	}
	return d
}
