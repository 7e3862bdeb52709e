package console

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"shirase/internal/actor"
	"shirase/internal/board"
	"shirase/internal/contain/gate"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/response"
	"shirase/internal/staff"
)

// working has the console follow its cases.
func (d *desk) working() {
	d.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(d.t.Context()))
	var done sync.WaitGroup
	d.t.Cleanup(func() { cancel(); done.Wait() })
	done.Go(func() {
		d.console.Work(ctx, func(err error) {
			if ctx.Err() == nil {
				d.t.Error(err)
			}
		})
	})
}

// facts records facts as they stand in a file.
func (d *desk) facts(id, list string) {
	d.t.Helper()
	file, err := incident.ParseFactsFile("facts.yaml", []byte("id: "+id+"\nzone: \"+09:00\"\nasOf: \"2026-08-20T16:00\"\nfacts:\n"+list))
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := d.incidents.Add(d.t.Context(), actor.Operator(), file); err != nil {
		d.t.Fatal(err)
	}
}

// TestBoardKnows: of a case of which nothing is known, nothing is a figure; and what is recorded stands there.
func TestBoardKnows(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		id := d.declare("<b>事案</b>")
		p := d.hire("鈴木", actor.Reads, actor.Writer)
		page := p.get("/console/cases/" + id + "/board")
		if page.status != http.StatusOK {
			t.Fatal(page.status, page.body)
		}
		for _, want := range []string{"名簿がまだありません", "窓口はまだ開いていません", "まだ何も公表していません", `<b><span class="unknown">未確認</span></b> アカウントが対象`, "この事案で止めたものは、まだありません。", "予告していません",
			"約束はまだありません", "まだ何も決めていません", "&lt;b&gt;事案&lt;/b&gt;", `class="paper-only small">状況報告 · 印刷した人：<b>鈴木</b>`, "対象者の名簿"} {
			if !strings.Contains(page.body, want) {
				t.Errorf("an empty board does not say %s", want)
			}
		}
		d.campaign(id)
		d.facts(id, "  - {key: affected.count, value: 77, unit: accounts, qualifier: exact}\n")
		if _, err := d.cases.Decide(t.Context(), actor.Operator(), id, response.Decision{Question: "止めるか", Decision: "止める"}); err != nil {
			t.Fatal(err)
		}
		page = p.get("/console/cases/" + id + "/board?wall")
		for _, want := range []string{`class="console wall"`, "<b>止める</b>", "「77」→「"} {
			if !strings.Contains(page.body, want) {
				t.Errorf("the wall does not say %s", want)
			}
		}
		if strings.Contains(page.body, "data-palette") || strings.Contains(page.body, "sign-out") {
			t.Error("there is something to press on a wall")
		}
	})
}

