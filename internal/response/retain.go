package response

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/law"
)

// Retained is what is kept of a case when its key is destroyed, because laws want a register of breaches kept: the facts, their effects,
// and what was done (GDPR article 33(5) names the three). What a [Screen] finds of people is left out of it, and nobody of the staff is in it. It says
// the same as long as the case does: when it was made stands beside it (docs/FORMAT.md, what is kept of a case).
type Retained struct {
	V            int                `json:"v"`                 // 1
	Exercise     bool               `json:"exercise,omitzero"` // nothing of it is real
	Case         string             `json:"case"`
	Title        string             `json:"title"`
	Organisation string             `json:"organisation"`
	Part         string             `json:"part"`
	Knowledge    string             `json:"knowledge"`
	Happened     string             `json:"happened,omitzero"`
	Declared     string             `json:"declared"`
	Closed       string             `json:"closed,omitzero"`
	Why          string             `json:"why,omitzero"`     // it was closed
	Despite      string             `json:"despite,omitzero"` // why it was, although something was open
	Refused      []RetainedRefused  `json:"refused,omitempty"`
	Keep         []RetainedBy       `json:"keep"`
	Facts        []RetainedFact     `json:"facts"`
	Clocks       []RetainedClock    `json:"clocks"`
	Sent         []RetainedSent     `json:"sent"`
	Parties      []RetainedParty    `json:"parties"`
	Notices      []RetainedNotice   `json:"notices"`
	Decisions    []RetainedDecision `json:"decisions"`
	Stated       []RetainedStated   `json:"stated"`
	Entries      int64              `json:"entries"` // of the record that was destroyed, without those of who read it
	Record       string             `json:"record"`  // hex SHA-256 over their hashes
	LeftOut      int64              `json:"leftOut"` // texts of which something that looks like somebody's address or number was left out
}

// RetainedBy is a rule that has the record kept.
type RetainedBy struct {
	Rule     string        `json:"rule"` // ca-qc-register
	Name     language.Text `json:"name"`
	Citation string        `json:"citation"`
	Verified bool          `json:"verified"` // it was read in its primary text
	Span     string        `json:"span"`     // 5y, 24mo, open
	From     string        `json:"from,omitzero"`
	Until    string        `json:"until,omitzero"` // the first day on which it need not be kept any more
}

// RetainedRefused is a law of which somebody said that it does not apply, although it had been applied, or the facts speak for it.
type RetainedRefused struct {
	Regime string `json:"regime"`
	Why    string `json:"why"`
	At     string `json:"at"`
}

// RetainedFact is a fact as it stood at the end.
type RetainedFact struct {
	Key       string         `json:"key"`
	Item      string         `json:"item,omitzero"`
	Value     jsontext.Value `json:"value"`
	Certainty string         `json:"certainty"`
	AsOf      string         `json:"asOf"`
}

// RetainedClock is how a deadline of a law ended.
type RetainedClock struct {
	ID       string `json:"id"`
	Citation string `json:"citation"`
	State    string `json:"state"`
	Due      string `json:"due,omitzero"`
	Done     string `json:"done,omitzero"`
	Why      string `json:"why,omitzero"`
}

// RetainedSent is a document that was handed in.
type RetainedSent struct {
	Kind     string `json:"kind"`
	To       string `json:"to"`
	At       string `json:"at"`
	By       string `json:"by,omitzero"`
	SHA256   string `json:"sha256"`
	Complete bool   `json:"complete"`
}

// RetainedParty is whom else it concerned, and when they were told.
type RetainedParty struct {
	Name string   `json:"name"`
	Kind string   `json:"kind"`
	Told []string `json:"told"`
}

// RetainedNotice is what was published.
type RetainedNotice struct {
	ID     string `json:"id"`
	Time   string `json:"time"`
	SHA256 string `json:"sha256"`
}

// RetainedDecision is one that was taken: the reasons for what was done, and not done.
type RetainedDecision struct {
	At       string `json:"at"`
	Question string `json:"question"`
	Decision string `json:"decision"`
	Why      string `json:"why,omitzero"`
}

// RetainedStated is what was said of an item for authorities.
type RetainedStated struct {
	Item    string `json:"item"`
	Text    string `json:"text,omitzero"`
	Unknown bool   `json:"unknown,omitzero"`
}

