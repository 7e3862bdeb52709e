package config

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"shirase/internal/hint"
)

// TestEdit: one value changes, and everything else stays as it was written.
func TestEdit(t *testing.T) {
	for _, c := range []struct{ name, before, key, value, after string }{
		{"a value, and what is said of it", "# top\nlisten: 127.0.0.1:1   # behind the proxy\nurl: https://a.example\n", "listen", "127.0.0.1:2",
			"# top\nlisten: 127.0.0.1:2 # behind the proxy\nurl: https://a.example\n"},
		{"below the line that shows it", "# Address to serve on.\n# listen: 127.0.0.1:8311\n\n# url: x\n", "listen", ":80", "# Address to serve on.\n# listen: 127.0.0.1:8311\nlisten: \":80\"\n\n# url: x\n"},
		{"an empty file", "", "url", "https://a.example", "url: https://a.example\n"},
		{"without a last newline", "# end", "log.requests", "true", "# end\nlog:\n  requests: true\n"},
		{"a section that is there", "log:\n  level: warn\n\n# after\ntls: {}\n", "log.format", "json", "log:\n  level: warn\n  format: json\n\n# after\ntls: {}\n"},
		{"a section of another indentation", "timeouts:\n    read: 1s # one\n    # more\nurl: https://a.example\n", "timeouts.idle", "3s", "timeouts:\n    read: 1s # one\n    # more\n    idle: 3s\nurl: https://a.example\n"},
		{"a section below a section", "limits:\n  archive:\n    all: 1/s burst 1\n", "limits.check.all", "2/s burst 3", "limits:\n  archive:\n    all: 1/s burst 1\n  check:\n    all: 2/s burst 3\n"},
		{"an empty section", "pool:\nurl: https://a.example\n", "pool.read", "4", "pool:\n  read: 4\nurl: https://a.example\n"},
		{"a list of several lines", "trustedProxies:\n  # the first\n  - 10.0.0.1 # one\n  - 10.0.0.2\nurl: https://a.example\n", "trustedProxies", "::1, 10.0.0.0/8",
			"trustedProxies: [\"::1\", 10.0.0.0/8]\n# the first\n# one\nurl: https://a.example\n"},
		{"a list in brackets over lines", "trustedProxies: [10.0.0.1, # one\n  10.0.0.2]\n", "trustedProxies", "10.0.0.3", "trustedProxies: [10.0.0.3] # one\n"},
		{"a value taken out", "listen: 127.0.0.1:1 # why\n# next\nurl: https://a.example\n", "listen", "", "# why\n# next\nurl: https://a.example\n"},
		{"the last of a section taken out", "log:\n  level: warn\n", "log.level", "", "log:\n"},
		{"what is not there taken out", "# nothing\n", "url", "", "# nothing\n"},
		{"a path with a blank", "", "tls.keyFile", "/a b#c", "tls:\n  keyFile: \"/a b#c\"\n"},
		{"a number that is a path", "", "keys", "123", "keys: \"123\"\n"},
		{"Windows's ends of lines", "listen: 127.0.0.1:1\r\nurl: https://a.example\r\n", "listen", "127.0.0.1:2", "listen: 127.0.0.1:2\nurl: https://a.example\r\n"},
	} {
		got, err := Edit("f", []byte(c.before), c.key, c.value)
		if err != nil || string(got) != c.after {
			t.Errorf("%s: %v\n%s\nwant\n%s", c.name, err, got, c.after)
		}
	}
	for _, c := range []struct {
		before, key, value string
		want               error
	}{
		{"limits: {check: {all: 1/s burst 1}}\n", "limits.check.all", "2/s burst 2", ErrByHand},
		{"limits: {check: {all: 1/s burst 1}}\n", "limits.check.ipv4", "2/s burst 2", ErrByHand},
		{"listn: x\n", "listen", "127.0.0.1:1", ErrMistake},
		{"", "listen", "x", ErrMistake},
		{"", "operator.ja", "x", ErrMistake},
		{"", "nothing", "x", ErrMistake},
		{"", "store", "postgres://u:p@h/d", ErrMistake},
	} {
		got, err := Edit("f", []byte(c.before), c.key, c.value)
		if !errors.Is(err, c.want) || got != nil || c.want == ErrByHand && !strings.Contains(hint.Of(err), "write "+c.key+": 2/s burst 2") {
			t.Errorf("%q, %s: %q, %v", c.before, c.key, got, err)
		}
	}
}

// FuzzEdit: whatever a file is like, an edit of it either changes nothing but the one value or is refused, and keeps every
// comment.
func FuzzEdit(f *testing.F) {
	f.Add([]byte(Example()), 3, true)
	f.Add([]byte("timeouts: # a\n    read: 1s # b\n    # c\n# d\nurl: https://a.example # e\ntrustedProxies:\n- 10.0.0.1 # f\n- 10.0.0.2\nlog:\n"), 30, true)
	f.Add([]byte("trustedProxies: [10.0.0.1, # one\n  10.0.0.2]\r\nlimits: {check: {all: 1/s burst 2}} # x"), 12, false)
	f.Fuzz(func(t *testing.T, src []byte, which int, set bool) {
		keys := operated()
		if which < 0 || which >= len(keys) || slices.Contains(src, 0) {
			return
		}
		k, value := keys[which], ""
		if set {
			value = other(k)
		}
		before := readDocument("f", src)
		out, err := Edit("f", src, k.Name, value)
		if err != nil {
			if len(before.mistakes) == 0 && !errors.Is(err, ErrByHand) {
				t.Error(err)
			}
			return
		}
		if !before.becomes(readDocument("f", out), k, splitOrNil(k, value)) {
			t.Errorf("%s = %q changes more:\n%s\nwas\n%s", k.Name, value, out, src)
		}
		was, is := commentsIn(src), commentsIn(out)
		if !slices.Equal(was, is) {
			t.Errorf("%s = %q changes the comments:\n%s\nwas\n%s", k.Name, value, out, src)
		}
	})
}

func splitOrNil(k Key, value string) []string {
	if value == "" {
		return nil
	}
	return splitIf(k, value)
}

func commentsIn(src []byte) []string {
	var out []string
	for _, t := range lexer.Tokenize(string(src)) {
		if t.Type == token.CommentType {
			out = append(out, strings.TrimSpace(t.Value))
		}
	}
	return out
}
