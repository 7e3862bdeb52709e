package password

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Reasons for which a line is rejected. They are told with the line's number, never with what it holds.
const (
	reasonHash      = "does not begin with a hash of this length in hex"
	reasonSeparator = "no colon after the hash"
	reasonCount     = "the count is not a number from 1 to 2^63"
	reasonRepeated  = "the hash stood on the line before"
	reasonLong      = "longer than 1 MiB"
	reasonEncoding  = "not text in the list's encoding"
	reasonNoText    = "with characters that nobody types"
	reasonIsHash    = "a hash and not a password; $HEX[...] says that it is one"
	reasonEmpty     = "empty"
)

// maxLine bounds a line, in bytes.
const maxLine = 1 << 20

// nibbles gives the value of a hex digit, and 0xFF for what is none.
var nibbles = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xFF
	}
	for i, c := range "0123456789ABCDEF" {
		t[c] = byte(i)
	}
	for i, c := range "abcdef" {
		t[c] = byte(10 + i)
	}
	return t
}()

// parseLine reads HASH:COUNT or, being a count of 1, HASH; hash is as long as the mode's. It allocates nothing.
func parseLine(hash, line []byte) (count uint64, reason string) {
	n := 2 * len(hash)
	if len(line) < n {
		return 0, reasonHash
	}
	if !parseHex(hash, line[:n]) {
		return 0, reasonHash
	}
	rest := line[n:]
	if len(rest) == 0 {
		return 1, ""
	}
	if rest[0] != ':' {
		return 0, reasonSeparator
	}
	if rest = rest[1:]; len(rest) == 0 || len(rest) > 19 { // 2^63 has 19 digits
		return 0, reasonCount
	}
	for _, c := range rest {
		if c -= '0'; c > 9 {
			return 0, reasonCount
		}
		count = 10*count + uint64(c)
	}
	if count == 0 || count > maxCount {
		return 0, reasonCount
	}
	return count, ""
}

// parseHexGo reads the digits of as many bytes as dst has, and returns whether all
// are: 8 at a time, each step below working on 8 bytes at once.
func parseHexGo(dst, src []byte) bool {
	bad := uint64(0)
	i := 0
	for ; i+4 <= len(dst); i += 4 {
		v := binary.BigEndian.Uint64(src[2*i:])
		const ones = 0x0101010101010101
		high := v & (0x80 * ones)
		v &= 0x7F * ones
		// Per byte: is it a letter (bit 6), then its value + 9; else digit.
		letter := v >> 6 & ones
		value := v&(0x0F*ones) + 9*letter
		// Digits are 0x30 to 0x39, letters 0x41 to 0x46 and 0x61 to 0x66:
		// write each again from its value and compare.
		lower := v & (0x20 * ones) & (letter << 5)
		again := value + 0x30*ones + 7*(letter) | lower
		over := (value + 0x70*ones) & (0x80 * ones) // above 15
		// Letters, and only they, have values above 9 (@ and ` would have 9, : to ? above).
		wrong := (value + 0x76*ones ^ letter<<7) & (0x80 * ones)
		bad |= high | over | wrong | again ^ v
		value |= value >> 4
		value &= 0x00FF00FF00FF00FF
		value |= value >> 8
		value &= 0x0000FFFF0000FFFF
		binary.BigEndian.PutUint32(dst[i:], uint32(value|value>>16))
	}
	for ; i < len(dst); i++ {
		a, b := nibbles[src[2*i]], nibbles[src[2*i+1]]
		bad |= uint64((a | b) & 0xF0)
		dst[i] = a<<4 | b
	}
	return bad == 0
}

// A lineReader reads lines without a copy or an allocation a line.
type lineReader struct {
	r      io.Reader
	buf    []byte
	at     int // of the next line in buf
	end    int
	line   int64 // number of the line that next returned, from 1
	before int64 // bytes that are no longer in buf
	start  int64 // where the line that next returned begins in the text
	failed error
}

// ahead returns the next bytes, n at least unless the file ends before.
func (l *lineReader) ahead(n int) []byte {
	for l.end-l.at < n && l.failed == nil {
		l.fill()
	}
	return l.buf[l.at:l.end]
}

func newLineReader(r io.Reader) *lineReader { return &lineReader{r: r, buf: make([]byte, 256<<10)} }

var errLong = errors.New(reasonLong)

// next returns a line without its end (LF or CR LF), valid until the next call;
// io.EOF after the last. errLong is a line too long, which was skipped.
func (l *lineReader) next() ([]byte, error) {
	for {
		if i := bytes.IndexByte(l.buf[l.at:l.end], '\n'); i >= 0 {
			line := l.buf[l.at : l.at+i]
			l.start = l.before + int64(l.at)
			l.at += i + 1
			l.line++
			return trimCR(line), nil
		}
		if l.failed != nil {
			if l.failed == io.EOF && l.at < l.end {
				line := l.buf[l.at:l.end]
				l.start = l.before + int64(l.at)
				l.at = l.end
				l.line++
				return trimCR(line), nil
			}
			return nil, l.failed
		}
		if l.end-l.at > maxLine {
			return nil, l.skip()
		}
		l.fill()
	}
}

// fill reads more, behind what is not consumed yet.
func (l *lineReader) fill() {
	if l.at > 0 {
		l.before += int64(l.at)
		l.end = copy(l.buf, l.buf[l.at:l.end])
		l.at = 0
	}
	if l.end == len(l.buf) {
		l.buf = append(l.buf, make([]byte, len(l.buf))...)
	}
	for range 100 {
		n, err := l.r.Read(l.buf[l.end:])
		l.end += n
		if err != nil {
			l.failed = err
			return
		}
		if n > 0 {
			return
		}
	}
	l.failed = io.ErrNoProgress
}

// skip drops the rest of a line that is too long.
func (l *lineReader) skip() error {
	for {
		if i := bytes.IndexByte(l.buf[l.at:l.end], '\n'); i >= 0 {
			l.at += i + 1
			break
		}
		l.at = l.end
		if l.failed != nil {
			break
		}
		l.fill()
	}
	l.line++
	return errLong
}

func trimCR(line []byte) []byte {
	if n := len(line) - 1; n >= 0 && line[n] == '\r' {
		return line[:n]
	}
	return line
}

// A Format says how a file lists passwords.
type Format string

// Formats.
const (
	FormatAuto    Format = "auto"    // found out from the first lines, where these leave no doubt
	FormatOrdered Format = "ordered" // HASH:COUNT, ordered by hash
	FormatHashes  Format = "hashes"  // HASH:COUNT or HASH, in any order; the counts of equal ones are added
	FormatPlain   Format = "plain"   // a password a line, in any order
)

// ErrFormat reports a name that is no format's.
var ErrFormat = errors.New("not a format")

// ParseFormat reads the name of a format.
func ParseFormat(s string) (Format, error) {
	for _, f := range []Format{FormatAuto, FormatOrdered, FormatHashes, FormatPlain} {
		if strings.EqualFold(s, string(f)) {
			return f, nil
		}
	}
	return "", fmt.Errorf("%q is none of auto, ordered, hashes, plain: %w", s, ErrFormat)
}
