package seal

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"testing"
	"time"

	"nod/fault"
)

func issue(t testing.TB, sign SignFunc, role Role, use Use) []byte {
	t.Helper()
	c, err := Issue(t.Context(), sign, role, use, make([]byte, use.keySize()), now, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return c.Bytes()
}

func TestCertificateOfEachRole(t *testing.T) {
	b := testBundle(t)
	for _, signedBy := range Roles() {
		for _, named := range Roles() {
			for _, wanted := range Roles() {
				_, err := b.Check(issue(t, identity(signedBy), named, ForVerdict), wanted, ForVerdict, now)
				if (err == nil) != (signedBy == named && named == wanted) {
					t.Errorf("signed by %s, names %s, used as %s: %v", signedBy, named, wanted, err)
				}
				if err != nil && !fault.Is(err, fault.BadCertificate) {
					t.Errorf("signed by %s, names %s, used as %s: %v", signedBy, named, wanted, err)
				}
			}
		}
	}
}

func TestCertificateIsForOneUseAndTime(t *testing.T) {
	b := testBundle(t)
	cert := issue(t, identity(Matcher), Matcher, ForVerdict)
	if _, err := b.Recipient(cert, Matcher, now); !fault.Is(err, fault.BadCertificate) {
		t.Errorf("a verdict key was used to seal: %v", err)
	}
	if err := b.Verify(Matcher, nil, Signature{Cert: issue(t, identity(Matcher), Matcher, ForRecipient)}, now); !fault.Is(err, fault.BadCertificate) {
		t.Errorf("a recipient key was used to sign: %v", err)
	}
	for _, c := range []struct {
		at time.Duration
		ok bool
	}{{-Skew - time.Second, false}, {-Skew, true}, {0, true}, {time.Hour + Skew, true}, {time.Hour + Skew + time.Second, false}} {
		_, err := b.Check(cert, Matcher, ForVerdict, now.Add(c.at))
		if (err == nil) != c.ok || (err != nil && !fault.Is(err, fault.KeyExpired)) {
			t.Errorf("at %s: %v", c.at, err)
		}
	}
	// A version of the identity key that the bundle does not list.
	if _, err := b.Check(issue(t, signer(keyFor("matcher"), 2), Matcher, ForVerdict), Matcher, ForVerdict, now); !fault.Is(err, fault.BadCertificate) {
		t.Errorf("an unlisted version: %v", err)
	}
}

func TestIssueNamesTheVersionThatSigned(t *testing.T) {
	c, err := ParseCert(issue(t, signer(keyFor("matcher"), 7), Matcher, ForVerdict))
	if err != nil || c.IdentityVersion != 7 {
		t.Fatalf("version %d, %v", c.IdentityVersion, err)
	}
	version := uint32(1)
	restless := func(_ context.Context, m []byte) ([]byte, uint32, error) {
		version++
		return ed25519.Sign(keyFor("matcher"), m), version, nil
	}
	if _, err := Issue(t.Context(), restless, Matcher, ForVerdict, make([]byte, 32), now, now.Add(time.Hour)); !fault.Is(err, fault.KeyringUnavailable) {
		t.Fatalf("a key that never stands still: %v", err)
	}
}

func TestIssueRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		role Role
		use  Use
		size int
		span time.Duration
		code fault.Code
	}{
		"role":      {"auditor", ForVerdict, 32, time.Hour, fault.BadEncoding},
		"use":       {Matcher, "everything", 32, time.Hour, fault.BadEncoding},
		"key":       {Matcher, ForRecipient, 32, time.Hour, fault.BadKey},
		"backwards": {Matcher, ForVerdict, 32, -time.Hour, fault.OutOfRange},
		"too long":  {Matcher, ForVerdict, 32, MaxLifetime + time.Second, fault.OutOfRange},
	} {
		if _, err := Issue(t.Context(), identity(Matcher), c.role, c.use, make([]byte, c.size), now, now.Add(c.span)); !fault.Is(err, c.code) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryByteOfACertificateCounts(t *testing.T) {
	b := testBundle(t)
	for _, use := range []Use{ForRecipient, ForVerdict} {
		cert := issue(t, identity(Matcher), Matcher, use)
		flips(cert, func(changed []byte, at int) {
			if _, err := b.Check(changed, Matcher, use, now); err == nil {
				t.Fatalf("%s: byte %d changed was accepted", use, at)
			}
		})
		for n := range cert {
			if _, err := ParseCert(cert[:n]); err == nil {
				t.Fatalf("%d bytes of a certificate were accepted", n)
			}
		}
		if _, err := ParseCert(append(bytes.Clone(cert), 0)); err == nil {
			t.Fatal("a byte more was accepted")
		}
		if _, err := ParseCert(make([]byte, MaxCert+1)); !fault.Is(err, fault.Oversize) {
			t.Fatalf("oversize: %v", err)
		}
	}
}

func TestSignatureByVerdictKey(t *testing.T) {
	b := testBundle(t)
	s := NewSigners(Custodian)
	if err := s.Rotate(t.Context(), now, identity(Custodian)); err != nil {
		t.Fatal(err)
	}
	signature, err := s.Sign(now, []byte("message"))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Verify(Custodian, []byte("message"), signature, now); err != nil {
		t.Fatal(err)
	}
	if err := b.Verify(Matcher, []byte("message"), signature, now); !fault.Is(err, fault.BadCertificate) {
		t.Errorf("as the matcher's: %v", err)
	}
	if err := b.Verify(Custodian, []byte("massage"), signature, now); !fault.Is(err, fault.BadSignature) {
		t.Errorf("another message: %v", err)
	}
	flips(signature.Value, func([]byte, int) {
		if b.Verify(Custodian, []byte("message"), signature, now) == nil {
			t.Fatal("a changed signature was accepted")
		}
	})
}

func FuzzParseCert(f *testing.F) {
	f.Add(issue(f, identity(Matcher), Matcher, ForVerdict))
	f.Add(issue(f, identity(Matcher), Matcher, ForRecipient))
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := ParseCert(data); err == nil && !bytes.Equal(c.Bytes(), data) {
			t.Fatal("does not encode to the same bytes")
		}
	})
}
