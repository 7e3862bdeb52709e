package browsertest

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"shirase/internal/demo"
	"shirase/internal/incident"
	"shirase/internal/language"
)

var tokyo = time.FixedZone("JST", 9*60*60)

var (
	filmScale = flag.Float64("film.scale", 0.0002, "the film: scale of the accounts; 1 is the model case's 2.7 million")
	filmWait  = flag.Duration("film.patience", 0, "the film: how long one thing may take; 0: 40 s, and two hours more for each 1 of the scale")
	filmOut   = flag.String("film.out", filepath.Join("..", "..", "screenshots", "film"), "the film: folder it is kept in")
)

// film is the model case as it is played: a way of two people, on a set, and its reel.
type film struct {
	*set
	reel *reel
	id   string          // of the case
	mail string          // the page of the campaign
	told map[string]bool // to whom a mail of the campaign has come
}

// TestFilm plays the model case whole, from the first minute to the end: what the notice of 2013 says is done here by two people in a browser,
// and seen by those it concerns, behind a real nginx, by a real Postfix, in a real directory. ./film plays it at any scale.
func TestFilm(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	wait := *filmWait
	if wait == 0 {
		wait = patience + time.Duration(*filmScale*float64(2*time.Hour))
	}
	f := &film{reel: &reel{TB: t, dir: *filmOut, began: time.Now(), stills: map[string]bool{}}, told: map[string]bool{}}
	t.Cleanup(func() { // the last, so that a film that failed says so, and shows how far it came
		if len(f.reel.Steps) > 0 {
			f.reel.cut(map[string]any{"scale": f.scale, "accounts": f.total, "affected": f.affected})
		}
	})
	s := newSet(t, *filmScale, wait)
	f.set = s
	f.sato = s.o.administrator(t)
	f.second()
	f.hourZero()
	f.scope()
	f.notice()
	f.slips()
	f.opens()
	f.person()
	f.closes()
	f.force()
	f.board()
	f.desk()
	f.lift()
	f.end()
	f.reel.whole = true
	if foreign := s.o.stage.foreign(); len(foreign) > 0 {
		t.Errorf("pages asked elsewhere: %q", foreign)
	}
}

func (f *film) count() string { return counted(f.affected) }

// counted is a number as Japanese texts have it.
func counted(n int64) string { return language.Number(language.JA, n) }

