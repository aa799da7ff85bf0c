package calibrate

import (
	"context"
	"math"

	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/fault"
)

// Report is what calibration measured on people left out, and the final model.
type Report struct {
	People  int                `json:"people"`
	Photos  int                `json:"photos"`
	Folds   int                `json:"folds"`
	Kind    Kind               `json:"kind"`
	Bits    int                `json:"bits"`
	Skipped map[fault.Code]int `json:"skipped,omitempty"` // photos that could not be compared

	Accuracy     []Accuracy    `json:"accuracy"`
	Bounds       []BoundStudy  `json:"bounds"`
	Plausibility *Plausibility `json:"plausibility,omitempty"`
	Attacks      []AttackStudy `json:"attacks"`
	ID           canon.ModelID `json:"model"`
	Model        []byte        `json:"-"` // the final model's file
	DET          []byte        `json:"-"` // the curves, an SVG picture
	bounds       []bound       // on the scale of learned.expect
	least        float64       // plausibility bound, on the scale of its mean
	apart        float64       // float distance at FMR 1e-2
	pooled       pooledTrials
}

// pooledTrials are all folds' trials, by fusion.
type pooledTrials struct{ code, float []*trials }

// Accuracy is one way to compare, measured at thresholds of its own.
type Accuracy struct {
	Compare  string `json:"compare"` // "code" or "float"
	Fusion   Fusion `json:"fusion"`
	Genuine  int    `json:"genuine"`      // comparisons
	Four     int    `json:"genuine_four"` // of them, of people with four photos
	Impostor int    `json:"impostor"`
	Rates    []Rate `json:"rates"`
}

// Rate is the true accept rate at one false match rate.
type Rate struct {
	FMR       code.FMRClass `json:"fmr"`
	TAR       Estimate      `json:"tar"`
	TARFour   Estimate      `json:"tar_four"`  // of people with four photos only
	Threshold Estimate      `json:"threshold"` // code: over the mean impostor distance; float: Euclidean
	Measured  bool          `json:"measured"`  // on at least 20 false matches
}

// BoundStudy is one of the model's bounds T, and what it gives on people left out.
type BoundStudy struct {
	FMR          code.FMRClass  `json:"fmr"`
	T            int32          `json:"t"`
	Extrapolated bool           `json:"extrapolated"` // beyond what could be measured
	Worst        Fusion         `json:"worst"`        // the fusion that fixed T
	Outcomes     []BoundOutcome `json:"outcomes"`
}

// BoundOutcome is what a bound gives for one fusion.
type BoundOutcome struct {
	Fusion  Fusion  `json:"fusion"`
	FMR     float64 `json:"fmr"`
	TAR     float64 `json:"tar"`
	TARFour float64 `json:"tar_four"`
}

// Plausibility is the bound of the plausibility check, and the share of real
// probes that it refuses, by number of photos fused.
type Plausibility struct {
	Bound   int32     `json:"bound"`
	Refused []float64 `json:"refused"`
}

// AttackStudy is an attack's accept rate among people left out, at a class's T.
type AttackStudy struct {
	Attack  Attack        `json:"attack"`
	FMR     code.FMRClass `json:"fmr"`
	Without float64       `json:"without_plausibility"`
	With    *float64      `json:"with_plausibility,omitempty"`
}

// classes are the false match rates, all of which get a bound; the first four are
// measured.
var classes = []code.FMRClass{code.FMR1e2, code.FMR1e3, code.FMR1e4, code.FMR1e5, code.FMR1e6}

const (
	measuredClasses = 4
	leastMatches    = 20    // false matches below which a rate does not count as measured
	implausible     = 0.005 // share of real probes that the plausibility check may refuse
)

type bound struct {
	relative     float64
	extrapolated bool
	worst        Fusion
}

func newReport(c *Config, data *Dataset, g *people) *Report {
	return &Report{People: len(g.photos), Photos: len(g.units), Folds: c.Folds, Kind: c.Kind, Bits: c.Bits, Skipped: data.Skipped}
}

// measure works out accuracy, bounds and the plausibility bound from the people
// left out.
func (r *Report) measure(g *people, folds []*foldResult, seed string) error {
	for i := range fusions {
		var codes, floats []*trials
		for _, f := range folds {
			codes, floats = append(codes, f.code[i]), append(floats, f.float[i])
		}
		r.pooled.code = append(r.pooled.code, pool(codes))
		r.pooled.float = append(r.pooled.float, pool(floats))
	}
	for i, fusion := range fusions {
		for _, way := range []struct {
			name string
			t    *trials
		}{{"code", r.pooled.code[i]}, {"float", r.pooled.float[i]}} {
			a, err := accuracy(way.name, fusion, way.t, len(g.photos), seed)
			if err != nil {
				return err
			}
			r.Accuracy = append(r.Accuracy, a)
		}
	}
	var ok bool
	if r.apart, ok = r.pooled.float[0].threshold(code.FMR1e2.Rate()); !ok {
		return tooFew(r.pooled.float[0])
	}
	if err := r.findBounds(); err != nil {
		return err
	}
	r.findPlausibility(folds)
	return nil
}

