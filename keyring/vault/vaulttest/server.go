// Package vaulttest runs a real server for tests: OpenBao, or HashiCorp Vault, with
// raft storage, TLS and two file audit devices.
package vaulttest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
)

// Options say how a server is not like the others.
type Options struct {
	// Audit are the paths of the file audit devices. Default: two files.
	Audit []string
}

// Server is a running server. It is initialised and unsealed, and is stopped when the
// test ends.
type Server struct {
	Address string   // https://127.0.0.1:port
	CAFile  string   // certifies the server
	Folder  string   // everything of the server
	Audit   []string // the audit devices' files
	Token   string   // root's

	unseal  string
	binary  string
	client  *api.Client
	process *exec.Cmd
	exited  chan struct{}
}

// patience is how long anything may take on a busy machine.
const patience = 60 * time.Second

// Binary is the path of a server's program: OpenBao's in NOD_CACHE, where make setup
// puts it, or bao or vault on the PATH. Without any the test is skipped, unless make
// set NOD_CACHE: then it must be there.
func Binary(t testing.TB) string {
	t.Helper()
	cache, set := os.LookupEnv("NOD_CACHE")
	if home, err := os.UserHomeDir(); !set && err == nil {
		cache = filepath.Join(home, ".cache", "nod")
	}
	if path := filepath.Join(cache, "bao", "bao"); executable(path) {
		return path
	}
	for _, name := range []string{"bao", "vault"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if set && runtime.GOOS == "linux" && runtime.GOARCH == "amd64" {
		t.Fatalf("OpenBao's server is not in %s: run make setup", cache)
	}
	t.Skip("neither OpenBao's bao (make setup) nor HashiCorp's vault is here")
	return ""
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// hashicorp reports whether the program is HashiCorp's, whose configuration differs.
func (s *Server) hashicorp() bool { return filepath.Base(s.binary) == "vault" }

// Start starts a server, or skips the test if there is no program for one.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{binary: Binary(t), Folder: t.TempDir(), Audit: o.Audit}
	if s.Audit == nil {
		s.Audit = []string{filepath.Join(s.Folder, "audit-1.log"), filepath.Join(s.Folder, "audit-2.log")}
	}
	s.CAFile = filepath.Join(s.Folder, "ca.pem")
	if err := s.certify(); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.path("raft"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.configure(t)
	t.Cleanup(func() { s.Stop(t) })
	s.run(t)
	s.initialise(t)
	return s
}

func (s *Server) path(name string) string { return filepath.Join(s.Folder, name) }

// freePorts are two addresses that nobody listens at. Somebody else may take them before
// the server does, which ends the test.
func freePorts(t testing.TB) (out [2]string) {
	t.Helper()
	var listeners [2]net.Listener
	for i := range out {
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners[i], out[i] = l, l.Addr().String()
	}
	for _, l := range listeners {
		_ = l.Close()
	}
	return out
}

// configure writes the server's configuration.
func (s *Server) configure(t testing.TB) {
	t.Helper()
	ports := freePorts(t)
	s.Address = "https://" + ports[0]
	text := fmt.Sprintf(`api_addr = %q
cluster_addr = "https://%s"
storage "raft" {
  path = %q
  node_id = "one"
  performance_multiplier = 1
}
listener "tcp" {
  address = %q
  tls_cert_file = %q
  tls_key_file = %q
}
`, s.Address, ports[1], s.path("raft"), ports[0], s.path("server.pem"), s.path("server.key"))
	if s.hashicorp() {
		text += "disable_mlock = true\n"
	}
	for i, file := range s.Audit {
		// They are made here, and mode 0 leaves them as they are: what a test puts in
		// their place may be a device of the whole machine.
		if f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			_ = f.Close()
		}
		if !s.hashicorp() {
			text += fmt.Sprintf("audit \"file\" \"device-%d\" {\n  options {\n    file_path = %q\n    mode = \"0000\"\n  }\n}\n", i+1, file)
		}
	}
	if err := os.WriteFile(s.path("server.hcl"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	config := api.DefaultConfig()
	config.Address, config.MaxRetries, config.Timeout = s.Address, 0, patience
	if err := config.ConfigureTLS(&api.TLSConfig{CACert: s.CAFile}); err != nil {
		t.Fatal(err)
	}
	client, err := api.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	client.ClearToken()
	client.ClearNamespace()
	s.client = client
}

// run starts the process and waits until it listens.
func (s *Server) run(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(s.path("server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.process = exec.CommandContext(context.Background(), s.binary, "server", "-config="+s.path("server.hcl")) //nolint:gosec // a test's own program and folder
	s.process.Stdout, s.process.Stderr = log, log
	s.process.SysProcAttr = attributes()
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	process, exited := s.process, make(chan struct{})
	s.exited = exited
	go func() {
		_ = process.Wait() // killed, mostly
		close(exited)
	}()
	s.await(t, "listening", func(ctx context.Context) bool {
		_, err := s.client.Sys().SealStatusWithContext(ctx)
		return err == nil
	})
}

// await tries until something is so.
func (s *Server) await(t testing.TB, what string, try func(context.Context) bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		ok := try(ctx)
		cancel()
		if ok {
			return
		}
		select {
		case <-s.exited:
			t.Fatalf("the server ended before it was %s:\n%s", what, s.tail())
		default:
		}
	}
	t.Fatalf("the server is not %s:\n%s", what, s.tail())
}

func (s *Server) tail() string {
	log, _ := os.ReadFile(s.path("server.log")) // what there is
	return string(log[max(0, len(log)-4000):])
}

// initialise initialises and unseals a new server.
func (s *Server) initialise(t testing.TB) {
	t.Helper()
	made, err := s.client.Sys().Init(&api.InitRequest{SecretShares: 1, SecretThreshold: 1})
	if err != nil {
		t.Fatalf("init: %v\n%s", err, s.tail())
	}
	s.unseal, s.Token = made.KeysB64[0], made.RootToken
	s.client.SetToken(s.Token)
	s.Unseal(t)
	if s.hashicorp() {
		for i, file := range s.Audit {
			s.Write(t, fmt.Sprintf("sys/audit/device-%d", i+1), map[string]any{"type": "file", "options": map[string]string{"file_path": file, "mode": "0000"}})
		}
	}
}

// Unseal unseals the server and waits until it answers.
func (s *Server) Unseal(t testing.TB) {
	t.Helper()
	if _, err := s.client.Sys().Unseal(s.unseal); err != nil {
		t.Fatalf("unseal: %v\n%s", err, s.tail())
	}
	s.await(t, "active", func(ctx context.Context) bool {
		health, err := s.client.Sys().HealthWithContext(ctx)
		return err == nil && health.Initialized && !health.Sealed && !health.Standby
	})
}

// Seal seals the server.
func (s *Server) Seal(t testing.TB) {
	t.Helper()
	if err := s.client.Sys().Seal(); err != nil {
		t.Fatalf("seal: %v", err)
	}
}

// Stop kills the server. What it stored stays.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if s.process == nil || s.process.Process == nil {
		return
	}
	_ = s.process.Process.Kill() // it may have ended by itself
	select {
	case <-s.exited:
	case <-time.After(patience):
		t.Errorf("the server does not end")
	}
}

// Restart starts the server again where it was stopped, and unseals it.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(t)
	s.run(t)
	s.Unseal(t)
}

// Pause stops the server's process where it stands: it accepts connections and answers
// nothing. It returns when every thread of it has stopped.
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGSTOP)
	for range 1000 {
		if stopped(s.process.Process.Pid) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("the server does not stop")
}

