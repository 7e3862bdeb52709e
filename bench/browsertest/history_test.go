package browsertest

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"filippo.io/torchwood"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"shirase/check"
)

// fakeLedger is a ledger as whoever holds its key could make it.
type fakeLedger struct {
	n      int64
	stored []tlog.Hash
}

// ReadHashes makes it a tlog.HashReader.
func (l *fakeLedger) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = l.stored[x]
	}
	return out, nil
}

func (l *fakeLedger) add(t testing.TB, leaf tlog.Hash) {
	t.Helper()
	l.stored = append(l.stored, must(tlog.StoredHashesForRecordHash(l.n, leaf, l))(t)...)
	l.n++
}

// reply records a statement, and makes the reply that gives it.
func (l *fakeLedger) reply(t testing.TB, signer note.Signer, st *check.Statement) []byte {
	t.Helper()
	raw := jsontext.Value(must(json.Marshal(st))(t)) // Canonical would refuse what is not valid
	if err := raw.Canonicalize(); err != nil {
		t.Fatal(err)
	}
	l.add(t, tlog.RecordHash(check.Leaf(check.KindStatement, raw)))
	tree := tlog.Tree{N: l.n, Hash: must(tlog.TreeHash(l.n, l))(t)}
	path := must(tlog.ProveRecord(l.n, l.n-1, l))(t)
	signed := must(note.Sign(&note.Note{Text: torchwood.Checkpoint{Origin: signer.Name(), Tree: tree}.String()}, signer))(t)
	return must(json.Marshal(map[string]any{"statement": check.Bytes(raw), "proof": string(torchwood.FormatProof(l.n-1, path, signed))}))(t)
}

// tiles gives the ledger's tiles.
func (l *fakeLedger) tiles(w http.ResponseWriter, r *http.Request) {
	tile, err := torchwood.ParseTilePath(strings.TrimPrefix(r.URL.Path, "/"))
	if err == nil && int64(tile.W) <= l.n>>(8*tile.L)-tile.N<<8 {
		if b, err := tlog.ReadTileData(tile, l); err == nil {
			w.Write(b)
			return
		}
	}
	http.NotFound(w, r)
}

// ledgerBut is the honest ledger without its last entries.
func (h *house) ledgerBut(t testing.TB, last int64) *fakeLedger {
	t.Helper()
	text, _, _ := bytes.Cut(h.get(t, "/checkpoint"), []byte("\n\n"))
	c := must(torchwood.ParseCheckpoint(string(text) + "\n"))(t)
	tile := h.get(t, fmt.Sprintf("/tile/0/000.p/%d", c.N))
	l := new(fakeLedger)
	for i := range c.N - last {
		l.add(t, tlog.Hash(tile[i*tlog.HashSize:(i+1)*tlog.HashSize]))
	}
	return l
}

// signing is a key of a ledger, with what names it.
type signing struct {
	note.Signer
	vkey string
}

func newSigning(t testing.TB, origin string) signing {
	t.Helper()
	skey, vkey := must2(note.GenerateKey(rand.Reader, origin))(t)
	return signing{must(note.NewSigner(skey))(t), vkey}
}

// testSecondVisits lies to a browser that has been here before, and to one that
// is shown another's ledger.
func (b *browser) testSecondVisits(p *tab) {
	t := p.T
	next := func(change func(*check.Statement)) *check.Statement {
		return b.changed(func(st *check.Statement) {
			st.Seq, st.Prev = st.Seq+1, check.StatementHash(must(b.honest.Canonical())(t))
			change(st)
		})
	}
	own, thief, other := signing{b.ledger, b.vkey}, newSigning(t, b.ledger.Name()), newSigning(t, "elsewhere.invalid/ledger")
	same := func(*check.Statement) {}
	for _, c := range []struct {
		code, name string
		visit      int32 // in which it is lied to, of two
		lacks      int64 // entries of the honest ledger
		st         *check.Statement
		by         signing // whom the page names as well
	}{
		{"rollback", "an older statement than was seen", 1, 0, next(same), own},
		{"fork", "another statement of the same number", 2, 0, b.changed(func(st *check.Statement) { st.Incidents[0].Organisation = "Example Fork" }), own},
		{"fork", "a next statement that does not follow", 2, 0, next(func(st *check.Statement) { st.Prev[0] ^= 1 }), own},
		{"fork", "a second history, over a gap", 2, 1, next(func(st *check.Statement) { st.Seq, st.Prev = st.Seq+6, check.Hash{1} }), own},
		{"chain", "an incident that is left out", 2, 0, next(func(st *check.Statement) {
			st.Incidents = slices.DeleteFunc(st.Incidents, func(in check.Incident) bool { return in.ID == demoCity })
		}), own},
		{"chain", "another key for the same layers", 2, 0, next(func(st *check.Statement) { st.Keys[0].Public = check.GenerateEvaluatorKey().Public() }), own},
		{"checkpoint", "another key of the ledger, named by the page itself", 2, 0, next(same), thief},
		{"ledger-changed", "another ledger, named by the page itself", 2, 0, next(same), other},
		{"origin", "another's ledger, at the first visit", 2, 0, next(same), other},
	} {
		ledger := *c.st.Ledger
		ledger.Key = check.VKeyHash(c.by.vkey)
		c.st.Ledger = &ledger
		fake := b.ledgerBut(t, c.lacks)
		for i := range 2 * c.lacks { // what another history has instead
			fake.add(t, tlog.Hash{byte(i + 1)})
		}
		reply := fake.reply(t, c.by, c.st)
		var visit atomic.Int32
		server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch lies := visit.Load() == c.visit; {
			case lies && r.URL.Path == statementPath:
				w.Write(reply)
			case lies && strings.HasPrefix(r.URL.Path, "/tile/"):
				fake.tiles(w, r)
			case lies && c.by != own:
				b.naming(c.by.vkey, w, r)
			default:
				b.handler.ServeHTTP(w, r)
			}
		})
		p.run(c.code+": "+c.name, func() {
			p.meet(server)
			if c.code != "origin" {
				visit.Store(1)
				if got := p.check("en", b.stranger); got.Shown != "not-in-scope" {
					p.Fatalf("at the first visit: %+v", got)
				}
			}
			visit.Store(2)
			got := p.check("en", b.affected)
			if got.Failed != c.code {
				p.Errorf("shown %q, failed %q, want %q", got.Shown, got.Failed, c.code)
			}
			p.noNo(got)
			p.expect("Failed to load resource")
			p.evidence(own.vkey, c.code, c.lacks > 0)
		})
	}
}

