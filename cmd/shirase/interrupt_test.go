package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"shirase/internal/password"
)

// Processes that get real signals.
func init() {
	programs["shirase-looking"] = mainLooking
	programs["shirase-deaf"] = mainDeaf
	programs["shirase-deafened"] = mainDeafened
}

// looking is a context that counts how often the command looks at it. At one of
// these looks the process gets a signal, and goes on once that has arrived: so
// every signal comes in the middle of the work, at a place that the test chooses.
type looking struct {
	context.Context
	looks atomic.Int64
	at    int64
	sig   syscall.Signal
}

func (l *looking) look() {
	n := l.looks.Add(1)
	if n == l.at {
		syscall.Kill(os.Getpid(), l.sig)
	}
	if n >= l.at { // whoever looks, in whatever goroutine, sees that it has come
		<-l.Context.Done()
	}
}

func (l *looking) Done() <-chan struct{} {
	l.look()
	return l.Context.Done()
}

func (l *looking) Err() error {
	l.look()
	return l.Context.Err()
}

const (
	lookAt     = "SHIRASE_TEST_LOOK"   // at which look the signal comes
	lookSignal = "SHIRASE_TEST_SIGNAL" // and which
	lookFile   = "SHIRASE_TEST_LOOKS"  // where the number of looks is written
)

// mainLooking is main under a looking context.
func mainLooking() {
	at, _ := strconv.ParseInt(os.Getenv(lookAt), 10, 64)
	sig, _ := strconv.Atoi(os.Getenv(lookSignal))
	os.Exit(interruptible(func(ctx context.Context) int {
		l := &looking{Context: ctx, at: at, sig: syscall.Signal(sig)}
		code := run(l, os.Args[1:], os.Stdout, os.Stderr)
		os.WriteFile(os.Getenv(lookFile), strconv.AppendInt(nil, l.looks.Load(), 10), 0o600)
		return code
	}))
}

// mainDeaf is a command that does not look at its context.
func mainDeaf() {
	os.Exit(interruptible(func(ctx context.Context) int {
		fmt.Println("working")
		<-ctx.Done()
		fmt.Println("signalled")
		select {}
	}))
}

// mainDeafened is a command that a signal finds in a loop without an end.
func mainDeafened() {
	os.Exit(interruptible(func(context.Context) int {
		fmt.Println("working")
		for n := 0; ; n++ {
			if n == math.MaxInt {
				return n
			}
		}
	}))
}

// TestSecondSignal: whatever a command is doing, the second signal ends it.
func TestSecondSignal(t *testing.T) {
	for _, c := range []struct {
		program  string
		signals  [2]syscall.Signal
		exit     int
		answered bool // the first signal has an effect that can be seen
	}{
		{"shirase-deaf", [2]syscall.Signal{syscall.SIGINT, syscall.SIGINT}, exitInterrupted, true},
		{"shirase-deaf", [2]syscall.Signal{syscall.SIGTERM, syscall.SIGINT}, exitInterrupted, true},
		{"shirase-deaf", [2]syscall.Signal{syscall.SIGINT, syscall.SIGTERM}, exitTerminated, true},
		{"shirase-deafened", [2]syscall.Signal{syscall.SIGINT, syscall.SIGTERM}, exitTerminated, false},
	} {
		cmd := exec.Command(c.program)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		said := bufio.NewScanner(out)
		if !said.Scan() || said.Text() != "working" {
			t.Fatalf("it said %q", said.Text())
		}
		cmd.Process.Signal(c.signals[0])
		if c.answered && (!said.Scan() || said.Text() != "signalled") {
			t.Fatalf("it said %q", said.Text())
		}
		cmd.Process.Signal(c.signals[1])
		var exit *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != c.exit {
			t.Errorf("%s, %v: it ended so: %v", c.program, c.signals, err)
		}
	}
}

// workshop is a folder with an instance and all that the commands are given.
type workshop struct {
	*testing.T
	dir string
}

func (w *workshop) path(name string) string { return filepath.Join(w.dir, name) }

