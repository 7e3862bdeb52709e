package serve

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"shirase/internal/hint"
)

// pebbleEnv names the folder of the program pebble, Let's Encrypt's own authority for tests (RFC 8555).
const pebbleEnv = "SHIRASE_TEST_PEBBLE"

// name is the one that certificates are had for.
const name = "notice.example.test"

// authority is a pebble that runs.
type authority struct {
	config    string
	directory string
	roots     string // PEM file by which its directory is trusted
	manage    string // address of its management
	http, tls string // addresses at which it looks for proofs
	zone      *zone
	pebble    *exec.Cmd
}

// newAuthority prepares one on free ports.
func newAuthority(t *testing.T) *authority {
	t.Helper()
	if os.Getenv(pebbleEnv) == "" {
		t.Skipf("%s is not set: run ./test to get certificates from a real authority too", pebbleEnv)
	}
	dir := t.TempDir()
	a := &authority{config: filepath.Join(dir, "pebble.json"), roots: filepath.Join(dir, "roots.pem"), zone: serveZone(t)}
	listen := freePort(t)
	a.directory, a.manage = "https://"+listen+"/dir", "https://"+freePort(t)
	a.http, a.tls = freePort(t), freePort(t)
	certificate, key := selfSigned(t)
	write(t, a.roots, certificate)
	write(t, filepath.Join(dir, "key.pem"), key)
	b, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listen, "managementListenAddress": strings.TrimPrefix(a.manage, "https://"), "certificate": a.roots, "privateKey": filepath.Join(dir, "key.pem"),
		"httpPort": port(a.http), "tlsPort": port(a.tls), "retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles": map[string]any{"default": map[string]any{"description": "as others give them", "validityPeriod": 90 * 24 * 3600}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, a.config, b)
	return a
}

// start runs it, and returns when it answers.
func (a *authority) start(t *testing.T) {
	t.Helper()
	a.pebble = exec.Command(filepath.Join(os.Getenv(pebbleEnv), "pebble"), "-config", a.config, "-dnsserver", a.zone.addr)
	a.pebble.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_AUTHZREUSE=0")
	var log bytes.Buffer
	a.pebble.Stdout, a.pebble.Stderr = &log, &log
	if err := a.pebble.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.stop()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	for client := a.client(t); ; {
		if res, err := client.Get(a.directory); err == nil {
			res.Body.Close()
			return
		}
		if a.pebble.ProcessState != nil {
			t.Fatal(log.String())
		}
	}
}

func (a *authority) stop() {
	a.pebble.Process.Kill()
	a.pebble.Wait()
}

func (a *authority) client(t *testing.T) *http.Client {
	t.Helper()
	c, err := ACME{Roots: a.roots}.http()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// root is the certificate that what it gives is trusted by.
func (a *authority) root(t *testing.T) *x509.CertPool {
	t.Helper()
	res, err := a.client(t).Get(a.manage + "/roots/0")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(b) {
		t.Fatal("the authority has no root")
	}
	return pool
}

// zone is a name server in which every name leads to an address, or is not there.
type zone struct {
	addr string
	mu   sync.Mutex
	to   net.IP // nil: no name is there
}

func (z *zone) lead(to net.IP) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.to = to
}

func serveZone(t *testing.T) *zone {
	t.Helper()
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	z := &zone{addr: l.Addr().String(), to: net.IPv4(127, 0, 0, 1)}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go z.serve(conn)
		}
	}()
	return z
}

// serve answers questions over TCP (RFC 1035, 4.2.2), as pebble asks them.
func (z *zone) serve(conn net.Conn) {
	defer conn.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		question := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, question); err != nil {
			return
		}
		answer, err := z.answer(question)
		if err != nil {
			return
		}
		conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
	}
}

func (z *zone) answer(question []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil {
		return nil, err
	}
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.to == nil {
		m.RCode = dnsmessage.RCodeNameError
	} else if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}, Body: &dnsmessage.AResource{A: [4]byte(z.to.To4())}}}
	}
	return m.Pack()
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func port(addr string) (n int) {
	_, p, _ := net.SplitHostPort(addr)
	fmt.Sscan(p, &n)
	return n
}

