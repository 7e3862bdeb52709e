package response

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"shirase/check"
	"shirase/internal/actor"
)

// TestEvidence: what is taken in is sealed, hashed and given back; what is too large, breaks off, or was changed is refused.
func TestEvidence(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		k := d.declare(nil)
		secret := bytes.Repeat([]byte("who it was; "), 30_000)
		k, err := d.AddEvidence(ctx, by, k.ID, Evidence{Name: "../../auth.log", Source: "db1"}, bytes.NewReader(secret))
		if err != nil {
			t.Fatal(err)
		}
		p := k.Evidence[0]
		if sum := sha256.Sum256(secret); p.Name != "auth.log" || p.Size != int64(len(secret)) || p.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%+v", p)
		}
		names, err := d.dir.List("evidence")
		if err != nil || len(names) != 1 {
			t.Fatalf("%v, %v", names, err)
		}
		file, err := d.dir.Get(names[0], 1<<20)
		if err != nil || bytes.Contains(file, []byte("who it was")) {
			t.Errorf("it lies there to be read: %v", err)
		}
		var out bytes.Buffer
		if _, err := d.ReadEvidence(ctx, by, k.ID, p.ID, "exported", "police", "their request", &out); err != nil || !bytes.Equal(out.Bytes(), secret) {
			t.Errorf("%d bytes, %v", out.Len(), err)
		}
		if k, err = d.Get(ctx, by, k.ID); err != nil || len(k.Evidence[0].Custody) != 2 || k.Evidence[0].Custody[1].To != "police" {
			t.Errorf("%+v, %v", k.Evidence, err)
		}
		if _, err := d.VerifyEvidence(ctx, by, k.ID, p.ID); err != nil {
			t.Error(err)
		}
		d.Limits = Limits{Evidence: 1000, All: int64(len(secret)) + 1500}
		none := func(what string, want error, r io.Reader) {
			t.Helper()
			if _, err := d.AddEvidence(ctx, by, k.ID, Evidence{Name: "b"}, r); !errors.Is(err, want) {
				t.Errorf("%s: %v", what, err)
			}
			k, err := d.get(ctx, k.ID)
			if err != nil {
				t.Fatal(err)
			}
			if now, err := d.dir.List("evidence"); err != nil || len(now) != len(k.Evidence) {
				t.Errorf("%s: %v stay, %v", what, now, err)
			}
			var rows int
			if err := d.db.QueryRowContext(ctx, `SELECT count(*) FROM response_evidence`).Scan(&rows); err != nil || rows != len(k.Evidence) {
				t.Errorf("%s: %d rows stay, %v", what, rows, err)
			}
		}
		none("too large", ErrTooLarge, bytes.NewReader(make([]byte, 1001)))
		none("broken off", io.ErrUnexpectedEOF, io.MultiReader(strings.NewReader("x"), broken{}))
		if k, err = d.AddEvidence(ctx, by, k.ID, Evidence{Name: "b"}, bytes.NewReader(make([]byte, 1000))); err != nil {
			t.Fatal(err)
		}
		none("more than a case may have", ErrTooLarge, bytes.NewReader(make([]byte, 900)))
		if err := d.dir.Remove("evidence/" + fileOf(t, d, k.Evidence[1].ID)); err != nil {
			t.Fatal(err)
		}
		if _, err := d.VerifyEvidence(ctx, by, k.ID, k.Evidence[1].ID); !errors.Is(err, ErrChain) {
			t.Errorf("its file is gone: %v", err)
		}
	})
}

