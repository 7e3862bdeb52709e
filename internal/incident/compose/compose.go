// Package compose writes notices from facts: the whole text in both languages, what is added to it, corrected in it or taken
// back, and the drafts of these, in which facts stand as references for a person to edit around. It stores nothing.
package compose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
)

// subject is the incident that a text is about.
type subject struct{ incident.Incident }

// Draft is what a notice is composed from.
type Draft struct {
	Kind  string
	About int64         // addendum, correction, retraction: the version; 0 is the newest whole one that still stands
	Item  string        // addendum: the fact addendum that is published; the facts are then those known as of it
	Only  []string      // of what is not published yet: only these, each a key or a key and an id; nil: everything
	Text  language.Text // Markdown with references to facts; empty: drafted from the facts
	AsOf  time.Time     // leave out what is known only as of later; zero: leave out nothing
	Figures
}

// Figures is what a notice needs beside the facts.
type Figures struct {
	Time          time.Time // of publication; the zero time is now
	Accounts      int64     // in the scope, from the roster; 0 where nothing is sealed
	URL           string    // of this instance, where people can check; empty where that is not known
	State         string    // of the scope, where no fact says it; empty: as the facts say
	Exercise      bool      // nothing of it is real, and the notice has to say so first
	Demonstration bool      // the accounts are generated and the notice has to say so
}

// What an exercise's notice begins with.
const (
	markJA = "> 【訓練】これは訓練のために作った文書です。実際に起きたことではありません。EXERCISE — not real.\n\n"
	markEN = "> EXERCISE — not real (訓練). This was written for an exercise. Nothing of what it says has happened.\n\n"
)

// marked says of an exercise's notice, in its own text and before all else, that it is none: whoever takes it along takes that along. A draft
// that was edited may say so already.
func (f Figures) marked(t language.Text) language.Text {
	if !f.Exercise {
		return t
	}
	return language.Text{JA: markJA + strings.TrimPrefix(t.JA, markJA), EN: markEN + strings.TrimPrefix(t.EN, markEN)}
}

// state is the state of an incident's scope as a notice tells it.
func (f Figures) state(i subject) string {
	if s := i.State(); s != "" || f.State == "" {
		return s
	}
	return f.State
}

// Text returns the Markdown that a notice would be composed from, with its references to facts, for editing, and the facts
// that it would make public and that are in no notice yet.
func Text(ctx context.Context, s *incident.Incidents, id string, d Draft) (language.Text, []incident.Fact, error) {
	c, err := prepare(ctx, s, id, &d)
	if err != nil {
		return language.Text{}, nil, fmt.Errorf("draft a notice of %s: %w", id, err)
	}
	return d.Figures.marked(c.draft(d)), c.changes, nil
}

// Whole writes the next version of an incident's notice as a text of its own, from the facts of inc alone. Nothing is stored
// until RecordNotice.
func Whole(ctx context.Context, s *incident.Incidents, inc incident.Incident, figures Figures) (incident.Notice, error) {
	before, err := s.Notices(ctx, inc.ID)
	if err != nil {
		return incident.Notice{}, fmt.Errorf("prepare notice: %w", err)
	}
	if figures.Time.IsZero() {
		figures.Time = time.Now()
	}
	i := subject{inc}
	n := incident.Notice{Incident: inc.ID, Version: int64(len(before)) + 1, Kind: incident.KindFirst, Time: figures.Time, Facts: inc.Facts,
		Text: language.Both(noticeJA(i, figures), noticeEN(i, figures))}
	n.Text = figures.marked(n.Text)
	if n.Version > 1 {
		n.Kind = incident.KindRevision
	}
	if n, err = incident.NewNotice(n); err != nil {
		return incident.Notice{}, fmt.Errorf("prepare notice: %w", err)
	}
	return n, nil
}

// Notice composes the next version of an incident's notice, of the kind that d names. Nothing is stored until RecordNotice.
// Errors: incident.ErrNotFound, incident.ErrNotice, incident.ErrNoNotice, ErrNothingNew.
func Notice(ctx context.Context, s *incident.Incidents, id string, d Draft) (incident.Notice, error) {
	n, err := compose(ctx, s, id, d)
	if err != nil {
		return incident.Notice{}, fmt.Errorf("compose a notice of %s: %w", id, err)
	}
	return n, nil
}

