package pebble

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"nod/fault"
	"nod/store"
)

// Environment of this test binary run as another process.
const (
	childEnv = "NOD_TEST_STORE_CHILD" // the store's folder
	limitEnv = "NOD_TEST_STORE_LIMIT" // the most bytes of any of its files
)

// TestMain is a process that writes for ever when a test starts it as one.
func TestMain(m *testing.M) {
	if folder := os.Getenv(childEnv); folder != "" {
		if err := child(folder); err != nil {
			fmt.Println(fault.CodeOf(err))
		}
		return
	}
	os.Exit(m.Run())
}

// child writes pairs one after the other, and says each that was acknowledged.
func child(folder string) error {
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
	s, err := Open(Options{Folder: folder, MemTableBytes: 64 << 10})
	if err != nil {
		return err
	}
	next := uint64(1)
	if r, err := s.Get(context.Background(), pair(0, 1, 0)[0].Row); err == nil {
		next = r.Version + 1
	}
	for ; ; next++ {
		if err := s.Apply(context.Background(), pair(0, next, 3000)...); err != nil {
			return err
		}
		fmt.Println(next)
	}
}

func startChild(t *testing.T, folder string, env ...string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary)
	cmd.Env = append(append(os.Environ(), childEnv+"="+folder), env...)
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

