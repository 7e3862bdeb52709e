package extract

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// section is what a part of a notice is about, as its heading says.
type section int

const (
	secNone       section = iota
	secStory              // what happened, in the order of time
	secScope              // whom it concerns, and how many
	secItems              // which data
	secCause              //
	secResponse           // what was done and will be done
	secDamage             // what has followed
	secPrevention         //
	secContact            //
	secSource             //
	secNot                // data that were not exposed, people not concerned
	secPast               // earlier cases, references, glossaries: nothing of this incident
)

// line is one line of the text without the spaces at its ends.
type line struct {
	from, to int
	section  section
	heading  bool   // it is a heading itself
	under    string // the heading it stands under
	list     bool   // it follows a sentence that announces a list
}

// sentence is a part of a line up to its full stop.
type sentence struct {
	from, to int
	line     int
}

// maxSentence bounds what one rule looks at, in bytes, so that the whole stays linear in the text.
const maxSentence = 3000

var (
	markRE   = regexp.MustCompile(`^(?:[■◆●◇□▼▽★☆○◎◯・※*•‣▪‐–—◦►▶➢✓【<《〈「『\[(①-⑳❶-❿㉑-㉟-]|\d{1,2}\s?[.)、:．](?:\D|$)|\d{1,2}-\d|第\s?[0-9一二三四五六七八九十]+|[IVX]{1,4}\.|[A-Za-z][.)]\s|[アイウエオカキ][.)、 ]|\d{1,4}\s?[年月/.-]\s?\d|(?:令和|平成)|(?:記|以上|敬具|謹白)$|https?://|TEL|Tel|電話|E-?mail|メール:)`)
	titledRE = regexp.MustCompile(`(?:お知らせ|知らせ|お詫び|おわび|お詫び|について|ご報告|報告|お願い|に関して|の件|お詫びとお知らせ)(?:\s?[(<【\[〔][^)>】\]〕]{1,20}[)>】\]〕])?$`)
	stepRE   = regexp.MustCompile(`^(?:[■◆●◇□▼▽★☆◎【<《〈\[❶-❿-]|[(]?\d{1,2}\s?[.)、:．]\s?|\d{1,2}-\d{1,2}[.)]?\s?|第\s?[0-9一二三四五六七八九十]+\s?[章節項 ]|[(（][0-9一二三四五六七八九十]{1,2}[)）]\s?|[①-⑳]\s?|[○◯・]\s?|[一二三四五六七八九十][.、 ]\s?|\d{1,2}\s)`)
)

// marked reports whether a line begins with a sign that it is one of its own: a bullet, a number, a date.
func marked(s string) bool { return markRE.MatchString(s) }

// titled reports whether a line ends as titles of notices do.
func titled(s string) bool { return titledRE.MatchString(s) }

// sectionWords are tried in order on a heading, so that 流出した可能性のある情報 is about data and 情報流出の経緯 about what
// happened.
var sectionWords = []struct {
	section section
	re      *regexp.Regexp
}{
	{secNot, regexp.MustCompile(`(?:流出|漏えい|漏洩|対象|含まれ|該当|影響).{0,8}(?:ていない|ではない|でない|とならない|外の|のない|しない)(?:可能性の高い)?(?:個人)?(?:情報|項目|データ|方|お客|会員)`)},
	{secPast, regexp.MustCompile(`過去の事例|参考|用語|関連(?:情報|リンク|記事|ニュース)|会社概要|企業情報|(?i:about (?:us|the company)|forward-looking|additional (?:resources|steps)|steps you can take|further information and steps)`)},
	{secSource, regexp.MustCompile(`情報ソース|出典|引用元|ソース|情報源|(?i:^sources?$)`)},
	{secContact, regexp.MustCompile(`お?問い?合わ?せ(?:先|窓口)?|(?:相談|連絡|照会)(?:先|窓口)|窓口|担当(?:課|部署)|(?i:for more information|contact|questions)`)},
	{secPrevention, regexp.MustCompile(`再発防止|改善策|防止策|(?i:prevent)`)},
	{secDamage, regexp.MustCompile(`二次被害|2次被害|被害の有無|不正利用の(?:有無|状況)|影響・?被害の?有無`)},
	{secCause, regexp.MustCompile(`原因|要因|理由|(?i:cause)`)},
	{secItems, regexp.MustCompile(`(?:流出|漏えい|漏洩|漏れ|閲覧|紛失|誤送信|誤送付|誤って送[付信]した|入って|お渡しした|該当|対象|含まれ|影響|保存|記載|記録|持ち出|盗難|公開|掲載|外部送信|窃取).{0,24}(?:情報|項目|データ|内容|ファイル|書類|文書)(?:の?(?:項目|内容|種類|範囲|詳細|等|など|と件数|及び件数|および件数|・件数|の概要))*\s*(?:[(:].*)?$|個人情報の?(?:項目|内容|種類|範囲)|(?:情報|データ)の?(?:項目|内容|種類)|^(?:個人)?情報(?:の?項目)?$|漏えい等?した項目|(?i:information (?:was |may have been |that was |that may have been )?(?:involved|affected|impacted)|what (?:data|information)|types? of (?:data|information))`)},
	{secScope, regexp.MustCompile(`件数|人数|対象(?:者|範囲|顧客|会員|となる|の(?:お客|方))|対象|影響(?:範囲|を受け)|範囲|規模|被害(?:状況|範囲|件数|内容)|流出(?:件数|状況|の範囲)|漏えい(?:件数|状況)|(?i:who (?:was|is|may be) (?:affected|involved|impacted))`)},
	{secStory, regexp.MustCompile(`経緯|経過|概要|発覚|発生|日時|状況|事実|事案|内容|事故|時系列|(?i:what happened|background|timeline|incident|nature of)`)},
	{secResponse, regexp.MustCompile(`への?ご?連絡|個別のご連絡|対応|対策|対処|措置|処置|取り?組み|お願い|お詫び|案内|復旧|(?i:what (?:we|you)|response|actions?|measures)`)},
}

