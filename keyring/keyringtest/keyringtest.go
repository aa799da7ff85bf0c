// Package keyringtest is what every keyring.Keyring must pass, and a keyring
// that counts its calls.
package keyringtest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"sync"
	"testing"

	"nod/fault"
	"nod/keyring"
)

// Run holds a keyring to the contract. open gives a keyring and an Admin of the
// same keys. The suite makes keys of random names and leaves them, so it may run
// against a keeper that others use.
func Run(t *testing.T, open func(t *testing.T) (keyring.Keyring, keyring.Admin)) {
	tests := []struct {
		name string
		run  func(t *testing.T, s suite)
	}{
		{"MACs", testMACs},
		{"Batches", testBatches},
		{"Versions", testVersions},
		{"Destroy", testDestroy},
		{"Create", testCreate},
		{"Types", testTypes},
		{"UnknownKey", testUnknownKey},
		{"Sign", testSign},
		{"Wrap", testWrap},
		{"WrapVersions", testWrapVersions},
		{"Forgeries", testForgeries},
		{"Context", testContext},
		{"Concurrent", testConcurrent},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ring, admin := open(t)
			test.run(t, suite{ring, admin})
		})
	}
}

type suite struct {
	keyring.Keyring
	admin keyring.Admin
}

// newKey makes a key of a name that no other run has.
func (s suite) newKey(t testing.TB, kind keyring.Type) keyring.Name {
	t.Helper()
	name := keyring.Name("suite-" + fmt.Sprintf("%x", random(t, 8)))
	if err := s.admin.Create(context.Background(), name, kind); err != nil {
		t.Fatalf("Create: %v", err)
	}
	return name
}

func random(t testing.TB, n int) []byte {
	t.Helper()
	out := make([]byte, n)
	if _, err := rand.Read(out); err != nil {
		t.Fatal(err)
	}
	return out
}

func (s suite) mac(t testing.TB, key keyring.Name, version uint32, input string) keyring.MAC {
	t.Helper()
	out, err := s.MACs(context.Background(), key, version, [][]byte{[]byte(input)})
	if err != nil || len(out) != 1 {
		t.Fatalf("MACs = %d results, %v", len(out), err)
	}
	return out[0]
}

func (s suite) describe(t testing.TB, key keyring.Name, want keyring.Info) {
	t.Helper()
	want.Name = key
	if got, err := s.Describe(context.Background(), key); err != nil || got != want {
		t.Fatalf("Describe = %+v, %v, want %+v", got, err, want)
	}
}

func wants(t testing.TB, what string, err error, codes ...fault.Code) {
	t.Helper()
	for _, code := range codes {
		if fault.Is(err, code) {
			return
		}
	}
	t.Errorf("%s: %v, want %v", what, err, codes)
}

func testMACs(t *testing.T, s suite) {
	key, other := s.newKey(t, keyring.HMAC), s.newKey(t, keyring.HMAC)
	first := s.mac(t, key, 1, "input")
	if again := s.mac(t, key, 1, "input"); !again.Equal(&first) {
		t.Error("the same input has another MAC the second time")
	}
	for what, mac := range map[string]keyring.MAC{
		"another input": s.mac(t, key, 1, "inpuu"),
		"a longer one":  s.mac(t, key, 1, "input\x00"),
		"another key":   s.mac(t, other, 1, "input"),
		"nothing":       {},
	} {
		if mac.Equal(&first) {
			t.Errorf("%s has the same MAC", what)
		}
	}
	if text := fmt.Sprintf("%v %s %#v", first, first, first); bytes.Contains([]byte(text), []byte("[")) {
		t.Errorf("a MAC prints as %s", text)
	}
}

