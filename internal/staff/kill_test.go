package staff

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/killtest"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestMain is also the child that TestKilled kills.
func TestMain(m *testing.M) { killtest.Main(m, hireForEver) }

// hireForEver lets people in, gives them access and a calendar, and removes them, for ever. It says what was recorded.
func hireForEver(args []string, step func()) error {
	ctx := context.Background()
	db, err := store.Open(ctx, args[0])
	if err != nil {
		return err
	}
	s, err := New(ctx, db, Options{})
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		step()
		token, err := s.Invite(ctx, actor.Operator(), "人"+NewPseudonym(), []actor.Role{actor.Approver}, actor.None)
		if err != nil {
			return err
		}
		step()
		a, err := s.Join(ctx, token, NewPseudonym(), "", false, Door{OIDC: "x" + token})
		if err != nil {
			return err
		}
		fmt.Println("joined", a.ID)
		step()
		if err := s.GiveAccess(ctx, actor.Operator(), "shop", a.ID, actor.Contributes); err != nil {
			return err
		}
		fmt.Println("access", a.ID)
		step()
		who := actor.Staff(actor.Member{ID: a.ID, Confirms: ActFeed}, "console")
		if token, err = s.NewFeed(ctx, who); err != nil {
			return err
		}
		fmt.Println("feed", a.ID, token)
		step()
		if i%2 == 1 {
			if err := s.Remove(ctx, actor.Operator(), a.ID); err != nil {
				return err
			}
			fmt.Println("removed", a.ID)
		}
	}
}

// TestKilled kills a process in the middle of what it does with people: what it said was done is done and in the log, and what it did
// not get to say is done whole or not at all.
func TestKilled(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		ctx := t.Context()
		db, err := store.Open(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		s, err := New(ctx, db, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(ctx, `INSERT INTO staff_account (id, name, roles, every, created, approver_since, held_from, oidc, removed, forget) VALUES ('p-first', '佐藤', 'administrator', 0, 1, 0, 0, '', 0, 0)`); err != nil {
			t.Fatal(err)
		}
		var said []string
		kills := 0
		for at := 1; at <= 11; at++ {
			lines, killed := killtest.Kill(t, at, url)
			if killed {
				kills++
			}
			said = append(said, lines...)
			whole(t, db)
		}
		if kills == 0 || len(said) == 0 {
			t.Fatalf("killed %d times, after it had said %d things", kills, len(said))
		}
		removed := map[string]bool{}
		for _, line := range said {
			if id, ok := strings.CutPrefix(line, "removed "); ok {
				removed[id] = true
			}
		}
		for _, line := range said {
			f := strings.Fields(line)
			who, _, err := s.Actor(ctx, f[1], "", "console")
			switch {
			case removed[f[1]]:
				if err == nil {
					t.Errorf("%s, and is there", line)
				}
			case f[0] == "joined" && err != nil, f[0] == "access" && who.May(actor.Approve, "shop") != nil:
				t.Errorf("%s, and is not so: %v", line, err)
			case f[0] == "feed":
				if by, err := s.ByFeed(ctx, f[2]); err != nil || by.ID() != f[1] {
					t.Errorf("%s, and its address is nobody's: %v", line, err)
				}
			}
		}
	})
}

// whole holds what one transaction wrote against each other: an account and its log, and what goes with an account that goes.
func whole(t *testing.T, db *store.DB) {
	t.Helper()
	for what, text := range map[string]string{
		"accounts without an entry of the log":   `SELECT count(*) FROM staff_account WHERE id <> 'p-first' AND id NOT IN (SELECT about FROM staff_log WHERE what = 'join')`,
		"entries of the log without an account":  `SELECT count(*) FROM staff_log WHERE what = 'join' AND about NOT IN (SELECT id FROM staff_account)`,
		"new approvers who do not wait":          `SELECT count(*) FROM staff_account WHERE approver_since > 0 AND held_from = 0`,
		"access that nobody gave":                `SELECT count(*) FROM staff_access WHERE account NOT IN (SELECT about FROM staff_log WHERE what = 'access')`,
		"calendars that nobody made":             `SELECT count(*) FROM staff_feed WHERE account NOT IN (SELECT about FROM staff_log WHERE what = 'feed')`,
		"access of who was removed":              `SELECT count(*) FROM staff_access WHERE account IN (SELECT id FROM staff_account WHERE removed > 0)`,
		"calendars of who was removed":           `SELECT count(*) FROM staff_feed WHERE account IN (SELECT id FROM staff_account WHERE removed > 0)`,
		"who was removed without an entry of it": `SELECT count(*) FROM staff_account WHERE removed > 0 AND id NOT IN (SELECT about FROM staff_log WHERE what = 'remove')`,
	} {
		var n int
		if err := db.QueryRowContext(t.Context(), text).Scan(&n); err != nil || n != 0 {
			t.Fatalf("%s: %d, %v", what, n, err)
		}
	}
}
