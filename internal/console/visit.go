package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/page"
	"shirase/internal/staff"
	"shirase/internal/web"
)

// Keys of a session's values, beside staff.AccountKey.
const (
	signInKey    = "ceremony:sign-in"
	createKey    = "ceremony:create"
	confirmKey   = "ceremony:confirm"
	recoveredKey = "recovered" // let in by a recovery code
	oidcKey      = "oidc"
	codesKey     = "codes" // to be shown once
	saidKey      = "said"  // what the next page says was done
	wallKey      = "wall"  // the case whose board a screen on a wall shows
)

// maxAnswer bounds what a passkey answers, in bytes.
const maxAnswer = 64 << 10

// visit is one request of somebody.
type visit struct {
	who       actor.Actor
	account   staff.Account
	site      staff.Site
	lang      language.Lang
	recovered bool
}

// visit finds out who is there. Where a form brings a passkey's answer, what it confirms is in the actor, and the question is
// used up, whatever comes of it. ErrNobody where somebody is wanted and nobody is there.
func (c *Console) visit(r *http.Request, open bool) (*visit, error) {
	ctx := r.Context()
	v := &visit{lang: web.LanguageOf(r).Lang}
	v.site, _ = c.site(r)
	id := c.sessions.GetString(ctx, staff.AccountKey)
	if id == "" {
		if open {
			return v, nil
		}
		return v, fmt.Errorf("open the console: %w", actor.ErrNobody)
	}
	var err error
	v.who, v.account, err = c.Staff.Actor(ctx, id, "", "console")
	if errors.Is(err, staff.ErrNotFound) { // they have left
		if err := c.sessions.Destroy(ctx); err != nil {
			return v, err
		}
		return v, fmt.Errorf("open the console: %w", actor.ErrNobody)
	}
	if err != nil {
		return v, err
	}
	v.recovered = c.sessions.GetString(ctx, recoveredKey) != ""
	if r.Method != http.MethodPost {
		return v, nil
	}
	if err := r.ParseForm(); err != nil {
		return v, fmt.Errorf("read the form: %w", err)
	}
	answer := r.PostForm.Get("passkey")
	if answer == "" {
		return v, nil
	}
	question, err := c.ceremony(r, confirmKey)
	if err != nil {
		return v, fmt.Errorf("%w: %w", actor.ErrUnconfirmed, err)
	}
	act, err := c.Staff.FinishConfirm(ctx, v.site, v.who, question, []byte(answer))
	if err != nil {
		return v, fmt.Errorf("%w: %w", actor.ErrUnconfirmed, err)
	}
	v.who, v.account, err = c.Staff.Actor(ctx, id, act, "console")
	return v, err
}

// ask keeps a ceremony in the session until its answer comes.
func (c *Console) ask(r *http.Request, key string, q staff.Ceremony) error {
	data, err := json.Marshal(q)
	if err != nil {
		return err
	}
	c.sessions.Put(r.Context(), key, string(data))
	return nil
}

// ceremony takes a question out of the session: it is answered once. Where there is none, it is one that nothing answers.
func (c *Console) ceremony(r *http.Request, key string) (q staff.Ceremony, err error) {
	kept := c.sessions.PopString(r.Context(), key)
	if kept == "" {
		return q, fmt.Errorf("%w: nothing was asked", staff.ErrSignIn)
	}
	if err := json.Unmarshal([]byte(kept), &q); err != nil {
		return q, fmt.Errorf("read a ceremony: %w", err)
	}
	return q, nil
}

// answerOf gives what a passkey answered, within bounds.
func answerOf(r *http.Request) ([]byte, error) {
	if err := r.ParseForm(); err != nil {
		return nil, fmt.Errorf("read the form: %w", err)
	}
	answer := r.PostForm.Get("answer")
	if answer == "" || len(answer) > maxAnswer {
		return nil, fmt.Errorf("%w: no answer of a passkey", staff.ErrSignIn)
	}
	return []byte(answer), nil
}

// enter signs somebody in: under a new token, so that one that was set before is worth nothing (session fixation).
func (c *Console) enter(r *http.Request, id string, recovered bool) error {
	ctx := r.Context()
	if err := c.sessions.Clear(ctx); err != nil {
		return err
	}
	if err := c.sessions.RenewToken(ctx); err != nil {
		return err
	}
	c.sessions.Put(ctx, staff.AccountKey, id)
	c.sessions.Put(ctx, staff.DeviceKey, deviceOf(r.UserAgent()))
	if recovered {
		c.sessions.Put(ctx, recoveredKey, "yes")
	}
	return nil
}

