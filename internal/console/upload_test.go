package console

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"shirase/internal/actor"
	"shirase/internal/response"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// TestUploadMemory sends an export in pieces over HTTP, which nobody holds as a whole; SHIRASE_TEST_UPLOAD says how many MiB, to measure:
// the figure is of server and client together.
func TestUploadMemory(t *testing.T) {
	mib := int64(4)
	if s := os.Getenv("SHIRASE_TEST_UPLOAD"); s != "" {
		var err error
		if mib, err = strconv.ParseInt(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if db.Engine() != "sqlite" && mib > 4 {
			t.Skip("one engine is measured")
		}
		d := newDesk(t, db)
		d.first()
		writer := d.hire("書く人", actor.Full, actor.Writer)
		id := d.declare("不正アクセス")
		at, size := "/console/cases/"+id+"/scope/", mib<<20
		begun := writer.do("POST", at+"begin", url.Values{"name": {"members.csv"}, "size": {fmt.Sprint(size)}}, json1)
		if begun.status != http.StatusOK {
			t.Fatal(begun.status, begun.body)
		}
		arrival := begun.json(t)["arrival"].(string)
		// What other tests took is given back, and forgotten (proc(5), clear_refs): VmHWM is of the whole process.
		debug.FreeOSMemory()
		forgotten := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
		whole, start := sha256.New(), time.Now()
		for from := int64(0); from < size; from += response.MaxPiece {
			line := fmt.Sprintf("%012d,secret%d@example.com\n", from, from)
			part := bytes.Repeat([]byte(line), response.MaxPiece/len(line)+1)[:response.MaxPiece]
			whole.Write(part)
			sum := sha256.Sum256(part)
			a := writer.do("POST", at+"piece", nil, func(r *http.Request) {
				r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(part)), int64(len(part))
				for k, v := range map[string]string{"Content-Type": "application/octet-stream", "Accept": "application/json", "Sec-Fetch-Site": "same-origin", arrivalHeader: arrival, atHeader: fmt.Sprint(from), sumHeader: hex.EncodeToString(sum[:])} {
					r.Header.Set(k, v)
				}
			})
			if a.status != http.StatusOK {
				t.Fatalf("at %d: %d %s", from, a.status, a.body)
			}
		}
		if a := writer.do("POST", at+"finish", url.Values{"arrival": {arrival}}, json1); a.status != http.StatusOK {
			t.Fatal(a.status, a.body)
		}
		took := time.Since(start)
		k, err := d.cases.Get(t.Context(), actor.Operator(), id)
		if err != nil || k.Evidence[0].SHA256 != hex.EncodeToString(whole.Sum(nil)) {
			t.Errorf("it is not what was sent: %v", err)
		}
		status, err := os.ReadFile("/proc/self/status")
		if err != nil || forgotten != nil {
			return // this system does not say
		}
		_, rest, _ := strings.Cut(string(status), "VmHWM:")
		var kib int64
		if _, err := fmt.Sscan(rest, &kib); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d MiB in %s; the most memory of server and client together: %d MiB", mib, took.Round(time.Second), kib>>10)
		if kib > 300<<10 {
			t.Errorf("%d MiB of memory, more than 300", kib>>10)
		}
	})
}
