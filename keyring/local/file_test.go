package local

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nod/fault"
	"nod/keyring"
)

func sampleKeys() map[keyring.Name]*key {
	return map[keyring.Name]*key{
		"pad":      {keyring.HMAC, 3, []secret{{1}, {2}}},
		"kek":      {keyring.AEAD, 1, []secret{{3}}},
		"identity": {keyring.Ed25519, 1, []secret{{4}}},
	}
}

func TestFileIsStrict(t *testing.T) {
	good := string(encode(sampleKeys()))
	if _, err := decode([]byte(good)); err != nil {
		t.Fatal(err)
	}
	edit := func(old, new string) string {
		t.Helper()
		if !strings.Contains(good, old) {
			t.Fatalf("the file has no %q:\n%s", old, good)
		}
		return strings.Replace(good, old, new, 1)
	}
	tests := map[string]struct {
		text string
		code fault.Code
	}{
		"empty":             {"", fault.BadEncoding},
		"not JSON":          {"keys", fault.BadEncoding},
		"cut":               {good[:len(good)-3], fault.BadEncoding},
		"text after it":     {good + "{}", fault.BadEncoding},
		"space after it":    {good + "\n", fault.BadEncoding},
		"another layout":    {strings.ReplaceAll(good, "  ", "\t"), fault.BadEncoding},
		"another format":    {edit("keyring/1", "keyring/2"), fault.BadEncoding},
		"unknown field":     {edit(`"first"`, `"note": "",`+"\n      "+`"first"`), fault.UnknownField},
		"unknown type":      {edit("hmac", "hmad"), fault.BadEncoding},
		"other case":        {edit(`"first"`, `"First"`), fault.BadEncoding},
		"doubled field":     {edit(`"first": 3`, `"first": 2,`+"\n      "+`"first": 3`), fault.BadEncoding},
		"version 0":         {edit(`"first": 3`, `"first": 0`), fault.BadEncoding},
		"version too large": {edit(`"first": 3`, `"first": 4294967295`), fault.BadEncoding},
		"version not whole": {edit(`"first": 3`, `"first": 3.0`), fault.BadEncoding},
		"bad name":          {edit(`"pad"`, `"../pad"`), fault.BadEncoding},
		"short secret":      {edit("AQAA", "AQ=="), fault.BadEncoding},
		"no secrets":        {`{"format":"nod/keyring/1","keys":{"pad":{"type":"hmac","first":1,"secrets":[]}}}`, fault.BadEncoding},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := decode([]byte(test.text))
			if !fault.Is(err, test.code) {
				t.Errorf("%v, want %s", err, test.code)
			}
			if err != nil && strings.Contains(err.Error(), "AQAA") {
				t.Errorf("the error quotes a secret: %v", err)
			}
			path := filepath.Join(t.TempDir(), "keys.json")
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, _, err := load(path); !fault.Is(err, test.code) {
				t.Errorf("load: %v", err)
			}
		})
	}
}

// TestWrappedIsBoundToItsKey has two keys, and two versions, that are the same:
// what one wrapped the other refuses.
func TestWrappedIsBoundToItsKey(t *testing.T) {
	ctx := context.Background()
	k := InMemory()
	k.keys["one"] = &key{keyring.AEAD, 1, []secret{{5}}}
	k.keys["two"] = &key{keyring.AEAD, 1, []secret{{5}, {5}}}
	wrapped, err := k.Wrap(ctx, "one", []byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.Unwrap(ctx, "one", wrapped, nil); err != nil || string(got) != "secret" {
		t.Errorf("Unwrap = %q, %v", got, err)
	}
	if _, err := k.Unwrap(ctx, "two", wrapped, nil); !fault.Is(err, fault.BadCiphertext) {
		t.Errorf("under a key of another name: %v", err)
	}
	k.keys["one"] = k.keys["two"]
	second := bytes.Replace(wrapped, []byte(":v1:"), []byte(":v2:"), 1)
	if _, err := k.Unwrap(ctx, "one", second, nil); !fault.Is(err, fault.BadCiphertext) {
		t.Errorf("under another version: %v", err)
	}
}

func TestSecretsPrintTheirKind(t *testing.T) {
	k := sampleKeys()["pad"]
	for _, text := range []string{fmt.Sprint(k.secrets), fmt.Sprintf("%#v", k.secrets[0]), fmt.Sprintf("%s %v", k.secrets[0], &k.secrets[0])} {
		if strings.ContainsAny(text, "0123456789") {
			t.Errorf("a secret prints as %s", text)
		}
	}
	a, b := secret{1}, secret{1}
	if !a.Equal(&b) {
		t.Error("equal secrets differ")
	}
	b.Wipe()
	if a.Equal(&b) || b != (secret{}) {
		t.Error("Wipe left something")
	}
}

func FuzzFile(f *testing.F) {
	f.Add(encode(sampleKeys()))
	f.Add(encode(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := decode(data)
		if err != nil {
			if fault.CodeOf(err) == fault.Unexpected {
				t.Fatalf("%v", err)
			}
			return
		}
		if again := encode(keys); !bytes.Equal(again, data) {
			t.Fatalf("%q decodes and encodes to %q", data, again)
		}
	})
}

func FuzzWrapped(f *testing.F) {
	f.Add(formatWrapped(1, make([]byte, gcmGrowth)))
	f.Add(formatWrapped(1<<32-1, bytes.Repeat([]byte{0xff}, 50)))
	f.Add([]byte("local:v01:AAAA"))
	f.Add([]byte("local:v1:AAAA\nAAAA"))
	f.Fuzz(func(t *testing.T, data []byte) {
		version, ciphertext, err := parseWrapped(data)
		if err != nil {
			if !fault.Is(err, fault.BadCiphertext) {
				t.Fatalf("%v", err)
			}
			return
		}
		if again := formatWrapped(version, ciphertext); !bytes.Equal(again, data) {
			t.Fatalf("%q decodes and encodes to %q", data, again)
		}
	})
}
