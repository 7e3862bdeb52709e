package language

import (
	"testing"
	"time"
)

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		n      int64
		ja, en string
	}{
		{0, "0", "0"}, {88, "88", "88"}, {1000, "1,000", "1,000"}, {9999, "9,999", "9,999"},
		{10000, "10,000", "10,000"}, {11049, "11,049", "11,049"}, {99999, "99,999", "99,999"}, {100000, "10万", "100,000"}, {151626, "15万1,626", "151,626"}, {1692496, "169万2,496", "1,692,496"}, {2700000, "270万", "2,700,000"},
		{4750329, "475万329", "4,750,329"}, {100000000, "1億", "100,000,000"}, {75450000, "7,545万", "75,450,000"},
		{1000000010000, "1兆1万", "1,000,000,010,000"}, {-20000, "-20,000", "-20,000"}, {-200000, "-20万", "-200,000"},
	} {
		if ja, en := Number(JA, c.n), Number(EN, c.n); ja != c.ja || en != c.en {
			t.Errorf("%d: %s, %s; want %s, %s", c.n, ja, en, c.ja, c.en)
		}
	}
}

func TestDates(t *testing.T) {
	tokyo := time.FixedZone("", 9*3600)
	at := time.Date(2013, 7, 19, 16, 0, 0, 0, tokyo)
	for _, c := range []struct{ got, want string }{
		{DateTime(JA, at), "2013年7月19日 16時（日本時間）"},
		{DateTime(EN, at), "19 July 2013, 16:00 JST"},
		{DateTime(JA, at.Add(-15*time.Hour-51*time.Minute)), "2013年7月19日 0時09分（日本時間）"},
		{DateTime(EN, at.UTC()), "19 July 2013, 07:00 UTC"},
		{DateTime(EN, at.In(time.FixedZone("", -3*3600))), "19 July 2013, 04:00 UTC-03:00"},
		{Duration(JA, 13*time.Hour+18*time.Minute), "13時間18分"},
		{Duration(EN, 13*time.Hour+18*time.Minute), "13 hours 18 minutes"},
		{Duration(EN, 49*time.Hour), "2 days 1 hour"},
		{Duration(JA, 20*time.Second), "1分未満"},
		{Join(EN, []string{"a", "b", "c"}), "a, b and c"},
		{Join(JA, []string{"甲", "乙"}), "甲、乙"},
	} {
		if c.got != c.want {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
}

func TestParse(t *testing.T) {
	for s, want := range map[string]Lang{"ja": JA, "en": EN, "EN": "", "": "", "fr": ""} {
		if got, ok := Parse(s); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v", s, got, ok)
		}
	}
	if JA.Other() != EN || EN.Other() != JA {
		t.Error("a switch leads to the other language")
	}
	if text := (Text{"知らせ", "news"}); text.In(JA) != "知らせ" || text.In(EN) != "news" {
		t.Error("a text is given in the language asked for")
	}
}