// Bytes is the canonical form (RFC 8785).
func (r *Retained) Bytes() ([]byte, error) {
	b, err := json.Marshal(r, json.Deterministic(true), json.FormatNilSliceAsNull(false))
	if err != nil {
		return nil, err
	}
	val := jsontext.Value(b)
	return val, val.Canonicalize()
}

// ParseRetained reads what Bytes writes. Errors: ErrEntry.
func ParseRetained(b []byte) (*Retained, error) {
	var r Retained
	if len(b) > maxRetained {
		return nil, fmt.Errorf("%w: a record of what is kept has at most %d bytes", ErrEntry, maxRetained)
	}
	if err := json.Unmarshal(b, &r, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrEntry, err)
	}
	if again, err := r.Bytes(); err != nil || r.V != 1 || !bytes.Equal(again, b) {
		return nil, fmt.Errorf("%w: it is no record of what is kept in its canonical form, of version 1", ErrEntry)
	}
	return &r, nil
}

const maxRetained = 8 << 20

// Digest is the hex SHA-256 of the bytes.
func RetainedDigest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Retained gives what would be kept of a case if its key were destroyed now. persons tells whom there are in the case, for a screen that has
// looked at all texts of it; nil: nobody knows. Errors: ErrNotFound, ErrChain.
func (c *Cases) Retained(ctx context.Context, who actor.Actor, id string, persons func(k *Case, s *Screen) error) (*Retained, error) {
	if err := may(who, actor.See, id); err != nil {
		return nil, err
	}
	k, err := c.get(ctx, id)
	if err != nil {
		return nil, err
	}
	inc, err := c.Incidents.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	notices, err := c.Incidents.Notices(ctx, id)
	if err != nil {
		return nil, err
	}
	clocks, err := c.clocksOf(ctx, k, inc)
	if err != nil {
		return nil, err
	}
	kept, err := c.Kept(ctx, id)
	if err != nil {
		return nil, err
	}
	build := func(text func(string) string, value func([]byte) (jsontext.Value, error)) (*Retained, error) {
		return c.retained(k, inc, notices, clocks, kept, text, value)
	}
	s := &Screen{}
	look := func(t string) string { s.Look(t); return t }
	if _, err := build(look, func(b []byte) (jsontext.Value, error) { s.Look(string(b)); return b, nil }); err != nil {
		return nil, err
	}
	if persons != nil {
		if err := persons(k, s); err != nil {
			return nil, err
		}
	}
	r, err := build(s.Text, s.value)
	if err != nil {
		return nil, err
	}
	r.LeftOut = s.n
	return r, nil
}

// retained makes the record, with its texts as text gives them.
func (c *Cases) retained(k *Case, inc incident.Incident, notices []incident.Notice, clocks *Clocks, kept Kept, text func(string) string, value func([]byte) (jsontext.Value, error)) (*Retained, error) {
	d := k.Declared
	r := &Retained{V: 1, Exercise: c.Exercise, Case: k.ID, Title: text(d.Title), Organisation: text(d.Organisation), Part: d.Part, Knowledge: k.Knowledge().String(), Happened: d.Happened,
		Declared: stampOf(k.At), Entries: kept.Entries, Record: kept.SHA256}
	if k.Closed {
		r.Closed = stampOf(k.ClosedAt)
		r.Why, r.Despite = text(k.ClosedFor.Why), text(k.ClosedFor.Despite)
	}
	for _, w := range clocks.Withheld {
		r.Refused = append(r.Refused, RetainedRefused{Regime: w.ID, Why: text(w.Why), At: stampOf(w.At)})
	}
	for _, keep := range c.keepings(k, inc) {
		by := RetainedBy{Rule: keep.Regime.ID + "-" + keep.Rule.ID, Name: keep.Rule.Name, Citation: keep.Rule.Citation, Verified: keep.Rule.Read == law.Primary, Span: keep.Rule.Keep}
		if !keep.From.IsZero() {
			by.From = keep.From.String()
		}
		if !keep.Until.IsZero() {
			by.Until = keep.Until.Format("2006-01-02")
		}
		r.Keep = append(r.Keep, by)
	}
	if err := r.facts(text, value, inc); err != nil {
		return nil, err
	}
	r.clocks(text, clocks, k)
	for _, x := range k.Documents {
		sent := RetainedSent{Kind: x.Kind, To: text(x.To), At: x.At, By: text(x.By), Complete: x.Complete}
		if p := k.piece(x.Evidence); p != nil {
			sent.SHA256 = p.SHA256
		}
		r.Sent = append(r.Sent, sent)
	}
	for _, p := range k.Parties {
		party := RetainedParty{Name: text(p.Name), Kind: p.Kind, Told: []string{}}
		for _, t := range p.Told {
			party.Told = append(party.Told, t.At)
		}
		r.Parties = append(r.Parties, party)
	}
	for _, n := range notices {
		r.Notices = append(r.Notices, RetainedNotice{ID: n.ID, Time: stampOf(n.Time), SHA256: RetainedDigest(n.Data)})
	}
	for _, x := range k.Decisions {
		if x.Replaced == 0 {
			r.Decisions = append(r.Decisions, RetainedDecision{At: stampOf(x.RecordedAt), Question: text(x.Question), Decision: text(x.Decision.Decision), Why: text(x.Why)})
		}
	}
	for _, x := range k.Statings {
		r.Stated = append(r.Stated, RetainedStated{Item: x.Item, Text: text(x.Text), Unknown: x.Unknown})
	}
	return r, nil
}

