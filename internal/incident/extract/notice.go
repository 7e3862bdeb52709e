package extract

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// MaxNotice bounds a text, in bytes. Notices have a few thousand characters; a page with all its menus, some hundred
// thousand.
const MaxNotice = 1 << 20

// maxText bounds what is read of it, in bytes, when tags are taken away: every rule looks at every sentence.
const maxText = 200_000

// maxTimes and maxAmounts bound what one text can name.
const (
	maxTimes   = 1000
	maxAmounts = 1000
)

// maxProposals bounds what one text yields, maxListed what it yields of one listed key.
const (
	maxProposals = 400
	maxListed    = 60
)

// What can be wrong with a text.
var (
	ErrTooLarge = errors.New("text too large")
	ErrNotText  = errors.New("not a text")
)

// Proposal is a fact that the text states, and where.
type Proposal struct {
	Fact     incident.Fact
	From, To int    // the bytes of the given text it was read from
	Doubt    string // why it may be wrong; empty where nothing speaks against it
	Rule     string // what led to it: its key and, where several ways lead there, which

	// How often what led to it was right on texts that it had not been tried on: Right of Of facts, and what that says of
	// this one, from 0 to 1. Sure is a high confidence that no doubt speaks against.
	Confidence float64
	Right, Of  int
	Sure       bool
}

// Result is what a text proposes.
type Result struct {
	ID        string // for the incident
	Lang      language.Lang
	Zone      *time.Location // in which the times were said
	Proposals []Proposal

	voiced bool // somebody in the text writes of itself
}

// Notice reads a disclosure text. A text that is none proposes nothing.
func Notice(given []byte) (*Result, error) {
	switch {
	case len(given) > MaxNotice:
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, MaxNotice)
	case !utf8.Valid(given):
		return nil, fmt.Errorf("%w: it is not UTF-8", ErrNotText)
	}
	t := newText(string(given))
	if looksHTML(t.s) {
		t = flatten(t)
	}
	if len(t.s) > maxText {
		return nil, fmt.Errorf("%w: more than %d bytes of text", ErrTooLarge, maxText)
	}
	t = normalise(t)
	lang := writtenIn(t.s)
	t = unwrap(t, lang == language.JA)
	r := &reader{text: t, s: t.s, lang: lang, zone: incident.Japan, seen: map[string]int{}}
	if lang == language.EN {
		r.zone = time.UTC
	}
	r.lines = splitLines(t.s)
	r.sentences = splitSentences(t.s, r.lines, lang == language.JA)
	if !r.isNotice() {
		return &Result{Lang: lang, Zone: r.zone}, nil
	}
	r.read()
	return r.result(), nil
}

// writtenIn tells Japanese from English by its letters.
func writtenIn(s string) language.Lang {
	ja, en := 0, 0
	for _, c := range s {
		switch {
		case c >= 0x3040 && c <= 0x30FF || c >= 0x4E00 && c <= 0x9FFF:
			ja++
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			en++
		}
	}
	if ja*4 >= en {
		return language.JA
	}
	return language.EN
}

// reader holds one text while it is read.
type reader struct {
	text      *text
	s         string
	lang      language.Lang
	zone      *time.Location
	lines     []line
	sentences []sentence

	times      []*when
	amounts    []*amount
	base       incident.Moment // when the text was published
	baseAt     *when
	asOf       incident.Moment   // as of when the facts hold
	update     bool              // it is a second or later report
	own        string            // whose notice it is, of an English one
	vendors    []string          // whose failure it tells of besides
	inline     map[int]section   // of its sentences
	named      map[int][]mention // the classes that its sentences name
	determined *when             // when its author was sure of it

	picked      []int64  // numbers that are parts of another
	foundOn     []string // the days on which something came to be known, where a Japanese text tells of such
	sentWrongly bool     // something was sent to the wrong people
	told        string   // what stands behind the day on which a regulator was told

	proposals []Proposal
	seen      map[string]int // how many of a listed key; what was proposed already
}

func (r *reader) japanese() bool { return r.lang == language.JA }

// read applies the rules in the order in which the facts are shown.
func (r *reader) read() {
	if r.japanese() {
		r.times = scanTimesJA(r.s, r.lines)
		r.amounts = scanAmountsJA(r.s, r.lines)
	} else {
		r.times = scanTimesEN(r.s, r.lines, &r.zone)
		r.amounts = scanAmountsEN(r.s, r.lines)
	}
	r.times, r.amounts = r.times[:min(len(r.times), maxTimes)], r.amounts[:min(len(r.amounts), maxAmounts)]
	pairRanges(r.s, r.times)
	r.publication()
	if !r.japanese() {
		r.publicationEN()
	}
	r.resolveTimes()
	if r.japanese() {
		r.whoJA()
		r.causeJA()
		r.whenJA()
		r.countsJA()
		r.excludedJA()
		r.classesJA()
		r.damageJA()
		r.addendaJA()
		r.contactJA()
	} else {
		r.whoEN()
		r.whenEN()
		r.countsEN()
		r.classesOfEN()
		r.causeEN()
		r.damageEN()
		r.contactEN()
	}
	r.doubts()
}

