package publish

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/incident/compose"
	"shirase/internal/language"
	"shirase/internal/proposal"
)

// approvals are an instance with staff.
func approvals(t *testing.T, w *world) *proposal.Proposals {
	t.Helper()
	staffed := func(context.Context) (bool, error) { return true, nil }
	w.Staffed = staffed
	p, err := proposal.New(t.Context(), proposal.Rooms{DB: w.DB, Acts: w.Acts(), Staffed: staffed, Approvers: func(context.Context) (int, error) { return 2, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func second(x *proposal.Proposal) actor.Actor {
	return actor.Staff(actor.Member{ID: "p2", Roles: []actor.Role{actor.Approver}, Access: map[string]actor.Access{actor.Every: actor.Full}, Confirms: x.Act()}, "console")
}

// TestApproved: once there is staff nothing is published by one alone; what is approved is published to the byte, and what has changed
// since it was proposed is not.
func TestApproved(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.record(agreeing)
		w.scope("shop", rows(6), rules)
		p := approvals(t, w)
		request := func() Asked { return AskedOf(Request{Incident: "shop"}, time.Now()) }

		for what, do := range map[string]func() error{
			"publish":     func() error { _, _, err := w.Run(ctx, by, Request{Incident: "shop"}); return err },
			"retire":      func() error { _, _, err := w.Retire(ctx, by, "shop"); return err },
			"reopen":      func() error { _, err := w.Reopen(ctx, by, "shop"); return err },
			"withdraw":    func() error { _, err := w.Withdraw(ctx, by, "shop"); return err },
			"shred":       func() error { _, err := w.Shred(ctx, by, "shop"); return err },
			"rotate":      func() error { _, err := w.Rotate(ctx, by, 0, nil); return err },
			"compromised": func() error { _, err := w.Compromised(ctx, by, "k1"); return err },
			"publish a proposal": func() error {
				prop, err := w.Propose(ctx, by, Request{Incident: "shop"})
				if err != nil {
					return err
				}
				_, err = w.Publish(ctx, by, prop)
				return err
			},
		} {
			if err := do(); !errors.Is(err, proposal.ErrWanted) {
				t.Errorf("%s by one alone: %v", what, err)
			}
		}
		if w.shown("shop", "Title") {
			t.Fatal("it is public")
		}

		stale, err := p.Propose(ctx, by, KindPublish, "shop", request())
		if err != nil {
			t.Fatal(err)
		}
		w.record("id: shop\nfacts: [{key: title, value: Another}]")
		if _, err := p.Approve(ctx, second(stale), stale.ID, stale.Digest); !errors.Is(err, proposal.ErrChanged) {
			t.Fatalf("a fact was recorded after it was proposed: %v", err)
		}

		x, err := p.Propose(ctx, by, KindPublish, "shop", request())
		if err != nil || x.Effect.People != 6 || !strings.Contains(x.Effect.Says.EN, "version 1") {
			t.Fatalf("%+v, %v", x, err)
		}
		var doc struct {
			Notice jsontext.Value `json:"notice"`
		}
		if err := json.Unmarshal(x.Bytes, &doc); err != nil {
			t.Fatal(err)
		}
		// Another statement in between changes number and time of the statement, and nothing of this.
		w.record("id: other\nfacts: [{key: title, value: Other}, {key: organisation, value: Other}]")
		other, err := p.Propose(ctx, by, KindPublish, "other", request())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Approve(ctx, second(other), other.ID, other.Digest); err != nil {
			t.Fatal(err)
		}
		done, err := p.Approve(ctx, second(x), x.ID, x.Digest)
		if err != nil || done.State != proposal.Done || !strings.Contains(string(done.Result), `"notice":"shop-v1"`) {
			t.Fatalf("%+v, %v", done, err)
		}
		notices, err := w.Incidents.Notices(ctx, "shop")
		if err != nil || len(notices) != 1 || !bytes.Equal(notices[0].Data, doc.Notice) {
			t.Fatalf("what is published is not what was approved: %v", err)
		}
		if !w.shown("shop", "Another") {
			t.Error("it is not public")
		}
		records, err := w.Records(ctx, "shop")
		if err != nil || len(records) != 2 || records[1].Actor != "p2 by console" {
			t.Errorf("%+v, %v", records, err)
		}
		if _, err := p.Approve(ctx, second(x), x.ID, x.Digest); !errors.Is(err, proposal.ErrOver) {
			t.Errorf("approved twice: %v", err)
		}

		note, err := p.Propose(ctx, by, KindPublish, "shop", AskedOf(Request{Incident: "shop", Notice: &compose.Draft{Kind: "addendum", Text: language.Text{JA: "追記です。", EN: "An addendum."}}}, time.Now()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Approve(ctx, second(note), note.ID, note.Digest); err != nil {
			t.Fatal(err)
		}
		if notices, err = w.Incidents.Notices(ctx, "shop"); err != nil || len(notices) != 2 || notices[1].Text.EN == "" {
			t.Errorf("%d notices, %v", len(notices), err)
		}
	})
}

// TestEndsApproved: what ends for ever ends when it is approved.
func TestEndsApproved(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.record(agreeing)
		w.scope("shop", rows(6), rules)
		if _, _, err := w.Run(ctx, by, Request{Incident: "shop"}); err != nil {
			t.Fatal(err)
		}
		p := approvals(t, w)
		do := func(kind, id string, request any) *proposal.Proposal {
			t.Helper()
			x, err := p.Propose(ctx, by, kind, id, request)
			if err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			if done, err := p.Approve(ctx, second(x), x.ID, x.Digest); err != nil || done.State != proposal.Done {
				t.Fatalf("%s: %v", kind, err)
			}
			return x
		}
		if x := do(KindRotate, "", AskedKey{}); x.Effect.People != 6 {
			t.Errorf("%+v", x.Effect)
		}
		if keys, err := w.Index.Keys(ctx); err != nil || len(keys) != 2 || keys[0].Ended.IsZero() {
			t.Errorf("%+v, %v", keys, err)
		}
		do(KindCompromised, "", AskedKey{Key: "k2"})
		do(KindReopen, "shop", struct{}{})
		held := Kept{Entries: 3, SHA256: "aa"}
		w.Kept = func(context.Context, string) (Kept, error) { return held, nil }
		for what, change := range map[string]func(){
			"the case's record":   func() { held.Entries, held.SHA256 = 4, "bb" },
			"evidence":            func() { held.Evidence = append(held.Evidence, "cc") },
			"a roster of a party": func() { w.part("shop", "party", rows(2), rules) },
		} {
			x, err := p.Propose(ctx, by, KindShred, "shop", struct{}{})
			if err != nil {
				t.Fatal(err)
			}
			change()
			if _, err := p.Approve(ctx, second(x), x.ID, x.Digest); !errors.Is(err, proposal.ErrChanged) {
				t.Errorf("%s came after it was proposed: %v", what, err)
			}
			if r, err := w.Rosters.Latest(ctx, "shop"); err != nil || !r.Shredded.IsZero() {
				t.Fatalf("%+v, %v", r, err)
			}
		}
		if x := do(KindShred, "shop", struct{}{}); x.Effect.People != 6 || !strings.Contains(x.Effect.Says.EN, "2 rosters, of the case's record (4 entries) and of 1 pieces") {
			t.Errorf("%+v", x.Effect)
		}
		if r, err := w.Rosters.Latest(ctx, "shop"); err != nil || r.Shredded.IsZero() {
			t.Errorf("%+v, %v", r, err)
		}
		// Again it only looks for copies of the key that were not reached, or have come back.
		if x := do(KindShred, "shop", struct{}{}); !strings.HasPrefix(x.Effect.Says.EN, "looks for copies of the case's key") {
			t.Errorf("%+v", x.Effect)
		}
		do(KindRetire, "shop", struct{}{})
		st, _, _, err := w.Index.Statement(ctx)
		if err != nil || st.Incident("shop").State != "retired" {
			t.Errorf("%+v, %v", st, err)
		}
	})
}

// TestRecordCases: one head a day, of one size, with a case or without.
func TestRecordCases(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		var kept []string
		of := func(root byte) CasesOf {
			return func(_ context.Context, _ *sql.Tx, day string) (check.Hash, func(int64) error, error) {
				return check.Hash{root}, func(at int64) error { kept = append(kept, fmt.Sprint(day, " ", at)); return nil }, nil
			}
		}
		day := time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)
		w.now = func() time.Time { return day }
		for i, want := range []bool{true, false, true} {
			if i == 2 {
				day = day.Add(24 * time.Hour)
			}
			if _, recorded, err := w.RecordCases(ctx, actor.Server(), of(byte(i))); err != nil || recorded != want {
				t.Fatalf("%d: %v, %v", i, recorded, err)
			}
		}
		day = day.Add(-72 * time.Hour) // a clock that goes back
		if _, recorded, err := w.RecordCases(ctx, actor.Server(), of(9)); err != nil || recorded {
			t.Errorf("a day that was over: %v, %v", recorded, err)
		}
		if _, _, err := w.RecordCases(ctx, actor.Actor{}, of(9)); !errors.Is(err, actor.ErrNobody) {
			t.Error(err)
		}
		heads, err := w.CasesHeads(ctx)
		if err != nil || len(heads) != 2 || len(kept) != 2 || heads[0].Head.Day != "2026-11-29" || heads[1].Head.Head != (check.Hash{2}) || heads[1].Proof == nil || len(heads[0].Data) != len(heads[1].Data) {
			t.Errorf("%+v, %v, %v", heads, kept, err)
		}
		if _, err := w.DB.ExecContext(ctx, `UPDATE ledger_data SET bytes = $2 WHERE hash = (SELECT data FROM ledger_leaves WHERE leaf = $1)`, heads[0].LedgerIndex, heads[1].Data); err != nil {
			t.Fatal(err)
		}
		if _, err := w.CasesHeads(ctx); !errors.Is(err, check.ErrInclusion) {
			t.Errorf("a head that was exchanged: %v", err)
		}
	})
}
