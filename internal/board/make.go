package board

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/contain/gate"
	"shirase/internal/contain/reset"
	"shirase/internal/enquiry"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/law"
	"shirase/internal/reach"
	"shirase/internal/response"
	"shirase/internal/roster"
	"shirase/internal/spread"
)

// Rooms are what a board is put together from. Those that are nil are not there, and said so.
type Rooms struct {
	Now       func() time.Time // that a board is as of; nil: this machine's
	Cases     *response.Cases
	Incidents *incident.Incidents
	Rosters   *roster.Rosters
	Gate      *gate.Gate
	Resets    *reset.Resets
	Campaigns *reach.Reach
	Desk      *enquiry.Desk
	Spread    *spread.Spread
	// Watching gives how many people are told of incidents to come.
	Watching func(ctx context.Context) (int64, error)
	Staff    int // who answer calls at once; 0: nobody has said
}

// How callers are answered, as the desk's own pages work it out: how long a call takes with what is written down after it, and how many are to
// be answered within how long.
const (
	callTakes  = 6 * time.Minute
	callWithin = time.Minute
	callPart   = 0.8
)

// maker puts one board together.
type maker struct {
	Rooms
	id     string
	now    time.Time
	out    *Board
	record *response.Case
	inc    incident.Incident
	words  []incident.Notice
	ro     *roster.Roster
	runs   []gate.Block
	hours  []reset.Hour
}

// make puts together everything but whom campaigns have told.
func (r Rooms) make(ctx context.Context, id string, now time.Time) (*Board, *roster.Roster, error) {
	m := &maker{Rooms: r, id: id, now: now}
	k, clocks, err := r.Cases.Clocks(ctx, actor.Server(), id)
	if err != nil {
		return nil, nil, err
	}
	m.record = k
	m.out = &Board{Case: id, Title: k.Declared.Title, Organisation: k.Declared.Organisation, Commander: k.Commander, At: now, Closed: k.Closed,
		Contradictions: []Contradiction{}, Promises: []Promise{}, Tasks: []Task{}, Asks: []Ask{}, Decisions: []Decision{}, Unknown: []language.Text{}}
	if m.inc, err = r.Incidents.Get(ctx, id); err != nil {
		return nil, nil, err
	}
	if m.words, err = r.Incidents.Notices(ctx, id); err != nil {
		return nil, nil, err
	}
	m.clocks(clocks)
	m.work(clocks)
	for _, part := range []func(context.Context) error{m.scope, m.containment, m.campaigns, m.reset, m.enquiries, m.spread, m.contradictions} {
		if err := part(ctx); err != nil {
			return nil, nil, fmt.Errorf("the board of %s: %w", id, err)
		}
	}
	m.silence()
	m.steps()
	m.unknown()
	return m.out, m.ro, nil
}

// clocks takes in the deadlines of law, and the promises.
func (m *maker) clocks(clocks *response.Clocks) {
	b := m.out
	b.Clocks.Next, b.Clocks.Met = []Clock{}, []Clock{}
	for _, c := range clocks.Clocks {
		if c.Promise != nil {
			p := c.Promise
			b.Promises = append(b.Promises, Promise{ID: p.ID, What: p.What, Due: p.Due, About: p.About, Kept: p.Kept, Fate: string(p.Fate(m.now))})
			continue
		}
		x := Clock{ID: c.ID, Name: c.Rule.Name, Due: c.Due, State: string(c.State), Verified: c.Verified(), Soft: c.Soft()}
		if !c.Due.IsZero() {
			x.End = c.End()
		}
		switch c.State {
		case law.Running, law.Overdue:
			if c.Due.IsZero() {
				b.Clocks.Waiting++
				continue
			}
			b.Clocks.Next = append(b.Clocks.Next, x)
		case law.Done:
			if mark, _, ok := m.record.Marking(c.ID); ok {
				x.Done, _ = incident.ParseMoment(mark.At, nil)
			}
			b.Clocks.Met = append(b.Clocks.Met, x)
		case law.Waiting, law.Suspended:
			b.Clocks.Waiting++
		}
	}
	b.Clocks.None = !slices.ContainsFunc(m.record.Regimes, func(r response.Regime) bool { return !r.Refused })
	slices.SortStableFunc(b.Clocks.Next, func(x, y Clock) int { return x.End.Compare(y.End) })
	slices.SortStableFunc(b.Promises, func(x, y Promise) int { return x.Due.Time.Compare(y.Due.Time) })
}

