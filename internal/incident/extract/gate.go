package extract

import (
	"regexp"
	"strings"
)

var (
	eventJA  = regexp.MustCompile(`(?:流出|漏えい|漏洩|漏れ|紛失|盗難|盗まれ|誤送信|誤配信|誤送付|誤交付|誤配布|誤掲載|誤表示|誤り|漏らし|誤公開|誤廃棄|誤発送|誤封入|誤登録|不正アクセス|不正ログイン|不正(?:な|に)(?:ログイン|アクセス|利用|使用|取得|閲覧|侵入|持ち出)|なりすまし(?:ログイン)?|侵入|攻撃|改ざん|暗号化|感染|持ち出|誤って|間違って|閲覧(?:でき|可能)|ランサムウェア|置き忘れ|被害|公開され|不具合|表示され|見られ|見え(?:る|て)|載って|見ること|窃取|失くし|無くし|なくな|無いこと|ないことに気|知らせて|荒らし|(?:設定|入力|封入|操作|送信|宛先|交付|登録)(?:の|を|に)?(?:誤り|誤っ|ミス|間違)|(?:別|他|異なる|ほか)の(?:方|人|世帯|お客様|患者|生徒|保護者).{0,30}(?:送|渡|交付|封入))[^。]{0,120}(?:しました|した|いたしました|判明|発覚|発生|可能性|おそれ|恐れ|懸念|疑い|された|していた|ていたこと|ていました|受け|確認|について|に関する|に関し|状態|もの|分か[りっ]|ました|件|事案|事故)|(?:流出|漏えい|漏洩|紛失|盗難|誤送信|誤送付|誤交付|誤配布|誤掲載|誤廃棄|不正アクセス|被害)\s?(?:\(|$)`)
	ownJA    = regexp.MustCompile(`当社|弊社|当行|当庫|当会|当院|本学|当学|本校|当校|本市|当市|市では|本町|本県|県では|当協会|本会|当機構|本機構|当財団|当法人|当組合|当センター|当店|当サイト|当園|教育委員会|(?:お詫び|おわび|お知らせ|ご報告|お願い|深く反省)`)
	sorryJA  = regexp.MustCompile(`お詫び|おわび|お知らせ|ご報告|申し訳|公表|発表|発生いたしました|発生しました|判明(?:いた)?しました|再発防止|報告|事案|漏えい(?:した|等)|件の発生`)
	personJA = regexp.MustCompile(`個人情報|個人データ|お客様|お客さま|会員|氏名|メールアドレス|住所|利用者|患者|生徒|児童|学生|アカウント|顧客|パスワード|情報|クレジットカード|従業員|職員`)
	salesJA  = regexp.MustCompile(`資料請求|無料(?:トライアル|体験|相談|診断)|導入(?:事例|実績|企業)|ソリューション|本記事|この記事では|解説します|ご紹介します|ウェビナー|セミナー(?:を開催|のご案内)|料金(?:プラン|表)|テンプレート|ひな形|例文|訓練(?:用|として|です|を実施|メール)|模擬|架空の|フィクション|メールマガジン`)
)

// templateJA is a place left for a name, a number or a day to be filled in.
var templateJA = regexp.MustCompile(`[○●◯〇△▲×✕＊*X]{2,}\s?(?:株式会社|年|月|日|時|件|名|人|様|サイト|サービス|課|部|市|[」』)])|(?:株式会社|「)\s?[○●◯〇△×＊*]{2,}|20[○●◯〇×＊*X]{2}年`)

// toldJA is how an organisation tells of itself: politely, of what has happened. News and explanations are written otherwise.
var toldJA = regexp.MustCompile(`(?:ました|ております|でした|います|です)(?:。|が、|$)`)

// generalJA is who explains what such incidents are, or what will be published when.
var generalJA = regexp.MustCompile(`とは、|(?:の)?(?:基準|指針|ポイント|手口|事例集|対策方法|解説)(?:は|を|について)|(?:次|以下)の(?:基準|いずれか)|によれば、|に分けられます|とされています`)

// sorryRE tells those who write of their own incident from those who write of incidents.
var sorryRE = regexp.MustCompile(`お詫び|おわび|申し訳|謝罪`)

