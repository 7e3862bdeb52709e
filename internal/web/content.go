package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
)

// Content is bytes to serve, with what caches need to know of them.
type Content struct {
	mediaType string
	cache     string
	vary      string
	body      []byte
	etag      string
	forms     *forms // of what is served to many; nil: compressed when asked for, where it is worth it
}

// NewContent prepares body for serving. cache is its Cache-Control, "" being no-cache (ask again, and hear 304); vary
// names request headers that body depends on.
func NewContent(mediaType, cache, vary string, body []byte) Content {
	sum := sha256.Sum256(body)
	if cache == "" {
		cache = "no-cache"
	}
	if vary != "" {
		vary = ", " + vary
	}
	return Content{mediaType: mediaType, cache: cache, vary: "Accept-Encoding" + vary, body: body,
		etag: base64.RawURLEncoding.EncodeToString(sum[:15])}
}

// forms are what is sent of a content, made once: header and bytes by coding, each when it is first asked for.
type forms struct{ plain, gzip, brotli func() form }

type form struct {
	body   []byte
	header []field // Vary, Cache-Control, ETag, and what says what the bytes are
}

// field is one of a header, ready to be put into many: nobody changes it.
type field struct {
	name  string
	value []string
}

func put(h http.Header, fields []field) {
	for _, f := range fields {
		h[f.name] = f.value
	}
}

// ForMany returns c with its forms kept once they are made: for what is served many times.
func (c Content) ForMany() Content {
	c.forms = &forms{
		plain:  sync.OnceValue(func() form { return c.as("", c.body) }),
		gzip:   sync.OnceValue(func() form { return c.as(codingGzip, deflate(c.body, gzip.BestCompression)) }),
		brotli: sync.OnceValue(func() form { return c.as(codingBrotli, squeeze(c.body)) }),
	}
	return c
}

// as gives the form whose body is c's in a coding.
func (c Content) as(coding string, body []byte) form {
	h := []field{{"Vary", []string{c.vary}}, {"Cache-Control", []string{c.cache}}, {"Etag", []string{c.tag(coding)}},
		{"Content-Type", []string{c.mediaType}}, {"Content-Length", []string{strconv.Itoa(len(body))}}}
	if coding != "" {
		h = append(h, field{"Content-Encoding", []string{coding}})
	}
	return form{body, h}
}

// The codings that are sent (RFC 9110, 8.4.1.3, and RFC 7932).
const (
	codingGzip   = "gzip"
	codingBrotli = "br"
)

// tag is the ETag in a coding: another representation has another one (RFC 9110, 8.8.3).
func (c Content) tag(coding string) string {
	switch coding {
	case codingGzip:
		return `"` + c.etag + `-gz"`
	case codingBrotli:
		return `"` + c.etag + `-br"`
	}
	return `"` + c.etag + `"`
}

// compressible reports whether a compressed form is worth having.
func (c Content) compressible() bool { return len(c.body) > 1000 && text(c.mediaType) }

// deflate compresses body.
func deflate(body []byte, level int) []byte {
	var out bytes.Buffer
	z, _ := gzip.NewWriterLevel(&out, level) // fails on a level out of range only
	z.Write(body)                            // a buffer takes everything
	z.Close()
	return out.Bytes()
}

// squeeze compresses body more than deflate does, in about the same time.
func squeeze(body []byte) []byte {
	var out bytes.Buffer
	z := brotli.NewWriterLevel(&out, 6)
	z.Write(body)
	z.Close()
	return out.Bytes()
}

func text(mediaType string) bool {
	base, _, _ := strings.Cut(mediaType, ";")
	return strings.HasPrefix(base, "text/") || strings.HasSuffix(base, "+xml") || strings.HasSuffix(base, "json")
}

// Serve answers a GET or HEAD with status and c: 304 where the client has it already, compressed where it may be.
// Nothing served here mixes a secret with what a stranger chooses, so compression gives nothing away (BREACH).
func (c Content) Serve(w http.ResponseWriter, r *http.Request, status int) {
	coding := ""
	if c.compressible() {
		coding = negotiate(r.Header.Get("Accept-Encoding"), c.forms != nil)
	}
	h := w.Header()
	if status == http.StatusOK && matches(r.Header.Get("If-None-Match"), c.etag) {
		h.Set("Vary", c.vary)
		h.Set("Cache-Control", c.cache)
		h.Set("ETag", c.tag(coding))
		w.WriteHeader(http.StatusNotModified)
		return
	}
	f := c.form(coding)
	put(h, f.header)
	if status != http.StatusOK {
		h.Del("ETag")
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(f.body)
	}
}

// form gives c in a coding.
func (c Content) form(coding string) form {
	switch {
	case c.forms != nil && coding == codingGzip:
		return c.forms.gzip()
	case c.forms != nil && coding == codingBrotli:
		return c.forms.brotli()
	case c.forms != nil:
		return c.forms.plain()
	case coding == codingGzip:
		return c.as(coding, deflate(c.body, 5)) // for one
	}
	return c.as("", c.body)
}

// matches reports whether a client's If-None-Match names tag, in any coding (RFC 9110, 13.1.2).
func matches(header, tag string) bool {
	if header == "" {
		return false
	}
	for have := range strings.SplitSeq(header, ",") {
		have = strings.Trim(strings.TrimPrefix(strings.TrimSpace(have), "W/"), `"`)
		if have == "*" {
			return true
		}
		if coding, ours := strings.CutPrefix(have, tag); ours && (coding == "" || coding == "-gz" || coding == "-br") {
			return true
		}
	}
	return false
}

// negotiate reads Accept-Encoding (RFC 9110, 12.5.3) as far as this server needs it. brotli tells whether there is such a form.
func negotiate(header string, brotli bool) string {
	if header == codingGzip { // what programs send
		return codingGzip
	}
	best, weight := "", 0.0
	for item := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(item, ";")
		coding = strings.ToLower(strings.TrimSpace(coding))
		if coding != codingGzip && (coding != codingBrotli || !brotli) {
			continue
		}
		q := 1.0
		if params != "" {
			value, found := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
			f, err := strconv.ParseFloat(value, 64)
			if !found || err != nil {
				f = 0
			}
			q = f
		}
		if q > weight || q == weight && q > 0 && coding == codingBrotli {
			best, weight = coding, q
		}
	}
	return best
}
