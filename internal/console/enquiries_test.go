package console

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/enquiry"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/proposal"
)

func (d *desk) answersAct() proposal.Act {
	plan := func(ctx context.Context, who actor.Actor, id string, request []byte) (*enquiry.Plan, error) {
		var a enquiry.AskedBatch
		if err := json.Unmarshal(request, &a); err != nil {
			return nil, err
		}
		return d.enquiries.Plan(ctx, who, id, a)
	}
	return proposal.Act{Single: true, Plan: func(ctx context.Context, who actor.Actor, id string, request []byte) (proposal.Plan, error) {
		p, err := plan(ctx, who, id, request)
		if err != nil {
			return proposal.Plan{}, err
		}
		return proposal.Plan{Bytes: p.Bytes, Effect: proposal.Effect{Says: p.Says, People: p.People}}, nil
	}, Do: func(ctx context.Context, who actor.Actor, id string, request []byte, _ string, settle func(*sql.Tx) error) (any, error) {
		p, err := plan(ctx, who, id, request)
		if err != nil {
			return nil, err
		}
		return nil, d.enquiries.Start(ctx, who, p, settle)
	}}
}

func (d *desk) publicAct() proposal.Act {
	return proposal.Act{Single: true, Plan: func(ctx context.Context, who actor.Actor, id string, request []byte) (proposal.Plan, error) {
		var a enquiry.AskedPublic
		if err := json.Unmarshal(request, &a); err != nil {
			return proposal.Plan{}, err
		}
		p, err := d.enquiries.PlanPublic(ctx, who, id, a)
		if err != nil {
			return proposal.Plan{}, err
		}
		return proposal.Plan{Bytes: p.Bytes, Effect: proposal.Effect{Says: p.Says, People: -1}}, nil
	}}
}

func (d *desk) recordFacts(ctx context.Context, who actor.Actor, id string, facts []incident.Fact) error {
	_, err := d.incidents.Add(ctx, who, &incident.FactsFile{ID: id, Facts: facts})
	return err
}

