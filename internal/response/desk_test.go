package response

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"shirase/internal/actor"
	"shirase/internal/incident"
)

// staff is a member with roles, and access to one case.
func staff(id, at string, access actor.Access, roles ...actor.Role) actor.Actor {
	return actor.Staff(actor.Member{ID: id, Roles: roles, Access: map[string]actor.Access{at: access}}, "console")
}

// acts are all that the room does in a case, by the permission that each wants.
func acts(d *desk, k *Case) map[string]struct {
	p  actor.Permission
	do func(ctx context.Context, who actor.Actor, id string) error
} {
	ev, report := k.Events[0].ID, k.Reports[0].ID
	type act = struct {
		p  actor.Permission
		do func(ctx context.Context, who actor.Actor, id string) error
	}
	kept := func(c *Case, err error) error { return err }
	return map[string]act{
		"get": {actor.See, func(ctx context.Context, who actor.Actor, id string) error { return kept(d.Get(ctx, who, id)) }},
		"clocks": {actor.See, func(ctx context.Context, who actor.Actor, id string) error {
			_, _, err := d.Clocks(ctx, who, id)
			return err
		}},
		"verify": {actor.See, func(ctx context.Context, who actor.Actor, id string) error {
			_, err := d.Verify(ctx, who, id, nil)
			return err
		}},
		"export": {actor.See, func(ctx context.Context, who actor.Actor, id string) error {
			_, err := d.Export(ctx, who, id, Takeout{Evidence: true}, io.Discard)
			return err
		}},
		"evidence": {actor.See, func(ctx context.Context, who actor.Actor, id string) error {
			_, err := d.ReadEvidence(ctx, who, id, k.Evidence[0].ID, "read", "", "", io.Discard)
			return err
		}},
		"verify evidence": {actor.See, func(ctx context.Context, who actor.Actor, id string) error {
			_, err := d.VerifyEvidence(ctx, who, id, k.Evidence[0].ID)
			return err
		}},
		"add event": {actor.Contribute, func(ctx context.Context, who actor.Actor, id string) error {
			return kept(d.AddEvent(ctx, who, id, Event{At: "2026-08-20+09:00", Text: "x"}))
		}},
		"change event": {actor.Contribute, func(ctx context.Context, who actor.Actor, id string) error {
			return kept(d.ChangeEvent(ctx, who, id, ev, 0, func(e *Event) { e.Why = "y" }))
		}},
		"report": {actor.Contribute, func(ctx context.Context, who actor.Actor, id string) error {
			return kept(d.AddReport(ctx, who, id, Report{At: "2026-08-21+09:00", From: "police", Text: "x"}))
		}},
		"report and triage": {actor.Command, func(ctx context.Context, who actor.Actor, id string) error {
			return kept(d.AddReport(ctx, who, id, Report{At: "2026-08-21+09:00", From: "police", Text: "x", Knowledge: "yes"}))
		}},
		"triage": {actor.Command, func(ctx context.Context, who actor.Actor, id string) error {
			return kept(d.TriageReport(ctx, who, id, 0, Triage{Report: report, Knowledge: "yes"}))
		}},
		"paste": {actor.Contribute, func(ctx context.Context, who actor.Actor, id string) error {
			return kept(d.Paste(ctx, who, id, "log", "2026-08-20 10:00 x", incident.Japan))
		}},
		"pass": {actor.Contribute, func(ctx context.Context, who actor.Actor, id string) error {
			return kept(d.Pass(ctx, who, id, Passed{Candidates: []string{fmt.Sprintf("%d.1", k.Pastes[0].ID)}}))
		}},
		"add evidence": {actor.Contribute, func(ctx context.Context, who actor.Actor, id string) error {
			return kept(d.AddEvidence(ctx, who, id, Evidence{Name: "a"}, strings.NewReader("x")))
		}},
		"hand evidence": {actor.Contribute, func(ctx context.Context, who actor.Actor, id string) error {
			return kept(d.HandEvidence(ctx, who, id, Custody{Evidence: k.Evidence[0].ID, What: "handed-over", To: "x"}))
		}},
		"ask": {actor.Contribute, func(ctx context.Context, who actor.Actor, id string) error {
			return kept(d.Ask(ctx, who, id, 0, 0, func(q *Question) { q.Question = "x" }))
		}},
		"decide": {actor.Command, func(ctx context.Context, who actor.Actor, id string) error {
			return kept(d.Decide(ctx, who, id, Decision{Question: "q", Decision: "d"}))
		}},
		"add task": {actor.Contribute, func(ctx context.Context, who actor.Actor, id string) error {
			return kept(d.AddTask(ctx, who, id, func(t *Task) { t.Title = "x" }))
		}},
		"change task": {actor.Contribute, func(ctx context.Context, who actor.Actor, id string) error {
			return kept(d.ChangeTask(ctx, who, id, 1, 0, func(t *Task) { t.Note = "x" }))
		}},
		"hand over": {actor.Command, func(ctx context.Context, who actor.Actor, id string) error {
			return kept(d.HandOver(ctx, who, id, HandOver{Tasks: []int64{1}, To: "x"}))
		}},
		"note": {actor.Contribute, func(ctx context.Context, who actor.Actor, id string) error {
			return kept(d.AddNote(ctx, who, id, Note{Text: "x"}))
		}},
		"promise": {actor.Command, func(ctx context.Context, who actor.Actor, id string) error {
			return kept(d.Promise(ctx, who, id, 0, 0, func(p *Promise) { p.Text, p.Due = "x", "2026-08-30+09:00" }))
		}},
		"appoint": {actor.Command, func(ctx context.Context, who actor.Actor, id string) error {
			return kept(d.Appoint(ctx, who, id, 0, Commander{Name: "x"}))
		}},
		"apply": {actor.Command, func(ctx context.Context, who actor.Actor, id string) error {
			return kept(d.Apply(ctx, who, id, 0, Regime{ID: "eu-gdpr"}))
		}},
		"start": {actor.Command, func(ctx context.Context, who actor.Actor, id string) error {
			return kept(d.Start(ctx, who, id, 0, Started{"materiality", "2026-08-20+09:00"}))
		}},
		"know": {actor.Command, func(ctx context.Context, who actor.Actor, id string) error {
			return kept(d.Know(ctx, who, id, 0, Knows{"wrongful", true}))
		}},
		"mark": {actor.Command, func(ctx context.Context, who actor.Actor, id string) error {
			return kept(d.Mark(ctx, who, id, 0, Marked{ID: "jp-appi-sokuho", State: "done"}))
		}},
		"note a proposal": {actor.Propose, func(ctx context.Context, who actor.Actor, id string) error {
			return d.DB.Update(ctx, func(tx *sql.Tx) error {
				return d.NoteProposal(ctx, tx, who, id, Proposal{ID: "p", Kind: "publish", State: "proposed"})
			})
		}},
		"close": {actor.Remove, func(ctx context.Context, who actor.Actor, id string) error { return kept(d.close(ctx, who, id, "x")) }},
	}
}

