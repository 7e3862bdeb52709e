package gate

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

func id(i int) Account { return Account{Account: fmt.Sprintf("a%d", i)} }

func get(t *testing.T, n *Node, uri string, a Account) Decision {
	t.Helper()
	what, ok := parseTarget(uri)
	if !ok {
		t.Fatalf("%q is no target", uri)
	}
	what.method = "GET"
	return n.request(&what, a)
}

// TestRoutes: what is declared is so on two servers, is lifted, and its state, since when and by whom stay known.
func TestRoutes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		one, two := w.node(nil), w.node(nil)
		see := func(uri string, want Kind) {
			t.Helper()
			w.must(two.Refresh(t.Context()))
			for i, n := range []*Node{one, two} { // one was poked
				if got := get(t, n, uri, Account{}); got.Kind != want || got.Undecided != "" {
					t.Errorf("server %d: %s: %s %s", i+1, uri, got.Kind, got.Undecided)
				}
			}
		}
		see("/login", Allowed)
		w.do(KindBlock, Asked{Route: "login", State: Closed})
		see("/login", KindBlocked)
		see("/shop", Allowed)
		first := w.now
		w.now = w.now.Add(time.Second)
		w.do(KindBlock, Asked{Route: "all", State: Maintenance})
		see("/login", KindMaintenance)
		see("/shop", KindMaintenance)
		see("/healthz", Allowed)
		st, err := w.Status(t.Context(), actor.Operator())
		w.must(err)
		if len(st.Routes) != 2 || st.Routes[0].State != Closed || st.Routes[1].State != Maintenance || !st.Routes[0].Since.Equal(first) || st.Routes[0].By == "" || st.Routes[0].Why != "a test" {
			t.Errorf("%+v", st)
		}
		w.now = w.now.Add(time.Hour)
		w.do(KindLift, Asked{Route: "all", Why: "over"})
		see("/shop", Allowed)
		see("/login", KindBlocked)
		w.do(KindLift, Asked{All: true, Why: "all over"})
		see("/login", Allowed)
		if st, err = w.Status(t.Context(), actor.Operator()); err != nil || st.Routes[0].State != Open || !st.Routes[0].Since.Equal(w.now) || st.Routes[1].Why != "over" {
			t.Errorf("%+v, %v", st, err)
		}
		if all, err := w.History(t.Context(), actor.Operator(), "loss-2026"); err != nil || len(all) != 2 || all[0].WhyLift != "all over" || all[0].LiftedBy == "" {
			t.Errorf("%+v, %v", all, err)
		}
		if err := w.Do(t.Context(), actor.Operator(), KindLift, "loss-2026", Asked{All: true, Why: "again"}); !errors.Is(err, ErrNotFound) {
			t.Errorf("lifted twice: %v", err)
		}
	})
}

// TestAccounts: those of the roster are held, by id and by address; who has done what is asked goes on, on this server at once and on
// another when it looks; a stranger never is; and the strictest hold stands above the others.
func TestAccounts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.Told = func(_ context.Context, _ *sql.Tx, incident string, a Account) error {
			w.told++
			return nil
		}
		one, two := w.node(nil), w.node(nil)
		see := func(a Account, want Kind) {
			t.Helper()
			w.must(two.Refresh(t.Context()))
			for i, n := range []*Node{one, two} {
				if got := n.login("", a); got.Kind != want || got.Undecided != "" {
					t.Errorf("server %d: %+v: %s %s", i+1, a, got.Kind, got.Undecided)
				}
			}
		}
		see(id(3), Allowed)
		w.do(KindBlock, Asked{Accounts: Reset})
		for i := range 10 {
			see(id(i), KindReset)
		}
		see(Account{Email: "User1@Example.com"}, KindReset)
		see(Account{Email: "user5@example.com"}, Allowed)
		see(Account{Account: "a10"}, Allowed)
		see(Account{Account: "other", Email: "user1@example.com"}, Allowed) // who shares an address with somebody affected is somebody else
		see(Account{}, Allowed)
		if d := one.login("", id(1)); d.URL != "https://notice.example.jp/reset" {
			t.Errorf("%+v", d)
		}
		w.must(w.ClearNow(t.Context(), "loss-2026", Reset, Account{Account: "a3", Email: "user1@example.com"}, id(99)))
		see(id(3), Allowed)
		see(id(2), KindReset)
		if done, err := w.Cleared(t.Context(), "loss-2026", Reset, id(3)); err != nil || !done {
			t.Error(done, err)
		}
		st, err := w.Status(t.Context(), actor.Operator())
		if err != nil || st.Accounts[Reset] != 8 { // a3, and a99 who is none of them and was named all the same
			t.Errorf("%+v, %v", st.Accounts, err)
		}

		if b, ok, err := w.InForceFor(t.Context(), "loss-2026", Reset); err != nil || !ok {
			t.Error(ok, err)
		} else if n, err := w.Done(t.Context(), b); err != nil || n != 2 {
			t.Error(n, err)
		}
		w.do(KindBlock, Asked{Accounts: Notice})
		see(id(3), KindNotice)
		see(id(2), KindReset)
		two.read(t.Context(), id(3))
		two.read(t.Context(), id(3))
		w.must(one.Refresh(t.Context()))
		see(id(3), Allowed)
		if w.told != 1 {
			t.Errorf("told %d times of one who has read it", w.told)
		}
		w.do(KindBlock, Asked{Accounts: Blocked})
		see(id(3), KindBlocked)
		w.do(KindLift, Asked{Accounts: Blocked})

		// The roster grows: it is taken up, and who has done it stays so.
		w.roster("loss-2026", 12)
		see(id(11), Allowed)
		w.do(KindBlock, Asked{Accounts: Reset})
		see(id(11), KindReset)
		see(id(3), Allowed)
		w.do(KindLift, Asked{Accounts: Reset})
		see(id(2), KindNotice)
		// Asked anew, everybody is asked.
		w.do(KindBlock, Asked{Accounts: Reset})
		see(id(3), KindReset)
		w.do(KindLift, Asked{All: true})
		see(id(2), Allowed)
	})
}

