package main

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"shirase/check"
	"shirase/internal/exercise"
	"shirase/internal/incident"
	"shirase/internal/outward"
	"shirase/internal/publish"
)

// TestDecoy: what is published with a second incident is measured as what is published with the first, and a clock that was taken away is not
// begun anew over what was played.
func TestDecoy(t *testing.T) {
	x := newTeam(t, "naver-2013")
	x.at("1h")
	x.do("case", "declare", "--id", "a0", "--title", "囮", "--organisation", "例社", "--known", x.moment("0m"))
	facts := filepath.Join(t.TempDir(), "facts.yaml")
	write(t, facts, "id: wrong\nfacts:\n  - {key: title, value: {ja: 不正アクセス, en: Unauthorised access}}\n  - {key: scope.state, value: investigating}\n  - {key: contained, value: \""+x.moment("10m")+"\", certainty: confirmed}\n  - {key: affected.count, value: 99, unit: accounts, qualifier: exact}\n")
	x.do("case", "declare", "--id", "wrong", "--title", "不正アクセス", "--organisation", "例社", "--known", x.moment("0m"))
	x.do("incident", "add", "--facts", facts)
	x.do("publish", "wrong")
	var b map[string]any
	if err := json.Unmarshal([]byte(x.do("case", "board", "a0", "--json")), &b); err != nil {
		t.Fatal(err)
	}
	if s := fmt.Sprint(b); !strings.Contains(s, x.start.Format("2006-01-02")) || strings.Contains(s, time.Now().In(incident.Japan).Format("2006-01-02")) {
		t.Errorf("the board is as of %s", s)
	}
	x.at("6d")
	s := x.shown("exercise", "status")
	if s.Case != "a0" || *s.Measures["contradictions"].Own < 1 || s.Measures["told"].Own == nil || !strings.Contains(fmt.Sprint(s.Measures["contradictions"].Notes), "(wrong)") {
		t.Errorf("%s: %+v, %+v", s.Case, s.Measures["contradictions"], s.Measures["told"])
	}
	if err := os.Remove(filepath.Join(x.data, "exercise.json")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"exercise", "naver-2013"}, {"exercise", "status"}, {"case", "list"}, {"exercise", "naver-2013"}} {
		if out, exit := x.try(args...); exit != exitFailed || !strings.Contains(out, exercise.ErrClock.Error()) {
			t.Errorf("%v without a clock: exit %d, %s", args, exit, out)
		}
	}
	for _, speed := range []string{"NaN", "5000", "-100", "0", "Inf"} {
		data := filepath.Join(t.TempDir(), "x")
		var out strings.Builder
		if exit := run(t.Context(), []string{"exercise", "naver-2013", "--speed=" + speed, "--data", data}, &out, &out); exit == exitDone {
			t.Errorf("--speed %s: %s", speed, out.String())
		}
		if _, err := os.Stat(data); err == nil {
			t.Errorf("--speed %s is refused when the folder is made", speed)
		}
	}
}

