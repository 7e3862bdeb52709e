package ledger

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"

	"shirase/check"
	"shirase/internal/store"
)

// ErrPolicy reports a policy that names no usable witnesses.
var ErrPolicy = errors.New("not a policy of witnesses")

// Witnesses are those who are asked to cosign the log's checkpoints, and the
// quorum of them without which none is served. The zero value asks nobody.
type Witnesses struct {
	Errors *slog.Logger // hears which of them begins to fail, and cosigns again; nil: nobody does

	text   string
	each   []witness
	quorum torchwood.Policy // nil: nobody has to have cosigned
	former torchwood.Policy // of the policy that goes before; nil: none
}

// witness is one of them, as the policy names it.
type witness struct {
	name     string
	vkey     string
	verifier note.Verifier
	url      string // the submission prefix, without a slash at its end
}

// ParseWitnesses reads a policy as statements log it (docs/PROTOCOL.md section
// 6): without log lines, each witness with its URL, the submission prefix of
// c2sp.org/tlog-witness. Witnesses that the quorum does not need are asked too.
// An empty text is the zero value. Errors are ErrPolicy.
func ParseWitnesses(policy string) (Witnesses, error) {
	w, err := parseWitnesses(policy)
	if err != nil {
		return Witnesses{}, fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	return w, nil
}

func parseWitnesses(text string) (w Witnesses, err error) {
	if strings.TrimSpace(text) == "" {
		return w, nil
	}
	if len(text) > check.MaxPolicy {
		return w, fmt.Errorf("longer than %d bytes", check.MaxPolicy)
	}
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 0 && f[0] == "log" {
			return w, errors.New("a log has no place in it: it is this instance's own")
		}
	}
	policy, err := check.ParsePolicy([]byte(text))
	if err != nil {
		return w, err
	}
	if w.text = text; policy.Strength() > 0 {
		if w.quorum, err = torchwood.ParsePolicy([]byte(text)); err != nil {
			return w, err
		}
	}
	for _, named := range policy.Witnesses() {
		if err := w.add(named); err != nil {
			return w, err
		}
	}
	return w, nil
}

func (w *Witnesses) add(named check.Witness) error {
	v, err := torchwood.NewCosignatureVerifier(named.VKey)
	if err != nil {
		return err
	}
	u, err := url.Parse(named.URL)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("witness %s: %q is no URL like https://witness.example/prefix", named.Name, named.URL)
	}
	if len(w.each) == check.MaxWitnesses {
		return fmt.Errorf("more than %d witnesses", check.MaxWitnesses)
	}
	w.each = append(w.each, witness{named.Name, named.VKey, v, strings.TrimRight(named.URL, "/")})
	return nil
}

// Names returns the names of the witnesses' keys, in the order of the policy.
func (w Witnesses) Names() []string {
	out := []string{}
	for _, each := range w.each {
		out = append(out, each.verifier.Name())
	}
	return out
}

// Policy returns the text that was read; "" of the zero value.
func (w Witnesses) Policy() string { return w.text }

// After wants the quorum of a former policy too, as long as the witnesses that
// it needs are among these: whoever pinned that policy takes up this one from a
// checkpoint that satisfies both. Errors are ErrPolicy.
func (w Witnesses) After(former string) (Witnesses, error) {
	f, err := ParseWitnesses(former)
	if err != nil || f.quorum == nil {
		return w, err
	}
	var common []note.Signature
	for _, o := range f.each {
		if slices.ContainsFunc(w.each, func(n witness) bool { return n.vkey == o.vkey }) {
			common = append(common, note.Signature{Name: o.verifier.Name(), Hash: o.verifier.KeyHash()})
		}
	}
	if f.quorum.Check("", common) == nil {
		w.former = f.quorum
	}
	return w, nil
}

func (w Witnesses) errors() *slog.Logger {
	if w.Errors == nil {
		return slog.New(slog.DiscardHandler)
	}
	return w.Errors
}

// Quorum reports whether a checkpoint is served only once witnesses have
// cosigned it.
func (w Witnesses) Quorum() bool { return w.quorum != nil || w.former != nil }

