// Package witness vouches for the logs of others: that all that a log shows, to
// anybody, is one history that only grows (c2sp.org/tlog-witness, with
// cosignatures of c2sp.org/tlog-cosignature, Ed25519).
//
// It remembers one thing of each log: the largest checkpoint that it has
// cosigned. Of that it must never go back, or it could be made to cosign a second
// history. So it is on disk before an answer leaves, is changed under a lock that
// all processes take, and is that checkpoint itself: it proves by its own
// signatures that nothing of it has changed, and damage is refused.
//
// # A restored backup
//
// State that comes back from a backup is state that went back, and nothing in it
// says so. What can be refused is refused:
//
//   - A key without its state ([ErrState]): the key alone may have signed
//     anything. State of another key as well.
//   - A log that shows a cosignature of this witness for more than the witness
//     knows of: it was restored, and cosigns nothing of that log any more
//     ([ErrRestored]). Logs that run this program show it.
//   - A clock that is behind the newest cosignature.
//
// Against the rest only a new key helps. So the state lies in a folder of its
// own, beside data and keys, and belongs into no backup.
package witness

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"filippo.io/torchwood"
	"github.com/rogpeppe/go-internal/lockedfile"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/time/rate"

	"shirase/check"
	"shirase/internal/files"
	"shirase/internal/hint"
)

// Errors of this package.
var (
	// ErrKey reports a key file that holds no key of a witness.
	ErrKey = errors.New("not a witness's key")
	// ErrState reports state that is missing, damaged, or another key's.
	ErrState = errors.New("the witness's state is not that of its key")
	// ErrRestored reports a log of which this witness has cosigned more than it knows.
	ErrRestored = errors.New("this witness has cosigned more than it knows of: its state was restored from a backup")
	// ErrLog reports a verifier key that is none of a log.
	ErrLog = errors.New("not a log's key")
)

// KeyFile is the name of the key in a folder of keys: a note signer key,
// "PRIVATE+KEY+<name>+<hash>+<base64>" (golang.org/x/mod/sumdb/note).
const KeyFile = "witness.key"

// Names of files in the folder of state.
const (
	ownFile  = "witness" // the verifier key whose state this is
	logsFile = "logs"    // a verifier key a line
	lockFile = "lock"
	cosigned = "cosigned/" // by the SHA-256 of an origin: the newest checkpoint, cosigned
	restored = "restored/" // by the same: the checkpoint that showed that state is missing
	maxState = 64 << 10
	maxLogs  = 1000
	perLog   = 1.0 // requests a second that are signed for, beyond a burst
	burst    = 120
	overall  = 200.0 // requests a second that are looked at
	maxName  = 200
)

// A Witness cosigns checkpoints of the logs that it was told of. It is safe for
// concurrent use, and any number of processes may use one folder.
type Witness struct {
	dir    *files.Dir
	lock   *lockedfile.Mutex
	signer *torchwood.CosignatureSigner
	now    func() time.Time
	errors *slog.Logger

	mu    sync.Mutex
	list  string          // the file of logs, as it was read
	logs  map[string]*log // by origin
	total *rate.Limiter
}

// log is one of those that are witnessed. Its keys follow one another: once a
// checkpoint was cosigned that one has signed, those before it are not taken any
// more, whoever has them.
type log struct {
	origin string
	keys   note.Verifiers
	vkeys  []string // the oldest first
	rate   *rate.Limiter
}

// newest is the place of the newest of the log's keys that has signed a note; -1 where none has.
func (l *log) newest(signed []byte) int {
	for i, vkey := range slices.Backward(l.vkeys) {
		v, err := note.NewVerifier(vkey)
		if err != nil {
			continue // it was read
		}
		if _, err := note.Open(signed, note.VerifierList(v)); err == nil {
			return i
		}
	}
	return -1
}

// Open opens the witness whose key is in keys and whose state is in the folder
// path. Where there is neither, both are made, with the name, in which "{key}"
// becomes 16 hex digits of the public key's SHA-256. errors hears of what it cannot do;
// nil: nobody does. Errors: ErrKey, ErrState.
func Open(keys *files.Keys, path, name string, errors *slog.Logger) (*Witness, error) {
	if errors == nil {
		errors = slog.New(slog.DiscardHandler)
	}
	dir, err := files.Open(path)
	if err != nil {
		return nil, fmt.Errorf("witness: %w", err)
	}
	w := &Witness{dir: dir, lock: lockedfile.MutexAt(filepath.Join(path, lockFile)), now: time.Now, errors: errors,
		logs: map[string]*log{}, total: rate.NewLimiter(overall, 2*overall)}
	if err := w.open(keys, name); err != nil {
		dir.Close()
		return nil, fmt.Errorf("witness: opening %s: %w", path, err)
	}
	return w, nil
}

