package response

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"shirase/internal/incident"
)

// A Case is what its entries say.
type Case struct {
	ID        string // that of its incident
	Declared  Declared
	At        time.Time // when it was declared
	Known     incident.Moment
	Commander string
	Entries   int64
	Head      Hash
	Closed    bool
	ClosedAt  time.Time
	ClosedFor Closed

	Regimes   []Regime // the last word on each, in the order in which they came up
	Questions []Asked
	Decisions []Decided
	Events    []Happening // by the time when they happened
	Reports   []Told
	Pastes    []Paste
	Tasks     []Todo
	Promises  []Promised
	Notes     []Noted
	Evidence  []Piece
	Proposals []Put // the last word on each
	Parties   []Concerned
	Statings  []StatedAt // the last word on each item
	Documents []SentAt   // that were sent, the oldest first
	started   map[string]incident.Moment
	knows     map[string]bool
	marked    map[string]Marked
	stated    map[string]Recorded // by what: commander, "regime jp-appi", "clock jp-appi-sokuho"
	log       []Entry
}

// Stated says when the last word on something was recorded that has no number of its own: "commander", "regime jp-appi",
// "clock jp-appi-sokuho", "started materiality", "knows wrongful". Before anybody has said anything of it, that is the declaration.
func (k *Case) Stated(what string) Recorded {
	if r, ok := k.stated[what]; ok {
		return r
	}
	return Recorded{Version: 1, RecordedAt: k.At, RecordedBy: k.declarer()}
}

func (k *Case) declarer() string {
	if len(k.log) == 0 {
		return ""
	}
	return k.log[0].By
}

// Recorded says when something was recorded, by whom, and its version: the number of the entry that says how it stands.
type Recorded struct {
	Version    int64     `json:"version"`
	RecordedAt time.Time `json:"recordedAt"`
	RecordedBy string    `json:"recordedBy"` // as it is kept; a person's pseudonym
}

// Happening is an event of the timeline as it stands.
type Happening struct {
	Event
	Recorded
	First   time.Time `json:"first"`            // when it was recorded first
	FirstBy string    `json:"firstBy,omitzero"` // and by whom
	when    time.Time
}

// Asked is a question as it stands.
type Asked struct {
	Question
	Recorded
}

// Decided is a decision; Replaced is the entry of the one that stands in its place, 0 where it stands itself.
type Decided struct {
	Decision
	Recorded
	Replaced int64 `json:"replaced,omitzero"`
}

// Told is a report from outside, with what came of it.
type Told struct {
	Report
	Recorded
	ID      int64     `json:"id"`
	Triaged *Recorded `json:"triaged,omitzero"` // nil: nobody has said whether it was the moment of knowledge
	Why     string    `json:"why,omitzero"`
}

// Paste is what was put in of a log or a chat, with what became of each candidate: the event that was made of it, -1 where it was
// passed over, 0 where nobody has said.
type Paste struct {
	Pasted
	Recorded
	ID     int64   `json:"id"`
	Became []int64 `json:"became"`
}

// Todo is a task as it stands.
type Todo struct {
	Task
	Recorded
}

// Promised is a promise as it stands.
type Promised struct {
	Promise
	Recorded
	Made time.Time `json:"made"`
}

// Noted is a remark.
type Noted struct {
	Note
	Recorded
}

// Piece is evidence with its chain of custody: the first link is when it was taken in.
type Piece struct {
	Evidence
	Recorded
	ID      int64  `json:"id"`
	Custody []Link `json:"custody"`
}

// Link is one link of a chain of custody.
type Link struct {
	Custody
	Recorded
}

// Concerned is a party as it stands, with what it was told and what of the scope is its part.
type Concerned struct {
	Party
	Recorded
	Told     []InformedAt `json:"told,omitzero"`
	Portions []PortionAt  `json:"portions,omitzero"` // the newest last
	claimed  bool         // it had a claim to be told, at some time
}

// InformedAt is what a party was told.
type InformedAt struct {
	Informed
	Recorded
}

// PortionAt is a party's part of the scope as it was made, or handed over.
type PortionAt struct {
	Portion
	Recorded
}

// StatedAt is what is said of an item as it stands.
type StatedAt struct {
	Stated
	Recorded
}

// SentAt is a document that was sent.
type SentAt struct {
	Sent
	Recorded
	ID int64 `json:"id"`
}

// Put is what became of a proposal.
type Put struct {
	Proposal
	Recorded
}

func newCase(id string) *Case {
	return &Case{ID: id, started: map[string]incident.Moment{}, knows: map[string]bool{}, marked: map[string]Marked{}, stated: map[string]Recorded{}}
}

// Log gives all entries, the oldest first.
func (k *Case) Log() []Entry { return slices.Clone(k.log) }

