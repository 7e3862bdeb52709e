package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"

	"shirase/internal/incident"
	"shirase/internal/language"
)

// What searches need is stored in blocks of 4,096 incidents: their columns (columns.go), and the index of their
// texts (block.go). Beside them stand the texts of those that changed since their block was made. Once there
// are maxNew of a block's it is made again, in a transaction that records something. So recording stays cheap, a server
// that starts reads few rows, and one that has read them reads only what is newer.

// maxNew is how many incidents of a block may be newer than it. To make one again takes some 40 ms, shared by as many.
const maxNew = 256

// settleEvery is after how many changes of the archive is looked for blocks to be made again.
const settleEvery = 16

// index indexes the text of an incident. All names of its organisation belong to it, so that 「ネイバー」 finds what
// was recorded under "NAVER".
func (a refreshing) index(ctx context.Context, num int64, i incident.Shown, organisation string) error {
	d, err := documentOf(ctx, a.tx, i, organisation)
	if err != nil {
		return err
	}
	return a.putText(ctx, num, d.text())
}

// spaced writes tokens as an entryText holds them.
func spaced(tokens []string) string {
	if len(tokens) == 0 {
		return ""
	}
	return " " + strings.Join(tokens, " ") + " "
}

// putText indexes a text under an incident's number, in place of what was indexed before.
func (a refreshing) putText(ctx context.Context, num int64, t entryText) error {
	_, err := a.tx.ExecContext(ctx, `INSERT INTO incident_new (num, changed, title, words) VALUES ($1, $2, $3, $4)
		ON CONFLICT (num) DO UPDATE SET changed = excluded.changed, title = excluded.title, words = excluded.words`,
		num, a.version, t.title, t.all)
	return err
}

