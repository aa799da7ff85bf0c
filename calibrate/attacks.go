package calibrate

import (
	"cmp"
	"slices"

	"nod/crypto/code"
)

// Attack is a way to choose one code that matches many people.
type Attack string

// The attacks. All know the model and the codes of the people it was learned
// from, none those they are tried on; each picks its code on the former.
const (
	Majority  Attack = "majority code"     // each bit as most people have it
	Clusters  Attack = "cluster code"      // the best of the majority codes of 64 clusters
	Optimised Attack = "optimised code"    // the best code found by flipping bits
	RealFace  Attack = "most matched face" // the real face that matches most, for comparison
)

var attacks = []Attack{Majority, Clusters, Optimised, RealFace}

// attacker holds what an attacker knows: the model, and real people's codes.
type attacker struct {
	l       *learned
	weights []int32
	table   []float32
	codes   []code.Code // one a person
	columns [][]uint64  // codes, by bit
	bound   int32       // T of the match
	least   float64     // M that a plausible code must reach
	free    bool        // no plausibility check
}

// tryAttacks gives each attack's accept rate on the targets at T = bound: without
// the plausibility check, and with it if the model asks for it, at least.
func tryAttacks(l *learned, known, targets []code.Code, bound int32, least float64, seed string) (without, with map[Attack]float64) {
	w := make([]float64, len(l.file.Weights))
	for j, v := range l.file.Weights {
		w[j] = float64(v)
	}
	a := &attacker{l: l, weights: l.model.Match().A, table: byteTable(w), codes: known,
		columns: columnsOf(known, len(w)), bound: bound, free: true}
	majority := code.NewCode(l.model.Bits())
	for j, share := range l.share {
		if share > 0.5 {
			majority[j/64] |= 1 << (j % 64)
		}
	}
	centres := a.byHits(a.cluster(64, seed))
	faces := a.byHits(known)
	starts := append([]code.Code{majority}, centres[:min(5, len(centres))]...)
	starts = append(starts, faces[:min(2, len(faces))]...)
	tried := append(a.climbAll(starts), starts...)
	rates := func(a *attacker) map[Attack]float64 {
		rate := func(c code.Code) float64 {
			if c == nil {
				return 0
			}
			return float64(a.hits(c, targets)) / float64(len(targets))
		}
		return map[Attack]float64{
			Majority:  rate(a.pick([]code.Code{majority})),
			Clusters:  rate(a.pick(centres)),
			Optimised: rate(a.pick(tried)),
			RealFace:  rate(a.pick(faces)),
		}
	}
	if l.file.Plausibility == nil {
		return rates(a), nil
	}
	bounded := *a
	bounded.free, bounded.least = false, least
	tried = append(tried, bounded.climbAll(starts)...)
	return rates(a), rates(&bounded)
}

// climbAll climbs from every start.
func (a *attacker) climbAll(starts []code.Code) []code.Code {
	out := make([]code.Code, len(starts))
	inShards(len(starts), func(_, from, to int) {
		for i := from; i < to; i++ {
			out[i] = a.climb(starts[i])
		}
	})
	return out
}

// byHits orders codes by how many known people they match, most first.
func (a *attacker) byHits(codes []code.Code) []code.Code {
	hits := make([]int, len(codes))
	order := make([]int, len(codes))
	inShards(len(codes), func(_, from, to int) {
		for i := from; i < to; i++ {
			order[i], hits[i] = i, a.hits(codes[i], a.codes)
		}
	})
	slices.SortStableFunc(order, func(x, y int) int { return cmp.Compare(hits[y], hits[x]) })
	out := make([]code.Code, len(codes))
	for i, at := range order {
		out[i] = codes[at]
	}
	return out
}

// mean is M(x), the plausibility of a code.
func (a *attacker) mean(c code.Code) float64 {
	p := a.l.file.Plausibility
	m := float64(p.Constant)
	for j, v := range p.Weights {
		if c.Bit(j) {
			m += float64(v)
		}
	}
	return m
}

func (a *attacker) passes(c code.Code) bool { return a.free || a.mean(c) >= a.least }

func (a *attacker) hits(c code.Code, among []code.Code) int {
	n := 0
	for _, other := range among {
		if tableDistance(a.table, c, other) < float32(a.bound) {
			n++
		}
	}
	return n
}

