// Command campaign sends a campaign of Japanese mails of 5 KB to a server on this machine, with the durable state of each recipient, and a
// bare sender that keeps nothing in turns with it. With SHIRASE_TEST_POSTGRES it does so on PostgreSQL too.
package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"shirase/bench/figure"
	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/reach"
	"shirase/internal/reach/message"
	"shirase/internal/reach/smtp"
	"shirase/internal/reach/smtptest"
	"shirase/internal/roster"
	"shirase/internal/store"
)

const (
	connections = 8
	// sinkEnv has this program be the server that takes the mails: its work is not the sender's.
	sinkEnv = "SHIRASE_BENCH_SINK"
)

const facts = `
facts:
  - {key: organisation, value: {ja: 株式会社例示, en: Example Inc.}}
  - {key: discovered, value: "2026-11-18T10:09+09:00"}
`

func main() {
	if os.Getenv(sinkEnv) != "" {
		sink()
		return
	}
	o := figure.Parse()
	members, signed, rounds := 2_000_000, 40_000, 1
	if o.Quick {
		members, signed = 60_000, 4000
	}
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "shirase-campaign")
	figure.Check(err)
	defer os.RemoveAll(dir)
	relay, end := startSink()
	defer end()

	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	figure.Check(err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	figure.Check(err)
	signers := func(domain string) ([]*message.Signer, error) {
		a, err := message.NewSigner(domain, "rsa", rsaKey)
		if err != nil {
			return nil, err
		}
		b, err := message.NewSigner(domain, "ed", edKey)
		return []*message.Signer{a, b}, err
	}
	engines := map[string]string{"SQLite": "sqlite:" + filepath.Join(dir, "bench.db")}
	if url := os.Getenv("SHIRASE_TEST_POSTGRES"); url != "" {
		engines["PostgreSQL"] = url
	}
	export := filepath.Join(dir, "accounts.csv")
	figure.Check(accounts(export, members))
	few := filepath.Join(dir, "few.csv") // of a roster whose every mail is signed: of a larger one the whole would be read for them
	figure.Check(accounts(few, signed))
	for _, engine := range []string{"SQLite", "PostgreSQL"} {
		url, ok := engines[engine]
		if !ok {
			continue
		}
		b := open(ctx, filepath.Join(dir, engine), url, relay)
		b.make(ctx, "loss-2026", export)
		o.Print(figure.Figure{Name: fmt.Sprintf("peak memory, making the roster of %d, %s", members, engine), Value: float64(figure.PeakMemory()) / (1 << 20), Unit: "MiB"})
		b.make(ctx, "loss-2027", few)
		figure.ForgetPeak()
		goal := map[string]string{"SQLite": ">= 8500", "PostgreSQL": ">= 6400"}[engine]
		for range rounds {
			bareTime, bareCPU := bare(ctx, relay, min(members, 200_000))
			n := float64(min(members, 200_000))
			t, cpu := b.campaign(ctx, nil, "loss-2026", int64(members))
			rate, bareRate := float64(members)/t.Seconds(), n/bareTime.Seconds()
			o.Print(figure.Figure{Name: "campaign on " + engine + ", not signed", Value: rate, Unit: "mails/s", Goal: goal})
			o.Print(figure.Figure{Name: "campaign on " + engine + " beside a bare sender", Value: rate, Unit: "mails/s", Reference: bareRate})
			o.Print(figure.Figure{Name: "its processor time a mail", Value: cpu.Seconds() / float64(members) * 1e6, Unit: "µs", Reference: bareCPU.Seconds() / n * 1e6})
		}
		s, err := signers("example.jp")
		figure.Check(err)
		before := signing(s)
		t, cpu := b.campaign(ctx, signers, "loss-2027", int64(signed))
		bound := (before + signing(s)) / 2 // a machine's speed drifts
		o.Print(figure.Figure{Name: "campaign on " + engine + ", signed by RSA and Ed25519", Value: float64(signed) / t.Seconds(), Unit: "mails/s", Reference: float64(runtime.NumCPU()) / bound, Goal: ">= 0.9"})
		o.Print(figure.Figure{Name: "its processor time a mail, beside the signatures alone", Value: cpu.Seconds() / float64(signed) * 1e6, Unit: "µs", Reference: bound * 1e6, Goal: "<= 1.11"})
		o.Print(figure.Figure{Name: fmt.Sprintf("peak memory, %s, %d recipients", engine, members), Value: float64(figure.PeakMemory()) / (1 << 20), Unit: "MiB", Goal: "<= 150"})
		b.db.Close()
	}
}

// sink takes all mails until its standard input ends.
func sink() {
	var s smtptest.Sink
	at, err := s.Listen("")
	figure.Check(err)
	fmt.Println(at)
	os.Stdin.Read(make([]byte, 1))
}

func startSink() (address string, end func()) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), sinkEnv+"=1")
	in, err := cmd.StdinPipe()
	figure.Check(err)
	out, err := cmd.StdoutPipe()
	figure.Check(err)
	figure.Check(cmd.Start())
	_, err = fmt.Fscanln(out, &address)
	figure.Check(err)
	return address, func() { in.Close(); cmd.Wait() }
}

func accounts(path string, n int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var b strings.Builder
	b.WriteString("mail\n")
	for i := range n {
		fmt.Fprintf(&b, "user%07d@mail%d.example\n", i, i%40)
		if b.Len() > 1<<20 {
			if _, err := f.WriteString(b.String()); err != nil {
				return err
			}
			b.Reset()
		}
	}
	_, err = f.WriteString(b.String())
	return err
}

type rooms struct {
	reach.Rooms
	db        *store.DB
	incidents *incident.Incidents
	relay     string
	root      string
}

