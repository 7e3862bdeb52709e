package response

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/law"
	"shirase/internal/response/document"
)

// Document writes a document of a kind as the case knows it now. Where one of the kind was sent before, what differs from the last one is
// with it. Errors: document.ErrKind.
func (c *Cases) Document(ctx context.Context, who actor.Actor, id, kind string, lang language.Lang) (*Case, *document.Document, error) {
	if err := may(who, actor.See, id); err != nil {
		return nil, nil, err
	}
	kd, err := document.Get(kind)
	if err != nil {
		return nil, nil, fmt.Errorf("case %s: %w", id, err)
	}
	k, err := c.see(ctx, who, id, "case")
	if err != nil {
		return nil, nil, err
	}
	inc, err := c.Incidents.Get(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	in, err := c.known(ctx, k, inc)
	if err != nil {
		return nil, nil, err
	}
	d := document.Write(kd, lang, in)
	if last, ok := k.LastSent(kind); ok {
		before, err := c.sentAs(ctx, k, last)
		if err != nil {
			return nil, nil, err
		}
		d.Changes = document.Compare(before, d)
	}
	return k, d, nil
}

// Drafts writes every kind, for a list of them.
func (c *Cases) Drafts(ctx context.Context, who actor.Actor, id string, lang language.Lang) (*Case, []*document.Document, error) {
	k, err := c.Get(ctx, who, id)
	if err != nil {
		return nil, nil, err
	}
	inc, err := c.Incidents.Get(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	docs, err := c.drafts(ctx, k, inc, lang)
	return k, docs, err
}

func (c *Cases) drafts(ctx context.Context, k *Case, inc incident.Incident, lang language.Lang) ([]*document.Document, error) {
	in, err := c.known(ctx, k, inc)
	if err != nil {
		return nil, err
	}
	var out []*document.Document
	for _, kind := range document.Kinds() {
		out = append(out, document.Write(kind, lang, in))
	}
	return out, nil
}

// known is what documents of a case are written from.
func (c *Cases) known(ctx context.Context, k *Case, inc incident.Incident) (document.Input, error) {
	notices, err := c.Incidents.Notices(ctx, k.ID)
	if err != nil {
		return document.Input{}, err
	}
	in := document.Input{Incident: inc, Notices: notices, Title: k.Declared.Title, Operator: k.Declared.Organisation, Knowledge: k.Knowledge(), Stated: map[string]document.Stated{}, URL: c.URL, Exercise: c.Exercise, At: c.now()}
	if c.Asked != nil {
		y, m, d := c.now().In(incident.Japan).Date()
		until := time.Date(y, m, d, 0, 0, 0, 0, incident.Japan)
		n, ok, err := c.Asked(ctx, k.ID, until)
		if err != nil {
			return in, err
		}
		if ok {
			in.Asked = &document.Asked{N: n, Until: until}
		}
	}
	if c.Outlives != nil {
		if in.Prevention, in.Lessons, err = c.Outlives(ctx, k.ID); err != nil {
			return document.Input{}, err
		}
	}
	for _, s := range k.Statings {
		in.Stated[s.Item] = document.Stated{Text: s.Text, Unknown: s.Unknown}
	}
	return in, nil
}

// family are the kinds that follow one another: what is completed is the report before.
func family(kind string) string {
	f, _, _ := strings.Cut(kind, "-")
	return f
}

// LastSent gives the last document that was sent of a kind, or of those that it follows.
func (k *Case) LastSent(kind string) (SentAt, bool) {
	for _, s := range slices.Backward(k.Documents) {
		if family(s.Kind) == family(kind) {
			return s, true
		}
	}
	return SentAt{}, false
}

// State says of an item of documents what facts do not, for authorities alone, or that it is not known. version is what was read of it;
// 0 where nothing was. Errors: ErrEntry, *StaleError.
func (c *Cases) State(ctx context.Context, who actor.Actor, id string, version int64, s Stated) (*Case, error) {
	return c.record(ctx, who, actor.Write, id, func(k *Case) (Body, error) {
		known := slices.ContainsFunc(document.Kinds(), func(d document.Kind) bool { return d.Private() && slices.Contains(d.Keys(), s.Item) })
		if !known {
			return Body{}, missing("item %.60q of a document", s.Item)
		}
		is := Recorded{}
		if i := slices.IndexFunc(k.Statings, func(o StatedAt) bool { return o.Item == s.Item }); i >= 0 {
			is = k.Statings[i].Recorded
		}
		if version != is.Version && is.Version != 0 {
			if version == 0 {
				version = -1 // they read that there was nothing
			}
			if err := k.fresh("item "+s.Item, version, is); err != nil {
				return Body{}, err
			}
		}
		return Body{Stated: &s}, textOK("a text", s.Text, false)
	})
}

// Sending is what is recorded of a document that was sent.
type Sending struct {
	Kind   string
	Lang   language.Lang
	To     string
	At     string // empty: now
	By     string
	SHA256 string   // of the bytes that were looked at; "" sends what stands
	Clocks []string // beside those of the kind, which of the case's clocks it closes
}

// A SentError says that the same document was recorded as sent to the same before: somebody has sent a form twice.
type SentError struct{ Sent SentAt }

func (e *SentError) Error() string {
	return fmt.Sprintf("the same is recorded as handed in to %s, %s (number %d)", e.Sent.To, e.Sent.At, e.Sent.ID)
}
func (e *SentError) Unwrap() error { return ErrStale }
func (e *SentError) Hint() string {
	return "that one stands; what is handed in to somebody else says to whom"
}

// Send records that a document was sent as it stands: it is kept, sealed, and its clocks are closed, all at once. It does not send
// anything. Errors: ErrEntry, ErrStale where it is not what was looked at, *SentError.
func (c *Cases) Send(ctx context.Context, who actor.Actor, id string, s Sending) (*Case, *document.Document, error) {
	if err := may(who, actor.Command, id); err != nil {
		return nil, nil, err
	}
	k, d, err := c.Document(ctx, who, id, s.Kind, s.Lang)
	if err != nil {
		return nil, nil, err
	}
	if s.SHA256 != "" && s.SHA256 != d.Digest() {
		return nil, nil, hint.Add(fmt.Errorf("case %s: %w: what stands in the document", id, ErrStale), "look at it again: facts have changed since")
	}
	if s.At == "" {
		s.At = c.minute().String()
	}
	if err := momentOK(s.At); err != nil {
		return nil, nil, err
	}
	if err := textsOK(map[string]string{"to whom": s.To}, map[string]string{"by which way": s.By}); err != nil {
		return nil, nil, err
	}
	if err := c.unsent(ctx, k, d, s.To); err != nil {
		return nil, nil, err
	}
	known := len(k.Documents)
	clocks, err := c.closes(ctx, k, d, s.Clocks)
	if err != nil {
		return nil, nil, err
	}
	data, err := d.Bytes()
	if err != nil {
		return nil, nil, err
	}
	n := 1
	for _, o := range k.Documents {
		if o.Kind == s.Kind {
			n++
		}
	}
	e := Evidence{Name: fmt.Sprintf("%s-%d.json", s.Kind, n), Source: "document", Collected: s.At, Note: s.To}
	k, err = c.takeIn(ctx, who, id, e, bytes.NewReader(data), nil, func(k *Case, _ Evidence, piece int64) ([]Body, error) {
		if len(k.Documents) != known { // a form that was sent twice at once
			return nil, hint.Add(fmt.Errorf("%w: another document was recorded as handed in", ErrStale), "look at it first")
		}
		out := []Body{{Sent: &Sent{Kind: s.Kind, Evidence: piece, To: s.To, At: s.At, By: s.By, Clocks: clocks, Complete: d.Complete}}}
		for _, clock := range clocks {
			out = append(out, Body{Clock: &Marked{ID: clock, State: "done", At: s.At, Why: e.Name}})
		}
		return out, nil
	})
	return k, d, err
}

// unsent refuses a document that was sent to the same before, as it is. What has changed since is a document of its own, also where it
// says again what it said before that.
func (c *Cases) unsent(ctx context.Context, k *Case, d *document.Document, to string) error {
	for _, o := range slices.Backward(k.Documents) {
		if o.Kind != d.Kind || o.To != to {
			continue
		}
		was, err := c.sentAs(ctx, k, o)
		if err != nil {
			return err
		}
		if was.Lang == d.Lang && was.Digest() == d.Digest() {
			return fmt.Errorf("case %s: %w", k.ID, &SentError{o})
		}
		return nil
	}
	return nil
}

// closes are the clocks of the case that a document closes: those that are counted, of its kind and, where it is complete, of the kind
// that it serves as too; and those that are named, which the case has to have.
func (c *Cases) closes(ctx context.Context, k *Case, d *document.Document, named []string) ([]string, error) {
	clocks, err := c.clocks(ctx, k)
	if err != nil {
		return nil, err
	}
	kinds := []string{d.Kind}
	if d.Also != "" {
		kinds = append(kinds, d.Also)
	}
	var own []string
	for _, name := range kinds {
		kind, err := document.Get(name)
		if err != nil {
			return nil, err
		}
		own = append(own, kind.Clocks...)
	}
	var out []string
	for _, clock := range clocks.Clocks {
		counted := clock.State == law.Running || clock.State == law.Overdue
		if counted && slices.Contains(own, clock.ID) || slices.Contains(named, clock.ID) {
			out = append(out, clock.ID)
		}
	}
	for _, n := range named {
		if !slices.Contains(out, n) {
			return nil, missing("clock %.60q", n)
		}
	}
	return out, nil
}

// SentDocument reads a document as it was sent, and the one of its kind before it, nil where it was the first. That somebody looked is
// recorded, once a day. Errors: ErrNotFound, ErrChain.
func (c *Cases) SentDocument(ctx context.Context, who actor.Actor, id string, sent int64) (*Case, SentAt, *document.Document, *document.Document, error) {
	k, err := c.see(ctx, who, id, "document "+itoa(sent))
	if err != nil {
		return nil, SentAt{}, nil, nil, err
	}
	i := slices.IndexFunc(k.Documents, func(s SentAt) bool { return s.ID == sent })
	if i < 0 {
		return nil, SentAt{}, nil, nil, fmt.Errorf("case %s: %w", id, missing("document %d", sent))
	}
	d, err := c.sentAs(ctx, k, k.Documents[i])
	if err != nil {
		return nil, SentAt{}, nil, nil, err
	}
	for _, o := range slices.Backward(k.Documents[:i]) {
		if family(o.Kind) == family(d.Kind) {
			before, err := c.sentAs(ctx, k, o)
			return k, k.Documents[i], d, before, err
		}
	}
	return k, k.Documents[i], d, nil, nil
}

func (c *Cases) sentAs(ctx context.Context, k *Case, s SentAt) (*document.Document, error) {
	p := k.piece(s.Evidence)
	if p == nil {
		return nil, fmt.Errorf("case %s: document %d: %w: what was kept of it is gone", k.ID, s.ID, ErrChain)
	}
	var b bytes.Buffer
	if err := c.open(ctx, k.ID, p, &b); err != nil {
		return nil, err
	}
	return document.Parse(b.Bytes())
}

// Touched is what a change of a fact touches.
type Touched struct {
	Documents []TouchedDocument
	Clocks    []law.Change
}

// TouchedDocument is a document whose text would be another.
type TouchedDocument struct {
	Kind    document.Kind
	Changes []document.Change
	Sent    bool // one of the kind was sent: it differs from what stands then
}

// Touches says what would be different if facts stood as in changed: documents and clocks. Nothing is recorded.
func (c *Cases) Touches(ctx context.Context, who actor.Actor, changed incident.Incident, lang language.Lang) (Touched, error) {
	var out Touched
	if err := may(who, actor.See, changed.ID); err != nil {
		return out, err
	}
	k, err := c.get(ctx, changed.ID)
	if err != nil {
		return out, err
	}
	inc, err := c.Incidents.Get(ctx, changed.ID)
	if err != nil {
		return out, err
	}
	before, err := c.drafts(ctx, k, inc, lang)
	if err != nil {
		return out, err
	}
	after, err := c.drafts(ctx, k, changed, lang)
	if err != nil {
		return out, err
	}
	for i, kind := range document.Kinds() {
		if changes := document.Compare(before[i], after[i]); len(changes) > 0 {
			_, sent := k.LastSent(kind.ID)
			out.Documents = append(out.Documents, TouchedDocument{kind, changes, sent})
		}
	}
	was, err := c.clocksOf(ctx, k, inc)
	if err != nil {
		return out, err
	}
	is, err := c.clocksOf(ctx, k, changed)
	if err != nil {
		return out, err
	}
	out.Clocks = law.Compare(was.Clocks, is.Clocks)
	return out, nil
}

// An Overturn is a document that was handed in and says what is not so any more.
type Overturn struct {
	SentAt
	Title   string
	Changes []document.Change // of what it said; what it did not know is none
}

// Overturned gives, of each kind of document, the last one that was handed in, where facts or what is stated have overturned something that it
// said. Errors: ErrNotFound, ErrChain.
func (c *Cases) Overturned(ctx context.Context, who actor.Actor, id string) ([]Overturn, error) {
	if err := may(who, actor.See, id); err != nil {
		return nil, err
	}
	k, err := c.get(ctx, id)
	if err != nil || len(k.Documents) == 0 {
		return nil, err
	}
	inc, err := c.Incidents.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	in, err := c.known(ctx, k, inc)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var out []Overturn
	for _, s := range slices.Backward(k.Documents) {
		if seen[family(s.Kind)] { // what follows it says it anew
			continue
		}
		seen[family(s.Kind)] = true
		was, err := c.sentAs(ctx, k, s)
		if err != nil {
			return nil, err
		}
		kind, err := document.Get(s.Kind)
		if err != nil {
			continue // of a version that had another
		}
		x := Overturn{SentAt: s, Title: was.Title}
		for _, change := range document.Compare(was, document.Write(kind, was.Language(), in)) {
			i := slices.IndexFunc(was.Items, func(o document.Item) bool { return o.Key == change.Key })
			if i >= 0 && was.Items[i].State == document.Known {
				x.Changes = append(x.Changes, change)
			}
		}
		if len(x.Changes) > 0 {
			out = append(out, x)
		}
	}
	return out, nil
}

// Overtaken names what was told with words that a fact had, and has no more: documents that were handed in, and notices that were published. It
// is for people to read. Errors: ErrNotFound, ErrChain.
func (c *Cases) Overtaken(ctx context.Context, who actor.Actor, id string, words language.Text) ([]language.Text, error) {
	if err := may(who, actor.See, id); err != nil {
		return nil, err
	}
	k, err := c.get(ctx, id)
	if err != nil {
		return nil, err
	}
	says := func(text string) bool {
		text = strings.ReplaceAll(text, `\`, "") // a notice is Markdown
		return words.JA != "" && strings.Contains(text, words.JA) || words.EN != "" && strings.Contains(text, words.EN)
	}
	var out []language.Text
	for _, s := range k.Documents {
		d, err := c.sentAs(ctx, k, s)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(d.Items, func(x document.Item) bool { return says(x.Text) }) {
			at := s.At
			out = append(out, language.Both(d.Title+"（"+s.To+"、"+at+"）", d.Title+" ("+s.To+", "+at+")"))
		}
	}
	notices, err := c.Incidents.Notices(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, n := range notices {
		if says(n.Text.JA) || says(n.Text.EN) {
			out = append(out, language.Both(fmt.Sprintf("公表した第%d版", n.Version), fmt.Sprintf("Version %d, as published", n.Version)))
		}
	}
	return out, nil
}
