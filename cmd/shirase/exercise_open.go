package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shirase/internal/config"
	"shirase/internal/exercise"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/outward"
)

// exerciseOrigin begins the name of an exercise's ledger. The name is in the key that signs, in every checkpoint, and so in every
// proof: what is an exercise cannot become real by a change of its settings, and clients refuse what comes from one.
const exerciseOrigin = "exercise.invalid/"

// errKind says that a folder is not what it says it is.
var errKind = errors.New("an exercise and a real instance cannot take each other's place")

// sameKind holds what a data folder says it is against the key that signs its ledger.
func sameKind(i config.Instance, skey string) error {
	signs := strings.HasPrefix(strings.TrimSpace(skey), "PRIVATE+KEY+"+exerciseOrigin)
	switch {
	case signs && i.Exercise == nil:
		return hint.Add(fmt.Errorf("%w: the ledger's key is an exercise's, and %s does not say so", errKind, config.InstanceFile), "put "+config.InstanceFile+" back as it was; a real instance is begun with shirase init, in a folder of its own")
	case !signs && i.Exercise != nil && skey != "":
		return hint.Add(fmt.Errorf("%w: %s says that it is an exercise, and the ledger's key is a real one", errKind, config.InstanceFile), "put "+config.InstanceFile+" back as it was; an exercise is begun with shirase exercise, in a folder of its own")
	}
	return nil
}

// kindByKey is sameKind where the database is not asked: the key in the folder of keys says whose it is. Where it is not here, an exercise cannot be
// told from a real instance, and is refused: it would let everybody pass.
func (a *app) kindByKey(in *instance) error {
	skey, err := in.keys.Load(ledgerKey)
	switch {
	case errors.Is(err, files.ErrNotExist) && in.Exercise == nil:
		return nil
	case err != nil:
		return fmt.Errorf("read whether this is an exercise: %w", err)
	}
	return sameKind(in.Instance, string(skey))
}

// shutWays shuts every way out of a command whose data folder is an exercise's, before the command begins. A folder that says what it
// is not is refused when it is opened, and until then nothing has gone out.
func (a *app) shutWays(c *cobra.Command) {
	s, err := a.settings()
	if err != nil {
		return // whoever needs them says so
	}
	if i, err := config.ReadInstance(s.Operation.Data); err == nil && i.Exercise != nil {
		a.shut(c)
	}
}

// notReal has a command say that what it works on is an exercise's: once, on stderr, and in what it answers with --json.
func (a *app) notReal() {
	if !a.exercise {
		a.exercise = true
		a.say("EXERCISE 訓練 — nothing of this is real")
	}
}

// shut shuts the ways out of a command from now on. What has to be set before mail is sent is set to what leads into the exercise's
// own sink, where it is not.
func (a *app) shut(c *cobra.Command) {
	a.notReal()
	c.SetContext(outward.Shut(c.Context(), exercise.Sink(a.op().Data)))
	op := a.op()
	if op.Mail.From == "" {
		op.Mail.From = "exercise@exercise.invalid"
	}
	if op.Mail.Server == "" {
		op.Mail.Server = "exercise.invalid:25"
	}
	if len(op.Campaign.Relays) == 0 {
		op.Campaign.Relays = []string{"exercise.invalid:25"}
	}
	op.Mail.PasswordFile, op.Campaign.PasswordFile = "", "" // nobody is signed in to
	op.Domain = ""                                          // no certificate is asked for
}

// goesOut refuses to ask a server that somebody has named, from an exercise's folder: nothing leaves it, a question neither. Errors: outward.ErrShut.
func goesOut(ctx context.Context, server string) error {
	if server == "" || !outward.IsShut(ctx) {
		return nil
	}
	return hint.Add(fmt.Errorf("ask %s: %w", oneLine(server), outward.ErrShut), "leave --server out, and the exercise itself is asked; whoever asks a server does so without its folder: --data DIR, or without SHIRASE_DATA")
}

// exerciseClock opens the clock of an exercise; nil where it is none, or was not begun yet.
func (a *app) exerciseClock(i config.Instance) (*exercise.Clock, error) {
	if i.Exercise == nil {
		return nil, nil
	}
	clock, err := exercise.OpenClock(a.op().Data)
	if errors.Is(err, exercise.ErrNone) {
		return nil, nil
	}
	return clock, err
}

// exercise is the origin of an exercise's ledger; "" of a real one.
func (in *instance) exercise() string {
	if in.Exercise == nil {
		return ""
	}
	origin, _, _ := strings.Cut(in.publisher.VKey(), "+")
	return origin
}

// now is the time by which a case goes: an exercise's own, and otherwise that of this machine.
func (in *instance) now() time.Time {
	if in.clock != nil {
		return in.clock.Now()
	}
	return time.Now()
}
