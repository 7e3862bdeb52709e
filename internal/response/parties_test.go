package response

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/law"
)

// TestParties: a case knows whom it concerns, what each was told and when, and which part of the scope is theirs.
func TestParties(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		k := d.declare(func(x *Declaration) { x.Part = "processor" })
		them, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		acme := Party{ID: "acme", Name: "Acme", Kind: "client", Contact: "the privacy office", Regime: "eu-gdpr", Key: them.Recipient().String()}
		k, err = d.PutParty(ctx, by, k.ID, 0, acme)
		if err != nil {
			t.Fatal(err)
		}
		p, err := k.Party("acme")
		if err != nil || !p.Untold() || len(k.Regimes) != 2 || k.Regimes[1].ID != "eu-gdpr" {
			t.Fatalf("%+v, %v, %v", p, k.Regimes, err)
		}
		// Two people change it: the later one is told.
		one := p.Version
		acme.Contact = "their desk"
		if _, err := d.PutParty(ctx, by, k.ID, one, acme); err != nil {
			t.Fatal(err)
		}
		acme.Contact = "their lawyer"
		if _, err := d.PutParty(ctx, by, k.ID, one, acme); !errors.Is(err, ErrStale) {
			t.Errorf("an update is lost: %v", err)
		}
		if k, err = d.Inform(ctx, by, k.ID, Informed{Party: "acme", At: "2026-08-21T09:00+09:00", What: "what we know", By: "mail"}); err != nil {
			t.Fatal(err)
		}
		if k, err = d.Portioned(ctx, by, k.ID, Portion{Party: "acme", Roster: "abc", Affected: 12, Identities: map[string]int64{"email": 11}}); err != nil {
			t.Fatal(err)
		}
		p, err = k.Party("acme")
		if err != nil || p.Untold() || p.Told[0].What != "what we know" || p.Portions[0].Affected != 12 || p.Contact != "their desk" {
			t.Errorf("%+v, %v", p, err)
		}
		for name, try := range map[string]func() error{
			"no kind": func() error {
				_, err := d.PutParty(ctx, by, k.ID, 0, Party{ID: "x", Name: "X", Kind: "friend"})
				return err
			},
			"a path": func() error {
				_, err := d.PutParty(ctx, by, k.ID, 0, Party{ID: "../x", Name: "X", Kind: "client"})
				return err
			},
			"no key": func() error {
				_, err := d.PutParty(ctx, by, k.ID, 0, Party{ID: "x", Name: "X", Kind: "client", Key: "age1"})
				return err
			},
			"no contract": func() error {
				_, err := d.PutParty(ctx, by, k.ID, 0, Party{ID: "x", Name: "X", Kind: "client", Regime: "none"})
				return err
			},
			"nobody told": func() error {
				_, err := d.Inform(ctx, by, k.ID, Informed{Party: "x", At: "2026-08-21", What: "x"})
				return err
			},
			"no part": func() error { _, err := d.Portioned(ctx, by, k.ID, Portion{Party: "x"}); return err },
		} {
			if try() == nil {
				t.Errorf("%s: it is recorded", name)
			}
		}
		var nobody actor.Actor
		for name, try := range map[string]func(who actor.Actor) error{
			"put": func(who actor.Actor) error { _, err := d.PutParty(ctx, who, k.ID, 0, acme); return err },
			"inform": func(who actor.Actor) error {
				_, err := d.Inform(ctx, who, k.ID, Informed{Party: "acme", At: "2026-08-21", What: "x"})
				return err
			},
			"portion": func(who actor.Actor) error { _, err := d.Portioned(ctx, who, k.ID, Portion{Party: "acme"}); return err },
		} {
			if err := try(nobody); !errors.Is(err, actor.ErrNobody) {
				t.Errorf("%s as nobody: %v", name, err)
			}
			wrong := actor.Staff(actor.Member{ID: "u1", Roles: []actor.Role{actor.Commander, actor.Writer}, Access: map[string]actor.Access{"another": actor.Full}}, "console")
			if err := try(wrong); !errors.Is(err, ErrNotFound) {
				t.Errorf("%s in a case that is not theirs: %v", name, err)
			}
			reads := actor.Staff(actor.Member{ID: "u1", Roles: []actor.Role{actor.Auditor}, Access: map[string]actor.Access{k.ID: actor.Reads}}, "console")
			if err := try(reads); err == nil {
				t.Errorf("%s as an auditor: it is recorded", name)
			}
		}
		if _, err := d.Verify(ctx, by, k.ID, nil); err != nil {
			t.Error(err)
		}
	})
}

