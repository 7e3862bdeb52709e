package compose

import (
	"shirase/internal/incident"
	"shirase/internal/language"
)

// A Gap is something that readers look for in a notice and that it does not say: no fact does, or the fact is that it is not known.
type Gap struct {
	Key     string
	Part    language.Text // of the notice where it would stand
	Unknown bool          // it is recorded as not known
}

// wants are the facts that a whole notice is written from, in its order, and the part that each stands in.
var wants = []struct {
	key  string
	part language.Text
}{
	{"organisation", language.Both("見出し", "heading")},
	{"title", language.Both("見出し", "heading")},
	{"cause", language.Both("書き出し", "opening")},
	{"discovered", language.Both("経緯", "what happened")},
	{"contained", language.Both("経緯", "what happened")},
	{"affected.count", language.Both("対象", "who is affected")},
	{"data-class", language.Both("流出した可能性のある情報", "what was exposed")},
	{"secondary-damage", language.Both("二次被害", "further damage")},
	{"action", language.Both("対応の状況", "what is being done")},
	{"contact", language.Both("お問い合わせ窓口", "contact")},
	{"next-update", language.Both("次のお知らせ", "next update")},
}

// Gaps lists what a notice of d's kind, composed from the facts of inc, would not say. Those of an addendum or a correction stand in
// the notice that it belongs to; what it has to say itself is when the next one comes.
func Gaps(inc incident.Incident, d Draft) []Gap {
	var out []Gap
	state := d.Figures.state(subject{inc})
	for _, w := range wants {
		if w.key == "next-update" && state != incident.StateInvestigating && state != incident.StateReopened {
			continue
		}
		if !whole(d) && (w.key != "next-update" || d.Kind != incident.KindAddendum) {
			continue
		}
		listed := inc.Listed(w.key)
		unknown := len(listed) > 0
		for _, f := range listed {
			unknown = unknown && (f.Certainty == incident.Unknown || f.Value.Word == "unknown")
		}
		switch {
		case len(listed) == 0 && (w.key != "affected.count" || d.Figures.Accounts == 0):
			out = append(out, Gap{Key: w.key, Part: w.part})
		case unknown:
			out = append(out, Gap{Key: w.key, Part: w.part, Unknown: true})
		}
	}
	return out
}
