package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/archive"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/index"
	"shirase/internal/killtest"
	"shirase/internal/ledger"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

const club = `
id: club
asOf: "2026-11-20T16:00+09:00"
facts:
  - {key: title, value: The club}
  - {key: data-class, value: email}
`

const clubRules = "columns: {account: id, email: mail}\nsets: [{classes: [email]}]\n"

// two makes and publishes two incidents, under one key.
func (w *world) two() {
	w.t.Helper()
	w.record(agreeing)
	w.scope("shop", rows(6), rules)
	w.record(club)
	w.scope("club", "id,mail\n1,c1@example.com\n2,m0@example.com\n", clubRules)
	for _, id := range []string{"shop", "club"} {
		if _, _, err := w.Run(w.t.Context(), by, Request{Incident: id}); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) newest() *check.Statement {
	w.t.Helper()
	st, _, _, err := w.Index.Statement(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return st
}

// hasKey reports whether an evaluator key's file is there.
func (w *world) hasKey(id string) bool {
	w.t.Helper()
	_, err := w.keys.Load("evaluator-" + id + ".key")
	if err != nil && !errors.Is(err, files.ErrNotExist) {
		w.t.Fatal(err)
	}
	return err == nil
}

func (w *world) mustAnswer(address string, result check.Result, incidents ...string) {
	w.t.Helper()
	v := w.ask(address)
	var found []string
	for _, f := range v.Incidents {
		found = append(found, f.ID)
	}
	if v.Result != result || !slices.Equal(found, incidents) {
		w.t.Errorf("%s: %+v", address, v)
	}
}

// TestRotate: every incident is sealed anew, the old key is destroyed and published as ended, and nobody's answer changes.
func TestRotate(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.two()
		r, err := w.Rotate(t.Context(), by, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(r.Sealed)
		if r.Key != "k2" || !slices.Equal(r.Ended, []string{"k1"}) || !slices.Equal(r.Sealed, []string{"club", "shop"}) || !slices.Equal(r.Remaining, []Remaining{Backups}) {
			t.Errorf("%+v", r)
		}
		st := w.newest()
		if st.Key("k1").State != check.KeyEnded || st.Key("k2").State != check.KeyLive || w.hasKey("k1") || !w.hasKey("k2") {
			t.Errorf("%+v", st.Keys)
		}
		for _, id := range []string{"shop", "club"} {
			if in := st.Incident(id); in.Revision != "2" || len(in.Superseded) != 0 || in.State != check.Final {
				t.Errorf("%+v", in)
			}
		}
		w.mustAnswer("m0@example.com", check.Affected, "club", "shop")
		w.mustAnswer("c1@example.com", check.Affected, "club")
		w.mustAnswer("stranger@example.com", check.NotInScope)
		// Who is not in what was sealed anew is told that the former revision cannot be asked any more.
		held := st.Key("k1").Held
		if len(held) != 2 || held[0].Incident != "club" || held[1].Incident != "shop" || held[1].Revision != "1" || held[1].N() == 0 {
			t.Errorf("%+v", held)
		}
		if v := w.ask("stranger@example.com"); v.Complete() || !slices.Equal(v.Ended, []check.EndedRevision{{ID: "club", Revision: "1"}, {ID: "shop", Revision: "1"}}) {
			t.Errorf("%+v", v)
		}
		w.mustVerify()
		// Published as it is: what was sealed from the same roster is not sealed again.
		if _, pub, err := w.Run(t.Context(), by, Request{Incident: "shop"}); err != nil || pub.Changed {
			t.Errorf("%+v, %v", pub, err)
		}
		// Again, under a key for a larger index.
		if r, err = w.Rotate(t.Context(), by, 16, nil); err != nil || r.Key != "k3" || w.newest().Key("k3").LocatorBits != 16 || !slices.Equal(r.Ended, []string{"k2"}) {
			t.Errorf("%+v, %v", r, err)
		}
		if st := w.newest(); len(st.Key("k1").Held) != 2 || len(st.Key("k2").Held) != 2 || st.Key("k2").Held[0].Revision != "2" {
			t.Errorf("%+v", st.Keys)
		}
		w.mustAnswer("m0@example.com", check.Affected, "club", "shop")
		w.mustVerify()
	})
}

// TestRotateShredded: what cannot be sealed anew keeps its key, which is said, until it is retired.
func TestRotateShredded(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.two()
		if err := w.Rosters.Shred(ctx, by, "club"); err != nil {
			t.Fatal(err)
		}
		r, err := w.Rotate(ctx, by, 0, nil)
		if err != nil || len(r.Ended) != 0 || !slices.Equal(r.Sealed, []string{"shop"}) || len(r.Remaining) != 2 || r.Remaining[0].What != "club" {
			t.Fatalf("%+v, %v", r, err)
		}
		st := w.newest()
		if st.Key("k1").State != check.KeyLive || !w.hasKey("k1") || len(st.Incident("shop").Superseded) != 1 {
			t.Errorf("%+v", st.Keys)
		}
		w.mustAnswer("c1@example.com", check.Affected, "club")
		w.mustAnswer("m5@example.com", check.Affected, "shop")
		if _, err := w.Rotate(ctx, by, 0, nil); err != nil || len(w.newest().Keys) != 2 { // it goes on with the key that it made
			t.Errorf("%v, %+v", err, w.newest().Keys)
		}
		cert, remaining, err := w.Retire(ctx, by, "club")
		if err != nil || len(cert.Destroyed) != 2 || w.hasKey("k1") || len(remaining) != 1 {
			t.Fatalf("%+v, %+v, %v", cert, remaining, err)
		}
		if st = w.newest(); st.Key("k1").State != check.KeyEnded || len(st.Incident("shop").Superseded) != 0 || st.Incident("club").State != check.Retired {
			t.Errorf("%+v", st)
		}
		w.mustAnswer("m5@example.com", check.Affected, "shop")
		w.mustVerify()
	})
}

