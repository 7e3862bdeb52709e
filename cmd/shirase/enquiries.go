package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/closing"
	"shirase/internal/enquiry"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/notify"
	"shirase/internal/portal"
	"shirase/internal/proposal"
	"shirase/internal/reach"
	"shirase/internal/reach/returned"
	"shirase/internal/roster"
	"shirase/internal/serve"
	"shirase/internal/site"
)

// enquiries opens the desk over an instance, once.
func (a *app) enquiries(ctx context.Context, in *instance) (*enquiry.Desk, error) {
	in.opening.Lock()
	defer in.opening.Unlock()
	if in.desk != nil {
		return in.desk, nil
	}
	d, err := a.openEnquiries(ctx, in)
	if err == nil {
		in.desk = d
	}
	return d, err
}

func (a *app) openEnquiries(ctx context.Context, in *instance) (*enquiry.Desk, error) {
	cases, err := a.casesOf(ctx, in)
	if err != nil {
		return nil, err
	}
	resets, err := a.resetsAnyway(ctx, in)
	if err != nil {
		return nil, err
	}
	o := a.op()
	rooms := enquiry.Rooms{DB: in.db, Keys: in.keys, Seal: in.rosters.Sealer, Gone: func(err error) bool { return errors.Is(err, roster.ErrShredded) },
		Incident: in.incidents.Public().Get, Own: in.own, Wanted: in.staff.Staffed, Log: in.log, Exercise: in.Exercise != nil,
		URL: strings.TrimRight(o.URL, "/"), Address: o.Enquiry.Address, Within: o.Enquiry.Within, Keep: o.Enquiry.Keep,
		Read: func(ctx context.Context, id string, lang language.Lang, text string) ([]string, error) {
			return in.against(ctx, id, o.URL, lang, text)
		},
		Recognised: func(ctx context.Context, who actor.Actor, id string) (good, refused []string, err error) {
			yes, no, err := resets.Recognised(ctx, who, id)
			for _, s := range yes {
				good = append(good, s.Name)
			}
			for _, s := range no {
				refused = append(refused, s.Name)
			}
			return good, refused, err
		},
		Noted: func(ctx context.Context, tx *sql.Tx, who actor.Actor, id, text string) error {
			return noteEvent(ctx, tx, cases, who, id, in.now(), text)
		}}
	if rooms.Held, err = closing.Keeps(ctx, in.db); err != nil {
		return nil, err
	}
	if o.Mail.Server != "" {
		server, err := a.mailServer(ctx)
		if err != nil {
			return nil, err
		}
		rooms.Deliver = func(ctx context.Context, l enquiry.Letter) (enquiry.Outcome, string) {
			err := server.Deliver(ctx, notify.Letter{To: l.To, Subject: l.Subject, Text: l.Text, ID: l.ID, ReplyTo: l.ReplyTo, Back: l.Back, InReplyTo: l.InReplyTo, Person: l.Person})
			switch {
			case err == nil:
				return enquiry.Taken, ""
			case errors.Is(err, notify.ErrRefused):
				return enquiry.Refused, err.Error()
			case errors.Is(err, notify.ErrUncertain):
				return enquiry.Unsure, err.Error()
			}
			return enquiry.Later, err.Error()
		}
	}
	return enquiry.New(ctx, rooms)
}

