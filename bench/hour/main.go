// Command hour has the traffic of a campaign's first hour come to an instance, through nginx as examples/nginx.conf has it: those who open the
// mail read the page of the incident, some of them open the check, and some ask for a link to reset their password. Visitors come whether or
// not those before them have been answered, each from an address of their own.
//
// The model: 1,692,496 mails leave within an hour. One in four is ever opened, after 30 minutes on average (exponentially); so in the minute t
// of the hour there are 1692496/3600 * 0.25 * (1 - exp(-t/30)) openers a second: 18 in the fifth, 46 in the fifteenth, 74 in the thirtieth,
// 102 in the last. Of openers, all load the page of the incident with its style, 40 % the page of the check with its programs and the
// statement, and 50 % the page of the reset, of whom all ask for a link. After the hour is over the rate is doubled until something gives.
//
// What a check asks of the evaluator is measured by bench/evaluate, and what a reset asks of the connector by bench/reset.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"shirase/bench/figure"
	"shirase/bench/load"
	"shirase/bench/served"
	"shirase/internal/reach/smtptest"
)

const (
	mails    = 1_692_496
	opened   = 0.25 // of the mails, ever
	after    = 30   // minutes, on average
	checks   = 0.4  // of those who open
	resets   = 0.5
	incident = "naver-2013"
	slow     = time.Second // a step whose p99 is above it has given way
	lost     = 0.01        // and one of which so many are not answered as they should be
)

// openers is how many open their mail in a second of a minute of the first hour.
func openers(minute float64) float64 {
	return mails / 3600.0 * opened * (1 - math.Exp(-minute/after))
}

func main() {
	o := figure.Parse()
	front, at, nginx, demo, end := stand()
	defer end()
	v := &visitors{front: front, host: at, assets: map[string][]string{}}
	for _, page := range []string{"/incidents/" + incident, "/", "/reset/" + incident} {
		figure.Check(v.learn(page))
	}
	minutes, lasts := []float64{5, 15, 30, 60}, time.Minute
	if o.Quick {
		minutes, lasts = []float64{60}, 8*time.Second
	}
	for _, m := range minutes {
		if why := v.step(o, fmt.Sprintf("minute %.0f", m), openers(m), lasts, nginx, demo); why != "" {
			fmt.Printf("it gives way within the first hour: %s\n", why)
			return
		}
	}
	for times, rate := 2.0, 2*openers(60); times <= 64; times, rate = 2*times, 2*rate {
		if why := v.step(o, fmt.Sprintf("%.0f times the last minute", times), rate, lasts, nginx, demo); why != "" {
			fmt.Printf("what gives first: %s\n", why)
			return
		}
	}
}

// stand has an instance with a reset that is open, behind nginx.
func stand() (front, host string, nginx int, demo int, end func()) {
	var ends []func()
	end = func() {
		slices.Reverse(ends)
		for _, e := range ends {
			e()
		}
	}
	d, err := served.Start()
	figure.Check(err)
	ends = append(ends, d.Stop)
	figure.Check(d.Pause())
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"old":"refused","sessions":"ended"}`)
	}))
	ends = append(ends, app.Close)
	sink := &smtptest.Sink{}
	relay, err := sink.Listen("")
	figure.Check(err)
	ends = append(ends, func() { sink.Close() })
	dir, err := os.MkdirTemp("", "shirase-hour-")
	figure.Check(err)
	ends = append(ends, func() { os.RemoveAll(dir) })
	figure.Check(os.Chmod(dir, 0o755))
	secret := filepath.Join(dir, "secret")
	figure.Check(os.WriteFile(secret, []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), 0o600))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	figure.Check(err)
	front = l.Addr().String()
	l.Close()
	host = "notice.localhost"
	for _, set := range [][2]string{{"url", "http://" + host + front[strings.LastIndexByte(front, ':'):]}, {"trustedProxies", "127.0.0.1"}, {"mail.server", relay}, {"mail.from", "desk@example.jp"}, {"mail.security", "none"},
		{"reset.connector", "webhook"}, {"reset.url", app.URL}, {"reset.secretFile", secret}} {
		figure.Check(d.Run("config", "set", set[0], set[1]))
	}
	figure.Check(d.Run("reset", "open", incident))
	figure.Check(d.Resume())
	u, err := url.Parse(d.URL)
	figure.Check(err)
	figure.Check(os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(config(dir, front, u.Host, host)), 0o600))
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx"
	}
	cmd := exec.Command(program, "-c", filepath.Join(dir, "nginx.conf"))
	cmd.Stderr = os.Stderr
	figure.Check(cmd.Start())
	ends = append(ends, func() { cmd.Process.Kill(); cmd.Wait() })
	for {
		if conn, err := net.Dial("tcp", front); err == nil {
			conn.Close()
			break
		}
	}
	return front, host, cmd.Process.Pid, d.Process(), end
}

// config is examples/nginx.conf without TLS, on a port of this machine, in one process.
func config(dir, front, to, host string) string {
	example, err := os.ReadFile("../examples/nginx.conf")
	if errors.Is(err, os.ErrNotExist) {
		example, err = os.ReadFile("examples/nginx.conf")
	}
	figure.Check(err)
	text := string(example)
	text = text[strings.LastIndex(text, "server {"):]
	text = regexp.MustCompile(`(?m)^\s*(listen|ssl_certificate\w*)\s.*$`).ReplaceAllString(text, "")
	text = strings.NewReplacer("server {", "server { listen "+front+" backlog=4096;", "notice.example.org", host, "127.0.0.1:8311", to).Replace(text)
	temp := ""
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temp += kind + "_temp_path " + dir + "/" + kind + ";\n"
	}
	return "daemon off;\nmaster_process off;\nworker_rlimit_nofile 65536;\npid " + dir + "/pid;\nerror_log " + dir + "/error.log;\nevents { worker_connections 16384; }\nhttp {\n" + temp + text + "}\n"
}

// visitors are those who come.
type visitors struct {
	front, host string
	assets      map[string][]string // of a page: what it loads

	mu   sync.Mutex
	took map[string][]time.Duration
	bad  map[string]int
	n    int
}

var loads = regexp.MustCompile(`(?:href|src)="(/[^"]+\.(?:css|js|wasm|svg))"`)