// close closes a case as it stands, whatever is open.
func (d *desk) close(ctx context.Context, who actor.Actor, id, why string) (*Case, error) {
	k, err := d.Get(ctx, actor.Server(), id)
	if err != nil {
		return nil, err
	}
	facts, err := d.Incidents.Moved(ctx, id)
	if err != nil {
		return nil, err
	}
	return d.CloseAs(ctx, who, id, Ending{Closed: Closed{Why: why}, Head: k.Head, Facts: facts}, nil)
}

// full declares a case that has one of everything.
func (d *desk) full() *Case {
	d.t.Helper()
	ctx := d.t.Context()
	k := d.declare(nil)
	var err error
	for _, do := range []func() (*Case, error){
		func() (*Case, error) { return d.AddTask(ctx, by, k.ID, func(t *Task) { t.Title = "task" }) },
		func() (*Case, error) {
			return d.AddEvent(ctx, by, k.ID, Event{At: "2026-08-20T10:00+09:00", Text: "event"})
		},
		func() (*Case, error) {
			return d.AddReport(ctx, by, k.ID, Report{At: "2026-08-19+09:00", From: "customer", Text: "told"})
		},
		func() (*Case, error) {
			return d.Paste(ctx, by, k.ID, "log", "2026-08-20 10:00:00 a\n2026-08-20 10:00:01 b", incident.Japan)
		},
		func() (*Case, error) {
			return d.AddEvidence(ctx, by, k.ID, Evidence{Name: "auth.log"}, strings.NewReader("lines\n"))
		},
	} {
		if k, err = do(); err != nil {
			d.t.Fatal(err)
		}
	}
	return k
}

