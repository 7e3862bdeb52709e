package roster

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/encoding/japanese"

	"shirase/internal/charset"
	"shirase/internal/hint"
)

// readAll reads an export to its end: each row as its fields joined by "|", or as
// "!" and the code of its problem, after its line number.
func readAll(x *export) ([]string, error) {
	var rows []string
	var r row
	for x.next(&r) {
		if r.problem != fine {
			rows = append(rows, fmt.Sprintf("%d !%s", r.line, r.problem.code))
			continue
		}
		rows = append(rows, fmt.Sprintf("%d %s", r.line, bytes.Join(r.fields, []byte("|"))))
	}
	return rows, x.err()
}

func readText(t *testing.T, text, name string, format Format, enc charset.Encoding) (*export, []string) {
	t.Helper()
	x, err := readExport(strings.NewReader(text), name, format, enc, 0)
	if err != nil {
		t.Fatalf("%q: %v", text[:min(len(text), 200)], err)
	}
	defer x.close()
	rows, err := readAll(x)
	if err != nil {
		t.Fatalf("%q: %v", text[:min(len(text), 200)], err)
	}
	return x, rows
}

func TestDelimited(t *testing.T) {
	long := strings.Repeat("x", maxRecord)
	for _, c := range []struct {
		name, in string
		format   Format
		want     []string
	}{
		{"plain", "a,b\n1,2\n3,4\n", CSV, []string{"2 1|2", "3 3|4"}},
		{"no line feed at the end", "a,b\n1,2", CSV, []string{"2 1|2"}},
		{"CRLF", "a,b\r\n1,2\r\n3,4\r\n", CSV, []string{"2 1|2", "3 3|4"}},
		{"CR at the end", "a,b\n1,2\r", CSV, []string{"2 1|2"}},
		{"empty lines", "\n\r\na,b\n\n1,2\n\r\n\n", CSV, []string{"5 1|2"}},
		{"empty fields", "a,b\n,\n,2\n1,\n", CSV, []string{"2 |", "3 |2", "4 1|"}},
		{"quoted", "a,b\n\"1\",\"2,3\"\n", CSV, []string{"2 1|2,3"}},
		{"doubled", "a,b\n\"say \"\"hi\"\"\",\"\"\"\"\n", CSV, []string{"2 say \"hi\"|\""}},
		{"line feed in quotes", "a,b\n\"1\n2\",\"x\r\ny\"\n3,4\n", CSV, []string{"2 1\n2|x\r\ny", "5 3|4"}},
		{"empty in quotes", "a,b\n\"\",\"\"\n", CSV, []string{"2 |"}},
		{"quoted at the end", "a,b\n1,\"2\"", CSV, []string{"2 1|2"}},
		{"quoted, CR at the end", "a,b\n1,\"2\"\r", CSV, []string{"2 1|2"}},
		{"spaces are kept", "a,b\n 1 , 2\n", CSV, []string{"2  1 | 2"}},
		{"too few", "a,b\n1\n3,4\n", CSV, []string{"2 !too-few-fields", "3 3|4"}},
		{"too many", "a,b\n1,2,3\n3,4\n", CSV, []string{"2 !too-many-fields", "3 3|4"}},
		{"quote within", "a,b\n1\"x,2\n3,4\n", CSV, []string{"2 !quote", "3 3|4"}},
		{"something after the quote", "a,b\n\"1\"x,2\n3,4\n", CSV, []string{"2 !quote", "3 3|4"}},
		{"open to the end", "a,b\n1,\"2\n3,4\n5,6\n", CSV, []string{"2 !quote-open", "3 3|4", "4 5|6"}},
		{"open to the end, last line", "a,b\n3,4\n1,\"2", CSV, []string{"2 3|4", "3 !quote-open"}},
		{"open to the next quote", "a,b\n1,\"2\n3,\"4\"\n5,6\n", CSV, []string{"2 !quote", "3 3|4", "4 5|6"}},
		{"taken for one row, too many fields", "a,b\n1,\"2\nx\",3,4\n5,6\n", CSV, []string{"2 !too-many-fields", "3 !quote", "4 5|6"}},
		{"open for more than a MiB", "a,b\n1,\"2\n" + strings.Repeat("3,4\n", maxRecord/2), CSV,
			append([]string{"2 !quote-open"}, repeatRows(3, maxRecord/2, "3|4")...)},
		{"a long line", "a,b\n1," + long + "\n3,4\n", CSV, []string{"2 !row-too-long", "3 3|4"}},
		{"a long line in quotes", "a,b\n1,\"" + long + "\"\n3,4\n", CSV, []string{"2 !row-too-long", "3 3|4"}},
		{"a long last line", "a,b\n3,4\n" + long + long, CSV, []string{"2 3|4", "3 !row-too-long"}},
		{"just not too long", "a,b\n1," + long[:maxRecord-3] + "\n3,4\n", CSV, []string{"2 1|" + long[:maxRecord-3], "3 3|4"}},
		{"tabs", "a\tb\n1\t2,3\n\"4\t5\"\t6\n", TSV, []string{"2 1|2,3", "3 4\t5|6"}},
		{"a quotation mark between tabs", "a\tb\n5\" disk\tx\n", TSV, []string{"2 5\" disk|x"}},
		{"zero bytes", "a,b\n1,\x002\n", CSV, []string{"2 1|\x002"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, got := readText(t, c.in, "x", c.format, charset.UTF8)
			if !slices.Equal(got, c.want) {
				t.Errorf("%.300q\nwant %.300q", got, c.want)
			}
		})
	}
}

