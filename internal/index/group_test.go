package index

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"shirase/check"
	"shirase/internal/store"
	"shirase/internal/store/storetest"
)

// get fetches a path below the layers.
func get(t *testing.T, url string) (*http.Response, []byte) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, body
}

// TestGroups: a group is its buckets one after the other, for every number of bits, and nothing else is given.
func TestGroups(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		l := b.publish("alpha", roster("a", 9000)).Statement.Layers[0]
		if l.Bits != 3 {
			t.Fatalf("the test wants 8 buckets: %+v", l)
		}
		_, s := b.serve(unlimited)
		layer := s.URL + "/check/v1/layers/" + l.ID.String()
		var all []byte
		for n := range int64(8) {
			_, body := get(t, layer+"/buckets/"+check.BucketName(n, l.Bits))
			all = append(all, body...)
		}
		for p := 0; p <= l.Bits; p++ {
			size := len(all) >> p
			for n := range int64(1) << p {
				res, body := get(t, fmt.Sprintf("%s/groups/%d/%s", layer, p, check.BucketName(n, p)))
				if res.StatusCode != http.StatusOK || !bytes.Equal(body, all[int(n)*size:][:size]) {
					t.Fatalf("group %d of %d bits: %d, %d bytes, want %d", n, p, res.StatusCode, len(body), size)
				}
				if h := res.Header; h.Get("Content-Length") != strconv.Itoa(size) || h.Get("Content-Type") != "application/octet-stream" || h.Get("Cache-Control") != immutable {
					t.Errorf("group %d of %d bits: %v", n, p, h)
				}
			}
		}
		for _, path := range []string{"/groups/4/0", "/groups/01/0", "/groups/+1/0", "/groups/-1/0", "/groups/1/2", "/groups/1/00", "/groups/1/A", "/groups/0/1", "/groups/x/0",
			"/groups/999999999999/0", "/groups/1/"} {
			if res, body := get(t, layer+path); res.StatusCode != http.StatusNotFound || res.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s: %d %.80s", path, res.StatusCode, body)
			}
		}
		if res, err := http.Head(layer + "/groups/0/0"); err != nil || res.ContentLength != int64(len(all)) {
			t.Errorf("HEAD: %v, %v", res, err)
		}
		if status, _ := fetch(t, "POST", layer+"/groups/0/0", ""); status != http.StatusMethodNotAllowed {
			t.Errorf("POST: %d", status)
		}
	})
}

// TestGroupTooLarge: what would be more than 32 MiB is not given, and half of it is.
func TestGroupTooLarge(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		b.publish("alpha", roster("a", 10))
		const n = 2_700_000 // of 13 bytes, and their padding
		entries := make([]check.Entry, n)
		random := rand.NewChaCha8([32]byte{})
		for i := range entries {
			random.Read(entries[i][:])
			entries[i][1] &= 0xf0 // 12 bits of locator
			entries[i][2] = 0
		}
		slices.SortFunc(entries, func(a, b check.Entry) int { return bytes.Compare(a[:], b[:]) })
		info, err := b.writeLayer(func(w io.Writer) (check.LayerInfo, error) {
			return check.WriteLayer(w, n, DefaultLocatorBits, false, func(yield func([]byte, error) bool) {
				for i := range entries {
					if !yield(entries[i][:], nil) {
						return
					}
				}
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(t.Context(), `INSERT INTO index_left (root, locator_bits, n, seq, left_at) VALUES ($1, $2, $3, 1, $4)`,
			info.Root.String(), info.LocatorBits, n, store.Micros(b.now())); err != nil {
			t.Fatal(err)
		}
		_, s := b.serve(unlimited)
		layer := s.URL + "/check/v1/layers/" + info.Root.String()
		if res, body := get(t, layer+"/groups/0/0"); res.StatusCode != http.StatusNotFound || !strings.Contains(string(body), "unknown-bucket") {
			t.Errorf("a group of %d bytes: %d", info.Pad<<info.Bits, res.StatusCode)
		}
		if res, body := get(t, layer+"/groups/1/1"); res.StatusCode != http.StatusOK || len(body) != info.Pad<<(info.Bits-1) {
			t.Errorf("half of it: %d, %d bytes", res.StatusCode, len(body))
		}
	})
}

// TestDamagedGroup: a group with a damaged bucket may not be kept by caches, wherever in it the bucket is.
func TestDamagedGroup(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBed(t, db)
		l := b.publish("alpha", roster("a", 9000)).Statement.Layers[0]
		path := b.layerFiles()[0]
		bad, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bad[32+8999*check.EntrySize] ^= 1 // of the last entry, in the last bucket
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		_, s := b.serve(unlimited)
		layer := s.URL + "/check/v1/layers/" + l.ID.String()
		for range 2 { // also once the other buckets are known to be sound
			for group, want := range map[string]string{"0/0": "no-store", "1/0": immutable, "1/1": "no-store"} {
				res, body := get(t, layer+"/groups/"+group)
				if res.StatusCode != http.StatusOK || res.Header.Get("Cache-Control") != want || len(body)%l.Pad != 0 {
					t.Errorf("%s: %d, %s, %d bytes", group, res.StatusCode, res.Header.Get("Cache-Control"), len(body))
				}
			}
		}
		// A file that ends too early was refused when it was opened; one that is cut afterwards is an error, never a short answer.
		if err := os.Truncate(path, 5000*check.EntrySize); err != nil {
			t.Fatal(err)
		}
		if res, body := get(t, layer+"/groups/0/0"); res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), "layer-damaged") {
			t.Errorf("%d %.80s", res.StatusCode, body)
		}
	})
}
