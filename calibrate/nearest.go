package calibrate

import (
	"cmp"
	"context"
	"slices"

	"nod/fault"
)

// trainingPairs is every genuine pair among the photos and the near impostor
// pairs that lie closest together, by the distance of normalised features.
func trainingPairs(ctx context.Context, g *people, photos []int, near int) ([]pair, error) {
	var pairs []pair
	for i, a := range photos {
		for _, b := range photos[:i] {
			if g.person[a] == g.person[b] {
				pairs = append(pairs, pair{int32(a), int32(b), true})
			}
		}
	}
	genuine := len(pairs)
	impostors := nearest(g, photos, near)
	if genuine == 0 || len(impostors) == 0 {
		return nil, fault.New(fault.TooFewFaces, "%d genuine and %d impostor pairs to learn from", genuine, len(impostors))
	}
	for _, p := range impostors {
		pairs = append(pairs, pair{p.a, p.b, false})
	}
	return pairs, cancelled(ctx)
}

// closePair is an impostor pair and its squared distance.
type closePair struct {
	square float32
	a, b   int32
}

// nearest is the n impostor pairs that lie closest together, closest first.
func nearest(g *people, photos []int, n int) []closePair {
	limit := sampledLimit(g, photos, n)
	parts := make([][]closePair, shards)
	// Photos are dealt to shards in turn, since later ones have more before them.
	inShards(shards, func(s, _, _ int) {
		for i := s; i < len(photos); i += shards {
			a := photos[i]
			for _, b := range photos[:i] {
				if g.person[a] == g.person[b] {
					continue
				}
				if q := square(g.units[a], g.units[b]); q <= limit {
					parts[s] = append(parts[s], closePair{q, int32(a), int32(b)})
				}
			}
		}
	})
	all := slices.Concat(parts...)
	slices.SortFunc(all, func(x, y closePair) int {
		return cmp.Or(cmp.Compare(x.square, y.square), cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b))
	})
	return all[:min(n, len(all))]
}

// sampledLimit is a squared distance below which there are surely n impostor
// pairs, and not many times as many; 4, the greatest there is, if that is most
// of them.
func sampledLimit(g *people, photos []int, n int) float32 {
	const step = 101 // every so many pairs are looked at
	var sample []float32
	total := 0
	for i, a := range photos {
		for j := i % step; j < i; j += step {
			if b := photos[j]; g.person[a] != g.person[b] {
				sample = append(sample, square(g.units[a], g.units[b]))
			}
		}
		total += i
	}
	at := int(1.3*float64(n)/float64(max(total, 1))*float64(len(sample))) + 200
	if at >= len(sample) {
		return 4
	}
	slices.Sort(sample)
	return sample[at]
}

// square is the squared Euclidean distance of two vectors of one length.
func square(a, b []float32) float32 {
	var even, odd float32
	i := 0
	for ; i+1 < len(a); i += 2 {
		x, y := a[i]-b[i], a[i+1]-b[i+1]
		even += float32(x * x)
		odd += float32(y * y)
	}
	if i < len(a) {
		x := a[i] - b[i]
		even += float32(x * x)
	}
	return even + odd
}
