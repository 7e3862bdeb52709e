package roster

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	goyaml "github.com/goccy/go-yaml"

	"shirase/identity"
	"shirase/internal/hint"
	"shirase/internal/yaml"
)

// Limits of a rules file.
const (
	maxRules       = 64 << 10 // bytes
	maxExcludes    = 200
	maxSetRules    = 1000
	maxClasses     = 64    // distinct ones: a set is a mask of 64 bits
	maxSets        = 65536 // distinct ones that occur: an entry has 16 bits for its number
	maxRuleName    = 64
	defaultRejects = 0.01
)

// Rules say which rows of an export are in the scope, and what each person lost.
// They are made by [ParseRules] and never change.
type Rules struct {
	name         string
	columns      columnNames
	index        []identity.Kind
	organisation string
	phoneRegion  string
	maxRejects   float64
	excludes     []excludeRule
	sets         []setRule
	active       condition // zero: the rules do not say which accounts are in use
	classes      []string  // that any set names, sorted: bit i of a mask is classes[i]
}

// columnNames are the export's names for what the roster needs; "" is none.
type columnNames struct{ account, email, phone, locale string }

// An excludeRule takes rows out of the scope.
type excludeRule struct {
	name string
	when condition
}

// A setRule gives the rows it is the first to match their exposure set.
type setRule struct {
	when condition // zero: always
	mask uint64
}

// A condition is an expression and where it stands in the rules file.
type condition struct {
	text string
	line int
	rule string // `exclude "name"` or `sets[1]`, for messages
}

// rulesFile is the file as it is written. In YAML:
//
//	columns: {account: member_id, email: mail, phone: tel, locale: lang}
//	index: [email]              # kinds that go into the public index
//	organisation: naver         # its id; needed where account ids are indexed
//	phoneRegion: JP             # of numbers without a country code; the instance's unless given
//	maxRejects: 0.01            # the share of rows that may be invalid, or unreadable in part
//	exclude:                    # the first that matches counts the row
//	  - {name: foreign, when: 'country != "JP"'}
//	active: 'last_login >= "2026"' # accounts that are in use: their people are written to first
//	sets:                       # the first that matches; what was exposed
//	  - {when: 'nickname != ""', classes: [email, nickname]}
//	  - {classes: [email]}
type rulesFile struct {
	Columns struct {
		Account string `yaml:"account"`
		Email   string `yaml:"email"`
		Phone   string `yaml:"phone"`
		Locale  string `yaml:"locale"`
	} `yaml:"columns"`
	Index        []string `yaml:"index"`
	Organisation string   `yaml:"organisation"`
	PhoneRegion  string   `yaml:"phoneRegion"`
	MaxRejects   *float64 `yaml:"maxRejects"`
	Active       string   `yaml:"active"`
	Exclude      []struct {
		Name string `yaml:"name"`
		When string `yaml:"when"`
	} `yaml:"exclude"`
	Sets []struct {
		When    string   `yaml:"when"`
		Classes []string `yaml:"classes"`
	} `yaml:"sets"`
}

// ReadRules reads rules from r, which is the file name.
func ReadRules(name string, r io.Reader, classes []string) (*Rules, error) {
	src, err := io.ReadAll(io.LimitReader(r, maxRules+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrRules, name, err)
	}
	return ParseRules(name, src, classes)
}

// ParseRules reads a rules file: YAML, in which every unknown or repeated key is
// an error. name is for messages; classes are the data classes there are.
//
// At least one of the columns email, phone and account must be given. Without
// account each row counts as an account of its own. A kind in index must have its
// column; index is [email] unless given, because phone numbers and account ids can
// be guessed in bulk. The last of sets may be without when; if it has one, rows
// that no set matches are invalid.
//
// when is an expression of expr-lang.org over the row's columns, which are all
// texts: an identifier is the column of that name, col["a name"] any column. active
// is one too: of each person the roster keeps whether it was true of one of their
// rows, and nothing else of those columns. Where it cannot be worked out the row is
// listed as unreadable in part, and counts as not in use.
// Expressions are compiled when the columns are known, in [Scope].
func ParseRules(name string, src []byte, classes []string) (*Rules, error) {
	file, line, err := readRulesFile(src)
	if err != nil {
		return nil, placedIn(name, err)
	}
	r, err := newRules(name, file, line, classes)
	if err != nil {
		return nil, placedIn(name, err)
	}
	return r, nil
}

// placedIn makes err an ErrRules that names the file, and the line where err
// knows it.
func placedIn(name string, err error) error {
	var at *placed
	if errors.As(err, &at) {
		return hint.Add(fmt.Errorf("%w: %s:%d: %w", ErrRules, name, at.line, at.error), at.hint)
	}
	return fmt.Errorf("%w: %s: %w", ErrRules, name, err)
}

