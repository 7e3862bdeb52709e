package extract

import (
	"regexp"
	"slices"
	"strings"

	"shirase/internal/incident"
)

var (
	leakWord    = regexp.MustCompile(`ログインが成立|ログインされ|外部に送信|不正なログイン|なりすまし|流出|漏えい|漏洩|漏れ|不正ログイン|不正アクセス|不正に|閲覧|紛失|盗難|誤送信|誤送付|誤配布|誤交付|誤って|個人情報|個人データ|対象|被害|影響|暗号化|該当|盗|窃取|取得され|持ち出|公開|掲載|表示|記載|含まれ|記録|保存|メールアドレス|氏名|会員情報|顧客情報|お客様情報|お客さま情報`)
	leakStrong  = regexp.MustCompile(`流出|漏えい|漏洩|漏れ|不正ログイン|誤送信|紛失|盗|窃取|誤って|閲覧|持ち出|不正に|不正アクセスを受け`)
	scopeLabel  = regexp.MustCompile(`(?:件数|人数|対象者数?|対象(?:となる)?(?:の)?(?:お客様|お客さま|会員|方|個人情報|アカウント|件数|人数|範囲)?|影響範囲|被害(?:件数|規模|状況|者数|アカウント数?)|アカウント(?:数)?|ログイン(?:が確認された)?(?:件数|ID数|アカウント数)|漏えい等?した?(?:件数|人数|個人データ)|流出(?:件数|人数|した可能性のある(?:件数|人数)))[^。\d]{0,24}$`)
	notAffected = regexp.MustCompile(`(?:問い?合わ?せ|申し出|申告|お申し出|相談|苦情|返信|回答|回収|削除(?:の|が)?確認|削除を?(?:確認|完了)|謝罪|再送|問合せ|不正利用の?(?:被害|報告|申告)|送信先|誤送信先|送り先|宛先|閲覧者|受信者|送付先|委託先|社員数|従業員数?|職員数?|教員|担当者|スタッフ|監視|体制|委員|弁護士|専門家|定員|席|当選|他の?|過去|昨年度?|年間|平均|毎月|月間|件中|例|連絡(?:が)?(?:取|と)れ|通報)(?:[^。、\d]{0,10})$`)
	tailNot     = regexp.MustCompile(`^\s?(?:の(?:お?問い?合わ?せ|申し出|申告|相談|苦情|返信|回答|不正利用|事案|事例|事故|職員|社員|教員|担当者|委員|専門家|弁護士|スタッフ|通報|アクセス(?:記録)?があ|報告|謝罪|削除|受信|お申し出|宛先|メール|迷惑|不審|なりすまし)|が(?:閲覧|見る?)(?:し|でき|こと)|が含まれて(?:い|お)|に[^。、]{0,24}(?:を|で)[^。、]{0,8}お?送り|に、?(?:お詫び|謝罪|文書|電話|連絡|通知|状況)|の皆(?:様|さん|さま)に(?:は)?、?(?:電話|メール|文書|お詫び|郵送)|(?:体制|以上で|ずつ|単位|につき|あたり|当たり|のみの会社|の会社|の従業員|で(?:確認|対応|作業|チェック|運用|実施|行))|の?[^。、]{0,16}(?:宛|あて)(?:て)?に|(?:に|へ)(?:対し|対して)?(?:、)?(?:誤って|誤送信|メールを?(?:誤)?送信|送信|送付|配布|配信|交付|一斉|お?渡|郵送|発送|手渡))`)
	notLeaked   = regexp.MustCompile(`(?:掲載|表示|記録|保存|確認|流出|漏えい|漏洩|閲覧|取得|含ま|発見|該当|検出)(?:は|も|が)?(?:さ?れ|し|でき|いたし)?て?(?:おりません|いません|いない|なかった|ございません|ありません|ません)|対象外|除[くきい]|影響(?:は|も)?(?:一切)?(?:ございません|ありません|ない)|無関係|回収(?:し|済|でき)|発見(?:され|し)(?:ました|た)。`)
	baseNoun    = regexp.MustCompile(`(?:全(?:会員|顧客|ユーザー|アカウント|体|て)?|総(?:会員|登録|アカウント)?|登録(?:会員|者|アカウント|ユーザー)?|(?:会員|利用者|契約者|加入者)(?:総)?数?|保有(?:する|している)?(?:[^。、]{0,20})|保管(?:する|している|していた)?(?:[^。、]{0,20})|全部で|契約)[^。、\d]{0,12}$`)
	revisedTo   = regexp.MustCompile(`(?:から|より|→|でしたが|としていましたが|としておりましたが|と(?:公表|お知らせ|発表|ご報告)(?:し|いた)[^。]{0,20}(?:が|ところ))[^。]{0,60}$`)
	revisedVerb = regexp.MustCompile(`^[^。]{0,40}(?:増加|変更|訂正|修正|拡大|減少|であること|となりました|に改め|判明)`)
	bccWord     = regexp.MustCompile(`(?i:bcc|「?cc」?|「?to」?欄?)|宛先(?:欄)?(?:に)?(?:入力|表示|設定)|(?:メールアドレス|アドレス)が(?:[^。]{0,20})(?:見え|表示|閲覧|確認でき|分か)`)
	correctedRE = regexp.MustCompile(`(?:訂正|修正|更新|正|変更)後|^\s*正\s?[:)]|\(正\)`)
	beforeRE    = regexp.MustCompile(`(?:訂正|修正|更新|変更)前|\(誤\)|^\s*誤\s?[:)]`)
)

