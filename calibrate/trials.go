package calibrate

import (
	"cmp"
	"slices"
)

// Fusion says how many photos are fused on either side of a comparison.
type Fusion struct {
	Enrolled int `json:"enrolled"`
	Shown    int `json:"shown"`
}

// fusions are what is measured. Distances are symmetric, so 2+1 is 1+2 as well.
var fusions = []Fusion{{1, 1}, {2, 1}, {2, 2}}

// side is one side of comparisons: codes or vectors, each fused from photos of
// one person.
type side struct {
	person []int
	photos [][2]int // the two photos, or the same one twice
	count  []int    // by person
}

// sideOf makes every fusion of the given number of photos, 1 or 2, of each person.
func sideOf(g *people, persons []int, fused int) *side {
	s := &side{count: make([]int, len(g.photos))}
	for _, person := range persons {
		photos := g.photos[person]
		for i, a := range photos {
			if fused == 1 {
				s.add(person, a, a)
				continue
			}
			for _, b := range photos[:i] {
				s.add(person, b, a)
			}
		}
	}
	return s
}

func (s *side) add(person, a, b int) {
	s.person = append(s.person, person)
	s.photos = append(s.photos, [2]int{a, b})
	s.count[person]++
}

func (s *side) features(g *people, i int) [][]float32 {
	if p := s.photos[i]; p[0] != p[1] {
		return [][]float32{g.units[p[0]], g.units[p[1]]}
	}
	return [][]float32{g.units[s.photos[i][0]]}
}

// trial is one comparison's outcome; less is closer.
type trial struct {
	score float64
	a, b  int32 // people; the same for a genuine comparison
}

// trials are the comparisons of one kind, of one fold or of several.
type trials struct {
	genuine  []trial // of people with four photos if fused, else of everybody
	four     []trial // genuine comparisons of people with four photos
	tail     []trial // the closest impostor comparisons, closest first
	impostor int     // impostor comparisons in all
	upTo     float64 // tail holds every impostor comparison below this
	// folds has, for each fold, how often each person is on either side: with it
	// the weight of all impostor comparisons follows from weights of people.
	folds []foldSides
}

type foldSides struct {
	enrolled, shown []int // by person
	same            bool  // one set compared with itself, each pair once
}

// tailShare is the share of impostor comparisons that are kept one by one.
const tailShare = 0.03

// compare scores every comparison of enrolled with shown. score takes indices
// into the two sides, which may be one and the same.
func compare(g *people, enrolled, shown *side, score func(i, j int) float64) *trials {
	t := &trials{folds: []foldSides{{enrolled.count, shown.count, enrolled == shown}}}
	row := func(i int) int {
		if enrolled == shown {
			return i
		}
		return len(shown.person)
	}
	t.upTo = sampleTail(enrolled, shown, row, score)
	type part struct {
		genuine, four, tail []trial
		impostor            int
	}
	parts := make([]part, shards)
	inShards(shards, func(s, _, _ int) {
		p := &parts[s]
		for i := s; i < len(enrolled.person); i += shards {
			for j := range row(i) {
				a, b := enrolled.person[i], shown.person[j]
				if a != b {
					p.impostor++
					if v := score(i, j); v < t.upTo {
						p.tail = append(p.tail, trial{v, int32(a), int32(b)})
					}
					continue
				}
				if overlap(enrolled.photos[i], shown.photos[j]) {
					continue
				}
				one := trial{score(i, j), int32(a), int32(a)}
				p.genuine = append(p.genuine, one)
				if len(g.photos[a]) >= 4 {
					p.four = append(p.four, one)
				}
			}
		}
	})
	for _, p := range parts {
		t.genuine, t.four = append(t.genuine, p.genuine...), append(t.four, p.four...)
		t.tail, t.impostor = append(t.tail, p.tail...), t.impostor+p.impostor
	}
	t.sort()
	return t
}

func overlap(x, y [2]int) bool {
	return x[0] == y[0] || x[0] == y[1] || x[1] == y[0] || x[1] == y[1]
}

// sampleTail is a score below which a little more than tailShare of the impostor
// comparisons lie.
func sampleTail(enrolled, shown *side, row func(int) int, score func(i, j int) float64) float64 {
	total := 0
	for i := range enrolled.person {
		total += row(i)
	}
	step := max(1, total/200_000)
	var sample []float64
	for i := range enrolled.person {
		for j := i % step; j < row(i); j += step {
			if enrolled.person[i] != shown.person[j] {
				sample = append(sample, score(i, j))
			}
		}
	}
	if len(sample) == 0 {
		return 0
	}
	slices.Sort(sample)
	return sample[min(len(sample)-1, int(1.2*tailShare*float64(len(sample)))+20)]
}

// pool puts the folds' trials together. Scores of different folds must be on one
// scale.
func pool(folds []*trials) *trials {
	out := &trials{upTo: folds[0].upTo}
	for _, t := range folds {
		out.genuine, out.four = append(out.genuine, t.genuine...), append(out.four, t.four...)
		out.tail, out.impostor = append(out.tail, t.tail...), out.impostor+t.impostor
		out.upTo = min(out.upTo, t.upTo)
		out.folds = append(out.folds, t.folds...)
	}
	out.sort()
	// One fold's tail may reach further than another's.
	end, _ := slices.BinarySearchFunc(out.tail, out.upTo, func(t trial, v float64) int { return cmp.Compare(t.score, v) })
	out.tail = out.tail[:end]
	return out
}

func (t *trials) sort() {
	order := func(x, y trial) int {
		return cmp.Or(cmp.Compare(x.score, y.score), cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b))
	}
	slices.SortFunc(t.genuine, order)
	slices.SortFunc(t.four, order)
	slices.SortFunc(t.tail, order)
}

// threshold is the greatest score t of an impostor comparison with at most rate
// of them below t.
func (t *trials) threshold(rate float64) (float64, bool) {
	at := int(rate * float64(t.impostor))
	if at >= len(t.tail) {
		return 0, false
	}
	return t.tail[at].score, true
}

// below is the share of sorted trials with a score below threshold.
func below(sorted []trial, threshold float64) float64 {
	n, _ := slices.BinarySearchFunc(sorted, threshold, func(t trial, v float64) int { return cmp.Compare(t.score, v) })
	return float64(n) / float64(max(1, len(sorted)))
}
