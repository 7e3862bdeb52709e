// Package charset finds out in which encoding a text is, and reads it as UTF-8.
// Account exports and lists of passwords come in the encodings that Japanese
// systems have written for forty years, and seldom say which.
package charset

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"shirase/internal/hint"
)

// An Encoding is how bytes are text. The zero value is found out.
type Encoding string

const (
	UTF8     Encoding = "utf-8"
	UTF16LE  Encoding = "utf-16le"
	UTF16BE  Encoding = "utf-16be"
	ShiftJIS Encoding = "shift_jis" // as Windows writes it: code page 932
	EUCJP    Encoding = "euc-jp"
)

// fail is the error of a text that cannot be read: why, where, and what to do about it.
func fail(remedy, format string, args ...any) error {
	return hint.Add(fmt.Errorf(format, args...), remedy)
}

// Parse reads an encoding's name as people and programs write it; "" and "auto"
// are the zero value.
func Parse(name string) (Encoding, error) {
	letters := strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && !('a' <= r && r <= 'z' || '0' <= r && r <= '9') {
			return -1
		}
		return r
	}, strings.ToLower(name))
	switch letters {
	case "", "auto":
		return "", nil
	case "utf8", "unicode":
		return UTF8, nil
	case "utf16", "utf16le":
		return UTF16LE, nil
	case "utf16be":
		return UTF16BE, nil
	case "shiftjis", "sjis", "cp932", "ms932", "mskanji", "windows31j", "csshiftjis", "932":
		return ShiftJIS, nil
	case "eucjp", "ujis", "eucjpms", "cp51932", "xeucjp":
		return EUCJP, nil
	}
	return "", fail("use one of utf-8, utf-16le, utf-16be, shift_jis, euc-jp, or auto", "unknown encoding %q", name)
}

// A Decoder turns the fields of rows, or whole lines, into UTF-8. The zero value
// finds the encoding out.
//
// Which encoding it is may show late: files of this kind are often ASCII for
// megabytes before the first Japanese name. ASCII is the same in all three, so
// the decision is made at the first row that is not, from the bytes that follow
// it, and then holds for the whole file.
type Decoder struct {
	enc   Encoding // "" until decided
	utf16 bool     // it was UTF-16: what could not be decoded is U+FFFD by now
	tr    transform.Transformer
	buf   []byte // what was decoded
	err   error  // that Decide found: no encoding fits
}

// Begin looks at head, the first bytes of a text, and at the encoding that was
// stated for it, where one was. It returns r, which reads the text from its
// beginning on, or what reads as UTF-8 instead of it where that is UTF-16, and
// how many bytes of the returned are a mark to be passed over.
func (d *Decoder) Begin(r io.Reader, head []byte, stated Encoding) (text io.Reader, mark int, err error) {
	enc := stated
	is := func(mark string) bool { return bytes.HasPrefix(head, []byte(mark)) }
	switch {
	case is("\xef\xbb\xbf"):
		if enc != "" && enc != UTF8 {
			return nil, 0, fail("leave out --encoding, or state utf-8", "it begins with the byte order mark of UTF-8, but --encoding says %s", enc)
		}
		enc, mark = UTF8, 3
	case enc == "" && (is("\xff\xfe\x00\x00") || is("\x00\x00\xfe\xff")):
		return nil, 0, fail("convert it: iconv -f UTF-32 -t UTF-8", "it is text in UTF-32")
	case enc == "" && is("\xff\xfe"):
		enc = UTF16LE
	case enc == "" && is("\xfe\xff"):
		enc = UTF16BE
	case enc == "" && isISO2022JP(head):
		return nil, 0, fail("convert it: iconv -f ISO-2022-JP-MS -t UTF-8", "it is text in ISO-2022-JP (JIS)")
	case enc == "" && bytes.IndexByte(head, 0) >= 0:
		return nil, 0, fail("if it is UTF-16 text, say so: --encoding utf-16le (or utf-16be)",
			"byte %d is zero: it is not text, or UTF-16 without a byte order mark", bytes.IndexByte(head, 0))
	}
	switch enc {
	case UTF16LE, UTF16BE:
		// Converted as a whole: its delimiters are no single bytes. The
		// decoder takes the mark away.
		order := unicode.LittleEndian
		if enc == UTF16BE {
			order = unicode.BigEndian
		}
		d.utf16 = true
		d.enc = UTF8
		return transform.NewReader(r, unicode.UTF16(order, unicode.UseBOM).NewDecoder()), 0, nil
	case "":
	default:
		d.set(enc)
	}
	return r, mark, nil
}

