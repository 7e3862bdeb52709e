package enquiry

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/language"
	"shirase/internal/roster"
)

// TestQueue: two who change the same do not lose what either did, and everything is undone by another act and written down.
func TestQueue(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx, by := t.Context(), actor.Operator()
		e := w.asked("affected", "x", "a@example.com")
		topic, assignee, bad := "misuse", "p1", "fr"
		due := w.clock.Add(time.Hour)
		w.ok(w.Change(ctx, by, shop, e.ID, e.Version, Set{Topic: &topic, Assignee: &assignee, Due: &due}))
		if err := w.Change(ctx, by, shop, e.ID, e.Version, Set{Topic: &topic}); !errors.Is(err, ErrStale) {
			t.Errorf("as it was read before: %v", err)
		}
		if err := w.Change(ctx, by, shop, e.ID, e.Version+1, Set{Lang: &bad}); !errors.Is(err, ErrInput) {
			t.Errorf("a language without texts: %v", err)
		}
		if err := w.Change(ctx, by, shop, e.ID, e.Version+1, Set{Topic: &bad}); !errors.Is(err, ErrInput) {
			t.Errorf("no topic: %v", err)
		}
		w.ok(w.Note(ctx, by, shop, e.ID, e.Version+1, "メモ\u202e"))
		for i, to := range []State{Closed, Open, Spam, Open} {
			w.ok(w.Move(ctx, by, shop, e.ID, e.Version+2+int64(i), to))
		}
		if err := w.Move(ctx, by, shop, e.ID, e.Version+6, Merged); !errors.Is(err, ErrState) {
			t.Errorf("%v", err)
		}
		e = w.read(e.ID)
		var did []string
		for _, v := range e.Events {
			if v.By != by.String() && v.By != actor.Server().String() {
				t.Errorf("%+v", v)
			}
			did = append(did, v.What+" "+v.Detail)
		}
		if e.Topic != "misuse" || e.Assignee != "p1" || !e.Due.Equal(due) || e.State != Open || len(did) != 7 || !strings.Contains(did[1], "topic misuse") || e.Messages[len(e.Messages)-1].Text != "メモ" {
			t.Errorf("%+v, %q", e, did)
		}
		for _, f := range []Filter{{Topic: "misuse"}, {Assignee: "p1"}, {Lang: "ja"}, {Address: "A@example.com"}, {State: Open}} {
			if _, n, err := w.List(ctx, by, shop, f); err != nil || n != 1 {
				t.Errorf("%+v: %d, %v", f, n, err)
			}
		}
		for _, f := range []Filter{{Topic: "data"}, {Assignee: "-"}, {Lang: "en"}, {Address: "b@example.com"}, {State: Spam}, {From: 1}} {
			if list, _, err := w.List(ctx, by, shop, f); err != nil || len(list) != 0 {
				t.Errorf("%+v: %d, %v", f, len(list), err)
			}
		}
	})
}

