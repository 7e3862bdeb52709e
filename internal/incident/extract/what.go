package extract

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"shirase/internal/incident"
)

// termsJA are tried at each place in this order: what is longer or more special first.
var termsJA = regexp.MustCompile(strings.Join([]string{
	`(?P<skip>パスワードの?(?:再設定|変更|リセット|設定|初期化|管理|使い回し|リスト|強化|入力|更新)|パスワードを(?:変更|再設定|リセット|使い回|設定|入力|更新)|パスワードリスト|メールアドレス宛|カード会社|年齢確認|(?:氏名|お?名前)と推測|(?:VPN|機器|管理者?|保守|端末|サーバー?|管理画面|ルーター?)[^。、]{0,14}(?:ID|パスワード)|(?:ID|アカウント|メールアドレス)(?:と|・|及び|および|/)\s?パスワードを(?:用い|使っ|使用|利用|悪用)|(?:他社|他の|外部|別の|第三者)[^。、]{0,30}(?:ID|アカウント|メールアドレス)[^。、]{0,8}(?:と|・|及び|および|/)\s?パスワード|(?:社員|職員|管理者|従業員)の(?:ID|アカウント)(?:と|及び|および)パスワード|パスワードによる|給与計算|パスワード(?:が|は|を)(?:かけ|かか|設定|付)|パスワード(?:付き|保護|設定|ロック)|トークン(?:決済|化)|メールアドレスには|クレジットカード(?:会社|決済|払い|の不正利用|の再発行|の差し替え|発行会社)|住所地|氏名不詳|メールアドレスに(?:対|メール|送)|(?:メール)?アドレスが(?:不正|悪用)|なりすましメール|FAX番号|ファッ?クス番号|電話番号[:：]|住所[:：]\s?〒|メールアドレス[:：])`,
	`(?P<hashed>(?:ログイン|会員|アカウント)パスワード(?:の?ハッシュ(?:値)?|\s?\((?:[^()]{0,20})(?:ハッシュ|不可逆)[^()]{0,40}\))|(?:不可逆(?:的)?な?(?:暗号化|ハッシュ化?|変換)?(?:さ|を)?(?:れた|施した|した)?|ハッシュ(?:化|値化)?(?:さ|を)?(?:れた|施した|した)?|ハッシュ化済み?の?)\s?(?:状態の|ログイン|アカウントの?)?パスワード|パスワード(?:の?ハッシュ(?:値)?|\s?\((?:[^()]{0,20})(?:ハッシュ|不可逆)[^()]{0,40}\)))`,
	`(?P<encrypted>(?:ログイン|会員|アカウント)パスワード\s?\((?:[^()]{0,20})暗号化(?:されて|された|済|した|処理)?[^()]{0,20}\)|(?:暗号化|符号化)(?:さ|を)?(?:れた|済み?の?|施した)?\s?(?:ログイン|アカウント)?パスワード|パスワード\s?\((?:[^()]{0,20})暗号化(?:されて|済|した|処理)?[^()]{0,20}\))`,
	`(?P<readable>平文の?パスワード|暗号化されていない\s?パスワード|パスワード\s?\(平文[^()]{0,10}\))`,
	`(?P<question>秘密の(?:質問|答え?)(?:と(?:その)?(?:答え|回答))?|パスワードの?ヒント)`,
	`(?P<pin>暗証番号)`,
	`(?P<password>(?:ログイン|会員|アカウント)?パスワード)`,
	`(?P<code>セキュリティ[・ ]?コード|CVV|CVC)`,
	`(?P<partial>カードの?番号の一部(?:\([^()]{0,12}\))?|(?:クレジット)?カード(?:番号)?の?\s?\(?(?:下|末尾|上|一部)\s?\d?\s?桁?(?:のみ|だけ)?\)?|カード番号\s?\((?:下|末尾|一部)[^()]{0,16}\))`,
	`(?P<nickname>(?:アカウント名\s?\(ニックネーム\)|ニックネーム|ハンドルネーム|ハンドル名|表示名|ペンネーム))`,
	`(?P<card>(?:クレジット)?カード(?:会員)?(?:情報|氏名|番号|名義人?(?:名|氏名)?|の?有効期限|会員名|決済情報)|(?:クレジットカード)の?(?:番号|有効期限|名義)|クレジットカード|カードの?(?:番号|有効期限|名義)|有効期限)`,
	`(?P<bank>(?:保険料の)?振替口座(?:の番号)?|(?:給与)?振込[先元]?の?口座|口座の情報|(?:金融機関|銀行|振込先|引落|返金先|振替)?(?:の)?口座(?:番号|情報|名義人?)|(?:金融機関|銀行|振込先|引落)の?口座|銀行名|預金種[別目])`,
	`(?P<insurance>健康保険の?(?:記号|番号)(?:・番号)?|(?:健康)?保険(?:証|者証)(?:番号|情報|の?記号番号|等?の?番号)?|被保険者(?:証)?(?:記号)?・?番号|被保険者証|保険者番号)`,
	`(?P<payments>取引(?:金額|記録|内容|日時?|明細表?)|払込(?:金額|額)|(?:チャージ|引き落とし)履歴|(?:お?支払い?|決済|入出金|入金|引き?落とし?|振込|納付|請求)の?(?:履歴|記録|金額|額|状況)|ご?(?:利用|請求)(?:料金|金額|額)|取引履歴)`,
	`(?P<finances>年収|収入(?:・支出)?(?:金額|額|状況)?|所得(?:金額|額|情報)?|資産(?:額|情報)?|借入(?:額|金額|残高)?|残高|助成(?:決定)?額|補助金額|給付額|税額|納税額|滞納(?:額|情報)?|奨学金|給与(?:額|情報|明細)?|報酬額|保険料額?|評価額|手当額?)`,
	`(?P<national>マイナンバー(?:カード番号)?|個人番号|基礎年金番号|在留カード番号?)`,
	`(?P<licence>運転免許証?(?:番号|情報|の画像)?|免許証(?:番号|情報|の画像))`,
	`(?P<passport>パスポート(?:番号|情報)?|旅券番号)`,
	`(?P<email>(?:電子|E-?|e-?|携帯)?\s?メール\s?アドレス|メアド|[Ee]-?[Mm]ail\s?アドレス|[Ee]-?[Mm]ail|(?:電子)メール(?:のアドレス))`,
	`(?P<phone>(?:携帯|自宅|固定)?電話番号|携帯番号|TEL番号)`,
	`(?P<birth>生年月日|誕生日|生年)`,
	`(?P<gender>性別)`,
	`(?P<age>年齢|年代|満年齢|月齢)`,
	`(?P<nationality>国籍|出生地|出身国|出身地|本籍(?:地)?)`,
	`(?P<family>家族(?:構成|情報|の?氏名|関係|状況|名)|続柄|世帯(?:構成|員|情報)|婚姻(?:状況|歴)?|配偶者|扶養(?:者|家族|状況)|緊急連絡先|保護者の?情報)`,
	`(?P<jobs>履歴書|職務経歴(?:書)?|志望動機|応募(?:書類|情報|内容|履歴)|エントリーシート|選考(?:結果|状況)|採用(?:情報|選考))`,
	`(?P<education>学歴|成績(?:の一部|表|情報)?|(?:所属|出身|在籍|在学)?(?:学校|校)(?:名|情報)|学年|(?:在籍|所属)?学部|学科名?|(?:最終)?卒業(?:校|年)|評定|試験(?:結果|の点数)|点数|採点結果|得点|出身校(?:情報)?|組・?番号|クラス名?|出席(?:状況|番号)|欠席(?:日|状況)|(?:中学|高等学?|小学)校名|在籍校|指導要録|通知表|単位(?:修得|取得)状況)`,
	`(?P<loyalty>(?:保有)?ポイント(?:数|残高|の?(?:取得|利用|付与|交換)(?:・?利用)?(?:の)?履歴|情報)|会員(?:種別|ランク|区分|ステータス|期限)|マイル(?:数|残高)?)`,
	`(?P<device>(?:通信)?端末の識別番号|端末(?:識別番号|識別子|情報|ID|番号|名)|デバイス(?:情報|ID)|OS(?:情報|名)|ブラウザー?(?:情報|の種類)|MACアドレス|機種名|広告ID)`,
	`(?P<location>走行(?:位置|履歴)(?:の履歴)?|位置情報|居住(?:地域|エリア|都道府県)|GPS情報|緯度経度)`,
	`(?P<credential>認証情報|ログイン情報|(?:ID|アカウント)と?・?パスワード以外の認証|資格情報)`,
	`(?P<token>(?:アクセス|認証|ログイン|決済用?)?トークン(?:[、・。)]|$)|APIキー|秘密鍵|暗号鍵|セッション(?:ID|情報)|Cookie(?:情報)?|クッキー(?:情報)?)`,
	`(?P<biometric>指紋|顔(?:認証|特徴)(?:データ|情報)?|静脈|虹彩|生体(?:認証)?情報|声紋)`,
	`(?P<photo>顔写真|写真(?:画像|データ)?|プロフィール画像|画像データ|肖像)`,
	`(?P<recording>録音(?:データ|音声)?|録画|通話(?:録音|音声)|防犯カメラ(?:の)?映像|動画)`,
	`(?P<idcard>身分証(?:明書)?(?:の?画像|の?写し|番号)?|(?:本人|年齢)確認(?:書類|資料)(?:の?画像|の?写し)?)`,
	`(?P<social>SNS(?:の)?(?:アカウント(?:名|情報)?|ID)|(?:Twitter|X|Instagram|Facebook|LINE)(?:の)?(?:アカウント|ID)(?:名|情報)?)`,
	`(?P<travel>宿泊予約(?:の内容|情報)?|搭乗(?:記録|履歴|便|情報)|旅程|宿泊(?:日|履歴|情報|者情報)|旅行(?:日程|先|履歴)|乗車(?:履歴|記録)|渡航(?:歴|先)|便名)`,
	`(?P<profile>趣味(?:・嗜好)?|自己紹介(?:文)?|プロフィール(?:情報)?|アンケート(?:の)?(?:回答|結果|内容|情報)(?:内容)?|嗜好)`,
	`(?P<activity>(?:サービス|サイト|アプリ)の?(?:利用|閲覧)(?:履歴|状況|記録)|(?:閲覧|利用|視聴|検索|操作|ログイン|アクセス|行動)(?:履歴|ログ|記録)|通信ログ)`,
	`(?P<religion>信仰|宗教|宗派)`,
	`(?P<ethnicity>人種|民族)`,
	`(?P<source>ソースコード)`,
	`(?P<vehicle>お車の登録番号|車両の登録番号|(?:車種|車名)(?:及び|および|・|、)登録番号|車両(?:情報|番号|登録番号)|自動車(?:登録番号|車台番号|検査証)|ナンバープレート|車台番号|車検証|登録車両|車種)`,
	`(?P<accountid>(?:ログイン|会員|ユーザー?|アカウント|顧客|お客様|お客さま|患者|利用者|学生|生徒|職員|社員|管理|加盟店|店舗|ショップ|契約|契約者|メンバー|Twitter|SNS|LINE|X)\s?(?:の)?(?:ID|番号|コード)|(?:ログイン|ユーザー?|アカウント|メンバー|Twitter|SNS|登録)\s?名|学修番号|契約番号|お客様コード|学籍番号|診察券番号|受験番号|社員番号|従業員番号)`,
	`(?P<ip>IP\s?アドレス)`,
	`(?P<employer>(?:お)?勤務先(?:名|情報|の?名称)?|勤め先|会社名|御社名|貴社名|企業名|法人名|所属(?:先|企業|会社|組織|団体|部署|機関)(?:名)?|団体名|部署名?)`,
	`(?P<occupation>職業|役職名?|職種|職位)`,
	`(?P<health>病名|傷病名?|診断(?:名|結果|書|内容)|病歴|既往歴|診療(?:情報|内容|記録|録|科)|検査(?:結果|データ|値|内容|情報|日|画像)|投薬(?:情報|内容)?|処方(?:箋|内容|薬|情報)?|健康診断(?:の?結果|情報)?|健診の?(?:結果|情報)|健康診断の?結果|健康(?:調査|観察|状態)(?:の?結果|票|表)?|病状|看護(?:情報|記録)|容体|服薬|既往|既往症|カルテ(?:情報|データ|の(?:内容|情報|記載))|治療(?:内容|経過|情報)|アレルギー|障害(?:名|の程度|等級|者手帳)|手術(?:記録|内容|日)|要介護度|医療情報|健康情報|症状|疾患名?|感染症(?:の)?情報)`,
	`(?P<purchase>(?:ご)?(?:購入|購買|注文|利用|取引|予約|配送|申込|お買い?上げ)の?(?:履歴|商品名?|明細|内容|情報|金額|日時?)|ご?注文(?:番号|品))`,
	`(?P<message>(?:メッセージ|メール|お?問い?合わ?せ|相談|トーク|チャット|投稿|通信|DM|ダイレクトメッセージ)の?(?:の)?(?:内容|本文|履歴|文面|件名))`,
	`(?P<address>居住(?:市区?町村?名?|地)|(?:自宅|現|ご|お届け先|送付先|配送先|送り先|居)?住所|郵便番号|居住地)`,
	`(?P<name>(?:ご)?(?:お)?(?:氏名|名前|芳名|姓名|本名)|(?:患者|児童|生徒|学生|利用者|申込者|参加者|受講者|保護者|担当者|会員|契約者|職員|社員|代表者|顧客|お客様|お客さま|受信者|ご?契約者|加入者|個人|園児|使用者|購入者|応募者|対象者|ご担当者|配送先|送付先)(?:様)?(?:の)?名(?:前)?|フルネーム)`,
}, "|"))

