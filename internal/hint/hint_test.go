package hint

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	err := Add(fmt.Errorf("read the file: %w", io.ErrUnexpectedEOF), "get it again")
	if err.Error() != "read the file: unexpected EOF" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a hint changes what went wrong: %v", err)
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{err, "get it again"}, {fmt.Errorf("import: %w", err), "get it again"}, {errors.Join(io.EOF, err), "get it again"},
		{Add(err, "ask for another"), "ask for another"}, {Add(err, ""), "get it again"}, {Add(io.EOF, ""), ""}, {io.EOF, ""}, {nil, ""},
	} {
		if got := Of(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
	if err := Add(nil, "all is well"); err != nil {
		t.Error("a hint makes an error where there is none")
	}
	if err := Add(io.EOF, ""); err != io.EOF {
		t.Errorf("an empty hint makes another error: %v", err)
	}
}

func TestNearest(t *testing.T) {
	known := []string{"listen", "trustedProxies", "tls", "url", "メール"}
	for typed, want := range map[string]string{
		"listn": "listen", "Listen": "listen", "trusted-proxy": "trustedProxies", "TLS": "tls", "uri": "url", "メイル": "メール",
		"": "", "listening-address": "", "xyz": "", strings.Repeat("listen", 50): "",
	} {
		if got := Nearest(typed, known); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
	for _, c := range []struct {
		one, other string
		want       int
	}{{"", "", 0}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"as-of", "asOf", 0}, {"a", "b", 1}} {
		if got := Distance(c.one, c.other); got != c.want {
			t.Errorf("%q to %q: %d, want %d", c.one, c.other, got, c.want)
		}
		if got := Distance(c.other, c.one); got != c.want {
			t.Errorf("%q to %q: %d, want %d", c.other, c.one, got, c.want)
		}
	}
}
