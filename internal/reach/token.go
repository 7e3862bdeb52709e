package reach

import (
	"context"
	"crypto/hmac"
	"database/sql"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"shirase/internal/store"
)

// A token stands in the sender's address and in the Message-ID of a mail: campaign ‖ place in the roster ‖ eight bytes of a keyed hash of
// both, in base32. Whoever has one finds the recipient, where the case's key is; nobody makes one up; and it needs no table.
var tokens = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

const (
	tokenSize = 26
	macBytes  = 8
)

func token(seal *store.Sealer, num, ordinal int64) string {
	var b [8 + macBytes]byte
	binary.BigEndian.PutUint32(b[:], uint32(num))
	binary.BigEndian.PutUint32(b[4:], uint32(ordinal))
	copy(b[8:], seal.Lookup("reach token", b[:8]))
	return tokens.EncodeToString(b[:])
}

// splitToken reads a token, or an address or Message-ID that ends in one before the @.
func splitToken(s string) (num, ordinal int64, mac []byte, ok bool) {
	s, _, _ = strings.Cut(strings.Trim(s, "<> \t\r\n"), "@")
	if len(s) < tokenSize || len(s) > 200 {
		return 0, 0, nil, false
	}
	b, err := tokens.DecodeString(strings.ToLower(s[len(s)-tokenSize:]))
	if err != nil || len(b) != 8+macBytes {
		return 0, 0, nil, false
	}
	return int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[4:])), b[8:], true
}

// find gives the campaign and the place that a token names. ErrNotFound where none of ours does.
func (r *Reach) find(ctx context.Context, q store.Querier, tok string) (*Campaign, int64, error) {
	num, ordinal, mac, ok := splitToken(tok)
	if !ok {
		return nil, 0, ErrNotFound
	}
	c, err := r.scan(q.QueryRowContext(ctx, `SELECT `+columns+` FROM reach_campaign WHERE num = $1`, num))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, 0, ErrNotFound
	}
	if err != nil {
		return nil, 0, err
	}
	seal, err := r.Rosters.Sealer(ctx, c.Incident, false)
	if err != nil {
		return nil, 0, fmt.Errorf("campaign %s: %w", c.ID, err)
	}
	_, _, want, _ := splitToken(token(seal, num, ordinal))
	if !hmac.Equal(mac, want) {
		return nil, 0, ErrNotFound
	}
	return c, ordinal, nil
}

// linkToken stands in somebody's own link. It is another one than that in the mail's headers, which servers on the way write into their logs,
// and longer: whoever has it may act for them.
func linkToken(seal *store.Sealer, num, ordinal int64) string {
	var b [8 + 16]byte
	binary.BigEndian.PutUint32(b[:], uint32(num))
	binary.BigEndian.PutUint32(b[4:], uint32(ordinal))
	copy(b[8:], seal.Lookup("reach link", b[:8]))
	return tokens.EncodeToString(b[:])
}

// Linked gives the recipient whom a personal link is of. ErrNotFound.
func (r *Reach) Linked(ctx context.Context, tok string) (Recipient, error) {
	b, err := tokens.DecodeString(strings.ToLower(tok))
	if err != nil || len(b) != 8+16 {
		return Recipient{}, ErrNotFound
	}
	num, ordinal := int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[4:]))
	c, err := r.scan(r.DB.QueryRowContext(ctx, `SELECT `+columns+` FROM reach_campaign WHERE num = $1`, num))
	if errors.Is(err, sql.ErrNoRows) {
		return Recipient{}, ErrNotFound
	}
	if err != nil {
		return Recipient{}, err
	}
	seal, err := r.Rosters.Sealer(ctx, c.Incident, false)
	if err != nil {
		return Recipient{}, err
	}
	if !hmac.Equal([]byte(linkToken(seal, num, ordinal)), []byte(strings.ToLower(tok))) {
		return Recipient{}, ErrNotFound
	}
	return r.recipient(ctx, r.DB, c, ordinal)
}
