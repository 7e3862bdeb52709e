package console

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/reach"
	"shirase/internal/reach/bounce"
	"shirase/internal/reach/preflight"
	"shirase/internal/reach/returned"
	"shirase/internal/roster"
	"shirase/internal/web"
)

// Reaching is what telling everybody stands on.
type Reaching struct {
	Campaigns *reach.Reach
	Returned  *returned.Returned
	// Preflight looks at what receivers look at, of mail from an address; nil: nothing is looked at.
	Preflight func(ctx context.Context, from string) ([]preflight.Finding, error)
	// Figures are what a regulator is told of a campaign.
	Figures func(ctx context.Context, who actor.Actor, c *reach.Campaign) (returned.Told, error)
}

// reachRoutes are the addresses of a case's campaigns. What changes one stands in campaignForms.
func (c *Console) reachRoutes() []route {
	at := "/console/cases/{id}/reach"
	routes := []route{
		{pattern: "GET " + at, answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			return c.showReach(w, r, v, http.StatusOK, nil)
		}},
		{pattern: "GET " + at + "/{campaign}", answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			return c.showCampaign(w, r, v, http.StatusOK, nil)
		}},
		{pattern: "GET " + at + "/{campaign}/preview", answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			return c.showPreview(w, r, v, http.StatusOK, nil)
		}},
		{pattern: "POST " + at + "/new", answer: c.newCampaign},
		{pattern: "POST " + at + "/{campaign}/propose", answer: c.proposeCampaign},
		{pattern: "POST " + at + "/{campaign}/log", answer: c.relayLog},
	}
	routes = append(routes, c.letterRoutes()...)
	for _, f := range c.suppressionForms() {
		routes = append(routes, route{pattern: "POST " + at + "/" + f.name, answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			id := r.PathValue("id")
			if !v.who.Sees(id) {
				return actor.ErrHidden
			}
			if err := f.do(r.Context(), v.who, id, field{r.PostForm}); err != nil {
				return c.refusedHere(w, r, v, err, c.showReach)
			}
			return c.done(w, r, f.said.In(v.lang), at2(id)+"#suppressed")
		}})
	}
	for _, f := range c.campaignForms() {
		routes = append(routes, route{pattern: "POST " + at + "/{campaign}/" + f.name, answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			k, err := c.campaign(r, v)
			if err != nil {
				return err
			}
			show := c.showCampaign
			to := at2(k.Incident) + "/" + k.ID
			if f.onPreview {
				show, to = c.showPreview, to+"/preview"
			}
			said, err := f.do(r.Context(), v.who, k, field{r.PostForm})
			if err != nil {
				return c.refusedHere(w, r, v, err, show)
			}
			c.live.poke()
			return c.done(w, r, said.In(v.lang), to)
		}})
	}
	return routes
}

func at2(id string) string { return "/console/cases/" + id + "/reach" }

// campaign is the one that an address names, of the case that it names.
func (c *Console) campaign(r *http.Request, v *visit) (*reach.Campaign, error) {
	id := r.PathValue("id")
	if !v.who.Sees(id) {
		return nil, actor.ErrHidden
	}
	k, err := c.Reaching.Campaigns.Get(r.Context(), v.who, r.PathValue("campaign"))
	if err == nil && k.Incident != id {
		err = reach.ErrNotFound
	}
	return k, err
}

// refusedHere shows a page again with why something on it was not done. What nobody can mend there is an error of its own.
func (c *Console) refusedHere(w http.ResponseWriter, r *http.Request, v *visit, err error, show func(http.ResponseWriter, *http.Request, *visit, int, error) error) error {
	known, ok := failed.Problem(err)
	if !ok || known.Status != http.StatusConflict && known.Status != http.StatusUnprocessableEntity && known.Status != http.StatusRequestEntityTooLarge {
		return err
	}
	return show(w, r, v, known.Status, err)
}

