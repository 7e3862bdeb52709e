package document

import "shirase/internal/language"

var both = language.Both

// nine are the items of the report to the Personal Information Protection Commission, in their legal order: 個人情報の保護に関する
// 法律施行規則第8条第1項各号. Their names are the rule's own. The Commission takes them by a web form, whose layout is its own and is
// not imitated here.
var nine = []item{
	{"summary", both("概要", "What happened"), "規則8条1項1号", (*writer).summary},
	{"classes", both("漏えい等が発生し、又は発生したおそれがある個人データの項目", "Kinds of personal data that were or may have been exposed"), "規則8条1項2号", (*writer).classes},
	{"count", both("漏えい等が発生し、又は発生したおそれがある個人データに係る本人の数", "Number of persons whose data they are"), "規則8条1項3号", (*writer).persons},
	{"cause", both("原因", "Cause"), "規則8条1項4号", (*writer).cause},
	{"damage", both("二次被害又はそのおそれの有無及びその内容", "Further damage, or the danger of it"), "規則8条1項5号", (*writer).damage},
	{"response", both("本人への対応の実施状況", "What is done for the persons"), "規則8条1項6号", (*writer).response},
	{"publication", both("公表の実施状況", "What was made public"), "規則8条1項7号", (*writer).publication},
	{"prevention", both("再発防止のための措置", "Measures against a repetition"), "規則8条1項8号", (*writer).prevention},
	{"other", both("その他参考となる事項", "Other matters"), "規則8条1項9号", (*writer).other},
}

var (
	commission = both("個人情報保護委員会（権限が委任されている場合はその省庁）", "Personal Information Protection Commission, or the ministry it has delegated to")
	byForm     = both("委員会のウェブフォームへ、項目ごとに写してください。様式の配置は委員会のもので、この表は規則の順に並べた当方の下書きです。", "Copy it item by item into the Commission's web form. The form's layout is the Commission's; this sheet is ours, in the order of the rule.")
)

