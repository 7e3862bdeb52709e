package metrics

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestMetrics: what was counted is told in the text format, labels that could break it are escaped, and gauges are asked each time.
func TestMetrics(t *testing.T) {
	m, value := New(), 1.5
	m.Gauges(func(set func(string, float64, ...string)) { set("shirase_some", value, "name", "a\"b\\c\nd") })
	for range 2 {
		m.Answered("GET /incidents/{id}", 200, 3*time.Millisecond)
	}
	m.Answered("none", 429, time.Second)
	m.Count("shirase_units_total", 16, "of", "evaluations", "allowed", "true")
	read := func() string {
		w := httptest.NewRecorder()
		m.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return w.Body.String()
	}
	got := read()
	for _, want := range []string{
		`shirase_http_requests_total{route="GET /incidents/{id}",code="200"} 2`,
		`shirase_http_requests_total{route="none",code="429"} 1`,
		`shirase_http_request_duration_seconds_bucket{route="GET /incidents/{id}",le="0.0025"} 0`,
		`shirase_http_request_duration_seconds_bucket{route="GET /incidents/{id}",le="0.005"} 2`,
		`shirase_http_request_duration_seconds_count{route="GET /incidents/{id}"} 2`,
		`shirase_units_total{of="evaluations",allowed="true"} 16`,
		`shirase_some{name="a\"b\\c\nd"} 1.5`,
		`process_resident_memory_bytes `, `go_goroutines `,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not told", want)
		}
	}
	if value = 2; !strings.Contains(read(), `d"} 2`) {
		t.Error("a gauge is not asked again")
	}
}