func compose(ctx context.Context, s *incident.Incidents, id string, d Draft) (incident.Notice, error) {
	c, err := prepare(ctx, s, id, &d)
	if err != nil {
		return incident.Notice{}, err
	}
	if whole(d) && d.Text == (language.Text{}) { // the text that publish writes, which needs no references
		n, err := Whole(ctx, s, c.inc.Incident, d.Figures)
		if err == nil && n.Kind != d.Kind {
			err = kindError(d.Kind, n.Version)
		}
		return n, err
	}
	if d.Text == (language.Text{}) {
		if d.Kind == incident.KindRetraction {
			return incident.Notice{}, hint.Add(fmt.Errorf("%w: a retraction has to say why", incident.ErrNotice), "write it with --text-ja and --text-en; `shirase notice draft` begins it")
		}
		if len(c.changes) == 0 {
			return incident.Notice{}, hint.Add(ErrNothingNew, "record the facts first (shirase incident add), or write the text with --text-ja and --text-en")
		}
		d.Text = c.draft(d)
	}
	if d.Figures.Time.IsZero() {
		d.Figures.Time = time.Now()
	}
	n := incident.Notice{Incident: id, Version: c.next, Kind: d.Kind, Time: d.Figures.Time, About: d.About, Item: d.Item, Draft: d.Text}
	if n.Text.JA, err = c.inc.Render(language.JA, "text.ja", d.Text.JA); err != nil {
		return incident.Notice{}, err
	}
	if n.Text.EN, err = c.inc.Render(language.EN, "text.en", d.Text.EN); err != nil {
		return incident.Notice{}, err
	}
	n.Text = d.Figures.marked(n.Text)
	if n.Facts, err = c.told(d); err != nil {
		return incident.Notice{}, err
	}
	if d.Kind == incident.KindCorrection {
		n.Was = c.was()
	}
	if n, err = incident.NewNotice(n); err != nil {
		return incident.Notice{}, err
	}
	if _, err := incident.ParseNotice(n.Data); err != nil { // what is signed can be read again
		return incident.Notice{}, err
	}
	return n, nil
}

// composition is what is known when a notice is composed.
type composition struct {
	inc       subject
	before    []incident.Notice
	next      int64
	published []incident.Fact // as the notices before froze them
	changes   []incident.Fact // what holds now and was not published so, and what was taken back
}

// prepare reads the incident and its notices, and completes and checks d.
func prepare(ctx context.Context, s *incident.Incidents, id string, d *Draft) (*composition, error) {
	if err := incident.CheckKind(d.Kind); err != nil {
		return nil, err
	}
	inc, err := s.GetAsOf(ctx, id, d.AsOf)
	if err != nil {
		return nil, err
	}
	asOf := d.AsOf
	if d.Item != "" {
		if d.Kind != incident.KindAddendum {
			return nil, fmt.Errorf("%w: only an addendum publishes a fact addendum", incident.ErrNotice)
		}
		item, err := inc.Item("--addendum", "addendum", d.Item)
		if err != nil {
			return nil, err
		}
		if asOf.IsZero() {
			asOf = item.AsOf.Time
			if inc, err = s.GetAsOf(ctx, id, asOf); err != nil {
				return nil, err
			}
		}
	}
	before, err := s.Notices(ctx, id)
	if err != nil {
		return nil, err
	}
	c := &composition{inc: subject{inc}, before: before, next: int64(len(before)) + 1, published: incident.Published(before)}
	if c.changes, err = s.Unpublished(ctx, id, asOf); err != nil {
		return nil, err
	}
	if err := c.choose(*d); err != nil {
		return nil, err
	}
	if whole(*d) {
		if (d.Kind == incident.KindFirst) != (c.next == 1) {
			return nil, kindError(d.Kind, c.next)
		}
		return c, nil
	}
	return c, c.aim(d)
}

