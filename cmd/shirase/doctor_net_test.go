package main

import (
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shirase/internal/publish"
	"shirase/internal/store"
)

// TestDoctorOutside has the public address asked: that it leads here, elsewhere, to nobody, or to what a visitor's client refuses.
func TestDoctorOutside(t *testing.T) {
	data := filepath.Join(wellInstance(t), "data")
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(data, "shirase.db"))
	if err != nil {
		t.Fatal(err)
	}
	vkey, err := publish.RecordedKey(t.Context(), db)
	db.Close()
	if err != nil {
		t.Fatal(err)
	}
	answer := vkey
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ledger/v1/key" || answer == "" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintln(w, answer)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that fail
	defer s.Close()
	trusted := x509.NewCertPool()
	trusted.AddCert(s.Certificate())
	look := func(roots *x509.CertPool, at time.Time) []finding {
		t.Helper()
		a := &app{out: io.Discard, err: io.Discard}
		if err := a.root().PersistentFlags().Set("data", data); err != nil {
			t.Fatal(err)
		}
		d := &doctor{a: a, quick: true, outside: true, roots: roots, now: time.Now, space: func(string) (uint64, uint64, error) { return 90 << 30, 100 << 30, nil }}
		if err := d.examine(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.findings = d.findings[:0]
		d.now = func() time.Time { return at }
		d.in.db, err = store.Open(t.Context(), "sqlite:"+filepath.Join(data, "shirase.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer d.in.db.Close()
		d.examineOutside(t.Context())
		return d.findings
	}
	if out, exit := runIn(t, "config", "set", "url", s.URL, "--data", data); exit != exitDone {
		t.Fatal(out)
	}
	found := func(what string, got []finding, want ...string) {
		t.Helper()
		if len(got) != len(want) {
			t.Errorf("%s: %+v", what, got)
			return
		}
		for i, f := range got {
			if !strings.Contains(f.ID+" "+f.Level+": "+f.What, want[i]) || f.Remedy == "" {
				t.Errorf("%s: %+v, want %q", what, f, want[i])
			}
		}
	}
	ends := s.Certificate().NotAfter
	found("it leads here", look(trusted, time.Now()))
	found("a certificate that ends", look(trusted, ends.Add(-time.Hour)), "certificate warning: the certificate ends at")
	found("a certificate that has ended", look(trusted, ends.Add(time.Hour)), "certificate error: the certificate ended at")
	found("a certificate of nobody", look(nil, time.Now()), "outside error: at "+s.URL+" visitors are warned off")
	answer = "another.example+12345678+AAAA"
	found("another instance", look(trusted, time.Now()), "something else answers")
	answer = ""
	found("something else", look(trusted, time.Now()), "answers 404")
	s.Close()
	found("nobody", look(trusted, time.Now()), "nobody answers")
}

// TestDoctorReceiver: what figures are pushed to is asked whether it would take them, and is sent none.
func TestDoctorReceiver(t *testing.T) {
	status := http.StatusUnauthorized
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; r.ContentLength > 64 {
			t.Errorf("it is sent %d bytes", r.ContentLength)
		}
		w.WriteHeader(status)
	}))
	defer s.Close()
	look := func(url, header string) string {
		a := appAt(t.TempDir(), io.Discard, io.Discard)
		a.op().Metrics.OTLP, a.op().Metrics.OTLPHeaderFile = url, header
		d := &doctor{a: a}
		d.examineReceiver(t.Context())
		var said []string
		for _, f := range d.findings {
			said = append(said, f.ID+" "+f.Level+": "+f.What)
			if f.Remedy == "" {
				t.Errorf("%+v", f)
			}
		}
		return strings.Join(said, "; ")
	}
	for _, c := range []struct {
		status            int
		url, header, want string
	}{
		{200, "", "", ""},
		{200, s.URL + "/v1/metrics", "", ""},
		{401, s.URL + "/v1/metrics", "", "metrics warning: figures are not taken where metrics.otlp has them pushed: it is answered with 401"},
		{200, s.URL + "/v1/metrics", filepath.Join(t.TempDir(), "none"), "metrics error: read a secret"},
	} {
		status = c.status
		if got := look(c.url, c.header); got != c.want && (c.want == "" || !strings.HasPrefix(got, c.want)) {
			t.Errorf("%+v: %q", c, got)
		}
	}
	if asked != 2 {
		t.Errorf("it was asked %d times", asked)
	}
}
