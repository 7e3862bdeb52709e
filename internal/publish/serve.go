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

// Reissue publishes the newest statement again under the next number, where half of its life is over, where there is
// something new to say of keys or the ledger, or where it is forced: statements expire, so that nobody can go on showing an
// old one. nil where there was nothing to do. Errors: index.ErrNone.
func (p *Publisher) Reissue(ctx context.Context, who actor.Actor, force bool) (*Publication, error) {
	if err := who.Check("reissue"); err != nil {
		return nil, err
	}
	for {
		frame, err := p.frame(ctx)
		if err != nil {
			return nil, err
		}
		draft, err := p.Index.Reissue(ctx, frame, force)
		if err != nil || draft == nil {
			return nil, err
		}
		if err := p.ledger.Clock(ctx); err != nil {
			return nil, fmt.Errorf("reissue: %w", err)
		}
		pub, err := p.put(ctx, who, draft)
		if errors.Is(err, index.ErrStale) { // another server was first
			force = false
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reissue: %w", err)
		}
		return pub, nil
	}
}

// put publishes a statement without a notice. Errors: index.ErrStale.
func (p *Publisher) put(ctx context.Context, who actor.Actor, draft *index.Draft) (*Publication, error) {
	pub := &Publication{Statement: draft.Statement, Hash: check.StatementHash(draft.Raw), LedgerIndex: draft.LedgerIndex(), Changed: draft.Changed}
	if draft.Changed {
		err := p.ledger.Update(ctx, func(tx *sql.Tx) error {
			var err error
			if pub.LedgerIndex, err = p.append(ctx, tx, who, check.KindStatement, draft.Raw, nil); err != nil {
				return err
			}
			return p.Index.Record(ctx, tx, draft, pub.LedgerIndex)
		})
		if err != nil {
			return nil, err
		}
	}
	var err error
	pub.Waiting, err = p.serve(ctx)
	return pub, err
}

// freshEvery is how often a server looks whether there is something to reissue or to serve.
const freshEvery = time.Minute

// KeepFresh reissues statements until the context ends, serves what waits for witnesses and what another process appended
// and died before serving, has what is served cosigned anew, and removes layers that have left the statement long ago;
// report is told of errors, and once of who keeps it waiting.
func (p *Publisher) KeepFresh(ctx context.Context, who actor.Actor, report func(error)) {
	t := time.NewTicker(freshEvery)
	defer t.Stop()
	var waiting error
	for {
		_, err := p.Reissue(ctx, who, false)
		if errors.Is(err, index.ErrNone) {
			err = nil
		}
		waits, failed := p.serve(ctx)
		if waits != nil && waiting == nil && ctx.Err() == nil {
			report(waits)
		}
		waiting = waits
		if err = errors.Join(err, failed, p.ledger.Recosign(ctx), p.expire(ctx)); err != nil && ctx.Err() == nil {
			report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

func (p *Publisher) expire(ctx context.Context) error {
	size, err := p.ledger.Served(ctx)
	if err != nil {
		return err
	}
	return p.Index.Expire(ctx, size)
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
	return ledgerIndex, hex.EncodeToString(sum[:]), p.ledger.Resume(ctx) // a server does not wait for witnesses to start
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

// RecordServices has the ledger commit to the head of a list of services (docs/FORMAT.md), where its newest one is not of the same
// list, and gives the entry and the bytes that it commits to.
func (p *Publisher) RecordServices(ctx context.Context, who actor.Actor, head []byte, list string) (ledgerIndex int64, recorded []byte, err error) {
	if err := who.Check("record the list of services"); err != nil {
		return 0, nil, err
	}
	err = p.ledger.Update(ctx, func(tx *sql.Tx) error { // two servers that make the same list record it once
		var err error
		ledgerIndex, recorded, err = p.ledger.Last(ctx, tx, check.KindServices)
		if err != nil && !errors.Is(err, ledger.ErrNotFound) {
			return err
		}
		if err == nil {
			var last struct {
				List string `json:"list"`
			}
			if err := json.Unmarshal(recorded, &last); err != nil {
				return fmt.Errorf("read the record of the last list of services: %w", err)
			}
			if last.List == list {
				return nil
			}
		}
		recorded = head
		ledgerIndex, err = p.append(ctx, tx, who, check.KindServices, head, nil)
		return err
	})
	if err != nil {
		return 0, nil, fmt.Errorf("record the list of services: %w", err)
	}
	return ledgerIndex, recorded, p.ledger.Resume(ctx)
}

// Served is up to which entry the ledger is served: what comes after waits for witnesses.
func (p *Publisher) Served(ctx context.Context) (int64, error) { return p.ledger.Served(ctx) }

// Proof returns the proof that an entry is in the ledger, against the newest published checkpoint, as a
// c2sp.org/tlog-proof@v1.
func (p *Publisher) Proof(ctx context.Context, ledgerIndex int64) ([]byte, error) {
	return p.ledger.Proof(ctx, ledgerIndex)
}
