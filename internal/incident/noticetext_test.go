package incident

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/internal/hint"
	"shirase/internal/language"
)

// TestReferences holds how each kind of fact is written where a text refers to it.
func TestReferences(t *testing.T) {
	file := parse(t, string(ModelCase()))
	for i := range file.Facts { // as addFacts would
		if file.Facts[i].AsOf.IsZero() {
			t.Fatal("the model case says every as-of")
		}
	}
	inc := Incident{ID: file.ID, Facts: current(file.Facts)}
	var vectors []struct{ Markdown, JA, EN string }
	src, err := os.ReadFile("testdata/references.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(src, &vectors, json.RejectUnknownMembers(true), json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		for lang, want := range map[language.Lang]string{language.JA: v.JA, language.EN: v.EN} {
			if got, err := inc.Render(lang, "x.md", v.Markdown); err != nil || got != want {
				t.Errorf("%s: %q, %v; want %q", v.Markdown, got, err, want)
			}
		}
	}
	for _, c := range []struct{ text, at, problem, remedy string }{
		{"a {{affected.cuont}}", "x.md:1:3", `no fact "affected.cuont"`, "did you mean `affected.count`"},
		{"a\nべ {{", "x.md:2:3", "does not end", "{{affected.count}}"},
		{"{{affected.count\n}}", "x.md:1:1", "does not end", "same line"},
		{"{{}}", "x.md:1:1", "nothing", "{{affected.count}}"},
		{"{{closed}}", "x.md:1:1", `"closed" is not recorded`, "record it first"},
		{"{{action reset-9}}", "x.md:1:1", `no item "reset-9"`, "did you mean"},
		{"{{action reset-1 promised fast}}", "x.md:1:1", `has no "fast"`, "clock"},
		{"{{action mail promised}}", "x.md:1:1", "no such time", "record the time"},
		{"{{disclosed clock}}", "x.md:1:1", "no time of day", "leave the style away"},
		{"{{title x}}", "x.md:1:1", `"title" has no "x"`, "asOf"},
		{"{{" + strings.Repeat("a", 300) + "}}", "x.md:1:1", "does not end", ""},
		{strings.Repeat("{{title}}", maxReferences+1), "x.md:1:", "more than 500", ""},
		{"a\u202eb", "x.md:1:2", "U+202E", "remove"},
		{"a\x00b", "x.md:1:2", "U+0000", "remove"},
		{"\xff", "x.md", "UTF-8", ""},
		{" \n", "x.md", "empty", ""},
		{strings.Repeat("長", maxNoticeText+1), "x.md", "longer than", ""},
	} {
		_, err := inc.Render(language.JA, "x.md", c.text)
		if !errors.Is(err, ErrNotice) || !strings.HasPrefix(err.Error(), c.at) || !strings.Contains(err.Error(), c.problem) || !strings.Contains(hint.Of(err), c.remedy) || hint.Of(err) == "" {
			t.Errorf("%.40q: %v (%s)", c.text, err, hint.Of(err))
		}
	}
}

// TestHostileReferences holds that a fact never becomes markup through a reference either.
func TestHostileReferences(t *testing.T) {
	hostile := "<script>alert(1)</script> [x](javascript:alert(1)) {{title}} **b**"
	inc := Incident{ID: "a", Facts: []Fact{{Key: "title", Value: Value{Text: language.Same(hostile)}}}}
	text, err := inc.Render(language.EN, "x.md", "# {{title}}\n\na {{title}} b")
	if err != nil {
		t.Fatal(err)
	}
	html, err := HTML(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<strong>", "<a "} {
		if strings.Contains(string(html), bad) {
			t.Errorf("%s in %s", bad, html)
		}
	}
}

// TestNoticeVectors holds the published forms: what is in testdata/notices is read, and read to the same bytes, for
// ever. Good ones are made by -update of package compose; the bad ones are edits of them.
func TestNoticeVectors(t *testing.T) {
	good, err := filepath.Glob("testdata/notices/*.json")
	if err != nil || len(good) < 5 {
		t.Fatalf("%d vectors, %v", len(good), err)
	}
	for _, name := range good {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		n, err := ParseNotice(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if string(n.Data) != string(data) {
			t.Errorf("%s: other bytes", name)
		}
		if want := strings.TrimSuffix(filepath.Base(name), ".json"); !strings.HasPrefix(want, n.Kind) {
			t.Errorf("%s is a %s", name, n.Kind)
		}
	}
	var bad []struct{ From, Replace, By, Why string }
	src, err := os.ReadFile("testdata/notices-refused.txt")
	if err != nil {
		t.Fatal(err)
	}
	dec := jsontext.NewDecoder(strings.NewReader(string(src)))
	for dec.PeekKind() == '{' {
		var b struct{ From, Replace, By, Why string }
		if err := json.UnmarshalDecode(dec, &b, json.MatchCaseInsensitiveNames(true)); err != nil {
			t.Fatal(err)
		}
		bad = append(bad, b)
	}
	if len(bad) < 10 {
		t.Fatalf("%d refused vectors", len(bad))
	}
	for _, b := range bad {
		data, err := os.ReadFile("testdata/notices/" + b.From)
		if err != nil {
			t.Fatal(err)
		}
		edited := strings.Replace(string(data), b.Replace, b.By, 1)
		if edited == string(data) {
			t.Errorf("%s holds no %s", b.From, b.Replace)
			continue
		}
		if _, err := ParseNotice([]byte(edited)); !errors.Is(err, ErrNotice) || !strings.Contains(err.Error(), b.Why) {
			t.Errorf("%s, %s → %s: %v, want %q", b.From, b.Replace, b.By, err, b.Why)
		}
	}
}

// FuzzRender feeds texts to the references: an error has a place and a remedy, and what comes out is safe to show.
func FuzzRender(f *testing.F) {
	file, err := ParseFactsFile("f", ModelCase())
	if err != nil {
		f.Fatal(err)
	}
	inc := Incident{ID: file.ID, Facts: current(file.Facts)}
	for _, seed := range []string{"{{title}}", "{{action reset-1 promised short}}", "{{{{title}}}}", "{\\{title}}", "{{action  reset-2\tline }}", "{{data-class password:hashed}}", "{{", "}}{{contact url}}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, lang := range []language.Lang{language.JA, language.EN} {
			out, err := inc.Render(lang, "f", text)
			if err != nil {
				if !errors.Is(err, ErrNotice) || hint.Of(err) == "" || strings.Contains(err.Error(), "\n") {
					t.Fatalf("error without place or remedy: %q", err)
				}
				return
			}
			if len(out) > MaxNotice+maxText {
				t.Fatal("too long")
			}
			if _, err := HTML(out); err != nil {
				t.Fatal(err)
			}
			if _, err := inc.Referred("f", text); err != nil {
				t.Fatalf("rendered, and not found again: %v", err)
			}
		}
	})
}
