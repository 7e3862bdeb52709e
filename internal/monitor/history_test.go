package monitor

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	gojson "github.com/go-json-experiment/json"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"shirase/check"
)

// proven is the check's answer of a statement in a history.
func (s *sham) proven(h *history, raw []byte) []byte {
	at := int64(len(h.entries)) - 1
	for at >= 0 && !bytes.Equal(h.entries[at], check.Leaf(check.KindStatement, raw)) {
		at--
	}
	tree := h.tree()
	p, err := tlog.ProveRecord(tree.N, at, h)
	if err != nil {
		s.t.Fatal(err)
	}
	b, err := gojson.Marshal(map[string]any{"statement": check.Bytes(raw), "proof": string(torchwood.FormatProof(at, p, []byte(s.checkpoint(tree))))})
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// until is a history's first n entries.
func (h *history) until(n int) *history {
	out := &history{data: h.data}
	for i, e := range h.entries[:n] {
		hashes, err := tlog.StoredHashes(int64(i), e, out)
		if err != nil {
			panic(err)
		}
		out.entries, out.stored = append(out.entries, e), append(out.stored, hashes...)
	}
	return out
}

// longer is another history than the server's, with a false statement and more entries.
func (s *sham) longer() (fork *history, forged []byte) {
	fork = s.hist.until(len(s.hist.entries) - 1)
	st, err := check.ParseStatement(s.raw)
	if err != nil {
		s.t.Fatal(err)
	}
	st.Incidents[0].Title = map[string]string{"en": "forged"}
	forged = canonical(s.t, st)
	fork.add(check.KindStatement, forged)
	fork.add(check.KindPage, []byte("{}"))
	fork.add(check.KindPage, []byte("{ }"))
	return fork, forged
}

// TestLongerFork: every client is shown a longer history, whose tiles nobody is given; checkpoint and tiles are the honest
// ones. It is told at once, and shown by both signatures once the ledger has grown past it.
func TestLongerFork(t *testing.T) {
	s := honest(t)
	dir := t.TempDir()
	s.look(dir)
	fork, forged := s.longer()
	lie := func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/check/v1/statement" {
			return false
		}
		w.Write(s.proven(fork, forged))
		return true
	}
	s.meddle = lie
	for _, at := range []string{dir, t.TempDir()} {
		sum, found := s.look(at)
		if sum.OK || !slices.Equal(rules(found), []string{"tiles"}) {
			t.Fatalf("%+v %+v", sum, found)
		}
		verified(t, s, found[0], false)
	}
	// Honest again: what was shown stays to be placed.
	s.meddle = nil
	if sum, found := s.look(dir); sum.OK || !slices.Equal(rules(found), []string{"tiles"}) {
		t.Fatalf("%+v %+v", sum, found)
	}
	for range 3 {
		s.publish(s.again())
	}
	for range 2 { // and stays a finding
		sum, found := s.look(dir)
		if sum.OK || !slices.Equal(rules(found), []string{"fork"}) {
			t.Fatalf("%+v %+v", sum, found)
		}
		verified(t, s, found[0], true)
	}
	// One that was held, and is part of the ledger in the end, is no finding.
	other := t.TempDir()
	s.look(other)
	next := s.again()
	grown := s.hist.clone()
	s.publish(next)
	real, raw := s.hist, s.raw
	s.hist = grown
	s.meddle = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/check/v1/statement" {
			return false
		}
		w.Write(s.proven(real, raw))
		return true
	}
	if _, found := s.look(other); !slices.Equal(rules(found), []string{"tiles"}) {
		t.Fatalf("%+v", found)
	}
	s.hist, s.meddle = real, nil
	if sum, found := s.look(other); !sum.OK {
		t.Fatalf("%+v", found)
	}
}

