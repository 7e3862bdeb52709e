package publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"shirase/identity"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/roster"
)

// Difference is a place where the facts that a notice tells, the roster that people are found in, and the rules that made it
// do not say the same. Whoever reads the notice and whoever checks themselves would be told different things.
type Difference struct {
	Code string `json:"code"`
	What string `json:"what"`        // one sentence, with the figures
	JA   string `json:"ja,omitzero"` // the same in Japanese
}

// text gives it in both languages; what was kept before there was Japanese is in English in both.
func (d Difference) text() language.Text { return language.Text{JA: cmp.Or(d.JA, d.What), EN: d.What} }

// compare holds the facts of an incident against the roster that it is checked by. uncompared is what it could not hold
// against anything.
func compare(inc incident.Incident, r roster.Roster) (found []Difference, uncompared []language.Text) {
	c := &comparison{inc: inc, roster: r}
	c.counts()
	c.excluded()
	c.classes()
	c.unread()
	return c.found, c.uncompared
}

type comparison struct {
	inc    incident.Incident
	roster roster.Roster
	found  []Difference

	uncompared []language.Text
}

func (c *comparison) add(code string, what language.Text) {
	c.found = append(c.found, Difference{Code: code, What: what.EN, JA: what.JA})
}

// counts compares how many are affected, each unit with what it counts: accounts with accounts, rows with rows, and persons
// with both ends of what accounts and addresses allow, since nobody can count persons in an export.
func (c *comparison) counts() {
	f, ok := c.inc.Fact("affected.count")
	if !ok || f.Value.Number == nil {
		return
	}
	told, counts := *f.Value.Number, c.roster.Counts
	low, high, of := counts.Affected, counts.Affected, language.Both("名簿のアカウント", "accounts in the roster")
	switch f.Value.Unit {
	case "persons":
		// One person may have several accounts; who has an address of their own is one.
		distinct := int64(0)
		for _, n := range counts.Identities {
			distinct = max(distinct, n)
		}
		low = min(low, distinct)
		of = language.Both("名簿のアカウントとアドレスから考えられる人数", "persons that its accounts and addresses allow")
	case "records":
		low, high, of = counts.Affected, counts.Affected+counts.Duplicates, language.Both("名簿の行", "rows in the roster")
	}
	switch f.Value.Qualifier {
	case "about": // a tenth either way is what "about" may mean, and one where there are few
		if told >= low-max(1, low/10) && told <= high+max(1, high/10) {
			return
		}
	case "at-most":
		if told >= low {
			return
		}
	case "cumulative": // counts some twice
		if told >= low {
			return
		}
	default:
		if f.Value.Unit == "records" && (told == low || told == high) || f.Value.Unit != "records" && told >= low && told <= high {
			return
		}
	}
	is := language.Digits(high)
	if low != high {
		is = language.Digits(low) + " to " + language.Digits(high)
	}
	c.add("count", language.Both(
		fmt.Sprintf("事実「対象の数」は%sで、%sは%sです。", incident.Count(language.JA, f.Value), of.JA, strings.Replace(is, " to ", "～", 1)),
		fmt.Sprintf("affected.count says %s%s %s, and there are %s %s", qualified(f.Value.Qualifier), language.Digits(told), f.Value.Unit, is, of.EN)))
}

func qualified(q string) string {
	switch q {
	case "about", "cumulative":
		return q + " "
	case "at-most":
		return "at most "
	}
	return ""
}

// excluded compares the number of those that a fact excludes with the rule of the same name. A rule counts rows: of accounts
// and persons, whose rows may be several, that is the most there can be.
func (c *comparison) excluded() {
	for _, f := range c.inc.Listed("excluded") {
		n := f.Value.Number
		if n == nil || f.Value.Qualifier == "about" || f.Value.Qualifier == "at-most" {
			continue
		}
		at := slices.IndexFunc(c.roster.Counts.Excluded, func(r roster.RuleCount) bool { return r.Rule == f.Item })
		if at < 0 {
			c.uncompared = append(c.uncompared, language.Both(
				fmt.Sprintf("事実「対象外 %s」の%sは、同じ名前の規則がないため、比べられていません。", f.Item, language.Digits(*n)),
				fmt.Sprintf("excluded %s says %s, and no rule has that name to compare it with", f.Item, language.Digits(*n))))
			continue
		}
		rows := c.roster.Counts.Excluded[at].Rows
		if *n > rows || f.Value.Unit == "records" && *n != rows || *n == 0 && rows > 0 {
			c.add("excluded", language.Both(
				fmt.Sprintf("事実「対象外 %s」は%sで、同じ名前の規則が外す行は%sです。", f.Item, incident.Count(language.JA, f.Value), language.Digits(rows)),
				fmt.Sprintf("excluded %s says %s %s, and the rule of that name takes out %s rows", f.Item, language.Digits(*n), f.Value.Unit, language.Digits(rows))))
		}
	}
}

