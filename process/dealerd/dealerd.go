// Package dealerd builds a dealer out of a process's parts.
package dealerd

import (
	"nod/crypto/code"
	"nod/dealer"
	"nod/process"
)

// Options are what a dealer is built with, beside the parts.
type Options struct {
	Models     []*code.Model
	MaxBatch   int
	Concurrent int
}

// Build makes a dealer.
func Build(p *process.Parts, o Options) (*dealer.Dealer, error) {
	return dealer.New(dealer.Config{
		Keyring: p.Ring, Models: o.Models, Audit: p.Audit, MaxBatch: o.MaxBatch, Concurrent: o.Concurrent, Clock: p.Now,
	})
}
