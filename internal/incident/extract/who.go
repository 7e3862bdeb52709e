package extract

import (
	"strings"
	"unicode/utf8"

	"shirase/internal/incident"
)

var (
	titleNoun  = ruleBoth("titleNoun")
	serviceRE  = ruleJA("serviceRE")
	bareRE     = ruleJA("bareRE")
	unrelated  = ruleJA("unrelated")
	excludedRE = ruleJA("excludedRE")
	whoWord    = ruleJA("whoWord")
)

// whoJA proposes the organisation, the title, the services and the sources.
func (r *reader) whoJA() {
	r.titleOf()
	r.organisationJA()
	r.servicesJA()
	r.sources()
	if m := investigating.FindStringIndex(r.s); m != nil && !r.update {
		r.propose(incident.Fact{Key: "scope.state", Value: incident.Value{Word: incident.StateInvestigating}}, m[0], m[1], "")
	}
}

var investigating = ruleJA("investigating")

var (
	serial       = ruleBoth("serial") // the number that an archive gave a notice
	trailingDate = ruleBoth("trailingDate")
)

// titleOf proposes the title: the first line near the beginning that ends as titles do and names what happened. Behind the first
// sentence stand the headings of parts, which end so too.
func (r *reader) titleOf() {
	told := false
	for i, l := range r.lines[:min(len(r.lines), maxHead)] {
		line := r.s[l.from:l.to]
		if told = told || strings.Contains(line, "。"); strings.Contains(line, "。") {
			continue
		}
		s, how := titleIn(line, r.japanese())
		from := l.from
		if i > 0 && !told && r.japanese() && how == "first" && strings.HasPrefix(line, s) {
			if above := r.lines[i-1]; halfTitle.MatchString(r.s[above.from:above.to]) && isTitle(r.s[above.from:above.to]+s, true) {
				s, from, how = r.s[above.from:l.from+len(s)], above.from, "joined"
			}
		}
		if how != "joined" && !isTitle(s, r.japanese()) {
			continue
		}
		from += max(0, strings.Index(r.s[from:l.to], s))
		to := min(l.to, from+len(s))
		if told {
			how = "later"
		}
		if r.japanese() {
			s = strings.ReplaceAll(s, "\n", "")
		}
		r.propose(incident.Fact{Key: "title", Value: incident.Value{Text: plain(tidyName(s))}}, from, to, "").by(how)
		return
	}
}

// isTitle reports whether s ends as titles do and names what happened.
func isTitle(s string, japanese bool) bool {
	n := utf8.RuneCountInString(s)
	if numbered.MatchString(s) {
		return false
	}
	if !japanese {
		return englishTitle.MatchString(s) && n <= 140
	}
	return n >= 8 && n <= 110 && (titled(s) || n >= 14 && nounTitle.MatchString(s)) && titleNoun.MatchString(s)
}

// titleIn takes from a line what may be the title in it, without what an archive or a site puts around it, and says of what it was freed.
func titleIn(line string, japanese bool) (s, how string) {
	s = strings.TrimSpace(trailingDate.ReplaceAllString(serial.ReplaceAllString(line, ""), ""))
	how = "first"
	if k := strings.LastIndex(s, " > "); k >= 0 {
		s, how = s[k+len(" > "):], "trail" // where on its site the page is
	}
	if !japanese || numbered.MatchString(s) {
		return s, how
	}
	if m := titleOwner.FindStringSubmatchIndex(s); m != nil && isTitle(s[m[1]:], true) {
		s, how = s[m[1]:], "owner"
	} else if m := titleTail.FindStringIndex(s); m != nil && !titled(s) && isTitle(s[:m[0]], true) {
		s, how = s[:m[0]], "owner"
	}
	return strings.TrimSpace(strings.TrimLeft(s, "■◆●・•:")), how
}

// nounTitle ends the title of a note.
var nounTitle = ruleBoth("nounTitle")

// halfTitle is a line that goes on in the next; titleTail is who publishes, behind the title.
var halfTitle, titleTail = ruleJA("halfTitle"), ruleJA("titleTail")

// numbered heads a part of the text.
var numbered = ruleBoth("numbered")

func tidyName(s string) string { return strings.Join(strings.Fields(s), " ") }

// sectorEnds tells a sector from the name alone, where the name says it.
var sectorEnds = []struct {
	sector string
	re     *rule
}{
	{"health", ruleBoth("sector-health")},
	{"education", ruleBoth("sector-education")},
	{"finance", ruleBoth("sector-finance")},
	{"government", ruleBoth("sector-government")},
	{"health", ruleBoth("sector-health-english")},
}