func repeatRows(line, n int, text string) []string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf("%d %s", line+i, text)
	}
	return rows
}

func TestJSONLines(t *testing.T) {
	x, got := readText(t, `{"id":"1","mail":"user1@example.com","n":1.50,"ok":true,"none":null,"list":[1, "x"],"会員":"山田"}
{"id":"2\u0041\n","mail":"user2@example.com","extra":1}

  {"mail":"\"","id":"3"}
{"id":"4"} {"id":"5"}
{"id":"6","id":"7"}
[1]
{"id":"8"
{"id":"9"}`+"\r\n"+`{"id":"`+strings.Repeat("x", maxRecord)+`"}
{"id":"10"}
not json
{"id":"\ud800"}
`, "x.jsonl", "", "")
	if want := []string{"id", "mail", "n", "ok", "none", "list", "会員", "extra"}; !slices.Equal(x.columns, want) {
		t.Errorf("columns %q, want %q", x.columns, want)
	}
	want := []string{
		`1 1|user1@example.com|1.50|true||[1, "x"]|山田|`, "2 2A\n|user2@example.com||||||1", "4 3|\"||||||",
		"5 !json", "6 !json-name-twice", "7 !json", "8 !json", "9 9|||||||", "10 !row-too-long", "11 10|||||||", "12 !json", "13 !json",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%.500q\nwant %.500q", got, want)
	}
}

