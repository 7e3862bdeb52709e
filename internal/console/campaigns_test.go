package console

import (
	"context"
	"encoding/csv"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/files"
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
	dir, err := files.Open(filepath.Join(d.t.TempDir(), "files"))
	if err != nil {
		d.t.Fatal(err)
	}
	d.campaigns, err = reach.New(ctx, reach.Rooms{Files: dir, Accounts: func(context.Context, actor.Actor, string, int64, string) (io.ReadCloser, reach.Listed, error) {
		return io.NopCloser(strings.NewReader("id,氏名,住所\n1,例示 太郎,東京都千代田区1\n2,例示 花子,東京都千代田区2\n")), reach.Listed{Name: "list.csv"}, nil
	}, Known: incidents.Get, RecordFacts: func(ctx context.Context, who actor.Actor, id string, edits ...incident.Edit) error {
		_, err := incidents.Change(ctx, who, id, edits...)
		return err
	}, DB: d.db, Rosters: rosters, Incident: incidents.Get, URL: base, Poll: time.Millisecond,
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

func (d *desk) planExport(ctx context.Context, who actor.Actor, id string, request []byte) (proposal.Plan, error) {
	var asked reach.AskedExport
	if err := json.Unmarshal(request, &asked); err != nil {
		return proposal.Plan{}, err
	}
	p, err := d.campaigns.PlanExport(ctx, who, id, asked)
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
	switch last := name[strings.LastIndex(name, "/")+1:]; last {
	case "export", "withdraw", "handover", "destroyed", "results", "measure", "record":
		c = d.lettersOf(it, last)
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

// lettersOf makes a campaign of letters, and a file of it that stands as a form wants it.
func (d *desk) lettersOf(it map[string]string, last string) *reach.Campaign {
	d.t.Helper()
	ctx, by, id := d.t.Context(), actor.Operator(), it["case"]
	must := func(err error) {
		d.t.Helper()
		if err != nil {
			d.t.Fatal(err)
		}
	}
	house, err := age.GenerateX25519Identity()
	must(err)
	it["HOUSE"] = house.Recipient().String()
	c, err := d.campaigns.Create(ctx, by, reach.Spec{Incident: id, Channel: reach.Post, Subject: language.Both("お詫び", "A notice"), Text: language.Both("漏えいした項目は{{you.exposed}}です。", "Of you: {{you.exposed}}.")}, reach.Rates{}, time.Time{})
	must(err)
	if last == "export" {
		return c
	}
	p, err := d.campaigns.PlanExport(ctx, by, id, reach.AskedExport{Campaign: c.ID, House: "例示印刷", Recipients: []string{it["HOUSE"]}, Purpose: "郵送",
		DestroyBy: time.Now().AddDate(0, 0, 20).Format(time.DateOnly), Evidence: 1, By: "account", Key: "id",
		Columns: []string{"氏名", "住所"}, Texts: true})
	must(err)
	it["FILE"], err = d.campaigns.ApproveExport(ctx, by, p, nil)
	must(err)
	must(d.campaigns.Make(ctx, it["FILE"]))
	if last == "withdraw" || last == "handover" {
		return c
	}
	_, f, err := d.campaigns.HandOver(ctx, by, it["FILE"])
	must(err)
	defer f.Close()
	plain, err := age.Decrypt(io.NewSectionReader(f, 0, f.Size()), house)
	must(err)
	rows, err := csv.NewReader(plain).ReadAll()
	must(err)
	it["RESULTS"] = "reference,outcome,date,reason\n" + rows[1][0] + ",accepted,,\n" + rows[2][0] + ",returned,,moved\n"
	if last == "measure" || last == "record" {
		_, err := d.campaigns.Results(ctx, by, it["FILE"], strings.NewReader(it["RESULTS"]))
		must(err)
	}
	return c
}

// TestLetterPages gives two people's names to a house that prints letters, and reads what came of them: proposed, made, handed over, read back, and
// what was done instead, in the register and in the facts.
func TestLetterPages(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		writer := d.hire("書く人", actor.Full, actor.Writer)
		commander := d.hire("指揮者", actor.Full, actor.Commander)
		auditor := d.hire("見る人", actor.None, actor.Auditor)
		id := d.declare("不正アクセス")
		d.campaign(id) // and its roster
		at := "/console/cases/" + id + "/reach"
		if a := writer.get(at + "/outcome"); a.status != http.StatusOK || !strings.Contains(a.body, "まだ配信を始めていません") {
			t.Fatalf("%d %s", a.status, d.logged)
		}
		it := map[string]string{"case": id}
		c := d.lettersOf(it, "export")
		page := at + "/" + c.ID
		asked := url.Values{"house": {"例示印刷"}, "recipients": {"AGE-SECRET-KEY-1"}, "purpose": {"郵送"},
			"destroyBy": {time.Now().AddDate(0, 0, 20).Format(time.DateOnly)}, "evidence": {"1"}, "keyKind": {"account"}, "key": {"id"}, "columns": {"氏名\n住所"}, "encoding": {"shift_jis"}}
		if a := writer.post(page+"/export", asked); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "age1") || !strings.Contains(a.body, "例示印刷") {
			t.Fatalf("a key that is none: %d", a.status)
		}
		asked.Set("recipients", it["HOUSE"])
		if a := writer.post(page+"/export", asked); a.status != http.StatusSeeOther {
			t.Fatalf("%d %s", a.status, a.body)
		}
		c = d.lettersOf(it, "handover")
		page = at + "/" + c.ID
		if a := auditor.get(page); a.status != http.StatusOK || !strings.Contains(a.body, it["FILE"]) || strings.Contains(a.body, page+"/handover") {
			t.Errorf("an auditor's page: %d", a.status)
		}
		taken := writer.post(page+"/handover", url.Values{"export": {it["FILE"]}})
		if taken.status != http.StatusOK || !strings.HasPrefix(taken.body, "age-encryption.org/v1") || strings.Contains(taken.body, "太郎") {
			t.Fatalf("%d %.40q", taken.status, taken.body)
		}
		other := d.lettersOf(it, "export")
		if a := writer.post(at+"/"+other.ID+"/handover", url.Values{"export": {it["FILE"]}}); a.status != http.StatusNotFound {
			t.Errorf("a file of another campaign: %d", a.status)
		}
		if a := writer.upload(page+"/results", url.Values{"export": {it["FILE"]}}, "r.csv", strings.NewReader("reference,outcome\nx,accepted\n")); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "line 2") {
			t.Errorf("results that are none: %d", a.status)
		}
		c = d.lettersOf(it, "results")
		page = at + "/" + c.ID
		if a := writer.upload(page+"/results", url.Values{"export": {it["FILE"]}}, "r.csv", strings.NewReader(it["RESULTS"])); a.status != http.StatusSeeOther {
			t.Errorf("%d %s", a.status, a.body)
		}
		if a := writer.post(page+"/destroyed", url.Values{"export": {it["FILE"]}, "on": {time.Now().In(incident.Japan).Format(time.DateOnly)}, "by": {"証明書 12"}}); a.status != http.StatusSeeOther {
			t.Errorf("%d", a.status)
		}
		measure := url.Values{"kind": {"page"}, "on": {time.Now().In(incident.Japan).Format(time.DateOnly)}, "reference": {"nowhere"}}
		if a := commander.post(at+"/measure", measure); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "nowhere") {
			t.Errorf("a page without an address: %d", a.status)
		}
		// Both people of the roster are in another file that the house has, so that nobody is left to do anything for.
		measure.Set("reference", "https://example.jp/notice")
		if a := commander.post(at+"/measure", measure); a.status != http.StatusConflict {
			t.Errorf("%d", a.status)
		}
		shown := writer.get(at + "/outcome")
		if shown.status != http.StatusOK || !strings.Contains(shown.body, "証明書 12") || !strings.Contains(shown.body, "郵便で知らせた") {
			t.Errorf("%d %s", shown.status, shown.body)
		}
		if a := writer.post(at+"/record", url.Values{"fact": {"persons-notified", "action told"}}); a.status != http.StatusSeeOther {
			t.Errorf("%d %s", a.status, a.body)
		}
		if a := writer.post(at+"/record", url.Values{"fact": {"action told"}}); a.status != http.StatusConflict {
			t.Errorf("a fact that was recorded since: %d", a.status)
		}
	})
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

// TestWhatACampaignWaitsFor: why a campaign does not send is told in the reader's language, on its page and in the list; what somebody wrote who
// paused it stays as it is.
func TestWhatACampaignWaitsFor(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		id := d.declare("事案")
		p := d.hire("鈴木", actor.Full, actor.Commander)
		c := d.campaign(id)
		waits := language.Both("再設定は7月19日21時に開始の予定です", "reset: resetting opens on 19 July at 21:00 (JST)")
		for _, why := range []language.Text{waits, language.Same("電話で頼まれた")} {
			if _, err := d.db.ExecContext(t.Context(), `UPDATE reach_campaign SET state = 'running', why = $2 WHERE id = $1`, c.ID, why.Record()); err != nil {
				t.Fatal(err)
			}
			for _, at := range []string{"/console/cases/" + id + "/reach/" + c.ID, "/console/cases/" + id + "/reach"} {
				for _, lang := range []language.Lang{language.JA, language.EN} {
					body := p.get(at + "?lang=" + string(lang)).body
					if !strings.Contains(body, ">"+why.In(lang)+"<") || why.JA != why.EN && strings.Contains(body, why.In(lang.Other())) {
						t.Errorf("%s in %s does not say %q alone", at, lang, why.In(lang))
					}
				}
			}
		}
	})
}
