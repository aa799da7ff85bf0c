package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"nod/calibrate"
	"nod/crypto/canon"
	"nod/face/dlib"
	"nod/fault"
)

// calibration is the flags of nod calibrate.
type calibration struct {
	config  calibrate.Config
	out     string
	det     string
	network string
}

func (a *app) calibrateCommand() *cobra.Command {
	var kind string
	f := calibration{}
	c := &cobra.Command{
		Use:   "calibrate --dataset F --out model.json",
		Short: "Learn a model from photos of people, and measure its error rates",
		Long: `Learns how features become a code: thresholds, bits, weights, and the bounds T for
false match rates. The data set is a folder with one folder of photos for each person,
or a file of descriptors, one JSON object a line (id, image, descriptor = base64 of
little-endian float32), gzipped or not.

The error rates are measured on people left out of the learning, in folds of people.
Then the final model is learned from everything. The same data set, seed, name and date
give the same file, byte for byte.

Beside the model a DET curve (SVG) is written, with the open comparison of the features
beside the code's. The report is printed, with --json for programs.`,
		Example: "  nod calibrate --dataset people/ --out model.json\n" +
			"  nod calibrate --dataset descriptors.jsonl.gz --kind signs --bits 2048 --network SHA256 --out model.json",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			defaults := calibrate.Defaults(calibrate.Kind(kind))
			f.config.Kind = defaults.Kind
			flags := c.Flags()
			for name, set := range map[string]func(){
				"bits":      func() { f.config.Bits = defaults.Bits },
				"rotations": func() { f.config.Rotations = defaults.Rotations },
				"plausible": func() { f.config.Plausibility = defaults.Plausibility },
			} {
				if !flags.Changed(name) {
					set()
				}
			}
			return a.calibrate(c.Context(), f)
		},
	}
	f.config = calibrate.Defaults(calibrate.Thermometers)
	flags := c.Flags()
	flags.StringVar(&f.config.Dataset, "dataset", "", "folder of photos, or file of descriptors (required)")
	flags.StringVar(&f.out, "out", "", "file of the model to write (required)")
	flags.StringVar(&f.det, "det", "", "file of the DET curve; by default beside the model")
	flags.StringVar(&f.config.Name, "name", "", "name of the model; by default the file's")
	flags.StringVar(&f.config.Text, "text", "", "what the data set is, for the model file")
	flags.StringVar(&f.config.Seed, "seed", "nod", "everything random follows from it")
	flags.StringVar(&f.config.Date, "date", time.Now().UTC().Format(time.DateOnly), "date for the model file")
	flags.StringVar(&f.network, "network", "", "SHA-256 of the network that made the descriptors; by default dlib's")
	flags.StringVar(&kind, "kind", string(calibrate.Thermometers), "kind of code: thermometers, or signs (of rotations)")
	flags.IntVar(&f.config.Bits, "bits", f.config.Bits, "bits of a code, a multiple of 64 up to 4096; signs: 2048")
	flags.IntVar(&f.config.Rotations, "rotations", f.config.Rotations, "rotations of the features; signs: 16")
	flags.BoolVar(&f.config.Plausibility, "plausible", f.config.Plausibility, "ask for the plausibility check; signs: no")
	flags.IntVar(&f.config.Folds, "folds", f.config.Folds, "folds of people")
	flags.IntVar(&f.config.MaxImages, "images", f.config.MaxImages, "photos of one person that are used at most")
	for _, name := range []string{"dataset", "out"} {
		if err := c.MarkFlagRequired(name); err != nil {
			panic(err) // the flag is defined above
		}
	}
	return c
}

func (a *app) calibrate(ctx context.Context, f calibration) error {
	c := f.config
	base := strings.TrimSuffix(f.out, filepath.Ext(f.out))
	if c.Name == "" {
		c.Name = filepath.Base(base)
	}
	if f.det == "" {
		f.det = base + ".det.svg"
	}
	c.Network = dlib.Digest()
	if f.network != "" {
		if err := c.Network.UnmarshalText([]byte(f.network)); err != nil {
			return fault.New(fault.BadEncoding, "--network: %w", err)
		}
	}
	if info, err := os.Stat(c.Dataset); err == nil && info.IsDir() {
		network, err := a.load()
		if err != nil {
			return err
		}
		c.Faces, c.Network = network, canon.Digest{}
	}
	if err := writable(f.out, f.det); err != nil {
		return err
	}
	report, err := calibrate.Run(ctx, c, a.progress())
	if err != nil {
		return err
	}
	for path, data := range map[string][]byte{f.out: report.Model, f.det: report.DET} {
		if err := os.WriteFile(path, data, 0o644); err != nil { //nolint:gosec // public data
			return fault.New(fault.StoreUnavailable, "%w", err)
		}
	}
	if a.json {
		a.print(report)
		return nil
	}
	if err := report.WriteText(a.out); err != nil {
		return fault.New(fault.Unexpected, "output: %w", err)
	}
	a.say("\nmodel %s\nwritten to %s; DET curve in %s", report.ID, f.out, f.det)
	return nil
}

// writable checks before hours of work that its results can be written.
func writable(model, det string) error {
	if filepath.Clean(model) == filepath.Clean(det) {
		return fault.New(fault.Usage, "--out and --det are the same file")
	}
	for _, path := range []string{model, det} {
		probe, err := os.CreateTemp(filepath.Dir(path), ".nod-")
		if err != nil {
			return fault.New(fault.Usage, "cannot write to the folder of %s: %w", path, err)
		}
		_ = probe.Close()
		_ = os.Remove(probe.Name())
	}
	return nil
}

// progress draws a bar for each stage.
func (a *app) progress() calibrate.Progress {
	if !a.watched() {
		return nil
	}
	var bar *progressbar.ProgressBar
	now := ""
	return func(stage string, done, total int) {
		if stage != now {
			if bar != nil {
				_ = bar.Finish()
			}
			now = stage
			bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(a.err), progressbar.OptionSetDescription(stage),
				progressbar.OptionSetWidth(30), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())
		}
		_ = bar.Set(done) // a picture: its failure is no failure
	}
}
