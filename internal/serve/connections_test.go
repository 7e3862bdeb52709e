package serve

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// dial opens a connection to a server, and gives what is needed to speak with it.
func dial(t *testing.T, url string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn, bufio.NewReader(conn)
}

// TestBothLengths: a message with Transfer-Encoding and Content-Length is the last of its connection, so that what a proxy
// took for another request's beginning is never read as one.
func TestBothLengths(t *testing.T) {
	s := New(Options{})
	asked := make(chan string, 10)
	s.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked <- r.URL.Path + " " + string(body)
	}), "/")
	url, end := run(t, s)
	conn, in := dial(t, url)
	io.WriteString(conn, "POST /first HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	if io.Copy(io.Discard, res.Body); !res.Close {
		t.Error("the connection is to be kept")
	}
	if rest, err := io.ReadAll(in); err == nil && len(rest) > 0 {
		t.Errorf("more is answered: %q", rest)
	}
	end()
	close(asked)
	var got []string
	for a := range asked {
		got = append(got, a)
	}
	if len(got) != 1 || got[0] != "/first ab" {
		t.Errorf("asked: %q", got)
	}
}

// TestExpect: a body that nobody reads is not asked for, and one that is read is.
func TestExpect(t *testing.T) {
	s := New(Options{})
	s.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "unread") }), "GET /page")
	s.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }), "POST /read")
	url, _ := run(t, s)
	for _, c := range []struct {
		line string
		want int
	}{{"GET /page", 200}, {"POST /page", 405}, {"POST /nothing", 404}, {"POST /read", 100}} {
		conn, in := dial(t, url)
		io.WriteString(conn, c.line+" HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != c.want {
			t.Errorf("%s: %d, want %d", c.line, res.StatusCode, c.want)
		}
		if c.want == 100 {
			io.WriteString(conn, "hello")
			if res, err = http.ReadResponse(in, nil); err != nil {
				t.Fatal(err)
			}
			if body, _ := io.ReadAll(res.Body); string(body) != "hello" {
				t.Errorf("%s: %q", c.line, body)
			}
			continue
		}
		if !res.Close {
			t.Errorf("%s: whoever sends its body after all would have it read as a request", c.line)
		}
	}
}

// TestStalledReader: whoever takes nothing of an answer does not keep the server busy with it.
func TestStalledReader(t *testing.T) {
	s := New(Options{Timeouts: Timeouts{Stall: 20 * time.Millisecond}})
	cut := make(chan error, 1)
	s.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				cut <- err
				return
			}
		}
	}), "/")
	url, _ := run(t, s)
	conn, _ := dial(t, url)
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if err := <-cut; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it ends with %v", err)
	}
}

// slow is a connection that takes so many bytes each time until the deadline is reached.
type slow struct {
	net.Conn
	takes []int
}

func (s *slow) Write(b []byte) (int, error) {
	if len(s.takes) == 0 {
		return len(b), nil
	}
	n := min(s.takes[0], len(b))
	s.takes = s.takes[1:]
	return n, os.ErrDeadlineExceeded
}
func (s *slow) SetWriteDeadline(time.Time) error { return nil }

// TestSlowReader: a slow reader is waited for, until the time for the whole is over.
func TestSlowReader(t *testing.T) {
	of := &connections{stall: time.Hour}
	for _, c := range []struct {
		takes []int
		late  bool
		want  int
	}{
		{[]int{takes, 2 * takes, takes}, false, 10 * takes},
		{[]int{takes, takes - 1, takes}, false, 2*takes - 1},
		{[]int{takes, takes}, true, takes},
	} {
		conn := &connection{Conn: &slow{takes: c.takes}, of: of}
		if c.late {
			conn.until = time.Now()
		}
		n, err := conn.Write(make([]byte, 10*takes))
		if n != c.want || (err == nil) != (n == 10*takes) {
			t.Errorf("%v: %d bytes, %v; want %d", c.takes, n, err, c.want)
		}
	}
}

// TestRoom: who opens connections and says nothing keeps nobody out, and connections that are being answered are kept.
func TestRoom(t *testing.T) {
	began, goOn := make(chan struct{}), make(chan struct{})
	s := New(Options{Connections: 3})
	s.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(began)
		<-goOn
		io.WriteString(w, "kept")
	}), "/long")
	s.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "answered") }), "/")
	url, _ := run(t, s)
	busy, fromBusy := dial(t, url)
	io.WriteString(busy, "GET /long HTTP/1.1\r\nHost: x\r\n\r\n")
	<-began
	answer := func(in *bufio.Reader, want string) {
		t.Helper()
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, _ := io.ReadAll(res.Body); string(body) != want {
			t.Errorf("%q, want %q", body, want)
		}
	}
	var silent []net.Conn
	for range 5 {
		conn, in := dial(t, url)
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") // and then it is kept, and says no more
		answer(in, "answered")
		silent = append(silent, conn)
	}
	for _, conn := range silent[:3] { // of the first to fall silent, those that made room
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Error("a connection that waits longest is kept beyond the bound")
		}
	}
	for range 3 { // these never say anything
		dial(t, url)
	}
	conn, in := dial(t, url)
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	answer(in, "answered")
	close(goOn)
	answer(fromBusy, "kept")
}

