// Command report puts three processes on this machine under load and prints what it
// measures as the tables of docs/evidence/load.md. It speaks to the loopback address
// alone, and ends by itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"nod/benchmarks/load"
	"nod/fault"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

// section measures one thing and writes its tables.
type section struct {
	options load.Options
	measure func(context.Context, *load.Deployment, load.Options, io.Writer) error
}

func run(ctx context.Context) (err error) {
	names := flag.String("sections", "saturation,decoys,dealer,memory", "what to measure")
	long := flag.Bool("long", false, "with the counts of the document: three quarters of an hour and more")
	against := flag.String("against", "", "folder with another build of the three programs: print the CPU of this one as a part of the other's, and nothing else")
	flag.Parse()
	programs, err := os.MkdirTemp("", "nod-load-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(programs) //nolint:errcheck // temporary
	if err := load.Build(ctx, programs); err != nil {
		return err
	}
	if *against != "" {
		b, err := load.Compare(ctx, [2]string{*against, programs}, 16, 10, 200)
		if err == nil {
			beside(os.Stdout, b)
		}
		return err
	}
	known := sections(sizes(*long))
	machine(os.Stdout, *long)
	for _, name := range strings.Split(*names, ",") {
		s, found := known[name]
		if !found {
			return fault.New(fault.Usage, "no section %q", name)
		}
		s.options.Programs = programs
		if err := s.run(ctx, os.Stdout); err != nil {
			return fault.Within(err, "%s", name)
		}
	}
	return nil
}

// run starts a deployment of its own for the section, and ends it.
func (s *section) run(ctx context.Context, w io.Writer) (err error) {
	o := s.options
	if o.Folder, err = os.MkdirTemp("", "nod-load-"); err != nil {
		return err
	}
	defer os.RemoveAll(o.Folder) //nolint:errcheck // temporary
	d, err := load.Start(ctx, o)
	if err != nil {
		return err
	}
	err = s.measure(ctx, d, o, w)
	return errors.Join(err, d.Stop())
}
