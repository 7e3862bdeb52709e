package response

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/law"
)

// Next is something that a case asks for.
type Next struct {
	Kind  string        // clock, knowledge, promise, promise-none, approval, task, unowned, question, candidates, commander
	About string        // "report 9", "task 3", ...
	Text  language.Text // what is asked
	Due   time.Time     // zero: it has none
	Late  bool
}

// triageWithin is how long a report from outside may wait before it is late: it may be what the clocks have to start at.
const triageWithin = 4 * time.Hour

// Next says what the case asks for, the most urgent first: what is late, then by when it is due, then the rest. Its clocks are among
// it where they are given: those that run, or are overdue, and have a date.
func (k *Case) Next(now time.Time, clocks *Clocks) []Next {
	if k.Closed {
		return nil
	}
	var out []Next
	add := func(kind, about, ja, en string, due time.Time) {
		out = append(out, Next{kind, about, language.Text{JA: ja, EN: en}, due, !due.IsZero() && !now.Before(due)})
	}
	say := func(kind, about, ja, en, recorded string, due time.Time) {
		t := language.Recorded(recorded) // a playbook's words are recorded in both languages
		add(kind, about, ja+t.JA, en+t.EN, due)
	}
	for _, r := range k.Reports {
		if r.Triaged == nil {
			at := language.Same(r.At)
			if m, err := incident.ParseMoment(r.At, nil); err == nil && m.Exact() {
				at = language.Both(language.DateTime(language.JA, m.Time), language.DateTime(language.EN, m.Time))
			}
			add("knowledge", "report "+itoa(r.ID), at.JA+"の通報は、知った時点にあたりますか。", "Was the report of "+at.EN+" the moment of knowledge?", r.RecordedAt.Add(triageWithin))
		}
	}
	if clocks != nil {
		for _, c := range clocks.Clocks {
			if (c.State == law.Running || c.State == law.Overdue) && !c.Due.IsZero() && !ofCase(c) {
				add("clock", "clock "+c.ID, "期限："+c.Rule.Name.JA, "Due: "+c.Rule.Name.EN, c.End())
			}
		}
	}
	open := 0
	if clocks != nil {
		open = clocks.next()
	}
	for _, p := range k.Promises {
		if p.State == "open" && !clocks.done("promise-case-"+itoa(p.ID)) {
			open++
			say("promise", "promise "+itoa(p.ID), "約束した更新：", "A promised update: ", p.Text, end(p.Due))
		}
	}
	if open == 0 {
		add("promise-none", "", "次にいつ知らせるかを、まだ約束していません。", "Nobody has promised when more is told.", time.Time{})
	}
	for _, p := range k.Proposals {
		if p.State == "proposed" {
			say("approval", "proposal "+p.ID, "承認を待っています：", "It waits for approval: ", p.Effect, time.Time{})
		}
	}
	if k.Commander == "" {
		add("commander", "", "指揮する人が決まっていません。", "Nobody commands yet.", time.Time{})
	}
	for _, q := range k.Questions {
		if q.State == "open" {
			say("question", "question "+itoa(q.ID), "決めること：", "To decide: ", q.Question.Question, end(q.Due))
		}
	}
	for _, t := range k.Tasks {
		switch {
		case t.Over():
		case t.Owner == "":
			say("unowned", "task "+itoa(t.ID), "担当がいません：", "Nobody does this yet: ", t.Title, end(t.Due))
		default:
			say("task", "task "+itoa(t.ID), "", "", t.Title, end(t.Due))
		}
	}
	for _, p := range k.Pastes {
		if n := len(p.Open()); n > 0 {
			add("candidates", "paste "+itoa(p.ID), fmt.Sprintf("経過の候補が%d件あります。", n), fmt.Sprintf("%d candidates for the timeline", n), time.Time{})
		}
	}
	slices.SortStableFunc(out, func(a, b Next) int {
		switch {
		case a.Due.IsZero() && b.Due.IsZero():
			return 0
		case a.Due.IsZero():
			return 1
		case b.Due.IsZero():
			return -1
		}
		return a.Due.Compare(b.Due)
	})
	return out
}

// next counts what the facts and notices say of when more is told: a time to come, or that nothing more is planned.
func (c *Clocks) next() (n int) {
	if c.NoNext {
		n++
	}
	for _, k := range c.Clocks {
		if k.Promise != nil && strings.HasPrefix(k.Promise.ID, "next-update") && (k.State == law.Running || k.State == law.Overdue) {
			n++
		}
	}
	return n
}

// done reports whether a clock was done.
func (c *Clocks) done(id string) bool {
	return c != nil && slices.ContainsFunc(c.Clocks, func(k law.Clock) bool { return k.ID == id && k.State == law.Done })
}

// ofCase reports whether a clock is a promise that was made in the case: the case asks for it by itself.
func ofCase(c law.Clock) bool { return c.Promise != nil && strings.HasPrefix(c.Promise.ID, "case-") }

// end is when something is due; zero where it is not said.
func end(s string) time.Time {
	m, err := incident.ParseMoment(s, nil)
	if err != nil {
		return time.Time{}
	}
	if m.Exact() {
		return m.Time
	}
	return m.End()
}