// classOf names the vocabulary's word of a group.
var classOf = map[string]string{
	"hashed": "password:hashed", "encrypted": "password:encrypted", "readable": "password:plain", "password": "password", "nickname": "nickname",
	"card": "payment-card", "bank": "bank-account", "insurance": "insurance-number", "national": "national-id", "email": "email", "phone": "phone",
	"birth": "birth-date", "gender": "gender", "accountid": "account-id", "ip": "ip-address", "employer": "employer", "occupation": "occupation",
	"health": "health", "passport": "passport", "licence": "driving-licence", "vehicle": "vehicle", "purchase": "purchase-history", "message": "message-content", "address": "address", "name": "name",
	"question": "security-question", "pin": "pin", "code": "payment-card:code", "partial": "payment-card:partial", "payments": "payment-history",
	"finances": "finances", "age": "age", "nationality": "nationality", "family": "family", "jobs": "job-application", "education": "education",
	"loyalty": "loyalty", "device": "device", "location": "location", "credential": "credential", "token": "auth-token", "biometric": "biometric",
	"photo": "photo", "recording": "recording", "idcard": "identity-document", "social": "social-profile", "travel": "travel", "profile": "profile",
	"activity": "activity", "religion": "religion", "ethnicity": "ethnicity", "source": "source-code",
}

