// Package collect is the room that brings in what others disclose: it reads pages, PDFs and mails, keeps the bytes, proposes facts,
// and lays what it finds into an inbox, where a person decides. Nothing becomes public without one.
//
// What is read is somebody else's word, and may have been written to mislead whoever reads it: it is text, never markup, and decides
// nothing. What goes out is bounded by package fetch.
//
// Periodic work is rows with a time (docs/decisions/jobs.md): a source, a page that a source named, a page that is watched, a claim. A
// worker takes one under a lease, and a row whose worker died is taken again; everything it does repeats safely.
package collect

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"time"

	"shirase/internal/archive"
	"shirase/internal/collect/fetch"
	"shirase/internal/collect/read"
	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of this package.
var (
	// ErrNotFound says that there is no such item, document or source.
	ErrNotFound = errors.New("there is no such thing in the inbox")
	// ErrStale says that somebody else decided meanwhile.
	ErrStale = errors.New("somebody else has decided about it meanwhile")
	// ErrInput says that something cannot be taken.
	ErrInput = errors.New("cannot be taken")
)

// KeyFile is the name of the file of the key that addresses of those who write are sealed under.
const KeyFile = "collect.key"

// Rooms are what the room stands on.
type Rooms struct {
	DB        *store.DB
	Dir       *files.Dir
	Keys      *files.Keys
	Incidents *incident.Incidents
	Archive   *archive.Archive
	Web       *fetch.Client
	Reader    *read.Reader
	Resolver  *net.Resolver // for proofs of domains; nil: the system's
	Agent     string
	Now       func() time.Time
	// Dataset takes in a data set whose address is a source; nil takes in none.
	Dataset func(ctx context.Context, format string, data []byte) error
}

// Collection is the room.
type Collection struct {
	Rooms
	sealer *store.Sealer
	step   func() // of a test that ends the process between two steps; nil else
}

// came says that one more step of a work is done that a process may end after.
func (c *Collection) came() {
	if c.step != nil {
		c.step()
	}
}

// New opens the room, makes its key where there is none, and finishes what was begun before the last process ended.
func New(ctx context.Context, rooms Rooms) (*Collection, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("collect: %w", err)
	}
	if err := rooms.DB.Migrate(ctx, "collect", sub); err != nil {
		return nil, fmt.Errorf("collect: %w", err)
	}
	if rooms.Now == nil {
		rooms.Now = time.Now
	}
	if rooms.Resolver == nil {
		rooms.Resolver = net.DefaultResolver
	}
	c := &Collection{Rooms: rooms}
	if rooms.Keys != nil {
		if c.sealer, err = openKey(rooms.Keys); err != nil {
			return nil, fmt.Errorf("collect: %w", err)
		}
	}
	return c, nil
}

func openKey(keys *files.Keys) (*store.Sealer, error) {
	key, err := keys.Random(KeyFile, store.KeySize)
	if err != nil {
		return nil, err
	}
	return store.NewSealer(key)
}

// newID gives a name that nobody guesses.
func newID(kind string) string { return kind + "-" + strings.ToLower(rand.Text()[:12]) }
