package extract

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shirase/internal/incident"
)

// measured are the keys whose values are compared. The others hold sentences, of which a part may be as right as the
// whole; the model notice holds them.
var measured = []string{"organisation", "disclosed", "window.start", "window.end", "discovered", "contained", "login-blocked", "regulator-notified",
	"persons-notified", "affected.count", "base.count", "attempts.count", "data-class", "cause", "secondary-damage", "addendum"}

// What holds of the corpus today.
const (
	minPrecision = 0.98
	minRecall    = 0.91
)

// TestCorpus compares what the texts of testdata/corpus propose with the facts beside them, and prints precision and
// recall of each key. The texts are our own, in the forms in which notices come. Beside a text, a line is a fact that it
// states; one behind "? " may be proposed or not, where careful readers differ.
func TestCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/corpus/*.txt")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d texts: %v", len(files), err)
	}
	type score struct{ right, wrong, missing int }
	scores := map[string]*score{}
	for _, k := range measured {
		scores[k] = &score{}
	}
	var all score
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, may := labels(t, strings.TrimSuffix(file, ".txt")+".facts")
		res, err := Notice(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range res.Entries() {
			if !slices.Contains(measured, e.Key) {
				continue
			}
			got := labelOf(e)
			is := func(l string) bool { return got == l || strings.HasPrefix(got, l+" ") }
			if i := slices.IndexFunc(want, is); i >= 0 {
				want = slices.Delete(want, i, i+1)
				scores[e.Key].right++
				all.right++
			} else if !slices.ContainsFunc(may, is) {
				t.Logf("%s: not there: %s", filepath.Base(file), got)
				scores[e.Key].wrong++
				all.wrong++
			}
		}
		for _, w := range want {
			key, _, _ := strings.Cut(w, " ")
			t.Logf("%s: missed: %s", filepath.Base(file), w)
			scores[key].missing++
			all.missing++
		}
		if len(res.Proposals) > 0 {
			if _, err := incident.ParseFactsFile(file, FactsFile(res.ID, res.Zone, res.Entries())); err != nil {
				t.Error(err)
			}
		}
	}
	ratio := func(a, b int) float64 { return float64(a) / float64(max(a+b, 1)) }
	for _, k := range measured {
		s := scores[k]
		t.Logf("%-20s precision %.3f  recall %.3f  (%d right, %d wrong, %d missed)", k, ratio(s.right, s.wrong), ratio(s.right, s.missing), s.right, s.wrong, s.missing)
	}
	precision, recall := ratio(all.right, all.wrong), ratio(all.right, all.missing)
	t.Logf("%d texts: precision %.3f, recall %.3f", len(files), precision, recall)
	if precision < minPrecision || recall < minRecall {
		t.Errorf("precision %.3f below %.2f, or recall %.3f below %.2f", precision, minPrecision, recall, minRecall)
	}
}

// labels reads the facts beside a text: those that it states, and those that may be proposed or not. Keys that are not
// measured are left out; an hour is written as its first minute.
func labels(t *testing.T, file string) (must, may []string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(data)) {
		l = strings.TrimSpace(l)
		if i := strings.LastIndex(l, "T"); i > 0 && len(l)-i == len("T16+09:00") {
			l = l[:i+3] + ":00" + l[i+3:]
		}
		optional, isOptional := strings.CutPrefix(l, "? ")
		if key, _, _ := strings.Cut(optional, " "); !slices.Contains(measured, key) {
			continue
		}
		if isOptional {
			may = append(may, optional)
		} else {
			must = append(must, l)
		}
	}
	return must, may
}

// labelOf writes an entry as a label does.
func labelOf(e Entry) string {
	switch l := e.Key + " " + valueOf(e); e.Key {
	case "secondary-damage":
		return l + " " + e.Status
	case "addendum":
		return e.Key + " " + e.At
	case "affected.count", "base.count", "attempts.count":
		return l + " " + e.Unit + " " + e.Qualifier
	default:
		return l
	}
}
