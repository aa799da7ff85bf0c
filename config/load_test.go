package config

import (
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"nod/fault"
	"nod/orders"
	"nod/wire"
)

// deployed is a folder with the samples and every file that they name.
type deployed struct {
	folder string
	keys   map[string]*orders.PrivateKey // by path within the folder
}

func deploy(t *testing.T) *deployed {
	t.Helper()
	d := &deployed{t.TempDir(), map[string]*orders.PrivateKey{}}
	for _, p := range programs() {
		write(t, d.folder, p.name+".toml", 0o644, []byte(p.sample))
	}
	write(t, d.folder, "trust/bundle.json", 0o644, bundle(t))
	for _, name := range []string{"dlib-resnet-v1.json", "standard.policy.json"} {
		write(t, d.folder, "trust/"+name, 0o644, repository(t, "models/"+name))
	}
	for name, algorithm := range map[string]string{
		"callers/bank.example": "EdDSA", "callers/bureau.example": "EdDSA", "callers/operator": "EdDSA",
		"parties/bank.example": "ES256", "parties/counter-1": "ES256", "parties/bureau": "EdDSA",
	} {
		d.keys[name] = newKey(t, algorithm)
		write(t, d.folder, name+".jwk", 0o644, d.keys[name].Public().JWK())
	}
	for name, key := range map[string]string{
		"caller": "callers/bank.example", "bank": "parties/bank.example", "counter-1": "parties/counter-1", "bureau": "parties/bureau",
	} {
		write(t, d.folder, "keys/"+name+".private.jwk", 0o600, secretOf(t, d.keys[key]))
	}
	return d
}

func (d *deployed) path(name string) string { return filepath.Join(d.folder, name) }

func (d *deployed) public(name string) *orders.PublicKey { return d.keys[name].Public() }

