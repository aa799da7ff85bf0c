package seal

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"nod/fault"
)

func TestSealedOpensInItsPlaceOnly(t *testing.T) {
	r := newRecipients(t, Matcher)
	key := recipientKey(t, r, now)
	rapid.Check(t, func(t *rapid.T) {
		c := testContext()
		c.Kind = rapid.SampledFrom([]Kind{Probe, Enrolment}).Draw(t, "kind")
		c.Party = rapid.String().Draw(t, "party")
		plain := rapid.SliceOfN(rapid.Byte(), 1, 600).Draw(t, "plain")
		sealed, err := Seal(key, c, plain)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Open(c, sealed, len(plain), now)
		if err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("opened %x, %v", []byte(got), err)
		}
	})
}

func TestOpenRefusesAnotherContext(t *testing.T) {
	r := newRecipients(t, Matcher)
	plain := []byte("a share of a face")
	sealed, err := Seal(recipientKey(t, r, now), testContext(), plain)
	if err != nil {
		t.Fatal(err)
	}
	other := sha256.Sum256([]byte("other"))
	for name, change := range map[string]func(*Context){
		"kind":    func(c *Context) { c.Kind = Enrolment },
		"request": func(c *Context) { c.Request = other },
		"place":   func(c *Context) { c.Place = other },
		"party":   func(c *Context) { c.Party = "https://other.example" },
		"model":   func(c *Context) { c.Model = other },
		"expiry":  func(c *Context) { c.Expiry = c.Expiry.Add(time.Second) },
	} {
		c := testContext()
		change(&c)
		if _, err := r.Open(c, sealed, len(plain), now); !fault.Is(err, fault.BadCiphertext) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	c := testContext()
	c.Kind = "photo"
	if _, err := r.Open(c, sealed, len(plain), now); !fault.Is(err, fault.OutOfRange) {
		t.Errorf("a kind that does not exist: %v", err)
	}
	if _, err := r.Open(testContext(), sealed, len(plain), now.Add(4*time.Minute)); !fault.Is(err, fault.Expired) {
		t.Errorf("after the session: %v", err)
	}
}

func TestOpenRefusesAnotherRecipient(t *testing.T) {
	matcher, custodian := newRecipients(t, Matcher), newRecipients(t, Custodian)
	sealed, err := Seal(recipientKey(t, matcher, now), testContext(), []byte("share"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := custodian.Open(testContext(), sealed, 5, now); !fault.Is(err, fault.UnknownKey) {
		t.Errorf("the custodian opened the matcher's: %v", err)
	}
	// With the custodian's key id written over the matcher's.
	id := recipientKey(t, custodian, now).ID()
	copy(sealed, id[:])
	if _, err := custodian.Open(testContext(), sealed, 5, now); !fault.Is(err, fault.BadCiphertext) {
		t.Errorf("the custodian opened the matcher's under its own key id: %v", err)
	}
	// The same key, used by another role.
	sealed, err = Seal(recipientKey(t, matcher, now), testContext(), []byte("share"))
	if err != nil {
		t.Fatal(err)
	}
	matcher.keys.role = Custodian
	if _, err := matcher.Open(testContext(), sealed, 5, now); !fault.Is(err, fault.BadCiphertext) {
		t.Errorf("another role opened it: %v", err)
	}
}

func TestEveryByteOfASealedMessageCounts(t *testing.T) {
	r := newRecipients(t, Matcher)
	plain := []byte("share")
	sealed, err := Seal(recipientKey(t, r, now), testContext(), plain)
	if err != nil {
		t.Fatal(err)
	}
	flips(sealed, func(changed []byte, at int) {
		want := fault.BadCiphertext
		if at < KeyIDSize {
			want = fault.UnknownKey
		}
		if _, err := r.Open(testContext(), changed, len(plain), now); !fault.Is(err, want) {
			t.Fatalf("byte %d changed: %v, want %s", at, err, want)
		}
	})
	for n := range sealed {
		if _, err := r.Open(testContext(), sealed[:n], len(plain), now); !fault.Is(err, fault.Truncated) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
	if _, err := r.Open(testContext(), append(sealed, 0), len(plain), now); !fault.Is(err, fault.Oversize) {
		t.Fatalf("a byte more: %v", err)
	}
}

func TestSealRefuses(t *testing.T) {
	key := recipientKey(t, newRecipients(t, Matcher), now)
	for _, n := range []int{0, MaxPlaintext + 1} {
		if _, err := Seal(key, testContext(), make([]byte, n)); !fault.Is(err, fault.OutOfRange) {
			t.Errorf("%d bytes sealed: %v", n, err)
		}
	}
	c := testContext()
	c.Kind = ""
	if _, err := Seal(key, c, []byte{1}); !fault.Is(err, fault.OutOfRange) {
		t.Errorf("a kind that does not exist: %v", err)
	}
}

func TestSecretsPrintOnlyTheirKind(t *testing.T) {
	plain := Plain("the secret itself")
	for _, v := range []any{plain, newRecipients(t, Matcher), NewSigners(Matcher)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			text := fmt.Sprintf(verb, v)
			if len(text) > 40 || bytes.Contains([]byte(text), []byte("itself")) {
				t.Errorf("%s of %T: %s", verb, v, text)
			}
		}
	}
	plain.Wipe()
	if !bytes.Equal(plain, make([]byte, len(plain))) {
		t.Error("not wiped")
	}
}

func FuzzOpen(f *testing.F) {
	r := fixedRecipients(f, Matcher)
	sealed, err := sealWith(bytes.NewReader(make([]byte, 64)), recipientKey(f, r, now), testContext(), []byte("share"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(sealed[:40])
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := r.Open(testContext(), data, 5, now); err == nil && !bytes.Equal(data, sealed) {
			t.Fatal("opened what was never sealed")
		}
	})
}
