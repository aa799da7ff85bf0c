package rows

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nod/channel"
	"nod/fault"
	"nod/store"
)

// Health says whether the store still works.
func (r *Rows) Health(ctx context.Context) error {
	_, err := r.Store.Get(ctx, store.Row{Table: "health", Partition: []byte("health")})
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// Correlations shows a stock of correlations as metrics.
func Correlations(stats func() channel.Stats) prometheus.Collector {
	c := &correlations{stats: stats}
	add := func(kind prometheus.ValueType, name, help string, value func(*channel.Stats) float64) {
		c.lines = append(c.lines, line{prometheus.NewDesc("nod_"+name, help, nil, nil), kind, value})
	}
	add(prometheus.GaugeValue, "channels", "Channels of correlations that are open.", func(s *channel.Stats) float64 { return float64(s.Channels) })
	add(prometheus.GaugeValue, "correlations_stock", "Correlations that wait to be used.", func(s *channel.Stats) float64 { return float64(s.Stock) })
	add(prometheus.CounterValue, "correlations_dealt_total", "Correlations of batches that passed cut and choose.", func(s *channel.Stats) float64 { return float64(s.Dealt) })
	add(prometheus.CounterValue, "correlations_sacrificed_total", "Of those, opened to catch a dealer that lies.", func(s *channel.Stats) float64 { return float64(s.Sacrificed) })
	add(prometheus.CounterValue, "correlations_used_total", "Of those, handed out for a check.", func(s *channel.Stats) float64 { return float64(s.Used) })
	add(prometheus.CounterValue, "correlations_discarded_total", "Of those, thrown away unused.", func(s *channel.Stats) float64 { return float64(s.Discarded) })
	add(prometheus.CounterValue, "batches_total", "Batches that passed cut and choose.", func(s *channel.Stats) float64 { return float64(s.Batches) })
	add(prometheus.CounterValue, "batches_failed_total", "Batches that came to nothing.", func(s *channel.Stats) float64 { return float64(s.Failed) })
	add(prometheus.CounterValue, "alarms_total", "Roles caught at lying about correlations.", func(s *channel.Stats) float64 { return float64(s.Alarms) })
	add(prometheus.GaugeValue, "correlations_stopped", "1 after an alarm that stopped everything until the process is restarted.", func(s *channel.Stats) float64 {
		if s.Stopped {
			return 1
		}
		return 0
	})
	return c
}

// Memory shows what the store holds in memory as metrics.
func (r *Rows) Memory() prometheus.Collector {
	return &memory{
		rows:   r,
		cache:  prometheus.NewDesc("nod_store_cache_bytes", "Bytes of blocks of the store that are kept in memory.", nil, nil),
		tables: prometheus.NewDesc("nod_store_tables_bytes", "Bytes of rows of the store that are in memory, and not yet in sorted files.", nil, nil),
	}
}

type memory struct {
	rows          *Rows
	cache, tables *prometheus.Desc
}

func (c *memory) Describe(out chan<- *prometheus.Desc) {
	out <- c.cache
	out <- c.tables
}

func (c *memory) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	m, err := c.rows.raw.Memory(ctx)
	if err != nil {
		return // health says so
	}
	out <- prometheus.MustNewConstMetric(c.cache, prometheus.GaugeValue, float64(m.Cache))
	out <- prometheus.MustNewConstMetric(c.tables, prometheus.GaugeValue, float64(m.Tables))
}

type line struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*channel.Stats) float64
}

type correlations struct {
	stats func() channel.Stats
	lines []line
}

func (c *correlations) Describe(out chan<- *prometheus.Desc) {
	for _, l := range c.lines {
		out <- l.desc
	}
}

func (c *correlations) Collect(out chan<- prometheus.Metric) {
	s := c.stats()
	for _, l := range c.lines {
		out <- prometheus.MustNewConstMetric(l.desc, l.kind, l.value(&s))
	}
}
