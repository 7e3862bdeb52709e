package web

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
)

// Problem is an error answer: to programs as RFC 9457 problem details, to people as a page. Its texts never repeat
// what the request held.
type Problem struct {
	Status     int
	Code       string        // a short name that stays the same, for programs; "" is the status alone
	Detail     string        // one English sentence for whoever wrote the client
	RetryAfter time.Duration // of 429 and 503; 0: not known
}

// problemJSON is RFC 9457, 3: type is a relative reference, resolved against the request's own URL.
type problemJSON struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitzero"`
}

// Write answers with p as problem details.
func (p Problem) Write(w http.ResponseWriter, r *http.Request) {
	body := problemJSON{Type: "about:blank", Title: http.StatusText(p.Status), Status: p.Status, Detail: p.Detail}
	if p.Code != "" {
		body.Type = "/problems/" + p.Code
	}
	data, err := json.Marshal(body)
	if err != nil {
		data = []byte(`{"type":"about:blank"}`)
	}
	p.Prepare(w.Header())
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.WriteHeader(p.Status)
	if r.Method != http.MethodHead {
		w.Write(data)
	}
}

// Prepare sets the headers that say what p means to caches and clients, for an answer that is not Write's.
func (p Problem) Prepare(h http.Header) {
	h.Del("Etag")
	h.Del("Last-Modified")
	h.Set("Cache-Control", "no-store")
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64(math.Ceil(p.RetryAfter.Seconds())), 10))
	}
}

// Mapping says which problem an error is: a sentinel, or one of a kind.
type Mapping struct {
	Err     error
	Is      func(error) bool // of a kind; nil: Err says it
	Problem Problem
}

// Mappings are the sentinel errors of the rooms a door shows, mapped to HTTP in one place.
type Mappings []Mapping

// DatabaseAway is what a client is told where the database is away: it may come back at any moment.
var DatabaseAway = Problem{Status: http.StatusServiceUnavailable, Code: "database-away", Detail: "The database cannot be reached at the moment.", RetryAfter: 5 * time.Second}

// Problem returns what err is to a client. An error that is not listed is a 500 that says nothing of its cause; ok is
// then false, and it is to be logged.
func (m Mappings) Problem(err error) (p Problem, ok bool) {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return Problem{Status: http.StatusRequestEntityTooLarge, Code: "too-large", Detail: "The request body is too large."}, true
	}
	for _, mapping := range m {
		if mapping.Is != nil && mapping.Is(err) || mapping.Err != nil && errors.Is(err, mapping.Err) {
			return mapping.Problem, true
		}
	}
	return Problem{Status: http.StatusInternalServerError}, false
}
