package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"nod/config"
	"nod/crypto/code"
	"nod/dev"
	"nod/face"
	"nod/face/dlib"
	"nod/fault"
	"nod/models"
	"nod/orders"
)

// app is what every command works with.
type app struct {
	data   string
	cache  string
	model  string // file, or "" for the one that Nod comes with
	policy string
	client string // configuration against a running matcher, or "" for the embedded deployment
	json   bool
	loud   bool
	in     io.Reader
	out    *output
	err    io.Writer

	stepped func(done int) // told of a long command's steps, by a test

	deployment *dev.Deployment // opened once
	connection *dev.Connection // likewise
	network    face.Network    // loaded once
}

// run is main without the process around it.
func run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	a := &app{data: "data", cache: defaultCache(), in: in, out: &output{w: out}, err: errs}
	return a.run(ctx, args)
}

// run is one command line.
func (a *app) run(ctx context.Context, args []string) int {
	defer a.close()
	root := a.root()
	a.json = slices.Contains(args, "--json") // also for a line that cannot be read
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	code := a.exit(root.ExecuteContext(ctx))
	if a.out.failed != nil {
		// What was to be printed is lost: a receipt, or a verdict.
		_, _ = fmt.Fprintf(a.err, "nod: output: %v\n", a.out.failed)
		return exitFailed
	}
	return code
}