func (w *Witness) open(keys *files.Keys, name string) error {
	unlock, err := w.lock.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	secret, err := keys.Load(KeyFile)
	if errors.Is(err, files.ErrNotExist) {
		secret, err = w.begin(keys, name)
	}
	if err != nil {
		return err
	}
	if w.signer, err = parseKey(string(secret)); err != nil {
		return err
	}
	own, err := w.dir.Get(ownFile, maxState)
	switch {
	case errors.Is(err, files.ErrNotExist):
		return hint.Add(fmt.Errorf("%w: there is none, and the key %s is there", ErrState, w.VKey()),
			"what it has cosigned is not known any more: put the state back if it was only moved; else move the key away, and a new one is made, which logs have to be told of")
	case err != nil:
		return err
	case string(own) != w.VKey()+"\n":
		return hint.Add(fmt.Errorf("%w: it is of %s, and the key is %s", ErrState, strings.TrimSpace(string(own)), w.VKey()),
			"name the key's own state (--state), or the state's own key (--keys)")
	}
	return w.loadLogs()
}

// begin makes key and state. The state is first, and names the key: a key that
// is on disk has its state.
func (w *Witness) begin(keys *files.Keys, name string) ([]byte, error) {
	if all, err := w.dir.List(strings.TrimSuffix(cosigned, "/")); err != nil || len(all) > 0 {
		return nil, cmp.Or(err, hint.Add(fmt.Errorf("%w: it is there, and the key is not", ErrState), "say where the keys are (--keys), or name another folder of state (--state)"))
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(public)
	name = strings.ReplaceAll(name, "{key}", hex.EncodeToString(sum[:8]))
	if len(name) > maxName {
		return nil, fmt.Errorf("a witness's name has at most %d bytes", maxName)
	}
	vkey, err := note.NewEd25519VerifierKey(name, public)
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(vkey, "+")
	hash, _, _ := strings.Cut(rest, "+")
	secret := "PRIVATE+KEY+" + name + "+" + hash + "+" + base64.StdEncoding.EncodeToString(append([]byte{1}, private.Seed()...)) + "\n"
	signer, err := parseKey(secret)
	if err != nil { // the key is good
		return nil, fmt.Errorf("a witness's name is not empty and has no spaces or plus signs: %q", name)
	}
	if err := w.dir.Put(ownFile, []byte(signer.Verifier().String()+"\n")); err != nil {
		return nil, err
	}
	return []byte(secret), keys.Create(KeyFile, []byte(secret))
}

// parseKey reads the text form of [KeyFile]. An error does not quote it.
func parseKey(skey string) (*torchwood.CosignatureSigner, error) {
	skey = strings.TrimSpace(skey)
	parts := strings.SplitN(skey, "+", 5)
	if _, err := note.NewSigner(skey); err != nil || len(parts) != 5 {
		return nil, ErrKey
	}
	key, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil || len(key) != 1+ed25519.SeedSize {
		return nil, ErrKey
	}
	s, err := torchwood.NewCosignatureSigner(parts[2], ed25519.NewKeyFromSeed(key[1:]))
	if err != nil {
		return nil, ErrKey
	}
	return s, nil
}

// Close releases the folder of state.
func (w *Witness) Close() error { return w.dir.Close() }

// VKey returns the key that cosignatures verify under, in the text form of
// c2sp.org/signed-note: of type cosignature/v1.
func (w *Witness) VKey() string { return w.signer.Verifier().String() }

// loadLogs reads the list of logs.
func (w *Witness) loadLogs() error {
	list, err := w.dir.Get(logsFile, maxState)
	if errors.Is(err, files.ErrNotExist) {
		err = nil
	}
	if err != nil || string(list) == w.list && w.list != "" {
		return err
	}
	before := w.logs
	w.logs = map[string]*log{}
	for line := range strings.Lines(string(list)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := w.know(line); err != nil {
			w.logs = before
			return fmt.Errorf("%s: %w", logsFile, err)
		}
	}
	for origin, l := range w.logs {
		if b := before[origin]; b != nil {
			l.rate = b.rate
		}
	}
	w.list = string(list)
	return nil
}

// log gives what is known of an origin, as any process left it; nil where it is not witnessed.
func (w *Witness) log(origin string) (*log, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.loadLogs(); err != nil {
		return nil, err
	}
	return w.logs[origin], nil
}

// know takes in a log's key; a further one of an origin follows those before it.
func (w *Witness) know(vkey string) error {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return fmt.Errorf("%q: %w", vkey, ErrLog)
	}
	l := w.logs[v.Name()]
	if l == nil {
		l = &log{origin: v.Name(), rate: rate.NewLimiter(perLog, burst)}
		if len(w.logs) == maxLogs {
			return fmt.Errorf("more than %d logs", maxLogs)
		}
		w.logs[v.Name()] = l
	}
	if slices.Contains(l.vkeys, vkey) {
		return nil
	}
	l.vkeys = append(l.vkeys, vkey)
	var all []note.Verifier
	for _, k := range l.vkeys {
		v, err := note.NewVerifier(k)
		if err != nil {
			return err
		}
		all = append(all, v)
	}
	l.keys = note.VerifierList(all...)
	return nil
}

