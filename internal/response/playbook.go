package response

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	strict "shirase/internal/yaml"
)

//go:embed playbooks/*.yaml
var shipped embed.FS

// A Playbook is what a case begins with: a file, one's own or shipped.
type Playbook struct {
	ID   string `yaml:"-"`
	Own  bool   `yaml:"-"` // it lies in the data folder, and stands in the place of a shipped one of its name
	Name Words  `yaml:"name"`

	Update    string     `yaml:"update"` // within which time more is promised; "" promises nothing
	Tasks     []PlayTask `yaml:"tasks"`
	Questions []PlayAsk  `yaml:"questions"`
}

// Words are a text in both languages; one of them stands for both.
type Words struct {
	JA string `yaml:"ja"`
	EN string `yaml:"en"`
}

// both gives the text as it is recorded: a case is read in either language.
func (w Words) both() string {
	return language.Both(w.JA, w.EN).Record()
}

// PlayTask is a task that a playbook opens.
type PlayTask struct {
	Words  `yaml:",inline"`
	Within string `yaml:"within"` // since From: 30m, 4h, 2d; "" has no time
	From   string `yaml:"from"`   // declaration, or knowledge: when any department knew first; "" is declaration
	Owner  string `yaml:"owner"`
}

// PlayAsk is a question that a playbook puts.
type PlayAsk struct {
	Words   `yaml:",inline"`
	Within  string  `yaml:"within"`
	From    string  `yaml:"from"`
	Options []Words `yaml:"options"`
}

// Limits of a playbook.
const (
	maxPlaybook = 128 << 10 // bytes
	maxItems    = 200
)

// Finding is what is wrong with a playbook's file.
type Finding struct {
	Line   int    `json:"line"` // from 1; 0 where it is the file as a whole
	What   string `json:"what"`
	Remedy string `json:"remedy,omitzero"`
}

// ErrPlaybook says that a playbook's file is not one.
var ErrPlaybook = errors.New("it is no playbook that can be used")

var within = regexp.MustCompile(`^([1-9]\d{0,3})([mhd])$`)

// span reads 30m, 4h or 2d.
func span(s string) (time.Duration, bool) {
	m := within.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	n := 0
	fmt.Sscan(m[1], &n)
	return time.Duration(n) * map[string]time.Duration{"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[m[2]], true
}

// ParsePlaybook reads a playbook and says what is wrong with it, each thing with its line. Errors: ErrPlaybook, with at least one
// finding.
func ParsePlaybook(id string, src []byte) (*Playbook, []Finding, error) {
	tree, err := strict.Parse(src, maxPlaybook)
	if err != nil {
		var e *strict.Error
		if errors.As(err, &e) {
			return nil, []Finding{{e.Line, e.Problem, e.Remedy}}, ErrPlaybook
		}
		return nil, nil, err
	}
	if tree == nil {
		return nil, []Finding{{0, "it is empty", "it wants tasks: see docs/handbook/cases.md"}}, ErrPlaybook
	}
	p := &Playbook{ID: id}
	if err := yaml.NodeToValue(tree, p, yaml.Strict()); err != nil {
		f := Finding{What: "it is not of a playbook's form", Remedy: "its keys are name, update, tasks (ja, en, within, from, owner) and questions (ja, en, within, from, options)"}
		var e yaml.Error
		if errors.As(err, &e) {
			f.What = e.GetMessage()
			if t := e.GetToken(); t != nil && t.Position != nil {
				f.Line = t.Position.Line
			}
		}
		return nil, []Finding{f}, ErrPlaybook
	}
	if found := p.check(tree); len(found) > 0 {
		return nil, found, ErrPlaybook
	}
	return p, nil, nil
}

// check finds what is wrong with what the file says.
func (p *Playbook) check(tree ast.Node) []Finding {
	var out []Finding
	line := func(at string) int {
		path, err := yaml.PathString(at)
		if err != nil {
			return 0
		}
		n, err := path.FilterNode(tree)
		if err != nil || n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
			return 0
		}
		return n.GetToken().Position.Line
	}
	bad := func(at, what, remedy string) { out = append(out, Finding{line(at), what, remedy}) }
	text := func(at string, w Words) {
		if w.JA == "" && w.EN == "" {
			bad(at, "it has no text", "say it in ja or en, or in both")
		}
		if err := textOK("a text", w.both(), false); err != nil || strings.Contains(w.both(), "\n") || len(w.both()) > 1000 {
			bad(at, "its text is too long, or has characters that no line has", "one line of at most 1,000 bytes")
		}
	}
	spans := func(at, s string) {
		if _, ok := span(s); s != "" && !ok {
			bad(at, fmt.Sprintf("%q is no span of time", s), "write 30m, 4h or 2d")
		}
	}
	from := func(at, s string) {
		if s != "" && s != "declaration" && s != "knowledge" {
			bad(at, fmt.Sprintf("%q is nothing that time counts from", s), "write declaration, or knowledge: when any department knew first")
		}
	}
	if len(p.Tasks) == 0 {
		bad("$", "it opens no tasks", "list them below tasks")
	}
	if len(p.Tasks) > maxItems || len(p.Questions) > maxItems {
		bad("$", fmt.Sprintf("it has more than %d tasks or questions", maxItems), "nobody could work through them")
	}
	spans("$.update", p.Update)
	for i, t := range p.Tasks {
		at := fmt.Sprintf("$.tasks[%d]", i)
		text(at, t.Words)
		spans(at+".within", t.Within)
		from(at+".from", t.From)
		if err := textOK("an owner", t.Owner, false); err != nil || len(t.Owner) > 200 {
			bad(at+".owner", "its owner is too long", "a name")
		}
		if j := slices.IndexFunc(p.Tasks[:i], func(o PlayTask) bool { return o.Words == t.Words }); j >= 0 {
			bad(at, fmt.Sprintf("it is the task %d again", j+1), "leave one away")
		}
	}
	for i, q := range p.Questions {
		at := fmt.Sprintf("$.questions[%d]", i)
		text(at, q.Words)
		spans(at+".within", q.Within)
		from(at+".from", q.From)
		for j, o := range q.Options {
			text(fmt.Sprintf("%s.options[%d]", at, j), o)
		}
	}
	return out
}

