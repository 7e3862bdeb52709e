package metrics

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	victoria "github.com/VictoriaMetrics/metrics"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/metrics/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/slim/otlp/metrics/v1"
	resource "go.opentelemetry.io/proto/slim/otlp/resource/v1"
)

// Of OpenTelemetry the program has the messages of its protocol, as it publishes them, and not its SDK
// (docs/decisions/figures.md). What is sent is read from the text that Prometheus is told, so that both are told the same.

// errText is of a line that is not as this program writes figures.
var errText = errors.New("a figure cannot be read")

// request has all figures as they are at a time, of who tells them (attributes of the resource, in pairs).
func (m *Metrics) request(now time.Time, who []string) (*collector.ExportMetricsServiceRequest, error) {
	var text bytes.Buffer
	m.set.WritePrometheus(&text)
	victoria.WriteProcessMetrics(&text)
	f := figures{began: uint64(m.began.UnixNano()), now: uint64(now.UnixNano()), named: map[string]*otlp.Metric{},
		histograms: map[string]*otlp.HistogramDataPoint{}, summaries: map[string]*otlp.SummaryDataPoint{}}
	for line := range strings.Lines(text.String()) {
		s, err := readSample(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, err
		}
		f.take(s)
	}
	return &collector.ExportMetricsServiceRequest{ResourceMetrics: []*otlp.ResourceMetrics{{
		Resource:     &resource.Resource{Attributes: attributes(who)},
		ScopeMetrics: []*otlp.ScopeMetrics{{Scope: &common.InstrumentationScope{Name: "shirase"}, Metrics: f.all}},
	}}}, nil
}

// sample is a line of the text: a name, labels in pairs, and a value.
type sample struct {
	name   string
	labels []string
	value  float64
}

// readSample reads a line as this program and its library write it: no comments, no times.
func readSample(line string) (sample, error) {
	wrong := fmt.Errorf("%w: %.200q", errText, line)
	end := strings.IndexAny(line, "{ ")
	if end < 1 {
		return sample{}, wrong
	}
	s, rest := sample{name: line[:end]}, line[end:]
	if rest[0] == '{' {
		for rest = rest[1:]; !strings.HasPrefix(rest, "}"); rest = strings.TrimLeft(rest, ", ") {
			name, after, ok := strings.Cut(rest, `="`)
			if !ok || name == "" {
				return sample{}, wrong
			}
			value, left, ok := quoted(after)
			if !ok {
				return sample{}, wrong
			}
			s.labels, rest = append(s.labels, name, value), left
		}
		rest = rest[1:]
	}
	var err error
	if s.value, err = strconv.ParseFloat(strings.TrimPrefix(rest, " "), 64); err != nil || !strings.HasPrefix(rest, " ") {
		return sample{}, wrong
	}
	return s, nil
}

// quoted reads a label's value up to its quotation mark, as escape writes it, and gives what follows.
func quoted(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:], true
		case s[i] != '\\':
			b.WriteByte(s[i])
		case i+1 < len(s):
			if i++; s[i] == 'n' {
				b.WriteByte('\n')
			} else {
				b.WriteByte(s[i])
			}
		}
	}
	return "", "", false
}

// label takes a label out of those of a sample.
func (s *sample) label(name string) (string, bool) {
	for i := 0; i+1 < len(s.labels); i += 2 {
		if s.labels[i] == name {
			value := s.labels[i+1]
			s.labels = slices.Delete(s.labels, i, i+2)
			return value, true
		}
	}
	return "", false
}

// figures are samples put together to what OpenTelemetry calls metrics, under the names that Prometheus has
// (https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics).
type figures struct {
	began, now uint64
	all        []*otlp.Metric
	named      map[string]*otlp.Metric
	histograms map[string]*otlp.HistogramDataPoint // by name and labels
	summaries  map[string]*otlp.SummaryDataPoint
}

