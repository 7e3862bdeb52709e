package page

import (
	"testing"
	"time"

	"shirase/internal/language"
)

func TestTime(t *testing.T) {
	at := time.Date(2013, 7, 19, 16, 0, 0, 0, time.FixedZone("", 9*3600))
	if got, want := string(Time(language.JA, at)), `<time datetime="2013-07-19T16:00:00+09:00">2013年7月19日 16時（日本時間）</time>`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
