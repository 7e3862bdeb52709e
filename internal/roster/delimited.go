package roster

import (
	"bytes"

	"shirase/internal/charset"
)

// A problem is why a row is rejected: a short code for programs, and a text. It
// never holds a value.
type problem struct{ code, text string }

// Problems of the form of a row. Those of its values are in scope.go and condition.go.
var (
	fine        = problem{}
	badQuote    = problem{"quote", "a quotation mark within a field, or something after the one that ends it"}
	openQuote   = problem{"quote-open", "a field begins with a quotation mark and is not closed within 1 MiB or before the end"}
	rowTooLong  = problem{"row-too-long", "the row is longer than 1 MiB"}
	tooFew      = problem{"too-few-fields", "the row has fewer fields than the header"}
	tooMany     = problem{"too-many-fields", "the row has more fields than the header"}
	undecodable = problem{"encoding", "the row has bytes that are not text in the export's encoding"}
	badJSON     = problem{"json", "the line is not one JSON object"}
	twiceJSON   = problem{"json-name-twice", "an object in the line has a name twice"}
)

// separators are what may part columns; where the rows do not tell, the first that
// can be. None of them is ever a part of another character in the encodings that are
// read; a vertical bar is, in Shift_JIS.
const separators = ",;\t"

// separator finds what parts the columns of an export that begins with head: what
// parts the most of its first rows into as many fields as the header, then what
// parts the header into the most, then preferred.
func separator(head []byte, whole bool, preferred byte) byte {
	best, bestShare, bestFields := preferred, 0.0, 1
	for _, comma := range []byte(string(preferred) + separators) {
		if share, fields := parts(head, whole, comma); fields > 1 && (share > bestShare || share == bestShare && fields > bestFields) {
			best, bestShare, bestFields = comma, share, fields
		}
	}
	return best
}

// parts says how many fields the header has when parted by comma, and which share of
// the first rows has as many.
func parts(head []byte, whole bool, comma byte) (share float64, fields int) {
	const most = 100
	d := delimited{comma: comma}
	rows, same := 0, 0
	for rows < most && len(head) > 0 {
		if n := emptyLine(head); n > 0 {
			head = head[n:]
			continue
		}
		n, p := d.split(head, whole)
		if p == fine && n < 0 {
			break // head ends in it
		}
		if rows++; p != fine {
			n = bytes.IndexByte(head, '\n') + 1
		} else if rows == 1 {
			fields = len(d.fields)
		}
		if p == fine && len(d.fields) == fields {
			same++
		}
		if n == 0 {
			break
		}
		head = head[n:]
	}
	return float64(same) / float64(max(rows, 1)), fields
}

// A delimited reads CSV (RFC 4180) and its siblings with semicolons and tabs.
//
// encoding/csv is not used, because where a closing quotation mark is missing it
// reads on to the next one, or to the end of the file: everything between is lost
// or taken into one row. Here such a row is given up at its first line, and
// reading goes on with the next line; and a row is at most 1 MiB. Rows are split
// before they are decoded, which is right for every encoding in which the bytes of
// the delimiters are never a part of another character: UTF-8, Shift_JIS, EUC-JP.
//
// As in encoding/csv, empty lines are skipped, and a quotation mark is a mistake
// anywhere but around a whole field or doubled within one. With tabs it may stand
// anywhere but at the beginning of a field, as such files are written.
type delimited struct {
	w       *window
	enc     *charset.Decoder
	comma   byte
	columns int // of the header; 0: not read yet
	fields  [][]byte
	scratch []byte // fields whose quotation marks were undoubled
}

