package metrics

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/slim/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"
)

// receiving is a receiver as others write them: it reads what comes with OpenTelemetry's own messages and answers as answer says.
type receiving struct {
	*httptest.Server
	got    chan *collector.ExportMetricsServiceRequest
	header chan http.Header
	answer func(http.ResponseWriter, *http.Request)
}

func receive(t *testing.T) *receiving {
	r := &receiving{got: make(chan *collector.ExportMetricsServiceRequest, 100), header: make(chan http.Header, 100)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		z, err := gzip.NewReader(req.Body)
		if err != nil || req.Method != http.MethodPost || req.URL.Path != "/v1/metrics" || req.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%s %s, %v, %v", req.Method, req.URL, req.Header, err)
			return
		}
		body, err := io.ReadAll(z)
		message := new(collector.ExportMetricsServiceRequest)
		if err := errors.Join(err, proto.Unmarshal(body, message)); err != nil || len(message.ProtoReflect().GetUnknown()) > 0 {
			t.Errorf("a message cannot be read: %v", err)
		}
		if r.answer != nil {
			r.answer(w, req)
		}
		r.header <- req.Header
		r.got <- message
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiving) url() string { return r.URL + "/v1/metrics" }

// told are the figures of a message as Prometheus is told them, by name and labels.
func told(t *testing.T, message *collector.ExportMetricsServiceRequest) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	add := func(name string, of []string, value float64) {
		at := name + labels(of...)
		if _, twice := out[at]; twice {
			t.Errorf("%s is told twice", at)
		}
		out[at] = value
	}
	for _, m := range message.ResourceMetrics[0].ScopeMetrics[0].Metrics {
		for _, p := range m.GetGauge().GetDataPoints() {
			add(m.Name, pairs(p), p.GetAsDouble())
		}
		if s := m.GetSum(); s != nil && (!s.IsMonotonic || s.AggregationTemporality != otlp.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE) {
			t.Errorf("%s is no counter as Prometheus has them", m.Name)
		}
		for _, p := range m.GetSum().GetDataPoints() {
			if p.StartTimeUnixNano == 0 || p.StartTimeUnixNano > p.TimeUnixNano {
				t.Errorf("%s was counted from %d to %d", m.Name, p.StartTimeUnixNano, p.TimeUnixNano)
			}
			add(m.Name, pairs(p), p.GetAsDouble())
		}
		for _, p := range m.GetHistogram().GetDataPoints() {
			if len(p.BucketCounts) != len(p.ExplicitBounds)+1 || !slices.IsSorted(p.ExplicitBounds) || p.StartTimeUnixNano == 0 {
				t.Errorf("%s has %d counts between %v", m.Name, len(p.BucketCounts), p.ExplicitBounds)
			}
			below := uint64(0)
			for i, n := range p.BucketCounts {
				le := "+Inf"
				if i < len(p.ExplicitBounds) {
					le = fmt.Sprint(p.ExplicitBounds[i])
				}
				below += n
				add(m.Name+"_bucket", append(pairs(p), "le", le), float64(below))
			}
			if p.Sum != nil {
				add(m.Name+"_sum", pairs(p), *p.Sum)
				add(m.Name+"_count", pairs(p), float64(p.Count))
			}
		}
		for _, p := range m.GetSummary().GetDataPoints() {
			for _, q := range p.QuantileValues {
				add(m.Name, append(pairs(p), "quantile", fmt.Sprint(q.Quantile)), q.Value)
			}
			add(m.Name+"_sum", pairs(p), p.Sum)
			add(m.Name+"_count", pairs(p), float64(p.Count))
		}
	}
	return out
}

// pairs are a point's labels.
func pairs(p interface{ GetAttributes() []*common.KeyValue }) []string {
	var out []string
	for _, a := range p.GetAttributes() {
		out = append(out, a.Key, a.Value.GetStringValue())
	}
	return out
}

