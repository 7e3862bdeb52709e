package password

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"shirase/internal/language"
)

func codesOf(reasons []Reason) []string {
	out := []string{}
	for _, r := range reasons {
		out = append(out, r.Code)
	}
	return out
}

func TestScreen(t *testing.T) {
	b := newBed(t)
	s := Screen{Count: b.c.Corpus(SHA1).Count}
	about := []string{"Hanako Yamada", "hanako.yamada@example.com", "山田花子", "Shirase Shop"}
	for password, want := range map[string][]string{
		"P@ssw0rd":                {"breached"},
		"letmein":                 {"short", "breached"},
		"Letmein2026!":            {"variant"},
		"L3tm3in99":               {"variant"},
		"hanakoyamada":            {"context"},
		"Hanako-1987":             {"context"},
		"adamaY!okanaH":           {"context"},
		"山田花子2026":                {"context"},
		"shirase-shop":            {"context"},
		"h4n4k0y4m4d4":            {"context"},
		"abcdefghij":              {"sequence"},
		"9876543210":              {"sequence"},
		"qwertyuiop":              {"sequence"},
		"1qaz2wsx3edc":            {"sequence"},
		"qwerty@[asdf":            {"sequence"},
		"あいうえおかきくけこ":              {"sequence"},
		"たていすかんなに":                {"sequence"},
		"ＱＷＥＲＴＹＵＩ":                {"sequence"},
		"aaaaaaaaaaaa":            {"repeated"},
		"tanutanutanutanu":        {"repeated"},
		"ababababc":               {"repeated"},
		"correct horse battery":   {},
		"わたしの猫は三毛です":              {},
		"kx7-Trombone-Lagoon":     {},
		"qwerty trombone lagoon9": {},
		"":                        {"short"},
	} {
		got, err := s.Check(password, about...)
		if err != nil || !slices.Equal(codesOf(got), want) {
			t.Errorf("%q: %v, %v; want %v", password, codesOf(got), err, want)
		}
		for _, r := range got {
			for _, l := range []language.Lang{language.JA, language.EN} {
				if text := r.Text(l); text == r.Code || text == "" || password != "" && strings.Contains(text, password) {
					t.Errorf("%s: %q", r.Code, text)
				}
			}
		}
	}
	if got, _ := s.Check(strings.Repeat("x", MaxLength+1)); !slices.Equal(codesOf(got), []string{"long"}) {
		t.Error(got)
	}
	// The same answers through a server, which is sent 5 digits of each hash.
	server := httptest.NewServer(b.h)
	defer server.Close()
	remote, err := NewRemote(server.URL, SHA1)
	if err != nil {
		t.Fatal(err)
	}
	for _, password := range []string{"P@ssw0rd", "Letmein2026!", "kx7-Trombone-Lagoon"} {
		want, _ := s.Check(password)
		if err := remote.Prepare(t.Context(), password); err != nil {
			t.Fatal(err)
		}
		got, err := Screen{Count: remote.Count}.Check(password)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v; want %v", password, got, err, want)
		}
	}
	for _, bad := range []string{"example.com", "ftp://example.com", "http://user:secret@example.com", "http://example.com/?a"} {
		if _, err := NewRemote(bad, SHA1); err == nil {
			t.Error(bad)
		}
	}
}

func FuzzScreen(f *testing.F) {
	f.Add("P@ssw0rd", "Hanako Yamada")
	f.Add("\xff\xfe", "ｶﾀｶﾅ")
	f.Fuzz(func(t *testing.T, password, about string) {
		if _, err := (Screen{}).Check(password, about); err != nil {
			t.Fatal(err)
		}
	})
}
