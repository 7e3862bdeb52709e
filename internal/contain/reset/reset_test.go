package reset

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/contain/connect"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// A person asks for a link, looks at it as often as programs that read mail do, and resets once.
func TestReset(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 600, nil)
		if err := w.Ask(t.Context(), "loss-2026", addressOf(5), "", language.JA); !errors.Is(err, ErrNotFound) {
			t.Fatalf("before anything was announced: %v", err)
		}
		w.open()
		token := w.link(5)
		for range 3 {
			l, err := w.Look(t.Context(), "loss-2026", token)
			if err != nil || l.Least != 15 || l.Lang != language.JA {
				t.Fatalf("%+v, %v", l, err)
			}
		}
		var refused *Refusal
		for password, why := range map[string]string{"short": "短すぎます", "m00005 has a long password": "含まれています", "Example is what it says": "含まれています", "line\nbreak and more of it": "使えない"} {
			if _, err := w.Use(t.Context(), "loss-2026", token, password); !errors.As(err, &refused) || !strings.Contains(refused.Reasons[0].JA, why) {
				t.Errorf("%q: %v %v", password, err, refused)
			}
		}
		w.system.accounts[accountOf(5)].password = "an old one that is long"
		if _, err := w.Use(t.Context(), "loss-2026", token, "an old one that is long"); !errors.As(err, &refused) || !strings.Contains(refused.Reasons[0].EN, "had before") {
			t.Errorf("the old one: %v", err)
		}
		got, err := w.Use(t.Context(), "loss-2026", token, good)
		if err != nil || got.Refused != connect.Yes || got.Ended != connect.Yes {
			t.Fatalf("%+v, %v", got, err)
		}
		if k := w.system.accounts[accountOf(5)]; k.password != good || k.sessions != 0 || k.must {
			t.Errorf("%+v", k)
		}
		if c := w.status().Counts; c.Of(Reset) != 1 || c.Of(Waiting) != 599 {
			t.Errorf("%v", c.Names())
		}
		for _, again := range []string{token, "x", "", strings.Repeat("A", 43), token[:42] + "!", token + "="} {
			if _, err := w.Use(t.Context(), "loss-2026", again, good); !errors.Is(err, ErrToken) || err.Error() != ErrToken.Error() {
				t.Errorf("used again, or made up: %v", err)
			}
		}
		mails := w.mailed(addressOf(5))
		if len(mails) != 2 || !strings.Contains(mails[1].Subject, "再設定しました") || !strings.Contains(mails[1].Text, "もうログインできません") {
			t.Errorf("%+v", mails)
		}
		for _, m := range mails {
			if strings.Contains(m.Text, good) || strings.Contains(m.Text, accountOf(5)) {
				t.Errorf("it says too much: %s", m.Text)
			}
		}
	})
}

// Whoever has several accounts at one address gets a link for each.
func TestSeveral(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 40, nil)
		w.open()
		w.link(12)
		list := links(w.mailed(addressOf(12))[0])
		if len(list) != 2 {
			t.Fatalf("%d links", len(list))
		}
		for _, token := range list {
			if _, err := w.Use(t.Context(), "loss-2026", token, good); err != nil {
				t.Fatal(err)
			}
		}
		if w.system.accounts[accountOf(12)].resets != 1 || w.system.accounts[accountOf(13)].resets != 1 {
			t.Error("not each of them was reset")
		}
	})
}

// One link, a hundred at once: one succeeds.
func TestRace(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 10, nil)
		w.open()
		token := w.link(1)
		var all sync.WaitGroup
		var won, lost atomic.Int64
		for i := range 100 {
			all.Go(func() {
				_, err := w.Use(t.Context(), "loss-2026", token, fmt.Sprintf("%s %d", good, i))
				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, ErrToken):
					lost.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 || lost.Load() != 99 || w.system.accounts[accountOf(1)].resets != 1 {
			t.Errorf("%d succeeded, %d did not, and the system was asked %d times", won.Load(), lost.Load(), w.system.accounts[accountOf(1)].resets)
		}
	})
}

