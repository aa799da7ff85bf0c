package calibrate

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"

	"nod/crypto/code"
	"nod/fault"
	"nod/models"
)

// TestRunIsReproducible: neither the order of the file nor the number of
// processors changes a byte.
func TestRunIsReproducible(t *testing.T) {
	set := crowd(rand.New(rand.NewPCG(2, 2)), 0, 130)
	var first *Report
	for i, processors := range []int{1, 4} {
		before := runtime.GOMAXPROCS(processors)
		c := smallConfig()
		c.Dataset = write(t, set, rand.New(rand.NewPCG(3, uint64(i))))
		r, err := Run(t.Context(), c, nil)
		runtime.GOMAXPROCS(before)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = r
			continue
		}
		if !bytes.Equal(r.Model, first.Model) || !bytes.Equal(r.DET, first.DET) {
			t.Error("the second run gives another model or curve")
		}
	}
	c := smallConfig()
	c.Dataset, c.Seed = write(t, set, rand.New(rand.NewPCG(3, 9))), "another"
	r, err := Run(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.ID == first.ID {
		t.Error("another seed gives the same model")
	}
}

// TestModelHoldsOnNewPeople: at its bounds the model does on people never seen
// what it promises, within what so few people can show.
func TestModelHoldsOnNewPeople(t *testing.T) {
	for _, kind := range []Kind{Thermometers, Signs} {
		c := smallConfig()
		if kind == Signs {
			c.Kind, c.Rotations, c.Bits, c.Plausibility = Signs, 8, 128, false
		}
		rng := rand.New(rand.NewPCG(4, 4))
		c.Dataset = write(t, crowd(rng, 0, 160), rng)
		r, err := Run(t.Context(), c, nil)
		if err != nil {
			t.Fatal(err)
		}
		m, err := code.ParseExpect(r.Model, r.ID)
		if err != nil {
			t.Fatal(err)
		}
		if m.Bits() != c.Bits || len(m.Classes()) != len(classes) || m.Calibration().Identities != 160 {
			t.Fatalf("%s: %d bits, classes %v", kind, m.Bits(), m.Classes())
		}
		g, err := gather(crowd(rng, 1000, 160), 4, 0, "new")
		if err != nil {
			t.Fatal(err)
		}
		everybody := make([]int, len(g.photos))
		for i := range everybody {
			everybody[i] = i
		}
		single := sideOf(g, everybody, 1)
		codes := make([]code.Code, len(single.person))
		refused := 0
		for i := range codes {
			if codes[i], err = m.Encode(single.features(g, i)...); err != nil {
				t.Fatal(err)
			}
			if check, bound, ok := m.Plausibility(); ok && check.Distance(codes[i]) >= bound {
				refused++
			}
		}
		if share := float64(refused) / float64(len(codes)); share > 0.02 {
			t.Errorf("%s: %.3f of new faces are implausible", kind, share)
		}
		trials := compare(g, single, single, func(i, j int) float64 {
			u := codes[i].Clone()
			u.Xor(codes[j])
			return float64(m.Match().Distance(u))
		})
		bound, _ := m.Bound(code.FMR1e2)
		fmr := below(trials.tail, float64(bound)) * float64(len(trials.tail)) / float64(trials.impostor)
		if fmr > 0.015 {
			t.Errorf("%s: false match rate %.4f at 1e-2", kind, fmr)
		}
		if tar := below(trials.genuine, float64(bound)); tar < 0.8 {
			t.Errorf("%s: true accept rate %.3f at 1e-2", kind, tar)
		}
	}
}

func TestReport(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	c := smallConfig()
	c.Dataset = write(t, crowd(rng, 0, 120), rng)
	var stages []string
	r, err := Run(t.Context(), c, func(stage string, done, total int) {
		if done > total {
			t.Errorf("%s: %d of %d", stage, done, total)
		}
		stages = append(stages, stage)
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(stages) < 5 {
		t.Errorf("progress told %v", stages)
	}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2+2", "float", "majority code", "optimised code", "1e-6", "Plausibility bound"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the table lacks %q", want)
		}
	}
	dec := xml.NewDecoder(bytes.NewReader(r.DET))
	curves := 0
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "polyline" {
			curves++
		}
	}
	if curves != 2*len(fusions) {
		t.Errorf("%d curves", curves)
	}
	for _, a := range r.Accuracy {
		for _, rate := range a.Rates {
			if e := rate.TAR; e.Low > e.Value || e.Value > e.High {
				t.Errorf("%v %s at %s: %v", a.Fusion, a.Compare, rate.FMR, e)
			}
		}
	}
}

