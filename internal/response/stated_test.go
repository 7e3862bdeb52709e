package response

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/law"
)

// TestStatedTogether: who commands, which regime applies, how a clock stands, what started and what is known have versions too: whoever
// has read an earlier one is told how it stands, and whoever has read nothing is refused where they say so.
func TestStatedTogether(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		k := d.declare(nil)
		for what, change := range map[string]func(version int64, text string) (*Case, error){
			"commander": func(v int64, s string) (*Case, error) { return d.Appoint(ctx, by, k.ID, v, Commander{Name: s}) },
			"regime eu-gdpr": func(v int64, s string) (*Case, error) {
				return d.Apply(ctx, by, k.ID, v, Regime{ID: "eu-gdpr", Refused: true, Why: s})
			},
			"clock jp-appi-sokuho": func(v int64, s string) (*Case, error) {
				return d.Mark(ctx, by, k.ID, v, Marked{ID: "jp-appi-sokuho", State: "suspended", Why: s})
			},
			"started materiality": func(v int64, _ string) (*Case, error) {
				return d.Start(ctx, by, k.ID, v, Started{"materiality", "2026-08-20+09:00"})
			},
			"knows wrongful": func(v int64, s string) (*Case, error) { return d.Know(ctx, by, k.ID, v, Knows{"wrongful", s == "one"}) },
		} {
			read := k.Stated(what).Version
			if read != 1 {
				t.Fatalf("%s: version %d before anybody said anything", what, read)
			}
			now, err := change(read, "one")
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if is := now.Stated(what); is.Version != now.Entries || is.RecordedBy != by.String() {
				t.Errorf("%s: %+v", what, is)
			}
			_, err = change(read, "two")
			var stale *StaleError
			if !errors.As(err, &stale) || stale.Version != now.Entries || stale.Now.kind() == "" {
				t.Errorf("%s: the slower one: %v", what, err)
			}
			if _, err := change(-1, "two"); !errors.Is(err, ErrStale) {
				t.Errorf("%s: who has read nothing: %v", what, err)
			}
			if _, err := change(now.Entries, "two"); err != nil {
				t.Errorf("%s: who has read it again: %v", what, err)
			}
		}
	})
}

// TestWithdrawOthers: whoever may add to a case takes their own event off the timeline, and puts it back; that of somebody else only who
// may take something away. Correcting it is for all who may add.
func TestWithdrawOthers(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		k := d.declare(nil)
		mine, other := staff("p-desk", k.ID, actor.Contributes, actor.Desk), staff("p-writer", k.ID, actor.Full, actor.Writer)
		commander := staff("p-lead", k.ID, actor.Full, actor.Commander)
		k, err := d.AddEvent(ctx, mine, k.ID, Event{At: "2026-08-20T10:00+09:00", Text: "cut off"})
		if err != nil {
			t.Fatal(err)
		}
		id := k.Events[0].ID
		change := func(who actor.Actor, withdrawn bool) error {
			_, err := d.ChangeEvent(ctx, who, k.ID, id, 0, func(e *Event) { e.Why, e.Withdrawn = "mended", withdrawn })
			return err
		}
		if err := change(other, true); !errors.Is(err, actor.ErrRole) {
			t.Errorf("somebody else's: %v", err)
		}
		if err := change(other, false); err != nil {
			t.Errorf("corrected by somebody else: %v", err)
		}
		if err := change(mine, true); err != nil { // theirs still, although somebody corrected it
			t.Errorf("one's own: %v", err)
		}
		if err := change(other, false); !errors.Is(err, actor.ErrRole) {
			t.Errorf("put back by somebody else: %v", err)
		}
		if err := change(commander, false); err != nil {
			t.Errorf("by who commands, with full access: %v", err)
		}
		if err := change(staff("p-lead", k.ID, actor.Contributes, actor.Commander), true); !errors.Is(err, actor.ErrAccess) {
			t.Errorf("by who commands, without taking away: %v", err)
		}
		if k, err = d.Get(ctx, by, k.ID); err != nil || k.Events[0].Withdrawn || k.Events[0].FirstBy != mine.String() || k.MayWithdraw(other, k.Events[0]) == nil {
			t.Errorf("%+v, %v", k.Events, err)
		}
	})
}

