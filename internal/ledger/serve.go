package ledger

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/store"
	"shirase/internal/web"
)

// maxPath bounds the paths that are looked at; the longest real one, a data
// path, is 80 bytes.
const maxPath = 128

const (
	immutable   = "public, max-age=31536000, immutable"
	shortLived  = "public, max-age=2"
	contentTile = "application/octet-stream"
)

// Handler serves the log to GET and HEAD:
//
//	/checkpoint                     the newest signed checkpoint
//	/tile/<L>/<N>[.p/<W>]           hash tiles          (c2sp.org/tlog-tiles)
//	/tile/entries/<N>[.p/<W>]       entry bundles
//	/ledger/v1/data/<SHA-256 hex>   what an entry commits to
//	/ledger/v1/key                  the verifier key, for pinning on first use
//	/ledger/v1/keys                 all that ever signed, each with what shows the next one
//
// Errors are RFC 9457 problem details; log hears of those that are not the client's.
func (l *Log) Handler(log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			web.Problem{Status: http.StatusMethodNotAllowed}.Write(w, r)
			return
		}
		body, contentType, cache, err := l.resource(r.Context(), r.URL.Path)
		switch {
		case errors.Is(err, ErrNotFound):
			web.Problem{Status: http.StatusNotFound}.Write(w, r)
			return
		case err != nil:
			log.Error("serve the ledger", "path", r.URL.Path, "error", err, "hint", hint.Of(err))
			p := web.Problem{Status: http.StatusInternalServerError}
			if store.Away(err) {
				p = web.DatabaseAway
			}
			p.Write(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("Content-Length", strconv.Itoa(len(body)))
		h.Set("Cache-Control", cache)
		h.Set("X-Content-Type-Options", "nosniff")
		if r.Method == http.MethodGet {
			w.Write(body)
		}
	})
}

// resource returns what is served at path, or an error that is ErrNotFound
// where that is nothing.
func (l *Log) resource(ctx context.Context, path string) (body []byte, contentType, cache string, err error) {
	if len(path) > maxPath {
		return nil, "", "", ErrNotFound
	}
	if path == "/checkpoint" {
		body, _, err = l.Checkpoint()
		return body, "text/plain; charset=utf-8", shortLived, err
	}
	if path == "/ledger/v1/key" {
		return []byte(l.VKey() + "\n"), "text/plain; charset=utf-8", shortLived, nil
	}
	if path == "/ledger/v1/keys" {
		body, err = l.keysBody(ctx)
		return body, "application/json", shortLived, err
	}
	if digits, ok := strings.CutPrefix(path, "/ledger/v1/data/"); ok {
		hash, err := parseHash(digits)
		if err != nil {
			return nil, "", "", err
		}
		body, err = l.Data(hash)
		return body, "application/json", immutable, err
	}
	t, err := parseTile(strings.TrimPrefix(path, "/"))
	if err != nil {
		return nil, "", "", err
	}
	body, err = readTile(l.dir, t)
	return body, contentTile, immutable, err
}

// parseTile reads the one spelling that a tile's path has.
func parseTile(path string) (tlog.Tile, error) {
	t, err := torchwood.ParseTilePath(path)
	if err != nil || torchwood.TilePath(t) != path { // it also takes tile/data/
		return tlog.Tile{}, ErrNotFound
	}
	return t, nil
}

// parseHash reads the one spelling of a hash that paths have: lower case.
func parseHash(digits string) (hash [32]byte, err error) {
	b, err := hex.DecodeString(digits)
	if err != nil || len(b) != len(hash) || digits != strings.ToLower(digits) {
		return hash, ErrNotFound
	}
	return [32]byte(b), nil
}

// readTile returns a tile or an entry bundle as published, a partial one cut
// out of the full one where only that is left.
func readTile(dir *files.Dir, t tlog.Tile) ([]byte, error) {
	name := folder + torchwood.TilePath(t)
	data, err := dir.Get(name, maxTile)
	if err == nil {
		var rest []byte
		if data, rest, err = cutTile(t, data); err == nil && len(rest) > 0 {
			err = ErrDamaged
		}
	} else if errors.Is(err, files.ErrNotExist) && t.W < torchwood.TileWidth {
		full := t
		full.W = torchwood.TileWidth
		if data, err = dir.Get(folder+torchwood.TilePath(full), maxTile); err == nil {
			data, _, err = cutTile(t, data)
		}
	}
	switch {
	case errors.Is(err, files.ErrNotExist):
		return nil, ErrNotFound
	case errors.Is(err, files.ErrTooLarge):
		return nil, hint.Add(fmt.Errorf("%s: longer than any tile: %w", name, ErrDamaged), mendFiles)
	case errors.Is(err, ErrDamaged):
		return nil, hint.Add(fmt.Errorf("%s: %w", name, err), mendFiles)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}

// cutTile splits data after the t.W hashes or entries of tile t.
func cutTile(t tlog.Tile, data []byte) (tile, rest []byte, err error) {
	if t.L >= 0 {
		n := t.W * tlog.HashSize
		if len(data) < n {
			return nil, nil, fmt.Errorf("%d bytes of %d: %w", len(data), n, ErrDamaged)
		}
		return data[:n], data[n:], nil
	}
	rest = data
	for i := range t.W {
		if _, rest, err = torchwood.ReadTileEntry(rest); err != nil {
			return nil, nil, fmt.Errorf("entry %d of %d: %w", i, t.W, ErrDamaged)
		}
	}
	return data[:len(data)-len(rest)], rest, nil
}
