package exercise

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/response"
)

// Play is an exercise that was begun in a data folder.
type Play struct {
	*Scenario
	Clock *Clock
	State State     // as it was read
	Now   time.Time // of the exercise, when it was read
}

// Begin begins a scenario in a data folder, or goes on with it: an exercise that a machine was switched off in goes on where its clock
// stood. speed 0 is a clock that is put on by hand. Errors: ErrOther.
func Begin(data string, s *Scenario, speed float64) (*Play, error) {
	if !(speed >= 0 && speed <= MaxSpeed) { // nor what is no number
		return nil, fmt.Errorf("a speed is from 1 to %d, and 0 for a clock that is put on by hand", MaxSpeed)
	}
	dir, err := files.Open(data)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	clock, err := OpenClock(data)
	if errors.Is(err, ErrNone) {
		wall := time.Now()
		start := shifted(s, wall)
		if err := dir.Put(scenarioFile, s.src); err != nil {
			return nil, err
		}
		// Last, so that an exercise has a clock only where it has its scenario.
		if err := put(dir, State{V: 1, Scenario: s.ID, SHA256: s.sum, Start: start, End: start.Add(s.Length.Span()), Wall: wall, At: start, Speed: speed}); err != nil {
			return nil, err
		}
		return Open(data)
	}
	if err != nil {
		return nil, err
	}
	if st, err := clock.State(); err != nil || st.SHA256 != s.sum {
		return nil, errors.Join(err, hint.Add(fmt.Errorf("%w: %s holds %s", ErrOther, data, st.Scenario), "play it on (shirase exercise status), or name another folder with --data"))
	}
	return Open(data)
}

// Open gives the exercise of a data folder. Errors: ErrNone, ErrOther.
func Open(data string) (*Play, error) {
	clock, err := OpenClock(data)
	if err != nil {
		return nil, err
	}
	return OpenWith(data, clock)
}

// OpenWith is Open with a clock that is there.
func OpenWith(data string, clock *Clock) (*Play, error) {
	st, err := clock.State()
	if err != nil {
		return nil, err
	}
	src, err := os.ReadFile(filepath.Join(data, scenarioFile))
	if err != nil {
		return nil, fmt.Errorf("read the scenario: %w", err)
	}
	if sumOf(src) != st.SHA256 {
		return nil, fmt.Errorf("%w: %s has changed since the exercise was begun", ErrOther, scenarioFile)
	}
	s, err := clock.scenario(src, st.Start)
	if err != nil {
		return nil, err
	}
	if st.Scenario != s.ID || st.End.Sub(st.Start) != s.Length.Span() || st.Start.Sub(s.start)%(7*24*time.Hour) != 0 {
		return nil, fmt.Errorf("%w: it is not that of %s", ErrClock, scenarioFile)
	}
	return &Play{Scenario: s, Clock: clock, State: st, Now: clock.Now()}, nil
}

// At is when an event comes about.
func (p *Play) At(e Event) time.Time { return p.State.Start.Add(e.After.Span()) }

// Told gives the events that have come about.
func (p *Play) Told() []Event {
	n := slices.IndexFunc(p.Events, func(e Event) bool { return p.At(e).After(p.Now) })
	if n < 0 {
		return p.Events
	}
	return p.Events[:n]
}

// Over reports whether nothing more comes.
func (p *Play) Over() bool { return p.State.Ended || !p.Now.Before(p.State.End) }

// Next puts the clock on to the next event, or by a span where one is given, and never beyond the end.
func (p *Play) Next(by time.Duration) (*Play, error) {
	_, err := p.Clock.change(func(s State) (State, error) {
		wall := p.Clock.wall()
		now, end := s.now(wall), p.State.End
		if s.Ended || !now.Before(end) {
			return s, hint.Add(ErrOver, "its measures: shirase exercise end")
		}
		to := now.Add(by)
		if by <= 0 {
			to = end
			for _, e := range p.Events {
				if p.At(e).After(now) {
					to = p.At(e)
					break
				}
			}
		}
		s.Wall, s.At = wall, to
		if to.After(end) {
			s.At = end
		}
		return s, nil
	})
	if err != nil {
		return nil, err
	}
	return p.again()
}

