package load

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"nod/client"
	"nod/config"
	"nod/crypto/code"
	"nod/dev"
	"nod/fault"
	"nod/models"
	"nod/wire"
)

// Options say what is put under load. The zero value of a field is its default.
type Options struct {
	Folder   string // a temporary one: the deployment is made in it
	Programs string // where Build put the three programs
	// Model and Policy are files; nil: the model and the policy that Nod comes with.
	Model, Policy []byte
	Batch         int      // correlations at once; 0: 4,096
	Limits        []string // of matcher and custodian; nil: so loose that no load reaches them
	Stock         []string // of the matcher's correlations
	Log           io.Writer
}

// loose limits: a citizen may be asked for as often as a configuration can say.
func loose() []string {
	return []string{"consecutive = 65535", "no_matches = 65535", "answers = 65535", "sessions = 200000"}
}

// Deployment is three processes under load, and who puts them under it.
type Deployment struct {
	*dev.Connection
	*People
	Layout    *dev.Layout
	Processes *dev.Processes
}

// Build builds the three programs into a folder, without cgo, as a deployment does.
func Build(ctx context.Context, folder string) error {
	build := exec.CommandContext(ctx, "go", "build", "-o", folder+string(filepath.Separator), //nolint:gosec // the caller's own folder
		"nod/cmd/nod-matcher", "nod/cmd/nod-custodian", "nod/cmd/nod-dealer")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil {
		return fault.New(fault.Unexpected, "building the programs: %w: %s", err, out)
	}
	return nil
}

// Start lays a deployment out and starts it. The caller stops it.
func Start(ctx context.Context, o Options) (*Deployment, error) {
	if o.Model == nil {
		o.Model, o.Policy = models.DefaultFile(), models.DefaultPolicyFile()
	}
	if o.Batch == 0 {
		o.Batch = 4096
	}
	if o.Limits == nil {
		o.Limits = loose()
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	model, err := code.Parse(o.Model)
	if err != nil {
		return nil, err
	}
	d := &Deployment{Layout: &dev.Layout{
		Folder: filepath.Join(o.Folder, "nod"), Batch: o.Batch, Limits: o.Limits, Stock: o.Stock, Profile: true,
	}}
	if d.Layout.Ports, err = dev.FreePorts(); err != nil {
		return nil, err
	}
	if err := d.Layout.Write(ctx, o.Model, o.Policy); err != nil {
		return nil, err
	}
	if d.Processes, err = d.Layout.Up(ctx, o.Programs, o.Log); err != nil {
		return nil, err
	}
	conf, err := config.LoadClient(d.Layout.Client())
	if err == nil {
		d.Connection, err = dev.Connect(ctx, conf)
	}
	if err != nil {
		return nil, errors.Join(err, d.Processes.Stop())
	}
	d.People = newPeople(model, d.Plan.Steps[0].T)
	return d, nil
}

// Stop ends the connection and the three processes.
func (d *Deployment) Stop() error { return errors.Join(d.Connection.Close(), d.Processes.Stop()) }

// Enrol enrols a person in the first slot.
func (d *Deployment) Enrol(ctx context.Context, p Person) error {
	_, err := d.Station.Enrol(ctx, p.Name, 0, d.Plan.Model(0), d.Photo(p))
	return err
}

// Population makes up so many people, and enrols them.
func (d *Deployment) Population(ctx context.Context, n int) ([]Person, error) {
	out := make([]Person, n)
	for i := range out {
		var err error
		if out[i], err = d.Person(); err != nil {
			return nil, err
		}
		if err := d.Enrol(ctx, out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Ask verifies that whoever is shown is the citizen, and holds the verdict to what it
// must be.
func (d *Deployment) Ask(ctx context.Context, citizen, shown Person, want bool) (*dev.Verified, error) {
	v, err := d.Verify(ctx, citizen.Name, d.Photo(shown))
	if err != nil {
		return nil, err
	}
	if v.Verdict.Match != want {
		return nil, fault.New(fault.Unexpected, "a verdict of %v, want %v", v.Verdict.Match, want)
	}
	return v, nil
}

// OpenOnly opens a session, and leaves it.
func (d *Deployment) OpenOnly(ctx context.Context, p Person) error {
	device, err := client.NewDevice(d.RP.ID, d.Bundle, nil)
	if err != nil {
		return err
	}
	request, err := d.RP.Request(p.Name, "consent-1", device.PublicKey(), time.Now())
	if err != nil {
		return err
	}
	_, err = d.Matcher.Open(ctx, &wire.OpenRequest{Request: request})
	return err
}
