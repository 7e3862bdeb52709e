package enquiry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/language"
)

// A Change is a fact that an answer said, and that stands otherwise now.
type Change struct {
	Fact, Item string
	Was        string // as it was said
	Is         language.Text
	Answers    int64 // that said it, where they are counted

	version string // as it was said
}

// given are the answers that somebody may have, and that nothing has corrected.
const given = `m.corrected = '' AND (m.kind = 'spoken' OR m.kind = 'answer' AND m.state IN ('handed-over', 'unknown', 'left', 'intended', 'pending', 'deferred'))`

// Overtaken gives the facts that answers have said and that have changed since, with how many answers said each.
func (d *Desk) Overtaken(ctx context.Context, who actor.Actor, of string) ([]Change, error) {
	if err := may(who, actor.See, of); err != nil {
		return nil, fmt.Errorf("answers that are overtaken: %w", err)
	}
	in, err := d.Incident(ctx, of)
	if errors.Is(err, incident.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("answers that are overtaken: %w", err)
	}
	out, err := d.changed(ctx, of, in)
	if err != nil {
		return nil, fmt.Errorf("answers that are overtaken: %w", err)
	}
	return out, nil
}

// changed gives which facts were said as they do not stand any more. What was said is walked by its kinds, of which there are few, and answers
// are looked at where their kind is such a one only.
func (d *Desk) changed(ctx context.Context, of string, in incident.Incident) (out []Change, err error) {
	var c Change
	for {
		if err := d.nextSaid(ctx, of, &c); errors.Is(err, sql.ErrNoRows) {
			return out, nil
		} else if err != nil {
			return nil, err
		}
		if versionOf(in, c.Fact, c.Item) == c.version {
			continue
		}
		err := d.DB.QueryRowContext(ctx, `SELECT coalesce(min(s.value), ''), count(*) FROM enquiry_said s JOIN enquiry_message m ON m.id = s.message
			WHERE s.incident = $1 AND s.stands = 1 AND s.fact = $2 AND s.item = $3 AND s.version = $4 AND `+given, of, c.Fact, c.Item, c.version).Scan(&c.Was, &c.Answers)
		if err != nil {
			return nil, err
		}
		if c.Answers > 0 {
			c.Is = language.Text{JA: valueOf(in, language.JA, c.Fact, c.Item), EN: valueOf(in, language.EN, c.Fact, c.Item)}
			out = append(out, c)
		}
	}
}

// nextSaid goes on to the next fact, or to how it was said next, of what stands: as the index has them, one step each however many have said it.
// SQLite reads all that is equal where it compares several columns at once.
func (d *Desk) nextSaid(ctx context.Context, of string, c *Change) (err error) {
	for _, step := range []struct {
		where string
		args  []any
	}{
		{`fact = $2 AND item = $3 AND version > $4`, []any{of, c.Fact, c.Item, c.version}},
		{`fact = $2 AND item > $3`, []any{of, c.Fact, c.Item}},
		{`fact > $2`, []any{of, c.Fact}},
	} {
		err = d.DB.QueryRowContext(ctx, `SELECT fact, item, version FROM enquiry_said WHERE incident = $1 AND stands = 1 AND `+step.where+` ORDER BY fact, item, version LIMIT 1`, step.args...).Scan(&c.Fact, &c.Item, &c.version)
		if !errors.Is(err, sql.ErrNoRows) {
			break
		}
	}
	return err
}

// told is one fact that one answer said.
type told struct {
	message string
	Said
}

// saidBy gives what the answers of some enquiries have said, by answer.
func (d *Desk) saidBy(ctx context.Context, where string, args ...any) (map[string][]told, error) {
	rows, err := d.DB.QueryContext(ctx, `SELECT m.enquiry, m.id, s.fact, s.item, s.version, s.value FROM enquiry_said s JOIN enquiry_message m ON m.id = s.message WHERE s.stands = 1 AND `+given+` AND `+where+` ORDER BY m.enquiry, m.seq, s.fact, s.item`, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string][]told{}
	for rows.Next() {
		var enquiry string
		var t told
		if err := rows.Scan(&enquiry, &t.message, &t.Fact, &t.Item, &t.Version, &t.Value); err != nil {
			return nil, err
		}
		out[enquiry] = append(out[enquiry], t)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// markOvertaken says of each answer of an enquiry which of its facts stand otherwise now.
func (d *Desk) markOvertaken(ctx context.Context, e *Enquiry) error {
	in, err := d.Incident(ctx, e.Incident)
	if errors.Is(err, incident.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, one := range append([]string{e.ID}, e.Parts...) {
		said, err := d.saidBy(ctx, `m.enquiry = $1`, one)
		if err != nil {
			return err
		}
		for _, t := range said[one] {
			if versionOf(in, t.Fact, t.Item) == t.Version {
				continue
			}
			i := slices.IndexFunc(e.Messages, func(m Message) bool { return m.ID == t.message })
			if i >= 0 {
				e.Messages[i].Overtaken = append(e.Messages[i].Overtaken, Change{Fact: t.Fact, Item: t.Item, Was: t.Value,
					Is: language.Text{JA: valueOf(in, language.JA, t.Fact, t.Item), EN: valueOf(in, language.EN, t.Fact, t.Item)}})
			}
		}
	}
	return nil
}

// correction is what somebody is told who was told otherwise: each fact once, as the last answer that they have said it, and as it is now. It
// keeps the facts that stand as they were said, so that these are followed on.
func correction(in incident.Incident, lang language.Lang, list []told, note string) (c Content, messages []string) {
	c.Lang = lang
	last := map[[2]string]told{}
	var order [][2]string
	for _, t := range list {
		k := [2]string{t.Fact, t.Item}
		if _, ok := last[k]; !ok {
			order = append(order, k)
		}
		last[k] = t
		if !slices.Contains(messages, t.message) {
			messages = append(messages, t.message)
		}
	}
	var lines []string
	for _, k := range order {
		t := last[k]
		now := versionOf(in, t.Fact, t.Item)
		if now != t.Version {
			is := valueOf(in, lang, t.Fact, t.Item)
			if is == "" {
				is = lang.Pick("（取り消しました）", "(withdrawn)")
			}
			if is != t.Value || t.Item == whole {
				lines = append(lines, lang.Pick("・"+incident.KeyLabel(lang, t.Fact)+"：お答えした内容「"+t.Value+"」→ 現在「"+is+"」", "- "+incident.KeyLabel(lang, t.Fact)+": we said “"+t.Value+"”; it is “"+is+"”"))
			}
		}
		c.Said = append(c.Said, Said{t.Fact, t.Item, now, valueOf(in, lang, t.Fact, t.Item)})
	}
	if len(lines) == 0 {
		return c, messages
	}
	lines = dropWhole(lines)
	c.Subject = lang.Pick("先のお答えの訂正", "A correction to our answer")
	c.Text = lang.Pick("先にお答えした内容が、その後に変わりました。次のとおり訂正します。\n\n", "Something that we told you has changed since. We correct it as follows.\n\n") + strings.Join(lines, "\n")
	if note != "" {
		c.Text += "\n\n" + note
	}
	return c, messages
}

// dropWhole leaves out what is said twice: a list and its only item.
func dropWhole(lines []string) []string {
	return slices.Compact(lines)
}
