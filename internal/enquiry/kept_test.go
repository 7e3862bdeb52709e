package enquiry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/store"
)

// TestPartsKept: what was merged goes with what it was merged into, not sooner and not later.
func TestPartsKept(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx, by := t.Context(), actor.Operator()
		w.put("hello", "こんにちは。", "Hello.")
		a, b := w.asked("affected", "first", "a@example.com"), w.asked("data", "second", "a@example.com")
		w.ok(w.Merge(ctx, by, shop, b.ID, b.Version, a.ID))
		w.clock = w.clock.Add(2 * w.Keep)
		w.ok(w.Tidy(ctx))
		if n := len(w.read(a.ID).Messages); n != 4 { // two texts and two links
			t.Errorf("one that waits has %d messages", n)
		}
		w.ok(w.Answer(ctx, by, shop, a.ID, w.read(a.ID).Version, Draft{Canned: "hello"}, ""))
		w.mails()
		w.clock = w.clock.Add(w.Keep + time.Hour)
		w.ok(w.Tidy(ctx))
		var left int64
		w.ok(w.DB.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM enquiry_message WHERE length(sealed) > 0) + (SELECT count(*) FROM enquiry WHERE length(person) > 0)`).Scan(&left))
		if left != 0 {
			t.Errorf("%d of what was merged stay", left)
		}
	})
}

// TestHeld: while a legal hold is on nothing that somebody asked is let go, and what is merged into it neither; it is once the hold has ended, and when
// it is put on between two looks it counts. What nobody has shown to be theirs goes, and what is of another case.
func TestHeld(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx, by := t.Context(), actor.Operator()
		held := map[string]bool{shop: true}
		late := false // the hold comes when it was looked whether there is one
		w.Held = func(_ context.Context, q store.Querier, of string) (bool, error) {
			if _, isTx := q.(*sql.Tx); late && isTx {
				held[of] = true
			}
			return held[of], nil
		}
		a, b := w.asked("affected", "first", "a@example.com"), w.asked("data", "second", "a@example.com")
		w.ok(w.Merge(ctx, by, shop, b.ID, b.Version, a.ID))
		w.ok(w.Move(ctx, by, shop, a.ID, w.read(a.ID).Version, Closed))
		w.asks("data", "never shown to be theirs", "b@example.com")
		count := func() (n, unproven int64) {
			w.ok(w.DB.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM enquiry WHERE length(person) > 0 AND state <> 'unverified'), (SELECT count(*) FROM enquiry WHERE state = 'unverified')`).Scan(&n, &unproven))
			return n, unproven
		}
		if n, unproven := count(); n != 2 || unproven != 1 {
			t.Fatalf("%d, %d", n, unproven)
		}
		w.clock = w.clock.Add(2 * w.Keep)
		w.ok(w.Tidy(ctx))
		if n, unproven := count(); n != 2 || unproven != 0 {
			t.Errorf("of what is held %d are here, and %d that nobody has shown to be theirs", n, unproven)
		}
		held[shop], late = false, true
		w.ok(w.Tidy(ctx))
		if n, _ := count(); n != 2 {
			t.Errorf("a hold came meanwhile, and %d are here", n)
		}
		held[shop], late = false, false
		w.ok(w.Tidy(ctx))
		if n, _ := count(); n != 0 {
			t.Errorf("the hold has ended, and %d are here", n)
		}
		// What the key of a case sealed is gone with it, whatever is said to be held.
		w.asked("data", "third", "c@example.com")
		w.ok(w.rosters.Shred(ctx, by, shop))
		held[shop] = true
		w.ok(w.Tidy(ctx))
		if n, _ := count(); n != 0 {
			t.Errorf("the key is gone, and %d are here", n)
		}
	})
}

// TestOldThread: a letter to a thread whose texts are gone begins anew, where the desk is open, and is refused where it is not: nobody would read it.
func TestOldThread(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx, by := t.Context(), actor.Operator()
		e := w.asked("data", "x", "a@example.com")
		w.ok(w.Move(ctx, by, shop, e.ID, e.Version, Closed))
		w.clock = w.clock.Add(w.Keep + time.Hour)
		w.ok(w.Tidy(ctx))
		thread := w.threadAddress(e.ID)
		if is, err := w.TakesMail(ctx, thread); err != nil || !is {
			t.Errorf("%v, %v", is, err)
		}
		w.ok(w.TakeMail(ctx, letter("a@example.com", "", "one thing more"), thread))
		if l := w.mails(); len(l) != 1 || l[0].To != "a@example.com" || !linkIn.MatchString(l[0].Text) {
			t.Errorf("the letter is lost: %+v", l)
		}
		w.ok(w.SetOpen(ctx, by, shop, false))
		if is, err := w.TakesMail(ctx, thread); err != nil || is {
			t.Errorf("closed: %v, %v", is, err)
		}
		if err := w.TakeMail(ctx, letter("a@example.com", "", "and another"), thread); !errors.Is(err, ErrNotFound) {
			t.Errorf("closed: %v", err)
		}
	})
}

