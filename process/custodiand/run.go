package custodiand

import (
	"context"
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"nod/channel"
	"nod/config"
	"nod/crypto/seal"
	"nod/fault"
	"nod/process"
	"nod/process/rows"
	"nod/wire"
)

// Run is the whole life of a custodian's process. It serves until ctx ends.
func Run(ctx context.Context, c *config.Custodian, s process.Start, h rows.Hooks) (err error) {
	trusted, err := c.Trust.Load()
	if err != nil {
		return err
	}
	parties, err := c.LoadParties()
	if err != nil {
		return err
	}
	p, err := process.Open(ctx, process.Options{Role: seal.Custodian, Folder: c.Folder, Log: s.Log, Hooks: s.Hooks})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	node, err := process.Join(ctx, p, trusted.Bundle, nil)
	if err != nil {
		return err
	}
	r, err := rows.Open(ctx, p, h)
	if err != nil {
		return err
	}
	toDealer, err := node.Dial(seal.Dealer, c.Peers.Dealer)
	if err != nil {
		return err
	}
	role, err := Build(ctx, r, Options{
		Rules: rows.RulesOf(trusted, parties, &c.Limits), Bundle: trusted.Bundle, Dealer: wire.DealerClient{Caller: toDealer},
		Correlations: server(&c.Correlations), Sessions: c.Limits.Sessions, Alarm: r.Alarm,
	})
	if err != nil {
		return err
	}
	service := s.Service(c.Listen, c.Drain)
	service.Handler = wire.ServeCustodian(role, node.Refused)
	service.Allow = allow()
	service.Maintain = role.Maintain
	service.Health = func(ctx context.Context) error { return errors.Join(role.Server.Health(), r.Health(ctx)) }
	service.Metrics = []prometheus.Collector{rows.Correlations(role.Server.Stats), r.Memory()}
	if err := node.Run(ctx, service); err != nil {
		return fault.Within(err, "nod-custodian")
	}
	return nil
}

// allow lets matchers, and nobody else, call everything.
func allow() map[wire.Method][]string {
	out := map[wire.Method][]string{}
	for _, m := range wire.CustodianMethods() {
		out[m] = []string{string(seal.Matcher)}
	}
	return out
}

func server(c *config.CustodianCorrelations) channel.ServerConfig {
	return channel.ServerConfig{
		Config:   rows.SizesOf(c.Batch, c.Sacrifice, c.MaxAge, c.Timeout),
		Channels: c.Channels, Batches: c.Batches, Idle: c.Idle.Std(), Ready: c.Ready,
	}
}