// TestKeepEvidence: the same bytes of the same program are one piece, however often and by however many at once they are given; what is other, of
// another source, or cannot be read any more is taken in.
func TestKeepEvidence(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		k := d.declare(nil)
		e := Evidence{Name: "logins.jsonl", Source: "shirase watch-logins"}
		keep := func(e Evidence, text string) (int64, bool) {
			t.Helper()
			piece, there, err := d.KeepEvidence(ctx, by, k.ID, e, strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			return piece, there
		}
		stays := func(want int) {
			t.Helper()
			now, err := d.Get(ctx, by, k.ID)
			if err != nil {
				t.Fatal(err)
			}
			names, err := d.dir.List("evidence")
			var rows int
			if err := errors.Join(err, d.db.QueryRowContext(ctx, `SELECT count(*) FROM response_evidence`).Scan(&rows)); err != nil || len(now.Evidence) != want || rows != want || len(names) > want {
				t.Errorf("%d pieces, %d rows, %d files, want %d: %v", len(now.Evidence), rows, len(names), want, err)
			}
		}
		first, there := keep(e, "found")
		if there {
			t.Error("the first is there already")
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if piece, there, err := d.KeepEvidence(ctx, by, k.ID, e, strings.NewReader("found")); err != nil || piece != first || !there {
					t.Errorf("again: %d, %v, %v", piece, there, err)
				}
			})
		}
		all.Wait()
		stays(1)
		new := make(chan bool, 4)
		for range 4 { // none of them is there when they begin
			all.Go(func() {
				_, there, err := d.KeepEvidence(ctx, by, k.ID, e, strings.NewReader("found more"))
				if err != nil {
					t.Error(err)
				}
				new <- !there
			})
		}
		all.Wait()
		close(new)
		added := 0
		for n := range new {
			if n {
				added++
			}
		}
		if added != 1 {
			t.Errorf("%d of four that came at once were added", added)
		}
		stays(2)
		if _, there := keep(Evidence{Name: e.Name, Source: "somebody"}, "found"); there {
			t.Error("of another source, it is another piece")
		}
		d.Limits = Limits{Evidence: 1000, All: 20} // nothing more has room, and what is there needs none
		if piece, there := keep(e, "found"); piece != first || !there {
			t.Errorf("%d, %v", piece, there)
		}
		d.Limits = Limits{Evidence: 1000, All: 1000}
		if err := d.dir.Remove("evidence/" + fileOf(t, d, first)); err != nil {
			t.Fatal(err)
		}
		last, there := keep(e, "found")
		if last == first || there {
			t.Error("what cannot be read any more stands for what was found")
		}
		if piece, there := keep(e, "found"); piece != last || !there {
			t.Errorf("%d, %v", piece, there)
		}
		stays(4)
		if _, _, err := d.KeepEvidence(ctx, by, k.ID, e, io.MultiReader(strings.NewReader("found"), broken{})); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
		stays(4)
		stranger := actor.Staff(actor.Member{ID: "p-1", Roles: []actor.Role{actor.Commander}, Access: map[string]actor.Access{"another": actor.Full}}, "console")
		if _, _, err := d.KeepEvidence(ctx, stranger, k.ID, e, strings.NewReader("found")); !errors.Is(err, ErrNotFound) {
			t.Errorf("a stranger hears %v", err)
		}
	})
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func fileOf(t *testing.T, d *desk, evidence int64) string {
	t.Helper()
	var file string
	if err := d.db.QueryRowContext(t.Context(), `SELECT file FROM response_evidence WHERE seq = $1`, evidence).Scan(&file); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestSweep: what never arrived is removed, what is arriving stays, and the files of a shredded case go.
func TestSweep(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		k := d.full()
		shredded := func(context.Context, string) (bool, error) { return false, nil }
		reading, swept := make(chan bool), make(chan bool)
		done := make(chan error)
		go func() {
			_, err := d.AddEvidence(ctx, by, k.ID, Evidence{Name: "slow"}, io.MultiReader(strings.NewReader("a"), waiting{reading, swept}, strings.NewReader("b")))
			done <- err
		}()
		<-reading
		if _, err := d.db.ExecContext(ctx, `INSERT INTO response_evidence (file, case_id, size, key) VALUES ('dead', $1, 0, $2)`, k.ID, []byte{1}); err != nil {
			t.Fatal(err)
		}
		if err := d.dir.Put("evidence/dead", []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := d.Sweep(ctx, shredded); err != nil {
			t.Fatal(err)
		}
		close(swept)
		if err := <-done; err != nil {
			t.Fatalf("what was arriving was swept: %v", err)
		}
		if names, err := d.dir.List("evidence"); err != nil || len(names) != 2 || slices.Contains(names, "evidence/dead") {
			t.Errorf("%v, %v", names, err)
		}
		if err := d.Sweep(ctx, func(context.Context, string) (bool, error) { return true, nil }); err != nil {
			t.Fatal(err)
		}
		if names, err := d.dir.List("evidence"); err != nil || len(names) != 0 {
			t.Errorf("%v, %v", names, err)
		}
	})
}

// waiting is read once, tells that it is, and gives nothing when it may go on.
type waiting struct{ reading, on chan bool }

func (w waiting) Read([]byte) (int, error) {
	w.reading <- true
	<-w.on
	return 0, io.EOF
}

