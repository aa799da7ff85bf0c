package disk

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"nod/fault"
)

func TestReplace(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "secret")
	if _, err := ReadPrivate(path, 10); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("no file: %v", err)
	}
	for _, contents := range []string{"first", "second, longer", ""} {
		if err := Replace(path, []byte(contents)); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadPrivate(path, 20); err != nil || string(got) != contents {
			t.Fatalf("ReadPrivate = %q, %v, want %q", got, err, contents)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Fatalf("mode %v, %v", info.Mode(), err)
		}
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("%d files, %v, want 1", len(left), err)
	}
}

func TestReplaceThatFailsLeavesTheOldFile(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "taken")
	if err := os.MkdirAll(filepath.Join(path, "child"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Replace(path, []byte("x")); err == nil {
		t.Fatal("a folder was replaced by a file")
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 1 {
		t.Errorf("%d files, %v: the new file was left behind", len(left), err)
	}
	if err := Replace(filepath.Join(folder, "no", "such"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

func TestReadPrivateRefuses(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "secret")
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 11), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadPrivate(path, 10); !fault.Is(err, fault.Oversize) {
		t.Errorf("11 bytes of 10: %v", err)
	}
	for _, mode := range []os.FileMode{0o601, 0o602, 0o604, 0o610, 0o620, 0o640, 0o644, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadPrivate(path, 100); !fault.Is(err, fault.Exposed) {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
}

func TestReadPinnedRefuses(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "trust")
	if err := os.WriteFile(path, bytes.Repeat([]byte("x"), 11), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadPinned(path, 10); !fault.Is(err, fault.Oversize) {
		t.Errorf("11 bytes of 10: %v", err)
	}
	for mode, refused := range map[os.FileMode]bool{
		0o600: false, 0o644: false, 0o444: false, 0o755: false,
		0o602: true, 0o620: true, 0o664: true, 0o646: true, 0o666: true,
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		data, err := ReadPinned(path, 11)
		if refused != fault.Is(err, fault.Exposed) || !refused && len(data) != 11 {
			t.Errorf("mode %04o: %d bytes, %v", mode, len(data), err)
		}
	}
	if _, err := ReadPinned(filepath.Join(folder, "none"), 10); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// A named pipe without a writer must not hold up a start.
func TestReadsRefuseWhatIsNoFile(t *testing.T) {
	folder := t.TempDir()
	pipe := filepath.Join(folder, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{folder, pipe, os.DevNull} {
		for name, read := range map[string]func(string, int64) ([]byte, error){"private": ReadPrivate, "pinned": ReadPinned} {
			if _, err := read(path, 100); !fault.Is(err, fault.BadEncoding) {
				t.Errorf("%s, %s: %v", path, name, err)
			}
		}
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := Lock(path, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(path, false); !fault.Is(err, fault.StoreInUse) {
		t.Errorf("a second lock: %v", err)
	}
	waited := make(chan error, 1)
	go func() {
		second, err := Lock(path, true)
		if err == nil {
			err = second.Close()
		}
		waited <- err
	}()
	select {
	case err := <-waited:
		t.Errorf("a lock did not wait: %v", err)
	default:
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Errorf("a lock that waited: %v", err)
	}
	if _, err := Lock(filepath.Join(path, "no", "such"), false); err == nil {
		t.Error("a lock in no folder")
	}
}
