package serve

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestProxies(t *testing.T) {
	p, err := ParseProxies([]string{"127.0.0.1", "10.0.0.0/8", "::1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ peer, forwarded, want string }{
		{"203.0.113.9:1", "", "203.0.113.9"},
		{"203.0.113.9:1", "198.51.100.7", "203.0.113.9"}, // not a trusted peer: its claim is nothing
		{"127.0.0.1:1", "198.51.100.7", "198.51.100.7"},
		{"127.0.0.1:1", "192.0.2.66, 198.51.100.7", "198.51.100.7"}, // the left is what the client wrote
		{"127.0.0.1:1", "192.0.2.66, 198.51.100.7, 10.1.2.3", "198.51.100.7"},
		{"127.0.0.1:1", "", "127.0.0.1"},
		{"127.0.0.1:1", "garbage", "127.0.0.1"},
		{"127.0.0.1:1", "garbage, 10.1.2.3", "10.1.2.3"},
		{"[::1]:1", "2001:db8::7", "2001:db8::7"},
		{"[::ffff:127.0.0.1]:1", "::ffff:198.51.100.7", "198.51.100.7"},
		{"127.0.0.1:1", "198.51.100.7:50123", "198.51.100.7"}, // as some load balancers write it
		{"127.0.0.1:1", "[2001:db8::7]:50123, 10.1.2.3:80", "2001:db8::7"},
		{"127.0.0.1:1", "[2001:db8::7]", "2001:db8::7"},
		{"127.0.0.1:1", "198.51.100.7:99999999", "127.0.0.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := p.Address(r); got.String() != c.want {
			t.Errorf("%s behind %q: %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
	if _, err := ParseProxies([]string{"proxy.example"}); err == nil {
		t.Error("a name is accepted as an address")
	}
}

// TestProxyForgotten: what a proxy forwards that nobody named is noticed, once.
func TestProxyForgotten(t *testing.T) {
	p, err := ParseProxies([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		peer, header string
		want         int
	}{
		{"127.0.0.1:1", "X-Forwarded-For", 0}, {"203.0.113.9:1", "X-Forwarded-For", 1}, {"203.0.113.9:1", "Forwarded", 1},
		{"203.0.113.9:1", "X-Other", 0}, {"@", "X-Forwarded-For", 0},
	} {
		told, served := 0, 0
		h := p.Watch(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ }), func() { told++ })
		for range 2 {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = c.peer
			r.Header.Set(c.header, "198.51.100.7")
			h.ServeHTTP(httptest.NewRecorder(), r)
		}
		if told != c.want || served != 2 {
			t.Errorf("%s with %s: told %d times, %d requests served", c.peer, c.header, told, served)
		}
	}
}
