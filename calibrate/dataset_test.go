package calibrate

import (
	"context"
	"errors"
	"image"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nod/crypto/canon"
	"nod/face"
	"nod/fault"
)

func TestReadFileRefuses(t *testing.T) {
	good := line(crowd(rand.New(rand.NewPCG(1, 1)), 0, 1).Photos[0])
	other := line(crowd(rand.New(rand.NewPCG(1, 1)), 1, 1).Photos[0])
	for name, c := range map[string]struct {
		text string
		want fault.Code
	}{
		"good":          {good + other, ""},
		"empty":         {"", fault.TooFewFaces},
		"twice":         {good + good, fault.Conflict},
		"not JSON":      {"photo", fault.BadEncoding},
		"unknown field": {strings.Replace(good, `"id"`, `"age":3,"id"`, 1), fault.BadEncoding},
		"no id":         {strings.Replace(good, `"p00000"`, `""`, 1), fault.BadEncoding},
		"two objects":   {strings.TrimSpace(good) + other, fault.Oversize},
		"odd bytes":     {`{"id": "a", "image": "b", "descriptor": "AAAA"}`, fault.BadEncoding},
		"no features":   {`{"id": "a", "image": "b", "descriptor": ""}`, fault.BadDimension},
		"one dimension": {good + `{"id": "a", "image": "b", "descriptor": "AACAPw=="}`, fault.BadDimension},
		"zeros":         {`{"id": "a", "image": "b", "descriptor": "AAAAAAAAAAA="}`, fault.ZeroVector},
		"NaN":           {`{"id": "a", "image": "b", "descriptor": "AADAfwAAgD8="}`, fault.NotFinite},
		"long line":     {strings.Repeat(" ", maxLine+1) + good, fault.Oversize},
		"cut gzip":      {"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", fault.Truncated},
		"not gzip":      {"\x1f\x8bno", fault.BadEncoding},
	} {
		path := filepath.Join(t.TempDir(), "set")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadFile(path); fault.CodeOf(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// byteNetwork describes a photo by its bytes: features are what the file says.
type byteNetwork struct{}

func (byteNetwork) Describe(_ context.Context, photo []byte) (*face.Face, error) {
	switch photo[0] {
	case 'x':
		return nil, fault.New(fault.NoFace, "none")
	case '!':
		return nil, errors.New("broken")
	}
	return &face.Face{Box: image.Rect(0, 0, 1, 1), Features: face.Features{float32(photo[0]), float32(photo[1])}}, nil
}
func (byteNetwork) Dimension() int       { return 2 }
func (byteNetwork) Digest() canon.Digest { return canon.Digest(canon.Sum("bytes")) }
func (byteNetwork) Close() error         { return nil }

func TestReadFolder(t *testing.T) {
	folder := t.TempDir()
	put := func(name, content string) {
		path := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("ada/1.jpg", "ab")
	put("ada/2.PNG", "cd")
	put("ada/3.jpeg", "x")
	put("ada/notes.txt", "!")
	put("ada/deeper/4.jpg", "!")
	put("bob/1.jpg", "ef")
	put("5.jpg", "!")
	got, err := Read(t.Context(), folder, byteNetwork{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range got.Photos {
		names = append(names, p.Identity+"/"+p.Image)
	}
	if !slices.Equal(names, []string{"ada/1.jpg", "ada/2.PNG", "bob/1.jpg"}) || got.Photos[1].Features[1] != 'd' {
		t.Errorf("photos %v", got.Photos)
	}
	if len(got.Skipped) != 1 || got.Skipped[fault.NoFace] != 1 {
		t.Errorf("skipped %v", got.Skipped)
	}
	put("bob/2.jpg", "!")
	if _, err := Read(t.Context(), folder, byteNetwork{}, nil); !fault.Is(err, fault.Unexpected) {
		t.Errorf("a broken network: %v", err)
	}
	c := smallConfig()
	c.Dataset, c.Faces = folder, byteNetwork{}
	if _, err := Run(t.Context(), c, nil); !fault.Is(err, fault.NetworkChanged) {
		t.Errorf("another network than the one named: %v", err)
	}
}

func FuzzReadLines(f *testing.F) {
	f.Add(line(crowd(rand.New(rand.NewPCG(1, 1)), 0, 1).Photos[0]))
	f.Fuzz(func(t *testing.T, text string) {
		d, err := readLines(strings.NewReader(text))
		if err != nil {
			if fault.CodeOf(err) == fault.Unexpected {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		for _, p := range d.Photos {
			again, err := readLine([]byte(line(p)))
			if err != nil || again.Identity != p.Identity || again.Image != p.Image || !slices.Equal(again.Features, p.Features) {
				t.Fatalf("written again, %q reads as %+v, %v", line(p), again, err)
			}
		}
	})
}