// Undecided reports that the encoding must be decided to read raw.
func (d *Decoder) Undecided(raw []byte) bool { return d.enc == "" && d.err == nil && !isASCII(raw) }

// Encoding returns what was stated or decided; "" as long as everything was ASCII.
func (d *Decoder) Encoding() Encoding { return d.enc }

// Err is why a text can be read in no encoding known here, once that was decided; nil: it can.
func (d *Decoder) Err() error { return d.err }

// Decide finds the encoding from sample, which begins with the first row that is
// not ASCII; at is its position in the text, for the error.
func (d *Decoder) Decide(sample []byte, at int64) {
	if bytes.Contains(sample[:min(len(sample), 4096)], []byte("\x00")) {
		d.err = fail("if it is UTF-16 text, say so: --encoding utf-16le (or utf-16be)",
			"byte %d: there are zero bytes in it; it is not text, or UTF-16 without a byte order mark", at+int64(bytes.IndexByte(sample, 0)))
		return
	}
	best := candidate{}
	for _, c := range []candidate{scoreUTF8(sample), scoreShiftJIS(sample), scoreEUCJP(sample)} {
		if best.enc == "" || c.score > best.score {
			best = c
		}
	}
	// A few bad bytes among few are a bad row, and rejected as one.
	if best.units >= 16 && best.bad*5 > best.units {
		i := slices.IndexFunc(sample, func(b byte) bool { return b >= utf8.RuneSelf })
		d.err = fail("convert it to UTF-8 (iconv -f ENCODING -t UTF-8), or state the encoding with --encoding",
			"byte %d is not text in UTF-8, Shift_JIS or EUC-JP, and most of what follows is not", at+int64(i))
		return
	}
	d.set(best.enc)
}

func (d *Decoder) set(enc Encoding) {
	switch d.enc = enc; enc {
	case ShiftJIS:
		d.tr = japanese.ShiftJIS.NewDecoder().Transformer
	case EUCJP:
		d.tr = japanese.EUCJP.NewDecoder().Transformer
	}
}

// Decode replaces the fields of a row by their UTF-8; raw is the whole row. False
// if one of them cannot be decoded. They are valid until the next call.
func (d *Decoder) Decode(raw []byte, fields [][]byte) bool {
	if isASCII(raw) {
		return true
	}
	if d.enc == UTF8 {
		return utf8.Valid(raw) && !(d.utf16 && bytes.Contains(raw, []byte("\uFFFD")))
	}
	if d.err != nil {
		return false
	}
	d.buf = d.buf[:0]
	for i, f := range fields {
		if isASCII(f) {
			continue
		}
		from := len(d.buf)
		if !d.appendText(f) {
			return false
		}
		fields[i] = d.buf[from:]
	}
	return true
}

// appendText appends the UTF-8 of src to buf.
func (d *Decoder) appendText(src []byte) bool {
	for len(src) > 0 {
		n := len(src)
		if d.enc == ShiftJIS {
			if n = userDefined(src); n == 0 {
				// Row 95 to 114 of code page 932, two bytes each: characters
				// that an organisation drew itself, and Windows keeps in
				// Unicode's private use area in the same order.
				trail := int(src[1]) - 0x40
				if src[1] > 0x7f {
					trail--
				}
				d.buf = utf8.AppendRune(d.buf, rune(0xe000+188*(int(src[0])-0xf0)+trail))
				src = src[2:]
				continue
			}
		}
		// A character of two bytes becomes three at most; one of one, three too.
		from := len(d.buf)
		d.buf = slices.Grow(d.buf, 3*n)
		d.tr.Reset()
		nDst, nSrc, err := d.tr.Transform(d.buf[from:from+3*n], src[:n], true)
		if err != nil || nSrc != n {
			return false
		}
		d.buf = d.buf[:from+nDst]
		if bytes.Contains(d.buf[from:], []byte("\uFFFD")) { // neither encoding has it
			return false
		}
		src = src[n:]
	}
	return true
}

// userDefined is how many bytes of Shift_JIS come before the first character of
// the user-defined rows, all if there is none.
func userDefined(b []byte) int {
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c < 0x81, 0xa0 <= c && c <= 0xdf, i+1 == len(b):
			i++
		case 0xf0 <= c && c <= 0xf9 && sjisTrail(b[i+1]):
			return i
		default:
			i += 2
		}
	}
	return len(b)
}

func sjisTrail(c byte) bool { return 0x40 <= c && c <= 0xfc && c != 0x7f }

