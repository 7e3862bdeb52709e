package console

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/language"
	"shirase/internal/staff"
	"shirase/internal/web"
)

type accountView struct {
	view
	Passkeys  []staff.Passkey
	Codes     []string // shown once
	Left      int
	Sessions  []staff.Session
	This      string
	Act       string // that an older passkey confirms for a new one; "" where there is none
	Recovered bool
	OIDC      bool
	Feed      time.Time // since when they have a calendar's address; zero: they have none
	FeedAt    string    // one that was just made, shown once
}

func (c *Console) accountPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	return c.showAccount(w, r, v, "")
}

func (c *Console) showAccount(w http.ResponseWriter, r *http.Request, v *visit, feed string) error {
	ctx := r.Context()
	out := accountView{view: c.view(r, v, "account", v.lang.Pick("自分の設定", "Your account")), Recovered: v.recovered, OIDC: c.OIDC != nil, FeedAt: feed}
	out.Path = "/console/account"
	var err error
	if out.Feed, err = c.Staff.FeedSince(ctx, v.who); err != nil {
		return err
	}
	if out.Passkeys, err = c.Staff.Passkeys(ctx, v.who); err != nil {
		return err
	}
	if out.Left, err = c.Staff.CodesLeft(ctx, v.who); err != nil {
		return err
	}
	if out.Sessions, err = c.Staff.SessionsOf(ctx, v.who, v.account.ID); err != nil {
		return err
	}
	if out.This, err = c.Staff.SessionID(ctx, c.sessions.Token(ctx)); err != nil {
		return err
	}
	if !v.recovered && len(out.Passkeys) > 0 {
		out.Act = staff.ActPasskey
	}
	if codes := c.sessions.PopString(ctx, codesKey); codes != "" {
		out.Codes = strings.Split(codes, "\n")
	}
	return c.frame.Show(w, r, http.StatusOK, "account", out)
}

func (c *Console) passkeyBegin(w http.ResponseWriter, r *http.Request, v *visit) error {
	options, q, err := c.Staff.BeginPasskey(r.Context(), v.site, v.account.ID, "")
	if err != nil {
		return err
	}
	if err := c.ask(r, createKey, q); err != nil {
		return err
	}
	return reply(w, http.StatusOK, map[string]any{"options": json.RawMessage(options)})
}

func (c *Console) passkeyAdd(w http.ResponseWriter, r *http.Request, v *visit) error {
	q, err := c.ceremony(r, createKey)
	if err != nil {
		return err
	}
	answer, err := answerOf(r)
	if err != nil {
		return err
	}
	if q.Account != v.account.ID {
		return staff.ErrSignIn
	}
	k, err := c.Staff.FinishPasskey(v.site, q, answer, r.PostForm.Get("name"))
	if err != nil {
		return err
	}
	if err := c.Staff.AddPasskey(r.Context(), v.who, v.recovered, k); err != nil {
		return err
	}
	c.sessions.Remove(r.Context(), recoveredKey)
	return c.done(w, r, v.lang.Pick("パスキーを追加しました。", "The passkey was added."), "/console/account")
}

func (c *Console) passkeyDrop(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := c.Staff.DropPasskey(r.Context(), v.who, r.PostForm.Get("id")); err != nil {
		return err
	}
	return c.done(w, r, v.lang.Pick("パスキーを削除しました。", "The passkey was taken away."), "/console/account")
}

func (c *Console) newCodes(w http.ResponseWriter, r *http.Request, v *visit) error {
	codes, err := c.Staff.NewCodes(r.Context(), v.who)
	if err != nil {
		return err
	}
	c.sessions.Put(r.Context(), codesKey, strings.Join(codes, "\n"))
	return c.done(w, r, v.lang.Pick("新しい回復コードを作りました。前のものは使えません。", "New recovery codes were made. Those before are good for nothing."), "/console/account")
}

func (c *Console) endSession(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := c.Staff.EndSessions(r.Context(), v.who, v.account.ID, r.PostForm.Get("id")); err != nil {
		return err
	}
	return c.done(w, r, v.lang.Pick("サインインを終わらせました。", "It is signed out."), "/console/account")
}

