package process

import (
	"io"
	"log/slog"

	"nod/config"
)

// NewLog writes a role's log as lines of JSON, from a level on.
func NewLog(w io.Writer, l config.Log) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: l.Slog()}))
}
