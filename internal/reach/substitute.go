package reach

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/store"
)

// MeasureKind is what was done for people whom nothing reached (代替措置).
type MeasureKind string

// Kinds of measures, in the order in which they are offered.
const (
	Page      MeasureKind = "page" // it was made public on the organisation's own pages
	Newspaper MeasureKind = "newspaper"
	Press     MeasureKind = "press"
	AtLogin   MeasureKind = "login" // they see it when they sign in
	AppNotice MeasureKind = "app"
	Telephone MeasureKind = "telephone"
	Desk      MeasureKind = "desk" // there is somewhere to ask
	Shop      MeasureKind = "shop" // it hangs in shops or offices
	OtherKind MeasureKind = "other"
)

// MeasureKinds lists them.
func MeasureKinds() []MeasureKind {
	return []MeasureKind{Page, Newspaper, Press, AtLogin, AppNotice, Telephone, Desk, Shop, OtherKind}
}

var measureWords = map[MeasureKind]language.Text{Page: language.Both("自社のサイトでの公表", "publication on our own pages"), Newspaper: language.Both("新聞への掲載", "a notice in a newspaper"), Press: language.Both("報道発表", "a press release"),
	AtLogin: language.Both("ログイン時の表示", "a notice at login"), AppNotice: language.Both("アプリ内の通知", "a notice in the app"), Telephone: language.Both("電話での連絡", "telephone calls"), Desk: language.Both("問い合わせ窓口の設置", "somewhere to ask"),
	Shop: language.Both("店頭や窓口での掲示", "notices in shops or offices"), OtherKind: language.Both("その他", "something else")}

// Words names a kind.
func (k MeasureKind) Words() language.Text { return measureWords[k] }

// Measure is what was done instead, for those whom some campaigns did not reach.
type Measure struct {
	Incident  string
	N         int64
	Kind      MeasureKind
	On        string // the day, as 2026-12-01
	Reference string // where it can be seen: an address, a page of a paper, a number
	Note      string
	Campaigns []string // none: all of the incident that have begun
	People    int64    // how many it stands for
	Fresh     int64    // of them, for whom nothing had been done before
	At        time.Time
	By        string
}

const maxMeasures = 255

func (m *Measure) check(now time.Time) error {
	bad := func(remedy, format string, args ...any) error {
		return hint.Add(fmt.Errorf("%w: "+format, append([]any{ErrInput}, args...)...), remedy)
	}
	if _, ok := measureWords[m.Kind]; !ok {
		var all []string
		for _, k := range MeasureKinds() {
			all = append(all, string(k))
		}
		return bad("one of "+strings.Join(all, ", "), "there is no kind of measure %.40q", string(m.Kind))
	}
	if day, err := time.Parse(time.DateOnly, m.On); err != nil || day.After(now.AddDate(0, 0, 1)) {
		return bad("such as "+now.Format(time.DateOnly), "the day on which it was done is a day, and not one to come")
	}
	m.Reference, m.Note = strings.TrimSpace(m.Reference), strings.TrimSpace(m.Note)
	if m.Reference == "" || len(m.Reference) > 1000 || !utf8.ValidString(m.Reference) || strings.ContainsAny(m.Reference, "\r\n") {
		return bad("an address, a paper and its page, a number", "where it can be seen is a line of 1 to 1,000 bytes")
	}
	if m.Kind == Page {
		if u, err := url.Parse(m.Reference); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return bad("such as https://example.jp/notice", "what was made public has an address")
		}
	}
	if len(m.Note) > 2000 || !utf8.ValidString(m.Note) {
		return bad("", "a note has at most 2,000 bytes")
	}
	return nil
}

// untold says that nothing has been done for somebody yet.
func (x record) untold() bool {
	return x.state == Refused || x.state == Bounced || x.state == Substitute && x.relay == 0
}

// Substitute writes down what was done instead, for all whom some campaigns did not reach: they stand as substitute from then on, and keep the
// reason for which they could not be reached. Whoever commands the case answers for it. Errors: ErrInput, ErrState, ErrNotFound.
func (r *Reach) Substitute(ctx context.Context, who actor.Actor, m Measure) (Measure, error) {
	const what = "write down what was done instead"
	if err := who.May(actor.See, m.Incident); err != nil {
		return m, fmt.Errorf("%s: %w", what, ErrNotFound)
	}
	if err := who.May(actor.Command, m.Incident); err != nil {
		return m, fmt.Errorf("%s: %w", what, err)
	}
	err := m.check(r.Now())
	var seal *store.Sealer
	var to map[string]map[int64][4]uint64
	if err == nil {
		to, err = r.untold(ctx, who, &m)
	}
	if err == nil {
		seal, err = r.Rosters.Sealer(ctx, m.Incident, false)
	}
	if err == nil {
		err = r.DB.Update(ctx, func(tx *sql.Tx) error { return r.substitute(ctx, tx, who, m, to, seal) })
	}
	if err != nil {
		return m, fmt.Errorf("%s: %w", what, err)
	}
	r.seen()
	all, err := r.Measures(ctx, who, m.Incident)
	if err != nil {
		return m, err
	}
	return all[len(all)-1], nil
}

