package services

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"shirase/internal/store"
	"shirase/internal/web"
)

// What caches may do: a head changes, and what is called by its hash never does.
const (
	shortLived = "public, max-age=60"
	immutable  = "public, max-age=31536000, immutable, no-transform"
)

// handler serves lists. What it has sent it keeps compressed, as long as it is the newest.
type handler struct {
	*Services
	allow func(r *http.Request, n int) (time.Duration, bool)
	log   *slog.Logger

	mu   sync.Mutex
	hash string
	kept map[string]web.Content // by path
}

// Handler answers GET and HEAD with
//
//	/services/v1/head                          the newest head and its proof
//	/services/v1/lists/<hash>                  a list
//	/services/v1/lists/<hash>/since/<hash>     what makes the second list into the first
//
// allow takes a unit of a visitor's budget, or says when there is one; nil: no limit. Errors are RFC 9457 problem details.
func (s *Services) Handler(allow func(r *http.Request, n int) (time.Duration, bool), log *slog.Logger) http.Handler {
	h := &handler{Services: s, allow: allow, log: log, kept: map[string]web.Content{}}
	mux := http.NewServeMux()
	for pattern, get := range map[string]func(*http.Request) (web.Content, error){
		"GET /services/v1/head":                       h.head,
		"GET /services/v1/lists/{hash}":               h.list,
		"GET /services/v1/lists/{hash}/since/{since}": h.change,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, get) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			web.Problem{Status: http.StatusMethodNotAllowed}.Write(w, r)
			return
		}
		web.Problem{Status: http.StatusNotFound}.Write(w, r)
	})
	return mux
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request, get func(*http.Request) (web.Content, error)) {
	if h.allow != nil {
		if wait, ok := h.allow(r, 1); !ok {
			web.Problem{Status: http.StatusTooManyRequests, Code: "busy", RetryAfter: wait}.Write(w, r)
			return
		}
	}
	c, err := get(r)
	switch {
	case err == nil:
		c.Serve(w, r, http.StatusOK)
	case errors.Is(err, ErrNone):
		web.Problem{Status: http.StatusNotFound, Code: "no-list"}.Write(w, r)
	case store.Away(err):
		web.DatabaseAway.Write(w, r)
	default:
		h.log.Error("serve the list of services", "error", err)
		web.Problem{Status: http.StatusInternalServerError}.Write(w, r)
	}
}

func (h *handler) head(r *http.Request) (web.Content, error) {
	l, err := h.Latest(r.Context())
	if err != nil {
		return web.Content{}, err
	}
	body, err := json.Marshal(map[string]string{"head": base64.RawURLEncoding.EncodeToString(l.Head), "proof": l.Proof})
	return web.NewContent("application/json", shortLived, "", body), err
}

func (h *handler) list(r *http.Request) (web.Content, error) {
	hash := r.PathValue("hash")
	return h.keep(r, hash, func() ([]byte, error) { return h.Bytes(r.Context(), hash) })
}

func (h *handler) change(r *http.Request) (web.Content, error) {
	hash, since := r.PathValue("hash"), r.PathValue("since")
	return h.keep(r, hash, func() ([]byte, error) { return h.Changed(r.Context(), since, hash) })
}

// keep makes what a path gives, and keeps it while its list is the newest: no more is kept than there are earlier lists.
func (h *handler) keep(r *http.Request, hash string, make func() ([]byte, error)) (web.Content, error) {
	h.mu.Lock()
	c, ok := h.kept[r.URL.Path]
	h.mu.Unlock()
	if ok {
		return c, nil
	}
	body, err := make()
	if err != nil {
		return c, err
	}
	c = web.NewContent("text/plain; charset=utf-8", immutable, "", body).ForMany()
	l, err := h.Latest(r.Context())
	if err != nil && !errors.Is(err, ErrNone) {
		return c, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if l.Hash != h.hash {
		h.hash = l.Hash
		clear(h.kept)
	}
	if hash == l.Hash {
		h.kept[r.URL.Path] = c
	}
	return c, nil
}
