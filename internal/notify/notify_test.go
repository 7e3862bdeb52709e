package notify

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/killtest"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestMain is also the child that TestKilled kills.
func TestMain(m *testing.M) { killtest.Main(m, tellForEver) }

var by = actor.Operator()

// box keeps mail.
type box struct {
	mu   sync.Mutex
	mail []string
	fail error
}

func (b *box) Send(_ context.Context, to, subject, text, id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return b.fail
	}
	b.mail = append(b.mail, to+"|"+subject+"|"+text)
	return nil
}

func each(t *testing.T, do func(t *testing.T, n *Notifier, mail *box)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		keys, err := files.OpenKeys(filepath.Join(t.TempDir(), "keys"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { keys.Close() })
		mail := &box{}
		n, err := New(t.Context(), Rooms{DB: db, Keys: keys, URL: "https://notice.example.org", Mail: mail,
			Person: func(_ context.Context, name string) (string, bool, error) {
				id, ok := map[string]string{"佐藤": "p1", "p1": "p1", "Suzuki": "p2"}[name]
				return id, ok, nil
			},
			Sees:  func(_ context.Context, id, kase string) (bool, error) { return id == "p1" || kase == "open", nil },
			Group: func(context.Context, string, string) ([]string, error) { return []string{"p1"}, nil }})
		if err != nil {
			t.Fatal(err)
		}
		do(t, n, mail)
	})
}

func (n *Notifier) tell(t *testing.T, m Message) {
	t.Helper()
	if err := n.DB.Update(t.Context(), func(tx *sql.Tx) error { return n.Tell(t.Context(), tx, m) }); err != nil {
		t.Fatal(err)
	}
}

// TestHook: a webhook gets what Standard Webhooks says, signed under the secret that was shown once, and nothing of a case but where.
func TestHook(t *testing.T) {
	each(t, func(t *testing.T, n *Notifier, _ *box) {
		ctx := t.Context()
		var got []string
		var secret string
		status := http.StatusNoContent
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			wh, err := standardwebhooks.NewWebhook(secret)
			if err != nil {
				t.Error(err)
			}
			if err := wh.Verify(body, r.Header); err != nil {
				t.Error(err)
			}
			// And without the library that signed it.
			key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
			if err != nil {
				t.Error(err)
			}
			m := hmac.New(sha256.New, key)
			fmt.Fprintf(m, "%s.%s.%s", r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), body)
			if want := "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil)); r.Header.Get("webhook-signature") != want {
				t.Errorf("signature %q, want %q", r.Header.Get("webhook-signature"), want)
			}
			got = append(got, r.Header.Get("webhook-id")+" "+string(body))
			w.WriteHeader(status)
		}))
		defer server.Close()
		h, s, err := n.AddHook(ctx, by, server.URL+"/token-123", []string{"mention"})
		if err != nil {
			t.Fatal(err)
		}
		secret = s
		n.tell(t, Message{Kind: "overdue", Case: "open", About: "task 3", To: []string{"nobody here"}})
		n.tell(t, Message{Kind: "mention", Case: "open", About: "task 3", To: []string{"nobody here"}})
		status = http.StatusInternalServerError
		if c, err := n.Send(ctx); err != nil || c != 0 || len(got) != 1 {
			t.Fatalf("%d, %q, %v", c, got, err)
		}
		if !strings.Contains(got[0], `"data":{"about":"task 3","case":"open","url":"https://notice.example.org/console/"},"timestamp":"`) && !strings.Contains(got[0], `"case":"open"`) || !strings.Contains(got[0], `"type":"case.mention"`) {
			t.Errorf("%s", got[0])
		}
		if c, err := n.Send(ctx); err != nil || c != 0 || len(got) != 1 {
			t.Errorf("tried again at once: %d, %v", c, err)
		}
		later := time.Now()
		n.now = func() time.Time { later = later.Add(time.Second); return later }
		later = later.Add(6 * time.Second)
		status = http.StatusOK
		if c, err := n.Send(ctx); err != nil || c != 1 || len(got) != 2 || got[0][:20] != got[1][:20] {
			t.Errorf("not delivered with the same id: %d, %q, %v", c, got, err)
		}
		list, err := n.Log(ctx, by, false, 10)
		if err != nil || len(list) != 3 {
			t.Fatalf("%+v, %v", list, err)
		}
		for _, d := range list {
			if d.Hook != "" && (d.State != "delivered" || d.Tries != 2) || d.Hook == "" && d.State != "nobody" || strings.Contains(d.Said, "token") {
				t.Errorf("%+v", d)
			}
		}
		// One that is gone is told nothing any more.
		status = http.StatusGone
		n.tell(t, Message{Kind: "mention", Case: "open"})
		n.tell(t, Message{Kind: "mention", Case: "open"})
		if _, err := n.Send(ctx); err != nil {
			t.Fatal(err)
		}
		hooks, err := n.Hooks(ctx, by)
		if err != nil || len(hooks) != 1 || hooks[0].ID != h.ID || hooks[0].Ended.IsZero() || len(got) != 3 {
			t.Errorf("%+v, %d, %v", hooks, len(got), err)
		}
	})
}