// TestMarked: whatever of an exercise is handed on says that it is one.
func TestMarked(t *testing.T) {
	x := newTeam(t, "naver-2013")
	x.at("1h")
	x.do("case", "declare", "--id", "drill", "--title", "不正アクセス", "--organisation", "例社", "--known", x.moment("0m"), "--regime", "jp-appi")
	x.facts(`{key: title, value: {ja: 不正アクセス, en: Unauthorised access}}`, `{key: scope.state, value: investigating}`, `{key: contained, value: "{+48m}"}`)
	for _, kind := range append(documentKinds(), "notice") {
		if out := x.do("case", "document", kind, "drill"); !strings.Contains(strings.SplitN(out, "\n", 2)[0], "EXERCISE") {
			t.Errorf("%s begins with %.80s", kind, out)
		}
	}
	x.do("publish", "drill")
	x.facts(`{key: action, id: reset, status: planned, promised: "{+9h51m}", value: {ja: 再設定の機能, en: The reset function}}`)
	// Data: each form says so, and a real instance takes none of it.
	real := &team{t: t, data: filepath.Join(t.TempDir(), "real"), start: x.start}
	real.do("init")
	for _, format := range []string{"json", "csv", "veris"} {
		name := filepath.Join(t.TempDir(), "out."+format)
		x.do("incident", "export", "--format", format, "--out", name, "drill")
		b, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(b), "exercise") {
			t.Errorf("%s: %v: %.300s", format, err, b)
		}
		if out, _ := real.try("incident", "import", name); !strings.Contains(out, "nothing of it is real") {
			t.Errorf("a real instance reads %s: %s", format, out)
		}
		if out, exit := real.try("incident", "show", "drill"); exit != exitFailed {
			t.Errorf("a real instance has taken %s in: %s", format, out)
		}
		if format == "csv" {
			if first := strings.SplitN(string(b), "\n", 3); !strings.HasSuffix(first[0], ",exercise") || !strings.HasSuffix(first[1], ",yes") {
				t.Error(first[:2])
			}
		}
	}
	// A calendar, in each of its texts.
	calendar := filepath.Join(t.TempDir(), "x.ics")
	x.do("case", "clocks", "drill", "--calendar", calendar)
	b, err := os.ReadFile(calendar)
	ics := strings.ReplaceAll(string(b), "\r\n ", "")
	if err != nil || !strings.Contains(ics, "BEGIN:VALARM") || !strings.Contains(ics, "UID:jp-appi-sokuho.drill@exercise.invalid.naver-2013.") {
		t.Errorf("%v: %s", err, ics)
	}
	for line := range strings.Lines(ics) {
		if name, _, _ := strings.Cut(line, ":"); (name == "SUMMARY" || name == "DESCRIPTION" || name == "X-WR-CALNAME") && !strings.Contains(line, "EXERCISE") {
			t.Error(line)
		}
	}
	// Whatever command is asked, in words and as data.
	for _, args := range [][]string{{"case", "show", "drill"}, {"case", "board", "drill"}, {"case", "next", "drill"}, {"case", "clocks", "drill"}, {"case", "closing", "drill"}, {"incident", "show", "drill"}, {"gate", "status"}, {"notice", "draft", "drill", "--kind", "addendum"}, {"check", "hana@example.com"}} {
		if out := x.do(args...); !strings.Contains(out, "EXERCISE") {
			t.Errorf("%v: %s", args, out)
		}
		var out, errs strings.Builder
		if exit := run(t.Context(), append(args, "--json", "--data", x.data), &out, &errs); exit != exitDone || !strings.Contains(out.String(), `"exercise":true`) || !strings.Contains(errs.String(), "EXERCISE") || strings.Count(out.String(), `"exercise":`) != 1 {
			t.Errorf("%v as JSON: exit %d, %.200s, %s", args, exit, out.String(), errs.String())
		}
		var answer map[string]any
		if err := json.Unmarshal([]byte(out.String()), &answer); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
	// A stranger who states the key of its ledger is told all the same.
	url := serveFolder(t, x.data)
	saved := filepath.Join(t.TempDir(), "answer.json")
	key, err := os.ReadFile(filepath.Join(x.data+"-keys", ledgerKey))
	if err != nil {
		t.Fatal(err)
	}
	vkey, err := publish.LedgerVKey(string(key))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if exit := run(t.Context(), []string{"check", "--server", url, "--ledger-key", vkey, "--lang", "en", "--save", saved, "hana@example.com"}, &out, &out); exit != exitDone || !strings.Contains(out.String(), "an answer of an exercise") {
		t.Errorf("exit %d: %s", exit, out.String())
	}
	for path, want := range map[string]string{"/api/v1/incidents": `{"exercise":true,`, "/api/v1/incidents/drill": `{"exercise":true,`, "/api/v1": `{"exercise":true,`, "/api/v1/notices/drill-v1": `{"exercise":true,`,
		"/api/v1/export.csv": ",exercise\n", "/api/v1/export.json": `"exercise":true`, "/feeds/atom.xml": "<title>【訓練 EXERCISE】", "/feeds/feed.json?lang=en": `"title":"[EXERCISE 訓練] `} {
		res, err := http.Get(strings.Replace(url, "127.0.0.1", "localhost", 1) + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(b), want) {
			t.Errorf("%s: %d, %v: %.300s", path, res.StatusCode, err, b)
		}
		if strings.HasPrefix(path, "/feeds/atom") {
			for _, part := range regexp.MustCompile(`<(title|name|summary)[^>]*>[^<]*`).FindAllString(string(b), -1) {
				if !strings.Contains(part, "EXERCISE") {
					t.Errorf("%s: %s", path, part)
				}
			}
		}
	}
	// No witness vouches for it.
	if out, exit := real.try("witness", "--log", vkey); exit == exitDone || !strings.Contains(out, check.ErrExercise.Error()) {
		t.Errorf("a witness takes it: %s", out)
	}
	if out, exit := x.try("witness"); exit == exitDone || !strings.Contains(out, errKind.Error()) {
		t.Errorf("a witness of an exercise: %s", out)
	}
	for _, args := range [][]string{{"case", "document", "addendum", "drill"}, {"notice", "draft", "drill", "--kind", "addendum"}} {
		if out := x.do(args...); !strings.Contains(strings.SplitN(out, "\n", 2)[0], "EXERCISE") {
			t.Errorf("%v begins with %.80s", args, out)
		}
	}
	x.filesMarked()
}

