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

// sinkFile holds what the sink has taken in, a line a mail.
const sinkFile = "exercise-mail.jsonl"

// maxSink is how many mails the sink keeps the subjects of; what comes after them is counted.
const maxSink = 1000

// maxMail bounds one mail, in bytes.
const maxMail = 30 << 20

// Mailed is a mail that would have gone out. Whom it would have gone to is not kept, but for the domain: a rehearsal leaves no list
// of addresses behind.
type Mailed struct {
	At      string `json:"at"`
	To      string `json:"to"` // …@example.org
	Subject string `json:"subject"`
}

// sinks keeps what several connections of a process take in apart.
type sink struct {
	path string
	mu   sync.Mutex
}

// Sink gives connections to a mail server that takes in every mail and sends none on. It listens on this machine only, for one
// connection, which is its own.
func Sink(data string) func() (net.Conn, error) {
	s := &sink{path: filepath.Join(data, sinkFile)}
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
		server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &taken{s: s}, nil }))
		server.Domain, server.MaxMessageBytes, server.ErrorLog = "exercise.invalid", maxMail, silent{}
		server.EnableSMTPUTF8 = true
		go server.Serve(&one{Listener: l, peer: conn.LocalAddr().String()})
		return &owned{conn, server}, nil
	}
}

type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

// one accepts the connection that was made for it, and no other.
type one struct {
	net.Listener
	peer string
}

func (o *one) Accept() (net.Conn, error) {
	for {
		c, err := o.Listener.Accept()
		if err != nil || c.RemoteAddr().String() == o.peer {
			return c, err
		}
		c.Close()
	}
}

// owned ends its server with itself.
type owned struct {
	net.Conn
	server *smtp.Server
}

func (o *owned) Close() error { return errors.Join(o.Conn.Close(), o.server.Close()) }

type taken struct {
	s  *sink
	to []string
}

func (t *taken) Mail(string, *smtp.MailOptions) error { return nil }
func (t *taken) Rcpt(to string, _ *smtp.RcptOptions) error {
	_, domain, _ := strings.Cut(to, "@")
	t.to = append(t.to, "…@"+domain)
	return nil
}
func (t *taken) Reset()        { t.to = nil }
func (t *taken) Logout() error { return nil }

// Data takes a mail in, and answers only when that it came is on disk.
func (t *taken) Data(r io.Reader) error {
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
	var out bytes.Buffer
	for _, to := range t.to {
		b, err := json.Marshal(Mailed{time.Now().UTC().Format(time.RFC3339), to, "【訓練 EXERCISE】" + subject})
		if err != nil {
			return err
		}
		out.Write(append(b, '\n'))
	}
	return t.s.add(out.Bytes())
}

func (s *sink) add(lines []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(lines)
	return errors.Join(err, f.Sync(), f.Close())
}

// Mails gives what the sink of an exercise has taken in, the newest first and at most a thousand, and how many there were in all.
func Mails(data string) ([]Mailed, int, error) {
	f, err := os.Open(filepath.Join(data, sinkFile))
	if errors.Is(err, fs.ErrNotExist) {
		return []Mailed{}, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read the exercise's mail: %w", err)
	}
	defer f.Close()
	out, n := []Mailed{}, 0
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var m Mailed
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			continue // a line that a machine that was switched off has not finished
		}
		n++
		if out = append(out, m); len(out) > maxSink {
			out = out[1:]
		}
	}
	slices.Reverse(out)
	return out, n, lines.Err()
}
