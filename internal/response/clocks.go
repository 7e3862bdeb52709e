package response

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/law"
)

// Clocks are a case's clocks as they stand, and the regimes that its facts speak for and nobody has said anything of.
type Clocks struct {
	Clocks    []law.Clock
	Proposed  []law.Proposed
	Refused   []Regime
	Withheld  []Withheld // of these, what it matters for
	Withdrawn []Promised // promises of the case that were taken back
	Remarks   []law.Remark
	Addenda   []Addendum // to promises that have slipped
	NoNext    bool       // the facts say that no further notice is planned
}

// Withheld is a regime that somebody refused although it was said to apply, or the facts speak for it: what it asks for is asked for no more.
type Withheld struct {
	Regime
	Name    language.Text
	Applied bool // it was said to apply before
	By      string
	At      time.Time
}

// withheld says of a refused regime whether it matters.
func (c *Cases) withheld(k *Case, s law.Situation, r Regime) (Withheld, bool) {
	w := Withheld{Regime: r}
	for _, e := range k.log {
		switch b := e.Body; {
		case b.Declared != nil && slices.Contains(b.Declared.Regimes, r.ID), b.Regime != nil && b.Regime.ID == r.ID && !b.Regime.Refused:
			w.Applied = true
		case b.Regime != nil && b.Regime.ID == r.ID:
			w.By = e.By
			w.At, _ = time.Parse(time.RFC3339, e.At)
		}
	}
	known, err := c.Book.Regime(r.ID)
	if err == nil {
		w.Name = known.Name
	} else {
		w.Name = language.Same(r.ID)
	}
	return w, w.Applied || slices.ContainsFunc(c.Book.Propose(s), func(p law.Proposed) bool { return p.Regime.ID == r.ID })
}

// regime gives a regime that a case may name.
func (c *Cases) regime(id string) (*law.Regime, error) {
	r, err := c.Book.Regime(id)
	if err != nil {
		var names []string
		for _, r := range c.Book.Regimes() {
			names = append(names, r.ID)
		}
		return nil, hint.Add(err, "one of "+strings.Join(names, ", ")+"; a contract's is a file of its own (docs/LAW.md)")
	}
	return r, nil
}

// Clocks works out a case's clocks from what is known now.
func (c *Cases) Clocks(ctx context.Context, who actor.Actor, id string) (*Case, *Clocks, error) {
	k, err := c.Get(ctx, who, id)
	if err != nil {
		return nil, nil, err
	}
	clocks, err := c.clocks(ctx, k)
	return k, clocks, err
}

