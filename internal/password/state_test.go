package password

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// unanswered wants every door of a mode's corpus closed, by name.
func (b *bed) unanswered(m Mode, code string, want error) {
	b.Helper()
	mode := m.String()
	problem := func(what string, res *http.Response) {
		b.Helper()
		text := body(b, res)
		if res.StatusCode != 503 || res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("Content-Type") != "application/problem+json" ||
			res.Header.Get("ETag") != "" || res.Header.Get("Last-Modified") != "" || res.Header.Get("Content-Encoding") != "" ||
			res.Request == nil && text != "" && !strings.Contains(text, `"/problems/`+code+`"`) {
			b.Errorf("%s: %d, %v, %s", what, res.StatusCode, res.Header, text)
		}
	}
	for _, head := range [][]string{nil, {"Add-Padding", "true"}, {"If-None-Match", "*"}, {"If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"}, {"Accept-Encoding", "gzip"}} {
		res := b.do("GET", "/range/21BD1?mode="+mode, head...)
		if res.Header.Get("Access-Control-Allow-Origin") != "*" {
			b.Error("a page of another origin cannot read why there is no answer")
		}
		problem(fmt.Sprint("range ", head), res)
	}
	problem("HEAD", b.do("HEAD", "/range/21BD1?mode="+mode))
	problem("top", b.do("GET", "/password/v1/top?mode="+mode))
	problem("filter", b.do("GET", "/password/v1/filter?mode="+mode))
	digits := strings.Repeat("0", 2*m.Size())
	for path, in := range map[string]string{
		"/password/v1/check":  `{"mode":"` + mode + `","hashes":["` + digits + `"]}`,
		"/password/v1/screen": `{"mode":"` + mode + `","prefixes":["21BD1"]}`,
	} {
		r := httptest.NewRequest("POST", path, strings.NewReader(in))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		b.h.ServeHTTP(w, r)
		problem(path, w.Result())
	}
	c := b.c.Corpus(m)
	if n, err := c.Count(make([]byte, m.Size())); n != 0 || !errors.Is(err, want) {
		b.Error("count:", n, err)
	}
	if reasons, err := (Screen{Count: c.Count, Mode: m}).Check("kx7-Trombone-Lagoon"); !errors.Is(err, want) {
		b.Error("screen:", reasons, err)
	}
	if _, err := c.Top(b.Context(), 3); !errors.Is(err, want) {
		b.Error("top:", err)
	}
	if err := b.c.BuildFilter(b.Context(), m); !errors.Is(err, want) {
		b.Error("filter:", err)
	}
	server := httptest.NewServer(b.h)
	defer server.Close()
	remote, err := NewRemote(server.URL, m)
	if err != nil {
		b.Fatal(err)
	}
	if err := remote.Prepare(b.Context(), "kx7-Trombone-Lagoon"); !errors.Is(err, want) || !errors.Is(err, ErrAnswer) {
		b.Error("through a server:", err)
	}
}

// again opens the folder anew, as a server that is started.
func (b *bed) again() {
	b.c = open(b.T, b.c.root, 0)
	b.h = Handler(b.c, nil)
}

func TestNoCorpus(t *testing.T) {
	b := &bed{T: t, c: open(t, t.TempDir(), 0)}
	b.h = Handler(b.c, nil)
	for _, m := range Modes {
		b.unanswered(m, "no-corpus", ErrNone)
		if _, err := b.c.Corpus(m).Verify(t.Context(), nil); !errors.Is(err, ErrNone) {
			t.Error("verify:", err)
		}
	}
	put(t, b.c, SHA1, Replace, random(rand.New(rand.NewPCG(1, 2)), SHA1, 100))
	b.unanswered(NTLM, "no-corpus", ErrNone) // what one mode has says nothing of the other
	if res := b.do("GET", "/range/21BD1"); res.StatusCode != 200 {
		t.Error(res.StatusCode)
	}
	b.again()
	b.unanswered(NTLM, "no-corpus", ErrNone)
}

