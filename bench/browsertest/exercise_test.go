package browsertest

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// TestExerciseLook plays an exercise in a browser: every page of it looks different from a real one, on screen and on paper; the page of
// the exercise follows what comes about by itself, takes an answer, and shows the measures. It leaves pictures in screenshots/.
func TestExerciseLook(t *testing.T) {
	o := officeOf(t, []string{"exercise", "naver-2013", "--clock", "manual"})
	p := o.administrator(t)
	marked := func(where string) {
		t.Helper()
		if !eval[bool](p, `document.querySelector("aside.exercise-mark")?.textContent.includes("EXERCISE") && document.title.includes("EXERCISE") && document.body.className === "exercise"`) {
			t.Errorf("%s does not say that it is an exercise", where)
		}
	}
	p.visit("/console/exercise?lang=ja")
	p.until(`document.querySelector("#e-alert") !== null`)
	marked("its own page")
	var status struct{ Now time.Time }
	if err := json.Unmarshal([]byte(o.run(t, "exercise", "status", "--json")), &status); err != nil {
		t.Fatal(err)
	}
	o.run(t, "case", "declare", "--id", "drill", "--title", "不正アクセス", "--organisation", "例社", "--known", status.Now.Format("2006-01-02T15:04Z07:00"), "--illicit", "--regime", "jp-appi")
	p.visit("/console/exercise?lang=ja")
	p.until(`document.querySelector('form[action*="/exercise/answer"]') !== null`)
	p.click(`input[name=option][value=cut]`)
	p.send(`form[action*="/exercise/answer"] button`)
	p.until(`document.querySelector("#game")?.textContent.includes("決めたこと")`)
	if !strings.Contains(o.run(t, "exercise", "status", "--json"), `"decision":"調べながら`) {
		t.Error("the answer is not a decision of the case")
	}
	p.click(`form[action*="/exercise/record"] button`)
	p.until(`document.querySelector("#said")?.textContent.includes("記録しました")`)
	o.run(t, "exercise", "next", "--by", "9h")
	p.until(`document.querySelector("#e-second-count") !== null`) // by itself
	for _, lang := range []string{"ja", "en"} {
		p.run("exercise "+lang, func() {
			p.visit("/console/exercise?lang=" + lang)
			p.until(`document.querySelector("#e-files") !== null`)
			p.face("exercise-" + lang)
		})
	}
	o.run(t, "exercise", "end")
	for _, lang := range []string{"ja", "en"} {
		p.run("debrief "+lang, func() {
			p.visit("/console/exercise?lang=" + lang)
			p.until(`document.querySelector("#measures") !== null`)
			p.face("exercise-debrief-" + lang)
			p.keep("exercise-debrief-"+lang+"-paper", view{width: 658, scheme: "light", paper: true})
		})
	}
	for _, at := range []struct{ name, path string }{{"board", "/console/"}, {"case", "/console/cases/drill"}, {"home", "/"}, {"incidents", "/incidents"}, {"how", "/how"}, {"nothing", "/there-is-none"}} {
		p.run(at.name, func() {
			p.visit(at.path + "?lang=en")
			p.until(`document.readyState === "complete" && document.querySelector("h1") !== null`)
			marked(at.path)
			p.keep("exercise-"+at.name+"-paper", view{width: 658, scheme: "light", paper: true})
			if at.name == "nothing" {
				p.expect("404")
			}
		})
	}
}
