package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"shirase/internal/actor"
	"shirase/internal/board"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/law"
	"shirase/internal/reach"
	"shirase/internal/roster"
	"shirase/internal/staff"
	"shirase/internal/web"
)

// boardRoutes are the address of a case's board.
func (c *Console) boardRoutes() []route {
	return []route{{pattern: "GET /console/cases/{id}/board", onWall: true, answer: c.showBoard}}
}

// errOnWall says that somebody wants something else of a sign-in that keeps a screen on a wall.
var errOnWall = errors.New("this sign-in is of a screen on a wall, and shows the board alone")

// hang has a sign-in be one of a wall from now on: for that screen it goes on for days with nobody there, so it shows the board of that case, and
// nothing else is read or taken out by it, whatever the account may. To sign in anew ends it, which wants the account's passkey.
func (c *Console) hang(ctx context.Context, id string) {
	if c.sessions.GetString(ctx, wallKey) == "" {
		c.sessions.Put(ctx, wallKey, id)
	}
}

// hangs refuses what a sign-in of a wall is not for. Errors: errOnWall.
func (c *Console) hangs(r *http.Request, t route) error {
	id := c.sessions.GetString(r.Context(), wallKey)
	if id == "" {
		return nil
	}
	of := cmp.Or(r.PathValue("id"), r.URL.Query().Get("case")) // an address has the one, and what follows it the other
	if t.onWall && (r.Method == http.MethodPost || of == id) {
		return nil
	}
	return errOnWall
}

// shownBoards are the boards as they were drawn last: one for a case, language and form of the page, whoever looks.
type shownBoards struct {
	mu    sync.Mutex
	drawn map[string]drawnBoard
	// seen are those of whom it is recorded that they looked at a case on a day.
	seen map[string]string
}

type drawnBoard struct {
	version string
	at      time.Time
	parts   template.HTML
}

// situationView is the page that a board stands on.
type situationView struct {
	caseView
	Parts    template.HTML
	Wallable string // the address of the form for a wall
	Hanging  bool   // opened so, the sign-in shows nothing else
	At       time.Time
}

// showBoard shows how a case stands: in full, for a wall (?wall), or only what changes, for a page that follows (?part).
func (c *Console) showBoard(w http.ResponseWriter, r *http.Request, v *visit) error {
	id := r.PathValue("id")
	if err := v.who.May(actor.See, id); err != nil {
		return err
	}
	if c.Boards == nil {
		return errNotHere
	}
	if err := c.looksAt(r.Context(), v.who, id); err != nil {
		return err
	}
	q := r.URL.Query()
	wall := q.Has("wall")
	if wall && v.who.ReadsOnly(id) { // a screen on a wall goes on, where whoever came upon it reads this board, and nothing else
		c.hang(r.Context(), id)
		if _, _, err := c.Staff.Sessions().FindCtx(staff.Attended(r.Context()), c.sessions.Token(r.Context())); err != nil {
			return err
		}
	}
	lang := web.LanguageOf(r)
	drawn, err := c.drawBoard(r.Context(), id, lang, wall)
	if err != nil {
		return err
	}
	if q.Has("part") {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, err = w.Write([]byte(drawn.parts))
		return err
	}
	at := "/console/cases/" + id + "/board"
	k, err := c.Cases.Get(r.Context(), v.who, id)
	if err != nil {
		return err
	}
	out := situationView{caseView: caseView{view: c.view(r, v, "board", k.Declared.Title), Case: k, Tab: "board", Tabs: tabs, NowAt: c.now()}, Parts: drawn.parts, Wallable: at + "?wall", Hanging: v.who.ReadsOnly(id), At: drawn.at}
	if out.Names, err = c.Staff.Names(r.Context()); err != nil {
		return err
	}
	out.Path, out.Wall = at, wall
	if wall {
		out.Query = "wall"
	}
	out.Live = "/console/live?board&case=" + url.QueryEscape(id)
	return c.frame.Show(w, r, http.StatusOK, "situation", out)
}

// Follows is the address of what changes of the page.
func (v situationView) Follows() string {
	if v.Wall {
		return v.Link(v.Path + "?part&wall")
	}
	return v.Link(v.Path + "?part")
}

// looksAt has it be recorded that somebody looks at a case, as reading it does, once a day. It does not read the case for each look.
func (c *Console) looksAt(ctx context.Context, who actor.Actor, id string) error {
	day, key := c.now().UTC().Format(time.DateOnly), who.String()+" "+id
	c.boards.mu.Lock()
	known := c.boards.seen[key] == day
	c.boards.mu.Unlock()
	if known {
		return nil
	}
	if _, err := c.Cases.Get(ctx, who, id); err != nil {
		return err
	}
	c.boards.mu.Lock()
	defer c.boards.mu.Unlock()
	c.boards.seen[key] = day
	return nil
}

