package crash_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"nod/client"
	"nod/crypto/canon"
	"nod/crypto/code"
	"nod/dev"
	"nod/enrol"
	"nod/orders"
	"nod/test/world"
	"nod/wire"
)

// outsider are the parties outside the roles, with a connection of their own and people
// to show. One goroutine at a time.
type outsider struct {
	world.People
	*dev.Connection
}

// Photo is a photo of a person that the plaintext comparison finds plausible, takes for
// the portrait's person, and for none of the others: what comes out of the roles has to
// be the same.
func (s *outsider) Photo(p world.Person, others ...world.Person) client.Features {
	s.T.Helper()
	for {
		photo := s.People.Photo(p)
		x, err := s.Model.Encode(photo[s.Model.Network()][0])
		must(s.T, err)
		if s.plausible(x) && s.match(x, p) && !slices.ContainsFunc(others, func(o world.Person) bool { return s.match(x, o) }) {
			return photo
		}
	}
}

func (s *outsider) match(x code.Code, p world.Person) bool {
	u := s.Code(p)
	u.Xor(x)
	return s.Model.Match().Distance(u) < s.Bound
}

func (s *outsider) plausible(x code.Code) bool {
	check, bound, asked := s.Model.Plausibility()
	return !asked || check.Distance(x) < bound
}

// limit bounds a call, so that a test that hangs says where.
const limit = 20 * time.Second

func (s *outsider) within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), limit)
}

// named is a new citizen with a face.
func (s *stage) named(face world.Person) world.Person {
	s.citizens++
	return world.Person{Name: s.Citizen(fmt.Sprintf("citizen-%d", s.citizens)), Face: face.Face}
}

// as is another face under the same name.
func as(citizen, face world.Person) world.Person {
	return world.Person{Name: citizen.Name, Face: face.Face}
}

func (s *outsider) enrol(p world.Person) (*enrol.Enrolled, error) {
	ctx, cancel := s.within()
	defer cancel()
	return s.Station.Enrol(ctx, p.Name, 0, s.Model, s.Portrait(p))
}

// says is the verdict on a shown face, which must come.
func (s *outsider) says(shown world.Person) bool {
	s.T.Helper()
	ctx, cancel := s.within()
	defer cancel()
	v, err := s.Verify(ctx, shown.Name, s.Photo(shown))
	must(s.T, err)
	return v.Verdict.Match
}

