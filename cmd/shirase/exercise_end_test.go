package main

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/board"
	"shirase/internal/exercise"
)

// figures are a team's own, in words.
func figures(s shown) map[string]string {
	out := map[string]string{}
	for id, m := range s.Measures {
		out[id] = m.Text("en", m.Own)
		for _, n := range m.Notes {
			out[id] += "\n" + n.EN
		}
	}
	return out
}

// TestExerciseEnded: the case that is measured is the one that was declared first, however long an incident was recorded before it; what is recorded once the exercise was ended does not change how it went, nor does the shredding of the case; and
// what the real case did is told at the end, and not before.
func TestExerciseEnded(t *testing.T) {
	x := newTeam(t, "naver-2013")
	aside := filepath.Join(t.TempDir(), "aside.yaml")
	write(t, aside, "id: aside\nfacts:\n  - {key: scope.state, value: investigating}\n")
	x.do("incident", "new", "--facts", aside)
	x.at("10m")
	x.do("case", "declare", "--id", "drill", "--title", "不正アクセス", "--organisation", "例社", "--known", x.moment("0m"), "--illicit", "--regime", "jp-appi")
	x.facts(`{key: title, value: {ja: 不正アクセス, en: Unauthorised access}}`, `{key: scope.state, value: investigating}`)
	x.at("9h")
	x.do("case", "declare", "--id", "aside", "--title", "別の件", "--organisation", "例社", "--known", x.moment("9h"))
	if s := x.shown("exercise", "status"); s.Case != "drill" {
		t.Errorf("the case that is measured is %q", s.Case)
	}
	for id, m := range x.shown("exercise", "status").Measures {
		if m.Real != nil {
			t.Errorf("%s of the real case is told before the questions are answered", id)
		}
	}
	end := x.shown("exercise", "end")
	if m := end.Measures["contained"]; m.Real == nil || m.Own != nil || m.MedianText("en") == "" {
		t.Fatalf("at the end: %+v", m)
	}
	x.facts(`{key: contained, value: "{+48m}"}`)
	x.do("publish", "drill")
	x.do("case", "done", "drill", "jp-appi-sokuho", "--by", "report 1")
	if out, exit := x.try("exercise", "record", "alert"); exit != exitFailed || !strings.Contains(out, exercise.ErrOver.Error()) {
		t.Errorf("recorded after the end: exit %d: %s", exit, out)
	}
	if now := x.shown("exercise", "status"); !reflect.DeepEqual(figures(now), figures(end)) || now.Measures["contained"].MedianText("ja") != end.Measures["contained"].MedianText("ja") {
		t.Errorf("after it was ended it went\n%v\nand not\n%v", figures(now), figures(end))
	}
	x.shred()
	for _, what := range []string{"status", "end"} {
		if now := x.shown("exercise", what); !reflect.DeepEqual(figures(now), figures(end)) || now.Case != "drill" {
			t.Errorf("%s after the case was shredded:\n%v\nand not\n%v", what, figures(now), figures(end))
		}
	}
}

// shred closes the case and destroys its key.
func (x *team) shred() {
	x.t.Helper()
	x.do("case", "close", "drill", "--why", "it is over", "--despite", "a rehearsal")
	x.do("case", "retained", "drill")
	x.do("scope", "shred", "drill")
}

