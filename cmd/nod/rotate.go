package main

import (
	"context"

	"github.com/spf13/cobra"

	"nod/dev"
)

func (a *app) rotateCommand() *cobra.Command {
	var folder string
	var destroy bool
	c := &cobra.Command{
		Use:   "rotate-pad",
		Short: "Make a new version of the custodian's pad key, or destroy the older ones",
		Long: `Opens the file with the custodian's keys in a folder of nod dev keys and makes a new
version of the pad key; new templates use it at once, and "nod renew --all" moves the
others to it. With --destroy it makes none, and destroys every version but the newest,
unless a template still needs one.

The custodian must be stopped meanwhile (store_in_use says that it is not). With its
keys in Vault this is an operator's act in Vault, and nothing is stopped.`,
		Example: `  nod dev rotate-pad --in deployment              # nod dev up stopped
  nod dev up --in deployment
  nod --client deployment/outside/client.toml renew --all
  nod dev rotate-pad --in deployment --destroy    # nod dev up stopped again`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.rotate(c.Context(), folder, destroy) },
	}
	c.Flags().StringVar(&folder, "in", "deployment", "the folder that nod dev keys made")
	c.Flags().BoolVar(&destroy, "destroy", false, "destroy the versions before the newest instead")
	return c
}

func (a *app) rotate(ctx context.Context, folder string, destroy bool) error {
	l, err := dev.OpenLayout(folder)
	if err != nil {
		return err
	}
	if destroy {
		min, err := l.DestroyOldPads(ctx)
		if err != nil {
			return err
		}
		if a.json {
			a.print(map[string]any{"oldest": min})
		}
		a.say("versions below %d of the pad key are destroyed: what was copied from the matcher before is worthless", min)
		return nil
	}
	version, err := l.RotatePad(ctx)
	if err != nil {
		return err
	}
	if a.json {
		a.print(map[string]any{"version": version})
	}
	a.say("the pad key has version %d now\nnext:  nod dev up --in %s\n       nod --client %s renew --all", version, folder, l.Client())
	return nil
}
