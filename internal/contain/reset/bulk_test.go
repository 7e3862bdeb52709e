package reset

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/contain/connect"
	"shirase/internal/killtest"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// receiver is a program with accounts that is asked by webhooks, fails some of them, and may be dead.
type receiver struct {
	*system
	dead   atomic.Bool
	failed atomic.Int64
	share  float64
}

func (x *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var a struct {
		Type     string    `json:"type"`
		Account  string    `json:"account"`
		Password string    `json:"password"`
		Issued   time.Time `json:"issued"`
	}
	if err := json.UnmarshalRead(r.Body, &a); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if x.dead.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if rand.Float64() < x.share {
		x.failed.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	var err error
	switch a.Type {
	case "password.force":
		_, err = x.Force(r.Context(), connect.Order{Account: a.Account})
	case "password.reset":
		_, err = x.Reset(r.Context(), connect.Order{Account: a.Account}, a.Password)
	default:
		w.WriteHeader(http.StatusNotImplemented)
		return
	}
	if errors.Is(err, connect.ErrNoAccount) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	fmt.Fprint(w, `{"old":"refused","sessions":"ended"}`)
}

// Every account comes into one final state, through a receiver that fails one call in twenty and is dead twice; who has reset meanwhile is
// left alone.
func TestBulk(t *testing.T) {
	const n = 3000
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		to := &receiver{system: newSystem(n), share: 0.05}
		delete(to.accounts, accountOf(77))
		server := httptest.NewServer(to)
		t.Cleanup(server.Close)
		hook, err := connect.NewWebhook(server.URL, secret)
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, db, n, func(r *Rooms) { r.Connector = hook })
		w.open()
		tokens := map[int]string{}
		for i := 0; i < n; i += 211 {
			if i%10 != 3 {
				tokens[i] = w.link(i)
			}
		}
		w.work()
		dead := []int64{n / 4, n / 2}
		var once sync.Mutex
		to.during = func(string) {
			once.Lock()
			defer once.Unlock()
			to.mu.Lock()
			calls := to.calls
			to.mu.Unlock()
			if len(dead) > 0 && int64(calls) >= dead[0] {
				dead = dead[1:]
				to.dead.Store(true)
				time.AfterFunc(20*time.Millisecond, func() { to.dead.Store(false) })
			}
		}
		if err := w.Force(t.Context(), actor.Operator(), "loss-2026", Asked{}); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for i, token := range tokens {
			all.Go(func() {
				for {
					_, err := w.Use(t.Context(), "loss-2026", token, fmt.Sprintf("%s %d", good, i))
					if err == nil {
						return
					}
					if !errors.Is(err, ErrLater) {
						t.Errorf("%d: %v", i, err)
						return
					}
				}
			})
		}
		all.Wait()
		w.until("the bulk reset is done", func() bool { return w.status().Bulk == "done" })
		c := w.status().Counts
		if c.Of(Forced)+c.Of(Reset)+c.Of(Gone) != n || c.Of(Reset) != int64(len(tokens)) || c.Of(Gone) != 1 {
			t.Errorf("%v", c.Names())
		}
		if to.failed.Load() == 0 || len(dead) != 0 {
			t.Errorf("%d calls failed, and it was dead %d times", to.failed.Load(), 2-len(dead))
		}
		for i := range n {
			k := to.accounts[accountOf(i)]
			_, reset := tokens[i]
			switch {
			case i == 77:
			case k.late:
				t.Errorf("%d was forced after it had reset", i)
			case reset && (k.must || k.password == ""), !reset && (!k.must || k.sessions != 0):
				t.Errorf("%d: %+v", i, k)
			}
		}
	})
}

// Whoever may only approve works out what they approve, and whoever may neither does not.
func TestWhoPlans(t *testing.T) {
	w := newWorld(t, open(t), 10, nil)
	w.open()
	for role, may := range map[actor.Role]bool{actor.Commander: true, actor.Writer: true, actor.Approver: true, actor.Desk: false, actor.Auditor: false, actor.Administrator: false} {
		who := actor.Staff(actor.Member{ID: string(role), Roles: []actor.Role{role}, Access: map[string]actor.Access{"loss-2026": actor.Full}}, "console")
		for name, plan := range map[string]func(context.Context, actor.Actor, string, Asked) (*Plan, error){"force": w.PlanForce, "lift": w.PlanLift} {
			if _, err := plan(t.Context(), who, "loss-2026", Asked{}); (err == nil) != may {
				t.Errorf("%s to %s: %v", role, name, err)
			}
		}
		if role == actor.Approver {
			if _, err := w.Move(t.Context(), who, "loss-2026", Change{State: Closed}); err == nil {
				t.Error("whoever approves closes it alone")
			}
			if err := w.Pause(t.Context(), who, "loss-2026", ""); err == nil {
				t.Error("whoever approves pauses alone")
			}
		}
	}
}

