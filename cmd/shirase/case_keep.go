package main

import (
	"context"
	"errors"
	"time"

	"shirase/internal/actor"
	"shirase/internal/roster"
)

// keepEvery is how often a server looks whether something of the cases is to be done.
const keepEvery = 20 * time.Second

// keepCases does what cases want of a server until the context ends: it records the day's head over all of them in the ledger, carries out
// what was approved and interrupted, finishes to shred what was, tells the staff what waits for them, and removes what is left of evidence that never arrived. It does the same whether there is a case or not.
func (a *app) keepCases(ctx context.Context, in *instance, failed func(error)) {
	cases, err := a.casesOf(ctx, in)
	if err != nil {
		failed(err)
		return
	}
	report := func(err error) {
		if err != nil && ctx.Err() == nil {
			failed(err)
		}
	}
	report(cases.Sweep(ctx, in.shredded))
	proposals, err := a.proposalRoom(ctx, in, cases)
	if err != nil {
		failed(err)
		return
	}
	ends, err := a.closing(ctx, in, cases, proposals)
	if err != nil {
		failed(err)
		return
	}
	told, err := a.notifier(ctx, in)
	if err != nil {
		failed(err)
		return
	}
	t := time.NewTicker(keepEvery)
	defer t.Stop()
	for {
		_, _, err := in.publisher.RecordCases(ctx, actor.Server(), cases.SealDay)
		report(err)
		report(proposals.Resume(ctx, actor.Server()))
		report(in.publisher.FinishShreds(ctx, actor.Server()))
		report(ends.Remind(ctx))
		report(cases.TellOverdue(ctx, actor.Server()))
		report(cases.Remind(ctx, actor.Server()))
		_, err = told.Send(ctx)
		report(err)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// shredded says whether a case's key was destroyed.
func (in *instance) shredded(ctx context.Context, id string) (bool, error) {
	_, err := in.rosters.Sealer(ctx, id, false)
	if errors.Is(err, roster.ErrShredded) {
		return true, nil
	}
	if errors.Is(err, roster.ErrNoKey) { // it may come back
		return false, nil
	}
	return false, err
}
