package incident

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/store"
)

// MaxNotice is the size in bytes that a notice's canonical bytes never exceed.
const MaxNotice = 4 << 20

// Notice is one published version of an incident's notice: a whole text (first, revision), or what is added to one
// that was published before (addendum, correction, retraction). What was published is never taken away.
//
// Its bytes, Data, are RFC 8785 canonical JSON with exactly these members; whoever reads them parses, encodes again
// and requires the same bytes:
//
//	v         1 or 2
//	incident  the incident's id
//	version   1, 2, 3, ... within the incident
//	kind      "first", "revision", "addendum", "correction" or "retraction"
//	time      of publication, RFC 3339, UTC, whole seconds, Z
//	facts     [{key, id?, value, certainty, source?, asOf}]: the facts at publication, frozen
//	text      {ja, en}: the notice in Markdown (CommonMark, without raw HTML), as it was published
//
// and, where v is 2:
//
//	about     of an addendum, correction or retraction: the version that it adds to, corrects or withdraws
//	addendum  of an addendum: the id of the fact addendum that it publishes, where there is one
//	draft     {ja, en}: the Markdown with references to facts that text was rendered from, where there was one
//	was       of a correction: the facts as they were published before, and are wrong
//
// A whole text freezes every fact that holds. The other kinds freeze what is new: the facts that changed since the
// version before, items taken back among them ({key, id, certainty, asOf, retracted: true}), and those that the text
// refers to.
//
// A fact's value is an object; which of its members there are follows from the key, and what is empty is left out:
// text {ja, en}, word, time, promised, number, unit, qualifier, status, url, telephone, hours {ja, en}, fetched,
// sha256, quote, licence. Times in facts are no more exact than they are known: 2013-07-18T10:09+09:00, 2013-07-18T10+09:00,
// 2013-07-18+09:00 or 2013-07+09:00, a zone of zero being Z.
//
// The ledger leaf is "shirase/v1 notice" ‖ 0x00 ‖ SHA-256(bytes) (docs/PROTOCOL.md).
type Notice struct {
	ID          string // INCIDENT-vVERSION
	Format      int    // v
	Incident    string
	Version     int64
	Kind        string
	Time        time.Time
	Facts       []Fact
	Text        language.Text
	About       int64
	Item        string // the addendum
	Draft       language.Text
	Was         []Fact
	Data        []byte
	LedgerIndex int64 // its leaf in the ledger; -1 until it is published

	// Entered is when it came into the ledger, by the clock of this machine, or of an exercise. Time is fixed when it is proposed, and in the
	// bytes: where a second person approves, this is later. Zero where an earlier version put it there, which kept none.
	Entered time.Time
}

// Told is when the notice came into the ledger, as far as that was kept; else the time that it says itself.
func (n Notice) Told() time.Time {
	if n.Entered.IsZero() {
		return n.Time
	}
	return n.Entered
}

// The kinds of a notice.
const (
	KindFirst      = "first"
	KindRevision   = "revision"   // the whole text anew
	KindAddendum   = "addendum"   // what is new since
	KindCorrection = "correction" // what was wrong, and what holds
	KindRetraction = "retraction" // withdraws a version, which stays readable
)

// noticeKinds are the kinds a notice can have.
var noticeKinds = []string{KindFirst, KindRevision, KindAddendum, KindCorrection, KindRetraction}

// Whole reports whether the notice is a text of its own, and not about another version.
func (n Notice) Whole() bool { return n.Kind == KindFirst || n.Kind == KindRevision }

// noticeJSON is a notice as it is written.
type noticeJSON struct {
	V        int           `json:"v"`
	Incident string        `json:"incident"`
	Version  int64         `json:"version"`
	Kind     string        `json:"kind"`
	Time     string        `json:"time"`
	Facts    []Fact        `json:"facts"`
	Text     language.Text `json:"text"`
	About    int64         `json:"about,omitzero"`
	Item     string        `json:"addendum,omitzero"`
	Draft    language.Text `json:"draft,omitzero"`
	Was      []Fact        `json:"was,omitzero"`
}

const noticeTime = "2006-01-02T15:04:05Z"

// NoticeID names a version of an incident's notice, as in /notices/{id}.
func NoticeID(incident string, version int64) string {
	return incident + "-v" + strconv.FormatInt(version, 10)
}

// parseNoticeID takes a notice's id apart.
func parseNoticeID(id string) (incident string, version int64, err error) {
	i := strings.LastIndex(id, "-v")
	if i < 0 || !ValidID(id[:i]) || len(id)-i > 12 {
		return "", 0, fmt.Errorf("%w: %.80q", ErrNoNotice, id)
	}
	version, err = strconv.ParseInt(id[i+2:], 10, 64)
	if err != nil || version < 1 || NoticeID(id[:i], version) != id {
		return "", 0, fmt.Errorf("%w: %.80q", ErrNoNotice, id)
	}
	return id[:i], version, nil
}