func selfSigned(t *testing.T) (certificate, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	key, err = keyPEM(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// lines are those of a log, as they come.
type lines chan string

func (l lines) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}

// await returns the first line that has a text in it.
func (l lines) await(t *testing.T, text string) string {
	t.Helper()
	for {
		select {
		case line := <-l:
			if strings.Contains(line, text) {
				return line
			}
		case <-t.Context().Done():
			t.Fatalf("%q was not logged", text)
		}
	}
}

// server is one that serves the name.
type named struct {
	issued *Issued
	log    lines
	stop   func()
}

// serveName serves the name with a certificate of an authority; plain says whether port 80 is answered.
func (a *authority) serveName(t *testing.T, folder string, plain bool, now func() time.Time) *named {
	t.Helper()
	log := make(lines, 1000)
	n := &named{log: log}
	logger := slog.New(slog.NewTextHandler(log, nil))
	var err error
	if n.issued, err = (ACME{Domain: name, Contact: "admin@example.org", Directory: a.directory, Roots: a.roots, Folder: folder}).Open(logger); err != nil {
		t.Fatal(err)
	}
	if now != nil {
		n.issued.now = now
	}
	s := New(Options{Log: logger})
	s.At("https://" + name)
	s.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%s %s", r.Proto, r.URL.Path) }), "/")
	if plain {
		l, err := Listen(a.http)
		if err != nil {
			t.Fatal(err)
		}
		s.Lead(l, n.issued.Answer)
	}
	s.Certify(n.issued)
	l, err := Listen(a.tls)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended, ready := make(chan error, 1), make(chan bool)
	go func() { ended <- s.Run(ctx, l, func(string) error { close(ready); return nil }) }()
	<-ready
	n.stop = sync.OnceFunc(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		n.issued.Close()
	})
	t.Cleanup(n.stop)
	return n
}

// fetch asks a URL of the name, wherever the name leads otherwise.
func (a *authority) fetch(t *testing.T, url string, roots *x509.CertPool) (*http.Response, string, error) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		to := a.tls
		if strings.HasSuffix(addr, ":80") {
			to = a.http
		}
		return (&net.Dialer{}).DialContext(ctx, network, to)
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Get(url)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res, string(b), err
}

// TestACME: a certificate is had from a real authority by both proofs, served with HTTP/2 and HSTS, kept over a restart while
// the authority is away, and renewed with another key.
func TestACME(t *testing.T) {
	for _, plain := range []bool{true, false} {
		a := newAuthority(t)
		a.start(t)
		folder := t.TempDir()
		n := a.serveName(t, folder, plain, nil)
		n.log.await(t, "a certificate is served")
		root := a.root(t)
		res, body, err := a.fetch(t, "https://"+name+"/how", root)
		if err != nil {
			t.Fatal(err)
		}
		if body != "HTTP/2.0 /how" || res.Header.Get("Strict-Transport-Security") == "" {
			t.Errorf("%q, %v", body, res.Header)
		}
		first := res.TLS.PeerCertificates[0]
		if ends := n.issued.Ends(); !ends.Equal(first.NotAfter) {
			t.Errorf("it is said to end at %v, and ends at %v", ends, first.NotAfter)
		}
		if plain {
			if res, _, err := a.fetch(t, "http://"+name+"/how?q=1", nil); err != nil || res.StatusCode != 308 || res.Header.Get("Location") != "https://"+name+"/how?q=1" {
				t.Errorf("plain HTTP: %v, %v", res, err)
			}
			if res, _, err := a.fetch(t, "http://"+name+challengePath+"made-up", nil); err != nil || res.StatusCode != 404 {
				t.Errorf("a proof that nobody asked for: %v, %v", res, err)
			}
		}
		n.stop()
		a.stop()

		n = a.serveName(t, folder, plain, nil)
		if res, _, err = a.fetch(t, "https://"+name+"/", root); err != nil || !res.TLS.PeerCertificates[0].Equal(first) {
			t.Errorf("started again without the authority: %v", err)
		}
		n.stop()

		// Two thirds of its life later another takes its place.
		a.start(t)
		root = a.root(t)
		var renewed sync.Once
		late := first.NotAfter.Add(-29 * 24 * time.Hour)
		n = a.serveName(t, folder, plain, func() (now time.Time) {
			now = time.Now()
			renewed.Do(func() { now = late }) // it is asked once whether it is time
			return now
		})
		n.log.await(t, "a certificate is served")
		res, _, err = a.fetch(t, "https://"+name+"/", root)
		if err != nil {
			t.Fatal(err)
		}
		if second := res.TLS.PeerCertificates[0]; second.Equal(first) || second.PublicKey.(*ecdsa.PublicKey).Equal(first.PublicKey) {
			t.Error("it was not renewed, or with the same key")
		}
		n.stop()
	}
}

