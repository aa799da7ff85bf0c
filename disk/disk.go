// Package disk reads and writes small files that matter. Files of secrets are
// written whole or not at all, readable by their owner only, and by one process at a
// time. Files that say who is trusted may be read by anybody, and are refused if
// anybody but their owner may write to them.
package disk

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"nod/fault"
)

// Private holds that a file, or folder, gives no rights to other users:
// fault.Exposed if it does.
func Private(info os.FileInfo) error {
	if info.Mode().Perm()&0o077 != 0 {
		return fault.New(fault.Exposed, "%s has mode %04o", info.Name(), info.Mode().Perm())
	}
	return nil
}

// Pinned holds that nobody but its owner may write to a file: fault.Exposed if
// others may.
func Pinned(info os.FileInfo) error {
	if info.Mode().Perm()&0o022 != 0 {
		return fault.New(fault.Exposed, "%s has mode %04o, so others may write to it", info.Name(), info.Mode().Perm())
	}
	return nil
}

// ReadPrivate reads a file of at most limit bytes that is the owner's only. The
// error wraps fs.ErrNotExist if there is no such file.
func ReadPrivate(path string, limit int64) ([]byte, error) { return read(path, limit, Private) }

// ReadPinned reads a file of at most limit bytes that only its owner may write to.
// The error wraps fs.ErrNotExist if there is no such file.
func ReadPinned(path string, limit int64) ([]byte, error) { return read(path, limit, Pinned) }

// read checks the file that it has open, so that nobody can put another in its
// place in between.
func read(path string, limit int64, check func(os.FileInfo) error) ([]byte, error) {
	// Opening a named pipe would wait for a writer; O_NONBLOCK changes nothing else.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fault.New(fault.BadEncoding, "%s is not a file", info.Name())
	}
	if err := check(info); err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fault.New(fault.Oversize, "%s has %d bytes, at most %d", info.Name(), info.Size(), limit)
	}
	return io.ReadAll(io.LimitReader(f, limit))
}

// begun is how the names of files begin that Replace has not put in their place yet.
func begun(path string) string { return "." + filepath.Base(path) + ".new-" }

// Leftovers are the files that Replaces of a path left behind which were killed in the
// middle. Whoever asks must hold off further ones.
func Leftovers(path string) (out []string, err error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), begun(path)) {
			out = append(out, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	return out, nil
}

// Replace writes a file of mode 0600 so that after a crash it has its old
// contents or the new ones, and returns when the new ones are durable. After an
// error it has either.
func Replace(path string, data []byte) (err error) {
	folder := filepath.Dir(path)
	f, err := os.CreateTemp(folder, begun(path)+"*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreMissing(os.Remove(f.Name())))
		}
	}()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), path); err != nil {
		return err
	}
	return SyncFolder(folder)
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// SyncFolder makes the names in a folder durable.
func SyncFolder(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Lock makes a file if needed and locks it until the Closer is closed or the
// process ends. If another holds it, even in this process, it waits, or fails
// with fault.StoreInUse if wait is false.
func Lock(path string, wait bool) (io.Closer, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for {
		err = syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fault.New(fault.StoreInUse, "%s is locked", path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
