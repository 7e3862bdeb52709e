// Command crash kills the process that sends a campaign, again and again and at random instants (SIGKILL), and counts afterwards who got how
// many mails. With SHIRASE_TEST_POSTGRES it does so on PostgreSQL too. It fails where somebody is lost, where somebody got two mails and was not
// listed as uncertain, or where no kill came in the middle of a mail.
package main

import (
	"bufio"
	"context"
	cryptorand "crypto/rand"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"shirase/bench/figure"
	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/reach"
	"shirase/internal/reach/smtp"
	"shirase/internal/reach/smtptest"
	"shirase/internal/roster"
	"shirase/internal/store"
)

const (
	// senderEnv has this program be the process that is killed. It is its relay, database, folder and campaign.
	senderEnv = "SHIRASE_BENCH_CRASH"
	// inFlight is how many mails a process has in flight at most (docs/decisions/campaigns.md).
	inFlight = 640
	of       = "loss-2026"
	facts    = "id: " + of + "\nfacts:\n  - {key: organisation, value: {ja: 株式会社例示, en: Example Inc.}}\n"
)

func main() {
	if v := os.Getenv(senderEnv); v != "" {
		figure.Check(send(strings.Split(v, "\n")))
		return
	}
	o := figure.Parse()
	members, kills := 100_000, 50
	if o.Quick {
		members, kills = 20_000, 10
	}
	dir, err := os.MkdirTemp("", "shirase-crash")
	figure.Check(err)
	defer os.RemoveAll(dir)
	run(o, "SQLite", dir, "sqlite:"+filepath.Join(dir, "bench.db"), members, kills)
	if base := os.Getenv("SHIRASE_TEST_POSTGRES"); base != "" {
		schema := "crash_" + strings.ToLower(cryptorand.Text())
		ctx := context.Background()
		admin, err := store.Open(ctx, base)
		figure.Check(err)
		_, err = admin.ExecContext(ctx, "CREATE SCHEMA "+schema)
		figure.Check(err)
		u, err := url.Parse(base)
		figure.Check(err)
		q := u.Query()
		q.Set("search_path", schema)
		u.RawQuery = q.Encode()
		run(o, "PostgreSQL", dir, u.String(), members, kills)
		_, err = admin.ExecContext(ctx, "DROP SCHEMA "+schema+" CASCADE")
		figure.Check(err)
		admin.Close()
	}
}

// server takes the mails and counts them by recipient.
type server struct {
	smtptest.Sink
	mu    sync.Mutex
	taken map[string]int
	ids   map[string]string // the Message-ID that somebody's first mail had
	other int               // mails of somebody that had another one
	n     int
}

