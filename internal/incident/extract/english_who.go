package extract

import (
	"regexp"
	"strings"

	"shirase/internal/incident"
)

// nameWordEN is a word of a name, nameEN a name: words that begin with capitals, and the small ones between them.
const (
	nameWordEN = `(?:[A-Z][A-Za-z0-9.’'&!-]*[A-Za-z0-9!]\.?|[A-Z]\.?|&|\d+(?:st|nd|rd|th|[A-Z&-])[A-Za-z]*)`
	nameEN     = nameWordEN + `(?:(?:,?\s(?:Inc\.?|LLC|L\.L\.C\.|LLP|Ltd\.?|P\.C\.|PC|P\.A\.|PLLC|Corp\.?|Co\.|N\.A\.|S\.A\.|plc|CPAs?|D\.?D\.?S\.?|M\.?D\.?|APC|P\.?S\.|d/b/a)|\s(?:(?:of|the|and|for|de|on|at)\s(?:the\s)?)?` + nameWordEN + `)){0,9}`
)

// What an organisation does in its own notice. What only somebody else does in it (inform us, disclose to us) is not here.
const ownVerbEN = `(?:(?:has|have|had|was|recently|today|first|promptly|immediately|also|sincerely|deeply|then|itself|subsequently)\s){0,3}(?:discovered|learned|learnt|detected|identified|became aware|become aware|noticed|experienced|suffered|received|determined|takes|take|values|value|regrets|regret|(?:was|were) (?:hit|struck|affected|attacked|targeted|impacted) by|is (?:writing|notifying|providing|committed|informing|contacting|dealing|aware|issuing|sending|working|alerting|reporting|disclosing|announcing|advising|investigating|responding)|wants? to|wish(?:es)? to|would like to|launched|engaged|hired|investigated|began an|initiated|commenced|immediately|has no|has not|has taken|posted|uploaded|reset|believes|uses|maintains|sends|regretfully|confirmed|found|became the|fell victim|offers|announced|said today|can confirm|apologi[sz]e[sd]?|(?:was|were|been) (?:recently |first |also )?(?:notified|informed|alerted|advised|told|contacted|made aware|the (?:victim|target|subject))|had a (?:data|security)|sent (?:an?|the) e-?mail|mailed|(?:inadvertently|mistakenly|accidentally)|understands|reported)`