// TestCompromised: statement and answers say so, nothing new is sealed under the key, and what is sealed goes on.
func TestCompromised(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.two()
		if _, err := w.Compromised(ctx, by, "k9"); !errors.Is(err, index.ErrNoSuchKey) || !strings.Contains(hint.Of(err), "k1") {
			t.Errorf("%v, hint %q", err, hint.Of(err))
		}
		pub, err := w.Compromised(ctx, by, "k1")
		if err != nil || pub.Statement.Key("k1").State != check.KeyCompromised {
			t.Fatalf("%+v, %v", pub, err)
		}
		if pub, err := w.Compromised(ctx, by, "k1"); err != nil || pub != nil {
			t.Errorf("said twice: %+v, %v", pub, err)
		}
		if v := w.ask("m0@example.com"); v.Result != check.Affected || !slices.Equal(v.Compromised, []string{"club", "shop"}) {
			t.Errorf("%+v", v)
		}
		w.record("id: club\nasOf: \"2026-11-21T16:00+09:00\"\nfacts: [{key: title, value: Another title}]") // with the same roster
		if _, pub, err := w.Run(ctx, by, Request{Incident: "club"}); err != nil || pub.Statement.Incident("club").Revision != "1" {
			t.Errorf("%+v, %v", pub, err)
		}
		w.scope("club", "id,mail\n1,c1@example.com\n3,c3@example.com\n", clubRules)
		_, pub, err = w.Run(ctx, by, Request{Incident: "club"})
		if err != nil || pub.Statement.Incident("club").Revision != "2" || pub.Statement.Key("k2") == nil {
			t.Fatalf("a new scope: %+v, %v", pub, err)
		}
		if v := w.ask("c3@example.com"); v.Result != check.Affected || !slices.Equal(v.Compromised, []string{"shop"}) {
			t.Errorf("%+v", v)
		}
		r, err := w.Rotate(ctx, by, 0, nil)
		if err != nil || r.Key != "k2" || !slices.Equal(r.Ended, []string{"k1"}) {
			t.Fatalf("%+v, %v", r, err)
		}
		if v := w.ask("m0@example.com"); v.Result != check.Affected || len(v.Compromised) != 0 {
			t.Errorf("%+v", v)
		}
		if _, err := w.Compromised(ctx, by, "k1"); !errors.Is(err, index.ErrEnded) {
			t.Errorf("a key that has ended: %v", err)
		}
		w.mustVerify()
	})
}

