package compose

import (
	"fmt"
	"slices"
	"strings"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// Drafts: the Markdown that a person edits before it is published. What facts say stands in it as references, so that
// an edited text cannot disagree with them.

// draft writes d in both languages.
func (c *composition) draft(d Draft) language.Text {
	if whole(d) {
		return language.Text{JA: c.draftWhole(language.JA, d), EN: c.draftWhole(language.EN, d)}
	}
	return language.Text{JA: c.draftPart(language.JA, d), EN: c.draftPart(language.EN, d)}
}

// ref writes a reference.
func ref(words ...string) string {
	return "{{" + strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ") + "}}"
}

// has reports whether a key has a current fact.
func (c *composition) has(key string) bool { return len(c.inc.Listed(key)) > 0 }

// draftHeading writes the title, with what kind of notice it is, and the line below it.
func (c *composition) draftHeading(p *page, lang language.Lang, kind, when string, d Draft) {
	title := incident.Plain(c.inc.ID)
	if c.has("title") {
		title = ref("title")
	}
	if lang == language.JA {
		if !strings.HasSuffix(c.inc.Title(language.JA), "お知らせ") {
			title += "に関するお知らせ"
		}
		p.heading(1, title+kind)
	} else {
		p.heading(1, "Notice"+kind+": "+title)
	}
	var head []string
	if c.has("organisation") {
		head = append(head, ref("organisation"))
	}
	if when != "" {
		head = append(head, when)
	}
	if len(head) > 0 {
		p.paragraph(strings.Join(head, lang.Pick("　", ", ")))
	}
	if d.Demonstration {
		p.quote(lang.Pick("これは、Shirase のデモです。過去に公表された実際の事案を、公表資料をもとに記録したものです。名前の挙がっている組織は、この掲載に関わっていません。",
			"This is a demonstration of Shirase. It records a real case from what was made public about it. The organisation named has no part in this page."))
	}
}

// draftPart writes an addendum, a correction or a retraction: what is new, and nothing else.
func (c *composition) draftPart(lang language.Lang, d Draft) string {
	p := &page{}
	kinds := map[string]language.Text{incident.KindAddendum: language.Both("（追記）", ", addendum"), incident.KindCorrection: language.Both("（訂正）", ", correction"), incident.KindRetraction: language.Both("（取り下げ）", ", withdrawn")}
	when := ""
	switch {
	case d.Item != "":
		when = ref("addendum", d.Item, "at")
	case len(c.changes) > 0:
		newest := slices.MaxFunc(c.changes, func(a, b incident.Fact) int { return a.AsOf.Time.Compare(b.AsOf.Time) })
		if !newest.Retracted {
			when = ref(newest.Key, newest.Item, "asOf") + lang.Pick("現在", "")
			if lang == language.EN {
				when = "as of " + when
			}
		}
	}
	lifted := d.Kind == incident.KindAddendum && d.Item == "" && len(c.changes) > 0 &&
		!slices.ContainsFunc(c.changes, func(f incident.Fact) bool { return f.Value.Status != "lifted" })
	if lifted {
		kinds[incident.KindAddendum] = language.Both("（措置の解除）", ", measure lifted")
	}
	c.draftHeading(p, lang, kinds[d.Kind].In(lang), when, d)
	switch d.Kind {
	case incident.KindAddendum:
		if d.Item != "" {
			p.paragraph(ref("addendum", d.Item))
		}
		if lines := c.changeLines(lang, d, false); len(lines) > 0 {
			heading := language.Both("前回のお知らせから変わったこと", "What has changed since")
			if lifted {
				heading = language.Both("解除した措置", "What was lifted")
			}
			p.heading(2, heading.In(lang))
			p.list(false, lines)
		}
		p.paragraph(fmt.Sprintf(lang.Pick("これは、お知らせの第%d版への追記です。", "This adds to version %d of the notice."), d.About))
	case incident.KindCorrection:
		p.paragraph(fmt.Sprintf(lang.Pick("お知らせの第%d版に誤りがありました。お詫びして、次のとおり訂正します。",
			"Version %d of the notice was wrong in the following. We are sorry, and correct it here."), d.About))
		p.list(false, c.changeLines(lang, d, true))
	case incident.KindRetraction:
		p.paragraph(fmt.Sprintf(lang.Pick("お知らせの第%d版を取り下げます。取り下げた版も、記録として引き続き読むことができます。",
			"Version %d of the notice is withdrawn. It stays readable as a record."), d.About))
		if lines := c.changeLines(lang, d, false); len(lines) > 0 {
			p.list(false, lines)
		}
	}
	if d.Kind != incident.KindRetraction {
		c.draftNext(p, lang)
	}
	if d.URL != "" {
		p.paragraph(lang.Pick("いまの状況と、していただきたいことは、次のページにあります。", "Where things stand, and what you can do: ") + incident.Link(strings.TrimRight(d.URL, "/")+"/incidents/"+c.inc.ID+"/help"))
	}
	if c.inc.InJapan() {
		p.paragraph(lang.Pick("時刻は、すべて日本時間です。", "All times are Japan's (JST, UTC+9)."))
	}
	if lang == language.JA {
		p.paragraph("以上")
	}
	return p.String()
}

