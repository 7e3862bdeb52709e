package console

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"shirase/internal/actor"
	"shirase/internal/closing"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/response"
	"shirase/internal/roster"
	"shirase/internal/scope"
	"shirase/internal/web"
)

// scopeRoutes are the addresses of a case's scope. What is uploaded goes by the script; all else are forms.
func (c *Console) scopeRoutes() []route {
	at := func(name string) string { return "POST /console/cases/{id}/scope/" + name }
	routes := []route{
		{pattern: "GET /console/cases/{id}/scope", answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			return c.showScope(w, r, v, http.StatusOK, nil)
		}},
		{pattern: at("state"), answer: c.arrivals},
		{pattern: at("begin"), answer: c.arrivalBegin},
		{pattern: at("piece"), answer: c.arrivalPiece},
		{pattern: at("finish"), answer: c.arrivalFinish},
	}
	for _, f := range c.scopeForms() {
		routes = append(routes, route{pattern: at(f.name), answer: func(w http.ResponseWriter, r *http.Request, v *visit) error {
			id := r.PathValue("id")
			if !v.who.Sees(id) {
				return actor.ErrHidden
			}
			err := f.do(r.Context(), v.who, id, field{r.PostForm})
			if known, _ := failed.Problem(err); err != nil && slices.Contains(shownAgain, known.Status) {
				return c.showScope(w, r, v, known.Status, err)
			} else if err != nil {
				return err
			}
			c.live.poke()
			return c.done(w, r, f.said.In(v.lang), "/console/cases/"+id+"/scope")
		}})
	}
	return routes
}

// shownAgain are the answers that show a form again with what was entered: whoever entered it can do something about it.
var shownAgain = []int{http.StatusConflict, http.StatusUnprocessableEntity, http.StatusInsufficientStorage, http.StatusRequestEntityTooLarge}

// scopeForms are what can be done with a scope.
func (c *Console) scopeForms() []form {
	return []form{
		{"give-up", "", language.Both("取り消しました。受け取った分は残っていません。", "It is given up. Nothing of it stays."), func(ctx context.Context, who actor.Actor, id string, f field) error {
			return c.Cases.GiveUpArrival(ctx, who, id, f.text("arrival"))
		}},
		{"take", "", language.Both("取り込みました。", "It is taken in."), func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Scopes.TakeFile(ctx, who, id, f.text("name"))
			return err
		}},
		{"rules", "", language.Both("規則を保存しました。", "The rules are saved."), func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Scopes.SaveRules(ctx, who, id, f.Get("text"), f.n("version"))
			return err
		}},
		{"run", "", language.Both("試算を始めました。名簿はまだ作られません。", "The dry run has begun. No roster is made by it."), func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Scopes.DryRun(ctx, who, id, f.n("export"), f.Get("text"), f.n("version"))
			return err
		}},
		{"cancel", "", language.Both("やめるよう伝えました。", "It is told to end."), func(ctx context.Context, who actor.Actor, id string, f field) error {
			return c.Scopes.Cancel(ctx, who, id, f.n("run"))
		}},
		{"commit", "", language.Both("名簿を作り始めました。まだ何も公表されません。", "The roster is being made. Nothing is published by it."), func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Scopes.Commit(ctx, who, id, f.n("run"))
			return err
		}},
		{"accept", "", language.Both("事実として記録しました。公表はしていません。", "They are recorded as facts. Nothing is published."), func(ctx context.Context, who actor.Actor, id string, f field) error {
			var accepted []scope.Accepted
			for _, name := range f.Values["fact"] {
				accepted = append(accepted, scope.Accepted{Name: name, JA: f.text("ja " + name), EN: f.text("en " + name), Was: f.text("was " + name)})
			}
			return c.Scopes.Accept(ctx, who, id, f.n("run"), accepted)
		}},
		{"remove", "", language.Both("取り除きました。SHA-256と、だれが扱ったかは記録に残ります。", "It is removed. Its SHA-256, and who had it, stay in the record."), func(ctx context.Context, who actor.Actor, id string, f field) error {
			_, err := c.Cases.RemoveAccounts(ctx, who, id, f.n("export"), f.text("why"))
			return err
		}},
	}
}

// arrivals says what is under way, for a browser that goes on with it.
func (c *Console) arrivals(w http.ResponseWriter, r *http.Request, v *visit) error {
	id := r.PathValue("id")
	if err := v.who.May(actor.Write, id); err != nil {
		return err
	}
	list, err := c.Cases.Arrivals(r.Context(), v.who, id)
	if err != nil {
		return err
	}
	out := []map[string]any{}
	for _, a := range list {
		if a.Use == response.UseAccounts {
			out = append(out, map[string]any{"arrival": a.ID, "name": a.Name, "size": a.Size, "received": a.Received, "pieces": a.Pieces})
		}
	}
	return reply(w, http.StatusOK, map[string]any{"arrivals": out, "piece": response.MaxPiece})
}

