package console

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/descope/virtualwebauthn"

	"shirase/internal/actor"
	"shirase/internal/archive"
	"shirase/internal/board"
	"shirase/internal/closing"
	"shirase/internal/collect"
	"shirase/internal/collect/fetch"
	"shirase/internal/collect/read"
	"shirase/internal/contain/gate"
	"shirase/internal/contain/reset"
	"shirase/internal/enquiry"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/incident/compose"
	"shirase/internal/language"
	"shirase/internal/law"
	"shirase/internal/proposal"
	"shirase/internal/publish"
	"shirase/internal/reach"
	"shirase/internal/reach/returned"
	"shirase/internal/response"
	"shirase/internal/roster"
	"shirase/internal/scope"
	"shirase/internal/serve"
	"shirase/internal/spread"
	"shirase/internal/staff"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
	"shirase/internal/watchers"
)

const base = "https://console.example"

// desk is a console over HTTP, with the rooms behind it.
type desk struct {
	closing *closing.Closing
	t       *testing.T
	db      *store.DB
	console *Console
	staff   *staff.Staff
	cases   *response.Cases
	server  *httptest.Server
	logged  *strings.Builder

	proposals *proposal.Proposals
	scopes    *scope.Scopes
	campaigns *reach.Reach
	returned  *returned.Returned
	rosters   *roster.Rosters
	mails     chan struct{} // that the relay took
	against   []string      // what the preflight has against sending
	folder    string        // of exports on the host
	gate      *gate.Gate
	hold      func(id, what string) (func(), error)
	bytes     string // that are proposed to be published
	declared  int
	done      int // how often it was done

	places     *spread.Spread
	watching   *watchers.Watchers
	enquiries  *enquiry.Desk
	boards     *board.Boards
	made       atomic.Int64 // how often a board was put together
	incidents  *incident.Incidents
	collection *collect.Collection
	laid       int // notices in the inbox
	letterMu   sync.Mutex
	letters    []enquiry.Letter
}

func each(t *testing.T, do func(t *testing.T, d *desk)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { do(t, newDesk(t, db)) })
}

