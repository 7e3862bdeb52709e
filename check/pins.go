package check

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/rogpeppe/go-internal/lockedfile"
	"golang.org/x/mod/sumdb/note"
)

var (
	// ErrNotPinned says that nothing is known of a ledger yet.
	ErrNotPinned = errors.New("the ledger's key is not pinned")
	// ErrLedgerChanged says that a server that had one ledger now has another.
	ErrLedgerChanged = errors.New("the server answers from another ledger than before")
)

const maxPins = 4 << 20 // bytes

// Pins are the ledgers a person has met, by origin: the keys, since when, and
// the newest statement seen. They are kept in one file of the user's.
type Pins struct {
	path string
	data pinFile
}

type pinFile struct {
	V       int               `json:"v"` // 1
	Ledgers map[string]*pin   `json:"ledgers"`
	Servers map[string]string `json:"servers"` // origin by server
}

type pin struct {
	Keys []pinnedKey `json:"keys"` // the first one met, and successors
	Seq  int64       `json:"seq"`
	Hash Hash        `json:"statement"`
}

type pinnedKey struct {
	VKey  string `json:"vkey"`
	Since Time   `json:"since"`
}

// DefaultPins gives the file for pins in the user's configuration folder.
func DefaultPins() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find the configuration folder: %w", err)
	}
	return filepath.Join(dir, "shirase", "ledgers.json"), nil
}

// OpenPins reads the pins kept in a file; one that is not there yet has none.
func OpenPins(path string) (*Pins, error) {
	data, err := readPins(path)
	if err != nil {
		return nil, err
	}
	return &Pins{path: path, data: data}, nil
}

func readPins(path string) (pinFile, error) {
	data := pinFile{V: 1, Ledgers: map[string]*pin{}, Servers: map[string]string{}}
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return data, nil
	}
	if err != nil {
		return data, fmt.Errorf("read pinned ledgers: %w", err)
	}
	if len(b) > maxPins {
		return data, fmt.Errorf("read pinned ledgers: %s is longer than %d bytes", path, maxPins)
	}
	data.V = 0
	if err := json.Unmarshal(b, &data, json.RejectUnknownMembers(true)); err != nil {
		return data, fmt.Errorf("read pinned ledgers in %s: %w", path, err)
	}
	if data.V != 1 {
		return data, fmt.Errorf("read pinned ledgers: %s is of version %d, and this program reads 1", path, data.V)
	}
	if data.Ledgers == nil {
		data.Ledgers = map[string]*pin{}
	}
	if data.Servers == nil {
		data.Servers = map[string]string{}
	}
	for origin, l := range data.Ledgers {
		if l == nil {
			return data, fmt.Errorf("read pinned ledgers in %s: nothing is said of %q", path, origin)
		}
	}
	return data, nil
}

// Policy gives what is trusted for an origin, or ErrNotPinned.
func (p *Pins) Policy(origin string) (*Policy, error) {
	l := p.data.Ledgers[origin]
	if l == nil || len(l.Keys) == 0 {
		return nil, fmt.Errorf("%w: %q", ErrNotPinned, origin)
	}
	vkeys := make([]string, len(l.Keys))
	for i, k := range l.Keys {
		vkeys[i] = k.VKey
	}
	return LedgerPolicy(vkeys...)
}

// Add pins a key for the origin that is its name: a first one, or a successor
// that its owner was told of by somebody other than the server.
func (p *Pins) Add(vkey string, now time.Time) error {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return fmt.Errorf("read a ledger key: %w", err)
	}
	l := p.data.Ledgers[v.Name()]
	if l == nil {
		l = new(pin)
	}
	if !slices.ContainsFunc(l.Keys, func(k pinnedKey) bool { return k.VKey == vkey }) {
		l.Keys = append(l.Keys, pinnedKey{vkey, At(now)})
	}
	p.data.Ledgers[v.Name()] = l
	return nil
}

