package file

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"nod/audit"
	"nod/audit/audittest"
	"nod/fault"
)

var ctx = context.Background()

// Environment of this test binary run as another process.
const (
	childEnv = "NOD_TEST_AUDIT_CHILD" // the log's path
	limitEnv = "NOD_TEST_AUDIT_LIMIT" // the most bytes of its file
)

// TestMain is a process that appends for ever when a test starts it as one.
func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		if err := child(path); err != nil {
			fmt.Println(fault.CodeOf(err))
		}
		return
	}
	os.Exit(m.Run())
}

// child appends from several goroutines and says each serial that was
// acknowledged.
func child(path string) error {
	if text := os.Getenv(limitEnv); text != "" {
		limit, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return err
		}
		signal.Ignore(syscall.SIGXFSZ) // then the write fails instead
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
			return err
		}
	}
	l, err := Open(path)
	if err != nil {
		return err
	}
	failed := make(chan error)
	for range 4 {
		go func() {
			for i := 0; ; i++ {
				r, err := l.Append(ctx, audittest.Sample(i))
				if err != nil {
					failed <- err
					return
				}
				fmt.Println(r.Serial)
			}
		}()
	}
	err = <-failed
	for range 3 {
		if other := <-failed; fault.CodeOf(other) != fault.CodeOf(err) {
			return fmt.Errorf("two goroutines were told %w and %w", err, other)
		}
	}
	if _, again := l.Append(ctx, audittest.Sample(0)); fault.CodeOf(again) != fault.CodeOf(err) {
		return fmt.Errorf("after %w: %w", err, again)
	}
	return err
}

