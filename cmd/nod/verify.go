package main

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"nod/dev"
	"nod/fault"
)

func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify CITIZEN PHOTO...",
		Short: "Ask whether the photos show the citizen who was enrolled",
		Long: `Plays a verification from start to end: the relying party signs a request, both
servers open a session, the citizen's device seals the probe, the servers compare, and
the relying party checks the verdict that both signed. Several photos or frames are
fused into one probe.

The answer is yes (exit code 0) or no (1). A citizen who is unknown, locked, erased or
out of attempts gets a no like any other: after 5 no-matches in a row every answer is no
for 30 minutes, and longer each time; after 50 in 30 days until the bureau lifts it.

FMR class is the false match rate that the policy's bound was calibrated for: 1e-3 is one
stranger in a thousand. With --json, the request and the verdict are given too; the
request holds the citizen's reference.`,
		Example: "  nod verify 4711 selfie.jpg\n  nod verify 4711 frame1.jpg frame2.jpg --json",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return a.verify(c.Context(), args[0], args[1:])
		},
	}
}

func (a *app) verify(ctx context.Context, reference string, paths []string) error {
	who, err := citizen(reference)
	if err != nil {
		return err
	}
	features, err := a.capture(ctx, paths)
	if err != nil {
		return err
	}
	defer features.Wipe()
	d, err := a.outside(ctx, false)
	if err != nil {
		return err
	}
	if d.RP == nil {
		return fault.New(fault.Usage, "only a relying party asks: %s has no [relying_party] with its key", a.client)
	}
	v, err := d.Verify(ctx, who, features)
	if err != nil {
		return err
	}
	a.verdict(v)
	if !v.Verdict.Match {
		return errNoMatch
	}
	return nil
}

func (a *app) verdict(v *dev.Verified) {
	if a.json {
		a.print(map[string]any{
			"match": v.Verdict.Match, "session": v.Verdict.Session, "fmr": v.Verdict.FMR,
			"request": string(v.Request), "verdict": json.RawMessage(v.Signed),
		})
		return
	}
	a.say("%s   (both servers signed; FMR class %s; session opened in %s, probe sealed in %s, compared in %s)",
		answer(v), v.Verdict.FMR, ms(v.Open), ms(v.Seal), ms(v.Compare))
}

func answer(v *dev.Verified) string {
	if v.Verdict.Match {
		return "yes"
	}
	return "no "
}
