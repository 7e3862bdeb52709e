// Command board measures how quickly a change stands before a war room: fifty viewers follow the board of one case while facts, tasks and the
// figures of a campaign change, and each change is timed from when it is on disk until the last of them has it. Nothing wakes the server: it finds
// the changes as it finds those of another process.
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"shirase/bench/figure"
	"shirase/internal/actor"
	"shirase/internal/board"
	"shirase/internal/collect"
	"shirase/internal/console"
	"shirase/internal/enquiry"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/law"
	"shirase/internal/proposal"
	"shirase/internal/reach"
	"shirase/internal/reach/smtp"
	"shirase/internal/reach/smtptest"
	"shirase/internal/response"
	"shirase/internal/roster"
	"shirase/internal/scope"
	"shirase/internal/serve"
	"shirase/internal/staff"
	"shirase/internal/store"
)

const (
	viewers = 50
	theCase = "bench"
)

// world is the rooms of one case, and the console over them.
type world struct {
	root      string
	db        *store.DB
	incidents *incident.Incidents
	cases     *response.Cases
	campaigns *reach.Reach
	staff     *staff.Staff
	console   *console.Console
	boards    *board.Boards
	made      atomic.Int64 // how often a board was put together
}

func main() {
	o := figure.Parse()
	ctx, stop := context.WithCancel(context.Background())
	accounts, changes := 200_000, 60
	if o.Quick {
		accounts, changes = 20_000, 24
	}
	w := open(ctx, accounts)
	defer os.RemoveAll(w.root)
	var working sync.WaitGroup
	failed := func(err error) {
		if ctx.Err() == nil {
			figure.Check(err)
		}
	}
	working.Go(func() { w.console.Work(ctx, failed) })
	url, cookie := w.listen(ctx)
	before := held()
	all := follow(ctx, url, cookie)
	waitFor(all, "sit-unknown")
	figure.Check(held2(before, o))

	campaign := w.begin(ctx, float64(accounts)/15) // its figures change all the while
	working.Go(func() { w.campaigns.Work(ctx, failed) })
	made, began := w.made.Load(), time.Now()
	var lasts, each []time.Duration
	for n := range changes {
		marker, from := w.change(ctx, n)
		got := waitFor(all, marker)
		for _, t := range got {
			each = append(each, t.Sub(from))
		}
		lasts = append(lasts, slices.MaxFunc(got, time.Time.Compare).Sub(from))
	}
	took := time.Since(began)
	boards := w.made.Load() - made
	events := 0
	for _, v := range all {
		events += int(v.events.Load())
	}
	slices.Sort(lasts)
	slices.Sort(each)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	at := func(list []time.Duration, p int) float64 { return ms(list[min(len(list)-1, len(list)*p/100)]) }
	o.Print(figure.Figure{Name: "viewers", Value: viewers, Unit: "viewers"})
	o.Print(figure.Figure{Name: "accounts of the roster", Value: float64(accounts), Unit: "accounts"})
	o.Print(figure.Figure{Name: "changes of facts and tasks, while a campaign runs", Value: float64(changes), Unit: "changes"})
	o.Print(figure.Figure{Name: "from a change to a viewer, p50", Value: at(each, 50), Unit: "ms"})
	o.Print(figure.Figure{Name: "from a change to a viewer, p99", Value: at(each, 99), Unit: "ms", Goal: "<= 1000"})
	o.Print(figure.Figure{Name: "from a change to the last of the viewers, p50", Value: at(lasts, 50), Unit: "ms"})
	o.Print(figure.Figure{Name: "from a change to the last of the viewers, p99", Value: at(lasts, 99), Unit: "ms", Goal: "<= 1000"})
	o.Print(figure.Figure{Name: "pages fetched for a board that was put together", Value: float64(events) / float64(max(boards, 1)), Unit: "pages"})
	o.Print(figure.Figure{Name: "boards put together a second", Value: float64(boards) / took.Seconds(), Unit: "boards"})
	w.last(ctx, o, all, campaign, ms)
	w.alone(ctx, o, ms)
	o.Print(figure.Figure{Name: "peak of resident memory, with the viewers' ends", Value: float64(figure.PeakMemory()) / (1 << 20), Unit: "MiB"})
	stop()
	working.Wait()
}

