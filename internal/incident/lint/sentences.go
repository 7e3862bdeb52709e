package lint

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// Patterns of a sentence, in both languages.
var (
	sentenceEnd = regexp.MustCompile(`[。！？]|[.!?](?:\s|$)|\n`)
	onlyWords   = regexp.MustCompile(`のみ|だけ(?:です|が|で|に)|に限(?:られ|り|定)|限定的|一部のお客|ごく一部|(?i)\b(?:only|limited to|no other (?:customers|accounts|users|data)|a (?:small|limited) number of)\b`)
	ofScope     = regexp.MustCompile(`お客|会員|顧客|利用者|ユーザー|アカウント|情報|対象|影響|流出|漏え|漏洩|(?i)\b(?:customers?|users?|accounts?|persons?|people|members?|data|records?|affected|impacted|exposed)\b`)
	negatives   = regexp.MustCompile(`(?:確認(?:さ|で)れて(?:おりません|いません|いない)|確認(?:しておりません|していません)|確認されず|(?:被害|悪用|不正利用|不正ログイン|お問い合わせ|形跡|痕跡|影響).{0,20}(?:ありません|ございません|見つかって(?:おりません|いません)))` +
		`|(?i)\b(?:no|not any|without any) (?:evidence|indication|sign|signs|reports?|misuse|fraud|unauthorized (?:use|login)s?)\b` +
		`|(?i)\b(?:has|have|was|were) not (?:been )?(?:confirmed|misused|found|identified)\b`)
	asOfWords = regexp.MustCompile(`時点|現在|まで(?:に|の|のところ)|までのところ|[0-9０-９]+日` +
		`|(?i)\b(?:as of|to date|until|so far|at this time|at present|currently|by (?:\d|january|february|march|april|may|june|july|august|september|october|november|december))\b`)
	promises = regexp.MustCompile(`(?:再開|公開|提供|送付|連絡|お知らせ|通知|開始|実施|発表|報告|設置|終了|復旧)(?:する|を|いたします|します|の)?(?:予定|見込み)` +
		`|(?i)\bwe (?:will|plan to|expect to|intend to) (?:reopen|resume|restore|notify|contact|publish|send|open|offer|provide|update)\b`)
	someTime = regexp.MustCompile(`[0-9０-９]+\s*[時日月年:：]|[0-9０-９]{1,2}[:：][0-9０-９]{2}|本日|明日|今週|来週|今月|来月|中に|以内` +
		`|(?i)\b(?:\d{1,2}(?::\d{2})?\s*(?:am|pm|a\.m\.|p\.m\.)|\d{1,2}:\d{2}|today|tomorrow|within|by the end` +
		`|january|february|march|april|may|june|july|august|september|october|november|december|monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b`)
	clockTime  = regexp.MustCompile(`([0-9０-９]{1,2})時(?:([0-9０-９]{1,2})分)?|([0-9０-９]{1,2})[:：]([0-9０-９]{2})`)
	nextUpdate = regexp.MustCompile(`次回|次の(?:お知らせ|更新|報告|ご報告)|続報|第[0-9０-９一二三四五六七八九]+報(?:を|は).{0,30}(?:予定|お知らせ)|今後の(?:お知らせ|ご報告)は` +
		`|(?i)\b(?:next update|further update|update (?:this|you|again)|will be updated|next notice|no further updates?)\b`)
	laterWords = regexp.MustCompile(`追って|判明次第|分かり次第|わかり次第|決まり次第|準備が(?:でき|整い)次第|(?i)\b(?:in due course|as soon as (?:possible|we know|more)|when we know more|at a later date)\b`)
	noIndex    = regexp.MustCompile(`(?i)\bnoindex\b|X-Robots-Tag`)
)