// TestPlaybookFromKnowledge: what a playbook counts from the moment of knowledge is due by it, and what it counts from the declaration by
// that, however late the case was declared.
func TestPlaybookFromKnowledge(t *testing.T) {
	p, found, err := ParsePlaybook("own", []byte("tasks:\n  - {en: report, within: 3d, from: knowledge}\n  - {en: cut, within: 1h}\nquestions:\n  - {en: pay, within: 2d, from: knowledge}\n"))
	if err != nil {
		t.Fatal(found, err)
	}
	now := time.Date(2026, 8, 22, 3, 0, 0, 0, time.UTC)
	for known, want := range map[string][]string{
		"2026-08-20T10:09+09:00": {"2026-08-23T01:09Z", "2026-08-22T04:00Z", "2026-08-22T01:09Z"},
		"2026-08-20+09:00":       {"2026-08-22T15:00Z", "2026-08-22T04:00Z", "2026-08-21T15:00Z"},
	} {
		var got []string
		for _, b := range p.opens(Declaration{Known: moment(t, known)}, now) {
			switch {
			case b.Task != nil:
				got = append(got, b.Task.Due)
			case b.Question != nil:
				got = append(got, b.Question.Due)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("known %s: %v, want %v", known, got, want)
		}
	}
	if _, found, err := ParsePlaybook("own", []byte("tasks:\n  - {en: report, within: 3d, from: monday}\n")); err == nil || len(found) != 1 || found[0].Line != 2 {
		t.Errorf("%v, %v", found, err)
	}
}

// TestNextUpdateKept: that more is told is promised by the facts as well as in the case, and kept by the next notice.
func TestNextUpdateKept(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		k := d.declare(nil)
		asks := func() bool {
			t.Helper()
			k, clocks, err := d.Clocks(t.Context(), by, k.ID)
			if err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(k.Next(d.now(), clocks), func(n Next) bool { return n.Kind == "promise-none" })
		}
		if !asks() {
			t.Error("nobody has promised anything, and it does not ask")
		}
		d.facts(k.ID, `asOf: "2026-08-20T16:00+09:00"
facts: [{key: next-update, value: "2026-08-23T18:00+09:00"}]`)
		if asks() {
			t.Error("the facts name the next update, and it asks")
		}
		d.facts(k.ID, `asOf: "2026-08-21T16:00+09:00"
facts: [{key: next-update, value: none}]`)
		if asks() {
			t.Error("nothing more is planned, and it asks")
		}
	})
	made := time.Date(2026, 8, 20, 3, 0, 0, 0, time.UTC)
	k := newCase("shop")
	k.Promises = []Promised{{Promise: Promise{ID: 4, Text: nextUpdate, Due: "2026-08-20T18:00+09:00", State: "open"}, Made: made}, {Promise: Promise{ID: 5, Text: "other", Due: "2026-08-20T18:00+09:00", State: "open"}, Made: made}}
	early, late := incident.Notice{Time: made.Add(-time.Hour)}, incident.Notice{Time: made.Add(time.Hour)}
	if got := k.promised([]incident.Notice{early}); !got[0].Kept.IsZero() {
		t.Errorf("a notice from before keeps it: %+v", got)
	}
	if got := k.promised([]incident.Notice{early, late}); !got[0].Kept.Time.Equal(late.Time) || !got[1].Kept.IsZero() {
		t.Errorf("%+v", got)
	}
	clocks := &Clocks{Clocks: []law.Clock{k.promised([]incident.Notice{late})[0].Clock(made.Add(48 * time.Hour))}}
	if slices.ContainsFunc(k.Next(made, clocks), func(n Next) bool { return n.About == "promise 4" }) {
		t.Error("what was kept is asked for")
	}
}

// TestAddenda: a promise that was made in public and has slipped proposes what to say of it, until a notice has said something.
func TestAddenda(t *testing.T) {
	due := moment(t, "2026-08-20T18:00+09:00")
	at := func(s string) time.Time { return moment(t, s).Time }
	action := incident.Fact{Key: "action", Item: "reset"}
	notice := incident.Notice{ID: "n", Time: at("2026-08-20T12:00+09:00"), Facts: []incident.Fact{action}}
	after := incident.Notice{ID: "n", Time: at("2026-08-20T21:09+09:00")}
	p := law.Promise{ID: "reset", What: language.Both("再設定の受付", "The reset"), Due: due}
	late := p
	late.Kept = moment(t, "2026-08-20T21:00+09:00")
	for name, c := range map[string]struct {
		p       law.Promise
		notices []incident.Notice
		now     string
		want    string
	}{
		"its time has not come":      {p, []incident.Notice{notice}, "2026-08-20T17:00+09:00", ""},
		"over, and nothing said":     {p, []incident.Notice{notice}, "2026-08-20T18:30+09:00", "まだできていません"},
		"over, and an addendum said": {p, []incident.Notice{notice, after}, "2026-08-20T22:00+09:00", ""},
		"late, and nothing said":     {late, []incident.Notice{notice}, "2026-08-20T21:05+09:00", "21時になりました"},
		"late, and said":             {late, []incident.Notice{notice, after}, "2026-08-21T21:05+09:00", ""},
		"never made in public":       {p, []incident.Notice{after}, "2026-08-20T18:30+09:00", ""},
	} {
		got := addenda([]law.Promise{c.p}, c.notices, at(c.now))
		if (len(got) == 1) != (c.want != "") || len(got) == 1 && (!strings.Contains(got[0].Text.JA, c.want) || !strings.Contains(got[0].Text.EN, "The reset was announced for") || got[0].Clock != "promise-reset") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
