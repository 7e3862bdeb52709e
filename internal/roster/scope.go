package roster

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/text/language"

	"shirase/identity"
	"shirase/internal/charset"
	"shirase/internal/extsort"
	"shirase/internal/hint"
)

// Options say what a scope is made of.
type Options struct {
	Export   string           // file with the accounts: CSV, TSV or JSON Lines; plain, gzip or zstd
	Source   Source           // gives what is in it, where it is no file: Export is its name then; nil: it is a file
	Format   Format           // zero: by the file's ending, or its first line
	Encoding charset.Encoding // zero: by the bytes themselves
	Rules    *Rules
	// PhoneRegion is the country of phone numbers without +, where the rules
	// name none. They must be read as those who type theirs are: by the instance's.
	PhoneRegion string

	// Rejects is the file that lists what cannot be read, of rows that are invalid
	// and of those that are not: no file is written, and one of an earlier run
	// removed, where there is nothing. "" lists nowhere.
	Rejects string
	// MaxRejects is the share of rows that may be listed; nil: as the rules say.
	MaxRejects *float64

	// MaxRows and MaxText bound the rows of an export and its bytes as text, which a small file may unfold to; 0: nothing does.
	MaxRows, MaxText int64

	Study    *Study         // filled in; nil: nobody looks
	TempDir  string         // for sorting, sealed; "" is the system's
	Memory   int64          // bytes for sorting, about; 0 is 64 MiB
	Progress func(Progress) // called often, by the goroutine that called; may be nil
}

// Source opens an export, and says how many bytes it has.
type Source func(ctx context.Context) (io.ReadCloser, int64, error)

// Progress is how far a scope has come.
type Progress struct {
	Stage string // "read", "accounts", "identities"
	Done  int64  // in the first stage bytes of the file, later records
	Total int64
	Rows  int64 // read so far
}

const (
	defaultMemory = 64 << 20

	// maxPerAccount is how many different identities the rows of one account
	// may have. More mean that the column is not the account's.
	maxPerAccount = 10_000
	// maxAccounts is how many accounts a member lists; the rest is counted.
	maxAccounts = 1000

	progressEvery = 1 << 13
)

// Scope works out who is affected and returns the figures, and writes nothing but
// the list of what cannot be read. [Rosters.Create] runs the same and keeps the
// roster.
//
// Errors: ErrExport, ErrRules, ErrTooManyRejects; those of the context.
func Scope(ctx context.Context, o Options) (Counts, error) {
	result, err := run(ctx, o, nil)
	if err != nil {
		return Counts{}, fmt.Errorf("scope: %w", err)
	}
	return result.counts, nil
}

// A result is what a run found out.
type result struct {
	counts Counts
	sets   []uint64 // masks over the rules' classes that occur
	region string   // that phone numbers without + were read in
}

