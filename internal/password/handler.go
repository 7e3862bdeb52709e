package password

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/klauspost/compress/zstd"

	"shirase/internal/web"
)

// The texts of the range API's errors; clients compare them.
const (
	badLength = "The hash prefix was not in a valid format"
	badDigits = "The hash prefix was not valid hexadecimal"
)

const (
	preflightAge = "1728000"
	// Padding hides how long a range is: at least padLines lines in all, at
	// least padLeast of them made up, with a count of 0.
	padLines, padMore = 800, 200
	padLeast          = 10
	cacheMemory       = 8 << 20 // bytes of answers that are kept
	recently          = 4096    // ranges of which it is known that they were asked for
)

// Headers that every answer has. They are never changed; a slice for each answer would cost more than its hash.
var (
	anyOrigin = []string{"*"}
	plainText = []string{"text/plain"}
	vary      = []string{"Accept-Encoding, Add-Padding"}
)

// handler serves one folder of corpora.
type handler struct {
	corpora *Corpora
	log     *slog.Logger
	cache   []string            // Cache-Control of ranges
	bufs    sync.Pool           // *scratch
	brotli  chan *brotli.Writer // as many as processors, for each has half a megabyte; nil: none was made yet
	zstd    *zstd.Encoder
	top     topCache

	// Answers that are asked for again and again. Common passwords make common
	// ranges; one that is asked for once is not kept.
	recent [recently]atomic.Uint32 // a range + 1, by its hash
	mu     sync.Mutex              // guards what follows
	kept   *simplelru.LRU[answerKey, []byte]
	held   int
}

// answerKey is what an answer follows from.
type answerKey struct {
	validator uint64
	prefix    uint32
	mode      Mode
	coding    string
}

// scratch is what one request works in.
type scratch struct {
	x    suffixes
	text []byte
	out  []byte
}

// Options are the settings of a [Handler].
type Options struct {
	// Log hears of damaged files; nil: nobody does. Nothing that a request asked
	// about is ever logged.
	Log *slog.Logger
	// MaxAge is for how long a range may be answered from a cache; 0: DefaultMaxAge.
	// What a cache holds does not have what came into the corpus since.
	MaxAge time.Duration
}

const (
	// DefaultMaxAge is short, because one's own corpus grows at any time.
	DefaultMaxAge = time.Hour
	// MaxMaxAge is that of Pwned Passwords.
	MaxMaxAge = 31 * 24 * time.Hour
)

// Handler serves the range API at /range/ and what belongs to it at
// /password/v1/ (docs/PASSWORDS.md). Where there is no corpus, or not all of it, it
// answers 503 with the name of what is wrong, to be kept in no cache. o may be nil.
func Handler(c *Corpora, o *Options) http.Handler {
	if o == nil {
		o = new(Options)
	}
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	age := int64(cmpOr(o.MaxAge, DefaultMaxAge).Seconds())
	h := &handler{corpora: c, log: log, cache: []string{"public, max-age=" + strconv.FormatInt(age, 10)}}
	h.zstd, _ = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(128<<10)) // fails on bad options only
	h.kept, _ = simplelru.NewLRU(1<<16, func(_ answerKey, b []byte) { h.held -= len(b) })                                                                                   // fails on a bad size only
	h.brotli = make(chan *brotli.Writer, runtime.GOMAXPROCS(0))
	for range cap(h.brotli) {
		h.brotli <- nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/range/", h.rangeAPI)
	h.routes(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.URL.Path) == len("/range/")+5 && strings.HasPrefix(r.URL.Path, "/range/") {
			h.rangeAPI(w, r) // past the mux, which takes as long as a tenth of the answer
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// rangeAPI answers GET /range/{5 hex digits}, byte for byte as the clients of Pwned Passwords expect.
func (h *handler) rangeAPI(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head["Access-Control-Allow-Origin"] = anyOrigin
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		head.Set("Access-Control-Allow-Methods", "GET")
		head.Set("Access-Control-Allow-Headers", "Add-Padding")
		head.Set("Access-Control-Max-Age", preflightAge)
		head.Set("Content-Length", "0")
		return
	default:
		head.Set("Allow", "GET, HEAD, OPTIONS")
		plain(w, r, http.StatusMethodNotAllowed, http.StatusText(http.StatusMethodNotAllowed))
		return
	}
	prefix, ok := parsePrefix(r.URL.Path[len("/range/"):])
	if !ok {
		text := badLength
		if len(r.URL.Path) == len("/range/")+5 {
			text = badDigits
		}
		plain(w, r, http.StatusBadRequest, text)
		return
	}
	mode := SHA1
	if strings.EqualFold(query(r.URL.RawQuery, "mode"), "ntlm") {
		mode = NTLM
	}
	s, _ := h.bufs.Get().(*scratch)
	if s == nil {
		s = new(scratch)
	}
	defer h.bufs.Put(s)
	if err := h.serveRange(w, r, s, mode, prefix); err != nil {
		head.Del("Content-Encoding")
		head.Del("Vary")
		h.fail(w, r, err)
	}
}

func plain(w http.ResponseWriter, r *http.Request, status int, text string) {
	w.Header()["Content-Type"] = plainText
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write([]byte(text))
	}
}

