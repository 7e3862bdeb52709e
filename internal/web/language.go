package web

import (
	"net/http"
	"net/url"

	"golang.org/x/text/language"
)

var matcher = language.NewMatcher([]language.Tag{language.Japanese, language.English})

// Language is the language a request is answered in. Explicit tells that ?lang= chose it: links then keep it, so that
// a choice lasts without a cookie.
type Language struct {
	Lang
	Explicit bool
}

// LanguageOf reads ?lang=, then Accept-Language. Who asks for neither of our languages gets English; who does not ask
// (most programs) gets Japanese.
func LanguageOf(r *http.Request) Language {
	if lang, ok := ParseLang(r.URL.Query().Get("lang")); ok {
		return Language{lang, true}
	}
	header := r.Header.Get("Accept-Language")
	if header == "" || len(header) > 1000 {
		return Language{JA, false}
	}
	wanted, _, err := language.ParseAcceptLanguage(header)
	if err != nil || len(wanted) == 0 {
		return Language{JA, false}
	}
	if _, i, confidence := matcher.Match(wanted...); confidence > language.No {
		return Language{langs[i], false}
	}
	return Language{EN, false}
}

// Link gives path with the language kept where it was chosen.
func (l Language) Link(path string) string {
	if !l.Explicit {
		return path
	}
	return withLang(path, l.Lang)
}

// Switch gives the same page in the other language.
func (l Language) Switch(path string) string { return withLang(path, l.Other()) }

// withLang sets ?lang= on a path of this site.
func withLang(path string, lang Lang) string {
	u, err := url.Parse(path)
	if err != nil {
		return path
	}
	query := u.Query()
	query.Set("lang", string(lang))
	u.RawQuery = query.Encode()
	return u.String()
}
