package main

import (
	"context"
	"errors"

	"shirase/internal/incident"
	"shirase/internal/roster"
)

// nextFor says the command that takes an incident of the operator's own further: to a scope, or to publication.
func (in *instance) nextFor(ctx context.Context, inc incident.Incident) string {
	if _, err := in.rosters.Latest(ctx, inc.ID); err == nil || !errors.Is(err, roster.ErrNone) || inc.State() != "" && inc.State() != incident.StateFinal {
		return "shirase publish " + inc.ID
	}
	return "shirase scope --export ACCOUNTS --rules RULES --incident " + inc.ID + " --commit\nor, while its scope is still investigated: shirase publish " + inc.ID
}

// next says the command that takes an instance further where nothing is published: the incident that waits, or the first.
func (in *instance) next(ctx context.Context) (string, error) {
	waiting, err := in.incidents.Waiting(ctx, 1)
	if err != nil {
		return "", err
	}
	if len(waiting) == 0 {
		return "shirase incident new --facts FILE", nil
	}
	inc, err := in.incidents.Get(ctx, waiting[0])
	if err != nil {
		return "", err
	}
	return in.nextFor(ctx, inc), nil
}
