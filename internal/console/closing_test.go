package console

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/closing"
	"shirase/internal/proposal"
	"shirase/internal/response"
)

// TestClosing: what keeps a case open stands on its page with where it is ended, it is closed all the same by what one proposes and another
// approves, and its page stays when its key is gone: tasks are added and done there, and nothing offers to close it again.
func TestClosing(t *testing.T) {
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
		if _, err := d.cases.PutParty(t.Context(), actor.Operator(), id, 0, response.Party{ID: "acme", Name: "例示商事", Kind: "client"}); err != nil {
			t.Fatal(err)
		}
		at := "/console/cases/" + id + "/closing"
		shows := func(p *person, want ...string) string {
			t.Helper()
			a := p.get(at)
			for _, s := range want {
				if a.status != 200 || !strings.Contains(a.body, s) {
					t.Errorf("%d, without %q: %.3000s", a.status, s, a.body)
				}
			}
			return a.body
		}
		shows(commander, "例示商事", "閉じられない", "shirase case party told "+id+" acme", "閉じることを提案する")
		if strings.Contains(shows(approver), "閉じることを提案する") {
			t.Error("an approver is offered to propose")
		}
		if a := commander.post("/console/cases/"+id+"/close", url.Values{"why": {"済んだこと"}}); a.status != 422 || !strings.Contains(a.body, "data-refused") || !strings.Contains(a.body, "済んだこと") {
			t.Errorf("%d %.500s", a.status, a.body)
		}
		if a := commander.post(at+"/task", url.Values{"title": {"hana@example.com に電話する"}}); a.status != 422 || !strings.Contains(a.body, "鍵を壊したあとも残ります") {
			t.Errorf("%d %.500s", a.status, a.body)
		}
		if a := commander.post(at+"/shred", nil); a.status != 422 || !strings.Contains(a.body, "まだ閉じられていないか") || !strings.Contains(a.body, "それでも壊す理由") {
			t.Errorf("the key of a case that is not closed: %d %.500s", a.status, a.body)
		}
		approve := func(a answer) {
			t.Helper()
			open, err := d.proposals.List(t.Context(), actor.Operator(), false)
			if err != nil || len(open) != 1 {
				t.Fatalf("%d: %d proposals, %v: %.2000s", a.status, len(open), err, a.body)
			}
			p := open[0]
			approver.post("/console/proposals/"+p.ID+"/approve", approver.confirm(p.Act(), url.Values{"digest": {p.Digest}}))
			if p, err = d.proposals.Get(t.Context(), actor.Operator(), p.ID); err != nil || p.State != proposal.Done {
				t.Fatalf("%s, %v", p.State, err)
			}
		}
		approve(commander.post("/console/cases/"+id+"/close", url.Values{"why": {"済んだ"}, "despite": {"先方は解散した"}}))
		if body := shows(commander, "この事案は閉じられています", "先方は解散した", "まだ知らせていない関係者がいます：例示商事", "鍵を壊すことを提案する"); strings.Contains(body, "閉じることを提案する") {
			t.Error("it is closed, and offered to be closed")
		}
		if a := commander.post(at+"/hold", url.Values{"why": {"裁判所の求め"}}); a.status != 303 {
			t.Fatalf("%d %.500s", a.status, a.body)
		}
		if a := commander.post(at+"/shred", nil); a.status != 422 || !strings.Contains(a.body, "保存の指示") {
			t.Errorf("%d %.500s", a.status, a.body)
		}
		if a := commander.post(at+"/hold", url.Values{"id": {"1"}, "why": {"終わった"}}); a.status != 303 {
			t.Fatalf("%d %.500s", a.status, a.body)
		}
		approve(commander.post(at+"/shred", nil))
		if body := shows(commander, "鍵を壊す前に、次の記録を残しました"); strings.Contains(body, "鍵を壊すことを提案する") {
			t.Error("its key is gone, and offered to be destroyed")
		}
		// What speaks against its certificate stands beside it, and what nobody counted is said.
		end := &closing.Certified{Certificate: check.Certificate{Incident: id, N: 1, Outcome: check.OutcomeDestroyed, Unknown: []string{check.NotCounted}}, LedgerIndex: 7}
		d.closing.Certificate = func(context.Context, string) (*closing.Certified, error) { return end, nil }
		if strings.Contains(shows(commander, "記録されている写しは、ひとつも残っていません", "前の版で壊されたため"), "この証明書のあとで") {
			t.Error("nothing speaks against it")
		}
		end.Gone = []check.Accounted{{What: "case-key", N: 1}}
		shows(commander, "だれにも読めない")
		end.Outcome = check.OutcomeRemoved
		if strings.Contains(shows(commander, "写しのひとつを開ける人は、名簿も", "ここにはない"), "だれにも読めない") {
			t.Error("a copy of the key is left, and the page says that nobody reads something")
		}
		end.Outcome = check.OutcomeDestroyed
		end.Against = 2
		shows(commander, "この証明書のあとで、壊されていないかもしれない写しが分かりました：2")
		if a := commander.post(at+"/task", url.Values{"title": {"保存を減らす"}, "owner": {"指揮"}, "due": {"2030-01-01"}}); a.status != 303 {
			t.Fatalf("%d %.500s", a.status, a.body)
		}
		if a := commander.post(at+"/task", url.Values{"id": {"1"}, "version": {"1"}, "state": {"done"}}); a.status != 303 {
			t.Fatalf("%d %.500s", a.status, a.body)
		}
		shows(commander, "保存を減らす", "済み", "2030-01-01")
		if a := commander.get("/console/"); a.status != 200 || !strings.Contains(a.body, at) || strings.Contains(a.body, "記録が壊れています") {
			t.Errorf("the board: %d %.1000s", a.status, a.body)
		}
	})
}
