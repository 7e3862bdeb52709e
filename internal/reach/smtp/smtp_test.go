package smtp

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// relay is a server for tests: answer says what it answers to a command, "" for the usual; "hang up" ends the connection.
type relay struct {
	t          *testing.T
	l          net.Listener
	pipelining bool
	extra      []string
	tls        *tls.Config
	answer     func(line string) string

	mu    sync.Mutex
	lines []string
	mails []string
}

func newRelay(t *testing.T, r *relay) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.t, r.l = t, l
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.serve(c)
		}
	}()
	return r
}

func (r *relay) say(line string) string {
	r.mu.Lock()
	r.lines = append(r.lines, line)
	r.mu.Unlock()
	if r.answer != nil {
		return r.answer(line)
	}
	return ""
}

func (r *relay) serve(c net.Conn) {
	defer func() { c.Close() }()
	in := bufio.NewReader(c)
	fmt.Fprint(c, "220-relay.example\r\n220 ready\r\n")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		a := r.say(line)
		if a == "hang up" {
			return
		}
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		switch {
		case a != "":
		case verb == "EHLO":
			a = "250-relay.example\r\n"
			if r.pipelining {
				a += "250-PIPELINING\r\n"
			}
			if _, done := c.(*tls.Conn); r.tls != nil && !done {
				a += "250-STARTTLS\r\n"
			}
			for _, e := range r.extra {
				a += "250-" + e + "\r\n"
			}
			a += "250 SIZE 10000000"
		case verb == "STARTTLS":
			fmt.Fprint(c, "220 go\r\n")
			s := tls.Server(c, r.tls)
			c, in = s, bufio.NewReader(s)
			continue
		case verb == "DATA":
			a = "354 go on"
		default:
			a = "250 2.0.0 ok"
		}
		fmt.Fprint(c, a+"\r\n")
		if verb == "DATA" && strings.HasPrefix(a, "354") {
			var b strings.Builder
			for {
				l, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if l == ".\r\n" {
					break
				}
				b.WriteString(strings.TrimPrefix(l, "."))
			}
			r.mu.Lock()
			r.mails = append(r.mails, b.String())
			r.mu.Unlock()
			end := r.say("<end>")
			if end == "hang up" {
				return
			}
			if end == "" {
				end = "250 2.0.0 queued as Q1"
			}
			fmt.Fprint(c, end+"\r\n")
		}
	}
}

func (r *relay) relay() Relay {
	return Relay{Address: r.l.Addr().String(), Security: None, Hello: "us.example", Patience: 20 * time.Second}
}

func dial(t *testing.T, r Relay) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func mails(to ...string) []Mail {
	var out []Mail
	for _, a := range to {
		out = append(out, Mail{From: "b+1@us.example", To: a, Data: [][]byte{[]byte("Subject: x\r\n\r\n"), []byte(".dot\r\n..two\r\nend\r\n")}})
	}
	return out
}

// What is asked, in which order, with and without pipelining; one refused in between takes nobody along.
func TestDeliver(t *testing.T) {
	for _, pipelining := range []bool{true, false} {
		t.Run(fmt.Sprint(pipelining), func(t *testing.T) {
			r := newRelay(t, &relay{pipelining: pipelining, answer: func(line string) string {
				switch {
				case strings.Contains(line, "<later@"):
					return "450 4.2.0 greylisted"
				case strings.Contains(line, "<gone@"):
					return "550-5.1.1 nobody\r\n550 5.1.1 <gone@a.example>: here"
				}
				return ""
			}})
			c := dial(t, r.relay())
			if c.Size() != 10000000 || c.Encrypted() {
				t.Errorf("size %d, encrypted %v", c.Size(), c.Encrypted())
			}
			got := map[int]Outcome{}
			n, at, err := c.Deliver(mails("a@a.example", "later@a.example", "gone@a.example", "b@a.example"), nil, func(i int, o Outcome) { got[i] = o })
			if err != nil || n != 4 || at != -1 {
				t.Fatal(n, at, err)
			}
			for i, want := range []string{"250 2.0.0 queued as Q1", "450 4.2.0 greylisted", "550 5.1.1 nobody <gone@a.example>: here", "250 2.0.0 queued as Q1"} {
				if got[i].Reply.String() != want || got[i].Taken() != (want[0] == '2') || got[i].Unknown {
					t.Errorf("%d: %q, want %q", i, got[i].Reply, want)
				}
			}
			if got[1].Stage != AtRecipient || got[2].Stage != AtRecipient || !got[1].Reply.Transient() {
				t.Errorf("%+v", got)
			}
			if len(r.mails) != 2 && !pipelining || r.mails[0] != "Subject: x\r\n\r\n.dot\r\n..two\r\nend\r\n" {
				t.Errorf("%q", r.mails)
			}
		})
	}
}

