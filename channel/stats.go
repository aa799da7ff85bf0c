package channel

// Stats counts correlations since the start. At any moment
// Dealt = Sacrificed + Used + Discarded + Stock.
type Stats struct {
	Channels   int    // open now
	Batches    uint64 // that passed cut and choose
	Dealt      uint64 // in those batches
	Sacrificed uint64
	Used       uint64 // handed out
	Discarded  uint64 // too old, of a lost channel, or of one that stopped
	Stock      int    // waiting
	Failed     uint64 // batches that came to nothing: no correlation of theirs is counted above
	Alarms     uint64
	Stopped    bool // for good
}

// finished counts a batch that passed cut and choose.
func (s *Stats) finished(batch, sacrificed int) {
	s.Batches++
	s.Dealt += uint64(batch)
	s.Sacrificed += uint64(sacrificed)
}

func (s *Stats) add(o Stats) {
	s.Channels += o.Channels
	s.Batches += o.Batches
	s.Dealt += o.Dealt
	s.Sacrificed += o.Sacrificed
	s.Used += o.Used
	s.Discarded += o.Discarded
	s.Stock += o.Stock
	s.Failed += o.Failed
	s.Alarms += o.Alarms
}