func open(ctx context.Context, root, url, relay string) *rooms {
	db, err := store.Open(ctx, url)
	figure.Check(err)
	dir, err := files.Open(filepath.Join(root, "files"))
	figure.Check(err)
	keys, err := files.OpenKeys(filepath.Join(root, "keys"))
	figure.Check(err)
	rosters, err := roster.New(ctx, db, dir, keys)
	figure.Check(err)
	incidents, err := incident.New(ctx, db, nil)
	figure.Check(err)
	b := &rooms{db: db, incidents: incidents, relay: relay, root: root}
	b.Rooms = reach.Rooms{DB: db, Rosters: rosters, Incident: incidents.Get, Poll: 20 * time.Millisecond}
	return b
}

func (b *rooms) make(ctx context.Context, id, export string) {
	file, err := incident.ParseFactsFile("facts.yaml", []byte("id: "+id+facts))
	figure.Check(err)
	_, err = b.incidents.Create(ctx, actor.Operator(), file)
	figure.Check(err)
	rules, err := roster.ParseRules("rules.yaml", []byte("columns: {email: mail}\nsets:\n  - {classes: [email]}\n"), incident.ClassWords())
	figure.Check(err)
	_, err = b.Rosters.Create(ctx, actor.Operator(), id, roster.Options{Export: export, Rules: rules, TempDir: b.root})
	figure.Check(err)
}

// text makes a mail of about 5 KB.
var text = "# お詫びとお知らせ\n\n{{organisation}}です。{{discovered}}に確認しました。漏えいした項目は{{you.exposed}}です。\n\n" + strings.Repeat("このたびは、ご心配とご迷惑をおかけし、お詫び申し上げます。", 14) + "\n"

// campaign sends one to the n recipients of an incident's roster, and gives how long it took and what it cost this process.
func (b *rooms) campaign(ctx context.Context, signers func(string) ([]*message.Signer, error), id string, n int64) (took, cost time.Duration) {
	b.Mailer = &reach.Mailer{Relays: []smtp.Relay{{Address: b.relay, Security: smtp.None, Hello: "bench.example.jp"}}, Bounces: "b@bounce.example.jp", Connections: connections, Signers: signers}
	r, err := reach.New(ctx, b.Rooms)
	figure.Check(err)
	c, err := r.Create(ctx, actor.Operator(), reach.Spec{Incident: id, From: reach.Sender{Name: language.Same("お知らせ事務局"), Address: "notice@example.jp"},
		Subject: language.Text{JA: "会員情報の漏えいについて"}, Text: language.Text{JA: text}}, reach.Rates{}, time.Time{})
	figure.Check(err)
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	begin, worked := time.Now(), figure.Processor()
	figure.Check(r.Start(ctx, actor.Operator(), c.ID, ""))
	all.Go(func() { r.Work(ctx, figure.Check) })
	for {
		now, err := r.Get(ctx, actor.Operator(), c.ID)
		figure.Check(err)
		if now.State == reach.Done {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	took, cost = time.Since(begin), figure.Processor()-worked
	cancel()
	all.Wait()
	got, err := r.Counts(context.Background(), actor.Operator(), c.ID)
	figure.Check(err)
	if got[reach.HandedOver] != n {
		panic(fmt.Sprint("not all are handed over: ", got.Names()))
	}
	return took, cost
}

// bare hands n mails over that were made before, by as many connections, and keeps nothing.
func bare(ctx context.Context, relay string, n int) (took, cost time.Duration) {
	c, err := message.New(message.Address{Name: "お知らせ事務局", Addr: "notice@example.jp"}, message.Address{}, "会員情報の漏えいについて", "example.jp")
	figure.Check(err)
	said := strings.Repeat("このたびは、ご心配とご迷惑をおかけし、お詫び申し上げます。", 14)
	body := message.NewBody("ja", said, message.Page("ja", "x", "<p>"+said+"</p>"))
	head, err := c.Mail(nil, "user@mail.example", "m.x", time.Now(), body)
	figure.Check(err)
	begin, worked := time.Now(), figure.Processor()
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			conn, err := smtp.Dial(ctx, smtp.Relay{Address: relay, Security: smtp.None})
			figure.Check(err)
			defer conn.Close()
			mails := make([]smtp.Mail, 1000)
			for i := range mails {
				mails[i] = smtp.Mail{From: "b@bounce.example.jp", To: "user@mail.example", Data: message.Data(head, body)}
			}
			for left := n / connections; left > 0; left -= len(mails) {
				_, _, err = conn.Deliver(mails[:min(left, len(mails))], nil, func(_ int, o smtp.Outcome) {
					if !o.Taken() {
						panic(o.Reply.String())
					}
				})
				figure.Check(err)
			}
		})
	}
	all.Wait()
	return time.Since(begin), figure.Processor() - worked
}

// signing gives the processor time that a signature takes, in seconds, while all processors sign and do nothing else: two that share a core sign less
// each than one alone.
func signing(s []*message.Signer) float64 {
	each := 1000 / runtime.NumCPU()
	body := message.NewBody("ja", text, text)
	worked := figure.Processor()
	var all sync.WaitGroup
	for range runtime.NumCPU() {
		all.Go(func() {
			c, err := message.New(message.Address{Addr: "notice@example.jp"}, message.Address{}, "x", "example.jp", s...)
			figure.Check(err)
			for range each {
				_, err := c.Mail(nil, "user@mail.example", "m.x", time.Now(), body)
				figure.Check(err)
			}
		})
	}
	all.Wait()
	return (figure.Processor() - worked).Seconds() / float64(each*runtime.NumCPU())
}
