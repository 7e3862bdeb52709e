package password

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"shirase/internal/hint"
	"shirase/internal/outward"
)

// Errors of a sync.
var (
	// ErrUpstream says that an upstream did not answer as a range API does.
	ErrUpstream = errors.New("the upstream does not answer as a range API")
	// ErrSkipped says that an upstream did not give some of its ranges. All
	// others are in the corpus.
	ErrSkipped = errors.New("the upstream did not give all ranges")
)

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
	Ranges  int64    `json:"ranges"`           // asked for and answered
	Same    int64    `json:"same"`             // of them, those that the upstream said are as they were
	Bytes   int64    `json:"bytes"`            // received, as they came
	Skipped []string `json:"skipped,omitzero"` // ranges that it did not give, such as 0ABCD or 0B000-0B0FF
	Change
}

const (
	syncGroup    = 1 << 8 // ranges whose tags share a file
	maxRangeBody = 64 << 20
	syncTries    = 8           // of a range, and of an upstream that does not answer
	syncAway     = 64          // ranges in a row that fail, at least, before an upstream is away
	syncTimeout  = time.Minute // of one request: one that hangs holds the groups after it up
	syncPause    = time.Second
	maxPause     = 2 * time.Minute
	syncBatch    = 2 << 20
	syncAgent    = "shirase-password-sync"
	// syncLeft is for how long after a whole pass a sync takes up only what that one did
	// not get. Later a whole pass is due: one range that is never given must not
	// keep the others from being brought up to date.
	syncLeft = 24 * time.Hour
)

