package browsertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/jhillyerd/enmime/v2"

	"shirase/internal/language"
)

// notice is what is told in public for the first time.
func (f *film) notice() {
	r, sato := f.reel, f.sato
	four := f.then("07-19T16:00")
	r.step("07-19 16:00", "ログインの記録を調べる：不正ログインは確認されない", "The login logs are looked through: no illegitimate login is confirmed", func() {
		var log strings.Builder
		times := []string{"07-10T09:00", "07-15T21:30", "07-18T08:00", "07-18T12:30", "07-19T16:00"}
		for i, at := range times {
			result := "success"
			if i == len(times)-1 {
				result = "failure" // they are blocked
			}
			for _, who := range []person{f.hana, f.min} {
				fmt.Fprintf(&log, `{"time":%q,"account":%q,"ip":"192.0.2.%d","agent":"Mozilla/5.0 (Windows NT 6.1) Firefox/22.0","result":%q}`+"\n", f.then(at).Format("2006-01-02T15:04:05Z07:00"), who.id, 10+i%2, result)
			}
		}
		file := f.file("logins.jsonl", log.String())
		f.o.run(f.T, "incident", "add", "--facts", f.file("facts.yaml", f.facts()))
		var said struct {
			Read, Unreadable, Matched, Accounts, Logins, Unnamed, NoHistory, Unstated, Suspicious int64
			To                                                                                    time.Time
			Blind                                                                                 []any
			Recorded                                                                              string
		}
		if err := json.Unmarshal([]byte(f.o.run(f.T, "watch-logins", "--case", f.id, file, "--record", "none-confirmed", "--json")), &said); err != nil {
			f.Fatal(err)
		}
		n := int64(len(times))
		r.sees(nil, "each line was read, and those of the roster were looked at", said.Read == 2*n && said.Matched == n && said.Accounts == 1 && said.Logins == 2)
		r.sees(nil, "nothing could not be read or looked for", said.Unreadable+said.Unnamed+said.NoHistory+said.Unstated == 0 && len(said.Blind) == 0)
		r.sees(of{16}, "none of the logins is suspicious, as of the last line", said.Suspicious == 0 && said.Recorded == "none-confirmed" && said.To.Equal(four))
		sato.visit(f.kase + "/facts")
		r.reads(of{16}, "that stands as a fact, as of then, with the logs as its source", row(sato, "不正ログイン"), "不正ログイン：確認されていません", noted(four), "login logs, evidence")
		r.both(sato, f.kase+"/facts", `tr:has(th:first-child)`)
	})
	r.step("07-19 16:00", "分かっていることを、事実として一度だけ記録する", "What is known is recorded once, as facts", func() {
		sato.visit(f.kase + "/scope")
		f.fill(`form[action$="/scope/accept"]`, map[string]string{"ja excluded foreign": "日本以外で提供しているサービスのアカウント", "en excluded foreign": "Accounts of services offered outside Japan",
			"ja excluded openid": "Twitter、Facebook、livedoorなどのOpen IDで作られたアカウント", "en excluded openid": "Accounts made by OpenID of Twitter, Facebook, livedoor and the like"})
		r.take(sato, "ja", "#scope-facts")
		sato.send(`form[action$="/scope/accept"] button`)
		f.record("title", map[string]string{"f.value": "会員情報への不正アクセス", "f.value.en": "Unauthorised access to members' accounts"})
		f.record("scope.state", map[string]string{"f.value": "final"})
		sato.visit(f.kase + "/facts")
		facts := sato.text("main")
		r.reads(of{13}, "the number stands as a fact, as the scope counted it", row(sato, "対象の数\t"), f.count()+"アカウント", "scope, run")
		r.reads(of{14}, "and those outside, each counted", facts, "Open IDで作られたアカウント（"+counted(f.openID)+"件）", "日本以外で提供しているサービスのアカウント（"+counted(f.abroad)+"件）")
		r.reads(of{12}, "and the window", facts, "期間の始まり\t"+f.year("07-17T20:51"), "期間の終わり\t"+f.year("07-18T10:57"))
		r.reads(of{15}, "and what may have been taken", facts, "メールアドレス\t可能性あり", "ハッシュ化されたパスワード\t可能性あり", "ニックネーム\t可能性あり")
		r.reads(of{2}, "and the five services that it is about", facts, "例示まとめ：対象", "Nドライブ：対象", "Photo Album：対象", "pick：対象", "cafe：対象")
		r.reads(of{6, 7}, "and those that it is not about", facts, "例示トーク：影響なし", "例示ブログ：影響なし", "例示トークと例示ブログの会員情報、トーク履歴、アドレス帳")
		r.reads(of{16}, "and three negatives", facts, "お問い合わせ：寄せられていません", "不正ログイン：確認されていません", "改ざん：確認されていません")
		r.reads(of{24}, "and that there will be closer monitoring", facts, "監視体制の強化と再発防止")
		r.both(sato, f.kase+"/facts", "")
	})
	r.step("07-19 16:10", "再設定機能を18時に設けると約束する", "The reset function is promised for 18:00", func() {
		f.hours("announced", map[string]string{"until": entered(f.then("07-19T18:00")), "why": "準備のため"})
		sato.visit(f.kase + "/reset")
		r.reads(of{4, 18}, "it stands as announced for 18:00", sato.text("#reset-now"), "予告", "予定："+noted(f.then("07-19T18:00")))
		_, page := f.page(f.o.host, "/reset/"+f.id)
		r.sees(nil, "and nobody can reset yet", page != "" && !strings.Contains(page, `name="address"`))
		r.both(sato, f.kase+"/reset", "")
	})
	r.step("07-19 16:30", "お知らせを下書きし、もう一人が承認して公表する", "The notice is drafted; a second person approves it", func() {
		f.record("action", map[string]string{"f.value": "同じパスワードをほかのサービスでお使いの方へ、変更のお願い", "f.value.en": "Whoever uses the same password elsewhere is asked to change it there", "f.status": "taken", "f.at": entered(four)})
		code, _ := f.page(f.o.host, "/notices/"+f.id+"-v1")
		r.sees(nil, "before that, nothing of it is public", code == http.StatusNotFound)
		sato.visit(f.kase + "/documents/notice")
		r.both(sato, f.kase+"/documents/notice", "")
		sato.send(`form[action$="/notice/propose"] button`)
		sato.until(`/^\/console\/proposals\/v-/.test(location.pathname) && document.readyState === "complete"`)
		f.suzuki.visit(eval[string](sato, `location.pathname`))
		r.take(f.suzuki, "ja", "")
		shown := f.approve()
		r.reads(of{13}, "the other person sees what becomes public and for how many, and approves it", shown, "お知らせの第1版を、だれでも読めるように公表します", f.count()+"アカウント")
		r.reads(of{0, 8}, "with its title, and that what follows is what is known", shown, "# 会員情報への不正アクセスに関するお知らせ", "現時点で判明している事実を、次のとおりお知らせします")
	})
	r.step("07-19 16:40", "公表されたお知らせ：どの文の中身も、ここにある", "The published notice has what each sentence says", func() {
		public := f.o.person(f.T)
		at := "/notices/" + f.id + "-v1"
		public.visit(at)
		clock := func(when string) string { return dated(f.then(when)) }
		text := public.text("article.notice")
		for _, x := range []struct {
			about int
			says  []string
		}{
			{0, []string{"会員情報への不正アクセスに関するお知らせ", "流出のあったサービスのパスワードを変更してください"}},
			{2, []string{"お客様の情報が流出した可能性がある", "対象のサービスは、例示まとめ、Nドライブ、Photo Album、pick、cafeです"}},
			{3, []string{"メンテナンスモードに切り替え、全アカウントのログインを遮断し、一部のサービスを停止"}},
			{4, []string{clock("07-19T18:00") + "（日本時間）（予定）: パスワード再設定の受け付け開始", "パスワードを変更してください"}},
			{5, []string{"同じパスワードをほかのサービスでお使いの方へ、変更のお願い", "同じパスワードを使っている、ほかのサービスでも変更してください"}},
			{6, []string{"対象に含まれません", "例示トークと例示ブログ"}},
			{7, []string{"会員情報、トーク履歴、アドレス帳"}},
			{8, []string{"現時点で判明している事実を、次のとおりお知らせします", "経緯", "二次被害"}},
			{9, []string{clock("07-18T10:09") + "（日本時間）: 不正アクセスの可能性を発見", clock("07-18T10:57") + "（日本時間）: 不正アクセスを遮断", "発見から遮断までは48分でした"}},
			{10, []string{"不正なファイルを発見し、情報が流出した可能性があると判断"}},
			{11, []string{clock("07-18T20:00") + "（日本時間）: すべてのアカウントのログインを遮断", clock("07-18T20:00") + "（日本時間）: 対象のサービスをメンテナンスモードに切り替え", clock("07-18T20:00") + "（日本時間）: 会員情報が流出したかどうかの調査を開始"}},
			{12, []string{clock("07-17T20:51") + "（日本時間）から" + clock("07-18T10:57") + "（日本時間）まで"}},
			{13, []string{"全体" + counted(f.total) + "件のうち、" + f.count() + "アカウントが対象です"}},
			{14, []string{"対象に含まれません", "日本以外で提供しているサービスのアカウント（" + counted(f.abroad) + "件）", "Open IDで作られたアカウント（" + counted(f.openID) + "件）"}},
			{15, []string{"流出した可能性のある情報\nメールアドレス\nハッシュ化されたパスワード\nニックネーム"}},
			{16, []string{clock("07-19T16:00") + "（日本時間）現在、本件に関するお問い合わせは寄せられていません。情報や保存内容の改ざん、不正ログインは確認されていません"}},
			{17, []string{clock("07-18T20:00") + "（日本時間）: 対象のサービスをメンテナンスモードに切り替え、全アカウントのログインを遮断し、一部のサービスを停止"}},
			{18, []string{clock("07-19T18:00") + "（日本時間）（予定）: パスワード再設定の受け付け開始", "パスワードの再設定をメールで案内", "ヘルプページにパスワード変更の手順を掲載"}},
			{24, []string{"監視体制の強化と再発防止に、全社で取り組む"}},
			{25, []string{"\nお問い合わせ窓口\n"}},
			{26, []string{"お客様お問い合わせ窓口", "http://" + f.o.host + "/enquiries/" + f.id}},
		} {
			r.reads(of{x.about}, fmt.Sprintf("sentence %d: %s", x.about, sentences[x.about].EN), lines.ReplaceAllString(text, "\n"), x.says...)
		}
		r.both(public, at, "")
		r.take(public, "ja", "main h2:nth-of-type(2)")
		f.paperOf(public, "notice")
	})
	r.step("07-19 16:45", "だれでも、自分が対象かどうかを、知られずに確かめられる", "Anyone can check privately whether they are affected", func() {
		public := f.o.person(f.T)
		before := len(f.o.stage.of(f.o.host))
		yes := public.check("ja", f.hana.mail)
		r.sees(of{13}, "somebody of the roster is affected", yes.Shown == "affected")
		r.reads(of{15}, "and told what of theirs may have been taken", yes.Text, "メールアドレス", "ハッシュ化されたパスワード", "ニックネーム")
		r.take(public, "ja", "[data-answers]")
		f.still("check")
		asked, told := f.o.stage.of(f.o.host)[before:], false
		for _, req := range asked {
			for _, form := range spellings(f.hana.mail) {
				told = told || strings.Contains(req.line+"\n"+req.head+"\n"+req.body, form)
			}
		}
		r.sees(nil, "what the browser asked the server has the address nowhere", len(asked) > 2 && !told)
		r.sees(of{14}, "an account abroad is not in the published scope", public.check("ja", f.min.mail).Shown == "not-in-scope")
		r.take(public, "ja", "[data-answers]")
		r.sees(of{14}, "an account of OpenID is not in the published scope", public.check("en", f.taku.mail).Shown == "not-in-scope")
		r.take(public, "en", "[data-answers]")
	})
}

