package extract

import (
	_ "embed"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"shirase/internal/language"
)

// confidenceFile says of each rule how often it was right on texts that it had not been tried on when they were labelled.
//
//go:embed rules/confidence.txt
var confidenceFile string

// sureAfter is how many facts on new texts it takes to call a fact sure.
const sureAfter = 6

// sureFrom is the confidence from which a fact is called sure. It was chosen for each language by what the counts let expect of
// new texts (docs/decisions/extraction.md): English notices have more ways to name somebody else's dates and attacks.
func sureFrom(lang language.Lang) float64 {
	if lang == language.JA {
		return 0.91
	}
	return 0.93
}

// atLeast is how many deviations below what was seen the confidence lies: what a rule is right more often than, nine times
// out of ten.
const atLeast = 1.2816

// known is as how many facts on new texts the corpus counts: the rules were made with it, so that they are right there
// more often than elsewhere.
const known = 10

// tally is how often a rule was right, of how many facts that it proposed.
type tally struct{ right, proposed int }

func (t tally) and(o tally) tally { return tally{t.right + o.right, t.proposed + o.proposed} }

// confidence is how often a rule is right at least, of which was seen how often it was on the corpus and on new texts. What the
// corpus says counts as at most ten facts, and each fact on new texts as one. The bound is the lower end of the score
// interval (Wilson, Probable inference, the law of succession, and statistical inference, 1927, for one side): little that was
// seen lies far below what it seems, however right it was.
func confidence(corpus, fresh tally) float64 {
	weight := float64(min(known, corpus.proposed))
	before := float64(corpus.right) / float64(max(1, corpus.proposed))
	n := weight + float64(fresh.proposed)
	if n == 0 {
		return 0
	}
	p, z := (before*weight+float64(fresh.right))/n, atLeast
	low := (p + z*z/(2*n) - z*math.Sqrt(p*(1-p)/n+z*z/(4*n*n))) / (1 + z*z/n)
	return math.Round(max(0, low)*1000) / 1000
}

// measuredRule is a line of the file.
type measuredRule struct {
	name                       string // the language and the rule: "ja data-class/list"
	corpus, labelled, observed tally  // on testdata/corpus, on testdata/calibration, and on real notices that are not kept here
}

// measuredRules are the lines of the file.
var measuredRules = sync.OnceValue(func() []measuredRule {
	rules, err := readConfidence(confidenceFile)
	if err != nil {
		panic("extract: " + err.Error())
	}
	return rules
})

func readConfidence(file string) ([]measuredRule, error) {
	var out []measuredRule
	n := 0
	for l := range strings.Lines(file) {
		if n++; strings.TrimSpace(l) == "" || l[0] == '#' {
			continue
		}
		var lang, rule string
		var m measuredRule
		if _, err := fmt.Sscanf(l, "%s %s %d/%d %d/%d %d/%d", &lang, &rule, &m.corpus.right, &m.corpus.proposed, &m.labelled.right, &m.labelled.proposed, &m.observed.right, &m.observed.proposed); err != nil {
			return nil, fmt.Errorf("rules/confidence.txt:%d: want a language, a rule and three times right/proposed: %w", n, err)
		}
		m.name = lang + " " + rule
		out = append(out, m)
	}
	return out, nil
}

// talliesOf is how often a rule was right on the corpus and on new texts, and whether it was ever seen; of one that was not, it is all ways to
// its key together.
func talliesOf(lang language.Lang, rule string) (corpus, fresh tally, seen bool) {
	name, _, _ := strings.Cut(rule, "/")
	var all, allFresh tally
	for _, m := range measuredRules() {
		if m.name == string(lang)+" "+rule {
			return m.corpus, m.labelled.and(m.observed), true
		}
		if is, _, _ := strings.Cut(m.name, "/"); is == string(lang)+" "+name {
			all, allFresh = all.and(m.corpus), allFresh.and(m.labelled).and(m.observed)
		}
	}
	return all, allFresh, false
}

// weigh gives every proposal its confidence.
func (res *Result) weigh() {
	for i := range res.Proposals {
		p := &res.Proposals[i]
		switch key, _, _ := strings.Cut(p.Rule, "/"); {
		case p.Doubt != "":
			p.Rule = key + "/doubt" // however it was found, the text speaks against it
		case !res.voiced:
			p.Rule = key + "/unvoiced" // however it was found, it may be somebody else's
		}
		corpus, fresh, seen := talliesOf(res.Lang, p.Rule)
		p.Confidence, p.Right, p.Of = confidence(corpus, fresh), fresh.right, fresh.proposed
		p.Sure = seen && res.voiced && p.Doubt == "" && p.Confidence >= sureFrom(res.Lang) && fresh.proposed >= sureAfter
	}
}

// ByConfidence puts what needs a reader most first: what has a doubt, then what is least often right.
func ByConfidence(entries []Entry) {
	slices.SortStableFunc(entries, func(a, b Entry) int {
		if (a.Doubt != "") != (b.Doubt != "") {
			return 1 - 2*btoi(a.Doubt != "")
		}
		switch {
		case a.Confidence < b.Confidence:
			return -1
		case a.Confidence > b.Confidence:
			return 1
		}
		return 0
	})
}

