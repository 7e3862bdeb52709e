// Package metrics counts what a server does and says how it stands: to whoever asks in the text format of Prometheus
// (https://prometheus.io/docs/instrumenting/exposition_formats), and pushed by OpenTelemetry's protocol. Labels are routes, statuses, names of work and of witnesses:
// never a path, an address, an identifier or the number of a bucket.
package metrics

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// Metrics are those of one server. They are safe for concurrent use.
type Metrics struct {
	set   *metrics.Set
	began time.Time

	answered sync.Map // of counters, by route and status
	took     sync.Map // of histograms, by route
}

// New makes metrics of which there are none yet.
func New() *Metrics { return &Metrics{set: metrics.NewSet(), began: time.Now()} }

// bounds of how long an answer takes, in seconds.
var bounds = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60}

type routeStatus struct {
	route  string
	status int
}

// Answered counts a request: the pattern of its route, the status of its answer, and how long that took.
func (m *Metrics) Answered(route string, status int, took time.Duration) {
	key := routeStatus{route, status}
	c, ok := m.answered.Load(key)
	if !ok {
		c, _ = m.answered.LoadOrStore(key, m.set.GetOrCreateCounter("shirase_http_requests_total"+labels("route", route, "code", strconv.Itoa(status))))
	}
	c.(*metrics.Counter).Inc()
	h, ok := m.took.Load(route)
	if !ok {
		h, _ = m.took.LoadOrStore(route, m.set.GetOrCreatePrometheusHistogramExt("shirase_http_request_duration_seconds"+labels("route", route), bounds))
	}
	h.(*metrics.PrometheusHistogram).Update(took.Seconds())
}

// Count adds n to a counter. Pairs are the names and values of labels.
func (m *Metrics) Count(name string, n int, pairs ...string) {
	m.set.GetOrCreateCounter(name + labels(pairs...)).Add(n)
}

// Gauges has collect say, whenever somebody asks, how things stand: by calls of set with the name, the value and pairs of
// labels.
func (m *Metrics) Gauges(collect func(set func(name string, value float64, pairs ...string))) {
	m.set.RegisterMetricsWriter(func(w io.Writer) {
		collect(func(name string, value float64, pairs ...string) {
			metrics.WriteGaugeFloat64(w, name+labels(pairs...), value)
		})
	})
}

// ServeHTTP answers with all of them.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	m.set.WritePrometheus(w)
	metrics.WriteProcessMetrics(w)
}

// escape writes a label's value as the format wants it.
var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func labels(pairs ...string) string {
	if len(pairs) == 0 {
		return ""
	}
	var b strings.Builder
	for i := 0; i+1 < len(pairs); i += 2 {
		fmt.Fprintf(&b, `,%s="%s"`, pairs[i], escape.Replace(pairs[i+1]))
	}
	return "{" + b.String()[1:] + "}"
}