// lines are ends of lines, of which browsers set several between paragraphs.
var lines = regexp.MustCompile(`\s*\n\s*`)

// slips is the first addendum, and the campaign that waits.
func (f *film) slips() {
	r, sato := f.reel, f.sato
	nine := f.then("07-19T21:00")
	r.step("07-19 18:30", "追記：設置は21時ごろになる", "Addendum: it slips to about 21:00", func() {
		f.hours("announced", map[string]string{"until": entered(nine), "why": "検証に時間がかかるため"})
		at := f.addendum(2)
		public := f.o.person(f.T)
		public.visit(at)
		r.reads(of{19}, "what was promised, and what is now, stands in the addendum", public.text("article.notice"), dated(f.then("07-19T18:00"))+"に受け付けを始めるとお知らせしていましたが", dated(nine)+"に変わりました", "遅れ")
		r.both(public, at, "")
		public.visit("/reset/" + f.id)
		r.reads(of{19}, "the page of the reset names the new time", public.text("main"), dated(nine)+"に始める予定です")
		r.take(public, "ja", "")
	})
	r.step("07-19 19:00", "対象の一人ひとりへのメールを用意する：再設定が始まるまで待つ", "Mail to each of the affected, which waits for the reset", func() {
		var made struct{ ID string }
		if err := json.Unmarshal([]byte(f.o.run(f.T, "campaign", "new", f.file("campaign.yaml", fmt.Sprintf(filmMail, f.id)), "--json")), &made); err != nil {
			f.Fatal(err)
		}
		f.mail = f.kase + "/reach/" + made.ID
		r.both(sato, f.mail+"/preview", "#texts")
		sato.visit(f.mail + "/preview")
		texts := sato.text("#texts")
		r.reads(of{1}, "the text thanks for the use", texts, "いつもご利用いただき、ありがとうございます")
		r.reads(of{0, 5}, "asks for a new password, also elsewhere", texts, "パスワードの再設定をお願いします", "同じパスワードをほかのサービスでもお使いの場合は、そちらも変更してください")
		r.reads(nil, "tells what was exposed, and how to see that it is genuine", texts, "流出した可能性がある項目は、メールアドレス、ハッシュ化されたパスワード、ニックネームです", "お知らせ番号 "+f.id)
		f.fill(`form[action$="/propose"]`, map[string]string{"despite": "この場には、DNSの記録がない。"})
		sato.send(`form[action$="/propose"] button`)
		r.reads(nil, "whoever approves sees to how many it goes", f.approve(), f.count())
		sato.visit(f.mail)
		sato.until(`document.querySelector("#progress").textContent.includes("に開始の予定です")`)
		r.equal(of{18}, "all of it waits until the reset is open, a mail to each", f.sent()["pending"], f.affected)
		r.equal(nil, "and no mail has come to anybody", int64(len(f.box.rest())), 0)
		r.both(sato, f.mail, "")
	})
}