// naming gives an honest page that names another key of the ledger.
func (h *house) naming(vkey string, w http.ResponseWriter, r *http.Request) {
	for _, name := range []string{"Accept-Encoding", "If-None-Match", "If-Modified-Since"} {
		r.Header.Del(name)
	}
	rec := httptest.NewRecorder()
	h.handler.ServeHTTP(rec, r)
	body := bytes.ReplaceAll(rec.Body.Bytes(), []byte(strings.ReplaceAll(h.vkey, "+", "&#43;")), []byte(vkey))
	body = bytes.ReplaceAll(body, []byte(h.vkey), []byte(vkey))
	for name, values := range rec.Header() {
		if name != "Content-Length" && name != "Etag" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(rec.Code)
	w.Write(body)
}

// evidence holds that the page offers to keep what cannot all be true, and only
// that, and that Go takes it for what it is. shown says that it needs no word of
// whoever kept it.
func (p *tab) evidence(vkey, code string, shown bool) {
	p.Helper()
	wanted := slices.Contains([]string{"fork", "rollback", "chain"}, code)
	if offered := p.has("[data-failed] [data-evidence]"); offered != wanted {
		p.Errorf("evidence is offered: %v", offered)
	}
	if !wanted {
		return
	}
	file := p.file("[data-evidence]")
	e, is, err := check.VerifyEvidence(file, must(check.LedgerPolicy(vkey))(p))
	if err != nil || is != shown || code != "chain" && e.Rule != code {
		p.Errorf("the evidence is shown: %v, %v: %s", is, err, file)
	}
}

// testEnds has a browser return while an incident's next revision leaves
// somebody out, keys are compromised, rotated and switched, and an incident is
// retired. It is one history to it all the while.
func (b *browser) testEnds(t *testing.T) {
	h := newHouse(t)
	p := b.tab(t, h.handler)
	says := func(step string, got shown, display string, texts ...string) {
		t.Helper()
		for i, text := range texts {
			texts[i] = strings.TrimSpace(text)
			if !strings.Contains(got.Text, texts[i]) {
				t.Errorf("%s: the answer does not say %q:\n%s", step, texts[i], got.Text)
			}
		}
		if got.Shown != display {
			t.Fatalf("%s: shown %q, failed %q, want %q", step, got.Shown, got.Failed, display)
		}
	}
	says("first", p.check("ja", h.affected), "affected", "2件の公表の対象に含まれています。")
	says("first", p.check("ja", dottedOne), "affected", "例示商店")

	h.run(t, h.shop(t, plainOne)...) // without the others
	says("left out", p.check("ja", dottedOne), "dropped", "以前の版では対象に含まれていましたが、いまの版では除かれています。", "対象範囲の第1版にあり、第2版にない", "購入履歴")
	p.print("ends-dropped")
	says("left out of one", p.check("en", h.affected), "affected", "You are affected by one published incident.", "In one incident you were in an earlier revision, and are not in the current one.")
	file := p.file("[data-save]")
	p.open("/verify", "en")
	says("verified", p.verify(file), "affected", "in revision 1 of the scope, not in 2")

	h.run(t, []string{"key", "compromised", h.honest.Keys[0].ID})
	says("compromised", p.check("en", h.stranger), "not-in-scope", "Somebody else may have the key that the index of these incidents was made with.")

	h.run(t, []string{"key", "rotate"})
	got := p.check("ja", plainOne)
	says("rotated", got, "affected", "1件の公表の対象に含まれています。")
	if strings.Contains(got.Text, "索引を作った鍵が、外部に渡った可能性") {
		t.Errorf("after the rotation: %s", got.Text)
	}

	next := filepath.Join(h.d.Keys(), "ledger-next.key")
	elsewhere := h.file(t, "ledger-next.key", string(must(os.ReadFile(next))(t)))
	if err := os.Remove(next); err != nil {
		t.Fatal(err)
	}
	h.run(t, []string{"key", "switch", "--next", elsewhere})
	says("switched", p.check("en", plainOne), "affected", "You are affected by one published incident.")
	p.open("/verify", "en")
	says("an old answer, after its key has ended", p.verify(file), "affected")

	h.run(t, []string{"incident", "reopen", shopID})
	p.open("/", "ja")
	if beside := p.text(".covers"); !strings.Contains(beside, "あらためて調査している公表 1件") {
		t.Errorf("reopened: beside the box: %s", beside)
	}
	says("reopened", p.check("en", h.stranger), "not-in-scope", "Who is affected by one incident is being established anew.", "in the one incident that was compared")

	h.run(t, []string{"incident", "retire", shopID})
	says("retired", p.check("ja", plainOne), "not-in-scope", "照合した1件の公表の対象に、含まれていません。")
}
