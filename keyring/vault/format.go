package vault

import (
	"encoding/base64"
	"strconv"
	"strings"

	"nod/fault"
	"nod/keyring"
)

// prefix starts every value that Vault makes under a key: vault:vN: and base64.
const prefix = "vault:v"

// parseValue takes a value apart; ok is false unless it is exactly as Vault writes one.
func parseValue(text string) (version uint32, value []byte, ok bool) {
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok {
		return 0, nil, false
	}
	number, encoded, ok := strings.Cut(rest, ":")
	if !ok {
		return 0, nil, false
	}
	v, err := strconv.ParseUint(number, 10, 32)
	if err != nil || v == 0 || strconv.FormatUint(v, 10) != number {
		return 0, nil, false
	}
	// Even strict decoding skips line ends.
	if strings.ContainsAny(encoded, "\r\n") {
		return 0, nil, false
	}
	value, err = base64.StdEncoding.Strict().DecodeString(encoded)
	return uint32(v), value, err == nil
}

// formatValue is the inverse of parseValue.
func formatValue(version uint32, value []byte) string {
	return prefix + strconv.FormatUint(uint64(version), 10) + ":" + base64.StdEncoding.EncodeToString(value)
}

// text is a JSON string's bytes as they stand, so that they can be wiped. What Vault
// writes under a key needs no escapes: a string with one is refused.
type text []byte

// UnmarshalJSON implements json.Unmarshaler.
func (t *text) UnmarshalJSON(raw []byte) error {
	if string(raw) == "null" {
		return nil
	}
	if len(raw) < 2 || raw[0] != '"' || strings.ContainsRune(string(raw), '\\') {
		return fault.New(fault.BadEncoding, "not a plain string")
	}
	*t = append((*t)[:0], raw[1:len(raw)-1]...)
	return nil
}

// parseMAC reads an HMAC that must be of one version.
func parseMAC(t text, version uint32, into *keyring.MAC) bool {
	want := prefix + strconv.FormatUint(uint64(version), 10) + ":"
	if len(t) != len(want)+base64.StdEncoding.EncodedLen(keyring.MACSize) || string(t[:len(want)]) != want {
		return false
	}
	// Decode wants room for a whole last group.
	var room [keyring.MACSize + 1]byte
	defer clear(room[:])
	n, err := base64.StdEncoding.Strict().Decode(room[:], t[len(want):])
	if err != nil || n != keyring.MACSize {
		return false
	}
	copy(into[:], room[:])
	return true
}
