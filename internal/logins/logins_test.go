package logins

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"strings"
	"testing"
	"time"

	"shirase/identity"
	"shirase/internal/roster"
)

var since = time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)

// people makes a roster of account ids and addresses.
func people(t testing.TB, ids ...string) iter.Seq2[roster.Member, error] {
	return func(yield func(roster.Member, error) bool) {
		for _, id := range ids {
			m := roster.Member{Accounts: []string{id}}
			if strings.Contains(id, "@") {
				e, err := identity.ParseEmail(id)
				if err != nil {
					t.Fatal(err)
				}
				m = roster.Member{Identity: e}
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

func text(name, s string) Log {
	return Log{name, func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(s)), nil }}
}

// log writes events as JSON Lines: "hours-since account network program ok".
func log(lines ...string) string {
	var b strings.Builder
	for _, l := range lines {
		f := strings.Fields(l)
		d, err := time.ParseDuration(f[0])
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(&b, `{"time":%q,"account":%q,"ip":%q,"user_agent":%q,"outcome":%q}`+"\n", since.Add(d).Format(time.RFC3339), f[1], f[2], f[3], f[4])
	}
	return b.String()
}

func watch(t *testing.T, o Options) (Report, string) {
	t.Helper()
	r, detail, err := tryWatch(t, o)
	if err != nil {
		t.Fatal(err)
	}
	return r, detail
}

func tryWatch(t testing.TB, o Options) (Report, string, error) {
	t.Helper()
	var detail bytes.Buffer
	o.Detail = &detail
	if o.TempDir == "" {
		o.TempDir = t.TempDir()
	}
	if o.Since.IsZero() {
		o.Since = since
	}
	r, err := Watch(t.Context(), o)
	return r, detail.String(), err
}

func of(r Report, kind string) Finding {
	for _, f := range r.Findings {
		if f.Kind == kind {
			return f
		}
	}
	return Finding{}
}

func TestNewForAccount(t *testing.T) {
	r, detail := watch(t, Options{Members: people(t, "a1", "a2", "a3"), Logs: []Log{text("x", log(
		"-48h a1 192.0.2.1 Safari/1 success",
		"1h a1 192.0.2.77 Safari/2 success",      // the same network, and the same program brought up to date
		"2h a1 203.0.113.9 Safari/2 success",     // at another place with the own one
		"3h a1 192.0.2.1 curl/7 success",         // at home with another one
		"4h a1 203.0.113.9 curl/7 success",       // neither is known
		"5h a1 203.0.113.9 curl/7 failure",       // nobody came in
		"6h a1 203.0.113.9 curl/7 success",       // and again
		"7h a2 203.0.113.9 curl/7 success",       // of whom there is nothing to compare with
		"8h stranger 203.0.113.9 curl/7 success", // not of the roster
		"-1h a3 198.51.100.1 Safari/1 failure",
	))}})
	if f := of(r, NewForAccount); f.Accounts != 1 || f.Logins != 2 || !f.From.Equal(since.Add(4*time.Hour)) || !f.To.Equal(since.Add(6*time.Hour)) {
		t.Errorf("found %+v", f)
	}
	if r.Read != 10 || r.Matched != 9 || r.Accounts != 2 || r.Logins != 6 || r.NoHistory != 1 || r.Suspicious != 2 || r.Of != 1 {
		t.Errorf("%+v", r)
	}
	if !r.From.Equal(since.Add(-48*time.Hour)) || !r.To.Equal(since.Add(8*time.Hour)) {
		t.Errorf("the logs reach from %s to %s", r.From, r.To)
	}
	if !strings.Contains(detail, `"account":"a1"`) || strings.Contains(detail, `"a2"`) || strings.Contains(detail, "stranger") || !strings.Contains(detail, `"agent":"curl/7"`) {
		t.Errorf("told:\n%s", detail)
	}
}

func TestAfterFailures(t *testing.T) {
	five := func(at int, account, from string) (lines []string) {
		for i := range 5 {
			lines = append(lines, fmt.Sprintf("%dm %s %s curl/7 failure", at+i, account, from))
		}
		return lines
	}
	var lines []string
	lines = append(lines, "-48h owner 192.0.2.1 curl/7 success", "-48h slow 192.0.2.1 curl/7 success", "-48h other 192.0.2.1 curl/7 success")
	lines = append(lines, five(10, "guessed", "203.0.113.9")...)
	lines = append(lines, "16m guessed 203.0.113.9 curl/7 success")
	lines = append(lines, five(10, "owner", "192.0.2.1")...) // who forgot it, at home
	lines = append(lines, "16m owner 192.0.2.2 curl/7 success")
	lines = append(lines, five(10, "slow", "203.0.113.9")...)
	lines = append(lines, "25m slow 203.0.113.9 curl/7 success") // eleven minutes later
	lines = append(lines, five(10, "other", "203.0.113.9")[:4]...)
	lines = append(lines, "16m other 203.0.113.9 curl/7 success") // four of them only
	r, _ := watch(t, Options{Members: people(t, "guessed", "owner", "slow", "other"), Logs: []Log{text("x", log(lines...))}})
	if f := of(r, AfterFailures); f.Accounts != 1 || f.Logins != 1 || !f.From.Equal(since.Add(16*time.Minute)) {
		t.Errorf("found %+v", f)
	}
}

func TestOneSource(t *testing.T) {
	var lines, ids []string
	for i := range 30 {
		id := fmt.Sprintf("a%d", i)
		ids = append(ids, id)
		lines = append(lines, fmt.Sprintf("-48h %s 192.0.2.1 Safari/1 success", id)) // one office, in which all are at home
		lines = append(lines, fmt.Sprintf("%dm %s 192.0.2.1 Safari/1 success", i, id))
		lines = append(lines, fmt.Sprintf("%dm %s 2001:db8:0:1::%d Safari/1 %s", i, id, i+1, map[bool]string{true: "success", false: "failure"}[i < 3])) // one /64
		lines = append(lines, fmt.Sprintf("%dh %s 203.0.113.%d Safari/1 success", i, id, i))                                                             // each its own
		lines = append(lines, fmt.Sprintf("%dm %s 198.51.100.7 Safari/1 success", i*10, id))                                                             // seven an hour
	}
	r, detail := watch(t, Options{Members: people(t, ids...), Logs: []Log{text("x", log(lines...))}})
	if f := of(r, OneSource); f.Sources != 1 || f.Accounts != 30 || f.Attempts != 30 || f.Logins != 3 {
		t.Errorf("found %+v", f)
	}
	if r.Suspicious != 3 || r.Of != 3 {
		t.Errorf("%d logins of %d accounts", r.Suspicious, r.Of)
	}
	if n := strings.Count(detail, "one-source"); n != 31 { // and once in the figures
		t.Errorf("told %d times:\n%s", n, detail)
	}
	r, _ = watch(t, Options{Members: people(t, ids...), Logs: []Log{text("x", log(lines...))}, Many: 31})
	if f := of(r, OneSource); f.Sources != 0 || f.Logins != 0 {
		t.Errorf("of 31: %+v", f)
	}
}

// TestOnce: a login for several reasons is one login.
func TestOnce(t *testing.T) {
	lines := []string{"-48h a 192.0.2.1 Safari/1 success", "-48h b 192.0.2.1 Safari/1 success"}
	for i := range 5 {
		lines = append(lines, fmt.Sprintf("%dm a 203.0.113.9 curl/7 failure", i))
	}
	lines = append(lines, "6m a 203.0.113.9 curl/7 success", "6m b 203.0.113.9 curl/7 success")
	r, detail := watch(t, Options{Members: people(t, "a", "b"), Many: 2, Logs: []Log{text("x", log(lines...))}})
	if r.Suspicious != 2 || r.Of != 2 || of(r, NewForAccount).Logins != 2 || of(r, AfterFailures).Logins != 1 || of(r, OneSource).Logins != 2 {
		t.Errorf("%+v", r)
	}
	if !strings.Contains(detail, `"kinds":["new-for-account","one-source","after-failures"]`) {
		t.Errorf("told:\n%s", detail)
	}
}

// TestForms: the same logins in every form, compressed or not, and times and outcomes as logs write them.
func TestForms(t *testing.T) {
	lines := []string{"-48h a@example.com 192.0.2.1 Safari/1 success", "1h A@Example.com 203.0.113.9 curl/7 success"}
	plain := log(lines...)
	want, _ := watch(t, Options{Members: people(t, "a@example.com"), Logs: []Log{text("x", plain)}})
	if want.Suspicious != 1 || want.Of != 1 {
		t.Fatalf("%+v", want)
	}
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	io.WriteString(w, plain)
	w.Close()
	tokyo := time.FixedZone("", 9*60*60)
	for form, o := range map[string]Options{
		"gzip":              {Logs: []Log{text("x", z.String())}},
		"two files":         {Logs: []Log{text("x", log(lines[0])), text("y", log(lines[1]))}},
		"a mark":            {Logs: []Log{text("x", "\xef\xbb\xbf"+plain)}},
		"no last line feed": {Logs: []Log{text("x", strings.TrimSuffix(plain, "\n"))}},
		"empty lines":       {Logs: []Log{text("x", "\n\n"+strings.ReplaceAll(plain, "\n", "\r\n\r\n"))}},
		"csv":               {Logs: []Log{text("x", "Time,User_ID,IP,UserAgent,Result\n2026-07-30T00:00:00Z,a@example.com,192.0.2.1,\"Safari/1, the \"\"one\"\"\",ok\n2026-08-01T01:00:00Z,A@Example.com,203.0.113.9,curl/7,ok\n")}},
		"japanese tsv":      {Zone: tokyo, Logs: []Log{text("x", "日時\tメールアドレス\tIPアドレス\tagent\t結果\n2026/07/30 09:00:00\ta@example.com\t192.0.2.1\tSafari/1\t成功\n2026/08/01 10:00:00\ta@example.com\t203.0.113.9\tcurl/7\t成功\n")}},
		"combined": {Logs: []Log{text("x", `192.0.2.1 - a@example.com [30/Jul/2026:09:00:00 +0900] "POST /login HTTP/1.1" 302 0 "-" "Safari/1"
203.0.113.9 - a@example.com [01/Aug/2026:10:00:00 +0900] "POST /login HTTP/1.1" 302 0 "https://example.com/" "curl/7"
`)}},
		"nested, in milliseconds": {Logs: []Log{text("x", `{"@timestamp":1785369600000,"user":{"id":"a@example.com"},"source":{"ip":"192.0.2.1:443"},"user_agent":{"original":"Safari\/1"},"event":{"outcome":"success"}}
{"@timestamp":1785546000000,"user":{"id":"a@example.com"},"source":{"ip":"[2001:db8::1]:443"},"user_agent":{"original":"curl\/7"},"event":{"outcome":"success"}}
`)}},
		"named": {Columns: Columns{Time: "t", Account: "who", Address: "from", Agent: "with", Outcome: "how"}, Success: []string{"IN"}, Logs: []Log{text("x", "t;who;from;with;how\n2026-07-30T00:00:00Z;a@example.com;192.0.2.1;Safari/1;in\n2026-08-01T01:00:00Z;a@example.com;203.0.113.9, 10.0.0.1;curl/7;In\n")}},
	} {
		t.Run(form, func(t *testing.T) {
			o.Members = people(t, "a@example.com")
			r, _ := watch(t, o)
			if r.Read != 2 || r.Unreadable != 0 || !reflect.DeepEqual(r, want) {
				t.Errorf("%+v\nand not\n%+v", r, want)
			}
		})
	}
}

// TestUnreadable: what cannot be read is counted with its place, and never told.
func TestUnreadable(t *testing.T) {
	const secret = "hunter2"
	in := log("1h a 192.0.2.1 Safari/1 success") +
		"{\"time\":\"2026-08-01T00:00:00Z\",\"account\":\"" + secret + "\n" + // 2
		`{"time":"yesterday","account":"` + secret + `","outcome":"success"}` + "\n" +
		`{"time":"2026-08-01 00:00:00","account":"` + secret + `","outcome":"success"}` + "\n" +
		`{"time":"2026-08-01T00:00:00Z","account":"","outcome":"success"}` + "\n" +
		`{"time":"2026-08-01T00:00:00Z","account":"` + secret + `","outcome":"perhaps"}` + "\n" +
		`{"time":"2026-08-01T00:00:00Z","account":"` + secret + `","outcome":"success","ip":"` + secret + `"}` + "\n" +
		`{"time":"2026-08-01T00:00:00Z","time":"2026-08-01T00:00:00Z","account":"` + secret + `","outcome":"success"}` + "\n" + // 8
		`{"time":"2026-08-01T00:00:00Z","account":"` + strings.Repeat("x", maxLine) + "\"}\n" +
		`{"time":"2026-08-01T00:00:00Z","account":"` + strings.Repeat("x", 3*blockSize) + "\"}\n" +
		log("2h a 192.0.2.1 Safari/1 success") + "[]\n"
	r, _ := watch(t, Options{Members: people(t, "a"), Logs: []Log{text("x", in)}})
	if r.Read != 2 || r.Unreadable != 10 {
		t.Errorf("read %d, unreadable %d: %+v", r.Read, r.Unreadable, r.Problems)
	}
	want := map[Reason][2]int64{notALine: {3, 2}, badTime: {1, 3}, badZone: {1, 4}, noAccount: {1, 5}, badOutcome: {1, 6}, badAddress: {1, 7}, tooLong: {2, 9}}
	for _, p := range r.Problems {
		if want[p.Reason] != [2]int64{p.Lines, p.Line} {
			t.Errorf("%s: %d lines, the first is %d", p.Reason, p.Lines, p.Line)
		}
		delete(want, p.Reason)
	}
	if len(want) > 0 {
		t.Errorf("not said: %v", want)
	}
}

// TestNotANo: logs that say nothing are not logs without findings.
func TestNotANo(t *testing.T) {
	for what, o := range map[string]Options{
		"none":             {},
		"empty":            {Logs: []Log{text("x", "\n\n")}},
		"not a log":        {Logs: []Log{text("x", "\x00\x01\x02 secret words\n")}},
		"no time":          {Logs: []Log{text("x", "account,result\na,ok\n")}},
		"no outcome":       {Logs: []Log{text("x", "time,account\n2026-08-01T00:00:00Z,a\n")}},
		"nothing in it":    {Logs: []Log{text("x", "time,account,result\nsecret,a,ok\n")}},
		"an archive":       {Logs: []Log{text("x", "PK\x03\x04\x00\x00\x00")}},
		"broken gzip":      {Logs: []Log{text("x", "\x1f\x8b\x08broken")}},
		"two of one name":  {Logs: []Log{text("x", "time,account,result,account\n")}},
		"UTF-16":           {Logs: []Log{text("x", "\xff\xfet\x00")}},
		"another field":    {Where: map[string]string{"kind": "login"}, Logs: []Log{text("x", log("1h a 192.0.2.1 S success"))}},
		"a bad form":       {Format: "xml", Logs: []Log{text("x", log("1h a 192.0.2.1 S success"))}},
		"a bad number":     {Many: 1, Logs: []Log{text("x", log("1h a 192.0.2.1 S success"))}},
		"cannot be opened": {Logs: []Log{{"x", func(context.Context) (io.ReadCloser, error) { return nil, errors.New("it is gone") }}}},
	} {
		t.Run(what, func(t *testing.T) {
			o.Members = people(t, "a")
			_, _, err := tryWatch(t, o)
			if !errors.Is(err, ErrLogs) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("a roster without names", func(t *testing.T) {
		if _, _, err := tryWatch(t, Options{Members: people(t), Logs: []Log{text("x", log("1h a 192.0.2.1 S success"))}}); !errors.Is(err, ErrLogs) {
			t.Errorf("%v", err)
		}
	})
	t.Run("blind", func(t *testing.T) {
		r, _ := watch(t, Options{Members: people(t, "a"), Logs: []Log{text("x", "time,account,result\n2026-08-01T00:00:00Z,a,ok\n")}})
		want := []Blind{{NewForAccount, "no-address"}, {OneSource, "no-address"}, {NewForAccount, "no-history"}, {AfterFailures, "no-outcome-failed"}}
		if !reflect.DeepEqual(r.Blind, want) {
			t.Errorf("%+v", r.Blind)
		}
	})
}

// TestUnnamed: whom the roster has by no name that a log could have was not looked for, and that is said.
func TestUnnamed(t *testing.T) {
	phone, err := identity.ParsePhone("090-1234-5678", "JP")
	if err != nil {
		t.Fatal(err)
	}
	members := func(yield func(roster.Member, error) bool) {
		_ = yield(roster.Member{Accounts: []string{"a"}, MoreAccounts: 3}, nil) && yield(roster.Member{Identity: phone}, nil) && yield(roster.Member{Identity: phone, Accounts: []string{"b"}}, nil)
	}
	r, _ := watch(t, Options{Members: members, Logs: []Log{text("x", log("1h a 192.0.2.1 S success"))}})
	if r.Unnamed != 4 {
		t.Errorf("%d", r.Unnamed)
	}
}

// TestUnstated: a login of which the log does not say from where, beside others of which it does, is none that was looked at and found well.
func TestUnstated(t *testing.T) {
	in := log("-24h a 192.0.2.1 S success", "1h a 192.0.2.1 S success") + fmt.Sprintf(`{"time":%q,"account":"a","outcome":"success"}`+"\n", since.Add(2*time.Hour).Format(time.RFC3339))
	r, _ := watch(t, Options{Members: people(t, "a"), Logs: []Log{text("x", in)}})
	if r.Unstated != 1 || r.Logins != 2 || r.Suspicious != 0 {
		t.Errorf("%+v", r)
	}
	r, _ = watch(t, Options{Members: people(t, "a"), Logs: []Log{text("x", "time,account,result\n2026-08-01T00:00:00Z,a,ok\n")}})
	if r.Unstated != 0 || len(r.Blind) == 0 {
		t.Errorf("of a log that never says it: %+v", r)
	}
}

// TestOther: lines of something else are told apart from those that cannot be read.
func TestOther(t *testing.T) {
	in := strings.ReplaceAll(log("1h a 192.0.2.1 S success", "2h a 192.0.2.1 S success"), "{", `{"event":"login",`) + `{"event":"page","account":"a"}` + "\n"
	r, _ := watch(t, Options{Members: people(t, "a"), Where: map[string]string{"event": "login"}, Logs: []Log{text("x", in)}})
	if r.Read != 2 || r.Other != 1 || r.Unreadable != 0 {
		t.Errorf("%+v", r)
	}
	web := `192.0.2.1 - a [01/Aug/2026:10:00:00 +0900] "POST /login?x=1 HTTP/1.1" 302 0 "-" "S"
192.0.2.1 - a [01/Aug/2026:10:00:00 +0900] "GET /account HTTP/1.1" 200 0 "-" "S"
192.0.2.1 - - [01/Aug/2026:10:00:00 +0900] "GET / HTTP/1.1" 200 0 "-" "S"
192.0.2.1 - a [01/Aug/2026:10:00:00 +0900] "POST /login HTTP/1.1" 502 0 "-" "S"
192.0.2.1 - a [01/Aug/2026:10:00:00 +0900] "POST /login HTTP/1.1" 401 0 "-" "say \"hi\""
`
	r, _ = watch(t, Options{Members: people(t, "a"), Where: map[string]string{"method": "POST", "path": "/login"}, Logs: []Log{text("x", web)}})
	if r.Read != 2 || r.Other != 3 || r.Unreadable != 0 || r.Logins != 1 {
		t.Errorf("%+v", r)
	}
}

// TestMany: more than memory holds is sorted on disk, and gives the same.
func TestMany(t *testing.T) {
	const accounts = 20_000
	in := func(yield func(string)) {
		for i := range accounts {
			yield(log(fmt.Sprintf("-%dh a%d 192.0.2.1 Safari/1 success", i%999+1, i)))
			if i%1000 == 0 {
				yield(log(fmt.Sprintf("%dh a%d 203.0.113.%d curl/7 success", i%50, i, i/1000)))
			}
		}
	}
	var b strings.Builder
	in(func(s string) {
		for range 6 {
			b.WriteString(s)
		}
	})
	ids := make([]string, accounts)
	for i := range ids {
		ids[i] = fmt.Sprintf("a%d", i)
	}
	r, _ := watch(t, Options{Members: people(t, ids...), Memory: 1, Logs: []Log{text("x", b.String())}})
	if r.Read != 6*(accounts+20) || r.Of != 20 || r.Suspicious != 120 || r.Accounts != 20 {
		t.Errorf("%+v", r)
	}
}

// TestEnds: a run ends with its context.
func TestEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	defer w.Close()
	l := Log{"x", func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader(strings.Repeat(log("1h a 192.0.2.1 S success"), 60_000)), readerFunc(func([]byte) (int, error) {
			cancel()
			return 0, ctx.Err()
		}), r)), nil
	}}
	_, err := Watch(ctx, Options{Members: people(t, "a"), Logs: []Log{l}, Since: since, TempDir: t.TempDir()})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func FuzzLine(f *testing.F) {
	f.Add([]byte(log("1h a 192.0.2.1 Safari/1 success")), "")
	f.Add([]byte("time;account;ip;agent;result\n2026-08-01T00:00:00Z;\"a\"\"b\";[::1]:1;x;ok\n"), "")
	f.Add([]byte(`192.0.2.1 - a [01/Aug/2026:10:00:00 +0900] "POST /login HTTP/1.1" 302 0 "-" "S"`+"\n"), "combined")
	f.Add([]byte(`{"a":{"b":{"c":{"d":{"e":{"f":1}}}}}}`), "jsonl")
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, in []byte, format string) {
		r, _, err := tryWatch(t, Options{TempDir: dir, Members: people(t, "a"), Format: Format(format), Logs: []Log{text("x", string(in))}})
		if err != nil {
			return
		}
		lines := int64(0)
		for l := range bytes.SplitSeq(bytes.TrimPrefix(in, []byte("\xef\xbb\xbf")), []byte{'\n'}) {
			if len(bytes.TrimSpace(l)) > 0 {
				lines++
			}
		}
		if got := r.Read + r.Other + r.Unreadable; got != lines && got != lines-1 { // of CSV the header is none
			t.Errorf("%d lines, of which %d are told of", lines, got)
		}
		if r.Suspicious > r.Logins || r.Of > r.Accounts || r.Logins > r.Matched || r.Matched > r.Read {
			t.Errorf("%+v", r)
		}
	})
}

