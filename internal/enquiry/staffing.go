package enquiry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"shirase/internal/actor"
	"shirase/internal/store"
)

// Waits is what callers have to expect, by Erlang's model of waiting (A. K. Erlang, 1917, "Erlang C"): calls come at random, each takes a time that is
// exponentially distributed, nobody hangs up, and all staff answer from one queue. Whoever hangs up makes it look better, a wave after a mail
// to all makes it worse: take the figure of the fullest hour.
type Waits struct {
	Load  float64       // calls that are spoken at once, on average (Erlang)
	Wait  float64       // part of callers who wait at all, 0 to 1; 1 where the queue grows without end
	Mean  time.Duration // that callers wait on average; less than 0: the queue grows without end
	Soon  float64       // part that is answered within the time that was asked for
	Staff int
}

// Expect works out what callers wait with so many staff. perHour are calls an hour, each is how long one takes with what is written down
// after it, within is the time of which Soon is.
func Expect(perHour float64, each time.Duration, staff int, within time.Duration) Waits {
	w := Waits{Load: perHour * each.Hours(), Staff: staff}
	switch {
	case w.Load <= 0:
		w.Soon = 1
		return w
	case float64(staff) <= w.Load:
		w.Wait, w.Mean = 1, -1
		return w
	}
	// Erlang B by its recurrence, which stays in range for any number of staff; then C.
	b := 1.0
	for n := 1; n <= staff; n++ {
		b = w.Load * b / (float64(n) + w.Load*b)
	}
	w.Wait = b / (1 - w.Load/float64(staff)*(1-b))
	spare := float64(staff) - w.Load
	w.Mean = time.Duration(w.Wait * float64(each) / spare)
	w.Soon = 1 - w.Wait*math.Exp(-spare*float64(within)/float64(each))
	return w
}

// maxStaff bounds what is worked out.
const maxStaff = 10_000

// Needed gives with how many staff at least so many callers are answered in time; 0 where maxStaff are not enough.
func Needed(perHour float64, each, within time.Duration, soon float64) int {
	for n := max(1, int(perHour*each.Hours())); n <= maxStaff; n++ {
		if w := Expect(perHour, each, n, within); w.Mean >= 0 && w.Soon >= soon {
			return n
		}
	}
	return 0
}

// Hour is how many calls came in an hour of the day (Japan's), on average and at most, on days on which any came.
type Hour struct {
	Hour int
	Mean float64
	Most int64
}

var japan = time.FixedZone("JST", 9*60*60)

// Calls counts the calls that were recorded in the last so many days by the hour of the day.
func (d *Desk) Calls(ctx context.Context, who actor.Actor, of string, days int) (hours [24]Hour, err error) {
	if err := may(who, actor.See, of); err != nil {
		return hours, fmt.Errorf("count calls: %w", err)
	}
	// Hours of Japan begin with those of UTC.
	rows, err := d.DB.QueryContext(ctx, `SELECT created / 3600000000, count(*) FROM enquiry WHERE incident = $1 AND channel = 'telephone' AND created > $2 GROUP BY created / 3600000000`,
		of, store.Micros(d.Now().AddDate(0, 0, -days)))
	if err != nil {
		return hours, fmt.Errorf("count calls: %w", err)
	}
	defer rows.Close()
	counts := map[string][24]int64{}
	for rows.Next() {
		var hour, n int64
		if err := rows.Scan(&hour, &n); err != nil {
			return hours, fmt.Errorf("count calls: %w", err)
		}
		t := time.Unix(hour*3600, 0).In(japan)
		day := counts[t.Format(time.DateOnly)]
		day[t.Hour()] += n
		counts[t.Format(time.DateOnly)] = day
	}
	for h := range hours {
		hours[h].Hour = h
		for _, day := range counts {
			hours[h].Mean += float64(day[h]) / float64(len(counts))
			hours[h].Most = max(hours[h].Most, day[h])
		}
	}
	return hours, errors.Join(rows.Err(), rows.Close())
}