// TestWhoMay holds every act against every role, every access, nobody and the wrong case. Whoever may not leaves no entry, and who may
// not know of a case hears what is heard of one that is not there.
func TestWhoMay(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		k := d.full()
		for name, act := range acts(d, k) {
			if name == "close" {
				continue
			}
			count := func() int64 {
				var n int64
				if err := d.db.QueryRowContext(ctx, `SELECT entries FROM response_case WHERE id = $1`, k.ID).Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n
			}
			gone := act.do(ctx, by, "no-such-case")
			if !errors.Is(gone, ErrNotFound) {
				t.Errorf("%s in a case that is not there: %v", name, gone)
			}
			for _, role := range actor.Roles() {
				for _, access := range []actor.Access{actor.None, actor.Reads, actor.Contributes, actor.Full} {
					who := staff("p1", k.ID, access, role)
					want := who.May(act.p, k.ID)
					before := count()
					err := act.do(ctx, who, k.ID)
					switch {
					case want == nil && err != nil && !errors.Is(err, ErrEntry): // done before
						t.Errorf("%s by a %s with access %s: %v", name, role, access, err)
					case name == "note a proposal" && err == nil: // approvers too
					case want != nil && (err == nil || count() != before):
						t.Errorf("%s by a %s with access %s is not refused: %v", name, role, access, err)
					case errors.Is(want, actor.ErrHidden) && (!errors.Is(err, ErrNotFound) || strings.ReplaceAll(err.Error(), k.ID, "no-such-case") != gone.Error()):
						t.Errorf("%s by a %s without access hears %q, and of no case %q", name, role, err, gone)
					}
				}
			}
			before := count()
			if err := act.do(ctx, actor.Actor{}, k.ID); !errors.Is(err, actor.ErrNobody) || count() != before {
				t.Errorf("%s by nobody: %v", name, err)
			}
		}
		for _, role := range actor.Roles() {
			who := staff("p2", "", actor.None, role)
			_, err := d.Declare(ctx, who, Declaration{Title: "T", Organisation: "Other", Known: moment(t, "2026-08-20+09:00")})
			if may := role.Allows(actor.Declare); may != (err == nil) {
				t.Errorf("declared by a %s: %v", role, err)
			}
			if role.Allows(actor.Declare) || role == actor.Auditor {
				continue
			}
			if list, err := d.List(ctx, who); err != nil || len(list) != 0 {
				t.Errorf("a %s without a case lists %v, %v", role, list, err)
			}
		}
		if list, err := d.List(ctx, staff("p3", "", actor.None, actor.Auditor)); err != nil || len(list) < 2 {
			t.Errorf("an auditor lists %v, %v", list, err)
		}
		if _, err := d.close(ctx, staff("p4", k.ID, actor.Contributes, actor.Commander), k.ID, "x"); !errors.Is(err, actor.ErrAccess) {
			t.Errorf("closed by who may only contribute: %v", err)
		}
		if _, err := d.close(ctx, staff("p4", k.ID, actor.Full, actor.Commander), k.ID, "x"); err != nil {
			t.Error(err)
		}
	})
}

