package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"
)

// An Input is what a person names to be read: a file, or a pipe. Opening and
// reading it end with their context, also where a pipe has nobody who writes to
// it.
type Input struct {
	ctx  context.Context
	f    *os.File
	pipe io.Reader // nil: a file, which nobody waits for
	size int64
}

// stdin is the standard input, as a path. It is not opened a second time: a process that went on as another account may not.
const stdin = "/dev/stdin"

// openNamed opens a path to be read.
func openNamed(name string) (*os.File, error) {
	if name != stdin {
		return os.Open(name)
	}
	fd, err := syscall.Dup(0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// OpenInput opens what name names; a folder is an error.
func OpenInput(ctx context.Context, name string) (*Input, error) {
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened, 1)
	go func() { // to open a pipe is to wait for whoever writes to it
		f, err := openNamed(name)
		done <- opened{f, err}
	}()
	select {
	case o := <-done:
		if o.err != nil {
			return nil, o.err
		}
		in, err := newInput(ctx, o.f)
		if err != nil {
			o.f.Close()
			return nil, err
		}
		return in, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func newInput(ctx context.Context, f *os.File) (*Input, error) {
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder", f.Name())
	case info.Mode().IsRegular():
		return &Input{ctx: ctx, f: f, size: info.Size()}, nil
	}
	return &Input{ctx: ctx, f: f, pipe: newWaiting(ctx, f)}, nil
}

// Read reads on; the error of the context where that has ended.
func (in *Input) Read(p []byte) (int, error) {
	if in.pipe != nil {
		return in.pipe.Read(p)
	}
	if err := in.ctx.Err(); err != nil {
		return 0, err
	}
	return in.f.Read(p)
}

// ReadAt reads at a place of a file; a pipe has none.
func (in *Input) ReadAt(p []byte, off int64) (int, error) {
	if in.pipe != nil {
		return 0, fmt.Errorf("read %s at a place: %w", in.f.Name(), errors.ErrUnsupported)
	}
	if err := in.ctx.Err(); err != nil {
		return 0, err
	}
	return in.f.ReadAt(p, off)
}

// Size is the length of a file in bytes, 0 of a pipe.
func (in *Input) Size() int64 { return in.size }

// Close releases it.
func (in *Input) Close() error { return in.f.Close() }

// Interruptible gives a reader of r, which may be standard input, whose reads end
// with ctx, also where it waits for a person at a terminal. What r gives after
// that is lost. Of a file it is an [Input].
func Interruptible(ctx context.Context, r io.Reader) io.Reader {
	if f, ok := r.(*os.File); ok {
		if in, err := newInput(ctx, f); err == nil {
			return in
		}
	}
	return newWaiting(ctx, r)
}

// waiting reads what may have others wait for ever.
type waiting struct {
	ctx  context.Context
	r    io.Reader
	buf  []byte // of our own: a read that is given up goes on
	done chan part
}

// part is what a read gave.
type part struct {
	n   int
	err error
}

func newWaiting(ctx context.Context, r io.Reader) *waiting {
	return &waiting{ctx: ctx, r: r, done: make(chan part, 1)}
}

func (w *waiting) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n := min(len(p), 64<<10)
	w.buf = slices.Grow(w.buf[:0], n)[:n]
	go func() {
		n, err := w.r.Read(w.buf)
		w.done <- part{n, err}
	}()
	select {
	case got := <-w.done:
		return copy(p, w.buf[:got.n]), got.err
	case <-w.ctx.Done():
		return 0, w.ctx.Err()
	}
}
