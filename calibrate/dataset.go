package calibrate

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nod/crypto/code"
	"nod/face"
	"nod/fault"
)

// Limits of a data set.
const (
	maxLine   = 1 << 20 // bytes of one line of descriptors
	maxImages = 200_000
)

// Photo is one photo of a data set: who is on it, and its features as the
// network gave them.
type Photo struct {
	Identity string
	Image    string
	Features []float32
}

// Dataset is photos of people, in order of identity, then image.
type Dataset struct {
	Photos []Photo
	// Skipped counts the photos of a folder that could not be compared, by the
	// code of the fault that said so.
	Skipped map[fault.Code]int
}

// Wipe overwrites the features.
func (d *Dataset) Wipe() {
	for _, p := range d.Photos {
		clear(p.Features)
	}
}

// Read loads a data set: a folder with one folder of photos an identity, which
// network describes, or a file of descriptors. See ReadFolder and ReadFile.
func Read(ctx context.Context, path string, network face.Network, progress Progress) (*Dataset, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fault.New(fault.NotFound, "data set: %w", err)
	}
	if !info.IsDir() {
		return ReadFile(path)
	}
	if network == nil {
		return nil, fault.New(fault.NetworkMissing, "a folder of photos needs a face network")
	}
	return ReadFolder(ctx, path, network, progress)
}

// ReadFile reads descriptors, one JSON object a line, gzipped or not: id, image,
// and descriptor, base64 of little-endian float32. No other field is allowed; all
// have one dimension, finite values that are not all zero, and no image comes
// twice. Faults: NotFound, BadEncoding, Truncated, Oversize, BadDimension,
// NotFinite, ZeroVector, Conflict, TooFewFaces.
func ReadFile(path string) (*Dataset, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.NotFound, "data set: %w", err)
	}
	defer f.Close()
	buffered := bufio.NewReader(f)
	var r io.Reader = buffered
	if magic, _ := buffered.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		if r, err = gzip.NewReader(buffered); err != nil {
			return nil, fault.New(fault.BadEncoding, "data set: %w", err)
		}
	}
	return readLines(r)
}

func readLines(r io.Reader) (*Dataset, error) {
	d := new(Dataset)
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLine)
	for line := 1; scanner.Scan(); line++ {
		p, err := readLine(scanner.Bytes())
		if err != nil {
			return nil, fault.New(fault.CodeOf(err), "data set, line %d: %w", line, err)
		}
		if len(d.Photos) == maxImages {
			return nil, fault.New(fault.Oversize, "data set: more than %d images", maxImages)
		}
		d.Photos = append(d.Photos, p)
	}
	switch err := scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fault.New(fault.Oversize, "data set, line %d: more than %d bytes", len(d.Photos)+1, maxLine)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fault.New(fault.Truncated, "data set: %w", err)
	case err != nil:
		return nil, fault.New(fault.BadEncoding, "data set: %w", err)
	}
	return d, d.check()
}

// row is one line of a file of descriptors.
type row struct {
	ID         string `json:"id"`
	Image      string `json:"image"`
	Descriptor []byte `json:"descriptor"`
}

func readLine(line []byte) (Photo, error) {
	var r row
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return Photo{}, fault.New(fault.BadEncoding, "%w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Photo{}, fault.New(fault.Oversize, "more than one object")
	}
	if r.ID == "" || r.Image == "" || len(r.Descriptor)%4 != 0 {
		return Photo{}, fault.New(fault.BadEncoding, "id, image and a descriptor of float32 are needed")
	}
	p := Photo{Identity: r.ID, Image: r.Image, Features: make([]float32, len(r.Descriptor)/4)}
	for i := range p.Features {
		p.Features[i] = math.Float32frombits(binary.LittleEndian.Uint32(r.Descriptor[4*i:]))
	}
	return p, nil
}

// ReadFolder describes the photos (.jpg, .jpeg, .png) in path/IDENTITY/. A photo
// that cannot be compared (no face, too blurred) is counted in Skipped; any other
// fault ends the reading.
func ReadFolder(ctx context.Context, path string, network face.Network, progress Progress) (*Dataset, error) {
	var files []string
	err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		inside, err := filepath.Rel(path, name)
		if err != nil {
			return err
		}
		kind := strings.ToLower(filepath.Ext(name))
		if strings.Count(inside, string(filepath.Separator)) == 1 && slices.Contains([]string{".jpg", ".jpeg", ".png"}, kind) {
			files = append(files, inside)
		}
		return nil
	})
	if err != nil {
		return nil, fault.New(fault.NotFound, "data set: %w", err)
	}
	if len(files) > maxImages {
		return nil, fault.New(fault.Oversize, "data set: more than %d images", maxImages)
	}
	d := &Dataset{Skipped: make(map[fault.Code]int)}
	for i, inside := range files {
		progress.report("photos", i, len(files))
		features, err := describe(ctx, filepath.Join(path, inside), network)
		switch c := fault.CodeOf(err); {
		case err == nil:
			d.Photos = append(d.Photos, Photo{Identity: filepath.Dir(inside), Image: filepath.Base(inside), Features: features})
		case c.Class() == fault.NotCompared:
			d.Skipped[c]++
		default:
			return nil, fault.New(c, "%s: %w", inside, err)
		}
	}
	progress.report("photos", len(files), len(files))
	return d, d.check()
}

func describe(ctx context.Context, name string, network face.Network) ([]float32, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fault.New(fault.NotFound, "%w", err)
	}
	if info.Size() > face.MaxPhoto {
		return nil, fault.New(fault.BadPhoto, "%d bytes", info.Size())
	}
	photo, err := os.ReadFile(name)
	if err != nil {
		return nil, fault.New(fault.NotFound, "%w", err)
	}
	defer clear(photo)
	f, err := network.Describe(ctx, photo)
	if err != nil {
		return nil, err
	}
	defer f.Wipe()
	return slices.Clone([]float32(f.Features)), nil
}

// check holds every photo to one dimension and usable values, and puts them in
// order, so that what is learned does not depend on the order of a file.
func (d *Dataset) check() error {
	if len(d.Photos) == 0 {
		return fault.New(fault.TooFewFaces, "data set: no photo")
	}
	slices.SortFunc(d.Photos, func(a, b Photo) int {
		return cmp.Or(cmp.Compare(a.Identity, b.Identity), cmp.Compare(a.Image, b.Image))
	})
	for i, p := range d.Photos {
		if len(p.Features) != len(d.Photos[0].Features) {
			return fault.New(fault.BadDimension, "data set, %s: %d features, others have %d",
				p.Image, len(p.Features), len(d.Photos[0].Features))
		}
		unit, err := code.Fuse(p.Features)
		if err != nil {
			return fault.New(fault.CodeOf(err), "data set, %s: %w", p.Image, err)
		}
		clear(unit)
		if i > 0 && p.Identity == d.Photos[i-1].Identity && p.Image == d.Photos[i-1].Image {
			return fault.New(fault.Conflict, "data set: %s comes twice", p.Image)
		}
	}
	return nil
}
