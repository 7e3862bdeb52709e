package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"shirase/internal/actor"
	"shirase/internal/enquiry"
	"shirase/internal/language"
	"shirase/internal/people"
	"shirase/internal/publish"
	"shirase/internal/reach/smtptest"
	"shirase/internal/spread"
	"shirase/internal/store/storetest"
	"shirase/internal/watchers"
)

// TestShredLeavesNobody builds a case with all that a case has, and backups of it, and shreds it. Whoever then has everything, the keys that
// are left too, finds nobody: not in the data folder, the database and its log, nor in a backup. Before, the same thief finds them with the
// case's key, so that the test would see it. The public check goes on answering.
func TestShredLeavesNobody(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newShredWorld(t, url)
		theirs := []string{"hana.victim@example.com", "taro.victim@example.com", "ken.victim@example.jp", "account-7001", "account-7002", "090-5555-1234", "asks.victim@example.net", "山田花子さん本人"}
		w.build(t)
		thiefs := []string{w.data, w.plain, w.sealed}
		// Whoever asked to be told of later incidents goes on being told, as they asked: their address is under the key of that room, and
		// nothing says that they were in this case.
		consented := func(place string) bool {
			return strings.Contains(place, "watchers_person") || strings.Contains(place, "watchers.key")
		}
		before := newThief(t, w.keys, theirs, "loss-2026")
		before.all(t.Context(), w.url, thiefs, consented)
		for _, id := range theirs {
			if len(before.found[id]) == 0 {
				t.Errorf("with the case's key %s is found nowhere: the test would see nothing", id)
			}
		}
		for _, kind := range []string{"response_entry", "enquiry", "enquiry_message", "enquiry_file", "reach_journal", "returned_suppression", "scope_rules",
			"spread_place", "people_asked", "enquiry_asked", "proposal", "reset_block", "reset_token"} {
			if !anywhere(before, kind) {
				t.Errorf("with the case's key nothing is found in %s: the test would see nothing", kind)
			}
		}
		if !anywhere(before, "rosters") || !anywhere(before, "objects") {
			t.Errorf("with the case's key nothing is found in rosters or backups: %v", before.found)
		}
		if out := w.ok(t, "case", "closing", "loss-2026"); !strings.Contains(out, "Questions that still wait for their answer by mail: 1.") {
			t.Errorf("it is not said that a question waits for its answer by mail: %s", out)
		}
		if got := strings.Join(before.members(w.url, thiefs, "loss-2026"), "\n"); !strings.Contains(got, watchesDaily) || !strings.Contains(got, watchesNow) {
			t.Errorf("with the case's key it is not known who watches and was in it: the test would see nothing: %s", got)
		}
		// Without it, before anything is shredded: what a thief of data folder and backups has.
		aside := filepath.Join(t.TempDir(), "aside")
		key := filepath.Join(w.keys, "case-loss-2026.key")
		if err := os.Rename(key, aside); err != nil {
			t.Fatal(err)
		}
		without := newThief(t, w.keys, theirs, "loss-2026")
		for _, f := range append(without.all(t.Context(), w.url, thiefs, consented), without.members(w.url, thiefs, "loss-2026")...) {
			t.Errorf("not under the case's key: %s", f)
		}
		if err := os.Rename(aside, key); err != nil {
			t.Fatal(err)
		}

		var e struct {
			Outcome   string
			Retained  string
			Remaining []struct{ What, Why string }
		}
		if err := json.Unmarshal([]byte(w.ok(t, "scope", "shred", "loss-2026", "--json")), &e); err != nil || e.Outcome != "destroyed" || e.Retained == "" {
			t.Fatalf("%+v, %v", e, err)
		}
		for _, r := range e.Remaining {
			if strings.Contains(r.What+r.Why, "%!") || strings.Contains(r.What, "COUNT") {
				t.Errorf("%+v", r)
			}
		}
		w.ok(t, "backup", w.plain)
		after := newThief(t, w.keys, theirs, "loss-2026")
		for _, f := range append(after.all(t.Context(), w.url, thiefs, consented), after.members(w.url, thiefs, "loss-2026")...) {
			t.Errorf("after it was shredded: %s", f)
		}
		if after.tried < 100 {
			t.Errorf("only %d sealed values were tried", after.tried)
		}
		for _, name := range after.unread { // what signs and answers seals nobody; every other key is tried
			if !strings.HasPrefix(name, "ledger") && !strings.HasPrefix(name, "evaluator-") {
				t.Errorf("%s was not tried", name)
			}
		}
		if _, err := os.Stat(filepath.Join(w.keys, "enquiry-form.key")); err != nil {
			t.Errorf("no key of a room is there that the thief could use: %v", err)
		}
		if left, err := filepath.Glob(filepath.Join(w.sealed, "keys", "case-loss-2026.*")); err != nil || len(left) > 0 {
			t.Errorf("a backup holds the key: %v %v", left, err)
		}
		_, in := opened(t, w.data)
		if ended := must(endedFiles(t.Context(), in.db))(t); !ended("files/exports/loss-2026/x-a.csv.age") || ended("files/exports/other-2026/x-a.csv.age") {
			t.Error("a house's file of a shredded case would come back from a backup, or another case's would not")
		}
		in.close()
		// What is public answers as before; what outlives the case is there.
		w.ok(t, "ledger", "verify")
		if out := w.ok(t, "check", "hana.victim@example.com", "--json"); !strings.Contains(out, `"affected"`) {
			t.Errorf("the check does not answer any more: %s", out)
		}
		if out := w.ok(t, "check", "nobody@example.com", "--json"); !strings.Contains(out, `"not-in-scope"`) {
			t.Errorf("the check does not answer any more: %s", out)
		}
		w.ok(t, "case", "prevention", "loss-2026", "--id", "1", "--state", "done")
		if out := w.ok(t, "case", "retained", "loss-2026"); !strings.Contains(out, e.Retained) {
			t.Error(out)
		}
	})
}

