package incident

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"shirase/internal/web"
)

// What both languages of a notice take from the facts in the same way.

// Attack reports whether the cause is somebody's doing from outside, so that a text may speak of access rather than of
// a mishap.
func (i Incident) Attack() bool {
	f, ok := i.Fact("cause")
	return ok && slices.Contains([]string{"intrusion", "credential-stuffing", "ransomware", "malware", "web-skimming", "phishing"}, f.Value.Word)
}

// links lead from a notice to where people can check themselves, as long as they can, and to the incident's living help
// page. Where this instance's address is not known there is nothing to lead to.
func (i Incident) links(p *page, lang web.Lang, figures Figures) {
	if figures.URL == "" {
		return
	}
	help := link(strings.TrimRight(figures.URL, "/") + "/incidents/" + i.ID + "/help")
	if figures.state(i) != StateFinal {
		p.heading(2, lang.Pick("いまの状況", "Where things stand"))
		p.paragraph(lang.Pick("新しく分かったことと、していただきたいことは、次のページでお知らせします。", "What is found out, and what you can do, is kept up to date here: ") + help)
		return
	}
	p.heading(2, lang.Pick("ご自身が対象かどうかの確認", "Find out whether you are affected"))
	p.paragraph(lang.Pick("次のページで、ご自身のアドレスが対象に含まれるかどうかを確認できます。", "You can check your own address here: ") + link(figures.URL))
	p.paragraph(lang.Pick("入力されたアドレスは、お使いの端末の中で読み取れない形に変えてから照合します。アドレスそのものは、当方にも送られません。",
		"What you enter is made unreadable on your own device before it is compared. The address itself is not sent, not even to us."))
	p.paragraph(lang.Pick("いまの状況と、していただきたいことは、次のページでお知らせします。", "Where things stand, and what you can do, is kept up to date here: ") + help)
}

// allConfirmed reports whether every exposed class is known to have been taken, not only possibly.
func (i Incident) allConfirmed() bool {
	list := i.Listed("data-class")
	return len(list) > 0 && !slices.ContainsFunc(list, func(f Fact) bool { return f.Certainty != Confirmed })
}

// span returns how long after from something happened, where both are known to the minute.
func (i Incident) span(from, to string) (time.Duration, bool) {
	a, okA := i.Fact(from)
	b, okB := i.Fact(to)
	if !okA || !okB || a.Value.Time.Precision != Minute || b.Value.Time.Precision != Minute || b.Value.Time.Time.Before(a.Value.Time.Time) {
		return 0, false
	}
	return b.Value.Time.Time.Sub(a.Value.Time.Time), true
}

// inJapan reports whether every time the facts give with an hour is Japan's, so that saying so once is enough.
func (i Incident) inJapan() bool {
	some := false
	for _, f := range i.Facts {
		for _, m := range []Moment{f.Value.Time, f.Value.Promised, f.AsOf} {
			if !m.Exact() {
				continue
			}
			some = true
			if _, offset := m.Time.Zone(); offset != 9*60*60 {
				return false
			}
		}
	}
	return some
}

// moments writes the times of one section of a notice: the year where it is not that of the time before, and the
// zone, unless all are Japan's and that is said once at the end.
func (i Incident) moments(lang web.Lang) func(m Moment) string {
	bare, year := i.inJapan(), 0
	return func(m Moment) string {
		text := m.In(lang)
		if m.Time.Year() == year {
			text = m.inYear(lang)
		}
		year = m.Time.Year()
		if bare || !m.Exact() {
			return text
		}
		zone := web.Zone(lang, m.Time)
		return text + lang.Pick("（"+zone+"）", " "+zone)
	}
}

// about marks a time that is only roughly known.
func about(lang web.Lang, v Value, when string) string {
	if v.Qualifier != "about" {
		return when
	}
	if lang == web.JA {
		if i := strings.LastIndex(when, "（"); i >= 0 && strings.HasSuffix(when, "）") { // 21時頃（協定世界時）
			return when[:i] + "頃" + when[i:]
		}
		return when + "頃"
	}
	if i := strings.LastIndex(when, ", "); i >= 0 { // 19 July 2013, about 21:00
		return when[:i] + ", about " + when[i+2:]
	}
	return "about " + when
}

// names lists the names of services with one of the given statuses, in lang.
func (i Incident) names(lang web.Lang, statuses ...string) []string {
	var out []string
	for _, f := range i.Listed("service") {
		if slices.Contains(statuses, f.Value.Status) {
			out = append(out, plain(f.Value.Text.In(lang)))
		}
	}
	return out
}

// damages groups secondary damage of one status by as-of, oldest first.
type damages struct {
	asOf Moment
	what []string
}

func (i Incident) damages(lang web.Lang, status string) []damages {
	var out []damages
	for _, f := range i.Listed("secondary-damage") {
		if f.Value.Status != status {
			continue
		}
		what := Word(lang, f.Value.Word)
		if n := len(out); n > 0 && out[n-1].asOf.String() == f.AsOf.String() {
			out[n-1].what = append(out[n-1].what, what)
			continue
		}
		out = append(out, damages{f.AsOf, []string{what}})
	}
	slices.SortStableFunc(out, func(a, b damages) int { return a.asOf.Time.Compare(b.asOf.Time) })
	return out
}

