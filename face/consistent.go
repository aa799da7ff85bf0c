package face

import (
	"fmt"
	"math"
	"strings"

	"nod/fault"
)

// OddPhotos names photos that do not fit the others, counted from 1: one photo,
// or the two that differ most where it cannot be said which of them is wrong. It
// is found with errors.As in a fault of code fault.FaceInconsistent.
type OddPhotos struct{ Numbers []int }

// Error says which, for people.
func (o OddPhotos) Error() string {
	if len(o.Numbers) == 1 {
		return fmt.Sprintf("photo %d looks like somebody else", o.Numbers[0])
	}
	text := strings.Trim(fmt.Sprint(o.Numbers), "[]")
	return "photos " + strings.ReplaceAll(text, " ", " and ") + " look like different people"
}

// Consistent checks that photos said to be of one person look like one: every
// two of their features, L2-normalised, are at most bound apart (Euclidean, 0 to
// 2). Every two, so that nobody can join two people through a face that looks
// like both. No photo or one is consistent. The bound comes with the model.
//
// The odd one is the photo that differs from more of the others than any other
// photo does; if two or more share that, the two furthest apart are named.
//
// Faults: fault.FaceInconsistent; fault.BadDimension, fault.NotFinite and
// fault.ZeroVector for features that no network makes, fault.OutOfRange for a
// bound that is not in 0 to 2.
func Consistent(features []Features, bound float64) error {
	if !(bound >= 0 && bound <= 2) {
		return fault.New(fault.OutOfRange, "bound %v, must be in 0 to 2", bound)
	}
	norms := make([]float64, len(features))
	for i, f := range features {
		if len(f) == 0 || len(f) != len(features[0]) {
			return fault.New(fault.BadDimension, "photo %d has %d features, photo 1 has %d", i+1, len(f), len(features[0]))
		}
		norms[i] = math.Sqrt(dot(f, f))
		switch {
		case norms[i] == 0:
			return fault.New(fault.ZeroVector, "photo %d", i+1)
		case math.IsNaN(norms[i]) || math.IsInf(norms[i], 0):
			return fault.New(fault.NotFinite, "photo %d", i+1)
		}
	}
	differs := make([]int, len(features))
	far, furthest := bound, []int(nil)
	for i := range features {
		for j := range i {
			d := distance(features[j], features[i], norms[j], norms[i])
			if d <= bound {
				continue
			}
			differs[i]++
			differs[j]++
			if d > far {
				far, furthest = d, []int{j + 1, i + 1}
			}
		}
	}
	if furthest == nil {
		return nil
	}
	if most, alone := leader(differs); alone {
		furthest = []int{most + 1}
	}
	return fault.New(fault.FaceInconsistent, "%w", OddPhotos{furthest})
}

// leader is the index of the greatest count, and whether no other equals it.
func leader(counts []int) (at int, alone bool) {
	for i, c := range counts {
		switch {
		case i == 0 || c > counts[at]:
			at, alone = i, true
		case c == counts[at]:
			alone = false
		}
	}
	return at, alone
}

// distance of the two vectors divided by their norms.
func distance(a, b Features, normA, normB float64) float64 {
	sum := 0.0
	for i := range a {
		d := float64(a[i])/normA - float64(b[i])/normB
		sum += d * d
	}
	return math.Sqrt(sum)
}

func dot(a, b Features) float64 {
	sum := 0.0
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}
