// Package exercise rehearses an incident before it happens: a scenario is replayed by a clock of its own, tells its events as
// their time comes and asks for decisions, and at the end the answer of the team is measured beside that of the real case and
// those of an archive.
//
// What the team does it does with the program itself, in a data folder that is an exercise's for ever: cases, facts, decisions,
// notices. The measures are read from those, and there is no second book of the game.
package exercise

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"shirase/internal/incident"
	"shirase/internal/language"
	strict "shirase/internal/yaml"
)

//go:embed scenarios/*.yaml
var shipped embed.FS

// Errors of this package.
var (
	// ErrScenario says that a file is no scenario that can be played.
	ErrScenario = errors.New("it is no scenario that can be played")
	// ErrNone says that there is no such scenario, or no exercise here.
	ErrNone = errors.New("there is no such exercise")
	// ErrOver says that an exercise has ended.
	ErrOver = errors.New("the exercise has ended")
	// ErrOther says that another scenario is played here, or that it has changed since it was begun.
	ErrOther = errors.New("another scenario is played here")
	// ErrAnswer says that an answer is none.
	ErrAnswer = errors.New("that is no answer")
)

// Version is that of the form of scenarios.
const Version = 1

// Scenario is a file: what happens in an exercise, and when.
type Scenario struct {
	Form   int     `yaml:"scenario"`
	ID     string  `yaml:"id"`
	Title  Words   `yaml:"title"`
	About  Words   `yaml:"about"`
	Source string  `yaml:"source"` // where the real case can be read up; "" where there is none
	Start  string  `yaml:"start"`  // of the real case, or made up: a moment to the minute
	Length Offset  `yaml:"length"`
	Events []Event `yaml:"events"`
	Real   *Real   `yaml:"real"` // nil: nothing really happened

	start time.Time
	sum   string
	src   []byte
}

// Event is one thing that comes about.
type Event struct {
	ID       string   `yaml:"id"`
	After    Offset   `yaml:"after"` // since the start
	From     Words    `yaml:"from"`  // who tells it
	Text     Words    `yaml:"text"`
	Known    string   `yaml:"known"` // facts, as in a file of facts, times as {+48m} and {-13h}
	Question Words    `yaml:"question"`
	Options  []Option `yaml:"options"`
	Injected bool     `yaml:"contradiction"` // it contradicts what is known, as people do: what it says is no fact
	Then     Words    `yaml:"real"`          // what was really done
}

// Asks reports whether the event asks for a decision.
func (e Event) Asks() bool { return e.Question != Words{} }

// Option is a possible answer.
type Option struct {
	ID    string `yaml:"id"`
	Words `yaml:",inline"`
}

// Words are a text in both languages.
type Words struct {
	JA string `yaml:"ja"`
	EN string `yaml:"en"`
}

// In gives the text in a language; one stands for both.
func (w Words) In(lang language.Lang) string {
	if lang == language.JA && w.JA != "" || w.EN == "" {
		return w.JA
	}
	return w.EN
}

// Real is how the real case went, by the same measures.
type Real struct {
	Contained     Offset `yaml:"contained"` // from detection
	Told          Offset `yaml:"told"`      // from detection to the first notice
	Silence       Offset `yaml:"silence"`
	Kept          *int   `yaml:"kept"`
	Slipped       *int   `yaml:"slipped"`
	Met           *int   `yaml:"met"`
	Missed        *int   `yaml:"missed"`
	Contradictory *int   `yaml:"contradictions"`
	Note          Words  `yaml:"note"`
}

// Offset is a span of a scenario: 0m, 48m, 2h30m, 3d, 2d4h10m.
type Offset time.Duration

// Span gives it as Go has it.
func (o Offset) Span() time.Duration { return time.Duration(o) }

// noOffset is a span that could not be read.
const noOffset = Offset(-1)

const spanForm = "a span is written like 0m, 48m, 2h30m or 3d, and is at most 60 days"

