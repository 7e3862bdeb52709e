package ledger

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
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
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// peer is a witness as c2sp.org/tlog-witness has it, written for these tests,
// with a fault where one is wanted.
type peer struct {
	t      testing.TB
	name   string
	signer *torchwood.CosignatureSigner
	key    ed25519.PrivateKey
	url    string

	mu    sync.Mutex
	off   time.Duration // of its clock
	tree  tlog.Tree
	asked int
	fault func(w http.ResponseWriter, r *http.Request, text string, cosign func(string) string) bool // true: it has answered
}

func newPeer(t testing.TB, name string) *peer {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, name: name, key: key}
	if p.signer, err = torchwood.NewCosignatureSigner(name+".example/w", key); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	p.url = s.URL
	return p
}

// line is the peer's in a policy.
func (p *peer) line() string {
	return fmt.Sprintf("witness %s %s %s/prefix/\n", p.name, p.signer.Verifier(), p.url)
}

// cosign gives the signature line over a note's text (c2sp.org/tlog-cosignature), by the peer's clock.
func (p *peer) cosign(text string) string {
	at := time.Now().Add(p.off).Unix()
	sig := ed25519.Sign(p.key, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", at, text))
	v := p.signer.Verifier()
	raw := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(nil, v.KeyHash()), uint64(at))
	return "— " + v.Name() + " " + base64.StdEncoding.EncodeToString(append(raw, sig...)) + "\n"
}

// clock sets how far the peer's clock is from this machine's.
func (p *peer) clock(off time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.off = off
}