// parsePrefix reads 5 hex digits of any case.
func parsePrefix(s string) (uint32, bool) {
	if len(s) != 5 {
		return 0, false
	}
	var v uint32
	for i := range len(s) {
		n := nibbles[s[i]]
		if n > 15 {
			return 0, false
		}
		v = v<<4 | uint32(n)
	}
	return v, true
}

// query finds a parameter whose name is written in any case. Values that need unescaping are none of ours.
func query(raw, name string) string {
	for raw != "" {
		var item string
		item, raw, _ = strings.Cut(raw, "&")
		if k, v, _ := strings.Cut(item, "="); strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

// serveRange answers once the request is understood; an error means that nothing was written.
func (h *handler) serveRange(w http.ResponseWriter, r *http.Request, s *scratch, mode Mode, prefix uint32) error {
	snap := h.corpora.Corpus(mode).current.Load()
	if err := snap.lacks(prefix); err != nil {
		return err
	}
	coding := negotiate(r.Header.Get("Accept-Encoding"))
	head := w.Header()
	head["Content-Type"], head["Cache-Control"], head["Vary"] = plainText, h.cache, vary
	if snap.modified != nil {
		head["Last-Modified"] = snap.modified
	}
	seg := snap.of(prefix)
	if strings.EqualFold(r.Header.Get("Add-Padding"), "true") {
		if err := seg.load(&s.x, prefix); err != nil {
			return err
		}
		s.x.pad()
		s.text = s.x.text(s.text[:0])
		h.write(w, r, coding, h.encode(s, coding, crc32.ChecksumIEEE(s.text)))
		return nil
	}
	known := snap.known()
	v := known.tags[prefix].Load()
	rendered := false
	if v == 0 {
		if err := s.render(seg, prefix); err != nil {
			return err
		}
		rendered = true
		v = tag(s.text)
		known.tags[prefix].Store(v)
	}
	tag := validator(v, mode, coding)
	head["Etag"] = []string{tag}
	if notModified(r, tag, snap.Updated) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	key := answerKey{v, prefix, mode, coding}
	slot := &h.recent[prefix*0x9E3779B1>>20] // 12 bits
	again := slot.Swap(prefix+1) == prefix+1
	if again {
		if body := h.recall(key); body != nil {
			h.write(w, r, coding, body)
			return nil
		}
	}
	if !rendered {
		if err := s.render(seg, prefix); err != nil {
			return err
		}
	}
	sum := uint32(0)
	if coding == "gzip" { // whose trailer is the text's CRC-32
		if sum = known.sums[prefix].Load(); sum == 0 {
			sum = crc32.ChecksumIEEE(s.text)
			known.sums[prefix].Store(sum)
		}
	}
	body := h.encode(s, coding, sum)
	if again {
		h.keep(key, body)
	}
	h.write(w, r, coding, body)
	return nil
}

// render writes the range's text. Of a range without records it is one line with a count of 0: ranges of
// Pwned Passwords are never empty, and clients take an empty one for a failure.
func (s *scratch) render(seg *segment, prefix uint32) (err error) {
	if s.text, err = seg.text(&s.x, s.text[:0], prefix); err == nil && len(s.text) == 0 {
		s.text = emptyRange(s.text, seg.mode)
	}
	return err
}

// emptyRange appends the line of an empty range. Nobody asks about a hash that ends in so many zeros.
func emptyRange(dst []byte, m Mode) []byte {
	for range 2*m.Size() - 5 {
		dst = append(dst, '0')
	}
	return append(dst, ':', '0')
}

// recall returns an answer that was kept, or nil.
func (h *handler) recall(key answerKey) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	b, _ := h.kept.Get(key)
	return b
}

// keep keeps a copy of an answer, and drops those not asked for longest.
func (h *handler) keep(key answerKey, body []byte) {
	if len(body) > cacheMemory/64 || len(body) == 0 {
		return
	}
	body = bytes.Clone(body)
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.kept.Contains(key) {
		h.kept.Add(key, body)
		h.held += len(body)
	}
	for h.held > cacheMemory {
		h.kept.RemoveOldest()
	}
}

// encode gives the body in a coding of the text that s has rendered, whose CRC-32 sum is where the coding is gzip.
func (h *handler) encode(s *scratch, coding string, sum uint32) []byte {
	switch coding {
	case "gzip":
		s.out = appendGzip(s.out[:0], s.text, sum)
		return s.out
	case "zstd":
		s.out = h.zstd.EncodeAll(s.text, s.out[:0])
		return s.out
	case "br":
		b := bytes.NewBuffer(s.out[:0])
		z := <-h.brotli
		if z == nil {
			z = brotli.NewWriterLevel(nil, 4)
		}
		z.Reset(b)
		z.Write(s.text) // a buffer takes everything
		z.Close()
		h.brotli <- z
		s.out = b.Bytes()
		return s.out
	}
	return s.text
}

func (h *handler) write(w http.ResponseWriter, r *http.Request, coding string, body []byte) {
	if coding != "" {
		w.Header().Set("Content-Encoding", coding)
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		w.Write(body)
	}
}

// pad appends made-up records with a count of 0.
func (x *suffixes) pad() {
	var b [18]byte
	rand.Read(b[:])
	n := max(padLines+int(binary.BigEndian.Uint16(b[:]))%(padMore+1)-len(x.counts), padLeast+int(b[2])%padMore)
	rest := make([]byte, n*(x.tail+1))
	rand.Read(rest)
	for ; n > 0; n-- {
		x.add(rest[:x.tail+1], 0)
		rest = rest[x.tail+1:]
	}
}

// validator makes the entity tag. Another coding is another representation (RFC 9110, 8.8.3).
func validator(v uint64, m Mode, coding string) string {
	b := make([]byte, 0, 32)
	b = append(b, '"')
	if m == NTLM {
		b = append(b, 'n')
	}
	for i := 60; i >= 0; i -= 4 {
		b = append(b, "0123456789abcdef"[v>>i&15])
	}
	if coding != "" {
		b = append(append(b, '-'), coding...)
	}
	return string(append(b, '"'))
}

// notModified reports whether the client has the range already, in any coding
// (RFC 9110, 13.1.2 and 13.1.3). A date counts only where there is no tag.
func notModified(r *http.Request, tag string, updated time.Time) bool {
	if have := r.Header.Get("If-None-Match"); have != "" {
		core, _, _ := strings.Cut(strings.Trim(tag, `"`), "-")
		for _, item := range strings.Split(have, ",") {
			item = strings.Trim(strings.TrimPrefix(strings.TrimSpace(item), "W/"), `"`)
			if item, _, _ = strings.Cut(item, "-"); item == core || item == "*" {
				return true
			}
		}
		return false
	}
	since := r.Header.Get("If-Modified-Since")
	if since == "" {
		return false
	}
	at, err := http.ParseTime(since)
	return err == nil && !updated.IsZero() && !updated.Truncate(time.Second).After(at)
}

// negotiate reads Accept-Encoding (RFC 9110, 12.5.3). Where a client takes
// several alike it gets gzip, which costs nothing here.
func negotiate(accept string) string {
	if accept == "gzip" || accept == "" {
		return accept // what programs send
	}
	best, weight := "", 0.0
	var stars float64
	seen := map[string]bool{}
	consider := func(name string, q float64) {
		if q > weight || q == weight && q > 0 && rank(name) > rank(best) {
			best, weight = name, q
		}
	}
	for item := range strings.SplitSeq(accept, ",") {
		name, q := parseCoding(item)
		switch name {
		case "gzip", "x-gzip":
			name = "gzip"
		case "*":
			stars = q
			continue
		case "br", "zstd", "identity":
		default:
			continue
		}
		seen[name] = true
		if name == "identity" {
			name = ""
		}
		consider(name, q)
	}
	if stars > 0 && !seen["gzip"] {
		consider("gzip", stars)
	}
	return best
}

func rank(coding string) int { return strings.Index("  zstd br gzip", coding) }

// parseCoding reads one item of Accept-Encoding.
func parseCoding(item string) (name string, q float64) {
	name, params, _ := strings.Cut(item, ";")
	name, q = strings.ToLower(strings.TrimSpace(name)), 1
	if v, ok := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(params), " ", ""), "q="); ok {
		f, err := strconv.ParseFloat(v, 64)
		if err != nil || f < 0 || f > 1 {
			f = 0
		}
		q = f
	}
	return name, q
}

