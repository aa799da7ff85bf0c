package dev

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"nod/config"
	"nod/crypto/seal"
	"nod/fault"
	"nod/orders"
	"nod/process"
)

// CallerName is under which name the parties outside reach a matcher of a Layout.
const CallerName = "outside"

// Layout is a folder with everything that three processes need for a first look: each
// role's configuration and keys in a folder of its own, what is public in another, and
// the keys of the parties outside in a third.
//
//	public/             trust bundle, model, policy, public keys: for everybody
//	matcher/            matcher.toml and data/, for the matcher alone
//	custodian/, dealer/ likewise
//	outside/            client.toml and the private keys of the parties outside
type Layout struct {
	Folder string
	Ports  [6]int // calls of matcher, custodian, dealer; operations likewise
	// Batch is how many correlations are fetched at once. 0: Small's.
	Batch int
	// Log is the level of the roles' logs. "": the default.
	Log string
	// Limits are lines of the table [limits] of matcher and custodian, and Stock of the
	// matcher's [correlations], where the defaults do not do.
	Limits, Stock []string
	// Profile has the programs serve Go's profiles at their operations address.
	Profile bool
}

// Operations is the address of a role's health and metrics.
func (l *Layout) Operations(role seal.Role) string {
	return l.address(3 + slices.Index(seal.Roles(), role))
}

// Program is the name of a role's program, and of its configuration file without the
// ending.
func Program(role seal.Role) string { return "nod-" + string(role) }

// Config is the path of a role's configuration.
func (l *Layout) Config(role seal.Role) string {
	return filepath.Join(l.Role(role), string(role)+".toml")
}

// Role is a role's own folder.
func (l *Layout) Role(role seal.Role) string { return filepath.Join(l.Folder, string(role)) }

// Client is the path of the configuration of the parties outside.
func (l *Layout) Client() string { return filepath.Join(l.Folder, "outside", "client.toml") }

func (l *Layout) public(name string) string { return filepath.Join(l.Folder, "public", name) }

// FreePorts are six ports of the loopback address that nobody listens at now.
func FreePorts() (ports [6]int, err error) {
	for i := range ports {
		listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return ports, fault.New(fault.CannotListen, "%w", err)
		}
		defer listener.Close()                         //nolint:errcheck,gocritic // never used; all six are open at a time, to differ
		ports[i] = listener.Addr().(*net.TCPAddr).Port //nolint:errcheck // a TCP listener's
	}
	return ports, nil
}

