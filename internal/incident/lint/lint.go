// Package lint holds a text that is to be told against the facts: what it says otherwise, what a fact has overtaken, and what
// readers of other organisations' notices were misled by. It proposes nothing and changes nothing; each finding has its place
// and a remedy.
package lint

import (
	"bytes"
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"shirase/internal/incident"
	"shirase/internal/incident/extract"
	"shirase/internal/language"
)

// A Finding is one thing that a text should not be told with.
type Finding struct {
	Rule   string `json:"rule"`
	Line   int    `json:"line"` // from 1
	From   int    `json:"from"` // bytes of the text
	To     int    `json:"to"`
	What   string `json:"what"`
	Remedy string `json:"remedy"`
}

// Known is what a text is held against.
type Known struct {
	Incident incident.Incident
	Recorded []incident.Fact // everything that was ever recorded of it: what was overtaken
	Hosts    []string        // that links of a text may go to, beside those that facts name
}

// Text holds a text against what is known. Errors: extract.ErrTooLarge, extract.ErrNotText.
func Text(text []byte, k Known) ([]Finding, error) {
	read, err := extract.Notice(text)
	if err != nil {
		return nil, err
	}
	l := &linter{Known: k, text: text, lang: read.Lang}
	for _, p := range read.Proposals {
		l.against(p)
	}
	l.amounts()
	l.sentences()
	l.links()
	l.whole()
	slices.SortStableFunc(l.found, func(a, b Finding) int { return cmp.Or(a.From-b.From, strings.Compare(a.Rule, b.Rule)) })
	return slices.CompactFunc(l.found, func(a, b Finding) bool { return a.Rule == b.Rule && b.From < a.To && a.From < b.To }), nil
}

type linter struct {
	Known
	text  []byte
	lang  language.Lang
	found []Finding
}

func (l *linter) add(rule string, from, to int, remedy, what string, args ...any) {
	l.found = append(l.found, Finding{rule, 1 + bytes.Count(l.text[:from], []byte("\n")), from, to, fmt.Sprintf(what, args...), remedy})
}

const mend = "write what the fact says, or record the new fact first (shirase incident add)"

// single are the keys of which a text and the facts can each say one thing.
var single = []string{"affected.count", "base.count", "attempts.count", "discovered", "contained", "window.start", "window.end", "login-blocked", "disclosed", "cause"}

// against holds what the text states against the fact of that key.
func (l *linter) against(p extract.Proposal) {
	switch key := p.Fact.Key; {
	case slices.Contains(single, key):
		if f, ok := l.Incident.Fact(key); ok {
			l.value(p, f)
		}
	case key == "data-class":
		l.class(p)
	case key == "secondary-damage":
		l.damage(p)
	}
}

func (l *linter) value(p extract.Proposal, f incident.Fact) {
	said, is := p.Fact.Value, f.Value
	switch {
	case said.Number != nil && is.Number != nil:
		if said.Unit != "" && is.Unit != "" && said.Unit != is.Unit && *said.Number == *is.Number {
			l.add("unit", p.From, p.To, "件, 人 and 口座 count different things: use the fact's unit", "it counts %s, and the fact %s counts %s", said.Unit, f.Key, is.Unit)
			return
		}
		if said.Unit == is.Unit && *said.Number != *is.Number && !l.holds(*said.Number) {
			l.differs(p, f, language.Digits(*said.Number), language.Digits(*is.Number))
		}
	case !said.Time.IsZero() && !is.Time.IsZero():
		if !together(said.Time, is.Time) {
			l.differs(p, f, said.Time.String(), is.Time.String())
		}
	case f.Key == "cause" && said.Word != "" && is.Word != "" && said.Word != is.Word:
		l.differs(p, f, said.Word, is.Word)
	}
}

// holds reports whether a number is one that some fact gives: which of several a sentence speaks of is not always plain.
func (l *linter) holds(n int64) bool {
	return slices.ContainsFunc(l.Incident.Facts, func(f incident.Fact) bool { return f.Value.Number != nil && *f.Value.Number == n })
}