func testBatches(t *testing.T, s suite) {
	ctx := context.Background()
	key := s.newKey(t, keyring.HMAC)
	inputs := make([][]byte, keyring.MaxBatch)
	for i := range inputs {
		inputs[i] = fmt.Appendf(nil, "input %d", i/2) // pairs of equal ones
	}
	for _, size := range []int{1, 2, keyring.MaxBatch} {
		out, err := s.MACs(ctx, key, 1, inputs[:size])
		if err != nil || len(out) != size {
			t.Fatalf("a batch of %d: %d MACs, %v", size, len(out), err)
		}
		for i := range out {
			if want := s.mac(t, key, 1, string(inputs[i])); !want.Equal(&out[i]) {
				t.Errorf("MAC %d of %d is not of its input", i, size)
			}
			out[i].Wipe() // the caller's own
		}
	}
	_, err := s.MACs(ctx, key, 1, nil)
	wants(t, "an empty batch", err, fault.OutOfRange)
	_, err = s.MACs(ctx, key, 1, append(inputs, []byte("one more")))
	wants(t, "a batch too large", err, fault.OutOfRange)
}

func testVersions(t *testing.T, s suite) {
	ctx := context.Background()
	key := s.newKey(t, keyring.HMAC)
	s.describe(t, key, keyring.Info{Type: keyring.HMAC, Latest: 1, MinUse: 1, MinAvailable: 1})
	macs := map[uint32]keyring.MAC{1: s.mac(t, key, 1, "input")}
	for want := uint32(2); want <= 4; want++ {
		_, err := s.MACs(ctx, key, want, [][]byte{[]byte("input")})
		wants(t, "a version not made yet", err, fault.KeyVersion)
		if got, err := s.admin.Rotate(ctx, key); err != nil || got != want {
			t.Fatalf("Rotate = %d, %v, want %d", got, err, want)
		}
		s.describe(t, key, keyring.Info{Type: keyring.HMAC, Latest: want, MinUse: 1, MinAvailable: 1})
		macs[want] = s.mac(t, key, want, "input")
		for v, mac := range macs {
			if now := s.mac(t, key, v, "input"); !now.Equal(&mac) {
				t.Errorf("version %d changed when version %d was made", v, want)
			}
			if newest := macs[want]; v != want && newest.Equal(&mac) {
				t.Errorf("versions %d and %d are the same key", v, want)
			}
		}
	}
	_, err := s.MACs(ctx, key, 0, [][]byte{[]byte("input")})
	wants(t, "version 0", err, fault.KeyVersion)
}

func testDestroy(t *testing.T, s suite) {
	ctx := context.Background()
	key := s.newKey(t, keyring.HMAC)
	for range 3 {
		if _, err := s.admin.Rotate(ctx, key); err != nil {
			t.Fatal(err)
		}
	}
	kept := s.mac(t, key, 3, "input")
	for _, min := range []uint32{0, 5, 100} {
		wants(t, fmt.Sprintf("Destroy below %d of 4", min), s.admin.Destroy(ctx, key, min), fault.OutOfRange)
	}
	for _, min := range []uint32{1, 3, 3, 2} {
		if err := s.admin.Destroy(ctx, key, min); err != nil {
			t.Fatalf("Destroy below %d: %v", min, err)
		}
	}
	s.describe(t, key, keyring.Info{Type: keyring.HMAC, Latest: 4, MinUse: 3, MinAvailable: 3})
	for v := uint32(1); v <= 2; v++ {
		_, err := s.MACs(ctx, key, v, [][]byte{[]byte("input")})
		wants(t, "a destroyed version", err, fault.KeyVersion)
	}
	if now := s.mac(t, key, 3, "input"); !now.Equal(&kept) {
		t.Error("a version that was kept changed")
	}
	if v, err := s.admin.Rotate(ctx, key); err != nil || v != 5 {
		t.Errorf("Rotate after Destroy = %d, %v: versions are never used again", v, err)
	}
	if err := s.admin.Destroy(ctx, key, 5); err != nil {
		t.Fatal(err)
	}
	s.describe(t, key, keyring.Info{Type: keyring.HMAC, Latest: 5, MinUse: 5, MinAvailable: 5})
}

