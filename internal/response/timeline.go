package response

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
)

// AddEvent records what happened, at its own time. With From it is made of a candidate ("12.3") or of a report ("report 9"), which
// can be done once.
func (c *Cases) AddEvent(ctx context.Context, who actor.Actor, id string, e Event) (*Case, error) {
	return c.record(ctx, who, actor.Contribute, id, func(k *Case) (Body, error) {
		e := e
		e.ID, e.Withdrawn = 0, false
		if e.From != "" {
			if err := k.from(&e); err != nil {
				return Body{}, err
			}
		}
		return Body{Event: &e}, eventOK(e)
	})
}

func eventOK(e Event) error {
	if _, _, err := when(e.At); err != nil {
		return err
	}
	return textsOK(map[string]string{"a text": e.Text}, map[string]string{"a source": e.Source, "a reason": e.Why})
}

// from fills in what an event takes from what it is made of.
func (k *Case) from(e *Event) error {
	var at, text, source string
	if report, ok := strings.CutPrefix(e.From, "report "); ok {
		i := slices.IndexFunc(k.Reports, func(t Told) bool { return itoa(t.ID) == report })
		if i < 0 {
			return missing("report %s", report)
		}
		if j := slices.IndexFunc(k.Events, func(h Happening) bool { return h.From == e.From && !h.Withdrawn }); j >= 0 {
			return fmt.Errorf("%w: event %d was made of report %s", ErrEntry, k.Events[j].ID, report)
		}
		t := k.Reports[i]
		at, text, source = t.At, t.Text, "told by "+t.From
	} else {
		p, n, ok := k.candidate(e.From)
		if !ok {
			return missing("candidate %q", e.From)
		}
		switch became := p.Became[n]; {
		case became > 0:
			return fmt.Errorf("%w: candidate %s is event %d", ErrEntry, e.From, became)
		case became < 0:
			return fmt.Errorf("%w: candidate %s was passed over", ErrEntry, e.From)
		}
		item := p.Items[n]
		at, text, source = item.At, item.Text, p.Source
		if item.Who != "" {
			text = item.Who + ": " + text
		}
	}
	for _, f := range []struct {
		to   *string
		from string
	}{{&e.At, at}, {&e.Text, text}, {&e.Source, source}} {
		if *f.to == "" {
			*f.to = f.from
		}
	}
	if e.At == "" {
		return hint.Add(fmt.Errorf("%w: no time could be read from candidate %s", ErrEntry, e.From), "say when it happened")
	}
	return nil
}

// MayWithdraw says whether somebody may take an event off the timeline, or put it back: what others recorded only who may take
// something away, what they recorded themselves whoever may add to the case.
func (k *Case) MayWithdraw(who actor.Actor, h Happening) error {
	id, _, _ := strings.Cut(h.FirstBy, " by ")
	if who.Person() && id == who.ID() {
		return may(who, actor.Contribute, k.ID)
	}
	return may(who, actor.Remove, k.ID)
}

// ChangeEvent changes how an event of the timeline stands, or withdraws it ([Case.MayWithdraw]); what it said before stays in the
// record. version is the one that was read. Errors: ErrNotFound, ErrEntry, *StaleError; those of actor.
func (c *Cases) ChangeEvent(ctx context.Context, who actor.Actor, id string, event, version int64, change func(e *Event)) (*Case, error) {
	return c.record(ctx, who, actor.Contribute, id, func(k *Case) (Body, error) {
		i := slices.IndexFunc(k.Events, func(h Happening) bool { return h.ID == event })
		if i < 0 {
			return Body{}, missing("event %d", event)
		}
		if err := k.fresh("event "+itoa(event), version, k.Events[i].Recorded); err != nil {
			return Body{}, err
		}
		e := k.Events[i].Event
		e.Why = ""
		change(&e)
		e.ID, e.From = event, k.Events[i].From
		if e.Withdrawn != k.Events[i].Withdrawn {
			if err := k.MayWithdraw(who, k.Events[i]); err != nil {
				return Body{}, err
			}
		}
		if e.Why == "" {
			return Body{}, fmt.Errorf("%w: why an event is changed is wanted", ErrEntry)
		}
		return Body{Event: &e}, eventOK(e)
	})
}

var reporters = []string{"customer", "researcher", "partner", "police", "other"}

