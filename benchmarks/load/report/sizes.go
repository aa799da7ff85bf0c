package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"io"
	"time"

	"nod/benchmarks/load"
)

// size says how much is measured.
type size struct {
	saturation load.Size
	decoys     int           // verifications of each kind
	away       time.Duration // the dealer
	after      time.Duration // the load goes on
	rate       float64       // of that load
	memory     int           // verifications
	people     int           // enrolled
	clients    int           // of a closed loop
}

func sizes(long bool) size {
	s := size{
		saturation: load.Size{
			People: 200, Clients: 32, Warm: 200, Count: 2000, Profile: 10 * time.Second,
			Steady: 10 * time.Second, Part: .5, Floor: 200 * time.Millisecond,
		},
		decoys: 200, away: 60 * time.Second, after: 30 * time.Second, rate: 100, memory: 4000, people: 200, clients: 32,
	}
	if long {
		s.saturation.Warm, s.saturation.Count = 2000, 20_000
		s.saturation.Profile, s.saturation.Steady = 30*time.Second, 60*time.Second
		s.decoys, s.memory = 2000, 100_000
	}
	return s
}

// low is the stock below which a batch is fetched, with the batches that are usual.
const low = (4096 - 64) / 2

func sections(s size) map[string]*section {
	return map[string]*section{
		"saturation": {measure: func(ctx context.Context, d *load.Deployment, o load.Options, w io.Writer) error {
			r, err := d.Saturate(ctx, o, s.saturation)
			if err == nil {
				saturation(w, r)
			}
			return err
		}},
		"decoys": {options: load.Options{Limits: load.DecoyLimits()}, measure: func(ctx context.Context, d *load.Deployment, _ load.Options, w io.Writer) error {
			var seed [8]byte
			_, _ = rand.Read(seed[:])
			number := binary.BigEndian.Uint64(seed[:])
			samples, err := d.Decoys(ctx, s.decoys, number, 0.05)
			if err == nil {
				decoys(w, samples, number)
			}
			return err
		}},
		"dealer": {measure: func(ctx context.Context, d *load.Deployment, _ load.Options, w io.Writer) error {
			people, err := d.Population(ctx, s.people)
			if err != nil {
				return err
			}
			var all []*load.Outage
			for _, how := range []load.How{load.Crash, load.Still} {
				o, err := d.DealerAway(ctx, people, how, s.rate, s.away, s.after, low)
				if err != nil {
					return err
				}
				all = append(all, o)
			}
			outages(w, all)
			return nil
		}},
		"memory": {options: load.MemoryOptions(), measure: func(ctx context.Context, d *load.Deployment, _ load.Options, w io.Writer) error {
			people, err := d.Population(ctx, s.people)
			if err != nil {
				return err
			}
			var counts []int
			for part := 1; part <= 10; part++ {
				counts = append(counts, s.memory*part/10)
			}
			moments, err := d.Soak(ctx, people, s.clients, counts...)
			if err == nil {
				memory(w, moments)
			}
			return err
		}},
	}
}
