// Command nod enrols and verifies faces with all of Nod in one process, calibrates
// models, and shows what each server holds. It is for a first look, for
// operators' workstations and for tests; the servers of a deployment are commands
// of their own.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes, for scripts.
const (
	exitMatch       = 0 // or: done
	exitNoMatch     = 1
	exitNotCompared = 2 // no comparison was possible: try another photo
	exitFailed      = 3 // refused, or failed
)

func main() { os.Exit(start()) }

func start() int {
	// A reader that goes away is an output that failed, not a reason to leave
	// things lying about.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	return run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

// errNoMatch ends a command with exitNoMatch; its output was printed.
var errNoMatch = errors.New("no match")

// errFailed ends a command with exitFailed; what there is to say was said.
var errFailed = errors.New("failed")
