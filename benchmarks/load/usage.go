package load

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"nod/crypto/seal"
	"nod/fault"
)

// CPU is what each role's process has used since it started, user and system.
type CPU map[seal.Role]time.Duration

// tick is the unit of /proc/PID/stat: USER_HZ, which is 100 on every Linux.
const tick = 10 * time.Millisecond

// CPU reads what the three processes have used.
func (d *Deployment) CPU() (CPU, error) {
	out := CPU{}
	for _, role := range seal.Roles() {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.Processes.Process(role).Pid))
		if err != nil {
			return nil, fault.New(fault.NotFound, "%w", err)
		}
		// The fields after the program's name, which may hold anything: utime and stime
		// are the 12th and 13th.
		fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
		if len(fields) < 13 {
			return nil, fault.New(fault.BadEncoding, "/proc/PID/stat of the %s", role)
		}
		for _, f := range fields[11:13] {
			n, err := strconv.Atoi(string(f))
			if err != nil {
				return nil, fault.New(fault.BadEncoding, "/proc/PID/stat of the %s: %w", role, err)
			}
			out[role] += time.Duration(n) * tick
		}
	}
	return out, nil
}

// Since is what was used since an earlier reading.
func (c CPU) Since(before CPU) CPU {
	out := CPU{}
	for role, used := range c {
		out[role] = used - before[role]
	}
	return out
}

// Total is what all roles used.
func (c CPU) Total() (sum time.Duration) {
	for _, used := range c {
		sum += used
	}
	return sum
}

// own is what this process has used: the load generator.
func own() time.Duration { return usage(syscall.RUSAGE_SELF) }

func usage(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Metrics are the values of one role's /metrics, by series as it writes them.
type Metrics map[string]float64

// Metrics reads a role's metrics.
func (d *Deployment) Metrics(ctx context.Context, role seal.Role) (Metrics, error) {
	text, err := d.operations(ctx, role, "/metrics")
	if err != nil {
		return nil, err
	}
	out := Metrics{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		line := lines.Text()
		space := strings.LastIndexByte(line, ' ')
		if space < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		if out[line[:space]], err = strconv.ParseFloat(line[space+1:], 64); err != nil {
			return nil, fault.New(fault.BadEncoding, "metrics of the %s: %w", role, err)
		}
	}
	return out, nil
}

// operations asks a role's operations address.
func (d *Deployment) operations(ctx context.Context, role seal.Role, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.Layout.Operations(role)+path, nil)
	if err != nil {
		return nil, fault.New(fault.Unexpected, "%w", err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fault.New(fault.PeerUnavailable, "operations of the %s: %w", role, err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return nil, fault.New(fault.PeerUnavailable, "operations of the %s: %s %w", role, answer.Status, err)
	}
	return data, nil
}
