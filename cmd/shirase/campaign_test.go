package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/foxcpp/go-mockdns"

	"shirase/internal/actor"
	"shirase/internal/proposal"
	"shirase/internal/reach"
	"shirase/internal/reach/smtptest"
	"shirase/internal/store"
)

const campaignFile = `incident: loss-2026
from: {ja: お知らせ事務局, en: Notices, address: notice@example.jp}
subject: {ja: お知らせ, en: A notice}
text:
  ja: |
    # お詫び

    {{organisation}}です。漏えいした項目は{{you.exposed}}です。お知らせ番号は{{notice.number}}です。
  en: |
    # A notice

    Of you: {{you.exposed}}. {{notice.number}}
`

// toldMail is what a relay was given.
type toldMail struct{ from, to, id string }

// TestCampaign tells a roster by mail, from its preflight to what comes back: it is held up until what receivers look at is well, again at
// its approval; a report moves its recipient and has them written to no more; and who knows no more than a mail's Message-ID moves nobody.
func TestCampaign(t *testing.T) {
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
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		write(t, path, text)
		return path
	}
	ok("init")
	ok("incident", "new", "--facts", file("facts.yaml", `id: loss-2026
facts:
  - {key: title, value: {ja: 会員情報の漏えい, en: A loss of member data}}
  - {key: organisation, value: {ja: 株式会社例示, en: Example Inc.}}
  - {key: discovered, value: "2026-11-18T10:09+09:00"}
  - {key: affected.count, value: 3, unit: accounts, qualifier: exact}
  - {key: data-class, value: email}
`))
	ok("scope", "--export", file("accounts.csv", "id,mail\n1,a@example.com\n2,b@example.com\n3,c@example.net\n"),
		"--rules", file("rules.yaml", "columns: {account: id, email: mail}\nsets:\n  - {classes: [email]}\n"), "--incident", "loss-2026", "--commit")
	ok("publish", "loss-2026")

	var mu sync.Mutex
	var mails []toldMail
	var last string // of what the relay was given, as it came
	sink := &smtptest.Sink{Keep: true, Taken: func(e smtptest.Envelope, data []byte) {
		_, id, _ := strings.Cut(string(data), "Message-ID: <")
		id, _, _ = strings.Cut(id, ">")
		mu.Lock()
		last = string(data)
		mails = append(mails, toldMail{strings.Trim(e.From, "<>"), strings.Trim(e.To, "<>"), id})
		mu.Unlock()
	}}
	relay, err := sink.Listen("")
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	var keys struct {
		Records []struct{ Name, Text string }
	}
	if err := json.Unmarshal([]byte(ok("campaign", "keys", "--json")), &keys); err != nil || len(keys.Records) != 2 {
		t.Fatal(keys, err)
	}
	zones := map[string]mockdns.Zone{
		"example.jp.":              {MX: []net.MX{{Host: "mx.example.jp.", Pref: 10}}},
		"_dmarc.example.jp.":       {TXT: []string{"v=DMARC1; p=reject"}},
		"bounce.example.jp.":       {TXT: []string{"v=spf1 ip4:192.0.2.20 -all"}, MX: []net.MX{{Host: "mx.example.jp.", Pref: 10}}},
		"mx.example.jp.":           {A: []string{"192.0.2.30"}},
		"out.example.jp.":          {A: []string{"192.0.2.20"}},
		"20.2.0.192.in-addr.arpa.": {PTR: []string{"out.example.jp."}},
	}
	for _, k := range keys.Records {
		zones[k.Name+".example.jp."] = mockdns.Zone{TXT: []string{k.Text}}
	}
	dns, err := mockdns.NewServerWithLogger(zones, log.New(io.Discard, "", 0), false)
	if err != nil {
		t.Fatal(err)
	}
	defer dns.Close()
	for _, set := range [][2]string{{"returns.address", "back@bounce.example.jp"}, {"mail.from", "notice@example.jp"}, {"mail.sending", "192.0.2.20"},
		{"dns.server", dns.LocalAddr().String()}, {"campaign.relays", relay}, {"campaign.security", "none"}} {
		ok("config", "set", set[0], set[1])
	}
	made := func() (id string) {
		var row campaignRow
		if err := json.Unmarshal([]byte(ok("campaign", "new", file("campaign.yaml", campaignFile), "--json")), &row); err != nil {
			t.Fatal(err)
		}
		return row.ID
	}
	id := made()

	// No mail has come back yet: it is not sent, and is once one has.
	if out, exit := command("campaign", "start", id); exit == exitDone || !strings.Contains(out, "no mail was sent to come back") {
		t.Fatalf("exit %d: %s", exit, out)
	}
	var seed struct{ Address string }
	if err := json.Unmarshal([]byte(ok("bounces", "seed", "--json")), &seed); err != nil {
		t.Fatal(err)
	}
	ok("campaign", "test", id, "--to", seed.Address)
	// It has to be signed, as it came back: changed on the way, it is not.
	ok("bounces", "ingest", file("changed.eml", strings.Replace(last, "Subject:", "Subject: [list]", 1)))
	if out, exit := command("campaign", "start", id); exit == exitDone || !strings.Contains(out, "does not hold") {
		t.Fatalf("exit %d: %s", exit, out)
	}
	ok("bounces", "ingest", file("seed.eml", last))
	if out := ok("bounces", "preflight", "--json"); !strings.Contains(out, `"ready":true`) {
		t.Fatal(out)
	}
	mails = nil

	a, in := opened(t, data)
	defer in.close()
	for _, p := range []string{"p-first", "p-second"} {
		if _, err := in.db.ExecContext(t.Context(), `INSERT INTO staff_account (id, name, roles, every, created, approver_since, held_from, oidc, removed, forget) VALUES ($1, $1, 'commander,approver', 3, 1, 1, 1, '', 0, 0)`, p); err != nil {
			t.Fatal(err)
		}
	}
	approve := func(id string) error { return approvedBy(t, a, in, in.db, id) }
	proposed := func(args ...string) string {
		t.Helper()
		var said struct {
			Proposed proposalRow `json:"proposed"`
		}
		if err := json.Unmarshal([]byte(ok(append(args, "--json")...)), &said); err != nil || said.Proposed.State != "proposed" {
			t.Fatalf("%+v, %v", said, err)
		}
		return said.Proposed.ID
	}
	// Well when it was proposed, and not any more when it is approved: it is not sent. Overruled, whoever approves reads why.
	p := proposed("campaign", "start", id)
	well := a.op().Mail.Sending
	a.op().Mail.Sending = []netip.Addr{netip.MustParseAddr("192.0.2.99")}
	if err := approve(p); !errors.Is(err, reach.ErrNotReady) {
		t.Fatalf("what is not well is approved: %v", err)
	}
	a.op().Mail.Sending = well
	ok("proposal", "withdraw", p, "--why", "another server")
	ok("config", "set", "mail.sending", "192.0.2.99")
	p = proposed("campaign", "start", id, "--despite", "the record comes tonight")
	if out := ok("proposal", "show", p); !strings.Contains(out, "SPF of bounce.example.jp gives fail") || !strings.Contains(out, "the record comes tonight") {
		t.Error(out)
	}
	ok("proposal", "withdraw", p, "--why", "the record is there")
	ok("config", "set", "mail.sending", "192.0.2.20")
	if err := approve(proposed("campaign", "start", id)); err != nil {
		t.Fatal(err)
	}
	sent(t, a, in, id)
	if len(mails) != 3 {
		t.Fatalf("%+v", mails)
	}
	to := func(address string) toldMail {
		return mails[slices.IndexFunc(mails, func(m toldMail) bool { return m.to == address })]
	}
	counts := func(id string) map[string]int64 {
		t.Helper()
		var row campaignRow
		if err := json.Unmarshal([]byte(ok("campaign", "status", id, "--json")), &row); err != nil {
			t.Fatal(err)
		}
		return row.Counts
	}
	if n := counts(id); n["handed-over"] != 3 {
		t.Fatal(n)
	}

	// Its figures become a fact of the case.
	figures := filepath.Join(folder, "told.yaml")
	ok("campaign", "report", id, "--facts", figures)
	ok("incident", "add", "--facts", figures)
	if out := ok("campaign", "report", id, "--json"); !strings.Contains(out, `"moved":false`) || !strings.Contains(out, `"recorded":true`) {
		t.Error(out)
	}

	// Who has read a Message-ID builds an address of it, or names the person: nothing moves, and nobody is silenced.
	quoted, _, _ := strings.Cut(strings.TrimPrefix(to("b@example.com").id, "m."), "@")
	for i, forged := range []string{report("back+"+quoted+"@bounce.example.jp", "b@example.com", "x@y.example"), report("back@bounce.example.jp", "b@example.com", "x@y.example")} {
		var sum struct{ Read, Matched, Unmatched int }
		if err := json.Unmarshal([]byte(ok("bounces", "ingest", file("forged"+string(rune('0'+i))+".eml", forged), "--json")), &sum); err != nil || sum.Matched != 0 || sum.Unmatched != 1 {
			t.Errorf("%+v, %v", sum, err)
		}
	}
	// A Message-ID alone moves its mail, and silences nobody.
	ok("bounces", "ingest", file("quoted.eml", report("postmaster@example.jp", "c@example.net", to("c@example.net").id)))
	if n := counts(id); n["handed-over"] != 2 || n["bounced"] != 1 {
		t.Error(n)
	}
	if out := ok("bounces", "list", "loss-2026"); !strings.Contains(out, "Nobody is suppressed") {
		t.Error(out)
	}
	// The relay's own report, to the mail's own address, twice: once it counts. It names another, who is not meant.
	dsn := file("dsn.eml", report(to("a@example.com").from, "b@example.com", to("a@example.com").id))
	ok("bounces", "ingest", dsn)
	ok("bounces", "ingest", dsn)
	if n := counts(id); n["handed-over"] != 1 || n["bounced"] != 2 {
		t.Error(n)
	}
	if out := ok("bounces", "list", "loss-2026"); !strings.Contains(out, "a@example.com") || !strings.Contains(out, "userunknown") || strings.Contains(out, "b@example.com") || strings.Contains(out, "c@example.net") {
		t.Error(out)
	}
	if out := ok("campaign", "report", id); !strings.Contains(out, "could not be reached: 2") || !strings.Contains(out, "宛先のメールアドレスがない: 2") || !strings.Contains(out, "have moved since they were recorded") {
		t.Error(out)
	}

	// The next campaign of the case does not write to them, and says so.
	mails = nil
	id = made()
	if err := approve(proposed("campaign", "start", id)); err != nil {
		t.Fatal(err)
	}
	sent(t, a, in, id)
	if n := counts(id); n["substitute"] != 1 || n["handed-over"] != 2 || len(mails) != 2 || slices.ContainsFunc(mails, func(m toldMail) bool { return m.to == "a@example.com" }) {
		t.Errorf("%v, %+v", n, mails)
	}
	if out := ok("campaign", "report", id); !strings.Contains(out, "to be told in another way instead: 1") {
		t.Error(out)
	}
}

