package chart

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
)

var update = flag.Bool("update", false, "write the golden drawings anew")

func at(t testing.TB, s string) incident.Moment {
	t.Helper()
	m, err := incident.ParseMoment(s, time.FixedZone("", 9*60*60))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// model is the model case in small: a promise that slipped, one that was kept, and a lifting two weeks later.
func model(t testing.TB, lang language.Lang) Timeline {
	return Timeline{Lang: lang, Name: "NAVER", WindowName: lang.Pick("不正アクセスの痕跡", "Traces of the intrusion"),
		Start: at(t, "2013-07-17T20:51"), End: at(t, "2013-07-18T10:57"),
		Events: []Event{{At: at(t, "2013-07-18T10:09"), What: lang.Pick("発見", "Discovered"), Key: true},
			{At: at(t, "2013-07-18T10:57"), What: lang.Pick("遮断", "Contained"), Key: true},
			{At: at(t, "2013-07-19"), What: lang.Pick("公表", "Made public"), Lane: Told, Key: true},
			{At: at(t, "2013-07-19T18:30"), What: lang.Pick("追記1", "Addendum 1"), Lane: Told},
			{At: at(t, "2013-08-02T15:00"), What: lang.Pick("必須の再設定を解除", "Forced reset lifted"), Key: true}},
		Promises: []Promise{{What: lang.Pick("再設定機能の設置", "The reset function"), For: at(t, "2013-07-19T18:00"), Outcome: Slipped, Known: at(t, "2013-07-19T18:30")},
			{What: lang.Pick("再設定機能の設置", "The reset function"), For: at(t, "2013-07-19T21:00"), About: true, Outcome: Kept, Done: at(t, "2013-07-19T21:09")}}}
}

// golden compares a drawing with the one that was looked at.
func golden(t *testing.T, name string, c Chart) {
	t.Helper()
	file := filepath.Join("testdata", name+".svg")
	got := strings.ReplaceAll(string(c.SVG(name)), "><", ">\n<") + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is drawn differently; look at it, then go test ./internal/incident/chart -update", name)
	}
}

// sound holds what is true of every drawing: well-formed, within its frame, no text on another, one image with a name
// and a description, nothing inline.
func sound(t *testing.T, c Chart) {
	t.Helper()
	svg := string(c.SVG("x"))
	dec := xml.NewDecoder(strings.NewReader("<div>" + svg + "</div>"))
	for {
		token, err := dec.Token()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("not well-formed: %v\n%.2000s", err, svg)
		}
		e, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if !slices.Contains([]string{"div", "svg", "title", "desc", "text", "line", "rect", "circle", "path"}, e.Name.Local) {
			t.Errorf("an element %s", e.Name.Local)
		}
		for _, a := range e.Attr {
			if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "style" || a.Name.Local == "href" || strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
				t.Errorf("an attribute %s=%q", a.Name.Local, a.Value)
			}
		}
	}
	for _, d := range c.drawings {
		if !strings.Contains(svg, `aria-labelledby="x-`+d.name+`-title x-`+d.name+`-desc"`) || strings.Count(svg, `role="img"`) != len(c.drawings) {
			t.Errorf("%s has no name or no role", d.name)
		}
		for n, a := range d.texts {
			if a.x0 < -.5 || a.x1 > d.width+.5 || a.y0 < -.5 || a.y1 > d.height+.5 {
				t.Errorf("%s: %q sticks out: %+v of %.0f x %.0f", d.name, a.text, a, d.width, d.height)
			}
			for _, b := range d.texts[n+1:] {
				if a.x0 < b.x1 && b.x0 < a.x1 && a.y0 < b.y1 && b.y0 < a.y1 {
					t.Errorf("%s: %q lies on %q: %+v %+v", d.name, a.text, b.text, a, b)
				}
			}
		}
	}
}

func TestTimeline(t *testing.T) {
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, lang := range []language.Lang{language.JA, language.EN} {
		c := model(t, lang).Chart()
		sound(t, c)
		golden(t, "timeline-"+string(lang), c)
	}
}

// TestModelCase draws the real one: its times to the minute, its addenda and the promise that slipped are in it.
func TestModelCase(t *testing.T) {
	file, err := incident.ParseFactsFile("naver-2013.yaml", incident.ModelCase())
	if err != nil {
		t.Fatal(err)
	}
	c := OfIncident(language.JA, incident.Incident{ID: file.ID, Facts: file.Facts}).Chart()
	sound(t, c)
	svg := string(c.SVG("x"))
	for _, want := range []string{"10:09", "10:57", "20:51", "20:00", "追記4", "21:09", "8月2日", "12日</text>", `class="slipped"`, "予告"} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %s in the drawing", want)
		}
	}
}