// drawBoard gives a board as it stands: put together once for all who look, and drawn once for all who read it in one language and form.
func (c *Console) drawBoard(ctx context.Context, id string, lang web.Language, wall bool) (drawnBoard, error) {
	version := c.live.versions()[id+boardOf]
	var b *board.Board
	var err error
	if version != "" && c.live.follows(id) {
		b, err = c.Boards.Get(ctx, id, version)
	} else {
		b, version, err = c.Boards.Current(ctx, id)
	}
	if err != nil { // its key may be gone: nothing of it stays in memory
		c.forgetBoards(func(of string, _ drawnBoard) bool { return of == id })
		return drawnBoard{}, err
	}
	key := fmt.Sprint(id, " ", lang.Lang, lang.Explicit, wall)
	c.boards.mu.Lock()
	drawn, ok := c.boards.drawn[key]
	c.boards.mu.Unlock()
	if ok && drawn.version == version && drawn.at.Equal(b.At) {
		return drawn, nil
	}
	names, err := c.Staff.Names(ctx)
	if err != nil {
		return drawnBoard{}, err
	}
	parts, err := c.frame.Part(lang.Lang, "situation", "parts", drawing{Board: b, Wall: wall, Names: names, lang: lang})
	if err != nil {
		return drawnBoard{}, err
	}
	drawn = drawnBoard{version, b.At, parts}
	c.boards.mu.Lock()
	defer c.boards.mu.Unlock()
	if c.boards.drawn[key].at.After(b.At) { // somebody has drawn a later one
		return c.boards.drawn[key], nil
	}
	if len(c.boards.drawn) > 200 { // of cases that nobody looks at any more
		clear(c.boards.drawn)
	}
	c.boards.drawn[key] = drawn
	return drawn, nil
}

// forgetBoards lets go what was drawn of some.
func (c *Console) forgetBoards(which func(id string, drawn drawnBoard) bool) {
	c.boards.mu.Lock()
	defer c.boards.mu.Unlock()
	maps.DeleteFunc(c.boards.drawn, func(key string, drawn drawnBoard) bool {
		id, _, _ := strings.Cut(key, " ")
		return which(id, drawn)
	})
}

// sweepBoards lets go what nobody is shown any more: a case may be shredded by another process, and nobody looks at it again.
func (c *Console) sweepBoards(now time.Time) {
	if c.Boards == nil {
		return
	}
	c.Boards.Sweep()
	c.forgetBoards(func(_ string, drawn drawnBoard) bool { return now.Sub(drawn.at) >= board.KeptFor })
}

// boardVersions adds the versions of the boards that somebody follows.
func (c *Console) boardVersions(ctx context.Context, out map[string]string, followed []string) error {
	for _, id := range followed {
		head, ok := out[id]
		if !ok {
			continue
		}
		version, err := c.Boards.Version(ctx, id, head, out[id+reachOf])
		if err != nil && ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if errors.Is(err, roster.ErrShredded) { // it has no version any more, so whoever looks at it hears, and finds nothing
			c.forgetBoards(func(of string, _ drawnBoard) bool { return of == id })
			continue
		}
		if err != nil { // of one case, and no reason that the others stand still
			c.Log.Error("look at a board", "case", id, "error", err)
			continue
		}
		out[id+boardOf] = version
	}
	return nil
}

// drawing is a board and how it is drawn.
type drawing struct {
	*board.Board
	Wall  bool
	Names map[string]string
	lang  web.Language
}

// Link is an address in the language of the page.
func (d drawing) Link(path string) string { return d.lang.Link(path) }

// To is the address of another page of the case.
func (d drawing) To(name string) string { return d.Link("/console/cases/" + d.Case + "/" + name) }

// Short is how many lines of a list are shown: fewer on a wall.
func (d drawing) Short(most, onWall int) int {
	if d.Wall {
		return onWall
	}
	return most
}

// slice is a part of a line of figures, as it is drawn.
type slice struct {
	Class string
	Text  language.Text
	N     int64
	X, W  float64
	// Always has it be named where it is 0 too: others are left out then, and add nothing.
	Always bool
}

// barWidth is how wide a line of figures is drawn, in units of its view box.
const barWidth = 1000

// barOf lays parts side by side: each as wide as it is large, and wide enough to be seen where it is not 0.
func barOf(parts ...slice) []slice {
	all := int64(0)
	for _, p := range parts {
		all += p.N
	}
	x := 0.0
	for i := range parts {
		p := &parts[i]
		p.X = x
		if all > 0 && p.N > 0 {
			p.W = max(float64(p.N)/float64(all)*barWidth, 3)
		}
		x += p.W
	}
	if x > barWidth { // what was widened to be seen
		for i := range parts {
			parts[i].X, parts[i].W = parts[i].X*barWidth/x, parts[i].W*barWidth/x
		}
	}
	return parts
}

