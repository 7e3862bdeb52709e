package index

import (
	"log/slog"
	"sync"
	"time"
)

// Volume is how much was evaluated since the start of a process, in elements.
type Volume struct {
	Evaluated int64
	Refused   int64 // for a limit
	Alarms    int64 // hours that were unusual
}

const (
	// An hour is unusual in which more is asked for than usualInAnHour, and more
	// than timesTheMean times the mean of the day before it.
	usualInAnHour = 50_000
	timesTheMean  = 8
	day           = 24 // hours that are remembered
)

// volume watches how much is evaluated: limits slow whoever tests a list of
// addresses, and somebody has to be told that it is being tested.
type volume struct {
	errors *slog.Logger
	mu     sync.Mutex
	now    func() time.Time
	all    Volume
	hour   int64      // since 1970
	asked  int64      // in this hour
	past   [day]int64 // in the hours before it, by hour modulo day
	seen   int64      // hours since the first, at most day
	told   bool       // of this hour
}

// add counts n elements that were asked for. The first time in an hour that they
// are unusually many, it says so in one line.
func (v *volume) add(n int, refused bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.turn(v.now().Unix() / 3600)
	v.asked += int64(n)
	if refused {
		v.all.Refused += int64(n)
	} else {
		v.all.Evaluated += int64(n)
	}
	if v.told || v.asked <= max(usualInAnHour, timesTheMean*v.mean()) {
		return
	}
	v.told = true
	v.all.Alarms++
	v.errors.Warn("unusually many evaluations: somebody may be testing a list of addresses", "inThisHour", v.asked, "meanOfTheDayBefore", v.mean(),
		"evaluated", v.all.Evaluated, "refused", v.all.Refused)
}

// turn begins a new hour where one has begun.
func (v *volume) turn(hour int64) {
	if v.hour == 0 {
		v.hour = hour
	}
	for ; v.hour < hour; v.hour++ {
		if hour-v.hour > day { // nothing of the day before it is left
			v.past, v.asked, v.seen, v.hour = [day]int64{}, 0, day, hour-1
		}
		v.past[v.hour%day], v.asked, v.told = v.asked, 0, false
		v.seen = min(v.seen+1, day)
	}
}

// mean gives the mean of the hours before this one.
func (v *volume) mean() int64 {
	if v.seen == 0 {
		return 0
	}
	var sum int64
	for _, n := range v.past {
		sum += n
	}
	return sum / v.seen
}

func (v *volume) sum() Volume {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.all
}