// Sync takes over what an upstream has. It remembers the entity tag of every
// range it got, so that the next sync transfers what changed; it folds in what it
// has from time to time, so that a sync that was stopped goes on near where it
// was. Counts are replaced by the upstream's; nothing is removed.
//
// A range that fails again and again is passed over: everything else is folded in,
// the error is an [ErrSkipped], and the next sync takes up only what was skipped.
// From the first sync on, ranges that were never fetched are missing in the corpus
// ([ErrIncomplete]), unless what was in it is an older edition of what the upstream
// has: unless it had more than half of the first part that came.
func (c *Corpora) Sync(ctx context.Context, o SyncOptions) (Sync, error) {
	u, base, origin, err := parseUpstream(o.URL)
	if err != nil {
		return Sync{}, err
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
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost, transport.DisableCompression = o.Workers, true
	defer transport.CloseIdleConnections()
	s := &syncer{c: c, o: o, base: base + "/range/", origin: origin,
		client: &http.Client{Transport: outward.Transport(transport), Timeout: syncTimeout}, limit: rate.NewLimiter(rate.Inf, 1), accept: "gzip",
		workers: make(chan struct{}, o.Workers), away: int64(max(syncAway, 2*o.Workers)), next: new(batch), folding: make(chan error, 1)}
	s.folding <- nil // as if one had just ended
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

// parseUpstream reads the address of an upstream, and gives the name by which a manifest knows it.
func parseUpstream(address string) (u *url.URL, base, origin string, err error) {
	u, err = url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, "", "", hint.Add(fmt.Errorf("upstream %q is not an address like https://passwords.example.org", address), "give its address with https://, without /range/")
	}
	base = strings.TrimRight(u.String(), "/")
	sum := sha256.Sum256([]byte(base))
	return u, base, hex.EncodeToString(sum[:8]), nil
}

// GiveUp ends with an upstream: what came from it stays, and what was in the corpus before
// answers again for the ranges that it did not give, as far as no other upstream is being
// synced from. Where there was nothing before, nothing can.
func (c *Corpora) GiveUp(ctx context.Context, m Mode, address string) error {
	_, _, origin, err := parseUpstream(address)
	if err != nil {
		return err
	}
	w, err := c.write(ctx, m, Replace)
	if err != nil {
		return err
	}
	defer w.close()
	at := slices.IndexFunc(w.next.Upstreams, func(u upstream) bool { return u.Origin == origin })
	if at < 0 {
		return fmt.Errorf("the %s corpus was never synced from %s", m, address)
	}
	if len(w.next.Missing) > 0 && len(w.next.Upstreams) == 1 {
		if w.next.Upstreams[at].Over == 0 {
			return hint.Add(fmt.Errorf("%w: there was nothing before what came from %s, and that is not all", ErrIncomplete, address),
				"sync goes on where it was; or remove the folder of the corpus")
		}
		w.next.Missing = nil
	}
	w.next.Upstreams = slices.Delete(slices.Clone(w.next.Upstreams), at, at+1)
	_, err = w.commit()
	return err
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
	origin   string
	accept   string // codings
	client   *http.Client
	limit    *rate.Limiter
	workers  chan struct{}
	received atomic.Int64
	pauseMu  sync.Mutex
	until    time.Time // when the upstream wants to be asked again

	away  int64        // failures in a row from which on it is away
	row   atomic.Int64 // failures in a row
	later atomic.Int64 // of failures of this round: when to ask again, as the upstream said, in nanoseconds
	soft  atomic.Int64 // failures of this round that may be none a little later

	next    *batch
	folding chan error // what the fold under way gives, or the last one gave
	total   int64
	out     Sync
	changes Change // of what was folded in, whichever goroutine did
}

// fetched is what a range's request gave.
type fetched struct {
	r         uint32
	tag       string
	unchanged bool
	records   records
	err       error
}

// records are hashes, one after the other in ascending order, and their counts.
type records struct {
	hashes []byte
	counts []uint64
}

// group is a part of a group of ranges being fetched.
type group struct {
	span
	known  map[uint32]string
	got    []fetched
	handed chan struct{} // closed when each of its ranges has had a worker
	done   sync.WaitGroup
}

// groupsAhead are the groups being fetched at a time: no worker waits for the slowest of a group.
const groupsAhead = 3

// round is what going once over the ranges that are wanted left over.
type round struct {
	got    int64
	failed []uint32
	rest   []span // not tried, because the upstream was away
	err    error  // of the first that failed
}

// run goes over the ranges, and again over those that failed, with longer and longer
// pauses, until nothing is left or nothing more comes.
func (s *syncer) run(ctx context.Context) error {
	keep := context.WithoutCancel(ctx) // what was fetched is folded in even so
	want, whole := s.wanted()
	s.total = spans(want).size()
	pause := s.o.retryPause
	var tried spans            // those that failed at least once
	away, back := false, false // the upstream was away, and gave something after that
	for idle := 0; ; {
		s.later.Store(0)
		s.soft.Store(0)
		s.row.Store(0)
		r, err := s.round(ctx, want)
		if failed := <-s.folding; failed != nil {
			s.folding <- nil
			return errors.Join(err, failed)
		}
		s.folding <- nil
		back = back || away && r.got > 0
		away = away || len(r.rest) > 0
		tried = tried.with(spansOf(r.failed))
		want = append(r.rest, spansOf(r.failed)...)
		switch {
		case err != nil:
			return errors.Join(err, s.fold(keep, s.next))
		case len(want) == 0:
			return s.end(keep, whole, nil, nil)
		case r.got > 0:
			idle, pause = 0, s.o.retryPause
		default:
			idle++
		}
		refused := s.out.Ranges == 0 && len(r.rest) > 0 && s.soft.Load() == 0
		if refused || idle == syncTries-1 {
			left := spans(nil).with(want)
			if len(r.rest) == 0 || back && len(left.without(tried)) == 0 {
				return s.end(keep, whole, left, r.err)
			}
			return errors.Join(hint.Add(r.err, "run it again later: it goes on where it was"), s.fold(keep, s.next))
		}
		if err := s.fold(keep, s.next); err != nil { // nothing waits in memory while the upstream is waited for
			return err
		}
		s.next = new(batch)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(max(pause+rand.N(pause), time.Duration(s.later.Load())), maxPause)):
		}
		pause = min(2*pause, maxPause)
	}
}

