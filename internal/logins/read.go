package logins

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"shirase/internal/hint"
)

const (
	blockSize   = 1 << 20
	sampleSize  = 256 << 10
	sampleLines = 200
	readers     = 2        // goroutines that read lines
	zstdWindow  = 64 << 20 // memory that a log may make us take
)

// readLog gives each block of a log to take, in no certain order.
func readLog(ctx context.Context, l Log, o *Options, k *keys, take func(*batch) error) error {
	f, err := l.Open(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLogs, err)
	}
	defer f.Close()
	plain, end, err := unpack(told{f, o.Tell})
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrLogs, l.Name, err)
	}
	defer end()
	r := bufio.NewReaderSize(plain, sampleSize)
	sample, err := r.Peek(sampleSize)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return fmt.Errorf("%w: %s: %w", ErrLogs, l.Name, err)
	}
	if bytes.HasPrefix(sample, []byte("\xff\xfe")) || bytes.HasPrefix(sample, []byte("\xfe\xff")) {
		return hint.Add(fmt.Errorf("%w: %s is UTF-16", ErrLogs, l.Name), "write it as UTF-8 first")
	}
	if rest, ok := bytes.CutPrefix(sample, []byte("\xef\xbb\xbf")); ok {
		r.Discard(3)
		sample = rest
	}
	p, err := newParser(l.Name, sample, o)
	if err != nil || p == nil {
		return err
	}
	line := int64(1)
	if p.format == CSV { // its header
		if err := skipLine(r); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrLogs, l.Name, err)
		}
		line = 2
	}
	return p.blocks(ctx, l.Name, r, line, k, take)
}

// told counts what is read.
type told struct {
	io.Reader
	tell func(int64)
}

func (t told) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	if t.tell != nil {
		t.tell(int64(n))
	}
	return n, err
}

// unpack undoes gzip and zstd, and names other archives.
func unpack(r io.Reader) (io.Reader, func(), error) {
	head := make([]byte, 6)
	n, err := io.ReadFull(r, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, nil, err
	}
	head = head[:n]
	r = io.MultiReader(bytes.NewReader(head), r)
	is := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case is("\x1f\x8b"):
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, nil, err
		}
		return z, func() {}, nil
	case is("\x28\xb5\x2f\xfd"):
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	case is("PK\x03\x04"), is("BZh"), is("\xfd7zXZ\x00"):
		return nil, nil, hint.Add(errors.New("it is an archive of a kind that is not read here"), "unpack it first, or compress it with gzip or zstd")
	}
	return r, func() {}, nil
}

func skipLine(r *bufio.Reader) error {
	for {
		_, err := r.ReadSlice('\n')
		switch {
		case err == nil, errors.Is(err, io.EOF):
			return nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// newParser finds out how a log is written; nil: it is empty.
func newParser(name string, sample []byte, o *Options) (*parser, error) {
	fail := func(remedy, format string, args ...any) error {
		return hint.Add(fmt.Errorf("%w: %s: "+format, append([]any{ErrLogs, name}, args...)...), remedy)
	}
	first := sample
	for {
		line, rest, more := bytes.Cut(first, []byte{'\n'})
		if len(bytes.TrimSpace(line)) > 0 {
			first = line
			break
		}
		if first = rest; !more {
			return nil, nil
		}
	}
	p := &parser{format: o.Format, where: o.Where, zone: o.Zone, words: outcomes(o), index: map[string]int{}}
	if p.format == "" {
		p.format = guess(first)
	}
	switch p.format {
	case Combined:
		return p, nil
	case CSV:
		if err := p.header(first); err != nil {
			return nil, fail("the first line names the columns", "%w", err)
		}
	case JSONLines:
		p.names(sample)
		if len(p.columns) == 0 {
			return nil, fail("each line is one JSON object; state another format with --format", "there is no JSON object in its first lines")
		}
	default:
		return nil, fail("one of jsonl, csv, combined", "unknown format %q", p.format)
	}
	var missing []string
	if p.at, missing = o.Columns.find(p.columns); len(missing) > 0 {
		return nil, fail("say which field it is, such as --column "+missing[0]+"=NAME; there are: "+list(p.columns), "no field is known as %s", strings.Join(missing, ", "))
	}
	for w := range p.where {
		if _, ok := p.index[w]; !ok {
			return nil, fail("there are: "+list(p.columns), "no field is named %q, as --where has it", w)
		}
	}
	return p, nil
}

// list names a log's fields for a person.
func list(columns []string) string {
	const most = 20
	more := ""
	if len(columns) > most {
		columns, more = columns[:most], ", ..."
	}
	quoted := make([]string, len(columns))
	for i, c := range columns {
		if quoted[i] = strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return '?'
			}
			return r
		}, c); len(quoted[i]) > 40 {
			quoted[i] = strings.ToValidUTF8(quoted[i][:40], "") + "..."
		}
	}
	return strings.Join(quoted, ", ") + more
}

