package portal

import (
	"crypto/sha256"
	"encoding/base64"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"shirase/internal/contain/gate"
	"shirase/internal/language"
	"shirase/internal/page"
)

// TestGatePage: each page says in both languages what is so and what to do, is whole in itself, and takes nothing that it is told for more
// than text.
func TestGatePage(t *testing.T) {
	p, err := New(Options{Operator: page.Operator{Name: language.Both("株式会社例示", "Example Inc."), Contact: "mailto:desk@example.jp"}})
	if err != nil {
		t.Fatal(err)
	}
	until := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	said := language.Both("確認中です。\n<script>", "We are looking.\n<script>")
	for name, c := range map[string]struct {
		shown gate.Shown
		want  [2]string
	}{
		"maintenance": {gate.Shown{Kind: gate.KindMaintenance, Says: said, Until: until}, [2]string{"メンテナンス中です", "Under maintenance"}},
		"closed":      {gate.Shown{Kind: gate.KindBlocked, Closed: true, Says: said}, [2]string{"すべての方が対象で", "This is so for everybody"}},
		"blocked":     {gate.Shown{Kind: gate.KindBlocked, Says: said}, [2]string{"お客さまの責任によるものではありません", "it is nothing that you did"}},
		"reset":       {gate.Shown{Kind: gate.KindReset, URL: "https://notice.example.jp/reset?x=1&y=2"}, [2]string{`href="https://notice.example.jp/reset?x=1&amp;y=2"`, "Set a new password"}},
		"notice":      {gate.Shown{Kind: gate.KindNotice, Says: said, Link: "https://notice.example.jp/incidents/x", To: `/a"b`, Seen: gate.SeenAt}, [2]string{`action="` + gate.SeenAt + `"`, "I have read this"}},
		"undecided":   {gate.Shown{Kind: gate.KindMaintenance, Undecided: true}, [2]string{"アカウントを止めているわけではありません", "Your account is not blocked"}},
	} {
		for i, lang := range []language.Lang{language.JA, language.EN} {
			body := string(p.GatePage(lang, c.shown))
			if !strings.Contains(body, c.want[i]) || !strings.Contains(body, `<html lang="`+string(lang)+`">`) || !strings.Contains(body, p.Operator.Name.In(lang)) || !strings.Contains(body, "desk@example.jp") {
				t.Errorf("%s in %s: %s", name, lang, body)
			}
			if strings.Contains(body, "<script") || regexp.MustCompile(`(src|srcset|@import|url\()`).MatchString(body) || strings.Contains(body, `<link`) || strings.Contains(body, `style=`) {
				t.Errorf("%s in %s is not whole in itself, or holds what it was told: %s", name, lang, body)
			}
			_, style, _ := strings.Cut(body, "<style>")
			style, _, _ = strings.Cut(style, "</style>")
			sum := sha256.Sum256([]byte(style))
			if !strings.Contains(p.GatePolicy(), base64.StdEncoding.EncodeToString(sum[:])) {
				t.Errorf("%s: the policy does not permit the page's style", name)
			}
			if dir := os.Getenv("SHIRASE_TEST_PAGES"); dir != "" { // to be looked at
				if err := os.WriteFile(filepath.Join(dir, "gate-"+name+"-"+string(lang)+".html"), []byte(body), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if body := string(p.GatePage(language.JA, gate.Shown{Kind: gate.KindMaintenance, Until: until})); !strings.Contains(body, "2026年12月1日 18時（日本時間）") {
		t.Error("until when it is expected is not said in Japan's time")
	}
}
