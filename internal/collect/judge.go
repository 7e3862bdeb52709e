package collect

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/incident/extract"
	"shirase/internal/language"
)

// The kinds of items.
const (
	Disclosure = "disclosure" // an organisation tells of its own breach
	Digest     = "digest"     // somebody tells of several
	Warning    = "warning"    // of messages in one's name, of a weakness: nothing was lost
	Other      = "other"
	Scanned    = "scanned" // pictures of pages: a person has to read them
	Change     = "change"  // a page that is watched says something else
	Gone       = "gone"    // it is not there any more
	Correction = "correction"
	Reply      = "reply"
	Flag       = "flag" // another instance does not keep to its ledger
)

// What an item is to an incident.
const (
	Fresh       = "new"
	Addendum    = "addendum"
	OtherSource = "source"
	Silent      = "silent" // changed without saying so
)

// judgement is what can be said of a document without a person.
type judgement struct {
	kind, organisation, name, told string
	sure, facts                    int
	dates                          []time.Time
	title                          string
}

// Words that tell kinds apart where nothing is proposed. They are looked for in a text that passed for no notice, so they need not be
// more exact than that.
var (
	warns   = regexp.MustCompile(`(?i)なりすまし|不審な(?:メール|電話|SMS|サイト)|フィッシング(?:メール|サイト)?に?(?:ご注意|注意)|注意喚起|偽(?:サイト|メール|物)|脆弱性(?:に関する|のお知らせ|情報)|phishing (?:alert|warning)|beware|security advisory|impersonat`)
	leaks   = regexp.MustCompile(`(?i)漏えい|漏洩|流出|不正アクセス|誤送信|紛失|ランサムウェア|data breach|leak|exposed|ransomware|unauthori[sz]ed access`)
	names   = regexp.MustCompile(`(?:株式会社|有限会社|合同会社|大学|病院|市役所|市教育委員会|協会|機構|銀行|生活協同組合)|(?:Inc\.|Ltd\.|LLC|Corporation|University|Hospital)`)
	added   = regexp.MustCompile(`(?i)追記|続報|第[0-9０-９二三四五六七八九十]+報|最終報|更新(?:日|しました|：|:)|その後の(?:経過|対応)|update(?:d)?(?:\s*[:：(]|\s+\d| as of)|addendum`)
	correct = regexp.MustCompile(`(?i)訂正|誤りがありました|正しくは|お詫びして訂正|correction|corrected|erratum`)
)

// judge says what a document is: res is what it proposes.
func judge(d *Document, res *extract.Result) judgement {
	j := judgement{kind: Other, title: strings.TrimSpace(cmp.Or(d.Title, firstLine(d.Text), d.URL)), facts: len(res.Proposals)}
	for _, p := range res.Proposals {
		if p.Sure {
			j.sure++
		}
		switch f := p.Fact; f.Key {
		case "organisation":
			if j.organisation == "" {
				j.organisation = f.Value.Text.In(res.Lang)
			}
		case "disclosed":
			j.told = f.Value.Time.Time.Format(time.DateOnly)
			j.dates = append(j.dates, f.Value.Time.Time)
		case "discovered", "window.start", "window.end":
			j.dates = append(j.dates, f.Value.Time.Time)
		case "title":
			j.title = f.Value.Text.In(res.Lang)
		}
	}
	j.name = archive.NormalName(j.organisation)
	head := j.title + "\n" + clip(d.Text, 1500)
	switch {
	case d.Scanned:
		j.kind = Scanned
	case digest(d.Text):
		j.kind = Digest
	case len(res.Proposals) > 0:
		j.kind = Disclosure
	case warns.MatchString(head):
		j.kind = Warning
	}
	return j
}

// digest reports whether a text tells of several organisations' incidents: headings, or lines, each with a name and what was lost.
func digest(text string) bool {
	seen := map[string]bool{}
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		if len(line) > 600 || !leaks.MatchString(line) {
			continue
		}
		if open, rest, ok := strings.Cut(line, "【"); ok && len(open) < 30 {
			if who, _, ok := strings.Cut(rest, "】"); ok && !general[strings.TrimSpace(who)] {
				seen[who] = true
				continue
			}
		}
		if m := names.FindStringIndex(line); m != nil {
			seen[around(line, m)] = true
		}
	}
	return len(seen) >= 4
}

// general are words in 【】 that name nobody.
var general = map[string]bool{"重要": true, "お詫び": true, "続報": true, "追記": true, "第一報": true, "第二報": true, "お知らせ": true, "ご報告": true, "更新": true, "訂正": true, "概要": true, "経緯": true, "原因": true, "対応": true}

