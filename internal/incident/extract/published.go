package extract

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"shirase/internal/incident"
)

// maxHead is how many lines of a text may stand before its date and title: republished notices have the site's name and
// menus there.
const maxHead = 25

var (
	published   = regexp.MustCompile(`(?:公表日|公開日|掲載日|発表日|発表日時|公表日時|登録日|投稿日|発行日|掲載日時|公開日時|配信日|記者発表|報道発表(?:資料)?|プレスリリース|ニュースリリース|お知らせ|提供日|提供日時|資料提供|報道提供|(?i:published|date|released?|posted|dated|for immediate release))[^。]{0,12}$`)
	updated     = regexp.MustCompile(`(?:更新日?時?|最終更新|追記|改訂|(?i:updated|last modified))\s?[:：]?\s?$`)
	updatedTail = regexp.MustCompile(`^\s?[\])】]?\s?(?:更新|追記|改訂|最終)`)
	followRE    = regexp.MustCompile(`第\s?[2-9二三四五六七八九]\s?(?:報|回)|続報|最終報|(?:追加|続)の?(?:お知らせ|ご?報告)|復旧報|開示事項の経過|(?i:\bupdate\b|follow-up)`)
	postscript  = regexp.MustCompile(`^(?:\s?付け?)?(?:で|に|の|、)?(?:[^。、]{0,40}?|[^。]{0,10}「[^」]{1,90}」[^。、]{0,30}?)(?:お知らせ|公表|発表|ご報告|開示)(?:を)?(?:いた|し|させて|済|のとおり|の通り|$|。)|^(?:\s?付け?)?(?:で|に|の|、)?[^。、]{0,30}(?:お知らせ|お詫び|リリース|第.報)[^。、]{0,20}(?:公開|掲載)(?:いた|し|させて)`)
	privately   = regexp.MustCompile(`メール|封書|書面|文書|書状|手紙|郵送|電話|個別|訪問|皆様へ|ご本人|本人に|保護者`)
	firstReport = regexp.MustCompile(`^(?:\s?付け?)?(?:の|に|で)?(?:公表した|お知らせした)?[「『(]?第\s?[1一]\s?報`)
	laterReport = regexp.MustCompile(`^(?:\s?付け?)?「[^」]{0,60}(?:第\s?[2-9二三四五六七八九]\s?報|続報)[^」]{0,6}」|^(?:\s?付け?)?(?:の|に|で)?(?:公表した|お知らせした)?[「『(]?(?:第\s?[2-9二三四五六七八九]\s?報|続報)`)
	laterBefore = regexp.MustCompile(`第\s?[2-9二三四五六七八九]\s?報は、?$`)
	toldHere    = regexp.MustCompile(`^\s?(?:に)?(?:報道|記者)?(?:発表|公表|公開|提供|掲載)\s?[)】\]]?\s*(?:資料提供)?$`)
)

// titleDate is a title with its day in brackets behind it.
var titleDate = regexp.MustCompile(`^[^。、:]{8,200}\([^()]{6,30}\)$`)

var labelAbove = regexp.MustCompile(`(?:日時|日|期間|時刻|年月日|経過|経緯)\s?[)>】:]?$`)

var storyWord = regexp.MustCompile(`発生|発覚|判明|発見|検知|確認|受付|時点|現在|から|まで|誤|紛失|対応|連絡|(?i:discover|occur|between|on or about|deadline|until|through)`)

