package board

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"shirase/internal/actor"
	"shirase/internal/contain/reset"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/reach"
	"shirase/internal/response"
	"shirase/internal/roster"
)

// How the roll is called: whom everything has told takes as long as reading the roster. Where that is quick it is done at once; where it is not,
// beside, and no more of the time than one part in rollPart.
const (
	atOnce      = 5_000 // members of a roster that are read before a board is shown
	rollPart    = 5
	makingLasts = 30 * time.Second
	keptFor     = 20 * time.Second // a board is as of a time, and what is late, or left, moves with it
)

// Boards keeps the boards that are looked at.
type Boards struct {
	Rooms
	now    func() time.Time // by which it is judged how long a roll takes
	atOnce int64
	log    func(what string, err error)

	mu    sync.Mutex
	kept  map[string]*kept
	ctx   context.Context
	roll  chan struct{} // held while a large roster is read
	Moved func()        // is told that a roll was called; may be nil
}

// kept is the board of one case.
type kept struct {
	making  chan struct{} // held while it is made
	version string
	board   *Board

	mu      sync.Mutex
	roll    *reach.Summary
	of      string // what roll was called over
	calling bool
	ended   time.Time
	took    time.Duration
}

// New makes them. What takes long is done beside until ctx ends; failed hears why it could not be.
func New(ctx context.Context, rooms Rooms, failed func(what string, err error)) *Boards {
	if failed == nil {
		failed = func(string, error) {}
	}
	if rooms.Now == nil {
		rooms.Now = time.Now
	}
	return &Boards{Rooms: rooms, now: time.Now, atOnce: atOnce, log: failed, kept: map[string]*kept{}, ctx: ctx, roll: make(chan struct{}, 1)}
}

// Make puts a board together, whatever it takes.
func (b *Boards) Make(ctx context.Context, id string) (*Board, error) {
	out, ro, err := b.Rooms.make(ctx, id, b.Now())
	if err != nil || ro == nil || !out.Told.Begun {
		return out, err
	}
	s, err := b.Campaigns.Summarize(ctx, actor.Server(), id)
	if err != nil && !errors.Is(err, reach.ErrState) {
		return nil, err
	}
	out.take(s)
	return out, nil
}

// Get gives the board of a case as of a version that [Boards.Version] gave; "" is as of now. It is made once for all who ask for the same.
func (b *Boards) Get(ctx context.Context, id, version string) (*Board, error) {
	b.mu.Lock()
	k := b.kept[id]
	if k == nil {
		k = &kept{making: make(chan struct{}, 1)}
		b.kept[id] = k
	}
	b.mu.Unlock()
	select {
	case k.making <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-k.making }()
	if version != "" && k.board != nil && k.version == version && b.Now().Sub(k.board.At) < keptFor {
		if err := b.readable(ctx, id); err != nil { // whoever destroyed the key, here or in another process
			return nil, err
		}
		return k.board, nil
	}
	// It is for all who wait for it: that the first of them goes away ends nothing.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), makingLasts)
	defer cancel()
	out, ro, err := b.Rooms.make(ctx, id, b.Now())
	if err == nil && ro != nil && out.Told.Begun {
		err = b.told(ctx, k, out, *ro)
	}
	if err != nil { // its key may be gone: nothing of it stays in memory
		b.drop(id)
		return nil, err
	}
	k.board, k.version = out, version
	return out, nil
}

// readable says why nothing of a case is shown: its key is gone, or away. Then nothing of it stays in memory.
func (b *Boards) readable(ctx context.Context, id string) error {
	if _, err := b.Rosters.Sealer(ctx, id, false); err != nil {
		b.drop(id)
		return fmt.Errorf("the board of %s: %w", id, err)
	}
	return nil
}

func (b *Boards) drop(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.kept, id)
}

// KeptFor is how long a board is shown as it was made.
const KeptFor = keptFor

