package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A password typed into a terminal is judged, and never shown.
func TestPasswordIsNotEchoed(t *testing.T) {
	const secret = "correct horse 1"
	list := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(list, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	var out, errw strings.Builder
	for _, args := range [][]string{{"init"}, {"password", "import", "--format", "plain", list}} {
		if exit := run(t.Context(), append(args, "--data", data), &out, &errw); exit != exitDone {
			t.Fatalf("%v: exit %d: %s", args, exit, errw.String())
		}
	}
	keyboard, tty := terminal(t)
	out.Reset()
	errw.Reset()
	a := &app{out: &out, err: &errw}
	root := a.root()
	root.SetArgs([]string{"password", "check", "--data", data})
	root.SetIn(tty)
	ended := make(chan error, 1)
	go func() { ended <- root.ExecuteContext(t.Context()) }()
	for deadline := time.Now().Add(30 * time.Second); echoes(t, tty); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the terminal goes on showing what is typed")
		}
	}
	if _, err := io.WriteString(keyboard, secret+"\n"); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != errSaid || !strings.Contains(out.String(), "leak") {
		t.Fatalf("%v: %s%s", err, out.String(), errw.String())
	}
	if !echoes(t, tty) {
		t.Error("the terminal is left without echo")
	}
	shown := make([]byte, 4096)
	if err := keyboard.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	n, _ := keyboard.Read(shown)
	for _, text := range []string{string(shown[:n]), out.String(), errw.String()} {
		if strings.Contains(text, "horse") {
			t.Error("the password was shown")
		}
	}
}

// terminal makes a pseudo-terminal: what is written to keyboard is typed at tty, and what tty shows is read there.
func terminal(t *testing.T) (keyboard, tty *os.File) {
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { keyboard.Close() })
	fd := control(t, keyboard)
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return keyboard, tty
}

// control gives the descriptor without making the file blocking, as Fd would.
func control(t *testing.T, f *os.File) (fd int) {
	c, err := f.SyscallConn()
	if err == nil {
		err = c.Control(func(p uintptr) { fd = int(p) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func echoes(t *testing.T, tty *os.File) bool {
	state, err := unix.IoctlGetTermios(control(t, tty), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}
