package logins

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/maphash"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/identity"
	"shirase/internal/extsort"
	"shirase/internal/hint"
)

// work is one run: everything by account, then what is of many accounts by source, then what was found.
type work struct {
	o      *Options
	keys   *keys
	all    *extsort.Sorter // records
	by     *extsort.Sorter // source, time, account's hash, success, record's number of bytes and name: of logins and attempts that are new for their account
	found  *extsort.Sorter // digest of the account's name, time, kind, and the rest: what is told
	agents map[uint64]string
	ranks  map[uint64]uint64 // of agents, in the order of their names: hashes are of one run alone, and what is told is the same each time
	report Report
	read   []logRead

	addresses, programs, failures bool // whether the logs say any
	finding                       map[string]*Finding
	last                          map[string][recAccount]byte // account that was last counted of a kind
}

type logRead struct {
	Log    string `json:"log"`
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

func newWork(ctx context.Context, o *Options) (*work, error) {
	w := &work{o: o, keys: newKeys(), agents: map[uint64]string{}, finding: map[string]*Finding{}, last: map[string][recAccount]byte{}}
	for _, s := range []struct {
		to     **extsort.Sorter
		memory int64
	}{{&w.all, o.Memory}, {&w.by, o.Memory / 4}, {&w.found, o.Memory / 8}} {
		var err error
		if *s.to, err = extsort.New(ctx, o.TempDir, s.memory); err != nil {
			w.close()
			return nil, err
		}
	}
	for _, kind := range Kinds {
		w.finding[kind] = &Finding{Kind: kind}
	}
	return w, nil
}

func (w *work) close() {
	for _, s := range []*extsort.Sorter{w.all, w.by, w.found} {
		if s != nil {
			s.Close()
		}
	}
}

func (w *work) members(ctx context.Context) error {
	var rec []byte
	for m, err := range w.o.Members {
		if err != nil {
			return err
		}
		names := m.Accounts
		if m.Identity.Kind == identity.KindEmail {
			names = append(slices.Clone(names), m.Identity.Value)
		}
		w.report.Unnamed += m.MoreAccounts
		if len(names) == 0 {
			w.report.Unnamed++
		}
		for _, n := range names {
			if len(n) == 0 || len(n) > maxAccount {
				w.report.Unnamed++
				continue
			}
			rec = w.keys.member(rec[:0], []byte(n))
			if err := w.all.Add(rec); err != nil {
				return err
			}
		}
	}
	if w.all.Len() == 0 {
		return hint.Add(fmt.Errorf("%w: the roster has neither account ids nor addresses to look for", ErrLogs), "name the column of the account id in the rules, and make the roster again")
	}
	return nil
}

// hashed reads a log and hashes its bytes.
type hashed struct {
	io.ReadCloser
	sum hash.Hash
	n   int64
}

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	h.sum.Write(p[:n])
	h.n += int64(n)
	return n, err
}

func (w *work) logs(ctx context.Context) error {
	for _, l := range w.o.Logs {
		var h *hashed
		open := l.Open
		l.Open = func(ctx context.Context) (io.ReadCloser, error) {
			f, err := open(ctx)
			if err != nil {
				return nil, err
			}
			h = &hashed{ReadCloser: f, sum: sha256.New()}
			return h, nil
		}
		if err := readLog(ctx, l, w.o, w.keys, w.take); err != nil {
			return err
		}
		w.read = append(w.read, logRead{l.Name, hex.EncodeToString(h.sum.Sum(nil)), h.n})
	}
	w.settle()
	if w.report.Read == 0 {
		if len(w.report.Problems) > 0 {
			p := w.report.Problems[0]
			return hint.Add(fmt.Errorf("%w: none of %d lines could be read; the first is line %d of %s (%s)", ErrLogs, w.report.Unreadable, p.Line, p.Log, p.Reason), "see --format, --column, --zone, --success and --failure")
		}
		return hint.Add(fmt.Errorf("%w: there is no login in them", ErrLogs), "an empty log says nothing about logins")
	}
	return nil
}

// settle puts what came in the order in which blocks were read, which is another one each time, into one of its own.
func (w *work) settle() {
	place := func(p Problem) int { return slices.IndexFunc(w.read, func(l logRead) bool { return l.Log == p.Log }) }
	slices.SortFunc(w.report.Problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Reason, b.Reason))
	})
	hashes := slices.SortedFunc(maps.Keys(w.agents), func(a, b uint64) int { return strings.Compare(w.agents[a], w.agents[b]) })
	w.ranks = make(map[uint64]uint64, len(hashes))
	for i, h := range hashes {
		w.ranks[h] = uint64(i) + 1
	}
}

