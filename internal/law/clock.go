// Package law says which clocks run after a breach, and when they are due. The laws are data: a file a regime, each rule
// with where it stands, what was read of it and tests of its own. What depends on something that nobody knows yet is
// counted as if it were so, and says what would have to be known: a deadline that was missed cannot be had back.
package law

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/law"
)

// ErrUnknown reports a regime that there is no file of.
var ErrUnknown = errors.New("there is no such regime")

// A Situation is what is known of a case as far as clocks depend on it.
type Situation struct {
	At        map[string]incident.Moment // when what starts clocks happened, by trigger
	Part      string                     // own, processor, client or joint; "" is own
	Persons   Number
	Residents map[string]Number // by place in lower case: us-ca, de
	Sector    string            // a word of the facts' vocabulary; "" is not known
	Known     map[string]bool   // what is known to be so, or not to be: words of conditions
	Done      map[string]incident.Moment
	Suspended map[string]bool // by clock: somebody recorded that it waits
}

// State says how a clock stands.
type State string

const (
	Running       State = "running"
	Waiting       State = "waiting"        // what starts it has not happened
	Overdue       State = "overdue"        // its limit has passed
	Done          State = "done"           // it was done
	Suspended     State = "suspended"      // it waits, as was recorded
	Freed         State = "freed"          // another clock that was done frees this one
	NotApplicable State = "not-applicable" // and Why says why
)

// A Clock is a rule that was started, or the reason why it was not.
type Clock struct {
	ID      string // regime and rule: jp-appi-kakuho
	Regime  *Regime
	Rule    *Rule
	Start   incident.Moment // zero: it waits
	Due     incident.Moment // zero: none follows; to the day, it is due at the day's end
	Early   incident.Moment // where a guideline's span begins; zero: it is no span
	State   State
	Why     language.Text // what decides: what makes it apply or not, or would have to be known
	Doubt   bool          // it depends on something that is not known
	Guessed bool          // days off in its way are computed, not official
	Promise *Promise      // where it is no law's, but a promise
}

// Verified reports whether the rule was read in its primary text.
func (c Clock) Verified() bool { return c.Rule.Read == Primary }

// Soft reports a guideline: what passes it is late by no law.
func (c Clock) Soft() bool { return c.Rule.Within.soft }

// Trigger says in both languages what starts the clock.
func (c Clock) Trigger() language.Text {
	if after, ok := strings.CutPrefix(c.Rule.Start, "after "); ok {
		for _, r := range c.Regime.Rules {
			if r.ID == after {
				return language.Text{JA: r.Name.JA + "の後", EN: "after: " + r.Name.EN}
			}
		}
	}
	t := triggers[c.Rule.Start]
	return language.Text{JA: t.ja, EN: t.en}
}

// A Book is all regimes that are known.
type Book struct {
	regimes   map[string]*Regime
	calendars map[string]*Calendar
}

// Open reads the regimes that are shipped, and those of further folders: a file NAME.yaml there takes the place of a
// shipped one of its name.
func Open(more ...fs.FS) (*Book, error) {
	b := &Book{regimes: map[string]*Regime{}, calendars: map[string]*Calendar{}}
	for name := range calendars {
		c, err := newCalendar(name)
		if err != nil {
			return nil, err
		}
		b.calendars[name] = c
	}
	ours, err := shipped()
	if err != nil {
		return nil, err
	}
	maps.Copy(b.regimes, ours)
	for _, dir := range more {
		own, err := readRegimes(dir)
		if err != nil {
			return nil, err
		}
		maps.Copy(b.regimes, own)
	}
	return b, nil
}

// shipped are the regimes that are in the program. They are read once, which takes longer than all else that a command begins with, and
// nobody changes them.
var shipped = sync.OnceValues(func() (map[string]*Regime, error) { return readRegimes(law.Files) })