// TestGranted: whoever declares a case is given it, in the same transaction.
func TestGranted(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		var granted []string
		d.Granted = func(ctx context.Context, tx *sql.Tx, who actor.Actor, id string) error {
			granted = append(granted, who.ID()+" "+id)
			return nil
		}
		who := staff("p1", "", actor.None, actor.Commander)
		k, err := d.Declare(t.Context(), who, Declaration{Title: "T", Organisation: "A", Known: moment(t, "2026-08-20+09:00")})
		if err != nil || !slices.Equal(granted, []string{"p1 " + k.ID}) {
			t.Fatalf("%v, %v", granted, err)
		}
		d.Granted = func(context.Context, *sql.Tx, actor.Actor, string) error { return errors.New("no") }
		if _, err := d.Declare(t.Context(), who, Declaration{Title: "U", Organisation: "B", Known: moment(t, "2026-08-20+09:00")}); err == nil {
			t.Error("declared, and nobody has it")
		}
		if list, err := d.List(t.Context(), by); err != nil || len(list) != 1 {
			t.Errorf("%v, %v", list, err)
		}
	})
}

// TestStale: of two who change what both have read, the second hears how it stands, and nothing of either is lost.
func TestStale(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		k := d.full()
		k, err := d.Ask(ctx, by, k.ID, 0, 0, func(q *Question) { q.Question = "Block?" })
		if err != nil {
			t.Fatal(err)
		}
		k, err = d.Promise(ctx, by, k.ID, 0, 0, func(p *Promise) { p.Text, p.Due = "more", "2026-08-30+09:00" })
		if err != nil {
			t.Fatal(err)
		}
		q := k.Questions[0]
		for name, change := range map[string]func(who actor.Actor, says string) (*Case, error){
			"task": func(who actor.Actor, says string) (*Case, error) {
				return d.ChangeTask(ctx, who, k.ID, 1, k.Tasks[0].Version, func(t *Task) { t.Note = says })
			},
			"event": func(who actor.Actor, says string) (*Case, error) {
				return d.ChangeEvent(ctx, who, k.ID, k.Events[0].ID, k.Events[0].Version, func(e *Event) { e.Text, e.Why = says, "w" })
			},
			"question": func(who actor.Actor, says string) (*Case, error) {
				return d.Ask(ctx, who, k.ID, q.ID, q.Version, func(q *Question) { q.Question = says })
			},
			"promise": func(who actor.Actor, says string) (*Case, error) {
				return d.Promise(ctx, who, k.ID, k.Promises[0].ID, k.Promises[0].Version, func(p *Promise) { p.Text = says })
			},
			"triage": func(who actor.Actor, says string) (*Case, error) {
				return d.TriageReport(ctx, who, k.ID, k.Reports[0].Version, Triage{Report: k.Reports[0].ID, Knowledge: "no", Why: says})
			},
		} {
			var all sync.WaitGroup
			var mu sync.Mutex
			won, lost := []string{}, []*StaleError{}
			for _, id := range []string{"p1", "p2", "p3"} {
				all.Go(func() {
					_, err := change(staff(id, k.ID, actor.Full, actor.Commander), "by "+id)
					var stale *StaleError
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						won = append(won, id)
					case errors.As(err, &stale) && errors.Is(err, ErrStale):
						lost = append(lost, stale)
					default:
						t.Errorf("%s: %v", name, err)
					}
				})
			}
			all.Wait()
			if len(won) != 1 || len(lost) != 2 {
				t.Fatalf("%s: %v changed it, %d are stale", name, won, len(lost))
			}
			for _, s := range lost {
				if s.By != won[0]+" by console" || s.Now.kind() == "" {
					t.Errorf("%s: the loser hears of %q, and %v had changed it", name, s.By, won)
				}
			}
		}
		// Two decide the same question, and two replace the same decision.
		for _, d2 := range []Decision{{Of: q.ID, Decision: "yes"}, {}} {
			if d2.Of == 0 {
				now, err := d.Get(ctx, by, k.ID)
				if err != nil {
					t.Fatal(err)
				}
				d2 = Decision{Replaces: now.Decisions[0].Version, Question: "Block?", Decision: "no"}
			}
			var all sync.WaitGroup
			errs := make([]error, 2)
			for i := range errs {
				all.Go(func() { _, errs[i] = d.Decide(ctx, by, k.ID, d2) })
			}
			all.Wait()
			if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), ErrStale) {
				t.Errorf("%+v: %v", d2, errs)
			}
		}
		if k, err = d.Get(ctx, by, k.ID); err != nil || len(k.Decisions) != 2 || k.Decisions[0].Replaced != k.Decisions[1].Version || k.Questions[0].State != "decided" {
			t.Errorf("%+v, %v", k.Decisions, err)
		}
		if _, err := d.Verify(ctx, by, k.ID, nil); err != nil {
			t.Error(err)
		}
	})
}