// TestRetire: what only this incident is answered under is destroyed and certified; what others are answered under is not, and
// is said.
func TestRetire(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.two()
		w.record("id: club\nasOf: \"2026-11-21T16:00+09:00\"\nfacts: [{key: title, value: A draft title}]") // nobody is to see it
		if _, _, err := w.Retire(ctx, by, "nobody"); err == nil {
			t.Error("an incident that is not there was retired")
		}
		cert, remaining, err := w.Retire(ctx, by, "club")
		if err != nil || len(cert.Destroyed) != 0 || !w.hasKey("k1") {
			t.Fatalf("%+v, %v", cert, err)
		}
		var what []string
		for _, r := range remaining {
			what = append(what, r.What)
		}
		if !slices.Equal(what, []string{"evaluator key k1", "the sealed roster of club", Backups.What}) {
			t.Errorf("%q", what)
		}
		st := w.newest()
		if in := st.Incident("club"); in.State != check.Retired || in.Title["en"] != "The club" || len(st.Layers) != 1 || st.Key("k1").State != check.KeyLive {
			t.Errorf("%+v", st)
		}
		if v := w.ask("c1@example.com"); v.Result != check.NotInScope || !slices.Contains(v.NotCovered, check.NotCovered{ID: "club", Why: check.WhyRetired}) {
			t.Errorf("%+v", v)
		}
		notices, err := w.Incidents.Notices(ctx, "club")
		if err != nil || len(notices) != 2 || notices[1].Kind != incident.KindAddendum || !strings.Contains(notices[1].Text.EN, "no longer answered") || !w.shown("club", "The club") {
			t.Errorf("%+v, %v", notices, err)
		}
		// Again: nothing more happens, and the same is certified.
		if again, _, err := w.Retire(ctx, by, "club"); err != nil || again.Seq != cert.Seq || again.LedgerIndex != cert.LedgerIndex {
			t.Errorf("%+v, %v", again, err)
		}
		// It is over for ever.
		w.record("id: club\nasOf: \"2030-11-21T16:00+09:00\"\nfacts: [{key: scope.state, value: final}]")
		if _, _, err := w.Run(ctx, by, Request{Incident: "club"}); !errors.Is(err, index.ErrState) {
			t.Errorf("what was retired is answered again: %v", err)
		}
		cert, remaining, err = w.Retire(ctx, by, "shop")
		if err != nil || len(cert.Destroyed) != 1 || cert.Destroyed[0].What != "evaluator key k1" || w.hasKey("k1") || len(remaining) != 2 {
			t.Fatalf("%+v, %+v, %v", cert, remaining, err)
		}
		if st := w.newest(); st.Key("k1").State != check.KeyEnded || len(st.Layers) != 0 || int64(cert.Seq) != st.Seq {
			t.Errorf("%+v", st)
		}
		w.mustVerify()
		// A new incident is sealed under a new key.
		w.record("id: later\nasOf: \"2026-12-20T16:00+09:00\"\nfacts: [{key: title, value: Later}, {key: data-class, value: email}]")
		w.scope("later", "id,mail\n1,l1@example.com\n", clubRules)
		if _, pub, err := w.Run(ctx, by, Request{Incident: "later"}); err != nil || pub.Statement.Layers[0].Key != "k2" {
			t.Fatalf("%+v, %v", pub, err)
		}
		w.mustAnswer("l1@example.com", check.Affected, "later")
		w.mustVerify()
	})
}