// enough reports whether these cosignatures, which verify, are a quorum.
func (w Witnesses) enough(origin string, have map[string]cosignature) bool {
	var sigs []note.Signature
	for _, c := range have {
		sigs = append(sigs, c.sig)
	}
	return (w.quorum == nil || w.quorum.Check(origin, sigs) == nil) && (w.former == nil || w.former.Check(origin, sigs) == nil)
}

// since is the latest time by which a quorum has cosigned; zero where these are
// none, or none is wanted.
func (w Witnesses) since(origin string, have map[string]cosignature) time.Time {
	if !w.Quorum() {
		return time.Time{}
	}
	newest := slices.SortedFunc(maps.Values(have), func(a, b cosignature) int { return b.time.Compare(a.time) })
	some := map[string]cosignature{}
	for _, c := range newest {
		if some[c.vkey] = c; w.enough(origin, some) {
			return c.time
		}
	}
	return time.Time{}
}

// A cosignature is a witness's word that a tree continues all that it saw of
// the log (c2sp.org/tlog-cosignature). It verifies.
type cosignature struct {
	vkey string
	sig  note.Signature
	time time.Time // by the witness's clock
}

// line is the signature line, without its newline.
func (c cosignature) line() string { return "— " + c.sig.Name + " " + c.sig.Base64 }

// openCosignature takes a witness's signature out of signature lines, and
// verifies that it is of the checkpoint text. Lines of others are passed over.
func openCosignature(text, lines string, v note.Verifier, vkey string) (cosignature, error) {
	n, err := note.Open([]byte(text+"\n"+lines), note.VerifierList(v))
	if err != nil {
		return cosignature{}, err
	}
	sig := n.Sigs[0]
	// "uint32 key hash ‖ uint64 time ‖ signature"; one spelling of it, as of all that is published.
	raw, err := base64.StdEncoding.DecodeString(sig.Base64)
	if err != nil || len(raw) < 12 || raw[4] > 0x7f {
		return cosignature{}, errors.New("malformed cosignature")
	}
	sig.Base64 = base64.StdEncoding.EncodeToString(raw)
	return cosignature{vkey, sig, time.Unix(int64(binary.BigEndian.Uint64(raw[4:])), 0).UTC()}, nil
}

// cosigned returns the checkpoint that the log has signed with cosignatures
// below it, in the order of the policy.
func (l *Log) cosigned(own checkpoint, have map[string]cosignature) checkpoint {
	signed := bytes.Clone(own.signed)
	for _, w := range l.witnesses.each {
		if c, ok := have[w.vkey]; ok {
			signed = append(signed, c.line()+"\n"...)
		}
	}
	return checkpoint{signed, own.Tree, l.witnesses.since(l.Origin(), have)}
}

// cosignatures returns those that a signed checkpoint carries of the policy's
// witnesses, by verifier key. One that does not verify is none.
func (l *Log) cosignatures(signed []byte) map[string]cosignature {
	text, lines, _ := strings.Cut(string(signed), "\n\n")
	have := map[string]cosignature{}
	for _, w := range l.witnesses.each {
		if c, err := openCosignature(text+"\n", lines, w.verifier, w.vkey); err == nil {
			have[w.vkey] = c
		}
	}
	return have
}

