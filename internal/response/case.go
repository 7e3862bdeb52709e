package response

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
)

// A Case is what its entries say.
type Case struct {
	ID       string // that of its incident
	Declared Declared
	At       time.Time // when it was declared
	Known    incident.Moment
	Entries  int64
	Head     Hash
	Closed   bool

	Regimes   []Regime // the last word on each, in the order in which they came up
	Decisions []Entry
	Events    []Entry
	Reports   []Entry
	Tasks     []Task // as they stand
	started   map[string]incident.Moment
	knows     map[string]bool
	marked    map[string]Marked
	log       []Entry
}

func newCase(id string) *Case {
	return &Case{ID: id, started: map[string]incident.Moment{}, knows: map[string]bool{}, marked: map[string]Marked{}}
}

// Log gives all entries, the oldest first.
func (k *Case) Log() []Entry { return slices.Clone(k.log) }

// apply takes in the next entry.
func (k *Case) apply(e Entry) error {
	data, err := e.canonical()
	if err != nil {
		return err
	}
	b := e.Body
	switch {
	case b.Declared != nil:
		if k.Known, err = incident.ParseMoment(b.Declared.Known, nil); err != nil {
			return err
		}
		k.Declared = *b.Declared
		if k.At, err = time.Parse(time.RFC3339, e.At); err != nil {
			return err
		}
		for _, r := range b.Declared.Regimes {
			k.Regimes = append(k.Regimes, Regime{ID: r})
		}
	case b.Regime != nil:
		k.Regimes = append(slices.DeleteFunc(k.Regimes, func(r Regime) bool { return r.ID == b.Regime.ID }), *b.Regime)
	case b.Started != nil:
		m, err := incident.ParseMoment(b.Started.At, nil)
		if err != nil {
			return err
		}
		k.started[b.Started.Trigger] = m
	case b.Knows != nil:
		k.knows[b.Knows.Word] = b.Knows.Is
	case b.Clock != nil:
		k.marked[b.Clock.ID] = *b.Clock
	case b.Decision != nil:
		k.Decisions = append(k.Decisions, e)
	case b.Event != nil:
		k.Events = append(k.Events, e)
	case b.Report != nil:
		k.Reports = append(k.Reports, e)
	case b.Task != nil:
		k.Tasks = append(slices.DeleteFunc(k.Tasks, func(t Task) bool { return t.ID == b.Task.ID }), *b.Task)
		slices.SortFunc(k.Tasks, func(a, b Task) int { return int(a.ID - b.ID) })
	case b.Closed != nil:
		k.Closed = true
	}
	k.log = append(k.log, e)
	k.Entries, k.Head = e.Seq, hashOf(data)
	return nil
}

// A Declaration is what is known when a case begins.
type Declaration struct {
	ID           string // of the incident; "" makes one of the organisation's name and the date
	Title        string
	Organisation string
	Known        incident.Moment // when any department knew
	Part         string          // own, processor, client, joint; "" is own
	Illicit      bool            // a wrongful purpose is possible
	Persons      int64           // as far as known; 0: not known
	Commander    string
	Regimes      []string
	Playbook     string // "" opens no tasks
}

const maxText = 20_000 // characters

func textOK(what, s string, wanted bool) error {
	switch {
	case wanted && strings.TrimSpace(s) == "":
		return fmt.Errorf("%w: %s is wanted", ErrEntry, what)
	case !utf8.ValidString(s) || utf8.RuneCountInString(s) > maxText:
		return fmt.Errorf("%w: %s is at most %d characters of text", ErrEntry, what, maxText)
	}
	for _, r := range s {
		if unicode.IsControl(r) && r != '\n' && r != '\t' || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return fmt.Errorf("%w: %s has a control character", ErrEntry, what)
		}
	}
	return nil
}

var parts = []string{"own", "processor", "client", "joint"}