// TestRetireWithoutKey: where the key is elsewhere, nothing is said to be destroyed, and nothing is decided.
func TestRetireWithoutKey(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		w.record(agreeing)
		w.scope("shop", rows(6), rules)
		if _, _, err := w.Run(t.Context(), by, Request{Incident: "shop"}); err != nil {
			t.Fatal(err)
		}
		secret, err := w.keys.Load("evaluator-k1.key")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.keys.Destroy("evaluator-k1.key"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.Retire(t.Context(), by, "shop"); !errors.Is(err, index.ErrNoKey) || !strings.Contains(hint.Of(err), "--keys") {
			t.Errorf("%v, hint %q", err, hint.Of(err))
		}
		if st := w.newest(); st.Incident("shop").State != check.Final || st.Key("k1").State != check.KeyLive {
			t.Errorf("%+v", st)
		}
		w.mustVerify()
		if err := w.keys.Create("evaluator-k1.key", secret); err != nil {
			t.Fatal(err)
		}
		w.mustAnswer("m0@example.com", check.Affected, "shop")
	})
}

// TestRetiredByFact: a fact alone ends the answers, and does not claim that a key is gone.
func TestRetiredByFact(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.record(agreeing)
		w.scope("shop", rows(6), rules)
		if _, _, err := w.Run(ctx, by, Request{Incident: "shop"}); err != nil {
			t.Fatal(err)
		}
		w.record("id: shop\nasOf: \"2026-11-22T16:00+09:00\"\nfacts: [{key: scope.state, value: retired}]")
		_, pub, err := w.Run(ctx, by, Request{Incident: "shop"})
		if err != nil || pub.Statement.Incident("shop").State != check.Retired || pub.Statement.Key("k1").State != check.KeyLive || !w.hasKey("k1") {
			t.Fatalf("%+v, %v", pub, err)
		}
		w.mustVerify()
		cert, _, err := w.Retire(ctx, by, "shop")
		if err != nil || len(cert.Destroyed) != 1 || w.hasKey("k1") || w.newest().Key("k1").State != check.KeyEnded {
			t.Errorf("%+v, %v", cert, err)
		}
		w.mustVerify()
	})
}