// apply takes in the next entry.
func (k *Case) apply(e Entry) error {
	data, err := e.canonical()
	if err != nil {
		return err
	}
	at, err := time.Parse(time.RFC3339, e.At)
	if err != nil {
		return err
	}
	if err := k.take(e, Recorded{Version: e.Seq, RecordedAt: at, RecordedBy: e.By}); err != nil {
		return err
	}
	k.log = append(k.log, e)
	k.Entries, k.Head = e.Seq, hashOf(data)
	return nil
}

func (k *Case) take(e Entry, r Recorded) (err error) {
	b := e.Body
	switch {
	case b.Declared != nil:
		k.Declared, k.Commander, k.At = *b.Declared, b.Declared.Commander, r.RecordedAt
		for _, id := range b.Declared.Regimes {
			k.Regimes = append(k.Regimes, Regime{ID: id})
		}
		k.Known, err = incident.ParseMoment(b.Declared.Known, nil)
	case b.Commander != nil:
		k.Commander = b.Commander.Name
		k.stated["commander"] = r
	case b.Regime != nil:
		k.Regimes = append(slices.DeleteFunc(k.Regimes, func(r Regime) bool { return r.ID == b.Regime.ID }), *b.Regime)
		k.stated["regime "+b.Regime.ID] = r
	case b.Started != nil:
		k.stated["started "+b.Started.Trigger] = r
		k.started[b.Started.Trigger], err = incident.ParseMoment(b.Started.At, nil)
	case b.Knows != nil:
		k.knows[b.Knows.Word] = b.Knows.Is
		k.stated["knows "+b.Knows.Word] = r
	case b.Clock != nil:
		k.marked[b.Clock.ID] = *b.Clock
		k.stated["clock "+b.Clock.ID] = r
	case b.Closed != nil:
		k.Closed, k.ClosedAt, k.ClosedFor = true, r.RecordedAt, *b.Closed
	case b.Event != nil:
		err = k.takeEvent(*b.Event, r)
	case b.Report != nil:
		t := Told{Report: *b.Report, Recorded: r, ID: e.Seq}
		if t.Knowledge != "" {
			t.Triaged = &r
		}
		k.Reports = append(k.Reports, t)
	case b.Triage != nil:
		i := slices.IndexFunc(k.Reports, func(t Told) bool { return t.ID == b.Triage.Report })
		if i < 0 {
			return fmt.Errorf("%w: there is no report %d", ErrChain, b.Triage.Report)
		}
		k.Reports[i].Knowledge, k.Reports[i].Why, k.Reports[i].Triaged, k.Reports[i].Version = b.Triage.Knowledge, b.Triage.Why, &r, r.Version
	case b.Pasted != nil:
		k.Pastes = append(k.Pastes, Paste{Pasted: *b.Pasted, Recorded: r, ID: e.Seq, Became: make([]int64, len(b.Pasted.Items))})
	case b.Passed != nil:
		for _, c := range b.Passed.Candidates {
			k.became(c, -1)
		}
	default:
		return k.takeWork(e, r)
	}
	return err
}

// takeWork takes in what people do, and what became of it.
func (k *Case) takeWork(e Entry, r Recorded) error {
	b := e.Body
	switch {
	case b.Question != nil:
		q := Asked{*b.Question, r}
		put(&k.Questions, q, q.ID, e.Seq, func(q *Asked) *int64 { return &q.ID })
	case b.Decision != nil:
		k.takeDecision(e, r)
	case b.Task != nil:
		k.Tasks = append(slices.DeleteFunc(k.Tasks, func(t Todo) bool { return t.ID == b.Task.ID }), Todo{*b.Task, r})
		slices.SortFunc(k.Tasks, func(a, b Todo) int { return int(a.ID - b.ID) })
	case b.Handed != nil:
		for i, t := range k.Tasks {
			if slices.Contains(b.Handed.Tasks, t.ID) {
				k.Tasks[i].Owner, k.Tasks[i].Recorded = b.Handed.To, r
			}
		}
	case b.Promise != nil:
		p := Promised{*b.Promise, r, r.RecordedAt}
		if i := slices.IndexFunc(k.Promises, func(o Promised) bool { return o.ID == p.ID }); p.ID != 0 && i >= 0 {
			p.Made = k.Promises[i].Made
		}
		put(&k.Promises, p, p.ID, e.Seq, func(p *Promised) *int64 { return &p.ID })
	case b.Note != nil:
		k.Notes = append(k.Notes, Noted{*b.Note, r})
	case b.Evidence != nil:
		k.Evidence = append(k.Evidence, Piece{Evidence: *b.Evidence, Recorded: r, ID: e.Seq, Custody: []Link{{Custody{Evidence: e.Seq, What: "taken-in"}, r}}})
	case b.Custody != nil:
		i := slices.IndexFunc(k.Evidence, func(p Piece) bool { return p.ID == b.Custody.Evidence })
		if i < 0 {
			return fmt.Errorf("%w: there is no evidence %d", ErrChain, b.Custody.Evidence)
		}
		k.Evidence[i].Custody = append(k.Evidence[i].Custody, Link{*b.Custody, r})
	case b.Party != nil, b.Informed != nil, b.Portion != nil:
		return k.takeParty(b, r)
	case b.Stated != nil:
		k.Statings = append(slices.DeleteFunc(k.Statings, func(s StatedAt) bool { return s.Item == b.Stated.Item }), StatedAt{*b.Stated, r})
	case b.Sent != nil:
		k.Documents = append(k.Documents, SentAt{*b.Sent, r, e.Seq})
	case b.Proposal != nil:
		i := slices.IndexFunc(k.Proposals, func(p Put) bool { return p.ID == b.Proposal.ID })
		if i < 0 {
			k.Proposals = append(k.Proposals, Put{*b.Proposal, r})
		} else {
			k.Proposals[i] = Put{*b.Proposal, r}
		}
	}
	return nil
}

