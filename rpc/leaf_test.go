package rpc

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"nod/crypto/canon"
	"nod/fault"
	"nod/wire"
)

// bent is what a leaf is made of, to be changed.
type bent struct {
	*x509.Certificate
	parent  *x509.Certificate
	signer  crypto.Signer
	private crypto.Signer // of the leaf
	more    [][]byte      // certificates after the leaf
	name    string
	hex     string // of the instance
}

// uri is another text in the place of the name.
func (b *bent) uri(text string) { b.san(names6(text)) }

func (b *bent) san(value []byte) { b.ExtraExtensions[2].Value = value }

// names6 is a subject alternative name of URIs.
func names6(uris ...string) []byte {
	var raws []asn1.RawValue
	for _, u := range uris {
		raws = append(raws, general(6, []byte(u)))
	}
	return must(asn1.Marshal(raws))
}

func general(tag int, value []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, Bytes: value}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// bend makes leaves for somebody that are not as they should be.
func (w *world) bend(t testing.TB, name string, change func(*bent)) *Leaves {
	t.Helper()
	l := NewLeaves(name, w.instances[name], w.keys[name], w.now)
	template := must(l.template(w.now()))
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := &bent{
		Certificate: template, parent: &x509.Certificate{Subject: issuer(name)},
		signer: w.keys[name].private, private: private,
		name: name, hex: nameOf(Peer{name, w.instances[name]})[len("nod://"+name+"/"):],
	}
	change(b)
	der, err := x509.CreateCertificate(rand.Reader, b.Certificate, b.parent, b.private.Public(), b.signer)
	if err != nil {
		t.Fatal(err)
	}
	l.newest.Store(&tls.Certificate{
		Certificate: append([][]byte{der}, b.more...), PrivateKey: b.private,
		Leaf: &x509.Certificate{NotBefore: w.now(), NotAfter: w.now().Add(Lifetime)}, // its own side does not look
	})
	return l
}

func ecKey() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }

// rows of leaves that nobody must accept. The other side then sees fault.NotAllowed.
func badLeaves(t testing.TB, w *world) []struct {
	what   string
	change func(*bent)
	want   fault.Code
} {
	t.Helper()
	stranger := newKey(t)
	at := func(from, to time.Duration) func(*bent) {
		return func(b *bent) {
			b.NotBefore, b.NotAfter = w.now().Add(from), w.now().Add(to)
		}
	}
	oid := asn1.ObjectIdentifier{1, 2, 3, 4}
	return []struct {
		what   string
		change func(*bent)
		want   fault.Code
	}{
		{"signed by a stranger", func(b *bent) { b.signer = stranger.private }, fault.WrongPeer},
		{"signed by another role's key", func(b *bent) { b.signer = w.keys["custodian"].private }, fault.WrongPeer},
		{"signed by a caller's key", func(b *bent) { b.signer = w.keys["edge"].private }, fault.WrongPeer},
		{"signed by itself", func(b *bent) { b.signer = b.private }, fault.WrongPeer},
		{"signed with ECDSA", func(b *bent) { b.signer = ecKey() }, fault.WrongPeer},
		{"an ECDSA key", func(b *bent) { b.private = ecKey() }, fault.WrongPeer},
		{"another role's name", func(b *bent) { b.uri("nod://custodian/" + b.hex) }, fault.WrongPeer},
		{"a caller's name", func(b *bent) { b.uri("nod://edge/" + b.hex) }, fault.WrongPeer},
		{"a name that nobody pinned", func(b *bent) { b.uri("nod://nobody/" + b.hex) }, fault.WrongPeer},

		{"upper case in the name", func(b *bent) { b.uri("nod://" + strings.ToUpper(b.name) + "/" + b.hex) }, fault.WrongPeer},
		{"upper case in the scheme", func(b *bent) { b.uri("NOD://" + b.name + "/" + b.hex) }, fault.WrongPeer},
		{"upper case in the instance", func(b *bent) { b.uri("nod://" + b.name + "/" + strings.ToUpper(b.hex)) }, fault.WrongPeer},
		{"another scheme", func(b *bent) { b.uri("https://" + b.name + "/" + b.hex) }, fault.WrongPeer},
		{"a port", func(b *bent) { b.uri("nod://" + b.name + ":443/" + b.hex) }, fault.WrongPeer},
		{"a user", func(b *bent) { b.uri("nod://x@" + b.name + "/" + b.hex) }, fault.WrongPeer},
		{"an empty user", func(b *bent) { b.uri("nod://@" + b.name + "/" + b.hex) }, fault.WrongPeer},
		{"an encoded name", func(b *bent) { b.uri("nod://%6d" + b.name[1:] + "/" + b.hex) }, fault.WrongPeer},
		{"an encoded path", func(b *bent) { b.uri("nod://" + b.name + "/%" + hexOf(b.hex[0]) + b.hex[1:]) }, fault.WrongPeer},
		{"an encoded slash", func(b *bent) { b.uri("nod://" + b.name + "%2f" + b.hex) }, fault.WrongPeer},
		{"a second slash", func(b *bent) { b.uri("nod://" + b.name + "//" + b.hex) }, fault.WrongPeer},
		{"a slash at the end", func(b *bent) { b.uri("nod://" + b.name + "/" + b.hex + "/") }, fault.WrongPeer},
		{"a dot at the end of the name", func(b *bent) { b.uri("nod://" + b.name + "./" + b.hex) }, fault.WrongPeer},
		{"an empty query", func(b *bent) { b.uri("nod://" + b.name + "/" + b.hex + "?") }, fault.WrongPeer},
		{"an empty fragment", func(b *bent) { b.uri("nod://" + b.name + "/" + b.hex + "#") }, fault.WrongPeer},
		{"a short instance", func(b *bent) { b.uri("nod://" + b.name + "/" + b.hex[2:]) }, fault.WrongPeer},
		{"a long instance", func(b *bent) { b.uri("nod://" + b.name + "/" + b.hex + "00") }, fault.WrongPeer},
		{"no instance", func(b *bent) { b.uri("nod://" + b.name) }, fault.WrongPeer},
		{"no hexadecimal", func(b *bent) { b.uri("nod://" + b.name + "/" + strings.Repeat("zz", 32)) }, fault.WrongPeer},
		{"a NUL", func(b *bent) { b.uri("nod://" + b.name + "/" + b.hex[1:] + "\x00") }, fault.WrongPeer},

		{"two URIs", func(b *bent) {
			b.san(names6("nod://"+b.name+"/"+b.hex, "nod://custodian/"+b.hex))
		}, fault.WrongPeer},
		{"the URI twice", func(b *bent) {
			b.san(names6("nod://"+b.name+"/"+b.hex, "nod://"+b.name+"/"+b.hex))
		}, fault.WrongPeer},
		{"a DNS name besides", func(b *bent) {
			b.san(must(asn1.Marshal([]asn1.RawValue{general(6, []byte("nod://"+b.name+"/"+b.hex)), general(2, []byte("a.example"))})))
		}, fault.WrongPeer},
		{"a registered id besides", func(b *bent) { // crypto/x509 skips these
			b.san(must(asn1.Marshal([]asn1.RawValue{general(6, []byte("nod://"+b.name+"/"+b.hex)), general(8, []byte{1, 2})})))
		}, fault.WrongPeer},
		{"no name", func(b *bent) { b.ExtraExtensions = b.ExtraExtensions[:2] }, fault.WrongPeer},
		{"an empty list of names", func(b *bent) { b.san([]byte{0x30, 0}) }, fault.WrongPeer},

		{"a CA", func(b *bent) { b.IsCA, b.BasicConstraintsValid = true, true }, fault.WrongPeer},
		{"basic constraints, no CA", func(b *bent) { b.BasicConstraintsValid = true }, fault.WrongPeer},
		{"a key that may sign certificates", func(b *bent) { b.ExtraExtensions[0].Value = []byte{0x03, 0x02, 0x02, 0x84} }, fault.WrongPeer},
		{"for servers alone", func(b *bent) {
			b.ExtraExtensions[1].Value = slices.Concat([]byte{0x30, 0x0a}, b.ExtraExtensions[1].Value[2:12])
		}, fault.WrongPeer},
		{"for any purpose besides", func(b *bent) {
			b.ExtraExtensions[1].Value = slices.Concat([]byte{0x30, 0x1a}, b.ExtraExtensions[1].Value[2:], []byte{0x06, 0x04, 0x55, 0x1d, 0x25, 0x00})
		}, fault.WrongPeer},
		{"an extension more", func(b *bent) {
			b.ExtraExtensions = append(b.ExtraExtensions, pkix.Extension{Id: oid, Value: []byte{5, 0}})
		}, fault.WrongPeer},
		{"a critical extension more", func(b *bent) {
			b.ExtraExtensions = append(b.ExtraExtensions, pkix.Extension{Id: oid, Critical: true, Value: []byte{5, 0}})
		}, fault.WrongPeer},
		{"an extension twice", func(b *bent) { b.ExtraExtensions = append(b.ExtraExtensions, b.ExtraExtensions[2]) }, fault.WrongPeer},
		{"extensions in another order", func(b *bent) { slices.Reverse(b.ExtraExtensions) }, fault.WrongPeer},
		{"a name that is critical", func(b *bent) { b.ExtraExtensions[2].Critical = true }, fault.WrongPeer},
		{"another subject", func(b *bent) { b.Subject = subject("custodian") }, fault.WrongPeer},
		{"another issuer", func(b *bent) { b.parent = &x509.Certificate{Subject: issuer("custodian")} }, fault.WrongPeer},
		{"two certificates", func(b *bent) { b.more = [][]byte{must(selfSigned(b))} }, fault.WrongPeer},

		{"valid for too long", at(-time.Minute, MaxLifetime), fault.WrongPeer},
		{"ends before it begins", at(time.Minute, -time.Minute), fault.WrongPeer},
		{"over by more than the skew", at(-time.Hour, -Skew-2*time.Second), fault.KeyExpired},
		{"not begun by more than the skew", at(Skew+3*time.Second, time.Hour), fault.KeyExpired},
	}
}