// isNotice reports whether the text tells of an incident of its own author's. Articles, offers and templates talk of the
// same things, and nothing of theirs is a fact of an incident.
func (r *reader) isNotice() bool {
	if !r.japanese() {
		return r.isNoticeEN()
	}
	event, own, tell, data, sales := eventJA, ownJA, sorryJA, personJA, salesJA
	seen := [5]int{}
	general := false // it explains or warns
	for _, s := range r.sentences {
		part := quotedJA.ReplaceAllString(r.s[s.from:s.to], "")
		if general = general || s.line < 8 && adviceTitle.MatchString(part) || adviceBody.MatchString(part); part == "" {
			continue
		}
		for i, re := range []*regexp.Regexp{event, own, tell, data, sales} {
			if re.MatchString(part) {
				seen[i]++
			}
		}
	}
	for i, l := range r.lines {
		if s := r.s[l.from:l.to]; i < maxHead && len(s) < 400 && titled(trailingDate.ReplaceAllString(s, "")) && titleNoun.MatchString(s) {
			seen[1]++
			seen[2]++
			break
		}
	}
	if seen[4] > 0 && !sorryRE.MatchString(quotedJA.ReplaceAllString(r.s, "")) || general && !r.losesJA() {
		return false
	}
	if len(reported.FindAllStringIndex(r.s, 3)) > 1 && !sorryRE.MatchString(r.s) {
		return false
	}
	if len(templateJA.FindAllStringIndex(r.s, 3)) > 1 {
		return false
	}
	if seen[0] == 0 || seen[3] == 0 || seen[4] >= 2 && seen[4]*3 > seen[0] {
		return false
	}
	if seen[1]+seen[2] >= 2 && seen[2] > 0 {
		return true
	}
	return r.tellsJA()
}

var (
	quotedJA = regexp.MustCompile(`[「『][^「」『』]{0,200}[」』]`)
	// adviceTitle is a warning of messages in one's name, an advertisement of a job, a maintenance window.
	adviceTitle = regexp.MustCompile(`(?:装う|装った|騙る|騙った|かたる|かたった|語る|名乗る|なりすました)[^。]{0,40}(?:メール|SMS|電話|サイト|勧誘|アカウント)[^。]{0,40}(?:ご?注意|お気をつけ)|ご?注意[^。]{0,30}(?:装う|装った|騙る|かたる|名乗る)|メンテナンス|(?:職員|社員|スタッフ|アルバイト)(?:を|の)?募集|募集(?:します|いたします|】|要項|のお知らせ)|採用予定|週報|まとめ】|(?:すべき|するべき|べき)(?:か|こと)|(?:公表|報告)の基準`)
	// adviceBody is how those write who explain, report on others or offer help.
	adviceBody = regexp.MustCompile(`を(?:整理|解説|紹介)します|のが一般的です|当事務所|弁護士法人|執筆|編集部|次の基準で|応募資格`)
	// reported is how newspapers write what others said.
	reported = regexp.MustCompile(`(?:と|を)(?:発表|公表|明らかに)した。`)
	lossJA   = regexp.MustCompile(`(?:流出|漏えい|漏洩|窃取|閲覧|感染|不正アクセス|侵入|表示され|紛失|盗難|誤送信|誤って|持ち出)[^。]{0,40}(?:した|しました|いたしました|された|受け|可能性|おそれ|恐れ|判明)`)
)

// losesJA reports whether a text that warns, explains or names a law firm also tells of a loss of its author's own: who says
// sorry outside quotes need not say whose.
func (r *reader) losesJA() bool {
	sorry := apology.MatchString(quotedJA.ReplaceAllString(r.s, ""))
	for _, s := range r.sentences {
		part := quotedJA.ReplaceAllString(r.s[s.from:s.to], "")
		if lossJA.MatchString(part) && !r.negative(part) && !hypothetical.MatchString(part) && !generalCase.MatchString(part) && !notSo.MatchString(part) && (sorry || ownLoss.MatchString(part)) {
			return true
		}
	}
	return false
}

var (
	apology     = regexp.MustCompile(`(?:お詫び|おわび)(?:を)?(?:申し|いたし|し(?:ます|、))|申し訳(?:ござい|あり|なく)`)
	notSo       = regexp.MustCompile(`ではありません|ではございません|ものではな|事実は(?:一切)?(?:ございません|ありません)`)
	generalCase = regexp.MustCompile(`例えば|場合|ある[^。]{0,10}(?:事業者|企業|会社|自治体)|とすれば|義務|おそれがあります`)
	ownLoss     = regexp.MustCompile(`当社|弊社|本学|当院|本会|当会|本市|当|弊|社内|社外関係者|パソコン`)
)

// tellsJA reports whether a text without an apology or a "we" still tells what happened at its author's: politely, with a day
// or a number of those concerned, and not of such incidents at large.
func (r *reader) tellsJA() bool {
	polite, concrete := false, false
	for _, s := range r.sentences {
		part := r.s[s.from:s.to]
		if generalJA.MatchString(part) && !strings.HasPrefix(part, "※") {
			return false
		}
		polite = polite || toldJA.MatchString(part)
		concrete = concrete || somethingJA.MatchString(part)
	}
	return polite && concrete
}

// somethingJA is a day, or a number of people or things.
var somethingJA = regexp.MustCompile(`\d\s?(?:日|名|人|件|世帯|アカウント|校|台|個|本)|\d/\d`)