func (p *peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Method != "POST" || r.URL.Path != "/prefix/add-checkpoint" {
		http.NotFound(w, r)
		return
	}
	head, signed, _ := strings.Cut(string(body), "\n\n")
	lines := strings.Split(head, "\n")
	old, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "old "), 10, 64)
	if err != nil {
		p.t.Errorf("%q", body)
	}
	var proof tlog.TreeProof
	for _, l := range lines[1:] {
		h, err := tlog.ParseHash(l)
		if err != nil {
			p.t.Error(err)
		}
		proof = append(proof, h)
	}
	text, _, _ := strings.Cut(signed, "\n\n")
	text += "\n"
	c, err := torchwood.ParseCheckpoint(text)
	if err != nil {
		p.t.Error(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	if p.fault != nil && p.fault(w, r, text, p.cosign) {
		return
	}
	if old != p.tree.N {
		w.Header().Set("Content-Type", "text/x.tlog.size")
		w.WriteHeader(http.StatusConflict)
		fmt.Fprintf(w, "%d\n", p.tree.N)
		return
	}
	if old > 0 && tlog.CheckTree(proof, c.N, c.Hash, old, p.tree.Hash) != nil || old == 0 && len(proof) > 0 {
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	p.tree = c.Tree
	io.WriteString(w, p.cosign(text))
}

// at is the size that a peer has cosigned, and how often it was asked.
func (p *peer) at() (size int64, asked int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tree.N, p.asked
}

// breaks gives the peer a fault; nil mends it.
func (p *peer) breaks(fault func(w http.ResponseWriter, r *http.Request, text string, cosign func(string) string) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = fault
}

// answering is a fault: it always answers the same.
func answering(status int, body string) func(http.ResponseWriter, *http.Request, string, func(string) string) bool {
	return func(w http.ResponseWriter, _ *http.Request, _ string, _ func(string) string) bool {
		w.WriteHeader(status)
		io.WriteString(w, body)
		return true
	}
}

// twoOfThree is a policy of three peers, two of whom are a quorum.
func twoOfThree(t testing.TB) (peers [3]*peer, w Witnesses) {
	text := ""
	for i := range peers {
		peers[i] = newPeer(t, fmt.Sprintf("w%d", i))
		text += peers[i].line()
	}
	w, err := ParseWitnesses(text + "group all 2 w0 w1 w2\nquorum all\n")
	if err != nil {
		t.Fatal(err)
	}
	return peers, w
}

// served is the published checkpoint's size and whose cosignatures it carries.
func served(t testing.TB, l *Ledger) (size int64, by []string) {
	t.Helper()
	signed, tree, err := l.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	have := l.cosignatures(signed)
	for _, w := range l.witnesses.each {
		if _, ok := have[w.vkey]; ok {
			by = append(by, w.name)
		}
	}
	return tree.N, by
}

// names lists the files of a log.
func names(t testing.TB, dir *files.Dir) []string {
	t.Helper()
	all, err := dir.List("ledger")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestQuorum: nothing of an entry is public before a quorum has cosigned it,
// and then the checkpoint, and proofs, carry the cosignatures.
func TestQuorum(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		peers, w := twoOfThree(t)
		skey, vkey := newTestKey(t)
		dir := openDir(t, t.TempDir())
		var told []int64
		l, err := New(t.Context(), db, dir, skey, w, func(_ context.Context, _ *sql.Tx, size int64) error {
			told = append(told, size)
			return nil
		})
		if err == nil {
			err = l.Sync(t.Context()) // the empty log
		}
		if err != nil {
			t.Fatal(err)
		}
		before := names(t, dir)
		peers[1].breaks(answering(500, ""))
		peers[2].breaks(answering(404, ""))
		grow(t, l, db, 3, false)
		err = l.Sync(t.Context())
		var waiting *WaitingError
		if !errors.Is(err, ErrUnwitnessed) || !errors.As(err, &waiting) || !slices.Equal(waiting.Cosigned, []string{"w0"}) ||
			len(waiting.Missing) != 2 || waiting.Size != 3 || !strings.Contains(err.Error(), "w2: it answered 404") {
			t.Fatalf("%v", err)
		}
		if got := names(t, dir); !slices.Equal(got, before) || len(told) > 0 {
			t.Fatalf("files %v, told %v: something of the entries is public", got, told)
		}
		for _, path := range []string{"/tile/entries/000.p/3", "/tile/0/000.p/3"} {
			if _, _, _, err := l.resource(t.Context(), path); !errors.Is(err, ErrNotFound) {
				t.Fatalf("%s: %v", path, err)
			}
		}
		if _, err := l.Proof(t.Context(), 0); !errors.Is(err, ErrNotFound) {
			t.Fatalf("proof of what waits: %v", err)
		}
		if s, err := l.Standing(t.Context()); err != nil || s.Served != 0 || s.Waiting != 3 || !s.Quorum || !s.Since.IsZero() {
			t.Fatalf("%+v, %v", s, err)
		}
		// Another process that opens the log shows no more, and asks nobody.
		_, asked := peers[0].at()
		if _, err := New(t.Context(), db, dir, skey, w); err != nil {
			t.Fatal(err)
		}
		if size, _ := served(t, l); size != 0 {
			t.Fatalf("%d entries are served", size)
		}
		if _, again := peers[0].at(); again != asked {
			t.Fatal("a witness was asked when the log was opened")
		}

		peers[2].breaks(nil)
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		size, by := served(t, l)
		if size != 3 || !slices.Equal(by, []string{"w0", "w2"}) || !slices.Equal(told, []int64{3}) {
			t.Fatalf("%d entries cosigned by %v are served, told %v", size, by, told)
		}
		if _, again := peers[0].at(); again != asked {
			t.Fatal("w0 was asked again for what it had cosigned")
		}
		// A verifier that wants the quorum is content; with one more it is not.
		kind, data := document(1)
		proof, err := l.Proof(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		text := "log " + vkey + "\n" + peers[0].line() + peers[1].line() + peers[2].line()
		for quorum, want := range map[string]bool{"group g 2 w0 w1 w2\nquorum g\n": true, "group g all w0 w1 w2\nquorum g\n": false} {
			p, err := torchwood.ParsePolicy([]byte(text + quorum))
			if err != nil {
				t.Fatal(err)
			}
			if err := torchwood.VerifyProof(p, tlog.RecordHash(check.Leaf(kind, data)), proof); (err == nil) != want {
				t.Errorf("%q: %v", quorum, err)
			}
		}
		if s, err := l.Standing(t.Context()); err != nil || s.Served != 3 || s.Waiting != 0 || time.Since(s.Since) > time.Hour || len(s.Witnesses) != 3 || !s.Witnesses[1].Cosigned.IsZero() {
			t.Fatalf("%+v, %v", s, err)
		}
		verify(t, dir, vkey, db)
	})
}

// TestFaults: what one witness does keeps nobody from being served, and is
// named where it matters.
func TestFaults(t *testing.T) {
	other, _ := newTestKey(t)
	for name, c := range map[string]struct {
		fault func(l *Ledger, p *peer) func(http.ResponseWriter, *http.Request, string, func(string) string) bool
		why   string
	}{
		"another root": {func(*Ledger, *peer) func(http.ResponseWriter, *http.Request, string, func(string) string) bool {
			return func(w http.ResponseWriter, _ *http.Request, text string, cosign func(string) string) bool {
				c, _ := torchwood.ParseCheckpoint(text)
				c.Hash[0] ^= 1
				io.WriteString(w, cosign(c.String()))
				return true
			}
		}, "no cosignature of this checkpoint"},
		"another's signature": {func(_ *Ledger, p *peer) func(http.ResponseWriter, *http.Request, string, func(string) string) bool {
			return func(w http.ResponseWriter, _ *http.Request, text string, _ func(string) string) bool {
				s, _ := note.NewSigner(other)
				signed, _ := note.Sign(&note.Note{Text: text}, s)
				w.Write(signed[len(text)+1:])
				return true
			}
		}, "no cosignature of this checkpoint"},
		"garbage":         {always(200, "ok\n"), "no cosignature of this checkpoint"},
		"nothing":         {always(200, ""), "no cosignature of this checkpoint"},
		"too much":        {always(200, strings.Repeat("— x y\n", 1<<14)), "longer than"},
		"another history": {always(422, ""), "another history"},
		"not its log":     {always(403, ""), "does not take this log's key"},
		"too often":       {always(429, ""), "come back later"},
		"elsewhere":       {always(302, ""), "it answered 302"},
		"no size":         {always(409, ""), "without the size"},
		"a size and more": {always(409, "2\n2\n"), "without the size"},
		"a larger log":    {always(409, "99\n"), "it says that it has cosigned 99 entries, and this log has 3"},
		"the same size":   {always(409, "0\n"), "refuses to go on"},
		"ever other sizes": {func(*Ledger, *peer) func(http.ResponseWriter, *http.Request, string, func(string) string) bool {
			n := 0
			return func(w http.ResponseWriter, _ *http.Request, _ string, _ func(string) string) bool {
				n = n%2 + 1
				w.WriteHeader(409)
				fmt.Fprintf(w, "%d\n", n)
				return true
			}
		}, "another size each time"},
		"next year": {func(_ *Ledger, p *peer) func(http.ResponseWriter, *http.Request, string, func(string) string) bool {
			p.clock(365 * 24 * time.Hour)
			return func(http.ResponseWriter, *http.Request, string, func(string) string) bool { return false }
		}, "differ by 8760h0m0s"},
		"an hour ago": {func(_ *Ledger, p *peer) func(http.ResponseWriter, *http.Request, string, func(string) string) bool {
			p.clock(-time.Hour)
			return func(http.ResponseWriter, *http.Request, string, func(string) string) bool { return false }
		}, "differ by -1h0m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			good, bad := newPeer(t, "good"), newPeer(t, "bad")
			w, err := ParseWitnesses(good.line() + bad.line() + "group both all good bad\nquorum both\n")
			if err != nil {
				t.Fatal(err)
			}
			db, skey, dir := sqlite(t), "", openDir(t, t.TempDir())
			skey, _ = newTestKey(t)
			l, err := New(t.Context(), db, dir, skey, w)
			if err != nil {
				t.Fatal(err)
			}
			bad.breaks(c.fault(l, bad))
			grow(t, l, db, 3, false)
			err = l.Sync(t.Context())
			if !errors.Is(err, ErrUnwitnessed) || !strings.Contains(err.Error(), "bad: ") || !strings.Contains(err.Error(), c.why) {
				t.Fatalf("%v", err)
			}
			if size, _ := served(t, l); size != 0 {
				t.Fatalf("%d entries are served", size)
			}
			// Whoever asks is told, in another process too.
			if refusing, err := Refusing(t.Context(), db, w); err != nil || len(refusing) != 1 || refusing[0].VKey != bad.signer.Verifier().String() ||
				!strings.Contains(refusing[0].Why, c.why) || refusing[0].WhySince.IsZero() {
				t.Fatalf("%+v, %v", refusing, err)
			}
			bad.breaks(nil)
			bad.clock(0)
			if err := l.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			if size, by := served(t, l); size != 3 || len(by) != 2 {
				t.Fatalf("%d entries cosigned by %v", size, by)
			}
			s, err := l.Standing(t.Context())
			if err != nil || s.Witnesses[1].Why != "" || s.Witnesses[1].LastSize != 3 || !s.Witnesses[1].Last.Equal(s.Witnesses[1].Cosigned) {
				t.Fatalf("%+v, %v", s, err)
			}
			// What it cosigned once is not forgotten when it refuses what came since.
			bad.breaks(answering(403, ""))
			grow(t, l, db, 4, false)
			if err := l.Sync(t.Context()); !errors.Is(err, ErrUnwitnessed) {
				t.Fatal(err)
			}
			if s, err = l.Standing(t.Context()); err != nil || !strings.Contains(s.Witnesses[1].Why, "403") || s.Witnesses[1].LastSize != 3 {
				t.Fatalf("%+v, %v", s, err)
			}
		})
	}
}

func always(status int, body string) func(*Ledger, *peer) func(http.ResponseWriter, *http.Request, string, func(string) string) bool {
	return func(*Ledger, *peer) func(http.ResponseWriter, *http.Request, string, func(string) string) bool {
		return answering(status, body)
	}
}

// TestSlow: a witness that does not answer keeps nobody waiting once the others
// are a quorum, and its request ends with the wait.
func TestSlow(t *testing.T) {
	peers, w := twoOfThree(t)
	gone := make(chan struct{})
	peers[0].breaks(func(_ http.ResponseWriter, r *http.Request, _ string, _ func(string) string) bool {
		<-r.Context().Done()
		close(gone)
		return true
	})
	db, dir := sqlite(t), openDir(t, t.TempDir())
	skey, _ := newTestKey(t)
	l, err := New(t.Context(), db, dir, skey, w)
	if err != nil {
		t.Fatal(err)
	}
	grow(t, l, db, 2, false)
	if err := l.Sync(t.Context()); err != nil { // with its patience of ten seconds, and not at its end
		t.Fatal(err)
	}
	<-gone
	if size, by := served(t, l); size != 2 || !slices.Equal(by, []string{"w1", "w2"}) {
		t.Fatalf("%d entries cosigned by %v", size, by)
	}
}

// TestLost: a witness has cosigned, and its answer was lost.
func TestLost(t *testing.T) {
	peers, w := twoOfThree(t)
	db, dir := sqlite(t), openDir(t, t.TempDir())
	skey, _ := newTestKey(t)
	l, err := New(t.Context(), db, dir, skey, w)
	if err != nil {
		t.Fatal(err)
	}
	grow(t, l, db, 2, false)
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range peers { // all of them, so that it matters
		p.breaks(func(w http.ResponseWriter, r *http.Request, text string, _ func(string) string) bool {
			c, _ := torchwood.ParseCheckpoint(text)
			p.tree = c.Tree
			panic(http.ErrAbortHandler)
		})
	}
	grow(t, l, db, 5, false)
	if err := l.Sync(t.Context()); !errors.Is(err, ErrUnwitnessed) {
		t.Fatal(err)
	}
	for _, p := range peers {
		p.breaks(nil)
	}
	grow(t, l, db, 300, false) // from 5, which they say, to more
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if size, _ := served(t, l); size != 300 {
		t.Fatalf("%d entries are served", size)
	}
}

// TestForgetful: a witness that was restored from a backup states what it
// knows, and is led on from there; one that lost everything begins again.
func TestForgetful(t *testing.T) {
	peers, w := twoOfThree(t)
	db, dir := sqlite(t), openDir(t, t.TempDir())
	skey, _ := newTestKey(t)
	l, err := New(t.Context(), db, dir, skey, w)
	if err != nil {
		t.Fatal(err)
	}
	var backup tlog.Tree
	for _, size := range []int64{3, 260, 600} {
		grow(t, l, db, size, false)
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := l.Recosign(t.Context()); err != nil { // so that all three are there
			t.Fatal(err)
		}
		if size == 260 {
			backup = peers[0].tree
		}
	}
	peers[0].tree, peers[1].tree = backup, tlog.Tree{}
	grow(t, l, db, 601, false)
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Recosign(t.Context()); err != nil {
		t.Fatal(err)
	}
	if size, by := served(t, l); size != 601 || len(by) != 3 {
		t.Fatalf("%d entries cosigned by %v", size, by)
	}
}

// TestRecosign: a tree that does not change is cosigned again after an hour,
// and whoever was missing is added.
func TestRecosign(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		peers, w := twoOfThree(t)
		dir := openDir(t, t.TempDir())
		skey, vkey := newTestKey(t)
		l, err := New(t.Context(), db, dir, skey, w)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Recosign(t.Context()); err != nil { // of nothing
			t.Fatal(err)
		}
		peers[2].breaks(answering(500, ""))
		grow(t, l, db, 2, false)
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		peers[2].breaks(nil)
		if err := l.Recosign(t.Context()); err != nil {
			t.Fatal(err)
		}
		if size, by := served(t, l); size != 2 || len(by) != 3 {
			t.Fatalf("%d entries cosigned by %v", size, by)
		}
		_, asked := peers[0].at()
		if err := l.Recosign(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, again := peers[0].at(); again != asked {
			t.Fatal("asked again within the hour")
		}
		// An hour later, by everybody's clock: one of them is away, and keeps its word.
		before := l.cosignatures(must(l.Checkpoint()))
		l.now = func() time.Time { return time.Now().Add(61 * time.Minute) }
		peers[0].clock(61 * time.Minute)
		peers[1].clock(61 * time.Minute)
		peers[2].breaks(answering(500, ""))
		if err := l.Recosign(t.Context()); err != nil {
			t.Fatal(err)
		}
		after := l.cosignatures(must(l.Checkpoint()))
		for i, p := range peers {
			vkey := p.signer.Verifier().String()
			if newer := after[vkey].time.After(before[vkey].time.Add(time.Hour)); newer != (i < 2) || after[vkey].vkey == "" {
				t.Fatalf("w%d: cosigned at %s, and before at %s", i, after[vkey].time, before[vkey].time)
			}
		}
		since, _, err := l.Witnessed()
		if err != nil || l.now().Sub(since) > time.Minute {
			t.Fatalf("a quorum has cosigned it at %s, %v", since, err)
		}
		l.now = time.Now
		verify(t, dir, vkey, db)
	})
}

