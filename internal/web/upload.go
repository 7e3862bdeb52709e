package web

import (
	"io"
	"net/http"
	"time"
)

// uploadStall is how long a body may bring nothing.
const uploadStall = 30 * time.Second

// Upload has the body of a request be as long as most bytes, in the place of the bound that the server puts around all others, and
// take as long as it needs while something comes: for a handler that writes to disk what it reads, once it knows who sends it. It gives
// the body, which is the request's from then on.
func Upload(w http.ResponseWriter, r *http.Request, most int64) io.ReadCloser {
	if b, ok := r.Body.(interface{ Unbounded() io.ReadCloser }); ok {
		r.Body = b.Unbounded()
	}
	r.Body = &patient{http.MaxBytesReader(w, r.Body, most), http.NewResponseController(w)}
	return r.Body
}

// patient gives each read its own time.
type patient struct {
	io.ReadCloser
	control *http.ResponseController
}

func (p *patient) Read(b []byte) (int, error) {
	p.control.SetReadDeadline(time.Now().Add(uploadStall)) // where there is none to set, as in tests, nothing stalls either
	return p.ReadCloser.Read(b)
}
