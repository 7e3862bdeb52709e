package password

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"shirase/internal/charset"
	"shirase/internal/extsort"
	"shirase/internal/files"
	"shirase/internal/hint"
)

// ErrRejects says that too many lines of a file cannot be read.
var ErrRejects = errors.New("too many lines cannot be read")

// ImportOptions say how to import a file.
type ImportOptions struct {
	Mode     Mode // of the hashes in the file, or of those made of its passwords
	Format   Format
	Fold     Fold             // what becomes of passwords that are in the corpus already
	Encoding charset.Encoding // of a list of passwords; "": found out
	Name     string           // by which the import is remembered; ImportFile says the file's

	// Rejected is told of each line that cannot be read, never of what is in
	// it; nil: nobody is. More than MaxRejects (a share, 0 being none) of the
	// lines, and at least one in the first thousand, stop the import with
	// nothing changed.
	Rejected   func(line int64, reason string)
	MaxRejects float64

	TempDir  string                  // for sorting; "" is the system's
	Memory   int64                   // for sorting, in bytes; 0: 256 MiB
	Progress func(done, total int64) // bytes of the file; total 0: not known
}

// Import is what an import did.
type Import struct {
	ID       int64            `json:"import,omitzero"` // by which [Corpora.Remove] takes it back
	Format   Format           `json:"format"`
	Encoding charset.Encoding `json:"encoding,omitzero"` // where it is not ASCII
	Lines    int64            `json:"lines"`
	Rejected int64            `json:"rejected"`
	Change
}

// ImportFile imports a file, plain or compressed with gzip or zstd.
func (c *Corpora) ImportFile(ctx context.Context, name string, o ImportOptions) (Import, error) {
	f, err := files.OpenInput(ctx, name)
	if err != nil {
		return Import{}, fmt.Errorf("import: %w", err)
	}
	defer f.Close()
	o.Name = cmpOr(o.Name, filepath.Base(name))
	out, err := c.Import(ctx, f, f.Size(), o)
	if err != nil {
		return out, fmt.Errorf("import %s: %w", name, err)
	}
	return out, nil
}

// Import imports what r reads, total bytes where that is known. The corpus
// changes at the end and as a whole, or not at all. A file that is something else
// than the format says, or of which nobody can be sure what it is, is an [ErrList].
func (c *Corpora) Import(ctx context.Context, r io.Reader, total int64, o ImportOptions) (Import, error) {
	if o.Mode != SHA1 && o.Mode != NTLM {
		return Import{}, ErrMode
	}
	in := &importer{ctx: ctx, o: o, count: &counter{r: r}, total: total, out: Import{Format: o.Format},
		own: newSpotter(commonHashes(o.Mode)), foreign: newSpotter(otherHashes(o.Mode))}
	plain, close, err := decompress(in.count)
	if err != nil {
		return in.out, err
	}
	defer close()
	if err := in.open(plain); err != nil {
		return in.out, err
	}
	if o.Fold == ByFormat {
		o.Fold = Replace
		if in.out.Format == FormatPlain {
			o.Fold = Add
		}
	}
	w, err := c.write(ctx, o.Mode, o.Fold)
	if err != nil {
		return in.out, err
	}
	defer w.close()
	w.remember(o.Name, in.out.Format)
	if in.out.Format == FormatOrdered {
		err = in.ordered(w)
	} else {
		err = in.sorted(w)
	}
	if err == nil {
		err = in.fits()
	}
	if err != nil {
		return in.out, err
	}
	in.out.Change, err = w.commit()
	if in.out.Encoding = in.text.Encoding(); in.out.Format != FormatPlain {
		in.out.Encoding = ""
	}
	in.out.ID = w.undo.entry.ID
	return in.out, err
}

// importer is the state of one import.
type importer struct {
	ctx   context.Context
	o     ImportOptions
	count *counter
	total int64
	text  charset.Decoder
	field [1][]byte // what text decodes
	lines *lineReader
	out   Import

	own, foreign spotter // the commonest passwords, by the mode's hashes and by others
}

// counter counts the bytes of the file itself, compressed or not.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// decompress looks at the first bytes for what they are.
func decompress(r io.Reader) (io.Reader, func(), error) {
	b := bufio.NewReaderSize(r, 256<<10)
	magic, err := b.Peek(512)
	if err != nil && err != io.EOF {
		return nil, nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, nil, err
		}
		return z, func() { z.Close() }, nil
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return b, func() {}, nil
}

const (
	sampleBytes = 256 << 10
	sampleLines = 1000
)

