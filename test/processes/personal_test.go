package processes_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"nod/crypto/seal"
	"nod/dev"
	"nod/orders"
	"nod/test/world"
	"nod/wire"
)

// record keeps what three processes write to their logs.
type record struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.String()
}

// The logs at their loudest, and the metrics, name no citizen, hold no key and give no
// verdict; and what is on disk names no citizen either.
func TestLogsHoldNothingPersonal(t *testing.T) {
	log := new(record)
	w := world.NewThree(t, world.Shape(), programs, log, func(l *dev.Layout) { l.Log = "debug" })
	const reference, other = "citizen-4711-0815", "citizen-4712-0815"
	citizen, stranger := w.Person(reference), w.Person(other)
	_, err := w.Station.Enrol(t.Context(), citizen.Name, 0, w.Model, w.Portrait(citizen))
	must(t, err)
	signed := []string{}
	for _, shown := range []*world.Person{&citizen, &stranger} {
		v, err := w.Verify(t.Context(), citizen.Name, w.Photo(*shown))
		must(t, err)
		signed = append(signed, string(v.Request), string(v.Signed))
	}
	now := time.Now()
	for _, who := range []orders.Citizen{citizen.Name, stranger.Name} {
		order, err := orders.SignOrder(w.Bureau, &orders.Order{
			Kind: orders.Erase, Citizen: who, JTI: rand.Text(), IssuedAt: now.Truncate(time.Millisecond), Expiry: now.Add(time.Hour).Truncate(time.Second),
		})
		must(t, err)
		_, err = w.Matcher.Order(t.Context(), &wire.OrderRequest{Order: order})
		must(t, err)
		_, err = w.Matcher.Order(t.Context(), &wire.OrderRequest{Order: order[:len(order)-2]}) // and one that is refused
		if err == nil {
			t.Fatal("a broken order was carried out")
		}
		signed = append(signed, string(order))
	}
	metrics := ""
	for _, port := range w.Layout.Ports[3:] {
		metrics += get(t, port)
	}
	must(t, w.Processes.Stop())

	text := log.String()
	if strings.Count(text, `"msg":"serving"`) != 3 || strings.Count(text, `"msg":"stopped"`) != 3 || !strings.Contains(text, "matcher/Order") {
		t.Fatalf("the logs are not there:\n%s", text)
	}
	secrets := append(keysOf(t, w.Layout), signed...)
	if len(secrets) < 12 {
		t.Fatalf("%d keys and signed texts only", len(secrets))
	}
	for name, text := range map[string]string{"logs": text, "metrics": metrics} {
		for _, secret := range append(secrets, spellings([]byte(reference))...) {
			if strings.Contains(text, secret) {
				t.Errorf("the %s hold %.12s...", name, secret)
			}
		}
		if word := regexp.MustCompile(`(?i)\b(no[_ -]?match|match|matched|verdict|yes|distance|4711|4712)\b`).FindString(text); word != "" {
			t.Errorf("the %s say %q", name, word)
		}
	}
	for _, role := range seal.Roles() {
		holdsNothingOf(t, w.Layout.Role(role), reference)
	}
}

func get(t *testing.T, port int) string {
	t.Helper()
	answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", port))
	must(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(t, err)
	if !bytes.Contains(text, []byte("nod_served_call_seconds")) {
		t.Errorf("no metrics at %d", port)
	}
	return string(text)
}

// spellings are the ways in which bytes stand in a text.
func spellings(data []byte) []string {
	return []string{
		string(data), hex.EncodeToString(data), strings.ToUpper(hex.EncodeToString(data)),
		base64.RawStdEncoding.EncodeToString(data), base64.RawURLEncoding.EncodeToString(data),
	}
}

// keysOf are all secret keys of a layout.
func keysOf(t *testing.T, l *dev.Layout) (out []string) {
	t.Helper()
	for _, role := range seal.Roles() {
		data, err := os.ReadFile(filepath.Join(l.Role(role), "data", "keyring.json"))
		must(t, err)
		var ring struct {
			Keys map[string]struct{ Secrets [][]byte }
		}
		must(t, json.Unmarshal(data, &ring))
		for _, k := range ring.Keys {
			for _, s := range k.Secrets {
				out = append(out, spellings(s)...)
			}
		}
	}
	for _, name := range []string{"rp", "station", "bureau", dev.CallerName} {
		data, err := os.ReadFile(filepath.Join(l.Folder, "outside", name+".jwk"))
		must(t, err)
		var key struct{ D string }
		must(t, json.Unmarshal(data, &key))
		if key.D == "" {
			t.Fatalf("no private key in %s.jwk", name)
		}
		out = append(out, key.D)
	}
	return out
}

// holdsNothingOf reads every file of a role.
func holdsNothingOf(t *testing.T, folder, reference string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		data, err := os.ReadFile(path)
		for _, s := range spellings([]byte(reference)) {
			if bytes.Contains(data, []byte(s)) {
				t.Errorf("%s names the citizen", path)
			}
		}
		return err
	})
	must(t, err)
	if files < 3 {
		t.Errorf("%d files in %s", files, folder)
	}
}
