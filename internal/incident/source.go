package incident

import (
	"regexp"

	"shirase/internal/language"
)

// What the house's own rooms cite as the source of a fact that they propose: what was counted and, for the house alone, by which of its own
// numbers it finds that again.
var houseSources = []struct {
	recorded *regexp.Regexp
	told     string
	name     language.Text
}{
	{regexp.MustCompile(`^login logs(?:, evidence \d+)?$`), "login logs", language.Both("ログインの記録の調査", "a search of login logs")},
	{regexp.MustCompile(`^scope(?:, run \d+)?$`), "scope", language.Both("対象の集計", "the count of those affected")},
	{regexp.MustCompile(`^campaigns(?:,? c-[a-z0-9]+)*$`), "campaigns", language.Both("お知らせの送信の記録", "the records of who was told")},
	{regexp.MustCompile(`^enquiries$`), "enquiries", language.Both("お問い合わせ", "enquiries")},
	{regexp.MustCompile(`^notice$`), "notice", language.Both("お知らせ", "notice")},
	{regexp.MustCompile(`^operator$`), "operator", language.Both("運営者", "operator")},
}

// PublicSource is what the public is told of a fact's source. Numbers by which the house finds its own evidence, runs and campaigns say nothing to
// a reader, and how many there are is nobody's business; all else is a citation, as it was recorded.
func PublicSource(source string) string {
	for _, h := range houseSources {
		if h.recorded.MatchString(source) {
			return h.told
		}
	}
	return source
}

// SourceName is how a page calls a source that is no item of the facts: in words, where it is the house's own.
func SourceName(lang language.Lang, source string) string {
	for _, h := range houseSources {
		if h.recorded.MatchString(source) {
			return h.name.In(lang)
		}
	}
	return source
}

// outward gives facts with their sources as the public is told them.
func outward(facts []Fact) []Fact {
	for i := range facts {
		facts[i].Source = PublicSource(facts[i].Source)
	}
	return facts
}
