package compose

import (
	"strings"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// noticeJA writes the notice in Japanese, in the register of an organisation's own announcement. A section without
// facts is left out; nothing is said that no fact says.
func noticeJA(i subject, figures Figures) string {
	p := &page{}
	title := incident.Plain(i.Title(language.JA))
	if !strings.HasSuffix(title, "お知らせ") {
		title += "に関するお知らせ"
	}
	p.heading(1, title)
	p.paragraph(strings.TrimLeft(incident.Plain(i.Organisation(language.JA))+"　"+headDate(language.JA, i, figures), "　"))
	if figures.Demonstration {
		p.quote("これは、Shirase のデモです。以下は、過去に公表された実際の事案を、公表資料をもとに記録したものです。このサーバーで確認できる" +
			language.Number(language.JA, figures.Accounts) + "アカウントは、すべて機械的に作った架空のものです。名前の挙がっている組織は、この掲載に関わっていません。")
	}
	if figures.state(i) == incident.StateWithdrawn {
		p.paragraph("この事案は、誤って登録し、公表したものでした。この名前でこれまでに出したお知らせを取り下げます。お知らせは今後も読むことができますが、確認の対象からは外しました。")
		p.paragraph("以上")
		return p.String()
	}
	i.openingJA(p, figures)
	i.historyJA(p)
	i.scopeJA(p, figures)
	if classes := incident.ClassLabelsIn(language.JA, i.Country(), i.Classes()); len(classes) > 0 {
		heading := "流出した可能性のある情報"
		if i.allConfirmed() {
			heading = "流出した情報"
		}
		p.heading(2, heading)
		p.list(false, classes)
	}
	i.damageJA(p)
	if actions := i.actionLines(language.JA); len(actions) > 0 {
		p.heading(2, "対応の状況")
		p.list(false, actions)
	}
	if steps := stepLines(language.JA, i.Classes()); len(steps) > 0 {
		p.heading(2, "お客様へのお願い")
		p.list(true, steps)
	}
	i.links(p, language.JA, figures)
	if addenda := i.addendumLines(language.JA); len(addenda) > 0 {
		p.heading(2, "追記")
		p.list(false, addenda)
	}
	if f, ok := i.Fact("contact"); ok {
		p.heading(2, "お問い合わせ窓口")
		if name := incident.Plain(f.Value.Text.In(language.JA)); name != "" {
			p.paragraph(name)
		}
		p.list(false, contactLines(language.JA, f.Value))
	}
	if sources := i.Listed("source"); len(sources) > 0 {
		p.heading(2, "情報源")
		var lines []string
		for _, f := range sources {
			lines = append(lines, sourceLine(language.JA, f))
		}
		p.list(false, lines)
	}
	i.next(p, language.JA)
	if i.InJapan() {
		p.paragraph("時刻は、すべて日本時間です。")
	}
	p.paragraph("以上")
	return p.String()
}

// openingJA says in one paragraph what happened, and how sure that is.
func (i subject) openingJA(p *page, figures Figures) {
	var b strings.Builder
	b.WriteString("このたび、")
	cause, known := i.Fact("cause")
	known = known && cause.Value.Word != "unknown" && cause.Value.Word != "other"
	if known {
		b.WriteString(incident.Word(language.JA, cause.Value.Word))
		b.WriteString("により、")
	}
	if i.allConfirmed() {
		b.WriteString("お客様の情報が流出したことを確認しました。")
	} else {
		b.WriteString("お客様の情報が流出した可能性があることが判明しました。")
	}
	b.WriteString("ご心配とご迷惑をおかけしますことを、深くお詫び申し上げます。現時点で判明している事実を、次のとおりお知らせします。")
	if figures.state(i) == incident.StateInvestigating {
		b.WriteString("対象の範囲は現在も調査中です。確定しだい、このお知らせに追記します。")
	}
	if figures.state(i) == incident.StateReopened {
		b.WriteString("対象の範囲を、あらためて調査しています。これまでに対象とお伝えした方は、引き続き対象です。ほかの方も対象となる可能性があります。確定しだい、このお知らせに追記します。")
	}
	if !known {
		b.WriteString("原因は調査中です。")
	}
	p.paragraph(b.String())
}

// historyJA tells what happened in the order of time.
func (i subject) historyJA(p *page) {
	at := i.Moments(language.JA)
	var lines []string
	start, hasStart := i.Fact("window.start")
	end, hasEnd := i.Fact("window.end")
	what := "影響のあった期間"
	if i.Attack() {
		what = "不正アクセスの痕跡が確認された期間"
	}
	switch {
	case hasStart && hasEnd:
		lines = append(lines, incident.About(language.JA, start.Value, at(start.Value.Time))+"から"+incident.About(language.JA, end.Value, at(end.Value.Time))+"まで: "+what)
	case hasStart:
		lines = append(lines, incident.About(language.JA, start.Value, at(start.Value.Time))+"から: "+what)
	case hasEnd:
		lines = append(lines, incident.About(language.JA, end.Value, at(end.Value.Time))+"まで: "+what)
	}
	for _, key := range []struct{ key, attack, mishap string }{
		{"discovered", "不正アクセスの可能性を発見", "事案が発覚"},
		{"contained", "不正アクセスを遮断", "影響の拡大を止める措置を完了"},
		{"login-blocked", "すべてのアカウントのログインを遮断", "すべてのアカウントのログインを遮断"},
		{"closed", "対応を終了", "対応を終了"},
	} {
		if f, ok := i.Fact(key.key); ok {
			text := key.mishap
			if i.Attack() {
				text = key.attack
			}
			lines = append(lines, incident.About(language.JA, f.Value, at(f.Value.Time))+": "+text)
		}
	}
	if len(lines) == 0 {
		return
	}
	p.heading(2, "経緯")
	p.list(false, lines)
	var spans []string
	if d, ok := i.span("window.start", "discovered"); ok {
		spans = append(spans, "最初の痕跡から発見までは"+language.Duration(language.JA, d))
	}
	if d, ok := i.span("discovered", "contained"); ok {
		spans = append(spans, "発見から遮断までは"+language.Duration(language.JA, d))
	}
	if len(spans) > 0 {
		p.paragraph(strings.Join(spans, "、") + "でした。")
	}
}

// scopeJA says who is affected and who is not.
func (i subject) scopeJA(p *page, figures Figures) {
	affected, hasCount := i.Fact("affected.count")
	services := i.names(language.JA, "affected", "stopped", "resumed")
	excluded := i.excludedLines(language.JA)
	if !hasCount && figures.Accounts == 0 && len(services) == 0 && len(excluded) == 0 {
		return
	}
	p.heading(2, "対象")
	switch {
	case hasCount:
		base, hasBase := i.Fact("base.count")
		line := "対象は、"
		if hasBase {
			line = "全体" + incident.Count(language.JA, base.Value) + "のうち、"
		}
		line += incident.Count(language.JA, affected.Value)
		if hasBase {
			line += "が対象"
		}
		p.paragraph(line + "です。")
	case figures.Accounts > 0:
		p.paragraph("対象は、" + language.Number(language.JA, figures.Accounts) + "アカウントです。")
	}
	if len(services) > 0 {
		p.paragraph("対象のサービスは、" + language.Join(language.JA, services) + "です。")
	}
	if len(excluded) > 0 {
		p.paragraph("次のものは、対象に含まれません。")
		p.list(false, excluded)
	}
}

// damageJA says what followed from it, or that nothing is known to have followed, as of when.
func (i subject) damageJA(p *page) {
	at := i.Moments(language.JA)
	reported, confirmed, none := i.damages(language.JA, "reported"), i.damages(language.JA, "confirmed"), i.damages(language.JA, "none-confirmed")
	if len(reported)+len(confirmed)+len(none) == 0 {
		return
	}
	p.heading(2, "二次被害")
	for _, d := range []struct {
		of        []damages
		enquiries string
		rest      string
	}{{confirmed, "が寄せられています。", "を確認しています。"}, {reported, "が寄せられています。", "の申し出を受けており、調べています。"},
		{none, "は寄せられていません。", "は確認されていません。"}} {
		for _, one := range d.of {
			var said []string
			if one.enquiries {
				said = append(said, incident.Word(language.JA, "enquiry")+d.enquiries)
			}
			if len(one.what) > 0 {
				said = append(said, language.Join(language.JA, one.what)+d.rest)
			}
			p.paragraph(at(one.asOf) + "現在、" + strings.Join(said, ""))
		}
	}
}
