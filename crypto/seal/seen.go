package seal

import (
	"crypto/sha256"
	"sync"
)

// maxSeen bounds the certificates that a bundle remembers. Three roles renew theirs
// every hour and use each for an hour and a quarter: some ten are in use at a time.
const maxSeen = 64

// seen are certificates whose signature verified under a bundle's identity keys, by the
// hash of their bytes: the same bytes verify again, and need no second look at the
// signature. What depends on who asks and when (role, use, time) is checked every
// time. A nil seen remembers nothing. Safe for concurrent use.
type seen struct {
	mu    sync.Mutex
	certs map[[sha256.Size]byte]*Cert
}

func newSeen() *seen { return &seen{certs: map[[sha256.Size]byte]*Cert{}} }

// get gives a certificate that was put under the hash, or nil.
func (s *seen) get(hash *[sha256.Size]byte) *Cert {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.certs[*hash]
}

// put remembers a certificate that verified. When there is no room all are forgotten: a
// role that certifies key after key costs a signature's check each, as before.
func (s *seen) put(hash *[sha256.Size]byte, c *Cert) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.certs) >= maxSeen {
		clear(s.certs)
	}
	s.certs[*hash] = c
}
