package browsertest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/chromedp/chromedp"
	"github.com/jhillyerd/enmime/v2"

	"shirase/internal/language"
)

// notice is what is told in public for the first time.
func (f *film) notice() {
	r, sato := f.reel, f.sato
	r.step("07-19 15:00", "ログインの記録を調べる：不正ログインは確認されない", "The login logs are looked through: no illegitimate login is confirmed", []int{16}, func() {
		var log strings.Builder
		for i, at := range []string{"07-10T09:00", "07-15T21:30", "07-18T08:00", "07-18T12:30"} {
			for _, who := range []person{f.hana, f.min} {
				fmt.Fprintf(&log, `{"time":%q,"account":%q,"ip":"192.0.2.%d","agent":"Mozilla/5.0 (Windows NT 6.1) Firefox/22.0","result":"success"}`+"\n", f.then(at).Format("2006-01-02T15:04:05Z07:00"), who.id, 10+i%2)
			}
		}
		file := f.file("logins.jsonl", log.String())
		f.o.run(f.T, "incident", "add", "--facts", f.file("facts.yaml", f.facts()))
		said := f.o.run(f.T, "watch-logins", "--case", f.id, file, "--record", "none-confirmed", "--why", "見つかったものは、本人のログインだった。")
		r.reads("the log was read, and what came of it is recorded as of its last login", said, "8")
		sato.visit(f.kase + "/timeline")
		r.both(sato, f.kase+"/facts", `tr:has(th:first-child)`)
	})
	r.step("07-19 16:00", "分かっていることを、事実として一度だけ記録する", "What is known is recorded once, as facts", []int{2, 6, 7, 8, 12, 15, 16}, func() {
		sato.visit(f.kase + "/scope")
		f.fill(`form[action$="/scope/accept"]`, map[string]string{"ja excluded foreign": "日本以外で提供しているサービスのアカウント", "en excluded foreign": "Accounts of services offered outside Japan",
			"ja excluded openid": "Twitter、Facebook、livedoorなどのOpen IDで作られたアカウント", "en excluded openid": "Accounts made by OpenID of Twitter, Facebook, livedoor and the like"})
		r.take(sato, "ja", "#scope-facts")
		sato.send(`form[action$="/scope/accept"] button`)
		f.record("title", map[string]string{"f.value": "会員情報への不正アクセス", "f.value.en": "Unauthorised access to members' accounts"})
		f.record("scope.state", map[string]string{"f.value": "final"})
		sato.visit(f.kase + "/facts")
		r.reads("number, exclusions, data and three negatives stand as facts", sato.text("main"), f.count(), "Open ID", "ニックネーム", "例示トーク", "監視体制の強化")
		r.both(sato, f.kase+"/facts", "")
	})
	r.step("07-19 16:10", "再設定機能を18時に設けると約束する", "The reset function is promised for 18:00", []int{4, 18}, func() {
		f.hours("announced", map[string]string{"until": entered(f.then("07-19T18:00")), "why": "準備のため"})
		sato.visit(f.kase + "/reset")
		r.reads("it stands as announced, and nobody can reset yet", sato.text("#reset-now"), entered(f.then("07-19T18:00"))[11:])
		r.both(sato, f.kase+"/reset", "")
	})
	r.step("07-19 16:30", "お知らせを下書きし、もう一人が承認して公表する", "The notice is drafted; a second person approves it", []int{0, 8}, func() {
		f.record("action", map[string]string{"f.value": "同じパスワードをほかのサービスでお使いの方へ、変更のお願い", "f.value.en": "Whoever uses the same password elsewhere is asked to change it there", "f.status": "taken", "f.at": entered(f.then("07-19T16:00"))})
		sato.visit(f.kase + "/documents/notice")
		r.both(sato, f.kase+"/documents/notice", "")
		sato.send(`form[action$="/notice/propose"] button`)
		sato.until(`/^\/console\/proposals\/v-/.test(location.pathname) && document.readyState === "complete"`)
		f.suzuki.visit(eval[string](sato, `location.pathname`))
		r.take(f.suzuki, "ja", "")
		r.reads("the other person sees what becomes public, and approves it", f.approve(), "第1版", f.count())
	})
	r.step("07-19 16:40", "公表されたお知らせ：どの文の中身も、ここにある", "The published notice has what each sentence says", []int{0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 24, 25, 26}, func() {
		public := f.o.person(f.T)
		at := "/notices/" + f.id + "-v1"
		public.visit(at)
		clock := func(when string) string { return language.Clock(language.JA, f.then(when).In(tokyo)) }
		for n, wants := range map[int][]string{0: {"不正アクセス"}, 2: {"例示まとめ", "Nドライブ", "Photo Album", "pick", "cafe"}, 3: {"メンテナンスモード", "遮断", "停止"}, 4: {"パスワード再設定の受け付け開始", clock("07-19T18:00")}, 5: {"同じパスワード"},
			6: {"例示トーク", "例示ブログ"}, 7: {"トーク履歴", "アドレス帳"}, 9: {clock("07-18T10:09"), clock("07-18T10:57")}, 10: {"不正なファイル"}, 11: {clock("07-18T20:00")}, 12: {clock("07-17T20:51")}, 13: {f.count()}, 14: {"日本以外", "Open ID"},
			15: {"メールアドレス", "ハッシュ", "ニックネーム"}, 16: {"問い合わせ", "不正ログイン", "改ざん", clock("07-19T16:00")}, 17: {"全アカウントのログインを遮断"}, 18: {"メールで案内", "ヘルプページ"}, 24: {"再発防止"}, 25: {"お問い合わせ窓口"}, 26: {"/enquiries/" + f.id}} {
			r.reads(fmt.Sprintf("sentence %d: %s", n, sentences[n].EN), public.text("main"), wants...)
		}
		r.both(public, at, "")
		r.take(public, "ja", "main h2:nth-of-type(2)")
		f.paperOf(public, "notice")
	})
	r.step("07-19 16:45", "だれでも、自分が対象かどうかを、知られずに確かめられる", "Anyone can check privately whether they are affected", []int{13, 14, 15}, func() {
		public := f.o.person(f.T)
		yes := public.check("ja", f.hana.mail)
		r.sees("somebody of the roster is affected", yes.Shown == "affected" && strings.Contains(yes.Text, "ハッシュ"))
		r.take(public, "ja", "[data-answers]")
		f.still("check")
		r.sees("an account abroad is not in the published scope", public.check("ja", f.min.mail).Shown == "not-in-scope")
		r.take(public, "ja", "[data-answers]")
		r.sees("an account of OpenID is not in the published scope", public.check("en", f.taku.mail).Shown == "not-in-scope")
		r.take(public, "en", "[data-answers]")
	})
}

