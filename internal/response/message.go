package response

import (
	"context"
	"database/sql"
	"errors"
	"regexp"
	"slices"
	"time"

	"shirase/internal/actor"
)

// A Message is what somebody should hear of a case. It says where to look, and nothing of what is there: it leaves the machine.
type Message struct {
	Case  string
	Kind  string   // mention, assigned, report, overdue, promise-due, approval-wanted, ...
	To    []string // owners and names as they were written; none: whoever follows the case
	About string   // "task 3", "entry 12"
	Key   string   // by which the same is told once; "" always
}

// mention matches a name that somebody is called by in a text. It begins where a word does, so that no address is one.
var mention = regexp.MustCompile(`(?:^|[\s(（「、。,:：])@([\pL\pN][\pL\pN._-]{0,39})`)

// Mentions are the names that a text calls, each once.
func Mentions(text string) []string {
	var out []string
	for _, m := range mention.FindAllStringSubmatch(text, 50) {
		if !slices.Contains(out, m[1]) {
			out = append(out, m[1])
		}
	}
	return out
}

// owners are the tasks' owners by their numbers.
func (k *Case) owners() map[int64]string {
	out := map[int64]string{}
	for _, t := range k.Tasks {
		out[t.ID] = t.Owner
	}
	return out
}

// tell tells those whom an entry calls or gives something to do, and everybody of a report.
func (c *Cases) tell(ctx context.Context, tx *sql.Tx, e Entry, before map[int64]string) error {
	if c.Tell == nil {
		return nil
	}
	b := e.Body
	entry := "entry " + itoa(e.Seq)
	text := ""
	var out []Message
	switch {
	case b.Note != nil:
		text = b.Note.Text
	case b.Task != nil:
		text = b.Task.Note
		if b.Task.Owner != "" && before[b.Task.ID] != b.Task.Owner {
			out = append(out, Message{Kind: "assigned", To: []string{b.Task.Owner}, About: "task " + itoa(b.Task.ID)})
		}
	case b.Handed != nil:
		text = b.Handed.Note
		out = append(out, Message{Kind: "assigned", To: []string{b.Handed.To}, About: entry})
	case b.Question != nil:
		text = b.Question.Question
	case b.Event != nil:
		text = b.Event.Text
	case b.Report != nil:
		out = append(out, Message{Kind: "report", About: entry})
	}
	if names := Mentions(text); len(names) > 0 {
		out = append(out, Message{Kind: "mention", To: names, About: entry})
	}
	for _, m := range out {
		m.Case = e.Case
		if err := c.Tell(ctx, tx, m); err != nil {
			return err
		}
	}
	return nil
}

// TellOverdue tells once of everything in any case whose time is over: owners of what has one, and whoever follows the case of the rest.
// A case that cannot be read does not keep the others from it.
func (c *Cases) TellOverdue(ctx context.Context, who actor.Actor) error {
	list, err := c.List(ctx, who)
	if err != nil || c.Tell == nil {
		return err
	}
	var failed error
	for _, l := range list {
		k, err := c.Get(ctx, who, l.ID)
		if c.over(err) {
			continue
		}
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		var late []Message
		for _, n := range k.Next(c.now(), nil) {
			if !n.Late {
				continue
			}
			m := Message{Case: k.ID, Kind: "overdue", About: n.About, Key: "overdue " + k.ID + " " + n.About + " " + n.Due.UTC().Format(time.RFC3339)}
			if owner := k.owner(n.About); owner != "" {
				m.To = []string{owner}
			}
			late = append(late, m)
		}
		if len(late) == 0 {
			continue
		}
		failed = errors.Join(failed, c.DB.Update(ctx, func(tx *sql.Tx) error {
			for _, m := range late {
				if err := c.Tell(ctx, tx, m); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	return failed
}

// owner is who has what is named as Next names it.
func (k *Case) owner(about string) string {
	for _, t := range k.Tasks {
		if about == "task "+itoa(t.ID) {
			return t.Owner
		}
	}
	for _, q := range k.Questions {
		if about == "question "+itoa(q.ID) {
			return q.Owner
		}
	}
	return ""
}
