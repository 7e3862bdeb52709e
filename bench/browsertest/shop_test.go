package browsertest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// steps are those of examples/shop/README.md, which a shell of their own carries out as they stand, but for the ports.
type steps struct {
	*testing.T
	blocks [][]string // by section: what stands between ```sh and ```
	ports  *strings.Replacer
	in     io.Writer
	out    *bufio.Reader
}

var section = regexp.MustCompile("(?s)```sh\n(.*?)```")

// newSteps reads the steps, and starts the shell. Whatever it has begun ends with the test.
func newSteps(t *testing.T) (s *steps, front, shirase string) {
	t.Helper()
	s = &steps{T: t}
	text := string(must(os.ReadFile("../../examples/shop/README.md"))(t))
	for _, part := range strings.Split(text, "\n## ")[1:] {
		var blocks []string
		for _, found := range section.FindAllStringSubmatch(part, -1) {
			blocks = append(blocks, found[1])
		}
		s.blocks = append(s.blocks, blocks)
	}
	var free []string
	for range 5 {
		l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
		defer l.Close() // all are open at once, so that they differ
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		free = append(free, port)
	}
	to := func(from, port string) string { return " -e s/" + from + "/" + port + "/g " }
	turn := to("8080", free[0]) + to("8311", free[1]) + to("3000", free[2])
	s.ports = strings.NewReplacer("8080", free[0], "8311", free[1], "3000", free[2], "3001", free[3], "2525", free[4],
		"cp examples/shop/nginx.conf ", "sed "+turn+" examples/shop/nginx.conf > ", "sed -e 's/listen 443", "sed "+turn+" -e 's/listen 443",
		`shop" --gate-token`, `shop" --listen 127.0.0.1:`+free[2]+" --hooks 127.0.0.1:"+free[3]+" --gate http://127.0.0.1:"+free[1]+" --gate-token",
		`shirase" serve`, `shirase" serve --listen 127.0.0.1:`+free[1])
	shell := exec.Command("bash", "-e")
	shell.Dir = "../.."
	in := must(shell.StdinPipe())(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	shell.Stdout, shell.Stderr = w, w
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	s.in, s.out = in, bufio.NewReader(r)
	t.Cleanup(func() {
		in.Close()
		io.Copy(io.Discard, s.out)
		r.Close()
		if err := shell.Wait(); err != nil {
			t.Errorf("the shell ends with %v", err)
		}
	})
	s.send(`trap 'kill $(cat "$D"/*.pid); examples/shop/mailbox stop "$D/mail"; rm -rf "$D"' EXIT`)
	return s, "127.0.0.1:" + free[0], "127.0.0.1:" + free[1]
}

// send has the shell do something, and gives what it says. It ends the test where a command fails.
func (s *steps) send(script string) string {
	s.Helper()
	const end = "\x01 done"
	if _, err := io.WriteString(s.in, script+"\nprintf '\\n\\001 done\\n'\n"); err != nil {
		s.Fatal(err)
	}
	var said strings.Builder
	for {
		line, err := s.out.ReadString('\n')
		if strings.TrimSuffix(line, "\n") == end {
			return said.String()
		}
		said.WriteString(line)
		if err != nil {
			s.Fatalf("a step fails: %s\n%s", script, &said)
		}
	}
}

// do carries out a step of a section, each counted from 1.
func (s *steps) do(section, step int) string {
	s.Helper()
	if section > len(s.blocks) || step > len(s.blocks[section-1]) {
		s.Fatalf("README.md has no step %d.%d", section, step)
	}
	return s.send(s.ports.Replace(s.blocks[section-1][step-1]))
}

// holds waits until the gate says this of an account. Each time it is asked, it has answered.
func (s *steps) holds(shirase, token, account, want string) {
	s.Helper()
	for got := ""; got != want; {
		req := must(http.NewRequestWithContext(s.Context(), http.MethodPost, "http://"+shirase+"/gate/v1/decide", strings.NewReader(`{"account":"`+account+`","route":"login"}`)))(s.T)
		req.Header.Set("X-Shirase-Token", token)
		res := must(http.DefaultClient.Do(req))(s.T)
		var said struct{ Decision string }
		err := json.NewDecoder(res.Body).Decode(&said)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK {
			s.Fatalf("%s: %v", res.Status, err)
		}
		got = said.Decision
	}
}

// TestShop walks through examples/shop by its own README: a shop behind nginx, whose visitors are in a browser and get their mail from a real
// Postfix, while its accounts are blocked, told, and made to choose a new password; and two of the staff who end it.
func TestShop(t *testing.T) {
	if testing.Short() {
		t.Skip("-short")
	}
	if _, err := os.Stat("/usr/sbin/postfix"); err != nil || os.Geteuid() != 0 {
		t.Skip("postfix is not installed, or this is not root: run ./test as root")
	}
	const stolen, chosen = "umi-to-sora-1975", "midori no densha ga hashiru"
	s, front, shirase := newSteps(t)
	for section := range 4 {
		s.do(section+1, 1)
	}
	dir := strings.TrimSpace(s.send(`echo "$D"`))
	read := func(name string) string {
		return strings.TrimSpace(string(must(os.ReadFile(filepath.Join(dir, name)))(t)))
	}
	token := read("gate-token")
	holds := func(account, want string) { t.Helper(); s.holds(shirase, token, account, want) }

	o := &office{browser: &browser{stage: newStage(t)}, dir: dir, program: filepath.Join(dir, "shirase")}
	_, port, _ := strings.Cut(front, ":")
	shop := "shop.localhost:" + port
	o.host = "notice.localhost:" + port
	through := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: front})
		r.Out.Host = r.In.Host
	}, FlushInterval: -1}
	o.stage.recast(shop, through)
	o.stage.recast(o.host, through)
	o.start(t, findChromium(t))
	visitor := func() *tab {
		p := o.person(t)
		p.host = shop
		return p
	}
	login := func(p *tab, mail, password string) {
		t.Helper()
		p.do(chromedp.Navigate("http://" + shop + "/login"))
		p.write("input[name=mail]", mail)
		p.write("input[name=password]", password)
		p.send("main form button")
	}
	in := func(p *tab, mail string) {
		t.Helper()
		p.at("/account")
		if got := p.text("#who"); got != mail {
			t.Errorf("signed in as %q, not %s", got, mail)
		}
	}
	says := func(p *tab, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if text := p.text("main"); !strings.Contains(text, want) {
				t.Errorf("it does not say %q: %s", want, text)
			}
		}
	}

	answers := func(want int) { // waits until nginx does
		t.Helper()
		for status := 0; status != want; {
			req := must(http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+front+"/", nil))(t)
			req.Host = shop
			res := must(http.DefaultClient.Do(req))(t)
			res.Body.Close()
			status = res.StatusCode
		}
	}

	// Nothing is held.
	old := visitor()
	login(old, "hana@example.jp", stolen)
	in(old, "hana@example.jp")

	// Everything is closed, by nginx alone.
	s.do(5, 1)
	answers(http.StatusServiceUnavailable)
	hana := visitor()
	hana.do(chromedp.Navigate("http://" + shop + "/"))
	says(hana, "メンテナンス中です")

	// The affected are blocked, and nobody else.
	s.do(6, 1)
	answers(http.StatusOK)
	holds("1001", "blocked")
	holds("1003", "allow")
	login(hana, "hana@example.jp", stolen)
	says(hana, "いまはログインできません", "確認が終わるまでお待ちください。")
	hana.shot("shop-blocked")
	hana.do(chromedp.Navigate("http://" + shop + "/account"))
	hana.at("/login")
	login(hana, "hana@example.jp", "not this one")
	says(hana, "メールアドレスかパスワードが違います。")
	ken := visitor()
	login(ken, "ken@example.jp", "hoshi-to-tsuki-1991")
	in(ken, "ken@example.jp")

	// They are told, once.
	s.do(7, 1)
	holds("1001", "notice")
	login(hana, "hana@example.jp", stolen)
	says(hana, "大切なお知らせ", "漏えいした可能性があります。")
	hana.shot("shop-notice")
	hana.send(`form[action="/login/read"] button`)
	in(hana, "hana@example.jp")
	hana.send(`form[action="/logout"] button`)
	login(hana, "hana@example.jp", stolen)
	in(hana, "hana@example.jp")
	if said := s.do(7, 2); !strings.Contains(said, "1 have done what is asked") {
		t.Errorf("who has read it is not counted: %s", said)
	}

	// A new password is wanted.
	s.do(8, 1)
	holds("1001", "reset")
	login(hana, "hana@example.jp", stolen)
	hana.at("/reset/shop-2026")
	if host := eval[string](hana, `location.host`); host != o.host {
		t.Errorf("the reset is at %s", host)
	}
	hana.shot("shop-reset")
	hana.write("input[name=address]", "hana@example.jp")
	hana.send("main form button")
	says(hana, "お手続きを受け付けました。")
	letter := s.do(8, 2)
	if !strings.Contains(letter, "To: <hana@example.jp>") {
		t.Errorf("the mail: %s", letter)
	}
	s.do(8, 3) // HEAD, GET and GET, by a program
	s.do(8, 4)
	for eval[string](old, `location.pathname`) != "/login" { // the order is carried out by the server
		old.do(chromedp.Navigate("http://" + shop + "/account"))
	}
	login(old, "hana@example.jp", stolen)
	says(old, "メールアドレスかパスワードが違います。")

	link := regexp.MustCompile(`http://notice\.localhost:\d+/reset/\S+`).FindString(letter)
	hana.do(chromedp.Navigate(link))
	says(hana, "新しいパスワードを決めてください", "15文字以上")
	hana.shot("shop-new-password")
	hana.write("#password", "short")
	hana.send("main form button")
	says(hana, "このパスワードは使えません。")
	hana.write("#password", chosen)
	hana.send("main form button")
	says(hana, "パスワードを再設定しました")
	hana.shot("shop-reset-done")
	hana.send("a.button")
	hana.at("/login")
	login(hana, "hana@example.jp", chosen)
	in(hana, "hana@example.jp")
	login(old, "hana@example.jp", stolen)
	says(old, "メールアドレスかパスワードが違います。")
	old.do(chromedp.Navigate(link))
	says(old, "このリンクは使えません。")
	if said := s.do(8, 5); !strings.Contains(said, "再設定しました") {
		t.Errorf("no mail confirms it: %s", said)
	}
	holds("1002", "reset")

	// Two of the staff end it, and an addendum is proposed with it.
	var first struct{ First string }
	line, _, _ := strings.Cut(read("shirase.out"), "\n")
	if err := json.Unmarshal([]byte(line), &first); err != nil {
		t.Fatal(err)
	}
	_, secret, ok := strings.Cut(first.First, "#")
	if !ok {
		t.Fatalf("no first link: %s", line)
	}
	o.first = "/console/join#" + secret
	w := &way{T: t, o: o, sato: o.administrator(t), kase: "/console/cases/shop-2026"}
	w.second()
	w.sato.visit(w.kase + "/reset")
	before := len(addenda(t, s))
	form := `form:has(input[value="lift-reset"]) `
	eval[bool](w.sato, fmt.Sprintf(`(document.querySelector(%q).closest("details").open = true)`, form))
	w.sato.send(form + "button")
	w.approve()
	if got := addenda(t, s); len(got) != before+1 {
		t.Errorf("%d addenda are proposed after it was lifted, and before %d", len(got), before)
	}
	for range 2 { // the notice and the reset
		w.sato.visit(w.kase + "/contain")
		w.sato.write(`form[action$="/contain/lift"] input[name=why]`, "終わったため")
		w.sato.send(`form[action$="/contain/lift"] button`)
		w.approve()
	}
	holds("1002", "allow")
	hana.quietAbout("status of 4", "status of 503")
	old.quietAbout("status of 4")

	s.send("trap - EXIT")
	s.do(10, 1)
}

// addenda gives the ids of the proposals to publish that are open.
func addenda(t *testing.T, s *steps) (out []string) {
	t.Helper()
	var said struct {
		Proposals []struct{ ID, Kind, State string }
	}
	if err := json.Unmarshal([]byte(s.send(`shirase proposal list --json`)), &said); err != nil {
		t.Fatal(err)
	}
	for _, p := range said.Proposals {
		if p.Kind == "publish" && p.State == "proposed" {
			out = append(out, p.ID)
		}
	}
	return out
}

// quietAbout takes back what the browser says of answers that are no page of success.
func (p *tab) quietAbout(parts ...string) {
	for _, part := range parts {
		p.expect(part)
	}
}