// work takes in tasks, what else is asked for, and what was decided.
func (m *maker) work(clocks *response.Clocks) {
	b, k := m.out, m.record
	for _, t := range k.Tasks {
		if t.Over() {
			continue
		}
		x := Task{ID: t.ID, Title: t.Title, Owner: t.Owner, State: t.State}
		if due, err := incident.ParseMoment(t.Due, nil); err == nil {
			if x.Due = due.Time; !due.Exact() {
				x.Due = due.End()
			}
			x.Late = !m.now.Before(x.Due)
		}
		b.Tasks = append(b.Tasks, x)
	}
	slices.SortStableFunc(b.Tasks, func(x, y Task) int { return dueFirst(x.Due, y.Due) })
	for _, n := range k.Next(m.now, clocks) {
		switch n.Kind {
		case "task", "unowned", "clock", "promise":
			continue
		}
		b.Asks = append(b.Asks, Ask{Kind: n.Kind, Text: n.Text, Due: n.Due, Late: n.Late})
	}
	for _, d := range slices.Backward(k.Decisions) {
		if d.Replaced == 0 {
			b.Decisions = append(b.Decisions, Decision{d.Version, d.Question, d.Decision.Decision, d.RecordedAt, d.RecordedBy})
		}
	}
}

// dueFirst puts what is due first before the rest, and what has no date last.
func dueFirst(a, b time.Time) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	}
	return a.Compare(b)
}

func figureOf(inc incident.Incident, key string) *Figure {
	f, ok := inc.Fact(key)
	if !ok || f.Value.Number == nil || f.Certainty == incident.Unknown {
		return nil
	}
	return &Figure{*f.Value.Number, f.Value.Unit, f.Value.Qualifier, f.AsOf}
}

// scope takes in who is affected: as the facts say, and as the roster has it.
func (m *maker) scope(ctx context.Context) error {
	s := &m.out.Scope
	s.State, s.Excluded = m.inc.State(), []Excluded{}
	s.Facts, s.BaseSaid = figureOf(m.inc, "affected.count"), figureOf(m.inc, "base.count")
	ro, err := m.Rosters.Latest(ctx, m.id)
	if errors.Is(err, roster.ErrNone) || errors.Is(err, roster.ErrShredded) {
		return nil
	}
	if err != nil {
		return err
	}
	m.ro = &ro
	c := ro.Counts
	s.Base, s.Affected, s.Other, s.AsOf = &c.Total, &c.Affected, c.Duplicates+c.Invalid, ro.Created
	for _, x := range c.Excluded {
		s.Excluded = append(s.Excluded, Excluded{x.Rule, x.Rows})
	}
	names, err := m.Rosters.Names(ctx, m.id)
	if err != nil {
		return err
	}
	n := 0
	for _, name := range names {
		if !strings.Contains(name, " ") { // those are of parties
			n++
		}
	}
	s.Revision = &n
	return nil
}

// containment takes in how the gate stands. What another case has closed is closed, and why is not told.
func (m *maker) containment(ctx context.Context) error {
	if m.Gate == nil {
		return nil
	}
	c := &Containment{Routes: []Route{}, Accounts: []Hold{}}
	status, err := m.Gate.Status(ctx, actor.Server())
	if err != nil {
		return err
	}
	for _, r := range status.Routes {
		c.Routes = append(c.Routes, Route{r.Name, string(r.State), r.Since, slices.Contains(r.Cases, m.id)})
	}
	if m.runs, err = m.Gate.History(ctx, actor.Server(), m.id); err != nil {
		return err
	}
	c.Ever = len(m.runs) > 0
	for _, b := range m.runs {
		if b.Route != "" || !b.Lifted.IsZero() {
			continue
		}
		done, err := m.Gate.Done(ctx, b)
		if err != nil {
			return err
		}
		c.Accounts = append(c.Accounts, Hold{string(b.Accounts), b.People, done, b.Since})
	}
	m.out.Containment = c
	return nil
}