var errNoFilter = errors.New("no filter has been built")

// problems are the errors of this room to a client.
var problems = web.Mappings{
	{Err: errNoFilter, Problem: web.Problem{Status: http.StatusNotFound, Code: "no-filter", Detail: "No filter has been built here: shirase password filter builds one."}},
	{Err: ErrHash, Problem: web.Problem{Status: http.StatusBadRequest, Code: "bad-hash", Detail: "A hash is 40 hex digits (SHA-1) or 32 (NTLM)."}},
	{Err: ErrMode, Problem: web.Problem{Status: http.StatusBadRequest, Code: "bad-mode", Detail: "The mode is sha1 or ntlm."}},
	{Err: ErrDamaged, Problem: web.Problem{Status: http.StatusServiceUnavailable, Code: "damaged-corpus",
		Detail: "The corpus of this mode cannot be read here. This says nothing of any password."}},
	{Err: ErrNewer, Problem: web.Problem{Status: http.StatusServiceUnavailable, Code: "newer-corpus",
		Detail: "The corpus of this mode was written by a newer version of this server. This says nothing of any password."}},
	{Err: ErrIncomplete, Problem: web.Problem{Status: http.StatusServiceUnavailable, Code: "incomplete-corpus",
		Detail: "What was asked about has not been fetched here yet. This says nothing of any password."}},
	{Err: ErrNone, Problem: web.Problem{Status: http.StatusServiceUnavailable, Code: "no-corpus",
		Detail: "There is no corpus of this mode here. This says nothing of any password."}},
}

// fail answers with what err is to a client.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	p, known := problems.Problem(err)
	if _, said := errors.AsType[closed](err); !known || errors.Is(err, ErrDamaged) && !said { // who opened the corpus said it
		h.log.Error("serve passwords", "error", err)
	}
	p.Write(w, r)
}
