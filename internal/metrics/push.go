package metrics

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/metrics/v1"
	"golang.org/x/net/http/httpguts"
	"google.golang.org/protobuf/proto"

	"shirase/internal/outward"
)

// Receiver takes figures by OpenTelemetry's protocol over HTTP (https://opentelemetry.io/docs/specs/otlp/#otlphttp): a
// collector, or a database that speaks it.
type Receiver struct {
	url         string
	name, value string // of a header; "": none
	client      *http.Client
}

// ErrHeader reports what is no header.
var ErrHeader = errors.New("not a header, NAME: VALUE on one line")

// How long a receiver may take, and the last push of a server that ends; and for how long one is left alone at most that asks
// for it.
const (
	pushFor  = 10 * time.Second
	lastFor  = 3 * time.Second
	mostRest = time.Hour
)

// NewReceiver makes one of its URL, path and all, and of a header that goes with each request; "": none. Errors: ErrHeader,
// which does not repeat it.
func NewReceiver(url, header string) (*Receiver, error) {
	r := &Receiver{url: url, client: &http.Client{Transport: outward.Transport(nil), Timeout: pushFor, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	if header == "" {
		return r, nil
	}
	name, value, ok := strings.Cut(header, ":")
	value = strings.TrimSpace(value)
	if !ok || value == "" || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
		return nil, ErrHeader
	}
	r.name, r.value = name, value
	return r, nil
}

// Try sends nothing, and says whether it would be taken.
func (r *Receiver) Try(ctx context.Context) error {
	return r.send(ctx, &collector.ExportMetricsServiceRequest{})
}

// refused is an answer that is not 2xx.
type refused struct {
	status int
	rest   time.Duration // how long it wants to be left alone
}

func (r refused) Error() string { return fmt.Sprintf("it is answered with %d", r.status) }

// send posts one message. No error has the URL or the header in it.
func (r *Receiver) send(ctx context.Context, message *collector.ExportMetricsServiceRequest) error {
	plain, err := proto.Marshal(message)
	if err != nil {
		return err
	}
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	if _, err := z.Write(plain); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, &body)
	if err != nil {
		return errors.New("the URL of the receiver is none")
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("Content-Encoding", "gzip")
	req.Header.Set("User-Agent", "shirase")
	if r.name != "" {
		req.Header.Set(r.name, r.value)
	}
	res, err := r.client.Do(req)
	if err != nil {
		var inner interface{ Unwrap() error }
		if errors.As(err, &inner) && inner.Unwrap() != nil { // without the URL
			err = inner.Unwrap()
		}
		return err
	}
	defer res.Body.Close()
	said, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if res.StatusCode < 200 || res.StatusCode > 299 {
		seconds, _ := strconv.ParseUint(res.Header.Get("Retry-After"), 10, 16)
		return refused{res.StatusCode, min(time.Duration(seconds)*time.Second, mostRest)}
	}
	var answer collector.ExportMetricsServiceResponse
	if err != nil || !strings.HasPrefix(res.Header.Get("Content-Type"), "application/x-protobuf") || proto.Unmarshal(said, &answer) != nil {
		return err // what took them and says no more has taken them
	}
	if p := answer.GetPartialSuccess(); p.GetRejectedDataPoints() > 0 {
		return fmt.Errorf("it did not take %d of the figures: %.200s", p.GetRejectedDataPoints(), strings.Map(func(c rune) rune {
			if unicode.IsPrint(c) {
				return c
			}
			return ' '
		}, p.GetErrorMessage()))
	}
	return nil
}

// Pusher pushes the figures of a server to a receiver. What is not taken is not kept: the next push says how things stand then,
// and what was counted meanwhile is in it.
type Pusher struct {
	Metrics *Metrics
	To      *Receiver
	Every   time.Duration
	Who     []string // attributes of the resource that figures are of, in pairs; they name no person
	// Failed hears of the first of failures that follow one another, and Back of the first push after them that is taken.
	Failed func(error)
	Back   func(failures int)

	failures int
	after    func(time.Duration) <-chan time.Time // nil: time.After
}

// Keep pushes at once, and then again and again until ctx ends.
func (p *Pusher) Keep(ctx context.Context) {
	after := p.after
	if after == nil {
		after = time.After
	}
	for {
		rest := max(p.Every, p.once(ctx))
		select {
		case <-ctx.Done():
			return
		case <-after(rest):
		}
	}
}

// Last pushes once more, after Keep has ended and all else that counts, so that nothing is missing. It takes a few seconds at
// most.
func (p *Pusher) Last(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastFor)
	defer cancel()
	p.once(ctx)
	p.To.client.CloseIdleConnections()
}

// once pushes, says what there is to say, and gives how long the receiver wants to be left alone.
func (p *Pusher) once(ctx context.Context) time.Duration {
	message, err := p.Metrics.request(time.Now(), p.Who)
	if err == nil {
		err = p.To.send(ctx, message)
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
	case err != nil:
		if p.failures++; p.failures == 1 {
			p.Failed(err)
		}
	case p.failures > 0:
		p.Back(p.failures)
		p.failures = 0
	}
	var r refused
	errors.As(err, &r)
	return r.rest
}