// TestBoardLive: each change of a case is told whoever follows its board, once; the board is put together once for all of them; and nobody else hears
// of it.
func TestBoardLive(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.working()
		d.first()
		ctx, by := t.Context(), actor.Operator()
		id, other := d.declare("事案"), d.declare("別の事案")
		p := d.hire("鈴木", actor.None, actor.Writer)
		if err := d.staff.GiveAccess(ctx, by, id, p.id, actor.Reads); err != nil {
			t.Fatal(err)
		}
		for _, at := range []string{"/console/cases/" + other + "/board", "/console/cases/" + other + "/board?part", "/console/cases/none/board?wall"} {
			if a := p.get(at); a.status != http.StatusNotFound || strings.Contains(a.body, "別の事案") {
				t.Errorf("%s: %d", at, a.status)
			}
		}
		if _, status := p.stream(ctx, "?board&case="+other); status != http.StatusNotFound {
			t.Errorf("the stream of a case that is not theirs: %d", status)
		}
		lines, status := p.stream(ctx, "?board&case="+id)
		if status != http.StatusOK {
			t.Fatal(status)
		}
		part := func() string { return p.get("/console/cases/" + id + "/board?part").body }
		campaign := ""
		for _, change := range []struct {
			what, shows string
			do          func()
		}{
			{"a fact", "1,234", func() { d.facts(id, "  - {key: affected.count, value: 1234, unit: accounts, qualifier: exact}\n") }},
			{"a task", "ログを取る", func() {
				if _, err := d.cases.AddTask(ctx, by, id, func(t *response.Task) { t.Title = "ログを取る" }); err != nil {
					t.Fatal(err)
				}
			}},
			{"the gate", "ログイン停止", func() {
				if err := d.gate.Do(ctx, by, gate.KindBlock, id, gate.Asked{Route: "login", State: gate.Closed, Why: "x"}); err != nil {
					t.Fatal(err)
				}
			}},
			{"the desk", "待っている人はいません", func() {
				if err := d.enquiries.SetOpen(ctx, by, id, true); err != nil {
					t.Fatal(err)
				}
			}},
			{"a campaign", "下書き", func() { campaign = d.campaign(id).ID }},
			{"a campaign that begins", "送信中", func() {
				c, err := d.campaigns.Get(ctx, by, campaign)
				if err != nil {
					t.Fatal(err)
				}
				d.begun(c)
			}},
		} {
			change.do()
			for shown := false; !shown; shown = strings.Contains(part(), change.shows) {
				if !changed(lines) {
					t.Fatalf("nobody hears of %s: %s", change.what, d.logged.String())
				}
			}
		}
		for _, at := range []string{"?part", "?wall"} { // what was counted says as of when, also once a campaign is over
			if body := p.get("/console/cases/" + id + "/board" + at).body; !regexp.MustCompile(`連絡で数えています（[0-9:]+ 現在）`).MatchString(body) {
				t.Errorf("%s does not say as of when people were counted", at)
			}
		}
		// Many look at once: one computation, whoever they are, and however often.
		watch, _ := p.stream(ctx, "?board&case="+id)
		version := d.console.live.versions()[id+boardOf]
		part()
		before := d.made.Load()
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() { part() })
		}
		all.Wait()
		if made := d.made.Load() - before; made > 1 && d.console.live.versions()[id+boardOf] == version {
			t.Errorf("8 looks at one board put it together %d times", made)
		}
		_ = watch
	})
}

// TestBoardEnds: whoever follows the board of a case hears that its key was destroyed, by another process too, and is shown nothing of it from then on;
// nor is anything of it left in memory, of one that nobody looks at either.
func TestBoardEnds(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		ctx, by := t.Context(), actor.Operator()
		id, quiet := d.declare("事案"), d.declare("静かな事案")
		p := d.hire("鈴木", actor.Reads, actor.Writer)
		for _, of := range []string{id, quiet} {
			if _, err := d.cases.AddTask(ctx, by, of, func(t *response.Task) { t.Title = "見えてはいけない" }); err != nil {
				t.Fatal(err)
			}
			if a := p.get("/console/cases/" + of + "/board?part&wall"); a.status != http.StatusOK || !strings.Contains(a.body, "見えてはいけない") {
				t.Fatal(a.status, a.body)
			}
		}
		d.working()
		lines, status := p.stream(ctx, "?board&case="+id)
		if status != http.StatusOK || !changed(lines) {
			t.Fatal(status)
		}
		p.get("/console/cases/" + id + "/board?part") // drawn as of the version that is followed
		if err := d.rosters.Shred(ctx, by, id); err != nil {
			t.Fatal(err)
		}
		for _, query := range []string{"?part", "?part&wall", "", "?wall"} {
			if a := p.get("/console/cases/" + id + "/board" + query); a.status != http.StatusConflict || strings.Contains(a.body, "見えてはいけない") {
				t.Errorf("%s: %d: %s", query, a.status, a.body)
			}
		}
		for d.console.live.versions()[id+boardOf] != "" {
			if !changed(lines) {
				t.Fatal("whoever looks at the board does not hear that it ended")
			}
		}
		left := func() (out []string) {
			d.console.boards.mu.Lock()
			defer d.console.boards.mu.Unlock()
			for key := range d.console.boards.drawn {
				out = append(out, key)
			}
			return out
		}
		if all := left(); len(all) != 1 || !strings.HasPrefix(all[0], quiet+" ") {
			t.Errorf("in memory: %q", all)
		}
		d.console.sweepBoards(d.console.now().Add(board.KeptFor))
		if all := left(); len(all) != 0 {
			t.Errorf("in memory, and shown to nobody: %q", all)
		}
	})
}

