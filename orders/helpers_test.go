package orders

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"nod/crypto/canon"
	"nod/crypto/seal"
)

// now is the moment at which the tests happen.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func hash(name string) [32]byte { return sha256.Sum256([]byte(name)) }

// identityOf is a role's identity key, the same in every run.
func identityOf(role seal.Role) ed25519.PrivateKey {
	seed := hash("identity of " + string(role))
	return ed25519.NewKeyFromSeed(seed[:])
}

func signAs(role seal.Role) seal.SignFunc {
	return func(_ context.Context, message []byte) ([]byte, uint32, error) {
		return ed25519.Sign(identityOf(role), message), 1, nil
	}
}

// world is everything around one verification: both servers' short-lived keys,
// the trust bundle, a relying party and a client.
type world struct {
	bundle     *seal.Bundle
	recipients [2]*seal.Recipients
	signers    [2]*seal.Signers
	rp         *PrivateKey
	client     *PrivateKey
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{rp: newKey(t, "ES256"), client: newKey(t, "ES256")}
	identities := map[seal.Role][]seal.Identity{}
	for _, role := range seal.Roles() {
		identities[role] = []seal.Identity{{Version: 1, Key: identityOf(role).Public().(ed25519.PublicKey)}}
	}
	var err error
	if w.bundle, err = seal.NewBundle(identities, identityOf("offline").Public().(ed25519.PublicKey)); err != nil {
		t.Fatal(err)
	}
	for i, role := range servers() {
		w.recipients[i], w.signers[i] = seal.NewRecipients(role), seal.NewSigners(role)
		if err := w.recipients[i].Rotate(context.Background(), now, signAs(role)); err != nil {
			t.Fatal(err)
		}
		if err := w.signers[i].Rotate(context.Background(), now, signAs(role)); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func newKey(t testing.TB, algorithm string) *PrivateKey {
	t.Helper()
	k, err := NewPrivateKey(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// fixedKey is an Ed25519 key that is the same in every process: a fuzzer's
// workers share what they find.
func fixedKey(t testing.TB, name string) *PrivateKey {
	t.Helper()
	seed := hash(name)
	public := ed25519.NewKeyFromSeed(seed[:])[ed25519.SeedSize:]
	k, err := ParsePrivateKey(fmt.Appendf(nil, `{"kty":"OKP","crv":"Ed25519","x":"%s","d":"%s"}`, encodeBase64(public), encodeBase64(seed[:])))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func citizen(t testing.TB, reference string) Citizen {
	t.Helper()
	c, err := NewCitizen(reference)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const testRP = "https://bank.example"

func (w *world) request(t testing.TB) *Request {
	t.Helper()
	return &Request{
		RP:       testRP,
		Citizen:  citizen(t, "1234567(8)"),
		Purpose:  "account-opening",
		Consent:  "consent-4711",
		Model:    hash("model"),
		Policy:   hash("policy"),
		Client:   w.client.Public(),
		JTI:      "0123456789abcdef",
		IssuedAt: now,
		Expiry:   now.Add(RequestWindow),
	}
}

func (w *world) signedRequest(t testing.TB, r *Request) []byte {
	t.Helper()
	compact, err := SignRequest(w.rp, r)
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// parties registers the world's relying party.
func (w *world) parties(id string) (Party, bool) {
	return Party{Keys: []*PublicKey{w.rp.Public()}, Purposes: []string{"account-opening"}}, id == testRP
}

// answer is what honest servers answer to a request.
func (w *world) answer(t testing.TB, request []byte) *Answer {
	t.Helper()
	a := &Answer{
		Request: HashRequest(request),
		Nonces:  [2]Nonce{hash("nonce 0"), hash("nonce 1")},
		Model:   hash("model"),
		Policy:  hash("policy"),
		Expiry:  now.Add(3 * time.Minute),
	}
	for i, r := range w.recipients {
		var err error
		if a.Recipients[i], err = r.Certificate(now); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// signedAnswer is a, signed by both servers.
func (w *world) signedAnswer(t testing.TB, a *Answer) []byte {
	t.Helper()
	return CombineAnswer(a, w.sign(t, 0, a.Bytes()), w.sign(t, 1, a.Bytes()))
}

func (w *world) sign(t testing.TB, server int, message []byte) seal.Signature {
	t.Helper()
	s, err := w.signers[server].Sign(now, message)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// verdict is what honest servers say at the end.
func (w *world) verdict(request []byte, match bool) *Verdict {
	q := HashRequest(request)
	return &Verdict{
		Request:   q,
		Session:   Session(q, hash("nonce 0"), hash("nonce 1")),
		RP:        testRP,
		Pseudonym: Pseudonym(hash("p0"), hash("p1")),
		Purpose:   "account-opening",
		Model:     hash("model"),
		Policy:    hash("policy"),
		FMR:       "1e-4",
		IssuedAt:  now.Add(10 * time.Second),
		Expiry:    now.Add(190 * time.Second),
		Leaves:    [2]canon.Digest{hash("leaf 0"), hash("leaf 1")},
		Match:     match,
	}
}

// signedVerdict is v, signed by both servers.
func (w *world) signedVerdict(t testing.TB, v *Verdict) []byte {
	t.Helper()
	payload, err := v.Payload()
	if err != nil {
		t.Fatal(err)
	}
	out, err := CombineVerdict(payload, w.signVerdict(t, 0, payload), w.signVerdict(t, 1, payload))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *world) signVerdict(t testing.TB, server int, payload []byte) []byte {
	t.Helper()
	s, err := SignVerdict(w.signers[server], payload, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func expected() Expected {
	return Expected{RP: testRP, Purpose: "account-opening", Model: hash("model"), Policy: hash("policy")}
}

// flips calls f with one bit of every byte of data flipped in turn (under the
// race detector, of some bytes); data is restored.
func flips(data []byte, f func(changed []byte, at int)) {
	for i := 0; i < len(data); i += stride {
		data[i] ^= 1 << (i % 8)
		f(data, i)
		data[i] ^= 1 << (i % 8)
	}
}
