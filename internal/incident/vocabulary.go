package incident

import (
	"slices"
	"strings"

	bcp47 "golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"shirase/internal/language"
)

// Class is a word of the data-class vocabulary: one kind of thing that can be exposed.
type Class struct {
	Word   string
	Label  language.Text // as a person reads it in a list
	Advice []string
}

// classes is the vocabulary, in the order in which a person is told what was exposed. Advice names steps of
// advice.go, which have their own order.
var classes = []Class{
	{"email", language.Both("メールアドレス", "e-mail address"), []string{"mail"}},
	{"password", language.Both("パスワード", "password"), []string{"password", "reused", "two-step"}},
	{"password:plain", language.Both("パスワード（読める形のまま）", "password (in readable form)"), []string{"password", "reused", "two-step"}},
	{"password:hashed", language.Both("ハッシュ化されたパスワード", "hashed password"), []string{"password", "reused", "two-step"}},
	{"password:encrypted", language.Both("暗号化されたパスワード", "encrypted password"), []string{"password", "reused", "two-step"}},
	{"credential", language.Both("ログインに使う情報（種類は示されていない）", "sign-in credentials (of a kind not stated)"), []string{"password", "reused", "two-step"}},
	{"security-question", language.Both("秘密の質問と答え・パスワードのヒント", "security question or password hint"), []string{"password", "password-hint"}},
	{"auth-token", language.Both("ログイン用のトークン・鍵", "sign-in token or key"), []string{"password", "two-step"}},
	{"pin", language.Both("暗証番号", "PIN"), []string{"bank"}},
	{"payment-card", language.Both("クレジットカード情報", "payment card details"), []string{"card"}},
	{"payment-card:code", language.Both("クレジットカードのセキュリティコード", "payment card security code"), []string{"card"}},
	{"payment-card:partial", language.Both("クレジットカード情報の一部", "part of the payment card details"), []string{"call"}},
	{"bank-account", language.Both("銀行口座情報", "bank account details"), []string{"bank"}},
	{"crypto-wallet", language.Both("暗号資産のウォレット", "cryptocurrency wallet"), nil},
	{"national-id", language.Both("国などが個人に付けた番号（種類は示されていない）", "national identification number (of a kind not stated)"), []string{"identity"}},
	{"national-id:my-number", language.Both("マイナンバー（個人番号）", "My Number (Japan)"), []string{"my-number"}},
	{"national-id:pension", language.Both("基礎年金番号", "basic pension number (Japan)"), []string{"pension", "call"}},
	{"national-id:ssn", language.Both("米国の社会保障番号", "US Social Security number"), []string{"identity"}},
	{"passport", language.Both("旅券番号", "passport number"), []string{"identity"}},
	{"driving-licence", language.Both("運転免許証の情報", "driving licence details"), []string{"identity"}},
	{"identity-document", language.Both("公的な身分証の情報", "identity document details"), []string{"identity"}},
	{"insurance-number", language.Both("保険証の記号・番号", "insurance number"), []string{"identity"}},
	{"phone", language.Both("電話番号", "telephone number"), []string{"call"}},
	{"name", language.Both("氏名", "name"), []string{"mail"}},
	{"nickname", language.Both("ニックネーム", "nickname"), nil},
	{"account-id", language.Both("会員ID・アカウントID", "account ID"), nil},
	{"address", language.Both("住所", "postal address"), []string{"call"}},
	{"location", language.Both("位置情報・居住地域", "location"), nil},
	{"birth-date", language.Both("生年月日", "date of birth"), []string{"password-hint"}},
	{"age", language.Both("年齢・年代", "age"), nil},
	{"gender", language.Both("性別", "gender"), nil},
	{"personal", language.Both("個人情報（内訳は示されていない）", "personal data (of a kind not stated)"), []string{"mail", "call"}},
	{"sensitive", language.Both("特に配慮を要する個人情報（内訳は示されていない）", "sensitive personal data (of a kind not stated)"), []string{"desk"}},
	{"health", language.Both("健康・医療に関する情報", "health information"), []string{"health", "desk"}},
	{"biometric", language.Both("指紋・顔などの生体情報", "biometric data"), []string{"desk"}},
	{"physical-trait", language.Both("身体の特徴", "physical traits"), nil},
	{"ethnicity", language.Both("人種・民族", "race or ethnicity"), []string{"desk"}},
	{"religion", language.Both("信仰する宗教", "religion"), []string{"desk"}},
	{"political-view", language.Both("政治的な意見・寄付", "political views or donations"), []string{"desk"}},
	{"sexuality", language.Both("性的指向・性生活", "sexual orientation or sex life"), []string{"desk"}},
	{"nationality", language.Both("国籍・出生地", "nationality or place of birth"), nil},
	{"family", language.Both("家族・婚姻に関する情報", "family or marital status"), nil},
	{"employer", language.Both("勤務先", "employer"), nil},
	{"occupation", language.Both("職業", "occupation"), nil},
	{"job-application", language.Both("求職・応募に関する情報", "job application"), []string{"mail"}},
	{"education", language.Both("学歴・成績", "education or grades"), nil},
	{"finances", language.Both("収入・資産・信用に関する情報", "income, assets or credit"), []string{"call"}},
	{"payment-history", language.Both("支払い・入出金の履歴", "payment history"), []string{"bank"}},
	{"purchase-history", language.Both("購入履歴", "purchase history"), []string{"mail"}},
	{"loyalty", language.Both("ポイント・会員種別", "loyalty programme details"), nil},
	{"vehicle", language.Both("車両に関する情報", "vehicle details"), nil},
	{"travel", language.Both("旅行・移動の記録", "travel records"), nil},
	{"photo", language.Both("写真・画像", "photographs"), nil},
	{"recording", language.Both("音声・映像の記録", "recordings"), []string{"desk"}},
	{"message-content", language.Both("メッセージの内容", "content of messages"), []string{"desk"}},
	{"support-record", language.Both("問い合わせの記録", "support requests"), []string{"mail"}},
	{"contacts", language.Both("知人・連絡先", "contacts"), nil},
	{"social-profile", language.Both("SNSなどのアカウント", "social media accounts"), nil},
	{"profile", language.Both("自己紹介・趣味・生活習慣", "self-description, interests or habits"), nil},
	{"activity", language.Both("サービスの利用履歴", "records of use"), nil},
	{"ip-address", language.Both("IPアドレス", "IP address"), nil},
	{"device", language.Both("端末・ブラウザーの情報", "device or browser details"), nil},
	{"business-secret", language.Both("営業秘密・社内の情報", "business secrets or internal data"), nil},
	{"source-code", language.Both("ソースコード", "source code"), nil},
	{"system", language.Both("システムの構成情報", "system information"), nil},
	{otherWord, language.Both("その他の情報", "other data"), nil},
}

