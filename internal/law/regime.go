package law

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // an empty machine, and a container of nothing but the program, have none

	"github.com/goccy/go-yaml"
	yamlparser "github.com/goccy/go-yaml/parser"

	"shirase/internal/language"
)

// maxFile bounds a regime's file, in bytes.
const maxFile = 256 << 10

// ErrFile reports a file that is no regime.
var ErrFile = errors.New("not a file of legal clocks")

// A Finding is one thing that is wrong with a regime's file.
type Finding struct {
	Line   int    `json:"line"` // from 1; 0: of the whole file
	What   string `json:"what"`
	Remedy string `json:"remedy"`
}

// Status says what a rule is.
type Status string

const (
	InForce   Status = "in-force"
	Enacted   Status = "enacted"   // it has not begun
	Bill      Status = "bill"      // a proposal in a parliament: it never makes a clock
	Proposal  Status = "proposal"  // of an authority: it never makes a clock
	Voluntary Status = "voluntary" // advised, and no duty
)

// Read says what was read of a rule. What was not read in its primary text is shown as unverified.
type Read string

const (
	Primary   Read = "primary"
	Secondary Read = "secondary"
	Memory    Read = "memory"
)

// triggers are what can start a clock.
var triggers = map[string]incidentText{
	"knowledge":      {"組織のいずれかの部署が知った時", "any department came to know of it"},
	"suspicion":      {"疑うに足りる合理的な根拠を得た時", "there were reasonable grounds to suspect it"},
	"determination":  {"該当すると判断した時", "it was determined to be one"},
	"classification": {"重大と分類した時", "it was classified as major"},
	"materiality":    {"重要性があると判断した時", "it was determined to be material"},
	"assessment":     {"報告対象と評価した時", "it was assessed as notifiable"},
	"told":           {"委託先などから知らされた時", "a processor told of it"},
	"payment":        {"支払った時", "the payment was made"},
}

// A Regime is one law or standard: its rules, and how facts propose it.
type Regime struct {
	ID       string
	Reviewed string // the date of the last review of the file
	Name     language.Text
	Place    string // ISO 3166, or EU
	Zone     *time.Location
	Rules    []Rule
	Remarks  []Remark

	holidays string
	proposed condition
	tests    []test
}

// A Rule is what a regime asks for after one trigger, from a date until a date.
type Rule struct {
	ID       string
	Name     language.Text
	Says     language.Text // in our own words
	Citation string
	From     string // the first date it holds; "" always
	Until    string // the first date it holds no more; "" is in force
	Status   Status
	Read     Read
	Sure     string // high, mid, low
	Start    string // a trigger, or "after ID": when that rule's clock was done
	Within   Deadline
	To       []language.Text // recipients
	Items    []language.Text // what is to be told, in their order
	Keep     string          // how long the record is kept, from what starts the rule: 5y, 24mo; open: as long as it may be asked for; "" is not said

	parts     []string
	when      condition
	unless    condition
	earlier   *limit   // a second limit, of which the earlier one counts
	freedBy   []string // rules of this regime: done, they free this one
	suspended language.Text
}

type limit struct {
	start  string
	within Deadline
}

// A Remark is said of a regime and makes no clock: a bill, a date that is not set, a deadline that nobody found.
type Remark struct {
	Text     language.Text
	Citation string
	Status   Status
	Read     Read
}

// test is a row of a file's own tests: what is known, and when its clocks are due.
type test struct {
	line      int
	situation Situation
	due       map[string]string // by rule: a date or time, "" for running without one, or a status
}

// regimeFile is the file as it is written; docs/LAW.md describes it.
type regimeFile struct {
	V        int      `yaml:"v"`
	Regime   string   `yaml:"regime"`
	Reviewed string   `yaml:"reviewed"`
	Name     text     `yaml:"name"`
	Place    string   `yaml:"place"`
	Zone     string   `yaml:"zone"`
	Holidays string   `yaml:"holidays"`
	Proposed clause   `yaml:"proposed"`
	Rules    []rule   `yaml:"rules"`
	Remarks  []remark `yaml:"remarks"`
	Tests    []row    `yaml:"tests"`
}

type text struct {
	JA string `yaml:"ja"`
	EN string `yaml:"en"`
}

