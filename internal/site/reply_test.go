package site

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"shirase/check"
	"shirase/internal/site/sitetest"
)

// TestReply sends a correction and a reply by the form of an incident's page.
func TestReply(t *testing.T) {
	w := sitetest.New(t, sitetest.Full()...)
	var got []Said
	var refuse error
	spent := 0
	o := Options{Archive: w.Archive.Public(), Statement: func() *check.Statement { return w.Statement }}
	o.Say = func(_ context.Context, said Said) (Proof, error) {
		got = append(got, said)
		if said.Domain == "" || refuse != nil {
			return Proof{}, refuse
		}
		return Proof{Name: "_shirase-reply." + said.Domain, Record: "shirase-reply=abc", File: "https://" + said.Domain + "/x.txt", Until: "2026-12-14"}, nil
	}
	o.Allow = func(_ *http.Request, n int) (time.Duration, bool) {
		spent += n
		return time.Second, spent < 500
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	id := "example-shop"
	ask := func(method, path string, form url.Values, head map[string]string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "https://notice.example"+path, strings.NewReader(form.Encode()))
		if method == "POST" {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		for k, v := range head {
			r.Header.Set(k, v)
		}
		out := httptest.NewRecorder()
		s.ServeHTTP(out, r)
		return out
	}
	at := "/incidents/" + id + "/reply"
	if page := ask("GET", "/incidents/"+id, nil, nil); !strings.Contains(page.Body.String(), `href="`+at+`"`) {
		t.Error("the page of an incident does not lead to the form")
	}
	if page := ask("GET", at, nil, nil); page.Code != http.StatusOK || !strings.Contains(page.Body.String(), `name="text"`) {
		t.Errorf("the form: %d", page.Code)
	}
	if page := ask("GET", "/incidents/nothing-there/reply", nil, nil); page.Code != http.StatusNotFound {
		t.Errorf("the form of what is not there: %d", page.Code)
	}
	form := url.Values{"kind": {"reply"}, "text": {"当社から"}, "domain": {"aoba.example"}, "contact": {"a@aoba.example"}}
	page := ask("POST", at, form, nil)
	if page.Code != http.StatusOK || !strings.Contains(page.Body.String(), "shirase-reply=abc") || len(got) != 1 || got[0] != (Said{Incident: id, Text: "当社から", Domain: "aoba.example", Contact: "a@aoba.example", Reply: true}) {
		t.Errorf("a reply: %d, %+v", page.Code, got)
	}
	if page := ask("POST", "/incidents/nothing-there/reply", form, nil); page.Code != http.StatusNotFound || len(got) != 1 {
		t.Errorf("a reply about what is not there: %d", page.Code)
	}
	if page := ask("POST", at, form, map[string]string{"Sec-Fetch-Site": "cross-site"}); page.Code != http.StatusForbidden || len(got) != 1 {
		t.Errorf("from another site: %d", page.Code)
	}
	if page := ask("POST", at, url.Values{"text": {strings.Repeat("x", 100_000)}}, nil); page.Code != http.StatusRequestEntityTooLarge || len(got) != 1 {
		t.Errorf("a long one: %d", page.Code)
	}
	for err, status := range map[error]int{ErrSaid: http.StatusUnprocessableEntity, ErrSaidFull: http.StatusServiceUnavailable} {
		refuse = err
		if page := ask("POST", at, form, nil); page.Code != status || !strings.Contains(page.Body.String(), "当社から") {
			t.Errorf("%v: %d", err, page.Code)
		}
	}
	spent = 480
	if page := ask("POST", at, form, nil); page.Code != http.StatusTooManyRequests {
		t.Errorf("more than may be sent: %d", page.Code)
	}
	o.Say, o.Allow = nil, nil
	if s, err = New(o); err != nil {
		t.Fatal(err)
	}
	if page := ask("POST", at, form, nil); page.Code != http.StatusNotFound {
		t.Errorf("where nothing is taken: %d", page.Code)
	}
}