// open finds out what the text is: what it is written in, and what its lines are.
func (in *importer) open(r io.Reader) error {
	b := bufio.NewReaderSize(r, 64<<10)
	head, err := b.Peek(4096)
	if err != nil && err != io.EOF {
		return fmt.Errorf("line 1: %w", err)
	}
	if err := contained(head); err != nil {
		return err
	}
	text, mark, err := in.text.Begin(b, head, in.o.Encoding)
	if err != nil {
		return noText(err)
	}
	b.Discard(mark) // it is in the buffer
	in.lines = newLineReader(text)
	sample := in.lines.ahead(sampleBytes)
	if f := in.lines.failed; f != nil && f != io.EOF {
		return fmt.Errorf("line %d: %w", bytes.Count(sample, []byte{'\n'})+1, f)
	}
	if len(bytes.TrimSpace(sample)) == 0 && in.lines.failed == io.EOF {
		return refuse("was it written, copied and downloaded to its end?", "it is empty")
	}
	if bytes.IndexByte(sample, '\n') < 0 && bytes.IndexByte(bytes.TrimRight(sample, "\r"), '\r') >= 0 {
		return refuse(`convert it: tr '\r' '\n' < FILE`, "its lines end in carriage returns alone")
	}
	var l looks
	for line := range bytes.Lines(sample) {
		if line = bytes.TrimPrefix(bytes.TrimRight(line, "\r\n"), byteOrderMark); len(line) > 0 && len(line) <= maxLine {
			l.look(line)
		}
		if l.lines == sampleLines {
			break
		}
	}
	return in.decide(&l)
}

// byteOrderMark is what some programs begin a file with, and each part of one that was put together of several.
var byteOrderMark = []byte("\ufeff")

// decide makes sure of the format.
func (in *importer) decide(l *looks) error {
	hashed := l.hashed()
	switch f := in.o.Format; {
	case f == FormatPlain:
		return l.noPasswords(in.o.Mode)
	case hashed > 0:
		if err := wrongHashes(hashed, in.o.Mode); err != nil {
			return err
		}
		if !l.first { // what the columns are called
			in.lines.next()
		}
		if f == FormatOrdered || f == FormatHashes {
			return nil
		}
		in.out.Format = FormatHashes
		if bytes.IndexByte(in.firstLine(), ':') >= 0 {
			in.out.Format = FormatOrdered
		}
		return nil
	case f == FormatOrdered || f == FormatHashes:
		return nil // each line is looked at
	}
	if err := l.noPasswords(in.o.Mode); err != nil {
		return err
	}
	if !l.plain() {
		return refuse("if each of its lines is a password, say so: --format plain", "its lines are no hashes, and not beyond doubt passwords")
	}
	in.out.Format = FormatPlain
	return nil
}

// firstLine is the next line, which stays the next.
func (in *importer) firstLine() []byte {
	line, _, _ := bytes.Cut(in.lines.ahead(maxLine), []byte{'\n'})
	return line
}

// next returns the next line; nil at the end.
func (in *importer) next() ([]byte, error) {
	for {
		line, err := in.lines.next()
		if in.lines.line&0xFFFF == 0 {
			if err := in.ctx.Err(); err != nil {
				return nil, err
			}
			if in.o.Progress != nil {
				in.o.Progress(in.count.n, in.total)
			}
		}
		switch {
		case err == nil:
			in.out.Lines++
			return line, nil
		case err == io.EOF:
			return nil, in.enough(true)
		case err == errLong:
			in.out.Lines++
			if err := in.reject(reasonLong); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("line %d: %w", in.lines.line+1, err)
		}
	}
}

// reject counts a line that cannot be read.
func (in *importer) reject(reason string) error {
	in.out.Rejected++
	if in.o.Rejected != nil {
		in.o.Rejected(in.lines.line, reason)
	}
	if err := in.enough(in.out.Lines >= 1000); err != nil {
		return fmt.Errorf("%w; line %d: %s", err, in.lines.line, reason)
	}
	return nil
}

// enough judges the share of rejects, once enough lines are known.
func (in *importer) enough(known bool) error {
	if known && float64(in.out.Rejected) > in.o.MaxRejects*float64(in.out.Lines) {
		return hint.Add(fmt.Errorf("%w: %d of %d", ErrRejects, in.out.Rejected, in.out.Lines),
			"is it the right --format and --hash? --max-rejects 0.05 allows one line in twenty")
	}
	return nil
}

// ordered folds a file in that is sorted already.
func (in *importer) ordered(w *writer) error {
	hash := make([]byte, in.o.Mode.Size())
	for {
		line, err := in.next()
		if line == nil || err != nil {
			return err
		}
		count, reason := parseListed(hash, line)
		if reason == "" && bytes.Equal(hash, w.last) {
			reason = reasonRepeated
		}
		if reason != "" {
			if err := in.reject(reason); err != nil {
				return err
			}
			continue
		}
		in.spot(hash)
		if err := w.add(hash, count); err != nil {
			if errors.Is(err, ErrOrder) {
				return hint.Add(fmt.Errorf("line %d: %w", in.lines.line, err), "--format hashes sorts them first")
			}
			return err
		}
	}
}

