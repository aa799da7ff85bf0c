package main

import (
	"bufio"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nod/fault"
)

func (a *app) devCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "dev",
		Short: "Run all roles in one process and take commands from a prompt",
		Long: `Starts matcher, custodian and dealer in this process, with their data in one folder,
loads the face network, and then reads commands, one a line: the same as on the
command line, without "nod". Nothing is started again between them, so they are quick.
The deployment ends with the input (Ctrl-D), or with "exit".`,
		Example: "  nod dev --data data\n  nod> enrol 4711 photo1.jpg\n  nod> verify 4711 photo2.jpg",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return a.dev(c.Context()) },
	}
	c.AddCommand(a.keysCommand(), a.upCommand(), a.rotateCommand())
	return c
}

func (a *app) dev(ctx context.Context) error {
	if _, err := a.create(ctx); err != nil {
		return err
	}
	if _, err := a.load(); err != nil {
		return err
	}
	a.say(`All roles are running, with their data in %s:

  matcher/     masked templates, its keys, its audit log
  custodian/   salts, the pad key and its other keys, its audit log
  dealer/      its root key and its audit log
  bundle.json  the trust bundle that clients pin

Keys are in files here: for development only. Commands: enrol, verify, renew, erase,
help, exit.`, a.data)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go a.maintain(ctx)
	lines := a.lines(ctx)
	for {
		a.prompt()
		var line string
		var more bool
		select {
		case <-ctx.Done():
			return nil
		case line, more = <-lines:
		}
		words := strings.Fields(line)
		switch {
		case !more:
			a.say("")
			return nil
		case len(words) == 0:
			continue
		case words[0] == "exit" || words[0] == "quit":
			return nil
		case !slices.Contains([]string{"enrol", "verify", "renew", "erase", "help"}, words[0]):
			a.exit(fault.New(fault.Usage, "commands here are enrol, verify, renew, erase, help, exit"))
			continue
		case slices.ContainsFunc(words, startsNew):
			a.exit(fault.New(fault.Usage, "folders, model and policy are those of nod dev"))
			continue
		}
		a.command(ctx, words)
	}
}

// startsNew reports whether a word asks for another deployment than the running one.
func startsNew(word string) bool {
	for _, flag := range []string{"--data", "--cache", "--model", "--policy", "--client"} {
		if strings.HasPrefix(word, flag) {
			return true
		}
	}
	return false
}

// maxLine is the longest line that the prompt takes.
const maxLine = 1 << 20

// lines reads the input until it or ctx ends. It is the one that waits: the prompt
// can leave at once.
func (a *app) lines(ctx context.Context) <-chan string {
	out := make(chan string)
	go func() {
		defer close(out)
		scanner := bufio.NewScanner(a.in)
		scanner.Buffer(nil, maxLine)
		for scanner.Scan() {
			select {
			case out <- scanner.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// command runs one line. The deployment stays.
func (a *app) command(ctx context.Context, words []string) {
	root := a.root()
	root.SetArgs(words)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	json := a.json // a flag of one line holds for that line
	err := root.ExecuteContext(ctx)
	if errors.Is(err, errNoMatch) {
		err = nil // its answer was printed
	}
	a.exit(err)
	a.json = json
}

func (a *app) prompt() {
	if !a.json {
		_, _ = a.out.Write([]byte("nod> "))
	}
}

// maintain does the roles' regular work until ctx ends.
func (a *app) maintain(ctx context.Context) {
	ticker := time.NewTicker(time.Minute)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := a.deployment.Maintain(ctx); err != nil && ctx.Err() == nil {
				a.exit(err)
			}
		}
	}
}