// TestLost takes files of a corpus away, as a restore in part would: nothing is answered,
// verify names each, and no change makes it worse.
func TestLost(t *testing.T) {
	records := random(rand.New(rand.NewPCG(1, 2)), SHA1, 3000)
	for name, do := range map[string]func(pointer string, segments []string) (named []string){
		"the pointer is gone":            func(p string, s []string) []string { os.Remove(p); return append(slices.Clone(s), "current") },
		"the pointer is empty":           func(p string, s []string) []string { os.Truncate(p, 0); return append(slices.Clone(s), "current") },
		"the pointer is of another time": func(p string, s []string) []string { os.WriteFile(p, []byte("{}\n"), 0o600); return s },
		"a segment is gone":              func(_ string, s []string) []string { os.Remove(s[1]); return s[1:2] },
		"all segments are gone": func(_ string, s []string) []string {
			for _, name := range s {
				os.Remove(name)
			}
			return s
		},
		"two segments are cut short": func(_ string, s []string) []string {
			os.Truncate(s[0], 700)
			os.Truncate(s[2], 0)
			return []string{s[0], s[2]}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := &bed{T: t, c: open(t, t.TempDir(), 500)}
			put(t, b.c, SHA1, Replace, records)
			segments, err := filepath.Glob(filepath.Join(b.c.root, "sha1", "*.seg"))
			if err != nil || len(segments) < 4 {
				t.Fatal(len(segments), err)
			}
			whole := map[string][]byte{}
			pointer := filepath.Join(b.c.root, "sha1", "current")
			for _, name := range append([]string{pointer}, segments...) {
				if whole[name], err = os.ReadFile(name); err != nil {
					t.Fatal(err)
				}
			}
			running := b.c
			named := do(pointer, segments)
			running.Corpus(SHA1).Refresh()
			if n, err := running.Corpus(SHA1).Count([]byte(records[9].hash)); err != nil || n != records[9].count {
				t.Error("a server that has the files open does not go on: ", n, err)
			}
			b.again()
			b.unanswered(SHA1, "damaged-corpus", ErrDamaged)
			_, err = b.c.Corpus(SHA1).Verify(t.Context(), nil)
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			for _, name := range named {
				if !strings.Contains(err.Error(), "sha1/"+filepath.Base(name)) {
					t.Errorf("verify does not name %s: %v", filepath.Base(name), err)
				}
			}
			if _, err := b.c.Import(t.Context(), bytes.NewReader(text(records)), 0, ImportOptions{Mode: SHA1, Format: FormatOrdered}); !errors.Is(err, ErrDamaged) {
				t.Error("an import goes on over it: ", err)
			}
			for name, bytes := range whole { // the backup, all of it
				if err := os.WriteFile(name, bytes, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.c.Corpus(SHA1).Refresh(); err != nil {
				t.Fatal(err)
			}
			if n, err := b.c.Corpus(SHA1).Count([]byte(records[9].hash)); err != nil || n != records[9].count {
				t.Fatal(n, err)
			}
			if res := b.do("GET", "/range/21BD1"); res.StatusCode != 200 {
				t.Fatal(res.StatusCode)
			}
		})
	}
}

// TestRotten finds a flipped bit in a block when it is asked about, and then does not answer.
func TestRotten(t *testing.T) {
	b := newBed(t)
	segments, _ := filepath.Glob(filepath.Join(b.c.root, "sha1", "*.seg"))
	data, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := segmentHeader; i < len(data)-8; i++ {
		data[i] ^= 1
	}
	if err := os.WriteFile(segments[0], data, 0o600); err != nil { // the same file, as the mapping has it
		t.Fatal(err)
	}
	res := b.do("GET", "/range/21BD1")
	if text := body(t, res); res.StatusCode != 503 || !strings.Contains(text, "damaged-corpus") || res.Header.Get("Cache-Control") != "no-store" {
		t.Fatal(res.StatusCode, text)
	}
}

// TestBegun is a first import that never ended: it left segments, and is no lost corpus.
func TestBegun(t *testing.T) {
	c := open(t, t.TempDir(), 200)
	w, err := c.write(t.Context(), SHA1, Replace)
	if err != nil {
		t.Fatal(err)
	}
	records := random(rand.New(rand.NewPCG(1, 2)), SHA1, 3000)
	for _, r := range records {
		if err := w.add([]byte(r.hash), r.count); err != nil {
			t.Fatal(err)
		}
	}
	w.close()
	c = open(t, c.root, 200)
	if v, err := c.Corpus(SHA1).Verify(t.Context(), nil); !errors.Is(err, ErrNone) || len(v.Unnamed) == 0 {
		t.Fatal(v, err)
	}
	if _, err := c.Corpus(SHA1).Count([]byte(records[0].hash)); !errors.Is(err, ErrNone) {
		t.Fatal(err)
	}
	bring(t, c, Replace, records)
	if v, err := c.Corpus(SHA1).Verify(t.Context(), nil); err != nil || len(v.Unnamed) != 0 {
		t.Fatal(v, err)
	}
}

// TestRemoteAnswers gives a client of a screening what a server, or what is between, may give: only an answer that is whole is one.
func TestRemoteAnswers(t *testing.T) {
	b := newBed(t)
	lines := func(n int) string {
		return strings.Repeat(strings.Repeat("A", 35)+`:0\r\n`, n-1) + strings.Repeat("B", 35) + ":0"
	}
	answer := func(ranges ...string) string {
		return `{"mode":"sha1","generation":1,"minLength":8,"ranges":["` + strings.Join(append([]string{lines(800)}, ranges...), `","`) + `"]}`
	}
	const asked = 3 // ranges, of the password below
	for name, c := range map[string]struct {
		status int
		body   string
		ok     bool
	}{
		"whole":             {200, answer(lines(800), lines(800)), true},
		"empty ranges":      {200, answer("", ""), false},
		"one empty range":   {200, answer(lines(800), ""), false},
		"cut short":         {200, answer(lines(800), lines(799)), false},
		"too few ranges":    {200, answer(lines(800)), false},
		"lines of NTLM":     {200, answer(lines(800), strings.Repeat(strings.Repeat("A", 27)+`:0\r\n`, 900)+strings.Repeat("A", 27)+":0"), false},
		"no counts":         {200, answer(lines(800), strings.ReplaceAll(lines(900), ":0", ":")), false},
		"another mode":      {200, strings.Replace(answer(lines(800), lines(800)), "sha1", "ntlm", 1), false},
		"empty":             {200, "", false},
		"a page":            {200, "<html>", false},
		"no content":        {204, "", false},
		"not found":         {404, "", false},
		"an empty object":   {200, "{}", false},
		"a redirect":        {302, "", false},
		"an error's object": {200, `{"type":"/problems/no-corpus","status":503}`, false},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(c.status)
			if c.status != 204 {
				w.Write([]byte(c.body))
			}
		}))
		remote, err := NewRemote(server.URL, SHA1)
		if err != nil {
			t.Fatal(err)
		}
		err = remote.Prepare(t.Context(), "Trombone9")
		if len(remote.asked) != asked {
			t.Fatalf("the password has %d ranges: write another test", len(remote.asked))
		}
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrAnswer) {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
	}
	// Lower case is not another hash.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		b.h.ServeHTTP(rec, r)
		text := rec.Body.String()
		at := strings.Index(text, `"ranges"`)
		w.Write([]byte(text[:at] + strings.ReplaceAll(strings.ToLower(text[at:]), "u000d", "u000D")))
	}))
	defer server.Close()
	remote, err := NewRemote(server.URL, SHA1)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Prepare(t.Context(), "P@ssw0rd"); err != nil {
		t.Fatal(err)
	}
	if got, err := (Screen{Count: remote.Count}).Check("P@ssw0rd"); err != nil || !slices.Equal(codesOf(got), []string{"breached"}) {
		t.Error(got, err)
	}
}

