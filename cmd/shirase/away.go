package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"shirase/internal/store"
)

// away is a log that says once that the database is away, and once that it is back: a line for each request would fill a disk
// in the hour in which somebody has to find out why.
type away struct {
	slog.Handler
	is     *atomic.Bool
	errors *atomic.Int64 // of the database, of any kind
}

func newAway(h slog.Handler) away { return away{h, new(atomic.Bool), new(atomic.Int64)} }

// Handle passes on what has nothing to do with a database that is away.
func (l away) Handle(ctx context.Context, r slog.Record) error {
	gone := false
	r.Attrs(func(a slog.Attr) bool {
		err, ok := a.Value.Any().(error)
		gone = ok && store.Away(err)
		return !gone
	})
	if !gone {
		return l.Handler.Handle(ctx, r)
	}
	l.errors.Add(1)
	if l.is.Swap(true) {
		return nil
	}
	r.AddAttrs(slog.String("database", "away: this is said once, until it is back"))
	return l.Handler.Handle(ctx, r)
}

// WithAttrs and WithGroup keep what is known of the database.
func (l away) WithAttrs(attrs []slog.Attr) slog.Handler {
	l.Handler = l.Handler.WithAttrs(attrs)
	return l
}

func (l away) WithGroup(name string) slog.Handler {
	l.Handler = l.Handler.WithGroup(name)
	return l
}

// watch asks the database every second while it is away, and says when it is back.
func (l away) watch(ctx context.Context, ping func(context.Context) error, log *slog.Logger) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		l.look(ctx, ping, log)
	}
}

func (l away) look(ctx context.Context, ping func(context.Context) error, log *slog.Logger) {
	if !l.is.Load() {
		return
	}
	ask, cancel := context.WithTimeout(ctx, lookForIt)
	err := ping(ask)
	cancel()
	if err == nil && l.is.Swap(false) {
		log.Info("the database is back")
	}
}
