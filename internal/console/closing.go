package console

import (
	"errors"
	"html/template"
	"net/http"
	"strconv"

	"shirase/internal/actor"
	"shirase/internal/closing"
	"shirase/internal/language"
	"shirase/internal/proposal"
	"shirase/internal/publish"
	"shirase/internal/response"
	"shirase/internal/roster"
	"shirase/internal/web"
)

// closingFailed maps the errors of how a case ends. What could not be taken is said on its page.
var closingFailed = web.Mappings{
	{Err: closing.ErrHeld, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: closing.ErrUnready, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: publish.ErrNothing, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: closing.ErrOpen, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: closing.ErrInput, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
	{Err: closing.ErrIdentifies, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
}

// closingRoutes are the addresses of how a case ends. They are there when its key is gone, too.
func (c *Console) closingRoutes() []route {
	form := func(name string, said language.Text, do func(r *http.Request, v *visit, id string, f field) error) route {
		return route{pattern: "POST /console/cases/{id}/" + name, answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			id := r.PathValue("id")
			if !v.who.Sees(id) {
				return actor.ErrHidden
			}
			if err := do(r, v, id, field{r.PostForm}); err != nil {
				return c.closingRefused(w, r, v, err)
			}
			return c.done(w, r, said.In(v.lang), "/console/cases/"+id+"/closing")
		}}
	}
	return []route{
		{pattern: "GET /console/cases/{id}/closing", answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			return c.showClosing(w, r, v, http.StatusOK, nil)
		}},
		{pattern: "POST /console/cases/{id}/close", answer: c.closeCase},
		{pattern: "POST /console/cases/{id}/closing/shred", answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			return c.proposeEnd(w, r, v, publish.KindShred, publish.AskedEnd{Despite: field{r.PostForm}.text("despite")})
		}},
		form("closing/task", language.Both("記録しました。", "It is recorded."), func(r *http.Request, v *visit, id string, f field) error {
			n, _ := strconv.ParseInt(f.text("id"), 10, 64)
			_, err := c.Closing.PutTask(r.Context(), v.who, id, n, f.version(), func(t *closing.Task) {
				if n == 0 || f.text("title") != "" {
					t.Title = f.text("title")
				}
				if n == 0 || f.text("state") == "" {
					t.Due = f.text("due")
				}
				if f.text("owner") != "" {
					t.Owner = f.text("owner")
				}
				if s := f.text("state"); s != "" {
					t.State = s
				}
			})
			return err
		}),
		form("closing/lesson", language.Both("記録しました。", "It is recorded."), func(r *http.Request, v *visit, id string, f field) error {
			_, err := c.Closing.Learn(r.Context(), v.who, id, f.text("text"))
			return err
		}),
		form("closing/hold", language.Both("記録しました。", "It is recorded."), func(r *http.Request, v *visit, id string, f field) error {
			if n, _ := strconv.ParseInt(f.text("id"), 10, 64); n != 0 {
				return c.Closing.Release(r.Context(), v.who, id, n, f.text("why"))
			}
			_, err := c.Closing.Hold(r.Context(), v.who, id, f.text("why"))
			return err
		}),
	}
}

// closeCase closes a case, or proposes to where something keeps it open and a reason is given.
func (c *Console) closeCase(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, f := r.PathValue("id"), field{r.PostForm}
	asked := closing.Asked{Why: f.text("why"), Despite: f.text("despite")}
	_, err := c.Closing.Close(r.Context(), v.who, id, asked)
	if errors.Is(err, proposal.ErrWanted) {
		return c.proposeEnd(w, r, v, closing.KindClose, asked)
	}
	if err != nil {
		return c.closingRefused(w, r, v, err)
	}
	c.live.poke()
	return c.done(w, r, v.lang.Pick("事案を閉じました。", "The case is closed."), "/console/cases/"+id+"/closing")
}

