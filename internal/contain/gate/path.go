package gate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// pattern is a path of a route: it and everything below it. A * stands for one segment.
type pattern struct{ segments, written []string } // folded, and as they are written

func patterns(paths []string) ([]pattern, error) {
	var out []pattern
	for _, p := range paths {
		if !strings.HasPrefix(p, "/") || len(p) > 500 || !utf8.ValidString(p) || strings.ContainsAny(p, "%;\\?#") || strings.Contains(p, "//") || strings.Contains(p, "/.") {
			return nil, fmt.Errorf("%w: %q is no path such as /login: it begins with /, and is written plainly", ErrInput, p)
		}
		out = append(out, pattern{split(fold(p)), split(p)})
	}
	return out, nil
}

// covers reports whether a path, in segments, is the pattern's or below it.
func (p pattern) covers(segments []string) bool { return under(p.segments, segments) }

func under(of, segments []string) bool {
	if len(segments) < len(of) {
		return false
	}
	for i, s := range of {
		if s != "*" && s != segments[i] {
			return false
		}
	}
	return true
}

// exactly reports whether a path that is written plainly is the pattern's or below it, as it is written.
func (p pattern) exactly(path string) bool { return under(p.written, split(path)) }

func split(path string) []string {
	rest := strings.Trim(path, "/")
	if rest == "" {
		return nil
	}
	return strings.Split(rest, "/")
}

// target is what a request is for.
type target struct {
	path   string // without its query
	plain  bool   // it can be read in one way only
	method string
	from   netip.Addr
	ways   [][]string // in which the path may be read, in segments; worked out by readings
	read   bool
}

// maxTarget bounds an address of which a decision is asked.
const maxTarget = 16 << 10

// parseTarget takes the path out of what a request was for: origin-form or absolute-form (RFC 9112, 3.2).
func parseTarget(uri string) (target, bool) {
	if uri == "" || len(uri) > maxTarget || strings.ContainsAny(uri, "\r\n") {
		return target{}, false
	}
	if uri[0] != '/' {
		if uri == "*" { // OPTIONS *
			return target{path: "/", plain: true}, true
		}
		_, rest, ok := strings.Cut(uri, "://")
		if !ok {
			return target{}, false
		}
		if i := strings.IndexAny(rest, "/?#"); i >= 0 && rest[i] == '/' {
			uri = rest[i:]
		} else {
			uri = "/"
		}
	}
	if i := strings.IndexAny(uri, "?#"); i >= 0 {
		uri = uri[:i]
	}
	return target{path: uri, plain: isPlain(uri)}, true
}

// isPlain reports whether a path means one thing to whoever reads it: ASCII without escapes, parameters, empty or dot segments, and without
// what some take for a separator or an end.
func isPlain(path string) bool {
	for i := range len(path) {
		c := path[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '~':
		case c == '.':
			if path[i-1] == '/' || path[i-1] == '.' || i+1 == len(path) || path[i+1] == '/' { // a path begins with /
				return false
			}
		case c == '/':
			if i > 0 && path[i-1] == '/' {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// in reports whether a request may be of a route: an application may read its path in other ways than the proxy does, so every way in
// which it may be read counts.
func (t *target) in(of []pattern) bool {
	if !t.read {
		t.ways, t.read = readings(t.path, t.plain), true
	}
	for _, p := range of {
		if slices.ContainsFunc(t.ways, p.covers) {
			return true
		}
	}
	return false
}

// unescapes is how often a path is unescaped: proxies and frameworks do it once each, and those who look for gaps count on a second time.
const unescapes = 3

// readings gives the ways in which a path may be read, in segments of folded letters: as it is written and unescaped; with and without
// parameters (RFC 3986, 3.3), with dot segments resolved and not, and the last segment without what some frameworks take for a format.
func readings(path string, plain bool) [][]string {
	var out [][]string
	add := func(segments []string) {
		if !slices.ContainsFunc(out, func(o []string) bool { return slices.Equal(o, segments) }) {
			out = append(out, segments)
		}
	}
	way := func(path string) {
		segments := split(path)
		segments = slices.DeleteFunc(segments, func(s string) bool { return s == "" })
		add(segments)
		resolved := resolve(segments)
		add(resolved)
		if n := len(resolved); n > 0 {
			if name, _, ok := strings.Cut(resolved[n-1], "."); ok && name != "" {
				add(append(slices.Clone(resolved[:n-1]), name))
			}
		}
	}
	if plain {
		way(fold(path))
		return out
	}
	written := path
	for range unescapes + 1 {
		text := fold(strings.ReplaceAll(written, `\`, "/"))
		way(text)
		way(withoutParameters(text))
		if at := strings.IndexAny(text, "?#\x00"); at >= 0 { // where it is unescaped, some end the path there
			way(text[:at])
			way(withoutParameters(text[:at]))
		}
		way(withoutTrailers(text))
		next := unescape(written)
		if next == written {
			break
		}
		written = next
	}
	return out
}

// fold makes one letter of those that only differ in case or width.
func fold(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return strings.ToLower(norm.NFKC.String(strings.ToValidUTF8(s, "\uFFFD")))
		}
	}
	return strings.ToLower(s)
}

// withoutTrailers takes away what some file systems and frameworks do not see: controls, and dots and spaces at the end of a segment.
func withoutTrailers(path string) string {
	path = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F || r == 0x200B || r == 0xFEFF || r == 0xAD {
			return -1
		}
		return r
	}, withoutParameters(path))
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if t := strings.Trim(s, ". "); t != "" {
			segments[i] = t
		} else {
			segments[i] = strings.TrimSpace(s)
		}
	}
	return strings.Join(segments, "/")
}

func withoutParameters(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i], _, _ = strings.Cut(s, ";")
	}
	return strings.Join(segments, "/")
}

// resolve removes dot segments (RFC 3986, 5.2.4).
func resolve(segments []string) []string {
	var out []string
	for _, s := range segments {
		switch s {
		case ".":
		case "..":
			if len(out) > 0 {
				out = out[:len(out)-1]
			}
		default:
			out = append(out, s)
		}
	}
	return out
}

// unescape undoes percent-encoding once. What is no escape stays as it is. The overlong forms of / and . that old decoders take for them
// (%c0%af, %c0%ae) are taken for them too, and so is %u002f.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+5 < len(s) && (s[i+1] == 'u' || s[i+1] == 'U') {
			if v, ok := hexNumber(s[i+2 : i+6]); ok {
				b.WriteRune(rune(v))
				i += 5
				continue
			}
		}
		v, ok := 0, false
		if i+2 < len(s) {
			v, ok = hexNumber(s[i+1 : i+3])
		}
		if !ok {
			b.WriteByte('%')
			continue
		}
		i += 2
		if (v == 0xC0 || v == 0xC1) && i+3 < len(s) && s[i+1] == '%' {
			if w, ok := hexNumber(s[i+2 : i+4]); ok && w >= 0x80 && w < 0xC0 {
				b.WriteByte(byte((v&1)<<6 | w&0x3F))
				i += 3
				continue
			}
		}
		b.WriteByte(byte(v))
	}
	return b.String()
}

func hexNumber(s string) (int, bool) {
	v := 0
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			v = v<<4 | int(c-'0')
		case c >= 'a' && c <= 'f':
			v = v<<4 | int(c-'a'+10)
		case c >= 'A' && c <= 'F':
			v = v<<4 | int(c-'A'+10)
		default:
			return 0, false
		}
	}
	return v, true
}
