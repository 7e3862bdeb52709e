package exercise

import (
	"fmt"
	"net/smtp"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// send sends a mail into a sink, to one or more.
func send(t *testing.T, data, subject string, to ...string) {
	t.Helper()
	conn, err := Sink(data)()
	if err != nil {
		t.Fatal(err)
	}
	c, err := smtp.NewClient(conn, "exercise.invalid")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Mail("desk@example.jp"); err != nil {
		t.Fatal(err)
	}
	for _, a := range to {
		if err := c.Rcpt(a); err != nil {
			t.Fatal(err)
		}
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(w, "Subject: %s\r\n\r\nHello.\r\n", subject)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestSink: a mail is kept by the exercise's time, its subject and its domain, and never by whom it was for.
func TestSink(t *testing.T) {
	data := t.TempDir()
	p, err := Begin(data, ship(t, "naver-2013"), 0)
	if err != nil {
		t.Fatal(err)
	}
	send(t, data, "first", "hana@example.com")
	send(t, data, "second", `"hana@work"@example.org`)
	mails, n, err := Mails(data)
	if err != nil || n != 2 || len(mails) != 2 {
		t.Fatalf("%d, %v, %v", n, mails, err)
	}
	if m := mails[0]; m.To != "…@example.org" || !strings.HasSuffix(m.Subject, "second") || m.At != p.Now.UTC().Format(time.RFC3339) {
		t.Errorf("%+v, at %v", m, p.Now)
	}
	b, err := os.ReadFile(filepath.Join(data, sinkFile))
	if err != nil || strings.Contains(string(b), "hana") || strings.Contains(string(b), "work") {
		t.Errorf("%s, %v", b, err)
	}
}

// TestSinkFull: of a campaign the sink keeps a thousand subjects, and counts the others, also in another process.
func TestSinkFull(t *testing.T) {
	data := t.TempDir()
	lines := func(n int) (out [][]byte) {
		for range n {
			out = append(out, []byte(`{"at":"2026-01-01T00:00:00Z","to":"…@example.com","subject":"s"}`+"\n"))
		}
		return out
	}
	one, other := &sink{data: data}, &sink{data: data}
	for i, s := range []*sink{one, other, one, other, one} {
		if err := s.add(lines(400)); err != nil {
			t.Fatal(err)
		}
		mails, n, err := Mails(data)
		if want := 400 * (i + 1); err != nil || n != want || len(mails) != min(want, MaxSubjects) {
			t.Fatalf("%d mails and %d subjects after %d: %v", n, len(mails), want, err)
		}
	}
	info, err := os.Stat(filepath.Join(data, sinkFile))
	if err != nil || info.Size() > MaxSubjects*100 {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
}

// TestSinkClosed: a connection that is closed before anything was said in it leaves nothing behind.
func TestSinkClosed(t *testing.T) {
	connect := Sink(t.TempDir())
	before := runtime.NumGoroutine()
	for range 300 {
		c, err := connect()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for since := time.Now(); runtime.NumGoroutine() > before+5; runtime.Gosched() { // the servers see that nobody is there
		if time.Since(since) > 20*time.Second {
			t.Fatalf("%d goroutines, and before there were %d", runtime.NumGoroutine(), before)
		}
	}
}

// TestScenarioKept: a scenario is read once, and again when its file has changed.
func TestScenarioKept(t *testing.T) {
	data := t.TempDir()
	p, err := Begin(data, ship(t, "naver-2013"), 0)
	if err != nil {
		t.Fatal(err)
	}
	again, err := OpenWith(data, p.Clock)
	if err != nil || again.Scenario != p.Scenario || again.Events[0].Text != p.Events[0].Text {
		t.Errorf("%v", err)
	}
}
