package web

import (
	"bytes"
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sync/singleflight"

	"shirase/internal/language"
)

// Kept keeps answers as they are sent, compressed, until what they say has changed: what is published changes by publication
// only, and thousands who come at once are sent the same bytes. It is safe for concurrent use.
type Kept struct {
	version func(ctx context.Context) string
	most    int64
	now     func() time.Time

	making singleflight.Group

	mu      sync.RWMutex
	answers *simplelru.LRU[string, *kept]
	bytes   int64

	spoken sync.Map // of Accept-Language, what it asks for
	tongue int      // how many of them; under mu
}

// kept is one answer.
type kept struct {
	version string
	until   time.Time
	pattern string // of the route
	status  int
	header  []field // as the handler set it
	content Content
	etag    string
	size    int64
}

// keptFor bounds for how long an answer is given that nobody made anew: what it says of the time it was made, or of what no
// version tells, is not older. Where it cannot be made anew, because the database is away, the old one goes on being given.
const keptFor = time.Minute

// forCaches is said to caches in front of this server, and to those only (RFC 9213): for a few seconds one answer does for all
// who ask, and while it is made anew the one before does (RFC 5861). Browsers ask each time, and mostly hear 304.
const forCaches = "max-age=5, stale-while-revalidate=30, stale-if-error=3600"

// NewKept makes a store of answers of so many bytes. version tells what answers are made from: one is given as long as it stays
// the same. An empty version says that it is not known, and nothing is kept.
func NewKept(version func(ctx context.Context) string, most int64) *Kept {
	answers, _ := simplelru.NewLRU[string, *kept](1<<20, nil) // fails on a size below one only
	return &Kept{version: version, most: most, now: time.Now, answers: answers}
}

// Serve answers a GET or HEAD with what is kept under key, or with what h answers, which is kept where it is a page that is
// there. A key has to tell apart all that h makes a difference of; the language is told apart here. Allow is asked before h
// is; where it says no, it has answered.
func (k *Kept) Serve(w http.ResponseWriter, r *http.Request, key string, h http.Handler, allow func() bool) {
	version := k.version(r.Context())
	a := k.find(key, version)
	if a == nil {
		if !allow() {
			return
		}
		if a = k.make(r, key, version, h); a.status != http.StatusOK {
			a.replay(w, r)
			return
		}
	}
	a.serve(w, r)
}

// find gives the answer that is kept under key, where it is of this version and not too old.
func (k *Kept) find(key, version string) *kept {
	k.mu.Lock()
	a, ok := k.answers.Get(key)
	k.mu.Unlock()
	if !ok || a.version != version || version == "" || !k.now().Before(a.until) {
		return nil
	}
	return a
}

// make has h answer, once for all who ask for the same at the same time.
func (k *Kept) make(r *http.Request, key, version string, h http.Handler) *kept {
	made, _, _ := k.making.Do(key+"\x00"+version, func() (any, error) {
		if a := k.find(key, version); a != nil {
			return a, nil // it was made between the look for it and this
		}
		plain := r.Clone(context.WithoutCancel(r.Context())) // it is for others too
		plain.Method = http.MethodGet
		for _, name := range []string{"Accept-Encoding", "If-None-Match", "If-Modified-Since", "Range"} {
			plain.Header.Del(name)
		}
		rec := &recording{header: http.Header{}}
		h.ServeHTTP(rec, plain)
		a := rec.answer()
		a.version, a.until, a.pattern = version, k.now().Add(keptFor), plain.Pattern
		switch {
		case a.status == http.StatusOK && version != "":
			k.keep(key, a)
		case a.status >= http.StatusInternalServerError:
			if old := k.old(key, version); old != nil {
				return old, nil
			}
		}
		return a, nil
	})
	return made.(*kept)
}

// old gives what is kept although it is too old.
func (k *Kept) old(key, version string) *kept {
	k.mu.Lock()
	defer k.mu.Unlock()
	if a, ok := k.answers.Peek(key); ok && a.version == version && version != "" {
		return a
	}
	return nil
}

// keep keeps an answer, and forgets those that were not asked for for longest where there is no room.
func (k *Kept) keep(key string, a *kept) {
	a.size = int64(3*len(a.content.body) + len(key) + 1000) // with its compressed forms
	if a.size > k.most/8 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if before, ok := k.answers.Peek(key); ok {
		k.bytes -= before.size
	}
	k.answers.Add(key, a)
	for k.bytes += a.size; k.bytes > k.most; {
		_, gone, ok := k.answers.RemoveOldest()
		if !ok {
			return
		}
		k.bytes -= gone.size
	}
}

// remembered is of how many different Accept-Language it is remembered what they ask for.
const remembered = 4096

// Language is LanguageOf, and remembers what headers ask for: to read one takes longer than to send a page that is kept.
func (k *Kept) Language(r *http.Request) Language {
	header := r.Header.Get("Accept-Language")
	if r.URL.RawQuery != "" || len(header) > 200 {
		return LanguageOf(r)
	}
	if lang, ok := k.spoken.Load(header); ok {
		return Language{lang.(language.Lang), false}
	}
	lang := LanguageOf(r)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.tongue < remembered {
		k.tongue++
		k.spoken.Store(strings.Clone(header), lang.Lang)
	}
	return lang
}

// serve sends a page that is there.
func (a *kept) serve(w http.ResponseWriter, r *http.Request) {
	r.Pattern = a.pattern
	put(w.Header(), a.header)
	a.content.Serve(w, r, http.StatusOK)
}

// replay sends what is no page that is kept.
func (a *kept) replay(w http.ResponseWriter, r *http.Request) {
	r.Pattern = a.pattern
	h := w.Header()
	put(h, a.header)
	if a.etag != "" {
		h.Set("ETag", a.etag)
	}
	if a.content.mediaType != "" {
		h.Set("Content-Type", a.content.mediaType)
	}
	h.Set("Content-Length", strconv.Itoa(len(a.content.body)))
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		w.Write(a.content.body)
	}
}

// recording takes in what a handler answers.
type recording struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recording) Header() http.Header { return r.header }

func (r *recording) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status = status
	}
}

func (r *recording) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(b)
}

// answer makes of it what can be sent to many.
func (r *recording) answer() *kept {
	a := &kept{status: r.status, etag: r.header.Get("ETag")}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	vary := ""
	for _, name := range strings.Split(r.header.Get("Vary"), ",") {
		if name = strings.TrimSpace(name); name != "" && !strings.EqualFold(name, "Accept-Encoding") {
			vary = strings.Trim(vary+", "+name, ", ")
		}
	}
	cache := r.header.Get("Cache-Control")
	a.content = NewContent(r.header.Get("Content-Type"), cache, vary, r.body.Bytes())
	for _, name := range []string{"Content-Type", "Content-Length", "Etag"} {
		r.header.Del(name)
	}
	if a.status == http.StatusOK {
		r.header.Del("Vary")
		r.header.Del("Cache-Control")
		if a.content.cache == "no-cache" {
			r.header.Set("CDN-Cache-Control", forCaches)
		}
		a.content = a.content.ForMany()
	}
	for _, name := range slices.Sorted(maps.Keys(r.header)) {
		a.header = append(a.header, field{name, r.header[name]})
	}
	return a
}
