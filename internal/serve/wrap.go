package serve

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"shirase/internal/web"
)

// ExerciseHeader says of every answer of an exercise that nothing of it is real: other instances take nothing in from there.
const ExerciseHeader = "Shirase-Exercise"

// Wrap puts around h what every response and request needs: security headers, a bound on the request body, recovery
// from panics, and where o wants it one line of log a request.
//
// The line holds method, route, status, size and time taken. It does not hold path, query, headers or addresses: a
// bucket's number in a path is part of what somebody asked about (docs/THREATS.md).
func Wrap(h http.Handler, o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		secure(w.Header(), o.Proxies.Secure(r))
		if o.Exercise {
			w.Header().Set(ExerciseHeader, "not-real")
			w.Header().Set("X-Robots-Tag", "noindex")
		}
		r = bounded(w, r, cmp.Or(o.MaxBody, maxBody))
		rec := &recorder{ResponseWriter: w, conn: connectionOf(r)}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				// The panic's value may hold what the request held; its type and the stack do not.
				o.Log.Error("panic", "route", route(r), "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
				if rec.status == 0 {
					web.Problem{Status: http.StatusInternalServerError}.Write(rec, r)
				}
			}
			if rec.status == 0 {
				rec.status = http.StatusOK
			}
			if o.Requests {
				o.Log.Info("request", "method", method(r), "route", route(r), "status", rec.status, "bytes", rec.bytes,
					"took", time.Since(start).Round(10*time.Microsecond))
			}
			if o.Answered != nil {
				o.Answered(Answer{method(r), route(r), rec.status, start, time.Since(start)})
			}
		}()
		h.ServeHTTP(rec, r)
	})
}

// bounded bounds the body of a request. It is another request that has the bound: net/http looks at its own for whether the
// body was read, and would otherwise ask for the body of a request that nobody reads (Expect: 100-continue), and read it.
func bounded(w http.ResponseWriter, r *http.Request, most int64) *http.Request {
	if r.Body == nil || r.Body == http.NoBody {
		return r
	}
	if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
		// RFC 9112 section 6.3: after a message with both Transfer-Encoding and Content-Length the connection has to be
		// closed, because a proxy may have seen another end of it. net/http takes the one and forgets that the other was
		// there; few clients send chunks, and all of them may open another connection.
		w.Header().Set("Connection", "close")
	}
	out := *r
	out.Body = &bound{http.MaxBytesReader(w, r.Body, most), r.Body}
	return &out
}

// bound is a body with its bound around it, which a handler may lift that knows who sends it (web.Upload).
type bound struct {
	io.ReadCloser
	whole io.ReadCloser
}

// Unbounded is the body without the bound.
func (b *bound) Unbounded() io.ReadCloser { return b.whole }

// Answer is what becomes known of a request when it was answered: nothing of who asked, nor of what about.
type Answer struct {
	Method string // or "other"
	Route  string // the pattern that it matched, or "none"
	Status int
	Began  time.Time
	Took   time.Duration
}

// route names what a request matched, without what stood in the place of its wildcards.
func route(r *http.Request) string {
	if r.Pattern == "" {
		return "none"
	}
	return r.Pattern
}

// method bounds what a log line holds of it: a method is any token a client likes.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	conn   *connection // nil: it is sent as net/http has it
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 { // 1xx are not the answer yet
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	write := r.ResponseWriter.Write
	if r.whole(b) {
		write = r.inOnePiece
	}
	n, err := write(b)
	r.bytes += int64(n)
	return n, err
}

// whole reports whether b is all of an answer that net/http would send in pieces, and that is worth sending in one.
func (r *recorder) whole(b []byte) bool {
	const buffer, header = 2 << 10, 4 << 10 // what net/http sends in one piece anyway; more than the headers of an answer here
	if r.conn == nil || r.bytes > 0 || len(b) <= buffer || len(b) > onePiece-header {
		return false
	}
	length := r.Header()["Content-Length"]
	if len(length) != 1 {
		return false
	}
	n, err := strconv.Atoi(length[0])
	return err == nil && n == len(b)
}

// inOnePiece sends an answer's header and body together.
func (r *recorder) inOnePiece(b []byte) (int, error) {
	r.conn.hold()
	n, err := r.ResponseWriter.Write(b)
	if f, ok := r.ResponseWriter.(interface{ FlushError() error }); ok && err == nil {
		err = f.FlushError() // into what is held
	}
	return n, errors.Join(err, r.conn.release())
}

// Unwrap lets http.ResponseController reach the connection (deadlines, flushing).
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
