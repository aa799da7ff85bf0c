package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"nod/crypto/seal"
	"nod/dev"
	"nod/fault"
)

// sight is what a process can open, of the folders of all roles and of the parties
// outside.
type sight struct {
	User    string         `json:"user"`
	Opened  map[string]int `json:"opened"`  // files, by folder
	Refused map[string]int `json:"refused"` // likewise
}

// look tries to open every file, as the user that a role's process runs as.
func look(ctx context.Context, l *dev.Layout, p *dev.Processes, role seal.Role) (*sight, error) {
	uid, gid, err := ranAs(p.Process(role).Pid)
	if err != nil {
		return nil, err
	}
	s := &sight{User: strconv.Itoa(int(uid)), Opened: map[string]int{}, Refused: map[string]int{}}
	if u, err := user.LookupId(s.User); err == nil {
		s.User = u.Username
	}
	for _, folder := range folders() {
		files, err := filesIn(filepath.Join(l.Folder, folder))
		if err != nil {
			return nil, err
		}
		opened, err := open(ctx, uid, gid, files)
		if err != nil {
			return nil, err
		}
		s.Opened[folder], s.Refused[folder] = opened, len(files)-opened
	}
	return s, nil
}

func folders() []string { return []string{"matcher", "custodian", "dealer", "outside"} }

// counts is one cell of the table.
func (s *sight) counts(opened bool) string {
	var out []string
	for _, f := range folders() {
		n := s.Refused[f]
		if opened {
			n = s.Opened[f]
		}
		if n > 0 {
			out = append(out, fmt.Sprintf("%s %d", f, n))
		}
	}
	if len(out) == 0 {
		return "nothing"
	}
	return strings.Join(out, ", ")
}

// ranAs asks the system whose a process is.
func ranAs(pid int) (uid, gid uint32, err error) {
	info, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	if err != nil {
		return 0, 0, fault.New(fault.Unexpected, "whose a process is: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, fault.New(fault.Unexpected, "whose a process is: the system does not say")
	}
	return stat.Uid, stat.Gid, nil
}

func filesIn(folder string) (files []string, err error) {
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return nil, fault.New(fault.StoreUnavailable, "%w", err)
	}
	return files, nil
}

// open opens files as a user, in a process of that user, and counts those that it could.
func open(ctx context.Context, uid, gid uint32, files []string) (int, error) {
	const try = `for f do if (: < "$f") 2>/dev/null; then echo opened; else echo refused; fi; done`
	c := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", try, "sh"}, files...)...) //nolint:gosec // names of the demo's own files
	c.Dir = "/"
	if os.Getuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	}
	out, err := c.Output()
	if err != nil {
		return 0, fault.New(fault.Unexpected, "opening files as user %d: %w", uid, err)
	}
	answers := strings.Fields(string(out))
	if len(answers) != len(files) {
		return 0, fault.New(fault.Unexpected, "opening files as user %d: %d answers for %d files", uid, len(answers), len(files))
	}
	opened := 0
	for _, a := range answers {
		if a == "opened" {
			opened++
		}
	}
	return opened, nil
}

// locked is a writer for several processes' logs.
type locked struct {
	mu sync.Mutex
	w  interface{ Write([]byte) (int, error) }
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
