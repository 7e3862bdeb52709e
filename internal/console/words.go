package console

import (
	"html/template"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/language"
	"shirase/internal/page"
)

var pages = []string{"signin", "join", "account", "people", "person", "log", "settings", "board", "declare",
	"case", "scope", "contain", "reset", "reach", "campaign", "campaignpreview", "outcome", "facts", "documents", "document", "draft", "proposals", "proposal", "allclocks", "exercise", "inbox", "inboxitem", "enquiries", "enquiry", "enquirydesk", "enquirybatch", "enquiryscript", "spread", "situation", "closing"}

var accessWords = map[actor.Access]language.Text{
	actor.None:        language.Both("なし（事案ごとに与える）", "none (given case by case)"),
	actor.Reads:       language.Both("読むだけ", "read"),
	actor.Contributes: language.Both("役割の範囲で加える（消せない）", "contribute, without taking away"),
	actor.Full:        language.Both("すべて（消す、見る人を決めるを含む）", "full, with taking away and sharing"),
}

// logWords say what an entry of the log is.
var logWords = map[string]language.Text{
	"invite":         language.Both("招待した", "invited somebody"),
	"take-back":      language.Both("招待を取り消した", "took an invitation back"),
	"join":           language.Both("リンクから入った", "came in by a link"),
	"roles":          language.Both("権限を変えた", "changed roles"),
	"remove":         language.Both("アカウントを削除した", "removed an account"),
	"recover":        language.Both("サーバーから回復リンクを作った", "made a recovery link on the host"),
	"first-passkey":  language.Both("前からのパスキーでの確認なしに、パスキーを登録した", "added a passkey that no older one confirmed"),
	"hold":           language.Both("新しい承認者が待つ時間の設定を変えた", "changed how long new approvers wait"),
	"passkey":        language.Both("パスキーを追加した", "added a passkey"),
	"drop-passkey":   language.Both("パスキーを削除した", "took a passkey away"),
	"copied-passkey": language.Both("複製されたらしいパスキーを拒んだ", "a passkey that seems copied was refused"),
	"codes":          language.Both("回復コードを作った", "made recovery codes"),
	"code":           language.Both("回復コードで入った", "came in by a recovery code"),
	"sign-in":        language.Both("サインインした", "signed in"),
	"feed":           language.Both("カレンダーのアドレスを作った", "made the address of a calendar"),
	"end-feed":       language.Both("カレンダーのアドレスを無効にした", "ended the address of a calendar"),
	"confirm":        language.Both("パスキーで確認した", "confirmed by passkey"),
	"oidc":           language.Both("組織アカウントとの結び付きを変えた", "changed the sign-in by the identity provider"),
	"access":         language.Both("事案を見られる人を変えた", "changed who sees a case"),
	"approval-rule":  language.Both("承認のしかたを変えた", "changed how approval goes"),
	"end-sessions":   language.Both("サインインを終わらせた", "ended sign-ins"),
}

// funcs is what templates of lang can say, beside what all pages can.
func funcs(lang language.Lang) template.FuncMap {
	out := caseFuncs(lang)
	for _, more := range []template.FuncMap{scopeFuncs(lang), reachFuncs(lang), containFuncs(lang), factFuncs(lang), inboxFuncs(lang), enquiryFuncs(lang), spreadFuncs(lang), boardFuncs(lang), closingFuncs(lang), exerciseFuncs(lang), commonFuncs(lang)} {
		for name, f := range more {
			if _, ok := out[name]; ok {
				panic("console: two parts say " + name + " to their templates")
			}
			out[name] = f
		}
	}
	return out
}

// commonFuncs is what pages of several parts can say.
func commonFuncs(lang language.Lang) template.FuncMap {
	return template.FuncMap{
		"when":  func(t time.Time) template.HTML { return when(lang, t, time.Now()) },
		"role":  func(r actor.Role) string { return roleWords[r][0].In(lang) },
		"duty":  func(r actor.Role) string { return roleWords[r][1].In(lang) },
		"roles": func(r []actor.Role) string { return rolesText(lang, r) },
		"access": func(a actor.Access) string {
			return accessWords[a].In(lang)
		},
		"logged": func(what string) string {
			if w, ok := logWords[what]; ok {
				return w.In(lang)
			}
			return what
		},
		"person": func(names map[string]string, id string) string { return personText(lang, names, id) },
	}
}

// zone is that of times in the console. Everybody who works on a case reads the same.
var zone = time.FixedZone("JST", 9*60*60)

// when writes a time shortly: without the year where it is this one, and always of the console's zone.
func when(lang language.Lang, t, now time.Time) template.HTML {
	t = t.In(zone)
	form := lang.Pick("1月2日 15:04", "2 Jan 15:04")
	if t.Year() != now.In(zone).Year() {
		form = lang.Pick("2006年1月2日 15:04", "2 Jan 2006, 15:04")
	}
	return page.Timed(t.Format(time.RFC3339), t.Format(form))
}

// spoken gives the half of a text which a record has in both languages that a reader wants.
func spoken(lang language.Lang, text string) string { return language.Recorded(text).In(lang) }

// personText names who did something: "p-… by console" by the name that the pseudonym stands for.
func personText(lang language.Lang, names map[string]string, id string) string {
	id, _, _ = strings.Cut(id, " by ")
	switch id {
	case "operator":
		return lang.Pick("サーバーの管理者（コマンド）", "the host (command line)")
	case "shirase":
		return lang.Pick("サーバー", "the server")
	}
	if name := names[id]; name != "" {
		return name
	}
	return id
}
