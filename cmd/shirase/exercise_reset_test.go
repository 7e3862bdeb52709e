package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/incident"
)

// TestExerciseReset: the forced reset is rehearsed at the hours of the exercise. It is announced for an hour that has come and gone on
// the wall's clock, slips, opens late, is closed for a while and opened again, and what the public is told of it says those hours.
func TestExerciseReset(t *testing.T) {
	x := newTeam(t, "naver-2013")
	x.do("case", "declare", "--id", "drill", "--title", "不正アクセス", "--organisation", "例社", "--known", x.moment("0m"), "--illicit")
	x.facts(`{key: title, value: {ja: 不正アクセス, en: Unauthorised access}}`, `{key: scope.state, value: investigating}`)
	folder := t.TempDir()
	accounts, rules := filepath.Join(folder, "accounts.csv"), filepath.Join(folder, "rules.yaml")
	write(t, accounts, "id,mail\n1,a@example.com\n2,b@example.com\n")
	write(t, rules, "columns: {account: id, email: mail}\nsets:\n  - {classes: [email]}\n")
	x.do("scope", "--export", accounts, "--rules", rules, "--incident", "drill", "--commit")
	secret := filepath.Join(folder, "secret")
	write(t, secret, strings.Repeat("ab", 32)+"\n")
	for _, set := range [][2]string{{"reset.connector", "webhook"}, {"reset.url", "https://accounts.example.jp/hook"}, {"reset.secretFile", secret}, {"url", "http://localhost:8311"}} {
		x.do("config", "set", set[0], set[1])
	}
	x.at("9h")
	x.do("publish", "drill", "--despite", "the roster is one for now")
	status := func() (row resetRow) {
		t.Helper()
		if err := json.Unmarshal([]byte(x.do("reset", "status", "drill", "--json")), &row); err != nil {
			t.Fatal(err)
		}
		return row
	}
	stamped := func(since string) string {
		t.Helper()
		m, err := incident.ParseMoment(x.moment(since), nil)
		if err != nil {
			t.Fatal(err)
		}
		return stamp(m.Time)
	}
	x.at("1d5h51m")
	if out, exit := x.try("reset", "announce", "drill", "--for", x.moment("1d5h")); exit != exitFailed || !strings.Contains(out, "is over") {
		t.Errorf("an hour that is over in the exercise: exit %d: %s", exit, out)
	}
	x.do("reset", "announce", "drill", "--for", x.moment("1d7h51m"))
	if s := status(); s.State != "announced" || s.Promised != stamped("1d7h51m") || s.Since != stamped("1d5h51m") {
		t.Fatalf("announced: %+v", s)
	}
	x.at("1d8h")
	x.do("reset", "announce", "drill", "--for", x.moment("1d10h51m"))
	x.at("1d11h")
	x.do("reset", "open", "drill")
	if s := status(); s.State != "opened" || s.Since != stamped("1d11h") {
		t.Fatalf("opened: %+v", s)
	}
	x.at("1d14h51m")
	x.do("reset", "close", "drill", "--until", x.moment("1d20h"), "--why", "errors")
	x.at("1d20h")
	x.do("reset", "open", "drill")
	if s := status(); s.State != "reopened" || s.Since != stamped("1d20h") {
		t.Fatalf("opened again: %+v", s)
	}
	x.do("notice", "publish", "drill", "--kind", "addendum")

	a, in := opened(t, x.data)
	defer in.close()
	inc, err := in.incidents.Get(t.Context(), "drill")
	if err != nil {
		t.Fatal(err)
	}
	type fact struct{ status, at, promised, asOf string }
	stand := map[string]fact{}
	for _, f := range inc.Listed("action") {
		minute := func(m incident.Moment) string {
			if m.IsZero() {
				return ""
			}
			return stamp(m.Time)
		}
		stand[f.Item] = fact{f.Value.Status, minute(f.Value.Time), minute(f.Value.Promised), minute(f.AsOf)}
	}
	for item, want := range map[string]fact{
		"reset-1": {"slipped", "", stamped("1d7h51m"), stamped("1d8h")},
		"reset-2": {"slipped", stamped("1d11h"), stamped("1d10h51m"), stamped("1d11h")},
	} {
		if stand[item] != want {
			t.Errorf("action %s is %+v, and not %+v", item, stand[item], want)
		}
	}
	notices, err := in.incidents.Notices(t.Context(), "drill")
	if err != nil || len(notices) != 2 || notices[1].LedgerIndex < 0 {
		t.Fatalf("%d notices, %v", len(notices), err)
	}
	for _, hour := range []string{"18時", "21時", "21時09分"} { // promised, promised again, and opened
		if !strings.Contains(string(notices[1].Data), hour) {
			t.Errorf("the addendum does not say %s: %s", hour, notices[1].Data)
		}
	}
	room, err := a.resetsAnyway(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	hours, err := room.Hours(t.Context(), actor.Operator(), "drill")
	if err != nil || len(hours) != 5 {
		t.Fatalf("%d changes, %v", len(hours), err)
	}
	if said := hours[1].Says().JA; !strings.Contains(said, "18時に受け付けを始めるとお知らせ") || !strings.Contains(said, "21時に変わりました") {
		t.Errorf("what is proposed to be said of the slip: %s", said)
	}
	for _, e := range []string{"1d5h51m", "1d8h", "1d11h", "1d14h51m", "1d20h"} {
		if out := x.do("case", "show", "drill", "--json"); !strings.Contains(out, stamped(e)) {
			t.Errorf("the case has no event of %s: %s", e, out)
		}
	}
}
