package extract

import (
	"regexp"
	"strings"
	"time"

	"shirase/internal/incident"
)

// titleEnds reports whether a line may be the title of a notice.
func titleEnds(s string) bool {
	return titled(s) || strings.HasSuffix(s, "報)") || englishTitle.MatchString(s)
}

var futureJA = regexp.MustCompile(`^[^。、]{0,30}(?:予定|見込|目処|目途|めど|までに(?:は|、)?[^。]{0,30}(?:いたします|します|予定)|(?:開設|開始|再開|公表|発送|送付|実施|設置|ご案内|ご報告)(?:いた)?します)`)

// resolveTimes completes every time. Those at or behind an addendum are said on its day.
func (r *reader) resolveTimes() {
	res := &resolver{base: r.base, zone: r.zone, lines: r.lines, oneDay: r.oneDay()}
	for _, w := range r.times {
		if l := r.lines[w.line]; w.rel == absolute && w.d > 0 && r.isAddendum(l) && l.to-l.from < 100 {
			if day := date(w.y, w.m, w.d); day.After(res.known) {
				res.known = day
			}
		}
	}
	for _, w := range r.times {
		if w == r.baseAt {
			w.set(w.y, w.m, w.d, r.zone)
			continue
		}
		future := futureJA.MatchString(firstBytes(r.s[w.to:r.lines[w.line].to], 200))
		res.added = r.addedOn(w)
		l := r.lines[w.line]
		res.resolve(w, future || r.isAddendum(l))
	}
}

// addedOn is the day of the heading under which w stands, where that part was added later: 追記(6月13日).
func (r *reader) addedOn(w *when) incident.Moment {
	for i := w.line; i >= 0 && i > w.line-20; i-- {
		l := r.lines[i]
		if i < w.line && l.heading || addedHead.MatchString(r.s[l.from:l.to]) {
			for _, at := range r.times {
				if at.line == i && at != w && !at.moment.IsZero() && addedHead.MatchString(r.s[l.from:l.to]) {
					return at.moment
				}
			}
			return incident.Moment{}
		}
	}
	return incident.Moment{}
}

var addedHead = regexp.MustCompile(`^[(\[【<※■◆●▼◇\s]*(?:(?:\d{4}年)?\d{1,2}月\d{1,2}日\s?(?:\d{1,2}時)?追記|追記\s?[(:])`)

// oneDay reports whether every day that the text names is the same.
func (r *reader) oneDay() bool {
	days := map[[2]int]bool{}
	for _, w := range r.times {
		switch w.rel {
		case absolute, noYear:
			days[[2]int{w.m, w.d}] = true
		case onlyTime, today:
		case dayShift:
			if w.shift != 0 {
				return false
			}
		default:
			return false
		}
	}
	return len(days) == 1
}

// question reports a sentence that asks, as frequently asked questions do.
func (r *reader) question(s string) bool { return questionRE.MatchString(s) }

var questionRE = regexp.MustCompile(`(?:でしょうか|ますか|ですか|ましたか|のか)\s?[。?]?\s?$|\?\s?$`)

