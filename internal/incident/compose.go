package incident

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"shirase/internal/hint"
	"shirase/internal/web"
)

// Draft is what a notice is composed from.
type Draft struct {
	Kind  string
	About int64     // addendum, correction, retraction: the version; 0 is the newest whole one that still stands
	Item  string    // addendum: the fact addendum that is published; the facts are then those known as of it
	Only  []string  // of what is not published yet: only these, each a key or a key and an id; nil: everything
	Text  Text      // Markdown with references to facts; empty: drafted from the facts
	AsOf  time.Time // leave out what is known only as of later; zero: leave out nothing
	Figures
}

// DraftText returns the Markdown that a notice would be composed from, with its references to facts, for editing, and the
// facts that it would make public and that are in no notice yet.
func (s *Incidents) DraftText(ctx context.Context, id string, d Draft) (Text, []Fact, error) {
	c, err := s.prepare(ctx, id, &d)
	if err != nil {
		return Text{}, nil, fmt.Errorf("draft a notice of %s: %w", id, err)
	}
	return c.draft(d), c.changes, nil
}

// Compose makes the next version of an incident's notice of the kind that d names. Nothing is stored until
// RecordNotice. Errors: ErrNotFound, ErrNotice, ErrNoNotice, ErrNothingNew.
func (s *Incidents) Compose(ctx context.Context, id string, d Draft) (Notice, error) {
	n, err := s.compose(ctx, id, d)
	if err != nil {
		return Notice{}, fmt.Errorf("compose a notice of %s: %w", id, err)
	}
	return n, nil
}

func (s *Incidents) compose(ctx context.Context, id string, d Draft) (Notice, error) {
	c, err := s.prepare(ctx, id, &d)
	if err != nil {
		return Notice{}, err
	}
	if c.whole(d) && d.Text == (Text{}) { // the text that publish writes, which needs no references
		n, err := s.PrepareNotice(ctx, c.inc, d.Figures)
		if err == nil && n.Kind != d.Kind {
			err = kindError(d.Kind, n.Version)
		}
		return n, err
	}
	if d.Text == (Text{}) {
		if d.Kind == KindRetraction {
			return Notice{}, hint.Add(fmt.Errorf("%w: a retraction has to say why", ErrNotice), "write it with --text-ja and --text-en; `shirase notice draft` begins it")
		}
		if len(c.changes) == 0 {
			return Notice{}, hint.Add(ErrNothingNew, "record the facts first (shirase incident add), or write the text with --text-ja and --text-en")
		}
		d.Text = c.draft(d)
	}
	if d.Figures.Time.IsZero() {
		d.Figures.Time = s.now()
	}
	n := Notice{
		ID: NoticeID(id, c.next), Incident: id, Version: c.next, Kind: d.Kind, Time: d.Figures.Time.UTC().Truncate(time.Second),
		About: d.About, Item: d.Item, Draft: d.Text, LedgerIndex: -1,
	}
	if n.Text.JA, err = c.inc.Render(web.JA, "text.ja", d.Text.JA); err != nil {
		return Notice{}, err
	}
	if n.Text.EN, err = c.inc.Render(web.EN, "text.en", d.Text.EN); err != nil {
		return Notice{}, err
	}
	if n.Facts, err = c.freeze(d); err != nil {
		return Notice{}, err
	}
	if d.Kind == KindCorrection {
		n.Was = c.was()
	}
	if err := n.encode(); err != nil {
		return Notice{}, err
	}
	if _, err := ParseNotice(n.Data); err != nil { // what is signed can be read again
		return Notice{}, err
	}
	return n, nil
}

// composition is what is known when a notice is composed.
type composition struct {
	inc       Incident
	before    []Notice
	next      int64
	published []Fact // as the notices before froze them
	changes   []Fact // what holds now and was not published so, and what was taken back
}