// TestAhead: a check that is ahead of the checkpoint by honest growth is followed.
func TestAhead(t *testing.T) {
	s := honest(t)
	old := s.checkpoint(s.hist.tree())
	s.publish(s.again())
	n := 0
	s.meddle = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/checkpoint" {
			return false
		}
		if n++; n > 1 {
			return false
		}
		io.WriteString(w, old)
		return true
	}
	sum, found := s.look(t.TempDir())
	if !sum.OK || sum.Size != s.hist.tree().N {
		t.Fatalf("%+v %+v", sum, found)
	}
}

// TestGrowsAlways: a ledger that grows with each look does not keep what is wrong from being told.
func TestGrowsAlways(t *testing.T) {
	s := honest(t)
	s.states = map[string]string{"shop": "retired", "town": "final"}
	s.meddle = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/checkpoint" {
			s.now = s.now.Add(time.Second)
			s.page()
		}
		return false
	}
	if sum, found := s.look(t.TempDir()); sum.OK || !slices.Contains(rules(found), "api-state") {
		t.Fatalf("%+v %+v", sum, found)
	}
	s.states = nil
	s.meddle = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/check/v1/statement" {
			s.publish(s.again())
		}
		return false
	}
	if sum, found := s.look(t.TempDir()); sum.OK || !slices.Equal(rules(found), []string{"shown"}) {
		t.Fatalf("%+v %+v", sum, found)
	}
}

// TestShorterFork: a shorter tree than the one that was followed is a fork where it is no beginning of that, shown by the
// leaves that are kept, and a shrunk ledger where it is.
func TestShorterFork(t *testing.T) {
	for _, more := range []int{3, 300} {
		s := honest(t)
		for range more {
			s.publish(s.again())
		}
		dir := t.TempDir()
		s.look(dir)
		for _, size := range []int{8, len(s.hist.entries) - 2} {
			honestly := s.hist
			s.hist = honestly.until(size)
			_, found := s.look(dir)
			if !slices.Equal(rules(found), []string{"rollback"}) {
				t.Fatalf("%d of %d: %+v", size, len(honestly.entries), found)
			}
			verified(t, s, found[0], false)
			s.hist = honestly.until(size - 1)
			s.hist.add(check.KindPage, []byte("{}"))
			at := t.TempDir()
			if err := os.CopyFS(at, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			_, found = s.look(at)
			if !slices.Equal(rules(found), []string{"fork"}) {
				t.Fatalf("%d of %d: %+v", size, len(honestly.entries), found)
			}
			verified(t, s, found[0], true)
			s.hist = honestly
		}
	}
}

// TestLeavesOfBefore: the state of a program that kept no leaves gets them.
func TestLeavesOfBefore(t *testing.T) {
	s := honest(t)
	for range 300 {
		s.publish(s.again())
	}
	dir := t.TempDir()
	s.look(dir)
	b, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		t.Fatal(err)
	}
	var state map[string]any
	if err := json.Unmarshal(b, &state); err != nil {
		t.Fatal(err)
	}
	delete(state, "leaves")
	if b, err = json.Marshal(state); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(filepath.Join(dir, stateFile), b, 0o600), os.RemoveAll(filepath.Join(dir, "leaves"))); err != nil {
		t.Fatal(err)
	}
	if sum, found := s.look(dir); !sum.OK {
		t.Fatalf("%+v", found)
	}
	s.hist = s.hist.until(200)
	s.hist.add(check.KindPage, []byte("{}"))
	if _, found := s.look(dir); !slices.Equal(rules(found), []string{"fork"}) {
		t.Fatalf("%+v", found)
	}
}

// TestSecondFork: the second address shows another history, shorter, longer with its tiles, or in its check only.
func TestSecondFork(t *testing.T) {
	for name, forge := range map[string]func(s, other *sham){
		"shorter": func(s, other *sham) {
			s.publish(s.again())
			other.publish(other.again())
			other.hist.add(check.KindPage, []byte("{}"))
			s.publish(s.again())
			s.publish(s.again())
		},
		"longer": func(s, other *sham) {
			s.publish(s.again())
			other.hist.add(check.KindPage, []byte("{}"))
			for range 3 {
				other.publish(other.again())
			}
		},
		"in its check": func(s, other *sham) {
			fork, forged := other.longer()
			other.meddle = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != "/check/v1/statement" {
					return false
				}
				w.Write(other.proven(fork, forged))
				return true
			}
			for range 4 {
				s.publish(s.again())
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := honest(t)
			other := s.mirror()
			forge(s, other)
			sum, found := s.look(t.TempDir(), func(o *Options) { o.Second = other.url })
			if sum.OK || !slices.Equal(rules(found), []string{"fork"}) {
				t.Fatalf("%+v %+v", sum, found)
			}
			verified(t, s, found[0], true)
		})
	}
}