// TestExerciseShredded: a case with a roster is closed and shredded while the exercise goes on, without a reason why all the same: a roster is of the
// exercise's time, too. It leaves figures of what is public, and says of the others that they are gone; and the exercise can be ended.
func TestExerciseShredded(t *testing.T) {
	x := newTeam(t, "naver-2013")
	x.do("case", "declare", "--id", "drill", "--title", "不正アクセス", "--organisation", "例社", "--known", x.moment("0m"))
	x.facts(`{key: title, value: {ja: 不正アクセス, en: Unauthorised access}}`, `{key: scope.state, value: investigating}`)
	x.at("9h")
	x.do("publish", "drill")
	x.at("10h")
	examples := filepath.Join("..", "..", "examples")
	x.do("scope", "--export", filepath.Join(examples, "accounts.csv"), "--rules", filepath.Join(examples, "rules.yaml"), "--incident", "drill", "--commit")
	var b board.Board
	if err := json.Unmarshal([]byte(x.do("case", "board", "drill", "--json")), &b); err != nil || b.Scope.Affected == nil || !b.Scope.AsOf.Equal(x.start.Add(10*time.Hour)) || b.Scope.AsOf.After(b.At) {
		t.Errorf("the roster of hour 10 is as of %s, on a board of %s: %v", b.Scope.AsOf, b.At, err)
	}
	x.at("12h")
	x.do("case", "close", "drill", "--why", "it is over")
	if out := x.do("case", "closing", "drill"); strings.Contains(out, "made after the case was closed") {
		t.Errorf("a roster from before it was closed came up since: %s", out)
	}
	x.do("case", "retained", "drill")
	x.do("scope", "shred", "drill")
	if out := x.do("case", "closing", "drill"); strings.Contains(out, "not at its end") {
		t.Errorf("it was at its end: %s", out)
	}
	for _, what := range []string{"status", "end"} {
		s := x.shown("exercise", what)
		if m := s.Measures["told"]; m.Own == nil || *m.Own != 9*60 {
			t.Errorf("%s: %+v", what, m)
		}
		for _, id := range []string{"met", "missed", "open", "kept", "slipped", "unanswered"} {
			if m := s.Measures[id]; m.Own != nil || len(m.Notes) != 1 || !strings.Contains(m.Notes[0].EN, "shredded") {
				t.Errorf("%s, %s: %+v", what, id, m)
			}
		}
	}
}

// TestExerciseApproved: with a second person, what is published counts from when it was approved: a silence goes on, and a promise that was kept by
// proposing alone was not.
func TestExerciseApproved(t *testing.T) {
	x := newTeam(t, "naver-2013")
	x.do("case", "declare", "--id", "drill", "--title", "不正アクセス", "--organisation", "例社", "--known", x.moment("0m"))
	x.facts(`{key: title, value: {ja: 不正アクセス, en: Unauthorised access}}`, `{key: scope.state, value: investigating}`, `{key: next-update, value: "{+9h51m}"}`)
	x.at("1h")
	x.do("publish", "drill")
	x.at("9h")
	x.facts(`{key: contained, value: "{+48m}"}`)
	a, in := opened(t, x.data)
	defer in.close()
	for _, p := range []string{"p-first", "p-second"} {
		if _, err := in.db.ExecContext(t.Context(), `INSERT INTO staff_account (id, name, roles, every, created, approver_since, held_from, oidc, removed, forget) VALUES ($1, $1, 'commander,approver', 3, 1, 1, 1, '', 0, 0)`, p); err != nil {
			t.Fatal(err)
		}
	}
	var said struct {
		Proposed proposalRow    `json:"proposed"`
		Unknown  map[string]any `json:",unknown"`
	}
	if err := json.Unmarshal([]byte(x.do("notice", "publish", "drill", "--kind", "addendum", "--json")), &said); err != nil || said.Proposed.State != "proposed" {
		t.Fatalf("%+v, %v", said, err)
	}
	x.at("5d")
	if err := approvedBy(t, a, in, in.db, said.Proposed.ID); err != nil {
		t.Fatal(err)
	}
	s := x.shown("exercise", "status")
	silence, told, kept, slipped := s.Measures["silence"], s.Measures["told"], s.Measures["kept"], s.Measures["slipped"]
	if *told.Own != 60 || *silence.Own != (5*24-1)*60 || len(silence.Notes) != 2 || !strings.Contains(silence.Notes[1].EN, "drill-v2 is dated") {
		t.Errorf("proposed at 9h, and approved at 5d: %s to the first word, a silence of %s: %+v", told.Text("en", told.Own), silence.Text("en", silence.Own), silence.Notes)
	}
	if *kept.Own != 0 || *slipped.Own < 1 {
		t.Errorf("an update for 9h51m that came on the sixth day: %d kept, %d slipped", *kept.Own, *slipped.Own)
	}
}
