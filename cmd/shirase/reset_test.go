package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"io"
	"mime/quotedprintable"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"shirase/internal/password"
	"shirase/internal/proposal"
	"shirase/internal/reach/smtptest"
	"shirase/internal/serve"
)

const resetStatements = `hash: argon2id
force: UPDATE users SET password_hash = :hash, must_change = 1 WHERE id = :account
reset: UPDATE users SET password_hash = :hash, must_change = 0 WHERE id = :account
sessions: DELETE FROM sessions WHERE user_id = :account
same: SELECT password_hash FROM users WHERE id = :account
`

// TestResetCommands has everyone of a roster reset, over a database of accounts: announced, slipped, opened, closed, reopened and lifted, each
// recorded in the case and as facts, with an addendum proposed; a bulk order that a second person approves; one person who resets by mail; and
// a campaign that waits for all of it.
func TestResetCommands(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	folder := t.TempDir()
	data := filepath.Join(folder, "data")
	command := func(args ...string) (string, int) {
		t.Helper()
		var out, errw strings.Builder
		exit := run(t.Context(), append(args, "--data", data), &out, &errw)
		return out.String() + errw.String(), exit
	}
	ok := func(args ...string) string {
		t.Helper()
		out, exit := command(args...)
		if exit != exitDone {
			t.Fatalf("%v: exit %d: %s", args, exit, out)
		}
		return out
	}
	refused := func(says string, args ...string) {
		t.Helper()
		if out, exit := command(args...); exit == exitDone || !strings.Contains(out, says) {
			t.Errorf("%v: exit %d: %s", args, exit, out)
		}
	}
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		write(t, path, text)
		return path
	}
	ok("init")
	ok("case", "declare", "--title", "T", "--organisation", "Example Shop", "--known", "2026-08-20T10:09+09:00", "--id", "loss-2026")
	ok("incident", "add", "--facts", file("facts.yaml", `id: loss-2026
facts:
  - {key: affected.count, value: 3, unit: accounts, qualifier: exact}
  - {key: data-class, id: a, value: email}
  - {key: scope.state, value: final}
`))
	ok("scope", "--export", file("accounts.csv", "id,mail\n1,a@example.com\n2,b@example.com\n3,c@example.net\n"),
		"--rules", file("rules.yaml", "columns: {account: id, email: mail}\nsets:\n  - {classes: [email]}\n"), "--incident", "loss-2026", "--commit")

	// An application's own database.
	shop := filepath.Join(folder, "shop.db")
	accounts, err := sql.Open("sqlite", "file:"+shop)
	if err != nil {
		t.Fatal(err)
	}
	defer accounts.Close()
	for _, s := range []string{`CREATE TABLE users (id TEXT PRIMARY KEY, password_hash TEXT NOT NULL, must_change INTEGER NOT NULL DEFAULT 0)`, `CREATE TABLE sessions (user_id TEXT NOT NULL)`,
		`INSERT INTO users (id, password_hash) VALUES ('1', 'stolen'), ('2', 'stolen'), ('3', 'stolen')`, `INSERT INTO sessions VALUES ('1'), ('1'), ('2')`} {
		if _, err := accounts.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	count := func(query string) (n int) {
		t.Helper()
		if err := accounts.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	refused("no connector", "reset", "open", "loss-2026")
	ok("config", "set", "reset.connector", "sql")
	ok("config", "set", "reset.statements", file("bad.yaml", strings.Replace(resetStatements, " WHERE id = :account", "", 1)))
	ok("config", "set", "reset.secretFile", file("url", "sqlite:"+shop+"\n"))
	refused("of everybody", "reset", "open", "loss-2026")
	ok("config", "set", "reset.statements", file("reset.yaml", resetStatements))
	refused("no mail", "reset", "open", "loss-2026")
	mails := make(chan string, 100)
	sink := &smtptest.Sink{Keep: true, Taken: func(e smtptest.Envelope, data []byte) {
		_, body, _ := strings.Cut(string(data), "\r\n\r\n")
		text, _ := io.ReadAll(quotedprintable.NewReader(strings.NewReader(body)))
		mails <- e.To + "\n" + string(text)
	}}
	relay, err := sink.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	for _, set := range [][2]string{{"mail.server", relay}, {"mail.from", "desk@example.jp"}, {"mail.security", "none"}} {
		ok("config", "set", set[0], set[1])
	}
	refused("address", "reset", "open", "loss-2026")
	ok("config", "set", "url", "http://localhost:8311")
	ok("config", "set", "reset.returns", "https://shop.example.jp/login")
	refused("there is no such case", "reset", "status", "loss-2026")

	status := func() (row resetRow) {
		t.Helper()
		if err := json.Unmarshal([]byte(ok("reset", "status", "loss-2026", "--json")), &row); err != nil {
			t.Fatal(err)
		}
		return row
	}
	ok("publish", "loss-2026")
	a, in := opened(t, data)
	defer in.close()
	for _, p := range []string{"p-first", "p-second"} {
		if _, err := in.db.ExecContext(t.Context(), `INSERT INTO staff_account (id, name, roles, every, created, approver_since, held_from, oidc, removed, forget) VALUES ($1, $1, 'commander,approver', 3, 1, 1, 1, '', 0, 0)`, p); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := in.db.ExecContext(t.Context(), `UPDATE staff_account SET roles = 'approver' WHERE id = 'p-second'`); err != nil { // who may do nothing but that
		t.Fatal(err)
	}
	proposals := func() (out []proposalRow) {
		t.Helper()
		var said struct{ Proposals []proposalRow }
		if err := json.Unmarshal([]byte(ok("proposal", "list", "--json")), &said); err != nil {
			t.Fatal(err)
		}
		return said.Proposals
	}
	addenda := func() (n int) {
		for _, p := range proposals() {
			if p.Kind == "publish" && p.State == string(proposal.Proposed) {
				n++
			}
		}
		return n
	}
	// Every change is a fact, an event of the case, and a proposal of an addendum.
	at := time.Now().Add(time.Hour).UTC().Truncate(time.Minute)
	ok("reset", "announce", "loss-2026", "--for", at.Format("2006-01-02T15:04Z"))
	if s := status(); s.State != "announced" || s.Promised != stamp(at) {
		t.Fatalf("%+v", s)
	}
	refused("no time", "reset", "announce", "loss-2026", "--for", "soon")
	if out := ok("reset", "open", "loss-2026"); !strings.Contains(out, "an addendum is proposed") {
		t.Error(out)
	}
	ok("reset", "close", "loss-2026", "--until", at.Add(time.Hour).Format("2006-01-02T15:04Z"), "--why", "errors")
	if s := status(); s.State != "closed" || s.Promised == "" || s.Accounts != 3 || s.Counts["waiting"] != 3 {
		t.Fatalf("%+v", s)
	}
	ok("reset", "open", "loss-2026")
	if n := addenda(); n != 4 {
		t.Errorf("%d addenda are proposed after four changes", n)
	}
	inc, err := in.incidents.Get(t.Context(), "loss-2026")
	if err != nil {
		t.Fatal(err)
	}
	stand := map[string]string{}
	for _, f := range inc.Listed("action") {
		stand[f.Item] = f.Value.Status
	}
	for item, want := range map[string]string{"reset-1": "kept", "reset-3": "kept", "reset-3-closed": "taken"} {
		if stand[item] != want {
			t.Errorf("action %s is %q, not %s: %v", item, stand[item], want, stand)
		}
	}
	if out := ok("case", "show", "loss-2026"); strings.Count(out, "asswords ") < 4 || strings.Contains(out, "パスワードの再設定") { // in the language of commands
		t.Errorf("the case does not say it: %s", out)
	}

	// A campaign that promises the reset sends while it is open.
	campaigns, err := a.campaigns(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	open, err := campaigns.Conditions["reset"](t.Context(), "loss-2026")
	if err != nil || !open.Yes {
		t.Errorf("%+v %v", open, err)
	}

	// The bulk order needs a second person.
	var said struct {
		Proposed proposalRow `json:"proposed"`
	}
	if err := json.Unmarshal([]byte(ok("reset", "force", "loss-2026", "--per-second", "1000", "--json")), &said); err != nil || said.Proposed.Kind != "force-reset" || said.Proposed.Effect.People != 3 {
		t.Fatalf("%+v %v", said, err)
	}
	if s := status(); s.Bulk != "" || count(`SELECT count(*) FROM users WHERE password_hash = 'stolen'`) != 3 {
		t.Fatalf("it is begun by one person: %+v", s)
	}
	if err := approvedBy(t, a, in, in.db, said.Proposed.ID); err != nil {
		t.Fatal(err)
	}
	corpora, err := password.Open(a.passwordDir())
	if err != nil {
		t.Fatal(err)
	}
	defer corpora.Close()
	server, _, err := a.server(t.Context(), in, corpora, nil)
	if err != nil {
		t.Fatal(err)
	}
	l, err := serve.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, l, func(string) error { return nil }) }()
	defer func() { end(); <-ended }()
	for status().Bulk != "done" { // each time it is asked, it has answered
	}
	if count(`SELECT count(*) FROM users WHERE must_change = 1 AND password_hash LIKE '$argon2id$%'`) != 3 || count(`SELECT count(*) FROM sessions`) != 0 {
		t.Error("the accounts are not as they should be")
	}

	// Meanwhile the gate sends all three to the reset, at the login of the application.
	if err := json.Unmarshal([]byte(ok("gate", "block", "loss-2026", "--accounts", "reset", "--url", "https://example.jp/reset/loss-2026", "--why", "hashes were taken", "--json")), &said); err != nil || said.Proposed.Kind != "block" {
		t.Fatal(err, said)
	}
	if err := approvedBy(t, a, in, in.db, said.Proposed.ID); err != nil {
		t.Fatal(err)
	}
	var issued struct {
		Token string `json:"token"`
	}
	if err := json.Unmarshal([]byte(ok("gate", "token", "app", "--form", "decide", "--json")), &issued); err != nil || issued.Token == "" {
		t.Fatal(err)
	}
	decided := func(account string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+l.Addr().String()+"/gate/v1/decide", strings.NewReader(`{"account":"`+account+`"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+issued.Token)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var d struct {
			Decision string `json:"decision"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&d); err != nil {
			t.Fatal(err)
		}
		return d.Decision
	}
	for decided("2") != "reset" || decided("3") != "reset" {
	}

	// One of them resets.
	post := func(path string, form url.Values) (int, string) {
		t.Helper()
		resp, err := http.PostForm("http://"+l.Addr().String()+path, form)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	// The help page leads there, until it is lifted.
	leads := func() bool {
		t.Helper()
		resp, err := http.Get("http://" + l.Addr().String() + "/incidents/loss-2026/help")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp.StatusCode, err)
		}
		return strings.Contains(string(b), `href="/reset/loss-2026`)
	}
	if !leads() {
		t.Error("the help page does not lead to where passwords are reset")
	}
	if status, body := post("/reset/loss-2026", url.Values{"address": {"b@example.com"}}); status != 200 {
		t.Fatal(status, body)
	}
	linkIn := regexp.MustCompile(`/reset/loss-2026/new\?t=([A-Za-z0-9_-]{43})`)
	token := ""
	for token == "" {
		if m := <-mails; strings.Contains(m, "b@example.com") {
			if found := linkIn.FindStringSubmatch(m); found != nil {
				token = found[1]
			}
		}
	}
	if status, body := post("/reset/loss-2026/new", url.Values{"t": {token}, "password": {"abcdefghijklmnopqrst"}}); status != 422 || !strings.Contains(body, "並び順") {
		t.Error(status, body)
	}
	if status, body := post("/reset/loss-2026/new", url.Values{"t": {token}, "password": {"correct horse battery staple"}}); status != 200 {
		t.Fatal(status, body)
	}
	if n := count(`SELECT count(*) FROM users WHERE id = '2' AND must_change = 0`); n != 1 || status().Counts["reset"] != 1 {
		t.Errorf("%d, %+v", n, status())
	}
	for decided("2") != "allow" {
	}
	if d := decided("3"); d != "reset" {
		t.Errorf("the gate lets somebody pass who has not: %s", d)
	}
	for !strings.Contains(<-mails, "再設定しました") {
	}

	// It is lifted by two, and an addendum is proposed with it, as with all that went before.
	before := addenda()
	if err := json.Unmarshal([]byte(ok("reset", "lift", "loss-2026", "--json")), &said); err != nil || said.Proposed.Kind != "lift-reset" {
		t.Fatal(err, said)
	}
	if err := approvedBy(t, a, in, in.db, said.Proposed.ID); err != nil {
		t.Fatal(err)
	}
	if s := status(); s.State != "lifted" {
		t.Errorf("%+v", s)
	}
	for leads() {
	}
	if n := addenda(); n != before+1 {
		t.Errorf("%d addenda are proposed after it was lifted, and %d before", n, before)
	}
	inc, err = in.incidents.Get(t.Context(), "loss-2026")
	if err != nil {
		t.Fatal(err)
	}
	lifted := false
	for _, f := range inc.Listed("action") {
		lifted = lifted || f.Item == "forced-reset" && f.Value.Status == "lifted"
	}
	if open, err := campaigns.Conditions["reset"](t.Context(), "loss-2026"); err != nil || open.Yes || !lifted {
		t.Errorf("%+v %v, lifted: %v", open, err, lifted)
	}
}
