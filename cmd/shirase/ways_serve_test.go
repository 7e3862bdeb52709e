package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"filippo.io/torchwood"

	"shirase/internal/exercise"
)

// counters are what the settings of an instance lead to: each counts who comes, and answers nobody.
type counters struct {
	t    *testing.T
	came map[string]*atomic.Int64
}

// at gives the address of a counter of its own, for one setting.
func (c *counters) at(setting string) string {
	c.t.Helper()
	n := &atomic.Int64{}
	c.came[setting] = n
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			n.Add(1)
			conn.Close()
		}
	}()
	u, err := net.ListenPacket("udp", l.Addr().String()) // names are asked for by it
	if err != nil {
		return l.Addr().String() // another has it
	}
	c.t.Cleanup(func() { u.Close() })
	go func() {
		b := make([]byte, 2048)
		for {
			if _, _, err := u.ReadFrom(b); err != nil {
				return
			}
			n.Add(1)
		}
	}()
	return l.Addr().String()
}

func (c *counters) all() (n int64) {
	for _, one := range c.came {
		n += one.Load()
	}
	return n
}

// aim sets every setting that leads out of an instance to a counter of its own.
func (c *counters) aim(data string) {
	c.t.Helper()
	dir := filepath.Dir(data)
	secret := filepath.Join(dir, "secret")
	write(c.t, secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	header := filepath.Join(dir, "header")
	write(c.t, header, "Authorization: Bearer x")
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	signer, err := torchwood.NewCosignatureSigner("witness.example/w", private)
	if err != nil {
		c.t.Fatal(err)
	}
	vkey := signer.Verifier().String()
	write(c.t, filepath.Join(data, witnessesFile), "witness w "+vkey+" http://"+c.at("a witness")+"\nquorum w\n")
	write(c.t, filepath.Join(data, "shirase.yaml"), fmt.Sprintf(`
url: https://notice.example.invalid
mail: {server: "%s", from: "a@example.invalid", user: u, passwordFile: "%s", security: none}
campaign: {relays: ["%s"], security: none}
alarms: {webhook: "https://%s/", webhookSecretFile: "%s", mailTo: ["ops@example.invalid"]}
metrics: {otlp: "http://%s/v1/metrics", otlpEvery: 1s, otlpHeaderFile: "%s"}
dns: {server: "%s"}
staff: {oidc: {issuer: "https://%s", client: x, secretFile: "%s"}}
reset: {connector: webhook, url: "https://%s/", secretFile: "%s", sessions: "https://%s/", sessionsSecretFile: "%s"}
`, c.at("mail.server"), secret, c.at("campaign.relays"), c.at("alarms.webhook"), secret, c.at("metrics.otlp"), header, c.at("dns.server"), c.at("staff.oidc"), secret, c.at("reset.url"), secret, c.at("reset.sessions"), secret))
}

// served runs a server until done says that it has done what it was to do, and ends it.
func served(t *testing.T, data string, done func() bool) string {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	var out safeText
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--data", data}, &out, &out) }()
	never := waitFor(t, func() bool { return strings.Contains(out.String(), "Serving") && done() })
	end()
	if exit := <-ended; exit != exitDone || never {
		t.Fatalf("exit %d; it has not done what it was to do: %v\n%s", exit, never, out.String())
	}
	return out.String()
}

type safeText struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *safeText) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *safeText) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestServedNothingLeaves has two folders with the same in them, one a real instance's and one an exercise's, serve with every setting
// led to a counter. The real one's mail, alarms, figures and checkpoints come; of the exercise's nothing does, and its mail is in the sink.
func TestServedNothingLeaves(t *testing.T) {
	drill := newTeam(t, "naver-2013")
	drill.at("1h")
	real := &team{t: t, data: filepath.Join(t.TempDir(), "real"), start: drill.start}
	real.do("init")
	for _, x := range []*team{real, drill} {
		x.do("case", "declare", "--id", "drill", "--title", "不正アクセス", "--organisation", "例社", "--known", x.moment("0m"))
		x.facts(`{key: discovered, value: "`+x.moment("0m")+`"}`, `{key: title, value: {ja: 不正アクセス, en: Unauthorised access}}`, `{key: scope.state, value: investigating}`, `{key: contained, value: "{+48m}"}`)
		x.do("publish", "drill")
		c := &counters{t: t, came: map[string]*atomic.Int64{}}
		c.aim(x.data)
		x.do("enquiry", "open", "drill")
		x.do("enquiry", "record", "drill", "--text", "Am I in it?", "--address", "victim@example.org", "--lang", "en")
		if x == real {
			served(t, x.data, func() bool {
				for _, way := range []string{"mail.server", "alarms.webhook", "metrics.otlp", "a witness"} {
					if c.came[way].Load() == 0 {
						return false
					}
				}
				return c.came["mail.server"].Load() > 1 // the alarm and the enquiry
			})
			continue
		}
		// Both mails are in the sink: what begins when a server does has begun.
		served(t, x.data, func() bool {
			_, n, err := exercise.Mails(x.data)
			return err == nil && n >= 2
		})
		x.try("notify", "send")
		x.try("doctor", "--mail")
		if n := c.all(); n != 0 {
			for way, n := range c.came {
				t.Errorf("of the exercise %d came to %s", n.Load(), way)
			}
		}
		mails, _, err := exercise.Mails(x.data)
		if err != nil || !strings.Contains(fmt.Sprint(mails), "…@example.org") || !strings.Contains(fmt.Sprint(mails), "…@example.invalid") {
			t.Errorf("%+v, %v", mails, err)
		}
	}
}