func encoded(t testing.TB, enc charset.Encoding, s string) string {
	t.Helper()
	var out string
	var err error
	switch enc {
	case charset.ShiftJIS:
		out, err = japanese.ShiftJIS.NewEncoder().String(s)
	case charset.EUCJP:
		out, err = japanese.EUCJP.NewEncoder().String(s)
	case charset.UTF16LE, charset.UTF16BE:
		var b []byte
		for _, u := range utf16.Encode([]rune(s)) {
			if enc == charset.UTF16LE {
				b = binary.LittleEndian.AppendUint16(b, u)
			} else {
				b = binary.BigEndian.AppendUint16(b, u)
			}
		}
		out = string(b)
	default:
		out = s
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEncodings(t *testing.T) {
	const rows = "会員番号,氏名,カナ\n1,山田 太郎,ヤマダ タロウ\n2,\"高橋、髙橋\n\",ﾀｶﾊｼ\n3,ソ表十能,①㈱～\n"
	want := []string{"2 1|山田 太郎|ヤマダ タロウ", "3 2|高橋、髙橋\n|ﾀｶﾊｼ", "5 3|ソ表十能|①㈱～"}
	ascii := "a,b,c\n" + strings.Repeat("1,user1@example.com,x\n", 100_000) // 2 MiB
	for _, c := range []struct {
		name   string
		bytes  string
		stated charset.Encoding
		want   []string
	}{
		{"UTF-8", rows, "", want},
		{"UTF-8, BOM", "\ufeff" + rows, "", want},
		{"UTF-8, BOM, stated", "\ufeff" + rows, charset.UTF8, want},
		{"Shift_JIS", encoded(t, charset.ShiftJIS, rows), "", want},
		{"Shift_JIS, stated", encoded(t, charset.ShiftJIS, rows), charset.ShiftJIS, want},
		{"EUC-JP", encoded(t, charset.EUCJP, rows), "", want},
		{"EUC-JP, stated", encoded(t, charset.EUCJP, rows), charset.EUCJP, want},
		{"UTF-16LE, BOM", encoded(t, charset.UTF16LE, "\ufeff"+rows), "", want},
		{"UTF-16BE, BOM", encoded(t, charset.UTF16BE, "\ufeff"+rows), "", want},
		{"UTF-16LE, stated", encoded(t, charset.UTF16LE, rows), charset.UTF16LE, want},
		{"UTF-16BE, stated", encoded(t, charset.UTF16BE, rows), charset.UTF16BE, want},
		{"Shift_JIS after MiBs of ASCII", ascii + encoded(t, charset.ShiftJIS, "2,山田,x\n"), "", []string{"100002 2|山田|x"}},
		{"EUC-JP after MiBs of ASCII", ascii + encoded(t, charset.EUCJP, "2,山田,x\n"), "", []string{"100002 2|山田|x"}},
		{"UTF-8 after MiBs of ASCII", ascii + "2,山田,x\n", "", []string{"100002 2|山田|x"}},
		{"Shift_JIS, little of it", encoded(t, charset.ShiftJIS, "番号,b,c\n1,2,3\n"), "", []string{"2 1|2|3"}},
		{"EUC-JP, little of it", encoded(t, charset.EUCJP, "番号,b,c\n1,2,3\n"), "", []string{"2 1|2|3"}},
		{"Shift_JIS, halfwidth only", encoded(t, charset.ShiftJIS, "a,b,c\n1,ﾔﾏﾀﾞ ﾀﾛｳ,x\n2,ｽｽﾞｷ,x\n"), "", []string{"2 1|ﾔﾏﾀﾞ ﾀﾛｳ|x", "3 2|ｽｽﾞｷ|x"}},
		{"EUC-JP, halfwidth", encoded(t, charset.EUCJP, "a,b,c\n1,ﾔﾏﾀﾞ ﾀﾛｳ,x\n"), "", []string{"2 1|ﾔﾏﾀﾞ ﾀﾛｳ|x"}},
		{"Shift_JIS, a bad row", encoded(t, charset.ShiftJIS, rows) + "4,\xfd,x\n5,\x88,x\n", "", append(slices.Clone(want), "6 !encoding", "7 !encoding")},
		{"EUC-JP, a bad row", encoded(t, charset.EUCJP, rows) + "4,\xa4,x\n", "", append(slices.Clone(want), "6 !encoding")},
		{"UTF-8, a bad row", rows + "4,\xe5\xb1,x\n", "", append(slices.Clone(want), "6 !encoding")},
		{"UTF-8, the first row bad", "a,b,c\n4,\xe5\xb1,x\n" + rows[strings.Index(rows, "\n")+1:], "",
			[]string{"2 !encoding", "3 1|山田 太郎|ヤマダ タロウ", "4 2|高橋、髙橋\n|ﾀｶﾊｼ", "6 3|ソ表十能|①㈱～"}},
		{"UTF-16, half a character", encoded(t, charset.UTF16LE, "\ufeffa,b\n1,") + "\x00\xd8" + encoded(t, charset.UTF16LE, "x\n2,3\n"), "",
			[]string{"2 !encoding", "3 2|3"}},
		{"code page 932: NEC, IBM, user-defined", "a,b\n\x87\x40\xfb\xfc\xed\x95\xfa\xb1\xee\xef,\x81\x60\xf0\x40\xf0\x7e\xf0\x80\xf0\xfc\xf9\xfc\n", charset.ShiftJIS,
			[]string{"2 ①髙﨑﨑ⅰ|～\ue000\ue03e\ue03f\ue0bb\ue757"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, got := readText(t, c.bytes, "x.csv", "", c.stated)
			if got := got[max(0, len(got)-len(c.want)):]; !slices.Equal(got, c.want) {
				t.Errorf("%q\nwant %q", got, c.want)
			}
		})
	}
}

// TestDetection holds the guess against texts of the kind that exports have,
// from one name on.
func TestDetection(t *testing.T) {
	names := []string{"山田", "太郎", "東京都千代田区", "さくら", "サクラ", "鈴木一郎", "㈱例", "北海道", "佐藤 花子",
		"ヤマダ", "ニックネーム", "渡邉", "齋藤", "〒100-0001", "株式会社サンプル", "※備考", "東京", "あ", "亜", "凜"}
	for i, name := range names {
		for _, text := range []string{name, strings.Join(names[i:], ",") + "\n" + strings.Join(names[:i], ",")} {
			for _, enc := range []charset.Encoding{charset.UTF8, charset.ShiftJIS, charset.EUCJP} {
				var d charset.Decoder
				if d.Decide([]byte(encoded(t, enc, "1,"+text+",x\n")), 0); d.Encoding() != enc {
					t.Errorf("%q in %s: taken for %q, %v", text, enc, d.Encoding(), d.Err())
				}
			}
		}
	}
}

func compressed(t testing.TB, how, text string) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch how {
	case "gzip":
		w = gzip.NewWriter(&b)
	case "zstd":
		z, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		w = z
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCompressed(t *testing.T) {
	text := encoded(t, charset.ShiftJIS, "番号,名\n1,山田\n")
	for _, how := range []string{"gzip", "zstd"} {
		packed := compressed(t, how, text)
		if _, got := readText(t, packed, "x.csv.gz", "", ""); !slices.Equal(got, []string{"2 1|山田"}) {
			t.Errorf("%s: %q", how, got)
		}
		if _, got := readText(t, packed+compressed(t, how, "2,x\n"), "x.csv.zst", "", ""); !slices.Equal(got, []string{"2 1|山田", "3 2|x"}) {
			t.Errorf("%s, two parts: %q", how, got)
		}
	}
}

func TestFormats(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"x.csv", "a\tb,c\n1\t2,3\n", "2 1\t2|3"},
		{"x.CSV.GZ", "a\tb,c\n1\t2,3\n", "2 1\t2|3"},
		{"x.tsv", "a\tb,c\n1\t2,3\n", "2 1|2,3"},
		{"x.tab.zst", "a\tb,c\n1\t2,3\n", "2 1|2,3"},
		{"x.txt", "a\tb\n1\t2\n", "2 1|2"},
		{"x", "a,b\n1,2\n", "2 1|2"},
		{"x", "a\n1\n", "2 1"},
		{"x.ndjson", `{"a":1}`, "1 1"},
		{"x.json", " {\"a\":1}\n", "1 1"},
		{"x.csv", "{\"a\":1}\n", "1 1"},
		// What parts the columns is found in the rows, and said by a first line.
		{"x.csv", "a;b\n1;2\n", "2 1|2"},
		{"x.csv", "\"a\";\"b;c\"\r\n\"1,5\";\"2\"\r\n", "2 1,5|2"},
		{"x.csv", "a;b, c;d\n1;2;3,4\n", "2 1|2|3,4"},
		{"x.csv", "a,b;c\n1,2\n", "2 1|2"},
		{"x.csv", "a\tb\n1\t2\n", "2 1|2"},
		{"x.tsv", "a,b\n1,2\n", "2 1|2"},
		{"x.tsv.gz", "a;b\n1;2\n", "2 1|2"},
		{"x.csv", "sep=,\na,b;c;d\n1,2\n", "3 1|2"},
		{"x.csv", "\ufeffsep=;\r\na;b\r\n1;2\r\n", "3 1|2"},
		{"x.csv", "\"SEP=\t\"\na\tb\n1\t2,3\n", "3 1|2,3"},
		{"x.csv", "sep=;;\na;b\n1;2\n", "3 1|2"},
		{"x.csv", "sep=\na;b\n1;2\n", "3 1|2"},
		{"x.csv", "sep=a,b\n1,2\n", "2 1|2"},
	} {
		if _, got := readText(t, c.text, c.name, "", ""); !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	for name, want := range map[string]Format{"": "", "auto": "", "CSV": CSV, "tsv": TSV, "JSON Lines": JSONLines, "jsonl": JSONLines, "ndjson": JSONLines} {
		if got, err := ParseFormat(name); err != nil || got != want {
			t.Errorf("ParseFormat(%q) = %q, %v", name, got, err)
		}
	}
	for name, want := range map[string]charset.Encoding{"": "", "auto": "", "UTF-8": charset.UTF8, "utf8": charset.UTF8, "Shift_JIS": charset.ShiftJIS, "sjis": charset.ShiftJIS,
		"CP932": charset.ShiftJIS, "Windows-31J": charset.ShiftJIS, "EUC-JP": charset.EUCJP, "eucJP": charset.EUCJP, "UTF-16": charset.UTF16LE, "utf-16be": charset.UTF16BE} {
		if got, err := charset.Parse(name); err != nil || got != want {
			t.Errorf("charset.Parse(%q) = %q, %v", name, got, err)
		}
	}
	if _, err := ParseFormat("xlsx"); hint.Of(err) == "" {
		t.Errorf("ParseFormat: %v", err)
	}
	if _, err := charset.Parse("latin1"); hint.Of(err) == "" {
		t.Errorf("charset.Parse: %v", err)
	}
}

// TestBadExports: each names the place and, as far as there is one, the remedy.
func TestBadExports(t *testing.T) {
	gz := compressed(t, "gzip", "a,b\n"+strings.Repeat("1,2\n", 1000))
	zst := compressed(t, "zstd", "a,b\n"+strings.Repeat("1,2\n", 1000))
	latin := "a,b\n" + strings.Repeat("1,caf\xe9\n", 30)
	for _, c := range []struct {
		name, text   string
		format       Format
		enc          charset.Encoding
		want, remedy string
	}{
		{"empty", "", "", "", "it is empty", "written to its end"},
		{"spaces", " \n\r\n", "", "", "it is empty", "written to its end"},
		{"BOM only", "\ufeff", "", "", "it is empty", "written to its end"},
		{"empty lines, CSV", "\n\n", CSV, "", "it is empty", "written to its end"},
		{"two of a name", "a,b,a\n1,2,3\n", "", "", `line 1: columns 1 and 3 are both named "a"`, "name of its own"},
		{"two of a name that is data", "user1@example.com,b,user1@example.com\n", "", "", "columns 1 and 3 are both named (one that looks like data", "name of its own"},
		{"header with an open quote", "a,\"b\n1,2\n", "", "", "line 1: the header: a field begins with a quotation mark", "first row names the columns"},
		{"header that cannot be decoded", "a,\xff\n1,2\n", "", "", "line 1: the header: the row has bytes that are not text", "first row names the columns"},
		{"carriage returns alone", "a,b\r1,2\r3,4\r", "", "", "carriage returns alone", "tr '"},
		{"columns without end", strings.Repeat("a,", maxColumns) + "\n", "", "", "there are 2001 columns", ""},
		{"Latin-1", latin, "", "", "byte 9 is not text in UTF-8, Shift_JIS or EUC-JP", "--encoding"},
		{"Latin-1 late", "a,b\n" + strings.Repeat("1,2\n", 100) + latin[4:], "", "", "byte 409 is not text", "iconv"},
		{"binary", "a,b\n" + strings.Repeat("\x80\xff\xfe\x00", 100), "", "", "byte 7 is zero", "UTF-16"},
		{"UTF-16 without BOM", encoded(t, charset.UTF16LE, "a,b\n1,2\n"), "", "", "byte 1 is zero: it is not text, or UTF-16", "--encoding utf-16le"},
		{"ISO-2022-JP", "a,b\n1,\x1b$B;3ED\x1b(B\n", "", "", "ISO-2022-JP", "iconv -f ISO-2022-JP"},
		{"BOM against --encoding", "\ufeffa,b\n", "", charset.ShiftJIS, "--encoding says shift_jis", "leave out --encoding"},
		{"zip", "PK\x03\x04...", "", "", "zip archive or a spreadsheet", "save a spreadsheet as CSV"},
		{"xls", "\xd0\xcf\x11\xe0....", "", "", "Excel workbook", "save it as CSV"},
		{"bzip2", "BZh91AY", "", "", "bzip2 or xz", "gzip or zstd"},
		{"xz", "\xfd7zXZ\x00..", "", "", "bzip2 or xz", "gzip or zstd"},
		{"gzip, header only", "\x1f\x8b\x08", "", "", "it begins like gzip", ""},
		{"gzip, cut", gz[:len(gz)-9], "", "", "the compressed data end in the middle", "not written or copied to its end"},
		{"zstd, cut", zst[:len(zst)-3], "", "", "the compressed data end in the middle", "not written or copied to its end"},
		{"gzip, damaged", gz[:len(gz)-6] + "xxxxxx", "", "", "checksum", "it is damaged"},
		{"JSON array", ` [{"a":1}]`, "", "", "one JSON array", "jq -c '.[]'"},
		{"told to part at what cannot", "sep=|\na|b\n1|2\n", "", "", `line 1 says that columns are parted by "|"`, "commas, semicolons or tabs"},
		{"told so in Shift_JIS", encoded(t, charset.ShiftJIS, "sep=・\na・b\n1・2\n"), "", "", "line 1 says that columns are parted by", "commas, semicolons or tabs"},
		{"told two things", "sep=;\na;b\n1;2\n", TSV, "", "--format says tsv", "leave out --format"},
		{"a first line and no more", "sep=,\n", "", "", "it is empty", "written to its end"},
		{"no JSON", "a,b\n1,2\n", JSONLines, "", "no JSON object in the first lines", "--format"},
		{"JSON, first line never ends", `{"a":"` + strings.Repeat("x", 2*maxRecord), JSONLines, "", "no JSON object in the first lines", "--format"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x, err := readExport(strings.NewReader(c.text), "x", c.format, c.enc, 0)
			if err == nil {
				_, err = readAll(x)
				x.close()
			}
			if !errors.Is(err, ErrExport) || !strings.Contains(err.Error(), c.want) || !strings.Contains(hint.Of(err), c.remedy) {
				t.Errorf("%v\nhint %q\nwant %q, %q", err, hint.Of(err), c.want, c.remedy)
			}
			if err != nil && (strings.Contains(err.Error(), "user1@") || strings.ContainsAny(err.Error(), "\n")) {
				t.Errorf("it has a value or a line feed in it: %q", err)
			}
		})
	}
}

type failingReader struct {
	io.Reader
	err error
}

func (f failingReader) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err == io.EOF {
		err = f.err
	}
	return n, err
}

