package main

import (
	"io"
	"net"
	"strings"
	"sync/atomic"
)

// wire is a TCP relay in front of a server that counts what passes, headers and
// all: a browser tells of its pages' requests, but not of their workers'.
type wire struct {
	url      string
	listener net.Listener
	down, up atomic.Int64
}

func newWire(server string) (*wire, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &wire{url: "http://" + l.Addr().String(), listener: l}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.relay(c, strings.TrimPrefix(server, "http://"))
		}
	}()
	return w, nil
}

func (w *wire) relay(c net.Conn, server string) {
	defer c.Close()
	s, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer s.Close()
	go func() {
		io.Copy(&counting{s, &w.up}, c)
		s.Close()
	}()
	io.Copy(&counting{c, &w.down}, s)
}

type counting struct {
	io.Writer
	n *atomic.Int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n.Add(int64(n))
	return n, err
}

// take returns what passed since it was last asked.
func (w *wire) take() (down, up float64) {
	return float64(w.down.Swap(0)), float64(w.up.Swap(0))
}

func (w *wire) close() { w.listener.Close() }
