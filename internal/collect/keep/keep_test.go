package keep

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nlnwa/gowarc/v3"

	"shirase/internal/collect/webtest"
	"shirase/internal/files"
)

func TestKeep(t *testing.T) {
	dir, err := files.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	body := []byte("<p>個人情報の漏えいに関するお知らせ</p>")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(body)
	z.Close()
	binary := webtest.PDF("", strings.Repeat("個人情報の漏えいに関するお知らせ\n", 40), webtest.Plain)
	at := time.Date(2026, 11, 30, 1, 2, 3, 0, time.UTC)
	page := func() *Capture {
		return &Capture{URL: "https://aoba.example/news/1.html?a=b", Time: at, Status: 200, Agent: "shirase", Request: http.Header{"User-Agent": {"shirase"}},
			Header: http.Header{"Content-Type": {"text/html"}, "Content-Encoding": {"gzip"}, "Transfer-Encoding": {"chunked"}, "Etag": {"\"1\"\r\nX: y"}, "Set-Cookie": {"secret=1"}}, Raw: packed.Bytes(), Body: body}
	}
	for name, c := range map[string]*Capture{
		"packed": page(),
		"plain":  {URL: "https://aoba.example/", Time: at, Status: 404, Agent: "shirase", Request: http.Header{}, Header: http.Header{}, Raw: body, Body: body},
		"bytes":  {URL: "https://aoba.example/1.pdf", Time: at, Status: 200, Agent: "shirase", Request: http.Header{}, Header: http.Header{"Content-Type": {"application/pdf"}}, Raw: binary, Body: binary},
		"empty":  {URL: "https://aoba.example/", Time: at, Status: 200, Agent: "shirase", Request: http.Header{}, Header: http.Header{}},
		"file":   {URL: "file:お知らせ.pdf", Time: at, Agent: "shirase", Header: http.Header{"Content-Type": {"application/pdf"}}, Raw: body, Body: body},
	} {
		at, err := Put(dir, c)
		if err != nil || !strings.HasPrefix(at, "collect/2026/11/") {
			t.Fatalf("%s: %q, %v", name, at, err)
		}
		got, err := Get(dir, at, c.SHA256())
		if err != nil || !bytes.Equal(got, c.Body) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if _, err := Get(dir, at, strings.Repeat("0", 64)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s under another digest: %v", name, err)
		}
		again, err := Put(dir, c)
		if err != nil || again != at {
			t.Errorf("%s: kept twice: %s, %s, %v", name, at, again, err)
		}
	}
	// What a stranger's reader of the form says of it: every record of version 1.1 and right by its digests.
	name, err := Put(dir, page())
	if err != nil {
		t.Fatal(err)
	}
	data, err := dir.Get(name, maxCapture)
	if err != nil {
		t.Fatal(err)
	}
	r, err := gowarc.NewWarcFileReaderFromStream(bytes.NewReader(data), 0, gowarc.WithStrictValidation())
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := rec.WarcRecord.Block().Cache(); err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, rec.WarcRecord.Version().String()+" "+rec.WarcRecord.Type().String())
		if raw, err := rec.WarcRecord.Block().RawBytes(); err == nil {
			b, _ := io.ReadAll(raw)
			if bytes.Contains(b, []byte("\nX: y")) || bytes.Contains(b, []byte("secret=1")) || bytes.Contains(b, []byte("chunked")) {
				t.Errorf("it holds a header that it may not: %s", b)
			}
		}
		rec.Close()
	}
	if got := strings.Join(kinds, ", "); got != "WARC/1.1 warcinfo, WARC/1.1 response, WARC/1.1 request" {
		t.Errorf("records: %s", got)
	}
	data[len(data)/2] ^= 0xff
	if err := dir.Put(name, data); err != nil {
		t.Fatal(err)
	}
	if _, err := Get(dir, name, page().SHA256()); !errors.Is(err, ErrDamaged) {
		t.Errorf("a damaged one: %v", err)
	}
}
