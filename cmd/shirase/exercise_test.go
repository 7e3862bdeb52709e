package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	neturl "net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/check"
	"shirase/internal/collect/fetch"
	"shirase/internal/exercise"
)

// team plays an exercise by the commands that a real one has.
type team struct {
	t     *testing.T
	data  string
	start time.Time
}

// shown is what the exercise's commands print.
type shown struct {
	Exercise  bool                        `json:"exercise"`
	Case      string                      `json:"case"`
	Now       time.Time                   `json:"now"`
	Over      bool                        `json:"over"`
	Ended     bool                        `json:"ended"`
	Events    []map[string]any            `json:"events"`
	Decisions []map[string]any            `json:"decisions"`
	Measures  map[string]exercise.Measure `json:"measures"`
	Unknown   map[string]any              `json:",unknown"`
}

func newTeam(t *testing.T, scenario string) *team {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	x := &team{t: t, data: filepath.Join(t.TempDir(), "drill")}
	s := x.shown("exercise", scenario, "--clock", "manual")
	x.start = s.Now
	return x
}

func (x *team) try(args ...string) (string, int) {
	x.t.Helper()
	var out, errs strings.Builder
	exit := run(x.t.Context(), append(args, "--data", x.data), &out, &errs)
	if exit == exitDone && slices.Contains(args, "--json") { // what is said beside it is none of it
		return out.String(), exit
	}
	return out.String() + errs.String(), exit
}

func (x *team) do(args ...string) string {
	x.t.Helper()
	out, exit := x.try(args...)
	if exit != exitDone {
		x.t.Fatalf("%v: exit %d: %s", args, exit, out)
	}
	return out
}

func (x *team) shown(args ...string) shown {
	x.t.Helper()
	var out, errs strings.Builder
	if exit := run(x.t.Context(), append(args, "--json", "--data", x.data), &out, &errs); exit != exitDone {
		x.t.Fatalf("%v: exit %d: %s", args, exit, errs.String())
	}
	var s shown
	if err := json.Unmarshal([]byte(out.String()), &s); err != nil {
		x.t.Fatalf("%v: %v: %s", args, err, out.String())
	}
	return s
}

// at puts the clock on to a time since the start.
func (x *team) at(since string) {
	x.t.Helper()
	span, _ := exercise.ParseOffset(since)
	now := x.shown("exercise", "status").Now
	if by := x.start.Add(span.Span()).Sub(now); by > 0 {
		x.do("exercise", "next", "--by", exercise.Offset(by).String())
	}
}

// moment is a time since the start, as it is written.
func (x *team) moment(since string) string {
	span, _ := exercise.ParseOffset(since)
	return x.start.Add(span.Span()).Format("2006-01-02T15:04Z07:00")
}

// facts records facts, one a line; {+48m} is a time since the start.
func (x *team) facts(lines ...string) {
	x.t.Helper()
	text := "id: drill\nfacts:\n"
	for _, l := range lines {
		for _, since := range []string{"48m", "9h51m", "1d7h51m", "1d10h51m", "1d11h"} {
			l = strings.ReplaceAll(l, "{+"+since+"}", x.moment(since))
		}
		text += "  - " + l + "\n"
	}
	name := filepath.Join(x.t.TempDir(), "facts.yaml")
	write(x.t, name, text)
	x.do("incident", "add", "--facts", name)
}

