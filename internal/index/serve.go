package index

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"shirase/check"
	"shirase/internal/hint"
	"shirase/internal/store"
	"shirase/internal/web"
)

// freshFor is how long a server goes on with what it knows before it looks for
// a newer statement.
const freshFor = time.Second

// probeEvery is how long a server goes on without a layer that is missing before it looks again.
const probeEvery = 2 * time.Second

// lookFor bounds the look for a newer statement.
const lookFor = 5 * time.Second

// heldFor is how long the layers of a snapshot stay open after the next one: whoever holds it has ended by then.
const heldFor = time.Hour

// Host serves what is published: statement, buckets, layers. It has no key
// (docs/PROTOCOL.md section 1). Any number of them may serve one store.
type Host struct {
	x      *Index
	log    Log
	errors *slog.Logger
	pinned *snapshot // a draft under self-check; nil for what is published

	mu      sync.Mutex
	failing string    // what was said last of why no newer statement can be looked for; "" where one can
	probed  time.Time // when layers that are missing were looked for last
	current atomic.Pointer[snapshot]
	quorum  atomic.Pointer[quorum]
	damaged atomic.Int64 // buckets that were asked for
	forced  atomic.Int64 // when a look for a newer statement was forced last
	buffers sync.Pool
}

// Log is what serving needs of the ledger that statements are in.
type Log struct {
	Served func(ctx context.Context) (size int64, err error)                // how many entries are public
	Proof  func(ctx context.Context, index int64) (proof []byte, err error) // a c2sp.org/tlog-proof@v1 of one of them

	// Checkpoint gives the signed checkpoint that proofs are against, with its cosignatures. May be nil: size says then which.
	Checkpoint func() (signed []byte, err error)

	// Witnessed says by when a quorum of witnesses had cosigned what is public; wanted is false where none is wanted. May be nil.
	Witnessed func() (since time.Time, wanted bool, err error)
}

// NewHost makes a host of what is published in log. errors hears of what cannot be served; nil: nobody does.
func NewHost(x *Index, log Log, errors *slog.Logger) *Host {
	if errors == nil {
		errors = slog.New(slog.DiscardHandler)
	}
	return &Host{x: x, log: log, errors: errors}
}

// Mux routes the check's paths (docs/PROTOCOL.md section 8). e is nil where evaluations are answered by another process: a
// proxy leads their path there, and who comes here all the same is told that there is no key.
func (h *Host) Mux(e *Evaluator) *http.ServeMux {
	mux := http.NewServeMux()
	const layer = "/check/v1/layers/{layer}"
	for path, serve := range map[string]http.HandlerFunc{"/check/v1/statement": h.statement, layer: h.layer,
		layer + "/buckets/{bucket}": h.bucket, layer + "/groups/{bits}/{group}": h.group} {
		mux.HandleFunc("GET "+path, serve)
		onlyMethods(mux, path, "GET, HEAD")
	}
	if e != nil {
		e.mount(mux)
	} else {
		mux.HandleFunc(evaluatePath, noKey)
	}
	unknownPath(mux)
	return mux
}

func onlyMethods(mux *http.ServeMux, path, methods string) {
	mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", methods)
		problem(w, r, http.StatusMethodNotAllowed, "method", "This path takes "+methods+".")
	})
}

func unknownPath(mux *http.ServeMux) {
	mux.HandleFunc("/check/v1/", func(w http.ResponseWriter, r *http.Request) {
		problem(w, r, http.StatusNotFound, "unknown-path", "The check has no such path.")
	})
}

// snapshot is what a server needs to answer under one statement.
type snapshot struct {
	st       *check.Statement
	raw      []byte                 // its bytes
	at       int64                  // its entry in the ledger
	body     atomic.Pointer[proven] // of GET /check/v1/statement
	until    atomic.Int64
	layers   map[check.Hash]*Layer // served and source layers that could be opened, and those that left the statement lately
	keys     []check.Key           // that layers are sealed under
	missing  map[check.Hash]error
	closeAll sync.Once
}

// snapshot opens everything a statement speaks of. A layer that cannot be
// opened is left out and named; the rest is served.
func (x *Index) snapshot(st *check.Statement, raw []byte, proof string) (*snapshot, error) {
	s := &snapshot{st: st, raw: raw, layers: map[check.Hash]*Layer{}, missing: map[check.Hash]error{}}
	if err := s.prove(cosigned{}, proof); err != nil {
		return nil, err
	}
	for i := range st.Layers {
		l := &st.Layers[i]
		key := st.Key(l.Key)
		if !s.uses(key.ID) {
			s.keys = append(s.keys, *key)
		}
		x.openInto(s, l.Root, key.LocatorBits, l.N)
		for _, src := range l.Sources {
			x.openInto(s, src.Root, key.LocatorBits, src.N)
		}
	}
	return s, nil
}

