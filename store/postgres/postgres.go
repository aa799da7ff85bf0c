// Package postgres is a store.Store in a PostgreSQL database, for roles that run
// as many instances: several processes may have one database open.
//
// What is durable when: Apply returns after the server acknowledged the commit,
// under synchronous_commit. Rows that it had not made durable nobody sees.
//
// A reply that is lost, or does not come in time, is fault.StoreUnavailable: the
// writes may have happened, or may yet happen while the server still has the
// statement. Only what certainly did nothing (a serialisation failure, a deadlock,
// a connection that was dead before) is tried again here. A lost connection is
// replaced at the next call.
//
// Isolation: READ COMMITTED is enough, and nothing depends on more (see Apply).
package postgres

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"nod/fault"
	"nod/store"
)

// Options say where a database is and how it is used. Role, Addresses, Database
// and User are needed.
type Options struct {
	// Role is the one whose rows these are: "matcher". The names of the database
	// and of the login must hold it as a word ("nod_matcher"), and the database
	// remembers it: one database never serves two trust domains.
	Role string
	// Addresses are "host:port", or "/folder:port" for a Unix socket. The first
	// that takes writes is used.
	Addresses []string
	Database  string
	User      string
	// Password is asked for at each new connection, and wiped; nil means none.
	Password func() ([]byte, error)
	TLS      TLS
	// Migrate brings the schema up to date at Open. The login then needs the right
	// to create tables. Without it a schema that is too old is refused.
	Migrate bool
	// Connections is how many the store has open at most; 0 means 8.
	Connections int
	// Batch is how many rows of different partitions one statement writes or reads
	// at most; 0 means 64. 1 keeps every call apart, with elementary statements
	// only (docs/postgres.md says which engines need that).
	Batch int
	// Workers is how many statements of batches are under way at once, for reads
	// and for writes each; 0 means 4. More make batches smaller.
	Workers int
	// Queue is how many calls may be under way; further ones wait. 0 means 4096.
	Queue int
	// Statement is how long the server may work at a statement; 0 means 5 s. It may
	// wait for a lock half as long.
	Statement time.Duration
	// Connect is how long a new connection may take; 0 means 5 s.
	Connect time.Duration
	// Log gets a warning where work had to be done again; nil drops it.
	Log *slog.Logger
}

// String names no login and no address.
func (o Options) String() string { return "postgres.Options(" + o.Role + ")" }

// GoString is String.
func (o Options) GoString() string { return o.String() }

func (o *Options) defaults() error {
	if o.Role == "" || o.Database == "" || o.User == "" {
		return fault.New(fault.OutOfRange, "a store without a role, a database or a login")
	}
	for _, n := range []*int{&o.Connections, &o.Batch, &o.Workers, &o.Queue} {
		if *n < 0 {
			return fault.New(fault.OutOfRange, "a negative limit")
		}
	}
	o.Connections = orDefault(o.Connections, 8)
	o.Batch = orDefault(o.Batch, 64)
	o.Workers = orDefault(o.Workers, 4)
	if o.Batch == 1 {
		o.Workers = o.Connections
	}
	o.Queue = orDefault(o.Queue, 4096)
	o.Statement = orDefault(o.Statement, 5*time.Second)
	o.Connect = orDefault(o.Connect, 5*time.Second)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

func orDefault[T int | time.Duration](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

// Store implements store.Store and store.Bulk.
type Store struct {
	options Options
	pool    *pgxpool.Pool
	gets    *queue[store.Row, store.Record]
	applies *queue[*change, struct{}]
	places  chan struct{} // one token a call under way

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup // Add only with mu held and closed false
}

var (
	_ store.Store = (*Store)(nil)
	_ store.Bulk  = (*Store)(nil)
)

// Open connects to a role's database. It fails with fault.StoreForeign for
// another role's or one that is not migrated, with fault.StoreUnsafe for a server
// that may lose writes, with fault.Exposed where TLS is off across a network, and
// with fault.StoreUnavailable for a standby or a server that cannot be reached.
func Open(ctx context.Context, o Options) (*Store, error) {
	o.Addresses = append([]string{}, o.Addresses...)
	if err := o.defaults(); err != nil {
		return nil, err
	}
	config, err := poolConfig(&o)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, toFault("connecting", err)
	}
	if err := prepare(ctx, pool, config, &o); err != nil {
		pool.Close()
		if ctx.Err() != nil {
			return nil, cancelled(ctx)
		}
		return nil, err
	}
	s := &Store{options: o, pool: pool, places: make(chan struct{}, o.Queue)}
	l := limits{weight: o.Batch, bytes: 4 << 20}
	s.gets = newQueue(o.Workers, l, s.runGets)
	s.applies = newQueue(o.Workers, l, s.runApplies)
	return s, nil
}

func prepare(ctx context.Context, pool *pgxpool.Pool, config *pgxpool.Config, o *Options) error {
	if err := pool.Ping(ctx); err != nil {
		return toFault("connecting", err)
	}
	if err := checkNames(ctx, pool, o.Role); err != nil {
		return err
	}
	if o.Migrate {
		if err := migrate(ctx, config); err != nil {
			return toFault("migrating the database", err)
		}
	}
	if err := checkSchema(ctx, pool); err != nil {
		return err
	}
	return claim(ctx, pool, o.Role)
}

// begin counts a call in, once there is a place for it. The caller calls end when
// its work with the database is over, which may be after it has answered.
func (s *Store) begin(ctx context.Context) (end func(), err error) {
	if ctx.Err() != nil {
		return nil, cancelled(ctx)
	}
	select {
	case s.places <- struct{}{}:
	case <-ctx.Done():
		return nil, cancelled(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		<-s.places
		return nil, fault.New(fault.StoreUnavailable, "the store is closed")
	}
	s.calls.Add(1)
	return func() {
		<-s.places
		s.calls.Done()
	}, nil
}

// working is the context of work with the database. It does not end with a
// caller's: the driver would cut the connection, and whoever gives up often would
// have the server make connections all day.
func (s *Store) working() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), s.options.Connect+2*s.options.Statement)
}

// await runs work in a goroutine of its own, and leaves it alone when ctx ends.
func await[T any](ctx context.Context, s *Store, end func(), work func(context.Context) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	ended := make(chan result, 1)
	go func() {
		defer end()
		working, stop := s.working()
		defer stop()
		value, err := work(working)
		ended <- result{value, err}
	}()
	select {
	case r := <-ended:
		return r.value, r.err
	case <-ctx.Done():
	}
	select { // work that did end says more than work that may have
	case r := <-ended:
		return r.value, r.err
	default:
		var none T
		return none, cancelled(ctx)
	}
}

// failed is toFault, and drops connections to a server that takes no writes any
// more: its successor is found by new ones.
func (s *Store) failed(what string, err error) error {
	if sqlState(err) == readOnlyTransaction {
		s.pool.Reset()
	}
	return toFault(what, err)
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.calls.Wait()
	s.gets.close()
	s.applies.close()
	s.pool.Close()
	return nil
}

var errRaced = errors.New("something came in between")
