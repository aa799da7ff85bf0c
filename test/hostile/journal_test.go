package hostile_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	"nod/crypto/seal"
	"nod/fault"
	"nod/wire"
)

// journal is the roles' logs in one place.
type journal struct {
	mu    sync.Mutex
	lines []line
	text  []string // not looked through yet
}

// line is a refused call.
type line struct {
	role   seal.Role
	method wire.Method
	code   fault.Code
}

func (j *journal) logger() *slog.Logger { return slog.New(j) }

// Enabled takes every level.
func (j *journal) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs ignores them: nobody uses them here.
func (j *journal) WithAttrs([]slog.Attr) slog.Handler { return j }

// WithGroup likewise.
func (j *journal) WithGroup(string) slog.Handler { return j }

// Handle keeps a record.
func (j *journal) Handle(_ context.Context, r slog.Record) error {
	l, text := line{}, r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += " " + a.Value.String()
		switch v := a.Value.Any().(type) {
		case seal.Role:
			l.role = v
		case wire.Method:
			l.method = v
		case fault.Code:
			l.code = v
		case error:
			if l.code == "" {
				l.code = fault.CodeOf(v)
			}
		}
		return true
	})
	j.keep(l, text)
	return nil
}

// add keeps a call that was refused outside the deployment's own handlers.
func (j *journal) add(role seal.Role, method wire.Method, err error) {
	j.keep(line{role, method, fault.CodeOf(err)}, err.Error())
}

func (j *journal) keep(l line, text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, l)
	j.text = append(j.text, text)
	if len(j.lines) > 4096 {
		j.lines = j.lines[2048:]
	}
}

// forget begins anew.
func (j *journal) forget() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = nil
}

// has reports whether a role answered some call with a code.
func (j *journal) has(role seal.Role, code fault.Code) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, l := range j.lines {
		if l.role == role && l.code == code {
			return true
		}
	}
	return false
}

// all lists what was refused.
func (j *journal) all() []line {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]line(nil), j.lines...)
}

// names finds a reference in what was logged since the last time.
func (j *journal) names(references ...string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	text := j.text
	j.text = nil
	for _, t := range text {
		for _, r := range references {
			if strings.Contains(t, r) {
				return t
			}
		}
	}
	return ""
}
