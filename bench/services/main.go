// Command services measures "My services" as a person has it: 500 logins of an export against a list of 5,000 incidents, in a
// Chromium as wide and as slow as a telephone; and what the list takes to download.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"shirase/bench/figure"
	"shirase/bench/served"
	"shirase/check"
	"shirase/internal/services"
	"shirase/internal/site"
	"shirase/internal/web"
)

// What is measured, and how a telephone is made of this machine: a Moto G of the middle class, as Lighthouse has it.
const (
	incidents = 5000
	logins    = 500
	slower    = 4 // times
	most      = 200
	mostBytes = 200_000
)

func main() {
	if err := run(figure.Parse()); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// words are what made-up names are made of.
var words = strings.Fields(`north river cedar harbor bright silver maple cloud stone market travel garden medical school union
	pacific express digital smart home energy credit insurance motor sport music photo hotel ticket 東京 大阪 名古屋 北海道 福岡 みどり さくら あおぞら
	日本 中央 第一 商店 銀行 病院 大学 電力 通信 交通 保険 出版 食品 工業 運輸 不動産 サービス システム ネット ショップ カード ポイント`)

// made makes a list as an archive of the press, of data sets and of notices has it: names in one language or two, some domains, some times.
func made() []services.Item {
	r := mathrand.New(mathrand.NewPCG(1, 2))
	word := func() string { return words[r.IntN(len(words))] }
	latin := func() string { return words[r.IntN(30)] }
	classes := []string{"email", "email name password:hashed", "address birth-date email name phone", "name", "email ip-address nickname password:hashed", "address name phone purchase-history",
		"health name", "email name payment-card payment-card:code phone", "address birth-date name national-id:ssn", "bank-account name"}
	var out []services.Item
	for n := range incidents {
		at := time.Date(2007+r.IntN(19), time.Month(1+r.IntN(12)), 1+r.IntN(28), 0, 0, 0, 0, time.UTC)
		it := services.Item{Organisation: fmt.Sprintf("%s-%s-%d", latin(), latin(), n), Classes: classes[r.IntN(len(classes))], Disclosed: at.Format("2006-01-02Z")}
		switch {
		case n%5 == 0: // as Have I Been Pwned has them
			name := strings.ToUpper(latin()[:1]) + latin() + latin()
			it.ID, it.Names, it.Domains = fmt.Sprintf("hibp-%s-%d", strings.ToLower(name), n), []string{name}, []string{fmt.Sprintf("%s%d.com", strings.ToLower(name), n)}
			it.Since, it.Disclosed = "~"+at.Format("2006-01-02Z"), ""
		case n%5 == 1: // as an attorney general has them
			name := fmt.Sprintf("%s %s %s, Inc.", latin(), latin(), latin())
			it.ID, it.Names, it.Since, it.Over = fmt.Sprintf("washington-%d", 10000+n), []string{name}, at.AddDate(0, -3, 0).Format("2006-01-02Z"), at.Unix()
		default: // as the press and notices have them
			ja := word() + word() + word()
			it.ID = fmt.Sprintf("jp-%d-%d", at.Year(), n)
			it.Names = []string{ja + "株式会社", latin() + " " + latin() + " Co., Ltd.", ja}
			if r.IntN(3) == 0 {
				it.Domains = []string{fmt.Sprintf("%s-%s%d.co.jp", latin(), latin(), n)}
			}
			it.Over = at.Unix()
		}
		out = append(out, it)
	}
	return out
}

// export is one of Firefox's: half of its sites are in the list.
func export(items []services.Item) string {
	r := mathrand.New(mathrand.NewPCG(3, 4))
	var b strings.Builder
	b.WriteString(`"url","username","password","httpRealm","formActionOrigin","guid","timeCreated","timeLastUsed","timePasswordChanged"` + "\n")
	for n := range logins {
		host := fmt.Sprintf("login.%s%d.example.com", words[r.IntN(30)], n)
		if it := items[r.IntN(len(items))]; len(it.Domains) > 0 {
			host = "login." + it.Domains[0]
		}
		fmt.Fprintf(&b, "\"https://%s/signin\",\"me@example.org\",\"%d\",\"\",\"https://%s\",\"{%d}\",\"1300000000000\",\"1300000000000\",\"%d\"\n", host, n, host, n, 1300000000000+r.Int64N(400000000000))
	}
	return b.String()
}

// host serves the page and a list under a ledger of its own.
func host(list []byte) (*httptest.Server, error) {
	skey, vkey, err := note.GenerateKey(rand.Reader, "bench.example/shirase")
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		return nil, err
	}
	head := fmt.Appendf(nil, `{"bytes":%d,"incidents":%d,"list":"%s","time":"2026-01-01T00:00:00Z","v":1}`, len(list), incidents, services.Hash(list))
	root := tlog.RecordHash(check.Leaf(check.KindServices, head))
	checkpoint, err := note.Sign(&note.Note{Text: "bench.example/shirase\n1\n" + base64.StdEncoding.EncodeToString(root[:]) + "\n"}, signer)
	if err != nil {
		return nil, err
	}
	reply, err := json.Marshal(map[string]string{"head": base64.RawURLEncoding.EncodeToString(head), "proof": "c2sp.org/tlog-proof@v1\nindex 0\n\n" + string(checkpoint)})
	if err != nil {
		return nil, err
	}
	pages, err := site.New(site.Options{LedgerKey: vkey})
	if err != nil {
		return nil, err
	}
	content := web.NewContent("text/plain; charset=utf-8", "public, immutable", "", list).ForMany()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /services/v1/head", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(reply)
	})
	mux.HandleFunc("GET /services/v1/lists/"+services.Hash(list), func(w http.ResponseWriter, r *http.Request) { content.Serve(w, r, http.StatusOK) })
	mux.Handle("/", pages)
	return httptest.NewServer(mux), nil
}

