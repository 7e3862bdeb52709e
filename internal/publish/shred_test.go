package publish

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/killtest"
	"shirase/internal/proposal"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// ends are the rooms of a case that is shredded in tests: what they say, and what they are asked.
type ends struct {
	held, kept, tidied int
	looked             int // how often what is kept was made
	overruled          int
	left               []Remaining
	gone               int64
	refused            error
	hold               error  // what a transaction finds that is to have the key destroyed
	stands             string // how the case's record stands
	ready              []string
	unready            error
	meanwhile          func() // when what is kept was taken
}

func (e *ends) rooms() Ends {
	return Ends{Allowed: func(context.Context, string) error { return e.refused },
		OnHold: func(context.Context, store.Querier, string) error { return e.hold },
		Stands: func(context.Context, store.Querier, string) (string, error) { return e.stands, nil },
		Ready: func(context.Context, actor.Actor, string, string) (Ready, error) {
			return Ready{Stands: e.ready, Keep: func(context.Context, *sql.Tx) error { e.overruled++; return nil }}, e.unready
		},
		Retained: func(context.Context, actor.Actor, string) (Retained, error) {
			e.looked++
			sum := fmt.Sprintf("%064x", 7+len(e.stands))
			if e.meanwhile != nil {
				e.meanwhile()
			}
			return Retained{sum, func(context.Context, *sql.Tx) error { e.kept++; return nil }}, nil
		},
		Held: func(context.Context, string) (Held, error) {
			e.held++
			return Held{Gone: []check.Accounted{{What: "record", N: 1}}, Left: []check.Accounted{{What: "record-exports", N: 2}}}, nil
		},
		Others: func(context.Context, string) ([]check.Accounted, error) {
			return []check.Accounted{{What: "relay-logs", N: 3}}, nil
		},
		Copies: func(context.Context, string) (int64, []Remaining, error) { return e.gone, e.left, nil },
		Tidy:   func(context.Context) error { e.tidied++; return nil }}
}

// TestShredCertified: what is called destroyed has no copy left; one that was not reached is said to remain until it is, each in a certificate
// that verifies from outside; and what is not public is named by nobody.
func TestShredCertified(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.two()
		ctx := t.Context()
		e := &ends{refused: errors.New("a hold"), left: []Remaining{{"a sealed copy", "on a stick"}}}
		w.Ends = e.rooms()
		if _, err := w.Shred(ctx, by, "shop"); err == nil || e.kept > 0 {
			t.Fatalf("it is shredded under a hold: %v", err)
		}
		if _, err := w.Rosters.Sealer(ctx, "shop", false); err != nil {
			t.Fatal(err)
		}
		e.refused = nil
		c, err := w.Shred(ctx, by, "shop")
		if err != nil {
			t.Fatal(err)
		}
		if c.Outcome != check.OutcomeRemoved || c.N != 1 || c.Incident != "shop" || len(c.Left) != 1 || c.Retained == "" || e.held != 1 || e.tidied != 1 {
			t.Fatalf("%+v %+v", c, e)
		}
		if len(c.Gone) != 1 || c.Gone[0].What != "case-key" {
			t.Errorf("with a copy of the key that is left it is all read, and %+v is called gone", c.Gone)
		}
		if again, err := w.Shred(ctx, by, "shop"); err != nil || again.LedgerIndex != c.LedgerIndex || len(again.Left) != 1 { // nothing has changed
			t.Fatalf("%+v, %v", again, err)
		}
		e.left, e.gone = nil, 1
		last, err := w.Shred(ctx, by, "shop")
		if err != nil || last.Outcome != check.OutcomeDestroyed || last.N != 2 || e.held != 1 || len(last.Gone) != 3 || last.Gone[2].What != "record" {
			t.Fatalf("%+v, %v", last, err)
		}
		policy, err := check.LedgerPolicy(w.VKey())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []*Certified{c, last} {
			proof, err := w.Proof(ctx, c.LedgerIndex)
			if err != nil {
				t.Fatal(err)
			}
			if err := check.VerifyInclusion(check.KindCertificate, c.Data, string(proof), policy); err != nil {
				t.Error(err)
			}
			if err := check.VerifyInclusion(check.KindNotice, c.Data, string(proof), policy); err == nil {
				t.Error("it is a notice, too")
			}
		}
		w.mustVerify()

		// An incident of which nothing is public: that there was one is nobody's to know.
		if _, err := w.Rosters.Sealer(ctx, "quiet", true); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Shred(ctx, by, "quiet"); err != nil {
			t.Fatal(err)
		}
		quiet, err := w.CertificateOf(ctx, "quiet")
		if err != nil || quiet.Incident != "" || quiet.Subject != check.CertificateSubject(quiet.Salt, "quiet") {
			t.Errorf("%+v, %v", quiet, err)
		}
		if _, err := w.DB.ExecContext(ctx, `UPDATE publish_certificate SET data = $1 WHERE incident = 'quiet'`, last.Data); err != nil {
			t.Fatal(err)
		}
		if _, err := w.CertificateOf(ctx, "quiet"); !errors.Is(err, ErrDamaged) {
			t.Errorf("a row that was edited is a certificate: %v", err)
		}
		if _, err := w.Shred(ctx, by, "none"); !errors.Is(err, roster.ErrNone) {
			t.Error(err)
		}
		if _, err := w.CertificateOf(ctx, "club"); !errors.Is(err, ErrNoCertificate) {
			t.Error(err)
		}
	})
}

