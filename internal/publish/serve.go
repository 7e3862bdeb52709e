package publish

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
	"shirase/internal/actor"
	"shirase/internal/index"
	"shirase/internal/ledger"
)

// Reissue publishes the newest statement again under the next number, where it is a day old or forced: statements expire,
// so that nobody can go on showing an old one. nil where there was nothing to do. Errors: index.ErrNone.
func (p *Publisher) Reissue(ctx context.Context, who actor.Actor, force bool) (*Publication, error) {
	if err := who.Check("reissue"); err != nil {
		return nil, err
	}
	for {
		draft, err := p.Index.Reissue(ctx, force)
		if err != nil || draft == nil {
			return nil, err
		}
		pub := &Publication{Statement: draft.Statement, Hash: check.StatementHash(draft.Raw), Changed: true}
		err = p.ledger.Update(ctx, func(tx *sql.Tx) error {
			var err error
			if pub.LedgerIndex, err = p.append(ctx, tx, who, check.KindStatement, draft.Raw, nil); err != nil {
				return err
			}
			return p.Index.Record(ctx, tx, draft, pub.LedgerIndex)
		})
		if errors.Is(err, index.ErrStale) { // another server was first
			force = false
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reissue: %w", err)
		}
		return pub, p.ledger.Sync(ctx)
	}
}

// freshEvery is how often a server looks whether there is something to reissue or to serve.
const freshEvery = time.Minute

// KeepFresh reissues statements until the context ends, and serves what another process appended and died before serving;
// report is told of errors.
func (p *Publisher) KeepFresh(ctx context.Context, who actor.Actor, report func(error)) {
	t := time.NewTicker(freshEvery)
	defer t.Stop()
	for {
		_, err := p.Reissue(ctx, who, false)
		if errors.Is(err, index.ErrNone) {
			err = nil
		}
		if err = errors.Join(err, p.ledger.Sync(ctx)); err != nil && ctx.Err() == nil {
			report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// page is the ledger's record of the scripts that the pages load (docs/FORMAT.md section 3).
type page struct {
	V       int               `json:"v"` // 1
	Time    check.Time        `json:"time"`
	Scripts map[string]string `json:"scripts"` // SHA-256 in hex by file name
}

// RecordPage records the page's scripts (SHA-256 in hex by file name) in the ledger, where the newest record is not of
// these, and gives the record's entry and the hash that its bytes are served by.
func (p *Publisher) RecordPage(ctx context.Context, who actor.Actor, scripts map[string]string) (ledgerIndex int64, hash string, err error) {
	if err := who.Check("record the page"); err != nil {
		return 0, "", err
	}
	var data []byte
	err = p.ledger.Update(ctx, func(tx *sql.Tx) error { // two servers that start together record it once
		var err error
		ledgerIndex, data, err = p.ledger.Last(ctx, tx, check.KindPage)
		if err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return err
		}
		if err == nil {
			var last page
			if err := json.Unmarshal(data, &last); err != nil {
				return fmt.Errorf("read the page's record: %w", err)
			}
			if maps.Equal(last.Scripts, scripts) {
				return nil
			}
		}
		if data, err = json.Marshal(page{1, check.At(p.now()), scripts}); err != nil {
			return err
		}
		if err := (*jsontext.Value)(&data).Canonicalize(); err != nil {
			return err
		}
		ledgerIndex, err = p.append(ctx, tx, who, check.KindPage, data, nil)
		return err
	})
	if err != nil {
		return 0, "", fmt.Errorf("record the page: %w", err)
	}
	sum := sha256.Sum256(data)
	return ledgerIndex, hex.EncodeToString(sum[:]), p.ledger.Sync(ctx)
}

// LastPage returns the newest record of the page's scripts, for a server that records none; false where there is none.
func (p *Publisher) LastPage(ctx context.Context) (ledgerIndex int64, hash string, ok bool, err error) {
	ledgerIndex, data, err := p.ledger.Last(ctx, p.DB, check.KindPage)
	if errors.Is(err, ledger.ErrNotFound) {
		return 0, "", false, nil
	}
	sum := sha256.Sum256(data)
	return ledgerIndex, hex.EncodeToString(sum[:]), err == nil, err
}

// Proof returns the proof that an entry is in the ledger, against the newest published checkpoint, as a
// c2sp.org/tlog-proof@v1.
func (p *Publisher) Proof(ctx context.Context, ledgerIndex int64) ([]byte, error) {
	return p.ledger.Proof(ctx, ledgerIndex)
}
