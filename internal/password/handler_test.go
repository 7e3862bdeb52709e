package password

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// bed is a server of a corpus whose range 21BD1 has 300 records and the password "P@ssw0rd".
type bed struct {
	*testing.T
	c       *Corpora
	h       http.Handler
	records []record
}

func newBed(t *testing.T) *bed {
	r := rand.New(rand.NewPCG(9, 9))
	records := random(r, SHA1, 300)
	squeeze(records, 20)
	for _, p := range []string{"P@ssw0rd", "password", "letmein", "abc123"} {
		h, _ := SHA1.Hash(p)
		records = append(records, record{string(h), 12345})
	}
	c := open(t, t.TempDir(), 0)
	put(t, c, SHA1, Replace, sorted(records))
	h, _ := NTLM.Hash("password")
	put(t, c, NTLM, Replace, []record{{string(h), 77}})
	return &bed{t, c, Handler(c, nil), sorted(records)}
}

func (b *bed) do(method, path string, head ...string) *http.Response {
	b.Helper()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(head); i += 2 {
		r.Header.Set(head[i], head[i+1])
	}
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, r)
	return w.Result()
}

func body(t testing.TB, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRangeAPI(t *testing.T) {
	b := newBed(t)
	want := wantRange(b.records, 0x21BD1)
	if want == "" || strings.HasSuffix(want, "\n") {
		t.Fatal("the test's own text")
	}
	for _, path := range []string{"/range/21BD1", "/range/21bd1", "/range/21Bd1?mode=sha1", "/range/21BD1?mode=bcrypt", "/range/21BD1?x&MODE=SHA1"} {
		res := b.do("GET", path)
		if got := body(t, res); res.StatusCode != 200 || got != want {
			t.Fatalf("%s: %d, %.100q", path, res.StatusCode, got)
		}
		for k, v := range map[string]string{"Content-Type": "text/plain", "Cache-Control": "public, max-age=3600", "Access-Control-Allow-Origin": "*",
			"Content-Length": fmt.Sprint(len(want)), "Content-Encoding": ""} {
			if res.Header.Get(k) != v {
				t.Errorf("%s: %s: %q, want %q", path, k, res.Header.Get(k), v)
			}
		}
		if res.Header.Get("ETag") == "" || res.Header.Get("Last-Modified") == "" {
			t.Error(path, "no validators")
		}
	}
	for _, path := range []string{"/range/8846f?mode=ntlm", "/range/8846F?Mode=NTLM"} {
		if got := body(t, b.do("GET", path)); got != "7EAEE8FB117AD06BDD830B7586C:77" {
			t.Errorf("%s: %q", path, got)
		}
	}
	for path, n := range map[string]int{"/range/00000": 35, "/range/00000?mode=ntlm": 27} { // empty ranges
		for _, accept := range []string{"", "gzip"} {
			res := b.do("GET", path, "Accept-Encoding", accept)
			text := body(t, res)
			if accept == "gzip" {
				text = unzip(t, []byte(text))
			}
			if res.StatusCode != 200 || text != strings.Repeat("0", n)+":0" || res.Header.Get("ETag") == "" {
				t.Errorf("%s: %d, %q", path, res.StatusCode, text)
			}
		}
	}
	head := b.do("HEAD", "/range/21BD1")
	if head.Header.Get("Content-Length") != fmt.Sprint(len(want)) || body(t, head) != "" || head.StatusCode != 200 {
		t.Errorf("HEAD: %v", head)
	}
	for path, text := range map[string]string{
		"/range/": badLength, "/range/21BD": badLength, "/range/21BD12": badLength, "/range/21BDG": badDigits, "/range/21B/1": badDigits, "/range/ZZZZZZZ": badLength,
	} {
		if res := b.do("GET", path); res.StatusCode != 400 || body(t, res) != text {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE"} {
		if res := b.do(method, "/range/21BD1"); res.StatusCode != 405 || res.Header.Get("Allow") == "" {
			t.Error(method, res.StatusCode)
		}
	}
	res := b.do("OPTIONS", "/range/21BD1", "Origin", "https://shop.example.com")
	if h := res.Header; res.StatusCode != 200 || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Methods") != "GET" ||
		h.Get("Access-Control-Allow-Headers") != "Add-Padding" || h.Get("Access-Control-Max-Age") != "1728000" {
		t.Error(res.StatusCode, h)
	}
}

func TestCodings(t *testing.T) {
	b := newBed(t)
	want := wantRange(b.records, 0x21BD1)
	decode := map[string]func(io.Reader) (string, error){
		"": func(r io.Reader) (string, error) { x, err := io.ReadAll(r); return string(x), err },
		"gzip": func(r io.Reader) (string, error) {
			x, err := io.ReadAll(r)
			return unzip(t, x), err
		},
		"br": func(r io.Reader) (string, error) { x, err := io.ReadAll(brotli.NewReader(r)); return string(x), err },
		"zstd": func(r io.Reader) (string, error) {
			z, err := zstd.NewReader(r)
			if err != nil {
				return "", err
			}
			x, err := io.ReadAll(z)
			return string(x), err
		},
	}
	tags := map[string]bool{}
	for accept, coding := range map[string]string{
		"gzip": "gzip", "gzip, deflate, br, zstd": "gzip", "br": "br", "zstd": "zstd", "gzip;q=0.5, br;q=0.9": "br", "": "", "identity": "",
		"gzip;q=0, *": "", "*": "gzip", "deflate": "", "gzip;q=0": "", "x-gzip": "gzip", "br;q=1.0, gzip;q=0.8, *;q=0.1": "br", "zstd, br": "br",
	} {
		for range 2 { // the second from what the first left
			res := b.do("GET", "/range/21BD1", "Accept-Encoding", accept)
			if res.Header.Get("Content-Encoding") != coding {
				t.Fatalf("%q: %q, want %q", accept, res.Header.Get("Content-Encoding"), coding)
			}
			if got, err := decode[coding](res.Body); err != nil || got != want {
				t.Fatalf("%q: %v", accept, err)
			}
			tag := res.Header.Get("ETag")
			tags[tag] = true
			for _, have := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
				again := b.do("GET", "/range/21BD1", "If-None-Match", have, "Accept-Encoding", accept)
				if again.StatusCode != 304 || body(t, again) != "" || again.Header.Get("ETag") != tag {
					t.Errorf("%s: %d", have, again.StatusCode)
				}
			}
		}
	}
	if len(tags) != 4 {
		t.Errorf("%d entity tags for 4 representations", len(tags))
	}
	if b.do("GET", "/range/21BD1", "If-None-Match", `"0"`).StatusCode != 200 {
		t.Error("another tag is not this one")
	}
	stamp := b.do("GET", "/range/21BD1").Header.Get("Last-Modified")
	if b.do("GET", "/range/21BD1", "If-Modified-Since", stamp).StatusCode != 304 {
		t.Error("If-Modified-Since")
	}
	// A change elsewhere leaves the range's tag as it is; one in it does not.
	before := b.do("GET", "/range/21BD1").Header.Get("ETag")
	put(t, b.c, SHA1, Replace, []record{{strings.Repeat("\x01", 20), 1}})
	if b.do("GET", "/range/21BD1").Header.Get("ETag") != before {
		t.Error("a change elsewhere changed the tag")
	}
	put(t, b.c, SHA1, Add, []record{{b.records[slices.IndexFunc(b.records, func(r record) bool { return strings.HasPrefix(r.hash, "\x21\xbd\x1f") })].hash, 1}})
	if b.do("GET", "/range/21BD1").Header.Get("ETag") == before {
		t.Error("a change of a count did not change the tag")
	}
}

func TestPadding(t *testing.T) {
	b := newBed(t)
	for _, path := range []string{"/range/21BD1", "/range/00000", "/range/8846F?mode=ntlm"} {
		var lengths []int
		for _, accept := range []string{"", "gzip", "br"} {
			res := b.do("GET", path, "Add-Padding", "TRUE", "Accept-Encoding", accept)
			text := body(t, res)
			switch accept {
			case "gzip":
				text = unzip(t, []byte(text))
			case "br":
				x, err := io.ReadAll(brotli.NewReader(strings.NewReader(text)))
				if err != nil {
					t.Fatal(err)
				}
				text = string(x)
			}
			lines := strings.Split(text, "\r\n")
			fake := 0
			var real []string
			for _, l := range lines {
				if strings.HasSuffix(l, ":0") {
					fake++
				} else {
					real = append(real, l)
				}
				if n := strings.Index(l, ":"); n != 35 && n != 27 {
					t.Fatalf("%q", l)
				}
			}
			if len(lines) < 800 || len(lines) > 1000 || fake < 10 {
				t.Errorf("%s: %d lines, %d of them made up", path, len(lines), fake)
			}
			want := body(t, b.do("GET", path))
			if strings.HasSuffix(want, "0:0") { // the line of an empty range
				want = ""
			}
			if strings.Join(real, "\r\n") != want {
				t.Error(path, "padding changed what is real")
			}
			if res.Header.Get("ETag") != "" {
				t.Error("a padded answer has a validator")
			}
			lengths = append(lengths, len(lines))
		}
		if lengths[0] == lengths[1] && lengths[1] == lengths[2] {
			t.Error("the padding is always as long", lengths)
		}
	}
}

// TestOtherReaders reads the gzip form with zlib, through node.
func TestOtherReaders(t *testing.T) {
	b := newBed(t)
	res := b.do("GET", "/range/21BD1", "Accept-Encoding", "gzip")
	cmd := exec.Command("node", "-e", `process.stdout.write(require("zlib").gunzipSync(require("fs").readFileSync(0)))`)
	cmd.Stdin = res.Body
	out, err := cmd.Output()
	if err != nil || string(out) != wantRange(b.records, 0x21BD1) {
		t.Fatal("node's zlib reads something else: ", err)
	}
}

func (b *bed) post(path, in string, out any) int {
	b.Helper()
	r := httptest.NewRequest("POST", path, strings.NewReader(in))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, r)
	if out != nil && w.Code == 200 {
		if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
			b.Fatal(err)
		}
	}
	return w.Code
}