func newDesk(t *testing.T, db *store.DB) *desk {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir, err := files.Open(filepath.Join(t.TempDir(), "files"))
	must(err)
	keys, err := files.OpenKeys(filepath.Join(t.TempDir(), "keys"))
	must(err)
	t.Cleanup(func() { dir.Close(); keys.Close() })
	d := &desk{t: t, db: db, logged: &strings.Builder{}}
	incidents, err := incident.New(ctx, db, archive.Changed)
	must(err)
	arch, err := archive.New(ctx, db, incidents)
	must(err)
	rosters, err := roster.New(ctx, db, dir, keys)
	must(err)
	book, err := law.Open()
	must(err)
	d.staff, err = staff.New(ctx, db, staff.Options{})
	must(err)
	d.cases, err = openCases(ctx, db, dir, incidents, book, rosters.Sealer, d.staff)
	must(err)
	rules, err := gate.ParseRules("routes.yaml", []byte("routes:\n  - {name: login, paths: [/login], undecided: closed}\n"))
	must(err)
	d.gate, err = gate.New(ctx, gate.Rooms{DB: db, Dir: dir, Keys: keys, Latest: rosters.Latest, Named: rosters.Named, Members: rosters.Members, Rules: rules, ResetURL: base + "/reset"})
	must(err)
	d.proposals, err = proposal.New(ctx, proposal.Rooms{DB: db, Staffed: d.staff.Staffed, Approvers: func(context.Context) (int, error) { return 2, nil }, Acts: map[string]proposal.Act{
		reach.KindMail: {Plan: d.planMail}, reach.KindExport: {Plan: d.planExport},
		publish.KindPublish: {Plan: func(context.Context, actor.Actor, string, []byte) (proposal.Plan, error) {
			return proposal.Plan{Bytes: []byte(d.bytes), Effect: proposal.Effect{Says: language.Both("お知らせを公表します", "publishes the notice"), People: 1692496, Unit: "accounts"}}, nil
		}, Do: func(_ context.Context, _ actor.Actor, _ string, _ []byte, _ string, _ func(*sql.Tx) error) (any, error) {
			d.done++
			return nil, nil
		}},
		gate.KindBlock: d.gateAct(gate.KindBlock), gate.KindLift: d.gateAct(gate.KindLift),
	}})
	must(err)
	d.staff.Changed = d.proposals.Changed
	d.bytes = `{"notice":{"text":{"ja":"お知らせの本文","en":"The notice"}}}`
	d.folder, d.hold = t.TempDir(), func(id, what string) (func(), error) { return dir.Hold("locks/"+id, what) }
	d.scopes, err = scope.New(ctx, scope.Rooms{DB: db, Rosters: rosters, Cases: d.cases, Incidents: incidents, Temp: t.TempDir(), PhoneRegion: "JP", Folder: d.folder,
		Hold: d.hold})
	must(err)
	d.collection, err = collect.New(ctx, collect.Rooms{DB: db, Dir: dir, Keys: keys, Incidents: incidents, Archive: arch, Web: fetch.New(fetch.Options{Pause: -1}), Reader: &read.Reader{}, Agent: "shirase/test"})
	must(err)
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() { defer close(ended); d.scopes.Work(working, func(error) {}) }()
	t.Cleanup(func() { stop(); <-ended })
	d.incidents = incidents
	d.enquiries, err = enquiry.New(ctx, enquiry.Rooms{DB: db, Keys: keys, Seal: rosters.Sealer, Incident: incidents.Get, Wanted: d.staff.Staffed, URL: base, Address: "support@desk.example",
		Own: func(context.Context, string) (bool, error) { return true, nil }, Deliver: func(_ context.Context, l enquiry.Letter) (enquiry.Outcome, string) {
			d.letterMu.Lock()
			defer d.letterMu.Unlock()
			d.letters = append(d.letters, l)
			return enquiry.Taken, ""
		},
		Recognised: func(context.Context, actor.Actor, string) (good, refused []string, err error) {
			return []string{"契約番号への折り返し"}, []string{"生年月日"}, nil
		}})
	must(err)
	d.places, err = spread.New(ctx, spread.Rooms{DB: db, Rosters: rosters, Wanted: d.staff.Staffed, Read: func(_ context.Context, _ string, _ language.Lang, text string) ([]string, error) {
		if strings.Contains(text, "9,999") {
			return []string{"the facts say another number"}, nil
		}
		return nil, nil
	}})
	must(err)
	d.watching, err = watchers.New(ctx, watchers.Rooms{DB: db, Keys: keys, Rosters: rosters})
	must(err)
	d.proposals.Acts[spread.KindSnippet] = d.snippetAct()
	d.proposals.Acts[enquiry.KindSend], d.proposals.Acts[enquiry.KindPublic] = d.answersAct(), d.publicAct()
	resets, err := reset.New(ctx, reset.Rooms{DB: db, Rosters: rosters, Wanted: d.staff.Staffed})
	must(err)
	reaching := d.reaching(ctx, rosters, incidents)
	d.boards = board.New(ctx, board.Rooms{Watching: func(context.Context) (int64, error) { return d.made.Add(1), nil }, Cases: d.cases, Incidents: incidents, Rosters: rosters, Gate: d.gate, Resets: resets, Campaigns: d.campaigns, Desk: d.enquiries}, func(what string, err error) { t.Errorf("%s: %v", what, err) })
	d.closing, err = closing.New(ctx, closing.Rooms{DB: db, Cases: d.cases, Desk: d.enquiries, Gate: d.gate, Resets: resets, Proposals: d.proposals, Rosters: rosters, Staffed: d.staff.Staffed})
	must(err)
	d.proposals.Acts[closing.KindClose] = d.closing.Act()
	asked := func(request []byte) (a publish.AskedEnd) { must(json.Unmarshal(request, &a)); return a }
	d.proposals.Acts[publish.KindShred] = proposal.Act{Also: actor.Remove, Plan: func(ctx context.Context, who actor.Actor, id string, request []byte) (proposal.Plan, error) {
		ready, err := d.closing.Ready(ctx, who, id, asked(request).Despite)
		return proposal.Plan{Bytes: []byte(id + strings.Join(ready.Stands, " ")), Effect: proposal.Effect{People: -1, Says: language.Both("鍵を壊します", "destroys the key"), Doubts: ready.Doubts}}, errors.Join(err, d.closing.Allowed(ctx, id))
	}, Do: func(ctx context.Context, who actor.Actor, id string, request []byte, _ string, _ func(*sql.Tx) error) (any, error) {
		ready, err := d.closing.Ready(ctx, who, id, asked(request).Despite)
		if err != nil {
			return nil, err
		}
		kept, err := d.closing.Retain(ctx, who, id)
		if err != nil {
			return nil, err
		}
		return nil, rosters.ShredIf(ctx, who, id, func(tx *sql.Tx) error {
			return errors.Join(ready.Keep(ctx, tx), d.closing.Keep(ctx, tx, who, id, kept))
		})
	}}
	d.console, err = New(Options{Boards: d.boards, Staff: d.staff, Cases: d.cases, Closing: d.closing, Proposals: d.proposals, Scopes: d.scopes, Collection: d.collection, Gate: d.gate, Resets: resets, Rehearsal: d.rehearsal(), Draft: d.draft, Desk: Desk{Enquiries: d.enquiries, Record: d.recordFacts}, Spread: Spread{Places: d.places, Watching: d.watching.OfCase, Record: d.recordFacts, Known: d.known}, Reaching: reaching, BaseURL: base, Log: slog.New(slog.NewTextHandler(d.logged, nil))})
	must(err)
	d.server = httptest.NewTLSServer(serve.Wrap(d.console, serve.Options{}))
	t.Cleanup(d.server.Close)
	return d
}

