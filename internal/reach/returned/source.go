package returned

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"

	"shirase/internal/files"
	"shirase/internal/hint"
)

// A Source gives messages one after the other. nil is one that is larger than was asked for.
type Source func(ctx context.Context) iter.Seq2[[]byte, error]

// maxFolder bounds how many messages a folder gives.
const maxFolder = 10_000_000

// From gives the messages of a path that are not larger than most bytes: one message or an mbox, a folder of messages, a maildir; "-" is standard
// input. Errors: those of opening it.
func From(ctx context.Context, path string, most int) (Source, error) {
	if path == "-" {
		path = "/dev/stdin"
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, hint.Add(fmt.Errorf("read returned mail: %w", err), "name a message, an mbox, a folder of messages or a maildir; - is standard input")
	}
	if info.IsDir() {
		return folder(path, most), nil
	}
	return func(ctx context.Context) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			in, err := files.OpenInput(ctx, path)
			if err != nil {
				yield(nil, fmt.Errorf("read returned mail: %w", err))
				return
			}
			defer in.Close()
			messages(in, most, yield)
		}
	}, nil
}

// folder reads a maildir's new and cur, which are left as they are, or else the files of the folder.
func folder(dir string, most int) Source {
	return func(ctx context.Context) iter.Seq2[[]byte, error] {
		return func(yield func([]byte, error) bool) {
			dirs := []string{filepath.Join(dir, "new"), filepath.Join(dir, "cur")} // tmp holds what is being written
			if _, err := os.Stat(dirs[1]); errors.Is(err, fs.ErrNotExist) {
				dirs = []string{dir}
			}
			seen := 0
			for _, dir := range dirs {
				list, err := os.ReadDir(dir)
				if err != nil {
					if !yield(nil, fmt.Errorf("read returned mail: %w", err)) {
						return
					}
					continue
				}
				for _, e := range list {
					if !e.Type().IsRegular() || e.Name()[0] == '.' {
						continue
					}
					if seen++; seen > maxFolder || ctx.Err() != nil {
						yield(nil, errors.Join(ctx.Err(), fmt.Errorf("read returned mail: stopped in %s", dir)))
						return
					}
					b, err := small(filepath.Join(dir, e.Name()), most)
					if errors.Is(err, fs.ErrNotExist) { // a mail reader took it elsewhere
						continue
					}
					if err != nil {
						err = fmt.Errorf("read returned mail: %w", err)
					}
					if !yield(b, err) {
						return
					}
				}
			}
		}
	}
}

// small reads one file; nil where it is larger than most bytes.
func small(name string, most int) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err != nil || len(b) > most {
		return nil, err
	}
	return b, nil
}

// messages parts an mbox (RFC 4155): a message begins at a line "From " at the beginning or after an empty one. What does not begin
// so is one message.
func messages(r io.Reader, most int, yield func([]byte, error) bool) {
	in := bufio.NewReaderSize(r, 64<<10)
	head, err := in.Peek(5)
	if err != nil && len(head) == 0 {
		if !errors.Is(err, io.EOF) {
			yield(nil, fmt.Errorf("read returned mail: %w", err))
		}
		return
	}
	mbox := string(head) == "From "
	var m []byte
	large, any, empty := false, false, true
	give := func() bool {
		if !any {
			return true
		}
		b := slices.Clone(m)
		if large {
			b = nil
		}
		m, large, any = m[:0], false, false
		return yield(b, nil)
	}
	for atStart := true; ; {
		line, err := in.ReadSlice('\n')
		if atStart && mbox && empty && bytes.HasPrefix(line, []byte("From ")) {
			if !give() {
				return
			}
			any = true
		} else if len(line) > 0 {
			any = true
			text := line
			if atStart && mbox { // quoted, as mboxrd does
				if rest := bytes.TrimLeft(line, ">"); len(rest) < len(line) && bytes.HasPrefix(rest, []byte("From ")) {
					text = line[1:]
				}
			}
			if large = large || len(m)+len(text) > most; !large {
				m = append(m, text...)
			}
		}
		empty = atStart && len(bytes.TrimRight(line, "\r\n")) == 0
		atStart = !errors.Is(err, bufio.ErrBufferFull)
		if err != nil && atStart {
			if !errors.Is(err, io.EOF) {
				yield(nil, fmt.Errorf("read returned mail: %w", err))
				return
			}
			give()
			return
		}
	}
}
