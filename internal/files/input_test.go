package files

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestInput(t *testing.T) {
	name := filepath.Join(t.TempDir(), "export.csv")
	text := strings.Repeat("a line\n", 50_000)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	in, err := OpenInput(ctx, name)
	if err != nil || in.Size() != int64(len(text)) {
		t.Fatalf("%v, %v", in, err)
	}
	defer in.Close()
	head := make([]byte, 10)
	if n, err := in.Read(head); err != nil || string(head[:n]) != text[:n] {
		t.Fatalf("%q, %v", head[:n], err)
	}
	last := make([]byte, 7)
	if n, err := in.ReadAt(last, in.Size()-7); n != 7 || string(last) != "a line\n" {
		t.Errorf("%q, %v", last[:n], err)
	}
	stop()
	if n, err := in.ReadAt(last, 0); n > 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("read at a place after the end: %d bytes, %v", n, err)
	}
	if rest, err := io.ReadAll(in); !errors.Is(err, context.Canceled) || len(rest) > 0 {
		t.Errorf("read on after the end: %d bytes, %v", len(rest), err)
	}
	if in, err := OpenInput(t.Context(), filepath.Dir(name)); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("%v, %v", in, err)
	}
	if _, err := OpenInput(t.Context(), name+"x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// A reader of what comes in parts gives it all, and a read that waits for more ends with the context.
func TestInterruptible(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	ctx, stop := context.WithCancel(t.Context())
	in := Interruptible(ctx, r)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	go w.Write(sent)
	got := make([]byte, len(sent))
	if _, err := io.ReadFull(in, got); err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("it gives something else: %v", err)
	}
	if in, ok := in.(*Input); !ok || in.Size() != 0 {
		t.Errorf("a pipe is %T", in)
	} else if _, err := in.ReadAt(got, 0); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a pipe is read at a place: %v", err)
	}
	ended := make(chan error)
	go func() {
		_, err := in.Read(got)
		ended <- err
	}()
	stop() // and nobody writes any more
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	all, err := io.ReadAll(Interruptible(t.Context(), strings.NewReader("x")))
	if err != nil || string(all) != "x" {
		t.Errorf("%q, %v", all, err)
	}
}