// What is done for an address that is nobody's is what is done for one that is somebody's.
func TestNobody(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 300, nil)
		w.open()
		rows := func() (out [3]int64) {
			for i, table := range []string{"reset_token", "reset_asked", "reset_mail"} {
				if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM `+table).Scan(&out[i]); err != nil {
					t.Fatal(err)
				}
			}
			return out
		}
		for _, address := range []string{addressOf(1), "nobody@mail.example"} {
			before := rows()
			if err := w.Ask(t.Context(), "loss-2026", address, "", language.EN); err != nil {
				t.Fatal(err)
			}
			after := rows()
			for i := range after {
				if after[i] != before[i]+1 {
					t.Errorf("%d more rows of table %d", after[i]-before[i], i)
				}
			}
		}
		if len(w.mailed(addressOf(1))) != 1 || len(w.mailed("nobody@mail.example")) != 0 || len(w.mailed("")) != 0 {
			t.Error("mails went elsewhere than to whoever is to reset")
		}
		if err := w.Ask(t.Context(), "loss-2026", "no address", "", language.EN); !errors.Is(err, ErrInput) {
			t.Error(err)
		}
		if n := rows(); n[2] != 0 {
			t.Errorf("%d mails are kept that were sent", n[2])
		}
	})
}

// Whoever asks again and again in somebody's name leaves them with links that are good.
func TestAskedOften(t *testing.T) {
	db := open(t)
	now := time.Now()
	w := newWorld(t, db, 10, func(r *Rooms) { r.Now = func() time.Time { return now } })
	w.open()
	for range 20 {
		if err := w.Ask(t.Context(), "loss-2026", addressOf(1), "", language.JA); err != nil {
			t.Fatal(err)
		}
	}
	mails := w.mailed(addressOf(1))
	if len(mails) != 5 {
		t.Fatalf("%d mails", len(mails))
	}
	now = now.Add(w.Life - time.Minute)
	if _, err := w.Use(t.Context(), "loss-2026", links(mails[0])[0], good); err != nil {
		t.Errorf("a link that was sent is not good: %v", err)
	}
	if _, err := w.Look(t.Context(), "loss-2026", links(mails[1])[0]); !errors.Is(err, ErrToken) {
		t.Errorf("the others are good after one was used: %v", err)
	}
	now = now.Add(2 * time.Minute)
	if err := w.Ask(t.Context(), "loss-2026", addressOf(1), "", language.JA); err != nil {
		t.Fatal(err)
	}
	if n := len(w.mailed(addressOf(1))); n != 5+1+1 { // the receipt, and the new link
		t.Errorf("%d mails after a while", n)
	}
	now = now.Add(w.Life + time.Minute)
	var last []string // of the receipt and the new link, which leave at once
	for _, m := range w.mailed(addressOf(1))[5:] {
		last = append(last, links(m)...)
	}
	if len(last) != 1 {
		t.Fatalf("%d links after a while", len(last))
	}
	if _, err := w.Look(t.Context(), "loss-2026", last[0]); !errors.Is(err, ErrToken) {
		t.Errorf("a link that is over: %v", err)
	}
	now = now.Add(claimLasts)
	if err := w.tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	var n int64
	if err := db.QueryRowContext(t.Context(), `SELECT count(*) FROM reset_token`).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d links are kept that are over, %v", n, err)
	}
}

// A system that does not answer uses nothing up.
func TestAwaySystem(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 10, nil)
		w.open()
		token := w.link(1)
		fail := connect.ErrAway
		w.system.fail = func(string, int) error { return fail }
		if _, err := w.Use(t.Context(), "loss-2026", token, good); !errors.Is(err, ErrLater) {
			t.Fatal(err)
		}
		fail = connect.ErrPassword
		var refused *Refusal
		if _, err := w.Use(t.Context(), "loss-2026", token, good); !errors.As(err, &refused) {
			t.Fatal(err)
		}
		if n := w.status().Counts.Of(Unknown); n != 1 { // nobody knows whether it was set
			t.Errorf("%v", w.status().Counts.Names())
		}
		w.system.fail = nil
		if _, err := w.Use(t.Context(), "loss-2026", token, good); err != nil {
			t.Fatal(err)
		}
	})
}

// A directory that goes on taking the old password for a while: nobody is told that it is refused before it is.
func TestPending(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		now := time.Now()
		var mu sync.Mutex
		w := newWorld(t, db, 10, func(r *Rooms) {
			r.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
		})
		pass := func(d time.Duration) { mu.Lock(); now = now.Add(d); mu.Unlock() }
		w.open()
		w.system.outcome = connect.Outcome{Refused: connect.Pending, Ended: connect.Nothing, Again: time.Hour}
		w.system.again = w.system.outcome
		token := w.link(1)
		got, err := w.Use(t.Context(), "loss-2026", token, good)
		if err != nil || got.Refused != connect.Pending {
			t.Fatalf("%+v %v", got, err)
		}
		said := func(what string) (n int) {
			for _, m := range w.mailed(addressOf(1)) {
				if strings.Contains(m.Subject+m.Text, what) {
					n++
				}
			}
			return n
		}
		look := func() {
			t.Helper()
			if err := w.pass(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if w.status().Counts.Pending != 1 || said("もうログインできません") != 0 || said("確かめてから") != 1 {
			t.Errorf("%v", w.mailed(addressOf(1)))
		}
		pass(61 * time.Minute)
		look()
		if w.status().Counts.Pending != 1 || said("使えなくなりました") != 0 {
			t.Error("it is taken for refused while it is not")
		}
		w.system.again = connect.Outcome{Refused: connect.Yes, Ended: connect.Nothing}
		pass(61 * time.Minute)
		look()
		if w.status().Counts.Pending != 0 || said("使えなくなりました") != 1 {
			t.Errorf("%v, %v", w.status().Counts.Names(), w.mailed(addressOf(1)))
		}
	})
}

// The scope was corrected: who is new in it waits, and what was done stays done.
func TestRosterChanges(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 300, nil)
		w.open()
		token, other := w.link(280), w.link(5)
		if _, err := w.Use(t.Context(), "loss-2026", token, good); err != nil {
			t.Fatal(err)
		}
		if err := makeRoster(t.Context(), w.Rosters, t.TempDir(), 20, 620); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Move(t.Context(), actor.Operator(), "loss-2026", Change{State: Closed}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Look(t.Context(), "loss-2026", other); !errors.Is(err, ErrNotOpen) {
			t.Error(err)
		}
		if _, err := w.Move(t.Context(), actor.Operator(), "loss-2026", Change{State: Reopened}); err != nil {
			t.Fatal(err)
		}
		if s := w.status(); s.Accounts != 600 || s.Counts.Of(Reset) != 1 || s.Counts.Of(Waiting) != 599 {
			t.Errorf("%d, %v", s.Accounts, s.Counts.Names())
		}
		if _, err := w.Look(t.Context(), "loss-2026", other); !errors.Is(err, ErrToken) {
			t.Errorf("a link of who is out of the scope: %v", err)
		}
		if err := w.Ask(t.Context(), "loss-2026", addressOf(5), "", language.JA); err != nil {
			t.Fatal(err)
		}
		if n := len(w.mailed(addressOf(5))); n != 1 {
			t.Errorf("%d mails to who is out of the scope", n)
		}
		w.link(610)
	})
}

// Who may not see a case finds none, and who may not propose changes nothing.
func TestOthers(t *testing.T) {
	db := open(t)
	w := newWorld(t, db, 10, nil)
	w.open()
	stranger := actor.Staff(actor.Member{ID: "s", Roles: []actor.Role{actor.Commander}, Access: map[string]actor.Access{"other": actor.Full}}, "console")
	reader := actor.Staff(actor.Member{ID: "r", Roles: []actor.Role{actor.Desk}, Access: map[string]actor.Access{"loss-2026": actor.Reads}}, "console")
	for name, do := range map[string]func(who actor.Actor) error{
		"move": func(who actor.Actor) error {
			_, err := w.Move(t.Context(), who, "loss-2026", Change{State: Closed})
			return err
		},
		"force":  func(who actor.Actor) error { return w.Force(t.Context(), who, "loss-2026", Asked{}) },
		"pause":  func(who actor.Actor) error { return w.Pause(t.Context(), who, "loss-2026", "") },
		"resume": func(who actor.Actor) error { return w.Resume(t.Context(), who, "loss-2026") },
		"rate":   func(who actor.Actor) error { return w.Rate(t.Context(), who, "loss-2026", 1) },
		"decide": func(who actor.Actor) error { _, err := w.Decide(t.Context(), who, "loss-2026", true); return err },
	} {
		if err := do(stranger); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s, of who may not see it: %v", name, err)
		}
		if err := do(reader); !errors.Is(err, actor.ErrRole) && !errors.Is(err, actor.ErrAccess) {
			t.Errorf("%s, of who reads: %v", name, err)
		}
	}
	if _, err := w.Status(t.Context(), stranger, "loss-2026"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if list, err := w.List(t.Context(), stranger); err != nil || len(list) != 0 {
		t.Error(list, err)
	}
	w.Wanted = func(context.Context) (bool, error) { return true, nil }
	for _, err := range []error{w.Force(t.Context(), actor.Operator(), "loss-2026", Asked{}), func() error {
		_, err := w.Move(t.Context(), actor.Operator(), "loss-2026", Change{State: Lifted})
		return err
	}()} {
		if !errors.Is(err, ErrWanted) {
			t.Errorf("without a second person: %v", err)
		}
	}
	if s := w.status(); s.State != Opened || s.Bulk != "" {
		t.Errorf("%+v", s)
	}
}

func TestMayReturn(t *testing.T) {
	r := &Resets{Rooms: Rooms{Returns: []string{"https://app.example.jp/login", "https://shop.example"}}}
	for to, want := range map[string]bool{
		"https://app.example.jp/login": true, "https://app.example.jp/login/next?x=1": true, "https://shop.example/": true, "https://shop.example/a/b": true, "https://shop.example": true,
		"https://app.example.jp/loginx": false, "https://app.example.jp/": false, "http://app.example.jp/login": false, "https://app.example.jp.evil.example/login": false, "//shop.example/": false,
		"https://app.example.jp@evil.example/login": false, "https://app.example.jp/login/../admin": false, "https://app.example.jp/login/%2e%2e/admin": false, "https://app.example.jp/login/..%2fadmin": false,
		"javascript:alert(1)": false, "": false, "/login": false, "https://shop.example\\@evil.example/": false, "https://shop.example/\n": false, "https://shop.example:8443/": false, "https://SHOP.example/": false,
		"https://shop.example//evil.example/": false,
	} {
		if got := r.MayReturn(to); got != want {
			t.Errorf("%q: %v", to, got)
		}
	}
}

func FuzzToken(f *testing.F) {
	token, _ := newToken()
	for _, s := range []string{token, "", "x", strings.Repeat("A", 43), token + "="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		hash, err := hashOf(s)
		if (err == nil) != (len(hash) == 32) || err != nil && !errors.Is(err, ErrToken) {
			t.Fatalf("%q: %x, %v", s, hash, err)
		}
		if err == nil { // one secret is written in one way
			b, _ := tokens.DecodeString(s)
			if tokens.EncodeToString(b) != s {
				t.Fatalf("%q is read, and is written otherwise", s)
			}
		}
	})
}

func FuzzReturn(f *testing.F) {
	for _, s := range []string{"https://app.example.jp/login", "https://app.example.jp/login/../x", "https://evil.example"} {
		f.Add(s)
	}
	r := &Resets{Rooms: Rooms{Returns: []string{"https://app.example.jp/login"}}}
	f.Fuzz(func(t *testing.T, s string) {
		if r.MayReturn(s) && !strings.HasPrefix(s, "https://app.example.jp/login") {
			t.Fatalf("%q", s)
		}
	})
}

func FuzzBlock(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, src []byte) {
		b := &block{states: src}
		if b.check() != nil {
			return
		}
		before := string(src)
		for i := range b.size() {
			b.set(i, b.get(i))
		}
		b.sums()
		for i := range b.size() {
			if x := b.get(i); x.state == none || x.state >= states {
				t.Fatal(x)
			}
			if before[i*recordSize+3] == 0 && before[i*recordSize:(i+1)*recordSize] != string(b.states[i*recordSize:(i+1)*recordSize]) {
				t.Fatal("a record is not what was read")
			}
		}
	})
}

func open(t *testing.T) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite:"+t.TempDir()+"/test.db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// Who has not reset yet is known of each person: of all their accounts, also where another roster came after.
func TestUnreset(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, 40, nil)
		if _, err := w.Unreset(t.Context(), "loss-2026"); !errors.Is(err, ErrNotFound) || hint.Of(err) == "" {
			t.Errorf("before anything was opened: %v", err)
		}
		w.open()
		waiting := func() (out []string) {
			t.Helper()
			has, err := w.Unreset(t.Context(), "loss-2026")
			if err != nil {
				t.Fatal(err)
			}
			ro, err := w.Rosters.Latest(t.Context(), "loss-2026")
			if err != nil {
				t.Fatal(err)
			}
			for m, err := range w.Rosters.Members(t.Context(), ro) {
				if err != nil {
					t.Fatal(err)
				}
				if has(m) {
					out = append(out, m.Identity.Value)
				}
			}
			return out
		}
		if n := len(waiting()); n != 36 {
			t.Fatalf("%d wait", n)
		}
		use := func(token string) {
			t.Helper()
			if _, err := w.Use(t.Context(), "loss-2026", token, good); err != nil {
				t.Fatal(err)
			}
		}
		use(w.link(5))
		w.link(12)
		list := links(w.mailed(addressOf(12))[0])
		use(list[0])
		if got := waiting(); len(got) != 35 || slices.Contains(got, addressOf(5)) || !slices.Contains(got, addressOf(12)) {
			t.Errorf("%d wait: %q", len(got), got)
		}
		use(list[1])
		if got := waiting(); len(got) != 34 || slices.Contains(got, addressOf(12)) {
			t.Errorf("%d wait: %q", len(got), got)
		}
		has, err := w.Unreset(t.Context(), "loss-2026")
		if err != nil || !has(roster.Member{Accounts: []string{accountOf(5)}, MoreAccounts: 1}) || !has(roster.Member{Accounts: []string{"nobody's"}}) {
			t.Errorf("what is not known is taken for a reset: %v", err)
		}
	})
}