// log is a ledger as far as this room sees one.
func (d *desk) logDay(day string) LoggedHead {
	d.t.Helper()
	var l LoggedHead
	err := d.db.Update(d.t.Context(), func(tx *sql.Tx) error {
		root, keep, err := d.SealDay(d.t.Context(), tx, day)
		if err != nil {
			return err
		}
		b, err := check.CasesHead{Day: day, Head: root, V: 1}.Bytes()
		l = LoggedHead{LedgerIndex: int64(len(day)), Data: b, Proof: []byte("proof of " + day)}
		return errors.Join(err, keep(l.LedgerIndex))
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return l
}

// TestLogged: whoever has database and key, and writes a whole record anew, is found by the heads in the ledger; so is whoever edits
// what they were made of, and a case that is taken out.
func TestLogged(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		empty := d.logDay("2026-08-19") // before there was any
		k := d.declare(nil)
		other := d.declare(func(x *Declaration) { x.Organisation = "Other" })
		if _, err := d.AddEvent(ctx, by, k.ID, Event{At: "2026-08-20+09:00", Text: "true"}); err != nil {
			t.Fatal(err)
		}
		d.now = func() time.Time { return time.Date(2026, 8, 23, 3, 0, 0, 0, time.UTC) }
		logged := []LoggedHead{empty, d.logDay("2026-08-23")}
		if _, err := d.AddEvent(ctx, by, k.ID, Event{At: "2026-08-20+09:00", Text: "later"}); err != nil {
			t.Fatal(err)
		}
		v, err := d.Verify(ctx, by, k.ID, logged)
		if err != nil || v.Logged != 2 || v.Entries != 3 || len(v.Days) != 1 || v.Days[0].Day != "2026-08-23" {
			t.Fatalf("%+v, %v", v, err)
		}
		var b bytes.Buffer
		if _, err := d.Export(ctx, by, k.ID, Takeout{Logged: logged}, &b); err != nil {
			t.Fatal(err)
		}
		x, err := VerifyExport(bytes.NewReader(b.Bytes()), int64(b.Len()), func(data []byte, proof string) (bool, error) {
			return bytes.Equal(data, logged[1].Data) && proof == "proof of 2026-08-23", nil
		})
		if err != nil || x.Logged != 2 || x.Unproven != 0 || bytes.Contains(b.Bytes(), []byte(other.ID)) {
			t.Errorf("%+v, %v", x, err)
		}
		if x, err = VerifyExport(bytes.NewReader(b.Bytes()), int64(b.Len()), nil); err != nil || x.Logged != 0 || x.Unproven != 1 {
			t.Errorf("without a ledger: %+v, %v", x, err)
		}
		if _, err := VerifyExport(bytes.NewReader(b.Bytes()), int64(b.Len()), func([]byte, string) (bool, error) { return false, check.ErrInclusion }); !errors.Is(err, check.ErrInclusion) {
			t.Errorf("a head that is in no ledger: %v", err)
		}

		for name, texts := range map[string][]string{
			"another number of entries": {`UPDATE response_day_case SET entries = 1 WHERE case_id = '` + k.ID + `'`},
			"the case taken out":        {`DELETE FROM response_day_case WHERE case_id = '` + k.ID + `'`},
			"another case taken out":    {`DELETE FROM response_day_case WHERE case_id = '` + other.ID + `'`},
			"a day taken out":           {`DELETE FROM response_day_case WHERE day = '2026-08-23'`, `DELETE FROM response_day WHERE day = '2026-08-23'`},
		} {
			d.undone(name, texts, func() {
				if _, err := d.Verify(ctx, by, k.ID, logged); !errors.Is(err, ErrChain) {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		// The whole record, written anew under the same key: without the ledger it holds.
		forged := newCase(k.ID)
		sealer, err := d.Seal(ctx, k.ID, false)
		if err != nil {
			t.Fatal(err)
		}
		err = d.db.Update(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, `DELETE FROM response_entry WHERE case_id = $1`, k.ID); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `DELETE FROM response_case WHERE id = $1`, k.ID); err != nil {
				return err
			}
			forged, err = d.append(ctx, tx, by, k.ID, sealer, true, func(*Case) ([]Body, error) {
				return []Body{{Declared: &k.Declared}, {Event: &Event{At: "2026-08-20+09:00", Text: "false"}}, {Event: &Event{At: "2026-08-20+09:00", Text: "later"}}}, nil
			})
			return err
		})
		if err != nil || forged.Entries != 3 {
			t.Fatal(err)
		}
		if _, err := d.Verify(ctx, by, k.ID, nil); err != nil {
			t.Fatalf("the forged record does not hold together, so that this shows nothing: %v", err)
		}
		if _, err := d.Verify(ctx, by, k.ID, logged); !errors.Is(err, ErrChain) {
			t.Errorf("a record that was written anew: %v", err)
		}
		if _, err := d.Export(ctx, by, k.ID, Takeout{Logged: logged}, io.Discard); !errors.Is(err, ErrChain) {
			t.Errorf("a record that was written anew is handed out: %v", err)
		}
		if _, err := d.Verify(ctx, by, other.ID, logged); err != nil {
			t.Errorf("the other case: %v", err)
		}
	})
}

// undone changes the database, looks, and changes it back.
func (d *desk) undone(name string, texts []string, look func()) {
	d.t.Helper()
	type saved struct {
		day, id, head string
		entries, at   int64
		seed          []byte
	}
	var days, cases []saved
	ctx := d.t.Context()
	rows, err := d.db.QueryContext(ctx, `SELECT day, seed, ledger_index FROM response_day`)
	if err != nil {
		d.t.Fatal(err)
	}
	for rows.Next() {
		var s saved
		if err := rows.Scan(&s.day, &s.seed, &s.at); err != nil {
			d.t.Fatal(err)
		}
		days = append(days, s)
	}
	rows.Close()
	if rows, err = d.db.QueryContext(ctx, `SELECT day, case_id, entries, head FROM response_day_case`); err != nil {
		d.t.Fatal(err)
	}
	for rows.Next() {
		var s saved
		if err := rows.Scan(&s.day, &s.id, &s.entries, &s.head); err != nil {
			d.t.Fatal(err)
		}
		cases = append(cases, s)
	}
	rows.Close()
	for _, text := range texts {
		if _, err := d.db.ExecContext(ctx, text); err != nil {
			d.t.Fatalf("%s: %v", name, err)
		}
	}
	look()
	err = d.db.Update(ctx, func(tx *sql.Tx) error {
		for _, text := range []string{`DELETE FROM response_day_case`, `DELETE FROM response_day`} {
			if _, err := tx.ExecContext(ctx, text); err != nil {
				return err
			}
		}
		for _, s := range days {
			if _, err := tx.ExecContext(ctx, `INSERT INTO response_day (day, seed, ledger_index) VALUES ($1, $2, $3)`, s.day, s.seed, s.at); err != nil {
				return err
			}
		}
		for _, s := range cases {
			if _, err := tx.ExecContext(ctx, `INSERT INTO response_day_case (day, case_id, entries, head) VALUES ($1, $2, $3, $4)`, s.day, s.id, s.entries, s.head); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

// TestExportEvidence: evidence in an export is verified, and what is not what was taken in is found.
func TestExportEvidence(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		k := d.full()
		d.Names = func(ctx context.Context, id string) string { return map[string]string{"p7": "佐藤 花子"}[id] }
		if _, err := d.Get(t.Context(), staff("p7", k.ID, actor.Reads, actor.Desk), k.ID); err != nil {
			t.Fatal(err)
		}
		var with, without bytes.Buffer
		if _, err := d.Export(t.Context(), by, k.ID, Takeout{}, &without); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Export(t.Context(), by, k.ID, Takeout{Evidence: true}, &with); err != nil {
			t.Fatal(err)
		}
		x, err := VerifyExport(bytes.NewReader(without.Bytes()), int64(without.Len()), nil)
		if err != nil || len(x.Missing) != 1 || len(x.Evidence) != 0 {
			t.Errorf("%+v, %v", x, err)
		}
		x, err = VerifyExport(bytes.NewReader(with.Bytes()), int64(with.Len()), nil)
		if err != nil || len(x.Missing) != 0 || len(x.Evidence) != 1 {
			t.Errorf("%+v, %v", x, err)
		}
		k, err = d.Get(t.Context(), by, k.ID)
		if err != nil {
			t.Fatal(err)
		}
		if seen := k.Seen(); len(seen) != 1 || seen[0].By != "p7 by console" {
			t.Errorf("who saw it: %+v", seen)
		}
		if names := d.names(t.Context(), k); names["p7"] != "佐藤 花子" {
			t.Errorf("%v", names)
		}
	})
}
