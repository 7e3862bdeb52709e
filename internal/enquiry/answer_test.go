package enquiry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
)

const moreAffected = `
id: shop-2026
asOf: "2026-05-02T10:00+09:00"
facts:
  - {key: affected.count, value: 2500, unit: persons}
`

// TestCanned: an answer that is given again says the facts as they are when it leaves, and one that refers to what nobody knows is refused by its place.
func TestCanned(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx, by := t.Context(), actor.Operator()
		for _, bad := range []string{"{{cause}} です", "{{affected.cuont}}", "{{affected.count", "{{secondary-damage x}}", ""} {
			err := w.PutCanned(ctx, by, shop, Canned{ID: "how-many", Subject: language.Both("お答え", "Our answer"), Text: language.Both(bad, "fine")})
			if !errors.Is(err, incident.ErrNotice) && !errors.Is(err, ErrInput) || bad != "" && (hint.Of(err) == "" || !strings.Contains(err.Error(), "text.ja")) {
				t.Errorf("%q: %v (%s)", bad, err, hint.Of(err))
			}
		}
		w.put("how-many", "対象は{{affected.count}}です。", "{{affected.count}} were affected.")
		e := w.asked("affected", "何人ですか", "hanako@example.com")
		c, err := w.Preview(ctx, by, shop, e.ID, Draft{Canned: "how-many"})
		if err != nil || !strings.HasPrefix(c.Text, "対象は1,000人です。") || c.Subject != "お答え" || len(c.Said) != 1 || c.Said[0].Value != "1,000人" {
			t.Fatalf("%+v, %v", c, err)
		}
		w.ok(w.Answer(ctx, by, shop, e.ID, e.Version, Draft{Canned: "how-many"}, ""))
		if err := w.Answer(ctx, by, shop, e.ID, e.Version, Draft{Canned: "how-many"}, ""); !errors.Is(err, ErrStale) {
			t.Errorf("answered twice by two people: %v", err)
		}
		mails := w.mails()
		if len(mails) != 1 || mails[0].Text != c.Text || !mails[0].Person || mails[0].ReplyTo != w.threadAddress(e.ID) {
			t.Fatalf("%+v", mails)
		}
		e = w.read(e.ID)
		last := e.Messages[len(e.Messages)-1]
		if e.State != Answered || last.State != "handed-over" || last.Canned != "how-many" || len(last.Overtaken) != 0 {
			t.Errorf("%+v", last)
		}
		// A letter that comes opens it again.
		w.ok(w.TakeMail(ctx, letter("hanako@example.com", "", "Thanks, and when?"), mails[0].ReplyTo))
		if e = w.read(e.ID); e.State != Open || e.Due.IsZero() {
			t.Errorf("%+v", e)
		}
		// Their own text may refer to facts too; what is written is no markup.
		w.ok(w.Answer(ctx, by, shop, e.ID, e.Version, Draft{Subject: language.Both("Re", "Re"), Text: language.Both("<b>{{affected.count}}</b>", "x")}, ""))
		if l := w.mails(); len(l) != 1 || strings.Contains(l[0].Text, "<b>") || !strings.Contains(l[0].Text, "1,000人") || l[0].InReplyTo == "" {
			t.Errorf("%+v", l)
		}
		// One that was published with another version is not.
		if _, err := w.PlanPublic(ctx, by, shop, AskedPublic{"how-many", 7}); !errors.Is(err, ErrStale) {
			t.Errorf("%v", err)
		}
	})
}

