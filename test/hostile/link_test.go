package hostile_test

import (
	"context"
	"fmt"
	"runtime/debug"

	"nod/crypto/seal"
	"nod/fault"
	"nod/wire"
)

// link carries the calls of one role to another: past the attacker, if it speaks
// here, and past the watch.
type link struct {
	s        *stage
	from, to seal.Role
	next     wire.Caller
	peer     *wire.Peer // who calls; nil: the role's own instance
}

// call is one call in the attacker's hands.
type call struct {
	ctx     context.Context //nolint:containedctx // it is the call's own
	link    *link
	method  wire.Method
	request []byte
}

// trick is what the attacker does to one call of a method. It is used once.
type trick struct {
	what     string
	from, to seal.Role
	method   wire.Method
	skip     int // calls that pass first
	play     func(c *call) ([]byte, error)
	played   bool
}

// heard is a call that passed, as both sides said it.
type heard struct {
	link            *link
	request, answer []byte // bodies
}

// kept is how many calls of a method the attacker remembers.
const kept = 48

// Call brings a call to its end, or what the attacker makes of it.
func (l *link) Call(ctx context.Context, method wire.Method, request []byte) ([]byte, error) {
	l.s.watch.sent(l, method, request)
	if t := l.s.takeTrick(l, method); t != nil {
		return t.play(&call{ctx, l, method, request})
	}
	return l.forward(ctx, method, request)
}

// forward delivers a call to the server. A server that panics is a finding.
func (l *link) forward(ctx context.Context, method wire.Method, request []byte) (answer []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			l.s.watch.violated("%s: %s panics: %v\n%s", l.to, method, r, debug.Stack())
			answer, err = nil, fault.New(fault.Unexpected, "panic")
		}
	}()
	sent := append([]byte{}, request...)
	done := l.s.watch.arrives(l, method, sent)
	if answer, err = l.next.Call(ctx, method, request); err != nil {
		return nil, err
	}
	code, body := unreply(answer)
	done(code, body)
	if code != "" {
		return answer, nil
	}
	_, said, _ := unwrap(sent)
	l.s.remember(method, heard{l, said, append([]byte{}, body...)})
	return answer, nil
}

// direct is a link without tricks: the attacker's own calls.
type direct struct{ *link }

func (d direct) Call(ctx context.Context, method wire.Method, request []byte) ([]byte, error) {
	return d.forward(ctx, method, request)
}

func (s *stage) remember(method wire.Method, h heard) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := append(s.heard[method], h)
	s.heard[method] = all[max(0, len(all)-kept):]
}

// past is what was heard of a method, the newest last.
func (s *stage) past(method wire.Method) []heard {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]heard(nil), s.heard[method]...)
}

// lay lays a trick in wait.
func (s *stage) lay(t *trick) *trick {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tricks = append(s.tricks, t)
	return t
}

// lift takes all tricks away, and reports whether t was played.
func (s *stage) lift(t *trick) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tricks = nil
	return t.played
}

func (s *stage) takeTrick(l *link, method wire.Method) *trick {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, t := range s.tricks {
		if t.from != l.from || t.to != l.to || t.method != method {
			continue
		}
		if t.skip > 0 {
			t.skip--
			continue
		}
		t.played = true
		s.tricks = append(s.tricks[:i:i], s.tricks[i+1:]...)
		return t
	}
	return nil
}

// forward delivers a request as the call's.
func (c *call) forward(request []byte) ([]byte, error) {
	return c.link.forward(c.ctx, c.method, request)
}

// message decodes what the caller sends.
func (c *call) message() wire.Message {
	m := shapes()[c.method].request()
	_, body, ok := unwrap(c.request)
	if !ok || wire.Unmarshal(body, m) != nil {
		panic(fmt.Sprintf("hostile: %s does not decode", c.method))
	}
	return m
}

// send delivers another message in the call's place.
func (c *call) send(m wire.Message) ([]byte, error) {
	chain, _, _ := unwrap(c.request)
	return c.forward(wrap(chain, encode(c.link.s.rng, m)))
}

// bending is a trick that changes a request on the way.
func bending[M any, P interface {
	*M
	wire.Message
}](s *stage, from, to seal.Role, method wire.Method, change func(P)) *trick {
	return s.lay(&trick{from: from, to: to, method: method, play: func(c *call) ([]byte, error) {
		m := c.message().(P)
		change(m)
		return c.send(m)
	}})
}

// answering is a trick that changes an answer on the way, if there is one.
func answering[M any, P interface {
	*M
	wire.Message
}](s *stage, from, to seal.Role, method wire.Method, change func(P)) *trick {
	return s.lay(&trick{from: from, to: to, method: method, play: func(c *call) ([]byte, error) {
		answer, err := c.forward(c.request)
		if err != nil {
			return nil, err
		}
		m := P(new(M))
		if !decodes(answer, m) {
			return answer, nil
		}
		change(m)
		return reply("", encode(s.rng, m)), nil
	}})
}

// decodes reads an answer that is no fault.
func decodes(answer []byte, m wire.Message) bool {
	code, body := unreply(answer)
	return code == "" && wire.Unmarshal(body, m) == nil
}

// waits reports whether a trick was not played yet.
func (s *stage) waits(t *trick) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !t.played
}
