package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// prompted closes a channel when the question is asked.
type prompted struct {
	io.Writer
	asked chan struct{}
}

func (p prompted) Write(b []byte) (int, error) {
	if strings.Contains(string(b), "Password: ") {
		close(p.asked)
	}
	return p.Writer.Write(b)
}

const typedLine = "correct horse 1"

// withPassword makes a data folder in whose corpus what is typedLine is.
func withPassword(t *testing.T) (data string) {
	list := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(list, []byte(typedLine+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	data = filepath.Join(t.TempDir(), "data")
	for _, args := range [][]string{{"init"}, {"password", "import", "--format", "plain", list}} {
		var out, errw strings.Builder
		if exit := run(t.Context(), append(args, "--data", data), &out, &errw); exit != exitDone {
			t.Fatalf("%v: exit %d: %s", args, exit, errw.String())
		}
	}
	return data
}

// A password typedLine into a terminal is judged, and never shown: when the question
// comes, the terminal shows nothing any more. An interruption has it show again.
func TestPasswordIsNotEchoed(t *testing.T) {
	data := withPassword(t)
	for _, interrupted := range []bool{false, true} {
		keyboard, tty := terminal(t)
		var out, errw strings.Builder
		p := prompted{&errw, make(chan struct{})}
		root := (&app{out: &out, err: p}).root()
		root.SetArgs([]string{"password", "check", "--data", data})
		root.SetIn(tty)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		ended := make(chan error, 1)
		go func() { ended <- root.ExecuteContext(ctx) }()
		select {
		case <-p.asked:
		case err := <-ended:
			t.Fatalf("it did not ask: %v", err)
		}
		if echoes(t, tty) {
			t.Error("it asks while the terminal shows what is typedLine")
		}
		text := typedLine
		if !interrupted {
			text += "\n"
		}
		if _, err := io.WriteString(keyboard, text); err != nil {
			t.Fatal(err)
		}
		if interrupted {
			taken(t, keyboard)
			stop()
		}
		switch err := <-ended; {
		case interrupted && !errors.Is(err, context.Canceled):
			t.Errorf("interrupted: %v", err)
		case !interrupted && (err != errSaid || !strings.Contains(out.String(), "leak")):
			t.Errorf("%v: %s%s", err, out.String(), errw.String())
		}
		if !echoes(t, tty) {
			t.Error("the terminal is left without echo")
		}
		// What was shown before this line.
		if _, err := tty.WriteString("the end\n"); err != nil {
			t.Fatal(err)
		}
		shown, err := bufio.NewReader(keyboard).ReadString('\n')
		if err != nil || !strings.Contains(shown, "the end") {
			t.Fatalf("%q, %v", shown, err)
		}
		for _, text := range []string{shown, out.String(), errw.String()} {
			if strings.Contains(text, "horse") {
				t.Errorf("the password was shown: %q", text)
			}
		}
	}
}

// Ctrl-C at the question, pressed at the terminal of a real process, ends it as a
// signal does, and the terminal shows again what is typedLine.
func TestCtrlC(t *testing.T) {
	data := withPassword(t)
	keyboard, tty := terminal(t)
	cmd := exec.Command("shirase", "password", "check", "--data", data)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	screen := bufio.NewReader(keyboard)
	if shown, err := screen.ReadString(':'); err != nil || shown != "Password:" {
		t.Fatalf("%q, %v", shown, err)
	}
	if _, err := io.WriteString(keyboard, "corr\x03"); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted {
		t.Errorf("it ended so: %v", err)
	}
	if !echoes(t, tty) {
		t.Error("the terminal is left without echo")
	}
	if _, err := tty.WriteString("the end\n"); err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	for !strings.Contains(shown.String(), "the end") {
		line, err := screen.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		shown.WriteString(line)
	}
	if !strings.Contains(shown.String(), "shirase: interrupted\r\n") || strings.Contains(shown.String(), "corr") {
		t.Errorf("it said %q", shown.String())
	}
}

// terminal makes a pseudo-terminal: what is written to keyboard is typedLine at tty, and what tty shows is read there.
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

// taken returns when the terminal has taken what was typedLine, which it does some time after the writing: it
// takes its keys in order, and that it has taken a stop of its output is seen on its other side.
func taken(t *testing.T, keyboard *os.File) {
	fd := control(t, keyboard)
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCPKT, 1); err != nil {
		t.Fatal(err)
	}
	for _, key := range []struct {
		typedLine string
		seen  byte
	}{{"\x13", unix.TIOCPKT_STOP}, {"\x11", unix.TIOCPKT_START}} {
		if _, err := io.WriteString(keyboard, key.typedLine); err != nil {
			t.Fatal(err)
		}
		packet := make([]byte, 64)
		for {
			n, err := keyboard.Read(packet)
			if err != nil || n == 0 || packet[0] == unix.TIOCPKT_DATA {
				t.Fatalf("%q, %v", packet[:n], err)
			}
			if packet[0]&key.seen != 0 {
				break
			}
		}
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCPKT, 0); err != nil {
		t.Fatal(err)
	}
}

func echoes(t *testing.T, tty *os.File) bool {
	state, err := unix.IoctlGetTermios(control(t, tty), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}
