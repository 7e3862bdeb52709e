package console

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/exercise"
	"shirase/internal/language"
	"shirase/internal/response"
	"shirase/internal/web"
)

// Rehearsal is the exercise that is played in this data folder.
type Rehearsal struct {
	Origin string // of its ledger
	Play   func() (*exercise.Play, error)
	// Case is the one that answers it; "" where none was declared.
	Case func(ctx context.Context) (string, error)
	// Record is what the answer is measured by, as somebody may see it.
	Record func(ctx context.Context, who actor.Actor, id string) (exercise.Record, error)
	// Answer records a decision, and Take the facts that an event makes known.
	Answer func(ctx context.Context, who actor.Actor, p *exercise.Play, id, event, option, text string) error
	Take   func(ctx context.Context, who actor.Actor, p *exercise.Play, id, event string) error
	// End ends it, and fixes its measures.
	End   func(ctx context.Context, p *exercise.Play) error
	Mails func() ([]exercise.Mailed, int, error)
}

// exerciseFailed maps what an exercise refuses.
var exerciseFailed = web.Mappings{
	{Err: exercise.ErrNone, Problem: web.Problem{Status: http.StatusNotFound}},
	{Err: exercise.ErrAnswer, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
	{Err: exercise.ErrOver, Problem: web.Problem{Status: http.StatusConflict}},
}

func (c *Console) exerciseRoutes() []route {
	if c.Rehearsal == nil {
		return nil
	}
	return []route{
		{pattern: "GET /console/exercise", answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			return c.showExercise(w, r, v, http.StatusOK, nil)
		}},
		{pattern: "POST /console/exercise/answer", answer: c.exerciseDo(language.Both("決定として記録しました。", "Recorded as a decision."), func(ctx context.Context, v *visit, p *exercise.Play, id string, f field) error {
			return c.Rehearsal.Answer(ctx, v.who, p, id, f.text("event"), f.text("option"), f.text("text"))
		})},
		{pattern: "POST /console/exercise/record", answer: c.exerciseDo(language.Both("事実を記録しました。", "The facts are recorded."), func(ctx context.Context, v *visit, p *exercise.Play, id string, f field) error {
			return c.Rehearsal.Take(ctx, v.who, p, id, f.text("event"))
		})},
		{pattern: "POST /console/exercise/next", answer: c.exerciseDo(language.Both("時計を進めました。", "The clock went on."), func(_ context.Context, v *visit, p *exercise.Play, _ string, _ field) error {
			if err := v.who.May(actor.Declare, ""); err != nil {
				return err
			}
			_, err := p.Next(0)
			return err
		})},
		{pattern: "POST /console/exercise/end", answer: c.exerciseDo(language.Both("訓練を終えました。", "The exercise has ended."), func(ctx context.Context, v *visit, p *exercise.Play, _ string, _ field) error {
			if err := v.who.May(actor.Declare, ""); err != nil {
				return err
			}
			return c.Rehearsal.End(ctx, p)
		})},
	}
}

// exerciseDo does something in the exercise, and shows it.
func (c *Console) exerciseDo(done language.Text, do func(ctx context.Context, v *visit, p *exercise.Play, id string, f field) error) func(http.ResponseWriter, *http.Request, *visit) error {
	return func(w http.ResponseWriter, r *http.Request, v *visit) error {
		p, err := c.Rehearsal.Play()
		if err != nil {
			return err
		}
		id, err := c.Rehearsal.Case(r.Context())
		if err == nil {
			err = do(r.Context(), v, p, id, field{r.PostForm})
		}
		if errors.Is(err, exercise.ErrAnswer) {
			return c.showExercise(w, r, v, http.StatusUnprocessableEntity, err)
		}
		if err != nil {
			return err
		}
		c.live.poke()
		return c.done(w, r, done.In(v.lang), "/console/exercise")
	}
}

// toldEvent is an event as the page shows it.
type toldEvent struct {
	exercise.Event
	At       template.HTML
	Answer   *response.Decided
	ShowReal bool
}

type exerciseView struct {
	view
	Play     *exercise.Play
	Case     string // "" where none was declared, or it is not theirs
	Hidden   bool   // one was declared, and it is not theirs: nor is what is known of it
	Mine     bool
	Gone     bool // it was shredded
	At       template.HTML
	Events   []toldEvent        // the newest first
	Measures []exercise.Measure // nil where they are not theirs to see
	Mails    []exercise.Mailed
	Mailed   int
}

