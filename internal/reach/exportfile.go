package reach

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/maphash"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"filippo.io/age"
	"github.com/go-json-experiment/json"
	"golang.org/x/text/encoding/japanese"

	"shirase/identity"
	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// telephoneColumn is the column of numbers that the roster has itself.
const telephoneColumn = "telephone"

// Manifest goes with a file (docs/FORMAT.md, files for houses). It has nobody's data in it.
type Manifest struct {
	V            int      `json:"v"` // 1
	Export       string   `json:"export"`
	Campaign     string   `json:"campaign"`
	Incident     string   `json:"incident"`
	Channel      Channel  `json:"channel"`
	House        string   `json:"house"`
	Recipients   []string `json:"recipients"`
	Purpose      string   `json:"purpose"`
	DestroyBy    string   `json:"destroyBy"`
	Encoding     string   `json:"encoding"`
	Columns      []string `json:"columns"`
	Rows         int64    `json:"rows"`
	PlainSHA256  string   `json:"plainSHA256"`
	PlainBytes   int64    `json:"plainBytes"`
	SealedSHA256 string   `json:"sealedSHA256"`
	SealedBytes  int64    `json:"sealedBytes"`
	SourceSHA256 string   `json:"sourceSHA256,omitzero"` // of the list that columns were taken from
	Made         string   `json:"made"`
	ResultsTo    string   `json:"resultsTo"` // age key that results may be sealed to
}

// references makes and reads what stands for somebody in one file: their place, enciphered under a key of the file, with eight bytes that
// have to be zero. A reference is of one file only, tells nothing of whom it is of, and is not made up by anybody who has not the case's key.
type references struct{ b cipher.Block }

func newReferences(seal *store.Sealer, export string) references {
	b, err := aes.NewCipher(seal.Lookup("reach export", []byte(export)))
	if err != nil {
		panic(err) // only for keys of another length
	}
	return references{b}
}

func (r references) of(ordinal int64) string {
	var b [aes.BlockSize]byte
	binary.BigEndian.PutUint64(b[:], uint64(ordinal))
	r.b.Encrypt(b[:], b[:])
	return tokens.EncodeToString(b[:])
}

func (r references) place(s string) (ordinal int64, ok bool) {
	if len(s) != tokenSize {
		return 0, false
	}
	b, err := tokens.DecodeString(strings.ToLower(s))
	if err != nil || len(b) != aes.BlockSize || tokens.EncodeToString(b) != strings.ToLower(s) {
		return 0, false
	}
	r.b.Decrypt(b, b)
	ordinal = int64(binary.BigEndian.Uint64(b))
	return ordinal, ordinal >= 0 && binary.BigEndian.Uint64(b[8:]) == 0
}

// lettered is somebody who is still to be told.
type lettered struct {
	ordinal int64
	lang    language.Lang
	set     uint16
}

// exporter makes one file.
type exporter struct {
	r    *Reach
	x    *Export
	c    *Campaign
	f    *frozen
	ro   roster.Roster
	seal *store.Sealer
	refs references
	out  *sheet
	left LeftOut

	contents map[bodyKey][2]string // subject and text
	in       map[int64][4]uint64   // those who are in the file, by block
	absent   map[int64][4]uint64   // those whom the list does not have
}

// Make makes a file that was approved: sealed from its first byte, and here before anybody counts as being in it. A process that dies leaves
// nothing of it, and the next one makes it. Errors: ErrState where it is not to be made; roster.ErrExport.
func (r *Reach) Make(ctx context.Context, id string) error {
	x, err := r.export(ctx, r.DB, id)
	if err == nil && x.State != ExportApproved {
		err = fmt.Errorf("%w: %s is %s", ErrState, id, x.State)
	}
	if err != nil {
		return err
	}
	e := &exporter{r: r, x: x, contents: map[bodyKey][2]string{}, in: map[int64][4]uint64{}, absent: map[int64][4]uint64{}}
	if e.c, err = r.get(ctx, r.DB, x.Campaign); err == nil && e.c.State != Running {
		err = fmt.Errorf("%w: %s is %s", ErrState, e.c.ID, e.c.State)
	}
	if err == nil {
		e.f, err = e.c.frozen()
	}
	if err == nil {
		e.ro, err = r.Rosters.Named(ctx, e.c.Incident, e.c.Roster)
	}
	if err == nil {
		e.seal, err = r.Rosters.Sealer(ctx, e.c.Incident, false)
	}
	if err != nil {
		return fmt.Errorf("export %s: %w", id, err)
	}
	e.refs = newReferences(e.seal, id)
	if err := e.run(ctx); err != nil {
		return fmt.Errorf("export %s: %w", id, err)
	}
	r.seen()
	return nil
}

