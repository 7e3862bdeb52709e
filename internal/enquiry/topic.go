package enquiry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/hint"
	"shirase/internal/language"
	"shirase/internal/reach/bounce"
	"shirase/internal/store"
)

// Other is the topic of what is none of the others.
const Other = "other"

// A Topic is what people ask about.
type Topic struct {
	ID       string
	Text     language.Text
	Canned   string // the answer that is given to it
	Hidden   bool   // from the form
	Position int64
	Version  int64 // 0: it is one of those that every incident has
	Asked    int64 // how many people have
	Open     int64
	Late     int64
}

// usual are the topics that every incident has, until it says otherwise.
var usual = []Topic{
	{ID: "affected", Text: language.Both("自分は対象か", "Am I affected?")},
	{ID: "data", Text: language.Both("どの情報が漏えいしたか", "What was exposed?")},
	{ID: "todo", Text: language.Both("何をすればよいか", "What should I do?")},
	{ID: "genuine", Text: language.Both("届いた連絡が本物か", "Is a message that I got genuine?")},
	{ID: "misuse", Text: language.Both("不審な利用や被害があった", "Something was misused, or I have suffered damage")},
	{ID: "password", Text: language.Both("パスワードやログイン", "Passwords and signing in")},
	{ID: "compensation", Text: language.Both("補償やお詫び", "Compensation")},
	{ID: "rights", Text: language.Both("情報の開示や削除、退会", "Disclosure, erasure, leaving")},
	{ID: Other, Text: language.Both("その他", "Something else")},
}

var topicID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// topics gives those of an incident by position, without counts.
func (d *Desk) topics(ctx context.Context, of string) ([]Topic, error) {
	out := slices.Clone(usual)
	for i := range out {
		out[i].Position = int64(i+1) * 10
	}
	rows, err := d.DB.QueryContext(ctx, `SELECT id, ja, en, canned, hidden, position, version FROM enquiry_topic WHERE incident = $1 ORDER BY position, id`, of)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var t Topic
		var hidden int64
		if err := rows.Scan(&t.ID, &t.Text.JA, &t.Text.EN, &t.Canned, &hidden, &t.Position, &t.Version); err != nil {
			return nil, err
		}
		t.Hidden = hidden != 0
		if i := slices.IndexFunc(out, func(u Topic) bool { return u.ID == t.ID }); i >= 0 {
			out[i] = t
		} else {
			out = append(out, t)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Position < out[j].Position })
	return out, errors.Join(rows.Err(), rows.Close())
}

func (d *Desk) topicThere(ctx context.Context, of, id string) error {
	list, err := d.topics(ctx, of)
	if err == nil && !slices.ContainsFunc(list, func(t Topic) bool { return t.ID == id }) {
		var ids []string
		for _, t := range list {
			ids = append(ids, t.ID)
		}
		err = hint.Add(fmt.Errorf("%w: there is no such topic", ErrInput), "the topics are "+strings.Join(ids, ", "))
	}
	return err
}

// OnForm gives the topics that the form offers.
func (d *Desk) OnForm(ctx context.Context, of string) ([]Topic, error) {
	list, err := d.topics(ctx, of)
	return slices.DeleteFunc(list, func(t Topic) bool { return t.Hidden }), err
}

// Topics gives all topics of a case, with how many people asked about each.
func (d *Desk) Topics(ctx context.Context, who actor.Actor, of string) ([]Topic, error) {
	if err := may(who, actor.See, of); err != nil {
		return nil, fmt.Errorf("topics: %w", err)
	}
	list, err := d.topics(ctx, of)
	if err != nil {
		return nil, fmt.Errorf("topics: %w", err)
	}
	// Each of these is read from an index of its own: who asked, each once; those who cannot be told apart; and who waits.
	for _, q := range []struct {
		text string
		args []any
		into func(t *Topic, n, late int64)
	}{
		{`SELECT topic, count(DISTINCT who), 0 FROM enquiry WHERE incident = $1 AND length(who) > 0 AND state NOT IN ('unverified', 'spam') GROUP BY topic`, []any{of}, func(t *Topic, n, _ int64) { t.Asked += n }},
		{`SELECT topic, count(*), 0 FROM enquiry WHERE incident = $1 AND who = $2 AND state NOT IN ('unverified', 'spam') GROUP BY topic`, []any{of, []byte{}}, func(t *Topic, n, _ int64) { t.Asked += n }},
		{`SELECT topic, count(*), coalesce(sum(CASE WHEN due > 0 AND due < $2 THEN 1 ELSE 0 END), 0) FROM enquiry WHERE incident = $1 AND state = 'open' GROUP BY topic`,
			[]any{of, store.Micros(d.Now())}, func(t *Topic, n, late int64) { t.Open, t.Late = n, late }},
	} {
		if err := d.byTopic(ctx, list, q.into, q.text, q.args...); err != nil {
			return nil, fmt.Errorf("topics: %w", err)
		}
	}
	return list, nil
}