// take adds a sample. A name that ends in _total is a counter; what has buckets or quantiles is a histogram or a summary, whose
// sum and count follow; all else is a gauge. Units stand in the names.
func (f *figures) take(s sample) {
	if le, ok := s.label("le"); ok {
		f.bucket(strings.TrimSuffix(s.name, "_bucket"), le, s)
		return
	}
	if q, ok := s.label("quantile"); ok {
		quantile, _ := strconv.ParseFloat(q, 64)
		p := f.summary(s.name, s.labels)
		p.QuantileValues = append(p.QuantileValues, &otlp.SummaryDataPoint_ValueAtQuantile{Quantile: quantile, Value: s.value})
		return
	}
	of := func(end string) string { return key(strings.TrimSuffix(s.name, end), s.labels) }
	if strings.HasSuffix(s.name, "_sum") {
		if p := f.histograms[of("_sum")]; p != nil {
			p.Sum = &s.value
			return
		}
		if p := f.summaries[of("_sum")]; p != nil {
			p.Sum = s.value
			return
		}
	}
	if strings.HasSuffix(s.name, "_count") {
		if f.histograms[of("_count")] != nil { // it is that of the last bucket
			return
		}
		if p := f.summaries[of("_count")]; p != nil {
			p.Count = uint64(s.value)
			return
		}
	}
	p := &otlp.NumberDataPoint{Attributes: attributes(s.labels), TimeUnixNano: f.now, Value: &otlp.NumberDataPoint_AsDouble{AsDouble: s.value}}
	if strings.HasSuffix(s.name, "_total") {
		p.StartTimeUnixNano = f.began
		sum := f.metric(s.name, func() *otlp.Metric {
			return &otlp.Metric{Data: &otlp.Metric_Sum{Sum: &otlp.Sum{AggregationTemporality: otlp.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE, IsMonotonic: true}}}
		}).GetSum()
		sum.DataPoints = append(sum.DataPoints, p)
		return
	}
	gauge := f.metric(s.name, func() *otlp.Metric { return &otlp.Metric{Data: &otlp.Metric_Gauge{Gauge: &otlp.Gauge{}}} }).GetGauge()
	gauge.DataPoints = append(gauge.DataPoints, p)
}

// bucket adds a bucket of a histogram. The text counts all below a bound, and OpenTelemetry what is between two of them.
func (f *figures) bucket(name, le string, s sample) {
	k, n := key(name, s.labels), uint64(s.value)
	p := f.histograms[k]
	if p == nil {
		p = &otlp.HistogramDataPoint{Attributes: attributes(s.labels), StartTimeUnixNano: f.began, TimeUnixNano: f.now}
		f.histograms[k] = p
		h := f.metric(name, func() *otlp.Metric {
			return &otlp.Metric{Data: &otlp.Metric_Histogram{Histogram: &otlp.Histogram{AggregationTemporality: otlp.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE}}}
		}).GetHistogram()
		h.DataPoints = append(h.DataPoints, p)
	}
	p.BucketCounts = append(p.BucketCounts, n-min(p.Count, n))
	p.Count = max(p.Count, n)
	if bound, err := strconv.ParseFloat(le, 64); err == nil && le != "+Inf" {
		p.ExplicitBounds = append(p.ExplicitBounds, bound)
	}
}

func (f *figures) summary(name string, labels []string) *otlp.SummaryDataPoint {
	k := key(name, labels)
	p := f.summaries[k]
	if p == nil {
		p = &otlp.SummaryDataPoint{Attributes: attributes(labels), StartTimeUnixNano: f.began, TimeUnixNano: f.now}
		f.summaries[k] = p
		s := f.metric(name, func() *otlp.Metric { return &otlp.Metric{Data: &otlp.Metric_Summary{Summary: &otlp.Summary{}}} }).GetSummary()
		s.DataPoints = append(s.DataPoints, p)
	}
	return p
}

// metric gives the one of a name, made where there is none yet.
func (f *figures) metric(name string, of func() *otlp.Metric) *otlp.Metric {
	m := f.named[name]
	if m == nil {
		m = of()
		m.Name = name
		f.named[name], f.all = m, append(f.all, m)
	}
	return m
}

func key(name string, labels []string) string { return name + "\x00" + strings.Join(labels, "\x00") }

func attributes(pairs []string) []*common.KeyValue {
	var out []*common.KeyValue
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, &common.KeyValue{Key: pairs[i], Value: &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: pairs[i+1]}}})
	}
	return out
}