// ListPlaybooks gives the playbooks by id, one's own in the place of shipped ones of the same name. A file of one's own that is none is
// an error: whoever wrote it counts on it.
func (c *Cases) ListPlaybooks() ([]*Playbook, error) {
	var out []*Playbook
	seen := map[string]bool{}
	for _, from := range []struct {
		fs  fs.FS
		own bool
	}{{c.Playbooks, true}, {shippedFS(), false}} {
		if from.fs == nil {
			continue
		}
		names, err := fs.Glob(from.fs, "*.yaml")
		if err != nil {
			return nil, fmt.Errorf("list playbooks: %w", err)
		}
		for _, name := range names {
			id := strings.TrimSuffix(name, ".yaml")
			if seen[id] {
				continue
			}
			p, err := openPlaybook(from.fs, id)
			if err != nil {
				return nil, err
			}
			p.Own, seen[id] = from.own, true
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *Playbook) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

func shippedFS() fs.FS {
	sub, err := fs.Sub(shipped, "playbooks")
	if err != nil {
		panic(err) // it is in the program
	}
	return sub
}

func openPlaybook(from fs.FS, id string) (*Playbook, error) {
	src, err := fs.ReadFile(from, id+".yaml")
	if err != nil {
		return nil, fmt.Errorf("read playbook %s: %w", id, err)
	}
	p, found, err := ParsePlaybook(id, src)
	if err != nil && len(found) > 0 {
		return nil, hint.Add(fmt.Errorf("playbook %s, line %d: %w: %s", id, found[0].Line, err, found[0].What), "shirase case playbook check FILE says all that is wrong")
	}
	return p, err
}

// playbook gives a playbook by its name; an empty one for "".
func (c *Cases) playbook(name string) (*Playbook, error) {
	if name == "" {
		return &Playbook{}, nil
	}
	if path.Base(name) == name && !strings.ContainsAny(name, `*?[\/`) {
		for _, from := range []fs.FS{c.Playbooks, shippedFS()} {
			if from == nil {
				continue
			}
			p, err := openPlaybook(from, name)
			if !errors.Is(err, fs.ErrNotExist) {
				return p, err
			}
		}
	}
	list, err := c.ListPlaybooks()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, p := range list {
		names = append(names, p.ID)
	}
	return nil, hint.Add(fmt.Errorf("%w: there is no playbook %q", ErrEntry, name), "one of "+strings.Join(names, ", "))
}

// opens gives the entries that a playbook begins a case with, and the promise of the next update.
func (p *Playbook) opens(d Declaration, now time.Time) []Body {
	due := func(s, from string) string {
		w, ok := span(s)
		if !ok {
			return ""
		}
		start := now
		if from == "knowledge" { // one that is known to the day begins with that day: nobody is given time that may not be there
			start = d.Known.Time
		}
		return incident.Moment{Time: start.Add(w).UTC().Truncate(time.Minute), Precision: incident.Minute}.String()
	}
	var out []Body
	for i, t := range p.Tasks {
		out = append(out, Body{Task: &Task{ID: int64(i + 1), Title: t.both(), State: "open", Owner: t.Owner, Due: due(t.Within, t.From)}})
	}
	for _, q := range p.Questions {
		ask := &Question{Question: q.both(), State: "open", Due: due(q.Within, q.From)}
		for _, o := range q.Options {
			ask.Options = append(ask.Options, o.both())
		}
		out = append(out, Body{Question: ask})
	}
	update := due(p.Update, "")
	if !d.Update.IsZero() {
		update = incident.Moment{Time: d.Update.UTC().Truncate(time.Minute), Precision: incident.Minute}.String()
	}
	if update != "" {
		out = append(out, Body{Promise: &Promise{Text: nextUpdate, Due: update, State: "open"}})
	}
	return out
}