// TestKeysShrink: keys that were known stay known, whatever the list says: what the newer one has signed is not undone by
// leaving it out.
func TestKeysShrink(t *testing.T) {
	for name, shrink := range map[string]func(w http.ResponseWriter, first any){
		"a shorter list": func(w http.ResponseWriter, first any) {
			json.NewEncoder(w).Encode(map[string]any{"keys": []any{first}})
		},
		"no list": func(w http.ResponseWriter, first any) { w.WriteHeader(http.StatusNotFound) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSham(t)
			skey, vkey, err := note.GenerateKey(rand.Reader, "sham.example/ledger")
			if err != nil {
				t.Fatal(err)
			}
			second, err := note.NewSigner(skey)
			if err != nil {
				t.Fatal(err)
			}
			s.next = check.VKeyHash(vkey).String()
			st := s.begin()
			s.incident(st, "shop", "0", check.Investigating, 0)
			s.publish(st)
			old, oldRaw, first := s.hist.clone(), s.raw, s.signer
			var reply struct{ Statement, Proof string }
			if err := json.Unmarshal(s.proven(s.hist, s.raw), &reply); err != nil {
				t.Fatal(err)
			}
			st = s.again()
			st.Ledger = &check.Signing{Key: check.VKeyHash(vkey), Next: s.hash(strings.Repeat("5", 64))}
			s.publish(st)
			s.signer = second
			list := func(w http.ResponseWriter) {
				json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]string{"vkey": s.vkey, "statement": reply.Statement, "proof": reply.Proof}, map[string]string{"vkey": vkey}}})
			}
			s.meddle = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == "/ledger/v1/keys" {
					list(w)
					return true
				}
				return false
			}
			dir := t.TempDir()
			if sum, found := s.look(dir); !sum.OK || sum.Size != 3 {
				t.Fatalf("%+v", found)
			}
			// Who has the first key shows the ledger of before the change, or another one.
			list = func(w http.ResponseWriter) { shrink(w, map[string]string{"vkey": s.vkey}) }
			s.signer, s.hist, s.raw = first, old, oldRaw
			_, found := s.look(dir)
			if !slices.Equal(rules(found), []string{"keys-list", "rollback"}) {
				t.Fatalf("%+v", found)
			}
			verified(t, s, found[slices.IndexFunc(found, func(f Finding) bool { return f.Rule == "rollback" })], false)
			s.hist = s.hist.until(1)
			s.hist.add(check.KindPage, []byte("{}"))
			_, found = s.look(dir)
			if !slices.Equal(rules(found), []string{"fork", "keys-list"}) {
				t.Fatalf("%+v", found)
			}
			verified(t, s, found[slices.IndexFunc(found, func(f Finding) bool { return f.Rule == "fork" })], true)
		})
	}
}

// TestCheckpointOfState: a state whose own checkpoint no known key has signed is refused.
func TestCheckpointOfState(t *testing.T) {
	s := honest(t)
	dir := t.TempDir()
	s.look(dir)
	b, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		t.Fatal(err)
	}
	other := newSham(t)
	b = bytes.Replace(b, gobQuote(t, s.checkpoint(s.hist.tree())), gobQuote(t, other.checkpoint(s.hist.tree())), 1)
	if err := os.WriteFile(filepath.Join(dir, stateFile), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{Server: s.url, LedgerKey: s.vkey}); !errors.Is(err, ErrState) {
		t.Fatal(err)
	}
}

