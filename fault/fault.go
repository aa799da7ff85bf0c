// Package fault is the one error type that crosses a boundary of Nod.
//
// A fault has a stable code, listed in catalogue.go with what it means and what
// to do about it, and a detail for the operator's own log. Only the code ever
// leaves a process: free text never crosses the edge, and a detail never holds a
// secret or a citizen's reference.
package fault

import (
	"errors"
	"fmt"
)

// Code is a stable, lower_snake_case name for one kind of failure.
type Code string

// Class groups codes by what the caller can do.
type Class int

const (
	// Refused: the input is wrong or not allowed; the same call fails again.
	Refused Class = iota
	// NotCompared: no comparison was possible (a bad photo); try another capture.
	NotCompared
	// Unavailable: try again later with the same input.
	Unavailable
	// Tamper: the other party, or what it sent, is not honest. An alarm.
	Tamper
	// Internal: a failure of this process or its disk.
	Internal
)

// Error is a fault. Its text is for operators: code, detail, what to do.
type Error struct {
	Code   Code
	Detail string // no secrets, no personal data
	cause  error
}

// New makes a fault with a formatted detail. A %w operand becomes the cause and
// is found by errors.Is and errors.As.
func New(code Code, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Detail: err.Error(), cause: errors.Unwrap(err)}
}

// Within says where a fault happened: the same code and cause, and the formatted
// text before the detail. An error that is no fault becomes Unexpected.
func Within(err error, format string, args ...any) error {
	where := fmt.Sprintf(format, args...)
	var e *Error
	if !errors.As(err, &e) {
		return New(Unexpected, "%s: %w", where, err)
	}
	return &Error{Code: e.Code, Detail: where + ": " + e.Detail, cause: e.cause}
}

// Error gives the code, the detail and the catalogue's advice.
func (e *Error) Error() string {
	text := string(e.Code)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if do := e.Code.Do(); do != "" {
		text += " (" + do + ")"
	}
	return text
}

// Unwrap gives the cause, if there is one.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether err is, or wraps, a fault with this code.
func Is(err error, code Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// CodeOf is the code of the first fault in err's chain, or Unexpected for an
// error that is not a fault, or "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return Unexpected
}