func (e *exporter) run(ctx context.Context) error {
	keys, err := e.x.keys()
	if err != nil {
		return err
	}
	w, err := e.r.Files.Create(exportsFolder + "/" + e.c.Incident + "/" + e.x.ID)
	if err != nil {
		return err
	}
	defer w.Close()
	sealedSum, plainSum := &summed{h: sha256.New(), w: w}, &summed{h: sha256.New()}
	sealed, err := age.Encrypt(sealedSum, keys...)
	if err != nil {
		return err
	}
	plainSum.w = sealed
	m := &Manifest{V: 1, Export: e.x.ID, Campaign: e.c.ID, Incident: e.c.Incident, Channel: e.c.Way(), House: e.x.House, Recipients: e.x.Recipients, Purpose: e.x.Purpose, DestroyBy: e.x.DestroyBy,
		Encoding: e.x.Encoding, Made: e.r.Now().UTC().Format(time.RFC3339), Columns: e.columns()}
	if m.Encoding == "" {
		m.Encoding = "utf-8"
	}
	if m.ResultsTo, err = e.r.Rosters.Recipient(ctx, e.c.Incident); err != nil {
		return err
	}
	e.out = newSheet(plainSum, m.Encoding == "shift_jis")
	if ok, err := e.out.row(m.Columns); err != nil || !ok {
		return errors.Join(err, fmt.Errorf("%w: the names of its columns cannot be written in %s", ErrInput, m.Encoding))
	}
	if e.x.Evidence == 0 {
		err = e.numbers(ctx)
	} else {
		m.SourceSHA256, err = e.joined(ctx)
	}
	if err == nil {
		err = errors.Join(e.out.flush(), sealed.Close())
	}
	if err != nil {
		return err
	}
	m.Rows, m.PlainSHA256, m.PlainBytes, m.SealedSHA256, m.SealedBytes = e.out.rows, plainSum.hex(), plainSum.n, sealedSum.hex(), sealedSum.n
	if m.Rows == 0 {
		return hint.Add(fmt.Errorf("%w: nobody would be in it: the list does not have %d, and %d cannot be written", ErrInput, e.left.Missing, e.left.Unwritable), "see whether the key column is the one that rows are found by")
	}
	e.r.step()
	if err := w.CommitAs(exportFile(e.c.Incident, e.x.ID, m.SealedSHA256)); err != nil {
		return err
	}
	e.r.step()
	if err := e.made(ctx, m); err != nil {
		if errors.Is(err, ErrState) { // it was withdrawn meanwhile, or somebody else has made it
			err = errors.Join(err, e.r.TidyFiles(context.WithoutCancel(ctx)))
		}
		return err
	}
	e.r.step()
	return nil
}

func (e *exporter) columns() []string {
	out := []string{referenceColumn}
	if e.c.Way() == SMS {
		out = append(out, telephoneColumn)
	}
	out = append(out, e.x.Columns...)
	if e.x.Texts {
		out = append(out, "language", "subject", "text")
	}
	return out
}

