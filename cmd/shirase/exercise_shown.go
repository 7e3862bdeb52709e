package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"shirase/internal/actor"
	"shirase/internal/exercise"
	"shirase/internal/language"
	"shirase/internal/response"
)

// The rows of an exercise with --json.
type (
	eventRow struct {
		ID       string        `json:"id"`
		At       string        `json:"at"`
		From     language.Text `json:"from"`
		Text     language.Text `json:"text"`
		Injected bool          `json:"contradiction"`
		Facts    bool          `json:"facts"` // it makes some known: exercise record
		Question language.Text `json:"question,omitzero"`
		Options  []optionRow   `json:"options,omitzero"`
		Answered bool          `json:"answered"`
		Real     language.Text `json:"real,omitzero"` // once it was answered, or the exercise is over
	}
	optionRow struct {
		ID   string        `json:"id"`
		Text language.Text `json:"text"`
	}
	answerRow struct {
		Event    string `json:"event"`
		Decision string `json:"decision"`
		Why      string `json:"why,omitzero"`
		At       string `json:"at"`
		By       string `json:"by"`
	}
)

func (g *game) rows(k *response.Case) (events []eventRow, answers []answerRow) {
	events, answers = []eventRow{}, []answerRow{}
	for _, e := range g.play.Told() {
		d, answered := exercise.Answered(k, e)
		row := eventRow{ID: e.ID, At: g.play.At(e).Format(time.RFC3339), From: e.From.Text(), Text: e.Text.Text(), Injected: e.Injected, Facts: e.Known != "", Question: e.Question.Text(), Answered: answered}
		for _, o := range e.Options {
			row.Options = append(row.Options, optionRow{o.ID, o.Words.Text()})
		}
		if answered || !e.Asks() && g.play.Over() || g.play.Over() { // what was really done would answer it
			row.Real = e.Then.Text()
		}
		events = append(events, row)
		if answered {
			answers = append(answers, answerRow{e.ID, d.Decision.Decision, d.Why, d.RecordedAt.Format(time.RFC3339), d.RecordedBy})
		}
	}
	return events, answers
}

// showGame prints how the exercise stands; with the measures in words once it is over.
func (a *app) showGame(ctx context.Context, g *game, begun bool) error {
	r, err := g.in.record(ctx, g.cases, actor.Operator(), g.id)
	if err != nil {
		return err
	}
	events, answers := g.rows(r.Case)
	list, err := g.play.Figures(r)
	if err != nil {
		return err
	}
	measures := map[string]exercise.Measure{}
	for _, m := range list {
		measures[m.ID] = m
	}
	st := g.play.State
	out := map[string]any{"exercise": true, "scenario": st.Scenario, "case": g.id, "now": g.play.Now.Format(time.RFC3339), "speed": st.Speed, "over": g.play.Over(), "ended": st.Ended, "events": events, "decisions": answers, "measures": measures}
	return a.print(out, func(w io.Writer) {
		fmt.Fprintf(w, "EXERCISE 訓練 — not real\n%s\nIt is %s", oneLine(g.play.Title.EN), g.play.Now.In(st.Start.Location()).Format("Monday 2006-01-02 15:04 -07:00"))
		switch {
		case st.Ended:
			fmt.Fprintf(w, ", and it has ended.\n")
		case g.play.Over():
			fmt.Fprintf(w, ", and nothing more comes. End it: shirase exercise end --data %s\n", a.op().Data)
		case st.Speed == 0:
			fmt.Fprintf(w, "; the clock stands.\n")
		default:
			fmt.Fprintf(w, "; the clock runs %g times as fast as time.\n", st.Speed)
		}
		g.printEvents(w, events)
		if g.play.Over() {
			printMeasures(w, list)
			return
		}
		a.printWhatNext(w, g, r.Case, begun)
	})
}

func (g *game) printEvents(w io.Writer, events []eventRow) {
	for _, e := range events {
		at, _ := time.Parse(time.RFC3339, e.At)
		fmt.Fprintf(w, "\n%s  %s  [%s]\n  %s\n", at.Format("01-02 15:04"), oneLine(e.From.EN), e.ID, oneLine(e.Text.EN))
		if e.Question == (language.Text{}) {
			continue
		}
		state := "to answer"
		if e.Answered {
			state = "answered"
		}
		fmt.Fprintf(w, "  ? %s (%s)\n", oneLine(e.Question.EN), state)
		for _, o := range e.Options {
			if !e.Answered {
				fmt.Fprintf(w, "      %-12s %s\n", o.ID, oneLine(o.Text.EN))
			}
		}
	}
}

// printWhatNext names the commands that come next.
func (a *app) printWhatNext(w io.Writer, g *game, k *response.Case, begun bool) {
	data := " --data " + a.op().Data
	fmt.Fprintf(w, "\nNext\n")
	if g.id == "" {
		fmt.Fprintf(w, "  declare the case:  shirase case declare --title TEXT --organisation NAME --known %s%s\n", g.play.State.Start.Format("2006-01-02T15:04Z07:00"), data)
	} else {
		for _, e := range g.play.Open(k) {
			fmt.Fprintf(w, "  answer:            shirase exercise answer %s --option ID%s\n", e.ID, data)
		}
		fmt.Fprintf(w, "  your case:         shirase case next %s%s\n", g.id, data)
	}
	if g.play.State.Speed == 0 {
		fmt.Fprintf(w, "  go on:             shirase exercise next%s\n", data)
	}
	if begun {
		fmt.Fprintf(w, "  on pages:          shirase serve%s, and then /console/exercise\n", data)
	}
}

// printMeasures sets one's own figures beside the real case's and the archive's.
func printMeasures(w io.Writer, list []exercise.Measure) {
	fmt.Fprintf(w, "\nHow it went\n  %-34s %-22s %-22s %s\n", "", "you", "the real case", "median of the archive")
	text := func(m exercise.Measure, n *int64) string {
		if n == nil {
			return "not known"
		}
		return m.Text(language.EN, n)
	}
	for _, m := range list {
		median := m.Why.EN
		if m.Median != nil {
			median = fmt.Sprintf("%s (of %d)", m.MedianText(language.EN), m.Of)
		}
		fmt.Fprintf(w, "  %-34s %-22s %-22s %s\n", m.Label.EN, text(m, m.Own), text(m, m.Real), median)
		for _, n := range m.Notes {
			fmt.Fprintf(w, "      %s\n", oneLine(n.EN))
		}
	}
}