// placed is an error with its line in the rules file.
type placed struct {
	error
	line int
	hint string
}

func (p *placed) Unwrap() error { return p.error }

// lineOf finds the line of a place such as "$.exclude[0].when", 1 if it is not there.
type lineOf func(path string, args ...any) int

func readRulesFile(src []byte) (*rulesFile, lineOf, error) {
	root, err := yaml.Parse(src, maxRules)
	if err != nil {
		return nil, nil, yamlError(err)
	}
	var file rulesFile
	if root != nil {
		if err := goyaml.NodeToValue(root, &file, goyaml.Strict()); err != nil {
			return nil, nil, yamlError(err)
		}
	}
	line := func(path string, args ...any) int {
		if p, err := goyaml.PathString(fmt.Sprintf(path, args...)); err == nil && root != nil {
			if node, err := p.FilterNode(root); err == nil && node != nil && node.GetToken() != nil {
				return node.GetToken().Position.Line
			}
		}
		return 1
	}
	return &file, line, nil
}

// yamlError keeps the message and the place, and not the excerpt of the file.
func yamlError(err error) error {
	var ours *yaml.Error
	var e goyaml.Error
	switch {
	case errors.As(err, &ours) && ours.Line > 0:
		return &placed{fmt.Errorf("column %d: %w", ours.Column, err), ours.Line, ours.Remedy}
	case errors.As(err, &ours):
		return err
	case !errors.As(err, &e) || e.GetToken() == nil || e.GetToken().Position == nil:
		return errors.New("it is not YAML that can be read")
	}
	p := e.GetToken().Position
	return &placed{fmt.Errorf("column %d: %s", p.Column, e.GetMessage()), p.Line, ""}
}

// newRules checks what the file says.
func newRules(name string, file *rulesFile, line lineOf, classes []string) (*Rules, error) {
	r := &Rules{
		name:         name,
		columns:      columnNames{file.Columns.Account, file.Columns.Email, file.Columns.Phone, file.Columns.Locale},
		organisation: file.Organisation,
		phoneRegion:  file.PhoneRegion,
		maxRejects:   defaultRejects,
	}
	if r.columns.account == "" && r.columns.email == "" && r.columns.phone == "" {
		return nil, &placed{errors.New("columns names no e-mail, phone or account column"), line("$.columns"),
			"for example: columns: {account: member_id, email: mail}"}
	}
	if file.MaxRejects != nil {
		if r.maxRejects = *file.MaxRejects; !(0 <= r.maxRejects && r.maxRejects <= 1) {
			return nil, &placed{errors.New("maxRejects is not a share from 0 to 1"), line("$.maxRejects"), "1 % is 0.01"}
		}
	}
	if err := r.setIndex(file, line); err != nil {
		return nil, err
	}
	if err := checkRegion(r.phoneRegion); err != nil {
		return nil, &placed{err, line("$.phoneRegion"), "for example: JP"}
	}
	if err := r.setExcludes(file, line); err != nil {
		return nil, err
	}
	if err := r.setSets(file, line, classes); err != nil {
		return nil, err
	}
	return r, r.setActive(file, line)
}

// checkRegion refuses a country that no numbers are known of; "" is none.
func checkRegion(region string) error {
	var e *identity.Error
	if _, err := identity.ParsePhone("", region); errors.As(err, &e) && e.Reason == identity.PhoneRegion {
		return fmt.Errorf("phoneRegion %q: %s", region, e.Reason.Text())
	}
	return nil
}

// setIndex checks index and organisation.
func (r *Rules) setIndex(file *rulesFile, line lineOf) error {
	names := file.Index
	if names == nil {
		names = []string{string(identity.KindEmail)}
	}
	if len(names) == 0 {
		return &placed{errors.New("index names no kind"), line("$.index"), "leave it out, or name email, phone or account"}
	}
	mapped := map[identity.Kind]string{identity.KindEmail: r.columns.email,
		identity.KindPhone: r.columns.phone, identity.KindAccount: r.columns.account}
	for i, n := range names {
		kind := identity.Kind(n)
		switch column, ok := mapped[kind]; {
		case !ok:
			return &placed{fmt.Errorf("index: unknown kind %q", n), line("$.index[%d]", i), "the kinds are email, phone and account"}
		case slices.Contains(r.index, kind):
			return &placed{fmt.Errorf("index: %s is there twice", n), line("$.index[%d]", i), ""}
		case column == "":
			return &placed{fmt.Errorf("%s is to be indexed, but columns names no %[1]s column", n), line("$.columns"),
				fmt.Sprintf("add it to columns, as in %s: NAME, or name the kinds to index with index: [...]", n)}
		}
		r.index = append(r.index, kind)
	}
	slices.Sort(r.index)
	if r.organisation != "" || slices.Contains(r.index, identity.KindAccount) {
		if _, err := identity.NewAccount(r.organisation, "1"); err != nil {
			return &placed{fmt.Errorf("organisation %q is not an id of 1 to 64 of a-z, 0-9 and -", r.organisation), line("$.organisation"),
				"account ids are indexed together with the organisation's id: organisation: example"}
		}
	}
	return nil
}

