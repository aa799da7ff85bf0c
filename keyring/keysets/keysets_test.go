package keysets_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"nod/fault"
	"nod/keyring"
	"nod/keyring/keyringtest"
	"nod/keyring/keysets"
	"nod/keyring/local"
)

var ctx = context.Background()

func newRing(t *testing.T) *local.Keyring {
	t.Helper()
	k := local.InMemory()
	if err := k.Create(ctx, keyring.KEK, keyring.AEAD); err != nil {
		t.Fatal(err)
	}
	return k
}

func newPRF(t *testing.T, k *keysets.Keysets) *keysets.PRF {
	t.Helper()
	p, err := k.PRF(ctx, keysets.Handles)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// shelves are the implementations of Shelf.
func shelves(t *testing.T) map[string]keysets.Shelf {
	t.Helper()
	folder, err := keysets.Folder(filepath.Join(t.TempDir(), "keysets"))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]keysets.Shelf{"folder": folder, "memory": keysets.Memory()}
}

func TestOpenedAgain(t *testing.T) {
	for name, shelf := range shelves(t) {
		t.Run(name, func(t *testing.T) {
			ring := newRing(t)
			first := keysets.New("matcher", ring, shelf)
			a, err := first.AEAD(ctx, keysets.Records)
			if err != nil {
				t.Fatal(err)
			}
			sealed, err := a.Encrypt([]byte("value"), []byte("place"))
			if err != nil {
				t.Fatal(err)
			}
			if growth := len(sealed) - len("value"); growth != 45 {
				t.Errorf("a ciphertext is %d bytes longer than its plaintext, documented as 45", growth)
			}
			handle := newPRF(t, first).Primary([]byte("citizen"))

			second := keysets.New("matcher", ring, shelf)
			b, err := second.AEAD(ctx, keysets.Records)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := b.Decrypt(sealed, []byte("place")); err != nil || string(got) != "value" {
				t.Errorf("Decrypt = %q, %v", got, err)
			}
			if _, err := b.Decrypt(sealed, []byte("elsewhere")); err == nil {
				t.Error("a ciphertext opens in another place")
			}
			p := newPRF(t, second)
			if p.Primary([]byte("citizen")) != handle || p.Primary([]byte("citizeo")) == handle {
				t.Error("the PRF is another one")
			}
			if all := p.All([]byte("citizen")); len(all) != 1 || all[0] != handle {
				t.Errorf("All = %d values", len(all))
			}
		})
	}
}

func TestRolesAndUsesDiffer(t *testing.T) {
	ring := newRing(t)
	seen := map[[keysets.Size]byte]string{}
	for _, role := range []string{"matcher", "custodian"} {
		k := keysets.New(role, ring, keysets.Memory())
		for _, use := range []keysets.Use{keysets.Handles, keysets.Subjects, keysets.Pseudonyms} {
			p, err := k.PRF(ctx, use)
			if err != nil {
				t.Fatal(err)
			}
			value := p.Primary([]byte("citizen"))
			if other, taken := seen[value]; taken {
				t.Errorf("%s of %s is %s", use, role, other)
			}
			seen[value] = role + " " + string(use)
		}
	}
}