// TestWallStays: a screen on a wall goes on where whoever has it reads this case and can do nothing anywhere, and is forgotten like any page where
// they can: here, in another case, or of the whole instance.
func TestWallStays(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		ctx := t.Context()
		id, other := d.declare("事案"), d.declare("別の事案")
		given := func(name string, role actor.Role, here, there actor.Access) *person {
			t.Helper()
			p := d.hire(name, actor.None, role)
			for of, access := range map[string]actor.Access{id: here, other: there} {
				if access == actor.None {
					continue
				}
				if err := d.staff.GiveAccess(ctx, actor.Operator(), of, p.id, access); err != nil {
					t.Fatal(err)
				}
			}
			return p
		}
		reader, writer := given("壁", actor.Desk, actor.Reads, actor.None), given("書く人", actor.Writer, actor.Full, actor.None)
		elsewhere, both := given("窓口", actor.Desk, actor.Reads, actor.Contributes), given("二つ", actor.Desk, actor.Reads, actor.Reads)
		auditor, all := d.hire("監査", actor.None, actor.Auditor), d.hire("全部", actor.Reads, actor.Desk)
		seen := func(p *person) (n int64) {
			t.Helper()
			if err := d.db.QueryRowContext(ctx, `SELECT max(seen) FROM staff_session WHERE account = $1`, p.id).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		for _, c := range []struct {
			who   *person
			query string
			stays bool
		}{{reader, "?part&wall", true}, {reader, "?part", false}, {writer, "?part&wall", false}, {elsewhere, "?part&wall", false}, {both, "?part&wall", false}, {auditor, "?part&wall", false}, {all, "?part&wall", false}} {
			if _, err := d.db.ExecContext(ctx, `UPDATE staff_session SET seen = seen - $1 WHERE account = $2`, int64(3_600_000_000), c.who.id); err != nil {
				t.Fatal(err)
			}
			before := seen(c.who)
			a := c.who.do("GET", "/console/cases/"+id+"/board"+c.query, nil, func(r *http.Request) { r.Header.Set("Shirase-Follows", "1") })
			if a.status != http.StatusOK {
				t.Fatal(a.status, a.body)
			}
			if stays := seen(c.who) > before; stays != c.stays {
				t.Errorf("%s by %s: it stays %v", c.query, c.who.id, stays)
			}
		}
	})
}