// Standing gives a case's clocks for what comes before and after a change (law.Compare): it is no look at the case, and none is
// recorded. None where there is no such case, or it is not theirs to see.
func (c *Cases) Standing(ctx context.Context, who actor.Actor, id string) ([]law.Clock, error) {
	if may(who, actor.See, id) != nil {
		return nil, nil
	}
	k, err := c.get(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	clocks, err := c.clocks(ctx, k)
	if err != nil {
		return nil, err
	}
	return clocks.Clocks, nil
}

func (c *Cases) clocks(ctx context.Context, k *Case) (*Clocks, error) {
	inc, err := c.Incidents.Get(ctx, k.ID)
	if err != nil {
		return nil, err
	}
	return c.clocksOf(ctx, k, inc)
}

// clocksOf works out the clocks as they stand with the facts of inc.
func (c *Cases) clocksOf(ctx context.Context, k *Case, inc incident.Incident) (*Clocks, error) {
	s := k.situation(inc)
	out := &Clocks{}
	for _, stated := range k.Regimes {
		if stated.Refused {
			out.Refused = append(out.Refused, stated)
			if w, matters := c.withheld(k, s, stated); matters {
				out.Withheld = append(out.Withheld, w)
			}
			continue
		}
		r, err := c.regime(stated.ID)
		if err != nil {
			return nil, err
		}
		out.Clocks = append(out.Clocks, c.Book.Clocks(r, s, c.now())...)
		out.Remarks = append(out.Remarks, r.Remarks...)
	}
	notices, err := c.Incidents.Notices(ctx, k.ID)
	if err != nil {
		return nil, err
	}
	public := promised(inc, notices)
	out.Withdrawn = k.withdrawn(notices)
	out.Addenda = addenda(public, notices, c.now())
	for _, p := range append(public, k.promised(notices)...) {
		out.Clocks = append(out.Clocks, p.Clock(c.now()))
	}
	if f, ok := inc.Fact("next-update"); ok {
		out.NoNext = f.Value.Word == incident.NoNext
	}
	for _, p := range c.Book.Propose(s) {
		if !slices.ContainsFunc(k.Regimes, func(r Regime) bool { return r.ID == p.Regime.ID }) {
			out.Proposed = append(out.Proposed, p)
		}
	}
	return out, nil
}

// situation is what the case's entries and its incident's facts say, as far as clocks depend on it.
func (k *Case) situation(inc incident.Incident) law.Situation {
	s := law.Situation{At: map[string]incident.Moment{"knowledge": k.Knowledge()}, Part: k.Declared.Part, Residents: map[string]law.Number{},
		Known: map[string]bool{}, Done: map[string]incident.Moment{}, Suspended: map[string]bool{}}
	for trigger, m := range k.started {
		s.At[trigger] = m
	}
	if f, ok := inc.Fact("sector"); ok {
		s.Sector = f.Value.Word
	}
	s.Persons = persons(inc)
	if inc.Country() == "JP" && s.Persons.Known {
		s.Residents["jp"] = s.Persons
	}
	for _, f := range inc.Listed("affected.part") {
		if f.Value.Region != "" && f.Value.Number != nil && f.Value.Unit == "persons" {
			s.Residents[strings.ToLower(f.Value.Region)] = number(f.Value)
		}
	}
	for _, word := range inc.Classes() {
		for _, is := range classSays[strings.SplitN(word, ":", 2)[0]] {
			s.Known[is] = true
		}
	}
	if k.Declared.Illicit || inc.Attack() {
		s.Known["wrongful"] = true
	}
	if f, ok := inc.Fact("cause"); ok && f.Value.Word == "ransomware" {
		s.Known["ransomware"] = true
	}
	for word, is := range k.knows { // what somebody says stands above what follows from facts
		s.Known[word] = is
	}
	for id, m := range k.marked {
		switch m.State {
		case "done":
			if at, err := incident.ParseMoment(m.At, nil); err == nil {
				s.Done[id] = at
			}
		case "suspended":
			s.Suspended[id] = true
		}
	}
	return s
}

// Knowledge is when any department knew first (知った時点): as declared, or as a report from outside has shown since.
func (k *Case) Knowledge() incident.Moment {
	if t, told := k.DiscoveredBy(); told {
		if m, err := incident.ParseMoment(t.At, nil); err == nil && m.Time.Before(k.Known.Time) {
			return m
		}
	}
	return k.Known
}

// DiscoveredBy is the earliest report from outside that was the moment of knowledge; false where none was.
func (k *Case) DiscoveredBy() (Told, bool) {
	var first Told
	var at incident.Moment
	for _, t := range k.Reports {
		if m, err := incident.ParseMoment(t.At, nil); err == nil && t.Knowledge == "yes" && (at.IsZero() || m.Time.Before(at.Time)) {
			first, at = t, m
		}
	}
	return first, !at.IsZero()
}

// classSays are the words of conditions that a data class makes true.
var classSays = map[string][]string{
	"health": {"sensitive", "health"}, "biometric": {"sensitive"}, "ethnicity": {"sensitive"}, "religion": {"sensitive"}, "political-view": {"sensitive"},
	"sexuality": {"sensitive"}, "sensitive": {"sensitive"}, "payment-card": {"financial"}, "bank-account": {"financial"}, "crypto-wallet": {"financial"},
	"pin": {"financial"}, "password": {"credentials"}, "credential": {"credentials"}, "auth-token": {"credentials"}, "national-id": {"national-id"},
}

// persons are those affected, as far as accounts and records say something of persons: one may have several, so that a
// number of accounts is no more than their most.
func persons(inc incident.Incident) law.Number {
	f, ok := inc.Fact("affected.count")
	if !ok || f.Value.Number == nil {
		return law.Number{}
	}
	n := number(f.Value)
	if f.Value.Unit != "persons" {
		n.Low = 0
	}
	return n
}

func number(v incident.Value) law.Number {
	n := law.Exactly(*v.Number)
	switch v.Qualifier {
	case "at-most":
		n.Low = 0
	case "cumulative":
		n.Low = 0
	case "about":
		n.Low, n.High = *v.Number-*v.Number/10, *v.Number+*v.Number/10
	}
	return n
}

// Apply says that a regime applies, or, with a reason, that it was considered and does not. version is the one that was read
// ([Case.Stated]), 0 where nothing was. Errors: ErrEntry, *StaleError.
func (c *Cases) Apply(ctx context.Context, who actor.Actor, id string, version int64, r Regime) (*Case, error) {
	if err := may(who, actor.Command, id); err != nil {
		return nil, err
	}
	if _, err := c.regime(r.ID); err != nil {
		return nil, err
	}
	if err := textOK("a reason", r.Why, r.Refused); err != nil {
		return nil, err
	}
	return c.record(ctx, who, actor.Command, id, func(k *Case) (Body, error) {
		return Body{Regime: &r}, k.fresh("regime "+r.ID, version, k.Stated("regime "+r.ID))
	})
}

// Start says when something happened that starts clocks: one of law.Triggers. version is the one that was read
// ([Case.Stated]), 0 where nothing was.
func (c *Cases) Start(ctx context.Context, who actor.Actor, id string, version int64, s Started) (*Case, error) {
	if err := may(who, actor.Command, id); err != nil {
		return nil, err
	}
	if !slices.Contains(law.Triggers(), s.Trigger) {
		return nil, hint.Add(fmt.Errorf("%w: %q starts no clock", ErrEntry, s.Trigger), "one of "+strings.Join(law.Triggers(), ", "))
	}
	if err := momentOK(s.At); err != nil {
		return nil, err
	}
	return c.record(ctx, who, actor.Command, id, func(k *Case) (Body, error) {
		return Body{Started: &s}, k.fresh("started "+s.Trigger, version, k.Stated("started "+s.Trigger))
	})
}

// DoneAt is when a clock was done, as it is recorded; false where it was not.
func (k *Case) DoneAt(clock string) (incident.Moment, bool) {
	m, ok := k.marked[clock]
	at, err := incident.ParseMoment(m.At, nil)
	return at, ok && m.State == "done" && err == nil
}

// DoneRecorded gives when it was recorded that what a clock asks for was done, whatever was said of when that was.
func (k *Case) DoneRecorded(clock string) (time.Time, bool) {
	r, ok := k.stated["clock "+clock]
	return r.RecordedAt, ok && k.marked[clock].State == "done"
}

// Know says that something is so, or is not so, that clocks depend on: one of law.Words. version is
// the one that was read ([Case.Stated]), 0 where nothing was.
func (c *Cases) Know(ctx context.Context, who actor.Actor, id string, version int64, n Knows) (*Case, error) {
	if err := may(who, actor.Command, id); err != nil {
		return nil, err
	}
	if !slices.Contains(law.Words(), n.Word) {
		return nil, hint.Add(fmt.Errorf("%w: no clock depends on %q", ErrEntry, n.Word), "one of "+strings.Join(law.Words(), ", "))
	}
	return c.record(ctx, who, actor.Command, id, func(k *Case) (Body, error) {
		return Body{Knows: &n}, k.fresh("knows "+n.Word, version, k.Stated("knows "+n.Word))
	})
}

// Mark says that a clock was done at a time, waits, or runs again. version is the one that was read ([Case.Stated]), 0 where nothing
// was. Errors: ErrNotFound where the case has no such clock; ErrEntry, *StaleError.
func (c *Cases) Mark(ctx context.Context, who actor.Actor, id string, version int64, m Marked) (*Case, error) {
	if err := may(who, actor.Command, id); err != nil {
		return nil, err
	}
	switch m.State {
	case "done":
		if m.At == "" {
			m.At = c.minute().String()
		}
		if err := momentOK(m.At); err != nil {
			return nil, err
		}
	case "suspended", "running":
		if err := textOK("a reason", m.Why, true); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("%w: a clock is done, suspended or running", ErrEntry)
	}
	_, clocks, err := c.Clocks(ctx, who, id)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(clocks.Clocks, func(k law.Clock) bool { return k.ID == m.ID && k.Promise != nil }) {
		return nil, hint.Add(fmt.Errorf("%w: %s is a promise, and what became of it is a fact", ErrEntry, m.ID),
			"record the action as kept or slipped, or publish the next notice")
	}
	if !slices.ContainsFunc(clocks.Clocks, func(k law.Clock) bool { return k.ID == m.ID }) {
		return nil, fmt.Errorf("%w: case %s has no clock %q", ErrNotFound, id, m.ID)
	}
	return c.record(ctx, who, actor.Command, id, func(k *Case) (Body, error) {
		return Body{Clock: &m}, k.fresh("clock "+m.ID, version, k.Stated("clock "+m.ID))
	})
}
