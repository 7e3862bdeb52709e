package console

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/language"
	"shirase/internal/reach"
	"shirase/internal/reach/bounce"
	"shirase/internal/reach/returned"
)

// maxResults bounds a file of results, in bytes.
const maxResults = 1 << 30

// letterRoutes are the addresses of what goes by houses, and of what was done instead.
func (c *Console) letterRoutes() []route {
	at := "/console/cases/{id}/reach"
	of := func(name string, said language.Text, do func(ctx context.Context, who actor.Actor, k *reach.Campaign, f field) error) route {
		return route{pattern: "POST " + at + "/{campaign}/" + name, answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			k, err := c.campaign(r, v)
			if err != nil {
				return err
			}
			if err := do(r.Context(), v.who, k, field{r.PostForm}); err != nil {
				return c.refusedHere(w, r, v, asInput(err), c.showCampaign)
			}
			c.live.poke()
			return c.done(w, r, said.In(v.lang), at2(k.Incident)+"/"+k.ID+"#files")
		}}
	}
	return []route{
		{pattern: "GET " + at + "/outcome", answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			return c.showOutcome(w, r, v, http.StatusOK, nil)
		}},
		{pattern: "POST " + at + "/measure", answer: c.measure},
		{pattern: "POST " + at + "/record", answer: c.recordOutcome},
		{pattern: "POST " + at + "/{campaign}/export", answer: c.proposeExport},
		{pattern: "POST " + at + "/{campaign}/handover", answer: c.handOver},
		{pattern: "POST " + at + "/{campaign}/results", answer: c.results},
		of("withdraw", language.Both("取り下げました。載っていた人は、まだ知らせていない人に戻りました。", "It is withdrawn: who was in it is to be told again."), func(ctx context.Context, who actor.Actor, k *reach.Campaign, f field) error {
			x, err := c.exportOf(ctx, who, k, f)
			if err == nil {
				err = c.Reaching.Campaigns.Withdraw(ctx, who, x.ID, f.text("why"))
			}
			return err
		}),
		of("destroyed", language.Both("廃棄を記録しました。ここにあった封じたファイルも消しました。", "It is written down as destroyed, and the sealed copy here is removed."), func(ctx context.Context, who actor.Actor, k *reach.Campaign, f field) error {
			x, err := c.exportOf(ctx, who, k, f)
			var on time.Time
			if err == nil {
				on, err = time.ParseInLocation(time.DateOnly, f.text("on"), zone)
				if err != nil {
					err = fmt.Errorf("%w: the day is one such as 2026-12-01", reach.ErrInput)
				}
			}
			if err == nil {
				err = c.Reaching.Campaigns.ConfirmDestroyed(ctx, who, x.ID, on, f.text("by"))
			}
			return err
		}),
	}
}

// exportOf is the file that a form names, of a campaign.
func (c *Console) exportOf(ctx context.Context, who actor.Actor, k *reach.Campaign, f field) (*reach.Export, error) {
	x, err := c.Reaching.Campaigns.Export(ctx, who, f.text("export"))
	if err == nil && x.Campaign != k.ID {
		err = reach.ErrNotFound
	}
	return x, err
}

// proposeExport proposes a sealed file for a house.
func (c *Console) proposeExport(w http.ResponseWriter, r *http.Request, v *visit) error {
	k, err := c.campaign(r, v)
	if err != nil {
		return err
	}
	if err := v.who.May(actor.Propose, k.Incident); err != nil {
		return err
	}
	f := field{r.PostForm}
	a := reach.AskedExport{Campaign: k.ID, House: f.text("house"), Recipients: f.lines("recipients"), Purpose: f.text("purpose"), DestroyBy: f.text("destroyBy"), By: f.text("keyKind"), Key: f.text("key"), Columns: f.lines("columns"),
		Encoding: f.text("encoding"), Texts: f.text("texts") != "", Whole: f.text("whole") != ""}
	if n := f.text("evidence"); n != "" {
		if a.Evidence, err = strconv.ParseInt(n, 10, 64); err != nil {
			return c.refusedHere(w, r, v, fmt.Errorf("%w: the list of accounts is named by its number", reach.ErrInput), c.showCampaign)
		}
	}
	if a.Evidence == 0 {
		a.By, a.Key = "", ""
	}
	p, err := c.Proposals.Propose(r.Context(), v.who, reach.KindExport, k.Incident, a)
	if err != nil {
		return c.refusedHere(w, r, v, asInput(err), c.showCampaign)
	}
	c.live.poke()
	return c.done(w, r, v.lang.Pick("提案しました。別の人が承認すると、封じたファイルを作ります。", "It is proposed. The sealed file is made once somebody else approves it."), "/console/proposals/"+p.ID)
}

// handOver gives a sealed file to whoever brings it to the house.
func (c *Console) handOver(w http.ResponseWriter, r *http.Request, v *visit) error {
	k, err := c.campaign(r, v)
	if err != nil {
		return err
	}
	x, err := c.exportOf(r.Context(), v.who, k, field{r.PostForm})
	if err != nil {
		return err
	}
	_, sealed, err := c.Reaching.Campaigns.HandOver(r.Context(), v.who, x.ID)
	if err != nil {
		return c.refusedHere(w, r, v, err, c.showCampaign)
	}
	defer sealed.Close()
	c.live.poke()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="`+x.ID+`.csv.age"`)
	w.Header().Set("Content-Length", strconv.FormatInt(sealed.Size(), 10))
	_, err = io.Copy(w, io.NewSectionReader(sealed, 0, sealed.Size()))
	return err
}

// results reads what a house gives back.
func (c *Console) results(w http.ResponseWriter, r *http.Request, v *visit) error {
	return c.uploaded(w, r, v, actor.Contribute, maxResults, func(ctx context.Context, k *reach.Campaign, said field, file io.Reader) (language.Text, string, error) {
		x, err := c.exportOf(ctx, v.who, k, said)
		if err != nil {
			return language.Text{}, "", err
		}
		read, err := c.Reaching.Campaigns.Results(ctx, v.who, x.ID, file)
		if read.Again {
			return language.Both("前に読んだファイルと同じです。何も変えていません。", "These results were read before: nothing is changed."), "#files", err
		}
		n := language.Digits
		return language.Both(fmt.Sprintf("%s行を読み、%s人の状態を変えました。", n(read.Rows), n(read.Changed)), fmt.Sprintf("%s rows are read, and %s people stand otherwise now.", n(read.Rows), n(read.Changed))), "#files", err
	})
}

// outcomeView is everybody counted once, what was done instead, and the register of files.
type outcomeView struct {
	caseView
	S     *reach.Summary // nil: nothing has begun
	Facts []reach.ProposedFact
	Files []*reach.Export
	Kinds []reach.MeasureKind
	Why   []reasonRow
	Today string
}

func (c *Console) showOutcome(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error) error {
	ctx, id, room := r.Context(), r.PathValue("id"), c.Reaching.Campaigns
	head, err := c.reachHead(r, v)
	if err != nil {
		return err
	}
	out := outcomeView{caseView: head, Kinds: reach.MeasureKinds(), Today: c.now().In(zone).Format(time.DateOnly)}
	out.Live, out.Path = "", at2(id)+"/outcome"
	if out.Files, err = room.Exports(ctx, v.who, id); err != nil {
		return err
	}
	out.S, err = room.Summed(ctx, v.who, id)
	if known, ok := failed.Problem(err); err != nil && (!ok || known.Status != http.StatusConflict) {
		return err
	}
	if out.S != nil {
		if out.Facts, err = room.Proposed(ctx, v.who, out.S); err != nil {
			return err
		}
		for reason, n := range out.S.Reasons {
			out.Why = append(out.Why, reasonRow{reason, whyNot(reason), n})
		}
		sortReasons(out.Why)
	}
	if refused != nil {
		out.Refused, out.Form = reachWhy(v.lang, refused), r.PostForm
	}
	return c.frame.Show(w, r, status, "outcome", out)
}

// whyNot says why somebody was not reached, by mail or by post.
func whyNot(reason string) language.Text {
	switch reason {
	case "suppressed":
		return language.Both("この事案では送らない宛先", "not written to in this case")
	case "address":
		return language.Both("宛先として使えない、住所がない", "nothing that could be written to")
	case "declined":
		return language.Both("受取を拒まれた", "they did not take it")
	case "unclaimed":
		return language.Both("保管期間が過ぎ、返送された", "nobody fetched it")
	case "hasmoved":
		return language.Both("転居先、移転先が分からない", "they have moved, and nobody knows where")
	case "userunknown":
		return language.Both("宛先がない", "there is no such address any more")
	}
	return returned.Why(bounce.Reason(reason))
}

func (c *Console) measure(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, f := r.PathValue("id"), field{r.PostForm}
	if !v.who.Sees(id) {
		return actor.ErrHidden
	}
	if err := v.who.May(actor.Command, id); err != nil {
		return err
	}
	_, err := c.Reaching.Campaigns.Substitute(r.Context(), v.who, reach.Measure{Incident: id, Kind: reach.MeasureKind(f.text("kind")), On: f.text("on"), Reference: f.text("reference"), Note: f.text("note")})
	if err != nil {
		return c.refusedHere(w, r, v, err, c.showOutcome)
	}
	c.live.poke()
	return c.done(w, r, v.lang.Pick("代替措置を記録しました。", "What was done instead is written down."), at2(id)+"/outcome#measures")
}

func (c *Console) recordOutcome(w http.ResponseWriter, r *http.Request, v *visit) error {
	id := r.PathValue("id")
	if !v.who.Sees(id) {
		return actor.ErrHidden
	}
	if err := v.who.May(actor.Write, id); err != nil {
		return err
	}
	var all []reach.AcceptedFact
	for _, name := range r.PostForm["fact"] {
		all = append(all, reach.AcceptedFact{Name: name, Was: strings.TrimSpace(r.PostForm.Get("was " + name))})
	}
	if err := c.Reaching.Campaigns.Accept(r.Context(), v.who, id, all); err != nil {
		return c.refusedHere(w, r, v, err, c.showOutcome)
	}
	c.live.poke()
	return c.done(w, r, v.lang.Pick("事実に記録しました。公表はしていません。", "It is recorded as facts. Nothing is published by it."), at2(id)+"/outcome#facts")
}
