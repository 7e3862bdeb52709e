package extract

import (
	"strings"

	"shirase/internal/incident"
)

var (
	ownSubjectEN = ruleEN("ownSubjectEN")
	toldByEN     = ruleEN("toldByEN")
	toldUsEN     = ruleEN("toldUsEN")
	defineEN     = ruleEN("defineEN")
	vendorTail   = ruleEN("vendorTail")
	vendorHead   = ruleEN("vendorHead")
	attributive  = ruleEN("attributive")
	possessiveEN = ruleEN("possessiveEN")
	providedToEN = ruleEN("providedToEN")
	titleOfEN    = ruleEN("titleOfEN")
	companyLine  = ruleEN("companyLine")
	signOffEN    = ruleEN("signOffEN")
	datelineWho  = ruleEN("datelineWho")
	domainEN     = ruleEN("domainEN")
	legalTail    = ruleEN("legalTail")
	legalAny     = ruleEN("legalAny")
	legalForm    = ruleEN("legalForm")
)

// noNameEN are words that look like names where they begin a sentence or a title, and names that never are the author of
// a notice: authorities, bureaus, forensic firms, people with a title.
var noNameEN = ruleEN("noNameEN")

// onMonthEN is a date that was taken for the end of a name.
var onMonthEN = ruleEN("onMonthEN")

// genericEN is what a title is made of: "of Data", "Password".
var genericEN = ruleEN("genericEN")

var (
	titleWordEN = ruleEN("titleWordEN")
	leadNameEN  = ruleEN("leadNameEN")
	endNameEN   = ruleEN("endNameEN")
)

// whoEN proposes the organisation, the title and the sources.
func (r *reader) whoEN() {
	r.titleOf()
	r.sources()
	if m := investigatingEN.FindStringIndex(r.s); m != nil {
		r.propose(incident.Fact{Key: "scope.state", Value: incident.Value{Word: incident.StateInvestigating}}, m[0], m[1], "")
	}
	names := &namesEN{r: r, byKey: map[string]*nameSeen{}, short: map[string]*nameSeen{}}
	names.collect()
	if best := names.best(); best != nil {
		name := tidyName(r.s[best.from:best.to])
		how := "weak"
		switch score := best.score - 4*best.vendor; {
		case score >= 8:
			how = "strong"
		case score >= 5:
			how = "fair"
		}
		r.propose(incident.Fact{Key: "organisation", Value: incident.Value{Text: plain(name)}}, best.from, best.to, "").by(how)
		r.sector(name, best.from, best.to)
		r.own = name
	}
	for _, n := range names.order {
		if n.vendor > 0 && n.score < n.vendor*10 {
			r.vendors = append(r.vendors, tidyName(r.s[n.from:n.to]))
		}
	}
}

// nameSeen is a name with what speaks for its being the author's.
type nameSeen struct {
	from, to      int
	score, vendor int
}

type namesEN struct {
	r     *reader
	byKey map[string]*nameSeen
	order []*nameSeen
	short map[string]*nameSeen // what a name is called from where it is defined: "Gullwing Dental Alliance (“GDA”)"
}

// maxNames bounds how many different names are weighed.
const maxNames = 60

