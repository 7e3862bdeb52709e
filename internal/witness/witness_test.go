package witness

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"shirase/check"
	"shirase/internal/files"
	"shirase/internal/killtest"
)

func TestMain(m *testing.M) { killtest.Main(m, child) }

// testLog is a log that can be made to have any history.
type testLog struct {
	t      testing.TB
	signer note.Signer
	vkey   string
	hashes []tlog.Hash // stored, as tlog.StoredHashIndex places them
	n      int64
}

func newLog(t testing.TB, origin string) *testLog {
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return &testLog{t: t, signer: s, vkey: vkey}
}

func (l *testLog) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, p := range at {
		out[i] = l.hashes[p]
	}
	return out, nil
}

// grow adds entries of a history until there are n.
func (l *testLog) grow(n int64, history string) *testLog {
	for ; l.n < n; l.n++ {
		hashes, err := tlog.StoredHashes(l.n, fmt.Appendf(nil, "%s %d", history, l.n), l)
		if err != nil {
			l.t.Fatal(err)
		}
		l.hashes = append(l.hashes, hashes...)
	}
	return l
}

func (l *testLog) tree() tlog.Tree {
	if l.n == 0 {
		return tlog.Tree{Hash: sha256.Sum256(nil)}
	}
	h, err := tlog.TreeHash(l.n, l)
	if err != nil {
		l.t.Fatal(err)
	}
	return tlog.Tree{N: l.n, Hash: h}
}

func (l *testLog) sign(tree tlog.Tree) string {
	text := torchwood.Checkpoint{Origin: l.signer.Name(), Tree: tree}.String()
	signed, err := note.Sign(&note.Note{Text: text}, l.signer)
	if err != nil {
		l.t.Fatal(err)
	}
	return string(signed)
}

// request is the body that asks to go on from a size.
func (l *testLog) request(old int64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "old %d\n", old)
	if old > 0 && old <= l.n {
		proof, err := tlog.ProveTree(l.n, old, l)
		if err != nil {
			l.t.Fatal(err)
		}
		for _, h := range proof {
			b.WriteString(h.String() + "\n")
		}
	}
	return b.String() + "\n" + l.sign(l.tree())
}

// place is where a witness lives in a test.
type place struct{ keys, state string }

func newPlace(t testing.TB) place {
	return place{filepath.Join(t.TempDir(), "keys"), filepath.Join(t.TempDir(), "state")}
}