// TestNoList: nothing that is kept of held accounts names one, nor is the hash of one without the case's key.
func TestNoList(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.do(KindBlock, Asked{Accounts: Reset})
		n := w.node(nil)
		w.must(w.ClearNow(t.Context(), "loss-2026", Reset, Account{Account: "a3", Email: "user1@example.com"}))
		w.must(n.Refresh(t.Context()))
		found := 0
		w.must(filepath.WalkDir(filepath.Join(w.folder, "files", "gate"), func(path string, e os.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			found++
			b, err := os.ReadFile(path)
			if strings.Contains(string(b), "user1") || strings.Contains(string(b), "example.com") {
				t.Errorf("%s names somebody", path)
			}
			return err
		}))
		if found < 3 {
			t.Errorf("%d files", found)
		}
		w.must(w.Keys.Destroy(roster.KeyFile("loss-2026")))
		if _, err := roster.SealerOf(w.Keys, "loss-2026"); err == nil {
			t.Error("the key is there")
		}
		if d := w.node(nil).login("", id(1)); d.Undecided != UndecidedOpen { // nobody can be looked up any more
			t.Errorf("%+v", d)
		}
	})
}

// TestAway: a server whose database is away goes on with what it knew, also after a restart, and says how old that is; where it never knew
// anything, or it is too old, each route does what is chosen for it, and nothing is told as a denial.
func TestAway(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.do(KindBlock, Asked{Route: "login", State: Closed})
		w.do(KindBlock, Asked{Accounts: Reset})
		secret, err := w.NewToken(t.Context(), actor.Operator(), "front", Nginx, false)
		w.must(err)
		known := w.node(nil)
		w.must(w.ClearNow(t.Context(), "loss-2026", Reset, id(3)))
		w.now = w.now.Add(keepSoon)
		w.must(known.Refresh(t.Context()))

		away := func(o *NodeOptions) { o.Gate = func(context.Context) (*Gate, error) { return nil, ErrAway } }
		w.now = w.now.Add(time.Hour)
		again := w.node(away)
		if age, ok := again.Age(); !ok || age != time.Hour {
			t.Errorf("age %s, %v", age, ok)
		}
		if d := get(t, again, "/login", Account{}); d.Kind != KindBlocked || d.Undecided != "" {
			t.Errorf("%+v", d)
		}
		if again.login("", id(2)).Kind != KindReset || again.login("", id(3)).Kind != Allowed {
			t.Error("who has done it is not known after a restart")
		}
		if rec := ask(again, "GET", Prefix+"check", map[string]string{"X-Shirase-Token": secret, "X-Original-Uri": "/login", "X-Original-Method": "GET"}, ""); rec.Code != 403 || rec.Header().Get(headerAge) != "3600" {
			t.Error(rec.Code, rec.Header())
		}

		// What was in force for real is not taken for an exercise's, which would let everybody pass, nor the other way round.
		for _, idle := range []bool{true, false} {
			o := again.NodeOptions
			o.Idle = idle
			if err := NewNode(o).Start(t.Context()); errors.Is(err, ErrKind) != idle {
				t.Errorf("a node of an exercise (%v) with what was in force for real: %v", idle, err)
			}
		}

		tooOld := w.node(func(o *NodeOptions) { away(o); o.Rules.Keep = time.Minute })
		for uri, want := range map[string]Decision{"/login": unknownClose, "/shop": unknownOpen, "/LOGIN/x": unknownClose, "/healthz": allowed} {
			if d := get(t, tooOld, uri, Account{}); d.Kind != want.Kind || d.Undecided != want.Undecided {
				t.Errorf("%s: %+v", uri, d)
			}
		}
		if d := tooOld.login("login", id(3)); d.Undecided != UndecidedClosed {
			t.Errorf("%+v", d)
		}

		w.must(os.RemoveAll(filepath.Join(w.folder, "files", "gate")))
		never := w.node(away)
		for uri, code := range map[string]int{"/login": 403, "/shop": 200, "//login": 403} {
			rec := ask(never, "GET", Prefix+"check", map[string]string{"X-Original-Uri": uri}, "")
			if rec.Code != code || rec.Header().Get(headerUndecided) == "" || code == 403 && (rec.Header().Get(headerKind) != "maintenance" || rec.Header().Get("Retry-After") != "5") {
				t.Errorf("%s: %d %v", uri, rec.Code, rec.Header())
			}
		}
		// It comes back: all is known again.
		never.NodeOptions.Gate = func(context.Context) (*Gate, error) { return w.Gate, nil }
		w.must(never.Refresh(t.Context()))
		if d := never.login("", id(2)); d.Kind != KindReset || never.login("", id(3)).Kind != Allowed {
			t.Errorf("%+v", d)
		}
	})
}