// SHA256 returns the hash of the notice's bytes.
func (n Notice) SHA256() [32]byte { return sha256.Sum256(n.Data) }

// encode fills Data from the other fields.
func (n *Notice) encode() error {
	n.Format = 1
	if n.About != 0 || n.Item != "" || n.Draft != (language.Text{}) || n.Was != nil {
		n.Format = 2
	}
	data, err := json.Marshal(noticeJSON{n.Format, n.Incident, n.Version, n.Kind, n.Time.UTC().Format(noticeTime), n.Facts,
		n.Text, n.About, n.Item, n.Draft, n.Was})
	if err != nil {
		return err
	}
	if err := (*jsontext.Value)(&data).Canonicalize(); err != nil {
		return err
	}
	if len(data) > MaxNotice {
		return fmt.Errorf("%w: it would be %d bytes long, more than %d", ErrNotice, len(data), MaxNotice)
	}
	n.Data = data
	return nil
}

// ParseNotice reads the canonical bytes of a notice and refuses everything else. Errors unwrap to ErrNotice.
func ParseNotice(data []byte) (Notice, error) {
	fail := func(why string, args ...any) (Notice, error) {
		return Notice{}, fmt.Errorf("%w: %s", ErrNotice, fmt.Sprintf(why, args...))
	}
	if len(data) > MaxNotice {
		return fail("longer than %d bytes", MaxNotice)
	}
	var in noticeJSON
	if err := json.Unmarshal(data, &in, json.RejectUnknownMembers(true)); err != nil {
		return fail("%v", err)
	}
	t, err := time.Parse(noticeTime, in.Time)
	switch {
	case in.V != 1 && in.V != 2:
		return fail("format %d, this program reads 1 and 2", in.V)
	case !ValidID(in.Incident):
		return fail("incident id")
	case in.Version < 1 || in.Version > 1_000_000:
		return fail("version")
	case !slices.Contains(noticeKinds, in.Kind) || (in.Kind == "first") != (in.Version == 1):
		return fail("kind")
	case err != nil:
		return fail("time")
	case in.Text.JA == "" || in.Text.EN == "":
		return fail("a text is missing")
	case len(in.Facts) > maxFacts || len(in.Facts) == 0 && (in.V == 1 || in.About == 0):
		return fail("number of facts")
	}
	if why := badFacts("facts", in.Facts); why != "" {
		return fail("%s", why)
	}
	n := Notice{ID: NoticeID(in.Incident, in.Version), Incident: in.Incident, Version: in.Version, Kind: in.Kind,
		Time: t, Facts: in.Facts, Text: in.Text, About: in.About, Item: in.Item, Draft: in.Draft, Was: in.Was, LedgerIndex: -1}
	if in.V == 2 {
		if why := n.badReferences(); why != "" {
			return fail("%s", why)
		}
	}
	if err := n.encode(); err != nil {
		return fail("%v", err)
	}
	if string(n.Data) != string(data) {
		return fail("the bytes are not the canonical ones of what they say")
	}
	return n, nil
}

// badFacts says what is wrong with frozen facts; empty where nothing is.
func badFacts(name string, facts []Fact) string {
	for i, f := range facts {
		switch {
		case f.Key == "" || utf8.RuneCountInString(f.Key) > maxWord:
			return fmt.Sprintf("%s[%d].key", name, i)
		case !slices.Contains(certainties, string(f.Certainty)):
			return fmt.Sprintf("%s[%d].certainty", name, i)
		case f.AsOf.IsZero():
			return fmt.Sprintf("%s[%d].asOf", name, i)
		case f.Value.URL != "" && !webLink(f.Value.URL):
			return fmt.Sprintf("%s[%d].value.url", name, i)
		}
	}
	return ""
}

