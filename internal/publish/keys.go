package publish

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/index"
	"shirase/internal/ledger"
	"shirase/internal/store"
)

// Files of the ledger's keys.
const (
	LedgerKey = "ledger.key"      // signs
	NextKey   = "ledger-next.key" // is to follow it; kept elsewhere

	switchKey = "ledger-switch.key" // is on its way to becoming the first; only while it is changed
)

// SigningKey gives the ledger's signing key, and ends a change of it that was interrupted once it had been recorded. What is
// wrong with a key that it gives is for [New] to say. Errors: files.ErrNotExist.
func SigningKey(ctx context.Context, db *store.DB, keys *files.Keys) (string, error) {
	skey, err := signingKey(ctx, db, keys)
	if errors.Is(err, files.ErrNotExist) {
		err = hint.Add(err, "say where the keys are: --keys DIR; where it is lost, its successor takes its place: shirase key switch --next FILE")
	}
	if err != nil {
		return "", fmt.Errorf("the ledger's key: %w", err)
	}
	return skey, nil
}

func signingKey(ctx context.Context, db *store.DB, keys *files.Keys) (string, error) {
	if err := ledger.Migrate(ctx, db); err != nil {
		return "", err
	}
	now, err := ledger.Current(ctx, db)
	if err != nil {
		return "", err
	}
	if changed, err := isKey(keys, switchKey, now); err != nil || !changed {
		skey, keyErr := keys.Load(LedgerKey)
		return string(skey), errors.Join(err, keyErr)
	}
	return settle(keys, now)
}

// HoldsKey reports whether the key that signs the ledger is in a folder of keys. It mends nothing.
func HoldsKey(keys *files.Keys, vkey string) (bool, error) {
	is, err := isKey(keys, LedgerKey, vkey)
	if err != nil || is {
		return is, err
	}
	return isKey(keys, switchKey, vkey) // the key is being changed
}

