// Package smtptest is a mail server for tests and benchmarks: it takes all mail, or answers as it is told, and keeps nothing by itself.
package smtptest

import (
	"bufio"
	"bytes"
	"net"
	"strings"
	"sync"
)

// Sink is a server. Its fields are set before it serves.
type Sink struct {
	// Answer says what is answered to a command, or to the end of a mail ("."), of a connection's envelope; "" is the usual, "hang up" ends
	// the connection. nil: always the usual.
	Answer func(command string, e Envelope) string
	// Taken is told of every mail that was taken, before that is answered; nil: nobody is.
	Taken func(e Envelope, data []byte)
	// Keep has data be given to Taken.
	Keep bool
	// Single has the server offer no pipelining.
	Single bool

	l    net.Listener
	mu   sync.Mutex
	open map[net.Conn]bool
	all  sync.WaitGroup
}

// Envelope is who a mail is from and to, as the commands had it.
type Envelope struct{ From, To string }

// Listen begins to serve on a free port of this machine, or on address, and gives the address.
func (s *Sink) Listen(address string) (string, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	s.l, s.open = l, map[net.Conn]bool{}
	s.mu.Unlock()
	s.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.open[c] = true
			s.mu.Unlock()
			s.all.Go(func() {
				s.serve(c)
				s.mu.Lock()
				delete(s.open, c)
				s.mu.Unlock()
			})
		}
	})
	return l.Addr().String(), nil
}

// Close ends the server and all its connections at once.
func (s *Sink) Close() {
	s.mu.Lock()
	s.l.Close()
	for c := range s.open {
		c.Close()
	}
	s.mu.Unlock()
	s.all.Wait()
}

func (s *Sink) serve(c net.Conn) {
	defer c.Close()
	in, out := bufio.NewReaderSize(c, 64<<10), bufio.NewWriterSize(c, 4<<10)
	var e Envelope
	say := func(line string) { out.WriteString(line + "\r\n") }
	say("220 sink.example")
	for {
		if in.Buffered() == 0 {
			if out.Flush() != nil {
				return
			}
		}
		raw, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		line := string(bytes.TrimRight(raw, "\r\n"))
		switch {
		case strings.HasPrefix(line, "MAIL"):
			e = Envelope{From: between(line)}
		case strings.HasPrefix(line, "RCPT"):
			e.To = between(line)
		}
		a := ""
		if s.Answer != nil {
			a = s.Answer(line, e)
		}
		switch {
		case a == "hang up":
			out.Flush()
			return
		case a != "":
			if strings.HasPrefix(line, "RCPT") {
				e.To = ""
			}
			say(a)
			if !strings.HasPrefix(a, "354") {
				continue
			}
		case strings.HasPrefix(line, "EHLO") && !s.Single:
			say("250-sink.example\r\n250-PIPELINING\r\n250 8BITMIME")
			continue
		case line == "QUIT":
			say("221 bye")
			out.Flush()
			return
		case line == "DATA" && e.To == "":
			say("503 5.5.1 nobody to send it to")
			continue
		case line == "DATA":
			say("354 go on")
		default:
			say("250 2.0.0 ok")
			continue
		}
		if out.Flush() != nil {
			return
		}
		data, ok := s.data(in)
		if !ok {
			return
		}
		if a = ""; s.Answer != nil {
			a = s.Answer(".", e)
		}
		if a == "" && s.Taken != nil {
			s.Taken(e, data)
		}
		switch a {
		case "hang up":
			return
		case "":
			a = "250 2.0.0 queued"
		}
		say(a)
	}
}

// data reads a mail up to the line that ends it.
func (s *Sink) data(in *bufio.Reader) (data []byte, ok bool) {
	for {
		l, err := in.ReadSlice('\n')
		if err != nil {
			return nil, false
		}
		if l[0] == '.' {
			if len(l) == 3 {
				return data, true
			}
			l = l[1:]
		}
		if s.Keep {
			data = append(data, l...)
		}
	}
}

func between(line string) string {
	_, rest, _ := strings.Cut(line, "<")
	i := strings.LastIndexByte(rest, '>')
	return rest[:max(i, 0)]
}
