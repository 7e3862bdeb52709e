// Command soak keeps a server at four fifths of what it can answer, with what a busy day asks of it: pages, buckets, whole
// checks, ranges of passwords, searches, while data sets are imported and notices published beside it. It says how many
// answers were errors, how long they took, and whether memory grows; then it leaves thousands of exports unread.
//
//	go run ./soak --for 1h
//	go run ./soak --unread
//	SHIRASE_STORE=postgres://... go run ./soak --for 10m
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"shirase/bench/figure"
	"shirase/bench/load"
	"shirase/bench/served"
	"shirase/check"
	"shirase/identity"
)

var (
	length  = flag.Duration("for", time.Hour, "how long")
	share   = flag.Float64("share", 0.8, "of what the server can answer")
	workers = flag.Int("workers", 32, "connections")
	stalled = flag.Int("stalled", 2000, "exports that are left unread at the end")
	unread  = flag.Bool("unread", false, "only leave exports unread")
)

// kind is something that is asked for, so often in a hundred.
type kind struct {
	name   string
	weight int
	ask    func(w *worker) error
}

// worker has one connection.
type worker struct {
	s      *soak
	client *load.Client // nil: there is none yet, or it broke
}

type soak struct {
	demo    *served.Demo
	host    string
	kinds   []kind
	client  *check.Client
	address identity.Identity

	errors, asked atomic.Int64

	mu   sync.Mutex
	took [][]time.Duration // by kind, of as many as are kept
}

func main() {
	o := figure.Parse()
	if o.Quick {
		*length, *stalled = 20*time.Second, 500
	}
	for _, of := range []string{"CHECK_IPV4", "CHECK_ALL", "ARCHIVE_IPV4", "ARCHIVE_ALL"} { // all load comes from one address
		os.Setenv("SHIRASE_LIMITS_"+of, "1000000/s burst 1000000")
	}
	os.Setenv("SHIRASE_TIMEOUTS_STALL", "10s")
	demo, err := served.Start()
	figure.Check(err)
	defer demo.Stop()
	s := newSoak(demo)
	if *unread {
		s.unread(o)
		return
	}
	engine := "SQLite"
	if os.Getenv("SHIRASE_STORE") != "" {
		engine = "PostgreSQL"
	}

	capacity := s.run(10*time.Second, 0)
	rate := *share * capacity
	o.Print(figure.Figure{Name: "what the server answers of this mixture, on " + engine, Value: capacity, Unit: "1/s"})
	s.errors.Store(0)
	ctx, end := context.WithCancel(context.Background())
	var beside sync.WaitGroup
	var imports, publications atomic.Int64
	beside.Go(func() { s.beside(ctx, &imports, &publications) })
	memory := make(chan []int64)
	go func() { memory <- watch(ctx, demo.Process()) }()
	was := s.asked.Load()
	s.run(*length, rate)
	answered := s.asked.Load() - was
	end()
	beside.Wait()
	used := <-memory

	o.Print(figure.Figure{Name: fmt.Sprintf("answers in %s at %.0f%% of that", *length, *share*100), Value: float64(answered), Unit: ""})
	o.Print(figure.Figure{Name: "errors", Value: float64(s.errors.Load()), Unit: "", Goal: "<= 0"})
	o.Print(figure.Figure{Name: "data sets imported meanwhile", Value: float64(imports.Load()), Unit: ""})
	o.Print(figure.Figure{Name: "notices published meanwhile", Value: float64(publications.Load()), Unit: ""})
	s.latencies(o)
	third := len(used) / 3
	o.Print(figure.Figure{Name: "memory in the last third / in the second", Value: middle(used[2*third:]) / (1 << 20), Unit: "MiB", Reference: middle(used[third:2*third]) / (1 << 20), Goal: "<= 1.1"})
	s.unread(o)
}