// The words by which a time gets its part, looked for between it and the next time of its sentence.
var (
	incidentNoun = regexp.MustCompile(`不正|事態|大量|ログイン|アクセス|通常と異な|負荷|流出|漏えい|漏洩|漏れ|紛失|誤送信|誤送付|誤配布|誤交付|誤って|誤掲載|侵入|感染|攻撃|障害|暗号化|改ざん|閲覧|見当たら|なくな|盗難|不審|異常|痕跡|身に覚え|懸念|ランサム|マルウェア|ウイルス|可能性|事案|本件|持ち出|誤り|不具合|公開され|掲載され|表示され|脆弱性|所在|設定|共有|不足|ないこと|(?:されて|して)(?:いない|おらず)|ミス|検索|書き込み|サイバー|個人情報|見られ|見え|載って|入って|無い|失くし|無くし|名乗る|装う|なりすまし|迷惑メール|覚えのない|誤送|送られ|取られ|開示|送信され|被害|ファイル|開けな|使用でき|利用でき|接続でき`)
	foundVerb    = regexp.MustCompile(`発見|検知|検出|発覚|判明|覚知|認知|認識し|把握し|気[づ付]|分か(?:り|っ)|わか(?:り|っ)|知らされ|見つか(?:り|っ)|見[つ付]け|第?一報(?:$|。|が|を)|(?:を|が)確認(?:し|さ|いた|でき)|確認(?:しました|いたしました|した)|(?:連絡|指摘|通報|通知|報告|情報提供|問い?合わ?せ|申告|申し出|お申し出|届出?)(?:が|を|も)?(?:[^。]{0,24}?)(?:あ(?:り|っ)|受|いただ|頂|入|寄せ|届)|連絡を受領|から(?:の)?(?:報告|連絡|指摘)(?:。|$|\s)`)
	foundLabel   = regexp.MustCompile(`(?:発覚|判明|発見|覚知|検知|認知|認識|確認|把握)(?:した|の)?(?:年月日|日時|日|時刻|時期)?\s?[)】\]]?\s?(?:[:]|は|が)?\s?$`)
	startLabel   = regexp.MustCompile(`発生時間\s?[:]?\s?$|(?:発生|誤送信|紛失|送信|事故発生|事案発生|事故|盗難|漏えい|漏洩|流出|被害発生|攻撃)(?:年月日|日時|日|時刻|時期|期間)\s?[)】\]]?\s?(?:[:]|は|が)?\s?$`)
	cutVerb      = regexp.MustCompile(`(?:取り?扱い|利用|決済)を(?:一時)?(?:中止|停止|休止)|(?:ストア|ショップ|通販|店舗?)を(?:[^。、]{0,8})(?:停止|閉鎖|休止)|(?:機能|フォーム|ID|チャージ|連携|掲載|設定|サイト|システム|サーバー?|サービス|接続|公開|アクセス|通信|決済|アカウント|ページ|ファイル|端末|パソコン|回線|ネットワーク)[^。、]{0,14}を(?:[^。、]{0,10})(?:停止|閉鎖|遮断|解除|休止|取りやめ|取り下げ|復元)(?:し|いた|する|を|。|$|、)|(?:キー|パスワード|アカウント|権限|トークン)を[^。、]{0,10}無効|(?:利用|機能|発行|提供|受付)を(?:一時)?停止|機能を停止|LANケーブルを(?:抜|外)|を緊急(?:停止|閉鎖)|(?:スクリプト|プログラム|マルウェア|タグ)を(?:[^。、]{0,8})(?:除去|削除|駆除)|抜線|端末を(?:[^。、]{0,8})ロック|遠隔(?:操作)?(?:により|で)[^。]{0,12}(?:ロック|消去)|遮断|隔離|切り離|切断|シャットダウン|非公開(?:に|と|へ)(?:し|いた|変更|設定|切)|閲覧(?:が)?でき(?:ないよう|なくし|ない状態(?:に|と)(?:し|いた))|閲覧不可|電源を(?:落|切|遮断)|ケーブルを(?:抜|外)|(?:アクセス|閲覧|公開|外部通信|通信|接続|ネットワーク|サーバー?|システム|サイト|ページ|サービス|カード決済|クレジットカード決済|決済)(?:の利用|の公開|の提供|機能|の稼働|の運用|を一時的に|を全て|をすべて|を緊急|を一時)*(?:を)?(?:緊急)?(?:停止|制限|閉鎖|止め)|(?:ページ|データ|ファイル|情報|投稿|画像|資料|名簿|掲載)を(?:[^。、]{0,14})(?:削除|取り下げ)|(?:設定|権限|公開範囲)を(?:適切に|直ちに|正しい\S{0,4}に)?(?:修正|変更|是正|見直|直し|戻し|変え|オフ)|(?:システム|プログラム|不具合|ページ|フォーム|表示|誤り)(?:を|の)(?:緊急)?(?:修正|改修)|接続を?解除|(?:サイト|ページ|フォーム)を(?:[^。、]{0,8})(?:閉鎖|閉じ|非表示)|オフ(?:へ|に)戻し|アカウントを?(?:直ちに|すぐに)?(?:停止|凍結|ロック)|(?:出|見え|表示され|閲覧でき)ないよう(?:に)?(?:設定|変更|修正|処置)`)
	loginBlock   = regexp.MustCompile(`ログイン(?:機能)?(?:を|の)?(?:一時的に|全て|すべて)?(?:遮断|停止|制限|禁止|ブロック|できない(?:状態|よう))|(?:全|対象|会員)[^。、]{0,10}パスワードを(?:[^。、]{0,8})無効|(?:対象|該当|当該|全|すべての|お客様|お客さま|会員|ユーザー|不正ログインされた)[^。、]{0,12}(?:アカウント|ID)(?:を|の)?(?:一時的に|直ちに|利用を)?(?:ロック|凍結|停止|利用停止|一時停止|無効)`)
	regulatorRE  = regexp.MustCompile(`個人情報保護委員会|監督官庁|監督当局|監督機関|所轄官庁|関係省庁|総務省|金融庁|厚生労働省|経済産業省|国土交通省|文部科学省|財務局|PPC|JIPDEC`)
	reportVerb   = regexp.MustCompile(`(?:報告|届出|届け出|届出書|速報|確報|提出)(?:等)?(?:を)?(?:済み?|完了|し|いた|行|実施|を完了|。|$|書を提出|、|\(|の)`)
	personRE     = regexp.MustCompile(`[\d,]+\s?(?:名|人|世帯|件)(?:様|の(?:方|お客様|お客さま|皆様|皆さま|会員様?))?(?:(?:に|へ)(?:は)?|を訪問)|(?:全員|全て?の(?:方|受信者|保護者)|可能性の?(?:ある|あった)(?:方|お客様|会員|患者))(?:へ|に)|(?:皆様|皆さま|患者さん?|ご?家族|世帯|保護者|学生|生徒|児童|組合員)(?:様)?[^。、]{0,16}に(?:は)?|(?:対象|該当|当該|関係|影響|流出|漏えい|被害).{0,16}(?:お客様|お客さま|会員|方々|方|皆様|皆さま|保護者|利用者|受信者|ご本人|本人|患者|学生|者)(?:様|さん|さま)?(?:全員)?(?:\s?[\d,]+\s?[人名]様?)?(?:へ|に|には|宛|に対し|に対して|の皆様|あて)|(?:お客様|ご本人|保護者|本人|患者|対象者|参加者|受信者|申込者|応募者|受講者|会員|当事者)(?:様|さん|さま)?(?:全員)?(?:へ|に|宛)(?:は|対し|対して)?`)
	toldVerb     = regexp.MustCompile(`(?:メール|書面|文書|郵送|書状|電話|個別|お手紙|訪問).{0,14}(?:通知|お知らせ|お詫び|ご連絡|連絡|ご案内|ご?説明|謝罪|送付|送信|配信|発送)|(?:通知|謝罪)(?:[^。、]{0,14})(?:を)?(?:し|いた|行)|(?:メール|書面|文書|書状|手紙|封書|通知|おわび|お詫び|謝罪)(?:文)?(?:を|で|と)?[^。、]{0,24}(?:お?送り(?:し|いた|ま)|送付し|発送し|郵送し|差し上げ|お出しし|出し|お届けし|お渡しし)|(?:説明|お詫び)し、?[^。、]{0,12}(?:お詫び|謝罪|説明)|(?:謝罪|お詫び|おわび|通知|連絡)(?:を|に)?(?:行|実施|(?:。|$|しました|いたしました))`)
	notDone      = regexp.MustCompile(`予定|(?:いた)?します(?:。|$|ので)|してまいり|して参り|次第|検討|進めて|準備|ください|(?:送り|行い|出し|お届けし|差し上げ|伺い|送付し|郵送し)ます|(?:行う|実施する|送付する|通知する|連絡する|説明する)(?:。|予定|$)`)
	windowNoun   = regexp.MustCompile(`不正|複製|書き出|撮影|持ち去|持ち出|割られ|盗|発生時間|見え|見ること|見られ|載って|入力された|送られ|迷惑メール|誤表示|発生期間|発生日時|発生時期|なりすまし|名簿|操作され|紛失|所在|侵入|期間|閲覧|流出|漏えい|漏洩|攻撃|改ざん|痕跡|公開|表示|掲載|可能な状態|決済|アクセス|見られる|誤`)
	notPeriod    = regexp.MustCompile(`^\s?分|^[^。、]{0,24}(?:調べ|調査)|^[^。]{0,40}(?:受付|営業|窓口|開設|休業|キャンペーン|メンテナンス|保守|調査を|予定|開催|保管期間|修学旅行|研修|講座)`)
	openPeriod   = regexp.MustCompile(`(?:(?:委託|契約|実施|募集|保存|保管|登録|開催|申込|受付|在籍|利用)期間|受付|営業|窓口|開設|電話|休業|キャンペーン|メンテナンス|保守|開催|募集|修学旅行)[^。]{0,16}$`)
	whoPeriod    = regexp.MustCompile(`^(?:の間に?|の期間中?に?|に)?、?[^。、]{0,60}?(?:登録|入会|申込み?|申し込み?|在籍|受診|購入|契約|応募|勤務|取引|受講|採用|注文|来場|参加|入院|利用|実施|相談|診療|申請|入社)(?:を|が|に|の)?(?:された|した|いただいた|頂いた|受けた|のあった|あった|して(?:いた|いただいた|いる))?(?:一部の)?(?:方|お客|会員|皆|患者|利用者|者|児童|生徒|学生|もの|分)`)
	toldUs       = regexp.MustCompile(`知らされ|連絡を受け|指摘を受け|連絡があ`)
	cardPaid     = regexp.MustCompile(`カード(?:番号|情報)を(?:新規に)?ご?(?:登録|変更|入力)|(?:期間|間)に[^。]{0,40}(?:お客様|お客さま|方)の(?:クレジット)?カード情報|(?:クレジットカード|カード)(?:での|による|により|で)?(?:決済|情報を?入力|をご?利用|でお?支払|番号を入力)`)
	negatedFind  = regexp.MustCompile(`^[^。、]{0,60}(?:確認され|発見され|検知され|検出され|確認し|確認でき)て?(?:おりません|いません|いない|なかった|ません)|^[^。]{0,80}(?:連絡|報告|申し出|お問い?合わ?せ|相談|被害)(?:は|も)[^。、]{0,12}(?:ありません|ございません|いただいておりません|受けておりません|寄せられておりません)`)
	occurred     = regexp.MustCompile(`誤って.{0,60}(?:送信|送付|交付|公開|掲載|配布|添付|配信)|誤送信(?:し|が|を)|一斉(?:に)?送信|(?:不正アクセス|不正ログイン|攻撃|侵入|サイバー攻撃|ランサムウェア|被害).{0,24}?(?:を受け|が発生|が行われ|があ(?:り|っ)|され)|(?:添付ファイル|メール)を?[^。、]{0,12}開(?:封|い)|遠隔操作(?:ソフト)?を(?:導入|許可|インストール)|侵入(?:し(?:て|た|、)|$|。)|感染(?:$|。)|(?:SNS|インターネット|掲示板)[^。]{0,20}(?:に|へ)(?:投稿|書き込)|感染し|盗難(?:に|被害)|盗まれ|(?:メール|案内|資料|書類|通知|封筒|文書|名簿|ファイル|証明書|写し).{0,40}(?:送っ|送りました|送ってしま|渡し|交付し)(?:た|ました|て)|送ってしま|入力して(?:しま|盗)|失くし|置き忘れ|紛失|失われ|交付した|の(?:送信|送付|発送|配信)で、|(?:送る|送付する|発送する|封入する)際|混入し|障害が(?:起き|発生)|を(?:公開|掲載|送信|送付|発送)(?:。|$)|(?:送信|発送|送付|公開|掲載|配布|交付)(?:した|しました|いたし)|紛失し`)
)

