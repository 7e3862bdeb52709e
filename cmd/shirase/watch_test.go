package main

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/metrics/v1"
	"google.golang.org/protobuf/proto"

	"shirase/internal/actor"
	"shirase/internal/alarm"
	"shirase/internal/password"
	"shirase/internal/serve"
	"shirase/internal/store"
)

// watched serves an instance without a network, as its settings say.
func watched(t *testing.T, a *app) (*watch, http.Handler) {
	t.Helper()
	in := must(a.open(t.Context()))(t)
	corpora := must(password.Open(a.passwordDir()))(t)
	server, w, err := a.server(t.Context(), in, corpora, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { corpora.Close(); in.close() })
	return w, server.Handler()
}

func answerOf(h http.Handler, path string) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
	return rec
}

// TestFigures: what is told of a server says how it stands, and nothing of who asked or about what. Every figure has a line in
// docs/OPERATIONS.md, and rules and dashboard ask for none that is not there.
func TestFigures(t *testing.T) {
	data := filepath.Join(wellInstance(t), "data")
	a := appAt(data, io.Discard, io.Discard)
	a.op().Metrics.Listen = "127.0.0.1:0"
	w, h := watched(t, a)
	if err := w.begin(a); err != nil {
		t.Fatal(err)
	}
	st, _, _, err := w.in.index.Statement(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bucket := "/check/v1/layers/" + st.Layers[0].ID.String() + "/buckets/0"
	for _, path := range []string{"/", "/incidents/shop-2026", bucket, "/incidents?q=hana%40example.com", "/hana@example.com", "/range/5BAA6"} {
		answerOf(h, path)
	}
	rec := httptest.NewRecorder()
	w.metrics.ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	told := rec.Body.String()
	for _, want := range []string{"shirase_ready 1\n", "shirase_database_up 1\n", `shirase_layers{state="missing"} 0`, `shirase_layers{state="served"} 1`,
		`shirase_http_requests_total{route="GET /check/v1/layers/{layer}/buckets/{bucket}",code="200"} 1`, `shirase_http_requests_total{route="GET /incidents/{id}",code="200"} 1`,
		`shirase_corpus{mode="sha1",state="whole"} 1`, fmt.Sprintf("shirase_statement_seq %d\n", st.Seq)} {
		if !strings.Contains(told, want) {
			t.Errorf("%s is not told in:\n%s", want, told)
		}
	}
	for _, secret := range []string{"hana", "5BAA6", st.Layers[0].ID.String(), "buckets/0", "shop-2026"} {
		if strings.Contains(told, secret) {
			t.Errorf("the figures have %s", secret)
		}
	}
	docs := string(must(os.ReadFile("../../docs/OPERATIONS.md"))(t))
	ours := map[string]bool{"shirase_work_failures_total": true, "shirase_statement_age_seconds": true, "shirase_witness_silent_seconds": true, "shirase_certificate_left_seconds": true}
	for _, name := range regexp.MustCompile(`(?m)^shirase_[a-z0-9_]+`).FindAllString(told, -1) {
		for _, end := range []string{"_bucket", "_sum", "_count"} {
			name = strings.TrimSuffix(name, end)
		}
		ours[name] = true
	}
	for name := range ours {
		if !strings.Contains(docs, "| `"+name) {
			t.Errorf("docs/OPERATIONS.md has no line for %s", name)
		}
	}
	for _, file := range []string{"alerts.yaml", "dashboard.json"} {
		text := string(must(os.ReadFile("../../examples/" + file))(t))
		asked := regexp.MustCompile(`shirase_[a-z0-9_]+`).FindAllString(text, -1)
		if len(asked) < 10 {
			t.Errorf("%s asks for %d figures", file, len(asked))
		}
		for _, name := range asked {
			if !ours[strings.TrimSuffix(name, "_bucket")] {
				t.Errorf("%s asks for %s, which is not told", file, name)
			}
		}
	}
	if promtool, err := exec.LookPath("promtool"); err == nil {
		if said, err := exec.Command(promtool, "check", "rules", "../../examples/alerts.yaml").CombinedOutput(); err != nil {
			t.Errorf("promtool: %v: %s", err, said)
		}
		c := exec.Command(promtool, "check", "metrics")
		c.Stdin = strings.NewReader(told)
		if said, _ := c.CombinedOutput(); strings.Contains(string(said), "error while linting") {
			t.Errorf("promtool: %s", said)
		}
	}
	rec = answerOf(h, "/metrics")
	if rec.Code != http.StatusNotFound {
		t.Errorf("the public is told figures: %d", rec.Code)
	}
}

// TestAlarms: what will go wrong is found before it does, and nothing is found where all is well.
func TestAlarms(t *testing.T) {
	a := appAt(filepath.Join(wellInstance(t), "data"), io.Discard, io.Discard)
	w, _ := watched(t, a)
	now, free := time.Now(), uint64(100<<30)
	w.now = func() time.Time { return now }
	w.space = func(string) (uint64, uint64, error) { return free, 200 << 30, nil }
	ids := func() []string {
		var out []string
		for _, one := range w.alarms(t.Context()) {
			if one.What == "" || one.Remedy == "" {
				t.Errorf("%+v", one)
			}
			out = append(out, one.ID)
		}
		return out
	}
	want := func(when string, want ...string) {
		t.Helper()
		if got := ids(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", when, got, want)
		}
	}
	want("at first")
	st := w.published.Statement(t.Context())
	now = st.Expires.Add(-st.Expires.Sub(st.Time.Time)/leastLife + time.Second)
	want("not reissued", "statement")
	now = st.Expires.Add(time.Second)
	want("expired", "statement")
	now, free = time.Now(), 19<<30
	want("a disk fills", "disk")
	free = 100 << 30
	cert, key := filepath.Join(t.TempDir(), "c.pem"), filepath.Join(t.TempDir(), "k.pem")
	certificateFiles(t, cert, key)
	a.op().TLS.CertificateFile, a.op().TLS.KeyFile = cert, key
	w2, _ := watched(t, a)
	w2.space = w.space
	pair := must(tls.LoadX509KeyPair(cert, key))(t)
	w2.now = func() time.Time { return pair.Leaf.NotAfter.Add(-certificateSoon + time.Second) }
	if got := w2.alarms(t.Context()); !slices.ContainsFunc(got, func(one alarm.Alarm) bool { return one.ID == "certificate" }) {
		t.Errorf("a certificate that ends: %+v", got)
	}
	w.in.db.Close()
	if got := ids(); !slices.Contains(got, "database") {
		t.Errorf("without a database: %q", got)
	}
}

// TestAwayOnce: a database that is away is said once, whoever asks, and that it is back; everything else is said each time.
func TestAwayOnce(t *testing.T) {
	_, err := store.Open(t.Context(), "postgres://127.0.0.1:1/none?connect_timeout=1")
	if !store.Away(err) {
		t.Fatalf("%v is no database that is away", err)
	}
	var out strings.Builder
	h := newAway(slog.NewTextHandler(&out, nil))
	log := slog.New(h)
	for range 3 {
		log.Error("page failed", "error", err)
		log.With("a", "b").Error("api failed", "error", fmt.Errorf("read: %w", err))
	}
	log.Error("other", "error", errors.New("something else"))
	h.look(t.Context(), func(context.Context) error { return err }, log)
	h.look(t.Context(), func(context.Context) error { return nil }, log)
	h.look(t.Context(), func(context.Context) error { return nil }, log)
	log.Error("page failed", "error", err)
	var lines []string
	for _, l := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		lines = append(lines, regexp.MustCompile(`msg="?([a-z ]+)`).FindStringSubmatch(l)[1])
	}
	if !slices.Equal(lines, []string{"page failed", "other error", "the database is back", "page failed"}) {
		t.Errorf("%q in\n%s", lines, out.String())
	}
}

