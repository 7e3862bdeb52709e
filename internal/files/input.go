package files

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
)

// An Input is what a person names to be read from its beginning to its end: a
// file, or a pipe. Opening and reading it end with their context, also where a
// pipe has nobody who writes to it.
type Input struct {
	r    io.Reader
	f    *os.File
	size int64
}

// OpenInput opens what name names; a folder is an error.
func OpenInput(ctx context.Context, name string) (*Input, error) {
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened, 1)
	go func() { // to open a pipe is to wait for whoever writes to it
		f, err := os.Open(name)
		done <- opened{f, err}
	}()
	var f *os.File
	select {
	case o := <-done:
		if o.err != nil {
			return nil, o.err
		}
		f = o.f
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder", name)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	in := &Input{Interruptible(ctx, f), f, 0}
	if info.Mode().IsRegular() {
		in.r, in.size = prompt{ctx, f}, info.Size()
	}
	return in, nil
}

// Read reads on; the error of the context where that has ended.
func (in *Input) Read(p []byte) (int, error) { return in.r.Read(p) }

// Size is the length in bytes, 0 where it is not known.
func (in *Input) Size() int64 { return in.size }

// Close releases it.
func (in *Input) Close() error { return in.f.Close() }

// prompt reads what never waits.
type prompt struct {
	ctx context.Context
	r   io.Reader
}

func (p prompt) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.Read(b)
}

// Interruptible gives a reader of what may wait for ever, a person at a terminal
// or the other end of a pipe. A read ends with ctx; what r gives after that is
// lost.
func Interruptible(ctx context.Context, r io.Reader) io.Reader {
	return &interruptible{ctx: ctx, r: r, done: make(chan part, 1)}
}

type interruptible struct {
	ctx  context.Context
	r    io.Reader
	buf  []byte // not p: a read that is given up goes on
	done chan part
}

// part is what a read gave.
type part struct {
	n   int
	err error
}

func (i *interruptible) Read(p []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	n := min(len(p), 64<<10)
	i.buf = slices.Grow(i.buf[:0], n)[:n]
	go func() {
		n, err := i.r.Read(i.buf)
		i.done <- part{n, err}
	}()
	select {
	case got := <-i.done:
		return copy(p, i.buf[:got.n]), got.err
	case <-i.ctx.Done():
		return 0, i.ctx.Err()
	}
}
