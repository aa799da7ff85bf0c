package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"nod/face"
	"nod/fault"
)

// output is standard output, and remembers that it failed.
type output struct {
	w      io.Writer
	failed error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil && o.failed == nil {
		o.failed = err
	}
	return n, err
}

// print writes v as one line of JSON.
func (a *app) print(v any) {
	encoder := json.NewEncoder(a.out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(v) // output remembers a failure
}

func (a *app) say(format string, args ...any) {
	if !a.json {
		_, _ = fmt.Fprintf(a.out, format+"\n", args...)
	}
}

// note tells a person something beside the output, on standard error.
func (a *app) note(format string, args ...any) {
	if !a.json {
		_, _ = fmt.Fprintf(a.err, "nod: "+format+"\n", args...)
	}
}

// bar draws how far a command is, for somebody who looks; total -1: not known.
func (a *app) bar(total int, what, of string) *progressbar.ProgressBar {
	return progressbar.NewOptions(total, progressbar.OptionSetWriter(a.err), progressbar.OptionSetDescription(what),
		progressbar.OptionSetItsString(of), progressbar.OptionShowIts(), progressbar.OptionShowCount(), progressbar.OptionSetWidth(30),
		progressbar.OptionSetPredictTime(true), progressbar.OptionSetVisibility(a.watched()), progressbar.OptionClearOnFinish())
}

// step moves a bar on.
func (a *app) step(bar *progressbar.ProgressBar, done int) {
	_ = bar.Set(done) // a picture: its failure is no failure
	if a.stepped != nil {
		a.stepped(done)
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
			return photos, unreadable(err)
		}
		if !info.Mode().IsRegular() || info.Size() > face.MaxPhoto {
			return photos, fault.New(fault.BadPhoto, "%s is not a file of at most %d bytes", path, face.MaxPhoto)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return photos, unreadable(err)
		}
		photos = append(photos, data)
	}
	return photos, nil
}

func unreadable(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.NotFound, "photo: %w", err)
	}
	return fault.New(fault.BadPhoto, "cannot be read: %w", err)
}

func wipePhotos(photos [][]byte) {
	for _, p := range photos {
		clear(p)
	}
}
