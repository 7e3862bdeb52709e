package lint

import (
	"fmt"
	"slices"
	"strings"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// Overturned is a negative that was published, and that a fact which nobody has been told overturns.
type Overturned struct {
	Version int64         // of the notice that says it
	Fact    incident.Fact // that overturns it
	What    language.Text
}

// Overturning finds the published negatives that facts overturn which no notice has told: nothing else is published before them.
// untold are the facts that are in no notice yet, and what was taken back since (incident.Incidents.Unpublished).
func Overturning(notices []incident.Notice, untold []incident.Fact) []Overturned {
	var out []Overturned
	standing := incident.Standings(notices)
	for _, f := range untold {
		for _, n := range slices.Backward(notices) {
			if n.Kind == incident.KindRetraction || standing[n.Version].Withdrawn != 0 {
				continue
			}
			if what, ok := overturns(f, n); ok {
				out = append(out, Overturned{n.Version, f, what})
				break
			}
		}
	}
	return out
}

// overturns says what of a notice's negatives a fact overturns.
func overturns(f incident.Fact, n incident.Notice) (language.Text, bool) {
	told := func(same func(incident.Fact) bool) bool { return slices.ContainsFunc(n.Facts, same) }
	switch {
	case f.Key == "secondary-damage" && !f.Retracted && f.Value.Status != "none-confirmed":
		if told(func(o incident.Fact) bool {
			return o.Key == f.Key && o.Value.Word == f.Value.Word && o.Value.Status == "none-confirmed"
		}) {
			w := word(f.Key, f.Value.Word)
			return both(fmt.Sprintf("第%d版は「%s」を確認していないとしていますが、%s時点の事実では「%s」です。", n.Version, w.JA, f.AsOf.In(language.JA), incident.DamageStatus(language.JA, f.Value)),
				fmt.Sprintf("version %d says that no %s is confirmed, and the fact of %s says %s", n.Version, w.EN, f.AsOf, f.Value.Status)), true
		}
	case f.Key == "service" && (f.Value.Status == "affected" || f.Value.Status == "stopped"):
		if told(func(o incident.Fact) bool { return o.Key == f.Key && o.Item == f.Item && o.Value.Status == "unrelated" }) {
			return both(fmt.Sprintf("第%d版は「%s」に影響がないとしていますが、事実では影響があります。", n.Version, f.Value.Text.JA), fmt.Sprintf("version %d says that %s is not affected, and a fact says that it is", n.Version, f.Value.Text.EN)), true
		}
	case f.Key == "excluded" && f.Retracted:
		i := slices.IndexFunc(n.Facts, func(o incident.Fact) bool { return o.Key == f.Key && o.Item == f.Item && !o.Retracted })
		if i >= 0 {
			t := n.Facts[i].Value.Text
			return both(fmt.Sprintf("第%d版は「%s」を対象外としていますが、その事実は取り消されています。", n.Version, t.JA), fmt.Sprintf("version %d says that these are not affected, and the fact was taken back: %s", n.Version, t.EN)), true
		}
	case f.Key == "data-class" && !f.Retracted && f.Certainty != incident.Unknown:
		base, _, _ := strings.Cut(f.Value.Word, ":")
		for _, text := range []string{n.Text.JA, n.Text.EN} {
			if line, ok := deniedIn(text, base); ok {
				w := word(f.Key, f.Value.Word)
				return both(fmt.Sprintf("第%d版（%d行目）は否定していますが、%s時点の事実では「%s」が対象です。", n.Version, line, f.AsOf.In(language.JA), w.JA),
					fmt.Sprintf("version %d, line %d, denies it, and the fact of %s says that %s was exposed", n.Version, line, f.AsOf, w.EN)), true
			}
		}
	}
	return language.Text{}, false
}

// deniedIn finds the line of a text that denies that a class was exposed, or that any data were.
func deniedIn(text, base string) (int, bool) {
	line := 1
	for text != "" {
		end := len(text)
		if m := sentenceEnd.FindStringIndex(text); m != nil {
			end = m[1]
		}
		s := []byte(text[:end])
		if denial.Match(s) && !ofOthers.Match(s) && (denies(base, s) || denies("", s)) {
			return line, true
		}
		line += strings.Count(text[:end], "\n")
		text = text[end:]
	}
	return 0, false
}
