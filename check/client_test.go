package check

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

func (w *world) client(url string) *Client {
	return &Client{Server: url, Policy: w.policy(), Now: func() time.Time { return w.now }}
}

var notChecked = []NotCovered{{"clinic-2025", WhyByMail}, {"old-2010", WhyRetired}, {"points-2021", WhyKindNotIndexed}, {"town-2026", WhyInvestigating}}

func TestCheck(t *testing.T) {
	w := newWorld(t)
	url, seen := w.serve(lie{})
	c := w.client(url)
	c.Audit = true
	want := map[string]Verdict{
		worldAffected: {Result: Affected, AsOf: At(worldTime), Seq: 1, Checked: []string{"naver-2013", "shop-2020"},
			Incidents: []Finding{{"naver-2013", []string{"email", "nickname", "password:hashed"}}, {"shop-2020", []string{"address", "email"}}}, Dropped: []DroppedFinding{}, NotCovered: notChecked, Unreadable: []Unreadable{}, Compromised: []string{}},
		"member1@naver-2013.example.com": {Result: Affected, AsOf: At(worldTime), Seq: 1, Checked: []string{"naver-2013", "shop-2020"},
			Incidents: []Finding{{"naver-2013", []string{"email", "password:hashed"}}}, Dropped: []DroppedFinding{}, NotCovered: notChecked, Unreadable: []Unreadable{}, Compromised: []string{}},
		worldStranger: {Result: NotInScope, AsOf: At(worldTime), Seq: 1, Checked: []string{"naver-2013", "shop-2020"},
			Incidents: []Finding{}, Dropped: []DroppedFinding{}, NotCovered: notChecked, Unreadable: []Unreadable{}, Compromised: []string{}},
	}
	var traffic []string
	for who, v := range want {
		*seen = nil
		a, err := c.Check(context.Background(), email(t, who))
		if err != nil {
			t.Fatalf("%s: %v", who, err)
		}
		if !reflect.DeepEqual(a.Verdict, v) {
			t.Errorf("%s:\n got %+v\nwant %+v", who, a.Verdict, v)
		}
		slices.Sort(*seen)
		if traffic != nil && !slices.Equal(traffic, *seen) {
			t.Errorf("requests tell answers apart:\n%q\n%q", traffic, *seen)
		}
		traffic = *seen
		file, err := a.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := VerifyAnswer(file, w.policy())
		if err != nil {
			t.Fatalf("%s: verify: %v", who, err)
		}
		if !reflect.DeepEqual(again.Verdict, v) {
			t.Errorf("%s: verified as %+v", who, again.Verdict)
		}
	}
}

// saying answers a path that ends so.
func saying(path, body string) lie {
	return lie{before: func(rw http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, path) {
			io.WriteString(rw, body)
			return true
		}
		return false
	}}
}

