package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"shirase/internal/files"
)

// maxSecret bounds what is typed or piped as a password, in bytes.
const maxSecret = 64 << 10

// askSecret asks for a line at a terminal that does not show what is typed. The
// question comes once it does not; when ctx ends, the terminal shows it again.
func (a *app) askSecret(ctx context.Context, f *os.File, question string) (string, error) {
	restore, err := silence(f)
	if err != nil {
		return "", err
	}
	fmt.Fprint(a.err, question)
	line, err := firstLine(ctx, f)
	if e := restore(); err == nil {
		err = e
	}
	fmt.Fprintln(a.err) // in place of the one that was typed
	return line, err
}

// firstLine reads a line, without its end; io.EOF where there is none.
func firstLine(ctx context.Context, in io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(files.Interruptible(ctx, in), maxSecret)).ReadString('\n')
	if err == io.EOF && line != "" {
		err = nil
	}
	return strings.TrimRight(line, "\r\n"), err
}

// silence has a terminal not show what is typed, until restore. What was typed
// and not read by then is thrown away: the rest of a secret is not for the shell.
func silence(f *os.File) (restore func() error, err error) {
	fd := int(f.Fd())
	before, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil, err
	}
	silent := *before
	silent.Lflag &^= unix.ECHO
	silent.Lflag |= unix.ICANON | unix.ISIG
	silent.Iflag |= unix.ICRNL
	if err := unix.IoctlSetTermios(fd, setTermios, &silent); err != nil {
		return nil, err
	}
	return func() error { return unix.IoctlSetTermios(fd, setTermios, before) }, nil
}