// A dead connector has everybody wait, and loses nobody; a pause holds, and the rate is one.
func TestDeadAndPaused(t *testing.T) {
	db := open(t)
	w := newWorld(t, db, 1000, nil)
	w.open()
	var dead atomic.Bool
	dead.Store(true)
	w.system.fail = func(string, int) error {
		if dead.Load() {
			return connect.ErrAway
		}
		return nil
	}
	stop := w.work()
	if err := w.Force(t.Context(), actor.Operator(), "loss-2026", Asked{}); err != nil {
		t.Fatal(err)
	}
	w.until("it is known that nobody answers", func() bool { return strings.Contains(w.status().BulkWhy, "does not answer") })
	if c := w.status().Counts; c.Of(Waiting)+c.Of(Intended)+c.Of(Deferred) != 1000 {
		t.Errorf("%v", c.Names())
	}
	if err := w.Pause(t.Context(), actor.Operator(), "loss-2026", "to look"); err != nil {
		t.Fatal(err)
	}
	dead.Store(false)
	stop()
	if s := w.status(); s.Counts.Of(Forced) != 0 || s.Bulk != "paused" {
		t.Errorf("%+v", s.Counts.Names())
	}
	w.work()
	if err := w.Rate(t.Context(), actor.Operator(), "loss-2026", 1e6); err != nil {
		t.Fatal(err)
	}
	if err := w.Resume(t.Context(), actor.Operator(), "loss-2026"); err != nil {
		t.Fatal(err)
	}
	w.until("it is done", func() bool { return w.status().Bulk == "done" })
	if c := w.status().Counts; c.Of(Forced) != 1000 {
		t.Errorf("%v", c.Names())
	}
}

// What was approved is one connector: another one is not given the order.
func TestOtherConnector(t *testing.T) {
	db := open(t)
	w := newWorld(t, db, 10, nil)
	w.open()
	if err := w.Force(t.Context(), actor.Operator(), "loss-2026", Asked{}); err != nil {
		t.Fatal(err)
	}
	hook, err := connect.NewWebhook("https://app.example.jp/hook", secret)
	if err != nil {
		t.Fatal(err)
	}
	w.Connector = connect.Both{Connector: w.system, Sessions: hook}
	if err := w.pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := w.status(); s.Bulk != "paused" || !strings.Contains(s.BulkWhy, "approved") || w.system.calls != 0 {
		t.Errorf("%+v", s)
	}
}

// An account that is about to be forced is reset after it was, and not before.
func TestResetWhileForced(t *testing.T) {
	db := open(t)
	w := newWorld(t, db, 4, nil)
	w.open()
	token := w.link(1)
	began, goOn := make(chan bool), make(chan bool)
	var first atomic.Bool
	w.system.during = func(account string) {
		if account == accountOf(1) && first.CompareAndSwap(false, true) {
			close(began)
			<-goOn
		}
	}
	w.work()
	if err := w.Force(t.Context(), actor.Operator(), "loss-2026", Asked{}); err != nil {
		t.Fatal(err)
	}
	<-began
	done := make(chan error)
	go func() {
		_, err := w.Use(t.Context(), "loss-2026", token, good)
		done <- err
	}()
	close(goOn)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	w.until("it is done", func() bool { return w.status().Bulk == "done" })
	if k := w.system.accounts[accountOf(1)]; k.late || k.must || k.password != good || k.forced != 1 {
		t.Errorf("%+v", k)
	}
}

