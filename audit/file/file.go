// Package file is an audit.Log in one append-only file: a line of JSON a leaf,
// each with the hash of the chain up to it (audit.Leaf.Link). Verify checks a
// file, or a copy of it, without the role.
//
// Appends that come at the same time share one write and one sync. When a write
// or a sync fails, or the file is moved, deleted or changed by another, the log
// refuses every further leaf with fault.AuditUnavailable until it is opened
// again, so that the role stops answering: after a failed sync the kernel may
// have dropped the written pages and marked them clean, so a later sync that
// succeeds would not mean that they are on the disk.
//
// The chain shows that leaves were changed, removed or put in between. It does
// not show that the newest ones were cut off, or that the role itself wrote the
// file anew; hashes in verdicts, and later the Merkle log's witnesses, do.
package file

import (
	"context"
	"errors"
	"io"
	"math"
	"sync"
	"time"

	"nod/audit"
	"nod/crypto/canon"
	"nod/fault"
)

// stride is how many leaves lie between two places that the log remembers, each
// of 64 bytes. A Read goes through at most this many leaves for nothing.
const stride = 256

// Log implements audit.Log.
type Log struct {
	disk    disk
	writing sync.Mutex // held while a batch goes to the disk

	mu       sync.Mutex
	serial   uint64       // of the next leaf
	head     canon.Digest // of the last leaf, durable or not
	next     *batch       // leaves that wait for the disk, or nil
	durable  Summary
	places   []Summary // of every stride-th durable leaf
	newest   time.Time // the latest time of the leaves that were there when it was opened
	failure  error     // why nothing is appended any more
	closed   bool
	underway sync.WaitGroup // batches; Add only with mu held and closed false
}

var _ audit.Log = (*Log)(nil)

// batch is what one write and one sync make durable.
type batch struct {
	lines  []byte
	places []Summary     // sizes count from the batch's start
	after  Summary       // the log once the batch is in it; likewise
	done   chan struct{} // closed once err is set
	err    error
}

// Open opens the log in a file, or makes an empty one with mode 0600, after
// checking all of it. A last record whose write never ended is cut off; anything
// else that is not as it was written is fault.AuditBroken. A file that other
// users may open is fault.Exposed; one that any process has open is
// fault.StoreInUse.
func Open(path string) (*Log, error) {
	d, err := openFile(path)
	if err != nil {
		return nil, err
	}
	l, err := newLog(d)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return l, nil
}

