package config

import (
	"nod/crypto/compare/cut"
	"nod/fault"
)

// MatcherCorrelations is the matcher's stock of correlations, kept for each check.
type MatcherCorrelations struct {
	// Batch is how many correlations are fetched at once: the same at matcher and
	// custodian, and at most the dealer's max_batch. Default: 4096. Range: 256 to
	// 65536.
	Batch int `toml:"batch" default:"4096" range:"256..65536"`
	// Sacrifice is how many of a batch are opened to catch a dealer that lies, and so
	// never used: the same at matcher and custodian, and less than batch. Fewer than 64
	// would weaken what is claimed. Default: 64. Range: 64 to 65535.
	Sacrifice int `toml:"sacrifice" default:"64" range:"64..65535"`
	// MaxAge is how long a correlation is kept before it is thrown away unused. A
	// version of the dealer's root key is destroyed on that basis. Default: 24h.
	// Range: 1m to 720h.
	MaxAge Duration `toml:"max_age" default:"24h" range:"1m..720h"`
	// Timeout is how long one batch may take, from its fetch to its sacrifice.
	// Default: 2m. Range: 1s to 1h.
	Timeout Duration `toml:"timeout" default:"2m" range:"1s..1h"`
	// Low is the stock of a check, in correlations, below which a batch is fetched; 0
	// takes half of what a batch yields. Default: 0. Range: 1 to 1048576.
	Low int `toml:"low" default:"0" range:"1..1048576"`
	// High is the stock of a check, in correlations, above which no batch is fetched: at
	// least low and what a batch yields, which 0 takes. Default: 0. Range: 1 to 2097152.
	High int `toml:"high" default:"0" range:"1..2097152"`
	// Ready is how many correlations of each check are kept expanded, about 13 KB each
	// for a model of 1,024 bits. Default: 64. Range: 1 to 65536.
	Ready int `toml:"ready" default:"64" range:"1..65536"`
	// Retry is the pause after a batch that failed; it doubles, up to 16 times that.
	// Default: 250ms. Range: 10ms to 1m.
	Retry Duration `toml:"retry" default:"250ms" range:"10ms..1m"`
	// Wait is how long a verification waits for correlations before it is refused as
	// correlations_exhausted. Default: 2s. Range: 10ms to 20s.
	Wait Duration `toml:"wait" default:"2s" range:"10ms..20s"`
}

// check holds the sizes to one another, as channel.NewSource will.
func (c *MatcherCorrelations) check() error {
	if err := checkBatch(c.Batch, c.Sacrifice); err != nil {
		return err
	}
	usable := c.Batch - c.Sacrifice
	low := c.Low
	if low == 0 {
		low = (usable + 1) / 2
	}
	if c.High != 0 && c.High < low+usable {
		return fault.New(fault.OutOfRange, "correlations.high is %d; want at least %d (low and one batch without what is sacrificed), or 0",
			c.High, low+usable)
	}
	return nil
}

// CustodianCorrelations is what a custodian keeps of the matcher's stock.
type CustodianCorrelations struct {
	// Batch is how many correlations are fetched at once: the same at matcher and
	// custodian, and at most the dealer's max_batch. Default: 4096. Range: 256 to
	// 65536.
	Batch int `toml:"batch" default:"4096" range:"256..65536"`
	// Sacrifice is how many of a batch are opened to catch a dealer that lies, and so
	// never used: the same at matcher and custodian, and less than batch. Fewer than 64
	// would weaken what is claimed. Default: 64. Range: 64 to 65535.
	Sacrifice int `toml:"sacrifice" default:"64" range:"64..65535"`
	// MaxAge is how long a correlation is kept before it is thrown away unused. A
	// version of the dealer's root key is destroyed on that basis. Default: 24h.
	// Range: 1m to 720h.
	MaxAge Duration `toml:"max_age" default:"24h" range:"1m..720h"`
	// Timeout is how long one batch may take, from its fetch to its sacrifice.
	// Default: 2m. Range: 1s to 1h.
	Timeout Duration `toml:"timeout" default:"2m" range:"1s..1h"`
	// Channels is how many channels are open at a time, over all instances of the
	// matcher: one for each check and instance. Default: 16. Range: 1 to 1024.
	Channels int `toml:"channels" default:"16" range:"1..1024"`
	// Batches is how many batches a channel keeps; the oldest is dropped for a new one.
	// Memory is up to channels x batches x batch x 13 KB for a model of 1,024 bits.
	// Default: 4. Range: 1 to 64.
	Batches int `toml:"batches" default:"4" range:"1..64"`
	// Idle is how long a channel may be unused before it is dropped; a minute is enough
	// if its place is needed. Default: 1h. Range: 1m to 24h.
	Idle Duration `toml:"idle" default:"1h" range:"1m..24h"`
	// Ready is how many correlations of each channel are kept expanded, about 13 KB each
	// for a model of 1,024 bits. Default: 64. Range: 1 to 65536.
	Ready int `toml:"ready" default:"64" range:"1..65536"`
}

func (c *CustodianCorrelations) check() error { return checkBatch(c.Batch, c.Sacrifice) }

// DealerCorrelations is how much a dealer deals at once.
type DealerCorrelations struct {
	// MaxBatch is the most correlations that one call may ask for: at least the batch of
	// matcher and custodian. Default: 4096. Range: 256 to 65536.
	MaxBatch int `toml:"max_batch" default:"4096" range:"256..65536"`
	// Concurrent is how many batches are dealt at a time; further calls wait.
	// Default: 2. Range: 1 to 64.
	Concurrent int `toml:"concurrent" default:"2" range:"1..64"`
}

func checkBatch(batch, sacrifice int) error {
	if sacrifice >= batch {
		return fault.New(fault.OutOfRange, "correlations.sacrifice is %d; want less than correlations.batch, which is %d", sacrifice, batch)
	}
	if err := (cut.Params{Batch: batch, Sacrifice: sacrifice}).Valid(); err != nil {
		return fault.Within(err, "correlations")
	}
	return nil
}
