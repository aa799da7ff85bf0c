//go:build !race

package load_test

import (
	"testing"
	"time"

	"nod/benchmarks/load"
	"nod/fault"
)

// While the dealer is away, killed or only silent, verifications go on until the stock
// is used up; then callers are told correlations_exhausted, and nothing else, without
// running into their deadline; and once it is back, verifications succeed again though
// nobody restarted anything else.
func TestDealerAway(t *testing.T) {
	const low = 96 // half of what the smallest batch yields
	away, after, rate, hows := 5*time.Second, 8*time.Second, 40.0, []load.How{load.Still}
	o := load.Options{Batch: 256, Stock: []string{`wait = "500ms"`}}
	stock := low
	if long() {
		o, away, after, rate, stock = load.Options{}, time.Minute, 30*time.Second, 100, (4096-64)/2
		hows = append(hows, load.Crash)
	}
	d := deployed(t, o)
	people, err := d.Population(t.Context(), 40)
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range hows {
		o, err := d.DealerAway(t.Context(), people, how, rate, away, after, stock)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: at %.0f/s a stock of %d carried %d verifications for %v; refused meanwhile %v, told after %v (median) and %v (most); "+
			"first done %v after its return, last refused %v after it, %d done since", o.How, o.Rate, o.Stock, o.Carried, o.Lasted,
			o.Refused, o.Told.At(50), o.Told.At(100), o.Recovered, o.Clean, o.After)
		if o.Carried == 0 {
			t.Errorf("%s: the stock carried nothing", how)
		}
		for code, n := range o.Refused {
			if code != fault.CorrelationsExhausted {
				t.Errorf("%s: %d refused as %s", how, n, code)
			}
		}
		if o.Refused[fault.CorrelationsExhausted] == 0 {
			t.Errorf("%s: nothing was refused: the dealer was not missed", how)
		}
		if o.After == 0 {
			t.Errorf("%s: nothing goes on after the dealer's return", how)
		}
	}
}