func (p place) open(t testing.TB, vkeys ...string) *Witness {
	t.Helper()
	w, err := p.try(vkeys...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func (p place) try(vkeys ...string) (*Witness, error) {
	keys, err := files.OpenKeys(p.keys)
	if err != nil {
		return nil, err
	}
	defer keys.Close()
	w, err := Open(keys, p.state, "witness.example/w", nil)
	if err != nil {
		return nil, err
	}
	for _, v := range vkeys {
		if err := w.Add(v); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// ask gives status, type and body of an answer to add-checkpoint.
func ask(w *Witness, body string) (int, string, string) {
	rec := httptest.NewRecorder()
	w.Handler().ServeHTTP(rec, httptest.NewRequest("POST", "/add-checkpoint", strings.NewReader(body)))
	return rec.Code, rec.Header().Get("Content-Type"), rec.Body.String()
}

// cosigns asks and wants a cosignature that verifies.
func cosigns(t testing.TB, w *Witness, l *testLog, old int64) string {
	t.Helper()
	status, _, body := ask(w, l.request(old))
	v, err := torchwood.NewCosignatureVerifier(w.VKey())
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open([]byte(strings.SplitAfter(l.sign(l.tree()), "\n\n")[0]+body), note.VerifierList(v))
	if status != 200 || err != nil {
		t.Fatalf("from %d to %d: %d %q, %v", old, l.n, status, body, err)
	}
	at, err := torchwood.CosignatureTimestamp(n.Sigs[0])
	if err != nil || time.Since(time.Unix(at, 0)).Abs() > time.Hour {
		t.Fatalf("cosigned at %d: %v", at, err)
	}
	return body
}

// TestAddCheckpoint goes through what c2sp.org/tlog-witness says, sentence by sentence.
func TestAddCheckpoint(t *testing.T) {
	l, other := newLog(t, "log.example"), newLog(t, "other.example")
	w := newPlace(t).open(t, l.vkey)
	empty := newLog(t, "empty.example")
	if err := w.Add(empty.vkey); err != nil {
		t.Fatal(err)
	}
	cosigns(t, w, empty, 0)
	cosigns(t, w, empty.grow(3, "a"), 0)

	l.grow(5, "a")
	refused := func(name, body string, status int, typ, say string) {
		t.Helper()
		got, gotType, text := ask(w, body)
		if got != status || gotType != typ || !strings.Contains(text, say) {
			t.Errorf("%s: %d %s %q; want %d", name, got, gotType, text, status)
		}
	}
	const problem = "application/problem+json"
	refused("unknown log", other.grow(2, "a").request(0), 404, problem, "does not know")
	forged := newLog(t, "log.example").grow(5, "a")
	refused("another key of the origin", forged.request(0), 403, problem, "not signed")
	broken := strings.Replace(l.request(0), "\n5\n", "\n6\n", 1)
	refused("signature that fails", broken, 403, problem, "not signed")
	refused("size unknown", l.request(2), 409, "text/x.tlog.size", "0\n")
	refused("old above new", strings.Replace(l.request(0), "old 0", "old 6", 1), 400, problem, "larger")
	refused("proof from nothing", strings.Replace(l.request(0), "old 0\n", "old 0\n"+tlog.Hash{}.String()+"\n", 1), 422, problem, "nothing to prove")
	wrongEmpty := newLog(t, "empty2.example")
	if err := w.Add(wrongEmpty.vkey); err != nil {
		t.Fatal(err)
	}
	refused("empty tree of another root", "old 0\n\n"+wrongEmpty.sign(tlog.Tree{N: 0, Hash: tlog.Hash{1}}), 422, problem, "empty tree")
	for name, body := range map[string]string{
		"empty":         "",
		"no old":        "\n" + l.sign(l.tree()),
		"leading zero":  strings.Replace(l.request(0), "old 0", "old 00", 1),
		"negative":      strings.Replace(l.request(0), "old 0", "old -1", 1),
		"two spaces":    strings.Replace(l.request(0), "old 0", "old  0", 1),
		"short hash":    strings.Replace(l.request(0), "old 0\n", "old 0\nAAAA\n", 1),
		"not base64":    strings.Replace(l.request(0), "old 0\n", "old 0\n!\n", 1),
		"64 lines":      strings.Replace(l.request(0), "old 0\n", "old 0\n"+strings.Repeat(tlog.Hash{}.String()+"\n", 64), 1),
		"too long":      l.request(0) + strings.Repeat("— x AAAAAAAA\n", 2000),
		"no signatures": "old 0\n\nlog.example\n5\nAAAA\n",
	} {
		refused(name, body, 400, problem, "")
	}

	cosigns(t, w, l, 0)
	cosigns(t, w, l, 5) // the same again, for freshness
	refused("from where it was", l.request(0), 409, "text/x.tlog.size", "5\n")
	fork := &testLog{t: t, signer: l.signer, vkey: l.vkey}
	refused("another root of one size", fork.grow(5, "b").request(5), 422, problem, "does not show")
	refused("another history", fork.grow(9, "b").request(5), 422, problem, "does not show")
	smaller := (&testLog{t: t, signer: l.signer, vkey: l.vkey}).grow(3, "a")
	refused("back", smaller.request(3), 409, "text/x.tlog.size", "5\n")
	refused("back, as if from 5", "old 5\n\n"+smaller.sign(smaller.tree()), 400, problem, "larger")
	l.grow(300, "a")
	refused("no proof", "old 5\n\n"+l.sign(l.tree()), 422, problem, "does not show")
	long := strings.Replace(l.request(5), "old 5\n", "old 5\n"+tlog.Hash{}.String()+"\n", 1)
	refused("a line too many", long, 422, problem, "does not show")
	cosigns(t, w, l, 5)
	// With somebody's signatures below, and an extension line.
	stranger := newLog(t, "stranger.example")
	text := torchwood.Checkpoint{Origin: "log.example", Tree: l.tree(), Extension: "more\n"}.String()
	signed, err := note.Sign(&note.Note{Text: text}, l.signer, stranger.signer)
	if err != nil {
		t.Fatal(err)
	}
	if status, _, body := ask(w, "old 300\n\n"+string(signed)); status != 200 {
		t.Errorf("extension: %d %s", status, body)
	}
	refused("a torn signature", "old 300\n\n"+string(signed)[:len(signed)-3]+"\n", 400, problem, "not a signed note")
}

// TestOtherPaths: what is read, and by whom.
func TestOtherPaths(t *testing.T) {
	l := newLog(t, "log.example").grow(4, "a")
	w := newPlace(t).open(t, l.vkey)
	get := func(method, path string) (int, string) {
		rec := httptest.NewRecorder()
		w.Handler().ServeHTTP(rec, httptest.NewRequest(method, path, nil))
		return rec.Code, rec.Body.String()
	}
	sum := sha256.Sum256([]byte("log.example"))
	path := fmt.Sprintf("/%x/checkpoint", sum)
	if status, _ := get("GET", path); status != 404 {
		t.Errorf("nothing cosigned yet: %d", status)
	}
	line := cosigns(t, w, l, 0)
	status, body := get("GET", path)
	v, _ := torchwood.NewCosignatureVerifier(w.VKey())
	lv, _ := note.NewVerifier(l.vkey)
	n, err := note.Open([]byte(body), note.VerifierList(v, lv))
	if status != 200 || err != nil || len(n.Sigs) != 2 || !strings.HasSuffix(body, line) {
		t.Errorf("%d %q: %v", status, body, err)
	}
	for path, want := range map[string]int{"/add-checkpoint": 405, "/x": 404, "/" + strings.Repeat("0", 64) + "/checkpoint": 404,
		strings.ToUpper(path[:65]) + "/checkpoint": 404, "/../keys/checkpoint": 0, "/": 200} {
		if status, body := get("GET", path); want != 0 && status != want || status == 200 && path != "/" {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	if _, body := get("GET", "/"); !strings.Contains(body, w.VKey()) || !strings.Contains(body, l.vkey) || strings.Contains(body, "PRIVATE") {
		t.Errorf("%s", body)
	}
	if status, _ := get("DELETE", path); status != 404 {
		t.Errorf("DELETE: %d", status)
	}
}

// TestRate: a log that asks without end is told to wait, and no other with it.
func TestRate(t *testing.T) {
	l, other := newLog(t, "log.example").grow(1, "a"), newLog(t, "other.example").grow(1, "a")
	w := newPlace(t).open(t, l.vkey, other.vkey)
	now := time.Now()
	w.now = func() time.Time { return now }
	cosigns(t, w, l, 0)
	var status int
	for range burst {
		status, _, _ = ask(w, l.request(1))
	}
	if status != 429 {
		t.Fatalf("after %d requests: %d", burst+1, status)
	}
	cosigns(t, w, other, 0)
	now = now.Add(time.Minute)
	cosigns(t, w, l, 1)
}

// TestSuccession: a log's next key is taken beside its first one, of one history.
func TestSuccession(t *testing.T) {
	p := newPlace(t)
	l := newLog(t, "log.example").grow(3, "a")
	w := p.open(t, l.vkey)
	cosigns(t, w, l, 0)
	next := newLog(t, "log.example")
	next.hashes, next.n = l.hashes, l.n
	next.grow(5, "a")
	if status, _, _ := ask(w, next.request(3)); status != 403 {
		t.Fatalf("a key that it was not told of: %d", status)
	}
	if err := w.Add(next.vkey); err != nil {
		t.Fatal(err)
	}
	cosigns(t, w, next, 3)
	w = p.open(t) // and after a start
	if got := w.Logs(); len(got) != 2 {
		t.Fatalf("%q", got)
	}
	cosigns(t, w, next, 5)
	for _, bad := range []string{"", "x", l.vkey + "x", w.VKey()} {
		if err := w.Add(bad); !errors.Is(err, ErrLog) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestState: a key without its state is refused, and so is state that is
// damaged or another key's; what is damaged is never taken for nothing.
func TestState(t *testing.T) {
	p, other := newPlace(t), newPlace(t)
	l := newLog(t, "log.example").grow(3, "a")
	cosigns(t, p.open(t, l.vkey), l, 0)
	cosigns(t, other.open(t, l.vkey), l, 0)

	for name, wrong := range map[string]place{
		"state lost":           {p.keys, filepath.Join(t.TempDir(), "new")},
		"another key's state":  {p.keys, other.state},
		"key lost":             {filepath.Join(t.TempDir(), "new"), p.state},
		"key lost, state kept": {filepath.Join(t.TempDir(), "new"), other.state},
	} {
		if _, err := wrong.try(); !errors.Is(err, ErrState) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Refusing has changed nothing.
	cosigns(t, p.open(t), l, 3)

	sum := sha256.Sum256([]byte("log.example"))
	path := filepath.Join(p.state, "cosigned", fmt.Sprintf("%x", sum))
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := bytes.Index(good, []byte("\n\n")) + 1
	own := bytes.LastIndex(good, []byte("— "))
	for at := range good {
		if at >= text && at < own {
			continue // the log's signature, which vouches for nothing here
		}
		bad := bytes.Clone(good)
		bad[at] ^= 1
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if status, _, body := ask(p.open(t), l.request(3)); status != 500 {
			t.Fatalf("byte %d of the state: %d %s", at, status, body)
		}
	}
	for name, bad := range map[string][]byte{"cut": good[:len(good)-1], "empty": {}, "another log's": nil} {
		if bad == nil {
			o := newLog(t, "o.example").grow(1, "a")
			w := p.open(t, o.vkey)
			cosigns(t, w, o, 0)
			osum := sha256.Sum256([]byte("o.example"))
			if bad, err = os.ReadFile(filepath.Join(p.state, "cosigned", fmt.Sprintf("%x", osum))); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if status, _, body := ask(p.open(t), l.request(3)); status != 500 {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
}

// TestRestored: a witness whose state went back learns of it from its own
// cosignature, and cosigns nothing of that log any more.
func TestRestored(t *testing.T) {
	p := newPlace(t)
	l := newLog(t, "log.example").grow(3, "a")
	cosigns(t, p.open(t, l.vkey), l, 0)
	backup := filepath.Join(t.TempDir(), "backup")
	if err := os.CopyFS(backup, os.DirFS(p.state)); err != nil {
		t.Fatal(err)
	}
	line := cosigns(t, p.open(t), l.grow(7, "a"), 3)

	back := place{p.keys, backup}
	w := back.open(t)
	// Until it is shown, nothing can be known; a log shows it with the request.
	if status, _, body := ask(w, l.request(7)+line); status != 503 || !strings.Contains(body, "lost what it had cosigned") {
		t.Fatalf("%d %s", status, body)
	}
	for _, w := range []*Witness{w, back.open(t)} { // and it stays so
		if status, _, _ := ask(w, l.request(3)); status != 503 {
			t.Fatalf("afterwards: %d", status)
		}
	}
	// Another log's is not concerned.
	o := newLog(t, "o.example").grow(2, "a")
	if err := w.Add(o.vkey); err != nil {
		t.Fatal(err)
	}
	cosigns(t, w, o, 0)
	// Its own newest word, and a signature of nobody, mean nothing.
	w = p.open(t)
	if status, _, _ := ask(w, l.request(7)+line); status != 200 {
		t.Fatalf("its own newest cosignature: %d", status)
	}
	raw, _ := base64.StdEncoding.DecodeString(strings.Fields(line)[2])
	raw[20] ^= 1
	forged := "— witness.example/w " + base64.StdEncoding.EncodeToString(raw) + "\n"
	if status, _, _ := ask(w, l.grow(9, "a").request(7)+forged); status != 200 {
		t.Fatalf("a forged cosignature: %d", status)
	}
}

// TestClock: a time behind the newest cosignature would make that one false.
func TestClock(t *testing.T) {
	l := newLog(t, "log.example").grow(3, "a")
	w := newPlace(t).open(t, l.vkey)
	cosigns(t, w, l, 0)
	w.now = func() time.Time { return time.Now().Add(-time.Hour) }
	if status, _, body := ask(w, l.request(3)); status != 503 || !strings.Contains(body, "clock") {
		t.Fatalf("%d %s", status, body)
	}
	w.now = time.Now
	cosigns(t, w, l, 3)
}

// TestTogether: many ask at once, through two processes' worth of witnesses;
// what was cosigned never goes back.
func TestTogether(t *testing.T) {
	p := newPlace(t)
	l := newLog(t, "log.example").grow(1, "a")
	a, b := p.open(t, l.vkey), p.open(t)
	cosigns(t, a, l, 0)
	fork := &testLog{t: t, signer: l.signer, vkey: l.vkey, hashes: l.hashes[:len(l.hashes):len(l.hashes)], n: 1}
	l.grow(2, "a")
	fork.grow(2, "b")
	bodies := []string{l.request(1), fork.request(1)}
	var all sync.WaitGroup
	var mu sync.Mutex
	signed := map[string]int{}
	for i := range 16 {
		all.Go(func() {
			w := a
			if i%4 < 2 {
				w = b
			}
			status, _, _ := ask(w, bodies[i%2])
			mu.Lock()
			defer mu.Unlock()
			signed[fmt.Sprint(i%2, status)]++
		})
	}
	all.Wait()
	if signed["0 200"] > 0 && signed["1 200"] > 0 || signed["0 200"]+signed["1 200"] != 1 {
		t.Fatalf("%v", signed)
	}
}

// child is a witness that is asked by its standard input's owner until it is killed.
func child(args []string, step func()) error {
	keys, err := files.OpenKeys(args[0])
	if err != nil {
		return err
	}
	keys.Watch(step)
	w, err := Open(keys, args[1], "witness.example/w", nil)
	if err != nil {
		return err
	}
	w.dir.Watch(step)
	if err := w.Add(args[2]); err != nil {
		return err
	}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		w.Handler().ServeHTTP(rec, r)
		step() // between what is on disk and the answer
		rw.WriteHeader(rec.Code)
		io.Copy(rw, rec.Body)
	}))
	s, err := note.NewSigner(args[3])
	if err != nil {
		return err
	}
	l := &testLog{signer: s}
	for size := int64(1); ; size++ {
		l.grow(size, "a")
		res, err := http.Post(server.URL+"/add-checkpoint", "text/plain", strings.NewReader(l.request(size-1)))
		if err != nil {
			return err
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		switch res.StatusCode {
		case 200:
			fmt.Println(size)
		case 409:
			var known int64
			fmt.Sscan(string(body), &known)
			size = known
			l.grow(size, "a")
		default:
			return fmt.Errorf("%d %s", res.StatusCode, body)
		}
	}
}

// TestKill kills a witness at its steps: what it has answered it remembers, and
// never less.
func TestKill(t *testing.T) {
	skey, vkey, err := note.GenerateKey(rand.Reader, "log.example")
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	p := newPlace(t)
	newest := int64(0)
	for at := 1; at <= 24; at++ {
		said, killed := killtest.Kill(t, at, p.keys, p.state, vkey, skey)
		if !killed {
			t.Fatal("a witness that serves for ever has ended")
		}
		for _, line := range said {
			var n int64
			fmt.Sscan(line, &n)
			newest = max(newest, n)
		}
		w := p.open(t, vkey)
		before, err := w.load(w.logs["log.example"])
		if err != nil || before.N < newest {
			t.Fatalf("killed at %d: %d remembered, %d answered: %v", at, before.N, newest, err)
		}
		if before.N > 0 {
			cosigns(t, w, (&testLog{t: t, signer: s}).grow(before.N+1, "a"), before.N)
			newest = before.N + 1
		}
	}
	if newest == 0 {
		t.Fatal("no witness was killed after it had answered")
	}
}

// FuzzRequest: what is read is what was written.
func FuzzRequest(f *testing.F) {
	l := newLog(f, "log.example").grow(5, "a")
	f.Add([]byte(l.request(0)))
	f.Add([]byte(l.request(3)))
	f.Add([]byte("old 1\n\n\n\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := parseRequest(body)
		if err != nil {
			return
		}
		again := fmt.Sprintf("old %d\n", r.old)
		for _, h := range r.proof {
			again += h.String() + "\n"
		}
		if again += "\n" + string(r.note); again != string(body) {
			t.Fatalf("%q is read as %q", body, again)
		}
	})
}

// TestPublic: the list says when and where its keys were read, and each line is
// one that a policy can take over.
func TestPublic(t *testing.T) {
	policy, err := check.ParsePolicy([]byte(Public() + "quorum none\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range policy.Witnesses() {
		if !strings.HasPrefix(w.URL, "https://") {
			t.Errorf("%s: %q", w.Name, w.URL)
		}
	}
	for _, said := range []string{"as of 21 April 2026", "Production: none", "filippo.io/torchwood v0.9.0, cmd/age-keylookup/default_policy.txt"} {
		if !strings.Contains(strings.ReplaceAll(Public(), "\n# ", " "), said) {
			t.Errorf("the list does not say %q", said)
		}
	}
}

// TestStolenKey: once a later key has signed what was cosigned, an earlier one signs nothing more, and its thief cannot make
// the log go on elsewhere. A key that was stolen before that is dropped by name, also while another process serves.
func TestStolenKey(t *testing.T) {
	p := newPlace(t)
	l := newLog(t, "log.example").grow(5, "honest")
	first := l.signer
	next := newLog(t, "log.example")
	w := p.open(t, l.vkey, next.vkey)
	cosigns(t, w, l, 0)
	thief := func(n int64) *testLog {
		out := &testLog{t: t, signer: first, vkey: l.vkey, hashes: append([]tlog.Hash{}, l.hashes...), n: l.n}
		return out.grow(n, "thief")
	}
	l.signer = next.signer // the key has changed
	cosigns(t, w, l.grow(6, "honest"), 5)
	for _, again := range []*Witness{w, p.open(t)} {
		if status, _, _ := ask(again, thief(9).request(6)); status != 403 {
			t.Fatalf("the key that was followed: %d", status)
		}
	}
	cosigns(t, w, l.grow(20, "honest"), 6)

	stolen := newLog(t, "other.example").grow(3, "honest")
	successor := newLog(t, "other.example")
	if err := w.Add(stolen.vkey); err != nil {
		t.Fatal(err)
	}
	cosigns(t, w, stolen, 0)
	another := p.open(t, successor.vkey)
	if err := another.Drop(stolen.vkey); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := ask(w, stolen.grow(4, "thief").request(3)); status != 403 {
		t.Fatalf("a key that was dropped: %d", status)
	}
	if err := another.Drop(successor.vkey); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := ask(w, stolen.request(3)); status != 404 {
		t.Fatalf("a log without keys: %d", status)
	}
	for _, bad := range []string{"", "x", stolen.vkey, w.VKey()} {
		if err := w.Drop(bad); !errors.Is(err, ErrLog) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := w.Add(stolen.vkey); err != nil { // and what was cosigned of it is not forgotten
		t.Fatal(err)
	}
	if status, _, body := ask(w, stolen.request(0)); status != 409 || body != "3\n" {
		t.Fatalf("%d %q", status, body)
	}
}
