package extract

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"shirase/internal/incident"
)

// nameJA is what a name may be made of.
const nameJA = `[一-龠々〆ヵヶぁ-んァ-ヴーA-Za-z0-9&.'’・＆-]`

const (
	// deptJA is a part of an office, staffJA who works there.
	deptJA  = `(?:[一-龠ァ-ヴーぁ-ん々ヶ]{1,16}?(?:課|係|室|局|部|署|支所|事務所|センター|科|委員会|病棟|協議会|公社|病院|校)){1,3}`
	staffJA = `(?:職員|係員|教員|教諭|教職員|看護師|医師|講師|非常勤講師|教授|特任教授|准教授|引率教諭|事務局|職員ら)`
)

var (
	corporateJA = `(?:株式会社|有限会社|合同会社|合資会社|一般社団法人|公益社団法人|一般財団法人|公益財団法人|社会福祉法人|社会医療法人|税理士法人|弁護士法人|監査法人|宗教法人|医療法人(?:社団|財団)?|学校法人|国立大学法人|公立大学法人|独立行政法人|国立研究開発法人|地方独立行政法人|特定非営利活動法人|NPO法人|生活協同組合|\(株\)|\(有\)|\(一社\)|\(公財\))`
	publicJA    = `(?:大学(?:附属|医学部附属)?病院|病院|医療センター|クリニック|大学|短期大学|高等専門学校|専門学校|高等学校|高校|中学校|小学校|学園|教育委員会|銀行|信用金庫|信用組合|農業協同組合|労働金庫|協会|連合会|協同組合|協議会|組合|事業団|支援学校|大病院|消防本部|保健所|図書館|商工会議所|公社|機構|財団|振興会|研究所|研究センター|県警察|市役所|町役場|都|道|府|県|市|区|町|村)`
	subjectJA   = regexp.MustCompile(`(` + corporateJA + nameJA + `{1,30}?|` + nameJA + `{1,30}?` + corporateJA + `|` + nameJA + `{1,24}?` + publicJA + `)\s?(?:\((?:本社|所在地|本店|東京都|大阪|以下)[^()]{0,80}\)\s?){0,2}(?:が運営|が提供|が管理|\(以下|(?:及び|および|と)[^。]{0,30}\(以下|では[、,]|は[、,]|において|におきまして|から[^。]{0,80}お知らせ(?:し|いた)|の(?:サーバー|システム|ホームページ|公式|職員|従業員|社員|ネットワーク|Webサイト|ウェブサイト))`)
	shortFor    = regexp.MustCompile(`\(以下[、,]?\s?[「『]?(?:当社|弊社|当行|当院|本学|当法人|当協会|本会|当会|当機構|当財団|当組合|当グループ|本市|当市|当金庫|本法人|当研究所|当センター|当校|本校|同社)(?:[」』と,、といい。)]|及び|および)`)
	selfJA      = regexp.MustCompile(`(?:^|[、。\s])(` + nameJA + `{2,30})\(以下[、,]?\s?[「『]?(?:当社|弊社|当行|当院|本学|当法人|当協会|本会|当会|当機構|当財団|当組合)`)
	nameLine    = regexp.MustCompile(`^(?:報道関係者各位\s?|関係者各位\s?|会\s?社\s?名\s?[::]?\s?|法人名\s?:\s?|事業者名?\s?:\s?|発表者\s?:\s?|\d{4}年\d{1,2}月\d{1,2}日\s?)?(` + corporateJA + `\s?` + nameJA + `{1,36}(?:\s[A-Za-z]+)?|` + nameJA + `{1,30}?(?:\s[A-Za-z]+){0,2}\s?` + corporateJA + `|` + nameJA + `{1,30}` + publicJA + `)(?:\s?\((?:コード|東証|証券)[^)]*\)|\s+\d{4}年\d{1,2}月\d{1,2}日)?$`)
	titleOwner  = regexp.MustCompile(`^(` + corporateJA + nameJA + `{1,30}|` + nameJA + `{1,30}?` + corporateJA + `|` + nameJA + `{1,30}?` + publicJA + `)\s`)
	ofTitle     = regexp.MustCompile(`(?:^|[】」>\s])(` + nameJA + `{1,20}` + publicJA + `)(?:における|が運営|の個人|で発生|職員)`)
	officeJA    = regexp.MustCompile(`(` + nameJA + `{1,24}?` + publicJA + `)(` + deptJA + `)?(の)?(?:` + staffJA + `(?:\s?\d{1,2}名)?)?(?:が|は|では|で|において|におきまして|における|から|の|、)`)
	officeTitle = regexp.MustCompile(`^(?:【[^】]{0,30}】)?(` + corporateJA + nameJA + `{1,30}?|` + nameJA + `{1,24}?` + publicJA + `)(` + deptJA + `)?(?:における|におきまして|において|の|で|\s|「|、)`)
	officeTail  = regexp.MustCompile(`\((` + nameJA + `{1,20}` + publicJA + `)(?:` + deptJA + `)?\)(?:\s?\([^()]{0,24}\))?$`)
	department  = regexp.MustCompile(`(?:病院|医療センター|大学|学校|高校|協議会|公社|機構|教育委員会|協会)$`)
	notOwner    = regexp.MustCompile(`委託(?:先|業者|会社|し)|再委託|取引先|調査(?:会社|機関)|警察|個人情報保護委員会|システム(?:会社|業者)|カード会社|提供元|製造元|開発元|他社|販売元|クラウド`)
	badName     = regexp.MustCompile(`弊社|当社|^(?:当|弊|本|同|各|貴|御|関係|対象|全|他|近隣|都道府|各市|該当|今|第|この|その|また|なお|および|及び)|^(?:市|県|都|府|町|村|区|道|大学|病院|協会|機構|銀行|学校|教育委員会)$|委員会事務局$|について|警察|個人情報保護|都道府県$|市区町村$|小中学校$|への?|から`)
	corporate   = regexp.MustCompile(corporateJA)
	mayorLine   = regexp.MustCompile(`^(` + nameJA + `{1,10}(?:市|町|村|区|県))長\s`)
	officeLine  = regexp.MustCompile(`^(` + nameJA + `{1,12}?(?:市|町|村|区|県|都|府|道)|` + nameJA + `{1,24}?(?:大学|病院|教育委員会|農業協同組合))(?:\s*[一-龠ァ-ヴーぁ-ん]{2,16}?(?:課|係|室|局|部|署|科|センター|所)){0,3}(?:\s+(?:記者発表|報道発表|報道|広報)資料|からのお知らせ)?$`)
	teamLine    = regexp.MustCompile(`^(` + corporateJA + `\s?` + nameJA + `{1,30}?|` + nameJA + `{1,30}?` + corporateJA + `)\s+[一-龠ァ-ヴーぁ-ん]{2,14}(?:課|係|室|局|部|支社|支店|営業所|チーム|グループ|事務局|窓口|センター)$`)
	schoolLine  = regexp.MustCompile(`^(` + corporateJA + nameJA + `{1,24})\s` + nameJA + `{2,30}` + publicJA + `$`)
	verbPlace   = regexp.MustCompile(`^(?:市|県|府|都|町|村|区|国)立(?:図書館|病院|高校|学校|小学校|中学校|高等学校|大学)$|[てたしりれにをがはで](?:市|町|村|県|区)$`)
	particle    = regexp.MustCompile(`[一-龠ァ-ヴー][をがはに]`)
)

