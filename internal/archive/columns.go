package archive

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"shirase/internal/incident"
	"shirase/internal/store"
)

// facetNames are the facets in the order in which they are shown.
var facetNames = [...]string{"year", "sector", "cause", "class", "size", "disclose", "country", "certification", "dataset", monthFacet}

// monthFacet is counted for calendars ([Result.Months]), and stands among the facets of a search only where it asks for a month: there are hundreds.
const monthFacet = "month"

// columns are what is held of an incident. A number that is not given out has present false.
type columns struct {
	present               bool
	date, updated, amount int64
	organisation          int32
	codes                 [len(facetNames)]int32
}

// values numbers what incidents have of one facet: a value, or where they have several, the combination.
type values struct {
	code   map[string]int32
	words  []string  // each value once
	having [][]int32 // by code: which of words
}

const separator = "\x00"

// of returns the number of words joined by the separator.
func (v *values) of(key []byte) int32 {
	if code, ok := v.code[string(key)]; ok {
		return code
	}
	if v.code == nil {
		v.code = map[string]int32{}
	}
	code := int32(len(v.having))
	v.code[string(key)] = code
	var having []int32
	for word := range strings.SplitSeq(string(key), separator) {
		if len(key) == 0 {
			break // nothing
		}
		i := slices.Index(v.words, word)
		if i < 0 {
			i = len(v.words)
			v.words = append(v.words, word)
		}
		having = append(having, int32(i))
	}
	v.having = append(v.having, having)
	return code
}

// rowOf writes what searches count and sort an entry by: dates and amount, then, each after its length, the
// organisation's id and the words of each facet. The columns of a block are its rows, each after its length, which is 0
// where there is no entry.
func rowOf(e Entry) []byte {
	var b []byte
	amount := int64(-1)
	if e.Affected.Number != nil {
		amount = *e.Affected.Number
	}
	for _, n := range []int64{store.Micros(e.Date), store.Micros(e.Updated), amount} {
		b = binary.AppendVarint(b, n)
	}
	text := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	text(e.OrganisationID)
	for _, name := range facetNames {
		text(strings.Join(facetWords(e, name), separator))
	}
	return b
}

// cut takes what follows its own length off the front of data.
func cut(data []byte) (part, rest []byte, err error) {
	n, length := binary.Uvarint(data)
	if length <= 0 || n > uint64(len(data)-length) {
		return nil, nil, errBlock
	}
	data = data[length:]
	return data[:n:n], data[n:], nil
}

// put takes in the row of a number; an empty one is a number of which nothing is left.
func (a *held) put(num int64, row []byte) error {
	for int64(len(a.rows)) < num {
		a.rows = append(a.rows, columns{})
	}
	if len(row) == 0 {
		a.rows[num-1] = columns{}
		return nil
	}
	c := columns{present: true}
	for _, to := range []*int64{&c.date, &c.updated, &c.amount} {
		n, length := binary.Varint(row)
		if length <= 0 {
			return errBlock
		}
		*to, row = n, row[length:]
	}
	organisation, row, err := cut(row)
	if err != nil {
		return err
	}
	if len(organisation) > 0 {
		id, ok := a.orgs[string(organisation)]
		if !ok {
			if a.orgs == nil {
				a.orgs = map[string]int32{}
			}
			id = int32(len(a.orgs) + 1)
			a.orgs[string(organisation)] = id
		}
		c.organisation = id
	}
	for i := range facetNames {
		var key []byte
		if key, row, err = cut(row); err != nil {
			return err
		}
		c.codes[i] = a.facets[i].of(key)
	}
	a.rows[num-1] = c
	return nil
}

// read takes in the columns that are newer than what is held.
func (a *held) read(ctx context.Context, tx *sql.Tx, version int64) error {
	rows, err := tx.QueryContext(ctx, `SELECT block, columns FROM incident_block WHERE version > $1`, a.version)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var number int64
		var data sql.RawBytes
		if err := rows.Scan(&number, &data); err != nil {
			return err
		}
		rest := []byte(data)
		for num := number*blockSize + 1; len(rest) > 0; num++ {
			var row []byte
			if row, rest, err = cut(rest); err == nil {
				err = a.put(num, row)
			}
			if err != nil {
				return fmt.Errorf("block %d: %w", number, err)
			}
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	err = eachRow(ctx, tx, a.put, `WHERE num IN (SELECT num FROM incident_new WHERE changed > $1)`, a.version)
	if err != nil {
		return err
	}
	a.version, a.orders = version, map[string][]int32{}
	return nil
}

// eachRow makes the rows of entries, in the order of their numbers.
func eachRow(ctx context.Context, tx *sql.Tx, do func(num int64, row []byte) error, where string, args ...any) error {
	rows, err := tx.QueryContext(ctx, `SELECT num, organisation, data FROM incident_entry `+where+` ORDER BY num`, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		e, there, err := scanEntry(rows)
		if err != nil {
			return err
		}
		var row []byte
		if there {
			row = rowOf(e)
		}
		if err := do(e.num, row); err != nil {
			return err
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// changeColumns returns the columns of a block with the rows that changed, by their number in the block.
func changeColumns(old []byte, changed map[int][]byte) ([]byte, error) {
	out := []byte{} // NULL is not a block without incidents
	done := 0
	for doc := 0; len(old) > 0 || done < len(changed); doc++ {
		var row []byte
		var err error
		if len(old) > 0 {
			if row, old, err = cut(old); err != nil {
				return nil, err
			}
		}
		if other, ok := changed[doc]; ok {
			row = other
			done++
		}
		out = append(binary.AppendUvarint(out, uint64(len(row))), row...)
	}
	return out, nil
}

// facetWords returns what an entry is counted under.
func facetWords(e Entry, facet string) []string {
	one := func(w string) []string {
		if w == "" {
			w = unknownWord
		}
		return []string{w}
	}
	switch facet {
	case "year":
		return one(yearOf(e.Date))
	case monthFacet:
		if e.DatePrecision > incident.Month {
			return one("")
		}
		return one(e.Date.Format("2006-01"))
	case "sector":
		return one(e.Sector)
	case "cause":
		return one(e.Cause)
	case "country":
		return one(e.Country)
	case "size":
		return one(sizeOf(e.Affected))
	case "disclose":
		return one(discloseOf(e.Disclose))
	case "dataset":
		if e.Dataset == "" {
			return one(Own)
		}
		return one(e.Dataset)
	case "certification":
		return e.Certifications
	}
	var out []string // classes: a form of the password is a password
	for _, c := range e.Classes {
		base, _, formed := strings.Cut(c, ":")
		if formed && !slices.Contains(out, base) && incident.KnownClass(base) {
			out = append(out, base)
		}
		out = append(out, c)
	}
	return out
}
