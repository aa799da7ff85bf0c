package vault

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"nod/fault"
	"nod/keyring"
)

func FuzzParseValue(f *testing.F) {
	for _, s := range []string{
		"vault:v1:aGk=", "vault:v4294967295:", "vault:v01:aGk=", "vault:v0:aGk=", "vault:v1:aGl=", "vault:v1:aGk", "vault:v1:aG\nk=",
		"vault:v4294967296:aGk=", "vault:v1", "vault:v+1:aGk=", "", "vault:v1:aGk=\n", "Vault:v1:aGk=",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		version, value, ok := parseValue(s)
		if ok && (version == 0 || formatValue(version, value) != s) {
			t.Errorf("%q parses as version %d, %d bytes, which is %q", s, version, len(value), formatValue(version, value))
		}
		var mac keyring.MAC
		if good := parseMAC(text(s), 1, &mac); good != (ok && version == 1 && len(value) == keyring.MACSize) {
			t.Errorf("%q is a MAC: %v", s, good)
		}
	})
}

// FuzzParseBatch reads whatever a server may answer: each item is a MAC of the version
// asked for, or a fault.
func FuzzParseBatch(f *testing.F) {
	good := `"vault:v2:` + base64.StdEncoding.EncodeToString(make([]byte, 32)) + `"`
	for _, s := range []string{
		`{"batch_results":[{"hmac":` + good + `}]}`, `{"batch_results":[{"hmac":` + good + `},{"error":"no"}]}`, `{"batch_results":[]}`,
		`{"batch_results":[{"hmac":` + strings.Replace(good, "v2", "v3", 1) + `}]}`, `{"batch_results":[{"hmac":null}]}`,
		`{"batch_results":[{"hmac":"vault:v2:\u0041"}]}`, `{"batch_results":{}}`, `null`, ``, `{"batch_results":[{"hmac":7}]}`,
	} {
		f.Add([]byte(s), 1)
	}
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		if n < 1 || n > keyring.MaxBatch {
			return
		}
		macs, faults, err := parseBatch(json.RawMessage(data), 2, n)
		if err != nil {
			if !fault.Is(err, fault.KeyringUnavailable) {
				t.Errorf("%v", err)
			}
			return
		}
		if len(macs) != n || len(faults) != n {
			t.Fatalf("%d MACs, %d faults of %d", len(macs), len(faults), n)
		}
		for i := range macs {
			if nothing := (keyring.MAC{}); faults[i] != nil && !macs[i].Equal(&nothing) {
				t.Errorf("item %d is bad and has a MAC", i)
			}
		}
	})
}

func TestRepliesThatAreNotVaults(t *testing.T) {
	for _, raw := range []string{"<html>", "[]", "7", `{"request_id":7}`} {
		if _, _, err := parseReply("path", []byte(raw)); !fault.Is(err, fault.KeyringUnavailable) {
			t.Errorf("%s: %v", raw, err)
		} else if strings.Contains(err.Error(), raw) {
			t.Errorf("the error quotes the answer: %v", err)
		}
	}
	for _, raw := range []string{`{"plaintext":"aGk"}`, `{"plaintext":"aGl="}`, `{"plaintext":"aGk=\n"}`, `{"plaintext":7}`} {
		if got, err := parsePlaintext(json.RawMessage(raw)); !fault.Is(err, fault.KeyringUnavailable) {
			t.Errorf("%s: %q, %v", raw, got, err)
		}
	}
}