// do runs the command to its end, which is to be a good one.
func (w *workshop) do(args ...string) {
	w.Helper()
	if _, out, exit := w.look(args, math.MaxInt64, syscall.SIGINT); exit != exitDone {
		w.Fatalf("%q: exit %d: %s", args, exit, out)
	}
}

// look runs the command in the folder, with a signal at one of its looks, and
// gives how many looks there were, what it said on stderr, and its exit code.
func (w *workshop) look(args []string, at int64, sig syscall.Signal) (looks int64, said string, exit int) {
	w.Helper()
	cmd := exec.Command("shirase-looking", args...)
	cmd.Dir = w.dir
	counted := filepath.Join(w.TempDir(), "looks")
	cmd.Env = append(os.Environ(), "TMPDIR="+w.path("tmp"), "XDG_CONFIG_HOME="+w.path("config"),
		fmt.Sprint(lookAt, "=", at), fmt.Sprint(lookSignal, "=", int(sig)), lookFile+"="+counted)
	cmd.Stdin = strings.NewReader("letmein\n")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		w.Fatal(err)
	}
	b, err := os.ReadFile(counted)
	if err != nil {
		w.Fatalf("%q, interrupted at look %d, ended before its end: %v: %s", args, at, failed, &stderr)
	}
	if looks, err = strconv.ParseInt(string(b), 10, 64); err != nil {
		w.Fatal(err)
	}
	return looks, stderr.String(), cmd.ProcessState.ExitCode()
}

