package site

import (
	"shirase/internal/incident"
	"shirase/internal/language"
)

// word is a code of the check with what a person reads about it. The codes are those of identity/reason.go,
// check/code.go and check/answer.go; a test holds that none is missing.
type word struct {
	Word   string
	ja, en string
}

// In returns the text of lang.
func (w word) In(lang language.Lang) string { return lang.Pick(w.ja, w.en) }

// reasons say why what was entered is not an address.
var reasons = []word{
	{"empty", "アドレスを入力してください。", "Please enter an address."},
	{"empty-number", "番号を入力してください。", "Please enter the number."},
	{"too-many", "一度に確認できるのは、16件までです。", "At most 16 addresses can be checked at once."},
	{"too-long", "長すぎます。アドレスだけを入力してください。", "This is too long. Please enter the address and nothing else."},
	{"not-utf8", "読み取れない文字が含まれています。", "It holds characters that cannot be read."},
	{"unassigned-character", "Unicode 15.0 にない文字が含まれています。", "It holds a character that is not in Unicode 15.0."},
	{"too-many-marks", "1つの文字に付く記号が多すぎます。", "It holds more than 8 combining marks in a row."},
	{"control-character", "画面に表示されない制御文字が含まれています。入力し直してください。", "It holds an invisible control character. Please type it in again."},
	{"old-normaliser", "このブラウザーでは、この文字を正しく扱えません。新しいブラウザーか、コマンドをお使いください。", "This browser cannot handle these characters correctly. Please use a newer one, or the command."},

	{"no-at-sign", "@ がありません。user1@example.com のような形で入力してください。", "There is no @ in it. An address looks like user1@example.com."},
	{"no-at-sign-here", "@ がありません。電話番号や会員番号を確認するときは、「何で確認しますか」で選んでから入力してください。", "There is no @ in it. To check a telephone number or an account number, choose that above first."},
	{"local-part-empty", "@ の前に何もありません。", "There is nothing before the @."},
	{"local-part-too-long", "@ の前が64文字を超えています。", "The part before the @ is longer than 64 characters."},
	{"local-part-not-ascii", "@ の前に、半角の英数字と記号でない文字があります。", "The part before the @ holds a character that is not ASCII."},
	{"local-part-quoted", "@ の前の引用符の中に、引用符がなければ使えない文字があります。この形のアドレスは確認できません。", "The quoted part before the @ holds characters that need the quotes. Addresses of this form cannot be checked."},
	{"local-part-character", "@ の前に、アドレスに使えない文字（空白や2つめの @ など）があります。", "The part before the @ holds a character that is not allowed there, such as a space or another @."},

	{"domain-empty", "@ のうしろに何もありません。", "There is nothing after the @."},
	{"domain-literal", "@ のうしろが、ドメイン名でなく角括弧で囲まれた番号になっています。", "The part after the @ is a number in brackets, not a domain."},
	{"domain-character", "@ のうしろに、ドメイン名に使えない文字があります。", "The domain holds a character that is not allowed there."},
	{"domain-empty-label", "@ のうしろで、点が続いているか、点から始まっています。", "The domain begins with a dot, or has two in a row."},
	{"domain-punycode", "@ のうしろの xn-- で始まる部分が、正しい形ではありません。", "The domain has a part beginning with xn-- that is not valid."},
	{"domain-hyphen", "@ のうしろで、ハイフンの位置が正しくありません。", "The domain has a hyphen where none may be."},
	{"domain-mark", "@ のうしろに、結合文字から始まる部分があります。", "The domain has a part that begins with a combining mark."},
	{"domain-joiner", "@ のうしろに、そこでは使えない見えない文字があります。", "The domain has an invisible joiner where none is allowed."},
	{"domain-bidi", "@ のうしろで、書く向きの異なる文字が、許されない形で混ざっています。", "The domain mixes writing directions in a way that is not allowed."},
	{"domain-label-too-long", "@ のうしろに、63文字を超える部分があります。", "The domain has a part longer than 63 characters."},
	{"domain-too-long", "@ のうしろが、253文字を超えています。", "The domain is longer than 253 characters."},
	{"domain-no-dot", "@ のうしろに点がありません。.com や .jp などが抜けていませんか。", "The domain has no dot. Is its ending missing, such as .com or .jp?"},
	{"domain-numeric", "@ のうしろが数字で終わっています。メールアドレスのドメイン名ではありません。", "The domain ends in a number, so it is not the domain of a mail address."},

	{"phone-region", "電話番号の既定の国が、正しく設定されていません。", "The default country for telephone numbers is not set correctly."},
	{"phone-character", "電話番号に使えない文字があります。", "It holds a character that is not part of a telephone number."},
	{"phone-no-region", "電話番号は、+ と国番号から始めてください（日本なら +81）。", "Please begin a telephone number with + and the country code."},
	{"phone-invalid", "実在しうる電話番号ではありません。", "It is not a telephone number that can exist."},
	{"phone-not-here", "このページで確認できるのは、日本の電話番号です。ほかの国の番号は、コマンド（shirase check）で確認できます。", "Only Japanese numbers can be checked on this page. Those of other countries can be checked by the command, shirase check."},
	{"organisation-invalid", "組織の id が正しくありません。", "The organisation's id is not valid."},
}