// exit renders an error, once, and gives the exit code.
func (a *app) exit(err error) int {
	switch {
	case err == nil:
		return exitMatch
	case errors.Is(err, errNoMatch):
		return exitNoMatch
	case errors.Is(err, errFailed):
		return exitFailed
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		// Not a fault of Nod: the command line could not be read.
		f = &fault.Error{Code: fault.Usage, Detail: err.Error()}
	}
	if a.json {
		a.print(explained(f))
	} else {
		_, _ = fmt.Fprintf(a.err, "nod: %v\n", f)
	}
	if f.Code.Class() == fault.NotCompared {
		return exitNotCompared
	}
	return exitFailed
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "nod",
		Short: "Is this the person who was enrolled? Yes or no, and nobody holds the face.",
		Long: `Nod compares a photo with an enrolled template and answers yes or no, nothing else.
The template is split between two servers, matcher and custodian; a third, the
dealer, helps them compare. Neither of the two ever sees a face, a template or a
distance.

This command runs all three in one process on embedded parts, with its data in one
folder. That is for a first look: one operator then holds everything. With --client it
talks to a matcher that runs elsewhere (nod dev keys and nod dev up start three
processes here).

Start with:   nod demo
Then:         nod enrol  4711 photo1.jpg photo2.jpg
              nod verify 4711 photo3.jpg
Or:           nod dev keys --in deployment && nod dev up --in deployment

Exit codes: 0 match (or done), 1 no match, 2 could not compare, 3 refused or failed.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.data, "data", a.data, "folder of the embedded deployment; made if it is not there")
	flags.StringVar(&a.cache, "cache", a.cache, "folder of the face networks and the demo's photos (make setup fills it)")
	flags.StringVar(&a.model, "model", a.model, "model file of nod calibrate; by default the one that Nod comes with")
	flags.StringVar(&a.policy, "policy", a.policy, "policy file that names the model; goes with --model")
	flags.StringVar(&a.client, "client", a.client, "configuration file against a running matcher (nod dev keys makes one), instead of --data")
	flags.BoolVar(&a.json, "json", a.json, "print JSON, for programs")
	flags.BoolVar(&a.loud, "log", a.loud, "print the roles' logs to standard error")
	root.AddCommand(a.demoCommand(), a.devCommand(), a.enrolCommand(), a.verifyCommand(),
		a.renewCommand(), a.eraseCommand(), a.calibrateCommand())
	return root
}

// defaultCache is the folder that make setup fills.
func defaultCache() string {
	if dir := os.Getenv("NOD_CACHE"); dir != "" {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(".cache", "nod")
	}
	return filepath.Join(home, ".cache", "nod")
}

// create starts the embedded deployment in the data folder, made if it is not
// there, once.
func (a *app) create(ctx context.Context) (*dev.Deployment, error) {
	if a.deployment != nil {
		return a.deployment, nil
	}
	d, err := a.start(ctx, a.data)
	a.deployment = d
	return d, err
}

// open is create for a folder that must be there: an answer out of a new, empty
// deployment would be a no that looks like any other.
func (a *app) open(ctx context.Context) (*dev.Deployment, error) {
	if a.deployment == nil && !dev.Exists(a.data) {
		return nil, fault.New(fault.NoDeployment, "nothing in the folder %q", a.data)
	}
	return a.create(ctx)
}

func (a *app) start(ctx context.Context, folder string) (*dev.Deployment, error) {
	model, policy, err := a.rules()
	if err != nil {
		return nil, err
	}
	return dev.Open(ctx, dev.Options{Folder: folder, Policy: policy, Models: []*code.Model{model}, Log: a.logger()})
}

// rules are the model and the policy to compare by.
func (a *app) rules() (*code.Model, *code.Policy, error) {
	if (a.model == "") != (a.policy == "") {
		return nil, nil, fault.New(fault.Usage, "--model and --policy go together (docs/spec/models.md)")
	}
	if a.model == "" {
		model, err := models.Default()
		if err != nil {
			return nil, nil, err
		}
		policy, err := models.DefaultPolicy()
		return model, policy, err
	}
	data, err := readFile(a.model)
	if err != nil {
		return nil, nil, err
	}
	model, err := code.Parse(data)
	if err != nil {
		return nil, nil, err
	}
	if data, err = readFile(a.policy); err != nil {
		return nil, nil, err
	}
	policy, err := code.ParsePolicy(data)
	return model, policy, err
}

func readFile(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.New(fault.NotFound, "%w", err)
	}
	return data, nil
}

// logger writes the roles' warnings to standard error, and everything with --log.
func (a *app) logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelWarn}
	if a.loud {
		options.Level = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(a.err, options))
}

// load loads the face network, once.
func (a *app) load() (face.Network, error) {
	if a.network != nil {
		return a.network, nil
	}
	n, err := dlib.Open(filepath.Join(a.cache, "models"), face.DefaultGate())
	if err != nil {
		return nil, err
	}
	a.network = n
	return n, nil
}

// outside gives the parties outside: of the running matcher that --client names, or of
// the embedded deployment, which is made if it is not there and may be.
func (a *app) outside(ctx context.Context, make bool) (*dev.Outside, error) {
	if a.client != "" {
		if a.connection == nil {
			conf, err := config.LoadClient(a.client)
			if err != nil {
				return nil, err
			}
			if a.connection, err = dev.Connect(ctx, conf); err != nil {
				return nil, err
			}
		}
		return &a.connection.Outside, nil
	}
	start := a.open
	if make {
		start = a.create
	}
	d, err := start(ctx)
	if err != nil {
		return nil, err
	}
	return &d.Outside, nil
}

// stop ends the embedded deployment, and the connection to a running one.
func (a *app) stop() {
	if a.connection != nil {
		if err := a.connection.Close(); err != nil {
			_, _ = fmt.Fprintf(a.err, "nod: while stopping: %v\n", err)
		}
		a.connection = nil
	}
	if a.deployment == nil {
		return
	}
	if err := a.deployment.Close(); err != nil {
		_, _ = fmt.Fprintf(a.err, "nod: while stopping: %v\n", err)
	}
	a.deployment = nil
}

func (a *app) close() {
	a.stop()
	if a.network != nil {
		if err := a.network.Close(); err != nil {
			_, _ = fmt.Fprintf(a.err, "nod: while stopping: %v\n", err)
		}
	}
}

func citizen(arg string) (orders.Citizen, error) { return orders.NewCitizen(arg) }
