package index

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestVolume: an hour that is unlike the day before it is told of, in one line; a busy day becomes usual.
func TestVolume(t *testing.T) {
	var log bytes.Buffer
	now := time.Unix(1_800_000_000, 0).Truncate(time.Hour)
	v := volume{errors: slog.New(slog.NewTextHandler(&log, nil)), now: func() time.Time { return now }}
	lines := func() int { return strings.Count(log.String(), "\n") }
	hour := func(n int) {
		t.Helper()
		for range 10 {
			v.add(n/10, false)
		}
		now = now.Add(time.Hour)
	}
	hour(usualInAnHour)
	if lines() != 0 {
		t.Fatalf("what is usual: %s", &log)
	}
	hour(20 * usualInAnHour)
	if lines() != 1 || v.sum().Alarms != 1 || !strings.Contains(log.String(), "unusually many evaluations") {
		t.Fatalf("%+v: %s", v.sum(), &log)
	}
	for range day { // as much all day long: it becomes usual
		hour(20 * usualInAnHour)
	}
	if n := v.sum().Alarms; n > 3 {
		t.Errorf("%d alarms on a busy day", n)
	}
	told := v.sum().Alarms
	hour(7 * 20 * usualInAnHour)
	if v.sum().Alarms != told {
		t.Error("seven times the mean of a busy day is unusual")
	}
	now = now.Add(48 * time.Hour) // a quiet time, and what is refused counts too
	v.add(usualInAnHour+1, true)
	if s := v.sum(); s.Alarms != told+1 || s.Refused != usualInAnHour+1 || int64(lines()) != s.Alarms {
		t.Errorf("%+v, %d lines", v.sum(), lines())
	}
}