// sourceLine writes one source: its address or citation, and what was read when.
func sourceLine(lang web.Lang, f Fact) string {
	line := plain(f.Value.Text.In(lang))
	if f.Value.URL != "" {
		line = link(f.Value.URL)
	}
	if !f.Value.Fetched.IsZero() {
		line += lang.Pick("（"+f.Value.Fetched.In(lang)+" 取得）", " (read on "+f.Value.Fetched.In(lang)+")")
	}
	return line
}

// contactLines writes how the desk is reached.
func contactLines(lang web.Lang, v Value) []string {
	var out []string
	if v.URL != "" {
		out = append(out, link(v.URL))
	}
	if v.Telephone != "" {
		line := lang.Pick("電話 ", "Telephone ") + plain(v.Telephone)
		if hours := v.Hours.In(lang); hours != "" {
			line += lang.Pick("（"+plain(hours)+"）", " ("+plain(hours)+")")
		}
		out = append(out, line)
	} else if hours := v.Hours.In(lang); hours != "" {
		out = append(out, lang.Pick("受付時間 ", "Hours: ")+plain(hours))
	}
	return out
}

// stepLines writes what people are asked to do.
func stepLines(lang web.Lang, exposed []string) []string {
	var out []string
	for _, step := range Advise(exposed) {
		title, body := step.In(lang)
		out = append(out, strings.TrimSpace(title+lang.Pick("", " ")+body))
	}
	return out
}

// headDate is the date under the title: of the disclosure, or of this publication where that is not known.
func headDate(lang web.Lang, i Incident, figures Figures) string {
	if f, ok := i.Fact("disclosed"); ok {
		return Moment{f.Value.Time.Time, max(f.Value.Time.Precision, Day)}.In(lang)
	}
	return web.Date(lang, figures.Time.In(japan))
}

// excludedLines lists who is outside the scope: what was excluded, and the services not
// affected that this did not name already.
func (i Incident) excludedLines(lang web.Lang) []string {
	var out []string
	for _, f := range i.Listed("excluded") {
		line := plain(f.Value.Text.In(lang))
		if f.Value.Number != nil {
			line += lang.Pick("（"+Count(lang, f.Value)+"）", " ("+Count(lang, f.Value)+")")
		}
		out = append(out, line)
	}
	said := strings.Join(out, "\n")
	names := slices.DeleteFunc(i.names(lang, "unrelated"), func(name string) bool { return strings.Contains(said, name) })
	if len(names) > 0 {
		out = append(out, web.Join(lang, names)+lang.Pick("（影響なし）", " (not affected)"))
	}
	return out
}

// actionLines lists what the organisation did and promised, in the order of time.
func (i Incident) actionLines(lang web.Lang) []string {
	at := i.moments(lang)
	var out []string
	for _, f := range i.Listed("action") {
		out = append(out, i.actionLine(lang, f, at))
	}
	return out
}

// actionLine writes one action: when, what, and what became of it.
func (i Incident) actionLine(lang web.Lang, f Fact, at func(Moment) string) string {
	v := f.Value
	line := plain(v.Text.In(lang))
	switch {
	case !v.Time.IsZero():
		line = at(v.Time) + ": " + line
	case !v.Promised.IsZero():
		line = about(lang, v, at(v.Promised)) + lang.Pick("（予定）: ", " (planned): ") + line
	}
	if note := ActionNote(lang, v, at); note != "" {
		line += lang.Pick("（"+note+"）", " ("+note+")")
	}
	return line
}

// ActionNote says what became of an action, beyond that it was taken; empty where there is nothing to add. at writes
// its times.
func ActionNote(lang web.Lang, v Value, at func(Moment) string) string {
	known, promised := !v.Time.IsZero(), !v.Promised.IsZero()
	promise := func() string { return about(lang, v, at(v.Promised)) }
	switch {
	case v.Status == "planned" && (known || !promised):
		return lang.Pick("予定", "planned")
	case v.Status == "lifted":
		return lang.Pick("解除", "lifted")
	case v.Status == "kept" && known && promised:
		return fmt.Sprintf(lang.Pick("%sの予定どおり", "as promised for %s"), promise())
	case v.Status == "kept":
		return lang.Pick("予定どおり", "as promised")
	case v.Status == "slipped" && known && promised:
		return fmt.Sprintf(lang.Pick("%sの予定から遅れました", "promised for %s, late"), promise())
	case v.Status == "slipped":
		return lang.Pick("予定どおりには行われませんでした", "this promise was not kept")
	}
	return ""
}

// addendumLines lists the addenda in the order of time.
func (i Incident) addendumLines(lang web.Lang) []string {
	at := i.moments(lang)
	var out []string
	for _, f := range i.Listed("addendum") {
		out = append(out, at(f.Value.Time)+": "+plain(f.Value.Text.In(lang)))
	}
	return out
}
