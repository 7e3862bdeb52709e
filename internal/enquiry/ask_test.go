package enquiry

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/language"
	"shirase/internal/store"
)

// TestAsk: an enquiry waits for its mailbox, whose link is used up by being used and by nothing else; nothing of it is readable without the case's key.
func TestAsk(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx := t.Context()
		w.asks("data", "どの情報ですか", "hanako@example.com")
		list, n, err := w.List(ctx, actor.Operator(), shop, Filter{})
		if err != nil || n != 0 || len(list) != 0 {
			t.Fatalf("an enquiry whose mailbox nobody has shown is in the queue: %d, %v", n, err)
		}
		mails := w.mails()
		if len(mails) != 1 || mails[0].To != "hanako@example.com" || strings.Contains(mails[0].Text, "どの情報ですか") || strings.Contains(mails[0].Text, "山田") || mails[0].Person {
			t.Fatalf("%+v", mails)
		}
		token := linkIn.FindStringSubmatch(mails[0].Text)[1]
		for range 3 { // programs that look at mail open it
			if list, err := w.Pending(ctx, token); err != nil || len(list) != 1 || list[0].Incident != shop || !list[0].Own {
				t.Fatalf("%+v, %v", list, err)
			}
		}
		for _, bad := range []string{"", "x", token[:len(token)-1], token + "a", strings.Repeat("a", 100)} {
			if _, err := w.Confirm(ctx, bad); !errors.Is(err, ErrToken) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		if of, err := w.Confirm(ctx, token); err != nil || of != shop {
			t.Fatalf("%s, %v", of, err)
		}
		if _, err := w.Confirm(ctx, token); !errors.Is(err, ErrToken) {
			t.Errorf("used twice: %v", err)
		}
		list, n, err = w.List(ctx, actor.Operator(), shop, Filter{})
		if err != nil || n != 1 || list[0].State != Open || list[0].Due.Sub(w.clock) != w.Within || list[0].Person.Address != "" {
			t.Fatalf("%+v, %v", list, err)
		}
		e := w.read(list[0].ID)
		if e.Person.Address != "hanako@example.com" || e.Person.Name != "山田" || len(e.Messages) != 2 || e.Messages[0].Text != "どの情報ですか" {
			t.Errorf("%+v", e)
		}
		w.plain("hanako", "どの情報", "山田")
		if w.clock = w.clock.Add(w.Within + time.Second); !w.read(e.ID).Late(w.clock) {
			t.Error("it is not late")
		}
		if _, late, err := w.List(ctx, actor.Operator(), shop, Filter{Late: true}); err != nil || late != 1 {
			t.Errorf("%d are late: %v", late, err)
		}
	})
}

