package password

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/time/rate"

	"shirase/internal/files"
	"shirase/internal/hint"
)

// ErrUpstream says that an upstream did not answer as a range API does.
var ErrUpstream = errors.New("the upstream does not answer as a range API")

// SyncOptions say how to take over what an upstream range API has.
type SyncOptions struct {
	URL        string // of the upstream: its ranges are at URL/range/00000 and so on
	Mode       Mode
	Workers    int     // requests at a time; 0: 32
	PerSecond  float64 // requests a second at most; 0: as many as there are answers to
	From, To   uint32  // ranges From ≤ r < To; To 0: all
	UserAgent  string
	Progress   func(done, total int64) // ranges
	retryPause time.Duration           // before the first repetition; tests make it short
	batch      int                     // records that are gathered before they are folded in
}

// Sync is what a sync did.
type Sync struct {
	Ranges int64 `json:"ranges"` // asked for
	Same   int64 `json:"same"`   // of them, those that the upstream said are as they were
	Bytes  int64 `json:"bytes"`  // received, as they came
	Change
}

const (
	syncGroup    = 1 << 8 // ranges whose tags share a file
	maxRangeBody = 64 << 20
	syncTries    = 8
	syncPause    = time.Second
	maxPause     = 2 * time.Minute
	syncBatch    = 2 << 20
	syncAgent    = "shirase-password-sync"
)

// Sync takes over what an upstream has. It remembers the entity tag of every
// range it got, so that the next sync transfers what changed; it folds in what it
// has from time to time, so that a sync that was stopped goes on near where it
// was. Counts are replaced by the upstream's; nothing is removed.
func (c *Corpora) Sync(ctx context.Context, o SyncOptions) (Sync, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return Sync{}, hint.Add(fmt.Errorf("upstream %q is not an address like https://passwords.example.org", o.URL), "give its address with https://, without /range/")
	}
	if o.Mode != SHA1 && o.Mode != NTLM {
		return Sync{}, ErrMode
	}
	if o.To == 0 {
		o.To = ranges
	}
	if o.From >= o.To || o.To > ranges {
		return Sync{}, fmt.Errorf("ranges %05X to %05X: %w", o.From, o.To, ErrUpstream)
	}
	o.Workers = cmpOr(o.Workers, 32)
	o.retryPause = cmpOr(o.retryPause, syncPause)
	o.batch = cmpOr(o.batch, syncBatch)
	o.UserAgent = cmpOr(o.UserAgent, syncAgent)
	base := strings.TrimRight(u.String(), "/")
	origin := sha256.Sum256([]byte(base))
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.DisableCompression = o.Workers, true
	defer transport.CloseIdleConnections()
	s := &syncer{c: c, o: o, base: base + "/range/", tags: o.Mode.String() + "/sync/" + hex.EncodeToString(origin[:8]) + "/",
		client: &http.Client{Transport: transport, Timeout: 5 * time.Minute}, limit: rate.NewLimiter(rate.Inf, 1), accept: "gzip"}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.IsLoopback() || u.Hostname() == "localhost" {
		s.accept = "identity" // there is no wire to spare
	}
	if o.PerSecond > 0 {
		s.limit = rate.NewLimiter(rate.Limit(o.PerSecond), 1)
	}
	err = s.run(ctx)
	s.out.Bytes, s.out.Change = s.received.Load(), s.changes
	s.out.Records = c.Corpus(o.Mode).Info().Records
	return s.out, err
}

func cmpOr[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}

type syncer struct {
	c        *Corpora
	o        SyncOptions
	base     string
	tags     string // folder of the files of tags
	accept   string // codings
	client   *http.Client
	limit    *rate.Limiter
	received atomic.Int64
	pauseMu  sync.Mutex
	until    time.Time // when the upstream wants to be asked again

	out     Sync
	changes Change // of what was folded in, whichever goroutine did
}

// fetched is what a range's request gave.
type fetched struct {
	r         uint32
	tag       string
	unchanged bool
	records   records
}

// records are hashes, one after the other in ascending order, and their counts.
type records struct {
	hashes []byte
	counts []uint64
}

// group is a group of ranges being fetched.
type group struct {
	from, to uint32
	known    map[uint32]string
	got      []fetched
	failed   error         // of the first that failed
	handed   chan struct{} // closed when each of its ranges has had a worker
	done     sync.WaitGroup
}

// batch is what is folded in at once.
type batch struct {
	ranges []fetched
	size   int                          // records and ranges
	marks  map[uint32]map[uint32]string // by group: its tags
}

// groupsAhead are the groups being fetched at a time: no worker waits for the slowest of a group.
const groupsAhead = 3

