package reach

import (
	"bytes"
	"context"
	"crypto/aes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"shirase/internal/actor"
	"shirase/internal/killtest"
	"shirase/internal/roster"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// What is no file of results is refused with its lines, and nothing of it counts.
func TestResultsRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHousehold(t, db, 80, nil)
		mail := h.mailed(3)
		one, two := h.letters(Post, mail.ID, nil), h.letters(SMS, mail.ID, nil)
		x := h.made(h.asked(one))
		x, rows, _ := h.opened(x.ID)
		y := h.made(AskedExport{Campaign: two.ID, House: "SMS", Recipients: []string{h.house.Recipient().String()}, Purpose: "x", DestroyBy: x.DestroyBy, Texts: true})
		y, others, _ := h.opened(y.ID)
		if len(others) == 0 || !strings.HasPrefix(others[0][1], "+8190") || len(others[0]) != 5 {
			t.Fatalf("%q", others)
		}
		before := h.now(one.ID)
		head := "reference,outcome,date,reason\n"
		ref := func(i int) string { return rows[i][0] }
		wrong := []byte(ref(0))
		wrong[3] ^= 1
		var cut bytes.Buffer
		w := must(age.Encrypt(&cut, must(age.ParseX25519Recipient(x.Manifest.ResultsTo))(t)))(t)
		fmt.Fprint(w, head+ref(0)+",accepted,,\n")
		_ = w.Close()
		cut.Truncate(cut.Len() - 5)
		var foreign bytes.Buffer
		w = must(age.Encrypt(&foreign, h.house.Recipient()))(t)
		fmt.Fprint(w, head+ref(0)+",accepted,,\n")
		_ = w.Close()
		for name, c := range map[string]struct{ in, says string }{
			"nothing":                   {"", "empty"},
			"a header alone":            {head, "no rows"},
			"no outcome":                {"reference,state\n" + ref(0) + ",accepted\n", `no column "outcome"`},
			"more columns":              {"reference,outcome,氏名\n" + ref(0) + ",accepted,例示\n", "column 3"},
			"an unknown reference":      {head + ref(1) + ",accepted,,\n" + string(wrong) + ",accepted,,\n", "line 3: a reference that is none of this file's"},
			"another file's":            {head + others[0][0] + ",accepted,,\n", "line 2: a reference of file " + y.ID},
			"an address":                {head + "user00001@a.example,accepted,,\n", "line 2"},
			"the same twice":            {head + ref(0) + ",accepted,,\n" + ref(1) + ",accepted,,\n" + ref(0) + ",accepted,,\n", "line 4: the same reference as in line 2"},
			"two that contradict":       {head + ref(0) + ",accepted,,\n" + ref(0) + ",returned,,moved\n", "line 3: the same reference as in line 2"},
			"an outcome that is none":   {head + ref(0) + ",delivered,,\n", "line 2: an outcome"},
			"no reason":                 {head + ref(0) + ",returned,,\n", "line 2: no reason"},
			"a reason too many":         {head + ref(0) + ",accepted,,moved\n", "line 2: a reason"},
			"a reason that is none":     {head + ref(0) + ",returned,,gone\n", "line 2: a reason"},
			"a day that is none":        {head + ref(0) + ",accepted,2026-13-40,\n", "line 2: a date"},
			"a day to come":             {head + ref(0) + ",accepted,2999-01-01,\n", "line 2: a date"},
			"a day long ago":            {head + ref(0) + ",accepted,2001-01-01,\n", "line 2: a date"},
			"fields missing":            {head + ref(0) + "\n", "line 2"},
			"sealed, cut off":           {cut.String(), ""},
			"sealed to somebody else":   {foreign.String(), "not to the key of this case"},
			"rows without end":          {head + strings.Repeat("x,accepted,,\n", 5000), "more than twice the rows"},
			"a zip":                     {"PK\x03\x04xxxxxxxx", "zip"},
			"bytes that are no text":    {head + ref(0) + ",\xff\xfe\x00,,\n", ""},
			"one line of a million and": {head + strings.Repeat("x", 1<<21), ""},
		} {
			_, err := h.Results(t.Context(), actor.Operator(), x.ID, strings.NewReader(c.in))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v", name, err)
			}
			if err != nil && (strings.Contains(err.Error(), "@a.example") || strings.Contains(err.Error(), ref(0)) || strings.Contains(err.Error(), "例示")) {
				t.Errorf("%s: the error quotes a row: %v", name, err)
			}
			if name != "sealed, cut off" && !errors.Is(err, ErrResults) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := h.now(one.ID); got != before {
			t.Errorf("%v, and it was %v", got.Names(), before.Names())
		}
		if all := must(h.Export(t.Context(), actor.Operator(), x.ID))(t); len(all.Results) != 0 {
			t.Errorf("%+v", all.Results)
		}
		// What came back stays so, whatever is said later of its having left.
		for _, said := range []string{"returned,,転居先不明", "accepted,,"} {
			if _, err := h.Results(t.Context(), actor.Operator(), x.ID, strings.NewReader(head+ref(0)+","+said+"\n")); err != nil {
				t.Fatal(err)
			}
		}
		if got := h.now(one.ID); got[Bounced] != 1 || got[Accepted] != 0 {
			t.Errorf("%v", got.Names())
		}
		for who, a := range map[string]actor.Actor{"nobody": {}, "an auditor": staff(actor.Auditor, actor.Full), "who has another case": staffOf("other", actor.Commander)} {
			if _, err := h.Results(t.Context(), a, x.ID, strings.NewReader(head+ref(1)+",accepted,,\n")); err == nil {
				t.Errorf("%s may read results", who)
			}
			if _, _, err := h.HandOver(t.Context(), a, x.ID); err == nil {
				t.Errorf("%s may hand a file over", who)
			}
			if _, err := h.StartExport(t.Context(), a, "loss-2026", h.asked(one)); err == nil {
				t.Errorf("%s may make a file", who)
			}
			if h.Withdraw(t.Context(), a, x.ID, "") == nil || h.ConfirmDestroyed(t.Context(), a, x.ID, h.Now(), "x") == nil {
				t.Errorf("%s may withdraw, or confirm", who)
			}
			if _, err := h.Substitute(t.Context(), a, Measure{Incident: "loss-2026", Kind: Page, On: h.Now().Format(time.DateOnly), Reference: "https://example.jp/"}); err == nil {
				t.Errorf("%s may write down what was done instead", who)
			}
		}
		if _, err := h.Export(t.Context(), staffOf("other", actor.Commander), x.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("who has another case: %v", err)
		}
	})
}

