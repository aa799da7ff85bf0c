package matcherd

import (
	"reflect"
	"testing"
	"time"

	"nod/channel"
	"nod/config"
	"nod/crypto/compare/cut"
)

// What a configuration says of correlations is what is used.
func TestCorrelationsArePassedOn(t *testing.T) {
	got := source(&config.MatcherCorrelations{
		Batch: 512, Sacrifice: 65, MaxAge: config.Duration(6 * time.Minute), Timeout: config.Duration(7 * time.Second),
		Low: 8, High: 900, Ready: 9, Retry: config.Duration(10 * time.Millisecond), Wait: config.Duration(11 * time.Millisecond),
	})
	want := channel.SourceConfig{
		Config: channel.Config{Params: cut.Params{Batch: 512, Sacrifice: 65}, MaxAge: 6 * time.Minute, Timeout: 7 * time.Second},
		Low:    8, High: 900, Ready: 9, Retry: 10 * time.Millisecond, Wait: 11 * time.Millisecond,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("correlations %+v, want %+v", got, want)
	}
}
