package preflight

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

// Every finding says what it found and what to do about it in both languages, of the same things seen; and every code is found somewhere.
func TestBothLanguages(t *testing.T) {
	mark := regexp.MustCompile(`\{\d\}`)
	japanese := func(s string) bool {
		return strings.IndexFunc(s, func(r rune) bool { return unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han) }) >= 0
	}
	marks := func(s string) []string {
		m := mark.FindAllString(s, -1)
		slices.Sort(m)
		return slices.Compact(m)
	}
	found := map[string]bool{}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), source, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if f, ok := call.Fun.(*ast.SelectorExpr); !ok || f.Sel.Name != "find" {
				return true
			}
			code, ok := call.Args[2].(*ast.BasicLit)
			if !ok {
				t.Errorf("a finding whose code is no literal")
				return true
			}
			name, _ := strconv.Unquote(code.Value)
			w, known := texts[name]
			if found[name] = true; !known {
				t.Errorf("%s has no words", name)
			}
			calls++
			all := w.what.JA + w.what.EN + w.remedy.JA + w.remedy.EN
			for _, m := range marks(all) {
				if n, _ := strconv.Atoi(strings.Trim(m, "{}")); n > len(call.Args)-3 {
					t.Errorf("%s says %s, and %d things are seen", name, m, len(call.Args)-3)
				}
			}
			level, _ := call.Args[1].(*ast.Ident)
			if well := level != nil && level.Name == "Well"; well != (w.remedy.EN == "") {
				t.Errorf("%s: what is well needs no remedy, and all else does", name)
			}
			return true
		})
	}
	if calls < 40 {
		t.Fatalf("only %d findings were looked at", calls)
	}
	for code, w := range texts {
		if !found[code] {
			t.Errorf("nothing finds %s", code)
		}
		if !japanese(w.what.JA) || w.what.EN == "" || japanese(w.what.EN+w.remedy.EN) || (w.remedy.JA == "") != (w.remedy.EN == "") {
			t.Errorf("%s: %+v", code, w)
		}
		if !slices.Equal(marks(w.what.JA), marks(w.what.EN)) || !slices.Equal(marks(w.remedy.JA), marks(w.remedy.EN)) {
			t.Errorf("%s says other things in the other language: %+v", code, w)
		}
	}
}