// found is a class named in the text.
type mention struct {
	word     string
	from, to int
}

// mentions finds the classes that s[from:to] names.
func mentions(re *regexp.Regexp, s string, from, to int) []mention {
	var out []mention
	names := re.SubexpNames()
	for _, m := range re.FindAllStringSubmatchIndex(s[from:to], 200) {
		for g := 1; g < len(names); g++ {
			if names[g] == "" || m[2*g] < 0 || names[g] == "skip" {
				continue
			}
			if word := classOf[names[g]]; incident.KnownClass(word) {
				out = append(out, mention{word, from + m[0], from + m[1]})
			}
		}
	}
	return out
}

var (
	leakVerb = regexp.MustCompile(`見られ|見え|見ること|載って|載せ|入って|書かれ|書いて|記して|読まれ|取られ|知らせてしま|話して|漏らし|流出|漏えい|漏洩|漏れ|閲覧(?:さ|でき|可能|した|され)|見え|表示され|誤送信|(?:誤って|間違って|別の|異なる|他の|第三者).{0,80}(?:送信|送付|交付|公開|掲載|配布|添付|渡|表示|配信|発送|郵送)|紛失|盗難|盗まれ|取得され|窃取|抜き取|外部(?:に|へ).{0,10}(?:送信|転送|持ち出)|記載(?:され|して|が|の)|記録(?:され|して)|保存(?:され|して)|含まれ(?:て(?:いた|いる|おり|います|いました)|る|た)|含む|持ち出|アクセス(?:さ|でき|可能)|窃取|公開(?:され|して|状態)|掲載(?:され|して|し)|引き出され|取り出され|置き忘れ|所在不明|暗号化され|不正に(?:取得|利用|入手|閲覧)`)
	// What ends a clause whose predicate denies, and where the clause began.
	denied        = regexp.MustCompile(`含まれて?(?:おりません|いません|いない|おらず|ません|ない)|含んで(?:おりません|いません|いない|おらず)|(?:流出|漏えい|漏洩|閲覧|取得|漏れ|影響)(?:し|さ?れ|いたし)?(?:た事実|た可能性|の可能性|の事実)?(?:は|も|が)?(?:て)?(?:一切)?(?:おりません|いません|いない|おらず|なかった|ございません|ありません|ない|ません)|(?:確認|保有|保持|保存|保管|記載|登録|公開|表示|取得|記録|掲載|設定|認め|取り扱|管理|提供)(?:は|も)?(?:られ|さ?れ|し|いたし|して|っ)て?(?:おりません|いません|いない|おらず|なかった|ません|ない)|対象外|対象では(?:ございません|ありません|ない)|影響(?:は|も)?(?:一切)?(?:ございません|ありません|ない)|無関係|該当(?:し|いたし)ません|を?除[くきい]|以外(?:の|は|に)|入って(?:い|おり)ません|載(?:っ|せ)て(?:い|おり)ません|(?:跡|形跡|痕跡|こと|事実)は(?:一切)?(?:ありません|ございません)|(?:は|も)(?:一切)?(?:ありません|ございません)|見つかって(?:い|おり)ません|見られて(?:い|おり)ません|(?:表示|閲覧|保存)され(?:ない|ず)|(?:痕跡|形跡|事実|おそれ|恐れ|可能性)(?:は|も)(?:なく|ない)|認められ(?:ない|ません)|無し|なし(?:。|$|\))|伏せ|マスキング|入って(?:おりません|いません|いない)`)
	clauseEdge    = regexp.MustCompile(`(?:が|ものの|ており|であり|一方で?|ただし|なお|また)、|。|;`)
	topicRE       = regexp.MustCompile(`(?:^|[^にでとへの])[はがも]`)
	adviceRE      = regexp.MustCompile(`ください|下さい|お願い|注意|ご変更|再設定|使い回|推奨|お勧め|おすすめ|詐|装っ|かたる|騙|お尋ね|聞き出|お聞き|求め(?:る|られ)|ことはありません|ことはございません|お問い?合わ?せ|本人確認|電話番号\s?[:]|メールアドレス\s?[:]|入力(?:する|せず|し)|登録(?:する|されて)いる(?:お客様|方)`)
	announceItems = regexp.MustCompile(`(?:流出|漏えい|漏洩|漏れ|閲覧|対象|含まれ|記載|該当|紛失|誤送信|保存|送信|公開|取得|影響).{0,60}(?:情報|項目|データ|内容)`)
)