func (d *delimited) next(r *row) bool {
	b := d.w.peek(64 << 10)
	for n := emptyLine(b); n > 0; n = emptyLine(b) {
		d.w.skip(n)
		b = d.w.peek(64 << 10)
	}
	if len(b) == 0 {
		return false
	}
	r.line = d.w.line
	n, p := d.split(b, d.w.ended())
	if p == fine && n < 0 {
		b = d.w.peek(maxRecord + 1)
		if n, p = d.split(b, d.w.ended()); p == fine && n < 0 {
			if p = openQuote; bytes.IndexByte(b, '\n') < 0 {
				p = rowTooLong
			}
		}
	}
	if p == fine && n > maxRecord {
		p = rowTooLong
	}
	if p == fine && d.columns > 0 && len(d.fields) != d.columns {
		p = tooFew
		if len(d.fields) > d.columns {
			p = tooMany
		}
	}
	if p != fine {
		r.problem = p
		d.w.skipLine()
		return true
	}
	if d.enc.Undecided(b[:n]) {
		b = d.w.peek(maxRecord)
		d.enc.Decide(b, d.w.pos)
		d.split(b, d.w.ended())
	}
	ok := d.enc.Decode(b[:n], d.fields)
	d.w.skip(n)
	if r.fields, r.problem = d.fields, fine; !ok {
		r.problem = undecodable
	}
	return true
}

// emptyLine is the length of an empty line at the beginning of b; a carriage return
// at the end of the export is one, too.
func emptyLine(b []byte) int {
	switch {
	case len(b) > 0 && b[0] == '\n':
		return 1
	case len(b) > 0 && b[0] == '\r' && (len(b) == 1 || b[1] == '\n'):
		return min(len(b), 2)
	}
	return 0
}

// split sets fields to those of the row at the beginning of b, and returns the
// row's length with its line feed, or a problem; -1 if the row does not end in b,
// which is all there is where whole is set.
func (d *delimited) split(b []byte, whole bool) (int, problem) {
	d.fields, d.scratch = d.fields[:0], d.scratch[:0]
	line, n := b, len(b)
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		line, n = b[:i], i+1
	} else if !whole {
		return -1, fine
	}
	if bytes.IndexByte(line, '"') >= 0 {
		return d.splitQuoted(b, whole)
	}
	line = bytes.TrimSuffix(line, []byte{'\r'})
	for {
		i := bytes.IndexByte(line, d.comma)
		if i < 0 {
			d.fields = append(d.fields, line)
			return n, fine
		}
		d.fields = append(d.fields, line[:i])
		line = line[i+1:]
	}
}

func (d *delimited) splitQuoted(b []byte, whole bool) (int, problem) {
	for at := 0; ; {
		field, n, p := d.field(b[at:], whole)
		if n < 0 || p != fine {
			return -1, p
		}
		d.fields = append(d.fields, field)
		at += n
		switch {
		case at == len(b):
			return at, fine
		case b[at] == '\n':
			return at + 1, fine
		case b[at] == '\r':
			return min(at+2, len(b)), fine
		}
		at++ // the delimiter
	}
}

// field returns the field at the beginning of b and its length, up to its
// delimiter or the end of the line.
func (d *delimited) field(b []byte, whole bool) (field []byte, n int, p problem) {
	if len(b) == 0 || b[0] != '"' {
		n = bytes.IndexAny(b, string([]byte{d.comma, '\n'}))
		if n < 0 {
			if !whole {
				return nil, -1, fine
			}
			n = len(b)
		}
		if n > 0 && b[n-1] == '\r' && (n == len(b) || b[n] == '\n') {
			n--
		}
		if d.comma != '\t' && bytes.IndexByte(b[:n], '"') >= 0 {
			return nil, -1, badQuote
		}
		return b[:n], n, fine
	}
	from, start := len(d.scratch), 1
	for n = 1; ; {
		i := bytes.IndexByte(b[n:], '"')
		if i < 0 {
			if whole {
				return nil, -1, openQuote
			}
			return nil, -1, fine
		}
		if n += i + 1; n < len(b) && b[n] == '"' {
			d.scratch = append(d.scratch, b[start:n]...) // with one of the two
			n++
			start = n
			continue
		}
		if field = b[start : n-1]; len(d.scratch) > from {
			d.scratch = append(d.scratch, field...)
			field = d.scratch[from:]
		}
		switch rest := b[n:]; {
		case len(rest) == 0 && !whole, len(rest) == 1 && rest[0] == '\r' && !whole:
			return nil, -1, fine
		case len(rest) == 0, rest[0] == d.comma, rest[0] == '\n',
			rest[0] == '\r' && (len(rest) == 1 || rest[1] == '\n'):
			return field, n, fine
		}
		return nil, -1, badQuote
	}
}