func (c *Console) arrivalBegin(w http.ResponseWriter, r *http.Request, v *visit) error {
	f := field{r.PostForm}
	a, err := c.Cases.BeginArrival(r.Context(), v.who, r.PathValue("id"), response.Evidence{Name: f.text("name"), Size: f.n("size"), Source: f.text("source"), Use: response.UseAccounts})
	if err != nil {
		return err
	}
	c.live.poke()
	return reply(w, http.StatusOK, map[string]any{"arrival": a.ID, "received": a.Received, "piece": response.MaxPiece})
}

// Headers of a piece: whose arrival it is of, where it begins, and the hex SHA-256 of its bytes. They are no part of an address.
const (
	arrivalHeader = "Shirase-Arrival"
	atHeader      = "Shirase-At"
	sumHeader     = "Shirase-SHA256"
)

// arrivalPiece takes in the bytes of the request's body as they come.
func (c *Console) arrivalPiece(w http.ResponseWriter, r *http.Request, v *visit) error {
	at, err := strconv.ParseInt(r.Header.Get(atHeader), 10, 64)
	if err != nil {
		at = -1
	}
	a, err := c.Cases.Arrive(r.Context(), v.who, r.PathValue("id"), r.Header.Get(arrivalHeader), at, r.Header.Get(sumHeader), r.Body)
	if errors.Is(err, response.ErrClosed) { // it is not tried again, as what somebody else was faster with
		said, _ := scopeWord(v.lang, err)
		return reply(w, http.StatusGone, map[string]any{"say": said})
	}
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, map[string]any{"received": a.Received})
}

func (c *Console) arrivalFinish(w http.ResponseWriter, r *http.Request, v *visit) error {
	id := r.PathValue("id")
	k, err := c.Cases.FinishArrival(r.Context(), v.who, id, field{r.PostForm}.text("arrival"))
	if err != nil {
		return err
	}
	c.live.poke()
	p := k.Evidence[len(k.Evidence)-1]
	return c.done(w, r, v.lang.Pick("取り込みました。SHA-256：", "It is taken in. SHA-256: ")+p.SHA256, "/console/cases/"+id+"/scope")
}

type scopeView struct {
	caseView
	Exports  []response.Piece
	Arrivals []*response.Arrival
	Folder   []string // of exports on the host
	Rules    scope.Rules
	Runs     []scope.Run
	Run      *scope.Run // that is shown
	Before   *scope.Run // the one before it that came to its end
	Made     []scope.Run
	Facts    []scope.Proposal // that the shown run proposes
	Compared *compared
}

// compared is what two rosters differ by.
type compared struct {
	Before, After int64
	Difference    roster.Difference
}

func (c *Console) showScope(w http.ResponseWriter, r *http.Request, v *visit, status int, refused error) error {
	ctx, id := r.Context(), r.PathValue("id")
	k, err := c.Cases.Get(ctx, v.who, id)
	if err != nil {
		return err
	}
	out := scopeView{caseView: caseView{view: c.view(r, v, "board", k.Declared.Title), Case: k, Tab: "scope", Tabs: tabs, NowAt: c.now()}}
	if out.Names, err = c.Staff.Names(ctx); err != nil {
		return err
	}
	for _, p := range k.Evidence {
		if p.Use == response.UseAccounts {
			out.Exports = append(out.Exports, p)
		}
	}
	slices.Reverse(out.Exports)
	all, err := c.Cases.Arrivals(ctx, v.who, id)
	if err != nil {
		return err
	}
	for _, a := range all {
		if a.Use == response.UseAccounts {
			out.Arrivals = append(out.Arrivals, a)
		}
	}
	if v.who.May(actor.Write, id) == nil {
		if out.Folder, err = c.Scopes.InFolder(ctx, v.who, id); err != nil {
			c.Log.Error("list the folder of exports", "error", err)
		}
	}
	if out.Rules, err = c.Scopes.Rules(ctx, v.who, id, 0); err != nil {
		return err
	}
	if out.Runs, err = c.Scopes.Runs(ctx, v.who, id, 30); err != nil {
		return err
	}
	if err := c.scopeRun(ctx, v.who, &out, r.URL.Query()); err != nil {
		return err
	}
	if refused != nil {
		out.Refused, out.Form = scopeWhy(v.lang, refused), r.PostForm
	}
	out.Live = "/console/live?scope&case=" + url.QueryEscape(id)
	out.Path = "/console/cases/" + id + "/scope"
	return c.frame.Show(w, r, status, "scope", out)
}