// ranked is an agent as what was found is sorted by: its rank, or what is only known not to be another one, behind all ranks; 0: none was stated.
func (w *work) ranked(agent uint64) uint64 {
	if rank := w.ranks[agent]; rank != 0 || agent == 0 {
		return rank
	}
	return agent | 1<<63
}

// take adds what a block held. It is called by one goroutine at a time.
func (w *work) take(b *batch) error {
	r := &w.report
	r.Read += b.read
	r.Other += b.other
	if b.read > 0 {
		if r.From.IsZero() || b.from.Before(r.From) {
			r.From = b.from
		}
		if b.to.After(r.To) {
			r.To = b.to
		}
	}
	for _, p := range b.problems {
		r.Unreadable += p.Lines
		i := slices.IndexFunc(r.Problems, func(q Problem) bool { return q.Reason == p.Reason })
		if i < 0 {
			r.Problems = append(r.Problems, p)
			continue
		}
		q := &r.Problems[i]
		q.Lines += p.Lines
		if p.Log == q.Log && p.Line < q.Line {
			q.Line = p.Line
		}
	}
	for _, agent := range b.agents {
		if len(w.agents) < agentsMost {
			w.agents[maphash.String(w.keys.agent, agent)|1] = agent
		}
	}
	early := uint64(w.o.Since.Add(-24 * time.Hour).UnixNano())
	for rec := range slices.Chunk(b.records, recSize) {
		failed := rec[recTime] == isFailure
		w.failures = w.failures || failed
		w.addresses = w.addresses || [16]byte(rec[recWhat:recAddress]) != [16]byte{}
		w.programs = w.programs || binary.BigEndian.Uint64(rec[recAddress:recFamily]) != 0
		if failed && binary.BigEndian.Uint64(rec[recAccount:recTime]) < early { // an old failure tells nothing
			continue
		}
		if err := w.all.Add(rec); err != nil {
			return err
		}
	}
	return nil
}

// person is what is known of the account that is read.
type person struct {
	key      [recAccount]byte
	name     []byte
	member   bool
	met      bool // since the window began
	history  bool // it has a login before
	nobody   bool // it logged in since the window began, and has no history
	networks map[netip.Prefix]bool
	programs map[uint64]bool
	failed   int // in a row
	failedAt time.Time
}

func (w *work) accounts(ctx context.Context) error {
	var p person
	p.networks, p.programs = map[netip.Prefix]bool{}, map[uint64]bool{}
	for rec, err := range w.all.Sorted() {
		if err != nil {
			return err
		}
		if key := [recAccount]byte(rec); key != p.key { // a member's own record is the first of its account
			w.leave(&p)
			clear(p.networks)
			clear(p.programs)
			p = person{key: key, networks: p.networks, programs: p.programs, name: p.name[:0]}
		}
		if rec[recTime] == isMember {
			p.member = true
			p.name = append(p.name[:0], rec[recWhat:]...)
			continue
		}
		if !p.member {
			continue
		}
		w.report.Matched++
		if err := w.visit(&p, readRecord(rec)); err != nil {
			return err
		}
	}
	w.leave(&p)
	w.blind()
	return nil
}

func (w *work) leave(p *person) {
	if p.met {
		w.report.Accounts++
	}
	if p.nobody {
		w.report.NoHistory++
	}
}

// visit looks at one login or attempt, in the order of time.
func (w *work) visit(p *person, s seen) error {
	if s.at.Before(w.o.Since) {
		if s.ok {
			p.history = true
			if s.address.IsValid() && len(p.networks) < knownMost {
				p.networks[s.network] = true
			}
			if s.family != 0 && len(p.programs) < knownMost {
				p.programs[s.family] = true
			}
		}
		p.count(s)
		return nil
	}
	p.met = true
	burst := p.count(s) >= w.o.Failures
	newNetwork := s.address.IsValid() && !p.networks[s.network] && len(p.networks) < knownMost
	newProgram := s.family != 0 && !p.programs[s.family] && len(p.programs) < knownMost
	if newNetwork {
		if err := w.touched(p, s); err != nil {
			return err
		}
	}
	if !s.ok {
		return nil
	}
	w.report.Logins++
	if !s.address.IsValid() && w.addresses || s.family == 0 && w.programs { // where no log says it, that is in Blind
		w.report.Unstated++
	}
	p.nobody = p.nobody || !p.history
	if p.history && newNetwork && newProgram {
		if err := w.tellOf(NewForAccount, p.name, s); err != nil {
			return err
		}
	}
	if burst && (newNetwork || newProgram || !p.history) {
		return w.tellOf(AfterFailures, p.name, s)
	}
	return nil
}

