package document

import (
	"fmt"
	"slices"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// writer writes the items of one document.
type writer struct {
	Input
	lang language.Lang
	zone *time.Location // of all its times
}

func (s *section) say(text string, keys ...string) {
	if text == "" {
		return
	}
	s.lines = append(s.lines, text)
	for _, k := range keys {
		if !slices.Contains(s.facts, k) {
			s.facts = append(s.facts, k)
		}
	}
}

func (w *writer) pick(ja, en string) string { return w.lang.Pick(ja, en) }

// moment writes when something happened, as exactly as it is known, with its zone.
func (w *writer) moment(v incident.Value) string {
	return incident.About(w.lang, v, w.zoned(v.Time))
}

func (w *writer) zoned(m incident.Moment) string {
	m = m.InZone(w.zone)
	text := m.In(w.lang)
	if !m.Exact() || w.lang == language.JA { // who reads it is in Japan
		return text
	}
	return text + " " + language.Zone(w.lang, m.Time)
}

// unsure marks what may be so.
func (w *writer) unsure(f incident.Fact) string {
	if f.Certainty == incident.Possible {
		return w.pick("（おそれ）", " (possibly)")
	}
	return ""
}

func (w *writer) summary() section {
	var s section
	org, title := w.Incident.Organisation(w.lang), w.Incident.Title(w.lang)
	if org == "" {
		org = w.Operator
	}
	s.say(org+w.pick("：", ": ")+title, "organisation", "title")
	if f, ok := w.Incident.Fact("cause"); ok && f.Value.Word != "unknown" {
		s.say(w.pick("事案の種別：", "Kind of incident: ")+incident.Word(w.lang, f.Value.Word)+w.unsure(f), "cause")
	}
	if !w.Knowledge.IsZero() {
		s.say(w.pick("知った時点：", "Known since: ") + w.zoned(w.Knowledge))
	}
	course := w.course()
	s.lines, s.facts = append(s.lines, course.lines...), append(s.facts, course.facts...)
	return s
}

// course is what happened in the order of time.
func (w *writer) course() section {
	var s section
	for _, k := range []struct{ key, ja, en string }{{"window.start", "始まり", "Began"}, {"window.end", "終わり", "Ended"}, {"discovered", "発覚", "Discovered"},
		{"contained", "被害の拡大を防止した日時", "Contained"}, {"login-blocked", "全アカウントのログインを遮断", "All sign-ins blocked"}} {
		if f, ok := w.Incident.Fact(k.key); ok {
			if f.Certainty == incident.Unknown {
				s.unknown = w.pick(k.ja+"の日時", "when it "+k.en)
				continue
			}
			s.say(w.pick(k.ja+"：", k.en+": ")+w.moment(f.Value)+w.unsure(f), k.key)
		}
	}
	return s
}

func (w *writer) classes() section {
	var s section
	for _, f := range w.Incident.Listed("data-class") {
		label := incident.ClassLabelIn(w.lang, w.Incident.Country(), f.Value.Word)
		if f.Certainty == incident.Unknown {
			s.unknown = w.pick(label+"が含まれるか", "whether it includes "+label)
			continue
		}
		s.say(w.pick("・", "- ")+label+w.unsure(f), "data-class")
	}
	return s
}

// persons are those whose data they are. Accounts and records are no persons: where facts count those, the number of persons is not
// known.
func (w *writer) persons() section {
	var s section
	f, ok := w.Incident.Fact("affected.count")
	switch {
	case !ok:
		return s
	case f.Certainty == incident.Unknown || f.Value.Number == nil:
		s.unknown = w.pick("本人の数", "the number of persons")
	case f.Value.Unit != "persons":
		s.say(w.pick("事実の数（本人の数ではありません）：", "As the facts count (not persons): ")+incident.Count(w.lang, f.Value)+w.unsure(f), "affected.count")
		s.unknown = w.pick("本人の数（事実は"+incident.Word(w.lang, f.Value.Unit)+"で数えています）", "the number of persons (the facts count "+incident.Word(w.lang, f.Value.Unit)+")")
	default:
		s.say(incident.Count(w.lang, f.Value)+w.unsure(f), "affected.count")
	}
	for _, p := range w.Incident.Listed("affected.part") {
		s.say(w.pick("うち", "of these ")+incident.Count(w.lang, p.Value), "affected.part")
	}
	if w.investigating() {
		s.unknown = w.pick("対象の範囲は調査中で、この数は変わりえます", "the scope is still being investigated, and the number may change")
	}
	return s
}

func (w *writer) investigating() bool {
	st := w.Incident.State()
	return st == incident.StateInvestigating || st == incident.StateReopened
}

// number is how many, in the unit of the fact.
func (w *writer) number() section {
	var s section
	if f, ok := w.Incident.Fact("affected.count"); ok {
		if f.Certainty == incident.Unknown || f.Value.Number == nil {
			s.unknown = w.pick("件数", "the number")
		} else {
			s.say(incident.Count(w.lang, f.Value)+w.unsure(f), "affected.count")
		}
	}
	if f, ok := w.Incident.Fact("base.count"); ok {
		s.say(w.pick("全体：", "Of ")+incident.Count(w.lang, f.Value), "base.count")
	}
	if f, ok := w.Incident.Fact("attempts.count"); ok {
		s.say(w.pick("試行：", "Attempts: ")+incident.Count(w.lang, f.Value), "attempts.count")
	}
	return s
}

func (w *writer) cause() section {
	var s section
	f, ok := w.Incident.Fact("cause")
	switch {
	case !ok:
	case f.Value.Word == "unknown" || f.Certainty == incident.Unknown:
		s.unknown = w.pick("原因", "the cause")
		s.facts = []string{"cause"}
	default:
		s.say(incident.Word(w.lang, f.Value.Word)+w.unsure(f), "cause")
	}
	return s
}

func (w *writer) damage() section {
	var s section
	for _, f := range w.Incident.Listed("secondary-damage") {
		s.say(w.zoned(f.AsOf)+w.pick("現在、", ": ")+incident.Word(w.lang, f.Value.Word)+w.pick("：", ": ")+incident.DamageStatus(w.lang, f.Value), "secondary-damage")
	}
	return s
}

// How the line begins that says how many have asked.
const (
	askedJA = "窓口への問い合わせ（"
	askedEN = "Enquiries at the desk (as of "
)

func (w *writer) asked() string {
	until := w.Asked.Until.In(w.zone)
	return w.pick(askedJA, askedEN) + language.DateTime(w.lang, until) + w.pick("現在）：", "): ") + language.Number(w.lang, w.Asked.N) + w.pick("件", "")
}

// actions are what was done, or is promised.
func (w *writer) actions(s *section) {
	for _, f := range w.Incident.Listed("action") {
		s.say(w.pick("・", "- ")+f.In(w.lang), "action")
	}
}

func (w *writer) measures() section {
	var s section
	w.actions(&s)
	return s
}

func (w *writer) response() section {
	var s section
	if f, ok := w.Incident.Fact("persons-notified"); ok {
		s.say(w.pick("本人への通知：", "Persons notified: ")+w.moment(f.Value), "persons-notified")
	}
	w.actions(&s)
	if c := w.contact(); len(c.lines) > 0 {
		s.lines, s.facts = append(s.lines, c.lines...), append(s.facts, c.facts...)
	}
	return s
}

// publication is what was made public, which is known either way.
func (w *writer) publication() section {
	var s section
	kinds := map[string]language.Text{incident.KindFirst: both("第1版", "first version"), incident.KindRevision: both("全文の更新", "whole text anew"), incident.KindAddendum: both("追記", "addendum"),
		incident.KindCorrection: both("訂正", "correction"), incident.KindRetraction: both("取り下げ", "retraction")}
	for _, n := range w.Notices {
		line := fmt.Sprintf(w.pick("%s　お知らせ（%s）", "%s: notice, %s"), w.zoned(incident.Moment{Time: n.Time, Precision: incident.Minute}), kinds[n.Kind].In(w.lang))
		if w.URL != "" {
			line += " " + w.URL + "/notices/" + incident.NoticeID(n.Incident, n.Version)
		}
		s.say(line)
	}
	if f, ok := w.Incident.Fact("disclosed"); ok {
		s.say(w.pick("公表日：", "Made public on: ")+w.moment(f.Value), "disclosed")
	}
	if len(s.lines) == 0 {
		asOf := w.zoned(incident.Moment{Time: w.At, Precision: incident.Minute})
		s.say(w.pick("まだ公表していません（"+asOf+"時点）", "Nothing was made public as of "+asOf+": "))
	}
	return s
}

func (w *writer) prevention() section { return section{} }

// after are the tasks that outlive the case (今後の対応), and lessons what was learnt: both are said where the case is closed.
func (w *writer) after() section   { return section{lines: w.Prevention} }
func (w *writer) lessons() section { return section{lines: w.Lessons} }
func (w *writer) nothing() section { return section{} }

func (w *writer) other() section {
	var s section
	for _, f := range w.Incident.Listed("excluded") {
		s.say(w.pick("対象外：", "Not affected: ")+f.In(w.lang), "excluded")
	}
	if f, ok := w.Incident.Fact("regulator-notified"); ok {
		s.say(w.pick("報告日：", "Reported on: ")+w.moment(f.Value), "regulator-notified")
	}
	services := w.services()
	s.lines, s.facts = append(s.lines, services.lines...), append(s.facts, services.facts...)
	return s
}

func (w *writer) services() section {
	var s section
	for _, f := range w.Incident.Listed("service") {
		s.say(w.pick("・", "- ")+f.In(w.lang), "service")
	}
	return s
}

func (w *writer) scope() section {
	s := w.number()
	for _, f := range w.Incident.Listed("excluded") {
		s.say(w.pick("対象外：", "Not affected: ")+f.In(w.lang), "excluded")
	}
	if w.investigating() {
		s.unknown = w.pick("対象の範囲は調査中です", "the scope is still being investigated")
	}
	return s
}

func (w *writer) contact() section {
	var s section
	if f, ok := w.Incident.Fact("contact"); ok {
		s.say(f.In(w.lang), "contact")
	}
	return s
}

func (w *writer) advice() section {
	var s section
	for i, step := range incident.Advise(w.Incident.Classes()) {
		title, body := step.In(w.lang)
		s.say(fmt.Sprintf("%d. %s%s%s", i+1, title, w.pick("", " "), body), "data-class")
	}
	return s
}

func (w *writer) next() section {
	var s section
	if f, ok := w.Incident.Fact("next-update"); ok {
		s.say(f.In(w.lang), "next-update")
	}
	return s
}

// where says how somebody finds the same on the organisation's own site: a link in a mail is what look-alikes send.
func (w *writer) where() section {
	var s section
	if w.URL != "" {
		s.say(fmt.Sprintf(w.pick("メールの中のリンクは使わず、いつもの方法で当社のサイトを開き、お知らせの番号「%s」を探してください。同じ内容が %s/incidents/%s にあります。",
			"Do not use a link of a mail. Go to our site the way you usually do, and look for the notice %s. The same stands at %s/incidents/%s"), w.Incident.ID, w.URL, w.Incident.ID))
	}
	return s
}

// undetermined is what nobody knows yet.
func (w *writer) undetermined() section {
	var s section
	for _, f := range w.Incident.Facts {
		if f.Certainty == incident.Unknown {
			s.say(w.pick("未確認：", "Not known: ")+incident.KeyLabel(w.lang, f.Key), f.Key)
		}
	}
	if w.investigating() {
		s.say(w.pick("対象の範囲は調査中です", "The scope is still being investigated"), "scope.state")
	}
	return s
}