// Classes returns the data-class vocabulary in the order in which it is shown.
func Classes() []Class { return slices.Clone(classes) }

// ClassWords returns the words of the data-class vocabulary, with their forms.
func ClassWords() []string {
	var out []string
	for _, c := range classes {
		out = append(out, c.Word)
	}
	return out
}

// KnownClass reports whether word is one of the data-class vocabulary, with its form where it has one
// ("password:hashed").
func KnownClass(word string) bool {
	return slices.ContainsFunc(classes, func(c Class) bool { return c.Word == word })
}

// ClassLabel returns what people call a data class; of an unknown word, the word.
func ClassLabel(lang language.Lang, word string) string {
	for _, c := range classes {
		if c.Word == word {
			return c.Label.In(lang)
		}
	}
	return word
}

// national says what a number that a country gives its people is called there, where a record does not say which it is.
var national = map[string]language.Text{
	"US": language.Both("米国の社会保障番号など、国などが個人に付けた番号", "US Social Security number or another national identification number"),
}

// ClassLabelIn is ClassLabel of what was exposed in an incident of that country (ISO 3166-1; "" where it is not known).
func ClassLabelIn(lang language.Lang, country, word string) string {
	if t, ok := national[country]; ok && word == "national-id" {
		return t.In(lang)
	}
	return ClassLabel(lang, word)
}

// ClassLabelsIn labels words of an incident of that country in the vocabulary's order, without duplicates.
func ClassLabelsIn(lang language.Lang, country string, words []string) []string {
	var out []string
	for _, word := range SortClasses(words) {
		out = append(out, ClassLabelIn(lang, country, word))
	}
	return out
}