// AddReport records what somebody outside told. It is a candidate for the timeline, and the case asks whether it was the moment of
// knowledge until somebody who commands says so, which it does at once where r.Knowledge does.
func (c *Cases) AddReport(ctx context.Context, who actor.Actor, id string, r Report) (*Case, error) {
	p := actor.Contribute
	if r.Knowledge != "" {
		p = actor.Command // it moves the clocks
	}
	return c.record(ctx, who, p, id, func(*Case) (Body, error) {
		if err := momentOK(r.At); err != nil {
			return Body{}, err
		}
		if m, _ := incident.ParseMoment(r.At, nil); m.Time.After(c.now().Add(time.Hour)) {
			return Body{}, fmt.Errorf("%w: it came at %s, which has not come yet", ErrEntry, r.At)
		}
		if !slices.Contains(reporters, r.From) {
			return Body{}, fmt.Errorf("%w: it is from one of %s", ErrEntry, strings.Join(reporters, ", "))
		}
		if r.Knowledge != "" {
			if err := knowledgeOK(r.Knowledge); err != nil {
				return Body{}, err
			}
		}
		return Body{Report: &r}, textsOK(map[string]string{"a text": r.Text}, map[string]string{"who told": r.Who, "a channel": r.Channel})
	})
}

func knowledgeOK(s string) error {
	if s != "yes" && s != "no" {
		return fmt.Errorf("%w: whether it was the moment of knowledge is yes or no", ErrEntry)
	}
	return nil
}

// TriageReport says whether a report was the moment of knowledge (知った時点). Where it was, and came earlier than the one that is
// recorded, the case's clocks start at it. version is the one that was read.
func (c *Cases) TriageReport(ctx context.Context, who actor.Actor, id string, version int64, t Triage) (*Case, error) {
	return c.record(ctx, who, actor.Command, id, func(k *Case) (Body, error) {
		i := slices.IndexFunc(k.Reports, func(o Told) bool { return o.ID == t.Report })
		if i < 0 {
			return Body{}, missing("report %d", t.Report)
		}
		is := k.Reports[i].Recorded
		if by := k.Reports[i].Triaged; by != nil {
			is = *by
		}
		if err := k.fresh("report "+itoa(t.Report), version, is); err != nil {
			return Body{}, err
		}
		if err := knowledgeOK(t.Knowledge); err != nil {
			return Body{}, err
		}
		return Body{Triage: &t}, textOK("a reason", t.Why, t.Knowledge == "no")
	})
}

// Waited is how long a report has waited for triage: from when it came to when somebody said whether it was the moment of knowledge,
// or until now.
func (t Told) Waited(now time.Time) time.Duration {
	m, err := incident.ParseMoment(t.At, nil)
	if err != nil {
		return 0
	}
	end := now
	if t.Triaged != nil {
		end = t.Triaged.RecordedAt
	}
	return max(0, end.Sub(m.Time))
}

// Paste reads lines of a log or a chat into candidates for the timeline (ReadLines). zone is that of times without one.
func (c *Cases) Paste(ctx context.Context, who actor.Actor, id, source, text string, zone *time.Location) (*Case, error) {
	if err := may(who, actor.Contribute, id); err != nil {
		return nil, err
	}
	if err := textOK("a source", source, true); err != nil {
		return nil, err
	}
	items, err := ReadLines(text, zone, c.now())
	if err != nil {
		return nil, err
	}
	_, offset := c.now().In(zone).Zone()
	return c.add(ctx, who, actor.Contribute, id, func(*Case) ([]Body, error) {
		var out []Body
		for _, part := range inEntries(items) {
			out = append(out, Body{Pasted: &Pasted{Source: source, Zone: time.Unix(0, 0).In(time.FixedZone("", offset)).Format("Z07:00"), Items: part}})
		}
		return out, nil
	})
}

// inEntries divides candidates among entries, which stay well below their bound.
func inEntries(items []Candidate) [][]Candidate {
	var out [][]Candidate
	size := maxEntry
	for _, c := range items {
		n := 4*len(c.Text) + 4*len(c.Who) + 100 // as JSON, with whatever it escapes
		if size += n; size > maxEntry-4096 {
			out, size = append(out, nil), n
		}
		out[len(out)-1] = append(out[len(out)-1], c)
	}
	return out
}

// Pass says that candidates are no part of the timeline.
func (c *Cases) Pass(ctx context.Context, who actor.Actor, id string, p Passed) (*Case, error) {
	return c.record(ctx, who, actor.Contribute, id, func(k *Case) (Body, error) {
		if len(p.Candidates) == 0 || len(p.Candidates) > 1000 {
			return Body{}, fmt.Errorf("%w: which candidates is wanted, at most 1,000", ErrEntry)
		}
		for _, name := range p.Candidates {
			paste, n, ok := k.candidate(name)
			if !ok {
				return Body{}, missing("candidate %q", name)
			}
			if paste.Became[n] != 0 {
				return Body{}, fmt.Errorf("%w: candidate %s is done", ErrEntry, name)
			}
		}
		return Body{Passed: &p}, textOK("a reason", p.Why, false)
	})
}

// Open are the candidates of a paste that nobody has taken or passed over.
func (p Paste) Open() []string {
	var out []string
	for i, became := range p.Became {
		if became == 0 {
			out = append(out, fmt.Sprintf("%d.%d", p.ID, i+1))
		}
	}
	return out
}
