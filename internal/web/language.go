package web

import (
	"net/http"
	"net/url"

	bcp47 "golang.org/x/text/language"

	"shirase/internal/language"
)

// offered are the languages that matcher chooses among, in its order.
var offered = []language.Lang{language.JA, language.EN}

var matcher = bcp47.NewMatcher([]bcp47.Tag{bcp47.Japanese, bcp47.English})

// Language is the language a request is answered in. Explicit tells that ?lang= chose it: links then keep it, so that
// a choice lasts without a cookie.
type Language struct {
	language.Lang
	Explicit bool
}

// LanguageOf reads ?lang=, then Accept-Language. Who asks for neither of our languages gets English; who does not ask
// (most programs) gets Japanese.
func LanguageOf(r *http.Request) Language {
	if lang, ok := language.Parse(r.URL.Query().Get("lang")); ok {
		return Language{lang, true}
	}
	header := r.Header.Get("Accept-Language")
	if header == "" || len(header) > 1000 {
		return Language{language.JA, false}
	}
	wanted, _, err := bcp47.ParseAcceptLanguage(header)
	if err != nil || len(wanted) == 0 {
		return Language{language.JA, false}
	}
	if _, i, confidence := matcher.Match(wanted...); confidence > bcp47.No {
		return Language{offered[i], false}
	}
	return Language{language.EN, false}
}

// Link returns path with the language kept where it was chosen.
func (l Language) Link(path string) string {
	if !l.Explicit {
		return path
	}
	return withLang(path, l.Lang)
}

// Switch returns the same page in the other language.
func (l Language) Switch(path string) string { return withLang(path, l.Other()) }

// withLang sets ?lang= on a path of this site.
func withLang(path string, lang language.Lang) string {
	u, err := url.Parse(path)
	if err != nil {
		return path
	}
	query := u.Query()
	query.Set("lang", string(lang))
	u.RawQuery = query.Encode()
	return u.String()
}
