package smtp

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// A relay that says more than it was asked, or something else, is left: none of it counts as an answer to anybody's mail, and no message is
// written to a relay that has lost count.
func TestLostCount(t *testing.T) {
	for name, c := range map[string]struct {
		answer          func(line string) string
		n, at, messages int
		single          bool // also where it takes no pipelining
	}{
		"two answers to one mail": {func(l string) string {
			return map[bool]string{true: "250 2.1.5 one\r\n250 2.1.5 two"}[l == "<end>"]
		}, 1, 1, 1, true},
		"two answers to one recipient": {func(l string) string {
			return map[bool]string{true: "250 one\r\n250 two"}[strings.HasPrefix(l, "RCPT")]
		}, 0, 0, 0, true},
		"taken before it is written": {func(l string) string {
			return map[bool]string{true: "354 go on\r\n250 2.0.0 queued"}[l == "DATA"]
		}, 0, 0, 0, true},
		"asked twice": {func(l string) string {
			return map[bool]string{true: "354 go on\r\n354 go on"}[l == "DATA"]
		}, 0, 0, 0, true},
		"a question for a recipient": {func(l string) string {
			return map[bool]string{true: "334 dGVsbCBtZQ=="}[strings.HasPrefix(l, "RCPT")]
		}, 0, 0, 0, true},
		"done, and not go on": {func(l string) string {
			return map[bool]string{true: "250 ok"}[l == "DATA"]
		}, 0, 0, 0, true},
	} {
		for _, pipelining := range []bool{true, false} {
			t.Run(name+map[bool]string{true: "", false: ", one by one"}[pipelining], func(t *testing.T) {
				r := newRelay(t, &relay{pipelining: pipelining, answer: c.answer})
				taken := 0
				n, at, err := dial(t, r.relay()).Deliver(mails("a@a.example", "b@a.example", "c@a.example"), nil, func(_ int, o Outcome) {
					if taken++; !o.Taken() {
						t.Errorf("%+v", o)
					}
				})
				if n != c.n || taken != c.n || at != c.at || !errors.Is(err, ErrProtocol) {
					t.Errorf("%d outcomes, broken at %d, %v", n, at, err)
				}
				r.mu.Lock()
				defer r.mu.Unlock()
				if len(r.mails) > c.messages {
					t.Errorf("%d messages were written", len(r.mails))
				}
			})
		}
	}
}

