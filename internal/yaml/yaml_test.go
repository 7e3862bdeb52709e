package yaml

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/goccy/go-yaml/ast"
)

func TestParse(t *testing.T) {
	root, err := Parse([]byte("# a comment\na: {b: [1, x]}\nc: \"d\" # another\n"), 1<<10)
	if m, ok := root.(*ast.MappingNode); err != nil || !ok || len(m.Values) != 2 {
		t.Fatalf("%T, %v", root, err)
	}
	for _, nothing := range []string{"", "# only a comment\n", "---\n", "\n\n"} {
		if root, err := Parse([]byte(nothing), 1<<10); root != nil || err != nil {
			t.Errorf("%q: %v, %v", nothing, root, err)
		}
	}
	for text, want := range map[string]string{
		"a: 1\n---\nb: 2\n":               "3:1: there is a second document",
		"a: &x 1\nb: *x\n":                "1:4: anchors",
		"a:\n  <<: b\n":                   "2:3: anchors",
		"a: !x 1\n":                       "1:4: tags",
		"a: secret: b\n":                  "1:",
		"a: [secret\n":                    "1:",
		"a: 1\na: 2\n":                    "2:1: ",
		"\xff":                            "0:0: it is not UTF-8",
		"a: " + strings.Repeat("x", 1100): "0:0: it is larger than 1 KiB",
		strings.Repeat("[", 400):          "1:17: it is nested more than 16 deep",
		strings.Repeat("- ", 400):         "1:33: it is nested more than 16 deep",
		strings.Repeat(" ", 400) + "a: 1": "1:201: it is nested more than 16 deep",
	} {
		_, err := Parse([]byte(text), 1<<10)
		var e *Error
		if !errors.As(err, &e) || !strings.HasPrefix(fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Problem), want) || strings.Contains(e.Problem, "secret") {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"a: {b: [1, x]}\n", "- - a\n- ? b\n  : c\n", "a: |\n  b\n", "\"\\u12", "%YAML 1.2\n---\na\n...\n", "a: !!str b", "{a: [}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		root, err := Parse(src, 4<<10)
		var e *Error
		if err != nil && (root != nil || !errors.As(err, &e) || e.Problem == "" || e.Line < 0) {
			t.Errorf("%v, %v", root, err)
		}
	})
}