// campaigns takes in how each campaign stands.
func (m *maker) campaigns(ctx context.Context) error {
	t := &m.out.Told
	t.Campaigns = []Campaign{}
	if m.ro != nil {
		t.Roster = &m.ro.Counts.Affected
	}
	if m.Campaigns == nil {
		return nil
	}
	all, err := m.Campaigns.List(ctx, actor.Server(), m.id)
	if err != nil {
		return err
	}
	for _, c := range slices.Backward(all) {
		n, err := m.Campaigns.Counts(ctx, actor.Server(), c.ID)
		if err != nil {
			return err
		}
		t.Begun = t.Begun || !c.Started.IsZero()
		t.Campaigns = append(t.Campaigns, Campaign{c.ID, string(c.Way()), c.Subject, string(c.State), n.Names(), n.Total()})
	}
	return nil
}

// reset takes in the forced reset.
func (m *maker) reset(ctx context.Context) error {
	if m.Resets == nil {
		return nil
	}
	s, err := m.Resets.Status(ctx, actor.Server(), m.id)
	if errors.Is(err, reset.ErrNotFound) || err == nil && s.State == "" && s.Accounts == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if m.hours, err = m.Resets.Hours(ctx, actor.Server(), m.id); err != nil {
		return err
	}
	r := &Reset{State: s.State, Since: s.Since, Promised: s.Promised, Unlisted: s.Unlisted}
	if s.Accounts > 0 {
		n := s.Counts
		r.Accounts = &s.Accounts
		r.Reset, r.Forced, r.Waiting = n.Of(reset.Reset), n.Of(reset.Forced), n.Of(reset.Waiting)
		r.Underway = n.Of(reset.Intended) + n.Of(reset.Deferred) + n.Of(reset.Resetting)
		r.Left = n.Of(reset.Gone) + n.Of(reset.Refused) + n.Of(reset.Unknown)
	}
	m.out.Reset = r
	return nil
}

// enquiries takes in what is asked, and what callers have to expect.
func (m *maker) enquiries(ctx context.Context) error {
	if m.Desk == nil {
		return nil
	}
	l, err := m.Desk.Load(ctx, m.id)
	if err != nil {
		return err
	}
	e := &Enquiries{Used: l.Used, Open: l.Open, Waiting: l.Waiting, Late: l.Late, Oldest: l.Oldest, Answered: l.Answered, LastHour: l.LastHour, LastDay: l.LastDay, Handlers: l.Handlers}
	m.out.Enquiries = e
	if m.Staff > 0 {
		e.Staff = &m.Staff
	}
	hours, err := m.Desk.Calls(ctx, actor.Server(), m.id, 7)
	if err != nil {
		return err
	}
	most := int64(0)
	for _, h := range hours {
		most = max(most, h.Most)
	}
	if most == 0 {
		return nil
	}
	calls := float64(most)
	needed := enquiry.Needed(calls, callTakes, callWithin, callPart)
	e.Calls, e.Needed = &calls, &needed
	if e.Staff != nil {
		w := enquiry.Expect(calls, callTakes, m.Staff, callWithin)
		if e.Grows = w.Mean < 0; !e.Grows {
			seconds := w.Mean.Seconds()
			e.Wait, e.Seconds = &w.Mean, &seconds
		}
	}
	return nil
}

// spread takes in where data is said to circulate, and who watches.
func (m *maker) spread(ctx context.Context) error {
	if m.Spread != nil {
		n, err := m.Spread.Counts(ctx, m.id)
		if err != nil {
			return err
		}
		m.out.Spread = &Spread{n.Reported, n.Known, n.TakenDown}
	}
	if m.Watching == nil {
		return nil
	}
	n, err := m.Watching(ctx)
	m.out.Watching = &n
	return err
}