var offset = regexp.MustCompile(`^(?:(\d{1,3})d)?(?:(\d{1,4})h)?(?:(\d{1,5})m)?$`)

// ParseOffset reads one.
func ParseOffset(s string) (Offset, bool) {
	m := offset.FindStringSubmatch(s)
	if s == "" || m == nil {
		return 0, false
	}
	var out time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute} {
		n := 0
		if m[i+1] != "" {
			fmt.Sscan(m[i+1], &n)
		}
		out += time.Duration(n) * unit
	}
	return Offset(out), out <= maxLength
}

// UnmarshalYAML reads one.
func (o *Offset) UnmarshalYAML(b []byte) error {
	v, ok := ParseOffset(strings.Trim(strings.TrimSpace(string(b)), `"'`))
	if !ok {
		v = noOffset // which the check finds, with its line
	}
	*o = v
	return nil
}

// String writes it as it is read.
func (o Offset) String() string {
	d := time.Duration(o).Truncate(time.Minute)
	days, d := d/(24*time.Hour), d%(24*time.Hour)
	s := ""
	for _, p := range []struct {
		n    time.Duration
		unit string
	}{{days, "d"}, {d / time.Hour, "h"}, {d % time.Hour / time.Minute, "m"}} {
		if p.n > 0 {
			s += fmt.Sprint(int64(p.n)) + p.unit
		}
	}
	if s == "" {
		return "0m"
	}
	return s
}

// Limits of a scenario.
const (
	maxScenario = 256 << 10 // bytes
	maxEvents   = 200
	maxOptions  = 10
	maxText     = 2000 // bytes of a text in one language
	maxKnown    = 16 << 10
	maxLength   = 60 * 24 * time.Hour
	firstYear   = 1900 // between these, spans between times are ones that can be counted
	lastYear    = 2100
)

// Finding is what is wrong with a scenario's file.
type Finding struct {
	Line   int    `json:"line"` // from 1; 0 where it is the file as a whole
	What   string `json:"what"`
	Remedy string `json:"remedy,omitzero"`
}

// Shipped names the scenarios that the program brings along.
func Shipped() []string {
	list, err := fs.Glob(shipped, "scenarios/*.yaml")
	if err != nil {
		panic(err) // the pattern is one
	}
	for i, name := range list {
		list[i] = strings.TrimSuffix(strings.TrimPrefix(name, "scenarios/"), ".yaml")
	}
	return list
}

// Ship gives the file of a shipped scenario. Errors: ErrNone.
func Ship(id string) ([]byte, error) {
	if slices.Contains(Shipped(), id) {
		return shipped.ReadFile("scenarios/" + id + ".yaml")
	}
	return nil, fmt.Errorf("%w: %.64q", ErrNone, id)
}

// Parse reads a scenario, and says what is wrong with it, each thing with its line. Errors: ErrScenario, with at least one finding.
func Parse(src []byte) (*Scenario, []Finding, error) {
	tree, err := strict.Parse(src, maxScenario)
	if err != nil {
		var e *strict.Error
		if errors.As(err, &e) {
			return nil, []Finding{{e.Line, e.Problem, e.Remedy}}, ErrScenario
		}
		return nil, nil, err
	}
	if tree == nil {
		return nil, []Finding{{0, "it is empty", "docs/handbook/exercise.md says how one is written"}}, ErrScenario
	}
	s := &Scenario{src: slices.Clone(src)}
	if err := yaml.NodeToValue(tree, s, yaml.Strict()); err != nil {
		f := Finding{What: "it is not of a scenario's form", Remedy: "its keys are scenario, id, title, about, source, start, length, events and real: docs/FORMAT.md, scenarios"}
		var e yaml.Error
		if errors.As(err, &e) {
			f.What = e.GetMessage()
			if t := e.GetToken(); t != nil && t.Position != nil {
				f.Line = t.Position.Line
			}
		}
		return nil, []Finding{f}, ErrScenario
	}
	if found := s.check(tree); len(found) > 0 {
		return nil, found, ErrScenario
	}
	s.sum = sumOf(src)
	return s, nil, nil
}

var idForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// critic gathers what is wrong with a scenario.
type critic struct {
	tree  ast.Node
	found []Finding
}

func (c *critic) bad(at, what, remedy string) {
	line := 0
	if path, err := yaml.PathString(at); err == nil {
		if n, err := path.FilterNode(c.tree); err == nil && n != nil && n.GetToken() != nil && n.GetToken().Position != nil {
			line = n.GetToken().Position.Line
		}
	}
	c.found = append(c.found, Finding{line, what, remedy})
}

// words wants a text in both languages, or where it need not be there, in both or none.
func (c *critic) words(at string, w Words, must bool) {
	switch {
	case w == Words{} && !must:
	case w.JA == "" || w.EN == "":
		c.bad(at, "its text is not in both languages", "write it as ja and en: a team is told in either")
	case len(w.JA) > maxText || len(w.EN) > maxText:
		c.bad(at, fmt.Sprintf("its text is longer than %d bytes", maxText), "make two events of it")
	case !plain(w.JA) || !plain(w.EN):
		c.bad(at, "its text has characters that cannot be seen", "take them out")
	case slices.ContainsFunc(anySpan.FindAllString(w.JA+w.EN, -1), func(m string) bool { _, ok := ParseOffset(m[2 : len(m)-1]); return !ok || !since.MatchString(m) }):
		c.bad(at, "its text has a time that is none", spanForm)
	}
}

// plain reports whether a text can be shown as it is.
func plain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '\n' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
	})
}

func (s *Scenario) check(tree ast.Node) []Finding {
	c := &critic{tree: tree}
	if s.Form != Version {
		c.bad("$.scenario", fmt.Sprintf("it is of form %d, and this program reads form %d", s.Form, Version), "begin it with scenario: 1")
	}
	if !idForm.MatchString(s.ID) {
		c.bad("$.id", "its id is none", "small letters, digits and hyphens, at most 64")
	}
	c.words("$.title", s.Title, true)
	c.words("$.about", s.About, false)
	if len(s.Source) > maxText || !plain(s.Source) || strings.Contains(s.Source, "\n") {
		c.bad("$.source", "its source is no citation", "an address, or one line")
	}
	m, err := incident.ParseMoment(s.Start, nil)
	if err != nil || m.Precision != incident.Minute || m.Time.Year() < firstYear || m.Time.Year() > lastYear {
		c.bad("$.start", "it does not say when it begins", `to the minute, with its zone: "2013-07-18T10:09+09:00"`)
	}
	s.start = m.Time
	if s.Length.Span() <= 0 {
		c.bad("$.length", "it does not say how long it lasts", "like 6d")
	}
	if len(s.Events) == 0 || len(s.Events) > maxEvents {
		c.bad("$.events", fmt.Sprintf("it has %d events", len(s.Events)), fmt.Sprintf("at least one, and at most %d", maxEvents))
		return c.found
	}
	s.events(c)
	if r := s.Real; r != nil {
		c.words("$.real.note", r.Note, false)
		for at, o := range map[string]Offset{"contained": r.Contained, "told": r.Told, "silence": r.Silence} {
			if o == noOffset {
				c.bad("$.real."+at, spanForm, "")
			}
		}
		for at, n := range map[string]*int{"kept": r.Kept, "slipped": r.Slipped, "met": r.Met, "missed": r.Missed, "contradictions": r.Contradictory} {
			if n != nil && (*n < 0 || *n > 1000) {
				c.bad("$.real."+at, "it is no number of things", "from 0 to 1000, or left out where it is not known")
			}
		}
	}
	slices.SortStableFunc(c.found, func(a, b Finding) int { return a.Line - b.Line })
	return c.found
}