// A connection that breaks says of each mail whether the relay may have it.
func TestBroken(t *testing.T) {
	for name, c := range map[string]struct {
		breaks     func(line string, n int) bool
		n, at      int
		unknown    int // index; -1 none
		pipelining bool
	}{
		"before":            {func(l string, _ int) bool { return strings.HasPrefix(l, "MAIL") }, 0, 0, -1, true},
		"at the recipient":  {func(l string, _ int) bool { return strings.Contains(l, "<b@") }, 1, 1, -1, true},
		"at the end":        {func(l string, n int) bool { return l == "<end>" && n == 2 }, 2, -1, 1, true},
		"one by one, end":   {func(l string, n int) bool { return l == "<end>" && n == 2 }, 2, -1, 1, false},
		"one by one, begin": {func(l string, _ int) bool { return strings.Contains(l, "<b@") }, 1, 1, -1, false},
	} {
		t.Run(name, func(t *testing.T) {
			ends := 0
			r := newRelay(t, &relay{pipelining: c.pipelining, answer: func(l string) string {
				if l == "<end>" {
					ends++
				}
				if c.breaks(l, ends) {
					return "hang up"
				}
				return ""
			}})
			conn := dial(t, r.relay())
			unknown := -1
			n, at, err := conn.Deliver(mails("a@a.example", "b@a.example", "c@a.example"), nil, func(i int, o Outcome) {
				if o.Unknown {
					unknown = i
				}
			})
			if n != c.n || unknown != c.unknown || err == nil {
				t.Errorf("%d outcomes, broken at %d, unknown %d, %v", n, at, unknown, err)
			}
			if c.unknown < 0 && at != c.at {
				t.Errorf("broken at %d, want %d", at, c.at)
			}
			if _, _, err := conn.Deliver(mails("d@a.example"), nil, nil); !errors.Is(err, ErrClosing) {
				t.Errorf("used again: %v", err)
			}
		})
	}
}

func TestClosing(t *testing.T) {
	r := newRelay(t, &relay{pipelining: true, answer: func(l string) string {
		if strings.Contains(l, "<b@") {
			return "421 4.3.2 going down"
		}
		return ""
	}})
	n, at, err := dial(t, r.relay()).Deliver(mails("a@a.example", "b@a.example"), nil, func(int, Outcome) {})
	if n != 1 || at != 1 || !errors.Is(err, ErrClosing) {
		t.Error(n, at, err)
	}
}

// A server that wants the data of a mail whose recipient it has refused gets none.
func TestDataForNobody(t *testing.T) {
	r := newRelay(t, &relay{pipelining: true, answer: func(l string) string {
		if strings.HasPrefix(l, "RCPT") {
			return "550 no"
		}
		return ""
	}})
	var o Outcome
	if _, _, err := dial(t, r.relay()).Deliver(mails("a@a.example"), nil, func(_ int, got Outcome) { o = got }); err != nil || o.Stage != AtRecipient || o.Reply.Code != 550 {
		t.Errorf("%+v, %v", o, err)
	}
	if len(r.mails) != 1 || r.mails[0] != "" {
		t.Errorf("%q", r.mails)
	}
}

func TestStop(t *testing.T) {
	r := newRelay(t, &relay{pipelining: true})
	sent := 0
	n, at, err := dial(t, r.relay()).Deliver(mails("a@a.example", "b@a.example", "c@a.example"), func() bool { return sent >= 1 }, func(int, Outcome) { sent++ })
	if err != nil || at != -1 || n < 1 || n > 2 || n != sent || len(r.mails) != n {
		t.Error(n, at, err, sent, r.mails)
	}
}

func TestSecurity(t *testing.T) {
	config, roots := certificate(t)
	t.Run("starttls", func(t *testing.T) {
		r := newRelay(t, &relay{tls: config, extra: []string{"AUTH LOGIN PLAIN"}, answer: func(l string) string {
			if strings.HasPrefix(l, "AUTH") {
				return "235 2.7.0 welcome"
			}
			return ""
		}})
		to := r.relay()
		to.Security, to.Roots, to.User, to.Password = StartTLS, roots, "u", "p"
		if c := dial(t, to); !c.Encrypted() {
			t.Error("not encrypted")
		}
		want := "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00u\x00p"))
		if r.lines[3] != want {
			t.Errorf("%q", r.lines)
		}
		to.Roots = x509.NewCertPool()
		if _, err := Dial(t.Context(), to); err == nil {
			t.Error("any certificate does")
		}
	})
	t.Run("login", func(t *testing.T) {
		step := 0
		r := newRelay(t, &relay{extra: []string{"AUTH LOGIN"}, answer: func(l string) string {
			if strings.HasPrefix(l, "AUTH") || step > 0 && step < 3 {
				step++
				return map[bool]string{true: "334 ", false: "535 5.7.8 no"}[step < 3]
			}
			return ""
		}})
		to := r.relay()
		to.User, to.Password = "u", "p"
		if _, err := Dial(t.Context(), to); !errors.Is(err, ErrLogin) || strings.Contains(err.Error(), "cA==") {
			t.Error(err)
		}
	})
	for name, r := range map[string]*relay{"none offered": {}, "injected": {tls: config, answer: func(l string) string {
		if l == "STARTTLS" {
			return "220 go\r\n250 injected"
		}
		return ""
	}}} {
		t.Run(name, func(t *testing.T) {
			to := newRelay(t, r).relay()
			to.Security, to.Roots = StartTLS, roots
			if _, err := Dial(t.Context(), to); !errors.Is(err, ErrPolicy) && !errors.Is(err, ErrProtocol) {
				t.Error(err)
			}
		})
	}
	if _, err := Dial(t.Context(), Relay{Address: "192.0.2.1:25", Security: None}); !errors.Is(err, ErrPolicy) {
		t.Error(err)
	}
}

