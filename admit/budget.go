package admit

import (
	"encoding/binary"
	"time"

	"nod/fault"
)

// Limits are a server's own limits on answers about one citizen. Zero values are
// not limits: Defaults gives the ones of docs/architecture.md.
type Limits struct {
	// Consecutive no-matches, over all relying parties, before a pause.
	Consecutive int
	// Pause is how long the first pause lasts; each further one doubles it.
	Pause time.Duration
	// NoMatches in any 30 days, not reset by a match, before face verification
	// is off for the citizen until the bureau lifts it.
	NoMatches int
	// Answers of any kind in any 30 days, before the same.
	Answers int
	// Session is how long a session lives, and a finished verdict is repeated.
	Session time.Duration
	// Replay is how long a request's jti is remembered.
	Replay time.Duration
}

// Defaults are the limits of docs/architecture.md.
func Defaults() Limits {
	return Limits{
		Consecutive: 5,
		Pause:       30 * time.Minute,
		NoMatches:   50,
		Answers:     300,
		Session:     180 * time.Second,
		Replay:      24 * time.Hour,
	}
}

// Valid refuses limits that limit nothing.
func (l Limits) Valid() error {
	if l.Consecutive < 1 || l.Pause <= 0 || l.NoMatches < 1 || l.Answers < 1 || l.Session <= 0 ||
		l.Replay < l.Session || l.Pause > 24*time.Hour || l.NoMatches > maxCount || l.Answers > maxCount || l.Consecutive > maxCount {
		return fault.New(fault.OutOfRange, "a limit is missing or too large")
	}
	return nil
}

const (
	window    = 31 // days kept: any 30 days and the one under way
	maxCount  = 1<<16 - 1
	maxPauses = 16 // doublings, so a pause is at most 3.7 years of half-hours
	day       = 24 * 60 * 60
)

// budget is one citizen's account at one server. Its encoding has one size,
// whatever it holds, so that every citizen's write is alike.
type budget struct {
	answers     [window]uint16 // debits by day, at day mod 31
	noMatches   [window]uint16 // of which not refunded
	today       uint32         // days since 1970 of the newest entry
	consecutive uint16
	pauses      uint8
	off         bool
	paused      uint64 // seconds since 1970 at which the pause ends
}

const budgetSize = 4*window + 4 + 2 + 1 + 1 + 8

func (b *budget) encode() []byte {
	out := make([]byte, 0, budgetSize)
	for d := range window {
		out = binary.BigEndian.AppendUint16(out, b.answers[d])
		out = binary.BigEndian.AppendUint16(out, b.noMatches[d])
	}
	out = binary.BigEndian.AppendUint32(out, b.today)
	out = binary.BigEndian.AppendUint16(out, b.consecutive)
	off := byte(0)
	if b.off {
		off = 1
	}
	out = append(out, b.pauses, off)
	return binary.BigEndian.AppendUint64(out, b.paused)
}

func decodeBudget(data []byte) (b budget, err error) {
	if len(data) != budgetSize || data[budgetSize-9] > 1 || data[budgetSize-10] > maxPauses {
		return b, fault.New(fault.BadEncoding, "budget record")
	}
	for d := range window {
		b.answers[d] = binary.BigEndian.Uint16(data[4*d:])
		b.noMatches[d] = binary.BigEndian.Uint16(data[4*d+2:])
	}
	rest := data[4*window:]
	b.today = binary.BigEndian.Uint32(rest)
	b.consecutive = binary.BigEndian.Uint16(rest[4:])
	b.pauses = rest[6]
	b.off = rest[7] == 1
	b.paused = binary.BigEndian.Uint64(rest[8:])
	return b, nil
}

// turn moves the window on to the day of now. A clock that went back changes
// nothing: days are never reopened.
func (b *budget) turn(now time.Time) {
	today := uint32(max(now.Unix(), 0) / day)
	if today <= b.today {
		return
	}
	for d := range min(today-b.today, window) {
		b.answers[(today-d)%window] = 0
		b.noMatches[(today-d)%window] = 0
	}
	b.today = today
}

func total(days *[window]uint16) (sum int) {
	for _, n := range days {
		sum += int(n)
	}
	return sum
}

// spent reports whether no answer is left.
func (b *budget) spent(l *Limits, now time.Time) bool {
	return b.off || uint64(max(now.Unix(), 0)) < b.paused ||
		total(&b.noMatches) >= l.NoMatches || total(&b.answers) >= l.Answers
}

// debit counts an attempt as a no-match, until it is refunded. It reports whether
// the budget was spent before; then nothing is counted.
func (b *budget) debit(l *Limits, now time.Time) (spent bool) {
	b.turn(now)
	if b.spent(l, now) {
		return true
	}
	b.answers[b.today%window]++
	b.noMatches[b.today%window]++
	b.consecutive++
	if int(b.consecutive) >= l.Consecutive {
		b.paused = uint64(now.Add(l.Pause << b.pauses).Unix())
		b.pauses = min(b.pauses+1, maxPauses)
		b.consecutive = 0
	}
	if total(&b.noMatches) >= l.NoMatches || total(&b.answers) >= l.Answers {
		b.off = true
	}
	return false
}

// refund takes back the no-match of one debit made on the given day, for a yes.
// The answer itself stays counted: yeses carry information too.
func (b *budget) refund(l *Limits, debited uint32, now time.Time) {
	b.turn(now)
	if b.today-debited < window && b.noMatches[debited%window] > 0 {
		b.noMatches[debited%window]--
	}
	b.consecutive, b.pauses, b.paused = 0, 0, 0
	b.off = b.off && (total(&b.noMatches) >= l.NoMatches || total(&b.answers) >= l.Answers)
}