// TestFollow: a server that only looks follows what others clear at the same time, and loses nobody.
func TestFollow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.roster("loss-2026", 200)
		w.do(KindBlock, Asked{Accounts: Reset})
		other, err := New(t.Context(), w.Rooms)
		w.must(err)
		n := w.node(func(o *NodeOptions) {
			o.Gate = func(context.Context) (*Gate, error) { return other, nil }
			o.Poll = 5 * time.Millisecond
		})
		ctx, stop := context.WithCancel(t.Context())
		var follower, clearing sync.WaitGroup
		follower.Go(func() { n.Work(ctx, func(err error) { t.Error(err) }) })
		for part := range 4 {
			clearing.Go(func() {
				for i := part; i < 200; i += 4 {
					if err := w.ClearNow(t.Context(), "loss-2026", Reset, id(i)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		clearing.Wait()
		w.must(n.Refresh(t.Context()))
		for i := range 200 {
			if n.login("", id(i)).Kind != Allowed {
				t.Errorf("account %d is held still", i)
			}
		}
		stop()
		follower.Wait()
	})
}

// TestFollowBoth: what was cleared and what was declared between two looks of a server are both seen at the second.
func TestFollowBoth(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.do(KindBlock, Asked{Accounts: Reset})
		other, err := New(t.Context(), w.Rooms)
		w.must(err)
		n := w.node(func(o *NodeOptions) { o.Gate = func(context.Context) (*Gate, error) { return other, nil } })
		w.must(w.ClearNow(t.Context(), "loss-2026", Reset, id(3)))
		w.do(KindBlock, Asked{Route: "login", State: Closed})
		w.must(n.Refresh(t.Context()))
		if get(t, n, "/login", Account{}).Kind != KindBlocked || n.login("", id(3)).Kind != Allowed || n.login("", id(2)).Kind != KindReset {
			t.Error("one of both is not seen")
		}
	})
}

