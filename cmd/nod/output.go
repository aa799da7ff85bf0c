package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"golang.org/x/term"

	"nod/face"
	"nod/fault"
)

// print writes v as one line of JSON.
func (a *app) print(v any) {
	encoder := json.NewEncoder(a.out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		fmt.Fprintf(a.err, "nod: output: %v\n", err)
	}
}

func (a *app) say(format string, args ...any) {
	if !a.json {
		fmt.Fprintf(a.out, format+"\n", args...)
	}
}

// watched reports whether somebody looks at the progress bars.
func (a *app) watched() bool {
	f, ok := a.err.(*os.File)
	return ok && !a.json && term.IsTerminal(int(f.Fd()))
}

// ms is a time for people.
func ms(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

// readPhotos reads files of photos. The caller wipes them.
func readPhotos(paths []string) (photos [][]byte, err error) {
	defer func() {
		if err != nil {
			wipePhotos(photos)
		}
	}()
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return photos, fault.New(fault.NotFound, "photo: %w", err)
		}
		if !info.Mode().IsRegular() || info.Size() > face.MaxPhoto {
			return photos, fault.New(fault.BadPhoto, "%s is not a file of at most %d bytes", path, face.MaxPhoto)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return photos, fault.New(fault.NotFound, "photo: %w", err)
		}
		photos = append(photos, data)
	}
	return photos, nil
}

func wipePhotos(photos [][]byte) {
	for _, p := range photos {
		clear(p)
	}
}
