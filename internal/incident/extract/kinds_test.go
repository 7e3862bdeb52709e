package extract

import (
	"slices"
	"strings"
	"testing"
)

// kinds are the kinds of fault that labelled texts showed, each with texts of our own: what has to be read, what must not be, and
// what may be read but not be called sure.
var kinds = []struct {
	kind               string
	frame              string // around each text
	texts              []string
	has, lacks, unsure []string
}{
	{kind: "what is denied by the verb of writing, keeping or handing over", frame: frameJA, texts: []string{
		"なお、住所や電話番号は書いておりません。",
		"住所、電話番号は名簿に残しておりません。",
		"住所と電話番号についてはお預かりしておりません。",
		"封筒には住所、電話番号を印字しておりませんでした。",
		"住所、電話番号、口座番号は持ち出されていません。",
		"住所や電話番号は対象に入りません。",
		"住所、電話番号は別の棚で管理しているため影響を受けません。",
	}, has: []string{"data-class name", "data-class account-id"}, lacks: []string{"data-class address", "data-class phone"}},
	{kind: "a list of what was not lost", frame: frameJA, texts: []string{
		"以下の情報は含まれておりません。\n住所、電話番号、口座番号",
		"次の項目は漏えいしておりません。\n・住所\n・電話番号",
		"【漏えいした情報】\n氏名、会員番号\n※下記の情報は保存しておりません。\n・住所、電話番号\n・口座番号",
		"漏えいした可能性がある情報\n| 会員 | 氏名、会員番号 |\n| 対象外 | 住所、電話番号 |",
	}, has: []string{"data-class name", "data-class account-id"}, lacks: []string{"data-class address", "data-class phone", "data-class bank-account"}},
	{kind: "a sentence that denies something behind the data", frame: frameJA, texts: []string{
		"住所と電話番号は符号に変えていたため、読めるものではなかったと考えております。",
		"住所や電話番号が外に出たかどうかは確認できておりません。",
		"住所、電話番号の入った帳簿は誰の手にも届かなかったとみております。",
	}, unsure: []string{"data-class address", "data-class phone"}},
	{kind: "what an author takes in at other times", frame: frameJA + "\n1.漏えいした情報\n氏名、会員番号\n", texts: []string{
		"当社では住所、電話番号、職業をお預かりすることがあります。",
		"会員登録では住所、電話番号をお伺いする場合がございます。",
		"お電話では、住所、電話番号をお尋ねします。",
	}, unsure: []string{"data-class address", "data-class phone"}},
	{kind: "a school year of pupils", frame: frameJA, texts: []string{
		"漏えいした情報\n2学年生徒の氏名、会員番号", "漏えいした情報\n全学年の保護者の氏名、会員番号", "漏えいした情報\n当該学年の児童の氏名、会員番号",
	}, has: []string{"data-class name"}, lacks: []string{"data-class education"}},
	{kind: "a class whose word means several things", frame: frameJA, texts: []string{
		"漏えいした情報\n氏名、所属学部、会員番号", "漏えいした情報\n氏名、団体名、会員番号",
	}, has: []string{"data-class name"}, unsure: []string{"data-class education", "data-class employer"}},
	{kind: "since when it was so, found out later", texts: []string{
		"2024年6月26日\n株式会社霞堂\n不正アクセスについて\n6月23日から、会員ではない方のログインが続いていたことを検知しました。氏名が閲覧されました。お詫びいたします。",
		"2024年6月26日\n株式会社霞堂\n不正アクセスについて\n6月23日頃から不審な通信があったことを確認しました。氏名が閲覧されました。お詫びいたします。",
		"2024年6月26日\n株式会社霞堂\n氏名の表示について\n6月23日、会員画面を改修した際に誤りが混じり、氏名がほかの方に見える状態となっていたことが分かりました。お詫びいたします。",
	}, lacks: []string{"discovered 2024-06-23"}},
	{kind: "a warning that nobody noticed", texts: []string{
		"2024年6月26日\n株式会社霞堂\n不正アクセスについて\n6月20日 監視装置が異常な通信を記録した(この時点では誰も気づいていない)。\n6月22日 取引先から不審なメールの連絡があり、判明。\n氏名が閲覧されました。お詫びいたします。",
		"2024年6月26日\n株式会社霞堂\n不正アクセスについて\n6月20日 不審なログインの通知が届いたが、担当者は気づかなかった。\n6月22日 取引先から連絡があり、不正アクセスが判明。\n氏名が閲覧されました。お詫びいたします。",
		"2024年6月26日\n株式会社霞堂\n不正アクセスについて\n6月20日 端末に警告が出たものの気付かず、業務を続けた。\n6月22日 不審な通信を検知。\n氏名が閲覧されました。お詫びいたします。",
	}, has: []string{"discovered 2024-06-22"}},
	{kind: "several days on which something came to be known", texts: []string{
		"2024年6月26日\n株式会社霞堂\n不正アクセスについて\n6月10日、社内の点検で不正アクセスの跡を発見しました。6月20日、調査により流出が判明しました。お客様の氏名が流出しました。お詫びいたします。",
		"2024年6月26日\n株式会社霞堂\n紛失について\n6月10日 教諭が名簿の紛失に気づいた。\n6月14日 校長が報告を受け、紛失が発覚した。\n名簿には氏名が記載されていました。お詫びいたします。",
	}, unsure: []string{"discovered 2024-06-10"}},
	{kind: "a label with its verb", texts: []string{
		"2024年6月26日\n株式会社霞堂\nメールの誤送信について\n1.発生した時刻\n2024年6月24日 13:54\n2.経緯\n6月23日 20:45 案内を送信。\n6月24日 13:54 一覧を付けて送信。\nメールアドレスが流出しました。お詫びいたします。",
		"2024年6月26日\n株式会社霞堂\nメールの誤送信について\n送信した日時:2024年6月24日 13:54\nメールアドレスが流出しました。お詫びいたします。",
		"2024年6月26日\n株式会社霞堂\nメールの誤送信について\n流出したと思われる日時\n2024年6月24日 13:54\nメールアドレスが流出しました。お詫びいたします。",
	}, has: []string{"window.start 2024-06-24T13:54+09:00"}},
	{kind: "a mail that is used again", frame: frameJA, texts: []string{
		"前日の案内文を使い回したため、宛先を誤ってメールを送信しました。", "昨年の様式を使い回して、BCCとすべき宛先を誤りました。", "封筒を使い回していたことから、別の方に誤って送付しました。",
	}, lacks: []string{"cause credential-stuffing"}},
	{kind: "the number of a fax machine", texts: []string{
		"2024年6月26日\n株式会社霞堂\n個人情報の漏えいについて\n漏えいした情報\n・代表者名、電話番号、FAX 番号\nお詫びいたします。",
		"2024年6月26日\n株式会社霞堂\n個人情報の漏えいについて\n漏えいした情報\n・担当者名、TEL番号、FAX番号\nお詫びいたします。",
	}, has: []string{"data-class phone"}, lacks: []string{"data-class account-id"}},
	{kind: "a state in which others could confirm something", texts: []string{
		"2024年6月26日\n株式会社霞堂\nメールの誤送信について\n2024年6月24日、案内を宛先に入れて送信したため、全員のメールアドレスが確認できる状態となりました。お詫びいたします。",
		"2024年6月26日\n株式会社霞堂\nメールの誤送信について\n2024年6月24日、誤ってCCで送信し、受け取った方がほかの方のメールアドレスを確認できる状態でした。お詫びいたします。",
	}, lacks: []string{"discovered 2024-06-24"}},
	{kind: "missing papers that somebody stole", texts: []string{
		"2024年6月26日\n霞病院\n書類の所在不明について\n当院の職員が、患者さんの氏名を記した書類を入れた鞄を車に残し、盗難被害(車上荒らし)に遭いました。お詫びいたします。",
		"2024年6月26日\n霞病院\n名簿の紛失について\n当院の職員が置き引きに遭い、患者さんの氏名を記した名簿を失いました。お詫びいたします。",
	}, has: []string{"cause theft"}},
	{kind: "a day on which something was added, and one under the body's head", texts: []string{
		"2024.07.10\n【7/10追記】メールの誤送信について\n令和6年6月26日\n株式会社霞堂\n弊社からの案内を誤送信し、メールアドレスが漏えいしました。お詫びいたします。",
		"2024年6月26日 総務課\n書類の誤送付について\n当市で氏名を記した書類を誤って送付しました。お詫びいたします。\n記\n令和6年6月20日\n受け取られた方から連絡を受けた。",
	}, has: []string{"disclosed 2024-06-26"}},
	{kind: "thieves of data, who stole no device", texts: []string{
		"March 4, 2024\n\nWe regret that thieves intruded into one of our web servers between January 3 and February 5, 2024 and copied credit card numbers and names of customers.",
		"March 4, 2024\n\nOur investigators determined that thieves had hacked the store's server. Names and credit card numbers were copied. We apologize.",
	}, has: []string{"cause intrusion"}, lacks: []string{"cause theft"}},
	{kind: "a list that one's own staff gave away", texts: []string{
		"March 4, 2024\n\nDear Patient: On February 20, 2024 we became aware that a list with patient names and diagnoses was shared in January by a clinic nurse who was about to leave. This was without our authorization. We apologize.",
		"March 4, 2024\n\nDear Member: On February 20, 2024 we learned that names and addresses of members were copied by one of our club volunteers who had no need of them. We apologize.",
	}, has: []string{"cause insider"}},
	{kind: "when notices were sent", frame: frameEN, texts: []string{
		"Notifications to the 90 former patients concerned were sent on Saturday March 2, 2024.",
		"The following was sent to our families on March 2, 2024.",
	}, has: []string{"persons-notified 2024-03-02"}, lacks: []string{"window.start 2024-03-02"}},
	{kind: "a period in which the author came to know", texts: []string{
		"March 4, 2024\n\nFrom January 9 to February 12, 2024, we became aware that there was unauthorized access to mailboxes with names of patients. It occurred between January 2 and January 30, 2024. We apologize.",
	}, has: []string{"window.start 2024-01-02", "window.end 2024-01-30"}},
	{kind: "how many mailboxes were opened", frame: frameEN, texts: []string{
		"The person had accessed three (3) employee email accounts.", "Unauthorized access to two staff mailboxes was found.",
	}, lacks: []string{"affected.count 3", "affected.count 2"}},
	{kind: "questions and answers that say when", texts: []string{
		"Frequently Asked Questions\n\n1. What happened?\nOn March 2, 2024, Harrow Vale College became aware of an incident in which files with personal information of students were exposed on the Internet.\n\n2. What information was exposed?\nName, address, date of birth and Social Security number.",
	}, has: []string{"discovered 2024-03-02", "data-class national-id:ssn"}},
	{kind: "an address that is a place", frame: frameEN, texts: []string{
		"A laptop computer was stolen from the employee’s home address that evening.", "The files were taken from a nurse's address during a burglary.", "Letters were mailed to the last known address.",
	}, lacks: []string{"data-class address"}},
	{kind: "misuse that nothing points to, in several verbs", frame: frameEN, texts: []string{
		"So far there is no indication that any of our patients’ information has been accessed or used by anybody else.", "We have no evidence that the data has been viewed, copied or used.",
	}, has: []string{"secondary-damage misuse none-confirmed"}},
	{kind: "a mail that asks to delete the one before it", texts: []string{
		"2024年6月26日\n霞市\nメールの誤送信について\n6月25日午後6時9分、案内を「Bcc」で送信すべきところを、誤って「To」で送信した。\n同日、午後6時17分に、お詫びとメールの削除をお願いするメールを「Bcc」で送信。\nメールアドレスが漏えいしました。お詫びいたします。",
		"2024年6月26日\n霞市\nメールの誤送信について\n6月25日午後6時9分、誤って宛先欄に入力して送信した。\n同日午後6時17分、お詫びと削除依頼のメールを送信した。\nメールアドレスが漏えいしました。お詫びいたします。",
	}, has: []string{"persons-notified 2024-06-25T18:17+09:00"}},
	{kind: "a list of what was not lost, in English", frame: frameEN, texts: []string{
		"The information did not include:\n- Social Security numbers\n- bank account numbers",
		"The files we looked at did not contain:\n* information such as bank account details, Social Security numbers or passwords",
		"What was not involved:\n* Social Security numbers, passwords, bank account numbers",
		"Data that were not affected\nSocial Security numbers, passwords, bank account numbers",
	}, has: []string{"data-class name", "data-class email", "data-class account-id"}, lacks: []string{"data-class national-id:ssn", "data-class password", "data-class bank-account"}},
	{kind: "a list of what was not lost that goes on with what was", texts: []string{
		"We learned on 16 July 2020 that an attacker had stolen a copy of our database. It did not include:\n  * information such as bank account details or passwords\nbut may have included:\n  * names, gender and dates of birth\n  * email addresses",
		"We regret that on 3 May 2021 somebody copied our database. The copy did not contain:\n- bank account details, passwords\nbut did include:\n- names, gender, dates of birth\n- email addresses",
	}, has: []string{"data-class name", "data-class birth-date", "data-class email"}, lacks: []string{"data-class bank-account", "data-class password"}},
	{kind: "what is said to be safe", frame: frameEN, texts: []string{
		"Passwords, dates of birth and bank account details remain safe.",
		"Passwords, dates of birth and bank account details are kept on a separate system.",
		"Passwords, dates of birth and bank account details were stored elsewhere.",
		"The files were free of passwords, dates of birth, and bank account details.",
		"It is unlikely that passwords, dates of birth or bank account details were seen.",
		"We have ruled out that passwords, dates of birth or bank account details were taken.",
		"Only those, not passwords, dates of birth or bank account details, were visible.",
	}, has: []string{"data-class name", "data-class email", "data-class account-id"}, lacks: []string{"data-class password", "data-class birth-date", "data-class bank-account"}},
	{kind: "data that a sentence names without saying that they were lost", frame: frameEN, texts: []string{
		"From every patient our practice takes in addresses, dates of birth, and bank account details at the first visit.",
		"If somebody calls asking for your address, date of birth or bank account details, hang up.",
		"Identity thieves may use addresses, dates of birth, and bank account details to open accounts.",
		"To get a copy of your credit report by mail, write to the bureau with address, date of birth, and bank account details.",
	}, has: []string{"data-class name", "data-class email"}, unsure: []string{"data-class address", "data-class birth-date", "data-class bank-account"}},
	{kind: "the day on which a page says that it was over", texts: []string{
		"STATUS:\nResolved 3rd September 2019\n\nOn 2 September 2019 we noticed that some customers could see the names and passwords of others. We are sorry.",
		"Closed on 3 September 2019\n\nWe found on 2 September 2019 that customers could see the names and passwords of others. We are sorry.",
		"Incident: 3 September 2019\n\nWe found that day that customers could see the names and passwords of others. We are sorry.",
	}, lacks: []string{"disclosed 2019-09-03"}},
	{kind: "an author who speaks of itself by name under a notice's head", texts: []string{
		"Notice to Patients\n\nOn May 2, 2017 Davenport Heart Clinic (DHC) discovered that a hacker had accessed an email account. It contained names, addresses and dates of birth. DHC has told the police.",
		"PRESS RELEASE\nMay 9, 2017\nDavenport Heart Clinic (DHC) discovered on May 2, 2017 that a hacker had accessed an email account. It contained names, addresses and dates of birth. DHC has told the police.",
	}, has: []string{"organisation Davenport Heart Clinic", "data-class name sure", "data-class address sure"}},
	{kind: "what nothing shows", frame: frameEN, texts: []string{
		"Nothing indicates that this information has been misused.",
		"So far nothing suggests that any of it was misused or that anyone tried to.",
		"Nothing shows that the data have been misused.",
	}, has: []string{"secondary-damage misuse"}, lacks: []string{"secondary-damage misuse confirmed"}},
	{kind: "a list of passwords that was tried", texts: []string{
		"We are sorry to tell you that on 3 May 2021 attackers signed in to accounts of our customers with a list of passwords they had already. Names and email addresses were accessed.",
		"We discovered on 3 May 2021 that somebody had tried lists of usernames and passwords on our site and accessed some accounts. Names and email addresses were accessed.",
	}, has: []string{"cause credential-stuffing"}},
	{kind: "the words of a head that are no part of a name", texts: []string{
		"Eastmere University Press Release\nEastmere University police look into the theft of a laptop\n\nA laptop that held the names and addresses of applicants of Eastmere University was stolen on March 11, 2005.",
		"Harrow Vale Hospital News Release\n\nHarrow Vale Hospital discovered on March 11, 2005 that a laptop with names and addresses was stolen.",
	}, lacks: []string{"organisation Eastmere University Press Release", "organisation Harrow Vale Hospital News Release"}},
}

