package main

import (
	"context"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/contain/connect"
	"shirase/internal/contain/gate"
	"shirase/internal/contain/reset"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/incident/compose"
	"shirase/internal/language"
	"shirase/internal/notify"
	"shirase/internal/password"
	"shirase/internal/portal"
	"shirase/internal/proposal"
	"shirase/internal/publish"
	"shirase/internal/reach"
	"shirase/internal/response"
	"shirase/internal/serve"
	"shirase/internal/site"
)

// connector makes the connector that the settings name; nil where they name none.
func (a *app) connector(ctx context.Context) (connect.Connector, error) {
	o := a.op().Reset
	if o.Connector == "none" {
		return nil, nil
	}
	secretOf := func(key, file string) (string, error) {
		if file == "" {
			return "", nil
		}
		b, err := readLimited(ctx, file, 4<<10)
		if err != nil {
			return "", fmt.Errorf("read %s: %w", key, err)
		}
		return strings.TrimRight(string(b), "\r\n"), nil
	}
	secret, err := secretOf("reset.secretFile", o.SecretFile)
	if err != nil {
		return nil, err
	}
	var c connect.Connector
	switch o.Connector {
	case "webhook":
		c, err = connect.NewWebhook(o.URL, secret)
	case "kratos":
		c, err = connect.NewKratos(o.URL, secret)
	case "sql":
		var src []byte
		var statements *connect.Statements
		if src, err = readLimited(ctx, o.Statements, 16<<10); err == nil {
			if statements, err = connect.ParseStatements(o.Statements, src); err == nil {
				c, err = connect.NewSQL(secret, statements)
			}
		}
	case "ldap", "ad":
		d := connect.Directory{URL: o.URL, User: o.User, Password: secret, Base: o.Base, Filter: o.Filter, MustChange: o.MustChange}
		if o.RootsFile != "" {
			var pem []byte
			if pem, err = readLimited(ctx, o.RootsFile, 1<<20); err == nil {
				d.Roots = x509.NewCertPool()
				if !d.Roots.AppendCertsFromPEM(pem) {
					err = fmt.Errorf("%s has no certificate in it", o.RootsFile)
				}
			}
		}
		if err == nil && o.Connector == "ldap" {
			c, err = connect.NewLDAP(d)
		} else if err == nil {
			c, err = connect.NewActiveDirectory(d)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reset.connector: %w", err)
	}
	if o.Sessions == "" {
		return c, nil
	}
	if secret, err = secretOf("reset.sessionsSecretFile", o.SessionsSecretFile); err != nil {
		return nil, err
	}
	sessions, err := connect.NewWebhook(o.Sessions, secret)
	if err != nil {
		return nil, fmt.Errorf("reset.sessions: %w", err)
	}
	return connect.Both{Connector: c, Sessions: sessions}, nil
}

// resets opens the room of the forced reset over an instance. corpora is what new passwords are screened by; nil: this process sets none.
func (a *app) resets(ctx context.Context, in *instance, corpora *password.Corpora) (*reset.Resets, error) {
	c, err := a.connector(ctx)
	if err != nil {
		return nil, err
	}
	return a.resetsBy(ctx, in, c, corpora)
}

// resetsAnyway is resets for what is no less good without a connector: when people can reset, it knows.
func (a *app) resetsAnyway(ctx context.Context, in *instance) (*reset.Resets, error) {
	c, err := a.connector(ctx)
	if err != nil {
		in.log.Warn("no connector", "error", err)
	}
	return a.resetsBy(ctx, in, c, nil)
}

func (a *app) resetsBy(ctx context.Context, in *instance, c connect.Connector, corpora *password.Corpora) (*reset.Resets, error) {
	cases, err := a.casesOf(ctx, in)
	if err != nil {
		return nil, err
	}
	gates, err := a.gates(ctx, in, cases)
	if err != nil {
		return nil, err
	}
	o := a.op()
	rooms := reset.Rooms{DB: in.db, Rosters: in.rosters, Connector: c, Least: o.Reset.MinLength, URL: strings.TrimRight(o.URL, "/"), Service: a.serviceOf(in), Contact: in.Contact, Returns: o.Reset.Returns,
		Life: o.Reset.LinkLife, Connections: o.Reset.Connections, Wanted: in.staff.Staffed, Log: in.log, Screen: screening(corpora), Steps: resetSteps(o.Reset.Steps), Clock: in.now,
		Said: func(ctx context.Context, tx *sql.Tx, who actor.Actor, id string, h reset.Hour) error {
			if err := in.incidents.AddIn(ctx, tx, who, &incident.FactsFile{ID: id, Facts: resetFacts(h)}); err != nil {
				return err
			}
			return noteEvent(ctx, tx, cases, who, id, h.At, h.Says().Record())
		},
		Noted: func(ctx context.Context, tx *sql.Tx, who actor.Actor, id, text string) error {
			return noteEvent(ctx, tx, cases, who, id, in.now(), text)
		},
		Done: func(ctx context.Context, tx *sql.Tx, id, account string, addresses []string) (func(), error) {
			var names []gate.Account
			for _, a := range addresses {
				names = append(names, gate.Account{Account: account, Email: a})
			}
			return gates.Poke, gates.Clear(ctx, tx, id, gate.Reset, names...)
		},
		Exposed: func(ctx context.Context, id string) ([]string, error) { return in.exposed(ctx, id) }}
	if m := o.Mail; m.Server != "" {
		server := notify.SMTP{Server: m.Server, From: m.From, User: m.User, Security: m.Security}
		if m.PasswordFile != "" {
			b, err := readLimited(ctx, m.PasswordFile, 4<<10)
			if err != nil {
				return nil, fmt.Errorf("read mail.passwordFile: %w", err)
			}
			server.Password = strings.TrimRight(string(b), "\r\n")
		}
		rooms.Send = func(ctx context.Context, m reset.Mail) error { return server.Send(ctx, m.To, m.Subject, m.Text, m.ID) }
	}
	return reset.New(ctx, rooms)
}

// serviceOf is whose passwords they are, as mails say it: the operator's, or the instance's name where nobody has said whose it is.
func (a *app) serviceOf(in *instance) language.Text {
	name := operator(in.Instance)
	if name == (language.Text{}) {
		host := a.op().URL
		if u, err := url.Parse(host); err == nil {
			host = u.Hostname()
		}
		name = language.Same(host)
	}
	return name
}

// resetSteps reads how staff recognises people: "what is done: class class".
func resetSteps(list []string) []reset.Step {
	var out []reset.Step
	for _, s := range list {
		name, classes, _ := strings.Cut(s, ":")
		out = append(out, reset.Step{Name: strings.TrimSpace(name), Classes: strings.FieldsFunc(classes, func(r rune) bool { return r == ' ' || r == ',' })})
	}
	return out
}

// exposed gives the classes of data that were exposed in an incident: as its facts say, and as its roster does.
func (in *instance) exposed(ctx context.Context, id string) ([]string, error) {
	inc, err := in.incidents.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, f := range inc.Listed("data-class") {
		out = append(out, f.Value.Word)
	}
	if ro, err := in.rosters.Latest(ctx, id); err == nil {
		for _, set := range ro.Sets {
			out = append(out, set...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// noteEvent records something in a case, where there is one that is open.
func noteEvent(ctx context.Context, tx *sql.Tx, cases *response.Cases, who actor.Actor, id string, at time.Time, text string) error {
	err := cases.NoteEvent(ctx, tx, who, id, response.Event{At: at.UTC().Truncate(time.Second).Format(time.RFC3339), Text: text, Source: "shirase"})
	if errors.Is(err, response.ErrNotFound) || errors.Is(err, response.ErrClosed) {
		return nil
	}
	return err
}

// screening judges passwords by the corpora that are there. Where there is none, it judges by what it has: length and context.
func screening(corpora *password.Corpora) func(ctx context.Context, p string, least int, about ...string) ([]language.Text, error) {
	return func(_ context.Context, p string, least int, about ...string) ([]language.Text, error) {
		s := password.Screen{MinLength: least}
		var reasons []password.Reason
		var err error
		judged := false
		if corpora != nil {
			for _, m := range password.Modes {
				s.Count, s.Mode = corpora.Corpus(m).Count, m
				if reasons, err = s.Check(p, about...); errors.Is(err, password.ErrNone) {
					continue
				}
				judged = true
				break
			}
		}
		if !judged {
			s.Count = nil
			reasons, err = s.Check(p, about...)
		}
		var out []language.Text
		for _, r := range reasons {
			out = append(out, language.Text{JA: r.Text(language.JA), EN: r.Text(language.EN)})
		}
		return out, err
	}
}

// resetFacts are what a change of the hours is as facts of the incident: what was promised, and what became of it. They are drafts until a
// notice tells them.
func resetFacts(h reset.Hour) []incident.Fact {
	minute := func(t time.Time) incident.Moment {
		return incident.Moment{Time: t.Truncate(time.Minute).In(incident.Japan), Precision: incident.Minute} // notices say it in that zone, as the texts do
	}
	action := func(item string, text language.Text, status string, at, promised time.Time) incident.Fact {
		f := incident.Fact{Key: "action", Item: item, Certainty: incident.Confirmed, AsOf: minute(h.At), Value: incident.Value{Text: text, Status: status}}
		if !at.IsZero() {
			f.Value.Time = minute(at)
		}
		if !promised.IsZero() {
			f.Value.Promised = minute(promised)
		}
		if status == "planned" {
			f.Certainty = incident.Planned
		}
		return f
	}
	start := language.Text{JA: "パスワード再設定の受け付け開始", EN: "opening of the password reset"}
	if !h.Before.First {
		start = language.Text{JA: "パスワード再設定の受け付け再開", EN: "reopening of the password reset"}
	}
	name := func(n int64) string { return fmt.Sprintf("reset-%d", n) }
	var out []incident.Fact
	promised := h.Before.Announced
	switch h.State {
	case reset.Announced:
		if promised != 0 && (h.Late() || h.Promised.After(h.Before.Promised)) {
			out = append(out, action(name(promised), start, "slipped", time.Time{}, h.Before.Promised))
		} else if promised != 0 {
			out = append(out, incident.Fact{Key: "action", Item: name(promised), Certainty: incident.Confirmed, AsOf: minute(h.At), Retracted: true})
		}
		out = append(out, action(name(h.N), start, "planned", time.Time{}, h.Promised))
	case reset.Opened, reset.Reopened:
		switch {
		case promised == 0:
			out = append(out, action(name(h.N), start, "taken", h.At, time.Time{}))
		case minute(h.At).Time.After(minute(h.Before.Promised).Time):
			out = append(out, action(name(promised), start, "slipped", h.At, h.Before.Promised))
		default:
			out = append(out, action(name(promised), start, "kept", h.At, h.Before.Promised))
		}
	case reset.Closed:
		out = append(out, action(name(h.N)+"-closed", language.Text{JA: "パスワード再設定の受け付けの一時停止", EN: "the password reset was stopped for a while"}, "taken", h.At, time.Time{}))
		if !h.Promised.IsZero() {
			out = append(out, action(name(h.N), language.Text{JA: "パスワード再設定の受け付け再開", EN: "reopening of the password reset"}, "planned", time.Time{}, h.Promised))
		}
	case reset.Lifted:
		if promised != 0 {
			out = append(out, incident.Fact{Key: "action", Item: name(promised), Certainty: incident.Confirmed, AsOf: minute(h.At), Retracted: true})
		}
		out = append(out, action("forced-reset", language.Text{JA: "パスワードの強制的な再設定", EN: "the forced reset of passwords"}, "lifted", h.At, time.Time{}))
	}
	return out
}

// addendumOf is what is proposed to be said in public of a change of the hours.
func addendumOf(id string, h reset.Hour) publish.Request {
	r := publish.Request{Incident: id, Notice: &compose.Draft{Kind: incident.KindAddendum, Text: h.Says(), Only: []string{}}}
	for _, f := range resetFacts(h) {
		r.Notice.Only = append(r.Notice.Only, "action "+f.Item)
	}
	return r
}

// proposeAddendum proposes it, where something was published that can be added to and there is somebody who approves. That it could not be
// proposed undoes nothing: why says what speaks against it.
func proposeAddendum(ctx context.Context, proposals *proposal.Proposals, who actor.Actor, id string, h reset.Hour, now time.Time) (p *proposal.Proposal, why error) {
	wanted, err := proposals.Wanted(ctx)
	if err != nil || !wanted {
		return nil, err
	}
	return proposals.Propose(ctx, who, publish.KindPublish, id, publish.AskedOf(addendumOf(id, h), now))
}

// resetAct is how the bulk reset and the lifting are proposed and done. lifted is called once it is lifted.
func resetAct(r *reset.Resets, kind string, lifted func(ctx context.Context, id string, h reset.Hour)) proposal.Act {
	plan := func(ctx context.Context, who actor.Actor, id string, request []byte) (*reset.Plan, proposal.Plan, error) {
		var asked reset.Asked
		if err := json.Unmarshal(request, &asked, json.RejectUnknownMembers(true)); err != nil {
			return nil, proposal.Plan{}, err
		}
		work := r.PlanForce
		if kind == reset.KindLift {
			work = r.PlanLift
		}
		p, err := work(ctx, who, id, asked)
		if err != nil {
			return nil, proposal.Plan{}, err
		}
		return p, proposal.Plan{Bytes: p.Bytes, Effect: proposal.Effect{Says: p.Says, People: p.People, Unit: "accounts", Doubts: p.Doubts}}, nil
	}
	return plannedAct(plan, func(ctx context.Context, who actor.Actor, id string, p *reset.Plan, settle func(tx *sql.Tx) error) error {
		if err := r.Approve(ctx, who, p, id, settle); err != nil || kind != reset.KindLift {
			return err
		}
		if all, err := r.Hours(ctx, actor.Server(), id); err == nil && len(all) > 0 {
			lifted(context.WithoutCancel(ctx), id, all[len(all)-1])
		}
		return nil
	})
}

// whileOpen is the condition of campaigns that promise the reset.
func whileOpen(r *reset.Resets) reach.Condition {
	return func(ctx context.Context, id string) (reach.Open, error) {
		yes, why, err := r.Open(ctx, id)
		return reach.Open{Yes: yes, Why: why}, err
	}
}

// leadToReset has help pages lead to where people choose a new password, from when it is announced until it is lifted.
func (a *app) leadToReset(ctx context.Context, in *instance, o *site.Options) (*reset.Resets, error) {
	r, err := a.resetsAnyway(ctx, in)
	if err != nil {
		return nil, err
	}
	o.Reset = func(ctx context.Context, id string) (string, error) {
		s, err := r.At(ctx, id)
		switch {
		case errors.Is(err, reset.ErrNotFound):
			return "", nil
		case err != nil, s.State == reset.Lifted, r.Connector == nil:
			return "", err
		}
		return "/reset/" + id, nil
	}
	return r, nil
}

// mountReset serves the pages on which people choose a new password, and carries out what is to be done.
func (a *app) mountReset(ctx context.Context, in *instance, server *serve.Server, corpora *password.Corpora) error {
	r, err := a.resets(ctx, in, corpora)
	if errors.Is(err, connect.ErrSettings) { // everything else is served
		in.log.Error("nobody can reset a password", "error", err, "hint", hint.Of(err))
		return nil
	}
	if err != nil {
		return err
	}
	allow, err := server.Limit(a.op().Limits.Archive)
	if err != nil {
		return err
	}
	pages, err := portal.NewReset(portal.ResetOptions{Resets: r, Incident: in.incidents.Public().Get, Allow: allow, BaseURL: a.op().URL, Log: in.log,
		Operator: runBy(in.Instance)})
	if err != nil {
		return err
	}
	server.Mount(pages, "/reset", "/reset/")
	server.Work("reset passwords", r.Work)
	return nil
}