// ownedBy is a thing of a company, not the company.
var ownedBy = regexp.MustCompile(corporateJA + `の|.` + corporateJA + `.{0,3}(?:の|サイト)`)

var staffed = regexp.MustCompile(staffJA)

// officeEnd is where the name of an office ends that m found in the text from at on. A part of it that is an office itself is
// its name: 東久留米市社会福祉協議会, but 鹿嶋市 of 鹿嶋市こども相談課.
func (r *reader) officeEnd(at int, m []int) int {
	if m[4] >= 0 && department.MatchString(r.s[at+m[4]:at+m[5]]) {
		return at + m[5]
	}
	return at + m[3]
}

// names collects what may be the name of who publishes, with how much speaks for it.
type names struct {
	s   string
	all []scoredName
}

type scoredName struct{ from, to, score int }

// sure is the score of a name that stands alone: what follows it need not be looked at.
const sure = 6

func (n *names) add(from, to, score int) {
	name := strings.TrimSpace(n.s[from:to])
	own := corporate.ReplaceAllString(name, "")
	next, _ := utf8.DecodeRuneInString(n.s[to:])
	goesOn := strings.ContainsRune("民内外政長立営税販場史", next) && !strings.HasPrefix(n.s[to:], "内部") // 市民, 市内
	if score < sure && goesOn || own == "" || utf8.RuneCountInString(name) < 2 ||
		badName.MatchString(name) || verbPlace.MatchString(name) || ownedBy.MatchString(name) || particle.MatchString(own) {
		return
	}
	for i := range n.all {
		if n.s[n.all[i].from:n.all[i].to] == n.s[from:to] {
			n.all[i].score += score
			return
		}
	}
	n.all = append(n.all, scoredName{from, to, score})
}

