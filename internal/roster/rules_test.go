package roster

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"shirase/internal/hint"
)

func TestBadRules(t *testing.T) {
	ok := "columns: {account: id, email: mail}\nsets: [{classes: [email]}]\n"
	deep := ""
	for i := range 300 {
		deep += strings.Repeat(" ", i) + "a:\n"
	}
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for _, c := range []struct{ name, src, want, remedy string }{
		{"empty", "", "rules.yaml:1: columns names no e-mail, phone or account column", "columns: {account: member_id"},
		{"not YAML", "columns: {", "rules.yaml:1: column", ""},
		{"a list", "- 1\n", "rules.yaml:1: column", ""},
		{"not UTF-8", "columns: {email: \xff}", "rules.yaml: it is not UTF-8", ""},
		{"large", ok + "# " + strings.Repeat("x", maxRules), "larger than 64 KiB", ""},
		{"alias", "columns: {email: &a mail, account: *a}\n" + ok[strings.Index(ok, "sets"):], "rules.yaml:1: column 18: anchors and aliases", "write it out"},
		{"deep brackets", ok + "exclude: " + strings.Repeat("[", 30000), "rules.yaml:3: column 26: it is nested more than 16 deep", ""},
		{"deep dashes", ok + "exclude:\n  " + strings.Repeat("- ", 30000), "rules.yaml:4: column 35: it is nested more than 16 deep", ""},
		{"deep lines", deep, "it is nested more than 16 deep", ""},
		{"unknown key", ok + "\nexcludes: []\n", `rules.yaml:4: column 1: unknown field "excludes"`, ""},
		{"unknown column key", "columns: {mail: x}\n", `rules.yaml:1: column 11: unknown field "mail"`, ""},
		{"key twice", ok + "columns: {email: x}\n", `rules.yaml:3: column 1: mapping key "columns" already defined`, ""},
		{"two documents", ok + "---\nid: naver-2013\nfacts: []\n", "rules.yaml:4: column 1: there is a second document", "a file of its own"},
		{"column not text", "columns: {email: [a]}\n", "rules.yaml:1: column", ""},
		{"no sets", "columns: {email: mail}\n", "there are no sets", "classes: [email"},
		{"no classes", "columns: {email: mail}\nsets:\n  - {when: 'a == \"\"'}\n", "rules.yaml:3: sets[0] names no classes", "classes: [email]"},
		{"unknown class", "columns: {email: mail}\nsets:\n  - classes:\n    - email\n    - e-mail\n", `rules.yaml:5: sets[0]: unknown data class "e-mail"`, ""},
		{"class twice", "columns: {email: mail}\nsets: [{classes: [email, email]}]", "sets[0]: email is there twice", ""},
		{"set after one without when", "columns: {email: mail}\nsets:\n  - classes: [email]\n  - classes: [name]\n", "rules.yaml:4: sets[1] can never match", "last"},
		{"exclude without name", ok + "exclude:\n  - {when: 'a == \"\"'}\n", "rules.yaml:4: exclude[0] has no name", "counted under its name"},
		{"exclude without when", ok + "exclude:\n  - {name: a}\n", `rules.yaml:4: exclude "a" has no when`, "country"},
		{"exclude twice", ok + "exclude:\n  - {name: a, when: 'x == \"\"'}\n  - {name: a, when: 'y == \"\"'}\n", `rules.yaml:5: exclude: "a" is there twice`, "name of its own"},
		{"exclude name", ok + "exclude: [{name: \"a\\nb\", when: 'a == \"\"'}]", "control characters", ""},
		{"long name", ok + "exclude: [{name: " + strings.Repeat("a", 65) + ", when: 'a == \"\"'}]", "longer than 64 bytes", ""},
		{"many excludes", ok + "exclude:\n" + many(maxExcludes+1, "  - {name: n%d, when: 'a == \"\"'}\n"), "more than 200 exclude rules", ""},
		{"many sets", "columns: {email: mail}\nsets:\n" + many(maxSetRules+1, "  - {when: 'a == \"%d\"', classes: [email]}\n"), "more than 1000 sets", ""},
		{"unknown kind", ok + "index: [email, mail]\n", `rules.yaml:3: index: unknown kind "mail"`, "email, phone and account"},
		{"kind twice", ok + "index: [email, email]\n", "email is there twice", ""},
		{"no kind", ok + "index: []\n", "index names no kind", "leave it out"},
		{"kind without column", ok + "index: [phone]\n", "phone is to be indexed, but columns names no phone column", "phone: NAME"},
		{"no e-mail column and no index", "columns: {account: id}\nsets: [{classes: [email]}]\n", "email is to be indexed, but columns names no email column", "index: [...]"},
		{"account without organisation", ok + "index: [account]\n", `organisation "" is not an id`, "organisation: example"},
		{"organisation", ok + "organisation: Example Inc.\n", `rules.yaml:3: organisation "Example Inc." is not an id`, "organisation: example"},
		{"region", ok + "phoneRegion: Japan\n", `phoneRegion "Japan"`, "JP"},
		{"rejects", ok + "maxRejects: 5\n", "rules.yaml:3: maxRejects is not a share", "0.01"},
		{"rejects NaN", ok + "maxRejects: .nan\n", "maxRejects is not a share", ""},
		{"rejects text", ok + "maxRejects: 1%\n", "rules.yaml:3: column", ""},
		{"when: syntax", ok + "exclude:\n  - name: a\n    when: 'country ='\n", `rules.yaml:5: exclude "a": when: at character 9`, "a condition compares"},
		{"when: syntax in a set", "columns: {email: mail}\nsets: [{when: '(', classes: [email]}]", "rules.yaml:2: sets[0]: when: at character", ""},
		{"when: long", ok + "exclude: [{name: a, when: 'a == \"" + strings.Repeat("x", maxCondition) + "\"'}]", "longer than 4096 bytes", ""},
		{"when: range", ok + "exclude: [{name: a, when: 'len(x) in 1..1000000000'}]", "ranges are not available", ""},
		{"when: dynamic pattern", ok + "exclude: [{name: a, when: 'x matches y'}]", "the pattern of matches must be a text", ""},
		{"when: function", ok + "exclude: [{name: a, when: 'repeat(x, 1000000000) == \"\"'}]", "the function repeat is not available", ""},
		{"when: call of something else", ok + "exclude: [{name: a, when: 'x(1)'}]", "only these can be called", ""},
		{"when: predicate", ok + "exclude: [{name: a, when: 'any([x], # == \"\")'}]", "without variables and predicates", ""},
		{"when: variable", ok + "exclude: [{name: a, when: 'let y = x; y == \"\"'}]", "without variables", ""},
		{"when: $env", ok + "exclude: [{name: a, when: '$env[\"x\"] == \"\"'}]", "$env is not available", ""},
		{"when: member", ok + "exclude: [{name: a, when: 'x.y == \"\"'}]", "has no members", ""},
		{"when: col alone", ok + "exclude: [{name: a, when: 'col'}]", "col needs a column's name", ""},
		{"when: col compared", ok + "exclude: [{name: a, when: 'col == \"\"'}]", "col needs a column's name", ""},
		{"when: col dynamic", ok + "exclude: [{name: a, when: 'col[x] == \"\"'}]", "col needs a column's name", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseRules("rules.yaml", []byte(c.src), knownClasses)
			if !errors.Is(err, ErrRules) || !strings.Contains(err.Error(), c.want) || !strings.Contains(hint.Of(err), c.remedy) {
				t.Errorf("%v\nhint %q\nwant %q, %q", err, hint.Of(err), c.want, c.remedy)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

// TestRulesAgainstColumns: mistakes that show when the export is known.
func TestRulesAgainstColumns(t *testing.T) {
	columns := []string{"id", "mail", "country", "会員ID", "and", "len", "col", "user1@example.com"}
	for _, c := range []struct{ when, want, remedy string }{
		{`coutnry != "JP"`, `unknown column "coutnry"; did you mean "country"?`, `the columns are "id", "mail", "country"`},
		{`Country != "JP"`, `did you mean "country"?`, ""},
		{`zzzzz != "JP"`, `unknown column "zzzzz"`, "(one that looks like data"},
		{`id == "1" or col["会員id"] == ""`, `at character 17: unknown column "会員id"; did you mean "会員ID"?`, ""},
		{`country`, "expected bool", "a condition compares"},
		{`country > 1`, "at character 9: invalid operation", ""},
		{`country and id == ""`, "invalid operation", ""},
		{`lower(country, id) == ""`, "at character", ""},
		{`and == ""`, "at character 1", ""},
	} {
		r := mustRules(t, "columns: {email: mail}\nsets: [{classes: [email]}]\nexclude: [{name: a, when: 'id == \"\"'}]\n")
		r.excludes[0].when.text = c.when // past check, as from a file that passed it
		_, err := r.compile(columns)
		if !errors.Is(err, ErrRules) || !strings.Contains(err.Error(), `rules.yaml:3: exclude "a": when: `) ||
			!strings.Contains(err.Error(), c.want) || !strings.Contains(hint.Of(err), c.remedy) {
			t.Errorf("%s: %v\nhint %q\nwant %q, %q", c.when, err, hint.Of(err), c.want, c.remedy)
		}
		if err != nil && strings.Contains(hint.Of(err), "user1@") {
			t.Errorf("%s: data in the hint", c.when)
		}
	}
}

func TestConditions(t *testing.T) {
	columns := []string{"id", "country", "会員 ID", "and", "len", "col", "count", "in"}
	values := []string{"7", "JP", "x", "conj", "l", "c", "12", "i"}
	for when, want := range map[string]bool{
		`country == "JP"`:                          true,
		`country != "JP"`:                          false,
		`country in ["US", "JP"]`:                  true,
		`not (country in ["US", "JP"])`:            false,
		`country not in ["US", "JP"]`:              false,
		`country matches "^J.$" and id == "7"`:     true,
		`country contains "P" or id == "8"`:        true,
		`country startsWith "J" && !(id == "8")`:   true,
		`col["会員 ID"] == "x"`:                      true,
		`col["and"] == "conj" and col["in"] < "j"`: true,
		`len == "l" and len(len) == 1`:             true,
		`count == "12" and int(count) > 9`:         true,
		`col["col"] == "c"`:                        true,
		`id + country == "7JP"`:                    true,
		`country | lower() == "jp"`:                true,
		`upper(trim(" jp ")) == country`:           true,
		`country[0:1] == "J"`:                      true,
		`country == "JP" ? id == "7" : false`:      true,
		`float(id) / 2 == 3.5`:                     true,
		`hasPrefix(country, "J")`:                  true,
		`country == nil`:                           false,
		`true`:                                     true,
	} {
		r := mustRules(t, "columns: {email: id}\nsets: [{classes: [email]}]\nexclude:\n  - name: a\n    when: >-\n      "+when+"\n")
		c, err := r.compile(columns)
		if err != nil {
			t.Errorf("%s: %v", when, err)
			continue
		}
		var fields [][]byte
		for _, v := range values {
			fields = append(fields, []byte(v))
		}
		c.load(fields)
		i, p, _ := c.excluded()
		if got := i == 0; got != want || p != fine {
			t.Errorf("%s: %v, want %v (%v)", when, got, want, p)
		}
	}
}

// TestConditionFails: what cannot be worked out for a row rejects the row, and
// nothing of the row is said.
func TestConditionFails(t *testing.T) {
	r := mustRules(t, `
columns: {email: mail}
exclude: [{name: old, when: 'int(age) > 100'}]
sets:
  - {when: 'float(score) > 0.5', classes: [email]}
`)
	c, err := r.compile([]string{"mail", "age", "score"})
	if err != nil {
		t.Fatal(err)
	}
	c.load([][]byte{[]byte("x"), []byte("secret"), []byte("1")})
	if i, p, field := c.excluded(); i != -1 || p != ruleFailed || field != `exclude "old"` {
		t.Errorf("%d %v %q", i, p, field)
	}
	c.load([][]byte{[]byte("x"), []byte("1"), []byte("")})
	if i, p, _ := c.excluded(); i != -1 || p != fine {
		t.Errorf("%d %v", i, p)
	}
	if _, p, field := c.set(); p != ruleFailed || field != "sets[0]" {
		t.Errorf("%v %q", p, field)
	}
	c.load([][]byte{[]byte("x"), []byte("1"), []byte("0.1")})
	if _, p, _ := c.set(); p != noSet {
		t.Errorf("%v", p)
	}
}

// TestWholeRules: rules that use everything are read as they stand.
func TestWholeRules(t *testing.T) {
	r := mustRules(t, `# rules.yaml
columns: {account: member_id, email: mail, locale: lang}
exclude:
  - {name: foreign, when: 'country != "JP"'}
  - {name: openid,  when: 'auth in ["twitter", "facebook", "livedoor"]'}
sets:                                  # first match; what each person lost
  - {when: 'nickname != ""', classes: [email, "password:hashed", nickname]}
  - {classes: [email, "password:hashed"]}
---
`)
	if want := []string{"email", "nickname", "password:hashed"}; !slices.Equal(r.classes, want) {
		t.Errorf("classes %q", r.classes)
	}
	if r.sets[0].mask != 7 || r.sets[1].mask != 5 || r.maxRejects != 0.01 || len(r.excludes) != 2 {
		t.Errorf("%+v", r)
	}
}

func FuzzRules(f *testing.F) {
	f.Add([]byte(modelRules))
	f.Add([]byte("columns: {email: mail, phone: tel}\nindex: [phone, email]\nphoneRegion: JP\nmaxRejects: 1e-2\nsets: [{classes: [email]}]"))
	f.Add([]byte("columns: {account: id}\norganisation: x\nindex: [account]\nexclude: [{name: a, when: 'col[\"id\"] in [\"1\"]'}]\nsets: [{classes: [name]}]"))
	f.Add([]byte("columns: {email: mail}\nsets:\n  - when: |\n      lower(mail) matches \"x+\" ? true : len(mail) > 3\n    classes: [email]\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		r, err := ParseRules("r", src, knownClasses)
		if err == nil {
			var c *conditions
			if c, err = r.compile([]string{"mail", "id", "country", "auth", "nickname"}); err == nil {
				c.load([][]byte{[]byte("user1@example.com"), []byte("1"), []byte("JP"), nil, nil})
				c.excluded()
				c.set()
				return
			}
		}
		if !errors.Is(err, ErrRules) {
			t.Fatalf("%v", err)
		}
	})
}

// TestMeantClass holds that a data class that is none gets the nearest one named, as the handbook says.
func TestMeantClass(t *testing.T) {
	for word, want := range map[string]string{"phoen": "phone", "e-mail": "email", "Email": "email", "password": "password:hashed",
		"nick name": "nickname", "nmae": "name", "mailing-name-of-somebody": "name", "emails": "email"} {
		_, err := ParseRules("rules.yaml", []byte("columns: {email: mail}\nsets:\n  - {classes: ["+"\""+word+"\"]}\n"), knownClasses)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("did you mean %q?", want)) {
			t.Errorf("%s: %v, want %s", word, err, want)
		}
	}
	_, err := ParseRules("rules.yaml", []byte("columns: {email: mail}\nsets:\n  - {classes: [zzzzzzz]}\n"), knownClasses)
	var hint interface{ Hint() string }
	if err == nil || strings.Contains(err.Error(), "did you mean") || !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "the classes are email, ") {
		t.Errorf("a word like none: %v", err)
	}
}