// keepings are the records that the case's regimes have kept.
func (c *Cases) keepings(k *Case, inc incident.Incident) []law.Keeping {
	s := k.situation(inc)
	var out []law.Keeping
	for _, stated := range k.Regimes {
		if stated.Refused {
			continue
		}
		if r, err := c.Book.Regime(stated.ID); err == nil {
			out = append(out, c.Book.Keepings(r, s, c.now())...)
		}
	}
	return out
}

func (r *Retained) facts(text func(string) string, value func([]byte) (jsontext.Value, error), inc incident.Incident) error {
	for _, f := range inc.Facts {
		if f.Retracted {
			continue
		}
		b, err := json.Marshal(f.Value, json.Deterministic(true))
		if err != nil {
			return err
		}
		val := jsontext.Value(b)
		if f.Key != "contact" { // the organisation's own desk is nobody affected
			if val, err = value(b); err != nil {
				return err
			}
		}
		if err := val.Canonicalize(); err != nil {
			return err
		}
		r.Facts = append(r.Facts, RetainedFact{Key: f.Key, Item: text(f.Item), Value: val, Certainty: string(f.Certainty), AsOf: f.AsOf.String()})
	}
	return nil
}

func (r *Retained) clocks(text func(string) string, clocks *Clocks, k *Case) {
	for _, c := range clocks.Clocks {
		if c.Promise != nil {
			continue
		}
		out := RetainedClock{ID: c.ID, Citation: c.Rule.Citation, State: string(c.State), Why: c.Why.EN}
		if !c.Due.IsZero() {
			out.Due = c.Due.String()
		}
		if m, ok := k.marked[c.ID]; ok {
			out.Done, out.Why = m.At, text(m.Why)
		}
		r.Clocks = append(r.Clocks, out)
	}
}

func stampOf(t interface{ Format(string) string }) string {
	return strings.TrimSpace(t.Format("2006-01-02T15:04:05Z07:00"))
}

// outside counts the copies that were taken out of a piece of evidence, which nobody gives back, and how often it was handed over and was not
// returned.
func outside(custody []Link) int64 {
	var copies, handed int64
	for _, l := range custody {
		switch l.What {
		case "exported":
			copies++
		case "handed-over":
			handed++
		case "returned":
			handed = max(handed-1, 0)
		}
	}
	return copies + handed
}

// Left counts what of a case has left the machine with somebody, by the record: whole records taken out, evidence that is elsewhere, and
// lists that were handed to parties.
type Left struct{ Records, Evidence, Lists int64 }

// Left gives what has left. It is for the program: whoever asks for it has been asked.
func (c *Cases) Left(ctx context.Context, id string) (Left, error) {
	var out Left
	k, err := c.get(ctx, id)
	if err != nil {
		return out, err
	}
	for _, e := range k.log {
		if e.Body.Exported != nil {
			out.Records++
		}
	}
	for _, p := range k.Evidence {
		out.Evidence += outside(p.Custody)
	}
	for _, p := range k.Parties {
		for _, o := range p.Portions {
			if o.Exported > 0 {
				out.Lists++
			}
		}
	}
	return out, nil
}
