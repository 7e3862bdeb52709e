package index

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"

	"shirase/check"
	"shirase/internal/hint"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestLayout: up to eight sources of a key are layers of their own; more are one fold; and nobody loses an answer by that.
func TestLayout(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		for i := range 9 {
			id := fmt.Sprintf("in-%d", i)
			st := b.publish(id, roster(id, 5+i)).Statement
			want := i + 1
			if i == 8 {
				want = 1
			}
			if len(st.Layers) != want {
				t.Errorf("%d sources: %d layers", i+1, len(st.Layers))
			}
		}
		if l := b.newest().Layers[0]; len(l.Sources) != 9 {
			t.Errorf("%+v", l)
		}
		c, _ := b.serve(unlimited)
		for i := range 9 {
			if v := ask(t, c, member(fmt.Sprintf("in-%d", i), 0)); v.Result != check.Affected {
				t.Errorf("a member of the %d. incident: %+v", i+1, v)
			}
		}
		// A revision that is superseded counts as a source too.
		st := b.publish("in-0", roster("again", 7)).Statement
		if len(st.Layers) != 1 || len(st.Layers[0].Sources) != 10 {
			t.Errorf("%+v", st.Layers)
		}
	})
}

// TestStates tries every state after every other: what a client would refuse is refused before it is published, and says what
// to do instead.
func TestStates(t *testing.T) {
	states := []check.State{check.Investigating, check.Final, check.ByMail, check.Retired, check.Reopened, check.Withdrawn}
	allowed := map[check.State][]check.State{
		check.Investigating: {check.Investigating, check.Final, check.ByMail, check.Retired, check.Withdrawn}, // reopened has to have been final
		check.Final:         {check.Final, check.Reopened, check.Retired, check.Withdrawn},
		check.Reopened:      {check.Final, check.Reopened, check.Retired, check.Withdrawn},
		check.ByMail:        {check.ByMail, check.Retired, check.Withdrawn},
		check.Retired:       {check.Retired},
		check.Withdrawn:     {check.Withdrawn},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		for _, from := range states {
			for _, to := range states {
				id := string(from) + "-" + string(to)
				put := func(state check.State) (*published, error) {
					s := subject(id)
					s.State = state
					var sealed *Sealed
					if state == check.Final {
						var err error
						if sealed, err = b.Seal(t.Context(), b.keys, id, roster(id, 3), nil); err != nil {
							t.Fatal(err)
						}
					}
					return b.Publish(t.Context(), s, sealed, nil)
				}
				if from == check.Reopened {
					if _, err := put(check.Final); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := put(from); err != nil {
					t.Fatalf("%s: %v", from, err)
				}
				before := b.newest()
				p, err := put(to)
				if slices.Contains(allowed[from], to) {
					if err != nil {
						t.Errorf("%s after %s: %v", to, from, err)
						continue
					}
					in := p.Statement.Incident(id)
					if in.State != to || to.Sealed() != (len(in.Counts) > 0) || to.Sealed() && in.Revision != "1" {
						t.Errorf("%s after %s: %+v", to, from, in)
					}
					continue
				}
				if !errors.Is(err, ErrState) || from != check.Investigating && hint.Of(err) == "" || b.newest().Seq != before.Seq {
					t.Errorf("%s after %s: %v, hint %q", to, from, err, hint.Of(err))
				}
			}
		}
		// What was published keeps the rules of the chain all along.
		var c Chain
		for seq := int64(1); seq <= b.newest().Seq; seq++ {
			var raw []byte
			if err := db.QueryRowContext(t.Context(), `SELECT bytes FROM index_statement WHERE seq = $1`, seq).Scan(&raw); err != nil {
				t.Fatal(err)
			}
			if err := c.Next(raw); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestReopened: what was sealed is still asked, and the next revision supersedes it.
func TestReopened(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		b.publish("alpha", roster("a", 10))
		again := subject("alpha")
		again.State = check.Reopened
		again.AsOf = again.AsOf.Add(-time.Hour) // a fact was taken back: the statement does not go back
		p, err := b.Publish(t.Context(), again, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if in := p.Statement.Incident("alpha"); in.Revision != "1" || !in.AsOf.Equal(subject("alpha").AsOf) || len(p.Statement.Layers) != 1 {
			t.Errorf("%+v", in)
		}
		c, _ := b.serve(unlimited)
		if v := ask(t, c, member("a", 0)); v.Result != check.Affected {
			t.Errorf("%+v", v)
		}
		in := b.publish("alpha", roster("a2", 12)).Statement.Incident("alpha")
		if in.State != check.Final || in.Revision != "2" || len(in.Superseded) != 1 {
			t.Errorf("%+v", in)
		}
	})
}

// TestUnreadable: what could not be read is said with the revision, none of it is not.
func TestUnreadable(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		s := subject("alpha")
		s.Unreadable = map[string]int64{"email": 3, "phone": 0, check.Rows: 2}
		sealed, err := b.Seal(t.Context(), b.keys, "alpha", roster("a", 10), nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := b.Publish(t.Context(), s, sealed, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Statement.Incident("alpha").Unreadable; !maps.Equal(got, map[string]int64{"email": 3, "rows": 2}) {
			t.Errorf("%v", got)
		}
	})
}

// TestLife: a statement lives for 6 hours, with a quorum of witnesses for 24, and is made again at half of that, or when what
// it says of the ledger has changed.
func TestLife(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		b.publish("alpha", roster("a", 10))
		f := frame(b.ledger)
		again := func() *check.Statement {
			t.Helper()
			d, err := b.Reissue(t.Context(), f, false)
			if err != nil {
				t.Fatal(err)
			}
			if d == nil {
				return nil
			}
			p, err := put(t.Context(), b.ledger, b.Index, d, nil)
			if err != nil {
				t.Fatal(err)
			}
			return p.Statement
		}
		if life := b.newest().Expires.Sub(b.newest().Time.Time); life != check.LifeAlone {
			t.Errorf("it lives for %s", life)
		}
		b.pass(check.LifeAlone/2 - time.Minute)
		if again() != nil {
			t.Error("made again before half of its life was over")
		}
		b.pass(2 * time.Minute)
		if again() == nil {
			t.Fatal("not made again")
		}
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		w, err := torchwood.NewCosignatureSigner("witness.example", key)
		if err != nil {
			t.Fatal(err)
		}
		f.Ledger.Policy = "witness w " + w.Verifier().String() + "\nquorum w\n"
		st := again()
		if st == nil || st.Ledger.Policy != f.Ledger.Policy || st.Expires.Sub(st.Time.Time) != check.LifeWitnessed {
			t.Fatalf("a policy that is new: %+v", st)
		}
		if again() != nil {
			t.Error("made again for nothing")
		}
		b.pass(check.LifeAlone/2 + time.Minute)
		if again() != nil {
			t.Error("a witnessed statement is made again too early")
		}
		f.Ledger.Policy = ""
		if _, err := b.Reissue(t.Context(), f, true); !errors.Is(err, check.ErrPolicyWeaker) {
			t.Errorf("a weaker policy: %v", err)
		}
	})
}

// TestClockFarAway: a clock that jumped is not believed without a person's word.
func TestClockFarAway(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		b.publish("alpha", roster("a", 10))
		f := frame(b.ledger)
		sealed, err := b.Seal(t.Context(), b.keys, "beta", roster("b", 10), nil)
		if err != nil {
			t.Fatal(err)
		}
		try := func() error {
			_, reissued := b.Reissue(t.Context(), f, true)
			_, drafted := b.Draft(t.Context(), b.keys, f, subject("beta"), sealed)
			if (reissued == nil) != (drafted == nil) {
				t.Errorf("reissue: %v, draft: %v", reissued, drafted)
			}
			return reissued
		}
		now := b.now
		for _, c := range []struct {
			off   time.Duration
			today time.Duration // what a person says; 0: nothing
			want  bool
		}{
			{30 * 24 * time.Hour, 0, true}, {32 * 24 * time.Hour, 0, false}, {365 * 24 * time.Hour, 0, false},
			{365 * 24 * time.Hour, 365 * 24 * time.Hour, true}, {365 * 24 * time.Hour, 300 * 24 * time.Hour, false}, {-time.Hour, 0, false}, {-time.Hour, -time.Hour, false},
		} {
			b.now = func() time.Time { return now().Add(c.off) }
			if f.Today = (time.Time{}); c.today != 0 {
				f.Today = now().Add(c.today).Truncate(24 * time.Hour)
			}
			if err := try(); (err == nil) != c.want {
				t.Errorf("%s, said %s: %v", c.off, c.today, err)
			} else if c.off > 0 && err != nil && (!errors.Is(err, ErrClock) || !strings.Contains(hint.Of(err), "--today")) {
				t.Errorf("%v, hint %q", err, hint.Of(err))
			}
		}
	})
}

// TestRegionStays: numbers are read as of one country for ever.
func TestRegionStays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		b.publish("alpha", roster("a", 10))
		f := frame(b.ledger)
		f.PhoneRegion = "GB"
		if _, err := b.Reissue(t.Context(), f, true); err == nil || hint.Of(err) == "" {
			t.Error(err)
		}
	})
}