func anywhere(h *thief, place string) bool {
	for _, places := range h.found {
		for p := range places {
			if strings.Contains(p, place) {
				return true
			}
		}
	}
	return false
}

// shredWorld is an instance with a case.
type shredWorld struct{ data, keys, plain, sealed, url, folder string }

func newShredWorld(t *testing.T, url string) *shredWorld {
	folder := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	w := &shredWorld{data: filepath.Join(folder, "data"), keys: filepath.Join(folder, "keys"), plain: filepath.Join(folder, "plain"), sealed: filepath.Join(folder, "sealed"), folder: folder, url: url}
	if strings.HasPrefix(url, "postgres") {
		t.Setenv("SHIRASE_STORE", url)
	} else {
		w.url = "sqlite:" + filepath.Join(w.data, "shirase.db")
	}
	t.Setenv("SHIRASE_KEYS", w.keys)
	return w
}

func (w *shredWorld) command(t *testing.T, args ...string) (string, int) {
	t.Helper()
	var out strings.Builder
	exit := run(t.Context(), append(args, "--data", w.data), &out, &out)
	return out.String(), exit
}

func (w *shredWorld) ok(t *testing.T, args ...string) string {
	t.Helper()
	out, exit := w.command(t, args...)
	if exit != exitDone {
		t.Fatalf("%v: exit %d: %s", args, exit, out)
	}
	return out
}

func (w *shredWorld) file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(w.folder, name)
	write(t, path, text)
	return path
}