func staff(role actor.Role, access actor.Access) actor.Actor {
	return actor.Staff(actor.Member{ID: "p1", Roles: []actor.Role{role}, Access: map[string]actor.Access{"loss-2026": access}}, "test")
}

func staffOf(id string, role actor.Role) actor.Actor {
	return actor.Staff(actor.Member{ID: "p2", Roles: []actor.Role{role}, Access: map[string]actor.Access{id: actor.Full}}, "test")
}

// What cannot be a file is refused before anything is written down; what is left out of one is counted, and is still to be told.
func TestExportRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHousehold(t, db, 80, nil)
		mail := h.mailed(3)
		c := h.letters(Post, mail.ID, nil)
		for name, change := range map[string]func(*AskedExport){
			"no house":        func(a *AskedExport) { a.House = "" },
			"no purpose":      func(a *AskedExport) { a.Purpose = "" },
			"two lines":       func(a *AskedExport) { a.House = "a\nb" },
			"no key":          func(a *AskedExport) { a.Recipients = nil },
			"a secret key":    func(a *AskedExport) { a.Recipients = []string{h.house.String()} },
			"no age key":      func(a *AskedExport) { a.Recipients = []string{"ssh-rsa x"} },
			"a day long ago":  func(a *AskedExport) { a.DestroyBy = "2001-01-01" },
			"never":           func(a *AskedExport) { a.DestroyBy = "2999-01-01" },
			"no list":         func(a *AskedExport) { a.Evidence, a.By, a.Key, a.Columns = 0, "", "", nil },
			"by name":         func(a *AskedExport) { a.By = "name" },
			"no columns":      func(a *AskedExport) { a.Columns = nil },
			"a column twice":  func(a *AskedExport) { a.Columns = []string{"住所", "住所"} },
			"like a column":   func(a *AskedExport) { a.Columns = []string{"reference"} },
			"an encoding":     func(a *AskedExport) { a.Encoding = "ebcdic" },
			"mail":            func(a *AskedExport) { a.Campaign = mail.ID },
			"no column":       func(a *AskedExport) { a.Columns = []string{"番地"} },
			"no such list":    func(a *AskedExport) { a.Evidence = 8 },
			"no such key":     func(a *AskedExport) { a.Key = "氏名" },
			"another's":       func(a *AskedExport) { a.Campaign = "c-none" },
			"too long a line": func(a *AskedExport) { a.House = strings.Repeat("x", 300) },
		} {
			a := h.asked(c)
			change(&a)
			if x, err := h.StartExport(t.Context(), actor.Operator(), "loss-2026", a); err == nil {
				t.Errorf("%s: %+v", name, x)
			}
		}
		if got := h.now(c.ID); got[Pending] != got.Total() {
			t.Fatalf("%v", got.Names())
		}
		// A list with gaps: what is not in it, or cannot be written, is still to be told.
		lines := strings.SplitAfter(h.list, "\n")
		h.list = strings.Join(lines[:40], "") + strings.ReplaceAll(strings.ReplaceAll(strings.Join(lines[40:60], ""), "東京都", "😀"), "氏名", "氏名")
		a := h.asked(c)
		a.Encoding = "shift_jis"
		x := h.made(a)
		if x.LeftOut.Missing == 0 || x.LeftOut.Unwritable == 0 {
			t.Errorf("%+v", x.LeftOut)
		}
		got := h.now(c.ID)
		if got[Pending] != x.LeftOut.Missing+x.LeftOut.Unwritable || got[Intended] != x.Manifest.Rows {
			t.Errorf("%v, and left out are %+v", got.Names(), x.LeftOut)
		}
		_, rows, plain := h.opened(x.ID)
		if !bytes.Contains(plain, []byte("\x93\x8c\x8b\x9e")) || !strings.Contains(rows[0][2], "～") {
			t.Errorf("it is not in Shift_JIS: %q", rows[0])
		}
		// The rest go into another file; who is in neither of the two is refused, where the list is whole.
		a.Encoding, a.Whole = "utf-8", true
		y := h.made(a)
		if got := h.now(c.ID); got[Pending] != 0 || got[Refused] != x.LeftOut.Missing || got[Intended] != x.LeftOut.Unwritable || y.Manifest.Rows != x.LeftOut.Unwritable {
			t.Errorf("%v", got.Names())
		}
		if err := h.Withdraw(t.Context(), actor.Operator(), y.ID, "another key"); err != nil {
			t.Fatal(err)
		}
		if got := h.now(c.ID); got[Pending] != x.LeftOut.Unwritable || got[Intended] != 0 {
			t.Errorf("%v", got.Names())
		}
		if _, _, err := h.HandOver(t.Context(), actor.Operator(), y.ID); !errors.Is(err, ErrState) {
			t.Errorf("a file that was withdrawn: %v", err)
		}
		if _, err := h.StartExport(t.Context(), actor.Operator(), "loss-2026", AskedExport{Campaign: c.ID}); !errors.Is(err, ErrInput) {
			t.Error(err)
		}
		if plan := must(h.PlanExport(t.Context(), actor.Operator(), "loss-2026", a))(t); !bytes.Equal(plan.Bytes, must(h.PlanExport(t.Context(), actor.Operator(), "loss-2026", a))(t).Bytes) {
			t.Error("the same plan has other bytes")
		}
	})
}