// TestForms: a form is taken that was filled in by somebody, once; a program's is thrown away, and it hears nothing of that.
func TestForms(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx := t.Context()
		ask := func(a Asked) error {
			if a.Topic == "" {
				a.Topic = "data"
			}
			if a.Address == "" {
				a.Address = "a@example.com"
			}
			a.Lang = language.EN
			return w.Ask(ctx, shop, a)
		}
		early := w.Form(shop)
		if err := ask(Asked{Form: early, Text: "x"}); !errors.Is(err, ErrForm) {
			t.Errorf("sooner than anybody: %v", err)
		}
		w.clock = w.clock.Add(soonest)
		other := w.Form("another")
		old := w.Form(shop)
		w.clock = w.clock.Add(soonest)
		for what, form := range map[string]string{"none": "", "of another": other, "changed": early[:20] + "-" + early[21:], "no token": "!!"} {
			if err := ask(Asked{Form: form, Text: "x"}); !errors.Is(err, ErrForm) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := ask(Asked{Form: early, Text: "x", Trap: "http://spam.example"}); err != nil || w.rows("enquiry") != 0 {
			t.Errorf("a program: %v, %d rows", err, w.rows("enquiry"))
		}
		for _, a := range []Asked{{Text: ""}, {Text: "\u200b\x00"}, {Text: strings.Repeat("x", maxText+1)}, {Text: "x", Topic: "none"}, {Text: "x", Name: strings.Repeat("n", maxShort+1)}} {
			a.Form = early
			if err := ask(a); !errors.Is(err, ErrInput) {
				t.Errorf("%.40q: %v", a.Text, err)
			}
		}
		for _, address := range []string{"x", "a@b", "a@example.com\nBcc: b@example.com", "a@example.com, b@example.com"} {
			if err := ask(Asked{Form: early, Text: "x", Address: address}); !errors.Is(err, ErrAddress) || strings.Contains(err.Error(), "example.com") {
				t.Errorf("%q: %v", address, err)
			}
		}
		for range 3 { // pressed thrice
			if err := ask(Asked{Form: early, Text: "x"}); err != nil {
				t.Fatal(err)
			}
		}
		if n := w.rows("enquiry"); n != 1 {
			t.Errorf("one form made %d enquiries", n)
		}
		w.clock = w.clock.Add(formLasts)
		if err := ask(Asked{Form: old, Text: "x"}); !errors.Is(err, ErrForm) {
			t.Errorf("an old form: %v", err)
		}
		w.ok(w.SetOpen(ctx, actor.Operator(), shop, false))
		if err := ask(Asked{Form: w.form(), Text: "x"}); !errors.Is(err, ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}

// TestBombs: one mailbox gets so many links a day, whoever enters it, and whoever enters it hears the same; all together are bounded.
func TestBombs(t *testing.T) {
	eachWorld(t, func(w *world) {
		for range perAddress + 4 {
			w.asks("data", "x", "one@example.com")
		}
		if n := len(w.mails()); n != perAddress {
			t.Errorf("%d mails to one address", n)
		}
		w.asks("data", "x", "two@example.com")
		if n := len(w.mails()); n != 1 {
			t.Errorf("%d mails to another", n)
		}
		// Of another incident, too: it is one mailbox.
		w.facts(`
id: club-2026
asOf: "2026-04-30T10:00+09:00"
facts:
  - {key: title, value: {ja: 会員情報の流出, en: Member data taken}}
  - {key: organisation, value: {ja: 例示商店, en: Example Shop}}
  - {key: country, value: JP}
`)
		w.ok(w.SetOpen(t.Context(), actor.Operator(), "club-2026", true))
		for _, address := range []string{"one@example.com", "four@example.com"} {
			form := w.Form("club-2026")
			w.clock = w.clock.Add(soonest)
			w.ok(w.Ask(t.Context(), "club-2026", Asked{Form: form, Topic: "data", Text: "x", Address: address, Lang: language.JA}))
		}
		if n := len(w.mails()); n != 1 {
			t.Errorf("%d mails of another incident", n)
		}
		w.clock = w.clock.Add(25 * time.Hour)
		w.asks("data", "x", "one@example.com")
		if n := len(w.mails()); n != 1 {
			t.Errorf("%d mails the day after", n)
		}
		for i := range inAll {
			if _, err := w.DB.ExecContext(t.Context(), `INSERT INTO enquiry_asked (id, who, at) VALUES ($1, $2, $3)`, fmt.Sprint("fill", i), []byte{1}, store.Micros(w.clock)); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Ask(t.Context(), shop, Asked{Form: w.form(), Topic: "data", Text: "x", Address: "three@example.com", Lang: language.JA}); !errors.Is(err, ErrBusy) {
			t.Errorf("beyond all: %v", err)
		}
	})
}

func letter(from, more, body string) []byte {
	return []byte("From: " + from + "\r\nMessage-ID: <" + fmt.Sprint(len(body)) + "@example.com>\r\n" + more + "\r\n" + body)
}

// TestMail: a letter begins an enquiry whose mailbox has to be shown, an answer to a thread is added to it, each once, and what no person wrote is not answered.
func TestMail(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx := t.Context()
		takes := func(address string, want bool) {
			t.Helper()
			if is, err := w.TakesMail(ctx, address); err != nil || is != want {
				t.Errorf("%s: %v, %v", address, is, err)
			}
		}
		about := "support+" + shop + "@desk.example"
		takes(about, true)
		takes("SUPPORT@desk.example", true) // one desk only is open
		takes("support+none@desk.example", false)
		takes("other@desk.example", false)
		takes("support@other.example", false)
		raw := letter("Hanako <hanako@example.com>", "Subject: =?UTF-8?B?"+base64.StdEncoding.EncodeToString([]byte("質問"))+"?=\r\n", "いつ分かりますか")
		for range 3 { // read again from a maildir
			w.ok(w.TakeMail(ctx, raw, about))
		}
		mails := w.mails()
		if len(mails) != 1 || mails[0].To != "hanako@example.com" {
			t.Fatalf("%+v", mails)
		}
		token := linkIn.FindStringSubmatch(mails[0].Text)[1]
		_, err := w.Confirm(ctx, token)
		w.ok(err)
		id, _, _ := strings.Cut(token, "-")
		thread := mails[0].ReplyTo
		takes(thread, true)
		takes(strings.Replace(thread, id, "e"+strings.Repeat("a", 14), 1), false)
		if e := w.read(id); e.Lang != language.JA || e.Messages[0].Subject != "質問" || e.Topic != Other {
			t.Errorf("%+v", e)
		}
		for _, c := range []struct {
			raw  []byte
			more int
		}{
			{letter("hanako@example.com", "", "And one thing more"), 1}, {letter("hanako@example.com", "", "And one thing more"), 0},
			{letter("hanako@example.com", "Auto-Submitted: auto-replied\r\n", "I am away"), 0}, {letter("hanako@example.com", "Precedence: bulk\r\n", "news!"), 0},
			{letter("support@desk.example", "", "from ourselves"), 0}, {letter("other@example.org", "", "from elsewhere, with the token"), 1},
		} {
			before := len(w.read(id).Messages)
			w.ok(w.TakeMail(ctx, c.raw, thread))
			if n := len(w.read(id).Messages) - before; n != c.more {
				t.Errorf("%q: %d messages more", c.raw, n)
			}
		}
		for i := range perThread + 10 { // a loop that says nothing of itself
			w.ok(w.TakeMail(ctx, letter("hanako@example.com", "", strings.Repeat("x", i+100)), thread))
		}
		n := 0
		for _, m := range w.read(id).Messages {
			if m.Kind == "asked" {
				n++
			}
		}
		if n != perThread {
			t.Errorf("%d letters in a thread", n)
		}
		if len(w.mails()) != 0 {
			t.Error("a letter to a thread was answered by a machine")
		}
		if err := w.TakeMail(ctx, raw, "support+none@desk.example"); !errors.Is(err, ErrNotFound) {
			t.Errorf("to nobody: %v", err)
		}
		w.plain("hanako", "いつ分かり", "one thing more")
	})
}

// TestFiles: what comes with a letter is sealed, is given out byte for byte to who may, and is bounded.
func TestFiles(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx := t.Context()
		e := w.asked("misuse", "届きました", "hanako@example.com")
		thread := w.threadAddress(e.ID)
		evil := "<script>alert(1)</script>"
		part := func(name, data string) string {
			return "--b\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename=\"" + name + "\"\r\n\r\n" + data + "\r\n"
		}
		w.ok(w.TakeMail(ctx, letter("hanako@example.com", "Content-Type: multipart/mixed; boundary=b\r\n", "--b\r\n\r\nsee it\r\n"+part("../../x.html", evil)+"--b--\r\n"), thread))
		e = w.read(e.ID)
		m := e.Messages[len(e.Messages)-1]
		if m.Text != "see it" || len(m.Files) != 1 || m.Files[0].Name != "x.html" {
			t.Fatalf("%+v", m)
		}
		w.plain("alert(1)", "x.html", "see it")
		name, data, err := w.ReadFile(ctx, actor.Operator(), shop, m.Files[0].ID)
		if err != nil || name != "x.html" || strings.TrimSpace(string(data)) != evil {
			t.Errorf("%s: %q, %v", name, data, err)
		}
		if _, _, err := w.ReadFile(ctx, actor.Operator(), "other", m.Files[0].ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("of another case: %v", err)
		}
		big := strings.Repeat("A", 8<<20-100)
		for i := range 6 {
			w.ok(w.TakeMail(ctx, letter("hanako@example.com", fmt.Sprintf("X-N: %d\r\nContent-Type: multipart/mixed; boundary=b\r\n", i), "--b\r\n\r\nx\r\n"+part("a.bin", big)+"--b--\r\n"), thread))
		}
		var size int64
		w.ok(w.DB.QueryRowContext(ctx, `SELECT sum(size) FROM enquiry_file`).Scan(&size))
		if size > maxFiles || size < maxFiles/2 {
			t.Errorf("%d bytes of files are kept", size)
		}
	})
}

