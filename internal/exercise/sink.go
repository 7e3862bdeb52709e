package exercise

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/go-json-experiment/json"
)

// Files of the sink: a line for each mail as far as subjects are kept, and a byte for each of the others, so that their number is the
// file's length, whoever adds to it.
const (
	sinkFile = "exercise-mail.jsonl"
	moreFile = "exercise-mail.more"
)

// MaxSubjects is how many mails the sink keeps the subjects of; what comes after them is counted.
const MaxSubjects = 1000

// maxMail bounds one mail, in bytes.
const maxMail = 30 << 20

// Mailed is a mail that would have gone out. Whom it would have gone to is not kept, but for the domain: a rehearsal leaves no list
// of addresses behind.
type Mailed struct {
	At      string `json:"at"`
	To      string `json:"to"` // …@example.org
	Subject string `json:"subject"`
}

// sink keeps what several connections of a process take in apart.
type sink struct {
	data  string
	mu    sync.Mutex
	clock *Clock // nil until the exercise has one
	size  int64  // of the file, when its lines were counted
	lines int
}

// now is the exercise's time, and the machine's before it was begun.
func (s *sink) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clock == nil {
		c, err := OpenClock(s.data)
		if err != nil {
			return time.Now()
		}
		s.clock = c
	}
	return s.clock.Now()
}

// Sink gives connections to a mail server that takes in every mail and sends none on. It listens on this machine only, for one
// connection, which is its own.
func Sink(data string) func() (net.Conn, error) {
	s := &sink{data: data}
	return func() (net.Conn, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("the exercise's mail: %w", err)
		}
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			l.Close()
			return nil, fmt.Errorf("the exercise's mail: %w", err)
		}
		taken, err := accepted(l, conn.LocalAddr().String())
		if err = errors.Join(err, l.Close()); err != nil {
			conn.Close()
			return nil, fmt.Errorf("the exercise's mail: %w", err)
		}
		server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{s: s}, nil }))
		server.Domain, server.MaxMessageBytes, server.ErrorLog = "exercise.invalid", maxMail, silent{}
		server.EnableSMTPUTF8 = true
		o := &owned{Conn: conn, only: &one{conn: taken, addr: l.Addr(), over: make(chan struct{})}, server: server, ended: make(chan struct{})}
		go func() {
			defer close(o.ended)
			server.Serve(o.only)
		}()
		return o, nil
	}
}

// accepted gives the connection that was made to l from peer, and closes others.
func accepted(l net.Listener, peer string) (net.Conn, error) {
	if t, ok := l.(*net.TCPListener); ok {
		if err := t.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return nil, err
		}
	}
	for {
		c, err := l.Accept()
		if err != nil || c.RemoteAddr().String() == peer {
			return c, err
		}
		c.Close()
	}
}

type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

// one is a listener with a single connection, which was made already.
type one struct {
	conn net.Conn
	addr net.Addr
	over chan struct{} // closed at the end
	once sync.Once
	mu   sync.Mutex
	gave bool
}

// Accept gives the connection, and then waits for the end.
func (o *one) Accept() (net.Conn, error) {
	o.mu.Lock()
	first := !o.gave
	o.gave = true
	o.mu.Unlock()
	if first {
		return o.conn, nil
	}
	<-o.over
	return nil, net.ErrClosed
}

func (o *one) Addr() net.Addr { return o.addr }

// Close ends whoever waits in Accept, also one who begins to wait later.
func (o *one) Close() error {
	o.once.Do(func() { close(o.over) })
	return nil
}

// owned ends its server with itself, however little of it has begun.
type owned struct {
	net.Conn
	only   *one
	server *smtp.Server
	ended  chan struct{} // closed when the server takes nothing in any more
}

func (o *owned) Close() error {
	err := errors.Join(o.Conn.Close(), o.only.Close())
	if e := o.server.Close(); !errors.Is(e, smtp.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	<-o.ended
	return err
}

type session struct {
	s  *sink
	to []string
}

func (t *session) Mail(string, *smtp.MailOptions) error { return nil }
func (t *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	t.to = append(t.to, "…@"+to[strings.LastIndexByte(to, '@')+1:]) // a local part in quotes may have one too
	return nil
}
func (t *session) Reset()        { t.to = nil }
func (t *session) Logout() error { return nil }

// Data takes a mail in, and answers only when that it came is on disk.
func (t *session) Data(r io.Reader) error {
	head, err := io.ReadAll(io.LimitReader(r, 64<<10))
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	subject := ""
	if m, err := mail.ReadMessage(bytes.NewReader(head)); err == nil {
		if subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
			subject = m.Header.Get("Subject")
		}
	}
	if !plain(subject) || len(subject) > 1000 {
		subject = ""
	}
	at, lines := t.s.now().UTC().Format(time.RFC3339), make([][]byte, 0, len(t.to))
	for _, to := range t.to {
		b, err := json.Marshal(Mailed{at, to, "【訓練 EXERCISE】" + subject})
		if err != nil {
			return err
		}
		lines = append(lines, append(b, '\n'))
	}
	return t.s.add(lines)
}

// add keeps mails as far as there is room, and counts the others.
func (s *sink) add(lines [][]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, err := s.count()
	if err != nil {
		return err
	}
	n := min(len(lines), max(MaxSubjects-kept, 0))
	return errors.Join(s.put(sinkFile, bytes.Join(lines[:n], nil)), s.put(moreFile, bytes.Repeat([]byte{'.'}, len(lines)-n)))
}

// count gives how many lines there are. Other processes may have written some.
func (s *sink) count() (int, error) {
	name := filepath.Join(s.data, sinkFile)
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil || info.Size() == s.size {
		return s.lines, err
	}
	b, err := os.ReadFile(name)
	if err == nil {
		s.size, s.lines = int64(len(b)), bytes.Count(b, []byte{'\n'})
	}
	return s.lines, err
}

func (s *sink) put(name string, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(s.data, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}

// Mails gives what the sink of an exercise has taken in, the newest of the first thousand first, and how many there were in all.
func Mails(data string) ([]Mailed, int, error) {
	f, err := os.Open(filepath.Join(data, sinkFile))
	if errors.Is(err, fs.ErrNotExist) {
		return []Mailed{}, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read the exercise's mail: %w", err)
	}
	defer f.Close()
	out := []Mailed{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var m Mailed
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			continue // a line that a machine that was switched off has not finished
		}
		out = append(out, m)
	}
	n := len(out)
	if more, err := os.Stat(filepath.Join(data, moreFile)); err == nil {
		n += int(more.Size())
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, 0, fmt.Errorf("read the exercise's mail: %w", err)
	}
	slices.Reverse(out)
	return out, n, lines.Err()
}
