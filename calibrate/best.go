package calibrate

import (
	"cmp"
	"slices"
)

// best is the n candidates of greatest weight times variance, in their order.
// share is in what share of photos each is set.
func best(candidates []candidate, weights, share []float64, n int) []candidate {
	order := make([]int, len(candidates))
	worth := make([]float64, len(candidates))
	for j := range order {
		order[j] = j
		worth[j] = weights[j] * share[j] * (1 - share[j])
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(worth[b], worth[a]) })
	order = order[:n]
	slices.Sort(order)
	out := make([]candidate, n)
	for i, j := range order {
		out[i] = candidates[j]
	}
	return out
}