// isKey reports whether a file holds the private half of a vkey.
func isKey(keys *files.Keys, file, vkey string) (bool, error) {
	skey, err := keys.Load(file)
	if errors.Is(err, files.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	is, err := ledger.PublicKey(string(skey))
	return err == nil && is == vkey, nil
}

// settle puts the key that signs now, and lies in switchKey, into the place of the one before, which is destroyed.
func settle(keys *files.Keys, now string) (string, error) {
	skey, err := keys.Load(switchKey)
	if err != nil {
		return "", err
	}
	if done, err := isKey(keys, LedgerKey, now); err != nil {
		return "", err
	} else if !done {
		if err := keys.Destroy(LedgerKey); err != nil && !errors.Is(err, files.ErrNotExist) {
			return "", err
		}
		if err := keys.Create(LedgerKey, skey); err != nil {
			return "", err
		}
	}
	return string(skey), keys.Destroy(switchKey)
}

// MakeSuccessor makes the key that is to follow the ledger's, where none was made yet, and gives the hash that names it. From
// then on only the hash is needed. made: the key lies among the others now, as [NextKey], and somebody has to be told to take it
// away.
func (p *Publisher) MakeSuccessor(ctx context.Context) (next check.Hash, made bool, err error) {
	next, err = p.ledger.Next(ctx)
	if err != nil || next != (check.Hash{}) {
		return next, false, err
	}
	vkey, written, err := p.nextKey()
	if err != nil {
		return check.Hash{}, false, fmt.Errorf("make the key that follows the ledger's: %w", err)
	}
	if next, err = p.ledger.SetNext(ctx, vkey); err != nil {
		return check.Hash{}, false, err
	}
	made = next == check.VKeyHash(vkey)
	if !made && written { // another process has named another
		err = p.Keys.Destroy(NextKey)
	}
	return next, made, err
}

// nextKey gives the public half of the key that follows, and makes it where there is none.
func (p *Publisher) nextKey() (vkey string, made bool, err error) {
	skey, err := p.Keys.Load(NextKey)
	if err == nil {
		vkey, err = ledger.PublicKey(string(skey))
		return vkey, false, err
	}
	if !errors.Is(err, files.ErrNotExist) {
		return "", false, err
	}
	secret, vkey, err := ledger.NewKey(p.Origin())
	if err != nil {
		return "", false, err
	}
	err = p.Keys.Create(NextKey, []byte(secret+"\n"))
	if errors.Is(err, files.ErrExist) { // another process was faster
		return p.nextKey()
	}
	return vkey, err == nil, err
}

// LedgerKeys gives the ledger's keys, oldest first; the last one signs.
func (p *Publisher) LedgerKeys(ctx context.Context) ([]ledger.Key, error) { return p.ledger.Keys(ctx) }

// SwitchLedgerKey has the ledger's next key sign from now on: skey is its private half. The key before is destroyed here once
// that is recorded, and a next one is made. Interrupted, it goes on when it is called again. Errors: ErrNextKey; ErrKey where
// skey is none; ErrUnwitnessed where something waits for witnesses.
func (p *Publisher) SwitchLedgerKey(ctx context.Context, who actor.Actor, skey string) (*Publication, error) {
	if err := who.Check("change the ledger's key"); err != nil {
		return nil, err
	}
	pub, err := p.switchLedgerKey(ctx, who, skey)
	if err != nil {
		return nil, fmt.Errorf("change the ledger's key: %w", err)
	}
	return pub, nil
}

// ErrNextKey says that a key is not the one that statements name as the next.
var ErrNextKey = ledger.ErrNext

func (p *Publisher) switchLedgerKey(ctx context.Context, who actor.Actor, skey string) (*Publication, error) {
	vkey, err := ledger.PublicKey(skey)
	if err != nil {
		return nil, err
	}
	if vkey == p.VKey() { // it signs already: a change that was interrupted is done
		pub := &Publication{}
		pub.Waiting, err = p.serve(ctx)
		return pub, err
	}
	next, err := p.ledger.Next(ctx)
	if err != nil {
		return nil, err
	}
	if check.VKeyHash(vkey) != next {
		return nil, hint.Add(fmt.Errorf("%s: %w", vkey, ErrNextKey), "it is the key that was made with the one that signs now, as "+NextKey)
	}
	at, raw, err := p.lastWord(ctx, who)
	if err != nil {
		return nil, err
	}
	following, err := p.replaceNext(skey, vkey)
	if err != nil {
		return nil, err
	}
	for {
		s, err := p.ledger.Succeed(ctx, skey, check.VKeyHash(following), raw, at)
		if err != nil {
			return nil, err
		}
		pub, err := p.switchIn(ctx, who, s, check.VKeyHash(following))
		if errors.Is(err, ledger.ErrWaits) || errors.Is(err, index.ErrStale) { // another process has published
			if at, raw, err = p.lastWord(ctx, who); err != nil {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		p.ledger.Turn(s)
		if _, err := settle(p.Keys, vkey); err != nil {
			return nil, err
		}
		pub.Waiting, err = p.serve(context.WithoutCancel(ctx))
		return pub, err
	}
}

// lastWord makes sure that the newest statement names the next key and that everything is public, and gives the statement.
func (p *Publisher) lastWord(ctx context.Context, who actor.Actor) (at int64, raw []byte, err error) {
	if !p.instance.WithoutKey {
		if _, err := p.Reissue(ctx, who, false); err != nil && !errors.Is(err, index.ErrNone) {
			return 0, nil, err
		}
		if err := errors.Join(p.ledger.Clock(ctx), p.ledger.Sync(ctx)); err != nil {
			return 0, nil, err
		}
	}
	st, raw, at, err := p.Index.Statement(ctx)
	if errors.Is(err, index.ErrNone) {
		return 0, nil, hint.Add(err, "the key is changed by a statement: publish something first")
	}
	if err == nil && st.V == 1 {
		err = hint.Add(errors.New("no statement says yet which key is to follow"), "publish one with the key that signs now")
	}
	return at, raw, err
}

// replaceNext keeps a key that is about to sign in switchKey, and makes the one that follows it.
func (p *Publisher) replaceNext(skey, vkey string) (following string, err error) {
	err = p.Keys.Create(switchKey, []byte(skey+"\n"))
	if errors.Is(err, files.ErrExist) {
		if same, e := isKey(p.Keys, switchKey, vkey); e != nil || !same {
			return "", errors.Join(e, hint.Add(fmt.Errorf("%s holds another key: %w", switchKey, err), "move it away: it was left by a change that was never made"))
		}
		err = nil
	}
	if err != nil {
		return "", err
	}
	if old, err := isKey(p.Keys, NextKey, vkey); err != nil {
		return "", err
	} else if old {
		if err := p.Keys.Destroy(NextKey); err != nil {
			return "", err
		}
	}
	following, _, err = p.nextKey()
	return following, err
}

// switchIn publishes the statement under the new key.
func (p *Publisher) switchIn(ctx context.Context, who actor.Actor, s *ledger.Successor, following check.Hash) (*Publication, error) {
	frame, err := p.frame(ctx)
	if err != nil {
		return nil, err
	}
	frame.Ledger.Key, frame.Ledger.Next = check.VKeyHash(s.VKey()), following
	draft, err := p.Index.Reissue(ctx, frame, true)
	if err != nil {
		return nil, err
	}
	pub := &Publication{Statement: draft.Statement, Hash: check.StatementHash(draft.Raw), Changed: true}
	err = p.ledger.Update(ctx, func(tx *sql.Tx) error {
		var err error
		if pub.LedgerIndex, _, err = p.ledger.Switch(ctx, tx, s, check.KindStatement, draft.Raw); err != nil {
			return err
		}
		if err := p.keepRecord(ctx, tx, who, pub.LedgerIndex, check.KindStatement, nil); err != nil {
			return err
		}
		return p.Index.Record(ctx, tx, draft, pub.LedgerIndex)
	})
	if err != nil {
		return nil, err
	}
	return pub, nil
}
