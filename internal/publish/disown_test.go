package publish

import (
	"errors"
	"testing"

	"shirase/internal/incident"
	"shirase/internal/proposal"
)

// TestDisown: to disown an incident shows everybody all that is recorded of it. What has a case or a roster is not disowned, with and
// without staff; of what has none it is proposed, to the fact.
func TestDisown(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		for _, id := range []string{"case", "roster", "noted", "free"} {
			w.record("id: " + id + "\nfacts: [{key: title, value: Secret}, {key: organisation, value: Shop}]")
		}
		if _, err := w.Rosters.Sealer(ctx, "case", true); err != nil { // as a declaration does
			t.Fatal(err)
		}
		w.scope("roster", rows(6), rules)
		refused := func(when string) {
			t.Helper()
			for _, id := range []string{"case", "roster"} {
				if err := w.Disown(ctx, by, id); !errors.Is(err, incident.ErrOrigin) && !errors.Is(err, proposal.ErrWanted) {
					t.Errorf("%s: %s: %v", when, id, err)
				}
				if w.shown(id, "Secret") {
					t.Fatalf("%s: %s is public", when, id)
				}
			}
		}
		refused("alone")
		if err := w.Rosters.Shred(ctx, by, "roster"); err != nil {
			t.Fatal(err)
		}
		refused("shredded")
		if err := w.Disown(ctx, by, "free"); err != nil || !w.shown("free", "Secret") {
			t.Fatalf("one without a case, by one who is alone: %v", err)
		}

		p := approvals(t, w)
		refused("with staff")
		if err := w.Disown(ctx, by, "noted"); !errors.Is(err, proposal.ErrWanted) || w.shown("noted", "Secret") {
			t.Errorf("with staff, by one alone: %v", err)
		}
		for id, want := range map[string]error{"case": incident.ErrOrigin, "roster": incident.ErrOrigin, "free": incident.ErrOrigin, "none": incident.ErrNotFound} {
			if _, err := p.Propose(ctx, by, KindDisown, id, struct{}{}); !errors.Is(err, want) {
				t.Errorf("proposed of %s: %v", id, err)
			}
		}
		stale, err := p.Propose(ctx, by, KindDisown, "noted", struct{}{})
		if err != nil || w.shown("noted", "Secret") {
			t.Fatal(err)
		}
		w.record("id: noted\nfacts: [{key: affected.count, value: 777, unit: persons}]")
		if _, err := p.Approve(ctx, second(stale), stale.ID, stale.Digest); !errors.Is(err, proposal.ErrChanged) || w.shown("noted", "Secret") {
			t.Errorf("a fact was recorded meanwhile: %v", err)
		}
		x, err := p.Propose(ctx, by, KindDisown, "noted", struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Rosters.Sealer(ctx, "noted", true); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Approve(ctx, second(x), x.ID, x.Digest); !errors.Is(err, incident.ErrOrigin) || w.shown("noted", "Secret") {
			t.Errorf("a case was declared meanwhile: %v", err)
		}
		w.record("id: more\nfacts: [{key: title, value: Secret}]")
		if x, err = p.Propose(ctx, by, KindDisown, "more", struct{}{}); err != nil {
			t.Fatal(err)
		}
		if x, err = p.Approve(ctx, second(x), x.ID, x.Digest); err != nil || x.State != proposal.Done || !w.shown("more", "Secret") {
			t.Errorf("approved by a second person: %+v, %v", x, err)
		}
	})
}