const filmMail = `incident: %[1]s
from: {ja: 株式会社例示 お知らせ事務局, en: Example Inc. Notices, address: notice@example.jp}
replyTo: desk@example.jp
needs: [reset]
subject: {ja: 会員情報への不正アクセスのお知らせと、パスワード再設定のお願い, en: An intrusion into our accounts: please set a new password}
text:
  ja: |
    # お詫びとお願い

    いつもご利用いただき、ありがとうございます。{{organisation}}です。

    お客様のアカウントの情報が、流出した可能性があります。ご心配とご迷惑をおかけし、お詫びいたします。

    ## お客様について

    流出した可能性がある項目は、{{you.exposed}}です。

    ## お願い

    パスワードの再設定をお願いします。同じパスワードをほかのサービスでもお使いの場合は、そちらも変更してください。

    ## このメールが本物であることの確かめ方

    {{notice.url}} をご自分で入力し、お知らせ番号 {{notice.number}} を探してください。手順もそこにあります。
  en: |
    # An apology and a request

    Thank you for using our services. This is {{organisation}}.

    Data of your account may have been taken. We apologise for the trouble and the worry.

    ## Of you

    What may have been taken: {{you.exposed}}.

    ## What we ask of you

    Please set a new password. If you use the same one elsewhere, change it there too.

    ## How to tell that this mail is genuine

    Type {{notice.url}} yourself, and look for notice {{notice.number}}. The steps are there too.
`

