// Package codetest makes valid models, policies and features for tests.
package codetest

import (
	"math"
	"math/rand/v2"

	"nod/crypto/canon"
	"nod/crypto/code"
)

// Shape says what a synthetic model looks like. Zero values give 64 unweighted
// bits on 16 features.
type Shape struct {
	Dimension    int    // features; 16 if 0
	Bits         int    // 64 if 0
	MaxWeight    int    // weights are drawn from 1..MaxWeight; 1 if 0
	Rotations    int    // 0 for thermometers on coordinates, else signs of rotations
	Plausibility bool   // ask for a plausibility check
	Name         string // "synthetic" if ""
}

// File draws a valid model file of the shape from rng.
func File(rng *rand.Rand, s Shape) *code.File {
	d, n := or(s.Dimension, 16), or(s.Bits, 64)
	f := &code.File{
		Format:        "nod/model/v1",
		Name:          "synthetic",
		Network:       canon.Digest(canon.Sum("test-network")),
		Dimension:     d,
		Normalisation: "l2",
		Mean:          make(code.Float32s, d),
		Weights:       make([]byte, n),
		MaxApart:      1.25,
		Calibration:   code.Calibration{Text: "synthetic, for tests", Seed: "none", Date: "2026-01-01"},
	}
	if s.Name != "" {
		f.Name = s.Name
	}
	spread := 1 / math.Sqrt(float64(d))
	for i := range f.Mean {
		f.Mean[i] = float32(0.3 * spread * rng.NormFloat64())
	}
	f.Bits = code.Bits{Coordinates: make(code.Uint32s, n), Thresholds: make(code.Float32s, n)}
	coordinates := d
	if s.Rotations > 0 {
		coordinates *= s.Rotations
		f.Rotations = &code.Rotations{Count: s.Rotations, Rounds: 2, Seed: canon.Digest(canon.Sum("test-rotation"))}
	}
	total := int32(0)
	for j := range n {
		f.Bits.Coordinates[j] = uint32(j % coordinates)
		if s.Rotations == 0 {
			f.Bits.Thresholds[j] = float32(0.8 * spread * rng.NormFloat64())
		}
		f.Weights[j] = byte(1 + rng.IntN(or(s.MaxWeight, 1)))
		total += int32(f.Weights[j])
	}
	for i, class := range []code.FMRClass{code.FMR1e2, code.FMR1e3, code.FMR1e4, code.FMR1e5, code.FMR1e6} {
		f.Bounds = append(f.Bounds, code.Bound{FMR: class, Below: total * int32(30-3*i) / 100})
	}
	if s.Plausibility {
		p := &code.PlausibilityFile{Constant: total / 4, Weights: make(code.Int8s, n), Bound: total / 5}
		for j := range p.Weights {
			p.Weights[j] = int8(rng.IntN(2*int(f.Weights[j])+1)) - int8(f.Weights[j])
		}
		f.Plausibility = p
	}
	return f
}

// Model is File, written and loaded. It panics if that fails.
func Model(rng *rand.Rand, s Shape) *code.Model {
	m, err := code.Parse(must(File(rng, s).Marshal()))
	if err != nil {
		panic(err)
	}
	return m
}

// Policy is a loaded policy with one slot a model, all at class.
func Policy(class code.FMRClass, models ...*code.Model) *code.Policy {
	f := code.PolicyFile{Format: "nod/policy/v1", Name: "synthetic"}
	for _, m := range models {
		f.Slots = append(f.Slots, code.Slot{Model: m.ID(), FMR: class})
	}
	p, err := code.ParsePolicy(must(f.Marshal()))
	if err != nil {
		panic(err)
	}
	return p
}

// Plan is the plan of Policy(class, models...).
func Plan(class code.FMRClass, models ...*code.Model) *code.Plan {
	known := make(map[canon.ModelID]*code.Model)
	for _, m := range models {
		known[m.ID()] = m
	}
	p, err := code.NewPlan(Policy(class, models...), known)
	if err != nil {
		panic(err)
	}
	return p
}

// Features draws the features of a photo: a random direction.
func Features(rng *rand.Rand, dimension int) []float32 {
	out := make([]float32, dimension)
	for i := range out {
		out[i] = float32(rng.NormFloat64())
	}
	return out
}

// Near is another photo of the same person: features moved by the given part of
// their length in a random direction.
func Near(rng *rand.Rand, features []float32, part float64) []float32 {
	out := Features(rng, len(features))
	var size, step float64
	for i, v := range features {
		size += float64(v) * float64(v)
		step += float64(out[i]) * float64(out[i])
	}
	scale := part * math.Sqrt(size/step)
	for i, v := range features {
		out[i] = v + float32(scale*float64(out[i]))
	}
	return out
}

func or(v, other int) int {
	if v == 0 {
		return other
	}
	return v
}

func must(data []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return data
}
