package returned

import (
	"context"
	"errors"
	"io"
	"net"
	"net/smtp"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/reach/bounce"
)

// TestListen: what comes back to a token is taken in, and is on disk when that is said; all else is refused before its data.
func TestListen(t *testing.T) {
	each(t, func(t *testing.T, r *Returned, c *campaign) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Serve(ctx, l, false, func(err error) { t.Error(err) }) }()
		client, err := smtp.Dial(l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		send := func(to, text string) error {
			if err := client.Mail(""); err != nil {
				return err
			}
			if err := client.Rcpt(to); err != nil {
				return errors.Join(err, client.Reset())
			}
			w, err := client.Data()
			if err != nil {
				return err
			}
			io.WriteString(w, text)
			return w.Close()
		}
		refused := func(what string, err error, code int) {
			t.Helper()
			if said := (*textproto.Error)(nil); !errors.As(err, &said) || said.Code != code {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := send("back+"+c.token(1)+"@bounce.example.jp", unknown(c, 1)); err != nil {
			t.Fatal(err)
		}
		if c.states[c.token(1)] != Bounced {
			t.Errorf("%v", c.states)
		}
		// The envelope decides, and not what is written in it.
		if err := send("back+"+c.token(2)+"@bounce.example.jp", unknown(c, 3)); err != nil {
			t.Fatal(err)
		}
		if c.states[c.token(2)] != Bounced || c.states[c.token(3)] != "" {
			t.Errorf("%v", c.states)
		}
		for _, to := range []string{"back@bounce.example.jp", "postmaster@bounce.example.jp", "back+1-0000@bounce.example.jp", "back+" + c.token(1) + "@elsewhere.example", "a@example.net"} {
			refused(to, send(to, unknown(c, 1)), 550)
		}
		refused("large", send("back+"+c.token(1)+"@bounce.example.jp", strings.Repeat("aaaaaaaaaaaaaaa\r\n", bounce.MaxSize/16)), 552)
		client.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestFromNobody: a letter that comes from <> was written by a program, whatever its header says: nothing answers it.
func TestFromNobody(t *testing.T) {
	each(t, func(t *testing.T, r *Returned, _ *campaign) {
		var took []bool
		r.Letters = &Letters{Size: bounce.MaxLetter, Takes: func(context.Context, string) (bool, error) { return true, nil }, Take: func(_ context.Context, raw []byte, _ string) error {
			l, err := bounce.ReadLetter(raw)
			took = append(took, l.Answered())
			return err
		}}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Serve(ctx, l, false, func(err error) { t.Error(err) }) }()
		for _, from := range []string{"", "hanako@example.jp", ""} {
			if err := smtp.SendMail(l.Addr().String(), nil, from, []string{"support@desk.example"}, []byte("From: hanako@example.jp\r\nSubject: x\r\n\r\nI am away\r\n")); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if !slices.Equal(took, []bool{false, true, false}) {
			t.Errorf("answered: %v", took)
		}
	})
}

// TestLarge: however many send large letters at once, as many are in memory as there are places; small ones pass them by, and whoever waits too
// long is asked to try again.
func TestLarge(t *testing.T) {
	each(t, func(t *testing.T, r *Returned, _ *campaign) {
		took, release := make(chan int), make(chan struct{})
		r.Letters = &Letters{Size: bounce.MaxLetter, Takes: func(context.Context, string) (bool, error) { return true, nil }, Take: func(_ context.Context, raw []byte, _ string) error {
			took <- len(raw)
			if len(raw) > ordinary {
				<-release
			}
			return nil
		}}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Serve(ctx, l, false, func(err error) { t.Error(err) }) }()
		head := "From: hanako@example.jp\r\nSubject: x\r\n\r\n"
		big := []byte(head + strings.Repeat("aaaaaaaaaaaaaa\r\n", ordinary/8))
		send := func(body []byte) error {
			return smtp.SendMail(l.Addr().String(), nil, "hanako@example.jp", []string{"support@desk.example"}, body)
		}
		sent := make(chan error, large+3)
		for range large + 3 {
			go func() { sent <- send(big) }()
		}
		for range large {
			if n := <-took; n != len(big) {
				t.Errorf("%d bytes", n)
			}
		}
		small := make(chan error, 1)
		go func() { small <- send([]byte(head + "hello\r\n")) }()
		if n := <-took; n > 1000 { // it is the small one that comes next: no other large one is taken
			t.Errorf("beyond its places, one of %d bytes is in memory", n)
		}
		if err := <-small; err != nil {
			t.Error(err)
		}
		for range 3 { // each that goes makes room for one
			release <- struct{}{}
			if n := <-took; n != len(big) {
				t.Errorf("%d bytes", n)
			}
		}
		if len(r.large) != large {
			t.Errorf("%d places are taken", len(r.large))
		}
		r.patient = 0
		if err := send(big); err == nil || !strings.HasPrefix(err.Error(), "451") {
			t.Errorf("without a place: %v", err)
		}
		close(release)
		for range large + 3 {
			if err := <-sent; err != nil {
				t.Error(err)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestLMTP: the same by LMTP, as a mail system on the same machine hands it over.
func TestLMTP(t *testing.T) {
	each(t, func(t *testing.T, r *Returned, c *campaign) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Serve(ctx, l, true, func(err error) { t.Error(err) }) }()
		conn, err := textproto.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		say := func(line string, code int) {
			t.Helper()
			if line != "" {
				if err := conn.PrintfLine("%s", line); err != nil {
					t.Fatal(err)
				}
			}
			if _, _, err := conn.ReadResponse(code); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
		say("", 220)
		say("LHLO relay.example.jp", 250)
		say("MAIL FROM:<>", 250)
		say("RCPT TO:<back+"+c.token(1)+"@bounce.example.jp>", 250)
		say("RCPT TO:<somebody@bounce.example.jp>", 550)
		say("DATA", 354)
		w := conn.DotWriter()
		io.WriteString(w, unknown(c, 1))
		w.Close()
		say("", 250)
		conn.Close()
		if c.states[c.token(1)] != Bounced {
			t.Errorf("%v", c.states)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestListenTogether: what comes while something is being written is written together, and where it went is asked for once.
func TestListenTogether(t *testing.T) {
	each(t, func(t *testing.T, r *Returned, c *campaign) {
		const more = 5
		var waiting, all sync.WaitGroup
		waiting.Add(more + 1)
		r.gathering.queued = waiting.Done
		var asked []int // of how many, each time
		begun := make(chan struct{})
		r.Addresses = func(ctx context.Context, tokens []string) (map[string]string, error) {
			if asked = append(asked, len(tokens)); len(asked) == 1 {
				close(begun)
				waiting.Wait()
			}
			return c.addresses(ctx, tokens)
		}
		take := func(n int) {
			if err := r.take(t.Context(), actor.Server(), []byte(unknown(c, n)), "back+"+c.token(n)+"@bounce.example.jp"); err != nil {
				t.Error(err)
			}
		}
		all.Go(func() { take(1) })
		<-begun
		for n := range more {
			all.Go(func() { take(n + 2) })
		}
		all.Wait()
		if !slices.Equal(asked, []int{1, more}) {
			t.Errorf("asked of %v", asked)
		}
		list, err := r.List(t.Context(), by, "case-a", 100)
		if err != nil || len(list) != more+1 || len(c.states) != more+1 {
			t.Error(len(list), len(c.states), err)
		}
	})
}
