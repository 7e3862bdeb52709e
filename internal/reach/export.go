package reach

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"filippo.io/age"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/identity"
	"shirase/internal/actor"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/outward"
	"shirase/internal/store"
)

// KindExport is the proposal to make a sealed file for a house that prints letters or sends short messages.
const KindExport = "export"

// AskedExport is what is asked for: a file of those of a campaign who are still to be told, for a house.
type AskedExport struct {
	Campaign   string   `json:"campaign"`
	House      string   `json:"house"`      // whom the file is for
	Recipients []string `json:"recipients"` // its age keys: nobody else opens the file
	Purpose    string   `json:"purpose"`
	DestroyBy  string   `json:"destroyBy"` // the day by which the house has destroyed it
	// Evidence is the list of accounts, in the case's evidence, that columns are taken from; 0: none, of numbers that the roster has itself.
	Evidence int64    `json:"evidence,omitzero"`
	By       string   `json:"by,omitzero"`       // account, email or phone: what Key has, by which rows are found
	Key      string   `json:"key,omitzero"`      // the column of it
	Columns  []string `json:"columns,omitzero"`  // that go into the file
	Encoding string   `json:"encoding,omitzero"` // utf-8, which "" is, or shift_jis
	Texts    bool     `json:"texts,omitzero"`    // each row has the text, in the person's language
	Whole    bool     `json:"whole,omitzero"`    // the list is whole: whoever it does not name cannot be written to
}

// ExportState is how a file stands.
type ExportState string

// The states of a file.
const (
	ExportApproved  ExportState = "approved"  // to be made
	ExportMade      ExportState = "made"      // here, sealed; nobody has it
	ExportHanded    ExportState = "handed"    // the house has it
	ExportDestroyed ExportState = "destroyed" // the house says that it has destroyed it
	ExportWithdrawn ExportState = "withdrawn" // it never left
)

// Export is a file for a house, as the register has it.
type Export struct {
	ID       string
	Campaign string
	Incident string
	AskedExport
	State     ExportState
	Manifest  *Manifest // once it is made
	LeftOut   LeftOut
	Problem   string // why it could not be made
	Created   time.Time
	Author    string // who asked for it, or approved it
	Made      time.Time
	Handed    time.Time
	HandedBy  string
	Destroyed time.Time
	Confirmed string // by what the house says so
	Results   []ResultFile

	n int64
}

// Overdue reports that a house has a file that it should have destroyed.
func (x *Export) Overdue(now time.Time) bool {
	return x.State == ExportHanded && now.UTC().Format(time.DateOnly) > x.DestroyBy
}

// ResultFile is a file of results that was read.
type ResultFile struct {
	SHA256        string
	At            time.Time
	By            string
	Rows, Changed int64
}

// LeftOut are those whom a campaign has and a file has not.
type LeftOut struct {
	Missing    int64 `json:"missing,omitzero"`    // the list does not name them, or has nothing in the columns
	Unwritable int64 `json:"unwritable,omitzero"` // the encoding has no characters for them, or a value has characters that no line can have
	More       int64 `json:"more,omitzero"`       // rows of people who are in it already
	Unreadable int64 `json:"unreadable,omitzero"` // rows that cannot be read
}

// Bounds of what is asked.
const (
	maxExports    = 255
	maxColumns    = 50
	maxHouse      = 200
	maxPurpose    = 1000
	maxRecipients = 10
	maxKept       = 2 * 366 // days until a file is destroyed
)

// referenceColumn is the name of the column that results come back by.
const referenceColumn = "reference"

var encodings = []string{"", "utf-8", "shift_jis"}