// badReferences says what is wrong with the members of format 2: which of them there are follows from the kind, and
// everything that is referred to is there.
func (n Notice) badReferences() string {
	seen := map[[2]string]bool{}
	for i, f := range n.Facts {
		about := [2]string{f.Key, f.Item}
		switch {
		case seen[about]:
			return fmt.Sprintf("facts[%d]: a second fact about the same", i)
		case f.Retracted && (n.Whole() || f.Item == "" || f.Value != (Value{})):
			return fmt.Sprintf("facts[%d].retracted", i)
		}
		seen[about] = true
	}
	for i, f := range n.Was {
		if f.Retracted || n.Kind != KindCorrection || !seen[[2]string{f.Key, f.Item}] {
			return fmt.Sprintf("was[%d]", i)
		}
	}
	switch {
	case n.Whole() != (n.About == 0) || n.About < 0 || n.About >= n.Version:
		return "about"
	case n.Was != nil && (len(n.Was) == 0 || len(n.Was) > maxFacts):
		return "number of facts in was"
	case n.Item != "" && (n.Kind != KindAddendum || !seen[[2]string{"addendum", n.Item}]):
		return "addendum"
	case n.Draft == (language.Text{}):
		return ""
	}
	frozen := Incident{ID: n.Incident, Facts: current(n.Facts)}
	for _, text := range []string{n.Draft.JA, n.Draft.EN} {
		if _, err := frozen.Referred("draft", text); err != nil {
			return err.Error()
		}
	}
	return ""
}

// NewNotice completes a notice that is to be published: it gives it its id, freezes its facts, and encodes it. Nothing is
// stored until RecordNotice.
func NewNotice(n Notice) (Notice, error) {
	n.ID, n.Time, n.LedgerIndex = NoticeID(n.Incident, n.Version), n.Time.UTC().Truncate(time.Second), -1
	n.Facts = frozen(n.Facts)
	if err := n.encode(); err != nil {
		return Notice{}, err
	}
	return n, nil
}

// CheckKind refuses a word that is no kind of a notice, and names the nearest.
func CheckKind(kind string) error {
	if slices.Contains(noticeKinds, kind) {
		return nil
	}
	return hint.Add(fmt.Errorf("%w: no kind %q", ErrNotice, clip(kind)), suggest(kind, noticeKinds))
}

// frozen returns facts as a notice holds them: without who recorded them here, and when, and without where only the house finds their source.
func frozen(facts []Fact) []Fact {
	var out []Fact
	for _, f := range facts {
		f.Recorded, f.Author = time.Time{}, ""
		out = append(out, f)
	}
	return outward(out)
}

// NextVersion is the version that the next notice of an incident has.
func (s *Incidents) NextVersion(ctx context.Context, tx *sql.Tx, incident string) (int64, error) {
	var last int64
	if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(version), 0) FROM incident_notice WHERE incident = $1`, incident).Scan(&last); err != nil {
		return 0, fmt.Errorf("next version of %s: %w", incident, err)
	}
	return last + 1, nil
}

// RecordNotice stores n as published at ledgerIndex, in the transaction that appends it to the ledger, with what the
// public is told of the incident from then on. It is public once Serve has been told of that entry.
func (s *Incidents) RecordNotice(ctx context.Context, tx *sql.Tx, n Notice, ledgerIndex int64) error {
	sum := n.SHA256()
	_, err := tx.ExecContext(ctx, `INSERT INTO incident_notice (incident, version, kind, published_at, entered_at, sha256, ledger_index, data)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		n.Incident, n.Version, n.Kind, store.Micros(n.Time), store.Micros(s.now()), hex.EncodeToString(sum[:]), ledgerIndex, n.Data)
	if err == nil {
		err = recordState(ctx, tx, n, ledgerIndex)
	}
	if err != nil {
		return fmt.Errorf("record notice %s: %w", n.ID, err)
	}
	return nil
}

// Notices returns the notices of an incident, the first version first: those that are on their way to the public too.
func (s *Incidents) Notices(ctx context.Context, incident string) ([]Notice, error) {
	return readNotices(ctx, s.db, `WHERE incident = $1 ORDER BY version`, incident)
}

func readNotices(ctx context.Context, q store.Querier, where string, args ...any) ([]Notice, error) {
	rows, err := q.QueryContext(ctx, `SELECT incident, version, sha256, ledger_index, entered_at, data FROM incident_notice `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("notices: %w", err)
	}
	defer rows.Close()
	var list []Notice
	for rows.Next() {
		var (
			id, sum        string
			version, index int64
			entered        sql.NullInt64
			data           []byte
		)
		if err := rows.Scan(&id, &version, &sum, &index, &entered, &data); err != nil {
			return nil, fmt.Errorf("notices: %w", err)
		}
		n, err := ParseNotice(data)
		if err != nil {
			return nil, fmt.Errorf("notices: %s: %w", NoticeID(id, version), err)
		}
		if got := n.SHA256(); n.Incident != id || n.Version != version || hex.EncodeToString(got[:]) != sum {
			return nil, fmt.Errorf("notices: %s: %w: its record was changed after publication", NoticeID(id, version), ErrNotice)
		}
		if n.LedgerIndex = index; entered.Valid {
			n.Entered = store.FromMicros(entered.Int64)
		}
		list = append(list, n)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, fmt.Errorf("notices: %w", err)
	}
	return list, nil
}
