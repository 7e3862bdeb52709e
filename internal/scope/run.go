package scope

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/response"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// moveEvery is how often a run says how far it is, and looks whether it is to end.
const moveEvery = 700 * time.Millisecond

// unfold is how many times its size an export may unfold to, beside a gibibyte.
const unfold = 200

// DryRun begins to try rules on an export, and gives the run. The rules are saved as they are. Errors: roster.ErrRules;
// files.ErrHeld, with who is at it; ErrNotFound where the case has no such export.
func (s *Scopes) DryRun(ctx context.Context, who actor.Actor, id string, export int64, text string, read int64) (Run, error) {
	rules, err := s.SaveRules(ctx, who, id, text, read)
	if err != nil {
		return Run{}, err
	}
	return s.begin(ctx, who, Run{Incident: id, Export: export, Rules: rules.Seq})
}

// Commit begins to make the roster of what a dry run has shown: the same export, and the same version of the rules. As on the command
// line one person makes it: nothing is published by it, and what publishes it needs the second one. Errors: ErrNotDone; those of DryRun.
func (s *Scopes) Commit(ctx context.Context, who actor.Actor, id string, dry int64) (Run, error) {
	if err := may(who, actor.Write, id); err != nil {
		return Run{}, err
	}
	r, err := s.Run(ctx, who, id, dry)
	if err != nil {
		return Run{}, err
	}
	if r.State != Done || r.Commit {
		return Run{}, hint.Add(fmt.Errorf("scope of %s: run %d: %w", id, dry, ErrNotDone), "make the roster of a dry run that has come to its end")
	}
	return s.begin(ctx, who, Run{Incident: id, Export: r.Export, Rules: r.Rules, Commit: true})
}

func (r Run) key() string { return fmt.Sprintf("%s %d", r.Incident, r.Seq) }

// what says what a run does, to whoever else wants the incident.
func (r Run) what() string {
	if r.Commit {
		return "making the roster of " + r.Incident
	}
	return "a dry run of the scope of " + r.Incident
}

// why is what stands in the record of the export, in both languages.
func (r Run) why() string {
	if r.Commit {
		return fmt.Sprintf("名簿 %d を作るため / to make roster %[1]d", r.Seq)
	}
	return fmt.Sprintf("試算 %d / dry run %[1]d", r.Seq)
}

func (r Run) kind() string {
	if r.Commit {
		return "commit"
	}
	return "dry"
}

// export finds an export of accounts that is there.
func export(k *response.Case, n int64) (*response.Piece, error) {
	for i := range k.Evidence {
		if p := &k.Evidence[i]; p.ID == n && p.Use == response.UseAccounts {
			if p.Removed() {
				return nil, fmt.Errorf("export %d: %w", n, response.ErrRemoved)
			}
			return p, nil
		}
	}
	return nil, fmt.Errorf("export %d: %w", n, ErrNotFound)
}

