//go:build cgo

package dlib

import (
	"os"
	"path/filepath"
	"testing"

	"nod/face"
	"nod/fault"
)

// Model files name the network by this digest: if it changes, every model made
// with it must be made again.
func TestDigest(t *testing.T) {
	const want = "8b38c1db80d06cd5816a4ae80fc9ecb04e40a3d381e45bd61fa15ad923fa0f3c"
	if got := Digest().String(); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}

func TestVerify(t *testing.T) {
	good := weightsFolder(t)
	if err := verify(good); err != nil {
		t.Fatal(err)
	}
	for _, w := range weights() {
		folder := t.TempDir()
		for _, o := range weights() {
			if err := os.Symlink(filepath.Join(good, o.name), filepath.Join(folder, o.name)); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(folder, w.name)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(folder, face.DefaultGate()); !fault.Is(err, fault.NetworkMissing) {
			t.Errorf("without %s: %v", w.name, err)
		}
		data, err := os.ReadFile(filepath.Join(good, w.name))
		if err != nil {
			t.Fatal(err)
		}
		for name, changed := range map[string][]byte{
			"one bit": append(append([]byte{}, data[:len(data)-1]...), data[len(data)-1]^1),
			"cut":     data[:len(data)-1],
			"longer":  append(append([]byte{}, data...), 0),
			"empty":   {},
		} {
			if err := os.WriteFile(path, changed, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(folder, face.DefaultGate()); !fault.Is(err, fault.NetworkChanged) {
				t.Errorf("%s, %s: %v", w.name, name, err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(folder, face.DefaultGate()); !fault.Is(err, fault.NetworkChanged) {
			t.Errorf("%s is a folder: %v", w.name, err)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "nowhere"), face.DefaultGate()); !fault.Is(err, fault.NetworkMissing) {
		t.Errorf("no folder: %v", err)
	}
}

// cached is a folder of the cache that `make setup` fills. Under make, which sets
// NOD_CACHE, it must be there; otherwise the test is skipped.
func cached(t testing.TB, folder, sample string) string {
	t.Helper()
	cache := os.Getenv("NOD_CACHE")
	fromMake := cache != ""
	if !fromMake {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Skip("no NOD_CACHE and no home folder")
		}
		cache = filepath.Join(home, ".cache", "nod")
	}
	path := filepath.Join(cache, folder)
	if _, err := os.Stat(filepath.Join(path, sample)); err != nil {
		if fromMake {
			t.Fatalf("%v (run make setup)", err)
		}
		t.Skipf("%v (run make setup)", err)
	}
	return path
}

func weightsFolder(t testing.TB) string {
	t.Helper()
	return cached(t, "models", weights()[0].name)
}
