// Command gate measures what the gate costs a request: shirase serve, asked by nginx (auth_request), beside a bare handler of net/http that
// answers 200 behind the same nginx, request by request in turns; and what ten million accounts take in memory.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"shirase/bench/figure"
	"shirase/bench/served"
	"shirase/identity"
	"shirase/internal/contain/gate"
	"shirase/internal/roster"
	"shirase/internal/store"
)

// bareEnv names where the bare handler listens, in a process of its own as the gate is.
const bareEnv = "SHIRASE_BENCH_GATE"

func main() {
	o := figure.Parse()
	if at := os.Getenv(bareEnv); at != "" {
		figure.Check(http.ListenAndServe(at, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusOK) })))
	}
	latency(o)
	memory(o)
}

// memory makes the set of accounts, each of which has an id and an address, and looks what it takes.
func memory(o figure.Options) {
	n := 10_000_000
	if o.Quick {
		n = 500_000
	}
	sealer, err := store.NewSealer(make([]byte, store.KeySize))
	figure.Check(err)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	set, err := gate.NewSet(sealer, func(yield func(roster.Member) error) error {
		for i := range n {
			m := roster.Member{Identity: identity.Identity{Kind: identity.KindEmail, Value: fmt.Sprintf("user%d@example.com", i)}, Accounts: []string{fmt.Sprint(i)}}
			if err := yield(m); err != nil {
				return err
			}
		}
		return nil
	})
	figure.Check(err)
	runtime.GC()
	runtime.ReadMemStats(&after)
	heap := float64(after.HeapAlloc-before.HeapAlloc) + float64(set.Len())/8 // and a bit for each name, once it is in force
	name := "10 million accounts, by id and address, in memory"
	if o.Quick {
		name += fmt.Sprintf(" (from %d)", n)
	}
	o.Print(figure.Figure{Name: name, Value: heap / float64(n) * 10_000_000 / 1e6, Unit: "MB", Goal: "<= 160"})
	const asks = 200_000
	start, found := time.Now(), 0
	for i := range asks {
		if set.Has(sealer, gate.Account{Account: fmt.Sprint(i * 7)}) {
			found++
		}
	}
	o.Print(figure.Figure{Name: "looking up an account", Value: float64(time.Since(start).Nanoseconds()) / asks, Unit: "ns"})
	if want := min(asks, (n+6)/7); found != want {
		figure.Check(fmt.Errorf("%d of %d were found", found, want))
	}
	runtime.KeepAlive(set)
}