// TestFlood: letters, whose sender anybody makes up, use up nothing that the form needs, and the other way round.
func TestFlood(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx := t.Context()
		for i := range inAll {
			if _, err := w.DB.ExecContext(ctx, `INSERT INTO enquiry_asked (id, who, at, channel) VALUES ($1, $2, $3, 'mail')`, fmt.Sprint("fill", i), []byte{1}, store.Micros(w.clock)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.TakeMail(ctx, letter("a@example.com", "", "x"), "support+"+shop+"@desk.example"); !errors.Is(err, ErrBusy) {
			t.Errorf("beyond all letters: %v", err)
		}
		w.asks("data", "x", "b@example.com")
		if n := len(w.mails()); n != 1 {
			t.Errorf("%d mails", n)
		}
	})
}

// TestLeft: an answer that nobody knows to have arrived is not called handed over because it was left, and what it said is followed on. A batch whose
// last one was decided while it was paused is done when it goes on.
func TestLeft(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx, by := t.Context(), actor.Operator()
		w.put("count", "{{affected.count}}です。", "It is {{affected.count}}.")
		w.asked("data", "x", "a@example.com")
		id, err := w.NewBatch(ctx, by, shop, Choice{Topic: "data"}, Draft{Canned: "count"})
		w.ok(err)
		p, err := w.Plan(ctx, by, shop, AskedBatch{Batch: id})
		w.ok(err)
		w.ok(w.Start(ctx, by, p, nil))
		w.outcome = func(Letter) (Outcome, string) { return Unsure, "it broke" }
		w.mails()
		b, err := w.GetBatch(ctx, by, shop, id)
		w.ok(err)
		w.ok(w.MoveBatch(ctx, by, shop, id, b.Version, "paused"))
		if n, err := w.Resolve(ctx, by, shop, false); err != nil || n != 1 {
			t.Fatalf("%d, %v", n, err)
		}
		b, err = w.GetBatch(ctx, by, shop, id)
		w.ok(err)
		if b.Counts["left"] != 1 || b.Counts["handed-over"] != 0 {
			t.Errorf("%v", b.Counts)
		}
		w.ok(w.MoveBatch(ctx, by, shop, id, b.Version, "running"))
		if b, err = w.GetBatch(ctx, by, shop, id); err != nil || b.State != "done" {
			t.Errorf("%s, %v", b.State, err)
		}
		w.facts("id: shop-2026\nfacts:\n  - {key: affected.count, value: 1200, unit: persons}\n")
		if list, err := w.Overtaken(ctx, by, shop); err != nil || len(list) != 1 {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// TestFilesFlood: files of letters whose sender nobody has shown to be theirs leave room for who writes in a thread.
func TestFilesFlood(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx := t.Context()
		e := w.asked("data", "x", "a@example.com")
		body := "--b\r\n\r\nsee it\r\n--b\r\nContent-Type: image/png\r\nContent-Disposition: attachment; filename=a.png\r\n\r\nbytes\r\n--b--\r\n"
		send := func(from, to, more string) {
			w.ok(w.TakeMail(ctx, letter(from, more+"Content-Type: multipart/mixed; boundary=b\r\n", body), to))
		}
		send("one@example.org", "support+"+shop+"@desk.example", "")
		if n := w.rows("enquiry_file"); n != 1 {
			t.Fatalf("%d files", n)
		}
		if _, err := w.DB.ExecContext(ctx, `UPDATE enquiry_file SET size = $1`, int64(maxUnsure)); err != nil {
			t.Fatal(err)
		}
		send("two@example.org", "support+"+shop+"@desk.example", "X-N: 2\r\n")
		if n := w.rows("enquiry_file"); n != 1 {
			t.Errorf("%d files: a stranger's is kept beyond their share", n)
		}
		send("a@example.com", w.threadAddress(e.ID), "")
		if n := w.rows("enquiry_file"); n != 2 {
			t.Errorf("%d files: nothing is left for who writes in a thread", n)
		}
	})
}
