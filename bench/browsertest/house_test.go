package browsertest

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"shirase/bench/served"
	"shirase/check"
	"shirase/identity"
)

// house is an honest operator: a small demonstration with one more incident,
// so that an address can be in two, and the keys with which it could lie.
type house struct {
	url      string       // of the program that serves
	handler  http.Handler // leads there
	vkey     string
	ledger   note.Signer
	key      *check.EvaluatorKey
	honest   *check.Statement
	affected string // in both incidents
	stranger string // in neither
}

const (
	demoIncident = "naver-2013"
	demoCity     = "example-city"
	shopID       = "example-shop"
	plainOne     = "user7@example.org" // in the shop; with a + it is another address
	taggedOne    = "user7+shop@example.org"
	phoneOne     = "090-1234-5678"
	accountOne   = "A-2"
	dottedOne    = "user.seven.of.the.tests@gmail.com"
)

const shopFacts = `
id: example-shop
zone: "+09:00"
asOf: "2026-05-20T10:00"
facts:
  - {key: organisation, value: {ja: 例示商店, en: Example Shop}}
  - {key: title, value: {ja: 会員ページの設定の誤り, en: Member pages misconfigured}}
  - {key: cause, value: misconfiguration}
  - {key: disclosed, value: "2026-05-17"}
  - {key: data-class, value: email}
  - {key: data-class, value: name}
  - {key: data-class, value: phone}
  - {key: data-class, value: purchase-history}
`

const shopRules = `
columns: {account: id, email: mail, phone: tel}
index: [email, phone, account]
organisation: shop
sets:
  - {classes: [email, name, phone, purchase-history]}
`

func newHouse(t *testing.T) *house {
	t.Helper()
	d := must(served.Start())(t)
	t.Cleanup(d.Stop)
	// A server takes up what is published meanwhile; started again, it has done so.
	if err := d.Pause(); err != nil {
		t.Fatal(err)
	}
	addShop(t, d)
	if err := d.Resume(); err != nil {
		t.Fatal(err)
	}
	h := &house{url: d.URL, vkey: d.LedgerKey, affected: d.Affected, stranger: d.NotAffected}
	h.handler = httputil.NewSingleHostReverseProxy(must(url.Parse(d.URL))(t))
	var said struct {
		Statement check.Bytes `json:"statement"`
		Proof     string      `json:"proof"`
	}
	if err := json.Unmarshal(h.get(t, statementPath), &said); err != nil {
		t.Fatal(err)
	}
	var err error
	if h.honest, err = check.ParseStatement(said.Statement); err != nil {
		t.Fatal(err)
	}
	if h.ledger, err = note.NewSigner(strings.TrimSpace(string(must(os.ReadFile(filepath.Join(d.Keys(), "ledger.key")))(t)))); err != nil {
		t.Fatal(err)
	}
	secret := must(os.ReadFile(filepath.Join(d.Keys(), "evaluator-"+h.honest.Keys[0].ID+".key")))(t)
	if h.key, err = check.ParseEvaluatorKey(string(secret)); err != nil {
		t.Fatal(err)
	}
	return h
}

// get asks the house itself.
func (h *house) get(t testing.TB, path string) []byte {
	t.Helper()
	res := must(http.Get(h.url + path))(t)
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", path, res.Status)
	}
	return must(io.ReadAll(res.Body))(t)
}

// addShop publishes a second incident, of three.
func addShop(t *testing.T, d *served.Demo) {
	t.Helper()
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	export := file("shop.csv", fmt.Appendf(nil, "id,mail,tel\n1,%s,\nA-2,%s,%s\n3,%s,\n", d.Affected, plainOne, phoneOne, dottedOne))
	for _, args := range [][]string{
		{"incident", "new", "--facts", file("shop.yaml", []byte(shopFacts))},
		{"scope", "--export", export, "--rules", file("rules.yaml", []byte(shopRules)), "--incident", shopID, "--commit"},
		{"publish", shopID},
	} {
		if err := d.Run(args...); err != nil {
			t.Fatal(err)
		}
	}
}

// statementReply makes the reply that gives st, signed into a ledger of one entry:
// what whoever holds the ledger's key can say.
func statementReply(t testing.TB, signer note.Signer, st *check.Statement) []byte {
	t.Helper()
	raw := jsontext.Value(must(json.Marshal(st))(t)) // Canonical would refuse what is not valid
	if err := raw.Canonicalize(); err != nil {
		t.Fatal(err)
	}
	tree := tlog.Tree{N: 1, Hash: tlog.RecordHash(check.Leaf(check.KindStatement, raw))}
	signed := must(note.Sign(&note.Note{Text: torchwood.Checkpoint{Origin: signer.Name(), Tree: tree}.String()}, signer))(t)
	return must(json.Marshal(map[string]any{"statement": check.Bytes(raw), "proof": string(torchwood.FormatProof(0, nil, signed))}))(t)
}