func run(o figure.Options) error {
	items := made()
	list, err := services.Encode(items)
	if err != nil {
		return err
	}
	changed := slices.Clone(items)
	for i := range 20 {
		changed[i*7].Over++
	}
	after, err := services.Encode(changed)
	if err != nil {
		return err
	}
	change, err := services.Change(list, after)
	if err != nil {
		return err
	}
	o.Print(figure.Figure{Name: "the list of 5,000 incidents", Value: float64(len(list)), Unit: "bytes"})
	o.Print(figure.Figure{Name: "one download of it (brotli)", Value: float64(squeezed(list)), Unit: "bytes", Goal: fmt.Sprintf("<= %d", mostBytes)})
	o.Print(figure.Figure{Name: "what 20 changed incidents take (brotli)", Value: float64(squeezed(change)), Unit: "bytes"})
	server, err := host(list)
	if err != nil {
		return err
	}
	defer server.Close()
	times := 9
	if o.Quick {
		times = 5
	}
	load, matched, err := measure(server.URL, export(items), times)
	if err != nil {
		return err
	}
	o.Print(figure.Figure{Name: "the list verified, read and indexed, on a telephone", Value: load, Unit: "ms"})
	o.Print(figure.Figure{Name: "500 logins against 5,000 incidents, on a telephone", Value: matched, Unit: "ms", Goal: fmt.Sprintf("<= %d", most)})
	return nil
}

func squeezed(b []byte) int {
	var z bytes.Buffer
	w := brotli.NewWriterLevel(&z, 6) // as web.Content has it
	w.Write(b)
	w.Close()
	return z.Len()
}

func measure(url, file string, times int) (load, matched float64, err error) {
	dir, err := os.MkdirTemp("", "services")
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "logins.csv")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		return 0, 0, err
	}
	chromium, err := served.Chromium()
	if err != nil {
		return 0, 0, err
	}
	allocated, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU)...)
	defer stop()
	ctx, cancel := chromedp.NewContext(allocated)
	defer cancel()
	ctx, end := context.WithTimeout(ctx, 5*time.Minute)
	defer end()
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		return 0, 0, err
	}
	if _, err := chromedp.Call(ctx, emulation.SetCPUThrottlingRate, emulation.SetCPUThrottlingRateParams{Rate: slower}); err != nil {
		return 0, 0, err
	}
	if _, err := chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: 360, Height: 800, DeviceScaleFactor: 3, Mobile: true}); err != nil {
		return 0, 0, err
	}
	if err := chromedp.Do(ctx, chromedp.Navigate(url+"/services?lang=ja"), chromedp.WaitEnabled(chromedp.CSS("[data-submit]"))); err != nil {
		return 0, 0, err
	}
	read := func(name string) ([]float64, error) {
		return chromedp.Run(ctx, chromedp.Evaluate[[]float64](fmt.Sprintf(`performance.getEntriesByName(%q).map(e => e.duration)`, name)))
	}
	loads, err := read("list")
	if err != nil || len(loads) == 0 {
		return 0, 0, fmt.Errorf("the list was not read: %v", err)
	}
	if err := chromedp.Do(ctx, chromedp.SetUploadFiles(chromedp.CSS("[data-file]"), []string{path}), chromedp.WaitReady(chromedp.CSS("[data-results] [data-shown]"))); err != nil {
		return 0, 0, err
	}
	for range times - 1 {
		if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`(document.querySelector("[data-submit]").click(), true)`)); err != nil { // it is done when it returns
			return 0, 0, err
		}
	}
	all, err := read("match")
	if err != nil || len(all) == 0 {
		return 0, 0, fmt.Errorf("nothing was matched: %v", err)
	}
	return loads[0], slices.Max(all), nil
}
