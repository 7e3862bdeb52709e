package extract

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"shirase/internal/incident"
)

// measured are the keys whose values are compared. The others hold sentences, of which a part may be as right as the
// whole; the model notice holds them.
var measured = []string{"organisation", "disclosed", "window.start", "window.end", "discovered", "contained", "login-blocked", "regulator-notified",
	"persons-notified", "affected.count", "base.count", "attempts.count", "data-class", "cause", "secondary-damage", "addendum"}

// weighed are those that the calibration looks at besides.
var weighed = append(slices.Clone(measured), "title", "sector", "service")

var update = flag.Bool("update", false, "write into the corpus which facts are missed or wrong now")

// labelled is a text of the corpus with the facts beside it.
type labelled struct {
	file string // of the facts
	res  *Result
	keys []string // which are compared
	must []string // stated
	may  []string // proposed or not, where careful readers differ
	// What is known to be read otherwise: stated and not proposed, proposed and not stated.
	missed, wrong []string
}

// corpus gives the texts of testdata/corpus and calibration those of testdata/calibration, with the facts beside them and what is
// proposed for them, read once for all tests. They are our own, in the forms in which notices come. In the file beside a
// text a line is a fact that it states. One behind "? " may be proposed or not. One behind "- " is stated and not
// proposed yet, one behind "+ " is proposed and not stated: what the rules are known to get wrong.
var (
	corpus      = sync.OnceValues(func() ([]labelled, error) { return readLabelled("corpus", measured, 250) })
	calibration = sync.OnceValues(func() ([]labelled, error) { return readLabelled("calibration", weighed, 40) })
)