type peopleView struct {
	view
	People      []staff.Account
	Invitations []staff.Invitation
	Invited     string // the link of an invitation that was just made, shown once
	Roles       []actor.Role
	Accesses    []actor.Access
	Host        []staff.Entry
	Names       map[string]string
}

func (c *Console) peoplePage(w http.ResponseWriter, r *http.Request, v *visit) error {
	return c.showPeople(w, r, v, http.StatusOK, "", nil)
}

func (c *Console) showPeople(w http.ResponseWriter, r *http.Request, v *visit, status int, link string, refused error) error {
	ctx := r.Context()
	out := peopleView{view: c.view(r, v, "people", v.lang.Pick("メンバー", "People")), Invited: link, Roles: actor.Roles(), Accesses: accesses}
	out.refuse(r, refused)
	var err error
	if out.People, err = c.Staff.People(ctx, v.who); err != nil {
		return err
	}
	if out.Host, err = c.Staff.Shown(ctx, v.who); err != nil {
		return err
	}
	if out.Names, err = c.Staff.Names(ctx); err != nil {
		return err
	}
	if v.who.May(actor.People, "") == nil {
		if out.Invitations, err = c.Staff.Invitations(ctx, v.who); err != nil {
			return err
		}
	}
	return c.frame.Show(w, r, status, "people", out)
}

// accesses are those to all cases, as they are chosen from.
var accesses = []actor.Access{actor.None, actor.Reads, actor.Contributes, actor.Full}

// rolesOf reads the roles and the access to all cases of a form.
func rolesOf(r *http.Request) ([]actor.Role, actor.Access) {
	var roles []actor.Role
	for _, text := range r.PostForm["role"] {
		roles = append(roles, actor.Role(text))
	}
	every, _ := actor.ParseAccess(r.PostForm.Get("every"))
	return roles, max(every, actor.None)
}

func (c *Console) invite(w http.ResponseWriter, r *http.Request, v *visit) error {
	roles, every := rolesOf(r)
	token, err := c.Staff.Invite(r.Context(), v.who, r.PostForm.Get("name"), roles, every)
	if isInput(err) {
		return c.showPeople(w, r, v, http.StatusUnprocessableEntity, "", err)
	}
	if err != nil {
		return err
	}
	// Shown in this answer only: it is kept nowhere.
	return c.showPeople(w, r, v, http.StatusOK, web.Base(r, c.BaseURL)+"/console/join#"+token, nil)
}

func (c *Console) takeBack(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := c.Staff.TakeBack(r.Context(), v.who, r.PostForm.Get("id")); err != nil {
		return err
	}
	return c.done(w, r, v.lang.Pick("招待を取り消しました。", "The invitation was taken back."), "/console/people")
}

type personView struct {
	view
	Person    staff.Account
	Sessions  []staff.Session
	Roles     []actor.Role
	Accesses  []actor.Access
	ActRemove string
}

func (c *Console) personPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	return c.showPerson(w, r, v, http.StatusOK, nil)
}

func (c *Console) showPerson(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error) error {
	if err := v.who.May(actor.People, ""); err != nil {
		return err
	}
	id := r.PathValue("id")
	p, err := c.Staff.Person(r.Context(), v.who, id)
	if err != nil {
		return err
	}
	out := personView{view: c.view(r, v, "people", p.Name), Person: p, Roles: actor.Roles(), Accesses: accesses, ActRemove: staff.ActRemove(id)}
	out.refuse(r, refused)
	if out.Sessions, err = c.Staff.SessionsOf(r.Context(), v.who, id); err != nil {
		return err
	}
	return c.frame.Show(w, r, status, "person", out)
}

func (c *Console) setRoles(w http.ResponseWriter, r *http.Request, v *visit) error {
	id := r.PathValue("id")
	roles, every := rolesOf(r)
	version, _ := strconv.ParseInt(r.PostForm.Get("version"), 10, 64) // that of nothing is 0, which no account has
	err := c.Staff.SetRoles(r.Context(), v.who, id, version, roles, every)
	if isInput(err) {
		return c.showPerson(w, r, v, http.StatusUnprocessableEntity, err)
	}
	if err != nil {
		return err
	}
	return c.done(w, r, v.lang.Pick("権限を変えました。", "What they may do was changed."), "/console/people/"+id)
}