func (a *AskedExport) check(c *Campaign, now time.Time) error {
	bad := func(remedy, format string, args ...any) error {
		return hint.Add(fmt.Errorf("%w: "+format, append([]any{ErrInput}, args...)...), remedy)
	}
	line := func(what, s string, most int) error {
		if s = strings.TrimSpace(s); s == "" || len(s) > most || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return bad("", "%s is a line of 1 to %d bytes", what, most)
		}
		return nil
	}
	if c.Way() == Mail {
		return bad("make one of letters for whom it did not reach: shirase campaign new --channel post --unreached "+c.ID, "%s is a campaign of mail, which needs no file", c.ID)
	}
	if err := errors.Join(line("house", a.House, maxHouse), line("purpose", a.Purpose, maxPurpose)); err != nil {
		return err
	}
	if len(a.Recipients) == 0 || len(a.Recipients) > maxRecipients {
		return bad("the house makes a key with age-keygen, and gives you the line that begins with age1", "a file is sealed to 1 to %d keys of the house", maxRecipients)
	}
	if _, err := a.keys(); err != nil {
		return err
	}
	day, err := time.Parse(time.DateOnly, a.DestroyBy)
	if err != nil || !day.After(now.AddDate(0, 0, -1)) || day.After(now.AddDate(0, 0, maxKept)) {
		return bad("such as "+now.AddDate(0, 1, 0).Format(time.DateOnly), "the day by which it is destroyed is within two years from now")
	}
	if !slices.Contains(encodings, a.Encoding) {
		return bad("utf-8 or shift_jis", "there is no encoding %.40q", a.Encoding)
	}
	if a.Texts && len(c.languages()) == 0 {
		return bad("", "campaign %s has no text that rows could have", c.ID)
	}
	return a.checkColumns(c, bad)
}

func (a *AskedExport) checkColumns(c *Campaign, bad func(remedy, format string, args ...any) error) error {
	if a.Evidence == 0 {
		if c.Way() == Post || a.By != "" || a.Key != "" || len(a.Columns) > 0 || a.Whole {
			return bad("put the list with names and addresses into the case's evidence, as an export of accounts, and name it", "columns come from a list of accounts, and none is named")
		}
		return nil
	}
	if !slices.Contains([]string{string(identity.KindAccount), string(identity.KindEmail), string(identity.KindPhone)}, a.By) || a.Key == "" {
		return bad("", "rows are found by account, email or phone, in a column that is named")
	}
	if len(a.Columns) == 0 && c.Way() == Post || len(a.Columns) > maxColumns {
		return bad("", "1 to %d columns go into the file", maxColumns)
	}
	for i, name := range a.Columns {
		if slices.Contains(a.Columns[:i], name) || slices.Contains([]string{referenceColumn, telephoneColumn, "language", "subject", "text", ""}, name) {
			return bad("", "a column is named twice, or like one of the file's own (reference, telephone, language, subject, text)")
		}
	}
	return nil
}

// keys reads whom the file is sealed to.
func (a *AskedExport) keys() ([]age.Recipient, error) {
	var out []age.Recipient
	for _, s := range a.Recipients {
		if len(s) > 8<<10 || strings.ContainsAny(s, "\r\n#") {
			return nil, fmt.Errorf("%w: a key of the house is no age key", ErrInput)
		}
		rs, err := age.ParseRecipients(strings.NewReader(s))
		if err != nil || len(rs) != 1 {
			return nil, hint.Add(fmt.Errorf("%w: a key of the house is no age key", ErrInput), "it is the line that begins with age1, and never the one that begins with AGE-SECRET-KEY")
		}
		out = append(out, rs[0])
	}
	return out, nil
}

// PlannedExport is exactly what a file would be: what a second person approves.
type PlannedExport struct {
	Bytes    []byte
	People   int64 // at most
	Says     language.Text
	Doubts   []language.Text
	asked    AskedExport
	campaign *Campaign
	texts    *frozen
}

