package exercise

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/archive"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/law"
	"shirase/internal/response"
)

func ship(t testing.TB, id string) *Scenario {
	t.Helper()
	src, err := Ship(id)
	if err != nil {
		t.Fatal(err)
	}
	s, found, err := Parse(src)
	if err != nil {
		t.Fatalf("%s: %v", id, found)
	}
	return s
}

// TestShipped: every scenario that is shipped can be played, has text in both languages, asks something and injects a contradiction.
func TestShipped(t *testing.T) {
	if list := Shipped(); len(list) < 2 {
		t.Fatalf("%q", list)
	}
	for _, id := range Shipped() {
		s, asks, injected, known := ship(t, id), 0, 0, 0
		for _, e := range s.Events {
			if e.Asks() {
				asks++
			}
			if e.Injected {
				injected++
			}
			if e.Known != "" {
				known++
			}
		}
		if s.ID != id || asks < 3 || injected < 1 || known < 2 {
			t.Errorf("%s: %s, %d questions, %d contradictions, %d with facts", id, s.ID, asks, injected, known)
		}
	}
}

// TestReal holds what the model case's scenario says of the real one against the facts of the model case.
func TestReal(t *testing.T) {
	s := ship(t, "naver-2013")
	file, err := incident.ParseFactsFile("naver-2013.yaml", incident.ModelCase())
	if err != nil {
		t.Fatal(err)
	}
	last := map[string]incident.Fact{}
	var addenda []time.Time
	for _, f := range file.Facts {
		last[f.Key+"/"+f.Item] = f
		if f.Key == "addendum" {
			addenda = append(addenda, f.Value.Time.Time)
		}
	}
	discovered := last["discovered/"].Value.Time.Time
	if !discovered.Equal(s.start) {
		t.Errorf("it begins at %v, and the incident was noticed at %v", s.start, discovered)
	}
	if got := last["contained/"].Value.Time.Time.Sub(discovered); got != s.Real.Contained.Span() {
		t.Errorf("contained after %v, not %v", got, s.Real.Contained)
	}
	if got := s.start.Add(s.Length.Span()).Sub(addenda[len(addenda)-1]); got != s.Real.Silence.Span() {
		t.Errorf("%v from the last addendum to the end, not %v", got, s.Real.Silence)
	}
	if got := s.start.Add(s.Real.Told.Span()); got.Format("2006-01-02T15:04") != "2013-07-19T16:00" {
		t.Errorf("told at %v", got)
	}
	kept, slipped := 0, 0
	for key, f := range last {
		if !strings.HasPrefix(key, "action/reset-") || f.Value.Promised.IsZero() {
			continue
		}
		switch (law.Promise{Due: f.Value.Promised, About: f.Value.Qualifier == "about", Kept: f.Value.Time, Broke: f.Value.Status == "slipped"}).Fate(s.start.AddDate(0, 0, 6)) {
		case law.Kept:
			kept++
		case law.Slipped:
			slipped++
		}
	}
	if kept != *s.Real.Kept || slipped != *s.Real.Slipped {
		t.Errorf("%d promises kept and %d slipped, not %d and %d", kept, slipped, *s.Real.Kept, *s.Real.Slipped)
	}
}