func (c *Console) removePerson(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := c.Staff.Remove(r.Context(), v.who, r.PathValue("id")); err != nil {
		return err
	}
	return c.done(w, r, v.lang.Pick("アカウントを削除しました。", "The account was removed."), "/console/people")
}

func (c *Console) endSessions(w http.ResponseWriter, r *http.Request, v *visit) error {
	id := r.PathValue("id")
	if err := v.who.May(actor.People, ""); err != nil {
		return err
	}
	if err := c.Staff.EndSessions(r.Context(), v.who, id, ""); err != nil {
		return err
	}
	return c.done(w, r, v.lang.Pick("すべてのサインインを終わらせました。", "All their sign-ins were ended."), "/console/people/"+id)
}

type logView struct {
	view
	Entries []staff.Entry
	Names   map[string]string
}

func (c *Console) logPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	entries, err := c.Staff.Log(r.Context(), v.who, 0, 300)
	if err != nil {
		return err
	}
	names, err := c.Staff.Names(r.Context())
	if err != nil {
		return err
	}
	return c.frame.Show(w, r, http.StatusOK, "log", logView{c.view(r, v, "log", v.lang.Pick("メンバーの記録", "Log of people")), entries, names})
}

type settingsView struct {
	view
	Keys     []Key
	Settings []Setting
}

func (c *Console) settingsPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := v.who.May(actor.Keys, ""); err != nil {
		return err
	}
	out := settingsView{view: c.view(r, v, "settings", v.lang.Pick("鍵と設定", "Keys and settings"))}
	if c.Keys != nil {
		var err error
		if out.Keys, err = c.Keys(r.Context()); err != nil {
			return err
		}
	}
	if c.Settings != nil {
		out.Settings = c.Settings(r.Context())
	}
	return c.frame.Show(w, r, http.StatusOK, "settings", out)
}

// roleWords are the roles' names and what each is for.
var roleWords = map[actor.Role][2]language.Text{
	actor.Commander:     {language.Both("指揮", "Commander"), language.Both("事案を率いる。判断を記録し、公表などを提案し、事案を見られる人を決める。", "Runs a case: decides, proposes, and says who sees it.")},
	actor.Writer:        {language.Both("文書", "Writer"), language.Both("事実と文書を書き、公表などを提案する。", "Writes facts and documents, and proposes.")},
	actor.Approver:      {language.Both("承認", "Approver"), language.Both("ほかの人の提案を承認する。", "Approves what somebody else proposed.")},
	actor.Desk:          {language.Both("窓口", "Desk"), language.Both("問い合わせに答え、外からの連絡を記録する。", "Answers who asks, and records what is reported.")},
	actor.Auditor:       {language.Both("監査", "Auditor"), language.Both("すべてを読む。何も変えない。", "Reads everything, and changes nothing.")},
	actor.Administrator: {language.Both("管理", "Administrator"), language.Both("メンバーと鍵を管理する。事案は見ず、公表もしない。", "Looks after people and keys; sees no case by it, and publishes nothing.")},
}

func rolesText(lang language.Lang, roles []actor.Role) string {
	var out []string
	for _, r := range roles {
		out = append(out, roleWords[r][0].In(lang))
	}
	return strings.Join(out, lang.Pick("・", ", "))
}

// Has and Everywhere are what a form of roles shows as chosen: what was entered, or what is so.
func (p peopleView) Has(r actor.Role) bool          { return slices.Contains(p.Form["role"], string(r)) }
func (p peopleView) Everywhere(a actor.Access) bool { return p.Form.Get("every") == a.String() }
func (p personView) Has(r actor.Role) bool {
	return slices.Contains(p.Form["role"], string(r)) || len(p.Form) == 0 && p.Person.Has(r)
}
func (p personView) Everywhere(a actor.Access) bool {
	return p.Form.Get("every") == a.String() || len(p.Form) == 0 && p.Person.Every == a
}
