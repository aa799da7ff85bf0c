package processes_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nod/audit"
	"nod/audit/file"
	"nod/config"
	"nod/crypto/seal"
	"nod/dev"
	"nod/fault"
	"nod/models"
	"nod/test/world"
)

// laid is a deployment that is laid out and not started.
func laid(t *testing.T) *dev.Layout {
	t.Helper()
	l := &dev.Layout{Folder: filepath.Join(t.TempDir(), "nod")}
	var err error
	if l.Ports, err = dev.FreePorts(); err == nil {
		err = l.Write(t.Context(), models.DefaultFile(), models.DefaultPolicyFile())
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// start runs a role's program to its end.
func start(t *testing.T, role seal.Role, args ...string) (code int, out, errs string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, filepath.Join(programs, dev.Program(role)), args...)
	var o, e bytes.Buffer
	c.Stdout, c.Stderr = &o, &e
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatalf("%s did not end:\n%s", dev.Program(role), e.String())
	}
	return c.ProcessState.ExitCode(), o.String(), e.String()
}

// refuses wants a program to end with exit code 3, the stable code and what to do.
func refuses(t *testing.T, role seal.Role, code fault.Code, args ...string) {
	t.Helper()
	exit, _, errs := start(t, role, args...)
	_, said, found := strings.Cut(errs, dev.Program(role)+": "+string(code)+": ")
	if said, _, _ = strings.Cut(said, "\n"); exit != 3 || !found || !strings.HasSuffix(said, "("+code.Do()+")") {
		t.Errorf("%s %v: exit code %d, want 3 and %s:\n%s", dev.Program(role), args, exit, code, errs)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What a program is started with that is not safe: it does not start.
func TestStartUpRefusals(t *testing.T) {
	data := func(l *dev.Layout, role seal.Role, name string) string {
		return filepath.Join(l.Role(role), "data", name)
	}
	public := func(l *dev.Layout, name string) string { return filepath.Join(l.Folder, "public", name) }
	for name, c := range map[string]struct {
		code  fault.Code
		wrong func(t *testing.T, l *dev.Layout, role seal.Role)
	}{
		"no configuration": {fault.NotFound, func(t *testing.T, l *dev.Layout, role seal.Role) { must(t, os.Remove(l.Config(role))) }},
		"a configuration that others may write": {fault.Exposed, func(t *testing.T, l *dev.Layout, role seal.Role) {
			must(t, os.Chmod(l.Config(role), 0o666))
		}},
		"a field nobody reads": {fault.UnknownField, func(t *testing.T, l *dev.Layout, role seal.Role) {
			text, err := os.ReadFile(l.Config(role))
			must(t, err)
			must(t, os.WriteFile(l.Config(role), append([]byte("colour = 1\n"), text...), 0o600))
		}},
		"no trust bundle": {fault.NotFound, func(t *testing.T, l *dev.Layout, _ seal.Role) { must(t, os.Remove(public(l, "bundle.json"))) }},
		"a model that others may write": {fault.Exposed, func(t *testing.T, l *dev.Layout, _ seal.Role) {
			must(t, os.Chmod(public(l, "model.json"), 0o666))
		}},
		"keys that others may read": {fault.Exposed, func(t *testing.T, l *dev.Layout, role seal.Role) {
			must(t, os.Chmod(data(l, role, "keyring.json"), 0o640))
		}},
		"a folder that others may open": {fault.Exposed, func(t *testing.T, l *dev.Layout, role seal.Role) {
			must(t, os.Chmod(data(l, role, ""), 0o755))
		}},
		"no keys": {fault.UnknownKey, func(t *testing.T, l *dev.Layout, role seal.Role) {
			must(t, os.Remove(data(l, role, "keyring.json")))
		}},
		"a bundle that does not pin its identity": {fault.WrongPeer, func(t *testing.T, l *dev.Layout, _ seal.Role) {
			other, err := os.ReadFile(public(laid(t), "bundle.json"))
			must(t, err)
			must(t, os.WriteFile(public(l, "bundle.json"), other, 0o600))
		}},
		"an address in use": {fault.CannotListen, func(t *testing.T, l *dev.Layout, role seal.Role) {
			listener, err := net.Listen("tcp", address(t, l, role))
			must(t, err)
			t.Cleanup(func() { _ = listener.Close() })
		}},
		"a clock behind the audit record": {fault.ClockOff, func(t *testing.T, l *dev.Layout, role seal.Role) {
			log, err := file.Open(data(l, role, "audit.log"))
			must(t, err)
			_, err = log.Append(t.Context(), audit.Leaf{Operation: audit.OpStart, Time: time.Now().Add(time.Hour)})
			must(t, errors.Join(err, log.Close()))
		}},
		"an audit record that was changed": {fault.AuditBroken, func(t *testing.T, l *dev.Layout, role seal.Role) {
			text, err := os.ReadFile(data(l, role, "audit.log"))
			must(t, err)
			must(t, os.WriteFile(data(l, role, "audit.log"), bytes.Replace(text, []byte("start"), []byte("stort"), 1), 0o600))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, role := range seal.Roles() {
				l := laid(t)
				c.wrong(t, l, role)
				refuses(t, role, c.code, "--config", l.Config(role))
			}
		})
	}
}

// address is where a role listens for calls.
func address(t *testing.T, l *dev.Layout, role seal.Role) string {
	t.Helper()
	switch role {
	case seal.Matcher:
		c, err := config.LoadMatcher(l.Config(role))
		must(t, err)
		return c.Listen.Calls
	case seal.Custodian:
		c, err := config.LoadCustodian(l.Config(role))
		must(t, err)
		return c.Listen.Calls
	}
	c, err := config.LoadDealer(l.Config(role))
	must(t, err)
	return c.Listen.Calls
}

// A role's data is one process's at a time.
func TestStoreHeldByAnotherProcess(t *testing.T) {
	w := world.NewThree(t, world.Shape(), programs, t.Output(), nil)
	for _, role := range seal.Roles() {
		refuses(t, role, fault.StoreInUse, "--config", w.Layout.Config(role))
	}
}

// --check reads everything and starts nothing; --sample is a configuration.
func TestCheckAndSample(t *testing.T) {
	l := laid(t)
	for role, load := range map[seal.Role]func(string) error{
		seal.Matcher:   func(path string) error { _, err := config.LoadMatcher(path); return err },
		seal.Custodian: func(path string) error { _, err := config.LoadCustodian(path); return err },
		seal.Dealer:    func(path string) error { _, err := config.LoadDealer(path); return err },
	} {
		exit, out, errs := start(t, role, "--config", l.Config(role), "--check")
		if exit != 0 || !strings.Contains(out, "can be used") {
			t.Errorf("%s --check: exit code %d\n%s%s", role, exit, out, errs)
		}
		exit, out, _ = start(t, role, "--sample")
		path := filepath.Join(t.TempDir(), string(role)+".toml")
		must(t, os.WriteFile(path, []byte(out), 0o600))
		if err := load(path); exit != 0 || err != nil {
			t.Errorf("%s --sample: exit code %d, %v", role, exit, err)
		}
		refuses(t, role, fault.NotFound, "--config", path, "--check") // the sample's files are nowhere
		refuses(t, role, fault.Usage)
		refuses(t, role, fault.Usage, "--listen", "somewhere")
	}
	must(t, os.Chmod(filepath.Join(l.Folder, "public", "rp.jwk"), 0o666))
	refuses(t, seal.Matcher, fault.Exposed, "--config", l.Config(seal.Matcher), "--check")
	refuses(t, seal.Custodian, fault.Exposed, "--config", l.Config(seal.Custodian), "--check")
}