func guess(line []byte) Format {
	switch {
	case bytes.HasPrefix(bytes.TrimSpace(line), []byte{'{'}):
		return JSONLines
	case bytes.Contains(line, []byte(" [")) && bytes.Contains(line, []byte("] \"")):
		return Combined
	}
	return CSV
}

// outcomes are the words of success and failure.
func outcomes(o *Options) map[string]bool {
	words := map[string]bool{}
	for _, w := range []string{"success", "succeeded", "successful", "ok", "true", "1", "200", "204", "302", "allow", "allowed", "accepted", "pass", "passed", "成功"} {
		words[w] = true
	}
	for _, w := range []string{"failure", "failed", "fail", "error", "false", "0", "400", "401", "403", "422", "423", "429", "deny", "denied", "invalid", "rejected", "blocked", "locked", "失敗"} {
		words[w] = false
	}
	for _, w := range o.Success {
		words[strings.ToLower(w)] = true
	}
	for _, w := range o.Failure {
		words[strings.ToLower(w)] = false
	}
	return words
}

// header takes the columns of CSV.
func (p *parser) header(line []byte) error {
	line = bytes.TrimSuffix(line, []byte{'\r'})
	p.comma = ','
	for _, c := range []byte{';', '\t'} {
		if bytes.Count(line, []byte{c}) > bytes.Count(line, []byte{p.comma}) {
			p.comma = c
		}
	}
	var twice error
	_, problem := p.cut(line, func(_ int, v []byte) {
		name := string(bytes.TrimSpace(v))
		if _, ok := p.index[name]; ok && twice == nil {
			twice = errors.New("two columns have one name")
		}
		p.index[name] = len(p.columns)
		p.columns = append(p.columns, name)
	})
	switch {
	case problem != "":
		return fmt.Errorf("its header cannot be read (%s)", problem)
	case len(p.columns) > 1000:
		return errors.New("its header has more than 1,000 columns")
	}
	return twice
}

// names collects the members of the objects in the first lines.
func (p *parser) names(sample []byte) {
	for range sampleLines {
		line, rest, _ := bytes.Cut(sample, []byte{'\n'})
		if sample = rest; len(line) == 0 && len(rest) == 0 {
			return
		}
		p.in.Reset(line)
		p.dec.Reset(&p.in)
		p.path = p.path[:0]
		if p.dec.PeekKind() != '{' {
			continue
		}
		p.members(0, func(name []byte, _ jsontext.Value) Reason {
			if _, ok := p.index[string(name)]; !ok && len(p.columns) < 1000 {
				p.index[string(name)] = len(p.columns)
				p.columns = append(p.columns, string(name))
			}
			return ""
		})
	}
}

// A block is whole lines of a log.
type block struct {
	data []byte
	line int64 // number of its first
}

// A batch is what a block held: records for sorting, one after the other.
type batch struct {
	records  []byte
	agents   []string // programs that this goroutine had not seen before
	read     int64
	other    int64
	from, to time.Time
	problems []Problem
}

