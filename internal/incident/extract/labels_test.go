package extract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shirase/internal/language"
)

// outsideLabel is a fact that somebody found in a text which the project does not keep.
type outsideLabel struct {
	Key       string `json:"key"`
	Value     any    `json:"value"`
	Unit      string `json:"unit"`
	Qualifier string `json:"qualifier"`
	Also      []any  `json:"also"`     // other right values
	Optional  bool   `json:"optional"` // careful readers differ: neither missed nor wrong
}

// outsideKeys are those that such labels name. Where a text discloses nothing, every proposal of whatever key is wrong.
var outsideKeys = []string{"organisation", "disclosed", "discovered", "window.start", "window.end", "contained", "persons-notified", "affected.count", "data-class", "cause", "secondary-damage"}

// says reports whether a label is a proposal's. Of what followed, labels say whether something did and not what.
func (l outsideLabel) says(e Entry) bool {
	if l.Key != e.Key {
		return false
	}
	if l.Key == "secondary-damage" {
		return l.Value == e.Status
	}
	return slices.ContainsFunc(append([]any{l.Value}, l.Also...), func(v any) bool {
		unit := l.Unit
		if m, ok := v.(map[string]any); ok { // another value with its own unit
			v, unit = m["value"], fmt.Sprint(m["unit"])
		}
		if l.Key == "affected.count" && (unit != e.Unit || l.Qualifier != e.Qualifier) {
			return false
		}
		return sameValue(fmt.Sprint(v), valueOf(e))
	})
}

// sameValue compares values as they are written: an hour may be written as its first minute, UTC in either of its forms, a name with or
// without spaces, a number by a reader of JSON.
func sameValue(a, b string) bool {
	norm := func(s string) string {
		s = strings.ReplaceAll(strings.ReplaceAll(s, " ", ""), "　", "")
		if i := strings.IndexByte(s, 'T'); i == len("2006-01-02") {
			s = strings.Replace(s, "Z", "+00:00", 1)
			if clock, zone, ok := strings.Cut(s[i+1:], "+"); ok && len(clock) == 2 {
				s = s[:i+1] + clock + ":00+" + zone
			}
		}
		return s
	}
	return norm(a) == norm(b)
}

// TestLabelled measures the rules on texts that the project does not keep: a folder, named in SHIRASE_TEST_LABELLED, of x.txt with x.json
// beside it: {"lang", "disclosure", "facts": [{"key", "value", "unit", "qualifier", "also", "optional"}]}. It judges
// nothing; it prints how often what was proposed, and what was called sure, was right (docs/BENCHMARKS.md).
func TestLabelled(t *testing.T) {
	dir := os.Getenv("SHIRASE_TEST_LABELLED")
	if dir == "" {
		t.Skip("SHIRASE_TEST_LABELLED names no folder of labelled texts")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no labels in the folder: %v", err)
	}
	scores := map[string]*outsideScore{}
	for _, file := range files {
		scoreOutside(t, file, scores)
	}
	var names []string
	for name := range scores {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		t.Logf("%-40s %s", name, scores[name])
	}
}

// outsideScore counts proposals and labels.
type outsideScore struct{ sure, sureRight, right, proposed, missed int }

func (s outsideScore) String() string {
	part := func(a, b int) float64 { return float64(a) / float64(max(b, 1)) }
	return fmt.Sprintf("right %3d of %3d, %.3f; recall %.3f of %3d; sure and right %3d of %3d, %.3f; share sure %.2f", s.right, s.proposed, part(s.right, s.proposed),
		part(s.right, s.right+s.missed), s.right+s.missed, s.sureRight, s.sure, part(s.sureRight, s.sure), part(s.sure, s.proposed))
}

// scoreOutside reads one text and counts into the scores of all, of its language and of the keys.
func scoreOutside(t *testing.T, file string, scores map[string]*outsideScore) {
	var doc struct {
		Lang       language.Lang  `json:"lang"`
		Disclosure bool           `json:"disclosure"`
		Facts      []outsideLabel `json:"facts"`
	}
	data, err := os.ReadFile(file)
	if err == nil {
		in := json.NewDecoder(bytes.NewReader(data))
		in.UseNumber()
		err = in.Decode(&doc)
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(strings.TrimSuffix(file, ".json") + ".txt")
	if err != nil {
		t.Fatal(err)
	}
	res, err := Notice(text)
	if err != nil {
		t.Fatal(err)
	}
	count := func(key, rule string, add outsideScore) {
		names := []string{"all", "all " + string(doc.Lang), "field " + key, "field " + string(doc.Lang) + " " + key}
		if !doc.Disclosure {
			names = append(names, "all that disclose nothing")
		}
		if rule != "" {
			names = append(names, "rule "+string(res.Lang)+" "+rule)
		}
		for _, n := range names {
			if scores[n] == nil {
				scores[n] = &outsideScore{}
			}
			s := scores[n]
			s.sure, s.sureRight, s.right, s.proposed, s.missed = s.sure+add.sure, s.sureRight+add.sureRight, s.right+add.right, s.proposed+add.proposed, s.missed+add.missed
		}
	}
	used := make([]bool, len(doc.Facts))
	for _, p := range res.Proposals {
		e := p.Entry()
		if doc.Disclosure && !slices.Contains(outsideKeys, e.Key) {
			continue
		}
		at := slices.IndexFunc(doc.Facts, func(l outsideLabel) bool { return l.says(e) })
		if at >= 0 && (doc.Facts[at].Optional || used[at]) {
			continue // debatable, or said already
		}
		one := outsideScore{proposed: 1, sure: btoi(e.Sure)}
		if at >= 0 {
			used[at] = true
			one.right, one.sureRight = 1, one.sure
		} else {
			t.Logf("%s: wrong: %s (%s, sure %v, %s)", filepath.Base(file), labelOf(e), e.Rule, e.Sure, e.Doubt)
		}
		count(e.Key, e.Rule, one)
	}
	for i, l := range doc.Facts {
		if !used[i] && !l.Optional && slices.Contains(outsideKeys, l.Key) {
			t.Logf("%s: missed: %s %v %s %s", filepath.Base(file), l.Key, l.Value, l.Unit, l.Qualifier)
			count(l.Key, "", outsideScore{missed: 1})
		}
	}
}