// quiet are keys that are not worth a line of an addendum: they name and file the incident, or have a sentence of their own.
var quiet = []string{"alias", "domain", "sector", "country", "certification", "source", "next-update"}

// changeLines says what is different from what was published, each in a line. wrong sets what was published before it.
func (c *composition) changeLines(lang language.Lang, d Draft, wrong bool) []string {
	var out []string
	for _, f := range c.changes {
		if slices.Contains(quiet, f.Key) || f.Key == "addendum" && f.Item == d.Item {
			continue
		}
		before := ""
		if i := slices.IndexFunc(c.published, sameAs(f)); i >= 0 {
			before = incident.Plain(c.published[i].In(lang))
		} else if f.Retracted { // a whole text has left it out: as it was last said
			for _, n := range c.before {
				if i := slices.IndexFunc(n.Facts, func(g incident.Fact) bool { return sameAs(f)(g) && !g.Retracted }); i >= 0 {
					before = incident.Plain(n.Facts[i].In(lang))
				}
			}
		}
		out = append(out, changeLine(lang, f, before, wrong))
	}
	return out
}

// changeLine says what one fact is now, and what it was published as where that is worth saying.
func changeLine(lang language.Lang, f incident.Fact, before string, wrong bool) string {
	label := incident.KeyLabel(lang, f.Key)
	if f.Retracted {
		return fmt.Sprintf(lang.Pick("%sの「%s」は、取り消します。", "%s: “%s” is taken back."), label, before)
	}
	now := ref(f.Key, f.Item)
	switch f.Key {
	case "action":
		if !wrong {
			return ref(f.Key, f.Item, "line")
		}
		now = ref(f.Key, f.Item, "line")
	case "service", "secondary-damage":
		now += lang.Pick("：", ": ") + ref(f.Key, f.Item, "status")
	case "addendum", "reply":
		now = ref(f.Key, f.Item, "at") + lang.Pick("：", ": ") + now
	}
	switch {
	case before == "":
		return label + ": " + now
	case wrong:
		return fmt.Sprintf(lang.Pick("%s: 誤「%s」、正「%s」", "%s: not “%s” but “%s”"), label, before, now)
	case incident.Several(f.Key):
		return label + ": " + now
	}
	return fmt.Sprintf(lang.Pick("%s: %s（これまでの公表は%s）", "%s: %s (made public before: %s)"), label, now, before)
}