// TestReopenAndWithdraw: the statement and an addendum say it, and nothing else that was recorded.
func TestReopenAndWithdraw(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.two()
		w.record("id: shop\nasOf: \"2026-11-21T16:00+09:00\"\nfacts: [{key: title, value: A draft title}]")
		pub, err := w.Reopen(ctx, by, "shop")
		if err != nil || pub.Statement.Incident("shop").State != check.Reopened || pub.Statement.Incident("shop").Revision != "1" {
			t.Fatalf("%+v, %v", pub, err)
		}
		if pub.Notice == nil || !strings.Contains(pub.Notice.Text.EN, "established anew") || !strings.Contains(pub.Notice.Text.JA, "あらためて調査") || !w.shown("shop", "A case") {
			t.Errorf("%+v", pub.Notice)
		}
		w.mustAnswer("m0@example.com", check.Affected, "club", "shop")
		if v := w.ask("stranger@example.com"); v.Result != check.NotInScope || !slices.Contains(v.NotCovered, check.NotCovered{ID: "shop", Why: check.WhyReopened}) {
			t.Errorf("%+v", v)
		}
		if st := w.newest(); st.Incident("shop").Title["en"] != "A case" {
			t.Errorf("the statement tells a draft: %+v", st.Incident("shop"))
		}
		// A new scope, and settled.
		w.scope("shop", rows(7), rules)
		w.record("id: shop\nasOf: \"2030-11-21T16:00+09:00\"\nfacts: [{key: scope.state, value: final}, {key: affected.count, value: 7, unit: accounts}]")
		if _, pub, err := w.Run(ctx, by, Request{Incident: "shop"}); err != nil || pub.Statement.Incident("shop").Revision != "2" || pub.Statement.Incident("shop").State != check.Final {
			t.Fatalf("%+v, %v", pub, err)
		}
		w.mustAnswer("m6@example.com", check.Affected, "shop")
		pub, err = w.Withdraw(ctx, by, "club")
		if err != nil || pub.Statement.Incident("club").State != check.Withdrawn || !strings.Contains(pub.Notice.Text.EN, "by mistake") {
			t.Fatalf("%+v, %v", pub, err)
		}
		w.mustAnswer("c1@example.com", check.NotInScope)
		for name, try := range map[string]func() (*Publication, error){
			"reopen what is withdrawn": func() (*Publication, error) { return w.Reopen(ctx, by, "club") },
			"withdraw what is not":     func() (*Publication, error) { return w.Withdraw(ctx, by, "nobody") },
		} {
			if _, err := try(); err == nil {
				t.Errorf("%s is let through", name)
			}
		}
		// Nobody may do it without being somebody.
		var nobody actor.Actor
		for name, try := range map[string]func() error{
			"retire":      func() error { _, _, err := w.Retire(ctx, nobody, "shop"); return err },
			"reopen":      func() error { _, err := w.Reopen(ctx, nobody, "shop"); return err },
			"withdraw":    func() error { _, err := w.Withdraw(ctx, nobody, "shop"); return err },
			"rotate":      func() error { _, err := w.Rotate(ctx, nobody, 0, nil); return err },
			"compromised": func() error { _, err := w.Compromised(ctx, nobody, "k1"); return err },
			"switch":      func() error { _, err := w.SwitchLedgerKey(ctx, nobody, ""); return err },
		} {
			if err := try(); !errors.Is(err, actor.ErrNobody) {
				t.Errorf("%s without an actor: %v", name, err)
			}
		}
		w.mustVerify()
	})
}

// TestRefusedEnd: an end that is refused leaves no decision behind that would be in the way of all later statements, and one that
// an earlier version has left is passed over.
func TestRefusedEnd(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.two()
		if _, err := w.Withdraw(ctx, by, "club"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.Retire(ctx, by, "club"); !errors.Is(err, index.ErrState) {
			t.Fatalf("what was withdrawn is retired: %v", err)
		}
		n := 0
		goesOn := func() {
			t.Helper()
			n++
			w.mustVerify()
			if _, err := w.Reissue(ctx, by, true); err != nil {
				t.Errorf("no statement follows: %v", err)
			}
			w.record(fmt.Sprintf("id: shop\nasOf: \"2026-11-2%dT16:00+09:00\"\nfacts: [{key: title, value: Again %d}]", n, n))
			if _, pub, err := w.Run(ctx, by, Request{Incident: "shop"}); err != nil || !pub.Changed {
				t.Errorf("nothing is published any more: %+v, %v", pub, err)
			}
		}
		goesOn()
		if _, err := w.DB.ExecContext(ctx, `INSERT INTO index_retired (incident, decided_at, actor) VALUES ('club', 1, 'an earlier version')`); err != nil {
			t.Fatal(err)
		}
		goesOn()
		if in := w.newest().Incident("club"); in.State != check.Withdrawn {
			t.Errorf("it is %s", in.State)
		}
	})
}