var kinds = []Kind{
	{ID: "ppc-sokuho", Name: both("個人情報保護委員会への速報", "Preliminary report to the PPC (Japan)"), To: commission, Lang: language.JA, Clocks: []string{"jp-appi-sokuho", "jp-appi-processor-sokuho"}, Also: "ppc-kakuho", Note: byForm, items: nine},
	{ID: "ppc-kakuho", Name: both("個人情報保護委員会への確報", "Final report to the PPC (Japan)"), To: commission, Lang: language.JA, Clocks: []string{"jp-appi-kakuho", "jp-appi-kakuho-60", "jp-appi-processor-kakuho", "jp-appi-processor-kakuho-60"}, Note: byForm, items: nine},
	{ID: "ppc-tsuikan", Name: both("個人情報保護委員会への追完", "Completion of a report to the PPC (Japan)"), To: commission, Lang: language.JA, Note: byForm, items: nine},
	{ID: "ransomware-form", Name: both("ランサムウェア事案の共通様式", "Common form for ransomware (Japan)"), To: both("個人情報保護委員会、警察、所管省庁", "PPC, police, ministry"), Lang: language.JA, Clocks: []string{"jp-ransom-form-form"},
		Note:  both("公式の様式ファイルに、当てはめ表（mapping）で書き込みます。公式の様式はここには含まれません。", "It is written into the official template by a mapping of cells. The official file is not part of this program."),
		items: nine},
	{ID: "pmark", Name: both("プライバシーマーク審査機関への事故報告", "Accident report to the PrivacyMark body"), To: both("プライバシーマークの審査機関", "PrivacyMark assessment body"), Lang: language.JA, Clocks: []string{"jp-pmark-sokuho", "jp-pmark-kakuho", "jp-pmark-kakuho-60"},
		items: []item{
			{"summary", both("事故の概要", "What happened"), "", (*writer).summary},
			{"media", both("媒体", "Medium"), "", (*writer).nothing},
			{"classes", both("個人情報の項目", "Kinds of data"), "", (*writer).classes},
			{"records", both("件数", "Number"), "", (*writer).number},
			{"course", both("経過", "Course of events"), "", (*writer).course},
			{"cause", both("原因", "Cause"), "", (*writer).cause},
			{"response", both("本人への対応", "What is done for the persons"), "", (*writer).response},
			{"publication", both("公表", "What was made public"), "", (*writer).publication},
			{"damage", both("二次被害", "Further damage"), "", (*writer).damage},
			{"prevention", both("再発防止", "Measures against a repetition"), "", (*writer).prevention},
		}},
	{ID: "gdpr-33", Name: both("GDPR第33条の通知（監督機関）", "Notification under Article 33 GDPR"), To: both("監督機関", "lead supervisory authority"), Lang: language.EN, Clocks: []string{"eu-gdpr-33", "uk-gdpr-33"},
		Note: both("72時間で分からない項目は、段階を追って出せます（33条4項）。遅れるときは理由を添えます（33条1項）。", "What is not known within 72 hours may follow in phases (Art. 33(4)); a delay is given its reasons (Art. 33(1))."),
		items: []item{
			{"summary", both("侵害の性質", "Nature of the breach"), "Art. 33(3)(a)", (*writer).summary},
			{"classes", both("データの種類", "Categories of personal data and data subjects"), "Art. 33(3)(a)", (*writer).classes},
			{"count", both("本人のおおよその数", "Approximate number of data subjects"), "Art. 33(3)(a)", (*writer).persons},
			{"records", both("記録のおおよその数", "Approximate number of records"), "Art. 33(3)(a)", (*writer).number},
			{"contact", both("連絡先", "Contact point"), "Art. 33(3)(b)", (*writer).contact},
			{"consequences", both("起こりうる結果", "Likely consequences"), "Art. 33(3)(c)", (*writer).damage},
			{"measures", both("措置", "Measures taken or proposed"), "Art. 33(3)(d)", (*writer).measures},
		}},
	{ID: "sec-8k", Name: both("Form 8-K Item 1.05（米国証券取引委員会）", "Form 8-K, Item 1.05 (SEC)"), To: both("米国証券取引委員会", "SEC"), Lang: language.EN, Clocks: []string{"us-sec-105"},
		Note: both("重要と判断してから4営業日以内です。分からない点はその旨を書き、後の修正で補います。", "Due four business days after materiality is determined. What is not determined is said to be so, and follows in an amendment."),
		items: []item{
			{"summary", both("性質", "Nature of the incident"), "Item 1.05(a)", (*writer).summary},
			{"scope", both("範囲", "Scope"), "Item 1.05(a)", (*writer).scope},
			{"course", both("時期", "Timing"), "Item 1.05(a)", (*writer).course},
			{"impact", both("重要な影響、または合理的に見込まれる影響", "Material impact, or reasonably likely material impact"), "Item 1.05(a)", (*writer).nothing},
			{"undetermined", both("まだ判断できていないこと", "What is not determined or not available"), "Instruction 2 to Item 1.05", (*writer).undetermined},
		}},
	{ID: "us-state", Name: both("米国各州の本人通知（見出しごと）", "Notice to US residents, under the headings of California"), To: both("本人、州司法長官", "persons, attorneys general"), Lang: language.EN, Clocks: []string{"us-ca-person"},
		Note: both("見出しはカリフォルニア州民法1798.82条の5つです。ほかの州でも使える形ですが、州ごとの定めを確かめてください。", "The five headings of Cal. Civ. Code 1798.82(d)(1). Other states accept the form; check what each of them adds."),
		items: []item{
			{"summary", both("何が起きたか", "What Happened?"), "1798.82(d)(1)", (*writer).course},
			{"classes", both("どの情報か", "What Information Was Involved?"), "1798.82(d)(1)", (*writer).classes},
			{"measures", both("当社の対応", "What We Are Doing"), "1798.82(d)(1)", (*writer).measures},
			{"advice", both("あなたにできること", "What You Can Do"), "1798.82(d)(1)", (*writer).advice},
			{"contact", both("問い合わせ先", "For More Information"), "1798.82(d)(1)", (*writer).contact},
		}},
	{ID: "mail", Name: both("本人へのメール", "Mail to each person"), To: both("本人", "each person"), Both: true, Clocks: []string{"jp-appi-notify"},
		Note: both("本人への通知は、規則10条の5項目（概要、項目、原因、二次被害、その他）のうち、その人に関わるものです。リンクを押させず、公式サイトで番号から探せるようにしてください。", "The five items of rule 10, as far as they concern the person. Let them find the notice on your own site rather than follow a link."),
		items: []item{
			{"summary", both("概要", "What happened"), "", (*writer).course},
			{"classes", both("漏えいした項目", "What was exposed"), "", (*writer).classes},
			{"cause", both("原因", "Cause"), "", (*writer).cause},
			{"damage", both("二次被害", "Further damage"), "", (*writer).damage},
			{"advice", both("していただきたいこと", "What you can do"), "", (*writer).advice},
			{"contact", both("お問い合わせ", "Contact"), "", (*writer).contact},
			{"where", both("このメールが本物かを確かめるには", "How to confirm that this mail is genuine"), "", (*writer).where},
		}},
	{ID: "help", Name: both("ヘルプページ", "Help page"), To: both("だれでも", "everybody"), Both: true,
		items: []item{
			{"course", both("何が起きたか", "What happened"), "", (*writer).course},
			{"scope", both("対象", "Who is affected"), "", (*writer).scope},
			{"classes", both("対象の情報", "What was exposed"), "", (*writer).classes},
			{"advice", both("していただきたいこと", "What you can do"), "", (*writer).advice},
			{"services", both("サービスの状況", "The services"), "", (*writer).services},
			{"measures", both("対応の状況", "What is being done"), "", (*writer).measures},
			{"next", both("次のお知らせ", "Next update"), "", (*writer).next},
			{"contact", both("お問い合わせ", "Contact"), "", (*writer).contact},
		}},
	{ID: "closing", Name: both("対応終了報告書（公表用）", "Closing report, for everybody"), To: both("だれでも", "everybody"), Both: true,
		Note: both("追記として公表します。公表の前に、事実と照らし合わせます。担当者の名前は入りません。", "It is published as an addendum, and held against the facts before. It names nobody who does the tasks."),
		items: []item{
			{"course", both("経過", "What happened"), "", (*writer).course},
			{"scope", both("対象", "Who was affected"), "", (*writer).scope},
			{"classes", both("対象の情報", "What was exposed"), "", (*writer).classes},
			{"cause", both("原因", "Cause"), "", (*writer).cause},
			{"damage", both("二次被害", "Further damage"), "", (*writer).damage},
			{"measures", both("行った対応", "What was done"), "", (*writer).measures},
			{"after", both("今後の対応", "What is done so that it does not happen again"), "", (*writer).after},
			{"contact", both("お問い合わせ", "Contact"), "", (*writer).contact},
		}},
	{ID: "closing-internal", Name: both("対応終了報告書（組織内）", "Closing report, for the organisation"), To: both("経営者、監査", "management, audit"), Lang: language.JA,
		Note: both("公表しません。鍵を壊したあとは書けないので、閉じるときに書き出してください。", "It is not published. It cannot be written once the key is destroyed: take it out when the case is closed."),
		items: []item{
			{"summary", both("概要", "What happened"), "", (*writer).summary},
			{"course", both("経過", "Course of events"), "", (*writer).course},
			{"classes", both("項目", "Kinds of data"), "", (*writer).classes},
			{"count", both("本人の数", "Number of persons"), "", (*writer).persons},
			{"cause", both("原因", "Cause"), "", (*writer).cause},
			{"damage", both("二次被害", "Further damage"), "", (*writer).damage},
			{"response", both("本人への対応", "What was done for the persons"), "", (*writer).response},
			{"publication", both("公表", "What was made public"), "", (*writer).publication},
			{"prevention", both("再発防止のための措置", "Measures against a repetition"), "", (*writer).prevention},
			{"after", both("今後の対応", "What is still to be done"), "", (*writer).after},
			{"lessons", both("学んだこと", "Lessons"), "", (*writer).lessons},
		}},
}