// scopeRun fills in the run that is shown: the newest, or the one that the address names.
func (c *Console) scopeRun(ctx context.Context, who actor.Actor, out *scopeView, q url.Values) error {
	for _, r := range out.Runs {
		if r.Roster != "" {
			out.Made = append(out.Made, r)
		}
	}
	n, _ := strconv.ParseInt(q.Get("run"), 10, 64)
	for i := range out.Runs {
		if r := &out.Runs[i]; out.Run == nil && (n == 0 && r.State != scope.Running || r.Seq == n) {
			out.Run, out.Before = r, scope.Outlook(out.Runs, *r)
		}
	}
	if out.Run == nil {
		return nil
	}
	var err error
	if out.Run.Roster != "" {
		if out.Facts, err = c.Scopes.Proposals(ctx, who, out.Case.ID, out.Run.Seq); err != nil {
			return err
		}
	}
	before, _ := strconv.ParseInt(q.Get("with"), 10, 64)
	if before != 0 && out.Run.Roster != "" {
		d, err := c.Scopes.Compare(ctx, who, out.Case.ID, before, out.Run.Seq)
		if err != nil {
			return err
		}
		out.Compared = &compared{before, out.Run.Seq, d}
	}
	return nil
}

// Newest is the run that made the roster that the incident has; nil where none was made here.
func (v scopeView) Newest() *scope.Run {
	if len(v.Made) == 0 {
		return nil
	}
	return &v.Made[0]
}

// Text is what the rules' field holds: what was entered, where it was refused.
func (v scopeView) Text() string {
	if v.Form.Has("text") {
		return v.Form.Get("text")
	}
	return v.Rules.Text
}

// Theirs reports whether the rules are others than those that the refused form was about.
func (v scopeView) Theirs() bool {
	return v.Form.Has("text") && v.Form.Get("version") != strconv.FormatInt(v.Rules.Seq, 10) && v.Form.Get("text") != v.Rules.Text
}

// Usable are the exports that are there.
func (v scopeView) Usable() []response.Piece {
	return slices.DeleteFunc(slices.Clone(v.Exports), func(p response.Piece) bool { return p.Removed() })
}

// percent is how far something has come.
func percent(done, total int64) int64 {
	if total <= 0 {
		return 0
	}
	return min(100, done*100/total)
}

// moves lists a difference by kind.
type moves struct {
	Kind string
	roster.Moved
}

func movesOf(d roster.Difference) []moves {
	var out []moves
	for _, kind := range slices.Sorted(maps.Keys(d)) {
		out = append(out, moves{string(kind), d[kind]})
	}
	return out
}

var stageWords = map[string]language.Text{"": language.Both("準備しています", "making ready"), "read": language.Both("行を読んでいます", "reading rows"),
	"accounts": language.Both("同じアカウントの行をまとめています", "uniting the rows of accounts"), "identities": language.Both("連絡先をまとめています", "uniting addresses")}

var runWords = map[scope.State]language.Text{scope.Running: language.Both("実行中", "running"), scope.Done: language.Both("終わりました", "done"), scope.Failed: language.Both("できませんでした", "failed"),
	scope.Cancelled: language.Both("取り消し", "cancelled"), scope.Interrupted: language.Both("サーバーが止まり中断", "interrupted: the server ended")}

var kindWords = map[string]language.Text{"email": language.Both("メールアドレス", "e-mail addresses"), "phone": language.Both("電話番号", "telephone numbers"), "account": language.Both("アカウントID", "account ids")}

// scopeFuncs are what templates of a scope can say.
func scopeFuncs(lang language.Lang) map[string]any {
	word := func(words map[string]language.Text, s string) string {
		if w, ok := words[s]; ok {
			return w.In(lang)
		}
		return s
	}
	return map[string]any{
		"stage": func(s string) string { return word(stageWords, s) }, "runstate": func(s scope.State) string { return runWords[s].In(lang) },
		"idkind": func(s string) string { return word(kindWords, s) }, "unit": func(s string) string { return incident.Word(lang, s) },
		"moves": movesOf, "percent": percent, "unreadable": func(code, text string) string { return unreadable(lang, code, text) },
		"classes": func(c []string) string {
			return strings.Join(incident.ClassLabels(lang, c), lang.Pick("、", ", "))
		},
		"oneclass": func(c string) string { return incident.ClassLabel(lang, c) },
		"low":      func(o scope.Outcome) int64 { n, _ := o.Persons(); return n },
		"high":     func(o scope.Outcome) int64 { _, n := o.Persons(); return n },
	}
}