func (l *linter) differs(p extract.Proposal, f incident.Fact, said, is string) {
	if before, ok := l.overtaken(p.Fact); ok {
		l.add("overtaken", p.From, p.To, mend, "%s was %s as of %s, and is %s since %s", f.Key, said, before.AsOf, is, f.AsOf)
		return
	}
	l.add("fact", p.From, p.To, mend, "it says %s, and the fact %s says %s", said, f.Key, is)
}

// overtaken finds the recorded fact that said the same before.
func (l *linter) overtaken(said incident.Fact) (incident.Fact, bool) {
	for _, f := range l.Recorded {
		if f.Key != said.Key {
			continue
		}
		v, w := f.Value, said.Value
		if v.Number != nil && w.Number != nil && *v.Number == *w.Number || !v.Time.IsZero() && !w.Time.IsZero() && together(v.Time, w.Time) ||
			v.Number == nil && v.Time.IsZero() && v.Word != "" && v.Word == w.Word {
			return f, true
		}
	}
	return incident.Fact{}, false
}

// amount is a number with what it counts.
var amount = regexp.MustCompile(`([0-9０-９][0-9０-９,，]{0,14})\s?(?:(件|人|名|口座|アカウント)|(?i:(people|persons|individuals|customers|users|members|records|accounts)\b))`)

var digits = strings.NewReplacer("，", "", ",", "", "０", "0", "１", "1", "２", "2", "３", "3", "４", "4", "５", "5", "６", "6", "７", "7", "８", "8", "９", "9")

// amounts finds numbers of the affected that were overtaken, or that count something else than the fact does, also in texts
// that are too short to be read as a notice: canned answers, mails, posts.
func (l *linter) amounts() {
	f, ok := l.Incident.Fact("affected.count")
	if !ok || f.Value.Number == nil {
		return
	}
	for _, m := range amount.FindAllSubmatchIndex(l.text, -1) {
		n, err := strconv.ParseInt(digits.Replace(string(l.text[m[2]:m[3]])), 10, 64)
		if err != nil || n < 10 { // small numbers count many things
			continue
		}
		var word string
		for _, at := range []int{4, 6} {
			if m[at] >= 0 {
				word = strings.ToLower(string(l.text[m[at]:m[at+1]]))
			}
		}
		if n == *f.Value.Number {
			if units := unitsOf[word]; !slices.Contains(units, f.Value.Unit) {
				l.add("unit", m[0], m[1], "件, 人 and 口座 count different things: use the fact's unit", "it counts %s, and the fact affected.count counts %s", word, f.Value.Unit)
			}
			continue
		}
		for _, old := range l.Recorded {
			if old.Key == "affected.count" && old.Value.Number != nil && *old.Value.Number == n {
				l.add("overtaken", m[0], m[1], mend, "affected.count was %s as of %s, and is %s since %s", language.Digits(n), old.AsOf, language.Digits(*f.Value.Number), f.AsOf)
				break
			}
		}
	}
}

// unitsOf are the units that a word may stand for. Customers and members may be persons or their accounts.
var unitsOf = map[string][]string{"件": {"records"}, "人": {"persons"}, "名": {"persons"}, "口座": {"accounts"}, "アカウント": {"accounts"},
	"people": {"persons"}, "persons": {"persons"}, "individuals": {"persons"}, "customers": {"persons", "accounts"}, "users": {"persons", "accounts"},
	"members": {"persons", "accounts"}, "records": {"records"}, "accounts": {"accounts"}}

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
		l.add("vocabulary", p.From, p.To, mend, "it says %s, and the facts say %s", said, strings.Join(forms, ", "))
		return
	}
	if slices.Contains([]string{"personal", "sensitive", "other"}, said) {
		return // it says no more than that there are some
	}
	if len(l.Incident.Listed("data-class")) > 0 {
		l.add("class", p.From, p.To, mend, "it says that %s was exposed, and no fact data-class says so", said)
	}
}

