package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"nod/benchmarks/load"
	"nod/crypto/seal"
)

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }
func us(d time.Duration) string { return fmt.Sprintf("%.0f µs", float64(d)/1e3) }

func printSaturation(w io.Writer, s *load.Saturation) {
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	r := s.Closed
	signed, compared := load.Sum(s.Floor.Signed), load.Sum(s.Floor.Compared)
	floor := signed + compared
	each := r.Each(r.CPU.Total())
	p("| CPU per verification | of the floor | time |\n|---|---|---|")
	for _, role := range seal.Roles() {
		p("| %s | %.2f | %s |", role, float64(r.Each(r.CPU[role]))/float64(floor), ms(r.Each(r.CPU[role])))
	}
	p("| **the three** | **%.2f** | **%s** |", float64(each)/float64(floor), ms(each))
	p("| of which floor: openings and signatures | %.2f | %s |", float64(signed)/float64(floor), ms(signed))
	p("| of which floor: correlations and comparison | %.2f | %s |", float64(compared)/float64(floor), ms(compared))
	p("| load generator, for comparison | %.2f | %s |", float64(r.Each(r.Own))/float64(floor), ms(r.Each(r.Own)))
	p("\n%.0f verifications per second, %d done, failed %v, CPU in use %.2f cores by the roles, %.2f by the generator", r.Rate(), r.Done, r.Failed,
		r.CPU.Total().Seconds()/r.Took.Seconds(), r.Own.Seconds()/r.Took.Seconds())
	p("\n| floor | times | each | together |\n|---|---|---|---|")
	for _, c := range append(append([]load.Cost{}, s.Floor.Signed...), s.Floor.Compared...) {
		p("| %s | %.2f | %s | %s |", c.Name, c.Times, us(c.CPU), us(c.Sum()))
	}
	p("\n| latency | rate | 50 %% | 90 %% | 99 %% | 99.9 %% | most |\n|---|---|---|---|---|---|---|")
	line := func(what string, r *load.Run, l load.Latencies) {
		p("| %s | %.0f/s | %s | %s | %s | %s | %s |", what, r.Rate(), ms(l.At(50)), ms(l.At(90)), ms(l.At(99)), ms(l.At(99.9)), ms(l.At(100)))
	}
	for what, r := range map[string]*load.Run{"closed loop": s.Closed, "constant rate": s.Steady} {
		if r != nil {
			line(what+", whole", r, r.Whole)
			line(what+", Open", r, r.Open)
			line(what+", Verify", r, r.Compare)
		}
	}
	for _, role := range seal.Roles() {
		top := s.Tops[role]
		if top == nil {
			continue
		}
		p("\n%s, by kind of work:\n", role)
		for _, k := range load.Shares(top) {
			p("| %s | %.1f %% |", k.Kind, k.Percent)
		}
		p("\n%s, Nod's own functions with what they call:\n", role)
		n := 0
		for _, l := range top {
			if strings.HasPrefix(l.Function, "nod/") && l.Cumulative >= 1.5 && n < 45 {
				n++
				p("| %s | %.1f %% | %.1f %% |", l.Function, l.Cumulative, l.Flat)
			}
		}
	}
}