const (
	frameJA = "2024年3月4日\n株式会社霞堂\n個人情報の漏えいについてのお詫び\n弊社の会員サイトから氏名、会員番号が漏えいしました。深くお詫び申し上げます。\n"
	frameEN = "March 4, 2024\nHeronfield Dental Group\nNotice of Data Breach\n\nOn February 20, 2024 we discovered that an unauthorized person had gained access to our server. The files contained patient names, email addresses and medical record numbers. We sincerely apologize.\n"
)

// TestDefinitions holds that a page on breaches at large proposes nothing.
func TestDefinitions(t *testing.T) {
	for _, text := range []string{
		"Data breaches\n\nA personal data breach leads to the loss or disclosure of personal data. Most often personal data were sent to the wrong recipient or a device was stolen. We will notify those affected where that is appropriate.",
		"Personal data breaches\n\nThey are rare. Personal data may have been lost, stolen or sent to somebody else by mistake. If you think that we disclosed your data, tell our data protection officer.",
		"About data breaches\n\nA breach happens when somebody accessed personal data without permission. We judge how serious it is and notify the Commissioner.",
	} {
		res, err := Notice([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range res.Entries() {
			t.Errorf("%.40s: %s %v", text, e.Key, e.Value)
		}
	}
}

// TestKinds holds each kind of fault mended, on several texts each.
func TestKinds(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		for _, text := range k.texts {
			res, err := Notice([]byte(k.frame + text + "\n"))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range res.Entries() {
				l := e.Key + " " + valueOf(e)
				got = append(got, l, l+" "+e.Status)
				if e.Sure {
					got = append(got, l+" sure")
				}
			}
			for _, w := range k.has {
				if !slices.Contains(got, w) {
					t.Errorf("%s: %q lacks %s", k.kind, text, w)
				}
			}
			for _, w := range k.lacks {
				if slices.Contains(got, w) {
					t.Errorf("%s: %q invents %s", k.kind, text, w)
				}
			}
			for _, w := range k.unsure {
				if slices.Contains(got, w+" sure") {
					t.Errorf("%s: %q is sure of %s", k.kind, text, w)
				}
			}
			if len(res.Proposals) == 0 {
				t.Errorf("%s: nothing read in %q", k.kind, strings.TrimSpace(text))
			}
		}
	}
}
