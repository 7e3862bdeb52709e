package console

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/proposal"
	"shirase/internal/reach"
	"shirase/internal/reach/preflight"
	"shirase/internal/reach/returned"
	"shirase/internal/reach/smtp"
	"shirase/internal/reach/smtptest"
	"shirase/internal/roster"
)

// reaching is telling everybody, over the rooms of a desk, by a relay that takes all mail.
func (d *desk) reaching(ctx context.Context, rosters *roster.Rosters, incidents *incident.Incidents) Reaching {
	d.t.Helper()
	d.rosters, d.mails = rosters, make(chan struct{}, 1000)
	sink := &smtptest.Sink{Taken: func(smtptest.Envelope, []byte) { d.mails <- struct{}{} }}
	at, err := sink.Listen("")
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(sink.Close)
	if d.returned, err = returned.New(ctx, returned.Rooms{DB: d.db, Address: "back@bounce.example.jp", Seal: rosters.Sealer}); err != nil {
		d.t.Fatal(err)
	}
	d.campaigns, err = reach.New(ctx, reach.Rooms{DB: d.db, Rosters: rosters, Incident: incidents.Get, URL: base, Poll: time.Millisecond,
		Number: func(context.Context, string) (string, error) { return "n-1", nil }, Wanted: d.staff.Staffed,
		Preflight: func(context.Context, string) (out []language.Text, _ error) {
			for _, x := range d.against {
				out = append(out, language.Both("点検："+x, x))
			}
			return out, nil
		},
		Mailer: &reach.Mailer{Relays: []smtp.Relay{{Address: at, Security: smtp.None, Hello: "notice.example.jp"}}, Bounces: "back@bounce.example.jp"}})
	if err != nil {
		d.t.Fatal(err)
	}
	return Reaching{Campaigns: d.campaigns, Returned: d.returned,
		Preflight: func(context.Context, string) ([]preflight.Finding, error) {
			return []preflight.Finding{{ID: "spf", Level: preflight.Well, What: language.Both("レコードは、このアドレスを認めています", "the record lets these addresses send")}}, nil
		},
		Figures: func(ctx context.Context, who actor.Actor, c *reach.Campaign) (returned.Told, error) {
			n, err := d.campaigns.Counts(ctx, who, c.ID)
			return returned.Told{Channel: language.Both("メール", "mail"), From: c.Started, To: c.Ended, States: n.Names()}, err
		}}
}

func (d *desk) planMail(ctx context.Context, who actor.Actor, id string, request []byte) (proposal.Plan, error) {
	var asked reach.Asked
	if err := json.Unmarshal(request, &asked); err != nil {
		return proposal.Plan{}, err
	}
	p, err := d.campaigns.Plan(ctx, who, id, asked)
	if err != nil {
		return proposal.Plan{}, err
	}
	return proposal.Plan{Bytes: p.Bytes, Effect: proposal.Effect{Says: p.Says, People: p.People, Unit: "accounts", Doubts: p.Doubts}}, nil
}