// TestPushed: serve pushes its figures where the settings say, of itself and of nobody who asked, and a last time when it has
// ended; a receiver that is away costs one line in the log.
func TestPushed(t *testing.T) {
	data := filepath.Join(wellInstance(t), "data")
	got := make(chan map[string]string, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		z := must(gzip.NewReader(r.Body))(t)
		message := new(collector.ExportMetricsServiceRequest)
		if err := proto.Unmarshal(must(io.ReadAll(z))(t), message); err != nil || r.Header.Get("X-Key") != "hunter2" {
			t.Errorf("%v, with %v", err, r.Header)
		}
		all := map[string]string{"": fmt.Sprint(message)}
		for _, one := range message.ResourceMetrics {
			for _, a := range one.Resource.Attributes {
				all[a.Key] = a.Value.GetStringValue()
			}
			for _, m := range one.ScopeMetrics[0].Metrics {
				all[m.Name] = fmt.Sprint(m)
			}
		}
		got <- all
	}))
	defer receiver.Close()
	log := make(logged, 100)
	run := func(url string, during func(base string)) {
		t.Helper()
		a := appAt(data, io.Discard, log)
		key := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(key, []byte("X-Key: hunter2\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		a.op().Metrics.OTLP, a.op().Metrics.OTLPHeaderFile = url, key
		in := must(a.open(t.Context()))(t)
		defer in.close()
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		l := must(serve.Listen("127.0.0.1:0"))(t)
		served := make(chan error, 1)
		ready := make(chan string, 1)
		go func() { served <- a.serve(ctx, in, l, nil, func(url string) error { ready <- url; return nil }) }()
		during(<-ready)
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
	run(receiver.URL+"/v1/metrics", func(base string) {
		first := <-got
		if first["service.name"] != "shirase" || first["service.version"] != version || !strings.HasSuffix(first["service.instance.id"], " 127.0.0.1:8311") || first["shirase_ready"] == "" || first["process_cpu_seconds_total"] == "" {
			t.Errorf("at first it is told of %q: %q", first["service.instance.id"], first[""])
		}
		for _, path := range []string{"/incidents/shop-2026", "/incidents?q=hana%40example.com", "/range/5BAA6"} {
			must(http.Get(base + path))(t).Body.Close()
		}
	})
	last := <-got // the next would have come after a minute
	if !strings.Contains(last["shirase_http_requests_total"], "GET /incidents/{id}") {
		t.Errorf("at the end it is told of requests %q", last["shirase_http_requests_total"])
	}
	for _, secret := range []string{"hana", "5BAA6", "shop-2026", "127.0.0.1:" + receiver.URL[strings.LastIndexByte(receiver.URL, ':')+1:]} {
		if strings.Contains(last[""], secret) {
			t.Errorf("the figures have %s", secret)
		}
	}
	if len(log) > 0 {
		t.Errorf("the log has %s", <-log)
	}
	receiver.Close()
	run(receiver.URL+"/v1/metrics", func(base string) {
		if said := <-log; !strings.Contains(said, "push the figures") || !strings.Contains(said, "said once") || strings.Contains(said, "hunter2") {
			t.Errorf("of a receiver that is away the log has %s", said)
		}
		must(http.Get(base + "/"))(t).Body.Close()
	})
	if len(log) > 0 {
		t.Errorf("and then %s", <-log)
	}
}

// logged is a log whose lines can be waited for.
type logged chan string

func (l logged) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}

// TestNotHere: the page of what is genuine names the incident's own address, once its desk was opened; and a board says of those who watch where nobody
// can that it is not known, and not that there are none.
func TestNotHere(t *testing.T) {
	data := filepath.Join(wellInstance(t), "data")
	a := appAt(data, io.Discard, io.Discard)
	a.op().URL, a.op().Enquiry.Address = "https://notice.example", "support@example.org"
	w, h := watched(t, a)
	const page, address = "/incidents/shop-2026/genuine?lang=en", "<dd>support+shop-2026@example.org</dd>"
	if rec := answerOf(h, page); rec.Code != http.StatusOK || strings.Contains(rec.Body.String(), "support") {
		t.Errorf("%d: an address is told of a desk that never opened", rec.Code)
	}
	desk := must(a.enquiries(t.Context(), w.in))(t)
	if err := desk.SetOpen(t.Context(), actor.Operator(), "shop-2026", true); err != nil {
		t.Fatal(err)
	}
	if rec := answerOf(h, page); !strings.Contains(html.UnescapeString(rec.Body.String()), address) || !strings.Contains(rec.Body.String(), "letters, digits and hyphens follow") {
		t.Errorf("%d: %s", rec.Code, rec.Body.String())
	}
	in, cases, err := a.cases(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	for _, server := range []string{"", "127.0.0.1:1"} {
		a.op().Mail.Server, a.op().Mail.From = server, "notice@example.org"
		if boards := must(a.boards(t.Context(), in, cases))(t); (boards.Watching == nil) != (server == "") {
			t.Errorf("with the mail server %q those who watch are counted: %t", server, boards.Watching != nil)
		}
	}
}
