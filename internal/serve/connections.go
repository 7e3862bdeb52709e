package serve

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// connections is a listener that keeps no more connections than there is room for, and cuts those whose reader has stalled.
//
// Where it is full, a connection that is only kept for later makes room for the next, and after those one that has said
// nothing for a while: so those who open connections and say nothing keep nobody out.
type connections struct {
	net.Listener
	most  int
	stall time.Duration

	mu     sync.Mutex
	room   *sync.Cond // a connection was closed, or one can be
	open   int
	idle   list.List // of *connection, between two requests, the one that has waited longest first
	silent list.List // of *connection that have not sent a header yet, the oldest first
	closed bool
}

// patience is how long a connection may say nothing where others wait for its place.
const patience = time.Second

func newConnections(l net.Listener, most int, stall time.Duration) *connections {
	c := &connections{Listener: l, most: most, stall: stall}
	c.room = sync.NewCond(&c.mu)
	return c
}

// Accept waits for room first: who is not accepted waits in the queue of the operating system.
func (c *connections) Accept() (net.Conn, error) {
	if !c.makeRoom() {
		return nil, net.ErrClosed
	}
	conn, err := c.Listener.Accept()
	if err != nil {
		c.mu.Lock()
		c.open--
		c.mu.Unlock()
		return nil, err
	}
	return &connection{Conn: conn, of: c}, nil
}

// makeRoom takes a place for a connection, and reports false where the listener was closed.
func (c *connections) makeRoom() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.open >= c.most && !c.closed {
		if conn := c.dispensable(); conn != nil {
			c.leave(conn)
			c.mu.Unlock()
			conn.Close()
			c.mu.Lock()
			continue
		}
		c.room.Wait()
	}
	if c.closed {
		return false
	}
	c.open++
	return true
}

// dispensable gives the connection that is to make room; nil where none is yet. The lock is held.
func (c *connections) dispensable() *connection {
	if oldest := c.idle.Front(); oldest != nil {
		return oldest.Value.(*connection)
	}
	oldest := c.silent.Front()
	if oldest == nil {
		return nil
	}
	conn := oldest.Value.(*connection)
	if left := patience - time.Since(conn.since); left > 0 {
		time.AfterFunc(left, c.room.Signal)
		return nil
	}
	return conn
}

func (c *connections) Close() error {
	c.mu.Lock()
	c.closed = true
	c.room.Broadcast()
	c.mu.Unlock()
	return c.Listener.Close()
}

// state hears from the server what becomes of connections (http.Server.ConnState).
func (c *connections) state(conn net.Conn, state http.ConnState) {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	ours, ok := conn.(*connection)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leave(ours)
	switch state {
	case http.StateNew:
		ours.in, ours.since = &c.silent, time.Now()
	case http.StateIdle:
		ours.in = &c.idle
	default:
		return
	}
	ours.waits = ours.in.PushBack(ours)
	c.room.Signal()
}

// leave takes a connection out of those that wait. The lock is held.
func (c *connections) leave(conn *connection) {
	if conn.waits != nil {
		conn.in.Remove(conn.waits)
		conn.in, conn.waits = nil, nil
	}
}

// count gives how many connections there are.
func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// connection is one of them.
type connection struct {
	net.Conn
	of    *connections
	in    *list.List // that it waits in; nil: it does not. This and the next two are under the lock of connections
	waits *list.Element
	since time.Time
	once  sync.Once

	mu    sync.Mutex
	until time.Time // by when the server wants what is written to be sent; zero: no end
	next  time.Time // the deadline that is set
	held  *[]byte   // what waits to be sent in one piece; nil: nothing is to wait
}

// takes is how many bytes a reader has to take within the time after which it has stalled.
const takes = 4 << 10

// Write ends when the reader has not taken a little of it for a while. What is sent is held in memory until then, and a
// server cannot let thousands hold something for as long as a whole layer may take over a slow line.
func (c *connection) Write(b []byte) (int, error) {
	if c.keep(b) {
		return len(b), nil
	}
	if err := c.release(); err != nil {
		return 0, err
	}
	return c.send(b)
}

func (c *connection) send(b []byte) (int, error) {
	sent := 0
	for {
		if err := c.extend(); err != nil {
			return sent, err
		}
		n, err := c.Conn.Write(b[sent:])
		sent += n
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) || n < takes || c.late() {
			return sent, err
		}
		c.forget()
	}
}

// onePiece is how large an answer may be, with its header, to be sent in one piece.
const onePiece = 32 << 10

var pieces = sync.Pool{New: func() any { b := make([]byte, 0, onePiece); return &b }}

// connectionKey is what a request's context has its connection under.
type connectionKey struct{}

func withConnection(ctx context.Context, conn net.Conn) context.Context {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	return context.WithValue(ctx, connectionKey{}, conn)
}

// connectionOf gives the connection that a request came by, where an answer can be sent over it in one piece: in HTTP/2 it is others' too.
// nil where there is none.
func connectionOf(r *http.Request) *connection {
	if r.ProtoMajor != 1 {
		return nil
	}
	c, _ := r.Context().Value(connectionKey{}).(*connection)
	return c
}

// hold has what is written wait for release. net/http hands an answer over in pieces of its buffer (4 KiB): each is a call of the
// system and often a packet, and the reader wakes for each.
func (c *connection) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil {
		c.held = pieces.Get().(*[]byte)
	}
}

// keep takes what is written in, where it is to wait and there is room.
func (c *connection) keep(b []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil || len(*c.held)+len(b) > onePiece {
		return false
	}
	*c.held = append(*c.held, b...)
	return true
}

// release sends what has waited.
func (c *connection) release() error {
	c.mu.Lock()
	held := c.held
	c.held = nil
	c.mu.Unlock()
	if held == nil {
		return nil
	}
	_, err := c.send(*held)
	*held = (*held)[:0]
	pieces.Put(held)
	return err
}

// extend sets the deadline of the next write. It is set anew only where half of it has gone by.
func (c *connection) extend() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.next.Sub(now) > c.of.stall/2 {
		return nil
	}
	at := now.Add(c.of.stall)
	if !c.until.IsZero() && c.until.Before(at) {
		at = c.until
	}
	c.next = at
	return c.Conn.SetWriteDeadline(at)
}

func (c *connection) late() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.until.IsZero() && !time.Now().Before(c.until)
}

func (c *connection) forget() {
	c.mu.Lock()
	c.next = time.Time{}
	c.mu.Unlock()
}

// SetWriteDeadline is the server's, which is the latest. A deadline that is past or near is set at once: it interrupts.
func (c *connection) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = t
	if t.IsZero() || time.Until(t) > c.of.stall { // what is set until the next write ends before it
		return nil
	}
	c.next = t
	return c.Conn.SetWriteDeadline(t)
}

func (c *connection) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// Close frees its place.
func (c *connection) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.of.mu.Lock()
		defer c.of.mu.Unlock()
		c.of.leave(c)
		c.of.open--
		c.of.room.Signal()
	})
	return err
}
