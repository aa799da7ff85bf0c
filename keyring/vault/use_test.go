package vault_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go-hcvault/v2/integration/hcvault"

	"nod/crypto/seal"
	"nod/fault"
	"nod/keyring"
	"nod/keyring/keysets"
	"nod/keyring/vault"
	"nod/keyring/vault/vaulttest"
)

func TestUses(t *testing.T) {
	t.Parallel()
	s := vaulttest.Start(t, vaulttest.Options{})
	role := s.Role(t, seal.Custodian, vault.Place{})
	t.Run("Batches", func(t *testing.T) { testBatching(t, s, role) })
	t.Run("Answers", func(t *testing.T) { testAnswers(t, s, role) })
	t.Run("Tink", func(t *testing.T) { testTink(t, s, role) })
	t.Run("Secrets", func(t *testing.T) { testSecrets(t, role) })
	t.Run("Exposed", func(t *testing.T) { testExposed(t, s, role) })
	t.Run("Destroyed", func(t *testing.T) { testDestroyed(t, s) })
}

// logged are the audit log's responses to HMACs: items by batch id.
func logged(t *testing.T, file string) map[string]int {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	for line := range bytes.Lines(raw) {
		var entry struct {
			Type    string `json:"type"`
			Request struct {
				Path    string              `json:"path"`
				Headers map[string][]string `json:"headers"`
			} `json:"request"`
			Response struct {
				Data struct {
					Results []struct {
						HMAC string `json:"hmac"`
					} `json:"batch_results"`
				} `json:"data"`
			} `json:"response"`
		}
		if err := json.Unmarshal(line, &entry); err != nil {
			t.Fatalf("a line of the audit log: %v", err)
		}
		if entry.Type != "response" || !strings.Contains(entry.Request.Path, "/hmac/") {
			continue
		}
		for name, values := range entry.Request.Headers {
			if strings.EqualFold(name, vault.BatchHeader) {
				for _, r := range entry.Response.Data.Results {
					if r.HMAC != "" {
						out[values[0]]++
					}
				}
			}
		}
	}
	return out
}