// whenJA gives the times their parts.
func (r *reader) whenJA() {
	r.disclosedJA()
	for i := 0; i+1 < len(r.times); i++ { // periods first: they say more than a single day
		if w, last := r.times[i], r.times[i+1]; w.start && last.end && !w.moment.IsZero() && !last.moment.IsZero() && r.lines[w.line].section != secPast {
			r.windowJA(w, last, r.around(w, last, i+1))
		}
	}
	for i := 0; i < len(r.times); i++ {
		w := r.times[i]
		if w == r.baseAt || w.moment.IsZero() {
			continue
		}
		l := r.lines[w.line]
		if l.section == secContact || l.section == secPast || l.section == secSource {
			continue
		}
		last := w
		if w.start && i+1 < len(r.times) && r.times[i+1].end && !r.times[i+1].moment.IsZero() {
			i++
			last = r.times[i]
		}
		r.placeJA(w, last, r.around(w, last, i))
	}
	r.containedNext()
}

// context is what stands around a time within its sentence.
type context struct {
	before, after string // up to the times beside it
	sentence      string
	rest          string // up to the end of the sentence
	label         string // the line or heading above, where the time begins its line
	at            int    // where the sentence begins
	line          string // up to the end of the line or the next time, where the time begins its line
}

// around gives the context of the times first to last, the latter being number i.
func (r *reader) around(first, last *when, i int) context {
	s := r.sentenceAt(first.from)
	from, to := s.from, s.to
	for j := i - 1; j >= 0 && r.times[j].to > from; j-- {
		if r.times[j].to <= first.from {
			from = r.times[j].to
			break
		}
	}
	for j := i + 1; j < len(r.times) && r.times[j].from < to; j++ {
		if r.times[j].rel != onlyYear && !modifier.MatchString(r.s[min(r.times[j].to, s.to):s.to]) {
			to = r.times[j].from
			break
		}
	}
	c := context{before: r.s[from:first.from], sentence: r.s[s.from:s.to], at: s.from}
	if last.to <= to {
		c.after = firstBytes(r.s[last.to:to], 700)
	}
	c.rest = firstBytes(r.s[last.to:max(last.to, s.to)], 900)
	// What stands in brackets with a time is about it, and what follows them is not.
	if open := strings.LastIndexByte(c.before, '('); open >= 0 && !strings.Contains(c.before[open:], ")") {
		if end := strings.IndexByte(c.after, ')'); end >= 0 {
			c.before, c.after, c.rest = c.before[open+1:], c.after[:end], c.after[:end]
		}
	}
	l := r.lines[first.line]
	if leads := strings.Trim(r.s[l.from:first.from], " ・-●○■(") == ""; leads && last.to <= l.to {
		end := l.to
		if i+1 < len(r.times) && r.times[i+1].from < end {
			end = r.times[i+1].from
		}
		c.line = firstBytes(r.s[last.to:max(last.to, end)], 900)
	}
	if strings.TrimSpace(r.s[l.from:first.from]) == "" || markRE.MatchString(r.s[l.from:first.from]) {
		c.label = l.under
		if first.line > 0 {
			above := r.lines[first.line-1]
			if above.to-above.from < 60 {
				c.label = strings.Trim(r.s[above.from:above.to], "■◆●・【】:<>() ")
			}
		}
		// A list gives the time on one line and what happened on the next.
		if strings.TrimSpace(c.after) == "" && first.line+1 < len(r.lines) && l.section == secStory {
			next := r.lines[first.line+1]
			c.after = firstBytes(r.s[next.from:next.to], 400)
			c.rest = firstBytes(r.s[next.from:next.to], 900)
			for j := i + 1; j < len(r.times) && r.times[j].from < next.to; j++ {
				if r.times[j].from >= next.from {
					c.after = r.s[next.from:r.times[j].from]
					break
				}
			}
		}
	}
	return c
}