func TestRunRefuses(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	good := write(t, crowd(rng, 0, 120), rng)
	few := write(t, crowd(rng, 0, 10), rng)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for name, c := range map[string]struct {
		change  func(c *Config)
		stopped bool
		want    fault.Code
	}{
		"no file":       {change: func(c *Config) { c.Dataset = "nowhere" }, want: fault.NotFound},
		"no network":    {change: func(c *Config) { c.Dataset = t.TempDir() }, want: fault.NetworkMissing},
		"few people":    {change: func(c *Config) { c.Dataset = few }, want: fault.TooFewFaces},
		"subset":        {change: func(c *Config) { c.MaxPeople = 9 }, want: fault.TooFewFaces},
		"kind":          {change: func(c *Config) { c.Kind = "hashes" }, want: fault.OutOfRange},
		"bits":          {change: func(c *Config) { c.Bits = 65 }, want: fault.OutOfRange},
		"too many bits": {change: func(c *Config) { c.Bits = 1024 }, want: fault.OutOfRange},
		"too few signs": {change: func(c *Config) { c.Kind, c.Rotations, c.Bits = Signs, 3, 64 }, want: fault.OutOfRange},
		"levels":        {change: func(c *Config) { c.Levels = 1 }, want: fault.OutOfRange},
		"pull":          {change: func(c *Config) { c.Pull = 0 }, want: fault.OutOfRange},
		"signs":         {change: func(c *Config) { c.Kind = Signs }, want: fault.OutOfRange},
		"folds":         {change: func(c *Config) { c.Folds = 1 }, want: fault.OutOfRange},
		"name":          {change: func(c *Config) { c.Name = "A b" }, want: fault.BadEncoding},
		"date":          {change: func(c *Config) { c.Date = "today" }, want: fault.BadEncoding},
		"text":          {change: func(c *Config) { c.Text = "<x>" }, want: fault.BadEncoding},
		"stopped":       {change: func(*Config) {}, stopped: true, want: fault.Cancelled},
	} {
		t.Run(name, func(t *testing.T) {
			config := smallConfig()
			config.Dataset = good
			c.change(&config)
			ctx := t.Context()
			if c.stopped {
				ctx = stopped
			}
			if _, err := Run(ctx, config, nil); !fault.Is(err, c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

// TestFacesSubset is a quick look at real faces: the code keeps up with the open
// comparison. The full figures are TestStandardModel's.
func TestFacesSubset(t *testing.T) {
	if raceDetector {
		t.Skip("a minute under the race detector, which the synthetic runs serve as well")
	}
	c := Defaults(Thermometers)
	c.Dataset = testData(t, "lfw-dlib.jsonl.gz")
	c.Network, c.Name, c.Seed, c.Date = smallConfig().Network, "subset", "subset", "2026-01-01"
	c.MaxPeople, c.Near, c.Folds = 500, 8000, 2
	r, err := Run(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	lag(t, r, code.FMR1e2, 0.03)
	lag(t, r, code.FMR1e3, 0.06)
}

// lag checks that with one photo a side the code is at most so far behind float.
func lag(t *testing.T, r *Report, class code.FMRClass, most float64) {
	t.Helper()
	for i := range r.Accuracy[0].Rates {
		if r.Accuracy[0].Rates[i].FMR != class {
			continue
		}
		byCode, byFloat := r.Accuracy[0].Rates[i].TAR.Value, r.Accuracy[1].Rates[i].TAR.Value
		t.Logf("FMR %s: code %.4f, float %.4f", class, byCode, byFloat)
		if byCode < byFloat-most {
			t.Errorf("FMR %s: code %.4f, float %.4f", class, byCode, byFloat)
		}
	}
}

// TestStandardModel makes models/dlib-resnet-v1.json again and compares every
// byte. It takes minutes: set NOD_CALIBRATE=full.
func TestStandardModel(t *testing.T) {
	if os.Getenv("NOD_CALIBRATE") != "full" {
		t.Skip("takes minutes: set NOD_CALIBRATE=full")
	}
	m, err := models.Default()
	if err != nil {
		t.Fatal(err)
	}
	from := m.Calibration()
	c := Defaults(Thermometers)
	c.Dataset = testData(t, "lfw-dlib.jsonl.gz")
	c.Network, c.Name, c.Seed, c.Date, c.Text = m.Network(), m.Name(), from.Seed, from.Date, from.Text
	r, err := Run(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.ID != m.ID() {
		t.Errorf("model %v, the committed one is %v", r.ID, m.ID())
	}
	lag(t, r, code.FMR1e3, 0.02)
	lag(t, r, code.FMR1e4, 0.005)
}