// PlanExport works out what a file would be: the same in the same situation, to the byte. Errors: ErrState, ErrInput, ErrNotFound.
func (r *Reach) PlanExport(ctx context.Context, who actor.Actor, of string, a AskedExport) (*PlannedExport, error) {
	c, err := r.Get(ctx, who, a.Campaign)
	if err != nil {
		return nil, err
	}
	if c.Incident != of {
		return nil, fmt.Errorf("campaign %s: %w", a.Campaign, ErrNotFound)
	}
	if err := a.check(c, r.Now()); err != nil {
		return nil, err
	}
	if c.State != Draft && c.State != Running && c.State != Approved {
		return nil, fmt.Errorf("%w: %s is %s", ErrState, c.ID, c.State)
	}
	if r.Files == nil {
		return nil, fmt.Errorf("%w: files for houses are not kept here", ErrState)
	}
	n, err := r.counts(ctx, r.DB, c.ID)
	if err != nil {
		return nil, err
	}
	if n[Pending] == 0 {
		return nil, fmt.Errorf("%w: nobody of %s is still to be told", ErrState, c.ID)
	}
	f, _, err := r.texts(ctx, c)
	if err != nil {
		return nil, err
	}
	shown, err := json.Marshal(f, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(shown)
	b, err := json.Marshal(map[string]any{"v": 1, "kind": KindExport, "incident": c.Incident, "channel": c.Way(), "roster": c.Roster, "people": n[Pending], "export": a, "texts": jsontext.Value(shown),
		"textsSHA256": hex.EncodeToString(sum[:])}, json.Deterministic(true), json.FormatNilSliceAsNull(false))
	if err != nil {
		return nil, err
	}
	val := jsontext.Value(b)
	if err := val.Canonicalize(); err != nil {
		return nil, err
	}
	columns := strings.Join(a.Columns, ", ")
	if columns == "" {
		columns = telephoneColumn
	}
	p := &PlannedExport{Bytes: val, People: n[Pending], asked: a, campaign: c, texts: f, Says: language.Text{
		JA: fmt.Sprintf("%s人までの%s（%s）を、%sだけが開けるファイルにして渡せるようにします。廃棄の期限は%s。渡したものは取り戻せません", language.Digits(n[Pending]), c.Way().Words().JA, columns, a.House, a.DestroyBy),
		EN: fmt.Sprintf("makes a file, which only %s can open, of up to %s people for %s (%s), to be destroyed by %s. What is handed over nobody can take back", a.House, language.Digits(n[Pending]), c.Way().Words().EN, columns, a.DestroyBy)}}
	p.Doubts = append(p.Doubts, language.Both("目的："+a.Purpose, "Purpose: "+a.Purpose), language.Both("このファイルは次の鍵で開きます。業者に、別の手段で確かめてください："+strings.Join(a.Recipients, " "), "These keys open the file: hold them against what the house says by another way: "+strings.Join(a.Recipients, " ")))
	if a.Whole {
		p.Doubts = append(p.Doubts, language.Both("一覧に載っていない人は、知らせられない人として数えます", "whoever the list does not name counts as somebody who cannot be reached"))
	}
	return p, nil
}

// ApproveExport has what was planned be made. settle is called in the transaction in which it becomes true; it may be nil. That somebody
// may approve, and that the plan is the one that they saw, whoever calls it has made sure of.
func (r *Reach) ApproveExport(ctx context.Context, who actor.Actor, p *PlannedExport, settle func(tx *sql.Tx) error) (string, error) {
	if err := who.Check("make a file for a house"); err != nil {
		return "", err
	}
	c := p.campaign
	asked, err := json.Marshal(p.asked, json.Deterministic(true))
	if err != nil {
		return "", err
	}
	texts, err := json.Marshal(p.texts, json.Deterministic(true))
	if err != nil {
		return "", err
	}
	id := "x-" + strings.ToLower(rand.Text()[:10])
	err = r.DB.Update(ctx, func(tx *sql.Tx) error {
		now, err := r.get(ctx, tx, c.ID)
		if err != nil {
			return err
		}
		if now.State == Draft || now.State == Approved {
			if err := r.moveIn(ctx, tx, who, c.ID, Running, "", Draft, Approved); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `UPDATE reach_campaign SET texts = $2 WHERE id = $1 AND texts = ''`, c.ID, string(texts)); err != nil {
				return err
			}
		} else if now.State != Running {
			return fmt.Errorf("%w: %s is %s", ErrState, c.ID, now.State)
		}
		var n int64
		if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(n), 0) + 1 FROM reach_export WHERE campaign = $1`, c.ID).Scan(&n); err != nil {
			return err
		}
		if n > maxExports {
			return hint.Add(fmt.Errorf("%w: a campaign has at most %d files", ErrInput, maxExports), "make a campaign for whom it did not reach")
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO reach_export (id, campaign, incident, n, asked, state, manifest, left_out, problem, created_at, created_by, made_at, handed_at, handed_by, destroyed, confirmed)
			VALUES ($1, $2, $3, $4, $5, 'approved', '', '', '', $6, $7, 0, 0, '', 0, '')`, id, c.ID, c.Incident, n, string(asked), store.Micros(r.Now()), who.String()); err != nil {
			return err
		}
		if err := r.event(ctx, tx, who, c.ID, "export", id); err != nil {
			return err
		}
		if settle != nil {
			return settle(tx)
		}
		return nil
	})
	r.seen()
	return id, err
}