// deviceOf is a browser and its system in two words, for people to tell their own sign-ins apart.
func deviceOf(agent string) string {
	first := func(names ...string) string {
		for _, n := range names {
			if strings.Contains(agent, n) {
				return n
			}
		}
		return ""
	}
	browser, system := first("Firefox", "Edg", "Chrome", "Safari"), first("Android", "iPhone", "iPad", "Windows", "Macintosh", "CrOS", "Linux")
	if browser == "Edg" {
		browser = "Edge"
	}
	if browser == "" || system == "" {
		return strings.TrimSpace(browser + " " + system)
	}
	return browser + " · " + strings.Replace(system, "Macintosh", "Mac", 1)
}

// view is what every template of the console is given.
type view struct {
	page.Page
	Me      staff.Account
	Console *web.Asset // the style
	Wall    bool       // it hangs on a wall: there is nothing to press
	Hangs   string     // the board that a sign-in of a wall shows; "": it is none
	Live    string     // where changes are told; "" is nowhere
	Said    string     // what was done
	Refused string     // why it was not
	Form    url.Values // what was entered, where it was refused
	may     func(p actor.Permission, id string) bool
}

// May says whether something is offered. The rooms decide again.
func (v view) May(p, id string) bool {
	for _, each := range actor.Permissions() {
		if each.String() == p {
			return v.may(each, id)
		}
	}
	return false
}

// Val is what was entered in a field.
func (v view) Val(name string) string { return v.Form.Get(name) }

// wanted is what an entry of the navigation is shown for.
var wanted = map[string]actor.Permission{"log": actor.Audit, "settings": actor.Keys, "inbox": actor.Record}

func (c *Console) view(r *http.Request, v *visit, nav, title string) view {
	out := view{Page: c.frame.Page(r), Form: url.Values{}, may: func(actor.Permission, string) bool { return false }}
	out.Nav, out.Title, out.NoIndex = nav, title, true
	out.Query = r.URL.RawQuery
	if style, ok := c.frame.Asset("console.css"); ok {
		out.Console = &style
	}
	if script, ok := c.frame.Asset("console.js"); ok {
		out.Script = &script
	}
	out.Navigation = nil
	if v != nil && v.who.Person() {
		out.Me = v.account
		for _, e := range navigation {
			if p, ok := wanted[e.Name]; (!ok || v.who.May(p, "") == nil) && (e.Name != "inbox" || c.Collection != nil) && (e.Name != "exercise" || c.Rehearsal != nil) {
				out.Navigation = append(out.Navigation, e)
			}
		}
		who := v.who
		out.may = func(p actor.Permission, id string) bool { return who.May(p, id) == nil }
		if r.Method == http.MethodGet {
			out.Said = c.sessions.PopString(r.Context(), saidKey)
		}
	}
	return out
}