func (s *snapshot) uses(key string) bool {
	return slices.ContainsFunc(s.keys, func(k check.Key) bool { return k.ID == key })
}

func (x *Index) openInto(s *snapshot, root check.Hash, locatorBits int, n int64) {
	if s.layers[root] != nil || s.missing[root] != nil {
		return
	}
	l, err := x.OpenLayer(root, locatorBits)
	if err == nil && l.Info().N != n {
		l.Close()
		err = fmt.Errorf("layer %s holds %d entries, not %d: %w", root, l.Info().N, n, check.ErrLayer)
	}
	if err != nil {
		s.missing[root] = err
		return
	}
	s.layers[root] = l
}

func (s *snapshot) close() {
	s.closeAll.Do(func() {
		for _, l := range s.layers {
			l.Close()
		}
	})
}

// now gives the snapshot of the newest statement, looking for a newer one at
// most once a second.
func (h *Host) now(ctx context.Context) (*snapshot, error) {
	if h.pinned != nil {
		return h.pinned, nil
	}
	if s := h.current.Load(); s != nil && h.x.now().UnixNano() < s.until.Load() {
		return s, nil
	}
	old := h.current.Load()
	if !h.mu.TryLock() {
		if old != nil { // somebody is looking already
			return old, nil
		}
		h.mu.Lock()
	}
	defer h.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookFor) // for all who wait, not for this request
	defer cancel()
	old = h.current.Load()
	if old != nil && h.x.now().UnixNano() < old.until.Load() {
		return old, nil
	}
	s, err := h.refresh(ctx, old)
	if err != nil {
		if old != nil { // what was verified and opened goes on being served until it expires
			if why := err.Error(); why != h.failing || store.Away(err) { // a line for each look would fill a disk; of a database that is away the log says it once
				h.failing = why
				h.errors.Error("look for a newer statement; this is said once, until it can be looked for again", "error", err, "hint", hint.Of(err))
			}
			old.until.Store(h.x.now().Add(freshFor).UnixNano())
			return old, nil
		}
		return nil, err
	}
	h.failing = ""
	return s, nil
}

// again looks for a newer statement at once, where a client speaks of something
// that the current one does not: another server of this store may have
// published it. At most every 50 ms.
func (h *Host) again(ctx context.Context) *snapshot {
	s := h.current.Load()
	if s == nil || h.pinned != nil {
		return h.pinned
	}
	now := h.x.now().UnixNano()
	if last := h.forced.Load(); now-last > int64(50*time.Millisecond) && h.forced.CompareAndSwap(last, now) {
		s.until.Store(0)
		if newer, err := h.now(ctx); err == nil {
			return newer
		}
	}
	return h.current.Load()
}

func (h *Host) refresh(ctx context.Context, old *snapshot) (*snapshot, error) {
	size, err := h.log.Served(ctx)
	if err != nil {
		return nil, err
	}
	var seq int64
	if err := h.x.db.QueryRowContext(ctx, `SELECT COALESCE(max(seq), 0) FROM index_statement WHERE ledger_index < $1`, size).Scan(&seq); err != nil {
		return nil, fmt.Errorf("read the newest statement's number: %w", err)
	}
	until := h.x.now().Add(freshFor).UnixNano()
	if old != nil && old.st.Seq == seq && !h.mended(old) {
		if err := h.renew(ctx, old, size); err != nil {
			return nil, err
		}
		old.until.Store(until)
		return old, nil
	}
	by, err := h.provable(size)
	if err != nil {
		return nil, err
	}
	st, raw, at, err := h.x.statementBelow(ctx, size)
	if err != nil {
		return nil, err
	}
	proof, err := h.log.Proof(ctx, at)
	if err != nil {
		return nil, fmt.Errorf("prove statement %d: %w", st.Seq, err)
	}
	s, err := h.x.snapshot(st, raw, string(proof))
	if err != nil {
		return nil, err
	}
	s.at = at
	s.body.Load().by = by
	if err := h.x.openLeft(ctx, s); err != nil {
		s.close()
		return nil, err
	}
	for root, err := range s.missing {
		h.errors.Error("a layer is not served", "layer", root.String(), "error", err,
			"hint", "shirase ledger repair makes it anew or says what brings it back; this server takes it up within seconds")
	}
	s.until.Store(until)
	h.current.Store(s)
	if old != nil {
		time.AfterFunc(heldFor, old.close)
	}
	return s, nil
}

