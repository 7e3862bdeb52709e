package console

import (
	"html/template"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// factForm is a form for a fact: one that there is, or a new one.
type factForm struct {
	View        factsView
	Key, Was    string
	Listed      bool
	Fact        *incident.Fact
	Fields      []factField
	Certainty   string
	Certainties []choiceText
	Source      string
}

type factField struct {
	incident.Field
	Now, EN string
	Options []choiceText
}

// Words for the fields of facts.
var factFieldNames = map[string]language.Text{
	"value": language.Both("値", "Value"), "unit": language.Both("単位", "Unit"), "qualifier": language.Both("どのくらい正確か", "How exact"), "status": language.Both("状態", "Status"),
	"at": language.Both("いつ", "When"), "promised": language.Both("いつまでと約束したか", "Promised for"), "count": language.Both("数", "Number"), "region": language.Both("地域（JP、US-WA など）", "Region (JP, US-WA)"),
	"name": language.Both("窓口の名前", "Name of the desk"), "url": language.Both("アドレス", "Address"), "telephone": language.Both("電話番号", "Telephone"), "hours": language.Both("受付時間", "Hours"),
}

var qualifierWords = map[string]language.Text{
	"exact": language.Both("ちょうど", "exactly"), "about": language.Both("約", "about"), "at-most": language.Both("最大", "at most"), "cumulative": language.Both("延べ", "cumulative"),
}

func newFactForm(v factsView, key string, f *incident.Fact) factForm {
	out := factForm{View: v, Key: key, Listed: incident.Several(key), Fact: f, Certainty: string(incident.Confirmed)}
	for _, w := range incident.Certainties() {
		out.Certainties = append(out.Certainties, choiceText{w, language.Both(incident.Word(language.JA, w), incident.Word(language.EN, w))})
	}
	if f != nil {
		out.Was, out.Certainty, out.Source = v.FactVersion(*f), string(f.Certainty), f.Source
	} else if !out.Listed {
		out.Was = incident.Incident{Facts: v.Recorded}.Version(key, "")
	}
	for _, x := range incident.Fields(key) {
		one := factField{Field: x, Now: v.Form.Get("f." + x.Name), EN: v.Form.Get("f." + x.Name + ".en")}
		if f != nil {
			one.Now, one.EN = f.Shown(x.Name)
		}
		for _, w := range x.Words {
			t, ok := qualifierWords[w]
			if !ok {
				t = language.Both(incident.WordOf(language.JA, key, w), incident.WordOf(language.EN, key, w))
			}
			one.Options = append(one.Options, choiceText{w, t})
		}
		out.Fields = append(out.Fields, one)
	}
	return out
}

// factFuncs are what templates of facts can say.
func factFuncs(lang language.Lang) template.FuncMap {
	return template.FuncMap{
		"label":     func(key string) string { return incident.KeyLabel(lang, key) },
		"certain":   func(c incident.Certainty) string { return incident.Word(lang, string(c)) },
		"factfield": func(name string) string { return factFieldNames[name].In(lang) },
		"factform": func(v factsView, key string, f any) factForm {
			if fact, ok := f.(incident.Fact); ok {
				return newFactForm(v, key, &fact)
			}
			return newFactForm(v, key, nil)
		},
	}
}