// loaded gives texts that were read without an error.
func loaded(t *testing.T, read func() ([]labelled, error)) []labelled {
	t.Helper()
	texts, err := read()
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func readLabelled(folder string, keys []string, atLeast int) ([]labelled, error) {
	files, err := filepath.Glob("testdata/" + folder + "/*.txt")
	if err != nil || len(files) < atLeast {
		return nil, fmt.Errorf("%d texts in %s: %w", len(files), folder, err)
	}
	out := make([]labelled, len(files))
	errs := make([]error, len(files))
	var all sync.WaitGroup
	for i, file := range files {
		all.Go(func() { out[i], errs[i] = readOne(file, keys) })
	}
	all.Wait()
	return out, errors.Join(errs...)
}

// readOne reads a text and its facts, and what is proposed for it.
func readOne(file string, keys []string) (labelled, error) {
	l := labelled{file: strings.TrimSuffix(file, ".txt") + ".facts", keys: keys}
	text, err := os.ReadFile(file)
	if err != nil {
		return l, err
	}
	data, err := os.ReadFile(l.file)
	if err != nil {
		return l, err
	}
	if strings.HasPrefix(string(data), "title ") || strings.HasPrefix(string(data), "- title ") {
		l.keys = weighed // the titles of older texts are not labelled
	}
	for line := range strings.Lines(string(data)) {
		l.read(strings.TrimSpace(line))
	}
	if l.res, err = Notice(text); err != nil {
		return l, fmt.Errorf("%s: %w", file, err)
	}
	return l, nil
}

// read takes a line of facts. Keys that are not measured are left out; an hour is written as its first minute.
func (l *labelled) read(line string) {
	if i := strings.LastIndex(line, "T"); i > 0 && len(line)-i == len("T16+09:00") {
		line = line[:i+3] + ":00" + line[i+3:]
	}
	mark, fact, ok := strings.Cut(line, " ")
	if !ok || !strings.Contains("?-+", mark) {
		mark, fact = "", line
	}
	if key, _, _ := strings.Cut(fact, " "); !slices.Contains(l.keys, key) {
		return
	}
	switch mark {
	case "?":
		l.may = append(l.may, fact)
	case "+":
		l.wrong = append(l.wrong, fact)
	case "-":
		l.missed = append(l.missed, fact)
		l.must = append(l.must, fact)
	default:
		l.must = append(l.must, fact)
	}
}

// judged is what a text proposed, against its labels.
type judged struct {
	right  []Proposal
	wrong  []Proposal
	missed []string
}

// judge compares what res proposes with the labels.
func (l labelled) judge(res *Result) judged {
	var j judged
	want := slices.Clone(l.must)
	for _, p := range res.Proposals {
		e := p.Entry()
		if !slices.Contains(l.keys, e.Key) {
			continue
		}
		got := labelOf(e)
		is := func(l string) bool { return got == l || strings.HasPrefix(got, l+" ") }
		if i := slices.IndexFunc(want, is); i >= 0 {
			want = slices.Delete(want, i, i+1)
			j.right = append(j.right, p)
		} else if !slices.ContainsFunc(l.may, is) {
			j.wrong = append(j.wrong, p)
		}
	}
	j.missed = want
	return j
}

// TestCorpus holds of each text that exactly those facts are missed or wrong of which its labels say so, so that a rule
// that breaks fails here and does not only move an average; and it prints precision and recall of each key.
func TestCorpus(t *testing.T) {
	t.Parallel()
	type score struct{ right, wrong, missing int }
	scores := map[string]*score{}
	for _, k := range weighed {
		scores[k] = &score{}
	}
	var all score
	texts := loaded(t, corpus)
	for _, l := range texts {
		res := l.res
		j := l.judge(res)
		for _, p := range j.right {
			scores[p.Fact.Key].right++
			all.right++
		}
		var wrong []string
		for _, p := range j.wrong {
			scores[p.Fact.Key].wrong++
			all.wrong++
			wrong = append(wrong, labelOf(p.Entry()))
		}
		for _, m := range j.missed {
			key, _, _ := strings.Cut(m, " ")
			scores[key].missing++
			all.missing++
		}
		if *update {
			l.write(t, j.missed, wrong)
		} else {
			l.compare(t, "missed", j.missed, l.missed)
			l.compare(t, "wrong", wrong, l.wrong)
		}
		if len(res.Proposals) > 0 {
			if _, err := incident.ParseFactsFile(l.file, FactsFile(res.ID, res.Zone, res.Entries())); err != nil {
				t.Error(err)
			}
		}
	}
	ratio := func(a, b int) float64 { return float64(a) / float64(max(a+b, 1)) }
	for _, k := range weighed {
		s := scores[k]
		t.Logf("%-20s precision %.3f  recall %.3f  (%d right, %d wrong, %d missed)", k, ratio(s.right, s.wrong), ratio(s.right, s.missing), s.right, s.wrong, s.missing)
	}
	t.Logf("%d texts: precision %.3f, recall %.3f", len(texts), ratio(all.right, all.wrong), ratio(all.right, all.missing))
}

// compare reports what is got wrong now and was not before, and what no longer is.
func (l labelled) compare(t *testing.T, how string, now, known []string) {
	t.Helper()
	for _, f := range now {
		if !slices.Contains(known, f) {
			t.Errorf("%s: %s now: %s", filepath.Base(l.file), how, f)
		}
	}
	for _, f := range known {
		if !slices.Contains(now, f) {
			t.Errorf("%s: no longer %s: %s (run with -update to say so)", filepath.Base(l.file), how, f)
		}
	}
}

// write writes the marks of what is missed and wrong.
func (l labelled) write(t *testing.T, missed, wrong []string) {
	data, err := os.ReadFile(l.file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	missed = slices.Clone(missed)
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		one := labelled{keys: l.keys}
		one.read(line)
		if len(one.wrong) > 0 {
			continue
		}
		if len(one.must) > 0 {
			line = strings.TrimPrefix(line, "- ")
			if i := slices.Index(missed, one.must[0]); i >= 0 {
				missed = slices.Delete(missed, i, i+1)
				line = "- " + line
			}
		}
		out = append(out, line)
	}
	for _, w := range wrong {
		out = append(out, "+ "+w)
	}
	after := strings.Join(out, "\n") + "\n"
	if len(out) == 0 {
		after = ""
	}
	if after != string(data) {
		if err := os.WriteFile(l.file, []byte(after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
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