// Sweep lets go the boards that nobody is shown any more. Of one it keeps how a large roster was counted: numbers.
func (b *Boards) Sweep() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range b.kept {
		select {
		case k.making <- struct{}{}:
			if k.board != nil && b.Now().Sub(k.board.At) >= keptFor {
				k.board, k.version = nil, ""
			}
			<-k.making
		default: // it is being made
		}
	}
}

// told puts in whom everything has told: as it was counted last, where counting takes long.
func (b *Boards) told(ctx context.Context, k *kept, out *Board, ro roster.Roster) error {
	of, err := b.rollOf(ctx, out.Case, ro)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.of == of && k.roll != nil:
	case ro.Counts.Affected <= b.atOnce:
		s, err := b.Campaigns.Summarize(ctx, actor.Server(), out.Case)
		if err != nil && !errors.Is(err, reach.ErrState) {
			return err
		}
		k.roll, k.of = s, of
	default:
		out.Told.Counting = true
		if !k.calling {
			k.calling = true
			go b.call(k, out.Case, rollPart*k.took-b.now().Sub(k.ended))
		}
	}
	out.take(k.roll)
	return nil
}

// call reads a large roster, after a while, as things stand then.
func (b *Boards) call(k *kept, id string, wait time.Duration) {
	select {
	case <-time.After(wait):
	case <-b.ctx.Done():
		return
	}
	b.roll <- struct{}{}
	defer func() { <-b.roll }()
	began := b.now()
	var of string
	var s *reach.Summary
	ro, err := b.Rosters.Latest(b.ctx, id)
	if err == nil {
		of, err = b.rollOf(b.ctx, id, ro)
	}
	if err == nil {
		s, err = b.Campaigns.Summarize(b.ctx, actor.Server(), id)
	}
	k.mu.Lock()
	k.calling, k.ended, k.took = false, b.now(), b.now().Sub(began)
	if err == nil {
		k.roll, k.of = s, of
	}
	k.mu.Unlock()
	if err != nil && b.ctx.Err() == nil && !errors.Is(err, reach.ErrState) {
		b.log("count whom a case has told", err)
	}
	if b.Moved != nil {
		b.Moved()
	}
}

// rollOf is what a roll is called over: the roster, and how campaigns and notices at logins stand, to the last person: the first bounce after a
// campaign is over and the next are counted alike.
func (b *Boards) rollOf(ctx context.Context, id string, ro roster.Roster) (string, error) {
	campaigns, err := b.Campaigns.Stands(ctx, id)
	if err != nil {
		return "", err
	}
	holds, err := b.holds(ctx, id, func(n, _ int64) int64 { return n })
	return ro.ID + " " + campaigns + " " + holds, err
}

// inSteps are of half a percent: a page that is followed is not drawn anew for each person.
func inSteps(n, all int64) int64 { return n * 200 / max(all, 1) }

// holds is how the gate stands for a case.
func (b *Boards) holds(ctx context.Context, id string, step func(n, all int64) int64) (string, error) {
	if b.Gate == nil {
		return "", nil
	}
	all, err := b.Gate.InForce(ctx, actor.Server(), "")
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, x := range all {
		out.WriteString(x.ID)
		if x.Incident == id && x.Route == "" {
			n, err := b.Gate.Done(ctx, x)
			if err != nil {
				return "", err
			}
			out.WriteString(" " + strconv.FormatInt(step(n, x.People), 10))
		}
		out.WriteByte(' ')
	}
	return out.String(), nil
}