// add counts a name at from. The short form of a name counts for the long one that was seen before.
func (n *namesEN) add(from, to, score, vendor int) *nameSeen {
	s := n.r.s
	if m := monthLead.FindStringIndex(s[from:to]); m != nil {
		from += m[1]
	}
	if m := leadNameEN.FindStringIndex(s[from:to]); m != nil && !(strings.HasPrefix(s[from:to], "The ") && legalTail.MatchString(s[from:to]) && n.ownLine(from, to)) {
		from += m[1]
	}
	if m := endNameEN.FindStringIndex(s[from:to]); m != nil {
		to = from + m[0]
	}
	for _, tail := range []string{"’s", "'s", "’", "'", ",", ".com"} {
		if bare := strings.TrimSuffix(s[from:to], tail); tail[0] != '.' || strings.Count(s, bare) > strings.Count(s, bare+tail) {
			to = from + len(bare)
		}
	}
	if strings.HasSuffix(s[from:to], ".") && !legalForm.MatchString(s[from:to]) {
		to--
	}
	if m := onMonthEN.FindStringIndex(s[from:to]); m != nil {
		to = from + m[0]
	}
	name := s[from:to]
	if c := name[:min(1, len(name))]; c >= "a" && c <= "z" && !strings.Contains(name, ".") || genericEN.MatchString(name) {
		return nil
	}
	if len(name) < 3 || len(name) > 90 || noNameEN.MatchString(name) || monthStart.MatchString(name) || onlyDigits.MatchString(name) {
		return nil
	}
	key := strings.ToLower(strings.Trim(name, ".,"))
	seen := n.byKey[key]
	if seen == nil {
		seen = n.short[key]
	}
	for _, o := range n.order {
		if seen != nil {
			break
		}
		other := strings.ToLower(s[o.from:o.to])
		switch {
		case beginsWith(other, key):
			seen = o
		case beginsWith(key, other):
			// "Kicks Shop" and then "Kicks Shop, Inc.": the full name is the better one; "Kicks Shop Cloud" is a thing of its.
			if seen = o; legalForm.MatchString(name) {
				o.from, o.to = from, to
			}
		case strings.Contains(key, " ") && strings.HasSuffix(other, " "+key): // the Library Foundation, of the Eastmere Library Foundation
			seen = o
		}
	}
	if seen != nil && s[seen.from:seen.to] == strings.ToUpper(s[seen.from:seen.to]) && strings.EqualFold(s[seen.from:seen.to], name) {
		seen.from, seen.to = from, to
	}
	if seen == nil {
		if len(n.order) >= maxNames {
			return nil
		}
		seen = &nameSeen{from: from, to: to}
		n.order = append(n.order, seen)
		n.byKey[key] = seen
	}
	seen.score += score
	seen.vendor += vendor
	return seen
}

// ownLine reports whether a name is all of its line: a letterhead gives it with its article.
func (n *namesEN) ownLine(from, to int) bool {
	s := n.r.s
	return (from == 0 || s[from-1] == '\n') && (to == len(s) || s[to] == '\n' || s[to] == ' ' && to+1 < len(s) && s[to+1] == '\n')
}

// beginsWith reports whether a name is another with more words.
func beginsWith(long, short string) bool {
	rest, ok := strings.CutPrefix(long, short)
	return ok && rest != "" && strings.ContainsAny(rest[:1], " ,’'")
}

var (
	onlyDigits = ruleEN("onlyDigits")
	monthLead  = ruleEN("monthLead")
	monthStart = ruleEN("monthStart")
	weekdayAny = ruleEN("weekdayAny")
)

// collect looks for names where notices have those of their authors.
func (n *namesEN) collect() {
	r := n.r
	for i, l := range r.lines {
		s := r.s[l.from:l.to]
		if len(s) > 120 || i >= 14 && i < len(r.lines)-14 {
			continue
		}
		n.lineNames(i, l, s)
	}
	for i, s := range r.sentences {
		if i > 50 {
			break
		}
		n.sentenceNames(s, firstBytes(r.s[s.from:s.to], 800), i)
	}
}

