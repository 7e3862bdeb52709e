package publish

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/killtest"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// ends are the rooms of a case that is shredded in tests: what they say, and what they are asked.
type ends struct {
	held, kept, tidied int
	left               []Remaining
	gone               int64
	refused            error
	hold               error  // what a transaction finds that is to have the key destroyed
	stands             string // how the case's record stands
	meanwhile          func() // when what is kept was taken
}

func (e *ends) rooms() Ends {
	return Ends{Allowed: func(context.Context, string) error { return e.refused },
		OnHold: func(context.Context, store.Querier, string) error { return e.hold },
		Stands: func(context.Context, store.Querier, string) (string, error) { return e.stands, nil },
		Retained: func(context.Context, actor.Actor, string, bool) (string, error) {
			e.kept++
			sum := fmt.Sprintf("%064x", 7+len(e.stands))
			if e.meanwhile != nil {
				e.meanwhile()
			}
			return sum, nil
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

// TestShredHeld: a hold that is put on when it is decided, and before the key goes, keeps it; what is recorded until then is kept of; and what an
// earlier version shredded is certified as what nobody counted.
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
		}
		if _, err := w.Shred(ctx, by, "shop"); !errors.Is(err, hold) { // it came when Allowed had been asked
			t.Fatal(err)
		}
		if _, err := w.decided(ctx, "shop"); err == nil {
			t.Error("it is decided under a hold")
		}
		there()
		// It is decided, and the process dies; then the hold comes, and something is recorded.
		e.hold = nil
		if err := w.decide(ctx, by, "shop", ""); err != nil {
			t.Fatal(err)
		}
		e.hold = hold
		if err := w.FinishShreds(ctx, actor.Server()); !errors.Is(err, hold) {
			t.Errorf("a server finishes it under a hold: %v", err)
		}
		there()
		e.hold, e.stands = nil, "a note"
		e.meanwhile = func() { e.stands += " and another"; e.meanwhile = nil } // which comes when that is taken anew
		if err := w.FinishShreds(ctx, actor.Server()); err != nil {
			t.Fatal(err)
		}
		c, err := w.CertificateOf(ctx, "shop")
		if err != nil || c.Retained != fmt.Sprintf("%064x", 7+len(e.stands)) || e.kept != 4 {
			t.Errorf("%+v, taken %d times, %v", c, e.kept, err)
		}
		if _, err := w.Rosters.Sealer(ctx, "shop", false); !errors.Is(err, roster.ErrShredded) {
			t.Error(err)
		}
		e.hold = hold // nothing is held any more: its copies are reached for all the same
		if _, err := w.Shred(ctx, by, "shop"); err != nil {
			t.Error(err)
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
		Retained: func(ctx context.Context, who actor.Actor, id string, keep bool) (string, error) {
			step()
			return all.Retained(ctx, who, id, keep)
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