// TestLies has a server lie in every way the protocol knows: each ends in a
// named error, or in an incident that is said not to be covered, never in a "no".
func TestLies(t *testing.T) {
	w := newWorld(t)
	flip := func(s string) string { return strings.Replace(s, "A", "B", 1) }
	other := GenerateEvaluatorKey()
	for name, c := range map[string]struct {
		l    lie
		prep func(w *world, c *Client)
		want error
	}{
		"another evaluator key": {lie{evaluate: func(_ string, b [][]byte) ([][]byte, []byte) { e, p, _ := other.Evaluate(b); return e, p }}, nil, ErrProof},
		"another element": {lie{evaluate: func(k string, b [][]byte) ([][]byte, []byte) {
			_, p, _ := w.keys[k].Evaluate(b)
			x, _ := Blind([]byte("other"))
			e, _, _ := w.keys[k].Evaluate([][]byte{x.Element[:]})
			return e, p
		}}, nil, ErrProof},
		"identity element": {lie{evaluate: func(k string, b [][]byte) ([][]byte, []byte) {
			_, p, _ := w.keys[k].Evaluate(b)
			return [][]byte{make([]byte, 32)}, p
		}}, nil, ErrElement},
		"two elements": {lie{evaluate: func(k string, b [][]byte) ([][]byte, []byte) {
			e, p, _ := w.keys[k].Evaluate(b)
			return append(e, e...), p
		}}, nil, ErrServer},
		"no elements": {lie{evaluate: func(k string, b [][]byte) ([][]byte, []byte) { _, p, _ := w.keys[k].Evaluate(b); return nil, p }}, nil, ErrServer},
		"short proof": {lie{evaluate: func(k string, b [][]byte) ([][]byte, []byte) { e, p, _ := w.keys[k].Evaluate(b); return e, p[:63] }}, nil, ErrProof},
		"swapped bucket": {lie{bucket: func(_ []byte, l Hash, n int64) []byte {
			f := w.open(l)
			b, _ := f.AppendBucket(nil, (n+1)%(1<<f.Info().Bits), w.st.layer(l).Pad)
			return flipFirst(b)
		}}, nil, ErrBucket},
		"emptied bucket":        {lie{bucket: func(b []byte, _ Hash, _ int64) []byte { return make([]byte, len(b)) }}, nil, ErrBucket},
		"longer bucket":         {lie{bucket: func(b []byte, _ Hash, _ int64) []byte { return append(b, 0) }}, nil, ErrBucket},
		"shorter bucket":        {lie{bucket: func(b []byte, _ Hash, _ int64) []byte { return b[:len(b)-1] }}, nil, ErrBucket},
		"statement changed":     {lie{statement: func(r map[string]string) { r["statement"] = flip(r["statement"]) }}, nil, ErrInclusion},
		"statement not base64":  {lie{statement: func(r map[string]string) { r["statement"] += "=" }}, nil, ErrServer},
		"a member missing":      {lie{statement: func(r map[string]string) { delete(r, "proof") }}, nil, ErrServer},
		"null for a member":     {saying("/statement", `{"statement":null,"proof":null}`), nil, ErrServer},
		"null for elements":     {saying("/evaluate", `{"evaluated":null,"proof":null}`), nil, ErrServer},
		"unknown member":        {lie{statement: func(r map[string]string) { r["note"] = "x" }}, nil, ErrServer},
		"proof of another leaf": {lie{}, func(w *world, _ *Client) { w.proof = w.prove(0, w.signer) }, ErrInclusion},
		"proof cut":             {lie{statement: func(r map[string]string) { r["proof"] = r["proof"][:40] }}, nil, ErrInclusion},
		"signature changed":     {lie{statement: func(r map[string]string) { r["proof"] = r["proof"][:len(r["proof"])-6] + "AAAA=\n" }}, nil, ErrCheckpoint},
		"another ledger": {lie{}, func(w *world, _ *Client) {
			skey, _, _ := note.GenerateKey(&stream{seed: "thief"}, w.signer.Name())
			s, _ := note.NewSigner(skey)
			w.proof = w.prove(int64(len(w.leaves)-1), s)
		}, ErrCheckpoint},
		"another origin": {lie{}, func(w *world, _ *Client) {
			skey, _, _ := note.GenerateKey(&stream{seed: "thief"}, "elsewhere.example.org")
			s, _ := note.NewSigner(skey)
			w.proof = w.prove(int64(len(w.leaves)-1), s)
		}, ErrCheckpoint},
		"stale statement":   {lie{}, func(w *world, c *Client) { c.Now = func() time.Time { return worldTime.Add(MaxLife) } }, ErrExpired},
		"future statement":  {lie{}, func(w *world, c *Client) { c.Now = func() time.Time { return worldTime.Add(-time.Hour) } }, ErrNotYet},
		"sums do not match": {lie{}, func(w *world, _ *Client) { st := clone(w.t, w.st); fold(st).Sources[0].N--; w.publish(st) }, ErrStatement},
		"notice as statement": {lie{}, func(w *world, _ *Client) {
			w.leaves = append(w.leaves, Leaf(KindNotice, w.raw))
			w.proof = w.prove(int64(len(w.leaves)-1), w.signer)
		}, ErrInclusion},
		"not json": {lie{before: func(rw http.ResponseWriter, r *http.Request) bool {
			if r.Method == "POST" {
				rw.Write([]byte("<html>"))
				return true
			}
			return false
		}}, nil, ErrServer},
		"redirect": {lie{before: func(rw http.ResponseWriter, r *http.Request) bool {
			http.Redirect(rw, r, "http://127.0.0.1:1/", http.StatusFound)
			return true
		}}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			client := w.client("")
			if c.prep != nil {
				c.prep(w, client)
			}
			client.Server, _ = w.serve(c.l)
			for _, who := range []string{worldAffected, worldStranger} {
				a, err := client.Check(context.Background(), email(t, who))
				if err == nil || a != nil {
					t.Fatalf("an answer: %+v", a.Verdict)
				}
				if c.want != nil && !errors.Is(err, c.want) {
					t.Errorf("%v, want %v", err, c.want)
				}
				if strings.Contains(err.Error(), who) {
					t.Errorf("the error names the address: %v", err)
				}
			}
		})
	}
}

func flipFirst(b []byte) []byte { b[4] ^= 0x80; return b }

