package rpc

import (
	"context"
	"testing"

	"nod/wire"
)

// benchmark calls a server on loopback whose answers have a size.
func benchmark(b *testing.B, method wire.Method, request, answer int) {
	w := newWorld(b)
	s := w.serve(b, ServerConfig{Handler: func(context.Context, wire.Method, []byte) []byte { return make([]byte, answer) }})
	c := w.dial(b, s.address, w.leaves(b, "matcher"))
	b.SetBytes(int64(request + answer))
	b.ReportAllocs()
	for b.Loop() {
		if out, err := c.Call(b.Context(), method, make([]byte, request)); err != nil || len(out) != answer {
			b.Fatal(len(out), err)
		}
	}
}

// BenchmarkCall is a call of 2 KB each way, as those of a comparison.
func BenchmarkCall(b *testing.B) { benchmark(b, wire.CustodianStart, 2<<10, 2<<10) }

// BenchmarkBatch is a default batch of correlations: 55 MB.
func BenchmarkBatch(b *testing.B) { benchmark(b, wire.DealerBatch, 200, 55_000_000) }

// BenchmarkHandshake is a new connection with its first call.
func BenchmarkHandshake(b *testing.B) {
	w := newWorld(b)
	s := w.serve(b, ServerConfig{})
	leaves := w.leaves(b, "matcher")
	b.ReportAllocs()
	for b.Loop() {
		c, err := Dial(ClientConfig{Address: s.address, Role: "dealer", Leaves: leaves, Pins: w.pins})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Call(b.Context(), wire.CustodianOpen, nil); err != nil {
			b.Fatal(err)
		}
		if err := c.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReadLeaf is the check of a leaf's form.
func BenchmarkReadLeaf(b *testing.B) {
	w := newWorld(b)
	leaf := w.leaves(b, "matcher").newest.Load().Leaf
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readLeaf(leaf); err != nil {
			b.Fatal(err)
		}
	}
}
