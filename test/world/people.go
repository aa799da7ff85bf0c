package world

import (
	mrand "math/rand/v2"
	"slices"
	"testing"

	"nod/client"
	"nod/crypto/code"
	"nod/crypto/code/codetest"
	"nod/orders"
)

// People makes synthetic people up, for one model. One goroutine at a time.
type People struct {
	T     testing.TB
	Rand  *mrand.Rand
	Model *code.Model
	Bound int32 // of the match

	known []code.Code // that were made up
}

// Person is a synthetic face with a name.
type Person struct {
	Name orders.Citizen
	Face []float32
}

// Person makes somebody up, whose face the model finds plausible and tells from
// everybody made up before: synthetic strangers look alike more often than a model's
// bounds say.
func (w *People) Person(reference string) Person {
	w.T.Helper()
	p := Person{Name: w.Citizen(reference)}
	for {
		p.Face = codetest.Features(w.Rand, w.Model.Dimension())
		if x := w.Code(p); w.plausible(x) && !slices.ContainsFunc(w.known, func(y code.Code) bool { return w.alike(x, y) }) {
			w.known = append(w.known, x)
			return p
		}
	}
}

func (w *People) plausible(x code.Code) bool {
	check, bound, asked := w.Model.Plausibility()
	return !asked || check.Distance(x) < bound
}

// alike reports whether two codes match, or nearly do.
func (w *People) alike(x, y code.Code) bool {
	u := x.Clone()
	u.Xor(y)
	return w.Model.Match().Distance(u) < w.Bound*11/10
}

// Citizen is a citizen's reference.
func (w *People) Citizen(reference string) orders.Citizen {
	w.T.Helper()
	c, err := orders.NewCitizen(reference)
	if err != nil {
		w.T.Fatal(err)
	}
	return c
}

// Photo is a person's features as another photo gives them.
func (w *People) Photo(p Person) client.Features {
	return client.Features{w.Model.Network(): {codetest.Near(w.Rand, p.Face, 0.1)}}
}

// Portrait is the one photo that gives Code.
func (w *People) Portrait(p Person) client.Features {
	return client.Features{w.Model.Network(): {append([]float32(nil), p.Face...)}}
}

// Code is the code of a person's portrait.
func (w *People) Code(p Person) code.Code {
	w.T.Helper()
	c, err := w.Model.Encode(p.Face)
	if err != nil {
		w.T.Fatal(err)
	}
	return c
}
