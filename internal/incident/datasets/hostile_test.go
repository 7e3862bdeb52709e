package datasets

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"shirase/internal/incident"
)

// repeat returns text n bytes long, without holding it.
type repeat struct {
	text string
	n    int64
	at   int
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.n <= 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && r.n > 0 {
		c := copy(p[n:min(len(p), n+int(min(r.n, 1<<30)))], r.text[r.at:])
		r.at = (r.at + c) % len(r.text)
		n += c
		r.n -= int64(c)
	}
	return n, nil
}

// drain reads to the end and gives how many records and refusals there were, and the most memory that was held beyond what was held before.
func drain(t *testing.T, name string, r io.Reader, format Format) (records, refused int, peak uint64, err error) {
	t.Helper()
	runtime.GC() // what the test made is not what is measured
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before := m.HeapInuse
	in, err := Open(name, r, format, "")
	if err != nil {
		return 0, 0, 0, err
	}
	for n := 0; ; n++ {
		_, err := in.Next()
		if n%20000 == 0 {
			runtime.GC() // garbage that waits for a collector says how busy the machine is
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapInuse-min(before, m.HeapInuse))
		}
		var row *incident.RowError
		switch {
		case errors.Is(err, io.EOF):
			return records, refused, peak, nil
		case errors.As(err, &row):
			refused++
		case err != nil:
			return records, refused, peak, err
		default:
			records++
		}
	}
}

const hibpOne = `{"Name":"A","Title":"A","BreachDate":"2020-05-05","PwnCount":3,"DataClasses":["Passwords"]}`

func TestHostile(t *testing.T) {
	mib := func(n int64, text string) io.Reader { return &repeat{text: text, n: n << 20} }
	text := func(s string) io.Reader { return strings.NewReader(s) }
	for _, c := range []struct {
		name             string
		src              io.Reader
		format           Format
		records, refused int
		err              bool
	}{
		{"10 MB in a JSON text", io.MultiReader(text(`[{"Name":"`), mib(10, "x"), text(`"},`+hibpOne+`]`)), HIBP, 1, 1, false},
		{"a text never closed", io.MultiReader(text(`[{"Name":"`), mib(60, "x")), HIBP, 0, 0, true},
		{"brackets", io.MultiReader(text(`[`), mib(8, "["), text(`]`)), HIBP, 0, 0, true},
		{"nested within the limit of bytes", text("[" + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + "," + hibpOne + "]"), HIBP, 1, 1, false},
		{"white space", io.MultiReader(text(`[`), mib(8, " ")), HIBP, 0, 0, true},
		{"a bracket too many", text("[" + hibpOne + "]]"), HIBP, 1, 0, true},
		{"no comma", text("[" + hibpOne + hibpOne + "]"), HIBP, 1, 0, true},
		{"two commas", text("[" + hibpOne + ",," + hibpOne + "]"), HIBP, 1, 0, true},
		{"cut short", text("[" + hibpOne + ","), HIBP, 1, 0, true},
		{"a line feed in a text", text("[{\"Name\":\"a\nb\"}]"), HIBP, 0, 0, true},
		{"duplicate members", text(`[{"Name":"A","Name":"B"}]`), HIBP, 0, 1, false},
		{"not UTF-8", text("[{\"Name\":\"\xff\"}]"), HIBP, 0, 1, false},
		{"lines", text(hibpOne + "\n" + hibpOne + "\n"), HIBP, 2, 0, false},
		{"10 MB on a line of CSV", io.MultiReader(text(washingtonHeader), mib(10, "x"), text("\n"+`,,,,,"Alpha","1",,,,,`+"\n")), WashingtonAG, 1, 1, false},
		{"a quotation mark never closed", io.MultiReader(text(washingtonHeader+`"`), mib(20, "x")), WashingtonAG, 0, 1, false},
		{"a quotation mark closed late", io.MultiReader(text(washingtonHeader+`"`), mib(2, ",,,,,Alpha,1,,,,,\n"), text("\n\"\n"+`,,,,,"Beta","2",,,,,`+"\n")), WashingtonAG, -1, -1, false},
		{"a header of 10 MB", mib(10, "x"), WashingtonAG, 0, 0, true},
		{"nothing", text(""), "", 0, 0, true},
		{"binary", text("\x00\x01\x02"), "", 0, 0, true},
		{"facts of 10 MB", mib(10, "x: y\n"), Shirase, 0, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			records, refused, peak, err := drain(t, "h", c.src, c.format)
			if c.records >= 0 && records != c.records || c.records < 0 && records < 100_000 || c.refused >= 0 && refused != c.refused || (err != nil) != c.err {
				t.Errorf("%d records, %d refused, %v", records, refused, err)
			}
			if peak > 100<<20 {
				t.Errorf("%d MiB", peak>>20)
			}
		})
	}
}

