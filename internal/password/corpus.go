package password

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/files"
	"shirase/internal/hint"
)

// Errors of a corpus.
var (
	// ErrHash reports a hash of a wrong length.
	ErrHash = errors.New("not a hash of this corpus")
	// ErrLocked says that another process is changing the corpora of the folder.
	ErrLocked = errors.New("the corpora are being changed by another process")
)

// manifest names the segment files of a corpus. Its file is canonical JSON, a
// line end, and the SHA-256 of what is before it in hex and another line end.
type manifest struct {
	V          int           `json:"v"`
	Mode       string        `json:"mode"`
	Generation int64         `json:"generation"`
	Updated    time.Time     `json:"updated"`
	Records    int64         `json:"records"`
	Segments   []segmentInfo `json:"segments"`
}

// segmentInfo is a segment file: its name follows from what is in it.
type segmentInfo struct {
	From    uint32 `json:"from"` // the first range
	To      uint32 `json:"to"`   // the range after the last
	Records int64  `json:"records"`
	Size    int64  `json:"size"`
	SHA256  string `json:"sha256"`
}

func (i segmentInfo) name(m Mode) string { return m.String() + "/" + i.SHA256[:32] + ".seg" }

const (
	manifestVersion = 1
	maxManifest     = 64 << 20
)

func manifestName(m Mode) string { return m.String() + "/current" }