// whys say why an incident is not covered by an answer, in the order in which they are listed.
var whys = []word{
	{"investigating", "対象範囲を調査しているため", "its scope is still under investigation"},
	{"reopened", "対象範囲をあらためて調査しているため（これまでの範囲には含まれていません）", "who is affected is being established anew, and what was settled before does not hold it"},
	{"layer-missing", "索引の一部が、いま受け取れないため", "its part of the index cannot be had at the moment"},
	{"kind-not-indexed", "入力されたもの（メールアドレスなど）では確認できないため", "it cannot be checked by what you entered (an e-mail address, say)"},
	{"by-mail", "内容に配慮し、メールでのみお答えするため", "it is sensitive, and answered by mail only"},
	{"retired", "確認の受け付けを終えたため", "it is no longer answered"},
	{"withdrawn", "誤って公表され、取り下げられたため", "it was published by mistake, and is withdrawn"},
}

// failure is a check that ended without an answer: what went wrong, and what to do.
type failure struct {
	word
	remedyJA, remedyEN string
}

// Remedy returns what to do about it.
func (f failure) Remedy(lang language.Lang) string { return lang.Pick(f.remedyJA, f.remedyEN) }

// RemedyForFile returns what to do where it was a saved answer that failed, which no server can be asked about.
func (f failure) RemedyForFile(lang language.Lang) string {
	switch f.Word {
	case "altered", "answer", "not-pinned":
		return f.Remedy(lang)
	case "server", "network", "offline", "other":
		return lang.Pick(againJA, againEN)
	case "fork", "rollback", "chain", "policy-weaker":
		return lang.Pick("このファイルのもとになった公表と、このブラウザーが見てきた公表とは、同じ記録に並ぶことができません。どちらかが偽りです。ファイルを残したまま、公表した組織の窓口と、個人情報保護委員会など組織の外の両方に伝えてください。",
			"What this file rests on and what this browser has seen published cannot both be true. Keep the file, and tell the organisation's desk and somebody outside it, such as the data protection authority.")
	}
	return lang.Pick("このファイルを、答えの証拠として使わないでください。保存したあとに壊れたか、はじめから正しい答えではありません。",
		"Do not use this file as evidence. It was damaged after it was saved, or was never a true answer.")
}

// What to do where the fault is not the reader's.
const (
	againJA = "時間をおいて、もう一度お試しください。同じ表示が続くときは、下のエラーの名前を、公表した組織の窓口に伝えてください。"
	againEN = "Please try again later. If it stays like this, tell the organisation's desk the name of the error below."
	tellJA  = "このサーバーの答えを、信用しないでください。下のエラーの名前を、公表した組織の窓口に伝えてください。"
	tellEN  = "Do not trust an answer of this server. Please tell the organisation's desk the name of the error below."
	keepJA  = "このサーバーの答えを、信用しないでください。証拠を保存して、公表した組織の窓口のほかに、個人情報保護委員会など、組織の外にも伝えてください。"
	keepEN  = "Do not trust an answer of this server. Save the evidence, and tell somebody besides the organisation's desk, such as the data protection authority."
	clockJA = "この端末の時計と日付が合っているかを確かめてください。合っているときは、運営者の側で更新が遅れています。時間をおいてお試しください。"
	clockEN = "Please see whether this device's clock and date are right. If they are, the operator is late in renewing it: try again later."
)

