package seal

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"strings"
	"testing"

	"nod/fault"
)

// twoVersions is a bundle in which the matcher has two identity keys.
func twoVersions(t testing.TB) *Bundle {
	t.Helper()
	ids := testIdentities()
	ids[Matcher] = append(ids[Matcher], Identity{Version: 2, Key: public(keyFor("matcher 2"))})
	b, err := NewBundle(ids, public(keyFor("offline")))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// nextBundle replaces the custodian's identity key, as its operator wishes to
// after a move to another machine. names are whose keys sign it.
func nextBundle(t testing.TB, old *Bundle, names ...string) *Bundle {
	t.Helper()
	ids := testIdentities()
	ids[Custodian] = []Identity{{Version: 2, Key: public(keyFor("new custodian"))}}
	next, err := old.Next(ids, public(keyFor("new offline")))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		next, err = next.WithSignature(public(keyFor(name)), ed25519.Sign(keyFor(name), next.SignedBytes()))
		if err != nil {
			t.Fatal(err)
		}
	}
	return next
}

func everyone() []string { return []string{"matcher", "matcher 2", "custodian", "dealer", "offline"} }

func TestBundleIsReplacedByTheNextOneOnly(t *testing.T) {
	old := twoVersions(t)
	next := nextBundle(t, old, everyone()...)
	if got, err := old.Update(next); err != nil || got != next {
		t.Fatal(err)
	}
	for i, missing := range everyone() {
		names := append(append([]string{}, everyone()[:i]...), everyone()[i+1:]...)
		if _, err := old.Update(nextBundle(t, old, names...)); !fault.Is(err, fault.BadBundle) {
			t.Errorf("without the signature of %s: %v", missing, err)
		}
		if _, err := old.Update(nextBundle(t, old, append(names, "stranger")...)); !fault.Is(err, fault.BadBundle) {
			t.Errorf("with a stranger in the place of %s: %v", missing, err)
		}
	}
	if _, err := old.Update(nextBundle(t, old, append(everyone(), "stranger")...)); !fault.Is(err, fault.BadBundle) {
		t.Errorf("with a stranger beside everyone: %v", err)
	}
	if _, err := testBundle(t).Update(next); !fault.Is(err, fault.BadBundle) {
		t.Errorf("the next of another bundle: %v", err)
	}
	if _, err := next.Update(next); !fault.Is(err, fault.BadBundle) {
		t.Errorf("a bundle as its own next: %v", err)
	}
	if _, err := next.Update(old); !fault.Is(err, fault.BadBundle) {
		t.Errorf("back to the old one: %v", err)
	}
}

func TestBundleSignatureMustVerify(t *testing.T) {
	next := nextBundle(t, twoVersions(t))
	if _, err := next.WithSignature(public(keyFor("matcher")), ed25519.Sign(keyFor("dealer"), next.SignedBytes())); !fault.Is(err, fault.BadSignature) {
		t.Fatalf("another's signature: %v", err)
	}
	if _, err := next.WithSignature(nil, nil); !fault.Is(err, fault.BadSignature) {
		t.Fatalf("no key: %v", err)
	}
}

// Any change of an update's file is refused, at the latest by Update.
func TestEveryByteOfABundleCounts(t *testing.T) {
	old := twoVersions(t)
	data, err := nextBundle(t, old, everyone()...).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := ParseBundle(data); err != nil {
		t.Fatal(err)
	} else if _, err := old.Update(b); err != nil {
		t.Fatal(err)
	}
	flips(data, func(changed []byte, at int) {
		b, err := ParseBundle(changed)
		if err == nil {
			_, err = old.Update(b)
		}
		if err == nil {
			t.Fatalf("byte %d changed was accepted", at)
		}
	})
	for n := range data {
		if _, err := ParseBundle(data[:n]); err == nil {
			t.Fatalf("%d bytes of a bundle were accepted", n)
		}
	}
}

func TestParseBundleIsStrict(t *testing.T) {
	data, err := testBundle(t).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for name, c := range map[string]struct {
		text string
		code fault.Code
	}{
		"empty":           {"", fault.Truncated},
		"cut":             {text[:100], fault.Truncated},
		"another format":  {strings.Replace(text, "bundle/v1", "bundle/v2", 1), fault.BadEncoding},
		"unknown field":   {strings.Replace(text, `"offline"`, `"extra": 1, "offline"`, 1), fault.UnknownField},
		"doubled field":   {strings.Replace(text, `"serial": 1,`, `"serial": 1, "serial": 1,`, 1), fault.BadEncoding},
		"other case":      {strings.Replace(text, `"serial"`, `"Serial"`, 1), fault.BadEncoding},
		"white space":     {text + "\n", fault.BadEncoding},
		"bytes after":     {text + "{}", fault.BadEncoding},
		"serial 0":        {strings.Replace(text, `"serial": 1`, `"serial": 0`, 1), fault.BadEncoding},
		"serial 2, first": {strings.Replace(text, `"serial": 1`, `"serial": 2`, 1), fault.BadEncoding},
		"no signatures":   {strings.Replace(text, `"signatures": []`, `"signatures": null`, 1), fault.BadEncoding},
		"version 0":       {strings.Replace(text, `"version": 1`, `"version": 0`, 1), fault.BadEncoding},
		"too long":        {strings.Repeat(" ", MaxBundle+1), fault.Oversize},
	} {
		if _, err := ParseBundle([]byte(c.text)); !fault.Is(err, c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
}

func TestBundleRefusesKeys(t *testing.T) {
	for name, c := range map[string]struct {
		change func(map[Role][]Identity)
		code   fault.Code
	}{
		"a role left out":       {func(m map[Role][]Identity) { delete(m, Dealer) }, fault.BadEncoding},
		"a role without keys":   {func(m map[Role][]Identity) { m[Dealer] = nil }, fault.OutOfRange},
		"two roles, one key":    {func(m map[Role][]Identity) { m[Dealer] = m[Matcher] }, fault.BadKey},
		"the offline key":       {func(m map[Role][]Identity) { m[Dealer] = []Identity{{1, public(keyFor("offline"))}} }, fault.BadKey},
		"a short key":           {func(m map[Role][]Identity) { m[Dealer] = []Identity{{1, make([]byte, 31)}} }, fault.BadKey},
		"versions out of order": {func(m map[Role][]Identity) { m[Dealer] = append(m[Dealer], Identity{1, public(keyFor("x"))}) }, fault.BadEncoding},
		"too many versions": {func(m map[Role][]Identity) {
			for v := uint32(2); v < 6; v++ {
				m[Dealer] = append(m[Dealer], Identity{v, public(keyFor(fmt.Sprint(v)))})
			}
		}, fault.OutOfRange},
	} {
		ids := testIdentities()
		c.change(ids)
		if _, err := NewBundle(ids, public(keyFor("offline"))); !fault.Is(err, c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	if _, err := NewBundle(testIdentities(), nil); !fault.Is(err, fault.BadKey) {
		t.Errorf("no offline key: %v", err)
	}
}

func FuzzParseBundle(f *testing.F) {
	for _, b := range []*Bundle{testBundle(f), nextBundle(f, twoVersions(f), everyone()...)} {
		data, err := b.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := ParseBundle(data)
		if err != nil {
			return
		}
		again, err := b.Marshal()
		if err != nil || !bytes.Equal(again, data) {
			t.Fatal("does not encode to the same bytes")
		}
	})
}
