package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/proposal"
	"shirase/internal/store"
)

// TestProposes: once there is staff, what cannot be undone is proposed by the command line and done by nobody alone; a second person
// approves, and it is done, and stands in the case's record.
func TestProposes(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	data := filepath.Join(t.TempDir(), "data")
	examples := filepath.Join("..", "..", "examples")
	command := func(args ...string) (string, string, int) {
		t.Helper()
		var out, errw strings.Builder
		exit := run(t.Context(), append(args, "--data", data), &out, &errw)
		return out.String(), errw.String(), exit
	}
	ok := func(args ...string) string {
		t.Helper()
		out, errs, exit := command(args...)
		if exit != exitDone {
			t.Fatalf("%v: exit %d: %s", args, exit, errs)
		}
		return out
	}
	ok("init")
	ok("case", "declare", "--title", "Unauthorised access", "--organisation", "Example Shop", "--known", "2026-08-20T10:09+09:00", "--id", "shop-2026")
	ok("incident", "add", "--facts", filepath.Join(examples, "facts.yaml"))
	final := filepath.Join(t.TempDir(), "final.yaml")
	write(t, final, "id: shop-2026\nfacts:\n  - {key: scope.state, value: final}\n")
	ok("incident", "add", "--facts", final)
	ok("scope", "--export", filepath.Join(examples, "accounts.csv"), "--rules", filepath.Join(examples, "rules.yaml"), "--incident", "shop-2026", "--commit")

	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(data, "shirase.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, id := range []string{"p-first", "p-second"} {
		if _, err := db.ExecContext(t.Context(), `INSERT INTO staff_account (id, name, roles, every, created, approver_since, held_from, oidc, removed, forget) VALUES ($1, $1, 'commander,approver', 3, 1, 1, 1, '', 0, 0)`, id); err != nil {
			t.Fatal(err)
		}
	}

	var said struct {
		Proposed proposalRow `json:"proposed"`
	}
	if err := json.Unmarshal([]byte(ok("publish", "shop-2026", "--despite", "an example", "--json")), &said); err != nil || said.Proposed.State != "proposed" || said.Proposed.Effect.People < 1 {
		t.Fatalf("%+v, %v", said, err)
	}
	id := said.Proposed.ID
	if out := ok("proposal", "list"); !strings.Contains(out, id) {
		t.Errorf("%s", out)
	}
	if out := ok("proposal", "show", id, "--text"); !strings.Contains(out, "Example") || !strings.Contains(out, "happens to") {
		t.Errorf("%s", out)
	}
	if out := ok("case", "next", "shop-2026"); !strings.Contains(out, "It waits for approval") {
		t.Errorf("%s", out)
	}
	if _, errs, exit := command("check", "hana@example.com"); exit == exitDone {
		t.Errorf("it is published: %s", errs)
	}
	for _, args := range [][]string{{"scope", "shred", "shop-2026", "--despite", "an example"}, {"notice", "publish", "shop-2026"}, {"incident", "retire", "shop-2026"}} {
		out, errs, exit := command(args...)
		if exit == exitDone && !strings.Contains(out, "Nothing is done yet") {
			t.Errorf("%v: %s%s", args, out, errs)
		}
	}
	shred := ""
	for line := range strings.Lines(ok("proposal", "list")) {
		if strings.Contains(line, " shred ") {
			shred = strings.Fields(line)[0]
		}
	}
	ok("proposal", "withdraw", shred, "--why", "it is needed")
	ok("proposal", "rule", "--second")
	var note string
	if err := db.QueryRowContext(t.Context(), `SELECT note FROM staff_log WHERE what = 'approval-rule' AND who LIKE 'operator %'`).Scan(&note); err != nil || !strings.Contains(note, "second person") {
		t.Errorf("the rule is not in the log: %q, %v", note, err)
	}

	a := &app{out: io.Discard, err: io.Discard}
	root := a.root() // for its settings
	root.SetArgs([]string{"version", "--data", data})
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	in, err := a.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	cases, err := a.casesOf(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	proposals, err := a.proposalRoom(t.Context(), in, cases)
	if err != nil {
		t.Fatal(err)
	}
	x, err := proposals.Get(t.Context(), actor.Operator(), id)
	if err != nil {
		t.Fatal(err)
	}
	who, _, err := in.staff.Actor(context.Background(), "p-second", x.Act(), "console")
	if err != nil {
		t.Fatal(err)
	}
	if who.May(actor.Approve, "shop-2026") != nil {
		t.Fatalf("they cannot approve: %v", who.May(actor.Approve, "shop-2026"))
	}
	if _, err := proposals.Approve(t.Context(), who, id, x.Digest); !errors.Is(err, proposal.ErrEarly) {
		t.Fatalf("what the host proposed, at once: %v", err)
	}
	if _, err := db.ExecContext(t.Context(), `UPDATE proposal SET alone_from = proposed_at WHERE id = $1`, id); err != nil { // the hour is over
		t.Fatal(err)
	}
	done, err := proposals.Approve(t.Context(), who, id, x.Digest)
	if err != nil || done.State != proposal.Done {
		t.Fatalf("%+v, %v", done, err)
	}
	if out := ok("check", "hana@example.com", "--json"); !strings.Contains(out, `"result":"affected"`) {
		t.Errorf("%s", out)
	}
	k, err := cases.Get(t.Context(), actor.Operator(), "shop-2026")
	if err != nil {
		t.Fatal(err)
	}
	states := map[string]string{}
	for _, p := range k.Proposals {
		states[p.Kind] += p.State
	}
	if states["publish"] != "done" || states["shred"] != "withdrawn" {
		t.Errorf("in the case's record: %v", states)
	}
	if !who.ApproverSince().Before(time.Now()) || !strings.Contains(ok("proposal", "show", id), "who is an approver since") {
		t.Error("since when they approve is not shown")
	}
	if out := ok("notify", "log"); !strings.Contains(out, "approval") || !strings.Contains(out, "rule") {
		t.Errorf("%s", out)
	}
}