// enquired is an enquiry by mail whose mailbox was shown to be theirs.
func (d *desk) enquired(id, address, text, more string) string {
	d.t.Helper()
	ctx := d.t.Context()
	raw := "From: " + address + "\r\nMessage-ID: <" + fmt.Sprint(len(d.letters)) + "@x.example>\r\n" + more + text
	if more == "" {
		raw = "From: " + address + "\r\n\r\n" + text
	}
	before := len(d.letters)
	if err := d.enquiries.TakeMail(ctx, []byte(raw), "support+"+id+"@desk.example"); err != nil {
		d.t.Fatal(err)
	}
	if _, err := d.enquiries.Send(ctx); err != nil {
		d.t.Fatal(err)
	}
	token := ""
	for _, l := range d.letters[before:] {
		if m := regexp.MustCompile(`confirm\?t=(\S+)`).FindStringSubmatch(l.Text); m != nil && l.To == address {
			token = m[1]
		}
	}
	if _, err := d.enquiries.Confirm(ctx, token); err != nil {
		d.t.Fatal(err)
	}
	e, _, _ := strings.Cut(token, "-")
	topic := "affected"
	is, err := d.enquiries.Get(ctx, actor.Operator(), id, e)
	if err == nil {
		err = d.enquiries.Change(ctx, actor.Operator(), id, e, is.Version, enquiry.Set{Topic: &topic})
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return e
}

const withFile = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n"

// stageEnquiries has a case have two enquiries of one person with a file, an answer that is given again, and one for many. still: once is enough.
func (d *desk) stageEnquiries(it map[string]string, still bool) {
	d.t.Helper()
	if it["ENQUIRY"] != "" && still {
		return
	}
	ctx, by, id := d.t.Context(), actor.Operator(), it["case"]
	if err := d.enquiries.SetOpen(ctx, by, id, true); err != nil {
		d.t.Fatal(err)
	}
	address := strings.ToLower(newAddress())
	it["ENQUIRY"] = d.enquired(id, address, "何人ですか\r\n--b\r\nContent-Type: text/html; name=x.html\r\n\r\n<script>alert(1)</script>\r\n--b--\r\n", withFile)
	it["OTHER"] = d.enquired(id, address, "もう一つ", "")
	if err := d.enquiries.PutCanned(ctx, by, id, enquiry.Canned{ID: "how-many", Subject: language.Both("答", "A"), Text: language.Both("「{{title}}」です。", "{{title}}")}); err != nil && !strings.Contains(err.Error(), "changed") {
		d.t.Fatal(err)
	}
	b, err := d.enquiries.NewBatch(ctx, by, id, enquiry.Choice{Topic: "affected"}, enquiry.Draft{Canned: "how-many"})
	if err != nil {
		d.t.Fatal(err)
	}
	is, err := d.enquiries.Get(ctx, by, id, it["ENQUIRY"])
	if err != nil || len(is.Messages) == 0 || len(is.Messages[0].Files) != 1 {
		d.t.Fatalf("%+v, %v", is, err)
	}
	it["BATCH"], it["SEEN"], it["ATTACHED"] = b, itoa(is.Version), is.Messages[0].Files[0].ID
}

var addresses int

func newAddress() string {
	addresses++
	return fmt.Sprintf("someone%d@example.com", addresses)
}

// TestEnquiries: the desk's day: a stranger's text and file are shown as what they are, an answer is seen before it leaves, a fact changes, and who was
// told otherwise gets a correction that a second person has approved.
func TestEnquiries(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		id := d.declare("事案")
		it := map[string]string{"case": id}
		d.stageEnquiries(it, false)
		evil := d.enquired(id, newAddress(), "<img src=x onerror=alert(1)> \u202egnp.exe {{title}}", "")
		clerk, writer, approver := d.hire("窓口", actor.None, actor.Desk), d.hire("書き手", actor.None, actor.Writer), d.hire("承認", actor.None, actor.Approver)
		for _, p := range []*person{clerk, writer, approver} {
			if err := d.staff.GiveAccess(t.Context(), actor.Operator(), id, p.id, actor.Full); err != nil {
				t.Fatal(err)
			}
		}
		at := "/console/cases/" + id + "/enquiries"
		a := clerk.get(at + "/" + evil)
		if a.status != 200 || strings.Contains(a.body, "<img src=x") || strings.Contains(a.body, "\u202e") || !strings.Contains(a.body, "&lt;img src=x") {
			t.Errorf("%d: a stranger's text: %s", a.status, a.body)
		}
		if a := clerk.get(at); strings.Contains(a.body, "someone") || strings.Contains(a.body, "onerror") {
			t.Error("the queue says who asks, or what")
		}
		a = clerk.post(at+"/"+it["ENQUIRY"]+"/file", url.Values{"file": {it["ATTACHED"]}})
		if a.header.Get("Content-Type") != "application/octet-stream" || a.header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(a.header.Get("Content-Disposition"), "attachment") ||
			strings.Contains(a.header.Get("Content-Disposition"), "html") || !strings.Contains(a.header.Get("Content-Security-Policy"), "sandbox") || !strings.Contains(a.body, "alert(1)") {
			t.Errorf("a file: %v", a.header)
		}
		l, err := d.enquiries.Load(t.Context(), id)
		if want := "お問い合わせ</a>：回答待ち" + itoa(l.Waiting) + "件"; err != nil || l.Waiting < 2 || !strings.Contains(clerk.get("/console/").body, want) {
			t.Errorf("the board does not say %q: %v", want, err)
		}
		version := func(e string) string {
			t.Helper()
			is, err := d.enquiries.Get(t.Context(), actor.Operator(), id, e)
			if err != nil {
				t.Fatal(err)
			}
			return itoa(is.Version)
		}
		before := len(d.letters)
		a = clerk.post(at+"/"+it["ENQUIRY"]+"/preview", url.Values{"canned": {"how-many"}})
		if a.status != 200 || !strings.Contains(a.body, "「事案」です。") {
			t.Errorf("a preview: %d, %s", a.status, a.body)
		}
		if a = clerk.post(at+"/"+it["ENQUIRY"]+"/preview", url.Values{"subject": {"x"}, "text": {"{{cause}}"}}); a.status != 422 || !strings.Contains(a.body, "data-refused") {
			t.Errorf("a fact that nobody knows: %d", a.status)
		}
		if a = clerk.post(at+"/"+it["ENQUIRY"]+"/answer", url.Values{"version": {version(it["ENQUIRY"])}, "canned": {"how-many"}, "how": {"mail"}}); !through(a) {
			t.Errorf("an answer: %d %s", a.status, a.body)
		}
		if _, err := d.enquiries.Send(t.Context()); err != nil || len(d.letters) != before+1 {
			t.Fatal(err, len(d.letters)-before)
		}
		f, err := incident.ParseFactsFile("f.yaml", []byte("id: "+id+"\nfacts:\n  - {key: title, value: {ja: 改めた題, en: Another title}}\n"))
		if err == nil {
			_, err = d.incidents.Add(t.Context(), actor.Operator(), f)
		}
		if err != nil {
			t.Fatal(err)
		}
		if a = clerk.get(at + "/topics"); !strings.Contains(a.body, "改めた題") || !strings.Contains(a.body, "古くなったお答え") {
			t.Errorf("what is overtaken: %s", a.body)
		}
		if a = clerk.get(at + "/" + it["ENQUIRY"]); !strings.Contains(a.body, "古くなっています") {
			t.Error("the answer is not marked")
		}
		a = clerk.post(at+"/desk/correct", url.Values{"ja": {"お詫びします。"}, "en": {"We apologise."}})
		to := a.header.Get("Location")
		if a.status != 303 || !strings.Contains(to, "/batch/") {
			t.Fatalf("%d %s", a.status, a.body)
		}
		batch := strings.TrimPrefix(to[:strings.IndexAny(to+"?", "?")], base)
		if a = clerk.get(batch); !strings.Contains(a.body, "「事案」→ 現在「改めた題」") {
			t.Errorf("what would leave: %s", a.body)
		}
		if a = clerk.post(batch+"/propose", url.Values{}); a.status != 403 {
			t.Errorf("the desk proposes: %d", a.status)
		}
		a = writer.post(batch+"/propose", url.Values{})
		to = a.header.Get("Location")
		pid := to[strings.LastIndex(to[:strings.IndexAny(to+"?", "?")], "/")+1:]
		pid, _, _ = strings.Cut(pid, "?")
		p, err := d.proposals.Get(t.Context(), actor.Operator(), pid)
		if err != nil {
			t.Fatalf("%v: %d %s", err, a.status, a.body)
		}
		if _, err := d.enquiries.Send(t.Context()); err != nil || len(d.letters) != before+1 {
			t.Fatal("it left before it was approved", err)
		}
		if a = approver.post("/console/proposals/"+pid+"/approve", approver.confirm(p.Act(), url.Values{"digest": {p.Digest}})); !through(a) {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if _, err := d.enquiries.Send(t.Context()); err != nil || len(d.letters) != before+2 || !strings.Contains(d.letters[before+1].Text, "改めた題") {
			t.Errorf("%v, %+v", err, d.letters[before:])
		}
		d.enquiries.Floor = 1
		if a = writer.post(at+"/desk/fact", url.Values{}); !through(a) {
			t.Errorf("facts that follow: %d %s", a.status, a.body)
		}
		if in, err := d.incidents.Get(t.Context(), id); err != nil || len(in.Listed("secondary-damage")) == 0 {
			t.Errorf("%+v, %v", in, err)
		}
		if a = clerk.get(at + "/script"); a.status != 200 || !strings.Contains(a.body, "生年月日") {
			t.Errorf("the script: %d", a.status)
		}
		if a = clerk.get(at + "/topics?calls=120&minutes=5&staff=12"); !strings.Contains(a.body, "45 %") {
			t.Errorf("Erlang: %s", a.body)
		}
	})
}
