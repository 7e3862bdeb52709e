package page

import (
	"fmt"
	"net/http"
	"time"

	"shirase/internal/language"
	"shirase/internal/web"
)

// Wrong tells a person what went wrong, and what to do: the Body of the page for it.
type Wrong struct {
	Heading, What, Remedy string
	Status                int
}

// WrongOf returns the words for a problem. A door that knows more of it says more.
func WrongOf(lang language.Lang, problem web.Problem) Wrong {
	out := Wrong{Status: problem.Status}
	switch problem.Status {
	case http.StatusNotFound:
		out.Heading = lang.Pick("ページが見つかりません。", "There is no such page.")
		out.What = lang.Pick("アドレスが間違っています。", "The address is wrong.")
		out.Remedy = lang.Pick("最初のページから、たどり直してください。", "Please begin again from the first page.")
	case http.StatusMethodNotAllowed:
		out.Heading = lang.Pick("この操作は、ここではできません。", "That cannot be done here.")
		out.What = lang.Pick("このページは、読むためのものです。", "This page is for reading.")
		out.Remedy = lang.Pick("最初のページから、やり直してください。", "Please start again from the first page.")
	case http.StatusTooManyRequests:
		seconds := int64(max(problem.RetryAfter, time.Second).Round(time.Second) / time.Second)
		out.Heading = lang.Pick("いま、混み合っています。", "There is a crowd at the moment.")
		out.What = lang.Pick("同じ回線から、たくさんの方が使っているようです。", "Many people seem to be using this from the same network.")
		out.Remedy = fmt.Sprintf(lang.Pick("%s秒ほど待ってから、開き直してください。", "Please wait for %s s, and open the page again."), language.Number(lang, seconds))
	case http.StatusServiceUnavailable:
		out.Heading = lang.Pick("いま、このページを表示できません。", "This page cannot be shown at the moment.")
		out.What = lang.Pick("こちらのデータベースに、つながらなくなっています。入力した内容は記録していません。", "Our database does not answer. Nothing you entered has been recorded.")
		out.Remedy = lang.Pick("少し待ってから、開き直してください。", "Please wait a little, and open the page again.")
	default:
		out.Heading = lang.Pick("こちらの不具合で、ページを表示できません。", "This page cannot be shown. The fault is ours.")
		out.What = lang.Pick("不具合は記録されました。入力した内容は記録していません。", "It has been recorded; nothing you entered has.")
		out.Remedy = lang.Pick("時間をおいて、開き直してください。", "Please try again later.")
	}
	return out
}

// ShowWrong answers with the page for a problem. data is as for Show, with a Wrong as its Body.
func (f *Frame) ShowWrong(w http.ResponseWriter, r *http.Request, problem web.Problem, data any) {
	problem.Prepare(w.Header())
	if err := f.Show(w, r, problem.Status, wrong, data); err != nil {
		f.Log.Error("error page failed", "error", err)
		problem.Write(w, r)
	}
}

// Handler lets mux answer what it knows. What it does not, wrong answers, because net/http says it in English and without
// a page: no such path, or none for that method.
func Handler(mux *http.ServeMux, wrong func(http.ResponseWriter, *http.Request, web.Problem)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		probe := &statusOnly{header: http.Header{}}
		mux.ServeHTTP(probe, r)
		if probe.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", probe.header.Get("Allow"))
			wrong(w, r, web.Problem{Status: http.StatusMethodNotAllowed})
			return
		}
		wrong(w, r, web.Problem{Status: http.StatusNotFound})
	})
}

// statusOnly takes in what the mux would answer.
type statusOnly struct {
	header http.Header
	status int
}

func (p *statusOnly) Header() http.Header         { return p.header }
func (p *statusOnly) Write(b []byte) (int, error) { return len(b), nil }
func (p *statusOnly) WriteHeader(status int)      { p.status = status }