// problem counts a line that could not be read.
func (b *batch) problem(log string, line int64, why Reason) {
	for i := range b.problems {
		if b.problems[i].Reason == why {
			b.problems[i].Lines++
			return
		}
	}
	b.problems = append(b.problems, Problem{why, 1, log, line})
}

// parse fills b from the lines of a block.
func (b *batch) parse(p *parser, k *keys, known map[uint64]bool, log string, of *block) {
	*b = batch{records: b.records[:0], agents: b.agents[:0], problems: b.problems[:0]}
	data, line := of.data, of.line
	var e event
	for len(data) > 0 {
		text, rest, _ := bytes.Cut(data, []byte{'\n'})
		data = rest
		if len(bytes.TrimSpace(text)) == 0 {
			line++
			continue
		}
		other, why := p.line(text, &e)
		switch {
		case why != "":
			b.problem(log, line, why)
		case other:
			b.other++
		default:
			b.read++
			if b.from.IsZero() || e.at.Before(b.from) {
				b.from = e.at
			}
			if e.at.After(b.to) {
				b.to = e.at
			}
			var agent uint64
			b.records, agent = k.record(b.records, &e)
			if len(e.agent) > 0 && !known[agent] && len(known) < agentsMost {
				known[agent] = true
				b.agents = append(b.agents, string(e.agent))
			}
		}
		line++
	}
}

// blocks reads r to its end, by several goroutines; take is called by one at a time.
func (p *parser) blocks(ctx context.Context, name string, r io.Reader, line int64, k *keys, take func(*batch) error) error {
	g, ctx := errgroup.WithContext(ctx)
	work := make(chan *block)
	free := make(chan *block, readers+1)
	for range readers + 1 {
		free <- &block{data: make([]byte, 0, blockSize)}
	}
	g.Go(func() error {
		defer close(work)
		if err := split(ctx, r, line, free, work); err != nil && ctx.Err() == nil {
			return fmt.Errorf("%w: %s: %w", ErrLogs, name, err)
		}
		return ctx.Err()
	})
	var mu sync.Mutex
	for range readers {
		g.Go(func() error {
			var b batch
			p, known := p.fork(), map[uint64]bool{}
			for block := range work {
				b.parse(p, k, known, name, block)
				select {
				case free <- block:
				case <-ctx.Done():
					return ctx.Err()
				}
				mu.Lock()
				err := take(&b)
				mu.Unlock()
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// split cuts r into blocks that end with a line. Of a line that is longer than maxLine the beginning is a line, which is too long to be read, and
// the rest is passed over.
func split(ctx context.Context, r io.Reader, line int64, free <-chan *block, work chan<- *block) error {
	var rest []byte
	skipping := false
	for {
		var b *block
		select {
		case b = <-free:
		case <-ctx.Done():
			return ctx.Err()
		}
		b.data = append(b.data[:0], rest...)
		rest = rest[:0]
		at := len(b.data)
		b.data = append(b.data, make([]byte, blockSize)...)
		n, err := io.ReadFull(r, b.data[at:])
		b.data = b.data[:at+n]
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !ended {
			return err
		}
		if skipping {
			i := bytes.IndexByte(b.data, '\n')
			if i < 0 && !ended {
				b.data = b.data[:0]
			} else {
				b.data = b.data[i+1:]
				skipping = i < 0
				line++
			}
		}
		if !ended {
			i := bytes.LastIndexByte(b.data, '\n')
			rest = append(rest, b.data[i+1:]...)
			b.data = b.data[:i+1]
			if len(rest) > maxLine {
				b.data = append(b.data, rest[:maxLine+1]...) // it says by its length what it is
				b.data = append(b.data, '\n')
				rest, skipping = rest[:0], true
			}
		}
		b.line = line
		line += int64(bytes.Count(b.data, []byte{'\n'}))
		if skipping {
			line-- // its end is counted when it comes
		}
		select {
		case work <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
		if ended {
			return nil
		}
	}
}
