package local_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nod/fault"
	"nod/keyring"
	"nod/keyring/keyringtest"
	"nod/keyring/local"
)

const childEnv = "NOD_TEST_KEYRING_CHILD"

// TestMain is a process that opens a keyring when a test starts it as one.
func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		_, err := local.Open(path, quiet)
		fmt.Print(fault.CodeOf(err))
		return
	}
	os.Exit(m.Run())
}

var quiet = slog.New(slog.DiscardHandler)

func open(t testing.TB, path string) *local.Keyring {
	t.Helper()
	k, err := local.Open(path, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return k
}

func TestContract(t *testing.T) {
	keyringtest.Run(t, func(t *testing.T) (keyring.Keyring, keyring.Admin) {
		k := open(t, filepath.Join(t.TempDir(), "keys.json"))
		return k, k
	})
}

func TestContractInMemory(t *testing.T) {
	keyringtest.Run(t, func(*testing.T) (keyring.Keyring, keyring.Admin) {
		k := local.InMemory()
		return k, k
	})
}

func TestContractCounting(t *testing.T) {
	keyringtest.Run(t, func(*testing.T) (keyring.Keyring, keyring.Admin) {
		k := local.InMemory()
		return keyringtest.NewCounting(k), k
	})
}

// fill makes one key of each type, the pad key with versions 2 and 3 only.
func fill(t *testing.T, k *local.Keyring) {
	t.Helper()
	ctx := context.Background()
	for name, kind := range map[keyring.Name]keyring.Type{
		keyring.Pad: keyring.HMAC, keyring.KEK: keyring.AEAD, keyring.Identity: keyring.Ed25519,
	} {
		if err := k.Create(ctx, name, kind); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, err := k.Rotate(ctx, keyring.Pad); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Destroy(ctx, keyring.Pad, 2); err != nil {
		t.Fatal(err)
	}
}

func TestReopen(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "keys.json")
	k := open(t, path)
	fill(t, k)
	mac := func(k *local.Keyring, version uint32) keyring.MAC {
		out, err := k.MACs(ctx, keyring.Pad, version, [][]byte{[]byte("input")})
		if err != nil {
			t.Fatal(err)
		}
		return out[0]
	}
	second, third := mac(k, 2), mac(k, 3)
	public, err := k.Public(ctx, keyring.Identity, 0)
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := k.Wrap(ctx, keyring.KEK, []byte("secret"), []byte("place"))
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Describe(ctx, keyring.Pad); !fault.Is(err, fault.KeyringUnavailable) {
		t.Errorf("a closed keyring: %v", err)
	}
	if err := k.Create(ctx, "other", keyring.HMAC); !fault.Is(err, fault.KeyringUnavailable) {
		t.Errorf("Create in a closed keyring: %v", err)
	}

	k = open(t, path)
	if now := mac(k, 2); !now.Equal(&second) {
		t.Error("version 2 is another key")
	}
	if now := mac(k, 3); !now.Equal(&third) {
		t.Error("version 3 is another key")
	}
	if now, err := k.Public(ctx, keyring.Identity, 1); err != nil || !now.Equal(public) {
		t.Errorf("the identity is another key, %v", err)
	}
	if got, err := k.Unwrap(ctx, keyring.KEK, wrapped, []byte("place")); err != nil || string(got) != "secret" {
		t.Errorf("Unwrap = %q, %v", got, err)
	}
	if _, err := k.MACs(ctx, keyring.Pad, 1, [][]byte{{}}); !fault.Is(err, fault.KeyVersion) {
		t.Errorf("a destroyed version: %v", err)
	}
}

func TestWarning(t *testing.T) {
	var log bytes.Buffer
	k, err := local.Open(filepath.Join(t.TempDir(), "keys.json"), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	fill(t, k)
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if text := log.String(); strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, local.Warning) {
		t.Errorf("logged: %s", text)
	}
}

func TestFile(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "keys.json")
	k := open(t, path)
	fill(t, k)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", k, k, k, k); strings.Contains(text, "[") || strings.Contains(text, "map") {
		t.Errorf("a keyring prints as %s", text)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o604, 0o620, 0o640, 0o644} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := local.Open(path, quiet); !fault.Is(err, fault.Exposed) {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	if _, err := local.Open(filepath.Join(folder, "no", "such"), quiet); !fault.Is(err, fault.KeyringUnavailable) {
		t.Errorf("no folder: %v", err)
	}
	if err := os.Mkdir(filepath.Join(folder, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := local.Open(filepath.Join(folder, "folder"), quiet); !fault.Is(err, fault.BadEncoding) {
		t.Errorf("a folder: %v", err)
	}
}

// TestDestroyedBytesAreGone keeps the old file open, as a copy of its blocks
// would, and finds it overwritten.
func TestDestroyedBytesAreGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	k := open(t, path)
	fill(t, k)
	old, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := k.Destroy(context.Background(), keyring.Pad, 3); err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(old)
	if err != nil || len(data) == 0 || len(bytes.Trim(data, "\x00")) != 0 {
		t.Errorf("%d bytes of the old file, %v, are not all zero", len(data), err)
	}
}

// TestLeftoversAreGone: a change that was killed before its file was in place left a
// copy of every key beside it, which the next process overwrites and removes.
func TestLeftoversAreGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	left := filepath.Join(filepath.Dir(path), ".keys.json.new-123")
	other := filepath.Join(filepath.Dir(path), ".other.json.new-123")
	for _, name := range []string{left, other} {
		if err := os.WriteFile(name, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	copied, err := os.Open(left)
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	open(t, path)
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the copy is still there: %v", err)
	}
	if data, err := io.ReadAll(copied); err != nil || string(data) != "\x00\x00\x00\x00\x00\x00" {
		t.Errorf("the copy's bytes are %q, %v", data, err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("another file's copy: %v", err)
	}
}

func TestOpenedTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	k := open(t, path)
	if _, err := local.Open(path, quiet); !fault.Is(err, fault.StoreInUse) {
		t.Errorf("a second Open: %v", err)
	}
	child := func() string {
		binary, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(binary)
		cmd.Env = append(os.Environ(), childEnv+"="+path)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if got := child(); got != string(fault.StoreInUse) {
		t.Errorf("Open in another process: %q", got)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if got := child(); got != "" {
		t.Errorf("after Close: %q", got)
	}
}

// TestFailedSave takes the folder away before changes. Nothing changes.
func TestFailedSave(t *testing.T) {
	ctx := context.Background()
	folder := filepath.Join(t.TempDir(), "keys")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, "keys.json")
	k := open(t, path)
	fill(t, k)
	before, err := k.Describe(ctx, keyring.Pad)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(folder, folder+"-away"); err != nil {
		t.Fatal(err)
	}
	if err := k.Create(ctx, "other", keyring.HMAC); !fault.Is(err, fault.KeyringUnavailable) {
		t.Errorf("Create: %v", err)
	}
	if v, err := k.Rotate(ctx, keyring.Pad); !fault.Is(err, fault.KeyringUnavailable) || v != 0 {
		t.Errorf("Rotate = %d, %v", v, err)
	}
	if err := k.Destroy(ctx, keyring.Pad, 3); !fault.Is(err, fault.KeyringUnavailable) {
		t.Errorf("Destroy: %v", err)
	}
	if after, err := k.Describe(ctx, keyring.Pad); err != nil || after != before {
		t.Errorf("Describe = %+v, %v, before %+v", after, err, before)
	}
	if _, err := k.MACs(ctx, keyring.Pad, 2, [][]byte{{}}); err != nil {
		t.Errorf("a version that was not destroyed after all: %v", err)
	}
	if err := os.Rename(folder+"-away", folder); err != nil {
		t.Fatal(err)
	}
	if v, err := k.Rotate(ctx, keyring.Pad); err != nil || v != 4 {
		t.Errorf("Rotate = %d, %v", v, err)
	}
}
