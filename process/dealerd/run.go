package dealerd

import (
	"context"
	"errors"

	"nod/config"
	"nod/crypto/seal"
	"nod/fault"
	"nod/process"
	"nod/wire"
)

// Run is the whole life of a dealer's process. It serves until ctx ends.
func Run(ctx context.Context, c *config.Dealer, s process.Start) (err error) {
	trusted, err := c.Trust.Load()
	if err != nil {
		return err
	}
	p, err := process.Open(ctx, process.Options{Role: seal.Dealer, Folder: c.Folder, Log: s.Log, Hooks: s.Hooks})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	node, err := process.Join(ctx, p, trusted.Bundle, nil)
	if err != nil {
		return err
	}
	d, err := Build(p, Options{Models: trusted.Models, MaxBatch: c.Correlations.MaxBatch, Concurrent: c.Correlations.Concurrent})
	if err != nil {
		return err
	}
	service := s.Service(c.Listen, c.Drain)
	service.Handler = wire.ServeDealer(d, node.Refused)
	service.Allow = map[wire.Method][]string{wire.DealerBatch: {string(seal.Matcher), string(seal.Custodian)}}
	service.Maintain = func(context.Context) error { return nil }
	service.Health = func(context.Context) error { return nil }
	if err := node.Run(ctx, service); err != nil {
		return fault.Within(err, "nod-dealer")
	}
	return nil
}
