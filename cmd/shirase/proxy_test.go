package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shirase/internal/serve"
)

// TestProxies: the examples of nginx and Caddy, as they are but for ports and files, serve an instance over HTTP/2, with HSTS,
// and pass nothing on that a visitor claims of themselves.
func TestProxies(t *testing.T) {
	for name, c := range map[string]struct {
		example string
		config  func(example, dir, upstream, front string) string
		args    []string
	}{
		"nginx": {"nginx.conf", func(example, dir, upstream, front string) string {
			server := example[strings.LastIndex(example, "server {"):] // ports below 1024 are others'
			server = strings.NewReplacer("listen 443", "listen "+front, "    listen [::]:443 ssl http2;\n", "", "/etc/ssl/private/notice.example.org.pem", dir+"/key.pem", "/etc/ssl/notice.example.org.pem", dir+"/certificate.pem", "127.0.0.1:8311", upstream).Replace(server)
			temp := ""
			for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
				temp += kind + "_temp_path " + dir + "/" + kind + ";\n"
			}
			return "daemon off;\nmaster_process off;\npid " + dir + "/pid;\nerror_log " + dir + "/error.log;\nevents {}\nhttp {\n" + temp + server + "}\n"
		}, []string{"-c"}},
		"caddy": {"Caddyfile", func(example, dir, upstream, front string) string {
			site := strings.NewReplacer("notice.example.org {\n", "https://notice.example.org:"+front[strings.LastIndexByte(front, ':')+1:]+" {\n\tbind 127.0.0.1\n\ttls "+dir+"/certificate.pem "+dir+"/key.pem\n", "127.0.0.1:8311", upstream).Replace(example)
			return "{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + site
		}, []string{"run", "--adapter", "caddyfile", "--config"}},
	} {
		t.Run(name, func(t *testing.T) {
			program, err := exec.LookPath(name)
			if err != nil {
				if program, err = exec.LookPath("/usr/sbin/" + name); err != nil {
					t.Skipf("%s is not here: its example is not run (./test installs it)", name)
				}
			}
			dir := t.TempDir()
			roots := certify(t, dir)
			upstream := behindProxy(t)
			front := must(serve.Listen("127.0.0.1:0"))(t)
			addr := front.Addr().String()
			front.Close()
			example := must(os.ReadFile("../../examples/" + c.example))(t)
			file := filepath.Join(dir, c.example)
			write(t, file, c.config(string(example), dir, upstream, addr))
			cmd := exec.Command(program, append(c.args, file)...)
			cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
			var log bytes.Buffer
			cmd.Stdout, cmd.Stderr = &log, &log
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			t.Cleanup(func() { cmd.Process.Kill() })
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, addr)
			}}
			defer transport.CloseIdleConnections()
			for {
				if conn, err := net.Dial("tcp", addr); err == nil {
					conn.Close()
					break
				}
				select {
				case err := <-ended:
					t.Fatalf("%s ended: %v: %s", name, err, &log)
				default:
				}
			}
			for _, path := range []string{"/", "/healthz", "/how?q=1", "/sitemap.xml"} {
				req := must(http.NewRequest("GET", "https://notice.example.org"+path, nil))(t)
				// A visitor's own words: believed, they would lead to a loop or let the visitor count as somebody else.
				req.Header.Set("X-Forwarded-Proto", "http")
				req.Header.Set("X-Forwarded-For", "192.0.2.1")
				req.Header.Set("Forwarded", "proto=http;for=192.0.2.1")
				res, err := transport.RoundTrip(req)
				if err != nil {
					t.Fatalf("%s: %v: %s", path, err, &log)
				}
				body := must(io.ReadAll(res.Body))(t)
				res.Body.Close()
				if res.StatusCode != 200 || res.ProtoMajor != 2 || res.Header.Get("Strict-Transport-Security") == "" {
					t.Errorf("%s: %s %s, HSTS %q", path, res.Proto, res.Status, res.Header.Get("Strict-Transport-Security"))
				}
				if path == "/sitemap.xml" && !bytes.Contains(body, []byte("https://notice.example.org/")) {
					t.Errorf("%s: %s", path, body)
				}
			}
		})
	}
}

// behindProxy serves an instance behind a proxy on this machine, and gives its address.
func behindProxy(t *testing.T) string {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	a := appAt(data, io.Discard, io.Discard)
	a.op().URL = "https://notice.example.org"
	a.op().Proxies = must(serve.ParseProxies([]string{"127.0.0.1"}))(t)
	must(a.init(t.Context(), "", a.read.Instance, 0))(t).close()
	in := must(a.open(t.Context()))(t)
	ctx, stop := context.WithCancel(t.Context())
	ready, ended := make(chan string, 1), make(chan error, 1)
	l := must(serve.Listen("127.0.0.1:0"))(t)
	go func() { ended <- a.serve(ctx, in, l, nil, func(url string) error { ready <- url; return nil }) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		in.close()
	})
	select {
	case at := <-ready:
		return must(url.Parse(at))(t).Host
	case err := <-ended:
		ended <- err
		t.Fatal(err)
	}
	return ""
}

// certify writes a certificate of the examples' name and its key, and gives what trusts it.
func certify(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"notice.example.org"}, IsCA: true, BasicConstraintsValid: true}
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))(t)
	write(t, filepath.Join(dir, "certificate.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))(t)})))
	pool := x509.NewCertPool()
	pool.AddCert(must(x509.ParseCertificate(der))(t))
	return pool
}