// TestShredOfBefore: a certificate of version 1, which called rosters gone although a copy of the key remained, is read, and gone on from.
func TestShredOfBefore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.two()
		ctx := t.Context()
		e := &ends{left: []Remaining{{"a sealed copy", "on a stick"}}}
		w.Ends = e.rooms()
		c, err := w.Shred(ctx, by, "shop")
		if err != nil || c.V != check.CertificateVersion {
			t.Fatalf("%+v, %v", c, err)
		}
		c.V, c.Gone, c.Unknown = 1, append(c.Gone, check.Accounted{What: "rosters", N: 1}), []string{"copies-by-hand", "account-export", "whoever-read"}
		data, err := c.Certificate.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.DB.ExecContext(ctx, `UPDATE publish_certificate SET data = $1 WHERE incident = 'shop'`, data); err != nil {
			t.Fatal(err)
		}
		again, err := w.Shred(ctx, by, "shop")
		if err != nil || again.N != 2 || again.V != check.CertificateVersion || again.Outcome != check.OutcomeRemoved || len(again.Gone) != 1 {
			t.Fatalf("%+v, %v", again, err)
		}
		if lost := c.Lost(); len(lost) != 1 || lost[0].What != "case-key" {
			t.Errorf("%+v is lost", lost)
		}
		e.left, e.gone = nil, 1
		if last, err := w.Shred(ctx, by, "shop"); err != nil || last.N != 3 || last.Outcome != check.OutcomeDestroyed || len(last.Lost()) != len(last.Gone) || len(last.Gone) < 2 {
			t.Errorf("%+v, %v", last, err)
		}
	})
}

