// Package pebble is an embedded store.Store: one folder, one process, on
// github.com/cockroachdb/pebble. It is for a role that runs as one instance, for
// nod dev and for tests.
//
// What is durable when: Apply returns after its record in Pebble's write-ahead
// log is synced; concurrent Applies to different partitions share one sync.
// Reads of a partition wait for a write to it that is under way, so nobody sees
// a row that a crash can take back.
//
// When a write or a sync fails, the store refuses every further call with
// fault.StoreUnavailable until its process is started again (see health).
// Nothing is stored half: a record of the write-ahead log is there as a whole or
// not at all.
package pebble

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"nod/fault"
	"nod/store"
)

// Options say where and how a store keeps its rows. Only Folder is needed.
type Options struct {
	// Folder holds the store and nothing else. It is made with mode 0700; one
	// that other users may open is refused with fault.Exposed.
	Folder string
	// CacheBytes is the memory for blocks read from the disk; 0 means 64 MiB.
	CacheBytes int64
	// MemTableBytes is the memory for rows not yet in sorted files, up to three
	// times over; 0 means 16 MiB.
	MemTableBytes uint64
	// Log gets one error when the store fails, and Pebble's own complaints at
	// debug level; nil drops them.
	Log *slog.Logger
	// FS is the file system; nil means the disk. vfs.NewMem() keeps a test's
	// store in memory.
	FS vfs.FS
}

// format is the value of formatKey: this package's layout of keys and values.
const format = "nod/store/1"

// Store implements store.Store.
type Store struct {
	db       *pebble.DB
	fs       *failStop
	lock     *pebble.Lock
	health   *health
	locks    *locks
	inFlight atomic.Int64 // writes that readers may see and that are not durable yet

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup // Add only with mu held and closed false
}

var _ store.Store = (*Store)(nil)

// Open opens the store in a folder, or makes one. It fails with fault.StoreInUse
// while any process has it open, with fault.StoreDamaged if its files are not as
// they were written, and with fault.StoreUnavailable otherwise.
func Open(o Options) (*Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.FS == nil {
		folder, err := privateFolder(o.Folder)
		if err != nil {
			return nil, err
		}
		o.Folder, o.FS = folder, vfs.Default
	} else if err := o.FS.MkdirAll(o.Folder, 0o700); err != nil {
		return nil, fault.New(fault.StoreUnavailable, "folder %s: %w", o.Folder, err)
	}
	lock, err := pebble.LockDirectory(o.Folder, o.FS)
	if err != nil {
		return nil, lockFault(o.Folder, err)
	}
	s := &Store{lock: lock, health: newHealth(o.Log), locks: newLocks()}
	s.fs = &failStop{FS: o.FS, health: s.health}
	opening := guard(s.health, func() (*pebble.DB, error) { return s.open(o) })
	if s.db, err = opening.await(context.Background(), s.health); err != nil {
		if s.health.check() != nil {
			return nil, err // parts of Pebble may still write: keep the lock
		}
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

func (s *Store) open(o Options) (*pebble.DB, error) {
	cache := pebble.NewCache(orDefault(o.CacheBytes, 64<<20))
	defer cache.Unref()
	options := &pebble.Options{
		FS: s.fs, Lock: s.lock, Logger: s.health, EventListener: s.health.listener(),
		Cache: cache, MemTableSize: orDefault(o.MemTableBytes, 16<<20),
		FormatMajorVersion: pebble.FormatNewest,
	}
	for i := range options.Levels {
		// A claim of a new row looks for one that is not there.
		options.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	// Values are ciphertexts nearly always: compressing them is work for nothing.
	options.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone })

	db, err := pebble.Open(o.Folder, options)
	if err != nil {
		return nil, fault.New(codeOf(err), "opening %s: %w", o.Folder, err)
	}
	s.fs.armed.Store(true)
	if err := checkFormat(db); err != nil {
		s.fs.armed.Store(false)
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// checkFormat marks a new database with this package's format, and refuses one
// of another.
func checkFormat(db *pebble.DB) error {
	value, closer, err := db.Get(formatKey)
	if errors.Is(err, pebble.ErrNotFound) {
		// The flush also starts a new write-ahead log: a new database's first
		// one is written in Pebble's oldest format, which sees less damage.
		if err := errors.Join(db.Set(formatKey, []byte(format), pebble.Sync), db.Flush()); err != nil {
			return fault.New(codeOf(err), "writing the format: %w", err)
		}
		return nil
	}
	if err != nil {
		return fault.New(codeOf(err), "reading the format: %w", err)
	}
	found := string(value)
	if err := closer.Close(); err != nil {
		return fault.New(codeOf(err), "reading the format: %w", err)
	}
	if found != format {
		return fault.New(fault.StoreDamaged, "the store's format is %q, this software's is %q", found, format)
	}
	return nil
}

func orDefault[T int64 | uint64](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

// privateFolder makes the folder if it is not there, and gives the one name that
// it has: Pebble's lock knows folders of this process by name.
func privateFolder(folder string) (string, error) {
	unavailable := func(err error) error {
		return fault.New(fault.StoreUnavailable, "folder %s: %w", folder, err)
	}
	if folder == "" {
		return "", fault.New(fault.OutOfRange, "a store without a folder")
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", unavailable(err)
	}
	name, err := filepath.Abs(folder)
	if err != nil {
		return "", unavailable(err)
	}
	if name, err = filepath.EvalSymlinks(name); err != nil {
		return "", unavailable(err)
	}
	info, err := os.Stat(name)
	if err != nil {
		return "", unavailable(err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fault.New(fault.Exposed, "folder %s has mode %04o", folder, info.Mode().Perm())
	}
	return name, nil
}

// lockFault tells a folder that is locked from one that cannot be.
func lockFault(folder string, err error) error {
	var path *fs.PathError // only from making the lock's file
	held := errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES)
	if held && !errors.As(err, &path) || strings.Contains(err.Error(), "lock held by current process") {
		return fault.New(fault.StoreInUse, "folder %s", folder)
	}
	return fault.New(fault.StoreUnavailable, "locking folder %s: %w", folder, err)
}

// begin counts a call in, and refuses it if the store is closed or has failed.
// The caller calls end once its work with the database is over.
func (s *Store) begin(ctx context.Context) (end func(), err error) {
	if ctx.Err() != nil {
		return nil, cancelled(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fault.New(fault.StoreUnavailable, "the store is closed")
	}
	if err := s.health.check(); err != nil {
		return nil, err
	}
	s.calls.Add(1)
	return s.calls.Done, nil
}

// Close implements store.Store. A store that has failed cannot give its folder
// free before its process ends, and says so.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()

	closing := guard(s.health, func() (struct{}, error) {
		s.calls.Wait()
		if err := s.health.check(); err != nil {
			return struct{}{}, err
		}
		// Sorted files have checksums throughout; the end of a write-ahead log
		// has none that tells damage from a write that never ended.
		err := s.db.Flush()
		s.fs.armed.Store(false)
		return struct{}{}, errors.Join(err, s.db.Close())
	})
	_, err := closing.await(context.Background(), s.health)
	if failed := s.health.check(); failed != nil {
		return fault.New(fault.StoreUnavailable, "folder in use until the process ends: %w", failed)
	}
	if err = errors.Join(err, s.lock.Close()); err != nil {
		// What Apply promised was durable before; this is for the log.
		return fault.New(codeOf(err), "closing: %w", err)
	}
	return nil
}