// TestWallAlone: who finds the keyboard of a screen on a wall sees the board of its case, and nothing else: no page, no file, no form, whatever its
// account may do, until somebody signs in anew.
func TestWallAlone(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		ctx := t.Context()
		id, other := d.declare("事案"), d.declare("別の事案")
		d.evidence(id)
		p := d.hire("壁", actor.None, actor.Desk)
		if err := d.staff.GiveAccess(ctx, actor.Operator(), id, p.id, actor.Reads); err != nil {
			t.Fatal(err)
		}
		at, out := "/console/cases/"+id, "/console/cases/"+id+"/export"
		if a := p.post(out, url.Values{}); a.status != http.StatusOK || a.header.Get("Content-Type") != "application/zip" {
			t.Fatalf("before it hangs anywhere: %d", a.status) // else nothing that follows says anything
		}
		if a := p.get(at + "/board?wall"); a.status != http.StatusOK {
			t.Fatal(a.status, a.body)
		}
		entries := func() int64 {
			k, err := d.cases.Get(ctx, actor.Server(), id)
			if err != nil {
				t.Fatal(err)
			}
			return k.Entries
		}
		before, tried := entries(), 0
		for _, far := range []bool{false, true} { // also once the account may do more
			for _, route := range d.console.table() {
				method, path, _ := strings.Cut(route.pattern, " ")
				if route.open || route.onWall {
					continue
				}
				tried++
				path = strings.NewReplacer("{id}", id, "{$}", "").Replace(path)
				path = regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(path, "x")
				var form url.Values
				if method == "POST" {
					form = url.Values{"id": {"1"}, "to": {"me"}, "why": {"x"}, "file": {"x"}}
				}
				a := p.do(method, path, form, nil)
				if a.status != http.StatusForbidden || a.header.Get("Content-Disposition") != "" || !strings.Contains(a.body, "ボードだけ") || strings.Contains(a.body, "<main") && !strings.Contains(a.body, `href="`+at+`/board?wall"`) {
					t.Errorf("%s by a screen on a wall: %d", route.pattern, a.status)
				}
			}
			d.console.OIDC = &staff.Provider{Issuer: "https://id.example", ClientID: "shirase", Secret: "secret", Back: base + "/console/oidc/back"}
			for _, path := range []string{"/console/oidc", "/console/oidc/back"} { // it would let back in whoever asks
				if a := p.do("GET", path, nil, func(r *http.Request) { r.Header.Set("Sec-Fetch-Dest", "document") }); a.status != http.StatusForbidden || !strings.Contains(a.body, "ボードだけ") {
					t.Errorf("%s by a screen on a wall: %d", path, a.status)
				}
			}
			d.console.OIDC = nil
			for _, query := range []string{"", "?wall", "?case=" + id} {
				if a := p.get("/console/cases/" + other + "/board" + query); a.status != http.StatusForbidden {
					t.Errorf("the board of another case, %q, by a screen on a wall: %d", query, a.status)
				}
			}
			for _, query := range []string{"", "?case=" + other} {
				if _, status := p.stream(ctx, query); status != http.StatusForbidden {
					t.Errorf("the stream of %q by a screen on a wall: %d", query, status)
				}
			}
			if _, status := p.stream(ctx, "?board&case="+id); status != http.StatusOK {
				t.Errorf("the stream of its board: %d", status)
			}
			if n := entries(); !far && n != before {
				t.Errorf("%d entries of the case's record are by a screen on a wall", n-before)
			}
			if err := d.staff.GiveAccess(ctx, actor.Operator(), id, p.id, actor.Full); err != nil {
				t.Fatal(err)
			}
		}
		if tried < 200 {
			t.Errorf("only %d addresses were tried", tried)
		}
		for _, query := range []string{"", "?wall", "?part", "?part&wall"} {
			if a := p.get(at + "/board" + query); a.status != http.StatusOK {
				t.Errorf("the board itself, %q: %d", query, a.status)
			}
		}
		if a := p.post("/console/sign-out", url.Values{}); a.status != http.StatusSeeOther {
			t.Errorf("sign out: %d", a.status)
		}
		if a := p.signIn(); a.status != http.StatusOK {
			t.Fatalf("sign in anew: %d", a.status)
		}
		if a := p.get(at); a.status != http.StatusOK {
			t.Errorf("who has signed in anew: %d", a.status)
		}
	})
}

// TestPunctuation: outside what is said in each language no template writes in one: a reader of English meets no full-width colon.
func TestPunctuation(t *testing.T) {
	action := regexp.MustCompile("(?s)\\{\\{(?:\"(?:\\\\.|[^\"\\\\])*\"|`[^`]*`|[^\"`])*?\\}\\}")
	entries, err := embedded.ReadDir("templates")
	if err != nil || len(entries) < 30 {
		t.Fatal(len(entries), err)
	}
	for _, e := range entries {
		text, err := embedded.ReadFile("templates/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if left := action.ReplaceAllString(string(text), ""); strings.ContainsAny(left, "：（）「」、。！？") {
			t.Errorf("%s punctuates for readers of Japanese alone: %s", e.Name(), strings.Join(strings.FieldsFunc(left, func(r rune) bool { return r < 0x3000 }), " "))
		}
	}
	page, err := embedded.ReadFile("templates/situation.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, literal := range []string{"公の言葉", "言葉は一つ", "走っている期限", "未読"} {
		if strings.Contains(string(page), literal) {
			t.Errorf("the board says %s", literal)
		}
	}
}