// TestShredHeld: a hold that is put on while a case is looked at keeps its key, and nothing is kept of a case that goes on; what is recorded
// meanwhile is kept of; what an earlier version decided and did not come to is let be; and what it shredded is certified as what nobody counted.
func TestShredHeld(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.two()
		ctx := t.Context()
		hold := errors.New("a hold")
		e := &ends{hold: hold}
		w.Ends = e.rooms()
		there := func() {
			t.Helper()
			if _, err := w.Rosters.Sealer(ctx, "shop", false); err != nil {
				t.Fatal(err)
			}
			if _, err := w.decided(ctx, "shop"); err == nil || e.kept+e.overruled > 0 {
				t.Errorf("it goes on, and is decided, or %d are kept: %v", e.kept+e.overruled, err)
			}
		}
		if _, err := w.Shred(ctx, by, "shop"); !errors.Is(err, hold) || e.looked == 0 { // it came when Allowed had been asked
			t.Fatal(err)
		}
		there()
		if err := w.FinishShreds(ctx, actor.Server()); err != nil { // months later, and the hold is ended
			t.Fatal(err)
		}
		e.hold = nil
		if err := w.FinishShreds(ctx, actor.Server()); err != nil {
			t.Fatal(err)
		}
		there()
		// An earlier version decided by itself, and then asked for holds only.
		if err := w.DB.Update(ctx, func(tx *sql.Tx) error { return w.recordEnd(ctx, tx, by, "shop", shredding{}) }); err != nil {
			t.Fatal(err)
		}
		if err := w.FinishShreds(ctx, actor.Server()); err != nil {
			t.Fatal(err)
		}
		there()
		// What came up while it was looked at is looked at, too: that it may end no more, and then a note.
		e.unready = errors.New("something came up")
		e.meanwhile = func() {}
		if _, err := w.Shred(ctx, by, "shop"); !errors.Is(err, e.unready) {
			t.Fatal(err)
		}
		came := e.unready
		e.unready, e.looked = nil, 0
		e.meanwhile = func() { e.stands, e.unready, e.meanwhile = "a promise", came, nil }
		if _, err := w.Shred(ctx, by, "shop"); !errors.Is(err, came) {
			t.Fatalf("it is shredded past what came up: %v", err)
		}
		there()
		e.unready, e.looked = nil, 0
		e.meanwhile = func() { e.stands, e.meanwhile = "a note and another", nil }
		if _, err := w.Shred(ctx, by, "shop"); err != nil {
			t.Fatal(err)
		}
		c, err := w.CertificateOf(ctx, "shop")
		if err != nil || c.Retained != fmt.Sprintf("%064x", 7+len(e.stands)) || e.looked != 2 || e.kept != 1 || e.overruled != 1 {
			t.Errorf("%+v, looked at %d times, kept %d, %v", c, e.looked, e.kept, err)
		}
		if _, err := w.Rosters.Sealer(ctx, "shop", false); !errors.Is(err, roster.ErrShredded) {
			t.Error(err)
		}
		e.hold = hold // nothing is held any more: its copies are reached for all the same
		if _, err := w.Shred(ctx, by, "shop"); err != nil {
			t.Error(err)
		}
		if _, err := w.ShredDespite(ctx, by, "shop", "a reason that would stay"); !errors.Is(err, ErrNothing) {
			t.Errorf("a reason is taken that overrules nothing: %v", err)
		}

		// Of an earlier version: nobody counted.
		e.hold = nil
		if err := w.Rosters.Shred(ctx, by, "club"); err != nil {
			t.Fatal(err)
		}
		held := e.held
		if c, err = w.Shred(ctx, by, "club"); err != nil || c.Retained != "" || e.held != held || c.Unknown[len(c.Unknown)-1] != check.NotCounted {
			t.Errorf("%+v, %v", c, err)
		}
		if c, err = w.CertificateOf(ctx, "shop"); err != nil || len(c.Unknown) != 4 {
			t.Errorf("%+v, %v", c, err)
		}
		w.mustVerify()
	})
}

// TestShredCut: a process that is killed when the key's name has gone, and its bytes have not, leaves them to whoever goes on, which has the folder open
// since long before: it is not certified as gone while it is there.
func TestShredCut(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.two()
		e := &ends{}
		w.Ends = e.rooms()
		name := roster.KeyFile("shop")
		cut := filepath.Join(w.root, "keys", ".gone-"+name)
		w.Ends.OnHold = func(context.Context, store.Querier, string) error {
			return os.Rename(filepath.Join(w.root, "keys", name), cut)
		}
		if c, err := w.Shred(t.Context(), by, "shop"); err != nil || c.Outcome != check.OutcomeDestroyed {
			t.Fatalf("%+v, %v", c, err)
		}
		if _, err := os.Stat(cut); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("it is certified as destroyed, and lies on the disk: %v", err)
		}
	})
}

// TestShredMoved: a roster that is made while a case is looked at is looked at, too: nothing tells how many it would be otherwise.
func TestShredMoved(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.two()
		e := &ends{}
		e.meanwhile = func() { e.meanwhile = nil; w.scope("shop", rows(3), rules) }
		w.Ends = e.rooms()
		if _, err := w.Shred(t.Context(), by, "shop"); err != nil || e.looked != 2 {
			t.Errorf("looked at %d times, %v", e.looked, err)
		}
	})
}

