package pebble

import "context"

// Memory is what the store holds in memory, in bytes. All of it is bounded by Options:
// it grows with what was written and read, and then stays.
type Memory struct {
	Cache  int64 // blocks read from the disk: up to Options.CacheBytes
	Tables int64 // rows not yet in sorted files: up to four times Options.MemTableBytes
}

// Memory looks at what the store holds.
func (s *Store) Memory(ctx context.Context) (Memory, error) {
	end, err := s.begin(ctx)
	if err != nil {
		return Memory{}, err
	}
	return held(ctx, s, end, func() (Memory, error) {
		m := s.db.Metrics()
		return Memory{m.BlockCache.Size, int64(m.MemTable.Size + m.MemTable.ZombieSize)}, nil
	})
}
