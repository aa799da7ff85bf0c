package crash_test

import (
	"testing"
)

func publish(t *testing.T, seen table) {
	for _, l := range seen {
		t.Log(l)
	}
}
