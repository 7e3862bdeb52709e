package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"shirase/internal/actor"
	"shirase/internal/staff"
	"shirase/internal/web"
)

// next is where somebody wanted to go before they were asked to sign in: a path of the console, or its first page.
func next(path string) string {
	if !strings.HasPrefix(path, "/console/") || strings.ContainsAny(path, "\\\r\n") || len(path) > 200 {
		return "/console/"
	}
	return path
}

type signInView struct {
	view
	Next    string
	OIDC    bool
	Staffed bool
}

func (c *Console) signInPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	if v.who.Person() {
		http.Redirect(w, r, next(r.URL.Query().Get("next")), http.StatusSeeOther)
		return nil
	}
	staffed, err := c.Staff.Staffed(r.Context())
	if err != nil {
		return err
	}
	return c.frame.Show(w, r, http.StatusOK, "signin", signInView{c.view(r, v, "", v.lang.Pick("サインイン", "Sign in")), next(r.URL.Query().Get("next")), c.OIDC != nil, staffed})
}

func (c *Console) signInBegin(w http.ResponseWriter, r *http.Request, v *visit) error {
	options, q, err := c.Staff.BeginSignIn(v.site)
	if err != nil {
		return err
	}
	if err := c.ask(r, signInKey, q); err != nil {
		return err
	}
	return reply(w, http.StatusOK, map[string]any{"options": json.RawMessage(options)})
}

func (c *Console) signInFinish(w http.ResponseWriter, r *http.Request, v *visit) error {
	q, err := c.ceremony(r, signInKey)
	if err != nil {
		return err
	}
	answer, err := answerOf(r)
	if err != nil {
		return err
	}
	a, err := c.Staff.FinishSignIn(r.Context(), v.site, q, answer)
	if err != nil {
		return err
	}
	if err := c.enter(r, a.ID, false); err != nil {
		return err
	}
	return c.done(w, r, "", next(r.PostForm.Get("next")))
}

// signInCode lets somebody in by a recovery code. It needs no script.
func (c *Console) signInCode(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	// A code is dear: more of the limit is used up by trying one.
	if wait, ok := c.Allow(ByCode, r, 20); !ok {
		c.problem(w, r, v, web.Problem{Status: http.StatusTooManyRequests, RetryAfter: wait}, nil)
		return nil
	}
	a, err := c.Staff.UseCode(r.Context(), r.PostForm.Get("code"))
	if err != nil {
		return err
	}
	if err := c.enter(r, a.ID, true); err != nil {
		return err
	}
	return c.done(w, r, v.lang.Pick("回復コードで入りました。すぐに新しいパスキーを登録してください。", "You came in by a recovery code. Please add a new passkey now."), "/console/account")
}

func (c *Console) signOut(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := c.sessions.Destroy(r.Context()); err != nil {
		return err
	}
	return c.done(w, r, "", "/console/sign-in")
}

// confirm asks for a passkey for one act; its answer comes with the form that does it.
func (c *Console) confirm(w http.ResponseWriter, r *http.Request, v *visit) error {
	options, q, err := c.Staff.BeginConfirm(r.Context(), v.site, v.who, r.PostForm.Get("act"))
	if err != nil {
		return err
	}
	if err := c.ask(r, confirmKey, q); err != nil {
		return err
	}
	return reply(w, http.StatusOK, map[string]any{"options": json.RawMessage(options)})
}

type joinView struct {
	view
	OIDC bool
}

func (c *Console) joinPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	return c.frame.Show(w, r, http.StatusOK, "join", joinView{c.view(r, nil, "", v.lang.Pick("参加する", "Join")), c.OIDC != nil})
}

// joinLook says what a link is for. It uses nothing up.
func (c *Console) joinLook(w http.ResponseWriter, r *http.Request, v *visit) error {
	i, err := c.Staff.Look(r.Context(), r.PostFormValue("token"))
	if err != nil {
		return err
	}
	var say string
	switch {
	case i.Account != "":
		say = fmt.Sprintf(v.lang.Pick("%sさんのアカウントに、新しいパスキーを登録します。ほかの端末でのサインインは、すべて終わります。", "A new passkey is added to the account of %s. All other sign-ins end."), i.Name)
	case i.Kind == "first":
		say = v.lang.Pick("このシステムの、最初の管理者になります。", "You become the first administrator of this system.")
	default:
		say = fmt.Sprintf(v.lang.Pick("%sさんを招待しています。役割：%s", "This invites %s, as %s."), i.Name, rolesText(v.lang, i.Roles))
	}
	return reply(w, http.StatusOK, map[string]any{"say": say, "named": i.Name != "", "first": i.Kind == "first"})
}

