package exercise

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/files"
	"shirase/internal/hint"
)

// Files of an exercise in its data folder.
const (
	stateFile    = "exercise.json"
	scenarioFile = "exercise.yaml"
)

// MaxSpeed is how much faster than time an exercise runs at most: a day in under two minutes.
const MaxSpeed = 1000

// State is how an exercise stands: one small file, written as a whole.
//
// It is no row of the database because the clock is asked in the middle of the database's transactions, by every room that
// records when something was done.
type State struct {
	V        int       `json:"v"`
	Scenario string    `json:"scenario"`
	SHA256   string    `json:"sha256"` // of the scenario as it was begun
	Start    time.Time `json:"start"`  // of the scenario, shifted
	End      time.Time `json:"end"`    // where the clock stops
	Wall     time.Time `json:"wall"`   // when the clock was set
	At       time.Time `json:"at"`     // and to what
	Speed    float64   `json:"speed"`  // 0: it stands, and is put on by hand
	Ended    bool      `json:"ended,omitzero"`
	Measures string    `json:"measures,omitzero"` // the SHA-256 of what they were when it ended
}

// check refuses a clock that this program does not write: one that runs backwards or past its end, or was set in a time to come.
func (s State) check(wall time.Time) error {
	switch {
	case !(s.Speed >= 0 && s.Speed <= MaxSpeed):
	case s.At.Before(s.Start), s.At.After(s.End), s.Start.After(s.End), s.End.Sub(s.Start) > maxLength:
	case s.End.After(wall.Add(slack)), s.Wall.After(wall.Add(slack)):
	default:
		return nil
	}
	return hint.Add(fmt.Errorf("%w: what it says is no time of an exercise", ErrClock), "put "+stateFile+" back from the folder's backup, or begin another exercise in another folder")
}

// slack is by how much a machine's clock may have been put back since.
const slack = 24 * time.Hour

// ErrClock says that an exercise's clock is not one, or is gone.
var ErrClock = errors.New("the exercise's clock cannot be gone by")

// now is what the clock of an exercise shows. It stops at the scenario's end, which is no time to come: what rooms record is of the
// past. The wall's clock put back does not put it back.
func (s State) now(wall time.Time) time.Time {
	if s.Ended || s.Speed == 0 {
		return s.At
	}
	gone := float64(max(wall.Sub(s.Wall), 0)) * s.Speed
	if gone >= float64(s.End.Sub(s.At)) {
		return s.End
	}
	return s.At.Add(time.Duration(gone))
}

// Clock is the clock of the exercise in a data folder. It is safe for concurrent use, and by several processes.
type Clock struct {
	path string
	wall func() time.Time

	mu    sync.Mutex
	seen  os.FileInfo
	state State
	// played is the scenario as it was last read, with its times, so that who asks each second does not read it anew.
	played   *Scenario
	playedAs string
}

// scenario gives the scenario that is src, played from a time.
func (c *Clock) scenario(src []byte, start time.Time) (*Scenario, error) {
	as := sumOf(src) + start.String()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.played != nil && c.playedAs == as {
		return c.played, nil
	}
	s, found, err := Parse(src)
	if err != nil {
		if len(found) > 0 {
			err = hint.Add(fmt.Errorf("%s: %w", scenarioFile, err), fmt.Sprintf("line %d: %s", found[0].Line, found[0].What))
		}
		return nil, err
	}
	s.retime(start)
	c.played, c.playedAs = s, as
	return s, nil
}

// OpenClock opens the clock of an exercise. Errors: ErrNone.
func OpenClock(data string) (*Clock, error) {
	c := &Clock{path: filepath.Join(data, stateFile), wall: time.Now}
	_, err := c.State()
	return c, err
}

// State gives how the exercise stands, as whoever wrote it last has left it.
func (c *Clock) State() (State, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	info, err := os.Stat(c.path)
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, hint.Add(fmt.Errorf("%w: none was begun in %s", ErrNone, filepath.Dir(c.path)), "begin one: shirase exercise SCENARIO --data DIR")
	}
	if err != nil {
		return State{}, fmt.Errorf("read the exercise's clock: %w", err)
	}
	// A file that took another's place is another file, whatever its time says.
	if c.seen != nil && os.SameFile(c.seen, info) && c.seen.ModTime().Equal(info.ModTime()) && c.seen.Size() == info.Size() {
		return c.state, nil
	}
	b, err := os.ReadFile(c.path)
	if err != nil {
		return State{}, fmt.Errorf("read the exercise's clock: %w", err)
	}
	var s State
	if err := json.Unmarshal(b, &s, json.RejectUnknownMembers(true)); err != nil || s.V != 1 {
		return State{}, hint.Add(fmt.Errorf("read the exercise's clock: %s is not what was written", c.path), "put the folder back from its backup, or begin another exercise in another folder")
	}
	if err := s.check(c.wall()); err != nil {
		return State{}, err
	}
	c.seen, c.state = info, s
	return s, nil
}

// Now is the time of the exercise. Where its file cannot be read any more it is the last that was seen.
func (c *Clock) Now() time.Time {
	s, err := c.State()
	if err != nil {
		c.mu.Lock()
		s = c.state
		c.mu.Unlock()
	}
	return s.now(c.wall())
}

// change writes another state in the place of the present one, whoever else does the same.
func (c *Clock) change(do func(State) (State, error)) (State, error) {
	dir, err := files.Open(filepath.Dir(c.path))
	if err != nil {
		return State{}, err
	}
	defer dir.Close()
	release, err := dir.Hold("exercise.lock", "the exercise's clock")
	if err != nil {
		return State{}, err
	}
	defer release()
	s, err := c.State()
	if err != nil {
		return s, err
	}
	if s, err = do(s); err != nil {
		return s, err
	}
	return s, put(dir, s)
}

func put(dir *files.Dir, s State) error {
	b, err := json.Marshal(s)
	if err == nil {
		err = dir.Put(stateFile, b)
	}
	if err != nil {
		return fmt.Errorf("write the exercise's clock: %w", err)
	}
	return nil
}

// shifted is when a scenario begins that is played now: whole weeks later than it was, so that days of the week, business days and
// hours are those of the case, and so that its end has come: nothing of an exercise is of a time to come. Public holidays are those of the
// days that it is shifted to: a deadline in business days may end another day than the real case's.
func shifted(s *Scenario, wall time.Time) time.Time {
	const week = 7 * 24 * time.Hour
	end := s.start.Add(s.Length.Span())
	weeks := math.Floor(float64(wall.Sub(end)) / float64(week))
	return s.start.Add(time.Duration(weeks) * week)
}

func sumOf(src []byte) string {
	sum := sha256.Sum256(src)
	return hex.EncodeToString(sum[:])
}