// TestOneLanguage: what a playbook and the server record in both languages is shown in the reader's, on the board, among the cases and on the
// pages of a case, whatever marks or names stand in it.
func TestOneLanguage(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		d.first()
		ctx, by := t.Context(), actor.Operator()
		p := d.hire("鈴木", actor.Full, actor.Commander)
		k, err := d.cases.Declare(ctx, by, response.Declaration{ID: "intrusion", Title: "侵入", Organisation: "例示", Known: moment(t, "2026-08-20T10:09+09:00"), Playbook: "account-database"})
		if err != nil {
			t.Fatal(err)
		}
		// A task of somebody's, with a colon in English; a decision by an option; a promise, a note and an event of the server's.
		if _, err := d.cases.ChangeTask(ctx, by, k.ID, k.Tasks[0].ID, k.Tasks[0].Version, func(t *response.Task) { t.Owner = "p-x" }); err != nil {
			t.Fatal(err)
		}
		if _, err := d.cases.Decide(ctx, by, k.ID, response.Decision{Of: k.Questions[0].ID, Decision: "全員を止める / Block everybody"}); err != nil {
			t.Fatal(err)
		}
		record := language.Both("配信「お知らせ」を始めた", "Began to send “お知らせ”").Record()
		if _, err := d.cases.AddNote(ctx, by, k.ID, response.Note{Text: record}); err != nil {
			t.Fatal(err)
		}
		if _, err := d.cases.AddEvent(ctx, by, k.ID, response.Event{At: "2026-08-20T10:09+09:00", Text: record}); err != nil {
			t.Fatal(err)
		}
		at := "/console/cases/" + k.ID
		for _, c := range []struct{ at, ja, en string }{
			{"/console/", "担当がいません：ログとディスクの写しを取り、保全する", "Nobody does this yet: Preserve logs and images of disks"},
			{at, "侵入の経路を断つ（サーバーの切り離し、鍵と資格情報の無効化）", "Cut the way in: isolate servers, revoke keys and credentials"},
			{at, "決めること：パスワードの再設定を全員に求めるか", "To decide: Does everybody have to set a new password?"},
			{at, "配信「お知らせ」を始めた", "Began to send “お知らせ”"},
			{at + "/board", "侵入の経路を断つ（サーバーの切り離し、鍵と資格情報の無効化）", "Cut the way in: isolate servers, revoke keys and credentials"},
			{at + "/board", "全員を止める", "Block everybody"},
			{at + "/board", "決めること：パスワードの再設定を全員に求めるか", "To decide: Does everybody have to set a new password?"},
			{at + "/decisions", "全員を止める", "Block everybody"},
			{at + "/timeline", "配信「お知らせ」を始めた", "Began to send “お知らせ”"},
			{at + "/closing", "全員を止める", "Block everybody"},
		} {
			ja, en := p.get(c.at+"?lang=ja"), p.get(c.at+"?lang=en")
			for _, x := range []struct {
				page         answer
				want, unwant string
			}{{ja, c.ja, c.en}, {en, c.en, c.ja}} {
				text := html.UnescapeString(regexp.MustCompile(`(?s)<(?:option|textarea|input)[^>]*>[^<]*`).ReplaceAllString(x.page.body, "")) // what is changed is changed whole
				if x.page.status != http.StatusOK || !strings.Contains(text, x.want) || strings.Contains(text, x.unwant) {
					t.Errorf("%s: %d, says %q %v and %q %v", c.at, x.page.status, x.want, strings.Contains(text, x.want), x.unwant, strings.Contains(text, x.unwant))
				}
			}
		}
	})
}