var (
	superseded = regexp.MustCompile(`^\s?(?:から|より|→|[」』]?と(?:公表|発表|お知らせ|ご報告|お伝え|ご案内)(?:いた)?して(?:い|おり)ました(?:が|ところ))[、\s]?$|^[」』]?と(?:(?:公表|発表|お知らせ|ご報告|お伝え|ご案内)(?:いた)?)?して(?:い|おり)ました(?:が|ところ)`)
	ofData     = regexp.MustCompile(`(?:情報|データ|アドレス|氏名)(?:が|は|の|など|等)?\s?$`)
)

var (
	// pickedOut is a part: このうち60件, or a line that begins with うち.
	pickedOut = regexp.MustCompile(`(?:この|その)?うち、?$|^[\s■◆●・*【\[(-]*(?:この|その)?うち`)
	// otherOnes are not all: 新たに判明した17名, 別の参加者1名.
	otherOnes = regexp.MustCompile(`新たに(?:判明(?:した|しました))?[^。、\d]{0,12}$|(?:他|別|ほか)の[^。、\d]{0,10}$`)
	// baseInside stands, in brackets, before the number of all; baseLabel is that number's label.
	baseInside = regexp.MustCompile(`\((?:全|総|登録)[^()]{0,20}$`)
	baseLabel  = regexp.MustCompile(`(?:^|[\s・(参考)])(?:全|総)?(?:会員|登録会員|登録者|契約者|利用者)総?数(?:\([^()]{0,20}\))?\s?[:は]?\s?$`)
	membersEnd = regexp.MustCompile(`(?:会員|登録者|契約者|利用者)$`)
	// theirData follows a number of people whose data are meant: 職員4,313人の個人情報.
	theirData = regexp.MustCompile(`^(?:分)?の(?:個人)?(?:情報|データ|氏名|メールアドレス|住所)`)
	forWhom   = regexp.MustCompile(`(?:人分|名分|件分|世帯分)`)
)

// scored is an amount that may be the number of those affected.
type scored struct {
	*amount
	score    int
	possible bool
}

// countsJA proposes how many are affected, of how many, and how many attempts were made. 回 counts attempts only.
func (r *reader) countsJA() {
	var found []scored
	var tries []*amount
	for i, a := range r.amounts {
		l := r.lines[a.line]
		if l.section == secContact || l.section == secPast || l.section == secPrevention || l.section == secSource || l.section == secDamage {
			continue
		}
		s := r.sentenceAt(a.from)
		from, to := s.from, s.to
		if i > 0 && r.amounts[i-1].to > from && r.amounts[i-1].to <= a.from {
			from = r.amounts[i-1].to
		}
		if i+1 < len(r.amounts) && r.amounts[i+1].from < to {
			to = r.amounts[i+1].from
		}
		before, after := lastBytes(r.s[from:a.from], 300), firstBytes(r.s[a.to:max(a.to, to)], 400)
		whole := r.s[s.from:s.to]
		if r.question(whole) {
			continue
		}
		if a.unit == "attempts" {
			if r.attempt(a, before, after, whole) {
				tries = append(tries, a)
			}
			continue
		}
		if sc, ok := r.scoreJA(a, before, after, whole, l); ok {
			found = append(found, sc)
		}
	}
	r.attempts(tries)
	if !r.takenBack() {
		r.affected(found)
	}
}

var (
	attemptAfter  = regexp.MustCompile(`^(?:に(?:わたり|わたる|及ぶ|のぼる|上る))?[^。、]{0,24}(?:試行|ログイン|攻撃|不正アクセス|試み)`)
	attemptBefore = regexp.MustCompile(`(?:試行|攻撃|ログイン|不正アクセス)[^。\d]{0,30}$`)
	notAttempts   = regexp.MustCompile(`^[^。、]{0,16}(?:接続|閲覧|ダウンロード|要求|送信|表示|再生)`)
	allowed       = regexp.MustCompile(`(?:ログイン|入力|認証)を?$|(?:連続|続けて|以内に?|分間に|毎[日秒分時])$`)
	allowedAfter  = regexp.MustCompile(`^\s?(?:連続|以上(?:失敗|間違)|を超える試行|線)`)
)