func (s *server) take(e smtptest.Envelope, data []byte) {
	_, id, _ := strings.Cut(string(data), "Message-ID: <")
	id, _, _ = strings.Cut(id, ">")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	if s.taken[e.To]++; s.taken[e.To] == 1 {
		s.ids[e.To] = id
	} else if s.ids[e.To] != id {
		s.other++
	}
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

// got gives how many have a mail, and how many have more than one.
func (s *server) got() (some, more int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.taken {
		if some++; k > 1 {
			more++
		}
	}
	return some, more
}

func run(o figure.Options, engine, dir, at string, members, kills int) {
	ctx := context.Background()
	root := filepath.Join(dir, engine)
	figure.Check(os.Mkdir(root, 0o700))
	s := &server{taken: map[string]int{}, ids: map[string]string{}}
	s.Keep, s.Taken = true, s.take
	relay, err := s.Listen("")
	figure.Check(err)
	defer s.Close()
	rooms, incidents := open(ctx, root, at, relay)
	defer rooms.DB.Close()
	r, err := reach.New(ctx, rooms)
	figure.Check(err)
	id := start(ctx, r, incidents, root, members)

	begin := time.Now()
	done, inMails := 0, 0
	uncertain := int64(0)
	for done < kills {
		before := s.count()
		child := sender(relay, at, root, id)
		if rand.IntN(5) == 0 { // while it begins
			time.Sleep(rand.N(150 * time.Millisecond))
		} else {
			// After some mails of its own, so that the campaign lasts for all kills, and at any instant from there on.
			for until := before + rand.IntN(2*(members-before)/(kills-done+2)+1); s.count() < until && child.lives(); {
				time.Sleep(time.Millisecond)
			}
			time.Sleep(rand.N(5 * time.Millisecond))
		}
		if !child.kill() {
			fail("the campaign ended after %d of %d kills", done, kills)
		}
		done++
		now, err := r.Counts(ctx, actor.Operator(), id)
		figure.Check(err)
		if left := now[reach.Intended] + now[reach.Unknown]; left > uncertain {
			inMails, uncertain = inMails+1, left
		}
	}
	last := sender(relay, at, root, id)
	last.wait()
	took := time.Since(begin)

	n, err := r.Counts(ctx, actor.Operator(), id)
	figure.Check(err)
	if n.Total() != int64(members) || n[reach.HandedOver]+n[reach.Unknown] != int64(members) {
		fail("they stand so: %v", n.Names())
	}
	listed := map[string]bool{}
	figure.Check(r.Each(ctx, actor.Operator(), id, []reach.State{reach.Unknown}, func(_ reach.Recipient, messageID string) error {
		listed[messageID] = true
		return nil
	}))
	some, more := s.got()
	if more > 0 {
		fail("%d have two mails before anybody decided so", more)
	}
	missing := members - some
	_, err = r.Resolve(ctx, actor.Operator(), id, reach.Resend, nil)
	figure.Check(err)
	sender(relay, at, root, id).wait()
	some, doubles := s.got()
	unlisted := 0
	for to, k := range s.taken {
		if k > 1 && !listed[s.ids[to]] {
			unlisted++
		}
	}
	o.Print(figure.Figure{Name: engine + ": kills", Value: float64(done), Unit: "kills"})
	o.Print(figure.Figure{Name: engine + ": of them with mails in flight", Value: float64(inMails), Unit: "kills", Goal: ">= 1"})
	o.Print(figure.Figure{Name: engine + ": recipients reached", Value: float64(some), Unit: "people", Goal: fmt.Sprintf(">= %d", members)})
	o.Print(figure.Figure{Name: engine + ": listed as uncertain", Value: float64(len(listed)), Unit: "people", Goal: fmt.Sprintf("<= %d", kills*inFlight)})
	o.Print(figure.Figure{Name: engine + ": of them without a mail until it was sent again", Value: float64(missing), Unit: "people"})
	o.Print(figure.Figure{Name: engine + ": two mails, after all uncertain ones were sent again", Value: float64(doubles), Unit: "people", Goal: fmt.Sprintf("<= %d", len(listed))})
	o.Print(figure.Figure{Name: engine + ": two mails, and not listed", Value: float64(unlisted), Unit: "people", Goal: "<= 0"})
	o.Print(figure.Figure{Name: engine + ": from the first process to the end of the last", Value: took.Seconds(), Unit: "s"})
	if some != members || unlisted > 0 || s.other > 0 || inMails == 0 || doubles > len(listed) || doubles != len(listed)-missing {
		fail("%d of %d reached, %d unlisted, %d with another Message-ID, %d kills in flight, %d doubles of %d listed", some, members, unlisted, s.other, inMails, doubles, len(listed))
	}
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "crash: "+format+"\n", args...)
	os.Exit(1)
}

