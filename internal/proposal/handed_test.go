package proposal

import (
	"database/sql"
	"errors"
	"slices"
	"testing"
	"time"

	"shirase/internal/actor"
)

// TestProposerChanged: what somebody proposed is void, and noted, in the transaction in which they leave or lose what they need for it;
// what they may still propose, what others did, and what is being carried out, stays.
func TestProposerChanged(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		changed := func(now actor.Actor) {
			t.Helper()
			if err := w.DB.Update(ctx, func(tx *sql.Tx) error { return w.Changed(ctx, tx, "p1", now) }); err != nil {
				t.Fatal(err)
			}
		}
		state := func(x *Proposal) State {
			t.Helper()
			y, err := w.Get(ctx, actor.Operator(), x.ID)
			if err != nil {
				t.Fatal(err)
			}
			if y.State == Void && y.Why == "" {
				t.Error("it is void, and does not say why")
			}
			return y.State
		}
		for name, c := range map[string]struct {
			now       actor.Actor
			say, burn State
		}{
			"removed":            {actor.Actor{}, Void, Void},
			"a desk now":         {person("p1", "", actor.Contributes, actor.Desk), Void, Void},
			"without the case":   {person("p1", "", actor.None, actor.Commander), Void, Void},
			"reads it only":      {person("p1", "", actor.Reads, actor.Commander), Void, Void},
			"a writer now":       {person("p1", "", actor.Contributes, actor.Writer), Proposed, Void},
			"administrator only": {all("p1", "", actor.Administrator), Void, Proposed},
		} {
			say, burn := w.propose("say"), w.propose("burn")
			other, err := w.Propose(ctx, person("p9", "", actor.Contributes, actor.Writer), "say", "shop", 1)
			if err != nil {
				t.Fatal(err)
			}
			w.notes = nil
			changed(c.now)
			if state(say) != c.say || state(burn) != c.burn || state(other) != Proposed {
				t.Errorf("%s: %s, %s, of others %s", name, state(say), state(burn), state(other))
			}
			if (c.say == Void) != slices.Contains(w.notes, "void by shirase") {
				t.Errorf("%s: noted %v", name, w.notes)
			}
			if c.say == Void {
				if _, err := w.Approve(ctx, approver(say), say.ID, say.Digest); !errors.Is(err, ErrOver) || len(w.done) != 0 {
					t.Errorf("%s: approved all the same: %v", name, err)
				}
			}
		}
		say := w.Acts["say"]
		say.Also = actor.Remove
		w.Acts["say"] = say
		taking, err := w.Propose(ctx, person("p1", "", actor.Full, actor.Commander), "say", "shop", 1)
		if err != nil {
			t.Fatal(err)
		}
		if changed(person("p1", "", actor.Full, actor.Commander)); state(taking) != Proposed {
			t.Errorf("who may still: %s", state(taking))
		}
		if changed(person("p1", "", actor.Full, actor.Writer)); state(taking) != Void {
			t.Errorf("who may take nothing away any more: %s", state(taking))
		}
		x := w.propose("burn")
		if _, err := w.DB.ExecContext(ctx, `UPDATE proposal SET state = 'started' WHERE id = $1`, x.ID); err != nil {
			t.Fatal(err)
		}
		if changed(actor.Actor{}); state(x) != Started {
			t.Errorf("what is begun: %s", state(x))
		}
	})
}

// TestAdopt: a member makes what the host proposed their own, exactly what they looked at; they cannot approve it then, and somebody
// else can at once.
func TestAdopt(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.HostWait = time.Hour
		commander := all("p3", "", actor.Commander, actor.Approver)
		host := func() *Proposal {
			t.Helper()
			x, err := w.Propose(ctx, actor.Operator(), "say", "shop", 1)
			if err != nil {
				t.Fatal(err)
			}
			return x
		}
		x := host()
		for name, who := range map[string]actor.Actor{"nobody": {}, "the host": actor.Operator(), "a desk": all("p4", "", actor.Desk), "an approver": all("p4", "", actor.Approver), "an auditor": all("p4", "", actor.Auditor),
			"of another case": actor.Staff(actor.Member{ID: "p4", Roles: []actor.Role{actor.Commander}, Access: map[string]actor.Access{"other": actor.Full}}, "console")} {
			if _, err := w.Adopt(ctx, who, x.ID, x.Digest); err == nil || w.MayAdopt(who, x) {
				t.Errorf("%s adopts it", name)
			}
		}
		if _, err := w.Adopt(ctx, commander, x.ID, "another"); !errors.Is(err, ErrChanged) {
			t.Errorf("another digest: %v", err)
		}
		y, err := w.Adopt(ctx, commander, x.ID, x.Digest)
		if err != nil || y.Host() || y.Digest != x.Digest || y.ID == x.ID {
			t.Fatalf("%+v, %v", y, err)
		}
		if old, err := w.Get(ctx, actor.Operator(), x.ID); err != nil || old.State != Withdrawn || old.Why != "adopted as proposal "+y.ID {
			t.Errorf("the host's: %+v, %v", old, err)
		}
		if _, err := w.Adopt(ctx, commander, x.ID, x.Digest); !errors.Is(err, ErrOver) {
			t.Errorf("twice: %v", err)
		}
		if _, err := w.Adopt(ctx, commander, y.ID, y.Digest); !errors.Is(err, ErrRule) {
			t.Errorf("a member's: %v", err)
		}
		if _, err := w.Approve(ctx, all("p3", y.Act(), actor.Commander, actor.Approver), y.ID, y.Digest); !errors.Is(err, ErrSame) {
			t.Errorf("approved by who adopted it: %v", err)
		}
		if _, err := w.Approve(ctx, approver(y), y.ID, y.Digest); err != nil || len(w.done) != 1 {
			t.Errorf("by a second person, at once: %v, %v", err, w.done)
		}
		x = host()
		w.facts = "two"
		if _, err := w.Adopt(ctx, commander, x.ID, x.Digest); !errors.Is(err, ErrChanged) {
			t.Errorf("what would be done has changed: %v", err)
		}
		if old, err := w.Get(ctx, actor.Operator(), x.ID); err != nil || old.State != Void {
			t.Errorf("%+v, %v", old, err)
		}
	})
}