// TestOvertaken: a fact changes; whoever was told otherwise is found and marked, and gets a correction once, and who was told by telephone is listed to be called.
func TestOvertaken(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx, by := t.Context(), actor.Operator()
		w.put("how-many", "対象は{{affected.count}}です。項目は{{data-class}}です。", "{{affected.count}} were affected; {{data-class}}.")
		w.put("hello", "こんにちは。", "Hello.")
		var told []*Enquiry
		for i := range 3 {
			told = append(told, w.asked("affected", "何人ですか", fmt.Sprintf("a%d@example.com", i)))
		}
		for i, name := range []string{"how-many", "how-many", "hello"} {
			w.ok(w.Answer(ctx, by, shop, told[i].ID, told[i].Version, Draft{Canned: name}, ""))
		}
		w.mails()
		caller, err := w.Record(ctx, by, shop, Recorded{Channel: Telephone, Topic: "affected", Lang: language.JA, Text: "何人か", Person: Person{Name: "鈴木", Telephone: "03-0000-0000"}})
		w.ok(err)
		w.ok(w.Tell(ctx, by, shop, caller, 1, Draft{Canned: "how-many"}, ""))
		if list, err := w.Overtaken(ctx, by, shop); err != nil || len(list) != 0 {
			t.Fatalf("nothing has changed: %+v, %v", list, err)
		}
		if _, err := w.NewCorrection(ctx, by, shop, language.Text{}); !errors.Is(err, ErrInput) {
			t.Errorf("a correction of nothing: %v", err)
		}
		w.facts(moreAffected)
		list, err := w.Overtaken(ctx, by, shop)
		if err != nil || len(list) != 1 || list[0].Fact != "affected.count" || list[0].Was != "1,000人" || list[0].Is.JA != "2,500人" || list[0].Answers != 3 {
			t.Fatalf("%+v, %v", list, err)
		}
		e := w.read(told[0].ID)
		if o := e.Messages[len(e.Messages)-1].Overtaken; len(o) != 1 || o[0].Is.EN != "2,500 people" {
			t.Errorf("%+v", o)
		}
		if call, err := w.ToCall(ctx, by, shop); err != nil || !slices.Equal(call, []string{caller}) {
			t.Errorf("%v, %v", call, err)
		}
		id, err := w.NewCorrection(ctx, by, shop, language.Both("お詫びいたします。", "We apologise."))
		w.ok(err)
		p, err := w.Plan(ctx, by, shop, AskedBatch{Batch: id})
		if err != nil || p.People != 2 || len(p.Variants) != 1 || !strings.Contains(p.Variants[0].Text, "「1,000人」→ 現在「2,500人」") || !strings.Contains(p.Variants[0].Text, "お詫びいたします。") {
			t.Fatalf("%+v, %v", p, err)
		}
		again, err := w.Plan(ctx, by, shop, AskedBatch{Batch: id})
		if err != nil || string(again.Bytes) != string(p.Bytes) {
			t.Errorf("the same twice is not the same: %v", err)
		}
		w.ok(w.Start(ctx, by, p, nil))
		if err := w.Start(ctx, by, p, nil); !errors.Is(err, ErrState) {
			t.Errorf("twice: %v", err)
		}
		mails := w.mails()
		if len(mails) != 2 || !strings.Contains(mails[0].Text, "2,500人") {
			t.Fatalf("%+v", mails)
		}
		if list, err := w.Overtaken(ctx, by, shop); err != nil || len(list) != 1 || list[0].Answers != 1 {
			t.Errorf("after the correction: %+v, %v", list, err)
		}
		if b, err := w.GetBatch(ctx, by, shop, id); err != nil || b.State != "done" || b.Counts["handed-over"] != 2 {
			t.Errorf("%+v, %v", b, err)
		}
		// What they were corrected to is followed on.
		w.facts(strings.Replace(strings.Replace(moreAffected, "2500", "2600", 1), "05-02", "05-03", 1))
		if list, err = w.Overtaken(ctx, by, shop); err != nil || len(list) != 2 {
			t.Errorf("%+v, %v", list, err)
		}
		id, err = w.NewCorrection(ctx, by, shop, language.Text{})
		w.ok(err)
		if p, err = w.Plan(ctx, by, shop, AskedBatch{Batch: id}); err != nil || !strings.Contains(p.Variants[0].Text, "「2,500人」→ 現在「2,600人」") || p.People != 2 {
			t.Errorf("%+v, %v", p, err)
		}
		// An item that is added to a list that was named as a whole is a change of it too.
		w.facts("id: shop-2026\nasOf: \"2026-05-04T10:00+09:00\"\nfacts:\n  - {key: data-class, value: address}\n")
		if list, err = w.Overtaken(ctx, by, shop); err != nil || !slices.ContainsFunc(list, func(c Change) bool { return c.Fact == "data-class" && c.Item == whole }) {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// TestMany: one answer to all who wait of a topic, in the language of each; whoever was answered meanwhile is passed over, and nothing goes out that was not seen.
func TestMany(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx, by := t.Context(), actor.Operator()
		w.put("how-many", "対象は{{affected.count}}です。", "{{affected.count}} were affected.")
		var ids []*Enquiry
		for i := range 5 {
			ids = append(ids, w.asked([]string{"affected", "data"}[i/4], "何人ですか", fmt.Sprintf("a%d@example.com", i)))
		}
		en := "en"
		w.ok(w.Change(ctx, by, shop, ids[1].ID, ids[1].Version, Set{Lang: &en}))
		if _, err := w.NewBatch(ctx, by, shop, Choice{}, Draft{Canned: "how-many"}); !errors.Is(err, ErrInput) {
			t.Errorf("for nobody in particular: %v", err)
		}
		if _, err := w.NewBatch(ctx, by, shop, Choice{Topic: "affected"}, Draft{Canned: "none"}); !errors.Is(err, ErrNotFound) {
			t.Errorf("an answer that is not there: %v", err)
		}
		id, err := w.NewBatch(ctx, by, shop, Choice{Topic: "affected"}, Draft{Canned: "how-many"})
		w.ok(err)
		p, err := w.Plan(ctx, by, shop, AskedBatch{Batch: id})
		if err != nil || p.People != 4 || len(p.Variants) != 2 || p.Variants[1].Lang != language.EN || !slices.Equal(p.Variants[1].Enquiries, []string{ids[1].ID}) {
			t.Fatalf("%+v, %v", p, err)
		}
		w.ok(w.Answer(ctx, by, shop, ids[0].ID, ids[0].Version, Draft{Canned: "how-many"}, ""))
		w.mails()
		if err := w.Start(ctx, by, p, nil); !errors.Is(err, ErrState) {
			t.Errorf("one was answered meanwhile: %v", err)
		}
		w.facts(moreAffected)
		now, err := w.Plan(ctx, by, shop, AskedBatch{Batch: id})
		if err != nil || now.People != 3 || string(now.Bytes) == string(p.Bytes) || !slices.Equal(now.Passed, []string{ids[0].ID}) {
			t.Fatalf("%+v, %v", now, err)
		}
		w.Wanted = func(context.Context) (bool, error) { return true, nil }
		if err := w.Start(ctx, by, now, nil); !errors.Is(err, ErrWanted) {
			t.Errorf("without a second person: %v", err)
		}
		w.Wanted = nil
		w.Read = func(_ context.Context, _ string, _ language.Lang, text string) ([]string, error) {
			return []string{"text says another number"}, nil
		}
		if _, err := w.Plan(ctx, by, shop, AskedBatch{Batch: id}); !errors.Is(err, ErrInput) {
			t.Errorf("against the facts: %v", err)
		}
		now, err = w.Plan(ctx, by, shop, AskedBatch{Batch: id, Despite: "it is a quotation"})
		w.ok(err)
		w.ok(w.Start(ctx, by, now, nil))
		b, err := w.GetBatch(ctx, by, shop, id)
		w.ok(err)
		w.ok(w.MoveBatch(ctx, by, shop, id, b.Version, "paused"))
		if n := len(w.mails()); n != 0 {
			t.Errorf("%d mails left while it was paused", n)
		}
		w.ok(w.MoveBatch(ctx, by, shop, id, b.Version+1, "running"))
		mails := w.mails()
		var texts []string
		for _, l := range mails {
			texts = append(texts, l.To+" "+strings.SplitN(l.Text, "\n", 2)[0])
		}
		slices.Sort(texts)
		if !slices.Equal(texts, []string{"a1@example.com 2,500 people were affected.", "a2@example.com 対象は2,500人です。", "a3@example.com 対象は2,500人です。"}) {
			t.Errorf("%q", texts)
		}
		for _, one := range ids[1:4] {
			if e := w.read(one.ID); e.State != Answered {
				t.Errorf("%+v", e)
			}
		}
		if e := w.read(ids[4].ID); e.State != Open {
			t.Errorf("another topic: %+v", e)
		}
	})
}