// untold gives the places of those whom a measure is for: whom its campaigns did not reach, and whom nothing else has told. It counts people.
func (r *Reach) untold(ctx context.Context, who actor.Actor, m *Measure) (map[string]map[int64][4]uint64, error) {
	ro, err := r.Rosters.Latest(ctx, m.Incident)
	if err != nil {
		return nil, err
	}
	all, _, err := r.counted(ctx, who, m.Incident, ro)
	if err != nil {
		return nil, err
	}
	var chosen []*Campaign
	for _, c := range all {
		if len(m.Campaigns) == 0 || slices.Contains(m.Campaigns, c.ID) {
			chosen = append(chosen, c)
		}
	}
	for _, id := range m.Campaigns {
		if !slices.ContainsFunc(chosen, func(c *Campaign) bool { return c.ID == id }) {
			return nil, fmt.Errorf("%w: %s has no campaign %.40q over its roster that has begun", ErrInput, m.Incident, id)
		}
	}
	if len(chosen) == 0 {
		return nil, hint.Add(fmt.Errorf("%w: no campaign of %s has begun, so that nobody is known not to be reached", ErrState, m.Incident), "shirase campaign status")
	}
	t, err := r.callRoll(ctx, ro, all)
	if err != nil {
		return nil, err
	}
	out := map[string]map[int64][4]uint64{}
	m.Campaigns = nil
	walkers := make([]walker, len(chosen))
	for i, c := range chosen {
		m.Campaigns = append(m.Campaigns, c.ID)
		walkers[i], out[c.ID] = walker{r: r, c: c}, map[int64][4]uint64{}
	}
	slices.Sort(m.Campaigns)
	m.People, m.Fresh = 0, 0
	met := map[uint64]struct{}{}
	for x, err := range r.Rosters.Members(ctx, ro) {
		if err != nil {
			return nil, err
		}
		in := false
		for i := range walkers {
			y, placed, err := walkers[i].next(ctx, r.DB, x.Identity.Kind)
			if err != nil {
				return nil, err
			}
			if !placed || !y.state.unreached() || t.told(x) {
				continue
			}
			in = true
			mark(out[walkers[i].c.ID], walkers[i].at-1)
		}
		if in {
			t.hashes(x, func(h uint64) {
				rank := t.units[h] & rankMask
				if _, again := met[h]; again || rank != notReached && rank != instead {
					return
				}
				met[h] = struct{}{}
				if m.People++; rank == notReached {
					m.Fresh++
				}
			})
		}
	}
	if m.People == 0 {
		return nil, fmt.Errorf("%w: there is nobody whom these campaigns did not reach, and whom nothing else has told", ErrState)
	}
	return out, nil
}

func (r *Reach) substitute(ctx context.Context, tx *sql.Tx, who actor.Actor, m Measure, to map[string]map[int64][4]uint64, seal *store.Sealer) error {
	m.At, m.By = r.Now(), who.String()
	if err := tx.QueryRowContext(ctx, `SELECT coalesce(max(n), 0) + 1 FROM reach_measure WHERE incident = $1`, m.Incident).Scan(&m.N); err != nil {
		return err
	}
	if m.N > maxMeasures {
		return fmt.Errorf("%w: an incident has at most %d measures", ErrInput, maxMeasures)
	}
	campaigns, err := json.Marshal(m.Campaigns)
	if err != nil {
		return err
	}
	// The row comes first: of two who write at once, the second fails at it, and counts again.
	if _, err := tx.ExecContext(ctx, `INSERT INTO reach_measure (incident, n, kind, taken_on, reference, note, campaigns, people, fresh, at, actor) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		m.Incident, m.N, string(m.Kind), m.On, m.Reference, m.Note, string(campaigns), m.People, m.Fresh, store.Micros(m.At), m.By); err != nil {
		return err
	}
	for _, id := range m.Campaigns {
		blocks := map[int64]bool{}
		for n := range to[id] {
			blocks[n] = true
		}
		j := newJournal()
		for _, n := range sortedKeys(blocks) {
			b, err := loadBlock(ctx, tx, id, n)
			if err != nil {
				return err
			}
			for i := range b.size() {
				ordinal, x := n*blockSize+int64(i), b.get(i)
				if !marked(to[id], ordinal) || !x.untold() { // or somebody knows better since
					continue
				}
				x.state, x.relay, x.at, x.due = Substitute, uint8(m.N), uint32(m.At.Unix()), 0
				b.set(i, x)
				j.add(ordinal, x, "")
			}
			if err := b.save(ctx, tx, id); err != nil {
				return err
			}
			r.step()
		}
		if err := j.save(ctx, tx, id, seal, m.At); err != nil {
			return err
		}
		if err := r.event(ctx, tx, who, id, "substituted", string(m.Kind)); err != nil {
			return err
		}
	}
	return nil
}

// Measures gives what was done instead, in order.
func (r *Reach) Measures(ctx context.Context, who actor.Actor, of string) ([]Measure, error) {
	if err := who.May(actor.See, of); err != nil {
		return nil, fmt.Errorf("what was done instead: %w", ErrNotFound)
	}
	rows, err := r.DB.QueryContext(ctx, `SELECT incident, n, kind, taken_on, reference, note, campaigns, people, fresh, at, actor FROM reach_measure WHERE incident = $1 ORDER BY n`, of)
	if err != nil {
		return nil, fmt.Errorf("what was done instead: %w", err)
	}
	defer rows.Close()
	var out []Measure
	for rows.Next() {
		var m Measure
		var kind, campaigns string
		var at int64
		err := rows.Scan(&m.Incident, &m.N, &kind, &m.On, &m.Reference, &m.Note, &campaigns, &m.People, &m.Fresh, &at, &m.By)
		if err == nil {
			err = json.Unmarshal([]byte(campaigns), &m.Campaigns)
		}
		if err != nil {
			return nil, fmt.Errorf("what was done instead: %w", err)
		}
		m.Kind, m.At = MeasureKind(kind), store.FromMicros(at)
		out = append(out, m)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}
