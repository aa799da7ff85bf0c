package main

import (
	"bytes"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"nod/face"
	"nod/face/dlib"
	"nod/fault"
)

// needsFaces skips a test where the face network or the demo's photos are not there.
func needsFaces(t *testing.T) (photos string) {
	t.Helper()
	n, err := dlib.Open(filepath.Join(defaultCache(), "models"), face.DefaultGate())
	if err != nil {
		t.Skipf("no face network: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	photos = filepath.Join(defaultCache(), "photos")
	if _, err := os.Stat(filepath.Join(photos, "obama.jpg")); err != nil {
		t.Skipf("no photos: %v (make photos fetches them)", err)
	}
	return photos
}

// real runs a command line with the built-in model.
func real(t *testing.T, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(""), &out, &errs)
	return result{t, code, out.String(), errs.String()}
}

// yesYesNo holds the demo's answers.
func yesYesNo(t *testing.T, got map[string]any) {
	t.Helper()
	list, ok := got["verifications"].([]any)
	if !ok || len(list) != 3 {
		t.Fatalf("verifications %v", got["verifications"])
	}
	for i, want := range []bool{true, true, false} {
		if v, ok := list[i].(map[string]any); !ok || v["match"] != want {
			t.Errorf("verification %d: %v, want %v", i, v, want)
		}
	}
	for name, field := range map[string]string{"matcher": "agrees_with_code", "custodian": "pad_agrees_with_code"} {
		held, ok := got[name].(map[string]any)
		if v, number := held[field].(float64); !ok || !number || v < 0.4 || v > 0.6 {
			t.Errorf("the %s's part agrees with the face: %v", name, held)
		}
	}
}

func TestDemo(t *testing.T) {
	needsFaces(t)
	temporary := openTemp(t)
	yesYesNo(t, real(t, "demo", "--json").wants(exitMatch).object("verifications", "matcher", "custodian", "re_enrolled"))
	empty(t, temporary)
}

// openTemp is a folder for temporary files that other users may enter.
func openTemp(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/tmp", "nod-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", folder)
	return folder
}

func empty(t *testing.T, folder string) {
	t.Helper()
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestDemoOfProcesses(t *testing.T) {
	needsFaces(t)
	root := os.Getuid() == 0
	if _, err := user.Lookup("nod-matcher"); root && err != nil {
		t.Skipf("%v (scripts/setup-users makes the system users)", err)
	}
	built, none := programs(t), t.TempDir()
	temporary := openTemp(t)
	got := real(t, "demo", "--processes", "--json", "--programs", built).wants(exitMatch).
		object("verifications", "matcher", "custodian", "dealer", "processes")
	empty(t, temporary)
	yesYesNo(t, got)
	processes, ok := got["processes"].(map[string]any)
	if !ok || len(processes) != 3 {
		t.Fatalf("processes %v", got["processes"])
	}
	for role, p := range processes {
		s := p.(map[string]any)
		opened, refused := s["opened"].(map[string]any), s["refused"].(map[string]any)
		for _, folder := range folders() {
			o, r := opened[folder].(float64), refused[folder].(float64)
			if o+r < 3 || root && (folder == role) != (r == 0) || root && folder != role && o > 0 || !root && r > 0 {
				t.Errorf("the %s opened %v files of %s, and was refused %v", role, o, folder, r)
			}
		}
		if root && s["user"] != "nod-"+role {
			t.Errorf("the %s ran as %v", role, s["user"])
		}
	}
	real(t, "demo", "--processes", "--programs", none).refused(fault.NotFound, "make build makes it")
	empty(t, temporary)
}

// Enrolling and verifying photos by command lines: the exit codes of README.md.
func TestPhotos(t *testing.T) {
	photos := needsFaces(t)
	data := filepath.Join(t.TempDir(), "data")
	photo := func(name string) string { return filepath.Join(photos, name) }
	real(t, "--data", data, "verify", "4711", photo("obama2.jpg")).refused(fault.NoDeployment)
	got := real(t, "--data", data, "--json", "enrol", "4711", photo("obama.jpg")).wants(exitMatch).object("row", "photos", "replaced", "receipt")
	same(t, got, map[string]any{"photos": 1, "replaced": 0})
	real(t, "--data", data, "enrol", "4711", photo("obama.jpg")).wants(exitMatch, "it replaces 1 earlier template")
	got = real(t, "--data", data, "--json", "verify", "4711", photo("obama2.jpg")).wants(exitMatch).object("match", "session", "fmr", "request", "verdict")
	same(t, got, map[string]any{"match": true})
	real(t, "--data", data, "verify", "4711", photo("biden.jpg")).wants(exitNoMatch, "no ")
	real(t, "--data", data, "verify", "4712", photo("obama2.jpg")).wants(exitNoMatch, "no ")

	text := filepath.Join(t.TempDir(), "text.jpg")
	if err := os.WriteFile(text, []byte("no photo"), 0o600); err != nil {
		t.Fatal(err)
	}
	real(t, "--data", data, "verify", "4711", text).wants(exitNotCompared, string(fault.BadPhoto))
	real(t, "--data", data, "erase", "4711").wants(exitMatch, "erased 1")
	real(t, "--data", data, "verify", "4711", photo("obama2.jpg")).wants(exitNoMatch, "no ")
}