// kept returns the cosignatures of own that the database has, by verifier key:
// those that serve, and those that are to be replaced.
func (l *Ledger) kept(ctx context.Context, q store.Querier, own checkpoint) (have, old map[string]cosignature, err error) {
	known, err := witnessRows(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	have, old = map[string]cosignature{}, map[string]cosignature{}
	for _, w := range l.witnesses.each {
		row := known[w.vkey]
		if row.size != own.N {
			continue
		}
		c, err := openCosignature(own.text(), row.line+"\n", w.verifier, w.vkey)
		switch {
		case err != nil: // of another tree of this size: not of this log's
		case l.stale(c):
			old[w.vkey] = c
		default:
			have[w.vkey] = c
		}
	}
	return have, old, nil
}

// seenBy is what the database keeps of a witness.
type seenBy struct {
	size int64
	time time.Time
	line string
}

// witnessRows returns what is known of every witness that was ever asked, by
// verifier key.
func witnessRows(ctx context.Context, q store.Querier) (map[string]seenBy, error) {
	rows, err := q.QueryContext(ctx, `SELECT vkey, size, time, line FROM ledger_witness`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]seenBy{}
	for rows.Next() {
		var vkey string
		var s seenBy
		var at int64
		if err := rows.Scan(&vkey, &s.size, &at, &s.line); err != nil {
			return nil, err
		}
		s.time = time.Unix(at, 0).UTC()
		out[vkey] = s
	}
	return out, rows.Err()
}

// keep stores a cosignature of a tree of some size, unless a newer one is there.
func (l *Ledger) keep(ctx context.Context, size int64, c cosignature) error {
	_, err := l.db.ExecContext(ctx, `INSERT INTO ledger_witness (vkey, size, time, line) VALUES ($1, $2, $3, $4)
		ON CONFLICT (vkey) DO UPDATE SET size = excluded.size, time = excluded.time, line = excluded.line
		WHERE excluded.size > ledger_witness.size OR (excluded.size = ledger_witness.size AND excluded.time > ledger_witness.time)`,
		c.vkey, size, c.time.Unix(), c.line())
	return err
}

// Witnessed returns by when a quorum had cosigned what is served. wanted is
// false where no quorum is wanted, or what is served is from before one was.
func (l *Log) Witnessed() (since time.Time, wanted bool, err error) {
	c, err := l.published()
	if err != nil {
		return since, false, fmt.Errorf("ledger: %w", err)
	}
	if c == nil || c.since.IsZero() {
		return since, false, nil
	}
	return c.since, true, nil
}

// A Standing is how far what the log serves is cosigned.
type Standing struct {
	Quorum    bool      // nothing is served without one
	Since     time.Time // by when a quorum had cosigned what is served; zero where none has, or none is wanted
	Served    int64     // entries that are public
	Waiting   int64     // entries that are committed and not public yet
	Witnesses []Witness
}

// A Witness is one that is asked for cosignatures.
type Witness struct {
	Name     string    // of its key
	VKey     string    // c2sp.org/signed-note
	Cosigned time.Time // by its clock: when it last cosigned what is served; zero where it has not
	Last     time.Time // when it last cosigned anything of this log
	LastSize int64     // entries of that
	Why      string    // it does not cosign; "" where it does, or was not asked yet
	WhySince time.Time // since when
}

// Refusing returns those of the witnesses that did not cosign when they were
// asked last, and why: for whoever looks at a log without opening it.
func Refusing(ctx context.Context, db *store.DB, w Witnesses) (out []Witness, err error) {
	not, err := refusals(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	for _, each := range w.each {
		if r, ok := not[each.vkey]; ok {
			out = append(out, Witness{Name: each.verifier.Name(), VKey: each.vkey, Why: r.why, WhySince: r.since})
		}
	}
	return out, nil
}

// Standing returns how far what is served is cosigned.
func (l *Log) Standing(ctx context.Context) (Standing, error) {
	s := Standing{Quorum: l.witnesses.Quorum()}
	c, err := l.published()
	if err != nil {
		return s, fmt.Errorf("ledger: %w", err)
	}
	have := map[string]cosignature{}
	if c != nil {
		s.Since, have = c.since, l.cosignatures(c.signed)
	}
	known, err := witnessRows(ctx, l.db)
	if err != nil {
		return s, fmt.Errorf("ledger: %w", err)
	}
	not, err := refusals(ctx, l.db)
	if err != nil {
		return s, fmt.Errorf("ledger: %w", err)
	}
	for _, w := range l.witnesses.each {
		s.Witnesses = append(s.Witnesses, Witness{Name: w.verifier.Name(), VKey: w.vkey, Cosigned: have[w.vkey].time,
			Last: known[w.vkey].time, LastSize: known[w.vkey].size, Why: not[w.vkey].why, WhySince: not[w.vkey].since})
	}
	if s.Served, err = l.Served(ctx); err != nil {
		return s, err
	}
	committed, err := Committed(ctx, l.db)
	s.Waiting = max(0, committed-s.Served)
	return s, err
}