// lineNames takes a letterhead or a signature: a name on a line of its own.
func (n *namesEN) lineNames(i int, l line, s string) {
	bare := strings.TrimLeft(s, "#* ")
	at := l.from + len(s) - len(bare)
	bare = strings.TrimRight(bare, "* ")
	if m := companyLine.FindStringSubmatchIndex(bare); m != nil && !weekdayAny.MatchString(bare) && strings.Contains(bare, " ") {
		formal := legalTail.MatchString(bare)
		switch {
		case titleWordEN.MatchString(bare) && !legalForm.MatchString(bare):
		case i < 10 && formal:
			n.add(at+m[2], at+m[3], 8, 0)
		case i == 0:
			n.add(at+m[2], at+m[3], 5, 0)
		case i >= len(n.r.lines)-6 && formal:
			n.add(at+m[2], at+m[3], 7, 0)
		}
	}
	if m := signOffEN.FindStringSubmatchIndex(bare); m != nil && i > len(n.r.lines)-5 {
		n.add(at+m[2], at+m[3], 5, 0)
	}
	if i < 6 && len(bare) < 110 {
		if m := titleOfEN.FindStringSubmatchIndex(bare); m != nil {
			n.add(at+m[2], at+m[3], 4, 0)
		}
		if m := headNameEN.FindStringSubmatchIndex(bare); m != nil && i < 3 && strings.Count(n.r.s, bare[m[2]:m[3]])+strings.Count(bare[m[2]:m[3]], " ") > 1 {
			n.add(at+m[2], at+m[3], 3, 0)
		}
		if m := domainEN.FindStringSubmatchIndex(bare); m != nil && strings.Count(n.r.s, bare[m[2]:m[3]]) >= 4 {
			n.byKey[bare[m[2]:m[3]]] = &nameSeen{from: at + m[2], to: at + m[3], score: 4}
			n.order = append(n.order, n.byKey[bare[m[2]:m[3]]])
		}
	}
}

// sentenceNames takes the names in a sentence: who learned of it, whose account it is, and who told of it.
func (n *namesEN) sentenceNames(s sentence, part string, i int) {
	at := func(m []int, g int) (int, int) { return s.from + m[2*g], s.from + m[2*g+1] }
	if m := headNameEN.FindStringSubmatchIndex(part); m != nil && i == 0 && len(part) < 110 && strings.Count(n.r.s, part[m[2]:m[3]])+strings.Count(part[m[2]:m[3]], " ") > 1 {
		n.add(s.from+m[2], s.from+m[3], 3, 0)
	}
	if m := letterheadEN.FindStringSubmatchIndex(part); m != nil && i == 0 {
		n.add(s.from+m[2], s.from+m[3], 5, 0)
	}
	for _, m := range incidentAtEN.FindAllStringSubmatchIndex(part, 3) {
		from, to := at(m, 1)
		n.add(from, to, 2, 0)
	}
	for _, m := range defineEN.FindAllStringSubmatchIndex(part, 4) {
		from, to := at(m, 1)
		var seen *nameSeen
		if vendorHead.MatchString(lastBytes(part[:m[2]], 30)) || vendorTail.MatchString(afterBracket(part[m[1]:])) {
			seen = n.add(from, to, 0, 1)
		} else if i < 25 {
			seen = n.add(from, to, 5, 0)
		}
		if end := strings.IndexAny(firstBytes(part[m[1]:], 40), "”\"’'"); seen != nil && end > 1 {
			n.short[strings.ToLower(part[m[1]:m[1]+end])] = seen
		}
	}
	for _, m := range acronymEN.FindAllStringSubmatchIndex(part, 4) {
		from, to := at(m, 1)
		if vendorHead.MatchString(lastBytes(part[:m[2]], 30)) || vendorTail.MatchString(part[m[1]:]) || !shortOf(part[m[2]:m[3]], part[m[4]:m[5]]) {
			continue
		}
		if seen := n.add(from, to, 2, 0); seen != nil {
			n.short[strings.ToLower(part[m[4]:m[5]])] = seen
		}
	}
	for _, m := range ownSubjectEN.FindAllStringSubmatchIndex(part, 6) {
		from, to := at(m, 1)
		if byBefore.MatchString(lastBytes(part[:m[2]], 24)) || toldUsEN.MatchString(part[m[2]:m[1]]) && usAfter.MatchString(part[m[1]:]) {
			continue
		}
		if toldThatEN.MatchString(lastBytes(part[:m[2]], 60)) { // we were notified that Bankers Life discovered
			n.add(from, to, 0, 1)
			continue
		}
		n.add(from, to, 4, 0)
	}
	for _, m := range toldUsEN.FindAllStringSubmatchIndex(part, 6) {
		if usAfter.MatchString(part[m[1]:]) {
			from, to := at(m, 1)
			n.add(from, to, 0, 1)
			if k := usAfter.FindStringSubmatchIndex(part[m[1]:]); k[2] >= 0 {
				n.add(s.from+m[1]+k[2], s.from+m[1]+k[3], 3, 0)
			}
		}
	}
	for _, m := range toldByEN.FindAllStringSubmatchIndex(part, 6) {
		from, to := at(m, 1)
		if !usedByEN.MatchString(lastBytes(part[:m[0]], 40)) {
			n.add(from, to, 0, 1)
		}
	}
	for _, m := range usesEN.FindAllStringSubmatchIndex(part, 3) {
		from, to := at(m, 1)
		n.add(from, to, 0, 1)
		if first := strings.IndexByte(n.r.s[from:to], ' '); first > 3 { // the Aeries Student Information System is Aeries'
			n.add(from, from+first, 0, 1)
		}
	}
	for _, re := range []*rule{attributive, possessiveEN, providedToEN, officerEN, toldThemEN} {
		for _, m := range re.FindAllStringSubmatchIndex(part, 6) {
			from, to := at(m, 1)
			n.add(from, to, 2, 0)
		}
	}
	for _, m := range weakEN.FindAllStringSubmatchIndex(part, 6) {
		from, to := at(m, 1)
		n.add(from, to, 1, 0)
	}
	for _, m := range ofNameEN.FindAllStringSubmatchIndex(part, 6) {
		from, to := at(m, 1)
		n.add(from, to, 1+btoi(legalAny.MatchString(part[m[2]:m[3]])), 0)
	}
	for _, m := range hiredEN.FindAllStringSubmatchIndex(part, 4) {
		from, to := at(m, 1)
		n.add(from, to, 0, 1)
	}
	if m := tickerEN.FindStringSubmatchIndex(part); m != nil {
		from, to := at(m, 1)
		n.add(from, to, 6, 0)
	}
	if i < 3 {
		if m := datelineWho.FindStringSubmatchIndex(part); m != nil {
			from, to := at(m, 1)
			n.add(from, to, 5, 0)
		}
	}
}

