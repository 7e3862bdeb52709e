package extract

import (
	"strings"
	"unicode/utf8"

	"shirase/internal/incident"
)

// maxHead is how many lines of a text may stand before its date and title: republished notices have the site's name and
// menus there.
const maxHead = 25

var (
	published   = ruleBoth("published")
	updated     = ruleBoth("updated")
	updatedTail = ruleBoth("updatedTail")
	followRE    = ruleBoth("followRE")
	postscript  = ruleBoth("postscript")
	privately   = ruleBoth("privately")
	firstReport = ruleBoth("firstReport")
	laterReport = ruleBoth("laterReport")
	laterBefore = ruleBoth("laterBefore")
	toldHere    = ruleBoth("toldHere")
)

// titleDate is a title with its day in brackets behind it.
var titleDate = ruleBoth("titleDate")

// placeBefore is where a press release is given, before its day.
var placeBefore = ruleEN("placeBefore")

// sentAt heads a message.
var sentAt = ruleBoth("sentAt")

// labelLine says on a line of its own that the next has the day of publication.
var labelLine = ruleBoth("labelLine")

var labelAbove = ruleBoth("labelAbove")

var storyWord = ruleBoth("storyWord")

// publication finds when the text was published: the date on a line of its own near the beginning or at the end, or one
// with a label. What was updated says only as of when it speaks.
func (r *reader) publication() {
	for i, l := range r.lines {
		if line := trailingDate.ReplaceAllString(r.s[l.from:l.to], ""); i < maxHead && titleEnds(strings.TrimSpace(line)) && followRE.MatchString(r.s[l.from:l.to]) && !strings.Contains(r.s[l.from:l.to], "第1報") {
			r.update = true
		}
	}
	var labelled, alone, head, tail, updates *when
	body := r.bodyFrom()
	for _, w := range r.times {
		if w.rel != absolute || w.d == 0 {
			continue
		}
		l := r.lines[w.line]
		before, after := strings.TrimSpace(r.s[l.from:w.from]), strings.TrimSpace(r.s[w.to:l.to])
		before, after = strings.Trim(before, "()[]【】<>・:"), strings.Trim(after, "()[]【】<>")
		first := w.line < maxHead
		if l.section != secNone || w.hh >= 0 && !sentAt.MatchString(before) || w.line > 0 && labelAbove.MatchString(r.s[r.lines[w.line-1].from:r.lines[w.line-1].to]) {
			if updated.MatchString(before+":") && updates == nil {
				updates = w
			}
			first = false
		}
		switch {
		case w.line < maxHead && toldHere.MatchString(after) && l.section == secNone:
			if labelled == nil {
				labelled = w
			}
		case before == "" && after == "" && w.line > 0 && w.line < maxHead && labelLine.MatchString(r.s[r.lines[w.line-1].from:r.lines[w.line-1].to]):
			if labelled == nil {
				labelled = w
			}
		case updated.MatchString(before+":") || updatedTail.MatchString(after):
			if updates == nil {
				updates = w
			}
		case first && before != "" && published.MatchString(lastBytes(before, 60)) && len(before) < 60 && len(after) < 60:
			if labelled == nil {
				labelled = w
			}
		case before == "" && after == "" && w.line+1 < len(r.lines) && addedLine.MatchString(r.s[r.lines[w.line+1].from:r.lines[w.line+1].to]):
			if updates == nil { // the day on which the next line says that something was added
				updates = w
			}
		case before == "" && after == "" && first && !(head != nil && w.line > body):
			if alone == nil {
				alone = w
			}
		case before == "" && after == "" && w.line >= len(r.lines)-4 && w.hh < 0 && l.section != secStory && l.section != secScope && w.line > 3:
			tail = w
		case w.line < 6 && after == "" && head == nil && w.hh < 0 && titleDate.MatchString(r.s[l.from:l.to]) && titleNoun.MatchString(before):
			head = w
		case w.line == 0 && after == "" && w.hh < 0 && titleNoun.MatchString(before) && !strings.ContainsAny(before, "。、") && len(before) < 200:
			if head == nil {
				head = w
			}
		case w.line < 8 && after == "" && titled(before) && titleNoun.MatchString(before) && len(before) < 300:
			if head == nil {
				head = w
			}
		case first && after == "" && !r.japanese() && placeBefore.MatchString(before):
			if head == nil {
				head = w
			}
		case first && w.line < 12 && !strings.ContainsAny(before+after, "、。,") && len(before)+len(after) < 90 && !storyWord.MatchString(before+after) && (before == "" || after == "" || titleEnds(after)):
			if head == nil {
				head = w
			}
		}
	}
	for _, w := range []*when{labelled, alone, head, tail} {
		if w != nil && !w.start && !w.end {
			r.baseAt = w
			break
		}
	}
	at := r.baseAt
	if at == nil {
		at = updates
	}
	if at != nil {
		at.set(at.y, at.m, at.d, r.zone)
		r.base = at.moment
		r.asOf = at.moment
	}
}

