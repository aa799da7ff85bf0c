package pebble

import (
	"io"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fate is what happens to one operation that writes.
type fate int

const (
	pass     fate = iota
	notDone       // it fails and was not done
	doneLost      // it was done and says that it failed
)

// faultFS gives every operation that writes the fate that the test decides. The
// error is that of a full disk.
type faultFS struct {
	vfs.FS
	decide func(op string) fate
}

// nth gives one operation its fate, and if lasting all after it, counting from
// 0; reached says whether the run got there.
func nth(at int64, f fate, lasting bool) (decide func(string) fate, reached *atomic.Bool) {
	var n atomic.Int64
	reached = new(atomic.Bool)
	return func(string) fate {
		i := n.Add(1) - 1
		if i == at || lasting && i > at {
			reached.Store(true)
			return f
		}
		return pass
	}, reached
}

func (f faultFS) do(op string, work func() error) error {
	switch f.decide(op) {
	case notDone:
		return &os.PathError{Op: op, Path: "injected", Err: syscall.ENOSPC}
	case doneLost:
		if err := work(); err != nil {
			return err
		}
		return &os.PathError{Op: op, Path: "injected, done", Err: syscall.ENOSPC}
	}
	return work()
}

func (f faultFS) open(op string, work func() (vfs.File, error)) (file vfs.File, err error) {
	err = f.do(op, func() (err error) {
		file, err = work()
		return err
	})
	if err != nil {
		if file != nil {
			_ = file.Close()
		}
		return nil, err
	}
	return faultFile{file, f}, nil
}

func (f faultFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.open("create", func() (vfs.File, error) { return f.FS.Create(name, c) })
}

func (f faultFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return f.open("open", func() (vfs.File, error) { return f.FS.OpenReadWrite(name, c, opts...) })
}

func (f faultFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.open("reuse", func() (vfs.File, error) { return f.FS.ReuseForWrite(from, to, c) })
}

// OpenDir is not itself a write; syncing what it opens is.
func (f faultFS) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return faultFile{file, f}, nil
}

func (f faultFS) Link(from, to string) error {
	return f.do("link", func() error { return f.FS.Link(from, to) })
}

func (f faultFS) Rename(from, to string) error {
	return f.do("rename", func() error { return f.FS.Rename(from, to) })
}

func (f faultFS) MkdirAll(name string, perm os.FileMode) error {
	return f.do("mkdir", func() error { return f.FS.MkdirAll(name, perm) })
}

func (f faultFS) Remove(name string) error {
	return f.do("remove", func() error { return f.FS.Remove(name) })
}

func (f faultFS) Lock(name string) (lock io.Closer, err error) {
	if f.decide("lock") != pass {
		return nil, &os.PathError{Op: "lock", Path: "injected", Err: syscall.ENOSPC}
	}
	return f.FS.Lock(name)
}

func (f faultFS) Unwrap() vfs.FS { return f.FS }

type faultFile struct {
	vfs.File
	fs faultFS
}

func (f faultFile) Write(p []byte) (n int, err error) {
	err = f.fs.do("write", func() (err error) {
		n, err = f.File.Write(p)
		return err
	})
	return n, err
}

func (f faultFile) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.fs.do("write", func() (err error) {
		n, err = f.File.WriteAt(p, off)
		return err
	})
	return n, err
}

func (f faultFile) Preallocate(offset, length int64) error {
	return f.fs.do("preallocate", func() error { return f.File.Preallocate(offset, length) })
}

func (f faultFile) Sync() error     { return f.fs.do("sync", f.File.Sync) }
func (f faultFile) SyncData() error { return f.fs.do("sync", f.File.SyncData) }

func (f faultFile) SyncTo(length int64) (full bool, err error) {
	err = f.fs.do("sync", func() (err error) {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, err
}
