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

func openCases(ctx context.Context, db *store.DB, _ *files.Dir, incidents *incident.Incidents, book *law.Book, seal response.Sealer, _ *staff.Staff) (*response.Cases, error) {
	return response.New(ctx, db, incidents, book, seal)
}