func (r *reader) sector(name string, from, to int) {
	for _, s := range sectorEnds {
		if s.re.MatchString(name) {
			r.propose(incident.Fact{Key: "sector", Value: incident.Value{Word: s.sector}}, from, to, "")
			return
		}
	}
}

// servicesJA proposes the services that are named as those concerned, and those named as unrelated.
func (r *reader) servicesJA() {
	n := 0
	for i, s := range r.sentences {
		if i > 40 || n >= 12 {
			break
		}
		part := r.s[s.from:s.to]
		if m := bareRE.FindStringSubmatchIndex(part); m != nil {
			at := m[4]
			for _, name := range splitKeep(part[m[4]:m[5]], "、,") {
				if t := strings.TrimSpace(name); t != "" && utf8.RuneCountInString(t) <= 40 && !strings.HasPrefix(t, "以下") {
					n++
					r.service(t, "affected", s.from+at, s.from+at+len(name), n)
				}
				at += len(name) + 1
				for at < m[5] && !utf8.RuneStart(part[at]) {
					at++
				}
			}
			continue
		}
		if m := serviceRE.FindStringSubmatchIndex(part); m != nil && i < 15 && !notOwner.MatchString(lastBytes(part[:m[0]], 45)) && incidentNoun.MatchString(part) && !r.negative(part) {
			n++
			r.service(part[m[2]:m[3]], "affected", s.from+m[2], s.from+m[3], n)
		}
	}
	for _, s := range r.sentences {
		part := r.s[s.from:s.to]
		m := unrelated.FindStringSubmatchIndex(part)
		if m == nil {
			continue
		}
		from, to := m[2], m[3]
		if i := strings.LastIndex(part[from:to], "運営する"); i >= 0 {
			from += i + len("運営する")
		}
		to = from + len(strings.TrimSuffix(part[from:to], "サービス"))
		at := from
		for _, name := range splitKeep(part[from:to], "・、") {
			if name != "" && utf8.RuneCountInString(name) <= 30 {
				n++
				r.service(name, "unrelated", s.from+at, s.from+at+len(name), n)
			}
			at += len(name) + len("・")
		}
	}
}

// splitKeep cuts s at each of seps.
func splitKeep(s, seps string) []string {
	return strings.FieldsFunc(strings.ReplaceAll(s, "  ", " "), func(c rune) bool { return strings.ContainsRune(seps, c) })
}

func (r *reader) service(name, status string, from, to, n int) {
	name = tidy(name)
	if name == "" || r.seen["service\x00\x00"+name] > 0 {
		return
	}
	r.seen["service\x00\x00"+name]++
	r.propose(incident.Fact{Key: "service", Item: itemName("service", name, n), Value: incident.Value{Text: plain(name), Status: status}}, from, to, "").byStatus()
}

var notItem = ruleBoth("notItem")

// itemName makes an item's id from a text: its Latin letters where it is made of them, else its number.
func itemName(key, s string, n int) string {
	latin := strings.Trim(notItem.ReplaceAllString(strings.ToLower(s), "-"), "-")
	if len(latin) >= 2 && len(latin) <= 40 && len(latin)*2 >= len(s) {
		return latin
	}
	return key + "-" + itoa(n)
}

// excludedJA proposes who is outside the scope.
func (r *reader) excludedJA() {
	n := 0
	for _, s := range r.sentences {
		l := r.lines[s.line]
		if l.section == secContact || l.section == secPast || l.section == secPrevention {
			continue
		}
		part := r.s[s.from:s.to]
		m := excludedRE.FindStringIndex(part)
		if m == nil {
			continue
		}
		from := 0
		if e := clauseEdge.FindAllStringIndex(part[:m[0]], -1); len(e) > 0 {
			from = e[len(e)-1][1]
		}
		for _, piece := range strings.Split(part[from:m[0]], "、および") {
			start := strings.Index(part[from:], piece) + from
			text := tidy(piece)
			from = start + len(piece)
			what := strings.TrimSuffix(strings.TrimSuffix(text, "など"), "等")
			if utf8.RuneCountInString(text) < 4 || utf8.RuneCountInString(text) > 120 || !whoWord.MatchString(what) || r.onlyData(what, part) {
				continue
			}
			n++
			f := incident.Fact{Key: "excluded", Item: "excluded-" + itoa(n), Value: incident.Value{Text: plain(text)}}
			for _, a := range r.amounts {
				if a.from >= s.from+start && a.to <= s.from+start+len(piece) && a.unit != "attempts" {
					v := a.value
					f.Value.Number, f.Value.Unit, f.Value.Qualifier = &v, a.unit, a.qualifier
				}
			}
			lead := len(piece) - len(strings.TrimLeft(piece, "※ なお、"))
			r.propose(f, s.from+start+lead, s.from+start+len(piece), "")
		}
	}
}

