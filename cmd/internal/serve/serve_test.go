package serve

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nod/config"
	"nod/fault"
	"nod/process"
)

// program is a dealer's command line around a life that a test gives it.
func program(check func(*config.Dealer) error, run func(context.Context, *config.Dealer, process.Start) error) *Program[config.Dealer] {
	return &Program[config.Dealer]{
		Name: "nod-dealer", Short: "The dealer.", Long: "The dealer deals.", Sample: config.DealerSample(), Load: config.LoadDealer,
		Log: func(c *config.Dealer) config.Log { return c.Log }, Check: check, Run: run,
	}
}

func sample(t *testing.T, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dealer.toml")
	if err := errors.Join(os.WriteFile(path, []byte(config.DealerSample()), 0o600), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCommandLine(t *testing.T) {
	path, open := sample(t, 0o600), sample(t, 0o666)
	refusal := fault.New(fault.WrongPeer, "not me")
	for name, c := range map[string]struct {
		args  []string
		life  error // what Check and Run end with
		code  int
		out   string // printed, a part
		errs  string // likewise
		check bool   // it was asked to check
		ran   bool
	}{
		"nothing":          {args: nil, code: exitFailed, errs: "nod-dealer: usage: which configuration? give --config FILE, or look at --sample"},
		"help":             {args: []string{"--help"}, out: "Exit codes: 0 stopped as asked"},
		"sample":           {args: []string{"--sample"}, out: config.DealerSample()},
		"unknown flag":     {args: []string{"--port", "1"}, code: exitFailed, errs: "nod-dealer: usage: "},
		"argument":         {args: []string{path}, code: exitFailed, errs: "nod-dealer: usage: "},
		"no file":          {args: []string{"--config", path + ".none"}, code: exitFailed, errs: "nod-dealer: not_found: "},
		"others may write": {args: []string{"--config", open, "--check"}, code: exitFailed, errs: "nod-dealer: exposed: "},
		"check":            {args: []string{"--config", path, "--check"}, out: path + " can be used", check: true},
		"check fails":      {args: []string{"--config", path, "--check"}, life: refusal, code: exitFailed, errs: "nod-dealer: wrong_peer: not me", check: true},
		"run":              {args: []string{"--config", path}, ran: true},
		"run fails":        {args: []string{"--config", path}, life: refusal, code: exitFailed, errs: refusal.Error(), ran: true},
		"no fault":         {args: []string{"--config", path}, life: errors.New("odd"), code: exitFailed, errs: "odd", ran: true},
	} {
		t.Run(name, func(t *testing.T) {
			checked, ran := false, false
			p := program(
				func(*config.Dealer) error { checked = true; return c.life },
				func(_ context.Context, conf *config.Dealer, s process.Start) error {
					ran = conf.Listen.Calls != "" && s.Log != nil
					return c.life
				})
			var out, errs bytes.Buffer
			if code := p.run(t.Context(), c.args, &out, &errs); code != c.code {
				t.Errorf("exit code %d, want %d\n%s", code, c.code, errs.String())
			}
			if !strings.Contains(out.String(), c.out) || !strings.Contains(errs.String(), c.errs) || (c.errs == "") != (errs.Len() == 0) {
				t.Errorf("printed %q and %q", out.String(), errs.String())
			}
			if checked != c.check || ran != c.ran {
				t.Errorf("checked: %v, ran: %v", checked, ran)
			}
		})
	}
}
