package vault

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"nod/fault"
	"nod/keyring"
)

// Admin is the operator's own login, which makes and retires keys. It uses none of
// them for what roles use them for.
type Admin struct {
	engine
	session *session
}

var _ keyring.Admin = (*Admin)(nil)

// OpenAdmin logs in as the operator. It fails as Open does.
func OpenAdmin(ctx context.Context, settings Settings) (*Admin, error) {
	s, err := settings.withDefaults()
	if err != nil {
		return nil, err
	}
	login, err := openSession(ctx, &s)
	if err != nil {
		return nil, err
	}
	return &Admin{engine{login.calls, s.Mount}, login}, nil
}

// Close ends the login.
func (a *Admin) Close() error {
	a.session.close()
	return nil
}

// Describe reads a key's type and versions back, as Keyring.Describe does.
func (a *Admin) Describe(ctx context.Context, key keyring.Name) (keyring.Info, error) {
	return a.describe(ctx, key)
}

// change makes a request that changes a key. Vault's own words are in the fault: what
// an operator sends holds no secret.
func (a *Admin) change(ctx context.Context, path string, body any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return fault.New(fault.Unexpected, "%s: %w", path, err)
	}
	_, _, err = a.do(ctx, http.MethodPut, path, encoded)
	var r *refusal
	if errors.As(err, &r) && r.status == http.StatusBadRequest {
		return fault.New(fault.KeyringUnavailable, "Vault refuses %s: %s", path, r.text)
	}
	return unavailable(path, err)
}

// Create implements keyring.Admin. Vault answers that it made a key that exists, of
// whatever type: so the key is looked for first, and read back. It fails with
// fault.KeyExposed if the key that exists may be given out.
func (a *Admin) Create(ctx context.Context, key keyring.Name, t keyring.Type) error {
	if err := errors.Join(checkName(key), checkType(t)); err != nil {
		return err
	}
	_, err := a.explain(ctx, key, t)
	if !fault.Is(err, fault.UnknownKey) {
		return err
	}
	body := map[string]any{"type": t, "derived": false, "exportable": false, "allow_plaintext_backup": false}
	if t == keyring.HMAC {
		body["key_size"] = hmacSize
	}
	if err := a.change(ctx, a.path("keys", key), body); err != nil {
		return err
	}
	_, err = a.explain(ctx, key, t)
	return err
}

// Rotate implements keyring.Admin.
func (a *Admin) Rotate(ctx context.Context, key keyring.Name) (uint32, error) {
	before, err := a.read(ctx, key)
	if err != nil {
		return 0, err
	}
	// Not every server answers with the key's settings.
	if err := a.change(ctx, a.path("keys", key)+"/rotate", struct{}{}); err != nil {
		return 0, err
	}
	after, err := a.read(ctx, key)
	if err != nil {
		return 0, err
	}
	if after.Latest <= before.Latest {
		return 0, fault.New(fault.KeyringUnavailable, "key %s still has version %d", key, after.Latest)
	}
	return after.Latest, nil
}

// Destroy implements keyring.Admin. It raises both minimum versions, trims, reads back,
// and has Vault refuse the newest destroyed version. Snapshots of Vault's storage that
// are older bring the versions back: they must be destroyed too.
func (a *Admin) Destroy(ctx context.Context, key keyring.Name, min uint32) error {
	s, err := a.read(ctx, key)
	if err != nil {
		return err
	}
	switch {
	case min < 1 || min > s.Latest:
		return fault.New(fault.OutOfRange, "destroying versions of key %s below %d, at most %d", key, min, s.Latest)
	case min <= s.info(key).MinAvailable:
		return nil
	}
	// Both, and before the trim: Vault trims nothing that either still allows. A
	// minimum never goes down, and that of encryption is never the lower one.
	minimums := map[string]any{
		"min_decryption_version": max(min, s.MinDecryption),
		"min_encryption_version": max(min, s.MinDecryption, s.MinEncryption),
	}
	path := a.path("keys", key)
	if err := a.change(ctx, path+"/config", minimums); err != nil {
		return err
	}
	if err := a.change(ctx, path+"/trim", map[string]any{"min_available_version": min}); err != nil {
		return err
	}
	if s, err = a.read(ctx, key); err != nil {
		return err
	}
	if s.MinAvailable < min {
		return fault.New(fault.KeyringUnavailable, "key %s has version %d still after a trim", key, s.MinAvailable)
	}
	return a.dead(ctx, key, s.Type, min-1)
}

// dead tries a version in a way that gives nothing away should it live: verifying a
// wrong HMAC or signature, or encrypting nothing.
func (a *Admin) dead(ctx context.Context, key keyring.Name, t keyring.Type, version uint32) error {
	operation, body := "verify", map[string]any{"input": ""}
	switch t {
	case keyring.HMAC:
		body["hmac"] = formatValue(version, make([]byte, keyring.MACSize))
	case keyring.Ed25519:
		body["signature"] = formatValue(version, make([]byte, 64))
	default:
		operation, body = "encrypt", map[string]any{"plaintext": "", "key_version": version}
	}
	path := a.path(operation, key)
	encoded, err := json.Marshal(body)
	if err != nil {
		return fault.New(fault.Unexpected, "%s: %w", path, err)
	}
	switch _, _, err = a.do(ctx, http.MethodPut, path, encoded); {
	case err == nil:
		return fault.New(fault.KeyringUnavailable, "version %d of key %s was destroyed and still works", version, key)
	case statusOf(err) == http.StatusBadRequest:
		return nil
	}
	return fault.Within(unavailable(path, err), "version %d of key %s is destroyed, which could not be tried", version, key)
}