// TestShredApprovedHeld: what two people signed for is destroyed, and nothing else: a hold that is put on and ended while it is carried out, a
// record that goes on, and what has come up since make it void, whoever carries it out, and when.
func TestShredApprovedHeld(t *testing.T) {
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.record(agreeing)
		w.scope("shop", rows(6), rules)
		if _, _, err := w.Run(ctx, by, Request{Incident: "shop"}); err != nil {
			t.Fatal(err)
		}
		p := approvals(t, w)
		e := &ends{}
		w.Ends = e.rooms()
		hold := errors.New("a hold")
		state := func(x *proposal.Proposal, want proposal.State) {
			t.Helper()
			if now, err := p.Get(ctx, by, x.ID); err != nil || now.State != want {
				t.Errorf("%s, and not %s, %v", now.State, want, err)
			}
			if _, err := w.Rosters.Sealer(ctx, "shop", false); err != nil {
				t.Fatal(err)
			}
		}
		for what, change := range map[string]struct {
			at      int // which look
			on, off func()
		}{
			"a hold, ended since":             {2, func() { e.hold = hold }, func() { e.hold, e.ready = nil, []string{"hold 1 ended"} }},
			"a note":                          {2, func() { e.hold = hold }, func() { e.hold, e.stands = nil, e.stands+"n" }},
			"the disk, and what came up then": {1, func() { e.unready = errors.New("full") }, func() { e.unready, e.ready = nil, append(e.ready, "promise") }},
		} {
			x, err := p.Propose(ctx, by, KindShred, "shop", struct{}{})
			if err != nil {
				t.Fatal(err)
			}
			looked := e.looked
			e.meanwhile = func() { // first it is planned to be approved, and then it is carried out
				if e.looked == looked+change.at {
					change.on()
				}
			}
			if _, err := p.Approve(ctx, second(x), x.ID, x.Digest); err == nil || e.looked != looked+change.at {
				t.Fatalf("%s: it is carried out, %v", what, err)
			}
			e.meanwhile = nil
			state(x, proposal.Approved)
			for range 2 { // it is tried again meanwhile
				if err := p.Resume(ctx, actor.Server()); err == nil {
					t.Fatal("nothing was to be carried out")
				}
				if err := w.FinishShreds(ctx, actor.Server()); err != nil {
					t.Fatal(err)
				}
			}
			state(x, proposal.Approved)
			change.off()
			if err := w.FinishShreds(ctx, actor.Server()); err != nil {
				t.Fatal(err)
			}
			state(x, proposal.Approved)
			if err := p.Resume(ctx, actor.Server()); !errors.Is(err, proposal.ErrChanged) {
				t.Errorf("%s: %v", what, err)
			}
			state(x, proposal.Void)
		}
		// One of an earlier version, which had begun it: it is compared, too.
		x, err := p.Propose(ctx, by, KindShred, "shop", struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		e.hold = hold
		if _, err := p.Approve(ctx, second(x), x.ID, x.Digest); !errors.Is(err, hold) {
			t.Fatal(err)
		}
		if _, err := w.DB.ExecContext(ctx, `UPDATE proposal SET state = 'started' WHERE id = $1`, x.ID); err != nil {
			t.Fatal(err)
		}
		e.hold, e.ready = nil, append(e.ready, "another")
		if err := p.Resume(ctx, actor.Server()); !errors.Is(err, proposal.ErrChanged) {
			t.Error(err)
		}
		state(x, proposal.Void)

		// Whatever fails after the key is gone is gone on with, and it is carried out.
		if x, err = p.Propose(ctx, by, KindShred, "shop", struct{}{}); err != nil {
			t.Fatal(err)
		}
		full := errors.New("the disk is full")
		w.Ends.Tidy = func(context.Context) error { return full }
		if _, err := p.Approve(ctx, second(x), x.ID, x.Digest); !errors.Is(err, full) || !strings.Contains(err.Error(), "it is carried out") {
			t.Error(err)
		}
		if now, err := p.Get(ctx, by, x.ID); err != nil || now.State != proposal.Done {
			t.Errorf("%+v, %v", now, err)
		}
		w.Ends.Tidy = nil
		if err := w.FinishShreds(ctx, actor.Server()); err != nil {
			t.Error(err)
		}
		if c, err := w.CertificateOf(ctx, "shop"); err != nil || c.N != 1 {
			t.Errorf("%+v, %v", c, err)
		}
		if _, err := p.Propose(ctx, by, KindShred, "shop", AskedEnd{Despite: "a reason that would stay"}); !errors.Is(err, ErrNothing) {
			t.Errorf("a reason that overrules nothing stands in the clear: %v", err)
		}
		writer := actor.Staff(actor.Member{ID: "p-9", Roles: []actor.Role{actor.Writer}, Access: map[string]actor.Access{"shop": actor.Contributes}}, "console")
		if _, err := p.Propose(ctx, writer, KindShred, "shop", struct{}{}); !errors.Is(err, actor.ErrRole) && !errors.Is(err, actor.ErrAccess) {
			t.Errorf("proposed by who takes nothing away: %v", err)
		}
	})
}

