package roster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"shirase/internal/charset"
	"shirase/internal/files"
	"shirase/internal/hint"
)

// A Format is how the export's rows are written. The zero value is found out.
type Format string

const (
	CSV       Format = "csv" // what parts the columns is found out: comma, semicolon or tab
	TSV       Format = "tsv"
	JSONLines Format = "jsonl"
)

// ParseFormat reads a format's name; "" and "auto" are the zero value.
func ParseFormat(name string) (Format, error) {
	switch letters(name) {
	case "", "auto":
		return "", nil
	case "csv":
		return CSV, nil
	case "tsv", "tab":
		return TSV, nil
	case "jsonl", "ndjson", "jsonlines":
		return JSONLines, nil
	}
	return "", hint.Add(fmt.Errorf("unknown format %q", name), "use one of csv, tsv, jsonl, or auto")
}

// maxColumns bounds the header.
const maxColumns = 2000

// maxZstdWindow is the memory that decompression may take: all that zstd's
// levels up to 21 need.
const maxZstdWindow = 64 << 20

// A row is one row of the export: the columns' values as UTF-8, or the problem
// for which it is rejected.
type row struct {
	line    int64 // where it begins, from 1
	fields  [][]byte
	problem problem
}

// An export is an opened export, its header read.
type export struct {
	columns []string
	w       *window
	enc     *charset.Decoder
	rows    interface{ next(*row) bool } // *delimited or *jsonLines
	read    atomic.Int64                 // bytes of the file
	close   func()
}

// openExport opens what o names.
func openExport(ctx context.Context, o *Options) (*export, int64, error) {
	open := o.Source
	if open == nil {
		open = func(ctx context.Context) (io.ReadCloser, int64, error) {
			f, err := files.OpenInput(ctx, o.Export)
			if err != nil {
				return nil, 0, err
			}
			return f, f.Size(), nil
		}
	}
	f, size, err := open(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrExport, err)
	}
	x, err := readExport(f, filepath.Base(o.Export), o.Format, o.Encoding, o.MaxText)
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	inner := x.close
	x.close = func() { inner(); f.Close() }
	return x, size, nil
}

// readExport reads an export's form and header. name is its file's, for its
// endings.
func readExport(r io.Reader, name string, format Format, enc charset.Encoding, maxText int64) (*export, error) {
	x := &export{close: func() {}, enc: &charset.Decoder{}}
	plain, err := x.decompress(counted{r, &x.read})
	if err == nil {
		if maxText > 0 {
			plain = &unfolded{plain, maxText, maxText}
		}
		x.w = newWindow(plain)
		err = x.open(name, format, enc)
	}
	if err != nil {
		x.close()
		return nil, err
	}
	return x, nil
}

// unfolded refuses what unfolds to more than is read.
type unfolded struct {
	io.Reader
	left, most int64
}

func (u *unfolded) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	if u.left -= int64(n); u.left < 0 {
		return 0, tooMuch("it unfolds to more than %d bytes", u.most)
	}
	return n, err
}

// counted counts what is read through it.
type counted struct {
	io.Reader
	n *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// decompress looks at the first bytes: gzip and zstd are undone, other archives
// are named.
func (x *export) decompress(r io.Reader) (io.Reader, error) {
	head := make([]byte, 6)
	n, err := io.ReadFull(r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, exportError("", "%w", err)
	}
	head = head[:n]
	r = io.MultiReader(bytes.NewReader(head), r)
	is := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case is("\x1f\x8b"):
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, exportError("", "it begins like gzip, but: %w", err)
		}
		return z, nil
	case is("\x28\xb5\x2f\xfd"):
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, exportError("", "it begins like zstd, but: %w", err)
		}
		x.close = z.Close
		return z, nil
	case is("PK\x03\x04"):
		return nil, exportError("unpack it first; save a spreadsheet as CSV (UTF-8)", "it is a zip archive or a spreadsheet")
	case is("\xd0\xcf\x11\xe0"):
		return nil, exportError("save it as CSV (UTF-8)", "it is an Excel workbook")
	case is("BZh"), is("\xfd7zXZ\x00"):
		return nil, exportError("decompress it first, or compress it with gzip or zstd", "it is compressed with bzip2 or xz")
	}
	return r, nil
}

// open finds encoding and format, and reads the header.
func (x *export) open(name string, format Format, enc charset.Encoding) error {
	if err := x.openEncoding(enc); err != nil {
		return err
	}
	head := x.w.peek(64 << 10)
	if err := x.w.failure(); err != nil {
		return x.readFailure(err)
	}
	if len(bytes.TrimSpace(head)) == 0 && x.w.ended() {
		return exportError("check that it was written to its end", "it is empty")
	}
	stated := format
	if format == "" {
		var err error
		if format, err = sniffFormat(name, head); err != nil {
			return err
		}
	}
	if format == JSONLines {
		return x.openJSONLines()
	}
	d := &delimited{w: x.w, enc: x.enc, comma: ','}
	if format == TSV {
		d.comma = '\t'
	}
	told, err := x.skipSeparatorLine(head)
	switch {
	case err != nil:
		return err
	case told != 0 && stated == TSV && told != '\t':
		return exportError("leave out --format", "line 1 says that columns are parted by %q, but --format says tsv", told)
	case told != 0:
		d.comma = told
	case stated != TSV:
		d.comma = separator(x.w.peek(64<<10), x.w.ended(), d.comma)
	}
	return x.openDelimited(d)
}