// by says which of several ways led to a proposal of its key.
func (p *Proposal) by(how string) {
	if p == nil {
		return
	}
	key := p.Fact.Key
	if strings.HasPrefix(key, "window.") {
		key = "window" // its two ends are found together
	}
	p.Rule = key + "/" + how
}

// byStatus does so for what has a status.
func (p *Proposal) byStatus() {
	if p != nil {
		p.by(p.Fact.Value.Status)
	}
}

// foundThen tells of what was found, else somebody told of it.
var foundThen = ruleJA("foundThen")

// formOf says how a time stands in the text: behind a label, at the beginning of its line, as the only one of its sentence, or
// beside others, among which the words around them had to choose.
func (r *reader) formOf(key string, w *when) (form string) {
	l := r.lines[w.line]
	before := strings.TrimRight(r.s[l.from:w.from], " (")
	switch {
	case w == r.baseAt && !r.japanese() && before == "" && strings.TrimSpace(r.s[w.to:l.to]) == "":
		return "letterhead"
	case w == r.baseAt:
		return "notice"
	}
	if r.japanese() {
		defer func() {
			if form == "sentence" || form == "beside" {
				form = r.toldOf(key, w, form)
			}
		}()
	}
	switch {
	case strings.HasSuffix(before, ":"), strings.HasSuffix(before, "日時"), strings.HasSuffix(before, "期間"), strings.HasSuffix(before, "】"):
		return "label"
	case strings.Trim(before, " ・-●○■*") == "" && l.to-l.from < 300:
		if r.japanese() && strings.HasPrefix(key, "window.") && wentWrong.MatchString(firstBytes(r.s[w.to:l.to], 240)) {
			return "event"
		}
		return "line"
	}
	s := r.sentenceAt(w.from)
	for _, o := range r.times {
		if o != w && o.from >= s.from && o.to <= s.to && !(w.start && o.end || w.end && o.start) {
			return "beside"
		}
	}
	if !r.japanese() && strings.HasPrefix(key, "window.") && !w.start && !w.end {
		return "day" // its verb says what happened then, and no other end
	}
	return "sentence"
}

// toldOf says of a time in running text how its sentence tells what happened then, where that says more than its form.
func (r *reader) toldOf(key string, w *when, form string) string {
	after := firstBytes(r.s[w.to:r.lines[w.line].to], 600)
	switch period := strings.HasPrefix(key, "window."); {
	case key == "discovered" && foundThen.MatchString(after):
		return "found"
	case period && (w.start || w.end) && exposedThen.MatchString(after):
		return "exposed"
	case period && (w.start || w.end):
		return "range"
	case period && sinceRE.MatchString(after):
		return "since"
	case period && r.sentWrongly:
		return "sent"
	}
	return form
}

// countHow says whether a number had rivals.
func (r *reader) countHow(a *amount) (how string) {
	if l := r.lines[a.line]; r.japanese() && (scopeLabel.MatchString(r.labelOf(a)) || l.section == secScope) {
		defer func() {
			if how == "alone" || how == "again" {
				how = "label"
			}
		}()
	}
	again, agreed := 0, false
	for _, b := range r.amounts {
		switch {
		case b == a || (b.unit == "attempts") != (a.unit == "attempts"):
		case b.value == a.value:
			again++
			agreed = agreed || b.unit == a.unit && b.qualifier == a.qualifier && b.line != a.line
		case !b.part && b.value > 1:
			return "chosen"
		}
	}
	switch {
	case agreed:
		return "agreed" // two places of the text say the same number of the same things
	case again > 0:
		return "again"
	case r.japanese() && (forWhom.MatchString(a.word) || theirData.MatchString(r.s[a.to:r.lines[a.line].to])):
		return "whose" // it says that it is the number of those whose data they are
	}
	return "alone"
}

// attacks are the causes that nobody names who means something else.
var attacks = []string{"ransomware", "web-skimming", "credential-stuffing", "phishing", "malware", "intrusion"}

// mishaps are the causes that befall papers, media and messages.
var mishaps = []string{"misdirected-mail", "misdelivery", "lost-media", "theft"}

// wentWrong says on the line of a time that something was sent, shown or taken that should not have been.
var wentWrong = ruleJA("wentWrong")

// exposedThen says of a period that data could be seen in it, or that somebody was in the system.
var exposedThen = ruleJA("exposedThen")

// causeHow says whether a title names the cause, or how often the text does, and whether what it names again and again is an attack.
func (r *reader) causeHow(word string, cause *rule) string {
	for _, l := range r.lines[:min(len(r.lines), 6)] {
		if s := r.s[l.from:l.to]; len(s) < 240 && titleEnds(s) && cause.MatchString(s) {
			return "title"
		}
	}
	n := 0
	for _, s := range r.sentences[:min(len(r.sentences), maxTold)] {
		if n += btoi(cause.MatchString(r.s[s.from:s.to])); n > 1 {
			switch {
			case r.japanese() && slices.Contains(attacks, word):
				return "attack"
			case r.japanese() && slices.Contains(mishaps, word):
				return "mishap"
			}
			return "again"
		}
	}
	return "once"
}
