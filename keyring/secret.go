package keyring

import "crypto/subtle"

// String hides the value.
func (MAC) String() string { return "keyring.MAC(secret)" }

// GoString hides the value.
func (MAC) GoString() string { return "keyring.MAC(secret)" }

// Equal compares in constant time.
func (m *MAC) Equal(o *MAC) bool { return subtle.ConstantTimeCompare(m[:], o[:]) == 1 }

// Wipe overwrites the value.
func (m *MAC) Wipe() { clear(m[:]) }