// run is the pipeline. Rows are read, judged and sorted by account (rows of one
// account are one person's); their identities are sorted, and each is handed to
// sink once, in the order of Identity.Input. sink may be nil.
func run(ctx context.Context, o Options, sink func(*member) error) (*result, error) {
	if o.TempDir == "" {
		o.TempDir = os.TempDir()
	}
	if o.Memory <= 0 {
		o.Memory = defaultMemory
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if o.Rejects != "" {
		if err := isOurs(o.Rejects); err != nil {
			return nil, err
		}
	}
	x, size, err := openExport(ctx, &o)
	if err != nil {
		return nil, err
	}
	defer x.close()
	s, err := newScoper(ctx, &o, x, size)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if o.Study != nil {
		o.Study.begin(s)
	}
	err = s.readRows()
	if o.Study != nil {
		o.Study.end()
	}
	if err != nil {
		return nil, err
	}
	if err := s.uniteAccounts(); err != nil {
		return nil, err
	}
	return s.uniteIdentities(sink)
}

// A scoper is one run.
type scoper struct {
	ctx        context.Context
	o          *Options
	x          *export
	size       int64 // of the export's file
	conditions *conditions
	account    int // index of the column, -1 for none
	email      int
	phone      int
	locale     int
	index      bool   // account ids are identities too
	region     string // of phone numbers without +

	counts  Counts
	flaws   []flaw // of the row at hand
	flawed  int64  // rows that have any
	rejects rejects
	rows    *extsort.Sorter // of rowRecord by account; nil without the column
	members *extsort.Sorter // of memberRecord by identity

	accountKey []byte // so that the order of accounts tells nothing
	locales    map[string]string
	record     rowRecord
	buf        []byte
}

func newScoper(ctx context.Context, o *Options, x *export, size int64) (*scoper, error) {
	s := &scoper{ctx: ctx, o: o, x: x, size: size, rejects: rejects{path: o.Rejects},
		accountKey: make([]byte, 16), locales: map[string]string{},
		index: slices.Contains(o.Rules.index, identity.KindAccount)}
	rand.Read(s.accountKey)
	var err error
	for _, c := range []struct {
		key, name string
		at        *int
	}{
		{"account", o.Rules.columns.account, &s.account}, {"email", o.Rules.columns.email, &s.email},
		{"phone", o.Rules.columns.phone, &s.phone}, {"locale", o.Rules.columns.locale, &s.locale},
	} {
		if *c.at, err = s.column(c.key, c.name); err != nil {
			return nil, err
		}
	}
	if s.region, err = o.phoneRegion(); err != nil {
		return nil, err
	}
	if s.conditions, err = o.Rules.compile(x.columns); err != nil {
		return nil, err
	}
	s.counts.Excluded, s.counts.Identities, s.counts.Unreadable = Excluded{}, map[identity.Kind]int64{}, map[identity.Kind]int64{}
	for _, e := range o.Rules.excludes {
		s.counts.Excluded = append(s.counts.Excluded, RuleCount{Rule: e.name})
	}
	memory := o.Memory
	if s.account >= 0 {
		memory /= 2
		if s.rows, err = extsort.New(ctx, o.TempDir, memory); err != nil {
			return nil, err
		}
	}
	s.members, err = extsort.New(ctx, o.TempDir, memory)
	return s, err
}

// phoneRegion is the country of phone numbers without +: the rules', then the one
// given. Where there is a column of numbers one must be known: else every national
// number would be lost, and its owner told no.
func (o *Options) phoneRegion() (string, error) {
	r := o.Rules
	if r.phoneRegion != "" || r.columns.phone == "" {
		return r.phoneRegion, nil
	}
	const remedy = "say it in the rules, as in phoneRegion: JP"
	if o.PhoneRegion == "" {
		return "", hint.Add(fmt.Errorf("%w: %s: phoneRegion: nothing says of which country the numbers in %q are that have no +",
			ErrRules, r.name, r.columns.phone), remedy)
	}
	if err := checkRegion(o.PhoneRegion); err != nil {
		return "", hint.Add(fmt.Errorf("%w: %s: %w", ErrRules, r.name, err), remedy)
	}
	return o.PhoneRegion, nil
}

// column finds a column that the rules name.
func (s *scoper) column(key, name string) (int, error) {
	if name == "" {
		return -1, nil
	}
	if i := slices.Index(s.x.columns, name); i >= 0 {
		return i, nil
	}
	remedy := "the columns are " + columnList(s.x.columns)
	if slices.ContainsFunc(s.x.columns, looksLikeData) {
		remedy = "the first row must name the columns; it looks like data: " + remedy
	} else if d, ok := s.x.rows.(*delimited); ok && len(s.x.columns) == 1 && strings.ContainsAny(s.x.columns[0], separators+"|") {
		return 0, exportError("write it with commas, semicolons or tabs between the columns, and leave out --format",
			"line 1: parted by %q, the header is one column", d.comma)
	}
	return 0, hint.Add(fmt.Errorf("%w: %s: columns: %s: the export has no column %q%s",
		ErrRules, s.o.Rules.name, key, name, didYouMean(name, s.x.columns)), remedy)
}

func (s *scoper) close() {
	if s.rows != nil {
		s.rows.Close()
	}
	if s.members != nil {
		s.members.Close()
	}
	s.rejects.drop()
}

// readRows judges every row of the export.
func (s *scoper) readRows() error {
	var r row
	for s.x.next(&r) {
		if s.counts.Total%progressEvery == 0 {
			if err := s.ctx.Err(); err != nil {
				return err
			}
			s.o.Progress(Progress{"read", s.x.read.Load(), s.size, s.counts.Total})
		}
		if s.counts.Total++; s.o.MaxRows > 0 && s.counts.Total > s.o.MaxRows {
			return tooMuch("it has more than %d rows", s.o.MaxRows)
		}
		s.flaws = s.flaws[:0]
		kept, err := s.judge(&r)
		if err != nil {
			return err
		}
		if !kept {
			s.counts.Invalid++
		}
		if len(s.flaws) > 0 {
			s.flawed++
			if s.o.Study != nil {
				s.o.Study.flawed(r.line, kept, s.flaws)
			}
			if err := s.rejects.add(r.line, kept, s.flaws); err != nil {
				return err
			}
			if s.flawed >= hopeless && s.tooMany() { // a small file may unfold to rows without end
				if err := s.rejects.keep(); err != nil {
					return err
				}
				return s.checkRejects()
			}
		}
	}
	if err := errors.Join(s.x.err(), s.ctx.Err()); err != nil {
		return err
	}
	if s.counts.Total == 0 {
		return exportError("check that it was written to its end", "it has a header and no rows")
	}
	s.o.Progress(Progress{"read", s.size, s.size, s.counts.Total})
	if err := s.rejects.keep(); err != nil {
		return err
	}
	return s.checkRejects()
}

// hopeless is how many rows that cannot be read end a run before its export does, where they are too many of those so far.
const hopeless = 1_000_000

// most is the share of rows that may be unreadable.
func (s *scoper) most() float64 {
	if s.o.MaxRejects != nil {
		return *s.o.MaxRejects
	}
	return s.o.Rules.maxRejects
}

func (s *scoper) tooMany() bool { return float64(s.flawed) > s.most()*float64(s.counts.Total) }

// checkRejects stops a run with too many rows that cannot be read, wholly or in
// part: a column that is not what the rules take it for shows in either.
func (s *scoper) checkRejects() error {
	if !s.tooMany() {
		return nil
	}
	inPart := ""
	if n := s.flawed - s.counts.Invalid; n > 0 {
		inPart = fmt.Sprintf(" (%d of them in part)", n)
	}
	if s.flawed == hopeless {
		inPart += ", where reading was given up"
	}
	remedy := "list them with --rejects FILE; mend the export or the rules"
	if s.o.Rejects != "" {
		remedy = fmt.Sprintf("see %s for each; mend the export or the rules", s.o.Rejects)
	}
	return hint.Add(fmt.Errorf("%w: %d of %d%s, and at most %g %% may be", ErrTooManyRejects, s.flawed, s.counts.Total, inPart, s.most()*100),
		remedy+", or allow a greater share with maxRejects")
}

// Problems of a row's values that no parser of package identity finds.
var noIdentity = problem{"no-identity", "the row has neither an address, nor a number, nor an account"}

// A flaw is something of a row that cannot be used: the column or rule, and why.
type flaw struct {
	field   string
	problem problem
}

// invalid notes the flaw for which a row is not kept.
func (s *scoper) invalid(field string, p problem) (kept bool) {
	s.flaws = append(s.flaws, flaw{field, p})
	return false
}

// judge puts a row into one of the counts, all but Invalid: of a row that is not
// kept there are flaws, and there may be of one that is. The order is part of the
// meaning: a row that a rule takes out of the scope may have values that would be
// flaws within it.
func (s *scoper) judge(r *row) (kept bool, err error) {
	if r.problem != fine {
		return s.invalid("", r.problem), nil
	}
	s.conditions.load(r.fields)
	if s.o.Study != nil {
		s.o.Study.count(r)
	}
	rule, p, field := s.conditions.excluded()
	if p != fine {
		return s.invalid(field, p), nil
	}
	if rule >= 0 {
		s.counts.Excluded[rule].Rows++
		if s.o.Study != nil {
			s.o.Study.take(rule, r, nil)
		}
		return true, nil
	}
	rec := &s.record
	*rec = rowRecord{line: r.line, identities: rec.identities[:0]}
	if !s.identities(r, rec) {
		return false, nil
	}
	set, p, field := s.conditions.set()
	if p != fine {
		return s.invalid(field, p), nil
	}
	rec.mask = s.o.Rules.sets[set].mask
	if s.o.Study != nil {
		s.o.Study.take(len(s.o.Rules.excludes)+set, r, s.flaws)
	}
	if rec.active, p = s.conditions.active(); p != fine {
		s.flaws = append(s.flaws, flaw{activeRule, p})
	}
	if s.locale >= 0 {
		rec.locale = s.localeOf(r.fields[s.locale])
	}
	if rec.account == "" { // there is no column, or it cannot be read: nothing to unite the row with
		s.counts.Affected++
		return true, s.addMembers(rec)
	}
	sum := sha256.Sum256(append(append(s.buf[:0], s.accountKey...), rec.account...))
	s.buf = rec.append(append(s.buf[:0], sum[:accountHash]...))
	return true, s.rows.Add(s.buf)
}

// identities sets the account and the identities of a row. False if none of them
// can be read; what cannot is a flaw, and the others count.
func (s *scoper) identities(r *row, rec *rowRecord) bool {
	if s.account >= 0 {
		organisation := s.o.Rules.organisation
		if organisation == "" {
			organisation = "-" // it is checked, and not kept
		}
		if id, err := identity.NewAccount(organisation, string(r.fields[s.account])); err != nil {
			s.unreadable(identity.KindAccount, s.o.Rules.columns.account, err)
		} else {
			_, rec.account, _ = strings.Cut(id.Value, "\x00")
			if s.index {
				rec.identities = append(rec.identities, id)
			}
		}
	}
	if s.email >= 0 {
		if id, err := identity.ParseEmail(string(r.fields[s.email])); err == nil {
			rec.identities = append(rec.identities, id)
		} else if !isEmpty(err) {
			s.unreadable(identity.KindEmail, s.o.Rules.columns.email, err)
		}
	}
	if s.phone >= 0 {
		if id, err := identity.ParsePhone(string(r.fields[s.phone]), s.region); err == nil {
			rec.identities = append(rec.identities, id)
		} else if !isEmpty(err) {
			s.unreadable(identity.KindPhone, s.o.Rules.columns.phone, err)
		}
	}
	switch {
	case len(rec.identities) > 0 || rec.account != "":
		return true
	case len(s.flaws) == 0:
		return s.invalid("", noIdentity)
	}
	return false
}

// unreadable notes a value that is no identity of its column's kind.
func (s *scoper) unreadable(kind identity.Kind, column string, err error) {
	s.counts.Unreadable[kind]++
	s.flaws = append(s.flaws, flaw{column, reason(err)})
}

// reason makes a problem of an error of package identity, which holds no value.
func reason(err error) problem {
	var e *identity.Error
	if !errors.As(err, &e) {
		return problem{"invalid", "the value is not valid"}
	}
	return problem{string(e.Reason), e.Reason.Text()}
}

func isEmpty(err error) bool {
	var e *identity.Error
	return errors.As(err, &e) && e.Reason == identity.Empty
}

// localeOf returns the BCP 47 form of a locale, "" where there is none.
func (s *scoper) localeOf(value []byte) string {
	if len(value) > 35 { // RFC 5646 section 4.4.1
		return ""
	}
	if l, ok := s.locales[string(value)]; ok {
		return l
	}
	text, l := strings.TrimSpace(string(value)), ""
	if tag, err := language.Parse(text); err == nil && text != "" {
		l = tag.String()
	}
	if len(s.locales) < 1000 {
		s.locales[string(value)] = l
	}
	return l
}