func readRegimes(dir fs.FS) (map[string]*Regime, error) {
	files, err := fs.Glob(dir, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("read legal clocks: %w", err)
	}
	out := map[string]*Regime{}
	for _, name := range files {
		src, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, fmt.Errorf("read legal clocks: %w", err)
		}
		r, _, err := Parse(name, src)
		if err != nil {
			return nil, err
		}
		if r.ID != strings.TrimSuffix(path.Base(name), ".yaml") {
			return nil, fmt.Errorf("%w: %s: the regime %s stands in a file of its name", ErrFile, name, r.ID)
		}
		out[r.ID] = r
	}
	return out, nil
}

// Regime gives a regime by its id, or ErrUnknown.
func (b *Book) Regime(id string) (*Regime, error) {
	if r := b.regimes[id]; r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("%w: %q", ErrUnknown, id)
}

// Regimes are all there are, by id.
func (b *Book) Regimes() []*Regime {
	var out []*Regime
	for _, id := range slices.Sorted(maps.Keys(b.regimes)) {
		out = append(out, b.regimes[id])
	}
	return out
}

// A Proposed regime is one that facts speak for.
type Proposed struct {
	Regime *Regime
	Why    language.Text
}

// Propose gives the regimes that what is known speaks for.
func (b *Book) Propose(s Situation) []Proposed {
	var out []Proposed
	for _, r := range b.Regimes() {
		if k, by := r.proposed.of(s); k == yes && !r.proposed.empty() {
			out = append(out, Proposed{r, reason(by, yes)})
		}
	}
	return out
}

// Clocks gives the clocks of one regime as they stand at now.
func (b *Book) Clocks(r *Regime, s Situation, now time.Time) []Clock {
	return clocks(r, s, now, b.calendars[r.holidays])
}

// clocks gives one clock a rule: of a rule's versions the one that held when it started.
func clocks(r *Regime, s Situation, now time.Time, cal *Calendar) []Clock {
	var out []Clock
	done := map[string]bool{}
	for i := range r.Rules {
		rule := &r.Rules[i]
		start, started := begin(r, s, rule.Start)
		if !rule.holds(start, started, r.Zone, now) {
			continue
		}
		c := Clock{ID: r.ID + "-" + rule.ID, Regime: r, Rule: rule, Start: start, State: Running}
		c.stand(s, now, started, cal)
		done[rule.ID] = done[rule.ID] || c.State == Done
		out = append(out, c)
	}
	for i := range out {
		for _, by := range out[i].Rule.freedBy {
			if st := out[i].State; done[by] && (st == Running || st == Overdue || st == Waiting) {
				out[i].State = Freed
				out[i].Why = freeing(r, by)
			}
		}
	}
	return out
}

func freeing(r *Regime, by string) language.Text {
	for _, x := range r.Rules {
		if x.ID == by {
			return language.Text{JA: x.Name.JA + "を済ませたため", EN: "freed by: " + x.Name.EN}
		}
	}
	return language.Text{}
}

// begin gives what starts a clock: a trigger, or another rule's being done.
func begin(r *Regime, s Situation, start string) (incident.Moment, bool) {
	if after, ok := strings.CutPrefix(start, "after "); ok {
		m, done := s.Done[r.ID+"-"+after]
		return m, done
	}
	m, ok := s.At[start]
	return m, ok && !m.IsZero()
}

// holds reports whether this version of the rule is the one for a start; of one that waits, the one of today.
func (x *Rule) holds(start incident.Moment, started bool, zone *time.Location, now time.Time) bool {
	at := now.In(zone)
	if started {
		at = start.Time
		if start.Precision < incident.Day {
			at = at.In(zone)
		}
	}
	date := at.Format(time.DateOnly)
	return (x.From == "" || x.From <= date) && (x.Until == "" || date < x.Until) && (x.Status == InForce || x.Status == Voluntary || x.Status == Enacted && x.From != "" && x.From <= date)
}

