package response

import (
	"context"
	"database/sql"
	"regexp"
	"slices"
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
