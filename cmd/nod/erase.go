package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nod/admin"
	"nod/fault"
	"nod/orders"
)

// erasing is the flags of nod erase.
type erasing struct{ list, state, receipts string }

func (a *app) eraseCommand() *cobra.Command {
	f := erasing{}
	c := &cobra.Command{
		Use:   "erase CITIZEN... | erase --list FILE | erase",
		Short: "Delete citizens' templates at both servers",
		Long: `Signs an order with the bureau's key for each citizen and has both servers carry it out:
the matcher deletes the masked template, the custodian the salt. Either is enough to make
the template unrecoverable, once that side's own backups are gone too.

CITIZEN is the reference that was enrolled. A list has one reference a line; "-" is
standard input, which keeps references out of the shell's history.

All orders are signed and written to a state file (mode 0600) before the first is
delivered. They are delivered until both servers have signed for them: after an
interruption (Ctrl-C), or while a server is away, "nod erase" without citizens goes on.
An order is good for 7 days; only when it expired, a new one is signed in its place.
Receipts go to a folder, one file an order, which is named by the order's hash. The
state file is removed when nothing is left; it and the receipts hold citizens'
references, and are the bureau's.

Exit code 0: all is carried out, also if nothing was stored under a reference. 3: some
orders are left or were refused; the summary has their codes.`,
		Example: "  nod erase 4711\n  nod erase --list citizens.txt --receipts receipts\n" +
			"  nod erase            # go on with what is left",
		RunE: func(c *cobra.Command, args []string) error { return a.erase(c.Context(), args, f) },
	}
	c.Flags().StringVar(&f.list, "list", "", "file with one citizen's reference a line; - for standard input")
	c.Flags().StringVar(&f.state, "state", "", "state file; by default erasures.json in the data folder, or beside the client's configuration")
	c.Flags().StringVar(&f.receipts, "receipts", "", "folder of receipts; by default receipts beside the state file's default place")
	return c
}

func (a *app) erase(ctx context.Context, args []string, f erasing) error {
	citizens, err := a.citizens(args, f.list)
	if err != nil {
		return err
	}
	d, err := a.outside(ctx, false)
	if err != nil {
		return err
	}
	if d.Bureau == nil {
		return fault.New(fault.Usage, "only the bureau orders erasures: %s has no [bureau] with its key", a.client)
	}
	if f.state == "" {
		f.state = a.beside("erasures.json")
	}
	if f.receipts == "" {
		f.receipts = a.beside("receipts")
	}
	e := &admin.Erasures{Matcher: d.Matcher, Bureau: d.Bureau, Bundle: d.Bundle, State: f.state, Receipts: f.receipts, Now: time.Now}
	left, err := e.Unfinished()
	switch {
	case err != nil:
		return err
	case left > 0:
		a.note("%d orders of an earlier run are left in %s, and are delivered too", left, f.state)
	case len(citizens) == 0:
		return fault.New(fault.Usage, "whom? nod erase CITIZEN..., or nod erase --list FILE; nothing is left of an earlier run in %s", f.state)
	}
	bar := a.bar(max(left, len(citizens)), "erasing", "citizens")
	e.Step = func(done, total int) {
		bar.ChangeMax(total)
		a.step(bar, done)
	}
	done, err := e.Run(ctx, citizens)
	_ = bar.Finish()
	return a.erased(done, err, f)
}

// erased tells what became of the orders.
func (a *app) erased(done *admin.Erased, err error, f erasing) error {
	var first fault.Code
	failures := []string{}
	refused := 0
	for _, code := range slices.Sorted(maps.Keys(done.Failed)) {
		if first == "" {
			first = code
		}
		refused += done.Failed[code]
		failures = append(failures, fmt.Sprintf("%d %s", done.Failed[code], code))
	}
	switch {
	case err == nil && done.Left > 0:
		err = fault.New(first, "%d orders are left in %s, of which %d were delivered in vain (%s); nod erase goes on with them",
			done.Left, f.state, refused, strings.Join(failures, ", "))
	case err == nil && refused > 0:
		err = fault.New(first, "%d orders were refused for good (%s)", refused, strings.Join(failures, ", "))
	}
	if a.json {
		out := map[string]any{
			"erased": done.Erased, "nothing_stored": done.Nothing, "templates": done.Templates, "salts": done.Salts,
			"failed": done.Failed, "left": done.Left, "state": f.state, "receipts": f.receipts,
		}
		if done.Left == 0 {
			delete(out, "state")
		}
		maps.Copy(out, explained(err))
		a.print(out)
		if err != nil {
			return errFailed
		}
		return nil
	}
	if n := done.Erased + done.Nothing; n > 0 {
		a.say("erased %d: the matcher removed %d template(s), the custodian %d salt(s); both signed each receipt, in %s",
			done.Erased, done.Templates, done.Salts, f.receipts)
	}
	if done.Nothing > 0 {
		a.say("of %d nothing was stored (is the reference right?); both signed that too", done.Nothing)
	}
	return err
}

// citizens reads the references of the command line or of a list. What is wrong with
// one is said by its place, not by quoting it.
func (a *app) citizens(args []string, list string) ([]orders.Citizen, error) {
	if list != "" && len(args) > 0 {
		return nil, fault.New(fault.Usage, "citizens, or --list FILE, not both")
	}
	if list == "" {
		return parseCitizens(args, "citizen")
	}
	in := a.in
	if list != "-" {
		f, err := os.Open(list)
		if err != nil {
			return nil, fault.New(fault.NotFound, "--list: %w", err)
		}
		defer f.Close()
		in = f
	}
	var lines []string
	scanner := bufio.NewScanner(io.LimitReader(in, maxList))
	for scanner.Scan() {
		lines = append(lines, strings.TrimRight(scanner.Text(), "\r"))
	}
	if err := scanner.Err(); err != nil {
		return nil, fault.New(fault.BadEncoding, "--list: %w; one reference a line", err)
	}
	out, err := parseCitizens(lines, "--list: line")
	if err == nil && len(out) == 0 {
		return nil, fault.New(fault.Usage, "--list: no reference in it, one a line")
	}
	return out, err
}

// maxList is the most bytes of a list.
const maxList = admin.MaxErasures * (orders.MaxCitizen + 2)

func parseCitizens(references []string, what string) (out []orders.Citizen, err error) {
	for i, r := range references {
		if r == "" && what != "citizen" {
			continue // an empty line
		}
		c, err := citizen(r)
		if err != nil {
			return nil, fault.Within(err, "%s %d", what, i+1)
		}
		out = append(out, c)
	}
	return out, nil
}

// explained is an error for a program; empty for nil.
func explained(err error) map[string]any {
	if err == nil {
		return nil
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		f = &fault.Error{Code: fault.Unexpected, Detail: err.Error()}
	}
	return map[string]any{"error": f.Code, "detail": f.Detail, "do": f.Code.Do()}
}