// TestACMERefused: what an authority does not give is told with its reason and a remedy, visitors cause no order, and what is
// mended is taken up by itself.
func TestACMERefused(t *testing.T) {
	a := newAuthority(t)
	n := a.serveName(t, t.TempDir(), true, nil)
	line := n.log.await(t, "there is no new certificate")
	if !strings.Contains(line, "see that this machine reaches "+a.directory) || !strings.Contains(line, "again=5s") {
		t.Errorf("the authority is away: %s", line)
	}
	if _, _, err := a.fetch(t, "https://"+name+"/", nil); err == nil {
		t.Error("something is served without a certificate")
	}
	a.zone.lead(nil)
	a.start(t)
	line = n.log.await(t, "there is no new certificate")
	if !strings.Contains(line, "the A and AAAA records of "+name) || !strings.Contains(line, "again=4m0s") {
		t.Errorf("the name leads nowhere: %s", line)
	}
	n.stop()
	a.zone.lead(net.IPv4(127, 0, 0, 1))

	n = a.serveName(t, t.TempDir(), false, nil)
	n.log.await(t, "a certificate is served")
	n.stop()

	// Nobody answers at the name's port.
	i, err := ACME{Domain: name, Directory: a.directory, Roots: a.roots, Folder: t.TempDir()}.Open(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	a.zone.lead(nil)
	if err := i.issue(t.Context(), "http-01"); err == nil || !strings.Contains(hint.Of(err), "the A and AAAA records of "+name) {
		t.Errorf("%v, %q", err, hint.Of(err))
	}
	a.zone.lead(net.IPv4(127, 0, 0, 1))
	for way, port := range map[string]string{"http-01": "80", "tls-alpn-01": "443"} {
		if err := i.issue(t.Context(), way); err == nil || !strings.Contains(hint.Of(err), "that its port "+port+" is reached from outside") {
			t.Errorf("%s: %v, %q", way, err, hint.Of(err))
		}
	}
}

// TestACMEKept: what was kept is served where it is whole, of this name and of this authority, and otherwise not.
func TestACMEKept(t *testing.T) {
	folder := t.TempDir()
	open := func(a ACME) *Issued {
		t.Helper()
		i, err := a.Open(slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { i.Close() })
		return i
	}
	a := ACME{Domain: name, Directory: "https://acme.example.org:14000/dir", Folder: folder}
	i := open(a)
	if !i.Ends().IsZero() {
		t.Error("nothing was kept, and something is served")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := i.take(other, [][]byte{der}); err == nil || !i.Ends().IsZero() {
		t.Errorf("a certificate of another key is taken: %v", err)
	}
	if err := i.take(key, [][]byte{der}); err != nil {
		t.Fatal(err)
	}
	if open(a).Ends().IsZero() {
		t.Error("what was kept is not served")
	}
	trial := a
	trial.Directory = "https://trial.example.org/dir"
	if !open(trial).Ends().IsZero() {
		t.Error("another authority's is served")
	}
	kept := filepath.Join(folder, "acme.example.org_14000", name, certificateFile)
	if info, err := os.Stat(kept); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v", info, err)
	}
	b, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	write(t, kept, b[:len(b)/2])
	if !open(a).Ends().IsZero() {
		t.Error("half a certificate is served")
	}
}