// report is a relay's report of a mail that did not arrive.
func report(to, about, id string) string {
	return strings.NewReplacer("TO", to, "ABOUT", about, "MID", id).Replace(`From: MAILER-DAEMON@relay.example.jp
To: TO
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

It did not arrive.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example.jp

Final-Recipient: rfc822; ABOUT
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 User unknown

--b
Content-Type: text/rfc822-headers

Message-ID: <MID>

--b--
`)
}

// opened opens an instance as a server does.
func opened(t *testing.T, data string) (*app, *instance) {
	t.Helper()
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
	return a, in
}

// approvedBy has the second person approve a proposal of the host, whose hour is over.
func approvedBy(t *testing.T, a *app, in *instance, db *store.DB, id string) error {
	t.Helper()
	cases, err := a.casesOf(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	proposals, err := a.proposalRoom(t.Context(), in, cases)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `UPDATE proposal SET alone_from = proposed_at WHERE id = $1`, id); err != nil {
		t.Fatal(err)
	}
	x, err := proposals.Get(t.Context(), actor.Operator(), id)
	if err != nil {
		t.Fatal(err)
	}
	who, _, err := in.staff.Actor(t.Context(), "p-second", x.Act(), "console")
	if err != nil {
		t.Fatal(err)
	}
	done, err := proposals.Approve(t.Context(), who, id, x.Digest)
	if err == nil && done.State != proposal.Done {
		t.Fatalf("%+v", done)
	}
	return err
}

// sent sends what is to be sent until a campaign is done.
func sent(t *testing.T, a *app, in *instance, id string) {
	t.Helper()
	r, err := a.campaigns(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	r.Poll = 5 * time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	all.Go(func() { r.Work(ctx, func(err error) { t.Error(err); stop() }) })
	for ctx.Err() == nil {
		c, err := r.Get(ctx, actor.Operator(), id)
		if err != nil {
			t.Fatal(err)
		}
		if c.State == reach.Done {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}
