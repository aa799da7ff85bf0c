package seal

import (
	"slices"
	"sync"
	"time"

	"nod/fault"
)

// How long short-lived keys serve. A key is replaced after Period, still handed
// out until Offered if replacing it fails (the keyring is away), and wiped after
// Lifetime, which leaves every session opened with it time to end.
const (
	Period   = time.Hour
	Offered  = Period + 5*time.Minute
	Lifetime = Offered + 10*time.Minute
	// remembered is how long the id of a wiped key is known as expired.
	remembered = 24 * time.Hour
)

// rotation holds the private keys of one role and use, newest last. Safe for
// concurrent use; a key is never wiped while it is in use.
type rotation[K any] struct {
	role Role
	use  Use
	wipe func(K)

	mu   sync.RWMutex
	keys []held[K]
}

// held is one key; after it is wiped only its id and end are left.
type held[K any] struct {
	id    KeyID
	cert  *Cert
	made  time.Time
	end   time.Time
	wiped bool
	key   K
}

// due reports whether it is time for a new key.
func (r *rotation[K]) due(now time.Time) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	newest, ok := r.newest()
	return !ok || !now.Before(newest.made.Add(Period)) || now.Before(newest.made.Add(-Skew))
}

// newest is the last key that is not wiped. The caller holds mu.
func (r *rotation[K]) newest() (held[K], bool) {
	if n := len(r.keys); n > 0 && !r.keys[n-1].wiped {
		return r.keys[n-1], true
	}
	return held[K]{}, false
}

func (r *rotation[K]) add(cert *Cert, key K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys = append(r.keys, held[K]{id: cert.KeyID(), cert: cert, made: cert.NotBefore, end: cert.NotAfter, key: key})
}

// expire wipes the keys whose time has passed.
func (r *rotation[K]) expire(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.keys {
		if now.After(r.keys[i].end) {
			r.wipeAt(i)
		}
	}
	r.keys = slices.DeleteFunc(r.keys, func(h held[K]) bool { return h.wiped && now.After(h.end.Add(remembered)) })
}

func (r *rotation[K]) wipeAt(i int) {
	h := &r.keys[i]
	if h.wiped {
		return
	}
	r.wipe(h.key)
	var none K
	h.key, h.cert, h.wiped = none, nil, true
}

func (r *rotation[K]) wipeAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.keys {
		r.wipeAt(i)
	}
}

// withNewest runs f with the newest key and its certificate.
func (r *rotation[K]) withNewest(now time.Time, f func(*Cert, K) error) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	h, ok := r.newest()
	if !ok || now.After(h.made.Add(Offered)) {
		return fault.New(fault.KeyringUnavailable, "the %s has no current %s key: its identity key could not certify one", r.role, r.use)
	}
	return f(h.cert, h.key)
}

// withKey runs f with the key of that id.
func (r *rotation[K]) withKey(id KeyID, now time.Time, f func(K) error) error {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for i := range r.keys {
		h := &r.keys[i]
		if h.id != id {
			continue
		}
		if h.wiped || now.After(h.end) {
			return fault.New(fault.KeyExpired, "%s key %v of the %s ended at %s", r.use, id, r.role, h.end.Format(time.RFC3339))
		}
		return f(h.key)
	}
	return fault.New(fault.UnknownKey, "the %s has no %s key %v", r.role, r.use, id)
}

// certificate is the newest key's, as it travels.
func (r *rotation[K]) certificate(now time.Time) (data []byte, err error) {
	err = r.withNewest(now, func(c *Cert, _ K) error {
		data = c.Bytes()
		return nil
	})
	return data, err
}