type clause struct {
	Any []clause `yaml:"any"`
	All []clause `yaml:"all"`
	Is  string   `yaml:"is"`
}

// UnmarshalYAML takes an atom without its key, too.
func (c *clause) UnmarshalYAML(b []byte) error {
	if err := yaml.Unmarshal(b, &c.Is); err == nil {
		return nil
	}
	type plain clause
	return yaml.UnmarshalWithOptions(b, (*plain)(c), yaml.Strict())
}

type rule struct {
	ID       string   `yaml:"id"`
	Name     text     `yaml:"name"`
	Says     text     `yaml:"says"`
	Citation string   `yaml:"citation"`
	From     string   `yaml:"from"`
	Until    string   `yaml:"until"`
	Status   string   `yaml:"status"`
	Read     string   `yaml:"read"`
	Sure     string   `yaml:"sure"`
	Part     []string `yaml:"part"`
	Start    string   `yaml:"start"`
	When     clause   `yaml:"when"`
	Unless   clause   `yaml:"unless"`
	Within   string   `yaml:"within"`
	Earlier  *struct {
		Start  string `yaml:"start"`
		Within string `yaml:"within"`
	} `yaml:"earlier"`
	FreedBy   []string `yaml:"freedBy"`
	Suspended text     `yaml:"suspended"`
	To        []text   `yaml:"to"`
	Items     []text   `yaml:"items"`
	Keep      string   `yaml:"keep"`
}

type remark struct {
	Says     text   `yaml:"says"`
	Citation string `yaml:"citation"`
	Status   string `yaml:"status"`
	Read     string `yaml:"read"`
}

type row struct {
	Known     string            `yaml:"known"`
	At        map[string]string `yaml:"at"`
	Part      string            `yaml:"part"`
	Persons   *int64            `yaml:"persons"`
	Residents map[string]int64  `yaml:"residents"`
	Sector    string            `yaml:"sector"`
	Is        []string          `yaml:"is"`
	Not       []string          `yaml:"not"`
	Done      map[string]string `yaml:"done"`
	Due       map[string]string `yaml:"due"`
}

var (
	ruleID = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	keeps  = regexp.MustCompile(`^(?:[1-9][0-9]?(?:y|mo)|open)$`)
	parts  = []string{"own", "processor", "client", "joint"}
)

// Parse reads a regime's file and checks everything in it, its own tests too. The findings are in the order of their
// lines; where there are any, the regime is nil and the error is ErrFile with the first.
func Parse(name string, src []byte) (*Regime, []Finding, error) {
	p := &parser{name: name}
	r := p.parse(src)
	if len(p.findings) > 0 {
		slices.SortStableFunc(p.findings, func(a, b Finding) int { return a.Line - b.Line })
		f := p.findings[0]
		return nil, p.findings, fmt.Errorf("%w: %s:%d: %s", ErrFile, name, f.Line, f.What)
	}
	return r, nil, nil
}

// parser collects what is wrong with a file.
type parser struct {
	name     string
	src      []byte
	findings []Finding
}

func (p *parser) find(line int, remedy, what string, args ...any) {
	p.findings = append(p.findings, Finding{line, fmt.Sprintf(what, args...), remedy})
}

// line gives where a path of the file stands, or that of the nearest part above it.
func (p *parser) line(path string) int {
	f, err := yamlparser.ParseBytes(p.src, 0)
	for err == nil && path != "$" {
		if at, e := yaml.PathString(path); e == nil {
			if node, e := at.FilterFile(f); e == nil && node != nil {
				return node.GetToken().Position.Line
			}
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 1)]
	}
	return 1
}

func (p *parser) at(path, remedy, what string, args ...any) {
	p.find(p.line(path), remedy, what, args...)
}

