package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/internal/archive"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/index"
	"shirase/internal/publish"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// formatVersion is the version of the data folder that this program writes,
// and the newest it reads.
const formatVersion = 1

// settings are what a data folder is: the file shirase.json, written last by
// init, so that a folder has one only when it is whole.
type settings struct {
	Format int    `json:"format"`
	Engine string `json:"engine"` // sqlite or postgres
	URL    string `json:"url,omitzero"`
	Region string `json:"phoneRegion"`
	// Operator is who runs the instance, as its pages name it, in Japanese and in English.
	Operator operatorName `json:"operator,omitzero"`
	// Contact is where questions, corrections and replies go: mailto: or https.
	Contact string `json:"contact,omitzero"`
	// Imprint and Privacy are pages of the operator's own site.
	Imprint string        `json:"imprint,omitzero"`
	Privacy string        `json:"privacy,omitzero"`
	Demo    *demoSettings `json:"demo,omitzero"`
}

type operatorName struct {
	JA string `json:"ja,omitzero"`
	EN string `json:"en,omitzero"`
}

type demoSettings struct {
	Scale       float64 `json:"scale"`
	Affected    string  `json:"affected"`
	NotAffected string  `json:"notAffected"`
}

const (
	settingsFile = "shirase.json"
	ledgerKey    = publish.LedgerKey
)

// instance is an open data folder: every room, wired.
type instance struct {
	settings
	data      string
	db        *store.DB
	dir       *files.Dir
	keys      *files.Keys
	publisher *publish.Publisher
	index     *index.Index
	rosters   *roster.Rosters
	incidents *incident.Incidents
	archive   *archive.Archive
}

var (
	errNoInstance = errors.New("no data folder here")
	errNewer      = errors.New("the data folder is of a newer version")
)

func (a *app) keysDir() string {
	if a.keys != "" {
		return a.keys
	}
	return filepath.Clean(a.data) + "-keys"
}

// readSettings reads a data folder's settings, without opening anything.
func (a *app) readSettings() (settings, error) {
	var s settings
	b, err := os.ReadFile(filepath.Join(a.data, settingsFile))
	if errors.Is(err, os.ErrNotExist) {
		return s, hint.Add(fmt.Errorf("%w: %s", errNoInstance, a.data), "make one: shirase init; or look around first: shirase demo")
	}
	if err != nil {
		return s, fmt.Errorf("read the data folder's settings: %w", err)
	}
	// The version first: a newer format may have members this program does not know.
	var v struct {
		Format  int            `json:"format"`
		Unknown jsontext.Value `json:",unknown"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return s, fmt.Errorf("read %s: %w", filepath.Join(a.data, settingsFile), err)
	}
	if v.Format > formatVersion {
		return s, hint.Add(fmt.Errorf("%w: %s has version %d, and this program reads up to %d", errNewer, a.data, v.Format, formatVersion),
			"use the newer shirase that wrote it")
	}
	if err := json.Unmarshal(b, &s, json.RejectUnknownMembers(true)); err != nil {
		return s, fmt.Errorf("read %s: %w", filepath.Join(a.data, settingsFile), err)
	}
	return s, nil
}

func (a *app) writeSettings(dir *files.Dir, s settings) error {
	b, err := json.Marshal(s, jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("write the data folder's settings: %w", err)
	}
	return dir.Put(settingsFile, append(b, '\n'))
}

// settingsFor reads the settings and compares them with where the database is
// said to be.
func (a *app) settingsFor() (settings, error) {
	s, err := a.readSettings()
	if err != nil {
		return s, err
	}
	switch {
	case s.Engine == "postgres" && a.store == "":
		return s, hint.Add(fmt.Errorf("the database of %s is PostgreSQL", a.data), "say where: --store postgres://..., or SHIRASE_STORE")
	case s.Engine == "sqlite" && a.store != "":
		return s, hint.Add(fmt.Errorf("the database of %s is SQLite, in that folder", a.data), "leave --store and SHIRASE_STORE away, or use another --data")
	}
	return s, nil
}

// open opens the data folder.
func (a *app) open(ctx context.Context) (*instance, error) {
	s, err := a.settingsFor()
	if err != nil {
		return nil, err
	}
	in, err := a.wire(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", a.data, err)
	}
	return in, nil
}

// openToVerify opens only what is verified, and nothing that would mend or
// refuse it: a damaged ledger gets its whole report.
func (a *app) openToVerify(ctx context.Context) (in *instance, vkey string, err error) {
	s, err := a.settingsFor()
	if err != nil {
		return nil, "", err
	}
	in = &instance{settings: s, data: a.data}
	skey, err := a.openFloor(ctx, in, false)
	if err == nil {
		vkey, err = publish.LedgerVKey(skey)
	}
	if err == nil {
		in.index, err = index.New(ctx, in.db, in.dir)
	}
	if err != nil {
		in.close()
		return nil, "", fmt.Errorf("open %s: %w", a.data, err)
	}
	return in, vkey, nil
}

// openToSwitch is open where the ledger's signing key may be lost: its successor is to sign.
func (a *app) openToSwitch(ctx context.Context) (*instance, error) {
	s, err := a.settingsFor()
	if err != nil {
		return nil, err
	}
	in, err := a.wireWith(ctx, s, true)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", a.data, err)
	}
	return in, nil
}

// wire opens every room of a folder whose keys exist.
func (a *app) wire(ctx context.Context, s settings) (*instance, error) {
	return a.wireWith(ctx, s, false)
}

// wireWith is wire where the ledger's signing key may be lost.
func (a *app) wireWith(ctx context.Context, s settings, lost bool) (_ *instance, err error) {
	in := &instance{settings: s, data: a.data}
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
	if in.archive, err = archive.New(ctx, in.db, in.incidents); err != nil {
		return nil, err
	}
	if in.rosters, err = roster.New(ctx, in.db, in.dir, in.keys); err != nil {
		return nil, err
	}
	if in.index, err = index.New(ctx, in.db, in.dir); err != nil {
		return nil, err
	}
	witnesses, err := a.readWitnesses()
	if err != nil {
		return nil, err
	}
	in.publisher, err = publish.New(ctx, publish.Rooms{DB: in.db, Dir: in.dir, Keys: in.keys, Incidents: in.incidents, Index: in.index, Rosters: in.rosters}, skey,
		publish.Instance{URL: s.URL, PhoneRegion: s.Region, Demonstration: s.Demo != nil, Witnesses: witnesses, Today: today, WithoutKey: lost && skey == ""})
	if err != nil {
		return nil, err
	}
	return in, nil
}

// openFloor opens files, keys and database, and gives the ledger's signing key; where it may be lost and is, "".
func (a *app) openFloor(ctx context.Context, in *instance, lost bool) (skey string, err error) {
	if in.dir, err = files.Open(filepath.Join(a.data, "files")); err != nil {
		return "", err
	}
	if in.keys, err = files.OpenKeys(a.keysDir()); err != nil {
		return "", err
	}
	url := a.store
	if url == "" {
		url = "sqlite:" + filepath.Join(a.data, "shirase.db")
	}
	if in.db, err = store.Open(ctx, url); err != nil {
		return "", err
	}
	skey, err = publish.SigningKey(ctx, in.db, in.keys)
	if lost && errors.Is(err, files.ErrNotExist) {
		return "", nil
	}
	return skey, err
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