func accuracy(name string, fusion Fusion, t *trials, people int, seed string) (Accuracy, error) {
	a := Accuracy{Compare: name, Fusion: fusion, Genuine: len(t.genuine), Four: len(t.four), Impostor: t.impostor}
	var rates []float64
	for _, class := range classes[:measuredClasses] {
		if _, ok := t.threshold(class.Rate()); !ok {
			return a, tooFew(t)
		}
		rates = append(rates, class.Rate())
	}
	for k, s := range bootstrap(t, rates, people, random(seed, "intervals")) {
		a.Rates = append(a.Rates, Rate{FMR: classes[k], TAR: s.tar, TARFour: s.tarFour, Threshold: s.threshold,
			Measured: measured(t, classes[k])})
	}
	return a, nil
}

func tooFew(t *trials) error {
	return fault.New(fault.TooFewFaces, "only %d impostor comparisons of people left out", t.impostor)
}

func measured(t *trials, class code.FMRClass) bool {
	return class.Rate()*float64(t.impostor) >= leastMatches
}

// findBounds sets each class's bound to the least over the fusions: how many
// photos are fused is the client's word. A class without enough false matches to
// measure it is extrapolated from the two classes before it: by as much again as
// between those, which errs on the strict side as long as the logarithm of the
// rate falls ever faster, as it does for real faces.
func (r *Report) findBounds() error {
	for i, fusion := range fusions {
		t := r.pooled.code[i]
		var at []float64
		for k, class := range classes {
			extrapolated := !measured(t, class)
			var v float64
			switch {
			case !extrapolated:
				v, _ = t.threshold(class.Rate())
			case k >= 2 && !math.IsInf(at[k-1], 1):
				v = max(0, 2*at[k-1]-at[k-2])
			case i == 0:
				return tooFew(t)
			default:
				v = math.Inf(1) // too few fused comparisons: they fix no bound
			}
			at = append(at, v)
			if i == 0 {
				r.bounds = append(r.bounds, bound{v, extrapolated, fusion})
			} else if v < r.bounds[k].relative {
				r.bounds[k] = bound{v, extrapolated, fusion}
			}
		}
	}
	return nil
}

// findPlausibility sets the bound that no more than 0.5 % of real probes miss,
// whatever the number of photos fused.
func (r *Report) findPlausibility(folds []*foldResult) {
	if folds[0].plausible == nil {
		return
	}
	r.Plausibility = &Plausibility{}
	r.least = math.Inf(1)
	var all [maxFused][]float64
	for fused := range maxFused {
		for _, f := range folds {
			all[fused] = append(all[fused], f.plausible[fused]...)
		}
		r.least = min(r.least, lowest(all[fused], implausible))
	}
	for _, v := range all {
		refused := 0
		for _, m := range v {
			if m < r.least {
				refused++
			}
		}
		r.Plausibility.Refused = append(r.Plausibility.Refused, float64(refused)/float64(len(v)))
	}
}

// attack tries the attacks on each fold's people left out, at 1e-2, 1e-3, 1e-4.
func (r *Report) attack(ctx context.Context, c *Config, folds []*foldResult) error {
	for k, class := range classes[:3] {
		without, with := map[Attack]float64{}, map[Attack]float64{}
		total := 0.0
		for _, f := range folds {
			least := 0.0
			if c.Plausibility {
				least = math.Floor(r.least * f.meanPlausibility())
			}
			t := int32(math.Floor(r.bounds[k].relative * f.expect))
			free, bounded := tryAttacks(f.learned, f.known, f.targets, t, least, c.Seed)
			n := float64(len(f.targets))
			total += n
			for _, a := range attacks {
				without[a] += n * free[a]
				with[a] += n * bounded[a]
			}
			if err := cancelled(ctx); err != nil {
				return err
			}
		}
		for _, a := range attacks {
			s := AttackStudy{Attack: a, FMR: class, Without: without[a] / total}
			if c.Plausibility {
				v := with[a] / total
				s.With = &v
			}
			r.Attacks = append(r.Attacks, s)
		}
	}
	return nil
}

// finish puts the bounds into the final model and writes it.
func (r *Report) finish(c *Config, final *learned) error {
	f := &final.file
	f.Bounds = nil
	for k, class := range classes {
		b := r.bounds[k]
		t := int32(math.Floor(b.relative * final.expect))
		f.Bounds = append(f.Bounds, code.Bound{FMR: class, Below: t})
		study := BoundStudy{FMR: class, T: t, Extrapolated: b.extrapolated, Worst: b.worst}
		for i, fusion := range fusions {
			p := r.pooled.code[i]
			study.Outcomes = append(study.Outcomes, BoundOutcome{Fusion: fusion,
				FMR: below(p.tail, b.relative) * float64(len(p.tail)) / float64(p.impostor),
				TAR: below(p.genuine, b.relative), TARFour: below(p.four, b.relative)})
		}
		r.Bounds = append(r.Bounds, study)
	}
	if f.Plausibility != nil {
		f.Plausibility.Bound = int32(math.Floor(r.least * final.meanPlausibility()))
		r.Plausibility.Bound = f.Plausibility.Bound
	}
	f.MaxApart = math.Round(1000*r.apart) / 1000
	f.Calibration.Identities, f.Calibration.Images = r.People, r.Photos
	f.Calibration.Genuine, f.Calibration.Impostor = len(r.pooled.code[0].genuine), r.pooled.code[0].impostor
	var err error
	if r.Model, err = f.Marshal(); err != nil {
		return err
	}
	m, err := code.Parse(r.Model)
	if err != nil {
		return err
	}
	r.ID = m.ID()
	r.DET = drawDET(c.Name, r.pooled)
	return nil
}