// own reports whether an incident is the organisation's own, and public.
func (in *instance) own(ctx context.Context, id string) (bool, error) {
	if !incident.ValidID(id) {
		return false, nil
	}
	_, err := in.incidents.Public().Get(ctx, id)
	if errors.Is(err, incident.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, imported, err := in.incidents.Provenance(ctx, id)
	return err == nil && !imported, err
}

// letters has the listener of what comes back take what people write, where the settings say by which address.
func (a *app) letters(ctx context.Context, in *instance) (*returned.Letters, error) {
	if a.op().Enquiry.Address == "" {
		return nil, nil
	}
	d, err := a.enquiries(ctx, in)
	if err != nil {
		return nil, err
	}
	return &returned.Letters{Size: enquiry.MaxLetter, Takes: d.TakesMail, Take: func(ctx context.Context, raw []byte, address string) error {
		err := d.TakeMail(ctx, raw, address)
		if errors.Is(err, enquiry.ErrNotFound) { // it was taken a moment ago, and is not any more
			return nil
		}
		return err
	}}, nil
}

// mountEnquiries serves the pages on which people ask, and sends what they are answered. Where no mail server is set there is no form: nobody could
// show that a mailbox is theirs. What staff has recorded of calls goes by its age all the same.
func (a *app) mountEnquiries(ctx context.Context, in *instance, server *serve.Server) error {
	d, err := a.enquiries(ctx, in)
	if err != nil {
		return err
	}
	server.Work("answer enquiries", d.Work)
	if a.op().Mail.Server == "" {
		return nil
	}
	allow, err := server.Limit(a.op().Limits.Archive)
	if err != nil {
		return err
	}
	ask, err := server.Limit(askLimits)
	if err != nil {
		return err
	}
	pages, err := portal.NewEnquiry(portal.EnquiryOptions{Desk: d, Incident: in.incidents.Public().Get, BaseURL: a.op().URL, Log: in.log,
		Allow:    func(r *http.Request, n int) (time.Duration, bool) { return allow(r, n) },
		Ask:      func(r *http.Request, n int) (time.Duration, bool) { return ask(r, n) },
		Operator: runBy(in.Instance)})
	if err != nil {
		return err
	}
	server.Mount(pages, "/enquiries/")
	return nil
}

// askedMost has the help pages lead to the form, and say what is asked most.
func (a *app) askedMost(ctx context.Context, in *instance, o *site.Options) error {
	if a.op().Mail.Server == "" {
		return nil
	}
	d, err := a.enquiries(ctx, in)
	if err != nil {
		return err
	}
	o.Enquiries = func(ctx context.Context, id string) (site.Enquiries, error) {
		open, err := d.Takes(ctx, id)
		if err != nil {
			return site.Enquiries{}, err
		}
		out := site.Enquiries{}
		if open {
			out.Href = "/enquiries/" + id
		}
		list, err := d.MostAsked(ctx, id)
		if errors.Is(err, incident.ErrNotFound) {
			err = nil
		}
		for _, q := range list {
			out.Asked = append(out.Asked, site.Question{Text: q.Text, MD: q.MD})
		}
		return out, err
	}
	return nil
}

// answersAct is how one answer to many, or a correction, is proposed and begun; publicAct, how an answer comes onto the help page.
func answersAct(d *enquiry.Desk) proposal.Act {
	return plannedAct(func(ctx context.Context, who actor.Actor, id string, request []byte) (*enquiry.Plan, proposal.Plan, error) {
		var asked enquiry.AskedBatch
		if err := json.Unmarshal(request, &asked, json.RejectUnknownMembers(true)); err != nil {
			return nil, proposal.Plan{}, err
		}
		p, err := d.Plan(ctx, who, id, asked)
		if err != nil {
			return nil, proposal.Plan{}, err
		}
		return p, proposal.Plan{Bytes: p.Bytes, Effect: proposal.Effect{Says: p.Says, People: p.People, Unit: "persons", Doubts: doubts(p.Against)}}, nil
	}, func(ctx context.Context, who actor.Actor, _ string, p *enquiry.Plan, settle func(tx *sql.Tx) error) error {
		return d.Start(ctx, who, p, settle)
	})
}

func publicAct(d *enquiry.Desk) proposal.Act {
	return plannedAct(func(ctx context.Context, who actor.Actor, id string, request []byte) (*enquiry.PublicPlan, proposal.Plan, error) {
		var asked enquiry.AskedPublic
		if err := json.Unmarshal(request, &asked, json.RejectUnknownMembers(true)); err != nil {
			return nil, proposal.Plan{}, err
		}
		p, err := d.PlanPublic(ctx, who, id, asked)
		if err != nil {
			return nil, proposal.Plan{}, err
		}
		return p, proposal.Plan{Bytes: p.Bytes, Effect: proposal.Effect{Says: p.Says, People: -1, Doubts: doubts(p.Against)}}, nil
	}, func(ctx context.Context, who actor.Actor, _ string, p *enquiry.PublicPlan, settle func(tx *sql.Tx) error) error {
		return d.Publish(ctx, who, p, settle)
	})
}

func doubts(list []string) (out []language.Text) {
	for _, s := range list {
		out = append(out, language.Same(s))
	}
	return out
}

// lateMost is how many enquiries may have passed their deadline before no more mails leave that bring others.
const lateMost = 20

// whileAnswered has a campaign wait while the desk of its incident is closed, or behind with its answers. Where nobody has opened one, nothing waits for it.
func (a *app) whileAnswered(in *instance) reach.Condition {
	return func(ctx context.Context, id string) (reach.Open, error) {
		desk, err := a.enquiries(ctx, in)
		if err != nil {
			return reach.Open{}, err
		}
		l, err := desk.Load(ctx, id)
		if err != nil {
			return reach.Open{}, err
		}
		return takes(l), nil
	}
}

// takes says whether a desk takes what a campaign will bring.
func takes(l enquiry.Load) reach.Open {
	switch {
	case l.Used && !l.Open:
		return reach.Open{Why: language.Both("お問い合わせ窓口が閉じています", "the enquiry desk is closed")}
	case l.Late > lateMost:
		return reach.Open{Why: language.Both(fmt.Sprintf("期限を過ぎた問い合わせが%s件あります", language.Digits(l.Late)), fmt.Sprintf("%s enquiries have passed their deadline", language.Digits(l.Late)))}
	}
	return reach.Open{Yes: true}
}
