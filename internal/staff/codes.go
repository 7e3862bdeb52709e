package staff

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"shirase/internal/actor"
	"shirase/internal/store"
)

const (
	codes      = 10 // of somebody
	codeLength = 16 // of base32: 80 bits
)

// NewCodes makes recovery codes for whoever asks, in place of those before. They are shown once, and kept as hashes.
func (s *Staff) NewCodes(ctx context.Context, who actor.Actor) ([]string, error) {
	if err := who.Confirmed(ActCodes); err != nil {
		return nil, err
	}
	return s.newCodes(ctx, who.ID(), who.String())
}

// FirstCodes is NewCodes for somebody who has just come in by a link and has none.
func (s *Staff) FirstCodes(ctx context.Context, who actor.Actor) ([]string, error) {
	if !who.Person() {
		return nil, fmt.Errorf("make recovery codes: %w", actor.ErrNobody)
	}
	n, err := s.CodesLeft(ctx, who)
	if err != nil {
		return nil, err
	}
	if n > 0 {
		return nil, fmt.Errorf("make recovery codes: %w", actor.ErrUnconfirmed)
	}
	return s.newCodes(ctx, who.ID(), who.String())
}

func (s *Staff) newCodes(ctx context.Context, id, who string) ([]string, error) {
	var out []string
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		out = nil
		if _, err := s.account(ctx, tx, id); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM staff_code WHERE account = $1`, id); err != nil {
			return err
		}
		for range codes {
			code := strings.ToLower(rand.Text()[:codeLength])
			if _, err := tx.ExecContext(ctx, `INSERT INTO staff_code (hash, account, used) VALUES ($1, $2, 0)`, hashOf("code", code), id); err != nil {
				return err
			}
			out = append(out, code[:4]+"-"+code[4:8]+"-"+code[8:12]+"-"+code[12:])
		}
		return s.log(ctx, tx, who, "codes", id, "", "")
	})
	if err != nil {
		return nil, fmt.Errorf("make recovery codes: %w", err)
	}
	return out, nil
}

// CodesLeft says how many codes of whoever asks were not used yet.
func (s *Staff) CodesLeft(ctx context.Context, who actor.Actor) (n int, err error) {
	if err = s.db.QueryRowContext(ctx, `SELECT count(*) FROM staff_code WHERE account = $1 AND used = 0`, who.ID()).Scan(&n); err != nil {
		err = fmt.Errorf("count recovery codes: %w", err)
	}
	return n, err
}

// UseCode lets somebody in by a recovery code, once. Whoever comes in so waits before they approve or administer. ErrSignIn
// where the code is nobody's.
func (s *Staff) UseCode(ctx context.Context, code string) (Account, error) {
	if len(code) > 100 {
		return Account{}, fmt.Errorf("use a recovery code: %w", ErrSignIn)
	}
	// Base32 has no 0, 1 and 8: whoever copied one by hand meant the letter.
	code = strings.NewReplacer("-", "", " ", "", "0", "o", "1", "i", "8", "b").Replace(strings.ToLower(code))
	var a Account
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		var id string
		err := tx.QueryRowContext(ctx, `UPDATE staff_code SET used = $2 WHERE hash = $1 AND used = 0 RETURNING account`, hashOf("code", code), store.Micros(s.now())).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrSignIn
		}
		if err != nil {
			return err
		}
		if err := s.wait(ctx, tx, id); err != nil {
			return err
		}
		if err := s.log(ctx, tx, id+" by console", "code", id, "", ""); err != nil {
			return err
		}
		a, err = s.account(ctx, tx, id)
		return err
	})
	if err != nil {
		return Account{}, fmt.Errorf("use a recovery code: %w", err)
	}
	return a, nil
}