// TestWho: nobody else than whoever may propose moves the gate, nobody else than an administrator makes tokens, and with staff a second
// person is needed.
func TestWho(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		staff := func(role actor.Role, in string) actor.Actor {
			return actor.Staff(actor.Member{ID: "p-1", Roles: []actor.Role{role}, Access: map[string]actor.Access{in: actor.Full}}, "console")
		}
		asked := Asked{Route: "login", State: Closed, Why: "x"}
		for _, c := range []struct {
			who  actor.Actor
			want error
		}{
			{staff(actor.Commander, "loss-2026"), nil}, {staff(actor.Writer, "loss-2026"), nil}, {staff(actor.Commander, "other"), ErrNotFound}, {staff(actor.Desk, "loss-2026"), actor.ErrRole},
			{staff(actor.Approver, "loss-2026"), nil}, {staff(actor.Auditor, "loss-2026"), actor.ErrRole}, {actor.Actor{}, actor.ErrNobody},
		} {
			if _, err := w.Plan(t.Context(), c.who, KindBlock, "loss-2026", asked); !errors.Is(err, c.want) {
				t.Errorf("%s: %v", c.who, err)
			}
			if _, err := w.NewToken(t.Context(), c.who, "x", Nginx, false); err == nil {
				t.Errorf("%s makes a token", c.who)
			}
		}
		if err := w.Do(t.Context(), staff(actor.Approver, "loss-2026"), KindBlock, "loss-2026", asked); !errors.Is(err, actor.ErrRole) {
			t.Errorf("an approver moves the gate: %v", err)
		}
		if st, err := w.Status(t.Context(), staff(actor.Desk, "other")); err != nil || len(st.Routes) != 2 {
			t.Error(st, err)
		}
		w.Wanted = func(context.Context) (bool, error) { return true, nil }
		if err := w.Do(t.Context(), actor.Operator(), KindBlock, "loss-2026", asked); !errors.Is(err, ErrWanted) {
			t.Error(err)
		}
		for name, asked := range map[string]Asked{"no reason": {Route: "login", State: Closed}, "nothing": {Why: "x"}, "both": {Route: "login", State: Closed, Accounts: Reset, Why: "x"}, "state": {Route: "login", State: Open, Why: "x"},
			"hold": {Accounts: "none", Why: "x"}, "route": {Route: "none", State: Closed, Why: "x"}, "until": {Route: "login", State: Closed, Why: "x", Until: "soon"}, "url": {Accounts: Reset, Why: "x", URL: "javascript:1"}, "no reset": {Accounts: Blocked, Why: "x", URL: "https://x.example"}} {
			if _, err := w.Plan(t.Context(), actor.Operator(), KindBlock, "loss-2026", asked); !errors.Is(err, ErrInput) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// TestOvertaken: of two plans upon the same state one comes true.
func TestOvertaken(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		asked := Asked{Route: "login", State: Closed, Why: "x"}
		first, err := w.Plan(t.Context(), actor.Operator(), KindBlock, "loss-2026", asked)
		w.must(err)
		second, err := w.Plan(t.Context(), actor.Operator(), KindBlock, "loss-2026", asked)
		w.must(err)
		if string(first.Bytes) != string(second.Bytes) {
			t.Errorf("%s\n%s", first.Bytes, second.Bytes)
		}
		w.must(w.Apply(t.Context(), actor.Operator(), first, nil))
		if err := w.Apply(t.Context(), actor.Operator(), second, nil); !errors.Is(err, ErrInput) {
			t.Errorf("%v", err)
		}
		if all, err := w.InForce(t.Context(), actor.Operator(), ""); err != nil || len(all) != 1 {
			t.Error(all, err)
		}
	})
}

// TestSet: everybody of a set is found in it, nobody else is, and a file that is not what was written is refused.
func TestSet(t *testing.T) {
	key := make([]byte, store.KeySize)
	rand.Read(key)
	sealer, err := store.NewSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := filesAt(t)
	for _, n := range []int{1, 2, 15, 16, 1000, 100_000} {
		var m maker
		for i := range n {
			m.add(hashOf(sealer, "account", fmt.Sprint(i)))
			if i%3 == 0 {
				m.add(hashOf(sealer, "account", fmt.Sprint(i)))
			}
		}
		made, err := m.set(allIDs)
		if err != nil || made.n != n {
			t.Fatal(made, err)
		}
		if err := made.write(dir, "c", "r"); err != nil {
			t.Fatal(err)
		}
		s, err := readSet(dir, "c", "r")
		if err != nil {
			t.Fatal(err)
		}
		seen := map[int]bool{}
		for i := range n {
			at, ok := s.find(hashOf(sealer, "account", fmt.Sprint(i)))
			if !ok || seen[at] {
				t.Fatalf("%d of %d: %d, %v", i, n, at, ok)
			}
			seen[at] = true
			if _, ok := s.find(hashOf(sealer, "account", fmt.Sprint(n+i))); ok {
				t.Fatalf("a stranger is found among %d", n)
			}
		}
		if _, err := readSet(dir, "c", "other"); err == nil {
			t.Error("another's file is read")
		}
	}
	whole, err := dir.Get(setName("c", "r"), 10<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, 20, len(whole) / 2, len(whole) - 1} {
		b := slices.Clone(whole)
		b[at] ^= 1
		if err := dir.Put(setName("c", "r"), b); err != nil {
			t.Fatal(err)
		}
		if _, err := readSet(dir, "c", "r"); !errors.Is(err, errSet) {
			t.Errorf("byte %d changed: %v", at, err)
		}
	}
	for _, n := range []int{0, 10, len(whole) - 1} {
		if err := dir.Put(setName("c", "r"), whole[:n]); err != nil {
			t.Fatal(err)
		}
		if _, err := readSet(dir, "c", "r"); !errors.Is(err, errSet) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}
