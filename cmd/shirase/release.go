package main

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/check"
	"shirase/internal/ledger"
	"shirase/internal/site"
)

// release is the ledger's record of the scripts that the pages load
// (docs/FORMAT.md section 3).
type release struct {
	V       int               `json:"v"` // 1
	Time    check.Time        `json:"time"`
	Scripts map[string]string `json:"scripts"` // SHA-256 in hex by file name
}

// recordRelease records the page's scripts in the ledger, where the newest
// record is not of these, and gives the record's place and hash.
func recordRelease(ctx context.Context, l *ledger.Ledger, update func(context.Context, func(*sql.Tx) error) error) (index int64, hash string, err error) {
	scripts, err := site.Scripts()
	if err != nil {
		return 0, "", err
	}
	index, data, err := l.Last(ctx, check.KindPage)
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return 0, "", err
	}
	if err == nil {
		var last release
		if err := json.Unmarshal(data, &last); err != nil {
			return 0, "", fmt.Errorf("read the page's record: %w", err)
		}
		if maps.Equal(last.Scripts, scripts) {
			return index, hashHex(data), nil
		}
	}
	b, err := json.Marshal(release{1, check.At(time.Now()), scripts})
	if err != nil {
		return 0, "", fmt.Errorf("record the page: %w", err)
	}
	if err := (*jsontext.Value)(&b).Canonicalize(); err != nil {
		return 0, "", fmt.Errorf("record the page: %w", err)
	}
	err = update(ctx, func(tx *sql.Tx) error {
		var err error
		index, _, err = l.Append(ctx, tx, check.KindPage, b)
		return err
	})
	if err != nil {
		return 0, "", fmt.Errorf("record the page: %w", err)
	}
	return index, hashHex(b), l.Sync(ctx)
}

func hashHex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