// Country is the country of an incident's organisation (ISO 3166-1), or "".
func (i Incident) Country() string {
	f, _ := i.Fact("country")
	return f.Value.Word
}

// ClassLabels labels words in the vocabulary's order, without duplicates.
func ClassLabels(lang language.Lang, words []string) []string {
	var out []string
	for _, word := range SortClasses(words) {
		out = append(out, ClassLabel(lang, word))
	}
	return out
}

// SortClasses returns words in the vocabulary's order, without duplicates; unknown ones last.
func SortClasses(words []string) []string {
	rank := func(word string) int {
		if i := slices.IndexFunc(classes, func(c Class) bool { return c.Word == word }); i >= 0 {
			return i
		}
		return len(classes)
	}
	out := slices.Clone(words)
	slices.SortStableFunc(out, func(a, b string) int {
		if c := rank(a) - rank(b); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(out)
}

// label is a word of a vocabulary with what people call it.
type label struct {
	word  string
	label language.Text
}

// causes is the vocabulary of cause. The text completes "による" in Japanese.
var causes = []label{
	{"intrusion", language.Both("外部からの不正アクセス", "unauthorised access from outside")},
	{"credential-stuffing", language.Both("他所で流出したパスワードを使った不正ログイン", "sign-ins with passwords leaked elsewhere (credential stuffing)")},
	{"web-skimming", language.Both("決済画面の改ざん", "tampering with a payment page (web skimming)")},
	{"ransomware", language.Both("ランサムウェア", "ransomware")},
	{"malware", language.Both("マルウェアへの感染", "malware")},
	{"phishing", language.Both("フィッシング", "phishing")},
	{"misdirected-mail", language.Both("メールなどの誤送信", "a message sent to the wrong recipients")},
	{"misdelivery", language.Both("書類などの誤送付・誤交付", "papers handed or posted to the wrong person")},
	{"lost-media", language.Both("媒体・書類の紛失", "lost media or papers")},
	{"theft", language.Both("媒体・書類の盗難", "theft of media or papers")},
	{"misconfiguration", language.Both("設定の誤り", "misconfiguration")},
	{"defect", language.Both("プログラムの不具合", "a defect in software")},
	{"insider", language.Both("内部の者による不正な持ち出し", "misuse by an insider")},
	{"contractor", language.Both("委託先で起きた事故", "an incident at a contractor")},
	{"other", language.Both("その他", "another cause")},
	{"unknown", language.Both("調査中", "not yet known")},
}

// sectors is the vocabulary of sector: what the organisation does.
var sectors = []label{
	{"finance", language.Both("金融・保険", "finance and insurance")},
	{"health", language.Both("医療・福祉", "health and care")},
	{"education", language.Both("教育・研究", "education and research")},
	{"government", language.Both("行政", "government")},
	{"retail", language.Both("小売・通信販売", "retail")},
	{"internet", language.Both("インターネットサービス", "internet services")},
	{"software", language.Both("ソフトウェア・情報システム", "software and IT services")},
	{"telecom", language.Both("通信", "telecommunications")},
	{"media", language.Both("報道・出版・娯楽", "media and entertainment")},
	{"games", language.Both("ゲーム", "games")},
	{"travel", language.Both("宿泊・旅行・飲食", "travel, lodging and food")},
	{"transport", language.Both("運輸", "transport")},
	{"manufacturing", language.Both("製造", "manufacturing")},
	{"energy", language.Both("電気・ガス・水道", "energy and water")},
	{"construction", language.Both("建設・不動産", "construction and real estate")},
	{"professional", language.Both("専門サービス", "professional services")},
	{"nonprofit", language.Both("非営利団体", "non-profit")},
	{"other", language.Both("その他", "other")},
}

// labelled returns the words of a vocabulary.
func labelled(list []label) []string {
	var out []string
	for _, l := range list {
		out = append(out, l.word)
	}
	return out
}

// Term is a word of a vocabulary with what people call it.
type Term struct {
	Word  string
	Label language.Text
}

// Terms returns the vocabulary of cause, sector or data-class, or for "key" the keys of facts, in the order in which it is
// shown; nil for another name.
func Terms(vocabulary string) []Term {
	var out []Term
	if vocabulary == "data-class" {
		for _, c := range classes {
			out = append(out, Term{c.Word, c.Label})
		}
		return out
	}
	for _, l := range map[string][]label{"cause": causes, "sector": sectors, "key": keyLabels}[vocabulary] {
		out = append(out, Term{l.word, l.label})
	}
	return out
}

// SectorLabel returns what people call a sector; of an unknown one, the word. Its "other" is not that of a cause.
func SectorLabel(lang language.Lang, word string) string {
	for _, l := range sectors {
		if l.word == word {
			return l.label.In(lang)
		}
	}
	return word
}

// WordOf returns what people call a word that is the value of key: the same word means something else of another key.
func WordOf(lang language.Lang, key, word string) string {
	switch key {
	case "sector":
		return SectorLabel(lang, word)
	case "country":
		return CountryLabel(lang, word)
	case "data-class":
		return ClassLabel(lang, word)
	}
	return Word(lang, word)
}

// knownCountry reports whether code is a country of ISO 3166-1, in its two capital letters.
func knownCountry(code string) bool {
	region, err := bcp47.ParseRegion(code)
	return err == nil && region.IsCountry() && region.String() == code
}

// CountryLabel returns what people call a country of ISO 3166-1; of another code, the code.
func CountryLabel(lang language.Lang, code string) string {
	region, err := bcp47.ParseRegion(code)
	if err != nil || !region.IsCountry() {
		return code
	}
	if lang == language.JA {
		return display.Japanese.Regions().Name(region)
	}
	return display.English.Regions().Name(region)
}

// words labels the small vocabularies. A word means the same wherever it is used.
var words = []label{
	{"affected", language.Both("対象", "affected")},
	{"stopped", language.Both("停止", "stopped")},
	{"resumed", language.Both("再開", "resumed")},
	{"unrelated", language.Both("影響なし", "not affected")},

	{"taken", language.Both("実施", "done")},
	{"planned", language.Both("予定", "planned")},
	{"kept", language.Both("予定どおり実施", "done as promised")},
	{"slipped", language.Both("予定より遅れ", "later than promised")},
	{"lifted", language.Both("解除", "lifted")},

	{"enquiry", language.Both("本件に関するお問い合わせ", "enquiries about this incident")},
	{"login", language.Both("不正ログイン", "illegitimate sign-ins")},
	{"tampering", language.Both("情報や保存内容の改ざん", "tampering with data or stored content")},
	{"misuse", language.Both("情報の悪用", "misuse of the data")},
	{"spread", language.Both("情報の拡散", "spreading of the data")},

	{"none-confirmed", language.Both("確認されていません", "none confirmed")},
	{"reported", language.Both("申し出があります", "reported")},

	{"confirmed", language.Both("確認済み", "confirmed")},
	{"possible", language.Both("可能性あり", "possible")},
	{"unknown", language.Both("不明", "not known")},

	{"persons", language.Both("人", "people")},
	{"records", language.Both("件", "records")},
	{"accounts", language.Both("アカウント", "accounts")},
	{"attempts", language.Both("回", "attempts")},

	{StateInvestigating, language.Both("対象範囲を調査中", "scope under investigation")},
	{StateFinal, language.Both("対象範囲は確定", "scope settled")},
	{StateByMail, language.Both("メールでのみ回答", "answered by mail only")},
	{StateRetired, language.Both("確認の受け付けを終了", "no longer answered")},
	{StateReopened, language.Both("対象範囲を再調査中", "scope under investigation again")},
	{StateWithdrawn, language.Both("誤りのため取り下げ", "withdrawn as a mistake")},
}

// Word returns what people call a word of one of the small vocabularies (statuses, certainties, units, states, causes); of
// an unknown one, the word.
func Word(lang language.Lang, word string) string {
	for _, list := range [][]label{words, causes} {
		for _, l := range list {
			if l.word == word {
				return l.label.In(lang)
			}
		}
	}
	return word
}

// DamageStatus returns what people say of a status of secondary damage: enquiries are received, the rest is confirmed.
func DamageStatus(lang language.Lang, v Value) string {
	if v.Word != "enquiry" {
		return Word(lang, v.Status)
	}
	if v.Status == "none-confirmed" {
		return lang.Pick("寄せられていません", "none received")
	}
	return lang.Pick("寄せられています", "received")
}

// Count writes number, unit and qualifier as the language does: 169万2,496アカウント, about 2,700,000 accounts.
func Count(lang language.Lang, v Value) string {
	amount, unit := Amount(lang, v)
	if unit != "" {
		amount += lang.Pick("", " ") + unit
	}
	if v.Region != "" { // a part: never to be read as the whole
		region := RegionLabel(lang, v.Region)
		amount = lang.Pick(region+" "+amount, amount+" in "+region)
	}
	return amount
}

// Counts writes how many are affected; where the whole is not known, how many in each region that is; "" where neither is.
func Counts(lang language.Lang, whole Value, parts []Value) string {
	if whole.Number != nil {
		return Count(lang, whole)
	}
	var out []string
	for _, part := range parts {
		if part.Number != nil {
			out = append(out, Count(lang, part))
		}
	}
	return strings.Join(out, lang.Pick("、", ", "))
}

// Amount is Count with the unit apart.
func Amount(lang language.Lang, v Value) (amount, unit string) {
	if v.Number == nil {
		return lang.Pick("不明", "not known"), ""
	}
	n := language.Number(lang, *v.Number)
	unit = Word(lang, v.Unit)
	if lang == language.EN {
		if *v.Number == 1 {
			unit = map[string]string{"persons": "person", "records": "record", "accounts": "account", "attempts": "attempt"}[v.Unit]
		}
		return map[string]string{"about": "about ", "at-most": "at most ", "cumulative": "a cumulative "}[v.Qualifier] + n, unit
	}
	return map[string]string{"about": "約", "at-most": "最大", "cumulative": "延べ"}[v.Qualifier] + n, unit
}

// keyLabels says what people call a fact's key.
var keyLabels = []label{
	{"organisation", language.Both("公表した組織", "Organisation")},
	{"alias", language.Both("別の呼び名", "Also known as")},
	{"domain", language.Both("利用先のドメイン", "Where it is used")},
	{"sector", language.Both("業種", "Sector")},
	{"country", language.Both("国・地域", "Country")},
	{"certification", language.Both("認証", "Certification")},
	{"title", language.Both("件名", "Title")},
	{"scope.state", language.Both("対象範囲", "Scope")},
	{"disclosed", language.Both("公表", "Made public")},
	{"window.start", language.Both("期間の始まり", "First trace")},
	{"window.end", language.Both("期間の終わり", "Last trace")},
	{"discovered", language.Both("発見", "Discovered")},
	{"contained", language.Both("遮断", "Contained")},
	{"login-blocked", language.Both("ログインの遮断", "Sign-in blocked")},
	{"regulator-notified", language.Both("監督機関への報告", "Reported to a regulator")},
	{"persons-notified", language.Both("本人への通知", "People told")},
	{"closed", language.Both("対応の終了", "Response closed")},
	{"affected.count", language.Both("対象の数", "Affected")},
	{"affected.part", language.Both("地域ごとの対象の数", "Affected in a region")},
	{"base.count", language.Both("全体の数", "Of a total of")},
	{"attempts.count", language.Both("試行の回数", "Attempts")},
	{"excluded", language.Both("対象に含まれないもの", "Not affected")},
	{"data-class", language.Both("流出した可能性のある情報", "What may have been exposed")},
	{"cause", language.Both("原因", "Cause")},
	{"secondary-damage", language.Both("二次被害", "What has followed from it")},
	{"service", language.Both("サービス", "Services")},
	{"action", language.Both("対応", "Actions")},
	{"next-update", language.Both("次回のお知らせ", "Next update")},
	{"addendum", language.Both("追記", "Addenda")},
	{"reply", language.Both("組織からの回答", "Replies of the organisation")},
	{"contact", language.Both("お問い合わせ窓口", "Contact")},
	{"source", language.Both("情報源", "Sources")},
}

// KeyLabel returns what people call a key; of an unknown one, the key.
func KeyLabel(lang language.Lang, key string) string {
	for _, l := range keyLabels {
		if l.word == key {
			return l.label.In(lang)
		}
	}
	return key
}
