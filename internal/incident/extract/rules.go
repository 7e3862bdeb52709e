package extract

import (
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"sync"
)

// ruleFiles holds the patterns that the rules look for, as data: rules/README.md says how they are written. rules/ja
// and rules/en are those of one language, rules/both those that texts of either are read with.
//
//go:embed rules/*/*.txt
var ruleFiles embed.FS

// rule is a pattern of the files, compiled when it is first used: a command that reads no notice pays nothing for it.
type rule struct {
	name string
	set  func() *ruleSet
	once sync.Once
	re   *regexp.Regexp
	sift *sieve
}

var (
	bothRules = sync.OnceValue(func() *ruleSet { return loadRules("rules/both", nil) })
	rulesJA   = sync.OnceValue(func() *ruleSet { return loadRules("rules/ja", bothRules()) })
	rulesEN   = sync.OnceValue(func() *ruleSet { return loadRules("rules/en", bothRules()) })
)

func ruleJA(name string) *rule   { return &rule{name: name, set: rulesJA} }
func ruleEN(name string) *rule   { return &rule{name: name, set: rulesEN} }
func ruleBoth(name string) *rule { return &rule{name: name, set: bothRules} }

// compiled gives the pattern. A file that cannot be read as rules is a mistake of the program, which its tests find.
func (r *rule) compiled() *regexp.Regexp {
	r.once.Do(func() {
		pattern := r.set().pattern(r.name)
		r.re, r.sift = regexp.MustCompile(pattern), newSieve(pattern)
	})
	return r.re
}

// on gives the pattern to be tried on a text; nil where it cannot match there.
func (r *rule) on(s string) *regexp.Regexp {
	if re := r.compiled(); r.sift.lets(s) {
		return re
	}
	return nil
}

func (r *rule) MatchString(s string) bool {
	re := r.on(s)
	return re != nil && re.MatchString(s)
}

func (r *rule) FindString(s string) string {
	if re := r.on(s); re != nil {
		return re.FindString(s)
	}
	return ""
}

func (r *rule) FindStringIndex(s string) []int {
	if re := r.on(s); re != nil {
		return re.FindStringIndex(s)
	}
	return nil
}

func (r *rule) FindStringSubmatch(s string) []string {
	if re := r.on(s); re != nil {
		return re.FindStringSubmatch(s)
	}
	return nil
}

func (r *rule) FindStringSubmatchIndex(s string) []int {
	if re := r.on(s); re != nil {
		return re.FindStringSubmatchIndex(s)
	}
	return nil
}

func (r *rule) FindAllStringIndex(s string, n int) [][]int {
	if re := r.on(s); re != nil {
		return re.FindAllStringIndex(s, n)
	}
	return nil
}

func (r *rule) FindAllStringSubmatch(s string, n int) [][]string {
	if re := r.on(s); re != nil {
		return re.FindAllStringSubmatch(s, n)
	}
	return nil
}

func (r *rule) FindAllStringSubmatchIndex(s string, n int) [][]int {
	if re := r.on(s); re != nil {
		return re.FindAllStringSubmatchIndex(s, n)
	}
	return nil
}

func (r *rule) ReplaceAllString(s, with string) string {
	if re := r.on(s); re != nil {
		return re.ReplaceAllString(s, with)
	}
	return s
}

func (r *rule) SubexpNames() []string       { return r.compiled().SubexpNames() }
func (r *rule) SubexpIndex(name string) int { return r.compiled().SubexpIndex(name) }

// alternative is one line of a rule, with the text that asked for it.
type alternative struct {
	pattern, example string
	file             string
	line             int
}

// definition is a rule as it is written: its alternatives, in the order in which they are tried, within its form.
type definition struct {
	form         string // what stands around the alternatives, which {} stands for; "" for nothing
	alternatives []alternative
}

// ruleSet is what the files of one directory define, by name. What it lacks is looked for in the set below.
type ruleSet struct {
	rules map[string]*definition
	below *ruleSet
}

