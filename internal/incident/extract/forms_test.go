package extract

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// timesIn gives the times of a text that was published on 2024-06-10, each as a facts file says it.
func timesIn(t *testing.T, s string, lang language.Lang) []string {
	t.Helper()
	tx := normalise(newText(s))
	lines := splitLines(tx.s)
	zone := incident.Japan
	var all []*when
	if lang == language.JA {
		all = scanTimesJA(tx.s, lines)
	} else {
		zone = time.UTC
		all = scanTimesEN(tx.s, lines, &zone)
	}
	pairRanges(tx.s, all)
	res := &resolver{base: incident.Moment{Time: time.Date(2024, 6, 10, 0, 0, 0, 0, zone), Precision: incident.Day}, zone: zone, lines: lines}
	var out []string
	for _, w := range all {
		res.resolve(w, false)
		if w.moment.IsZero() {
			continue
		}
		got := strings.TrimSuffix(said(w.moment), "+09:00")
		if w.about {
			got += "?"
		}
		if w.doubt != "" {
			got += "!"
		}
		out = append(out, got)
	}
	return out
}

func TestTimes(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"2013年7月19日に公表", "2013-07-19"},
		{"２０１３年７月１９日に公表", "2013-07-19"},
		{"令和6年5月28日(火)に判明", "2024-05-28"},
		{"令和元年12月1日に判明", "2019-12-01"},
		{"平成26年(2014年)9月29日に判明", "2014-09-29"},
		{"2014年(平成26年)9月29日に判明", "2014-09-29"},
		{"R6.5.28 判明", "2024-05-28"},
		{"令和5年12⽉4⽇(⽉)13:00、判明", "2023-12-04T13:00"},
		{"7月18日に判明", "2023-07-18"}, // not after publication
		{"5月23日に判明し、同日公表、翌日に報告", "2024-05-23 2024-05-23 2024-05-24"},
		{"本日18時より再開", "2024-06-10T18:00"},
		{"昨年11月30日に判明", "2023-11-30"},
		{"先月16日に判明", "2024-05-16"},
		{"5月23日午後3時04分に判明", "2024-05-23T15:04"},
		{"5月23日20時51分に判明", "2024-05-23T20:51"},
		{"5月23日(木) 13:00 に判明", "2024-05-23T13:00"},
		{"5月23日18時10分頃に判明", "2024-05-23T18:10?"},
		{"5月23日深夜に判明", "2024-05-23"},
		{"2023年12月20日に公表、23年12月19日に判明", "2023-12-20 2023-12-19"},
		{"5月23日午前0時半に判明", "2024-05-23T00:30"},
		{"5月23日正午に判明", "2024-05-23T12:00"},
		{"2024/6/6 に判明", "2024-06-06"},
		{"2014.09.29 に判明", "2014-09-29"},
		{"2023年12月20日から1月10日まで", "2023-12-20 2024-01-10"},
		{"5月17日20時51分から18日10時57分まで", "2024-05-17T20:51 2024-05-18T10:57"},
		{"5月17日～18日の間", "2024-05-17 2024-05-18"},
		{"5月17日〜5月18日の間", "2024-05-17 2024-05-18"},
		{"5月17日－5月18日の間", "2024-05-17 2024-05-18"},
		{"5月17日~翌18日の間", "2024-05-17 2024-05-18"},
		{"2023年3月に導入", "2023-03"},
		{"2023年3月上旬に導入", "2023-03?"},
		{"同年5月26日に被害、2024年6月6日に報告", "2024-06-06"},
		{"2024年6月6日に報告、同年5月26日に被害", "2024-06-06 2024-05-26"},
		{"5月23日(月)に判明", "2024-05-23!"}, // it was a Thursday
		{"現地時間5月23日に判明", "2024-05-23"},
		{"5月23日 10時(現地時間)に判明", "2024-05-23"}, // nobody can tell when that was
		{"個人情報の保護に関する法律(平成15年法律第57号)", ""},
		{"電話 03-1234-5678 〒100-0001 東京都千代田区1-2-3", ""},
		{"バージョン2.4.1、IPアドレス192.168.10.12、第26条第1項", ""},
		{"24時間365日対応、30日以内、3か月間、10営業日", ""},
		{"令和5年度の受講者", ""},
		{"2023年2月30日", ""},
	} {
		if got := strings.Join(timesIn(t, c.text, language.JA), " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.text, got, c.want)
		}
	}
}

func TestTimesEnglish(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"On July 19, 2013, we", "2013-07-19"},
		{"On 19 July 2013 we", "2013-07-19"},
		{"on the 3rd of May, 2023 we", "2023-05-03"},
		{"between May 3, 2023 and May 12, 2023", "2023-05-03 2023-05-12"},
		{"from July 17-19, 2013", "2013-07-17 2013-07-19"},
		{"In March 2023, we", "2023-03"},
		{"2023-05-03 detected", "2023-05-03"},
		{"07/19/2013 detected", "2013-07-19"},
		{"04/05/2023 detected", ""}, // the fifth of April, or the fourth of May
		{"on or about April 5, 2023", "2023-04-05?"},
		{"At 14:05 UTC on 3 May 2023 we", "2023-05-03T14:05Z"},
		{"on May 3, 2023 at 2:05 p.m. ET we", "2023-05-03"}, // an offset that changes with the season is not guessed
		{"On May 20 we", "2024-05-20"},
		{"you may 5 times", ""},
		{"version 10.12.2, section 1798.82, (800) 555-0134", ""},
	} {
		if got := strings.Join(timesIn(t, c.text, language.EN), " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.text, got, c.want)
		}
	}
}

