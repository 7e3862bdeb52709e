package bounce

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"

	"shirase/internal/charset"
)

// Limits of what is read of one message. What is beyond them is not looked at: whoever returns mail is a stranger.
const (
	MaxSize       = 1 << 20 // of a message, in bytes
	maxDepth      = 6       // multiparts in one another
	maxParts      = 64      // in all
	maxFields     = 500     // of one header
	maxField      = 8 << 10 // of one field, in bytes
	maxText       = 64 << 10
	maxLines      = 2000
	maxRecipients = 50
)

// field is one of a header: its name in lower case, its value unfolded.
type field struct{ name, value string }

type header []field

// get gives the first value of a field, "" where there is none.
func (h header) get(name string) string {
	for _, f := range h {
		if f.name == name {
			return f.value
		}
	}
	return ""
}

func (h header) has(name string) bool {
	for _, f := range h {
		if f.name == name {
			return true
		}
	}
	return false
}

// all gives every value of a field.
func (h header) all(name string) (out []string) {
	for _, f := range h {
		if f.name == name {
			out = append(out, f.value)
		}
	}
	return out
}

// split parts a header from its body (RFC 5322, 2.1). A line that cannot be of a header ends it: what returns mail is old, and
// sometimes forgets the empty line.
func split(b []byte) (h header, body []byte) {
	for len(b) > 0 {
		line, rest := cutLine(b)
		text := string(bytes.TrimRight(line, "\r\n"))
		switch {
		case text == "":
			return h, rest
		case (text[0] == ' ' || text[0] == '\t') && len(h) > 0:
			if last := &h[len(h)-1]; len(last.value)+len(text) < maxField {
				last.value += " " + strings.TrimSpace(text)
			}
		case len(h) == 0 && strings.HasPrefix(text, "From "): // of an mbox
		default:
			name, value, ok := strings.Cut(text, ":")
			name = strings.ToLower(strings.TrimRight(name, " \t"))
			if !ok || name == "" || strings.ContainsAny(name, " \t") {
				return h, b
			}
			if len(h) < maxFields && len(text) <= maxField {
				h = append(h, field{name, strings.TrimSpace(value)})
			}
		}
		b = rest
	}
	return h, nil
}

func cutLine(b []byte) (line, rest []byte) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i+1], b[i+1:]
	}
	return b, nil
}

// contents is what the parts of a message hold that is looked at.
type contents struct {
	header   header
	text     string // of text/plain, or of text/html without its tags
	status   []byte // message/delivery-status
	feedback bool   // message/feedback-report
	report   bool   // multipart/report
	returned header // of the message that came back

	plain, html strings.Builder
	parts       int
}

func read(b []byte) *contents {
	c := &contents{}
	var body []byte
	c.header, body = split(b)
	c.walk(c.header, body, 0)
	c.text = c.plain.String()
	if strings.TrimSpace(c.text) == "" {
		c.text = untagged(c.html.String())
	}
	return c
}

// walk looks at one part, and at those in it.
func (c *contents) walk(h header, body []byte, depth int) {
	if c.parts++; c.parts > maxParts || depth > maxDepth {
		return
	}
	kind, params := mediaType(h.get("content-type"))
	switch {
	case strings.HasPrefix(kind, "multipart/"):
		c.report = c.report || kind == "multipart/report"
		for _, part := range parts(body, params["boundary"]) {
			h, body := split(part)
			c.walk(h, body, depth+1)
		}
	case kind == "message/delivery-status", kind == "message/global-delivery-status": // RFC 3464, 2; RFC 6533, 3
		c.status = append(append(c.status, decoded(h, body)...), '\n', '\n')
	case kind == "message/feedback-report": // RFC 5965
		c.feedback = true
	case kind == "message/rfc822", kind == "text/rfc822-headers", kind == "message/global", kind == "message/global-headers":
		if c.returned == nil {
			c.returned, _ = split(bytes.TrimLeft(decoded(h, body), "\r\n"))
		}
	case kind == "text/html":
		add(&c.html, charset.Mail(decoded(h, body), params["charset"]))
	case kind == "" || strings.HasPrefix(kind, "text/"):
		add(&c.plain, charset.Mail(decoded(h, body), params["charset"]))
	}
}

