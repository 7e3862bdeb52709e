package extract

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestConfidence holds that rules/confidence.txt says what the rules give now on the corpus and on the texts of
// testdata/calibration. The latter were written and labelled without a look at what the rules make of them, and nothing
// is mended for them: what is wrong there stays, until a newer set takes their place and they join the corpus.
func TestConfidence(t *testing.T) {
	t.Parallel()
	now := map[string]measuredRule{}
	count := func(texts []labelled, into func(*measuredRule) *tally) {
		for _, l := range texts {
			res := l.res
			add := func(ps []Proposal, right int) {
				for _, p := range ps {
					m := now[string(res.Lang)+" "+p.Rule]
					c := into(&m)
					*c = c.and(tally{right, 1})
					now[string(res.Lang)+" "+p.Rule] = m
				}
			}
			j := l.judge(res)
			add(j.right, 1)
			add(j.wrong, 0)
		}
	}
	count(loaded(t, corpus), func(m *measuredRule) *tally { return &m.corpus })
	count(loaded(t, calibration), func(m *measuredRule) *tally { return &m.labelled })
	if *update {
		writeConfidence(t, now)
		return
	}
	for _, m := range measuredRules() {
		if n := now[m.name]; m.corpus != n.corpus || m.labelled != n.labelled {
			t.Errorf("%s: %v %v in the file, %v %v now: run with -update", m.name, m.corpus, m.labelled, n.corpus, n.labelled)
		}
		delete(now, m.name)
	}
	for name := range now {
		t.Errorf("%s is not in the file: run with -update", name)
	}
}

// writeConfidence writes the file's columns anew, but for the last.
func writeConfidence(t *testing.T, now map[string]measuredRule) {
	var out []string
	for l := range strings.Lines(confidenceFile) {
		if strings.HasPrefix(l, "#") {
			out = append(out, strings.TrimSpace(l))
		}
	}
	out = append(out, "")
	rules := slices.Clone(measuredRules())
	for name := range now {
		if !slices.ContainsFunc(rules, func(m measuredRule) bool { return m.name == name }) {
			rules = append(rules, measuredRule{name: name})
		}
	}
	slices.SortFunc(rules, func(a, b measuredRule) int { return strings.Compare(a.name, b.name) })
	said := func(t tally) string { return fmt.Sprintf("%d/%d", t.right, t.proposed) }
	for _, m := range rules {
		n := now[m.name]
		out = append(out, fmt.Sprintf("%-40s %8s %8s %8s", m.name, said(n.corpus), said(n.labelled), said(m.observed)))
	}
	if err := os.WriteFile("rules/confidence.txt", []byte(strings.Join(out, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestSure holds what confidence means, how often a rule is right at least: one that was often tried and hardly ever wrong is sure, one that
// was seen once is not however right it was, one that was never seen is believed as its key is, and a doubt is never sure.
func TestSure(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		corpus, fresh tally
		want          float64
	}{{tally{0, 0}, tally{0, 0}, 0}, {tally{198, 198}, tally{0, 0}, 0.859}, {tally{198, 198}, tally{5, 10}, 0.61}, {tally{0, 0}, tally{18, 18}, 0.916}, {tally{98, 98}, tally{8, 8}, 0.916}, {tally{98, 98}, tally{80, 84}, 0.922}, {tally{0, 0}, tally{1, 1}, 0.378}} {
		if got := confidence(c.corpus, c.fresh); got != c.want {
			t.Errorf("%+v: %v, want %v", c, got, c.want)
		}
	}
	if corpus, fresh, seen := talliesOf("ja", "disclosed/never seen"); seen || corpus.proposed == 0 || fresh.proposed == 0 {
		t.Errorf("a rule that was never seen: %+v %+v", corpus, fresh)
	}
	sure, doubtful := 0, 0
	for _, l := range loaded(t, corpus) {
		for _, p := range l.res.Proposals {
			if _, _, seen := talliesOf(l.res.Lang, p.Rule); p.Sure != (seen && l.res.voiced && p.Confidence >= sureFrom(l.res.Lang) && p.Of >= sureAfter && p.Doubt == "") {
				t.Errorf("%s: sure %v with %v, %q", p.Rule, p.Sure, p.Confidence, p.Doubt)
			}
			sure, doubtful = sure+btoi(p.Sure), doubtful+btoi(!p.Sure)
		}
	}
	if sure == 0 || doubtful == 0 {
		t.Errorf("%d sure, %d not", sure, doubtful)
	}
}

func TestConfidenceRefused(t *testing.T) {
	for _, file := range []string{"ja cause/once 3/4 1/1\n", "cause/once 3/4 1/1 2/2\n", "ja cause/once three of four 1/1 2/2\n"} {
		if _, err := readConfidence("# so often\n" + file); err == nil || !strings.HasPrefix(err.Error(), "rules/confidence.txt:2:") {
			t.Errorf("%q: %v", file, err)
		}
	}
}

// TestByConfidence holds that a reader sees first what has a doubt, then what is least often right.
func TestByConfidence(t *testing.T) {
	entries := []Entry{{Key: "a", Confidence: 0.9}, {Key: "b", Confidence: 0.6}, {Key: "c", Confidence: 0.97, Doubt: "a weekday"}, {Key: "d", Confidence: 0.9}}
	ByConfidence(entries)
	var got string
	for _, e := range entries {
		got += e.Key
	}
	if got != "cbad" {
		t.Error(got)
	}
}

// TestVoice holds that nothing is sure of a text in which nobody writes of itself: it may be a report on somebody else's incident. With
// one word of its author's the same facts are.
func TestVoice(t *testing.T) {
	for _, text := range []string{
		"Names, dates of birth, diagnoses and telephone numbers of 3,288 patients were on a laptop that was stolen on November 4, 2011. The laptop held no Social Security numbers.%s",
		"設定の誤りにより、申込者の氏名、住所、電話番号、メールアドレス、生年月日が閲覧可能な状態になっていたことが2023年6月5日に判明しました。対象は52名です。現時点で二次被害は確認されていません。%s",
	} {
		for _, own := range []bool{false, true} {
			said := ""
			if own {
				said = " We regret this. 深くお詫び申し上げます。"
			}
			res, err := Notice([]byte(fmt.Sprintf(text, said)))
			if err != nil {
				t.Fatal(err)
			}
			sure := 0
			for _, p := range res.Proposals {
				sure += btoi(p.Sure)
			}
			if len(res.Proposals) < 4 || (sure > 0) != own {
				t.Errorf("own %v: %d of %d sure in %q", own, sure, len(res.Proposals), text)
			}
		}
	}
}