// indexedAs is the organisation's id that account ids stand under in the index; "" where none are indexed.
func (r *Rules) indexedAs() string {
	if !slices.Contains(r.index, identity.KindAccount) {
		return ""
	}
	return r.organisation
}

func (r *Rules) setExcludes(file *rulesFile, line lineOf) error {
	if len(file.Exclude) > maxExcludes {
		return &placed{fmt.Errorf("there are more than %d exclude rules", maxExcludes), line("$.exclude"), ""}
	}
	for i, e := range file.Exclude {
		at := line("$.exclude[%d]", i)
		switch {
		case e.Name == "":
			return &placed{fmt.Errorf("exclude[%d] has no name", i), at, "the rows it takes out are counted under its name"}
		case len(e.Name) > maxRuleName || strings.ContainsFunc(e.Name, unicode.IsControl):
			return &placed{fmt.Errorf("exclude[%d]: its name is longer than %d bytes or has control characters", i, maxRuleName), at, ""}
		case slices.ContainsFunc(r.excludes, func(x excludeRule) bool { return x.name == e.Name }):
			return &placed{fmt.Errorf("exclude: %q is there twice", e.Name), at, "give each rule a name of its own, or join them with or"}
		case strings.TrimSpace(e.When) == "":
			return &placed{fmt.Errorf("exclude %q has no when", e.Name), at, `for example: when: 'country != "JP"'`}
		}
		c := condition{e.When, line("$.exclude[%d].when", i), fmt.Sprintf("exclude %q", e.Name)}
		if err := c.check(); err != nil {
			return err
		}
		r.excludes = append(r.excludes, excludeRule{e.Name, c})
	}
	return nil
}

// setActive checks the condition that says which accounts are in use.
func (r *Rules) setActive(file *rulesFile, line lineOf) error {
	if file.Active == "" {
		return nil
	}
	r.active = condition{file.Active, line("$.active"), activeRule}
	if strings.TrimSpace(file.Active) == "" {
		return r.active.error(errors.New("it is empty"), `for example: active: 'last_login >= "2026-01-01"', or leave it out`)
	}
	return r.active.check()
}

func (r *Rules) setSets(file *rulesFile, line lineOf, classes []string) error {
	switch n := len(file.Sets); {
	case n == 0:
		return &placed{errors.New("there are no sets: what was exposed is not said"), line("$"),
			"for example: sets: [{classes: [email, nickname]}]"}
	case n > maxSetRules:
		return &placed{fmt.Errorf("there are more than %d sets", maxSetRules), line("$.sets"), ""}
	}
	for i, s := range file.Sets {
		at := line("$.sets[%d]", i)
		if len(s.Classes) == 0 {
			return &placed{fmt.Errorf("sets[%d] names no classes", i), at, "for example: classes: [email]"}
		}
		for j, c := range s.Classes {
			switch {
			case !slices.Contains(classes, c):
				return &placed{fmt.Errorf("sets[%d]: unknown data class %q%s", i, c, meantClass(c, classes)), line("$.sets[%d].classes[%d]", i, j),
					"the classes are " + strings.Join(classes, ", ")}
			case slices.Contains(s.Classes[:j], c):
				return &placed{fmt.Errorf("sets[%d]: %s is there twice", i, c), line("$.sets[%d].classes[%d]", i, j), ""}
			}
		}
		if s.When == "" && i != len(file.Sets)-1 {
			return &placed{fmt.Errorf("sets[%d] can never match: sets[%d] has no when and takes all that come to it", i+1, i),
				line("$.sets[%d]", i+1), "put the set without when last"}
		}
		r.classes = append(r.classes, s.Classes...)
	}
	slices.Sort(r.classes)
	if r.classes = slices.Compact(r.classes); len(r.classes) > maxClasses {
		return &placed{fmt.Errorf("the sets name more than %d data classes", maxClasses), line("$.sets"), ""}
	}
	for i, s := range file.Sets {
		c := condition{s.When, line("$.sets[%d].when", i), fmt.Sprintf("sets[%d]", i)}
		if s.When != "" {
			if err := c.check(); err != nil {
				return err
			}
		}
		var mask uint64
		for _, class := range s.Classes {
			bit, _ := slices.BinarySearch(r.classes, class)
			mask |= 1 << bit
		}
		r.sets = append(r.sets, setRule{c, mask})
	}
	return nil
}

// ByAccount reports whether the rules name a column of accounts: without one each row counts as an account.
func (r *Rules) ByAccount() bool { return r.columns.account != "" }
