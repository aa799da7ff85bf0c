package main

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"nod/crypto/seal"
	"nod/dev"
	"nod/fault"
	"nod/models"
)

// deployment is the flags of nod dev keys.
type deployment struct {
	folder string
	port   int
	batch  int
	users  []string
}

func (a *app) keysCommand() *cobra.Command {
	d := deployment{}
	c := &cobra.Command{
		Use:   "keys",
		Short: "Make what three processes need: keys, trust bundle, configurations",
		Long: `Makes a folder for a deployment of three processes, for a first look: each role's keys
and configuration in a folder of its own, the trust bundle that pins them, and the keys
of the parties outside (a relying party, a station, the bureau, and the caller that
reaches the matcher). Keys are in files: a deployment keeps them in Vault.

With --users, as root, each role's folder is given to a system user of its own, which
must exist; "nod dev up" then starts each role as that user.`,
		Example: "  nod dev keys --in deployment\n  nod dev up --in deployment\n\n" +
			"  nod --client deployment/outside/client.toml enrol 4711 photo.jpg",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.keys(c.Context(), d) },
	}
	c.Flags().StringVar(&d.folder, "in", "deployment", "the folder to make")
	c.Flags().IntVar(&d.port, "port", 7401, "first of three ports for calls; those for health and metrics are 10 higher; 0: free ones")
	c.Flags().IntVar(&d.batch, "batch", 0, "correlations fetched at once; 0: few, for a quick start")
	c.Flags().StringSliceVar(&d.users, "users", nil, "system users of matcher, custodian and dealer (as root)")
	return c
}

func (a *app) keys(ctx context.Context, d deployment) error {
	l := &dev.Layout{Folder: d.folder, Batch: d.batch}
	for i := range 3 {
		l.Ports[i], l.Ports[3+i] = d.port+i, d.port+10+i
	}
	if d.port == 0 {
		var err error
		if l.Ports, err = dev.FreePorts(); err != nil {
			return err
		}
	}
	owners, err := ownersOf(d.users)
	if err != nil {
		return err
	}
	model, policy, err := a.ruleFiles()
	if err != nil {
		return err
	}
	if err := l.Write(ctx, model, policy); err != nil {
		return err
	}
	if err := give(l, owners); err != nil {
		return err
	}
	if a.json {
		a.print(map[string]any{"folder": d.folder, "client": l.Client()})
		return nil
	}
	a.say(`made in %s:

  public/      trust bundle, model, policy, public keys: for everybody
  matcher/     its configuration, its keys, its data: for the matcher alone
  custodian/   likewise
  dealer/      likewise
  outside/     client.toml, and the keys of relying party, station, bureau and caller

next:  nod dev up --in %s`, d.folder, d.folder)
	return nil
}

// ruleFiles are the files of the model and the policy to compare by.
func (a *app) ruleFiles() (model, policy []byte, err error) {
	if _, _, err := a.rules(); err != nil {
		return nil, nil, err
	}
	if a.model == "" {
		return models.DefaultFile(), models.DefaultPolicyFile(), nil
	}
	if model, err = readFile(a.model); err != nil {
		return nil, nil, err
	}
	policy, err = readFile(a.policy)
	return model, policy, err
}

// owner is a system user by numbers.
type owner struct{ uid, gid uint32 }

// ownersOf are the users of matcher, custodian and dealer; none for no names.
func ownersOf(users []string) (out []owner, err error) {
	if len(users) == 0 {
		return nil, nil
	}
	if len(users) != len(seal.Roles()) {
		return nil, fault.New(fault.Usage, "--users takes three users: matcher, custodian, dealer")
	}
	for _, name := range users {
		u, err := user.Lookup(name)
		if err != nil {
			return nil, fault.New(fault.NotFound, "%w (as root: useradd --system %s)", err, name)
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 != nil || err2 != nil {
			return nil, fault.New(fault.NotFound, "user %s has no numbers", name)
		}
		out = append(out, owner{uint32(uid), uint32(gid)})
	}
	return out, nil
}

// give makes each role's folder one of its user's own.
func give(l *dev.Layout, owners []owner) error {
	for i, o := range owners {
		if err := l.Give(seal.Roles()[i], o.uid, o.gid); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) upCommand() *cobra.Command {
	var folder, programs string
	c := &cobra.Command{
		Use:   "up",
		Short: "Start the three processes of a folder of nod dev keys",
		Long: `Starts nod-matcher, nod-custodian and nod-dealer, each with its own configuration, and
as root each as the user that owns its folder; waits until all are ready; prints what
talks to what; and ends them in order at an interrupt (Ctrl-C). Their logs go to
standard error.`,
		Example: "  nod dev up --in deployment",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.up(c.Context(), folder, programs) },
	}
	c.Flags().StringVar(&folder, "in", "deployment", "the folder that nod dev keys made")
	c.Flags().StringVar(&programs, "programs", "", "folder of the three programs; by default that of nod itself")
	return c
}

func (a *app) up(ctx context.Context, folder, programs string) (err error) {
	l, err := dev.OpenLayout(folder)
	if err != nil {
		return err
	}
	if programs, err = programsIn(programs); err != nil {
		return err
	}
	p, err := l.Up(ctx, programs, a.err)
	if err != nil {
		return err
	}
	defer func() {
		if stopped := p.Stop(); err == nil {
			err = stopped
		}
	}()
	a.say("%s", talks(l))
	return p.Wait(ctx)
}

// programsIn is the folder of the three programs: by default that of nod itself.
func programsIn(folder string) (string, error) {
	if folder != "" {
		return folder, nil
	}
	own, err := os.Executable()
	if err != nil {
		return "", fault.New(fault.NotFound, "the folder of the programs: %w", err)
	}
	return filepath.Dir(own), nil
}

// talks says what talks to what.
func talks(l *dev.Layout) string {
	at := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", l.Ports[i]) }
	return fmt.Sprintf(`all three are ready; they talk mutual TLS 1.3 (X25519MLKEM768), pinned by identity key:

  you (outside/client.toml)  ->  nod-matcher    %-16s health and metrics: http://%s
  nod-matcher                ->  nod-custodian  %-16s                     http://%s
  nod-matcher, nod-custodian ->  nod-dealer     %-16s                     http://%s

in another terminal:
  nod --client %s enrol 4711 photo.jpg
Ctrl-C ends them.`, at(0), at(3), at(1), at(4), at(2), at(5), l.Client())
}