// TestReadLines: what a log or a chat says of time is read as it is, and what is not sure is left out.
func TestReadLines(t *testing.T) {
	now := time.Date(2026, 8, 22, 3, 0, 0, 0, time.UTC)
	for _, c := range []struct{ text, want string }{
		{"2026-08-20T10:09:03+09:00 a", "2026-08-20T10:09:03+09:00||a"},
		{"2026-08-20T01:09:03.25Z a", "2026-08-20T01:09:03.25Z||a"},
		{"[2026-08-20 10:09:03,123] ERROR a: b", "2026-08-20T10:09:03.123+09:00||ERROR a: b"},
		{"2026-08-20 10:09 JST: a", "2026-08-20T10:09+09:00||a"},
		{"2026-08-20 10:09:00 CST a", "||2026-08-20 10:09:00 CST a"},
		{"2026-08-20 10:09:00 UTC a", "2026-08-20T10:09:00Z||a"},
		{"2026-02-30 10:09:00 a", "||2026-02-30 10:09:00 a"},
		{"2026-08-20 25:09 a", "||2026-08-20 25:09 a"},
		{"Aug 20 10:09:03 db1 sshd: a", "2026-08-20T10:09:03+09:00||db1 sshd: a"},
		{"Dec 31 23:59:59 db1 a", "2025-12-31T23:59:59+09:00||db1 a"},
		{`192.0.2.1 - - [20/Aug/2026:10:09:03 -0400] "GET / HTTP/1.1" 200 1`, `2026-08-20T10:09:03-04:00||192.0.2.1 - - [20/Aug/2026:10:09:03 -0400] "GET / HTTP/1.1" 200 1`},
		{"1787188143 a", "2026-08-20T01:09:03Z||a"},
		{"1787188143250 a", "2026-08-20T01:09:03.25Z||a"},
		{"2026年8月20日 10時09分 佐藤: 止めた", "2026-08-20T10:09+09:00|佐藤|止めた"},
		{"8月20日（木）10:09 止めた", "2026-08-20T10:09+09:00||止めた"},
		{"2026/08/20(木)\n10:09\t佐藤 花子\t止めた\n午後3:05\t鈴木\t確認", "2026-08-20T10:09+09:00|佐藤 花子|止めた\n2026-08-20T15:05+09:00|鈴木|確認"},
		{"--- 2026-08-20 ---\nsato  10:09 AM\nstopped it\nit is off\n\nsuzuki [3:05 PM]\nseen", "2026-08-20T10:09+09:00|sato|stopped it\n2026-08-20T10:09+09:00|sato|it is off\n2026-08-20T15:05+09:00|suzuki|seen"},
		{"10:09 no day", "||10:09 no day"},
		{"2026-08-20 10:09:03 trace\n\tat a\n\tat b", "2026-08-20T10:09:03+09:00||trace\nat a\nat b"},
		{"no time at all\u202e\x1b[31m", "||no time at all\ufffd\ufffd[31m"},
	} {
		items, err := ReadLines(c.text, incident.Japan, now)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		var got []string
		for _, i := range items {
			got = append(got, i.At+"|"+i.Who+"|"+i.Text)
		}
		if strings.Join(got, "\n") != c.want {
			t.Errorf("%q is read as\n%s\nwant\n%s", c.text, strings.Join(got, "\n"), c.want)
		}
	}
	for name, text := range map[string]string{"nothing": "\n \n", "too many lines": strings.Repeat("a\n", maxLines+1), "too much": strings.Repeat("a", maxPaste+1), "no text": "\xff"} {
		if _, err := ReadLines(text, incident.Japan, now); !errors.Is(err, ErrEntry) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReadLines(f *testing.F) {
	f.Add("2026-08-20T10:09:03+09:00 a\n[20/Aug/2026:10:09:03 -0400]\nsato  10:09 AM\nx")
	f.Add("2026/08/20(木)\n午後9:10\t佐藤\tx\n1787188143250 a")
	now := time.Date(2026, 8, 22, 3, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		items, err := ReadLines(text, incident.Japan, now)
		if err != nil {
			return
		}
		for _, i := range items {
			if i.At != "" {
				if _, _, err := when(i.At); err != nil {
					t.Errorf("a time that no event takes: %q", i.At)
				}
			}
			if err := textOK("a text", i.Text, false); err != nil {
				t.Errorf("%q: %v", i.Text, err)
			}
		}
		for _, part := range inEntries(items) {
			e, err := newCase("a").entry(by, now, Body{Pasted: &Pasted{Source: "s", Zone: "Z", Items: part}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := e.canonical(); err != nil {
				t.Errorf("%d candidates do not go into an entry: %v", len(part), err)
			}
		}
	})
}

// TestCandidates: a candidate or report becomes one event, once; the rest is passed over.
func TestCandidates(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		k := d.full()
		paste := k.Pastes[0].ID
		first := fmt.Sprintf("%d.1", paste)
		k, err := d.AddEvent(ctx, by, k.ID, Event{From: first})
		if err != nil {
			t.Fatal(err)
		}
		if e := k.Events[len(k.Events)-1]; e.At != "2026-08-20T10:00:00+09:00" || e.Text != "a" || e.Source != "log" || e.Precision() != "second" {
			t.Errorf("%+v", e)
		}
		if _, err := d.AddEvent(ctx, by, k.ID, Event{From: first}); !errors.Is(err, ErrEntry) {
			t.Errorf("taken twice: %v", err)
		}
		if _, err := d.Pass(ctx, by, k.ID, Passed{Candidates: []string{first}}); !errors.Is(err, ErrEntry) {
			t.Errorf("passed over when it was taken: %v", err)
		}
		if k, err = d.Pass(ctx, by, k.ID, Passed{Candidates: []string{fmt.Sprintf("%d.2", paste)}}); err != nil || len(k.Pastes[0].Open()) != 0 {
			t.Errorf("%v, %v", k.Pastes, err)
		}
		report := "report " + itoa(k.Reports[0].ID)
		if k, err = d.AddEvent(ctx, by, k.ID, Event{From: report}); err != nil {
			t.Fatal(err)
		}
		if _, err = d.AddEvent(ctx, by, k.ID, Event{From: report}); !errors.Is(err, ErrEntry) {
			t.Errorf("a report taken twice: %v", err)
		}
		for _, from := range []string{"1.1", "x", fmt.Sprintf("%d.9", paste), fmt.Sprintf("%d.1x", paste), "report 1"} {
			if _, err := d.AddEvent(ctx, by, k.ID, Event{From: from}); !errors.Is(err, ErrNotFound) {
				t.Errorf("%q: %v", from, err)
			}
		}
	})
}

// TestPlaybooks: those that are shipped hold, one's own stand in their place, and what is wrong with a file is told with its line.
func TestPlaybooks(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.Playbooks = fstest.MapFS{"ransomware.yaml": {Data: []byte("name: {en: ours}\nupdate: 3h\ntasks: [{en: call the office, within: 30m, owner: Sato}]\nquestions: [{en: pay, options: [{en: \"no\"}]}]\n")}}
		list, err := d.ListPlaybooks()
		if err != nil || len(list) != 5 {
			t.Fatalf("%d, %v", len(list), err)
		}
		for _, p := range list {
			if p.Own != (p.ID == "ransomware") || p.Name.EN == "" || len(p.Tasks) == 0 {
				t.Errorf("%+v", p)
			}
		}
		k := d.declare(func(x *Declaration) { x.Playbook = "ransomware" })
		if len(k.Tasks) != 1 || k.Tasks[0].Due != "2026-08-22T03:30Z" || k.Tasks[0].Owner != "Sato" || len(k.Questions) != 1 || k.Questions[0].Options[0] != "no" || k.Promises[0].Due != "2026-08-22T06:00Z" {
			t.Errorf("%+v %+v %+v", k.Tasks, k.Questions, k.Promises)
		}
		k = d.declare(func(x *Declaration) { x.Playbook = "account-database"; x.Update = d.now().Add(time.Hour) })
		if k.Promises[0].Due != "2026-08-22T04:00Z" || len(k.Questions) != 2 || len(k.Tasks) != 9 {
			t.Errorf("%+v", k.Promises)
		}
		d.Playbooks = fstest.MapFS{"ours.yaml": {Data: []byte("tasks: 1")}}
		if _, err := d.playbook("ours"); !errors.Is(err, ErrPlaybook) {
			t.Errorf("a file that is none: %v", err)
		}
		for _, name := range []string{"../x", "*", "none"} {
			d.Playbooks = nil
			if _, err := d.playbook(name); !errors.Is(err, ErrEntry) || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%q: %v", name, err)
			}
		}
	})
	for src, want := range map[string]int{
		"": 0, "name: {en: a}": 1, "tasks:\n  - {en: a}\n  - {en: a}\n": 3, "tasks:\n  - {en: a, within: 4 hours}\n": 2, "tasks:\n  - {en: a}\nupdate: soon\n": 3,
		"tasks:\n  - {en: a, who: b}\n": 2, "tasks:\n  - {within: 4h}\n": 2, "tasks:\n  - {en: a}\nquestions:\n  - {en: q, options: [{en: \"\"}]}\n": 4, "tasks: [&a {en: b}]": 1, "tasks: [{en: \"a\\u202eb\"}]": 1,
	} {
		_, found, err := ParsePlaybook("x", []byte(src))
		if !errors.Is(err, ErrPlaybook) || len(found) == 0 {
			t.Errorf("%q: %v, %v", src, found, err)
		} else if found[0].Line != want {
			t.Errorf("%q: line %d, want %d: %s", src, found[0].Line, want, found[0].What)
		}
	}
}