// around is the word that a kind of company is part of.
func around(line string, at []int) string {
	cutAt := func(r rune) bool {
		return strings.ContainsRune("、。，．　 ・（）()「」はがのにで,.|:：", r)
	}
	left := strings.LastIndexFunc(line[:at[0]], cutAt)
	if left >= 0 {
		left += len(string([]rune(line[left:])[0]))
	} else {
		left = 0
	}
	right := strings.IndexFunc(line[at[1]:], cutAt)
	if right < 0 {
		right = len(line) - at[1]
	}
	return line[left : at[1]+right]
}

func firstLine(s string) string {
	for line := range strings.SplitSeq(s, "\n") {
		if line = strings.TrimSpace(line); line != "" {
			return clip(line, 200)
		}
	}
	return ""
}

// clip gives the beginning of s, in whole characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}

// rank orders the inbox: who waits for us, what is new, what changed, what has more that is sure.
func rank(kind, relation string, sure int) int {
	base := map[string]int{Reply: 130, Correction: 125, Flag: 120, Disclosure: 100, Change: 90, Scanned: 80, Gone: 60, Other: 10, Warning: 15, Digest: 20}[kind]
	if kind == Disclosure && relation != Fresh {
		base -= 15
	}
	return base + min(sure, 9)
}

// sketches are of this many numbers, each of four bytes.
const sketchSize = 64

// sketch makes of a text what two texts that say nearly the same have nearly alike: of its runs of eight letters, the smallest under
// each of 64 orders (MinHash). A text of less than a hundred letters has none, since short ones are alike by chance.
func sketch(text string) []byte {
	var letters []rune
	for _, c := range norm.NFKC.String(strings.ToLower(clip(text, 60_000))) {
		if unicode.IsLetter(c) || unicode.IsDigit(c) {
			letters = append(letters, c)
		}
	}
	const run = 8
	if len(letters) < 100 {
		return []byte{}
	}
	var least [sketchSize]uint32
	for i := range least {
		least[i] = ^uint32(0)
	}
	for i := 0; i+run <= len(letters); i++ {
		h := fnv.New64a()
		h.Write([]byte(string(letters[i : i+run])))
		a := h.Sum64()
		x, y := uint32(a), uint32(a>>32)|1
		for k := range least {
			least[k] = min(least[k], mix(x+uint32(k)*y))
		}
	}
	out := make([]byte, 0, 4*sketchSize)
	for _, v := range least {
		out = binary.BigEndian.AppendUint32(out, v)
	}
	return out
}

func mix(h uint32) uint32 {
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	return h ^ h>>16
}

// alike is the share of the runs of letters that two texts have in common, about.
func alike(a, b []byte) float64 {
	if len(a) != 4*sketchSize || len(b) != 4*sketchSize {
		return 0
	}
	same := 0
	for i := 0; i < len(a); i += 4 {
		if string(a[i:i+4]) == string(b[i:i+4]) {
			same++
		}
	}
	return float64(same) / sketchSize
}

// alikeFrom is how much two texts of one organisation share that tell of the same; sameFrom, how much two that are one text, with a
// date or a heading of the site that shows it.
const (
	alikeFrom = 0.6
	sameFrom  = 0.92
)

// nearDays is how far apart two dates of one incident's notices are, at most.
const nearDays = 75

// closest is the fewest days between any two dates; -1 where there are none.
func closest(a, b []time.Time) int {
	best := -1
	for _, x := range a {
		for _, y := range b {
			d := int(x.Sub(y).Abs().Hours() / 24)
			if best < 0 || d < best {
				best = d
			}
		}
	}
	return best
}

// relationOf says what a text is to an incident that is known: more of its organisation's own, or of somebody else.
func relationOf(text, at string, sources []string) string {
	host := hostOf(at)
	own := slices.ContainsFunc(sources, func(s string) bool { return host != "" && hostOf(s) == host })
	if own || added.MatchString(clip(text, 4000)) {
		return Addendum
	}
	return OtherSource
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.TrimPrefix(strings.ToLower(u.Hostname()), "www.")
}

// shownOrganisation gives the names that an incident's organisation has.
func shownOrganisation(facts []incident.Fact) (out []string) {
	for _, f := range facts {
		if f.Key == "organisation" || f.Key == "alias" {
			for _, l := range []language.Lang{language.JA, language.EN} {
				if n := archive.NormalName(f.Value.Text.In(l)); n != "" && !slices.Contains(out, n) {
					out = append(out, n)
				}
			}
		}
	}
	return out
}