// propose keeps a fact read from s[from:to]. A single-valued key keeps its first value, a listed key one of each item.
// What is kept is returned, so that it can be told apart how it was found; else nil.
func (r *reader) propose(f incident.Fact, from, to int, doubt string) *Proposal {
	if from >= to || len(r.proposals) >= maxProposals {
		return nil
	}
	id := f.Key
	if f.Item != "" {
		id += "\x00" + f.Item
		if r.seen["\x00"+f.Key] >= maxListed {
			return nil
		}
		r.seen["\x00"+f.Key]++
	}
	if r.seen[id] > 0 {
		return nil
	}
	r.seen[id]++
	if f.Certainty == "" {
		f.Certainty = incident.Confirmed
	}
	if f.AsOf.IsZero() {
		f.AsOf = r.asOf
	}
	a, b := r.text.span(from, to)
	r.proposals = append(r.proposals, Proposal{Fact: f, From: a, To: b, Doubt: doubt, Rule: f.Key})
	return &r.proposals[len(r.proposals)-1]
}

// has reports whether a single-valued key has its value.
func (r *reader) has(key string) bool { return r.seen[key] > 0 }

// moment proposes a time.
func (r *reader) moment(key string, w *when, certainty incident.Certainty) {
	if !w.moment.IsZero() {
		r.sharpen(key, w)
		r.propose(incident.Fact{Key: key, Value: incident.Value{Time: w.moment, Qualifier: w.qualifier()}, Certainty: certainty}, w.from, w.to, w.doubt).by(r.formOf(key, w))
	}
}

// takeBack withdraws what was proposed for a key, for what says more.
func (r *reader) takeBack(key string) {
	r.proposals = slices.DeleteFunc(r.proposals, func(p Proposal) bool { return p.Fact.Key == key })
	r.seen[key] = 0
}

// sharpen replaces the day that a key has by a time of that day: a summary says the day, the account of what happened the time.
func (r *reader) sharpen(key string, w *when) {
	if key != "discovered" && key != "contained" && key != "window.start" || !w.moment.Exact() {
		return
	}
	for i := range r.proposals {
		p := &r.proposals[i]
		if have := p.Fact.Value.Time; p.Fact.Key == key && have.Precision == incident.Day && have.Time.Format(time.DateOnly) == w.moment.Time.Format(time.DateOnly) {
			p.Fact.Value.Time, p.Fact.Value.Qualifier, p.Doubt = w.moment, w.qualifier(), w.doubt
			p.From, p.To = r.text.span(w.from, w.to)
			p.by(r.formOf(key, w))
		}
	}
}

// plain gives a text in the one language that it has.
func plain(s string) language.Text { return language.Text{JA: s, EN: s} }

// maxWords bounds a text that becomes a fact, in characters.
const maxWords = 300

// tidy makes one line of s, without the marks before it and the brackets around it.
func tidy(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	s = strings.TrimLeft(s, "※■◆●・*•-–—:、。 ")
	s = strings.TrimSpace(s)
	if utf8.RuneCountInString(s) > maxWords {
		s = string([]rune(s)[:maxWords-1]) + "…"
	}
	return s
}

// Entries are the proposals in the words of a facts file.
func (res *Result) Entries() []Entry {
	out := make([]Entry, 0, len(res.Proposals))
	for _, p := range res.Proposals {
		out = append(out, p.Entry())
	}
	return out
}

// result puts the proposals into the order of the keys.
func (r *reader) result() *Result {
	order := map[string]int{}
	for i, k := range incident.Keys() {
		order[k] = i
	}
	if len(r.foundOn) > 1 {
		for i := range r.proposals {
			if p := &r.proposals[i]; p.Fact.Key == "discovered" {
				p.by("several") // which of them was the discovery, the rules chose
			}
		}
	}
	slices.SortStableFunc(r.proposals, func(a, b Proposal) int { return order[a.Fact.Key] - order[b.Fact.Key] })
	res := &Result{Lang: r.lang, Zone: r.zone, Proposals: r.proposals, voiced: r.ownVoice()}
	res.ID = res.proposedID(r.base)
	res.weigh()
	return res
}

// doubts says which times cannot all be right.
func (r *reader) doubts() {
	at := map[string]*Proposal{}
	for i := range r.proposals {
		if p := &r.proposals[i]; !p.Fact.Value.Time.IsZero() {
			at[p.Fact.Key] = p
		}
	}
	order := [][2]string{
		{"window.start", "window.end"}, {"window.start", "discovered"}, {"discovered", "contained"}, {"discovered", "disclosed"},
		{"window.end", "disclosed"}, {"discovered", "regulator-notified"},
	}
	for _, pair := range order {
		first, then := at[pair[0]], at[pair[1]]
		if first == nil || then == nil || first.Doubt != "" || then.Doubt != "" {
			continue
		}
		if endOf(first.Fact.Value.Time).After(endOf(then.Fact.Value.Time)) {
			then.Doubt = fmt.Sprintf("%s (%s) is before %s (%s): one of the two may be a slip in the text", pair[1], then.Fact.Value.Time, pair[0], first.Fact.Value.Time)
		}
	}
	found, told := at["discovered"], at["disclosed"]
	if found != nil && told != nil && told.Doubt == "" && told.Fact.Value.Time.Time.Sub(found.Fact.Value.Time.Time) > 5*365*24*time.Hour {
		told.Doubt = fmt.Sprintf("more than five years after it was discovered (%s): a year may be a slip in the text", found.Fact.Value.Time)
	}
}

// endOf is the last instant that m may mean.
func endOf(m incident.Moment) time.Time {
	switch m.Precision {
	case incident.Month:
		return m.Time.AddDate(0, 1, 0)
	case incident.Day:
		return m.Time.AddDate(0, 0, 1)
	case incident.Hour:
		return m.Time.Add(time.Hour)
	}
	return m.Time.Add(time.Minute)
}