// stopped reports whether all threads of a process are stopped, as proc(5) says.
func stopped(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(threads) == 0 {
		return false
	}
	for _, path := range threads {
		stat, err := os.ReadFile(path)
		state := bytes.LastIndexByte(stat, ')') + 2
		if err != nil || state >= len(stat) || stat[state] != 'T' {
			return false
		}
	}
	return true
}

// Reopen has the server open its audit devices' files again.
func (s *Server) Reopen(t testing.TB) { s.signal(t, syscall.SIGHUP) }

// Resume lets a paused server go on.
func (s *Server) Resume(t testing.TB) { s.signal(t, syscall.SIGCONT) }

func (s *Server) signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if err := s.process.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}

// Root is a client with the root token.
func (s *Server) Root() *api.Client { return s.client }

// Write writes as root.
func (s *Server) Write(t testing.TB, path string, body map[string]any) *api.Secret {
	t.Helper()
	secret, err := s.client.Logical().Write(path, body)
	if err != nil {
		t.Fatalf("writing %s: %v", path, err)
	}
	return secret
}

// Try makes a request with a token and gives its status; 0 is no answer.
func (s *Server) Try(t testing.TB, token, method, path string, body any) int {
	t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(context.Background(), method, s.Address+"/v1/"+path, strings.NewReader(string(encoded)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Vault-Token", token)
	request.Header.Set("X-Vault-Request", "true")
	response, err := s.client.CloneConfig().HttpClient.Do(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	return response.StatusCode
}
