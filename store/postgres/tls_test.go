package postgres

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nod/fault"
	"nod/store"
	"nod/store/postgres/postgrestest"
	"nod/store/storetest"
)

// selfSigned makes a server's certificate for a name and an address, and its key.
func selfSigned(t *testing.T, name string, ip net.IP) (cert *x509.Certificate, certPEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	if ip != nil {
		template.IPAddresses = []net.IP{ip}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

func install(t *testing.T, s *postgrestest.Server, name string, text []byte) {
	t.Helper()
	file := filepath.Join(s.Folder(), name)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Own(file); err != nil {
		t.Fatal(err)
	}
}

// TLS against Debian's server, which also is an older one: the contract holds on
// it as well.
func TestTLSOnDebiansServer(t *testing.T) {
	debian, err := postgrestest.Debian()
	if errors.Is(err, postgrestest.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := debian.Start("")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}()
	o := newDatabase(t, s, "matcher")
	root, cert, key := selfSigned(t, "database.example", net.IPv4(127, 0, 0, 1))
	install(t, s, "server.crt", cert)
	install(t, s, "server.key", key)
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	s.Set("ssl=on", "ssl_cert_file="+filepath.Join(s.Folder(), "server.crt"), "ssl_key_file="+filepath.Join(s.Folder(), "server.key"))
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}

	o.TLS = TLS{} // the machine's authorities do not know it
	refusesToOpen(t, o, fault.StoreUnavailable)
	roots := x509.NewCertPool()
	roots.AddCert(root)
	o.TLS.Roots = roots
	other := o
	_, port, _ := strings.Cut(o.Addresses[0], ":")
	other.Addresses = []string{"localhost:" + port} // a name that the certificate does not have
	refusesToOpen(t, other, fault.StoreUnavailable)

	encrypted := openStore(t, o)
	var on bool
	if err := encrypted.pool.QueryRow(t.Context(), "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scan(&on); err != nil || !on {
		t.Errorf("the connection's TLS: %v, %v", on, err)
	}
	storetest.Run(t, func(t *testing.T) store.Store {
		if _, err := encrypted.pool.Exec(t.Context(), "DELETE FROM nod_row"); err != nil {
			t.Fatal(err)
		}
		return encrypted
	})
}
