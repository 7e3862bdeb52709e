package told

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"shirase/identity"
	"shirase/internal/actor"
	"shirase/internal/contain/gate"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/killtest"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

const of = "loss-2026"

// world is the room beside a gate, over a folder with the roster of a case: accounts a0 to a9, of which each two share an address.
type world struct {
	*Told
	gate    *gate.Gate
	rosters *roster.Rosters
}

func open(ctx context.Context, db *store.DB, folder string) (*world, error) {
	dir, err := files.Open(filepath.Join(folder, "files"))
	if err != nil {
		return nil, err
	}
	keys, err := files.OpenKeys(filepath.Join(folder, "keys"))
	if err != nil {
		return nil, err
	}
	w := &world{}
	if w.rosters, err = roster.New(ctx, db, dir, keys); err != nil {
		return nil, err
	}
	if w.Told, err = New(ctx, Rooms{DB: db, Seal: func(id string) (*store.Sealer, error) { return roster.SealerOf(keys, id) }}); err != nil {
		return nil, err
	}
	w.gate, err = gate.New(ctx, gate.Rooms{DB: db, Dir: dir, Keys: keys, Latest: w.rosters.Latest, Named: w.rosters.Named, Members: w.rosters.Members,
		Told: func(ctx context.Context, tx *sql.Tx, id string, a gate.Account) error {
			return w.Note(ctx, tx, id, Login, Person(a))
		}})
	return w, err
}

func newWorld(t *testing.T, db *store.DB, folder string) *world {
	t.Helper()
	w, err := open(t.Context(), db, folder)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	b.WriteString("id,mail\n")
	for i := range 10 {
		fmt.Fprintf(&b, "a%d,user%d@example.com\n", i, i/2)
	}
	export := filepath.Join(folder, "export.csv")
	if err := os.WriteFile(export, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	rules, err := roster.ParseRules("rules.yaml", []byte("columns: {account: id, email: mail}\nsets:\n  - {classes: [email]}\n"), incident.ClassWords())
	if err == nil {
		_, err = w.rosters.Create(t.Context(), actor.Operator(), of, roster.Options{Export: export, Rules: rules, TempDir: folder})
	}
	if err == nil {
		err = w.gate.Do(t.Context(), actor.Operator(), gate.KindBlock, of, gate.Asked{Accounts: gate.Notice, Why: "a test"})
	}
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) note(t *testing.T, p Person) error {
	t.Helper()
	return w.DB.Update(t.Context(), func(tx *sql.Tx) error { return w.Note(t.Context(), tx, of, Login, p) })
}

func member(mail string, accounts ...string) roster.Member {
	return roster.Member{Identity: identity.Identity{Kind: identity.KindEmail, Value: mail}, Accounts: accounts}
}

// Who has read the notice at their login is told by it, once, from the first time on, and nobody else is.
func TestTold(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db, t.TempDir())
		first := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
		var mu sync.Mutex
		now := first
		w.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			now = now.Add(time.Second)
			return now
		}
		record := func() *Record {
			t.Helper()
			r, err := w.Of(t.Context(), actor.Operator(), of, Login)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		if r := record(); !r.Empty() {
			t.Error("somebody is told of whom nobody said so")
		} else if _, ok := r.When(member("user0@example.com", "a0", "a1")); ok {
			t.Error("of nobody, somebody is told")
		}
		// By the gate, many times at once: an application answers a person who pushes a button twice.
		var all sync.WaitGroup
		failed := make(chan error, 24)
		for range cap(failed) {
			all.Go(func() {
				failed <- w.gate.Seen(t.Context(), of, gate.Account{Account: "a0", Email: "user0@example.com"})
			})
		}
		all.Wait()
		for range cap(failed) {
			if err := <-failed; err != nil {
				t.Fatal(err)
			}
		}
		var names, own int
		if err := db.QueryRowContext(t.Context(), `SELECT count(*), count(*) FILTER (WHERE own) FROM told`).Scan(&names, &own); err != nil || names != 2 || own != 1 {
			t.Errorf("%d names, %d own: %v", names, own, err)
		}
		if _, ok := record().When(member("user0@example.com", "a0", "a1")); ok {
			t.Error("one of two accounts has read it, and the other counts too")
		}
		at, ok := record().When(member("user0@example.com", "a0"))
		if !ok || !at.After(first) {
			t.Errorf("%v %v", at, ok)
		}
		if err := w.note(t, Person{Account: "a0"}); err != nil {
			t.Fatal(err)
		}
		if again, _ := record().When(member("user0@example.com", "a0")); !again.Equal(at) {
			t.Errorf("told at %v, and at %v when told twice", at, again)
		}
		if err := w.gate.Seen(t.Context(), of, gate.Account{Account: "a1"}); err != nil {
			t.Fatal(err)
		}
		if later, ok := record().When(member("user0@example.com", "a0", "a1")); !ok || !later.After(at) {
			t.Errorf("both have read it: %v %v", later, ok)
		}
		more := member("user0@example.com", "a0", "a1")
		more.MoreAccounts = 1
		if _, ok := record().When(more); ok {
			t.Error("an account that the roster does not name counts as told")
		}
		// Whose application knows them by their address is told by it, whatever accounts the roster names.
		if err := w.gate.Seen(t.Context(), of, gate.Account{Email: "User2@Example.com"}); err != nil {
			t.Fatal(err)
		}
		if _, ok := record().When(member("user2@example.com", "a4", "a5")); !ok {
			t.Error("who was met by an address is not told")
		}
		for _, m := range []roster.Member{member("user1@example.com", "a2"), member("user3@example.com"), member("a0"), {Identity: identity.Identity{Kind: identity.KindPhone, Value: "user0@example.com"}}} {
			if _, ok := record().When(m); ok {
				t.Errorf("%v is told", m.Identity.Kind)
			}
		}
		// What cannot be noted, and who may not read.
		for _, p := range []Person{{}, {Email: "no address"}} {
			if err := w.note(t, p); !errors.Is(err, ErrInput) {
				t.Errorf("%v", err)
			}
		}
		if err := db.Update(t.Context(), func(tx *sql.Tx) error { return w.Note(t.Context(), tx, of, "rumour", Person{Account: "a0"}) }); !errors.Is(err, ErrInput) {
			t.Errorf("%v", err)
		}
		stranger := actor.Staff(actor.Member{ID: "s", Roles: []actor.Role{actor.Desk}, Access: map[string]actor.Access{"other": actor.Full}}, "console")
		if _, err := w.Of(t.Context(), stranger, of, Login); err == nil {
			t.Error("somebody of another case reads who was told")
		}
		// Nobody can be listed, and with the case's key goes what could be asked.
		rows, err := db.QueryContext(t.Context(), `SELECT incident, person, channel FROM told`)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var incident, channel string
			var person []byte
			if err := rows.Scan(&incident, &person, &channel); err != nil {
				t.Fatal(err)
			}
			if incident != of || channel != "login" || len(person) != hashSize || bytes.Contains(person, []byte("a0")) {
				t.Errorf("%s %s %x", incident, channel, person)
			}
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			t.Fatal(err)
		}
		if err := w.rosters.Shred(t.Context(), actor.Operator(), of); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Of(t.Context(), actor.Operator(), of, Login); !errors.Is(err, roster.ErrShredded) {
			t.Errorf("%v", err)
		}
	})
}