// TestPush: a receiver is told what Prometheus is told, figure by figure, and of whom; and a header goes with it.
func TestPush(t *testing.T) {
	m := New()
	m.Gauges(func(set func(string, float64, ...string)) {
		set("shirase_some", 1.5, "name", "a\"b\\c\nd, e=\"}")
		set("shirase_none", 0)
		set("shirase_of_gauges_total", 7, "of", "知らせ")
	})
	for took, route := range map[time.Duration]string{3 * time.Millisecond: "GET /", 7 * time.Millisecond: "GET /", 2 * time.Minute: "GET /", time.Second: "GET /incidents/{id}"} {
		m.Answered(route, 200, took)
	}
	m.Count("shirase_units_total", 16, "of", "evaluations", "allowed", "true")
	r := receive(t)
	to, err := NewReceiver(r.url(), "Authorization: Bearer abc")
	if err != nil {
		t.Fatal(err)
	}
	p := &Pusher{Metrics: m, To: to, Who: []string{"service.name", "shirase"}, Failed: func(err error) { t.Error(err) }}
	p.Last(t.Context())
	message, header := <-r.got, <-r.header
	if header.Get("Authorization") != "Bearer abc" {
		t.Errorf("the header is %q", header)
	}
	if who := message.ResourceMetrics[0].Resource.Attributes; len(who) != 1 || who[0].Key != "service.name" || who[0].Value.GetStringValue() != "shirase" {
		t.Errorf("it is told of %v", who)
	}
	rec := httptest.NewRecorder()
	m.ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	want, got := map[string]float64{}, told(t, message)
	for line := range strings.Lines(rec.Body.String()) {
		s, err := readSample(strings.TrimSuffix(line, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		want[s.name+labels(s.labels...)] = s.value
	}
	ours := 0
	for at, value := range want {
		told, there := got[at]
		if !there {
			t.Errorf("%s is not told", at)
		}
		if strings.HasPrefix(at, "shirase_") { // what is of the process changes meanwhile
			if ours++; told != value {
				t.Errorf("%s is told as %v, and is %v", at, told, value)
			}
		}
	}
	for at := range maps.Keys(got) {
		if _, there := want[at]; !there {
			t.Errorf("%s is told to nobody else", at)
		}
	}
	if ours < 35 || len(want) < 100 || got[`shirase_http_request_duration_seconds_bucket{route="GET /",le="0.005"}`] != 1 {
		t.Errorf("%d figures, %d of them ours", len(want), ours)
	}
}

// TestReadSample: a line that is not as this program writes them is an error, and what is written is read again.
func TestReadSample(t *testing.T) {
	for _, line := range []string{"", " ", "a", "a ", "a b", "{} 1", `a{b="c} 1`, `a{b="c"`, `a{b=c} 1`, `a{="c"} 1`, `a{b="c\`, `a{b="c"}1`, "a 1 2", "# HELP a b"} {
		if s, err := readSample(line); !errors.Is(err, errText) {
			t.Errorf("%q is read as %v: %v", line, s, err)
		}
	}
	for _, line := range []string{`a{b="c", d="e"} 1`, "a +Inf", "a NaN", `a{b="x\\y\"z\n"} -1.5e-07`, `a{} 0`} {
		if _, err := readSample(line); err != nil {
			t.Error(err)
		}
	}
	want := []string{"of", "a\\n\"b\n,{c=\"d\"} 1"}
	if s, err := readSample("x" + labels(want...) + " 2"); err != nil || s.value != 2 || !reflect.DeepEqual(s.labels, want) {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestPushKeeps: figures are pushed at once and again; a receiver that fails is told of once and once when it is back, is left
// alone as long as it asks for, and never stops what counts.
func TestPushKeeps(t *testing.T) {
	r := receive(t)
	to, err := NewReceiver(r.url(), "")
	if err != nil {
		t.Fatal(err)
	}
	rests, next := make(chan time.Duration), make(chan time.Time)
	var said []string
	m := New()
	p := &Pusher{Metrics: m, To: to, Every: time.Minute,
		Failed: func(err error) { said = append(said, err.Error()) }, Back: func(n int) { said = append(said, fmt.Sprint("back after ", n)) },
		after: func(d time.Duration) <-chan time.Time { rests <- d; return next }}
	answer := func(status int, retry string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", retry)
			w.WriteHeader(status)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); p.Keep(ctx) }()
	step := func(rest time.Duration, want ...string) {
		t.Helper()
		if got := <-rests; got != rest || !slices.Equal(said, want) {
			t.Errorf("it rests %v, and has said %q; want %v, %q", got, said, rest, want)
		}
		<-r.got
		said = nil
	}
	step(time.Minute)
	r.answer = answer(503, "300")
	next <- time.Time{}
	step(5*time.Minute, "it is answered with 503")
	r.answer = answer(429, "99999999999999999999")
	next <- time.Time{}
	step(time.Hour)
	r.answer = answer(401, "soon")
	next <- time.Time{}
	step(time.Minute)
	r.answer = nil
	m.Count("shirase_units_total", 3)
	next <- time.Time{}
	step(time.Minute, "back after 3")
	r.answer = func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, r.URL+"/v1/metrics", http.StatusPermanentRedirect)
	}
	next <- time.Time{}
	step(time.Minute, "it is answered with 308")
	r.answer = func(w http.ResponseWriter, _ *http.Request) { // it took some of them only
		b, err := proto.Marshal(&collector.ExportMetricsServiceResponse{PartialSuccess: &collector.ExportMetricsPartialSuccess{RejectedDataPoints: 2, ErrorMessage: "no\nway"}})
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
		w.Write(b)
	}
	p.failures = 0 // its turn is between two pushes: nothing reads it now
	next <- time.Time{}
	step(time.Minute, "it did not take 2 of the figures: no way")
	stop()
	<-ended
	r.answer = nil
	m.Count("shirase_units_total", 4)
	p.Last(t.Context())
	if got := told(t, <-r.got)["shirase_units_total"]; got != 7 || !slices.Equal(said, []string{"back after 1"}) {
		t.Errorf("at the end %v, %q", got, said)
	}
}

// TestPushAway: a receiver that is not there, or never answers, costs an error without its URL, and an end no more than the end
// of its own time.
func TestPushAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // it takes connections, and says nothing
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for name, at := range map[string]net.Addr{"silent": l.Addr(), "gone": gone.Addr()} {
		to, err := NewReceiver("http://"+at.String()+"/v1/metrics?key=hunter2", "X-Key: hunter2")
		if err != nil {
			t.Fatal(err)
		}
		var said []error
		p := &Pusher{Metrics: New(), To: to, Failed: func(err error) { said = append(said, err) }}
		short := func() context.Context {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			t.Cleanup(cancel)
			return ctx
		}
		p.Last(short())
		if len(said) != 1 || strings.Contains(said[0].Error(), "hunter2") {
			t.Errorf("%s: %v", name, said)
		}
		if err := to.Try(short()); err == nil {
			t.Errorf("%s: it would take figures", name)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	to, err := NewReceiver("http://"+l.Addr().String()+"/v1/metrics", "")
	if err != nil {
		t.Fatal(err)
	}
	(&Pusher{Metrics: New(), To: to, Failed: func(err error) { t.Errorf("an end is called a failure: %v", err) }}).Keep(ctx)
}

// TestHeader: what is no header is refused, and not repeated.
func TestHeader(t *testing.T) {
	for _, header := range []string{"hunter2", ": hunter2", "a b: hunter2", "A: ", "A: hunter2\x01", "A\n: hunter2"} {
		if _, err := NewReceiver("http://127.0.0.1/v1/metrics", header); !errors.Is(err, ErrHeader) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", header, err)
		}
	}
}