// run fetches group after group, and folds a batch in while the next one is fetched.
func (s *syncer) run(ctx context.Context) error {
	keep := context.WithoutCancel(ctx) // what was fetched is folded in even so
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	workers := make(chan struct{}, s.o.Workers)
	var ahead []*group
	before := make(chan struct{}) // groups are fetched one after the other
	close(before)
	next := &batch{marks: map[uint32]map[uint32]string{}}
	folding := make(chan error, 1)
	folding <- nil // as if one had just ended
	// What came before an error is kept: the next sync goes on from there.
	end := func(err error) error {
		stop()
		for _, g := range ahead {
			g.done.Wait()
		}
		if failed := <-folding; failed != nil {
			return errors.Join(err, failed)
		}
		return errors.Join(err, s.fold(keep, next))
	}
	for from := s.o.From; from < s.o.To || len(ahead) > 0; {
		for len(ahead) < groupsAhead && from < s.o.To {
			to := min(s.o.To, (from/syncGroup+1)*syncGroup)
			g, err := s.begin(ctx, from, to, workers, before)
			if err != nil {
				return end(err)
			}
			ahead, from, before = append(ahead, g), to, g.handed
		}
		g := ahead[0]
		g.done.Wait()
		if g.failed != nil {
			return end(g.failed)
		}
		ahead = ahead[1:]
		s.gather(next, g)
		if s.o.Progress != nil {
			s.o.Progress(int64(g.to-s.o.From), int64(s.o.To-s.o.From))
		}
		if next.size >= s.o.batch {
			if err := <-folding; err != nil {
				folding <- nil
				next = &batch{}
				return end(err)
			}
			go func(b *batch) { folding <- s.fold(keep, b) }(next)
			next = &batch{marks: map[uint32]map[uint32]string{}}
		}
	}
	return end(nil)
}

// begin begins to fetch the ranges of one group, each when there is a worker for
// it that the group before does not want.
func (s *syncer) begin(ctx context.Context, from, to uint32, workers, before chan struct{}) (*group, error) {
	known, err := s.readTags(from / syncGroup)
	if err != nil {
		return nil, err
	}
	g := &group{from: from, to: to, known: known, got: make([]fetched, to-from), handed: make(chan struct{})}
	ctx, stop := context.WithCancel(ctx)
	var once sync.Once
	g.done.Go(func() {
		defer stop()
		var fetching sync.WaitGroup
		defer fetching.Wait()
		defer close(g.handed)
		<-before
		for r := from; r < to; r++ {
			select {
			case workers <- struct{}{}:
			case <-ctx.Done():
				once.Do(func() { g.failed = ctx.Err() })
				return
			}
			tag := known[r]
			fetching.Go(func() {
				defer func() { <-workers }()
				f, err := s.fetch(ctx, r, tag)
				if err != nil {
					once.Do(func() { g.failed = fmt.Errorf("sync range %05X: %w", r, err) })
					stop()
				}
				g.got[r-from] = f
			})
		}
	})
	return g, nil
}

// gather adds a group that has been fetched to a batch.
func (s *syncer) gather(b *batch, g *group) {
	for _, f := range g.got {
		s.out.Ranges++
		if f.unchanged {
			s.out.Same++
			continue
		}
		b.ranges = append(b.ranges, f)
		b.size += len(f.records.counts) + 1
		if g.known[f.r] = f.tag; f.tag == "" {
			delete(g.known, f.r)
		}
		b.marks[g.from/syncGroup] = g.known
	}
}

// fold folds a batch in, and then remembers its tags: killed between the two, the next sync asks for these ranges once more.
func (s *syncer) fold(ctx context.Context, b *batch) error {
	if len(b.ranges) == 0 {
		return nil
	}
	w, err := s.c.write(ctx, s.o.Mode, Replace)
	if err != nil {
		return err
	}
	defer w.close()
	size := s.o.Mode.Size()
	for _, f := range b.ranges {
		for i, count := range f.records.counts {
			if err := w.add(f.records.hashes[i*size:(i+1)*size], count); err != nil {
				return fmt.Errorf("sync range %05X: %w", f.r, err)
			}
		}
	}
	change, err := w.commit()
	if err != nil {
		return err
	}
	s.changes.Added += change.Added
	s.changes.Updated += change.Updated
	s.changes.Unchanged += change.Unchanged
	s.changes.Written += change.Written
	for group, tags := range b.marks {
		if err := s.writeTags(group, tags); err != nil {
			return err
		}
	}
	return nil
}

func (s *syncer) tagFile(group uint32) string { return fmt.Sprintf("%s%03x", s.tags, group) }

