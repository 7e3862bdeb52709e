package check

import (
	"bytes"
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
	// ErrExercise says that a ledger is an exercise's: what it holds has not happened.
	ErrExercise = errors.New("this is an exercise, and nothing of it is real")
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
	Keys       []pinnedKey `json:"keys"`                      // the first one met, and successors
	Host       string      `json:"host"`                      // where it was first met; "" where a policy was stated
	Checkpoint string      `json:"checkpoint"`                // the largest verified, a signed note; "" for none
	Bindings   *Bindings   `json:"bindings"`                  // of the newest statement; nil for none
	Policy     string      `json:"policy"`                    // whose witnesses its checkpoints need, as a statement said it
	Changed    *Time       `json:"witnessesChanged,omitzero"` // of the statement by which other witnesses came in the place of those before
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
		if err := l.read(data.V, origin); err != nil {
			return data, fmt.Errorf("read pinned ledgers in %s: %q: %w", path, origin, err)
		}
	}
	data.V = 2
	return data, nil
}

// read checks what was read of a ledger, and makes version 2 of version 1.
func (l *pin) read(v int, origin string) error {
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
		switch c, err := readCheckpoint(l.Checkpoint); {
		case err != nil:
			return err
		case c.Origin != origin:
			return errors.New("its checkpoint is of another ledger")
		}
	}
	if _, err := parseStatementPolicy(l.Policy); err != nil {
		return err
	}
	if b := l.Bindings; b != nil {
		if b.V < 0 || b.V > 2 || (b.Ledger != nil) != (b.V == 2) {
			return errors.New("its bindings are of no version of a statement")
		}
		if slices.Contains(values(b.Keys), nil) || slices.Contains(values(b.Incidents), nil) {
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

// clone returns what may be changed while the pins stay as they are; of nothing,
// room for it.
func (l *pin) clone() *pin {
	if l == nil {
		return &pin{Keys: []pinnedKey{}}
	}
	c := *l
	c.Keys, c.Forks = slices.Clone(l.Keys), slices.Clone(l.Forks)
	return &c
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

// errMoved says that another program has pinned more of a ledger meanwhile.
var errMoved = errors.New("more of the ledger was seen meanwhile by another program")

// commit puts what is known of a ledger into the file, durably, where that still
// says what it said when it was read. Otherwise nothing is written, the pins are
// what the file says now, and the error is errMoved: whoever has verified against
// the former does so again. host, where it is not "", is bound to the ledger.
func (p *Pins) commit(origin, host string, before, after *pin) error {
	return p.update(func(file *pinFile) error {
		was, err := encodePin(before)
		if err != nil {
			return err
		}
		is, err := encodePin(file.Ledgers[origin])
		if err != nil {
			return err
		}
		if !bytes.Equal(was, is) {
			return errMoved
		}
		if bound, ok := file.Servers[host]; ok && host != "" && bound != origin {
			return fmt.Errorf("%w: %q was pinned and it shows %q", ErrLedgerChanged, bound, origin)
		}
		if host != "" {
			file.Servers[host] = origin
		}
		file.Ledgers[origin] = after
		return nil
	})
}

func encodePin(l *pin) ([]byte, error) { return json.Marshal(l, json.Deterministic(true)) }

// keep puts two checkpoints of a ledger that cannot belong to one history into
// the file.
func (p *Pins) keep(origin string, pair *treeFork) error {
	return p.update(func(file *pinFile) error {
		if l := file.Ledgers[origin]; l != nil {
			l.fork(pair.before, pair.now)
		}
		return nil
	})
}

// update reads the file again, changes it and writes it back, while no other
// program does. Where the change fails nothing is written.
func (p *Pins) update(change func(*pinFile) error) error {
	if err := os.MkdirAll(filepath.Dir(p.path), 0o700); err != nil {
		return fmt.Errorf("write pinned ledgers: %w", err)
	}
	unlock, err := lockedfile.MutexAt(p.path + ".lock").Lock()
	if err != nil {
		return fmt.Errorf("write pinned ledgers: %w", err)
	}
	defer unlock()
	file, err := readPins(p.path)
	if err != nil {
		return err
	}
	if err := change(&file); err != nil {
		if errors.Is(err, errMoved) {
			p.data = file
		}
		return err
	}
	b, err := json.Marshal(file, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("write pinned ledgers: %w", err)
	}
	if err := p.write(append(b, '\n')); err != nil {
		return fmt.Errorf("write pinned ledgers: %w", err)
	}
	p.data = file
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
