package crash_test

import (
	"context"

	"nod/wire"
)

// The calls that the witness only passes on.

func pass[Q, A any](ctx context.Context, w *witness, m Q, call func(wire.CustodianClient, context.Context, Q) (A, error)) (a A, err error) {
	c, err := w.custodian(ctx)
	if err != nil {
		return a, err
	}
	return call(c, ctx, m)
}

func (w *witness) Keys(ctx context.Context, m *wire.KeysRequest) (*wire.CustodianKeys, error) {
	return pass(ctx, w, m, wire.CustodianClient.Keys)
}

func (w *witness) Open(ctx context.Context, m *wire.SessionOpen) (*wire.SessionOpened, error) {
	return pass(ctx, w, m, wire.CustodianClient.Open)
}

func (w *witness) Close(ctx context.Context, m *wire.CompareClose) (*wire.CompareClosed, error) {
	return pass(ctx, w, m, wire.CustodianClient.Close)
}

func (w *witness) Stored(ctx context.Context, m *wire.RowStored) (*wire.RowPromoted, error) {
	return pass(ctx, w, m, wire.CustodianClient.Stored)
}

func (w *witness) Order(ctx context.Context, m *wire.OrderRequest) (*wire.OrderDone, error) {
	return pass(ctx, w, m, wire.CustodianClient.Order)
}

func (w *witness) OpenChannel(ctx context.Context, m *wire.ChannelOpen) (*wire.ChannelOpened, error) {
	return pass(ctx, w, m, wire.CustodianClient.OpenChannel)
}

func (w *witness) Toss(ctx context.Context, m *wire.BatchToss) (*wire.BatchTossed, error) {
	return pass(ctx, w, m, wire.CustodianClient.Toss)
}

func (w *witness) Reveal(ctx context.Context, m *wire.BatchReveal) (*wire.BatchRevealed, error) {
	return pass(ctx, w, m, wire.CustodianClient.Reveal)
}

func (w *witness) Sacrifice(ctx context.Context, m *wire.BatchSacrifice) (*wire.BatchSacrificed, error) {
	return pass(ctx, w, m, wire.CustodianClient.Sacrifice)
}