// TestExercise plays the model case to its end with two teams that use what a real one would: the first does what can be done, the
// second what is done in a panic. The measures differ as they must, and are those of the case's own record.
func TestExercise(t *testing.T) {
	good := newTeam(t, "naver-2013")
	declare := func(x *team) {
		x.do("case", "declare", "--id", "drill", "--title", "不正アクセス", "--organisation", "例社", "--known", x.moment("0m"), "--illicit", "--regime", "jp-appi")
	}
	declare(good)
	good.do("exercise", "record", "alert")
	good.do("exercise", "answer", "alert", "--option", "cut")
	good.at("48m")
	good.do("exercise", "record", "traces")
	good.facts(`{key: contained, value: "{+48m}"}`, `{key: title, value: {ja: 不正アクセス, en: Unauthorised access}}`, `{key: scope.state, value: investigating}`)
	good.at("3h")
	good.do("exercise", "record", "files")
	good.do("exercise", "answer", "files", "--option", "all", "--text", "the intruder has hashes")
	var promise struct {
		Entry   int64          `json:"entry"`
		Unknown map[string]any `json:",unknown"`
	}
	if err := json.Unmarshal([]byte(good.do("case", "promise", "drill", "--until", good.moment("9h51m"), "--text", "First notice", "--json")), &promise); err != nil {
		t.Fatal(err)
	}
	good.at("9h")
	good.do("case", "promise", "drill", "--id", strconv.FormatInt(promise.Entry, 10), "--kept")
	good.do("exercise", "answer", "second-count", "--option", "later")
	good.do("publish", "drill")
	good.at("20h")
	good.do("exercise", "record", "scope")
	good.at("23h")
	good.do("exercise", "answer", "press", "--option", "facts")
	good.at("1d5h51m")
	good.do("exercise", "record", "publish")
	good.do("exercise", "answer", "publish", "--option", "careful")
	good.do("publish", "drill")
	good.at("1d8h")
	good.do("exercise", "answer", "slip", "--option", "now")
	good.facts(`{key: addendum, id: "1", at: "{+1d7h51m}", value: {ja: 再設定は21時ごろの予定です。, en: The reset opens at about 21:00.}}`,
		`{key: action, id: reset, status: planned, promised: "{+1d10h51m}", qualifier: about, value: {ja: 再設定の機能, en: The reset function}}`)
	good.do("notice", "publish", "drill", "--kind", "addendum")
	good.at("1d11h")
	good.facts(`{key: action, id: reset, status: kept, promised: "{+1d10h51m}", qualifier: about, at: "{+1d11h}", value: {ja: 再設定の機能, en: The reset function}}`)
	good.do("notice", "publish", "drill", "--kind", "addendum")
	good.at("1d14h51m")
	good.do("exercise", "answer", "maintenance", "--text", "we say that it is closed, and until when")
	good.at("4d")
	good.do("exercise", "answer", "regulator", "--option", "sent")
	good.do("case", "done", "drill", "jp-appi-sokuho", "--by", "report 1")
	good.at("6d")
	g := good.shown("exercise", "end")

	bad := newTeam(t, "naver-2013")
	bad.at("9h")
	declare(bad)
	bad.do("exercise", "answer", "alert", "--option", "wait")
	bad.do("exercise", "record", "alert")
	bad.facts(`{key: title, value: {ja: 不正アクセス, en: Unauthorised access}}`, `{key: scope.state, value: investigating}`, `{key: contained, value: "{+9h51m}", certainty: planned}`,
		`{key: affected.count, value: 1720000, unit: accounts, qualifier: exact}`, `{key: action, id: reset, status: planned, promised: "{+9h51m}", value: {ja: 再設定の機能, en: The reset function}}`)
	bad.at("1d12h")
	bad.facts(`{key: contained, value: "{+1d11h}"}`)
	bad.do("publish", "drill")
	bad.at("6d")
	b := bad.shown("exercise", "end")

	want := func(s shown, id string, n int64) {
		t.Helper()
		m := s.Measures[id]
		if m.Own == nil || *m.Own != n {
			t.Errorf("%s is %s and not %d: %+v", id, m.Text("en", m.Own), n, m.Notes)
		}
	}
	minutes := func(s string) int64 { o, _ := exercise.ParseOffset(s); return int64(o.Span() / time.Minute) }
	want(g, "contained", 48)
	want(b, "contained", minutes("1d11h"))
	want(g, "told", minutes("9h"))
	want(b, "told", minutes("1d12h"))
	want(g, "silence", minutes("4d13h")) // from the addendum of 21:09 to the end
	want(b, "silence", minutes("4d12h"))
	want(g, "met", 1)
	want(b, "met", 0)
	want(g, "missed", 0)
	want(b, "missed", 1)
	want(g, "contradictions", 0)
	want(b, "contradictions", 1)
	want(g, "kept", 2)
	want(g, "slipped", 0)
	want(b, "kept", 0)
	want(b, "slipped", 1)
	want(g, "unanswered", 0)
	want(b, "unanswered", 7)
	for name, s := range map[string]shown{"the good": g, "the bad": b} {
		if m := s.Measures["contained"]; m.Real == nil || *m.Real != 48 || m.Of < 5 || m.Median == nil {
			t.Errorf("%s team is beside %+v", name, m)
		}
		if !s.Exercise || !s.Over || !s.Ended || len(s.Events) != 12 || s.Case != "drill" {
			t.Errorf("%s team: %+v", name, s)
		}
	}
	if len(g.Decisions) != 8 || len(b.Decisions) != 1 {
		t.Errorf("%d and %d decisions", len(g.Decisions), len(b.Decisions))
	}
	if out, exit := good.try("exercise", "next"); exit != exitFailed || !strings.Contains(out, "has ended") {
		t.Errorf("exit %d: %s", exit, out)
	}
	fmt.Fprintln(t.Output(), good.do("exercise", "status"))
	notice := good.do("notice", "list", "drill", "--json")
	if shown := good.do("incident", "show", "drill"); !strings.Contains(notice, "drill-v1") || shown == "" {
		t.Error(notice)
	}
}