// TestMerge: two of one person are read as one, and are two again when that is undone; those of two people are only linked.
func TestMerge(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx, by := t.Context(), actor.Operator()
		a, b, c := w.asked("affected", "first", "a@example.com"), w.asked("data", "second", "a@example.com"), w.asked("data", "third", "c@example.com")
		if err := w.Merge(ctx, by, shop, c.ID, c.Version, a.ID); !errors.Is(err, ErrInput) {
			t.Errorf("of two people: %v", err)
		}
		if err := w.Merge(ctx, by, shop, a.ID, a.Version, a.ID); !errors.Is(err, ErrState) {
			t.Errorf("into itself: %v", err)
		}
		w.ok(w.Merge(ctx, by, shop, b.ID, b.Version, a.ID))
		e := w.read(a.ID)
		if len(e.Parts) != 1 || !slices.ContainsFunc(e.Messages, func(m Message) bool { return m.Text == "second" }) {
			t.Errorf("%+v", e)
		}
		if _, n, err := w.List(ctx, by, shop, Filter{}); err != nil || n != 2 {
			t.Errorf("%d, %v", n, err)
		}
		w.ok(w.TakeMail(ctx, letter("a@example.com", "", "to the merged one"), w.threadAddress(b.ID)))
		if e = w.read(a.ID); !slices.ContainsFunc(e.Messages, func(m Message) bool { return m.Text == "to the merged one" }) {
			t.Errorf("%+v", e)
		}
		if err := w.Merge(ctx, by, shop, a.ID, e.Version, b.ID); !errors.Is(err, ErrState) {
			t.Errorf("round and round: %v", err)
		}
		w.ok(w.Unmerge(ctx, by, shop, b.ID, w.read(b.ID).Version))
		if e := w.read(b.ID); e.State != Open || len(w.read(a.ID).Parts) != 0 {
			t.Errorf("%+v", e)
		}
		w.ok(w.Link(ctx, by, shop, a.ID, w.read(a.ID).Version, c.ID, false))
		if e := w.read(c.ID); !slices.Equal(e.Links, []string{a.ID}) {
			t.Errorf("%+v", e)
		}
		w.ok(w.Link(ctx, by, shop, c.ID, w.read(c.ID).Version, a.ID, true))
		if e := w.read(a.ID); len(e.Links) != 0 {
			t.Errorf("%+v", e)
		}
	})
}

// TestTelephone: staff records who calls. A way to recognise them by what was exposed is refused, and an address that was told by telephone gets a link and nothing else.
func TestTelephone(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx, by := t.Context(), actor.Operator()
		r := Recorded{Channel: Telephone, Topic: "affected", Lang: language.JA, Text: "対象か", Person: Person{Name: "鈴木", Address: "suzuki@example.com"}}
		with := func(change func(*Recorded)) error {
			r := r
			change(&r)
			_, err := w.Record(ctx, by, shop, r)
			return err
		}
		for what, c := range map[string]struct {
			change func(*Recorded)
			want   error
		}{
			"by what was exposed": {func(r *Recorded) { r.Person.Step = "date of birth" }, ErrExposed}, "by what is none": {func(r *Recorded) { r.Person.Step = "x" }, ErrInput},
			"by the form": {func(r *Recorded) { r.Channel = Web }, ErrInput}, "no language": {func(r *Recorded) { r.Lang = "fr" }, ErrInput}, "nothing": {func(r *Recorded) { r.Text = " " }, ErrInput},
			"no address": {func(r *Recorded) { r.Person.Address = "x" }, ErrAddress}, "no topic": {func(r *Recorded) { r.Topic = "x" }, ErrInput},
		} {
			if err := with(c.change); !errors.Is(err, c.want) {
				t.Errorf("%s: %v", what, err)
			}
		}
		r.Person.Step = "call back on the contract number"
		id, err := w.Record(ctx, by, shop, r)
		w.ok(err)
		w.put("hello", "こんにちは。", "Hello.")
		if err := w.Answer(ctx, by, shop, id, 1, Draft{Canned: "hello"}, ""); !errors.Is(err, ErrUnproven) {
			t.Errorf("to an address that was told by telephone: %v", err)
		}
		mails := w.mails()
		if len(mails) != 1 || linkIn.FindStringSubmatch(mails[0].Text) == nil {
			t.Fatalf("%+v", mails)
		}
		w.ok(w.Tell(ctx, by, shop, id, 1, Draft{Canned: "hello"}, ""))
		if e := w.read(id); e.State != Answered || e.Messages[len(e.Messages)-1].Kind != "spoken" || e.Person.Step == "" {
			t.Errorf("%+v", e)
		}
		_, err = w.Confirm(ctx, linkIn.FindStringSubmatch(mails[0].Text)[1])
		w.ok(err)
		e := w.read(id)
		w.ok(w.Answer(ctx, by, shop, id, e.Version, Draft{Canned: "hello"}, ""))
		if n := len(w.mails()); n != 1 {
			t.Errorf("%d mails", n)
		}
		if hours, err := w.Calls(ctx, by, shop, 7); err != nil || hours[18].Most != 1 { // 9 o'clock UTC
			t.Errorf("%+v, %v", hours, err)
		}
		w.plain("suzuki", "鈴木", "対象か")
	})
}

