package main

import (
	"context"
	"errors"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/config"
	"shirase/internal/console"
	"shirase/internal/contain/reset"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/incident/lint"
	"shirase/internal/language"
	"shirase/internal/reach"
	"shirase/internal/reach/preflight"
	"shirase/internal/reach/returned"
	"shirase/internal/response"
	"shirase/internal/scope"
	"shirase/internal/serve"
	"shirase/internal/site"
	"shirase/internal/staff"
	"shirase/internal/watchers"
)

// consoleLimits hold whoever tries one of the doors to sign in by; each door has its own. A recovery code takes twenty units.
var consoleLimits = serve.Limits{IPv4: serve.Rate{PerSecond: 2, Burst: 200}, IPv6: serve.Rate{PerSecond: 2, Burst: 200}, Home: serve.Rate{PerSecond: 2, Burst: 200},
	Site: serve.Rate{PerSecond: 4, Burst: 400}, All6: serve.Rate{PerSecond: 20, Burst: 1000}, All: serve.Rate{PerSecond: 20, Burst: 1000}, Known: 4096}

// mountConsole serves the staff's pages.
func (a *app) mountConsole(ctx context.Context, in *instance, server *serve.Server) error {
	if err := in.staff.Serve(ctx); err != nil {
		return err
	}
	cases, err := a.casesOf(ctx, in)
	if err != nil {
		return err
	}
	proposals, err := a.proposalRoom(ctx, in, cases)
	if err != nil {
		return err
	}
	ends, err := a.closing(ctx, in, cases, proposals)
	if err != nil {
		return err
	}
	scopes, err := a.scopesOf(ctx, in, cases)
	if err != nil {
		return err
	}
	campaigns, err := a.campaigns(ctx, in)
	if err != nil {
		return err
	}
	back, err := a.returns(ctx, in)
	if err != nil {
		return err
	}
	resets, err := a.resetsAnyway(ctx, in)
	if err != nil {
		return err
	}
	room, err := a.collection(ctx, in)
	if err != nil {
		return err
	}
	asked, err := a.enquiries(ctx, in)
	if err != nil {
		return err
	}
	circulates, err := a.spreadRoom(ctx, in)
	if err != nil {
		return err
	}
	record := func(ctx context.Context, who actor.Actor, id string, facts []incident.Fact) error {
		_, err := in.incidents.Add(ctx, who, &incident.FactsFile{ID: id, Facts: facts})
		return err
	}
	watching, err := a.watchersRoom(ctx, in, watchers.Mailer{}, nil)
	if err != nil {
		return err
	}
	boards, err := a.boards(ctx, in, cases)
	if err != nil {
		return err
	}
	doors := map[console.Door]func(*http.Request, int) (time.Duration, bool){}
	for _, d := range console.Doors() {
		if doors[d], err = server.Limit(consoleLimits); err != nil {
			return err
		}
	}
	provider, err := a.provider()
	if err != nil {
		return err
	}
	desk, err := console.New(console.Options{
		Staff: in.staff, Cases: cases, Closing: ends, Proposals: proposals, Scopes: scopes, Collection: room, Gate: in.gate, Resets: resets, OIDC: provider, Allow: func(d console.Door, r *http.Request, n int) (time.Duration, bool) { return doors[d](r, n) }, BaseURL: a.staffURL(), Log: in.log,
		Operator: runBy(in.Instance),
		Boards:   boards,
		Desk:     console.Desk{Enquiries: asked, Record: record},
		Spread: console.Spread{Places: circulates, Record: record, Watching: watching.OfCase, Posted: func(ctx context.Context, id, text string) (bool, error) {
			i, err := in.incidents.Public().Get(ctx, id)
			if errors.Is(err, incident.ErrNotFound) {
				return false, nil
			}
			if err != nil {
				return false, err
			}
			return site.Posted(i, a.op().URL, text)
		}, Known: func(ctx context.Context, id string) (incident.Incident, bool, error) {
			i, err := in.incidents.Get(ctx, id)
			if errors.Is(err, incident.ErrNotFound) {
				return i, false, nil
			}
			return i, err == nil, err
		}},
		Reaching: console.Reaching{Campaigns: campaigns, Returned: back,
			Preflight: func(ctx context.Context, from string) ([]preflight.Finding, error) {
				return a.preflight(ctx, back, in.keys, from)
			},
			Figures: func(ctx context.Context, who actor.Actor, k *reach.Campaign) (returned.Told, error) {
				return toldBy(ctx, who, campaigns, k)
			}},
		Rehearsal: a.rehearsal(in, cases), Now: in.now,
		Addendum: func(ctx context.Context, who actor.Actor, id string, h reset.Hour) (string, error) {
			p, err := proposeAddendum(ctx, proposals, who, id, h, in.now())
			if p == nil {
				return "", err
			}
			return p.ID, err
		},
		Settings: func(context.Context) []console.Setting { return a.shownSettings() },
		Keys:     func(ctx context.Context) ([]console.Key, error) { return shownKeys(ctx, in) },
		Draft:    in.publisher.Look,
		Texts: func(ctx context.Context, who actor.Actor, id string) ([]console.Outgoing, error) {
			all, err := campaigns.Texts(ctx, who, id)
			var out []console.Outgoing
			for _, said := range all {
				out = append(out, console.Outgoing{Name: language.Both("メール（配信 "+said.Campaign+"）", "Mail of campaign "+said.Campaign), Kind: lint.Mail,
					Text: language.Both(said.Subject.JA+"\n\n"+said.Text.JA, said.Subject.EN+"\n\n"+said.Text.EN)})
			}
			return out, err
		},
	})
	if err != nil {
		return err
	}
	server.Mount(desk, "/console", "/console/")
	server.Work("follow the cases", desk.Work)
	server.Work("work out scopes", scopes.Work)
	server.Work("collect disclosures", room.Work)
	return nil
}

