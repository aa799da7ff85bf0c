package vault

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"nod/fault"
)

// Login gets tokens: AppRole, or Token.
type Login interface {
	check() error
	start(*Settings) login
}

// login is a Login under way. Its calls are made one after the other.
type login interface {
	// token logs in, over a client without a token. The secret's Auth has the token.
	token(ctx context.Context, bare *api.Client) (*api.Secret, error)
	// fresh reports whether token could work now, without trying it.
	fresh() bool
	// prepare is called with a good token, at once and then whenever the time that it
	// returned is over; 0 means never again.
	prepare(ctx context.Context, c *caller) (time.Duration, error)
	// end is called once, with the last token.
	end(ctx context.Context, c *caller)
}

// Times of logging in again. Each is drawn between half of itself and itself, so that
// instances do not come all at once.
const (
	firstPause = 200 * time.Millisecond
	mostPause  = 10 * time.Second
	// A token that is good but not allowed enough is replaced after the first of these,
	// then after pauses that double: its role may have got other policies.
	deniedPause     = 5 * time.Second
	mostDeniedPause = time.Minute
	// Denials are looked into at most this often.
	lookPause = 250 * time.Millisecond
)

// session keeps a good token on a caller's client, for as long as it is open.
type session struct {
	login   login
	calls   *caller
	watched *api.Client // the watcher's, with a timeout: it knows no contexts
	bare    *api.Client
	log     *slog.Logger
	denials chan struct{}
	stop    context.CancelFunc
	ended   chan struct{}

	mu  sync.Mutex
	why error // why the last login failed; nil: it did not
}

func openSession(ctx context.Context, settings *Settings) (*session, error) {
	transport, err := settings.transport()
	if err != nil {
		return nil, err
	}
	s := &session{login: settings.Login.start(settings), log: settings.Log, denials: make(chan struct{}, 1), ended: make(chan struct{})}
	var clients [3]*api.Client
	for i, timeout := range []time.Duration{0, settings.Timeout, 0} {
		if clients[i], err = settings.client(tagging{transport}, timeout); err != nil {
			return nil, err
		}
	}
	// Where one connection is dead, the others may be.
	s.calls = &caller{api: clients[0], timeout: settings.Timeout, lost: transport.CloseIdleConnections}
	s.watched, s.bare = clients[1], clients[2]
	denied := func() {
		select {
		case s.denials <- struct{}{}:
		default:
		}
	}
	s.calls.denied.Store(&denied)
	secret, err := s.once(ctx)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.Background())
	s.stop = stop
	go s.run(running, secret)
	return s, nil
}

// once logs in and puts the token to use.
func (s *session) once(ctx context.Context) (*api.Secret, error) {
	// Several requests: reading the secret, and using it.
	ctx, cancel := context.WithTimeout(ctx, 3*s.calls.timeout)
	defer cancel()
	secret, err := s.login.token(ctx, s.bare)
	s.failed(err)
	if err != nil {
		return nil, err
	}
	s.calls.api.SetToken(secret.Auth.ClientToken)
	return secret, nil
}

func (s *session) failed(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.why = why
}

// trouble is why there is no good token, as far as is known.
func (s *session) trouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

func (s *session) run(ctx context.Context, secret *api.Secret) {
	defer close(s.ended)
	denied := deniedPause
	for {
		s.log.Info("logged in to Vault", "accessor", secret.Auth.Accessor, "policies", secret.Auth.Policies, "ttl", secret.Auth.LeaseDuration)
		why := s.watch(ctx, secret, denied)
		if ctx.Err() != nil {
			return
		}
		s.log.Warn("the token of Vault is over", "why", why)
		before := secret
		if secret = s.again(ctx); secret == nil {
			return
		}
		if why != notEnough {
			denied = deniedPause
			continue
		}
		denied = min(2*denied, mostDeniedPause)
		s.revoke(ctx, before)
	}
}

// notEnough is why watch returns while the token is good.
const notEnough = "it is not allowed enough"

// revoke ends a token that was replaced while it was good.
func (s *session) revoke(ctx context.Context, secret *api.Secret) {
	ctx, cancel := context.WithTimeout(ctx, s.calls.timeout)
	defer cancel()
	old, err := s.bare.CloneWithHeaders()
	if err == nil {
		old.SetToken(secret.Auth.ClientToken)
		_, err = old.Logical().WriteWithContext(ctx, "auth/token/revoke-self", nil)
	}
	if err != nil {
		s.log.Warn("cannot revoke a token of Vault that was replaced", "accessor", secret.Auth.Accessor, "error", plain(err))
	}
}

// watch returns when the token is over, or another should be got, and says why. A
// token that is denied something may be replaced after a pause.
func (s *session) watch(ctx context.Context, secret *api.Secret, denied time.Duration) string {
	watcher, err := s.watched.NewLifetimeWatcher(&api.LifetimeWatcherInput{Secret: secret})
	if err != nil {
		return "it cannot be watched"
	}
	if secret.Auth.LeaseDuration > 0 { // else it never ends
		go watcher.Start()
		defer watcher.Stop()
	}
	got := time.Now()
	prepare := time.NewTimer(0)
	defer prepare.Stop()
	for {
		select {
		case <-ctx.Done():
			return "the keyring is closed"
		case err := <-watcher.DoneCh(): // failure, end of life and revocation look alike
			if err != nil {
				return "it was not renewed: " + plain(err).Error()
			}
			return "it was not renewed"
		case <-watcher.RenewCh():
			s.log.Debug("renewed the token of Vault")
		case <-prepare.C:
			if pause := s.prepare(ctx); pause > 0 {
				prepare.Reset(pause)
			}
		case <-s.denials:
			if !s.alive(ctx) {
				return "Vault does not know it"
			}
			if time.Since(got) > jitter(denied) && s.login.fresh() {
				return notEnough
			}
			s.sleep(ctx, lookPause)
		}
	}
}

func (s *session) prepare(ctx context.Context) time.Duration {
	pause, err := s.login.prepare(ctx, s.calls)
	if err != nil {
		s.log.Warn("cannot prepare the next login to Vault", "error", err)
		return jitter(mostPause)
	}
	return pause
}

// alive asks whether the token is good. Without an answer it counts as good.
func (s *session) alive(ctx context.Context) bool {
	c := &caller{api: s.calls.api, timeout: s.calls.timeout, lost: s.calls.lost} // whose denials tell nobody
	_, _, err := c.do(ctx, http.MethodGet, "auth/token/lookup-self", nil)
	return statusOf(err) != http.StatusForbidden
}

// again logs in until it works. It returns nil when the session is closed.
func (s *session) again(ctx context.Context) *api.Secret {
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		if !s.sleep(ctx, pause) {
			return nil
		}
		secret, err := s.once(ctx)
		if err == nil {
			return secret
		}
		s.log.Warn("cannot log in to Vault", "error", err)
	}
}

// sleep is false if the session is closed meanwhile.
func (s *session) sleep(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(jitter(pause))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// jitter is between half of a time and all of it.
func jitter(d time.Duration) time.Duration {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails: it ends the process instead
	half := uint64(d / 2)
	return time.Duration(half + binary.LittleEndian.Uint64(b[:])%(half+1))
}

// close ends the token at Vault, as far as that can be reached.
func (s *session) close() {
	s.stop()
	<-s.ended
	s.calls.denied.Store(nil)
	s.login.end(context.Background(), s.calls)
	s.calls.closed.Store(true)
	s.calls.api.ClearToken()
	s.calls.lost()
}

func noToken(format string, args ...any) error {
	return fault.New(fault.KeyringUnavailable, format, args...)
}