var failures = []failure{
	{word{"identity", "入力されたものを、アドレスとして読み取れませんでした。", "What was entered could not be read as an address."},
		"入力を見直してください。", "Please look it over."},
	{word{"checkpoint", "公開台帳の署名が、示されている鍵のものではありませんでした。", "The ledger's signature was not made with the key shown here."}, tellJA, tellEN},
	{word{"unwitnessed", "公開台帳の記録に、必要な数の立会人の署名がありませんでした。", "Too few of the ledger's witnesses have signed what is shown here."},
		"ほかの人には見せていない記録を、見せられているおそれがあるため、答えを出しませんでした。時間をおいて、もう一度お試しください。同じ表示が続くときは、このサイトとは別の方法で、運営者に確かめてください。",
		"It might be a record that nobody else is shown, so there is no answer. Please try again later; if it stays like this, ask the operator by another way than this site."},
	{word{"inclusion", "公表の内容が公開台帳に記録されていることを、確かめられませんでした。", "It could not be verified that what is published is in the ledger."}, tellJA, tellEN},
	{word{"not-pinned", "この答えが記録された台帳の鍵を、この端末は知りません。", "This device does not know the key of the ledger this answer was recorded in."},
		"答えのファイルが、このサイトのものであることを確かめてください。別のサイトのものなら、そのサイトで検証するか、鍵を指定して shirase verify --ledger-key をお使いください。",
		"Please see whether the file is from this site. If it is from another, verify it there, or give that ledger's key to shirase verify --ledger-key."},
	{word{"ledger-changed", "以前に確認したときと、別の台帳が示されました。", "This is another ledger than when you last checked here."},
		"台帳を新しくしたという知らせが、運営者から出ていないかを確かめてください。出ていなければ、このサーバーの答えを信用しないでください。",
		"Please see whether the operator has announced a new ledger. If not, do not trust an answer of this server."},
	{word{"origin", "このサーバーは、自分のものではない名前の台帳を示しました。", "This server shows a ledger under a name that is not its own."},
		"アドレス欄のサイトの名前が、確認したい組織のものかどうかを確かめてください。そのとおりであれば、下のエラーの名前を、その組織の窓口に伝えてください。",
		"Please see whether the name in the address bar is that of the organisation you mean. If it is, tell its desk the name of the error below."},
	{word{"statement", "公表の内容が、定められた書き方になっていませんでした。", "What is published is not written the way it has to be."}, againJA, againEN},
	{word{"expired", "公表の内容の有効期限が切れています。", "What is published has expired."}, clockJA, clockEN},
	{word{"not-yet", "公表の日時が、この端末の時計より先になっています。", "What is published is dated later than this device's clock."}, clockJA, clockEN},
	{word{"clock", "この端末の時計が、以前にここで見た公表の日時より遅れています。", "This device's clock is behind what it has already seen published here."},
		"端末の日付と時刻を合わせてから、もう一度お試しください。時計が遅れていると、古い公表を、新しいものと取り違えるおそれがあります。",
		"Please set its date and time, and try again. To a clock that is behind, something old could pass for the newest."},
	{word{"rollback", "前に見たときより、古い公表が示されました。", "Something older was shown than what you saw published here before."}, keepJA, keepEN},
	{word{"fork", "以前にここで見たものとは別の、もう一つの記録が示されました。", "A second history was shown, beside the one you saw here before."}, keepJA, keepEN},
	{word{"consistency", "公開台帳が、以前に見たものの続きであることを、サーバーが示しませんでした。", "The server did not show that its ledger goes on from the one you saw before."}, againJA, againEN},
	{word{"chain", "いまの公表が、以前にここで見た公表と食い違っています。公表を重ねても変わってはならないことが、変えられています。", "What is published now contradicts what you saw published here before: something was changed that may never change."}, keepJA, keepEN},
	{word{"policy-weaker", "公開台帳の立会人が、以前より減らされています。", "The ledger asks for fewer witnesses than it did before."},
		"立会人は、運営者が人によって違う内容を見せていないことを見届ける人たちです。減らした理由が公表されているかを確かめてください。公表されていなければ、このサーバーの答えを信用しないでください。",
		"Witnesses keep the operator from showing different things to different people. Please see whether it has said in public why there are fewer. If not, do not trust an answer of this server."},
	{word{"too-coarse", "公表されている索引が大きすぎて、アドレスの手がかりを十分に隠したまま照合することができません。何も送っていません。", "The published index is too large for your address to stay hidden well enough while it is compared. Nothing was sent."}, tellJA, tellEN},
	{word{"proof", "公表された鍵で計算されたという証明が、正しくありませんでした。", "The proof that the published key was used is not right."}, tellJA, tellEN},
	{word{"element", "サーバーの計算の結果が、定められた形ではありませんでした。", "The server's calculation gave a value that cannot be."}, againJA, againEN},
	{word{"scalar", "計算に使う値が、定められた形ではありませんでした。", "A value of the calculation is not of the form it has to be."}, againJA, againEN},
	{word{"audit", "配られている索引が、公表ごとの元の層と一致しませんでした。", "The served index is not made of the published layers."}, tellJA, tellEN},
	{word{"bucket", "受け取った索引の区画が、公表されたものと一致しませんでした。", "The part of the index that came is not the published one."}, tellJA, tellEN},
	{word{"entry", "受け取った索引に、壊れた記録がありました。", "The index holds a damaged entry."}, againJA, againEN},
	{word{"layer", "索引の層が、定められた形ではありませんでした。", "A layer of the index is not of the form it has to be."}, againJA, againEN},
	{word{"altered", "このファイルは、書き換えられています。書かれているアドレスか結果が、ファイルの中の証明と合いません。", "This file was altered: the address or the result that it states is not what the proofs in it show."},
		"このファイルの内容を、信用しないでください。渡した人に、保存したままのファイルを求めてください。",
		"Do not believe what it says. Ask whoever gave it to you for the file as it was saved."},
	{word{"answer", "これは、答えのファイルではないか、壊れているか、途中で切れています。", "This is not an answer file, or it is damaged or cut short."},
		"保存した元のファイルを選び直してください。", "Please choose the file as it was saved."},
	{word{"batch", "一度に尋ねられる数を超えました。", "More was asked at once than can be."},
		"アドレスを減らして、もう一度お試しください。", "Please try again with fewer addresses."},
	{word{"insecure", "この接続は、暗号化されていません。", "This connection is not encrypted."},
		"https:// で始まるアドレスから、このページを開き直してください。", "Please open this page by its https:// address."},
	{word{"busy", "いま、たいへん多くの方が確認しています。", "A great many people are checking at this moment."},
		"数分おいて、もう一度お試しください。", "Please try again in a few minutes."},
	{word{"server", "サーバーから、定められた形の返事がありませんでした。", "The server did not reply the way it has to."}, againJA, againEN},
	{word{"network", "サーバーにつながりませんでした。", "The server could not be reached."},
		"通信の状態を確かめて、もう一度お試しください。", "Please see whether you are connected, and try again."},
	{word{"offline", "この端末は、インターネットにつながっていません。", "This device is offline."},
		"つながってから、もう一度お試しください。入力した内容は、どこにも送られていません。", "Please try again once you are connected. Nothing you entered has been sent."},
	{word{"other", "思いがけない誤りが起きました。", "Something unexpected went wrong."}, againJA, againEN},
}