// TestRoles: who reads, who answers, who writes what the public sees, and who begins what cannot be undone. Of a case that is not theirs they hear that there is none.
func TestRoles(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx, by := t.Context(), actor.Operator()
		w.put("hello", "こんにちは。", "Hello.")
		w.waits()
		e := w.asked("affected", "x", "a@example.com")
		acts := map[string]struct {
			roles string
			do    func(who actor.Actor) error
		}{
			"list": {"commander writer approver desk auditor", func(who actor.Actor) error { _, _, err := w.List(ctx, who, shop, Filter{}); return err }},
			"by whom": {"commander desk auditor", func(who actor.Actor) error {
				_, _, err := w.List(ctx, who, shop, Filter{Address: "a@example.com"})
				return err
			}},
			"read":    {"commander desk auditor", func(who actor.Actor) error { _, err := w.Get(ctx, who, shop, e.ID); return err }},
			"figures": {"commander writer approver desk auditor", func(who actor.Actor) error { _, err := w.Stats(ctx, who, shop); return err }},
			"script":  {"commander writer approver desk auditor", func(who actor.Actor) error { _, err := w.Script(ctx, who, shop, language.JA); return err }},
			"changed": {"commander writer approver desk auditor", func(who actor.Actor) error { _, err := w.Overtaken(ctx, who, shop); return err }},
			"assign": {"commander desk", func(who actor.Actor) error {
				a := "x"
				return w.Change(ctx, who, shop, e.ID, w.read(e.ID).Version, Set{Assignee: &a})
			}},
			"note": {"commander desk", func(who actor.Actor) error { return w.Note(ctx, who, shop, e.ID, w.read(e.ID).Version, "x") }},
			"record": {"commander desk", func(who actor.Actor) error {
				_, err := w.Record(ctx, who, shop, Recorded{Channel: Telephone, Topic: "affected", Lang: language.JA, Text: "x"})
				return err
			}},
			"preview": {"commander desk", func(who actor.Actor) error {
				_, err := w.Preview(ctx, who, shop, e.ID, Draft{Canned: "hello"})
				return err
			}},
			"answer many": {"commander desk", func(who actor.Actor) error {
				_, err := w.NewBatch(ctx, who, shop, Choice{Topic: "affected"}, Draft{Canned: "hello"})
				return err
			}},
			"decide": {"commander desk", func(who actor.Actor) error { _, err := w.Resolve(ctx, who, shop, true); return err }},
			"begin":  {"commander writer", func(who actor.Actor) error { return w.starts(who) }},
			"write answers": {"commander writer desk", func(who actor.Actor) error {
				return w.PutCanned(ctx, who, shop, Canned{ID: newID("x"), Subject: language.Both("a", "a"), Text: language.Both("a", "a")})
			}},
			"write topics": {"commander writer", func(who actor.Actor) error {
				return w.PutTopic(ctx, who, shop, Topic{ID: newID("x"), Text: language.Both("a", "a")})
			}},
			"open":   {"commander", func(who actor.Actor) error { return w.SetOpen(ctx, who, shop, true) }},
			"export": {"commander writer approver desk auditor", func(who actor.Actor) error { return w.Export(ctx, who, shop, &bytes.Buffer{}) }},
		}
		for name, act := range acts {
			for _, role := range actor.Roles() {
				who := actor.Staff(actor.Member{ID: "p1", Roles: []actor.Role{role}, Access: map[string]actor.Access{shop: actor.Full}}, "console")
				err := act.do(who)
				if may := slices.Contains(strings.Fields(act.roles), string(role)); may != (err == nil) {
					t.Errorf("%s by %s: %v", name, role, err)
				}
				if role == actor.Auditor {
					continue // sees all
				}
				elsewhere := actor.Staff(actor.Member{ID: "p1", Roles: []actor.Role{role}, Access: map[string]actor.Access{"other": actor.Full}}, "console")
				if err := act.do(elsewhere); !errors.Is(err, ErrNotFound) {
					t.Errorf("%s by %s of another case: %v", name, role, err)
				}
			}
			if err := act.do(actor.Actor{}); !errors.Is(err, actor.ErrNobody) {
				t.Errorf("%s by nobody: %v", name, err)
			}
		}
		// By the case of another incident nothing of this one is reached.
		w.ok(w.SetOpen(ctx, by, shop, true))
		if _, err := w.Get(ctx, by, "other", e.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}

// waits has one enquiry of each wait for a batch.
func (w *world) waits() { w.asked("data", "x", "many@example.com") }

// starts begins an empty plan, which ends with its state once who may do it is asked.
func (w *world) starts(who actor.Actor) error {
	err := w.Start(w.t.Context(), who, &Plan{Batch: &Batch{ID: "none", Incident: shop}}, nil)
	if errors.Is(err, ErrState) {
		return nil
	}
	return err
}

// TestKept: who asked goes by age, and with the case's key at once; what is counted stays.
func TestKept(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx, by := t.Context(), actor.Operator()
		w.put("hello", "こんにちは。", "Hello.")
		a, b := w.asked("affected", "x", "a@example.com"), w.asked("affected", "y", "b@example.com")
		w.ok(w.Answer(ctx, by, shop, a.ID, a.Version, Draft{Canned: "hello"}, ""))
		w.mails()
		w.clock = w.clock.Add(w.Keep - time.Hour)
		w.ok(w.Tidy(ctx))
		if e := w.read(a.ID); e.Person.Address == "" {
			t.Error("it went too soon")
		}
		w.clock = w.clock.Add(2 * time.Hour)
		w.ok(w.Tidy(ctx))
		e := w.read(a.ID)
		if !e.Wiped() || e.Person != (Person{}) || e.Messages[0].Text != "" {
			t.Errorf("%+v", e)
		}
		if e := w.read(b.ID); e.Person.Address == "" || e.State != Open {
			t.Errorf("one that waits went: %+v", e)
		}
		if err := w.Note(ctx, by, shop, a.ID, e.Version, "x"); !errors.Is(err, ErrState) {
			t.Errorf("%v", err)
		}
		if s, err := w.Stats(ctx, by, shop); err != nil || s.All != 2 || s.Topics[0].Asked != 2 {
			t.Errorf("%+v, %v", s, err)
		}
		thread := w.threadAddress(b.ID)
		w.ok(w.rosters.Shred(ctx, by, shop))
		if _, err := w.Get(ctx, by, shop, b.ID); !errors.Is(err, roster.ErrShredded) {
			t.Errorf("after the key is gone: %v", err)
		}
		if is, err := w.TakesMail(ctx, thread); err != nil || is {
			t.Errorf("%v, %v", is, err)
		}
		w.ok(w.Tidy(ctx))
		var left int64
		w.ok(w.DB.QueryRowContext(ctx, `SELECT count(*) FROM enquiry_message WHERE length(sealed) > 0`).Scan(&left))
		if left != 0 || w.rows("enquiry_file") != 0 {
			t.Errorf("%d texts stay", left)
		}
		if err := w.Ask(ctx, shop, Asked{Form: w.form(), Topic: "data", Text: "x", Address: "a@example.com", Lang: language.JA}); err == nil {
			t.Error("asked without a key")
		}
	})
}

