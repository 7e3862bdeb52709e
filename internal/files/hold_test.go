package files

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestHold: whoever comes second is told who is there, and takes it once that one has ended.
func TestHold(t *testing.T) {
	root := t.TempDir()
	first, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	release, err := first.Hold("locks/shop", "publishing shop")
	if err != nil {
		t.Fatal(err)
	}
	_, err = second.Hold("locks/shop", "scope of shop")
	var held *HeldError
	if !errors.Is(err, ErrHeld) || !errors.As(err, &held) || held.Hint() == "" || !strings.Contains(err.Error(), fmt.Sprintf("publishing shop (process %d, since ", os.Getpid())) {
		t.Fatalf("%v", err)
	}
	other, err := second.Hold("locks/other", "publishing other")
	if err != nil {
		t.Fatal(err)
	}
	other()
	release()
	again, err := second.Hold("locks/shop", "scope of shop")
	if err != nil {
		t.Fatal(err)
	}
	again()
	if _, err := first.Hold("../x", ""); err == nil {
		t.Error("a lock outside")
	}
}