// Write makes the folder, which must not hold a layout yet: keys of three roles and of
// the parties outside, the bundle that pins them, one configuration each, and the files
// of a model and a policy.
func (l *Layout) Write(ctx context.Context, model, policy []byte) error {
	if _, err := os.Stat(l.public(bundleFile)); err == nil {
		return fault.New(fault.Conflict, "%s holds a deployment already", l.Folder)
	}
	for _, folder := range []string{l.Folder, l.public("")} {
		if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // public keys are for everybody
			return fault.New(fault.StoreUnavailable, "%w", err)
		}
	}
	public := map[string][]byte{"model.json": model, "policy.json": policy}
	for _, name := range []string{"rp", "station", "bureau", CallerName} {
		key, err := l.party(name)
		if err != nil {
			return err
		}
		public[name+".jwk"] = key.JWK()
	}
	bundle, err := l.bundle(ctx)
	if err != nil {
		return err
	}
	if public[bundleFile], err = bundle.Marshal(); err != nil {
		return err
	}
	for _, role := range seal.Roles() {
		if err := writeFile(l.Config(role), []byte(l.text(role)), 0o600); err != nil {
			return err
		}
	}
	if err := writeFile(l.Client(), []byte(l.clientText()), 0o600); err != nil {
		return err
	}
	for name, data := range public {
		if err := writeFile(l.public(name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// party makes the key of a party outside.
func (l *Layout) party(name string) (*orders.PublicKey, error) {
	if err := privateFolder(filepath.Join(l.Folder, "outside")); err != nil {
		return nil, err
	}
	algorithm := "ES256"
	if name == CallerName {
		algorithm = "EdDSA" // TLS certificates are Ed25519 throughout
	}
	key, err := newKey(filepath.Join(l.Folder, "outside", name+".jwk"), algorithm)
	if err != nil {
		return nil, err
	}
	return key.Public(), nil
}

// bundle makes every role's keys, and pins their identities. The key that would sign
// the next bundle is thrown away: a deployment for a first look is made anew instead.
func (l *Layout) bundle(ctx context.Context) (*seal.Bundle, error) {
	identities := map[seal.Role][]seal.Identity{}
	for _, role := range seal.Roles() {
		if err := privateFolder(l.Role(role)); err != nil {
			return nil, err
		}
		p, err := process.Open(ctx, process.Options{Role: role, Folder: filepath.Join(l.Role(role), "data"), Make: true})
		if err != nil {
			return nil, err
		}
		id, err := p.Identity(ctx)
		if err := errors.Join(err, p.Close()); err != nil {
			return nil, err
		}
		identities[role] = []seal.Identity{id}
	}
	offline, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fault.New(fault.Unexpected, "offline key: %w", err)
	}
	return seal.NewBundle(identities, offline)
}

func (l *Layout) address(i int) string { return fmt.Sprintf("127.0.0.1:%d", l.Ports[i]) }

// text is a role's configuration: what has no default, and the batch.
func (l *Layout) text(role seal.Role) string {
	batch := l.Batch
	if batch == 0 {
		batch = Small.Batch
	}
	i := slices.Index(seal.Roles(), role)
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Made by nod dev keys, for a first look. %s --sample explains every field.", Program(role))
	line("folder = \"data\"\n\n[trust]\nbundle = \"../public/%s\"\nmodels = [\"../public/model.json\"]", bundleFile)
	if role != seal.Dealer {
		line("policies = [\"../public/policy.json\"]")
	}
	if l.Log != "" {
		line("\n[log]\nlevel = %q", l.Log)
	}
	line("\n[listen]\ncalls = %q\noperations = %q", l.address(i), l.address(3+i))
	if role == seal.Dealer {
		line("\n[correlations]\nmax_batch = %d", batch)
		return b.String()
	}
	line("\n[correlations]\nbatch = %d", batch)
	if role == seal.Matcher {
		lines(&b, l.Stock)
	}
	if len(l.Limits) > 0 {
		line("\n[limits]")
		lines(&b, l.Limits)
	}
	line("\n[peers]\ndealer = %q", l.address(2))
	if role == seal.Matcher {
		line("custodian = %q", l.address(1))
		line("\n[[caller]]\nname = %q\nkey = \"../public/%s.jwk\"", CallerName, CallerName)
		line("methods = [\"matcher/Open\", \"matcher/Verify\", \"matcher/Keys\", \"matcher/Enrol\", \"matcher/Order\", \"matcher/Renew\"]")
	}
	line("\n[[relying_party]]\nid = %q\nkeys = [\"../public/rp.jwk\"]\npurposes = [%q]", RelyingParty, Purpose)
	line("\n[[station]]\nid = %q\nkeys = [\"../public/station.jwk\"]", StationName)
	line("\n[bureau]\nkeys = [\"../public/bureau.jwk\"]")
	return b.String()
}

func lines(b *strings.Builder, more []string) {
	for _, l := range more {
		b.WriteString(l + "\n")
	}
}

func (l *Layout) clientText() string {
	return fmt.Sprintf(`# Made by nod dev keys, for a first look: one program plays all parties outside.
matcher = %q

[trust]
bundle = "../public/%s"
models = ["../public/model.json"]
policies = ["../public/policy.json"]

[caller]
name = %q
key = "%s.jwk"

[relying_party]
id = %q
purpose = %q
key = "rp.jwk"

[station]
id = %q
key = "station.jwk"

[bureau]
key = "bureau.jwk"
`, l.address(0), bundleFile, CallerName, CallerName, RelyingParty, Purpose, StationName)
}

// OpenLayout reads a folder that Write made: its ports are those of the roles'
// configurations.
func OpenLayout(folder string) (*Layout, error) {
	l := &Layout{Folder: folder}
	if _, err := os.Stat(l.public(bundleFile)); err != nil {
		return nil, fault.New(fault.NoDeployment, "no deployment of nod dev keys in %s", folder)
	}
	m, err := config.LoadMatcher(l.Config(seal.Matcher))
	if err != nil {
		return nil, err
	}
	c, err := config.LoadCustodian(l.Config(seal.Custodian))
	if err != nil {
		return nil, err
	}
	d, err := config.LoadDealer(l.Config(seal.Dealer))
	if err != nil {
		return nil, err
	}
	for i, listen := range []config.Listen{m.Listen, c.Listen, d.Listen} {
		for j, address := range []string{listen.Calls, listen.Operations} {
			_, port, err := net.SplitHostPort(address)
			if err != nil {
				return nil, fault.New(fault.BadEncoding, "address %s: %w", address, err)
			}
			if l.Ports[i+3*j], err = strconv.Atoi(port); err != nil {
				return nil, fault.New(fault.BadEncoding, "address %s: %w", address, err)
			}
		}
	}
	return l, nil
}
