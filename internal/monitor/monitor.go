// Package monitor watches somebody's ledger from outside, from its first entry
// on: that it is one history, that every byte it commits to is given, that its
// statements keep to the rules of the chain (check.Bindings), that its layers are
// what statements say, that no entry stands in two of them, that pages, API and
// scripts say what was signed, and that those whom an auditor has planted are
// found. What it finds has a rule's name, and evidence in a file that others
// verify with the ledger's key (check.VerifyEvidence).
//
// It trusts nothing but that key. Its state is on disk after every 256 entries,
// and a run that was killed goes on there; memory does not grow with the ledger,
// but with the incidents, revisions and layers that statements name. A copy of
// every source layer that is still named lies in the state's folder, since folds
// and entries that stand twice can only be seen by holding layers side by side.
package monitor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/check"
	"shirase/internal/files"
	"shirase/internal/hint"
)

// Errors of this package.
var (
	// ErrState reports a folder of state that is another ledger's, or damaged.
	ErrState = errors.New("the monitor's state is not of this ledger")
	// ErrBusy reports a folder of state that another monitor is using.
	ErrBusy = errors.New("another monitor uses this state")
	// ErrIdentities reports a file of identities that cannot be read.
	ErrIdentities = errors.New("not a list of identities")
)

// Options say whom to watch, and how.
type Options struct {
	Server     string        // base URL
	Second     string        // another address of the same pages; "" for none
	LedgerKey  string        // verifier key, learned from elsewhere: of the log, or of one that its keys lead back to
	Policy     *check.Policy // the monitor's own, for witnesses; nil: the one that statements name
	Identities []Identity    // whom to look up at each revision

	HTTP Doer             // nil: one with time-outs, and without redirects
	Now  func() time.Time // nil: time.Now
	Wait func(context.Context, time.Duration) error
}

// A Finding is something that should not be.
type Finding struct {
	What     string `json:"finding"` // one sentence
	Rule     string `json:"rule"`
	Seq      int64  `json:"seq"`               // of the statement; 0 where it is none's
	Index    int64  `json:"index"`             // of the ledger's entry; -1 where it is none's
	Evidence string `json:"evidence,omitzero"` // file with what shows it
	Key      string `json:"-"`                 // what makes two of them one
	Lasting  bool   `json:"-"`                 // it is in the ledger, and stays true
	Kept     bool   `json:"previous,omitzero"` // it was found by an earlier run
	File     string `json:"-"`
}

// A Summary is what a round came to.
type Summary struct {
	OK         bool       `json:"ok"`
	Size       int64      `json:"size"` // entries verified
	Root       check.Hash `json:"root"`
	Statements int64      `json:"statements"`
	Layers     int        `json:"layers"`     // verified, of all that statements have named
	Unverified int        `json:"unverified"` // that left before they were seen, and are not given any more
}

// Monitor watches one ledger. One round runs at a time.
type Monitor struct {
	Options
	dir    *files.Dir
	path   string
	unlock func()
	origin string
	get    *fetcher
	second *fetcher
	state  *state
	before *check.Statement // the newest that was looked at since the program started

	found  []Finding
	report func(Finding)
	seen   map[string]bool // keys of what this round has reported
	tiles  *tiles          // of the checkpoint of this round
	keys   *check.Policy
	own    *check.Checkpoint // the state's; nil for none
	target *check.Checkpoint // a larger one that somebody was shown, and to which the followed one leads
	last   bool              // nothing of this round is put off any more
}

// state is what is kept between rounds, and after every bundle of entries.
type state struct {
	V          int                          `json:"v"` // 1
	Origin     string                       `json:"origin"`
	Keys       []string                     `json:"keys"`            // verifier keys of the log, the oldest first
	Listed     jsontext.Value               `json:"listed,omitzero"` // those, as the server listed and proved them; none where the first one signs
	Checkpoint string                       `json:"checkpoint"`      // the largest verified; a signed note
	Leaves     int64                        `json:"leaves,omitzero"` // of its tree, that are kept
	Held       []string                     `json:"held,omitzero"`   // signed notes of larger trees that were shown to somebody and cannot be followed
	Next       int64                        `json:"next"`            // entries that are done
	Statements int64                        `json:"statements"`
	Missed     int64                        `json:"missed"` // statements since the newest one that could not be read
	Bindings   *check.Bindings              `json:"bindings"`
	Last       *entry                       `json:"last"`     // the newest statement
	Page       *entry                       `json:"page"`     // the newest record of the page's scripts
	CasesDay   string                       `json:"casesDay"` // of the newest head over all cases; "" where none was seen
	Notices    map[string]*noticed          `json:"notices"`
	NoticeN    int64                        `json:"noticeCount"`
	Layers     map[string]*layer            `json:"layers"`
	Findings   []lasting                    `json:"findings"`
	Looked     map[string]map[string]string `json:"looked"`   // by identity and incident: the newest revision that it was found in
	LookedAt   string                       `json:"lookedAt"` // the revisions that were looked up last
}

