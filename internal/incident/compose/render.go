package compose

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// What both languages of a notice take from the facts in the same way.

// links lead from a notice to where people can check themselves, as long as they can, and to the incident's living help
// page. Where this instance's address is not known there is nothing to lead to.
func (i subject) links(p *page, lang language.Lang, figures Figures) {
	if figures.URL == "" {
		return
	}
	help := incident.Link(strings.TrimRight(figures.URL, "/") + "/incidents/" + i.ID + "/help")
	if figures.state(i) != incident.StateFinal {
		p.heading(2, lang.Pick("いまの状況", "Where things stand"))
		p.paragraph(lang.Pick("新しく分かったことと、していただきたいことは、次のページでお知らせします。", "What is found out, and what you can do, is kept up to date here: ") + help)
		return
	}
	p.heading(2, lang.Pick("ご自身が対象かどうかの確認", "Find out whether you are affected"))
	p.paragraph(lang.Pick("次のページで、ご自身のアドレスが対象に含まれるかどうかを確認できます。", "You can check your own address here: ") + incident.Link(figures.URL))
	p.paragraph(lang.Pick("入力されたアドレスは、お使いの端末の中で読み取れない形に変えてから照合します。アドレスそのものは、当方にも送られません。",
		"What you enter is made unreadable on your own device before it is compared. The address itself is not sent, not even to us."))
	p.paragraph(lang.Pick("いまの状況と、していただきたいことは、次のページでお知らせします。", "Where things stand, and what you can do, is kept up to date here: ") + help)
}

// allConfirmed reports whether every exposed class is known to have been taken, not only possibly.
func (i subject) allConfirmed() bool {
	list := i.Listed("data-class")
	return len(list) > 0 && !slices.ContainsFunc(list, func(f incident.Fact) bool { return f.Certainty != incident.Confirmed })
}

// span returns how long after from something happened, where both are known to the minute.
func (i subject) span(from, to string) (time.Duration, bool) {
	a, okA := i.Fact(from)
	b, okB := i.Fact(to)
	if !okA || !okB || a.Value.Time.Precision != incident.Minute || b.Value.Time.Precision != incident.Minute || b.Value.Time.Time.Before(a.Value.Time.Time) {
		return 0, false
	}
	return b.Value.Time.Time.Sub(a.Value.Time.Time), true
}

// names lists the names of services with one of the given statuses, in lang.
func (i subject) names(lang language.Lang, statuses ...string) []string {
	var out []string
	for _, f := range i.Listed("service") {
		if slices.Contains(statuses, f.Value.Status) {
			out = append(out, incident.Plain(f.Value.Text.In(lang)))
		}
	}
	return out
}

// damages groups secondary damage of one status by as-of, oldest first.
type damages struct {
	asOf      incident.Moment
	what      []string // beside enquiries, which are received and not confirmed
	enquiries bool
}

func (i subject) damages(lang language.Lang, status string) []damages {
	var out []damages
	for _, f := range i.Listed("secondary-damage") {
		if f.Value.Status != status {
			continue
		}
		if n := len(out); n == 0 || out[n-1].asOf.String() != f.AsOf.String() {
			out = append(out, damages{asOf: f.AsOf})
		}
		d := &out[len(out)-1]
		if f.Value.Word == "enquiry" {
			d.enquiries = true
		} else {
			d.what = append(d.what, incident.Word(lang, f.Value.Word))
		}
	}
	slices.SortStableFunc(out, func(a, b damages) int { return a.asOf.Time.Compare(b.asOf.Time) })
	return out
}

// sourceLine writes one source: its address or citation, and what was read when.
func sourceLine(lang language.Lang, f incident.Fact) string {
	line := incident.Plain(f.Value.Text.In(lang))
	if f.Value.URL != "" {
		line = incident.Link(f.Value.URL)
	}
	if !f.Value.Fetched.IsZero() {
		line += lang.Pick("（"+f.Value.Fetched.In(lang)+" 取得）", " (read on "+f.Value.Fetched.In(lang)+")")
	}
	return line
}

// contactLines writes how the desk is reached.
func contactLines(lang language.Lang, v incident.Value) []string {
	var out []string
	if v.URL != "" {
		out = append(out, incident.Link(v.URL))
	}
	if v.Telephone != "" {
		line := lang.Pick("電話 ", "Telephone ") + incident.Plain(v.Telephone)
		if hours := v.Hours.In(lang); hours != "" {
			line += lang.Pick("（"+incident.Plain(hours)+"）", " ("+incident.Plain(hours)+")")
		}
		out = append(out, line)
	} else if hours := v.Hours.In(lang); hours != "" {
		out = append(out, lang.Pick("受付時間 ", "Hours: ")+incident.Plain(hours))
	}
	return out
}

// stepLines writes what people are asked to do.
func stepLines(lang language.Lang, exposed []string) []string {
	var out []string
	for _, step := range incident.Advise(exposed) {
		title, body := step.In(lang)
		out = append(out, strings.TrimSpace(title+lang.Pick("", " ")+body))
	}
	return out
}

// headDate is the date under the title: of the disclosure, or of this publication where that is not known.
func headDate(lang language.Lang, i subject, figures Figures) string {
	if f, ok := i.Fact("disclosed"); ok {
		return incident.Moment{Time: f.Value.Time.Time, Precision: max(f.Value.Time.Precision, incident.Day)}.In(lang)
	}
	return language.Date(lang, figures.Time.In(incident.Japan))
}

// excludedLines lists who is outside the scope: what was excluded, and the services not
// affected that this did not name already.
func (i subject) excludedLines(lang language.Lang) []string {
	var out []string
	for _, f := range i.Listed("excluded") {
		line := incident.Plain(f.Value.Text.In(lang))
		if f.Value.Number != nil {
			line += lang.Pick("（"+incident.Count(lang, f.Value)+"）", " ("+incident.Count(lang, f.Value)+")")
		}
		out = append(out, line)
	}
	said := strings.Join(out, "\n")
	names := slices.DeleteFunc(i.names(lang, "unrelated"), func(name string) bool { return strings.Contains(said, name) })
	if len(names) > 0 {
		out = append(out, language.Join(lang, names)+lang.Pick("（影響なし）", " (not affected)"))
	}
	return out
}

// actionLines lists what the organisation did and promised, in the order of time.
func (i subject) actionLines(lang language.Lang) []string {
	at := i.Moments(lang)
	var out []string
	for _, f := range i.Listed("action") {
		out = append(out, i.ActionLine(lang, f, at))
	}
	return out
}

// next says when the next notice comes, or that none is planned, where one of it is recorded.
func (i subject) next(p *page, lang language.Lang) {
	f, ok := i.Fact("next-update")
	switch {
	case !ok:
	case f.Value.Word == incident.NoNext:
		p.paragraph(lang.Pick("次回のお知らせの予定は、ありません。新たな事実が分かったときは、このお知らせに追記します。",
			"No further update is planned. If we learn more, we will add to this notice."))
	default:
		when := incident.About(lang, f.Value, i.Moments(lang)(f.Value.Time))
		p.paragraph(fmt.Sprintf(lang.Pick("次回のお知らせは、%sを予定しています。", "The next update is planned for %s."), when))
	}
}

// addendumLines lists the addenda in the order of time.
func (i subject) addendumLines(lang language.Lang) []string {
	at := i.Moments(lang)
	var out []string
	for _, f := range i.Listed("addendum") {
		out = append(out, at(f.Value.Time)+": "+incident.Plain(f.Value.Text.In(lang)))
	}
	return out
}