// TestRemind: of a clock somebody is told at half, four fifths and the end of its time, of each once, and of the last where nobody
// looked meanwhile.
func TestRemind(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		var told []string
		d.Tell = func(_ context.Context, _ *sql.Tx, m Message) error {
			if strings.HasPrefix(m.About, "clock jp-appi-sokuho") && m.Kind == "clock" && m.Key != "" {
				told = append(told, m.About)
			}
			return nil
		}
		k := d.declare(func(x *Declaration) { x.Illicit = true })
		at := func(s string) {
			d.now = func() time.Time { return moment(t, s).Time }
			if err := d.Remind(ctx, actor.Server()); err != nil {
				t.Fatal(err)
			}
		}
		at("2026-08-21T10:09+09:00")
		if len(told) != 0 {
			t.Fatalf("too early: %v", told)
		}
		at("2026-08-23T12:00+09:00")
		at("2026-08-25T12:00+09:00")
		at("2026-08-26T00:00+09:00")
		if strings.Join(told, ", ") != "clock jp-appi-sokuho 50, clock jp-appi-sokuho 80, clock jp-appi-sokuho 100" {
			t.Errorf("%v", told)
		}
		told = nil
		if _, err := d.Mark(ctx, by, k.ID, 0, Marked{ID: "jp-appi-sokuho", State: "done", At: "2026-08-25T10:00+09:00"}); err != nil {
			t.Fatal(err)
		}
		at("2026-08-27T00:00+09:00")
		if len(told) != 0 {
			t.Errorf("of what is done: %v", told)
		}
	})
}

// TestNextNamesClocks: what a law asks for stands among what the case asks for, and what is late comes first.
func TestNextNamesClocks(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		k := d.declare(func(x *Declaration) { x.Illicit = true })
		d.now = func() time.Time { return moment(t, "2026-08-27T10:00+09:00").Time }
		k, clocks, err := d.Clocks(t.Context(), by, k.ID)
		if err != nil {
			t.Fatal(err)
		}
		next := k.Next(d.now(), clocks)
		if len(next) == 0 || next[0].About != "clock jp-appi-sokuho" || !next[0].Late {
			t.Errorf("%+v", next)
		}
		if without := k.Next(d.now(), nil); len(without) >= len(next) {
			t.Errorf("without clocks: %+v", without)
		}
	})
}

// TestPromisesAreClocks: what was promised in public, and in the case, runs beside the legal clocks, and its fate follows from facts.
func TestPromisesAreClocks(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		k := d.declare(nil)
		d.facts(k.ID, `asOf: "2026-08-20T16:00+09:00"
facts:
  - {key: action, id: reset, value: The reset opens, status: planned, promised: "2026-08-20T18:00+09:00"}
  - {key: next-update, value: "2026-08-23T18:00+09:00"}`)
		if got := d.clocks(k.ID); got["promise-reset"] != "overdue 2026-08-20T18:00+09:00" || got["promise-next-update"] != "running 2026-08-23T18:00+09:00" {
			t.Errorf("%v", got)
		}
		before, err := d.Standing(ctx, by, k.ID)
		if err != nil {
			t.Fatal(err)
		}
		d.facts(k.ID, `asOf: "2026-08-20T21:00+09:00"
facts:
  - {key: action, id: reset, value: The reset opens, status: slipped, promised: "2026-08-20T18:00+09:00", at: "2026-08-20T21:00+09:00"}`)
		after, err := d.Standing(ctx, by, k.ID)
		if err != nil {
			t.Fatal(err)
		}
		changes := law.Compare(before, after)
		if len(changes) != 1 || changes[0].ID != "promise-reset" || changes[0].Kind != law.Ended || !strings.Contains(changes[0].Words().EN, "slipped") {
			t.Errorf("%+v", changes)
		}
		if _, err := d.Mark(ctx, by, k.ID, 0, Marked{ID: "promise-reset", State: "done"}); !errors.Is(err, ErrEntry) {
			t.Errorf("a promise is marked by hand: %v", err)
		}
		d.facts(k.ID, `asOf: "2026-08-21T21:00+09:00"
facts: [{key: next-update, value: none}]`)
		if got := d.clocks(k.ID); got["promise-next-update"] != "" {
			t.Errorf("%v", got)
		}
	})
}

// facts records facts of a case's incident: a facts file without its id.
func (d *desk) facts(id, text string) {
	d.t.Helper()
	file, err := incident.ParseFactsFile("facts.yaml", []byte("id: "+id+"\n"+text))
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := d.Incidents.Add(d.t.Context(), by, file); err != nil {
		d.t.Fatal(err)
	}
}
