package config

import "log/slog"

// Listen is where a program listens.
type Listen struct {
	// Calls is the address for calls: host:port, gRPC under mutual TLS. Port 0 takes a
	// free one.
	Calls string `toml:"calls" is:"listen"`
	// Operations is the address for metrics and health: host:port, plain HTTP. It is
	// for the operator's own network. Port 0 takes a free one.
	Operations string `toml:"operations" is:"listen"`
}

// Log is what a program writes about itself: never a secret, a citizen's reference or
// a verdict.
type Log struct {
	// Level is the least important kind of line that is written: debug, info, warn or
	// error. Default: info.
	Level string `toml:"level" is:"level" default:"info"`
}

// Slog is the level as the standard library has it.
func (l Log) Slog() slog.Level {
	switch l.Level {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	}
	return slog.LevelInfo
}