// build makes a case with what cases have.
func (w *shredWorld) build(t *testing.T) {
	ok := func(args ...string) string { t.Helper(); return w.ok(t, args...) }
	ok("init")
	ok("case", "declare", "--title", "T", "--organisation", "Example Shop", "--known", "2026-08-20T10:09+09:00", "--id", "loss-2026", "--regime", "eu-gdpr", "--regime", "ca-qc")
	ok("incident", "add", "--facts", w.file(t, "facts.yaml", `id: loss-2026
facts:
  - {key: affected.count, value: 5, unit: accounts, qualifier: exact}
  - {key: data-class, id: a, value: email}
  - {key: next-update, value: none}
  - {key: scope.state, value: final}
`))
	export := w.file(t, "accounts.csv", "id,mail,tel\naccount-7001,hana.victim@example.com,090-5555-1234\naccount-7002,taro.victim@example.com,\naccount-7003,ken.victim@example.jp,\n"+
		"account-7004,out@example.org,\naccount-7005,"+watchesDaily+",\naccount-7006,"+watchesNow+",\n")
	rules := w.file(t, "rules.yaml", "columns: {account: id, email: mail, phone: tel}\nphoneRegion: JP\n"+
		"exclude:\n  - {name: tests, when: 'mail == \"out@example.org\" or mail == \"nobody.victim@example.com\"'}\nsets:\n  - {classes: [email]}\n")
	ok("scope", "--export", export, "--rules", rules, "--incident", "loss-2026", "--commit")
	ok("publish", "loss-2026", "--despite", "a test")
	ok("case", "evidence", "add", "loss-2026", w.file(t, "dump.txt", strings.Repeat("taro.victim@example.com;090-5555-1234\n", 50)), "--source", "the server")
	ok("case", "note", "loss-2026", "hana.victim@example.com has called; account-7001, account-7002, 山田花子さん本人")
	ok("case", "report", "loss-2026", "--from", "customer", "--at", "2026-08-20T10:00+09:00", "--text", "ken.victim@example.jp says so, 090-5555-1234")
	ok("case", "party", "put", "loss-2026", "acme", "--name", "Acme", "--kind", "client", "--contact", "asks.victim@example.net")
	ok("case", "party", "told", "loss-2026", "acme", "--what", "all of it", "--by", "mail")
	ok("case", "prevention", "loss-2026", "--title", "Keep less", "--owner", "Sato", "--due", "2030-01-01")
	w.mail(t)
	w.contain(t)
	w.rooms(t)
	ok("watch-logins", w.file(t, "logins.jsonl", `{"time":"2026-08-21T10:00:00Z","account":"account-7001","ip":"192.0.2.1","result":"success"}`+"\n"), "--case", "loss-2026", "--since", "2026-08-20T00:00Z", "--format", "jsonl")
	ok("case", "declare", "--title", "T", "--organisation", "Example Shop", "--known", "2026-08-20T10:09+09:00", "--id", "other-2026", "--regime", "eu-gdpr")
	ok("scope", "--export", w.file(t, "others.csv", "id,mail\n1,"+watchesDaily+"\n2,"+watchesNow+"\n"),
		"--rules", w.file(t, "others.yaml", "columns: {account: id, email: mail}\nsets:\n  - {classes: [email]}\n"), "--incident", "other-2026", "--commit")
	leaves := w.watched(t, "loss-2026", "other-2026")
	who, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	ok("backup", w.plain)
	ok("backup", w.sealed, "--keys-to", who.Recipient().String())
	leaves()
	ok("case", "note", "loss-2026", "taro.victim@example.com again")
	ok("backup", w.plain)
	ok("case", "close", "loss-2026", "--why", "it is over", "--despite", "the authority has all of it")
}

// mail sends a campaign, and takes in what comes back, and letters.
func (w *shredWorld) mail(t *testing.T) {
	ok := func(args ...string) string { t.Helper(); return w.ok(t, args...) }
	sink := &smtptest.Sink{Answer: func(command string, e smtptest.Envelope) string { // servers repeat addresses
		if strings.HasPrefix(command, "RCPT") && strings.Contains(e.To, "ken.victim") {
			return "550 5.1.1 ken.victim@example.jp is nobody here (account-7003)"
		}
		return ""
	}}
	relay, err := sink.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sink.Close() })
	for _, set := range [][2]string{{"url", "http://localhost:8311"}, {"mail.server", relay}, {"mail.security", "none"}, {"mail.from", "notice@example.jp"}, {"returns.address", "back@bounce.example.jp"},
		{"campaign.relays", relay}, {"campaign.security", "none"},
		{"enquiry.address", "ask@example.jp"}, {"campaign.relaySigns", "true"}, {"dns.server", "127.0.0.1:1"}} {
		ok("config", "set", set[0], set[1])
	}
	var row campaignRow
	if err := json.Unmarshal([]byte(ok("campaign", "new", w.file(t, "campaign.yaml", campaignFile), "--json")), &row); err != nil {
		t.Fatal(err)
	}
	ok("campaign", "start", row.ID, "--despite", "a test")
	a, in := opened(t, w.data)
	defer in.close()
	sent(t, a, in, row.ID)
	ok("bounces", "suppress", "loss-2026", "taro.victim@example.com", "--note", "taro.victim@example.com asked us to")
	ok("enquiry", "open", "loss-2026")
	ok("enquiry", "ingest", w.file(t, "letter.eml", strings.ReplaceAll(
		"From: 山田花子さん本人 <asks.victim@example.net>\nTo: ask+loss-2026@example.jp\nDelivered-To: ask+loss-2026@example.jp\nMessage-ID: <1@example.net>\nSubject: account-7001\n"+
			"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\n\nhana.victim@example.com, 090-5555-1234\n"+
			"--b\nContent-Type: text/csv\nContent-Disposition: attachment; filename=\"account-7002.csv\"\n\ntaro.victim@example.com\n--b--\n", "\n", "\r\n")))
}

