package check

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shirase/identity"
)

// transcriptVector is all that a client asks a server for, from the statement to the answer.
type transcriptVector struct {
	Name   string            `json:"name"`
	Server string            `json:"server"`
	Before []*visit          `json:"before,omitempty"` // visits that are remembered
	Visit  *visit            `json:"visit"`
	Keys   map[string]string `json:"secretKeys"` // hex, by the key's id
	Gone   []Hash            `json:"gone,omitempty"`
	Old    bool              `json:"noGroups,omitempty"`

	Identity AnswerIdentity `json:"identity"`
	Asked    [][]asked      `json:"asked"` // one after another; those of one step in any order
	Result   string         `json:"result"`
}

// transcriptLayers are the layers of all vectors, by their roots.
type transcriptLayers map[string]transcriptLayer

type transcriptLayer struct {
	LocatorBits int   `json:"locatorBits"`
	Pad         int   `json:"pad"`
	Entries     Bytes `json:"entries"`
}

// asked is a request. What is sent in it has one length whatever is sought, and so has the answer to it where it is of a layer.
type asked struct {
	Path string `json:"path"`
	Key  string `json:"key,omitempty"`   // that is evaluated under
	Sent int    `json:"sent,omitempty"`  // bytes of the request
	Got  int    `json:"bytes,omitempty"` // of a part of a layer or a tile
}

// step names what a request is for: a client goes from one to the next.
func (a asked) step() string {
	for _, p := range []string{"check/v1/statement", "check/v1/evaluate", "check/v1/layers", "ledger/v1/keys", "tile/"} {
		if strings.HasPrefix(a.Path, p) {
			return p
		}
	}
	return a.Path
}

func transcriptOf(t testing.TB, all []request) (out [][]asked) {
	for _, r := range all {
		a := asked{Path: r.path}
		if r.path == "ledger/v1/key" {
			continue // a browser does not ask for it
		}
		if r.post {
			var body EvaluateRequest
			if err := json.Unmarshal(r.body, &body); err != nil {
				t.Fatal(err)
			}
			a.Key, a.Sent = body.Key, len(r.body)
		} else if r.status == http.StatusOK && !strings.HasSuffix(r.path, "statement") && !strings.HasSuffix(r.path, "keys") {
			a.Got = len(r.got)
		}
		if n := len(out); n == 0 || out[n-1][0].step() != a.step() {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], a)
	}
	for _, step := range out {
		slices.SortFunc(step, func(a, b asked) int { return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Key, b.Key)) })
	}
	return out
}

