package returned

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/killtest"
	"shirase/internal/reach/bounce"
	"shirase/internal/reach/preflight"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestMain is also the child that TestKilled kills.
func TestMain(m *testing.M) { killtest.Main(m, ingestForEver) }

var by = actor.Operator()

// campaign is a scripted one, with keyed tokens: message n went to n@example.net in the case "case-a".
type campaign struct {
	key    []byte
	states map[string]string
	told   int
}

func (c *campaign) token(n int) string { return c.keyed("return", n) }

// id is the Message-ID of message n.
func (c *campaign) id(n int) string { return "m." + c.keyed("message-id", n) + "@example.jp" }

func (c *campaign) keyed(of string, n int) string {
	m := hmac.New(sha256.New, c.key)
	fmt.Fprint(m, of, n)
	return fmt.Sprintf("%d-%s", n, hex.EncodeToString(m.Sum(nil)[:8]))
}

// opens finds messages by tokens of a kind.
func (c *campaign) opens(of string) func(context.Context, string) (Sent, bool, error) {
	return func(_ context.Context, s string) (Sent, bool, error) {
		local, _, _ := strings.Cut(s, "@")
		token := local[strings.LastIndexAny(local, "+.")+1:]
		var n int
		if _, err := fmt.Sscanf(token, "%d-", &n); err != nil || token != c.keyed(of, n) {
			return Sent{}, false, nil
		}
		return Sent{Token: c.token(n), Case: "case-a"}, true, nil
	}
}

func (c *campaign) addresses(_ context.Context, tokens []string) (map[string]string, error) {
	out := map[string]string{}
	for _, token := range tokens {
		n, _, _ := strings.Cut(token, "-")
		out[token] = n + "@example.net"
	}
	return out, nil
}

func (c *campaign) moved(_ context.Context, token, proposed string, _ Verdict) (string, error) {
	c.told++
	c.states[token] = proposed
	return proposed, nil
}

func sealer(fill byte) func(context.Context, string, bool) (*store.Sealer, error) {
	return func(_ context.Context, incident string, _ bool) (*store.Sealer, error) {
		if incident == "shredded" {
			return nil, files.ErrNotExist
		}
		return store.NewSealer(bytes.Repeat([]byte{fill}, store.KeySize))
	}
}

func room(ctx context.Context, db *store.DB) (*Returned, *campaign, error) {
	c := &campaign{key: []byte("key"), states: map[string]string{}}
	r, err := New(ctx, Rooms{DB: db, Address: "back@bounce.example.jp", Seal: sealer(1), Open: c.opens("return"), Mailed: c.opens("message-id"), Addresses: c.addresses, Moved: c.moved,
		ByAddress: func(_ context.Context, address string) (Sent, bool, error) {
			return Sent{Token: c.token(1), Case: "case-a"}, address == "1@example.net", nil
		}})
	return r, c, err
}

func each(t *testing.T, do func(t *testing.T, r *Returned, c *campaign)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r, c, err := room(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		do(t, r, c)
	})
}

// dsn is one of somebody, as Postfix writes it.
func dsn(to, about, action, status, said string) string {
	return fmt.Sprintf(`From: MAILER-DAEMON@relay.example.jp
To: %s
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

It did not arrive.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example.jp

Final-Recipient: rfc822; %s
Action: %s
Status: %s
Diagnostic-Code: smtp; %s

--b
Content-Type: text/rfc822-headers

Message-ID: <ID>
To: <%s>

--b--
`, to, about, action, status, said, about)
}

func unknown(c *campaign, n int) string {
	return dsn("back+"+c.token(n)+"@bounce.example.jp", fmt.Sprintf("%d@example.net", n), "failed", "5.1.1", "550 5.1.1 User unknown")
}

func list(messages ...string) Source {
	return func(context.Context) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			for _, m := range messages {
				if !yield([]byte(m), nil) {
					return
				}
			}
		}
	}
}

