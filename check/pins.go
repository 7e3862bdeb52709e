package check

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/torchwood"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/rogpeppe/go-internal/lockedfile"
)

var (
	// ErrNotPinned says that nothing is known of a ledger yet.
	ErrNotPinned = errors.New("the ledger's key is not pinned")
	// ErrLedgerChanged says that a server that had one ledger now has another.
	ErrLedgerChanged = errors.New("the server answers from another ledger than before")
)

const (
	maxPins  = 64 << 20 // bytes
	maxForks = 8        // kept as evidence, of one ledger
)

// Pins are the ledgers a person has met, by origin: where and since when, the
// keys, the largest checkpoint, and what the newest statement binds later ones
// to. They are kept in one file of the user's (docs/FORMAT.md).
type Pins struct {
	path string
	data pinFile
}

type pinFile struct {
	V       int               `json:"v"` // 2; 1 is read
	Ledgers map[string]*pin   `json:"ledgers"`
	Servers map[string]string `json:"servers"` // origin by server
}

type pin struct {
	Keys       []pinnedKey `json:"keys"`       // the first one met, and successors
	Host       string      `json:"host"`       // where it was first met; "" where a policy was stated
	Checkpoint string      `json:"checkpoint"` // the largest verified, a signed note; "" for none
	Bindings   *Bindings   `json:"bindings"`   // of the newest statement; nil for none
	Policy     string      `json:"policy"`     // whose witnesses its checkpoints need, as a statement said it
	Forks      [][2]string `json:"forks,omitzero"`

	// Version 1, which knew no more of the newest statement.
	Seq  *int64 `json:"seq,omitzero"`
	Hash *Hash  `json:"statement,omitzero"`
}

type pinnedKey struct {
	VKey  string `json:"vkey"`
	Since Time   `json:"since"`
}

// DefaultPins returns the file for pins in the user's configuration folder.
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
	data := pinFile{V: 2, Ledgers: map[string]*pin{}, Servers: map[string]string{}}
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
	if data.V != 1 && data.V != 2 {
		return data, fmt.Errorf("read pinned ledgers: %s is of version %d, and this program reads 1 and 2", path, data.V)
	}
	if data.Ledgers == nil {
		data.Ledgers = map[string]*pin{}
	}
	if data.Servers == nil {
		data.Servers = map[string]string{}
	}
	for origin, l := range data.Ledgers {
		if err := l.read(data.V); err != nil {
			return data, fmt.Errorf("read pinned ledgers in %s: %q: %w", path, origin, err)
		}
	}
	data.V = 2
	return data, nil
}

// read checks what was read of a ledger, and makes version 2 of version 1.
func (l *pin) read(v int) error {
	if l == nil {
		return errors.New("nothing is said of it")
	}
	if v == 1 {
		if l.Seq == nil || l.Hash == nil {
			return errors.New("its statement is not named")
		}
		if *l.Seq > 0 {
			l.Bindings = &Bindings{Seq: *l.Seq, Hash: *l.Hash}
		}
		l.Seq, l.Hash = nil, nil
	}
	if l.Seq != nil || l.Hash != nil {
		return errors.New("it has members of version 1")
	}
	if l.Checkpoint != "" {
		if _, err := readCheckpoint(l.Checkpoint); err != nil {
			return err
		}
	}
	if _, err := parseStatementPolicy(l.Policy); err != nil {
		return err
	}
	if b := l.Bindings; b != nil {
		if b.Ledger == nil && b.V > 1 || slices.Contains(values(b.Keys), nil) || slices.Contains(values(b.Incidents), nil) {
			return errors.New("its bindings say nothing of something")
		}
		for _, in := range b.Incidents {
			if slices.Contains(values(in.Revisions), nil) {
				return errors.New("its bindings say nothing of a revision")
			}
		}
	}
	return nil
}