func newLog(d disk) (*Log, error) {
	l := &Log{disk: d}
	found, err := walk(io.NewSectionReader(d, 0, math.MaxInt64), Summary{}, func(before Summary, leaf audit.Leaf) bool {
		if before.Count%stride == 0 {
			l.places = append(l.places, before)
		}
		if leaf.Time.After(l.newest) {
			l.newest = leaf.Time
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	if found.Torn > 0 {
		if err := d.Cut(found.Size); err != nil {
			return nil, fault.New(fault.AuditUnavailable, "cutting an unfinished record off: %w", err)
		}
		found.Torn = 0
	}
	// What was read may be in the kernel's memory only: a process before this
	// one may have ended between write and sync.
	if err := d.Sync(); err != nil {
		return nil, fault.New(fault.AuditUnavailable, "syncing: %w", err)
	}
	l.serial, l.head, l.durable = found.Count, found.Head, found
	return l, nil
}

// Newest is the latest time of any leaf that was in the file when it was opened; zero
// for none. A clock that is behind it is wrong, or was.
func (l *Log) Newest() time.Time { return l.newest }

// Append implements audit.Log. After fault.Cancelled the leaf is or will be in
// the log, unless ctx had ended before.
func (l *Log) Append(ctx context.Context, leaf audit.Leaf) (audit.Receipt, error) {
	if err := leaf.Check(); err != nil {
		return audit.Receipt{}, err
	}
	if ctx.Err() != nil {
		return audit.Receipt{}, fault.New(fault.Cancelled, "%w", context.Cause(ctx))
	}
	b, receipt, err := l.add(leaf.Kept())
	if err != nil {
		return audit.Receipt{}, err
	}
	select {
	case <-b.done:
	case <-ctx.Done():
		return audit.Receipt{}, fault.New(fault.Cancelled, "%w", context.Cause(ctx))
	}
	if b.err != nil {
		return audit.Receipt{}, b.err
	}
	return receipt, nil
}

// add gives the leaf its place and puts it into the batch that is written next.
func (l *Log) add(leaf audit.Leaf) (*batch, audit.Receipt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.usable(); err != nil {
		return nil, audit.Receipt{}, err
	}
	if l.next == nil {
		l.next = &batch{done: make(chan struct{})}
		l.underway.Add(1)
		go l.write(l.next)
	}
	b := l.next
	leaf.Serial = l.serial
	hash := leaf.Link(l.head)
	if leaf.Serial%stride == 0 {
		b.places = append(b.places, Summary{Count: leaf.Serial, Head: l.head, Size: int64(len(b.lines))})
	}
	b.lines = appendLine(b.lines, leaf, hash)
	l.serial++
	l.head = hash
	b.after = Summary{Count: l.serial, Head: hash, Size: int64(len(b.lines))}
	return b, audit.Receipt{Serial: leaf.Serial, Hash: hash}, nil
}

func (l *Log) usable() error {
	if l.closed {
		return fault.New(fault.AuditUnavailable, "the log is closed")
	}
	return l.failure
}

// write waits for the batch before, while others still join this one, and then
// makes it durable.
func (l *Log) write(b *batch) {
	defer l.underway.Done()
	l.writing.Lock()
	defer l.writing.Unlock()

	l.mu.Lock()
	l.next = nil // b is complete
	start, err := l.durable.Size, l.failure
	l.mu.Unlock()

	if err == nil {
		err = l.put(b.lines, start)
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failure = err
		b.err = err
	} else {
		for _, place := range b.places {
			place.Size += start
			l.places = append(l.places, place)
		}
		b.after.Size += start
		l.durable = b.after
	}
	close(b.done)
}

// put appends lines to a file of a size, and returns when they are durable.
func (l *Log) put(lines []byte, size int64) error {
	_, err := l.disk.Write(lines)
	if err == nil {
		err = l.disk.Sync()
	}
	if err == nil {
		err = l.disk.Intact(size + int64(len(lines)))
	}
	if err != nil {
		return fault.New(fault.AuditUnavailable, "appending at byte %d; nothing more is appended: %w", size, err)
	}
	return nil
}

// Read implements audit.Log. It checks the chain from a place that the log
// remembers up to the leaves that it returns.
func (l *Log) Read(ctx context.Context, from uint64, limit int) ([]audit.Leaf, error) {
	if limit < 1 {
		return nil, fault.New(fault.OutOfRange, "limit %d, at least 1", limit)
	}
	if ctx.Err() != nil {
		return nil, fault.New(fault.Cancelled, "%w", context.Cause(ctx))
	}
	l.mu.Lock()
	closed, durable := l.closed, l.durable
	var place Summary
	if from < durable.Count {
		place = l.places[from/stride]
	}
	if !closed {
		l.underway.Add(1) // Close waits for us as well
		defer l.underway.Done()
	}
	l.mu.Unlock()
	if closed {
		return nil, fault.New(fault.AuditUnavailable, "the log is closed")
	}
	if from >= durable.Count {
		return nil, nil
	}

	var leaves []audit.Leaf
	section := io.NewSectionReader(l.disk, place.Size, durable.Size-place.Size)
	end, err := walk(section, place, func(_ Summary, leaf audit.Leaf) bool {
		if leaf.Serial >= from {
			leaves = append(leaves, leaf)
		}
		return len(leaves) < limit && ctx.Err() == nil
	})
	switch {
	case err != nil:
		return nil, err
	case ctx.Err() != nil:
		return nil, fault.New(fault.Cancelled, "%w", context.Cause(ctx))
	case len(leaves) < limit && (end.Count != durable.Count || end.Head != durable.Head):
		return nil, broken(end.Count, errors.New("the file is shorter than it was"))
	}
	return leaves, nil
}

// Close implements audit.Log. It reports a failure of the log, of which every
// Append since has told as well.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	l.underway.Wait()
	err := l.failure
	if closing := l.disk.Close(); err == nil && closing != nil {
		err = fault.New(fault.AuditUnavailable, "closing: %w", closing)
	}
	return err
}
