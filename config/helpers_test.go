package config

import (
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nod/crypto/seal"
	"nod/fault"
	"nod/orders"
)

// The least that each program takes: required fields only.
const (
	leastTrust = `
[trust]
bundle = "bundle.json"
models = ["model.json"]
policies = ["policy.json"]
`
	leastRole = `folder = "/var/lib/nod"
[listen]
calls = "127.0.0.1:7443"
operations = "127.0.0.1:7480"
[bureau]
keys = ["bureau.jwk"]
` + leastTrust
	leastMatcher   = leastRole + "[peers]\ncustodian = \"custodian:7443\"\ndealer = \"dealer:7443\"\n"
	leastCustodian = leastRole + "[peers]\ndealer = \"dealer:7443\"\n"
	leastDealer    = `folder = "/var/lib/nod"
[listen]
calls = "127.0.0.1:7443"
operations = "127.0.0.1:7480"
[trust]
bundle = "bundle.json"
models = ["model.json"]
`
	leastClient = "matcher = \"matcher:7443\"\n[caller]\nname = \"bank\"\nkey = \"caller.jwk\"\n" + leastTrust
)

// A program of one kind, whatever its struct is.
type program struct {
	name   string
	sample string
	least  string
	parse  func(data []byte, folder string) (any, error)
	load   func(path string) (any, error)
}

func programs() []program {
	return []program{
		{"matcher", MatcherSample(), leastMatcher, anyOf(parse[Matcher]), anyPath(LoadMatcher)},
		{"custodian", CustodianSample(), leastCustodian, anyOf(parse[Custodian]), anyPath(LoadCustodian)},
		{"dealer", DealerSample(), leastDealer, anyOf(parse[Dealer]), anyPath(LoadDealer)},
		{"client", ClientSample(), leastClient, anyOf(parse[Client]), anyPath(LoadClient)},
	}
}

func anyOf[T any](parse func([]byte, string) (*T, error)) func([]byte, string) (any, error) {
	return func(data []byte, folder string) (any, error) {
		c, err := parse(data, folder)
		return c, err
	}
}

func anyPath[T any](load func(string) (*T, error)) func(string) (any, error) {
	return func(path string) (any, error) {
		c, err := load(path)
		return c, err
	}
}

// write puts a file into a folder, whose own folders it makes.
func write(t testing.TB, folder, name string, mode os.FileMode, data []byte) string {
	t.Helper()
	path := filepath.Join(folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	return path
}

func newKey(t testing.TB, algorithm string) *orders.PrivateKey {
	t.Helper()
	k, err := orders.NewPrivateKey(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func secretOf(t testing.TB, k *orders.PrivateKey) []byte {
	t.Helper()
	data, err := k.MarshalSecret()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// bundle is a trust bundle of fresh keys.
func bundle(t testing.TB) []byte {
	t.Helper()
	identities := map[seal.Role][]seal.Identity{}
	var keys []ed25519.PublicKey
	for range 4 {
		public, _, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, public)
	}
	for i, role := range seal.Roles() {
		identities[role] = []seal.Identity{{Version: 1, Key: keys[i]}}
	}
	b, err := seal.NewBundle(identities, keys[3])
	if err != nil {
		t.Fatal(err)
	}
	data, err := b.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// repository reads a file of the repository.
func repository(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// refused holds that err is the fault, and that its detail has all parts.
func refused(t testing.TB, err error, code fault.Code, parts ...string) {
	t.Helper()
	if !fault.Is(err, code) {
		t.Fatalf("%v, want %s", err, code)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%v does not say %q", err, p)
		}
	}
}

// edit replaces what is there exactly once.
func edit(t testing.TB, text, old, new string) string {
	t.Helper()
	if n := strings.Count(text, old); n != 1 {
		t.Fatalf("%q is there %d times", old, n)
	}
	return strings.Replace(text, old, new, 1)
}

func caller(name, key, methods string) string {
	return fmt.Sprintf("\n[[caller]]\nname = %q\nkey = %q\nmethods = %s\n", name, key, methods)
}
