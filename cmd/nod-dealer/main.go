// Command nod-dealer is the dealer: it deals correlated random numbers to matcher and
// custodian, and sees no face, no template and no citizen.
package main

import (
	"os"

	"nod/cmd/internal/serve"
	"nod/config"
	"nod/process/dealerd"
)

func main() {
	os.Exit(serve.Main(serve.Program[config.Dealer]{
		Name:  "nod-dealer",
		Short: "The dealer: correlated random numbers for matcher and custodian.",
		Long: `The dealer deals the random numbers that let matcher and custodian compare without
showing each other anything. It sees no face, no template and no citizen. It belongs to
an independent office, such as the auditors, and never to the people who run the matcher
or the custodian.`,
		Sample: config.DealerSample(),
		Load:   config.LoadDealer,
		Log:    func(c *config.Dealer) config.Log { return c.Log },
		Check: func(c *config.Dealer) error {
			_, err := c.Trust.Load()
			return err
		},
		Run: dealerd.Run,
	}))
}
