package fetch

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// names answers questions for addresses on this machine: each time with the next of what a name means, the last again and again.
type names struct {
	mu    sync.Mutex
	mean  map[string][]string
	asked map[string]int
}

func (n *names) resolver(t *testing.T) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:size]) == nil && len(m.Questions) == 1 {
				m.Response, m.Authoritative, m.Additionals = true, true, nil
				m.Answers = n.answer(m.Questions[0])
				if out, err := m.Pack(); err == nil {
					conn.WriteTo(out, from)
				}
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (n *names) answer(q dnsmessage.Question) []dnsmessage.Resource {
	n.mu.Lock()
	defer n.mu.Unlock()
	name := strings.TrimSuffix(q.Name.String(), ".")
	if q.Type != dnsmessage.TypeA || len(n.mean[name]) == 0 {
		return nil
	}
	i := min(n.asked[name], len(n.mean[name])-1)
	n.asked[name]++
	return []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 0},
		Body: &dnsmessage.AResource{A: netip.MustParseAddr(n.mean[name][i]).As4()}}}
}

// site is a server of this machine that a client may ask.
func site(t *testing.T, h http.Handler, o Options) (*httptest.Server, *Client) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	o.Allow = append(o.Allow, netip.MustParseAddrPort(s.Listener.Addr().String()))
	if o.Pause == 0 {
		o.Pause = -1
	}
	return s, New(o)
}

func TestPublic(t *testing.T) {
	for _, s := range strings.Fields(`0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.255 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1
		192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.9 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255
		:: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1::1 3fff::1 5f00::1
		fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1`) {
		if Public(netip.MustParseAddr(s)) {
			t.Errorf("%s passes for an address of the public internet", s)
		}
	}
	for _, s := range strings.Fields(`1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.1 172.15.0.1 172.32.0.1 192.0.1.1 198.17.0.1 198.20.0.1 223.255.255.255 ::ffff:8.8.8.8
		2400:cb00::1 2606:4700::1111 2a00::1`) {
		if !Public(netip.MustParseAddr(s)) {
			t.Errorf("%s is refused", s)
		}
	}
	if Public(netip.MustParseAddr("fe80::1%eth0")) || Public(netip.Addr{}) {
		t.Error("an address with a zone, or none, passes")
	}
}

// TestNothingPrivate asks for addresses in every writing that a server behind the firewall might be reached by. A server on this
// machine listens; nothing may reach it.
func TestNothingPrivate(t *testing.T) {
	var reached atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer s.Close()
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	n := &names{mean: map[string][]string{"inside.example": {"127.0.0.1"}, "cloud.example": {"169.254.169.254"}, "lan.example": {"192.168.0.1"}}, asked: map[string]int{}}
	c := New(Options{Pause: -1, Resolver: n.resolver(t)})
	for _, host := range []string{"127.0.0.1", "127.1.2.3", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "localhost", "LOCALHOST", "inside.example", "cloud.example", "lan.example",
		"10.0.0.1", "169.254.169.254", "[fd00:ec2::254]", "[fe80::1]", "[64:ff9b::7f00:1]"} {
		for _, p := range []string{":" + port, "", ":443"} {
			_, err := c.Get(t.Context(), "http://"+host+p+"/", Known{})
			if !errors.Is(err, ErrAddress) {
				t.Errorf("%s%s: %v", host, p, err)
			}
		}
	}
	for _, address := range []string{"http://2130706433:" + port + "/", "http://0x7f000001:" + port + "/", "http://0177.0.0.1:" + port + "/", "http://127.1:" + port + "/"} {
		if _, err := c.Get(t.Context(), address, Known{}); err == nil {
			t.Errorf("%s is read", address)
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("a server on this machine was asked %d times", n)
	}
}

func TestOnlyPages(t *testing.T) {
	c := New(Options{})
	for _, address := range []string{"", "file:///etc/passwd", "ftp://example.org/", "gopher://example.org/", "http://", "http:///x", "//example.org/", "example.org", "javascript:alert(1)",
		"http://user:word@example.org/", "http://exa mple.org/", "https://example.org/" + strings.Repeat("x", maxURL)} {
		if _, err := c.Get(t.Context(), address, Known{}); !errors.Is(err, ErrURL) {
			t.Errorf("%.60q: %v", address, err)
		}
	}
	for address, port := range map[string]string{"203.0.113.1:25": "", "8.8.8.8:22": "port 22", "8.8.8.8:8080": "port 8080"} {
		if err := c.control("tcp4", address, nil); !errors.Is(err, ErrAddress) || !strings.Contains(err.Error(), port) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if err := c.control("tcp4", "8.8.8.8:443", nil); err != nil {
		t.Error(err)
	}
}

// TestRebinding has a name mean an address that may be asked when robots.txt is read, and another of this machine afterwards.
func TestRebinding(t *testing.T) {
	var inside atomic.Int64
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Skip("this system has no 127.0.0.2:", err)
	}
	private := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside.Add(1) })}
	go private.Serve(l)
	defer private.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	open, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Skip("the port is taken on the other address:", err)
	}
	var outside atomic.Int64
	public := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		outside.Add(1)
		w.Header().Set("Connection", "close")
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "http://127.0.0.2:"+port+"/secret", http.StatusFound)
		}
	})}
	go public.Serve(open)
	defer public.Close()
	n := &names{mean: map[string][]string{"turns.example": {"127.0.0.1", "127.0.0.2"}, "stays.example": {"127.0.0.1"}}, asked: map[string]int{}}
	c := New(Options{Pause: -1, Resolver: n.resolver(t), Allow: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:" + port)}})
	if _, err := c.Get(t.Context(), "http://turns.example:"+port+"/", Known{}); !errors.Is(err, ErrAddress) {
		t.Errorf("a name that turns to another address: %v", err)
	}
	if outside.Load() != 1 || n.asked["turns.example"] < 2 {
		t.Errorf("the name was asked about %d times and its first address %d times: nothing was tried", n.asked["turns.example"], outside.Load())
	}
	if _, err := c.Get(t.Context(), "http://stays.example:"+port+"/away", Known{}); !errors.Is(err, ErrAddress) {
		t.Errorf("a redirect to a private address: %v", err)
	}
	if p, err := c.Get(t.Context(), "http://stays.example:"+port+"/", Known{}); err != nil || !p.OK() {
		t.Errorf("what may be asked: %v", err)
	}
	if n := inside.Load(); n != 0 {
		t.Errorf("the private server was asked %d times", n)
	}
}

func TestHostile(t *testing.T) {
	bomb := func() []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		zeros := make([]byte, 1<<20)
		for range 64 {
			z.Write(zeros)
		}
		z.Close()
		return b.Bytes()
	}()
	mux := http.NewServeMux()
	mux.HandleFunc("/line", func(w http.ResponseWriter, _ *http.Request) {
		for range 10 << 10 {
			w.Write(bytes.Repeat([]byte("a"), 1<<10))
		}
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "file:///etc/passwd")
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("<p>"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/bomb", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(bomb)
	})
	mux.HandleFunc("/packed", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "br")
		w.Write([]byte("x"))
	})
	mux.HandleFunc("/head", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Long", strings.Repeat("x", 1<<20)) })
	mux.HandleFunc("/short", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.Write([]byte("cut"))
	})
	mux.HandleFunc("/later", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) })
	s, c := site(t, mux, Options{Max: 4 << 20})
	for path, want := range map[string]error{"/line": ErrTooLarge, "/loop": ErrRedirects, "/file": ErrRedirects, "/bomb": ErrTooLarge, "/packed": nil, "/head": nil, "/short": nil} {
		_, err := c.Get(t.Context(), s.URL+path, Known{})
		if err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	hasty := New(Options{Allow: c.o.Allow, Pause: -1, Timeout: 300 * time.Millisecond})
	if _, err := hasty.Get(t.Context(), s.URL+"/slow", Known{}); !errors.Is(err, ErrSlow) {
		t.Errorf("/slow: %v", err)
	}
	for range 2 { // the second time nobody is asked
		if _, err := c.Get(t.Context(), s.URL+"/later", Known{}); !errors.Is(err, ErrBusy) {
			t.Errorf("/later: %v", err)
		}
	}
}

