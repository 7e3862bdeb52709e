package browsertest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// noter takes what a test would fail by.
type noter struct {
	testing.TB
	said []string
}

func (n *noter) Errorf(format string, args ...any) {
	n.said = append(n.said, fmt.Sprintf(format, args...))
}
func (n *noter) Failed() bool        { return len(n.said) > 0 }
func (n *noter) Logf(string, ...any) {}

// TestReel: a step is of a sentence only by what was so, each way of holding something can fail, and a film is none where a sentence or a picture
// of the README has no step.
func TestReel(t *testing.T) {
	made := func() (*noter, *reel) {
		n := &noter{TB: t}
		return n, &reel{TB: n, dir: t.TempDir(), began: time.Now(), stills: map[string]bool{}}
	}
	for name, hold := range map[string]func(r *reel){
		"sees":        func(r *reel) { r.sees(of{3}, "it is so", false) },
		"reads":       func(r *reel) { r.reads(of{3}, "it says so", "12月1日 04:05 もう", "12月1日 4:05", "まだ") },
		"reads, none": func(r *reel) { r.reads(of{3}, "a row that is not there", "", "まだ") },
		"reads, empty": func(r *reel) {
			r.reads(of{3}, "what is looked for was not found out", "もう", "")
		},
		"equal": func(r *reel) { r.equal(of{3}, "as many", 1, 2) },
	} {
		n, r := made()
		r.step("07-18 10:09", "段階", "a step", func() {
			r.sees(of{5}, "something that is so", true)
			hold(r)
		})
		s := r.now()
		if len(n.said) != 1 || !s.Failed || !slices.Equal(s.Of, []int{5}) || len(s.Seen) != 1 {
			t.Errorf("%s: %q, %+v", name, n.said, s)
		}
	}
	n, r := made()
	r.step("07-18 10:09", "段階", "a step", func() {})
	if len(n.said) != 1 || !r.now().Failed {
		t.Errorf("a step that holds nothing: %q", n.said)
	}

	play := func(r *reel, but int) {
		r.step("07-18 10:09", "段階", "a step", func() {
			for i := range sentences {
				if i != but {
					r.reads(of{i}, "it says so", "12月1日04時05分、20時00分", "12月1日 4時05分", "20時")
				}
			}
		})
		r.whole = true
	}
	for name, of := range map[string]struct {
		but   int
		still string
		want  []string
	}{"all": {-1, "", nil}, "a sentence": {8, "", []string{"sentence 8"}}, "a picture": {-1, "board", []string{"film-board.webp"}}} {
		n, r := made()
		for _, still := range []string{"blocked", "check", "mail", "board"} {
			r.stills[still] = still != of.still
		}
		play(r, of.but)
		r.cut(map[string]any{"scale": 1.0})
		if len(n.said) != len(of.want) || len(of.want) > 0 && !strings.Contains(n.said[0], of.want[0]) {
			t.Errorf("%s: %q", name, n.said)
		}
		var figures struct{ Failed bool }
		if err := json.Unmarshal(must(os.ReadFile(filepath.Join(r.dir, "figures.json")))(t), &figures); err != nil || figures.Failed != n.Failed() {
			t.Errorf("%s: %+v, %v", name, figures, err)
		}
		strip := string(must(os.ReadFile(filepath.Join(r.dir, "index.html")))(t))
		if strings.Contains(strip, `class="stop"`) != n.Failed() {
			t.Errorf("%s: the strip does not say how it ended", name)
		}
	}
	// One that ended on its way says so too, and that nobody saw the rest is not told as well.
	n, r = made()
	r.step("07-18 10:09", "段階", "a step", func() { r.sees(nil, "it is so", false) })
	r.cut(map[string]any{"scale": 1.0})
	strip := string(must(os.ReadFile(filepath.Join(r.dir, "index.html")))(t))
	if len(n.said) != 2 || !strings.Contains(strip, `class="stop"`) || !strings.Contains(strip, `class="failed"`) {
		t.Errorf("%q", n.said)
	}
}