// TestExerciseServed: every page of an exercise's server says what it is, its programs' answers too; a client refuses its ledger, and
// another instance takes nothing in from there.
func TestExerciseServed(t *testing.T) {
	x := newTeam(t, "naver-2013")
	x.do("case", "declare", "--id", "drill", "--title", "不正アクセス", "--organisation", "例社", "--known", x.moment("0m"), "--illicit")
	x.facts(`{key: scope.state, value: investigating}`, `{key: cause, value: intrusion}`)
	x.do("publish", "drill")
	mark := map[string]string{"ja": "これは訓練のために作った文書です。実際に起きたことではありません。", "en": "This was written for an exercise. Nothing of what it says has happened."}
	_, in := opened(t, x.data)
	notices, err := in.incidents.Notices(t.Context(), "drill")
	if err != nil || len(notices) != 1 {
		t.Fatalf("%d notices, %v", len(notices), err)
	}
	for lang, said := range mark {
		if !strings.Contains(string(notices[0].Data), said) {
			t.Errorf("the bytes that are published do not say it in %s: %s", lang, notices[0].Data)
		}
	}
	in.close()
	url := serveFolder(t, x.data)
	for _, path := range []string{"/", "/incidents", "/incidents/drill", "/incidents/drill/help", "/notices/drill-v1", "/learn", "/verify", "/how", "/services", "/console/sign-in", "/there-is-none"} {
		for _, lang := range []string{"ja", "en"} {
			res, err := http.Get(strings.Replace(url, "127.0.0.1", "localhost", 1) + path + "?lang=" + lang)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(res.Body)
			res.Body.Close()
			body := string(b)
			title, _, _ := strings.Cut(body, "</title>")
			if err != nil || !strings.Contains(body, `<aside class="exercise-mark"`) || !strings.Contains(title, "EXERCISE") || !strings.Contains(body, `class="exercise-mark paper"`) || res.Header.Get("Shirase-Exercise") != "not-real" {
				t.Errorf("%s in %s: %d, %v: %.300s", path, lang, res.StatusCode, err, body)
			}
			if !strings.Contains(body, `<meta name="robots" content="noindex`) {
				t.Errorf("%s in %s is for search engines", path, lang)
			}
			// In the text of the notice, and not only in the page around it.
			if said := strings.ReplaceAll(mark[lang], "'", "&#39;"); path == "/notices/drill-v1" && !strings.Contains(body, said) {
				t.Errorf("the notice does not say in its own text that it is an exercise's: %s", body)
			}
		}
	}
	var out strings.Builder
	if exit := run(t.Context(), []string{"check", "--server", url, "hana@example.com", "--data", filepath.Join(t.TempDir(), "none")}, &out, &out); exit != exitFailed || !strings.Contains(out.String(), check.ErrExercise.Error()) {
		t.Errorf("a stranger's check: exit %d, %s", exit, out.String())
	}
	u, err := neturl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fetch.New(fetch.Options{Allow: allowed(t, u.Host), Pause: -1}).Ask(t.Context(), url+"/feeds/all.atom"); !errors.Is(err, fetch.ErrExercise) {
		t.Errorf("another instance reads a feed of it: %v", err)
	}
	doc := x.do("case", "document", "ppc-sokuho", "drill")
	if !strings.Contains(doc, "訓練 EXERCISE") {
		t.Errorf("a document does not say so: %.400s", doc)
	}
}

// serveFolder serves a data folder until the test has ended, and gives its address.
func serveFolder(t *testing.T, data string) string {
	t.Helper()
	r, w := io.Pipe()
	ctx, end := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"serve", "--listen", "127.0.0.1:0", "--json", "--data", data}, w, io.Discard)
		w.Close()
	}()
	t.Cleanup(func() { end(); <-ended })
	line, err := bufio.NewReader(r).ReadBytes('\n')
	go io.Copy(io.Discard, r)
	var said struct {
		URL     string         `json:"url"`
		Unknown map[string]any `json:",unknown"`
	}
	if err != nil || json.Unmarshal(line, &said) != nil || said.URL == "" {
		t.Fatalf("%v: %s", err, line)
	}
	return said.URL
}
