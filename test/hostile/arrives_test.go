package hostile_test

import (
	"time"

	"nod/crypto/canon"
	"nod/crypto/seal"
	"nod/fault"
	"nod/orders"
	"nod/wire"
)

// arrives sees a call as it reaches a server, and what the server answers.
func (w *watch) arrives(l *link, method wire.Method, request []byte) (done func(fault.Code, []byte)) {
	_, body, _ := unwrap(request)
	if !w.s.honest(l.to) {
		return func(fault.Code, []byte) {}
	}
	// What depends on the state before the call.
	var may bool
	start := new(wire.CompareStart)
	if method == wire.CustodianStart && wire.Unmarshal(body, start) == nil {
		may = w.allowed(seal.Custodian, start)
	}
	return func(code fault.Code, answer []byte) {
		if code != "" {
			return
		}
		m := shapes()[method]
		q, a := m.request(), m.answer()
		if wire.Unmarshal(body, q) != nil || wire.Unmarshal(answer, a) != nil {
			w.violated("%s: %s answers what does not decode", l.to, method)
			return
		}
		w.answered(l, method, q, a, may)
	}
}

func (w *watch) answered(l *link, method wire.Method, q, a wire.Message, may bool) {
	switch q := q.(type) {
	case *wire.OpenRequest:
		opened, err := answerOf(a.(*wire.OpenAnswer).Answer)
		if err != nil {
			w.violated("matcher: an answer that does not parse: %v", err)
			return
		}
		w.opens(seal.Matcher, orders.HashRequest(q.Request), &watched{id: opened.Session(), expiry: opened.Expiry})
	case *wire.ProbeRequest:
		w.verdict(q, a.(*wire.VerdictAnswer))
	case *wire.BatchRequest:
		w.dealt(l, q, a.(*wire.BatchAnswer))
	}
	if l.to != seal.Custodian {
		return
	}
	if l.from != seal.Matcher && method != wire.CustodianKeysMethod {
		w.violated("custodian: answers %s to a caller that is no matcher", method)
	}
	w.custodian(l, q, a, may)
}

// answerOf reads what both servers signed, without checking who did.
func answerOf(signed []byte) (*orders.Answer, error) {
	r := canon.NewReader("signed-answer", signed)
	body := append([]byte{}, r.Bytes(0, len(signed))...)
	return orders.ParseAnswer(body)
}

func (w *watch) verdict(q *wire.ProbeRequest, a *wire.VerdictAnswer) {
	w.mu.Lock()
	var about *asked
	if at := w.sessions[seal.Matcher][q.Session]; at != nil {
		about = w.asked[at.q]
	}
	w.mu.Unlock()
	if about == nil {
		w.violated("matcher: a verdict in a session that it did not open")
		return
	}
	v, err := about.rp.Verdict(about.raw, a.Verdict, w.s.Clock.Now())
	if err != nil {
		// A verdict that is repeated may be too old by now.
		if !fault.Is(err, fault.Expired) {
			w.violated("matcher: a verdict that its relying party refuses: %v", err)
		}
		return
	}
	w.says(seal.Matcher, q.Session, v, a.Verdict)
}

func (w *watch) custodian(l *link, q, a wire.Message, may bool) {
	switch q := q.(type) {
	case *wire.SessionOpen:
		hash := orders.HashRequest(q.Request)
		opened := a.(*wire.SessionOpened)
		id := orders.Session(hash, orders.Nonce(q.Nonce0()), orders.Nonce(opened.Nonce))
		var instance wire.Instance
		if l.peer != nil {
			instance = l.peer.Instance
		}
		w.opens(seal.Custodian, hash, &watched{id: id, instance: instance, expiry: time.Unix(int64(opened.Expiry), 0)})
	case *wire.CompareStart:
		w.owned(l, q.Session, "Start")
		for _, c := range q.Checks {
			w.mine(l, c.Channel, "Start")
		}
		w.compares(seal.Custodian, q, may)
	case *wire.CompareClose:
		w.owned(l, q.Session, "Close")
		v, err := orders.ParsePayload(a.(*wire.CompareClosed).Payload)
		if err != nil {
			w.violated("custodian: a verdict that does not parse: %v", err)
			return
		}
		w.says(seal.Custodian, q.Session, v, a.(*wire.CompareClosed).Payload)
	case *wire.ChannelOpen:
		w.channel(l, q, a.(*wire.ChannelOpened))
	case *wire.BatchToss:
		w.mine(l, q.Channel, "Toss")
	case *wire.BatchReveal:
		w.mine(l, q.Channel, "Reveal")
	case *wire.BatchSacrifice:
		w.mine(l, q.Channel, "Sacrifice")
	}
}

// owned holds a call to the instance that opened its session.
func (w *watch) owned(l *link, id canon.SessionID, what string) {
	w.mu.Lock()
	at := w.sessions[seal.Custodian][id]
	w.mu.Unlock()
	if at != nil && !l.holds(at.instance, at.instance == wire.Instance{}) {
		w.violated("custodian: %s of another instance's session", what)
	}
}

// channel notes whose a channel is.
func (w *watch) channel(l *link, q *wire.ChannelOpen, a *wire.ChannelOpened) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := wire.ChannelID(q.Instance, a.Instance, q.Nonce, a.Nonce, q.Check)
	w.owners[id] = owner{q.Instance, l.peer == nil}
	if l.peer != nil && l.peer.Instance != q.Instance {
		w.findings = append(w.findings, "custodian: a channel in another instance's name")
	}
}

// mine holds a call to the instance that opened its channel.
func (w *watch) mine(l *link, id canon.ChannelID, what string) {
	w.mu.Lock()
	o, ok := w.owners[id]
	w.mu.Unlock()
	if !ok || !l.holds(o.instance, o.own) {
		w.violated("custodian: %s on a channel that is not the caller's", what)
	}
}

// dealt holds the dealer to giving each party its own halves.
func (w *watch) dealt(l *link, q *wire.BatchRequest, a *wire.BatchAnswer) {
	party := 0
	if l.from == seal.Custodian {
		party = 1
	}
	if l.peer != nil && l.peer.Instance != [2]wire.Instance{q.Matcher, q.Custodian}[party] || l.from == outsider {
		w.violated("dealer: halves of another instance")
	}
	for i := range a.Halves {
		if a.Halves[i].Digests() != a.Digests[i][party] {
			w.violated("dealer: the %s gets halves that are not its own", l.from)
			return
		}
	}
}
