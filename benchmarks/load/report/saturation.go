package main

import (
	"io"
	"time"

	"nod/benchmarks/load"
	"nod/crypto/seal"
)

func saturation(w io.Writer, s *load.Saturation) {
	signed, compared := load.Sum(s.Floor.Signed), load.Sum(s.Floor.Compared)
	r := s.Closed
	cost := func(what string, each time.Duration) {
		line(w, "| %s | %.2f | %s |", what, float64(each)/float64(signed+compared), ms(each))
	}
	line(w, "\n## Saturation\n\n| CPU of one verification | ratio to the floor | time |\n|---|---|---|")
	for _, role := range seal.Roles() {
		cost(string(role), r.Each(r.CPU[role]))
	}
	cost("**the three together**", r.Each(r.CPU.Total()))
	cost("floor: openings and signatures", signed)
	cost("floor: correlations and comparison", compared)
	cost("load generator, which is none of Nod's servers", r.Each(r.Own))
	line(w, "\n| at saturation | |\n|---|---|\n| verifications per second | %.0f |\n| done, failed | %d, %d %v |", r.Rate(), r.Done, len(r.Failed), r.Failed)
	line(w, "| processors in use by the three roles | %.2f |\n| by the load generator | %.2f |",
		r.CPU.Total().Seconds()/r.Took.Seconds(), r.Own.Seconds()/r.Took.Seconds())
	line(w, "| verifications per second and processor of the three | %.0f |", float64(r.Done)/r.CPU.Total().Seconds())
	line(w, "\n| the floor | times | each | together |\n|---|---|---|---|")
	for _, costs := range [][]load.Cost{s.Floor.Signed, s.Floor.Compared} {
		for _, c := range costs {
			line(w, "| %s | %.2f | %s | %s |", c.Name, c.Times, us(c.CPU), us(c.Sum()))
		}
	}
	latencies(w, s)
	for _, role := range seal.Roles() {
		if top := s.Tops[role]; top != nil {
			profile(w, role, top)
		}
	}
}

func latencies(w io.Writer, s *load.Saturation) {
	line(w, "\n| latency | rate | 50 %% | 90 %% | 99 %% | 99.9 %% | most |\n|---|---|---|---|---|---|---|")
	row := func(what string, r *load.Run, l load.Latencies) {
		line(w, "| %s | %.0f/s | %s | %s | %s | %s | %s |", what, r.Rate(), ms(l.At(50)), ms(l.At(90)), ms(l.At(99)), ms(l.At(99.9)), ms(l.At(100)))
	}
	for _, loop := range []struct {
		name string
		run  *load.Run
	}{{"closed loop", s.Closed}, {"constant rate", s.Steady}} {
		if loop.run != nil {
			row(loop.name+": all of it", loop.run, loop.run.Whole)
			row(loop.name+": Open", loop.run, loop.run.Open)
			row(loop.name+": sealing, on the device", loop.run, loop.run.Seal)
			row(loop.name+": Verify", loop.run, loop.run.Compare)
		}
	}
}