// What is to be done about a sentence.
var (
	atLeast = both("いま分かっている数と、調査が続いていることを書いてください（「少なくとも」「現時点で」）。", "say how many are known so far, and that it is still being investigated: at least")
	sayWhen = both("いつの時点かを書いてください（例：7月19日16時時点）。", "say as of when: as of 16:00 on 19 July")
	until   = both("いつまでにするか、またはいつ知らせるかを書いてください。", "say until when, or when it will be said")
	nameIt  = both("新しいことがなくても知らせる、次の更新の日時を書いてください。", "name the time of the next update, also where there may be nothing new by then")
	nextOf  = both("次の更新の日時を書くか、予定がないことを書いてください（事実「次回のお知らせ」）。", "name the time of the next update, or say that there will be none (the fact next-update)")
)

// sentences looks at each sentence by itself.
func (l *linter) sentences() {
	open := l.Incident.State() == incident.StateInvestigating || l.Incident.State() == incident.StateReopened
	headed := asOfWords.Match(firstLines(l.text))
	at := 0
	for at < len(l.text) {
		end := len(l.text)
		if m := sentenceEnd.FindIndex(l.text[at:]); m != nil {
			end = at + m[1]
		}
		s := l.text[at:end]
		if m := onlyWords.FindIndex(s); m != nil && open && ofScope.Match(s) {
			l.add("only", at+m[0], at+m[1], atLeast, both(fmt.Sprintf("対象の範囲を調べている間に「%s」とあります。", s[m[0]:m[1]]), fmt.Sprintf("%q, while the scope is still being investigated", s[m[0]:m[1]])))
		}
		paragraph := at
		if p := bytes.LastIndex(l.text[:at], []byte("\n\n")); p >= 0 && len(bytes.TrimSpace(l.text[p:at])) > 0 {
			paragraph = p // a sentence before may have said as of when
		}
		if m := negatives.FindIndex(s); m != nil {
			if !asOfWords.Match(l.text[paragraph:end]) && !headed {
				l.add("as-of", at+m[0], at+m[1], sayWhen, both("「ない」という文に、いつの時点かがありません。", "a negative that does not say as of when"))
			}
			l.damage(at, s, m)
		}
		l.denied(at, s)
		if m := promises.FindIndex(s); m != nil {
			if !someTime.Match(s) {
				l.add("promise", at+m[0], at+m[1], until, both("約束に、いつまでという時がありません。", "a promise without a time"))
			}
			l.slipped(at, s)
		}
		if m := laterWords.FindIndex(s); m != nil && !someTime.Match(s) {
			l.add("later", at+m[0], at+m[1], nameIt, both(fmt.Sprintf("「%s」では、いつか分かりません。", s[m[0]:m[1]]), fmt.Sprintf("%q does not say when", s[m[0]:m[1]])))
		}
		l.called(at, s)
		at = end
	}
}

// asOfHead matches the line under a heading that says as of when a text speaks.
var asOfHead = regexp.MustCompile(`時点|現在|(?i)\bas of\b`)

// firstLines are where a text says as of when it speaks.
func firstLines(text []byte) []byte {
	head := text[:min(len(text), 400)]
	for !utf8.Valid(head) && len(head) > 0 {
		head = head[:len(head)-1]
	}
	lines := bytes.SplitN(head, []byte("\n"), 5)
	var out []byte
	for _, line := range lines[:min(len(lines), 4)] {
		if len(line) < 160 && asOfHead.Match(line) {
			out = append(out, line...)
		}
	}
	return out
}

// damages are the words by which a text names what may have followed.
var damages = map[string]*regexp.Regexp{
	"login":     regexp.MustCompile(`不正ログイン|不正なログイン|なりすまし|(?i)unauthori[sz]ed (?:log-?ins?|sign-ins?|access to accounts)|illegitimate sign-ins?`),
	"tampering": regexp.MustCompile(`改ざん|改竄|(?i)tamper`),
	"misuse":    regexp.MustCompile(`悪用|不正利用|不正使用|(?i)\bmisuse|fraud`),
	"enquiry":   regexp.MustCompile(`お問い?合わ?せ|(?i)enquir|inquir`),
}