func TestRoomForConnections(t *testing.T) {
	for files, want := range map[int]int{0: 16, 1024: 768, 20_000: 15_000, 1 << 30: maxConnections} {
		if got := roomForConnections(files); got != want {
			t.Errorf("%d files: %d connections, want %d", files, got, want)
		}
	}
	if openFiles() < 16 {
		t.Errorf("%d files", openFiles())
	}
}

// counted counts how often something is written to the connections of a listener.
type counted struct {
	net.Listener
	writes atomic.Int64
}

type countedConn struct {
	net.Conn
	of *counted
}

func (c *counted) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	return countedConn{conn, c}, err
}

func (c countedConn) Write(b []byte) (int, error) {
	c.of.writes.Add(1)
	return c.Conn.Write(b)
}

// TestOnePiece: an answer that is whole goes out with its header in one piece; what is larger, or is not whole yet, does not
// wait for the rest.
func TestOnePiece(t *testing.T) {
	const page, large = 11_000, 100_000
	rest := make(chan struct{})
	s := New(Options{})
	for path, size := range map[string]int{"/page": page, "/large": large} {
		s.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(size))
			w.Write(bytes.Repeat([]byte("x"), size))
		}), path)
	}
	s.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(2*page))
		w.Write(make([]byte, page))
		http.NewResponseController(w).Flush()
		<-rest
		w.Write(make([]byte, page))
	}), "/parts")
	inner, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &counted{Listener: inner}
	ctx, end := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Run(ctx, l, func(string) error { return nil }) }()
	defer func() {
		end()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	conn, in := dial(t, "http://"+inner.Addr().String())
	ask := func(path string) io.ReadCloser {
		t.Helper()
		l.writes.Store(0)
		io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		return res.Body
	}
	for range 2 { // the connection is kept, and holds nothing afterwards
		if n, err := io.Copy(io.Discard, ask("/page")); err != nil || n != page || l.writes.Load() != 1 {
			t.Errorf("a page: %d bytes in %d pieces, %v", n, l.writes.Load(), err)
		}
		if n, err := io.Copy(io.Discard, ask("/large")); err != nil || n != large || l.writes.Load() < 2 {
			t.Errorf("what is large: %d bytes in %d pieces, %v", n, l.writes.Load(), err)
		}
	}
	body := ask("/parts")
	if _, err := io.ReadFull(body, make([]byte, page)); err != nil {
		t.Errorf("the first part: %v", err)
	}
	close(rest)
	if n, err := io.Copy(io.Discard, body); err != nil || n != page {
		t.Errorf("the rest: %d bytes, %v", n, err)
	}
}

// TestHeldOverflow: what no longer fits into what is held is sent behind it, in order.
func TestHeldOverflow(t *testing.T) {
	far, near := net.Pipe()
	c := &connection{Conn: near, of: newConnections(nil, 1, time.Minute)}
	got := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(far)
		got <- b
	}()
	c.hold()
	first, second := bytes.Repeat([]byte("a"), onePiece-1), []byte("bcd")
	for _, b := range [][]byte{first, second} {
		if n, err := c.Write(b); n != len(b) || err != nil {
			t.Fatal(n, err)
		}
	}
	if err := c.release(); err != nil {
		t.Fatal(err)
	}
	near.Close()
	if b := <-got; !bytes.Equal(b, append(first, second...)) {
		t.Errorf("%d bytes arrive, in another order", len(b))
	}
}

// TestStalledReadersHoldLittle: many who ask for a large file and read nothing of it are all cut, hold little each until then, and
// nothing afterwards.
func TestStalledReadersHoldLittle(t *testing.T) {
	const readers, each = 200, 128 << 10
	file, err := os.Create(filepath.Join(t.TempDir(), "export"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Truncate(256 << 20); err != nil {
		t.Fatal(err)
	}
	held := func(collect bool) int64 {
		if collect { // twice: what lies in pools outlives one
			runtime.GC()
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc + m.StackInuse)
	}
	s := New(Options{Timeouts: Timeouts{Stall: time.Second}})
	var all sync.WaitGroup // all have begun before the first is cut
	all.Add(readers)
	cut := make(chan int64, readers)
	s.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all.Done()
		all.Wait()
		w.Header().Set("Content-Length", strconv.Itoa(256<<20))
		n, err := io.Copy(w, io.NewSectionReader(file, 0, 256<<20))
		if !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 || n == 256<<20 {
			t.Errorf("after %d bytes it ends with %v", n, err)
		}
		cut <- held(false)
	}), "/")
	url, end := run(t, s)
	before := held(true)
	var conns []net.Conn
	for range readers {
		conn, _ := dial(t, url)
		conns = append(conns, conn)
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	most := int64(0)
	for range readers {
		most = max(most, <-cut)
	}
	t.Logf("each of %d holds %d kB while it is unread", readers, (most-before)/readers>>10)
	if most-before > readers*each {
		t.Error("that is too much")
	}
	for _, conn := range conns { // what is left in the system's buffers, and then its end
		if n, _ := io.Copy(io.Discard, conn); n == 256<<20 {
			t.Error("a reader is sent all of it")
		}
	}
	end()
	if after := held(true); after-before > readers*(16<<10) {
		t.Errorf("%d kB are held when all are gone", (after-before)>>10)
	}
}
