package browsertest

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/mod/sumdb/note"

	"shirase/check"
	"shirase/internal/web"
)

const (
	statementPath = "/check/v1/statement"
	evaluatePath  = "/check/v1/evaluate"
	layersPath    = "/check/v1/layers/"
)

// testLies has the page meet servers that lie. Each lie ends in its name, and
// none in a "no".
func (b *browser) testLies(t *testing.T) {
	p := b.tab(t, b.handler)
	for _, c := range b.lies(t) {
		p.run(c.code+": "+c.name, func() {
			p.meet(c.lie(b.handler))
			p.open("/", "ja")
			if c.audit {
				eval[bool](p, `(document.querySelector("[data-audit]").checked = true)`)
			}
			// Who is in both incidents is told no "no", whatever the server does.
			p.ask(b.affected)
			got := p.answer()
			if got.Failed != c.code {
				p.Errorf("shown %q, failed %q, want %q", got.Shown, got.Failed, c.code)
			}
			if !strings.Contains(got.Text, "エラーの名前："+c.code) || !strings.Contains(got.Text, "「対象ではない」という意味ではありません") {
				p.Errorf("the page says %s", got.Text)
			}
			p.noNo(got)
			p.expect("Failed to load resource")
		})
	}
	b.testSecondVisits(p)
}

type named struct {
	code, name string
	lie        lie
	audit      bool
}

func (b *browser) lies(t *testing.T) []named {
	says := func(st *check.Statement) lie {
		return saying(statementPath, "application/json", statementReply(t, b.ledger, st))
	}
	signed := func(name string, st *check.Statement) lie {
		skey, _ := must2(note.GenerateKey(rand.Reader, name))(t)
		return saying(statementPath, "application/json", statementReply(t, must(note.NewSigner(skey))(t), st))
	}
	thief := check.GenerateEvaluatorKey()
	broken, layer := b.damaged(t)
	folded, fold := b.folded(t, false)
	noisy, noise := b.folded(t, true)
	return []named{
		{code: "proof", name: "another evaluator key", lie: evaluating(thief.Evaluate)},
		{code: "proof", name: "another element evaluated", lie: evaluating(func(blinded [][]byte) ([][]byte, []byte, error) {
			other := must(check.Blind([]byte("someone else")))(t)
			return b.key.Evaluate([][]byte{other.Element[:]})
		})},
		{code: "element", name: "the identity element", lie: evaluating(func(blinded [][]byte) ([][]byte, []byte, error) {
			_, proof, err := b.key.Evaluate(blinded)
			return [][]byte{make([]byte, check.ElementSize)}, proof, err
		})},
		{code: "server", name: "two elements for one", lie: evaluating(func(blinded [][]byte) ([][]byte, []byte, error) {
			return b.key.Evaluate([][]byte{blinded[0], blinded[0]})
		})},
		{code: "expired", name: "a stale statement", lie: says(b.changed(func(st *check.Statement) {
			st.Time, st.Expires = soon(-8*time.Hour), soon(-3*time.Hour)
		}))},
		{code: "not-yet", name: "a statement of tomorrow", lie: says(b.changed(func(st *check.Statement) {
			st.Time, st.Expires = soon(20*time.Hour), soon(24*time.Hour)
		}))},
		{code: "statement", name: "sources that do not add up", lie: says(b.changed(func(st *check.Statement) {
			st.Layers[0].Sources[0].N--
		}))},
		{code: "statement", name: "an incident without its layer", lie: says(b.changed(func(st *check.Statement) { st.Layers = nil }))},
		{code: "inclusion", name: "a statement changed after it was recorded", lie: spoiling(statementPath, func(body []byte) []byte {
			return changeStatement(t, body, func(raw []byte) []byte { return bytes.Replace(raw, []byte("NAVER"), []byte("RAVEN"), 1) })
		})},
		{code: "checkpoint", name: "another key of the same name", lie: signed(b.ledger.Name(), b.honest)},
		{code: "checkpoint", name: "another ledger", lie: signed("elsewhere.invalid/ledger", b.honest)},
		{code: "bucket", name: "buckets exchanged", lie: spoiling(layersPath, func(body []byte) []byte {
			return append(bytes.Clone(body[len(body)/2:]), body[:len(body)/2]...)
		})},
		{code: "bucket", name: "a bucket with a bit flipped", lie: spoiling(layersPath, func(body []byte) []byte {
			body[4+3*check.EntrySize+7] ^= 1
			return body
		})},
		{code: "bucket", name: "a bucket without its last entry", lie: spoiling(layersPath, func(body []byte) []byte {
			body[3]--
			return body
		})},
		{code: "bucket", name: "a bucket cut short", lie: spoiling(layersPath, func(body []byte) []byte { return body[:len(body)/2] })},
		{code: "entry", name: "an entry that does not open", lie: all(says(broken), servingLayer(t, layer))},
		// Nobody had to ask for it: a source is compared in every check.
		{code: "audit", name: "a fold with noise in the place of who asks", lie: all(says(noisy), servingLayer(t, noise))},
		{code: "audit", name: "a source layer withheld from an audit", audit: true, lie: all(says(folded), at(layersPath, func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			http.NotFound(w, r)
		}), servingLayer(t, fold))},
		{code: "too-coarse", name: "entries claimed without end", lie: says(b.changed(func(st *check.Statement) {
			l := &st.Layers[0]
			k := st.Key(l.Key)
			k.LocatorBits = 24
			for i := range st.Layers {
				l := &st.Layers[i]
				l.N, l.Bits, l.Pad = 1<<35, 24, check.MaxPad
				l.Sources[0].N = l.N
				st.Incident(l.Sources[0].Incident).Counts = map[string]int64{"email": l.N}
			}
		}))},
		{code: "unwitnessed", name: "a server without its witnesses", lie: at(statementPath, func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			web.Problem{Status: http.StatusServiceUnavailable, Code: "unwitnessed", Detail: "no quorum"}.Write(w, r)
		})},
		{code: "busy", name: "come back in an hour", lie: at(evaluatePath, func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusTooManyRequests)
		})},
		{code: "server", name: "no JSON", lie: saying(evaluatePath, "application/json", []byte("<html>"))},
		{code: "server", name: "no statement", lie: saying(statementPath, "application/json", []byte(`{"statement":"","proof":7}`))},
		{code: "server", name: "an error of the server", lie: failing(evaluatePath, http.StatusInternalServerError)},
		{code: "network", name: "nobody there", lie: cut("/check/")},
	}
}

func must2[A, B any](a A, b B, err error) func(testing.TB) (A, B) {
	return func(t testing.TB) (A, B) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return a, b
	}
}

// changeStatement changes the bytes of a statement in a server's reply.
func changeStatement(t *testing.T, body []byte, change func([]byte) []byte) []byte {
	var reply struct {
		Statement check.Bytes `json:"statement"`
		Proof     string      `json:"proof"`
	}
	if err := json.Unmarshal(body, &reply); err != nil {
		t.Error(err)
	}
	before := reply.Statement
	if reply.Statement = change(before); bytes.Equal(before, reply.Statement) {
		t.Error("the statement is as it was")
	}
	return must(json.Marshal(reply))(t)
}