// TestKilled kills a writing process with signal 9, again and again over the
// same store. Whatever it acknowledged is there.
func TestKilled(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	total := uint64(0)
	for round := range 5 {
		cmd, lines := startChild(t, folder)
		var h history
		for range 20 + 40*round {
			if !lines.Scan() {
				t.Fatalf("the child ended by itself: %v", cmd.Wait())
			}
			h.acknowledged = number(t, lines.Text())
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() { // what it said before it died
			if text := lines.Text(); text != "" {
				h.acknowledged = number(t, text)
			}
		}
		_ = cmd.Wait()
		s, err := Open(Options{Folder: folder})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		a, errA := s.Get(context.Background(), pair(0, 1, 0)[0].Row)
		b, errB := s.Get(context.Background(), pair(0, 1, 0)[1].Row)
		if errA != nil || errB != nil || a.Version != b.Version || a.Version < h.acknowledged || a.Version > h.acknowledged+2 {
			t.Fatalf("round %d: versions %d, %d (%v, %v), acknowledged %d", round, a.Version, b.Version, errA, errB, h.acknowledged)
		}
		total = h.acknowledged
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d applies acknowledged in 5 lives, none lost", total)
}

// TestFullDisk has the kernel refuse to lengthen files past some size, which
// meets the write-ahead log first. The process lives to say so, and another one
// finds everything that was acknowledged.
func TestFullDisk(t *testing.T) {
	for _, limit := range []int{0, 1000, 10_000, 30_000, 50_001} {
		folder := filepath.Join(t.TempDir(), "store")
		cmd, lines := startChild(t, folder, fmt.Sprintf("%s=%d", limitEnv, limit))
		acknowledged, last := uint64(0), ""
		for lines.Scan() {
			if last = lines.Text(); last != string(fault.StoreUnavailable) {
				acknowledged = number(t, last)
			}
		}
		if err := cmd.Wait(); err != nil || last != string(fault.StoreUnavailable) {
			t.Fatalf("limit %d: the child ended with %q, %v", limit, last, err)
		}
		s, err := Open(Options{Folder: folder}) // there is room again
		if err != nil {
			t.Fatalf("limit %d: %v", limit, err)
		}
		a, errA := s.Get(context.Background(), pair(0, 1, 0)[0].Row)
		b, errB := s.Get(context.Background(), pair(0, 1, 0)[1].Row)
		if a.Version != b.Version || a.Version < acknowledged || a.Version > acknowledged+1 || fault.CodeOf(errA) != fault.CodeOf(errB) {
			t.Errorf("limit %d: versions %d, %d (%v, %v), acknowledged %d", limit, a.Version, b.Version, errA, errB, acknowledged)
		}
		if limit >= 30_000 && acknowledged == 0 {
			t.Errorf("limit %d: nothing was acknowledged", limit)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func number(t *testing.T, line string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(line, 10, 64)
	if err != nil {
		t.Fatalf("the child said %q", line)
	}
	return n
}

func TestOpenedTwice(t *testing.T) {
	parent := t.TempDir()
	folder := filepath.Join(parent, "store")
	s, err := Open(Options{Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(parent, "link")
	if err := os.Symlink(folder, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{folder, link, filepath.Join(parent, ".", "store") + "/", parent + "/../" + filepath.Base(parent) + "/store"} {
		if _, err := Open(Options{Folder: name}); !fault.Is(err, fault.StoreInUse) {
			t.Errorf("a second Open of %s: %v", name, err)
		}
	}
	cmd, lines := startChild(t, folder)
	if !lines.Scan() || lines.Text() != string(fault.StoreInUse) {
		t.Errorf("Open in another process: %q", lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if err := s.Apply(context.Background(), pair(0, 1, 0)...); err != nil {
		t.Errorf("the first holder: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(Options{Folder: folder}); err != nil {
		t.Fatalf("after Close: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	mem := vfs.NewMem()
	s, err = Open(Options{Folder: "store", FS: mem})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Folder: "store", FS: mem}); !fault.Is(err, fault.StoreInUse) {
		t.Errorf("a second Open in memory: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFolder(t *testing.T) {
	parent := t.TempDir()
	folder := filepath.Join(parent, "made", "store")
	s, err := Open(Options{Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(folder)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v, %v", info.Mode(), err)
	}
	for _, mode := range []os.FileMode{0o701, 0o710, 0o740, 0o755} {
		if err := os.Chmod(folder, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Options{Folder: folder}); !fault.Is(err, fault.Exposed) {
			t.Errorf("a folder of mode %04o: %v", mode, err)
		}
	}
	file := filepath.Join(parent, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{Folder: file}); !fault.Is(err, fault.StoreUnavailable) {
		t.Errorf("a file as folder: %v", err)
	}
	if _, err := Open(Options{}); !fault.Is(err, fault.OutOfRange) {
		t.Errorf("no folder: %v", err)
	}
}

func TestOtherFormat(t *testing.T) {
	mem := vfs.NewMem()
	db, err := pebble.Open("store", &pebble.Options{FS: mem})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Set(formatKey, []byte("nod/store/2"), pebble.Sync); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := Open(Options{Folder: "store", FS: mem}); !fault.Is(err, fault.StoreDamaged) {
			t.Fatalf("a store of another format: %v", err)
		}
	}
}

// TestForeignRows plants rows that this package never writes.
func TestForeignRows(t *testing.T) {
	ctx := context.Background()
	row := store.Row{Table: "t", Partition: []byte("p"), Key: []byte("k")}
	plants := map[string][2][]byte{
		"short value":     {rowKey(row), []byte("short")},
		"no layout":       {rowKey(row), make([]byte, 30)},
		"version 0":       {rowKey(row), appendRecord(nil, 0, 0, []byte("v"))},
		"negative expiry": {rowKey(row), appendRecord(nil, 1, -1, []byte("v"))},
		"unescaped key":   {append(tablePrefix(kindRow, "t"), "p\x00\x02k"...), appendRecord(nil, 1, 0, nil)},
	}
	for name, plant := range plants {
		t.Run(name, func(t *testing.T) {
			s, err := Open(Options{Folder: "store", FS: vfs.NewMem()})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.db.Set(plant[0], plant[1], pebble.Sync); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Scan(ctx, "t", store.Row{}, 10); !fault.Is(err, fault.StoreDamaged) {
				t.Errorf("Scan: %v", err)
			}
			if name == "unescaped key" {
				return // no row has this key
			}
			if _, err := s.Get(ctx, row); !fault.Is(err, fault.StoreDamaged) {
				t.Errorf("Get: %v", err)
			}
			if err := s.Apply(ctx, store.Write{Row: row, If: store.Any}); !fault.Is(err, fault.StoreDamaged) {
				t.Errorf("Apply: %v", err)
			}
		})
	}
}

// TestFlippedBits changes one bit of a closed store's files at a time. What is
// read afterwards is right, or a fault of a stable code; never another value,
// never a row that is gone, and never a crash.
func TestFlippedBits(t *testing.T) {
	ctx := context.Background()
	const rows = 40
	source := vfs.NewMem()
	s := fill(t, source, rows)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 4))
	outcomes := map[fault.Code]int{}
	for _, name := range list(t, source) {
		data := readAll(t, source, name)
		for n := 0; n < 25 && len(data) > 0; n++ {
			damaged := cloneWith(t, source, name, flip(data, rng.IntN(8*len(data))))
			s, err := Open(Options{Folder: "store", FS: damaged})
			if err != nil {
				outcomes[damage(t, name, err)]++
				continue
			}
			for i := range rows {
				got, err := s.Get(ctx, fillRow(i))
				switch {
				case err != nil:
					outcomes[damage(t, name, err)]++
				case string(got.Value) != fillValue(i):
					t.Fatalf("%s flipped: row %d reads %q", name, i, got.Value)
				default:
					outcomes["right"]++
				}
			}
			if err := s.Close(); err != nil {
				damage(t, name, err)
			}
		}
	}
	t.Logf("reads and opens after one flipped bit: %v", outcomes)
	if outcomes[fault.StoreDamaged] == 0 || outcomes["right"] == 0 {
		t.Errorf("the flips reach nothing")
	}
}

// TestFlippedLog changes bits of the write-ahead log of a store that was not
// closed. Pebble sees damage that has a block of 32 KiB after it; damage in the
// last block it takes for a write that never ended, which is why Close flushes.
func TestFlippedLog(t *testing.T) {
	const rows = 400
	mem := vfs.NewCrashableMem()
	s := fill(t, mem, rows)
	crashed := mem.CrashClone(vfs.CrashCloneCfg{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	log, data := "", []byte{}
	for _, name := range list(t, crashed) {
		if contents := readAll(t, crashed, name); strings.HasSuffix(name, ".log") && len(contents) > len(data) {
			log, data = name, contents
		}
	}
	safe := (len(data)/(32<<10) - 1) * 32 << 10
	if safe <= 0 {
		t.Fatalf("a log of %d bytes has no block but the last", len(data))
	}
	rng := rand.New(rand.NewPCG(5, 6))
	for range 50 {
		_, err := Open(Options{Folder: "store", FS: cloneWith(t, crashed, log, flip(data, rng.IntN(8*safe)))})
		if err == nil {
			t.Fatal("a damaged log was read as if it ended there")
		}
		damage(t, log, err)
	}
}

func fillRow(i int) store.Row {
	return store.Row{Table: "t", Partition: fmt.Append(nil, i), Key: []byte("k")}
}

func fillValue(i int) string { return strings.Repeat(strconv.Itoa(i), 100) }

func fill(t *testing.T, fs vfs.FS, rows int) *Store {
	t.Helper()
	s, err := Open(Options{Folder: "store", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if err := s.Apply(context.Background(), store.Write{Row: fillRow(i), Value: []byte(fillValue(i))}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// damage holds an error to the codes that a damaged store may answer with.
func damage(t *testing.T, name string, err error) fault.Code {
	t.Helper()
	code := fault.CodeOf(err)
	if code != fault.StoreDamaged && code != fault.StoreUnavailable {
		t.Fatalf("%s flipped: %v", name, err)
	}
	return code
}

func list(t *testing.T, fs vfs.FS) []string {
	t.Helper()
	names, err := fs.List("store")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	for i := range names {
		names[i] = "store/" + names[i]
	}
	return names
}

func flip(data []byte, bit int) []byte {
	out := slices.Clone(data)
	out[bit/8] ^= 1 << (bit % 8)
	return out
}

func readAll(t *testing.T, fs vfs.FS, name string) []byte {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// cloneWith copies a store's files, one of them with other contents.
func cloneWith(t *testing.T, source vfs.FS, changed string, data []byte) vfs.FS {
	t.Helper()
	mem := vfs.NewMem()
	if err := mem.MkdirAll("store", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range list(t, source) {
		contents := data
		if name != changed {
			contents = readAll(t, source, name)
		}
		f, err := mem.Create(name, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(slices.Clone(contents)); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return mem
}