// prepare reads the incident and its notices, and completes and checks d.
func (s *Incidents) prepare(ctx context.Context, id string, d *Draft) (*composition, error) {
	if !slices.Contains(noticeKinds, d.Kind) {
		return nil, hint.Add(fmt.Errorf("%w: no kind %q", ErrNotice, clip(d.Kind)), suggest(d.Kind, noticeKinds))
	}
	inc, known, err := s.getAsOf(ctx, id, d.AsOf)
	if err != nil {
		return nil, err
	}
	if d.Item != "" {
		if d.Kind != KindAddendum {
			return nil, fmt.Errorf("%w: only an addendum publishes a fact addendum", ErrNotice)
		}
		found, err := inc.lookup("--addendum", reference{key: "addendum", item: d.Item})
		if err != nil {
			return nil, err
		}
		if d.AsOf.IsZero() {
			if inc, known, err = s.getAsOf(ctx, id, found[0].AsOf.Time); err != nil {
				return nil, err
			}
		}
	}
	before, err := s.Notices(ctx, id)
	if err != nil {
		return nil, err
	}
	c := &composition{inc: inc, before: before, next: int64(len(before)) + 1, published: Published(before)}
	c.changes = changes(c.published, known, inc.Facts)
	if err := c.choose(*d); err != nil {
		return nil, err
	}
	if c.whole(*d) {
		if (d.Kind == KindFirst) != (c.next == 1) {
			return nil, kindError(d.Kind, c.next)
		}
		return c, nil
	}
	return c, c.aim(d)
}

// choose keeps of the changes those that the notice is to tell. A retraction with a text of its own tells none that the text
// does not refer to: whoever withdraws a version does not mean to announce something else.
func (c *composition) choose(d Draft) error {
	if d.Kind == KindRetraction && d.Only == nil {
		d.Only = []string{""}
	}
	if d.Only == nil {
		return nil
	}
	if c.whole(d) {
		return hint.Add(fmt.Errorf("%w: a whole text tells every fact that holds", ErrNotice), "publish an addendum to tell some of them")
	}
	var kept []Fact
	for _, only := range d.Only {
		if only == "" {
			continue
		}
		key, item, _ := strings.Cut(only, " ")
		found := false
		for _, f := range c.changes {
			if f.Key == key && (item == "" || f.Item == item) {
				found = true
				if !slices.ContainsFunc(kept, sameAs(f)) {
					kept = append(kept, f)
				}
			}
		}
		if !found {
			return hint.Add(fmt.Errorf("%w: %q is no fact that waits to be published", ErrNotice, clip(only)), "shirase incident show "+c.inc.ID+" lists them under \"In no notice yet\"")
		}
	}
	c.changes = kept
	return nil
}

// kindError refuses a kind that the next version cannot have.
func kindError(kind string, next int64) error {
	if kind == KindFirst {
		return hint.Add(fmt.Errorf("%w: there is a first notice already, this is version %d", ErrNotice, next), "choose revision, addendum, correction or retraction")
	}
	return hint.Add(fmt.Errorf("%w: %s of a notice that was never published", ErrNotice, kind), "publish the first one: shirase publish ID")
}

// whole reports whether d is a text of its own.
func (c *composition) whole(d Draft) bool { return d.Kind == KindFirst || d.Kind == KindRevision }

// aim finds the version that d is about, and refuses one that it cannot be about.
func (c *composition) aim(d *Draft) error {
	if c.next == 1 {
		return kindError(d.Kind, 1)
	}
	standing := Standings(c.before)
	if d.About == 0 {
		for _, n := range slices.Backward(c.before) {
			if n.Whole() && standing[n.Version].Withdrawn == 0 {
				d.About = n.Version
				break
			}
		}
		if d.About == 0 || d.Kind == KindRetraction && c.next > 2 {
			return hint.Add(fmt.Errorf("%w: which version is it about?", ErrNotice), "say it with --about VERSION")
		}
	}
	if d.About < 1 || d.About >= c.next {
		return hint.Add(fmt.Errorf("%w: version %d", ErrNoNotice, d.About), "the newest is "+strconv.FormatInt(c.next-1, 10))
	}
	about := c.before[d.About-1]
	switch by := standing[d.About].Withdrawn; {
	case by != 0:
		return hint.Add(fmt.Errorf("%w: version %d was withdrawn by version %d", ErrNotice, d.About, by), "publish a revision: shirase notice publish ID --kind revision")
	case about.Kind == KindRetraction:
		return hint.Add(fmt.Errorf("%w: version %d is a retraction, and nothing is unsaid", ErrNotice, d.About), "say it again with a revision: shirase notice publish ID --kind revision")
	}
	return nil
}

