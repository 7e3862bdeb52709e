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
// that was planned for a time. What was promised in public is not unsaid: it stands as notices have it, until a notice says what became of it,
// whatever is recorded meanwhile; and those that were kept, and those that came late, stay. What no notice has named goes by the facts, and so does what is
// planned where notices have named no time, or where that promise has its end: it stands beside it.
func promised(inc incident.Incident, notices []incident.Notice) []law.Promise {
	out := nextUpdates(inc, notices)
	now := inc.Listed("action")
	public := announcedIn(notices)
	for _, a := range public {
		out = append(out, a.past...)
		if !a.Due.IsZero() && !a.off {
			out = append(out, a.recorded(now))
		}
	}
	for _, f := range now {
		due := dueOf(f.Value)
		if due.IsZero() || f.Value.Status == "lifted" {
			continue
		}
		p := promiseOf(f, due)
		ends(&p, f.Value)
		if i := slices.IndexFunc(public, func(a *announced) bool { return a.ID == f.Item }); i >= 0 {
			if !public[i].Due.IsZero() && (over(f.Value.Status) || !public[i].off && !public[i].ended()) {
				continue
			}
			p.ID += anew
		}
		out = append(out, p)
	}
	return out
}

// anew ends the id of a promise that is recorded, and of which no notice has told, where notices have named its action.
const anew = "-recorded"

// dueOf is when an action is promised for; zero where it is not.
func dueOf(v incident.Value) incident.Moment {
	if v.Promised.IsZero() && v.Status == "planned" {
		return v.Time
	}
	return v.Promised
}

func promiseOf(f incident.Fact, due incident.Moment) law.Promise {
	return law.Promise{ID: f.Item, What: f.Value.Text, Where: "action/" + f.Item, Made: f.AsOf, Due: due, About: f.Value.Qualifier == "about"}
}

// over reports that an action's status says what became of it.
func over(status string) bool { return slices.Contains([]string{"taken", "kept", "slipped"}, status) }

// ends takes in what a value says of what became of a promise, if it does.
func ends(p *law.Promise, v incident.Value) {
	if !over(v.Status) {
		return
	}
	// One that slipped and has no time of its own was not done at all: it is told so, and a new promise may stand beside it.
	if p.Kept, p.Broke = v.Time, false; p.Kept.IsZero() {
		if p.Broke = v.Status == "slipped"; !p.Broke {
			p.Kept = p.Due
		}
	}
	if !p.Kept.IsZero() {
		p.Made = incident.Moment{} // the newest as-of is that of its end
	}
}

// announced is an action that notices have named: the promise as the public has it.
type announced struct {
	law.Promise
	past []law.Promise // of times that it was promised for before, and that were over
	off  bool          // taken back in public before its time was over
}

func same(a, b incident.Moment) bool { return a.Time.Equal(b.Time) && a.Precision == b.Precision }

func (a *announced) ended() bool { return a.Broke || !a.Kept.IsZero() }

// announcedIn gives the actions that notices have named, in the order in which they came up. A whole text that leaves one out says nothing of it:
// that it was taken back is in no notice yet then (see [incident.Incidents.Unpublished]), and the next addendum tells it.
func announcedIn(notices []incident.Notice) []*announced {
	var out []*announced
	for _, n := range notices {
		for _, f := range n.Facts {
			if f.Key != "action" {
				continue
			}
			i := slices.IndexFunc(out, func(a *announced) bool { return a.ID == f.Item })
			if i < 0 {
				if f.Retracted {
					continue
				}
				out = append(out, &announced{Promise: promiseOf(f, dueOf(f.Value))})
				i = len(out) - 1
			}
			out[i].told(f, n)
		}
	}
	return out
}

// told takes in what a notice says of the action.
func (a *announced) told(f incident.Fact, n incident.Notice) {
	v, due := f.Value, dueOf(f.Value)
	switch {
	case f.Retracted, v.Status == "lifted":
		a.away(n)
	case over(v.Status):
		a.What, a.off = v.Text, false
		if a.Due.IsZero() { // it was not promised in public before, and is said to have been
			a.Due = due
		}
		if !a.Due.IsZero() {
			ends(&a.Promise, v)
		}
	case !due.IsZero() && (!same(due, a.Due) || a.off || a.ended()): // promised anew
		if a.away(n); a.ended() && !same(due, a.Due) { // for the same time it was not over, whatever was told
			p := a.Promise
			p.ID += "-until-v" + strconv.FormatInt(n.Version, 10)
			a.past = append(a.past, p)
		}
		a.Promise, a.off = promiseOf(f, due), false
	default:
		a.What = v.Text
	}
}

// away is told where a notice takes a promise back, or promises another time: one whose time was over, and of which nothing was said, was not kept.
func (a *announced) away(n incident.Notice) {
	if a.Due.IsZero() || a.off || a.ended() {
		return
	}
	if a.Broke = a.Fate(n.Told()) == law.Unsaid; !a.Broke {
		a.off = true
	}
}

// recorded is the promise with what is recorded now of what became of it: where no notice says that, it stands all the same.
func (a *announced) recorded(now []incident.Fact) law.Promise {
	p := a.Promise
	if a.ended() {
		return p
	}
	i := slices.IndexFunc(now, func(f incident.Fact) bool { return f.Item == a.ID })
	p.Untold = i < 0 || now[i].Value.Status == "lifted" || over(now[i].Value.Status)
	if p.Untold && i >= 0 {
		ends(&p, now[i].Value)
	}
	return p
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
		switch {
		case p.Untold && p.Kept.IsZero() && !p.Broke: // it is recorded that it is lifted, or was taken back
			text = language.Text{
				JA: ja + "は、" + about(language.JA, p.Due) + "とお知らせしていましたが、このお知らせを取り消します。お知らせしたとおりになっていないことをおわびします。",
				EN: en + " was announced for " + about(language.EN, p.Due) + ". We take that back, and apologise that what we announced does not hold."}
		case p.InTime():
			text = language.Text{
				JA: ja + "は、" + about(language.JA, p.Due) + "とお知らせしていたとおり、" + about(language.JA, p.Kept) + "に行いました。",
				EN: en + " was announced for " + about(language.EN, p.Due) + ", and came at " + about(language.EN, p.Kept) + "."}
		case !p.Kept.IsZero():
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
		m := law.Promise{ID: "case-" + itoa(p.ID), What: language.Recorded(p.Text), Where: "entry " + itoa(p.ID), Due: due,
			Made: incident.Moment{Time: p.Made.UTC().Truncate(time.Minute), Precision: incident.Minute}}
		if p.State == "kept" {
			if m.Kept, err = incident.ParseMoment(p.At, nil); err != nil {
				m.Kept = toMinute(p.RecordedAt)
			}
		} else if n, ok := p.keptBy(notices); ok {
			m.Kept = toMinute(n.Told())
		}
		out = append(out, m)
	}
	return out
}

// keptBy gives the notice that kept the promise of the next update.
func (p Promised) keptBy(notices []incident.Notice) (incident.Notice, bool) {
	i := slices.IndexFunc(notices, func(n incident.Notice) bool { return n.Told().After(p.Made) })
	if i < 0 || p.Text != nextUpdate {
		return incident.Notice{}, false
	}
	return notices[i], true
}

// withdrawn are the promises of the case that somebody has taken back, and that no notice kept.
func (k *Case) withdrawn(notices []incident.Notice) []Promised {
	return slices.DeleteFunc(slices.Clone(k.Promises), func(p Promised) bool {
		_, kept := p.keptBy(notices)
		return p.State != "withdrawn" || kept
	})
}
