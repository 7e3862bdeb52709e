package roster

import (
	"bytes"
	"io"
)

// maxRecord is the longest row, in bytes before decoding. A quote that is never
// closed would otherwise make one row of all that follows.
const maxRecord = 1 << 20

// A window shows the bytes that come next of a stream, as many as it holds, and
// counts what it passed.
type window struct {
	r    io.Reader
	buf  []byte
	from int // buf[from:to] is what comes next
	to   int
	pos  int64 // of buf[from] in the stream
	line int64 // of buf[from], from 1
	err  error // that ended the stream, io.EOF where it is whole
}

func newWindow(r io.Reader) *window {
	return &window{r: r, buf: make([]byte, 128<<10), line: 1}
}

// peek returns at least the next n bytes, fewer only at the end of the stream;
// n is at most maxRecord+1. They are valid until the next peek.
func (w *window) peek(n int) []byte {
	if w.to-w.from < n && w.err == nil {
		to := w.buf
		if n > len(w.buf)/2 {
			to = make([]byte, 2*n) // the fewest copies for what needs so much
		}
		copy(to, w.buf[w.from:w.to])
		w.buf = to
		w.to -= w.from
		w.from = 0
		for idle := 0; w.to < len(w.buf) && w.err == nil; {
			n, err := w.r.Read(w.buf[w.to:])
			w.to += n
			w.err = err
			if idle++; n > 0 {
				idle = 0
			} else if err == nil && idle == 100 {
				w.err = io.ErrNoProgress
			}
		}
	}
	return w.buf[w.from:w.to]
}

// ended reports that peek has shown everything.
func (w *window) ended() bool { return w.err != nil }

// failure is why the stream ended before its end, or nil.
func (w *window) failure() error {
	if w.err == io.EOF {
		return nil
	}
	return w.err
}

// skip passes n bytes that peek has shown.
func (w *window) skip(n int) {
	w.line += int64(bytes.Count(w.buf[w.from:w.from+n], []byte{'\n'}))
	w.from += n
	w.pos += int64(n)
}

// skipLine passes everything up to and with the next line feed, however far.
func (w *window) skipLine() {
	for {
		b := w.peek(1)
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			w.skip(i + 1)
			return
		}
		w.skip(len(b))
		if w.ended() {
			return
		}
	}
}
