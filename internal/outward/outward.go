// Package outward is the door that every way out of the program goes through: mail, requests, connections to directories and
// databases of others, questions to name servers. It is open, except in an exercise, which may reach nobody.
//
// That it is shut is carried by the context, from the command that opened an exercise's data folder to whoever dials: a way
// out that asks with that context is refused before a name is looked up or a socket is made. cmd/shirase holds that there is
// no other way (ways_test.go), and that a context is not begun anew on the way.
package outward

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"shirase/internal/hint"
)

// ErrShut says that this is an exercise, and that nothing leaves it.
var ErrShut = errors.New("this is an exercise: nothing leaves it")

type shut struct{ mail func() (net.Conn, error) }

type key struct{}

// Shut gives a context in which nothing leaves. mail takes in what would have been sent, as the end of a connection behind
// which a mail server of the exercise itself listens; nil: mail is refused too.
func Shut(ctx context.Context, mail func() (net.Conn, error)) context.Context {
	return context.WithValue(ctx, key{}, &shut{mail})
}

// IsShut reports whether nothing leaves.
func IsShut(ctx context.Context) bool {
	_, ok := ctx.Value(key{}).(*shut)
	return ok
}

// Check refuses what would reach somebody, where nothing leaves. Errors: ErrShut.
func Check(ctx context.Context, what string) error {
	if !IsShut(ctx) {
		return nil
	}
	return hint.Add(fmt.Errorf("%s: %w", what, ErrShut), "what would have gone out is shown on the exercise's pages; a real incident wants a data folder of its own: shirase init --data DIR")
}

// Mail gives what mail goes into in place of a relay; false where the way is open. Errors, of the function: ErrShut.
func Mail(ctx context.Context) (func() (net.Conn, error), bool) {
	s, ok := ctx.Value(key{}).(*shut)
	if !ok {
		return nil, false
	}
	if s.mail == nil {
		return func() (net.Conn, error) { return nil, Check(ctx, "send mail") }, true
	}
	return s.mail, true
}

// Dial is a dialer's DialContext, where the way is open. Errors: ErrShut.
func Dial(ctx context.Context, d *net.Dialer, network, address string) (net.Conn, error) {
	if err := Check(ctx, "connect to another machine"); err != nil {
		return nil, err
	}
	return d.DialContext(ctx, network, address)
}

// Dialer gives Dial as a transport or a resolver wants it.
func Dialer(d *net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		return Dial(ctx, d, network, address)
	}
}

// Transport makes requests by next, http.DefaultTransport where it is nil, where the way is open. Errors: ErrShut.
func Transport(next http.RoundTripper) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	return transport{next}
}

type transport struct{ next http.RoundTripper }

// RoundTrip refuses before anything is looked up. A request's body is closed, as a transport has to.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := Check(r.Context(), "make a request"); err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	return t.next.RoundTrip(r)
}

// CloseIdleConnections lets go what is kept open.
func (t transport) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