// loadRules reads the files of a directory.
func loadRules(dir string, below *ruleSet) *ruleSet {
	set := &ruleSet{rules: map[string]*definition{}, below: below}
	files, err := fs.Glob(ruleFiles, dir+"/*.txt")
	if err != nil || len(files) == 0 {
		panic(fmt.Sprintf("extract: no rules in %s: %v", dir, err))
	}
	for _, name := range files {
		b, err := fs.ReadFile(ruleFiles, name)
		if err == nil {
			err = set.read(name, string(b))
		}
		if err != nil {
			panic("extract: " + err.Error())
		}
	}
	return set
}

// ruleHead is the first line of a rule: its name and, behind the colon, its form.
var ruleHead = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]*(?:\.[a-z0-9A-Z]+)?):(?: (.*))?$`)
})

// read adds the rules of a file.
func (set *ruleSet) read(file, text string) error {
	var d *definition
	n := 0
	for l := range strings.Lines(text) {
		n++
		l = strings.TrimRight(l, "\n")
		if l == "" || l[0] == '#' {
			continue
		}
		if pattern, ok := strings.CutPrefix(l, "  "); ok && d != nil {
			pattern, example, ok := strings.Cut(pattern, " <- ")
			if !ok {
				return fmt.Errorf("%s:%d: no example behind <-", file, n)
			}
			d.alternatives = append(d.alternatives, alternative{strings.TrimRight(pattern, " "), example, file, n})
			continue
		}
		m := ruleHead().FindStringSubmatch(l)
		if m == nil {
			return fmt.Errorf("%s:%d: neither a rule's name and a colon nor an alternative, which two spaces begin", file, n)
		}
		if set.rules[m[1]] != nil {
			return fmt.Errorf("%s:%d: %s is defined twice", file, n, m[1])
		}
		d = &definition{form: m[2]}
		set.rules[m[1]] = d
	}
	return nil
}

// find gives a rule by its name; within another rule, first that rule's own part of the name.
func (set *ruleSet) find(name, within string) (*definition, string) {
	own, _, _ := strings.Cut(within, ".")
	for s := set; s != nil; s = s.below {
		if d := s.rules[own+"."+name]; d != nil {
			return d, own + "." + name
		}
		if d := s.rules[name]; d != nil {
			return d, name
		}
	}
	panic(fmt.Sprintf("extract: rule %s, named in %s, is not defined", name, within))
}

// pattern puts a rule's lines together as a regular expression.
func (set *ruleSet) pattern(name string) string {
	return set.assemble(name, "", func(a alternative, pattern string) string { return pattern })
}

// assemble does so with each line as each writes it.
func (set *ruleSet) assemble(name, within string, each func(alternative, string) string) string {
	d, full := set.find(name, within)
	var parts []string
	for _, a := range d.alternatives {
		parts = append(parts, each(a, set.expand(a.pattern, full, each)))
	}
	all := strings.Join(parts, "|")
	if d.form == "" {
		return all
	}
	before, after, ok := strings.Cut(d.form, "{}")
	if !ok {
		panic(fmt.Sprintf("extract: the form of rule %s has no {}", full))
	}
	return set.expand(before, full, each) + "(?:" + all + ")" + set.expand(after, full, each)
}

// ruleName is a rule named within another, in braces: {0,30} and \p{Han} are something else.
var ruleName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?:\\[pP])?\{([A-Za-z][A-Za-z0-9-]*)\}`) })

// expand puts the rules in that s names in braces.
func (set *ruleSet) expand(s, within string, each func(alternative, string) string) string {
	var b strings.Builder
	at := 0
	for _, m := range ruleName().FindAllStringSubmatchIndex(s, -1) {
		if s[m[0]] != '{' {
			continue
		}
		b.WriteString(s[at:m[0]] + "(?:" + set.assemble(s[m[2]:m[3]], within, each) + ")")
		at = m[1]
	}
	b.WriteString(s[at:])
	return b.String()
}
