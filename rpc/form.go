package rpc

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"nod/fault"
)

// A leaf has one form, section 3 of docs/spec/transport.md. The writer and the reader
// of leaves share this file: what is not byte for byte as the writer would have put it
// is refused, so that two readers can never see two names in one certificate.

// scheme begins the one name in a leaf: nod://NAME/INSTANCE.
const scheme = "nod://"

func nameOf(p Peer) string { return scheme + p.Name + "/" + hex.EncodeToString(p.Instance[:]) }

// peerOf reads the name in a leaf.
func peerOf(uri string) (p Peer, ok bool) {
	rest, _ := strings.CutPrefix(uri, scheme)
	name, instance, _ := strings.Cut(rest, "/")
	if len(instance) != hex.EncodedLen(len(p.Instance)) || !nameShape.MatchString(name) {
		return Peer{}, false
	}
	p.Name = name
	if _, err := hex.Decode(p.Instance[:], []byte(instance)); err != nil || nameOf(p) != uri {
		return Peer{}, false
	}
	return p, true
}

// subject and issuer are for people: nothing goes by them, but they have one form too.
func subject(name string) pkix.Name { return pkix.Name{CommonName: name} }

func issuer(name string) pkix.Name { return pkix.Name{CommonName: name + " identity"} }

// extensions are the three of a leaf, in their order.
func extensions(p Peer) ([]pkix.Extension, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.Tag(6).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes([]byte(nameOf(p))) })
	})
	names, err := b.Bytes()
	if err != nil {
		return nil, fault.New(fault.Unexpected, "name of a TLS certificate: %w", err)
	}
	return []pkix.Extension{
		// key usage: digitalSignature
		{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: []byte{0x03, 0x02, 0x07, 0x80}},
		// extended key usage: serverAuth, clientAuth
		{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Value: []byte{
			0x30, 0x14,
			0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01,
			0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02,
		}},
		// subject alternative name: the one URI
		{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: names},
	}, nil
}

// readLeaf holds a leaf to its form, and reads its claim. Who made the claim is
// Pins.verify's to find out. Fails with fault.WrongPeer.
func readLeaf(leaf *x509.Certificate) (Peer, error) {
	badForm := func(what string) (Peer, error) {
		return Peer{}, fault.New(fault.WrongPeer, "its certificate is not of the form of docs/spec/transport.md: %s", what)
	}
	if leaf.Version != 3 || leaf.SignatureAlgorithm != x509.PureEd25519 || leaf.PublicKeyAlgorithm != x509.Ed25519 {
		return badForm("version or algorithms")
	}
	if len(leaf.URIs) != 1 {
		return badForm("not one URI")
	}
	p, ok := peerOf(leaf.URIs[0].String())
	if !ok {
		return badForm("its name is not nod://NAME/INSTANCE")
	}
	want, err := extensions(p)
	if err != nil {
		return Peer{}, err
	}
	if !slices.EqualFunc(leaf.Extensions, want, func(a, b pkix.Extension) bool {
		return a.Id.Equal(b.Id) && a.Critical == b.Critical && bytes.Equal(a.Value, b.Value)
	}) {
		return badForm("extensions")
	}
	if !isName(leaf.RawSubject, subject(p.Name)) || !isName(leaf.RawIssuer, issuer(p.Name)) {
		return badForm("subject or issuer")
	}
	if life := leaf.NotAfter.Sub(leaf.NotBefore); life <= 0 || life > MaxLifetime {
		return Peer{}, fault.New(fault.WrongPeer, "its certificate is valid for %s, want more than 0 and at most %s", life, MaxLifetime)
	}
	return p, nil
}

func isName(raw []byte, want pkix.Name) bool {
	der, err := asn1.Marshal(want.ToRDNSequence())
	return err == nil && bytes.Equal(raw, der)
}
