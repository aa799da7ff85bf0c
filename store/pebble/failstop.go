package pebble

import (
	"os"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// failStop is a file system from which no failed write returns while it is
// armed: the store fails, and the goroutine that wrote waits for ever. It is
// disarmed while the database opens and closes, where Pebble returns errors as
// one would wish.
//
// Parking is all that is left to do. Pebble panics when it cannot make or close
// a write-ahead log, with its mutex unlocked and its unlocking deferred, so that
// a panic or Goexit there ends the process with "unlock of unlocked mutex".
type failStop struct {
	vfs.FS
	health *health
	armed  atomic.Bool
}

func (f *failStop) check(op string, err error) error {
	if err != nil && f.armed.Load() {
		_ = f.health.fail(op, err)
		select {}
	}
	return err
}

func (f *failStop) file(op string, file vfs.File, err error) (vfs.File, error) {
	if f.check(op, err) != nil {
		return nil, err
	}
	return failStopFile{file, f}, nil
}

func (f *failStop) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.Create(name, c)
	return f.file("creating a file", file, err)
}

func (f *failStop) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	file, err := f.FS.OpenReadWrite(name, c, opts...)
	return f.file("opening a file", file, err)
}

func (f *failStop) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := f.FS.ReuseForWrite(from, to, c)
	return f.file("reusing a file", file, err)
}

func (f *failStop) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	return f.file("opening the folder", file, err)
}

func (f *failStop) Link(from, to string) error {
	return f.check("linking a file", f.FS.Link(from, to))
}

func (f *failStop) Rename(from, to string) error {
	return f.check("renaming a file", f.FS.Rename(from, to))
}

func (f *failStop) MkdirAll(name string, perm os.FileMode) error {
	return f.check("making a folder", f.FS.MkdirAll(name, perm))
}

func (f *failStop) Unwrap() vfs.FS { return f.FS }

type failStopFile struct {
	vfs.File
	fs *failStop
}

func (f failStopFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	return n, f.fs.check("writing", err)
}

func (f failStopFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	return n, f.fs.check("writing", err)
}

func (f failStopFile) Sync() error     { return f.fs.check("syncing", f.File.Sync()) }
func (f failStopFile) SyncData() error { return f.fs.check("syncing", f.File.SyncData()) }

func (f failStopFile) SyncTo(length int64) (bool, error) {
	full, err := f.File.SyncTo(length)
	return full, f.fs.check("syncing", err)
}

func (f failStopFile) Close() error { return f.fs.check("closing a file", f.File.Close()) }
