package dev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"nod/crypto/seal"
	"nod/fault"
)

// Processes are the three programs of a Layout, running. One goroutine at a time.
type Processes struct {
	layout   *Layout
	programs string
	out      io.Writer
	ended    chan ended
	byRole   map[seal.Role]*exec.Cmd
}

type ended struct {
	role seal.Role
	err  error
}

// Up starts the three programs, which lie in the folder programs, and returns when all
// of them are ready. Each runs as the user that owns its role's folder, if this process
// may say so. Their logs go to out.
func (l *Layout) Up(ctx context.Context, programs string, out io.Writer) (*Processes, error) {
	p := &Processes{layout: l, programs: programs, out: out, ended: make(chan ended, 3), byRole: map[seal.Role]*exec.Cmd{}}
	for _, role := range slices.Backward(seal.Roles()) {
		if err := p.start(role); err != nil {
			return nil, errors.Join(err, p.Stop())
		}
	}
	if err := p.Ready(ctx); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

// Ready returns when each of the three says that it is ready, which takes a minute at
// most.
func (p *Processes) Ready(ctx context.Context) error {
	for _, role := range seal.Roles() {
		if err := p.await(ctx, role, p.layout.Operations(role)); err != nil {
			return err
		}
	}
	return nil
}

func (p *Processes) start(role seal.Role) error {
	program := filepath.Join(p.programs, Program(role))
	arguments := []string{"--config", p.layout.Config(role)}
	if p.layout.Profile {
		arguments = append(arguments, "--profile")
	}
	c := exec.Command(program, arguments...) //nolint:gosec,noctx // the operator's own programs; they drain, and no context cuts them off
	c.Stdout, c.Stderr = p.out, p.out
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt is for this process: it drains them
	owner, err := ownerOf(p.layout.Role(role))
	if err != nil {
		return err
	}
	if os.Getuid() == 0 && owner.Uid != 0 {
		c.SysProcAttr.Credential = owner
		c.Env = []string{"PATH=/usr/bin:/bin"}
	}
	err = c.Start()
	if errors.Is(err, fs.ErrPermission) && c.SysProcAttr.Credential != nil {
		return fault.New(fault.NotFound, "%s: %w: the role's user may not run it there; copy the three programs to a folder that every user may enter, such as /usr/local/bin, and say --programs", program, err)
	}
	if err != nil {
		return fault.New(fault.NotFound, "%s: %w (make build makes it)", program, err)
	}
	p.byRole[role] = c
	go func() { p.ended <- ended{role, c.Wait()} }()
	return nil
}

func ownerOf(folder string) (*syscall.Credential, error) {
	info, err := os.Stat(folder)
	if err != nil {
		return nil, fault.New(fault.NoDeployment, "%w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil, fault.New(fault.Unexpected, "%s: no owner", folder)
	}
	return &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}, nil
}

// await returns when a role says that it is ready.
func (p *Processes) await(ctx context.Context, role seal.Role, operations string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if isReady(ctx, operations) {
			return nil
		}
		select {
		case e := <-p.ended:
			delete(p.byRole, e.role)
			return fault.New(fault.PeerUnavailable, "%s ended before all were ready: %v; its log says why", Program(e.role), e.err)
		case <-ctx.Done():
			return fault.New(fault.Cancelled, "%s is not ready: %w", Program(role), ctx.Err())
		case <-tick.C:
		}
	}
}

func isReady(ctx context.Context, operations string) bool {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+operations+"/readyz", nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	_ = answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// Wait returns when ctx ends, or when one of the three does by itself.
func (p *Processes) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case e := <-p.ended:
		delete(p.byRole, e.role)
		return fault.New(fault.PeerUnavailable, "%s ended by itself: %v; its log says why", Program(e.role), e.err)
	}
}

// Process is one of the three, for a test to signal.
func (p *Processes) Process(role seal.Role) *os.Process { return p.byRole[role].Process }

// Kill ends one of the three at once, as a crash does, and returns when it is gone. It
// is an error if another one has ended by itself meanwhile.
func (p *Processes) Kill(role seal.Role) error {
	if err := p.byRole[role].Process.Kill(); err != nil {
		return fault.New(fault.Unexpected, "killing %s: %w", Program(role), err)
	}
	e := <-p.ended
	delete(p.byRole, e.role)
	if e.role != role {
		return fault.New(fault.PeerUnavailable, "%s ended by itself: %v; its log says why", Program(e.role), e.err)
	}
	return nil
}

// Start starts one that was killed, and does not wait until it is ready.
func (p *Processes) Start(role seal.Role) error { return p.start(role) }

// Stop has the three drain, the matcher first, and waits until they have ended.
func (p *Processes) Stop() error {
	var errs []error
	for _, role := range seal.Roles() {
		c := p.byRole[role]
		if c == nil {
			continue
		}
		if err := c.Process.Signal(syscall.SIGTERM); err != nil {
			errs = append(errs, err)
		}
		for p.byRole[role] != nil {
			e := <-p.ended
			delete(p.byRole, e.role)
			if e.err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", Program(e.role), e.err))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fault.New(fault.Unexpected, "stopping: %w", err)
	}
	return nil
}