// TestExport: no cell of what is taken out is a formula.
func TestExport(t *testing.T) {
	eachWorld(t, func(w *world) {
		e := w.asked("affected", "=1+1", "a@example.com")
		evil := "=HYPERLINK(\"http://x\")"
		w.ok(w.Change(t.Context(), actor.Operator(), shop, e.ID, e.Version, Set{Assignee: &evil}))
		var out bytes.Buffer
		w.ok(w.Export(t.Context(), actor.Operator(), shop, &out))
		rows, err := csv.NewReader(&out).ReadAll()
		if err != nil || len(rows) != 2 || rows[1][5] != "'"+evil {
			t.Fatalf("%q, %v", rows, err)
		}
		for _, cell := range rows[1] {
			if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
				t.Errorf("%q", cell)
			}
		}
	})
}

// TestProposed: what people ask becomes facts to be looked at, from as many on as the floor says, and nothing is called confirmed.
func TestProposed(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx, by := t.Context(), actor.Operator()
		w.Floor = 2
		w.asked("misuse", "x", "a@example.com")
		if list, err := w.Proposed(ctx, by, shop); err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
		w.asked("misuse", "x", "b@example.com")
		list, err := w.Proposed(ctx, by, shop)
		if err != nil || len(list) != 2 || list[0].Value.Word != "enquiry" || list[1].Value.Word != "misuse" || list[1].Value.Status != "reported" {
			t.Fatalf("%+v, %v", list, err)
		}
		w.facts("id: shop-2026\nasOf: \"2026-05-02T10:00+09:00\"\nfacts:\n  - {key: secondary-damage, id: enquiry, value: enquiry, status: reported}\n  - {key: secondary-damage, id: misuse, value: misuse, status: reported}\n")
		if list, err := w.Proposed(ctx, by, shop); err != nil || len(list) != 0 {
			t.Errorf("what is known already: %+v, %v", list, err)
		}
	})
}