// settle makes those blocks again that enough is newer than.
func (a refreshing) settle(ctx context.Context) error {
	rows, err := a.tx.QueryContext(ctx, fmt.Sprintf(`SELECT (num - 1) / %d, count(*) FROM incident_new GROUP BY 1 HAVING count(*) >= %d`, blockSize, maxNew))
	if err != nil {
		return err
	}
	defer rows.Close()
	var numbers []int64
	for rows.Next() {
		var number, n int64
		if err := rows.Scan(&number, &n); err != nil {
			return err
		}
		numbers = append(numbers, number)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	for _, number := range numbers {
		if err := a.makeBlock(ctx, number); err != nil {
			return err
		}
	}
	return nil
}

// makeBlock takes what is newer than a block into it, columns and texts.
func (a refreshing) makeBlock(ctx context.Context, number int64) error {
	first, last := number*blockSize+1, (number+1)*blockSize
	var old *block
	var columns, data []byte
	err := a.tx.QueryRowContext(ctx, `SELECT columns, texts FROM incident_block WHERE block = $1`, number).Scan(&columns, &data)
	if err == nil {
		old, err = parseBlock(data)
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("block %d: %w", number, err)
	}
	rows, texts := map[int][]byte{}, map[int]entryText{}
	if err := eachRow(ctx, a.tx, func(num int64, row []byte) error { rows[int(num-first)] = row; return nil },
		`WHERE num IN (SELECT num FROM incident_new WHERE num BETWEEN $1 AND $2)`, first, last); err != nil {
		return err
	}
	if err := eachText(ctx, a.tx, func(num int64, t entryText) { texts[int(num-first)] = t }, `WHERE num BETWEEN $1 AND $2`, first, last); err != nil {
		return err
	}
	if columns, err = changeColumns(columns, rows); err != nil {
		return fmt.Errorf("block %d: %w", number, err)
	}
	if _, err := a.tx.ExecContext(ctx, `INSERT INTO incident_block (block, version, columns, texts) VALUES ($1, $2, $3, $4)
		ON CONFLICT (block) DO UPDATE SET version = excluded.version, columns = excluded.columns, texts = excluded.texts`,
		number, a.version, columns, merge(old, texts)); err != nil {
		return err
	}
	_, err = a.tx.ExecContext(ctx, `DELETE FROM incident_new WHERE num BETWEEN $1 AND $2`, first, last)
	return err
}

// eachText reads texts that are newer than their block.
func eachText(ctx context.Context, tx *sql.Tx, do func(num int64, t entryText), where string, args ...any) error {
	rows, err := tx.QueryContext(ctx, `SELECT num, title, words FROM incident_new `+where, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var num int64
		var t entryText
		if err := rows.Scan(&num, &t.title, &t.all); err != nil {
			return err
		}
		do(num, t)
	}
	return errors.Join(rows.Err(), rows.Close())
}

// document is what of an incident is searched.
type document struct{ title, body []string }

// text returns the tokens of a document as they are indexed.
func (d document) text() entryText {
	return entryText{spaced(indexed(d.title)), spaced(indexed(append(d.title, d.body...)))}
}

// documentOf gathers what of an incident is searched, with every name of its organisation.
func documentOf(ctx context.Context, tx *sql.Tx, i incident.Shown, organisation string) (document, error) {
	var d document
	var seen = map[string]bool{}
	add := func(to *[]string, texts ...string) {
		for _, t := range texts {
			if t != "" && !seen[t] {
				seen[t] = true
				*to = append(*to, t)
			}
		}
	}
	for _, key := range []string{"organisation", "alias"} {
		for _, f := range i.Listed(key) {
			add(&d.title, f.Value.Text.JA, f.Value.Text.EN)
		}
	}
	if organisation != "" {
		names, err := namesOf(ctx, tx, organisation)
		if err != nil {
			return d, err
		}
		add(&d.title, names...)
	}
	if f, ok := i.Fact("title"); ok {
		add(&d.title, f.Value.Text.JA, f.Value.Text.EN)
	}
	add(&d.title, i.ID)
	for _, f := range i.Facts {
		switch f.Key {
		case "organisation", "alias", "title":
			continue
		case "data-class", "cause", "sector", "country":
			add(&d.body, incident.WordOf(language.JA, f.Key, f.Value.Word), incident.WordOf(language.EN, f.Key, f.Value.Word))
		}
		add(&d.body, f.Value.Text.JA, f.Value.Text.EN, f.Value.Original, f.Value.Quote)
	}
	for _, t := range i.Told {
		add(&d.body, t.JA, t.EN)
	}
	return d, nil
}

// fullText is the text index as a server holds it.
type fullText struct {
	version int64               // of the archive, as far as it was read
	blocks  map[int64]*block    // by number
	fresh   map[int64]entryText // by number of the incident: what is newer than its block
	sets    *lru.Cache[string, textSet]
}

// textSet is the incidents that have a phrase in the title, and those that have it anywhere, by number less one.
type textSet struct{ title, anywhere bitmap }

// keptSets is how many sets are kept until the archive changes: 25 KiB each at 100,000 incidents.
const keptSets = 200

// read takes in what is newer than what is held.
func (x *fullText) read(ctx context.Context, tx *sql.Tx, version int64) error {
	if x.blocks == nil {
		x.blocks, x.fresh = map[int64]*block{}, map[int64]entryText{}
	}
	rows, err := tx.QueryContext(ctx, `SELECT block, texts FROM incident_block WHERE version > $1`, x.version)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var number int64
		var data []byte
		if err := rows.Scan(&number, &data); err != nil {
			return err
		}
		if x.blocks[number], err = parseBlock(data); err != nil {
			return fmt.Errorf("block %d: %w", number, err)
		}
		for num := range x.fresh {
			if (num-1)/blockSize == number {
				delete(x.fresh, num) // the block has it, or it comes again below
			}
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	if err := eachText(ctx, tx, func(num int64, t entryText) { x.fresh[num] = t }, `WHERE changed > $1`, x.version); err != nil {
		return err
	}
	x.version = version
	x.sets, err = lru.New[string, textSet](keptSets)
	return err
}

// having returns the incidents that have a phrase, of numbers up to size.
func (x *fullText) having(p phrase, size int) textSet {
	key := fmt.Sprint(p) // tokens hold no spaces
	if set, ok := x.sets.Get(key); ok {
		return set
	}
	set := textSet{newBitmap(size), newBitmap(size)}
	for number, b := range x.blocks {
		first := int(number * blockSize)
		b.match(p, func(doc int, after uint32) {
			set.anywhere.set(first + doc)
			if after <= b.titles[doc] {
				set.title.set(first + doc)
			}
		})
	}
	for num, t := range x.fresh {
		i := int(num - 1)
		set.title.clear(i)
		set.anywhere.clear(i)
		inTitle, anywhere := t.has(p)
		if inTitle {
			set.title.set(i)
		}
		if anywhere {
			set.anywhere.set(i)
		}
	}
	x.sets.Add(key, set)
	return set
}
