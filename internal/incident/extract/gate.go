package extract

import "regexp"

var (
	eventJA  = regexp.MustCompile(`(?:流出|漏えい|漏洩|漏れ|紛失|盗難|誤送信|誤送付|誤交付|誤配布|誤掲載|誤廃棄|不正アクセス|不正ログイン|不正侵入|侵入|攻撃|改ざん|暗号化|感染|持ち出|誤って|閲覧(?:でき|可能)|ランサムウェア|置き忘れ|被害|公開され|不具合|表示され|窃取|不正に?(?:利用|使用|取得|閲覧))[^。]{0,80}(?:しました|した|いたしました|判明|発覚|発生し|可能性|おそれ|恐れ|懸念|された|していた|ていたこと|受け|確認|について|に関する|状態|もの)`)
	ownJA    = regexp.MustCompile(`当社|弊社|当行|当庫|当会|当院|本学|当学|本校|当校|本市|当市|市では|本町|本県|県では|当協会|本会|当機構|本機構|当財団|当法人|当組合|当センター|当店|当サイト|当園|教育委員会|(?:お詫び|おわび|お知らせ|ご報告|お願い|深く反省)`)
	sorryJA  = regexp.MustCompile(`お詫び|おわび|お知らせ|ご報告|申し訳|公表|発表|発生いたしました|発生しました|判明(?:いた)?しました|再発防止|報告|事案|漏えい(?:した|等)|件の発生`)
	personJA = regexp.MustCompile(`個人情報|個人データ|お客様|お客さま|会員|氏名|メールアドレス|住所|利用者|患者|生徒|児童|学生|アカウント|顧客|パスワード|情報|クレジットカード|従業員|職員`)
	salesJA  = regexp.MustCompile(`資料請求|無料(?:トライアル|体験|相談|診断)|導入(?:事例|実績|企業)|ソリューション|本記事|この記事では|解説します|ご紹介します|ウェビナー|セミナー(?:を開催|のご案内)|料金(?:プラン|表)|テンプレート|ひな形|例文|訓練(?:用|として|です|を実施|メール)|模擬|架空の|フィクション|メールマガジン`)
)

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
	for _, s := range r.sentences {
		part := r.s[s.from:s.to]
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
	if seen[4] > 0 && !sorryRE.MatchString(r.s) {
		return false
	}
	return seen[0] > 0 && seen[1]+seen[2] >= 2 && seen[2] > 0 && seen[3] > 0 && (seen[4] < 2 || seen[4]*3 <= seen[0])
}