// each gives those who are still to be told.
func (e *exporter) each(ctx context.Context, do func(lettered, roster.Member) error) error {
	var buf []byte
	return e.r.blocks(ctx, e.ro, &e.c.Spec, func(b *reader) error {
		was, err := loadBlock(ctx, e.r.DB, e.c.ID, b.n)
		if err != nil {
			return err
		}
		var hash []byte
		if err := e.r.DB.QueryRowContext(ctx, `SELECT addresses FROM reach_block WHERE campaign = $1 AND n = $2`, e.c.ID, b.n).Scan(&hash); err != nil {
			return store.InWords(err)
		}
		if was.size() != len(b.members) || !bytes.Equal(hash, b.hash(e.seal, &buf)) {
			return fmt.Errorf("%w: block %d of the roster is not the one that was counted", ErrDamaged, b.n)
		}
		for i, m := range b.members {
			if was.get(i).state != Pending {
				continue
			}
			l := lettered{ordinal: b.n*blockSize + int64(i), set: m.Set}
			if len(e.c.languages()) > 0 {
				l.lang = e.c.languageFor(m.Locale)
			}
			if err := do(l, m); err != nil {
				return err
			}
		}
		return nil
	})
}

// numbers writes the numbers that the roster has itself.
func (e *exporter) numbers(ctx context.Context) error {
	return e.each(ctx, func(l lettered, m roster.Member) error { return e.write(l, m.Identity.Value, nil) })
}

// write writes somebody's row, and remembers that they are in the file.
func (e *exporter) write(l lettered, telephone string, values [][]byte) error {
	row := []string{e.refs.of(l.ordinal)}
	if e.c.Way() == SMS {
		row = append(row, telephone)
	}
	for _, v := range values {
		s, ok := oneLine(v)
		if !ok {
			e.left.Unwritable++
			return nil
		}
		row = append(row, noFormula(s))
	}
	if e.x.Texts {
		said, err := e.said(l)
		if err != nil {
			return err
		}
		row = append(row, string(l.lang), said[0], said[1])
	}
	ok, err := e.out.row(row)
	if err != nil {
		return err
	}
	if !ok {
		e.left.Unwritable++
		return nil
	}
	mark(e.in, l.ordinal)
	return nil
}

// oneLine is a value as a line of a table can have it: what breaks lines is a space, and other controls no line can have.
func oneLine(b []byte) (string, bool) {
	s := strings.TrimSpace(string(b))
	if !strings.ContainsFunc(s, unicode.IsControl) {
		return s, utf8.ValidString(s)
	}
	s = strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ", "\t", " ").Replace(s)
	return s, !strings.ContainsFunc(s, unicode.IsControl)
}

// onlyNumber is a value of digits and what parts them, such as a telephone number: no spreadsheet does anything with it.
var onlyNumber = regexp.MustCompile(`^[-+＋－]?[0-9 ()-]+$`)

// noFormula keeps a house's spreadsheet from taking for a formula what somebody has called themselves: it could send elsewhere what stands in other
// rows. Spreadsheets in Japanese take the wide signs too.
func noFormula(s string) string {
	if r, _ := utf8.DecodeRuneInString(s); s != "" && strings.ContainsRune("=+-@＝＋－＠", r) && !onlyNumber.MatchString(s) {
		return "'" + s
	}
	return s
}

func (e *exporter) said(l lettered) ([2]string, error) {
	k := bodyKey{l.lang, l.set}
	if s, ok := e.contents[k]; ok {
		return s, nil
	}
	c, err := e.f.in(l.lang, l.set)
	if err != nil {
		return [2]string{}, err
	}
	e.contents[k] = [2]string{c.Subject, strings.TrimRight(c.Text, "\n")}
	return e.contents[k], nil
}

func mark(m map[int64][4]uint64, ordinal int64) {
	b := m[ordinal/blockSize]
	i := ordinal % blockSize
	b[i/64] |= 1 << (i % 64)
	m[ordinal/blockSize] = b
}

func marked(m map[int64][4]uint64, ordinal int64) bool {
	b, i := m[ordinal/blockSize], ordinal%blockSize
	return b[i/64]&(1<<(i%64)) != 0
}