// damage finds a negative that a fact has overturned.
func (l *linter) damage(p extract.Proposal) {
	said := p.Fact.Value
	if said.Status != "none-confirmed" {
		return
	}
	for _, f := range l.Incident.Listed("secondary-damage") {
		if f.Value.Word == said.Word && f.Value.Status != "none-confirmed" {
			l.add("overturned", p.From, p.To, "tell what is known now, as an addendum, before anything else is published",
				"it says that no %s is confirmed, and the fact of %s says %s", said.Word, f.AsOf, f.Value.Status)
		}
	}
}

// Patterns of a sentence, in both languages.
var (
	sentenceEnd = regexp.MustCompile(`[。！？]|[.!?](?:\s|$)|\n`)
	onlyWords   = regexp.MustCompile(`のみ|だけ(?:です|が|で|に)|に限(?:られ|り|定)|限定的|一部のお客|ごく一部|(?i)\b(?:only|limited to|no other (?:customers|accounts|users|data)|a (?:small|limited) number of)\b`)
	ofScope     = regexp.MustCompile(`お客|会員|顧客|利用者|ユーザー|アカウント|情報|対象|影響|流出|漏え|漏洩|(?i)\b(?:customers?|users?|accounts?|persons?|people|members?|data|records?|affected|impacted|exposed)\b`)
	negatives   = regexp.MustCompile(`(?:確認(?:さ|で)れて(?:おりません|いません|いない)|確認されず|(?:被害|悪用|不正利用|不正ログイン|お問い合わせ|形跡|痕跡).{0,20}(?:ありません|ございません|見つかって(?:おりません|いません)))|(?i)\b(?:no|not any|without any) (?:evidence|indication|sign|signs|reports?|misuse|fraud|unauthorized (?:use|login)s?)\b|(?i)\b(?:has|have|was|were) not (?:been )?(?:confirmed|misused|found|identified)\b`)
	asOfWords   = regexp.MustCompile(`時点|現在|まで(?:に|の|のところ)|までのところ|[0-9０-９]+日|(?i)\b(?:as of|to date|until|so far|at this time|at present|currently|by (?:\d|january|february|march|april|may|june|july|august|september|october|november|december))\b`)
	promises    = regexp.MustCompile(`(?:再開|公開|提供|送付|連絡|お知らせ|通知|開始|実施|発表|報告)(?:する|を|いたします|します|の)?(?:予定|見込み|予定です)|(?i)\bwe (?:will|plan to|expect to|intend to) (?:reopen|resume|restore|notify|contact|publish|send|open|offer|provide|update)\b`)
	someTime    = regexp.MustCompile(`[0-9０-９]+\s*[時日月年:：]|[0-9０-９]{1,2}[:：][0-9０-９]{2}|本日|明日|今週|来週|今月|来月|中に|以内|(?i)\b(?:\d{1,2}(?::\d{2})?\s*(?:am|pm|a\.m\.|p\.m\.)|\d{1,2}:\d{2}|today|tomorrow|within|by the end|january|february|march|april|may|june|july|august|september|october|november|december|monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b`)
	nextUpdate  = regexp.MustCompile(`次回|次の(?:お知らせ|更新|報告|ご報告)|続報|第[0-9０-９一二三四五六七八九]+報(?:を|は).{0,30}(?:予定|お知らせ)|今後の(?:お知らせ|ご報告)は|(?i)\b(?:next update|further update|update (?:this|you|again)|will be updated|next notice|no further updates?)\b`)
	laterWords  = regexp.MustCompile(`追って|判明次第|分かり次第|わかり次第|決まり次第|準備が(?:でき|整い)次第|(?i)\b(?:in due course|as soon as (?:possible|we know|more)|when we know more|at a later date)\b`)
	noIndex     = regexp.MustCompile(`(?i)\bnoindex\b|\bnone\b["']?\s*[/>].{0,3}robots|X-Robots-Tag`)
	links       = regexp.MustCompile(`(?i)\bhttps?://[^\s<>"'）)】」』、。]+|\b(?:[a-z0-9-]+\.)+(?:com|net|org|jp|info|biz|co|io|site|online|help|support|xyz)\b(?:/[^\s<>"'）)】」』、。]*)?`)
	address     = regexp.MustCompile(`[A-Za-z0-9._%+-]+@$`)
)

