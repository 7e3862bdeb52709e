// Command search measures searches of an archive of generated incidents: texts in both languages, facets, orders and
// pages, mixed, with a fresh process's empty caches at the start, on SQLite, and on PostgreSQL where one is given.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"shirase/bench/figure"
	"shirase/internal/actor"
	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/language"
	"shirase/internal/store"
)

func main() {
	postgres := flag.String("postgres", os.Getenv("SHIRASE_BENCH_POSTGRES"), "URL of a PostgreSQL database in which a schema may be made and dropped")
	embedded := flag.Bool("sqlite", true, "measure SQLite too")
	n := flag.Int("n", 0, "incidents to generate; 0: 100,000, with --quick 10,000")
	o := figure.Parse()
	size, queries := 100_000, 4_000
	if o.Quick {
		size, queries = 10_000, 1_500
	}
	if *n > 0 {
		size = *n
	}
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "shirase-search")
	figure.Check(err)
	defer os.RemoveAll(dir)
	if *embedded {
		measure(ctx, o, "SQLite", "sqlite:"+filepath.Join(dir, "search.db"), size, queries)
	}
	if *postgres == "" {
		return
	}
	u, err := url.Parse(*postgres)
	figure.Check(err)
	admin, err := store.Open(ctx, *postgres)
	figure.Check(err)
	schema := fmt.Sprintf("bench_search_%d", os.Getpid())
	_, err = admin.ExecContext(ctx, "CREATE SCHEMA "+schema)
	figure.Check(err)
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	measure(ctx, o, "PostgreSQL", u.String(), size, queries)
	_, err = admin.ExecContext(ctx, "DROP SCHEMA "+schema+" CASCADE")
	figure.Check(err)
	figure.Check(admin.Close())
}

