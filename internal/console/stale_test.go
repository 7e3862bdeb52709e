package console

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"shirase/internal/actor"
)

// TestFormsTogether: two people send one form at once, of everything that two may change: one is taken, the other is shown both and the
// version to go on from, and theirs is taken then. A form without a version has read nothing.
func TestFormsTogether(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		subject := d.hire("対象", actor.None, actor.Writer)
		people := []*person{d.hire("一郎", actor.Full, actor.Commander), d.hire("二郎", actor.Full, actor.Commander)}
		version := regexp.MustCompile(`name="version" value="(\d+)"`)
		for name, c := range map[string]struct {
			tab  string
			form func(side int) url.Values
			says []string // of both
		}{
			"commander": {"", func(i int) url.Values {
				return url.Values{"name": {[]string{"一郎", "二郎"}[i]}, "why": {[]string{"理由一", "理由二"}[i]}}
			}, []string{"理由一", "理由二"}},
			"regime": {"/clocks", func(i int) url.Values {
				return url.Values{"id": {"jp-pmark"}, "refused": {"yes"}, "why": {[]string{"理由一", "理由二"}[i]}}
			}, []string{"理由一", "理由二", "適用しない"}},
			"clock": {"/clocks", func(i int) url.Values {
				return url.Values{"id": {"jp-appi-sokuho"}, "state": {"suspended"}, "why": {[]string{"理由一", "理由二"}[i]}}
			}, []string{"理由一", "理由二", "中断"}},
			"access": {"/record", func(i int) url.Values {
				return url.Values{"account": {subject.id}, "access": {[]string{"read", "full"}[i]}}
			}, []string{"読むだけ", "すべて（消す", "対象"}},
			"start": {"/clocks", func(i int) url.Values {
				return url.Values{"trigger": {"materiality"}, "at": {[]string{"2026-08-21", "2026-08-22"}[i]}}
			}, []string{"2026-08-21", "2026-08-22"}},
			"know": {"/clocks", func(i int) url.Values { return url.Values{"word": {"wrongful"}, "is": {[]string{"yes", "no"}[i]}} }, []string{"そうである", "そうではない"}},
			"report/triage": {"/timeline", func(i int) url.Values {
				return url.Values{"id": {"REPORT"}, "knowledge": {"no"}, "why": {[]string{"理由一", "理由二"}[i]}}
			}, []string{"理由一", "理由二"}},
			"event/change": {"/timeline", func(i int) url.Values {
				return url.Values{"id": {"EVENT"}, "at": {"2026-08-20"}, "text": {"x"}, "why": {[]string{"理由一", "理由二"}[i]}}
			}, []string{"理由一", "理由二"}},
			"promise/change": {"", func(i int) url.Values {
				return url.Values{"id": {"PROMISE"}, "state": {"withdrawn"}, "why": {[]string{"理由一", "理由二"}[i]}}
			}, []string{"理由一", "理由二"}},
		} {
			it := d.stage("事案")
			at := "/console/cases/" + it["case"] + "/" + name
			filled := func(i int, read string) url.Values {
				out := c.form(i)
				if known, ok := it[out.Get("id")]; ok {
					out.Set("id", known)
				}
				if read != "" {
					out.Set("version", read)
				}
				return out
			}
			read := "1"
			if v, ok := it[name]; ok {
				read = v
			}
			answers := make([]answer, 2)
			var both sync.WaitGroup
			for i, p := range people {
				both.Go(func() { answers[i] = p.post(at, filled(i, read)) })
			}
			both.Wait()
			won, lost := 0, 1
			if answers[0].status == http.StatusConflict {
				won, lost = 1, 0
			}
			if answers[won].status != http.StatusSeeOther || answers[lost].status != http.StatusConflict {
				t.Fatalf("%s: %d and %d: %s", name, answers[0].status, answers[1].status, answers[1].body)
			}
			for _, want := range append(c.says, "どちらも失われていません", []string{"一郎", "二郎"}[won]) {
				if !strings.Contains(answers[lost].body, want) {
					t.Errorf("%s: who was slower is not shown %s", name, want)
				}
			}
			shown := answers[lost].body[strings.Index(answers[lost].body, "どちらも失われていません"):]
			next := version.FindStringSubmatch(shown)
			if next == nil {
				t.Fatalf("%s: no version to go on from", name)
			}
			if a := people[lost].post(at, filled(lost, "")); a.status != http.StatusConflict {
				t.Errorf("%s: who has read nothing: %d", name, a.status)
			}
			if a := people[lost].post(at, filled(lost, next[1])); a.status != http.StatusSeeOther {
				t.Errorf("%s: theirs, after they saw both: %d", name, a.status)
			}
			// The page that the form stands on says the version.
			if page := people[0].get("/console/cases/" + it["case"] + c.tab); !strings.Contains(page.body, `action="/console/cases/`+it["case"]+"/"+name) && name != "report/triage" && name != "promise/change" {
				t.Errorf("%s: no form on its page", name)
			}
		}
	})
}

// TestDecideTogether: two people decide one question at once: one decision stands, and the other is not lost.
func TestDecideTogether(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		id := d.declare("事案")
		people := []*person{d.hire("一郎", actor.Full, actor.Commander), d.hire("二郎", actor.Full, actor.Commander)}
		if a := people[0].post("/console/cases/"+id+"/ask", url.Values{"question": {"止めるか"}}); a.status != http.StatusSeeOther {
			t.Fatal(a.status)
		}
		k, err := d.cases.Get(t.Context(), actor.Operator(), id)
		if err != nil {
			t.Fatal(err)
		}
		answers := make([]answer, 2)
		var both sync.WaitGroup
		for i, p := range people {
			both.Go(func() {
				answers[i] = p.post("/console/cases/"+id+"/decide", url.Values{"of": {itoa(k.Questions[0].ID)}, "decision": {[]string{"止める", "止めない"}[i]}})
			})
		}
		both.Wait()
		won, lost := 0, 1
		if answers[0].status == http.StatusConflict {
			won, lost = 1, 0
		}
		if answers[won].status != http.StatusSeeOther || answers[lost].status != http.StatusConflict {
			t.Fatal(answers[0].status, answers[1].status)
		}
		if !strings.Contains(answers[lost].body, []string{"止める", "止めない"}[lost]) || !strings.Contains(answers[lost].body, "どちらも失われていません") {
			t.Errorf("%s", answers[lost].body)
		}
		if k, err = d.cases.Get(t.Context(), actor.Operator(), id); err != nil || len(k.Decisions) != 1 || k.Decisions[0].Decision.Decision != []string{"止める", "止めない"}[won] {
			t.Errorf("%+v, %v", k.Decisions, err)
		}
	})
}
