package web

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

// Asset is one static file.
type Asset struct {
	URL       string // holds a hash of the content, so that it can be cached for good
	Integrity string // for the integrity attribute: sha384-... (https://www.w3.org/TR/SRI/)
	SHA256    string // hex
	Size      int

	content Content
	named   Content // the same, under a name that may stand for other bytes tomorrow
}

// Assets are the static files of a site, read once at the start.
type Assets struct {
	byName map[string]Asset
	byURL  map[string]Asset
}

// mediaTypes of what a site serves. The system's table is not asked: it differs between machines.
var mediaTypes = map[string]string{
	".css":   "text/css; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".svg":   "image/svg+xml",
	".png":   "image/png",
	".txt":   "text/plain; charset=utf-8",
	".ico":   "image/x-icon",
	".woff2": "font/woff2",
}

// NewAssets reads every file at the top of each of the folders, to be served under prefix ("/assets/"). A name must have a
// known ending and be in one folder only; names that begin with a dot are left out.
func NewAssets(prefix string, folders ...fs.FS) (*Assets, error) {
	a := &Assets{byName: map[string]Asset{}, byURL: map[string]Asset{}}
	for _, files := range folders {
		if err := a.read(prefix, files); err != nil {
			return nil, fmt.Errorf("assets: %w", err)
		}
	}
	return a, nil
}

func (a *Assets) read(prefix string, files fs.FS) error {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, ext := e.Name(), path.Ext(e.Name())
		if e.IsDir() || strings.HasPrefix(name, ".") {
			continue
		}
		mediaType, known := mediaTypes[ext]
		if !known {
			return fmt.Errorf("%s: its media type is not known", name)
		}
		if _, twice := a.byName[name]; twice {
			return fmt.Errorf("%s: there are two", name)
		}
		data, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		short, long := sha256.Sum256(data), sha512.Sum384(data)
		asset := Asset{
			URL:       prefix + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(short[:8]) + ext,
			Integrity: "sha384-" + base64.StdEncoding.EncodeToString(long[:]),
			SHA256:    hex.EncodeToString(short[:]),
			Size:      len(data),
			content:   NewContent(mediaType, "public, max-age=31536000, immutable", "", data).ForMany(),
			named:     NewContent(mediaType, "public, max-age=86400", "", data).ForMany(),
		}
		a.byName[name], a.byURL[asset.URL] = asset, asset
	}
	return nil
}

// Asset returns the asset of a file name, and whether there is one.
func (a *Assets) Asset(name string) (Asset, bool) {
	asset, ok := a.byName[name]
	return asset, ok
}

// Serve answers a request for an asset's URL, and reports whether it is one.
func (a *Assets) Serve(w http.ResponseWriter, r *http.Request) bool {
	asset, ok := a.byURL[r.URL.Path]
	if ok {
		asset.content.Serve(w, r, http.StatusOK)
	}
	return ok
}

// ServeNamed answers with a file under a name that everybody knows, such as favicon.ico.
func (a *Assets) ServeNamed(w http.ResponseWriter, r *http.Request, name string) bool {
	asset, ok := a.byName[name]
	if ok {
		asset.named.Serve(w, r, http.StatusOK)
	}
	return ok
}