// bodyFrom is the line under which what is told stands, 記 of an office's letter; behind the last where there is none.
func (r *reader) bodyFrom() int {
	for i, l := range r.lines {
		if strings.TrimSpace(r.s[l.from:l.to]) == "記" {
			return i
		}
	}
	return len(r.lines)
}

// addedLine is a title with the day on which something was added to it before it: 【5/19追記】.
var addedLine = ruleBoth("addedLine")

// quotedFirst is the first of several announcements that a sentence names by their titles.
var quotedFirst = ruleBoth("quotedFirst")

// lastClause is what follows the last title in quotes.
func lastClause(s string) string {
	if i := strings.LastIndex(s, "」"); i >= 0 {
		return s[i+len("」"):]
	}
	return s
}

// willTell ends a verb as a promise, behind いた or し.
var willTell = ruleBoth("willTell")

// otherPosted is what was put up without being an announcement: a list of names, a file.
var otherPosted = ruleBoth("otherPosted")

// otherTold is somebody else's publication.
var otherTold = ruleBoth("otherTold")

// disclosedJA proposes when the incident was made public: the day of the notice, but of a later report the day that it
// names for the first.
func (r *reader) disclosedJA() {
	for i, w := range r.times {
		if w == r.baseAt || w.moment.IsZero() {
			continue
		}
		c := r.around(w, w, i)
		told := ""
		if quotedFirst.MatchString(c.rest) && postscript.MatchString(lastClause(c.rest)) {
			told = "公表"
		} else if loc := postscript.FindStringIndex(c.after); loc != nil && !willTell.MatchString(c.after[loc[1]:]) {
			told = c.after[:loc[1]]
		}
		if (firstReport.MatchString(c.after) || told != "" && !privately.MatchString(told) && !otherPosted.MatchString(told) && !personRE.MatchString(c.sentence[:min(len(c.sentence), max(0, w.from-c.at))])) && !laterReport.MatchString(c.after) && !strings.Contains(c.after, "予定") && (r.update || r.base.IsZero() || w.moment.Time.Before(r.base.Time)) && !otherTold.MatchString(c.before) {
			r.update = true
			r.moment("disclosed", w, "")
			break
		}
	}
	if r.baseAt == nil || r.base.IsZero() {
		return
	}
	if !r.update {
		r.moment("disclosed", r.baseAt, "")
		return
	}
	text := "続報"
	if !r.japanese() {
		text = "Update"
	}
	for i, t := range r.lines {
		if s := r.s[t.from:t.to]; i < maxHead && titleEnds(s) && utf8.RuneCountInString(s) < 120 {
			text = tidy(s)
			break
		}
	}
	r.propose(incident.Fact{Key: "addendum", Item: "report", Value: incident.Value{Text: plain(text), Time: r.base}}, r.baseAt.from, r.baseAt.to, r.baseAt.doubt)
}