// TestGivenUp: what is never taken is given up after two days, and nothing that is said of it has the URL in it.
func TestGivenUp(t *testing.T) {
	each(t, func(t *testing.T, n *Notifier, _ *box) {
		ctx := t.Context()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close() // nobody listens
		if _, _, err := n.AddHook(ctx, by, "http://"+l.Addr().String()+"/token-123", nil); err != nil {
			t.Fatal(err)
		}
		n.tell(t, Message{Kind: "mention", Case: "open", To: []string{"x"}})
		now := time.Now()
		n.now = func() time.Time { return now }
		tries := 0
		for ; tries < 20; tries++ {
			list, err := n.Log(ctx, by, true, 10)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(list, func(d Delivery) bool { return d.Hook != "" })
			if strings.Contains(list[i].Said, "token") {
				t.Errorf("%s", list[i].Said)
			}
			if list[i].State == "given-up" {
				break
			}
			now = list[i].Next.Add(time.Second)
			if _, err := n.Send(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if tries != len(pauses)+1 || time.Until(now) < 48*time.Hour {
			t.Errorf("given up after %d tries, %s", tries, time.Until(now))
		}
	})
}

// TestMail: whoever is called, once, in their language, where they may know of the case, and nothing of it is in the mail.
func TestMail(t *testing.T) {
	each(t, func(t *testing.T, n *Notifier, mail *box) {
		ctx := t.Context()
		for name, lang := range map[string]string{"佐藤": "ja", "Suzuki": "en"} {
			if err := n.SetAddress(ctx, by, name, lang+"@example.org", lang); err != nil {
				t.Fatal(err)
			}
		}
		n.tell(t, Message{Kind: "mention", Case: "secret-2026", About: "task 3", To: []string{"佐藤", "p1", "Suzuki", "Tanaka"}})
		n.tell(t, Message{Kind: "approval", Case: "secret-2026"})
		for range 2 {
			n.tell(t, Message{Kind: "overdue", Case: "open", To: []string{"Suzuki"}, Key: "overdue open"})
		}
		if c, err := n.Send(ctx); err != nil || c != 3 {
			t.Fatalf("%d, %v", c, err)
		}
		slices.Sort(mail.mail)
		want := []string{"en@example.org|Something is overdue", "ja@example.org|あなた宛ての書き込みがあります", "ja@example.org|承認を待っています"}
		for i, m := range mail.mail {
			if !strings.HasPrefix(m, want[i]) || strings.Contains(m, "secret") || !strings.Contains(m, "https://notice.example.org/console/") {
				t.Errorf("%s, want %s", m, want[i])
			}
		}
		list, err := n.Log(ctx, by, true, 10)
		if err != nil || len(list) != 2 || list[0].State != "nobody" {
			t.Errorf("%+v, %v", list, err)
		}
		mail.fail = errors.New("down")
		n.tell(t, Message{Kind: "mention", Case: "open", To: []string{"Suzuki"}})
		if c, err := n.Send(ctx); err != nil || c != 0 {
			t.Errorf("%d, %v", c, err)
		}
		var sealed []byte
		if err := n.DB.QueryRowContext(ctx, `SELECT address FROM notify_person WHERE id = 'p1'`).Scan(&sealed); err != nil || strings.Contains(string(sealed), "example") {
			t.Errorf("an address lies there to be read: %v", err)
		}
	})
}

// TestWho: who may say where is told, and see it.
func TestWho(t *testing.T) {
	each(t, func(t *testing.T, n *Notifier, _ *box) {
		ctx := t.Context()
		n.tell(t, Message{Kind: "mention", Case: "open", About: "task 3", To: []string{"p1"}})
		for _, role := range append(actor.Roles(), "") {
			who := actor.Staff(actor.Member{ID: "p1", Roles: []actor.Role{role}, Access: map[string]actor.Access{"other": actor.Full}}, "console")
			if role == "" {
				who = actor.Actor{}
			}
			admin := role == actor.Administrator
			if _, _, err := n.AddHook(ctx, who, "https://hooks.example.org/", nil); (err == nil) != admin {
				t.Errorf("a webhook by %q: %v", role, err)
			}
			if err := n.EndHook(ctx, who, "h-none"); errors.Is(err, ErrNotFound) != admin {
				t.Errorf("an end by %q: %v", role, err)
			}
			if err := n.SetAddress(ctx, who, "Suzuki", "a@example.org", "ja"); (err == nil) != admin {
				t.Errorf("another's address by %q: %v", role, err)
			}
			if err := n.SetAddress(ctx, who, "佐藤", "a@example.org", "ja"); (err == nil) != (role != "") {
				t.Errorf("their own address by %q: %v", role, err)
			}
			list, err := n.Log(ctx, who, false, 10)
			if (err == nil) != (admin || role == actor.Auditor) {
				t.Errorf("the log by %q: %v", role, err)
			}
			for _, d := range list {
				if admin && (d.Case != "" || d.About != "") {
					t.Errorf("an administrator hears of case %q", d.Case)
				}
			}
		}
		for _, to := range []string{"", "http://hooks.example.org/", "https://a:b@hooks.example.org/", "ftp://hooks.example.org/", "https://", "x"} {
			if _, _, err := n.AddHook(ctx, by, to, nil); !errors.Is(err, ErrInput) {
				t.Errorf("%q: %v", to, err)
			}
		}
		if _, _, err := n.AddHook(ctx, by, "https://hooks.example.org/", []string{"x"}); !errors.Is(err, ErrInput) {
			t.Error(err)
		}
		for _, a := range []string{"x", "A <a@example.org>", "a@example.org\n", "a@example.org, b@example.org"} {
			if err := n.SetAddress(ctx, by, "Suzuki", a, "ja"); !errors.Is(err, ErrInput) {
				t.Errorf("%q: %v", a, err)
			}
		}
	})
}

// TestSMTP: mail goes through a server as it wants it, and without encryption to this machine only.
func TestSMTP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan string, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		in := bufio.NewReader(c)
		fmt.Fprint(c, "220 sink\r\n")
		var all strings.Builder
		for inData := false; ; {
			line, err := in.ReadString('\n')
			if err != nil {
				break
			}
			all.WriteString(line)
			switch word := strings.ToUpper(strings.Fields(line + " .")[0]); {
			case inData && line == ".\r\n":
				inData = false
				fmt.Fprint(c, "250 taken\r\n")
			case inData:
			case word == "DATA":
				inData = true
				fmt.Fprint(c, "354 go on\r\n")
			case word == "QUIT":
				fmt.Fprint(c, "221 bye\r\n")
				got <- all.String()
				return
			default:
				fmt.Fprint(c, "250 ok\r\n")
			}
		}
		got <- all.String()
	}()
	s := SMTP{Server: l.Addr().String(), From: "shirase@example.org", Security: "none"}
	if err := s.Deliver(t.Context(), Letter{To: "sato@example.org", Subject: "承認を待っています", Text: "見てください。", ID: "m-1", InReplyTo: "asked.1+a_b@mail.example"}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "a", "a b@mail.example", "a@mail.example>\r\nBcc: x@example.org", "<a@mail.example", strings.Repeat("a", 251)} {
		if messageID.MatchString(bad) {
			t.Errorf("a header would have %q", bad)
		}
	}
	mail := <-got
	for _, want := range []string{"In-Reply-To: <asked.1+a_b@mail.example>\r\n", "References: <asked.1+a_b@mail.example>\r\n", "RCPT TO:<sato@example.org>", "Message-ID: <m-1@example.org>", "Auto-Submitted: auto-generated", "=?UTF-8?q?"} {
		if !strings.Contains(mail, want) {
			t.Errorf("%q is not in\n%s", want, mail)
		}
	}
	s.Server = "192.0.2.1:25"
	if err := s.Send(t.Context(), "sato@example.org", "s", "t", "m-2"); err == nil || !strings.Contains(err.Error(), "not on this machine") {
		t.Errorf("without encryption to another machine: %v", err)
	}
}

