// Command pages measures pages as the program sends them, against a bare handler of net/http in a process of its own that
// writes as many bytes: what is kept, and what is made for each who asks.
package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"shirase/bench/figure"
	"shirase/bench/load"
	"shirase/bench/served"
)

const connections = 8

func main() {
	load.BeBare()
	o := figure.Parse()
	rounds, n := 21, 4000
	if o.Quick {
		rounds, n = 7, 2000
	}
	for _, of := range []string{"IPV4", "ALL"} { // all load comes from one address
		os.Setenv("SHIRASE_LIMITS_ARCHIVE_"+of, "1000000/s burst 1000000")
	}
	demo, err := served.Start()
	figure.Check(err)
	defer demo.Stop()
	u, err := url.Parse(demo.URL)
	figure.Check(err)

	kept := []string{"/", "/incidents/naver-2013", "/incidents/naver-2013/help", "/notices/naver-2013-v1", "/statement", "/incidents", "/learn", "/archive", "/archive/2024", "/archive/2024-05", "/archive/cause/intrusion", "/organisations/line"}
	made := []string{"/incidents?q=%E4%B8%8D%E6%AD%A3", "/learn/compare?q=naver", "/learn/like?cause=intrusion"}
	gzip := "Accept-Encoding: gzip, deflate\r\nAccept-Language: ja,en-US;q=0.7,en;q=0.3\r\n"
	br := "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: ja,en-US;q=0.7,en;q=0.3\r\n"
	type one struct{ name, path, header string }
	var all []one
	for _, p := range kept {
		all = append(all, one{p + " (br)", p, br})
	}
	all = append(all, one{"/ (gzip)", "/", gzip}, one{"/ (as it is)", "/", ""}, one{"/check/v1/statement", "/check/v1/statement", ""})
	bodies := map[string]load.Body{}
	for _, a := range all {
		c, err := load.Dial(load.Target{Address: u.Host, Path: a.path, Header: a.header})
		figure.Check(err)
		c.Header = http.Header{}
		status, err := c.Get()
		figure.Check(err)
		if status != http.StatusOK {
			figure.Check(fmt.Errorf("%s: %d", a.path, status))
		}
		c.Header.Del("Date")
		bodies["/bare/"+url.PathEscape(a.name)] = load.Body{Size: c.Size}
		bodies["/same/"+url.PathEscape(a.name)] = load.Body{Size: c.Size, Header: c.Header}
		c.Close()
	}
	bare, process, end := load.Bare(bodies)
	defer end()
	for _, a := range all {
		name := url.PathEscape(a.name)
		ours := load.Loop(load.Target{Address: u.Host, Path: a.path, Header: a.header}, connections, n)
		theirs := load.Loop(load.Target{Address: bare, Path: "/bare/" + name, Header: a.header}, connections, n)
		same := load.Loop(load.Target{Address: bare, Path: "/same/" + name, Header: a.header}, connections, n)
		var processor [3]time.Duration // of the servers
		measured := func(i, pid int, f func()) func() {
			return func() {
				before := load.Processor(pid)
				f()
				processor[i] += load.Processor(pid) - before
			}
		}
		t := figure.InTurns(rounds, measured(0, demo.Process(), ours), measured(1, process, theirs), measured(2, process, same))
		each := func(i int) float64 {
			return float64(processor[i]) / float64(time.Microsecond) / float64((rounds+1)*n)
		}
		o.Print(figure.Figure{Name: fmt.Sprintf("%s, %d bytes / bare handler", a.name, bodies["/bare/"+name].Size), Value: 1e9 / figure.Median(t[0], n), Unit: "1/s",
			Reference: 1e9 / figure.Median(t[1], n), Ratio: figure.Ratio(t[1], t[0]), Goal: ">= 0.8"})
		o.Print(figure.Figure{Name: a.name + " / bare handler with the same header", Value: 1e9 / figure.Median(t[0], n), Unit: "1/s",
			Reference: 1e9 / figure.Median(t[2], n), Ratio: figure.Ratio(t[2], t[0])})
		o.Print(figure.Figure{Name: a.name + ", processor time / bare handler", Value: each(0), Unit: "µs", Reference: each(1)})
		o.Print(figure.Figure{Name: a.name + ", processor time / the same header", Value: each(0), Unit: "µs", Reference: each(2)})
	}
	for _, p := range made {
		loop := load.Loop(load.Target{Address: u.Host, Path: p, Header: gzip}, connections, 80)
		before := load.Processor(demo.Process())
		t := figure.InTurns(rounds, loop)
		took := load.Processor(demo.Process()) - before
		o.Print(figure.Figure{Name: "made for each who asks: " + p, Value: 1e9 / figure.Median(t[0], 80), Unit: "1/s"})
		o.Print(figure.Figure{Name: p + ", processor time", Value: float64(took) / float64(time.Microsecond) / float64((rounds+1)*80), Unit: "µs"})
	}
}