// count counts failures in a row; of a login it gives how many there were before it.
func (p *person) count(s seen) int {
	if s.at.Sub(p.failedAt) > burstGap {
		p.failed = 0
	}
	before := p.failed
	if s.ok {
		p.failed = 0
		return before
	}
	p.failed++
	p.failedAt = s.at
	return 0
}

// touched keeps a login or attempt for the look at its source.
func (w *work) touched(p *person, s seen) error {
	source := sourceOf(s.address).Addr().As16()
	rec := append(make([]byte, 0, 128), source[:]...)
	rec = binary.BigEndian.AppendUint64(rec, uint64(s.at.UnixNano()))
	rec = append(rec, p.key[:]...)
	ok := byte(isFailure)
	if s.ok {
		ok = isLogin
	}
	rec = append(rec, ok)
	address := s.address.As16()
	rec = append(rec, address[:]...)
	rec = binary.BigEndian.AppendUint64(rec, s.agent)
	return w.by.Add(append(rec, p.name...))
}

const (
	byTime    = 16 + 8
	byAccount = byTime + recAccount
	byOK      = byAccount + 1
	byAddress = byOK + 16
	byAgent   = byAddress + 8
)

// sources finds those that touched many accounts within an hour, and then tells all that they did.
func (w *work) sources(ctx context.Context) error {
	f := w.finding[OneSource]
	many := map[[16]byte]bool{}
	var source [16]byte
	hour := map[[recAccount]byte]int64{} // account: when it was last touched
	for rec, err := range w.by.Sorted() {
		if err != nil {
			return err
		}
		if s := [16]byte(rec); s != source {
			source = s
			clear(hour)
		}
		if many[source] {
			continue
		}
		at := int64(binary.BigEndian.Uint64(rec[16:byTime]))
		hour[[recAccount]byte(rec[byTime:byAccount])] = at
		if len(hour) < w.o.Many {
			continue
		}
		for account, when := range hour {
			if at-when > int64(sourceSpan) {
				delete(hour, account)
			}
		}
		if len(hour) >= w.o.Many {
			many[source] = true
		}
	}
	f.Sources = int64(len(many))
	pairs, err := extsort.New(ctx, w.o.TempDir, w.o.Memory/8) // of source and account
	if err != nil {
		return err
	}
	defer pairs.Close()
	var pair, last []byte
	for rec, err := range w.by.Sorted() {
		if err != nil {
			return err
		}
		s := [16]byte(rec)
		if !many[s] {
			continue
		}
		pair = append(append(pair[:0], s[:]...), rec[byTime:byAccount]...)
		if err := pairs.Add(pair); err != nil {
			return err
		}
		f.Attempts++
		one := seen{at: time.Unix(0, int64(binary.BigEndian.Uint64(rec[16:byTime]))).UTC(), ok: rec[byAccount] == isLogin,
			address: netip.AddrFrom16([16]byte(rec[byOK:byAddress])).Unmap(), agent: binary.BigEndian.Uint64(rec[byAddress:byAgent])}
		f.span(one.at)
		if err := w.tellOf(OneSource, rec[byAgent:], one); err != nil {
			return err
		}
	}
	for pair, err := range pairs.Sorted() {
		if err != nil {
			return err
		}
		if !bytes.Equal(pair, last) {
			f.Accounts++
			last = append(last[:0], pair...)
		}
	}
	return nil
}

func (f *Finding) span(at time.Time) {
	if f.From.IsZero() || at.Before(f.From) {
		f.From = at
	}
	if at.After(f.To) {
		f.To = at
	}
}