// tellForEver tells and sends for ever; what its webhook was sent it says.
func tellForEver(args []string, step func()) error {
	ctx := context.Background()
	db, err := store.Open(ctx, args[0])
	if err != nil {
		return err
	}
	keys, err := files.OpenKeys(args[1])
	if err != nil {
		return err
	}
	n, err := New(ctx, Rooms{DB: db, Keys: keys, HTTP: &http.Client{Transport: saying{step}}})
	if err != nil {
		return err
	}
	for {
		step()
		if err := db.Update(ctx, func(tx *sql.Tx) error {
			return n.Tell(ctx, tx, Message{Kind: "mention", Case: "open", To: []string{"x"}})
		}); err != nil {
			return err
		}
		step()
		if _, err := n.Send(ctx); err != nil {
			return err
		}
	}
}

type saying struct{ step func() }

func (s saying) RoundTrip(r *http.Request) (*http.Response, error) {
	s.step()
	fmt.Println(r.Header.Get("webhook-id"))
	s.step()
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// TestKilled kills who sends: nothing that was to be told is lost, and what is sent twice has one id.
func TestKilled(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		ctx := t.Context()
		db, err := store.Open(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		dir := filepath.Join(t.TempDir(), "keys")
		keys, err := files.OpenKeys(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { keys.Close() })
		n, err := New(ctx, Rooms{DB: db, Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := n.AddHook(ctx, by, "https://hooks.example.org/", nil); err != nil {
			t.Fatal(err)
		}
		sent := map[string]bool{}
		for at := 1; at <= 9; at++ {
			said, killed := killtest.Kill(t, at, url, dir)
			if !killed {
				t.Fatal("it ended by itself")
			}
			for _, id := range said {
				sent[id] = true
			}
		}
		n.now = func() time.Time { return time.Now().Add(2 * sending) }
		n.HTTP = &http.Client{Transport: keeping{sent}}
		if _, err := n.Send(ctx); err != nil {
			t.Fatal(err)
		}
		list, err := n.Log(ctx, by, false, 100)
		if err != nil {
			t.Fatal(err)
		}
		hooks := 0
		for _, d := range list {
			if d.Hook == "" {
				continue
			}
			if hooks++; d.State != "delivered" || !sent[d.Message] {
				t.Errorf("%+v", d)
			}
		}
		if hooks < 5 || hooks != len(sent) {
			t.Errorf("%d were to be told, %d were sent", hooks, len(sent))
		}
	})
}

type keeping struct{ sent map[string]bool }

func (k keeping) RoundTrip(r *http.Request) (*http.Response, error) {
	k.sent[r.Header.Get("webhook-id")] = true
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

// TestWithout: what a server says is kept without anybody's address, however it writes them, and without what mail came from.
// TestRefused: only what a server says of a mailbox is for good; that it refuses who sends, or what, may be mended, and the same is taken then.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		at, says string
		want     bool
	}{
		{"MAIL", "554 sender refused", false}, {"MAIL", "553 5.1.8 sender domain unknown", false}, {"MAIL", "530 5.7.0 sign in first", false},
		{"RCPT", "550 no such user", true}, {"RCPT", "550 5.1.1 no such user", true}, {"RCPT", "552 5.2.2 mailbox full", true}, {"RCPT", "553 mailbox name not allowed", true},
		{"RCPT", "554 5.7.1 relay access denied", false}, {"RCPT", "550 5.7.1 not from there", false}, {"RCPT", "530 sign in first", false}, {"RCPT", "550 5.1.8 sender domain unknown", false},
		{"RCPT", "554 no", false}, {"RCPT", "450 4.2.1 later", false}, {"DATA", "554 5.7.1 spam", false}, {"DATA", "550 no", false}, {".", "554 5.6.0 spam", false}, {".", "550 spam", false},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		heard := make(chan bool, 1)
		go func() {
			said := false
			defer func() { heard <- said }()
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			in := bufio.NewReader(conn)
			fmt.Fprint(conn, "220 sink\r\n")
			for inData := false; ; {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				word := strings.ToUpper(strings.Fields(strings.ReplaceAll(line, ":", " ") + " -")[0])
				switch {
				case inData && line != ".\r\n":
				case word == c.at:
					said, inData = true, false
					fmt.Fprint(conn, c.says+"\r\n")
				case word == "DATA":
					inData = true
					fmt.Fprint(conn, "354 go on\r\n")
				case word == "QUIT":
					fmt.Fprint(conn, "221 bye\r\n")
					return
				default:
					inData = false
					fmt.Fprint(conn, "250 ok\r\n")
				}
			}
		}()
		err = SMTP{Server: l.Addr().String(), From: "shirase@example.org", Security: "none"}.Send(t.Context(), "sato@example.org", "s", "t", "m-1")
		l.Close()
		if err == nil || !<-heard || errors.Is(err, ErrRefused) != c.want || errors.Is(err, ErrUncertain) {
			t.Errorf("%s %q: %v", c.at, c.says, err)
		}
	}
	if err := (SMTP{Server: "127.0.0.1:1", From: "nobody", Security: "none"}).Send(t.Context(), "sato@example.org", "s", "t", "m-1"); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("a sender that is no address: %v", err)
	}
	if err := (SMTP{Server: "127.0.0.1:1", From: "shirase@example.org", Security: "none"}).Send(t.Context(), "nobody", "s", "t", "m-1"); !errors.Is(err, ErrRefused) {
		t.Errorf("one who is no address: %v", err)
	}
}

func TestWithout(t *testing.T) {
	for _, said := range []string{"550 5.1.1 <Hana@Example.com>: no such user", "550 passed on to taro@mail.example: mailbox full", "affected recipient(s): hana@example.com",
		"550 sender support+eabc-mac@desk.example is not known"} {
		if got := without(said, "hana@example.com"); strings.Contains(got, "@") || !strings.Contains(got, "…") {
			t.Errorf("%q is kept of %q", got, said)
		}
	}
}