func (w *world) threadAddress(id string) string {
	w.t.Helper()
	seal, err := w.Seal(w.t.Context(), shop, false)
	w.ok(err)
	return w.threadOf(seal, id)
}

// TestHostile: forms that mean no good. None becomes an enquiry that anybody reads, mails stay bounded, and nothing stands as it was sent.
func TestHostile(t *testing.T) {
	n := 2_000 // bench/hostile sends ten thousand, letters and their files among them, and reads the pages
	if testing.Short() {
		n = 300
	}
	payloads := []string{"<script>alert(1)</script>", "=cmd|' /C calc'!A0", "\u202egpj.exe", "a\r\nBcc: x@example.org", "'; DROP TABLE enquiry; --", "{{affected.count}}", "%00%0a", strings.Repeat("🔥", 1000), "\x00\x1b[2J"}
	eachWorld(t, func(w *world) {
		taken, busy := 0, 0
		for i := range n {
			p := payloads[i%len(payloads)]
			err := w.Ask(t.Context(), shop, Asked{Form: w.form(), Topic: []string{"data", p}[i%2], Text: p, Name: p[:min(len(p), 20)], Address: fmt.Sprintf("a%d@example.com", i%1500), Lang: language.JA, Trap: []string{"", "", p}[i%3]})
			switch {
			case err == nil:
				taken++
			case errors.Is(err, ErrBusy):
				busy++
			case !errors.Is(err, ErrInput):
				t.Fatalf("%q: %v", p, err)
			}
		}
		if _, open, err := w.List(t.Context(), actor.Operator(), shop, Filter{}); err != nil || open != 0 {
			t.Errorf("%d are in the queue: %v", open, err)
		}
		kept := w.rows("enquiry")
		if kept == 0 || taken == 0 || kept > int64(taken) || kept > int64(1500*perAddress) {
			t.Errorf("%d kept of %d that were taken", kept, taken)
		}
		mails := w.mails()
		if int64(len(mails)) != kept {
			t.Errorf("%d mails for %d enquiries", len(mails), kept)
		}
		for _, l := range mails {
			for _, p := range payloads {
				if strings.Contains(l.Text+l.Subject+l.To+l.ReplyTo, p) {
					t.Fatalf("a mail repeats %q", p)
				}
			}
		}
		w.plain("alert(1)", "cmd|", "DROP TABLE", "example.com")
		w.clock = w.clock.Add(linkLasts + time.Minute)
		for range 3 {
			w.ok(w.Tidy(t.Context()))
		}
		if left := w.rows("enquiry") + w.rows("enquiry_message"); left != 0 {
			t.Errorf("%d rows stay after two days", left)
		}
		t.Logf("%d sent, %d taken, %d told to wait, %d kept until they went", n, taken, busy, kept)
	})
}