func TestMissingLayer(t *testing.T) {
	w := newWorld(t)
	gone := fold(w.st).ID
	url, _ := w.serve(lie{bucket: func(b []byte, l Hash, _ int64) []byte {
		if l == gone {
			return nil
		}
		return b
	}})
	a, err := w.client(url).Check(context.Background(), email(t, worldAffected))
	if err != nil {
		t.Fatal(err)
	}
	if a.Verdict.Result != Incomplete || a.Verdict.Complete() || len(a.Verdict.Checked) != 0 || !slices.Contains(a.Verdict.NotCovered, NotCovered{"naver-2013", WhyLayerMissing}) {
		t.Fatalf("%+v", a.Verdict)
	}
}

func TestWaitsOut429(t *testing.T) {
	w := newWorld(t)
	var n atomic.Int32
	url, _ := w.serve(lie{before: func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method == "POST" && n.Add(1) == 1 {
			rw.Header().Set("Retry-After", "1")
			rw.WriteHeader(http.StatusTooManyRequests)
			return true
		}
		return false
	}})
	c := w.client(url)
	var waited time.Duration
	c.Wait = func(d time.Duration) { waited += d }
	if _, err := c.Check(context.Background(), email(t, worldStranger)); err != nil {
		t.Fatal(err)
	}
	if waited != time.Second {
		t.Fatalf("waited %s", waited)
	}
	url, _ = w.serve(lie{before: func(rw http.ResponseWriter, r *http.Request) bool {
		rw.Header().Set("Retry-After", "100000")
		rw.WriteHeader(http.StatusTooManyRequests)
		return true
	}})
	c.Server = url
	if _, err := c.Check(context.Background(), email(t, worldStranger)); !errors.Is(err, ErrBusy) {
		t.Fatal(err)
	}
}

func TestPins(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "config", "ledgers.json")
	open := func() *Pins {
		p, err := OpenPins(path)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	url, _ := w.serve(lie{})
	ask := func(p *Pins) error {
		c := &Client{Server: url, Pins: p, Now: func() time.Time { return w.now }}
		_, err := c.Check(context.Background(), email(t, worldStranger))
		return err
	}
	if err := ask(open()); err != nil {
		t.Fatal(err)
	}
	policy, err := open().Policy(w.signer.Name())
	if err != nil {
		t.Fatal(err)
	}
	if err := VerifyInclusion(KindStatement, w.raw, w.proof, policy); err != nil {
		t.Fatal(err)
	}
	if err := ask(open()); err != nil {
		t.Fatalf("again: %v", err)
	}
	first, firstRaw := w.st, w.raw

	st := clone(t, w.st) // number 2 follows
	st.Seq, st.Prev = 2, StatementHash(w.raw)
	w.publish(st)
	if err := ask(open()); err != nil {
		t.Fatalf("the next statement: %v", err)
	}
	fork := clone(t, st)
	fork.Expires = At(fork.Expires.Add(-time.Second))
	w.publish(fork)
	if err := ask(open()); !errors.Is(err, ErrFork) {
		t.Fatalf("another number 2: %v", err)
	}
	third := clone(t, st)
	third.Seq, third.Prev = 3, StatementHash(w.raw)
	w.publish(third)
	if err := ask(open()); !errors.Is(err, ErrFork) {
		t.Fatalf("a number 3 that follows another 2: %v", err)
	}
	w.st = first
	w.publishRaw(firstRaw)
	if err := ask(open()); !errors.Is(err, ErrRollback) {
		t.Fatalf("number 1 again: %v", err)
	}
	skey, vkey, _ := note.GenerateKey(&stream{seed: "thief"}, w.signer.Name())
	w.signer, _ = note.NewSigner(skey)
	w.vkey = vkey
	w.publish(st)
	if err := ask(open()); !errors.Is(err, ErrCheckpoint) {
		t.Fatalf("another key under the same origin: %v", err)
	}
}

