package main

import (
	"context"

	"github.com/spf13/cobra"

	"nod/client"
	"nod/crypto/canon"
	"nod/enrol"
	"nod/fault"
	"nod/orders"
)

func (a *app) enrolCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "enrol CITIZEN PHOTO...",
		Short: "Store a citizen's template, out of one or several photos",
		Long: `Makes one template out of all the photos, splits and seals it, and has both servers
store their halves. More photos make a better template: give every photo there is.
At most 32 photos; one that clearly shows somebody else than the others is refused, but
two people who look alike may pass, so check whose photos these are.

CITIZEN is the citizen's reference, such as a number: 1 to 128 ASCII characters without
space. Neither server stores it. A citizen who is enrolled already is enrolled anew.`,
		Example: "  nod enrol 4711 obama.jpg\n  nod enrol 4711 2019.jpg 2023.jpg passport.png",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return a.enrol(c.Context(), args[0], args[1:])
		},
	}
}

func (a *app) enrol(ctx context.Context, reference string, paths []string) error {
	who, err := citizen(reference)
	if err != nil {
		return err
	}
	features, err := a.capture(ctx, paths)
	if err != nil {
		return err
	}
	defer features.Wipe()
	d, err := a.outside(ctx, true)
	if err != nil {
		return err
	}
	if d.Station == nil {
		return fault.New(fault.Usage, "only a station enrols: %s has no [station] with its key", a.client)
	}
	done, err := d.Station.Enrol(ctx, who, 0, d.Plan.Model(0), features)
	if err != nil {
		return err
	}
	if a.json {
		a.print(map[string]any{"row": done.Row, "photos": len(paths), "replaced": replaced(done.Statements), "receipt": done.Receipt})
	}
	a.say("enrolled, from %d photo(s): both servers signed the receipt of row %s", len(paths), done.Row)
	if n := replaced(done.Statements); n > 0 {
		a.say("it replaces %d earlier template(s)", n)
	}
	return nil
}

// capture turns photos into features. The caller wipes them.
func (a *app) capture(ctx context.Context, paths []string) (client.Features, error) {
	photos, err := readPhotos(paths)
	if err != nil {
		return nil, err
	}
	defer wipePhotos(photos)
	network, err := a.load()
	if err != nil {
		return nil, err
	}
	return enrol.Capture(ctx, network, photos...)
}

// replaced counts the rows that either server removed.
func replaced(statements [2]*orders.Statement) int {
	rows := map[canon.RowID]bool{}
	for _, s := range statements {
		for _, row := range s.Removed {
			rows[row] = true
		}
	}
	return len(rows)
}
