package keyringtest

import (
	"context"
	"crypto/ed25519"
	"maps"
	"sync"

	"nod/keyring"
)

// Counts are the uses of one key, refused and failed ones too. Two equal Counts
// mean that the key's keeper saw the same amount of work.
type Counts struct {
	MACCalls, MACs int // calls, and inputs over all of them
	InputBytes     int // of the MACs
	Signs, Publics int
	Wraps, Unwraps int
	Describes      int
}

// Counting is a keyring that counts its calls, and fails those that a test wants
// to fail.
type Counting struct {
	inner keyring.Keyring

	mu     sync.Mutex
	counts map[keyring.Name]Counts
	refuse func(keyring.Name) error
}

var _ keyring.Keyring = (*Counting)(nil)

// NewCounting wraps a keyring.
func NewCounting(inner keyring.Keyring) *Counting {
	return &Counting{inner: inner, counts: map[keyring.Name]Counts{}}
}

// Counts gives the uses of every key that was used since the start or the last
// Reset.
func (c *Counting) Counts() map[keyring.Name]Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.counts)
}

// Reset forgets the uses so far.
func (c *Counting) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.counts)
}

// Refuse has every use of a key fail with what f returns for it, unless nil,
// without being made. A nil f lets all through again.
func (c *Counting) Refuse(f func(keyring.Name) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = f
}

func (c *Counting) count(key keyring.Name, add func(*Counts)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.counts[key]
	add(&n)
	c.counts[key] = n
	if c.refuse == nil {
		return nil
	}
	return c.refuse(key)
}

// MACs implements keyring.MACer.
func (c *Counting) MACs(ctx context.Context, key keyring.Name, version uint32, inputs [][]byte) ([]keyring.MAC, error) {
	err := c.count(key, func(n *Counts) {
		n.MACCalls++
		n.MACs += len(inputs)
		for _, input := range inputs {
			n.InputBytes += len(input)
		}
	})
	if err != nil {
		return nil, err
	}
	return c.inner.MACs(ctx, key, version, inputs)
}

// Sign implements keyring.Signer.
func (c *Counting) Sign(ctx context.Context, key keyring.Name, message []byte) ([]byte, uint32, error) {
	if err := c.count(key, func(n *Counts) { n.Signs++ }); err != nil {
		return nil, 0, err
	}
	return c.inner.Sign(ctx, key, message)
}

// Public implements keyring.Signer.
func (c *Counting) Public(ctx context.Context, key keyring.Name, version uint32) (ed25519.PublicKey, error) {
	if err := c.count(key, func(n *Counts) { n.Publics++ }); err != nil {
		return nil, err
	}
	return c.inner.Public(ctx, key, version)
}

// Wrap implements keyring.Wrapper.
func (c *Counting) Wrap(ctx context.Context, key keyring.Name, plaintext, associated []byte) ([]byte, error) {
	if err := c.count(key, func(n *Counts) { n.Wraps++ }); err != nil {
		return nil, err
	}
	return c.inner.Wrap(ctx, key, plaintext, associated)
}

// Unwrap implements keyring.Wrapper.
func (c *Counting) Unwrap(ctx context.Context, key keyring.Name, ciphertext, associated []byte) ([]byte, error) {
	if err := c.count(key, func(n *Counts) { n.Unwraps++ }); err != nil {
		return nil, err
	}
	return c.inner.Unwrap(ctx, key, ciphertext, associated)
}

// Describe implements keyring.Keyring.
func (c *Counting) Describe(ctx context.Context, key keyring.Name) (keyring.Info, error) {
	if err := c.count(key, func(n *Counts) { n.Describes++ }); err != nil {
		return keyring.Info{}, err
	}
	return c.inner.Describe(ctx, key)
}