// damage finds a negative that a fact has overturned.
func (l *linter) damage(at int, s []byte, m []int) {
	for _, f := range l.Incident.Listed("secondary-damage") {
		words, known := damages[f.Value.Word]
		if f.Value.Status == "none-confirmed" || !known || !words.Match(s) {
			continue
		}
		kind := word(f.Key, f.Value.Word)
		l.add("overturned", at+m[0], at+m[1], tellNow, both(fmt.Sprintf("「%s」を確認していないとありますが、%s時点の事実では「%s」です。", kind.JA, f.AsOf.In(language.JA), incident.DamageStatus(language.JA, f.Value)),
			fmt.Sprintf("it says that no %s is confirmed, and the fact of %s says %s", kind.EN, f.AsOf, f.Value.Status)))
	}
}

// Words for classes in texts, by the vocabulary's base word, where a text may deny them.
var classWords = map[string]*regexp.Regexp{
	"password":        regexp.MustCompile(`パスワード|(?i)passwords?`),
	"payment-card":    regexp.MustCompile(`カード(?:情報|番号)|(?i)(?:credit|payment) cards?|card (?:numbers?|details|data)`),
	"bank-account":    regexp.MustCompile(`口座(?:情報|番号)|(?i)bank accounts?|bank details`),
	"email":           regexp.MustCompile(`メールアドレス|(?i)e-?mail addresses`),
	"name":            regexp.MustCompile(`氏名|お名前|(?i)\bnames?\b`),
	"address":         regexp.MustCompile(`住所|(?i)(?:postal|home|street) addresses`),
	"phone":           regexp.MustCompile(`電話番号|(?i)(?:tele)?phone numbers?`),
	"birth-date":      regexp.MustCompile(`生年月日|(?i)dates? of birth|birth dates?`),
	"national-id":     regexp.MustCompile(`マイナンバー|個人番号|(?i)social security numbers?|\bSSNs?\b`),
	"health":          regexp.MustCompile(`健康情報|病歴|医療情報|(?i)(?:health|medical) (?:data|information|records)`),
	"":                regexp.MustCompile(`(?:お客[さ様]ま?|顧客|会員)の?(?:情報|データ)|個人情報|(?i)customer (?:data|information)|personal (?:data|information)`),
	"message-content": regexp.MustCompile(`メッセージ(?:の内容)?|トーク(?:履歴|の内容)|(?i)(?:content of )?messages`),
}

var denial = regexp.MustCompile(`(?:含まれて?(?:おりません|いません|ません|いない)|含まれない|(?:流出|漏えい|漏洩)(?:して|はして)(?:おりません|いません|いない)` +
	`|(?:流出|漏えい|漏洩)は(?:ありません|ございません|確認されて(?:おりません|いません))|影響は?(?:ありません|ございません|受けて(?:おりません|いません)))|` +
	`(?i)\b(?:no|not any) [a-z -]{0,40}\b(?:was|were|has been|have been) (?:affected|exposed|accessed|stolen|compromised|taken|leaked|involved)` +
	`|\b(?:did|does|do) not (?:include|contain|involve|affect|expose)|\b(?:was|were|have|has) not (?:been )?(?:included|affected|exposed|accessed|stolen|compromised|taken|leaked|involved)`)

// ofOthers marks a sentence that speaks of other services, or of what is out of scope by the facts.
var ofOthers = regexp.MustCompile(`以外|ほかの|他の|その他|別の|(?i)\bother\b|\boutside\b|\bunrelated\b`)

// denied finds a class, or the whole of the data, that a text denies and a fact knows to be exposed.
func (l *linter) denied(at int, s []byte) {
	m := denial.FindIndex(s)
	if m == nil || ofOthers.Match(s) {
		return
	}
	for _, f := range l.Incident.Listed("data-class") {
		base, _, _ := strings.Cut(f.Value.Word, ":")
		if f.Certainty == incident.Unknown || !denies(base, s) && !denies("", s) {
			continue
		}
		class := word("data-class", f.Value.Word)
		l.add("overturned", at+m[0], at+m[1], tellNow, both(fmt.Sprintf("ないとありますが、%s時点の事実では「%s」が対象です。", f.AsOf.In(language.JA), class.JA),
			fmt.Sprintf("it denies what the fact of %s says: %s was exposed", f.AsOf, class.EN)))
		return
	}
}

