package world

import (
	"context"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"nod/config"
	"nod/crypto/code"
	"nod/crypto/code/codetest"
	"nod/dev"
)

// Programs builds the three programs into a folder, without cgo, as a deployment does.
func Programs(folder string) error {
	build := exec.Command("go", "build", "-o", folder+"/", "nod/cmd/nod-matcher", "nod/cmd/nod-custodian", "nod/cmd/nod-dealer") //nolint:noctx // a test's own folder, before any test has a context
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	return build.Run()
}

// Three is a deployment of three processes, with synthetic people. It stops when its
// test ends.
type Three struct {
	*dev.Connection
	People
	Layout    *dev.Layout
	Processes *dev.Processes
	Programs  string
	Log       io.Writer
}

// Lay lays a deployment out with a model of the shape and starts nothing. change, if
// set, has the last word on the layout before it is written. The people's bound is to
// be set from the plan of a connection.
func Lay(t testing.TB, shape codetest.Shape, change func(*dev.Layout)) (*dev.Layout, People) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	rng := rand.New(rand.NewPCG(1, uint64(len(t.Name()))))
	modelFile, err := codetest.File(rng, shape).Marshal()
	must(err)
	model, err := code.Parse(modelFile)
	must(err)
	file := code.PolicyFile{Format: "nod/policy/v1", Name: "synthetic", Slots: []code.Slot{{Model: model.ID(), FMR: code.FMR1e3}}}
	policyFile, err := file.Marshal()
	must(err)
	layout := &dev.Layout{Folder: filepath.Join(t.TempDir(), "nod")}
	layout.Ports, err = dev.FreePorts()
	must(err)
	if change != nil {
		change(layout)
	}
	must(layout.Write(t.Context(), modelFile, policyFile))
	return layout, People{T: t, Rand: rng, Model: model}
}

// NewThree lays a deployment out, as Lay does, and starts it.
func NewThree(t testing.TB, shape codetest.Shape, programs string, log io.Writer, change func(*dev.Layout)) *Three {
	t.Helper()
	w := &Three{Programs: programs, Log: log}
	w.Layout, w.People = Lay(t, shape, change)
	w.Up()
	return w
}

// Up starts the three programs, which end with the test, and connects.
func (w *Three) Up() {
	w.T.Helper()
	var err error
	if w.Processes, err = w.Layout.Up(w.T.Context(), w.Programs, w.Log); err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(func() {
		if err := w.Processes.Stop(); err != nil {
			w.T.Error(err)
		}
	})
	w.Connection = w.Connect()
	w.Bound = w.Plan.Steps[0].T
}

// Connect makes one more connection to the matcher, which ends with the test.
func (w *Three) Connect() *dev.Connection {
	w.T.Helper()
	conf, err := config.LoadClient(w.Layout.Client())
	if err != nil {
		w.T.Fatal(err)
	}
	c, err := dev.Connect(context.Background(), conf)
	if err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(func() {
		if err := c.Close(); err != nil {
			w.T.Error(err)
		}
	})
	return c
}