func hexOf(c byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[c>>4], digits[c&15]})
}

func selfSigned(b *bent) ([]byte, error) {
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: b.NotBefore, NotAfter: b.NotAfter}
	return x509.CreateCertificate(rand.Reader, c, c, b.private.Public(), b.private)
}

// A client with a bad leaf is refused by the server, which reports why, and learns
// itself that it is the refused one.
func TestServerRefusesLeaves(t *testing.T) {
	w := newWorld(t)
	called := false
	s := w.serve(t, ServerConfig{Handler: func(context.Context, wire.Method, []byte) []byte { called = true; return nil }})
	for _, row := range badLeaves(t, w) {
		t.Run(row.what, func(t *testing.T) {
			s.mu.Lock()
			s.reports = nil
			s.mu.Unlock()
			c := w.dial(t, s.address, w.bend(t, "matcher", row.change))
			_, err := c.Call(t.Context(), wire.CustodianOpen, []byte("x"))
			if code := fault.CodeOf(err); code != fault.NotAllowed && code != fault.WrongPeer { // an alert says little
				t.Errorf("the client: %v", err)
			}
			s.reported(t, "", row.want)
		})
	}
	if called {
		t.Error("a call came through")
	}
}

// A server with a bad leaf gets no call.
func TestClientRefusesLeaves(t *testing.T) {
	w := newWorld(t)
	leaves := w.leaves(t, "custodian") // who calls
	for _, row := range badLeaves(t, w) {
		t.Run(row.what, func(t *testing.T) {
			s := w.serve(t, ServerConfig{Leaves: w.bend(t, "matcher", row.change), Handler: func(context.Context, wire.Method, []byte) []byte {
				t.Error("a call came through")
				return nil
			}})
			c := w.dialRole(t, s.address, "matcher", leaves)
			_, err := c.Call(t.Context(), wire.CustodianOpen, []byte("x"))
			if !fault.Is(err, row.want) {
				t.Errorf("got %v, want %s", err, row.want)
			}
		})
	}
}

