package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	maxHeader = 16 << 10 // bytes
	drain     = 10 * time.Second
)

// newServer makes a server for the public, within the limits of all of them.
func newServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 10 * time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), slog.LevelError)} // its lines hold addresses
}

// serveUntil serves on l until ctx ends; ready is called once it does. Requests
// that are under way then are answered to their end, or broken off when that
// takes longer than drain. No handler runs any more when serveUntil returns, so
// that what the handlers read may be closed.
func serveUntil(ctx context.Context, server *http.Server, l net.Listener, ready func(url string) error) error {
	requests, breakOff := context.WithCancel(context.WithoutCancel(ctx))
	defer breakOff()
	server.BaseContext = func(net.Listener) context.Context { return requests }
	var running sync.RWMutex // read-locked by each request
	inner := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !running.TryRLock() {
			panic(http.ErrAbortHandler) // it came when all was over
		}
		defer running.RUnlock()
		inner.ServeHTTP(w, r)
	})
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	err := ready("http://" + l.Addr().String())
	if err == nil {
		select {
		case err = <-served:
			err = fmt.Errorf("serve: %w", err)
		case <-ctx.Done():
			patience, done := context.WithTimeout(requests, drain)
			if err = server.Shutdown(patience); errors.Is(err, context.DeadlineExceeded) {
				err = nil
			}
			done()
		}
	}
	breakOff()
	server.Close()
	running.Lock()
	return err
}