func newSoak(demo *served.Demo) *soak {
	u, err := url.Parse(demo.URL)
	figure.Check(err)
	dir, err := os.MkdirTemp("", "shirase-soak-")
	figure.Check(err)
	defer os.RemoveAll(dir)
	list := filepath.Join(dir, "list.txt")
	var text []byte
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		text = fmt.Appendf(text, "%016X%016X%08X\n", r.Uint64(), r.Uint64(), r.Uint32())
	}
	figure.Check(os.WriteFile(list, text, 0o600))
	figure.Check(demo.Run("password", "import", list, "--format", "hashes"))
	s := &soak{demo: demo, host: u.Host}
	figure.Check(s.importSome(dir, 0, 5000))
	policy, err := check.LedgerPolicy(demo.LedgerKey)
	figure.Check(err)
	s.client = &check.Client{Server: demo.URL, Policy: policy, HTTP: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: *workers}}}
	s.address, err = identity.ParseEmail(demo.Affected)
	figure.Check(err)
	st, _, _, err := s.client.Statement(context.Background())
	figure.Check(err)
	pages := []string{"/", "/incidents/naver-2013", "/incidents/naver-2013/help", "/notices/naver-2013-v1", "/statement", "/how", "/?lang=en", "/incidents/example-city"}
	header := "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: ja,en-US;q=0.7,en;q=0.3\r\n"
	l := st.Layers[0]
	s.kinds = []kind{
		{"pages", 50, func(w *worker) error { return w.get(pages[rand.IntN(len(pages))], header) }},
		{"statement", 10, func(w *worker) error { return w.get("/check/v1/statement", "") }},
		{"buckets", 20, func(w *worker) error {
			return w.get("/check/v1/layers/"+l.ID.String()+"/buckets/"+check.BucketName(rand.Int64N(1<<l.Bits), l.Bits), "")
		}},
		{"ranges", 17, func(w *worker) error { return w.get(fmt.Sprintf("/range/%05X", rand.IntN(1<<20)), "") }},
		{"searches", 1, func(w *worker) error {
			return w.get("/incidents?q="+url.QueryEscape([]string{"不正アクセス", "naver", "ransomware"}[rand.IntN(3)]), header)
		}},
		{"whole checks", 2, func(w *worker) error {
			answer, err := s.client.Check(context.Background(), s.address)
			if err == nil && answer.Verdict.Result != check.Affected {
				err = fmt.Errorf("an affected address: %s", answer.Verdict.Result)
			}
			return err
		}},
	}
	return s
}

// get asks for a path on the worker's connection.
func (w *worker) get(path, header string) error {
	t := load.Target{Address: w.s.host, Path: path, Header: header}
	var err error
	if w.client == nil {
		if w.client, err = load.Dial(t); err != nil {
			return err
		}
	}
	w.client.Turn(t)
	status, err := w.client.Get()
	if err != nil {
		w.client.Close()
		w.client = nil
		return fmt.Errorf("%s: %w", path, err)
	}
	if status != http.StatusOK {
		return fmt.Errorf("%s: %d", path, status)
	}
	return nil
}

// run asks for so long: as fast as it is answered, or at a rate a second where that is not zero. It gives the rate that was
// reached.
func (s *soak) run(length time.Duration, rate float64) float64 {
	asks := make(chan int, 1000)
	var all sync.WaitGroup
	s.took = make([][]time.Duration, len(s.kinds))
	for range *workers {
		all.Go(func() {
			w := &worker{s: s}
			for k := range asks {
				began := time.Now()
				err := s.kinds[k].ask(w)
				took := time.Since(began)
				s.asked.Add(1)
				if err != nil && s.errors.Add(1) <= 5 {
					fmt.Fprintln(os.Stderr, "soak:", err)
				}
				s.mu.Lock()
				if at := s.took[k]; len(at) < kept {
					s.took[k] = append(at, took)
				} else {
					at[rand.IntN(kept)] = took
				}
				s.mu.Unlock()
			}
			if w.client != nil {
				w.client.Close()
			}
		})
	}
	before, began := s.asked.Load(), time.Now()
	for n := 0; time.Since(began) < length; n++ {
		if rate > 0 {
			if due := began.Add(time.Duration(float64(n) / rate * float64(time.Second))); time.Until(due) > time.Millisecond {
				time.Sleep(time.Until(due))
			}
		}
		asks <- s.pick()
	}
	close(asks)
	all.Wait()
	return float64(s.asked.Load()-before) / time.Since(began).Seconds()
}

// kept is of how many answers of a kind the times are kept.
const kept = 100_000

func (s *soak) pick() int {
	at := rand.IntN(100)
	for i, k := range s.kinds {
		if at -= k.weight; at < 0 {
			return i
		}
	}
	return 0
}