func must(signed []byte, _ tlog.Tree, err error) []byte {
	if err != nil {
		panic(err)
	}
	return signed
}

// TestNobodyRequired: witnesses that no quorum needs are asked, and nothing
// waits for them.
func TestNobodyRequired(t *testing.T) {
	p, dead := newPeer(t, "w"), newPeer(t, "dead")
	dead.breaks(answering(500, ""))
	w, err := ParseWitnesses(p.line() + dead.line() + "quorum none\n")
	if err != nil || w.Quorum() {
		t.Fatal(err)
	}
	db, dir := sqlite(t), openDir(t, t.TempDir())
	skey, _ := newTestKey(t)
	l, err := New(t.Context(), db, dir, skey, w)
	if err != nil {
		t.Fatal(err)
	}
	grow(t, l, db, 2, false)
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if size, by := served(t, l); size != 2 || !slices.Equal(by, []string{"w"}) {
		t.Fatalf("%d entries cosigned by %v", size, by)
	}
	if _, wanted, err := l.Witnessed(); wanted || err != nil {
		t.Fatalf("a quorum is wanted: %v", err)
	}
}

// TestPolicyComes: a log that had no witnesses goes on being served as it was
// until a quorum has cosigned it.
func TestPolicyComes(t *testing.T) {
	db, dir := sqlite(t), openDir(t, t.TempDir())
	skey, _ := newTestKey(t)
	l := open(t, db, dir, skey)
	grow(t, l, db, 3, false)
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	peers, w := twoOfThree(t)
	for _, p := range peers {
		p.breaks(answering(500, ""))
	}
	l, err := New(t.Context(), db, dir, skey, w)
	if err != nil {
		t.Fatal(err)
	}
	grow(t, l, db, 4, false)
	if err := l.Sync(t.Context()); !errors.Is(err, ErrUnwitnessed) {
		t.Fatal(err)
	}
	if size, _ := served(t, l); size != 3 {
		t.Fatalf("%d entries are served", size)
	}
	if _, wanted, err := l.Witnessed(); wanted || err != nil {
		t.Fatalf("a quorum is wanted of what was served before: %v", err)
	}
	for _, p := range peers {
		p.breaks(nil)
	}
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if since, wanted, err := l.Witnessed(); !wanted || err != nil || time.Since(since) > time.Hour {
		t.Fatalf("%s %v %v", since, wanted, err)
	}
}