// classes compares what the notice says was exposed with what a check tells people they lost.
func (c *comparison) classes() {
	var checked []string
	for _, set := range c.roster.Sets {
		for _, class := range set {
			if !slices.Contains(checked, class) {
				checked = append(checked, class)
			}
		}
	}
	told := c.inc.Classes()
	if missing := without(checked, told); len(missing) > 0 {
		c.add("class-not-told", language.Both(
			fmt.Sprintf("確認ページは%sが流出したと本人に伝えますが、そう述べる事実がありません。", language.Join(language.JA, incident.ClassLabels(language.JA, missing))),
			fmt.Sprintf("a check tells people that %s was exposed, and no fact data-class says so", strings.Join(missing, ", "))))
	}
	if extra := without(told, checked); len(extra) > 0 {
		c.add("class-not-in-rules", language.Both(
			fmt.Sprintf("事実は%sが流出したと述べていますが、確認ページでそう伝えられる人が名簿にいません。", language.Join(language.JA, incident.ClassLabels(language.JA, extra))),
			fmt.Sprintf("the facts say that %s was exposed, and nobody in the roster would be told so by a check", strings.Join(extra, ", "))))
	}
}

// without returns the words of a that b lacks, in the vocabulary's order.
func without(a, b []string) []string {
	return incident.SortClasses(slices.DeleteFunc(slices.Clone(a), func(w string) bool { return slices.Contains(b, w) }))
}

// kindsJA are the kinds of what people check by.
var kindsJA = map[identity.Kind]string{identity.KindEmail: "メールアドレス", identity.KindPhone: "電話番号", identity.KindAccount: "アカウントID"}

// unread counts those whom a check would tell no although it is not known whether they are affected: rows of which nothing
// could be read, and values of a kind that people check by.
func (c *comparison) unread() {
	counts := c.roster.Counts
	if counts.Invalid > 0 {
		c.add("unreadable", language.Both(
			fmt.Sprintf("エクスポートの%s行を読めませんでした。その人たちは、確認ページで対象外と伝えられます。", language.Digits(counts.Invalid)),
			fmt.Sprintf("%s rows of the export could not be read: a check tells those people that they are not in the scope", language.Digits(counts.Invalid))))
	}
	for _, kind := range c.roster.Index {
		if n := counts.Unreadable[kind]; n > 0 {
			c.add("unreadable", language.Both(
				fmt.Sprintf("%s（%s）を%s個、読めませんでした。それで確認する人は、対象外と伝えられます。", kindsJA[kind], kind, language.Digits(n)),
				fmt.Sprintf("%s values of %s could not be read: a check by it tells those people that they are not in the scope", language.Digits(n), kind)))
		}
	}
}

// unused finds a roster that nobody would be checked by, as a fact says that the scope is under investigation: who worked out who is affected
// hardly means to tell everybody that it is not known.
func (p *Publisher) unused(ctx context.Context, id string) ([]Difference, error) {
	r, err := p.Rosters.Latest(ctx, id)
	if errors.Is(err, roster.ErrNone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	n := r.Counts.Affected
	return []Difference{{Code: "roster-unused",
		JA:   fmt.Sprintf("アカウント%s件の名簿がありますが、事実「対象範囲」は調査中です。このままでは、誰も確認できません。確定していれば、scope.state: final を記録してください。", language.Digits(n)),
		What: fmt.Sprintf("a roster of %s is there, and scope.state says investigating: nobody could check themselves by it; where the scope is known, record scope.state: final", several(n))}}, nil
}

func several(n int64) string {
	if n == 1 {
		return "1 account"
	}
	return language.Digits(n) + " accounts"
}

// differs refuses to publish what differs, with everything that does.
func differs(p *Proposal) error {
	var all []string
	for _, d := range p.Differences {
		all = append(all, d.What)
	}
	return hint.Add(fmt.Errorf("publish %s: %w: %s", p.Incident, ErrDifferent, strings.Join(all, "; ")),
		"mend the facts (shirase incident add), the text, or the rules and the scope; or say why it is right: --despite REASON, which is kept and not shown")
}
