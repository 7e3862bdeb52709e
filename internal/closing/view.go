package closing

import (
	"context"
	"errors"
	"slices"
	"strings"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/language"
	"shirase/internal/response"
	"shirase/internal/roster"
)

// Where is the item's place at the console.
func (i Item) Where(id string) string {
	if strings.HasPrefix(i.Place, "/") {
		return i.Place
	}
	return strings.TrimSuffix("/console/cases/"+id+"/"+i.Place, "/")
}

// View is the closing of a case as it stands: before it is closed, after, and when its key is gone.
type View struct {
	Case        *response.Case // nil where it was shredded
	Closed      bool
	Shredded    bool
	Open        []Item
	Then        []language.Text // what was open when it was closed all the same
	Tasks       []Task
	Lessons     []Lesson
	Holds       []Hold
	Retained    *Retained  // what is kept, or would be; nil: there is nothing
	Kept        bool       // it is kept
	Certificate *Certified // nil: there is none
	Overruled   *Overruled // why its key was destroyed although it was not at its end; nil: it was
}

// Certified is the certificate of a case, as the ledger has it.
type Certified struct {
	check.Certificate
	Data        []byte
	LedgerIndex int64
	Against     int64 // what is known by now that speaks against it: copies of a key that is called destroyed
}

// Held reports that a legal hold is on.
func (v *View) Held() bool { return slices.ContainsFunc(v.Holds, Hold.On) }

// View gives all of it. Errors: ErrNotFound.
func (c *Closing) View(ctx context.Context, who actor.Actor, id string) (*View, error) {
	if err := c.mine(ctx, who, actor.See, id); err != nil {
		return nil, err
	}
	v := &View{}
	var err error
	v.Case, v.Open, err = c.Checklist(ctx, who, id)
	switch {
	case errors.Is(err, roster.ErrShredded):
		v.Shredded, v.Closed = true, true
		if v.Overruled, err = c.overruled(ctx, id); err == nil && c.Certificate != nil {
			v.Certificate, err = c.Certificate(ctx, id)
		}
	case err == nil:
		if v.Closed = v.Case.Closed; v.Closed {
			v.Open, v.Then = since(v.Case, v.Open)
		}
	}
	if err != nil {
		return nil, err
	}
	if v.Tasks, err = c.Tasks(ctx, who, id); err != nil {
		return nil, err
	}
	if v.Lessons, err = c.Lessons(ctx, who, id); err != nil {
		return nil, err
	}
	if v.Holds, err = c.Holds(ctx, who, id); err != nil {
		return nil, err
	}
	v.Retained, v.Kept, err = c.Retaining(ctx, who, id)
	if errors.Is(err, ErrNotFound) { // shredded by an earlier version
		err = nil
	}
	return v, err
}

// since leaves out what was open when a case was closed: that stands in its record, and is given by itself, as the record has it where it is not
// open any more. What came up then is open.
func since(k *response.Case, items []Item) (open []Item, then []language.Text) {
	for _, key := range k.ClosedFor.Open {
		text := language.Text{JA: key, EN: key}
		if i := slices.IndexFunc(items, func(i Item) bool { return i.key() == key }); i >= 0 {
			text = items[i].Text
		}
		then = append(then, text)
	}
	return slices.DeleteFunc(items, func(i Item) bool { return (i.Refuses || i.Second) && slices.Contains(k.ClosedFor.Open, i.key()) }), then
}

// Retaining gives what would be kept of a case, or, where its key is gone, what is. Errors: ErrNotFound.
func (c *Closing) Retaining(ctx context.Context, who actor.Actor, id string) (r *Retained, kept bool, err error) {
	r, err = c.Retain(ctx, who, id)
	if errors.Is(err, roster.ErrShredded) {
		r, err = c.Kept(ctx, who, id)
		return r, err == nil, err
	}
	return r, false, err
}