// TestVictimIsHeard: strangers have a mailbox mailed all that it gets in a day; what its owner sends is kept, no mail tells of it, and the owner confirms
// it, and nothing else, by any of the links that they have.
func TestVictimIsHeard(t *testing.T) {
	eachWorld(t, func(w *world) {
		ctx := t.Context()
		const victim = "hanako@example.com"
		for range perAddress {
			w.asks("misuse", "a stranger's words", victim)
		}
		links := w.mails()
		w.asks("data", "わたしの質問です。", victim)
		w.ok(w.TakeMail(ctx, letter(victim, "", "わたしの手紙です。"), "support+"+shop+"@desk.example"))
		w.asks("data", "another's", "jiro@example.com")
		if n := w.mails(); len(links) != perAddress || len(n) != 1 || n[0].To != "jiro@example.com" {
			t.Fatalf("%d links, and then %+v", len(links), n)
		}
		for range perKept + 5 { // by strangers too: it is bounded
			w.asks("data", "x", victim)
		}
		token := linkIn.FindStringSubmatch(links[0].Text)[1]
		list, err := w.Pending(ctx, token)
		w.ok(err)
		if len(list) != perAddress+perKept+1 || !list[0].Own || list[1].Own {
			t.Fatalf("%d wait: %+v", len(list), list)
		}
		var mine []string
		for _, p := range list {
			e := w.read(p.ID)
			if strings.HasPrefix(e.Messages[0].Text, "わたしの") {
				mine = append(mine, p.ID)
			}
		}
		var other string
		w.ok(w.DB.QueryRowContext(ctx, `SELECT id FROM enquiry WHERE state = 'unverified' ORDER BY created DESC, id LIMIT 1`).Scan(&other))
		jiro, err := store.Column[string](ctx, w.DB, `SELECT id FROM enquiry WHERE id NOT IN (SELECT enquiry FROM enquiry_message WHERE kind = 'verify')`)
		w.ok(err)
		if len(mine) != 2 || len(jiro) != perKept+1 || other == "" {
			t.Fatalf("%v, %d kept without a link", mine, len(jiro))
		}
		if _, err := w.Confirm(ctx, token, "e-none", w.otherThan(victim)); !errors.Is(err, ErrToken) {
			t.Errorf("somebody else's enquiry was confirmed: %v", err)
		}
		if of, err := w.Confirm(ctx, token, append(mine, w.otherThan(victim))...); err != nil || of != shop {
			t.Fatal(of, err)
		}
		open, n, err := w.List(ctx, actor.Operator(), shop, Filter{})
		if err != nil || n != 2 {
			t.Errorf("%d in the queue: %v, %v", n, open, err)
		}
		if list, err = w.Pending(ctx, token); err != nil || len(list) != perAddress+perKept-1 {
			t.Errorf("%d still wait, %v", len(list), err)
		}
		w.clock = w.clock.Add(linkLasts + time.Minute)
		if _, err := w.Pending(ctx, token); !errors.Is(err, ErrToken) {
			t.Errorf("after two days: %v", err)
		}
		w.ok(w.Tidy(ctx))
		if w.rows("enquiry") != 2 {
			t.Errorf("%d rows", w.rows("enquiry"))
		}
	})
}