// put puts an item in the place of the one of its number, or at the end under the number of its first entry.
func put[T any](list *[]T, item T, id, seq int64, of func(*T) *int64) {
	if id == 0 {
		*of(&item) = seq
		*list = append(*list, item)
		return
	}
	for i := range *list {
		if *of(&(*list)[i]) == id {
			(*list)[i] = item
		}
	}
}

func (k *Case) takeEvent(ev Event, r Recorded) error {
	from, _, err := when(ev.At)
	if err != nil {
		return err
	}
	h := Happening{Event: ev, Recorded: r, First: r.RecordedAt, FirstBy: r.RecordedBy, when: from}
	if ev.ID == 0 {
		h.ID = r.Version
		k.became(ev.From, h.ID)
	} else if i := slices.IndexFunc(k.Events, func(o Happening) bool { return o.ID == ev.ID }); i >= 0 {
		h.First, h.FirstBy = k.Events[i].First, k.Events[i].FirstBy
		k.Events = slices.Delete(k.Events, i, i+1)
	}
	k.Events = append(k.Events, h)
	slices.SortStableFunc(k.Events, func(a, b Happening) int {
		if c := a.when.Compare(b.when); c != 0 {
			return c
		}
		return int(a.ID - b.ID)
	})
	return nil
}

func (k *Case) takeDecision(e Entry, r Recorded) {
	d := *e.Body.Decision
	if d.Replaces != 0 {
		for i := range k.Decisions {
			if k.Decisions[i].Version == d.Replaces {
				k.Decisions[i].Replaced = e.Seq
			}
		}
	}
	for i := range k.Questions {
		if k.Questions[i].ID == d.Of && d.Of != 0 {
			k.Questions[i].State, k.Questions[i].Recorded = "decided", r
		}
	}
	k.Decisions = append(k.Decisions, Decided{Decision: d, Recorded: r})
}

// became notes what a candidate became: "12.3" is the third of the paste of entry 12.
func (k *Case) became(candidate string, event int64) {
	if p, n, ok := k.candidate(candidate); ok {
		p.Became[n] = event
	}
}

func (k *Case) candidate(name string) (*Paste, int, bool) {
	var paste int64
	var n int
	if !strings.Contains(name, ".") {
		return nil, 0, false
	}
	if _, err := fmt.Sscanf(name, "%d.%d", &paste, &n); err != nil || name != fmt.Sprintf("%d.%d", paste, n) {
		return nil, 0, false
	}
	i := slices.IndexFunc(k.Pastes, func(p Paste) bool { return p.ID == paste })
	if i < 0 || n < 1 || n > len(k.Pastes[i].Items) {
		return nil, 0, false
	}
	return &k.Pastes[i], n - 1, true
}

// Seen says who looked at the case, on which days.
func (k *Case) Seen() []Entry {
	return slices.DeleteFunc(k.Log(), func(e Entry) bool { return e.Body.Seen == nil })
}

// when reads the time of an event: a moment, or RFC 3339 with seconds and up to six digits of their fraction. precision is
// second, minute, hour, day, month or year.
func when(s string) (from time.Time, precision string, err error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil && len(s) <= 40 && t.Nanosecond()%1000 == 0 {
		return t, "second", nil
	}
	if m, err := incident.ParseMoment(s, nil); err == nil {
		return m.Time, [...]string{"", "minute", "hour", "day", "month", "year"}[m.Precision], nil
	}
	return from, "", fmt.Errorf("%w: a time with its zone is wanted, like 2026-08-20T10:09+09:00 or 2026-08-20T10:09:30+09:00, and not %q", ErrEntry, s)
}

// Precision says how exactly the time of an event is known: second, minute, hour, day, month or year.
func (e Event) Precision() string {
	_, p, err := when(e.At)
	if err != nil {
		return ""
	}
	return p
}
