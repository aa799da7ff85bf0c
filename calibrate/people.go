package calibrate

import (
	"crypto/sha256"
	"math/rand/v2"

	"nod/crypto/code"
	"nod/fault"
)

// people is the part of a data set that is used: at most so many photos a
// person, L2-normalised.
type people struct {
	units  [][]float32 // by photo
	person []int       // by photo: which person
	photos [][]int     // by person: which photos
}

// gather takes the first maxImages photos of each identity, and of maxPeople
// identities if that is not 0, drawn with seed.
func gather(d *Dataset, maxImages, maxPeople int, seed string) (*people, error) {
	var names []string
	last := ""
	for _, p := range d.Photos {
		if p.Identity != last {
			names, last = append(names, p.Identity), p.Identity
		}
	}
	taken := make(map[string]int, len(names))
	for i, at := range random(seed, "people").Perm(len(names)) {
		if maxPeople == 0 || i < maxPeople {
			taken[names[at]] = 0
		}
	}
	g := new(people)
	for _, p := range d.Photos {
		count, ok := taken[p.Identity]
		if !ok || count == maxImages {
			continue
		}
		if count == 0 {
			g.photos = append(g.photos, nil)
		}
		taken[p.Identity]++
		unit, err := code.Fuse(p.Features)
		if err != nil {
			return nil, err
		}
		at := len(g.photos) - 1
		g.photos[at] = append(g.photos[at], len(g.units))
		g.units, g.person = append(g.units, unit), append(g.person, at)
	}
	return g, nil
}

func (g *people) wipe() {
	for _, u := range g.units {
		clear(u)
	}
}

// folds deals people to k folds with seed, those with four photos and more
// first, then with three, two and one, so that the folds are alike. It returns
// each person's fold.
func (g *people) folds(k int, seed string) ([]int, error) {
	fold := make([]int, len(g.photos))
	order := random(seed, "folds").Perm(len(fold))
	next := 0
	for photos := 4; photos >= 1; photos-- {
		count := 0
		for _, person := range order {
			if min(len(g.photos[person]), 4) == photos {
				fold[person] = next % k
				next++
				count++
			}
		}
		if photos == 4 && count < 2*k {
			return nil, fault.New(fault.TooFewFaces, "%d people with four photos or more, at least %d are needed", count, 2*k)
		}
	}
	return fold, nil
}

// subset lists the photos of the people whom keep accepts.
func (g *people) subset(keep func(person int) bool) []int {
	var out []int
	for photo, person := range g.person {
		if keep(person) {
			out = append(out, photo)
		}
	}
	return out
}

// random is a stream of random numbers that seed and purpose fix.
func random(seed, purpose string) *rand.Rand {
	return rand.New(rand.NewChaCha8(sha256.Sum256([]byte("nod calibrate\x00" + seed + "\x00" + purpose))))
}