// campaign makes a draft for two people.
func (d *desk) campaign(id string) *reach.Campaign {
	d.t.Helper()
	ctx, by := d.t.Context(), actor.Operator()
	if _, err := d.rosters.Latest(ctx, id); err != nil {
		export := filepath.Join(d.t.TempDir(), "export.csv")
		if err := os.WriteFile(export, []byte("id,mail\n1,a@example.com\n2,b@example.com\n"), 0o600); err != nil {
			d.t.Fatal(err)
		}
		rules, err := roster.ParseRules("rules.yaml", []byte("columns: {account: id, email: mail}\nsets:\n  - {classes: [email]}\n"), incident.ClassWords())
		if err != nil {
			d.t.Fatal(err)
		}
		if _, err := d.rosters.Create(ctx, by, id, roster.Options{Export: export, Rules: rules, TempDir: d.t.TempDir()}); err != nil {
			d.t.Fatal(err)
		}
	}
	c, err := d.campaigns.Create(ctx, by, reach.Spec{Incident: id, From: reach.Sender{Name: language.Both("事務局", "Notices"), Address: "notice@example.jp"},
		Subject: language.Both("お知らせ", "A notice"), Text: language.Both("漏えいした項目は{{you.exposed}}です。", "Of you: {{you.exposed}}.")}, reach.Rates{}, time.Time{})
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

// begun has a campaign run.
func (d *desk) begun(c *reach.Campaign) {
	d.t.Helper()
	p, err := d.campaigns.Plan(d.t.Context(), actor.Operator(), c.Incident, reach.Asked{Campaign: c.ID, Despite: "x"})
	if err == nil {
		err = d.campaigns.Approve(d.t.Context(), actor.Operator(), p, nil)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// stageReach gives a case what a form of its campaigns names.
func (d *desk) stageReach(it map[string]string, name string) {
	d.t.Helper()
	ctx, by, id := d.t.Context(), actor.Operator(), it["case"]
	c := d.campaign(id)
	switch name[strings.LastIndex(name, "/")+1:] {
	case "pause", "resume", "resend", "log":
		d.begun(c)
	}
	if strings.HasSuffix(name, "resume") {
		if err := d.campaigns.Pause(ctx, by, c.ID, ""); err != nil {
			d.t.Fatal(err)
		}
	}
	if err := d.returned.Suppress(ctx, by, id, "c@example.com", "", time.Now().AddDate(0, 0, 1)); err != nil {
		d.t.Fatal(err)
	}
	list, err := d.returned.List(ctx, by, id, 1)
	if err != nil || len(list) != 1 {
		d.t.Fatal(list, err)
	}
	c, err = d.campaigns.Get(ctx, by, c.ID)
	if err != nil {
		d.t.Fatal(err)
	}
	it["CAMPAIGN"], it["SUPPRESSION"], it["SEEN"] = c.ID, list[0].ID, itoa(c.Version)
}

// TestCampaignPages tells two people from the console: a draft, its preview, a test, what a check has against it, a second person's look at the text,
// rates that two change at once, and what became of each mail.
func TestCampaignPages(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		writer := d.hire("書く人", actor.Full, actor.Writer)
		commander := d.hire("指揮者", actor.Full, actor.Commander)
		id := d.declare("不正アクセス")
		d.campaign(id) // and its roster
		at := "/console/cases/" + id + "/reach"
		entered := url.Values{"from": {"notice@example.jp"}, "from.ja": {"事務局"}, "subject.ja": {"お知らせ"}, "text.ja": {"{{affected.sum}}"}, "perSecond": {"1"}, "class": {"email"}}
		if a := writer.post(at+"/new", entered); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "text.ja:1:1") || !strings.Contains(a.body, "{{affected.sum}}") {
			t.Fatalf("a text that refers to nothing: %d", a.status)
		}
		entered.Set("text.ja", "# お詫び\n\n漏えいした項目は{{you.exposed}}です。")
		entered.Set("perDomain", "gmail.com")
		if a := writer.post(at+"/new", entered); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "gmail.com=20") {
			t.Fatalf("a rate that is none: %d", a.status)
		}
		entered.Set("perDomain", "gmail.com=20")
		a := writer.post(at+"/new", entered)
		if a.status != http.StatusSeeOther {
			t.Fatal(a.status, a.body)
		}
		preview := a.header.Get("Location")
		one := strings.TrimSuffix(preview, "/preview")
		page := writer.get(preview).body
		for _, want := range []string{"■ お詫び", "メールアドレスです", "およそ2秒", "spf", "送信を提案する", "notice@example.jp"} {
			if !strings.Contains(page, want) {
				t.Errorf("the preview does not say %s", want)
			}
		}
		if a := writer.post(one+"/test", url.Values{"to": {"me@example.jp"}}); a.status != http.StatusSeeOther {
			t.Fatal(a.status, a.body)
		}
		<-d.mails
		d.against = []string{"SPF does not name the relay"}
		seen := versionOf(t, writer.get(preview).body)
		if a := writer.post(one+"/propose", url.Values{"version": {seen}}); a.status != http.StatusConflict || !strings.Contains(a.body, "それでも送る理由") {
			t.Errorf("proposed although a check has failed: %d", a.status)
		}
		if a := writer.post(one+"/propose", url.Values{"version": {"0"}, "despite": {"x"}}); a.status != http.StatusConflict {
			t.Errorf("proposed what was not looked at: %d", a.status)
		}
		a = writer.post(one+"/propose", url.Values{"version": {seen}, "despite": {"記録を直している"}})
		if a.status != http.StatusSeeOther {
			t.Fatal(a.status, a.body)
		}
		shown := commander.get(a.header.Get("Location"))
		if page = shown.body; shown.status != http.StatusOK {
			t.Fatal(a.header.Get("Location"), shown.status, d.logged.String())
		}
		for _, want := range []string{"送られる文章", "漏えいした項目は", "SPF does not name the relay", "記録を直している", "<b>2</b>"} {
			if !strings.Contains(page, want) {
				t.Errorf("the proposal does not say %s", want)
			}
		}
		c, err := d.campaigns.Get(t.Context(), actor.Operator(), one[strings.LastIndex(one, "/")+1:])
		if err != nil || c.Rates.PerSecond != 1 || c.Rates.PerDomain["gmail.com"] != 20 {
			t.Fatal(c, err)
		}
		d.begun(c)
		seen = versionOf(t, writer.get(one).body)
		if a := writer.post(one+"/rates", url.Values{"version": {seen}, "perSecond": {"500"}}); a.status != http.StatusSeeOther {
			t.Fatal(a.status, a.body)
		}
		a = commander.post(one+"/rates", url.Values{"version": {seen}, "perSecond": {"7"}})
		if a.status != http.StatusConflict || !strings.Contains(a.body, `value="7"`) || !strings.Contains(a.body, "<dd>500</dd>") {
			t.Errorf("both changed the rates: %d", a.status)
		}
		if a := commander.post(one+"/rates", url.Values{"version": {versionOf(t, a.body)}, "perSecond": {"7"}}); a.status != http.StatusSeeOther {
			t.Errorf("again, having seen it: %d", a.status)
		}
		if a := commander.post(one+"/pause", url.Values{"why": {"x"}}); a.status != http.StatusConflict {
			t.Errorf("a form that has read nothing: %d", a.status)
		}
		other := d.declare("別の事案")
		if a := commander.get("/console/cases/" + other + "/reach/" + c.ID); a.status != http.StatusNotFound {
			t.Errorf("a campaign of another case: %d", a.status)
		}
		sending, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); d.campaigns.Work(sending, func(err error) { t.Error(err) }) }()
		<-d.mails
		<-d.mails
		stop()
		<-ended
		page = commander.get(one).body
		for _, want := range []string{"送信サーバーに渡した", "監督機関への報告の数字", "点検の結果を"} {
			if !strings.Contains(page, want) {
				t.Errorf("the page does not say %s", want)
			}
		}
	})
}

func versionOf(t *testing.T, page string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, `name="version" value="`)
	if !ok {
		t.Fatal("the page has no version")
	}
	version, _, _ := strings.Cut(rest, `"`)
	return version
}