var (
	ownSubjectEN = regexp.MustCompile(`(?:^|[.,;:"“(—–-]\s?|\b(?:that|and|when|[Aa]fter|At|the|The|[Oo]nce|because|as|As|\d{1,4}|\d(?:st|nd|rd|th))\s)(` + nameEN + `)(?:\s\([^()]{1,80}\)|,\s[^,;]{3,170}?,)?\s(?:(?:IT|security|technology|systems?)\s)?(?:(?:professionals|staff|team|teams|personnel|officials|employees|management)\s)?` + ownVerbEN)
	toldByEN     = regexp.MustCompile(`\b(?:by|from|vendors?|providers?|processors?|suppliers?|party|parties|contractors?|company|software|called|as)(?:,)?\s(?:(?:its|our|the|a|third[- ]party|service|provider|vendor|named|called)[\s,]{1,2}){0,4}(` + nameEN + `)`)
	toldUsEN     = regexp.MustCompile(`(` + nameEN + `)(?:\s\([^()]{1,60}\)|,\s[^,.;]{3,90},)?\s(?:(?:has|recently|first|also|then|subsequently|later)\s){0,2}(?:informed|notified|advised|told|alerted|contacted|disclosed|stated|indicated|reported|confirmed to)\b`)
	defineEN     = regexp.MustCompile(`(` + nameEN + `)\s\((?:(?i:hereinafter|collectively|together|or|the),?\s)?(?:the\s)?[“"'‘]`)
	vendorTail   = regexp.MustCompile(`^(?:\s\([^()]{1,60}\))?,?\s(?:(?:which is|who is)\s)?(?:an?|our|its|the)\s[^,.;]{0,60}(?:vendor|provider|processor|supplier|third[- ]party|contractor|company that|software|firm|platform)`)
	vendorHead   = regexp.MustCompile(`(?i:\b(?:vendors?|providers?|processors?|suppliers?|contractors?|third[- ]part(?:y|ies)|partner|software|by|from|firm|company|counsel|bank)(?:,|\s(?:called|named|known as))?\s$)`)
	attributive  = regexp.MustCompile(`(?:\b(?:[a-z]+|The|Your|Our|An?|This)[,]?\s)(` + nameEN + `)(?:['’]s?)?\s(?:(?:guest|rewards?|store|user|online|customer|member|patient|mobile|e-?mail|web|internal|employee|IT|loyalty|computer|systems)\s){0,2}(?:accounts?|websites?|systems?|servers?|networks?|databases?|users?|customers?|members?|patients?|employees?|app|application|infrastructure|platform|services|team|hospitals|clients)\b`)
	possessiveEN = regexp.MustCompile(`\b(` + nameEN + `)['’](?:s\s|\s)(?:own\s|website|e-?mail|network|computer|systems?|servers?|customers?|internal|patients|employees|IT|online|investigation)`)
	providedToEN = regexp.MustCompile(`(?i:\b(?:provided to|submitted to|relationship with|employ(?:ed by|ment with)|customers? of|(?:owner|president|director|head|manager|partner) of|(?:purchased|bought|ordered)(?: [a-z]+){0,4} (?:from|at)|patients? (?:of|at|treated at)|users of|members of|used by|on behalf of|accounts? (?:of|with|at)|employee of|newsletter of|vendor of|notice is about|used (?:your|a|their) [a-z ]{0,20}(?:at|in)|(?:shopped|stayed|treated|enrolled|employed|insured|registered|banked?|seen|visited|worked|applied) (?:at|in|by|with|to|for)|visited|we at|here at|^At|being an?|Attention patients of|employees of|programme|students of))\s(?:the\s)?(` + nameEN + `)`)
	titleOfEN    = regexp.MustCompile(`(?i:(?:incident|breach|event|update|issue|attack|statement|notice)\b[^.]{0,30}?\s(?:on|at|in|of|affecting|involving|from|by|impacting))\s(?:the\s)?(` + nameEN + `)(?:\s(?:infrastructure|systems?|network|website|customers?|users?|servers?|services?|platform|data))?$`)
	companyLine  = regexp.MustCompile(`^(?:(?i:company|organi[sz]ation|from|name of (?:entity|organi[sz]ation|company)|entity name|registrant)\s?:\s?)?(` + nameEN + `)$`)
	signOffEN    = regexp.MustCompile(`^(?:(?i:sincerely|kind regards|best regards|regards|yours sincerely),?\s)?(?:[A-Z][A-Za-z. ]{2,40},\s)?(?i:the\s)?(` + nameEN + `)\s(?i:team|staff)$`)
	datelineWho  = regexp.MustCompile(`^(?:[A-Z][A-Za-z.,\s]{2,40}[–—-]\s?)?.{0,40}[–—-]\s(` + nameEN + `)\s(?:said|today|announced|has|is)\b`)
	domainEN     = regexp.MustCompile(`(?:^|[\s(])([a-z0-9-]{2,30}\.(?:net|org|com|io|dev))(?:['’]s)?(?:[\s,.;)]|$)`)
	legalTail    = regexp.MustCompile(`(?:\b(?:Inc|LLC|Ltd|Limited|Corporation|Corp|Company|PLC|plc|LLP|PLLC|GmbH|P\.C|P\.A|Co|Foundation|University|College|Hospital|Council|Trust|Bank|Association|Society|Credit Union|School District|Schools?|Clinic|Group|Health|Healthcare|Medical Center|Department of [A-Z][A-Za-z ]+|Institute|Holdings|Club|Games|Services|Church|Partners|Systems|Stores?|Hotels?|Airlines|Union|Authority|Board|County|City of [A-Z][a-z]+|Library|Museum|Center|Centre|Dental|Associates)\.?)$`)
	legalAny     = regexp.MustCompile(`\b(?:Inc|LLC|Ltd|Limited|Corporation|Company|University|College|Hospital|Council|Trust|Bank|Association|Credit Union|Schools?|Clinic|Group|Foundation|Academy|Museum|Library|Church|Authority|County)\b`)
	legalForm    = regexp.MustCompile(`\b(?:Inc|LLC|L\.L\.C|Ltd|Limited|Corporation|Corp|PLC|plc|LLP|PLLC|GmbH|P\.C|P\.A|Pty Ltd)\.?$`)
)

