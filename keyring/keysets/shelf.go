package keysets

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"nod/disk"
	"nod/fault"
)

// Shelf keeps wrapped keysets by name. It is not trusted with their contents; it
// is trusted to keep them, and not to give an old one back.
type Shelf interface {
	// Load gives the bytes under a name, or fails with fault.NotFound.
	Load(ctx context.Context, name string) ([]byte, error)
	// Swap replaces the bytes under a name if they still are the old ones; nil
	// means that there are none. If not it fails with fault.Conflict. When it
	// returns nil the new bytes are durable.
	Swap(ctx context.Context, name string, old, new []byte) error
}

// maxBlob is the most bytes that a wrapped keyset may have; one key takes about
// 250.
const maxBlob = 64 << 10

var nameShape = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

func checkName(name string) error {
	if len(name) > 64 || !nameShape.MatchString(name) {
		return fault.New(fault.OutOfRange, "a keyset's name has lower-case letters, digits and hyphens")
	}
	return nil
}

// folderShelf keeps each keyset in a file of its own.
type folderShelf struct{ folder string }

// Folder is a Shelf in a folder, of mode 0700, which is made if it is not there.
// Files are NAME.keyset, of mode 0600. Several processes may use it.
func Folder(folder string) (Shelf, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, unavailable(err)
	}
	info, err := os.Stat(folder)
	if err != nil {
		return nil, unavailable(err)
	}
	if err := disk.Private(info); err != nil {
		return nil, err
	}
	return folderShelf{folder}, nil
}

func unavailable(err error) error {
	var e *fault.Error
	if errors.As(err, &e) {
		return err
	}
	return fault.New(fault.StoreUnavailable, "keysets: %w", err)
}

func (s folderShelf) path(name string) string { return filepath.Join(s.folder, name+".keyset") }

func (s folderShelf) Load(ctx context.Context, name string) ([]byte, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, fault.New(fault.Cancelled, "%w", context.Cause(ctx))
	}
	data, err := disk.ReadPrivate(s.path(name), maxBlob)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "keyset %s", name)
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return data, nil
}

func (s folderShelf) Swap(ctx context.Context, name string, old, new []byte) (err error) {
	if len(new) > maxBlob {
		return fault.New(fault.Oversize, "a keyset of %d bytes, at most %d", len(new), maxBlob)
	}
	lock, err := disk.Lock(filepath.Join(s.folder, ".lock"), true)
	if err != nil {
		return unavailable(err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	now, err := s.Load(ctx, name)
	switch missing := fault.Is(err, fault.NotFound); {
	case err != nil && !missing:
		return err
	case missing != (old == nil) || !bytes.Equal(now, old):
		return fault.New(fault.Conflict, "keyset %s", name)
	}
	if err := disk.Replace(s.path(name), new); err != nil {
		return unavailable(err)
	}
	return nil
}

// memoryShelf keeps keysets for as long as the process lives.
type memoryShelf struct {
	mu    sync.Mutex
	blobs map[string][]byte
}

// Memory is a Shelf that ends with its process, for tests.
func Memory() Shelf { return &memoryShelf{blobs: map[string][]byte{}} }

func (s *memoryShelf) Load(ctx context.Context, name string) ([]byte, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, fault.New(fault.Cancelled, "%w", context.Cause(ctx))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	blob, ok := s.blobs[name]
	if !ok {
		return nil, fault.New(fault.NotFound, "keyset %s", name)
	}
	return bytes.Clone(blob), nil
}

func (s *memoryShelf) Swap(ctx context.Context, name string, old, new []byte) error {
	if err := checkName(name); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fault.New(fault.Cancelled, "%w", context.Cause(ctx))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now, ok := s.blobs[name]
	if ok == (old == nil) || !bytes.Equal(now, old) {
		return fault.New(fault.Conflict, "keyset %s", name)
	}
	s.blobs[name] = bytes.Clone(new)
	return nil
}
