package seal

import (
	"bytes"
	stdhpke "crypto/hpke"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/cloudflare/circl/kem/xwing"

	"nod/crypto/canon"
)

var update = flag.Bool("update", false, "write testdata anew")

type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }
func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// vectors is testdata/vectors.json: everything that another implementation needs
// to check its sealing, certificates and trust bundles.
type vectors struct {
	Comment string       `json:"comment"`
	Sealed  []sealVector `json:"sealed"`
	Cert    certVector   `json:"certificate"`
	Bundles []string     `json:"bundles"` // the second replaces the first
}

type sealVector struct {
	RecipientSeed     hexBytes          `json:"recipient_seed"` // X-Wing, 32 bytes
	KeyID             KeyID             `json:"key_id"`
	Role              Role              `json:"role"`
	Kind              Kind              `json:"kind"`
	Request           canon.RequestHash `json:"request"`
	Place             canon.Digest      `json:"place"`
	Party             string            `json:"party"`
	Model             canon.ModelID     `json:"model"`
	Expiry            int64             `json:"expiry"` // Unix seconds
	Info              hexBytes          `json:"info"`
	Associated        hexBytes          `json:"associated_data"`
	EncapsulationSeed hexBytes          `json:"encapsulation_seed"` // 64 bytes
	Plain             hexBytes          `json:"plain"`
	Sealed            hexBytes          `json:"sealed"`
}

func (v *sealVector) context() Context {
	return Context{Kind: v.Kind, Request: v.Request, Place: v.Place, Party: v.Party, Model: v.Model, Expiry: time.Unix(v.Expiry, 0)}
}

type certVector struct {
	IdentityPublic hexBytes `json:"identity_public_key"`
	Role           Role     `json:"role"`
	Use            Use      `json:"use"`
	PublicKey      hexBytes `json:"public_key"`
	KeyID          KeyID    `json:"key_id"`
	NotBefore      int64    `json:"not_before"`
	NotAfter       int64    `json:"not_after"`
	Version        uint32   `json:"identity_version"`
	Signed         hexBytes `json:"signed_bytes"`
	Certificate    hexBytes `json:"certificate"`
}

func makeVectors(t *testing.T) *vectors {
	t.Helper()
	v := &vectors{Comment: "HPKE base mode, X-Wing (0x647a), HKDF-SHA-256, AES-128-GCM. docs/spec/sealing.md. Public test keys only."}
	for i, kind := range []Kind{Probe, Enrolment} {
		role := Roles()[i]
		s := sealVector{
			RecipientSeed:     bytes.Repeat([]byte{byte(i + 1)}, xwing.SeedSize),
			EncapsulationSeed: bytes.Repeat([]byte{byte(i + 17)}, xwing.EncapsulationSeedSize),
			Role:              role,
			Kind:              kind,
			Request:           testContext().Request,
			Place:             testContext().Place,
			Party:             testContext().Party,
			Model:             testContext().Model,
			Expiry:            testContext().Expiry.Unix(),
			Plain:             bytes.Repeat([]byte{0x5a}, 32<<i),
		}
		_, public := xwing.DeriveKeyPairPacked(s.RecipientSeed)
		cert, err := Issue(t.Context(), identity(role), role, ForRecipient, public, now, now.Add(Lifetime))
		if err != nil {
			t.Fatal(err)
		}
		key, err := testBundle(t).Recipient(cert.Bytes(), role, now)
		if err != nil {
			t.Fatal(err)
		}
		c := s.context()
		s.KeyID = key.id
		s.Info = c.info()
		s.Associated = c.associated(role, key.id)
		if s.Sealed, err = sealWith(bytes.NewReader(s.EncapsulationSeed), key, c, s.Plain); err != nil {
			t.Fatal(err)
		}
		v.Sealed = append(v.Sealed, s)
	}
	key := public(keyFor("verdict"))
	cert, err := Issue(t.Context(), signer(keyFor("matcher"), 3), Matcher, ForVerdict, key, now, now.Add(Lifetime))
	if err != nil {
		t.Fatal(err)
	}
	v.Cert = certVector{hexBytes(public(keyFor("matcher"))), Matcher, ForVerdict, hexBytes(key), cert.KeyID(),
		cert.NotBefore.Unix(), cert.NotAfter.Unix(), cert.IdentityVersion, cert.body(), cert.Bytes()}
	for _, b := range []*Bundle{twoVersions(t), nextBundle(t, twoVersions(t), everyone()...)} {
		data, err := b.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		v.Bundles = append(v.Bundles, string(data))
	}
	return v
}

func TestVectors(t *testing.T) {
	made, err := json.MarshalIndent(makeVectors(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	made = append(made, '\n')
	const path = "testdata/vectors.json"
	if *update {
		if err := os.WriteFile(path, made, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made, data) {
		t.Fatal("the vectors changed: every other implementation would have to")
	}
}

// The standard library's HPKE, which shares no code with circl's, opens the
// vectors and seals to Recipients.
func TestStandardLibraryAgrees(t *testing.T) {
	for _, v := range makeVectors(t).Sealed {
		private, err := stdhpke.MLKEM768X25519().NewPrivateKey(v.RecipientSeed)
		if err != nil {
			t.Fatal(err)
		}
		body := v.Sealed[KeyIDSize:]
		opener, err := stdhpke.NewRecipient(body[:encSize], private, stdhpke.HKDFSHA256(), stdhpke.AES128GCM(), v.Info)
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := opener.Open(v.Associated, body[encSize:]); err != nil || !bytes.Equal(plain, v.Plain) {
			t.Fatalf("%s: opened %x, %v", v.Kind, plain, err)
		}
	}

	r := newRecipients(t, Matcher)
	data, err := r.Certificate(now)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ParseCert(data)
	if err != nil {
		t.Fatal(err)
	}
	public, err := stdhpke.MLKEM768X25519().NewPublicKey(cert.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	c, id := testContext(), cert.KeyID()
	enc, sender, err := stdhpke.NewSender(public, stdhpke.HKDFSHA256(), stdhpke.AES128GCM(), c.info())
	if err != nil {
		t.Fatal(err)
	}
	ct, err := sender.Seal(c.associated(Matcher, id), []byte("share"))
	if err != nil {
		t.Fatal(err)
	}
	sealed := append(append(append([]byte{}, id[:]...), enc...), ct...)
	if plain, err := r.Open(c, sealed, 5, now); err != nil || string(plain) != "share" {
		t.Fatalf("opened %q, %v", []byte(plain), err)
	}
}