// ToldBar is whom everything has told, of the roster.
func (d drawing) ToldBar() []slice {
	p := d.Told.Parts
	if p == nil {
		return nil
	}
	return barOf(slice{Always: true, Class: "accepted", Text: language.Both("受信側が受け取った", "taken by their server, post or network"), N: p.Accepted}, slice{Always: true, Class: "handed", Text: language.Both("引き渡した（その先は不明）", "handed over, and no more is known"), N: p.HandedOver},
		slice{Class: "read", Text: language.Both("ログイン時に読んだ", "read it at their login"), N: p.Read}, slice{Class: "instead", Text: language.Both("代替措置で知らせた", "told otherwise instead"), N: p.Substituted},
		slice{Class: "underway", Text: language.Both("送信中・再試行中", "under way"), N: p.Underway}, slice{Class: "uncertain", Text: language.Both("送られたか不明", "uncertain"), N: p.Uncertain},
		slice{Always: true, Class: "unreached", Text: language.Both("届かなかった（不達）", "bounced or refused"), N: p.Unreached}, slice{Always: true, Class: "none", Text: language.Both("まだ何もしていない", "nothing done yet"), N: p.Nothing},
		slice{Class: "unlisted", Text: language.Both("名簿に連絡先がない", "not named by the roster"), N: p.Unlisted})
}

// ScopeBar is the export, by who is affected.
func (d drawing) ScopeBar() []slice {
	s := d.Scope
	if s.Base == nil {
		return nil
	}
	excluded := int64(0)
	for _, x := range s.Excluded {
		excluded += x.N
	}
	return barOf(slice{Always: true, Class: "unreached", Text: language.Both("対象", "affected"), N: *s.Affected}, slice{Always: true, Class: "underway", Text: language.Both("対象外", "excluded"), N: excluded},
		slice{Class: "none", Text: language.Both("重複・使えない行", "duplicates and unusable rows"), N: s.Other})
}

// ResetBar is how far the forced reset is.
func (d drawing) ResetBar() []slice {
	r := d.Reset
	if r == nil || r.Accounts == nil {
		return nil
	}
	return barOf(slice{Always: true, Class: "accepted", Text: language.Both("再設定した", "have a new password"), N: r.Reset}, slice{Always: true, Class: "handed", Text: language.Both("再設定するまで入れない", "locked out until they reset"), N: r.Forced},
		slice{Class: "underway", Text: language.Both("処理中", "under way"), N: r.Underway}, slice{Always: true, Class: "none", Text: language.Both("まだ何もしていない", "nothing done yet"), N: r.Waiting},
		slice{Class: "unreached", Text: language.Both("人が見る必要がある", "for people to look at"), N: r.Left}, slice{Class: "unlisted", Text: language.Both("名簿に載っていない", "not named by the roster"), N: r.Unlisted})
}

// quiet is the time between public words, drawn: from knowledge until now.
type quiet struct {
	Words   []float64
	X, W    float64 // of the longest silence
	HasLong bool
}

// Quiet draws it; nil where there is nothing to draw.
func (d drawing) Quiet() *quiet {
	s := d.Silence
	from := s.First
	if s.Before != nil {
		from = s.Before.From
	}
	if from.IsZero() || !d.At.After(from) || s.First.IsZero() {
		return nil
	}
	span := float64(d.At.Sub(from))
	at := func(t time.Time) float64 { return float64(t.Sub(from)) / span * barWidth }
	out := &quiet{}
	for _, t := range s.Said {
		out.Words = append(out.Words, at(t))
	}
	if s.Longest != nil {
		out.HasLong, out.X = true, at(s.Longest.From)
		out.W = max(at(s.Longest.To)-out.X, 2)
	}
	return out
}

// Kept, Slipped and OpenPromises divide the promises.
func (d drawing) Kept() int    { return d.fates(law.Kept) }
func (d drawing) Slipped() int { return d.fates(law.Slipped) }
func (d drawing) Unsaid() int  { return d.fates(law.Unsaid) }
func (d drawing) Pending() int { return d.fates(law.Pending) }

func (d drawing) fates(f law.Fate) (n int) {
	for _, p := range d.Promises {
		if p.Fate == string(f) {
			n++
		}
	}
	return n
}

// Shown are the promises that are looked at: those that wait for a word or are still to come first, then the others, the newest first.
func (d drawing) Shown() []board.Promise {
	var out []board.Promise
	for _, fate := range []law.Fate{law.Unsaid, law.Pending} {
		for _, p := range d.Promises {
			if p.Fate == string(fate) {
				out = append(out, p)
			}
		}
	}
	for i := len(d.Promises) - 1; i >= 0; i-- {
		if p := d.Promises[i]; p.Fate == string(law.Kept) || p.Fate == string(law.Slipped) {
			out = append(out, p)
		}
	}
	return out
}