func TestPolite(t *testing.T) {
	var log []string
	var mu sync.Mutex
	mux := http.NewServeMux()
	mux.HandleFunc("/robots.txt", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "User-agent: *\nDisallow: /private/\nAllow: /private/open\nCrawl-delay: 7\n")
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		log = append(log, r.URL.Path+" "+r.UserAgent())
		mu.Unlock()
		w.Header().Set("ETag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		fmt.Fprint(w, "here")
	})
	now := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	var waited []time.Duration
	s, c := site(t, mux, Options{Agent: "shirase/1 (+https://notice.example.org)", Pause: 2 * time.Second, Now: func() time.Time { return now },
		Wait: func(_ context.Context, d time.Duration) error {
			waited = append(waited, d)
			now = now.Add(d)
			return nil
		}})
	p, err := c.Get(t.Context(), s.URL+"/a", Known{})
	if err != nil || string(p.Body) != "here" || p.Final != s.URL+"/a" {
		t.Fatal(p, err)
	}
	if p, err = c.Get(t.Context(), s.URL+"/a", Known{ETag: p.Header.Get("ETag")}); err != nil || !p.Unchanged() {
		t.Error("what is known is asked for again:", err)
	}
	if _, err := c.Get(t.Context(), s.URL+"/private/a", Known{}); !errors.Is(err, ErrRobots) {
		t.Errorf("what robots.txt forbids: %v", err)
	}
	if _, err := c.Get(t.Context(), s.URL+"/private/open", Known{}); err != nil {
		t.Errorf("what robots.txt allows: %v", err)
	}
	if len(log) != 3 || log[0] != "/a shirase/1 (+https://notice.example.org)" {
		t.Errorf("asked for %q", log)
	}
	if len(waited) < 3 || waited[1] != 7*time.Second {
		t.Errorf("waited %v between requests, where robots.txt asks for 7 s", waited)
	}
}

// TestRobotsFail: where robots.txt cannot be read because its server fails, nothing is read; where there is none, everything.
func TestRobotsFail(t *testing.T) {
	status := http.StatusInternalServerError
	pages := 0
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/robots.txt" {
			w.WriteHeader(status)
			return
		}
		pages++
	})
	s, c := site(t, h, Options{})
	if _, err := c.Get(t.Context(), s.URL+"/", Known{}); !errors.Is(err, ErrBusy) || pages != 0 {
		t.Errorf("a server that fails: %v, %d pages", err, pages)
	}
	status = http.StatusForbidden
	c = New(Options{Allow: c.o.Allow, Pause: -1})
	if _, err := c.Get(t.Context(), s.URL+"/", Known{}); err != nil || pages != 1 {
		t.Errorf("no robots.txt: %v", err)
	}
}