// modifier follows a time that only says which event is meant: 7月3日開催の教室.
var modifier = regexp.MustCompile(`^(?:に)?(?:開催|開始|実施|発売|施行|締切)(?:予定)?の`)

// sentenceAt finds the sentence that holds the byte.
func (r *reader) sentenceAt(at int) sentence {
	lo, hi := 0, len(r.sentences)
	for lo < hi {
		mid := (lo + hi) / 2
		if r.sentences[mid].to <= at {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(r.sentences) {
		return r.sentences[lo]
	}
	return sentence{at, at, 0}
}

var (
	sentWrong     = regexp.MustCompile(`一斉(?:に)?送信|誤って|誤送信し|(?:送信|送付|配信|発送|郵送|送)(?:する|した|の|る)?(?:際|とき|時)`)
	reportedLater = regexp.MustCompile(`^[、に]?[^。]{0,90}(?:から|より)[^。]{0,40}、\s?(?:同|去る)?$`)
	reportGot     = regexp.MustCompile(`(?:旨|との|という)の?(?:報告|連絡|指摘|通報)(?:を受|が|を頂|をいただ)`)
	toldIt        = regexp.MustCompile(`^に[^。]{0,80}旨の`)
	firstClause   = regexp.MustCompile(`^[^。、]*(?:、[^。、]{0,40})?(?:が、|。|$)`)
)

var asOfTail = regexp.MustCompile(`^\s?(?:時点|現在)`)

// placeJA proposes what happened at w, or from w to last.
func (r *reader) placeJA(w, last *when, c context) {
	if last != w {
		if !asOfTail.MatchString(c.after) && !r.has("persons-notified") && personRE.MatchString(c.before+c.after) && toldVerb.MatchString(c.after) && !notDone.MatchString(c.after) {
			r.moment("persons-notified", w, "")
		}
		return
	}
	if r.labelledJA(w, c) || r.besideJA(w, c) || r.turnedJA(w, c) {
		return
	}
	r.cutJA(w, c)
	if !r.has("discovered") && reportedLater.MatchString(c.after) && reportGot.MatchString(c.rest) || (!r.has("discovered") || w.moment.Exact()) && r.foundJA(c.after, c) {
		r.moment("discovered", w, "")
	}
	r.toldJA(w, c)
	if !r.has("window.start") && r.beganJA(c.after) {
		r.moment("window.start", w, "")
	}
}

// labelledJA proposes what the label before a time says it is, and reports whether there is one.
func (r *reader) labelledJA(w *when, c context) bool {
	if asOfTail.MatchString(c.after) || updatedTail.MatchString(c.after) {
		return true
	}
	if r.lines[w.line].section == secPrevention {
		if regulatorRE.MatchString(c.before+c.after) && reportVerb.MatchString(c.after) && !notDone.MatchString(c.after) {
			r.moment("regulator-notified", w, "")
		}
		return true
	}
	label := strings.TrimSpace(c.before)
	if label == "" {
		label = c.label
	}
	label = lastBytes(label, 80)
	switch {
	case len(label) >= 60:
		return false
	case foundLabel.MatchString(label) && !strings.Contains(label, "お客様"):
		r.moment("discovered", w, "")
		return true
	case startLabel.MatchString(label):
		r.moment("window.start", w, "")
		return true
	}
	return false
}

// besideJA reports a time that is none of the incident's: of a later report, a deadline, another event, a question, what is
// still to come.
func (r *reader) besideJA(w *when, c context) bool {
	if (laterReport.MatchString(c.after) || laterBefore.MatchString(c.before)) && !regulatorRE.MatchString(c.sentence) && !ministry.MatchString(c.sentence) {
		r.propose(incident.Fact{Key: "addendum", Item: "told-" + w.moment.Time.Format(time.DateOnly), Value: incident.Value{Text: plain(tidy(r.s[w.from:w.to] + firstBytes(c.after, 60))), Time: w.moment}}, w.from, w.to, w.doubt)
		return true
	}
	if untilThen.MatchString(c.after) {
		if cutVerb.MatchString(c.after) && !notDone.MatchString(c.after) {
			r.containedJA(w, c.after)
		}
		return true
	}
	if fromToday.MatchString(c.after) && w.moment.String() == r.base.String() && personRE.MatchString(c.before+c.after) && toldVerb.MatchString(c.after) {
		r.moment("persons-notified", w, "")
		return true
	}
	return otherEvent.MatchString(c.after) || r.question(c.sentence) || firstReport.MatchString(c.after) || negatedFind.MatchString(c.after) ||
		postscript.MatchString(c.after) && r.update && !privately.MatchString(firstClause.FindString(c.after)) ||
		strings.Contains(lastBytes(c.before, 30), "過去") ||
		notDone.MatchString(c.after) && !strings.Contains(c.after, "ました") && !strings.Contains(c.after, "した")
}

// turnedJA proposes what a sentence turned round says of a time: 確認したのは7月25日です.
func (r *reader) turnedJA(w *when, c context) bool {
	m := cleft.FindStringSubmatch(c.before)
	if m == nil {
		return false
	}
	switch {
	case foundVerb.MatchString(m[1]) && incidentNoun.MatchString(c.before):
		r.moment("discovered", w, "")
	case cutVerb.MatchString(m[1]):
		r.moment("contained", w, "")
	}
	return true
}

// cutJA proposes when sign-ins were blocked, or what was open was closed.
func (r *reader) cutJA(w *when, c context) {
	block := loginBlock.FindString(c.after)
	switch {
	case block != "" && !staffAccount.MatchString(c.after) && (strings.Contains(block, "ログイン") || usersRE.MatchString(c.sentence)),
		lockAfter.MatchString(c.after) && lockObject.MatchString(c.before):
		r.moment("login-blocked", w, "")
	case r.sentWrongly && gotBack.MatchString(c.after) && !foundVerb.MatchString(c.before):
		r.containedJA(w, c.after)
	case r.lines[w.line].section == secDamage:
	case cutVerb.MatchString(c.after), cutAfter.MatchString(c.after) && cutObject.MatchString(c.before):
		r.containedJA(w, c.after)
	case cutVerb.MatchString(c.line) && !notDone.MatchString(c.line):
		r.containedJA(w, c.line)
	}
}

// toldJA proposes when the regulator and those concerned were told.
func (r *reader) toldJA(w *when, c context) {
	if r.toRegulator(c.after, c) {
		r.moment("regulator-notified", w, "")
	}
	if label := strings.TrimSpace(c.before); personRE.MatchString(label+"に") && toldLabel.MatchString(label) {
		r.moment("persons-notified", w, "")
	}
	toThem := personRE.MatchString(c.before+c.after) || toPeople.MatchString(r.lines[w.line].under)
	wrongly := r.sentWrongly && !amends.MatchString(c.after) || sentWrong.MatchString(c.after) // this is the mail that went wrong
	if !r.has("persons-notified") && toThem && !wrongly && toldVerb.MatchString(c.after) && !notDone.MatchString(c.after) {
		r.moment("persons-notified", w, "")
	}
}

// beganJA reports whether what stands behind a time tells how it began.
func (r *reader) beganJA(after string) bool {
	if sinceRE.MatchString(after) && !toldVerb.MatchString(after) {
		return true
	}
	if r.foundFirst(after) {
		return false
	}
	if r.sentWrongly && sentVerb.MatchString(after) && !amends.MatchString(after) {
		return true
	}
	return occurred.MatchString(firstBytes(after, 500)) && !(amends.MatchString(after) && !leakStrong.MatchString(after)) &&
		!r.negative(firstClause.FindString(after)) && !elsewhere.MatchString(after)
}

// A date may stand between what was cut off and the verb: 決済を5月27日に停止しました.
var (
	cutAfter  = regexp.MustCompile(`^(?:中)?に(?:緊急|一時|全面)?(?:停止|閉鎖|遮断|解除|削除|非公開(?:に|と|へ)(?:し|いた|変更|設定|切)|休止|凍結|修正)`)
	cutObject = regexp.MustCompile(`(?:サイト|サービス|決済|公開|アクセス|接続|ページ|サーバー?|ネットワーク|通信|アカウント|フォーム|ファイル|設定)[^。、]{0,10}を$`)
)

// otherEvent is what a date may tell of besides: a service's beginning, the end of an inquiry.
var otherEvent = regexp.MustCompile(`^\s?(?:に|より|から)?(?:サービス|受付)?(?:を)?(?:開設|開始|設立|入社|入職|締結|施行|発売|リリース|終了|完了|受領|改正|発足|着任|退職|開催|募集)`)

// untilThen is a day by which something was so: 12月7日までに21名から.
var untilThen = regexp.MustCompile(`^(?:頃|ごろ)?まで(?:に|の)`)

// cleft turns a sentence round: 確認したのは7月25日です.
var cleft = regexp.MustCompile(`([^。、]{2,40}(?:した|た|れた))のは、?$`)

var (
	// sentVerb is the sending that went wrong, where the text is about one; amends are the mails that apologise for it.
	sentVerb = regexp.MustCompile(`^[^。]{0,120}(?:送信|送付|送り|送っ|送る|発送|メールし|配布|交付|郵送|添付し|渡し)`)
	amends   = regexp.MustCompile(`おわび|お詫び|謝罪|削除|依頼|再送|回収|訂正|経過|説明`)
)

// sinceRE is a beginning of which the text gives no end: 8月15日1時29分から、大量のアクセスがあり.
var sinceRE = regexp.MustCompile(`^(?:頃|ごろ)?(?:から|より|以降)、?[^。、]{0,40}(?:不正|攻撃|侵入|アクセスが|閲覧でき|公開され|見られる)`)

// ministry is whom reports are made to, whose numbers are not those of announcements.
var ministry = regexp.MustCompile(`[都道府県省庁]に|監督`)

var (
	lockAfter  = regexp.MustCompile(`^(?:中)?に(?:パスワードを無効化|ロック|凍結|利用(?:を)?停止|停止|無効化)`)
	lockObject = regexp.MustCompile(`(?:ログインされた|ログインを受けた|会員|お客様の?|対象の?|該当の?)[^。、]{0,8}(?:アカウント|ID)(?:を|は|については|につきましては)、?$`)
)

// usersRE are those who sign in.
var usersRE = regexp.MustCompile(`お客様|お客さま|会員|ユーザー|利用者|対象者|不正ログイン|ログイン`)

// atOnce begins a sentence on what was done right after what the one before it tells.
var atOnce = regexp.MustCompile(`^(?:当社|弊社|本学|当院|当法人|本市|これを受け|その後)?(?:は|では)?、?(?:これを受け、)?(?:直ちに|ただちに|即座に|速やかに|即時に|すぐに)`)

// containedNext proposes the day of the sentence before for what was done at once.
func (r *reader) containedNext() {
	for i := 1; i < len(r.sentences) && !r.has("contained"); i++ {
		s, before := r.sentences[i], r.sentences[i-1]
		part := r.s[s.from:s.to]
		if s.line != before.line || !atOnce.MatchString(part) || !cutVerb.MatchString(part) || notDone.MatchString(part) {
			continue
		}
		for i := len(r.times) - 1; i >= 0; i-- {
			w := r.times[i]
			if w.from >= s.from {
				continue
			}
			if w.from < before.from {
				break
			}
			if !r.has("contained") && !w.moment.IsZero() && w.moment.Precision != incident.Month && foundVerb.MatchString(r.s[w.to:before.to]) {
				v := *w
				v.hh = -1
				t := v.moment.Time
				v.set(t.Year(), int(t.Month()), t.Day(), r.zone)
				r.moment("contained", &v, "")
			}
		}
	}
}

// staffAccount is one that somebody of the organisation's own used.
var staffAccount = regexp.MustCompile(`(?:メール|職員|社員|教員|従業員|管理者|業務用?)の?アカウント`)

// elsewhere is what a date tells of besides the occurrence: an event, or that somebody said so.
var elsewhere = regexp.MustCompile(`(?:お知らせ|お詫び|おわび|本件|プレスリリース|調査結果|報告書)[^。、]{0,12}を(?:公開|掲載|公表|発表|送付|発送)|^に?(?:開催|実施|行わ|行う|予定|発売|締結|入社|退職|公表)|^[、は].{0,400}旨の(?:公表|連絡|報告)`)

// toldLabel ends a line of a table that says when people were told.
var toldLabel = regexp.MustCompile(`への(?:個別の?)?(?:ご連絡|連絡|通知|ご通知|お知らせ)\s?[:|]?$`)

// toPeople heads the part on telling those concerned.
var toPeople = regexp.MustCompile(`(?:対象となる方|皆様|皆さま|お客様|お客さま|対象の?方|該当する方|会員様?|組合員様?|本人|申請者の?皆さま|対象者)(?:へ|に)の(?:個別の)?(?:ご?連絡|ご?対応|お知らせ|通知|お詫び)|個別の?ご?連絡|お知らせの方法`)

// fromToday begins what starts on the day of the notice: 本日より封書にてご連絡いたします.
var fromToday = regexp.MustCompile(`^(?:より|から)`)

// otherOffice is told besides the regulator.
var otherOffice = regexp.MustCompile(`^(?:に|、)?[^。、]{0,24}(?:警察|署|[市県町村区](?:役所|の|に|へ)|カード会社|取引先|お客様)`)

// toRegulator reports whether a time is that of the report to the regulator: named between it and the next time, or before it
// where nobody else is told.
func (r *reader) toRegulator(after string, c context) bool {
	if notDone.MatchString(after) || r.reportedLater(after) {
		return false
	}
	if m := regulatorRE.FindStringIndex(after); m != nil {
		return reportVerb.MatchString(c.rest) && !didBefore.MatchString(after[:m[0]])
	}
	if !regulatorRE.MatchString(c.before) || otherOffice.MatchString(after) {
		return false
	}
	return reportVerb.MatchString(after) || reportNoun.MatchString(c.before) && (strings.TrimSpace(after) == "" || doneOn.MatchString(after))
}

var (
	reportNoun = regexp.MustCompile(`(?:報告|届出|届け出|速報|確報)(?:を)?\s?[:|]?\s?$`)
	didBefore  = regexp.MustCompile(`(?:相談し|届け出|通報し|設置し|停止し|遮断し)`)
	doneOn     = regexp.MustCompile(`^\s?(?:に(?:行|実施|完了|済)|\(|付|[。|])`)
)

// reportedLater reports whether the report to a regulator follows a discovery in the same sentence: then its own day is not said.
func (r *reader) reportedLater(after string) bool {
	m := regulatorRE.FindStringIndex(after)
	return m != nil && foundVerb.MatchString(after[:m[0]]) && !sameDayRE.MatchString(after[:m[0]])
}

var sameDayRE = regexp.MustCompile(`同日|即日|その日|直ちに`)

// surelyFound needs no word for what was found.
var surelyFound = regexp.MustCompile(`^[、に]?[^。]{0,30}(?:方|様|者|会社|機関|センター|従業員|社員|職員)(?:から|より)の?[^。]{0,60}(?:連絡|指摘|通報|報告|申し出)(?:を受け|により(?:事態を)?(?:認識|把握|判明|発覚))|^[、に]?[^。、]{0,12}(?:お客様|お客さま|会員様?|利用者|カード会社|決済代行会社|警察|取引先|市民の方|受信者|保護者)[^。]{0,24}(?:より|から)[^。]{0,120}(?:連絡|問い?合わ?せ|指摘|通報|申し出|電話)(?:を(?:受け|いただ|頂)|が(?:あ|入|寄))|^[^。]{0,120}(?:(?:連絡|指摘|通報|点検|調査|問い?合わ?せ|申し出|電話|申告|通報|照会|確認)(?:の結果、|により|によって|で|から|があり|を受け)[^。]{0,12}判明|発覚し|に気[づ付])`)

var fromWhom = regexp.MustCompile(`^\s?[^。、]{0,30}から(?:の)?(?:報告|連絡|指摘)\s?。?$|^\s?[^。]{0,40}(?:から|より)[^。]{0,80}(?:との?|旨の)(?:お電話|電話|ご?相談|ご?連絡|ご?指摘|ご?報告|お問い合わせ|通報)\s?。?$`)

var (
	// foundHead heads the part on the discovery, in which the first word from outside is it.
	foundHead = regexp.MustCompile(`(?:発覚|判明|発見|覚知|把握)`)
	cameIn    = regexp.MustCompile(`^[^。]{0,60}(?:から|より)[^。]{0,160}(?:受け|いただ|頂|あり|届|入|寄せ)`)
	// occurredThen says what had happened on a day, found out later: 5月19日に侵入していたことが判明.
	occurredThen = regexp.MustCompile(`^に、?[^。、]{0,90}(?:し|され|れ)ていた(?:こと|もの)|^に(?:発生|起き)|^に(?:発送|送付|送信|配布|交付|掲載|公開|配信|郵送|提出)し(?:た|て)|^(?:より|から)(?:休止|停止|閉鎖)`)
)

var goodNews = regexp.MustCompile(`(?:安全性?|復旧|完了|正常|ないこと|削除|回収|受領)(?:の状態)?(?:を|が|であることを|したことを|されたことを|されていることを)$`)

// foundJA reports whether what stands behind a time tells of the discovery.
func (r *reader) foundJA(after string, c context) bool {
	m := foundVerb.FindStringIndex(after)
	if toldIt.MatchString(after) || occurredThen.MatchString(after) {
		return false
	}
	if r.lines[r.sentenceAt(c.at).line].section == secStory && fromWhom.MatchString(after) {
		return true
	}
	if m != nil && (surelyFound.MatchString(after) || foundHead.MatchString(r.lines[r.sentenceAt(c.at).line].under) && !goodNews.MatchString(after[:m[0]])) {
		return true
	}
	if foundHead.MatchString(r.lines[r.sentenceAt(c.at).line].under) && cameIn.MatchString(after) && !r.negative(firstClause.FindString(after)) {
		return true
	}
	if m == nil || !incidentNoun.MatchString(after) && !incidentNoun.MatchString(c.before) {
		return false
	}
	// 復旧を確認, 安全を確認, 完了を確認: not what was discovered.
	if strings.Contains(after[m[0]:m[1]], "確認") && goodNews.MatchString(after[:m[0]]) {
		return false
	}
	return true
}

// foundFirst reports whether the discovery is told before the occurrence.
func (r *reader) foundFirst(after string) bool {
	if toldIt.MatchString(after) || occurredThen.MatchString(after) {
		return false
	}
	if factFound.MatchString(after) {
		return true
	}
	f, o := foundVerb.FindStringIndex(after), occurred.FindStringIndex(after)
	return f != nil && (o == nil || f[0] < o[1]+30)
}

// factFound makes the whole sentence one on a discovery: 3月4日、...されている事実を確認.
var factFound = regexp.MustCompile(`^[、に\s][^。]{0,200}(?:(?:事実|こと)(?:を|が)(?:確認|検知|発見|判明)|(?:事実|こと|の)を[^。、]{0,30}(?:が|は)(?:確認|検知|発見|認知|把握))`)

// containedJA proposes when it was cut off. Where the verb is not the first thing that happened at a time of day, only
// the day is known.
func (r *reader) containedJA(w *when, after string) {
	if r.has("contained") {
		return
	}
	v := *w
	m := cutVerb.FindStringIndex(after)
	if m == nil {
		m = gotBack.FindStringIndex(after)
	}
	if m != nil && (foundVerb.MatchString(after[:m[0]]) && !rightThen.MatchString(after[:m[0]]) || sameDay.MatchString(after[:m[1]])) && v.moment.Exact() {
		v.hh = -1
		t := v.moment.Time
		v.set(t.Year(), int(t.Month()), t.Day(), r.zone)
	}
	r.moment("contained", &v, "")
}

// rightThen says that what was done was done at the time of the discovery.
var rightThen = regexp.MustCompile(`(?:直ちに|ただちに|すぐに|即座に)[^。]{0,40}$`)

// gotBack ends what was handed to the wrong person.
var gotBack = regexp.MustCompile(`(?:書類|通知書|封書|文書|証書|全て|すべて|もの)を?[^。、]{0,10}回収(?:し|いた|。|$)`)

// sameDay says that something happened on the day, not at the time.
var sameDay = regexp.MustCompile(`その日のうち|同日中|当日中|同日のうち|即日`)

// visited is how people were told over several days.
var visited = regexp.MustCompile(`^[^。]{0,60}(?:訪問し|電話し|連絡し|お渡しし|回収し)`)

// windowJA proposes the period in which it happened.
func (r *reader) windowJA(w, last *when, c context) {
	if w.moment.Precision == 0 || r.lines[w.line].section == secContact {
		return
	}
	near := lastBytes(c.before, 150) + c.after + c.label
	ok := windowNoun.MatchString(near)
	if (notPeriod.MatchString(c.after) || openPeriod.MatchString(c.before) || whoPeriod.MatchString(c.after)) && !cardPaid.MatchString(near) && !startLabel.MatchString(c.label) {
		ok = false
	}
	if toldUs.MatchString(c.after) && !strings.Contains(c.after, "不正") {
		ok = false
	}
	if amends.MatchString(firstClause.FindString(c.after)) || visited.MatchString(c.after) {
		ok = false
	}
	if !ok || endOf(last.moment).Before(w.moment.Time) {
		return
	}
	certainty := incident.Confirmed
	if strings.Contains(c.after, "可能性") && !strings.Contains(c.after, "確認") {
		certainty = incident.Possible
	}
	if !r.has("window.start") {
		r.moment("window.start", w, certainty)
		r.moment("window.end", last, certainty)
	}
}
