package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"nod/crypto/code"
	"nod/dev"
	"nod/fault"
)

func (a *app) demoCommand() *cobra.Command {
	var processes bool
	var programs string
	c := &cobra.Command{
		Use:   "demo",
		Short: "Enrol two people, verify photos of them, and show who holds what",
		Long: `Enrols two people from public-domain portraits, verifies photos of the first one and
of the other, and shows what matcher and custodian really hold. Everything is made
anew in a temporary folder, which is removed at the end. The portraits and the face
network come from the cache that make setup fills.

With --processes the three roles are three processes that talk mutual TLS, each with its
own folder, keys and configuration; as root, each is a system user of its own
(nod-matcher, nod-custodian and nod-dealer, which scripts/setup-users makes). Then every
file of every folder is opened as each of these users, and the table at the end shows who
could, and what each holds of a citizen.`,
		Example: "  nod demo\n  sudo nod demo --processes    # make demo-processes does all it needs",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if processes {
				return a.demoProcesses(c.Context(), programs)
			}
			return a.demo(c.Context())
		},
	}
	c.Flags().BoolVar(&processes, "processes", false, "three processes, as root under three system users")
	c.Flags().StringVar(&programs, "programs", "", "folder of the three programs; by default that of nod itself")
	return c
}

// The demo's two citizens; the names are the photos'.
const (
	first  = "citizen-1"
	second = "citizen-2"
)

// attempt is one verification of the demo.
type attempt struct {
	photos []string
	want   bool
}

func (a *app) demo(ctx context.Context) (err error) {
	folder, err := os.MkdirTemp("", "nod-demo-")
	if err != nil {
		return fault.New(fault.StoreUnavailable, "%w", err)
	}
	defer func() {
		a.stop() // before its folder goes
		_ = os.RemoveAll(folder)
	}()
	start := time.Now()
	if _, err := a.load(); err != nil {
		return err
	}
	if a.deployment, err = a.start(ctx, folder); err != nil {
		return err
	}
	a.say("Three roles in one process, each with its own keys, store and audit log (ready in %s).", ms(time.Since(start)))
	a.say("In a deployment they are three operators; here one process plays them all.\n")
	results, wrong, err := a.demoJob(ctx, &a.deployment.Outside)
	if err != nil {
		return err
	}
	if err := a.demoHeld(ctx, results); err != nil {
		return err
	}
	return wrong
}

// demoJob is the main job: two people are enrolled, and one of them is verified. wrong is
// an error if an answer is not as it should be.
func (a *app) demoJob(ctx context.Context, d *dev.Outside) (results []map[string]any, wrong, err error) {
	for _, e := range []struct{ citizen, photo string }{{first, "obama.jpg"}, {second, "biden.jpg"}} {
		start := time.Now()
		if err := a.demoEnrol(ctx, d, e.citizen, e.photo); err != nil {
			return nil, nil, err
		}
		a.say("  enrol   %s  %-23s done  %9s", e.citizen, e.photo, ms(time.Since(start)))
	}
	bad := 0
	for _, t := range []attempt{
		{[]string{"obama2.jpg"}, true},
		{[]string{"obama2.jpg", "obama3.jpg"}, true},
		{[]string{"biden.jpg"}, false},
	} {
		v, err := a.demoVerify(ctx, d, t)
		if err != nil {
			return nil, nil, err
		}
		if v.Verdict.Match != t.want {
			bad++
		}
		results = append(results, map[string]any{"photos": t.photos, "match": v.Verdict.Match})
	}
	if bad > 0 {
		wrong = fault.New(fault.Unexpected, "%d of the demo's answers are not as they should be", bad)
	}
	return results, wrong, nil
}

func (a *app) photo(name string) string { return filepath.Join(a.cache, "photos", name) }

func (a *app) demoEnrol(ctx context.Context, d *dev.Outside, reference, photo string) error {
	who, err := citizen(reference)
	if err != nil {
		return err
	}
	features, err := a.capture(ctx, []string{a.photo(photo)})
	if err != nil {
		return err
	}
	_, err = d.Station.Enrol(ctx, who, 0, d.Plan.Model(0), features)
	return err
}