// classesJA proposes which data were exposed: what the part on data lists, and what sentences say was lost. A clause that
// denies, and advice on what to do, name the same words and count for nothing.
func (r *reader) classesJA() {
	denied := map[string]bool{}
	type hit struct {
		mention
		possible bool
	}
	var hits []hit
	announced, possible, line := false, false, -1
	for _, s := range r.sentences {
		l := r.lines[s.line]
		part := r.s[s.from:s.to]
		switch {
		case l.section == secNot:
			for _, m := range mentions(termsJA, r.s, s.from, s.to) {
				denied[m.word] = true
			}
			continue
		case l.section == secContact || l.section == secPast || l.section == secPrevention || l.section == secSource || l.section == secDamage:
			continue
		case s.line != line && l.heading && !strings.ContainsAny(part, ":("):
			announced = false
			possible = possibleJA.MatchString(part)
		}
		if r.question(part) {
			continue
		}
		yes, no := r.sides(s)
		for _, m := range no {
			denied[m.word] = true
		}
		if s.line == line && announced {
			l.list = true // announced in the same line
		}
		line = s.line
		if len(yes) > 0 && r.exposing(part, l, announced, yes) {
			for _, m := range yes {
				if slices.Contains(weak, m.word) && l.section != secItems && !announced && !r.enumerates(yes) {
					continue // how they got in, not what was taken
				}
				hits = append(hits, hit{m, possibleJA.MatchString(part) || l.section == secItems && possibleJA.MatchString(l.under) || (l.list && announced || l.section == secItems) && possible})
			}
		}
		if announceRE.MatchString(lastBytes(part, 200)) {
			announced = announceItems.MatchString(part) && !r.negative(part)
			possible = possibleJA.MatchString(part)
		} else if !l.list {
			announced = false
		}
	}
	if r.takenBack() {
		return
	}
	if len(hits) == 0 {
		r.personalJA()
	}
	form := slices.ContainsFunc(hits, func(h hit) bool { return strings.HasPrefix(h.word, "password:") })
	for _, h := range hits {
		if form && h.word == "password" {
			continue // said in what form they were
		}
		certainty := incident.Confirmed
		if h.possible {
			certainty = incident.Possible
		}
		doubt := ""
		if denied[h.word] {
			doubt = "elsewhere the text says that this was not included, at least of some"
		}
		r.propose(incident.Fact{Key: "data-class", Item: h.word, Value: incident.Value{Word: h.word}, Certainty: certainty}, h.from, h.to, doubt)
	}
}

// personalJA proposes that personal data were lost where the text says so and nowhere says which.
func (r *reader) personalJA() {
	for _, s := range r.sentences {
		l := r.lines[s.line]
		part := r.s[s.from:s.to]
		if l.section == secContact || l.section == secPast || l.section == secPrevention || l.section == secSource || l.section == secNot {
			continue
		}
		m := personalRE.FindStringIndex(part)
		if m == nil || r.negative(part) || denied.MatchString(part) || unsure.MatchString(part) || hypothetical.MatchString(part) || generalCase.MatchString(part) || adviceRE.MatchString(part) && !titled(part) {
			continue
		}
		certainty := incident.Confirmed
		if possibleJA.MatchString(part) {
			certainty = incident.Possible
		}
		r.propose(incident.Fact{Key: "data-class", Item: "personal", Value: incident.Value{Word: "personal"}, Certainty: certainty}, s.from+m[0], s.from+m[1], "")
		return
	}
}

