package calibrate

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"nod/crypto/canon"
)

const testDimension = 16

// crowd draws synthetic people: a direction each, and photos around it, of which
// every fourth person has two and the others four. first numbers the people.
func crowd(rng *rand.Rand, first, people int) *Dataset {
	d := new(Dataset)
	for i := range people {
		centre := make([]float64, testDimension)
		for j := range centre {
			centre[j] = 0.5 + rng.NormFloat64()
		}
		photos := 4
		if i%4 == 3 {
			photos = 2
		}
		for k := range photos {
			p := Photo{Identity: fmt.Sprintf("p%05d", first+i), Image: fmt.Sprintf("%d.jpg", k), Features: make([]float32, testDimension)}
			for j := range p.Features {
				p.Features[j] = float32(centre[j] + 0.35*rng.NormFloat64())
			}
			d.Photos = append(d.Photos, p)
		}
	}
	return d
}

// smallConfig fits crowds.
func smallConfig() Config {
	c := Defaults(Thermometers)
	c.Network, c.Name, c.Seed, c.Date, c.Text = canon.Digest(canon.Sum("test-network")), "small", "seed", "2026-01-01", "synthetic"
	c.Bits, c.Levels, c.Near = 64, 8, 3000
	return c
}

func smallPeople(t *testing.T) *people {
	t.Helper()
	g, err := gather(crowd(rand.New(rand.NewPCG(1, 1)), 0, 60), 4, 0, "seed")
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func line(p Photo) string {
	raw := make([]byte, 0, 4*len(p.Features))
	for _, v := range p.Features {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	text, err := json.Marshal(row{ID: p.Identity, Image: p.Image, Descriptor: raw})
	if err != nil {
		panic(err)
	}
	return string(text) + "\n"
}

// write puts a data set into a gzipped file, in an order of rng.
func write(t *testing.T, d *Dataset, rng *rand.Rand) string {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	for _, i := range rng.Perm(len(d.Photos)) {
		if _, err := z.Write([]byte(line(d.Photos[i]))); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "set.jsonl.gz")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// testData is a file of the folder of test data; the test is skipped without it.
func testData(t *testing.T, name string) string {
	t.Helper()
	folder := os.Getenv("NOD_TEST_DATA")
	if folder == "" {
		folder = filepath.Join("..", "..", "shared", "data")
	}
	path := filepath.Join(folder, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no %s: name the folder of test data in NOD_TEST_DATA", name)
	}
	return path
}