// silence takes in when something was said in public: our notices, and what the facts say was said elsewhere.
func (m *maker) silence() {
	s := &m.out.Silence
	said := []time.Time{}
	for _, n := range m.words {
		said = append(said, n.Told()) // and not the time in it, which is of when it was proposed
	}
	also := m.inc.Listed("addendum")
	if f, ok := m.inc.Fact("disclosed"); ok {
		also = append(also, f)
	}
	for _, f := range also { // a day is no time from which a gap could be counted
		if t := f.Value.Time; t.Exact() && f.Certainty == incident.Confirmed && !t.Time.After(m.now) {
			said = append(said, t.Time)
		}
	}
	slices.SortFunc(said, time.Time.Compare)
	s.Words, s.Said = len(said), said
	known := m.record.Knowledge()
	switch {
	case len(said) == 0 && !m.out.Closed:
		s.Before = gap(known.Time, m.now)
	case len(said) > 0:
		s.First, s.Last = said[0], said[len(said)-1]
		if s.First.After(known.Time) {
			s.Before = gap(known.Time, s.First)
		}
		if !m.out.Closed {
			s.Current = gap(s.Last, m.now)
		}
	}
	for i := 1; i < len(said); i++ {
		if s.Longest == nil || said[i].Sub(said[i-1]) > s.Longest.Long() {
			s.Longest = gap(said[i-1], said[i])
		}
	}
	if s.Current != nil && (s.Longest == nil || s.Current.Long() > s.Longest.Long()) {
		s.Longest = s.Current
	}
	if f, ok := m.inc.Fact("next-update"); ok && f.Value.Word != incident.NoNext {
		s.Next = f.Value.Time
	}
}

// toMinute is an instant as a moment.
func toMinute(t time.Time) incident.Moment {
	return incident.Moment{Time: t.In(incident.Japan).Truncate(time.Minute), Precision: incident.Minute}
}

// steps derives the milestones from what is recorded. None is stored.
func (m *maker) steps() {
	b := m.out
	fact := func(keys ...string) (incident.Moment, string) {
		for _, key := range keys {
			if f, ok := m.inc.Fact(key); ok && !f.Value.Time.IsZero() && f.Certainty == incident.Confirmed {
				return f.Value.Time, key
			}
		}
		return incident.Moment{}, ""
	}
	add := func(id string, at incident.Moment, from string) { b.Steps = append(b.Steps, Step{id, at, from}) }
	at, from := fact("discovered")
	if at.IsZero() {
		at, from = m.record.Knowledge(), "case"
	}
	add(Noticed, at, from)

	at, from = fact("contained", "login-blocked")
	for _, x := range m.runs {
		if at.IsZero() && x.Route != "" {
			at, from = toMinute(x.Since), "gate"
		}
	}
	add(CutOff, at, from)

	at, from = incident.Moment{}, ""
	f, said := m.inc.Fact("scope.state")
	final := said && slices.Contains([]string{incident.StateFinal, incident.StateByMail, incident.StateRetired}, f.Value.Word)
	switch {
	case m.ro != nil && (final || !said):
		at, from = toMinute(m.ro.Created), "roster"
	case final:
		at, from = f.AsOf, "scope.state"
	}
	add(ScopeKnown, at, from)

	at, from = incident.Moment{}, ""
	if !b.Silence.First.IsZero() {
		at, from = toMinute(b.Silence.First), "notice"
	} else if at, from = fact("disclosed"); !at.IsZero() {
		from = "disclosed"
	}
	add(Published, at, from)

	at, from = fact("persons-notified")
	add(ToldStep, at, from) // what campaigns say is put in with their figures

	at, from = incident.Moment{}, ""
	if i := slices.IndexFunc(m.hours, func(h reset.Hour) bool { return h.State == reset.Opened }); i >= 0 { // and however often it was closed and reopened since
		at, from = toMinute(m.hours[i].At), "reset"
	}
	add(ResetOpen, at, from)

	at, from = fact("closed")
	if b.Closed {
		at, from = toMinute(m.record.ClosedAt), "case"
	}
	add(ClosedStep, at, from)
	b.phase()
}

// phase is the furthest milestone that was reached.
func (b *Board) phase() {
	for _, s := range b.Steps {
		if s.Reached() {
			b.Phase = s.ID
		}
	}
}

// wanted are the facts that a situation report says.
var wanted = []string{"discovered", "window.start", "contained", "cause", "affected.count", "data-class", "disclosed", "contact"}

