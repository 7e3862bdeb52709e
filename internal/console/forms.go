package console

import (
	"context"
	"strconv"

	"shirase/internal/actor"
	"shirase/internal/language"
	"shirase/internal/response"
)

// n reads a number that the page wrote; 0 where it is none, which names nothing.
func (f field) n(name string) int64 {
	n, err := strconv.ParseInt(f.text(name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// version is what whoever fills in a form has read. A form that does not say it has read nothing.
func (f field) version() int64 {
	if n := f.n("version"); n > 0 {
		return n
	}
	return -1
}

// owner is a pseudonym where a member's name was entered, and what was entered otherwise: a name goes when its owner does.
func (c *Console) owner(ctx context.Context, who actor.Actor, f field, name string) string {
	text := f.text(name)
	if a, err := c.Staff.Find(ctx, who, text); err == nil {
		return a.ID
	}
	return text
}

// forms are what can be done in a case. What each asks for, the room refuses or takes.
func (c *Console) forms() []form {
	recorded := language.Both("記録しました。", "Recorded.")
	changed := language.Both("変更しました。", "Changed.")
	return []form{
		{"event", "timeline", recorded, func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Cases.AddEvent(ctx, who, id, response.Event{At: f.time("at"), Text: f.text("text"), Source: f.text("source"), From: f.text("from")})
			return err
		}},
		{"event/change", "timeline", changed, func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Cases.ChangeEvent(ctx, who, id, f.n("id"), f.version(), func(e *response.Event) {
				e.At, e.Text, e.Source, e.Why, e.Withdrawn = f.time("at"), f.text("text"), f.text("source"), f.text("why"), f.text("withdrawn") != ""
			})
			return err
		}},
		{"report", "timeline", recorded, func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Cases.AddReport(ctx, who, id, response.Report{At: f.time("at"), From: f.text("from"), Who: f.text("who"), Channel: f.text("channel"), Text: f.text("text")})
			return err
		}},
		{"report/triage", "timeline", recorded, func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Cases.TriageReport(ctx, who, id, f.version(), response.Triage{Report: f.n("id"), Knowledge: f.text("knowledge"), Why: f.text("why")})
			return err
		}},
		{"paste", "timeline", recorded, func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Cases.Paste(ctx, who, id, f.text("source"), f.Get("text"), zone)
			return err
		}},
		{"pass", "timeline", recorded, func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Cases.Pass(ctx, who, id, response.Passed{Candidates: f.Values["candidate"], Why: f.text("why")})
			return err
		}},
		{"ask", "decisions", recorded, func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Cases.Ask(ctx, who, id, 0, 0, func(q *response.Question) {
				q.Question, q.Options, q.Owner, q.Due = f.text("question"), f.lines("options"), c.owner(ctx, who, f, "owner"), f.time("due")
			})
			return err
		}},
		{"decide", "decisions", recorded, func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Cases.Decide(ctx, who, id, response.Decision{Question: f.text("question"), Options: f.lines("options"), Decision: f.text("decision"), Why: f.text("why"),
				Facts: f.Values["fact"], Of: f.n("of"), Replaces: f.n("replaces")})
			return err
		}},
		{"task", "now", recorded, func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Cases.AddTask(ctx, who, id, func(t *response.Task) {
				t.Title, t.Owner, t.Due, t.Note = f.text("title"), c.owner(ctx, who, f, "owner"), f.time("due"), f.text("note")
			})
			return err
		}},
		{"task/change", "now", changed, func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Cases.ChangeTask(ctx, who, id, f.n("id"), f.version(), func(t *response.Task) {
				t.Title, t.Owner, t.Due, t.State, t.Note = f.text("title"), c.owner(ctx, who, f, "owner"), f.time("due"), f.text("state"), f.text("note")
			})
			return err
		}},
		{"hand", "now", changed, func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Cases.HandOver(ctx, who, id, response.HandOver{From: c.owner(ctx, who, f, "from"), To: c.owner(ctx, who, f, "to"), Note: f.text("note")})
			return err
		}},
		{"note", "now", recorded, func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Cases.AddNote(ctx, who, id, response.Note{On: f.text("on"), Text: f.text("text")})
			return err
		}},
		{"promise", "now", recorded, func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Cases.Promise(ctx, who, id, 0, 0, func(p *response.Promise) { p.Text, p.Due = f.text("text"), f.time("due") })
			return err
		}},
		{"promise/change", "now", changed, func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Cases.Promise(ctx, who, id, f.n("id"), f.version(), func(p *response.Promise) { p.State, p.Why, p.At = f.text("state"), f.text("why"), f.time("at") })
			return err
		}},
		{"commander", "now", recorded, func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Cases.Appoint(ctx, who, id, f.version(), response.Commander{Name: c.owner(ctx, who, f, "name"), Why: f.text("why")})
			return err
		}},
		{"regime", "clocks", recorded, func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Cases.Apply(ctx, who, id, f.version(), response.Regime{ID: f.text("id"), Refused: f.text("refused") != "", Why: f.text("why")})
			return err
		}},
		{"clock", "clocks", recorded, func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Cases.Mark(ctx, who, id, f.version(), response.Marked{ID: f.text("id"), State: f.text("state"), At: f.time("at"), Why: f.text("why")})
			return err
		}},
		{"start", "clocks", recorded, func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Cases.Start(ctx, who, id, f.version(), response.Started{Trigger: f.text("trigger"), At: f.time("at")})
			return err
		}},
		{"know", "clocks", recorded, func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Cases.Know(ctx, who, id, f.version(), response.Knows{Word: f.text("word"), Is: f.text("is") == "yes"})
			return err
		}},
		{"access", "record", changed, func(ctx context.Context, who actor.Actor, id string, f field) error {
			access, ok := actor.ParseAccess(f.text("access"))
			if !ok {
				access = actor.None
			}
			return c.Staff.ChangeAccess(ctx, who, id, f.text("account"), f.version(), access)
		}},
	}
}