// TestPolicyChanges: as long as it can be had, a checkpoint under a new policy
// satisfies the former one too.
func TestPolicyChanges(t *testing.T) {
	a, b, c := newPeer(t, "a"), newPeer(t, "b"), newPeer(t, "c")
	former := a.line() + b.line() + "group g all a b\nquorum g\n"
	for name, want := range map[string]struct {
		policy string
		both   bool
	}{
		"both are listed": {a.line() + b.line() + c.line() + "quorum c\n", true},
		"one is dropped":  {a.line() + c.line() + "quorum c\n", false},
	} {
		w, err := ParseWitnesses(want.policy)
		if err == nil {
			w, err = w.After(former)
		}
		if err != nil {
			t.Fatal(err)
		}
		db, dir := sqlite(t), openDir(t, t.TempDir())
		skey, _ := newTestKey(t)
		l, err := New(t.Context(), db, dir, skey, w)
		if err != nil {
			t.Fatal(err)
		}
		b.breaks(answering(500, ""))
		grow(t, l, db, 2, false)
		if err := l.Sync(t.Context()); errors.Is(err, ErrUnwitnessed) != want.both {
			t.Fatalf("%s: %v", name, err)
		}
		b.breaks(nil)
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if w, err := (Witnesses{}).After(""); err != nil || w.Quorum() {
		t.Fatal(err)
	}
	if _, err := (Witnesses{}).After("nonsense"); !errors.Is(err, ErrPolicy) {
		t.Fatal(err)
	}
}

// TestClock: a clock that most witnesses contradict is wrong; one witness's is
// that witness's.
func TestClock(t *testing.T) {
	peers, w := twoOfThree(t)
	db, dir := sqlite(t), openDir(t, t.TempDir())
	skey, _ := newTestKey(t)
	l, err := New(t.Context(), db, dir, skey, w)
	if err != nil {
		t.Fatal(err)
	}
	grow(t, l, db, 3, false)
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.Clock(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, off := range []time.Duration{365 * 24 * time.Hour, -time.Hour} {
		l.now = func() time.Time { return time.Now().Add(off) }
		if err := l.Clock(t.Context()); !errors.Is(err, ErrClock) {
			t.Fatalf("%s: %v", off, err)
		}
		peers[0].breaks(answering(500, ""))
		if err := l.Clock(t.Context()); !errors.Is(err, ErrClock) {
			t.Fatalf("%s: %v", off, err)
		}
		peers[0].breaks(nil)
	}
	for _, p := range peers {
		p.breaks(answering(500, ""))
	}
	if err := l.Clock(t.Context()); err != nil {
		t.Fatalf("nobody answers: %v", err)
	}
}

// TestWitnessedKill kills a publishing process while it has its checkpoints
// cosigned: what is served has a quorum, whatever the step, and the log goes on.
func TestWitnessedKill(t *testing.T) {
	storetest.EachURL(t, func(t *testing.T, url string) {
		peers, w := twoOfThree(t)
		policy := peers[0].line() + peers[1].line() + peers[2].line() + "group all 2 w0 w1 w2\nquorum all\n"
		skey, vkey := newTestKey(t)
		path := t.TempDir()
		for round := range 12 {
			at := 1 + round
			if round >= 6 {
				at = 1 + mathrand.IntN(120)
			}
			if _, killed := killtest.Kill(t, at, url, path, skey, policy); !killed {
				t.Fatal("a process that publishes for ever has ended")
			}
			signed, err := openDir(t, path).Get(checkpointFile, maxCheckpoint)
			if errors.Is(err, files.ErrNotExist) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			l := Log{witnesses: w}
			if c, err := torchwood.ParseCheckpoint(checkpoint{signed: signed}.text()); err != nil || c.N > 0 && !w.enough(testOrigin, l.cosignatures(signed)) {
				t.Fatalf("served without a quorum: %v\n%s", err, signed)
			}
		}
		db, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		dir := openDir(t, path)
		l, err := New(t.Context(), db, dir, skey, w)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := verify(t, dir, vkey, db); r.Size != r.Database {
			t.Fatalf("%d entries published of %d", r.Size, r.Database)
		}
	})
}

// TestCosignatureDamage: a changed cosignature is found, in the file and in the
// database, and one that stands under nothing.
func TestCosignatureDamage(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		peers, w := twoOfThree(t)
		skey, vkey := newTestKey(t)
		dir := openDir(t, t.TempDir())
		l, err := New(t.Context(), db, dir, skey, w)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int64{2, 5} {
			grow(t, l, db, size, false)
			if err := l.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			peers[0].breaks(answering(500, "")) // its newest is of a tree before
		}
		verify(t, dir, vkey, db)
		signed, err := dir.Get(checkpointFile, maxCheckpoint)
		if err != nil {
			t.Fatal(err)
		}
		for at := range signed {
			for _, mask := range []byte{0x01, 0x80} {
				bad := flip(signed, at)
				bad[at] ^= 1 ^ mask
				if err := dir.Put(checkpointFile, bad); err != nil {
					t.Fatal(err)
				}
				if r, err := Verify(t.Context(), dir, vkey, db, nil); !errors.Is(err, ErrDamaged) || !slices.Contains(places(r), checkpointFile) {
					t.Fatalf("byte %d of the checkpoint: %v, %v", at, err, places(r))
				}
			}
		}
		stranger := newPeer(t, "stranger")
		for name, more := range map[string]string{"a stranger's": stranger.cosign(checkpoint{signed: signed}.text()), "garbage": "x\n"} {
			if err := dir.Put(checkpointFile, append(slices.Clone(signed), more...)); err != nil {
				t.Fatal(err)
			}
			if _, err := Verify(t.Context(), dir, vkey, db, nil); !errors.Is(err, ErrDamaged) {
				t.Fatalf("%s signature below: %v", name, err)
			}
		}
		if err := dir.Put(checkpointFile, signed); err != nil {
			t.Fatal(err)
		}
		verify(t, dir, vkey, db)
		for _, edit := range []string{
			`UPDATE ledger_witness SET size = size - 1`,
			`UPDATE ledger_witness SET size = size + 100`,
			`UPDATE ledger_witness SET time = time + 1`,
			`UPDATE ledger_witness SET line = line || 'A'`,
			`UPDATE ledger_witness SET vkey = vkey || 'A'`,
			`DELETE FROM ledger_witness`, // then nobody was asked
		} {
			before := dump(t, db)
			if _, err := db.ExecContext(t.Context(), edit); err != nil {
				t.Fatal(err)
			}
			if _, err := Verify(t.Context(), dir, vkey, db, nil); !errors.Is(err, ErrDamaged) {
				t.Fatalf("%s: %v", edit, err)
			}
			restore(t, db, before)
		}
		verify(t, dir, vkey, db)
	})
}

