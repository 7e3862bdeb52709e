package console

import (
	"context"

	"shirase/internal/files"
	"shirase/internal/incident"
	"shirase/internal/law"
	"shirase/internal/response"
	"shirase/internal/staff"
	"shirase/internal/store"
)

func openCases(ctx context.Context, db *store.DB, dir *files.Dir, incidents *incident.Incidents, book *law.Book, seal response.Sealer, people *staff.Staff) (*response.Cases, error) {
	return response.New(ctx, response.Rooms{DB: db, Dir: dir, Incidents: incidents, Book: book, Seal: seal, Granted: people.Declared})
}
