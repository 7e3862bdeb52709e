package console

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"slices"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/spread"
	"shirase/internal/watchers"
	"shirase/internal/web"
)

// Spread is what the page of where data circulates, and of who watches, stands on.
type Spread struct {
	Places *spread.Spread // nil: there are none
	// Watching counts who watches; nil: nobody can. It names nobody.
	Watching func(ctx context.Context, id string) (watchers.CaseCounts, error)
	// Record has the fact that follows recorded, by who may write facts.
	Record func(ctx context.Context, who actor.Actor, id string, facts []incident.Fact) error
	// Posted reports whether an approved text stands on the public page now; nil: it does.
	Posted func(ctx context.Context, id, text string) (bool, error)
	// Known gives the facts of a case as they are recorded; false where there are none yet.
	Known func(ctx context.Context, id string) (incident.Incident, bool, error)
}

// spreadFailed maps the errors of places and of texts to post.
var spreadFailed = web.Mappings{
	{Err: spread.ErrNone, Problem: web.Problem{Status: http.StatusNotFound}},
	{Err: spread.ErrInput, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
	{Err: spread.ErrAgainst, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
	{Err: spread.ErrFull, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
	{Err: spread.ErrWanted, Problem: web.Problem{Status: http.StatusForbidden}},
	{Err: errNothingFollows, Problem: web.Problem{Status: http.StatusConflict}},
}

var errNothingFollows = errors.New("no fact follows that is not recorded already")

func (c *Console) spreadRoutes() []route {
	at := "/console/cases/{id}/spread"
	routes := []route{{pattern: "GET " + at, answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
		return c.showSpread(w, r, v, http.StatusOK, nil)
	}}}
	for name, do := range map[string]func(ctx context.Context, v *visit, id string, f field) (to string, err error){
		"decide": func(ctx context.Context, v *visit, id string, f field) (string, error) {
			return "", c.Spread.Places.Decide(ctx, v.who, id, f.text("place"), f.text("state"))
		},
		"fact": func(ctx context.Context, v *visit, id string, _ field) (string, error) {
			fact, follows, err := c.spreadFact(ctx, id)
			if err != nil {
				return "", err
			}
			if !follows {
				return "", errNothingFollows
			}
			fact.AsOf = incident.Moment{Time: c.now().In(incident.Japan), Precision: incident.Minute}
			return "", c.Spread.Record(ctx, v.who, id, []incident.Fact{fact})
		},
		"propose": func(ctx context.Context, v *visit, id string, f field) (string, error) {
			p, err := c.Proposals.Propose(ctx, v.who, spread.KindSnippet, id, spread.AskedSnippet{Text: language.Both(f.text("ja"), f.text("en"))})
			if err != nil {
				return "", err
			}
			return "/console/proposals/" + p.ID, nil
		},
		"drop": func(ctx context.Context, v *visit, id string, f field) (string, error) {
			return "", c.Spread.Places.DropSnippet(ctx, v.who, id, f.text("snippet"))
		},
	} {
		routes = append(routes, route{pattern: "POST " + at + "/" + name, answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			id := r.PathValue("id")
			if !v.who.Sees(id) {
				return actor.ErrHidden
			}
			if c.Spread.Places == nil {
				return errNotHere
			}
			to, err := do(r.Context(), v, id, field{r.PostForm})
			if err != nil {
				known, ok := failed.Problem(err)
				if !ok || known.Status != http.StatusConflict && known.Status != http.StatusUnprocessableEntity {
					return err
				}
				return c.showSpread(w, r, v, known.Status, err)
			}
			c.live.poke()
			if to != "" {
				return c.done(w, r, saidProposed.In(v.lang), to)
			}
			return c.done(w, r, saidRecorded.In(v.lang), "/console/cases/"+id+"/spread")
		}})
	}
	return routes
}

// spreadFact is the fact that follows from what staff has seen, where it is not recorded so already.
func (c *Console) spreadFact(ctx context.Context, id string) (incident.Fact, bool, error) {
	f, follows, err := c.Spread.Places.Propose(ctx, id)
	if err != nil || !follows || c.Spread.Known == nil {
		return f, follows, err
	}
	in, ok, err := c.Spread.Known(ctx, id)
	if err != nil || !ok {
		return f, err == nil, err
	}
	return f, !slices.ContainsFunc(in.Listed(f.Key), func(g incident.Fact) bool {
		return g.Value.Word == f.Value.Word && g.Value.Status == f.Value.Status
	}), nil
}

type spreadView struct {
	caseView
	Here     bool
	Places   []spread.Place
	Counts   spread.Counts
	Fact     *incident.Fact
	Snippets []approvedText
	Dropped  []spread.Snippet
	States   []string
	Watching *watchers.CaseCounts
}

// approvedText is one with whether the public page shows it, in each language.
type approvedText struct {
	spread.Snippet
	JA, EN bool
}

// approved gives the texts that were approved, and which of them stand on the page.
func (c *Console) approved(ctx context.Context, id string) ([]approvedText, error) {
	list, err := c.Spread.Places.Snippets(ctx, id)
	if err != nil {
		return nil, err
	}
	out := make([]approvedText, len(list))
	for i, x := range list {
		out[i] = approvedText{x, true, true}
		if c.Spread.Posted == nil {
			continue
		}
		if out[i].JA, err = c.Spread.Posted(ctx, id, x.Text.JA); err != nil {
			return nil, err
		}
		if out[i].EN, err = c.Spread.Posted(ctx, id, x.Text.EN); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *Console) showSpread(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error) error {
	ctx, id := r.Context(), r.PathValue("id")
	k, err := c.Cases.Get(ctx, v.who, id)
	if err != nil {
		return err
	}
	out := spreadView{caseView: caseView{view: c.view(r, v, "board", k.Declared.Title), Case: k, Tab: "spread", Tabs: tabs, NowAt: c.now()}, Here: c.Spread.Places != nil, States: spread.States}
	if out.Names, err = c.Staff.Names(ctx); err != nil {
		return err
	}
	if refused != nil {
		out.Refused, out.Form = spreadWhy(v.lang, refused), r.PostForm
	}
	if out.Here {
		if out.Places, err = c.Spread.Places.List(ctx, v.who, id); err != nil {
			return err
		}
		if out.Counts, err = c.Spread.Places.Counts(ctx, id); err != nil {
			return err
		}
		fact, follows, err := c.spreadFact(ctx, id)
		if err != nil {
			return err
		}
		if follows {
			out.Fact = &fact
		}
		if out.Snippets, err = c.approved(ctx, id); err != nil {
			return err
		}
		if out.Dropped, err = c.Spread.Places.Dropped(ctx, id); err != nil {
			return err
		}
	}
	if c.Spread.Watching != nil {
		n, err := c.Spread.Watching(ctx, id)
		if err != nil {
			return err
		}
		out.Watching = &n
	}
	out.Path = "/console/cases/" + id + "/spread"
	return c.frame.Show(w, r, status, "spread", out)
}

// spreadWhy says why something was refused.
func spreadWhy(lang language.Lang, err error) string {
	for _, w := range []struct {
		err  error
		text language.Text
	}{
		{errNothingFollows, language.Both("記録する事実はありません。確かめた場所がないか、すでに記録されています。", "There is no fact to record: no place is confirmed, or it is recorded already.")},
		{spread.ErrFull, language.Both("これ以上は載せられません。古いものを外してください。", "No more can be shown: take an older one away.")},
	} {
		if errors.Is(err, w.err) {
			return w.text.In(lang)
		}
	}
	return lang.Pick("受け付けられません：", "Refused: ") + err.Error()
}

var spreadWords = map[string]language.Text{
	"forum": language.Both("掲示板", "forum"), "social": language.Both("SNS", "social network"), "file-sharing": language.Both("ファイル共有", "file sharing"), "dark-web": language.Both("ダークウェブ", "dark web"),
	"messenger": language.Both("メッセージアプリ", "messenger"), "other": language.Both("そのほか", "other"),
	"reported": language.Both("報告された（未確認）", "reported, not looked at"), "confirmed": language.Both("確認した", "confirmed"), "requested": language.Both("削除を求めた", "asked to be taken down"),
	"taken-down": language.Both("削除された", "taken down"), "dismissed": language.Both("この事案ではない", "not of this case"),
	"in": language.Both("対象に含まれると知らせる", "that they are in it"), "addendum": language.Both("追記・訂正", "addenda and corrections"), "final": language.Both("確定", "that it is settled"),
	"waiting": language.Both("送信待ち", "waiting"), "intended": language.Both("送信中", "in flight"), "handed-over": language.Both("送信サーバーに渡した", "handed over"),
	"refused": language.Both("受け取られなかった", "refused"), "unknown": language.Both("分からない", "uncertain"), "dropped": language.Both("取りやめた", "dropped"),
}

// spreadFuncs is what the templates of this page can say.
func spreadFuncs(lang language.Lang) template.FuncMap {
	return template.FuncMap{"spreadword": func(s string) string {
		if t, ok := spreadWords[s]; ok {
			return t.In(lang)
		}
		return s
	}}
}