// TestMain is also the child that TestKill kills.
func TestMain(m *testing.M) { killtest.Main(m, readForEver) }

// readForEver has one account after the other read the notice, and says so.
func readForEver(args []string, step func()) error {
	ctx := context.Background()
	db, err := store.Open(ctx, args[0])
	if err != nil {
		return err
	}
	w, err := open(ctx, db, args[1])
	if err != nil {
		return err
	}
	w.gate.Told = func(ctx context.Context, tx *sql.Tx, id string, a gate.Account) error {
		step()
		defer step()
		return w.Note(ctx, tx, id, Login, Person(a))
	}
	for i := 0; ; i++ {
		step()
		if err := w.gate.Seen(ctx, of, gate.Account{Account: fmt.Sprintf("%s-%d", args[2], i)}); err != nil {
			return err
		}
		fmt.Println("read", i)
	}
}

// TestKill kills a server between any two steps of it: whoever passes the gate by it is told, and nobody else is.
func TestKill(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		db, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		folder := t.TempDir()
		w := newWorld(t, db, folder)
		for at := 1; at <= 12; at++ {
			said, killed := killtest.Kill(t, at, url, folder, fmt.Sprint(at))
			if !killed {
				t.Fatal("it was not killed")
			}
			r, err := w.Of(t.Context(), actor.Operator(), of, Login)
			if err != nil {
				t.Fatal(err)
			}
			for i := range len(said) + 2 {
				account := fmt.Sprintf("%d-%d", at, i)
				passes, err := w.gate.Cleared(t.Context(), of, gate.Notice, gate.Account{Account: account})
				if err != nil {
					t.Fatal(err)
				}
				_, told := r.When(member("x@example.com", account))
				if passes != told || i < len(said) && !told {
					t.Errorf("killed at %d: of %d of %d, passes: %v, told: %v", at, i, len(said), passes, told)
				}
			}
		}
	})
}
