package console

import (
	"errors"
	"html/template"
	"net/http"
	"time"

	"shirase/internal/actor"
	"shirase/internal/contain/gate"
	"shirase/internal/language"
	"shirase/internal/roster"
)

// containRoutes are the addresses of what stands at the gate.
func (c *Console) containRoutes() []route {
	return []route{
		{pattern: "GET /console/cases/{id}/contain", answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			return c.showContain(w, r, v, http.StatusOK, nil)
		}},
		{pattern: "POST /console/cases/{id}/contain/block", answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			f := field{r.PostForm}
			asked := gate.Asked{Route: f.text("route"), State: gate.State(f.text("state")), Accounts: gate.Hold(f.text("accounts")), Why: f.text("why"), URL: f.text("url"), Says: language.Both(f.text("ja"), f.text("en"))}
			if text := f.text("until"); text != "" {
				until, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
				if err != nil {
					return c.showContain(w, r, v, http.StatusUnprocessableEntity, errUntil)
				}
				asked.Until = until.Format(time.RFC3339)
			}
			return c.proposeAtGate(w, r, v, gate.KindBlock, asked)
		}},
		{pattern: "POST /console/cases/{id}/contain/lift", answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			f := field{r.PostForm}
			asked := gate.Asked{Route: f.text("route"), Accounts: gate.Hold(f.text("accounts")), Why: f.text("why")}
			asked.All = asked.Route == "" && asked.Accounts == ""
			return c.proposeAtGate(w, r, v, gate.KindLift, asked)
		}},
	}
}

var errUntil = errors.New("no time such as 2026-12-01 18:00")

// proposeAtGate proposes something at the gate. Nothing is done by it.
func (c *Console) proposeAtGate(w http.ResponseWriter, r *http.Request, v *visit, kind string, asked gate.Asked) error {
	id := r.PathValue("id")
	if !v.who.Sees(id) {
		return actor.ErrHidden
	}
	p, err := c.Proposals.Propose(r.Context(), v.who, kind, id, asked)
	for _, e := range []error{gate.ErrInput, gate.ErrNotFound, gate.ErrNobody, roster.ErrNone} {
		if errors.Is(err, e) {
			return c.showContain(w, r, v, http.StatusUnprocessableEntity, err)
		}
	}
	if err != nil {
		return err
	}
	c.live.poke()
	return c.done(w, r, v.lang.Pick("提案しました。まだ何も行われていません。別の人が承認すると、2秒以内にすべてのサーバーで有効になります。", "It is proposed. Nothing is done before somebody else approves it; then it is so on every server within two seconds."), "/console/proposals/"+p.ID)
}

type containView struct {
	caseView
	Gate    gate.Status
	InForce []gate.Block // of this case
	Before  []gate.Block // what was lifted
	Roster  *roster.Roster
	Reset   string           // where passwords are set anew
	Done    map[string]int64 // by block: how many accounts have done what it asks
}

func (c *Console) showContain(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error) error {
	ctx, id := r.Context(), r.PathValue("id")
	k, err := c.Cases.Get(ctx, v.who, id)
	if err != nil {
		return err
	}
	out := containView{caseView: caseView{view: c.view(r, v, "board", k.Declared.Title), Case: k, Tab: "contain", Tabs: tabs, NowAt: c.now()}}
	if out.Names, err = c.Staff.Names(ctx); err != nil {
		return err
	}
	out.Done = map[string]int64{}
	if c.Gate != nil {
		if out.Gate, err = c.Gate.Status(ctx, v.who); err != nil {
			return err
		}
		all, err := c.Gate.History(ctx, v.who, id)
		if err != nil {
			return err
		}
		for _, b := range all {
			if b.Lifted.IsZero() {
				out.InForce = append(out.InForce, b)
				if out.Done[b.ID], err = c.Gate.Done(ctx, b); err != nil {
					return err
				}
			} else {
				out.Before = append(out.Before, b)
			}
		}
		latest, err := c.Gate.Latest(ctx, id)
		switch {
		case err == nil:
			out.Roster = &latest
		case !errors.Is(err, roster.ErrNone):
			return err
		}
		out.Reset = c.Gate.ResetURL
	}
	if refused != nil {
		out.Refused, out.Form = gateWhy(v.lang, refused), r.PostForm
	}
	out.Path = "/console/cases/" + id + "/contain"
	return c.frame.Show(w, r, status, "contain", out)
}

// Kept reports whether the accounts are held by the roster as it is now.
func (v containView) Kept(b gate.Block) bool { return v.Roster != nil && b.Roster == v.Roster.ID }

// gateWhy says why something at the gate was not proposed.
func gateWhy(lang language.Lang, err error) string {
	switch {
	case errors.Is(err, errUntil):
		return lang.Pick("見込みは「2026-12-01 18:00」の形で書いてください（日本時間）。", "Write the time like 2026-12-01 18:00 (Japan).")
	case errors.Is(err, gate.ErrNotFound):
		return lang.Pick("この事案で有効になっているものが、ありません。", "Nothing of that is in force in this case.")
	case errors.Is(err, gate.ErrNobody), errors.Is(err, roster.ErrNone):
		return lang.Pick("対象者の名簿がまだないか、ログインで見分けられる人がいません。先に「対象範囲」で名簿を作ってください。", "There is no roster yet, or nobody in it could be found at a login. Make it on Scope first.")
	}
	return lang.Pick("提案できません。理由と対象を確かめてください。", "It cannot be proposed: look at the reason and at what it is of.") + "（" + err.Error() + "）"
}

var gateStates = map[string]language.Text{"open": language.Both("開いている", "open"), "closed": language.Both("ログイン停止", "logins closed"), "maintenance": language.Both("メンテナンス", "maintenance"),
	"blocked": language.Both("ログイン停止", "blocked"), "reset": language.Both("再設定を強制", "a new password is required"), "notice": language.Both("ログイン時にお知らせ", "told at their login")}

func containFuncs(lang language.Lang) template.FuncMap {
	return template.FuncMap{"gatestate": func(s any) string {
		switch x := s.(type) {
		case gate.State:
			return gateStates[string(x)].In(lang)
		case gate.Hold:
			return gateStates[string(x)].In(lang)
		}
		return ""
	}, "held": func(m map[gate.Hold]int64, of string) int64 { return m[gate.Hold(of)] }}
}