// mended reports whether a layer that a snapshot lacks can be opened now: somebody brought it back. It looks seldom.
func (h *Host) mended(s *snapshot) bool {
	now := h.x.now()
	if len(s.missing) == 0 || now.Sub(h.probed) < probeEvery {
		return false
	}
	h.probed = now
	probe := &snapshot{layers: map[check.Hash]*Layer{}, missing: map[check.Hash]error{}}
	defer probe.close()
	open := func(root check.Hash, locatorBits int, n int64) {
		if s.missing[root] != nil {
			h.x.openInto(probe, root, locatorBits, n)
		}
	}
	for i := range s.st.Layers {
		l := &s.st.Layers[i]
		bits := s.st.Key(l.Key).LocatorBits
		open(l.Root, bits, l.N)
		for _, src := range l.Sources {
			open(src.Root, bits, src.N)
		}
	}
	for root := range probe.layers {
		h.errors.Info("a layer is served again", "layer", root.String())
	}
	return len(probe.layers) > 0
}

// Ready opens what is published, and says what is in the way of serving it.
// Nothing published is nothing in the way.
func (h *Host) Ready(ctx context.Context) error {
	if _, err := h.now(ctx); err != nil && !errors.Is(err, ErrNone) {
		return fmt.Errorf("serve the index: %w", err)
	}
	return nil
}

// Statement gives the statement that is public now, or nil where there is none: pages and the check speak of one moment.
func (h *Host) Statement(ctx context.Context) *check.Statement {
	if s := h.current.Load(); s != nil {
		s.until.Store(0)
	}
	s, err := h.now(ctx)
	if err != nil {
		return nil
	}
	return s.st
}

// Version tells what is public now: it differs when the statement does, or what it is proven by, or whether it is answered
// from and has expired.
func (h *Host) Version(ctx context.Context) string {
	if h.Statement(ctx) == nil {
		return "none"
	}
	s := h.current.Load()
	by := s.body.Load().by
	_, stopped, err := h.Unwitnessed(ctx)
	return fmt.Sprintf("%d %d %x %t %t %t", s.st.Seq, by.size, by.signed[:8], stopped, err != nil, h.x.now().After(s.st.Expires.Time))
}

// Layers gives how many layers are served, and how many of those that the statement speaks of cannot be.
func (h *Host) Layers(ctx context.Context) (served, missing int) {
	s, err := h.now(ctx)
	if err != nil {
		return 0, 0
	}
	return len(s.layers), len(s.missing)
}

// Lacking reports whether a layer that the statement speaks of cannot be given, and whether that is all that checks are answered from.
func (h *Host) Lacking(ctx context.Context) (some, all bool) {
	s, err := h.now(ctx)
	if err != nil || len(s.missing) == 0 {
		return false, false
	}
	all = true
	for _, l := range s.st.Layers {
		here := s.layers[l.Root] != nil
		some = some || !here || slices.ContainsFunc(l.Sources, func(src check.Source) bool { return s.missing[src.Root] != nil })
		all = all && !here
	}
	return some, some && all
}

// Damaged gives how often a bucket was asked for that could not be read, or is damaged.
func (h *Host) Damaged() int64 { return h.damaged.Load() }

// Keys is the [InUse] of an evaluator in the same process. Errors: ErrNone.
func (h *Host) Keys(ctx context.Context, id string) ([]check.Key, error) {
	s, err := h.now(ctx)
	if err != nil {
		return nil, err
	}
	if id != "" && !s.uses(id) {
		s = h.again(ctx)
	}
	return s.keys, nil
}

func (h *Host) statement(w http.ResponseWriter, r *http.Request) {
	s, ok := h.ready(w, r)
	if !ok || !h.witnessed(w, r) {
		return
	}
	w.Header().Set("Cache-Control", "no-cache") // an older copy would look like a rollback
	send(w, "application/json", s.body.Load().body)
}

// immutable is said of what has its hash in its name: any cache may keep it
// and none may transform it.
const immutable = "public, max-age=31536000, immutable, no-transform"

func (h *Host) bucket(w http.ResponseWriter, r *http.Request) {
	l, ok := h.open(w, r)
	if !ok {
		return
	}
	info := l.Info()
	number, err := check.ParseBucketName(r.PathValue("bucket"), info.Bits)
	if err != nil {
		problem(w, r, http.StatusNotFound, "unknown-bucket", "This layer has no such bucket.")
		return
	}
	h.sendBuckets(w, r, l, number, 1)
}

// maxGroup bounds a group of buckets, in bytes.
const maxGroup = 32 << 20

