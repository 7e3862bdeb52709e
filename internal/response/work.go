package response

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/incident"
)

// AddTask opens a task; change fills it in.
func (c *Cases) AddTask(ctx context.Context, who actor.Actor, id string, change func(t *Task)) (*Case, error) {
	return c.task(ctx, who, id, 0, 0, change)
}

// ChangeTask changes a task that there is: change sees it as it stands. version is the one that was read. Errors: ErrNotFound,
// ErrEntry, *StaleError.
func (c *Cases) ChangeTask(ctx context.Context, who actor.Actor, id string, task, version int64, change func(t *Task)) (*Case, error) {
	if task < 1 {
		return nil, fmt.Errorf("case %s: %w", id, missing("task %d", task))
	}
	return c.task(ctx, who, id, task, version, change)
}

var taskStates = []string{"open", "doing", "done", "dropped"}

// Over reports whether nothing is to be done any more.
func (t Task) Over() bool { return t.State == "done" || t.State == "dropped" }

func (c *Cases) task(ctx context.Context, who actor.Actor, id string, task, version int64, change func(t *Task)) (*Case, error) {
	return c.record(ctx, who, actor.Contribute, id, func(k *Case) (Body, error) {
		t := Task{ID: 1, State: "open"}
		if n := len(k.Tasks); n > 0 {
			t.ID = k.Tasks[n-1].ID + 1
		}
		if task != 0 {
			i := slices.IndexFunc(k.Tasks, func(o Todo) bool { return o.ID == task })
			if i < 0 {
				return Body{}, missing("task %d", task)
			}
			if err := k.fresh("task "+itoa(task), version, k.Tasks[i].Recorded); err != nil {
				return Body{}, err
			}
			t = k.Tasks[i].Task
		}
		number := t.ID
		change(&t)
		t.ID = number
		if err := textsOK(map[string]string{"a title": t.Title}, map[string]string{"an owner": t.Owner, "a note": t.Note}); err != nil {
			return Body{}, err
		}
		if !slices.Contains(taskStates, t.State) {
			return Body{}, fmt.Errorf("%w: a task is one of %s", ErrEntry, strings.Join(taskStates, ", "))
		}
		return Body{Task: &t}, dueOK(t.Due)
	})
}

// HandOver gives tasks to somebody else, all or none: those that are named, or, with From, all that are open and theirs.
type HandOver struct {
	Tasks []int64
	From  string
	To    string
	Note  string
}

// HandOver hands tasks over.
func (c *Cases) HandOver(ctx context.Context, who actor.Actor, id string, h HandOver) (*Case, error) {
	return c.record(ctx, who, actor.Command, id, func(k *Case) (Body, error) {
		if err := textsOK(map[string]string{"to whom": h.To}, map[string]string{"a note": h.Note}); err != nil {
			return Body{}, err
		}
		tasks := slices.Clone(h.Tasks)
		for _, t := range k.Tasks {
			if h.From != "" && t.Owner == h.From && !t.Over() && !slices.Contains(tasks, t.ID) {
				tasks = append(tasks, t.ID)
			}
		}
		slices.Sort(tasks)
		tasks = slices.Compact(tasks)
		for _, n := range tasks {
			if !slices.ContainsFunc(k.Tasks, func(t Todo) bool { return t.ID == n && !t.Over() }) {
				return Body{}, missing("open task %d", n)
			}
		}
		if len(tasks) == 0 {
			return Body{}, fmt.Errorf("%w: no task is handed over", ErrEntry)
		}
		return Body{Handed: &Handed{To: h.To, Tasks: tasks, Note: h.Note}}, nil
	})
}

// AddNote records a remark.
func (c *Cases) AddNote(ctx context.Context, who actor.Actor, id string, n Note) (*Case, error) {
	return c.record(ctx, who, actor.Contribute, id, func(*Case) (Body, error) {
		return Body{Note: &n}, textsOK(map[string]string{"a text": n.Text}, map[string]string{"what it is about": n.On})
	})
}