func (c *Console) joinBegin(w http.ResponseWriter, r *http.Request, v *visit) error {
	i, err := c.Staff.Look(r.Context(), r.PostFormValue("token"))
	if err != nil {
		return err
	}
	name := i.Name
	if name == "" {
		name = r.PostForm.Get("name")
	}
	options, q, err := c.Staff.BeginPasskey(r.Context(), v.site, i.Account, name)
	if err != nil {
		return err
	}
	if err := c.ask(r, createKey, q); err != nil {
		return err
	}
	return reply(w, http.StatusOK, map[string]any{"options": json.RawMessage(options)})
}

func (c *Console) joinFinish(w http.ResponseWriter, r *http.Request, v *visit) error {
	q, err := c.ceremony(r, createKey)
	if err != nil {
		return err
	}
	answer, err := answerOf(r)
	if err != nil {
		return err
	}
	k, err := c.Staff.FinishPasskey(v.site, q, answer, r.PostForm.Get("passkey_name"))
	if err != nil {
		return err
	}
	a, err := c.Staff.Join(r.Context(), r.PostForm.Get("token"), q.Account, r.PostForm.Get("name"), r.PostForm.Get("leads") != "", staff.Door{Passkey: &k})
	if err != nil {
		return err
	}
	return c.welcome(w, r, v, a)
}

// welcome lets somebody in who has just come by a link, with the recovery codes that they are shown once.
func (c *Console) welcome(w http.ResponseWriter, r *http.Request, v *visit, a staff.Account) error {
	if err := c.enter(r, a.ID, false); err != nil {
		return err
	}
	who, _, err := c.Staff.Actor(r.Context(), a.ID, "", "console")
	if err != nil {
		return err
	}
	if codes, err := c.Staff.FirstCodes(r.Context(), who); err == nil {
		c.sessions.Put(r.Context(), codesKey, strings.Join(codes, "\n"))
	} else if !errors.Is(err, actor.ErrUnconfirmed) {
		return err
	}
	return c.done(w, r, v.lang.Pick("登録しました。", "You are in."), "/console/account")
}

// journey begins a way to the identity provider.
func (c *Console) journey(r *http.Request, j staff.Journey) (string, error) {
	if c.OIDC == nil {
		return "", errNotHere
	}
	to, err := c.OIDC.Begin(r.Context(), c.now(), &j)
	if err != nil {
		return "", err
	}
	data, err := json.Marshal(j)
	if err != nil {
		return "", err
	}
	c.sessions.Put(r.Context(), oidcKey, string(data))
	return to, nil
}

func (c *Console) oidcStart(w http.ResponseWriter, r *http.Request, v *visit) error {
	to, err := c.journey(r, staff.Journey{Next: next(r.URL.Query().Get("next"))})
	if err != nil {
		return err
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

func (c *Console) joinOIDC(w http.ResponseWriter, r *http.Request, v *visit) error {
	i, err := c.Staff.Look(r.Context(), r.PostFormValue("token"))
	if err != nil {
		return err
	}
	if i.Account != "" { // who is let back in from the host gets a passkey: the provider may be what was breached
		return fmt.Errorf("%w: a passkey is wanted", staff.ErrInput)
	}
	to, err := c.journey(r, staff.Journey{Token: r.PostForm.Get("token"), Name: r.PostForm.Get("name"), Leads: r.PostForm.Get("leads") != ""})
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, map[string]any{"to": to})
}

func (c *Console) oidcBack(w http.ResponseWriter, r *http.Request, v *visit) error {
	if c.OIDC == nil {
		return errNotHere
	}
	var j staff.Journey
	if kept := c.sessions.PopString(r.Context(), oidcKey); kept != "" {
		if err := json.Unmarshal([]byte(kept), &j); err != nil {
			return err
		}
	}
	subject, err := c.OIDC.Finish(r.Context(), c.now(), j, r.URL.Query())
	if err != nil {
		return err
	}
	if j.Token != "" {
		a, err := c.Staff.Join(r.Context(), j.Token, staff.NewPseudonym(), j.Name, j.Leads, staff.Door{OIDC: subject})
		if err != nil {
			return err
		}
		return c.welcome(w, r, v, a)
	}
	a, err := c.Staff.ByOIDC(r.Context(), subject)
	if err != nil {
		return err
	}
	if err := c.enter(r, a.ID, false); err != nil {
		return err
	}
	return c.done(w, r, "", next(j.Next))
}