func (s *outsider) expect(shown world.Person, want bool) {
	s.T.Helper()
	if got := s.says(shown); got != want {
		s.T.Errorf("verdict %v, want %v", got, want)
	}
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// order signs an order of the bureau.
func (s *outsider) order(kind orders.OrderKind, p world.Person) []byte {
	s.T.Helper()
	now := time.Now()
	order, err := orders.SignOrder(s.Bureau, &orders.Order{
		Kind: kind, Citizen: p.Name, JTI: rand.Text(), IssuedAt: now.Truncate(time.Millisecond), Expiry: now.Add(time.Hour),
	})
	must(s.T, err)
	return order
}

// deliver delivers an order; nil means that both servers have signed.
func (s *outsider) deliver(order []byte, kind orders.ReceiptKind) error {
	ctx, cancel := s.within()
	defer cancel()
	done, err := s.Matcher.Order(ctx, &wire.OrderRequest{Order: order})
	if err != nil {
		return err
	}
	_, err = orders.VerifyReceipt(done.Receipt, s.Bundle, kind, orders.HashOrder(order))
	return err
}

// played is one verification, as its parties remember it.
type played struct {
	device  *client.Device
	request []byte
	answer  []byte // to the opening, or nil
	probe   *wire.ProbeRequest
	signed  []byte // verdict, or nil
}

// play plays a verification as far as it goes.
func (s *outsider) play(shown world.Person, others ...world.Person) (p *played, err error) {
	p = new(played)
	if p.device, err = client.NewDevice(s.RP.ID, s.Bundle, nil); err != nil {
		return p, err
	}
	if p.request, err = s.RP.Request(shown.Name, "consent-1", p.device.PublicKey(), time.Now()); err != nil {
		return p, err
	}
	return p, s.goOn(p, shown, others...)
}

// goOn opens a session for the request, or again, and shows a face in it.
func (s *outsider) goOn(p *played, shown world.Person, others ...world.Person) error {
	ctx, cancel := s.within()
	defer cancel()
	opened, err := s.Matcher.Open(ctx, &wire.OpenRequest{Request: p.request})
	if err != nil {
		return err
	}
	p.answer = opened.Answer
	if p.probe, err = p.device.Probe(p.request, opened.Answer, s.Plan, s.Photo(shown, others...), time.Now()); err != nil {
		return err
	}
	return s.show(p)
}

// show sends the probe, or sends it again.
func (s *outsider) show(p *played) error {
	ctx, cancel := s.within()
	defer cancel()
	done, err := s.Matcher.Verify(ctx, p.probe)
	if err != nil {
		return err
	}
	if p.signed != nil && !bytes.Equal(p.signed, done.Verdict) {
		s.T.Error("the same probe got another verdict")
	}
	p.signed = done.Verdict
	return nil
}

// verdict is the one that was got, checked as its relying party does.
func (s *outsider) verdict(p *played) bool {
	s.T.Helper()
	v, err := s.RP.Verdict(p.request, p.signed, time.Now())
	must(s.T, err)
	return v.Match
}

// renew moves every template to the newest pad key.
func (s *stage) renew() error {
	ctx, cancel := s.within()
	defer cancel()
	var cursor []byte
	for {
		page, err := s.Matcher.Renew(ctx, &wire.RenewRequest{Cursor: cursor, Limit: 1})
		if err != nil {
			return err
		}
		if page.Failed > 0 {
			return fmt.Errorf("%d templates cannot be renewed", page.Failed)
		}
		if cursor = page.Cursor; len(cursor) == 0 {
			return nil
		}
	}
}

// pad is one of the custodian's, as its rows say.
type pad struct {
	row     canon.RowID
	counter uint64
	salt    string
}

// slot is what a citizen's slot has at the custodian.
func (s *stage) slot(value []byte) (active *pad, pending []pad) {
	s.T.Helper()
	r := canon.NewReader("pad-slot", value)
	read := func() (p pad) {
		r.Fixed(p.row[:])
		p.counter = r.Uint64()
		r.Bytes(32, 32) // model
		p.salt = string(r.Bytes(32, 32))
		r.Uint64() // version
		r.Uint64() // expiry
		return p
	}
	has, waits := r.Uint(1), r.Uint(16)
	if has == 1 {
		p := read()
		active = &p
	}
	for range waits {
		pending = append(pending, read())
	}
	must(s.T, r.Close())
	return active, pending
}

// template is the row and counter of a template at the matcher.
func (s *stage) template(value []byte) (p pad) {
	s.T.Helper()
	r := canon.NewReader("template", value)
	r.Fixed(p.row[:])
	p.counter = r.Uint64()
	r.Bytes(32, 32)
	r.Bytes(1, 1<<20)
	must(s.T, r.Close())
	return p
}

// handles are the names under which both servers keep an enrolled row's citizen.
func (s *stage) handles(id canon.RowID) (atMatcher, atCustodian string) {
	s.T.Helper()
	for _, r := range s.rows("matcher", "template") {
		if s.template(r.Value).row == id {
			atMatcher = r.Partition
		}
	}
	for _, r := range s.rows("custodian", "pad") {
		active, pending := s.slot(r.Value)
		holds := func(p pad) bool { return p.row == id }
		if active != nil && holds(*active) || slices.ContainsFunc(pending, holds) {
			atCustodian = r.Partition
		}
	}
	if atMatcher == "" || atCustodian == "" {
		s.T.Fatal("an enrolled row is not at both servers")
	}
	return atMatcher, atCustodian
}
