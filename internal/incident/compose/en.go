package compose

import (
	"strings"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// noticeEN writes the notice in English: the same facts in the same order, in its own words.
func noticeEN(i subject, figures Figures) string {
	p := &page{}
	p.heading(1, "Notice: "+incident.Plain(i.Title(language.EN)))
	head := headDate(language.EN, i, figures)
	if organisation := incident.Plain(i.Organisation(language.EN)); organisation != "" {
		head = organisation + ", " + head
	}
	p.paragraph(head)
	if figures.Demonstration {
		p.quote("This is a demonstration of Shirase. What follows records a real case from what was made public about it. The " +
			language.Number(language.EN, figures.Accounts) + " accounts that can be checked on this server were generated and belong to nobody. " +
			"The organisation named has no part in this page.")
	}
	if figures.state(i) == incident.StateWithdrawn {
		p.paragraph("This was recorded and published by mistake. What earlier notices said under this name is withdrawn; they stay readable, and no check answers for it any more.")
		return p.String()
	}
	i.openingEN(p, figures)
	i.historyEN(p)
	i.scopeEN(p, figures)
	if classes := incident.ClassLabelsIn(language.EN, i.Country(), i.Classes()); len(classes) > 0 {
		heading := "What may have been exposed"
		if i.allConfirmed() {
			heading = "What was exposed"
		}
		p.heading(2, heading)
		for n, class := range classes {
			classes[n] = strings.ToUpper(class[:1]) + class[1:]
		}
		p.list(false, classes)
	}
	i.damageEN(p)
	if actions := i.actionLines(language.EN); len(actions) > 0 {
		p.heading(2, "What has been done")
		p.list(false, actions)
	}
	if steps := stepLines(language.EN, i.Classes()); len(steps) > 0 {
		p.heading(2, "What you can do")
		p.list(true, steps)
	}
	i.links(p, language.EN, figures)
	if addenda := i.addendumLines(language.EN); len(addenda) > 0 {
		p.heading(2, "Addenda")
		p.list(false, addenda)
	}
	if f, ok := i.Fact("contact"); ok {
		p.heading(2, "Contact")
		if name := incident.Plain(f.Value.Text.In(language.EN)); name != "" {
			p.paragraph(name)
		}
		p.list(false, contactLines(language.EN, f.Value))
	}
	if sources := i.Listed("source"); len(sources) > 0 {
		p.heading(2, "Sources")
		var lines []string
		for _, f := range sources {
			lines = append(lines, sourceLine(language.EN, f))
		}
		p.list(false, lines)
	}
	i.next(p, language.EN)
	if i.InJapan() {
		p.paragraph("All times are Japan's (JST, UTC+9).")
	}
	return p.String()
}

// openingEN says in one paragraph what happened, and how sure that is.
func (i subject) openingEN(p *page, figures Figures) {
	cause, known := i.Fact("cause")
	known = known && cause.Value.Word != "unknown" && cause.Value.Word != "other"
	text := "Customers' data may have been exposed"
	if i.allConfirmed() {
		text = "Customers' data has been exposed"
	}
	if known {
		text += " through " + incident.Word(language.EN, cause.Value.Word)
	}
	text += ". We are sorry for the worry and the trouble this causes. Here is what is known so far."
	if figures.state(i) == incident.StateInvestigating {
		text += " Who is affected is still being established; this notice will be added to when it is."
	}
	if figures.state(i) == incident.StateReopened {
		text += " Who is affected is being established anew: those who were told that they are affected still are, and others may be too. This notice will be added to when it is settled."
	}
	if !known {
		text += " The cause is being investigated."
	}
	p.paragraph(text)
}

// historyEN tells what happened in the order of time.
func (i subject) historyEN(p *page) {
	at := i.Moments(language.EN)
	var lines []string
	start, hasStart := i.Fact("window.start")
	end, hasEnd := i.Fact("window.end")
	what := "the period affected"
	if i.Attack() {
		what = "the period in which traces of the intrusion were found"
	}
	switch {
	case hasStart && hasEnd:
		lines = append(lines, "From "+incident.About(language.EN, start.Value, at(start.Value.Time))+" to "+incident.About(language.EN, end.Value, at(end.Value.Time))+": "+what)
	case hasStart:
		lines = append(lines, "From "+incident.About(language.EN, start.Value, at(start.Value.Time))+": "+what)
	case hasEnd:
		lines = append(lines, "Until "+incident.About(language.EN, end.Value, at(end.Value.Time))+": "+what)
	}
	for _, key := range []struct{ key, attack, mishap string }{
		{"discovered", "signs of the intrusion were noticed", "the incident came to light"},
		{"contained", "the access was cut off", "it was stopped from spreading"},
		{"login-blocked", "sign-in was blocked for every account", "sign-in was blocked for every account"},
		{"closed", "the response was closed", "the response was closed"},
	} {
		if f, ok := i.Fact(key.key); ok {
			text := key.mishap
			if i.Attack() {
				text = key.attack
			}
			when := incident.About(language.EN, f.Value, at(f.Value.Time))
			lines = append(lines, strings.ToUpper(when[:1])+when[1:]+": "+text)
		}
	}
	if len(lines) == 0 {
		return
	}
	p.heading(2, "What happened")
	p.list(false, lines)
	found, hasFound := i.span("window.start", "discovered")
	stopped, hasStopped := i.span("discovered", "contained")
	switch {
	case hasFound && hasStopped:
		p.paragraph("It took " + language.Duration(language.EN, found) + " from the first trace to its discovery, and another " + language.Duration(language.EN, stopped) + " to contain it.")
	case hasFound:
		p.paragraph("It took " + language.Duration(language.EN, found) + " from the first trace to its discovery.")
	case hasStopped:
		p.paragraph("It took " + language.Duration(language.EN, stopped) + " from discovery to containment.")
	}
}

// scopeEN says who is affected and who is not.
func (i subject) scopeEN(p *page, figures Figures) {
	affected, hasCount := i.Fact("affected.count")
	services := i.names(language.EN, "affected", "stopped", "resumed")
	excluded := i.excludedLines(language.EN)
	if !hasCount && figures.Accounts == 0 && len(services) == 0 && len(excluded) == 0 {
		return
	}
	p.heading(2, "Who is affected")
	switch {
	case hasCount:
		line := incident.Count(language.EN, affected.Value) + " are affected"
		if base, ok := i.Fact("base.count"); ok {
			line += ", of " + incident.Count(language.EN, base.Value) + " in all"
		}
		p.paragraph(strings.ToUpper(line[:1]) + line[1:] + ".")
	case figures.Accounts > 0:
		p.paragraph(language.Number(language.EN, figures.Accounts) + " accounts are affected.")
	}
	if len(services) > 0 {
		p.paragraph("The services concerned: " + language.Join(language.EN, services) + ".")
	}
	if len(excluded) > 0 {
		p.paragraph("Not affected:")
		p.list(false, excluded)
	}
}

// damageEN says what followed from it, or that nothing is known to have followed, as of when.
func (i subject) damageEN(p *page) {
	at := i.Moments(language.EN)
	reported, confirmed, none := i.damages(language.EN, "reported"), i.damages(language.EN, "confirmed"), i.damages(language.EN, "none-confirmed")
	if len(reported)+len(confirmed)+len(none) == 0 {
		return
	}
	p.heading(2, "What has followed from it")
	for _, d := range []struct {
		of                     []damages
		rest, among, enquiries string
	}{{confirmed, "confirmed: ", ", ", "enquiries about this incident have been received"}, {reported, "reported and being looked into: ", ", ", "enquiries about this incident have been received"},
		{none, "no sign of the following: ", "; ", "no enquiries about this incident have been received"}} {
		for _, one := range d.of {
			var said []string
			if len(one.what) > 0 {
				said = append(said, d.rest+strings.Join(one.what, d.among)+".")
			}
			if one.enquiries && len(said) > 0 {
				said = append(said, strings.ToUpper(d.enquiries[:1])+d.enquiries[1:]+".")
			} else if one.enquiries {
				said = append(said, d.enquiries+".")
			}
			p.paragraph("As of " + at(one.asOf) + ", " + strings.Join(said, " "))
		}
	}
}
