package password

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"shirase/internal/files"
	"shirase/internal/hint"
)

// Errors of a corpus. Those that say that there is no answer are never a "not found".
var (
	// ErrHash reports a hash of a wrong length.
	ErrHash = errors.New("not a hash of this corpus")
	// ErrLocked says that another process is changing the corpora of the folder.
	ErrLocked = errors.New("the corpora are being changed by another process")
	// ErrNone says that there is no corpus: nothing was ever imported into it, or everything was taken back.
	ErrNone = errors.New("there is no corpus")
	// ErrIncomplete says that a corpus lacks ranges, which a sync from an
	// upstream has not got so far.
	ErrIncomplete = errors.New("the corpus is incomplete")
)

// A snapshot is one generation of a corpus, open.
type snapshot struct {
	manifest
	set
	none     error         // why it answers nothing at all; nil: it does
	modified []string      // Last-Modified of what is served of it
	known    func() *known // made by the first request
}

// known is, for each range that somebody asked for, what its records' tag and
// its text's CRC-32 (IEEE) are; 0: not known yet.
type known struct {
	tags [ranges]atomic.Uint64
	sums [ranges]atomic.Uint32
}

// lacks says why nothing can be said of a password that is not found in a range;
// nil: it is not in the corpus. The error does not name the range: it is what
// somebody asked about.
func (s *snapshot) lacks(r uint32) error {
	if s.none != nil {
		return s.none
	}
	if len(s.Missing) > 0 && s.Missing.has(r) {
		return s.incomplete()
	}
	return nil
}

// whole says why nothing can be said of the corpus as a whole.
func (s *snapshot) whole() error {
	if s.none == nil && len(s.Missing) > 0 {
		return s.incomplete()
	}
	return s.none
}

func (s *snapshot) incomplete() error {
	return hint.Add(fmt.Errorf("%w: %d of %d ranges of the %s corpus were never fetched", ErrIncomplete, s.Missing.size(), ranges, s.Mode),
		"shirase password sync goes on where it was")
}

// Corpora is a folder with a corpus for each mode.
type Corpora struct {
	root string
	dir  *files.Dir
	tune tuning
	mu   sync.Mutex // one change at a time
	all  [len(Modes)]Corpus
}

