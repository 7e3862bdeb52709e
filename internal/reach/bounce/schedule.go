package bounce

import (
	"slices"
	"time"
)

// Pauses are how long is waited after each deferral before a message is tried again: twice within the first hour, as receivers that
// greylist expect, and for five days in all (RFC 5321, 4.5.4.1). They are published: docs/handbook/bounces.md has them, and a test holds
// the two together.
var Pauses = []time.Duration{
	10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour,
	12 * time.Hour, 12 * time.Hour, 12 * time.Hour, 12 * time.Hour, 12 * time.Hour, 12 * time.Hour, 12 * time.Hour, 12 * time.Hour,
}

// slow are reasons that an hour does not mend; they begin with the pauses of half a day.
var slow = map[Reason]bool{MailboxFull: true, Suspend: true, SystemFull: true}

// Again gives how long to wait before a message is tried again that was deferred tries times for a reason, 1 being the first; false
// where it is given up.
func Again(tries int, reason Reason) (time.Duration, bool) {
	i := tries - 1
	if slow[reason] {
		i += slices.Index(Pauses, 12*time.Hour)
	}
	if tries < 1 || i >= len(Pauses) {
		return 0, false
	}
	return Pauses[i], true
}