func (c *Console) proposeEnd(w http.ResponseWriter, r *http.Request, v *visit, kind string, request any) error {
	id := r.PathValue("id")
	if !v.who.Sees(id) {
		return actor.ErrHidden
	}
	p, err := c.Proposals.Propose(r.Context(), v.who, kind, id, request)
	if err != nil {
		return c.closingRefused(w, r, v, err)
	}
	c.live.poke()
	return c.done(w, r, proposedSaid.In(v.lang), "/console/proposals/"+p.ID)
}

// closingRefused shows the page with why something was not done, where whoever asked can do something about it.
func (c *Console) closingRefused(w http.ResponseWriter, r *http.Request, v *visit, err error) error {
	for _, e := range []error{closing.ErrHeld, closing.ErrUnready, closing.ErrOpen, closing.ErrInput, closing.ErrIdentifies, response.ErrClosed, response.ErrStale, roster.ErrShredded, publish.ErrNothing} {
		if errors.Is(err, e) {
			return c.showClosing(w, r, v, http.StatusUnprocessableEntity, err)
		}
	}
	return err
}

type closingView struct {
	caseView
	*closing.View
	Case     *response.Case // nil where its key is gone
	ID, Name string
	Keeping  []closing.Item // what keeps it open
	Agreeing []closing.Item // what somebody else has to agree to
	Other    []closing.Item
}

// Can reports whether something is offered: tasks and holds outlive the case.
func (v closingView) Can(p string) bool { return v.May(p, v.ID) }

// Unready reports that the key is not destroyed without a reason.
func (v closingView) Unready() bool { return !v.Closed || len(v.Keeping) > 0 }

// To is the address of a form.
func (v closingView) To(name string) string { return v.Link("/console/cases/" + v.ID + "/" + name) }

func (c *Console) showClosing(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error) error {
	ctx, id := r.Context(), r.PathValue("id")
	if c.Closing == nil {
		return errNotHere
	}
	x, err := c.Closing.View(ctx, v.who, id)
	if err != nil {
		return err
	}
	out := closingView{View: x, Case: x.Case, ID: id, Name: id}
	if x.Case != nil {
		out.Name = x.Case.Declared.Title
	} else if x.Retained != nil {
		out.Name = x.Retained.Title
	}
	out.caseView = caseView{view: c.view(r, v, "board", out.Name), Case: x.Case, Tab: "closing", Tabs: tabs, NowAt: c.now()}
	for _, i := range x.Open {
		switch {
		case i.Refuses:
			out.Keeping = append(out.Keeping, i)
		case i.Second:
			out.Agreeing = append(out.Agreeing, i)
		default:
			out.Other = append(out.Other, i)
		}
	}
	if out.Names, err = c.Staff.Names(ctx); err != nil {
		return err
	}
	if refused != nil {
		out.Refused, out.Form = closingWhy(v.lang, refused), r.PostForm
	}
	out.Path = "/console/cases/" + id + "/closing"
	return c.frame.Show(w, r, status, "closing", out)
}

// closingWhy says why something was not done.
func closingWhy(lang language.Lang, err error) string {
	for _, x := range []struct {
		err  error
		text language.Text
	}{
		{closing.ErrHeld, language.Both("法的な保存の指示（リーガルホールド）があるので、鍵を壊せません。終わっていれば、先に解除してください。", "A legal hold is on: the key is not destroyed. Where it has ended, end it first.")},
		{closing.ErrUnready, language.Both("この事案はまだ閉じられていないか、閉じたあとに残ったことがあります。それでも鍵を壊すなら、理由を書いてください。理由は残り、別の人が承認します。", "The case is not closed, or something came up since. To destroy its key all the same, say why: that is kept, and somebody else approves it.")},
		{closing.ErrOpen, language.Both("閉じられません。下に挙げたものが残っています。それでも閉じるなら、理由を書いてください。理由は記録に残り、別の人が承認します。", "It is not closed: what is listed below is open. To close it all the same, say why: that is recorded, and somebody else approves it.")},
		{closing.ErrIdentifies, language.Both("だれかの住所や番号のように見えるもの、または名簿や問い合わせにある人の名があります。ここに書いたことは、鍵を壊したあとも残ります。それを除いて書いてください。", "It names somebody, or holds what looks like an address or a number, and what is written here stays when the key is gone. Write it without.")},
		{response.ErrClosed, language.Both("この事案は、すでに閉じられています。", "The case is closed already.")},
		{response.ErrStale, language.Both("ほかの人が先に変えました。いまの内容を確かめてください。", "Somebody else was faster: look at it as it is now.")},
		{publish.ErrNothing, language.Both("鍵は、すでに壊されています。理由は書かずに、もう一度お試しください。", "The key is destroyed already: leave the reason out.")},
		{roster.ErrShredded, language.Both("鍵は、すでに壊されています。", "The key is destroyed already.")},
		{closing.ErrEnding, language.Both("鍵は、すでに壊されています。残すよう指示することは、もうできません。", "The key is destroyed already: nothing can be held any more.")},
	} {
		if errors.Is(err, x.err) {
			return x.text.In(lang)
		}
	}
	return lang.Pick("入力を確かめてください。題名・理由は必ず書き、期日は 2026-12-01 の形にします。", "Look at what was entered: a title and a reason are wanted, and a day is like 2026-12-01.")
}

var preventionStates = map[string]language.Text{"open": language.Both("未着手", "open"), "doing": language.Both("進行中", "doing"), "done": language.Both("済み", "done"), "dropped": language.Both("取りやめ", "dropped")}

// accountedFor says what a certificate accounts for.
var accountedFor = map[string]language.Text{
	"case-key": language.Both("事案の鍵（この機械）", "the case's key, on this machine"), "key-copies": language.Both("鍵の写し（バックアップ）", "copies of the key, in backups"), "rosters": language.Both("対象者名簿", "rosters"),
	"record": language.Both("対応の記録", "the case's record"), "evidence": language.Both("証拠", "pieces of evidence"), "enquiries": language.Both("問い合わせ", "enquiries"), "backups": language.Both("バックアップ", "backups"),
	"house-files": language.Both("印刷・送信の会社が持つファイル", "files that houses have"), "house-files-confirmed": language.Both("会社が廃棄したと述べたファイル", "files that houses say they have destroyed"),
	"record-exports":   language.Both("書き出した記録", "copies of the record that were taken out"),
	"evidence-outside": language.Both("外に出した証拠とその写し", "copies and pieces of evidence that are elsewhere"),
	"party-lists":      language.Both("関係者に渡した一覧", "lists that parties were given"),
	"relay-logs":       language.Both("メールの中継の記録（配信、回答、お知らせ、再設定の受付）", "what relays noted of mail (campaigns, answers, news, openings of the reset)"),
	"sealed-index":     language.Both("公表中の、封じた索引", "the sealed index, which is public"),
	"copies-by-hand":   language.Both("手で作った写し", "copies that were made by hand"),
	"account-export":   language.Both("名簿のもとになったアカウントの一覧", "the account export that rosters were made from"),
	"accounts":         language.Both("アカウントのデータベースそのもの", "the accounts' own database"),
	"whoever-read":     language.Both("すでに読んだ人が覚えていること", "what those who read it remember"),
	"not-counted":      language.Both("鍵で封じていたものと、外に出していたもの（前の版で壊されたため、数えられていません）", "what the key sealed, and what had left: nobody counted it, as an earlier version shredded the case"),
}

func closingFuncs(lang language.Lang) template.FuncMap {
	return template.FuncMap{"prevented": func(s string) string { return preventionStates[s].In(lang) }, "preventions": func() []string { return closing.States },
		"accounted": func(what string) string { return accountedFor[what].In(lang) }}
}