// otherThan gives an enquiry that waits and is of another mailbox.
func (w *world) otherThan(address string) (id string) {
	w.t.Helper()
	seal, err := w.Seal(w.t.Context(), shop, false)
	w.ok(err)
	w.ok(w.DB.QueryRowContext(w.t.Context(), `SELECT id FROM enquiry WHERE state = 'unverified' AND who <> $1`, whoTag(seal, address)).Scan(&id))
	return id
}

// TestPrice: the more is asked, the more of a network's budget an enquiry costs.
func TestPrice(t *testing.T) {
	eachWorld(t, func(w *world) {
		n := 0
		fill := func(to int) {
			t.Helper()
			for ; n < to; n++ {
				if _, err := w.DB.ExecContext(t.Context(), `INSERT INTO enquiry_asked (id, who, at, channel) VALUES ($1, $2, $3, $4)`, fmt.Sprint("fill", n), []byte{1}, store.Micros(w.clock), []string{Web, besides(Web)}[n%2]); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, c := range []struct{ asked, price int }{{0, 1}, {inAll/2 - 1, 1}, {inAll / 2, 2}, {inAll * 3 / 4, 4}} {
			fill(c.asked)
			if got, err := w.Price(t.Context()); err != nil || got != c.price {
				t.Errorf("%d asked: it costs %d, %v", c.asked, got, err)
			}
		}
		w.clock = w.clock.Add(time.Hour + time.Second)
		if got, err := w.Price(t.Context()); err != nil || got != 1 {
			t.Errorf("an hour later: %d, %v", got, err)
		}
	})
}