func startChild(t *testing.T, env ...string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

func open(t testing.TB, path string) *Log {
	t.Helper()
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func path(t testing.TB) string { return filepath.Join(t.TempDir(), "audit.log") }

// filled is a file with n leaves.
func filled(t testing.TB, n int) (path string, data []byte) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "audit.log")
	l := open(t, path)
	for i := range n {
		if _, err := l.Append(ctx, audittest.Sample(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, data
}

func TestContract(t *testing.T) {
	audittest.Run(t, func(t *testing.T) audit.Log { return open(t, path(t)) })
}

func TestContractFaulty(t *testing.T) {
	audittest.Run(t, func(t *testing.T) audit.Log { return audittest.NewFaulty(open(t, path(t)), nil) })
}

func TestDurable(t *testing.T) {
	audittest.RunDurable(t, func(t *testing.T) func() audit.Log {
		path := path(t)
		return func() audit.Log { return open(t, path) }
	})
}

// TestKilled kills an appending process with signal 9, again and again over the
// same file. Every leaf that it acknowledged is there.
func TestKilled(t *testing.T) {
	path := path(t)
	highest, acknowledged := -1, 0
	rng := rand.New(rand.NewPCG(7, 8))
	for round := range 6 {
		cmd, lines := startChild(t, childEnv+"="+path)
		for n := 20 + rng.IntN(200); n > 0; n-- {
			if !lines.Scan() {
				t.Fatalf("the child ended by itself: %v", cmd.Wait())
			}
			highest = max(highest, number(t, lines.Text()))
			acknowledged++
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it said before it died
			if text := lines.Text(); text != "" {
				highest = max(highest, number(t, text))
				acknowledged++
			}
		}
		_ = cmd.Wait()
		l := open(t, path)
		all, err := l.Read(ctx, 0, 1<<20)
		if err != nil || len(all) < highest+1 || len(all) < acknowledged || len(all) > acknowledged+4*(round+1) {
			t.Fatalf("round %d: %d leaves, %v; %d acknowledged, the highest %d", round, len(all), err, acknowledged, highest)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d leaves acknowledged in 6 lives, none lost", acknowledged)
}

func number(t *testing.T, line string) int {
	t.Helper()
	n, err := strconv.Atoi(line)
	if err != nil {
		t.Fatalf("the child said %q", line)
	}
	return n
}

// TestFullDisk lets a process write a file of at most so many bytes, at every
// place in a line. It stops with a typed fault, and nothing acknowledged is lost.
func TestFullDisk(t *testing.T) {
	for _, limit := range []int{0, 1, 300, 5_000, 5_101, 5_202, 20_000} {
		path := path(t)
		cmd, lines := startChild(t, childEnv+"="+path, fmt.Sprintf("%s=%d", limitEnv, limit))
		highest, last := -1, ""
		for lines.Scan() {
			if last = lines.Text(); last != string(fault.AuditUnavailable) {
				highest = max(highest, number(t, last))
			}
		}
		if err := cmd.Wait(); err != nil || last != string(fault.AuditUnavailable) {
			t.Fatalf("limit %d: the child ended with %q, %v", limit, last, err)
		}
		if info, err := os.Stat(path); err != nil || info.Size() != int64(limit) {
			t.Errorf("limit %d: the file has %d bytes, %v", limit, info.Size(), err)
		}
		l := open(t, path) // there is room again
		all, err := l.Read(ctx, 0, 1000)
		if err != nil || len(all) < highest+1 || limit > 5000 && highest < 5 {
			t.Errorf("limit %d: %d leaves, %v; the highest acknowledged is %d", limit, len(all), err, highest)
		}
		if r, err := l.Append(ctx, audittest.Sample(0)); err != nil || r.Serial != uint64(len(all)) {
			t.Errorf("limit %d: Append afterwards: %d, %v", limit, r.Serial, err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestOpenedTwice(t *testing.T) {
	path := path(t)
	l := open(t, path)
	if _, err := Open(path); !fault.Is(err, fault.StoreInUse) {
		t.Errorf("a second Open: %v", err)
	}
	cmd, lines := startChild(t, childEnv+"="+path)
	if !lines.Scan() || lines.Text() != string(fault.StoreInUse) {
		t.Errorf("Open in another process: %q", lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, path)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFileMode(t *testing.T) {
	path, _ := filled(t, 1)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	for _, mode := range []os.FileMode{0o604, 0o620, 0o640} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path); !fault.Is(err, fault.Exposed) {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	for _, bad := range []string{filepath.Dir(path), filepath.Join(path, "x"), "/dev/null"} {
		if _, err := Open(bad); !fault.Is(err, fault.AuditUnavailable) {
			t.Errorf("Open of %s: %v", bad, err)
		}
	}
}

// TestTakenAway moves, replaces, cuts or lengthens the file of an open log. The
// next leaf is not acknowledged, nor any after it.
func TestTakenAway(t *testing.T) {
	for what, harm := range map[string]func(string) error{
		"deleted":   os.Remove,
		"moved":     func(p string) error { return os.Rename(p, p+".1") },
		"replaced":  func(p string) error { os.Remove(p); return os.WriteFile(p, nil, 0o600) },
		"emptied":   func(p string) error { return os.Truncate(p, 0) },
		"cut":       func(p string) error { return os.Truncate(p, 400) },
		"lengthens": func(p string) error { return appendTo(p, "x") },
	} {
		t.Run(what, func(t *testing.T) {
			path := path(t)
			l := open(t, path)
			for i := range 3 {
				if _, err := l.Append(ctx, audittest.Sample(i)); err != nil {
					t.Fatal(err)
				}
			}
			if err := harm(path); err != nil {
				t.Fatal(err)
			}
			for i := range 2 {
				if _, err := l.Append(ctx, audittest.Sample(3)); !fault.Is(err, fault.AuditUnavailable) {
					t.Errorf("Append %d: %v", i+1, err)
				}
			}
			if err := l.Close(); !fault.Is(err, fault.AuditUnavailable) {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

// reopened is what Open makes of a file's contents: how many leaves, and what is
// then in the file.
func reopened(t *testing.T, path string, data []byte) (leaves int, after []byte, err error) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Open(path)
	if err != nil {
		unchanged, readErr := os.ReadFile(path)
		if readErr != nil || !bytes.Equal(unchanged, data) {
			t.Fatalf("Open failed and changed the file, %v", readErr)
		}
		return 0, nil, err
	}
	all, err := l.Read(ctx, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if after, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	return len(all), after, nil
}

// TestTornTail cuts a file at every byte of its last two records, as it is and
// with zeros where data never came.
func TestTornTail(t *testing.T) {
	path, data := filled(t, 3)
	starts := []int{0}
	for i, c := range data {
		if c == '\n' {
			starts = append(starts, i+1)
		}
	}
	for size := starts[1]; size <= len(data); size++ {
		whole := 1
		for whole < 3 && starts[whole+1] <= size {
			whole++
		}
		for _, zeros := range []int{0, 1, 4096} {
			torn := append(bytes.Clone(data[:size]), make([]byte, zeros)...)
			found, err := Verify(bytes.NewReader(torn))
			if err != nil || found.Count != uint64(whole) || found.Size != int64(starts[whole]) || found.Torn != len(torn)-starts[whole] {
				t.Fatalf("cut at %d with %d zeros: Verify: %+v, %v", size, zeros, found, err)
			}
			if size%20 != 0 && size < len(data)-3 {
				continue // opening a file takes syncs
			}
			leaves, after, err := reopened(t, path, torn)
			if err != nil || leaves != whole || !bytes.Equal(after, data[:starts[whole]]) {
				t.Fatalf("cut at %d with %d zeros: %d leaves of %d, %d bytes, %v", size, zeros, leaves, whole, len(after), err)
			}
		}
	}
}

// TestEveryBit flips every bit of a file in turn. None goes unseen.
func TestEveryBit(t *testing.T) {
	path, data := filled(t, 2)
	for bit := range 8 * len(data) {
		bad := bytes.Clone(data)
		bad[bit/8] ^= 1 << (bit % 8)
		if found, err := Verify(bytes.NewReader(bad)); !fault.Is(err, fault.AuditBroken) {
			t.Fatalf("bit %d flipped: %+v, %v", bit, found, err)
		}
		if bit%997 == 0 {
			if _, _, err := reopened(t, path, bad); !fault.Is(err, fault.AuditBroken) {
				t.Fatalf("bit %d flipped: Open: %v", bit, err)
			}
		}
	}
}

func TestBrokenChains(t *testing.T) {
	path, data := filled(t, 4)
	_, other := filled(t, 5)
	lines := strings.SplitAfter(strings.TrimSuffix(string(data), "\n"), "\n")
	lines[3] += "\n"
	foreign := strings.SplitAfter(string(other), "\n")[4]
	tests := map[string]string{
		"a leaf removed":         lines[0] + lines[2] + lines[3],
		"the first removed":      lines[1] + lines[2] + lines[3],
		"two swapped":            lines[0] + lines[2] + lines[1] + lines[3],
		"one doubled":            lines[0] + lines[1] + lines[1] + lines[2],
		"an empty line":          lines[0] + "\n" + lines[1],
		"an empty last line":     string(data) + "\n",
		"another kind of line":   string(data) + "{}\n",
		"text before it":         " " + string(data),
		"a beginning that isn't": string(data) + "{\"serial\":5",
		"text as a torn tail":    string(data) + "hello",
		"a closed torn tail":     string(data) + strings.TrimSuffix(foreign, "\n") + "x",
		"a long torn tail":       string(data) + `{"serial":4,"time":"` + strings.Repeat("2", maxLine),
		"line ends of DOS":       strings.ReplaceAll(string(data), "\n", "\r\n"),
	}
	for what, text := range tests {
		if _, _, err := reopened(t, path, []byte(text)); !fault.Is(err, fault.AuditBroken) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if leaves, _, err := reopened(t, path, []byte(string(data)+foreign)); err != nil || leaves != 5 {
		t.Errorf("the right next leaf: %d, %v", leaves, err)
	}
}

// TestChangedBehindItsBack changes the file of an open log. Reading it says so.
func TestChangedBehindItsBack(t *testing.T) {
	path, data := filled(t, 600)
	l := open(t, path)
	defer l.Close()
	at := bytes.Index(data, []byte(`"serial":300,`)) // in the second stride
	bad := bytes.Clone(data)
	bad[at+len(`"serial":300,"time":"`)] ^= 1
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Read(ctx, 299, 5); !fault.Is(err, fault.AuditBroken) {
		t.Errorf("Read over a changed leaf: %v", err)
	}
	if leaves, err := l.Read(ctx, 0, 256); err != nil || len(leaves) != 256 {
		t.Errorf("Read before it: %d, %v", len(leaves), err)
	}
	if err := os.Truncate(path, int64(at)-2); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Read(ctx, 290, 50); !fault.Is(err, fault.AuditBroken) {
		t.Errorf("Read of a cut file: %v", err)
	}
}

func TestVerify(t *testing.T) {
	if found, err := Verify(strings.NewReader("")); err != nil || found != (Summary{}) {
		t.Errorf("an empty file: %+v, %v", found, err)
	}
	path := path(t)
	l := open(t, path)
	defer l.Close()
	for i := range 10 {
		r, err := l.Append(ctx, audittest.Sample(i))
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := Summary{Count: r.Serial + 1, Head: r.Hash, Size: int64(len(data))}
		if found, err := Verify(bytes.NewReader(data)); err != nil || found != want {
			t.Errorf("Verify = %+v, %v, want %+v", found, err, want)
		}
	}
}

// TestLinesAreJSON reads a line as other software would.
func TestLinesAreJSON(t *testing.T) {
	leaf := audittest.Sample(7)
	leaf.Serial = 1<<64 - 1
	hash := leaf.Link(leaf.Subject)
	line := appendLine(nil, leaf, hash)
	want := map[string]any{
		"serial": json.Number("18446744073709551615"), "time": "2027-01-15T08:00:00.007Z", "operation": "verify",
		"subject": leaf.Subject.String(), "party": leaf.Party, "key": "pad", "key_version": json.Number("2"),
		"correlation": leaf.Correlation.String(), "session": leaf.Session.String(), "count": json.Number("3"),
		"hash": hash.String(),
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	var got map[string]any
	if err := d.Decode(&got); err != nil || !maps.Equal(got, want) {
		t.Errorf("%s reads as %v, %v", line, got, err)
	}
	longest := audit.Leaf{
		Serial: 1<<64 - 1, Time: leaf.Time, Operation: audit.OpChannel, Subject: leaf.Subject,
		Party: strings.Repeat("<", audit.MaxText), Key: strings.Repeat("&", audit.MaxText), KeyVersion: 1<<32 - 1,
		Correlation: leaf.Correlation, Session: leaf.Session, Count: 1<<32 - 1,
	}
	if err := longest.Check(); err != nil {
		t.Fatal(err)
	}
	if size := len(appendLine(nil, longest, hash)); size > 800 {
		t.Errorf("the longest line has %d bytes", size)
	}
}

func FuzzLine(f *testing.F) {
	for i := range 3 {
		leaf := audittest.Sample(i)
		f.Add(appendLine(nil, leaf, leaf.Link(leaf.Subject)))
	}
	bare := audit.Leaf{Operation: audit.OpStart, Time: time.UnixMilli(0).UTC()}
	f.Add(appendLine(nil, bare, bare.Link(bare.Subject)))
	f.Fuzz(func(t *testing.T, line []byte) {
		leaf, hash, err := decodeLine(line)
		if err != nil {
			if !fault.Is(err, fault.BadEncoding) {
				t.Fatalf("%v", err)
			}
			return
		}
		if again := appendLine(nil, leaf, hash); !bytes.Equal(again, line) {
			t.Fatalf("%q decodes and encodes to %q", line, again)
		}
	})
}

// FuzzVerify reads any file. One that verifies goes on from its last leaf.
func FuzzVerify(f *testing.F) {
	_, data := filled(f, 3)
	f.Add(data)
	f.Add(data[:len(data)-5])
	f.Fuzz(func(t *testing.T, data []byte) {
		found, err := Verify(bytes.NewReader(data))
		if err != nil {
			if !fault.Is(err, fault.AuditBroken) {
				t.Fatalf("%v", err)
			}
			return
		}
		if found.Size+int64(found.Torn) != int64(len(data)) {
			t.Fatalf("%+v of %d bytes", found, len(data))
		}
		leaf := audittest.Sample(0)
		leaf.Serial = found.Count
		longer := appendLine(bytes.Clone(data[:found.Size]), leaf, leaf.Link(found.Head))
		if after, err := Verify(bytes.NewReader(longer)); err != nil || after.Count != found.Count+1 {
			t.Fatalf("%+v, %v after one more leaf", after, err)
		}
	})
}