// changed copies the honest statement and changes the copy.
func (h *house) changed(change func(*check.Statement)) *check.Statement {
	st := *h.honest
	st.Keys, st.Layers, st.Incidents = slices.Clone(st.Keys), slices.Clone(st.Layers), slices.Clone(st.Incidents)
	for i := range st.Layers {
		st.Layers[i].Sources = slices.Clone(st.Layers[i].Sources)
	}
	for i := range st.Incidents {
		st.Incidents[i].Counts = maps.Clone(st.Incidents[i].Counts)
	}
	change(&st)
	return &st
}

// only keeps some incidents of a statement, and no layers.
func only(st *check.Statement, ids ...string) {
	st.Layers = nil
	st.Incidents = slices.DeleteFunc(st.Incidents, func(in check.Incident) bool { return !slices.Contains(ids, in.ID) })
}

// unfolded serves every source layer for itself, so that one of several can be missing.
func (h *house) unfolded(t testing.TB, st *check.Statement) {
	served := st.Layers
	st.Layers = nil
	for _, l := range served {
		for _, src := range l.Sources {
			file := h.get(t, layersPath+src.Root.String())
			info := must(check.OpenLayer(bytes.NewReader(file), int64(len(file)), src.Root, st.Key(l.Key).LocatorBits))(t).Info()
			st.Layers = append(st.Layers, check.Layer{ID: src.Root, Key: l.Key, N: src.N, Bits: info.Bits, Root: src.Root, Pad: info.Pad, Sources: []check.Source{src}})
		}
	}
	slices.SortFunc(st.Layers, func(a, b check.Layer) int { return bytes.Compare(a.ID[:], b.ID[:]) })
}

// damaged makes the layer of an incident in which the affected one's entry does
// not open, and a statement that has it.
func (h *house) damaged(t testing.TB) (*check.Statement, *check.LayerFile) {
	t.Helper()
	id := must(identity.ParseEmail(h.affected))(t)
	y := must(h.key.Output(id.Input()))(t)
	entry := check.SealEntry(&y, 16, demoIncident, "9", 0)
	entry[check.EntrySize-1] ^= 1 // of the two bytes that are zero inside
	var file bytes.Buffer
	info := must(check.WriteLayer(&file, 1, 16, true, func(yield func([]byte, error) bool) { yield(entry[:], nil) }))(t)
	layer := must(check.OpenLayer(bytes.NewReader(file.Bytes()), int64(file.Len()), info.Root, 16))(t)
	return h.changed(func(st *check.Statement) {
		only(st, demoIncident)
		in := &st.Incidents[0]
		in.Revision, in.Counts = "9", map[string]int64{"email": 1}
		st.Layers = []check.Layer{{ID: info.Root, Key: st.Keys[0].ID, N: 1, Bits: info.Bits, Root: info.Root, Pad: info.Pad,
			Sources: []check.Source{{Incident: demoIncident, Revision: "9", N: 1, Root: info.Root}}}}
	}), layer
}

// A lie changes what a handler does. It may pass a request on.
type lie func(honest http.Handler) http.Handler

// at answers requests whose path begins with prefix otherwise.
func at(prefix string, f func(w http.ResponseWriter, r *http.Request, honest http.Handler)) lie {
	return func(honest http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, prefix) {
				f(w, r, honest)
				return
			}
			honest.ServeHTTP(w, r)
		})
	}
}

// saying replies with fixed bytes.
func saying(prefix, contentType string, body []byte) lie {
	return at(prefix, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", contentType)
		w.Write(body)
	})
}

// spoiling changes what an honest server replies.
func spoiling(prefix string, change func(body []byte) []byte) lie {
	return at(prefix, func(w http.ResponseWriter, r *http.Request, honest http.Handler) {
		rec := httptest.NewRecorder()
		honest.ServeHTTP(rec, r)
		maps.Copy(w.Header(), rec.Header())
		body := change(rec.Body.Bytes())
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		w.WriteHeader(rec.Code)
		w.Write(body)
	})
}

// failing replies with a status alone.
func failing(prefix string, status int) lie {
	return at(prefix, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(status)
	})
}

// cut drops the connection.
func cut(prefix string) lie {
	return at(prefix, func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) })
}

// evaluating evaluates in the server's place.
func evaluating(f func(blinded [][]byte) (evaluated [][]byte, proof []byte, err error)) lie {
	return at("/check/v1/evaluate", func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		var asked check.EvaluateRequest
		if err := json.UnmarshalRead(r.Body, &asked); err != nil {
			http.Error(w, "not an evaluation", http.StatusBadRequest)
			return
		}
		var blinded [][]byte
		for _, b := range asked.Blinded {
			blinded = append(blinded, b)
		}
		evaluated, proof, err := f(blinded)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		reply := check.EvaluateReply{Proof: proof}
		for _, e := range evaluated {
			reply.Evaluated = append(reply.Evaluated, e)
		}
		w.Header().Set("Content-Type", "application/json")
		json.MarshalWrite(w, reply)
	})
}

// all tells several lies at once.
func all(lies ...lie) lie {
	return func(h http.Handler) http.Handler {
		for _, l := range lies {
			h = l(h)
		}
		return h
	}
}

// soon and ago are times around now, of whole seconds.
func soon(d time.Duration) check.Time { return check.At(time.Now().Add(d)) }