func (m *manifest) encode() ([]byte, error) {
	b, err := json.Marshal(m, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	b = append(b, '\n')
	sum := sha256.Sum256(b)
	return append(hex.AppendEncode(b, sum[:]), '\n'), nil
}

// parseManifest reads what encode writes, and refuses anything else.
func parseManifest(mode Mode, b []byte) (*manifest, error) {
	const tail = 2*sha256.Size + 1
	if len(b) < tail+2 || b[len(b)-1] != '\n' || b[len(b)-tail-1] != '\n' {
		return nil, damaged("manifest: no checksum")
	}
	body := b[:len(b)-tail]
	sum := sha256.Sum256(body)
	if string(b[len(body):len(b)-1]) != hex.EncodeToString(sum[:]) {
		return nil, damaged("manifest: checksum")
	}
	m := new(manifest)
	if err := json.Unmarshal(body, m); err != nil {
		return nil, damaged("manifest: %v", err)
	}
	if m.V > manifestVersion {
		return nil, ErrNewer
	}
	next, n := uint32(0), int64(0)
	for _, s := range m.Segments {
		if s.From != next || s.To <= s.From || s.To > ranges || len(s.SHA256) != 2*sha256.Size || strings.Trim(s.SHA256, "0123456789abcdef") != "" ||
			s.Records < 0 || s.Size < 0 {
			return nil, damaged("manifest: segments")
		}
		next, n = s.To, n+s.Records
	}
	if m.V < 1 || m.Mode != mode.String() || m.Generation < 0 || n != m.Records || next != 0 && next != ranges {
		return nil, damaged("manifest")
	}
	return m, nil
}

// A snapshot is one generation of a corpus, open.
type snapshot struct {
	manifest
	modified []string // Last-Modified of what is served of it; nil of an empty corpus that never was changed
	segments []*segment
	starts   [ranges >> startShift]uint32 // the segment of the first of 1,024 ranges
	ends     []uint32                     // of the segments: the range after the last
	known    func() *known                // made by the first request
}

// known is, for each range that somebody asked for, what its records' tag and
// its text's CRC-32 (IEEE) are; 0: not known yet.
type known struct {
	tags [ranges]atomic.Uint64
	sums [ranges]atomic.Uint32
}

// of returns the segment that holds a range; nil in an empty corpus.
func (s *snapshot) of(r uint32) *segment {
	if len(s.segments) == 0 {
		return nil
	}
	i := s.starts[r>>startShift]
	for s.ends[i] <= r {
		i++
	}
	return s.segments[i]
}

// startShift leaves of a range its 10 leading bits: a billion records make some
// 700 segments, so that the first guess is nearly always right.
const startShift = rangeBits - 10

// index makes what of reads.
func (s *snapshot) index() {
	for i, seg := range s.segments {
		s.ends = append(s.ends, seg.to)
		for r := (seg.from + 1<<startShift - 1) >> startShift; r <= (seg.to-1)>>startShift; r++ {
			s.starts[r] = uint32(i)
		}
	}
}

// Corpora is a folder with a corpus for each mode.
type Corpora struct {
	root string
	dir  *files.Dir
	tune tuning
	mu   sync.Mutex // one change at a time
	all  [len(Modes)]Corpus
}

// Open opens the corpora of a folder, making it where it is missing. A missing corpus is an empty one.
func Open(root string) (*Corpora, error) {
	dir, err := files.Open(root)
	if err != nil {
		return nil, err
	}
	c := &Corpora{root: root, dir: dir, tune: defaultTuning}
	for i, m := range Modes {
		c.all[i].mode, c.all[i].root, c.all[i].dir = m, root, dir
		if err := c.all[i].Refresh(); err != nil {
			dir.Close()
			return nil, err
		}
	}
	return c, nil
}

// Close releases the folder.
func (c *Corpora) Close() error { return c.dir.Close() }

// Corpus returns the corpus of a mode.
func (c *Corpora) Corpus(m Mode) *Corpus { return &c.all[m-SHA1] }

// A Corpus is the set of hashes of one mode. It is safe for concurrent use.
type Corpus struct {
	mode    Mode
	root    string
	dir     *files.Dir
	turn    sync.Mutex // of going over to another generation: the newest read is the last stored
	current atomic.Pointer[snapshot]

	unmapped bool // files are read, not mapped: tests try what other systems do
}

// Info says what a corpus is at the moment.
type Info struct {
	Mode       string    `json:"mode"`
	Generation int64     `json:"generation"` // grows with every change
	Updated    time.Time `json:"updated,omitzero"`
	Records    int64     `json:"records"`
	Segments   int       `json:"segments"`
	Bytes      int64     `json:"bytes"` // of its segment files
}

// Info returns the figures of the generation being read.
func (c *Corpus) Info() Info {
	s := c.current.Load()
	out := Info{Mode: c.mode.String(), Generation: s.Generation, Updated: s.Updated, Records: s.Records, Segments: len(s.segments)}
	for _, i := range s.manifest.Segments {
		out.Bytes += i.Size
	}
	return out
}

// Refresh goes over to the newest generation on disk. Lookups that are under way end in the one they began with.
func (c *Corpus) Refresh() error {
	c.turn.Lock()
	defer c.turn.Unlock()
	for try := 0; ; try++ {
		m, err := c.manifest()
		if err != nil {
			return err
		}
		if old := c.current.Load(); old != nil && old.Generation == m.Generation && old.Updated.Equal(m.Updated) && old.Records == m.Records {
			return nil
		}
		s, err := c.open(m)
		if err == nil {
			c.current.Store(s)
			return nil
		}
		// The generation may have been replaced, and its files removed, between the two.
		if !errors.Is(err, files.ErrNotExist) || try == 5 {
			return err
		}
	}
}

// fresh is how often a server looks for a new generation.
const fresh = 2 * time.Second

// KeepFresh goes over to every new generation, whoever made it, until ctx ends. failed hears of errors, once each.
func (c *Corpora) KeepFresh(ctx context.Context, failed func(error)) {
	tick := time.NewTicker(fresh)
	defer tick.Stop()
	last := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for i := range c.all {
			if err := c.all[i].Refresh(); err == nil {
				last = ""
			} else if err.Error() != last {
				last = err.Error()
				failed(err)
			}
		}
	}
}

// manifest reads the current manifest; an empty one where there is none.
func (c *Corpus) manifest() (*manifest, error) {
	b, err := c.dir.Get(manifestName(c.mode), maxManifest)
	if errors.Is(err, files.ErrNotExist) {
		return &manifest{V: manifestVersion, Mode: c.mode.String()}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open the %s corpus: %w", c.mode, err)
	}
	m, err := parseManifest(c.mode, b)
	if err != nil {
		return nil, hint.Add(fmt.Errorf("open the %s corpus: %s: %w", c.mode, manifestName(c.mode), err),
			"take the folder from a backup, or remove it and import again")
	}
	return m, nil
}

