package publish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/incident/compose"
	"shirase/internal/index"
	"shirase/internal/language"
	"shirase/internal/roster"
)

// Drafted is a notice as it would be published now, for somebody to look at before they propose it: nothing is sealed, proposed or kept.
type Drafted struct {
	Kind        string          // first, revision, addendum, correction, retraction
	Source      language.Text   // to be edited, with references to facts; empty where the facts give the whole text
	Notice      incident.Notice // its text is what would be read; the zero notice where the source cannot be read
	Fresh       bool            // false: it says what is published already
	Changes     []incident.Fact // that are in no notice yet
	Gaps        []compose.Gap
	Differences []Difference    // published only with a reason
	Missing     []language.Text // told, and published all the same
	Stopped     error           // why it cannot be proposed at all; nil: it can
}

// Digest is the hex SHA-256 of what a draft says: whoever proposes it has looked at that.
func (d *Drafted) Digest() string {
	h := sha256.New()
	for _, s := range []string{d.Kind, d.Source.JA, d.Source.EN, d.Notice.Text.JA, d.Notice.Text.EN} {
		h.Write([]byte(s + "\x00"))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Look composes a notice, and holds it against the facts, the roster and what was published, as a proposal does. The first notice and a
// revision are what the facts give; of another kind d has the text that somebody has written, or none, and then it is drafted.
//
// Errors: ErrImported; incident.ErrNotFound; those of the kind of d, incident.ErrNotice. What is wrong with a text is in Stopped.
func (p *Publisher) Look(ctx context.Context, who actor.Actor, id string, d compose.Draft) (*Drafted, error) {
	if err := who.Check("look at a draft"); err != nil {
		return nil, err
	}
	if err := p.own(ctx, id); err != nil {
		return nil, err
	}
	inc, err := p.Incidents.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	prop := &Proposal{Incident: inc.ID}
	if prop.State, err = p.State(ctx, inc); err != nil {
		return nil, err
	}
	r, err := p.Rosters.Latest(ctx, inc.ID)
	none := errors.Is(err, roster.ErrNone)
	if err != nil && !none {
		return nil, err
	}
	if whole := d.Kind == incident.KindFirst || d.Kind == incident.KindRevision; whole {
		notices, err := p.Incidents.Notices(ctx, inc.ID)
		if err != nil {
			return nil, err
		}
		if d.Kind = incident.KindFirst; len(notices) > 0 {
			d.Kind = incident.KindRevision
		}
	}
	out := &Drafted{Kind: d.Kind}
	request := Request{Incident: inc.ID}
	if d.Kind == incident.KindFirst || d.Kind == incident.KindRevision {
		if out.Notice, out.Fresh, err = p.Upcoming(ctx, inc.ID); err != nil {
			return nil, err
		}
		d.Figures = p.figures(prop.State, r.Counts.Affected)
		if prop.State == incident.StateFinal && none {
			out.Stopped = ErrNoRoster
		} else if prop.State == incident.StateFinal {
			prop.Differences, prop.Uncompared = compare(inc, r)
		} else if prop.State == incident.StateInvestigating {
			if prop.Differences, err = p.unused(ctx, inc.ID); err != nil {
				return nil, err
			}
		}
		if out.Changes, err = p.Incidents.Unpublished(ctx, inc.ID, time.Time{}); err != nil {
			return nil, err
		}
	} else if err := p.lookPart(ctx, prop, out, &d); err != nil {
		return nil, err
	} else {
		request.Notice = &d
	}
	out.Gaps = compose.Gaps(inc, d)
	if !out.Fresh || out.Notice.Text == (language.Text{}) { // the text stands, and yet the roster may be another
		out.Differences, out.Missing = prop.Differences, prop.Uncompared
		return out, nil
	}
	prop.Notice = &out.Notice
	if err := p.read(ctx, prop, inc, request); errors.Is(err, ErrOverturned) {
		out.Stopped = err
	} else if err != nil {
		return nil, err
	}
	out.Differences, out.Missing = prop.Differences, slices.Concat(prop.Uncompared, prop.Missing)
	return out, nil
}

// lookPart composes an addendum, a correction or a retraction.
func (p *Publisher) lookPart(ctx context.Context, prop *Proposal, out *Drafted, d *compose.Draft) error {
	text, changes, err := p.DraftNotice(ctx, prop.Incident, *d)
	if err != nil {
		return err
	}
	if d.Text == (language.Text{}) {
		d.Text = text
	}
	out.Source, out.Changes, out.Fresh = d.Text, changes, true
	st, _, _, err := p.Index.Statement(ctx)
	if err != nil && !errors.Is(err, index.ErrNone) {
		return err
	}
	if st == nil || st.Incident(prop.Incident) == nil {
		return nil // DraftNotice has refused what belongs to no notice
	}
	err = p.proposeNotice(ctx, prop, *d)
	if prop.Notice != nil {
		out.Notice = *prop.Notice
	}
	d.Figures = p.figures(prop.State, 0)
	if errors.Is(err, incident.ErrNotice) || errors.Is(err, incident.ErrNoNotice) || errors.Is(err, compose.ErrNothingNew) { // of the text, which is shown with it
		out.Stopped, err = err, nil
	}
	return err
}
