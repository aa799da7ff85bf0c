// Package admin is the work over many citizens that needs no photo and takes long
// enough to be interrupted: an operator's renewal of every template, and a bureau's
// erasures. Each keeps a state file, from which the same command goes on.
//
// A state file has mode 0600 and is written whole or not at all. Erasures' holds the
// references of citizens: it belongs to the bureau, and is gone when all is done.
package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"

	"nod/disk"
	"nod/fault"
)

// maxState is the most bytes of a state file.
const maxState = 256 << 20

// hold keeps a state file for this process: fault.StoreInUse while another has it.
func hold(path string) (io.Closer, error) {
	lock, err := disk.Lock(path+".lock", false)
	if err != nil {
		return nil, failed("state", err)
	}
	return lock, nil
}

// read reads a state file into state, and reports whether there is one. It is exactly
// as write wrote it, or refused.
func read(path string, state any) (found bool, err error) {
	data, err := disk.ReadPrivate(path, maxState)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, failed("state", err)
	}
	defer clear(data)
	if err := decode(data, state); err != nil {
		return false, fault.Within(err, "state %s", path)
	}
	return true, nil
}

func decode(data []byte, state any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(state); err != nil {
		// The decoder's words may quote what it read.
		return fault.New(fault.BadEncoding, "not a state file of this command; move it away to start anew")
	}
	again, err := encode(state)
	defer clear(again)
	if err != nil || !bytes.Equal(again, data) {
		return fault.New(fault.BadEncoding, "changed since this command wrote it; move it away to start anew")
	}
	return nil
}

func encode(state any) ([]byte, error) {
	data, err := json.MarshalIndent(state, "", " ")
	if err != nil {
		return nil, fault.New(fault.BadEncoding, "state: %w", err)
	}
	return append(data, '\n'), nil
}

func write(path string, state any) error {
	data, err := encode(state)
	if err != nil {
		return err
	}
	defer clear(data)
	if err := disk.Replace(path, data); err != nil {
		return failed("state", err)
	}
	return nil
}

// remove removes a state file, if there is one.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failed("state", err)
	}
	return nil
}

// failed makes a fault of the disk's error.
func failed(what string, err error) error {
	var known *fault.Error
	if errors.As(err, &known) {
		return fault.Within(err, "%s", what)
	}
	return fault.New(fault.StoreUnavailable, "%s: %w", what, err)
}