// TestOutcomes: what a server says of a mail decides what is done with it; what nobody knows is listed for people to decide on, under one Message-ID.
func TestOutcomes(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx, by := t.Context(), actor.Operator()
		w.put("hello", "こんにちは。", "Hello.")
		e := w.asked("affected", "x", "a@example.com")
		says, ids := Unsure, map[string]int{}
		w.outcome = func(l Letter) (Outcome, string) { ids[l.ID]++; return says, "451 later" }
		state := func() string {
			e := w.read(e.ID)
			return e.Messages[len(e.Messages)-1].State
		}
		w.ok(w.Answer(ctx, by, shop, e.ID, e.Version, Draft{Canned: "hello"}, ""))
		w.mails()
		if s := state(); s != "unknown" {
			t.Fatalf("%s", s)
		}
		if list, err := w.Uncertain(ctx, by, shop); err != nil || len(list) != 1 || list[0].Enquiry != e.ID {
			t.Errorf("%+v, %v", list, err)
		}
		says = Later
		if n, err := w.Resolve(ctx, by, shop, true); err != nil || n != 1 {
			t.Fatalf("%d, %v", n, err)
		}
		w.mails()
		if s := state(); s != "deferred" {
			t.Errorf("%s", s)
		}
		w.clock = w.clock.Add(7 * time.Hour)
		says = Taken
		if l := w.mails(); len(l) != 1 || state() != "handed-over" || len(ids) != 1 {
			t.Errorf("%+v, %v", l, ids)
		}
		w.ok(w.TakeMail(ctx, report, w.threadAddress(e.ID)))
		if s := state(); s != "bounced" {
			t.Errorf("%s", s)
		}
		says = Refused
		e = w.read(e.ID)
		w.ok(w.Move(ctx, by, shop, e.ID, e.Version, Open))
		w.ok(w.Answer(ctx, by, shop, e.ID, e.Version+1, Draft{Canned: "hello"}, ""))
		w.mails()
		if s := state(); s != "refused" {
			t.Errorf("%s", s)
		}
	})
}

