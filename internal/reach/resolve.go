package reach

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"

	"shirase/internal/actor"
	"shirase/internal/hint"
)

// Receivers gives the receiving domains that were paused, because they refuse us rather than persons.
func (r *Reach) Receivers(ctx context.Context, who actor.Actor, id string) ([]Receiver, error) {
	c, err := r.Get(ctx, who, id)
	if err != nil {
		return nil, err
	}
	seal, err := r.Rosters.Sealer(ctx, c.Incident, false)
	if err != nil {
		return nil, fmt.Errorf("campaign %s: %w", id, err)
	}
	return r.receivers(ctx, c, seal)
}

// Way is what is done with those who were in flight.
type Way string

// The ways. Whoever decides nothing holds them: they stay unknown.
const (
	Resend Way = "resend" // with the same Message-ID: some get it twice
	ByLog  Way = "log"    // the relay's log says who is told; whoever it does not name stays unknown
	Absent Way = "absent" // as by log, and the log is whole: whoever it does not name is sent to
)

// Resolved is how many of those who were in flight are what now.
type Resolved struct {
	HandedOver, Accepted, Refused, Deferred int64 // as the log says
	Resent                                  int64
	Held                                    int64
}

// Resolve decides on those who were in flight when a process or a connection ended. log is the relay's, where it is asked. Errors: ErrInput.
func (r *Reach) Resolve(ctx context.Context, who actor.Actor, id string, way Way, log io.Reader) (Resolved, error) {
	c, err := r.mayChange(ctx, who, id, "decide on who was in flight")
	if err != nil {
		return Resolved{}, err
	}
	found := map[int64]Outcome{}
	switch way {
	case Resend:
	case ByLog, Absent:
		if log == nil {
			return Resolved{}, fmt.Errorf("decide on who was in flight: %w: there is no log", ErrInput)
		}
		if err := r.readLog(ctx, who, c, log, found); err != nil {
			return Resolved{}, fmt.Errorf("decide on who was in flight: read the relay's log: %w", err)
		}
	default:
		return Resolved{}, fmt.Errorf("decide on who was in flight: %w: %q is none of resend, log, absent", ErrInput, way)
	}
	if c.State != Running && c.State != Paused && way != ByLog {
		return Resolved{}, fmt.Errorf("decide on who was in flight: %w: %s is %s", ErrState, id, c.State)
	}
	var out Resolved
	for from := int64(0); ; {
		list, err := r.loadBlocks(ctx, r.DB, id, from, shardBlocks)
		if err != nil || len(list) == 0 {
			if err == nil {
				err = r.DB.Update(ctx, func(tx *sql.Tx) error { return r.event(ctx, tx, who, id, "decided", string(way)) })
			}
			return out, err
		}
		if err := r.resolve(ctx, c, list, way, found, &out); err != nil {
			return out, fmt.Errorf("decide on who was in flight: %w", err)
		}
		from = list[len(list)-1].n + 1
	}
}

// resolve decides on those of some blocks.
func (r *Reach) resolve(ctx context.Context, c *Campaign, list []*block, way Way, found map[int64]Outcome, all *Resolved) error {
	seal, err := r.Rosters.Sealer(ctx, c.Incident, false)
	if err != nil {
		return err
	}
	var out Resolved
	err = r.DB.Update(ctx, func(tx *sql.Tx) error {
		out = Resolved{}
		j := newJournal()
		for _, seen := range list {
			b, err := loadBlock(ctx, tx, c.ID, seen.n)
			if err != nil {
				return err
			}
			changed := false
			for i := range b.size() {
				x := b.get(i)
				if x.state != Unknown {
					continue
				}
				ordinal := b.n*blockSize + int64(i)
				o, named := found[ordinal]
				switch {
				case named:
					x = x.back(o, r.Now())
					if o.State == HandedOver {
						x.state, x.reason = HandedOver, 0
					}
					*map[State]*int64{HandedOver: &out.HandedOver, Accepted: &out.Accepted, Refused: &out.Refused, Bounced: &out.Refused}[x.state]++
				case way == ByLog:
					out.Held++
					continue
				default:
					x.state, x.reason = Pending, reasonOf("returned")
					out.Resent++
				}
				x.at = uint32(r.Now().Unix())
				b.set(i, x)
				j.add(ordinal, x, o.Said)
				changed = true
			}
			if changed {
				if err := b.save(ctx, tx, c.ID); err != nil {
					return err
				}
			}
		}
		return j.save(ctx, tx, c.ID, seal, r.Now())
	})
	all.HandedOver, all.Accepted, all.Refused, all.Resent, all.Held = all.HandedOver+out.HandedOver, all.Accepted+out.Accepted, all.Refused+out.Refused, all.Resent+out.Resent, all.Held+out.Held
	return err
}

// Bounds of a relay's log.
const (
	maxLogLine = 16 << 10
	maxQueued  = 4_000_000 // mails whose queue ids are remembered while it is read
)

// readLog finds our mails in a log as Postfix writes it: message-id=<...> names a queue id, and status=... says what came of that.
func (r *Reach) readLog(ctx context.Context, who actor.Actor, c *Campaign, log io.Reader, found map[int64]Outcome) error {
	in := bufio.NewScanner(log)
	in.Buffer(make([]byte, 0, maxLogLine), maxLogLine)
	queued := map[string]int64{}
	unknown := map[int64]bool{}
	if err := r.Each(ctx, who, c.ID, []State{Unknown}, func(x Recipient, _ string) error { unknown[x.Ordinal] = true; return nil }); err != nil {
		return err
	}
	for in.Scan() {
		queue, rest, ok := postfixLine(in.Text())
		if !ok {
			continue
		}
		if id, is := strings.CutPrefix(rest, "message-id="); is {
			of, err := r.find(ctx, inMessageID, id)
			if errors.Is(err, ErrNotFound) || err == nil && (of.c.ID != c.ID || !unknown[of.ordinal]) {
				continue
			}
			if err != nil {
				return err
			}
			if len(queued) >= maxQueued {
				return fmt.Errorf("%w: it names more than %d mails of this campaign", ErrInput, maxQueued)
			}
			queued[queue], found[of.ordinal] = of.ordinal, Outcome{State: HandedOver, Said: "in the relay's log as " + queue}
			continue
		}
		ordinal, ours := queued[queue]
		if !ours {
			continue
		}
		_, status, ok := strings.Cut(rest, "status=")
		if !ok {
			continue
		}
		word, said, _ := strings.Cut(status, " ")
		switch word {
		case "sent":
			found[ordinal] = Outcome{State: Accepted, Said: said}
		case "bounced", "expired":
			found[ordinal] = Outcome{State: Bounced, Reason: "undefined", Said: said}
		}
	}
	if errors.Is(in.Err(), bufio.ErrTooLong) {
		return hint.Add(fmt.Errorf("%w: a line is longer than %d bytes", ErrInput, maxLogLine), "give the log as the relay writes it, a line an entry")
	}
	return in.Err()
}

// postfixLine takes "... postfix/qmgr[1234]: 4F2A31C0: REST" apart.
func postfixLine(line string) (queue, rest string, ok bool) {
	_, line, ok = strings.Cut(line, "]: ")
	if !ok {
		return "", "", false
	}
	queue, rest, ok = strings.Cut(line, ": ")
	return queue, rest, ok && len(queue) >= 5 && len(queue) <= 32 && !strings.ContainsAny(queue, " =<>")
}
