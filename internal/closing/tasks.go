package closing

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"shirase/internal/actor"
	"shirase/internal/store"
)

// A Task is something that is to be done so that it does not happen again (今後の対応), as it stands.
type Task struct {
	Case    string
	N       int64
	Version int64
	Title   string
	Owner   string
	Due     string // a day; "": none
	State   string // open, doing, done, dropped
	Note    string
	At      time.Time
	By      string
}

// States of tasks.
var States = []string{"open", "doing", "done", "dropped"}

// Over reports that nothing is to be done any more.
func (t Task) Over() bool { return t.State == "done" || t.State == "dropped" }

// Late reports that a task is due, or was.
func (t Task) Late(now time.Time) bool { return !t.Over() && t.Due != "" && t.Due < day(now) }

// day is a day of UTC, as all days of a case are.
func day(now time.Time) string { return now.UTC().Format(time.DateOnly) }

// maxTasks bounds the tasks of a case, and the lessons.
const maxTasks = 500

// PutTask adds a task of a case, where n is 0, or changes one: change sees it as it stands. version is the one that was read, 0 where
// nothing was. It is done before a case is closed, after it, and after its key is gone. Errors: ErrInput, ErrIdentifies, ErrNotFound,
// ErrStale.
func (c *Closing) PutTask(ctx context.Context, who actor.Actor, id string, n, version int64, change func(t *Task)) (Task, error) {
	if err := c.mine(ctx, who, actor.Contribute, id); err != nil {
		return Task{}, err
	}
	var said Task // before anything is locked: a large roster takes a while to read
	change(&said)
	if err := c.nobody(ctx, id, said.Title, said.Owner, said.Note); err != nil {
		return Task{}, err
	}
	var out Task
	err := c.DB.Update(ctx, func(tx *sql.Tx) error {
		all, err := tasks(ctx, tx, id)
		if err != nil {
			return err
		}
		t := Task{Case: id, N: int64(len(all)) + 1, State: "open"}
		if n != 0 {
			i := slices.IndexFunc(all, func(o Task) bool { return o.N == n })
			if i < 0 {
				return fmt.Errorf("%w: no task %d", ErrNotFound, n)
			}
			t = all[i]
			if version != 0 && version != t.Version {
				return fmt.Errorf("task %d: %w: it is of version %d", n, ErrStale, t.Version)
			}
		} else if len(all) >= maxTasks {
			return fmt.Errorf("%w: a case has at most %d tasks", ErrInput, maxTasks)
		}
		number, was := t.N, t.Version
		change(&t)
		t.Case, t.N, t.Version, t.At, t.By = id, number, was+1, c.Now().UTC().Truncate(time.Second), who.String()
		t.Title, t.Owner, t.Note = strings.TrimSpace(t.Title), strings.TrimSpace(t.Owner), strings.TrimSpace(t.Note)
		if err := taskOK(t); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO closing_task (incident, n, version, title, owner, due, state, note, at, actor) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			t.Case, t.N, t.Version, t.Title, t.Owner, t.Due, t.State, t.Note, store.Micros(t.At), t.By)
		out = t
		return err
	})
	if err != nil {
		return Task{}, fmt.Errorf("case %s: %w", id, err)
	}
	return out, nil
}

func taskOK(t Task) error {
	if err := errors.Join(textOK("a title", t.Title, true), textOK("an owner", t.Owner, false), textOK("a note", t.Note, false)); err != nil {
		return err
	}
	if !slices.Contains(States, t.State) {
		return fmt.Errorf("%w: a task is one of %s", ErrInput, strings.Join(States, ", "))
	}
	if t.Due != "" {
		if at, err := time.Parse(time.DateOnly, t.Due); err != nil || at.Format(time.DateOnly) != t.Due {
			return fmt.Errorf("%w: a task is due on a day, like 2026-12-01", ErrInput)
		}
	}
	return nil
}

const taskColumns = `incident, n, version, title, owner, due, state, note, at, actor`