// TestTranscriptVectors: what is asked for, in which order and in which widths (docs/PROTOCOL.md sections 5.1, 7.2 and 9).
func TestTranscriptVectors(t *testing.T) {
	var vs []*transcriptVector
	layers := transcriptLayers{}
	add := func(name string, w *world, id identity.Identity, result string, gone ...Hash) *transcriptVector {
		t.Helper()
		v := &transcriptVector{Name: name, Server: "https://ledger.example.org", Keys: map[string]string{}, Gone: gone,
			Identity: AnswerIdentity{string(id.Kind), id.Value}, Result: result, Old: w.st.V == 1}
		l := &ledger{world: w, pins: filepath.Join(t.TempDir(), "ledgers.json")}
		if result == "returning" {
			before := &visitVector{Name: name, Server: v.Server}
			v.Before = append(v.Before, l.visited(before, "", ""))
			for i := range 300 {
				l.leaves = append(l.leaves, Leaf(KindNotice, fmt.Appendf(nil, "later %d", i)))
			}
			l.next(nil)
			v.Result = "affected"
		}
		missing := func(rw http.ResponseWriter, r *http.Request) bool {
			for _, root := range gone {
				if strings.Contains(r.URL.Path, root.String()) {
					rw.Header().Set("Content-Type", "application/problem+json")
					rw.WriteHeader(http.StatusNotFound)
					fmt.Fprint(rw, `{"type":"/problems/unknown-layer"}`)
					return true
				}
			}
			return false
		}
		now, c, ear := l.arrive(v.Server, lie{before: missing})
		a, err := c.Check(t.Context(), id)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if string(a.Verdict.Result) != v.Result {
			t.Errorf("%s: %s", name, a.Verdict.Result)
		}
		l.leave(now, c, ear)
		v.Visit, v.Asked = now, transcriptOf(t, ear.asked)
		for id, k := range w.keys {
			if slices.ContainsFunc(w.st.Layers, func(l Layer) bool { return l.Key == id }) {
				v.Keys[id] = hex.EncodeToString(k.k.Bytes())
			}
		}
		for i := range w.st.Layers {
			layers.put(w, w.st.Layers[i].ID, w.st.Layers[i].Pad, w.st.Key(w.st.Layers[i].Key).LocatorBits)
			for _, s := range w.st.Layers[i].Sources {
				layers.put(w, s.Root, 0, w.st.Key(w.st.Layers[i].Key).LocatorBits)
			}
		}
		vs = append(vs, v)
		return v
	}
	deep, two := newDeepWorld(t), newWorld2(t)
	known := email(t, worldAffected)
	yes := add("two keys of one bit each, affected", deep, known, "affected")
	no := add("two keys of one bit each, and a stranger", deep, email(t, worldStranger), "not-in-scope")
	account, err := identity.NewAccount("points", "00003")
	if err != nil {
		t.Fatal(err)
	}
	other := add("two keys of one bit each, an identity of another kind", deep, account, "investigating")
	for _, v := range []*transcriptVector{no, other} {
		if !slices.EqualFunc(yes.Asked, v.Asked, func(a, b []asked) bool { return len(a) == len(b) && slices.EqualFunc(a, b, asked.like) }) {
			t.Errorf("%s: its requests are of other widths: %v, and %v", v.Name, v.Asked, yes.Asked)
		}
	}
	add("a whole key, and a fold of three sources", two, known, "affected")
	add("a layer is not given: the statement is asked for again", two, email(t, worldStranger), "incomplete", two.layerFor("naver-2013"))
	add("a source is not given: the others are asked for all the same", two, email(t, worldStranger), "incomplete", two.st.sourceOf("shop-2020"))
	add("a server of version 1: bucket by bucket", newWorld(t), known, "affected")
	add("a returning visitor", newFoldWorld(t, -1), email(t, "member1@example.com"), "returning")
	golden(t, "transcript.json", map[string]any{
		"about": "What a client asks for (docs/PROTOCOL.md sections 5.1, 7.2 and 9), after the visits before it, as in first-use.json. The server has visit's statement, proof, list of keys and tiles, evaluates under secretKeys, and has the layers of these " +
			"entries, by root, whose buckets are padded to pad. Parts of what is gone are 404 with the problem unknown-layer; noGroups: groups are 404 with unknown-path. asked: the requests, one step after another, those of a step in any order; sent: bytes of the body of a POST, " +
			"bytes: of the answer. No other request is made, and no query.",
		"layers": layers, "vectors": vs})
}

// like reports whether two requests are of one width.
func (a asked) like(b asked) bool {
	return len(a.Path) == len(b.Path) && a.Key == b.Key && a.Sent == b.Sent && a.Got == b.Got
}

// put adds a layer by its entries.
func (l transcriptLayers) put(w *world, root Hash, pad, locatorBits int) {
	f := w.open(root)
	if _, there := l[root.String()]; there {
		return
	}
	var entries []byte
	for i := range int64(1) << f.Info().Bits {
		body, err := f.AppendBucket(nil, i, f.Info().Pad)
		if err != nil {
			w.t.Fatal(err)
		}
		b, err := ParseBucket(body, i, root, f.Info().Bits, f.Info().Pad)
		if err != nil {
			w.t.Fatal(err)
		}
		entries = append(entries, b.Entries...)
	}
	l[root.String()] = transcriptLayer{locatorBits, cmp.Or(pad, f.Info().Pad), entries}
}

// sourceOf is the root of an incident's current revision.
func (s *Statement) sourceOf(incident string) Hash {
	for i := range s.Layers {
		for _, src := range s.Layers[i].Sources {
			if src.Incident == incident && src.Revision == s.Incident(incident).Revision {
				return src.Root
			}
		}
	}
	return Hash{}
}
