package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestSetupAsks: at a terminal setup asks, in the terminal's language, says what it does not take, makes nothing before the
// last answer, and then the same as by flags.
func TestSetupAsks(t *testing.T) {
	me := must(user.Current())(t)
	for _, c := range []struct {
		locale, wrong, confirm, done string
	}{
		{"ja_JP.UTF-8", "「notice」は使えません。たとえば notice.example.org", "作りますか (y/n): ", "できました。"},
		{"C.UTF-8", `"notice" is not a name such as notice.example.org`, "Make it? (y/n): ", "It is set up."},
	} {
		for _, answer := range []string{"n", "y"} {
			dir := t.TempDir()
			data := filepath.Join(dir, "data")
			keyboard, tty := terminal(t)
			cmd := exec.Command("shirase", "setup", "--data", data, "--user", me.Username, "--unit", filepath.Join(dir, "shirase.service"), "--imprint", "https://example.org/about")
			cmd.Env = append(os.Environ(), "LC_ALL="+c.locale)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			s := screen{t: t, keyboard: keyboard, r: bufio.NewReader(keyboard)}
			for _, line := range []string{"株式会社例示", "Example Inc.", "desk@example.org", "", "notice", "Notice.Example.org", "admin@example.org", "a@example.org, b@example.org", ""} {
				s.answer(": ", line)
			}
			s.answer(c.confirm, "?")
			if _, err := os.Stat(data); err == nil {
				t.Error("something was made before the last answer")
			}
			s.answer(c.confirm, answer)
			err := cmd.Wait()
			if _, e := tty.WriteString("the end\n"); e != nil {
				t.Fatal(e)
			}
			shown := s.until("the end")
			_, there := os.Stat(data)
			if answer == "n" {
				if err == nil || there == nil {
					t.Errorf("refused, it made something: %v, %v", err, there)
				}
				continue
			}
			if err != nil || !strings.Contains(shown, c.done) || !strings.Contains(s.said.String(), c.wrong) {
				t.Fatalf("%v: %s", err, s.said.String())
			}
			var out, errw strings.Builder
			if exit := run(t.Context(), []string{"config", "show", "--data", data}, &out, &errw); exit != exitDone {
				t.Fatal(errw.String())
			}
			for _, want := range []string{"株式会社例示", "mailto:desk@example.org", "https://example.org/about", "notice.example.org", "admin@example.org", "a@example.org, b@example.org"} {
				if !strings.Contains(out.String(), " "+want+" ") {
					t.Errorf("no %s in the settings:\n%s", want, out.String())
				}
			}
		}
	}
}

// screen is what a terminal shows, and its keyboard.
type screen struct {
	t        *testing.T
	keyboard io.Writer
	r        *bufio.Reader
	said     strings.Builder
}

// until reads what is shown up to a text.
func (s *screen) until(text string) string {
	s.t.Helper()
	var shown strings.Builder
	for !strings.HasSuffix(shown.String(), text) {
		b, err := s.r.ReadByte()
		if err != nil {
			s.t.Fatalf("%v, waiting for %q after %q", err, text, s.said.String())
		}
		shown.WriteByte(b)
		s.said.WriteByte(b)
	}
	return shown.String()
}

// answer types a line once a question is shown. What is typed is echoed, and read too.
func (s *screen) answer(question, line string) {
	s.t.Helper()
	s.until(question)
	if _, err := io.WriteString(s.keyboard, line+"\n"); err != nil {
		s.t.Fatal(err)
	}
	s.until("\r\n")
}
