package console

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/exercise"
	"shirase/internal/language"
)

// rehearsal is an exercise that is answered by the case drill, with a clock that stands.
func (d *desk) rehearsal() *Rehearsal {
	d.t.Helper()
	src, err := exercise.Ship("naver-2013")
	if err != nil {
		d.t.Fatal(err)
	}
	s, _, err := exercise.Parse(src)
	if err != nil {
		d.t.Fatal(err)
	}
	data := d.t.TempDir()
	if _, err := exercise.Begin(data, s, 0); err != nil {
		d.t.Fatal(err)
	}
	return &Rehearsal{
		Play: func() (*exercise.Play, error) { return exercise.Open(data) },
		Case: func(ctx context.Context) (string, error) {
			list, err := d.cases.List(ctx, actor.Server())
			if err != nil || len(list) == 0 {
				return "", err
			}
			return list[0].ID, nil
		},
		Record: func(ctx context.Context, who actor.Actor, id string) (r exercise.Record, err error) {
			if id != "" {
				r.Case, r.Clocks, err = d.cases.Clocks(ctx, who, id)
			}
			return r, err
		},
		Answer: func(ctx context.Context, who actor.Actor, p *exercise.Play, id, event, option, text string) error {
			e, err := p.Find(event)
			if err != nil {
				return err
			}
			a, err := p.Decision(e, option, text)
			if err == nil {
				_, err = d.cases.Decide(ctx, who, id, a)
			}
			return err
		},
		Take: func(ctx context.Context, who actor.Actor, p *exercise.Play, id, event string) error {
			e, err := p.Find(event)
			if err != nil {
				return err
			}
			file, err := p.Known(e, id)
			if err == nil {
				_, err = d.incidents.Add(ctx, who, file)
			}
			return err
		},
		End: func(ctx context.Context, p *exercise.Play) error {
			_, err := p.Finish(func(*exercise.Play) (exercise.Record, error) { return exercise.Record{}, nil })
			return err
		},
		Mails: func() ([]exercise.Mailed, int, error) { return exercise.Mails(data) },
	}
}

