package crash_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"nod/config"
	"nod/crypto/seal"
	"nod/dev"
	"nod/fault"
	"nod/store"
	"nod/test/world"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// edit replaces one text in a file, or puts one at its end (old being "").
func edit(t testing.TB, path, old, text string) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	if old == "" {
		old, text = string(data), string(data)+text
	}
	if !strings.Contains(string(data), old) {
		t.Fatalf("%s does not say %q", path, old)
	}
	must(t, os.WriteFile(path, []byte(strings.Replace(string(data), old, text, 1)), 0o600))
}

// batch is small, so that a restart is quick.
const batch = 256

// lay lays a deployment out for kills: small batches, retries that do not wait long,
// and budgets that no number of aborts uses up.
func lay(t testing.TB) (*dev.Layout, world.People) {
	l, people := world.Lay(t, world.Shape(), func(l *dev.Layout) {
		l.Batch = batch
		l.Ports = ports(t)
	})
	for _, role := range []seal.Role{seal.Matcher, seal.Custodian} {
		edit(t, l.Config(role), "", "\n[limits]\nconsecutive = 65535\nno_matches = 65535\nanswers = 65535\n")
	}
	size := fmt.Sprintf("batch = %d", batch)
	edit(t, l.Config(seal.Matcher), size, size+"\nretry = \"50ms\"")
	edit(t, l.Config(seal.Custodian), size, size+"\nchannels = 1024") // a matcher dies some times a second
	return l, people
}

// ports are six that nobody listens at, and that the kernel gives to no outgoing
// connection: one that dials a role which is down would sooner or later hold its port.
func ports(t testing.TB) (out [6]int) {
	t.Helper()
	const first, last = 20000, 32000
	for i := range out {
		for out[i] == 0 {
			port := first + int(nextPort.Add(1)+uint32(os.Getpid())*97)%(last-first)
			if l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
				must(t, l.Close())
				out[i] = port
			}
		}
	}
	return out
}

// nextPort counts the ports that tests of this process were given.
var nextPort atomic.Uint32

// child is one role, running in a process that counts its writes.
type child struct {
	command *exec.Cmd
	input   io.Closer
	in      *json.Encoder
	out     *json.Decoder
	ended   chan struct{}
	err     error // once ended
}

// ask gives one command.
func (c *child) ask(m command) (r reply, err error) {
	if err := c.in.Encode(m); err != nil {
		return r, err
	}
	if err := c.out.Decode(&r); err != nil {
		return r, err
	}
	if r.Error != "" {
		return r, fmt.Errorf("%s", r.Error)
	}
	return r, nil
}

// stage is a deployment of three children with a witness, and people.
type stage struct {
	outsider
	layout   *dev.Layout
	witness  *witness
	children map[seal.Role]*child

	faces    []world.Person // to enrol under many names
	sentinel world.Person   // enrolled once, to see that verification works
	renewed  world.Person   // the other one in a stage of renewals
	citizens int
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{children: map[seal.Role]*child{}}
	s.layout, s.People = lay(t)
	s.witness = newWitness(t, s.layout)
	t.Cleanup(s.end)
	for _, role := range []seal.Role{seal.Dealer, seal.Custodian, seal.Matcher} {
		s.start(role, nil)
	}
	s.outsider = connect(t, s.layout, s.People)
	for i := range 4 {
		s.faces = append(s.faces, s.Person(fmt.Sprintf("face-%d", i)))
	}
	s.sentinel = s.named(s.faces[3])
	_, err := s.enrol(s.sentinel)
	must(t, err)
	s.settle()
	return s
}

// connect gives people a connection, which they close.
func connect(t testing.TB, l *dev.Layout, people world.People) outsider {
	t.Helper()
	conf, err := config.LoadClient(l.Client())
	must(t, err)
	c, err := dev.Connect(context.Background(), conf)
	must(t, err)
	people.Bound = c.Plan.Steps[0].T
	return outsider{people, c}
}