// joined takes columns from the list of accounts: it is read once, and nothing of it is kept but what goes into the sealed file.
func (e *exporter) joined(ctx context.Context) (sourceSum string, err error) {
	if e.r.Accounts == nil {
		return "", fmt.Errorf("%w: there are no lists of accounts here", ErrState)
	}
	one, two := maphash.MakeSeed(), maphash.MakeSeed()
	hashOf := func(s string) [2]uint64 { return [2]uint64{maphash.String(one, s), maphash.String(two, s)} }
	type entry struct {
		lettered
		telephone string
	}
	wanted := map[[2]uint64]uint32{} // the place in all
	var all []entry
	err = e.each(ctx, func(l lettered, m roster.Member) error {
		en := entry{lettered: l}
		if e.c.Way() == SMS {
			en.telephone = m.Identity.Value
		}
		n := uint32(len(all))
		all = append(all, en)
		switch {
		case string(m.Identity.Kind) == e.x.By && e.x.By != string(identity.KindAccount):
			wanted[hashOf(m.Identity.Value)] = n
		case e.x.By == string(identity.KindAccount):
			for _, a := range m.Accounts {
				k := hashOf(a)
				if _, taken := wanted[k]; !taken { // an account of two addresses is told once
					wanted[k] = n
				}
			}
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	source := func(ctx context.Context) (io.ReadCloser, int64, error) {
		in, l, err := e.r.Accounts(ctx, actor.Server(), e.c.Incident, e.x.Evidence, e.x.House+" のためのファイル "+e.x.ID+" を作るため / to make file "+e.x.ID+" for "+e.x.House)
		sourceSum = l.SHA256
		return in, l.Size, err
	}
	tried := map[int64][4]uint64{}
	err = roster.Rows(ctx, roster.Table{Source: source, Columns: append([]string{e.x.Key}, e.x.Columns...)}, func(row roster.Row) error {
		if row.Flaw != "" {
			e.left.Unreadable++
			return nil
		}
		key, ok := keyOf(e.x.By, string(row.Values[0]), e.ro.PhoneRegion)
		n, in := wanted[hashOf(key)]
		if !ok || !in {
			return nil
		}
		en := &all[n]
		if marked(tried, en.ordinal) {
			e.left.More++
			return nil
		}
		values := row.Values[1:]
		if len(values) > 0 && !slices.ContainsFunc(values, func(v []byte) bool { return len(bytes.TrimSpace(v)) > 0 }) {
			return nil // it has nothing to write to; another row may
		}
		mark(tried, en.ordinal)
		return e.write(en.lettered, en.telephone, values)
	})
	for _, en := range all {
		if !marked(tried, en.ordinal) {
			e.left.Missing++
			mark(e.absent, en.ordinal)
		}
	}
	return sourceSum, err
}

// keyOf is a value of the key column in the form in which rosters have it.
func keyOf(by, s, region string) (string, bool) {
	var id identity.Identity
	var err error
	switch identity.Kind(by) {
	case identity.KindAccount:
		if id, err = identity.NewAccount("-", s); err == nil {
			_, id.Value, _ = strings.Cut(id.Value, "\x00")
		}
	case identity.KindEmail:
		id, err = identity.ParseEmail(s)
	case identity.KindPhone:
		id, err = identity.ParsePhone(s, region)
	}
	return id.Value, err == nil
}

// made writes down that the file is there, and who is in it.
func (e *exporter) made(ctx context.Context, m *Manifest) error {
	text, err := json.Marshal(m, json.Deterministic(true))
	if err != nil {
		return err
	}
	left, err := json.Marshal(e.left, json.Deterministic(true))
	if err != nil {
		return err
	}
	r, now := e.r, uint32(e.r.Now().Unix())
	return r.DB.Update(ctx, func(tx *sql.Tx) error {
		c, err := r.get(ctx, tx, e.c.ID)
		if err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `UPDATE reach_export SET state = 'made', manifest = $2, left_out = $3, made_at = $4, problem = '' WHERE id = $1 AND state = 'approved'`, e.x.ID, string(text), string(left), store.Micros(r.Now()))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 || c.State != Running {
			return errors.Join(err, fmt.Errorf("%w: it was withdrawn, made by somebody else, or %s is %s", ErrState, c.ID, c.State))
		}
		blocks := map[int64]bool{}
		for n := range e.in {
			blocks[n] = true
		}
		if e.x.Whole {
			for n := range e.absent {
				blocks[n] = true
			}
		}
		j := newJournal()
		for _, n := range sortedKeys(blocks) {
			b, err := loadBlock(ctx, tx, e.c.ID, n)
			if err != nil {
				return err
			}
			for i := range b.size() {
				ordinal, y := n*blockSize+int64(i), b.get(i)
				in, absent := marked(e.in, ordinal), e.x.Whole && marked(e.absent, ordinal)
				if !in && !absent {
					continue
				}
				if y.state != Pending {
					return fmt.Errorf("%w: another file with some of them was made meanwhile: withdraw this one", ErrState)
				}
				y.state, y.relay, y.reason, y.at = Intended, uint8(e.x.n), 0, now
				if absent {
					y.state, y.reason = Refused, reasonOf("address")
				}
				b.set(i, y)
				j.add(ordinal, y, "")
			}
			if err := b.save(ctx, tx, e.c.ID); err != nil {
				return err
			}
		}
		if err := j.save(ctx, tx, e.c.ID, e.seal, r.Now()); err != nil {
			return err
		}
		return r.event(ctx, tx, actor.Server(), e.c.ID, "made", e.x.ID)
	})
}

func sortedKeys(m map[int64]bool) []int64 {
	out := make([]int64, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// makeExports makes the files that were approved. What cannot be made says why, and is not tried again before somebody asks for it.
func (r *Reach) makeExports(ctx context.Context) error {
	if r.Files == nil {
		return nil
	}
	due, err := store.Column[string](ctx, r.DB, `SELECT id FROM reach_export WHERE state = 'approved' AND problem = '' ORDER BY created_at, id`)
	if err != nil {
		return err
	}
	for _, id := range due {
		err := r.Make(ctx, id)
		if err == nil || ctx.Err() != nil {
			continue
		}
		text := err.Error()
		if h := hint.Of(err); h != "" {
			text += " (" + h + ")"
		}
		if _, err := r.DB.ExecContext(context.WithoutCancel(ctx), `UPDATE reach_export SET problem = $2 WHERE id = $1 AND state = 'approved'`, id, text); err != nil {
			return err
		}
		r.Log.Error("a file for a house could not be made", "export", id, "error", err)
	}
	return nil
}

// summed hashes and counts what is written through it.
type summed struct {
	h hash.Hash
	w io.Writer
	n int64
}

func (s *summed) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.h.Write(p[:n])
	s.n += int64(n)
	return n, err
}

func (s *summed) hex() string { return hex.EncodeToString(s.h.Sum(nil)) }

// sheet writes CSV (RFC 4180) in UTF-8 or Shift_JIS, a row at a time: what the encoding has no characters for is not written.
type sheet struct {
	w    io.Writer
	sjis bool
	buf  bytes.Buffer
	rows int64 // without the first, which names the columns
	any  bool
}

func newSheet(w io.Writer, sjis bool) *sheet { return &sheet{w: w, sjis: sjis} }

// likeWindows are characters that other systems write for ones that Windows has elsewhere: they look the same, and CP932 has only these.
var likeWindows = strings.NewReplacer("\u301c", "\uff5e", "\u2212", "\uff0d", "\u2016", "\u2225", "\u2014", "\u2015", "\u00a2", "\uffe0", "\u00a3", "\uffe1", "\u00ac", "\uffe2")

func (s *sheet) row(fields []string) (ok bool, err error) {
	start := s.buf.Len()
	c := csv.NewWriter(&s.buf)
	c.UseCRLF = true
	if err := c.Write(fields); err != nil {
		return false, err
	}
	if c.Flush(); c.Error() != nil {
		return false, c.Error()
	}
	if s.sjis {
		text := likeWindows.Replace(string(s.buf.Bytes()[start:]))
		b, err := japanese.ShiftJIS.NewEncoder().String(text)
		s.buf.Truncate(start)
		if err != nil {
			return false, nil
		}
		s.buf.WriteString(b)
	}
	if s.any {
		s.rows++
	}
	s.any = true
	if s.buf.Len() < 64<<10 {
		return true, nil
	}
	return true, s.flush()
}

func (s *sheet) flush() error {
	_, err := s.w.Write(s.buf.Bytes())
	s.buf.Reset()
	return err
}
