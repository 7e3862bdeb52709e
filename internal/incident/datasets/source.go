package datasets

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"shirase/internal/hint"
)

// Limits of a stream. None is on the length of a stream as a whole.
const (
	maxRecord  = 1 << 20  // bytes of one row or JSON element, decompressed
	maxDepth   = 64       // brackets within brackets in one JSON element
	maxWindow  = 32 << 20 // bytes a zstd frame may make us keep
	freeOutput = 32 << 20 // bytes that may come out of any compressed stream; beyond them
	maxRatio   = 250      // times as much may come out as went in
	maxBlank   = 1 << 20  // bytes of white space between rows
)

// ErrSource reports a stream that cannot be read further.
var ErrSource = errors.New("the data cannot be read")

func broken(remedy, format string, args ...any) error {
	return hint.Add(fmt.Errorf("%w: "+format, append([]any{ErrSource}, args...)...), remedy)
}

// expand returns what r holds, decompressed where it begins as gzip (RFC 1952), zstd (RFC 8878) or a zip archive does.
func expand(name string, r io.Reader) (*bufio.Reader, error) {
	in := &counting{r: r}
	br := bufio.NewReaderSize(in, 64<<10)
	magic, err := br.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var out io.Reader
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		out, err = gzip.NewReader(br)
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		out, err = zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	case bytes.Equal(magic, []byte("PK\x03\x04")), bytes.Equal(magic, []byte("PK\x05\x06")): // with files, and without
		if out, in, err = openZip(name, r); err != nil {
			return nil, err
		}
	default:
		return br, nil
	}
	if err != nil {
		return nil, broken("decompress it yourself, and see whether it is whole", "%s: %v", name, err)
	}
	return bufio.NewReaderSize(&bounded{name: name, r: out, in: in}, 64<<10), nil
}

// counting counts what is read of a compressed stream.
type counting struct {
	r io.Reader
	n int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// bounded refuses what expands beyond reason.
type bounded struct {
	name string
	r    io.Reader
	in   *counting
	n    int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	if b.n > freeOutput && b.n/maxRatio > b.in.n {
		return 0, broken("if it is what it should be, decompress it yourself and import the result", "%s expands to more than %d times its size", b.name, maxRatio)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = broken("decompress it yourself, and see whether it is whole", "%s: %v", b.name, err)
	}
	return n, err
}
