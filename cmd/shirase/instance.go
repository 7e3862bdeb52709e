package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"shirase/internal/archive"
	"shirase/internal/config"
	"shirase/internal/contain/gate"
	"shirase/internal/enquiry"
	"shirase/internal/exercise"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/index"
	"shirase/internal/publish"
	"shirase/internal/reach"
	"shirase/internal/roster"
	"shirase/internal/staff"
	"shirase/internal/store"
)

const ledgerKey = publish.LedgerKey

// instance is an open data folder: every room, wired.
type instance struct {
	config.Instance
	log       *slog.Logger
	db        *store.DB
	dir       *files.Dir
	keys      *files.Keys
	publisher *publish.Publisher
	index     *index.Index
	rosters   *roster.Rosters
	incidents *incident.Incidents
	archive   *archive.Archive
	staff     *staff.Staff
	gate      *gate.Gate // once it is asked for

	opening   sync.Mutex   // of campaigns
	campaigns *reach.Reach // nil: nobody has asked for them yet
	desk      *enquiry.Desk
	clock     *exercise.Clock // of an exercise; nil: it is none
}

// instanceWithStore reads what the data folder is, and compares it with where the
// database is said to be.
func (a *app) instanceWithStore() (config.Instance, error) {
	i, err := a.readInstance()
	if err != nil {
		return i, err
	}
	switch said := a.op().Store != "" || a.op().StoreFile != ""; {
	case i.Engine == "postgres" && !said:
		return i, hint.Add(fmt.Errorf("the database of %s is PostgreSQL", a.op().Data), "say where: --store postgres://..., SHIRASE_STORE, or store in the file of settings")
	case i.Engine == "sqlite" && said:
		return i, hint.Add(fmt.Errorf("the database of %s is SQLite, in that folder", a.op().Data), "leave --store and SHIRASE_STORE away, and store out of the file of settings; or use another --data")
	}
	return i, nil
}

// open opens the data folder.
func (a *app) open(ctx context.Context) (*instance, error) {
	i, err := a.instanceWithStore()
	if err != nil {
		return nil, err
	}
	in, err := a.wire(ctx, i)
	if err == nil && i.Exercise != nil && in.clock == nil { // it would go by this machine's
		in.close()
		err = hint.Add(fmt.Errorf("%w: %s has none", exercise.ErrClock, a.op().Data), "put the folder back from its backup; one that was never begun: shirase exercise "+i.Exercise.Scenario+" --data "+a.op().Data)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", a.op().Data, err)
	}
	return in, nil
}

// openToVerify opens only what is verified, and nothing that would mend or
// refuse it: a damaged ledger gets its whole report.
func (a *app) openToVerify(ctx context.Context) (in *instance, vkey string, err error) {
	i, err := a.instanceWithStore()
	if err != nil {
		return nil, "", err
	}
	in = &instance{Instance: i, log: a.log()}
	skey, err := a.openFloor(ctx, in, false)
	if err == nil {
		vkey, err = publish.LedgerVKey(skey)
	}
	if err == nil {
		in.index, err = index.New(ctx, in.db, in.dir)
	}
	if err != nil {
		in.close()
		return nil, "", fmt.Errorf("open %s: %w", a.op().Data, err)
	}
	return in, vkey, nil
}

// openToRepair opens only what is mended, also where the ledger's signing key is not here: skey is "" then.
func (a *app) openToRepair(ctx context.Context) (in *instance, skey string, err error) {
	i, err := a.instanceWithStore()
	if err != nil {
		return nil, "", err
	}
	in = &instance{Instance: i, log: a.log()}
	skey, err = a.openFloor(ctx, in, true)
	if err == nil {
		in.index, err = index.New(ctx, in.db, in.dir)
	}
	if err != nil {
		in.close()
		return nil, "", fmt.Errorf("open %s: %w", a.op().Data, err)
	}
	return in, skey, nil
}

// openToSwitch is open where the ledger's signing key may be lost: its successor is to sign.
func (a *app) openToSwitch(ctx context.Context) (*instance, error) {
	s, err := a.instanceWithStore()
	if err != nil {
		return nil, err
	}
	in, err := a.wireWith(ctx, s, true)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", a.op().Data, err)
	}
	return in, nil
}

// wire opens every room of a folder whose keys exist.
func (a *app) wire(ctx context.Context, i config.Instance) (*instance, error) {
	return a.wireWith(ctx, i, false)
}

