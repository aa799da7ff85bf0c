package vault_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"sync"
	"testing"

	"nod/keyring/vault"
	"nod/keyring/vault/vaulttest"
)

// proxy stands between a Keyring and its server, and changes what a test wants changed.
type proxy struct {
	Address string

	mu       sync.Mutex
	request  func(*http.Request, []byte) []byte
	response func(*http.Response, []byte) []byte // nil: the answer is lost
}

func newProxy(t *testing.T, s *vaulttest.Server) *proxy {
	t.Helper()
	target, err := url.Parse(s.Address)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	p := &proxy{}
	reverse := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.request != nil && r.Out.Body != nil {
				body, _ := io.ReadAll(r.Out.Body) // a cut body is refused
				body = p.request(r.Out, body)
				r.Out.Body, r.Out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			}
		},
		ModifyResponse: func(r *http.Response) error {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.response == nil {
				return nil
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			if body = p.response(r, body); body == nil {
				panic(http.ErrAbortHandler)
			}
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			r.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return nil
		},
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
	}
	server := httptest.NewServer(reverse)
	t.Cleanup(server.Close)
	p.Address = server.URL
	return p
}

// change sets what is changed from here on.
func (p *proxy) change(request func(*http.Request, []byte) []byte, response func(*http.Response, []byte) []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.request, p.response = request, response
}

// ended is a use with its outcome.
type ended struct {
	vault.Use
	vault.Outcome
}

// recorder keeps what it is told.
type recorder struct {
	mu    sync.Mutex
	sent  map[string]vault.Use
	ended []ended
}

func newRecorder() *recorder { return &recorder{sent: map[string]vault.Use{}} }

func (r *recorder) Sent(u vault.Use) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent[u.ID] = u
}

func (r *recorder) Ended(u vault.Use, o vault.Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = append(r.ended, ended{u, o})
}

// take gives the uses that ended, and forgets them. Each was sent before.
func (r *recorder) take(t *testing.T) []ended {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.ended
	r.ended = nil
	for _, e := range out {
		if r.sent[e.ID] != e.Use {
			t.Errorf("%+v ended and was not sent", e)
		}
		delete(r.sent, e.ID)
	}
	return out
}