func shreddingChild(args []string, step func()) error {
	ctx := context.Background()
	rooms, err := childRooms(ctx, args, step)
	if err != nil {
		return err
	}
	p, err := New(ctx, rooms, args[2], Instance{URL: "https://notice.example", PhoneRegion: "JP"})
	if err != nil {
		return err
	}
	all := (&ends{}).rooms()
	p.Ends = Ends{Allowed: all.Allowed,
		OnHold: func(ctx context.Context, q store.Querier, id string) error { step(); return all.OnHold(ctx, q, id) },
		Stands: all.Stands,
		Ready: func(ctx context.Context, who actor.Actor, id, despite string) (Ready, error) {
			step()
			return all.Ready(ctx, who, id, despite)
		},
		Retained: func(ctx context.Context, who actor.Actor, id string) (Retained, error) {
			step()
			r, err := all.Retained(ctx, who, id)
			keep := r.Keep
			r.Keep = func(ctx context.Context, tx *sql.Tx) error { defer step(); return keep(ctx, tx) }
			return r, err
		},
		Held: func(ctx context.Context, id string) (Held, error) { step(); return all.Held(ctx, id) },
		Others: func(ctx context.Context, id string) ([]check.Accounted, error) {
			step()
			return all.Others(ctx, id)
		},
		Copies: func(ctx context.Context, file string) (int64, []Remaining, error) {
			step()
			return all.Copies(ctx, file)
		},
		Tidy: func(ctx context.Context) error { step(); return all.Tidy(ctx) }}
	step()
	if err := p.FinishShreds(ctx, actor.Server()); err != nil { // as a server does that starts
		return err
	}
	step()
	_, err = p.Shred(ctx, by, "shop")
	step()
	return err
}

// TestShredKilled kills a shredding at each of its steps: it goes on where it was, what was counted while the key was there is not counted
// anew when it is not, and there is one certificate.
func TestShredKilled(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		ctx := t.Context()
		db, err := store.Open(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		w := newWorld(t, db)
		w.two()
		kills := 0
		for within := 1; ; within++ { // one step further each time
			if _, killed := killtest.Kill(t, within, url, w.root, w.skey, "shred"); !killed {
				break
			}
			if kills++; kills > 200 {
				t.Fatal("it never ends")
			}
		}
		if kills < 3 {
			t.Errorf("killed %d times", kills)
		}
		w.open(db)
		w.mustVerify()
		c, err := w.CertificateOf(ctx, "shop")
		if err != nil || c.N != 1 || c.Outcome != check.OutcomeDestroyed || c.Retained == "" || len(c.Gone) < 2 || c.Remains[0].What != "record-exports" {
			t.Errorf("%+v, %v", c, err)
		}
		if _, err := w.Rosters.Sealer(ctx, "shop", false); !errors.Is(err, roster.ErrShredded) {
			t.Error(err)
		}
	})
}
