// Package load asks servers as fast as they answer, with as little work of its own as it can: what is measured is the server.
package load

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"shirase/bench/figure"
)

// A Target is what is asked for.
type Target struct {
	Address string // of the server: host and port
	Path    string
	Header  string // lines of its own, each with its end
}

// Client is one connection to a server, kept from one request to the next.
type Client struct {
	conn   net.Conn
	in     *bufio.Reader
	ask    []byte
	Size   int         // of the last body, in bytes
	Header http.Header // of the last answer, where it is not nil before
}

// Dial opens a connection on which t is asked for.
func Dial(t Target) (*Client, error) {
	conn, err := net.Dial("tcp", t.Address)
	if err != nil {
		return nil, err
	}
	c := &Client{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}
	c.Turn(t)
	return c, nil
}

// Turn has the connection ask for something else of the same server from now on.
func (c *Client) Turn(t Target) {
	c.ask = append(c.ask[:0], "GET "+t.Path+" HTTP/1.1\r\nHost: "+t.Address+"\r\n"+t.Header+"\r\n"...)
}

// Close closes it.
func (c *Client) Close() error { return c.conn.Close() }

// Get asks once, and gives the status. The body is read and thrown away.
func (c *Client) Get() (status int, err error) {
	if _, err := c.conn.Write(c.ask); err != nil {
		return 0, err
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 {
		return 0, fmt.Errorf("not a status line: %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, err
	}
	size := -1
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return 0, err
		}
		if len(line) <= 2 {
			break
		}
		if c.Header != nil {
			name, value, _ := strings.Cut(strings.TrimSpace(string(line)), ": ")
			c.Header.Set(name, value)
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if size, err = strconv.Atoi(string(bytes.TrimSpace(v))); err != nil {
				return 0, err
			}
		}
	}
	if size < 0 && status != http.StatusNotModified {
		return 0, errors.New("an answer without a length")
	}
	c.Size = max(size, 0)
	_, err = c.in.Discard(c.Size)
	return status, err
}

// Loop gives a function that asks for t n times over several connections. Anything but 200 ends the program.
func Loop(t Target, connections, n int) func() {
	clients := make([]*Client, connections)
	for i := range clients {
		var err error
		clients[i], err = Dial(t)
		figure.Check(err)
	}
	return func() {
		var all sync.WaitGroup
		for _, c := range clients {
			all.Go(func() {
				for range n / connections {
					status, err := c.Get()
					if err == nil && status != http.StatusOK {
						err = fmt.Errorf("%s: %d", t.Path, status)
					}
					figure.Check(err)
				}
			})
		}
		all.Wait()
	}
}

// bareVariable has this program be the bare server and nothing else.
const bareVariable = "SHIRASE_BENCH_BARE"

// Body is one that the bare server sends.
type Body struct {
	Size   int
	Header http.Header
}

// Bare serves, in a process of its own, these bodies under these paths, by a handler that does nothing else. The program has
// to begin with BeBare.
func Bare(bodies map[string]Body) (address string, process int, end func()) {
	self, err := os.Executable()
	figure.Check(err)
	c := exec.Command(self)
	c.Env = append(os.Environ(), bareVariable+"=1")
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	figure.Check(err)
	out, err := c.StdoutPipe()
	figure.Check(err)
	figure.Check(c.Start())
	figure.Check(json.NewEncoder(in).Encode(bodies))
	line, err := bufio.NewReader(out).ReadString('\n')
	figure.Check(err)
	return strings.TrimSpace(line), c.Process.Pid, func() {
		c.Process.Signal(syscall.SIGTERM)
		c.Wait()
	}
}

// BeBare makes this process the bare server where it is meant to be one.
func BeBare() {
	if os.Getenv(bareVariable) != "" {
		serveBare()
	}
}

func serveBare() {
	var bodies map[string]Body
	figure.Check(json.NewDecoder(os.Stdin).Decode(&bodies))
	bytesOf := map[string][]byte{}
	for path, b := range bodies {
		bytesOf[path] = bytes.Repeat([]byte("x"), b.Size)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	figure.Check(err)
	fmt.Println(l.Addr())
	figure.Check(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := bytesOf[r.RequestURI]
		for name, value := range bodies[r.RequestURI].Header {
			w.Header()[name] = value
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body)
	})))
}

// Processor gives the processor time that a process has used so far (Linux; 0 elsewhere).
func Processor(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), ") ") // the name may hold spaces
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// Memory gives the memory that a process has resident, in bytes (Linux; 0 elsewhere).
func Memory(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
