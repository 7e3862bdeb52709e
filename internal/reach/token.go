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

	"shirase/internal/roster"
	"shirase/internal/store"
)

// A token stands in the address that a mail comes back to, and another in its Message-ID: campaign ‖ place in the roster ‖ eight bytes of a
// keyed hash of both, in base32. Whoever has one finds the recipient, where the case's key is; nobody makes one up; and it needs no table.
// The one does not follow from the other: answers and lists quote a Message-ID, and who has read one cannot have mail come back for it.
var tokens = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

const (
	tokenSize = 26
	macBytes  = 8
)

// kind is what a token is for: the label that it is derived under.
type kind string

const (
	inReturn    kind = "reach token"      // in the address that a mail comes back to
	inMessageID kind = "reach message-id" // after "m."
)

func token(seal *store.Sealer, of kind, num, ordinal int64) string {
	var b [8 + macBytes]byte
	binary.BigEndian.PutUint32(b[:], uint32(num))
	binary.BigEndian.PutUint32(b[4:], uint32(ordinal))
	copy(b[8:], seal.Lookup(string(of), b[:8]))
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

// place is where a token leads.
type place struct {
	c       *Campaign
	ordinal int64
	seal    *store.Sealer
}

// find gives the campaign and the place that a token of a kind names. ErrNotFound where none of ours does.
func (r *Reach) find(ctx context.Context, of kind, tok string) (place, error) {
	num, ordinal, mac, ok := splitToken(tok)
	if !ok {
		return place{}, ErrNotFound
	}
	c, err := r.scan(r.DB.QueryRowContext(ctx, `SELECT `+columns+` FROM reach_campaign WHERE num = $1`, num))
	if errors.Is(err, sql.ErrNoRows) {
		return place{}, ErrNotFound
	}
	if err != nil {
		return place{}, err
	}
	seal, err := r.Rosters.Sealer(ctx, c.Incident, false)
	if errors.Is(err, roster.ErrShredded) { // nobody can tell any more whose it was
		return place{}, ErrNotFound
	}
	if err != nil {
		return place{}, fmt.Errorf("campaign %s: %w", c.ID, err)
	}
	_, _, want, _ := splitToken(token(seal, of, num, ordinal))
	if !hmac.Equal(mac, want) {
		return place{}, ErrNotFound
	}
	return place{c, ordinal, seal}, nil
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