func FuzzParsePlaybook(f *testing.F) {
	f.Add([]byte("name: {en: a}\nupdate: 3h\ntasks: [{en: b, within: 30m}]\nquestions: [{en: c, options: [{ja: d}]}]\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		p, found, err := ParsePlaybook("x", src)
		if (err == nil) != (p != nil) || err != nil && len(found) == 0 {
			t.Errorf("%v, %v, %v", p, found, err)
		}
		if p != nil {
			for _, b := range p.opens(Declaration{}, time.Unix(0, 0)) {
				if b.kind() == "" {
					t.Error("it opens nothing")
				}
			}
		}
	})
}

// TestNext: what a case asks for, the most urgent first, and no more when it is answered.
func TestNext(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		k := d.full()
		kinds := func() map[string]int {
			k, err := d.Get(ctx, by, k.ID)
			if err != nil {
				t.Fatal(err)
			}
			out := map[string]int{}
			for _, n := range k.Next(d.now(), nil) {
				out[n.Kind]++
			}
			return out
		}
		if got := kinds(); got["knowledge"] != 1 || got["candidates"] != 1 || got["unowned"] != 1 || got["commander"] != 1 || got["promise-none"] != 1 {
			t.Errorf("%v", got)
		}
		for _, err := range []error{
			second(d.TriageReport(ctx, by, k.ID, 0, Triage{Report: k.Reports[0].ID, Knowledge: "yes"})), second(d.Appoint(ctx, by, k.ID, 0, Commander{Name: "Sato"})),
			second(d.HandOver(ctx, by, k.ID, HandOver{Tasks: []int64{1}, To: "Suzuki"})), second(d.Promise(ctx, by, k.ID, 0, 0, func(p *Promise) { p.Text, p.Due = "more", "2026-08-22T11:00+09:00" })),
			second(d.Pass(ctx, by, k.ID, Passed{Candidates: k.Pastes[0].Open()})),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if got := kinds(); len(got) != 2 || got["promise"] != 1 || got["task"] != 1 {
			t.Errorf("%v", got)
		}
		k, err := d.Get(ctx, by, k.ID)
		if err != nil || !k.Promises[0].Slipped(d.now()) || k.Reports[0].Waited(d.now()) < 48*time.Hour || k.Knowledge().String() != "2026-08-19+09:00" {
			t.Errorf("%+v, %v", k.Promises, err)
		}
		if next := k.Next(d.now(), nil); !next[0].Late || next[0].Kind != "promise" {
			t.Errorf("%+v", next)
		}
		if k, err = d.HandOver(ctx, by, k.ID, HandOver{From: "Suzuki", To: "Sato"}); err != nil || k.Tasks[0].Owner != "Sato" {
			t.Errorf("%v", err)
		}
		if _, err = d.HandOver(ctx, by, k.ID, HandOver{From: "Suzuki", To: "Sato"}); !errors.Is(err, ErrEntry) {
			t.Errorf("nothing handed over: %v", err)
		}
	})
}