// The samples work as they stand, once the files that they name are there.
func TestSamplesWork(t *testing.T) {
	d := deploy(t)
	m, err := LoadMatcher(d.path("matcher.toml"))
	if err != nil {
		t.Fatal(err)
	}
	trusted, err := m.Trust.Load()
	if err != nil {
		t.Fatal(err)
	}
	if trusted.Bundle.Serial() != 1 || len(trusted.Models) != 1 || len(trusted.Plans) != 1 || len(trusted.Checks()) != len(trusted.Plans[0].Steps) {
		t.Errorf("trusted %+v", trusted)
	}
	parties, err := m.LoadParties()
	if err != nil {
		t.Fatal(err)
	}
	party, ok := parties.RelyingParties("bank.example")
	if !ok || !reflect.DeepEqual(party.Purposes, []string{"account-opening"}) || !party.Keys[0].Equal(d.public("parties/bank.example")) {
		t.Errorf("relying party %+v, %v", party, ok)
	}
	if _, ok := parties.RelyingParties("counter-1"); ok {
		t.Error("a station is a relying party")
	}
	if keys, ok := parties.Stations("counter-1"); !ok || !keys[0].Equal(d.public("parties/counter-1")) {
		t.Errorf("station %v", ok)
	}
	if _, ok := parties.Stations("bank.example"); ok {
		t.Error("a relying party is a station")
	}
	if len(parties.Bureau) != 1 || !parties.Bureau[0].Equal(d.public("parties/bureau")) {
		t.Error("bureau")
	}
	callers, err := m.LoadCallers()
	if err != nil {
		t.Fatal(err)
	}
	if key, _ := d.public("callers/operator").Ed25519(); len(callers.Keys) != 3 || !callers.Keys["operator"].Equal(key) {
		t.Errorf("callers %v", callers.Keys)
	}
	want := map[wire.Method][]string{
		wire.MatcherOpen: {"bank.example"}, wire.MatcherVerify: {"bank.example"}, wire.MatcherKeys: {"bureau.example"},
		wire.MatcherEnrol: {"bureau.example"}, wire.MatcherOrder: {"bureau.example"}, wire.MatcherRenew: {"operator"},
	}
	if !reflect.DeepEqual(callers.Allow, want) {
		t.Errorf("allowed %v, want %v", callers.Allow, want)
	}

	c, err := LoadCustodian(d.path("custodian.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Trust.Load(); err != nil {
		t.Error(err)
	}
	if _, err := c.LoadParties(); err != nil {
		t.Error(err)
	}
	deal, err := LoadDealer(d.path("dealer.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if trusted, err := deal.Trust.Load(); err != nil || len(trusted.Models) != 1 || trusted.Plans != nil || trusted.Checks() != nil {
		t.Errorf("dealer: %+v, %v", trusted, err)
	}
}

func TestClientSampleWorks(t *testing.T) {
	d := deploy(t)
	c, err := LoadClient(d.path("client.toml"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := c.Caller.Load()
	if err != nil {
		t.Fatal(err)
	}
	signature, err := signer.Sign(nil, []byte("message"), crypto.Hash(0))
	if key, _ := d.public("callers/bank.example").Ed25519(); err != nil || !ed25519.Verify(key, []byte("message"), signature) {
		t.Errorf("the caller's signature: %v", err)
	}
	for name, load := range map[string]func() (*orders.PrivateKey, error){
		"parties/bank.example": c.RelyingParty.Load, "parties/counter-1": c.Station.Load, "parties/bureau": c.Bureau.Load,
	} {
		if key, err := load(); err != nil || !key.Public().Equal(d.public(name)) {
			t.Errorf("%s: %v", name, err)
		}
	}

	// A bank has no more than itself.
	least, err := LoadClient(write(t, d.folder, "least.toml", 0o600, []byte(leastClient)))
	if err != nil || least.RelyingParty != nil || least.Station != nil || least.Bureau != nil {
		t.Errorf("%+v, %v", least, err)
	}
	// A P-256 key cannot connect.
	c.Caller.Key = c.RelyingParty.Key
	_, err = c.Caller.Load()
	refused(t, err, fault.BadKey, "caller.key", "Ed25519")
}

// Paths start at the file's folder, whatever the process's own is.
func TestRelativePaths(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, "etc/dealer.toml", 0o644, []byte(edit(t, leastDealer, "bundle.json", "../trust/./bundle.json")))
	t.Chdir(folder)
	d, err := LoadDealer("etc/dealer.toml")
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(here, "trust/bundle.json"); d.Trust.Bundle != want {
		t.Errorf("bundle at %s, want %s", d.Trust.Bundle, want)
	}
	if want := filepath.Join(here, "etc/model.json"); d.Trust.Models[0] != want {
		t.Errorf("model at %s, want %s", d.Trust.Models[0], want)
	}
	if d.Folder != "/var/lib/nod" {
		t.Errorf("folder at %s", d.Folder)
	}
}

// Where a program's file, or one that it names, cannot be relied on.
func TestFilesRefused(t *testing.T) {
	d := deploy(t)
	load := func() error {
		m, err := LoadMatcher(d.path("matcher.toml"))
		if err == nil {
			_, err = m.Trust.Load()
		}
		if err == nil {
			_, err = m.LoadParties()
		}
		if err == nil {
			_, err = m.LoadCallers()
		}
		return err
	}
	if err := load(); err != nil {
		t.Fatal(err)
	}
	for name, field := range map[string]string{
		"matcher.toml": "configuration", "trust/bundle.json": "trust.bundle", "trust/dlib-resnet-v1.json": "trust.models[0]",
		"trust/standard.policy.json": "trust.policies[0]", "parties/bank.example.jwk": "relying_party[0].keys[0]",
		"parties/counter-1.jwk": "station[0].keys[0]", "parties/bureau.jwk": "bureau.keys[0]", "callers/operator.jwk": "caller[2].key",
	} {
		path := d.path(name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, mode := range []os.FileMode{0o664, 0o646, 0o602, 0o620, 0o666} {
			write(t, d.folder, name, mode, data)
			refused(t, load(), fault.Exposed, field, fmt.Sprintf("%04o", mode))
		}
		write(t, d.folder, name, 0o644, []byte(strings.Repeat(" ", MaxFile+1)))
		refused(t, load(), fault.Oversize, field)
		replace := func(with func() error) {
			if err := errors.Join(os.Remove(path), with()); err != nil {
				t.Fatal(err)
			}
		}
		replace(func() error { return syscall.Mkfifo(path, 0o600) })
		refused(t, load(), fault.BadEncoding, field, "not a file")
		replace(func() error { return os.Mkdir(path, 0o700) })
		refused(t, load(), fault.BadEncoding, field, "not a file")
		replace(func() error { return nil })
		err = load()
		refused(t, err, fault.NotFound, field, name)
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%v lost its cause", err)
		}
		write(t, d.folder, name, 0o444, data)
		if err := load(); err != nil {
			t.Errorf("mode 0444: %v", err)
		}
	}
	// A path through a file is no folder.
	_, err := LoadMatcher(d.path("matcher.toml/x"))
	refused(t, err, fault.StoreUnavailable, "configuration")
}

// Private keys are their owner's alone.
func TestPrivateKeysRefused(t *testing.T) {
	d := deploy(t)
	c, err := LoadClient(d.path("client.toml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, load := range map[string]func() error{
		"caller":        func() error { _, err := c.Caller.Load(); return err },
		"relying_party": func() error { _, err := c.RelyingParty.Load(); return err },
		"station":       func() error { _, err := c.Station.Load(); return err },
		"bureau":        func() error { _, err := c.Bureau.Load(); return err },
	} {
		path := map[string]string{
			"caller": c.Caller.Key, "relying_party": c.RelyingParty.Key, "station": c.Station.Key, "bureau": c.Bureau.Key,
		}[name]
		for _, mode := range []os.FileMode{0o640, 0o604, 0o644, 0o610, 0o666} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			refused(t, load(), fault.Exposed, name+".key")
		}
		write(t, filepath.Dir(path), filepath.Base(path), 0o600, []byte("{}"))
		refused(t, load(), fault.CodeOf(parseError("{}")), name+".key")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		refused(t, load(), fault.NotFound, name+".key")
	}
}

func parseError(jwk string) error { _, err := orders.ParsePrivateKey([]byte(jwk)); return err }
