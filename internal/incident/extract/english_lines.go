package extract

// inlineEN are the headings that American letters put at the beginning of a paragraph, in its first line.
var inlineEN = []struct {
	section section
	re      *rule
}{
	{secStory, ruleEN("inline-story")},
	{secItems, ruleEN("inline-items")},
	{secResponse, ruleEN("inline-response")},
	{secPast, ruleEN("inline-past")},
	{secContact, ruleEN("inline-contact")},
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
