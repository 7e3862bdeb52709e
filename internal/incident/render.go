package incident

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"shirase/internal/language"
)

// What every text about an incident takes from its facts in the same way.

// Attack reports whether the cause is somebody's doing from outside, so that a text may speak of access rather than of
// a mishap.
func (i Incident) Attack() bool {
	f, ok := i.Fact("cause")
	return ok && slices.Contains([]string{"intrusion", "credential-stuffing", "ransomware", "malware", "web-skimming", "phishing"}, f.Value.Word)
}

// InJapan reports whether every time the facts give with an hour is Japan's, so that saying so once is enough.
func (i Incident) InJapan() bool {
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

// Zone is the zone that an incident's facts are told in: that of the newest of them that says an hour; nil where none does.
func (i Incident) Zone() *time.Location {
	var zone *time.Location
	newest := time.Time{}
	for _, f := range i.Facts {
		for _, m := range []Moment{f.AsOf, f.Value.Time, f.Value.Promised} {
			if m.Exact() && m.Time.After(newest) {
				zone, newest = m.Time.Location(), m.Time
			}
		}
	}
	return zone
}

// InZone is the incident with every hour that its facts tell told in one zone.
func (i Incident) InZone(zone *time.Location) Incident {
	i.Facts = slices.Clone(i.Facts)
	for n := range i.Facts {
		f := &i.Facts[n]
		for _, m := range []*Moment{&f.AsOf, &f.Value.Time, &f.Value.Promised} {
			*m = m.InZone(zone)
		}
	}
	return i
}

// InZone is m as a clock of the zone shows it. What is known to the day, or less, is that day wherever it is told.
func (m Moment) InZone(zone *time.Location) Moment {
	if m.Exact() {
		m.Time = m.Time.In(zone)
	}
	return m
}

// Moments writes the times of one section of a notice: the year where it is not that of the time before, and the
// zone, unless all are Japan's and that is said once at the end.
func (i Incident) Moments(lang language.Lang) func(m Moment) string {
	bare, year := i.InJapan(), 0
	return func(m Moment) string {
		text := m.In(lang)
		if m.Time.Year() == year {
			text = m.inYear(lang)
		}
		year = m.Time.Year()
		if bare || !m.Exact() {
			return text
		}
		zone := language.Zone(lang, m.Time)
		return text + lang.Pick("（"+zone+"）", " "+zone)
	}
}

// About marks a time that is only roughly known.
func About(lang language.Lang, v Value, when string) string {
	if v.Qualifier != "about" {
		return when
	}
	if lang == language.JA {
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

// ActionLine writes one action: when, what, and what became of it.
func (i Incident) ActionLine(lang language.Lang, f Fact, at func(Moment) string) string {
	v := f.Value
	line := Plain(v.Text.In(lang))
	switch {
	case !v.Time.IsZero():
		line = at(v.Time) + ": " + line
	case !v.Promised.IsZero():
		line = About(lang, v, at(v.Promised)) + lang.Pick("（予定）: ", " (planned): ") + line
	}
	if note := ActionNote(lang, v, at); note != "" {
		line += lang.Pick("（"+note+"）", " ("+note+")")
	}
	return line
}

// ActionNote says what became of an action, beyond that it was taken; empty where there is nothing to add. at writes
// its times.
func ActionNote(lang language.Lang, v Value, at func(Moment) string) string {
	known, promised := !v.Time.IsZero(), !v.Promised.IsZero()
	promise := func() string { return About(lang, v, at(v.Promised)) }
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
