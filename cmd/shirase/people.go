package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"shirase/check"
	"shirase/internal/incident"
	"shirase/internal/index"
	"shirase/internal/language"
	"shirase/internal/notify"
	"shirase/internal/people"
	"shirase/internal/serve"
	"shirase/internal/site"
)

// askLimits are what networks may ask for: enough for a carrier's on the day of the news, and too little to fill mailboxes with. What one
// address may be mailed, and all together, the room counts, over restarts too.
var askLimits = serve.Limits{IPv4: serve.Rate{PerSecond: 0.1, Burst: 40}, IPv6: serve.Rate{PerSecond: 0.02, Burst: 8}, Home: serve.Rate{PerSecond: 0.02, Burst: 10},
	Site: serve.Rate{PerSecond: 0.05, Burst: 20}, All6: serve.Rate{PerSecond: 1, Burst: 400}, All: serve.Rate{PerSecond: 2, Burst: 800}, Known: serve.DefaultLimits.Known}

// askAgain is when somebody may ask again where more is asked than is answered.
const askAgain = 10 * time.Minute

// answerByMail has the pages take questions about incidents that are answered by mail only, and answers them beside the server. Where no
// mail server is set, it does neither, and the pages say that it cannot be asked here.
func (a *app) answerByMail(ctx context.Context, in *instance, published *index.Host, server *serve.Server, o *site.Options) error {
	if a.op().Mail.Server == "" {
		return nil
	}
	mail, err := a.mailServer(ctx)
	if err != nil {
		return err
	}
	mail.Base64 = true
	room, err := people.New(ctx, people.Rooms{DB: in.db, Keys: in.keys, Rosters: in.rosters,
		Send: func(ctx context.Context, to, subject, text, id string) error {
			err := mail.Send(ctx, to, subject, text, id)
			if errors.Is(err, notify.ErrRefused) {
				err = fmt.Errorf("%w: %w", people.ErrRefused, err)
			}
			return err
		},
		ByMail: func(ctx context.Context, id string) (people.About, bool, error) {
			st := published.Statement(ctx)
			if st == nil || st.Incident(id) == nil || st.Incident(id).State != check.ByMail {
				return people.About{}, false, nil
			}
			i, err := in.incidents.Public().Get(ctx, id)
			if errors.Is(err, incident.ErrNotFound) {
				return people.About{}, false, nil
			}
			return people.About{Title: language.Text{JA: i.Title(language.JA), EN: i.Title(language.EN)},
				Organisation: language.Text{JA: i.Organisation(language.JA), EN: i.Organisation(language.EN)},
				AsOf:         st.Incident(id).AsOf.Time, Page: a.op().URL + "/incidents/" + id + "/help"}, err == nil, err
		}})
	if err != nil {
		return err
	}
	allow, err := server.Limit(askLimits)
	if err != nil {
		return err
	}
	o.Ask = func(r *http.Request, id string, lang language.Lang, address string) error {
		if wait, ok := allow(r, 1); !ok {
			return &site.AskLater{After: wait}
		}
		err := room.Ask(r.Context(), id, lang, address)
		switch {
		case errors.Is(err, people.ErrAddress):
			return site.ErrAskAddress
		case errors.Is(err, people.ErrNone):
			return site.ErrAskNone
		case errors.Is(err, people.ErrBusy):
			return &site.AskLater{After: askAgain}
		}
		return err
	}
	server.Work("answer by mail", room.Keep)
	return nil
}
