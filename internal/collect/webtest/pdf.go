// Package webtest is a small web for tests: organisations that do not exist, in the site shapes that notices are published in, whose
// words are our own. Its pages can be changed, and taken away, while somebody watches them.
package webtest

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"strings"
	"unicode/utf16"
)

// How a PDF is made.
type How int

// The ways.
const (
	Plain    How = iota
	Radicals     // its font names ideographs by radicals (⽇ for 日), as Japanese word processors do
	Upwards      // lines are written from the last to the first
	Scanned      // a picture of a page
)

// radicals are ideographs and the Kangxi radicals that look like them.
var radicals = strings.NewReplacer("日", "⽇", "月", "⽉", "人", "⼈", "方", "⽅", "一", "⼀", "入", "⼊", "用", "⽤", "生", "⽣", "見", "⾒", "金", "⾦", "長", "⻑", "民", "⺠", "子", "⼦", "行", "⾏", "手", "⼿", "水", "⽔", "止", "⽌", "大", "⼤", "文", "⽂", "高", "⾼")

// PDF makes a document of lines: one font without its shapes, whose letters a table maps to Unicode (PDF 1.7, 9.10.3).
func PDF(title, text string, how How) []byte {
	if how == Radicals {
		text = radicals.Replace(text)
	}
	var pages [][]string
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for len(lines) > 0 {
		n := min(len(lines), 40)
		pages, lines = append(pages, lines[:n]), lines[n:]
	}
	w := &pdf{}
	w.out.WriteString("%PDF-1.7\n%\xe3\xe3\xcf\xd3\n")
	kids := ""
	for i := range pages {
		kids += fmt.Sprintf("%d 0 R ", 8+2*i)
	}
	w.object(1, "<< /Type /Catalog /Pages 2 0 R >>")
	w.object(2, fmt.Sprintf("<< /Type /Pages /Kids [%s] /Count %d >>", kids, len(pages)))
	w.object(3, "<< /Type /Font /Subtype /Type0 /BaseFont /Nothing /Encoding /Identity-H /DescendantFonts [4 0 R] /ToUnicode 6 0 R >>")
	w.object(4, "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Nothing /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /FontDescriptor 5 0 R /DW 1000 >>")
	w.object(5, "<< /Type /FontDescriptor /FontName /Nothing /Flags 4 /FontBBox [0 -200 1000 900] /ItalicAngle 0 /Ascent 880 /Descent -120 /CapHeight 700 /StemV 80 >>")
	var table strings.Builder
	table.WriteString("/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Own def /CMapType 2 def 1 begincodespacerange <0000> <FFFF> endcodespacerange\n")
	for from := 0; from < 256; from += 100 { // of ranges that keep their first byte, at most a hundred at a time
		n := min(100, 256-from)
		fmt.Fprintf(&table, "%d beginbfrange\n", n)
		for hi := from; hi < from+n; hi++ {
			fmt.Fprintf(&table, "<%02X00> <%02XFF> <%02X00>\n", hi, hi, hi)
		}
		table.WriteString("endbfrange\n")
	}
	table.WriteString("endcmap end end")
	w.stream(6, "", []byte(table.String()))
	w.object(7, "<< /Title "+hexed("\uFEFF"+title)+" >>")
	for i, lines := range pages {
		resources := "<< /Font << /F1 3 0 R >> >>"
		var content []byte
		if how == Scanned {
			resources = "<< >>"
			content = []byte("q 500 0 0 700 50 50 cm BI /W 8 /H 8 /CS /G /BPC 8 ID " + strings.Repeat("\x80\xff", 32) + "\nEI Q")
		} else {
			content = show(lines, how == Upwards)
		}
		w.object(8+2*i, fmt.Sprintf("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 842 842] /Resources %s /Contents %d 0 R >>", resources, 9+2*i))
		w.stream(9+2*i, "", content)
	}
	return w.end(7)
}

func show(lines []string, upwards bool) []byte {
	var b strings.Builder
	for i := range lines {
		at := i
		if upwards {
			at = len(lines) - 1 - i
		}
		if strings.TrimSpace(lines[at]) == "" {
			continue
		}
		fmt.Fprintf(&b, "BT /F1 11 Tf 1 0 0 1 50 %d Tm %s Tj ET\n", 800-19*at, hexed(lines[at]))
	}
	return []byte(b.String())
}

func hexed(s string) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		fmt.Fprintf(&b, "%04X", u)
	}
	return "<" + b.String() + ">"
}

type pdf struct {
	out bytes.Buffer
	at  map[int]int
	max int
}

func (w *pdf) object(n int, body string) {
	if w.at == nil {
		w.at = map[int]int{}
	}
	w.at[n], w.max = w.out.Len(), max(w.max, n)
	fmt.Fprintf(&w.out, "%d 0 obj\n%s\nendobj\n", n, body)
}

func (w *pdf) stream(n int, extra string, data []byte) {
	var z bytes.Buffer
	packer := zlib.NewWriter(&z)
	packer.Write(data)
	packer.Close()
	w.object(n, fmt.Sprintf("<< /Length %d /Filter /FlateDecode %s>>\nstream\n%s\nendstream", z.Len(), extra, z.String()))
}

func (w *pdf) end(info int) []byte {
	start := w.out.Len()
	fmt.Fprintf(&w.out, "xref\n0 %d\n0000000000 65535 f \n", w.max+1)
	for n := 1; n <= w.max; n++ {
		fmt.Fprintf(&w.out, "%010d 00000 n \n", w.at[n])
	}
	fmt.Fprintf(&w.out, "trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\nstartxref\n%d\n%%%%EOF\n", w.max+1, info, start)
	return w.out.Bytes()
}