// sorted sorts hashes with counts, or the hashes of passwords, and folds them in.
func (in *importer) sorted(w *writer) error {
	temp, memory := in.o.TempDir, in.o.Memory
	if temp == "" {
		temp = os.TempDir()
	}
	if memory == 0 {
		memory = 256 << 20
	}
	s, err := extsort.New(in.ctx, temp, memory)
	if err != nil {
		return err
	}
	defer s.Close()
	size := in.o.Mode.Size()
	rec := make([]byte, size, size+10)
	for {
		line, err := in.next()
		if err != nil {
			return err
		}
		if line == nil {
			break
		}
		reason := ""
		if in.out.Format == FormatPlain {
			if rec, reason, err = in.plain(rec[:0], line); err != nil {
				return err
			}
		} else {
			var count uint64
			if count, reason = parseListed(rec[:size], line); reason == "" && count != 1 {
				rec = appendCount(rec[:size], count)
			} else {
				rec = rec[:size]
			}
		}
		if reason != "" {
			rec = rec[:size]
			if err := in.reject(reason); err != nil {
				return err
			}
			continue
		}
		if err := s.Add(rec); err != nil {
			return err
		}
	}
	return in.unite(w, s, size)
}

// unite folds sorted records in, adding the counts of equal ones.
func (in *importer) unite(w *writer, s *extsort.Sorter, size int) error {
	var hash []byte
	var count uint64
	n := 0
	for rec, err := range s.Sorted() {
		if err != nil {
			return err
		}
		if n++; n&0xFFFF == 0 && in.ctx.Err() != nil {
			return in.ctx.Err()
		}
		if hash != nil && bytes.Equal(hash, rec[:size]) {
			count = sum(count, recCount(rec[size:]))
			continue
		}
		if hash != nil {
			in.spot(hash)
			if err := w.add(hash, count); err != nil {
				return err
			}
		}
		hash, count = append(hash[:0], rec[:size]...), recCount(rec[size:])
	}
	if hash == nil {
		return nil
	}
	in.spot(hash)
	return w.add(hash, count)
}

// parseListed is parseLine for a line that may begin with a byte order mark: some
// programs put one before each of the parts that they append to a file.
func parseListed(hash, line []byte) (count uint64, reason string) {
	if count, reason = parseLine(hash, line); reason != "" && bytes.HasPrefix(line, byteOrderMark) {
		return parseLine(hash, line[len(byteOrderMark):])
	}
	return count, reason
}

// spot looks whether the commonest passwords are among the hashes, which come in ascending order.
func (in *importer) spot(hash []byte) {
	h := top(hash)
	if h >= in.own.next {
		in.own.see(hash, h)
	}
	if h >= in.foreign.next {
		in.foreign.see(hash, h)
	}
}

// fits refuses a list of hashes of which it shows at its end that they are of another kind.
func (in *importer) fits() error {
	if in.foreign.found == 0 || in.own.found > 0 || in.out.Format == FormatPlain {
		return nil
	}
	what := "MD5 of UTF-8, and not NTLM"
	if in.o.Mode == SHA1 {
		what = "SHA-1 of SHA-1, as MySQL stores it"
	}
	return refuse("only SHA-1 and NTLM hashes can be used, and passwords themselves", "its hashes are %s: %d of the commonest passwords are in it so, and none otherwise", what, in.foreign.found)
}

// plain makes the record of a password. $HEX[...] is how lists write one that no line can hold.
func (in *importer) plain(rec, line []byte) ([]byte, string, error) {
	line = bytes.TrimPrefix(line, byteOrderMark)
	if len(line) == 0 {
		return rec, reasonEmpty, nil
	}
	if inner, ok := bytes.CutPrefix(line, []byte("$HEX[")); ok && line[len(line)-1] == ']' {
		if b, err := hex.DecodeString(string(inner[:len(inner)-1])); err == nil && len(b) > 0 {
			h, err := in.o.Mode.Hash(string(b))
			if err != nil {
				return rec, reasonEncoding, nil
			}
			return append(rec, h...), "", nil
		}
	}
	if _, whole := hashAt(line); whole || isCrypt(line) {
		return rec, reasonIsHash, nil
	}
	if in.text.Undecided(line) {
		var err error
		if line, err = in.encoding(line); err != nil {
			return rec, "", err
		}
	}
	in.field[0] = line
	if !in.text.Decode(line, in.field[:]) {
		return rec, reasonEncoding, nil
	}
	if line = in.field[0]; !typed(line) {
		return rec, reasonNoText, nil
	}
	h, err := in.o.Mode.Hash(string(line))
	if err != nil {
		return rec, reasonEncoding, nil
	}
	return append(rec, h...), "", nil
}

// encoding decides it at the first line that is not ASCII, of which it returns a copy.
func (in *importer) encoding(line []byte) ([]byte, error) {
	at, n := in.lines.start, len(line)
	sample := append(bytes.Clone(line), '\n')
	sample = append(sample, in.lines.ahead(sampleBytes)...)
	return sample[:n], decideText(&in.text, sample, at)
}

// A record to be sorted is a hash and, where it is not 1, its count in 8 bytes.
func appendCount(rec []byte, count uint64) []byte {
	for i := 56; i >= 0; i -= 8 {
		rec = append(rec, byte(count>>i))
	}
	return rec
}

func recCount(b []byte) uint64 {
	if len(b) == 0 {
		return 1
	}
	return top(b)
}
