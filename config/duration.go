package config

import (
	"time"

	"nod/fault"
)

// Duration is a time.Duration that files write as a text, such as "180s" or "24h".
type Duration time.Duration

// Std is the duration as the standard library has it.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String is the text that a file may have.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes the text.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what time.ParseDuration reads; anything else is
// fault.BadEncoding.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fault.New(fault.BadEncoding, `not a duration such as "180s", "30m" or "24h"`)
	}
	*d = Duration(v)
	return nil
}
