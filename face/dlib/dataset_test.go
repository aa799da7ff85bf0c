//go:build cgo

package dlib

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"nod/face"
)

// dataset is the folder of evaluation data, outside the project.
func dataset(t testing.TB) string {
	t.Helper()
	folder := os.Getenv("NOD_TEST_DATA")
	if folder == "" {
		folder = filepath.Join("..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(filepath.Join(folder, "lfw-dlib.jsonl.gz")); err != nil {
		t.Skipf("no evaluation data: %v (set NOD_TEST_DATA)", err)
	}
	return folder
}

// descriptors reads what the data set's makers got from go-face, by image name.
func descriptors(t testing.TB, path string) map[string][]float32 {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]float32{}
	lines := bufio.NewScanner(z)
	for lines.Scan() {
		var row struct{ Image, Descriptor string }
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		raw, err := base64.StdEncoding.DecodeString(row.Descriptor)
		if err != nil || len(raw) != 4*Dimension {
			t.Fatalf("%s: %d bytes, %v", row.Image, len(raw), err)
		}
		v := make([]float32, Dimension)
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		out[row.Image] = v
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// The gate lets real press photos through, the features agree with what go-face
// made of the same files' own bytes, and they tell people apart.
func TestAgreesWithDataSet(t *testing.T) {
	folder := dataset(t)
	want := descriptors(t, filepath.Join(folder, "lfw-dlib.jsonl.gz"))
	paths, err := filepath.Glob(filepath.Join(folder, "faces", "*", "*.jpg"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no faces: %v", err)
	}
	paths = paths[:len(paths)/4] // 25 people of 100: the others say the same, in minutes
	n := open(t)
	got := make([]face.Features, len(paths))
	work := make(chan int)
	var workers sync.WaitGroup
	for range 2 {
		workers.Go(func() {
			for i := range work {
				photo, err := os.ReadFile(paths[i])
				if err != nil {
					t.Error(err)
					continue
				}
				f, err := n.Describe(context.Background(), photo)
				if err != nil {
					t.Logf("%s: %v", filepath.Base(paths[i]), err)
					continue
				}
				got[i] = f.Features
			}
		})
	}
	for i := range paths {
		work <- i
	}
	close(work)
	workers.Wait()

	var moved, genuine, impostor []float64
	for i, f := range got {
		if f == nil {
			continue
		}
		if reference, ok := want[filepath.Base(paths[i])]; ok {
			moved = append(moved, apart(f, reference))
		}
		for j := range i {
			if got[j] == nil {
				continue
			}
			d := apart(f, got[j])
			if filepath.Dir(paths[i]) == filepath.Dir(paths[j]) {
				genuine = append(genuine, d)
			} else {
				impostor = append(impostor, d)
			}
		}
	}
	passed := 0
	for _, f := range got {
		if f != nil {
			passed++
		}
	}
	t.Logf("%d of %d photos pass the gate", passed, len(paths))
	t.Logf("moved: median %.3f, 95 %% %.3f, over %d photos", quantile(moved, 0.5), quantile(moved, 0.95), len(moved))
	t.Logf("genuine: median %.3f, 95 %% %.3f; impostor: 0.1 %% %.3f, median %.3f", quantile(genuine, 0.5), quantile(genuine, 0.95),
		quantile(impostor, 0.001), quantile(impostor, 0.5))
	if passed < len(paths)-1 {
		t.Errorf("the gate refuses %d of %d real photos", len(paths)-passed, len(paths))
	}
	if m := quantile(moved, 0.5); m > 0.06 {
		t.Errorf("features moved by a median of %.3f", m)
	}
	if quantile(genuine, 0.95) > quantile(impostor, 0.05) {
		t.Error("people are not told apart")
	}
}

func quantile(v []float64, q float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(v))
	return sorted[int(q*float64(len(sorted)-1))]
}