func (p *parser) parse(src []byte) *Regime {
	if len(src) > maxFile {
		p.find(0, "a regime a file", "longer than %d bytes", maxFile)
		return nil
	}
	p.src = src
	var f regimeFile
	if err := yaml.UnmarshalWithOptions(src, &f, yaml.Strict()); err != nil {
		line, what := yamlError(err)
		p.find(line, "docs/LAW.md describes every key", "%s", what)
		return nil
	}
	if f.V != 1 {
		p.at("$.v", "v: 1", "v is %d, and this program reads 1", f.V)
		return nil
	}
	r := &Regime{ID: f.Regime, Reviewed: f.Reviewed, Name: p.text("$.name", f.Name), Place: f.Place, holidays: f.Holidays}
	if !ruleID.MatchString(f.Regime) {
		p.at("$.regime", "for example jp-appi", "regime %q is not words of a-z and 0-9 joined by -", f.Regime)
	}
	p.date("$.reviewed", f.Reviewed, true)
	var err error
	if r.Zone, err = time.LoadLocation(f.Zone); err != nil || f.Zone == "" || f.Zone == "Local" {
		p.at("$.zone", "a name of the tz database, for example Asia/Tokyo", "zone %q is not known", f.Zone)
		r.Zone = time.UTC
	}
	if _, ok := calendars[f.Holidays]; !ok && f.Holidays != "" {
		p.at("$.holidays", "jp, us or br; leave it out for weekends only", "there is no calendar %q", f.Holidays)
	}
	r.proposed = p.clause("$.proposed", f.Proposed)
	for i, x := range f.Rules {
		r.Rules = append(r.Rules, p.rule(fmt.Sprintf("$.rules[%d]", i), x, f))
	}
	for i, x := range f.Remarks {
		path := fmt.Sprintf("$.remarks[%d]", i)
		r.Remarks = append(r.Remarks, Remark{p.text(path+".says", x.Says), x.Citation, p.status(path, x.Status), p.read(path, x.Read)})
	}
	if len(f.Rules)+len(f.Remarks) == 0 {
		p.find(1, "a regime has rules, or remarks where there is no clock", "it says nothing")
	}
	p.references(r)
	for i, x := range f.Tests {
		r.tests = append(r.tests, p.row(fmt.Sprintf("$.tests[%d]", i), x, r))
	}
	if len(f.Rules) > 0 && len(f.Tests) == 0 {
		p.find(1, "tests: [{known: 2026-08-20, due: {...}}]", "no test shows when its clocks are due")
	}
	if len(p.findings) == 0 {
		p.run(r)
	}
	return r
}

// yamlError takes the line out of a YAML error.
func yamlError(err error) (line int, what string) {
	var ye yaml.Error
	if errors.As(err, &ye) {
		if t := ye.GetToken(); t != nil {
			return t.Position.Line, ye.GetMessage()
		}
		return 1, ye.GetMessage()
	}
	what, _, _ = strings.Cut(err.Error(), "\n")
	return 1, what
}

func (p *parser) text(path string, t text) language.Text {
	if strings.TrimSpace(t.JA) == "" || strings.TrimSpace(t.EN) == "" {
		p.at(path, "{ja: ..., en: ...}", "a text in Japanese and in English is wanted")
	}
	return language.Text{JA: t.JA, EN: t.EN}
}

func (p *parser) texts(path string, list []text) []language.Text {
	var out []language.Text
	for i, t := range list {
		out = append(out, p.text(fmt.Sprintf("%s[%d]", path, i), t))
	}
	return out
}

func (p *parser) date(path, d string, wanted bool) {
	if d == "" && !wanted {
		return
	}
	if t, err := time.Parse(time.DateOnly, d); err != nil || t.Year() < 1900 {
		p.at(path, "a date like 2022-04-01", "%q is no date", d)
	}
}

func (p *parser) status(path, s string) Status {
	if !slices.Contains([]Status{InForce, Enacted, Bill, Proposal, Voluntary}, Status(s)) {
		p.at(path+".status", "in-force, enacted, bill, proposal or voluntary", "status %q is not known", s)
	}
	return Status(s)
}

func (p *parser) read(path, s string) Read {
	if !slices.Contains([]Read{Primary, Secondary, Memory}, Read(s)) {
		p.at(path+".read", "primary, secondary or memory", "read %q is not known", s)
	}
	return Read(s)
}

