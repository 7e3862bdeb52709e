package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
)

// Content is bytes to serve, with what caches need to know of them.
type Content struct {
	Type  string // media type
	Cache string // Cache-Control; "" is no-cache: ask again, and hear 304
	Vary  string // beside Accept-Encoding
	Body  []byte

	etag string
	gzip []byte // nil where it would not be smaller
}

// NewContent prepares body for serving: its entity tag, and its compressed form where it is text.
func NewContent(mediaType, cache, vary string, body []byte) Content {
	sum := sha256.Sum256(body)
	c := Content{Type: mediaType, Cache: cache, Vary: vary, Body: body, etag: base64.RawURLEncoding.EncodeToString(sum[:15])}
	if text(mediaType) && len(body) > 1000 {
		var out bytes.Buffer
		z, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
		z.Write(body)
		if z.Close() == nil && out.Len() < len(body)*9/10 {
			c.gzip = out.Bytes()
		}
	}
	return c
}

func text(mediaType string) bool {
	base, _, _ := strings.Cut(mediaType, ";")
	return strings.HasPrefix(base, "text/") || strings.HasSuffix(base, "+xml") || strings.HasSuffix(base, "json")
}

// Serve answers a GET or HEAD with status and c: 304 where the client has it already, compressed where it may be.
// Nothing served here mixes a secret with what a stranger chooses, so compression gives nothing away (BREACH).
func (c Content) Serve(w http.ResponseWriter, r *http.Request, status int) {
	h := w.Header()
	vary := "Accept-Encoding"
	if c.Vary != "" {
		vary += ", " + c.Vary
	}
	h.Set("Vary", vary)
	cache := c.Cache
	if cache == "" {
		cache = "no-cache"
	}
	h.Set("Cache-Control", cache)
	body, etag := c.Body, `"`+c.etag+`"`
	if c.gzip != nil && acceptsGzip(r.Header.Get("Accept-Encoding")) {
		body, etag = c.gzip, `"`+c.etag+`-gz"` // RFC 9110, 8.8.3: another representation, another tag
		h.Set("Content-Encoding", "gzip")
	}
	if status == http.StatusOK {
		h.Set("ETag", etag)
		if matches(r.Header.Get("If-None-Match"), c.etag) {
			h.Del("Content-Encoding")
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	h.Set("Content-Type", c.Type)
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