// open opens the files of a generation; those that the generation being read has open already are taken over.
func (c *Corpus) open(m *manifest) (*snapshot, error) {
	have := map[string]*segment{}
	if old := c.current.Load(); old != nil {
		for i, s := range old.segments {
			have[old.manifest.Segments[i].SHA256] = s
		}
	}
	s := &snapshot{manifest: *m, known: sync.OnceValue(func() *known { return new(known) })}
	if !m.Updated.IsZero() {
		s.modified = []string{m.Updated.UTC().Format(http.TimeFormat)}
	}
	for _, info := range m.Segments {
		seg := have[info.SHA256]
		if seg == nil {
			f, err := c.dir.Open(info.name(c.mode))
			if err != nil {
				return nil, fmt.Errorf("open the %s corpus: %w", c.mode, err)
			}
			var mapped []byte
			if !c.unmapped {
				mapped, _ = mapFile(f) // where it cannot be mapped it is read
			}
			if seg, err = openSegment(f, f.Size(), mapped); err != nil {
				f.Close()
				unmapFile(mapped)
				return nil, c.broken(info, err)
			}
		}
		if seg.mode != c.mode || seg.from != info.From || seg.to != info.To || seg.records != info.Records {
			return nil, c.broken(info, damaged("it is not the one that the manifest names"))
		}
		s.segments = append(s.segments, seg)
	}
	s.index()
	return s, nil
}

// broken names the file in which something is wrong.
func (c *Corpus) broken(info segmentInfo, err error) error {
	return hint.Add(fmt.Errorf("%s corpus: %s: %w", c.mode, info.name(c.mode), err),
		"shirase password verify names every damaged file; take them from a backup, or remove the corpus and import again")
}

// Count returns how often the password with this hash was seen; 0: it is not in the corpus.
func (c *Corpus) Count(hash []byte) (uint64, error) {
	if len(hash) != c.mode.Size() {
		return 0, ErrHash
	}
	s := c.current.Load().of(uint32(top(hash) >> rangeShift))
	if s == nil {
		return 0, nil
	}
	return s.lookup(hash)
}

// Verify reads every byte of the corpus and recomputes every checksum; it
// returns the first error, which names the file. tell may be nil.
func (c *Corpus) Verify(ctx context.Context, tell func(done, total int64)) (Info, error) {
	m, err := c.manifest()
	if err != nil {
		return Info{}, err
	}
	s, err := c.open(m)
	if err != nil {
		return Info{}, err
	}
	var done, total int64
	for _, i := range m.Segments {
		total += i.Size
	}
	for i, info := range m.Segments {
		if err := ctx.Err(); err != nil {
			return Info{}, fmt.Errorf("verify the %s corpus: %w", c.mode, err)
		}
		seg := s.segments[i]
		h := sha256.New()
		n, err := io.Copy(h, io.NewSectionReader(seg.f, 0, info.Size+1))
		if err != nil {
			return Info{}, c.broken(info, err)
		}
		if n != info.Size || hex.EncodeToString(h.Sum(nil)) != info.SHA256 {
			return Info{}, c.broken(info, damaged("SHA-256"))
		}
		if err := seg.check(); err != nil {
			return Info{}, c.broken(info, err)
		}
		if done += n; tell != nil {
			tell(done, total)
		}
	}
	out := Info{Mode: c.mode.String(), Generation: m.Generation, Updated: m.Updated, Records: m.Records, Segments: len(m.Segments), Bytes: total}
	return out, nil
}

// each calls visit with every record of a generation, in order; hash is valid during the call.
func (s *snapshot) each(ctx context.Context, visit func(hash []byte, count uint64) error) error {
	for _, seg := range s.segments {
		if err := ctx.Err(); err != nil {
			return err
		}
		c := cursor{s: seg}
		for {
			ok, err := c.more()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			if err := visit(c.hash(), c.count()); err != nil {
				return err
			}
			c.at++
		}
	}
	return nil
}

// lockPath is the file whose lock a process holds while it changes corpora.
func (c *Corpora) lockPath() string { return filepath.Join(c.root, ".lock") }