// A second person decides where there is staff, and the server makes what they approved.
func TestExportApproved(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := newHousehold(t, db, 40, func(r *Rooms) { r.Wanted = func(context.Context) (bool, error) { return true, nil } })
		c := h.letters(Post, h.mailed(3).ID, nil)
		if _, err := h.StartExport(t.Context(), actor.Operator(), "loss-2026", h.asked(c)); !errors.Is(err, ErrWanted) {
			t.Fatal(err)
		}
		plan := must(h.PlanExport(t.Context(), actor.Operator(), "loss-2026", h.asked(c)))(t)
		id := must(h.ApproveExport(t.Context(), staff(actor.Approver, actor.Full), plan, nil))(t)
		h.work()
		h.until("the file is made", func() bool { return must(h.Export(t.Context(), actor.Operator(), id))(t).State == ExportMade })
		if x, _, _ := h.opened(id); x.State != ExportHanded {
			t.Error(x.State)
		}
	})
}

// readForEver is the process that is killed: it makes a file, hands it over, or reads results, as it is told.
func readForEver(args []string, step func()) error {
	ctx := context.Background()
	db, err := store.Open(ctx, args[0])
	if err != nil {
		return err
	}
	defer db.Close()
	rooms, _, err := openRooms(ctx, db, args[1])
	if err != nil {
		return err
	}
	list := filepath.Join(args[1], "export.csv")
	rooms.Accounts = func(context.Context, actor.Actor, string, int64, string) (io.ReadCloser, Listed, error) {
		f, err := os.Open(list)
		return f, Listed{Name: "export.csv"}, err
	}
	r, err := New(ctx, rooms)
	if err != nil {
		return err
	}
	r.step = step
	switch args[2] {
	case "make":
		return r.Make(ctx, args[3])
	case "hand":
		_, f, err := r.HandOver(ctx, actor.Operator(), args[3])
		if err == nil {
			f.Close()
		}
		return err
	case "results":
		f, err := os.Open(args[4])
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = r.Results(ctx, actor.Operator(), args[3], f)
		return err
	}
	return errors.New("it is not said what to do")
}

