package collect

import (
	"strings"
	"testing"
	"unicode/utf8"

	"shirase/internal/collect/webtest"
)

// TestBeginning: of a text that somebody made long, what stands first is read, in whole letters and lines, and nothing behind it.
func TestBeginning(t *testing.T) {
	n := webtest.Notices(1)[0]
	for name, tail := range map[string]string{"days": "2024年1月1日、", "lines": "・氏名\n", "one line": "漏", "brackets": "（【"} {
		text := n.Text() + "\n" + strings.Repeat(tail, 200_000/len(tail)) + "\n住所が漏えいしました。"
		got := beginning(text)
		if len(got) > maxRead || !strings.HasPrefix(text, got) || !utf8.ValidString(got) || !strings.HasPrefix(got, n.Text()) {
			t.Errorf("%s: %d bytes", name, len(got))
		}
	}
	long := n.Text() + "\n" + strings.Repeat("以上のとおりです。\n", 2000) + "クレジットカード番号が漏えいしました。"
	res, err := (&Document{Text: long}).Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	for _, p := range res.Entries() {
		keys[p.Key+" "+p.ID] = true
		if p.Span[1] > maxRead {
			t.Errorf("%s was read at %d", p.Key, p.Span[1])
		}
	}
	if len(keys) < 4 || keys["data-class payment-card"] {
		t.Errorf("read %v", keys)
	}
}
