package client_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"math/rand/v2"
	"testing"
	"time"

	"nod/client"
	"nod/crypto/code"
	"nod/crypto/code/codetest"
	"nod/crypto/prg"
	"nod/crypto/seal"
	"nod/crypto/share"
	"nod/orders"
)

// now is the moment at which the tests happen.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const origin = "https://bank.example"

func identityOf(role seal.Role) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("identity of " + role))
	return ed25519.NewKeyFromSeed(seed[:])
}

func signAs(role seal.Role) seal.SignFunc {
	return func(_ context.Context, message []byte) ([]byte, uint32, error) {
		return ed25519.Sign(identityOf(role), message), 1, nil
	}
}

// world is the servers' side of sealing and signing, and a relying party.
type world struct {
	matcher, custodian *seal.Recipients
	signers            [2]*seal.Signers
	bundle             *seal.Bundle
	rp                 *client.RelyingParty
	models             []*code.Model
	plan               *code.Plan
	rng                *rand.Rand
}

func newWorld(t testing.TB) *world {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	w := &world{
		matcher:   seal.NewRecipients(seal.Matcher),
		custodian: seal.NewRecipients(seal.Custodian),
		signers:   [2]*seal.Signers{seal.NewSigners(seal.Matcher), seal.NewSigners(seal.Custodian)},
		rng:       rng,
		models: []*code.Model{
			codetest.Model(rng, codetest.Shape{Bits: 128, MaxWeight: 31, Plausibility: true}),
			codetest.Model(rng, codetest.Shape{Bits: 256, Rotations: 16}),
		},
	}
	w.plan = codetest.Plan(code.FMR1e3, w.models...)
	identities := map[seal.Role][]seal.Identity{}
	for _, role := range seal.Roles() {
		identities[role] = []seal.Identity{{Version: 1, Key: identityOf(role).Public().(ed25519.PublicKey)}}
	}
	var err error
	if w.bundle, err = seal.NewBundle(identities, identityOf("offline").Public().(ed25519.PublicKey)); err != nil {
		t.Fatal(err)
	}
	for _, rotate := range []func() error{
		func() error { return w.matcher.Rotate(t.Context(), now, signAs(seal.Matcher)) },
		func() error { return w.custodian.Rotate(t.Context(), now, signAs(seal.Custodian)) },
		func() error { return w.signers[0].Rotate(t.Context(), now, signAs(seal.Matcher)) },
		func() error { return w.signers[1].Rotate(t.Context(), now, signAs(seal.Custodian)) },
	} {
		if err := rotate(); err != nil {
			t.Fatal(err)
		}
	}
	key, err := orders.NewPrivateKey("EdDSA")
	if err != nil {
		t.Fatal(err)
	}
	w.rp = &client.RelyingParty{ID: origin, Purpose: "account-opening", Model: w.models[0].ID(), Policy: w.plan.Policy,
		Key: key, Bundle: w.bundle}
	return w
}

func (w *world) device(t testing.TB, attest client.Attest) *client.Device {
	t.Helper()
	d, err := client.NewDevice(origin, w.bundle, attest)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (w *world) request(t testing.TB, d *client.Device) []byte {
	t.Helper()
	citizen, err := orders.NewCitizen("1234567(8)")
	if err != nil {
		t.Fatal(err)
	}
	request, err := w.rp.Request(citizen, "consent-1", d.PublicKey(), now)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// answer is what honest servers answer to a request.
func (w *world) answer(t testing.TB, request []byte) []byte {
	t.Helper()
	r, err := orders.ParseRequest(request)
	if err != nil {
		t.Fatal(err)
	}
	a := &orders.Answer{Request: r.Hash(), Nonces: [2]orders.Nonce{orders.NewNonce(), orders.NewNonce()},
		Model: r.Model, Policy: r.Policy, Expiry: now.Add(3 * time.Minute)}
	for i, recipients := range []*seal.Recipients{w.matcher, w.custodian} {
		if a.Recipients[i], err = recipients.Certificate(now); err != nil {
			t.Fatal(err)
		}
	}
	var signatures [2]seal.Signature
	for i, s := range w.signers {
		if signatures[i], err = s.Sign(now, a.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	return orders.CombineAnswer(a, signatures[0], signatures[1])
}

// photos are the features of three photos of one person, and the codes that the
// models make of them.
func (w *world) photos(t testing.TB) (client.Features, []code.Code) {
	t.Helper()
	first := codetest.Features(w.rng, w.models[0].Dimension())
	vectors := [][]float32{first, codetest.Near(w.rng, first, 0.1), codetest.Near(w.rng, first, 0.1)}
	var codes []code.Code
	for _, m := range w.models {
		x, err := m.Encode(vectors...)
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, x)
	}
	return client.Features{w.models[0].Network(): vectors}, codes
}

// join opens both halves as the two servers would, and joins what only both
// together could.
func (w *world) join(t testing.TB, c seal.Context, sealed0, sealed1 []byte, models []*code.Model) []code.Code {
	t.Helper()
	total := 0
	var lengths []int
	for _, m := range models {
		lengths = append(lengths, m.Bits())
		total += m.Bits() / 8
	}
	x0, err := w.matcher.Open(c, sealed0, total, now)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := w.custodian.Open(c, sealed1, prg.Size, now)
	if err != nil {
		t.Fatal(err)
	}
	codes := share.Expand((*prg.Seed)(seed), lengths...)
	for _, x := range codes {
		part, err := code.CodeFromBytes(x.Bits(), x0[:x.Bits()/8])
		if err != nil {
			t.Fatal(err)
		}
		x.Xor(part)
		x0 = x0[x.Bits()/8:]
	}
	return codes
}