// sent are the recipients of the campaign by how they stand.
func (f *film) sent() map[string]int64 {
	f.Helper()
	var said struct{ Counts map[string]int64 }
	if err := json.Unmarshal([]byte(f.o.run(f.T, "campaign", "status", f.mail[strings.LastIndex(f.mail, "/")+1:], "--json")), &said); err != nil {
		f.Fatal(err)
	}
	return said.Counts
}

// opens is the second addendum: everyone is told, and led to a new password.
func (f *film) opens() {
	r, sato := f.reel, f.sato
	r.step("07-19 21:09", "追記：再設定機能を設置した", "Addendum: the reset function is open", func() {
		f.hours("opened", nil)
		at := f.addendum(3)
		public := f.o.person(f.T)
		public.visit(at)
		r.reads(of{20}, "the addendum says so", public.text("article.notice"), "パスワードの再設定の受け付けを", "に始めました")
		r.both(public, at, "")
		sato.visit(f.kase + "/facts")
		facts := sato.text("main")
		r.reads(of{19}, "the promise that slipped is a fact", facts, dated(f.then("07-19T18:00"))+"（日本時間）（予定）：パスワード再設定の受け付け開始（予定どおりには行われませんでした）")
		r.reads(of{20}, "and so is the one that was kept", facts, "パスワード再設定の受け付け開始（"+f.year("07-19T21:00")+"（日本時間）の予定どおり）")
	})
	r.step("07-19 21:10", "再開は、再設定を済ませた人から：強制する", "Services resume only behind a new password", func() {
		f.contain("accounts", map[string]string{"accounts": "reset", "why": "ハッシュ化されたパスワードが流出した可能性があるため", "url": "http://" + f.o.host + "/reset/" + f.id + "?return=" + url.QueryEscape("http://"+f.app+"/login")})
		f.release("accounts", "blocked", "再設定の受け付けが始まった")
		d := f.holds(f.hana, "reset")
		r.sees(of{4}, "the gate leads somebody of the roster to the reset", strings.HasPrefix(d.Location, "http://"+f.o.host+"/reset/"+f.id))
		min := f.visitor()
		r.sees(of{4}, "others log in as they always did", f.login(min, f.min.mail, filmStolen) == "/account")
		held := f.held()
		r.sees(of{4}, "each of the roster has to, and nobody is blocked any more", held["reset"] == f.affected && held["blocked"] == 0)
		r.both(sato, f.kase+"/contain", "")
	})
	r.step("07-19 21:15", "メールが一人ひとりの郵便受けに届く", "The mail comes into the mailbox of each", func() {
		var one arrived
		twice := 0
		take := func(a arrived) bool {
			to := strings.ReplaceAll(a.Get("To"), `"`, "") // RFC 5322 wants them around the addresses with two dots that carriers gave
			if f.told[to] {
				twice++
			}
			f.told[to] = true
			if to == f.hana.mail {
				one = a
			}
			return int64(len(f.told)) >= f.affected
		}
		f.box.drain(take)
		f.until("the campaign being done", func() bool { n := f.sent(); return n["handed-over"]+n["accepted"] == f.affected })
		for _, a := range f.box.rest() { // Postfix has nothing left then
			take(a)
		}
		r.equal(of{18}, "Postfix has put "+language.Digits(f.affected)+" mails into the mailbox, one for each address", int64(len(f.told)), f.affected)
		r.equal(nil, "nobody was written to twice, the campaign being done and Postfix's queue empty", int64(twice), 0)
		r.counts("mails", len(f.told))
		missed, others := 0, 0
		for row := range f.rows() {
			switch affected := row["country"] == "JP" && row["auth"] == "password"; {
			case affected && !f.told[row["mail"]]:
				missed++
			case !affected && f.told[row["mail"]]:
				others++
			}
		}
		r.equal(of{18}, "each of the affected is written to", int64(missed), 0)
		r.equal(of{14}, "nobody abroad or of OpenID is", int64(others), 0)
		r.reads(of{1}, "the mail thanks for the use", one.text, "いつもご利用いただき、ありがとうございます")
		r.reads(of{0, 5}, "and asks for a new password, also elsewhere", one.text, "パスワードの再設定をお願いします", "同じパスワードをほかのサービスでもお使いの場合は、そちらも変更してください")
		r.reads(of{15}, "and says what was exposed of the person", one.text, "メールアドレス、ハッシュ化されたパスワード、ニックネーム", f.o.host)
		r.reads(nil, "it carries a signature of the sender's domain", one.Get("Dkim-Signature"), "d=example.jp")
		f.mailPage(one)
		f.still("mail")
		r.both(sato, f.mail, "")
	})
}

