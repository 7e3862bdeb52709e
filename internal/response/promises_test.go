package response

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/law"
)

// TestPublicPromises: what was promised in public stands until a notice says what became of it. What is only recorded, be it that it is taken back,
// lifted, kept or moved, takes nothing off; and what was not told before its time is over has slipped.
func TestPublicPromises(t *testing.T) {
	at := func(s string) time.Time { return moment(t, "2026-08-20T"+s+"+09:00").Time }
	action := func(status, promised, took string) incident.Fact {
		f := incident.Fact{Key: "action", Item: "reset", AsOf: moment(t, "2026-08-20T10:00+09:00"), Value: incident.Value{Text: language.Both("再設定の受付", "The reset"), Status: status}}
		if promised != "" {
			f.Value.Promised = moment(t, "2026-08-20T"+promised+"+09:00")
		}
		if took != "" {
			f.Value.Time = moment(t, "2026-08-20T"+took+"+09:00")
		}
		return f
	}
	gone := incident.Fact{Key: "action", Item: "reset", Retracted: true}
	planned := action("planned", "18:00", "")
	said := func(version int64, when string, facts ...incident.Fact) incident.Notice {
		kind := incident.KindAddendum
		if version == 1 {
			kind = incident.KindFirst
		}
		return incident.Notice{ID: fmt.Sprintf("shop-v%d", version), Version: version, Kind: kind, Time: at(when), Facts: facts}
	}
	first := said(1, "12:00", planned)
	whole := said(2, "13:00")
	whole.Kind = incident.KindRevision
	for name, c := range map[string]struct {
		recorded []incident.Fact
		notices  []incident.Notice
		now      string
		want     string // each: id, fate, and whether it is not told
	}{
		"planned":                             {[]incident.Fact{planned}, []incident.Notice{first}, "17:00", "reset open"},
		"its time is over":                    {[]incident.Fact{planned}, []incident.Notice{first}, "19:00", "reset unsaid"},
		"taken back, and not told":            {nil, []incident.Notice{first}, "17:00", "reset open untold"},
		"taken back, not told, over":          {nil, []incident.Notice{first}, "19:00", "reset unsaid untold"},
		"lifted, and not told":                {[]incident.Fact{action("lifted", "18:00", "17:00")}, []incident.Notice{first}, "19:00", "reset unsaid untold"},
		"kept, and not told":                  {[]incident.Fact{action("kept", "18:00", "17:55")}, []incident.Notice{first}, "19:00", "reset unsaid untold"},
		"slipped, and not told":               {[]incident.Fact{action("slipped", "18:00", "")}, []incident.Notice{first}, "17:30", "reset open untold"},
		"moved, and not told":                 {[]incident.Fact{action("planned", "23:00", "")}, []incident.Notice{first}, "19:00", "reset unsaid"},
		"without a time, and not told":        {[]incident.Fact{action("planned", "", "")}, []incident.Notice{first}, "19:00", "reset unsaid"},
		"left out of a whole text":            {nil, []incident.Notice{first, whole}, "19:00", "reset unsaid untold"},
		"taken back in time":                  {nil, []incident.Notice{first, said(2, "17:00", gone)}, "19:00", ""},
		"lifted in time":                      {[]incident.Fact{action("lifted", "", "17:00")}, []incident.Notice{first, said(2, "17:00", action("lifted", "", "17:00"))}, "19:00", ""},
		"taken back when it was over":         {nil, []incident.Notice{first, said(2, "20:00", gone)}, "21:00", "reset slipped"},
		"kept":                                {[]incident.Fact{action("kept", "18:00", "17:55")}, []incident.Notice{first, said(2, "18:00", action("kept", "18:00", "17:55"))}, "19:00", "reset kept"},
		"taken late, said without a promise":  {[]incident.Fact{action("taken", "", "18:30")}, []incident.Notice{first, said(2, "18:40", action("taken", "", "18:30"))}, "19:00", "reset slipped"},
		"kept, by a time that nobody heard":   {nil, []incident.Notice{first, said(2, "22:00", action("kept", "23:00", "21:00"))}, "23:00", "reset slipped"},
		"slipped":                             {nil, []incident.Notice{first, said(2, "18:40", action("slipped", "18:00", ""))}, "19:00", "reset slipped"},
		"kept, and lifted later":              {nil, []incident.Notice{first, said(2, "18:00", action("kept", "18:00", "17:55")), said(3, "22:00", action("lifted", "", "21:55"))}, "23:00", "reset kept"},
		"moved in time":                       {[]incident.Fact{action("planned", "23:00", "")}, []incident.Notice{first, said(2, "17:00", action("planned", "23:00", ""))}, "19:00", "reset open"},
		"moved when it was over":              {[]incident.Fact{action("planned", "23:00", "")}, []incident.Notice{first, said(2, "19:00", action("planned", "23:00", ""))}, "20:00", "reset-until-v2 slipped,reset open"},
		"called kept, and it was not":         {[]incident.Fact{planned}, []incident.Notice{first, said(2, "17:00", action("kept", "18:00", "17:00")), said(3, "17:30", planned)}, "19:00", "reset unsaid"},
		"in no notice":                        {[]incident.Fact{planned}, nil, "17:00", "reset open"},
		"in no notice, and lifted":            {[]incident.Fact{action("lifted", "18:00", "17:00")}, nil, "17:00", ""},
		"without a time, and a time recorded": {[]incident.Fact{planned}, []incident.Notice{said(1, "12:00", action("planned", "", ""))}, "17:00", "reset-recorded open"},
		"without a time, and kept":            {[]incident.Fact{action("kept", "18:00", "17:55")}, []incident.Notice{said(1, "12:00", action("planned", "", ""))}, "19:00", "reset-recorded kept"},
		"lifted in time, and planned anew": {[]incident.Fact{action("planned", "23:00", "")}, []incident.Notice{first, said(2, "17:00", action("lifted", "", "17:00"))},
			"19:00", "reset-recorded open"},
		"taken back, and planned again":    {[]incident.Fact{planned}, []incident.Notice{first, said(2, "17:00", gone)}, "19:00", "reset-recorded unsaid"},
		"kept, and planned anew":           {[]incident.Fact{action("planned", "23:00", "")}, []incident.Notice{first, said(2, "18:00", action("kept", "18:00", "17:55"))}, "19:00", "reset kept,reset-recorded open"},
		"kept, and planned anew in public": {[]incident.Fact{action("planned", "23:00", "")}, []incident.Notice{first, said(2, "18:00", action("kept", "18:00", "17:55")), said(3, "18:30", action("planned", "23:00", ""))}, "19:00", "reset-until-v3 kept,reset open"},
		"taken late, by the facts too":     {[]incident.Fact{action("taken", "20:00", "18:30")}, []incident.Notice{first, said(2, "18:40", action("taken", "20:00", "18:30"))}, "19:00", "reset slipped"},
		"in no notice, and kept":           {[]incident.Fact{action("kept", "18:00", "17:55")}, nil, "19:00", "reset kept"},
	} {
		var got []string
		for _, p := range promised(incident.Incident{Facts: c.recorded}, c.notices) {
			s := p.ID + " " + string(p.Fate(at(c.now)))
			if p.Untold {
				s += " untold"
			}
			if over := p.Clock(at(c.now)).State == law.Done; over != slices.Contains([]law.Fate{law.Kept, law.Slipped}, p.Fate(at(c.now))) {
				t.Errorf("%s: its clock is done: %v", name, over)
			}
			got = append(got, s)
		}
		if all := strings.Join(got, ","); all != c.want {
			t.Errorf("%s: %s, want %s", name, all, c.want)
		}
	}
	// What may be published of one that was kept and not told does not call it late.
	list := promised(incident.Incident{Facts: []incident.Fact{action("kept", "18:00", "17:55")}}, []incident.Notice{first})
	if got := addenda(list, []incident.Notice{first}, at("19:00")); len(got) != 1 || strings.Contains(got[0].Text.EN, "apologise") || !strings.Contains(got[0].Text.JA, "17時55分に行いました") {
		t.Errorf("%+v", got)
	}
	// One that is taken back, or lifted, is told so, and no new time is spoken of. One that is only recorded was announced by nobody.
	for name, recorded := range map[string][]incident.Fact{"taken back": nil, "lifted": {action("lifted", "18:00", "17:00")}} {
		got := addenda(promised(incident.Incident{Facts: recorded}, []incident.Notice{first}), []incident.Notice{first}, at("19:00"))
		if len(got) != 1 || strings.Contains(got[0].Text.EN, "new time") || strings.Contains(got[0].Text.JA, "新しい時刻") || !strings.Contains(got[0].Text.EN, "We take that back") || !strings.Contains(got[0].Text.JA, "取り消します") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	open := []incident.Notice{said(1, "12:00", action("planned", "", ""))}
	if got := addenda(promised(incident.Incident{Facts: []incident.Fact{planned}}, open), open, at("19:00")); len(got) != 0 {
		t.Errorf("never announced for a time: %+v", got)
	}
}