func (r *Returned) in(t *testing.T, messages ...string) Summary {
	t.Helper()
	sum, err := r.Ingest(t.Context(), by, list(messages...))
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestIngest(t *testing.T) {
	each(t, func(t *testing.T, r *Returned, c *campaign) {
		to := func(n int) string { return "back+" + c.token(n) + "@bounce.example.jp" }
		sum := r.in(t, unknown(c, 1),
			dsn(to(2), "2@example.net", "delayed", "4.4.1", "connection timed out"),
			dsn(to(3), "3@example.net", "failed", "5.7.1", "554 our filter takes this for spam"),
			dsn(to(4), "4@example.net", "delivered", "2.0.0", "250 Ok"),
			"From: A <5@example.net>\nTo: "+to(5)+"\nSubject: Automatic reply\nAuto-Submitted: auto-replied\n\nI am away.\n",
			dsn("back@bounce.example.jp", "x@example.net", "failed", "5.1.1", "550 User unknown"))
		want := map[string]int{Bounced: 1, Deferred: 1, Refused: 1, Accepted: 1, Unchanged: 1}
		if sum.Read != 6 || sum.Matched != 5 || sum.Unmatched != 1 || !maps.Equal(sum.States, want) {
			t.Errorf("%+v", sum)
		}
		if c.states[c.token(1)] != Bounced || c.states[c.token(3)] != Refused || c.told != 4 {
			t.Errorf("the campaign was told %d times: %v", c.told, c.states)
		}
		// Once more, in another mailbox, by another way: it is known.
		again := "Return-Path: <>\r\nDelivered-To: somebody\r\nReceived: from elsewhere\r\n\tby here\r\n" + strings.ReplaceAll(unknown(c, 1), "\n", "\r\n") + "\r\n"
		if sum := r.in(t, again, unknown(c, 1)); sum.Known != 2 || sum.Matched != 0 || len(sum.States) != 0 || c.told != 4 {
			t.Errorf("%+v, told %d times", sum, c.told)
		}
		reasons, err := r.Reasons(t.Context(), by, "case-a")
		if err != nil || !maps.Equal(reasons, map[bounce.Reason]int64{bounce.UserUnknown: 1, bounce.SpamDetected: 1}) {
			t.Errorf("%v, %v", reasons, err)
		}
	})
}

// TestForged: nobody is suppressed, and no message is moved, by what a stranger writes.
func TestForged(t *testing.T) {
	each(t, func(t *testing.T, r *Returned, c *campaign) {
		mine := "back+" + c.token(7) + "@bounce.example.jp"
		other := &campaign{key: []byte("another")}
		sum := r.in(t,
			dsn("back@bounce.example.jp", "1@example.net", "failed", "5.1.1", "550 User unknown"), // names somebody
			dsn("back+"+other.token(1)+"@bounce.example.jp", "2@example.net", "failed", "5.1.1", "550 User unknown"),
			dsn("back+"+c.token(1)+"@elsewhere.example", "3@example.net", "failed", "5.1.1", "550 User unknown"))
		if sum.Matched != 0 || sum.Unmatched != 3 || sum.Doubtful != 1 || c.told != 0 {
			t.Errorf("%+v, told %d times", sum, c.told)
		}
		// A keyed Message-ID, which is quoted in answers and lists, moves the message and suppresses nobody.
		quoted := strings.Replace(dsn("postmaster@example.jp", "4@example.net", "failed", "5.1.1", "550 User unknown"), "<ID>", "<"+c.id(4)+">", 1)
		if sum := r.in(t, quoted); sum.Matched != 1 || c.states[c.token(4)] != Bounced {
			t.Errorf("%+v %v", sum, c.states)
		}
		if held, err := r.List(t.Context(), by, "case-a", 10); err != nil || len(held) != 0 {
			t.Errorf("%+v, %v", held, err)
		}
		// Whoever has read it cannot make up the address that the mail comes back to, nor a Message-ID from that address.
		stolen, _, _ := strings.Cut(strings.TrimPrefix(c.id(5), "m."), "@")
		sum = r.in(t, dsn("back+"+stolen+"@bounce.example.jp", "5@example.net", "failed", "5.1.1", "550 User unknown"),
			strings.Replace(dsn("postmaster@example.jp", "6@example.net", "failed", "5.1.1", "550 User unknown"), "<ID>", "<m."+c.token(6)+"@example.jp>", 1))
		if sum.Matched != 0 || c.states[c.token(5)] != "" || c.states[c.token(6)] != "" {
			t.Errorf("%+v %v", sum, c.states)
		}
		if ok, err := r.takes(t.Context(), "back+"+stolen+"@bounce.example.jp"); ok || err != nil {
			t.Errorf("the listener takes it in: %v", err)
		}
		// Somebody has their own token, and names another in what they send to it: they silence themselves.
		r.in(t, dsn(mine, "8@example.net", "failed", "5.1.1", "550 User unknown"))
		held, err := r.List(t.Context(), by, "case-a", 10)
		if err != nil || len(held) != 1 || held[0].Address != "7@example.net" {
			t.Errorf("%+v, %v", held, err)
		}
	})
}

func TestSuppression(t *testing.T) {
	each(t, func(t *testing.T, r *Returned, c *campaign) {
		ctx := t.Context()
		now := time.Date(2013, 7, 19, 16, 0, 0, 0, time.UTC)
		r.now = func() time.Time { return now }
		to := func(n int) string { return "back+" + c.token(n) + "@bounce.example.jp" }
		r.in(t, unknown(c, 1), // for a year
			dsn(to(2), "2@example.net", "failed", "5.2.2", "552 mailbox full"),
			dsn(to(3), "3@example.net", "failed", "5.7.26", "550 DMARC policy"), // a refusal: never
			dsn(to(4), "4@example.net", "delayed", "4.1.1", "450 User unknown"), // not for good
			dsn(to(5), "5@example.net", "failed", "4.4.7", "delivery time expired"))
		if err := r.Suppress(ctx, by, "case-a", "Six@Example.net", "asked by telephone", now.Add(48*time.Hour)); err != nil {
			t.Fatal(err)
		}
		held := func() (out []string) {
			is, err := r.Suppressed(ctx, by, "case-a")
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range []string{"1@example.net", "2@example.net", "3@example.net", "4@example.net", "5@example.net", "SIX@example.net"} {
				if is(a) {
					out = append(out, a)
				}
			}
			return out
		}
		if got := held(); !slices.Equal(got, []string{"1@example.net", "2@example.net", "SIX@example.net"}) {
			t.Errorf("%q", got)
		}
		all, err := r.List(ctx, by, "case-a", 10)
		if err != nil || len(all) != 3 {
			t.Fatalf("%+v, %v", all, err)
		}
		byReason := map[bounce.Reason]Suppression{}
		for _, s := range all {
			byReason[s.Reason] = s
		}
		if s := byReason[ByHand]; s.Address != "six@example.net" || s.Note != "asked by telephone" || !s.Holds(now) || s.By == "" {
			t.Errorf("%+v", s)
		}
		if s := byReason[bounce.UserUnknown]; s.Until.Sub(now) != 365*24*time.Hour {
			t.Errorf("%+v", s)
		}
		// What else of another case is, is not theirs.
		if is, err := r.Suppressed(ctx, by, "case-b"); err != nil || is("1@example.net") {
			t.Error("it holds in another case", err)
		}
		if err := r.SetUntil(ctx, by, "case-a", byReason[ByHand].ID, now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if err := r.Lift(ctx, by, "case-a", byReason[bounce.UserUnknown].ID); err != nil {
			t.Fatal(err)
		}
		now = now.Add(2 * time.Hour)
		if got := held(); !slices.Equal(got, []string{"2@example.net"}) {
			t.Errorf("%q", got)
		}
		if err := r.Lift(ctx, by, "case-b", byReason[bounce.MailboxFull].ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("one of another case is lifted: %v", err)
		}
		for _, until := range []time.Time{now, now.AddDate(11, 0, 0)} {
			if err := r.Suppress(ctx, by, "case-a", "a@example.net", "", until); !errors.Is(err, ErrInput) {
				t.Errorf("until %s: %v", until, err)
			}
		}
		if err := r.Suppress(ctx, by, "case-a", "nobody", "", now.Add(time.Hour)); !errors.Is(err, ErrInput) || strings.Contains(err.Error(), "nobody") {
			t.Error(err)
		}
		// It bounced again after it was lifted: another one. And one whose time is over holds again.
		now = now.AddDate(0, 1, 0)
		r.in(t, dsn(to(1), "1@example.net", "failed", "5.1.1", "550 no such user"), dsn(to(2), "2@example.net", "failed", "5.1.1", "550 no such user"))
		if got := held(); !slices.Equal(got, []string{"1@example.net", "2@example.net"}) {
			t.Errorf("%q", got)
		}
	})
}

// TestSealed: neither an address nor what a server said stands in the database.
func TestSealed(t *testing.T) {
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r, c, err := room(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	r.in(t, dsn("back+"+c.token(1)+"@bounce.example.jp", "1@example.net", "failed", "5.1.1", "550 the user secretname is unknown"))
	if err := r.Suppress(t.Context(), by, "case-a", "secretname@example.net", "secretname called", r.now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"returned_message", "returned_suppression"} {
		rows, err := db.QueryContext(t.Context(), "SELECT * FROM "+table)
		if err != nil {
			t.Fatal(err)
		}
		columns, _ := rows.Columns()
		n := 0
		for ; rows.Next(); n++ {
			row := make([]any, len(columns))
			for i := range row {
				row[i] = new(sql.RawBytes)
			}
			if err := rows.Scan(row...); err != nil {
				t.Fatal(err)
			}
			for i, v := range row {
				if b := *v.(*sql.RawBytes); bytes.Contains(b, []byte("secretname")) || bytes.Contains(b, []byte("@example.net")) {
					t.Errorf("%s.%s: %q", table, columns[i], b)
				}
			}
		}
		rows.Close()
		if n == 0 {
			t.Errorf("%s is empty", table)
		}
	}
	// Shredding is the end of the key: nothing can be read, and nothing fails.
	r.Seal = sealer(2)
	if _, err := r.List(t.Context(), by, "case-a", 10); !errors.Is(err, store.ErrSeal) {
		t.Errorf("with another key: %v", err)
	}
}

func TestWhoMay(t *testing.T) {
	each(t, func(t *testing.T, r *Returned, c *campaign) {
		ctx := t.Context()
		r.in(t, unknown(c, 1))
		all, err := r.List(ctx, by, "case-a", 1)
		if err != nil || len(all) != 1 {
			t.Fatal(err)
		}
		id, later := all[0].ID, time.Now().Add(time.Hour)
		for name, c := range map[string]struct {
			who                actor.Actor
			list, change, look bool
			err                error
		}{
			"nobody":                    {who: actor.Actor{}, err: actor.ErrNobody},
			"another case's commander":  {who: actor.Staff(actor.Member{ID: "p1", Roles: []actor.Role{actor.Commander}, Access: map[string]actor.Access{"case-b": actor.Full}}, "console"), err: ErrNotFound},
			"an auditor":                {who: actor.Staff(actor.Member{ID: "p2", Roles: []actor.Role{actor.Auditor}}, "console"), look: true, err: actor.ErrRole},
			"the desk":                  {who: actor.Staff(actor.Member{ID: "p3", Roles: []actor.Role{actor.Desk}, Access: map[string]actor.Access{"case-a": actor.Full}}, "console"), list: true, look: true, err: actor.ErrRole},
			"who commands the case":     {who: actor.Staff(actor.Member{ID: "p4", Roles: []actor.Role{actor.Commander}, Access: map[string]actor.Access{"case-a": actor.Full}}, "console"), list: true, change: true, look: true},
			"an administrator of folks": {who: actor.Staff(actor.Member{ID: "p5", Roles: []actor.Role{actor.Administrator}}, "console"), err: ErrNotFound},
		} {
			check := func(what string, allowed bool, err error) {
				if allowed && err != nil || !allowed && !errors.Is(err, c.err) {
					t.Errorf("%s: %s: %v", name, what, err)
				}
			}
			_, err := r.List(ctx, c.who, "case-a", 1)
			check("list", c.list, err)
			_, err = r.Suppressed(ctx, c.who, "case-a")
			check("suppressed", c.look, err)
			check("suppress", c.change, r.Suppress(ctx, c.who, "case-a", "a@example.net", "", later))
			check("set until", c.change, r.SetUntil(ctx, c.who, "case-a", id, later))
			if !c.change {
				check("lift", false, r.Lift(ctx, c.who, "case-a", id))
			}
			if _, err := r.Ingest(ctx, c.who, list()); err == nil {
				t.Errorf("%s takes in mail", name)
			}
		}
	})
}

func TestSeed(t *testing.T) {
	each(t, func(t *testing.T, r *Returned, _ *campaign) {
		ctx := t.Context()
		address, err := r.NewSeed(ctx, by)
		if err != nil || strings.IndexByte(address, '@') > 64 {
			t.Fatal(address, err)
		}
		if s, err := r.Seed(ctx); err != nil || s.Sent.IsZero() || !s.Back.IsZero() || s.Signed != nil {
			t.Errorf("%+v %v", s, err)
		}
		signed := preflight.Signed{From: "example.jp", Signatures: []preflight.Signature{{Domain: "example.jp", Selector: "s1", Algorithm: "rsa-sha256"}}}
		var seen []string
		r.Verify = func(_ context.Context, m []byte) preflight.Signed {
			seen = append(seen, string(m))
			return signed
		}
		guess := "back+seed-" + strings.Repeat("a", 26) + "@bounce.example.jp"
		if sum := r.in(t, "From: a@example.jp\nTo: "+guess+"\n\nx\n"); sum.Matched != 0 {
			t.Errorf("%+v", sum)
		}
		if sum := r.in(t, "From: a@example.jp\nTo: "+address+"\n\nx\n"); sum.Matched != 1 {
			t.Errorf("%+v", sum)
		}
		signed.Signatures[0].Problem = "body hash did not verify" // the newest is what counts
		if sum := r.in(t, "From: a@example.jp\nTo: "+address+"\n\nanother\n"); sum.Matched != 1 {
			t.Errorf("%+v", sum)
		}
		if len(seen) != 2 || !strings.Contains(seen[1], "another") {
			t.Errorf("what was not to come back is looked at: %q", seen)
		}
		if s, err := r.Seed(ctx); err != nil || s.Back.IsZero() || !reflect.DeepEqual(s.Signed, &signed) {
			t.Errorf("%+v %v", s, err)
		}
	})
}

// TestSources reads the same messages as files, as a maildir and as an mbox.
func TestSources(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	c := &campaign{key: []byte("key")}
	var box strings.Builder
	for n := 1; n <= 3; n++ {
		text := unknown(c, n) + "From here on it is quoted.\n"
		put(fmt.Sprintf("mail/%d.eml", n), text)
		put(fmt.Sprintf("maildir/%s/%d", []string{"cur", "new", "cur"}[n-1], n), text)
		box.WriteString("From MAILER-DAEMON Thu Jul 18 22:00:00 2013\n" + strings.ReplaceAll(text, "\nFrom here", "\n>From here") + "\n")
	}
	put("maildir/tmp/4", unknown(c, 4))
	large := put("large.mbox", box.String()+"From x\n"+strings.Repeat("a\n", bounce.MaxSize)+"\nFrom y\n"+unknown(c, 4))
	each(t, func(t *testing.T, r *Returned, _ *campaign) {
		first := true
		for _, name := range []string{filepath.Join(dir, "mail"), filepath.Join(dir, "maildir"), put("mbox", box.String())} {
			s, err := From(t.Context(), name, bounce.MaxSize)
			if err != nil {
				t.Fatal(err)
			}
			sum, err := r.Ingest(t.Context(), by, s)
			if err != nil || sum.Read != 3 || first && sum.Matched != 3 || !first && sum.Known != 3 {
				t.Errorf("%s: %+v, %v", name, sum, err)
			}
			first = false
		}
		s, err := From(t.Context(), large, bounce.MaxSize)
		if err != nil {
			t.Fatal(err)
		}
		if sum, err := r.Ingest(t.Context(), by, s); err != nil || sum.Read != 5 || sum.Unreadable != 1 || sum.Matched != 1 {
			t.Errorf("%+v, %v", sum, err)
		}
		if _, err := From(t.Context(), filepath.Join(dir, "none"), bounce.MaxSize); !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	})
}

// ingestForEver is the child: it takes in messages until it is killed, and prints each state that the campaign was told.
func ingestForEver(args []string, step func()) error {
	ctx := context.Background()
	db, err := store.Open(ctx, args[0])
	if err != nil {
		return err
	}
	r, c, err := room(ctx, db)
	if err != nil {
		return err
	}
	r.step = step
	r.Moved = func(_ context.Context, token, proposed string, _ Verdict) (string, error) {
		fmt.Println(token)
		return proposed, nil
	}
	_, err = r.Ingest(ctx, by, list(many(c)...))
	return err
}

func many(c *campaign) (out []string) {
	for n := range 150 {
		out = append(out, unknown(c, n))
	}
	return out
}

// TestKilled kills ingestion between any two of its steps: what is read again is counted once, and everybody's message was moved.
func TestKilled(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		db, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		r, c, err := room(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		moved := map[string]bool{}
		for _, at := range []int{3, 65, 130, 140} {
			said, killed := killtest.Kill(t, at, url)
			if !killed {
				t.Fatal("it ended by itself")
			}
			for _, token := range said {
				moved[token] = true
			}
		}
		r.Moved = func(_ context.Context, token, proposed string, _ Verdict) (string, error) {
			moved[token] = true
			return proposed, nil
		}
		sum := r.in(t, many(c)...)
		if sum.Read != 150 || sum.Matched+sum.Known != 150 || len(moved) != 150 {
			t.Errorf("%+v, and %d were moved", sum, len(moved))
		}
		if sum.Known == 0 {
			t.Error("nothing of what was killed had been written down")
		}
		held, err := r.List(t.Context(), by, "case-a", 1000)
		if err != nil || len(held) != 150 {
			t.Errorf("%d are suppressed, %v", len(held), err)
		}
	})
}
