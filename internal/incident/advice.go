package incident

import (
	"slices"

	"shirase/internal/language"
)

// Step is something a person whose data was exposed can do.
type Step struct {
	ID    string
	Title language.Text // what to do, as an instruction
	Body  language.Text // how, and why it helps
}

// steps in the order in which they are best done. The texts are our own; none needs a link, so that they stay true
// on paper.
var steps = []Step{
	{"password",
		language.Both("流出のあったサービスのパスワードを変更してください。",
			"Change your password for the service that was breached."),
		language.Both("再設定の案内メールが届いた場合も、メールの中のリンクは開かず、いつもの画面（ブックマークやアプリ）から手続きをしてください。",
			"Even if you receive a mail about it, do not follow its link. Go to the service the way you usually do, by bookmark or app.")},
	{"reused",
		language.Both("同じパスワードを使っている、ほかのサービスでも変更してください。",
			"Change it wherever else you use the same password."),
		language.Both("流出したアドレスとパスワードの組み合わせは、ほかのサービスで試されます。よく似たパスワードも避け、サービスごとに別のものにしてください。パスワード管理ソフトを使えば、覚える必要はありません。",
			"Leaked pairs of address and password are tried on other services. Choose a different one for each, not a variation; a password manager remembers them for you.")},
	{"two-step",
		language.Both("二段階認証を有効にしてください。",
			"Turn on two-step verification."),
		language.Both("まず、メールのアカウントから始めてください。メールに入られると、ほかのサービスのパスワードも再設定されてしまいます。",
			"Begin with your mail account: whoever can read your mail can reset your other passwords.")},
	{"card",
		language.Both("カード会社に連絡し、利用明細を確認してください。",
			"Call your card company, and look through your statements."),
		language.Both("カードの裏面にある番号に電話し、再発行について相談してください。身に覚えのない請求は、カード会社に申し出れば調べてもらえます。",
			"Use the number on the back of the card and ask about a replacement. Report any charge that you do not recognise.")},
	{"bank",
		language.Both("銀行に連絡し、入出金を確認してください。",
			"Tell your bank, and check your account for movements you do not recognise."),
		language.Both("暗証番号を電話やメールで尋ねる銀行はありません。",
			"No bank asks for your PIN by telephone or mail.")},
	{"identity",
		language.Both("番号を発行した窓口に相談してください。",
			"Ask the office that issued the number what it advises."),
		language.Both("身に覚えのない申し込みや請求の書類が届いたら、捨てずに保管し、窓口か警察に相談してください。",
			"Keep any application or bill that you did not ask for, and show it to that office or to the police.")},
	{"my-number",
		language.Both("住んでいる市区町村の窓口に、マイナンバーのことを相談してください。",
			"Ask your city or town office about your My Number."),
		language.Both("漏えいして不正に使われるおそれがあるときは、番号の変更を請求できます。番号だけで手続きが済むことはありませんが、身分証の写しと合わせて悪用されることがあります。",
			"Where it has leaked and may be misused, you can ask for another number. It opens nothing by itself, but can be misused together with a copy of an identity document.")},
	{"pension",
		language.Both("年金事務所に、基礎年金番号のことを相談してください。",
			"Ask your pension office about your basic pension number."),
		language.Both("身に覚えのない届け出がないか、番号を変えられるかを尋ねてください。年金の手続きを名乗って、口座や暗証番号を聞き出そうとする電話や訪問には、応じないでください。",
			"Ask whether anything was filed in your name, and whether your number can be changed. Do not give account details or a PIN to callers or visitors who speak of your pension.")},
	{"health",
		language.Both("病気や治療のことを持ち出す連絡に、応じないでください。",
			"Do not answer anybody who brings up your health or treatment."),
		language.Both("治療法、商品、寄付を勧めたり、「知られたくなければ」と支払いを求めたりする連絡が来ることがあります。払わず、そのまま保管して、警察に相談してください。医療費の通知に、覚えのない受診がないかも確かめてください。",
			"Some offer cures or goods, ask for donations, or demand money to keep quiet. Do not pay; keep the message and go to the police. Look through notices of medical expenses for visits you did not make.")},
	{"mail",
		language.Both("この件を名乗るメールに注意してください。",
			"Be wary of mail that mentions this incident."),
		language.Both("本物らしい文面で、パスワードやカード番号を入力させようとするメールが届くことがあります。正式なお知らせは、このページと同じ内容です。迷ったら、メールからではなく、このページを開いて見比べてください。",
			"Convincing messages may ask for a password or card number. The official notice says what this page says: when in doubt, open this page yourself and compare.")},
	{"call",
		language.Both("この件を名乗る電話、SMS、訪問に注意してください。",
			"Be wary of calls, texts and visits that mention this incident."),
		language.Both("その場で答えたり支払ったりせず、いったん切って、公式の窓口にかけ直してください。",
			"Do not answer questions or pay on the spot. Hang up, and call the official desk yourself.")},
	{"password-hint",
		language.Both("生年月日を暗証番号やパスワードに使っている場合は、変更してください。",
			"If a PIN or password of yours is made from your date of birth, change it."),
		language.Both("「秘密の質問」の答えに使っている場合も同じです。",
			"The same goes for answers to security questions.")},
	{"desk",
		language.Both("気がかりなことは、公表した組織の窓口に相談してください。",
			"Take your concerns to the organisation's desk."),
		language.Both("どの内容が含まれていたかは、窓口で本人確認のうえ確かめられることがあります。",
			"It may be able to tell you, once it knows who you are, exactly what was included.")},
}

// Advise returns the steps for someone of whom the given classes were exposed, in the order in which they are best
// done. Unknown classes add nothing.
func Advise(exposed []string) []Step {
	var out []Step
	for _, step := range steps {
		if slices.ContainsFunc(classes, func(c Class) bool {
			return slices.Contains(exposed, c.Word) && slices.Contains(c.Advice, step.ID)
		}) {
			out = append(out, step)
		}
	}
	return out
}

// Steps returns every step of advice there is, in order.
func Steps() []Step { return slices.Clone(steps) }

// In returns title and body in lang.
func (s Step) In(lang language.Lang) (title, body string) { return s.Title.In(lang), s.Body.In(lang) }