// draft is a notice as the room would draft it: what somebody has written, or a text that has the number of facts in it.
func (d *desk) draft(ctx context.Context, who actor.Actor, id string, c compose.Draft) (*publish.Drafted, error) {
	inc, err := d.cases.Incidents.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	text := language.Both(fmt.Sprintf("# お知らせ\n\n事実は%dつです。<script>alert(1)</script>", len(inc.Facts)), fmt.Sprintf("# Notice\n\n%d facts.", len(inc.Facts)))
	if c.Text != (language.Text{}) {
		text = c.Text
	}
	out := &publish.Drafted{Kind: c.Kind, Fresh: true, Gaps: compose.Gaps(inc, c), Notice: incident.Notice{Text: text}}
	if c.Kind == incident.KindAddendum {
		out.Source = text
	}
	if strings.Contains(text.JA, "のみ") {
		out.Differences = []publish.Difference{{Code: "text-only", What: "it says only", JA: "「のみ」とあります。"}}
	}
	return out, nil
}

// gateAct is how something at the gate is proposed and done, as the command has it.
func (d *desk) gateAct(kind string) proposal.Act {
	plan := func(ctx context.Context, who actor.Actor, id string, request []byte) (*gate.Plan, error) {
		asked, err := gate.ParseAsked(request)
		if err != nil {
			return nil, err
		}
		return d.gate.Plan(ctx, who, kind, id, asked)
	}
	return proposal.Act{Single: true,
		Plan: func(ctx context.Context, who actor.Actor, id string, request []byte) (proposal.Plan, error) {
			p, err := plan(ctx, who, id, request)
			if err != nil {
				return proposal.Plan{}, err
			}
			return proposal.Plan{Bytes: p.Bytes, Effect: proposal.Effect{Says: p.Says, People: p.People, Unit: "accounts"}}, nil
		},
		Do: func(ctx context.Context, who actor.Actor, id string, request []byte, digest string, settle func(*sql.Tx) error) (any, error) {
			p, err := plan(ctx, who, id, request)
			if err != nil {
				return nil, err
			}
			if p.Digest() != digest {
				return nil, proposal.ErrChanged
			}
			return nil, d.gate.Apply(ctx, who, p, settle)
		}}
}

// person is somebody with a browser and a passkey.
type person struct {
	d      *desk
	id     string
	client *http.Client
	rp     virtualwebauthn.RelyingParty
	auth   virtualwebauthn.Authenticator
	cred   virtualwebauthn.Credential
}

func (d *desk) stranger() *person {
	d.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		d.t.Fatal(err)
	}
	p := &person{d: d, rp: virtualwebauthn.RelyingParty{Name: "Shirase", ID: "console.example", Origin: base}, auth: virtualwebauthn.NewAuthenticator()}
	client := *d.server.Client()
	client.Jar = jar
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Transport = asHost{d.server, client.Transport}
	p.client = &client
	for len(p.cred.ID) == 0 || len(p.cred.Key.AttestationData()) != 77 { // it leaves out the zero that one key in 128 begins with
		p.cred = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	}
	return p
}

// asHost leads the console's address to the test's server.
type asHost struct {
	server *httptest.Server
	next   http.RoundTripper
}

func (a asHost) RoundTrip(r *http.Request) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.URL.Host = strings.TrimPrefix(a.server.URL, "https://")
	return a.next.RoundTrip(out)
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(a.body), &out); err != nil {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return out
}

