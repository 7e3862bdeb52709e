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
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/mod/sumdb/note"

	"shirase/bench/served"
	"shirase/check"
	"shirase/identity"
)

// house is an honest operator: a small demonstration with one more incident,
// so that an address can be in two, and the keys with which it could lie.
type house struct {
	d        *served.Demo
	at       atomic.Pointer[url.URL] // of the program that serves
	handler  http.Handler            // leads there
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
	h := &house{d: d, vkey: d.LedgerKey, affected: d.Affected, stranger: d.NotAffected}
	h.handler = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(h.at.Load()) }}
	h.run(t, append([][]string{{"incident", "new", "--facts", h.file(t, "shop.yaml", shopFacts)}}, h.shop(t, h.affected, plainOne, dottedOne)...)...)
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
	res := must(http.Get(h.at.Load().String() + path))(t)
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", path, res.Status)
	}
	return must(io.ReadAll(res.Body))(t)
}

// run runs commands while nothing is served. A server takes up what is published
// meanwhile; started again, it has done so.
func (h *house) run(t testing.TB, commands ...[]string) {
	t.Helper()
	if err := h.d.Pause(); err != nil {
		t.Fatal(err)
	}
	for _, args := range commands {
		if err := h.d.Run(args...); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.d.Resume(); err != nil {
		t.Fatal(err)
	}
	h.at.Store(must(url.Parse(h.d.URL))(t))
}

func (h *house) file(t testing.TB, name, data string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// shop gives the commands that publish who is affected by the second incident, of
// three. One row has no address.
func (h *house) shop(t testing.TB, members ...string) [][]string {
	t.Helper()
	rows := "id,mail,tel\n0,,\n"
	for i, who := range members {
		phone := ""
		if who == plainOne {
			phone = phoneOne
		}
		rows += fmt.Sprintf("A-%d,%s,%s\n", i+1, who, phone)
	}
	return [][]string{
		{"scope", "--export", h.file(t, "shop.csv", rows), "--rules", h.file(t, "rules.yaml", shopRules), "--incident", shopID, "--commit"},
		{"publish", shopID},
	}
}

// layer gives a layer as it is served whole.
func (h *house) layer(t testing.TB, root check.Hash, locatorBits int) *check.LayerFile {
	t.Helper()
	file := h.get(t, layersPath+root.String())
	return must(check.OpenLayer(bytes.NewReader(file), int64(len(file)), root, locatorBits))(t)
}

// statementReply makes the reply that gives st, signed into a ledger of one
// entry: what whoever holds the ledger's key can say to whom it never met.
func statementReply(t testing.TB, signer note.Signer, st *check.Statement) []byte {
	t.Helper()
	return new(fakeLedger).reply(t, signer, st)
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
			info := h.layer(t, src.Root, st.Key(l.Key).LocatorBits).Info()
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
	bits := h.honest.Keys[0].LocatorBits
	entry := check.SealEntry(&y, bits, demoIncident, "9", 0)
	entry[check.EntrySize-1] ^= 1 // of the two bytes that are zero inside
	var file bytes.Buffer
	info := must(check.WriteLayer(&file, 1, bits, true, func(yield func([]byte, error) bool) { yield(entry[:], nil) }))(t)
	layer := must(check.OpenLayer(bytes.NewReader(file.Bytes()), int64(file.Len()), info.Root, bits))(t)
	return h.changed(func(st *check.Statement) {
		only(st, demoIncident)
		in := &st.Incidents[0]
		in.Revision, in.Counts, in.Superseded = "9", map[string]int64{"email": 1}, []check.Superseded{}
		st.Layers = []check.Layer{{ID: info.Root, Key: st.Keys[0].ID, N: 1, Bits: info.Bits, Root: info.Root, Pad: info.Pad,
			Sources: []check.Source{{Incident: demoIncident, Revision: "9", N: 1, Root: info.Root}}}}
	}), layer
}

// folded makes one layer of all that is served, in which the affected one's
// entries may be replaced by noise, and a statement that serves it.
func (h *house) folded(t testing.TB, noise bool) (*check.Statement, *check.LayerFile) {
	t.Helper()
	bits := h.honest.Keys[0].LocatorBits
	id := must(identity.ParseEmail(h.affected))(t)
	y := must(h.key.Output(id.Input()))(t)
	var entries [][]byte
	var sources []check.Source
	for _, l := range h.honest.Layers {
		for e, err := range h.layer(t, l.Root, bits).Entries(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			e = bytes.Clone(e)
			if own := check.SealEntry(&y, bits, l.Sources[0].Incident, l.Sources[0].Revision, 0); noise && bytes.Equal(e[:9], own[:9]) {
				e[8] ^= 1
			}
			entries = append(entries, e)
		}
		sources = append(sources, l.Sources...)
	}
	slices.SortFunc(entries, bytes.Compare)
	slices.SortFunc(sources, func(a, b check.Source) int { return strings.Compare(a.Incident, b.Incident) })
	var file bytes.Buffer
	info := must(check.WriteLayer(&file, int64(len(entries)), bits, false, func(yield func([]byte, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}))(t)
	return h.changed(func(st *check.Statement) {
		st.Layers = []check.Layer{{ID: info.Root, Key: st.Keys[0].ID, N: info.N, Bits: info.Bits, Root: info.Root, Pad: info.Pad, Sources: sources}}
	}), must(check.OpenLayer(bytes.NewReader(file.Bytes()), int64(file.Len()), info.Root, bits))(t)
}

// servingLayer has a layer of one's own be given, whole.
func servingLayer(t testing.TB, layer *check.LayerFile) lie {
	return at("/check/v1/layers/"+layer.Info().Root.String()+"/", func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		w.Write(must(layer.AppendGroup(nil, 0, 0, layer.Info().Pad))(t))
	})
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
