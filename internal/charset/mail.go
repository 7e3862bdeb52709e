package charset

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"
)

// Mail reads a text of mail, or a word of a header, as UTF-8. label is the character set that it states (RFC 2045, 5.1), which is
// often wrong and often missing: bytes that are not of it are read as what they look like. It always gives text: what cannot be
// read is U+FFFD.
func Mail(b []byte, label string) string {
	if isISO2022JP(b) {
		return decode(japanese.ISO2022JP, b)
	}
	if isASCII(b) {
		return string(b)
	}
	var stated encoding.Encoding
	switch name := strings.ToLower(strings.TrimSpace(label)); name {
	case "iso-8859-1", "iso8859-1", "latin1", "windows-1252", "cp1252":
		stated = charmap.Windows1252 // as browsers read what says ISO-8859-1
	case "iso-8859-15", "iso8859-15":
		stated = charmap.ISO8859_15
	case "iso-8859-2":
		stated = charmap.ISO8859_2
	default:
		if enc, err := Parse(name); err == nil {
			stated = enc.encoding()
		}
	}
	if stated != nil {
		if text := decode(stated, b); !strings.ContainsRune(text, utf8.RuneError) {
			return text
		}
	}
	if utf8.Valid(b) {
		return string(b)
	}
	if scoreEUCJP(b).score > scoreShiftJIS(b).score {
		return decode(japanese.EUCJP, b)
	}
	return decode(japanese.ShiftJIS, b)
}

func decode(enc encoding.Encoding, b []byte) string {
	out, err := enc.NewDecoder().Bytes(b)
	if err != nil {
		return strings.ToValidUTF8(string(b), "�")
	}
	return string(out)
}

// encoding gives how an encoding that was stated or found out is read; nil where none was.
func (e Encoding) encoding() encoding.Encoding {
	switch e {
	case UTF8:
		return unicode.UTF8
	case UTF16LE:
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM)
	case UTF16BE:
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM)
	case ShiftJIS:
		return japanese.ShiftJIS
	case EUCJP:
		return japanese.EUCJP
	}
	return nil
}
