package web

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// Content is bytes to serve, with what caches need to know of them.
type Content struct {
	mediaType string
	cache     string
	vary      string
	body      []byte
	etag      string
	gzip      []byte // nil: compressed when asked for, where it is worth it
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

// compressed returns c with its compressed form made once, as small as it gets: for what is served many times.
func (c Content) compressed() Content {
	if c.compressible() {
		c.gzip = deflate(c.body, gzip.BestCompression)
	}
	return c
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

func text(mediaType string) bool {
	base, _, _ := strings.Cut(mediaType, ";")
	return strings.HasPrefix(base, "text/") || strings.HasSuffix(base, "+xml") || strings.HasSuffix(base, "json")
}

// Serve answers a GET or HEAD with status and c: 304 where the client has it already, compressed where it may be.
// Nothing served here mixes a secret with what a stranger chooses, so compression gives nothing away (BREACH).
func (c Content) Serve(w http.ResponseWriter, r *http.Request, status int) {
	h := w.Header()
	h.Set("Vary", c.vary)
	h.Set("Cache-Control", c.cache)
	compress := c.compressible() && acceptsGzip(r.Header.Get("Accept-Encoding"))
	if status == http.StatusOK {
		tag := c.etag
		if compress {
			tag += "-gz" // RFC 9110, 8.8.3: another representation, another tag
		}
		h.Set("ETag", `"`+tag+`"`)
		if matches(r.Header.Get("If-None-Match"), c.etag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	body := c.body
	if compress {
		if body = c.gzip; body == nil {
			body = deflate(c.body, 5)
		}
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Type", c.mediaType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}

// matches reports whether a client's If-None-Match names tag, in either encoding (RFC 9110, 13.1.2).
func matches(header, tag string) bool {
	for _, have := range strings.Split(header, ",") {
		have = strings.TrimPrefix(strings.TrimSpace(have), "W/")
		if have == `"`+tag+`"` || have == `"`+tag+`-gz"` || have == "*" {
			return true
		}
	}
	return false
}

// acceptsGzip reads Accept-Encoding (RFC 9110, 12.5.3) as far as this server needs it.
func acceptsGzip(header string) bool {
	for _, item := range strings.Split(header, ",") {
		coding, weight, _ := strings.Cut(item, ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			q, found := strings.CutPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
			f, err := strconv.ParseFloat(q, 64)
			return !found || err == nil && f > 0
		}
	}
	return false
}
