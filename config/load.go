package config

import (
	"errors"
	"io/fs"
	"path/filepath"

	"nod/disk"
	"nod/fault"
)

// MaxFile is the most bytes that a configuration file has.
const MaxFile = 1 << 20

// load reads, checks and completes the file of one program.
func load[T any, P interface {
	*T
	check() error
}](path string) (*T, error) {
	data, err := readPinned("configuration", path, MaxFile)
	if err != nil {
		return nil, err
	}
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fault.New(fault.StoreUnavailable, "configuration %s: %w", path, err)
	}
	c, err := parse[T, P](data, folder)
	if err != nil {
		return nil, fault.Within(err, "configuration %s", path)
	}
	return c, nil
}

// parse reads what a file in folder holds.
func parse[T any, P interface {
	*T
	check() error
}](data []byte, folder string) (*T, error) {
	c := P(new(T))
	if err := decode(data, folder, c); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	return c, nil
}

// readPinned reads a file that a configuration names in field, and that nobody but
// its owner may write to.
func readPinned(field, path string, limit int64) ([]byte, error) {
	data, err := disk.ReadPinned(path, limit)
	return data, fileFault(field, path, err)
}

// readPrivate reads a file of a secret. The caller wipes it.
func readPrivate(field, path string, limit int64) ([]byte, error) {
	data, err := disk.ReadPrivate(path, limit)
	return data, fileFault(field, path, err)
}

// fileFault says which field named the file, and makes a fault of the system's error.
func fileFault(field, path string, err error) error {
	var known *fault.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return fault.Within(err, "%s %s", field, path)
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.NotFound, "%s: %w", field, err)
	}
	return fault.New(fault.StoreUnavailable, "%s: %w", field, err)
}