// onlyData reports what is no one: クレジットカード情報 is a kind of data, LINEの会員情報 is that of other people.
func (r *reader) onlyData(what, sentence string) bool {
	if strings.Contains(sentence, "含まれて") && !peopleEnd.MatchString(what) {
		return true
	}
	if ownerRE.MatchString(what) {
		return false
	}
	ms := mentions(termsJA, what, 0, len(what))
	return strings.HasSuffix(what, "情報") && len(ms) > 0
}

// ownerRE is whose data they are: LINEの会員情報.
var ownerRE = ruleJA("ownerRE")

var (
	urlRE    = ruleBoth("urlRE")
	sourceRE = ruleJA("sourceRE")
)

// sources proposes where the notice is: the address under a heading that says so.
func (r *reader) sources() {
	n := 0
	for i, l := range r.lines {
		s := r.s[l.from:l.to]
		m := urlRE.FindStringIndex(s)
		if m == nil {
			continue
		}
		labelled := sourceRE.MatchString(s) || i > 0 && sourceRE.MatchString(r.s[r.lines[i-1].from:r.lines[i-1].to]) && r.lines[i-1].to-r.lines[i-1].from < 60
		url := strings.TrimRight(s[m[0]:m[1]], ".,;:'")
		if !labelled || len(url) > 1000 {
			continue
		}
		n++
		item := "notice"
		if n > 1 {
			item = "notice-" + itoa(n)
		}
		r.propose(incident.Fact{Key: "source", Item: item, Value: incident.Value{URL: url}}, l.from+m[0], l.from+m[0]+len(url), "")
	}
}

var (
	phoneJA   = ruleJA("phoneJA")
	faxRE     = ruleJA("faxRE")
	hoursJA   = ruleJA("hoursJA")
	deskLabel = ruleJA("deskLabel")
)

// contactJA proposes the desk that people can turn to.
func (r *reader) contactJA() {
	var v incident.Value
	from, to := -1, -1
	take := func(a, b int) {
		if from < 0 || a < from {
			from = a
		}
		to = max(to, b)
	}
	for i, l := range r.lines {
		s := r.s[l.from:l.to]
		if l.section != secContact || len(s) > 1500 {
			continue
		}
		if v.Text.JA == "" && utf8.RuneCountInString(s) <= 40 && deskLabel.MatchString(tidy(s)) && !strings.ContainsAny(s, "。") {
			v.Text = plain(strings.Trim(tidy(s), "<>【】「」[]()"))
			if l.heading {
				v.Text = plain(strings.Trim(l.under, "<>【】「」[]()"))
			}
		}
		if v.Telephone == "" {
			for _, m := range phoneJA.FindAllStringIndex(s, 5) {
				if !faxRE.MatchString(s[:m[0]]) && !(i > 0 && m[0] == 0 && faxRE.MatchString(r.s[r.lines[i-1].from:r.lines[i-1].to])) {
					v.Telephone = strings.ReplaceAll(s[m[0]:m[1]], " ", "")
					take(l.from+m[0], l.from+m[1])
					break
				}
			}
		}
		if m := urlRE.FindStringIndex(s); m != nil && v.URL == "" && m[1]-m[0] < 500 {
			v.URL = strings.TrimRight(s[m[0]:m[1]], ".,;:'")
			take(l.from+m[0], l.from+m[0]+len(v.URL))
		}
		if m := hoursJA.FindStringSubmatchIndex(s); m != nil && v.Hours.JA == "" {
			v.Hours = plain(strings.Trim(tidy(s[m[2]:m[3]]), "()"))
			take(l.from+m[2], l.from+m[3])
		}
	}
	if v.URL == "" && v.Telephone == "" {
		return
	}
	r.propose(incident.Fact{Key: "contact", Value: v}, from, to, "")
}

// peopleEnd is a word for people, or for what belongs to one of them.
var peopleEnd = ruleJA("peopleEnd")