// end stops everything that runs.
func (s *stage) end() {
	if s.Connection != nil {
		must(s.T, s.Close())
	}
	for _, role := range seal.Roles() {
		if s.children[role] != nil {
			s.stop(role)
		}
	}
	s.witness.hold(s.T)
}

// start starts a role and returns when it listens. m, if set, counts from its start.
func (s *stage) start(role seal.Role, m *moment) {
	s.T.Helper()
	c := &child{command: exec.Command(os.Args[0]), ended: make(chan struct{})}
	c.command.Env = append(os.Environ(), childRole+"="+string(role), childConfig+"="+s.layout.Config(role))
	if m != nil {
		text, err := json.Marshal(m)
		must(s.T, err)
		c.command.Env = append(c.command.Env, childMoment+"="+string(text))
	}
	c.command.Stderr = s.T.Output()
	in, err := c.command.StdinPipe()
	must(s.T, err)
	out, outEnd, err := os.Pipe() // not StdoutPipe: Wait would close it under a reader
	must(s.T, err)
	c.command.Stdout = outEnd
	must(s.T, c.command.Start())
	must(s.T, outEnd.Close())
	c.input, c.in, c.out = in, json.NewEncoder(in), json.NewDecoder(out)
	go func() {
		c.err = c.command.Wait()
		close(c.ended)
	}()
	s.children[role] = c
	var r reply
	if err := c.out.Decode(&r); err != nil && m == nil {
		s.T.Fatalf("%s does not listen: %v", role, err)
	}
}

// dead waits until a role that was to kill itself has. It reports false if it lives on.
func (s *stage) dead(role seal.Role) bool {
	select {
	case <-s.children[role].ended:
		delete(s.children, role)
		return true
	case <-time.After(5 * time.Second):
		return false
	}
}

// kill ends a role at once.
func (s *stage) kill(role seal.Role) {
	s.T.Helper()
	must(s.T, s.children[role].command.Process.Kill())
	<-s.children[role].ended
	delete(s.children, role)
}

// stop has a role drain.
func (s *stage) stop(role seal.Role) {
	s.T.Helper()
	c := s.children[role]
	delete(s.children, role)
	if err := c.command.Process.Signal(syscall.SIGTERM); err != nil {
		s.T.Errorf("%s: %v", role, err)
	}
	<-c.ended
	_ = c.input.Close()
	if c.err != nil {
		s.T.Errorf("%s: %v", role, c.err)
	}
}

// arm has a role count anew; it gives the writes since it was armed before.
func (s *stage) arm(role seal.Role, m moment) []string {
	s.T.Helper()
	r, err := s.children[role].ask(command{Arm: &m})
	must(s.T, err)
	return r.Writes
}

// rows are all rows that a role holds in some tables.
func (s *stage) rows(role seal.Role, tables ...store.Table) []row {
	s.T.Helper()
	r, err := s.children[role].ask(command{Table: tables})
	must(s.T, err)
	return r.Rows
}

// settle returns when a verification works again. After a restart of the custodian the
// matcher's correlations are good for nothing, which the next verification finds out.
func (s *stage) settle() {
	s.T.Helper()
	s.eventually("a verification to work", func() error {
		ctx, cancel := s.within()
		defer cancel()
		v, err := s.Verify(ctx, s.sentinel.Name, s.Photo(s.sentinel))
		if err == nil && !v.Verdict.Match {
			s.T.Fatal("the sentinel is not recognised")
		}
		return err
	})
}

// eventually calls f until it succeeds.
func (s *stage) eventually(what string, f func() error) {
	s.T.Helper()
	end := time.Now().Add(90 * time.Second)
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			s.T.Fatalf("waiting for %s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// outcome is a fault's code, or "acknowledged".
func outcome(err error) string {
	if err == nil {
		return "acknowledged"
	}
	return string(fault.CodeOf(err))
}