// organisationJA proposes who publishes: who calls itself 当社, the name on a line of its own near the date, or whose
// service it is. A contractor, the police or a regulator is named in the same ways and is told apart by what stands
// around it.
func (r *reader) organisationJA() {
	n := &names{s: r.s}
	r.namesOnLines(n)
	r.namesOfOffices(n)
	r.namesInSentences(n)
	best := scoredName{}
	for _, c := range n.all {
		if c.score > best.score {
			best = c
		}
	}
	if best.score < 3 {
		return
	}
	name := tidyName(r.s[best.from:best.to])
	r.propose(incident.Fact{Key: "organisation", Value: incident.Value{Text: plain(name)}}, best.from, best.to, "")
	r.sector(name, best.from, best.to)
}

// namesOnLines takes the names that have a line to themselves, and those that a title begins with.
func (r *reader) namesOnLines(n *names) {
	for i, l := range r.lines {
		if l.section == secPast || len(n.all) > 40 {
			continue
		}
		s := r.s[l.from:l.to]
		if m := nameLine.FindStringSubmatchIndex(s); m != nil && len(s) < 150 {
			score := 5
			if i > maxHead && i < len(r.lines)-15 {
				score = 1
			}
			n.add(l.from+m[2], l.from+m[3], score)
		}
		for _, re := range []*regexp.Regexp{mayorLine, officeLine, schoolLine, teamLine} {
			if m := re.FindStringSubmatchIndex(s); m != nil && len(s) < 150 && (i < maxHead || i >= len(r.lines)-6) {
				n.add(l.from+m[2], l.from+m[3], sure)
			}
		}
		if i >= maxHead {
			continue
		}
		cut := len(serial.FindString(s))
		if m := titleOwner.FindStringSubmatchIndex(s[cut:]); m != nil && titled(trailingDate.ReplaceAllString(s, "")) {
			n.add(l.from+cut+m[2], l.from+cut+m[3], 5)
		}
		if m := ofTitle.FindStringSubmatchIndex(s); m != nil && (titled(s) || i < 12) {
			n.add(l.from+m[2], l.from+m[3], 4)
		}
	}
}

// namesOfOffices takes the offices that a title or one of the first sentences is about.
func (r *reader) namesOfOffices(n *names) {
	for i, l := range r.lines[:min(len(r.lines), 4)] {
		s := r.s[l.from:l.to]
		if !titleNoun.MatchString(s) {
			continue
		}
		if m := officeTitle.FindStringSubmatchIndex(s); m != nil && !strings.Contains(s, "。") && (i == 0 || l.heading || titled(s)) {
			n.add(l.from+m[2], r.officeEnd(l.from, m), 5)
		}
		if m := officeTail.FindStringSubmatchIndex(s); m != nil {
			n.add(l.from+m[2], l.from+m[3], 5)
		}
	}
	for i, s := range r.sentences[:min(len(r.sentences), 8)] {
		part := r.s[s.from:s.to]
		for _, m := range officeJA.FindAllStringSubmatchIndex(part, 4) {
			from, to, all := s.from+m[2], r.officeEnd(s.from, m), part[m[0]:m[1]]
			if notOwner.MatchString(lastBytes(part[:m[2]], 60)) || notOwner.MatchString(r.s[from:to]) || strings.HasSuffix(all, "から") {
				continue
			}
			switch {
			case staffed.MatchString(part[m[3]:m[1]]):
				n.add(from, to, 5)
			case i <= 4 && (m[4] >= 0 || strings.HasSuffix(all, "で") || strings.HasSuffix(all, "は")): // else somebody named: 市の, 病院が
				n.add(from, to, 3)
			}
		}
	}
}

// namesInSentences takes who is the subject of what happened, or calls itself 当社.
func (r *reader) namesInSentences(n *names) {
	for i, s := range r.sentences[:min(len(r.sentences), 61)] {
		part := r.s[s.from:s.to]
		if m := selfJA.FindStringSubmatchIndex(part); m != nil {
			n.add(s.from+m[2], s.from+m[3], 8)
		}
		for _, m := range subjectJA.FindAllStringSubmatchIndex(part, 6) {
			rest := part[m[3]:]
			if strings.HasPrefix(strings.TrimLeft(rest, " "), "(以下") && !shortFor.MatchString(firstBytes(rest, 60)) {
				continue // a name for somebody else
			}
			if notOwner.MatchString(lastBytes(part[:m[2]], 60)) || notOwner.MatchString(part[m[2]:m[3]]) {
				continue
			}
			score := 3
			switch {
			case shortFor.MatchString(rest) && strings.Index(rest, "(以下") < 120:
				score = 8
			case strings.HasPrefix(rest, "が運営") && i < 12:
				score = 4
			case i > 12:
				score = 1
			}
			n.add(s.from+m[2], s.from+m[3], score)
		}
	}
}