// held is the memory that is in use, in bytes.
func held() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

func held2(before uint64, o figure.Options) error {
	now := held()
	o.Print(figure.Figure{Name: "memory a viewer, with its own end", Value: float64(int64(now)-int64(before)) / viewers / 1024, Unit: "KiB"})
	return nil
}

// last times the end of the campaign: from when its last recipient is handed over until every viewer reads that nothing is left.
func (w *world) last(ctx context.Context, o figure.Options, all []*viewer, id string, ms func(time.Duration) float64) {
	for {
		n, err := w.campaigns.Counts(ctx, actor.Server(), id)
		figure.Check(err)
		if n[reach.HandedOver] == n.Total() {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	from := time.Now()
	got := waitFor(all, "<b>0</b> remain")
	o.Print(figure.Figure{Name: "from the end of a campaign to the last viewer, each person counted once", Value: ms(slices.MaxFunc(got, time.Time.Compare).Sub(from)), Unit: "ms"})
}

// alone times what a change costs the server: to see it, and to put the board together anew.
func (w *world) alone(ctx context.Context, o figure.Options, ms func(time.Duration) float64) {
	const times = 20
	began := time.Now()
	for range times {
		_, err := w.boards.Version(ctx, theCase, "", "")
		figure.Check(err)
	}
	o.Print(figure.Figure{Name: "to see whether a board has changed", Value: ms(time.Since(began)) / times, Unit: "ms"})
	began = time.Now()
	for range times {
		_, err := w.boards.Get(ctx, theCase, "")
		figure.Check(err)
	}
	o.Print(figure.Figure{Name: "to put a board together", Value: ms(time.Since(began)) / times, Unit: "ms"})
}

func open(ctx context.Context, accounts int) *world {
	root, err := os.MkdirTemp("", "shirase-bench-")
	figure.Check(err)
	w := &world{root: root}
	dir, err := files.Open(filepath.Join(root, "files"))
	figure.Check(err)
	keys, err := files.OpenKeys(filepath.Join(root, "keys"))
	figure.Check(err)
	w.db, err = store.Open(ctx, "sqlite:"+filepath.Join(root, "bench.db"))
	figure.Check(err)
	w.incidents, err = incident.New(ctx, w.db, nil)
	figure.Check(err)
	rosters, err := roster.New(ctx, w.db, dir, keys)
	figure.Check(err)
	book, err := law.Open()
	figure.Check(err)
	w.staff, err = staff.New(ctx, w.db, staff.Options{})
	figure.Check(err)
	w.cases, err = response.New(ctx, response.Rooms{DB: w.db, Dir: dir, Incidents: w.incidents, Book: book, Seal: rosters.Sealer, Granted: w.staff.Declared})
	figure.Check(err)
	proposals, err := proposal.New(ctx, proposal.Rooms{DB: w.db, Staffed: w.staff.Staffed})
	figure.Check(err)
	scopes, err := scope.New(ctx, scope.Rooms{DB: w.db, Rosters: rosters, Cases: w.cases, Incidents: w.incidents, Temp: root, Hold: func(string, string) (func(), error) { return func() {}, nil }})
	figure.Check(err)
	sink := &smtptest.Sink{Taken: func(smtptest.Envelope, []byte) {}}
	relay, err := sink.Listen("")
	figure.Check(err)
	w.campaigns, err = reach.New(ctx, reach.Rooms{DB: w.db, Rosters: rosters, Files: dir, Incident: w.incidents.Get, Known: w.incidents.Get, Number: func(context.Context, string) (string, error) { return "n-1", nil },
		Wanted: func(context.Context) (bool, error) { return false, nil }, Preflight: func(context.Context, string) ([]language.Text, error) { return nil, nil },
		Mailer: &reach.Mailer{Relays: []smtp.Relay{{Address: relay, Security: smtp.None, Hello: "notice.example.jp"}}, Bounces: "back@bounce.example.jp"}})
	figure.Check(err)
	desk, err := enquiry.New(ctx, enquiry.Rooms{DB: w.db, Keys: keys, Seal: rosters.Sealer, Incident: w.incidents.Get, Wanted: w.staff.Staffed, Own: func(context.Context, string) (bool, error) { return true, nil },
		Deliver: func(context.Context, enquiry.Letter) (enquiry.Outcome, string) { return enquiry.Taken, "" }})
	figure.Check(err)
	w.boards = board.New(ctx, board.Rooms{Cases: w.cases, Incidents: w.incidents, Rosters: rosters, Campaigns: w.campaigns, Desk: desk,
		Watching: func(context.Context) (int64, error) { return w.made.Add(1), nil }}, func(_ string, err error) { figure.Check(err) })
	w.console, err = console.New(console.Options{Staff: w.staff, Cases: w.cases, Proposals: proposals, Scopes: scopes, Reaching: console.Reaching{Campaigns: w.campaigns}, Desk: console.Desk{Enquiries: desk}, Boards: w.boards, Collection: (*collect.Collection)(nil)})
	figure.Check(err)
	known, err := incident.ParseMoment("2026-08-20T10:09+09:00", nil)
	figure.Check(err)
	_, err = w.cases.Declare(ctx, actor.Operator(), response.Declaration{ID: theCase, Title: "Unauthorised access", Organisation: "Example", Known: known, Regimes: []string{"jp-appi", "eu-gdpr"}, Playbook: "account-database"})
	figure.Check(err)
	w.roster(ctx, rosters, accounts)
	return w
}

// roster makes the list of those affected.
func (w *world) roster(ctx context.Context, rosters *roster.Rosters, accounts int) {
	path := filepath.Join(w.root, "accounts.csv")
	f, err := os.Create(path)
	figure.Check(err)
	out := bufio.NewWriter(f)
	fmt.Fprintln(out, "id,mail")
	for n := range accounts {
		fmt.Fprintf(out, "%d,person%d@example.com\n", n, n)
	}
	figure.Check(errors.Join(out.Flush(), f.Close()))
	rules, err := roster.ParseRules("rules.yaml", []byte("columns: {account: id, email: mail}\nsets:\n  - {classes: [email]}\n"), incident.ClassWords())
	figure.Check(err)
	_, err = rosters.Create(ctx, actor.Operator(), theCase, roster.Options{Export: path, Rules: rules, TempDir: w.root})
	figure.Check(err)
}

// begin has a campaign run, at so many a second.
func (w *world) begin(ctx context.Context, perSecond float64) string {
	c, err := w.campaigns.Create(ctx, actor.Operator(), reach.Spec{Incident: theCase, From: reach.Sender{Name: language.Same("Notices"), Address: "notice@example.jp"},
		Subject: language.Both("お知らせ", "A notice"), Text: language.Both("お知らせ", "A notice")}, reach.Rates{PerSecond: perSecond}, time.Time{})
	figure.Check(err)
	p, err := w.campaigns.Plan(ctx, actor.Operator(), theCase, reach.Asked{Campaign: c.ID, Despite: "a benchmark"})
	figure.Check(err)
	figure.Check(w.campaigns.Approve(ctx, actor.Operator(), p, nil))
	return c.ID
}

// change records a fact, or a task, and gives what the board says then, and when it was recorded.
func (w *world) change(ctx context.Context, n int) (marker string, at time.Time) {
	if n%2 == 0 {
		count := int64(7_000_001 + n)
		file, err := incident.ParseFactsFile("facts.yaml", fmt.Appendf(nil, "id: %s\nasOf: %q\nfacts:\n  - {key: affected.count, value: %d, unit: accounts, qualifier: exact}\n", theCase, time.Now().In(incident.Japan).Format("2006-01-02T15:04Z07:00"), count))
		figure.Check(err)
		_, err = w.incidents.Add(ctx, actor.Operator(), file)
		figure.Check(err)
		return language.Number(language.EN, count), time.Now()
	}
	title := "look at server " + rand.Text()[:8]
	due := time.Now().AddDate(0, 0, -1000+n).In(incident.Japan).Format("2006-01-02T15:04Z07:00") // the most late first
	if n > 1 {
		due = time.Now().AddDate(0, 0, -1000-n).In(incident.Japan).Format("2006-01-02T15:04Z07:00")
	}
	_, err := w.cases.AddTask(ctx, actor.Operator(), theCase, func(t *response.Task) { t.Title, t.Due = title, due })
	figure.Check(err)
	return title, time.Now()
}

// listen serves the console, and gives where, and the cookie of somebody who may read all cases.
func (w *world) listen(ctx context.Context) (url string, cookie *http.Cookie) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	figure.Check(err)
	go http.Serve(l, serve.Wrap(w.console, serve.Options{}))
	_, port, err := net.SplitHostPort(l.Addr().String())
	figure.Check(err)
	invited, err := w.staff.Invite(ctx, actor.Operator(), "Sato", []actor.Role{actor.Desk}, actor.Reads)
	figure.Check(err)
	account, err := w.staff.Join(ctx, invited, staff.NewPseudonym(), "Sato", false, staff.Door{OIDC: "https://idp.example sato"})
	figure.Check(err)
	token, expires := rand.Text(), time.Now().Add(time.Hour)
	data, err := staff.Codec{}.Encode(expires, map[string]any{staff.AccountKey: account.ID})
	figure.Check(err)
	figure.Check(w.staff.Sessions().CommitCtx(ctx, token, data, expires))
	return "http://localhost:" + port, &http.Cookie{Name: "shirase-console", Value: token}
}

// viewer is somebody who looks at the board: it hears of changes, and fetches what has changed.
type viewer struct {
	mu     sync.Mutex
	page   string
	got    time.Time
	heard  *sync.Cond
	events atomic.Int64
}

func follow(ctx context.Context, url string, cookie *http.Cookie) []*viewer {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * viewers}}
	get := func(path string) *http.Response {
		r, err := http.NewRequestWithContext(ctx, "GET", url+path, nil)
		figure.Check(err)
		r.AddCookie(cookie)
		r.Header.Set("Shirase-Follows", "1")
		res, err := client.Do(r)
		if ctx.Err() != nil {
			return nil
		}
		figure.Check(err)
		if res.StatusCode != http.StatusOK {
			panic(path + ": " + res.Status)
		}
		return res
	}
	var all []*viewer
	for range viewers {
		v := &viewer{}
		v.heard = sync.NewCond(&v.mu)
		all = append(all, v)
		fetch := func() {
			res := get("/console/cases/" + theCase + "/board?part&lang=en")
			if res == nil {
				return
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if ctx.Err() != nil {
				return
			}
			figure.Check(err)
			v.events.Add(1)
			v.mu.Lock()
			v.page, v.got = string(body), time.Now()
			v.heard.Broadcast()
			v.mu.Unlock()
		}
		stream := get("/console/live?board&case=" + theCase)
		go func() {
			fetch()
			lines := bufio.NewReader(stream.Body)
			for {
				line, err := lines.ReadString('\n')
				if err != nil {
					return
				}
				if strings.HasPrefix(line, "event: changed") {
					fetch()
				}
			}
		}()
	}
	return all
}

// waitFor waits until every viewer reads something, and gives when each did.
func waitFor(all []*viewer, marker string) []time.Time {
	out := make([]time.Time, len(all))
	var done sync.WaitGroup
	for i, v := range all {
		done.Go(func() {
			v.mu.Lock()
			defer v.mu.Unlock()
			for !strings.Contains(v.page, marker) {
				v.heard.Wait()
			}
			out[i] = v.got
		})
	}
	done.Wait()
	return out
}
