package serve

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shirase/internal/hint"
)

// certificate makes a certificate of 127.0.0.1 with a serial number, and its key, both as PEM.
func certificate(t *testing.T, serial int64) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// TestCertificate serves over TLS, with HTTP/2 and HSTS, takes up a renewed certificate, and keeps the old one while the
// new files do not fit each other.
func TestCertificate(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write := func(name string, data []byte) { // as those who renew certificates do
		t.Helper()
		if err := os.WriteFile(name+".new", data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(name+".new", name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Certificate(certFile, keyFile, slog.New(slog.DiscardHandler)); err == nil || hint.Of(err) == "" {
		t.Fatalf("without files: %v", err)
	}
	cert, key := certificate(t, 1)
	write(certFile, cert)
	write(keyFile, key)
	var log strings.Builder
	config, err := Certificate(certFile, keyFile, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{TLS: config})
	s.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }), "/")
	url, end := run(t, s)
	defer end()
	serial := func() int64 {
		t.Helper()
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
		defer client.CloseIdleConnections()
		res, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if b, _ := io.ReadAll(res.Body); string(b) != "HTTP/2.0" || res.Header.Get("Strict-Transport-Security") == "" {
			t.Errorf("%s, %v", b, res.Header)
		}
		return res.TLS.PeerCertificates[0].SerialNumber.Int64()
	}
	if !strings.HasPrefix(url, "https://127.0.0.1:") || serial() != 1 {
		t.Errorf("%s has another certificate", url)
	}
	cert, key = certificate(t, 2)
	write(certFile, cert)
	for range 2 {
		if serial() != 1 {
			t.Error("a certificate is served without its key")
		}
	}
	write(keyFile, key)
	if serial() != 2 {
		t.Error("a renewed certificate is not served")
	}
	end()
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings of one pair that did not fit: %s", n, &log)
	}
}
