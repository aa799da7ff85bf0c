package face

import (
	"image"
	"image/color"
	"image/draw"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"nod/fault"
)

// noise is a picture of independent grey pixels around a mean.
func noise(side int, mean, spread float64) *image.RGBA {
	r := rand.New(rand.NewPCG(1, 2))
	m := image.NewRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			g := uint8(min(255, max(0, mean+spread*r.NormFloat64())))
			m.SetRGBA(x, y, color.RGBA{g, g, g, 255})
		}
	}
	return m
}

func TestMeasure(t *testing.T) {
	flat := image.NewRGBA(image.Rect(0, 0, 200, 300))
	draw.Draw(flat, flat.Rect, image.NewUniform(color.Gray{77}), image.Point{}, draw.Src)
	q := Measure(&Photo{flat}, flat.Rect, 3)
	if q.Size != 200 || q.Faces != 3 || q.Inside != 1 || math.Abs(q.Brightness-77) > 0.01 || q.Contrast > 0.01 || q.Sharpness != 0 {
		t.Errorf("flat grey: %+v", q)
	}

	m := noise(measured, 120, 30)
	q = Measure(&Photo{m}, m.Rect, 1)
	// White noise: the kernel's squares add up to 1+1+1+1+16.
	if math.Abs(q.Brightness-120) > 2 || math.Abs(q.Contrast-30) > 2 || math.Abs(q.Sharpness-20) > 2 {
		t.Errorf("noise: %+v", q)
	}
	blurred := Measure((&Photo{m}).Halved().Doubled(), m.Rect, 1)
	if blurred.Sharpness > q.Sharpness/4 {
		t.Errorf("blurred noise is as sharp: %+v", blurred)
	}
	dimmed := image.NewRGBA(m.Rect)
	for i, v := range m.Pix {
		dimmed.Pix[i] = v / 2
	}
	d := Measure(&Photo{dimmed}, m.Rect, 1)
	if math.Abs(d.Brightness-q.Brightness/2) > 1 || math.Abs(d.Sharpness-q.Sharpness) > 1 {
		t.Errorf("half the light: %+v", d)
	}

	if q := Measure(&Photo{m}, image.Rect(-75, 0, 75, 150), 1); math.Abs(q.Inside-0.5) > 1e-9 || q.Contrast == 0 {
		t.Errorf("half outside: %+v", q)
	}
	for _, box := range []image.Rectangle{image.Rect(500, 500, 600, 600), {}} {
		if q := Measure(&Photo{m}, box, 1); q != (Quality{Size: box.Dx(), Faces: 1}) {
			t.Errorf("outside: %+v", q)
		}
	}
}

func TestAccept(t *testing.T) {
	gate := DefaultGate()
	good := Quality{Size: 200, Inside: 1, Sharpness: 0.02, Brightness: 120, Contrast: 45, Faces: 1}
	if err := gate.Accept(good); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		spoil func(*Quality)
		want  fault.Code
	}{
		{func(q *Quality) { q.Size = gate.Size - 1 }, fault.FaceTooSmall},
		{func(q *Quality) { q.Inside = 0.8 }, fault.FaceCutOff},
		{func(q *Quality) { q.Brightness = 20 }, fault.FaceTooDark},
		{func(q *Quality) { q.Brightness = 240 }, fault.FaceTooBright},
		{func(q *Quality) { q.Contrast, q.Brightness = 5, 60 }, fault.FaceTooDark},
		{func(q *Quality) { q.Contrast, q.Brightness = 5, 200 }, fault.FaceTooBright},
		{func(q *Quality) { q.Sharpness = 0.001 }, fault.FaceBlurred},
		{func(q *Quality) { q.Size, q.Sharpness = 40, 0 }, fault.FaceTooSmall},
	} {
		q := good
		c.spoil(&q)
		err := gate.Accept(q)
		if !fault.Is(err, c.want) {
			t.Errorf("%+v: %v, want %s", q, err, c.want)
		}
		if c.want.Class() != fault.NotCompared || c.want.Do() == "" {
			t.Errorf("%s: class %v, advice %q", c.want, c.want.Class(), c.want.Do())
		}
	}
}

func TestChoose(t *testing.T) {
	gate := DefaultGate()
	if _, err := gate.Choose(nil); !fault.Is(err, fault.NoFace) {
		t.Errorf("no face: %v", err)
	}
	rapid.Check(t, func(t *rapid.T) {
		sides := rapid.SliceOfN(rapid.IntRange(1, 1000), 1, 6).Draw(t, "sides")
		boxes, most, similar := []image.Rectangle{}, 0, 0
		for _, s := range sides {
			boxes = append(boxes, image.Rect(7, 9, 7+s, 9+s+rapid.IntRange(0, 50).Draw(t, "taller")))
			most = max(most, s)
		}
		for _, s := range sides {
			if float64(s) >= gate.Similar*float64(most) {
				similar++
			}
		}
		i, err := gate.Choose(boxes)
		if similar > 1 {
			if !fault.Is(err, fault.SeveralFaces) {
				t.Fatalf("sides %v: %d, %v", sides, i, err)
			}
		} else if err != nil || sides[i] != most {
			t.Fatalf("sides %v: %d, %v", sides, i, err)
		}
	})
}