// provenWords complete the sentence of a verified answer.
var provenWords = []struct{ Result, Tone, JA, EN string }{
	{"affected", "hit", "次の公表の対象に含まれていました。", "was affected by the incidents below."},
	{"dropped", "open", "以前の版では対象に含まれていましたが、この版では除かれていました。", "was among those affected in an earlier revision, and not in this one."},
	{"not-in-scope", "clear", "下に挙げる、照合した公表の対象に含まれていませんでした。", "was not among those affected in what it was compared with, which is listed below."},
	{"incomplete", "open", "公表の一部か全部を照合できておらず、「対象ではない」とは言えませんでした。", "could not be compared with all of what was published, so this is no \"not affected\"."},
	{"investigating", "open", "照合できる公表が、どれも調査中でした。", "could not be answered yet: what it could have been compared with was under investigation."},
	{"unchecked", "open", "照合できる公表がありませんでした。", "had nothing to be compared with."},
}

// adviceStep is a step of advice for a page: with the data classes it is for.
type adviceStep struct {
	ID, Title, Body, Classes string
}

// adviceSteps returns the steps for the given classes, or where there are none given, every step, each with the
// classes it answers to, for the script to choose from.
func adviceSteps(lang language.Lang, exposed []string) []adviceStep {
	steps := incident.Steps()
	if exposed != nil {
		steps = incident.Advise(exposed)
	}
	var out []adviceStep
	for _, step := range steps {
		title, body := step.In(lang)
		out = append(out, adviceStep{step.ID, title, body, classesOf(step.ID)})
	}
	return out
}

// classesOf lists the data classes that a step of advice answers to, separated by spaces.
func classesOf(step string) string {
	var out string
	for _, c := range incident.Classes() {
		for _, id := range c.Advice {
			if id == step {
				out += " " + c.Word
			}
		}
	}
	return out[min(1, len(out)):]
}

// elsewhere is the advice for somebody in an incident of an organisation whose notice this page is not.
func elsewhere(lang language.Lang, exposed []string) []adviceStep {
	out := adviceSteps(lang, exposed)
	for n, step := range incident.Advise(exposed) {
		if step.ID == "mail" {
			out[n].Body = lang.Pick("本物らしい文面で、パスワードやカード番号を入力させようとするメールが届くことがあります。迷ったら、メールのリンクは開かず、その組織の公式のページで確かめてください。",
				"Convincing messages may ask for a password or card number. When in doubt, do not follow a link in a mail: look at the organisation's own pages.")
		}
	}
	return out
}
