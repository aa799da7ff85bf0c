package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"nod/config"
	"nod/crypto/seal"
	"nod/dev"
	"nod/fault"
)

// systemUsers are the users of matcher, custodian and dealer that scripts/setup-users
// makes.
func systemUsers() []string {
	var out []string
	for _, role := range seal.Roles() {
		out = append(out, dev.Program(role))
	}
	return out
}

// demoProcesses is the demo over three processes.
func (a *app) demoProcesses(ctx context.Context, programs string) (err error) {
	if programs, err = programsIn(programs); err != nil {
		return err
	}
	l, programs, err := a.demoLayout(ctx, programs)
	if l != nil {
		defer os.RemoveAll(filepath.Dir(l.Folder)) //nolint:errcheck // temporary
	}
	if err != nil {
		return err
	}
	start := time.Now()
	var log bytes.Buffer
	p, err := l.Up(ctx, programs, &locked{w: &log})
	if err != nil {
		_, _ = a.err.Write(log.Bytes())
		return err
	}
	running := true
	stop := func() error {
		if !running {
			return nil
		}
		running = false
		return p.Stop()
	}
	defer func() {
		if stopped := stop(); err == nil {
			err = stopped
		}
	}()
	a.say("Three processes, each with its own folder, keys and configuration (ready in %s).", ms(time.Since(start)))
	a.say("They talk mutual TLS 1.3, and each knows the others by their identity keys.\n")

	seen := map[seal.Role]*sight{}
	results, wrong, err := a.demoOutside(ctx, l)
	for _, role := range seal.Roles() {
		if err == nil {
			seen[role], err = look(ctx, l, p, role)
		}
	}
	if err == nil {
		err = stop()
	}
	if err == nil {
		err = a.demoTable(ctx, l, seen, results)
	}
	if err != nil {
		return err
	}
	return wrong
}

// demoLayout lays a deployment out in a temporary folder that other users may enter, and
// puts the programs beside it. As root each role's folder is its user's.
func (a *app) demoLayout(ctx context.Context, from string) (l *dev.Layout, programs string, err error) {
	var owners []owner
	if os.Getuid() == 0 {
		if owners, err = ownersOf(systemUsers()); err != nil {
			return nil, "", fault.Within(err, "run scripts/setup-users, or make demo-processes")
		}
	}
	if _, err := a.load(); err != nil {
		return nil, "", err
	}
	folder, err := os.MkdirTemp("", "nod-demo-")
	if err != nil {
		return nil, "", fault.New(fault.StoreUnavailable, "%w", err)
	}
	l = &dev.Layout{Folder: filepath.Join(folder, "deployment")}
	if err := os.Chmod(folder, 0o755); err != nil { //nolint:gosec // what is in it is protected by itself
		return l, "", fault.New(fault.StoreUnavailable, "%w", err)
	}
	programs = filepath.Join(folder, "bin")
	if err := copyPrograms(from, programs); err != nil {
		return l, "", err
	}
	if l.Ports, err = dev.FreePorts(); err != nil {
		return l, "", err
	}
	model, policy, err := a.ruleFiles()
	if err != nil {
		return l, "", err
	}
	if err := l.Write(ctx, model, policy); err != nil {
		return l, "", err
	}
	return l, programs, give(l, owners)
}

// copyPrograms puts the three programs where every user may run them.
func copyPrograms(from, to string) error {
	if err := os.Mkdir(to, 0o755); err != nil { //nolint:gosec // for every user
		return fault.New(fault.StoreUnavailable, "%w", err)
	}
	for _, role := range seal.Roles() {
		data, err := os.ReadFile(filepath.Join(from, dev.Program(role)))
		if err != nil {
			return fault.New(fault.NotFound, "%w (make build makes it)", err)
		}
		if err := os.WriteFile(filepath.Join(to, dev.Program(role)), data, 0o755); err != nil { //nolint:gosec // for every user
			return fault.New(fault.StoreUnavailable, "%w", err)
		}
	}
	return nil
}

// demoOutside plays the parties outside over the running matcher.
func (a *app) demoOutside(ctx context.Context, l *dev.Layout) (results []map[string]any, wrong, err error) {
	conf, err := config.LoadClient(l.Client())
	if err != nil {
		return nil, nil, err
	}
	c, err := dev.Connect(ctx, conf)
	if err != nil {
		return nil, nil, err
	}
	results, wrong, err = a.demoJob(ctx, &c.Outside)
	return results, wrong, errors.Join(err, c.Close())
}

// demoTable shows who could open what, and what each role holds of the first citizen.
// The processes are stopped.
func (a *app) demoTable(ctx context.Context, l *dev.Layout, seen map[seal.Role]*sight, results []map[string]any) error {
	who, err := citizen(first)
	if err != nil {
		return err
	}
	h, err := l.Halves(ctx, who)
	if err != nil {
		return err
	}
	truth, err := a.demoCode(ctx)
	if err != nil {
		return err
	}
	defer truth.Wipe()
	if _, err := os.Stat(filepath.Join(l.Role(seal.Dealer), "data", "store")); err == nil {
		return fault.New(fault.Unexpected, "the dealer has a store")
	}
	f := h.Matcher.Masked
	if a.json {
		a.print(map[string]any{
			"verifications": results, "processes": seen,
			"matcher":   map[string]any{"bytes": len(f.Bytes()), "agrees_with_code": agree(f, truth)},
			"custodian": map[string]any{"bytes": len(h.Custodian.Salt), "pad_agrees_with_code": agree(h.Pad, truth)},
			"dealer":    map[string]any{"bytes": 0},
		})
		return nil
	}
	holds := map[seal.Role]string{
		seal.Matcher:   fmt.Sprintf("%d bytes, the code masked: agrees with the face's in %s of its bits", len(f.Bytes()), percent(agree(f, truth))),
		seal.Custodian: fmt.Sprintf("a salt of %d bytes: nothing of a face", len(h.Custodian.Salt)),
		seal.Dealer:    "nothing: it has no store",
	}
	a.say("\nEvery file was opened as every user, while the processes ran:\n")
	table := tabwriter.NewWriter(a.out, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintf(table, "process\tuser\tcould open\twas refused\tholds of %s\n", first)
	for _, role := range seal.Roles() {
		s := seen[role]
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", dev.Program(role), s.User, s.counts(true), s.counts(false), holds[role])
	}
	_ = table.Flush() // output remembers a failure
	a.say("\n50 %% of bits equal is what two unrelated codes have. With both folders in one hand, and the processes")
	a.say("stopped, masked code xor pad is the code of the photo: %s. That is why nobody may have both.", percent(agreeXor(f, h.Pad, truth)))
	if os.Getuid() != 0 {
		a.say("\nAll three ran as one user here, so the system kept nothing from any of them: run it as root\nto see three users kept apart.")
	}
	return nil
}
