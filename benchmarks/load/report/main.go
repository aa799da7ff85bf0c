// Command report puts three processes on this machine under load and prints what it
// measures as the tables of docs/evidence/load.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"nod/benchmarks/load"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	sections := flag.String("sections", "saturation", "what to measure: saturation, decoys, dealer, memory")
	long := flag.Bool("long", false, "as long as the document's figures need")
	clients := flag.Int("clients", 16, "clients of the closed loop")
	keep := flag.String("keep", "", "folder to keep the profiles in")
	flag.Parse()
	folder, err := os.MkdirTemp("", "nod-load-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // temporary
	o := load.Options{Folder: folder, Programs: folder}
	if *keep != "" {
		o.Folder = *keep
	}
	if err := load.Build(ctx, folder); err != nil {
		return err
	}
	for _, s := range strings.Split(*sections, ",") {
		if s == "saturation" {
			d, err := load.Start(ctx, o)
			if err != nil {
				return err
			}
			size := load.Size{People: 200, Clients: *clients, Warm: 200, Count: 2000, Profile: 10 * time.Second, Steady: 10 * time.Second, Part: .5, Floor: 100 * time.Millisecond}
			if *long {
				size.Count, size.Profile = 20000, 30*time.Second
			}
			r, err := d.Saturate(ctx, o, size)
			if err := errors.Join(err, d.Stop()); err != nil {
				return err
			}
			printSaturation(os.Stdout, r)
		}
	}
	return nil
}
