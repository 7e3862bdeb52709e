package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"shirase/internal/actor"
	"shirase/internal/contain/reset"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/web"
)

// resetFailed maps the errors of the forced reset.
var resetFailed = web.Mappings{
	{Err: reset.ErrNotFound, Problem: web.Problem{Status: http.StatusNotFound}},
	{Err: reset.ErrSame, Problem: web.Problem{Status: http.StatusForbidden}},
	{Err: reset.ErrWanted, Problem: web.Problem{Status: http.StatusForbidden}},
	{Err: reset.ErrState, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: reset.ErrNotOpen, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: reset.ErrNoConnector, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: reset.ErrInput, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
	{Err: reset.ErrExposed, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
}

// resetRoutes are the addresses of a case's forced reset.
func (c *Console) resetRoutes() []route {
	return []route{
		{pattern: "GET /console/cases/{id}/reset", answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			return c.showReset(w, r, v, http.StatusOK, nil)
		}},
		{pattern: "POST /console/cases/{id}/reset", answer: c.resetForm(c.moveReset)},
		{pattern: "POST /console/cases/{id}/reset/lost", answer: c.resetForm(c.lostReset)},
	}
}

// resetForm answers a form of the page: with the page, and why, where it is refused.
func (c *Console) resetForm(do func(ctx context.Context, v *visit, id string, f field) (said, to string, err error)) func(w http.ResponseWriter, r *http.Request, v *visit) error {
	return func(w http.ResponseWriter, r *http.Request, v *visit) error {
		id := r.PathValue("id")
		if !v.who.Sees(id) {
			return actor.ErrHidden
		}
		if c.Resets == nil {
			return errNotHere
		}
		said, to, err := do(r.Context(), v, id, field{r.PostForm})
		if err != nil {
			known, ok := failed.Problem(err)
			if !ok || known.Status != http.StatusConflict && known.Status != http.StatusUnprocessableEntity {
				return err
			}
			return c.showReset(w, r, v, known.Status, err)
		}
		c.live.poke()
		return c.done(w, r, said, to)
	}
}

// moveReset changes when people can reset, proposes what needs a second person, and pauses a bulk order.
func (c *Console) moveReset(ctx context.Context, v *visit, id string, f field) (said, to string, err error) {
	to = "/console/cases/" + id + "/reset"
	switch do := f.text("do"); do {
	case reset.Announced, reset.Opened, reset.Closed:
		change := reset.Change{State: do, Why: f.text("why")}
		if text := f.time("until"); text != "" {
			m, err := incident.ParseMoment(text, zone)
			if err != nil || !m.Exact() {
				return "", "", fmt.Errorf("%w: that is no time", reset.ErrInput)
			}
			change.Promised = m.Time
		}
		h, err := c.Resets.Move(ctx, v.who, id, change)
		if err != nil {
			return "", "", err
		}
		said = v.lang.Pick("記録しました。", "Recorded.")
		if c.Addendum == nil {
			return said, to, nil
		}
		p, err := c.Addendum(ctx, v.who, id, h)
		if err != nil {
			c.Log.Info("no addendum is proposed", "case", id, "error", err)
			return said + v.lang.Pick("追記は提案できませんでした。事実のページから確かめてください。", " No addendum could be proposed: see the facts."), to, nil
		}
		if p != "" {
			said += v.lang.Pick("追記を提案しました。", " An addendum is proposed.")
		}
		return said, to, nil
	case reset.KindForce, reset.KindLift:
		rate, err := strconv.ParseFloat("0"+f.text("rate"), 64)
		if err != nil {
			return "", "", fmt.Errorf("%w: that is no rate", reset.ErrInput)
		}
		p, err := c.Proposals.Propose(ctx, v.who, do, id, reset.Asked{PerSecond: rate, Why: f.text("why")})
		if err != nil {
			return "", "", err
		}
		return v.lang.Pick("提案しました。まだ何も行われていません。", "It is proposed. Nothing is done yet."), "/console/proposals/" + p.ID, nil
	case "pause":
		return v.lang.Pick("止めました。", "It is paused."), to, c.Resets.Pause(ctx, v.who, id, f.text("why"))
	case "resume":
		return v.lang.Pick("再開しました。", "It goes on."), to, c.Resets.Resume(ctx, v.who, id)
	}
	return "", "", fmt.Errorf("%w: nothing of that name can be done", reset.ErrInput)
}

// lostReset is for people who have lost their mailbox: one of the staff asks, another one decides.
func (c *Console) lostReset(ctx context.Context, v *visit, id string, f field) (said, to string, err error) {
	to = "/console/cases/" + id + "/reset#lost"
	switch f.text("do") {
	case "ask":
		_, err = c.Resets.AskLost(ctx, v.who, id, f.text("account"), f.text("address"), f.text("step"), f.text("said"))
		if errors.Is(err, reset.ErrNotFound) { // of the case they know: it is the account
			err = fmt.Errorf("%w: no account of the roster has this id", reset.ErrInput)
		}
		return v.lang.Pick("記録しました。別の人が確認すると、待ち時間のあとにリンクを送ります。", "Recorded. After somebody else has confirmed it, and a while, the link goes out."), to, err
	case "confirm", "refuse":
		return v.lang.Pick("記録しました。", "Recorded."), to, c.Resets.DecideLost(ctx, v.who, id, f.text("lost"), f.text("do") == "confirm")
	}
	return "", "", fmt.Errorf("%w: nothing of that name can be done", reset.ErrInput)
}

type resetView struct {
	caseView
	Standing    reset.Standing
	Rows        []resetRow
	Hours       []reset.Hour
	Good        []reset.Step
	Exposed     []reset.Step
	Lost        []reset.Lost
	MayAnswer   bool
	MayPropose  bool
	Here        bool // resets can be done here at all
	Self        string
	BulkWaiting bool
}

type resetRow struct {
	Text language.Text
	N    int64
}

var resetStates = []struct {
	state reset.State
	text  language.Text
}{
	{reset.Waiting, language.Both("まだ何もしていない", "nothing done yet")}, {reset.Intended, language.Both("無効化しているところ", "being forced")}, {reset.Deferred, language.Both("あとでやり直す", "tried again later")},
	{reset.Forced, language.Both("再設定するまでログインできない", "cannot log in before they reset")}, {reset.Resetting, language.Both("いま再設定している", "resetting right now")}, {reset.Reset, language.Both("再設定した", "have a new password")},
	{reset.Gone, language.Both("システムにアカウントがない", "not there in the system")}, {reset.Refused, language.Both("システムが受け付けない（個別に対応）", "refused by the system: look at them")},
	{reset.Unknown, language.Both("分からない（shirase reset uncertain で判断）", "uncertain: decide by shirase reset uncertain")},
}

var hourWords = map[string]language.Text{
	"": language.Both("未定", "not announced"), reset.Announced: language.Both("予告", "announced"), reset.Opened: language.Both("受付中", "open"), reset.Closed: language.Both("一時停止", "closed"),
	reset.Reopened: language.Both("受付中（再開）", "open again"), reset.Lifted: language.Both("解除", "lifted"),
}

// State gives the word of a state.
func (v resetView) State(s string) string { return hourWords[s].In(v.Lang.Lang) }

// Due reports whether something lies ahead.
func (v resetView) Due(t time.Time) bool { return !t.IsZero() }

func (c *Console) showReset(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error) error {
	ctx, id := r.Context(), r.PathValue("id")
	k, err := c.Cases.Get(ctx, v.who, id)
	if err != nil {
		return err
	}
	out := resetView{caseView: caseView{view: c.view(r, v, "board", k.Declared.Title), Case: k, Tab: "reset", Tabs: tabs, NowAt: c.now()}, Here: c.Resets != nil, Self: v.who.ID()}
	if out.Names, err = c.Staff.Names(ctx); err != nil {
		return err
	}
	if c.Resets != nil {
		if err := c.fillReset(ctx, v, id, &out); err != nil {
			return err
		}
	}
	if refused != nil {
		out.Refused, out.Form = resetWhy(v.lang, refused), r.PostForm
	}
	out.Live = "/console/live?case=" + id
	out.Path = "/console/cases/" + id + "/reset"
	return c.frame.Show(w, r, status, "reset", out)
}

func (c *Console) fillReset(ctx context.Context, v *visit, id string, out *resetView) error {
	var err error
	if out.Standing, err = c.Resets.Status(ctx, v.who, id); err != nil && !errors.Is(err, reset.ErrNotFound) {
		return err
	}
	for _, s := range resetStates {
		if n := out.Standing.Counts.Of(s.state); n > 0 {
			out.Rows = append(out.Rows, resetRow{s.text, n})
		}
	}
	if n := out.Standing.Counts.Pending; n > 0 {
		out.Rows = append(out.Rows, resetRow{language.Both("うち、以前のパスワードがまだ使えるかもしれない", "of these, whose old password may still be taken"), n})
	}
	if out.Hours, err = c.Resets.Hours(ctx, v.who, id); err != nil {
		return err
	}
	out.MayPropose, out.MayAnswer = v.who.May(actor.Propose, id) == nil, v.who.May(actor.Answer, id) == nil
	if out.MayAnswer && out.Standing.State != "" {
		if out.Good, out.Exposed, err = c.Resets.Recognised(ctx, v.who, id); err != nil {
			return err
		}
		if out.Standing.Accounts > 0 {
			if out.Lost, err = c.Resets.LostOf(ctx, v.who, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// resetWhy says why something was refused.
func resetWhy(lang language.Lang, err error) string {
	for _, w := range []struct {
		err  error
		text language.Text
	}{
		{reset.ErrNoConnector, language.Both("コネクターが設定されていません（docs/CONNECTORS.md）。", "No connector is set (docs/CONNECTORS.md).")},
		{reset.ErrNotOpen, language.Both("再設定の受け付けが始まっていません。", "Resetting is not open.")},
		{reset.ErrExposed, language.Both("その確認方法は、この事案で漏えいした項目に頼るため、使えません。", "That rests on what was exposed in this case: it proves nothing.")},
		{reset.ErrState, language.Both("いまの状態では、できません。", "It cannot be done as things stand.")},
	} {
		if errors.Is(err, w.err) {
			return w.text.In(lang)
		}
	}
	return lang.Pick("受け付けられません：", "Refused: ") + err.Error()
}