// mailPage shows a mail as a mailbox does.
func (f *film) mailPage(a arrived) {
	f.Helper()
	e := must(enmime.ReadEnvelope(strings.NewReader(a.raw)))(f.T)
	p := f.o.tab(f.T, letterPage(e.GetHeader("Subject"), e.GetHeader("From"), e.GetHeader("To"), e.HTML))
	p.visit("/")
	f.reel.take(p, "ja", "")
}

// person is what somebody affected does.
func (f *film) person() {
	r := f.reel
	r.step("07-19 21:30", "一人が、メールの知らせから新しいパスワードを設定する", "Somebody sets a new password", func() {
		hana := f.visitor()
		r.sees(of{4}, "the login leads to the reset", f.login(hana, f.hana.mail, filmStolen) == "/reset/"+f.id)
		r.take(hana, "ja", "")
		hana.write("input[name=address]", f.hana.mail)
		hana.send("main form button")
		letter := f.letter(f.hana.mail, "/reset/")
		hana.do(chromedp.Navigate(regexp.MustCompile(`http://` + regexp.QuoteMeta(f.o.host) + `/reset/\S+`).FindString(letter.text)))
		r.take(hana, "ja", "")
		hana.write("#password", filmChosen)
		hana.send("main form button")
		r.reads(of{4, 18}, "a new password is set, and it is asked to change the same one elsewhere", hana.text("main"), "パスワードを再設定しました", "同じパスワードをほかのサービスでもお使いだった場合は、そちらも変更してください")
		r.take(hana, "ja", "")
		f.letter(f.hana.mail, "再設定しました")
		_, old := f.in(f.Context(), f.hana.mail, filmStolen)
		_, fresh := f.in(f.Context(), f.hana.mail, filmChosen)
		r.sees(of{4}, "the directory takes the new password and refuses the stolen one", fresh && !old)
		r.sees(of{4}, "with it, they are in", f.login(hana, f.hana.mail, filmChosen) == "/account")
		r.take(hana, "ja", "")
	})
	r.step("07-19 21:40", "ヘルプページに、手順とお願いがある", "The help page has the steps, and what is asked", func() {
		public := f.o.person(f.T)
		at := "/incidents/" + f.id + "/help"
		public.visit(at)
		text := public.text("main")
		r.reads(of{18}, "it has the steps", text, "対象となった方に、していただきたいこと", "流出のあったサービスのパスワードを変更してください")
		r.reads(of{5}, "and asks to change the same password elsewhere", text, "同じパスワードを使っている、ほかのサービスでも変更してください")
		r.reads(of{16}, "and has the three negatives as of 16:00", text, "お問い合わせは、寄せられていません "+f.year("07-19T16:00")+"現在", "不正ログインは、確認されていません "+f.year("07-19T16:00")+"現在", "改ざんは、確認されていません "+f.year("07-19T16:00")+"現在")
		r.reads(of{25}, "and the desk", public.text("#contact"), "お問い合わせ窓口")
		r.reads(of{26}, "by its name and address", text, "お客様お問い合わせ窓口", "http://"+f.o.host+"/enquiries/"+f.id)
		r.both(public, at, "#steps")
		public.visit(at)
		r.reads(of{18}, "a button of it leads to the reset", public.text(resetButton), "パスワードを再設定する")
		public.click(resetButton)
		public.at("/reset/" + f.id)
		r.sees(of{18}, "where an address can be written", public.has("input[name=address]"))
		r.take(public, "ja", "")
	})
}