// publication finds when the text was published: the date on a line of its own near the beginning or at the end, or one
// with a label. What was updated says only as of when it speaks.
func (r *reader) publication() {
	for i, l := range r.lines {
		if i < maxHead && titleEnds(r.s[l.from:l.to]) && followRE.MatchString(r.s[l.from:l.to]) && !strings.Contains(r.s[l.from:l.to], "第1報") {
			r.update = true
		}
	}
	var labelled, alone, head, tail, updates *when
	for _, w := range r.times {
		if w.rel != absolute || w.d == 0 {
			continue
		}
		l := r.lines[w.line]
		before, after := strings.TrimSpace(r.s[l.from:w.from]), strings.TrimSpace(r.s[w.to:l.to])
		before, after = strings.Trim(before, "()[]【】<>・:"), strings.Trim(after, "()[]【】<>")
		first := w.line < maxHead
		if l.section != secNone || w.hh >= 0 || w.line > 0 && labelAbove.MatchString(r.s[r.lines[w.line-1].from:r.lines[w.line-1].to]) {
			if updated.MatchString(before+":") && updates == nil {
				updates = w
			}
			first = false
		}
		switch {
		case w.line < maxHead && toldHere.MatchString(after) && l.section == secNone:
			if labelled == nil {
				labelled = w
			}
		case updated.MatchString(before+":") || updatedTail.MatchString(after):
			if updates == nil {
				updates = w
			}
		case first && before != "" && published.MatchString(lastBytes(before, 60)) && len(before) < 60 && len(after) < 60:
			if labelled == nil {
				labelled = w
			}
		case before == "" && after == "" && first:
			if alone == nil {
				alone = w
			}
		case before == "" && after == "" && w.line >= len(r.lines)-4 && w.hh < 0 && l.section != secStory && l.section != secScope && w.line > 3:
			tail = w
		case w.line < 6 && after == "" && head == nil && w.hh < 0 && titleDate.MatchString(r.s[l.from:l.to]) && titleNoun.MatchString(before):
			head = w
		case w.line == 0 && after == "" && w.hh < 0 && titleNoun.MatchString(before) && !strings.ContainsAny(before, "。、") && len(before) < 200:
			if head == nil {
				head = w
			}
		case w.line < 8 && after == "" && titled(before) && titleNoun.MatchString(before) && len(before) < 300:
			if head == nil {
				head = w
			}
		case first && w.line < 12 && !strings.ContainsAny(before+after, "、。,") && len(before)+len(after) < 90 && !storyWord.MatchString(before+after) && (before == "" || after == "" || titleEnds(after)):
			if head == nil {
				head = w
			}
		}
	}
	for _, w := range []*when{labelled, alone, head, tail} {
		if w != nil && !w.start && !w.end {
			r.baseAt = w
			break
		}
	}
	at := r.baseAt
	if at == nil {
		at = updates
	}
	if at != nil {
		at.set(at.y, at.m, at.d, r.zone)
		r.base = at.moment
		r.asOf = at.moment
	}
}

// quotedFirst is the first of several announcements that a sentence names by their titles.
var quotedFirst = regexp.MustCompile(`^(?:付け?)?「[^」]{0,90}」(?:\([^()]{0,12}\))?(?:および|及び|並びに|ならびに|、|と)`)

// lastClause is what follows the last title in quotes.
func lastClause(s string) string {
	if i := strings.LastIndex(s, "」"); i >= 0 {
		return s[i+len("」"):]
	}
	return s
}

// willTell ends a verb as a promise, behind いた or し.
var willTell = regexp.MustCompile(`^(?:し)?ます|^(?:し)?(?:いただき|いたし)ます|^する予定|^予定`)

// otherPosted is what was put up without being an announcement: a list of names, a file.
var otherPosted = regexp.MustCompile(`(?:名簿|誤|気[づ付]|ファイル|データ|資料|個人情報を|情報を|一覧|写真|折|際)[^。]*(?:掲載|公開)|(?:掲載|公開)したこと`)

// otherTold is somebody else's publication.
var otherTold = regexp.MustCompile(`(?:(?:^|[^弊当本自])社|者|先|会社|株式会社\S*|委員会|警察)(?:より|から|が|は|において)[^。]*$`)

// disclosedJA proposes when the incident was made public: the day of the notice, but of a later report the day that it
// names for the first.
func (r *reader) disclosedJA() {
	for i, w := range r.times {
		if w == r.baseAt || w.moment.IsZero() {
			continue
		}
		c := r.around(w, w, i)
		told := ""
		if quotedFirst.MatchString(c.rest) && postscript.MatchString(lastClause(c.rest)) {
			told = "公表"
		} else if loc := postscript.FindStringIndex(c.after); loc != nil && !willTell.MatchString(c.after[loc[1]:]) {
			told = c.after[:loc[1]]
		}
		if (firstReport.MatchString(c.after) || told != "" && !privately.MatchString(told) && !otherPosted.MatchString(told) && !personRE.MatchString(c.sentence[:min(len(c.sentence), max(0, w.from-c.at))])) && !laterReport.MatchString(c.after) && !strings.Contains(c.after, "予定") && (r.update || r.base.IsZero() || w.moment.Time.Before(r.base.Time)) && !otherTold.MatchString(c.before) {
			r.update = true
			r.moment("disclosed", w, "")
			break
		}
	}
	if r.baseAt == nil || r.base.IsZero() {
		return
	}
	if !r.update {
		r.moment("disclosed", r.baseAt, "")
		return
	}
	text := "続報"
	if !r.japanese() {
		text = "Update"
	}
	for i, t := range r.lines {
		if s := r.s[t.from:t.to]; i < maxHead && titleEnds(s) && utf8.RuneCountInString(s) < 120 {
			text = tidy(s)
			break
		}
	}
	r.propose(incident.Fact{Key: "addendum", Item: "report", Value: incident.Value{Text: plain(text), Time: r.base}}, r.baseAt.from, r.baseAt.to, r.baseAt.doubt)
}