// contain blocks the accounts at the gate, and has them reset.
func (w *shredWorld) contain(t *testing.T) {
	ok := func(args ...string) string { t.Helper(); return w.ok(t, args...) }
	shop := filepath.Join(t.TempDir(), "shop.db")
	accounts := must(sql.Open("sqlite", "file:"+shop))(t)
	defer accounts.Close()
	for _, s := range []string{`CREATE TABLE users (id TEXT PRIMARY KEY, password_hash TEXT NOT NULL, must_change INTEGER NOT NULL DEFAULT 0)`, `CREATE TABLE sessions (user_id TEXT NOT NULL)`,
		`INSERT INTO users (id, password_hash) VALUES ('account-7001', 'x'), ('account-7002', 'x'), ('account-7003', 'x')`} {
		if _, err := accounts.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	for _, set := range [][2]string{{"reset.connector", "sql"}, {"reset.statements", w.file(t, "reset.yaml", resetStatements)}, {"reset.secretFile", w.file(t, "url", "sqlite:"+shop+"\n")}, {"reset.returns", "https://shop.example.jp/login"}} {
		ok("config", "set", set[0], set[1])
	}
	ok("gate", "block", "loss-2026", "--accounts", "blocked", "--why", "x")
	ok("reset", "open", "loss-2026")
	a, in := opened(t, w.data)
	defer in.close()
	resets := must(a.resetsAnyway(t.Context(), in))(t)
	if err := resets.Ask(t.Context(), "loss-2026", "hana.victim@example.com", "hana.victim@example.com", language.JA); err != nil {
		t.Fatal(err)
	}
}

// rooms has what no command makes.
func (w *shredWorld) rooms(t *testing.T) {
	a, in := opened(t, w.data)
	defer in.close()
	desk := must(a.enquiries(t.Context(), in))(t)
	if _, err := desk.Record(t.Context(), actor.Operator(), "loss-2026", enquiry.Recorded{Channel: enquiry.Telephone, Topic: "data", Lang: language.JA,
		Text: "hana.victim@example.com, account-7001", Person: enquiry.Person{Name: "山田花子さん本人", Address: "asks.victim@example.net"}}); err != nil {
		t.Fatal(err)
	}
	places := must(spread.New(t.Context(), spread.Rooms{DB: in.db, Rosters: in.rosters}))(t)
	if err := places.Report(t.Context(), "loss-2026", "forum", "https://forum.example/account-7001"); err != nil {
		t.Fatal(err)
	}
	asked := must(people.New(t.Context(), people.Rooms{DB: in.db, Keys: in.keys, Rosters: in.rosters, ByMail: func(context.Context, string) (people.About, bool, error) { return people.About{}, true, nil }}))(t)
	if err := asked.Ask(t.Context(), "loss-2026", language.JA, "asks.victim@example.net"); err != nil {
		t.Fatal(err)
	}
	cases := must(a.casesOf(t.Context(), in))(t)
	proposals := must(a.proposalRoom(t.Context(), in, cases))(t)
	proposed := must(proposals.Propose(t.Context(), actor.Operator(), publish.KindPublish, "loss-2026", publish.Asked{Despite: "hana.victim@example.com says otherwise", Time: time.Now()}))(t)
	must(proposals.Withdraw(t.Context(), actor.Operator(), proposed.ID, "account-7001 does not"))(t)
	scopes := must(a.scopesOf(t.Context(), in, cases))(t)
	if _, err := scopes.SaveRules(t.Context(), actor.Operator(), "loss-2026", "columns: {account: id, email: mail}\nexclude:\n  - {name: tests, when: 'mail == \"taro.victim@example.com\"'}\nsets:\n  - {classes: [email]}\n", 0); err != nil {
		t.Fatal(err)
	}
	tell := must(a.watchersRoom(t.Context(), in, watchers.Mailer{}, nil))(t)
	if err := tell.Add(t.Context(), watchers.Choice{Lang: language.JA}, "hana.victim@example.com", "stranger@example.org"); err != nil {
		t.Fatal(err)
	}
}

// TestEndApproved: with staff, closing despite what is open and shredding are proposed; a second person approves both, the record that is kept
// is what was approved, and a shredding whose case takes no note of it any more comes to its end all the same.
func TestEndApproved(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newShredWorld(t, url)
		w.ok(t, "init")
		w.ok(t, "case", "declare", "--title", "T", "--organisation", "Example Shop", "--known", "2026-08-20T10:09+09:00", "--id", "loss-2026", "--regime", "ca-qc")
		w.ok(t, "case", "party", "put", "loss-2026", "acme", "--name", "Acme", "--kind", "client")
		a, in := opened(t, w.data)
		defer in.close()
		for _, p := range []string{"p-first", "p-second"} {
			if _, err := in.db.ExecContext(t.Context(), `INSERT INTO staff_account (id, name, roles, every, created, approver_since, held_from, oidc, removed, forget) VALUES ($1, $1, 'commander,approver', 3, 1, 1, 1, '', 0, 0)`, p); err != nil {
				t.Fatal(err)
			}
		}
		proposed := func(args ...string) string {
			t.Helper()
			var said struct {
				Proposed proposalRow `json:"proposed"`
			}
			if err := json.Unmarshal([]byte(w.ok(t, append(args, "--json")...)), &said); err != nil || said.Proposed.State != "proposed" {
				t.Fatalf("%+v, %v", said, err)
			}
			return said.Proposed.ID
		}
		if out, exit := w.command(t, "case", "close", "loss-2026", "--why", "x"); exit == exitDone || !strings.Contains(out, "Acme") || !strings.Contains(out, "--despite") {
			t.Fatal(out)
		}
		if err := approvedBy(t, a, in, in.db, proposed("case", "close", "loss-2026", "--why", "x", "--despite", "they are wound up")); err != nil {
			t.Fatal(err)
		}
		w.ok(t, "case", "hold", "loss-2026", "--why", "a claim")
		if out, exit := w.command(t, "scope", "shred", "loss-2026"); exit == exitDone || !strings.Contains(out, "legal hold") {
			t.Fatal(out)
		}
		w.ok(t, "case", "hold", "loss-2026", "--release", "1", "--why", "settled")
		w.ok(t, "incident", "add", "--facts", w.file(t, "later.yaml", "id: loss-2026\nfacts:\n  - {key: next-update, value: \"2030-01-01T10:00+09:00\"}\n"))
		if out, exit := w.command(t, "scope", "shred", "loss-2026"); exit == exitDone || !strings.Contains(out, "came up after it was closed") || !strings.Contains(out, "--despite") {
			t.Fatal(out)
		}
		w.ok(t, "incident", "add", "--facts", w.file(t, "none.yaml", "id: loss-2026\nfacts:\n  - {key: next-update, value: none}\n"))
		shred := proposed("scope", "shred", "loss-2026")
		w.ok(t, "case", "hold", "loss-2026", "--why", "another") // after it was proposed
		if err := approvedBy(t, a, in, in.db, shred); err == nil {
			t.Fatal("it was approved under a hold")
		}
		w.ok(t, "case", "hold", "loss-2026", "--release", "2", "--why", "settled out of court")
		if err := approvedBy(t, a, in, in.db, shred); err == nil {
			t.Fatal("a hold was put on and ended since it was proposed, and whoever approved it was not told")
		}
		shred = proposed("scope", "shred", "loss-2026")
		if said := w.ok(t, "proposal", "show", shred); !strings.Contains(said, "settled out of court") || !strings.Contains(said, "they are wound up") {
			t.Error(said)
		}
		if err := approvedBy(t, a, in, in.db, shred); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(w.folder, "end.json")
		w.ok(t, "case", "certificate", "loss-2026", "--out", out)
		if said := w.ok(t, "verify", out, "--proof", out+".proof", "--ledger-key", in.publisher.VKey(), "--json"); !strings.Contains(said, `"kind":"certificate"`) || strings.Contains(said, "loss-2026") {
			t.Error(said) // nothing of it is public: it is not named
		}
		b := must(os.ReadFile(out))(t)
		write(t, out, strings.Replace(string(b), `"n":1,"outcome"`, `"n":2,"outcome"`, 1))
		if said, exit := w.command(t, "verify", out, "--proof", out+".proof", "--ledger-key", in.publisher.VKey()); exit == exitDone {
			t.Errorf("a certificate that was changed verifies: %s", said)
		}
		if said := w.ok(t, "case", "closing", "loss-2026", "--json"); !strings.Contains(said, `"shredded":true`) || !strings.Contains(said, `"retained"`) {
			t.Error(said)
		}
		if said := w.ok(t, "case", "retained", "loss-2026"); !strings.Contains(said, "until 2031-08-20") {
			t.Error(said)
		}
	})
}
