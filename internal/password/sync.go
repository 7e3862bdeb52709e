package password

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"shirase/internal/files"
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
		return Sync{}, &hinted{fmt.Errorf("upstream %q is not an address like https://passwords.example.org", o.URL), "give its address with https://, without /range/"}
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
		client: &http.Client{Transport: transport, Timeout: 5 * time.Minute}, limit: rate.NewLimiter(rate.Inf, 1)}
	if o.PerSecond > 0 {
		s.limit = rate.NewLimiter(rate.Limit(o.PerSecond), 1)
	}
	err = s.run(ctx)
	s.out.Bytes = s.received.Load()
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
	client   *http.Client
	limit    *rate.Limiter
	received atomic.Int64
	pauseMu  sync.Mutex
	until    time.Time // when the upstream wants to be asked again

	out    Sync
	batch  []fetched
	gather int
	marks  map[uint32]map[uint32]string // by group: tags of the batch
}

// fetched is what a range's request gave.
type fetched struct {
	r         uint32
	tag       string
	unchanged bool
	records   []Seen
}

// run fetches group after group and folds a batch in whenever there is one.
func (s *syncer) run(ctx context.Context) error {
	s.marks = map[uint32]map[uint32]string{}
	for from := s.o.From; from < s.o.To; {
		to := min(s.o.To, (from/syncGroup+1)*syncGroup)
		if err := s.group(ctx, from, to); err != nil {
			// What came before it is kept: the next sync goes on from there.
			return errors.Join(err, s.fold())
		}
		if s.o.Progress != nil {
			s.o.Progress(int64(to-s.o.From), int64(s.o.To-s.o.From))
		}
		if s.gather >= s.o.batch {
			if err := s.fold(); err != nil {
				return err
			}
		}
		from = to
	}
	return s.fold()
}

// group fetches the ranges of one group, several at a time.
func (s *syncer) group(ctx context.Context, from, to uint32) error {
	known, err := s.readTags(from / syncGroup)
	if err != nil {
		return err
	}
	got := make([]fetched, to-from)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(s.o.Workers)
	for r := from; r < to; r++ {
		g.Go(func() error {
			f, err := s.fetch(ctx, r, known[r])
			if err != nil {
				return fmt.Errorf("sync range %05X: %w", r, err)
			}
			got[r-from] = f
			return nil
		})
	}
	err = g.Wait()
	if err != nil {
		return err
	}
	for _, f := range got {
		s.out.Ranges++
		if f.unchanged {
			s.out.Same++
			continue
		}
		s.batch = append(s.batch, f)
		s.gather += len(f.records) + 1
		if known[f.r] = f.tag; f.tag == "" {
			delete(known, f.r)
		}
		s.marks[from/syncGroup] = known
	}
	return nil
}

// fold folds the batch in, and then remembers its tags: killed between the two, the next sync asks for these ranges once more.
func (s *syncer) fold() error {
	if len(s.batch) == 0 {
		return nil
	}
	w, err := s.c.write(s.o.Mode, Replace)
	if err != nil {
		return err
	}
	defer w.close()
	for _, f := range s.batch {
		for _, rec := range f.records {
			if err := w.add(rec.Hash, rec.Count); err != nil {
				return fmt.Errorf("sync range %05X: %w", f.r, err)
			}
		}
	}
	change, err := w.commit()
	if err != nil {
		return err
	}
	s.out.Added += change.Added
	s.out.Updated += change.Updated
	s.out.Unchanged += change.Unchanged
	s.out.Written += change.Written
	for group, tags := range s.marks {
		if err := s.writeTags(group, tags); err != nil {
			return err
		}
	}
	s.batch, s.gather = s.batch[:0], 0
	clear(s.marks)
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
			return f, &hinted{fmt.Errorf("after %d tries: %w", try, err), "run it again later: it goes on where it was"}
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
	req.Header.Set("Accept-Encoding", "gzip")
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

// parse reads the lines of a range.
func (s *syncer) parse(res *http.Response, r uint32) ([]Seen, error) {
	counted := &counter{r: io.LimitReader(res.Body, maxRangeBody)}
	defer func() { s.received.Add(counted.n) }()
	plain, closer, err := decompress(bufio.NewReader(counted))
	if err != nil {
		return nil, err
	}
	defer closer()
	// All of it first: of a body that broke off, the last line may look like a wrong one.
	text, err := io.ReadAll(io.LimitReader(plain, maxRangeBody))
	if err != nil {
		return nil, err
	}
	return parseRange(text, s.o.Mode, r)
}

// parseRange reads what a range API answers, in any order and with padding, and
// returns the records in order.
func parseRange(text []byte, m Mode, prefix uint32) ([]Seen, error) {
	var out []Seen
	line := fmt.Appendf(nil, "%05X", prefix)
	for text := range bytes.Lines(text) {
		text = bytes.TrimSpace(text)
		if len(text) == 0 || bytes.HasSuffix(text, []byte(":0")) {
			continue
		}
		hash := make([]byte, m.Size())
		line = append(line[:5], text...)
		count, reason := parseLine(hash, line)
		if reason != "" {
			return nil, fmt.Errorf("%w: a line is wrong: %s", ErrUpstream, reason)
		}
		out = append(out, Seen{hash, count})
	}
	slices.SortFunc(out, func(a, b Seen) int { return bytes.Compare(a.Hash, b.Hash) })
	for i := 1; i < len(out); i++ {
		if bytes.Equal(out[i-1].Hash, out[i].Hash) {
			return nil, fmt.Errorf("%w: a suffix stands twice", ErrUpstream)
		}
	}
	return out, nil
}