func testCreate(t *testing.T, s suite) {
	ctx := context.Background()
	key := s.newKey(t, keyring.HMAC)
	if _, err := s.admin.Rotate(ctx, key); err != nil {
		t.Fatal(err)
	}
	before := s.mac(t, key, 2, "input")
	if err := s.admin.Create(ctx, key, keyring.HMAC); err != nil {
		t.Errorf("Create of a key that exists: %v", err)
	}
	s.describe(t, key, keyring.Info{Type: keyring.HMAC, Latest: 2, MinUse: 1, MinAvailable: 1})
	if after := s.mac(t, key, 2, "input"); !after.Equal(&before) {
		t.Error("Create changed a key that exists")
	}
	for _, kind := range []keyring.Type{keyring.AEAD, keyring.Ed25519} {
		wants(t, "Create as "+string(kind), s.admin.Create(ctx, key, kind), fault.KeyType)
	}
	s.describe(t, key, keyring.Info{Type: keyring.HMAC, Latest: 2, MinUse: 1, MinAvailable: 1})
	wants(t, "Create of no type", s.admin.Create(ctx, key+"-x", "rot13"), fault.KeyType)
	for _, name := range []keyring.Name{"", "Pad", "pad/../root", "pad key", "-pad"} {
		wants(t, fmt.Sprintf("Create of %q", name), s.admin.Create(ctx, name, keyring.HMAC), fault.OutOfRange)
	}
}