// sectionOf folds a heading.
func sectionOf(heading string) section {
	for _, w := range sectionWords {
		if w.re.MatchString(heading) {
			return w.section
		}
	}
	return secNone
}

var announceRE = regexp.MustCompile(`(?:以下|次|下記|次に掲げる).{0,12}(?:とおり|通り|情報|項目|です|なります|あります|ございます|もの)[^。]{0,14}(?:。|:)?$|(?i:following(?:[^.]{0,60})?:)$`)

// lines cuts the text into lines and gives each its section.
func splitLines(s string) []line {
	var out []line
	at := 0
	current, under, list := secNone, "", false
	for _, raw := range strings.Split(s, "\n") {
		start := at
		at += len(raw) + 1
		trimmed := strings.TrimLeft(raw, " ")
		start += len(raw) - len(trimmed)
		trimmed = strings.TrimRight(trimmed, " ")
		if trimmed == "" {
			continue
		}
		l := line{from: start, to: start + len(trimmed)}
		isTitle := len(out) < maxHead && titled(trimmed) && titleNoun.MatchString(trimmed) && utf8.RuneCountInString(trimmed) >= 14
		if title, ok := headingOf(trimmed); ok && !isTitle {
			if sec := sectionOf(title); sec != secNone {
				current, under, l.heading = sec, title, true
				list = false
			} else if dateHead.MatchString(title) {
				// 【令和6年6月6日】 heads an entry of the part that it stands in
			} else if strings.HasPrefix(trimmed, "■") || strings.HasPrefix(trimmed, "【") || strings.HasPrefix(trimmed, "◆") {
				current, under, l.heading = secNone, title, true
				list = false
			}
		}
		if addedHead.MatchString(trimmed) {
			current, under = secNone, ""
		}
		l.section, l.under = current, under
		if wasWrong.MatchString(trimmed) {
			l.section = secPast
		}
		if list && !l.heading && cells(trimmed) <= 160 {
			l.list = true
		} else {
			list = false
		}
		if announceRE.MatchString(lastBytes(trimmed, 200)) {
			list = true
		}
		out = append(out, l)
	}
	return out
}

// wasWrong begins what a correction takes back.
var wasWrong = regexp.MustCompile(`^[\s・(【\[]*(?:(?:訂正|修正|変更|更新)前|誤)\s?[】\]):]`)