// skipSeparatorLine reads the first line with which a spreadsheet is told what parts
// the columns, as in "sep=;". 0 where there is none, or it names nothing.
func (x *export) skipSeparatorLine(head []byte) (byte, error) {
	line, _, _ := bytes.Cut(head, []byte{'\n'})
	text := strings.Trim(strings.TrimRight(string(line), "\r"), `"`)
	if len(text) < 4 || !strings.EqualFold(text[:4], "sep=") {
		return 0, nil
	}
	switch said := text[4:]; {
	case said == "":
		x.w.skip(min(len(line)+1, len(head)))
		return 0, nil
	case strings.Contains(separators, said[:1]) && strings.Trim(said, said[:1]) == "":
		x.w.skip(min(len(line)+1, len(head)))
		return said[0], nil
	case len(said) <= utf8.UTFMax && !strings.ContainsAny(said, separators):
		return 0, exportError("write it with commas, semicolons or tabs between the columns",
			"line 1 says that columns are parted by %q, which is not read", said)
	}
	return 0, nil // the name of a column
}

// openEncoding sets the stated encoding, or the one of a byte order mark.
func (x *export) openEncoding(enc charset.Encoding) error {
	head := x.w.peek(4096)
	rest := io.MultiReader(bytes.NewReader(bytes.Clone(x.w.peek(0))), x.w.r)
	if x.w.ended() {
		rest = bytes.NewReader(bytes.Clone(x.w.peek(0)))
	}
	text, mark, err := x.enc.Begin(rest, head, enc)
	if err != nil {
		return textError(err)
	}
	x.w.skip(mark)
	if text != rest {
		x.w = newWindow(text)
	}
	return nil
}

// readFailure is the error for a stream that broke off.
func (x *export) readFailure(err error) error {
	if errors.Is(err, ErrExport) { // it was refused, and is not damaged
		return err
	}
	hint := "copy or make the export again: it is damaged"
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return exportError("copy or make the export again: it was not written or copied to its end",
			"line %d: the compressed data end in the middle", x.w.line)
	}
	if errors.Is(err, zstd.ErrWindowSizeExceeded) {
		hint = "compress it again without --ultra and --long"
	}
	return exportError(hint, "line %d: %w", x.w.line, err)
}

// sniffFormat goes by the first character, then by the name's ending, which may
// be wrong about what parts the columns.
func sniffFormat(name string, head []byte) (Format, error) {
	text := bytes.TrimSpace(head)
	switch {
	case len(text) > 0 && text[0] == '[':
		return "", exportError("make it one object a line: jq -c '.[]' FILE", "it is one JSON array")
	case len(text) > 0 && text[0] == '{':
		return JSONLines, nil
	}
	name = strings.ToLower(name)
	for _, end := range []string{".gz", ".zst", ".zstd"} {
		name = strings.TrimSuffix(name, end)
	}
	switch filepath.Ext(name) {
	case ".tsv", ".tab":
		return TSV, nil
	case ".jsonl", ".ndjson":
		return JSONLines, nil
	}
	return CSV, nil
}

// openDelimited reads the header row.
func (x *export) openDelimited(d *delimited) error {
	x.rows = d
	if head := x.w.peek(64 << 10); bytes.IndexByte(head, '\r') >= 0 && bytes.IndexByte(head, '\n') < 0 &&
		len(bytes.TrimRight(head, "\r")) > bytes.IndexByte(head, '\r') {
		return exportError(`convert it: tr '\r' '\n' < FILE`, "its lines end in carriage returns alone")
	}
	var header row
	if !d.next(&header) {
		if err := x.w.failure(); err != nil {
			return x.readFailure(err)
		}
		return exportError("check that it was written to its end", "it is empty")
	}
	if err := x.enc.Err(); err != nil {
		return textError(err)
	}
	if header.problem != fine {
		return exportError("the first row names the columns", "line %d: the header: %s", header.line, header.problem.text)
	}
	for _, f := range header.fields {
		x.columns = append(x.columns, strings.TrimSpace(string(f)))
	}
	d.columns = len(x.columns)
	return x.checkColumns(header.line)
}

// checkColumns refuses headers that would make one name mean two things.
func (x *export) checkColumns(line int64) error {
	if len(x.columns) > maxColumns {
		return exportError("", "line %d: there are %d columns, more than %d", line, len(x.columns), maxColumns)
	}
	seen := make(map[string]int, len(x.columns))
	for i, c := range x.columns {
		if first, ok := seen[c]; ok && c != "" {
			return exportError("give each column a name of its own",
				"line %d: columns %d and %d are both named %s", line, first+1, i+1, quoteColumn(c))
		}
		seen[c] = i
	}
	return nil
}

// next reads the next row; false at the end, or at an error that err tells.
func (x *export) next(r *row) bool { return x.enc.Err() == nil && x.rows.next(r) && x.enc.Err() == nil }

// err is why next ended before the export's end, or nil.
func (x *export) err() error {
	if err := x.enc.Err(); err != nil {
		return textError(err)
	}
	if err := x.w.failure(); err != nil {
		return x.readFailure(err)
	}
	return nil
}
