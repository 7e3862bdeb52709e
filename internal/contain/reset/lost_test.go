package reset

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// Whoever has lost their mailbox is recognised by two, never by what was stolen, and gets a link after a while.
func TestLost(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		now := time.Now()
		var cleared []string
		w := newWorld(t, db, 10, func(r *Rooms) {
			r.Done = func(_ context.Context, _ *sql.Tx, _, account string, addresses []string) (func(), error) {
				cleared = append([]string{account}, addresses...)
				return func() {}, nil
			}
			r.Now = func() time.Time { return now }
			r.Steps = []Step{{"birth date by telephone", []string{"birth-date"}}, {"a card by post", []string{"address"}}, {"their password's form", []string{"email:x"}}}
		})
		w.open()
		ctx := t.Context()
		desk := func(id string) actor.Actor {
			return actor.Staff(actor.Member{ID: id, Roles: []actor.Role{actor.Desk}, Access: map[string]actor.Access{"loss-2026": actor.Contributes}}, "console")
		}
		one, two := desk("one"), desk("two")
		for _, step := range []string{"birth date by telephone", "their password's form"} {
			if _, err := w.AskLost(ctx, one, "loss-2026", accountOf(1), "new@mail.example", step, ""); !errors.Is(err, ErrExposed) {
				t.Errorf("%s: %v", step, err)
			}
		}
		fine, refused, err := w.Recognised(ctx, one, "loss-2026")
		if err != nil || len(fine) != 1 || len(refused) != 2 {
			t.Errorf("%v %v %v", fine, refused, err)
		}
		for _, bad := range []func() error{
			func() error {
				_, err := w.AskLost(ctx, one, "loss-2026", "none", "new@mail.example", "a card by post", "")
				return err
			},
			func() error {
				_, err := w.AskLost(ctx, one, "loss-2026", accountOf(1), "x", "a card by post", "")
				return err
			},
			func() error {
				_, err := w.AskLost(ctx, one, "loss-2026", accountOf(1), "new@mail.example", "another", "")
				return err
			},
			func() error {
				_, err := w.AskLost(ctx, actor.Operator(), "loss-2026", accountOf(1), "new@mail.example", "a card by post", "")
				return err
			},
		} {
			if bad() == nil {
				t.Error("it is taken")
			}
		}
		id, err := w.AskLost(ctx, one, "loss-2026", accountOf(1), "new@mail.example", "a card by post", "asked at the counter")
		if err != nil {
			t.Fatal(err)
		}
		if err := w.DecideLost(ctx, one, "loss-2026", id, true); !errors.Is(err, ErrSame) {
			t.Errorf("by one alone: %v", err)
		}
		if err := w.DecideLost(ctx, actor.Operator(), "loss-2026", id, true); err == nil {
			t.Error("by the host")
		}
		if err := w.DecideLost(ctx, two, "loss-2026", id, true); err != nil {
			t.Fatal(err)
		}
		if err := w.sendLost(ctx); err != nil || len(w.mailed("new@mail.example")) != 0 {
			t.Errorf("it goes at once: %v", err)
		}
		now = now.Add(w.Wait + time.Minute)
		for range 2 {
			if err := w.sendLost(ctx); err != nil {
				t.Fatal(err)
			}
		}
		mails := w.mailed("new@mail.example")
		if len(mails) != 1 {
			t.Fatalf("%d mails", len(mails))
		}
		if _, err := w.Use(ctx, "loss-2026", links(mails[0])[0], good); err != nil {
			t.Fatal(err)
		}
		if w.system.accounts[accountOf(1)].resets != 1 {
			t.Error("another account was reset")
		}
		// At the gate they pass by each of their addresses, and whoever still reads the old one hears of it.
		if want := []string{accountOf(1), "new@mail.example", addressOf(1)}; !slices.Equal(cleared, want) {
			t.Errorf("%q are let pass, not %q", cleared, want)
		}
		for _, to := range []string{"new@mail.example", addressOf(1)} {
			if mails := w.mailed(to); len(mails) == 0 || !strings.Contains(mails[len(mails)-1].Subject, "再設定しました") {
				t.Errorf("%s does not hear of it: %v", to, mails)
			}
		}
		w.link(4)
		if _, err := w.Use(ctx, "loss-2026", w.link(4), good); err != nil {
			t.Fatal(err)
		}
		if want := []string{accountOf(4), addressOf(4)}; !slices.Equal(cleared, want) {
			t.Errorf("%q are let pass, not %q", cleared, want)
		}
		// What is refused, also after it was confirmed, sends nothing.
		id, err = w.AskLost(ctx, one, "loss-2026", accountOf(2), "other@mail.example", "a card by post", "")
		if err == nil {
			err = w.DecideLost(ctx, two, "loss-2026", id, true)
		}
		if err == nil {
			err = w.DecideLost(ctx, one, "loss-2026", id, false)
		}
		if err != nil {
			t.Fatal(err)
		}
		now = now.Add(w.Wait + time.Minute)
		if err := w.sendLost(ctx); err != nil || len(w.mailed("other@mail.example")) != 0 {
			t.Error(err)
		}
		stranger := actor.Staff(actor.Member{ID: "s", Roles: []actor.Role{actor.Desk}, Access: map[string]actor.Access{"other": actor.Full}}, "console")
		if _, err := w.LostOf(ctx, stranger, "loss-2026"); !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		if list, err := w.LostOf(ctx, two, "loss-2026"); err != nil || len(list) != 2 || list[1].State != LostSent && list[0].State != LostSent {
			t.Errorf("%+v %v", list, err)
		}
	})
}
