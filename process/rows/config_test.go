package rows_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nod/config"
	"nod/process/rows"
)

// The loosest and the tightest limits that a configuration may have are limits for
// admission too.
func TestLimitsOfEveryConfigurationAreValid(t *testing.T) {
	sample := config.CustodianSample()
	for name, values := range map[string]map[string]string{
		"tightest": {"consecutive": "1", "pause": `"1s"`, "no_matches": "1", "answers": "1", "session": `"1s"`, "replay": `"10m"`},
		"loosest":  {"consecutive": "65535", "pause": `"24h"`, "no_matches": "65535", "answers": "65535", "session": `"9m"`, "replay": `"720h"`},
		"mixed":    {"session": `"9m"`, "replay": `"10m"`},
	} {
		text := sample
		for field, value := range values {
			lines := strings.Split(text, "\n")
			for i, line := range lines {
				if strings.HasPrefix(line, field+" = ") {
					lines[i] = field + " = " + value
				}
			}
			text = strings.Join(lines, "\n")
		}
		path := filepath.Join(t.TempDir(), "custodian.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.LoadCustodian(path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		l := rows.LimitsOf(&c.Limits)
		if err := l.Valid(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		l.Answers = math.MaxInt32
		if l.Valid() == nil {
			t.Error("the check sees nothing")
		}
	}
}
