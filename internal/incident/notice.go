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

	"shirase/internal/store"
)

// MaxNotice is the size in bytes that a notice's canonical bytes never exceed.
const MaxNotice = 4 << 20

// Notice is one published version of an incident's notice.
//
// Its bytes, Data, are RFC 8785 canonical JSON with exactly these members; whoever reads them parses, encodes again
// and requires the same bytes:
//
//	v         1
//	incident  the incident's id
//	version   1, 2, 3, ... within the incident
//	kind      "first", "revision", "addendum", "correction" or "retraction"
//	time      of publication, RFC 3339, UTC, whole seconds, Z
//	facts     [{key, id?, value, certainty, source?, asOf}]: the current facts at publication, frozen
//	text      {ja, en}: the notice in Markdown (CommonMark, without raw HTML)
//
// A fact's value is an object; which of its members there are follows from the key, and what is empty is left out:
// text {ja, en}, word, time, promised, number, unit, qualifier, status, url, telephone, hours {ja, en}, fetched,
// sha256, quote, licence. Times in facts are no more exact than they are known: 2013-07-18T10:09+09:00, 2013-07-18T10+09:00,
// 2013-07-18+09:00 or 2013-07+09:00, a zone of zero being Z.
//
// The ledger leaf is "shirase/v1 notice" ‖ 0x00 ‖ SHA-256(bytes) (DESIGN 5).
type Notice struct {
	ID          string // INCIDENT-vVERSION
	Incident    string
	Version     int64
	Kind        string
	Time        time.Time
	Facts       []Fact
	Text        Text
	Data        []byte
	LedgerIndex int64 // its leaf in the ledger; -1 until it is published
}

// noticeKinds are the kinds a notice can have. This program writes the first two so far.
var noticeKinds = []string{"first", "revision", "addendum", "correction", "retraction"}

// noticeJSON is a notice as it is written.
type noticeJSON struct {
	V        int    `json:"v"`
	Incident string `json:"incident"`
	Version  int64  `json:"version"`
	Kind     string `json:"kind"`
	Time     string `json:"time"`
	Facts    []Fact `json:"facts"`
	Text     Text   `json:"text"`
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
	data, err := json.Marshal(noticeJSON{1, n.Incident, n.Version, n.Kind, n.Time.UTC().Format(noticeTime), n.Facts, n.Text})
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
	case in.V != 1:
		return fail("format %d, this program reads 1", in.V)
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
	case len(in.Facts) == 0 || len(in.Facts) > maxFacts:
		return fail("number of facts")
	}
	for i, f := range in.Facts {
		switch {
		case f.Key == "" || utf8.RuneCountInString(f.Key) > maxWord:
			return fail("facts[%d].key", i)
		case !slices.Contains(certainties, string(f.Certainty)):
			return fail("facts[%d].certainty", i)
		case f.AsOf.IsZero():
			return fail("facts[%d].asOf", i)
		case f.Value.URL != "" && !webLink(f.Value.URL):
			return fail("facts[%d].value.url", i)
		}
	}
	n := Notice{ID: NoticeID(in.Incident, in.Version), Incident: in.Incident, Version: in.Version, Kind: in.Kind,
		Time: t, Facts: in.Facts, Text: in.Text, LedgerIndex: -1}
	if err := n.encode(); err != nil {
		return fail("%v", err)
	}
	if string(n.Data) != string(data) {
		return fail("the bytes are not the canonical ones of what they say")
	}
	return n, nil
}

// Figures is what a notice needs beside the facts.
type Figures struct {
	Time          time.Time // of publication; the zero time is now
	Accounts      int64     // in the scope, from the roster; 0 where nothing is sealed
	URL           string    // of this instance, where people can check; empty where that is not known
	Demonstration bool      // the accounts are generated and the notice has to say so
}

// PrepareNotice renders the next version of inc's notice: its text, and its bytes for the ledger. Nothing is stored
// until RecordNotice.
func (s *Incidents) PrepareNotice(ctx context.Context, inc Incident, figures Figures) (Notice, error) {
	var last sql.NullInt64
	if err := s.db.QueryRowContext(ctx, `SELECT max(version) FROM incident_notice WHERE incident = $1`, inc.ID).Scan(&last); err != nil {
		return Notice{}, fmt.Errorf("prepare notice: %w", err)
	}
	if figures.Time.IsZero() {
		figures.Time = s.now()
	}
	n := Notice{
		ID: NoticeID(inc.ID, last.Int64+1), Incident: inc.ID, Version: last.Int64 + 1, Kind: "first",
		Time: figures.Time.UTC().Truncate(time.Second), LedgerIndex: -1,
		Text: Text{JA: noticeJA(inc, figures), EN: noticeEN(inc, figures)},
	}
	if n.Version > 1 {
		n.Kind = "revision"
	}
	for _, f := range inc.Facts {
		f.Recorded, f.Author = time.Time{}, ""
		n.Facts = append(n.Facts, f)
	}
	if err := n.encode(); err != nil {
		return Notice{}, fmt.Errorf("prepare notice: %w", err)
	}
	return n, nil
}

// RecordNotice stores n as published at ledgerIndex, in the transaction that appends it to the ledger.
func (s *Incidents) RecordNotice(ctx context.Context, tx *sql.Tx, n Notice, ledgerIndex int64) error {
	sum := n.SHA256()
	_, err := tx.ExecContext(ctx, `INSERT INTO incident_notice (incident, version, kind, published_at, sha256, ledger_index, data)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		n.Incident, n.Version, n.Kind, store.Micros(n.Time), hex.EncodeToString(sum[:]), ledgerIndex, n.Data)
	if err != nil {
		return fmt.Errorf("record notice %s: %w", n.ID, err)
	}
	return nil
}

// Notice returns a published notice. Errors: ErrNoNotice.
func (s *Incidents) Notice(ctx context.Context, id string) (Notice, error) {
	incident, version, err := parseNoticeID(id)
	if err != nil {
		return Notice{}, err
	}
	list, err := s.notices(ctx, `WHERE incident = $1 AND version = $2`, incident, version)
	if err != nil {
		return Notice{}, err
	}
	if len(list) == 0 {
		return Notice{}, fmt.Errorf("%w: %s", ErrNoNotice, id)
	}
	return list[0], nil
}

// Notices returns the published notices of an incident, the first version first.
func (s *Incidents) Notices(ctx context.Context, incident string) ([]Notice, error) {
	return s.notices(ctx, `WHERE incident = $1 ORDER BY version`, incident)
}

func (s *Incidents) notices(ctx context.Context, where string, args ...any) ([]Notice, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT incident, version, sha256, ledger_index, data FROM incident_notice `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("notices: %w", err)
	}
	defer rows.Close()
	var list []Notice
	for rows.Next() {
		var (
			id, sum        string
			version, index int64
			data           []byte
		)
		if err := rows.Scan(&id, &version, &sum, &index, &data); err != nil {
			return nil, fmt.Errorf("notices: %w", err)
		}
		n, err := ParseNotice(data)
		if err != nil {
			return nil, fmt.Errorf("notices: %s: %w", NoticeID(id, version), err)
		}
		if got := n.SHA256(); n.Incident != id || n.Version != version || hex.EncodeToString(got[:]) != sum {
			return nil, fmt.Errorf("notices: %s: %w: its record was changed after publication", NoticeID(id, version), ErrNotice)
		}
		n.LedgerIndex = index
		list = append(list, n)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, fmt.Errorf("notices: %w", err)
	}
	return list, nil
}
