package config

import (
	"reflect"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"nod/fault"
)

// Whatever loads means the same when it is written out and read again, and whatever
// does not is a fault of the catalogue.
func FuzzLoad(f *testing.F) {
	for _, p := range programs() {
		f.Add([]byte(p.sample))
		f.Add([]byte(p.least))
	}
	f.Add([]byte("caller = [{name = \"a\", key = \"\\u00e9\", methods = []}]\nlimits = {pause = \"1h0.5s\"}\n" + leastMatcher))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, p := range programs() {
			c, err := p.parse(data, "/etc/nod")
			if err != nil {
				if code := fault.CodeOf(err); !code.Known() || code == fault.Unexpected {
					t.Fatalf("%s: %v", p.name, err)
				}
				continue
			}
			again, err := toml.Marshal(c)
			if err != nil {
				t.Fatalf("%s: %v", p.name, err)
			}
			other, err := p.parse(again, "/elsewhere") // paths are absolute by now
			if err != nil {
				t.Fatalf("%s: %v\n%s", p.name, err, again)
			}
			if !reflect.DeepEqual(c, other) {
				t.Fatalf("%s: %+v reads again as %+v", p.name, c, other)
			}
		}
	})
}
