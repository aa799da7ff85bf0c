package crash_test

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"nod/audit"
	"nod/config"
	"nod/crypto/seal"
	"nod/process"
	"nod/process/custodiand"
	"nod/process/dealerd"
	"nod/process/matcherd"
	"nod/process/rows"
	"nod/store"
)

// What a child is told by its environment. Its stdin and stdout carry one command and
// one answer a line; its log goes to stderr.
const (
	childRole   = "NOD_CRASH_ROLE"
	childConfig = "NOD_CRASH_CONFIG"
	childMoment = "NOD_CRASH_MOMENT" // a moment that counts from the start, as JSON
)

// command is what a child can be asked.
type command struct {
	Arm   *moment       `json:",omitempty"` // count anew, and die then
	Table []store.Table `json:",omitempty"` // give all rows of these tables
}

// reply is what it says: once when it listens, and then to every command.
type reply struct {
	Writes []string // since it was armed
	Rows   []row
	Error  string
}

// row is a stored row, decrypted.
type row struct {
	Table          store.Table
	Partition, Key string // in hexadecimal
	Value          []byte
}

// childMain is the life of one role whose writes are counted.
func childMain(role seal.Role) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	g := new(trigger)
	if text := os.Getenv(childMoment); text != "" {
		var m moment
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
		g.arm(m)
	}
	out := &lines{encoder: json.NewEncoder(os.Stdout)}
	go obey(ctx, g, out)
	if err := serve(ctx, role, g, out); err != nil {
		fmt.Fprintln(os.Stderr, role, "ended:", err)
		return 3
	}
	return 0
}

// lines writes answers, one at a time.
type lines struct {
	mu      sync.Mutex
	encoder *json.Encoder
}

func (l *lines) put(r reply) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.encoder.Encode(r) // the test is gone: obey ends this process
}

func serve(ctx context.Context, role seal.Role, g *trigger, out *lines) error {
	path := os.Getenv(childConfig)
	s := process.Start{
		Listening: func(_, _ net.Addr) { out.put(reply{}) },
		Hooks:     process.Hooks{Audit: func(l audit.Log) audit.Log { return &watchedAudit{l, g} }},
	}
	h := rows.Hooks{
		RawStore: func(s store.Store) store.Store { return &watchedStore{s, g, disk} },
		Store: func(s store.Store) store.Store {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.rows = s
			return &watchedStore{s, g, roles}
		},
	}
	switch role {
	case seal.Matcher:
		c, err := config.LoadMatcher(path)
		if err != nil {
			return err
		}
		s.Log = process.NewLog(os.Stderr, c.Log)
		return matcherd.Run(ctx, c, s, h)
	case seal.Custodian:
		c, err := config.LoadCustodian(path)
		if err != nil {
			return err
		}
		s.Log = process.NewLog(os.Stderr, c.Log)
		return custodiand.Run(ctx, c, s, h)
	}
	c, err := config.LoadDealer(path)
	if err != nil {
		return err
	}
	s.Log = process.NewLog(os.Stderr, c.Log)
	return dealerd.Run(ctx, c, s)
}

// obey answers commands until the test is gone; then nothing is left to live for.
func obey(ctx context.Context, g *trigger, out *lines) {
	in := json.NewDecoder(os.Stdin)
	for {
		var c command
		if err := in.Decode(&c); err != nil {
			if ctx.Err() == nil {
				die()
			}
			return
		}
		r := reply{Writes: g.seen()}
		if c.Arm != nil {
			g.arm(*c.Arm)
		}
		for _, table := range c.Table {
			found, err := all(ctx, g.rows, table)
			if err != nil {
				r.Error = err.Error()
			}
			r.Rows = append(r.Rows, found...)
		}
		out.put(r)
	}
}

// all reads every row of a table.
func all(ctx context.Context, s store.Store, table store.Table) (out []row, err error) {
	const page = 256
	var after store.Row
	for {
		entries, err := s.Scan(ctx, table, after, page)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			out = append(out, row{table, hex.EncodeToString(e.Partition), hex.EncodeToString(e.Key), e.Value})
			after = e.Row
		}
		if len(entries) < page {
			return out, nil
		}
	}
}
