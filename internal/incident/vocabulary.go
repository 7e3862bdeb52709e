package incident

import (
	"slices"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"shirase/internal/web"
)

// Class is a word of the data-class vocabulary: one kind of thing that can be exposed.
type Class struct {
	Word   string
	Label  Text // as a person reads it in a list
	Advice []string
}

// classes is the vocabulary, in the order in which a person is told what was exposed. Advice names steps of
// advice.go, which have their own order.
var classes = []Class{
	{"email", Text{"メールアドレス", "e-mail address"}, []string{"mail"}},
	{"password", Text{"パスワード", "password"}, []string{"password", "reused", "two-step"}},
	{"password:plain", Text{"パスワード（読める形のまま）", "password (in readable form)"}, []string{"password", "reused", "two-step"}},
	{"password:hashed", Text{"ハッシュ化されたパスワード", "hashed password"}, []string{"password", "reused", "two-step"}},
	{"password:encrypted", Text{"暗号化されたパスワード", "encrypted password"}, []string{"password", "reused", "two-step"}},
	{"credential", Text{"ログインに使う情報（種類は示されていない）", "sign-in credentials (of a kind not stated)"}, []string{"password", "reused", "two-step"}},
	{"security-question", Text{"秘密の質問と答え・パスワードのヒント", "security question or password hint"}, []string{"password", "password-hint"}},
	{"auth-token", Text{"ログイン用のトークン・鍵", "sign-in token or key"}, []string{"password", "two-step"}},
	{"pin", Text{"暗証番号", "PIN"}, []string{"bank"}},
	{"payment-card", Text{"クレジットカード情報", "payment card details"}, []string{"card"}},
	{"payment-card:code", Text{"クレジットカードのセキュリティコード", "payment card security code"}, []string{"card"}},
	{"payment-card:partial", Text{"クレジットカード情報の一部", "part of the payment card details"}, []string{"call"}},
	{"bank-account", Text{"銀行口座情報", "bank account details"}, []string{"bank"}},
	{"crypto-wallet", Text{"暗号資産のウォレット", "cryptocurrency wallet"}, nil},
	{"national-id", Text{"国などが個人に付けた番号（種類は示されていない）", "national identification number (of a kind not stated)"}, []string{"identity"}},
	{"national-id:my-number", Text{"マイナンバー（個人番号）", "My Number (Japan)"}, []string{"identity"}},
	{"national-id:pension", Text{"基礎年金番号", "basic pension number (Japan)"}, []string{"identity"}},
	{"national-id:ssn", Text{"米国の社会保障番号", "US Social Security number"}, []string{"identity"}},
	{"passport", Text{"旅券番号", "passport number"}, []string{"identity"}},
	{"driving-licence", Text{"運転免許証の情報", "driving licence details"}, []string{"identity"}},
	{"identity-document", Text{"公的な身分証の情報", "identity document details"}, []string{"identity"}},
	{"insurance-number", Text{"保険証の記号・番号", "insurance number"}, []string{"identity"}},
	{"phone", Text{"電話番号", "telephone number"}, []string{"call"}},
	{"name", Text{"氏名", "name"}, []string{"mail"}},
	{"nickname", Text{"ニックネーム", "nickname"}, nil},
	{"account-id", Text{"会員ID・アカウントID", "account ID"}, nil},
	{"address", Text{"住所", "postal address"}, []string{"call"}},
	{"location", Text{"位置情報・居住地域", "location"}, nil},
	{"birth-date", Text{"生年月日", "date of birth"}, []string{"password-hint"}},
	{"age", Text{"年齢・年代", "age"}, nil},
	{"gender", Text{"性別", "gender"}, nil},
	{"personal", Text{"個人情報（内訳は示されていない）", "personal data (of a kind not stated)"}, []string{"mail", "call"}},
	{"sensitive", Text{"特に配慮を要する個人情報（内訳は示されていない）", "sensitive personal data (of a kind not stated)"}, []string{"desk"}},
	{"health", Text{"健康・医療に関する情報", "health information"}, []string{"desk"}},
	{"biometric", Text{"指紋・顔などの生体情報", "biometric data"}, []string{"desk"}},
	{"physical-trait", Text{"身体の特徴", "physical traits"}, nil},
	{"ethnicity", Text{"人種・民族", "race or ethnicity"}, []string{"desk"}},
	{"religion", Text{"信仰する宗教", "religion"}, []string{"desk"}},
	{"political-view", Text{"政治的な意見・寄付", "political views or donations"}, []string{"desk"}},
	{"sexuality", Text{"性的指向・性生活", "sexual orientation or sex life"}, []string{"desk"}},
	{"nationality", Text{"国籍・出生地", "nationality or place of birth"}, nil},
	{"family", Text{"家族・婚姻に関する情報", "family or marital status"}, nil},
	{"employer", Text{"勤務先", "employer"}, nil},
	{"occupation", Text{"職業", "occupation"}, nil},
	{"job-application", Text{"求職・応募に関する情報", "job application"}, []string{"mail"}},
	{"education", Text{"学歴・成績", "education or grades"}, nil},
	{"finances", Text{"収入・資産・信用に関する情報", "income, assets or credit"}, []string{"call"}},
	{"payment-history", Text{"支払い・入出金の履歴", "payment history"}, []string{"bank"}},
	{"purchase-history", Text{"購入履歴", "purchase history"}, []string{"mail"}},
	{"loyalty", Text{"ポイント・会員種別", "loyalty programme details"}, nil},
	{"vehicle", Text{"車両に関する情報", "vehicle details"}, nil},
	{"travel", Text{"旅行・移動の記録", "travel records"}, nil},
	{"photo", Text{"写真・画像", "photographs"}, nil},
	{"recording", Text{"音声・映像の記録", "recordings"}, []string{"desk"}},
	{"message-content", Text{"メッセージの内容", "content of messages"}, []string{"desk"}},
	{"support-record", Text{"問い合わせの記録", "support requests"}, []string{"mail"}},
	{"contacts", Text{"知人・連絡先", "contacts"}, nil},
	{"social-profile", Text{"SNSなどのアカウント", "social media accounts"}, nil},
	{"profile", Text{"自己紹介・趣味・生活習慣", "self-description, interests or habits"}, nil},
	{"activity", Text{"サービスの利用履歴", "records of use"}, nil},
	{"ip-address", Text{"IPアドレス", "IP address"}, nil},
	{"device", Text{"端末・ブラウザーの情報", "device or browser details"}, nil},
	{"business-secret", Text{"営業秘密・社内の情報", "business secrets or internal data"}, nil},
	{"source-code", Text{"ソースコード", "source code"}, nil},
	{"system", Text{"システムの構成情報", "system information"}, nil},
	{otherWord, Text{"その他の情報", "other data"}, nil},
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
func ClassLabel(lang web.Lang, word string) string {
	for _, c := range classes {
		if c.Word == word {
			return c.Label.In(lang)
		}
	}
	return word
}

// national says what a number that a country gives its people is called there, where a record does not say which it is.
var national = map[string]Text{
	"US": {"米国の社会保障番号など、国などが個人に付けた番号", "US Social Security number or another national identification number"},
}

// ClassLabelIn is ClassLabel of what was exposed in an incident of that country (ISO 3166-1; "" where it is not known).
func ClassLabelIn(lang web.Lang, country, word string) string {
	if t, ok := national[country]; ok && word == "national-id" {
		return t.In(lang)
	}
	return ClassLabel(lang, word)
}

// ClassLabelsIn labels words of an incident of that country in the vocabulary's order, without duplicates.
func ClassLabelsIn(lang web.Lang, country string, words []string) []string {
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
func ClassLabels(lang web.Lang, words []string) []string {
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
	label Text
}

// causes is the vocabulary of cause. The text completes "による" in Japanese.
var causes = []label{
	{"intrusion", Text{"外部からの不正アクセス", "unauthorised access from outside"}},
	{"credential-stuffing", Text{"他所で流出したパスワードを使った不正ログイン", "sign-ins with passwords leaked elsewhere (credential stuffing)"}},
	{"web-skimming", Text{"決済画面の改ざん", "tampering with a payment page (web skimming)"}},
	{"ransomware", Text{"ランサムウェア", "ransomware"}},
	{"malware", Text{"マルウェアへの感染", "malware"}},
	{"phishing", Text{"フィッシング", "phishing"}},
	{"misdirected-mail", Text{"メールなどの誤送信", "a message sent to the wrong recipients"}},
	{"misdelivery", Text{"書類などの誤送付・誤交付", "papers handed or posted to the wrong person"}},
	{"lost-media", Text{"媒体・書類の紛失", "lost media or papers"}},
	{"theft", Text{"媒体・書類の盗難", "theft of media or papers"}},
	{"misconfiguration", Text{"設定の誤り", "misconfiguration"}},
	{"defect", Text{"プログラムの不具合", "a defect in software"}},
	{"insider", Text{"内部の者による不正な持ち出し", "misuse by an insider"}},
	{"contractor", Text{"委託先で起きた事故", "an incident at a contractor"}},
	{"other", Text{"その他", "another cause"}},
	{"unknown", Text{"調査中", "not yet known"}},
}

// sectors is the vocabulary of sector: what the organisation does.
var sectors = []label{
	{"finance", Text{"金融・保険", "finance and insurance"}},
	{"health", Text{"医療・福祉", "health and care"}},
	{"education", Text{"教育・研究", "education and research"}},
	{"government", Text{"行政", "government"}},
	{"retail", Text{"小売・通信販売", "retail"}},
	{"internet", Text{"インターネットサービス", "internet services"}},
	{"software", Text{"ソフトウェア・情報システム", "software and IT services"}},
	{"telecom", Text{"通信", "telecommunications"}},
	{"media", Text{"報道・出版・娯楽", "media and entertainment"}},
	{"games", Text{"ゲーム", "games"}},
	{"travel", Text{"宿泊・旅行・飲食", "travel, lodging and food"}},
	{"transport", Text{"運輸", "transport"}},
	{"manufacturing", Text{"製造", "manufacturing"}},
	{"energy", Text{"電気・ガス・水道", "energy and water"}},
	{"construction", Text{"建設・不動産", "construction and real estate"}},
	{"professional", Text{"専門サービス", "professional services"}},
	{"nonprofit", Text{"非営利団体", "non-profit"}},
	{"other", Text{"その他", "other"}},
}

// labelled gives the words of a vocabulary.
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
	Label Text
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
func SectorLabel(lang web.Lang, word string) string {
	for _, l := range sectors {
		if l.word == word {
			return l.label.In(lang)
		}
	}
	return word
}

// WordOf returns what people call a word that is the value of key: the same word means something else of another key.
func WordOf(lang web.Lang, key, word string) string {
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

// CountryLabel returns what people call a country of ISO 3166-1; of another code, the code.
func CountryLabel(lang web.Lang, code string) string {
	region, err := language.ParseRegion(code)
	if err != nil || !region.IsCountry() {
		return code
	}
	if lang == web.JA {
		return display.Japanese.Regions().Name(region)
	}
	return display.English.Regions().Name(region)
}

// words labels the small vocabularies. A word means the same wherever it is used.
var words = []label{
	{"affected", Text{"対象", "affected"}},
	{"stopped", Text{"停止", "stopped"}},
	{"resumed", Text{"再開", "resumed"}},
	{"unrelated", Text{"影響なし", "not affected"}},

	{"taken", Text{"実施", "done"}},
	{"planned", Text{"予定", "planned"}},
	{"kept", Text{"予定どおり実施", "done as promised"}},
	{"slipped", Text{"予定より遅れ", "later than promised"}},
	{"lifted", Text{"解除", "lifted"}},

	{"enquiry", Text{"本件に関するお問い合わせ", "enquiries about this incident"}},
	{"login", Text{"不正ログイン", "illegitimate sign-ins"}},
	{"tampering", Text{"情報や保存内容の改ざん", "tampering with data or stored content"}},
	{"misuse", Text{"情報の悪用", "misuse of the data"}},

	{"none-confirmed", Text{"確認されていません", "none confirmed"}},
	{"reported", Text{"申し出があります", "reported"}},

	{"confirmed", Text{"確認済み", "confirmed"}},
	{"possible", Text{"可能性あり", "possible"}},
	{"unknown", Text{"不明", "not known"}},

	{"persons", Text{"人", "people"}},
	{"records", Text{"件", "records"}},
	{"accounts", Text{"アカウント", "accounts"}},
	{"attempts", Text{"回", "attempts"}},

	{StateInvestigating, Text{"対象範囲を調査中", "scope under investigation"}},
	{StateFinal, Text{"対象範囲は確定", "scope settled"}},
	{StateByMail, Text{"メールでのみ回答", "answered by mail only"}},
	{StateRetired, Text{"確認の受け付けを終了", "no longer answered"}},
	{StateReopened, Text{"対象範囲を再調査中", "scope under investigation again"}},
	{StateWithdrawn, Text{"誤りのため取り下げ", "withdrawn as a mistake"}},
}

// Word returns what people call a word of one of the small vocabularies (statuses, certainties, units, states, causes); of
// an unknown one, the word.
func Word(lang web.Lang, word string) string {
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
func DamageStatus(lang web.Lang, v Value) string {
	if v.Word != "enquiry" {
		return Word(lang, v.Status)
	}
	if v.Status == "none-confirmed" {
		return lang.Pick("寄せられていません", "none received")
	}
	return lang.Pick("寄せられています", "received")
}

// Count writes number, unit and qualifier as the language does: 169万2,496アカウント, about 2,700,000 accounts.
func Count(lang web.Lang, v Value) string {
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
func Counts(lang web.Lang, whole Value, parts []Value) string {
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
func Amount(lang web.Lang, v Value) (amount, unit string) {
	if v.Number == nil {
		return lang.Pick("不明", "not known"), ""
	}
	n := web.Number(lang, *v.Number)
	unit = Word(lang, v.Unit)
	if lang == web.EN {
		if *v.Number == 1 {
			unit = map[string]string{"persons": "person", "records": "record", "accounts": "account", "attempts": "attempt"}[v.Unit]
		}
		return map[string]string{"about": "about ", "at-most": "at most ", "cumulative": "a cumulative "}[v.Qualifier] + n, unit
	}
	return map[string]string{"about": "約", "at-most": "最大", "cumulative": "延べ"}[v.Qualifier] + n, unit
}

// keyLabels says what people call a fact's key.
var keyLabels = []label{
	{"organisation", Text{"公表した組織", "Organisation"}},
	{"alias", Text{"別の呼び名", "Also known as"}},
	{"sector", Text{"業種", "Sector"}},
	{"country", Text{"国・地域", "Country"}},
	{"certification", Text{"認証", "Certification"}},
	{"title", Text{"件名", "Title"}},
	{"scope.state", Text{"対象範囲", "Scope"}},
	{"disclosed", Text{"公表", "Made public"}},
	{"window.start", Text{"期間の始まり", "First trace"}},
	{"window.end", Text{"期間の終わり", "Last trace"}},
	{"discovered", Text{"発見", "Discovered"}},
	{"contained", Text{"遮断", "Contained"}},
	{"login-blocked", Text{"ログインの遮断", "Sign-in blocked"}},
	{"regulator-notified", Text{"監督機関への報告", "Reported to a regulator"}},
	{"persons-notified", Text{"本人への通知", "People told"}},
	{"closed", Text{"対応の終了", "Response closed"}},
	{"affected.count", Text{"対象の数", "Affected"}},
	{"affected.part", Text{"地域ごとの対象の数", "Affected in a region"}},
	{"base.count", Text{"全体の数", "Of a total of"}},
	{"attempts.count", Text{"試行の回数", "Attempts"}},
	{"excluded", Text{"対象に含まれないもの", "Not affected"}},
	{"data-class", Text{"流出した可能性のある情報", "What may have been exposed"}},
	{"cause", Text{"原因", "Cause"}},
	{"secondary-damage", Text{"二次被害", "What has followed from it"}},
	{"service", Text{"サービス", "Services"}},
	{"action", Text{"対応", "Actions"}},
	{"addendum", Text{"追記", "Addenda"}},
	{"reply", Text{"組織からの回答", "Replies of the organisation"}},
	{"contact", Text{"お問い合わせ窓口", "Contact"}},
	{"source", Text{"情報源", "Sources"}},
}

// KeyLabel returns what people call a key; of an unknown one, the key.
func KeyLabel(lang web.Lang, key string) string {
	for _, l := range keyLabels {
		if l.word == key {
			return l.label.In(lang)
		}
	}
	return key
}