// unknown lists what nobody knows, or nobody has recorded.
func (m *maker) unknown() {
	b := m.out
	say := func(ja, en string) { b.Unknown = append(b.Unknown, language.Both(ja, en)) }
	for _, key := range wanted {
		f, ok := m.inc.Fact(key)
		if key == "data-class" {
			ok = len(m.inc.Classes()) > 0
		}
		if !ok || f.Certainty == incident.Unknown {
			say(incident.KeyLabel(language.JA, key), incident.KeyLabel(language.EN, key))
		}
	}
	if b.Told.Roster == nil {
		say("対象者の名簿", "the roster of who is affected")
	}
	if b.Clocks.None {
		say("適用する法令", "which law applies")
	}
	if e := b.Enquiries; e != nil && e.Calls != nil && e.Staff == nil {
		say("電話に出る人数（enquiry.staff）", "how many answer calls (enquiry.staff)")
	}
}

// contradictions gathers what was said and is not so any more.
func (m *maker) contradictions(ctx context.Context) error {
	b := m.out
	add := func(c Contradiction) { b.Contradictions = append(b.Contradictions, c) }
	found, err := m.Incidents.Contradictions(ctx, m.id)
	if err != nil {
		return err
	}
	for _, c := range found {
		if !c.Open {
			add(Contradiction{Kind: "facts", Where: language.Both("事実", "facts"), What: c.Text})
		}
	}
	for _, c := range m.overturned() {
		add(c)
	}
	documents, err := m.Cases.Overturned(ctx, actor.Server(), m.id)
	if err != nil {
		return err
	}
	for _, d := range documents {
		for _, x := range d.Changes {
			add(Contradiction{Kind: "document", Where: language.Both(d.Title+"（"+d.To+"）", d.Title+" ("+d.To+")"), What: x.Name, Was: language.Same(x.Was), Is: language.Same(x.Is)})
		}
	}
	if f := b.Scope.Facts; f != nil && b.Scope.Affected != nil && f.Unit == "accounts" && cmp.Or(f.Qualifier, "exact") == "exact" && f.N != *b.Scope.Affected {
		add(Contradiction{Kind: "figure", Where: language.Both("事実と名簿", "facts and roster"), What: language.Text{JA: incident.KeyLabel(language.JA, "affected.count"), EN: incident.KeyLabel(language.EN, "affected.count")},
			Was: numbered(f.N), Is: numbered(*b.Scope.Affected)})
	}
	if m.Desk == nil {
		return nil
	}
	answers, err := m.Desk.Overtaken(ctx, actor.Server(), m.id)
	if err != nil {
		return err
	}
	for _, c := range answers {
		n := language.Number(language.JA, c.Answers)
		add(Contradiction{Kind: "answer", Where: language.Both("窓口の回答"+n+"件", language.Number(language.EN, c.Answers)+" answers of the desk"),
			What: language.Text{JA: incident.KeyLabel(language.JA, c.Fact), EN: incident.KeyLabel(language.EN, c.Fact)}, Was: language.Same(c.Was), Is: c.Is})
	}
	return nil
}

func numbered(n int64) language.Text {
	return language.Text{JA: language.Number(language.JA, n), EN: language.Number(language.EN, n)}
}

// overturned are the facts that published notices say otherwise than they stand now. One that nobody has published yet is no contradiction.
func (m *maker) overturned() []Contradiction {
	said := map[string]int64{} // by key and item: the version that said it last
	for _, n := range m.words {
		for _, f := range n.Facts {
			said[f.Key+" "+f.Item] = n.Version
		}
	}
	var out []Contradiction
	for _, was := range incident.Published(m.words) {
		if was.Retracted || was.Certainty == incident.Unknown {
			continue
		}
		version := strconv.FormatInt(said[was.Key+" "+was.Item], 10)
		c := Contradiction{Kind: "notice", Where: language.Both("公表した第"+version+"版", "version "+version+", as published"),
			What: language.Text{JA: incident.KeyLabel(language.JA, was.Key), EN: incident.KeyLabel(language.EN, was.Key)}, Was: language.Text{JA: was.In(language.JA), EN: was.In(language.EN)}}
		i := slices.IndexFunc(m.inc.Facts, func(f incident.Fact) bool { return f.Key == was.Key && f.Item == was.Item })
		switch {
		case i < 0:
			c.Is = language.Both("取り下げた", "taken back")
		case m.inc.Facts[i].In(language.JA) == was.In(language.JA) && m.inc.Facts[i].Certainty == was.Certainty:
			continue
		default:
			f := m.inc.Facts[i]
			c.Is = language.Text{JA: f.In(language.JA), EN: f.In(language.EN)}
		}
		out = append(out, c)
	}
	return out
}