func TestAPI(t *testing.T) {
	b := newBed(t)
	known, _ := SHA1.Hash("P@ssw0rd")
	var counts struct{ Counts []uint64 }
	if code := b.post("/password/v1/check", fmt.Sprintf(`{"hashes":["%x","%040d"]}`, known, 0), &counts); code != 200 || !slices.Equal(counts.Counts, []uint64{12345, 0}) {
		t.Fatal(code, counts)
	}
	for in, want := range map[string]int{
		`{"hashes":["21BD1"]}`: 400, `{"mode":"md5","hashes":[]}`: 400, `{"password":"letmein"}`: 400, `[]`: 400, `{"hashes":[],"hashes":[]}`: 400,
		`{"hashes":["` + strings.Repeat("a", maxBody) + `"]}`: 413,
	} {
		if code := b.post("/password/v1/check", in, nil); code != want {
			t.Errorf("%.60s: %d, want %d", in, code, want)
		}
	}
	for in, want := range map[string]int{`{"prefixes":[]}`: 400, `{"prefixes":["21BDX"]}`: 400, `{"prefixes":["21BD1","00000"]}`: 200} {
		if code := b.post("/password/v1/screen", in, nil); code != want {
			t.Errorf("%.60s: %d, want %d", in, code, want)
		}
	}
	var info struct{ Corpora []Info }
	if err := json.Unmarshal([]byte(body(t, b.do("GET", "/password/v1/corpus"))), &info); err != nil || len(info.Corpora) != 2 || info.Corpora[0].Records != int64(len(b.records)) {
		t.Fatal(err, info)
	}
	top := strings.Split(body(t, b.do("GET", "/password/v1/top?n=3")), "\r\n")
	if len(top) != 4 || !strings.HasSuffix(top[0], ":9223372036854775808") {
		t.Fatalf("%q", top)
	}
	if b.do("GET", "/password/v1/top?n=x").StatusCode != 400 || b.do("GET", "/password/v1/nothing").StatusCode != 404 || b.do("GET", "/password/v1/filter").StatusCode != 404 {
		t.Fatal("codes")
	}
	if err := b.c.BuildFilter(t.Context(), SHA1); err != nil {
		t.Fatal(err)
	}
	data := []byte(body(t, b.do("GET", "/password/v1/filter")))
	f, err := OpenFilter(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := f.Has(known); !ok || err != nil {
		t.Fatal("the filter does not know what the corpus has", err)
	}
}

func TestFilter(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	for _, n := range []int{1, 2, 3, 10, 1000, 40_000} {
		records := random(r, NTLM, n)
		c := open(t, t.TempDir(), 9000)
		put(t, c, NTLM, Replace, records)
		var b bytes.Buffer
		if err := c.Corpus(NTLM).WriteFilter(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		f, err := OpenFilter(bytes.NewReader(b.Bytes()), int64(b.Len()))
		if err != nil || f.Records != int64(len(records)) {
			t.Fatal(err)
		}
		for _, x := range records {
			if ok, err := f.Has([]byte(x.hash)); !ok || err != nil {
				t.Fatalf("%d: %x is not in the filter: %v", n, x.hash, err)
			}
		}
		wrong := 0
		for _, x := range random(r, NTLM, 20_000) {
			if ok, _ := f.Has([]byte(x.hash)); ok {
				wrong++
			}
		}
		if wrong > 20_000/256*2 {
			t.Errorf("%d: %d of 20,000 strangers are said to be in it", n, wrong)
		}
		if n == 40_000 {
			t.Logf("%.2f bits a record, wrong %d of 20,000", float64(8*b.Len())/float64(n), wrong)
		}
		if err := f.Verify(); err != nil {
			t.Fatal(err)
		}
		x := bytes.Clone(b.Bytes())
		x[len(x)-1] ^= 1
		if f, err := OpenFilter(bytes.NewReader(x), int64(len(x))); err == nil && f.Verify() == nil {
			t.Error("a flipped bit is not found")
		}
	}
}

func FuzzFilter(f *testing.F) {
	c := open(f, f.TempDir(), 0)
	put(f, c, SHA1, Replace, random(rand.New(rand.NewPCG(1, 9)), SHA1, 9))
	var b bytes.Buffer
	if err := c.Corpus(SHA1).WriteFilter(f.Context(), &b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes(), bytes.Repeat([]byte{1}, 20))
	f.Fuzz(func(t *testing.T, b, hash []byte) {
		if f, err := OpenFilter(bytes.NewReader(b), int64(len(b))); err == nil {
			f.Has(hash)
			f.Verify()
		}
	})
}

func FuzzRangeAPI(f *testing.F) {
	c := open(f, f.TempDir(), 0)
	put(f, c, SHA1, Replace, random(rand.New(rand.NewPCG(1, 9)), SHA1, 9))
	h := Handler(c, nil)
	f.Add("21BD1", "mode=ntlm", "gzip;q=0.5, br", `W/"x"`)
	f.Add(".", "", "", "")
	f.Fuzz(func(t *testing.T, prefix, query, accept, match string) {
		r := httptest.NewRequest("GET", "/range/", nil)
		r.URL.Path += prefix
		r.URL.RawQuery = query
		r.Header.Set("Accept-Encoding", accept)
		r.Header.Set("If-None-Match", match)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch w.Code {
		case 200, 304, 400:
		case 503: // there is no corpus of NTLM
			if !strings.EqualFold(r.URL.Query().Get("mode"), "ntlm") && !strings.Contains(strings.ToLower(query), "ntlm") {
				t.Fatal("a corpus that is there does not answer")
			}
		case 301, 307: // net/http cleans a path with dots or double slashes
		default:
			t.Fatal(w.Code)
		}
	})
}