// learn reads which files a page loads.
func (v *visitors) learn(page string) error {
	status, body, err := v.ask(&http.Client{}, http.MethodGet, page, nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s: %d", page, status)
	}
	for _, m := range loads.FindAllStringSubmatch(body, -1) {
		if !slices.Contains(v.assets[page], m[1]) {
			v.assets[page] = append(v.assets[page], m[1])
		}
	}
	return err
}

func (v *visitors) ask(c *http.Client, method, path string, form url.Values) (status int, body string, err error) {
	req, err := http.NewRequest(method, "http://"+v.front+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", err
	}
	req.Host = v.host + v.front[strings.LastIndexByte(v.front, ':'):]
	req.Header.Set("Accept-Language", "ja")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

// visit is one who opens their mail.
func (v *visitors) visit(i int) {
	from := &net.TCPAddr{IP: net.IPv4(127, byte(1+i>>16), byte(i>>8), byte(i))}
	t := &http.Transport{DialContext: (&net.Dialer{LocalAddr: from, Timeout: 10 * time.Second}).DialContext, MaxIdleConnsPerHost: 2}
	defer t.CloseIdleConnections()
	c := &http.Client{Transport: t, Timeout: 20 * time.Second}
	one := func(name, method, path string, form url.Values) {
		begun := time.Now()
		status, _, err := v.ask(c, method, path, form)
		took := time.Since(begun)
		v.mu.Lock()
		defer v.mu.Unlock()
		v.n++
		v.took[name] = append(v.took[name], took)
		if err != nil || status != http.StatusOK {
			what := fmt.Sprint(status)
			if err != nil {
				what = "no answer"
			}
			v.bad[name+": "+what]++
		}
	}
	page := func(name, path string) {
		one(name, http.MethodGet, path, nil)
		for _, a := range v.assets[path] {
			one("files", http.MethodGet, a, nil)
		}
	}
	page("incident page", "/incidents/"+incident)
	if rand.Float64() < checks {
		page("check page", "/")
		one("statement", http.MethodGet, "/check/v1/statement", nil)
	}
	if rand.Float64() < resets {
		page("reset page", "/reset/"+incident)
		one("reset asked", http.MethodPost, "/reset/"+incident, url.Values{"address": {fmt.Sprintf("user%d@example.com", i)}})
	}
}

// step has visitors come at a rate for a while, and says what gives way; "": nothing.
func (v *visitors) step(o figure.Options, name string, rate float64, lasts time.Duration, nginx, demo int) (why string) {
	v.mu.Lock()
	v.took, v.bad, v.n = map[string][]time.Duration{}, map[string]int{}, 0
	v.mu.Unlock()
	before := [2]time.Duration{load.Processor(nginx), load.Processor(demo)}
	begun := time.Now()
	var all sync.WaitGroup
	came := 0
	for next := begun; next.Sub(begun) < lasts; next = next.Add(time.Duration(rand.ExpFloat64() / rate * float64(time.Second))) {
		time.Sleep(time.Until(next)) // it is the rate that is given, and how long answers take that is measured
		i := rand.IntN(1 << 22)
		all.Go(func() { v.visit(i) })
		came++
	}
	all.Wait()
	took := time.Since(begun)
	busy := [2]time.Duration{load.Processor(nginx) - before[0], load.Processor(demo) - before[1]}
	o.Print(figure.Figure{Name: name + ": openers that came", Value: float64(came) / lasts.Seconds(), Unit: "1/s"})
	o.Print(figure.Figure{Name: name + ": requests answered", Value: float64(v.n) / took.Seconds(), Unit: "1/s"})
	for _, kind := range slices.Sorted(maps.Keys(v.took)) {
		d := v.took[kind]
		slices.Sort(d)
		p99 := d[int(0.99*float64(len(d)-1))]
		o.Print(figure.Figure{Name: name + ": " + kind + ", p50", Value: d[len(d)/2].Seconds() * 1e3, Unit: "ms"})
		o.Print(figure.Figure{Name: name + ": " + kind + ", p99", Value: p99.Seconds() * 1e3, Unit: "ms"})
		if p99 > slow && why == "" {
			why = fmt.Sprintf("%s takes longer than %v", kind, slow)
		}
	}
	o.Print(figure.Figure{Name: name + ": processor, nginx", Value: busy[0].Seconds() / took.Seconds(), Unit: "cores"})
	o.Print(figure.Figure{Name: name + ": processor, shirase", Value: busy[1].Seconds() / took.Seconds(), Unit: "cores"})
	failed := 0
	for _, n := range v.bad {
		failed += n
	}
	if float64(failed) > lost*float64(v.n) {
		b, err := json.Marshal(v.bad)
		figure.Check(err)
		why = fmt.Sprintf("%d of %d requests are not answered as they should be: %s", failed, v.n, b)
	}
	return why
}