// readTags reads lines RANGE TAG. A file that is not what was written is as
// good as none: its ranges are fetched again.
func (s *syncer) readTags(group uint32) (map[uint32]string, error) {
	known := map[uint32]string{}
	b, err := s.c.dir.Get(s.tagFile(group), 1<<20)
	if errors.Is(err, files.ErrNotExist) {
		return known, nil
	}
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(b)) {
		r, tag, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		v, hexOK := parsePrefix(r)
		if !ok || !hexOK || v/syncGroup != group || !validTag(tag) {
			return map[uint32]string{}, nil
		}
		known[v] = tag
	}
	return known, nil
}

func (s *syncer) writeTags(group uint32, tags map[uint32]string) error {
	var b bytes.Buffer
	for r := group * syncGroup; r < (group+1)*syncGroup; r++ {
		if tag := tags[r]; tag != "" {
			fmt.Fprintf(&b, "%05X %s\n", r, tag)
		}
	}
	return s.c.dir.Put(s.tagFile(group), b.Bytes())
}

// validTag accepts an entity tag as RFC 9110, 8.8.3 writes one, of reasonable length.
func validTag(tag string) bool {
	t := strings.TrimPrefix(tag, "W/")
	return len(t) >= 2 && len(t) < 200 && t[0] == '"' && t[len(t)-1] == '"' && !strings.ContainsFunc(t, func(r rune) bool { return r < 0x21 || r > 0x7E }) &&
		strings.Count(t, `"`) == 2
}

// transient are answers that may be others a little later.
func transient(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500
}

// fetch asks for a range until it is answered.
func (s *syncer) fetch(ctx context.Context, r uint32, tag string) (fetched, error) {
	pause := s.o.retryPause
	for try := 1; ; try++ {
		if err := s.wait(ctx); err != nil {
			return fetched{}, err
		}
		f, after, err := s.once(ctx, r, tag)
		if err == nil || ctx.Err() != nil || after < 0 {
			return f, err
		}
		if try == syncTries {
			return f, hint.Add(fmt.Errorf("after %d tries: %w", try, err), "run it again later: it goes on where it was")
		}
		if after > 0 {
			s.hold(min(after, maxPause)) // everybody waits, not this request alone
			continue
		}
		select {
		case <-ctx.Done():
			return f, ctx.Err()
		case <-time.After(pause + rand.N(pause)):
		}
		pause = min(2*pause, maxPause)
	}
}

// hold makes all requests wait.
func (s *syncer) hold(d time.Duration) {
	s.pauseMu.Lock()
	defer s.pauseMu.Unlock()
	if t := time.Now().Add(d); t.After(s.until) {
		s.until = t
	}
}

// wait waits for the upstream's pause to end and for the limit of requests a second.
func (s *syncer) wait(ctx context.Context) error {
	s.pauseMu.Lock()
	left := time.Until(s.until)
	s.pauseMu.Unlock()
	if left > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(left):
		}
	}
	return s.limit.Wait(ctx)
}

// once asks for a range. after says how long to wait before the next try: 0
// being not told, below 0 that there is no use in one.
func (s *syncer) once(ctx context.Context, r uint32, tag string) (f fetched, after time.Duration, err error) {
	address := s.base + fmt.Sprintf("%05X", r)
	if s.o.Mode == NTLM {
		address += "?mode=ntlm"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return f, -1, err
	}
	req.Header.Set("User-Agent", s.o.UserAgent)
	req.Header.Set("Accept-Encoding", s.accept)
	if tag != "" {
		req.Header.Set("If-None-Match", tag)
	}
	res, err := s.client.Do(req)
	if err != nil {
		return f, 0, err
	}
	defer res.Body.Close()
	f = fetched{r: r, tag: tag}
	switch {
	case res.StatusCode == http.StatusNotModified && tag != "":
		f.unchanged = true
		return f, 0, nil
	case transient(res.StatusCode):
		io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
		return f, retryAfter(res.Header.Get("Retry-After")), fmt.Errorf("%w: %s", ErrUpstream, res.Status)
	case res.StatusCode != http.StatusOK:
		return f, -1, fmt.Errorf("%w: %s", ErrUpstream, res.Status)
	}
	if f.tag = res.Header.Get("ETag"); !validTag(f.tag) {
		f.tag = ""
	}
	f.records, err = s.parse(res, r)
	if errors.Is(err, ErrUpstream) {
		return f, -1, err
	}
	return f, 0, err // a body that broke off is asked for again
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3).
func retryAfter(v string) time.Duration {
	if n, err := strconv.ParseInt(v, 10, 32); err == nil && n >= 0 {
		return max(time.Duration(n)*time.Second, time.Millisecond)
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(time.Until(t), time.Millisecond)
	}
	return 0
}