// TestReadFailure: what was read before a failing disk is not taken for all.
func TestReadFailure(t *testing.T) {
	broken := errors.New("input/output error")
	for _, text := range []string{"a,b\n1,2\n3,", "{\"a\":1}\n{\"a\"", ""} {
		x, err := readExport(failingReader{strings.NewReader(text), broken}, "x", "", "", 0)
		if err == nil {
			_, err = readAll(x)
		}
		if !errors.Is(err, ErrExport) || !errors.Is(err, broken) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzExport: whatever the bytes, reading ends, rows have the header's number of
// fields, all of them text, and lines are counted right.
func FuzzExport(f *testing.F) {
	for _, enc := range []charset.Encoding{charset.UTF8, charset.ShiftJIS, charset.EUCJP, charset.UTF16LE} {
		f.Add([]byte(encoded(f, enc, "番号,名\n1,\"山\n田\"\n2,\"\n")), "x.csv", "", string(enc))
		f.Add([]byte(encoded(f, enc, "番号,名\n1,山田\n")), "x", "", "")
	}
	f.Add([]byte(`{"a":"\u00e9","b":[1]}`+"\n{\"a\":null}\n"), "x.jsonl", "", "")
	f.Add([]byte("a\tb\n1\t2\n"), "x.tsv", "tsv", "")
	f.Add([]byte(compressed(f, "gzip", "a,b\n1,2\n")), "x.gz", "", "")
	f.Add([]byte(compressed(f, "zstd", "a,b\n1,2\n")), "x.zst", "", "")
	f.Fuzz(func(t *testing.T, b []byte, name, format, enc string) {
		fm, err := ParseFormat(format)
		if err != nil {
			return
		}
		e, err := charset.Parse(enc)
		if err != nil {
			return
		}
		x, err := readExport(bytes.NewReader(b), name, fm, e, 0)
		if err != nil {
			if !errors.Is(err, ErrExport) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%v", err)
			}
			return
		}
		defer x.close()
		var r row
		line := int64(0)
		for x.next(&r) {
			if r.line <= line {
				t.Fatalf("line %d after line %d", r.line, line)
			}
			line = r.line
			if r.problem != fine {
				continue
			}
			if len(r.fields) != len(x.columns) {
				t.Fatalf("line %d: %d fields for %d columns", r.line, len(r.fields), len(x.columns))
			}
			for _, field := range r.fields {
				if !utf8.Valid(field) {
					t.Fatalf("line %d: %q is not UTF-8", r.line, field)
				}
			}
		}
	})
}

// FuzzDelimited compares with encoding/csv: what that reads without an error is
// read the same.
func FuzzDelimited(f *testing.F) {
	for _, s := range []string{"a,b\n1,2\n", "a,b\r\n\"1\r\n\",\"\"\"\"\r\n", "a\n\"\"", "\n\na,\"b\"\r", "a,\"b\nc", "a,b\n1"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := csv.NewReader(bytes.NewReader(b))
		want, err := r.ReadAll()
		if err != nil || len(want) == 0 || !utf8.Valid(b) || bytes.HasPrefix(b, []byte("\ufeff")) {
			return
		}
		var stated charset.Decoder
		stated.Begin(nil, nil, charset.UTF8)
		d := &delimited{w: newWindow(bytes.NewReader(b)), enc: &stated, comma: ','}
		var got row
		for i := 0; d.next(&got); i++ {
			if d.columns == 0 {
				d.columns = len(got.fields)
			}
			if got.problem != fine || i >= len(want) || len(got.fields) != len(want[i]) {
				t.Fatalf("row %d: %q %v, want %q", i, got.fields, got.problem, want)
			}
			for j, field := range got.fields {
				// encoding/csv makes line feeds of CR LF within quotes.
				if s := strings.ReplaceAll(string(field), "\r\n", "\n"); s != want[i][j] {
					t.Fatalf("row %d, field %d: %q, want %q", i, j, s, want[i][j])
				}
			}
			if i == len(want)-1 && d.next(&got) {
				t.Fatalf("more than %d rows", len(want))
			} else if i == len(want)-1 {
				return
			}
		}
		t.Fatalf("fewer than %d rows", len(want))
	})
}
