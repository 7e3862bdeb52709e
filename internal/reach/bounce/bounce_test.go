package bounce

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const folder = "testdata/returned"

// rows reads a table of testdata: fields with tabs between them, and remarks behind #.
func rows(t *testing.T, name string, fields int) (out [][]string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		row := strings.Split(line, "\t")
		if len(row) != fields {
			t.Fatalf("%s:%d: %d fields, and not %d", name, i+1, len(row), fields)
		}
		out = append(out, row)
	}
	return out
}

func message(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestReturned reads every message of testdata, with the line ends of Unix and of mail.
func TestReturned(t *testing.T) {
	want := rows(t, "testdata/expected.tsv", 5)
	if len(want) < 60 {
		t.Fatalf("only %d messages", len(want))
	}
	for _, w := range want {
		b := message(t, w[0])
		for _, b := range [][]byte{b, bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))} {
			r, err := Parse(b)
			if err != nil {
				t.Fatalf("%s: %v", w[0], err)
			}
			got := []string{w[0], string(r.Kind), "-", "false", "-"}
			if len(r.Recipients) > 0 {
				first := r.Recipients[0]
				got[2], got[3] = string(first.Reason), fmt.Sprint(first.Permanent)
				if first.Status != "" {
					got[4] = first.Status
				}
			}
			if !slices.Equal(got, w) {
				t.Errorf("got  %q\nwant %q\n%+v", got, w, r.Recipients)
			}
			number, _, _ := strings.Cut(w[0], "-")
			number = strings.TrimLeft(number, "0")
			if address := "b-token" + number + "@bounce.example.jp"; !slices.Contains(r.To, address) {
				t.Errorf("%s: it came back to %s, and that is not among %q", w[0], address, r.To)
			}
			if id := "m-token" + number + "@example.jp"; r.Kind != Other && !slices.Contains(r.MessageIDs, id) {
				t.Errorf("%s: %q lacks %s", w[0], r.MessageIDs, id)
			}
		}
	}
}

func TestRecipients(t *testing.T) {
	for name, want := range map[string][]string{
		"37-docomo-unknown.eml":         {"kasa..ame.@docomo.ne.jp"},
		"41-docomo-sendmail-style.eml":  {".kiri-kaze@docomo.ne.jp"},
		"42-au-unknown.eml":             {"hoshi-zora@ezweb.ne.jp"},
		"47-kddi-full.eml":              {"fuyu-no.@dion.ne.jp"},
		"51-provider-japanese-jis.eml":  {"momiji@example.ne.jp"},
		"52-provider-japanese-sjis.eml": {"kaede@example.ne.jp"},
		"53-qmail-userunknown.eml":      {"sakura@example.co.jp"},
		"61-eai-global.eml":             {"例@example.net"},
		"62-two-recipients.eml":         {"yuri@example.net", "bara@example.net"},
	} {
		r, err := Parse(message(t, name))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range r.Recipients {
			got = append(got, r.Address)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	r, err := Parse(message(t, "62-two-recipients.eml"))
	if err != nil || r.Recipients[1].Reason != MailboxFull {
		t.Errorf("what was said of one recipient counts for another: %+v, %v", r.Recipients, err)
	}
}

func TestLimits(t *testing.T) {
	if _, err := Parse(bytes.Repeat([]byte("a"), MaxSize+1)); !errors.Is(err, ErrLarge) {
		t.Error(err)
	}
	var deep, wide strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&deep, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
	}
	wide.WriteString("Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n")
	for i := range 5000 {
		fmt.Fprintf(&wide, "Final-Recipient: rfc822; a%d@example.net\nAction: failed\nStatus: 5.1.1\n\n", i)
	}
	for name, text := range map[string]string{"deep": deep.String(), "wide": wide.String(), "one line": "From: MAILER-DAEMON\n\n" + strings.Repeat("a@example.net ", 60000),
		"fields": "Subject: " + strings.Repeat("x", 100000) + strings.Repeat("\nA: b", 50000)} {
		r, err := Parse([]byte(text))
		if err != nil || len(r.Recipients) > maxRecipients || len(r.To) > 40 {
			t.Errorf("%s: %d recipients, %v", name, len(r.Recipients), err)
		}
		for _, rcpt := range r.Recipients {
			if len(rcpt.Said) > 500 {
				t.Errorf("%s: %d bytes are kept of what was said", name, len(rcpt.Said))
			}
		}
	}
}

// TestWorths makes sure that no refusal by a receiver's rules suppresses anybody, and that every suppression ends.
func TestWorths(t *testing.T) {
	for reason, w := range worths {
		if w.refusal && w.suppress != 0 {
			t.Errorf("%s is a refusal, and suppresses", reason)
		}
		if w.suppress < 0 || w.suppress > 366*day {
			t.Errorf("%s suppresses for %s", reason, w.suppress)
		}
	}
	for _, r := range rules {
		if !r.reason.Known() {
			t.Errorf("a rule gives %q", r.reason)
		}
	}
	for status, r := range byStatus {
		if !r.Known() {
			t.Errorf("%s gives %q", status, r)
		}
	}
}

func FuzzParse(f *testing.F) {
	list, err := os.ReadDir(folder)
	if err != nil || len(list) == 0 {
		f.Fatal(err)
	}
	for _, e := range list {
		b, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Parse(b)
		if err != nil {
			return
		}
		if (r.Kind == Other) != (len(r.Recipients) == 0) && r.Kind != Other {
			t.Fatalf("%s with %d recipients", r.Kind, len(r.Recipients))
		}
		for _, rcpt := range r.Recipients {
			if !rcpt.Reason.Known() || rcpt.Kind == "" || strings.Contains(rcpt.Said, "\n") || len(rcpt.Said) > 500 {
				t.Fatalf("%+v", rcpt)
			}
			if rcpt.Permanent && rcpt.Kind != Failed {
				t.Fatalf("permanent and not failed: %+v", rcpt)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	list, err := os.ReadDir(folder)
	if err != nil {
		b.Fatal(err)
	}
	var all [][]byte
	for _, e := range list {
		m, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, m)
	}
	for i := 0; b.Loop(); i++ {
		if _, err := Parse(all[i%len(all)]); err != nil {
			b.Fatal(err)
		}
	}
}