// TestOvertaken: a scope that was made while an incident is reopened is not passed over in silence.
func TestOvertaken(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.two()
		if _, err := w.Reopen(ctx, by, "shop"); err != nil {
			t.Fatal(err)
		}
		inc, err := w.Incidents.Get(ctx, "shop")
		if err != nil {
			t.Fatal(err)
		}
		f, _ := inc.Fact("scope.state")
		if _, offset := f.AsOf.Time.Zone(); f.Value.Word != incident.StateReopened || offset != 9*60*60 {
			t.Errorf("the facts are told in Japan's time, and that it is reopened as of %s", f.AsOf)
		}
		w.scope("shop", rows(7), rules)
		w.record("id: shop\nasOf: \"2026-11-20T16:30+09:00\"\nfacts: [{key: scope.state, value: final}]") // of before: without effect
		prop, _, err := w.Run(ctx, by, Request{Incident: "shop"})
		if !errors.Is(err, ErrDifferent) {
			t.Fatalf("%+v, %v", prop, err)
		}
		if prop, _, err := w.Run(ctx, by, Request{Incident: "shop", Despite: "the new scope is not settled"}); err != nil || len(prop.Differences) != 1 || prop.Differences[0].Code != "scope-not-published" {
			t.Errorf("%+v, %v", prop, err)
		}
	})
}

// TestSwitch: the ledger's key is followed by the one that was made with it, and by no other, with the key before at hand or
// lost; what was signed before goes on verifying.
func TestSwitch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		w := newWorld(t, db)
		if err := w.keys.Create(LedgerKey, []byte(w.skey)); err != nil {
			t.Fatal(err)
		}
		first, err := ledger.PublicKey(w.skey)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := w.MakeSuccessor(ctx); err != nil {
			t.Fatal(err)
		}
		next, err := w.keys.Load(NextKey)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.SwitchLedgerKey(ctx, by, string(next)); !errors.Is(err, index.ErrNone) {
			t.Errorf("before anything is published: %v", err)
		}
		w.two()
		foreign, _, err := NewLedgerKey(w.Origin())
		if err != nil {
			t.Fatal(err)
		}
		for name, skey := range map[string]string{"another key": foreign, "the key itself": w.skey} {
			if pub, err := w.SwitchLedgerKey(ctx, by, skey); name == "another key" && !errors.Is(err, ErrNextKey) || name == "the key itself" && (err != nil || pub.Changed) {
				t.Errorf("%s: %+v, %v", name, pub, err)
			}
		}
		running, err := New(ctx, w.Rooms, w.skey, Instance{URL: "https://notice.example", PhoneRegion: "JP"}) // a server
		if err != nil {
			t.Fatal(err)
		}
		pub, err := w.SwitchLedgerKey(ctx, by, string(next))
		if err != nil || !pub.Changed {
			t.Fatalf("%+v, %v", pub, err)
		}
		second := w.VKey()
		if pub, err = running.Reissue(ctx, by, true); err != nil || !pub.Changed || running.VKey() != second {
			t.Fatalf("a server that ran all along: %+v, %v", pub, err)
		}
		if st := w.newest(); second == first || st.Ledger.Key != check.VKeyHash(second) || st.Seq != pub.Statement.Seq {
			t.Errorf("%+v", st.Ledger)
		}
		signs, err := w.keys.Load(LedgerKey)
		if err != nil || strings.TrimSpace(string(signs)) != strings.TrimSpace(string(next)) {
			t.Errorf("%s is not the key that signs: %v", LedgerKey, err)
		}
		names, err := w.keys.List()
		if err != nil || slices.Contains(names, switchKey) {
			t.Errorf("%q, %v", names, err)
		}
		w.mustAnswer("m0@example.com", check.Affected, "club", "shop")
		w.mustVerify()
		// The key is lost. Its successor was kept elsewhere.
		next, err = w.keys.Load(NextKey)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.keys.Destroy(NextKey), w.keys.Destroy(LedgerKey)); err != nil {
			t.Fatal(err)
		}
		if _, err := SigningKey(ctx, db, w.keys); !errors.Is(err, files.ErrNotExist) || !strings.Contains(hint.Of(err), "key switch") {
			t.Errorf("%v, hint %q", err, hint.Of(err))
		}
		rooms := w.Rooms
		lost, err := New(ctx, rooms, "", Instance{URL: "https://notice.example", PhoneRegion: "JP", WithoutKey: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lost.Reissue(ctx, by, true); !errors.Is(err, ErrKey) {
			t.Errorf("without the key something is published: %v", err)
		}
		if _, err := lost.SwitchLedgerKey(ctx, by, string(next)); err != nil {
			t.Fatal(err)
		}
		skey, err := SigningKey(ctx, db, w.keys)
		if err != nil {
			t.Fatal(err)
		}
		w.skey = skey
		w.open(db)
		if _, err := w.Reissue(ctx, by, true); err != nil {
			t.Fatal(err)
		}
		w.mustAnswer("m0@example.com", check.Affected, "club", "shop")
		w.mustVerify()
		keys, err := w.LedgerKeys(ctx)
		if err != nil || len(keys) != 3 || keys[0].VKey != first || keys[1].VKey != second {
			t.Errorf("%+v, %v", keys, err)
		}
	})
}