// latency compares the gate with a handler that does nothing.
func latency(o figure.Options) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = "/usr/sbin/nginx"
	}
	dir, err := os.MkdirTemp("", "shirase-bench-gate-")
	figure.Check(err)
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "shirase")
	figure.Check(served.Build(program))
	token, address, stop := serveGate(program, dir)
	defer stop()

	bare, end := serveBare()
	defer end()

	front := [2]string{free(), free()}
	figure.Check(os.WriteFile(filepath.Join(dir, "index.html"), []byte("the application"), 0o644))
	figure.Check(os.Chmod(dir, 0o755))
	config := "daemon off;\nmaster_process off;\npid " + dir + "/pid;\nerror_log " + dir + "/error.log;\nevents { worker_connections 512; }\nhttp {\naccess_log off;\nkeepalive_requests 1000000;\n"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		config += kind + "_temp_path " + dir + "/" + kind + ";\n"
	}
	for i, to := range []string{address, bare} {
		config += fmt.Sprintf(`upstream to%d { server %s; keepalive 32; keepalive_requests 1000000; }
server { listen %s; root %s; error_page 403 = /denied;
location / { auth_request /check; }
location = /check { internal; proxy_pass http://to%d/gate/v1/check; proxy_pass_request_body off; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Content-Length "";
 proxy_set_header X-Original-URI $request_uri; proxy_set_header X-Original-Method $request_method; proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Shirase-Token %q; } }
`, i, to, front[i], dir, i, token)
	}
	figure.Check(os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(config+"}\n"), 0o600))
	cmd := exec.Command(nginx, "-c", filepath.Join(dir, "nginx.conf"))
	cmd.Stderr = os.Stderr
	figure.Check(cmd.Start())
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	for _, f := range front {
		waitFor(f)
	}

	n, workers := 40_000, 2
	if o.Quick {
		n = 4_000
	}
	took := [2][]time.Duration{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
			mine := [2][]time.Duration{}
			for i := range n/workers + 100 {
				for j := range 2 {
					k := (i + j) % 2 // each goes first in half of the pairs
					start := time.Now()
					res, err := client.Get("http://" + front[k] + "/")
					figure.Check(err)
					_, err = io.Copy(io.Discard, res.Body)
					figure.Check(err)
					res.Body.Close()
					if res.StatusCode != http.StatusOK {
						figure.Check(fmt.Errorf("%s through %d", res.Status, k))
					}
					if i >= 100 { // warm
						mine[k] = append(mine[k], time.Since(start))
					}
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for k := range took {
				took[k] = append(took[k], mine[k]...)
			}
		})
	}
	all.Wait()
	at := func(k int, q float64) float64 {
		slices.Sort(took[k])
		return float64(took[k][int(q*float64(len(took[k])-1))].Nanoseconds()) / 1e3
	}
	o.Print(figure.Figure{Name: "a request through nginx and the gate, p50", Value: at(0, 0.5), Unit: "us", Reference: at(1, 0.5), Goal: "<= 1.15"})
	o.Print(figure.Figure{Name: "p99 above that with the bare handler", Value: at(0, 0.99) - at(1, 0.99), Unit: "us", Goal: "<= 1000"})
}

// serveGate runs a server with a route and a token.
func serveGate(program, dir string) (token, address string, stop func()) {
	routes := filepath.Join(dir, "routes.yaml")
	figure.Check(os.WriteFile(routes, []byte("routes:\n  - {name: login, paths: [/login], undecided: closed}\n"), 0o600))
	run := func(args ...string) []byte {
		c := exec.Command(program, append(args, "--data", filepath.Join(dir, "data"))...)
		c.Dir = dir
		out, err := c.Output()
		if err != nil {
			figure.Check(fmt.Errorf("shirase %s: %w", strings.Join(args, " "), err))
		}
		return out
	}
	run("init")
	run("case", "declare", "--title", "T", "--organisation", "O", "--known", "2026-08-20T10:09+09:00", "--id", "shop")
	run("config", "set", "gate.file", routes)
	run("gate", "block", "shop", "--route", "login", "--state", "closed", "--why", "a benchmark")
	var made struct {
		Token string `json:"token"`
	}
	figure.Check(json.Unmarshal(run("gate", "token", "front", "--form", "nginx", "--json"), &made))
	c := exec.Command(program, "serve", "--listen", "127.0.0.1:0", "--json", "--data", filepath.Join(dir, "data"))
	c.Dir = dir
	out, err := c.StdoutPipe()
	figure.Check(err)
	figure.Check(c.Start())
	line, err := bufio.NewReader(out).ReadBytes('\n')
	figure.Check(err)
	var at struct {
		URL string `json:"url"`
	}
	figure.Check(json.Unmarshal(line, &at))
	return made.Token, strings.TrimPrefix(at.URL, "http://"), func() { c.Process.Kill(); c.Wait() }
}

func serveBare() (address string, end func()) {
	address = free()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), bareEnv+"="+address)
	c.Stderr = os.Stderr
	figure.Check(c.Start())
	waitFor(address)
	return address, func() { c.Process.Kill(); c.Wait() }
}

func listener() net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	figure.Check(err)
	return l
}

func free() string {
	l := listener()
	defer l.Close()
	return l.Addr().String()
}

func waitFor(address string) {
	for {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return
		}
	}
}
