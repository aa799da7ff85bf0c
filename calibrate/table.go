package calibrate

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"nod/fault"
)

// String is "1+1": photos enrolled, photos shown.
func (f Fusion) String() string { return fmt.Sprintf("%d+%d", f.Enrolled, f.Shown) }

// WriteText prints the report for people.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d people, %d photos, %d folds of people; %s, %d bits; all figures from people left out.\n",
		r.People, r.Photos, r.Folds, r.Kind, r.Bits)
	fmt.Fprintf(&b, "[..] is the 95 %% interval, by a bootstrap over people. * marks fewer than %d false matches.\n", leastMatches)
	codes := make([]fault.Code, 0, len(r.Skipped))
	for c := range r.Skipped {
		codes = append(codes, c)
	}
	slices.Sort(codes)
	for _, c := range codes {
		fmt.Fprintf(&b, "left out: %d photos, %s\n", r.Skipped[c], c)
	}
	r.writeAccuracy(&b, "True accept rate at a false match rate (FMR), everybody", func(a Accuracy) int { return a.Genuine },
		func(rate Rate) Estimate { return rate.TAR })
	r.writeAccuracy(&b, "The same, genuine comparisons of people with four photos", func(a Accuracy) int { return a.Four },
		func(rate Rate) Estimate { return rate.TARFour })
	r.writeThresholds(&b)
	r.writeBounds(&b)
	r.writeAttacks(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// table writes tab-separated rows in columns.
func table(b *strings.Builder, title string, rows [][]string) {
	fmt.Fprintf(b, "\n%s\n", title)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		_, _ = fmt.Fprintln(t, "  "+strings.Join(row, "\t")) // to memory
	}
	_ = t.Flush()
}

func (r *Report) writeAccuracy(b *strings.Builder, title string, count func(Accuracy) int, of func(Rate) Estimate) {
	rows := [][]string{{"photos", "compared by", "genuine", "impostor"}}
	for _, class := range classes[:measuredClasses] {
		rows[0] = append(rows[0], "FMR "+string(class))
	}
	for _, a := range r.Accuracy {
		row := []string{a.Fusion.String(), a.Compare, fmt.Sprint(count(a)), fmt.Sprint(a.Impostor)}
		for _, rate := range a.Rates {
			e, mark := of(rate), ""
			if !rate.Measured {
				mark = "*"
			}
			row = append(row, fmt.Sprintf("%.4f%s [%.3f %.3f]", e.Value, mark, e.Low, e.High))
		}
		rows = append(rows, row)
	}
	table(b, title, rows)
}

func (r *Report) writeThresholds(b *strings.Builder) {
	rows := [][]string{{"photos", "compared by"}}
	for _, class := range classes[:measuredClasses] {
		rows[0] = append(rows[0], "FMR "+string(class))
	}
	for _, a := range r.Accuracy {
		row := []string{a.Fusion.String(), a.Compare}
		for _, rate := range a.Rates {
			row = append(row, fmt.Sprintf("%.4f [%.4f %.4f]", rate.Threshold.Value, rate.Threshold.Low, rate.Threshold.High))
		}
		rows = append(rows, row)
	}
	table(b, "Thresholds; of codes in units of the mean impostor distance, so that folds compare", rows)
}

func (r *Report) writeBounds(b *strings.Builder) {
	rows := [][]string{{"class", "T", "fixed by"}}
	for _, f := range fusions {
		rows[0] = append(rows[0], "FMR "+f.String(), "TAR "+f.String(), "TAR, four photos")
	}
	for _, s := range r.Bounds {
		fixed := s.Worst.String()
		if s.Extrapolated {
			fixed += ", extrapolated"
		}
		row := []string{string(s.FMR), fmt.Sprint(s.T), fixed}
		for _, o := range s.Outcomes {
			row = append(row, fmt.Sprintf("%.2e", o.FMR), fmt.Sprintf("%.4f", o.TAR), fmt.Sprintf("%.4f", o.TARFour))
		}
		rows = append(rows, row)
	}
	table(b, "Bounds of the model (worst fusion), and what they give", rows)
	if p := r.Plausibility; p != nil {
		fmt.Fprintf(b, "\nPlausibility bound %d refuses of real probes:", p.Bound)
		for i, share := range p.Refused {
			fmt.Fprintf(b, "  %.2f %% of %d photo(s)", 100*share, i+1)
		}
		fmt.Fprintln(b)
	}
}

func (r *Report) writeAttacks(b *strings.Builder) {
	rows := [][]string{{"chosen code", "class", "without plausibility", "with it"}}
	for _, a := range r.Attacks {
		with := "-"
		if a.With != nil {
			with = fmt.Sprintf("%.2f %%", 100**a.With)
		}
		rows = append(rows, []string{string(a.Attack), string(a.FMR), fmt.Sprintf("%.2f %%", 100*a.Without), with})
	}
	table(b, "People left out whom one chosen code matches", rows)
}