// Closings are the routes that are not open.
func (d drawing) Closings() (n int) {
	if d.Containment == nil {
		return 0
	}
	for _, r := range d.Containment.Routes {
		if r.State != "open" {
			n++
		}
	}
	return n
}

var stepWords = map[string]language.Text{
	board.Noticed: language.Both("気づいた", "noticed"), board.CutOff: language.Both("遮断した", "cut off"), board.ScopeKnown: language.Both("範囲が確定", "scope known"), board.Published: language.Both("公表した", "published"),
	board.ToldStep: language.Both("本人に知らせた", "people told"), board.ResetOpen: language.Both("再設定を開いた", "reset opened"), board.ClosedStep: language.Both("終了した", "closed"),
}

var fateWords = map[string]language.Text{
	string(law.Pending): language.Both("これから", "to come"), string(law.Kept): language.Both("守った", "kept"), string(law.Slipped): language.Both("守れなかった", "slipped"), string(law.Unsaid): language.Both("過ぎた（記録なし）", "passed, and no word of it"),
}

var contradictionWords = map[string]language.Text{
	"facts": language.Both("事実どうし", "among facts"), "notice": language.Both("公表文", "notice"), "document": language.Both("提出した文書", "document handed in"), "figure": language.Both("数", "figure"), "answer": language.Both("窓口の回答", "answers given"),
}

// boardFuncs is what the templates of a board can say.
func boardFuncs(lang language.Lang) template.FuncMap {
	said := func(words map[string]language.Text, id string) string {
		if w, ok := words[id]; ok {
			return w.In(lang)
		}
		return id
	}
	return template.FuncMap{
		"step":       func(id string) string { return said(stepWords, id) },
		"fate":       func(id string) string { return said(fateWords, id) },
		"contrakind": func(id string) string { return said(contradictionWords, id) },
		"gateword":   func(id string) string { return said(gateStates, id) },
		"hourword":   func(id string) string { return said(hourWords, id) },
		"scopeword":  func(id string) string { return incident.Word(lang, id) },
		"figure": func(n *int64) template.HTML {
			if n == nil {
				return template.HTML(`<span class="unknown">` + lang.Pick("未確認", "not known") + `</span>`)
			}
			return template.HTML(language.Number(lang, *n))
		},
		"until": func(end, now time.Time) string {
			if end.IsZero() {
				return ""
			}
			if left := end.Sub(now); left >= 0 {
				return fmt.Sprintf(lang.Pick("あと%s", "%s left"), language.Duration(lang, left))
			}
			return fmt.Sprintf(lang.Pick("%s超過", "%s over"), language.Duration(lang, now.Sub(end)))
		},
		"num64p":      func(n *int64) string { return language.Number(lang, *n) },
		"deref":       func(f *float64) float64 { return *f },
		"count":       func(n *int) int { return *n },
		"channelword": func(id string) language.Text { return reach.Channel(id).Words() },
		"lifeword":    func(id string) string { return lifeWords[reach.Life(id)].In(lang) },
		"plus": func(list ...int64) (all int64) {
			for _, n := range list {
				all += n
			}
			return all
		},
		"long":  func(d time.Duration) string { return language.Duration(lang, d) },
		"since": func(from, now time.Time) string { return language.Duration(lang, now.Sub(from)) },
		"day":   func(t time.Time) string { return t.In(zone).Format(lang.Pick("1月2日", "2 Jan")) },
		"clock": func(t time.Time) string { return t.In(zone).Format("15:04:05") },
		"px":    func(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) },
		"share": func(n int64, list []slice) string {
			all := int64(0)
			for _, p := range list {
				all += p.N
			}
			if all == 0 {
				return ""
			}
			return strconv.FormatFloat(float64(n)/float64(all)*100, 'f', 1, 64) + "%"
		},
		"rest": func(all, shown int) int { return max(all-shown, 0) },
		"more": func(d drawing, all, shown int) int { // on a wall the heading says of how many
			if d.Wall {
				return 0
			}
			return max(all-shown, 0)
		},
		"total": func(d drawing, list any) int {
			if n := reflect.ValueOf(list).Len(); d.Wall && n > 3 {
				return n
			}
			return 0
		},
		"waits": func(d *time.Duration) string {
			if *d < time.Minute {
				return fmt.Sprintf(lang.Pick("%d秒", "%d s"), int(d.Seconds()))
			}
			return language.Duration(lang, *d)
		},
		"oneline": func(s string) string { return strings.Join(strings.Fields(s), " ") },
		"float":   func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) },
	}
}
