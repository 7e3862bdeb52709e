package mail

import (
	"bytes"
	"mime"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jhillyerd/enmime/v2"

	"shirase/internal/language"
)

// A reader of mail that others wrote finds in ours what was put there, and nothing to complain of.
func TestRead(t *testing.T) {
	made, err := Make(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range []language.Lang{language.JA, language.EN} {
		raw := made.Mails[lang]
		e, err := enmime.ReadEnvelope(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range e.Errors {
			t.Errorf("%s: %s", lang, p)
		}
		if e.GetHeader("Subject") != subject.In(lang) || len(e.Attachments)+len(e.Inlines)+len(e.OtherParts) != 0 || e.GetHeader("List-Unsubscribe") != "" {
			t.Errorf("%s: %q, %d other parts", lang, e.GetHeader("Subject"), len(e.Attachments)+len(e.Inlines)+len(e.OtherParts))
		}
		from, err := e.AddressList("From")
		if err != nil || len(from) != 1 || from[0].Address != "notice@shop.example" || !strings.Contains(from[0].Name, map[language.Lang]string{language.JA: "例示商店", language.EN: "Example Shop"}[lang]) {
			t.Errorf("%s: %v, %v", lang, from, err)
		}
		if _, err := mail.ParseDate(e.GetHeader("Date")); err != nil {
			t.Error(err)
		}
		if kind, _, err := mime.ParseMediaType(e.Root.ContentType); err != nil || kind != "multipart/alternative" {
			t.Error(kind, err)
		}
		for _, want := range []string{"shop-2026-1", "https://shop.example", map[language.Lang]string{language.JA: "ニックネーム", language.EN: "nickname"}[lang]} {
			if !strings.Contains(e.Text, want) || !strings.Contains(e.HTML, want) {
				t.Errorf("%s: %q is not in both parts", lang, want)
			}
		}
		if !strings.Contains(e.HTML, `<html lang="`+string(lang)+`">`) || strings.Contains(e.HTML, "<img") || strings.Contains(e.HTML, "<script") {
			t.Error(e.HTML)
		}
		if dir := os.Getenv("SHIRASE_TEST_MAIL"); dir != "" { // to be looked at
			for name, b := range map[string]string{".html": e.HTML, ".txt": e.Text, ".eml": string(raw)} {
				if err := os.WriteFile(filepath.Join(dir, string(lang)+name), []byte(b), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
