package incident

import (
	"context"
	"fmt"

	"shirase/internal/store"
)

// Waiting returns the operator's own incidents of which no notice was published, the one recorded last first, at most
// limit of them. What was merged into another does not wait.
func (s *Incidents) Waiting(ctx context.Context, limit int) ([]string, error) {
	ids, err := store.Column[string](ctx, s.db, `SELECT i.id FROM incident i
		WHERE NOT EXISTS (SELECT 1 FROM incident_import o WHERE o.incident = i.id)
		AND NOT EXISTS (SELECT 1 FROM incident_notice n WHERE n.incident = i.id)
		AND NOT EXISTS (SELECT 1 FROM incident_merge m WHERE m.incident = i.id)
		ORDER BY i.created_at DESC, i.id LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("incidents that wait: %w", err)
	}
	return ids, nil
}