// choose keeps of the changes those that the notice is to tell. A retraction with a text of its own tells none that the text
// does not refer to: whoever withdraws a version does not mean to announce something else.
func (c *composition) choose(d Draft) error {
	if d.Kind == incident.KindRetraction && d.Only == nil {
		d.Only = []string{""}
	}
	if d.Only == nil {
		return nil
	}
	if whole(d) {
		return hint.Add(fmt.Errorf("%w: a whole text tells every fact that holds", incident.ErrNotice), "publish an addendum to tell some of them")
	}
	var kept []incident.Fact
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
			return hint.Add(fmt.Errorf("%w: %.60q is no fact that waits to be published", incident.ErrNotice, only), "shirase incident show "+c.inc.ID+" lists them under \"In no notice yet\"")
		}
	}
	c.changes = kept
	return nil
}

// kindError refuses a kind that the next version cannot have.
func kindError(kind string, next int64) error {
	if kind == incident.KindFirst {
		return hint.Add(fmt.Errorf("%w: there is a first notice already, this is version %d", incident.ErrNotice, next), "choose revision, addendum, correction or retraction")
	}
	return hint.Add(fmt.Errorf("%w: %s of a notice that was never published", incident.ErrNotice, kind), "publish the first one: shirase publish ID")
}

// whole reports whether d is a text of its own.
func whole(d Draft) bool { return d.Kind == incident.KindFirst || d.Kind == incident.KindRevision }

// aim finds the version that d is about, and refuses one that it cannot be about.
func (c *composition) aim(d *Draft) error {
	if c.next == 1 {
		return kindError(d.Kind, 1)
	}
	standing := incident.Standings(c.before)
	if d.About == 0 {
		for _, n := range slices.Backward(c.before) {
			if n.Whole() && standing[n.Version].Withdrawn == 0 {
				d.About = n.Version
				break
			}
		}
		if d.About == 0 || d.Kind == incident.KindRetraction && c.next > 2 {
			return hint.Add(fmt.Errorf("%w: which version is it about?", incident.ErrNotice), "say it with --about VERSION")
		}
	}
	if d.About < 1 || d.About >= c.next {
		return hint.Add(fmt.Errorf("%w: version %d", incident.ErrNoNotice, d.About), "the newest is "+strconv.FormatInt(c.next-1, 10))
	}
	about := c.before[d.About-1]
	switch by := standing[d.About].Withdrawn; {
	case by != 0:
		return hint.Add(fmt.Errorf("%w: version %d was withdrawn by version %d", incident.ErrNotice, d.About, by), "publish a revision: shirase notice publish ID --kind revision")
	case about.Kind == incident.KindRetraction:
		return hint.Add(fmt.Errorf("%w: version %d is a retraction, and nothing is unsaid", incident.ErrNotice, d.About), "say it again with a revision: shirase notice publish ID --kind revision")
	}
	return nil
}

// told returns the facts that the notice holds: all of a whole one, else those that are new and those that its text
// refers to.
func (c *composition) told(d Draft) ([]incident.Fact, error) {
	if whole(d) {
		return c.inc.Facts, nil
	}
	out := slices.Clone(c.changes)
	for _, text := range []struct{ name, text string }{{"text.ja", d.Text.JA}, {"text.en", d.Text.EN}} {
		refs, err := c.inc.Referred(text.name, text.text)
		if err != nil {
			return nil, err
		}
		for _, f := range refs {
			if !slices.ContainsFunc(out, sameAs(f)) {
				out = append(out, f)
			}
		}
	}
	return out, nil
}

// was returns the facts as they were published before this notice, of those that it changes.
func (c *composition) was() []incident.Fact {
	var out []incident.Fact
	for _, f := range c.published {
		if slices.ContainsFunc(c.changes, sameAs(f)) {
			out = append(out, f)
		}
	}
	return out
}

// sameAs tells facts about the same thing as f.
func sameAs(f incident.Fact) func(incident.Fact) bool {
	return func(g incident.Fact) bool { return g.Key == f.Key && g.Item == f.Item }
}

// ErrNothingNew says that every fact has been published as it is.
var ErrNothingNew = errors.New("nothing has changed since the last notice")
