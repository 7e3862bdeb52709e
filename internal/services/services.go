// Package services keeps the list by which a person finds, on their own device, which published incidents concern a service that
// they use: names, domains and times of the whole archive, of what is public alone. A list is made when the archive has changed,
// recorded in the ledger by its hash, and served under that hash; who has an earlier one is given what has changed.
//
// What somebody uses never gets here: the list goes to the device, and nothing comes back.
package services

import (
	"bytes"
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"shirase/internal/archive"
	"shirase/internal/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// kept is how many lists are kept, so that who comes back gets what has changed.
const kept = 32

// Every is how often a list is made at the most: each is an entry of the ledger for ever.
const Every = time.Hour

// Rooms are what the room stands on.
type Rooms struct {
	DB      *store.DB
	Archive *archive.View // what is public
	// Record has the ledger commit to a head, and gives its entry, and the bytes that it committed to: another process may have
	// recorded the same list.
	Record func(ctx context.Context, head []byte, list string) (entry int64, recorded []byte, err error)
	// Proof shows that an entry is in the ledger; Served is up to where the ledger is served.
	Proof  func(ctx context.Context, entry int64) ([]byte, error)
	Served func(ctx context.Context) (int64, error)
}

// Services is the room.
type Services struct {
	Rooms
	now func() time.Time

	mu     sync.Mutex
	latest *List // as it was served last, with its proof
	until  time.Time
}

// New opens the room.
func New(ctx context.Context, rooms Rooms) (*Services, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("services: %w", err)
	}
	if err := rooms.DB.Migrate(ctx, "services", sub); err != nil {
		return nil, fmt.Errorf("services: %w", err)
	}
	return &Services{Rooms: rooms, now: time.Now}, nil
}

// ErrNone says that there is no such list.
var ErrNone = errors.New("there is no such list of services")

// List is one that is published.
type List struct {
	Hash  string
	Head  []byte
	Proof string // a c2sp.org/tlog-proof@v1
	entry int64
}

// Make makes the list anew where the archive has changed since the last one, and records it. It reports whether there is another.
func (s *Services) Make(ctx context.Context) (made bool, err error) {
	version, err := s.Archive.Version(ctx)
	if err != nil {
		return false, err
	}
	var was int64
	var hash string
	switch err := s.DB.QueryRowContext(ctx, `SELECT version, hash FROM services_list WHERE entry >= 0 ORDER BY num DESC LIMIT 1`).Scan(&was, &hash); {
	case err == nil && was == version:
		return false, nil
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return false, fmt.Errorf("services: %w", err)
	}
	var items []Item
	if err := s.Archive.EachEntry(ctx, func(e archive.Entry) error {
		if it, ok := itemOf(e); ok {
			items = append(items, it)
		}
		return nil
	}); err != nil {
		return false, fmt.Errorf("services: %w", err)
	}
	if len(items) == 0 && hash == "" {
		return false, nil // nobody needs to be told that there is nothing
	}
	list, err := Encode(items)
	if err != nil {
		return false, fmt.Errorf("services: %w", err)
	}
	if Hash(list) == hash {
		_, err := s.DB.ExecContext(ctx, `UPDATE services_list SET version = $1 WHERE hash = $2`, version, hash)
		return false, err
	}
	return true, s.record(ctx, list, len(items), version)
}

// record keeps a list, has the ledger commit to it, and lets the oldest go. A process that ends in between leaves a list that is
// not served, and records it the next time.
func (s *Services) record(ctx context.Context, list []byte, n int, version int64) error {
	head, err := headOf(list, n, s.now())
	if err != nil {
		return fmt.Errorf("services: %w", err)
	}
	data, err := squeeze(list)
	if err != nil {
		return fmt.Errorf("services: %w", err)
	}
	hash := Hash(list)
	if _, err := s.DB.ExecContext(ctx, `INSERT INTO services_list (hash, num, version, head, entry, data)
		VALUES ($1, (SELECT coalesce(max(num), 0) + 1 FROM services_list), $2, $3, -1, $4)
		ON CONFLICT (hash) DO UPDATE SET version = excluded.version, num = excluded.num`, hash, version, head, data); err != nil {
		return fmt.Errorf("services: keep a list: %w", err)
	}
	entry, head, err := s.Record(ctx, head, hash)
	if err != nil {
		return fmt.Errorf("services: record a list: %w", err)
	}
	if _, err := s.DB.ExecContext(ctx, `UPDATE services_list SET entry = $1, head = $2 WHERE hash = $3`, entry, head, hash); err != nil {
		return fmt.Errorf("services: keep a list: %w", err)
	}
	if _, err := s.DB.ExecContext(ctx, `DELETE FROM services_list WHERE num <= (SELECT max(num) FROM services_list) - $1`, kept); err != nil {
		return fmt.Errorf("services: let old lists go: %w", err)
	}
	s.mu.Lock()
	s.until = time.Time{}
	s.mu.Unlock()
	return nil
}

// Keep makes lists as long as the context lasts: at once, and then at most so often.
func (s *Services) Keep(ctx context.Context, failed func(error)) {
	t := time.NewTicker(Every)
	defer t.Stop()
	for {
		if _, err := s.Make(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// Latest is the newest list that the ledger serves, with its proof. Errors: ErrNone.
func (s *Services) Latest(ctx context.Context) (List, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.latest != nil && s.now().Before(s.until) {
		return *s.latest, nil
	}
	size, err := s.Served(ctx)
	if err != nil {
		return List{}, err
	}
	var l List
	switch err := s.DB.QueryRowContext(ctx, `SELECT hash, head, entry FROM services_list WHERE entry >= 0 AND entry < $1 ORDER BY num DESC LIMIT 1`, size).Scan(&l.Hash, &l.Head, &l.entry); {
	case errors.Is(err, sql.ErrNoRows):
		return List{}, ErrNone
	case err != nil:
		return List{}, fmt.Errorf("services: %w", err)
	}
	proof, err := s.Proof(ctx, l.entry)
	if err != nil {
		return List{}, fmt.Errorf("services: %w", err)
	}
	l.Proof = string(proof)
	s.latest, s.until = &l, s.now().Add(time.Minute)
	return l, nil
}

// Bytes are those of a list that is kept and recorded. Errors: ErrNone.
func (s *Services) Bytes(ctx context.Context, hash string) ([]byte, error) {
	var data []byte
	switch err := s.DB.QueryRowContext(ctx, `SELECT data FROM services_list WHERE hash = $1 AND entry >= 0`, hash).Scan(&data); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, ErrNone
	case err != nil:
		return nil, fmt.Errorf("services: %w", err)
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("services: %w", err)
	}
	list, err := io.ReadAll(io.LimitReader(r, maxList+1))
	if err == nil && Hash(list) != hash {
		err = errors.New("a list that is kept is not the one it is called by")
	}
	if err != nil {
		return nil, fmt.Errorf("services: %w", err)
	}
	return list, nil
}

// Changed is what makes one list into another. Where that is not shorter than half of it, there is none: ErrNone.
func (s *Services) Changed(ctx context.Context, from, to string) ([]byte, error) {
	a, err := s.Bytes(ctx, from)
	if err != nil {
		return nil, err
	}
	b, err := s.Bytes(ctx, to)
	if err != nil {
		return nil, err
	}
	change, err := Change(a, b)
	if err == nil && len(change) > len(b)/2 {
		err = ErrNone
	}
	return change, err
}

func squeeze(b []byte) ([]byte, error) {
	var z bytes.Buffer
	w, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	err = w.Close()
	return z.Bytes(), err
}