// resetButton is where the help page leads to the reset.
const resetButton = `a.button[href^="/reset/"]`

// closes is the third and the fourth addendum.
func (f *film) closes() {
	r := f.reel
	r.step("07-20 01:00", "追記：メンテナンス中。20日のうちに終える予定", "Addendum: closed for maintenance, to be over within the 20th", func() {
		until := f.then("07-20T23:59")
		f.hours("closed", map[string]string{"until": entered(until), "why": "再設定機能のメンテナンスのため"})
		at := f.addendum(4)
		public := f.o.person(f.T)
		public.visit(at)
		text := public.text("article.notice")
		r.reads(of{21}, "the addendum says that it is closed", text, "パスワードの再設定の受け付けを", "に一時停止しました")
		r.reads(of{22}, "and until when", text, dated(until)+"に再開する予定です")
		r.both(public, at, "")
		public.visit("/reset/" + f.id)
		r.reads(of{21, 22}, "the page of the reset is closed, and says until when", public.text("main"), "一時停止しています", dated(until)+"に再開する予定です")
		r.sees(of{21}, "and takes no address", !public.has("input[name=address]"))
		r.take(public, "ja", "")
	})
	r.step("07-20 19:20", "追記：再び設置した", "Addendum: it is open again", func() {
		f.hours("opened", nil)
		at := f.addendum(5)
		public := f.o.person(f.T)
		public.visit(at)
		r.reads(of{23}, "the addendum says so", public.text("article.notice"), "パスワードの再設定の受け付けを", "に再開しました")
		r.both(public, at, "")
		public.visit("/reset/" + f.id)
		r.sees(of{23}, "the page takes addresses again", public.has("input[name=address]"))
		at = "/notices/" + f.id + "-v1"
		public.visit(at)
		links := strings.Join(eval[[]string](public, `[...document.querySelectorAll("#addenda ~ ol:first-of-type a")].map(a => new URL(a.href).pathname)`), "\n")
		r.reads(of{19, 20, 21, 23}, "the first notice leads to all four addenda", links, f.id+"-v2", f.id+"-v3", f.id+"-v4", f.id+"-v5")
		r.both(public, at, "#addenda")
	})
}