// noNameEN are words that look like names where they begin a sentence or a title, and names that never are the author of
// a notice: authorities, bureaus, forensic firms, people with a title.
var noNameEN = regexp.MustCompile(`^(?i:(?:we|on|in|the|this|that|these|those|our|what|your|dear|notice|item|it|its|they|you|upon|for|if|please|as|at|by|re|subject|to|from|with|while|when|where|who|how|why|and|but|or|all|some|no|not|any|there|here|he|she|his|her|after|before|during|since|until|because|although|however|i|my|an?|law|access|information|investigation|company|foundation|organization|hospital|district|council|city|school|university|bank|clinic|team|board|group|data|security|incident|breach|update|attention|important|statement|message|personal|customer|customers|patient|patients|member|members|employee|employees|student|students|individual|individuals|user|users|public|press|media|hi|hello|faq|questions?|contact|summary|overview|background|timeline|bulletin|date|product|posted|published|u\.?s\.?|uk|us|usa|eu|ceo|cto|ciso|cfo|it|id|pc|www|apology|forensics?|having|being|given|late|early|beginning|between|based|following|unfortunately|additionally|recently|once|now|today|yesterday|yes|thank|thanks|sincerely|regards|security incident|privacy|internet|privacy act|social security|google|microsoft|amazon|gmail|aws|office 365|dropbox|github|slack|facebook|twitter|wordpress|magento|citrix|vpn|ftp|pdf|sql|api|hr|crm|java|javascript|linux|apple|ios|android|excel|outlook|yahoo|server|web|cloud|state|federal|county|new york city|california|texas|\d+(?:st|nd|rd|th) (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec).*|.*\b(?:notice|incident|breach|numbers?|forms?|information systems?|advisory|statement|policy act|agency|street|bureau of investigation)\b.*)|.*(?:equifax|experian|transunion|federal bureau|federal trade|\bFBI\b|\bFTC\b|\bHHS\b|\bICO\b|kroll|mandiant|crowdstrike|attorneys? general|information commissioner|law enforcement|police|department of health and human|department of justice|department of education|safari|windows|microsoft office|social security|\bGDPR\b|\bHIPAA\b|\bSSN\b|privacy act|data protection act|secret service|internal revenue|data protection commission|national cyber).*)$`)

var (
	titleWordEN = regexp.MustCompile(`(?i:\b(?:notice|notification|incident|breach|security|privacy|update|statement|bug|advisory|tooling|important|information|data|disclosure|alert|letter|report|faq|questions|apology|overshare|request|item|form|current|commission|street|road|avenue|suite|box|floor|chief|officer|president|director|manager|vice|customer|member|office|dr|mr|mrs|ms|dear|team|resident|parent|guardian|confidential|first.class|presort)\b)`)
	leadNameEN  = regexp.MustCompile(`^(?:(?:On|In|At|By|Since|Upon|From|The|Around|As|When|While|Although|But|And|That|Our|Dear|With|To|For|Re|I|We|Update|Notice|After|Subject|Once|If|Although|Because|Through|Following)\s)+`)
	endNameEN   = regexp.MustCompile(`(?:[,\s]+(?:and|of|the|for|IT|I|We|The|On|In|As|To|At|A|On-?line [a-z]+|d/b/a.*|dba .*|DBA .*))+$`)
)