func (s *Scenario) events(c *critic) {
	ids, last := map[string]bool{}, Offset(0)
	for i, e := range s.Events {
		at := fmt.Sprintf("$.events[%d]", i)
		if !idForm.MatchString(e.ID) || ids[e.ID] {
			c.bad(at+".id", fmt.Sprintf("event %d has no id of its own", i+1), "small letters, digits and hyphens, each once")
		}
		ids[e.ID] = true
		if e.After == noOffset {
			c.bad(at+".after", spanForm, "")
		} else if e.After < last || e.After > s.Length {
			c.bad(at+".after", "it comes before the event above it, or after the end", "put events in their order, and within length")
		}
		last = max(last, e.After)
		c.words(at+".from", e.From, true)
		c.words(at+".text", e.Text, true)
		c.words(at+".question", e.Question, false)
		c.words(at+".real", e.Then, false)
		options := map[string]bool{}
		for n, o := range e.Options {
			if !idForm.MatchString(o.ID) || options[o.ID] {
				c.bad(fmt.Sprintf("%s.options[%d]", at, n), "an option has no id of its own", "small letters, digits and hyphens, each once")
			}
			options[o.ID] = true
			c.words(fmt.Sprintf("%s.options[%d]", at, n), o.Words, true)
		}
		if len(e.Options) > maxOptions || len(e.Options) > 0 && !e.Asks() {
			c.bad(at+".options", "they are too many, or answer nothing", fmt.Sprintf("at most %d, with a question", maxOptions))
		}
		if e.Injected && e.Known != "" {
			c.bad(at+".known", "it contradicts what is known, and makes something known", "what is really so is another event")
		}
		if e.Known == "" {
			continue
		}
		if _, err := s.facts(e, s.start); err != nil {
			c.bad(at+".known", "its facts: "+err.Error(), `as in a file of facts, with times like "{+48m}" and "{-13h}" from the start`)
		}
	}
}

// anySpan is what is meant as a time in a text, whether or not it is one.
var anySpan = regexp.MustCompile(`\{[+-][^{}]*\}`)

var since = regexp.MustCompile(`\{[+-]([0-9dhm]{1,16})\}`)

// facts gives what an event makes known, as a file of facts that begins at a time: each time that is written as {+48m} or {-13h} is that much
// later or earlier, and a fact without an as-of is one as of the event.
func (s *Scenario) facts(e Event, start time.Time) (*incident.FactsFile, error) {
	if len(e.Known) > maxKnown {
		return nil, fmt.Errorf("they are longer than %d KiB", maxKnown>>10)
	}
	bad := ""
	text := since.ReplaceAllStringFunc(e.Known, func(m string) string {
		o, ok := ParseOffset(m[2 : len(m)-1])
		if !ok {
			bad = m
		}
		if m[1] == '-' {
			o = -o
		}
		return minute(start.Add(o.Span()))
	})
	if bad != "" {
		return nil, fmt.Errorf("%s is no span", bad)
	}
	head := fmt.Sprintf("id: %s\nasOf: %q\nfacts:\n", s.ID, minute(start.Add(e.After.Span())))
	file, err := incident.ParseFactsFile("event "+e.ID, []byte(head+indented(text)))
	if err != nil {
		return nil, err
	}
	return file, nil
}

// retime writes the times that texts name, as {-13h18m}, as those of a scenario that begins at a time.
func (s *Scenario) retime(start time.Time) {
	words := func(w *Words) {
		for lang, text := range map[language.Lang]*string{language.JA: &w.JA, language.EN: &w.EN} {
			*text = since.ReplaceAllStringFunc(*text, func(m string) string {
				o, ok := ParseOffset(m[2 : len(m)-1])
				if !ok {
					return m
				}
				if m[1] == '-' {
					o = -o
				}
				return incident.Moment{Time: start.Add(o.Span()), Precision: incident.Minute}.In(lang)
			})
		}
	}
	for i := range s.Events {
		e := &s.Events[i]
		for _, w := range []*Words{&e.Text, &e.Question} {
			words(w)
		}
		for n := range e.Options {
			words(&e.Options[n].Words)
		}
	}
}

func minute(t time.Time) string { return t.Format("2006-01-02T15:04Z07:00") }

func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("  " + line)
	}
	return b.String()
}