func measure(ctx context.Context, o figure.Options, engine, url string, size, queries int) {
	db, err := store.Open(ctx, url)
	figure.Check(err)
	defer db.Close()
	filling, _ := open(ctx, db)
	start := time.Now()
	g := generator{rand.New(rand.NewPCG(7, 11))}
	i := 0
	_, err = filling.Import(ctx, actor.Operator(), func() (incident.Record, error) {
		if i == size {
			return incident.Record{}, io.EOF
		}
		f := g.incident(i)
		i++
		return incident.Record{Dataset: "made", ExternalID: f.ID, ID: f.ID, Facts: f.Facts}, nil
	}, incident.ImportOptions{Reject: func(row *incident.RowError) error { return row }})
	figure.Check(err)
	o.Print(figure.Figure{Name: engine + ": incidents recorded and indexed a second", Value: float64(size) / time.Since(start).Seconds(), Unit: "1/s"})
	if engine == "PostgreSQL" {
		_, err = db.ExecContext(ctx, "ANALYZE")
		figure.Check(err)
	}

	_, room := open(ctx, db) // a new process: nothing is held in memory yet
	s := room.Public()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start = time.Now()
	_, err = s.Search(ctx, archive.Query{})
	figure.Check(err)
	o.Print(figure.Figure{Name: engine + ": the first search of a process", Value: ms(time.Since(start)), Unit: "ms"})

	type timed struct {
		took time.Duration
		q    archive.Query
	}
	var all []timed
	byKind := map[string][]time.Duration{}
	found := 0
	for range queries {
		kind, q := g.query()
		start := time.Now()
		res, err := s.Search(ctx, q)
		took := time.Since(start)
		figure.Check(err)
		if res.Total > 0 {
			found++
		}
		all = append(all, timed{took, q})
		byKind[kind] = append(byKind[kind], took)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(s)
	o.Print(figure.Figure{Name: engine + ": the first search of a process, of a text", Value: ms(cold(ctx, db, func(s *archive.View) error {
		_, err := s.Search(ctx, archive.Query{Text: "京都"})
		return err
	})), Unit: "ms"})
	o.Print(figure.Figure{Name: engine + ": what serve reads in the background when it starts", Value: ms(cold(ctx, db, func(s *archive.View) error {
		return s.Warm(ctx)
	})), Unit: "ms"})
	if found < queries*3/4 {
		figure.Check(fmt.Errorf("only %d of %d searches found anything", found, queries))
	}
	var took []time.Duration
	for _, t := range all {
		took = append(took, t.took)
	}
	label := fmt.Sprintf("%s, %d incidents: ", engine, size)
	o.Print(figure.Figure{Name: label + "median", Value: ms(quantile(took, .5)), Unit: "ms"})
	o.Print(figure.Figure{Name: label + "p99", Value: ms(quantile(took, .99)), Unit: "ms", Goal: "<= 30"})
	for _, kind := range slices.Sorted(mapKeys(byKind)) {
		o.Print(figure.Figure{Name: label + "p99 of " + kind, Value: ms(quantile(byKind[kind], .99)), Unit: "ms"})
	}
	o.Print(figure.Figure{Name: engine + ": held in memory", Value: (float64(after.HeapAlloc) - float64(before.HeapAlloc)) / (1 << 20), Unit: "MiB"})
	slices.SortFunc(all, func(a, b timed) int { return int(b.took - a.took) })
	for _, t := range all[:5] {
		fmt.Fprintf(os.Stderr, "slowest: %6.1f ms  %s\n", ms(t.took), t.q.Values().Encode())
	}
}

// open opens both rooms as the program does.
func open(ctx context.Context, db *store.DB) (*incident.Incidents, *archive.Archive) {
	incidents, err := incident.New(ctx, db, archive.Changed)
	figure.Check(err)
	room, err := archive.New(ctx, db, incidents)
	figure.Check(err)
	return incidents, room
}

// cold times do with a room that holds nothing in memory yet.
func cold(ctx context.Context, db *store.DB, do func(s *archive.View) error) time.Duration {
	_, s := open(ctx, db)
	start := time.Now()
	figure.Check(do(s.Public()))
	return time.Since(start)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func quantile(d []time.Duration, p float64) time.Duration {
	s := slices.Sorted(slices.Values(d))
	return s[min(len(s)-1, int(p*float64(len(s))))]
}

func mapKeys(m map[string][]time.Duration) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// generator makes incidents and searches from one stream of chance.
type generator struct{ r *rand.Rand }

var (
	places = strings.Fields("札幌 仙台 東京 横浜 千葉 埼玉 新潟 金沢 静岡 名古屋 京都 大阪 神戸 奈良 岡山 広島 高松 松山 福岡 熊本 鹿児島 那覇 旭川 盛岡 秋田 山形 福島 水戸 宇都宮 前橋 甲府 長野 岐阜 津 大津 和歌山 鳥取 松江 山口 徳島 高知 佐賀 長崎 大分 宮崎")
	trades = []struct {
		ja, en, sector string
	}{{"銀行", "Bank", "finance"}, {"病院", "Hospital", "health"}, {"大学", "University", "education"}, {"市役所", "City", "government"},
		{"商店", "Store", "retail"}, {"オンライン", "Online", "internet"}, {"ソフト", "Soft", "software"}, {"通信", "Telecom", "telecom"},
		{"出版", "Press", "media"}, {"ゲームス", "Games", "games"}, {"観光", "Travel", "travel"}, {"運輸", "Transport", "transport"},
		{"製作所", "Works", "manufacturing"}, {"建設", "Build", "construction"}}
	syllables = strings.Fields("ka ki ku ke ko sa shi su se so ta chi tsu te to na ni no ha hi fu ho ma mi mu me mo ya yu yo ra ri ru re ro wa")
	kana      = strings.Fields("カ キ ク ケ コ サ シ ス セ ソ タ チ ツ テ ト ナ ニ ノ ハ ヒ フ ホ マ ミ ム メ モ ヤ ユ ヨ ラ リ ル レ ロ ワ")
	causes    = []struct{ word, ja, en string }{{"intrusion", "不正アクセス", "Unauthorised access"}, {"ransomware", "ランサムウェア被害", "Ransomware"},
		{"misdirected-mail", "メールの誤送信", "A misdirected mail"}, {"lost-media", "USBメモリーの紛失", "A lost memory stick"},
		{"web-skimming", "決済画面の改ざん", "Web skimming"}, {"credential-stuffing", "不正ログイン", "Credential stuffing"},
		{"misconfiguration", "設定の誤り", "A misconfiguration"}, {"insider", "元従業員による持ち出し", "Taken by a former employee"}}
	classes   = strings.Fields("email password password:hashed name address phone birth-date payment-card nickname health account-id bank-account purchase-history")
	countries = strings.Fields("JP JP JP JP US US GB DE KR FR AU")
	doings    = []language.Text{{JA: "対象の方に個別にご連絡し、専用の相談窓口を設けました。", EN: "Those affected were told one by one, and a desk was set up for them."},
		{JA: "外部の専門機関に調査を依頼し、侵入の経路を特定しました。", EN: "An outside firm was asked to investigate, and found how the intruder came in."},
		{JA: "個人情報保護委員会に報告し、警察に相談しています。", EN: "The regulator was informed and the police were consulted."},
		{JA: "すべての会員のパスワードを初期化し、再設定をお願いしています。", EN: "All passwords were reset, and members are asked to choose new ones."},
		{JA: "委託先の管理体制を見直し、再発の防止に取り組みます。", EN: "The supervision of contractors is being reviewed so that it does not happen again."},
		{JA: "紛失した書類を捜索していますが、発見に至っていません。", EN: "The lost papers are being searched for and have not been found."},
		{JA: "該当する宛先に電話し、受け取ったメールの削除をお願いしました。", EN: "Those who received the mail by mistake were telephoned and asked to delete it."},
		{JA: "カード会社と連携し、不正な利用がないか監視を続けています。", EN: "Together with the card companies, transactions are watched for fraud."},
		{JA: "脆弱性を修正し、同じ仕組みを使うほかのサイトも点検しました。", EN: "The flaw was mended, and other sites built in the same way were examined."},
		{JA: "暗号化されたサーバーを切り離し、予備の環境で業務を続けています。", EN: "Encrypted servers were taken off the network, and work goes on in a spare environment."},
		{JA: "退職した者が在職中に持ち出した名簿を回収しました。", EN: "A list taken by someone who has since left was recovered."},
		{JA: "公開の範囲を誤った設定を直し、検索エンジンに削除を申請しました。", EN: "The setting that had made files public was put right, and search engines were asked to forget them."},
		{JA: "店頭と書面でもおわびし、再発行の手数料は当社が負担します。", EN: "Apologies were made in shops and by letter, and replacement fees are borne by the company."}}
)

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// name is an invented word, the same in kana and in letters.
func (g generator) name() (ja, en string) {
	for range 3 + g.r.IntN(2) {
		i := g.r.IntN(len(syllables))
		ja, en = ja+kana[i], en+syllables[i]
	}
	return ja, strings.ToUpper(en[:1]) + en[1:]
}

func (g generator) incident(i int) *incident.FactsFile {
	r := g.r
	place, trade, cause := pick(r, places), pick(r, trades), pick(r, causes)
	ja, en := g.name()
	day := time.Date(2005, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, r.IntN(21*365))
	at := func(days int) incident.Moment {
		return incident.Moment{Time: day.AddDate(0, 0, days), Precision: incident.Day}
	}
	both := func(ja, en string) language.Text { return language.Text{JA: ja, EN: en} }
	f := &incident.FactsFile{ID: fmt.Sprintf("made-%06d", i)}
	add := func(key, item string, v incident.Value) {
		f.Facts = append(f.Facts, incident.Fact{Key: key, Item: item, Value: v, Certainty: incident.Confirmed, AsOf: at(9)})
	}
	add("organisation", "", incident.Value{Text: both(place+ja+trade.ja+"株式会社", en+" "+trade.en+" Inc.")})
	add("title", "", incident.Value{Text: both(ja+trade.ja+"における"+cause.ja+"のお知らせ", cause.en+" at "+en+" "+trade.en)})
	add("sector", "", incident.Value{Word: trade.sector})
	add("country", "", incident.Value{Word: pick(r, countries)})
	add("cause", "", incident.Value{Word: cause.word})
	add("discovered", "", incident.Value{Time: at(0)})
	add("disclosed", "", incident.Value{Time: at(r.IntN(60))})
	if r.IntN(5) > 0 {
		count := int64(1) << r.IntN(24)
		add("affected.count", "", incident.Value{Number: &count, Unit: "persons", Qualifier: "exact"})
	}
	for _, j := range r.Perm(len(classes))[:1+r.IntN(4)] {
		add("data-class", classes[j], incident.Value{Word: classes[j]})
	}
	if r.IntN(4) == 0 {
		add("certification", "a", incident.Value{Text: both("プライバシーマーク", "PrivacyMark")})
	}
	for j := range 1 + r.IntN(3) {
		doing := pick(r, doings)
		add("action", fmt.Sprint("a", j), incident.Value{Text: both(place+"本社では、"+doing.JA, doing.EN), Status: "taken", Time: at(j)})
	}
	return f
}

// query is what somebody might ask, with its kind.
func (g generator) query() (string, archive.Query) {
	r := g.r
	var q archive.Query
	kind := ""
	switch n := r.IntN(100); {
	case n < 15:
		kind = "the whole archive, in pages and orders"
	case n < 35:
		kind = "facets alone"
		q.Years = []int{2005 + r.IntN(21)}
		if r.IntN(2) == 0 {
			q.Causes = []string{pick(r, causes).word}
		}
		if r.IntN(2) == 0 {
			q.Classes = []string{pick(r, classes), pick(r, classes)}
		}
	case n < 50:
		kind = "a place, two characters and more"
		q.Text = pick(r, places)
	case n < 65:
		kind = "a name, or its beginning"
		ja, en := g.name()
		if q.Text = string([]rune(ja)[:3]); r.IntN(2) == 0 {
			q.Text = en[:4]
		}
	case n < 80:
		kind = "several words"
		q.Text = pick(r, places) + " " + pick(r, causes).ja
		if r.IntN(3) == 0 {
			q.Text = strings.ToLower(pick(r, causes).en) + " " + pick(r, trades).en
		}
	case n < 90:
		kind = "text and facets"
		q.Text, q.Years, q.Countries = pick(r, trades).ja, []int{2005 + r.IntN(21), 2005 + r.IntN(21)}, []string{"JP", "US"}
	case n < 95:
		kind = "a sentence's piece"
		q.Text = string([]rune(pick(r, doings).JA)[2:10])
		if r.IntN(2) == 0 {
			q.Text = `"found how the intruder"`
		}
	case n < 98:
		kind = "one character"
		q.Text = pick(r, strings.Fields("京 東 金 a s カ 大 銀"))
	default:
		kind = "what most incidents have"
		q.Text = pick(r, strings.Fields("株式会社 お知らせ the 個人情報 inc"))
	}
	q.Sort = pick(r, []string{"", "", "", archive.Newest, archive.Largest, archive.Oldest})
	if r.IntN(4) == 0 {
		q.Limit = 50
	}
	return kind, q
}