// force takes the old passwords away.
func (f *film) force() {
	r, sato := f.reel, f.sato
	r.step("07-20 20:00", "古いパスワードを、ディレクトリで一斉に無効にする", "Every old password is taken away, in the directory", func() {
		same, _, _, _ := f.hashes()
		r.equal(nil, "before it, all but one of the affected still have the stolen password", same, f.affected-1)
		f.hours("force-reset", map[string]string{"why": "残っている古いパスワードを無効にするため"})
		r.reads(nil, "whoever approves sees how many accounts it is of", f.approve(), counted(f.affected-1))
		f.until("the bulk order being done", func() bool { return f.bulk() == "done" })
		same, other, abroad, touched := f.hashes()
		r.sees(of{4}, "the directory keeps the stolen password of nobody who is affected, and of "+language.Digits(f.affected)+" another one", same == 0 && other == f.affected)
		r.sees(of{14}, "no account abroad was touched", abroad > 0 && touched == 0)
		_, fresh := f.in(f.Context(), f.hana.mail, filmChosen)
		r.sees(nil, "who had chosen a new password keeps it", fresh)
		r.counts("passwords", int(other))
		r.both(sato, f.kase+"/reset", "")
	})
	r.step("07-20 20:10", "サービスの再開と、終えた対応を、全文の改訂で知らせる", "That services have resumed, and what was done, is told by a whole text anew", func() {
		now := time.Now().In(tokyo).Format("2006-01-02T15:04")
		var facts strings.Builder
		fmt.Fprintf(&facts, "id: %s\nzone: \"+09:00\"\nasOf: %q\nfacts:\n", f.id, now)
		services := [][3]string{{"matome", "例示まとめ", "Example Matome"}, {"ndrive", "Nドライブ", "N Drive"}, {"photo-album", "Photo Album", "Photo Album"}, {"pick", "pick", "pick"}, {"cafe", "cafe", "cafe"}}
		for _, of := range services {
			fmt.Fprintf(&facts, "  - {key: service, id: %s, value: {ja: %s, en: %s}, status: resumed, at: %q}\n", of[0], of[1], of[2], now)
		}
		for _, of := range [][3]string{{"resume", "停止していた5つのサービスを再開", "The five services that were stopped resumed"}, {"mail", "対象の方へ、パスワードの再設定をメールで案内", "Mail to each affected person with the request to set a new password"},
			{"help-page", "ヘルプページにパスワード変更の手順を掲載", "A help page with the steps for changing the password"}} {
			fmt.Fprintf(&facts, "  - {key: action, id: %s, status: taken, at: %q, value: {ja: %q, en: %q}}\n", of[0], now, of[1], of[2])
		}
		f.o.run(f.T, "incident", "add", "--facts", f.file("resumed.yaml", facts.String()))
		sato.visit(f.kase + "/documents/notice")
		sato.send(`form[action$="/notice/propose"] button`)
		f.approve()
		public := f.o.person(f.T)
		at := "/notices/" + f.id + "-v6"
		public.visit(at)
		text := public.text("article.notice")
		done := dated(must(time.ParseInLocation("2006-01-02T15:04", now, tokyo))(f.T)) + "（日本時間）: "
		r.reads(of{4}, "it says that the services have resumed", text, done+"停止していた5つのサービスを再開\n")
		r.reads(of{18}, "and that mail and help page are done", text, done+"対象の方へ、パスワードの再設定をメールで案内\n", done+"ヘルプページにパスワード変更の手順を掲載\n")
		r.both(public, at, "")
		public.visit("/incidents/" + f.id + "/help")
		for _, of := range services {
			r.reads([]int{4}, "the help page has it of "+of[2], row(public, of[1]+"\t"), of[1]+"\t再開\t")
		}
	})
}

// bulk is how the order that takes passwords away stands.
func (f *film) bulk() string {
	f.Helper()
	var said struct{ Bulk string }
	if err := json.Unmarshal([]byte(f.o.run(f.T, "reset", "status", f.id, "--json")), &said); err != nil {
		f.Fatal(err)
	}
	return said.Bulk
}

// still names the last picture as one that the README has.
func (f *film) still(name string) {
	f.Helper()
	of := f.reel.now().Pictures
	f.reel.stills[name] = true
	f.reel.keep("film-"+name+".webp", must(os.ReadFile(filepath.Join(f.reel.dir, of[len(of)-1].File)))(f.T))
}