// wanted are the ranges to ask for: those that were skipped a short while ago, or all.
func (s *syncer) wanted() (want []span, whole bool) {
	all := spans{{s.o.From, s.o.To}}
	for _, u := range s.c.Corpus(s.o.Mode).current.Load().Upstreams {
		if u.Origin != s.origin || time.Since(u.Passed) > syncLeft {
			continue
		}
		if left := all.without(all.without(u.Skipped)); len(left) > 0 {
			return left, false
		}
	}
	return all, true
}

// end folds in what is left and writes down what was skipped.
func (s *syncer) end(ctx context.Context, whole bool, skipped spans, cause error) error {
	s.next.ended, s.next.whole, s.next.skipped = true, whole, skipped
	if err := s.fold(ctx, s.next); err != nil || len(skipped) == 0 {
		return err
	}
	s.out.Skipped = skipped.names()
	return hint.Add(fmt.Errorf("%w: %d are left: %s: %w", ErrSkipped, skipped.size(), skipped.some(), cause), "run it again: it takes up only these")
}

// round fetches group after group, and folds a batch in while the next one is fetched.
func (s *syncer) round(ctx context.Context, want []span) (r round, err error) {
	ctx, stop := context.WithCancel(ctx)
	var ahead []*group
	defer func() {
		stop()
		for _, g := range ahead {
			g.done.Wait()
		}
	}()
	before := make(chan struct{}) // groups are fetched one after the other
	close(before)
	parts := cut(want)
	for len(parts) > 0 || len(ahead) > 0 {
		for len(ahead) < groupsAhead && len(parts) > 0 && s.row.Load() < s.away {
			g, err := s.begin(ctx, parts[0], before)
			if err != nil {
				return r, err
			}
			ahead, parts, before = append(ahead, g), parts[1:], g.handed
		}
		if len(ahead) == 0 {
			break
		}
		g := ahead[0]
		g.done.Wait()
		if err := ctx.Err(); err != nil {
			return r, err
		}
		ahead = ahead[1:]
		s.gather(&r, g)
		if s.o.Progress != nil {
			s.o.Progress(s.out.Ranges, s.total)
		}
		if s.next.size >= s.o.batch {
			err := <-s.folding
			if err != nil {
				s.folding <- nil
				s.next = new(batch)
				return r, err
			}
			go func(b *batch) { s.folding <- s.fold(context.WithoutCancel(ctx), b) }(s.next)
			s.next = new(batch)
		}
	}
	r.rest = append(r.rest, parts...)
	return r, nil
}

// cut cuts spans where a group of ranges ends.
func cut(want []span) (out []span) {
	for _, x := range want {
		for x.From < x.To {
			to := min(x.To, (x.From/syncGroup+1)*syncGroup)
			out = append(out, span{x.From, to})
			x.From = to
		}
	}
	return out
}

// begin begins to fetch the ranges of one group, each when there is a worker for
// it that the group before does not want.
func (s *syncer) begin(ctx context.Context, part span, before chan struct{}) (*group, error) {
	known, err := s.readTags(s.c.Corpus(s.o.Mode).current.Load(), part.From/syncGroup)
	if err != nil {
		return nil, err
	}
	g := &group{span: part, known: known, got: make([]fetched, part.To-part.From), handed: make(chan struct{})}
	g.done.Go(func() {
		var fetching sync.WaitGroup
		defer fetching.Wait()
		defer close(g.handed)
		<-before
		for i := range g.got {
			select {
			case s.workers <- struct{}{}:
			case <-ctx.Done():
				return
			}
			fetching.Go(func() {
				defer func() { <-s.workers }()
				r := part.From + uint32(i)
				g.got[i] = s.fetch(ctx, r, known[r])
			})
		}
	})
	return g, nil
}

