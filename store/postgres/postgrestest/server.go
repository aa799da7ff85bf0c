package postgrestest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// User and Password log in to every server, as its owner.
const (
	User     = "nod"
	Password = "of a test"
)

// Server is one server in a folder of its own, on a port of the loopback.
type Server struct {
	install  *Installation
	as       *syscall.Credential
	folder   string
	port     int
	settings []string
	process  *exec.Cmd
	exited   chan struct{}
	watcher  io.Closer
}

// Start makes a server's folder and starts it, with settings such as
// "fsync=on". data names the folder, or is "" for a temporary one.
func (i *Installation) Start(data string, settings ...string) (s *Server, err error) {
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	if data == "" {
		if data, err = newFolder(); err != nil {
			return nil, err
		}
	}
	s = &Server{install: i, as: as, folder: data, settings: settings}
	if as != nil {
		if err := os.Chown(data, int(as.Uid), int(as.Gid)); err != nil {
			return nil, err
		}
	}
	secret := filepath.Join(data, "password")
	if err := os.WriteFile(secret, []byte(Password), 0o644); err != nil { //nolint:gosec // of a test
		return nil, err
	}
	initdb := i.command(as, data, "initdb", "--pgdata="+s.data(), "--username="+User, "--pwfile="+secret,
		"--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w: %s", err, out), os.RemoveAll(data))
	}
	if s.port, err = freePort(); err != nil {
		return nil, err
	}
	if err := s.Restart(); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }

// Folder is where the server's files are; it may read files in it.
func (s *Server) Folder() string { return s.folder }

// Own gives a file to the user that the server runs as, and to nobody else.
func (s *Server) Own(file string) error {
	if err := os.Chmod(file, 0o600); err != nil || s.as == nil {
		return err
	}
	return os.Chown(file, int(s.as.Uid), int(s.as.Gid))
}

// Set replaces the settings, from the next Restart on.
func (s *Server) Set(settings ...string) { s.settings = settings }

// Address is the server's host and port.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Restart starts the server that does not run, and waits until it answers. The
// last processes of one that was killed may be in the way for a moment.
func (s *Server) Restart() (err error) {
	for range 50 {
		if err = s.start(); !errors.Is(err, errEnded) {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

var errEnded = errors.New("the server ended")

func (s *Server) start() error {
	args := []string{"-D", s.data(), "-p", strconv.Itoa(s.port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=" + s.folder}
	for _, setting := range append([]string{"shared_buffers=32MB", "max_connections=60"}, s.settings...) {
		args = append(args, "-c", setting)
	}
	log, err := os.OpenFile(filepath.Join(s.folder, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644) //nolint:gosec // of a test
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := s.install.command(s.as, s.folder, "postgres", args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	s.process, s.exited = cmd, make(chan struct{})
	go func(exited chan struct{}) {
		_ = cmd.Wait()
		close(exited)
	}(s.exited)
	if s.watcher, err = watch(cmd.Process.Pid); err != nil {
		return err
	}
	return s.wait()
}

// wait returns when the server answers.
func (s *Server) wait() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		conn, err := s.Connect(ctx, "postgres")
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-s.exited:
			log, _ := os.ReadFile(filepath.Join(s.folder, "log"))
			return errors.Join(fmt.Errorf("%w: %w: %s", errEnded, err, log), s.watcher.Close())
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Connect is a connection of its own to one database.
func (s *Server) Connect(ctx context.Context, database string) (*pgx.Conn, error) {
	return pgx.Connect(ctx, fmt.Sprintf("host=127.0.0.1 port=%d user=%s password='%s' dbname='%s' sslmode=disable",
		s.port, User, Password, database))
}

// Exec runs statements in a database, each in a transaction of its own.
func (s *Server) Exec(database string, statements ...string) (err error) {
	ctx := context.Background()
	conn, err := s.Connect(ctx, database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	for _, statement := range statements {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// Create makes an empty database.
func (s *Server) Create(database string) error {
	return s.Exec("postgres", "CREATE DATABASE "+pgx.Identifier{database}.Sanitize())
}

// Kill ends every process of the server with SIGKILL, as a crash does.
func (s *Server) Kill() error {
	if s.process == nil {
		return nil
	}
	err := s.watcher.Close()
	pids := append([]int{s.process.Process.Pid}, childrenOf(s.process.Process.Pid)...)
	for _, pid := range pids {
		if killed := syscall.Kill(pid, syscall.SIGKILL); killed != nil && !errors.Is(killed, syscall.ESRCH) {
			err = errors.Join(err, killed)
		}
	}
	<-s.exited
	s.process = nil
	return err
}

// Stop kills the server and removes its folder.
func (s *Server) Stop() error { return errors.Join(s.Kill(), os.RemoveAll(s.folder)) }

// childrenOf lists the processes that a process started.
func childrenOf(pid int) (out []int) {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range threads {
		text, _ := os.ReadFile(file)
		for field := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				out = append(out, child)
			}
		}
	}
	return out
}

// watch stops a server when this process ends without having stopped it. Closing
// what it returns ends the watch.
func watch(pid int) (io.Closer, error) {
	cmd := exec.Command("/bin/sh", "-c", `read -r word; [ "$word" = done ] || kill -QUIT "$0"`, strconv.Itoa(pid)) //nolint:gosec,noctx // outlives this process
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return closer(func() error {
		_, err := io.WriteString(stdin, "done\n")
		return errors.Join(err, stdin.Close(), cmd.Wait())
	}), nil
}

type closer func() error

func (f closer) Close() error { return f() }

// freePort finds a port that nobody listens at.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // local
	if err != nil {
		return 0, err
	}
	_, text, err1 := net.SplitHostPort(l.Addr().String())
	port, err2 := strconv.Atoi(text)
	return port, errors.Join(err1, err2, l.Close())
}