// draftWhole writes a first notice or a revision as a text to edit, its facts as references.
func (c *composition) draftWhole(lang language.Lang, d Draft) string {
	p := &page{}
	pick := lang.Pick
	when := ""
	if c.has("disclosed") {
		when = ref("disclosed")
	}
	c.draftHeading(p, lang, "", when, d)
	cause, known := c.inc.Fact("cause")
	through := language.Text{JA: "お客様の情報が流出した可能性があることが判明しました。", EN: "Customers' data may have been exposed."}
	if known && cause.Value.Word != "unknown" && cause.Value.Word != "other" {
		through = language.Text{JA: ref("cause") + "により、" + through.JA, EN: "Customers' data may have been exposed through " + ref("cause") + "."}
	}
	p.paragraph(pick("このたび、"+through.JA+"ご心配とご迷惑をおかけしますことを、深くお詫び申し上げます。", through.EN+" We are sorry for the worry and the trouble this causes."))
	var lines []string
	for _, key := range []string{"window.start", "window.end", "discovered", "contained", "login-blocked", "regulator-notified", "persons-notified", "closed"} {
		if c.has(key) {
			lines = append(lines, incident.KeyLabel(lang, key)+": "+ref(key))
		}
	}
	c.section(p, pick("経緯", "What happened"), lines)
	lines = nil
	if c.has("affected.count") {
		lines = append(lines, pick("対象: ", "Affected: ")+ref("affected.count"))
	}
	if c.has("base.count") {
		lines = append(lines, pick("全体: ", "Of a total of: ")+ref("base.count"))
	}
	for _, f := range c.inc.Listed("excluded") {
		lines = append(lines, pick("対象に含まれないもの: ", "Not affected: ")+ref("excluded", f.Item))
	}
	c.section(p, pick("対象", "Who is affected"), lines)
	c.section(p, pick("流出した可能性のある情報", "What may have been exposed"), c.each("data-class", ""))
	lines = nil
	for _, f := range c.inc.Listed("secondary-damage") {
		lines = append(lines, ref("secondary-damage", f.Item)+pick("：", ": ")+ref("secondary-damage", f.Item, "status")+
			pick("（", " (as of ")+ref("secondary-damage", f.Item, "asOf")+pick("現在）", ")"))
	}
	c.section(p, pick("二次被害", "What has followed from it"), lines)
	c.section(p, pick("対応の状況", "What has been done"), c.each("action", "line"))
	if steps := stepLines(lang, c.inc.Classes()); len(steps) > 0 {
		p.heading(2, pick("お客様へのお願い", "What you can do"))
		p.list(true, steps)
	}
	c.inc.links(p, lang, d.Figures)
	if c.has("contact") {
		f, _ := c.inc.Fact("contact")
		lines = nil
		for _, part := range []struct {
			part string
			set  bool
		}{{"url", f.Value.URL != ""}, {"telephone", f.Value.Telephone != ""}, {"hours", f.Value.Hours != language.Text{}}} {
			if part.set {
				lines = append(lines, ref("contact", part.part))
			}
		}
		c.section(p, pick("お問い合わせ窓口", "Contact"), lines)
	}
	c.draftNext(p, lang)
	if c.inc.InJapan() {
		p.paragraph(pick("時刻は、すべて日本時間です。", "All times are Japan's (JST, UTC+9)."))
	}
	if lang == language.JA {
		p.paragraph("以上")
	}
	return p.String()
}

// draftNext says when the next notice comes, where that is recorded.
func (c *composition) draftNext(p *page, lang language.Lang) {
	f, ok := c.inc.Fact("next-update")
	switch {
	case !ok:
	case f.Value.Word == incident.NoNext:
		p.paragraph(lang.Pick("次回のお知らせ: ", "Next update: ") + ref("next-update"))
	default:
		p.paragraph(fmt.Sprintf(lang.Pick("次回のお知らせは、%sを予定しています。", "The next update is planned for %s."), ref("next-update")))
	}
}

// section writes a list under its heading, or nothing where it is empty.
func (c *composition) section(p *page, heading string, lines []string) {
	if len(lines) > 0 {
		p.heading(2, heading)
		p.list(false, lines)
	}
}

// each refers to every item of a listed key.
func (c *composition) each(key, part string) []string {
	var out []string
	for _, f := range c.inc.Listed(key) {
		out = append(out, ref(key, f.Item, part))
	}
	return out
}
