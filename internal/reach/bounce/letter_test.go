package bounce

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestReadLetter(t *testing.T) {
	long := strings.Repeat("x", 2000)
	for _, c := range []struct {
		name, raw, from, subject, text string
		answered                       bool
	}{
		{"plain", "From: Hanako <hanako@example.jp>\r\nSubject: =?ISO-2022-JP?B?GyRCPEFMZBsoQg==?=\r\nMessage-ID: <a@example.jp>\r\n\r\nHow many?\r\n", "hanako@example.jp", "質問", "How many?", true},
		{"quoted", "From: a@example.jp\n\nThank you.\n\nOn 1 May, Shop wrote:\n> We answer\n> you.\n", "a@example.jp", "", "Thank you.", true},
		{"only quoted", "From: a@example.jp\n\n> nothing else\n", "a@example.jp", "", "> nothing else", true},
		{"about such mail", "From: a@example.jp\nSubject: =?UTF-8?B?" + base64.StdEncoding.EncodeToString([]byte("不在通知のSMSが届きました")) + "?=\n\nx\n", "a@example.jp", "不在通知のSMSが届きました", "x", true},
		{"away", "From: a@example.jp\nSubject: Re\nAuto-Submitted: auto-replied\n\nI am away\n", "a@example.jp", "Re", "I am away", false},
		{"of a list", "From: a@example.jp\nList-Id: <l.example.jp>\n\nx\n", "a@example.jp", "", "x", false},
		{"in bulk", "From: a@example.jp\nPrecedence: bulk\n\nx\n", "a@example.jp", "", "x", false},
		{"from nobody", "Return-Path: <>\nFrom: a@example.jp\n\nx\n", "a@example.jp", "", "x", false},
		{"two authors", "From: a@example.jp, b@example.jp\n\nx\n", "", "", "x", true},
		{"html", "From: a@example.jp\nContent-Type: text/html; charset=utf-8\n\n<p>Hello<script>alert(1)</script></p>\n", "a@example.jp", "", "Hello\nalert(1)", true},
		{"turned round", "From: a@example.jp\nSubject: a\u202eb\u200b\x07c\n\nx\u2066y\x00z\n", "a@example.jp", "abc", "xyz", true},
		{"folded", "From: a@example.jp\nSubject: one\n two\n\nx", "a@example.jp", "one two", "x", true},
		{"long", "From: a@example.jp\nSubject: " + long + "\n\nx", "a@example.jp", strings.Repeat("x", maxSubject) + "…", "x", true},
		{"empty", "", "", "", "", true},
	} {
		l, err := ReadLetter([]byte(c.raw))
		if err != nil || l.From != c.from || l.Subject != c.subject || strings.Join(strings.Fields(l.Text), " ") != strings.Join(strings.Fields(c.text), " ") || l.Answered() != c.answered || len(l.Files) > 0 {
			t.Errorf("%s: %+v, %v", c.name, l, err)
		}
	}
	if _, err := ReadLetter(make([]byte, MaxLetter+1)); !errors.Is(err, ErrLarge) {
		t.Errorf("a letter that is too large: %v", err)
	}
}

// TestFiles: what comes with a letter is kept apart from its text, under a name that leads nowhere, and within bounds.
func TestFiles(t *testing.T) {
	letter := func(parts ...string) Letter {
		t.Helper()
		raw := "From: a@example.jp\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nsee it\n"
		for _, p := range parts {
			raw += "--b\n" + p + "\n"
		}
		l, err := ReadLetter([]byte(raw + "--b--\n"))
		if err != nil || l.Text != "see it" {
			t.Fatalf("%+v, %v", l, err)
		}
		return l
	}
	for given, want := range map[string]string{"a.png": "a.png", `..\..\x.exe`: "x.exe", "../../etc/passwd": "passwd", "..": "", "gpj.\u202eexe": "gpj.exe", strings.Repeat("n", 300): strings.Repeat("n", maxName) + "…"} {
		l := letter(fmt.Sprintf("Content-Type: image/png\nContent-Disposition: attachment; filename=\"%s\"\nContent-Transfer-Encoding: base64\n\n%s", strings.ReplaceAll(given, `\`, `\\`), base64.StdEncoding.EncodeToString([]byte("bytes"))))
		if len(l.Files) != 1 || l.Files[0].Name != want || string(l.Files[0].Data) != "bytes" || l.Files[0].Kind != "image/png" {
			t.Errorf("%q: %+v", given, l.Files)
		}
	}
	if l := letter("Content-Type: text/html\nContent-Disposition: attachment; filename=x.html\n\n<script>"); len(l.Files) != 1 {
		t.Errorf("a page that is a file: %+v", l)
	}
	var many []string
	for range MaxFiles + 3 {
		many = append(many, "Content-Type: application/pdf; name=a.pdf\n\nx")
	}
	if l := letter(many...); len(l.Files) != MaxFiles || l.Left != 3 {
		t.Errorf("%d files, %d left", len(l.Files), l.Left)
	}
	if l := letter("Content-Type: application/pdf; name=a.pdf\n\n" + strings.Repeat("x", MaxFile+1)); len(l.Files) != 0 || l.Left != 1 {
		t.Errorf("a large file: %d, %d left", len(l.Files), l.Left)
	}
}

func FuzzReadLetter(f *testing.F) {
	f.Add([]byte("From: a@example.jp\nSubject: x\n\ny"))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png; name==?utf-8?B?4oCu?=\n\nx\n--b--"))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ReadLetter(b)
		if err != nil {
			return
		}
		for _, s := range append([]string{l.Subject, l.Text}, names(l.Files)...) {
			if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool {
				return r != '\n' && r != '\t' && unicode.In(r, unicode.Cc, unicode.Co, unicode.Cs) || r == '\u202e'
			}) {
				t.Fatalf("%q", s)
			}
		}
		if strings.Contains(l.Subject, "\n") || len(l.Files) > MaxFiles || len(l.Text) > maxText+maxParts {
			t.Fatalf("%+v", l)
		}
		for _, f := range l.Files {
			if strings.ContainsAny(f.Name, "/\\\n") || f.Name == ".." {
				t.Fatalf("%q", f.Name)
			}
		}
	})
}

func names(files []File) (out []string) {
	for _, f := range files {
		out = append(out, f.Name, f.Kind)
	}
	return out
}