// Add witnesses another log from now on, by its verifier key, whose name is the
// log's origin; of a log that is known it is the key that follows those before.
// It is remembered. Errors: ErrLog, check.ErrExercise.
func (w *Witness) Add(vkey string) error {
	if origin, _, _ := strings.Cut(strings.TrimSpace(vkey), "+"); check.Exercise(origin) { // who relies on this witness would take it for real
		return hint.Add(fmt.Errorf("witness: adding a log: %w", check.ErrExercise), "witness a real instance's ledger: its key is shown by shirase ledger key")
	}
	if err := w.change(func() error { return w.know(strings.TrimSpace(vkey)) }); err != nil {
		return fmt.Errorf("witness: adding a log: %w", err)
	}
	return nil
}

// Drop takes no checkpoint any more that only this key of a log has signed: one
// that was stolen. A log without keys is not witnessed; what was cosigned of it
// stays, so that it cannot begin anew. Errors: ErrLog.
func (w *Witness) Drop(vkey string) error {
	vkey = strings.TrimSpace(vkey)
	err := w.change(func() error {
		origin, _, _ := strings.Cut(vkey, "+")
		l := w.logs[origin]
		if l == nil || !slices.Contains(l.vkeys, vkey) {
			return fmt.Errorf("%q: %w that this witness takes", vkey, ErrLog)
		}
		left := slices.DeleteFunc(slices.Clone(l.vkeys), func(k string) bool { return k == vkey })
		delete(w.logs, origin)
		for _, k := range left {
			if err := w.know(k); err != nil {
				return err
			}
			w.logs[origin].rate = l.rate
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("witness: dropping a log's key: %w", err)
	}
	return nil
}

// change changes the list of logs, as any process left it, durably.
func (w *Witness) change(do func() error) error {
	unlock, err := w.lock.Lock()
	if err != nil {
		return err
	}
	defer unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.loadLogs(); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	var list strings.Builder
	for _, l := range w.sorted() {
		for _, k := range l.vkeys {
			list.WriteString(k + "\n")
		}
	}
	if list.Len() > maxState {
		return fmt.Errorf("the list would be longer than %d bytes", maxState)
	}
	if err := w.dir.Put(logsFile, []byte(list.String())); err != nil {
		return err
	}
	w.list = list.String()
	return nil
}

func (w *Witness) sorted() []*log {
	var all []*log
	for _, l := range w.logs {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b *log) int { return strings.Compare(a.origin, b.origin) })
	return all
}

// Logs returns the verifier keys of the logs that are witnessed.
func (w *Witness) Logs() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := []string{}
	for _, l := range w.sorted() {
		out = append(out, l.vkeys...)
	}
	return out
}

// state is what is remembered of a log.
type state struct {
	tlog.Tree
	note []byte    // the checkpoint with the log's signature and the witness's
	time time.Time // of the cosignature
}

// name is the file of a log: the hex SHA-256 of its origin, as in c2sp.org/tlog-witness.
func (l *log) name() string {
	sum := sha256.Sum256([]byte(l.origin))
	return hex.EncodeToString(sum[:])
}

// load returns what is remembered of a log; the zero value of one of which
// nothing was cosigned. What is damaged is ErrState.
func (w *Witness) load(l *log) (state, error) {
	signed, err := w.dir.Get(cosigned+l.name(), maxState)
	if errors.Is(err, files.ErrNotExist) {
		return state{}, nil
	}
	if err != nil {
		return state{}, err
	}
	n, err := note.Open(signed, note.VerifierList(w.signer.Verifier()))
	if err != nil {
		return state{}, fmt.Errorf("%s: %w", cosigned+l.name(), ErrState)
	}
	c, err := torchwood.ParseCheckpoint(n.Text)
	if err != nil || c.Origin != l.origin {
		return state{}, fmt.Errorf("%s: %w", cosigned+l.name(), ErrState)
	}
	at, err := torchwood.CosignatureTimestamp(n.Sigs[0])
	if err != nil {
		return state{}, fmt.Errorf("%s: %w", cosigned+l.name(), ErrState)
	}
	return state{c.Tree, signed, time.Unix(at, 0)}, nil
}