// slips is the first addendum, and the campaign that waits.
func (f *film) slips() {
	r, sato := f.reel, f.sato
	r.step("07-19 18:30", "追記：設置は21時ごろになる", "Addendum: it slips to about 21:00", []int{19}, func() {
		f.hours("announced", map[string]string{"until": entered(f.then("07-19T21:00")), "why": "検証に時間がかかるため"})
		at := f.addendum(2)
		public := f.o.person(f.T)
		public.visit(at)
		r.reads("what was promised, and what is now, stands in the addendum", public.text("main"), f.then("07-19T18:00").In(tokyo).Format("15時04分"), f.then("07-19T21:00").In(tokyo).Format("15時04分"), "遅れ")
		r.both(public, at, "")
		public.visit("/reset/" + f.id)
		r.reads("the page of the reset names the new time", public.text("main"), "始める予定です")
		r.take(public, "ja", "")
	})
	r.step("07-19 19:00", "対象の一人ひとりへのメールを用意する：再設定が始まるまで待つ", "Mail to each of the affected, which waits for the reset", []int{1, 5, 18}, func() {
		var made struct{ ID string }
		if err := json.Unmarshal([]byte(f.o.run(f.T, "campaign", "new", f.file("campaign.yaml", fmt.Sprintf(filmMail, f.id)), "--json")), &made); err != nil {
			f.Fatal(err)
		}
		f.mail = f.kase + "/reach/" + made.ID
		r.both(sato, f.mail+"/preview", "#texts")
		sato.visit(f.mail + "/preview")
		r.reads("the text thanks, tells what was exposed, and asks for what is to be done", sato.text("#texts"), "ご利用いただき", "ハッシュ", "同じパスワード", "お知らせ番号 "+f.id)
		f.fill(`form[action$="/propose"]`, map[string]string{"despite": "この場には、DNSの記録がない。"})
		sato.send(`form[action$="/propose"] button`)
		r.reads("whoever approves sees to how many it goes", f.approve(), f.count())
		sato.visit(f.mail)
		f.patiently(sato, func() {
			sato.until(`document.querySelector("#progress").textContent.includes("resetting opens")`)
		})
		r.sees("nobody is written to before the reset is open", f.sent()["pending"] == f.affected)
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
	r.step("07-19 21:09", "追記：再設定機能を設置した", "Addendum: the reset function is open", []int{20, 4}, func() {
		f.hours("opened", nil)
		at := f.addendum(3)
		public := f.o.person(f.T)
		public.visit(at)
		r.reads("the addendum says so", public.text("main"), "受け付け", "始めました")
		r.both(public, at, "")
		sato.visit(f.kase + "/facts")
		r.reads("the promise that slipped, and the one that was kept, are facts", sato.text("main"), "予定どおりには行われませんでした", "の予定どおり")
	})
	r.step("07-19 21:10", "再開は、再設定を済ませた人から：強制する", "Services resume only behind a new password", []int{4, 17}, func() {
		f.contain("accounts", map[string]string{"accounts": "reset", "why": "ハッシュ化されたパスワードが流出した可能性があるため", "url": "http://" + f.o.host + "/reset/" + f.id + "?return=" + url.QueryEscape("http://"+f.app+"/login")})
		f.release("accounts", "blocked", "再設定の受け付けが始まった")
		f.holds(f.hana, "reset")
		f.holds(f.min, "allow")
		r.sees("the gate leads the affected to the reset, and lets others pass", true)
		r.both(sato, f.kase+"/contain", "")
	})
	r.step("07-19 21:15", "メールが一人ひとりの郵便受けに届く", "The mail comes into the mailbox of each", []int{1, 5, 18}, func() {
		var one arrived
		f.box.drain(func(a arrived) bool {
			to := a.Get("To")
			if f.told[to] {
				f.Errorf("somebody is written to twice")
			}
			f.told[to] = true
			if to == f.hana.mail {
				one = a
			}
			return int64(len(f.told)) >= f.affected
		})
		r.sees("Postfix has put "+f.count()+" mails into the mailbox, one for each address", int64(len(f.told)) == f.affected)
		r.counts("mails", len(f.told))
		others := false
		for row := range f.rows() {
			if row["country"] != "JP" || row["auth"] != "password" {
				others = others || f.told[row["mail"]]
			}
		}
		r.sees("nobody abroad or of OpenID is written to", !others)
		r.reads("it says what was exposed of the person, and what to do", one.text, "ご利用いただき", "ニックネーム", "同じパスワード", f.o.host)
		r.sees("it is signed", strings.Contains(one.Get("Dkim-Signature"), "d=example.jp"))
		f.mailPage(one)
		f.still("mail")
		f.until("the campaign being done", func() bool { n := f.sent(); return n["handed-over"]+n["accepted"] == f.affected })
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
	r.step("07-19 21:30", "一人が、メールの知らせから新しいパスワードを設定する", "Somebody sets a new password", []int{4, 18}, func() {
		hana := f.visitor()
		r.sees("the login leads to the reset", f.login(hana, f.hana.mail, filmStolen) == "/reset/"+f.id)
		r.take(hana, "ja", "")
		hana.write("input[name=address]", f.hana.mail)
		hana.send("main form button")
		letter := f.letter(f.hana.mail, "/reset/")
		hana.do(chromedp.Navigate(regexp.MustCompile(`http://` + regexp.QuoteMeta(f.o.host) + `/reset/\S+`).FindString(letter.text)))
		r.take(hana, "ja", "")
		hana.write("#password", filmChosen)
		hana.send("main form button")
		r.reads("it is set", hana.text("main"), "パスワードを再設定しました")
		r.take(hana, "ja", "")
		f.letter(f.hana.mail, "再設定しました")
		_, old := f.in(f.Context(), f.hana.mail, filmStolen)
		_, fresh := f.in(f.Context(), f.hana.mail, filmChosen)
		r.sees("the directory takes the new password and refuses the stolen one", fresh && !old)
		r.sees("with it, they are in", f.login(hana, f.hana.mail, filmChosen) == "/account")
		r.take(hana, "ja", "")
	})
	r.step("07-19 21:40", "ヘルプページに、手順とお願いがある", "The help page has the steps, and what is asked", []int{5, 18, 25, 26}, func() {
		public := f.o.person(f.T)
		at := "/incidents/" + f.id + "/help"
		public.visit(at)
		r.reads("it leads to the reset, asks to change the same password elsewhere, and names the desk", public.text("main"), "再設定", "同じパスワード", "お問い合わせ")
		r.both(public, at, "")
	})
}

// letter waits for a mail to somebody that has a text in it.
func (f *film) letter(to, has string) (out arrived) {
	f.Helper()
	f.box.drain(func(a arrived) bool {
		if a.Get("To") != to || !strings.Contains(a.text, has) {
			return false
		}
		out = a
		return true
	})
	return out
}

// closes is the third and the fourth addendum.
func (f *film) closes() {
	r := f.reel
	r.step("07-20 01:00", "追記：メンテナンス中。20日のうちに終える予定", "Addendum: closed for maintenance, to be over within the 20th", []int{21, 22}, func() {
		until := f.then("07-20T23:59")
		f.hours("closed", map[string]string{"until": entered(until), "why": "再設定機能のメンテナンスのため"})
		at := f.addendum(4)
		public := f.o.person(f.T)
		public.visit(at)
		r.reads("the addendum says that it is closed, and until when", public.text("main"), "一時停止", until.In(tokyo).Format("1月2日15時04分"))
		r.both(public, at, "")
		public.visit("/reset/" + f.id)
		r.reads("the page of the reset is closed, and says until when", public.text("main"), "一時停止しています", "再開する予定です")
		r.take(public, "ja", "")
	})
	r.step("07-20 19:20", "追記：再び設置した", "Addendum: it is open again", []int{23}, func() {
		f.hours("opened", nil)
		at := f.addendum(5)
		public := f.o.person(f.T)
		public.visit(at)
		r.reads("the addendum says so", public.text("main"), "再開しました")
		r.both(public, at, "")
		public.visit("/reset/" + f.id)
		r.sees("the page takes addresses again", public.has("input[name=address]"))
		at = "/notices/" + f.id + "-v1"
		public.visit(at)
		r.reads("the first notice leads to all four addenda", public.text("#addenda ~ ol"), "追記")
		r.both(public, at, "#addenda")
	})
}

// force takes the old passwords away.
func (f *film) force() {
	r, sato := f.reel, f.sato
	r.step("07-20 20:00", "古いパスワードを、ディレクトリで一斉に無効にする", "Every old password is taken away, in the directory", []int{3, 4}, func() {
		same, _, _, _ := f.hashes()
		r.sees("before it, all but one of the affected still have the stolen password", same == f.affected-1)
		f.hours("force-reset", map[string]string{"why": "残っている古いパスワードを無効にするため"})
		r.reads("whoever approves sees how many accounts it is of", f.approve(), language.Digits(f.affected-1))
		f.until("the bulk order being done", func() bool { return f.bulk() == "done" })
		same, other, abroad, touched := f.hashes()
		r.sees("the directory keeps the stolen password of nobody who is affected, and of "+f.count()+" another one", same == 0 && other == f.affected)
		r.sees("no account abroad was touched", abroad > 0 && touched == 0)
		_, fresh := f.in(f.Context(), f.hana.mail, filmChosen)
		r.sees("who had chosen a new password keeps it", fresh)
		r.counts("passwords", int(other))
		r.both(sato, f.kase+"/reset", "")
	})
	r.step("07-20 20:10", "サービスの再開を、全文の改訂で知らせる", "That services have resumed is told by a whole text anew", []int{4}, func() {
		var facts strings.Builder
		fmt.Fprintf(&facts, "id: %s\nfacts:\n", f.id)
		for _, of := range [][3]string{{"matome", "例示まとめ", "Example Matome"}, {"ndrive", "Nドライブ", "N Drive"}, {"photo-album", "Photo Album", "Photo Album"}, {"pick", "pick", "pick"}, {"cafe", "cafe", "cafe"}} {
			fmt.Fprintf(&facts, "  - {key: service, id: %s, value: {ja: %s, en: %s}, status: resumed, at: %q, asOf: %[4]q}\n", of[0], of[1], of[2], entered(f.started())[:10]+"T"+entered(f.started())[11:]+"+09:00")
		}
		f.o.run(f.T, "incident", "add", "--facts", f.file("resumed.yaml", facts.String()))
		sato.visit(f.kase + "/documents/notice")
		sato.send(`form[action$="/notice/propose"] button`)
		f.approve()
		public := f.o.person(f.T)
		at := "/notices/" + f.id + "-v6"
		public.visit(at)
		r.reads("each of the five services stands as resumed", public.text("main"), "例示まとめ", "再開")
		r.both(public, at, "")
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

// desk is who asks, and what they are answered.
func (f *film) desk() {
	r, sato := f.reel, f.sato
	r.step("07-21 10:00", "お問い合わせ窓口で受け、事実から答える", "The desk takes questions, and answers from facts", []int{25, 26}, func() {
		f.o.run(f.T, "enquiry", "open", f.id)
		f.o.run(f.T, "enquiry", "canned", "put", f.id, f.file("how-many.yaml", "id: how-many\ntopic: affected\nname: {ja: 対象の数, en: How many}\nsubject: {ja: 対象の数について, en: How many are affected}\n"+
			"text:\n  ja: お問い合わせありがとうございます。対象は{{affected.count}}です。流出した可能性のある情報は、{{data-class}}です。\n  en: \"{{affected.count}} are affected: {{data-class}}.\"\n"))
		public := f.o.person(f.T)
		public.visit("/enquiries/" + f.id)
		eval[bool](public, `(document.querySelector("#topic").value = "affected", true)`)
		public.write("#text", "何件のアカウントが対象ですか。")
		public.write("#address", f.min.mail)
		r.take(public, "ja", "")
		eval[bool](public, `new Promise(resolve => setTimeout(() => resolve(true), 3100))`) // nobody writes a question in less: what is quicker is a program
		public.send("main form.token button")
		public.open(inMail(f.T, f.letter(f.min.mail, "/enquiries/").text, "/enquiries/"), "")
		public.send("main form.token button")
		sato.visit(f.kase + "/enquiries")
		one := eval[string](sato, `document.querySelector("#queue tbody a").getAttribute("href")`)
		sato.visit(one)
		eval[bool](sato, `(document.querySelector("select[name=canned]").value = "how-many", true)`)
		sato.send(`form[action$="/preview"] button`)
		r.take(sato, "ja", "#preview")
		sato.send(`form[action$="/answer"] button[value=mail]`)
		r.reads("the answer comes by mail, with the number as the facts have it", f.letter(f.min.mail, "対象は").text, f.count(), "ニックネーム")
		r.both(sato, one, "")
	})
	r.step("07-22 10:00", "再発防止を、担当と期限のある仕事にする", "Prevention becomes work with owners and dates", []int{24}, func() {
		for _, task := range [][2]string{{"監視体制の強化：データベースへのアクセスを常時監視する", "鈴木 一郎"}, {"再発防止：管理者の認証を二要素にする", "佐藤 花子"}} {
			sato.visit(f.kase + "/closing")
			form := `#prevention form:has([name=title])`
			eval[bool](sato, fmt.Sprintf(`(document.querySelector(%q).closest("details").open = true)`, form))
			f.fill(form, map[string]string{"title": task[0], "owner": task[1], "due": entered(f.then("08-30T18:00"))[:10]})
			sato.send(form + " button")
		}
		r.reads("each has an owner and a date, and outlives the case", sato.text("#prevention"), "監視体制の強化", "鈴木 一郎", "再発防止", "佐藤 花子")
		r.both(sato, f.kase+"/closing", "#prevention")
	})
}

// lift is the end of the forced reset.
func (f *film) lift() {
	r, sato := f.reel, f.sato
	r.step("08-02 15:00", "強制的な再設定を解除する", "The forced reset is lifted", []int{4}, func() {
		f.hours("lift-reset", map[string]string{"why": "ほとんどの方が再設定を済ませた"})
		f.approve()
		at := f.addendum(7)
		public := f.o.person(f.T)
		public.visit(at)
		r.reads("an addendum tells it", public.text("main"), "終えました")
		r.both(public, at, "")
		f.release("accounts", "reset", "強制的な再設定を終えた")
		var kei person
		for row := range f.rows() {
			if row["country"] == "JP" && row["auth"] == "password" && row["member_id"] != f.hana.id {
				kei = person{row["member_id"], row["mail"]}
			}
		}
		f.holds(kei, "allow")
		r.sees("the gate lets everybody pass", true)
		_, old := f.in(f.Context(), kei.mail, filmStolen)
		r.sees("and a stolen password gets nobody in", !old)
		r.both(sato, f.kase+"/contain", "")
	})
}

// board is how it stands, on one page.
func (f *film) board() {
	r, sato := f.reel, f.sato
	r.step("07-20 21:00", "状況を1枚で見る。印刷すれば状況報告になる", "How it stands, on one page: printed, the situation report", []int{4, 13, 17, 18}, func() {
		sato.visit(f.kase + "/board")
		sato.until(`document.querySelector("#sit-told") !== null`)
		r.reads("the board has how many were told", sato.text("#sit-told"), f.count())
		r.both(sato, f.kase+"/board", "")
		f.still("board")
		n := r.print(sato, "situation-report")
		r.counts("sheets", n)
		r.sees("printed, it is the situation report", n >= 1)
	})
}

// end is the closing, and the end of the key.
func (f *film) end() {
	r, sato := f.reel, f.sato
	r.step("08-03 10:00", "何が残っているかを確かめ、事案を閉じる", "What is still open is looked at, and the case closed", []int{24}, func() {
		sato.visit(f.kase + "/closing")
		r.both(sato, f.kase+"/closing", "")
		despite := sato.has(`form[action$="/close"] input[name=despite]`)
		fields := map[string]string{"why": "対応を終え、再発防止は担当と期限のある仕事になった"}
		if despite {
			fields["despite"] = "期限のあるものは、監督機関と相談のうえ、書面で続ける"
		}
		f.fill(`form[action$="/close"]`, fields)
		sato.send(`form[action$="/close"] button`)
		if despite {
			r.reads("what is open has to be given a reason for, which somebody else approves", f.approve(), fields["despite"])
		}
		sato.visit(f.kase + "/closing")
		r.reads("it is closed, and says why", sato.text("#open"), fields["why"])
		r.both(sato, f.kase+"/closing", "#open")
	})
	r.step("08-03 11:00", "事案の鍵を壊す：名簿と記録は、だれにも読めなくなる", "The case's key is destroyed: nobody reads roster and record any more", nil, func() {
		sato.visit(f.kase + "/closing")
		sato.send(`form[action$="/closing/shred"] button`)
		f.approve()
		sato.visit(f.kase + "/closing")
		r.reads("the page has the certificate of it", sato.text("#end"), "この事案の鍵は", "証明書")
		r.both(sato, f.kase+"/closing", "")
		r.reads("the certificate is written out, and the ledger that it stands in is whole", f.o.run(f.T, "case", "certificate", f.id, "--out", filepath.Join(f.o.dir, "certificate.json")), f.id)
		f.o.run(f.T, "ledger", "verify")
		said, err := exec.Command(f.o.program, "case", "show", f.id, "--data", f.o.data()).CombinedOutput()
		r.sees("the record of the case cannot be read any more", err != nil && !strings.Contains(string(said), "監視体制"))
	})
	r.step("08-03 12:00", "公表したものは残り、本人の確認にも答え続ける", "What was published stays, and the check still answers", []int{13, 14}, func() {
		public := f.o.person(f.T)
		r.sees("somebody who was of the roster is still affected", public.check("ja", f.hana.mail).Shown == "affected")
		r.take(public, "ja", "")
		r.sees("an account abroad is still not in the scope", public.check("ja", f.min.mail).Shown == "not-in-scope")
		at := "/notices/" + f.id + "-v1"
		public.visit(at)
		r.reads("the notice is there, with its proof", public.text("main"), f.count(), "c2sp.org/tlog-proof@v1")
		r.both(public, at, "")
	})
}

// still names the last picture as one that the README has.
func (f *film) still(name string) {
	f.Helper()
	of := f.reel.now().Pictures
	f.reel.keep("film-"+name+".webp", must(os.ReadFile(filepath.Join(f.reel.dir, of[len(of)-1].File)))(f.T))
}
