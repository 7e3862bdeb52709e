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

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"shirase/internal/files"
	"shirase/internal/hint"
)

// ErrRejects says that too many lines of a file cannot be read.
var ErrRejects = errors.New("too many lines cannot be read")

// ImportOptions say how to import a file.
type ImportOptions struct {
	Mode   Mode // of the hashes in the file, or of those made of its passwords
	Format Format
	Fold   Fold // what becomes of passwords that are in the corpus already

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
	Format   Format `json:"format"`
	Lines    int64  `json:"lines"`
	Rejected int64  `json:"rejected"`
	Change
}

// ImportFile imports a file, plain or compressed with gzip or zstd.
func (c *Corpora) ImportFile(ctx context.Context, name string, o ImportOptions) (Import, error) {
	f, err := files.OpenInput(ctx, name)
	if err != nil {
		return Import{}, fmt.Errorf("import: %w", err)
	}
	defer f.Close()
	out, err := c.Import(ctx, f, f.Size(), o)
	if err != nil {
		return out, fmt.Errorf("import %s: %w", name, err)
	}
	return out, nil
}

// Import imports what r reads, total bytes where that is known. The corpus
// changes at the end and as a whole, or not at all.
func (c *Corpora) Import(ctx context.Context, r io.Reader, total int64, o ImportOptions) (Import, error) {
	if o.Mode != SHA1 && o.Mode != NTLM {
		return Import{}, ErrMode
	}
	in := &importer{ctx: ctx, o: o, count: &counter{r: r}, total: total, out: Import{Format: o.Format}}
	plain, close, err := decompress(in.count)
	if err != nil {
		return in.out, err
	}
	defer close()
	in.lines = newLineReader(plain)
	if o.Format == FormatAuto || o.Format == "" {
		in.out.Format = in.guess()
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
	if in.out.Format == FormatOrdered {
		err = in.ordered(w)
	} else {
		err = in.sorted(w)
	}
	if err != nil {
		return in.out, err
	}
	in.out.Change, err = w.commit()
	return in.out, err
}

// importer is the state of one import.
type importer struct {
	ctx   context.Context
	o     ImportOptions
	count *counter
	total int64
	lines *lineReader
	out   Import
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
	magic, err := b.Peek(4)
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
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return b, func() {}, nil
}

// guess takes the file for hashes in order if its first line is one with a
// count, for hashes if it is one without, and else for passwords.
func (in *importer) guess() Format {
	line, err := in.lines.next()
	if err != nil {
		return FormatPlain
	}
	in.lines.again = line
	in.lines.line--
	hash := make([]byte, in.o.Mode.Size())
	if _, reason := parseLine(hash, line); reason != "" {
		return FormatPlain
	}
	if len(line) > 2*len(hash) {
		return FormatOrdered
	}
	return FormatHashes
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
		count, reason := parseLine(hash, line)
		if reason == "" && bytes.Equal(hash, w.last) {
			reason = reasonRepeated
		}
		if reason != "" {
			if err := in.reject(reason); err != nil {
				return err
			}
			continue
		}
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
	s, err := files.NewSorter(in.ctx, temp, memory)
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
			rec, reason = in.plain(rec[:0], line)
		} else {
			var count uint64
			if count, reason = parseLine(rec[:size], line); reason == "" && count != 1 {
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
func (in *importer) unite(w *writer, s *files.Sorter, size int) error {
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
			if err := w.add(hash, count); err != nil {
				return err
			}
		}
		hash, count = append(hash[:0], rec[:size]...), recCount(rec[size:])
	}
	if hash == nil {
		return nil
	}
	return w.add(hash, count)
}

// plain makes the record of a password. $HEX[...] is how lists write one that no line can hold.
func (in *importer) plain(rec, line []byte) ([]byte, string) {
	if len(line) == 0 {
		return rec, reasonEmpty
	}
	if inner, ok := bytes.CutPrefix(line, []byte("$HEX[")); ok && line[len(line)-1] == ']' {
		if b, err := hex.DecodeString(string(inner[:len(inner)-1])); err == nil && len(b) > 0 {
			line = b
		}
	}
	h, err := in.o.Mode.Hash(string(line))
	if err != nil {
		return rec, reasonEncoding
	}
	return append(rec, h...), ""
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