func tasks(ctx context.Context, q store.Querier, id string) ([]Task, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+taskColumns+` FROM closing_task t WHERE (incident = $1 OR $1 = '') AND version =
		(SELECT max(version) FROM closing_task o WHERE o.incident = t.incident AND o.n = t.n) ORDER BY incident, n`, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Task
	for rows.Next() {
		var t Task
		var at int64
		if err := rows.Scan(&t.Case, &t.N, &t.Version, &t.Title, &t.Owner, &t.Due, &t.State, &t.Note, &at, &t.By); err != nil {
			return nil, err
		}
		t.At = store.FromMicros(at)
		out = append(out, t)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// Tasks gives those of a case that they may see, or of all of these ("").
func (c *Closing) Tasks(ctx context.Context, who actor.Actor, id string) ([]Task, error) {
	if id != "" {
		if err := c.mine(ctx, who, actor.See, id); err != nil {
			return nil, err
		}
	}
	all, err := tasks(ctx, c.DB, id)
	if err != nil {
		return nil, fmt.Errorf("what is to be done: %w", err)
	}
	return slices.DeleteFunc(all, func(t Task) bool { return who.May(actor.See, t.Case) != nil }), nil
}

// A Lesson is something that was learnt.
type Lesson struct {
	N    int64
	Text string
	At   time.Time
	By   string
}

// Learn records a lesson. Errors: ErrInput, ErrIdentifies, ErrNotFound.
func (c *Closing) Learn(ctx context.Context, who actor.Actor, id, text string) (Lesson, error) {
	if err := c.mine(ctx, who, actor.Contribute, id); err != nil {
		return Lesson{}, err
	}
	l := Lesson{Text: strings.TrimSpace(text), At: c.Now().UTC().Truncate(time.Second), By: who.String()}
	if err := textOK("a lesson", l.Text, true); err != nil {
		return Lesson{}, fmt.Errorf("case %s: %w", id, err)
	}
	if err := c.nobody(ctx, id, l.Text); err != nil {
		return Lesson{}, err
	}
	err := c.DB.Update(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(n), 0) + 1 FROM closing_lesson WHERE incident = $1`, id).Scan(&l.N); err != nil {
			return err
		}
		if l.N > maxTasks {
			return fmt.Errorf("%w: a case has at most %d lessons", ErrInput, maxTasks)
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO closing_lesson (incident, n, text, at, actor) VALUES ($1, $2, $3, $4, $5)`, id, l.N, l.Text, store.Micros(l.At), l.By)
		return err
	})
	if err != nil {
		return Lesson{}, fmt.Errorf("case %s: %w", id, err)
	}
	return l, nil
}

// Lessons gives those of a case.
func (c *Closing) Lessons(ctx context.Context, who actor.Actor, id string) ([]Lesson, error) {
	if err := c.mine(ctx, who, actor.See, id); err != nil {
		return nil, err
	}
	return lessonsOf(ctx, c.DB, id)
}

func lessonsOf(ctx context.Context, q store.Querier, id string) ([]Lesson, error) {
	rows, err := q.QueryContext(ctx, `SELECT n, text, at, actor FROM closing_lesson WHERE incident = $1 ORDER BY n`, id)
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", id, err)
	}
	defer rows.Close()
	var out []Lesson
	for rows.Next() {
		var l Lesson
		var at int64
		if err := rows.Scan(&l.N, &l.Text, &at, &l.By); err != nil {
			return nil, err
		}
		l.At = store.FromMicros(at)
		out = append(out, l)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// Outlives gives what of a case goes on after it, in words: tasks that are not given up, each with its day and without who does it, and
// lessons. It is for documents of the case.
func Outlives(ctx context.Context, db *store.DB, id string) (prevention, lessons []string, err error) {
	if err := migrate(ctx, db); err != nil {
		return nil, nil, err
	}
	all, err := tasks(ctx, db, id)
	if err != nil {
		return nil, nil, fmt.Errorf("what outlives case %s: %w", id, err)
	}
	for _, t := range all {
		if t.State == "dropped" {
			continue
		}
		text := t.Title
		switch {
		case t.State == "done":
			text += bracketed(text, "済み", "done")
		case t.Due != "":
			text += bracketed(text, t.Due, t.Due)
		}
		prevention = append(prevention, text)
	}
	learnt, err := lessonsOf(ctx, db, id)
	for _, l := range learnt {
		lessons = append(lessons, l.Text)
	}
	return prevention, lessons, err
}

// soon is how long before its day an owner is reminded of a task.
const soon = 7 * 24 * time.Hour

// Remind tells the owners of tasks of what is due in a week, and of what is late, each once. It goes on after the case is closed and its
// key is gone.
func (c *Closing) Remind(ctx context.Context) error {
	if c.Tell == nil {
		return nil
	}
	all, err := tasks(ctx, c.DB, "")
	if err != nil {
		return fmt.Errorf("remind of what is to be done: %w", err)
	}
	now := c.Now()
	for _, t := range all {
		if t.Over() || t.Due == "" || t.Due > day(now.Add(soon)) {
			continue
		}
		when := "soon"
		if t.Late(now) {
			when = "late"
		}
		m := Message{Case: t.Case, About: fmt.Sprintf("prevention %d", t.N), Key: fmt.Sprintf("prevention/%s/%d/%s/%s", t.Case, t.N, t.Due, when)}
		if t.Owner != "" {
			m.To = []string{t.Owner}
		}
		if err := c.DB.Update(ctx, func(tx *sql.Tx) error { return c.Tell(ctx, tx, m) }); err != nil {
			return fmt.Errorf("remind of what is to be done: %w", err)
		}
	}
	return nil
}

// bracketed is what stands in brackets after a title, in the language that the title is in: it is written once, and documents in both have it.
func bracketed(title, ja, en string) string {
	if strings.ContainsFunc(title, func(r rune) bool { return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) }) {
		return "（" + ja + "）"
	}
	return " (" + en + ")"
}