func gobQuote(t *testing.T, s string) []byte {
	b, err := gojson.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestInsecure: a server elsewhere is watched over TLS only.
func TestInsecure(t *testing.T) {
	s := newSham(t)
	for _, o := range []Options{{Server: "http://notice.example.org", LedgerKey: s.vkey}, {Server: s.url, Second: "http://192.0.2.7", LedgerKey: s.vkey}} {
		if _, err := Open(t.TempDir(), o); !errors.Is(err, check.ErrInsecure) {
			t.Errorf("%s %s: %v", o.Server, o.Second, err)
		}
	}
}

// TestFoldNamedAgain: what was verified of a fold says nothing of what it is called later.
func TestFoldNamedAgain(t *testing.T) {
	s := honest(t)
	dir := t.TempDir()
	st := s.again()
	var all []check.Source
	for _, l := range st.Layers {
		all = append(all, l.Sources...)
	}
	lake := s.seal("lake", "1", many("lake", 9))
	s.incident(st, "lake", "1", check.Final, 9)
	all = append(all, lake)
	old := s.serve(all...)
	set(st, old)
	s.publish(st)
	if sum, found := s.look(dir); !sum.OK {
		t.Fatalf("%+v", found)
	}
	// The fold is named for the river's people too, who are not in it.
	st = s.again()
	river := s.seal("river", "1", many("river", 9))
	s.incident(st, "river", "1", check.Final, 9)
	right := s.serve(append(slices.Clone(all), river)...)
	delete(s.layers, right.Root)
	again := old
	again.Sources, again.N = right.Sources, right.N
	set(st, again)
	s.publish(st)
	for _, at := range []string{dir, t.TempDir()} {
		if sum, found := s.look(at); sum.OK || !slices.Contains(rules(found), "fold") {
			t.Fatalf("%+v %+v", sum, found)
		}
	}
}

// TestFoldAsSource: one layer is a source or a fold, and not both.
func TestFoldAsSource(t *testing.T) {
	s := honest(t)
	dir := t.TempDir()
	if sum, found := s.look(dir); !sum.OK {
		t.Fatalf("%+v", found)
	}
	st := s.again()
	all := st.Layers[0]
	s.incident(st, "lake", "1", check.Final, all.N)
	served := all
	served.Sources = []check.Source{{Incident: "lake", Revision: "1", N: all.N, Root: all.Root}}
	st.Layers = []check.Layer{served}
	for _, in := range []string{"shop", "town"} { // whose sources need not be listed any more
		st.Incident(in).State, st.Incident(in).Superseded = check.Retired, []check.Superseded{}
	}
	s.publish(st)
	if _, found := s.look(dir); !slices.ContainsFunc(found, func(f Finding) bool { return f.Rule == "fold" && strings.Contains(f.What, "as a source and as a fold") }) {
		t.Fatalf("%+v", found)
	}
}

// TestPlantedAgain: who could not be looked up is looked up again, in the newest statement only.
func TestPlantedAgain(t *testing.T) {
	planted := func(expect string) func(*Options) {
		return func(o *Options) { o.Identities = []Identity{{who("left-out", 1), 2, []string{expect}}} }
	}
	t.Run("layers are not given to who has evaluated", func(t *testing.T) {
		s := honest(t)
		dir := t.TempDir()
		evaluated := false
		s.meddle = func(w http.ResponseWriter, r *http.Request) bool {
			evaluated = evaluated || r.URL.Path == "/check/v1/evaluate"
			if evaluated && strings.HasPrefix(r.URL.Path, "/check/v1/layers/") {
				w.WriteHeader(http.StatusServiceUnavailable)
				return true
			}
			return false
		}
		if sum, found := s.look(dir, planted("town")); sum.OK || !slices.Equal(rules(found), []string{"check"}) {
			t.Fatalf("%+v %+v", sum, found)
		}
		s.meddle = nil
		if sum, found := s.look(dir, planted("town")); sum.OK || !slices.Equal(rules(found), []string{"planted"}) {
			t.Fatalf("%+v %+v", sum, found)
		}
	})
	t.Run("the kind is not indexed", func(t *testing.T) {
		s := honest(t)
		st := s.again()
		lake := s.seal("lake", "1", many("lake", 9))
		s.incident(st, "lake", "1", check.Final, 9)
		st.Incident("lake").Counts = map[string]int64{"phone": 9}
		var all []check.Source
		for _, l := range st.Layers {
			all = append(all, l.Sources...)
		}
		set(st, s.serve(append(all, lake)...))
		s.publish(st)
		if sum, found := s.look(t.TempDir(), planted("lake")); sum.OK || !slices.Equal(rules(found), []string{"planted"}) {
			t.Fatalf("%+v %+v", sum, found)
		}
	})
	t.Run("an earlier statement", func(t *testing.T) {
		s := honest(t)
		dir := t.TempDir()
		in := func(o *Options) { o.Identities = []Identity{{who("shop", 5), 2, []string{"shop"}}} }
		if sum, found := s.look(dir, in); !sum.OK {
			t.Fatalf("%+v", found)
		}
		before := s.raw
		st := s.again()
		three := s.seal("shop", "3", many("others", 2150))
		s.incident(st, "shop", "3", check.Final, 2150, append(st.Incident("shop").Superseded, superseded("2", 2150))...)
		var all []check.Source
		for _, l := range st.Layers {
			all = append(all, l.Sources...)
		}
		set(st, s.serve(append(all, three)...))
		s.publish(st)
		n := 0
		s.meddle = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/check/v1/statement" {
				return false
			}
			if n++; n == 1 {
				return false
			}
			w.Write(s.proven(s.hist, before))
			return true
		}
		if sum, found := s.look(dir, in); sum.OK || !slices.Equal(rules(found), []string{"shown"}) {
			t.Fatalf("%+v %+v", sum, found)
		}
		s.meddle = nil
		if sum, found := s.look(dir, in); sum.OK || !slices.Equal(rules(found), []string{"dropped"}) {
			t.Fatalf("%+v %+v", sum, found)
		}
	})
}