// stand works out how the clock stands.
func (c *Clock) stand(s Situation, now time.Time, started bool, cal *Calendar) {
	part := s.Part
	if part == "" {
		part = "own"
	}
	if len(c.Rule.parts) > 0 && !slices.Contains(c.Rule.parts, part) {
		c.State, c.Why = NotApplicable, partWhy(c.Rule.parts)
		return
	}
	applies, by := c.Rule.when.of(s)
	c.Why, c.Doubt = reason(by, applies), applies == maybe
	if but, why := c.Rule.unless.of(s); !c.Rule.unless.empty() && but == yes {
		applies, c.Why, c.Doubt = no, reason(why, yes), false
	}
	if applies == no {
		c.State = NotApplicable
		return
	}
	if !started {
		c.State = Waiting
		return
	}
	var err error
	if c.Due, c.Guessed, err = c.Rule.Within.due(c.Start, c.Regime.Zone, cal); err != nil {
		c.Doubt = true
		return
	}
	if d := c.Rule.Within; d.low > 0 {
		d.n = d.low
		c.Early, _, _ = d.due(c.Start, c.Regime.Zone, cal)
	}
	if e := c.Rule.earlier; e != nil {
		if from, ok := begin(c.Regime, s, e.start); ok {
			if other, guessed, err := e.within.due(from, c.Regime.Zone, cal); err == nil && (c.Due.IsZero() || other.End().Before(c.Due.End())) {
				c.Due, c.Guessed = other, guessed
			}
		}
	}
	switch _, isDone := s.Done[c.ID]; {
	case isDone:
		c.State = Done
	case s.Suspended[c.ID]:
		c.State = Suspended
	case !c.Due.IsZero() && !now.Before(end(c.Due)):
		c.State = Overdue
	}
}

// end is when a due moment has passed.
func end(m incident.Moment) time.Time {
	if m.Precision == incident.Minute {
		return m.Time
	}
	return m.End()
}

// Left is how long there is until the clock is due, below zero afterwards.
func (c Clock) Left(now time.Time) time.Duration { return end(c.Due).Sub(now) }

// reason says in words what decides: what holds, what does not hold where the result is no, what would have to be known.
func reason(atoms []*atom, result known) language.Text {
	var ja, en []string
	for _, a := range atoms {
		j, e := a.words()
		if a.negate != (result == no) {
			j, e = j+"のではない", "not so: "+e
		}
		if !slices.Contains(en, e) {
			ja, en = append(ja, j), append(en, e)
		}
	}
	return language.Text{JA: strings.Join(ja, "、"), EN: strings.Join(en, "; ")}
}

// words says what an atom is about, without its not.
func (a *atom) words() (ja, en string) {
	switch {
	case a.op == "":
		w := words[a.word]
		return w.ja, w.en
	case a.word == "sector":
		return "業種: " + a.value, "sector: " + a.value
	}
	who, whom := "本人の数", "persons"
	if place, ok := strings.CutPrefix(a.word, "residents."); ok {
		who, whom = strings.ToUpper(place)+" の住民", "residents of "+strings.ToUpper(place)
	}
	if a.op == ">=" {
		return fmt.Sprintf("%sが%d人以上", who, a.n), fmt.Sprintf("%d %s or more", a.n, whom)
	}
	return fmt.Sprintf("%sが%d人を超える", who, a.n), fmt.Sprintf("more than %d %s", a.n, whom)
}

var partNames = map[string]incidentText{
	"own": {"自社の個人データの場合", "for data of one's own"}, "processor": {"委託先の場合", "for processors"},
	"client": {"委託元の場合", "for clients of a processor"}, "joint": {"共同の場合", "for joint controllers"},
}

func partWhy(list []string) language.Text {
	var ja, en []string
	for _, p := range list {
		ja, en = append(ja, partNames[p].ja), append(en, partNames[p].en)
	}
	return language.Text{JA: strings.Join(ja, "・") + "のみ", EN: "only " + strings.Join(en, ", ")}
}
