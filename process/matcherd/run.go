package matcherd

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

// Run is the whole life of a matcher's process. It serves until ctx ends.
func Run(ctx context.Context, c *config.Matcher, s process.Start, h rows.Hooks) (err error) {
	trusted, err := c.Trust.Load()
	if err != nil {
		return err
	}
	parties, err := c.LoadParties()
	if err != nil {
		return err
	}
	callers, err := c.LoadCallers()
	if err != nil {
		return err
	}
	p, err := process.Open(ctx, process.Options{Role: seal.Matcher, Folder: c.Folder, Log: s.Log, Hooks: s.Hooks})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	node, err := process.Join(ctx, p, trusted.Bundle, callers.Keys)
	if err != nil {
		return err
	}
	r, err := rows.Open(ctx, p, h)
	if err != nil {
		return err
	}
	toCustodian, err := node.Dial(seal.Custodian, c.Peers.Custodian)
	if err != nil {
		return err
	}
	toDealer, err := node.Dial(seal.Dealer, c.Peers.Dealer)
	if err != nil {
		return err
	}
	role, err := Build(ctx, r, Options{
		Rules: rows.RulesOf(trusted, parties, &c.Limits), Bundle: trusted.Bundle,
		Custodian: wire.CustodianClient{Caller: toCustodian}, Dealer: wire.DealerClient{Caller: toDealer},
		Reaches:      func() wire.Instance { return node.Reaches(seal.Custodian) },
		Correlations: source(&c.Correlations), Sessions: c.Limits.Sessions, Alarm: r.Alarm,
	})
	if err != nil {
		return err
	}
	service := s.Service(c.Listen, c.Drain)
	service.Handler = wire.ServeMatcher(role, node.Refused)
	service.Allow = callers.Allow
	service.Maintain = role.Maintain
	service.Health = func(ctx context.Context) error { return errors.Join(role.Source.Health(), r.Health(ctx)) }
	service.Metrics = []prometheus.Collector{rows.Correlations(role.Source.Stats), r.Memory()}
	if err := node.Run(ctx, service); err != nil {
		return fault.Within(err, "nod-matcher")
	}
	return nil
}

func source(c *config.MatcherCorrelations) channel.SourceConfig {
	return channel.SourceConfig{
		Config: rows.SizesOf(c.Batch, c.Sacrifice, c.MaxAge, c.Timeout),
		Low:    c.Low, High: c.High, Ready: c.Ready, Retry: c.Retry.Std(), Wait: c.Wait.Std(),
	}
}
