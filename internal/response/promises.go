package response

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/law"
)

// promised are the promises that an incident's facts and its published notices make: when the next notice comes, and each action
// that was planned for a time. Those that were kept, and those that came late, stay: what was promised in public is not unsaid.
func promised(inc incident.Incident, notices []incident.Notice) []law.Promise {
	out := nextUpdates(inc, notices)
	for _, f := range inc.Listed("action") {
		v := f.Value
		due := v.Promised
		if due.IsZero() && v.Status == "planned" {
			due = v.Time
		}
		if due.IsZero() || v.Status == "lifted" {
			continue
		}
		p := law.Promise{ID: f.Item, What: v.Text, Where: "action/" + f.Item, Made: f.AsOf, Due: due, About: v.Qualifier == "about"}
		switch v.Status {
		case "taken", "kept", "slipped":
			// One that slipped and has no time of its own was not done at all: it is told so, and a new promise may stand beside it.
			if p.Kept = v.Time; p.Kept.IsZero() && v.Status == "slipped" {
				p.Broke = true
			} else if p.Kept.IsZero() {
				p.Kept = due
			}
		}
		if !p.Kept.IsZero() {
			p.Made = incident.Moment{} // the newest as-of is that of its end
		}
		out = append(out, p)
	}
	return out
}

// nextUpdates are the promises of a next notice: what each published notice said, kept by the next one that followed, and last
// what is recorded and in no notice yet.
func nextUpdates(inc incident.Incident, notices []incident.Notice) []law.Promise {
	var out []law.Promise
	said := func(facts []incident.Fact) (incident.Fact, bool) {
		i := slices.IndexFunc(facts, func(f incident.Fact) bool { return f.Key == "next-update" && !f.Retracted })
		if i < 0 {
			return incident.Fact{}, false
		}
		return facts[i], facts[i].Value.Word != incident.NoNext
	}
	promise := func(f incident.Fact, id, where string, made incident.Moment) law.Promise {
		return law.Promise{ID: id, What: language.Text{JA: "次回のお知らせ", EN: "The next update"}, Where: where, Made: made, Due: f.Value.Time, About: f.Value.Qualifier == "about"}
	}
	var last incident.Fact
	for i, n := range notices {
		f, ok := said(n.Facts)
		if !ok {
			continue
		}
		last = f
		p := promise(f, "next-update-v"+strconv.FormatInt(n.Version, 10), n.ID, toMinute(n.Told()))
		if i+1 < len(notices) {
			p.Kept = toMinute(notices[i+1].Told())
		}
		out = append(out, p)
	}
	if f, ok := inc.Fact("next-update"); ok && f.Value.Word != incident.NoNext && !f.Value.Time.Time.Equal(last.Value.Time.Time) {
		out = append(out, promise(f, "next-update", "next-update", f.AsOf))
	}
	return out
}

func toMinute(t time.Time) incident.Moment {
	return incident.Moment{Time: t.UTC().Truncate(time.Minute), Precision: incident.Minute}
}

// An Addendum is what may be published of a promise that has slipped: a text to start from, which nobody has proposed yet.
type Addendum struct {
	Clock string // of the promise
	Text  language.Text
}

// addenda are for promises made in public whose time is over, and of which no notice has said anything since.
func addenda(list []law.Promise, notices []incident.Notice, now time.Time) []Addendum {
	var out []Addendum
	for _, p := range list {
		since := p.Due.Time
		if !p.Kept.IsZero() {
			since = p.Kept.Time
		}
		fate := p.Fate(now)
		public := strings.HasPrefix(p.ID, "next-update-v") || slices.ContainsFunc(notices, func(n incident.Notice) bool {
			return slices.ContainsFunc(n.Facts, func(f incident.Fact) bool { return f.Key == "action" && f.Item == p.ID })
		})
		if !public || fate != law.Unsaid && fate != law.Slipped || notices[len(notices)-1].Told().After(since) {
			continue
		}
		about := func(lang language.Lang, m incident.Moment) string { return m.In(lang) }
		ja, en := p.What.In(language.JA), p.What.In(language.EN)
		text := language.Text{
			JA: ja + "は、" + about(language.JA, p.Due) + "とお知らせしていましたが、まだできていません。遅れていることをおわびします。新しい時刻が決まりしだい、お知らせします。",
			EN: en + " was announced for " + about(language.EN, p.Due) + ", and is not there yet. We apologise for the delay, and will say the new time as soon as it is known."}
		if !p.Kept.IsZero() {
			text = language.Text{
				JA: ja + "は、" + about(language.JA, p.Due) + "とお知らせしていましたが、" + about(language.JA, p.Kept) + "になりました。遅れたことをおわびします。",
				EN: en + " was announced for " + about(language.EN, p.Due) + ", and came at " + about(language.EN, p.Kept) + ". We apologise for the delay."}
		}
		out = append(out, Addendum{"promise-" + p.ID, text})
	}
	return out
}

// nextUpdate is the promise that a playbook makes: the next notice keeps it.
const nextUpdate = "次の更新 / The next update"

// promised are the promises that were made in the case. That of the next update is kept by the first notice that is published after
// it was made, too.
func (k *Case) promised(notices []incident.Notice) []law.Promise {
	var out []law.Promise
	for _, p := range k.Promises {
		due, err := incident.ParseMoment(p.Due, nil)
		if err != nil || p.State == "withdrawn" {
			continue
		}
		m := law.Promise{ID: "case-" + itoa(p.ID), What: language.Same(p.Text), Where: "entry " + itoa(p.ID), Due: due,
			Made: incident.Moment{Time: p.Made.UTC().Truncate(time.Minute), Precision: incident.Minute}}
		if p.State == "kept" {
			if m.Kept, err = incident.ParseMoment(p.At, nil); err != nil {
				m.Kept = toMinute(p.RecordedAt)
			}
		} else if i := slices.IndexFunc(notices, func(n incident.Notice) bool { return n.Told().After(p.Made) }); i >= 0 && p.Text == nextUpdate {
			m.Kept = toMinute(notices[i].Told())
		}
		out = append(out, m)
	}
	return out
}
