package language

import "testing"

// TestRecord: what a record holds in both languages is read in each, and what somebody wrote in one is left as it is.
func TestRecord(t *testing.T) {
	for _, c := range []struct {
		text   Text
		record string
	}{
		{Both("侵入の経路を断つ", "Cut the way in: isolate servers"), "侵入の経路を断つ / Cut the way in: isolate servers"},
		{Both("配信「お知らせ」を5人に送る", "Send “お知らせ” to 5 people"), "配信「お知らせ」を5人に送る / Send “お知らせ” to 5 people"},
		{Both("受付 / IT", "The desk / IT"), "受付 / IT / The desk / IT"},
		{Both("東京 / 大阪 / 名古屋", "Tell the three"), "東京 / 大阪 / 名古屋 / Tell the three"},
		{Both("対象者へ知らせる", "Tell the persons’ families – all"), "対象者へ知らせる / Tell the persons’ families – all"},
		{Both("5件", "5"), "5件 / 5"},
		{Same("東京 / 大阪"), "東京 / 大阪"},
		{Same("窓口 / IT課"), "窓口 / IT課"},
		{Same("本社 / AWS"), "本社 / AWS"},
		{Same("本社 / Amazon Web Services"), "本社 / Amazon Web Services"},
		{Same("本社の回線 / Cisco router を交換"), "本社の回線 / Cisco router を交換"},
		{Same("logs / disks"), "logs / disks"},
		{Same("電話をかける"), "電話をかける"},
		{Same(""), ""},
		{Same("対象者へ知らせる / "), "対象者へ知らせる / "},
	} {
		if got := c.text.Record(); got != c.record {
			t.Errorf("%+v is recorded as %q", c.text, got)
		}
		if got := Recorded(c.record); got != c.text {
			t.Errorf("%q is read as %+v", c.record, got)
		}
	}
	if got := Both("対象者へ", "").Record() + Both("", "to them").Record(); got != "対象者へto them" {
		t.Errorf("one form only: %q", got)
	}
}