// entry is an entry of the ledger that later ones are held against.
type entry struct {
	Index int64      `json:"index"`
	Hash  check.Hash `json:"hash"`
}

// noticed is the newest notice of an incident.
type noticed struct {
	Version int64      `json:"version"`
	Index   int64      `json:"index"`
	Hash    check.Hash `json:"hash"`
}

// lasting is a finding that stays true.
type lasting struct {
	What     string `json:"finding"`
	Rule     string `json:"rule"`
	Seq      int64  `json:"seq"`
	Index    int64  `json:"index"`
	Evidence string `json:"evidence"`
	Key      string `json:"key"`
}

const (
	stateFile = "state.json"
	lockName  = "lock"
	maxState  = 1 << 30
	maxKept   = 1000 // lasting findings; a ledger with more is known well enough
)

// Open opens the monitor whose state is in the folder path, making it where
// there is none. Errors: ErrState, ErrBusy, check.ErrInsecure.
func Open(path string, o Options) (*Monitor, error) {
	m := &Monitor{Options: o, path: path}
	if m.Now == nil {
		m.Now = time.Now
	}
	if m.Wait == nil {
		m.Wait = wait
	}
	m.LedgerKey = strings.TrimSpace(m.LedgerKey)
	keys, err := check.LedgerPolicy(m.LedgerKey)
	if err != nil {
		return nil, fmt.Errorf("monitor: %w", err)
	}
	m.keys = keys
	m.origin, _, _ = strings.Cut(m.LedgerKey, "+")
	if m.get, err = newFetcher(o.Server, m); err != nil {
		return nil, fmt.Errorf("monitor: %w", err)
	}
	if o.Second != "" {
		if m.second, err = newFetcher(o.Second, m); err != nil {
			return nil, fmt.Errorf("monitor: %w", err)
		}
	}
	if m.dir, err = files.Open(path); err != nil {
		return nil, fmt.Errorf("monitor: %w", err)
	}
	if err := m.open(); err != nil {
		m.dir.Close()
		return nil, fmt.Errorf("monitor: opening %s: %w", path, err)
	}
	return m, nil
}

func (m *Monitor) open() error {
	unlock, ok, err := m.dir.Lock(lockName)
	if err != nil {
		return err
	}
	if !ok {
		return hint.Add(ErrBusy, "use a folder for each monitor: --state DIR")
	}
	m.unlock = unlock
	b, err := m.dir.Get(stateFile, maxState)
	if errors.Is(err, files.ErrNotExist) {
		m.state = &state{V: 1, Origin: m.origin, Keys: []string{m.LedgerKey}, Notices: map[string]*noticed{}, Layers: map[string]*layer{},
			Looked: map[string]map[string]string{}}
		return nil
	}
	if err == nil {
		m.state = new(state)
		err = json.Unmarshal(b, m.state, json.RejectUnknownMembers(true))
	}
	if err == nil && m.state.V != 1 {
		err = fmt.Errorf("version %d, and this program reads 1", m.state.V)
	}
	if err != nil {
		m.unlock()
		return hint.Add(fmt.Errorf("%w: %s: %w", ErrState, stateFile, err), "begin anew in another folder: --state DIR")
	}
	if m.state.Origin != m.origin || !slices.Contains(m.state.Keys, m.LedgerKey) {
		m.unlock()
		return hint.Add(fmt.Errorf("%w: it is of %s", ErrState, strings.Join(m.state.Keys, ", ")), "use a folder for each ledger: --state DIR")
	}
	if m.state.Notices == nil || m.state.Layers == nil || m.state.Looked == nil {
		m.unlock()
		return fmt.Errorf("%w: %s lacks a part", ErrState, stateFile)
	}
	if err = m.trust(m.state.Keys); err == nil && m.state.Checkpoint != "" {
		m.own, err = m.keys.Open(m.state.Checkpoint)
	}
	if err != nil {
		m.unlock()
		return fmt.Errorf("%w: %s: its checkpoint: %w", ErrState, stateFile, err)
	}
	return nil
}