// pick is the code that matches most known people among those that pass, or nil.
func (a *attacker) pick(from []code.Code) code.Code {
	var best code.Code
	most := -1
	for _, c := range from {
		if !a.passes(c) {
			continue
		}
		if n := a.hits(c, a.codes); n > most {
			best, most = c, n
		}
	}
	return best
}

// cluster is the majority codes of k clusters of the known codes, by Lloyd's
// algorithm on the weighted distance.
func (a *attacker) cluster(k int, seed string) []code.Code {
	k = min(k, len(a.codes))
	centres := make([]code.Code, k)
	for i, at := range random(seed, "clusters").Perm(len(a.codes))[:k] {
		centres[i] = a.codes[at].Clone()
	}
	nearest := make([]int, len(a.codes))
	for range 12 {
		inShards(len(a.codes), func(_, from, to int) {
			for i := from; i < to; i++ {
				least := tableDistance(a.table, a.codes[i], centres[0])
				nearest[i] = 0
				for c := 1; c < k; c++ {
					if d := tableDistance(a.table, a.codes[i], centres[c]); d < least {
						least, nearest[i] = d, c
					}
				}
			}
		})
		for c := range centres {
			var members []code.Code
			for i, at := range nearest {
				if at == c {
					members = append(members, a.codes[i])
				}
			}
			if len(members) == 0 {
				continue
			}
			clear(centres[c])
			for j, share := range sharesOf(members, len(a.weights)) {
				if share > 0.5 {
					centres[c][j/64] |= 1 << (j % 64)
				}
			}
		}
	}
	return centres
}

// climb flips bits of a code as long as it then matches more of the known people.
// Matches are counted softly, by a logistic step around the bound that gets
// steeper from pass to pass; a code that is not plausible pays for what it lacks.
func (a *attacker) climb(start code.Code) code.Code {
	c := start.Clone()
	far := make([]int32, len(a.codes))
	for i, other := range a.codes {
		far[i] = int32(tableDistance(a.table, c, other))
	}
	var mean float64
	if !a.free {
		mean = a.mean(c)
	}
	// What a code lacks in plausibility costs: four times everybody for the whole
	// way to the bound, and more each pass.
	price := float64(len(a.codes)) / max(1, a.least) * 4
	now := make([]float64, len(far))
	for _, width := range []float64{0.15, 0.1, 0.07, 0.05, 0.03, 0.02} {
		step := stepTable(a.bound, width*float64(a.bound), a.l.file.Weights)
		for i, d := range far {
			now[i] = step[d]
		}
		for j, w := range a.weights {
			if w == 0 {
				continue
			}
			mine := c[j/64] >> (j % 64) & 1
			var gain float64
			for i, d := range far {
				gain += step[d+w*a.flip(i, j, mine)] - now[i]
			}
			after := mean
			if !a.free {
				after += float64(a.l.file.Plausibility.Weights[j]) * float64(1-2*int(mine))
				gain -= price * (max(0, a.least-after) - max(0, a.least-mean))
			}
			if gain <= 0 {
				continue
			}
			mean = after
			c[j/64] ^= 1 << (j % 64)
			for i := range far {
				far[i] += w * a.flip(i, j, mine)
				now[i] = step[far[i]]
			}
		}
		price *= 2
	}
	return c
}

// flip is 1 if flipping bit j of a code that has it as mine takes the code away
// from person i's, and -1 if it brings it closer.
func (a *attacker) flip(i, j int, mine uint64) int32 {
	return 1 - 2*int32(a.columns[j][i/64]>>(i%64)&1^mine)
}

// columnsOf is the codes by bit: bit i of column j is bit j of code i.
func columnsOf(codes []code.Code, n int) [][]uint64 {
	columns := make([][]uint64, n)
	for j := range columns {
		columns[j] = make([]uint64, (len(codes)+63)/64)
		for i, c := range codes {
			columns[j][i/64] |= c[j/64] >> (j % 64) & 1 << (i % 64)
		}
	}
	return columns
}

// stepTable is 1 / (1 + exp((d - bound) / width)) for every distance d.
func stepTable(bound int32, width float64, weights []byte) []float64 {
	total := 0
	for _, w := range weights {
		total += int(w)
	}
	out := make([]float64, total+1)
	for d := range out {
		_, out[d] = logistic(float64(float64(d)-float64(bound)) / max(width, 0.5))
	}
	return out
}