func TestPinsRefuse(t *testing.T) {
	for _, bad := range []string{"x", "{}", `{"v":3,"ledgers":{},"servers":{}}`, `{"v":1,"ledgers":{"a":{"keys":[],"seq":0,"statement":""}},"servers":{}}`,
		`{"v":1,"ledgers":{"a":{"keys":[],"seq":1}},"servers":{}}`, `{"v":2,"ledgers":{"a":{"keys":[],"seq":1}},"servers":{}}`, `{"v":2,"ledgers":{"a":null},"servers":{}}`,
		`{"v":2,"ledgers":{"a":{"keys":[],"host":"","checkpoint":"x","bindings":null,"policy":""}},"servers":{}}`,
		`{"v":2,"ledgers":{"a":{"keys":[],"host":"","checkpoint":"","bindings":null,"policy":"quorum w"}},"servers":{}}`,
		`{"v":2,"ledgers":{"a":{"keys":[],"host":"","checkpoint":"","bindings":{"v":2,"seq":1},"policy":""}},"servers":{}}`,
		`{"v":2,"ledgers":{"a":{"keys":[],"host":"","checkpoint":"","bindings":{"v":1,"seq":1,"keys":{"k":null}},"policy":""}},"servers":{}}`,
		`{"v":2,"ledgers":{"a":{"keys":[],"host":"","checkpoint":"","bindings":{"v":3,"seq":1},"policy":""}},"servers":{}}`,
		`{"v":2,"ledgers":{"a":{"keys":[],"host":"","checkpoint":"","bindings":{"v":1,"seq":1,"ledger":{"key":"` + strings.Repeat("1", 64) + `","next":"` + strings.Repeat("2", 64) + `","policy":""}},"policy":""}},"servers":{}}`,
		`{"v":1,"v":1,"ledgers":{},"servers":{}}`, `{"v":1,"extra":1,"ledgers":{},"servers":{}}`} {
		path := filepath.Join(t.TempDir(), "ledgers.json")
		if err := writeFile(path, bad); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenPins(path); err == nil || !strings.Contains(err.Error(), path) && !strings.Contains(err.Error(), "pinned") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestInsecureServers(t *testing.T) {
	for _, u := range []string{"http://192.0.2.1", "http://example.org", "ftp://x", "", "https://", "https://u:p@example.org", "https://example.org/?q"} {
		c := &Client{Server: u}
		if _, err := c.base(); err == nil {
			t.Errorf("%q is asked", u)
		}
	}
	for _, u := range []string{"http://127.0.0.1:8080", "http://[::1]:1", "http://localhost:1", "https://example.org/shirase"} {
		c := &Client{Server: u}
		if _, err := c.base(); err != nil {
			t.Errorf("%q: %v", u, err)
		}
	}
}

// vectors reads answer files from testdata: a world is too slow to make in
// every fuzzing process.
func vectors(t testing.TB) (ledgerKey string, files map[string][]byte) {
	t.Helper()
	b, err := os.ReadFile("testdata/answer.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		LedgerKey string
		Vectors   []answerVector
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	files = map[string][]byte{}
	for _, f := range v.Vectors {
		if f.File != nil && f.Error == "" {
			files[f.Name] = f.File
		}
	}
	return v.LedgerKey, files
}

func FuzzParseAnswer(f *testing.F) {
	key, files := vectors(f)
	f.Add(files["stranger"])
	f.Add([]byte(`{"v":1}`))
	policy, err := LedgerPolicy(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := VerifyAnswer(b, policy)
		if err != nil {
			return
		}
		if got.Verdict.Result == Affected {
			t.Fatal("an altered file proves something else")
		}
	})
}

func TestAnswerJSON(t *testing.T) {
	w := newWorld(t)
	url, _ := w.serve(lie{})
	a, err := w.client(url).Check(context.Background(), email(t, worldStranger))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := a.Encode()
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"v", "type", "personalData", "claimed", "identity", "verdict", "statement", "proof", "evaluations", "groups", "sources", "cap"} {
		if _, ok := m[want]; !ok {
			t.Errorf("no member %q", want)
		}
	}
}

// TestKeyGone has the statement change between a client's requests: it begins
// again, once.
func TestKeyGone(t *testing.T) {
	w := newWorld(t)
	for _, times := range []int32{1, 2} {
		var n atomic.Int32
		url, seen := w.serve(lie{before: func(rw http.ResponseWriter, r *http.Request) bool {
			if r.Method == "POST" && n.Add(1) <= times {
				rw.WriteHeader(http.StatusNotFound)
				return true
			}
			return false
		}})
		_, err := w.client(url).Check(context.Background(), email(t, worldStranger))
		if (err == nil) != (times == 1) {
			t.Errorf("gone %d times: %v, after %d requests", times, err, len(*seen))
		}
	}
}

func FuzzVerifyInclusion(f *testing.F) {
	key, files := vectors(f)
	a, err := ParseAnswer(files["stranger"])
	if err != nil {
		f.Fatal(err)
	}
	policy, err := LedgerPolicy(key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(a.Proof)
	f.Add(strings.Replace(a.Proof, "index 5", "extra AAAA\nindex 5", 1))
	f.Fuzz(func(t *testing.T, proof string) {
		ProofOrigin(proof)
		if VerifyInclusion(KindStatement, a.Statement, proof, policy) == nil && !strings.Contains(proof, "\nindex 5\n") {
			t.Fatal("the statement is shown at another place")
		}
	})
}
