package incident

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
)

// ErrChanged says that a fact has changed since it was read. Nothing was recorded.
var ErrChanged = errors.New("the fact has changed since it was read")

// Version names how a key, or an item of a listed key, stands, so that whoever changes it can say what they have read; "" where
// nothing holds.
func (i Incident) Version(key, item string) string {
	n := slices.IndexFunc(i.Facts, func(f Fact) bool { return f.Key == key && f.Item == item })
	if n < 0 {
		return ""
	}
	b, err := json.Marshal(i.Facts[n], json.Deterministic(true))
	if err != nil {
		return "-"
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// Change records one fact where what it replaces stands as it was read: was is its Version then. Errors: ErrNotFound, ErrChanged.
func (s *Incidents) Change(ctx context.Context, who actor.Actor, id string, f Fact, was string) (Incident, error) {
	if err := who.May(actor.Write, id); err != nil {
		if errors.Is(err, actor.ErrHidden) {
			err = ErrNotFound
		}
		return Incident{}, fmt.Errorf("change a fact: %w", err)
	}
	err := s.db.Update(ctx, func(tx *sql.Tx) error {
		inc, err := draftOf(ctx, tx, id)
		if err != nil {
			return err
		}
		if inc.ID != id { // it was merged into another
			return notFound(id)
		}
		if inc.Version(f.Key, f.Item) != was {
			return ErrChanged
		}
		return s.addFacts(ctx, tx, who, &FactsFile{ID: id, Facts: []Fact{f}}, s.now())
	})
	if err != nil {
		return Incident{}, fmt.Errorf("change a fact: %w", err)
	}
	return s.Get(ctx, id)
}

// With gives the incident as it would stand with more facts, and records nothing. What has no as-of is of the present minute.
func (s *Incidents) With(ctx context.Context, id string, more ...Fact) (Incident, error) {
	all, err := s.recorded(ctx, id)
	if err != nil {
		return Incident{}, err
	}
	inc := Incident{ID: id}
	for _, f := range more {
		if f.AsOf.IsZero() {
			f.AsOf = Moment{s.now().UTC().Truncate(time.Minute), Minute}
		}
		all = append(all, f)
	}
	inc.Facts = current(all)
	return inc, nil
}
