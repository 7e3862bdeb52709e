package charset

import (
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
)

func TestMail(t *testing.T) {
	const text = "宛先のメールアドレスが見つかりません。"
	in := func(e encoding.Encoding, s string) []byte {
		b, err := e.NewEncoder().Bytes([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, c := range []struct {
		name  string
		b     []byte
		label string
		want  string
	}{
		{"ASCII", []byte("User unknown"), "", "User unknown"},
		{"as stated", in(japanese.ISO2022JP, text), "iso-2022-jp", text},
		{"JIS that says ASCII", in(japanese.ISO2022JP, text), "us-ascii", text},
		{"as stated, in capitals", in(japanese.ShiftJIS, text), "Shift_JIS", text},
		{"nothing stated", in(japanese.ShiftJIS, text), "", text},
		{"stated wrongly", in(japanese.EUCJP, text), "utf-8", text},
		{"a name nobody knows", []byte(text), "x-unknown", text},
		{"of the West", in(charmap.Windows1252, "boîte pleine"), "ISO-8859-1", "boîte pleine"},
	} {
		if got := Mail(c.b, c.label); got != c.want {
			t.Errorf("%s: %q", c.name, got)
		}
	}
	if got := Mail([]byte{0xff, 0xff, 0xfe, 'a'}, "utf-8"); got == "" {
		t.Error("what nobody can read is nothing")
	}
}
