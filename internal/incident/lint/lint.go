// Package lint holds a text that is to be told against the facts: what it says otherwise, what a fact has overtaken, and what
// readers of other organisations' notices were misled by. It proposes nothing and changes nothing; each finding has its place
// and a remedy, in both languages.
package lint

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"shirase/internal/incident"
	"shirase/internal/incident/extract"
	"shirase/internal/language"
)

// A Finding is one thing that a text should not be told with.
type Finding struct {
	Rule    string        `json:"rule"`
	Line    int           `json:"line"` // from 1
	From    int           `json:"from"` // bytes of the text
	To      int           `json:"to"`
	What    language.Text `json:"what"`
	Remedy  language.Text `json:"remedy"`
	Warning bool          `json:"warning,omitzero"` // it is told, and needs no reason
}

// Kind is what a text is for. Not all of them have to say when the next update comes.
type Kind string

const (
	Notice Kind = "notice" // the zero Kind is one too
	Page   Kind = "page"   // a help page
	Mail   Kind = "mail"
	Answer Kind = "answer" // one that is given again and again
	Post   Kind = "post"   // in a place of few words
	Report Kind = "report" // to an authority
)

// Kinds lists them.
func Kinds() []Kind { return []Kind{Notice, Page, Mail, Answer, Post, Report} }

// Known is what a text is held against.
type Known struct {
	Incident incident.Incident
	Recorded []incident.Fact // everything that was ever recorded of it: what was overtaken
	Hosts    []string        // that links of a text may go to, beside those that facts name
	Site     string          // the host that people check at; "" where it is not known. Links may go there too
	Kind     Kind
}

// Text holds a text against what is known. Errors: extract.ErrTooLarge, extract.ErrNotText.
func Text(text []byte, k Known) ([]Finding, error) {
	read, err := extract.Notice(text)
	if err != nil {
		return nil, err
	}
	l := &linter{Known: k, text: text}
	for _, p := range read.Proposals {
		l.against(p)
	}
	l.amounts()
	l.sentences()
	l.links()
	l.hidden()
	l.whole()
	slices.SortStableFunc(l.found, func(a, b Finding) int { return cmp.Or(a.From-b.From, strings.Compare(a.Rule, b.Rule)) })
	return l.once(), nil
}

// once leaves out what two rules found at one place of one kind: a number that a sentence and a table of it state is one finding.
func (l *linter) once() []Finding {
	var out []Finding
	for _, f := range l.found {
		if !slices.ContainsFunc(out, func(o Finding) bool { return o.Rule == f.Rule && f.From < o.To && o.From < f.To }) {
			out = append(out, f)
		}
	}
	return out
}

type linter struct {
	Known
	text  []byte
	found []Finding
}

func (l *linter) add(rule string, from, to int, remedy, what language.Text) {
	l.found = append(l.found, Finding{Rule: rule, Line: 1 + bytes.Count(l.text[:from], []byte("\n")), From: from, To: to, What: what, Remedy: remedy})
}

var both = language.Both

// What is to be done about it.
var (
	mend = both("事実のとおりに書くか、先に新しい事実を記録してください（shirase incident add、またはコンソールの「事実」）。",
		"write what the fact says, or record the new fact first (shirase incident add, or the console's page of facts)")
	countOne = both("件・人・アカウントは数えるものが違います。事実と同じ単位で書いてください。", "records, persons and accounts count different things: use the fact's unit")
	tellNow  = both("いま分かっていることを、ほかの何よりも先に追記で知らせてください。", "tell what is known now, as an addendum, before anything else is published")
)

// single are the keys of which a text and the facts can each say one thing.
var single = []string{"affected.count", "base.count", "attempts.count", "discovered", "contained", "window.start", "window.end", "login-blocked", "disclosed", "cause"}

// mayBeCalled reports whether a text whose cause is recorded as is may call it said: what happened at a contractor was something, what has no
// word of its own may be called anything, and what was sent to the wrong people was sent, by mail or on paper.
func mayBeCalled(is, said string) bool {
	switch is {
	case "unknown", "other", "contractor":
		return true
	case "misdirected-mail", "misdelivery":
		return said == "misdirected-mail" || said == "misdelivery"
	case "defect":
		return said == "misdirected-mail"
	}
	return said == "intrusion" && slices.Contains(attacks, is)
}

// attacks are causes that may be called an unauthorised access.
var attacks = []string{"credential-stuffing", "web-skimming", "ransomware", "malware", "phishing"}

// ofAdvice marks a sentence that names a class because of what people can do, or because it was taken elsewhere.
var ofAdvice = regexp.MustCompile(`変更|再設定|使い回|お願い|ご注意|他所|他社|(?i)\b(?:change|reset|elsewhere|reuse|re-use|other services?)\b`)

// name is what a key is called.
func name(key string) language.Text {
	for _, t := range incident.Terms("key") {
		if t.Word == key {
			return t.Label
		}
	}
	return language.Same(key)
}

// against holds what the text states against the fact of that key.
func (l *linter) against(p extract.Proposal) {
	switch key := p.Fact.Key; {
	case slices.Contains(single, key):
		if f, ok := l.Incident.Fact(key); ok {
			l.value(p, f)
		}
	case key == "data-class":
		l.class(p)
	}
}