// TestMostAsked: the help page has what as many ask as the floor says, in an order that one more or less does not change, with answers that a second person approved.
func TestMostAsked(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx, by := t.Context(), actor.Operator()
		w.Floor = 3
		w.put("how-many", "対象は{{affected.count}}です。", "{{affected.count}} were affected.")
		topics, err := w.Topics(ctx, by, shop)
		w.ok(err)
		for _, topic := range topics {
			if topic.ID == "affected" || topic.ID == "data" {
				topic.Canned = "how-many"
				w.ok(w.PutTopic(ctx, by, shop, topic))
			}
		}
		ask := func(topic, address string) { w.asked(topic, "x", address) }
		for range 3 { // one person, thrice
			ask("affected", "one@example.com")
			w.clock = w.clock.Add(25 * time.Hour)
		}
		c, err := w.GetCanned(ctx, by, shop, "how-many")
		w.ok(err)
		publish := func() {
			t.Helper()
			p, err := w.PlanPublic(ctx, by, shop, AskedPublic{"how-many", c.Version})
			w.ok(err)
			w.ok(w.Publish(ctx, by, p, nil))
		}
		publish()
		most := func(want ...string) {
			t.Helper()
			list, err := w.MostAsked(ctx, shop)
			w.ok(err)
			var got []string
			for _, q := range list {
				got = append(got, q.Topic)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q, and not %q", got, want)
			}
		}
		most() // beneath the floor
		ask("affected", "two@example.com")
		ask("affected", "three@example.com")
		ask("data", "one@example.com")
		ask("data", "two@example.com")
		most("affected")
		for i := range 4 {
			ask("data", fmt.Sprintf("more%d@example.com", i))
		}
		most("data", "affected")
		w.facts(moreAffected)
		if list, err := w.MostAsked(ctx, shop); err != nil || !strings.Contains(list[0].MD.JA, "2,500人") {
			t.Errorf("%+v, %v", list, err)
		}
		w.put("how-many", "対象は{{affected.count}}人余りです。", "{{affected.count}} were affected.")
		most() // it was changed, and nobody has approved that
	})
}

// report is what a mail server sends about a mail that it could not deliver.
var report = []byte("From: MAILER-DAEMON@example.com\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\nAuto-Submitted: auto-replied\r\n\r\n" +
	"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; a@example.com\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n")

// TestTurns: whoever has a flood of links sent keeps no answer waiting, and one answer to many keeps no link.
func TestTurns(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx, by := t.Context(), actor.Operator()
		w.put("hello", "こんにちは。", "Hello.")
		e := w.asked("affected", "x", "a@example.com")
		for i := range 5 * groupOf {
			w.asks("other", "x", fmt.Sprintf("victim%d@example.com", i))
		}
		w.clock = w.clock.Add(time.Minute)
		w.ok(w.Answer(ctx, by, shop, e.ID, e.Version, Draft{Canned: "hello"}, ""))
		first := func() []string {
			t.Helper()
			var kinds []string
			group, err := w.intend(ctx)
			w.ok(err)
			for _, m := range group {
				kinds = append(kinds, m.kind)
				m.outcome = Later
			}
			if len(group) != groupOf {
				t.Errorf("%d of a group", len(group))
			}
			if _, err := w.settle(ctx, group); err != nil {
				t.Fatal(err)
			}
			return kinds
		}
		if kinds := first(); !slices.Contains(kinds, "answer") {
			t.Errorf("behind a flood: %v", kinds)
		}
		w.clock = w.clock.Add(time.Hour) // what is tried again has its turn beside what is new
		if kinds := first(); !slices.Contains(kinds, "answer") || !slices.Contains(kinds, "verify") {
			t.Errorf("tried again: %v", kinds)
		}
	})
}