var (
	officerEN  = ruleEN("officerEN")
	toldThemEN = ruleEN("toldThemEN")
	weakEN     = ruleEN("weakEN")
	acronymEN  = ruleEN("acronymEN")
	ofNameEN   = ruleEN("ofNameEN")
	tickerEN   = ruleEN("tickerEN")
	hiredEN    = ruleEN("hiredEN")
	headNameEN = ruleEN("headNameEN")
	usAfter    = ruleEN("usAfter")
	byBefore   = ruleEN("byBefore")
	usedByEN   = ruleEN("usedByEN")
)

var (
	letterheadEN = ruleEN("letterheadEN")
	toldThatEN   = ruleEN("toldThatEN")
	usesEN       = ruleEN("usesEN")
	incidentAtEN = ruleEN("incidentAtEN")
)

// shortOf reports whether capitals are the first letters of a name's words: DHC of Davenport Heart Clinic.
func shortOf(name, capitals string) bool {
	k := 0
	for _, word := range strings.Fields(name) {
		if k < len(capitals) && word[0] == capitals[k] {
			k++
		}
	}
	return k == len(capitals)
}

// afterBracket gives what stands behind the bracket that s begins in.
func afterBracket(s string) string {
	s = firstBytes(s, 200)
	if i := strings.IndexByte(s, ')'); i >= 0 {
		return s[i+1:]
	}
	return ""
}

// best is the name for which most speaks, if it is enough and no other has as much. Whoever told the author of it is the
// author only where nobody else can be.
func (n *namesEN) best() *nameSeen {
	var best *nameSeen
	second := 0
	for _, own := range []bool{true, false} {
		for _, c := range n.order {
			if score := c.score - 4*c.vendor; own == (c.vendor == 0) {
				switch {
				case best == nil && score > 0 || best != nil && score > best.score-4*best.vendor:
					if best != nil {
						second = max(second, best.score-4*best.vendor)
					}
					best = c
				case c != best:
					second = max(second, score)
				}
			}
		}
		if best != nil && best.score >= 2 {
			break
		}
	}
	if best == nil {
		return nil
	}
	// One name alone, as whose account or website it is, is enough.
	switch score := best.score - 4*best.vendor; {
	case score < 2, score < 4 && second > 1, score < 6 && second == score:
		return nil
	}
	return best
}