// A process that dies while a password is being set leaves an account of which nobody knows, and people decide.
func TestAbandoned(t *testing.T) {
	db := open(t)
	now := time.Now()
	w := newWorld(t, db, 4, func(r *Rooms) { r.Now = func() time.Time { return now } })
	w.open()
	token := w.link(1)
	l, err := w.Look(t.Context(), "loss-2026", token)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.claim(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Look(t.Context(), "loss-2026", token); !errors.Is(err, ErrToken) {
		t.Errorf("it is used twice: %v", err)
	}
	now = now.Add(claimLasts + 2*time.Second)
	if err := w.pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c := w.status().Counts; c.Of(Unknown) != 1 {
		t.Errorf("%v", c.Names())
	}
	if n, err := w.Decide(t.Context(), actor.Operator(), "loss-2026", true); err != nil || n != 1 || w.status().Counts.Of(Waiting) != 4 {
		t.Error(n, err)
	}
	if _, err := w.Use(t.Context(), "loss-2026", token, good); err != nil {
		t.Errorf("the link is lost: %v", err)
	}
}

// forceForEver is the process that is killed: it carries the bulk order out until it is done.
func forceForEver(args []string, step func()) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	db, err := store.Open(ctx, args[0])
	if err != nil {
		return err
	}
	defer db.Close()
	rosters, _, err := openRosters(ctx, db, args[1])
	if err != nil {
		return err
	}
	hook, err := connect.NewWebhook(args[2], secret)
	if err != nil {
		return err
	}
	r, err := New(ctx, Rooms{DB: db, Rosters: rosters, Connector: hook, Lease: -1, Poll: time.Millisecond, Connections: 4})
	if err != nil {
		return err
	}
	r.step = step
	go func() {
		for ctx.Err() == nil {
			if s, err := r.Status(ctx, actor.Operator(), "loss-2026"); err == nil && s.Bulk == "done" {
				cancel()
			}
			sleep(ctx, 2*time.Millisecond)
		}
	}()
	var failed error
	r.Work(ctx, func(err error) { failed = err })
	return failed
}

// Killed again and again: each account comes into one final state, and who has reset is never forced after it.
func TestKill(t *testing.T) {
	const n = 1200
	storetest.EachURL(t, func(t *testing.T, url string) {
		db, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		folder := t.TempDir()
		rosters, incidents, err := openRosters(t.Context(), db, folder)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(makeIncident(t.Context(), incidents), makeRoster(t.Context(), rosters, folder, 0, n)); err != nil {
			t.Fatal(err)
		}
		to := &receiver{system: newSystem(n), share: 0.02}
		server := httptest.NewServer(to)
		t.Cleanup(server.Close)
		hook, err := connect.NewWebhook(server.URL, secret)
		if err != nil {
			t.Fatal(err)
		}
		w := &world{t: t, system: to.system}
		w.Resets, err = New(t.Context(), Rooms{DB: db, Rosters: rosters, Connector: hook, URL: "https://notice.example.jp", Screen: screen, Lease: -1, Poll: time.Millisecond,
			Send: func(_ context.Context, m Mail) error {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.mails = append(w.mails, m)
				return nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		w.open()
		if err := w.Force(t.Context(), actor.Operator(), "loss-2026", Asked{}); err != nil {
			t.Fatal(err)
		}
		kills, reset := 0, 0
		for round := 0; ; round++ {
			if _, killed := killtest.Kill(t, 1+rand.IntN(600), url, folder, server.URL); !killed {
				break
			}
			kills++
			if round > 200 {
				t.Fatal("it does not end")
			}
			if i := (round * 97) % n; round < 8 && i%10 != 3 { // somebody resets between two of its lives
				if err := w.carryOutInterrupted(); err != nil {
					t.Fatal(err)
				}
				token := w.link(i)
				for {
					_, err := w.Use(t.Context(), "loss-2026", token, good+" "+fmt.Sprint(i))
					if err == nil {
						break
					}
					if !errors.Is(err, ErrLater) {
						t.Fatal(err)
					}
				}
				reset++
			}
		}
		if kills == 0 || reset == 0 {
			t.Fatalf("it was killed %d times, and %d have reset", kills, reset)
		}
		s := w.status()
		if s.Bulk != "done" || s.Counts.Of(Forced)+s.Counts.Of(Reset) != n || s.Counts.Of(Reset) != int64(reset) {
			t.Errorf("%s, %v", s.Bulk, s.Counts.Names())
		}
		for i := range n {
			k := to.accounts[accountOf(i)]
			if k.late || (k.resets > 0) == k.must || k.resets == 0 && k.forced == 0 {
				t.Errorf("%d: %+v", i, k)
			}
		}
		t.Logf("%d kills, %d resets", kills, reset)
	})
}

// carryOutInterrupted lets go of what a process that died was about to do, as the next one would.
func (w *world) carryOutInterrupted() error {
	x, err := w.current(w.t.Context(), w.DB, "loss-2026")
	if err != nil {
		return err
	}
	one := &worker{r: w.Resets, x: x}
	if _, err := one.take(w.t.Context()); err != nil {
		return err
	}
	one.letGo(w.t.Context())
	return nil
}