// done answers a form that was taken: with the page to go to, which says what was done.
func (c *Console) done(w http.ResponseWriter, r *http.Request, said, to string) error {
	if said != "" {
		c.sessions.Put(r.Context(), saidKey, said)
	}
	to = web.LanguageOf(r).Link(to)
	if wantsJSON(r) {
		return reply(w, http.StatusOK, map[string]any{"to": to})
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

func wantsJSON(r *http.Request) bool { return r.Header.Get("Accept") == "application/json" }

func reply(w http.ResponseWriter, status int, body map[string]any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, err = w.Write(data)
	return err
}

// fail answers with what err is to whoever asked, and logs what is not theirs.
func (c *Console) fail(w http.ResponseWriter, r *http.Request, v *visit, err error) {
	p, known := failed.Problem(err)
	if !known && r.Context().Err() == nil { // whoever has gone away needs no answer, and it was no failure
		c.Log.Error("console failed", "route", r.Pattern, "error", err)
	}
	if p.Status == http.StatusUnauthorized && errors.Is(err, actor.ErrNobody) && r.Method == http.MethodGet && !wantsJSON(r) && r.Header.Get("Accept") != "text/event-stream" {
		to := "/console/sign-in"
		if local := web.LocalPath(r); local != "/console/" {
			to += "?next=" + url.QueryEscape(local)
		}
		http.Redirect(w, r, web.LanguageOf(r).Link(to), http.StatusSeeOther)
		return
	}
	c.problem(w, r, v, p, err)
}

// problem answers with p. What err says is for people who may know it: of what they entered, and of what they may not do.
func (c *Console) problem(w http.ResponseWriter, r *http.Request, v *visit, p web.Problem, err error) {
	lang := web.LanguageOf(r).Lang
	words := wrongOf(lang, p, err)
	if wantsJSON(r) {
		p.Prepare(w.Header())
		if err := reply(w, p.Status, map[string]any{"say": strings.TrimSpace(words.Heading + words.What + " " + words.Remedy)}); err != nil {
			c.Log.Error("answer an error", "error", err)
		}
		return
	}
	out := c.view(r, v, "", words.Heading)
	out.Failed, out.Body = true, words
	if p.Code == "on-wall" {
		out.Hangs = "/console/cases/" + c.sessions.GetString(r.Context(), wallKey) + "/board?wall"
	}
	c.frame.ShowWrong(w, r, p, out)
}

// wrongOf are the words for what went wrong.
func wrongOf(lang language.Lang, p web.Problem, err error) page.Wrong {
	out := page.WrongOf(lang, p)
	set := func(headingJA, headingEN, whatJA, whatEN string) {
		out.Heading, out.What, out.Remedy = lang.Pick(headingJA, headingEN), lang.Pick(whatJA, whatEN), ""
	}
	switch {
	case p.Code == "cross-origin":
		set("ほかのサイトからの操作は受け付けません。", "This cannot be done from another site.", "このコンソールのページから操作してください。", "Please do it from a page of this console.")
	case p.Code == "address":
		set("このアドレスでは、コンソールを開けません。", "The console does not open at this address.", "設定したアドレス（url）か、このパソコンの localhost で開いてください。パスキーは名前に結び付いているためです。",
			"Open it at the address that is set (url), or on this machine at localhost: passkeys are bound to names.")
	case p.Code == "unconfirmed":
		set("パスキーでの確認が必要です。", "Your passkey has to confirm this.", "取り消せない操作なので、そのつど、パスキーで確認します。もう一度やり直してください。", "It cannot be undone, so your passkey confirms it each time. Please try again.")
	case p.Code == "on-wall":
		set("この画面では、ボードだけを表示します。", "This screen shows the board alone.", "壁の画面のためのサインインなので、ほかのページは開けず、何も取り出せません。ほかのことをするには、サインアウトして、パスキーでサインインし直してください。",
			"Its sign-in is that of a screen on a wall: no other page opens, and nothing is taken out. For anything else sign out, and sign in again with your passkey.")
	case errors.Is(err, actor.ErrHeld):
		set("まだ、この操作はできません。", "You cannot do this yet.", "承認者になったばかりの方と、前からのパスキーでの確認なしに新しいパスキーを登録した方は、決められた時間がたつまで、承認もメンバーの管理もできません。時刻は「自分の設定」にあります。",
			"A new approver, and whoever has a new passkey that no older one confirmed, waits before they approve or look after people. Until when stands under Your account.")
	case errors.Is(err, staff.ErrSelf):
		set("自分の権限は、自分では変えられません。", "Nobody changes their own roles or access.", "ほかの管理者に頼んでください。", "Please ask another administrator.")
	case errors.Is(err, staff.ErrLast):
		set("最後の一つは、なくせません。", "The last one cannot go.", "管理者は1人以上、パスキーは1つ以上必要です。", "There has to be an administrator, and a passkey.")
	case isOfScope(lang, err, &out):
	case p.Status == http.StatusForbidden:
		set("この操作をする権限がありません。", "You may not do this.", "必要なら、管理者か、事案の指揮者に頼んでください。", "If you should, ask an administrator, or who commands the case.")
	case p.Status == http.StatusGone:
		set("このリンクは使えません。", "This link cannot be used.", "一度使われたか、期限が切れています。もう一度送ってもらってください。", "It was used before, or has expired. Please ask for another one.")
	case p.Status == http.StatusUnauthorized:
		set("サインインできませんでした。", "You are not signed in.", "もう一度お試しください。", "Please try again.")
	case p.Status == http.StatusConflict:
		set("ほかの方が、先に変更しました。", "Somebody else was faster.", "いまの内容を見てから、もう一度お試しください。", "Please look at what is there now, and try again.")
	case p.Status == http.StatusUnprocessableEntity && err != nil:
		out.Heading = lang.Pick("受け付けられませんでした。", "This cannot be taken.")
		out.What, out.Remedy = err.Error(), hint.Of(err)
	}
	return out
}

// isOfScope fills in what is said of an error of a scope, or of what arrives, to a script that asked; false where it is none.
func isOfScope(lang language.Lang, err error, out *page.Wrong) bool {
	said, ok := scopeWord(lang, err)
	if ok {
		out.Heading, out.What, out.Remedy = said, "", ""
	}
	return ok
}