// tellOf keeps something that was found, of the account with the name, in an order that is the same in every run.
func (w *work) tellOf(kind string, name []byte, s seen) error {
	key := sha256.Sum256(name)
	rec := append(make([]byte, 0, 160), key[:recAccount]...)
	rec = binary.BigEndian.AppendUint64(rec, uint64(s.at.UnixNano()))
	ok := byte(isFailure)
	if s.ok {
		ok = isLogin
	}
	rec = append(rec, ok)
	var address [16]byte
	if s.address.IsValid() {
		address = s.address.As16()
	}
	rec = append(rec, address[:]...)
	rec = binary.BigEndian.AppendUint64(rec, w.ranked(s.agent))
	rec = append(rec, byte(slices.Index(Kinds, kind)))
	return w.found.Add(append(rec, name...))
}

// blind says what could not be looked for.
func (w *work) blind() {
	r := &w.report
	say := func(kind, why string) { r.Blind = append(r.Blind, Blind{kind, why}) }
	switch {
	case !w.addresses:
		say(NewForAccount, "no-address")
		say(OneSource, "no-address")
	case !w.programs:
		say(NewForAccount, "no-agent")
	}
	if !r.From.Before(w.o.Since) {
		say(NewForAccount, "no-history")
	}
	if !w.failures {
		say(AfterFailures, "no-outcome-failed")
	}
}

// A detail is a line of what was found.
type detail struct {
	Account string   `json:"account"`
	Time    string   `json:"time"`
	Login   bool     `json:"login"` // false: an attempt
	Address string   `json:"address,omitzero"`
	Agent   string   `json:"agent,omitzero"`
	Kinds   []string `json:"kinds"`
}

// tell counts what was found, each login once, and writes it out.
func (w *work) tell(context.Context) error {
	write := func(v any) error {
		if w.o.Detail == nil {
			return nil
		}
		line, err := json.Marshal(v, json.Deterministic(true))
		if err != nil {
			return err
		}
		_, err = w.o.Detail.Write(append(line, '\n'))
		return err
	}
	if err := write(map[string]any{"v": 1, "since": w.o.Since.UTC().Format(time.RFC3339), "many": w.o.Many, "failures": w.o.Failures, "logs": w.read}); err != nil {
		return err
	}
	const fixed = recSize - 8 // without the program's family
	named := make([]string, len(w.ranks)+1)
	for hash, rank := range w.ranks {
		named[rank] = w.agents[hash]
	}
	var last []byte
	var d detail
	end := func() error {
		if last == nil {
			return nil
		}
		w.counted(last, &d)
		return write(&d)
	}
	for rec, err := range w.found.Sorted() {
		if err != nil {
			return err
		}
		kind := Kinds[rec[fixed]]
		if last != nil && bytes.Equal(last[:fixed], rec[:fixed]) {
			if !slices.Contains(d.Kinds, kind) {
				d.Kinds = append(d.Kinds, kind)
				continue
			}
		}
		if err := end(); err != nil {
			return err
		}
		last = append(last[:0], rec...)
		d = detail{Account: clean(string(rec[fixed+1:])), Time: time.Unix(0, int64(binary.BigEndian.Uint64(rec[recAccount:recTime]))).UTC().Format(time.RFC3339Nano),
			Login: rec[recTime] == isLogin, Kinds: []string{kind}}
		if a := netip.AddrFrom16([16]byte(rec[recWhat:recAddress])); !a.IsUnspecified() {
			d.Address = a.Unmap().String()
		}
		if rank := binary.BigEndian.Uint64(rec[recAddress:fixed]); rank < uint64(len(named)) {
			d.Agent = clean(named[rank])
		}
	}
	if err := end(); err != nil {
		return err
	}
	for _, kind := range Kinds {
		w.report.Findings = append(w.report.Findings, *w.finding[kind])
	}
	return write(map[string]any{"report": w.report})
}

// counted adds one thing that was found to the figures.
func (w *work) counted(rec []byte, d *detail) {
	if !d.Login {
		return
	}
	key := [recAccount]byte(rec)
	w.report.Suspicious++
	if w.last[""] != key {
		w.last[""] = key
		w.report.Of++
	}
	at := time.Unix(0, int64(binary.BigEndian.Uint64(rec[recAccount:recTime]))).UTC()
	for _, kind := range d.Kinds {
		f := w.finding[kind]
		f.Logins++
		if kind == OneSource {
			continue // its accounts are counted by source
		}
		f.span(at)
		if w.last[kind] != key {
			w.last[kind] = key
			f.Accounts++
		}
	}
}