// beside imports and publishes in turns until the end.
func (s *soak) beside(ctx context.Context, imports, publications *atomic.Int64) {
	dir, err := os.MkdirTemp("", "shirase-soak-")
	figure.Check(err)
	defer os.RemoveAll(dir)
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(10 * time.Second):
		}
		figure.Check(s.importSome(dir, n, 50))
		imports.Add(1)
		id := fmt.Sprintf("soak-%d", n)
		facts := filepath.Join(dir, id+".yaml")
		figure.Check(os.WriteFile(facts, fmt.Appendf(nil, "id: %s\nasOf: \"2026-04-02T15:00+09:00\"\nfacts:\n"+
			"  - {key: organisation, value: {ja: 例示市, en: Example City}}\n  - {key: title, value: {ja: 事案 %d, en: Incident %d}}\n"+
			"  - {key: scope.state, value: investigating}\n  - {key: cause, value: ransomware}\n  - {key: disclosed, value: \"2026-04-02\"}\n"+
			"  - {key: data-class, value: name, certainty: possible}\n", id, n, n), 0o600))
		figure.Check(s.demo.Run("incident", "new", "--facts", facts))
		figure.Check(s.demo.Run("publish", id))
		publications.Add(1)
	}
}

// importSome imports a data set of breaches that nobody had.
func (s *soak) importSome(dir string, round, n int) error {
	type breach struct {
		Name, Title, Domain, BreachDate string
		AddedDate, ModifiedDate         time.Time
		PwnCount                        int
		DataClasses                     []string
		IsVerified                      bool
	}
	var list []breach
	day := time.Date(2015, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		at := day.AddDate(0, 0, i%4000)
		name := fmt.Sprintf("Breach%dof%d", i, round)
		list = append(list, breach{name, name + " of a shop", fmt.Sprintf("shop%d.example", i), at.Format("2006-01-02"), at.AddDate(0, 1, 0), at.AddDate(0, 1, 0),
			1000 + i, []string{"Email addresses", "Passwords", "Names"}, true})
	}
	b, err := json.Marshal(list)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "breaches.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		return err
	}
	return s.demo.Run("incident", "import", file)
}

// watch looks at a process's memory once a second until the end.
func watch(ctx context.Context, pid int) (out []int64) {
	for {
		select {
		case <-ctx.Done():
			return out
		case <-time.After(time.Second):
			out = append(out, load.Memory(pid))
		}
	}
}

func middle(list []int64) float64 {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return float64(sorted[len(sorted)/2])
}

func (s *soak) latencies(o figure.Options) {
	for i, k := range s.kinds {
		if len(s.took[i]) == 0 {
			continue
		}
		sorted := slices.Sorted(slices.Values(s.took[i]))
		for _, q := range []struct {
			name string
			at   float64
		}{{"half", 0.5}, {"99 in 100", 0.99}} {
			o.Print(figure.Figure{Name: k.name + ": " + q.name + " within", Value: float64(sorted[int(q.at*float64(len(sorted)-1))]) / float64(time.Millisecond), Unit: "ms"})
		}
	}
}

// unread leaves exports unread, and says what the server holds for them, and when they have been cut.
func (s *soak) unread(o figure.Options) {
	before := load.Memory(s.demo.Process())
	var conns []net.Conn
	for range *stalled {
		conn, err := net.Dial("tcp", s.host)
		figure.Check(err)
		figure.Check(conn.(*net.TCPConn).SetReadBuffer(4096))
		_, err = conn.Write([]byte("GET /api/v1/export.json HTTP/1.1\r\nHost: " + s.host + "\r\n\r\n"))
		figure.Check(err)
		conns = append(conns, conn)
	}
	most, began := before, time.Now()
	for range 60 { // until they have been cut
		time.Sleep(500 * time.Millisecond)
		most = max(most, load.Memory(s.demo.Process()))
	}
	w := &worker{s: s}
	figure.Check(w.get("/", ""))
	w.client.Close()
	o.Print(figure.Figure{Name: fmt.Sprintf("memory while %d exports are left unread", *stalled), Value: float64(most) / (1 << 20), Unit: "MiB", Reference: float64(before) / (1 << 20)})
	after := load.Memory(s.demo.Process())
	for time.Since(began) < 4*time.Minute && float64(after) > 1.2*float64(before) && (*unread || *length > time.Minute) {
		time.Sleep(5 * time.Second)
		after = load.Memory(s.demo.Process())
	}
	o.Print(figure.Figure{Name: fmt.Sprintf("memory %.0f s later, all cut", time.Since(began).Seconds()), Value: float64(after) / (1 << 20), Unit: "MiB", Reference: float64(before) / (1 << 20)})
	for _, c := range conns {
		c.Close()
	}
}
