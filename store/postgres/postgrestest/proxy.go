package postgrestest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
)

// Proxy passes connections on to a server, until it is told to cut them.
type Proxy struct {
	listener net.Listener
	target   string
	served   sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	silent bool   // replies are dropped, requests still pass
	marker string // a request that holds it has the replies dropped from then on
	closed bool
}

// NewProxy listens on the loopback and passes connections on to target.
func NewProxy(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // local
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, target: target, conns: map[net.Conn]bool{}}
	p.served.Go(p.accept)
	return p, nil
}

// Address is where the proxy listens.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Silence drops every reply from now on, or no more.
func (p *Proxy) Silence(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.silent, p.marker = on, ""
}

// SilenceAt drops every reply from the request on that holds a marker.
func (p *Proxy) SilenceAt(marker string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.marker = marker
}

// Cut closes every connection that is open.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// Close cuts every connection and listens no more.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.listener.Close()
	p.Cut()
	p.served.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target) //nolint:noctx // local
		if err != nil {
			_ = client.Close()
			continue
		}
		if !p.keep(client, server) {
			continue
		}
		p.served.Go(func() { p.pass(server, client, false) })
		p.served.Go(func() { p.pass(client, server, true) })
	}
}

// keep remembers a pair of connections, or closes it if the proxy is closed.
func (p *Proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.closed {
			_ = c.Close()
		} else {
			p.conns[c] = true
		}
	}
	return !p.closed
}

// pass copies one direction until either side closes.
func (p *Proxy) pass(to, from net.Conn, replies bool) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		if !replies && p.marker != "" && bytes.Contains(buffer[:n], []byte(p.marker)) {
			p.silent = true
		}
		drop := replies && p.silent
		p.mu.Unlock()
		if n > 0 && !drop {
			if _, writing := to.Write(buffer[:n]); writing != nil {
				err = errors.Join(err, writing)
			}
		}
		if err != nil {
			break
		}
	}
	p.mu.Lock()
	delete(p.conns, to)
	delete(p.conns, from)
	p.mu.Unlock()
	_ = to.Close()
	_ = from.Close()
}

var _ io.Closer = (*Proxy)(nil)
