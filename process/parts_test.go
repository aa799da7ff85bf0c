package process_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"nod/audit"
	"nod/crypto/seal"
	"nod/fault"
	"nod/keyring"
	"nod/keyring/local"
	"nod/process"
)

func open(t *testing.T, folder string, make bool, now time.Time) (*process.Parts, error) {
	t.Helper()
	return process.Open(t.Context(), process.Options{
		Role: seal.Custodian, Folder: folder, Make: make, Now: func() time.Time { return now },
	})
}

func mustClose(t *testing.T, p *process.Parts) {
	t.Helper()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
}

// What is unsafe is refused, with a code that says what to do.
func TestOpenRefuses(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		spoil func(t *testing.T, folder string)
		now   time.Time
		want  fault.Code
	}{
		"keys that others may read":            {func(t *testing.T, folder string) { chmod(t, filepath.Join(folder, "keyring.json"), 0o640) }, now, fault.Exposed},
		"a folder that others may open":        {func(t *testing.T, folder string) { chmod(t, folder, 0o750) }, now, fault.Exposed},
		"an audit record that others may read": {func(t *testing.T, folder string) { chmod(t, filepath.Join(folder, "audit.log"), 0o604) }, now, fault.Exposed},
		"a clock behind the audit record":      {nil, now.Add(-time.Minute), fault.ClockOff},
		"a missing key":                        {func(t *testing.T, folder string) { remove(t, filepath.Join(folder, "keyring.json")) }, now, fault.UnknownKey},
		"a key of another type":                {otherType, now, fault.KeyType},
		"an audit record that was changed":     {func(t *testing.T, folder string) { overwrite(t, filepath.Join(folder, "audit.log"), 30) }, now, fault.AuditBroken},
	} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "role")
			p, err := open(t, folder, true, now)
			if err != nil {
				t.Fatal(err)
			}
			mustClose(t, p)
			if c.spoil != nil {
				c.spoil(t, folder)
			}
			// It stays refused: a refusal leaves nothing behind that passes later.
			for range 3 {
				if _, err := open(t, folder, false, c.now); !fault.Is(err, c.want) {
					t.Fatalf("%v, want %s", err, c.want)
				}
			}
		})
	}
}

func TestOneProcessAFolder(t *testing.T) {
	folder, now := filepath.Join(t.TempDir(), "role"), time.Now()
	p, err := open(t, folder, true, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, folder, false, now); !fault.Is(err, fault.StoreInUse) {
		t.Errorf("a second process: %v", err)
	}
	mustClose(t, p)
	if p, err = open(t, folder, false, now); err != nil {
		t.Fatal(err)
	}
	mustClose(t, p)
}

// A process is on record before it is used, also at its second start.
func TestStartIsOnRecord(t *testing.T) {
	folder, now := filepath.Join(t.TempDir(), "role"), time.Now()
	for start := range 2 {
		p, err := open(t, folder, true, now)
		if err != nil {
			t.Fatal(err)
		}
		leaves, err := p.Audit.Read(t.Context(), 0, 10)
		if err != nil || len(leaves) != start+1 || leaves[start].Operation != audit.OpStart {
			t.Errorf("start %d: %v, %v", start, leaves, err)
		}
		mustClose(t, p)
	}
}

// An identity that the bundle does not pin for this very role and version is refused.
func TestPinned(t *testing.T) {
	p, err := open(t, filepath.Join(t.TempDir(), "role"), true, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer mustClose(t, p)
	own, err := p.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other := func() seal.Identity {
		keys := local.InMemory()
		if err := keys.Create(t.Context(), keyring.Identity, keyring.Ed25519); err != nil {
			t.Fatal(err)
		}
		key, err := keys.Public(t.Context(), keyring.Identity, 1)
		if err != nil {
			t.Fatal(err)
		}
		return seal.Identity{Version: 1, Key: key}
	}
	for name, c := range map[string]struct {
		matcher, custodian seal.Identity
		want               fault.Code
	}{
		"pinned":               {other(), own, ""},
		"pinned for another":   {own, other(), fault.WrongPeer},
		"pinned at no version": {other(), seal.Identity{Version: 2, Key: own.Key}, fault.WrongPeer},
		"not pinned":           {other(), other(), fault.WrongPeer},
	} {
		bundle, err := seal.NewBundle(map[seal.Role][]seal.Identity{
			seal.Matcher: {c.matcher}, seal.Custodian: {c.custodian}, seal.Dealer: {other()},
		}, other().Key)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Pinned(t.Context(), bundle); fault.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func overwrite(t *testing.T, path string, at int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[at]++
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// otherType makes the pad key one of another type.
func otherType(t *testing.T, folder string) {
	t.Helper()
	path := filepath.Join(folder, "keyring.json")
	remove(t, path)
	keys, err := local.Open(path, discard())
	if err != nil {
		t.Fatal(err)
	}
	for name, kind := range map[keyring.Name]keyring.Type{
		keyring.Identity: keyring.Ed25519, keyring.KEK: keyring.AEAD, keyring.Pad: keyring.AEAD,
	} {
		if err := keys.Create(t.Context(), name, kind); err != nil {
			t.Fatal(err)
		}
	}
	if err := keys.Close(); err != nil {
		t.Fatal(err)
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