func (p *parser) clause(path string, c clause) condition {
	if n := len(c.Any) + len(c.All); n > 0 && c.Is != "" || len(c.Any) > 0 && len(c.All) > 0 {
		p.at(path, "nest them", "any, all and a condition exclude each other")
		return condition{}
	}
	if c.Is != "" {
		a, err := parseAtom(c.Is)
		if err != nil {
			p.at(path, strings.Join(slices.Sorted(keysOf(words)), ", "), "%v", err)
			return condition{}
		}
		return condition{atom: a}
	}
	var out condition
	for i, part := range c.Any {
		out.any = append(out.any, p.clause(fmt.Sprintf("%s.any[%d]", path, i), part))
	}
	for i, part := range c.All {
		out.all = append(out.all, p.clause(fmt.Sprintf("%s.all[%d]", path, i), part))
	}
	return out
}

func (p *parser) deadline(path, s string) Deadline {
	d, err := parseDeadline(s)
	if err != nil {
		p.at(path, "docs/LAW.md, deadlines", "%v", err)
	}
	return d
}

func (p *parser) rule(path string, x rule, f regimeFile) Rule {
	r := Rule{ID: x.ID, Name: p.text(path+".name", x.Name), Says: p.text(path+".says", x.Says), Citation: strings.TrimSpace(x.Citation),
		From: x.From, Until: x.Until, Status: p.status(path, x.Status), Read: p.read(path, x.Read), Sure: x.Sure, Start: x.Start,
		Within: p.deadline(path+".within", x.Within), To: p.texts(path+".to", x.To), Items: p.texts(path+".items", x.Items), Keep: x.Keep,
		parts: x.Part, when: p.clause(path+".when", x.When), unless: p.clause(path+".unless", x.Unless), freedBy: x.FreedBy,
		suspended: language.Text{JA: x.Suspended.JA, EN: x.Suspended.EN}}
	if x.Suspended != (text{}) {
		p.text(path+".suspended", x.Suspended)
	}
	if !ruleID.MatchString(x.ID) {
		p.at(path+".id", "for example kakuho", "id %q is not words of a-z and 0-9 joined by -", x.ID)
	}
	if r.Citation == "" {
		p.at(path, "citation: the article, and where it was read", "a rule cites where it stands")
	}
	if !slices.Contains([]string{"high", "mid", "low"}, x.Sure) {
		p.at(path+".sure", "high, mid or low", "sure %q is not known", x.Sure)
	}
	p.date(path+".from", x.From, false)
	p.date(path+".until", x.Until, false)
	for _, part := range x.Part {
		if !slices.Contains(parts, part) {
			p.at(path+".part", strings.Join(parts, ", "), "part %q is not known", part)
		}
	}
	if x.Earlier != nil {
		r.earlier = &limit{x.Earlier.Start, p.deadline(path+".earlier.within", x.Earlier.Within)}
	}
	if (r.Within.roll || r.Within.unit == "bd") && f.Holidays == "" {
		p.at(path+".within", "holidays: jp", "a deadline that depends on days off wants the regime's holidays")
	}
	if x.Keep != "" && !keeps.MatchString(x.Keep) {
		p.at(path+".keep", "5y, 24mo, or open where the law names no end", "keep %q is no span", x.Keep)
	}
	return r
}

// references checks what rules say of each other: triggers, rules that free, versions of one rule.
func (p *parser) references(r *Regime) {
	ids := map[string]bool{}
	for _, x := range r.Rules {
		ids[x.ID] = true
	}
	start := func(path, s string) {
		after, ok := strings.CutPrefix(s, "after ")
		if _, known := triggers[s]; !known && (!ok || !ids[after]) {
			p.at(path, strings.Join(slices.Sorted(keysOf(triggers)), ", ")+", or after RULE", "start %q is not known", s)
		}
	}
	for i, x := range r.Rules {
		path := fmt.Sprintf("$.rules[%d]", i)
		start(path+".start", x.Start)
		if x.earlier != nil {
			start(path+".earlier.start", x.earlier.start)
		}
		for _, by := range x.freedBy {
			if !ids[by] {
				p.at(path+".freedBy", "an id among the rules", "freedBy %q is no rule of this regime", by)
			}
		}
		for _, o := range r.Rules[:i] {
			if o.ID == x.ID && !(o.Until != "" && x.From != "" && o.Until <= x.From) && !(x.Until != "" && o.From != "" && x.Until <= o.From) {
				p.at(path+".id", "give from and until that do not overlap", "two versions of %s hold at once", x.ID)
			}
		}
	}
}

func keysOf[V any](m map[string]V) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
