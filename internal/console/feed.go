package console

import (
	"bytes"
	"errors"
	"net/http"
	"strings"

	"shirase/internal/law"
	"shirase/internal/staff"
	"shirase/internal/web"
)

// newFeed makes the address of a calendar. It stands in this answer only: it is kept nowhere.
func (c *Console) newFeed(w http.ResponseWriter, r *http.Request, v *visit) error {
	token, err := c.Staff.NewFeed(r.Context(), v.who)
	if err != nil {
		return err
	}
	return c.showAccount(w, r, v, web.Base(r, c.BaseURL)+web.LanguageOf(r).Link("/console/calendar/"+token+".ics"))
}

func (c *Console) endFeed(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := c.Staff.EndFeed(r.Context(), v.who); err != nil {
		return err
	}
	return c.done(w, r, v.lang.Pick("カレンダーのアドレスを無効にしました。", "The calendar's address is good for nothing any more."), "/console/account")
}

// calendar gives the deadlines of the cases that the address's owner sees, to a program that signs in as nobody: which cases, which
// rules, and when. That it looked is no look at a case, and none is recorded.
func (c *Console) calendar(w http.ResponseWriter, r *http.Request, v *visit) error {
	token, ok := strings.CutSuffix(r.PathValue("file"), ".ics")
	if !ok {
		return staff.ErrNotFound
	}
	who, err := c.Staff.ByFeed(r.Context(), token)
	if err != nil {
		return err
	}
	list, err := c.Cases.List(r.Context(), who)
	if err != nil {
		return err
	}
	var entries []law.Entry
	for _, l := range list {
		clocks, err := c.Cases.Standing(r.Context(), who, l.ID)
		if err != nil && r.Context().Err() != nil {
			return errors.Join(err, r.Context().Err())
		}
		if err != nil { // its key is gone, or its record is damaged: the board says so
			c.Log.Error("read a case", "case", l.ID, "error", err)
		}
		for _, k := range clocks {
			entries = append(entries, law.Entry{Case: l.ID, Clock: k})
		}
	}
	exercise := ""
	if c.Rehearsal != nil {
		exercise = c.Rehearsal.Origin
	}
	var out bytes.Buffer
	if err := law.WriteCalendar(&out, v.lang, entries, c.BaseURL, exercise, c.now()); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/calendar; charset=utf-8")
	h.Set("Content-Disposition", `inline; filename="shirase.ics"`)
	_, err = w.Write(out.Bytes())
	return err
}
