package returned

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/net/netutil"

	"shirase/internal/actor"
	"shirase/internal/reach/bounce"
)

// Bounds of the listener.
const (
	connections   = 32
	recipients    = 10
	conversations = 2 * time.Minute // for a line, for an answer, and for a message: go-smtp begins anew with each command
	ordinary      = 256 << 10       // bytes of a message that every connection may have in memory
	large         = 4               // messages beyond that are in memory at once, of all listeners: with what is made of them, some 250 MiB
	patient       = 30 * time.Second
)

var (
	notOurs = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no mail of ours comes back to that address"}
	tooBig  = &smtp.SMTPError{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 3, 4}, Message: "larger than returned mail is"}
	busy    = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "as many large messages as are read at once are being read, try again later"}
	later   = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "it could not be written down, try again later"}
)

// Serve takes in mail by SMTP (RFC 5321) or LMTP (RFC 2033) until the context ends. It takes what comes back to a token of ours and
// nothing else, so that a stranger's mail is refused before its data, and says so only when it is on disk. It relays nothing.
func (r *Returned) Serve(ctx context.Context, l net.Listener, lmtp bool, failed func(error)) error {
	if r.Address == "" && r.Letters == nil {
		return ErrNoAddress
	}
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &session{ctx: ctx, r: r, failed: failed}, nil
	}))
	s.LMTP, s.Domain = lmtp, cmp.Or(r.domain, "localhost")
	s.MaxRecipients, s.MaxMessageBytes, s.MaxLineLength = recipients, r.largest(), 4<<10
	s.ReadTimeout, s.WriteTimeout = conversations, conversations
	s.ErrorLog = silent{}
	ended := make(chan struct{})
	defer close(ended)
	go func() {
		select {
		case <-ctx.Done():
		case <-ended:
		}
		s.Close()
	}()
	err := s.Serve(netutil.LimitListener(l, connections))
	if ctx.Err() != nil || errors.Is(err, smtp.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// silent is the log of conversations that broke off: there is nothing in it to do anything about, and there may be addresses.
type silent struct{}

func (silent) Printf(string, ...any) {}
func (silent) Println(...any)        {}

// largest is the size of a message that is taken, in bytes.
func (r *Returned) largest() int64 {
	if r.Letters != nil {
		return int64(max(r.Letters.Size, bounce.MaxSize))
	}
	return bounce.MaxSize
}

type session struct {
	ctx     context.Context
	r       *Returned
	nobody  bool     // it comes from <>: a program wrote it, and nothing is to answer it (RFC 5321, section 4.5.5)
	to      []string // of what comes back
	letters []string // of what people write
	failed  func(error)
}

func (s *session) Reset()        { s.nobody, s.to, s.letters = false, nil, nil }
func (s *session) Logout() error { return nil }

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.nobody = from == ""
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	ok, err := s.r.takes(s.ctx, to)
	if err != nil {
		s.failed(err)
		return later
	}
	if ok {
		s.to = append(s.to, to)
		return nil
	}
	if s.r.Letters != nil {
		if ok, err = s.r.Letters.Takes(s.ctx, to); err != nil {
			s.failed(err)
			return later
		}
	}
	if !ok {
		return notOurs
	}
	s.letters = append(s.letters, to)
	return nil
}

// Data takes the message in for each recipient. Where one fails the client sends all again, and what was written down is known then.
func (s *session) Data(body io.Reader) error {
	most := s.r.largest()
	if len(s.to) > 0 { // a message for both is taken by both, or by none
		most = bounce.MaxSize
	}
	b, done, err := s.read(body, most)
	defer done()
	if err != nil {
		return err
	}
	letter := b
	if s.nobody { // whoever delivers last writes it into the header (RFC 5321, section 4.4)
		letter = append([]byte("Return-Path: <>\r\n"), b...)
	}
	for _, to := range s.letters {
		if err := s.r.Letters.Take(s.ctx, letter, to); err != nil {
			s.failed(err)
			return later
		}
	}
	for _, to := range s.to {
		if err := s.r.take(s.ctx, actor.Server(), b, to); err != nil {
			s.failed(err)
			return later
		}
	}
	return nil
}

// read reads a message. One that is large waits for its place, which it has until done: what is small passes it by.
func (s *session) read(body io.Reader, most int64) (b []byte, done func(), err error) {
	var message bytes.Buffer
	if _, err := message.ReadFrom(io.LimitReader(body, ordinary)); err != nil {
		return nil, func() {}, err
	}
	if message.Len() < ordinary {
		return message.Bytes(), func() {}, nil
	}
	wait := time.NewTimer(s.r.patient)
	defer wait.Stop()
	select {
	case s.r.large <- struct{}{}:
		done = func() { <-s.r.large }
	case <-wait.C:
		return nil, func() {}, busy
	case <-s.ctx.Done():
		return nil, func() {}, later
	}
	if _, err := message.ReadFrom(io.LimitReader(body, most+1-ordinary)); err != nil {
		return nil, done, err
	}
	if int64(message.Len()) > most {
		return nil, done, tooBig
	}
	return message.Bytes(), done, nil
}

// takes reports whether something may come back to an address: a message of a campaign, or one that was sent to come back.
func (r *Returned) takes(ctx context.Context, address string) (bool, error) {
	token, ok := r.ours(address)
	if !ok {
		return false, nil
	}
	if ok, err := r.seed(ctx, token); ok || err != nil || r.Open == nil {
		return ok, err
	}
	_, ok, err := r.Open(ctx, address)
	return ok, err
}