// attempt reports whether a counts attempts to get in: not those that a rule allows, not how often a page was seen.
func (r *reader) attempt(a *amount, before, after, whole string) bool {
	return (!a.part || strings.Contains(lastBytes(before, 60), "試行")) && a.value >= 3 && !allowed.MatchString(before) && !allowedAfter.MatchString(after) && !notAttempts.MatchString(after) && !r.negative(whole) &&
		(attemptAfter.MatchString(after) || attemptBefore.MatchString(before) || attemptBefore.MatchString(r.labelOf(a)) || strings.Contains(whole, "試"))
}

// attempts proposes the number of attempts: a total, or the only one.
func (r *reader) attempts(found []*amount) {
	var best *amount
	for _, a := range found {
		switch {
		case a.total:
			r.count("attempts.count", a, "")
			return
		case best == nil:
			best = a
		case best.value != a.value && r.lines[a.line].section == r.lines[best.line].section:
			return // parts
		}
	}
	if best != nil {
		r.count("attempts.count", best, "")
	}
}

// negative reports a sentence that says what has not happened.
func (r *reader) negative(s string) bool { return negativeJA.MatchString(s) }

var negativeJA = regexp.MustCompile(`(?:確認|発見|検出|報告|認め|含ま|発生|判明|流出|漏えい|漏洩)(?:は|も|が)?(?:さ?れ|し|いたし|受け|いただい|を受け)*て?(?:おりません|いません|いない|おらず|なかった|ございません|ありません|ません|ない(?:こと|。|$))|対象外|無関係|影響(?:は|も)?(?:一切)?(?:ございません|ありません|ない)`)

func (r *reader) count(key string, a *amount, certainty incident.Certainty) {
	n := a.value
	r.propose(incident.Fact{Key: key, Value: incident.Value{Number: &n, Unit: a.unit, Qualifier: a.qualifier}, Certainty: certainty}, a.from, a.to, "")
}

// scoreJA says how much speaks for a being the number of those affected.
func (r *reader) scoreJA(a *amount, before, after, whole string, l line) (scored, bool) {
	sc := scored{amount: a, possible: possibleJA.MatchString(after) || possibleJA.MatchString(l.under)}
	if a.value == 0 {
		return sc, false
	}
	if strings.HasPrefix(strings.TrimSpace(after), "のうち") || strings.HasPrefix(strings.TrimSpace(after), "うち") || strings.HasPrefix(strings.TrimSpace(after), "中") || strings.HasPrefix(strings.TrimSpace(after), "の内") {
		if (baseNoun.MatchString(before) || r.nextIsLost(a)) && !leakStrong.MatchString(lastBytes(before, 60)) {
			r.count("base.count", a, "")
			a.base = true
			return sc, false
		}
	}
	if superseded.MatchString(after) {
		return sc, false
	}
	bcc := bccWord.MatchString(whole)
	switch {
	case otherOnes.MatchString(before):
		return sc, false
	case pickedOut.MatchString(before) && r.follows(a):
		return sc, false
	case notAffected.MatchString(lastBytes(before, 48)) && !ofData.MatchString(before) && !theirData.MatchString(after) && !forWhom.MatchString(a.word) && !(bcc && strings.Contains(before, "送信先")), tailNot.MatchString(after) && !bcc, notLeaked.MatchString(after):
		return sc, false
	case a.part && a.of != nil && !a.of.base:
		if baseInside.MatchString(before) && !r.has("base.count") {
			r.count("base.count", a, "")
			a.base = true
		}
		return sc, false
	case beforeRE.MatchString(before):
		return sc, false
	}
	if baseLabel.MatchString(before) || membersEnd.MatchString(before) && strings.HasPrefix(r.s[a.from:], "総数") {
		r.count("base.count", a, "")
		a.base = true
		return sc, false
	}
	labelled := scopeLabel.MatchString(before)
	if !labelled && !leakWord.MatchString(whole) && !forWhom.MatchString(a.word) && l.section != secScope && l.section != secItems {
		return sc, false
	}
	if a.value < 2 && !labelled && !forWhom.MatchString(a.word) && !leakStrong.MatchString(after) && l.section != secScope {
		return sc, false
	}
	sc.score = 1
	if leakStrong.MatchString(after) || leakStrong.MatchString(before) {
		sc.score += 3
	} else if leakWord.MatchString(before + after) {
		sc.score += 2
	}
	if labelled {
		sc.score += 4
	}
	if l.section == secScope || l.section == secItems {
		sc.score += 2
	}
	if a.total {
		sc.score += 4
	}
	if revisedTo.MatchString(before) && revisedVerb.MatchString(after) || correctedRE.MatchString(before) {
		sc.score += 6
	}
	if l.section == secResponse || l.section == secCause {
		sc.score -= 2
	}
	return sc, sc.score >= 3
}