// clone copies the folder, for something that changes it.
func (w *workshop) clone(t *testing.T) *workshop {
	c := &workshop{t, filepath.Join(t.TempDir(), "w")}
	if err := os.CopyFS(c.dir, os.DirFS(w.dir)); err != nil {
		t.Fatal(err)
	}
	// CopyFS makes what it makes for everybody to read, and keys are not.
	err := filepath.WalkDir(c.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// left are the files that something half-done would leave.
func (w *workshop) left() []string {
	var left []string
	for _, folder := range []string{"tmp", "shirase-data/files/.tmp", "shirase-data/password/.tmp", "shirase-data/.tmp"} {
		entries, err := os.ReadDir(w.path(folder))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			w.Fatal(err)
		}
		for _, e := range entries {
			left = append(left, folder+"/"+e.Name())
		}
	}
	for _, name := range []string{"out.json", "facts-out.yaml", "rejected.csv", "answer.json", "accounts.rejects.csv"} {
		if _, err := os.Stat(w.path(name)); err == nil {
			left = append(left, name)
		}
	}
	return left
}

// newWorkshop has an incident with its scope, of so many accounts, which is not published yet.
func newWorkshop(t *testing.T, accounts int) *workshop {
	w := &workshop{t, t.TempDir()}
	for _, dir := range []string{"tmp", "config"} {
		if err := os.Mkdir(w.path(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	rows := func(head string, n int, row func(b *strings.Builder, i int), tail string) string {
		var b strings.Builder
		b.WriteString(head)
		for i := range n {
			row(&b, i)
		}
		return b.String() + tail
	}
	for name, text := range map[string]string{
		"facts.yaml": fmt.Sprintf(`id: shop
zone: "+09:00"
asOf: "2026-11-20T16:00"
facts:
  - {key: organisation, value: {ja: 例示商店, en: Example Shop}}
  - {key: title, value: {ja: 会員情報への不正アクセス, en: Unauthorised access to members' data}}
  - {key: cause, value: intrusion}
  - {key: disclosed, value: "2026-11-20"}
  - {key: affected.count, value: %d, unit: accounts, qualifier: exact}
  - {key: data-class, value: email}
`, accounts),
		"later.yaml": `id: shop
zone: "+09:00"
asOf: "2026-11-21T10:00"
facts:
  - {key: addendum, id: "1", at: "2026-11-21T10:00", value: {ja: 調査を続けています。, en: The investigation goes on.}}
`,
		"rules.yaml":   "columns: {account: id, email: mail}\nindex: [email]\nsets:\n  - {classes: [email]}\n",
		"accounts.csv": rows("id,mail\n", accounts, func(b *strings.Builder, i int) { fmt.Fprintf(b, "%d,m%d@example.com\n", i, i) }, ""),
		"hashes.txt": rows("", 20_000, func(b *strings.Builder, i int) {
			sum := sha1.Sum(fmt.Append(nil, i))
			fmt.Fprintf(b, "%07X%.33s:%d\n", i*13, fmt.Sprintf("%X", sum), i+1)
		}, ""),
		"list.txt":   rows("letmein\n", 20_000, func(b *strings.Builder, i int) { fmt.Fprintf(b, "secret%d\n", i) }, ""),
		"logins.csv": rows("title,password\n", 300, func(b *strings.Builder, i int) { fmt.Fprintf(b, "entry %d,correct horse %d\n", i, i) }, ""),
		"breaches.json": rows("[", 450, func(b *strings.Builder, i int) {
			if i > 0 {
				b.WriteString(",\n")
			}
			fmt.Fprintf(b, `{"Name":"Breach%d","Title":"Organisation %d","Domain":"b%d.example","BreachDate":"2020-01-0%d","AddedDate":"2020-02-01T00:00:00Z","ModifiedDate":"2020-02-01T00:00:00Z","PwnCount":%d,"Description":"-","DataClasses":["Email addresses"],"IsVerified":true}`,
				i, i/2, i, 1+i%9, i+1)
		}, "]"),
		"notice.txt": "2026年4月3日\nお客様各位\n株式会社例示商店\n\n個人情報の流出に関するお詫びとお知らせ\n\n当社のサーバーが不正アクセスを受け、お客様の個人情報1,234件が流出した可能性があることが判明いたしました。\n",
	} {
		if err := os.WriteFile(w.path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.do("init")
	w.do("incident", "new", "--facts", "facts.yaml")
	w.do("scope", "--export", "accounts.csv", "--rules", "rules.yaml", "--incident", "shop", "--commit")
	return w
}

// TestInterrupted sends each command that may take long a signal at several
// places of its work. It ends there, says so in one line, leaves nothing half-done,
// and can be run again.
func TestInterrupted(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	scoped := newWorkshop(t, 6000)
	published := scoped.clone(t)
	published.do("publish", "shop")
	published.do("incident", "add", "--facts", "later.yaml")
	published.do("incident", "import", "breaches.json")
	published.do("password", "import", "hashes.txt")
	published.do("backup", "copies")
	line := func(args string) []string { return strings.Fields(args) }
	for _, c := range []struct {
		in   *workshop
		args []string
		then []string // what must go well after it was interrupted; nil: the command itself
		at   []int64  // the looks; nil: at parts of those that there are
	}{
		{in: scoped, args: line("scope --export accounts.csv --rules rules.yaml")},
		{in: scoped, args: line("scope --export accounts.csv --rules rules.yaml --incident shop --commit")},
		{in: scoped, args: line("publish shop")},
		{in: published, args: line("notice publish shop --addendum 1"), then: line("ledger verify")},
		{in: published, args: line("index verify")},
		{in: published, args: line("index count")},
		{in: published, args: line("index fold")},
		{in: published, args: line("ledger verify --json")},
		{in: scoped, args: line("incident import breaches.json --rejects rejected.csv")},
		{in: scoped, args: line("incident import notice.txt --format notice --yes"), then: line("ledger verify")},
		{in: published, args: line("incident export -o out.json")},
		{in: published, args: line("incident duplicates")},
		{in: scoped, args: line("password import hashes.txt")},
		{in: scoped, args: line("password import list.txt --format plain --rejects rejected.csv")},
		{in: scoped, args: line("password import /dev/zero"), then: line("password import hashes.txt"), at: []int64{1, 2}},
		{in: published, args: line("password verify")},
		{in: published, args: line("password top")},
		{in: published, args: line("password filter")},
		{in: published, args: line("password check --file logins.csv")},
		{in: published, args: line("check m1@example.com --save answer.json")},
		{in: published, args: line("backup copies")},
		{in: published, args: line("restore copies --data back --keys shirase-data-keys")},
		{in: published, args: line("ledger repair")},
		{in: published, args: line("key rotate")},
		{in: published, args: line("serve --listen 127.0.0.1:0"), then: line("ledger verify"), at: []int64{2, 20}},
		{in: scoped, args: line("init --data second"), then: line("init --data second")},
		{in: scoped, args: line("demo --data third --scale 0.002 --listen 127.0.0.1:0"), then: line("version"), at: []int64{3, 50, 300, 1500}},
	} {
		t.Run(strings.Join(c.args[:min(len(c.args), 2)], " "), func(t *testing.T) {
			t.Parallel()
			if c.then == nil {
				c.then = c.args
			}
			if c.at == nil {
				looks, said, exit := c.in.clone(t).look(c.args, math.MaxInt64, syscall.SIGINT)
				if exit != exitDone && !(c.args[0] == "password" && c.args[1] == "check") {
					t.Fatalf("without a signal: exit %d: %s", exit, said)
				}
				c.at = []int64{1, 1 + looks/4, 1 + looks/2, 1 + looks*3/4}
			}
			for i, at := range c.at {
				sig, want := syscall.SIGINT, exitInterrupted
				if i%2 == 1 {
					sig, want = syscall.SIGTERM, exitTerminated
				}
				w := c.in.clone(t)
				looks, said, exit := w.look(c.args, at, sig)
				if exit != want || said != "shirase: interrupted\n" {
					t.Errorf("signal at look %d: exit %d after %d looks: %q", at, exit, looks, said)
				}
				if left := w.left(); len(left) > 0 {
					t.Errorf("signal at look %d: left: %q", at, left)
				}
				if _, said, exit := w.look(c.then, math.MaxInt64, sig); exit != exitDone && !strings.HasSuffix(said, "passwords should be changed.\n") {
					t.Errorf("after a signal at look %d, %q: exit %d: %s", at, c.then, exit, said)
				}
			}
		})
	}
}

// TestPublishInterrupted: near its end, where it is decided, an interrupted
// publication has published nothing, and one that says nothing of an interruption
// has published all.
func TestPublishInterrupted(t *testing.T) {
	scoped := newWorkshop(t, 1000)
	looks, said, exit := scoped.clone(t).look([]string{"publish", "shop"}, math.MaxInt64, syscall.SIGINT)
	if exit != exitDone {
		t.Fatalf("exit %d: %s", exit, said)
	}
	ends := map[int]int{}
	for i := range int64(12) {
		w := scoped.clone(t)
		at := looks - looks/4*i/11
		_, said, exit := w.look([]string{"publish", "shop"}, at, syscall.SIGINT)
		ends[exit]++
		p := w.started("ledger", "verify", "--json")
		statements := map[int]string{exitInterrupted: `"statements":0`, exitDone: `"statements":1`}[exit]
		if statements == "" {
			t.Fatalf("signal at look %d of %d: exit %d: %s", at, looks, exit, said)
		}
		p.says(statements)
		p.ends(exitDone, "")
	}
	if ends[exitInterrupted] == 0 || ends[exitDone] == 0 {
		t.Errorf("it ended %v; both ends are to be tried", ends)
	}
}

// started starts the command in the folder.
func (w *workshop) started(args ...string) *process {
	w.Helper()
	p := &process{T: w.T, cmd: exec.Command("shirase", args...)}
	p.cmd.Dir = w.dir
	p.cmd.Env = append(os.Environ(), "TMPDIR="+w.path("tmp"))
	p.cmd.Stderr = &p.stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		w.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		w.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { p.cmd.Process.Kill() })
	return p
}

// process is a command that runs.
type process struct {
	*testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr bytes.Buffer
}

// says waits until the command has written something on its standard output.
func (p *process) says(text string) {
	p.Helper()
	var said []byte
	for !bytes.Contains(said, []byte(text)) {
		b, err := p.out.ReadByte()
		if err != nil {
			p.cmd.Wait()
			p.Fatalf("it said %q and %q, and not %q: %v", said, &p.stderr, text, err)
		}
		said = append(said, b)
	}
}

// ends waits for the command's end.
func (p *process) ends(exit int, stderr string) {
	p.Helper()
	io.Copy(io.Discard, p.out)
	p.cmd.Wait()
	if got := p.cmd.ProcessState.ExitCode(); got != exit || p.stderr.String() != stderr {
		p.Errorf("it ended with %v, %q; want %d, %q", p.cmd.ProcessState, &p.stderr, exit, stderr)
	}
}

// TestInterruptedWaiting: a command that waits for a person, or for the other end
// of a pipe, ends with the first signal too.
func TestInterruptedWaiting(t *testing.T) {
	w := newWorkshop(t, 1000)
	if err := syscall.Mkfifo(w.path("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	// Far more than a pipe holds: once it is written, it is being read.
	lots := strings.Repeat("x,x@example.com\n", 20_000)
	words := strings.Repeat("correct horse\nbattery staple\n", 10_000)
	for _, c := range []struct{ name, args, feed string }{
		{"a review", "incident import notice.txt --format notice", ""},
		{"rows that do not come", "incident import -", strings.TrimSuffix(string(must(os.ReadFile(w.path("breaches.json")))(t)), "]")},
		{"an export that does not come", "scope --export pipe --rules rules.yaml", "id,mail\n" + lots},
		{"passwords that do not come", "password import --format plain pipe", words},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := (&workshop{t, w.dir}).started(strings.Fields(c.args)...)
			if c.feed == "" {
				p.says("q quits: ")
			} else {
				to := p.in
				if strings.Contains(c.args, "pipe") {
					f, err := os.OpenFile(w.path("pipe"), os.O_WRONLY, 0)
					if err != nil {
						t.Fatal(err)
					}
					defer f.Close()
					to = f
				}
				if _, err := io.WriteString(to, c.feed); err != nil {
					t.Fatal(err)
				}
			}
			p.cmd.Process.Signal(os.Interrupt)
			p.ends(exitInterrupted, "shirase: interrupted\n")
			if left := w.left(); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
}

// TestSyncInterrupted: a signal while an upstream is asked; what was fetched is kept.
func TestSyncInterrupted(t *testing.T) {
	w := newWorkshop(t, 1000)
	w.do("password", "import", "hashes.txt", "--data", "shirase-data")
	upstream, err := password.Open(w.clone(t).path("shirase-data/password"))
	if err != nil {
		t.Fatal(err)
	}
	defer upstream.Close()
	ranges := password.Handler(upstream, nil)
	var asked atomic.Int64
	var p *process
	started := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		<-started
		if asked.Add(1) == 3000 {
			p.cmd.Process.Signal(syscall.SIGTERM)
		}
		ranges.ServeHTTP(rw, r)
	}))
	defer server.Close()
	p = w.started("password", "sync", "--from", server.URL)
	close(started)
	p.ends(exitTerminated, "shirase: interrupted\n")
	if n := asked.Load(); n > 6000 {
		t.Errorf("after the signal it asked for %d ranges more", n-3000)
	}
	w.do("password", "verify")
	if left := w.left(); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// TestServersEnd: servers are there to be ended, and end well.
func TestServersEnd(t *testing.T) {
	w := newWorkshop(t, 1000)
	w.do("publish", "shop")
	for key, value := range map[string]string{"operator.ja": "例示", "operator.en": "Example", "contact": "mailto:desk@example.org",
		"imprint": "https://example.org/imprint", "privacy": "https://example.org/privacy"} {
		w.do("config", "set", key, value)
	}
	for _, args := range []string{"serve", "password serve"} {
		for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
			p := w.started(append(strings.Fields(args), "--listen", "127.0.0.1:0")...)
			p.says("Serving http://")
			p.cmd.Process.Signal(sig)
			p.ends(exitDone, "")
		}
	}
	if left := w.left(); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}
