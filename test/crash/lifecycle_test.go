package crash_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"nod/crypto/seal"
	"nod/dev"
	"nod/test/world"
)

// newThree is three real programs that drain for a second.
func newThree(t *testing.T) *world.Three {
	t.Helper()
	w := &world.Three{Programs: programs, Log: t.Output()}
	w.Layout, w.People = lay(t)
	for _, role := range seal.Roles() {
		edit(t, w.Layout.Config(role), "folder = \"data\"", "folder = \"data\"\ndrain = \"1s\"")
	}
	w.Up()
	return w
}

// health is the status of a role's health page.
func health(t *testing.T, w *world.Three, role seal.Role, page string) int {
	t.Helper()
	port := w.Layout.Ports[3+slices.Index(seal.Roles(), role)]
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/%s", port, page), nil)
	must(t, err)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	must(t, answer.Body.Close())
	return answer.StatusCode
}

// becomes waits until a health page has a status. A peer is met every 5 seconds.
func becomes(t *testing.T, w *world.Three, role seal.Role, page string, want int) {
	t.Helper()
	got := 0
	for range 600 {
		if got = health(t, w, role, page); got == want {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("/%s of the %s stays %d, want %d", page, role, got, want)
}

// Readiness falls when a peer is away and rises when it is back. A matcher that starts
// before the others waits for them.
func TestReadinessFollowsPeers(t *testing.T) {
	t.Parallel()
	w := newThree(t)
	citizen := w.Person("4711")
	_, err := w.Station.Enrol(t.Context(), citizen.Name, 0, w.Model, w.Portrait(citizen))
	must(t, err)
	must(t, w.Processes.Kill(seal.Custodian))
	becomes(t, w, seal.Matcher, "readyz", http.StatusServiceUnavailable)
	must(t, w.Processes.Start(seal.Custodian))
	becomes(t, w, seal.Matcher, "readyz", http.StatusOK)
	// No citizen pays for the restart with an attempt: the matcher knows that what it
	// had fetched with the custodian before is worth nothing.
	recognised(t, w, citizen)

	must(t, w.Processes.Kill(seal.Dealer))
	becomes(t, w, seal.Matcher, "readyz", http.StatusServiceUnavailable)
	becomes(t, w, seal.Custodian, "readyz", http.StatusServiceUnavailable)

	must(t, w.Processes.Kill(seal.Custodian))
	must(t, w.Processes.Kill(seal.Matcher))
	tear(t, w)
	must(t, w.Processes.Start(seal.Matcher))
	becomes(t, w, seal.Matcher, "livez", http.StatusOK)
	becomes(t, w, seal.Matcher, "readyz", http.StatusServiceUnavailable)
	must(t, w.Processes.Start(seal.Custodian))
	must(t, w.Processes.Start(seal.Dealer))
	must(t, w.Processes.Ready(t.Context()))
	recognised(t, w, citizen)
}

// recognised is a verification that says yes.
func recognised(t *testing.T, w *world.Three, citizen world.Person) {
	t.Helper()
	v, err := w.Verify(t.Context(), citizen.Name, w.Portrait(citizen))
	must(t, err)
	if !v.Verdict.Match {
		t.Error("an enrolled citizen is not recognised")
	}
}

// tear leaves the beginning of a record at the end of the matcher's audit record, as a
// crash in the middle of a write does.
func tear(t *testing.T, w *world.Three) {
	t.Helper()
	path := filepath.Join(w.Layout.Role(seal.Matcher), "data", "audit.log")
	data, err := os.ReadFile(path)
	must(t, err)
	begun := fmt.Sprintf(`{"serial":%d,"time":"20`, strings.Count(string(data), "\n"))
	must(t, os.WriteFile(path, append(data, begun...), 0o600))
}

// A second process of a role finds its store in use, and refuses.
func TestSecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	w := newThree(t)
	for _, role := range seal.Roles() {
		second := exec.CommandContext(t.Context(), filepath.Join(programs, dev.Program(role)), "--config", w.Layout.Config(role))
		said, err := second.CombinedOutput()
		var ended *exec.ExitError
		if !errors.As(err, &ended) || ended.ExitCode() != 3 || !strings.Contains(string(said), "store_in_use") {
			t.Errorf("a second %s: %v, %s", role, err, said)
		}
	}
}

// A role that is told to stop ends, whatever state the others are in: stopped in the
// middle of a call, or not reading what is sent to them.
func TestStopsBesideHungPeers(t *testing.T) {
	t.Parallel()
	w := newThree(t)
	for _, c := range []struct {
		name  string
		stops seal.Role
		hung  []seal.Role
		again seal.Role // restarted first, so that it fetches from a dealer that hangs
	}{
		{"matcher, in a call to the custodian", seal.Matcher, []seal.Role{seal.Custodian}, ""},
		{"matcher, fetching from the dealer", seal.Matcher, []seal.Role{seal.Dealer}, seal.Matcher},
		{"matcher, alone", seal.Matcher, []seal.Role{seal.Custodian, seal.Dealer}, ""},
		{"custodian", seal.Custodian, []seal.Role{seal.Matcher, seal.Dealer}, ""},
		{"dealer", seal.Dealer, []seal.Role{seal.Matcher, seal.Custodian}, ""},
	} {
		for _, role := range c.hung {
			must(t, w.Processes.Process(role).Signal(syscall.SIGSTOP))
		}
		if c.again != "" {
			must(t, w.Processes.Kill(c.again))
			must(t, w.Processes.Start(c.again))
			becomes(t, w, c.again, "livez", http.StatusOK)
		}
		called := make(chan struct{})
		go func() {
			defer close(called)
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			citizen := world.Person{Name: w.Citizen("nobody"), Face: make([]float32, w.Model.Dimension())}
			_, _ = w.Verify(ctx, citizen.Name, w.Portrait(citizen)) // it comes to nothing
		}()
		time.Sleep(200 * time.Millisecond) // let it be under way
		must(t, w.Processes.Process(c.stops).Signal(syscall.SIGTERM))
		// A call to a peer takes 30 s at most: the process must not wait for that.
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		if err := w.Processes.Wait(ctx); err == nil {
			t.Fatalf("%s: does not stop", c.name)
		} else if !strings.Contains(err.Error(), "<nil>") {
			t.Errorf("%s: %v", c.name, err)
		}
		cancel()
		for _, role := range c.hung {
			must(t, w.Processes.Process(role).Signal(syscall.SIGCONT))
		}
		must(t, w.Processes.Start(c.stops))
		<-called
		must(t, w.Processes.Ready(t.Context()))
	}
}
