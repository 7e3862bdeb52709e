package datasets

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"shirase/internal/actor"
	"shirase/internal/incident"
)

// ErrNothing says that of what was given nothing could be taken in.
var ErrNothing = errors.New("nothing in it is a record of that form")

// Take takes in a data set that a program asked for, whole, as shirase incident import does. An answer that holds no record at all is an
// error: it was a page to sign in at, or a message, and not a list that has become empty.
func Take(ctx context.Context, who actor.Actor, in *incident.Incidents, format string, data []byte) error {
	reader, err := Open(format, bytes.NewReader(data), Format(format), "")
	if err != nil {
		return err
	}
	counts, err := in.Import(ctx, who, func() (incident.Record, error) {
		if err := ctx.Err(); err != nil {
			return incident.Record{}, err
		}
		return reader.Next()
	}, incident.ImportOptions{})
	if err == nil && counts.Read == counts.Rejected {
		err = fmt.Errorf("%s: %w", format, ErrNothing)
	}
	return err
}