// amountsIn gives the amounts of a text; a part of another is in brackets.
func amountsIn(s string, ja bool) string {
	tx := normalise(newText(s))
	lines := splitLines(tx.s)
	var all []*amount
	if ja {
		all = scanAmountsJA(tx.s, lines)
	} else {
		all = scanAmountsEN(tx.s, lines)
	}
	var out []string
	for _, a := range all {
		got := fmt.Sprintf("%d %s", a.value, a.unit)
		if a.qualifier != "exact" {
			got += " " + a.qualifier
		}
		if a.part {
			got = "(" + got + ")"
		}
		out = append(out, got)
	}
	return strings.Join(out, ", ")
}

func TestAmounts(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"169万2,496件", "1692496 records"},
		{"アカウント169万2,496件", "1692496 accounts"},
		{"件数:169万2496", "1692496 records"},
		{"約169万件", "1690000 records about"},
		{"最大37,832件", "37832 records at-most"},
		{"延べ7,545万人", "75450000 persons cumulative"},
		{"475万329人", "4750329 persons"},
		{"1億2,345万6,789件", "123456789 records"},
		{"3万7000件余り", "37000 records about"},
		{"2.5万件", "25000 records"},
		{"約5千名", "5000 persons about"},
		{"549名分(576件)", "549 persons, (576 records)"},
		{"96件(88名)", "96 records, (88 persons)"},
		{"34,161件(個人会員:33,501件、法人会員:660件)", "34161 records, (33501 records), (660 records)"},
		{"1)約1000名 2)約19000名 合計約2万名", "1000 persons about, 19000 persons about, 20000 persons about"},
		{"①1,000件 ②２，０００件", "1000 records, 2000 records"},
		{"1,000口座", "1000 accounts"},
		{"5,000アカウント", "5000 accounts"},
		{"試行回数2,236,076回", "2236076 attempts"},
		{"10万人以上", "100000 persons about"},
		{"会員270万件のうち169万件", "2700000 records, (1690000 records)"},
		{"100円、30%、5月3日、第26条、電話03-1234-5678、3名体制", ""},
		{"本件、1件目、2回目、3人目", ""},
		{"約数百件", ""},
	} {
		if got := amountsIn(c.text, true); got != c.want {
			t.Errorf("%s: %s, want %s", c.text, got, c.want)
		}
	}
	for _, c := range []struct{ text, want string }{
		{"approximately 1.2 million individuals were affected", "1200000 persons about"},
		{"up to 45,000 customers", "45000 persons at-most"},
		{"12,345 accounts", "12345 accounts"},
		{"more than 3,000 patient records", "3000 records about"},
		{"about 2 million login attempts", "2000000 attempts about"},
		{"$5,000 customers, section 26 people, call 800 555 0134", "26 persons"},
	} {
		if got := amountsIn(c.text, false); got != c.want {
			t.Errorf("%s: %s, want %s", c.text, got, c.want)
		}
	}
}

// TestSpans holds that a place in the normalised text leads back to the bytes that were given.
func TestSpans(t *testing.T) {
	given := "\ufeff<p>ｶﾞｲﾄﾞ&nbsp;⽉\u200b㈱①１２</p><br>終"
	tx := normalise(flatten(newText(given)))
	for _, c := range [][2]string{{"ガ", "ｶﾞ"}, {"月", "⽉"}, {"(株)", "㈱"}, {"①", "①"}, {"12", "１２"}, {"終", "終"}} {
		at := strings.Index(tx.s, c[0])
		if at < 0 {
			t.Errorf("%q lacks %s", tx.s, c[0])
			continue
		}
		if from, to := tx.span(at, at+len(c[0])); given[from:to] != c[1] {
			t.Errorf("%s comes from %q, want %q", c[0], given[from:to], c[1])
		}
	}
}

func TestLimits(t *testing.T) {
	if _, err := Notice(make([]byte, MaxNotice+1)); err == nil {
		t.Error("a text that is too large is read")
	}
	if _, err := Notice([]byte(strings.Repeat("a", maxText+1))); err == nil {
		t.Error("too much text is read")
	}
	if _, err := Notice([]byte("\xff\xfe")); err == nil {
		t.Error("bytes that are no text are read")
	}
	for _, part := range hostile {
		if _, err := Notice(repeated(part, maxText/10)); err != nil {
			t.Errorf("%q: %v", part, err)
		}
	}
}

// hostile are pieces that, repeated, make each rule look as far as it may.
var hostile = []string{"個人情報が流出した可能性 7月18日 1,234件、", "<a <!-- ", "((((「「", "氏名、", "not including name, ", "7月18日から", "12,345件(", "\u3000\n"}

func repeated(part string, size int) []byte {
	return []byte("当社はお詫びいたします。個人情報が流出しました。2024年6月6日 " + strings.Repeat(part, (size-200)/len(part)))
}

// BenchmarkHostile shows that the time grows with the text and not faster: bytes a second are to be alike at both sizes.
func BenchmarkHostile(b *testing.B) {
	for _, size := range []int{maxText / 8, maxText} {
		b.Run(itoa(size), func(b *testing.B) {
			b.SetBytes(int64(size * len(hostile)))
			for b.Loop() {
				for _, part := range hostile {
					if _, err := Notice(repeated(part, size)); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