// Declare opens a case: its incident is recorded as a draft, its regimes start their clocks, and the tasks of its playbook
// are opened. Nothing of it is public.
//
// Errors: ErrEntry, law.ErrUnknown; those of recording an incident.
func (c *Cases) Declare(ctx context.Context, who actor.Actor, d Declaration) (*Case, error) {
	if err := who.Check("declare a case"); err != nil {
		return nil, err
	}
	if d.Part == "" {
		d.Part = "own"
	}
	if err := c.checkDeclaration(&d); err != nil {
		return nil, err
	}
	tasks, err := playbook(d.Playbook)
	if err != nil {
		return nil, err
	}
	named := d.ID != ""
	for n := 1; ; n++ {
		if !named {
			d.ID = proposedID(d, n)
		}
		file, err := draft(d)
		if err != nil {
			return nil, err
		}
		if _, err = c.incidents.Create(ctx, who, file); err == nil {
			break
		}
		inc, e := c.incidents.Get(ctx, d.ID)
		if e != nil || n == maxSameDay {
			return nil, fmt.Errorf("declare a case: %w", err)
		}
		// An incident that has no case yet gets one: it was recorded before, or by a declaration that did not end.
		free, e := c.free(ctx, inc)
		if e != nil {
			return nil, e
		}
		if free && (named || inc.Title("en") == d.Title && inc.Organisation("en") == d.Organisation) {
			break
		}
		if named {
			return nil, fmt.Errorf("declare a case: %w", err)
		}
	}
	return c.add(ctx, who, d.ID, true, func(k *Case) ([]Body, error) {
		if k.Entries > 0 {
			return nil, fmt.Errorf("%w: it was declared before", ErrEntry)
		}
		out := []Body{{Declared: &Declared{Title: d.Title, Organisation: d.Organisation, Known: d.Known.String(), Part: d.Part, Illicit: d.Illicit,
			Persons: d.Persons, Commander: d.Commander, Regimes: d.Regimes, Playbook: d.Playbook}}}
		for i, t := range tasks {
			out = append(out, Body{Task: &Task{ID: int64(i + 1), Title: t, State: "open"}})
		}
		return out, nil
	})
}

// maxSameDay is how many cases of one organisation get their id from one day.
const maxSameDay = 50

// free reports whether an incident is one's own and has no case.
func (c *Cases) free(ctx context.Context, inc incident.Incident) (bool, error) {
	var n int
	if err := c.db.QueryRowContext(ctx, `SELECT count(*) FROM response_case WHERE id = $1`, inc.ID).Scan(&n); err != nil {
		return false, fmt.Errorf("declare a case: %w", err)
	}
	_, imported, err := c.incidents.Provenance(ctx, inc.ID)
	return n == 0 && !imported, err
}

func (c *Cases) checkDeclaration(d *Declaration) error {
	for what, s := range map[string]string{"a title": d.Title, "an organisation": d.Organisation} {
		if err := textOK(what, s, true); err != nil {
			return err
		}
	}
	switch {
	case d.Known.IsZero() || d.Known.Precision > incident.Day:
		return hint.Add(fmt.Errorf("%w: when it was known is wanted, to the day at least", ErrEntry), "when any department knew first, for example 2026-08-20T10:09+09:00")
	case d.Known.Time.After(c.now().Add(time.Hour)):
		return fmt.Errorf("%w: it was known at %s, which has not come yet", ErrEntry, d.Known)
	case !slices.Contains(parts, d.Part):
		return fmt.Errorf("%w: part %q is none of %s", ErrEntry, d.Part, strings.Join(parts, ", "))
	case d.Persons < 0:
		return fmt.Errorf("%w: a number of persons is not below zero", ErrEntry)
	case d.ID != "" && !incident.ValidID(d.ID):
		return fmt.Errorf("%w: an id is 1 to 64 of a-z, 0-9 and -", ErrEntry)
	}
	for _, id := range d.Regimes {
		if _, err := c.regime(id); err != nil {
			return err
		}
	}
	return nil
}

var notID = regexp.MustCompile(`[^a-z0-9-]+`)

// proposedID is the organisation's name and the day; n counts where there are several.
func proposedID(d Declaration, n int) string {
	name := strings.Trim(notID.ReplaceAllString(incident.ItemID(d.Organisation), "-"), "-")
	id := strings.Trim(name[:min(len(name), 45)], "-") + "-" + d.Known.Time.Format("2006-01-02")
	if n > 1 {
		id += "-" + strconv.Itoa(n)
	}
	return strings.TrimPrefix(id, "-")
}

// draft is the incident as it is known when the case begins.
func draft(d Declaration) (*incident.FactsFile, error) {
	facts := []map[string]any{
		{"key": "title", "value": d.Title}, {"key": "organisation", "value": d.Organisation},
		{"key": "discovered", "value": d.Known.String()}, {"key": "scope.state", "value": "investigating"},
	}
	if d.Persons > 0 {
		facts = append(facts, map[string]any{"key": "affected.count", "value": d.Persons, "unit": "persons", "qualifier": "about", "certainty": "possible"})
	}
	src, err := yaml.Marshal(map[string]any{"id": d.ID, "facts": facts})
	if err != nil {
		return nil, fmt.Errorf("declare a case: %w", err)
	}
	return incident.ParseFactsFile("the declaration", src)
}

// record adds one entry to an open case.
func (c *Cases) record(ctx context.Context, who actor.Actor, id string, make func(k *Case) (Body, error)) (*Case, error) {
	return c.add(ctx, who, id, false, func(k *Case) ([]Body, error) {
		if k.Closed {
			return nil, ErrClosed
		}
		b, err := make(k)
		return []Body{b}, err
	})
}

