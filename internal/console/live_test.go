package console

import (
	"bufio"
	"context"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/response"
)

// stream opens somebody's stream of changes, once the server has answered.
func (p *person) stream(ctx context.Context, query string) (lines *bufio.Reader, status int) {
	p.d.t.Helper()
	r, err := http.NewRequestWithContext(ctx, "GET", base+"/console/live"+query, nil)
	if err != nil {
		p.d.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	res, err := p.client.Do(r)
	if err != nil {
		p.d.t.Fatal(err)
	}
	p.d.t.Cleanup(func() { res.Body.Close() })
	return bufio.NewReader(res.Body), res.StatusCode
}

// changed waits for the next change; false where the stream ends first.
func changed(lines *bufio.Reader) bool {
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return false
		}
		if strings.HasPrefix(line, "event: changed") {
			return true
		}
	}
}

// TestLive: fifty browsers on one case hear of a change; who does not see the case hears nothing of it, and whoever is signed
// out hears nothing more.
func TestLive(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx, cancel := context.WithCancel(t.Context())
		var working sync.WaitGroup
		t.Cleanup(func() { cancel(); working.Wait() })
		working.Go(func() {
			d.console.Work(ctx, func(err error) {
				if ctx.Err() == nil {
					t.Error(err)
				}
			})
		})
		d.first()
		id, other := d.declare("事案"), d.declare("別の事案")
		p := d.hire("鈴木", actor.None, actor.Writer)
		if err := d.staff.GiveAccess(ctx, actor.Operator(), id, p.id, actor.Contributes); err != nil {
			t.Fatal(err)
		}
		if _, status := p.stream(ctx, "?case="+other); status != http.StatusNotFound {
			t.Errorf("a case that is not theirs: %d", status)
		}
		if _, status := d.stranger().stream(ctx, ""); status != http.StatusUnauthorized {
			t.Errorf("nobody: %d", status)
		}
		note := func(id string) {
			t.Helper()
			if _, err := d.cases.AddNote(ctx, actor.Operator(), id, response.Note{Text: "メモ"}); err != nil {
				t.Fatal(err)
			}
			d.console.live.poke()
		}
		var before, after runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&before)
		const browsers = 50
		var all sync.WaitGroup
		streams := make([]*bufio.Reader, browsers)
		for i := range streams {
			lines, status := p.stream(ctx, "?case="+id)
			if status != http.StatusOK {
				t.Fatal(status)
			}
			streams[i] = lines
		}
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&after)
		t.Logf("%d streams hold %d KiB each, with the browsers' ends", browsers, (int64(after.HeapAlloc+after.StackInuse)-int64(before.HeapAlloc+before.StackInuse))/browsers/1024)
		note(id)
		heard := make([]bool, browsers)
		for i := range streams {
			all.Go(func() { heard[i] = changed(streams[i]) })
		}
		all.Wait()
		for i, ok := range heard {
			if !ok {
				t.Errorf("browser %d hears of no change", i)
			}
		}
		// A change of a case that is not theirs, and then one of theirs: they hear once.
		board, _ := p.stream(ctx, "")
		note(other)
		note(id)
		if !changed(board) {
			t.Error("the board hears nothing")
		}
		if err := d.staff.EndSessions(ctx, actor.Operator(), p.id, ""); err != nil {
			t.Fatal(err)
		}
		note(id)
		if changed(board) {
			t.Error("who was signed out hears of a change")
		}
	})
}

// TestTogether: two people change one task at once; one is told so and shown both, and nothing is lost.
func TestTogether(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		id := d.declare("事案")
		k, err := d.cases.AddTask(t.Context(), actor.Operator(), id, func(t *response.Task) { t.Title = "止める" })
		if err != nil {
			t.Fatal(err)
		}
		task := k.Tasks[len(k.Tasks)-1]
		people := []*person{d.hire("一郎", actor.Full, actor.Writer), d.hire("二郎", actor.Full, actor.Writer)}
		answers := make([]answer, 2)
		var both sync.WaitGroup
		for i, p := range people {
			both.Go(func() {
				answers[i] = p.post("/console/cases/"+id+"/task/change", map[string][]string{"id": {itoa(task.ID)}, "version": {itoa(task.Version)}, "title": {"止める"}, "state": {"doing"}, "note": {[]string{"一の案", "二の案"}[i]}})
			})
		}
		both.Wait()
		won, lost := 0, 1
		if answers[0].status == http.StatusConflict {
			won, lost = 1, 0
		}
		if answers[won].status != http.StatusSeeOther || answers[lost].status != http.StatusConflict {
			t.Fatal(answers[0].status, answers[1].status, d.logged.String())
		}
		for _, want := range []string{"一の案", "二の案", "どちらも失われていません"} {
			if !strings.Contains(answers[lost].body, want) {
				t.Errorf("who was slower is not shown %s", want)
			}
		}
		// They look at both, and put theirs in its place.
		k, err = d.cases.Get(t.Context(), actor.Operator(), id)
		if err != nil {
			t.Fatal(err)
		}
		now := k.Tasks[len(k.Tasks)-1]
		if !strings.Contains(answers[lost].body, `name="version" value="`+itoa(now.Version)+`"`) {
			t.Error("the form does not go on from what is there now")
		}
		a := people[lost].post("/console/cases/"+id+"/task/change", map[string][]string{"id": {itoa(task.ID)}, "version": {itoa(now.Version)}, "title": {"止める"}, "state": {"doing"}, "note": {[]string{"一の案", "二の案"}[lost]}})
		if a.status != http.StatusSeeOther {
			t.Error(a.status)
		}
		if k, err = d.cases.Get(t.Context(), actor.Operator(), id); err != nil || k.Tasks[len(k.Tasks)-1].Note != []string{"一の案", "二の案"}[lost] {
			t.Error(k.Tasks, err)
		}
	})
}
