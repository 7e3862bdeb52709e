package console

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/proposal"
	"shirase/internal/spread"
	"shirase/internal/watchers"
)

// snippetAct is how a text to post is proposed and done, as the command has it.
func (d *desk) snippetAct() proposal.Act {
	plan := func(ctx context.Context, who actor.Actor, id string, request []byte) (*spread.SnippetPlan, error) {
		var asked spread.AskedSnippet
		if err := json.Unmarshal(request, &asked); err != nil {
			return nil, err
		}
		return d.places.PlanSnippet(ctx, who, id, asked)
	}
	return proposal.Act{Single: true,
		Plan: func(ctx context.Context, who actor.Actor, id string, request []byte) (proposal.Plan, error) {
			p, err := plan(ctx, who, id, request)
			if err != nil {
				return proposal.Plan{}, err
			}
			return proposal.Plan{Bytes: p.Bytes, Effect: proposal.Effect{Says: p.Says, People: -1}}, nil
		},
		Do: func(ctx context.Context, who actor.Actor, id string, request []byte, _ string, settle func(*sql.Tx) error) (any, error) {
			p, err := plan(ctx, who, id, request)
			if err != nil {
				return nil, err
			}
			return nil, d.places.Post(ctx, who, p, settle)
		},
	}
}

func (d *desk) known(ctx context.Context, id string) (incident.Incident, bool, error) {
	i, err := d.incidents.Get(ctx, id)
	if errors.Is(err, incident.ErrNotFound) {
		return i, false, nil
	}
	return i, err == nil, err
}