// scopesOf opens the room where people work out who is affected. What is sorted lies, sealed and without a name, in the data folder: the disk
// that is looked after.
func (a *app) scopesOf(ctx context.Context, in *instance, cases *response.Cases) (*scope.Scopes, error) {
	temp := filepath.Join(a.op().Data, "files", "build")
	if err := os.MkdirAll(temp, 0o700); err != nil {
		return nil, err
	}
	return scope.New(ctx, scope.Rooms{DB: in.db, Rosters: in.rosters, Cases: cases, Incidents: in.incidents, Hold: in.hold, Space: a.free, Temp: temp,
		Folder: a.op().Scope.Folder, PhoneRegion: in.Region, Rows: int64(a.op().Scope.Rows), Spare: int64(a.op().Evidence.Spare) << 20})
}

// free gives the bytes that are left on the data folder's disk; -1 where this system does not say.
func (a *app) free() (int64, error) {
	free, _, err := space(a.op().Data)
	if errors.Is(err, errors.ErrUnsupported) {
		return -1, nil
	}
	return int64(min(free, math.MaxInt64)), err
}

// provider is the identity provider that the settings name; nil where they name none.
func (a *app) provider() (*staff.Provider, error) {
	o := a.op().Staff.OIDC
	if o.Issuer == "" {
		return nil, nil
	}
	if o.ClientID == "" || o.SecretFile == "" || a.op().URL == "" {
		return nil, hint.Add(errors.New("sign-in by "+o.Issuer+" is not set up"), "set staff.oidc.client, staff.oidc.secretFile and url")
	}
	secret, err := os.ReadFile(o.SecretFile)
	if err != nil {
		return nil, err
	}
	return &staff.Provider{Issuer: o.Issuer, ClientID: o.ClientID, Secret: strings.TrimSpace(string(secret)), Back: a.op().URL + "/console/oidc/back"}, nil
}

func (a *app) shownSettings() []console.Setting {
	var out []console.Setting
	for _, k := range config.Keys() {
		from := a.read.From(k.Name)
		out = append(out, console.Setting{Name: k.Name, Value: k.Text(a.read), From: strings.TrimSpace(string(from.Kind) + " " + from.At), Help: k.Help})
	}
	return out
}

func shownKeys(ctx context.Context, in *instance) ([]console.Key, error) {
	rows, err := keyRows(ctx, in)
	if err != nil {
		return nil, err
	}
	var out []console.Key
	for _, k := range rows {
		since, _ := time.Parse(time.RFC3339, k.Since)
		out = append(out, console.Key{ID: k.ID, Kind: "evaluator", State: k.State, Since: since})
	}
	name, _, _ := strings.Cut(in.publisher.VKey(), "+")
	return append(out, console.Key{ID: name, Kind: "ledger", State: "live"}), nil
}

// link is where a token lets somebody in. Passkeys are bound to names, so this machine is called by its own.
func (a *app) link(served, token string) string {
	base := a.staffURL()
	if base == "" {
		if base = a.op().URL; base == "" {
			base = served
		}
		if u, err := url.Parse(base); err == nil && onThisMachine(u) {
			base = u.Scheme + "://localhost"
			if port := u.Port(); port != "" {
				base += ":" + port
			}
		}
	}
	return strings.TrimSuffix(base, "/") + "/console/join#" + token
}

// staffURL is where the staff's side is: the instance's address, or "" for this machine under its own name. A number of this machine
// is no name, and passkeys are bound to names.
func (a *app) staffURL() string {
	if u, err := url.Parse(a.op().URL); err == nil && onThisMachine(u) {
		return ""
	}
	return a.op().URL
}

func onThisMachine(u *url.URL) bool {
	ip := net.ParseIP(u.Hostname())
	return ip != nil && (ip.IsLoopback() || ip.IsUnspecified())
}

// firstLink makes the link of the first administrator, where nobody works here yet.
func (a *app) firstLink(ctx context.Context, in *instance, served string) (string, error) {
	token, _, err := in.staff.First(ctx)
	if errors.Is(err, staff.ErrStaffed) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return a.link(served, token), nil
}
