package extract

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"shirase/internal/incident"
)

var (
	titleNoun  = regexp.MustCompile(`流出|漏えい|漏洩|漏れ|不正アクセス|不正ログイン|紛失|盗難|誤送信|誤送付|誤交付|誤配布|誤掲載|誤廃棄|個人情報|サイバー攻撃|ランサム|改ざん|障害|不正|ウイルス|マルウェア|情報セキュリティ|持ち出|誤り|メールアドレス|パスワード`)
	serviceRE  = regexp.MustCompile(`(?:が|の|で)?(?:運営|提供|展開)(?:する|している|しております|しています|しておりました|していた)(?:[^「」『』。、()]{0,24})[「『]([^「」『』]{1,50})[」』]`)
	bareRE     = regexp.MustCompile(`が運営する(` + nameJA + `{1,20}?サービス)\(([^()]{2,120})\)`)
	unrelated  = regexp.MustCompile(`(?:本件|今回|本事案|当該)[^。]{0,30}?(?:運営する|提供する|の)?(` + nameJA + `{1,40}?)(?:サービス)?(?:とは|とは一切|には)(?:全く)?(?:無関係|関係(?:は)?(?:ございません|ありません))`)
	excludedRE = regexp.MustCompile(`(?:は|につきましては|については)(?:、)?(?:本件の|今回の|本事案の|調査の)?(?:影響)?対象(?:外|では(?:ございません|ありません)|に(?:は)?含まれ(?:て)?(?:おりません|いません|ません))|(?:には|への)(?:一切)?影響(?:は|が)?(?:一切)?(?:ございません|ありません|ない)|は(?:一切)?含まれて(?:おりません|いません)`)
	whoWord    = regexp.MustCompile(`(?:アカウント|会員|お客様|お客さま|方|利用者|サービス|サイト|店舗|ユーザー|システム|顧客|情報|商品|アプリ|ストア|ショップ|患者|職員|従業員)(?:様|等|など|の皆様|の情報など)?$`)
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

var investigating = regexp.MustCompile(`(?:漏えい|漏洩|流出|影響範囲|被害(?:の)?(?:範囲|状況|規模)|対象(?:者|範囲|となる)|影響(?:の)?範囲|情報漏えいの有無)[^。\n、]{0,30}(?:調査中|確認中|調査を(?:進めて|続けて|継続)|精査中|特定を進めて)`)

var (
	serial       = regexp.MustCompile(`^【[^】]{0,30}#[\d-]+】\s?`) // the number that an archive gave a notice
	trailingDate = regexp.MustCompile(`\s?\(?(?:(?:19|20)\d{2}[年/.-]\d{1,2}[月/.-]\d{1,2}日?|令和\s?\d+年\d{1,2}月\d{1,2}日)\)?$`)
)

// titleOf proposes the title: the first line near the beginning that ends as titles do and names what happened.
func (r *reader) titleOf() {
	for i, l := range r.lines {
		if i >= maxHead {
			return
		}
		s := serial.ReplaceAllString(r.s[l.from:l.to], "")
		s = strings.TrimSpace(trailingDate.ReplaceAllString(s, ""))
		n := utf8.RuneCountInString(s)
		if r.japanese() && titled(s) && titleNoun.MatchString(s) && n >= 8 && n <= 110 && !strings.Contains(s, "。") ||
			!r.japanese() && englishTitle.MatchString(s) && n <= 140 {
			s = strings.TrimSpace(strings.TrimLeft(s, "■◆●:"))
			at := l.from + max(0, strings.Index(r.s[l.from:l.to], s))
			r.propose(incident.Fact{Key: "title", Value: incident.Value{Text: plain(tidyName(s))}}, at, min(l.to, at+len(s)), "")
			return
		}
	}
}

func tidyName(s string) string { return strings.Join(strings.Fields(s), " ") }

// sectorEnds tells a sector from the name alone, where the name says it.
var sectorEnds = []struct {
	sector string
	re     *regexp.Regexp
}{
	{"health", regexp.MustCompile(`(?:病院|医療センター|クリニック|診療所)$|^医療法人`)},
	{"education", regexp.MustCompile(`(?:大学|短期大学|学校|高校|学園|教育委員会)$|^(?:国立大学法人|公立大学法人|学校法人)|(?i:\buniversity\b|\bcollege\b|\bschool)`)},
	{"finance", regexp.MustCompile(`(?:銀行|信用金庫|信用組合|労働金庫|証券|生命保険|損害保険)(?:株式会社)?$|(?i:\bbank\b|\bcredit union\b|\binsurance\b)`)},
	{"government", regexp.MustCompile(`(?:[都道府県市区町村]|市役所|町役場)$|(?i:\bcity of\b|\bcounty (?:of|council)\b|\bcouncil$|\bdepartment of\b)`)},
	{"health", regexp.MustCompile(`(?i:\bhospital\b|\bmedical (?:center|centre|group)\b|\bhealth(?:care)?\b|\bclinic\b|\bNHS\b)`)},
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
	r.propose(incident.Fact{Key: "service", Item: itemName("service", name, n), Value: incident.Value{Text: plain(name), Status: status}}, from, to, "")
}

var notItem = regexp.MustCompile(`[^a-z0-9]+`)

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
	if strings.Contains(sentence, "含まれて") && !regexp.MustCompile(`(?:会員|お客様|お客さま|方|利用者|アカウント|患者|職員|店舗)$`).MatchString(what) {
		return true
	}
	if ownerRE.MatchString(what) {
		return false
	}
	ms := mentions(termsJA, what, 0, len(what))
	return strings.HasSuffix(what, "情報") && len(ms) > 0
}

// ownerRE is whose data they are: LINEの会員情報.
var ownerRE = regexp.MustCompile(`^.{1,30}の(?:会員|お客様|お客さま|顧客|利用者|アカウント|ユーザー|トーク)`)

var (
	urlRE    = regexp.MustCompile(`https?://[A-Za-z0-9.\-]+(?::\d+)?(?:/[A-Za-z0-9._~:/?#\[\]@!$&'*+,;=%-]*)?`)
	sourceRE = regexp.MustCompile(`^(?:情報ソース|ソース|出典|引用元|情報源|リリース(?:元)?|元記事|原文|(?i:source|original))`)
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
	phoneJA   = regexp.MustCompile(`0\d{1,4}\s?[-(‐–]\s?\d{1,4}\s?[-)‐–]\s?\d{3,4}`)
	faxRE     = regexp.MustCompile(`(?i:fax|ファックス|ファクス|ファクシミリ)[^0-9]{0,16}$`)
	hoursJA   = regexp.MustCompile(`(?:受付時間|受付|営業時間|対応時間|開設時間|時間)\s?[:()）]?\s?((?:平日|月曜|土日|毎日|午前|\d{1,2}[:時])[^\n。]{3,80})`)
	deskLabel = regexp.MustCompile(`(?:窓口|センター|ダイヤル|デスク|係|課|室|部|事務局|本部)$`)
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
