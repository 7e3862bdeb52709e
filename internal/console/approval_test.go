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