// Version gives what changes whenever the board of a case does, and once a minute. head is that of the case's record, and told how its campaigns
// stand (reach.Reach.Versions): whoever asks for many has them. Errors: roster.ErrShredded, for there is no board any more.
func (b *Boards) Version(ctx context.Context, id, head, told string) (string, error) {
	if err := b.readable(ctx, id); err != nil {
		return "", err
	}
	out := head + " " + told + " " + strconv.FormatInt(b.Now().Unix()/60, 10)
	moved, err := b.Incidents.Moved(ctx, id)
	if err != nil && !errors.Is(err, incident.ErrNotFound) {
		return "", fmt.Errorf("the board of %s: %w", id, err)
	}
	out += " " + moved
	ro, err := b.Rosters.Latest(ctx, id)
	if err != nil && !errors.Is(err, roster.ErrNone) && !errors.Is(err, roster.ErrShredded) {
		return "", err
	}
	holds, err := b.holds(ctx, id, inSteps)
	if err != nil {
		return "", err
	}
	out += " " + ro.ID + " " + holds
	if b.Resets != nil {
		s, err := b.Resets.Status(ctx, actor.Server(), id)
		if err != nil && !errors.Is(err, reset.ErrNotFound) {
			return "", err
		}
		out += " " + s.State + strconv.FormatInt(s.Since.Unix(), 10) + s.Bulk
		for _, n := range s.Counts.Each {
			out += " " + strconv.FormatInt(inSteps(n, s.Accounts), 10)
		}
	}
	if b.Desk != nil {
		l, err := b.Desk.Load(ctx, id)
		if err != nil {
			return "", err
		}
		out += fmt.Sprint(" ", l.Used, l.Open, l.Moves, l.Late)
	}
	if b.Spread != nil {
		n, err := b.Spread.Counts(ctx, id)
		if err != nil {
			return "", err
		}
		out += fmt.Sprint(" ", n)
	}
	b.mu.Lock()
	k := b.kept[id]
	b.mu.Unlock()
	if k != nil {
		k.mu.Lock()
		if k.roll != nil {
			out += " " + strconv.FormatInt(k.roll.At.UnixNano(), 10)
		}
		k.mu.Unlock()
	}
	return out, nil
}

// Current gives the board of a case as it is now, and its version.
func (b *Boards) Current(ctx context.Context, id string) (*Board, string, error) {
	list, err := b.Cases.List(ctx, actor.Server())
	if err != nil {
		return nil, "", err
	}
	told := map[string]string{}
	if b.Campaigns != nil {
		if told, err = b.Campaigns.Versions(ctx); err != nil {
			return nil, "", err
		}
	}
	for _, l := range list {
		if l.ID == id {
			version, err := b.Version(ctx, id, l.Head, told[id])
			if err != nil {
				return nil, "", err
			}
			out, err := b.Get(ctx, id, version)
			return out, version, err
		}
	}
	return nil, "", fmt.Errorf("case %s: %w", id, response.ErrNotFound)
}

// counted is how much later than a board its people may have been counted, which goes on beside it.
const counted = time.Hour

// take puts a summary in: it adds up to the roster.
func (b *Board) take(s *reach.Summary) {
	if s == nil {
		return
	}
	t := &b.Told
	p := &Parts{Substituted: s.Substituted, Unreached: s.Unreached, Uncertain: s.Uncertain, Underway: s.Underway, Nothing: s.Nothing, Unlisted: s.Unlisted}
	for channel, n := range s.Told {
		if channel == reach.Login {
			p.Read += n.Accepted
			continue
		}
		p.Accepted, p.HandedOver = p.Accepted+n.Accepted, p.HandedOver+n.Handed
	}
	t.At, t.Accounts, t.Parts, t.Other = s.At, s.Accounts, p, len(s.Other)
	all := p.All()
	t.Roster = &all // as it was when it was counted; of a roster without accounts it is addresses
	if n := p.Uncertain; n > 0 {
		b.Unknown = append(b.Unknown, language.Both("送られたか分からないメール "+language.Number(language.JA, n)+"通", language.Number(language.EN, n)+" mails of which nobody knows whether they went"))
	}
	if first := s.First(); first.Sub(b.At) > counted { // of an exercise: campaigns go by the machine's clock, and a board tells of no time to come
		b.Unknown = append(b.Unknown, language.Both("配信が最初に届けた時刻（この訓練の時刻では分かりません）", "when a campaign first told somebody, by the time of this exercise"))
	} else if !first.IsZero() {
		for i := range b.Steps {
			if x := &b.Steps[i]; x.ID == ToldStep && !x.Reached() {
				x.At, x.From = toMinute(first), "campaign"
			}
		}
		b.phase()
	}
}