func second(_ *Case, err error) error { return err }

// TestTold: whom a note calls, who gets a task, and everybody of a report, in the transaction that records it.
func TestTold(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		k := d.declare(nil)
		var told []string
		d.Tell = func(_ context.Context, _ *sql.Tx, m Message) error {
			told = append(told, m.Case+" "+m.Kind+" "+strings.Join(m.To, ",")+" "+m.About)
			return nil
		}
		for _, err := range []error{
			second(d.AddNote(ctx, by, k.ID, Note{Text: "@suzuki ask @佐藤, not a@example.com"})), second(d.AddTask(ctx, by, k.ID, func(t *Task) { t.Title, t.Owner = "x", "Sato" })),
			second(d.ChangeTask(ctx, by, k.ID, 1, 0, func(t *Task) { t.Note = "later" })), second(d.AddReport(ctx, by, k.ID, Report{At: "2026-08-20+09:00", From: "police", Text: "x"})),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		want := []string{k.ID + " mention suzuki,佐藤 entry 2", k.ID + " assigned Sato task 1", k.ID + " report  entry 5"}
		if !slices.Equal(told, want) {
			t.Errorf("%q, want %q", told, want)
		}
		d.Tell = func(context.Context, *sql.Tx, Message) error { return errors.New("full") }
		if _, err := d.AddNote(ctx, by, k.ID, Note{Text: "@suzuki"}); err == nil {
			t.Error("recorded, and nobody is told")
		}
		if now, err := d.Get(ctx, by, k.ID); err != nil || now.Entries != 5 {
			t.Errorf("%d entries, %v", now.Entries, err)
		}
	})
}
