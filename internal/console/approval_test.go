package console

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/proposal"
	"shirase/internal/publish"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestApprovalSeen: a weaker rule that is still to come stands before everybody, and a proposal says that it is the host's, waits, and
// shows what was done with people from there.
func TestApprovalSeen(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		d.first()
		ap := d.hire("承認", actor.Full, actor.Approver)
		id := d.declare("x")
		rooms := d.proposals.Rooms
		rooms.Approvers = func(context.Context) (int, error) { return 1, nil }
		rooms.HostWait = time.Hour
		p, err := proposal.New(t.Context(), rooms)
		if err != nil {
			t.Fatal(err)
		}
		const coming = "一人で承認できるようになります"
		for _, path := range []string{"/console/", "/console/proposals"} {
			if strings.Contains(ap.get(path).body, coming) {
				t.Errorf("%s: a rule that nobody said", path)
			}
		}
		if _, err := p.SetRule(t.Context(), actor.Operator(), true, 24*time.Hour); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/console/", "/console/proposals"} {
			if body := ap.get(path).body; !strings.Contains(body, coming) || !strings.Contains(body, "24h0m0s") {
				t.Errorf("%s does not show the rule that is to come", path)
			}
		}
		x, err := p.Propose(t.Context(), actor.Operator(), publish.KindPublish, id, map[string]string{})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := d.staff.Recover(t.Context(), actor.Operator(), "承認", false); err != nil {
			t.Fatal(err)
		}
		page := ap.get("/console/proposals/" + x.ID)
		if !strings.Contains(page.body, "承認する人と同じ人かもしれません") || !strings.Contains(page.body, "サーバーから回復リンクを作った") || strings.Contains(page.body, "/approve") {
			t.Errorf("%d: %s", page.status, page.body)
		}
		a := ap.post("/console/proposals/"+x.ID+"/approve", ap.confirm(x.Act(), url.Values{"digest": {x.Digest}}))
		if now, err := p.Get(t.Context(), actor.Operator(), x.ID); err != nil || now.State != proposal.Proposed || d.done != 0 {
			t.Errorf("approved at once: %d, %+v, %v", a.status, now, err)
		}
	})
}

// TestProposerLeaves: what somebody proposed is void, and shown so, when they are removed, lose the role or lose the case; and a member makes
// the host's proposal their own by what they looked at.
func TestProposerLeaves(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d := newDesk(t, db)
		admin := d.first()
		second := d.hire("承認", actor.Full, actor.Approver)
		id := d.declare("x")
		for name, leave := range map[string]func(p *person) answer{
			"removed": func(p *person) answer {
				return admin.post("/console/people/"+p.id+"/remove", admin.confirm("remove "+p.id, url.Values{}))
			},
			"a desk now": func(p *person) answer {
				return admin.post("/console/people/"+p.id+"/roles", admin.confirm("roles "+p.id+" 1 desk full", url.Values{"role": {"desk"}, "every": {"full"}, "version": {"1"}}))
			},
		} {
			p := d.hire(name, actor.Full, actor.Writer)
			a := p.post("/console/cases/"+id+"/propose", url.Values{"kind": {"publish"}})
			at := strings.Split(a.header.Get("Location"), "?")[0]
			if !strings.Contains(second.get(at).body, "/approve") {
				t.Fatalf("%s: it cannot be approved before", name)
			}
			if a := leave(p); !through(a) {
				t.Fatalf("%s: %d: %s", name, a.status, a.body)
			}
			if page := second.get(at); !strings.Contains(page.body, "無効") || !strings.Contains(page.body, "whoever proposed it") || strings.Contains(page.body, "/approve") {
				t.Errorf("%s: %s", name, page.body)
			}
		}
		x, err := d.proposals.Propose(t.Context(), actor.Operator(), publish.KindPublish, id, map[string]string{})
		if err != nil {
			t.Fatal(err)
		}
		writer := d.hire("書く人", actor.Full, actor.Writer)
		if page := writer.get("/console/proposals/" + x.ID); !strings.Contains(page.body, "/adopt") {
			t.Error("it is not offered to who may propose")
		}
		if page := second.get("/console/proposals/" + x.ID); strings.Contains(page.body, "/adopt") {
			t.Error("it is offered to who may not propose")
		}
		a := writer.post("/console/proposals/"+x.ID+"/adopt", url.Values{"digest": {x.Digest}})
		if at := strings.Split(a.header.Get("Location"), "?")[0]; !strings.Contains(second.get(at).body, "書く人") || !strings.Contains(second.get(at).body, "/approve") {
			t.Errorf("%d, to %s", a.status, at)
		}
	})
}