func TestRotation(t *testing.T) {
	ring, shelf := newRing(t), keysets.Memory()
	k := keysets.New("matcher", ring, shelf)
	citizen := []byte("citizen")
	first := newPRF(t, k).Primary(citizen)
	a, err := k.AEAD(ctx, keysets.Records)
	if err != nil {
		t.Fatal(err)
	}
	old, err := a.Encrypt([]byte("old"), nil)
	if err != nil {
		t.Fatal(err)
	}
	both := func(step func(context.Context, keysets.Use) error) {
		t.Helper()
		for _, use := range []keysets.Use{keysets.Handles, keysets.Records} {
			if err := step(ctx, use); err != nil {
				t.Fatal(err)
			}
		}
	}

	both(k.Add)
	p := newPRF(t, k)
	all := p.All(citizen)
	if len(all) != 2 || all[0] != first || p.Primary(citizen) != first || all[1] == first {
		t.Fatalf("after Add: %d values, the primary one is the old one: %v", len(all), all[0] == first)
	}
	second := all[1]

	both(k.Promote)
	all = newPRF(t, k).All(citizen)
	if len(all) != 2 || all[0] != second || all[1] != first {
		t.Fatalf("after Promote: %d values, swapped: %v", len(all), all[0] == second)
	}
	// An instance that started after Add reads what a promoted one writes.
	both(k.Add)
	third := newPRF(t, k).All(citizen)
	if len(third) != 3 || third[0] != second || third[2] != first {
		t.Fatalf("after a second Add: %d values, in order: %v", len(third), third[0] == second)
	}
	a, err = k.AEAD(ctx, keysets.Records)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := a.Decrypt(old, nil); err != nil || string(got) != "old" {
		t.Errorf("under the old key: %q, %v", got, err)
	}
	recent, err := a.Encrypt([]byte("recent"), nil)
	if err != nil {
		t.Fatal(err)
	}

	both(k.Retire)
	if all := newPRF(t, k).All(citizen); len(all) != 1 || all[0] != second {
		t.Errorf("after Retire: %d values", len(all))
	}
	a, err = k.AEAD(ctx, keysets.Records)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Decrypt(old, nil); err == nil {
		t.Error("a retired key still opens")
	}
	if got, err := a.Decrypt(recent, nil); err != nil || string(got) != "recent" {
		t.Errorf("under the primary key: %q, %v", got, err)
	}
}

func TestKEKVersions(t *testing.T) {
	ring, shelf := newRing(t), keysets.Memory()
	k := keysets.New("matcher", ring, shelf)
	value := newPRF(t, k).Primary([]byte("citizen"))
	if _, err := ring.Rotate(ctx, keyring.KEK); err != nil {
		t.Fatal(err)
	}
	if newPRF(t, k).Primary([]byte("citizen")) != value {
		t.Error("a new KEK version changed the keyset")
	}
	if err := k.Rewrap(ctx, keysets.Handles); err != nil {
		t.Fatal(err)
	}
	if err := ring.Destroy(ctx, keyring.KEK, 2); err != nil {
		t.Fatal(err)
	}
	if newPRF(t, k).Primary([]byte("citizen")) != value {
		t.Error("Rewrap changed the keyset")
	}
	if _, err := ring.Rotate(ctx, keyring.KEK); err != nil {
		t.Fatal(err)
	}
	if err := ring.Destroy(ctx, keyring.KEK, 3); err != nil {
		t.Fatal(err)
	}
	if _, err := k.PRF(ctx, keysets.Handles); !fault.Is(err, fault.KeyVersion) {
		t.Errorf("under a destroyed KEK version: %v", err)
	}
	// A keyset that cannot be opened is never made anew.
	if _, err := k.PRF(ctx, keysets.Handles); !fault.Is(err, fault.KeyVersion) {
		t.Errorf("the second time: %v", err)
	}
}