// StartExport makes a file at once, where no second person is wanted. Errors: ErrWanted; those of PlanExport and Make.
func (r *Reach) StartExport(ctx context.Context, who actor.Actor, of string, a AskedExport) (*Export, error) {
	if r.Wanted != nil {
		if wanted, err := r.Wanted(ctx); err != nil || wanted {
			return nil, fmt.Errorf("make a file for a house: %w", orWanted(err))
		}
	}
	if err := who.May(actor.Propose, of); err != nil {
		return nil, fmt.Errorf("make a file for a house: %w", err)
	}
	p, err := r.PlanExport(ctx, who, of, a)
	var id string
	if err == nil {
		id, err = r.ApproveExport(ctx, who, p, nil)
	}
	if err == nil {
		err = r.Make(ctx, id)
	}
	if err != nil {
		return nil, fmt.Errorf("make a file for a house: %w", err)
	}
	return r.Export(ctx, who, id)
}

const exportColumns = `id, campaign, incident, n, asked, state, manifest, left_out, problem, created_at, created_by, made_at, handed_at, handed_by, destroyed, confirmed`

func scanExport(row interface{ Scan(...any) error }) (*Export, error) {
	var x Export
	var asked, state, manifest, left string
	var created, made, handed, destroyed int64
	if err := row.Scan(&x.ID, &x.Campaign, &x.Incident, &x.n, &asked, &state, &manifest, &left, &x.Problem, &created, &x.Author, &made, &handed, &x.HandedBy, &destroyed, &x.Confirmed); err != nil {
		return nil, err
	}
	x.State, x.Created, x.Made, x.Handed, x.Destroyed = ExportState(state), moment(created), moment(made), moment(handed), moment(destroyed)
	err := json.Unmarshal([]byte(asked), &x.AskedExport)
	if err == nil && manifest != "" {
		x.Manifest = &Manifest{}
		err = errors.Join(json.Unmarshal([]byte(manifest), x.Manifest), json.Unmarshal([]byte(left), &x.LeftOut))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: export %s: %w", ErrDamaged, x.ID, err)
	}
	return &x, nil
}