var (
	personalRE = regexp.MustCompile(`(?:個人情報|個人データ|(?:お客様|お客さま|会員|顧客|患者|利用者)(?:の)?情報)[^。]{0,60}(?:流出|漏えい|漏洩|漏れ|紛失|閲覧|窃取|持ち出|見られ|外部へ|誤送信|誤送付)`)
	unsure     = regexp.MustCompile(`有無|調査中|確認中|かどうか|未確認|防止|対策|委員会|取り?扱`)
)

// takenBack reports a notice that says that nothing was lost after all.
func (r *reader) takenBack() bool { return takenBackRE.MatchString(r.s) }

var takenBackRE = regexp.MustCompile(`(?:流出|漏えい|漏洩)は(?:一切)?(?:なかった|ありませんでした|なく|発生していなかった|認められなかった)(?:こと|もの)?(?:が|を|と)(?:確認|判明|結論)`)

// weak are classes whose words also tell how somebody got in or what was looked at; they count only in a list.
var weak = []string{"credential", "auth-token", "activity", "profile", "photo", "recording", "source-code", "device"}

// exposing reports whether the classes named in a sentence are those that were lost.
func (r *reader) exposing(part string, l line, announced bool, yes []mention) bool {
	advice := adviceRE.MatchString(part) && !bccWord.MatchString(part)
	if advice && !leakStrong.MatchString(part) && (l.section != secItems || requestRE.MatchString(part)) {
		return false
	}
	if l.section == secItems || l.list && announced {
		return utf8.RuneCountInString(part) < 400
	}
	if l.section == secResponse && !strings.Contains(part, "流出") && !strings.Contains(part, "漏") {
		return false
	}
	if advice && !strings.Contains(part, "可能性") || hypothetical.MatchString(bracketed.ReplaceAllString(part, "")) {
		return false
	}
	return leakVerb.MatchString(part) || r.enumerates(yes)
}

// requestRE asks readers for something.
var requestRE = regexp.MustCompile(`ください|下さい|お願い(?:いた|申し)|ご注意|ことはありません|ことはございません`)

// enumerates reports whether classes stand side by side, as they do where a notice lists what was lost (氏名、住所、電話番号 ほか).
func (r *reader) enumerates(yes []mention) bool {
	for i := 1; i < len(yes); i++ {
		if gap := r.s[yes[i-1].to:max(yes[i-1].to, yes[i].from)]; yes[i].word != yes[i-1].word && besideRE.MatchString(gap) {
			return true
		}
	}
	return false
}

var (
	bracketed = regexp.MustCompile(`\([^()]*\)`)
	besideRE  = regexp.MustCompile(`^(?:\s?\([^()]{0,40}\))?(?:等|など)?\s?(?:[、・,/,|〕」』]|及び|および|並びに|ならびに|と|や|かつ|\s)+(?:その|当該|ご|お)?[「『〔]?$`)
)

var hypothetical = regexp.MustCompile(`場合(?:に|は|が|、)|他社(?:の)?サービス(?:から|で)|他(?:の|社)(?:サイト|サービス)|悪用され(?:る|た場合)|万が?一|お使いの|リスト型|使い回し|流用|他サイト|他サービス|認証を行|対策を`)

// sides parts the classes of a sentence into those that it affirms and those that it denies.
func (r *reader) sides(s sentence) (yes, no []mention) {
	all := mentions(termsJA, r.s, s.from, s.to)
	if len(all) == 0 {
		return nil, nil
	}
	part := r.s[s.from:s.to]
	type stretch struct{ from, to int }
	var not []stretch
	if m := notList.FindStringIndex(part); m != nil {
		not = append(not, stretch{s.from + m[0], s.to})
	}
	for _, m := range denied.FindAllStringIndex(part, 50) {
		from := 0
		word := part[m[0]:m[1]]
		if e := clauseEdge.FindAllStringIndex(part[:m[0]], -1); len(e) > 0 {
			k := len(e) - 1
			// "Xは一部のみ表示しており、閲覧されておりません": what follows without a topic of its own still speaks of X.
			for k >= 0 && strings.HasSuffix(part[:e[k][1]], "おり、") && !topicRE.MatchString(part[e[k][1]:m[0]]) {
				k--
			}
			if k >= 0 {
				from = e[k][1]
			}
		}
		// "X以外は流出していません" denies what is not X.
		if e := strings.LastIndex(part[from:m[0]], "以外"); e >= 0 {
			from += e + len("以外")
		} else if strings.HasPrefix(word, "以外") && stillDenied.MatchString(part[m[1]:]) {
			continue
		}
		// Inside brackets the denial holds for what stands there.
		if open := strings.LastIndexByte(part[:m[0]], '('); open >= from && !strings.Contains(part[open:m[0]], ")") {
			from = open
		} else if strings.Contains(word, "除") || strings.Contains(word, "以外") {
			// "Aを除くB、C": only A is meant; in a list before it too, but not what another clause says.
			if c := strings.LastIndexAny(part[from:m[0]], "("); c >= 0 {
				from += c
			}
		}
		not = append(not, stretch{s.from + from, s.from + m[1]})
	}
	for _, m := range all {
		deny := false
		for _, n := range not {
			deny = deny || m.from >= n.from && m.from < n.to
		}
		if deny {
			no = append(no, m)
		} else {
			yes = append(yes, m)
		}
	}
	return yes, no
}

// notList heads, in its own line, a list of what was not lost.
var notList = regexp.MustCompile(`(?:流出|漏えい|漏洩|含まれ|該当し?|閲覧され)(?:し|され)?て?(?:いない|ない)(?:個人)?(?:情報|項目|もの|データ)\s?[|:]`)