func TestForgedKeysets(t *testing.T) {
	ring, shelf := newRing(t), keysets.Memory()
	k := keysets.New("matcher", ring, shelf)
	newPRF(t, k)
	good, err := shelf.Load(ctx, string(keysets.Handles))
	if err != nil {
		t.Fatal(err)
	}
	open := func(role string, ring keyring.Wrapper, use keysets.Use, blob []byte) error {
		t.Helper()
		shelf := keysets.Memory()
		if err := shelf.Swap(ctx, string(use), nil, blob); err != nil {
			t.Fatal(err)
		}
		_, err := keysets.New(role, ring, shelf).PRF(ctx, use)
		return err
	}
	if err := open("matcher", ring, keysets.Handles, good); err != nil {
		t.Fatalf("the keyset itself: %v", err)
	}
	moves := map[string]error{
		"another role":    open("custodian", ring, keysets.Handles, good),
		"another use":     open("matcher", ring, keysets.Subjects, good),
		"another KEK":     open("matcher", newRing(t), keysets.Handles, good),
		"empty":           open("matcher", ring, keysets.Handles, []byte{}),
		"bytes after it":  open("matcher", ring, keysets.Handles, append(bytes.Clone(good), 0)),
		"fields after it": open("matcher", ring, keysets.Handles, append(bytes.Clone(good), 0x1a, 2, 8, 5)), // a key's id
		"itself twice":    open("matcher", ring, keysets.Handles, append(bytes.Clone(good), good...)),
	}
	for what, err := range moves {
		if !fault.Is(err, fault.KeysetForged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for bit := range 8 * len(good) {
		bad := bytes.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		if err := open("matcher", ring, keysets.Handles, bad); !fault.Is(err, fault.KeysetForged) {
			t.Fatalf("bit %d flipped: %v", bit, err)
		}
	}
	for size := range len(good) {
		if err := open("matcher", ring, keysets.Handles, good[:size]); !fault.Is(err, fault.KeysetForged) {
			t.Fatalf("cut to %d bytes: %v", size, err)
		}
	}
}

func TestWrongTypeOrName(t *testing.T) {
	k := keysets.New("matcher", newRing(t), keysets.Memory())
	newPRF(t, k)
	if _, err := k.AEAD(ctx, keysets.Handles); !fault.Is(err, fault.KeyType) {
		t.Errorf("an AEAD of a PRF's keyset: %v", err)
	}
	if _, err := k.AEAD(ctx, keysets.Records); err != nil {
		t.Fatal(err)
	}
	if _, err := k.PRF(ctx, keysets.Records); !fault.Is(err, fault.KeyType) {
		t.Errorf("a PRF of an AEAD's keyset: %v", err)
	}
	for _, use := range []keysets.Use{"", "..", "../records", "Records", "records.keyset", "-"} {
		if _, err := k.PRF(ctx, use); !fault.Is(err, fault.OutOfRange) {
			t.Errorf("use %q: %v", use, err)
		}
	}
	for _, step := range []func(context.Context, keysets.Use) error{k.Add, k.Promote, k.Retire, k.Rewrap} {
		if err := step(ctx, keysets.Subjects); !fault.Is(err, fault.NotFound) {
			t.Errorf("a change of a keyset that does not exist: %v", err)
		}
	}
}

func TestKeyringDown(t *testing.T) {
	ring := keyringtest.NewCounting(newRing(t))
	shelf := keysets.Memory()
	k := keysets.New("matcher", ring, shelf)
	down := func(keyring.Name) error { return fault.New(fault.KeyringUnavailable, "down") }
	ring.Refuse(down)
	if _, err := k.PRF(ctx, keysets.Handles); !fault.Is(err, fault.KeyringUnavailable) {
		t.Errorf("making a keyset: %v", err)
	}
	if _, err := shelf.Load(ctx, string(keysets.Handles)); !fault.Is(err, fault.NotFound) {
		t.Errorf("something was left on the shelf: %v", err)
	}
	ring.Refuse(nil)
	p := newPRF(t, k)
	before := ring.Counts()[keyring.KEK]
	for range 100 {
		p.All([]byte("citizen"))
	}
	if after := ring.Counts()[keyring.KEK]; after != before {
		t.Errorf("a PRF in use calls the keyring: %+v, before %+v", after, before)
	}
	ring.Refuse(down)
	if _, err := k.PRF(ctx, keysets.Handles); !fault.Is(err, fault.KeyringUnavailable) {
		t.Errorf("opening a keyset: %v", err)
	}
	if err := k.Add(ctx, keysets.Handles); !fault.Is(err, fault.KeyringUnavailable) {
		t.Errorf("Add: %v", err)
	}
}

// TestMadeOnce has several starting instances want the same keyset.
func TestMadeOnce(t *testing.T) {
	for name, shelf := range shelves(t) {
		t.Run(name, func(t *testing.T) {
			ring := newRing(t)
			values := make([][keysets.Size]byte, 8)
			var wg sync.WaitGroup
			for i := range values {
				wg.Go(func() {
					p, err := keysets.New("matcher", ring, shelf).PRF(ctx, keysets.Handles)
					if err != nil {
						t.Errorf("PRF: %v", err)
						return
					}
					values[i] = p.Primary([]byte("citizen"))
				})
			}
			wg.Wait()
			for _, value := range values {
				if value != values[0] {
					t.Fatal("two instances have different keysets")
				}
			}
		})
	}
}

func TestShelf(t *testing.T) {
	for name, shelf := range shelves(t) {
		t.Run(name, func(t *testing.T) {
			conflict := func(old, new []byte) {
				t.Helper()
				if err := shelf.Swap(ctx, "name", old, new); !fault.Is(err, fault.Conflict) {
					t.Errorf("Swap(%q): %v", old, err)
				}
			}
			holds := func(want string) {
				t.Helper()
				if got, err := shelf.Load(ctx, "name"); err != nil || string(got) != want {
					t.Errorf("Load = %q, %v, want %q", got, err, want)
				}
			}
			if _, err := shelf.Load(ctx, "name"); !fault.Is(err, fault.NotFound) {
				t.Errorf("Load of nothing: %v", err)
			}
			conflict([]byte{}, []byte("x"))
			conflict([]byte("a"), []byte("x"))
			if err := shelf.Swap(ctx, "name", nil, []byte("first")); err != nil {
				t.Fatal(err)
			}
			holds("first")
			conflict(nil, []byte("x"))
			conflict([]byte("second"), []byte("x"))
			if err := shelf.Swap(ctx, "name", []byte("first"), []byte("second")); err != nil {
				t.Fatal(err)
			}
			holds("second")
			if _, err := shelf.Load(ctx, "other"); !fault.Is(err, fault.NotFound) {
				t.Errorf("Load of another name: %v", err)
			}
			if err := shelf.Swap(ctx, "../name", nil, nil); !fault.Is(err, fault.OutOfRange) {
				t.Errorf("Swap of a path: %v", err)
			}
			ended, cancel := context.WithCancel(ctx)
			cancel()
			if _, err := shelf.Load(ended, "name"); !fault.Is(err, fault.Cancelled) {
				t.Errorf("Load with a cancelled context: %v", err)
			}
			if err := shelf.Swap(ended, "name", []byte("second"), []byte("third")); !fault.Is(err, fault.Cancelled) {
				t.Errorf("Swap with a cancelled context: %v", err)
			}
			holds("second")
		})
	}
}

func TestFolder(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "made", "keysets")
	shelf, err := keysets.Folder(folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := shelf.Swap(ctx, "records", nil, []byte("blob")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(folder, "records.keyset")
	for path, mode := range map[string]os.FileMode{folder: 0o700, file: 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := shelf.Load(ctx, "records"); !fault.Is(err, fault.Exposed) {
		t.Errorf("a readable file: %v", err)
	}
	if err := shelf.Swap(ctx, "records", []byte("blob"), []byte("x")); !fault.Is(err, fault.Exposed) {
		t.Errorf("Swap of a readable file: %v", err)
	}
	if err := os.Chmod(folder, 0o750); err != nil {
		t.Fatal(err)
	}
	if _, err := keysets.Folder(folder); !fault.Is(err, fault.Exposed) {
		t.Errorf("a readable folder: %v", err)
	}
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := shelf.Swap(ctx, "records", nil, []byte("x")); !fault.Is(err, fault.StoreUnavailable) {
		t.Errorf("a folder that is gone: %v", err)
	}
}

func TestPRFPrintsItsKind(t *testing.T) {
	p := newPRF(t, keysets.New("matcher", newRing(t), keysets.Memory()))
	if text := fmt.Sprintf("%v %+v %#v %s", p, p, p, p); strings.ContainsAny(text, "{[0") {
		t.Errorf("a PRF prints as %s", text)
	}
}

// FuzzKeyset has anything lie on the shelf. It is refused as forged, or it is
// what was made.
func FuzzKeyset(f *testing.F) {
	ring := local.InMemory()
	if err := ring.Create(ctx, keyring.KEK, keyring.AEAD); err != nil {
		f.Fatal(err)
	}
	shelf := keysets.Memory()
	if _, err := keysets.New("matcher", ring, shelf).PRF(ctx, keysets.Handles); err != nil {
		f.Fatal(err)
	}
	good, err := shelf.Load(ctx, string(keysets.Handles))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Fuzz(func(t *testing.T, blob []byte) {
		shelf := keysets.Memory()
		if err := shelf.Swap(ctx, string(keysets.Handles), nil, blob); err != nil {
			t.Fatal(err)
		}
		_, err := keysets.New("matcher", ring, shelf).PRF(ctx, keysets.Handles)
		if bytes.Equal(blob, good) != (err == nil) || err != nil && !fault.Is(err, fault.KeysetForged) {
			t.Fatalf("%v", err)
		}
	})
}