// Close releases the state.
func (m *Monitor) Close() error {
	m.unlock()
	return m.dir.Close()
}

func (m *Monitor) save() error {
	b, err := json.Marshal(m.state, json.Deterministic(true), json.FormatNilSliceAsNull(false), jsontext.WithIndent(""))
	if err != nil {
		return err
	}
	return m.dir.Put(stateFile, b)
}

// Round looks once, from where the last one ended. report is told of each
// finding as it comes, those of earlier rounds that stay true first. An error
// means that the round could not be ended: what was found so far was reported.
func (m *Monitor) Round(ctx context.Context, report func(Finding)) (Summary, error) {
	m.found, m.seen, m.report, m.tiles, m.target, m.last = nil, map[string]bool{}, report, nil, nil, false
	for _, f := range m.state.Findings {
		m.add(Finding{What: f.What, Rule: f.Rule, Seq: f.Seq, Index: f.Index, Evidence: m.where(f.Evidence), Key: f.Key, Kept: true})
	}
	err := m.round(ctx)
	s := Summary{Size: m.state.Next, Statements: m.state.Statements}
	if m.own != nil && m.own.Size == s.Size {
		s.Root = m.own.Root
	}
	for _, l := range m.state.Layers {
		if l.Verified {
			s.Layers++
		} else {
			s.Unverified++
		}
	}
	s.OK = err == nil && len(m.found) == 0
	if err != nil {
		return s, fmt.Errorf("monitor: %w", err)
	}
	return s, nil
}

// rounds is how often the ledger is followed again because it has grown while
// it was compared with what is shown.
const rounds = 5

func (m *Monitor) round(ctx context.Context) error {
	for try := 1; ; try++ {
		m.last = try == rounds
		ok, err := m.follow(ctx)
		if err != nil || !ok {
			return err
		}
		if err := m.layers(ctx); err != nil {
			return err
		}
		again, err := m.shown(ctx)
		if err == nil && (!again || m.last) {
			var looked bool
			looked, err = m.planted(ctx)
			again = again || looked
		}
		switch {
		case err != nil:
			return err
		case !again:
			return nil
		case m.last:
			m.wrong("shown", "the ledger had grown at each of %d looks, so that what is shown could not be compared with it to the end", rounds)
			return nil
		}
	}
}

// add reports a finding, once a round.
func (m *Monitor) add(f Finding) {
	if f.Key == "" {
		f.Key = f.Rule + " " + f.What
	}
	if m.seen[f.Key] {
		return
	}
	m.seen[f.Key] = true
	m.found = append(m.found, f)
	if m.report != nil {
		m.report(f)
	}
}

// lasting reports a finding and keeps it: it is in the ledger.
func (m *Monitor) lasting(f Finding) {
	if f.Key == "" {
		f.Key = f.Rule + " " + f.What
	}
	known := m.seen[f.Key]
	m.add(f)
	if !known && len(m.state.Findings) < maxKept {
		m.state.Findings = append(m.state.Findings, lasting{f.What, f.Rule, f.Seq, f.Index, f.File, f.Key})
	}
}

// where is the path of a file in the state's folder.
func (m *Monitor) where(name string) string {
	if name == "" {
		return ""
	}
	return filepath.Join(m.path, filepath.FromSlash(name))
}

// save writes evidence, and gives its name in the state's folder and its path.
func (m *Monitor) evidence(e *check.Evidence, name string) (file, path string, err error) {
	e.Found, e.Server, e.Keys = check.At(m.Now()), m.get.base.String(), m.state.Listed
	b, err := e.Encode()
	if err != nil {
		return "", "", err
	}
	file = "evidence/" + name + ".json"
	if err := m.dir.Put(file, b); err != nil {
		return "", "", err
	}
	return file, m.where(file), nil
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// serverURL reads a base URL as check.Client does: a ledger is asked without TLS on the loopback interface only, since
// whoever is on the way would show this monitor something else than everybody.
func serverURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, errors.New("a server is a URL like https://notice.example.org")
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("%w: %s", check.ErrInsecure, u.Host)
	}
	return u, nil
}