// whoEN proposes the organisation, the title and the sources.
func (r *reader) whoEN() {
	r.titleOf()
	r.sources()
	if m := investigatingEN.FindStringIndex(r.s); m != nil {
		r.propose(incident.Fact{Key: "scope.state", Value: incident.Value{Word: incident.StateInvestigating}}, m[0], m[1], "")
	}
	names := &namesEN{r: r, byKey: map[string]*nameSeen{}}
	names.collect()
	if best := names.best(); best != nil {
		name := tidyName(r.s[best.from:best.to])
		r.propose(incident.Fact{Key: "organisation", Value: incident.Value{Text: plain(name)}}, best.from, best.to, "")
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
}

// maxNames bounds how many different names are weighed.
const maxNames = 60

// add counts a name at from. The short form of a name counts for the long one that was seen before.
func (n *namesEN) add(from, to, score, vendor int) {
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
	name := s[from:to]
	if len(name) < 3 || len(name) > 90 || noNameEN.MatchString(name) || monthStart.MatchString(name) || onlyDigits.MatchString(name) {
		return
	}
	key := strings.ToLower(strings.Trim(name, ".,"))
	seen := n.byKey[key]
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
		}
	}
	if seen != nil && s[seen.from:seen.to] == strings.ToUpper(s[seen.from:seen.to]) && strings.EqualFold(s[seen.from:seen.to], name) {
		seen.from, seen.to = from, to
	}
	if seen == nil {
		if len(n.order) >= maxNames {
			return
		}
		seen = &nameSeen{from: from, to: to}
		n.order = append(n.order, seen)
		n.byKey[key] = seen
	}
	seen.score += score
	seen.vendor += vendor
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
	onlyDigits = regexp.MustCompile(`^[0-9A-Z]?[0-9.]*$`)
	monthLead  = regexp.MustCompile(`^(?:(?:On|In|By)\s)?` + monthEN + `(?:\s\d{1,2})?,?\s(?:(?:19|20)\d{2},?\s)?`)
	monthStart = regexp.MustCompile(`^` + monthEN + `\b`)
	weekdayAny = regexp.MustCompile(`^(?:Sun|Mon|Tues|Wednes|Thurs|Fri|Satur)day\b`)
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
	for _, m := range defineEN.FindAllStringSubmatchIndex(part, 4) {
		from, to := at(m, 1)
		if vendorHead.MatchString(lastBytes(part[:m[2]], 30)) || vendorTail.MatchString(afterBracket(part[m[1]:])) {
			n.add(from, to, 0, 1)
		} else if i < 25 {
			n.add(from, to, 5, 0)
		}
	}
	for _, m := range ownSubjectEN.FindAllStringSubmatchIndex(part, 6) {
		from, to := at(m, 1)
		if byBefore.MatchString(lastBytes(part[:m[2]], 24)) || toldUsEN.MatchString(part[m[2]:m[1]]) && usAfter.MatchString(part[m[1]:]) {
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
	for _, re := range []*regexp.Regexp{attributive, possessiveEN, providedToEN, officerEN, toldThemEN} {
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
	officerEN  = regexp.MustCompile(`(?:^|[.,“"]\s?|\b(?:said|of|by)\s)(` + nameEN + `)(?:['’]s)?\s(?:CEO|CISO|CTO|[Pp]resident|[Cc]hief [A-Z][a-z]+ Officer|spokes(?:man|woman|person))\b`)
	toldThemEN = regexp.MustCompile(`(?i:\b(?:contacted|notified|informed|alerted|advised|told))\s(` + nameEN + `)\s(?:that|of|and|about|on)\b`)
	weakEN     = regexp.MustCompile(`\b(` + nameEN + `)['’]s?\s[a-z]`)
	ofNameEN   = regexp.MustCompile(`\b(?:of|at)\s(?:the\s)?(` + nameWordEN + `\s` + nameEN + `)`)
	tickerEN   = regexp.MustCompile(`(` + nameEN + `)\s\((?:NYSE|NASDAQ|Nasdaq|NasdaqGS|ASX|LSE|AIM|TSX|OTC)\b`)
	hiredEN    = regexp.MustCompile(`\b(?:retained|hired|engaged|contracted|working with|worked with|partnered with|reported to|called)(?:\s[a-z,-]+){0,6}\s(` + nameEN + `)`)
	headNameEN = regexp.MustCompile(`^(` + nameEN + `?)[:–-]?\s(?i:(?:data|security|privacy|website|account|password|customer|cyber)\s)?(?i:security incident|incident|breach|data breach|security notice|security update|compromise|hacked|notice of|statement on)\b`)
	usAfter    = regexp.MustCompile(`^\s(?:us|our|me|(?:the\s)?(` + nameEN + `))\b`)
	byBefore   = regexp.MustCompile(`(?i:\b(?:by|from|vendor|provider|processor|contractor)(?:,)?\s(?:its|our)?\s?$)`)
	usedByEN   = regexp.MustCompile(`(?i:\b(?:used|held|maintained|owned|operated|provided|run|kept|published|posted|signed|employed|was)\s$|\b(?:purchased|bought|ordered)\b[^.]{0,30}$)`)
)

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
