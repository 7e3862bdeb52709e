package response

import (
	"fmt"
	"strings"
	"testing"
)

// TestIdentifies: addresses and numbers are found however they are written, and what is none of them is left.
func TestIdentifies(t *testing.T) {
	for _, s := range []string{"hana@example.com", "hana＠example．com", "hana.victim at example.com", "hana (at) example.com", "hana [at] example [dot] com", "hana%40example.com", "hana（アット）example.com",
		"(090) 5555-1234", "+1 (212) 555-0123", "090−5555−1234", "090–5555–1234", "090/5555/1234", "090·5555·1234", "090・5555・1234", "090  5555  1234", "０９０ー５５５５ー１２３４", "090_5555_1234", "TK1234567", "1234 5678 9012 3456",
		"090,5555,1234", "0,9,0,5,5,5,5,1,2,3,4", "+81,90,5555,1234", "212,555,0123", "212,555,0123、212,555,0124", "ポート80、090、5555、1234", "090:5555:1234", "090、5555、1234", "090'5555'1234", "090\u200b5555\u200b1234", "0\u00ad9\u00ad0\u00ad5\u00ad5\u00ad5\u00ad5", "٠٩٠٥٥٥٥١٢٣٤", "0\ufe0f\u20e39\ufe0f\u20e30\ufe0f\u20e35\ufe0f\u20e35\ufe0f\u20e35\ufe0f\u20e35\ufe0f\u20e3",
		"hana\u200b@exam\u00adple.com", "2012-20134567", "on 2026-12-01 09012345678", "2026-12-0109012345678", "12345678901234567890123456789012"} {
		if !Identifies("電話は " + s + " です") {
			t.Errorf("not found: %s", s)
		}
	}
	for _, s := range []string{"2026-08-20T10:09:00+09:00", "2026-08-20 10:09", "2026/8/20", "2026-08-20T10:09+09:00", "2013-07-18T10+09:00", "2013-07-18+09:00", "2013-07+09:00", "2013+09:00", "2026-08-20T10:09:30Z", "10:09:30+09:00", "2024、2025、2026年度", "2024, 2025 and 2026", "10:00, 11:30", "ポート80、443、8080", "22、23、24、25日", "11/29、11/30", "01/29、01/30", "10.5、20.3、30.1", "0.5、0.3、0.25、0.125", "0.05、0.125、0.25", "+5、+10、+15、+20", "30%、50%、20%", "1,692,496 passwords of 2,700,000", "CVE-2024-1234567", "at 10:09 of 2026-08-20, within 72 hours", "we looked at example.com", "規則第8条第2項、26条",
		strings.Repeat("0123456789abcdef", 4), "loss-2026", "account-7001", "12 of 999999 rows"} {
		if Identifies(s) {
			t.Errorf("taken for somebody: %s", s)
		}
	}
}

// TestScreen: who is in the case is found in its texts, by account, address and telephone, as each may write them; and nobody else.
func TestScreen(t *testing.T) {
	for text, want := range map[string]string{
		"CORP\\hana01 was told": leftOut + " was told", "corp/HANA01": leftOut, "as corphana01": "as " + leftOut, "auth0|5f7c8ec7c33c6c004bbafe82に連絡": leftOut + "に連絡", "user 7001, once": leftOut + ", once", "花子_1さん": leftOut + "さん",
		"花子_12さん": "花子_12さん", "CORP hana011": "CORP hana011", "on 2026-08-20": "on 2026-08-20", "20260820 is theirs": leftOut + " is theirs", "user; 7001": "user; 7001", "a user of 7001": "a user of 7001",
		"HANA VICTIM called": leftOut + " called", "Victim, Hana": leftOut, "hana\u200bvictim": leftOut, "Hana Victims": "Hana Victims", "鈴木　一 郎様": leftOut + "様", "一郎 鈴木": leftOut, "李明に電話": leftOut + "に電話", "林健": leftOut, "林、健康": "林、健康", "アンさん": leftOut + "さん",
		"アンケート": "アンケート", "のはなこさん": "の" + leftOut + "さん", "対応した": "対応した", "Ms Jane Contact": "Ms " + leftOut, "an annual": "an annual",
		"account-7001さんに電話した": leftOut + "さんに電話した", "ACCOUNT-7001.": leftOut + ".", "hana at example.com asks": leftOut + " asks", "（hana ＠ example.com）": "(" + leftOut + ")",
		"212,555,0123、212,555,0124": leftOut + "、" + leftOut, "090,5555,1234 を控えた": leftOut + " を控えた", "山田花子さん本人です": leftOut + "です", "account-7002 is nobody's": "account-7002 is nobody's", "taro at example.com": "taro at example.com", "2026年に2026件": "2026年に2026件",
	} {
		s := &Screen{}
		s.Look(text)
		for _, a := range []string{"account-7001", "2026", "at", `CORP\hana01`, "auth0|5f7c8ec7c33c6c004bbafe82", "user:7001", "花子_1", "20260820"} {
			s.Account(a)
		}
		s.Mail("hana@example.com")
		s.Telephone("+819055551234")
		for _, name := range []string{"山田花子さん本人", "Hana Victim", "鈴木一郎", "鈴木　一郎", "李明", "林健", "アン", "はなこ", "した", "An", "Jane Contact <jane@acme.example>, 03-5555-0000"} {
			s.Name(name)
		}
		if got := s.Text(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestScreenStreams: of a roster only those are kept in memory who may stand in the texts, be it as large as it is.
func TestScreenStreams(t *testing.T) {
	s := &Screen{}
	s.Look("account-000077 and 山田花子 were told of account 12")
	for i := range 20_000 {
		s.Account(fmt.Sprintf("account-%06d", i))
		s.Account(fmt.Sprintf("山田%04d", i))
	}
	if len(s.who) != 1 || s.Text("of account 000077") != "of "+leftOut {
		t.Errorf("%d are kept", len(s.who))
	}
}

// FuzzScreen: whatever a text is, what is left of it is left again, and looking at it ends.
func FuzzScreen(f *testing.F) {
	f.Add("hana.victim at example.com, (090) 5555-1234", "account-7001")
	f.Fuzz(func(t *testing.T, text, account string) {
		if len(text) > 10_000 {
			t.Skip()
		}
		s := &Screen{}
		s.Look(text)
		s.Account(account)
		s.Mail(account)
		s.Telephone(account)
		s.Name(account)
		once := s.Text(text)
		if Identifies(once) && !strings.Contains(once, leftOut) {
			t.Errorf("%q is left of %q, and identifies", once, text)
		}
	})
}