// FuzzManifest reads manifests whose checksum is right: whatever they say, they are refused or can be used.
func FuzzManifest(f *testing.F) {
	c := open(f, f.TempDir(), 2)
	put(f, c, SHA1, Replace, random(rand.New(rand.NewPCG(1, 9)), SHA1, 9))
	m := c.Corpus(SHA1).current.Load().manifest
	m.Missing, m.Imports = spans{{1, 5}, {9, 20}}, []imported{{ID: 1, Took: m.Segments, Old: &former{Segments: m.Segments}}}
	m.Upstreams = []upstream{{Origin: strings.Repeat("0", 16), Tags: strings.Repeat("01", tagDigits*ranges/syncGroup/2), Skipped: m.Missing}}
	b, err := m.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"v":2,"mode":"sha1","segments":[{"from":0,"to":1048576,"sha256":""}],"imports":[{"id":1,"old":{"imports":[{"old":{}}]}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		body, _, _ := bytes.Cut(b, []byte{'\n'})
		body = append(bytes.Clone(body), '\n')
		sum := sha256.Sum256(body)
		m, err := parseManifest(SHA1, append(hex.AppendEncode(body, sum[:]), '\n'))
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNewer) {
				t.Fatal(err)
			}
			return
		}
		for name := range m.files(SHA1) {
			if !strings.HasPrefix(name, "sha1/") || strings.Contains(name, "..") {
				t.Fatalf("a manifest names %q", name)
			}
		}
		if m.Missing.size() > ranges {
			t.Fatal(m.Missing)
		}
	})
}
