package vault

import (
	"crypto/rand"
	"encoding/hex"

	"nod/keyring"
)

// BatchHeader carries a batch's id to Vault. Its audit log shows the id in clear once
// sys/config/auditing/request-headers/X-Nod-Batch says so (Plan.Requests).
const BatchHeader = "X-Nod-Batch"

// Use is one request that uses a key. A use that was sent and not answered may have
// been executed all the same: Vault's audit log has its id if it was.
type Use struct {
	ID        string // 32 hexadecimal digits, random
	Operation string // hmac, sign, encrypt or decrypt
	Key       keyring.Name
	Version   uint32 // 0: the latest, or the ciphertext's own
	Items     int    // inputs; those whose caller has given up meanwhile too
}

// Outcome is how a use ended.
type Outcome struct {
	Answered  bool   // an answer arrived, be it a refusal
	Made      int    // items that Vault answered with a result
	RequestID string // Vault's own id of the request, or "" if it gave none
}

// Recorder is told of every use of a key, from several goroutines at once. It must not
// block for long.
type Recorder interface {
	// Sent is called before a use leaves.
	Sent(Use)
	// Ended is called once for every Sent.
	Ended(Use, Outcome)
}

type nobody struct{}

func (nobody) Sent(Use)           {}
func (nobody) Ended(Use, Outcome) {}

func newID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // it never fails: it ends the process instead
	return hex.EncodeToString(id[:])
}