func (c *Console) showExercise(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error) error {
	out := exerciseView{view: c.view(r, v, "exercise", v.lang.Pick("訓練", "Exercise"))}
	p, err := c.Rehearsal.Play()
	if err != nil {
		return err
	}
	id, err := c.Rehearsal.Case(r.Context())
	if err != nil {
		return err
	}
	if id != "" && !v.who.Sees(id) { // the game is everybody's, and the case is not
		id, out.Hidden = "", true
	}
	record, err := c.Rehearsal.Record(r.Context(), v.who, id)
	if err != nil {
		return err
	}
	out.Play, out.Case, out.Mine = p, id, id != "" && !record.Gone && v.who.May(actor.Command, id) == nil
	out.Gone = record.Gone
	out.At = when(v.lang, p.Now, p.Now)
	if out.Mails, out.Mailed, err = c.Rehearsal.Mails(); err != nil {
		return err
	}
	out.Mails = out.Mails[:min(len(out.Mails), 20)]
	if out.Hidden {
		out.Mails = nil // subjects are of the case
	} else if out.Measures, err = p.Figures(record); err != nil {
		return err
	}
	for _, e := range p.Told() {
		t := toldEvent{Event: e, At: when(v.lang, p.At(e), p.Now)}
		if d, ok := exercise.Answered(record.Case, e); ok {
			t.Answer = &d
		}
		t.ShowReal = e.Then != exercise.Words{} && (t.Answer != nil || p.Over())
		out.Events = append([]toldEvent{t}, out.Events...)
	}
	if refused != nil {
		out.Refused = why(v.lang, refused)
	}
	if status == http.StatusOK {
		out.Live = "/console/live?exercise"
	}
	out.Path = "/console/exercise"
	return c.frame.Show(w, r, status, "exercise", out)
}

// SomeCounted is whether there are mails of which no subject is kept.
func (v exerciseView) SomeCounted() bool { return v.Mailed > exercise.MaxSubjects }

// Over is whether the measures are the last word.
func (v exerciseView) Over() bool { return v.Play.Over() }

// exerciseFuncs are what the page of an exercise can say.
func exerciseFuncs(lang language.Lang) template.FuncMap {
	return template.FuncMap{
		"words":   func(w exercise.Words) string { return w.In(lang) },
		"took":    func(m exercise.Measure, n *int64) string { return m.Text(lang, n) },
		"median":  func(m exercise.Measure) string { return m.MedianText(lang) },
		"answers": func(e toldEvent) bool { return e.Asks() && e.Answer == nil },
		"bars":    func(list []exercise.Measure, over bool) template.HTML { return bars(lang, list, over) },
		"mailed": func(m exercise.Mailed) template.HTML {
			at, err := time.Parse(time.RFC3339, m.At)
			if err != nil {
				return ""
			}
			return when(lang, at, at)
		},
		"decided": func(e toldEvent) string { return e.Said(lang, e.Answer.Decision.Decision) },
	}
}

// bars draws the measures that are spans of time: one's own, the real case's once the exercise is over and the archive's median,
// each on a scale of its own. The table beside it says the same in words.
func bars(lang language.Lang, list []exercise.Measure, over bool) template.HTML {
	const wide = 360
	var b strings.Builder
	y := 0
	text := func(x, y int, class, s string) {
		fmt.Fprintf(&b, `<text x="%d" y="%d" class="%s">%s</text>`, x, y, class, template.HTMLEscapeString(s))
	}
	for _, m := range list {
		if m.Unit != exercise.Minutes {
			continue
		}
		y += 26
		text(0, y, "head", m.Label.In(lang))
		most := int64(1)
		for _, n := range []*int64{m.Own, m.Real, m.Median} {
			if n != nil {
				most = max(most, *n)
			}
		}
		for _, line := range []struct {
			name, class, said string
			n                 *int64
		}{
			{lang.Pick("訓練チーム", "Your team"), "mark", m.Text(lang, m.Own), m.Own},
			{lang.Pick("実際の事案", "The real case"), "box", m.Text(lang, m.Real), m.Real},
			{fmt.Sprintf(lang.Pick("アーカイブの中央値（%d件）", "Archive median (of %d)"), m.Of), "quartiles", m.MedianText(lang), m.Median},
		} {
			if line.n == nil && line.class == "quartiles" || line.class == "box" && !over { // the table says why; nobody is told before
				continue
			}
			y += 20
			said := lang.Pick("不明", "not known")
			if line.n != nil {
				said = line.said
			}
			text(0, y, "label", line.name+lang.Pick("：", ": ")+said)
			if line.n != nil {
				y += 6
				fmt.Fprintf(&b, `<rect x="0" y="%d" width="%d" height="10" class="%s"/>`, y, max(int(*line.n*wide/most), 2), line.class)
				y += 10
			}
		}
	}
	if y == 0 {
		return ""
	}
	return template.HTML(fmt.Sprintf(`<svg class="chart chart-exercise" viewBox="0 0 %d %d" role="img" aria-label="%s">%s</svg>`, wide, y+8,
		template.HTMLEscapeString(lang.Pick("時間の比較。同じ内容が、下の表にあります。", "The times side by side. The table below says the same.")), b.String()))
}