// denies reports whether a sentence that denies something names a class. A sentence that names one denies that, and not all.
func denies(base string, s []byte) bool {
	if words := classWords[base]; words == nil || !words.Match(s) {
		return false
	}
	if base != "" {
		return true
	}
	for b, words := range classWords {
		if b != "" && words.Match(s) {
			return false
		}
	}
	return true
}

// slipped finds a promise for a time that was promised once, and is not now.
func (l *linter) slipped(at int, s []byte) {
	m := clockTime.FindSubmatchIndex(s)
	if m == nil {
		return
	}
	read := func(i int) int {
		if m[2*i] < 0 {
			return 0
		}
		n, _ := strconv.Atoi(digits.Replace(string(s[m[2*i]:m[2*i+1]])))
		return n
	}
	hour, minute := read(1)+read(3), read(2)+read(4)
	same := func(t incident.Moment) bool { return t.Exact() && t.Time.Hour() == hour && t.Time.Minute() == minute }
	stands := slices.ContainsFunc(l.Incident.Facts, func(f incident.Fact) bool {
		v := f.Value
		return f.Key == "action" && (same(v.Time) || same(v.Promised) && v.Status != "slipped") || f.Key == "next-update" && same(v.Time)
	})
	if stands {
		return
	}
	for _, f := range l.Recorded {
		if (f.Key == "action" && same(f.Value.Promised)) || f.Key == "next-update" && same(f.Value.Time) {
			l.add("overtaken", at+m[0], at+m[1],
				mend, both(fmt.Sprintf("この時刻の約束は、守られていないか、変わっています（%s）。", f.In(language.JA)), fmt.Sprintf("what was promised for this time slipped, or is promised for another: %s", f.In(language.EN))))
			return
		}
	}
}

// forms are words for passwords by how they were kept, with what the vocabulary calls it.
var forms = []struct {
	word string
	says *regexp.Regexp
}{
	{"password:encrypted", regexp.MustCompile(`暗号化[^。、\n]{0,12}パスワード|パスワード[^。\n]{0,8}暗号化|(?i)encrypted passwords?|passwords? (?:are|were|was) encrypted`)},
	{"password:hashed", regexp.MustCompile(`ハッシュ化?[^。、\n]{0,12}パスワード|パスワード[^。\n]{0,8}ハッシュ|(?i)hashed passwords?|passwords? (?:are|were|was) hashed`)},
	{"password:plain", regexp.MustCompile(`平文[^。、\n]{0,12}パスワード|パスワード[^。\n]{0,8}平文|(?i)(?:plain|clear)[- ]?text passwords?`)},
}

// called finds what the vocabulary calls otherwise.
func (l *linter) called(at int, s []byte) {
	var is []string
	for _, w := range l.Incident.Classes() {
		if strings.HasPrefix(w, "password:") {
			is = append(is, w)
		}
	}
	if len(is) == 0 {
		return
	}
	for _, f := range forms {
		if m := f.says.FindIndex(s); m != nil && !slices.Contains(is, f.word) {
			l.otherwise(at+m[0], at+m[1], f.word, is)
		}
	}
}

// whole looks at what the text as a whole lacks.
func (l *linter) whole() {
	if m := noIndex.FindIndex(l.text); m != nil {
		l.add("noindex", m[0], m[1], both("消してください。お知らせは、見つけてもらうためにあります。", "leave it out: a notice is there to be found"), both("検索エンジンから隠す指定があります。", "it keeps search engines from finding the notice"))
	}
	switch l.Kind {
	case Mail, Answer, Post, Report:
		return
	}
	open := l.Incident.State() == incident.StateInvestigating || l.Incident.State() == incident.StateReopened
	if open && len(bytes.TrimSpace(l.text)) > 0 && !nextUpdate.Match(l.text) {
		l.add("next", 0, 0, nextOf, both("調査が続いているのに、次にいつ知らせるかがありません。", "it does not say when the next update comes, while the scope is still being investigated"))
	}
}
