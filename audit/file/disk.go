package file

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"nod/fault"
)

// disk is what a Log does to its file, so that a test's may fail.
type disk interface {
	io.Writer   // appends
	io.ReaderAt // any offset
	Sync() error
	// Intact fails unless the file is still at its path and has exactly size
	// bytes.
	Intact(size int64) error
	// Cut shortens the file to size bytes.
	Cut(size int64) error
	Close() error
}

// osFile is a file, locked against other processes.
type osFile struct {
	*os.File
	path string
}

// openFile opens a file for one process, or makes it with mode 0600.
func openFile(path string) (disk, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600) //nolint:gosec // the role's operator names the file
	if err != nil {
		return nil, fault.New(fault.AuditUnavailable, "opening: %w", err)
	}
	d := osFile{f, path}
	if err := d.claim(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return d, nil
}

func (d osFile) claim() error {
	info, err := d.Stat()
	if err != nil {
		return fault.New(fault.AuditUnavailable, "opening: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fault.New(fault.AuditUnavailable, "%s is not a file", d.path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fault.New(fault.Exposed, "%s has mode %04o", d.path, info.Mode().Perm())
	}
	err = syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fault.New(fault.StoreInUse, "audit log %s", d.path)
	}
	if err != nil {
		return fault.New(fault.AuditUnavailable, "locking: %w", err)
	}
	// The file may have been replaced between opening and locking it.
	if err := d.Intact(info.Size()); err != nil {
		return fault.New(fault.AuditUnavailable, "%w", err)
	}
	// A new file is lost with the machine unless its name is durable.
	folder, err := os.Open(filepath.Dir(d.path))
	if err == nil {
		err = errors.Join(folder.Sync(), folder.Close())
	}
	if err != nil {
		return fault.New(fault.AuditUnavailable, "syncing the folder: %w", err)
	}
	return nil
}

func (d osFile) Intact(size int64) error {
	named, err := os.Stat(d.path)
	if err != nil {
		return fmt.Errorf("the file's name is gone: %w", err)
	}
	info, err := d.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(named, info) {
		return fmt.Errorf("another file has taken its name")
	}
	if info.Size() != size {
		return fmt.Errorf("somebody else changed its length: %d bytes, not %d", info.Size(), size)
	}
	return nil
}

func (d osFile) Cut(size int64) error { return d.Truncate(size) }