// Decide records a decision, with the facts it rests on as they stand: keys of the case's incident, each of which has to
// be known.
func (c *Cases) Decide(ctx context.Context, who actor.Actor, id string, d Decision) (*Case, error) {
	for what, s := range map[string]string{"a question": d.Question, "a decision": d.Decision} {
		if err := textOK(what, s, true); err != nil {
			return nil, err
		}
	}
	if err := textOK("a reason", d.Why, false); err != nil {
		return nil, err
	}
	inc, err := c.incidents.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	for i, key := range d.Facts {
		stood, err := asItStands(inc, key)
		if err != nil {
			return nil, err
		}
		d.Facts[i] = stood
	}
	return c.record(ctx, who, id, func(*Case) (Body, error) { return Body{Decision: &d}, nil })
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

// AddEvent records what happened, at its own time.
func (c *Cases) AddEvent(ctx context.Context, who actor.Actor, id string, e Event) (*Case, error) {
	if err := momentOK(e.At); err != nil {
		return nil, err
	}
	if err := textOK("a text", e.Text, true); err != nil {
		return nil, err
	}
	if err := textOK("a source", e.Source, false); err != nil {
		return nil, err
	}
	return c.record(ctx, who, id, func(*Case) (Body, error) { return Body{Event: &e}, nil })
}

func momentOK(s string) error {
	if _, err := incident.ParseMoment(s, nil); err != nil {
		return fmt.Errorf("%w: a time with its zone is wanted, like 2026-08-20T10:09+09:00: %w", ErrEntry, err)
	}
	return nil
}

var reporters = []string{"customer", "researcher", "partner", "police", "other"}

// AddReport records what somebody outside told. Where it was the moment of knowledge and earlier than the one that is
// recorded, the case's clocks start at it.
func (c *Cases) AddReport(ctx context.Context, who actor.Actor, id string, r Report) (*Case, error) {
	if err := momentOK(r.At); err != nil {
		return nil, err
	}
	if err := textOK("a text", r.Text, true); err != nil {
		return nil, err
	}
	if !slices.Contains(reporters, r.From) {
		return nil, fmt.Errorf("%w: it is from one of %s", ErrEntry, strings.Join(reporters, ", "))
	}
	if !slices.Contains([]string{"", "yes", "no"}, r.Knowledge) {
		return nil, fmt.Errorf("%w: whether it was the moment of knowledge is yes or no", ErrEntry)
	}
	return c.record(ctx, who, id, func(*Case) (Body, error) { return Body{Report: &r}, nil })
}

// AddTask opens a task; change fills it in.
func (c *Cases) AddTask(ctx context.Context, who actor.Actor, id string, change func(t *Task)) (*Case, error) {
	return c.task(ctx, who, id, 0, change)
}

// ChangeTask changes a task that there is; ErrNotFound.
func (c *Cases) ChangeTask(ctx context.Context, who actor.Actor, id string, task int64, change func(t *Task)) (*Case, error) {
	return c.task(ctx, who, id, task, change)
}

func (c *Cases) task(ctx context.Context, who actor.Actor, id string, task int64, change func(t *Task)) (*Case, error) {
	return c.record(ctx, who, id, func(k *Case) (Body, error) {
		t := Task{ID: 1, State: "open"}
		if n := len(k.Tasks); n > 0 {
			t.ID = k.Tasks[n-1].ID + 1
		}
		if task != 0 {
			i := slices.IndexFunc(k.Tasks, func(o Task) bool { return o.ID == task })
			if i < 0 {
				return Body{}, fmt.Errorf("%w: task %d", ErrNotFound, task)
			}
			t = k.Tasks[i]
		}
		change(&t)
		if err := textOK("a title", t.Title, true); err != nil {
			return Body{}, err
		}
		for what, s := range map[string]string{"an owner": t.Owner, "a note": t.Note} {
			if err := textOK(what, s, false); err != nil {
				return Body{}, err
			}
		}
		if t.Due != "" {
			if err := momentOK(t.Due); err != nil {
				return Body{}, err
			}
		}
		if !slices.Contains([]string{"open", "done", "dropped"}, t.State) {
			return Body{}, fmt.Errorf("%w: a task is open, done or dropped", ErrEntry)
		}
		return Body{Task: &t}, nil
	})
}

// Close ends the case: nothing more is recorded in it.
func (c *Cases) Close(ctx context.Context, who actor.Actor, id, why string) (*Case, error) {
	if err := textOK("a reason", why, true); err != nil {
		return nil, err
	}
	return c.record(ctx, who, id, func(*Case) (Body, error) { return Body{Closed: &Closed{why}}, nil })
}