// stillDenied ends a clause that begins with 以外 and denies.
var stillDenied = regexp.MustCompile(`^[^。]{0,60}(?:ません|いない|おらず|なかった|ない(?:。|$))`)

// causesJA are the ways in which data are lost, the most telling first. A way that only advice, prevention or an
// explanation names does not count.
var causesJA = []struct {
	word string
	re   *regexp.Regexp
}{
	{"ransomware", regexp.MustCompile(`ランサムウェ?ア|身代金`)},
	{"web-skimming", regexp.MustCompile(`決済(?:画面|ページ|フォーム)[^。]{0,40}(?:不審|不正|悪意)(?:の?ある|な)?(?:プログラム|スクリプト|コード)|不正なスクリプト|決済(?:プログラム|処理|システム|アプリ)[^。]{0,24}(?:書き換え|改ざん)|(?:入力|注文|決済)(?:画面|フォーム|ページ)[^。]{0,30}(?:プログラム|スクリプト|細工|改ざん)|偽の(?:画面|ページ)を通じて|カード情報を(?:盗み取|詐取|抜き取)|カード情報を(?:盗み取|窃取|抜き取|詐取)[^。、]{0,6}(?:プログラム|スクリプト|仕組み)|決済(?:処理)?(?:用の?)?プログラム(?:の|など(?:の|を)|を)改ざん|改ざん[^。]{0,90}カード情報[^。]{0,24}送信|決済(?:画面|ページ|フォーム)[^。]{0,30}改ざん|偽の?画面へ誘導|ペイメントアプリケーションの?(?:不正な?)?改ざん|(?:決済|カード情報入力|支払|購入|入力)(?:画面|フォーム|ページ|システム|アプリケーション).{0,20}改ざん|フォームジャッキング|Webスキミング|ウェブスキミング|オンラインスキミング|偽の?決済(?:画面|フォーム|ページ)`)},
	{"credential-stuffing", regexp.MustCompile(`リスト型|パスワードリスト攻撃|(?:他社|外部|他の?)(?:の)?(?:サービス|サイト|Webサイト|ウェブサイト).{0,30}(?:流出|漏えい|漏洩|取得|入手|得た).{0,60}(?:ログイン|ID|パスワード)|(?:不正に|外部で|他所で|第三者が).{0,16}(?:手に入れ|取得し|入手し|得た).{0,30}(?:ID|パスワード)|なりすましログイン|他社.{0,10}(?:ID|アカウント).{0,12}(?:流用|用い|使)|他社から流出した.{0,16}(?:ID|パスワード)|他社から(?:流出|漏えい|漏洩)した.{0,20}(?:ID|パスワード)|使い回`)},
	{"misdirected-mail", regexp.MustCompile(`誤送信|誤配信|誤添付|添付ファイルの誤り|誤って付け|(?:メール|一斉).{0,40}(?:際|とき|時)、.{0,60}(?:一覧|名簿|リスト|ファイル|シート)を.{0,12}添付していま|(?:メール|FAX|ファックス|ファクス).{0,60}(?:誤って|間違|別の|異なる).{0,40}(?:送信|送|宛先|添付)|(?:[Bb][Cc][Cc]|BCC)|メール.{0,24}送信した際.{0,60}(?:添付|含まれ)|誤って.{0,40}(?:メール|電子メール|FAX|ファックス).{0,20}送信`)},
	{"misdelivery", regexp.MustCompile(`誤送付|誤交付|誤配布|誤封入|誤発送|誤配達|誤郵送|封入(?:の)?(?:誤り|ミス|間違)|誤って.{0,50}(?:送付|交付|封入|発送|郵送|手渡|渡し|同封|配布)|(?:別|他)の?(?:方|人|お客様|患者|世帯|住所).{0,20}(?:送付|交付|郵送|渡)`)},
	{"theft", regexp.MustCompile(`盗難|(?:パソコン|PC|端末|鞄|かばん|カバン|バッグ|車|書類|USB|スマートフォン|携帯|タブレット|財布|荷物).{0,60}盗まれ|車上(?:荒らし|ねらい)|窃盗|置き引き|ひったくり`)},
	{"lost-media", regexp.MustCompile(`紛失|置き忘れ|所在(?:が)?(?:不明|確認でき)|誤廃棄|誤って廃棄|見当たらな|落とし(?:た|て)`)},
	{"phishing", regexp.MustCompile(`偽(?:の)?(?:サイト|画面|ページ).{0,60}入力し|フィッシング(?:メール|サイト|詐欺)?(?:に|により|による|を受け|攻撃|で)|サポート詐欺`)},
	{"insider", regexp.MustCompile(`(?:元)?(?:従業員|社員|職員|派遣社員|教員|契約社員|関係者|作業員|退職者)[^第外。]{0,40}(?:不正に|無断で|私的に|目的外|必要がない).{0,40}(?:持ち出|取得|閲覧|利用|提供|売却|流出|コピー|使用)|(?:職員|社員|従業員|看護師|教員)が、?[^。]{0,100}(?:知人|家族|友人|SNS|第三者)[^。]{0,12}(?:漏ら|話し|伝え|投稿|送信して)|不正(?:な|に)?持ち?出|内部不正`)},
	{"malware", regexp.MustCompile(`(?:マルウェア|ウイルス|ウィルス|エモテット|Emotet|EMOTET|トロイの木馬).{0,20}(?:感染|侵入|検知|による)|(?:感染).{0,20}(?:マルウェア|ウイルス|Emotet)`)},
	{"misconfiguration", regexp.MustCompile(`設定(?:の)?(?:を)?(?:誤|ミス|不備|不足|漏れ|間違)|誤設定|(?:公開|共有|閲覧|アクセス)(?:範囲|権限|設定|制限)(?:の設定)?(?:が|の|を|に)(?:.{0,20})(?:誤|不備|不適切|されて(?:い|お)|なかった|なって)|誤掲載|誤公開|誤って.{0,40}(?:公開|掲載|アップロード|閲覧)|(?:ネット|インターネット|ウェブ|Web)上?で?(?:誰でも)?.{0,12}見られる状態|リンクを?(?:さえ)?知って(?:いれば|いる)|(?:公開|閲覧)範囲を.{0,30}(?:設定|選)|登録の誤り|誤登録|(?:参加者|共同編集者)(?:として|に).{0,24}登録して|(?:アカウント|フォーム|権限|共有|公開)の?設定の?作業?ミス|(?:インターネット|ウェブ|外部).{0,12}(?:から|で|上で)(?:誰でも)?.{0,10}閲覧(?:でき|可能)`)},
	{"defect", regexp.MustCompile(`(?:ミドルウェア|システム|処理|プログラム).{0,20}(?:障害|不具合).{0,60}(?:混ざ|混在|他の|別の|誤)|誤表示|(?:別|他|無関係)の?.{0,20}(?:情報|内容).{0,20}(?:誤って)?表示され|(?:プログラム|システム|アプリ|サーバー|ソフトウェア|機能).{0,12}(?:不具合|バグ|ミス|誤り|障害により)|不具合(?:により|が原因|によって)`)},
	{"intrusion", regexp.MustCompile(`不正アクセス|不正(?:な|に)(?:アクセス|侵入)|第三者に(?:不正)?(?:利用|使用)され|不正侵入|不正に侵入|サイバー攻撃|脆弱性を(?:悪用|突|つ|利用)|SQLインジェクション|第三者による(?:不正(?:アクセス|侵入)|侵入)|改ざん`)},
	{"intrusion", regexp.MustCompile(`不正(?:な)?ログイン`)},
	{"contractor", regexp.MustCompile(`(?:委託先|委託業者|委託会社|受託(?:者|業者|会社)|取引先)(?:の|で|において|に).{0,30}(?:漏|流出|紛失|事故|不正|誤|発生)`)},
}