// childRooms opens the rooms of a child that is killed: of the database args[0] and the folder args[1], with step at each durable write of a file.
func childRooms(ctx context.Context, args []string, step func()) (Rooms, error) {
	db, err := store.Open(ctx, args[0])
	if err != nil {
		return Rooms{}, err
	}
	dir, err := files.Open(filepath.Join(args[1], "files"))
	if err != nil {
		return Rooms{}, err
	}
	dir.Watch(step)
	keys, err := files.OpenKeys(filepath.Join(args[1], "keys"))
	if err != nil {
		return Rooms{}, err
	}
	keys.Watch(step)
	rooms := Rooms{DB: db, Dir: dir, Keys: keys}
	if rooms.Incidents, err = incident.New(ctx, db, archive.Changed); err != nil {
		return rooms, err
	}
	if _, err = archive.New(ctx, db, rooms.Incidents); err != nil {
		return rooms, err
	}
	if rooms.Rosters, err = roster.New(ctx, db, dir, keys); err != nil {
		return rooms, err
	}
	rooms.Index, err = index.New(ctx, db, dir)
	return rooms, err
}

// endingChild is the child that TestEndsKilled kills: it rotates, retires and changes the ledger's key, each where it is not
// done yet.
func endingChild(args []string, step func()) error {
	ctx := context.Background()
	rooms, err := childRooms(ctx, args, step)
	if err != nil {
		return err
	}
	skey, err := SigningKey(ctx, rooms.DB, rooms.Keys)
	if err != nil {
		return err
	}
	step()
	p, err := New(ctx, rooms, skey, Instance{URL: "https://notice.example", PhoneRegion: "JP"})
	if err != nil {
		return err
	}
	step()
	known, err := p.Index.Keys(ctx)
	if err != nil {
		return err
	}
	if st, _, _, err := p.Index.Statement(ctx); err != nil {
		return err
	} else if len(known) < 2 || st.Key("k1").State != check.KeyEnded {
		if _, err := p.Rotate(ctx, by, 0, nil); err != nil {
			return err
		}
	}
	step()
	for _, id := range []string{"club", "shop"} {
		if _, _, err := p.Retire(ctx, by, id); err != nil {
			return err
		}
		step()
	}
	signed, err := p.LedgerKeys(ctx)
	if err != nil {
		return err
	}
	if len(signed) == 1 {
		if _, err := p.SwitchLedgerKey(ctx, by, args[2]); err != nil {
			return err
		}
	}
	return nil
}

