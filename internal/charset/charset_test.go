package charset

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"

	"shirase/internal/hint"
)

// encoded writes s in an encoding.
func encoded(t testing.TB, enc Encoding, s string) string {
	t.Helper()
	var err error
	switch enc {
	case ShiftJIS:
		s, err = japanese.ShiftJIS.NewEncoder().String(s)
	case EUCJP:
		s, err = japanese.EUCJP.NewEncoder().String(s)
	case UTF16LE:
		s, err = unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewEncoder().String(s)
	case UTF16BE:
		s, err = unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM).NewEncoder().String(s)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestLines reads lists in every encoding, whether it is stated or found out.
func TestLines(t *testing.T) {
	const text = "letmein\nパスワード\n桜吹雪2026\n"
	for _, c := range []struct {
		bytes  string
		stated Encoding
		found  Encoding
	}{
		{text, "", UTF8}, {"\ufeff" + text, "", UTF8}, {"\ufeff" + text, UTF8, UTF8},
		{encoded(t, UTF16LE, "\ufeff"+text), "", UTF8}, {encoded(t, UTF16BE, "\ufeff"+text), "", UTF8}, {encoded(t, UTF16LE, text), UTF16LE, UTF8},
		{encoded(t, ShiftJIS, text), "", ShiftJIS}, {encoded(t, EUCJP, text), "", EUCJP}, {encoded(t, EUCJP, text), EUCJP, EUCJP},
	} {
		var d Decoder
		r, mark, err := d.Begin(strings.NewReader(c.bytes), []byte(c.bytes), c.stated)
		if err != nil {
			t.Fatalf("%q: %v", c.bytes, err)
		}
		all, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all = all[mark:]
		var got strings.Builder
		for line := range bytes.Lines(all) {
			if d.Undecided(line) {
				d.Decide(line, 0)
			}
			fields := [][]byte{line}
			if !d.Decode(line, fields) {
				t.Fatalf("%q, stated %q: %q cannot be decoded", c.bytes, c.stated, line)
			}
			got.Write(fields[0])
		}
		if got.String() != text || d.Encoding() != c.found || d.Err() != nil {
			t.Errorf("%q, stated %q: %q in %q, %v", c.bytes, c.stated, got.String(), d.Encoding(), d.Err())
		}
	}
}

// TestRefused names what is no text known here, and says what to do.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		bytes  string
		stated Encoding
		want   string
	}{
		{"\ufeffabc", ShiftJIS, "byte order mark"}, {"\xff\xfe\x00\x00a\x00\x00\x00", "", "UTF-32"}, {"\x00\x00\xfe\xff\x00\x00\x00a", "", "UTF-32"},
		{"a\x00b\x00", "", "byte 1 is zero"}, {"\x1b$B;3ED\x1b(B\n", "", "ISO-2022-JP"},
	} {
		var d Decoder
		_, _, err := d.Begin(strings.NewReader(c.bytes), []byte(c.bytes), c.stated)
		if err == nil || !strings.Contains(err.Error(), c.want) || hint.Of(err) == "" {
			t.Errorf("%q: %v", c.bytes, err)
		}
	}
	var d Decoder
	d.Decide([]byte(strings.Repeat("caf\xe9\n", 30)), 7)
	if err := d.Err(); err == nil || !strings.Contains(err.Error(), "byte 10 is not text") || hint.Of(err) == "" || d.Encoding() != "" {
		t.Error(d.Err())
	}
	if _, err := Parse("latin1"); err == nil {
		t.Error("latin1 is no encoding known here")
	}
}
