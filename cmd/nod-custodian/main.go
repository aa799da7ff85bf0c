// Command nod-custodian is the custodian: it holds the pads of templates through a key
// of its own, and compares with a matcher that it does not trust.
package main

import (
	"context"
	"errors"
	"os"

	"nod/cmd/internal/serve"
	"nod/config"
	"nod/process"
	"nod/process/custodiand"
	"nod/process/rows"
)

func main() {
	os.Exit(serve.Main(serve.Program[config.Custodian]{
		Name:  "nod-custodian",
		Short: "The custodian: holds the key of the templates' pads.",
		Long: `The custodian holds the key of the pads that mask the matcher's templates, and verifies
every request, order and probe itself. It belongs to the bureau's security office, and
never to the people who run the matcher or the dealer. Only matchers call it.`,
		Sample: config.CustodianSample(),
		Load:   config.LoadCustodian,
		Log:    func(c *config.Custodian) config.Log { return c.Log },
		Check: func(c *config.Custodian) error {
			_, trusted := c.Trust.Load()
			_, parties := c.LoadParties()
			return errors.Join(trusted, parties)
		},
		Run: func(ctx context.Context, c *config.Custodian, s process.Start) error {
			return custodiand.Run(ctx, c, s, rows.Hooks{})
		},
	}))
}
