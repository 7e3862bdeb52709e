package staff

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/store"
)

// ActFeed is what a passkey confirms for the address of a calendar, which is good for longer than a sign-in.
const ActFeed = "feed"

// NewFeed makes the address of whoever asks, by which a program reads what they may see of deadlines, in the place of the one before.
// The token has 130 random bits, is shown once, and kept as a hash.
func (s *Staff) NewFeed(ctx context.Context, who actor.Actor) (token string, err error) {
	if err := who.Confirmed(ActFeed); err != nil {
		return "", fmt.Errorf("make a calendar's address: %w", err)
	}
	token = strings.ToLower(rand.Text())
	err = s.db.Update(ctx, func(tx *sql.Tx) error {
		if _, err := s.account(ctx, tx, who.ID()); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO staff_feed (account, hash, created) VALUES ($1, $2, $3)
			ON CONFLICT (account) DO UPDATE SET hash = excluded.hash, created = excluded.created`, who.ID(), hashOf("feed", token), store.Micros(s.now())); err != nil {
			return err
		}
		return s.log(ctx, tx, who.String(), "feed", who.ID(), "", "")
	})
	if err != nil {
		return "", fmt.Errorf("make a calendar's address: %w", err)
	}
	return token, nil
}

// EndFeed ends the address of whoever asks. ErrNotFound where they have none.
func (s *Staff) EndFeed(ctx context.Context, who actor.Actor) error {
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM staff_feed WHERE account = $1`, who.ID())
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrNotFound)
		}
		return s.log(ctx, tx, who.String(), "end-feed", who.ID(), "", "")
	})
	if err != nil {
		return fmt.Errorf("end a calendar's address: %w", err)
	}
	return nil
}

// FeedSince is when whoever asks made the address that they have; zero where they have none.
func (s *Staff) FeedSince(ctx context.Context, who actor.Actor) (time.Time, error) {
	var created int64
	err := s.db.QueryRowContext(ctx, `SELECT created FROM staff_feed WHERE account = $1`, who.ID()).Scan(&created)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, fmt.Errorf("read a calendar's address: %w", err)
	}
	return at(created), nil
}

// ByFeed is whose calendar an address is, who came in by "feed" and confirms nothing. ErrNotFound where it was never given, or was
// ended, or its owner has left.
func (s *Staff) ByFeed(ctx context.Context, token string) (actor.Actor, error) {
	if token == "" || len(token) > 64 {
		return actor.Actor{}, fmt.Errorf("read a calendar: %w", ErrNotFound)
	}
	var id string
	err := s.db.QueryRowContext(ctx, `SELECT account FROM staff_feed WHERE hash = $1`, hashOf("feed", token)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return actor.Actor{}, fmt.Errorf("read a calendar: %w", err)
	}
	who, _, err := s.Actor(ctx, id, "", "feed")
	return who, err
}
