package load

import (
	"fmt"
	"math/rand/v2"

	"nod/client"
	"nod/crypto/code"
	"nod/fault"
	"nod/orders"
)

// People makes synthetic people up, for one model. One goroutine at a time, but for
// Photo.
type People struct {
	model *code.Model
	bound int32 // of the match
	rng   *rand.Rand
	made  int
}

// Person is a synthetic face with a citizen's reference.
type Person struct {
	Name orders.Citizen
	face []float32
	code code.Code
}

func newPeople(m *code.Model, bound int32) *People {
	return &People{model: m, bound: bound, rng: rand.New(rand.NewPCG(1, 2))}
}

// attempts bounds how many faces are drawn until the model finds one plausible.
const attempts = 10_000

// Person makes somebody up whose face the model finds plausible. All references have
// one length.
func (w *People) Person() (p Person, err error) {
	w.made++
	if p.Name, err = orders.NewCitizen(fmt.Sprintf("citizen-%06d", w.made)); err != nil {
		return p, err
	}
	check, bound, asked := w.model.Plausibility()
	for range attempts {
		p.face = make([]float32, w.model.Dimension())
		for i := range p.face {
			p.face[i] = float32(w.rng.NormFloat64())
		}
		if p.code, err = w.model.Encode(p.face); err != nil {
			return p, err
		}
		if !asked || check.Distance(p.code) < bound {
			return p, nil
		}
	}
	return p, fault.New(fault.Unexpected, "of %d synthetic faces the model finds none plausible", attempts)
}

// Stranger makes somebody up who looks like none of the people.
func (w *People) Stranger(people []Person) (Person, error) {
	for range attempts {
		p, err := w.Person()
		if err != nil || !w.known(p, people) {
			return p, err
		}
	}
	return Person{}, fault.New(fault.Unexpected, "of %d synthetic faces all look like somebody known", attempts)
}

func (w *People) known(p Person, people []Person) bool {
	for _, q := range people {
		u := p.code.Clone()
		u.Xor(q.code)
		if w.model.Match().Distance(u) < w.bound*11/10 {
			return true
		}
	}
	return false
}

// Photo is a person's features, to be wiped by whoever gets them. Safe for concurrent
// use.
func (w *People) Photo(p Person) client.Features {
	return client.Features{w.model.Network(): {append([]float32(nil), p.face...)}}
}
