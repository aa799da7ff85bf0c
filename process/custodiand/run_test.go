package custodiand

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
	got := server(&config.CustodianCorrelations{
		Batch: 512, Sacrifice: 65, MaxAge: config.Duration(6 * time.Minute), Timeout: config.Duration(7 * time.Second),
		Channels: 3, Batches: 2, Idle: config.Duration(9 * time.Minute), Ready: 11,
	})
	want := channel.ServerConfig{
		Config:   channel.Config{Params: cut.Params{Batch: 512, Sacrifice: 65}, MaxAge: 6 * time.Minute, Timeout: 7 * time.Second},
		Channels: 3, Batches: 2, Idle: 9 * time.Minute, Ready: 11,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("correlations %+v, want %+v", got, want)
	}
}