// reasonWords say why a value or a row cannot be read, by its code.
var reasonWords = map[string]string{
	"no-at-sign": "@ がない", "local-part-empty": "@ の前がない", "local-part-too-long": "@ の前が長すぎる", "local-part-not-ascii": "@ の前に全角などの文字がある", "local-part-quoted": "@ の前が引用符で囲まれている",
	"local-part-character": "@ の前に使えない文字がある", "domain-empty": "@ の後ろがない", "domain-no-dot": "@ の後ろに点がない", "domain-character": "@ の後ろに使えない文字がある", "domain-empty-label": "@ の後ろの点が続いている",
	"too-long": "長すぎる", "not-utf8": "文字として読めない", "control-character": "制御文字がある", "phone-invalid": "電話番号の形ではない", "phone-character": "電話番号に使えない文字がある", "phone-no-region": "どの国の番号か分からない",
	"row-too-long": "行が1 MiBより長い", "too-few-fields": "列が足りない", "too-many-fields": "列が多すぎる", "encoding": "文字として読めない", "quote": "引用符の使い方が違う", "quote-open": "引用符が閉じていない",
	"json": "JSONのオブジェクトではない", "json-name-twice": "同じ名前が2度ある", "no-set": "どの「失ったもの」にも当てはまらない", "no-identity": "アドレスも番号もアカウントIDもない", "rule": "条件を計算できない", "empty": "空",
}

func unreadable(lang language.Lang, code, text string) string {
	if lang == language.JA && reasonWords[code] != "" {
		return reasonWords[code]
	}
	return text
}

// scopeWords say why something of a scope was not done.
var scopeWords = []struct {
	err  error
	text language.Text
}{
	{roster.ErrRules, language.Both("規則に誤りがあります。行番号を見て直してください。", "There is a mistake in the rules: see the line.")},
	{files.ErrHeld, language.Both("いま、同じ事案で別の作業が進んでいます。終わってから、もう一度お試しください。",
		"Somebody else is at work on this incident. Please try again when that has ended.")},
	{response.ErrSpace, language.Both("ディスクの空きが足りないため、受け取りませんでした。", "It was not taken in: the disk has not enough room.")},
	{response.ErrArrivals, language.Both("途中まで届いているファイルが多すぎます。どれかの続きを送るか、取り消してください。",
		"Too many files have come in part. Go on with one of them, or give one up.")},
	{response.ErrTooLarge, language.Both("受け取れる大きさを超えています。", "It is larger than is taken in.")},
	{response.ErrRemoved, language.Both("このエクスポートは、もう取り除かれています。", "This export was removed.")},
	{scope.ErrNotDone, language.Both("終わっていない試算からは、名簿を作れません。", "No roster is made of a dry run that has not come to its end.")},
	{scope.ErrStale, language.Both("読んだあとに、ほかの人が規則を保存しました。まだ保存していません。両方を下に示します。",
		"Somebody else has saved rules since you read them. Yours are not saved. Both are below.")},
	{incident.ErrChanged, language.Both("読んだあとに、ほかの人がこの事実を記録しました。まだ何も記録していません。いまの記録を見て、選び直してください。",
		"Somebody else has recorded one of these facts since you read it. Nothing was recorded: look at what is there now, and choose again.")},
	{scope.ErrFolder, language.Both("その名前のファイルは、フォルダーにありません。", "There is no file of that name in the folder.")},
	{closing.ErrHeld, language.Both("法的な保存の指示があるあいだは、取り除けません。終わっていれば、先に「終了」のページで解除してください。", "While a legal hold is on, nothing is removed. Where it has ended, end it first, on the page Closing.")},
	{response.ErrClosed, language.Both("この事案は閉じられています。", "The case is closed.")},
}

// scopeWord is what is said of an error of a scope; false where it is none.
func scopeWord(lang language.Lang, err error) (string, bool) {
	for _, w := range scopeWords {
		if errors.Is(err, w.err) {
			return w.text.In(lang), true
		}
	}
	return "", false
}

// scopeWhy says in the reader's language why something of a scope was not done.
func scopeWhy(lang language.Lang, err error) string {
	said, ok := scopeWord(lang, err)
	if !ok {
		return why(lang, err)
	}
	text := err.Error()
	if h := hint.Of(err); h != "" {
		text += " (" + h + ")"
	}
	return said + lang.Pick("（"+text+"）", " ("+text+")")
}

// scopeFailed are the errors that only a scope meets.
var scopeFailed = web.Mappings{
	{Err: roster.ErrRules, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
	{Err: files.ErrHeld, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: response.ErrSpace, Problem: web.Problem{Status: http.StatusInsufficientStorage}},
	{Err: response.ErrArrivals, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: response.ErrTooLarge, Problem: web.Problem{Status: http.StatusRequestEntityTooLarge}},
	{Err: response.ErrRemoved, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: roster.ErrShredded, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: scope.ErrNotDone, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: scope.ErrStale, Problem: web.Problem{Status: http.StatusConflict}},
	{Err: scope.ErrFolder, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
	{Err: incident.ErrFacts, Problem: web.Problem{Status: http.StatusUnprocessableEntity}},
}
