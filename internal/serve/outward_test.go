package serve

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
)

// TestScheme: what a proxy says of the scheme counts where the proxy is trusted, and its own word only.
func TestScheme(t *testing.T) {
	proxies, err := ParseProxies([]string{"10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{Proxies: proxies})
	s.At("https://notice.example.org")
	s.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}), "/")
	for _, c := range []struct {
		name, peer string
		said       []string
		secure     bool
		status     int
	}{
		{"nobody says anything", "10.0.0.1:1", nil, false, 200},
		{"a trusted proxy says https", "10.0.0.1:1", []string{"https"}, true, 200},
		{"a trusted proxy in other letters", "10.0.0.1:1", []string{" HTTPS "}, true, 200},
		{"a trusted proxy says http", "10.0.0.1:1", []string{"http"}, false, 308},
		{"what a client said stands left of the proxy's word", "10.0.0.1:1", []string{"https,http"}, false, 308},
		{"or in a line above it", "10.0.0.1:1", []string{"https", "http"}, false, 308},
		{"anybody says https", "192.0.2.1:1", []string{"https"}, false, 200},
		{"anybody says http", "192.0.2.1:1", []string{"http"}, false, 200},
		{"a scheme that is none", "10.0.0.1:1", []string{"gopher"}, false, 200},
	} {
		r := httptest.NewRequest("GET", "http://other.example/incidents?q=a%2Fb", nil)
		r.RemoteAddr = c.peer
		for _, v := range c.said {
			r.Header.Add("X-Forwarded-Proto", v)
		}
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		if w.Code != c.status || (w.Header().Get("Strict-Transport-Security") != "") != c.secure {
			t.Errorf("%s: %d, HSTS %q", c.name, w.Code, w.Header().Get("Strict-Transport-Security"))
		}
		if at := w.Header().Get("Location"); c.status == 308 && at != "https://notice.example.org/incidents?q=a%2Fb" {
			t.Errorf("%s: led to %q", c.name, at)
		}
	}
}

// TestLead: plain HTTP leads to the instance's own address, whatever host it names, and nothing that was posted is taken.
func TestLead(t *testing.T) {
	for _, c := range []struct {
		method, target string
		status         int
		to             string
	}{
		{"GET", "http://attacker.example/", 308, "https://notice.example.org/base/"},
		{"GET", "http://notice.example.org//attacker.example/%2e%2e/x?a=b&c", 308, "https://notice.example.org/base/attacker.example/%2e%2e/x?a=b&c"},
		{"HEAD", "http://notice.example.org/how", 308, "https://notice.example.org/base/how"},
		{"POST", "http://notice.example.org/check/v1/evaluate", 403, ""},
	} {
		w := httptest.NewRecorder()
		lead(w, httptest.NewRequest(c.method, c.target, nil), "https://notice.example.org/base")
		if w.Code != c.status || w.Header().Get("Location") != c.to {
			t.Errorf("%s %s: %d to %q", c.method, c.target, w.Code, w.Header().Get("Location"))
		}
	}
}

// TestNotify: systemd is told where it asks to be, and nobody where it does not.
func TestNotify(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := Notify("READY=1"); err != nil {
		t.Error(err)
	}
	name := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("NOTIFY_SOCKET", name)
	if err := Notify("READY=1"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	if n, err := l.Read(b); err != nil || string(b[:n]) != "READY=1" {
		t.Errorf("systemd was told %q, %v", b[:n], err)
	}
	t.Setenv("NOTIFY_SOCKET", name+"-gone")
	if Notify("READY=1") == nil {
		t.Error("nobody was told, and no error")
	}
}
