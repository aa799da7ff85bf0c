package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"nod/admin"
	"nod/fault"
)

// renewing is the flags of nod renew.
type renewing struct {
	all, rotate, destroy bool
	state                string
	page                 uint32
}

func (a *app) renewCommand() *cobra.Command {
	f := renewing{}
	c := &cobra.Command{
		Use:   "renew --all",
		Short: "Move every template to the newest pad key, without a photo",
		Long: `Renewal masks every template anew: the custodian gives the difference of the old and
the new pad, and the matcher applies it. Neither sees a template, and nobody is asked for
a photo. What was ever copied from the matcher before is worthless once the older
versions of the pad key are destroyed.

It may be interrupted at any time (Ctrl-C): after each page of templates it writes to a
state file how far it came, and the same command goes on from there. At the end the
file is removed. Do not rotate the pad key while there is a state file: what was renewed
before would stay behind.

In the embedded deployment --rotate makes a new version of the pad key first (not again,
if an interrupted renewal is under way), and --destroy destroys the older versions at the
end, if no template needs them. With --client, against three processes, the pad key is
the custodian's alone: "nod dev rotate-pad", or an operator's act in Vault.`,
		Example: "  nod renew --all --rotate --destroy\n" +
			"  nod --client client.toml renew --all --state renewal.json",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.renew(c.Context(), f) },
	}
	c.Flags().BoolVar(&f.all, "all", false, "renew every template (required: there is no other choice)")
	c.Flags().StringVar(&f.state, "state", "", "state file; by default renewal.json in the data folder, or beside the client's configuration")
	c.Flags().Uint32Var(&f.page, "page", 256, "templates at once, 1 to 1024")
	c.Flags().BoolVar(&f.rotate, "rotate", false, "make a new version of the pad key first (embedded deployment)")
	c.Flags().BoolVar(&f.destroy, "destroy", false, "destroy the older versions afterwards (embedded deployment)")
	return c
}

func (a *app) renew(ctx context.Context, f renewing) error {
	if !f.all {
		return fault.New(fault.Usage, "which templates? there is one choice: nod renew --all")
	}
	if a.client != "" && (f.rotate || f.destroy) {
		return fault.New(fault.Usage, "the pad key of a running custodian is its operator's: nod dev rotate-pad --in FOLDER, or in Vault")
	}
	d, err := a.outside(ctx, false)
	if err != nil {
		return err
	}
	if f.state == "" {
		f.state = a.beside("renewal.json")
	}
	r := &admin.Renewal{Matcher: d.Matcher, Bundle: d.Bundle, State: f.state, Page: f.page}
	if err := a.aim(ctx, r, f.rotate); err != nil {
		return err
	}
	bar := a.bar(-1, "renewing", "templates")
	r.Step = func(seen int) { a.step(bar, seen) }
	done, err := r.Run(ctx)
	_ = bar.Finish()
	if err != nil {
		return err
	}
	destroyed := ""
	if f.destroy {
		if err := a.deployment.Unneeded(ctx); err != nil {
			return err
		}
		min, err := a.deployment.DestroyOldPads(ctx)
		if err != nil {
			return err
		}
		destroyed = fmt.Sprintf("; versions below %d of the pad key are destroyed", min)
	}
	if a.json {
		a.print(map[string]any{"seen": done.Seen, "renewed": done.Renewed, "failed": done.Failed, "destroyed": destroyed != ""})
	}
	a.say("%d templates: %d moved to the newest pad key, %d were on it, %d could not be moved%s",
		done.Seen, done.Renewed, done.Seen-done.Renewed-done.Failed, done.Failed, destroyed)
	return nil
}

// aim says which version of the pad key a renewal goes to, and makes it if it is to be
// made. Of a custodian elsewhere it is not known.
func (a *app) aim(ctx context.Context, r *admin.Renewal, rotate bool) (err error) {
	unfinished, found, err := r.Unfinished()
	if err != nil {
		return err
	}
	if a.client == "" {
		if r.Version, err = a.deployment.PadVersion(ctx); err != nil {
			return err
		}
	}
	goesOn := found && unfinished == r.Version
	if goesOn {
		a.note("going on with the renewal that was interrupted (%s)", r.State)
	}
	if rotate && !goesOn {
		r.Version, err = a.deployment.RotatePad(ctx)
	}
	return err
}

// beside is where a file of a command is by default: in the data folder, or beside the
// client's configuration.
func (a *app) beside(name string) string {
	if a.client != "" {
		return filepath.Join(filepath.Dir(a.client), name)
	}
	return filepath.Join(a.data, name)
}