// TestExercise: who commands the case answers, who writes in it records facts, and who is not in it sees the game and nothing of the case.
func TestExercise(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		id := d.declare("会員の漏えい")
		commander := d.hire("指揮", actor.Full, actor.Commander)
		writer := d.hire("記録", actor.Contributes, actor.Writer)
		stranger := d.hire("別室", actor.None, actor.Commander)
		page := "/console/exercise?lang=ja"
		if a := stranger.get(page); a.status != http.StatusOK || !strings.Contains(a.body, "身に覚えのない接続") || strings.Contains(a.body, id) || strings.Contains(a.body, `action="/console/exercise/answer`) {
			t.Errorf("somebody who is not in the case: %d", a.status)
		}
		const debrief, real = `id="measures"`, "実際の事案</th>"
		if a := stranger.get(page); strings.Contains(a.body, debrief) || strings.Contains(a.body, "最も長い沈黙") || !strings.Contains(a.body, "事案を見られる人に示します") {
			t.Error("somebody who is not in the case sees figures of it, or of nothing")
		}
		if a := writer.get(page); !strings.Contains(a.body, debrief) || strings.Contains(a.body, real) || strings.Contains(a.body, "実際の事案：") || strings.Contains(a.body, "翌日の16時") {
			t.Error("how the real case went is told before the questions are answered")
		}
		form := url.Values{"event": {"alert"}, "option": {"cut"}, "text": {"<b>理由</b>"}}
		for name, p := range map[string]*person{"a writer": writer, "a stranger": stranger} {
			if a := p.post("/console/exercise/answer", form); a.status != http.StatusForbidden && a.status != http.StatusNotFound {
				t.Errorf("%s answers: %d", name, a.status)
			}
		}
		if a := commander.post("/console/exercise/answer", url.Values{"event": {"alert"}, "option": {"none-of-them"}}); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "data-refused") {
			t.Errorf("no option: %d", a.status)
		}
		if a := commander.post("/console/exercise/answer", url.Values{"event": {"scope"}, "text": {"x"}}); a.status != http.StatusNotFound {
			t.Errorf("an event to come: %d", a.status)
		}
		if a := commander.post("/console/exercise/answer", form); a.status != http.StatusSeeOther {
			t.Fatalf("the commander answers: %d, %s", a.status, a.body)
		}
		if a := commander.get(page); !strings.Contains(a.body, "&lt;b&gt;理由") || strings.Contains(a.body, "<b>理由") || !strings.Contains(a.body, "10時57分") {
			t.Error("the answer, as text, and what was really done are not on the page")
		}
		if a := writer.post("/console/exercise/record", url.Values{"event": {"alert"}}); a.status != http.StatusSeeOther {
			t.Errorf("a writer records: %d", a.status)
		}
		if a := stranger.get(page); strings.Contains(a.body, "理由") {
			t.Error("somebody who is not in the case reads its decisions")
		}
		if a := writer.post("/console/exercise/next", nil); a.status != http.StatusSeeOther || !strings.Contains(writer.get(page).body, "痕跡") {
			t.Errorf("the clock: %d", a.status)
		}
		if a := writer.post("/console/exercise/end", nil); a.status != http.StatusSeeOther || !strings.Contains(writer.get(page).body, "どうだったか") {
			t.Errorf("the end: %d", a.status)
		}
		if a := writer.get(page); !strings.Contains(a.body, debrief) || !strings.Contains(a.body, real) {
			t.Error("how the real case went is not told at the end")
		}
		if a := stranger.get(page); strings.Contains(a.body, debrief) {
			t.Error("somebody who is not in the case sees its figures at the end")
		}
		if a := commander.get("/console/exercise?lang=en"); !strings.Contains(a.body, "Decided: Cut the suspicious connections off") || strings.Contains(a.body, "Decided: 調べながら") {
			t.Error("an answer does not stand in the reader's language")
		}
		if a := writer.get(page); strings.Contains(a.body, `action="/console/exercise/record`) {
			t.Error("what nobody can record any more has a button")
		}
		if a := writer.post("/console/exercise/next", nil); a.status != http.StatusConflict {
			t.Errorf("after the end: %d", a.status)
		}
		play := d.console.Rehearsal.Play
		d.console.Rehearsal.Play = func() (*exercise.Play, error) { return nil, exercise.ErrOther }
		if now, err := d.console.versions(t.Context(), nil); err != nil || now[id] == "" {
			t.Errorf("where the exercise cannot be read, cases are not followed either: %v, %v", now, err)
		}
		d.console.Rehearsal.Play = play
		record := d.console.Rehearsal.Record
		defer func() { d.console.Rehearsal.Record = record }()
		d.console.Rehearsal.Record = func(context.Context, actor.Actor, string) (exercise.Record, error) {
			return exercise.Record{Gone: true}, nil
		}
		if a := commander.get(page); a.status != http.StatusOK || !strings.Contains(a.body, "鍵とともに壊されました") || !strings.Contains(a.body, debrief) {
			t.Errorf("of a case that was shredded: %d", a.status)
		}
	})
}

// TestBars: the picture says what the table says, and nothing of what is not known.
func TestBars(t *testing.T) {
	own, real := int64(48), int64(96)
	list := []exercise.Measure{{ID: "contained", Label: language.Both("遮断まで", "<Contained>"), Unit: exercise.Minutes, Own: &own, Real: &real}, {Unit: exercise.Count, Own: &own}}
	for lang, want := range map[language.Lang]string{language.JA: "訓練チーム：48分", language.EN: "Your team: 48 minutes"} {
		got := string(bars(lang, list, true))
		if !strings.Contains(got, want) || !strings.Contains(got, `width="180"`) || strings.Contains(got, "<Contained>") || strings.Contains(got, "(of 0)") || strings.Count(got, "<rect") != 2 {
			t.Errorf("%s", got)
		}
	}
	if got := string(bars(language.EN, list, false)); strings.Contains(got, "real case") || strings.Count(got, "<rect") != 1 {
		t.Errorf("before it is over: %s", got)
	}
	if bars(language.EN, nil, true) != "" {
		t.Error("a picture of nothing")
	}
}
