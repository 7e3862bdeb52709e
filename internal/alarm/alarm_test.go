package alarm

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/hint"
)

// sent is a sender that remembers, or fails.
type sent struct {
	name string
	news []string
	err  error
}

func (s *sent) Name() string { return s.name }
func (s *sent) Send(_ context.Context, n News) error {
	if s.err != nil {
		return s.err
	}
	s.news = append(s.news, fmt.Sprintf("%s %s %t", n.ID, n.What, n.Over))
	return nil
}

// TestKeeper: what begins is told once, told again a day later, and told when it is over; what could not be told is tried again,
// and whoever never heard of an alarm does not hear that it is over.
func TestKeeper(t *testing.T) {
	var wrong []Alarm
	a, b := &sent{name: "a"}, &sent{name: "b"}
	now, failures := time.Now(), 0
	k := &Keeper{Senders: []Sender{a, b}, Look: func(context.Context) []Alarm { return wrong }, Failed: func(error) { failures++ },
		now: func() time.Time { return now }, known: map[string]*known{}}
	step := func(what string, wantA, wantB []string) {
		t.Helper()
		a.news, b.news = nil, nil
		now = now.Add(time.Minute)
		if k.Once(t.Context()); !slices.Equal(a.news, wantA) || !slices.Equal(b.news, wantB) {
			t.Errorf("%s: %q and %q, want %q and %q", what, a.news, b.news, wantA, wantB)
		}
	}
	disk := []string{"disk full false"}
	step("all is well", nil, nil)
	wrong = []Alarm{{ID: "disk", What: "full"}}
	b.err = errors.New("away")
	step("it begins, and b is away", disk, nil)
	step("b is still away", nil, nil)
	b.err = nil
	step("b is back", nil, disk)
	step("it lasts", nil, nil)
	now = now.Add(Repeat)
	step("a day later", disk, disk)
	wrong = nil
	b.err = errors.New("away")
	step("it is over, and b is away", []string{"disk full true"}, nil)
	b.err = nil
	step("b is back", nil, []string{"disk full true"})
	step("all is well again", nil, nil)
	b.err = errors.New("away")
	wrong = []Alarm{{ID: "disk", What: "full"}}
	step("it begins again, and b is away", disk, nil)
	wrong, b.err = nil, nil
	step("it is over before b heard", []string{"disk full true"}, nil)
	if failures != 4 || len(k.known) != 0 {
		t.Errorf("%d failures, %d alarms are known", failures, len(k.known))
	}
}

// TestWebhook: what is posted can be verified as Standard Webhooks say, and what is not taken is an error that names no URL.
func TestWebhook(t *testing.T) {
	secret := make([]byte, 32)
	status := 200
	var got map[string]any
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mac := hmac.New(sha256.New, secret)
		io.WriteString(mac, r.Header.Get("webhook-id")+"."+r.Header.Get("webhook-timestamp")+"."+string(body))
		if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); r.Header.Get("webhook-signature") != want || r.Header.Get("webhook-id") == "" {
			t.Errorf("signature %q, want %q", r.Header.Get("webhook-signature"), want)
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Error(err)
		}
		w.WriteHeader(status)
	}))
	defer s.Close()
	w, err := NewWebhook(s.URL+"/secret", "whsec_"+base64.StdEncoding.EncodeToString(secret))
	if err != nil {
		t.Fatal(err)
	}
	news := News{Alarm: Alarm{ID: "disk", What: "It is full.", Remedy: "Make space."}, Since: time.Unix(1e9, 0), From: "https://notice.example"}
	if err := w.Send(t.Context(), news); err != nil {
		t.Fatal(err)
	}
	data, _ := got["data"].(map[string]any)
	if got["type"] != "alarm.raised" || data["id"] != "disk" || data["what"] != "It is full." || data["remedy"] != "Make space." || data["since"] != "2001-09-09T01:46:40Z" || data["from"] != "https://notice.example" {
		t.Errorf("%v", got)
	}
	news.Over, status = true, 503
	if err := w.Send(t.Context(), news); err == nil || !strings.Contains(err.Error(), "503") || got["type"] != "alarm.over" {
		t.Errorf("%v, %v", err, got["type"])
	}
	s.Close()
	if err := w.Send(t.Context(), news); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"", "whsec_", "whsec_?", base64.StdEncoding.EncodeToString(secret), "whsec_" + base64.StdEncoding.EncodeToString(secret[:23])} {
		if _, err := NewWebhook(s.URL, bad); !errors.Is(err, ErrSecret) || hint.Of(err) == "" || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestMail: the mail reaches a server, with what is wrong and what to do; one that speaks no TLS gets none from afar.
func TestMail(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	letters := make(chan string, 1)
	go takeMail(l, letters)
	m, err := NewMail(Account{Server: l.Addr().String(), From: "shirase@example.org", Security: "none"}, []string{"ops@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	news := News{Alarm: Alarm{ID: "certificate", What: "The certificate ends soon.", Remedy: "Renew it."}, Since: time.Now(), From: "https://notice.example"}
	if err := m.Send(t.Context(), news); err != nil {
		t.Fatal(err)
	}
	letter := <-letters
	m.account.Security = "starttls"
	go func() { // one that offers no TLS
		if conn, err := l.Accept(); err == nil {
			serveMail(conn, letters)
		}
	}()
	if err := m.Send(t.Context(), news); err == nil || len(letters) != 0 {
		t.Errorf("mail in the clear: %v", err)
	}
	for _, want := range []string{"From: <shirase@example.org>", "To: <ops@example.org>", "certificate", "The certificate ends soon.", "Renew it.", "Auto-Submitted: auto-generated"} {
		if !strings.Contains(letter, want) {
			t.Errorf("the letter lacks %q:\n%s", want, letter)
		}
	}
	for _, bad := range [][]string{{"x", "a@example.org", "b@example.org"}, {"mail.example:25", "nobody", "b@example.org"}, {"mail.example:25", "a@example.org", "nobody"}} {
		if _, err := NewMail(Account{Server: bad[0], From: bad[1]}, bad[2:]); !errors.Is(err, ErrMail) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// takeMail is a server of mail (RFC 5321) for one letter.
func takeMail(l net.Listener, letters chan<- string) {
	conn, err := l.Accept()
	if err != nil {
		return
	}
	serveMail(conn, letters)
}

func serveMail(conn net.Conn, letters chan<- string) {
	defer conn.Close()
	io.WriteString(conn, "220 sink\r\n")
	in := bufio.NewScanner(conn)
	var letter strings.Builder
	data := false
	for in.Scan() {
		line := in.Text()
		switch {
		case data && line == ".":
			data = false
			letters <- letter.String()
			io.WriteString(conn, "250 taken\r\n")
		case data:
			letter.WriteString(line + "\n")
		case strings.HasPrefix(line, "DATA"):
			data = true
			io.WriteString(conn, "354 go on\r\n")
		case strings.HasPrefix(line, "QUIT"):
			io.WriteString(conn, "221 bye\r\n")
			return
		default:
			io.WriteString(conn, "250 ok\r\n")
		}
	}
}