func (p *Play) again() (*Play, error) {
	st, err := p.Clock.State()
	return &Play{Scenario: p.Scenario, Clock: p.Clock, State: st, Now: p.Clock.Now()}, err
}

// Find gives an event that has come about. Errors: ErrNone, also of one that has not.
func (p *Play) Find(id string) (Event, error) {
	told := p.Told()
	i := slices.IndexFunc(told, func(e Event) bool { return e.ID == id })
	if i < 0 {
		return Event{}, hint.Add(fmt.Errorf("%w: no event %.64q has come about", ErrNone, id), "those that have: shirase exercise status")
	}
	return told[i], nil
}

// Known gives the facts that an event makes known, for a case.
func (p *Play) Known(e Event, kase string) (*incident.FactsFile, error) {
	if e.Known == "" {
		return nil, hint.Add(fmt.Errorf("%w: the event %s makes no fact known", ErrNone, e.ID), "record what follows from it by hand: shirase case event, shirase incident facts")
	}
	file, err := p.facts(e, p.State.Start)
	if err == nil {
		file.ID = kase
	}
	return file, err
}

// Decision gives an answer to an event's question as a decision of the case: the record of the case is the record of the game.
// Errors: ErrAnswer.
func (p *Play) Decision(e Event, option, text string) (response.Decision, error) {
	var d response.Decision
	text = strings.TrimSpace(text)
	if !e.Asks() {
		return d, fmt.Errorf("%w: the event %s asks nothing", ErrAnswer, e.ID)
	}
	if utf8.RuneCountInString(text) > 1000 || !plain(text) {
		return d, fmt.Errorf("%w: its text has at most 1,000 characters that can be seen", ErrAnswer)
	}
	var ids []string
	chosen := ""
	for _, o := range e.Options {
		ids = append(ids, o.ID)
		d.Options = append(d.Options, both(o.Words))
		if o.ID == option {
			chosen = both(o.Words)
		}
	}
	switch {
	case option != "" && chosen == "":
		return d, hint.Add(fmt.Errorf("%w: the event %s has no option %.64q", ErrAnswer, e.ID, option), "one of "+strings.Join(ids, ", ")+", or --text in your own words")
	case option == "" && text == "":
		return d, hint.Add(fmt.Errorf("%w: it says nothing", ErrAnswer), "one of "+strings.Join(ids, ", ")+", or --text in your own words")
	case chosen == "":
		chosen, text = text, ""
	}
	d.Question, d.Decision, d.Why = mark(e)+both(e.Question), chosen, text
	return d, nil
}

// mark is how a decision of the case is known as the answer to an event.
func mark(e Event) string { return "〔訓練 exercise " + e.ID + "〕" }

// Answered gives the decision of a case that answers an event; false where none does.
func Answered(k *response.Case, e Event) (response.Decided, bool) {
	if k == nil {
		return response.Decided{}, false
	}
	for _, d := range slices.Backward(k.Decisions) {
		if d.Replaced == 0 && strings.HasPrefix(d.Question, mark(e)) {
			return d, true
		}
	}
	return response.Decided{}, false
}

// Said gives what was decided as a reader's language has it: the words of an option, or the team's own.
func (e Event) Said(lang language.Lang, decision string) string {
	for _, o := range e.Options {
		if both(o.Words) == decision {
			return o.Words.In(lang)
		}
	}
	return decision
}

func both(w Words) string {
	return language.Both(w.JA, w.EN).Record()
}

// Open gives the questions that have come about and that a case has not answered; k is nil where there is none yet.
func (p *Play) Open(k *response.Case) []Event {
	var out []Event
	for _, e := range p.Told() {
		if _, done := Answered(k, e); e.Asks() && !done {
			out = append(out, e)
		}
	}
	return out
}

// Text is a text of both languages for pages.
func (w Words) Text() language.Text { return language.Text{JA: w.JA, EN: w.EN} }
