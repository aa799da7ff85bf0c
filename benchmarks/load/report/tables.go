package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"nod/benchmarks/load"
	"nod/crypto/seal"
)

func line(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }
func us(d time.Duration) string { return fmt.Sprintf("%.0f µs", float64(d)/1e3) }
func mb(bytes float64) string   { return fmt.Sprintf("%.1f MB", bytes/1e6) }

// machine says where and when, and from what.
func machine(w io.Writer, long bool) {
	model := "unknown processor"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for l := range strings.Lines(string(text)) {
			if name, value, found := strings.Cut(l, ":"); found && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	commit := "unknown"
	if out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output(); err == nil { //nolint:noctx // quick
		commit = strings.TrimSpace(string(out))
	}
	line(w, "Measured %s at commit %s, %s, %s, %d processors (load generator included), `-long=%v`.\n",
		time.Now().UTC().Format(time.DateOnly), commit, runtime.Version(), model, runtime.NumCPU(), long)
}

func beside(w io.Writer, b *load.Beside) {
	line(w, "| %d verifications of each, in turn | CPU of this build, as a part of the other's | each, other | each, this |\n|---|---|---|---|", b.Done)
	each := func(used time.Duration) string { return ms(used / time.Duration(b.Done)) }
	for _, role := range seal.Roles() {
		line(w, "| %s | %.3f | %s | %s |", role, b.Ratio(role), each(b.CPU[0][role]), each(b.CPU[1][role]))
	}
	line(w, "| the three | %.3f | %s | %s |", b.Total(), each(b.CPU[0].Total()), each(b.CPU[1].Total()))
}

func decoys(w io.Writer, samples []load.Sample, seed uint64) {
	line(w, "\n## Decoys\n\n%d verifications of each kind, seed %d.\n", len(samples[0].Answer), seed)
	line(w, "| kind | call | median, ratio to %s | D | p | median |\n|---|---|---|---|---|---|", load.Enrolled)
	for _, c := range load.Against(samples) {
		line(w, "| %s | %s | %.3f | %.3f | %.2g | %s |", c.Kind, c.Call, c.Ratio, c.D, c.P, ms(c.Median))
	}
}

func outages(w io.Writer, all []*load.Outage) {
	line(w, "\n## The dealer away\n\n| the dealer was | load | away | stock of each check then | verifications it carried | for | refused meanwhile | told after (50 %%, most) | first done after its return | last refused after its return | done since, none refused |\n|---|---|---|---|---|---|---|---|---|---|---|")
	for _, o := range all {
		line(w, "| %s | %.0f/s | %.0f s | %d | %d | %.1f s | %v | %s, %s | %.1f s | %.1f s | %d |", o.How, o.Rate, o.Away.Seconds(), o.Stock, o.Carried,
			o.Lasted.Seconds(), o.Refused, ms(o.Told.At(50)), ms(o.Told.At(100)), o.Recovered.Seconds(), o.Clean.Seconds(), o.After)
	}
}

func memory(w io.Writer, moments []load.Moment) {
	line(w, "\n## Memory")
	for _, role := range seal.Roles() {
		line(w, "\n| %s after | held | and the stock | and the store's | resident | goroutines | files | and the store's |\n|---|---|---|---|---|---|---|---|", role)
		for _, m := range moments {
			s := m.State[role]
			line(w, "| %d | %s | %s | %s | %s | %.0f | %d | %d |", m.Done, mb(s.Held()), mb(s.Stock), mb(s.Cache+s.Tables), mb(s.Resident), s.Goroutines, s.Files, s.StoreFiles)
		}
	}
	line(w, "\n| held more for each verification | from %d to %d |\n|---|---|", moments[2].Done, moments[len(moments)-1].Done)
	for _, role := range seal.Roles() {
		line(w, "| %s | %.0f bytes |", role, load.Growth(moments[2], moments[len(moments)-1], role))
	}
}

// profile writes the tables of one role's profile.
func profile(w io.Writer, role seal.Role, top []load.Line) {
	line(w, "\n| %s: its CPU goes into | |\n|---|---|", role)
	for _, k := range load.Shares(top) {
		line(w, "| %s | %.1f %% |", k.Kind, k.Percent)
	}
	line(w, "\n| %s: own functions | with what they call | themselves |\n|---|---|---|", role)
	own := slices.DeleteFunc(slices.Clone(top), func(l load.Line) bool { return !strings.HasPrefix(l.Function, "nod/") })
	slices.SortFunc(own, func(a, b load.Line) int { return int(1e6 * (b.Cumulative - a.Cumulative)) })
	for _, l := range own[:min(len(own), 40)] {
		line(w, "| `%s` | %.1f %% | %.1f %% |", l.Function, l.Cumulative, l.Flat)
	}
}