// killable is what the process that is killed does.
func killable(args []string, step func()) error {
	if args[2] == "make" || args[2] == "hand" || args[2] == "results" {
		return readForEver(args, step)
	}
	return sendForEver(args, step)
}

// Killed at each of its steps, a file is made whole or not at all, and results count whole or not at all.
func TestLettersKilled(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		db, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		h := &household{world: nothing(t), list: householdRows(1600)}
		folder := t.TempDir()
		rooms, incidents, err := openRooms(t.Context(), db, folder)
		if err == nil {
			err = h.fill(t.Context(), rooms, incidents, folder)
		}
		if err != nil {
			t.Fatal(err)
		}
		h.Reach, h.house = must(New(t.Context(), rooms))(t), must(age.GenerateX25519Identity())(t)
		h.Accounts = h.accounts
		c := h.letters(Post, h.mailed(2).ID, nil)
		plan := must(h.PlanExport(t.Context(), actor.Operator(), "loss-2026", h.asked(c)))(t)
		id := must(h.ApproveExport(t.Context(), actor.Operator(), plan, nil))(t)
		all := h.now(c.ID).Total()
		until := func(what string, check func(done bool), more ...string) {
			t.Helper()
			for at, kills := 1, 0; ; at++ {
				_, killed := killtest.Kill(t, at, append([]string{url, folder, what, id}, more...)...)
				check(!killed)
				if !killed {
					if kills == 0 {
						t.Fatalf("%s was never killed", what)
					}
					return
				}
				kills++
				if x := must(h.Export(t.Context(), actor.Operator(), id))(t); what == "make" && x.State == ExportMade || what == "hand" && x.State == ExportHanded {
					return // it was killed after it was done
				}
			}
		}
		until("make", func(bool) {
			x, got := must(h.Export(t.Context(), actor.Operator(), id))(t), h.now(c.ID)
			if (x.State == ExportMade) != (got[Intended] == all) || (x.State == ExportApproved) != (got[Pending] == all) {
				t.Fatalf("%s %v", x.State, got.Names())
			}
		})
		until("hand", func(bool) {
			x, got := must(h.Export(t.Context(), actor.Operator(), id))(t), h.now(c.ID)
			if (x.State == ExportHanded) != (got[HandedOver] == all) || (x.State == ExportMade) != (got[Intended] == all) {
				t.Fatalf("%s %v", x.State, got.Names())
			}
		})
		x, rows, _ := h.opened(id)
		file := filepath.Join(folder, "results.csv")
		if err := os.WriteFile(file, []byte(resultsOf(rows, func(i int) string { return []string{"accepted,,", "returned,,moved"}[i%2] })), 0o600); err != nil {
			t.Fatal(err)
		}
		until("results", func(done bool) {
			got := h.now(c.ID)
			counted := got[Accepted]+got[Bounced] == x.Manifest.Rows
			if !counted && got[HandedOver] != all || done && !counted {
				t.Fatalf("%v", got.Names())
			}
		}, file)
	})
}