// TestSameAgain: the same logs give the same findings to the byte, in whatever order the machine reads them: a case keeps them once.
func TestSameAgain(t *testing.T) {
	var ids, lines []string
	for i := range 200 {
		id := fmt.Sprintf("a%03d", i)
		ids = append(ids, id)
		lines = append(lines, "-48h "+id+" 192.0.2.1 Safari/1 success", "4h "+id+" 203.0.113.9 curl/7 success", "4h "+id+" 203.0.113.9 wget/1 success", fmt.Sprintf("5h %s 203.0.113.9 robot-%d/1 failure", id, i))
	}
	many := log(lines...) + "no JSON\n" + `{"time":"yesterday","account":"a1"}` + "\n"
	first, r := "", Report{}
	for n := range 4 {
		got, detail := watch(t, Options{Members: people(t, ids...), Logs: []Log{text("x", many), text("y", log("6h a000 203.0.113.9 curl/7 success")+"neither\n")}})
		if n == 0 {
			first, r = detail, got
			continue
		}
		if detail != first || !reflect.DeepEqual(got, r) {
			t.Fatalf("run %d gave other bytes than the first", n+1)
		}
	}
	if n := strings.Count(first, `"kinds"`); n < 600 || len(r.Problems) < 2 || !strings.Contains(first, `"agent":"curl/7"`) || !strings.Contains(first, `"agent":"wget/1"`) || !strings.Contains(first, `"agent":"robot-7/1"`) {
		t.Errorf("%d were told: %+v", n, r)
	}
}