// wireWith is wire where the ledger's signing key may be lost.
func (a *app) wireWith(ctx context.Context, i config.Instance, lost bool) (_ *instance, err error) {
	in := &instance{Instance: i, log: a.log()}
	if in.clock, err = a.exerciseClock(i); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			in.close()
		}
	}()
	skey, err := a.openFloor(ctx, in, lost)
	if err != nil {
		return nil, err
	}
	today, err := a.readToday()
	if err != nil {
		return nil, err
	}
	if in.incidents, err = incident.New(ctx, in.db, archive.Changed); err != nil {
		return nil, err
	}
	in.incidents.By(in.now)
	if in.archive, err = archive.New(ctx, in.db, in.incidents); err != nil {
		return nil, err
	}
	if in.rosters, err = roster.NewBy(ctx, in.db, in.dir, in.keys, in.now); err != nil {
		return nil, err
	}
	for _, id := range in.rosters.Again {
		in.log.Warn("the key or a roster of a shredded case was there again, and is destroyed: somebody brought it back", "case", id)
	}
	if in.index, err = index.New(ctx, in.db, in.dir); err != nil {
		return nil, err
	}
	if in.staff, err = staff.New(ctx, in.db, staff.Options{Hold: a.op().Staff.Hold}); err != nil {
		return nil, err
	}
	witnesses, err := a.readWitnesses()
	if err != nil {
		return nil, err
	}
	in.publisher, err = publish.New(ctx, publish.Rooms{DB: in.db, Dir: in.dir, Keys: in.keys, Incidents: in.incidents, Index: in.index, Rosters: in.rosters, Staffed: in.staff.Staffed, Now: in.now, Errors: in.log}, skey,
		publish.Instance{URL: a.op().URL, PhoneRegion: i.Region, Demonstration: i.Demo != nil, Exercise: i.Exercise != nil, Witnesses: witnesses, Today: today, WithoutKey: lost && skey == ""})
	if err != nil {
		return nil, err
	}
	return in, nil
}

// openFloor opens files, keys and database, and gives the ledger's signing key; where it may be lost and is, "".
func (a *app) openFloor(ctx context.Context, in *instance, lost bool) (skey string, err error) {
	if in.dir, err = files.Open(filepath.Join(a.op().Data, "files")); err != nil {
		return "", err
	}
	if in.keys, err = a.openKeys(lost); err != nil {
		return "", err
	}
	url, err := a.storeURL()
	if err != nil {
		return "", err
	}
	if in.db, err = store.Open(ctx, url); err != nil {
		return "", err
	}
	in.db.SetPool(a.op().Pool.Read, a.op().Pool.Write)
	if skey, err = publish.SigningKey(ctx, in.db, in.keys); err == nil {
		err = sameKind(in.Instance, skey)
	}
	if lost && errors.Is(err, files.ErrNotExist) {
		return "", nil
	}
	return skey, err
}

// openKeys opens the folder of keys. One that is not there is not made where there is an instance: an empty one would hide that its keys
// are elsewhere. Where the keys may be lost, it is made.
func (a *app) openKeys(lost bool) (*files.Keys, error) {
	dir := a.op().KeysDir()
	if _, err := os.Stat(dir); err != nil && !lost {
		return nil, hint.Add(fmt.Errorf("the folder of keys, %s, cannot be read: %w", dir, bare(err)), keysBack)
	}
	return files.OpenKeys(dir)
}

// keysBack says how a folder of keys comes back.
const keysBack = "put it back from where the keys are kept, or: shirase restore SRC --only keys --identity FILE; or say where it is: --keys DIR"

// hold takes an incident for one command that works long on it: a second one is told who is at it, and does not do the same work
// for nothing. What two do at once is right all the same: rooms see to that. Errors: files.ErrHeld.
func (in *instance) hold(incident, what string) (release func(), err error) {
	return in.dir.Hold(holdName(incident), what)
}

func holdName(incident string) string { return "locks/" + incident }

// storeURL says where the database is.
func (a *app) storeURL() (string, error) {
	url, err := a.op().StoreURL()
	if err == nil && url == "" {
		url = "sqlite:" + filepath.Join(a.op().Data, "shirase.db")
	}
	return url, err
}

func (in *instance) close() {
	if in.db != nil {
		in.db.Close()
	}
	if in.keys != nil {
		in.keys.Close()
	}
	if in.dir != nil {
		in.dir.Close()
	}
}