// group gives neighbouring buckets, one after the other: all whose numbers begin with the bits that a client shows.
func (h *Host) group(w http.ResponseWriter, r *http.Request) {
	l, ok := h.open(w, r)
	if !ok {
		return
	}
	info := l.Info()
	bits, err := strconv.ParseUint(r.PathValue("bits"), 10, 8)
	if err != nil || strconv.FormatUint(bits, 10) != r.PathValue("bits") || int(bits) > info.Bits {
		problem(w, r, http.StatusNotFound, "unknown-bucket", "A group of this layer is named by fewer bits than a bucket, or as many.")
		return
	}
	number, err := check.ParseBucketName(r.PathValue("group"), int(bits))
	if err != nil {
		problem(w, r, http.StatusNotFound, "unknown-bucket", "This layer has no such group.")
		return
	}
	n := int64(1) << (info.Bits - int(bits))
	if n*int64(info.Pad) > maxGroup {
		problem(w, r, http.StatusNotFound, "unknown-bucket", "This group is larger than any that is given.")
		return
	}
	h.sendBuckets(w, r, l, number*n, n)
}

// sendBuckets answers with the responses of n buckets from first on. All are verified before the first byte leaves: what is
// sound may be kept by caches for a year, and what is not must not be.
func (h *Host) sendBuckets(w http.ResponseWriter, r *http.Request, l *Layer, first, n int64) {
	info := l.Info()
	buf, _ := h.buffers.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	defer h.buffers.Put(buf)
	w.Header().Set("Cache-Control", immutable)
	for i := range n {
		if n > 1 && l.isSure(first+i) {
			continue
		}
		var damage, err error
		if *buf, damage, err = l.bucket((*buf)[:0], first+i); err != nil {
			h.damaged.Add(1)
			h.errors.Error("read a bucket", "layer", info.Root.String(), "error", err)
			problem(w, r, http.StatusServiceUnavailable, "layer-damaged", "This part of the index cannot be read.")
			return
		}
		if damage != nil { // the client finds it too; what is published must not seem to be nothing
			h.damaged.Add(1)
			h.errors.Error("a bucket is damaged", "layer", info.Root.String())
			w.Header().Set("Cache-Control", "no-store")
		}
	}
	if n == 1 {
		send(w, "application/octet-stream", *buf)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(n*int64(info.Pad), 10))
	if r.Method == http.MethodHead {
		return
	}
	for i := range n {
		var err error
		if *buf, err = l.AppendBucket((*buf)[:0], first+i, info.Pad); err == nil {
			_, err = w.Write(*buf)
		}
		if err != nil {
			panic(http.ErrAbortHandler) // the length was promised
		}
	}
}

// layer gives a whole layer file, so that anyone can count and fold again.
func (h *Host) layer(w http.ResponseWriter, r *http.Request) {
	l, ok := h.open(w, r)
	if !ok {
		return
	}
	w.Header().Set("Cache-Control", immutable)
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(l.file, 0, l.file.Size()))
}

// open finds the layer that a path names.
func (h *Host) open(w http.ResponseWriter, r *http.Request) (*Layer, bool) {
	s, ok := h.ready(w, r)
	if !ok {
		return nil, false
	}
	var root check.Hash
	if err := root.UnmarshalText([]byte(r.PathValue("layer"))); err != nil {
		problem(w, r, http.StatusNotFound, "unknown-layer", "A layer is named by the 64 hex digits of its root.")
		return nil, false
	}
	if l := s.layers[root]; l != nil {
		return l, true
	}
	if l := h.again(r.Context()).layers[root]; l != nil {
		return l, true
	}
	if s.missing[root] != nil {
		problem(w, r, http.StatusServiceUnavailable, "layer-damaged", "This layer is damaged and not served.")
		return nil, false
	}
	problem(w, r, http.StatusNotFound, "unknown-layer", "The published statement has no such layer. Get the statement again.")
	return nil, false
}

func (h *Host) ready(w http.ResponseWriter, r *http.Request) (*snapshot, bool) {
	s, err := h.now(r.Context())
	if err != nil {
		refuse(w, r, err, h.errors)
		return nil, false
	}
	return s, true
}

// refuse answers where what is published cannot be told.
func refuse(w http.ResponseWriter, r *http.Request, err error, log *slog.Logger) {
	if errors.Is(err, ErrNone) {
		problem(w, r, http.StatusNotFound, "nothing-published", "Nothing has been published yet.")
		return
	}
	log.Error("serve the index", "error", err)
	web.Problem{Status: http.StatusServiceUnavailable, Code: "unavailable", Detail: "The index cannot be served at the moment.", RetryAfter: soon}.Write(w, r)
}

// soon is when it is worth asking again where a database is away.
const soon = 5 * time.Second

func send(w http.ResponseWriter, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}

// problem answers with problem details (RFC 9457).
func problem(w http.ResponseWriter, r *http.Request, status int, code, detail string) {
	web.Problem{Status: status, Code: code, Detail: detail}.Write(w, r)
}