// reachFailed are the errors that only campaigns meet.
var reachFailed = web.Mappings{
	{Err: reach.ErrNotFound, Problem: web.Problem{Status: http.StatusNotFound}},
	{Err: returned.ErrNotFound, Problem: web.Problem{Status: http.StatusNotFound}},
	{Err: reach.ErrStale, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: reach.ErrState, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: reach.ErrNotReady, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: reach.ErrNoRelay, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: roster.ErrNone, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: returned.ErrNoAddress, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: reach.ErrInput, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
	{Err: reach.ErrResults, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
	{Err: reach.ErrRelay, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
	{Err: returned.ErrInput, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
	{Err: incident.ErrNotice, Problem: web.Problem{Status: http.StatusUnprocessableEntity}}, // a text refers to what is not known
}

type reachView struct {
	caseView
	Rows       []campaignRow
	Classes    []string
	Only       []string
	Needs      []string
	Relays     []string // by which mail goes; none: none is set
	NoRoster   bool
	Activity   bool // the roster says of whom an account is in use
	Suppressed []returned.Suppression
	Known      bool // whoever looks may see whose they are
	Follow     string
}

// campaignRow is a campaign on the list.
type campaignRow struct {
	*reach.Campaign
	Counts reach.Counts
}

// mostSuppressed bounds how many are listed: the command line lists all.
const mostSuppressed = 500

func (c *Console) reachHead(r *http.Request, v *visit) (caseView, error) {
	head, err := c.head(r, v, "reach")
	head.Live = "/console/live?reach&case=" + url.QueryEscape(r.PathValue("id"))
	return head, err
}

func (c *Console) showReach(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error) error {
	ctx, id, room := r.Context(), r.PathValue("id"), c.Reaching.Campaigns
	head, err := c.reachHead(r, v)
	if err != nil {
		return err
	}
	out := reachView{caseView: head, Only: slices.Sorted(maps.Keys(room.Filters)), Needs: slices.Sorted(maps.Keys(room.Conditions)), Known: v.who.May(actor.Answer, id) == nil, Follow: r.URL.Query().Get("unreached")}
	list, err := room.List(ctx, v.who, id)
	if err != nil {
		return err
	}
	for _, k := range list {
		n, err := room.Counts(ctx, v.who, k.ID)
		if err != nil {
			return err
		}
		out.Rows = append(out.Rows, campaignRow{k, n})
	}
	out.Classes, out.Activity, err = room.Parts(ctx, v.who, id)
	if out.NoRoster = errors.Is(err, roster.ErrNone); err != nil && !out.NoRoster {
		return err
	}
	if room.Mailer != nil {
		for _, m := range room.Mailer.Relays {
			out.Relays = append(out.Relays, m.Address)
		}
	}
	if out.Known {
		if out.Suppressed, err = c.Reaching.Returned.List(ctx, v.who, id, mostSuppressed); err != nil && !errors.Is(err, roster.ErrNoKey) {
			return err
		}
	}
	if refused != nil {
		out.Refused, out.Form = reachWhy(v.lang, refused), r.PostForm
	}
	return c.frame.Show(w, r, status, "reach", out)
}

// Chosen reports whether something is ticked in what was entered.
func (v reachView) Chosen(name, value string) bool { return slices.Contains(v.Form[name], value) }

// Entered is what stands in a field: what was entered, or what it begins with.
func (v reachView) Entered(name, begin string) string {
	if v.Form.Has(name) {
		return v.Form.Get(name)
	}
	return begin
}

type campaignView struct {
	caseView
	C         *reach.Campaign
	Counts    reach.Counts
	Parts     []segment
	Reasons   []reasonRow
	Receivers []reach.Receiver
	Uncertain []uncertain
	Figures   []returned.Item
	Stated    *stated // as a fact of the case
	Events    []reach.Event
	Preview   *reach.Preview
	Preflight []language.Text // what it has against sending
	Findings  []preflight.Finding
	Files     []*reach.Export // of letters and short messages
	Other     *reach.Campaign // how it stands, where somebody else was faster
}

// segment is a part of the picture of how far a campaign has come.
type segment struct {
	Name     string
	Text     language.Text
	N        int64
	X, Width float64
	Percent  string
}

// reasonRow is why some were not reached.
type reasonRow struct {
	Reason string
	Text   language.Text
	N      int64
}

func sortReasons(rows []reasonRow) {
	slices.SortFunc(rows, func(a, b reasonRow) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Reason, b.Reason)) })
}

// uncertain is a mail that was in flight.
type uncertain struct {
	Place     int64
	MessageID string
	Since     time.Time
}

// mostUncertain bounds how many are listed.
const mostUncertain = 200

var errEnough = errors.New("enough")

func (c *Console) showCampaign(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error) error {
	ctx, room := r.Context(), c.Reaching.Campaigns
	k, err := c.campaign(r, v)
	if err != nil {
		return err
	}
	head, err := c.reachHead(r, v)
	if err != nil {
		return err
	}
	out := campaignView{caseView: head, C: k}
	out.Path = at2(k.Incident) + "/" + k.ID
	if out.Counts, err = room.Counts(ctx, v.who, k.ID); err != nil {
		return err
	}
	out.Parts = segments(out.Counts, k.Way())
	if k.Way() != reach.Mail {
		all, err := room.Exports(ctx, v.who, k.Incident)
		if err != nil {
			return err
		}
		for _, x := range all {
			if x.Campaign == k.ID {
				out.Files = append(out.Files, x)
			}
		}
	}
	if out.Counts[reach.Refused]+out.Counts[reach.Bounced] > 0 {
		reasons, err := room.Reasons(ctx, v.who, k.ID)
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(reasons)) {
			why := returned.Why(bounce.Reason(name))
			if k.Way() != reach.Mail {
				why = whyNot(name)
			}
			out.Reasons = append(out.Reasons, reasonRow{name, why, reasons[name]})
		}
		sortReasons(out.Reasons)
	}
	if out.Receivers, err = room.Receivers(ctx, v.who, k.ID); err != nil && !errors.Is(err, roster.ErrNoKey) {
		return err
	}
	if out.Counts[reach.Unknown] > 0 {
		err := room.Each(ctx, v.who, k.ID, []reach.State{reach.Unknown}, func(x reach.Recipient, id string) error {
			if out.Uncertain = append(out.Uncertain, uncertain{x.Ordinal, id, x.Since}); len(out.Uncertain) == mostUncertain {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return err
		}
	}
	if c.Reaching.Figures != nil && !k.Started.IsZero() {
		told, err := c.Reaching.Figures(ctx, v.who, k)
		if err == nil {
			out.Figures = told.Items()
			out.Stated, err = c.stated(ctx, v, k.Incident, told.Fact(k.ID))
		}
		if err != nil {
			return err
		}
	}
	if out.Events, err = room.Events(ctx, v.who, k.ID); err != nil {
		return err
	}
	slices.Reverse(out.Events)
	out.refused(v, r, refused)
	return c.frame.Show(w, r, status, "campaign", out)
}

// stated is how the figures of a campaign stand in the facts of its case.
type stated struct {
	Is        incident.Fact  // as they are now
	Was       *incident.Fact // as they are recorded; nil: they are not
	Version   string
	Overtaken []string // what was told with the figures that are recorded, where they have moved
}

// Moved reports whether what is recorded is not what is so any more.
func (s *stated) Moved() bool { return s.Was != nil && s.Was.Value.Text != s.Is.Value.Text }

// stated holds the figures of a campaign against what is recorded of them.
func (c *Console) stated(ctx context.Context, v *visit, id string, is incident.Fact) (*stated, error) {
	in, err := c.Cases.Incidents.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	out := &stated{Is: is, Version: in.Version(is.Key, is.Item)}
	if i := slices.IndexFunc(in.Facts, func(f incident.Fact) bool { return f.Key == is.Key && f.Item == is.Item }); i >= 0 {
		out.Was = &in.Facts[i]
	}
	if out.Moved() {
		out.Overtaken, err = c.overtaken(ctx, v, id, *out.Was)
	}
	return out, err
}

// overtaken names what was told with what a fact said: documents, notices, mails and answers.
func (c *Console) overtaken(ctx context.Context, v *visit, id string, was incident.Fact) (out []string, err error) {
	names, err := c.Cases.Overtaken(ctx, v.who, id, was.Value.Text)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		out = append(out, n.In(v.lang))
	}
	if c.Texts == nil {
		return out, nil
	}
	texts, err := c.Texts(ctx, v.who, id)
	for _, t := range texts {
		if w := was.Value.Text; w.JA != "" && strings.Contains(t.Text.JA, w.JA) || w.EN != "" && strings.Contains(t.Text.EN, w.EN) {
			out = append(out, t.Name.In(v.lang))
		}
	}
	return out, err
}

// refused shows why something was not done, with what was entered.
func (v *campaignView) refused(who *visit, r *http.Request, err error) {
	if err == nil {
		return
	}
	v.Refused, v.Form = reachWhy(who.lang, err), r.PostForm
	if errors.Is(err, reach.ErrStale) {
		v.Other = v.C
	}
}

// At is the address of a form of the campaign.
func (v campaignView) At(name string) string {
	return v.Link(at2(v.C.Incident) + "/" + v.C.ID + "/" + name)
}

// Letters reports whether it goes by houses.
func (v campaignView) Letters() bool { return v.C.Way() != reach.Mail }

// Waiting is how many are in no file yet.
func (v campaignView) Waiting() int64 { return v.Counts[reach.Pending] }

// Exportable reports whether a file can be made.
func (v campaignView) Exportable() bool {
	return v.Waiting() > 0 && (v.C.State == reach.Draft || v.C.State == reach.Approved || v.C.State == reach.Running)
}

// KeyKinds are what rows of a list are found by.
func (v campaignView) KeyKinds() []string { return []string{"account", "email", "phone"} }

// Turnable reports whether it can be made to stand so.
func (v campaignView) Turnable(to string) bool { return reach.Turns(v.C.State, reach.Life(to)) }

// Over reports whether nothing of it is sent any more.
func (v campaignView) Over() bool { return v.C.State == reach.Done || v.C.State == reach.Cancelled }

// InUse says how many have an account in use, and when they are written to; "" where the roster does not say.
func (v campaignView) InUse() string {
	n, lang := v.C.InUse, v.Lang.Lang
	switch {
	case n < 0:
		return ""
	case v.C.Active == reach.InUse:
		return lang.Pick("利用中のアカウントの人だけに送ります。", "Only those who have an account in use are written to.")
	case v.C.Active == reach.NotInUse:
		return lang.Pick("利用中のアカウントがない人だけに送ります。", "Only those who have no account in use are written to.")
	case n == 0:
		return lang.Pick("この中に、利用中のアカウントの人はいません。", "None of them has an account in use.")
	}
	return lang.Pick("うち"+language.Digits(n)+"件は利用中のアカウントの人で、先に送ります。", language.Digits(n)+" of them have an account in use, and are written to first.")
}

// Unreached is how many it did not reach.
func (v campaignView) Unreached() int64 {
	return v.Counts[reach.Refused] + v.Counts[reach.Bounced] + v.Counts[reach.Substitute]
}

// Entered is what stands in a field: what was entered, or how it stands.
func (v campaignView) Entered(name, now string) string {
	if v.Form.Has(name) {
		return v.Form.Get(name)
	}
	return now
}

// segments is the picture of counts: its table says the same.
func segments(n reach.Counts, by reach.Channel) []segment {
	total := n.Total()
	var out []segment
	x := 0.0
	accepted, handed, missed := language.Both("相手のサーバーが受け取った", "accepted by the recipient's server"), language.Both("送信サーバーに渡した", "taken by the mail server that sends"), language.Both("拒否された、戻ってきた", "refused, or came back")
	if by != reach.Mail {
		accepted, handed, missed = language.Both("差し出された、通信網が受け取った", "taken by the post or the network"), language.Both("業者に渡した", "handed to the house"), language.Both("送れなかった、戻ってきた", "not sent, or came back")
	}
	for _, s := range []segment{
		{Name: "accepted", Text: accepted, N: n[reach.Accepted]},
		{Name: "handed", Text: handed, N: n[reach.HandedOver]},
		{Name: "underway", Text: language.Both("これから送る、再送を待つ", "to be sent, or to be tried again"), N: n[reach.Pending] + n[reach.Intended] + n[reach.Deferred]},
		{Name: "uncertain", Text: language.Both("途中で途切れ、届いたか分からない", "uncertain: in flight when something broke"), N: n[reach.Unknown]},
		{Name: "unreached", Text: missed, N: n[reach.Refused] + n[reach.Bounced]},
		{Name: "instead", Text: language.Both("送らず、ほかの方法で知らせる", "not written to: to be told in another way"), N: n[reach.Substitute]},
	} {
		if total > 0 {
			share := float64(s.N) / float64(total)
			s.X, s.Width, s.Percent = x, 440*share, strconv.FormatFloat(100*share, 'f', 1, 64)
		}
		x += s.Width
		out = append(out, s)
	}
	return out
}

func (c *Console) showPreview(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error) error {
	ctx := r.Context()
	k, err := c.campaign(r, v)
	if err != nil {
		return err
	}
	head, err := c.reachHead(r, v)
	if err != nil {
		return err
	}
	out := campaignView{caseView: head, C: k}
	out.Live, out.Path = "", at2(k.Incident)+"/"+k.ID+"/preview"
	if out.Preview, err = c.Reaching.Campaigns.Preview(ctx, v.who, k.ID); err != nil {
		return c.refusedHere(w, r, v, err, c.showReach)
	}
	out.Counts = out.Preview.Counts
	for _, p := range out.Preview.Problems {
		if !slices.Contains(out.Preview.Texts, p) {
			out.Preflight = append(out.Preflight, p)
		}
	}
	if c.Reaching.Preflight != nil {
		if out.Findings, err = c.Reaching.Preflight(ctx, k.From.Address); err != nil {
			return err
		}
	}
	out.refused(v, r, refused)
	return c.frame.Show(w, r, status, "campaignpreview", out)
}

// Takes is how long sending is expected to take, in words.
func (v campaignView) Takes() string {
	d := v.Preview.Duration
	said := v.Lang.Lang.Pick(spanJA(d), d.String())
	switch v.Preview.By {
	case "rate":
		return v.Lang.Lang.Pick("決めた速さでは、およそ"+said+"かかります。", "At the rate that is set it takes about "+said+".")
	case "signing":
		return v.Lang.Lang.Pick("このサーバーが署名できる速さから、少なくとも"+said+"かかります。", "What this machine can sign lets it take "+said+" at least.")
	}
	return v.Lang.Lang.Pick("かかる時間は、送信サーバーが受け取る速さによります。", "It takes as long as the mail server takes it.")
}

func spanJA(d time.Duration) string {
	d = d.Round(time.Second)
	out := ""
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{time.Hour, "時間"}, {time.Minute, "分"}, {time.Second, "秒"}} {
		if n := d / u.of; n > 0 {
			out += strconv.FormatInt(int64(n), 10) + u.name
			d -= n * u.of
		}
	}
	if out == "" {
		return "1秒"
	}
	return out
}

// Domains writes rates by domain as they are entered.
func domainLines(rates reach.Rates) string {
	var b strings.Builder
	for _, d := range slices.Sorted(maps.Keys(rates.PerDomain)) {
		b.WriteString(d + "=" + strconv.FormatFloat(rates.PerDomain[d], 'f', -1, 64) + "\n")
	}
	return b.String()
}