// Promise records a promise to tell more until a time, or with its number changes one; change sees it as it stands. One that is kept
// says when. version is the one that was read.
func (c *Cases) Promise(ctx context.Context, who actor.Actor, id string, promise, version int64, change func(p *Promise)) (*Case, error) {
	return c.record(ctx, who, actor.Command, id, func(k *Case) (Body, error) {
		p := Promise{State: "open"}
		if promise != 0 {
			i := slices.IndexFunc(k.Promises, func(o Promised) bool { return o.ID == promise })
			if i < 0 {
				return Body{}, missing("promise %d", promise)
			}
			if err := k.fresh("promise "+itoa(promise), version, k.Promises[i].Recorded); err != nil {
				return Body{}, err
			}
			p = k.Promises[i].Promise
		}
		change(&p)
		p.ID = promise
		switch p.State {
		case "open":
			p.At = ""
		case "kept":
			if p.At == "" {
				p.At = c.minute().String()
			}
		case "withdrawn":
			if err := textOK("a reason", p.Why, true); err != nil {
				return Body{}, err
			}
		default:
			return Body{}, fmt.Errorf("%w: a promise is open, kept or withdrawn", ErrEntry)
		}
		if err := momentOK(p.Due); err != nil {
			return Body{}, err
		}
		return Body{Promise: &p}, textsOK(map[string]string{"what is promised": p.Text}, map[string]string{"a reason": p.Why, "when it was kept": p.At})
	})
}

func (c *Cases) minute() incident.Moment {
	return incident.Moment{Time: c.now().UTC().Truncate(time.Minute), Precision: incident.Minute}
}

// Slipped reports whether a promise was not kept in time: it is open and over, or was kept later.
func (p Promised) Slipped(now time.Time) bool {
	due := end(p.Due)
	switch p.State {
	case "withdrawn":
		return false
	case "kept":
		return end(p.At).After(due)
	}
	return !now.Before(due)
}

// Appoint says who commands. version is the one that was read ([Case.Stated]), 0 where nothing was. Errors: ErrEntry, *StaleError.
func (c *Cases) Appoint(ctx context.Context, who actor.Actor, id string, version int64, m Commander) (*Case, error) {
	return c.record(ctx, who, actor.Command, id, func(k *Case) (Body, error) {
		if err := k.fresh("commander", version, k.Stated("commander")); err != nil {
			return Body{}, err
		}
		return Body{Commander: &m}, textsOK(map[string]string{"who commands": m.Name}, map[string]string{"a reason": m.Why})
	})
}

// Ending is how a case is closed: what stands in its record, and the case and facts on which that was decided.
type Ending struct {
	Closed
	Head  Hash   // of the record
	Facts string // incident.Incidents.Moved
}

// CloseAs ends the case: nothing more is recorded in it but who reads it, and what becomes of it. What is arriving is given up: it would
// never be evidence of anything. Whether something keeps it open is asked by package closing, which alone calls this, and is in end:
// ErrMoved where the record or the facts are not those on which it was decided. settle is called in the transaction in which the case is
// closed, of an approval, by the two who made it; where it is nil one person closes the case, who needs the right to.
func (c *Cases) CloseAs(ctx context.Context, who actor.Actor, id string, end Ending, settle func(tx *sql.Tx) error) (*Case, error) {
	wanted := actor.Remove
	if settle != nil {
		wanted = actor.See
	}
	if err := may(who, wanted, id); err != nil {
		return nil, err
	}
	sealer, err := c.Seal(ctx, id, false)
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", id, err)
	}
	var k *Case
	var given []string
	err = c.DB.Update(ctx, func(tx *sql.Tx) error {
		facts, err := c.Incidents.MovedIn(ctx, tx, id)
		if err != nil {
			return err
		}
		k, err = c.append(ctx, tx, who, id, sealer, false, func(k *Case) ([]Body, error) {
			if !k.Closed && (k.Head != end.Head || facts != end.Facts) {
				return nil, ErrMoved
			}
			return []Body{{Closed: &end.Closed}}, errors.Join(textOK("a reason", end.Why, true), textOK("a reason", end.Despite, false))
		})
		if err == nil && settle != nil {
			err = settle(tx)
		}
		if err != nil {
			return err
		}
		given, err = column(tx.QueryContext(ctx, `DELETE FROM response_arrival WHERE case_id = $1 RETURNING file`, id))
		return err
	})
	for _, file := range given { // what is left here, the next sweep takes
		if err == nil {
			err = c.dropPieces(context.WithoutCancel(ctx), file)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("case %s: %w", id, err)
	}
	return k, nil
}

// column reads the texts of a query of one column.
func column(rows *sql.Rows, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}