// begin takes the incident, records the run, and leaves it to itself.
func (s *Scopes) begin(ctx context.Context, who actor.Actor, r Run) (Run, error) {
	k, err := s.Cases.Get(ctx, who, r.Incident)
	if err != nil {
		return Run{}, err
	}
	if k.Closed {
		return Run{}, fmt.Errorf("scope of %s: %w", r.Incident, response.ErrClosed)
	}
	piece, err := export(k, r.Export)
	if err != nil {
		return Run{}, fmt.Errorf("scope of %s: %w", r.Incident, err)
	}
	text, err := s.Rules(ctx, who, r.Incident, r.Rules)
	if err != nil {
		return Run{}, err
	}
	rules, err := parse(text.Text)
	if err != nil {
		return Run{}, err
	}
	release, err := s.Hold(r.Incident, r.what())
	if err != nil {
		return Run{}, fmt.Errorf("scope of %s: %w", r.Incident, err)
	}
	was, err := s.current(ctx, r.Incident)
	if err == nil {
		r.By, r.State, r.Began = who.String(), Running, s.now().UTC()
		err = s.DB.Update(ctx, func(tx *sql.Tx) error {
			if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) + 1 FROM scope_run WHERE incident = $1`, r.Incident).Scan(&r.Seq); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, `INSERT INTO scope_run (incident, seq, kind, state, actor, export, rules, was, began_at, moved, stop, stage, done, total, outcome)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, 0, '', 0, 0, $10)`, r.Incident, r.Seq, r.kind(), string(Running), r.By, r.Export, r.Rules, was, store.Micros(r.Began), []byte{})
			return err
		})
	}
	if err != nil {
		release()
		return Run{}, fmt.Errorf("scope of %s: %w", r.Incident, err)
	}
	life, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	s.mu.Lock()
	if s.over {
		cancel(errOver)
	}
	s.running[r.key()] = cancel
	s.all.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.all.Done()
		defer release()
		s.work(life, cancel, who, r, piece, rules)
		s.mu.Lock()
		delete(s.running, r.key())
		s.mu.Unlock()
	}()
	s.Moved()
	return r, nil
}

// errOver ends runs where the server does.
var errOver = errors.New("the server ends")

// current gives the id of the roster that an incident has; "" for none.
func (s *Scopes) current(ctx context.Context, id string) (string, error) {
	now, err := s.Rosters.Latest(ctx, id)
	if errors.Is(err, roster.ErrNone) {
		return "", nil
	}
	return now.ID, err
}

// work does a run to its end, and records how it ended.
func (s *Scopes) work(ctx context.Context, cancel context.CancelCauseFunc, who actor.Actor, r Run, piece *response.Piece, rules *roster.Rules) {
	defer cancel(nil)
	state, out := s.run(ctx, cancel, who, r, piece, rules)
	ctx = context.WithoutCancel(ctx)
	if err := s.end(ctx, r, state, out); err != nil {
		// The next look at runs that nobody works on says that it was interrupted, or that its roster was made.
		return
	}
	s.Moved()
}

func (s *Scopes) run(ctx context.Context, cancel context.CancelCauseFunc, who actor.Actor, r Run, piece *response.Piece, rules *roster.Rules) (State, Outcome) {
	out := Outcome{Accounts: rules.ByAccount()}
	o := roster.Options{Export: piece.Name, Rules: rules, PhoneRegion: s.PhoneRegion, TempDir: s.Temp, Study: &out.Study, MaxRows: s.Rows, MaxText: piece.Size*unfold + 1<<30,
		Source: func(ctx context.Context) (io.ReadCloser, int64, error) {
			in, p, err := s.Cases.OpenAccounts(ctx, who, r.Incident, r.Export, r.why())
			if err != nil {
				return nil, 0, err
			}
			return in, p.Size, nil
		}}
	last := time.Time{}
	o.Progress = func(p roster.Progress) {
		if now := s.now(); now.Sub(last) >= moveEvery || p.Done == p.Total {
			last = now
			s.move(ctx, cancel, r, p)
		}
	}
	var err error
	if r.Commit {
		err = s.make(ctx, who, r, o, &out)
	} else {
		out.Counts, out.Difference, err = s.Rosters.DryRun(ctx, who, r.Incident, o)
	}
	if err == nil {
		return Done, out
	}
	if cause := context.Cause(ctx); cause != nil {
		switch {
		case errors.Is(cause, ErrCancelled):
			return Cancelled, Outcome{}
		case errors.Is(cause, errOver):
			return Interrupted, Outcome{}
		case !errors.Is(cause, context.Canceled):
			err = cause
		}
	}
	out.Error, out.Remedy = err.Error(), hint.Of(err)
	return Failed, out
}

// make makes the roster, and counts how it differs from the one before.
func (s *Scopes) make(ctx context.Context, who actor.Actor, r Run, o roster.Options, out *Outcome) error {
	before, err := s.Rosters.Latest(ctx, r.Incident)
	if err != nil && !errors.Is(err, roster.ErrNone) {
		return err
	}
	made, err := s.Rosters.Create(ctx, who, r.Incident, o)
	if err != nil {
		return err
	}
	out.Counts, out.Roster, out.Sets = made.Counts, made.ID, made.Sets
	if before.ID != "" {
		// It is made, whatever becomes of the comparison.
		out.Difference, _ = s.Rosters.Difference(context.WithoutCancel(ctx), who, before, made)
	}
	return nil
}

// move records how far a run is, and ends it where somebody wants that, or the disk fills.
func (s *Scopes) move(ctx context.Context, cancel context.CancelCauseFunc, r Run, p roster.Progress) {
	if s.Space != nil {
		if free, err := s.Space(); err == nil && free >= 0 && free < s.Spare {
			cancel(hint.Add(fmt.Errorf("%w: %d bytes are free, and %d are to stay", response.ErrSpace, free, s.Spare), "make room, and run it again; evidence.spare says how much is to stay free"))
			return
		}
	}
	var stop int64
	err := s.DB.Update(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `UPDATE scope_run SET stage = $3, done = $4, total = $5, moved = moved + 1 WHERE incident = $1 AND seq = $2 RETURNING stop`, r.Incident, r.Seq, p.Stage, p.Done, p.Total).Scan(&stop)
	})
	if err == nil && stop != 0 {
		cancel(ErrCancelled)
	}
	s.Moved()
}

func (s *Scopes) end(ctx context.Context, r Run, state State, out Outcome) error {
	text, err := json.Marshal(out)
	if err != nil {
		return err
	}
	sealer, err := s.Rosters.Sealer(ctx, r.Incident, false)
	if err != nil {
		return err
	}
	_, err = s.DB.ExecContext(ctx, `UPDATE scope_run SET state = $3, ended_at = $4, outcome = $5, moved = moved + 1 WHERE incident = $1 AND seq = $2 AND state = 'running'`,
		r.Incident, r.Seq, string(state), store.Micros(s.now()), sealer.Seal(outcomeIn(r.Incident, r.Seq), text))
	return err
}

// Cancel ends a run, in whichever process it goes on. What is over stays as it is.
func (s *Scopes) Cancel(ctx context.Context, who actor.Actor, id string, seq int64) error {
	if err := may(who, actor.Write, id); err != nil {
		return err
	}
	r, err := s.Run(ctx, who, id, seq)
	if err != nil || r.State != Running {
		return err
	}
	if _, err := s.DB.ExecContext(ctx, `UPDATE scope_run SET stop = 1, moved = moved + 1 WHERE incident = $1 AND seq = $2 AND state = 'running'`, id, seq); err != nil {
		return fmt.Errorf("scope of %s: %w", id, err)
	}
	s.mu.Lock()
	cancel := s.running[r.key()]
	s.mu.Unlock()
	if cancel != nil {
		cancel(ErrCancelled)
	}
	s.Moved()
	return nil
}

// settleEvery is how often a server looks for runs that nobody works on.
const settleEvery = 20 * time.Second

// Work looks after runs until the context ends: it says of those that a dead server has left how they ended. Then it ends its own.
func (s *Scopes) Work(ctx context.Context, failed func(error)) {
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	for {
		if err := s.Settle(ctx); err != nil && ctx.Err() == nil {
			failed(err)
		}
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
		}
		break
	}
	s.mu.Lock()
	s.over = true
	for _, cancel := range s.running {
		cancel(errOver)
	}
	s.mu.Unlock()
	s.Wait()
}

// Wait waits until no run of this process goes on.
func (s *Scopes) Wait() { s.all.Wait() }

// Settle ends runs that are recorded as running and that nobody works on: their incident is free. A commit whose roster was made is
// done, and all others were interrupted; nothing of them stays.
func (s *Scopes) Settle(ctx context.Context) error {
	rows, err := s.DB.QueryContext(ctx, `SELECT incident, seq, kind, was, export, rules FROM scope_run WHERE state = 'running' ORDER BY incident, seq`)
	if err != nil {
		return fmt.Errorf("scope: look after runs: %w", err)
	}
	defer rows.Close()
	type left struct {
		Run
		was string
	}
	var all []left
	for rows.Next() {
		var l left
		var kind string
		if err := rows.Scan(&l.Incident, &l.Seq, &kind, &l.was, &l.Export, &l.Rules); err != nil {
			return fmt.Errorf("scope: look after runs: %w", err)
		}
		l.Commit = kind == "commit"
		s.mu.Lock()
		_, ours := s.running[l.key()]
		s.mu.Unlock()
		if !ours {
			all = append(all, l)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return fmt.Errorf("scope: look after runs: %w", err)
	}
	for _, l := range all {
		if err := s.settle(ctx, l.Run, l.was); err != nil {
			return fmt.Errorf("scope of %s: run %d: %w", l.Incident, l.Seq, err)
		}
	}
	return nil
}

func (s *Scopes) settle(ctx context.Context, r Run, was string) error {
	release, err := s.Hold(r.Incident, "looking after an interrupted scope of "+r.Incident)
	if err != nil { // somebody works on it
		return nil
	}
	defer release()
	state, out := Interrupted, Outcome{}
	if r.Commit {
		made, err := s.Rosters.Latest(ctx, r.Incident)
		if err != nil && !errors.Is(err, roster.ErrNone) {
			return err
		}
		if err == nil && made.ID != was { // nobody else makes one while the incident is held
			state, out = Done, Outcome{Counts: made.Counts, Roster: made.ID, Sets: made.Sets, Accounts: true}
		}
	}
	err = s.end(ctx, r, state, out)
	if errors.Is(err, roster.ErrShredded) || errors.Is(err, roster.ErrNoKey) { // nothing of it can be read any more
		_, err = s.DB.ExecContext(ctx, `UPDATE scope_run SET state = $3, ended_at = $4, moved = moved + 1 WHERE incident = $1 AND seq = $2 AND state = 'running'`,
			r.Incident, r.Seq, string(Interrupted), store.Micros(s.now()))
	}
	if err == nil {
		s.Moved()
	}
	return err
}

// Compare counts what two of an incident's rosters differ by: those that two runs have made.
func (s *Scopes) Compare(ctx context.Context, who actor.Actor, id string, before, after int64) (roster.Difference, error) {
	var made [2]roster.Roster
	for i, seq := range []int64{before, after} {
		r, err := s.Run(ctx, who, id, seq)
		if err != nil {
			return nil, err
		}
		if r.Roster == "" {
			return nil, fmt.Errorf("scope of %s: run %d: %w", id, seq, ErrNotDone)
		}
		if made[i], err = s.Rosters.Named(ctx, id, r.Roster); err != nil {
			return nil, err
		}
	}
	return s.Rosters.Difference(ctx, who, made[0], made[1])
}
