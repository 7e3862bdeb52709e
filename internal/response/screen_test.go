package response

import (
	"strings"
	"testing"
)

// TestIdentifies: addresses and numbers are found however they are written, and what is none of them is left.
func TestIdentifies(t *testing.T) {
	for _, s := range []string{"hana@example.com", "hana＠example．com", "hana.victim at example.com", "hana (at) example.com", "hana [at] example [dot] com", "hana%40example.com", "hana（アット）example.com",
		"(090) 5555-1234", "+1 (212) 555-0123", "090−5555−1234", "090–5555–1234", "090/5555/1234", "090·5555·1234", "090・5555・1234", "090  5555  1234", "０９０ー５５５５ー１２３４", "090_5555_1234", "TK1234567", "1234 5678 9012 3456",
		"on 2026-12-01 09012345678", "2026-12-0109012345678", "12345678901234567890123456789012"} {
		if !Identifies("電話は " + s + " です") {
			t.Errorf("not found: %s", s)
		}
	}
	for _, s := range []string{"2026-08-20T10:09:00+09:00", "2026-08-20 10:09", "2026/8/20", "1,692,496 passwords of 2,700,000", "CVE-2024-1234567", "at 10:09 of 2026-08-20, within 72 hours", "we looked at example.com", "規則第8条第2項、26条",
		strings.Repeat("0123456789abcdef", 4), "loss-2026", "account-7001", "12 of 999999 rows"} {
		if Identifies(s) {
			t.Errorf("taken for somebody: %s", s)
		}
	}
}

// TestScreen: who is in the case is found in its texts, by account, address and telephone, as each may write them; and nobody else.
func TestScreen(t *testing.T) {
	for text, want := range map[string]string{
		"account-7001さんに電話した": leftOut + "さんに電話した", "ACCOUNT-7001.": leftOut + ".", "hana at example.com asks": leftOut + " asks", "（hana ＠ example.com）": "(" + leftOut + ")",
		"090,5555,1234 を控えた": leftOut + " を控えた", "山田花子さん本人です": leftOut + "です", "account-7002 is nobody's": "account-7002 is nobody's", "taro at example.com": "taro at example.com", "2026年に2026件": "2026年に2026件",
	} {
		s := &Screen{}
		s.Look(text)
		for _, a := range []string{"account-7001", "2026", "at"} {
			s.Account(a)
		}
		s.Mail("hana@example.com")
		s.Telephone("+819055551234")
		s.Name("山田花子さん本人")
		if got := s.Text(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
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
		once := s.Text(text)
		if Identifies(once) && !strings.Contains(once, leftOut) {
			t.Errorf("%q is left of %q, and identifies", once, text)
		}
	})
}