// gather adds a group that has been fetched to the batch.
func (s *syncer) gather(r *round, g *group) {
	for _, f := range g.got {
		switch {
		case errors.Is(f.err, errAway):
			if n := len(r.rest); n > 0 && r.rest[n-1].To == f.r {
				r.rest[n-1].To++
			} else {
				r.rest = append(r.rest, span{f.r, f.r + 1})
			}
			continue
		case f.err != nil:
			r.failed = append(r.failed, f.r)
			if r.err == nil {
				r.err = fmt.Errorf("range %05X: %w", f.r, f.err)
			}
			continue
		}
		r.got++
		s.out.Ranges++
		s.next.fetched = append(s.next.fetched, f.r)
		if f.unchanged {
			s.out.Same++
			continue
		}
		s.next.ranges = append(s.next.ranges, f)
		s.next.size += len(f.records.counts) + 1
	}
}

// batch is what is folded in at once.
type batch struct {
	ranges  []fetched
	size    int      // records and ranges
	fetched []uint32 // with those that are as they were
	ended   bool     // it is the last one
	whole   bool     // of a sync that asked for everything
	skipped spans    // and did not get these
}

// fold folds a batch in, with what is known of its ranges from then on.
func (s *syncer) fold(ctx context.Context, b *batch) error {
	if !s.news(b) {
		return nil
	}
	w, err := s.c.write(ctx, s.o.Mode, Replace)
	if err != nil {
		return err
	}
	defer w.close()
	slices.SortFunc(b.ranges, func(x, y fetched) int { return int(x.r) - int(y.r) })
	size := s.o.Mode.Size()
	for _, f := range b.ranges {
		for i, count := range f.records.counts {
			if err := w.add(f.records.hashes[i*size:(i+1)*size], count); err != nil {
				return err
			}
		}
	}
	if err := s.mark(w, b); err != nil {
		return err
	}
	change, err := w.commit()
	if err != nil {
		return err
	}
	s.changes.Added += change.Added
	s.changes.Updated += change.Updated
	s.changes.Unchanged += change.Unchanged
	s.changes.Written += change.Written
	return nil
}

// news reports that a batch changes something: most of the time, most ranges are as they were.
func (s *syncer) news(b *batch) bool {
	if len(b.ranges) > 0 || len(b.skipped) > 0 {
		return true
	}
	at := s.c.Corpus(s.o.Mode).current.Load()
	i := slices.IndexFunc(at.Upstreams, func(u upstream) bool { return u.Origin == s.origin })
	if i < 0 {
		return len(b.fetched) > 0
	}
	return b.ended && len(at.Upstreams[i].Skipped) > 0 || len(at.Missing) > 0 && at.Missing.without(spansOf(b.fetched)).size() < at.Missing.size()
}

// mark writes down what of the upstream the corpus will have.
func (s *syncer) mark(w *writer, b *batch) error {
	first := len(w.next.Upstreams) == 0
	if first && len(b.fetched) == 0 {
		return nil // it never gave anything
	}
	u := w.upstream(s.origin)
	if first {
		u.Over = w.before.Records
	}
	if first && w.change.Added >= w.change.Updated+w.change.Unchanged {
		w.next.Missing = spans{{0, ranges}}
	}
	if len(w.next.Missing) > 0 {
		w.next.Missing = w.next.Missing.without(spansOf(b.fetched))
	}
	switch {
	case b.ended && len(b.skipped) == 0:
		u.Skipped, u.Passed = nil, time.Time{}
	case b.ended && b.whole:
		u.Skipped, u.Passed = b.skipped, time.Now().UTC().Truncate(time.Second)
	case b.ended:
		u.Skipped = b.skipped
	}
	return s.writeTags(w.before, u, b.ranges)
}

// maxUpstreams are those of which tags are kept.
const maxUpstreams = 4

// upstream returns what is known of an upstream, to be changed; it is the last one from then on.
func (w *writer) upstream(origin string) *upstream {
	all := slices.Clone(w.next.Upstreams)
	u := upstream{Origin: origin, Tags: strings.Repeat("0", tagDigits*ranges/syncGroup)}
	if i := slices.IndexFunc(all, func(u upstream) bool { return u.Origin == origin }); i >= 0 {
		u = all[i]
		all = slices.Delete(all, i, i+1)
	}
	all = append(all[max(0, len(all)-maxUpstreams+1):], u)
	w.next.Upstreams = all
	return &all[len(all)-1]
}