// Concurrent calls share requests, and the audit logs of both devices show each
// request's id and number of MACs.
func testBatching(t *testing.T, s *vaulttest.Server, role *vaulttest.Role) {
	role.Renew(t)
	settings, r := role.Settings(), newRecorder()
	settings.Recorder, settings.Queue.Delay = r, 20*time.Millisecond
	k := role.Open(t, settings)
	want := map[string]keyring.MAC{}
	input := func(i int) string { return fmt.Sprintf("input %d", i%50) }
	for i := range 50 {
		macs, err := k.MACs(context.Background(), keyring.Pad, 1, [][]byte{[]byte(input(i))})
		if err != nil {
			t.Fatal(err)
		}
		want[input(i)] = macs[0]
	}
	if alone := r.take(t); len(alone) != 50 {
		t.Fatalf("50 calls one after the other were %d requests", len(alone))
	}
	var wg sync.WaitGroup
	for i := range 256 {
		wg.Go(func() {
			macs, err := k.MACs(context.Background(), keyring.Pad, 1, [][]byte{[]byte(input(i)), []byte(input(i + 1))})
			for j := range macs {
				if w := want[input(i+j)]; !macs[j].Equal(&w) {
					t.Errorf("MAC %d of call %d is another's", j, i)
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	batches, items := r.take(t), 0
	logs := []map[string]int{logged(t, s.Audit[0]), logged(t, s.Audit[1])}
	for _, b := range batches {
		items += b.Items
		if !b.Answered || b.Made != b.Items || b.RequestID == "" || b.Key != keyring.Pad || b.Version != 1 || b.Operation != "hmac" {
			t.Errorf("a batch was %+v", b)
		}
		for device, log := range logs {
			if log[b.ID] != b.Items {
				t.Errorf("device %d has %d MACs of a batch of %d", device, log[b.ID], b.Items)
			}
		}
	}
	if items != 512 || len(batches) < 4 || len(batches) > 100 {
		t.Errorf("256 calls of 2 inputs were %d inputs in %d batches", items, len(batches))
	}
}

// One bad item, another version, missing items, a lost answer: by a proxy, with real
// answers otherwise.
func testAnswers(t *testing.T, s *vaulttest.Server, role *vaulttest.Role) {
	role.Renew(t)
	p, r, settings := newProxy(t, s), newRecorder(), role.Settings()
	settings.Address, settings.CAFile, settings.Recorder = p.Address, "", r
	settings.Queue.Delay = 200 * time.Millisecond
	k := role.Open(t, settings)
	one := func(input string) error {
		_, err := k.MACs(context.Background(), keyring.Pad, 1, [][]byte{[]byte(input)})
		return err
	}
	if err := one("first"); err != nil {
		t.Fatal(err)
	}
	r.take(t)

	bad := base64.StdEncoding.EncodeToString([]byte("bad item"))
	p.change(func(_ *http.Request, body []byte) []byte {
		return bytes.ReplaceAll(body, []byte(bad), []byte("not base64!!"))
	}, nil)
	var wg sync.WaitGroup
	errs := make([]error, 10)
	for i := range errs {
		input := "good item"
		if i == 7 {
			input = "bad item"
		}
		wg.Go(func() { errs[i] = one(input) })
	}
	wg.Wait()
	for i, err := range errs {
		if i == 7 && !fault.Is(err, fault.KeyringUnavailable) || i != 7 && err != nil {
			t.Errorf("item %d of a batch with one bad: %v", i, err)
		}
	}
	made := 0
	for _, b := range r.take(t) {
		made += b.Made
	}
	if made != 9 {
		t.Errorf("%d MACs were made", made)
	}

	replace := func(from, to string) func(*http.Response, []byte) []byte {
		return func(_ *http.Response, body []byte) []byte { return bytes.ReplaceAll(body, []byte(from), []byte(to)) }
	}
	for what, c := range map[string]struct {
		response func(*http.Response, []byte) []byte
		want     fault.Code
	}{
		"another version": {replace("vault:v1:", "vault:v2:"), fault.KeyVersion},
		"a cut MAC":       {replace("=\"", "\""), fault.KeyVersion},
		"no results":      {replace("batch_results", "no_results"), fault.KeyringUnavailable},
		"not JSON":        {func(*http.Response, []byte) []byte { return []byte("<html>") }, fault.KeyringUnavailable},
		"a redirect": {func(r *http.Response, _ []byte) []byte {
			r.StatusCode = http.StatusTemporaryRedirect
			r.Header.Set("Location", s.Address+"/v1/transit/hmac/pad")
			return []byte{}
		}, fault.KeyringUnavailable},
		"a gateway's": {func(r *http.Response, _ []byte) []byte { r.StatusCode = http.StatusBadGateway; return []byte("x") }, fault.KeyringUnavailable},
	} {
		p.change(nil, c.response)
		if err := one("item"); !fault.Is(err, c.want) {
			t.Errorf("%s: %v, want %s", what, err, c.want)
		}
	}
	r.take(t)

	p.change(nil, func(*http.Response, []byte) []byte { return nil })
	if err := one("lost"); !fault.Is(err, fault.KeyringUnavailable) {
		t.Errorf("a lost answer: %v", err)
	}
	p.change(nil, nil)
	lost := r.take(t)
	if len(lost) != 1 || lost[0].Answered || lost[0].Made != 0 {
		t.Fatalf("a lost answer is recorded as %+v: a second request would make a second MAC", lost)
	}
	if logged(t, s.Audit[0])[lost[0].ID] != 1 {
		t.Error("the use that was executed and not answered is not found in the audit log by its id")
	}
}

// Tink's own client reads what Wrap made, and the other way round; and a role's keysets
// lie under the KEK.
func testTink(t *testing.T, s *vaulttest.Server, role *vaulttest.Role) {
	ctx := context.Background()
	role.Renew(t)
	k := role.Open(t, role.Settings())
	aead, err := hcvault.NewAEAD("/transit/keys/kek", s.Root().Logical())
	if err != nil {
		t.Fatal(err)
	}
	wrapped, err := k.Wrap(ctx, keyring.KEK, []byte("keyset"), []byte("place"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := aead.Decrypt(wrapped, []byte("place")); err != nil || string(got) != "keyset" {
		t.Errorf("hcvault reads %q, %v", got, err)
	}
	if wrapped, err = aead.Encrypt([]byte("keyset"), []byte("place")); err != nil {
		t.Fatal(err)
	}
	if got, err := k.Unwrap(ctx, keyring.KEK, wrapped, []byte("place")); err != nil || string(got) != "keyset" {
		t.Errorf("of hcvault's: %q, %v", got, err)
	}
	if _, err := k.Unwrap(ctx, keyring.KEK, wrapped, []byte("elsewhere")); !fault.Is(err, fault.BadCiphertext) {
		t.Errorf("elsewhere: %v", err)
	}
	shelf := keysets.Memory()
	records, err := keysets.New("custodian", k, shelf).AEAD(ctx, keysets.Records)
	if err != nil {
		t.Fatal(err)
	}
	row, err := records.Encrypt([]byte("row"), []byte("place"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := keysets.New("custodian", k, shelf).AEAD(ctx, keysets.Records)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Decrypt(row, []byte("place")); err != nil || string(got) != "row" {
		t.Errorf("a row under a keyset that was opened again: %q, %v", got, err)
	}
	if _, err := keysets.New("matcher", k, shelf).AEAD(ctx, keysets.Records); !fault.Is(err, fault.KeysetForged) {
		t.Errorf("another role's keyset: %v", err)
	}
}

// Nothing that is printed or logged holds a token, a secret id or a MAC.
func testSecrets(t *testing.T, role *vaulttest.Role) {
	role.Renew(t)
	settings := role.Settings()
	var log bytes.Buffer
	settings.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	k := role.Open(t, settings)
	macs, err := k.MACs(context.Background(), keyring.Pad, 1, [][]byte{[]byte("input")})
	if err != nil {
		t.Fatal(err)
	}
	_, refused := k.MACs(context.Background(), keyring.Pad, 9, [][]byte{[]byte("input")})
	_ = k.Close()
	text := log.String() + fmt.Sprintf("%v %+v %#v %v %s", macs, macs, macs, refused, errors.Unwrap(refused))
	text += fmt.Sprintf("%v %#v", k, vault.Token("hvs.secret"))
	for _, secret := range []string{"hvs.", base64.StdEncoding.EncodeToString(macs[0][:]), fmt.Sprintf("%x", macs[0][:8])} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in what was printed:\n%s", secret, text)
		}
	}
	if !strings.Contains(text, "logged in") {
		t.Error("the login is not in the log")
	}
}

// Keys that Vault may give out, drop or derive from are refused, by Create and at
// start.
func testExposed(t *testing.T, s *vaulttest.Server, role *vaulttest.Role) {
	ctx := context.Background()
	admin := s.Admin(t, role.Mount)
	for name, c := range map[keyring.Name]struct {
		create, config map[string]any
		want           fault.Code
	}{
		"exportable": {map[string]any{"type": "hmac", "key_size": 32, "exportable": true}, nil, fault.KeyExposed},
		"backup":     {map[string]any{"type": "hmac", "key_size": 32}, map[string]any{"allow_plaintext_backup": true}, fault.KeyExposed},
		"deletable":  {map[string]any{"type": "hmac", "key_size": 32}, map[string]any{"deletion_allowed": true}, fault.KeyExposed},
		"long":       {map[string]any{"type": "hmac", "key_size": 64}, nil, fault.KeyType},
		"derived":    {map[string]any{"type": "aes256-gcm96", "derived": true}, nil, fault.KeyType},
		"rsa":        {map[string]any{"type": "rsa-2048"}, nil, fault.KeyType},
	} {
		s.Write(t, "transit/keys/"+string(name), c.create)
		if c.config != nil {
			s.Write(t, "transit/keys/"+string(name)+"/config", c.config)
		}
		kind := keyring.HMAC
		if name == "derived" {
			kind = keyring.AEAD
		}
		if err := admin.Create(ctx, name, kind); !fault.Is(err, c.want) {
			t.Errorf("Create of a key that is %s: %v, want %s", name, err, c.want)
		}
		if _, err := admin.Describe(ctx, name); name != "rsa" && !fault.Is(err, c.want) {
			t.Errorf("Describe of a key that is %s: %v, want %s", name, err, c.want)
		}
	}
	role.Renew(t)
	k := role.Open(t, role.Settings())
	s.Write(t, "transit/keys/identity/config", map[string]any{"exportable": true})
	if err := k.Ready(ctx); !fault.Is(err, fault.KeyExposed) {
		t.Errorf("an identity key that became exportable: %v", err)
	}
}

// A destroyed version cannot be brought back, not by root either; and Admin goes on
// where an earlier Destroy stopped.
func testDestroyed(t *testing.T, s *vaulttest.Server) {
	ctx := context.Background()
	admin := s.Admin(t, "transit")
	for name, kind := range map[keyring.Name]keyring.Type{"mac": keyring.HMAC, "wrap": keyring.AEAD, "sign": keyring.Ed25519} {
		if err := admin.Create(ctx, name, kind); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := admin.Rotate(ctx, name); err != nil {
				t.Fatal(err)
			}
		}
		config := "transit/keys/" + string(name) + "/config"
		s.Write(t, config, map[string]any{"min_decryption_version": 3}) // and stopped
		if info, err := admin.Describe(ctx, name); err != nil || info.MinUse != 3 || info.MinAvailable != 1 {
			t.Errorf("half destroyed: %+v, %v", info, err)
		}
		if err := admin.Destroy(ctx, name, 2); err != nil {
			t.Errorf("Destroy %s: %v", name, err)
		}
		if info, err := admin.Describe(ctx, name); err != nil || info.MinUse != 3 || info.MinAvailable != 2 {
			t.Errorf("a minimum went down: %+v, %v", info, err)
		}
		if err := admin.Destroy(ctx, name, 3); err != nil {
			t.Errorf("Destroy %s: %v", name, err)
		}
		if status := s.Try(t, s.Token, put, config, map[string]any{"min_decryption_version": 2}); status != http.StatusBadRequest {
			t.Errorf("root brings version 2 of %s back: status %d", name, status)
		}
	}
}
