package console

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/reach"
	"shirase/internal/response"
	"shirase/internal/roster"
)

// TestOvertaken tells seven people of eight, has the figures stated in a report that is handed in, and has three mails come back: the figures are proposed
// anew, and the report that states the earlier ones is named, where the campaign is and where the fact is changed.
func TestOvertaken(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		writer := d.hire("書く人", actor.Full, actor.Writer)
		id := d.declare("不正アクセス")
		export := filepath.Join(t.TempDir(), "export.csv")
		var b strings.Builder
		b.WriteString("id,mail\n")
		for i := range 6 {
			fmt.Fprintf(&b, "%d,u%d@example.com\n", i, i)
		}
		b.WriteString("6,a@slow.example\n7,b@slow.example\n")
		if err := os.WriteFile(export, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		rules, err := roster.ParseRules("rules.yaml", []byte("columns: {account: id, email: mail}\nsets:\n  - {classes: [email]}\n"), incident.ClassWords())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.rosters.Create(t.Context(), actor.Operator(), id, roster.Options{Export: export, Rules: rules, TempDir: t.TempDir()}); err != nil {
			t.Fatal(err)
		}
		looked := make(chan struct{}, 1)
		d.campaigns.Conditions = map[string]reach.Condition{"look": func(context.Context, string) (reach.Open, error) {
			select {
			case looked <- struct{}{}:
			default:
			}
			return reach.Open{Yes: true}, nil
		}}
		c, err := d.campaigns.Create(t.Context(), actor.Operator(), reach.Spec{Incident: id, From: reach.Sender{Address: "notice@example.jp"}, Subject: language.Both("お知らせ", ""), Text: language.Both("漏えいしました。", ""),
			Needs: []string{"look"}}, reach.Rates{PerDomain: map[string]float64{"slow.example": 0.001}}, time.Time{}) // one of two there is told, and it goes on
		if err != nil {
			t.Fatal(err)
		}
		d.begun(c)
		sending, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); d.campaigns.Work(sending, func(err error) { t.Error(err) }) }()
		for told := int64(0); told < 7; {
			<-looked
			n, err := d.campaigns.Counts(t.Context(), actor.Operator(), c.ID)
			if err != nil {
				t.Fatal(err)
			}
			told = n[reach.HandedOver]
		}
		stop()
		<-ended
		at, one := "/console/cases/"+id, "/console/cases/"+id+"/reach/"+c.ID

		page := writer.get(one).body
		form := figuresForm(t, page)
		if !strings.Contains(page, "まだ記録していません") || form.Get("item") != "told-"+c.ID || !strings.Contains(form.Get("f.value"), "渡し、その後の知らせがない数: 7") {
			t.Fatalf("%v", form)
		}
		if a := writer.post(at+"/facts/preview", form); a.status != http.StatusOK || !strings.Contains(a.body, "速報") || strings.Contains(a.body, "この変更で古くなるもの") {
			t.Errorf("before they are recorded: %d", a.status)
		}
		if a := writer.post(at+"/facts/save", form); a.status != http.StatusSeeOther {
			t.Fatal(a.status, a.body)
		}
		if page := writer.get(one).body; !strings.Contains(page, "事実に記録した数字と同じです") {
			t.Error("once they are recorded")
		}
		if _, _, err := d.cases.Send(t.Context(), actor.Operator(), id, response.Sending{Kind: "ppc-sokuho", Lang: language.JA, To: "個人情報保護委員会"}); err != nil {
			t.Fatal(err)
		}

		back := 0
		err = d.campaigns.Each(t.Context(), actor.Operator(), c.ID, []reach.State{reach.HandedOver}, func(_ reach.Recipient, mid string) error {
			if back++; back > 3 {
				return nil
			}
			x, err := d.campaigns.Mailed(t.Context(), mid)
			if err == nil {
				_, err = d.campaigns.Bounced(t.Context(), actor.Server(), x.Token, reach.Outcome{State: reach.Bounced, Reason: "userunknown"})
			}
			return err
		})
		if err != nil || back != 7 {
			t.Fatal(back, err)
		}
		page = writer.get(one).body
		for _, want := range []string{"事実に記録した数字から変わりました", "古い数字を述べているもの", "個人情報保護委員会、"} {
			if !strings.Contains(page, want) {
				t.Errorf("the campaign's page does not say %s", want)
			}
		}
		form = figuresForm(t, page)
		if !strings.Contains(form.Get("f.value"), "届けられなかった数: 3") {
			t.Errorf("%v", form)
		}
		a := writer.post(at+"/facts/preview", form)
		for _, want := range []string{"この変更で古くなるもの", "個人情報保護委員会、", "提出済みのものと変わります"} {
			if !strings.Contains(a.body, want) {
				t.Errorf("the change does not say %s: %d", want, a.status)
			}
		}
		form.Set("was", versionIn(t, a.body))
		if a := writer.post(at+"/facts/save", form); a.status != http.StatusSeeOther {
			t.Fatal(a.status, a.body)
		}
		if page := writer.get(one).body; !strings.Contains(page, "事実に記録した数字と同じです") || strings.Contains(page, "古い数字") {
			t.Error("once the new ones are recorded")
		}
		// Who may not see the case is told nothing of it.
		if _, err := d.cases.Overtaken(t.Context(), actor.Actor{}, id, language.Same("6")); err == nil {
			t.Error("nobody in particular is told what was handed in")
		}
	})
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

// figuresForm is the form that proposes a campaign's figures as a fact.
func figuresForm(t *testing.T, page string) url.Values {
	t.Helper()
	_, rest, ok := strings.Cut(page, `/facts/preview">`)
	rest, _, _ = strings.Cut(rest, "</form>")
	if !ok {
		t.Fatal("the page proposes no figures")
	}
	out := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(rest, -1) {
		out.Set(m[1], html.UnescapeString(m[2]))
	}
	return out
}

func versionIn(t *testing.T, page string) string {
	t.Helper()
	m := regexp.MustCompile(`name="was" value="([0-9a-f]{16})"`).FindStringSubmatch(page)
	if m == nil {
		t.Fatal("it has no version")
	}
	return m[1]
}
