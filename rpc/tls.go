package rpc

import (
	"crypto/tls"
)

// tlsConfig is what both sides have in common. The certificates are checked by
// Pins.verify alone, which does more than crypto/x509's chains to an authority would;
// that is what InsecureSkipVerify and RequireAnyClientCert leave room for.
func tlsConfig(leaves *Leaves, pins Pins, want string) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		CurvePreferences:       []tls.CurveID{tls.X25519MLKEM768},
		NextProtos:             []string{"h2"},
		SessionTicketsDisabled: true,
		ClientAuth:             tls.RequireAnyClientCert,
		InsecureSkipVerify:     true, //nolint:gosec // see above
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return leaves.current() },
		GetClientCertificate:   func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return leaves.current() },
		VerifyConnection: func(s tls.ConnectionState) error {
			_, err := pins.verify(&s, want, leaves.now())
			return err
		},
	}
}
