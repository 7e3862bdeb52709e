package site

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/check"
	"shirase/internal/language"
	"shirase/internal/site/sitetest"
)

// TestAsk: the page of a by-mail incident takes an address, and says the same whoever it is; what else is asked for is refused.
func TestAsk(t *testing.T) {
	w := sitetest.New(t, sitetest.Open)
	st := sitetest.Statement()
	for i := range st.Incidents {
		if st.Incidents[i].ID == "example-city" {
			st.Incidents[i].State = check.ByMail
		}
	}
	var asked []string
	var refuse error
	s, err := New(Options{Archive: w.Archive.Public(), Statement: func() *check.Statement { return st },
		Ask: func(r *http.Request, id string, lang language.Lang, address string) error {
			asked = append(asked, id+" "+string(lang)+" "+address)
			return refuse
		}})
	if err != nil {
		t.Fatal(err)
	}
	do := func(method, path, body string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, r)
		return rec
	}
	const at = "/incidents/example-city/ask"
	if rec := do("GET", "/incidents/example-city/help?lang=ja", ""); !strings.Contains(rec.Body.String(), at) {
		t.Error("the help page does not lead there")
	}
	if rec := do("GET", at+"?lang=ja", ""); rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), "<form") {
		t.Fatalf("the form: %d", rec.Code)
	}
	one := do("POST", at+"?lang=ja", url.Values{"address": {"one@example.com"}}.Encode())
	two := do("POST", at+"?lang=ja", url.Values{"address": {"someone.else@example.org"}}.Encode())
	if one.Code != http.StatusOK || one.Body.String() != two.Body.String() || strings.Contains(one.Body.String(), "example.com") || one.Header().Get("Cache-Control") != "no-cache" {
		t.Errorf("%d, %d, %q: the page tells of the address: %t", one.Code, two.Code, one.Header().Get("Cache-Control"), one.Body.String() == two.Body.String())
	}
	if !slices.Equal(asked, []string{"example-city ja one@example.com", "example-city ja someone.else@example.org"}) {
		t.Errorf("%q", asked)
	}
	for name, c := range map[string]struct {
		refuse error
		header []string
		path   string
		body   string
		want   int
	}{
		"no address":       {ErrAskAddress, nil, at, "address=x", 400},
		"too much":         {&AskLater{time.Minute}, nil, at, "address=a@example.com", 429},
		"not by mail":      {ErrAskNone, nil, at, "address=a@example.com", 404},
		"broken":           {errors.New("broken"), nil, at, "address=a@example.com", 500},
		"a page elsewhere": {nil, []string{"Sec-Fetch-Site", "cross-site"}, at, "address=a@example.com", 403},
		"a long body":      {nil, nil, at, "address=" + strings.Repeat("a", maxAsked), 400},
		"another incident": {ErrAskNone, nil, "/incidents/other/ask", "address=a@example.com", 404},
		"an id of no form": {nil, nil, "/incidents/A%20b/ask", "address=a@example.com", 404},
	} {
		refuse = c.refuse
		if rec := do("POST", c.path, c.body, c.header...); rec.Code != c.want || strings.Contains(rec.Body.String(), "a@example.com") {
			t.Errorf("%s: %d, want %d", name, rec.Code, c.want)
		}
	}
	if rec := do("GET", "/incidents/other/ask", ""); rec.Code != http.StatusNotFound {
		t.Errorf("the form of another: %d", rec.Code)
	}
}