func (p *person) do(method, path string, form url.Values, change func(r *http.Request)) answer {
	p.d.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(p.d.t.Context(), method, base+path, body)
	if err != nil {
		p.d.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	r.Header.Set("Accept-Language", "ja")
	if change != nil {
		change(r)
	}
	res, err := p.client.Do(r)
	if err != nil {
		p.d.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		p.d.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(data)}
}

func (p *person) get(path string) answer                   { return p.do("GET", path, nil, nil) }
func (p *person) post(path string, form url.Values) answer { return p.do("POST", path, form, nil) }

// options asks for a ceremony.
func (p *person) options(path string, form url.Values) string {
	p.d.t.Helper()
	a := p.post(path, form)
	if a.status != http.StatusOK {
		p.d.t.Fatalf("%s: %d %s", path, a.status, a.body)
	}
	data, err := json.Marshal(a.json(p.d.t)["options"])
	if err != nil {
		p.d.t.Fatal(err)
	}
	return string(data)
}

func (p *person) created(options string) string {
	p.d.t.Helper()
	o, err := virtualwebauthn.ParseAttestationOptions(options)
	if err != nil {
		p.d.t.Fatal(err)
	}
	return virtualwebauthn.CreateAttestationResponse(p.rp, p.auth, p.cred, *o)
}

func (p *person) asserted(options string) string {
	p.d.t.Helper()
	o, err := virtualwebauthn.ParseAssertionOptions(options)
	if err != nil {
		p.d.t.Fatal(err)
	}
	return virtualwebauthn.CreateAssertionResponse(p.rp, p.auth, p.cred, *o)
}

// join comes in by a link.
func (p *person) join(token, name string) {
	p.d.t.Helper()
	options := p.options("/console/join/begin", url.Values{"token": {token}, "name": {name}})
	a := p.do("POST", "/console/join/finish", url.Values{"token": {token}, "name": {name}, "leads": {"yes"}, "answer": {p.created(options)}, "passkey_name": {"laptop"}}, json1)
	if a.status != http.StatusOK {
		p.d.t.Fatalf("join: %d %s", a.status, a.body)
	}
	people, err := p.d.staff.People(p.d.t.Context(), actor.Operator())
	if err != nil {
		p.d.t.Fatal(err)
	}
	for _, each := range people {
		if each.Name == name {
			p.id = each.ID
		}
	}
	p.auth.Options.UserHandle = []byte(p.id)
	p.auth.AddCredential(p.cred)
}

func json1(r *http.Request) { r.Header.Set("Accept", "application/json") }

func (p *person) signIn() answer {
	p.d.t.Helper()
	options := p.options("/console/sign-in/begin", url.Values{})
	return p.do("POST", "/console/sign-in/finish", url.Values{"answer": {p.asserted(options)}}, json1)
}

// confirm adds the passkey's answer for an act to a form.
func (p *person) confirm(act string, form url.Values) url.Values {
	p.d.t.Helper()
	out := url.Values{}
	for k, v := range form {
		out[k] = v
	}
	out.Set("passkey", p.asserted(p.options("/console/confirm", url.Values{"act": {act}})))
	return out
}

func (d *desk) first() *person {
	d.t.Helper()
	token, _, err := d.staff.First(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	p := d.stranger()
	p.join(token, "佐藤")
	return p
}

// hire lets somebody in who has roles, and access to all cases.
func (d *desk) hire(name string, every actor.Access, roles ...actor.Role) *person {
	d.t.Helper()
	token, err := d.staff.Invite(d.t.Context(), actor.Operator(), name, roles, every)
	if err != nil {
		d.t.Fatal(err)
	}
	p := d.stranger()
	p.join(token, name)
	return p
}

func moment(t *testing.T, s string) incident.Moment {
	t.Helper()
	m, err := incident.ParseMoment(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// declare opens a case from the host, which nobody has who has not all.
func (d *desk) declare(title string) string {
	d.t.Helper()
	d.declared++
	k, err := d.cases.Declare(d.t.Context(), actor.Operator(), response.Declaration{ID: fmt.Sprintf("case-%d", d.declared), Title: title, Organisation: "Example Shop", Known: moment(d.t, "2026-08-20T10:09+09:00"), Regimes: []string{"jp-appi"}})
	if err != nil {
		d.t.Fatal(err)
	}
	return k.ID
}
