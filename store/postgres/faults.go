package postgres

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"nod/fault"
	"nod/store"
)

// SQLSTATEs that this package acts on.
const (
	divisionByZero       = "22012" // of a batch: something came in between (batch.go)
	uniqueViolation      = "23505"
	readOnlyTransaction  = "25006"
	undefinedTable       = "42P01"
	duplicateTable       = "42P07"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	lockNotAvailable     = "55P03"
)

// sqlState is the server's own code for an error, or "" if the server did not
// answer.
func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// toFault gives a driver's error its code. Texts of the server and of the driver
// are dropped: they quote rows, logins and addresses.
func toFault(what string, err error) error {
	var known *fault.Error
	if err == nil {
		return nil
	}
	if errors.As(err, &known) {
		return known // and not the driver's words around it
	}
	state := sqlState(err)
	if strings.HasPrefix(state, "XX") { // internal error, data corrupted, index corrupted
		return fault.New(fault.StoreDamaged, "%s: %s", what, describe(err))
	}
	return fault.New(fault.StoreUnavailable, "%s: %s", what, describe(err))
}

// describe says what happened without quoting anything that is not ours.
func describe(err error) string {
	if state := sqlState(err); state != "" {
		text := map[string]string{
			"25006": "the server is read-only", "28P01": "the login was refused", "28000": "the login was refused",
			"3D000": "no such database", "42501": "the login may not do that", "53100": "the server's disk is full",
			"53300": "too many connections", "55P03": "a lock was not given in time", "57014": "the statement took too long",
			"57P01": "the server is stopping", "57P02": "the server crashed", "57P03": "the server is starting",
			undefinedTable: "the database is not migrated",
		}[state]
		return strings.TrimSpace("SQLSTATE " + state + " " + text)
	}
	var errno syscall.Errno
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var timeout net.Error
	var dns *net.DNSError
	switch {
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &host):
		return "the server's certificate is for another name"
	case errors.As(err, &authority), errors.As(err, &verification):
		return "the server's certificate is not to be trusted"
	case strings.Contains(err.Error(), "refused TLS"):
		return "the server does not offer TLS"
	case errors.As(err, &dns):
		return "the server's name is not known"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was lost"
	case errors.Is(err, errRaced):
		return errRaced.Error()
	case errors.Is(err, errReadOnly):
		return errReadOnly.Error()
	}
	return fmt.Sprintf("the connection failed (%T)", err)
}

// unreachable reports whether no connection could be made: doing the same again at
// once would not help.
func unreachable(err error) bool {
	var e *pgconn.ConnectError
	return errors.As(err, &e)
}

func cancelled(ctx context.Context) error {
	return fault.New(fault.Cancelled, "%w", context.Cause(ctx))
}

func conflict(t store.Table) error { return fault.New(fault.Conflict, "table %s", t) }

// attempts bounds how often work is done again that certainly did nothing.
const attempts = 8

// undone reports whether work that failed certainly did nothing, and may succeed
// when it is done again: the server took it back for the sake of another
// transaction, or it never reached a server.
func undone(err error) bool {
	switch sqlState(err) {
	case serializationFailure, deadlockDetected:
		return true
	}
	return pgconn.SafeToRetry(err)
}

// retry does f again while again(err) says so, with a pause that grows to 100 ms
// and is drawn at random, so that two who met do not meet again.
func retry(ctx context.Context, again func(error) bool, f func() error) error {
	pause := 2 * time.Millisecond
	for i := 1; ; i++ {
		err := f()
		if err == nil || i == attempts || ctx.Err() != nil || !again(err) {
			return err
		}
		select {
		case <-time.After(pause/2 + random(pause)):
		case <-ctx.Done():
			return err
		}
		pause = min(2*pause, 100*time.Millisecond)
	}
}

// random is a time below limit.
func random(limit time.Duration) time.Duration {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return time.Duration(binary.BigEndian.Uint64(b[:]) % uint64(limit))
}
