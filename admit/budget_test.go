package admit

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nod/fault"
)

// ledger is the plain account: every debit with its time, and whether it was
// refunded.
type ledger struct {
	at       []time.Time
	refunded []bool
}

// within counts debits in the 30 days before now.
func (l *ledger) within(now time.Time) (answers, noMatches int) {
	for i, at := range l.at {
		if now.Sub(at) < 30*24*time.Hour {
			answers++
			if !l.refunded[i] {
				noMatches++
			}
		}
	}
	return answers, noMatches
}

// Whatever comes in whatever order, no 30 days hold more answers or no-matches than
// the limits, five no-matches in a row are followed by a pause, and a budget that
// was off stays off.
func TestBudgetNeverGivesMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := Limits{
			Consecutive: rapid.IntRange(1, 6).Draw(t, "consecutive"),
			Pause:       30 * time.Minute,
			NoMatches:   rapid.IntRange(1, 20).Draw(t, "noMatches"),
			Answers:     rapid.IntRange(1, 40).Draw(t, "answers"),
			Session:     180 * time.Second,
			Replay:      24 * time.Hour,
		}
		if err := limits.Valid(); err != nil {
			t.Fatal(err)
		}
		var b budget
		var l ledger
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		row, pausedUntil := 0, time.Time{}
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, 3*day).Draw(t, "seconds")) * time.Second)
			off := b.off
			if b.debit(&limits, now) {
				continue
			}
			if off || now.Before(pausedUntil) {
				t.Fatal("an answer was given while off or paused")
			}
			l.at, l.refunded = append(l.at, now), append(l.refunded, false)
			answers, noMatches := l.within(now)
			if answers > limits.Answers || noMatches > limits.NoMatches {
				t.Fatalf("%d answers, %d no-matches in 30 days, above %+v", answers, noMatches, limits)
			}
			if row++; row == limits.Consecutive {
				row, pausedUntil = 0, now.Add(limits.Pause)
			}
			if rapid.Bool().Draw(t, "yes") {
				b.refund(&limits, b.today, now)
				l.refunded[len(l.refunded)-1] = true
				row, pausedUntil = 0, time.Time{}
			}
			again, err := decodeBudget(b.encode())
			if err != nil || again != b {
				t.Fatalf("encoding: %v", err)
			}
		}
	})
}

// An honest citizen who matches now and then is never shut out by no-matches that
// are older than a month.
func TestBudgetForgets(t *testing.T) {
	limits := Defaults()
	var b budget
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for range 400 {
		if b.debit(&limits, now) {
			t.Fatalf("shut out on %s", now)
		}
		now = now.Add(day * time.Second) // one no-match a day: 31 in the window
		b.consecutive = 0                // and a match in between, long enough ago
	}
}

func TestPausesDouble(t *testing.T) {
	limits := Defaults()
	limits.NoMatches, limits.Answers = maxCount, maxCount
	var b budget
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	pause := limits.Pause
	for range 6 {
		for range limits.Consecutive {
			if b.debit(&limits, now) {
				t.Fatal("paused too early")
			}
		}
		if !b.debit(&limits, now.Add(pause-time.Second)) {
			t.Fatalf("not paused for %s", pause)
		}
		now = now.Add(pause)
		pause *= 2
	}
}

// The thousandth refund of one debit takes back no more than the first.
func TestRefundAtMostWhatWasDebited(t *testing.T) {
	limits := Defaults()
	var b budget
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	b.debit(&limits, now)
	for range 1000 {
		b.refund(&limits, b.today, now)
	}
	if n := total(&b.noMatches); n != 0 {
		t.Errorf("%d no-matches", n)
	}
	if n := total(&b.answers); n != 1 {
		t.Errorf("%d answers, want the one that was given", n)
	}
}

func TestLimitsValid(t *testing.T) {
	if err := Defaults().Valid(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Limits){
		"none":           func(l *Limits) { *l = Limits{} },
		"no consecutive": func(l *Limits) { l.Consecutive = 0 },
		"no pause":       func(l *Limits) { l.Pause = 0 },
		"endless pause":  func(l *Limits) { l.Pause = 48 * time.Hour },
		"no no-matches":  func(l *Limits) { l.NoMatches = 0 },
		"many answers":   func(l *Limits) { l.Answers = maxCount + 1 },
		"short replay":   func(l *Limits) { l.Replay = time.Second },
	} {
		l := Defaults()
		change(&l)
		if !fault.Is(l.Valid(), fault.OutOfRange) {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzDecodeBudget(f *testing.F) {
	var b budget
	limits := Defaults()
	b.debit(&limits, time.Unix(1_700_000_000, 0))
	f.Add(b.encode())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := decodeBudget(data)
		if err == nil && !bytes.Equal(b.encode(), data) {
			t.Fatal("decodes, and encodes to something else")
		}
	})
}