// headingOf gives the words of a heading without its mark. A heading is short and does not end as a sentence does.
func headingOf(s string) (string, bool) {
	if utf8.RuneCountInString(s) > 60 {
		return "", false
	}
	mark := stepRE.FindString(s)
	title := strings.Trim(strings.ReplaceAll(s[len(mark):], "】", " "), "【】<>《》〈〉[]■◆●◇□▼▽: ")
	if head, _, ok := strings.Cut(title, "("); ok && mark != "" && utf8.RuneCountInString(head) >= 4 {
		title = strings.TrimSpace(head) // 対象となる情報 (合計 1,234 件)
	}
	if title == "" || strings.ContainsAny(title, "。") || strings.HasSuffix(title, ".") {
		return "", false
	}
	n := utf8.RuneCountInString(title)
	switch {
	case strings.HasPrefix(mark, "・") || strings.HasPrefix(mark, "○") || strings.HasPrefix(mark, "◯"):
		return title, n <= 16 && !strings.ContainsAny(title, "0123456789") && headWordRE.MatchString(title)
	case mark != "" && n <= 44:
		// "1. 氏名" is an item of a list, "1. 経緯" a heading: only the words can tell.
		return title, !strings.ContainsAny(title, ",、") || n <= 24
	case mark == "" && n <= 24 && headWordRE.MatchString(title):
		return title, true
	case mark == "" && englishHeadRE.MatchString(title):
		return title, true
	}
	return "", false
}

var (
	headWordRE    = regexp.MustCompile(`(?:経緯|経過|概要|原因|対応|対策|窓口|問い?合わ?せ先?|二次被害(?:の有無)?|再発防止策?|件数|人数|範囲|項目|被害状況|影響|規模|情報ソース|出典|情報|状況|内容|お願い|事実|ついて|参考|対象者?)$`)
	englishHeadRE = regexp.MustCompile(`^(?i:what happened|what information (?:was|may have been) involved|what we (?:are|have) (?:doing|done)|what you can do|for more information|who (?:was|is) affected|background|timeline|contact(?: us| information)?|other important information|summary|overview|sources?|about .{1,30}|additional (?:resources|information)|frequently asked questions|our response|next steps)\W*$`)
)

var dateHead = regexp.MustCompile(`^(?:(?:令和|平成)\s?\S{1,2}\s?年|\d{4}\s?[年/.]|\d{1,2}\s?[月/])`)

// lastBytes gives at most n bytes of the end of s, from a whole character on.
func lastBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	i := len(s) - n
	for i < len(s) && !utf8.RuneStart(s[i]) {
		i++
	}
	return s[i:]
}

// firstBytes gives at most n bytes of the beginning of s, whole characters only.
func firstBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// splitSentences cuts lines at their full stops, not inside brackets. One longer than maxSentence is cut there.
func splitSentences(s string, lines []line, japanese bool) []sentence {
	var out []sentence
	for n, l := range lines {
		start, depth := l.from, 0
		for i := l.from; i < l.to; {
			c, size := utf8.DecodeRuneInString(s[i:l.to])
			i += size
			stop := false
			switch c {
			case '「', '『', '(':
				depth++
			case '」', '』', ')':
				depth = max(0, depth-1)
			case '※':
				if i-size > start {
					out = append(out, sentence{start, i - size, n})
					start = i - size
				}
			case '。', '!', '?':
				stop = depth == 0 || i-start > 800
			case '.':
				stop = !japanese && fullStop(s, start, i, l.to)
			}
			if stop || i-start >= maxSentence {
				out = append(out, sentence{start, i, n})
				start, depth = i, 0
				for start < l.to && s[start] == ' ' {
					start++
				}
				i = max(i, start)
			}
		}
		if start < l.to {
			out = append(out, sentence{start, l.to, n})
		}
	}
	return out
}

var abbreviationRE = regexp.MustCompile(`(?:\b(?:Mr|Mrs|Ms|Dr|St|No|Nos|vs|Inc|Corp|Co|Ltd|Jr|Sr|e\.g|i\.e|approx|Art|Sec|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|a\.m|p\.m|U\.S|U\.K|[A-Z]))\.$`)

// fullStop reports whether the dot before i ends an English sentence that began at start.
func fullStop(s string, start, i, end int) bool {
	if i >= end {
		return true
	}
	rest := strings.TrimLeft(s[i:end], " ")
	if len(rest) == end-i || rest == "" { // no space after it: 1.5, example.com
		return false
	}
	c, _ := utf8.DecodeRuneInString(rest)
	if !(c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '"' || c == '“' || c == '(' || c >= 0x2018 && c <= 0x2022) {
		return false
	}
	word := abbreviationRE.FindString(s[max(start, i-12):i])
	if word == "" {
		return true
	}
	// After "a.m." or "Inc." a sentence may still end; a following The, We, On says so.
	return regexpStarts.MatchString(rest)
}

var regexpStarts = regexp.MustCompile(`^(?:The|We|On|In|This|Upon|After|It|Our|You|If|As|An?|No|There)\b`)