func open(ctx context.Context, root, at, relay string) (reach.Rooms, *incident.Incidents) {
	db, err := store.Open(ctx, at)
	figure.Check(err)
	dir, err := files.Open(filepath.Join(root, "files"))
	figure.Check(err)
	keys, err := files.OpenKeys(filepath.Join(root, "keys"))
	figure.Check(err)
	rosters, err := roster.New(ctx, db, dir, keys)
	figure.Check(err)
	incidents, err := incident.New(ctx, db, nil)
	figure.Check(err)
	// Whoever was killed gives up its part of the campaign at once: there is no other to wait for.
	return reach.Rooms{DB: db, Rosters: rosters, Incident: incidents.Get, Lease: -1, Poll: 10 * time.Millisecond,
		Mailer: &reach.Mailer{Relays: []smtp.Relay{{Address: relay, Security: smtp.None, Hello: "bench.example.jp"}}, Bounces: "b@bounce.example.jp"}}, incidents
}

func start(ctx context.Context, r *reach.Reach, incidents *incident.Incidents, root string, members int) string {
	file, err := incident.ParseFactsFile("facts.yaml", []byte(facts))
	figure.Check(err)
	_, err = incidents.Create(ctx, actor.Operator(), file)
	figure.Check(err)
	export := filepath.Join(root, "accounts.csv")
	var b strings.Builder
	b.WriteString("mail\n")
	for i := range members {
		fmt.Fprintf(&b, "user%07d@mail%d.example\n", i, i%40)
	}
	figure.Check(os.WriteFile(export, []byte(b.String()), 0o600))
	rules, err := roster.ParseRules("rules.yaml", []byte("columns: {email: mail}\nsets:\n  - {classes: [email]}\n"), incident.ClassWords())
	figure.Check(err)
	_, err = r.Rosters.Create(ctx, actor.Operator(), of, roster.Options{Export: export, Rules: rules, TempDir: root})
	figure.Check(err)
	c, err := r.Create(ctx, actor.Operator(), reach.Spec{Incident: of, From: reach.Sender{Name: language.Same("お知らせ事務局"), Address: "notice@example.jp"},
		Subject: language.Text{JA: "会員情報の漏えいについて"}, Text: language.Text{JA: "# お知らせ\n\n{{organisation}}です。漏えいした項目は{{you.exposed}}です。\n"}}, reach.Rates{}, time.Time{})
	figure.Check(err)
	figure.Check(r.Start(ctx, actor.Operator(), c.ID, ""))
	return c.ID
}

// send is the process that is killed: it sends until nobody is left to send to.
func send(args []string) error {
	go func() { // the other end is the one that kills: what it started does not outlive it
		io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	rooms, _ := open(ctx, args[2], args[1], args[0])
	defer rooms.DB.Close()
	r, err := reach.New(ctx, rooms)
	if err != nil {
		return err
	}
	go func() {
		for ; ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
			n, err := r.Counts(ctx, actor.Operator(), args[3])
			if err == nil && n[reach.Pending]+n[reach.Intended]+n[reach.Deferred] == 0 {
				cancel()
			}
		}
	}()
	var failed error
	r.Work(ctx, func(err error) { failed = err })
	return failed
}

// process is a sender that was started.
type process struct {
	*exec.Cmd
	ended chan struct{}
	err   error
}

func sender(relay, at, root, id string) *process {
	p := &process{Cmd: exec.Command(os.Args[0]), ended: make(chan struct{})}
	p.Env = append(os.Environ(), senderEnv+"="+strings.Join([]string{relay, at, root, id}, "\n"))
	p.Stderr = os.Stderr
	in, err := p.StdinPipe() // nothing is written to it
	figure.Check(err)
	out, err := p.StdoutPipe()
	figure.Check(err)
	figure.Check(p.Start())
	go func() {
		bufio.NewReader(out).WriteTo(os.Stderr)
		p.err = p.Wait()
		in.Close()
		close(p.ended)
	}()
	return p
}

func (p *process) lives() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// kill reports whether it was killed: it had not ended before.
func (p *process) kill() bool {
	p.Process.Kill()
	<-p.ended
	return !p.ProcessState.Exited()
}

func (p *process) wait() {
	<-p.ended
	figure.Check(p.err)
}
