// Package language is the two languages that Shirase speaks, and how each writes numbers, dates and lists. Facts, texts and
// pages all write them by it, so that a figure reads the same wherever it stands. It knows nothing of HTTP: which language a
// request is answered in, web decides.
package language

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Lang is one of the two languages every page is written in.
type Lang string

const (
	JA Lang = "ja"
	EN Lang = "en"
)

// Parse returns the language s names exactly ("ja" or "en"), and whether there is one.
func Parse(s string) (Lang, bool) {
	switch l := Lang(s); l {
	case JA, EN:
		return l, true
	}
	return "", false
}

// Other returns the language a switch leads to.
func (l Lang) Other() Lang {
	if l == EN {
		return JA
	}
	return EN
}

// Pick returns the text of l.
func (l Lang) Pick(ja, en string) string {
	if l == EN {
		return en
	}
	return ja
}

// Text is a text for people in both languages. Where only one was given, both are the same.
type Text struct {
	JA string `json:"ja"`
	EN string `json:"en"`
}

// Both makes a text of its two forms.
func Both(ja, en string) Text { return Text{ja, en} }

// Exercise is what begins whatever an exercise hands on: a title, a name of a calendar, a row.
func Exercise(l Lang) string { return l.Pick("【訓練 EXERCISE】", "[EXERCISE 訓練] ") }

// Same makes a text of what is the same in both: a name, or what was read in one language.
func Same(s string) Text { return Text{s, s} }

// In returns the text of l.
func (t Text) In(l Lang) string { return l.Pick(t.JA, t.EN) }

// Digits groups n in threes: 1,692,496. Both languages use it in tables, where figures stand under each other.
func Digits(n int64) string {
	if n < 0 {
		return "-" + group(strconv.FormatUint(uint64(-n), 10))
	}
	return group(strconv.FormatInt(n, 10))
}

func group(digits string) string {
	var b strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// Number writes n as the language does, and every page and text in the same way: 11,049 and 169万2,496 in Japanese (what
// has six digits is read by ten-thousands, with 億 and 兆 above them; what has five is read at a glance), 1,692,496 in
// English.
func Number(l Lang, n int64) string {
	if l == EN || (n < 100_000 && n > -100_000) {
		return Digits(n)
	}
	sign := ""
	rest := uint64(n)
	if n < 0 {
		sign, rest = "-", uint64(-n)
	}
	var parts []string
	for _, unit := range []string{"", "万", "億", "兆", "京"} {
		if part := rest % 10_000; part != 0 {
			parts = append([]string{Digits(int64(part)) + unit}, parts...)
		}
		if rest /= 10_000; rest == 0 {
			break
		}
	}
	return sign + strings.Join(parts, "")
}

// Date writes the day of t in t's own zone: 2013年7月19日, 19 July 2013.
func Date(l Lang, t time.Time) string {
	if l == EN {
		return t.Format("2 January 2006")
	}
	return t.Format("2006年1月2日")
}

// Month writes the month of t: 2013年7月, July 2013.
func Month(l Lang, t time.Time) string {
	if l == EN {
		return t.Format("January 2006")
	}
	return t.Format("2006年1月")
}

// Year writes the year of t: 2013年, 2013.
func Year(l Lang, t time.Time) string { return t.Format(l.Pick("2006年", "2006")) }

// Clock writes the time of day of t: 10時09分, 16時, 10:09.
func Clock(l Lang, t time.Time) string {
	if l == EN {
		return t.Format("15:04")
	}
	layout := "15時04分"
	if t.Minute() == 0 {
		layout = "15時"
	}
	return strings.TrimPrefix(t.Format(layout), "0")
}

// Zone names the zone of t: 日本時間 or JST for Japan's, UTC+01:00 for the others. Zones are offsets here: a name like
// CET would have to be guessed from one.
func Zone(l Lang, t time.Time) string {
	switch _, offset := t.Zone(); offset {
	case 0:
		return l.Pick("協定世界時", "UTC")
	case 9 * 60 * 60:
		return l.Pick("日本時間", "JST")
	default:
		return "UTC" + t.Format("-07:00")
	}
}

// DateTime writes day, time and zone of t: 2013年7月19日 16時（日本時間）, 19 July 2013, 16:00 JST.
func DateTime(l Lang, t time.Time) string {
	if l == EN {
		return Date(l, t) + ", " + Clock(l, t) + " " + Zone(l, t)
	}
	return Date(l, t) + " " + Clock(l, t) + "（" + Zone(l, t) + "）"
}

// Duration writes d in its two largest units, rounded down to the minute: 13時間18分, 13 hours 18 minutes.
func Duration(l Lang, d time.Duration) string {
	if d < 0 {
		d = -d
	}
	minutes := int64(d / time.Minute)
	days, hours, minutes := minutes/(24*60), minutes/60%24, minutes%60
	var parts []string
	add := func(n int64, ja, en string) {
		if n == 0 || len(parts) == 2 {
			return
		}
		if l == JA {
			parts = append(parts, Digits(n)+ja)
			return
		}
		if n != 1 {
			en += "s"
		}
		parts = append(parts, fmt.Sprintf("%s %s", Digits(n), en))
	}
	add(days, "日", "day")
	add(hours, "時間", "hour")
	if days == 0 {
		add(minutes, "分", "minute")
	}
	if len(parts) == 0 {
		return l.Pick("1分未満", "less than a minute")
	}
	return strings.Join(parts, l.Pick("", " "))
}

// Join writes a list as the language does: 甲、乙、丙 and a, b and c.
func Join(l Lang, items []string) string {
	if l == JA {
		return strings.Join(items, "、")
	}
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	return strings.Join(items[:len(items)-1], ", ") + " and " + items[len(items)-1]
}
