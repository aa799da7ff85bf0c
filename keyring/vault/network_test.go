package vault_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"nod/crypto/seal"
	"nod/fault"
	"nod/keyring/vault"
	"nod/keyring/vault/vaulttest"
)

// wire is a network between a Keyring and its server.
type wire struct {
	listener net.Listener
	target   string

	mu     sync.Mutex
	cut    chan struct{} // closed: the connections made until now are dead
	opened int
}

func newWire(t *testing.T, s *vaulttest.Server) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, target: strings.TrimPrefix(s.Address, "https://"), cut: make(chan struct{})}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.carry(c)
		}
	}()
	return w
}

func (w *wire) carry(c net.Conn) {
	w.mu.Lock()
	w.opened++
	cut := w.cut
	w.mu.Unlock()
	s, err := net.Dial("tcp", w.target)
	if err != nil {
		_ = c.Close()
		return
	}
	oneWay := func(to io.WriteCloser, from io.Reader) {
		buffer := make([]byte, 1<<14)
		for {
			n, err := from.Read(buffer)
			select {
			case <-cut: // swallowed; nobody is told
				if err != nil {
					return
				}
				continue
			default:
			}
			if err != nil {
				_ = to.Close()
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
	}
	go oneWay(s, c)
	oneWay(c, s)
}

// die lets the connections that are there swallow everything, without an end.
func (w *wire) die() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.cut)
	w.cut = make(chan struct{})
}

// Connections that die in silence, as when a machine is lost, are not used for ever.
func TestConnectionsThatDie(t *testing.T) {
	t.Parallel()
	s := vaulttest.Start(t, vaulttest.Options{})
	role := s.Role(t, seal.Custodian, vault.Place{})
	w := newWire(t, s)
	settings := role.Settings()
	settings.Address, settings.Timeout = "https://"+w.listener.Addr().String(), time.Second
	k := role.Open(t, settings)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := k.Ready(context.Background()); err != nil && !fault.Is(err, fault.KeyringUnavailable) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	w.die()
	if err := k.Ready(context.Background()); !fault.Is(err, fault.KeyringUnavailable) {
		t.Fatalf("over a dead connection: %v", err)
	}
	becomes(t, "over new connections", func() error { return mac(k) }, "")
}