// TestEndsKilled kills a process that rotates, retires and changes the ledger's key, at one step after another, and starts it
// again. Nothing is ever published as ended whose key is still there, no key is ever gone that nobody decided to destroy, and
// nobody who is affected is told no by what is half done.
func TestEndsKilled(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		ctx := t.Context()
		db, err := store.Open(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		w := newWorld(t, db)
		if err := w.keys.Create(LedgerKey, []byte(w.skey)); err != nil {
			t.Fatal(err)
		}
		w.two()
		next, err := w.keys.Load(NextKey)
		if err != nil {
			t.Fatal(err)
		}
		kills := 0
		for within := 1; ; within = 1 + within%11 { // 1 to 11 steps further each time, over some 200
			if _, killed := killtest.Kill(t, within, url, w.root, strings.TrimSpace(string(next)), "ends"); !killed {
				break
			}
			if kills++; kills > 400 {
				t.Fatal("it never ends")
			}
			w.halfDone(t, db)
		}
		t.Logf("killed %d times", kills)
		if kills < 15 {
			t.Error("it was done after fewer steps than it has")
		}
		if w.skey, err = SigningKey(ctx, db, w.keys); err != nil {
			t.Fatal(err)
		}
		w.open(db)
		w.mustVerify()
		st := w.newest()
		if st.Key("k1").State != check.KeyEnded || st.Key("k2").State != check.KeyEnded || st.Incident("shop").State != check.Retired || st.Incident("club").State != check.Retired {
			t.Errorf("%+v", st)
		}
		if keys, err := w.LedgerKeys(ctx); err != nil || len(keys) != 2 || st.Ledger.Key != check.VKeyHash(keys[1].VKey) {
			t.Errorf("%+v, %v", keys, err)
		}
		for _, id := range []string{"club", "shop"} {
			notices, err := w.Incidents.Notices(ctx, id)
			if err != nil || len(notices) != 2 {
				t.Errorf("%d notices of %s, %v", len(notices), id, err)
			}
		}
		names, err := w.keys.List()
		if err != nil || slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "evaluator-") || n == switchKey }) {
			t.Errorf("%q, %v", names, err)
		}
	})
}

// halfDone looks at what a killed process has left, before another starts.
func (w *world) halfDone(t *testing.T, db *store.DB) {
	t.Helper()
	ctx := t.Context()
	st := w.newest()
	keys, err := w.Index.Keys(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		there := w.hasKey(k.ID)
		said := st.Key(k.ID)
		switch {
		case said != nil && said.State == check.KeyEnded && there:
			t.Errorf("key %s is published as ended, and is there", k.ID)
		case !there && k.EndDecided.IsZero():
			t.Errorf("key %s is gone, and nobody decided it", k.ID)
		}
	}
	for _, in := range st.Incidents {
		if in.State == check.Retired {
			under, err := w.Index.SealedUnder(ctx, in.ID)
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range under {
				if w.hasKey(id) && len(index.AnsweredUnder(st, id)) == 0 {
					t.Errorf("%s is published as retired, and key %s is there", in.ID, id)
				}
			}
		}
	}
	// A check meanwhile: the answer, an error, or "retired"; never a no of what is answered.
	skey, err := SigningKey(ctx, db, w.keys) // which ends a change of the ledger's key
	if err != nil {
		t.Fatal(err)
	}
	w.skey = skey
	l, err := ledger.New(ctx, db, w.Dir, skey, ledger.Witnesses{}, w.Incidents.Serve)
	if err == nil {
		err = l.Sync(ctx) // as a server does that runs
	}
	if err != nil {
		t.Fatal(err)
	}
	w.ledger = l
	v, err := w.tryAsk("m0@example.com")
	if err != nil {
		return // by name
	}
	for _, id := range []string{"club", "shop"} {
		found := slices.ContainsFunc(v.Incidents, func(f check.Finding) bool { return f.ID == id })
		if !found && st.Incident(id).State == check.Final && slices.Contains(v.Checked, id) {
			t.Errorf("a member of %s is told no: %+v", id, v)
		}
	}
}

// TestLog: what serving the index is given is the checkpoint with all of its cosignatures, by which it proves anew.
func TestLog(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.two()
		signed, _, err := w.ledger.Checkpoint()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := w.Log().Checkpoint(); err != nil || !bytes.Equal(got, signed) || len(got) == 0 {
			t.Fatalf("%q, %v", got, err)
		}
	})
}