var possibleJA = regexp.MustCompile(`可能性|おそれ|恐れ|懸念|疑い|否定でき|排除でき`)

// affected chooses among what may be the number of those affected. Parts without a total are not added up, and where two
// numbers of the same kind speak equally loudly, the larger is chosen only if it is the sum of the others, or the first.
func (r *reader) affected(found []scored) {
	if len(found) == 0 {
		return
	}
	best := found[0]
	for _, sc := range found[1:] {
		if sc.score > best.score {
			best = sc
		}
	}
	// An unlabelled list of parts, none of which is the whole.
	var rivals []scored
	for _, sc := range found {
		if sc.score == best.score && sc.unit == best.unit && sc.value != best.value {
			rivals = append(rivals, sc)
		}
	}
	if len(rivals) > 0 && !best.total {
		var sum int64
		for _, sc := range rivals {
			sum += sc.value
		}
		listed := 0
		for _, sc := range rivals {
			if r.inList(sc.amount) {
				listed++
			}
		}
		if sum != best.value && listed == len(rivals) && r.inList(best.amount) {
			return
		}
	}
	said := slices.ContainsFunc(found, func(sc scored) bool { return sc.value == best.value && !r.inList(sc.amount) }) // in a sentence too
	if r.inList(best.amount) && !said && !best.total && !scopeLabel.MatchString(r.labelOf(best.amount)) {
		for _, a := range r.amounts { // one part of several
			if near := a.line - best.line; a.unit == best.unit && near != 0 && near >= -4 && near <= 4 && a.value != best.value && !a.part && r.inList(a) && r.lines[a.line].section == r.lines[best.line].section {
				return
			}
		}
	}
	if best.qualifier == "exact" {
		switch label := r.labelOf(best.amount); {
		case strings.Contains(label, "最大"), strings.Contains(label, "上限"):
			best.qualifier = "at-most"
		case strings.Contains(label, "延べ"), strings.Contains(label, "のべ"):
			best.qualifier = "cumulative"
		}
	}
	if !best.total && r.oneOfSeveral(best.amount) {
		return
	}
	certainty := incident.Confirmed
	if best.possible {
		certainty = incident.Possible
	}
	r.count("affected.count", best.amount, certainty)
}

// lostOf stands between all and those concerned: 1万人のうち、表示された可能性のあるお客様 最大341人.
var lostOf = regexp.MustCompile(`可能性|対象|流出|漏えい|漏洩|表示され|閲覧され|誤って`)

// nextIsLost reports whether the number that 216人のうち leads to is that of the people whose data were lost.
func (r *reader) nextIsLost(a *amount) bool {
	for _, b := range r.amounts {
		if b.from > a.from && b.line == a.line && b.unit == a.unit {
			return theirData.MatchString(r.s[b.to:r.lines[b.line].to]) || lostOf.MatchString(r.s[a.to:b.from])
		}
	}
	return false
}

// follows reports whether a comes shortly after another number of the same things, of which it may be a part.
func (r *reader) follows(a *amount) bool {
	for _, b := range r.amounts {
		if b.from < a.from && b.unit == a.unit && a.line-b.line <= 3 && !b.base {
			return true
		}
	}
	return false
}

// oneOfSeveral reports whether a stands in brackets behind one kind of data of several that have their own numbers.
func (r *reader) oneOfSeveral(a *amount) bool {
	s := r.sentenceAt(a.from)
	inBrackets := func(b *amount) bool {
		return b.from > 0 && r.s[b.from-1] == '(' && strings.HasPrefix(r.s[b.to:], ")")
	}
	for _, b := range r.amounts {
		if b != a && b.from >= s.from && b.to <= s.to && b.unit == a.unit && b.value != a.value && inBrackets(a) && inBrackets(b) {
			return true
		}
	}
	return false
}

// labelOf is what a number is a number of: the words before it on its line, or the line above where it begins its own.
func (r *reader) labelOf(a *amount) string {
	l := r.lines[a.line]
	label := strings.Trim(r.s[l.from:a.from], " -・:=")
	if label != "" || a.line == 0 {
		return firstBytes(label, 90)
	}
	above := r.lines[a.line-1]
	return firstBytes(r.s[above.from:above.to], 90)
}

var listMark = regexp.MustCompile(`^(?:[・●○◯■\-①-⑳]|\(?\d{1,2}[.)]|\(?[ア-ンa-zA-Z]\))`)

// inList reports whether a stands in an item of a list.
func (r *reader) inList(a *amount) bool {
	l := r.lines[a.line]
	return l.list || listMark.MatchString(r.s[l.from:l.to])
}