func add(to *strings.Builder, text string) {
	if room := maxText - to.Len(); len(text) > room {
		text = strings.ToValidUTF8(text[:max(room, 0)], "")
	}
	to.WriteString(text)
	to.WriteByte('\n')
}

// mediaType reads a Content-Type also where its parameters are not in order.
func mediaType(s string) (kind string, params map[string]string) {
	kind, params, err := mime.ParseMediaType(s)
	if err != nil {
		kind, _, _ = strings.Cut(strings.ToLower(s), ";")
		kind = strings.TrimSpace(kind)
		if params == nil {
			params = map[string]string{}
		}
		if _, rest, ok := strings.Cut(s, "boundary="); ok {
			rest = strings.TrimLeft(rest, `"`)
			if end := strings.IndexAny(rest, "\"; \t"); end >= 0 {
				rest = rest[:end]
			}
			params["boundary"] = rest
		}
	}
	return kind, params
}

// parts gives what is between the delimiters of a multipart (RFC 2046, 5.1.1).
func parts(body []byte, boundary string) (out [][]byte) {
	if boundary == "" {
		return nil
	}
	delimiter := []byte("--" + boundary)
	begin := -1
	for at := 0; at < len(body); {
		line, _ := cutLine(body[at:])
		if rest, ok := bytes.CutPrefix(line, delimiter); ok {
			rest = bytes.TrimRight(rest, " \t\r\n")
			last := bytes.Equal(rest, []byte("--"))
			if len(rest) == 0 || last {
				if begin >= 0 {
					out = append(out, body[begin:at])
				}
				if begin = at + len(line); last || len(out) >= maxParts {
					return out
				}
			}
		}
		at += len(line)
	}
	if begin >= 0 { // it was cut off
		out = append(out, body[begin:])
	}
	return out
}

// decoded undoes the transfer encoding (RFC 2045, 6), as far as it goes.
func decoded(h header, body []byte) []byte {
	switch strings.ToLower(strings.TrimSpace(h.get("content-transfer-encoding"))) {
	case "base64":
		letters := bytes.Map(func(r rune) rune {
			if 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '+' || r == '/' {
				return r
			}
			return -1
		}, body)
		if len(letters)%4 == 1 { // it was cut off
			letters = letters[:len(letters)-1]
		}
		out := make([]byte, base64.RawStdEncoding.DecodedLen(len(letters)))
		n, _ := base64.RawStdEncoding.Decode(out, letters)
		return out[:n]
	case "quoted-printable":
		out, _ := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(body)))
		return out
	}
	return body
}

var words = mime.WordDecoder{CharsetReader: func(label string, r io.Reader) (io.Reader, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxField))
	return strings.NewReader(charset.Mail(b, label)), err
}}

// unworded reads a field with encoded words (RFC 2047).
func unworded(s string) string {
	if out, err := words.DecodeHeader(s); err == nil && out != s {
		return out
	}
	return charset.Mail([]byte(s), "")
}

// untagged leaves the tags of HTML out, and no more: it is looked at for what a server said.
func untagged(s string) string {
	var out strings.Builder
	for s != "" {
		text, rest, ok := strings.Cut(s, "<")
		out.WriteString(text)
		if !ok {
			break
		}
		if at, tail, found := strings.Cut(rest, ">"); found {
			if strings.Contains(at, "@") { // an address, and no tag
				out.WriteString("<" + at + ">")
			} else {
				out.WriteByte('\n')
			}
			s = tail
			continue
		}
		break
	}
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&", "&quot;", `"`, "&nbsp;", " ", "&#39;", "'").Replace(out.String())
}