func (l *linter) value(p extract.Proposal, f incident.Fact) {
	said, is := p.Fact.Value, f.Value
	switch {
	case said.Number != nil && is.Number != nil:
		l.number(p, f)
	case !said.Time.IsZero() && !is.Time.IsZero():
		if !together(said.Time, is.Time) {
			l.differs(p, f, both(said.Time.In(language.JA), said.Time.In(language.EN)), both(is.Time.In(language.JA), is.Time.In(language.EN)))
		}
	case f.Key == "cause" && said.Word != "" && is.Word != "" && said.Word != is.Word && !mayBeCalled(is.Word, said.Word):
		l.differs(p, f, word(f.Key, said.Word), word(f.Key, is.Word))
	}
}

func (l *linter) number(p extract.Proposal, f incident.Fact) {
	said := p.Fact.Value
	switch {
	case said.Unit == f.Value.Unit && *said.Number != *f.Value.Number && l.holds(*said.Number, said.Unit) == "":
		if said.Qualifier != "about" || !near(*said.Number, *f.Value.Number) {
			l.counted(p.From, p.To, f, *said.Number, said.Unit)
		}
	case said.Unit != "" && f.Value.Unit != "" && said.Unit != f.Value.Unit && *said.Number == *f.Value.Number:
		l.unit(p.From, p.To, f, word("unit", said.Unit))
	}
}

func word(key, w string) language.Text {
	return both(incident.WordOf(language.JA, key, w), incident.WordOf(language.EN, key, w))
}

func (l *linter) differs(p extract.Proposal, f incident.Fact, said, is language.Text) {
	if before, ok := l.overtaken(p.Fact); ok {
		l.add("overtaken", p.From, p.To, mend, wasAndIs(f, before, said, is))
		return
	}
	l.add("fact", p.From, p.To, mend, says(f, said, is))
}

func says(f incident.Fact, said, is language.Text) language.Text {
	key := name(f.Key)
	return both(fmt.Sprintf("「%s」とありますが、事実「%s」は「%s」です。", said.JA, key.JA, is.JA), fmt.Sprintf("it says %s, and the fact %s says %s", said.EN, f.Key, is.EN))
}

func wasAndIs(f, before incident.Fact, said, is language.Text) language.Text {
	key := name(f.Key)
	return both(fmt.Sprintf("「%s」は%s時点の「%s」で、いまは「%s」です。", said.JA, before.AsOf.In(language.JA), key.JA, is.JA),
		fmt.Sprintf("%s was %s as of %s, and is %s since %s", f.Key, said.EN, before.AsOf, is.EN, f.AsOf))
}

// overtaken finds the recorded fact that said the same before.
func (l *linter) overtaken(said incident.Fact) (incident.Fact, bool) {
	for _, f := range l.Recorded {
		if f.Key != said.Key {
			continue
		}
		v, w := f.Value, said.Value
		if !v.Time.IsZero() && !w.Time.IsZero() && together(v.Time, w.Time) || v.Time.IsZero() && v.Number == nil && v.Word != "" && v.Word == w.Word {
			return f, true
		}
	}
	return incident.Fact{}, false
}

// together reports whether two moments can be one, each as exact as it is told. A text that names no zone means the fact's.
func together(said, is incident.Moment) bool {
	y, m, d := said.Time.Date()
	there := incident.Moment{Time: time.Date(y, m, d, said.Time.Hour(), said.Time.Minute(), 0, 0, is.Time.Location()), Precision: said.Precision}
	for _, a := range []incident.Moment{said, there} {
		if a.Time.Before(is.End()) && is.Time.Before(a.End()) {
			return true
		}
	}
	return false
}

// class finds a class that no fact has, or that the facts call otherwise: what is hashed is not encrypted.
func (l *linter) class(p extract.Proposal) {
	said := p.Fact.Value.Word
	if said == "" || p.Fact.Certainty == incident.Unknown {
		return
	}
	base, _, _ := strings.Cut(said, ":")
	var forms []string
	for _, f := range l.Incident.Listed("data-class") {
		is, _, _ := strings.Cut(f.Value.Word, ":")
		if f.Value.Word == said || said == base && is == base {
			return
		}
		if is == base {
			forms = append(forms, f.Value.Word)
		}
	}
	if len(forms) > 0 {
		l.otherwise(p.From, p.To, said, forms)
		return
	}
	if slices.Contains([]string{"personal", "sensitive", "other"}, said) {
		return // it says no more than that there are some
	}
	if len(l.Incident.Listed("data-class")) > 0 && !ofAdvice.MatchString(l.sentence(p.From, p.To)) {
		is := word("data-class", said)
		l.add("class", p.From, p.To, mend, both(fmt.Sprintf("「%s」が漏えいしたとありますが、その事実（項目）は記録されていません。", is.JA), fmt.Sprintf("it says that %s was exposed, and no fact data-class says so", is.EN)))
	}
}

// otherwise says that the facts have another word of the vocabulary for it.
func (l *linter) otherwise(from, to int, said string, is []string) {
	w := word("data-class", said)
	l.add("vocabulary", from, to, mend, both(fmt.Sprintf("「%s」とありますが、事実では「%s」です。", w.JA, strings.Join(incident.ClassLabels(language.JA, is), "、")),
		fmt.Sprintf("it says %s, and the facts say %s", w.EN, strings.Join(incident.ClassLabels(language.EN, is), ", "))))
}