func testTypes(t *testing.T, s suite) {
	ctx := context.Background()
	mac, aead, signer := s.newKey(t, keyring.HMAC), s.newKey(t, keyring.AEAD), s.newKey(t, keyring.Ed25519)
	s.describe(t, aead, keyring.Info{Type: keyring.AEAD, Latest: 1, MinUse: 1, MinAvailable: 1})
	s.describe(t, signer, keyring.Info{Type: keyring.Ed25519, Latest: 1, MinUse: 1, MinAvailable: 1})
	wrapped, err := s.Wrap(ctx, aead, []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for key, uses := range map[keyring.Name][]string{
		mac: {"sign", "public", "wrap", "unwrap"}, aead: {"mac", "sign", "public"}, signer: {"mac", "wrap", "unwrap"},
	} {
		for _, use := range uses {
			wants(t, use, s.try(key, use, wrapped), fault.KeyType)
		}
	}
}

// try uses a key in one way.
func (s suite) try(key keyring.Name, use string, wrapped []byte) (err error) {
	ctx := context.Background()
	switch use {
	case "mac":
		_, err = s.MACs(ctx, key, 1, [][]byte{[]byte("input")})
	case "sign":
		_, _, err = s.Sign(ctx, key, []byte("message"))
	case "public":
		_, err = s.Public(ctx, key, 1)
	case "wrap":
		_, err = s.Wrap(ctx, key, []byte("secret"), nil)
	case "unwrap":
		_, err = s.Unwrap(ctx, key, wrapped, nil)
	}
	return err
}

func testUnknownKey(t *testing.T, s suite) {
	ctx := context.Background()
	wrapped, err := s.Wrap(ctx, s.newKey(t, keyring.AEAD), []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	nobody := keyring.Name(fmt.Sprintf("suite-%x", random(t, 8)))
	for _, use := range []string{"mac", "sign", "public", "wrap", "unwrap"} {
		wants(t, use, s.try(nobody, use, wrapped), fault.UnknownKey)
	}
	_, err = s.Describe(ctx, nobody)
	wants(t, "Describe", err, fault.UnknownKey)
	_, err = s.admin.Rotate(ctx, nobody)
	wants(t, "Rotate", err, fault.UnknownKey)
	wants(t, "Destroy", s.admin.Destroy(ctx, nobody, 1), fault.UnknownKey)
}

func testSign(t *testing.T, s suite) {
	ctx := context.Background()
	key := s.newKey(t, keyring.Ed25519)
	type signed struct {
		public    ed25519.PublicKey
		signature []byte
	}
	all := map[uint32]signed{}
	for version := uint32(1); version <= 3; version++ {
		signature, v, err := s.Sign(ctx, key, []byte("message"))
		if err != nil || v != version {
			t.Fatalf("Sign used version %d, %v, want %d", v, err, version)
		}
		public, err := s.Public(ctx, key, 0)
		if err != nil {
			t.Fatal(err)
		}
		all[version] = signed{public, signature}
		for v, a := range all {
			stated, err := s.Public(ctx, key, v)
			if err != nil || !bytes.Equal(stated, a.public) {
				t.Errorf("Public of version %d: %v", v, err)
			}
			if ed25519.Verify(a.public, []byte("message"), signature) != (v == version) {
				t.Errorf("a signature of version %d under key version %d", version, v)
			}
		}
		if ed25519.Verify(public, []byte("messagf"), signature) {
			t.Error("a signature fits another message")
		}
		if _, err := s.admin.Rotate(ctx, key); err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Public(ctx, key, 5)
	wants(t, "Public of a version not made", err, fault.KeyVersion)
	if err := s.admin.Destroy(ctx, key, 3); err != nil {
		t.Fatal(err)
	}
	_, err = s.Public(ctx, key, 2)
	wants(t, "Public of a destroyed version", err, fault.KeyVersion)
	if _, v, err := s.Sign(ctx, key, random(t, 100_000)); err != nil || v != 4 {
		t.Errorf("Sign of a long message: version %d, %v", v, err)
	}
}

func testWrap(t *testing.T, s suite) {
	ctx := context.Background()
	key := s.newKey(t, keyring.AEAD)
	for _, size := range []int{1, 16, 31, 32, 250, 10_000} {
		secret, associated := random(t, size), random(t, 40)
		first, err := s.Wrap(ctx, key, secret, associated)
		if err != nil {
			t.Fatal(err)
		}
		second, err := s.Wrap(ctx, key, secret, associated)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(first, second) || size > 8 && bytes.Contains(first, secret) {
			t.Errorf("%d bytes: a ciphertext repeats or shows its plaintext", size)
		}
		for _, wrapped := range [][]byte{first, second} {
			got, err := s.Unwrap(ctx, key, wrapped, associated)
			if err != nil || !bytes.Equal(got, secret) {
				t.Fatalf("Unwrap of %d bytes: %v", size, err)
			}
			clear(got) // the caller's own
		}
	}
	wrapped, err := s.Wrap(ctx, key, []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, nothing := range [][]byte{nil, {}} {
		if got, err := s.Unwrap(ctx, key, wrapped, nothing); err != nil || string(got) != "secret" {
			t.Errorf("without associated data: %q, %v", got, err)
		}
	}
}

func testWrapVersions(t *testing.T, s suite) {
	ctx := context.Background()
	key := s.newKey(t, keyring.AEAD)
	var wrapped [][]byte
	for i := range 3 {
		if i > 0 {
			if _, err := s.admin.Rotate(ctx, key); err != nil {
				t.Fatal(err)
			}
		}
		w, err := s.Wrap(ctx, key, []byte("secret"), []byte("place"))
		if err != nil {
			t.Fatal(err)
		}
		wrapped = append(wrapped, w)
	}
	if err := s.admin.Destroy(ctx, key, 2); err != nil {
		t.Fatal(err)
	}
	_, err := s.Unwrap(ctx, key, wrapped[0], []byte("place"))
	wants(t, "Unwrap under a destroyed version", err, fault.KeyVersion)
	for i, w := range wrapped[1:] {
		if got, err := s.Unwrap(ctx, key, w, []byte("place")); err != nil || string(got) != "secret" {
			t.Errorf("Unwrap under version %d: %q, %v", i+2, got, err)
		}
	}
}

func testForgeries(t *testing.T, s suite) {
	ctx := context.Background()
	key, other := s.newKey(t, keyring.AEAD), s.newKey(t, keyring.AEAD)
	good, err := s.Wrap(ctx, key, []byte("secret"), []byte("place"))
	if err != nil {
		t.Fatal(err)
	}
	for _, associated := range [][]byte{nil, []byte("placf"), []byte("place\x00"), []byte("plac")} {
		_, err := s.Unwrap(ctx, key, good, associated)
		wants(t, fmt.Sprintf("associated data %q", associated), err, fault.BadCiphertext)
	}
	_, err = s.Unwrap(ctx, other, good, []byte("place"))
	wants(t, "under another key", err, fault.BadCiphertext)
	forge := func(what string, bad []byte) {
		if _, err := s.Unwrap(ctx, key, bad, []byte("place")); !fault.Is(err, fault.BadCiphertext) {
			t.Errorf("%s: %v, want %s", what, err, fault.BadCiphertext)
		}
	}
	for bit := range 8 * len(good) {
		bad := bytes.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		forge(fmt.Sprintf("bit %d flipped", bit), bad)
	}
	for size := range len(good) {
		forge(fmt.Sprintf("cut to %d bytes", size), good[:size])
	}
	for _, more := range []string{"\n", "A", "=", "\x00"} {
		forge(fmt.Sprintf("%q after it", more), append(bytes.Clone(good), more...))
		forge(fmt.Sprintf("%q before it", more), append([]byte(more), good...))
	}
}

func testContext(t *testing.T, s suite) {
	ctx, cancel := context.WithCancel(context.Background())
	mac, aead, signer := s.newKey(t, keyring.HMAC), s.newKey(t, keyring.AEAD), s.newKey(t, keyring.Ed25519)
	wrapped, err := s.Wrap(ctx, aead, []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	calls := map[string]func() error{
		"MACs":     func() error { _, err := s.MACs(ctx, mac, 1, [][]byte{{1}}); return err },
		"Sign":     func() error { _, _, err := s.Sign(ctx, signer, nil); return err },
		"Public":   func() error { _, err := s.Public(ctx, signer, 1); return err },
		"Wrap":     func() error { _, err := s.Wrap(ctx, aead, nil, nil); return err },
		"Unwrap":   func() error { _, err := s.Unwrap(ctx, aead, wrapped, nil); return err },
		"Describe": func() error { _, err := s.Describe(ctx, mac); return err },
		"Create":   func() error { return s.admin.Create(ctx, mac, keyring.HMAC) },
		"Rotate":   func() error { _, err := s.admin.Rotate(ctx, mac); return err },
		"Destroy":  func() error { return s.admin.Destroy(ctx, mac, 1) },
	}
	for name, call := range calls {
		wants(t, name+" with a cancelled context", call(), fault.Cancelled, fault.KeyringUnavailable)
	}
	s.describe(t, mac, keyring.Info{Type: keyring.HMAC, Latest: 1, MinUse: 1, MinAvailable: 1})
}

// testConcurrent uses keys while they are rotated.
func testConcurrent(t *testing.T, s suite) {
	ctx := context.Background()
	mac, signer := s.newKey(t, keyring.HMAC), s.newKey(t, keyring.Ed25519)
	want := s.mac(t, mac, 1, "input")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				out, err := s.MACs(ctx, mac, 1, [][]byte{[]byte("input")})
				if err != nil || !out[0].Equal(&want) {
					t.Errorf("MACs while versions are made: %v", err)
				}
				signature, v, err := s.Sign(ctx, signer, []byte("message"))
				if err != nil {
					t.Errorf("Sign: %v", err)
					continue
				}
				public, err := s.Public(ctx, signer, v)
				if err != nil || !ed25519.Verify(public, []byte("message"), signature) {
					t.Errorf("a signature of version %d does not verify: %v", v, err)
				}
			}
		})
	}
	wg.Go(func() {
		for range 5 {
			for _, key := range []keyring.Name{mac, signer} {
				if _, err := s.admin.Rotate(ctx, key); err != nil {
					t.Errorf("Rotate: %v", err)
				}
			}
		}
	})
	wg.Wait()
	s.describe(t, mac, keyring.Info{Type: keyring.HMAC, Latest: 6, MinUse: 1, MinAvailable: 1})
}
