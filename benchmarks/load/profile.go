package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"nod/crypto/seal"
	"nod/dev"
	"nod/fault"
)

// Profiles fetches a CPU profile of each role at once, over a length of whole seconds,
// into files of a folder.
func (d *Deployment) Profiles(ctx context.Context, folder string, length time.Duration) (map[seal.Role]string, error) {
	out := map[seal.Role]string{}
	for _, role := range seal.Roles() {
		out[role] = filepath.Join(folder, string(role)+".pprof")
	}
	errs := make([]error, len(seal.Roles()))
	var all sync.WaitGroup
	for i, role := range seal.Roles() {
		all.Go(func() {
			data, err := d.operations(ctx, role, fmt.Sprintf("/debug/pprof/profile?seconds=%d", int(length/time.Second)))
			if err == nil {
				err = os.WriteFile(out[role], data, 0o600)
			}
			errs[i] = err
		})
	}
	all.Wait()
	return out, errors.Join(errs...)
}

// Line is one function of a profile, with its part of the process's CPU, in percent.
type Line struct {
	Function         string
	Flat, Cumulative float64
}

// Top reads a profile with go tool pprof.
func Top(ctx context.Context, programs string, role seal.Role, file string) ([]Line, error) {
	tool := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodecount=100000", "-nodefraction=0", //nolint:gosec // files of this package
		filepath.Join(programs, dev.Program(role)), file)
	text, err := tool.Output()
	if err != nil {
		return nil, fault.New(fault.Unexpected, "go tool pprof: %w", err)
	}
	return parseTop(string(text))
}

// parseTop reads lines of "flat flat% sum% cum cum% function".
func parseTop(text string) (out []Line, err error) {
	_, table, found := strings.Cut(text, "cum%\n")
	if !found {
		return nil, fault.New(fault.BadEncoding, "no table in the output of go tool pprof")
	}
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 6 {
			continue
		}
		l := Line{Function: strings.Join(fields[5:], " ")}
		if l.Flat, err = percent(fields[1]); err != nil {
			return nil, err
		}
		if l.Cumulative, err = percent(fields[4]); err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

func percent(text string) (float64, error) {
	p, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil {
		return 0, fault.New(fault.BadEncoding, "go tool pprof: %w", err)
	}
	return p, nil
}

// Share is the part of a process's CPU that goes into one kind of work, in percent.
type Share struct {
	Kind    string
	Percent float64
}

// kinds are parts of function names, by the kind of work that the function itself
// does; the first that fits counts.
func kinds() []struct{ kind, parts string } {
	return []struct{ kind, parts string }{
		{"X-Wing and HPKE", "circl/ mlkem crypto/internal/fips140/sha3 x25519 curve25519"},
		{"P-256 (ES256)", "nistec ecdsa p256 fips140/bigmod"},
		{"Ed25519", "edwards25519 ed25519"},
		{"SHA-256, SHA-512", "sha256 sha512 hmac hkdf"},
		{"comparison, correlations", "nod/crypto/compare nod/crypto/dcf nod/crypto/prg nod/crypto/share nod/crypto/code"},
		{"AES (TLS, rows, expansion)", "crypto/internal/fips140/aes fips140/subtle crypto/cipher crypto/aes"},
		{"system calls (network, disk)", "syscall internal/runtime/syscall internal/poll"},
		{"memory and its collection", "runtime.gc runtime.scan runtime.mallocgc runtime.memclr runtime.memmove runtime.(*mspan) runtime.(*mcache) runtime.(*mcentral) runtime.(*mheap) runtime.(*sweep runtime.heapSet runtime.greyobject runtime.typePointers runtime.(*gcW runtime.findObject runtime.makeslice runtime.growslice runtime.newobject runtime.bulkBarrier runtime.wbBuf runtime.nextFree runtime.spanOf runtime.tryDefer runtime.(*gcBits runtime.writeHeapBits runtime.(*unwinder runtime.pcvalue runtime.adjust runtime.copystack runtime.newstack runtime.(*pageAlloc runtime.(*fixalloc runtime.scanobject runtime.markroot runtime.deductSweep internal/runtime/gc"},
		{"gRPC, HTTP/2, TLS records", "google.golang.org/grpc golang.org/x/net crypto/tls bufio"},
		{"Pebble", "cockroachdb"},
		{"scheduling, locks, timers, other runtime", "runtime. sync internal/runtime time."},
		{"JSON, base64", "encoding/ unicode strconv"},
		{"Nod's other code", "nod/"},
	}
}

const elsewhere = "the rest"

// Shares sums a profile up by kinds of work, the largest first.
func Shares(lines []Line) (out []Share) {
	sums := map[string]float64{}
	for _, l := range lines {
		sums[kindOf(l.Function)] += l.Flat
	}
	for kind, percent := range sums {
		out = append(out, Share{kind, percent})
	}
	slices.SortFunc(out, func(a, b Share) int { return int(1e6 * (b.Percent - a.Percent)) })
	return out
}

func kindOf(function string) string {
	for _, k := range kinds() {
		for _, part := range strings.Fields(k.parts) {
			if strings.Contains(function, part) {
				return k.kind
			}
		}
	}
	return elsewhere
}