// What cannot be waited for any more is left at once.
func TestCancelled(t *testing.T) {
	asked := make(chan bool)
	r := newRelay(t, &relay{answer: func(l string) string {
		if strings.HasPrefix(l, "RCPT") {
			asked <- true
			<-t.Context().Done()
		}
		return ""
	}})
	ctx, cancel := context.WithCancel(t.Context())
	c, err := Dial(ctx, r.relay())
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-asked; cancel() }()
	if _, at, err := c.Deliver(mails("a@a.example"), nil, func(int, Outcome) {}); err == nil || at != 0 {
		t.Error(at, err)
	}
}

func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, of, of, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, roots
}

func TestPath(t *testing.T) {
	for address, want := range map[string]string{
		"taro@example.jp": "taro@example.jp", "a..b@docomo.example": `"a..b"@docomo.example`, ".a@ez.example": `".a"@ez.example`, "a.@ez.example": `"a."@ez.example`,
		"a+b/c?=d@x.example": "a+b/c?=d@x.example", `a"b\@x.example`: `"a\"b\\"@x.example`, "a b@x.example": `"a b"@x.example`, "a@b@x.example": `"a@b"@x.example`,
	} {
		if got, err := Path(address); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", address, got, err, want)
		}
	}
	for _, bad := range []string{"", "@x.example", "a@", "a", "a@x.example\r\nRCPT TO:<b@x.example>", "a\r\n@x.example", "あ@x.example", "a@x>.example", "a@[192.0.2.1]", strings.Repeat("a", 65) + "@x.example", "a@" + strings.Repeat("b", 260)} {
		if got, err := Path(bad); !errors.Is(err, ErrAddress) || strings.Contains(err.Error(), "@") {
			t.Errorf("%q: %q, %v", bad, got, err)
		}
	}
}

func TestReply(t *testing.T) {
	for in, want := range map[string]string{
		"250 ok\r\n": "250 ok", "250\r\n": "250", "550-5.1.1 a\r\n550 5.1.1 b\r\n": "550 5.1.1 a b", "450 4.2.0 \x1b[2Jx\n": "450 4.2.0 [2Jx", "250 5.1.1 x\r\n": "250 5.1.1 x",
		"999 x\r\n": "", "25 x\r\n": "", "250x\r\n": "", "250-a\r\n251 b\r\n": "", "250 " + strings.Repeat("x", maxLine) + "\r\n": "", strings.Repeat("250-x\r\n", 200): "",
	} {
		got, _, err := readReply(bufio.NewReaderSize(strings.NewReader(in), maxLine))
		if (err != nil) != (want == "") || err == nil && got.String() != want {
			t.Errorf("%.40q: %q, %v", in, got, err)
		}
	}
	if !(Reply{Code: 550, Enhanced: "5.7.1"}).Policy() || (Reply{Code: 550, Enhanced: "5.1.7"}).Policy() || (Reply{Code: 550}).Policy() {
		t.Error("policy")
	}
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{"250 ok\r\n", "550-5.1.1 a\r\n550 5.1.1 b\r\n", "421", "4\x00\r\n", "250-\r\n250 \r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, lines, err := readReply(bufio.NewReaderSize(strings.NewReader(s), maxLine))
		if err != nil {
			return
		}
		if r.Code < 200 || r.Code > 599 || len(lines) == 0 || len(lines) > maxLines || len(r.Text) > maxText || strings.ContainsAny(r.String(), "\r\n\x00\x1b") {
			t.Fatalf("%+v", r)
		}
	})
}

func FuzzPath(f *testing.F) {
	f.Add("a..b@x.example")
	f.Add("a\r\n@x.example")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Path(s)
		if err == nil && strings.ContainsFunc(p, func(c rune) bool { return c < 0x20 || c > 0x7e }) {
			t.Fatalf("%q", p)
		}
	})
}