// sentences looks at each sentence by itself.
func (l *linter) sentences() {
	scope := l.Incident.State()
	headed := asOfWords.Match(firstLines(l.text))
	at := 0
	for at < len(l.text) {
		end := len(l.text)
		if m := sentenceEnd.FindIndex(l.text[at:]); m != nil {
			end = at + m[1]
		}
		s := l.text[at:end]
		if m := onlyWords.FindIndex(s); m != nil && scope == "investigating" && ofScope.Match(s) {
			l.add("only", at+m[0], at+m[1], "say how many are known so far, and that it is still being investigated: 少なくとも, at least",
				"%q, while the scope is still being investigated", s[m[0]:m[1]])
		}
		paragraph := at
		if p := bytes.LastIndex(l.text[:at], []byte("\n\n")); p >= 0 && len(bytes.TrimSpace(l.text[p:at])) > 0 {
			paragraph = p // a sentence before may have said as of when
		}
		if m := negatives.FindIndex(s); m != nil && !asOfWords.Match(l.text[paragraph:end]) && !headed {
			l.add("as-of", at+m[0], at+m[1], "say as of when: 7月19日16時時点, as of 16:00 on 19 July", "a negative that does not say as of when")
		}
		if m := promises.FindIndex(s); m != nil && !someTime.Match(s) {
			l.add("promise", at+m[0], at+m[1], "say until when, or when it will be said", "a promise without a time")
		}
		if m := laterWords.FindIndex(s); m != nil && !someTime.Match(s) {
			l.add("later", at+m[0], at+m[1], "name the time of the next update, also where there may be nothing new by then", "%q does not say when", s[m[0]:m[1]])
		}
		at = end
	}
}

// firstLines are where a text says as of when it speaks.
func firstLines(text []byte) []byte {
	head := text[:min(len(text), 400)]
	for !utf8.Valid(head) && len(head) > 0 {
		head = head[:len(head)-1]
	}
	lines := bytes.SplitN(head, []byte("\n"), 5)
	var out []byte
	for _, line := range lines[:min(len(lines), 4)] {
		if len(line) < 160 && regexp.MustCompile(`時点|現在|(?i)\bas of\b`).Match(line) {
			out = append(out, line...)
		}
	}
	return out
}

// links finds addresses that readers are sent to and that nobody has allowed: one letter is enough to send them elsewhere.
func (l *linter) links() {
	allowed := slices.Clone(l.Hosts)
	for _, f := range l.Incident.Facts {
		if u, err := url.Parse(f.Value.URL); err == nil && u.Host != "" {
			allowed = append(allowed, u.Hostname())
		}
	}
	for _, m := range links.FindAllIndex(l.text, -1) {
		if address.Match(l.text[max(0, m[0]-80):m[0]]) {
			continue // the domain of a mail address
		}
		text := string(l.text[m[0]:m[1]])
		if !strings.Contains(text, "://") {
			text = "https://" + text
		}
		u, err := url.Parse(strings.TrimRight(text, ".,;:"))
		if err != nil || !slices.ContainsFunc(allowed, func(h string) bool { return strings.EqualFold(h, u.Hostname()) }) {
			l.add("link", m[0], m[1], "check every letter; if it is right, record it as the fact contact or source, or allow its host (--host)", "%s is not among the addresses of this incident", l.text[m[0]:m[1]])
		}
	}
}

// whole looks at what the text as a whole lacks.
func (l *linter) whole() {
	if m := noIndex.FindIndex(l.text); m != nil {
		l.add("noindex", m[0], m[1], "leave it out: a notice is there to be found", "it keeps search engines from finding the notice")
	}
	if l.Incident.State() == "investigating" && len(bytes.TrimSpace(l.text)) > 0 && !nextUpdate.Match(l.text) {
		l.add("next", 0, 0, "name the time of the next update, or say that there will be none", "it does not say when the next update comes, while the scope is still being investigated")
	}
}
