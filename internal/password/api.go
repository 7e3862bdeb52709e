package password

import (
	"cmp"
	"container/heap"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/files"
	"shirase/internal/web"
)

const (
	maxBody   = 64 << 10
	maxHashes = 1000 // of one exact check
	maxTop    = 1000
)

// routes adds what belongs to the range API.
func (h *handler) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /password/v1/corpus", h.corpus)
	mux.HandleFunc("POST /password/v1/check", h.check)
	mux.HandleFunc("POST /password/v1/screen", h.screen)
	mux.HandleFunc("GET /password/v1/top", h.topList)
	mux.HandleFunc("GET /password/v1/filter", h.filter)
	mux.HandleFunc("/password/v1/", func(w http.ResponseWriter, r *http.Request) {
		web.Problem{Status: http.StatusNotFound, Detail: "There is no such resource; docs/PASSWORDS.md lists them."}.Write(w, r)
	})
}

// answer writes v as JSON.
func (h *handler) answer(w http.ResponseWriter, r *http.Request, v any) {
	b, err := json.Marshal(v, json.Deterministic(true), json.FormatNilSliceAsNull(false))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.Write(b)
}

// read reads a request's JSON body, strictly; false: it has answered.
func (h *handler) read(w http.ResponseWriter, r *http.Request, v any) bool {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		web.Problem{Status: http.StatusUnsupportedMediaType, Code: "not-json", Detail: "The body must be application/json."}.Write(w, r)
		return false
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		err = json.Unmarshal(b, v, json.RejectUnknownMembers(true))
		if err != nil {
			web.Problem{Status: http.StatusBadRequest, Code: "bad-json", Detail: "The body is not the JSON that docs/PASSWORDS.md describes."}.Write(w, r)
			return false
		}
		return true
	}
	h.fail(w, r, err)
	return false
}

// corpus tells what is served, so that clients know when it changed.
func (h *handler) corpus(w http.ResponseWriter, r *http.Request) {
	var out struct {
		Corpora []Info `json:"corpora"`
	}
	for _, m := range Modes {
		out.Corpora = append(out.Corpora, h.corpora.Corpus(m).Info())
	}
	h.answer(w, r, out)
}

// modeOf reads a mode, "" being SHA-1.
func modeOf(s string) (Mode, error) {
	if s == "" {
		return SHA1, nil
	}
	return ParseMode(s)
}

// check answers for whole hashes. It is for callers who hold the passwords
// anyway, such as a directory that is audited: whole hashes tell the server which
// passwords are meant. In a body they are at least in no log and no history.
func (h *handler) check(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Mode   string   `json:"mode"`
		Hashes []string `json:"hashes"`
	}
	if !h.read(w, r, &in) {
		return
	}
	mode, err := modeOf(in.Mode)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if len(in.Hashes) > maxHashes {
		web.Problem{Status: http.StatusRequestEntityTooLarge, Code: "too-many", Detail: "At most 1000 hashes a request."}.Write(w, r)
		return
	}
	if err := h.corpora.Corpus(mode).current.Load().none; err != nil {
		h.fail(w, r, err)
		return
	}
	out := struct {
		Counts []uint64 `json:"counts"`
	}{make([]uint64, len(in.Hashes))}
	for i, s := range in.Hashes {
		hash, err := hex.DecodeString(s)
		if err != nil || len(hash) != mode.Size() {
			h.fail(w, r, ErrHash)
			return
		}
		if out.Counts[i], err = h.corpora.Corpus(mode).Count(hash); err != nil {
			h.fail(w, r, err)
			return
		}
	}
	h.answer(w, r, out)
}

// A Seen is a hash with how often its password was seen.
type Seen struct {
	Hash  []byte
	Count uint64
}

// A seenHeap has the least at its top.
type seenHeap []Seen

func (h seenHeap) Len() int           { return len(h) }
func (h seenHeap) Less(i, j int) bool { return h[i].Count < h[j].Count }
func (h seenHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *seenHeap) Push(x any)        { *h = append(*h, x.(Seen)) }
func (h *seenHeap) Pop() any          { old := *h; x := old[len(old)-1]; *h = old[:len(old)-1]; return x }

// Top returns the n most seen hashes, the most seen first, those seen alike in
// the order of their bytes. It reads the whole corpus, which must be whole.
func (c *Corpus) Top(ctx context.Context, n int) ([]Seen, error) { return c.current.Load().top(ctx, n) }

func (s *snapshot) top(ctx context.Context, n int) ([]Seen, error) {
	if err := s.whole(); err != nil {
		return nil, err
	}
	var h seenHeap
	if n <= 0 {
		return nil, nil
	}
	err := s.each(ctx, func(hash []byte, count uint64) error {
		if len(h) < n {
			heap.Push(&h, Seen{slices.Clone(hash), count})
		} else if count > h[0].Count {
			copy(h[0].Hash, hash)
			h[0].Count = count
			heap.Fix(&h, 0)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(h, func(a, b Seen) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), slices.Compare(a.Hash, b.Hash))
	})
	return h, nil
}

// topCache holds the longest list of the generation last asked about.
type topCache struct {
	mu   sync.Mutex
	of   [len(Modes)]*snapshot
	list [len(Modes)][]Seen
}

func (c *topCache) get(ctx context.Context, m Mode, s *snapshot) ([]Seen, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := m - SHA1
	if c.of[i] != s {
		list, err := s.top(ctx, maxTop)
		if err != nil {
			return nil, err
		}
		c.of[i], c.list[i] = s, list
	}
	return c.list[i], nil
}

// topList answers with the most seen hashes, as lines HASH:COUNT.
func (h *handler) topList(w http.ResponseWriter, r *http.Request) {
	mode, err := modeOf(r.URL.Query().Get("mode"))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	n := 100
	if s := r.URL.Query().Get("n"); s != "" {
		if n, err = strconv.Atoi(s); err != nil || n < 1 || n > maxTop {
			web.Problem{Status: http.StatusBadRequest, Code: "bad-n", Detail: "n is a number from 1 to 1000."}.Write(w, r)
			return
		}
	}
	list, err := h.top.get(r.Context(), mode, h.corpora.Corpus(mode).current.Load())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	var b []byte
	for _, s := range list[:min(n, len(list))] {
		for _, c := range s.Hash {
			b = append(b, upper[c>>4], upper[c&15])
		}
		b = strconv.AppendUint(append(b, ':'), s.Count, 10)
		b = append(b, '\r', '\n')
	}
	web.NewContent("text/plain; charset=utf-8", "public, max-age=3600", "", b).Serve(w, r, http.StatusOK)
}

// filter serves the file that Corpora.BuildFilter made.
func (h *handler) filter(w http.ResponseWriter, r *http.Request) {
	mode, err := modeOf(r.URL.Query().Get("mode"))
	if err != nil {
		h.fail(w, r, err)
		return
	}
	f, err := h.corpora.dir.Open(filterName(mode))
	if errors.Is(err, files.ErrNotExist) {
		if err = h.corpora.Corpus(mode).Ready(); err == nil {
			err = errNoFilter
		}
	}
	if err != nil {
		h.fail(w, r, err)
		return
	}
	defer f.Close()
	filter, err := OpenFilter(f, f.Size())
	if err != nil {
		h.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", `"`+mode.String()+"-"+strconv.FormatInt(filter.Generation, 10)+"-"+strconv.FormatInt(filter.Updated.Unix(), 36)+`"`)
	w.Header().Set("Cache-Control", "no-cache, no-transform")
	http.ServeContent(w, r, "", filter.Updated.Truncate(time.Second), io.NewSectionReader(f, 0, f.Size()))
}
