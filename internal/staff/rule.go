package staff

import (
	"context"
	"database/sql"

	"shirase/internal/actor"
)

// RuleSaid notes in the log, in its transaction, that somebody has said how approval goes. note says how.
func (s *Staff) RuleSaid(ctx context.Context, tx *sql.Tx, who actor.Actor, note string) error {
	return s.log(ctx, tx, who.String(), "approval-rule", "", "", note)
}
