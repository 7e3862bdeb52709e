package main

import (
	"io"
	"strings"
	"testing"
)

// TestLink: the link that lets somebody in names a machine, never its number, for which no passkey is made.
func TestLink(t *testing.T) {
	for _, x := range []struct{ url, served, want string }{
		{"", "http://127.0.0.1:8311", "http://localhost:8311/console/join#t"},
		{"", "http://[::1]:8311", "http://localhost:8311/console/join#t"},
		{"http://127.0.0.1:18315", "http://127.0.0.1:18315", "http://localhost:18315/console/join#t"},
		{"https://notice.example.jp", "http://127.0.0.1:8311", "https://notice.example.jp/console/join#t"},
		{"http://localhost:9000", "http://127.0.0.1:8311", "http://localhost:9000/console/join#t"},
	} {
		a := appAt(t.TempDir(), io.Discard, io.Discard)
		a.op().URL = x.url
		if got := a.link(x.served, "t"); got != x.want {
			t.Errorf("url %q, served at %s: %s", x.url, x.served, got)
		}
		if base := a.staffURL(); strings.Contains(base, "127.0.0.1") {
			t.Errorf("url %q: the staff's side is %s", x.url, base)
		}
	}
}
