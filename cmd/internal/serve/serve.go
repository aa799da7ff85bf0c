// Package serve is the command line of the three server programs.
package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"nod/config"
	"nod/fault"
	"nod/process"
)

// Program is one of the three. C is its configuration.
type Program[C any] struct {
	Name   string // nod-matcher
	Short  string // one line
	Long   string // what it is, and what it needs
	Sample string // a complete configuration file
	Load   func(path string) (*C, error)
	Log    func(*C) config.Log
	// Check reads everything that the configuration names, and nothing else.
	Check func(*C) error
	Run   func(context.Context, *C, process.Start) error
}

// Exit codes.
const (
	exitDone   = 0
	exitFailed = 3 // refused to start, or failed
)

// Main runs the program and gives its exit code.
func Main[C any](p Program[C]) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return p.run(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// run is Main without the process around it.
func (p *Program[C]) run(ctx context.Context, args []string, out, errs io.Writer) int {
	root := p.command()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	if err := root.ExecuteContext(ctx); err != nil {
		var f *fault.Error
		if !errors.As(err, &f) {
			err = fault.New(fault.Usage, "%w", err)
		}
		_, _ = fmt.Fprintf(errs, "%s: %v\n", p.Name, err)
		return exitFailed
	}
	return exitDone
}

func (p *Program[C]) command() *cobra.Command {
	var path string
	var sample, check, profile bool
	c := &cobra.Command{
		Use:   p.Name,
		Short: p.Short,
		Long: p.Long + `

Everything it needs is in one file of TOML, in which every field is explained:

  ` + p.Name + ` --sample > ` + p.Name[4:] + `.toml      # then edit it
  ` + p.Name + ` --config ` + p.Name[4:] + `.toml --check
  ` + p.Name + ` --config ` + p.Name[4:] + `.toml

It refuses to start on what is unsafe, and says what to do: keys that others may read,
an identity that the trust bundle does not pin, a clock far off, a store that another
process holds. SIGTERM drains it: calls under way end, new ones are refused. Its log,
lines of JSON on standard error, holds no personal data. Health is at /livez and
/readyz, and metrics for Prometheus at /metrics, of the operations address.

Exit codes: 0 stopped as asked, 3 refused to start or failed.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case sample:
				_, err := fmt.Fprint(c.OutOrStdout(), p.Sample)
				return err
			case path == "":
				return fault.New(fault.Usage, "which configuration? give --config FILE, or look at --sample")
			}
			return p.start(c, path, check, profile)
		},
	}
	c.Flags().StringVar(&path, "config", "", "the configuration file")
	c.Flags().BoolVar(&sample, "sample", false, "print a complete configuration file, every field explained, and end")
	c.Flags().BoolVar(&check, "check", false, "read the configuration and all that it names, and end")
	c.Flags().BoolVar(&profile, "profile", false, "serve Go's profiles at /debug/pprof/ of the operations address")
	return c
}

func (p *Program[C]) start(c *cobra.Command, path string, check, profile bool) error {
	conf, err := p.Load(path)
	if err != nil {
		return err
	}
	if check {
		if err := p.Check(conf); err != nil {
			return err
		}
		_, err := fmt.Fprintf(c.OutOrStdout(), "%s: %s can be used\n", p.Name, path)
		return err
	}
	return p.Run(c.Context(), conf, process.Start{Log: process.NewLog(c.ErrOrStderr(), p.Log(conf)), Profile: profile})
}