// Clocks that differ by less than the skew do no harm.
func TestLeavesAtTheEdgeOfTheirTime(t *testing.T) {
	w := newWorld(t)
	s := w.serve(t, ServerConfig{})
	for what, at := range map[string][2]time.Duration{
		"just over":             {-time.Hour, 5*time.Second - Skew},
		"about to begin":        {Skew - 5*time.Second, time.Hour},
		"valid for the longest": {-time.Minute, MaxLifetime - time.Minute},
	} {
		c := w.dial(t, s.address, w.bend(t, "matcher", func(b *bent) {
			b.NotBefore = w.now().Add(at[0]).Truncate(time.Second)
			b.NotAfter = w.now().Add(at[1]).Truncate(time.Second)
			if at[1] > Lifetime {
				b.NotAfter = b.NotBefore.Add(MaxLifetime)
			}
		}))
		if _, err := c.Call(t.Context(), wire.CustodianOpen, []byte("x")); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// The identity key signs other things too. None of them can be taken for a leaf, nor a
// leaf for one of them: canonical encodings begin with a short length, DER with a tag.
func TestLeavesAreNoCanonicalEncoding(t *testing.T) {
	w := newWorld(t)
	tbs := must(x509.ParseCertificate(w.leaves(t, "matcher").newest.Load().Certificate[0])).RawTBSCertificate
	if tbs[0] != 0x30 || canon.Encode("list")[0] != 0 {
		t.Errorf("a leaf begins with %x, a canonical encoding with %x", tbs[0], canon.Encode("list")[0])
	}
}

func TestRotate(t *testing.T) {
	w := newWorld(t)
	l := NewLeaves("matcher", w.instances["matcher"], w.keys["matcher"], w.now)
	if _, err := l.current(); !fault.Is(err, fault.KeyExpired) {
		t.Errorf("before the first leaf: %v", err)
	}
	rotate := func() *tls.Certificate {
		if err := l.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		return must(l.current())
	}
	first := rotate()
	if rotate() != first {
		t.Error("a fresh leaf is replaced")
	}
	w.ahead.Store(int64(Lifetime/2 + time.Second))
	second := rotate()
	if second == first {
		t.Error("a leaf past half its life is kept")
	}
	w.ahead.Store(0) // the clock was set back
	if rotate() == second {
		t.Error("a leaf from the future is kept")
	}
	w.ahead.Store(int64(Lifetime + time.Minute))
	if _, err := l.current(); !fault.Is(err, fault.KeyExpired) {
		t.Errorf("after its time: %v", err)
	}
}

// failing is a keyring that does not answer, or was rotated between two calls.
type failing struct {
	*key
	other *key
}

func (f failing) Sign(ctx context.Context, message []byte) ([]byte, error) {
	if f.other != nil {
		return f.other.Sign(ctx, message)
	}
	return nil, fault.New(fault.KeyringUnavailable, "down")
}

func TestRotateFails(t *testing.T) {
	w := newWorld(t)
	for what, s := range map[string]Signer{
		"keyring down":      failing{w.keys["matcher"], nil},
		"rotated meanwhile": failing{w.keys["matcher"], newKey(t)},
	} {
		if err := NewLeaves("matcher", wire.Instance{}, s, w.now).Rotate(t.Context()); !fault.Is(err, fault.KeyringUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, name := range []string{"", "Matcher", "a/b", "-a", "a b", strings.Repeat("a", 65), "a:1", "a\n"} {
		if err := NewLeaves(name, wire.Instance{}, w.keys["matcher"], w.now).Rotate(t.Context()); !fault.Is(err, fault.BadKey) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := NewLeaves(strings.Repeat("a", 64), wire.Instance{}, w.keys["matcher"], w.now).Rotate(t.Context()); err != nil {
		t.Errorf("the longest name: %v", err)
	}
}

// FuzzReadLeaf: a certificate of the one form says its name once, and would be written
// with the same extensions, subject and issuer.
func FuzzReadLeaf(f *testing.F) {
	w := newWorld(f)
	f.Add(w.leaves(f, "matcher").newest.Load().Certificate[0])
	for _, row := range badLeaves(f, w) {
		f.Add(w.bend(f, "matcher", row.change).newest.Load().Certificate[0])
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		p, err := readLeaf(leaf)
		if err != nil {
			var fe *fault.Error
			if !errors.As(err, &fe) || fe.Code != fault.WrongPeer {
				t.Fatalf("fails with %v", err)
			}
			return
		}
		template := must(NewLeaves(p.Name, p.Instance, nil, time.Now).template(time.Now()))
		template.SerialNumber, template.NotBefore, template.NotAfter = leaf.SerialNumber, leaf.NotBefore, leaf.NotAfter
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		again, err := x509.CreateCertificate(rand.Reader, template, &x509.Certificate{Subject: issuer(p.Name)}, leaf.PublicKey, private)
		if err != nil {
			return // a serial number or time that crypto/x509 reads and does not write
		}
		if twin := must(x509.ParseCertificate(again)); string(twin.RawTBSCertificate) != string(leaf.RawTBSCertificate) {
			t.Fatalf("%x reads as %v, which is written as %x", der, p, again)
		}
	})
}
