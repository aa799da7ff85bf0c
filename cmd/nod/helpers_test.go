package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"nod/client"
	"nod/crypto/code"
	"nod/crypto/code/codetest"
	"nod/dev"
	"nod/fault"
	"nod/orders"
	"nod/test/world"
)

// built are the three server programs, built when a test first asks for them.
var built struct {
	once   sync.Once
	folder string
	err    error
}

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(built.folder)
	os.Exit(code)
}

func programs(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		if built.folder, built.err = os.MkdirTemp("", "nod-programs-"); built.err == nil {
			built.err = world.Programs(built.folder)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.folder
}

// bench is where a test runs command lines: with synthetic rules, and a data folder.
type bench struct {
	world.People
	t      *testing.T
	folder string
	Policy *code.Policy
}

func newBench(t *testing.T) *bench {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, uint64(len(t.Name()))))
	data, err := codetest.File(rng, world.Shape()).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, folder: t.TempDir()}
	b.People = world.People{T: t, Rand: rng}
	if b.Model, err = code.Parse(data); err != nil {
		t.Fatal(err)
	}
	policy := code.PolicyFile{Format: "nod/policy/v1", Name: "synthetic", Slots: []code.Slot{{Model: b.Model.ID(), FMR: code.FMR1e3}}}
	text, err := policy.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if b.Policy, err = code.ParsePolicy(text); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"model.json": data, "policy.json": text} {
		b.write(name, string(data))
	}
	return b
}

func (b *bench) path(name string) string { return filepath.Join(b.folder, name) }

func (b *bench) write(name, text string) string {
	b.t.Helper()
	if err := os.WriteFile(b.path(name), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return b.path(name)
}

// result is what a command line did.
type result struct {
	t         *testing.T
	code      int
	out, errs string
}

// nod runs a command line in the bench.
func (b *bench) nod(args ...string) result { return b.nodWith(b.t.Context(), "", nil, args...) }

func (b *bench) nodWith(ctx context.Context, in string, stepped func(int), args ...string) result {
	b.t.Helper()
	var out, errs bytes.Buffer
	a := &app{data: b.path("data"), cache: b.path("cache"), in: strings.NewReader(in), out: &output{w: &out}, err: &errs, stepped: stepped}
	code := a.run(ctx, append([]string{"--model", b.path("model.json"), "--policy", b.path("policy.json")}, args...))
	return result{b.t, code, out.String(), errs.String()}
}

// after cancels a command after n steps.
func (b *bench) after(n int, args ...string) result {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	defer cancel()
	return b.nodWith(ctx, "", func(int) {
		if n--; n == 0 {
			cancel()
		}
	}, args...)
}

// wants holds the exit code, and parts of all that was printed.
func (r result) wants(code int, parts ...string) result {
	r.t.Helper()
	if r.code != code {
		r.t.Fatalf("exit code %d, want %d\n%s%s", r.code, code, r.out, r.errs)
	}
	for _, part := range parts {
		if !strings.Contains(r.out+r.errs, part) {
			r.t.Errorf("nothing of %q in\n%s%s", part, r.out, r.errs)
		}
	}
	return r
}

// refused wants a failure with a stable code that says what to do.
func (r result) refused(code fault.Code, parts ...string) result {
	r.t.Helper()
	return r.wants(exitFailed, append(parts, "nod: "+string(code)+": ", "("+code.Do()+")")...)
}

// object is the one line of JSON that a command printed, with just these fields.
func (r result) object(fields ...string) map[string]any {
	r.t.Helper()
	out := map[string]any{}
	if strings.Count(r.out, "\n") != 1 || json.Unmarshal([]byte(r.out), &out) != nil {
		r.t.Fatalf("not one line of JSON:\n%s", r.out)
	}
	for _, f := range fields {
		if _, ok := out[f]; !ok {
			r.t.Errorf("no field %q in %s", f, r.out)
		}
	}
	if len(out) != len(fields) {
		r.t.Errorf("want the fields %q in %s", fields, r.out)
	}
	return out
}

// same holds values of an object.
func same(t *testing.T, got map[string]any, want map[string]any) {
	t.Helper()
	for name, v := range want {
		if fmt.Sprint(got[name]) != fmt.Sprint(v) {
			t.Errorf("%s is %v, want %v", name, got[name], v)
		}
	}
}

// embedded opens the bench's embedded deployment, for as long as f runs.
func (b *bench) embedded(f func(*dev.Deployment)) {
	b.t.Helper()
	d, err := dev.Open(b.t.Context(), dev.Options{Folder: b.path("data"), Policy: b.Policy, Models: []*code.Model{b.Model}})
	if err != nil {
		b.t.Fatal(err)
	}
	b.Bound = d.Plan.Steps[0].T
	f(d)
	if err := d.Close(); err != nil {
		b.t.Fatal(err)
	}
}

// enrol makes people up and enrols them.
func (b *bench) enrol(o *dev.Outside, references ...string) (out []world.Person) {
	b.t.Helper()
	b.Bound = o.Plan.Steps[0].T
	for _, r := range references {
		p := b.Person(r)
		if _, err := o.Station.Enrol(b.t.Context(), p.Name, 0, b.Model, b.Portrait(p)); err != nil {
			b.t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// matches asks whether people are who they say.
func (b *bench) matches(o *dev.Outside, want bool, people ...world.Person) {
	b.t.Helper()
	for _, p := range people {
		ask(b.t, o, p.Name, b.Portrait(p), want)
	}
}

func ask(t *testing.T, o *dev.Outside, who orders.Citizen, features client.Features, want bool) {
	t.Helper()
	v, err := o.Verify(t.Context(), who, features)
	if err != nil {
		t.Fatal(err)
	}
	if v.Verdict.Match != want {
		t.Errorf("verdict %v, want %v", v.Verdict.Match, want)
	}
}
