package postgres

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"nod/fault"
)

// TLS says how a server proves who it is. The zero value is PostgreSQL's
// "verify-full" under the machine's own authorities.
type TLS struct {
	// Off is PostgreSQL's "disable": for a Unix socket and for the loopback only.
	Off bool
	// Roots are the authorities to trust; nil means the machine's.
	Roots *x509.CertPool
	// Certificate is this client's own, if the server asks for one.
	Certificate *tls.Certificate
}

// ParseSSLMode reads PostgreSQL's name of a mode. Only "verify-full" and "disable"
// are known: what lies between them trusts whoever answers.
func ParseSSLMode(name string) (off bool, err error) {
	switch name {
	case "verify-full":
		return false, nil
	case "disable":
		return true, nil
	}
	return false, fault.New(fault.OutOfRange, "sslmode %q: use verify-full, or disable on this machine", name)
}

// endpoint is one server: a host or, with a leading slash, a folder with a Unix
// socket.
type endpoint struct {
	host string
	port uint16
}

func parseEndpoint(address string) (e endpoint, err error) {
	host, port := address, "5432"
	if strings.HasPrefix(address, "/") {
		if i := strings.LastIndexByte(address, ':'); i >= 0 {
			host, port = address[:i], address[i+1:]
		}
	} else if host, port, err = net.SplitHostPort(address); err != nil {
		return e, fault.New(fault.OutOfRange, "database address: %w", err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || host == "" {
		return e, fault.New(fault.OutOfRange, "database address %q: want host:port or /folder:port", address)
	}
	return endpoint{host, uint16(n)}, nil
}

// local reports whether no network lies between.
func (e endpoint) local() bool {
	ip := net.ParseIP(e.host)
	return strings.HasPrefix(e.host, "/") || ip != nil && ip.IsLoopback()
}

func (t TLS) of(e endpoint) (*tls.Config, error) {
	switch {
	case t.Off && !e.local():
		return nil, fault.New(fault.Exposed, "TLS is off for a database that is not on this machine")
	case t.Off, strings.HasPrefix(e.host, "/"):
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS13, ServerName: e.host, RootCAs: t.Roots}
	if t.Certificate != nil {
		c.Certificates = []tls.Certificate{*t.Certificate}
	}
	return c, nil
}

// poolConfig is the driver's own. Nothing of it comes from the environment.
func poolConfig(o *Options) (*pgxpool.Config, error) {
	c, err := pgxpool.ParseConfig("host=127.0.0.1 port=5432 user=nobody password=none dbname=none sslmode=disable passfile=/dev/null")
	if err != nil {
		return nil, fault.New(fault.OutOfRange, "an environment variable beginning with PG is wrong: unset it")
	}
	endpoints := make([]*pgconn.FallbackConfig, len(o.Addresses))
	for i, address := range o.Addresses {
		e, err := parseEndpoint(address)
		if err != nil {
			return nil, err
		}
		secure, err := o.TLS.of(e)
		if err != nil {
			return nil, err
		}
		endpoints[i] = &pgconn.FallbackConfig{Host: e.host, Port: e.port, TLSConfig: secure}
	}
	if len(endpoints) == 0 {
		return nil, fault.New(fault.OutOfRange, "a store without a database address")
	}
	cc := c.ConnConfig
	cc.Host, cc.Port, cc.TLSConfig, cc.Fallbacks = endpoints[0].Host, endpoints[0].Port, endpoints[0].TLSConfig, endpoints[1:]
	cc.Database, cc.User, cc.Password = o.Database, o.User, ""
	cc.ConnectTimeout = o.Connect
	cc.SSLNegotiation, cc.KerberosSrvName, cc.KerberosSpn, cc.RequireAuth = "", "", "", ""
	cc.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	cc.RuntimeParams = map[string]string{
		"application_name":                    "nod " + o.Role,
		"search_path":                         "public",
		"client_encoding":                     "UTF8",
		"default_transaction_isolation":       "read committed",
		"statement_timeout":                   milliseconds(o.Statement),
		"lock_timeout":                        milliseconds(o.Statement / 2),
		"idle_in_transaction_session_timeout": milliseconds(o.Statement),
	}
	cc.ValidateConnect = validate
	c.MaxConns = int32(min(o.Connections, 1000))
	c.MinConns = 0
	c.MaxConnLifetime, c.MaxConnLifetimeJitter = time.Hour, 10*time.Minute
	c.MaxConnIdleTime = 10 * time.Minute
	c.BeforeConnect = func(_ context.Context, cc *pgx.ConnConfig) error {
		if o.Password == nil {
			return nil
		}
		password, err := o.Password()
		if err != nil {
			return err
		}
		cc.Password = string(password)
		clear(password)
		return nil
	}
	return c, nil
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(max(d.Milliseconds(), 1), 10) }

var errReadOnly = errors.New("the server is a standby or read-only")

// validate refuses a server that takes no writes: its rows may be old. Of several
// addresses the next one is tried then.
func validate(ctx context.Context, c *pgconn.PgConn) error {
	if err := pgconn.ValidateConnectTargetSessionAttrsReadWrite(ctx, c); err != nil {
		return fmt.Errorf("%w: %w", errReadOnly, err)
	}
	if err := checkDurable(ctx, c); err != nil {
		return err
	}
	// Plans are made once a connection, and must be right for a table that was
	// empty then: by index, always. Another engine may not have such settings.
	const plans = `SELECT set_config(name, CASE name WHEN 'plan_cache_mode' THEN 'force_generic_plan' ELSE 'off' END, false)
		FROM pg_settings WHERE name IN ('plan_cache_mode', 'enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'jit')`
	return c.ExecParams(ctx, plans, nil, nil, nil, nil).Read().Err
}

// checkDurable refuses a server that may lose what it acknowledged. Settings that
// an engine does not have are not asked for.
func checkDurable(ctx context.Context, c *pgconn.PgConn) error {
	const question = `SELECT name FROM pg_settings
		WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off'`
	off := c.ExecParams(ctx, question, nil, nil, nil, nil).Read()
	if off.Err == nil && len(off.Rows) > 0 {
		return fault.New(fault.StoreUnsafe, "the server's setting %s is off", off.Rows[0][0])
	}
	return off.Err
}