func (r *Reach) export(ctx context.Context, q store.Querier, id string) (*Export, error) {
	x, err := scanExport(q.QueryRowContext(ctx, `SELECT `+exportColumns+` FROM reach_export WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("export %s: %w", id, err)
	}
	return x, nil
}

// Export gives one file of the register. ErrNotFound.
func (r *Reach) Export(ctx context.Context, who actor.Actor, id string) (*Export, error) {
	x, err := r.export(ctx, r.DB, id)
	if err == nil && who.May(actor.See, x.Incident) != nil {
		err = fmt.Errorf("export %s: %w", id, ErrNotFound)
	}
	if err == nil {
		x.Results, err = r.resultFiles(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	return x, nil
}

// Exports gives the register: the files of an incident that they may see, or of all, the newest first.
func (r *Reach) Exports(ctx context.Context, who actor.Actor, of string) ([]*Export, error) {
	if err := who.Check("list files for houses"); err != nil {
		return nil, err
	}
	rows, err := r.DB.QueryContext(ctx, `SELECT `+exportColumns+` FROM reach_export WHERE incident = $1 OR $1 = '' ORDER BY created_at DESC, id`, of)
	if err != nil {
		return nil, fmt.Errorf("list files for houses: %w", err)
	}
	defer rows.Close()
	var out []*Export
	for rows.Next() {
		x, err := scanExport(rows)
		if err != nil {
			return nil, fmt.Errorf("list files for houses: %w", err)
		}
		if who.May(actor.See, x.Incident) == nil {
			out = append(out, x)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, fmt.Errorf("list files for houses: %w", err)
	}
	for _, x := range out {
		if x.Results, err = r.resultFiles(ctx, x.ID); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (r *Reach) resultFiles(ctx context.Context, id string) ([]ResultFile, error) {
	rows, err := r.DB.QueryContext(ctx, `SELECT sha256, at, actor, rows, changed FROM reach_result WHERE export = $1 ORDER BY at, sha256`, id)
	if err != nil {
		return nil, fmt.Errorf("export %s: %w", id, err)
	}
	defer rows.Close()
	var out []ResultFile
	for rows.Next() {
		var f ResultFile
		var at int64
		if err := rows.Scan(&f.SHA256, &at, &f.By, &f.Rows, &f.Changed); err != nil {
			return nil, fmt.Errorf("export %s: %w", id, err)
		}
		f.At = store.FromMicros(at)
		out = append(out, f)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// mayExport gives a file that they may do something with.
func (r *Reach) mayExport(ctx context.Context, who actor.Actor, id, what string, p actor.Permission) (*Export, error) {
	x, err := r.Export(ctx, who, id)
	if err == nil {
		err = who.May(p, x.Incident)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return x, nil
}

// HandOver gives the bytes of a file to whoever brings it to the house, and writes down that they have it: from then on the house answers
// for whom it tells. It may be asked for again, until it is destroyed; each time is written down. Whoever opened it closes it. Errors: ErrState.
func (r *Reach) HandOver(ctx context.Context, who actor.Actor, id string) (*Export, *files.File, error) {
	const what = "hand a file over"
	if err := outward.Check(ctx, what); err != nil {
		return nil, nil, err
	}
	x, err := r.mayExport(ctx, who, id, what, actor.Propose)
	if err != nil {
		return nil, nil, err
	}
	if x.State != ExportMade && x.State != ExportHanded {
		return nil, nil, fmt.Errorf("%s: %w: %s is %s", what, ErrState, id, x.State)
	}
	f, err := r.Files.Open(exportFile(x.Incident, id, x.Manifest.SealedSHA256))
	if errors.Is(err, files.ErrNotExist) { // as after a restore: it is in no backup
		say := "the house has it: ask there, and tell the SHA-256"
		if x.State == ExportMade {
			say = "nobody has got it: shirase campaign withdraw " + id + ", and make another one"
		}
		err = hint.Add(fmt.Errorf("%w: the sealed file is not here any more", err), say)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", what, err)
	}
	err = wholeFile(ctx, f, x.Manifest)
	if err == nil {
		err = r.handed(ctx, who, x)
	}
	if err == nil {
		x, err = r.Export(ctx, who, id)
	}
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("%s: %w", what, err)
	}
	return x, f, nil
}

// wholeFile refuses a file that is not the one that was made.
func wholeFile(ctx context.Context, f *files.File, m *Manifest) error {
	h := sha256.New()
	if _, err := io.Copy(h, files.Interruptible(ctx, io.NewSectionReader(f, 0, f.Size()))); err != nil {
		return err
	}
	if hex.EncodeToString(h.Sum(nil)) != m.SealedSHA256 {
		return fmt.Errorf("%w: the sealed file is not the one that was made", ErrDamaged)
	}
	return nil
}

func (r *Reach) handed(ctx context.Context, who actor.Actor, x *Export) error {
	seal, err := r.Rosters.Sealer(ctx, x.Incident, false)
	if err != nil {
		return err
	}
	err = r.DB.Update(ctx, func(tx *sql.Tx) error {
		c, err := r.get(ctx, tx, x.Campaign)
		if err != nil {
			return err
		}
		now, err := r.export(ctx, tx, x.ID)
		if err != nil {
			return err
		}
		if now.State == ExportHanded {
			return r.event(ctx, tx, who, x.Campaign, "handed-again", x.ID)
		}
		if now.State != ExportMade || c.State != Running {
			return fmt.Errorf("%w: %s is %s, and %s is %s", ErrState, x.ID, now.State, c.ID, c.State)
		}
		at := r.Now()
		if _, err := tx.ExecContext(ctx, `UPDATE reach_export SET state = 'handed', handed_at = $2, handed_by = $3 WHERE id = $1`, x.ID, store.Micros(at), who.String()); err != nil {
			return err
		}
		if err := r.moveExport(ctx, tx, seal, now, Intended, func(y record) record {
			y.state, y.at = HandedOver, uint32(at.Unix())
			return y
		}); err != nil {
			return err
		}
		if err := r.event(ctx, tx, who, x.Campaign, "handed", x.ID); err != nil {
			return err
		}
		return r.overIn(ctx, tx, c.ID)
	})
	r.seen()
	return err
}

// moveExport moves all who are in a file, and stand in some way.
func (r *Reach) moveExport(ctx context.Context, tx *sql.Tx, seal *store.Sealer, x *Export, from State, do func(record) record) error {
	for at := int64(0); ; {
		list, err := r.loadBlocks(ctx, tx, x.Campaign, at, shardBlocks)
		if err != nil || len(list) == 0 {
			return err
		}
		j := newJournal()
		for _, b := range list {
			changed := false
			for i := range b.size() {
				if y := b.get(i); y.state == from && int64(y.relay) == x.n {
					y = do(y)
					b.set(i, y)
					j.add(b.n*blockSize+int64(i), y, "")
					changed = true
				}
			}
			if changed {
				if err := b.save(ctx, tx, x.Campaign); err != nil {
					return err
				}
			}
		}
		if err := j.save(ctx, tx, x.Campaign, seal, r.Now()); err != nil {
			return err
		}
		r.step()
		at = list[len(list)-1].n + 1
	}
}

// overIn ends a campaign that goes by houses, of which nobody is still to be told.
func (r *Reach) overIn(ctx context.Context, tx *sql.Tx, id string) error {
	n, err := r.counts(ctx, tx, id)
	if err != nil || n[Pending]+n[Intended] > 0 {
		return err
	}
	err = r.moveIn(ctx, tx, actor.Server(), id, Done, "", Running)
	if errors.Is(err, ErrState) {
		err = nil
	}
	return err
}

// Withdraw takes back a file that nobody has got: whoever is in it is to be told again. Errors: ErrState.
func (r *Reach) Withdraw(ctx context.Context, who actor.Actor, id, why string) error {
	const what = "withdraw a file"
	x, err := r.mayExport(ctx, who, id, what, actor.Propose)
	if err != nil {
		return err
	}
	if len(why) > 1000 {
		return fmt.Errorf("%s: %w: a reason has at most 1,000 bytes", what, ErrInput)
	}
	seal, err := r.Rosters.Sealer(ctx, x.Incident, false)
	if err == nil {
		err = r.DB.Update(ctx, func(tx *sql.Tx) error {
			now, err := r.export(ctx, tx, id)
			if err != nil {
				return err
			}
			if now.State != ExportApproved && now.State != ExportMade {
				return fmt.Errorf("%w: %s is %s", ErrState, id, now.State)
			}
			if _, err := tx.ExecContext(ctx, `UPDATE reach_export SET state = 'withdrawn' WHERE id = $1`, id); err != nil {
				return err
			}
			if err := r.moveExport(ctx, tx, seal, now, Intended, func(y record) record {
				y.state, y.reason, y.relay, y.at = Pending, reasonOf("returned"), 0, uint32(r.Now().Unix())
				return y
			}); err != nil {
				return err
			}
			return r.event(ctx, tx, who, x.Campaign, "withdrawn", strings.TrimSpace(id+" "+why))
		})
	}
	if err == nil {
		err = r.TidyFiles(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	r.seen()
	return nil
}

// The zones in which a day begins last and first.
var lastZone, firstZone = time.FixedZone("", -12*60*60), time.FixedZone("", 14*60*60)

// mayBe reports whether a day, as somebody has it who may be anywhere, lies between two instants.
func mayBe(day, from, until time.Time) bool {
	d := day.Format(time.DateOnly)
	return d >= from.In(lastZone).Format(time.DateOnly) && d <= until.In(firstZone).Format(time.DateOnly)
}

// ConfirmDestroyed writes down that the house says that it has destroyed what it had; the copy here goes too. by says how it says so: a
// certificate's number, a letter, who. on is the day as the house has it, which may be the day before where whoever handed it over had the next
// one already. Errors: ErrState, ErrInput.
func (r *Reach) ConfirmDestroyed(ctx context.Context, who actor.Actor, id string, on time.Time, by string) error {
	const what = "confirm that a house has destroyed a file"
	x, err := r.mayExport(ctx, who, id, what, actor.Propose)
	if err != nil {
		return err
	}
	if by = strings.TrimSpace(by); by == "" || len(by) > 1000 || !utf8.ValidString(by) {
		return hint.Add(fmt.Errorf("%s: %w: it is not said by what the house says so", what, ErrInput), "such as the number of its certificate")
	}
	if !mayBe(on, x.Handed, r.Now()) {
		return fmt.Errorf("%s: %w: the day lies before it was handed over, or is still to come", what, ErrInput)
	}
	err = r.DB.Update(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `UPDATE reach_export SET state = 'destroyed', destroyed = $2, confirmed = $3 WHERE id = $1 AND state = 'handed'`, id, store.Micros(on), by)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, fmt.Errorf("%w: %s is %s", ErrState, id, x.State))
		}
		return r.event(ctx, tx, who, x.Campaign, "destroyed", id)
	})
	if err == nil {
		err = r.TidyFiles(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	r.seen()
	return nil
}