// Seen records a verified statement of an origin, and refuses one that is
// older than the newest seen, or another under the same number.
func (p *Pins) Seen(origin string, st *Statement, hash Hash) error {
	l := p.data.Ledgers[origin]
	if l == nil { // trusted by a policy that was stated, and not by a pin
		l = &pin{Keys: []pinnedKey{}}
		p.data.Ledgers[origin] = l
	}
	switch {
	case st.Seq < l.Seq:
		return fmt.Errorf("%w: number %d, and %d was seen", ErrRollback, st.Seq, l.Seq)
	case st.Seq == l.Seq && hash != l.Hash:
		return fmt.Errorf("%w: number %d", ErrFork, st.Seq)
	case st.Seq == l.Seq+1 && l.Seq > 0 && st.Prev != l.Hash:
		return fmt.Errorf("%w: number %d does not follow the one seen", ErrFork, st.Seq)
	}
	l.Seq, l.Hash = st.Seq, hash
	return nil
}

// server binds a server to its ledger. One on this machine may be made anew at
// the same address; any other that changes its ledger is refused.
func (p *Pins) server(u *url.URL, origin string) error {
	if loopback(u.Hostname()) {
		return nil
	}
	before, ok := p.data.Servers[u.Host]
	if ok && before != origin {
		return fmt.Errorf("%w: %q was pinned and it shows %q", ErrLedgerChanged, before, origin)
	}
	p.data.Servers[u.Host] = origin
	return nil
}

// Save writes the pins back, durably. What another process has pinned or seen
// since is kept; where it saw what cannot be true together with these, that is
// the error and nothing is written.
func (p *Pins) Save() error {
	if err := os.MkdirAll(filepath.Dir(p.path), 0o700); err != nil {
		return fmt.Errorf("write pinned ledgers: %w", err)
	}
	unlock, err := lockedfile.MutexAt(p.path + ".lock").Lock()
	if err != nil {
		return fmt.Errorf("write pinned ledgers: %w", err)
	}
	defer unlock()
	before, err := readPins(p.path)
	if err != nil {
		return err
	}
	if err := p.unite(before); err != nil {
		return err
	}
	b, err := json.Marshal(p.data, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("write pinned ledgers: %w", err)
	}
	if err := p.write(append(b, '\n')); err != nil {
		return fmt.Errorf("write pinned ledgers: %w", err)
	}
	return nil
}

// unite takes in what the file has come to hold since it was read.
func (p *Pins) unite(file pinFile) error {
	for origin, l := range file.Ledgers {
		own := p.data.Ledgers[origin]
		if own == nil {
			p.data.Ledgers[origin] = l
			continue
		}
		shared := func(k pinnedKey) bool {
			return slices.ContainsFunc(l.Keys, func(o pinnedKey) bool { return o.VKey == k.VKey })
		}
		if len(own.Keys) > 0 && len(l.Keys) > 0 && !slices.ContainsFunc(own.Keys, shared) {
			return fmt.Errorf("%w: %q was pinned with another key meanwhile", ErrLedgerChanged, origin)
		}
		for _, k := range l.Keys {
			if !slices.ContainsFunc(own.Keys, func(o pinnedKey) bool { return o.VKey == k.VKey }) {
				own.Keys = append(own.Keys, k)
			}
		}
		switch {
		case l.Seq == own.Seq && l.Hash != own.Hash:
			return fmt.Errorf("%w: number %d", ErrFork, l.Seq)
		case l.Seq > own.Seq:
			own.Seq, own.Hash = l.Seq, l.Hash
		}
	}
	for server, origin := range file.Servers {
		if own, ok := p.data.Servers[server]; ok && own != origin {
			return fmt.Errorf("%w: %q was pinned and it shows %q", ErrLedgerChanged, origin, own)
		}
		p.data.Servers[server] = origin
	}
	return nil
}

func (p *Pins) write(b []byte) error {
	dir := filepath.Dir(p.path)
	f, err := os.CreateTemp(dir, ".ledgers-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), p.path)
	}
	if err != nil {
		return err
	}
	// The name is durable once its folder is; not every system lets one be synced.
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		d.Close()
	}
	return nil
}