// The vector of docs/FORMAT.md, files for houses.
func TestReferenceVector(t *testing.T) {
	b := must(aes.NewCipher(bytes.Repeat([]byte{7}, 32)))(t)
	doc := string(must(os.ReadFile("../../docs/FORMAT.md"))(t))
	got := references{b}.of(7)
	if place, ok := (references{b}).place(got); !ok || place != 7 || !strings.Contains(doc, "place 7 is `"+got+"`") {
		t.Errorf("it is %s", got)
	}
	if _, ok := (references{b}).place(newReferences(sealer(t), "x-abc").of(7)); ok {
		t.Error("a reference is read in another file")
	}
}

func FuzzResults(f *testing.F) {
	refs := newReferences(sealer(f), "x-abc")
	head := "reference,outcome,date,reason\n"
	for _, s := range []string{"", head, head + refs.of(7) + ",accepted,2026-12-01,\n", head + refs.of(7) + ",返戻,2026/12/1,転居先不明\n" + refs.of(8) + ",unsent,,address\n", "reference\toutcome\n" + refs.of(1) + "\taccepted\n",
		`{"reference":"` + refs.of(3) + `","outcome":"unknown"}` + "\n", "\xef\xbb\xbf" + head, head + strings.Repeat(refs.of(7)+",accepted,,\n", 3), "PK\x03\x04", "\x1f\x8b"} {
		f.Add([]byte(s))
	}
	made := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, b []byte) {
		source := func(context.Context) (io.ReadCloser, int64, error) {
			return io.NopCloser(bytes.NewReader(b)), int64(len(b)), nil
		}
		table := roster.Table{Source: source, Columns: []string{referenceColumn, outcomeColumn}, Optional: []string{dateColumn, reasonColumn}, Only: true, MaxText: 1 << 20}
		_ = roster.Rows(t.Context(), table, func(row roster.Row) error {
			if len(row.Values) != 4 {
				t.Fatalf("%d values", len(row.Values))
			}
			if row.Flaw != "" {
				return nil
			}
			one, why := parseResult(refs, row, made, made.AddDate(0, 1, 0))
			if why == "" && refs.of(one.ordinal) != strings.ToLower(strings.TrimSpace(string(row.Values[0]))) {
				t.Fatalf("a reference that nobody made: %q", row.Values[0])
			}
			if why == "" && (one.state == Bounced || one.state == Refused) != (one.reason != 0 && one.state != Unknown) {
				t.Fatalf("%+v", one)
			}
			return nil
		})
	})
}

func sealer(t testing.TB) *store.Sealer {
	return must(store.NewSealer(bytes.Repeat([]byte{7}, store.KeySize)))(t)
}

// TestMayBe: a day that a house says is refused where it is none of anywhere between handing over and now, and taken where it is one of somewhere.
func TestMayBe(t *testing.T) {
	japan := time.FixedZone("JST", 9*60*60)
	handed := time.Date(2026, 12, 2, 8, 0, 0, 0, japan) // the first of December, 13:00, in Hawaii
	for _, c := range []struct {
		day  string
		now  time.Time
		want bool
	}{
		{"2026-12-01", handed.Add(time.Hour), true}, // the same day, of a house behind
		{"2026-12-02", handed.Add(time.Hour), true},
		{"2026-11-30", handed.Add(time.Hour), false},
		{"2026-12-03", handed.Add(time.Hour), false},
		{"2026-12-03", handed.Add(12 * time.Hour), true}, // of a house ahead
		{"2026-12-04", handed.Add(12 * time.Hour), false},
	} {
		for _, zone := range []*time.Location{japan, time.UTC, lastZone, firstZone} {
			day, err := time.ParseInLocation(time.DateOnly, c.day, zone)
			if err != nil || mayBe(day, handed, c.now) != c.want {
				t.Errorf("%s in %s at %s: %v", c.day, zone, c.now, err)
			}
		}
	}
}