// stageSpread has a place be reported, and confirmed where a fact is to follow from it, and a text be posted.
func (d *desk) stageSpread(it map[string]string, name string) {
	d.t.Helper()
	ctx, id := d.t.Context(), it["case"]
	if err := d.places.Report(ctx, id, "forum", "https://forum.example/thread/"+newAddress()[:8]); err != nil {
		d.t.Fatal(err)
	}
	all, err := d.places.List(ctx, actor.Operator(), id)
	if err != nil || len(all) == 0 {
		d.t.Fatal(err)
	}
	it["PLACE"] = all[0].ID
	switch name {
	case "spread/fact":
		err = d.places.Decide(ctx, actor.Operator(), id, all[0].ID, "confirmed")
	case "spread/drop":
		var list []spread.Snippet
		if err = d.places.Post(ctx, actor.Operator(), &spread.SnippetPlan{Incident: id, Text: language.Both("文章", "a text")}, func(*sql.Tx) error { return nil }); err == nil {
			list, err = d.places.Snippets(ctx, id)
		}
		if err == nil {
			it["SNIPPET"] = list[0].ID
		}
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// TestSpread: what strangers report is text and no link; who looked at a place is kept; the fact that follows is recorded once; a text to post is held
// against the facts and approved by somebody else; and of those who watch there are numbers, and nothing else.
func TestSpread(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		id := d.declare("事案")
		writer, reader, approver := d.hire("書き手", actor.None, actor.Writer), d.hire("窓口", actor.None, actor.Desk), d.hire("承認", actor.None, actor.Approver)
		for _, p := range []*person{writer, reader, approver} {
			if err := d.staff.GiveAccess(t.Context(), actor.Operator(), id, p.id, actor.Full); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := d.db.ExecContext(t.Context(), `UPDATE staff_account SET created = 1000, approver_since = 1000, held_from = 1000, held_until = 1000`); err != nil {
			t.Fatal(err)
		}
		for _, place := range []string{`javascript:alert(1)//<script>alert(2)</script>`, "https://forum.example/thread/1?<b>"} {
			if err := d.places.Report(t.Context(), id, "forum", place); err != nil {
				t.Fatal(err)
			}
		}
		at := "/console/cases/" + id + "/spread"
		a := reader.get(at)
		if a.status != 200 || strings.Contains(a.body, "<script>alert(2)") || strings.Contains(a.body, `href="javascript`) || strings.Contains(a.body, `href="https://forum`) || !strings.Contains(a.body, "&lt;script&gt;alert(2)") ||
			strings.Contains(a.body, "spread/decide") {
			t.Errorf("%d: %s", a.status, a.body)
		}
		if a := writer.post(at+"/fact", nil); a.status != http.StatusConflict {
			t.Errorf("a fact of what nobody has looked at: %d", a.status)
		}
		all, err := d.places.List(t.Context(), actor.Operator(), id)
		if err != nil || len(all) != 2 {
			t.Fatal(all, err)
		}
		if a := writer.post(at+"/decide", url.Values{"place": {all[0].ID}, "state": {"gone"}}); a.status != http.StatusUnprocessableEntity {
			t.Errorf("a state that is none: %d", a.status)
		}
		if a := writer.post(at+"/decide", url.Values{"place": {"p-other"}, "state": {"confirmed"}}); a.status != http.StatusNotFound {
			t.Errorf("another place: %d", a.status)
		}
		if a := writer.post(at+"/decide", url.Values{"place": {all[0].ID}, "state": {"taken-down"}}); a.status != http.StatusSeeOther {
			t.Fatal(a.status, a.body)
		}
		if a := reader.get(at); !strings.Contains(a.body, "書き手") || !strings.Contains(a.body, "削除された") {
			t.Error("the page does not say who has looked at it")
		}
		if a := writer.post(at+"/fact", nil); a.status != http.StatusSeeOther {
			t.Fatal(a.status, a.body)
		}
		if a := writer.post(at+"/fact", nil); a.status != http.StatusConflict {
			t.Errorf("the same fact twice: %d", a.status)
		}
		i, err := d.incidents.Get(t.Context(), id)
		if err != nil || len(i.Listed("secondary-damage")) != 1 {
			t.Errorf("%+v, %v", i.Listed("secondary-damage"), err)
		}

		// A text to post.
		text := url.Values{"ja": {"対象は9,999人です。"}, "en": {"9,999 are affected."}}
		if a := writer.post(at+"/propose", text); a.status != http.StatusUnprocessableEntity || strings.Contains(a.body, `name="despite"`) || !strings.Contains(a.body, "対象は9,999人です。") {
			t.Errorf("against the facts: %d", a.status)
		}
		text = url.Values{"ja": {"お知らせのページをご覧ください。"}, "en": {"See the page of the notice."}}
		a = writer.post(at+"/propose", text)
		if a.status != http.StatusSeeOther {
			t.Fatal(a.status, a.body)
		}
		p, err := d.proposals.Get(t.Context(), actor.Operator(), strings.TrimPrefix(a.header.Get("Location"), "/console/proposals/"))
		if err != nil {
			t.Fatal(err)
		}
		if page := approver.get("/console/proposals/" + p.ID); !strings.Contains(page.body, "お知らせのページをご覧ください。\n\nSee the page of the notice.") {
			t.Errorf("whoever approves does not read the text: %s", page.body)
		}
		if list, err := d.places.Snippets(t.Context(), id); err != nil || len(list) != 0 {
			t.Errorf("it is there before it was approved: %v, %v", list, err)
		}
		if a := approver.post("/console/proposals/"+p.ID+"/approve", approver.confirm(p.Act(), url.Values{"digest": {p.Digest}})); !through(a) {
			t.Fatalf("%d %s", a.status, a.body)
		}
		list, err := d.places.Snippets(t.Context(), id)
		if err != nil || len(list) != 1 || list[0].Text.EN != "See the page of the notice." {
			t.Fatalf("%+v, %v", list, err)
		}
		const notShown = "It does not stand on the public page now"
		if a := writer.get(at + "?lang=en"); strings.Contains(a.body, notShown) {
			t.Error("a text that is shown is said not to be")
		}
		d.console.Spread.Posted = func(_ context.Context, _, text string) (bool, error) { return strings.Contains(text, "See"), nil }
		if a := writer.get(at + "?lang=en"); strings.Count(a.body, notShown) != 1 {
			t.Error("a text that the page leaves out is listed as if it were shown")
		}
		if a := writer.post(at+"/drop", url.Values{"snippet": {list[0].ID}}); a.status != http.StatusSeeOther {
			t.Errorf("%d %s", a.status, a.body)
		}
		if a := writer.get(at + "?lang=en"); !strings.Contains(a.body, "Taken off the page") || !strings.Contains(a.body, "by 書き手 ·") {
			t.Errorf("nobody is said to have taken it off: %s", a.body)
		}
		if a := writer.post(at+"/drop", url.Values{"snippet": {list[0].ID}}); a.status != http.StatusNotFound {
			t.Errorf("twice: %d", a.status)
		}

		// Who watches.
		if err := d.watching.Add(t.Context(), watchers.Choice{Digest: true, Lang: language.JA}, "hanako@people.example", "jiro@people.example"); err != nil {
			t.Fatal(err)
		}
		if _, err := d.db.ExecContext(t.Context(), `INSERT INTO watchers_follow (incident, n) SELECT '`+id+`', n FROM watchers_person`); err != nil {
			t.Fatal(err)
		}
		a = reader.get(at + "?lang=en")
		if n := strings.Count(a.body, `<td class="n">2</td>`); n != 2 || strings.Contains(a.body, "people.example") {
			t.Errorf("%d numbers: %s", n, a.body)
		}
		if strings.Contains(d.logged.String(), "people.example") {
			t.Error("the log has an address")
		}
	})
}