// TestNoticesListed: the API lists the ledger's notices, each once and by its name.
func TestNoticesListed(t *testing.T) {
	for name, list := range map[string][]string{
		"one twice":            {"town-v1", "town-v1", "shop-v1"},
		"another name":         {"town-v1", "shop-v1 and what not", "shop-v2"},
		"a number of its own":  {"town-v1", "shop-v01", "shop-v2"},
		"one that is left out": {"town-v1", "shop-v2"},
		"one that is not":      {"town-v1", "shop-v1", "shop-v2", "shop-v3"},
	} {
		s := honest(t)
		s.meddle = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/api/v1/notices" {
				return false
			}
			out := []map[string]any{}
			for _, id := range list {
				out = append(out, map[string]any{"id": id})
			}
			json.NewEncoder(w).Encode(map[string]any{"notices": out})
			return true
		}
		if sum, found := s.look(t.TempDir()); sum.OK || !slices.Equal(rules(found), []string{"api-notice"}) {
			t.Errorf("%s: %+v %+v", name, sum, found)
		}
	}
}

const strictPolicy = "default-src 'none'; script-src 'self'; worker-src 'self'; base-uri 'none'"

// TestPages: whatever a page could run besides its recorded scripts is told.
func TestPages(t *testing.T) {
	const script = `<script src="/assets/check.js" defer></script>`
	for name, page := range map[string]string{
		"src twice":                  `<html data-worker="/assets/check.js"><script src="/assets/evil.js" src="/assets/check.js" defer></script></html>`,
		"another base":               `<html data-worker="/assets/check.js"><base href="https://evil.example/">` + script,
		"a frame of its own":         script + `<iframe srcdoc="&lt;script src=/assets/evil.js>&lt;/script>"></iframe>`,
		"a frame":                    script + `<iframe src="/evil.html"></iframe>`,
		"an object":                  script + `<object data="/evil.html"></object>`,
		"an embed":                   script + `<embed src="/evil.html">`,
		"a refresh":                  `<html><head><meta http-equiv="refresh" content="0;url=/evil">` + script,
		"a script in a drawing":      script + `<svg><title><script>evil()</script></title></svg>`,
		"a style in a drawing":       script + `<svg><style><script>evil()</script></style></svg>`,
		"a link in a drawing":        script + `<svg><a xlink:href="javascript:evil()"><text>x</text></a></svg>`,
		"a use in a drawing":         script + `<svg><use href="/evil.svg#x"></use></svg>`,
		"an animation":               script + `<svg><set attributeName="href" to="javascript:evil()"></set></svg>`,
		"html in a drawing":          script + `<svg><desc><img src=x onerror="evil()"></desc></svg>`,
		"another language":           script + `<math><mtext></mtext></math>`,
		"a worker elsewhere":         `<html><body data-worker="/assets/evil.js">` + script,
		"two workers":                `<html data-worker="/assets/evil.js" data-worker="/assets/check.js">` + script,
		"type twice":                 script + `<script type="text/javascript" type="application/ld+json">evil()</script>`,
		"a script in an address":     script + `<a href="java&#9;script:evil()">x</a>`,
		"a script behind a space":    script + `<a href=" javascript:evil()">x</a>`,
		"a form elsewhere":           script + `<form action="//evil.example/"></form>`,
		"a handler":                  script + `<p onclick="evil()">`,
		"import map":                 script + `<script type="importmap">{}</script>`,
		"preload":                    script + `<link rel="modulepreload" href="/assets/evil.js">`,
		"hidden from who runs it":    script + `<noscript><p title="</noscript><script>evil()</script>"></noscript>`,
		"in a template":              script + `<template><img src=x onerror="evil()"></template>`,
		"a style":                    script + `<style>@import "//evil.example/x.css"</style>`,
		"an inline style":            script + `<p style="background:url(//evil.example/)">`,
		"a script that is no script": `<script src="/assets/evil.js" type="application/ld+json"></script>` + script,
	} {
		s := honest(t)
		s.meddle = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/verify" {
				return false
			}
			w.Header().Set("Content-Security-Policy", strictPolicy)
			io.WriteString(w, "<!doctype html>"+page)
			return true
		}
		if sum, found := s.look(t.TempDir()); sum.OK || !slices.Equal(rules(found), []string{"page-script"}) {
			t.Errorf("%s: %+v %+v", name, sum, found)
		}
	}
	for name, policy := range map[string]string{
		"none":      "",
		"inline":    strings.Replace(strictPolicy, "script-src 'self'", "script-src 'self' 'unsafe-inline'", 1),
		"elsewhere": "script-src https:; " + strictPolicy,
		"elements":  strictPolicy + "; script-src-elem https://evil.example",
		"no base":   strings.Replace(strictPolicy, "; base-uri 'none'", "", 1),
	} {
		s := honest(t)
		s.meddle = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/verify" {
				return false
			}
			w.Header().Set("Content-Security-Policy", policy)
			io.WriteString(w, "<!doctype html>"+script)
			return true
		}
		if sum, found := s.look(t.TempDir()); sum.OK || !slices.Equal(rules(found), []string{"page-script"}) {
			t.Errorf("policy %s: %+v %+v", name, sum, found)
		}
	}
}

// TestOtherPages: every page that a visitor comes by is looked at, in both languages.
func TestOtherPages(t *testing.T) {
	for _, at := range []string{"/", "/verify", "/how", "/incidents", "/incidents/shop", "/incidents/shop/help", "/notices/shop-v2", "/learn", "/?lang=en"} {
		s := honest(t)
		s.meddle = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.RequestURI() != at {
				return false
			}
			w.Header().Set("Content-Security-Policy", strictPolicy)
			io.WriteString(w, `<!doctype html><script src="/assets/evil.js"></script>`)
			return true
		}
		if sum, found := s.look(t.TempDir()); sum.OK || !slices.Equal(rules(found), []string{"page-script"}) {
			t.Errorf("%s: %+v %+v", at, sum, found)
		}
	}
}