// An answer without an end takes no memory, and what it answers is known only where no message was written.
func TestEndless(t *testing.T) {
	for name, long := range map[string]string{"one line": "250 " + strings.Repeat("x", 10<<20), "many lines": strings.Repeat("250-x\r\n", 10<<20/7) + "250 x"} {
		for _, stage := range []string{"EHLO", "MAIL", "RCPT", "DATA", "<end>"} {
			t.Run(name+" to "+stage, func(t *testing.T) {
				r := newRelay(t, &relay{pipelining: true, answer: func(l string) string {
					return map[bool]string{true: long}[strings.HasPrefix(l, stage)]
				}})
				c, err := Dial(t.Context(), r.relay())
				if stage == "EHLO" {
					if !errors.Is(err, ErrProtocol) {
						t.Fatal(err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				unknown := 0
				n, _, err := c.Deliver(mails("a@a.example"), nil, func(_ int, o Outcome) {
					if o.Unknown {
						unknown++
					}
				})
				if want := map[bool]int{true: 1}[stage == "<end>"]; n != want || unknown != want || !errors.Is(err, ErrProtocol) {
					t.Errorf("%d outcomes, %d unknown, %v", n, unknown, err)
				}
				if c.r.Size() != maxLine {
					t.Errorf("%d bytes are held", c.r.Size())
				}
			})
		}
	}
}

// A relay that gives its answer byte by byte is waited for as long as for any answer, and not byte by byte.
func TestSlowBytes(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dripped := make(chan int, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		n := 0
		for ; err == nil; n++ { // far fewer than a line may have
			_, err = c.Write([]byte("2"))
			time.Sleep(5 * time.Millisecond)
		}
		dripped <- n
	}()
	to := Relay{Address: l.Addr().String(), Security: None, Patience: 100 * time.Millisecond}
	if _, err := Dial(t.Context(), to); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	if n := <-dripped; n < 2 {
		t.Errorf("%d bytes came", n)
	}
}

// A relay that goes in the middle, with 421, has what it has not taken tried again, and blames nobody.
func TestGoesAway(t *testing.T) {
	for _, stage := range []string{"MAIL", "RCPT", "DATA"} {
		t.Run(stage, func(t *testing.T) {
			asked := 0
			r := newRelay(t, &relay{pipelining: true, answer: func(l string) string {
				if strings.HasPrefix(l, stage) {
					if asked++; asked == 2 {
						return "421 4.3.2 going down"
					}
				}
				return ""
			}})
			n, at, err := dial(t, r.relay()).Deliver(mails("a@a.example", "b@a.example", "c@a.example"), nil, func(_ int, o Outcome) {
				if !o.Taken() {
					t.Errorf("%+v", o)
				}
			})
			if n != 1 || at != 1 || !errors.Is(err, ErrClosing) {
				t.Error(n, at, err)
			}
		})
	}
	t.Run("the end", func(t *testing.T) {
		r := newRelay(t, &relay{pipelining: true, answer: func(l string) string {
			return map[bool]string{true: "421 4.3.2 going down"}[l == "<end>"]
		}})
		n, at, err := dial(t, r.relay()).Deliver(mails("a@a.example", "b@a.example"), nil, func(_ int, o Outcome) {
			if o.Unknown || o.Taken() || !o.Reply.Transient() {
				t.Errorf("%+v", o)
			}
		})
		if n != 1 || at != -1 || !errors.Is(err, ErrClosing) {
			t.Error(n, at, err)
		}
	})
	t.Run("while it was kept", func(t *testing.T) {
		r := newRelay(t, &relay{pipelining: true, answer: func(l string) string {
			return map[bool]string{true: "250 queued\r\n421 4.4.2 waited for too long"}[l == "<end>"]
		}})
		c := dial(t, r.relay())
		if n, _, err := c.Deliver(mails("a@a.example"), nil, func(int, Outcome) {}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if n, at, err := c.Deliver(mails("b@a.example"), nil, func(int, Outcome) {}); n != 0 || at != 0 || !errors.Is(err, ErrClosing) {
			t.Error(n, at, err)
		}
	})
}

// Whoever takes encryption away from the connection, or speaks before it, gets neither password nor mail.
func TestStripped(t *testing.T) {
	config, roots := certificate(t)
	for name, c := range map[string]struct {
		r    *relay
		want error
	}{
		"not offered":              {&relay{extra: []string{"AUTH PLAIN"}}, ErrPolicy},
		"offered, and then not so": {&relay{tls: config, answer: func(l string) string { return map[bool]string{true: "454 4.7.0 not now"}[l == "STARTTLS"] }}, nil},
		"written otherwise":        {&relay{extra: []string{"XTARTTLS", "AUTH PLAIN"}}, ErrPolicy},
		"injected":                 {&relay{tls: config, answer: func(l string) string { return map[bool]string{true: "220 go\r\n235 2.7.0 welcome"}[l == "STARTTLS"] }}, ErrProtocol},
		"no TLS behind it":         {&relay{extra: []string{"STARTTLS"}, answer: func(l string) string { return map[bool]string{true: "220 go"}[l == "STARTTLS"] }}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRelay(t, c.r)
			to := r.relay()
			to.Security, to.Roots, to.User, to.Password, to.Patience = StartTLS, roots, "u", "a password", time.Second
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if _, err := Dial(ctx, to); err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Error(err)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, l := range r.lines {
				if strings.HasPrefix(l, "AUTH") || strings.HasPrefix(l, "MAIL") {
					t.Errorf("it was told %q", l)
				}
			}
		})
	}
}

// What is asked of whoever comes for the first time is no judgement of them.
func TestGreeting(t *testing.T) {
	for _, r := range []Reply{{Code: 450, Enhanced: "4.7.1"}, {Code: 454, Enhanced: "4.7.0"}, {Code: 451, Enhanced: "4.7.1", Text: "Greylisting in action, please come back later"}, {Code: 421, Enhanced: "4.7.0", Text: "graylisted"}} {
		if !r.Greeting() {
			t.Error(r)
		}
	}
	for _, r := range []Reply{{Code: 421, Enhanced: "4.7.0", Text: "rate limited"}, {Code: 550, Enhanced: "5.7.1", Text: "on our grey list for ever"}, {Code: 250, Text: "greylisted before"}} {
		if r.Greeting() {
			t.Error(r)
		}
	}
	if (Reply{Code: 250, Enhanced: "2.7.0"}).Policy() {
		t.Error("an answer that is good refuses nobody")
	}
}