// year is a time of the model case as texts tell it, with its year.
func (f *film) year(clock string) string {
	f.Helper()
	at := f.then(clock)
	return at.In(tokyo).Format("2006年") + dated(at)
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

// visitor is somebody at the application.
func (f *film) visitor() *tab {
	f.Helper()
	p := f.o.person(f.T)
	p.host = f.app
	return p
}

// login tries to sign somebody in at the application, and gives where that leads.
func (f *film) login(p *tab, mail, password string) string {
	f.Helper()
	p.do(chromedp.Navigate("http://" + f.app + "/login"))
	p.write("input[name=mail]", mail)
	p.write("input[name=password]", password)
	p.send("main form button")
	return eval[string](p, `location.pathname`)
}

// proposed gives the proposals of a kind that are open.
func (f *film) proposed(kind string) (out []string) {
	f.Helper()
	var said struct {
		Proposals []struct{ ID, Kind, State string }
	}
	if err := json.Unmarshal([]byte(f.o.run(f.T, "proposal", "list", "--json")), &said); err != nil {
		f.Fatal(err)
	}
	for _, p := range said.Proposals {
		if p.Kind == kind && p.State == "proposed" {
			out = append(out, p.ID)
		}
	}
	return out
}

// addendum has the other person approve the one that a change of the reset has proposed, and gives the page of what became public.
func (f *film) addendum(version int) string {
	f.Helper()
	open := f.proposed("publish")
	if len(open) != 1 {
		f.Fatalf("%d addenda are proposed, want one", len(open))
	}
	f.suzuki.visit("/console/proposals/" + open[0])
	f.suzuki.until(`document.querySelector(".effect") !== null`)
	f.suzuki.send(`form[action$="/approve"] button`)
	f.suzuki.until(`document.querySelector("h1").textContent.includes("実行済み")`)
	return fmt.Sprintf("/notices/%s-v%d", f.id, version)
}

// hours changes when people can reset.
func (f *film) hours(do string, fields map[string]string) {
	f.Helper()
	f.sato.visit(f.kase + "/reset")
	form := fmt.Sprintf(`form:has(input[name=do][value=%q])`, do)
	f.fill(form, fields)
	eval[bool](f.sato, fmt.Sprintf(`(document.querySelector(%q).closest("details").open = true)`, form))
	f.sato.send(form + " button")
}

// contain proposes something at the gate, and has it approved.
func (f *film) contain(of string, fields map[string]string) {
	f.Helper()
	f.sato.visit(f.kase + "/contain")
	form := `form[action$="/contain/block"]:has(select[name=` + of + `])`
	f.fill(form, fields)
	eval[bool](f.sato, fmt.Sprintf(`(document.querySelector(%q).closest("details").open = true)`, form))
	f.sato.send(form + " button")
	f.approve()
}

// release lifts what is in force at the gate.
func (f *film) release(name, value, why string) {
	f.Helper()
	f.sato.visit(f.kase + "/contain")
	form := fmt.Sprintf(`form[action$="/contain/lift"]:has(input[name=%s][value=%q])`, name, value)
	f.fill(form, map[string]string{"why": why})
	f.sato.send(form + " button")
	f.approve()
}

// hourZero is from the discovery to the maintenance mode.
func (f *film) hourZero() {
	r, sato := f.reel, f.sato
	r.step("07-18 10:09", "不正アクセスに気づき、事案を宣言する", "The intrusion is noticed, and a case declared", func() {
		sato.visit("/console/cases/new")
		f.fill("main form", map[string]string{"title": "会員情報への不正アクセス", "known": entered(f.then("07-18T10:09")), "happened": entered(f.then("07-17T20:51")), "playbook": "account-database"})
		sato.click("input[name=illicit]")
		r.take(sato, "ja", "")
		sato.send("main form button:not([type=button])")
		sato.until(`document.readyState === "complete" && /^\/console\/cases\/.+-20\d\d-/.test(location.pathname)`)
		f.kase = eval[string](sato, `location.pathname`)
		f.id = strings.TrimPrefix(f.kase, "/console/cases/")
		r.sees(nil, "its address is made of the organisation's name in Latin letters", strings.HasPrefix(f.id, "example-inc-"))
		r.reads(of{9}, "the case says when the intrusion was noticed", sato.text("main"), "知った時点："+f.year("07-18T10:09"))
		r.reads(nil, "and what is to be done next, the two reports among it", sato.text("#next"), "期限：速報", "期限：確報（不正の目的による場合）", "侵入の経路を断つ")
		r.both(sato, f.kase, "")
	})
	r.step("07-18 10:57", "48分後に遮断。不正ファイルを見つける", "Cut off after 48 minutes; malicious files are found", func() {
		moments := [][2]string{{"07-18T10:09", "データベースのサーバーに、不正アクセスの可能性を発見した。"}, {"07-18T10:57", "不正アクセスを遮断した。"}, {"07-18T15:00", "サーバーの中に、作られた不正なファイルを発見した。"}}
		for _, e := range moments {
			sato.visit(f.kase + "/timeline")
			f.fill(`form[action$="/event"]`, map[string]string{"at": entered(f.then(e[0])), "text": e[1]})
			sato.send(`form[action$="/event"] button:not([type=button])`)
		}
		sato.until(`document.querySelector("#events").textContent.includes("不正なファイル")`)
		for i, about := range []of{{9}, {9}, {10}} {
			at := noted(f.then(moments[i][0]))
			r.reads(about, "the record has a moment as it is stated: "+moments[i][0], row(sato, moments[i][1]), at+"\t"+moments[i][1])
		}
		r.both(sato, f.kase+"/timeline", "#events")
	})
	r.step("07-18 11:00", "法令の期限が動き出す", "The clocks of the law begin", func() {
		sato.visit(f.kase + "/clocks")
		known := noted(f.then("07-18T10:09"))
		r.reads(nil, "the preliminary report is due, counted from when it was known", row(sato, "施行規則第7条・第8条第1項"), "速報", "あと", known, "進行中")
		r.reads(nil, "and so is the final one", row(sato, "確報（不正の目的による場合）"), "あと", known, "進行中")
		r.both(sato, f.kase+"/clocks", "")
	})
	r.step("07-18 20:00", "メンテナンスモード：nginxの前で、すべてのログインを遮断し、サービスを止める", "Maintenance mode: every login blocked before nginx, services stopped", func() {
		guest := f.visitor()
		asked := f.asked.Load()
		r.sees(nil, "before it, nginx answers 200, and the application is asked", f.answers("/login") == http.StatusOK && f.asked.Load() > asked)
		f.contain("route", map[string]string{"route": "all", "state": "maintenance", "why": "不正アクセスの調査と、二次被害の防止のため", "ja": "不正アクセスの調査のため、すべてのログインを遮断しています。", "en": "Every login is blocked while an intrusion is looked into."})
		f.until("nginx answering 503", func() bool { return f.answers("/login") == http.StatusServiceUnavailable })
		asked = f.asked.Load()
		r.sees(of{3, 11, 17}, "nginx answers 503 to login and services, and the application is not asked",
			f.answers("/login") == http.StatusServiceUnavailable && f.answers("/") == http.StatusServiceUnavailable && f.answers("/account") == http.StatusServiceUnavailable && f.asked.Load() == asked)
		guest.do(chromedp.Navigate("http://" + f.app + "/"))
		r.reads(of{3, 11}, "a visitor is told of the maintenance, that every login is blocked, and that it is looked into", guest.text("main"), "メンテナンス中です", "不正アクセスの調査のため、すべてのログインを遮断しています")
		r.take(guest, "ja", "")
		sato.visit(f.kase + "/contain")
		r.reads(of{3}, "the console has why: so that nothing more comes of it", row(sato, "不正アクセスの調査"), "all", "メンテナンス", "鈴木 一郎", "二次被害の防止のため")
		r.both(sato, f.kase+"/contain", "")
		guest.quietAbout("status of 503")
	})
}

// scope is who is affected.
func (f *film) scope() {
	r, sato := f.reel, f.sato
	r.step("07-19 10:00", "会員の書き出しと規則から、対象者の名簿を封じて作る", "From an export and rules, a sealed roster of who is affected", func() {
		sato.visit(f.kase + "/scope")
		sato.do(chromedp.SetUploadFiles("form[data-upload] input[type=file]", []string{f.export}))
		sato.send("form[data-upload] button:not([type=button])")
		f.fill(`form[action$="/scope/run"]`, map[string]string{"text": string(demo.Rules())})
		sato.send(`form[action$="/scope/run"] button`)
		sato.until(`document.querySelector("#result").textContent.includes("この試算で名簿を作る")`)
		r.reads(of{13}, "of "+language.Digits(f.total)+" accounts, the rules give "+language.Digits(f.affected), sato.text("#result"), "全体\t"+counted(f.total)+"\n", "＝ 対象アカウント\t"+f.count()+"\n")
		r.reads(of{14}, "those abroad and those of OpenID are outside, each counted", sato.text("#result"), "除外：foreign\t"+counted(f.abroad)+"\n", "除外：openid\t"+counted(f.openID)+"\n")
		r.both(sato, f.kase+"/scope", "#result")
		sato.send(`form[action$="/scope/commit"] button`)
		sato.until(`document.querySelector("#scope-facts") !== null`)
	})
	r.step("07-19 12:00", "対象アカウントだけを止め、ほかのサービスを開ける", "The affected accounts alone stay blocked, and the rest opens", func() {
		f.contain("accounts", map[string]string{"accounts": "blocked", "why": "ハッシュ化されたパスワードが流出した可能性があるため", "ja": "不正ログインを防ぐため、お客様のアカウントのログインを遮断しています。パスワードの再設定の準備ができしだい、お知らせします。", "en": "Your account is blocked until you can set a new password."})
		f.release("route", "all", "侵入の経路を閉じた")
		f.holds(f.hana, "blocked")
		f.until("nginx letting pass", func() bool { return f.answers("/") == http.StatusOK })
		hana, min := f.visitor(), f.visitor()
		f.login(hana, f.hana.mail, filmStolen)
		r.reads(of{3, 17}, "somebody of the roster is blocked, with the right password", hana.text("main"), "いまはログインできません", "ログインを遮断しています")
		r.take(hana, "ja", "")
		f.still("blocked")
		r.sees(of{14}, "an account abroad passes", f.login(min, f.min.mail, filmStolen) == "/account")
		r.take(min, "ja", "")
		d := must(f.decide(f.Context(), f.taku.id, f.taku.mail))(f.T)
		r.sees(of{14}, "and so does one of OpenID, as the gate says", d.Decision == "allow")
		hana.quietAbout("status of 403")
		r.equal(of{13, 17}, language.Digits(f.affected)+" accounts are held, each of the roster", f.held()["blocked"], f.affected)
	})
}

// held counts at the gate whose login is not as usual.
func (f *film) held() map[string]int64 {
	f.Helper()
	var said struct{ Accounts map[string]int64 }
	if err := json.Unmarshal([]byte(f.o.run(f.T, "gate", "status", "--json")), &said); err != nil {
		f.Fatal(err)
	}
	if len(said.Accounts) != 3 {
		f.Fatalf("the gate counts %v, want accounts that are blocked, have to reset, and are told", said.Accounts)
	}
	return said.Accounts
}

// paperOf keeps the open page as it is printed.
func (f *film) paperOf(p *tab, name string) { f.reel.print(p, name) }

// facts are the model case's, moved to when this film plays: what the program counts, what the login logs say, and what becomes of the reset, it
// records by itself.
func (f *film) facts() string {
	f.Helper()
	head, body, ok := strings.Cut(string(incident.ModelCase()), "\nfacts:\n")
	if !ok {
		f.Fatal("the model case has no facts")
	}
	_ = head
	var out strings.Builder
	fmt.Fprintf(&out, "id: %s\nzone: \"+09:00\"\nasOf: %q\nfacts:\n", f.id, f.then("07-19T16:00").In(incident.Japan).Format("2006-01-02T15:04"))
	left := regexp.MustCompile(`key: (alias|domain|affected\.count|base\.count|addendum|source|organisation)\b|id: (foreign|openid|reset-\w+|forced-reset)\b|key: secondary-damage, value: login\b`)
	moved := regexp.MustCompile(`"2013-(\d\d-\d\d)(T\d\d:\d\d)?"`)
	for _, item := range strings.Split(body, "\n  - ") {
		item = strings.TrimPrefix(strings.TrimSpace(regexp.MustCompile(`(?m)^\s*#.*$`).ReplaceAllString(item, "")), "- ")
		if item == "" || left.MatchString(item) {
			continue
		}
		item = strings.NewReplacer(", source: notice", "", "    source: notice\n", "", "\n    source: notice", "", "\n     value:", " value:", "http://help.naver.jp/faq?itemNo=1287", "http://"+f.o.host+"/enquiries/"+f.id, "NAVER会員情報", "会員情報", "NAVER accounts", "members' accounts",
			"LINEとlivedoorの", "例示トークと例示ブログの", "of LINE and livedoor", "of Example Talk and Example Blog", "value: LINE,", "value: {ja: 例示トーク, en: Example Talk},", "value: livedoor,", "value: {ja: 例示ブログ, en: Example Blog},",
			"NAVERまとめ", "例示まとめ", "NAVER Matome", "Example Matome", "NAVER Photo Album", "Photo Album", "日本以外で提供しているNAVERサービス", "日本以外で提供しているサービス").Replace(item)
		item = moved.ReplaceAllStringFunc(item, func(at string) string {
			m := moved.FindStringSubmatch(at)
			if m[2] == "" {
				return `"` + f.then(m[1]+"T16:00").In(incident.Japan).Format("2006-01-02") + `"`
			}
			return `"` + f.then(m[1]+m[2]).In(incident.Japan).Format("2006-01-02T15:04") + `"`
		})
		out.WriteString("  - " + item + "\n")
	}
	fmt.Fprintf(&out, "  - {key: action, id: prevention, status: planned, promised: %q, value: {ja: 監視体制の強化と再発防止に、全社で取り組む, en: \"Closer monitoring and prevention, by the whole company\"}}\n",
		f.then("08-31T18:00").In(incident.Japan).Format("2006-01-02"))
	fmt.Fprintf(&out, "  - {key: action, id: investigation, status: taken, at: %q,\n     value: {ja: 会員情報が流出したかどうかの調査を開始, en: An investigation was begun of whether members' data was taken}}\n",
		f.then("07-18T20:00").In(incident.Japan).Format("2006-01-02T15:04"))
	fmt.Fprintf(&out, "  - {key: next-update, value: %q}\n", f.then("07-19T18:30").In(incident.Japan).Format("2006-01-02T15:04"))
	return out.String()
}
