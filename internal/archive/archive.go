// Package archive finds incidents and sets them beside one another: search with facets, organisations, statistics,
// comparisons, and incidents like a case of one's own.
//
// All of it is made from what package incident says is public, entry by entry, in the transaction that makes something
// public ([Changed]), and can be made again. What counts and sorts is held in memory by whoever searches. The tables are
// those of incident's migrations 3 and 4, from before the archive was a room of its own.
package archive

import (
	"context"
	"errors"
	"fmt"

	"shirase/internal/incident"
	"shirase/internal/store"
)

// What can go wrong in this room.
var (
	ErrQuery          = errors.New("search not accepted")
	ErrNoOrganisation = errors.New("no such organisation")
)

// Archive is the room.
type Archive struct {
	db        *store.DB
	incidents *incident.Incidents
	public    *View
}

// New opens the room beside incidents, which was opened on the same db with [Changed], and makes the archive of a store
// that has none, or has it in an earlier form.
func New(ctx context.Context, db *store.DB, incidents *incident.Incidents) (*Archive, error) {
	a := &Archive{db: db, incidents: incidents}
	a.public = &View{View: incidents.Public(), db: db, held: &held{}}
	if err := a.whole(ctx); err != nil {
		return nil, fmt.Errorf("archive: making it: %w", err)
	}
	return a, nil
}

// A View is everything that a door shows of incidents, one by one and many together: what is public or, for a private
// preview, everything as if it were published now. A door is given one and nothing else, so that a draft cannot be rendered
// by accident.
type View struct {
	*incident.View
	db   *store.DB
	held *held
}

// Public is what everybody sees.
func (a *Archive) Public() *View { return a.public }

// Preview is what everybody would see if everything that is recorded were published now; see [incident.Incidents.Preview].
func (a *Archive) Preview(next incident.Upcoming) *View {
	return &View{View: a.incidents.Preview(next), db: a.db, held: &held{drafts: -1}}
}

// Version returns a number that is another one after every change of the archive.
func (v *View) Version(ctx context.Context) (int64, error) {
	var version int64
	if err := v.db.QueryRowContext(ctx, `SELECT version FROM incident_archive WHERE one = 1`).Scan(&version); err != nil {
		return 0, fmt.Errorf("archive: %w", err)
	}
	return version, nil
}
