package face

import (
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"nod/fault"
)

// people draws photos of two people: far apart, and close to each one's centre.
func people(t *rapid.T, name string, of ...int) []Features {
	out := make([]Features, len(of))
	for i, who := range of {
		f := make(Features, 16)
		for j := range f {
			f[j] = float32(rapid.Float64Range(-0.02, 0.02).Draw(t, name))
		}
		f[who]++
		scale := float32(rapid.Float64Range(0.1, 10).Draw(t, "norm"))
		for j := range f {
			f[j] *= scale
		}
		out[i] = f
	}
	return out
}

func TestConsistent(t *testing.T) {
	const bound = 0.5
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.IntRange(0, 6).Draw(t, "photos")
		of := make([]int, k)
		if err := Consistent(people(t, "same", of...), bound); err != nil {
			t.Fatalf("one person: %v", err)
		}
		if k < 2 {
			return
		}
		odd := rapid.IntRange(0, k-1).Draw(t, "odd")
		of[odd] = 1
		err := Consistent(people(t, "odd", of...), bound)
		want := []int{odd + 1}
		if k == 2 {
			want = []int{1, 2}
		}
		var photos OddPhotos
		if !fault.Is(err, fault.FaceInconsistent) || !errors.As(err, &photos) || !slices.Equal(photos.Numbers, want) {
			t.Fatalf("odd photo %v of %d: %v", want, k, err)
		}
	})
}

func TestConsistentOfNobodyAlone(t *testing.T) {
	direction := func(degrees float64) Features {
		s, c := math.Sincos(degrees * math.Pi / 180)
		return Features{float32(c), float32(s)}
	}
	for _, c := range []struct {
		degrees []float64
		want    string
	}{
		{[]float64{0, 20, 40}, "photos 1 and 3 look like different people"}, // 2 looks like both
		{[]float64{0, 60, 1, 62}, "photos 1 and 4 look like different people"},
		{[]float64{90, 0, 1, 2}, "photo 1 looks like somebody else"},
		{[]float64{0, 40}, "photos 1 and 2 look like different people"},
	} {
		var features []Features
		for _, d := range c.degrees {
			features = append(features, direction(d))
		}
		if err := Consistent(features, 0.5); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %s", c.degrees, err, c.want)
		}
	}
}

func TestConsistentRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for name, c := range map[string]struct {
		features []Features
		bound    float64
		want     fault.Code
	}{
		"other dimension": {[]Features{{1, 2}, {1}}, 1, fault.BadDimension},
		"no dimension":    {[]Features{{}}, 1, fault.BadDimension},
		"zero":            {[]Features{{1, 2}, {0, 0}}, 1, fault.ZeroVector},
		"NaN":             {[]Features{{1, nan}}, 1, fault.NotFinite},
		"infinity":        {[]Features{{1, inf}}, 1, fault.NotFinite},
		"bound below":     {nil, -0.1, fault.OutOfRange},
		"bound above":     {nil, 2.1, fault.OutOfRange},
		"bound NaN":       {nil, math.NaN(), fault.OutOfRange},
	} {
		if err := Consistent(c.features, c.bound); !fault.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSecretsPrintTheirKind(t *testing.T) {
	f := Face{Box: image.Rect(0, 0, 9, 9), Features: Features{0.625, 0.5}, Landmarks: []Point{{77, 78}}}
	for want, values := range map[string][]any{
		"face.Features(secret)": {f.Features},
		"face.Face(secret)":     {f, &f},
		"face.Photo(secret)":    {Photo{picture(2, 2)}, &Photo{picture(2, 2)}},
	} {
		for _, v := range values {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%g"} {
				if got := fmt.Sprintf(verb, v); got != want {
					t.Errorf("%s: %q", verb, got)
				}
			}
		}
	}
	f.Wipe()
	if f.Features[0] != 0 || f.Features[1] != 0 || f.Landmarks[0] != (Point{}) {
		t.Error("not wiped")
	}
}
