package vault

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"nod/fault"
	"nod/keyring"
)

// Settings say which Vault keeps a role's keys, and how to talk to it. The zero value
// of a field is its default. Nothing is taken from the environment: VAULT_ADDR,
// VAULT_TOKEN and the like are ignored.
type Settings struct {
	// Address is the server's: https://host:port. Plain http is refused unless the
	// host is this machine.
	Address string
	// CAFile is a PEM file of the authorities that may certify the server. Default:
	// the system's.
	CAFile string
	// Namespace is the namespace of all paths. Default: the root namespace.
	Namespace string
	// Mount is where the transit engine is mounted. Default: transit.
	Mount string
	// Login is how tokens are got.
	Login Login
	// Timeout bounds every call to the server, whatever the caller's own deadline is.
	// Default: 2 s.
	Timeout time.Duration
	// Queue says how inputs of MACs are gathered into batches.
	Queue Queue
	// Recorder is told of every use of a key. Default: nobody is.
	Recorder Recorder
	// Log is where logins and their failures are told. Default: nowhere.
	Log *slog.Logger
}

// Queue says how concurrent MACs calls for one key and version leave together. The
// zero value of a field is its default.
type Queue struct {
	// Size is the number of inputs that leave at once. Default: 64.
	Size int
	// Delay is how long a smaller number waits for more. Default: 2 ms; negative: not
	// at all.
	Delay time.Duration
	// Limit is the most inputs that wait or are under way; more are refused with
	// fault.Overloaded. Default: 4,096.
	Limit int
	// Flights is the most batches under way. Default: 8.
	Flights int
}

const (
	defaultMount   = "transit"
	defaultTimeout = 2 * time.Second
	defaultSize    = 64
	defaultDelay   = 2 * time.Millisecond
	defaultLimit   = 4096
	defaultFlights = 8
	keepAlive      = 15 * time.Second
)

// withDefaults fills in what is not set, and refuses with fault.OutOfRange what cannot
// be meant.
func (s Settings) withDefaults() (Settings, error) {
	if s.Mount == "" {
		s.Mount = defaultMount
	}
	if s.Timeout == 0 {
		s.Timeout = defaultTimeout
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if s.Recorder == nil {
		s.Recorder = nobody{}
	}
	q := &s.Queue
	for _, f := range []struct {
		field    *int
		fallback int
	}{{&q.Size, defaultSize}, {&q.Limit, defaultLimit}, {&q.Flights, defaultFlights}} {
		if *f.field == 0 {
			*f.field = f.fallback
		}
	}
	if q.Delay == 0 {
		q.Delay = defaultDelay
	}
	return s, s.check()
}

func (s *Settings) check() error {
	switch {
	case s.Login == nil:
		return fault.New(fault.OutOfRange, "no login for %s", s.Address)
	case !pathShape.MatchString(s.Mount):
		return fault.New(fault.OutOfRange, "mount %q", s.Mount)
	case s.Namespace != "" && !pathShape.MatchString(s.Namespace):
		return fault.New(fault.OutOfRange, "namespace %q", s.Namespace)
	case s.Timeout < time.Millisecond:
		return fault.New(fault.OutOfRange, "a timeout of %s", s.Timeout)
	case s.Queue.Size < 1 || s.Queue.Size > keyring.MaxBatch:
		return fault.New(fault.OutOfRange, "batches of %d inputs, 1 to %d", s.Queue.Size, keyring.MaxBatch)
	case s.Queue.Limit < keyring.MaxBatch:
		return fault.New(fault.OutOfRange, "a queue of %d inputs, at least %d", s.Queue.Limit, keyring.MaxBatch)
	case s.Queue.Flights < 1:
		return fault.New(fault.OutOfRange, "%d batches under way", s.Queue.Flights)
	}
	if !strings.HasPrefix(s.Address, "https://") && !localAddress.MatchString(s.Address) {
		return fault.New(fault.OutOfRange, "address %q is not https://", s.Address)
	}
	return s.Login.check()
}

// pathShape is that of mounts, namespaces and role names: they become parts of URLs and
// of policies.
var (
	pathShape    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9][A-Za-z0-9_-]*)*$`)
	localAddress = regexp.MustCompile(`^http://(127\.0\.0\.1|\[::1\]|localhost)(:\d+)?$`)
)

// transport uses no proxy, and HTTP/1.1: a request that is not answered in time ends its
// own connection, so that a dead one is not used again. With HTTP/2 all would share it.
func (s *Settings) transport() (*http.Transport, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS13}
	if s.CAFile != "" {
		pem, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, fault.New(fault.NotFound, "the authorities of %s: %w", s.Address, err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fault.New(fault.BadEncoding, "%s holds no certificate", s.CAFile)
		}
	}
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: s.Timeout, KeepAlive: keepAlive}).DialContext,
		TLSClientConfig:     config,
		TLSHandshakeTimeout: s.Timeout,
		MaxIdleConnsPerHost: s.Queue.Flights + 4,
		IdleConnTimeout:     time.Minute,
	}, nil
}

// client is one client of the server, without a token. Clients of one transport share
// its connections. A timeout of 0 leaves deadlines to contexts, which the client's raw
// calls need: it would cancel their contexts before the body is read.
func (s *Settings) client(transport http.RoundTripper, timeout time.Duration) (*api.Client, error) {
	c, err := api.NewClient(&api.Config{
		Address:          s.Address,
		HttpClient:       &http.Client{Transport: transport, CheckRedirect: noRedirect},
		Timeout:          timeout,
		MaxRetries:       0,    // a repeated request is a second use of a key
		DisableRedirects: true, // the client would lose the body on the way
	})
	if err != nil {
		return nil, fault.New(fault.OutOfRange, "a client of %s: %w", s.Address, err)
	}
	// What NewClient took from the environment.
	c.ClearToken()
	headers := http.Header{api.RequestHeaderName: {"true"}}
	if s.Namespace != "" {
		headers.Set(api.NamespaceHeaderName, s.Namespace)
	}
	c.SetHeaders(headers)
	return c, nil
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
