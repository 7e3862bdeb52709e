package exercise

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"

	"shirase/internal/archive"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/incident"
)

// finalFile holds the measures as they were when the exercise was ended. The clock's file has its sum.
const finalFile = "exercise-measures.json"

// Finish ends the exercise at the time that its clock shows, and fixes its measures: what is recorded later does not change how it went.
// record gives what they are made of, as of then. Ended twice, it ended the first time.
func (p *Play) Finish(record func(p *Play) (Record, error)) (*Play, error) {
	_, err := p.Clock.change(func(s State) (State, error) {
		if s.Ended {
			return s, nil
		}
		wall := p.Clock.wall()
		s.At, s.Wall, s.Ended = s.now(wall), wall, true
		ended := &Play{Scenario: p.Scenario, Clock: p.Clock, State: s, Now: s.At}
		r, err := record(ended)
		if err != nil {
			return s, err
		}
		b, err := json.Marshal(ended.Measures(r))
		if err != nil {
			return s, fmt.Errorf("write the measures: %w", err)
		}
		dir, err := files.Open(p.Clock.folder())
		if err != nil {
			return s, err
		}
		defer dir.Close()
		// First, so that an exercise has ended only where it has its measures.
		if err := dir.Put(finalFile, b); err != nil {
			return s, fmt.Errorf("write the measures: %w", err)
		}
		s.Measures = sumOf(b)
		return s, nil
	})
	if err != nil {
		return nil, err
	}
	return p.again()
}

// Figures gives every measure: as it stands while the exercise is played, and as it was at the end once that was ended. Errors: ErrOther.
func (p *Play) Figures(r Record) ([]Measure, error) {
	if !p.State.Ended {
		return p.Measures(r), nil
	}
	b, err := os.ReadFile(filepath.Join(p.Clock.folder(), finalFile))
	if err != nil {
		return nil, fmt.Errorf("read the measures: %w", err)
	}
	var out []Measure
	if err := json.Unmarshal(b, &out); sumOf(b) != p.State.Measures || err != nil {
		return nil, hint.Add(errors.Join(fmt.Errorf("%w: %s is not what was written when it ended", ErrOther, finalFile), err), "put the folder back from its backup")
	}
	for i, m := range out {
		if m.Median != nil {
			out[i].median = archive.Span{Minutes: *m.Median, Precision: incident.Minute}
			if m.ToTheDay {
				out[i].median.Precision = incident.Day
			}
		}
	}
	return out, nil
}

// folder is where the exercise is.
func (c *Clock) folder() string { return filepath.Dir(c.path) }