func (d *Desk) byTopic(ctx context.Context, list []Topic, into func(t *Topic, n, late int64), query string, args ...any) error {
	rows, err := d.DB.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var n, late int64
		if err := rows.Scan(&id, &n, &late); err != nil {
			return err
		}
		if i := slices.IndexFunc(list, func(t Topic) bool { return t.ID == id }); i >= 0 {
			into(&list[i], n, late)
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// PutTopic adds a topic, or changes one. Its text is what the form says, so it is for who writes. Errors: ErrInput, ErrStale, ErrNotFound, where there is no such answer.
func (d *Desk) PutTopic(ctx context.Context, who actor.Actor, of string, t Topic) error {
	if err := may(who, actor.Write, of); err != nil {
		return fmt.Errorf("a topic: %w", err)
	}
	t.Text = language.Text{JA: bounce.Visible(t.Text.JA, false), EN: bounce.Visible(t.Text.EN, false)}
	if !topicID.MatchString(t.ID) || t.Text.JA == "" || t.Text.EN == "" || len(t.Text.JA) > 3*80 || len(t.Text.EN) > 80 {
		return fmt.Errorf("a topic: %w: it has an id of a-z, 0-9 and -, and 1 to 80 characters in both languages", ErrInput)
	}
	if t.ID == Other && t.Hidden {
		return fmt.Errorf("a topic: %w: what is none of the others has to have its place", ErrInput)
	}
	err := d.DB.Update(ctx, func(tx *sql.Tx) error {
		if t.Canned != "" {
			var n int64
			if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM enquiry_canned WHERE incident = $1 AND id = $2 AND gone = 0`, of, t.Canned).Scan(&n); err != nil {
				return err
			}
			if n == 0 {
				return fmt.Errorf("%w: no answer has that name", ErrInput)
			}
		}
		var version, all int64
		err := tx.QueryRowContext(ctx, `SELECT version FROM enquiry_topic WHERE incident = $1 AND id = $2`, of, t.ID).Scan(&version)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if version != t.Version {
			return ErrStale
		}
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM enquiry_topic WHERE incident = $1`, of).Scan(&all); err != nil {
			return err
		}
		if all >= 60 && version == 0 {
			return fmt.Errorf("%w: there are 60 topics", ErrInput)
		}
		hidden := int64(0)
		if t.Hidden {
			hidden = 1
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO enquiry_topic (incident, id, ja, en, canned, hidden, position, version) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (incident, id) DO UPDATE SET ja = excluded.ja, en = excluded.en, canned = excluded.canned, hidden = excluded.hidden, position = excluded.position, version = excluded.version`,
			of, t.ID, t.Text.JA, t.Text.EN, t.Canned, hidden, t.Position, version+1); err != nil {
			return err
		}
		return d.event(ctx, tx, who, of, "", "wrote a topic", t.ID)
	})
	if err != nil {
		return fmt.Errorf("a topic: %w", err)
	}
	return nil
}

// A Question is what many ask, with its answer as the facts are now.
type Question struct {
	Topic string
	Text  language.Text
	MD    language.Text // Markdown
}

// mostAsked is how many questions a help page has.
const mostAsked = 10

// MostAsked gives what is asked most of an incident, for its help page: questions that at least as many people asked as the floor says, whose answer
// a second person has approved. How many asked is not told, and what fewer ask cannot be seen.
func (d *Desk) MostAsked(ctx context.Context, of string) ([]Question, error) {
	list, err := d.Topics(ctx, actor.Server(), of)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(t Topic) bool { return t.Hidden || t.Canned == "" || t.Asked < d.Floor })
	// By steps of the floor: one question more or less changes no order.
	slices.SortStableFunc(list, func(a, b Topic) int { return int(b.Asked/d.Floor - a.Asked/d.Floor) })
	if len(list) == 0 {
		return nil, nil
	}
	in, err := d.Incident(ctx, of)
	if err != nil {
		return nil, err
	}
	var out []Question
	for _, t := range list {
		c, err := d.canned(ctx, d.DB, of, t.Canned)
		if errors.Is(err, ErrNotFound) || err == nil && (c.Public != c.Version || c.Gone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		q := Question{Topic: t.ID, Text: t.Text}
		ja, errJA := in.Render(language.JA, "text.ja", c.Text.JA)
		en, errEN := in.Render(language.EN, "text.en", c.Text.EN)
		if errJA != nil || errEN != nil { // it refers to what is not known any more: no answer is better than that
			d.Log.Warn("an answer cannot be shown", "incident", of, "answer", c.ID, "error", errors.Join(errJA, errEN))
			continue
		}
		q.MD = language.Text{JA: ja, EN: en}
		if out = append(out, q); len(out) == mostAsked {
			break
		}
	}
	return out, nil
}

// Stats are the figures of a case's enquiries.
type Stats struct {
	All, Open, Late, Answered, Closed, Spam, Unverified int64
	Channels, Languages                                 map[string]int64
	Topics                                              []Topic
	Days                                                []Day // the last thirty
	Misused                                             int64 // people who say that something was misused
	First, Last                                         time.Time
}

// Day is how many enquiries came on a day (UTC).
type Day struct {
	Day string
	N   int64
}

// Stats counts the enquiries of a case. No count is of anybody by name.
func (d *Desk) Stats(ctx context.Context, who actor.Actor, of string) (*Stats, error) {
	topics, err := d.Topics(ctx, who, of)
	if err != nil {
		return nil, err
	}
	s := &Stats{Topics: topics, Channels: map[string]int64{}, Languages: map[string]int64{}}
	now := d.Now()
	rows, err := d.DB.QueryContext(ctx, `SELECT state, channel, lang, created / 86400000000, count(*), min(created), max(created)
		FROM enquiry WHERE incident = $1 GROUP BY state, channel, lang, created / 86400000000`, of)
	if err != nil {
		return nil, fmt.Errorf("count enquiries: %w", err)
	}
	defer rows.Close()
	days := map[string]int64{}
	for rows.Next() {
		var state, channel, lang string
		var day, n, first, last int64
		if err := rows.Scan(&state, &channel, &lang, &day, &n, &first, &last); err != nil {
			return nil, fmt.Errorf("count enquiries: %w", err)
		}
		switch State(state) {
		case Unverified:
			s.Unverified += n
			continue
		case Spam:
			s.Spam += n
			continue
		case Open:
			s.Open += n
		case Answered:
			s.Answered += n
		case Closed:
			s.Closed += n
		}
		s.All += n
		s.Channels[channel] += n
		s.Languages[lang] += n
		days[time.Unix(day*86400, 0).UTC().Format(time.DateOnly)] += n
		if at := store.FromMicros(first); s.First.IsZero() || at.Before(s.First) {
			s.First = at
		}
		if at := store.FromMicros(last); at.After(s.Last) {
			s.Last = at
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, fmt.Errorf("count enquiries: %w", err)
	}
	for i := 29; i >= 0; i-- {
		day := now.UTC().AddDate(0, 0, -i).Format(time.DateOnly)
		s.Days = append(s.Days, Day{day, days[day]})
	}
	for _, t := range topics {
		s.Late += t.Late
		if t.ID == "misuse" {
			s.Misused = t.Asked
		}
	}
	return s, nil
}

// publicFor is for how long it is taken as known what help pages say of enquiries.
const publicFor = 2 * time.Second

// Public differs when what help pages say of enquiries does, or may: whoever keeps pages asks it.
func (d *Desk) Public(ctx context.Context) (string, error) {
	d.public.Lock()
	defer d.public.Unlock()
	began := time.Now()
	if began.Before(d.public.until) {
		return d.public.version, nil
	}
	var acts, steps int64
	if err := d.DB.QueryRowContext(ctx, `SELECT count(*) FROM enquiry_event WHERE enquiry = ''`).Scan(&acts); err != nil {
		return d.public.version, err
	}
	if err := d.DB.QueryRowContext(ctx, `SELECT coalesce(sum(n), 0) FROM (SELECT count(*) / CAST($1 AS BIGINT) AS n FROM enquiry WHERE verified > 0 AND state <> 'spam' GROUP BY incident, topic) counted`, d.Floor).Scan(&steps); err != nil {
		return d.public.version, err
	}
	// However many there are: looking takes at most a twentieth of the time.
	d.public.version, d.public.until = fmt.Sprintf("%d.%d", acts, steps), time.Now().Add(max(publicFor, 20*time.Since(began)))
	return d.public.version, nil
}
