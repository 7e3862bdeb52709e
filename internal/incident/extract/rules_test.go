package extract

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// maxRuleLine bounds a line of the files of rules, in characters, so that each can be read.
const maxRuleLine = 200

// ruleSets are the files by their directories, with the function by which the program names their rules.
var ruleSets = map[string]func() *ruleSet{"ruleBoth": bothRules, "ruleJA": rulesJA, "ruleEN": rulesEN}

// TestRulesFire holds that no alternative is dead: on the example beside it, the rule takes that very line, and not one
// that stands before it. For a part of a rule the whole rule is tried.
func TestRulesFire(t *testing.T) {
	for _, set := range ruleSets {
		tried := 0
		for name := range set().rules {
			if strings.Contains(name, ".") {
				continue
			}
			lines, re := watched(set(), name)
			for k, a := range lines {
				if owner, _, _ := strings.Cut(ownerOf(set(), a), "."); owner != name {
					continue // a rule of its own, which is tried for itself
				}
				tried++
				if example := exampleOf(t, a); !fires(re, example, k) {
					t.Errorf("%s:%d: %s does not take %q by this line", a.file, a.line, name, example)
				}
			}
		}
		all := 0
		for _, d := range set().rules {
			all += len(d.alternatives)
		}
		if tried != all {
			t.Errorf("%d of %d lines tried: a part belongs to no rule, or no line leads to it", tried, all)
		}
	}
}

// watched compiles a rule with a group around each line, named after its place in lines.
func watched(set *ruleSet, name string) (lines []alternative, re *regexp.Regexp) {
	pattern := set.assemble(name, "", func(a alternative, p string) string {
		k := slices.Index(lines, a)
		if k < 0 {
			k = len(lines)
			lines = append(lines, a)
		}
		return fmt.Sprintf("(?P<line%d>%s)", k, p)
	})
	return lines, regexp.MustCompile(pattern)
}

// fires reports whether the first match of re in s goes through line k.
func fires(re *regexp.Regexp, s string, k int) bool {
	m := re.FindStringSubmatchIndex(s)
	for i, name := range re.SubexpNames() {
		if m != nil && m[2*i] >= 0 && name == "line"+itoa(k) {
			return true
		}
	}
	return false
}

func ownerOf(set *ruleSet, a alternative) string {
	for name, d := range set.rules {
		if slices.Contains(d.alternatives, a) {
			return name
		}
	}
	return ""
}

// exampleOf gives an example's text: quotes keep the spaces at its ends.
func exampleOf(t *testing.T, a alternative) string {
	if !strings.HasPrefix(a.example, `"`) {
		return a.example
	}
	s, err := strconv.Unquote(a.example)
	if err != nil {
		t.Errorf("%s:%d: %v", a.file, a.line, err)
	}
	return s
}

// TestRulesNamed holds that the program and the files name the same rules: each that the code asks for compiles, and each
// that is written is asked for, by the code or by another.
func TestRulesNamed(t *testing.T) {
	asked := map[string]bool{}
	named := regexp.MustCompile(`\b(ruleJA|ruleEN|ruleBoth)\("([^"]+)"\)`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(b), -1) {
			set := ruleSets[m[1]]()
			if set.rules[m[2]] == nil {
				t.Errorf("%s: %s is not in the files of %s", file, m[2], m[1])
				continue
			}
			if _, err := regexp.Compile(set.pattern(m[2])); err != nil {
				t.Errorf("%s: %v", m[2], err)
			}
			asked[m[1]+m[2]] = true
		}
	}
	if len(asked) < 400 {
		t.Fatalf("only %d rules are named in the code", len(asked))
	}
	for fn, set := range ruleSets {
		for name, d := range set().rules {
			for _, a := range d.alternatives {
				for _, m := range ruleName().FindAllStringSubmatch(a.pattern+d.form, -1) {
					_, full := set().find(m[1], name)
					for _, fn := range []string{fn, "ruleBoth"} {
						asked[fn+full] = true
					}
				}
			}
		}
	}
	for fn, set := range ruleSets {
		for name := range set().rules {
			if !asked[fn+name] {
				t.Errorf("nothing asks for %s of %s", name, fn)
			}
		}
	}
}

func TestRulesReadable(t *testing.T) {
	files, err := filepath.Glob("rules/*/*.txt")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d files of rules: %v", len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for l := range strings.Lines(string(b)) {
			if utf8.RuneCountInString(l) > maxRuleLine {
				t.Errorf("%s: a line of %d characters: %.60s...", file, utf8.RuneCountInString(l), l)
			}
		}
	}
}

// TestRulesRefused holds that a file which is not what it seems is not read.
func TestRulesRefused(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"found:\n  発見\n", "f:2: no example"},
		{"found:\n  発見 <- 発見\nfound:\n", "f:3: found is defined twice"},
		{"  発見 <- 発見\n", "f:1: neither"},
		{"found\n", "f:1: neither"},
	} {
		set := &ruleSet{rules: map[string]*definition{}}
		if err := set.read("f", c.text); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
}