// TestMarks holds that what would read differently from what it is does not become a fact.
func TestMarks(t *testing.T) {
	for _, title := range []string{"A\u202eB", "A\u200bB", "A\u0000B", "A\u0085B\u2066"} {
		src := fmt.Sprintf(`[{"Name":"A","Title":%q,"BreachDate":"2020-05-05","PwnCount":3,"DataClasses":[]}]`, title)
		src = strings.NewReplacer(`\x00`, `\u0000`).Replace(src)
		in, err := Open("m", strings.NewReader(src), HIBP, "")
		if err != nil {
			t.Fatal(err)
		}
		rec, err := in.Next()
		if err != nil {
			t.Fatal(err)
		}
		bad := 0
		for _, f := range rec.Facts {
			if f.Check() != nil {
				bad++
			}
		}
		if bad == 0 {
			t.Errorf("%q became a fact", title)
		}
	}
}

func TestCompressed(t *testing.T) {
	pack := func(write func(w io.Writer) io.WriteCloser, r io.Reader) io.Reader {
		var b bytes.Buffer
		w := write(&b)
		if _, err := io.Copy(w, r); err != nil {
			t.Fatal(err)
		}
		w.Close()
		return &b
	}
	gz := func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }
	zs := func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z }
	for name, write := range map[string]func(io.Writer) io.WriteCloser{"gzip": gz, "zstd": zs} {
		if records, _, _, err := drain(t, name, pack(write, strings.NewReader("["+hibpOne+"]")), ""); records != 1 || err != nil {
			t.Errorf("%s: %d, %v", name, records, err)
		}
		bomb := pack(write, io.MultiReader(strings.NewReader(`[{"Name":"`), &repeat{text: "x", n: 200 << 20}, strings.NewReader(`"}]`)))
		if _, _, _, err := drain(t, name, bomb, HIBP); !errors.Is(err, ErrSource) || !strings.Contains(err.Error(), "expands") {
			t.Errorf("%s: a bomb: %v", name, err)
		}
		var whole bytes.Buffer
		io.Copy(&whole, pack(write, strings.NewReader("["+hibpOne+"]")))
		if _, _, _, err := drain(t, name, bytes.NewReader(whole.Bytes()[:whole.Len()-6]), HIBP); err == nil {
			t.Errorf("%s: cut short and taken", name)
		}
	}
}

// TestLarge streams much more than is ever held.
func TestLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("streams 100 MiB")
	}
	one := strings.Replace(hibpOne, `"DataClasses"`, `"Description":"`+strings.Repeat("x", 4000)+`","DataClasses"`, 1) + "\n"
	records, refused, peak, err := drain(t, "large", &repeat{text: one, n: int64(len(one)) * 24000}, HIBP)
	if records != 24000 || refused != 0 || err != nil || peak > 60<<20 {
		t.Errorf("%d records, %d refused, %d MiB, %v", records, refused, peak>>20, err)
	}
}

// fuzz feeds one reader and holds what every reader holds: it ends, and what it gives is checked without a panic.
func fuzz(f *testing.F, format Format, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		in, err := Open("fuzz", bytes.NewReader(src), format, "")
		if err != nil {
			return
		}
		for n := 0; ; n++ {
			rec, err := in.Next()
			var row *incident.RowError
			if errors.As(err, &row) {
				if row.Reason == "" || row.File == "" {
					t.Fatalf("refused without reason or place: %+v", row)
				}
			} else if err != nil {
				return
			}
			for _, fact := range rec.Facts {
				fact.Check()
			}
			if n > len(src) {
				t.Fatal("more rows than bytes")
			}
		}
	})
}

func FuzzHIBP(f *testing.F) { fuzz(f, HIBP, hibpSample, "["+hibpOne+"]", hibpOne+hibpOne, "[[[") }

func FuzzWashington(f *testing.F) {
	fuzz(f, WashingtonAG, washingtonHeader+`"2021 Feb 04 12:00:00 AM",,"Cyberattack",,,"Alpha","1,001","Other","1,234","Business","Shipping","WA "`+"\n", washingtonHeader+"\"")
}

func FuzzVERIS(f *testing.F) {
	fuzz(f, VERIS, `{"incident_id":"1","schema_version":"1.4","timeline":{"incident":{"year":2024}},"plus":{"shirase":{"sha256":"","incident":{"v":1,"id":"a","facts":[]}}}}`,
		`{"incident_id":"1","schema_version":"1.4","timeline":{"incident":{"year":2024,"month":2,"day":29},"discovery":{"unit":"Days","value":1e9}},"action":{"error":{}},"victim":{"industry":"5415"}}`)
}

func FuzzOwnCSV(f *testing.F) {
	fuzz(f, CSV, "id,key,item,ja,number,unit,time,as_of\na,title,,x,,,,\na,affected.count,,,3,persons,,2026-04-01\nb,discovered,,,,,2026-04,\n", "id,key\n\"a\nb\",\n")
}

func FuzzOwnJSON(f *testing.F) {
	fuzz(f, Shirase, `[{"v":1,"id":"a","facts":[{"key":"title","value":{"text":{"ja":"x","en":"y"}},"certainty":"confirmed","asOf":"2026-04-01Z"}]}]`, "id: a\nfacts: [{key: title, value: x}]\n")
}

func FuzzDetect(f *testing.F) {
	fuzz(f, "", hibpSample, washingtonHeader, "id,key\n", "\x1f\x8b\x08", "(\xb5/\xfd", "PK\x03\x04", "PK\x05\x06"+strings.Repeat("\x00", 18))
}