// TestTimelineTable holds that the table says what the drawing shows, and the CSV what the table says.
func TestTimelineTable(t *testing.T) {
	tl := model(t, language.EN)
	c := tl.Chart()
	if len(c.Table.Rows) != 1+len(tl.Events)+len(tl.Promises) {
		t.Fatalf("%d rows", len(c.Table.Rows))
	}
	var out bytes.Buffer
	if err := c.Table.CSV(&out); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil || len(rows) != len(c.Table.Rows)+1 {
		t.Fatalf("%v %v", err, rows)
	}
	if rows[1][0] != "2013-07-17T20:51+09:00" || rows[1][1] != "2013-07-18T10:57+09:00" {
		t.Errorf("first row %q", rows[1])
	}
	all := out.String() + strings.Join(strings.Fields(fmt.Sprint(rows)), " ")
	for _, want := range []string{"Discovered", "Contained", "Made public", "Addendum 1", "Forced reset lifted", "not done as promised", "done 19 July 2013, 21:09"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in the table", want)
		}
	}
}

func TestHarmless(t *testing.T) {
	table := Table{Columns: []Column{{Head: "a"}, {Head: "b", Number: true}}, Rows: [][]Cell{{{Text: "=1+1"}, {Text: "-3", Machine: "-3"}}}}
	var out bytes.Buffer
	if err := table.CSV(&out); err != nil || out.String() != "a,b\r\n'=1+1,-3\r\n" {
		t.Errorf("%q %v", out.String(), err)
	}
}

// randomTimeline is any timeline: spread over minutes or decades, known to the minute or the year, with long texts.
func randomTimeline(r *rand.Rand, lang language.Lang) Timeline {
	base := time.Date(2000+r.IntN(25), time.Month(1+r.IntN(12)), 1+r.IntN(28), r.IntN(24), r.IntN(60), 0, 0, time.FixedZone("", (r.IntN(27)-13)*3600))
	spread := []time.Duration{time.Minute, time.Hour, 24 * time.Hour, 30 * 24 * time.Hour, 3650 * 24 * time.Hour}[r.IntN(5)]
	moment := func() incident.Moment {
		d := time.Duration(r.Int64N(int64(spread) + 1))
		if r.IntN(5) == 0 {
			d *= time.Duration(1 + r.IntN(40))
		}
		m := incident.Moment{Time: base.Add(d).Truncate(time.Minute), Precision: incident.Precision(1 + r.IntN(5))}
		parsed, err := incident.ParseMoment(m.String(), nil) // to the start of its span
		if err != nil {
			panic(err)
		}
		return parsed
	}
	text := func() string {
		s := []string{"パスワード再設定機能の設置とサービスの再開", "Wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww", "a", "発見", "Notification of every person concerned by post and mail",
			"<script>alert(1)</script>", "\u202e反転", strings.Repeat("長", 400)}
		return s[r.IntN(len(s))]
	}
	t := Timeline{Lang: lang, Name: text(), WindowName: text()}
	if r.IntN(3) > 0 {
		t.Start = moment()
	}
	if r.IntN(3) > 0 {
		t.End = moment()
	}
	for range r.IntN(14) {
		t.Events = append(t.Events, Event{moment(), r.IntN(3) == 0, text(), Lane(r.IntN(2)), r.IntN(2) == 0})
	}
	for range r.IntN(6) {
		p := Promise{What: text(), For: moment(), About: r.IntN(3) == 0, Outcome: Outcome(r.IntN(3)), Known: moment()}
		if r.IntN(2) == 0 {
			p.Done = moment()
		}
		t.Promises = append(t.Promises, p)
	}
	return t
}

// TestTimelineLabels holds over random timelines that no label lies on another or outside.
func TestTimelineLabels(t *testing.T) {
	for seed := range uint64(1500) {
		r := rand.New(rand.NewPCG(seed, 7))
		c := randomTimeline(r, []language.Lang{language.JA, language.EN}[seed%2]).Chart()
		sound(t, c)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// FuzzTimeline draws texts of others: whatever they hold, the page stays whole.
func FuzzTimeline(f *testing.F) {
	f.Add("title", "発見", "予告", int64(60), int64(100000))
	f.Add("</svg><script>alert(1)</script>", `" onload="x`, "\x00\u202e\ufeff]]>&", int64(-1), int64(1<<40))
	f.Fuzz(func(t *testing.T, name, what, promise string, a, b int64) {
		limit := int64(4e10) // beyond the year 3000 a time has no form
		base := time.Date(2013, 7, 18, 10, 9, 0, 0, time.UTC)
		one := incident.Moment{Time: base.Add(time.Duration(a%limit) * time.Second).Truncate(time.Minute), Precision: incident.Minute}
		two := incident.Moment{Time: base.Add(time.Duration(b%limit/4) * time.Second).Truncate(time.Minute), Precision: incident.Minute}
		c := Timeline{Lang: language.EN, Name: name, WindowName: what, Start: one, End: two,
			Events:   []Event{{At: one, What: what}, {At: two, What: name, Lane: Told}, {At: at(t, "2013-07-19"), What: promise}},
			Promises: []Promise{{What: promise, For: two, Outcome: Slipped, Done: one}}}.Chart()
		sound(t, c)
		if n := len(c.SVG("x")); n > 1<<20 {
			t.Errorf("%d bytes", n)
		}
	})
}