var causeNot = regexp.MustCompile(`確認されて(?:おり|い)(?:ません|ない)|ございません|ありません(?:でした)?。|注意|ご用心|万が?一|可能性も|場合(?:は|が)|防止|対策|訓練|研修|強化|徹底`)

// notThis denies a cause that stands right before it: 不正アクセスではなく.
var notThis = regexp.MustCompile(`^[^。、]{0,10}ではな(?:い|く)|^[^。、]{0,10}(?:では|によるもので)(?:は)?(?:ありません|ございません)`)

// causeJA proposes how it happened.
func (r *reader) causeJA() {
	if r.takenBack() {
		return
	}
	for _, c := range causesJA {
		for _, s := range r.sentences {
			l := r.lines[s.line]
			if l.section == secContact || l.section == secPast || l.section == secPrevention || l.section == secDamage || l.section == secSource {
				continue
			}
			part := r.s[s.from:s.to]
			if l.heading && s.line > 5 {
				continue // a part's title names what the part is about, not what happened
			}
			m := c.re.FindStringIndex(part)
			if m != nil && part[m[0]:m[1]] == "不正ログイン" && strings.Contains(r.s, "試行") {
				continue // a list was tried, or passwords were guessed: the text does not say which
			}
			if m == nil || notThis.MatchString(part[m[1]:]) || causeNot.MatchString(part) && l.section != secCause && !titleEnds(part) {
				continue
			}
			if c.word == "misdirected-mail" && l.section == secResponse || c.word == "credential-stuffing" && strings.Contains(part, "ではな") {
				continue
			}
			certainty := incident.Confirmed
			if tail := firstBytes(part[m[1]:], 60); regexp.MustCompile(`^[^。、]{0,16}(?:可能性|おそれ|疑い|と(?:考え|推|思|み)|とみられ)`).MatchString(tail) {
				certainty = incident.Possible
			}
			r.sentWrongly = strings.HasPrefix(c.word, "misd")
			r.propose(incident.Fact{Key: "cause", Value: incident.Value{Word: c.word}, Certainty: certainty}, s.from+m[0], s.from+m[1], "")
			return
		}
	}
}

// damages are what may follow of a leak, as notices name them.
var damages = []struct {
	word string
	re   *regexp.Regexp
}{
	{"enquiry", regexp.MustCompile(`(?:お客様|お客さま|会員|利用者|皆様|本件)?(?:から|に関する|に関わる|についての)?(?:の)?(?:お問い?合わ?せ|お申し出|苦情|被害の?(?:申告|申し出))`)},
	{"login", regexp.MustCompile(`不正(?:な)?ログイン(?:によるアクセス)?|なりすまし(?:による)?ログイン`)},
	{"tampering", regexp.MustCompile(`登録(?:情報|内容)の(?:変更|書き換え)|(?:個人情報や保存されたコンテンツ等の)?改ざん|書き換え`)},
	{"misuse", regexp.MustCompile(`(?:個人情報|情報|カード情報|クレジットカード)?(?:の|が|を)?(?:不正|悪)(?:な)?(?:利用|使用|用|ご?注文)|不正に(?:使われ|流用)|流用され|二次利用|不正な(?:取引|ご?注文|ご?購入|チャージ|出金|送金|請求)|(?:使用|利用)された(?:こと)?による被害|被害の(?:連絡|報告)|二次(?:的な?)?被害|2次被害|二次流出|(?:流出|漏えい|漏洩)による(?:二次)?被害|悪用|なりすまし|不正に(?:利用|使用)`)},
}

