package files

import (
	"context"
	"errors"
	"path/filepath"
	"syscall"
	"testing"
)

// Opening a pipe that nobody writes to ends with the context.
func TestInputPipe(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := OpenInput(ctx, name)
		ended <- err
	}()
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
