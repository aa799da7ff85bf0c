// Command nod-matcher is the matcher: relying parties, stations and the bureau call it,
// and it holds the masked templates.
package main

import (
	"context"
	"errors"
	"os"

	"nod/cmd/internal/serve"
	"nod/config"
	"nod/process"
	"nod/process/matcherd"
	"nod/process/rows"
)

func main() {
	os.Exit(serve.Main(serve.Program[config.Matcher]{
		Name:  "nod-matcher",
		Short: "The matcher: holds masked templates, answers yes or no with the custodian.",
		Long: `The matcher is the role that relying parties, stations and the bureau call. It holds
masked templates, which are noise without the custodian's pads, and compares probes
with them together with a custodian. It belongs to the bureau's operations, and never
to the people who run the custodian or the dealer.`,
		Sample: config.MatcherSample(),
		Load:   config.LoadMatcher,
		Log:    func(c *config.Matcher) config.Log { return c.Log },
		Check: func(c *config.Matcher) error {
			_, trusted := c.Trust.Load()
			_, parties := c.LoadParties()
			_, callers := c.LoadCallers()
			return errors.Join(trusted, parties, callers)
		},
		Run: func(ctx context.Context, c *config.Matcher, s process.Start) error {
			return matcherd.Run(ctx, c, s, rows.Hooks{})
		},
	}))
}
