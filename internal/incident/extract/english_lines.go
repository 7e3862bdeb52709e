package extract

import "regexp"

// inlineEN are the headings that American letters put at the beginning of a paragraph, in its first line.
var inlineEN = []struct {
	section section
	re      *regexp.Regexp
}{
	{secStory, regexp.MustCompile(`(?i:^[\W_]*what happened\b\W*)`)},
	{secItems, regexp.MustCompile(`(?i:^[\W_]*(?:what (?:personal )?information (?:was|is|may have been) (?:involved|affected|impacted)|what (?:was taken|data))\b\W*)`)},
	{secResponse, regexp.MustCompile(`(?i:^[\W_]*what (?:(?:we|[a-z. ]{2,40}) (?:are|is|have|has) (?:doing|done)|we did)\b\W*)`)},
	{secPast, regexp.MustCompile(`(?i:^[\W_]*(?:what (?:you can|can you|should you|you should) do|steps you (?:can|may)|additional (?:steps|resources|information)|general (?:security )?tips|forward-looking|monitor your|placing a|security freeze|fraud alert|how (?:can|do) I protect)\b\W*)`)},
	{secContact, regexp.MustCompile(`(?i:^[\W_]*(?:for (?:more|further|additional) information|questions\?|contact us)\s*(?:$|\W))`)},
}

// sectionEN is the section of a sentence: of an English letter, also that of a heading in its own line.
func (r *reader) sectionEN(s sentence) section {
	if r.inline == nil {
		r.inline = r.inlineSections()
	}
	return r.inline[s.from]
}

// inlineSections gives every sentence its section, by where it begins.
func (r *reader) inlineSections() map[int]section {
	out := map[int]section{}
	current, line := secNone, -1
	for _, s := range r.sentences {
		l := r.lines[s.line]
		if s.line != line && l.heading {
			current = l.section
		}
		head := firstBytes(r.s[s.from:s.to], 120)
		for _, h := range inlineEN {
			if h.re.MatchString(head) {
				current = h.section
				break
			}
		}
		line = s.line
		out[s.from] = current
		if current == secNone {
			out[s.from] = l.section
		}
	}
	return out
}
