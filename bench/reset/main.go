// Command reset forces every account of a roster to reset, through a webhook receiver on this machine that fails one call in twenty and dies
// twice, while some of them reset by the pages; then it counts how each account stands here and there. Last come single resets by the pages
// alone: a link asked for, the page, its form, the screening and the connector. With SHIRASE_TEST_POSTGRES it does so on PostgreSQL.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"shirase/bench/figure"
	"shirase/internal/actor"
	"shirase/internal/contain/connect"
	"shirase/internal/contain/reset"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/password"
	"shirase/internal/portal"
	"shirase/internal/roster"
	"shirase/internal/store"
)

const (
	secret   = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	of       = "loss-2026"
	deadFor  = 2 * time.Second
	failures = 20 // one call in so many
	phrase   = "correct horse battery staple"
)

// receiver is an application that is asked about its accounts.
type receiver struct {
	address string
	server  *http.Server

	calls, failed atomic.Int64
	mu            sync.Mutex
	forced, reset []uint8
	late          int64 // forced after they had reset
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var a struct{ Type, Account string }
	body, err := io.ReadAll(req.Body)
	if err == nil {
		err = json.Unmarshal(body, &a)
	}
	i, convErr := strconv.Atoi(strings.TrimPrefix(a.Account, "m"))
	if err != nil || convErr != nil || i >= len(r.forced) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	r.calls.Add(1)
	if rand.IntN(failures) == 0 {
		r.failed.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	r.mu.Lock()
	switch a.Type {
	case "password.force":
		if r.forced[i] = min(r.forced[i]+1, 255); r.reset[i] > 0 {
			r.late++
		}
	case "password.reset":
		r.reset[i] = min(r.reset[i]+1, 255)
	default:
		r.mu.Unlock()
		w.WriteHeader(http.StatusNotImplemented)
		return
	}
	r.mu.Unlock()
	io.WriteString(w, `{"old":"refused","sessions":"ended"}`)
}

func (r *receiver) start() {
	if r.address == "" {
		r.address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", r.address)
	figure.Check(err)
	r.address, r.server = l.Addr().String(), &http.Server{Handler: r}
	go r.server.Serve(l)
}

// bench is a room over a roster of n accounts.
type bench struct {
	*reset.Resets
	pages string
	n     int
	to    *receiver

	mu    sync.Mutex
	links map[string]chan string // by address
}

func address(i int) string { return fmt.Sprintf("user%07d@mail%d.example", i, i%40) }

func main() {
	o := figure.Parse()
	n, together, single := 1_692_496, 3000, 3000
	if o.Quick {
		n, together, single = 60_000, 200, 400
	}
	dir, err := os.MkdirTemp("", "shirase-reset")
	figure.Check(err)
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	engine, at := "SQLite", "sqlite:"+filepath.Join(dir, "bench.db")
	if u := os.Getenv("SHIRASE_TEST_POSTGRES"); u != "" {
		engine, at = "PostgreSQL", u
	}
	b := open(ctx, dir, at, n)

	begun := time.Now()
	_, err = b.Move(ctx, actor.Operator(), of, reset.Change{State: reset.Opened})
	figure.Check(err)
	o.Print(figure.Figure{Name: "places made of a roster on " + engine, Value: float64(n) / time.Since(begun).Seconds(), Unit: "accounts/s"})
	var all sync.WaitGroup
	all.Go(func() { b.Work(ctx, func(err error) { fmt.Fprintln(os.Stderr, err) }) })

	begun = time.Now()
	worked := figure.Processor()
	figure.Check(b.Force(ctx, actor.Operator(), of, reset.Asked{}))
	var resets sync.WaitGroup
	chosen := rand.Perm(n)[:together+single]
	resets.Go(func() {
		for _, i := range chosen[:together] {
			b.one(ctx, i)
		}
	})
	deaths := 0
	for s := b.status(ctx); s.Bulk != "done"; s = b.status(ctx) {
		if c := b.to.calls.Load(); deaths < 2 && c > int64(n*(deaths+1)/3) {
			deaths++
			b.to.server.Close() // with all that it was about to answer
			time.Sleep(deadFor)
			b.to.start()
		}
		time.Sleep(50 * time.Millisecond)
	}
	took := time.Since(begun)
	resets.Wait()
	c := b.status(ctx).Counts
	o.Print(figure.Figure{Name: "bulk reset on " + engine + ", receiver's share of the processor and its deaths included", Value: float64(n) / took.Seconds(), Unit: "accounts/s"})
	o.Print(figure.Figure{Name: "processor time an account, of both", Value: (figure.Processor() - worked).Seconds() / float64(n) * 1e6, Unit: "µs"})
	o.Print(figure.Figure{Name: "calls that failed", Value: float64(b.to.failed.Load()), Unit: "calls"})
	o.Print(figure.Figure{Name: "deaths of the receiver", Value: float64(deaths), Unit: "deaths", Goal: ">= 2"})
	final := c.Of(reset.Forced) + c.Of(reset.Reset)
	o.Print(figure.Figure{Name: "accounts that are in exactly one final state", Value: float64(final), Unit: "accounts", Reference: float64(n), Goal: ">= 1"})
	wrong := int64(0)
	for i := range n {
		if b.to.forced[i] == 0 && b.to.reset[i] == 0 {
			wrong++
		}
	}
	o.Print(figure.Figure{Name: "accounts that were lost", Value: float64(wrong), Unit: "accounts", Goal: "<= 0"})
	o.Print(figure.Figure{Name: "accounts that were forced after they had reset", Value: float64(b.to.late), Unit: "accounts", Goal: "<= 0"})
	o.Print(figure.Figure{Name: "resets by the pages meanwhile", Value: float64(c.Of(reset.Reset)), Unit: "resets"})
	o.Print(figure.Figure{Name: "peak memory", Value: float64(figure.PeakMemory()) / (1 << 20), Unit: "MiB"})

	begun = time.Now()
	var queue atomic.Int64
	for range 16 {
		resets.Go(func() {
			for k := queue.Add(1); k <= int64(single); k = queue.Add(1) {
				b.one(ctx, chosen[together+int(k)-1])
			}
		})
	}
	resets.Wait()
	o.Print(figure.Figure{Name: "single resets on " + engine + ": asking, mail, page, form, screening, connector", Value: float64(single) / time.Since(begun).Seconds(), Unit: "resets/s"})
	cancel()
	all.Wait()
}

func (b *bench) status(ctx context.Context) reset.Standing {
	s, err := b.Status(ctx, actor.Operator(), of)
	figure.Check(err)
	return s
}

// one resets by the pages, as a person does: again, where the receiver fails.
func (b *bench) one(ctx context.Context, i int) {
	got := make(chan string, 1)
	b.mu.Lock()
	b.links[address(i)] = got
	b.mu.Unlock()
	b.post("/reset/"+of, url.Values{"address": {address(i)}})
	token := <-got
	resp, err := http.Get(b.pages + "/reset/" + of + "/new?t=" + token)
	figure.Check(err)
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	for b.post("/reset/"+of+"/new", url.Values{"t": {token}, "password": {phrase + strconv.Itoa(i)}}) != http.StatusOK {
		time.Sleep(20 * time.Millisecond)
	}
}

func (b *bench) post(path string, form url.Values) int {
	resp, err := http.PostForm(b.pages+path, form)
	figure.Check(err)
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

func open(ctx context.Context, dir, at string, n int) *bench {
	db, err := store.Open(ctx, at)
	figure.Check(err)
	folder, err := files.Open(filepath.Join(dir, "files"))
	figure.Check(err)
	keys, err := files.OpenKeys(filepath.Join(dir, "keys"))
	figure.Check(err)
	rosters, err := roster.New(ctx, db, folder, keys)
	figure.Check(err)
	export := filepath.Join(dir, "accounts.csv")
	f, err := os.Create(export)
	figure.Check(err)
	fmt.Fprintln(f, "id,mail")
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "m%07d,%s\n", i, address(i))
		if text.Len() > 1<<20 || i == n-1 {
			_, err := f.WriteString(text.String())
			figure.Check(err)
			text.Reset()
		}
	}
	figure.Check(f.Close())
	rules, err := roster.ParseRules("rules.yaml", []byte("columns: {account: id, email: mail}\nsets: [{classes: [email, \"password:hashed\"]}]\n"), incident.ClassWords())
	figure.Check(err)
	_, err = rosters.Create(ctx, actor.Operator(), of, roster.Options{Export: export, Rules: rules, TempDir: dir})
	figure.Check(err)
	b := &bench{n: n, links: map[string]chan string{}, to: &receiver{forced: make([]uint8, n), reset: make([]uint8, n)}}
	b.to.start()
	hook, err := connect.NewWebhook("http://"+b.to.address, secret)
	figure.Check(err)
	b.Resets, err = reset.New(ctx, reset.Rooms{DB: db, Rosters: rosters, Connector: hook, URL: "https://notice.example.jp", Service: language.Both("例示サービス", "Example"), Poll: 10 * time.Millisecond,
		Screen: func(_ context.Context, p string, least int, about ...string) ([]language.Text, error) {
			reasons, err := password.Screen{MinLength: least}.Check(p, about...)
			var out []language.Text
			for _, r := range reasons {
				out = append(out, language.Same(r.Code))
			}
			return out, err
		},
		Send: func(_ context.Context, m reset.Mail) error {
			_, token, ok := strings.Cut(m.Text, "/new?t=")
			if !ok || len(token) < 43 {
				return nil
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			if c := b.links[m.To]; c != nil {
				c <- token[:43]
				delete(b.links, m.To)
			}
			return nil
		}})
	figure.Check(err)
	pages, err := portal.NewReset(portal.ResetOptions{Resets: b.Resets})
	figure.Check(err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	figure.Check(err)
	go http.Serve(l, pages)
	b.pages = "http://" + l.Addr().String()
	return b
}
