package console

import (
	"net/url"
	"strings"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/contain/gate"
	"shirase/internal/proposal"
)

// TestContain: a route is closed by what one proposes and another approves, is shown with since when and by whom, and is lifted in the same way;
// what cannot be proposed is said, and nothing is lost of what was written.
func TestContain(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		id := d.declare("事案")
		commander, approver := d.hire("指揮", actor.Full, actor.Commander), d.hire("承認", actor.Full, actor.Approver)
		for _, p := range []*person{commander, approver} {
			if err := d.staff.GiveAccess(t.Context(), actor.Operator(), id, p.id, actor.Full); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := d.db.ExecContext(t.Context(), `UPDATE staff_account SET created = 1000, approver_since = 1000, held_from = 1000, held_until = 1000`); err != nil { // they have waited
			t.Fatal(err)
		}
		at := "/console/cases/" + id + "/contain"
		shows := func(p *person, want ...string) {
			t.Helper()
			a := p.get(at)
			for _, s := range want {
				if a.status != 200 || !strings.Contains(a.body, s) {
					t.Errorf("%d, without %q: %.2000s", a.status, s, a.body)
				}
			}
		}
		shows(commander, "login", "開いている", "対象者の名簿ができると")
		if a := approver.get(at); strings.Contains(a.body, "提案する</button>") {
			t.Error("an approver is offered to propose")
		}
		for name, form := range map[string]url.Values{"no reason": {"route": {"login"}, "state": {"closed"}, "ja": {"書いたもの"}, "en": {"x"}}, "no roster": {"accounts": {"reset"}, "why": {"x"}, "ja": {"書いたもの"}, "en": {"x"}}, "no time": {"route": {"login"}, "state": {"closed"}, "why": {"x"}, "until": {"すぐ"}, "ja": {"書いたもの"}}} {
			if a := commander.post(at+"/block", form); a.status != 422 || !strings.Contains(a.body, "data-refused") || name != "no roster" && !strings.Contains(a.body, "書いたもの") {
				t.Errorf("%s: %d %.300s", name, a.status, a.body)
			}
		}
		approve := func(a answer) {
			t.Helper()
			open, err := d.proposals.List(t.Context(), actor.Operator(), false)
			if err != nil || len(open) != 1 {
				t.Fatalf("%d: %d proposals, %v: %.2000s", a.status, len(open), err, a.body)
			}
			if p, err := d.gate.InForce(t.Context(), actor.Operator(), id); err != nil || len(p) > 1 {
				t.Fatal(p, err)
			}
			p := open[0]
			said := approver.post("/console/proposals/"+p.ID+"/approve", approver.confirm(p.Act(), url.Values{"digest": {p.Digest}}))
			if p, err = d.proposals.Get(t.Context(), actor.Operator(), p.ID); err != nil || p.State != proposal.Done || !strings.Contains(p.Effect.Says.JA, "理由：") {
				_, main, _ := strings.Cut(said.body, "<main")
				t.Fatalf("%d %s, %v: %.3000s", said.status, p.State, err, main)
			}
		}
		approve(commander.post(at+"/block", url.Values{"route": {"login"}, "state": {"closed"}, "why": {"念のため"}, "until": {"2030-01-01 18:00"}}))
		force, err := d.gate.InForce(t.Context(), actor.Operator(), id)
		if err != nil || len(force) != 1 || force[0].State != gate.Closed || force[0].Until != "2030-01-01T18:00:00+09:00" {
			t.Fatal(force, err)
		}
		shows(commander, "ログイン停止", "念のため", "承認", "解除を提案する")
		approve(commander.post(at+"/lift", url.Values{"route": {"login"}, "why": {"済んだ"}}))
		shows(commander, "開いている", "解除したもの", "済んだ")
	})
}