func values[V any](m map[string]V) (out []V) {
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// readCheckpoint reads a checkpoint that was verified before it was kept.
func readCheckpoint(signed string) (*Checkpoint, error) {
	text, _, ok := strings.Cut(signed, "\n\n")
	if !ok {
		return nil, errors.New("its checkpoint is not signed")
	}
	c, err := torchwood.ParseCheckpoint(text + "\n")
	if err != nil {
		return nil, fmt.Errorf("its checkpoint: %w", err)
	}
	return &Checkpoint{Origin: c.Origin, Size: c.N, Root: Hash(c.Hash), Note: signed}, nil
}

// checkpoint returns the largest checkpoint seen of an origin, or nil.
func (l *pin) checkpoint() *Checkpoint {
	if l == nil || l.Checkpoint == "" {
		return nil
	}
	c, err := readCheckpoint(l.Checkpoint)
	if err != nil { // it was read when the file was
		return nil
	}
	return c
}

// Policy returns what is trusted for an origin, keys and witnesses, or ErrNotPinned.
func (p *Pins) Policy(origin string) (*Policy, error) {
	keys, err := p.keys(origin)
	if err != nil {
		return nil, err
	}
	quorum, err := parseStatementPolicy(p.data.Ledgers[origin].Policy)
	if err != nil {
		return nil, err
	}
	return quorum.under(keys), nil
}

// keys returns the keys pinned for an origin, or ErrNotPinned.
func (p *Pins) keys(origin string) (*Policy, error) {
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

// pin returns what is known of an origin, making room where it is nothing.
func (p *Pins) pin(origin string) *pin {
	l := p.data.Ledgers[origin]
	if l == nil {
		l = &pin{Keys: []pinnedKey{}}
		p.data.Ledgers[origin] = l
	}
	return l
}

func (l *pin) add(vkey string, now time.Time) {
	if !slices.ContainsFunc(l.Keys, func(k pinnedKey) bool { return k.VKey == vkey }) {
		l.Keys = append(l.Keys, pinnedKey{vkey, At(now)})
	}
}

// fork keeps two checkpoints that cannot belong to one history.
func (l *pin) fork(a, b string) {
	pair := [2]string{a, b}
	if a != "" && a != b && len(l.Forks) < maxForks && !slices.Contains(l.Forks, pair) {
		l.Forks = append(l.Forks, pair)
	}
}

// bound returns the origin that a server is bound to, or "". One on this machine
// may be made anew at the same address.
func (p *Pins) bound(u *url.URL) string {
	if loopback(u.Hostname()) {
		return ""
	}
	return p.data.Servers[u.Host]
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
		if err := own.unite(l); err != nil {
			return fmt.Errorf("%q, seen by another program meanwhile: %w", origin, err)
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

func (l *pin) unite(file *pin) error {
	shared := func(k pinnedKey) bool {
		return slices.ContainsFunc(file.Keys, func(o pinnedKey) bool { return o.VKey == k.VKey })
	}
	if len(l.Keys) > 0 && len(file.Keys) > 0 && !slices.ContainsFunc(l.Keys, shared) {
		return fmt.Errorf("%w: it was pinned with another key", ErrLedgerChanged)
	}
	keys := slices.Clone(file.Keys)
	for _, k := range l.Keys {
		if !shared(k) {
			keys = append(keys, k)
		}
	}
	l.Keys = keys
	if file.Host != "" {
		l.Host = file.Host
	}
	for _, pair := range file.Forks {
		l.fork(pair[0], pair[1])
	}
	switch a, b := l.checkpoint(), file.checkpoint(); {
	case b == nil:
	case a == nil, a.Size < b.Size:
		l.Checkpoint = file.Checkpoint
	case a.Size == b.Size && a.Root != b.Root:
		return fmt.Errorf("%w: two ledgers of %d entries", ErrFork, a.Size)
	}
	switch a, b := l.Bindings, file.Bindings; {
	case b == nil:
	case a == nil, a.Seq < b.Seq, a.Seq == b.Seq && a.V == 0:
		l.Bindings, l.Policy = b, file.Policy
	case a.Seq == b.Seq && a.Hash != b.Hash:
		return fmt.Errorf("%w: number %d", ErrFork, a.Seq)
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