// filesMarked: what leaves a case as a file says that it is an exercise's in its own bytes, what is kept of it and the certificate of its end too.
func (x *team) filesMarked() {
	x.t.Helper()
	dir := x.t.TempDir()
	read := func(name string) string { return string(must(os.ReadFile(filepath.Join(dir, name)))(x.t)) }
	archive := filepath.Join(dir, "case.zip")
	x.do("case", "export", "drill", archive)
	z, err := zip.OpenReader(archive)
	if err != nil {
		x.t.Fatal(err)
	}
	defer z.Close()
	for name, want := range map[string]string{"EXERCISE.txt": "EXERCISE 訓練", "case.txt": "EXERCISE 訓練", "names.json": `{"exercise":true`} {
		f, err := z.Open(name)
		if err != nil {
			x.t.Fatal(err)
		}
		if b, err := io.ReadAll(f); err != nil || !strings.HasPrefix(string(b), want) {
			x.t.Errorf("%s of the export begins with %.80s, %v", name, b, err)
		}
		f.Close()
	}
	x.do("case", "verify", archive)
	if first := strings.SplitN(x.doOut("enquiry", "export", "drill"), "\n", 2)[0]; !strings.HasSuffix(first, ",exercise") {
		x.t.Errorf("the queue's columns: %s", first)
	}
	x.do("case", "retained", "drill", "--out", filepath.Join(dir, "kept.json"))
	x.do("case", "close", "drill", "--why", "it is over", "--despite", "a rehearsal")
	if out := x.doOut("case", "veris", "drill"); !strings.Contains(out, `"exercise":true`) {
		x.t.Errorf("veris: %s", out)
	}
	x.do("scope", "shred", "drill")
	x.do("case", "certificate", "drill", "--out", filepath.Join(dir, "end.json"))
	for _, name := range []string{"kept.json", "end.json"} {
		if b := read(name); !strings.Contains(b, `"exercise":true`) {
			x.t.Errorf("%s: %.200s", name, b)
		}
	}
	for _, what := range []string{"retained", "certificate"} { // which has the mark deeper too
		if out := x.doOut("case", what, "drill", "--json"); !strings.HasPrefix(out, `{"exercise":true,`) {
			x.t.Errorf("%s: %.200s", what, out)
		}
	}
}

// doOut gives what a command writes where its output is led into a file.
func (x *team) doOut(args ...string) string {
	x.t.Helper()
	var out, errs strings.Builder
	if exit := run(x.t.Context(), append(args, "--data", x.data), &out, &errs); exit != exitDone {
		x.t.Fatalf("%v: exit %d: %s", args, exit, errs.String())
	}
	return out.String()
}

// TestAskedFrom: an exercise's folder asks no server that somebody names, and nobody there hears of it.
func TestAskedFrom(t *testing.T) {
	x := newTeam(t, "naver-2013")
	var came atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { came.Add(1); http.NotFound(w, nil) }))
	t.Cleanup(s.Close)
	saved := filepath.Join(t.TempDir(), "answer.json")
	write(t, saved, "{}")
	for _, args := range [][]string{{"check", "--server", s.URL, "hana@example.com"}, {"verify", saved, "--server", s.URL}} {
		if out, exit := x.try(args...); exit == exitDone || !strings.Contains(out, outward.ErrShut.Error()) || !strings.Contains(out, "hint: ") {
			t.Errorf("%v: exit %d, %s", args, exit, out)
		}
	}
	if n := came.Load(); n != 0 {
		t.Errorf("%d questions of an exercise came", n)
	}
	if out, _ := x.try("check", "hana@example.com"); !strings.Contains(out, "nothing-published") { // its own index is asked as before
		t.Errorf("of its own index: %s", out)
	}
	real := &team{t: t, data: filepath.Join(t.TempDir(), "real"), start: x.start}
	if real.try("check", "--server", s.URL, "hana@example.com"); came.Load() == 0 {
		t.Error("nobody came from elsewhere either: the test would see nothing of an exercise's")
	}
}