// TestRefused: what is wrong with a scenario is said, with its line, and without a word of what it says.
func TestRefused(t *testing.T) {
	whole, err := Ship("naver-2013")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		from, to string
		line     bool
		want     string
	}{
		"far":       {`start: "2013-07-18T10:09+09:00"`, `start: "2400-07-18T10:09+09:00"`, true, "when it begins"},
		"long ago":  {`start: "2013-07-18T10:09+09:00"`, `start: "1600-07-18T10:09+09:00"`, true, "when it begins"},
		"form":      {"scenario: 1", "scenario: 2", true, "it is of form 2"},
		"id":        {"id: naver-2013", "id: NAVER", true, "its id is none"},
		"start":     {`start: "2013-07-18T10:09+09:00"`, `start: "2013-07-18"`, true, "when it begins"},
		"length":    {"length: 6d", "length: 1d", true, "after the end"},
		"span":      {"after: 25m", "after: soon", true, "a span"},
		"order":     {"after: 25m", "after: 5h", true, "before the event above"},
		"twice":     {"id: traces", "id: alert", true, "no id of its own"},
		"option":    {"id: watch", "id: cut", true, "an option"},
		"fact":      {"key: cause, value: intrusion, certainty", "key: causes, value: intrusion, certainty", true, "no fact"},
		"time":      {`"{+48m}"`, `"{+48w}"`, true, "its facts"},
		"unknown":   {"length: 6d", "length: 6d\nwhy: secret", true, "unknown field"},
		"number":    {"kept: 2", "kept: -1", true, "no number"},
		"invisible": {"From the alert", "From\u202ethe alert", true, "cannot be seen"},
	} {
		src := strings.Replace(string(whole), c.from, c.to, 1)
		_, found, err := Parse([]byte(src))
		if !errors.Is(err, ErrScenario) || len(found) == 0 || !strings.Contains(found[0].What, c.want) || c.line && found[0].Line == 0 || strings.Contains(found[0].What, "secret") {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
	for name, src := range map[string]string{"empty": "", "anchor": "scenario: &a 1\n", "large": "id: " + strings.Repeat("x", maxScenario), "list": "- 1\n"} {
		if _, found, err := Parse([]byte(src)); !errors.Is(err, ErrScenario) || len(found) == 0 {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, id := range Shipped() {
		src, _ := Ship(id)
		f.Add(src)
	}
	f.Add([]byte("scenario: 1\nid: a\ntitle: {ja: あ, en: a}\nstart: \"2020-01-01T00:00Z\"\nlength: 1d\nevents:\n  - {id: a, after: 0m, from: {ja: あ, en: a}, text: {ja: あ, en: a}}\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		s, found, err := Parse(src)
		if (s == nil) != (err != nil) || err != nil && errors.Is(err, ErrScenario) && len(found) == 0 {
			t.Fatalf("%v, %v, %v", s, found, err)
		}
		if s == nil {
			return
		}
		start := shifted(s, time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
		for _, e := range s.Events { // what was checked can be used
			if e.Known != "" {
				if _, err := s.facts(e, start); err != nil {
					t.Fatal(err)
				}
			}
		}
		s.retime(start)
	})
}

// TestClock: the clock goes as fast as is said, stops at the end, is put on and never back, and goes on where it stood in another process.
func TestClock(t *testing.T) {
	data, s := t.TempDir(), ship(t, "naver-2013")
	if _, err := Open(data); !errors.Is(err, ErrNone) {
		t.Fatal(err)
	}
	p, err := Begin(data, s, 60)
	if err != nil {
		t.Fatal(err)
	}
	if p.State.Start.Weekday() != s.start.Weekday() || p.State.Start.Format("15:04") != "10:09" || p.State.End.After(time.Now()) || time.Since(p.State.End) > 8*24*time.Hour {
		t.Errorf("it begins at %v", p.State.Start)
	}
	wall := p.State.Wall
	for gone, want := range map[time.Duration]time.Duration{0: 0, time.Minute: time.Hour, -time.Hour: 0, 24 * time.Hour: 6 * 24 * time.Hour, math.MaxInt64: 6 * 24 * time.Hour} {
		if got := p.State.now(wall.Add(gone)).Sub(p.State.Start); got != want {
			t.Errorf("after %v it is %v, not %v", gone, got, want)
		}
	}
	if _, err := Begin(data, ship(t, "contractor-ransomware"), 60); !errors.Is(err, ErrOther) {
		t.Errorf("another scenario in its place: %v", err)
	}
	p.Clock.wall = func() time.Time { return wall }
	if p, err = p.Next(0); err != nil || p.Now.Sub(p.State.Start) != 25*time.Minute || len(p.Told()) != 2 {
		t.Fatalf("%v, %v", p, err)
	}
	other, err := OpenClock(data) // as another process has it
	if err != nil {
		t.Fatal(err)
	}
	other.wall = p.Clock.wall
	if !other.Now().Equal(p.Now) {
		t.Errorf("%v and %v", other.Now(), p.Now)
	}
	if p, err = p.Next(5 * time.Hour); err != nil || p.Now.Sub(p.State.Start) != 5*time.Hour+25*time.Minute {
		t.Fatalf("%v, %v", p, err)
	}
	if !other.Now().Equal(p.Now) {
		t.Errorf("another process sees %v, and it is %v", other.Now(), p.Now)
	}
	if p, err = p.Finish(nothing); err != nil || !p.Over() {
		t.Fatal(err)
	}
	at := p.Now
	p.Clock.wall = func() time.Time { return wall.Add(time.Hour) }
	if again, err := p.Finish(nothing); err != nil || !again.Now.Equal(at) {
		t.Errorf("ended twice: %v, %v", again, err)
	}
	if _, err := p.Next(0); !errors.Is(err, ErrOver) {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(data, scenarioFile), append(s.src, '#'), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(data); !errors.Is(err, ErrOther) {
		t.Errorf("a scenario that was changed while it is played: %v", err)
	}
}

// nothing is the record of a team that did nothing.
func nothing(*Play) (Record, error) { return Record{}, nil }

// TestFixed: how it went is fixed when the exercise is ended, and is read as it was written; what stands in its place is not taken.
func TestFixed(t *testing.T) {
	data, s := t.TempDir(), ship(t, "naver-2013")
	p, err := Begin(data, s, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range p.Measures(Record{}) {
		if m.Real != nil {
			t.Errorf("%s of the real case is told before the exercise is over: %d", m.ID, *m.Real)
		}
	}
	spans := []archive.Span{{Minutes: 1}, {Minutes: 2}, {Minutes: 3}, {Minutes: 4}, {Minutes: 5}}
	full := Record{Contain: archive.Distribution{Spans: spans, Median: archive.Span{Minutes: 3 * 24 * 60, Precision: incident.Day}}, Disclose: archive.Distribution{Spans: spans, Median: archive.Span{Minutes: 90, Precision: incident.Hour}}}
	if _, err := p.Finish(func(*Play) (Record, error) { return Record{}, errors.New("no record") }); err == nil {
		t.Fatal("it has ended without measures")
	}
	if again, err := Open(data); err != nil || again.State.Ended {
		t.Fatalf("it has ended without measures: %v", err)
	}
	var want []Measure
	if _, err = p.Finish(func(ended *Play) (Record, error) { want = ended.Measures(full); return full, nil }); err != nil {
		t.Fatal(err)
	}
	if p, err = Open(data); err != nil {
		t.Fatal(err)
	}
	got, err := p.Figures(Record{Notices: []incident.Notice{{Time: p.Now}}})
	if err != nil || len(got) != len(want) {
		t.Fatalf("%d measures, %v", len(got), err)
	}
	for i, m := range got {
		w := want[i]
		if m.ID != w.ID || m.Text("en", m.Own) != w.Text("en", w.Own) || m.Text("ja", m.Real) != w.Text("ja", w.Real) || m.MedianText("ja") != w.MedianText("ja") || m.Why != w.Why || !slices.Equal(m.Notes, w.Notes) {
			t.Errorf("%+v, and not %+v", m, w)
		}
	}
	if m := Find(got, "contained"); m.Real == nil || *m.Real != 48 || m.MedianText("en") != "3 days" {
		t.Errorf("beside the real case and the archive: %+v", m)
	}
	if m := Find(got, "told"); m.Own != nil {
		t.Errorf("what was recorded later counts: %+v", m)
	}
	name := filepath.Join(data, finalFile)
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(strings.Replace(string(b), `"real":48`, `"real":480`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Figures(Record{}); !errors.Is(err, ErrOther) {
		t.Errorf("measures that were written by hand: %v", err)
	}
}

// TestMeasuresGone: of a case that was shredded, what only its record gave is not known, and never a nought.
func TestMeasuresGone(t *testing.T) {
	p, err := Begin(t.TempDir(), ship(t, "naver-2013"), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range p.Measures(Record{Gone: true, Notices: []incident.Notice{{Time: p.Now}}}) {
		if of := slices.Contains(ofCase, m.ID); of && (m.Own != nil || len(m.Notes) != 1 || !strings.Contains(m.Notes[0].EN, "shredded")) || !of && m.ID != "contained" && m.Own == nil {
			t.Errorf("%+v", m)
		}
	}
}

// TestContained: a containment counts once it is said to be done, and not once the hour for which it was planned has come.
func TestContained(t *testing.T) {
	p, err := Begin(t.TempDir(), ship(t, "naver-2013"), 0)
	if err != nil {
		t.Fatal(err)
	}
	for certainty, counts := range map[incident.Certainty]bool{incident.Confirmed: true, incident.Planned: false, incident.Unknown: false} {
		r := Record{Incident: incident.Incident{Facts: []incident.Fact{{Key: "contained", Certainty: certainty, Value: incident.Value{Time: incident.Moment{Time: p.State.Start, Precision: incident.Minute}}}}}}
		if own := p.contained(r); (own != nil) != counts {
			t.Errorf("%s: %v", certainty, own)
		}
	}
}

// TestBegunTwice: an exercise of which only the scenario was written, as when the machine was switched off in between, begins.
func TestBegunTwice(t *testing.T) {
	data, s := t.TempDir(), ship(t, "naver-2013")
	if err := os.WriteFile(filepath.Join(data, scenarioFile), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := Begin(data, s, 0)
	if err != nil || len(p.Told()) != 1 {
		t.Fatalf("%v, %v", p, err)
	}
	again, err := Begin(data, s, 60)
	if err != nil || again.State != p.State {
		t.Errorf("begun again it is %+v and not %+v: %v", again.State, p.State, err)
	}
}

// TestMeasuresUnknown: what is not known is not a nought, and of too few incidents there is no median.
func TestMeasuresUnknown(t *testing.T) {
	p, err := Begin(t.TempDir(), ship(t, "contractor-ransomware"), 0)
	if err != nil {
		t.Fatal(err)
	}
	list := p.Measures(Record{Contain: archive.Distribution{Spans: make([]archive.Span, 4)}})
	for id, want := range map[string]string{"contained": "Of 4 incidents only", "told": "has no incident to compare with", "silence": "does not record it"} {
		m := Find(list, id)
		if m.Median != nil || m.Real != nil || !strings.Contains(m.Why.EN, want) || id != "silence" && m.Own != nil {
			t.Errorf("%s: %+v", id, m)
		}
		if m.Text(language.EN, m.Real) != "" || m.MedianText(language.JA) != "" {
			t.Errorf("%s says something of what is not known", id)
		}
	}
}

// TestAnswer: an answer is one of the options, words, or both, and nothing else.
func TestAnswer(t *testing.T) {
	p, err := Begin(t.TempDir(), ship(t, "naver-2013"), 0)
	if err != nil {
		t.Fatal(err)
	}
	e, err := p.Find("alert")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range [][2]string{{"", ""}, {"nothing", ""}, {"cut", strings.Repeat("x", 1001)}, {"", "a\x1bb"}} {
		if _, err := p.Decision(e, bad[0], bad[1]); !errors.Is(err, ErrAnswer) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	d, err := p.Decision(e, "cut", "because")
	if err != nil || !strings.Contains(d.Decision, "at once") || d.Why != "because" || len(d.Options) != 3 {
		t.Errorf("%+v, %v", d, err)
	}
	k := &response.Case{Decisions: []response.Decided{{Decision: d}}}
	if _, ok := Answered(k, e); !ok || len(p.Open(k)) != 0 || len(p.Open(nil)) != 1 {
		t.Error("the answer is not found")
	}
	if _, err := p.Find("scope"); !errors.Is(err, ErrNone) {
		t.Errorf("an event that is still to come: %v", err)
	}
}

// TestPlain: nothing that cannot be seen, or that breaks a line, gets into a text.
func TestPlain(t *testing.T) {
	for s, want := range map[string]bool{"パスワード\n再設定": true, "a\u200bb": false, "a\u200fb": false, "a\u2028b": false, "a\u202eb": false, "a\ufeffb": false, "a\x00": false, "a\tb": false} {
		if plain(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}

// TestClockForged: a clock that this program does not write is refused, whatever its sums say, and time does not run backwards.
func TestClockForged(t *testing.T) {
	data := t.TempDir()
	p, err := Begin(data, ship(t, "naver-2013"), 60)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := files.Open(data)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for name, change := range map[string]func(*State){
		"backwards": func(s *State) { s.Speed = -100 },
		"too fast":  func(s *State) { s.Speed = 5000 },
		"to come": func(s *State) {
			s.Start, s.At, s.End = s.Start.AddDate(70, 0, 0), s.At.AddDate(70, 0, 0), s.End.AddDate(70, 0, 0)
		},
		"before":      func(s *State) { s.At = s.Start.Add(-time.Minute) },
		"past":        func(s *State) { s.At = s.End.Add(time.Minute) },
		"longer":      func(s *State) { s.End = s.End.Add(-time.Hour) },
		"another day": func(s *State) { s.Start, s.End = s.Start.Add(-time.Hour), s.End.Add(-time.Hour) },
		"set later":   func(s *State) { s.Wall = s.Wall.AddDate(1, 0, 0) },
	} {
		s := p.State
		change(&s)
		if err := put(dir, s); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(data); !errors.Is(err, ErrClock) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := put(dir, p.State); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(data); err != nil {
		t.Error(err)
	}
}

// TestStatedLater: what was recorded long after it is said to be so beside the figure.
func TestStatedLater(t *testing.T) {
	p, err := Begin(t.TempDir(), ship(t, "naver-2013"), 0)
	if err != nil {
		t.Fatal(err)
	}
	p.Now = p.State.End
	at := incident.Moment{Time: p.State.Start.Add(time.Minute), Precision: incident.Minute}
	for after, want := range map[time.Duration]int{10 * time.Minute: 0, 5 * 24 * time.Hour: 1} {
		inc := incident.Incident{ID: "drill", Facts: []incident.Fact{{Key: "contained", Certainty: incident.Confirmed, Value: incident.Value{Time: at}, Recorded: at.Time.Add(after)}}}
		m := Find(p.Measures(Record{Incident: inc}), "contained")
		if m.Own == nil || *m.Own != 1 || len(m.Notes) != want || want > 0 && !strings.Contains(m.Notes[0].EN, "recorded at") {
			t.Errorf("%s after: %+v", after, m)
		}
	}
}

// TestToldWhenPublished: a notice that a second person approved days after it was proposed is measured by when it was published, and that is said
// beside the figure; of one whose coming was not kept its own time is taken.
func TestToldWhenPublished(t *testing.T) {
	p, err := Begin(t.TempDir(), ship(t, "naver-2013"), 0)
	if err != nil {
		t.Fatal(err)
	}
	p.Now = p.State.End
	dated := p.State.Start.Add(9 * time.Hour)
	for _, x := range []struct {
		entered time.Duration // since the start; 0: not kept
		told    time.Duration
		silence time.Duration
		said    int
	}{{5 * 24 * time.Hour, 5 * 24 * time.Hour, 5 * 24 * time.Hour, 1}, {9*time.Hour + 10*time.Minute, 9*time.Hour + 10*time.Minute, 6*24*time.Hour - 9*time.Hour - 10*time.Minute, 0}, {0, 9 * time.Hour, 6*24*time.Hour - 9*time.Hour, 0}} {
		n := incident.Notice{ID: "drill-v1", Incident: "drill", Time: dated}
		if x.entered > 0 {
			n.Entered = p.State.Start.Add(x.entered)
		}
		list := p.Measures(Record{Notices: []incident.Notice{n}})
		told, silence := Find(list, "told"), Find(list, "silence")
		if *told.Own != int64(x.told/time.Minute) || *silence.Own != int64(x.silence/time.Minute) || len(told.Notes) != x.said || len(silence.Notes) != 1+x.said {
			t.Errorf("published after %s: told after %s, silent for %s: %+v, %+v", x.entered, told.Text(language.EN, told.Own), silence.Text(language.EN, silence.Own), told.Notes, silence.Notes)
		}
		if x.said > 0 && (!strings.Contains(told.Notes[0].EN, "drill-v1 is dated") || !strings.Contains(told.Notes[0].JA, "公表されました")) {
			t.Errorf("%+v", told.Notes)
		}
	}
}