// TestExpect: against the table of Erlang C that is in every book of the field: 2 Erlang with 3 staff wait with probability 0.4444, 10 with 12 with 0.4494.
func TestExpect(t *testing.T) {
	for _, c := range []struct {
		perHour float64
		each    time.Duration
		staff   int
		wait    float64
	}{{24, 5 * time.Minute, 3, 4.0 / 9}, {120, 5 * time.Minute, 12, 0.449384}, {6, 10 * time.Minute, 1 + 1, 1.0 / 3}} {
		w := Expect(c.perHour, c.each, c.staff, 20*time.Second)
		if math.Abs(w.Wait-c.wait) > 1e-5 || w.Mean <= 0 || w.Soon <= 0 || w.Soon >= 1 {
			t.Errorf("%+v: %+v", c, w)
		}
	}
	if w := Expect(120, 5*time.Minute, 10, time.Minute); w.Wait != 1 || w.Mean >= 0 {
		t.Errorf("a queue that grows: %+v", w)
	}
	if w := Expect(0, 5*time.Minute, 0, time.Minute); w.Soon != 1 {
		t.Errorf("nobody calls: %+v", w)
	}
	n := Needed(120, 5*time.Minute, time.Minute, 0.8)
	if w := Expect(120, 5*time.Minute, n, time.Minute); w.Soon < 0.8 || Expect(120, 5*time.Minute, n-1, time.Minute).Soon >= 0.8 {
		t.Errorf("%d: %+v", n, w)
	}
	if n := Needed(1e9, time.Hour, time.Second, 0.99); n != 0 {
		t.Errorf("%d", n)
	}
}

// TestEnded: a context that has ended leaves mails for the next one.
func TestEnded(t *testing.T) {
	eachWorld(t, func(w *world) {
		w.asks("data", "x", "a@example.com")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if n, err := w.Send(ctx); n != 0 || err == nil {
			t.Errorf("%d, %v", n, err)
		}
		if n := len(w.mails()); n != 1 {
			t.Errorf("%d", n)
		}
	})
}

