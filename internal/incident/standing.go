package incident

import (
	"context"
	"fmt"
	"slices"
	"time"

	"shirase/internal/store"
)

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

// promisedAndLeft gives the promises that notices have made, and of which a whole text after them says nothing: leaving one out does not take it back.
func promisedAndLeft(notices []Notice, state []Fact) []Fact {
	var out []Fact
	for _, n := range notices {
		for _, f := range n.Facts {
			if f.Key != "action" {
				continue
			}
			i := slices.IndexFunc(out, sameAs(f))
			open := !f.Retracted && f.Value.Status == "planned"
			switch {
			case i >= 0 && !open:
				out = slices.Delete(out, i, i+1)
			case i >= 0:
				out[i] = f
			case open && (!f.Value.Promised.IsZero() || !f.Value.Time.IsZero()):
				out = append(out, f)
			}
		}
	}
	return slices.DeleteFunc(out, func(f Fact) bool { return slices.ContainsFunc(state, sameAs(f)) })
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
	return append(out, takenBack(state, known, now)...)
}

// takenBack gives, of facts that do not hold now, how known says that they were taken back.
func takenBack(said, known, now []Fact) []Fact {
	var out []Fact
	for _, f := range said {
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

// Unpublished returns what holds of an incident as of a time (the zero time is now) and no notice has said yet, and what was
// taken back since. A promise that was taken back stands there until a notice says so, also where a whole text leaves it out.
func (s *Incidents) Unpublished(ctx context.Context, id string, asOf time.Time) ([]Fact, error) {
	inc, known, err := s.getAsOf(ctx, id, asOf)
	if err != nil {
		return nil, err
	}
	notices, err := s.Notices(ctx, id)
	if err != nil {
		return nil, err
	}
	published := Published(notices)
	out := changes(published, known, inc.Facts)
	return append(out, takenBack(promisedAndLeft(notices, published), known, inc.Facts)...), nil
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

// Moved gives what changes whenever a fact of an incident is recorded, or a notice published, without reading any of them.
func (s *Incidents) Moved(ctx context.Context, id string) (string, error) {
	return s.MovedIn(ctx, s.db, id)
}

// MovedIn is Moved as a transaction sees it: what is decided there is decided on these facts.
func (s *Incidents) MovedIn(ctx context.Context, q store.Querier, id string) (string, error) {
	var facts, notices int64
	err := q.QueryRowContext(ctx, `SELECT (SELECT coalesce(max(seq), 0) FROM incident_fact WHERE incident = $1), (SELECT coalesce(max(version), 0) FROM incident_notice WHERE incident = $1)`, id).Scan(&facts, &notices)
	if err != nil {
		return "", fmt.Errorf("incident %s: %w", id, err)
	}
	return fmt.Sprintf("%d.%d", facts, notices), nil
}