var (
	noneRE     = regexp.MustCompile(`(?:利用|使用|注文|取引|悪用)(?:は|も|の発生は)(?:1件も|一切)?(?:ございません|ありません)|(?:確認|報告|認識|把握|判明|発生|検知|発見|見つか)(?:は|も|が|を)?(?:さ?れ|し|いたし|でき|して|受け(?:て)?|いただい|頂い|入っ|寄せられ|認められ)*て?(?:おりません|いません|いない|おらず|なかった|ございません|ありません|ません|ない)|(?:見つかっ|認められ|受け|寄せられ|見られ|起き|起こっ|生じ)て?(?:おりません|いません|いない|おらず|ません)|(?:報告|事実|被害|申告|申し出|お問い?合わ?せ|情報|連絡)(?:は|も)?(?:一切)?(?:ございません|ありません|ない|入って(?:おりません|いません)|受けて(?:おりません|いません))`)
	hasRE      = regexp.MustCompile(`\d件の不正な(?:取引|ご?注文|ご?購入|チャージ|出金|送金)を確認|不正に(?:交換|引き出|出金|送金)され(?:た|て(?:い|お))[^。]{0,20}(?:確認|判明)|不正な(?:チャージ|取引|出金|送金|ご?注文|ポイント交換)が[^。]{0,40}(?:確認|あった|あり|発生)|(?:ポイント|残高)が[^。]{0,20}(?:不正に)?(?:交換|利用|使用)されて(?:いた|おり)|(?:不正利用|不正使用|悪用|二次被害)(?:が|の|された|され)(?:[^。]{0,20})(?:確認(?:され(?:ました|て(?:おり|い)ます|た)|いた|し(?:ました|て(?:おり|い)ます))|発生し(?:た|て|ました))`)
	reportedRE = regexp.MustCompile(`(?:不正利用|不正使用|悪用)[^。]{0,50}\d件の(?:ご?報告|ご?連絡|お?申し出)を(?:受け|いただ|頂)|覚えのない(?:ご?請求|取引|注文)[^。]{0,20}(?:お申し出|ご?報告|ご?連絡)(?:を|が)`)
	damageNot  = regexp.MustCompile(`次第|万が?一|場合|注意|ください|防止|恐れがあるため|おそれがあるため|ご不安`)
)

// damageJA proposes what has followed: each negative for itself, as of its own time.
func (r *reader) damageJA() {
	for _, s := range r.sentences {
		part := r.s[s.from:s.to]
		l := r.lines[s.line]
		if l.section == secPast || l.section == secSource || r.isAddendum(l) {
			continue
		}
		none := noneRE.FindStringIndex(part)
		if none == nil {
			if m := reportedRE.FindStringIndex(part); m != nil && !damageNot.MatchString(part) {
				r.propose(incident.Fact{Key: "secondary-damage", Item: "misuse", Value: incident.Value{Word: "misuse", Status: "reported"}}, s.from+m[0], s.from+m[1], "")
			} else if m := hasRE.FindStringIndex(part); m != nil && !damageNot.MatchString(part) {
				certainty, status := incident.Confirmed, "confirmed"
				if possibleJA.MatchString(part[m[0]:min(len(part), m[1])]) {
					certainty, status = incident.Possible, "reported"
				}
				r.propose(incident.Fact{Key: "secondary-damage", Item: "misuse", Value: incident.Value{Word: "misuse", Status: status}, Certainty: certainty}, s.from+m[0], s.from+m[1], "")
			} else if m := shortNone.FindStringIndex(part); m != nil && l.section == secDamage {
				r.propose(incident.Fact{Key: "secondary-damage", Item: "misuse", Value: incident.Value{Word: "misuse", Status: "none-confirmed"}}, s.from+m[0], s.from+m[1], "")
			}
			continue
		}
		for _, m := range noneRE.FindAllStringIndex(part, 8) {
			none = m // what is denied last is what the sentence is about
		}
		asOf := r.saidAsOf(s)
		before := part[:none[1]]
		if l.section == secDamage && shortNone.MatchString(part) {
			r.propose(incident.Fact{Key: "secondary-damage", Item: "misuse", Value: incident.Value{Word: "misuse", Status: "none-confirmed"}, AsOf: asOf}, s.from, s.to, "")
			continue
		}
		for _, d := range damages {
			m := lastMatch(d.re, before)
			if m == nil || none[0]-m[1] > 260 || regexp.MustCompile(`^(?:により|に起因|に伴う|による(?:情報|個人)|が発生|の可能性が|を受け)`).MatchString(before[m[1]:]) {
				continue
			}
			if d.word == "enquiry" && !strings.Contains(before[m[0]:], "問") && !strings.Contains(before[m[0]:], "申") {
				continue
			}
			if m := clauseEdge.FindStringIndex(before[m[1]:]); m != nil {
				continue
			}
			r.propose(incident.Fact{Key: "secondary-damage", Item: d.word, Value: incident.Value{Word: d.word, Status: "none-confirmed"}, AsOf: asOf}, s.from+m[0], s.from+none[1], "")
		}
	}
}

var shortNone = regexp.MustCompile(`^(?:・|○)?\s?(?:現時点(?:では?)?、?|現在(?:のところ)?、?)?(?:無し|なし|ありません|ございません|確認されて(?:おりません|いません))(?:でした)?。?$`)

// lastMatch gives the last place where re matches.
func lastMatch(re *regexp.Regexp, s string) []int {
	all := re.FindAllStringIndex(s, 50)
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

// saidAsOf gives the time that a sentence speaks as of, "7月19日16時時点".
func (r *reader) saidAsOf(s sentence) incident.Moment {
	for _, w := range r.times {
		if w.from >= s.from && w.to <= s.to && asOfTail.MatchString(r.s[w.to:s.to]) && !w.moment.IsZero() {
			return w.moment
		}
	}
	return incident.Moment{}
}