// TestTwoServers has two servers publish at once: both have cosigned what both serve.
func TestTwoServers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		peers, w := twoOfThree(t)
		skey, vkey := newTestKey(t)
		path := t.TempDir()
		var servers [2]*Ledger
		for i := range servers {
			var err error
			if servers[i], err = New(t.Context(), db, openDir(t, path), skey, w); err != nil {
				t.Fatal(err)
			}
		}
		var both sync.WaitGroup
		for i, l := range servers {
			both.Go(func() {
				for n := range 12 {
					err := l.Update(t.Context(), func(tx *sql.Tx) error {
						_, _, err := l.Append(t.Context(), tx, "notice", fmt.Appendf(nil, "%d of %d", n, i))
						return err
					})
					if err == nil {
						err = l.Sync(t.Context())
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		both.Wait()
		if size, by := served(t, servers[0]); size != 24 || len(by) < 2 {
			t.Fatalf("%d entries cosigned by %v", size, by)
		}
		verify(t, openDir(t, path), vkey, db)
		if size, _ := peers[0].at(); size > 24 {
			t.Fatal("a witness has seen more than there is")
		}
	})
}

// TestParseWitnesses refuses what cannot be asked.
func TestParseWitnesses(t *testing.T) {
	a, b := newPeer(t, "a"), newPeer(t, "b")
	for _, good := range []string{"", " \n", "quorum none\n", a.line() + "quorum none", a.line() + "quorum a\n", "# x\n" + a.line() + b.line() + "group g any a b\nquorum g\n"} {
		if _, err := ParseWitnesses(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	_, vkey := newTestKey(t)
	many := ""
	for i := range check.MaxWitnesses + 1 {
		many += strings.Replace(newPeer(t, fmt.Sprintf("m%d", i)).line(), "/prefix/", "", 1)
	}
	for name, bad := range map[string]string{
		"no quorum":      a.line(),
		"log":            "log " + vkey + "\n" + a.line() + "quorum a\n",
		"no url":         fmt.Sprintf("witness a %s\nquorum a\n", a.signer.Verifier()),
		"bad url":        fmt.Sprintf("witness a %s ftp://x\nquorum a\n", a.signer.Verifier()),
		"query":          fmt.Sprintf("witness a %s https://x/?y\nquorum a\n", a.signer.Verifier()),
		"two urls":       fmt.Sprintf("witness a %s https://x https://y\nquorum a\n", a.signer.Verifier()),
		"log key":        "witness a " + vkey + " https://x\nquorum a\n",
		"one key twice":  a.line() + strings.Replace(a.line(), "witness a", "witness c", 1) + "quorum none\n",
		"counted twice":  a.line() + b.line() + "group g 2 a a\nquorum g\n",
		"in two groups":  a.line() + b.line() + "group g 1 a b\ngroup h 1 a g\nquorum h\n",
		"unknown member": a.line() + "group g 1 a c\nquorum g\n",
		"too many":       many + "quorum none\n",
		"too long":       "#" + strings.Repeat("x", check.MaxPolicy) + "\nquorum none\n",
	} {
		if _, err := ParseWitnesses(bad); !errors.Is(err, ErrPolicy) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzReply: only a cosignature of the checkpoint by the witness's key is one.
func FuzzReply(f *testing.F) {
	p := newPeer(f, "w")
	w, err := ParseWitnesses(p.line() + "quorum w\n")
	if err != nil {
		f.Fatal(err)
	}
	skey, _ := newTestKey(f)
	l, err := New(f.Context(), sqlite(f), openDir(f, f.TempDir()), skey, w)
	if err != nil {
		f.Fatal(err)
	}
	own, err := l.empty()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(200, p.cosign(own.text()))
	f.Add(200, "— w.example/w AAAAAAAAAAAAAAAA\n")
	f.Add(409, "12\n")
	f.Fuzz(func(t *testing.T, status int, reply string) {
		c, stated, err := l.readReply(&l.witnesses.each[0], own, status, reply)
		if err == nil && stated == nil {
			again, err := openCosignature(own.text(), c.line()+"\n", p.signer.Verifier(), c.vkey)
			if err != nil || !again.time.Equal(c.time) || status != 200 {
				t.Fatalf("%d %q: %v", status, reply, err)
			}
		}
		if stated != nil && (err != nil || *stated < 0 || status != 409 || reply != fmt.Sprintf("%d\n", *stated)) {
			t.Fatalf("%d %q: %d, %v", status, reply, *stated, err)
		}
	})
}

// FuzzParseWitnesses: what is read is within the limits.
func FuzzParseWitnesses(f *testing.F) {
	a := newPeer(f, "a")
	f.Add(a.line() + "quorum a\n")
	f.Add("quorum none\n")
	f.Fuzz(func(t *testing.T, text string) {
		w, err := ParseWitnesses(text)
		if err == nil && (len(w.each) > check.MaxWitnesses || w.Quorum() && w.enough(testOrigin, nil)) {
			t.Fatalf("%q", text)
		}
	})
}