// Open opens the corpora of a folder, making it where it is missing. A corpus
// that is not there or cannot be read is no error here: it answers every question
// with why it cannot.
func Open(root string) (*Corpora, error) {
	dir, err := files.Open(root)
	if err != nil {
		return nil, err
	}
	c := &Corpora{root: root, dir: dir, tune: defaultTuning}
	for i, m := range Modes {
		c.all[i].mode, c.all[i].root, c.all[i].dir = m, root, dir
		c.all[i].Refresh() // an error is what it answers with
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
	State      string    `json:"state"`      // "whole", "incomplete", "none" or "damaged"; only a whole one answers everything
	Generation int64     `json:"generation"` // grows with every change
	Updated    time.Time `json:"updated,omitzero"`
	Records    int64     `json:"records"`
	Segments   int       `json:"segments"`
	Bytes      int64     `json:"bytes"`            // of its segment files
	Missing    int64     `json:"missing,omitzero"` // of an incomplete one: ranges that were never fetched
}

// Info returns the figures of the generation being read.
func (c *Corpus) Info() Info {
	s := c.current.Load()
	out := s.info(c.mode)
	out.State = stateOf(s.whole())
	return out
}

// stateOf names what is wrong with a corpus.
func stateOf(err error) string {
	switch {
	case err == nil:
		return "whole"
	case errors.Is(err, ErrDamaged) || errors.Is(err, ErrNewer):
		return "damaged"
	case errors.Is(err, ErrIncomplete):
		return "incomplete"
	case errors.Is(err, ErrNone):
		return "none"
	}
	return "damaged"
}

// info gives the figures of what a manifest names.
func (m *manifest) info(mode Mode) Info {
	out := Info{Mode: mode.String(), Generation: m.Generation, Updated: m.Updated, Records: m.Records, Segments: len(m.Segments), Missing: m.Missing.size()}
	for _, i := range m.Segments {
		out.Bytes += i.Size
	}
	return out
}

// Ready says why the corpus gives no answers, or not all; nil: it does.
func (c *Corpus) Ready() error { return c.current.Load().whole() }

// Refresh goes over to the newest generation on disk. Lookups that are under way
// end in the one they began with. Where the newest cannot be read, the one that is
// open goes on.
func (c *Corpus) Refresh() error {
	c.turn.Lock()
	defer c.turn.Unlock()
	s, err := c.newest()
	if s != nil {
		c.current.Store(s)
	}
	if open := c.current.Load(); err != nil && (open == nil || open.none != nil) {
		c.current.Store(&snapshot{manifest: manifest{Mode: c.mode.String()}, none: closed{err}})
	}
	return err
}

// closed is why a corpus that ought to be there answers nothing.
type closed struct{ error }

func (e closed) Unwrap() error        { return e.error }
func (e closed) Is(target error) bool { return target == ErrDamaged && !errors.Is(e.error, ErrNewer) } // whatever it is that cannot be read

// newest opens the newest generation; nil where it is the one that is open.
func (c *Corpus) newest() (*snapshot, error) {
	for try := 0; ; try++ {
		m, err := c.manifest()
		if err != nil {
			return nil, err
		}
		if old := c.current.Load(); old != nil && (old.none == nil || errors.Is(old.none, ErrNone)) &&
			old.Generation == m.Generation && old.Updated.Equal(m.Updated) && old.Records == m.Records {
			return nil, nil
		}
		s, err := c.open(m)
		if err == nil {
			return s, nil
		}
		// The generation may have been replaced, and its files removed, between the two.
		if !errors.Is(err, files.ErrNotExist) || try == 5 {
			return nil, err
		}
	}
}

// fresh is how often a server looks for a new generation.
const fresh = 2 * time.Second

// KeepFresh goes over to every new generation, whoever made it, until ctx ends. failed hears of errors, once each.
func (c *Corpora) KeepFresh(ctx context.Context, failed func(error)) {
	tick := time.NewTicker(fresh)
	defer tick.Stop()
	var last [len(Modes)]string
	for {
		for i := range c.all {
			text := ""
			err := c.all[i].Refresh()
			if err != nil {
				text = err.Error()
			}
			if text != last[i] && text != "" {
				failed(err)
			}
			last[i] = text
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// manifest reads the current manifest; one of generation 0 where nothing was ever imported.
func (c *Corpus) manifest() (*manifest, error) {
	b, err := c.dir.Get(manifestName(c.mode), maxManifest)
	if errors.Is(err, files.ErrNotExist) {
		unnamed, err := c.unnamed(nil)
		if err != nil {
			return nil, fmt.Errorf("open the %s corpus: %w", c.mode, err)
		}
		if len(unnamed) > 0 {
			return nil, c.lost(unnamed)
		}
		return &manifest{V: manifestVersion, Mode: c.mode.String()}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open the %s corpus: %w", c.mode, err)
	}
	m, err := parseManifest(c.mode, b)
	if err != nil {
		return nil, hint.Add(fmt.Errorf("open the %s corpus: %s: %w", c.mode, manifestName(c.mode), err), restoreHint)
	}
	return m, nil
}

// lost is the error of segments without a manifest.
func (c *Corpus) lost(segments []string) error {
	return hint.Add(fmt.Errorf("open the %s corpus: %s: %w: it is missing, and there are %d segments that it must have named",
		c.mode, manifestName(c.mode), ErrDamaged, len(segments)), restoreHint)
}

const (
	restoreHint = "take the whole folder from a backup: shirase restore SRC --only password; or remove it and import again"
	verifyHint  = "shirase password verify names every damaged file; take them from a backup: shirase restore SRC --only password; or remove the corpus and import again"
)

// unnamed lists segment files that no manifest names; nil: that none does.
func (c *Corpus) unnamed(m *manifest) ([]string, error) {
	names, err := c.dir.List(c.mode.String())
	if err != nil {
		return nil, err
	}
	var named map[string]bool
	if m != nil {
		named = m.files(c.mode)
	}
	var out []string
	for _, name := range names {
		if strings.HasSuffix(name, ".seg") && !named[name] {
			out = append(out, name)
		}
	}
	return out, nil
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
	if m.Records == 0 {
		s.none = hint.Add(fmt.Errorf("%w: the %s corpus is empty, so that nothing can be said of any password", ErrNone, c.mode),
			"import one: shirase password import FILE; or take it over: shirase password sync --from URL")
	}
	if !m.Updated.IsZero() {
		s.modified = []string{m.Updated.UTC().Format(http.TimeFormat)}
	}
	segments, err := c.openSet(m.Segments, have)
	if err != nil {
		return nil, err
	}
	s.set = *segments
	return s, nil
}

// broken names the file in which something is wrong.
func (c *Corpus) broken(info segmentInfo, err error) error {
	return hint.Add(fmt.Errorf("%s corpus: %s: %w", c.mode, info.name(c.mode), err), verifyHint)
}

// Count returns how often the password with this hash was seen; 0: it is not in
// the corpus. Where the corpus cannot know that, the error says why: [ErrNone],
// [ErrIncomplete], [ErrDamaged] or [ErrNewer].
func (c *Corpus) Count(hash []byte) (uint64, error) {
	if len(hash) != c.mode.Size() {
		return 0, ErrHash
	}
	s := c.current.Load()
	if s.none != nil {
		return 0, s.none
	}
	n, err := s.lookup(hash)
	if n == 0 && err == nil && len(s.Missing) > 0 {
		err = s.lacks(uint32(top(hash) >> rangeShift))
	}
	return n, err
}

// lockPath is the file whose lock a process holds while it changes corpora.
func (c *Corpora) lockPath() string { return filepath.Join(c.root, ".lock") }