func (a *app) demoVerify(ctx context.Context, d *dev.Outside, t attempt) (*dev.Verified, error) {
	start := time.Now()
	paths, names := make([]string, len(t.photos)), ""
	for i, name := range t.photos {
		paths[i] = a.photo(name)
		if i > 0 {
			names += " + "
		}
		names += name
	}
	who, err := citizen(first)
	if err != nil {
		return nil, err
	}
	features, err := a.capture(ctx, paths)
	if err != nil {
		return nil, err
	}
	v, err := d.Verify(ctx, who, features)
	if err != nil {
		return nil, err
	}
	a.say("  verify  %s  %-23s %s   %9s, of which the two servers %s", first, names, answer(v), ms(time.Since(start)), ms(v.Open+v.Compare))
	return v, nil
}

// demoHeld shows what each server holds of the first citizen.
func (a *app) demoHeld(ctx context.Context, results []map[string]any) error {
	who, err := citizen(first)
	if err != nil {
		return err
	}
	before, err := a.deployment.Halves(ctx, who)
	if err != nil {
		return err
	}
	truth, err := a.demoCode(ctx)
	if err != nil {
		return err
	}
	defer truth.Wipe()
	// The same photo once more: everything that is stored changes.
	if err := a.demoEnrol(ctx, &a.deployment.Outside, first, "obama.jpg"); err != nil {
		return err
	}
	after, err := a.deployment.Halves(ctx, who)
	if err != nil {
		return err
	}

	f, b := before.Matcher.Masked, before.Pad
	if a.json {
		a.print(map[string]any{
			"verifications": results,
			"matcher":       map[string]any{"bytes": len(f.Bytes()), "agrees_with_code": agree(f, truth)},
			"custodian":     map[string]any{"bytes": len(before.Custodian.Salt), "pad_agrees_with_code": agree(b, truth)},
			"re_enrolled":   map[string]any{"masked_agrees": agree(f, after.Matcher.Masked)},
		})
		return nil
	}
	a.say("\nWhat the servers hold of %s, decrypted (50 %% of bits equal is what two unrelated codes have):\n", first)
	a.say("  matcher    %d bytes, the code masked:  %s...", len(f.Bytes()), hex.EncodeToString(f.Bytes()[:20]))
	a.say("             agrees with the face's code in %s of its bits", percent(agree(f, truth)))
	a.say("  custodian  a salt of %d bytes:          %s...", len(before.Custodian.Salt), hex.EncodeToString(before.Custodian.Salt[:20]))
	a.say("             its pad, which only its key makes of that salt, agrees in %s", percent(agree(b, truth)))
	a.say("  both       masked code xor pad is the face's code: %s (so the two must not collude)", percent(agreeXor(f, b, truth)))
	a.say("  again      the same photo enrolled anew gives a masked code that agrees with the first in %s\n", percent(agree(f, after.Matcher.Masked)))
	a.say("No photo, no features and no code is stored anywhere. Next: nod enrol --help")
	return nil
}

// demoCode is the code of the first citizen's photo, worked out from the photo.
func (a *app) demoCode(ctx context.Context) (code.Code, error) {
	model, _, err := a.rules()
	if err != nil {
		return nil, err
	}
	features, err := a.capture(ctx, []string{a.photo("obama.jpg")})
	if err != nil {
		return nil, err
	}
	defer features.Wipe()
	return model.Encode(features[model.Network()]...)
}

// agree is the share of equal bits.
func agree(a, b code.Code) float64 {
	differ := 0
	for i := range a {
		differ += bits.OnesCount64(a[i] ^ b[i])
	}
	return 1 - float64(differ)/float64(a.Bits())
}

func agreeXor(a, b, c code.Code) float64 {
	x := a.Clone()
	defer x.Wipe()
	x.Xor(b)
	return agree(x, c)
}

func percent(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }
