package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/incident/compose"
	"shirase/internal/language"
	"shirase/internal/proposal"
	"shirase/internal/publish"
	"shirase/internal/staff"
)

func (c *Console) proposalRoutes() []route {
	return []route{
		{pattern: "GET /console/proposals", answer: c.proposalsPage},
		{pattern: "GET /console/proposals/{id}", answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			return c.showProposal(w, r, v, http.StatusOK, nil)
		}},
		{pattern: "POST /console/proposals/{id}/approve", answer: c.approve},
		{pattern: "POST /console/proposals/{id}/withdraw", answer: c.withdraw},
		{pattern: "POST /console/proposals/{id}/adopt", answer: c.adopt},
		{pattern: "POST /console/cases/{id}/propose", answer: c.propose},
	}
}

type proposalsView struct {
	view
	Open, Over []*proposal.Proposal
	Rule       proposal.Rule
	Pending    []proposal.Rule // said, and not applying yet
	Names      map[string]string
}

func (c *Console) proposalsPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	out := proposalsView{view: c.view(r, v, "proposals", v.lang.Pick("提案と承認", "Proposals"))}
	all, err := c.Proposals.List(r.Context(), v.who, true)
	if err != nil {
		return err
	}
	for _, p := range all {
		if isOpen(p) {
			out.Open = append(out.Open, p)
		} else if len(out.Over) < 100 {
			out.Over = append(out.Over, p)
		}
	}
	if out.Rule, err = c.Proposals.Rule(r.Context()); err != nil {
		return err
	}
	if out.Pending, err = c.Proposals.Pending(r.Context()); err != nil {
		return err
	}
	if out.Names, err = c.Staff.Names(r.Context()); err != nil {
		return err
	}
	return c.frame.Show(w, r, http.StatusOK, "proposals", out)
}

func isOpen(p *proposal.Proposal) bool {
	return p.State == proposal.Proposed || p.State == proposal.Approved || p.State == proposal.Started
}

type proposalView struct {
	view
	P         *proposal.Proposal
	Names     map[string]string
	Text      string // of the notice, in the reader's language; "" where there is none
	Pretty    string // the bytes, to be read
	Mine      bool   // whoever looks has proposed it
	MayTry    bool   // and may approve
	MayAdopt  bool   // it is the host's, and may become theirs
	Held      time.Time
	NewPeople []string      // who became an approver lately, or came back as one, which whoever approves should know
	Host      []staff.Entry // what was done with people from the host
	From      time.Time     // of what the host proposed: from when anybody may approve it
}

func (c *Console) showProposal(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error) error {
	ctx := r.Context()
	p, err := c.Proposals.Get(ctx, v.who, r.PathValue("id"))
	if err != nil {
		return err
	}
	out := proposalView{view: c.view(r, v, "proposals", v.lang.Pick("提案", "Proposal")), P: p, Mine: p.Person == v.who.ID(), Held: v.account.Held}
	if refused != nil {
		out.Refused = proposalWhy(v.lang, refused)
	}
	if out.Names, err = c.Staff.Names(ctx); err != nil {
		return err
	}
	if p.Host() {
		out.From = c.Proposals.HostFrom(p)
	}
	out.MayAdopt = c.Proposals.MayAdopt(v.who, p)
	out.MayTry = c.Proposals.MayApprove(ctx, v.who, p) == nil
	people, err := c.Staff.People(ctx, v.who)
	if err != nil {
		return err
	}
	for _, a := range people {
		if !a.ApproverSince.IsZero() && a.ApproverSince.After(p.At.AddDate(0, 0, -7)) {
			out.NewPeople = append(out.NewPeople, personText(v.lang, out.Names, a.ID))
		}
	}
	if out.Host, err = c.Staff.ShownFor(ctx, v.who, p.At); err != nil {
		return err
	}
	out.Text, out.Pretty = readable(v.lang, p.Bytes)
	out.Path = "/console/proposals/" + p.ID
	return c.frame.Show(w, r, status, "proposal", out)
}

// readable gives what people read of a proposal's bytes: the notice's text, and all of it.
func readable(lang language.Lang, data []byte) (text, pretty string) {
	var doc struct {
		Notice struct {
			Text language.Text `json:"text"`
		} `json:"notice"`
		Texts struct { // of mails
			Subject  language.Text `json:"subject"`
			Variants []struct {
				Lang     language.Lang `json:"lang"`
				Markdown string        `json:"markdown"`
			} `json:"variants"`
		} `json:"texts"`
	}
	var all any
	if json.Unmarshal(data, &doc) != nil || json.Unmarshal(data, &all) != nil {
		return "", string(data)
	}
	out, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return "", string(data)
	}
	text = doc.Notice.Text.In(lang)
	for _, v := range doc.Texts.Variants { // the others differ in what was exposed, and are among the bytes
		if text == "" || v.Lang == lang {
			text = doc.Texts.Subject.In(v.Lang) + "\n\n" + v.Markdown
		}
		if v.Lang == lang {
			break
		}
	}
	return text, string(out)
}

// proposalWhy says why a proposal was not made or approved.
func proposalWhy(lang language.Lang, err error) string {
	for _, w := range []struct {
		err    error
		ja, en string
	}{
		{proposal.ErrSame, "自分の提案は、自分では承認できません。", "You proposed it: somebody else has to approve it."},
		{proposal.ErrEarly, "まだ承認できません。決められた時間を待ちます。", "It cannot be approved yet: it has to wait."},
		{proposal.ErrChanged, "提案してから、実行される内容が変わりました。この提案は無効です。もう一度提案し、内容を見てください。", "What would be done has changed since it was proposed. It is void: propose it anew, and look at it."},
		{proposal.ErrOver, "この提案は、もう終わっています。", "The proposal is not open any more."},
		{actor.ErrHeld, "承認者になったばかりなので、まだ承認できません。", "You have been an approver for too short a time."},
		{publish.ErrDifferent, "事実と文章と名簿と規則のどこかが食い違っています。食い違いを直すか、そのまま進める理由を書いてください。", "Facts, text, roster and rules do not say the same: mend it, or say why it is published all the same."},
		{publish.ErrOverturned, "公表したお知らせの否定が、新しい事実で覆っています。それを知らせる追記を、ほかの何よりも先に公表してください。", "A fact overturns what was published: its addendum comes before anything else."},
		{incident.ErrNotice, "この文章は、お知らせになりません。", "The text is no notice."},
		{publish.ErrNoRoster, "対象範囲が確定とされていますが、名簿がまだありません。", "The scope is called final, and there is no roster yet."},
	} {
		if errors.Is(err, w.err) {
			return lang.Pick(w.ja, w.en) + "（" + err.Error() + "）"
		}
	}
	text := err.Error()
	if h := hint.Of(err); h != "" {
		text += " (" + h + ")"
	}
	return text
}

// approve approves exactly the bytes that were looked at: the form has their digest, and so has what the passkey signed.
func (c *Console) approve(w http.ResponseWriter, r *http.Request, v *visit) error {
	id := r.PathValue("id")
	p, err := c.Proposals.Approve(r.Context(), v.who, id, r.PostForm.Get("digest"))
	switch {
	case err == nil:
		c.live.poke()
		said := v.lang.Pick("承認し、実行しました。", "Approved, and carried out.")
		if p.State != proposal.Done {
			said = v.lang.Pick("承認しました。実行はまだ終わっていません。", "Approved. It is not carried out yet.")
		}
		return c.done(w, r, said, "/console/proposals/"+id)
	case isProposal(err) && !errors.Is(err, actor.ErrUnconfirmed):
		return c.showProposal(w, r, v, http.StatusConflict, err)
	}
	return err
}

// ofProposals are the errors that say of a proposal why it is not carried out.
var ofProposals = []error{proposal.ErrSame, proposal.ErrEarly, proposal.ErrChanged, proposal.ErrOver, proposal.ErrRule,
	publish.ErrDifferent, publish.ErrOverturned, publish.ErrNoRoster, publish.ErrImported, publish.ErrStale}

func isProposal(err error) bool {
	return slices.ContainsFunc(ofProposals, func(e error) bool { return errors.Is(err, e) })
}

func (c *Console) withdraw(w http.ResponseWriter, r *http.Request, v *visit) error {
	id := r.PathValue("id")
	_, err := c.Proposals.Withdraw(r.Context(), v.who, id, field{r.PostForm}.text("why"))
	if isProposal(err) {
		return c.showProposal(w, r, v, http.StatusConflict, err)
	}
	if err != nil {
		return err
	}
	c.live.poke()
	return c.done(w, r, v.lang.Pick("提案を取り下げました。", "The proposal was withdrawn."), "/console/proposals/"+id)
}

// adopt makes the host's proposal the member's own: exactly the bytes that they looked at.
func (c *Console) adopt(w http.ResponseWriter, r *http.Request, v *visit) error {
	p, err := c.Proposals.Adopt(r.Context(), v.who, r.PathValue("id"), r.PostForm.Get("digest"))
	if isProposal(err) {
		return c.showProposal(w, r, v, http.StatusConflict, err)
	}
	if err != nil {
		return err
	}
	c.live.poke()
	return c.done(w, r, v.lang.Pick("あなたの提案になりました。別の人が承認すると、実行されます。", "It is your proposal now. It is done when somebody else approves it."), "/console/proposals/"+p.ID)
}

// propose proposes for a case what cannot be undone.
func (c *Console) propose(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, f := r.PathValue("id"), field{r.PostForm}
	if !v.who.Sees(id) {
		return actor.ErrHidden
	}
	p, err := c.proposed(r.Context(), v.who, id, f)
	if err != nil {
		if known, ok := failed.Problem(err); ok && known.Status != http.StatusUnprocessableEntity && known.Status != http.StatusConflict {
			return err
		}
		// What stands in the way of publishing is of the incident, and for whoever writes it.
		c.Log.Info("a proposal was refused", "kind", f.text("kind"), "error", err)
		return c.showCase(w, r, v, "now", http.StatusUnprocessableEntity, errors.New(proposalWhy(v.lang, err)))
	}
	c.live.poke()
	return c.done(w, r, proposedSaid.In(v.lang), "/console/proposals/"+p.ID)
}

var proposedSaid = language.Both("提案しました。まだ何も行われていません。別の人が承認すると、実行されます。", "It is proposed. Nothing is done before somebody else approves it.")

func (c *Console) proposed(ctx context.Context, who actor.Actor, id string, f field) (*proposal.Proposal, error) {
	request := publish.Request{Incident: id, Despite: f.text("despite")}
	switch kind := f.text("kind"); kind {
	case publish.KindPublish:
	case "addendum", "correction":
		request.Notice = &compose.Draft{Kind: kind, Text: language.Text{JA: f.text("ja"), EN: f.text("en")}}
	case publish.KindShred:
		return c.Proposals.Propose(ctx, who, kind, id, publish.AskedEnd{Despite: f.text("despite")})
	case publish.KindReopen, publish.KindWithdraw, publish.KindRetire:
		return c.Proposals.Propose(ctx, who, kind, id, map[string]string{})
	default:
		return nil, fmt.Errorf("propose: %w", proposal.ErrKind)
	}
	return c.Proposals.Propose(ctx, who, publish.KindPublish, id, publish.AskedOf(request, c.now()))
}
