package vault_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"nod/crypto/seal"
	"nod/fault"
	"nod/keyring"
	"nod/keyring/vault"
	"nod/keyring/vault/vaulttest"
)

// away is a server with a role that is in use, and audit devices that a test can
// change: each device's file is a link.
type away struct {
	*vaulttest.Server
	k     *vault.Keyring
	links []string
}

func newAway(t *testing.T) *away {
	t.Helper()
	folder := t.TempDir()
	var links []string
	for _, name := range []string{"one", "two"} {
		link := filepath.Join(folder, name)
		if err := os.WriteFile(link+".log", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(link+".log", link); err != nil {
			t.Fatal(err)
		}
		links = append(links, link)
	}
	s := vaulttest.Start(t, vaulttest.Options{Audit: links})
	role := s.Role(t, seal.Custodian, vault.Place{})
	settings := role.Settings()
	settings.Timeout = 500 * time.Millisecond
	return &away{s, role.Open(t, settings), links}
}

// point has an audit device write elsewhere.
func (a *away) point(t *testing.T, device int, to string) {
	t.Helper()
	link := a.links[device]
	if to == "" {
		to = link + ".log"
	}
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(to, link); err != nil {
		t.Fatal(err)
	}
	a.Reopen(t)
}

// uses are all the ways in which a role uses its keys.
func (a *away) uses(ctx context.Context) map[string]error {
	out := map[string]error{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for name, use := range map[string]func() error{
		"MACs":     func() error { _, err := a.k.MACs(ctx, keyring.Pad, 1, [][]byte{{1}}); return err },
		"Sign":     func() error { _, _, err := a.k.Sign(ctx, keyring.Identity, nil); return err },
		"Public":   func() error { _, err := a.k.Public(ctx, keyring.Identity, 0); return err },
		"Wrap":     func() error { _, err := a.k.Wrap(ctx, keyring.KEK, []byte("keyset"), nil); return err },
		"Describe": func() error { _, err := a.k.Describe(ctx, keyring.KEK); return err },
		"Ready":    func() error { return a.k.Ready(ctx) },
	} {
		wg.Go(func() {
			err := use()
			mu.Lock()
			defer mu.Unlock()
			out[name] = err
		})
	}
	wg.Wait()
	return out
}

// fails holds that every use fails as the contract says, within its own deadline or
// the settings' timeout: a use that hangs ends the test.
func (a *away) fails(t *testing.T, what string) {
	t.Helper()
	for _, own := range []time.Duration{time.Hour, 200 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(context.Background(), own)
		defer cancel()
		for use, err := range a.uses(ctx) {
			if !fault.Is(err, fault.KeyringUnavailable) {
				t.Errorf("%s: %s: %v", what, use, err)
			}
		}
	}
}

// works holds that every use works again, before long and without a restart.
func (a *away) works(t *testing.T, what string) {
	t.Helper()
	becomes(t, what, func() error {
		for _, err := range a.uses(context.Background()) {
			if err != nil {
				return err
			}
		}
		return nil
	}, "")
}

func (a *away) ready() error { return a.k.Ready(context.Background()) }

func TestVaultIsAway(t *testing.T) {
	t.Parallel()
	a := newAway(t)
	a.works(t, "at first")

	a.Seal(t)
	a.fails(t, "sealed")
	a.Unseal(t)
	a.works(t, "unsealed")

	a.Pause(t)
	a.fails(t, "paused")
	a.Resume(t)
	a.works(t, "resumed")

	a.point(t, 0, "/dev/full")
	a.works(t, "one audit device full")
	a.point(t, 1, "/dev/full")
	becomes(t, "all audit devices full", a.ready, fault.KeyringUnavailable)
	a.fails(t, "all audit devices full")
	a.point(t, 0, "")
	a.point(t, 1, "")
	a.works(t, "audit devices with room")

	pipe, drain := newPipe(t)
	a.point(t, 1, pipe)
	becomes(t, "one audit device blocked", a.ready, fault.KeyringUnavailable)
	a.fails(t, "one audit device blocked")
	if health, err := a.Root().Sys().Health(); err != nil || health.Sealed || health.Standby {
		t.Errorf("while a device blocks, sys/health was good: now %+v, %v", health, err)
	}
	drain()
	a.works(t, "the device drained")
	a.point(t, 1, "")
	a.works(t, "the device replaced")

	a.Stop(t)
	a.fails(t, "stopped")
	a.Restart(t)
	a.works(t, "started again")
}

// newPipe is a named pipe that is not read until drain is called.
func newPipe(t *testing.T) (path string, drain func()) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	both, err := os.OpenFile(path, os.O_RDWR, 0) // who opens it to write need not wait
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = both.Close() })
	return path, func() {
		go func() {
			buffer := make([]byte, 1<<16)
			for {
				if _, err := both.Read(buffer); err != nil {
					return
				}
			}
		}()
	}
}