// A candidate is an encoding and how well a sample reads in it. score is higher
// the more of it is what Japanese text is made of; bad counts the units (a
// character, or a byte that begins none) that cannot be decoded.
type candidate struct {
	enc        Encoding
	score      float64
	bad, units int
}

// add counts a character of n bytes.
func (c *candidate) add(n int, weight float64) {
	c.units++
	c.score += float64(n) * weight
}

func (c *candidate) fail() {
	c.units++
	c.bad++
	c.score -= 10
}

// Weights of a byte. That bytes form valid UTF-8 is hardly ever chance; that they
// form two-byte characters often is, so there the character counts: kana are what
// every Japanese text has, kanji of the second level are rare, and halfwidth
// katakana are what EUC-JP looks like when read as Shift_JIS.
const (
	weightUTF8   = 2.0
	weightKana   = 1.8
	weightCommon = 1.4
	weightRare   = 0.3
	weightHalf   = 0.1
	weightHalves = 2.0 // EUC-JP: halfwidth katakana after others; to Shift_JIS they look like kanji
)

func scoreUTF8(b []byte) candidate {
	c := candidate{enc: UTF8}
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		switch {
		case n > 1:
			c.add(n, weightUTF8)
		case r == utf8.RuneError && len(b)-i < utf8.UTFMax && !utf8.FullRune(b[i:]):
			return c // cut off at the sample's end
		default:
			c.fail()
		}
		i += n
	}
	return c
}

func scoreShiftJIS(b []byte) candidate {
	c := candidate{enc: ShiftJIS}
	for i := 0; i < len(b); {
		switch lead := b[i]; {
		case lead < utf8.RuneSelf:
			i++
		case 0xa1 <= lead && lead <= 0xdf:
			c.add(1, weightHalf)
			i++
		case lead == 0x80, lead == 0xa0, lead > 0xfc:
			c.fail()
			i++
		case i+1 == len(b):
			return c
		case !sjisTrail(b[i+1]):
			c.fail()
			i++
		default:
			switch {
			case lead == 0x82 || lead == 0x83:
				c.add(2, weightKana)
			case lead == 0x81 || 0x88 <= lead && lead <= 0x97:
				c.add(2, weightCommon)
			case 0x85 <= lead && lead <= 0x86 || 0xeb <= lead && lead <= 0xec:
				c.fail() // rows that are empty
			case 0xf0 <= lead && lead <= 0xf9:
				c.add(2, weightHalf) // user-defined
			default:
				c.add(2, weightRare)
			}
			i += 2
		}
	}
	return c
}

func scoreEUCJP(b []byte) candidate {
	c := candidate{enc: EUCJP}
	high := func(i int) bool { return 0xa1 <= b[i] && b[i] <= 0xfe }
	for i, half := 0, false; i < len(b); {
		wasHalf := half
		half = false
		switch lead := b[i]; {
		case lead < utf8.RuneSelf:
			i++
		case lead == 0x8e || lead == 0x8f || high(i):
			n := 2
			if lead == 0x8f {
				n = 3
			}
			if i+n > len(b) {
				return c
			}
			switch {
			case !high(i+1) || n == 3 && !high(i+2) || lead == 0x8e && b[i+1] > 0xdf:
				c.fail()
				n = 1
			case lead == 0xa4 || lead == 0xa5:
				c.add(n, weightKana)
			case lead == 0xa1 || lead == 0xa3 || 0xb0 <= lead && lead <= 0xcf:
				c.add(n, weightCommon)
			case lead == 0x8e:
				if half = true; wasHalf {
					c.add(n, weightHalves)
				} else {
					c.add(n, weightHalf)
				}
			case 0xa9 <= lead && lead <= 0xac:
				c.fail() // rows that are empty
			default:
				c.add(n, weightRare)
			}
			i += n
		default:
			c.fail()
			i++
		}
	}
	return c
}

func isASCII(b []byte) bool {
	for len(b) >= 8 {
		if (uint64(b[0])|uint64(b[1])|uint64(b[2])|uint64(b[3])|uint64(b[4])|uint64(b[5])|uint64(b[6])|uint64(b[7]))&0x80 != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// isISO2022JP reports the escape sequences of JIS mail encoding. Its Japanese is
// made of ASCII bytes, delimiters among them, so that it cannot be read as rows.
func isISO2022JP(b []byte) bool {
	return bytes.Contains(b, []byte("\x1b$B")) || bytes.Contains(b, []byte("\x1b$@"))
}