// freeze gives the facts that the notice holds: all of a whole one, else those that are new and those that its text
// refers to.
func (c *composition) freeze(d Draft) ([]Fact, error) {
	if c.whole(d) {
		return frozen(c.inc.Facts), nil
	}
	out := slices.Clone(c.changes)
	for _, text := range []struct{ name, text string }{{"text.ja", d.Text.JA}, {"text.en", d.Text.EN}} {
		refs, err := c.inc.referred(text.name, text.text)
		if err != nil {
			return nil, err
		}
		for _, f := range refs {
			if !slices.ContainsFunc(out, sameAs(f)) {
				out = append(out, f)
			}
		}
	}
	return frozen(out), nil
}

// was gives the facts as they were published before this notice, of those that it changes.
func (c *composition) was() []Fact {
	var out []Fact
	for _, f := range c.published {
		if slices.ContainsFunc(c.changes, sameAs(f)) {
			out = append(out, f)
		}
	}
	return out
}

// sameAs tells facts about the same thing as f.
func sameAs(f Fact) func(Fact) bool {
	return func(g Fact) bool { return g.Key == f.Key && g.Item == f.Item }
}

// Published returns the facts as a sequence of notices, the first version first, leaves them: what was last said of
// each.
func Published(notices []Notice) []Fact {
	var s state
	for _, n := range notices {
		s = s.after(n)
	}
	return s.Signed
}

// changes lists what differs from the published state: facts that hold now, and items that known says were taken back.
func changes(state, known, now []Fact) []Fact {
	var out []Fact
	for _, f := range now {
		i := slices.IndexFunc(state, sameAs(f))
		if i < 0 || !equalFact(state[i], f) {
			out = append(out, f)
		}
	}
	for _, f := range state {
		if slices.ContainsFunc(now, sameAs(f)) {
			continue
		}
		for _, g := range slices.Backward(known) {
			if g.Retracted && sameAs(f)(g) {
				out = append(out, g)
				break
			}
		}
	}
	return out
}

// Unpublished returns what holds of an incident and no notice has said yet, and what was taken back since.
func (s *Incidents) Unpublished(ctx context.Context, id string) ([]Fact, error) {
	inc, known, err := s.getAsOf(ctx, id, time.Time{})
	if err != nil {
		return nil, err
	}
	notices, err := s.Notices(ctx, id)
	if err != nil {
		return nil, err
	}
	return changes(Published(notices), known, inc.Facts), nil
}

// Standing is what later versions say of one.
type Standing struct {
	Withdrawn  int64   // by which version; 0: it stands
	Replaced   int64   // a whole text: by which revision; 0: by none
	Corrected  []int64 // by which versions
	AddedTo    []int64 // by which versions
	Superseded bool    // withdrawn or replaced
}

// Standings returns the standing of each version.
func Standings(notices []Notice) map[int64]Standing {
	out := map[int64]Standing{}
	for _, n := range notices {
		s := out[n.About]
		switch n.Kind {
		case KindRetraction:
			s.Withdrawn, s.Superseded = n.Version, true
		case KindCorrection:
			s.Corrected = append(s.Corrected, n.Version)
		case KindAddendum:
			s.AddedTo = append(s.AddedTo, n.Version)
		case KindRevision:
			for _, earlier := range notices {
				if e := out[earlier.Version]; earlier.Version < n.Version && earlier.Whole() && e.Replaced == 0 {
					e.Replaced, e.Superseded = n.Version, true
					out[earlier.Version] = e
				}
			}
			continue
		}
		if n.About != 0 {
			out[n.About] = s
		}
	}
	return out
}

// ErrNothingNew says that every fact has been published as it is.
var ErrNothingNew = errors.New("nothing has changed since the last notice")
