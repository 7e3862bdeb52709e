package response

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/incident"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// fresh requires that what is changed is as whoever changes it has read it: version is what they read, or the last entry of the case
// that they read, and 0 where they name only what they change.
func (k *Case) fresh(what string, version int64, is Recorded) error {
	if version == 0 || version >= is.Version {
		return nil
	}
	e := &StaleError{What: what, Version: is.Version, By: is.RecordedBy, At: is.RecordedAt}
	if is.Version >= 1 && is.Version <= int64(len(k.log)) {
		e.Now = k.log[is.Version-1].Body
	}
	return e
}

// Ask puts a question that is to be decided, or, with its number, changes one that is open: change fills it in. version is the one
// that was read. Errors: ErrEntry, ErrNotFound, *StaleError.
func (c *Cases) Ask(ctx context.Context, who actor.Actor, id string, question, version int64, change func(q *Question)) (*Case, error) {
	return c.record(ctx, who, actor.Contribute, id, func(k *Case) (Body, error) {
		q := Question{State: "open"}
		if question != 0 {
			i := slices.IndexFunc(k.Questions, func(o Asked) bool { return o.ID == question })
			if i < 0 {
				return Body{}, missing("question %d", question)
			}
			if err := k.fresh("question "+itoa(question), version, k.Questions[i].Recorded); err != nil {
				return Body{}, err
			}
			if q = k.Questions[i].Question; q.State == "decided" {
				return Body{}, fmt.Errorf("%w: question %d is decided", ErrEntry, question)
			}
		}
		change(&q)
		q.ID = question
		if err := textsOK(map[string]string{"a question": q.Question}, map[string]string{"an owner": q.Owner, "an option": strings.Join(q.Options, "\n")}); err != nil {
			return Body{}, err
		}
		if q.State != "open" && q.State != "dropped" {
			return Body{}, hint.Add(fmt.Errorf("%w: a question is open or dropped", ErrEntry), "shirase case decide records what was decided")
		}
		return Body{Question: &q}, dueOK(q.Due)
	})
}

// textsOK checks texts that are wanted, and others.
func textsOK(wanted, others map[string]string) error {
	for what, s := range wanted {
		if err := textOK(what, s, true); err != nil {
			return err
		}
	}
	for what, s := range others {
		if err := textOK(what, s, false); err != nil {
			return err
		}
	}
	return nil
}

func dueOK(s string) error {
	if s == "" {
		return nil
	}
	return momentOK(s)
}

func momentOK(s string) error {
	if _, err := incident.ParseMoment(s, nil); err != nil {
		return fmt.Errorf("%w: a time with its zone is wanted, like 2026-08-20T10:09+09:00: %w", ErrEntry, err)
	}
	return nil
}

// Decide records a decision, with the facts it rests on as they stand: keys of the case's incident, each of which has to
// be known. With Of it answers a question, with Replaces it stands in the place of an earlier decision: where somebody else has
// decided the same meanwhile, it is a *StaleError.
func (c *Cases) Decide(ctx context.Context, who actor.Actor, id string, d Decision) (*Case, error) {
	if err := may(who, actor.Command, id); err != nil {
		return nil, err
	}
	if _, err := c.get(ctx, id); err != nil {
		return nil, err
	}
	inc, err := c.Incidents.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	facts := make([]string, len(d.Facts))
	for i, key := range d.Facts {
		if facts[i], err = asItStands(inc, key); err != nil {
			return nil, err
		}
	}
	return c.record(ctx, who, actor.Command, id, func(k *Case) (Body, error) {
		d := d
		d.Facts = facts
		if d.Of != 0 {
			i := slices.IndexFunc(k.Questions, func(q Asked) bool { return q.ID == d.Of })
			if i < 0 {
				return Body{}, missing("question %d", d.Of)
			}
			q := k.Questions[i]
			if q.State != "open" && d.Replaces == 0 {
				return Body{}, k.fresh("question "+itoa(d.Of), -1, q.Recorded)
			}
			if d.Question == "" {
				d.Question = q.Question.Question
			}
			if d.Options == nil {
				d.Options = q.Options
			}
		}
		if d.Replaces != 0 {
			i := slices.IndexFunc(k.Decisions, func(o Decided) bool { return o.Version == d.Replaces })
			if i < 0 {
				return Body{}, missing("decision %d", d.Replaces)
			}
			if by := k.Decisions[i].Replaced; by != 0 {
				j := slices.IndexFunc(k.Decisions, func(o Decided) bool { return o.Version == by })
				return Body{}, k.fresh("decision "+itoa(d.Replaces), -1, k.Decisions[j].Recorded)
			}
		}
		err := textsOK(map[string]string{"a question": d.Question, "a decision": d.Decision}, map[string]string{"a reason": d.Why, "an option": strings.Join(d.Options, "\n")})
		return Body{Decision: &d}, err
	})
}

// asItStands writes a fact down: key, or key/item of a list.
func asItStands(inc incident.Incident, name string) (string, error) {
	key, item, listed := strings.Cut(name, "/")
	for _, f := range inc.Facts {
		if f.Key == key && (!listed && f.Item == "" || listed && f.Item == item) {
			return fmt.Sprintf("%s = %s (%s, as of %s)", name, f.In("en"), f.Certainty, f.AsOf), nil
		}
	}
	return "", hint.Add(fmt.Errorf("%w: the incident has no fact %q", ErrEntry, name), "facts that it has: shirase incident show "+inc.ID)
}

// missingError says what a case does not have; it is ErrNotFound.
type missingError string

func (e missingError) Error() string        { return "there is no " + string(e) }
func (e missingError) Is(target error) bool { return target == ErrNotFound }

func missing(format string, args ...any) error { return missingError(fmt.Sprintf(format, args...)) }

// NoteProposal records, in a transaction of whoever keeps proposals, what became of one that is of a case. Who may do it is asked
// there: here it is only whether they may know of the case.
func (c *Cases) NoteProposal(ctx context.Context, tx *sql.Tx, who actor.Actor, id string, p Proposal) error {
	if err := may(who, actor.Propose, id); err != nil && may(who, actor.Approve, id) != nil {
		return err
	}
	sealer, err := c.Seal(ctx, id, false)
	if errors.Is(err, files.ErrNotExist) {
		err = ErrNotFound
	}
	if err == nil {
		_, err = c.append(ctx, tx, who, id, sealer, false, func(*Case) ([]Body, error) { return []Body{{Proposal: &p}}, nil })
	}
	if err != nil {
		return fmt.Errorf("case %s: %w", id, err)
	}
	return nil
}

// NoteEvent records what was done in a case, in a transaction of whoever has done it. Who may do it is asked there: here it is only whether
// they may know of the case.
func (c *Cases) NoteEvent(ctx context.Context, tx *sql.Tx, who actor.Actor, id string, e Event) error {
	if !who.Sees(id) {
		return ErrNotFound
	}
	sealer, err := c.Seal(ctx, id, false)
	if errors.Is(err, files.ErrNotExist) {
		err = ErrNotFound
	}
	if err == nil {
		_, err = c.append(ctx, tx, who, id, sealer, false, func(*Case) ([]Body, error) { return []Body{{Event: &e}}, eventOK(e) })
	}
	if err != nil {
		return fmt.Errorf("case %s: %w", id, err)
	}
	return nil
}