// fetchBuffer is where a response is read into; it is used again.
type fetchBuffer struct {
	raw, text bytes.Buffer
	in        bytes.Reader
	gzip      gzip.Reader
}

var bodies = sync.Pool{New: func() any { return new(fetchBuffer) }}

// parse reads the lines of a range.
func (s *syncer) parse(res *http.Response, r uint32) (records, error) {
	b := bodies.Get().(*fetchBuffer)
	defer bodies.Put(b)
	b.raw.Reset()
	b.text.Reset()
	// All of it first: of a body that broke off, the last line may look like a wrong one.
	n, err := b.raw.ReadFrom(io.LimitReader(res.Body, maxRangeBody))
	s.received.Add(n)
	if err != nil {
		return records{}, err
	}
	text := b.raw.Bytes()
	if bytes.HasPrefix(text, []byte{0x1f, 0x8b}) {
		b.in.Reset(text)
		if err := b.gzip.Reset(&b.in); err != nil {
			return records{}, err
		}
		if _, err := b.text.ReadFrom(io.LimitReader(&b.gzip, maxRangeBody)); err != nil {
			return records{}, err
		}
		text = b.text.Bytes()
	}
	return parseRange(text, s.o.Mode, r)
}

// parseRange reads what a range API answers, in any order and with padding, and
// returns the records in order.
func parseRange(text []byte, m Mode, prefix uint32) (records, error) {
	size := m.Size()
	guess := len(text)/(2*size-1) + 1
	out := records{make([]byte, 0, guess*size), make([]uint64, 0, guess)}
	line := fmt.Appendf(nil, "%05X", prefix)
	ordered := true
	for len(text) > 0 {
		at := len(out.hashes)
		out.hashes = slices.Grow(out.hashes, size)[:at+size]
		if count, n := usualLine(out.hashes[at:], text, prefix); n > 0 {
			text = text[n:]
			out.counts = append(out.counts, count)
			ordered = ordered && (at == 0 || bytes.Compare(out.hashes[at-size:at], out.hashes[at:]) < 0)
			continue
		}
		out.hashes = out.hashes[:at]
		var item []byte
		if item, text, _ = bytes.Cut(text, []byte{'\n'}); len(item) == 0 {
			continue
		}
		item = bytes.TrimSpace(item)
		if len(item) == 0 || bytes.HasSuffix(item, []byte(":0")) {
			continue
		}
		out.hashes = out.hashes[:at+size]
		line = append(line[:5], item...)
		count, reason := parseLine(out.hashes[at:], line)
		if reason != "" {
			return records{}, fmt.Errorf("%w: a line is wrong: %s", ErrUpstream, reason)
		}
		out.counts = append(out.counts, count)
		ordered = ordered && (at == 0 || bytes.Compare(out.hashes[at-size:at], out.hashes[at:]) < 0)
	}
	if ordered {
		return out, nil
	}
	return out.sorted(size)
}

// usualLine reads a line as range APIs write it, and returns how long it is; 0 where it is not such a line.
func usualLine(hash, text []byte, prefix uint32) (count uint64, n int) {
	n = 2*len(hash) - 5
	if len(text) < n+2 || text[n] != ':' || nibbles[text[0]] > 15 || !parseHex(hash[3:], text[1:n]) {
		return 0, 0
	}
	hash[0], hash[1], hash[2] = byte(prefix>>12), byte(prefix>>4), byte(prefix<<4)|nibbles[text[0]]
	n++
	for end := min(n+18, len(text)); n < end && text[n]-'0' <= 9; n++ {
		count = 10*count + uint64(text[n]-'0')
	}
	if n < len(text) && text[n] == '\r' {
		n++
	}
	if count == 0 || n < len(text) && text[n] != '\n' {
		return 0, 0
	}
	return count, min(n+1, len(text))
}

// sorted puts records in order; none may stand twice.
func (x records) sorted(size int) (records, error) {
	order := make([]int, len(x.counts))
	for i := range order {
		order[i] = i
	}
	hash := func(i int) []byte { return x.hashes[i*size : (i+1)*size] }
	slices.SortFunc(order, func(a, b int) int { return bytes.Compare(hash(a), hash(b)) })
	var out records
	for k, i := range order {
		if k > 0 && bytes.Equal(hash(order[k-1]), hash(i)) {
			return records{}, fmt.Errorf("%w: a suffix stands twice", ErrUpstream)
		}
		out.hashes = append(out.hashes, hash(i)...)
		out.counts = append(out.counts, x.counts[i])
	}
	return out, nil
}
