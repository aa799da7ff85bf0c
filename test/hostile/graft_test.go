package hostile_test

import (
	"math/rand/v2"
	"reflect"
	"slices"

	"nod/wire"
)

// graft copies one field of a message into another of the same kind: another
// session's, citizen's, channel's or batch's.
func graft(rng *rand.Rand, into, from wire.Message) {
	var a, b []leaf
	walk("", reflect.ValueOf(into).Elem(), &a)
	walk("", reflect.ValueOf(from).Elem(), &b)
	if len(a) == 0 {
		return
	}
	l := a[rng.IntN(len(a))]
	var same []leaf
	for _, o := range b {
		if o.name == l.name {
			same = append(same, o)
		}
	}
	if len(same) > 0 {
		l.value.Set(same[rng.IntN(len(same))].value)
	}
}

// graftNames copies every field that has the same name and type in another message:
// sessions, channels, batches, rows.
func graftNames(into, from wire.Message) {
	a, b := reflect.ValueOf(into).Elem(), reflect.ValueOf(from).Elem()
	for i := range a.NumField() {
		f := a.Type().Field(i)
		if o := b.FieldByName(f.Name); o.IsValid() && o.Type() == f.Type {
			a.Field(i).Set(o)
		}
	}
}

func sortMethods(m []wire.Method) { slices.Sort(m) }
