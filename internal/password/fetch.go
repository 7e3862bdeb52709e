package password

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"shirase/internal/files"
)

// readTags reads the entity tags of a group of ranges, in lines RANGE TAG. A
// file that is not what was written is as good as none: its ranges are fetched again.
func (s *syncer) readTags(at *snapshot, group uint32) (map[uint32]string, error) {
	known := map[uint32]string{}
	i := slices.IndexFunc(at.Upstreams, func(u upstream) bool { return u.Origin == s.origin })
	if i < 0 {
		return known, nil
	}
	name := at.Upstreams[i].file(s.o.Mode, group)
	if name == "" {
		return known, nil
	}
	b, err := s.c.dir.Get(name, 1<<20)
	if errors.Is(err, files.ErrNotExist) {
		return known, nil
	}
	if err != nil {
		return nil, err
	}
	if !strings.HasSuffix(name, "-"+tagSum(b)) {
		return known, nil
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

// tagSum is what of the SHA-256 of a file of tags is in its name.
func tagSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:tagDigits/2])
}

// writeTags writes the tags of ranges that came, which are in order, beside those that are there.
func (s *syncer) writeTags(at *snapshot, u *upstream, came []fetched) error {
	tags := []byte(u.Tags)
	for len(came) > 0 {
		group := came[0].r / syncGroup
		known, err := s.readTags(at, group)
		if err != nil {
			return err
		}
		for len(came) > 0 && came[0].r/syncGroup == group {
			if known[came[0].r] = came[0].tag; came[0].tag == "" {
				delete(known, came[0].r)
			}
			came = came[1:]
		}
		var b bytes.Buffer
		for r := group * syncGroup; r < (group+1)*syncGroup; r++ {
			if tag := known[r]; tag != "" {
				fmt.Fprintf(&b, "%05X %s\n", r, tag)
			}
		}
		digits := strings.Repeat("0", tagDigits)
		if b.Len() > 0 {
			digits = tagSum(b.Bytes())
		}
		copy(tags[tagDigits*group:], digits)
		u.Tags = string(tags)
		if name := u.file(s.o.Mode, group); name != "" {
			if err := s.c.dir.Put(name, b.Bytes()); err != nil {
				return err
			}
		}
	}
	return nil
}

// validTag accepts an entity tag as RFC 9110, 8.8.3 writes one, of reasonable length.
func validTag(tag string) bool {
	t := strings.TrimPrefix(tag, "W/")
	return len(t) >= 2 && len(t) < 200 && t[0] == '"' && t[len(t)-1] == '"' && !strings.ContainsFunc(t, func(r rune) bool { return r < 0x21 || r > 0x7E }) &&
		strings.Count(t, `"`) == 2
}

// errAway says that a range was not asked for, because too many before it failed.
var errAway = errors.New("the upstream is away")

// fetch asks for a range. Only who asks too often waits and asks again at once; whatever
// else fails is left for the next round.
func (s *syncer) fetch(ctx context.Context, r uint32, tag string) fetched {
	for try := 1; ; try++ {
		if s.row.Load() >= s.away {
			return fetched{r: r, err: errAway}
		}
		if err := s.wait(ctx); err != nil {
			return fetched{r: r, err: err}
		}
		f, after, err := s.once(ctx, r, tag)
		f.r, f.err = r, err
		switch {
		case err == nil:
			s.row.Store(0)
			return f
		case ctx.Err() != nil:
			return f
		case errors.Is(err, errTooMany) && try < syncTries:
			s.hold(min(max(after, s.o.retryPause), maxPause)) // everybody waits, not this request alone
			continue
		}
		s.row.Add(1)
		if after >= 0 {
			s.soft.Add(1)
			for old := s.later.Load(); int64(after) > old && !s.later.CompareAndSwap(old, int64(after)); old = s.later.Load() {
			}
		}
		return f
	}
}

// errTooMany says that the upstream wants to be asked less often.
var errTooMany = fmt.Errorf("%w: %s", ErrUpstream, http.StatusText(http.StatusTooManyRequests))

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
// being not told, below 0 that another try is hardly of use.
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
	switch {
	case res.StatusCode == http.StatusNotModified && tag != "":
		f.unchanged = true
		return f, 0, nil
	case res.StatusCode == http.StatusTooManyRequests:
		io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10))
		return f, retryAfter(res.Header.Get("Retry-After")), errTooMany
	case res.StatusCode != http.StatusOK:
		return refusal(res)
	}
	if f.tag = res.Header.Get("ETag"); !validTag(f.tag) {
		f.tag = ""
	}
	if f.records, err = s.parse(res, r); errors.Is(err, ErrUpstream) {
		return f, -1, err
	}
	return f, 0, err // a body that broke off is asked for again
}

// refusal reads an answer without a range. Another Shirase says by name that it has no
// such corpus, or not this range of it: it will not have it a little later either.
func refusal(res *http.Response) (f fetched, after time.Duration, err error) {
	body, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	err = fmt.Errorf("%w: %s", ErrUpstream, res.Status)
	if t, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); t == "application/problem+json" {
		if code := problemOf(body); code != "" {
			return f, -1, fmt.Errorf("%w (%s)", err, code)
		}
	}
	if res.StatusCode < 500 && res.StatusCode != http.StatusRequestTimeout {
		return f, -1, err
	}
	return f, retryAfter(res.Header.Get("Retry-After")), err
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
