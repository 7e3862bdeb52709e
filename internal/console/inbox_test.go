package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/collect"
	"shirase/internal/collect/webtest"
	"shirase/internal/language"
)

// item lays a notice into the inbox that nobody has read yet.
func (d *desk) item() string {
	d.t.Helper()
	d.laid++
	n := webtest.Notices(d.laid)[d.laid-1]
	n.Organisation = fmt.Sprintf("株式会社第%d例示", d.laid)
	return d.lay(n.Text())
}

func (d *desk) lay(text string) string {
	d.t.Helper()
	doc, err := d.collection.FetchFile(d.t.Context(), actor.Operator(), fmt.Sprintf("%d.txt", d.laid), []byte(text))
	if err != nil {
		d.t.Fatal(err)
	}
	i, err := d.collection.Lay(d.t.Context(), actor.Operator(), doc, "")
	if err != nil {
		d.t.Fatal(err)
	}
	return i.ID
}

// TestInbox decides about notices as a person does, by forms and nothing else.
func TestInbox(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		writer := d.hire("書く人", actor.None, actor.Writer)
		desk := d.hire("窓口", actor.Full, actor.Desk)
		if a := desk.get("/console/"); strings.Contains(a.body, "/console/inbox") {
			t.Error("who may not decide is shown the inbox")
		}
		n := webtest.Notices(1)[0]
		id := d.lay(n.Text() + "\n<script>alert(1)</script>\n")
		at := "/console/inbox/" + id
		page := writer.get(at)
		for _, want := range []string{n.Organisation, `<mark id="said-0">`, "SHA-256", `name="do.0"`, "1,000件", "&lt;script&gt;"} {
			if !strings.Contains(page.body, want) {
				t.Errorf("the page of an item does not say %s", want)
			}
		}
		if strings.Contains(page.body, "<script>alert") {
			t.Error("what somebody published is markup here")
		}
		l, err := d.collection.Show(t.Context(), actor.Operator(), id)
		if err != nil || len(l.Entries) < 4 {
			t.Fatal(len(l.Entries), err)
		}
		form := url.Values{"version": {"1"}, "incident": {"reiji-2026"}}
		for i, e := range l.Entries {
			form.Set(fmt.Sprintf("do.%d", i), "accepted")
			switch e.Key {
			case "organisation":
				form.Set(fmt.Sprintf("f.%d.value", i), "例示株式会社")
			case "cause":
				form.Set(fmt.Sprintf("do.%d", i), "skipped")
			case "discovered":
				form.Set(fmt.Sprintf("f.%d.value", i), "いつか")
			}
		}
		if a := writer.post(at+"/accept", form); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "いつか") || !strings.Contains(a.body, "data-refused") {
			t.Errorf("a day that is none: %d", a.status)
		}
		for i, e := range l.Entries {
			if e.Key == "discovered" {
				form.Set(fmt.Sprintf("f.%d.value", i), "2026-01-02")
			}
		}
		if a := writer.post(at+"/accept", form); a.status != http.StatusSeeOther {
			t.Fatal(a.status, a.body)
		}
		inc, err := d.cases.Incidents.Get(t.Context(), "reiji-2026")
		if err != nil {
			t.Fatal(err)
		}
		if f, _ := inc.Fact("organisation"); f.Value.Text.In(language.JA) != "例示株式会社" {
			t.Errorf("what was corrected is %+v", f.Value)
		}
		if _, has := inc.Fact("cause"); has {
			t.Error("what was skipped is recorded")
		}
		outcomes := map[string]string{}
		if err := d.collection.Labels(t.Context(), actor.Operator(), true, func(l collect.Label) error {
			outcomes[l.Key] = l.Outcome
			return nil
		}); err != nil || outcomes["organisation"] != collect.Corrected || outcomes["cause"] != collect.Skipped || outcomes["title"] != collect.Taken {
			t.Errorf("labels: %v, %v", outcomes, err)
		}
		if a := writer.post(at+"/accept", form); a.status != http.StatusConflict {
			t.Errorf("accepted twice: %d", a.status)
		}
		if page := writer.get(at); !strings.Contains(page.body, writer.id) {
			t.Error("who accepted is not shown")
		}
		if a := writer.post(at+"/undo", nil); a.status != http.StatusSeeOther {
			t.Fatal(a.status, a.body)
		}
		if inc, err = d.cases.Incidents.Get(t.Context(), "reiji-2026"); err != nil || inc.State() != "withdrawn" || len(inc.Facts) != 1 {
			t.Errorf("what an undone acceptance leaves: %v, %v", inc.Facts, err)
		}
		if a := writer.post("/console/inbox/fetch", url.Values{"url": {"http://127.0.0.1:1/"}}); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "127.0.0.1") {
			t.Errorf("a private address: %d", a.status)
		}
		claim, err := d.collection.Say(t.Context(), collect.Claim{Kind: collect.Correction, Incident: "reiji-2026", Text: "日付が違います。", Contact: "reader@example.org"})
		if err != nil {
			t.Fatal(err)
		}
		if page := writer.get("/console/inbox/" + claim.Item); !strings.Contains(page.body, "日付が違います。") || !strings.Contains(page.body, "reader@example.org") {
			t.Error("a correction is not shown to who decides")
		}
		if strings.Contains(d.logged.String(), "reader@") {
			t.Error("an address is logged")
		}
	})
}