// TestLoad: how a desk gets on is known, and of one that nobody opened nothing is said.
func TestLoad(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx, by := t.Context(), actor.Operator()
		load := func() Load {
			t.Helper()
			l, err := w.Load(ctx, shop)
			w.ok(err)
			return l
		}
		if l, err := w.Load(ctx, "other-2026"); err != nil || l != (Load{}) {
			t.Errorf("%+v, %v", l, err)
		}
		first, second := w.asked("affected", "x", "a@example.com"), w.asked("affected", "y", "b@example.com")
		if l := load(); !l.Used || !l.Open || l.Waiting != 2 || l.Late != 0 || l.LastHour != 2 || l.LastDay != 2 || l.Answered != 0 || l.Handlers != 0 || !l.Oldest.Equal(first.Created) {
			t.Errorf("%+v", l)
		}
		before := load().Moves
		if n, ok, err := w.Came(ctx, shop, w.clock.Add(time.Hour)); err != nil || !ok || n != 2 {
			t.Errorf("%d came, %v, %v", n, ok, err)
		}
		if n, ok, err := w.Came(ctx, shop, first.Created); err != nil || !ok || n != 0 {
			t.Errorf("%d came before the first, %v, %v", n, ok, err)
		}
		if _, ok, err := w.Came(ctx, "other-2026", w.clock); err != nil || ok {
			t.Errorf("of a desk that nobody opened: %v, %v", ok, err)
		}
		w.clock = first.Due.Add(time.Second)
		if l := load(); l.Late == 0 || l.Late > 2 || l.Waiting != 2 || l.LastHour != 0 {
			t.Errorf("%+v", l)
		}
		w.ok(w.Move(ctx, by, shop, first.ID, first.Version, Closed))
		w.ok(w.Move(ctx, by, shop, second.ID, second.Version, Closed))
		w.ok(w.SetOpen(ctx, by, shop, false))
		if l := load(); !l.Used || l.Open || l.Waiting != 0 || l.Answered != 2 || !l.Oldest.IsZero() || l.Moves <= before {
			t.Errorf("%+v", l)
		}
	})
}

// TestVersions: whoever looks at a desk hears that an enquiry or a letter came, that somebody answered or wrote a note, and that a mail left; a case
// in which nobody has asked costs nothing.
func TestVersions(t *testing.T) {
	eachWorld(t, func(w *world) {
		now := func() string {
			t.Helper()
			all, err := w.Versions(t.Context())
			w.ok(err)
			if len(all) > 1 {
				t.Errorf("%v", all)
			}
			return all[shop]
		}
		if v := now(); v != "" {
			t.Errorf("nobody has asked, and it is %q", v)
		}
		w.put("how-many", "対象は{{affected.count}}です。", "{{affected.count}} are affected.")
		was := now()
		moved := func(what string, do func()) {
			t.Helper()
			w.clock = w.clock.Add(time.Second)
			do()
			v := now()
			if v == was {
				t.Errorf("%s, and nobody hears of it", what)
			}
			if again := now(); again != v {
				t.Errorf("nothing happened, and it moved")
			}
			was = v
		}
		var e *Enquiry
		moved("an enquiry came", func() { e = w.asked("affected", "何人ですか。", "one@example.com") })
		moved("a second one", func() { w.asked("affected", "何人ですか。", "two@example.com") })
		moved("a note was written", func() { w.ok(w.Note(t.Context(), actor.Operator(), shop, e.ID, e.Version, "見ます")) })
		moved("it was answered", func() {
			e = w.read(e.ID)
			w.ok(w.Answer(t.Context(), actor.Operator(), shop, e.ID, e.Version, Draft{Canned: "how-many"}, ""))
		})
		var mails []Letter
		moved("the answer left", func() { mails = w.mails() })
		moved("they wrote again", func() {
			w.ok(w.TakeMail(t.Context(), []byte("From: <one@example.com>\r\nSubject: Re\r\nMessage-ID: <2@example.com>\r\n\r\nThank you.\r\n"), mails[0].ReplyTo))
		})
	})
}

// TestPeople: whoever asked is somebody once their mailbox was shown to be theirs, and until they are found to be spam.
func TestPeople(t *testing.T) {
	eachWorld(t, func(w *world) {
		people := func() (out []string) {
			w.ok(w.People(w.t.Context(), shop, func(p Person) { out = append(out, p.Address) }))
			return out
		}
		w.asks("data", "x", "nobody@example.com")
		if got := people(); len(got) != 0 {
			w.t.Errorf("what nobody has confirmed is compared: %q", got)
		}
		e := w.asked("data", "x", "a@example.com")
		if got := people(); len(got) != 1 || got[0] != "a@example.com" {
			w.t.Errorf("%q", got)
		}
		w.ok(w.Move(w.t.Context(), actor.Operator(), shop, e.ID, e.Version, Spam))
		if got := people(); len(got) != 0 {
			w.t.Errorf("%q", got)
		}
	})
}
