package console

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/response"
	"shirase/internal/staff"
)

var feedAt = regexp.MustCompile(`https://console\.example(/console/calendar/[a-z2-7]{26}\.ics[^<]*)<`)

// TestCalendar: the address of a calendar is made by its owner's passkey and shown once; it says the deadlines of the cases that they
// see, and nothing of what happened; and one that was ended is as one that never was.
func TestCalendar(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		d.first()
		p, other := d.hire("鈴木", actor.None, actor.Writer), d.hire("高橋", actor.None, actor.Writer)
		theirs, hidden := d.declare("漏えいした会員の事案"), d.declare("別の事案")
		if err := d.staff.GiveAccess(ctx, actor.Operator(), theirs, p.id, actor.Reads); err != nil {
			t.Fatal(err)
		}
		if _, err := d.cases.Promise(ctx, actor.Operator(), theirs, 0, 0, func(x *response.Promise) {
			x.Text, x.Due = "山田太郎さんに電話する", "2030-01-01T00:00+09:00"
		}); err != nil {
			t.Fatal(err)
		}
		made := p.post("/console/account/feed", p.confirm(staff.ActFeed, url.Values{}))
		found := feedAt.FindStringSubmatch(made.body)
		if made.status != http.StatusOK || found == nil {
			t.Fatal(made.status, made.body)
		}
		path := found[1]
		if strings.Contains(p.get("/console/account").body, path) {
			t.Error("it is shown twice")
		}
		nobody := d.stranger()
		before := entries(t, d, theirs)
		a := nobody.get(path)
		if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), "text/calendar") || !strings.Contains(a.header.Get("Cache-Control"), "no-store") || len(a.header.Values("Set-Cookie")) != 0 {
			t.Fatal(a.status, a.header)
		}
		if !strings.Contains(a.body, "jp-appi-sokuho."+theirs+"@shirase") || !strings.Contains(a.body, "BEGIN:VCALENDAR") || !strings.Contains(a.body, "promise-case-") {
			t.Errorf("%s", a.body)
		}
		unfolded := strings.ReplaceAll(a.body, "\r\n ", "")
		for _, secret := range []string{"." + hidden + "@", "[" + hidden + "]", "漏えいした会員", "Example Shop", "山田", "鈴木", p.id} {
			if strings.Contains(unfolded, secret) {
				t.Errorf("it says %s", secret)
			}
		}
		if entries(t, d, theirs) != before {
			t.Error("a program that reads a calendar has looked at the case")
		}
		if english := nobody.get(strings.TrimSuffix(path, "?lang=ja") + "?lang=en"); !strings.Contains(english.body, "Due:") {
			t.Errorf("%s", english.body)
		}

		// It is an address to read by, and no way in.
		if a := nobody.get("/console/cases/" + theirs); a.status == http.StatusOK {
			t.Error("it lets somebody in")
		}
		if a := nobody.post(path, url.Values{}); a.status != http.StatusMethodNotAllowed {
			t.Errorf("it takes something: %d", a.status)
		}
		if a := other.get(path); a.status != http.StatusOK || !strings.Contains(a.body, theirs) { // whoever has it has it: it says so where it is made
			t.Error(a.status)
		}
		if a := other.post("/console/account/feed/end", url.Values{}); through(a) || nobody.get(path).status != http.StatusOK {
			t.Errorf("somebody else ended it: %d", a.status)
		}

		// Their access goes, and the calendar has the case no more.
		if err := d.staff.GiveAccess(ctx, actor.Operator(), theirs, p.id, actor.None); err != nil {
			t.Fatal(err)
		}
		if a := nobody.get(path); a.status != http.StatusOK || strings.Contains(a.body, theirs) {
			t.Errorf("%d: %s", a.status, a.body)
		}

		never := nobody.get("/console/calendar/" + strings.Repeat("a", 26) + ".ics")
		if a := p.post("/console/account/feed/end", url.Values{}); a.status != http.StatusSeeOther {
			t.Fatal(a.status)
		}
		ended := nobody.get(path)
		if ended.status != http.StatusNotFound || never.status != http.StatusNotFound || strings.ReplaceAll(ended.body, path, "") != strings.ReplaceAll(never.body, "/console/calendar/"+strings.Repeat("a", 26)+".ics", "") {
			t.Errorf("ended %d, never made %d", ended.status, never.status)
		}
		if logged := d.logged.String(); strings.Contains(logged, strings.Split(path, "/")[3][:26]) {
			t.Error("the address is in the log")
		}
		d.console.Allow = func(door Door, _ *http.Request, _ int) (time.Duration, bool) { return time.Minute, door != ByFeed }
		if a := nobody.get(path); a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" {
			t.Errorf("beyond the limit: %d", a.status)
		}
	})
}

func entries(t *testing.T, d *desk, id string) (n int64) {
	t.Helper()
	if err := d.db.QueryRowContext(context.Background(), `SELECT entries FROM response_case WHERE id = $1`, id).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}
