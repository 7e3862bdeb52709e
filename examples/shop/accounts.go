package main

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// iterations of PBKDF2 with HMAC-SHA-256 (OWASP, Password Storage Cheat Sheet). An application that may have a dependency takes argon2id.
const iterations = 600_000

// account is one as it is kept.
type account struct {
	ID   string `json:"id"`
	Mail string `json:"mail"`
	Hash string `json:"hash"` // "": nobody gets in before there is a new password
	// Issued is when the last order of a webhook that was carried out was made up. An earlier one is let be.
	Issued time.Time `json:"issued,omitzero"`
}

// session is somebody who is signed in.
type session struct {
	Account string    `json:"account"`
	Until   time.Time `json:"until"`
}

// kept is what lies in the file.
type kept struct {
	Accounts map[string]*account `json:"accounts"` // by id
	Sessions map[string]session  `json:"sessions"` // by the hash of what the browser has
}

// accounts are those of a folder, and who is signed in. What was changed is on the disk when a method returns.
type accounts struct {
	mu   sync.Mutex
	file string
	kept
	byMail map[string]*account
	nobody string // a hash of no password, so that a login of nobody takes as long
}

func openAccounts(folder string) (*accounts, error) {
	a := &accounts{file: filepath.Join(folder, "accounts.json"), kept: kept{Accounts: map[string]*account{}, Sessions: map[string]session{}}, byMail: map[string]*account{}}
	b, err := os.ReadFile(a.file)
	if err == nil {
		err = json.Unmarshal(b, &a.kept)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the accounts: %w", err)
	}
	for _, x := range a.Accounts {
		a.byMail[folded(x.Mail)] = x
	}
	a.nobody, err = hash(rand.Text())
	return a, err
}

func folded(mail string) string { return strings.ToLower(strings.TrimSpace(mail)) }

// save writes all of it in the place of what was there.
func (a *accounts) save() error {
	b, err := json.MarshalIndent(a.kept, "", "\t")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(a.file), ".accounts-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // there is none any more where it went well
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), a.file)
}

// change does something with an account and keeps it; where it cannot be kept, nothing was done. ok is false where there is no such account.
func (a *accounts) change(id string, do func(x *account, sessions map[string]session)) (ok bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	x := a.Accounts[id]
	if x == nil {
		return false, nil
	}
	before, sessions := *x, map[string]session{}
	for k, s := range a.Sessions {
		sessions[k] = s
	}
	do(x, sessions)
	old := a.Sessions
	a.Sessions = sessions
	if err := a.save(); err != nil {
		*x, a.Sessions = before, old
		return true, err
	}
	return true, nil
}

// get gives an account as it is.
func (a *accounts) get(id string) (account, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	x := a.Accounts[id]
	if x == nil {
		return account{}, false
	}
	return *x, true
}

// login gives whose address and password they are.
func (a *accounts) login(mail, password string) (account, bool) {
	a.mu.Lock()
	x, ok := account{}, false
	if found := a.byMail[folded(mail)]; found != nil && found.Hash != "" {
		x, ok = *found, true
	}
	a.mu.Unlock()
	stored := x.Hash
	if !ok {
		stored = a.nobody
	}
	return x, same(stored, password) && ok
}

const sessionLasts = 24 * time.Hour

func sum(secret string) string {
	s := sha256.Sum256([]byte(secret))
	return base64.RawURLEncoding.EncodeToString(s[:])
}

// begin signs somebody in, if their password is still the one that was looked at, and gives what their browser is to keep.
func (a *accounts) begin(x account, now time.Time) (secret string, err error) {
	secret = rand.Text()
	stale := false
	_, err = a.change(x.ID, func(is *account, sessions map[string]session) {
		if stale = is.Hash != x.Hash; !stale {
			for k, s := range sessions {
				if now.After(s.Until) {
					delete(sessions, k)
				}
			}
			sessions[sum(secret)] = session{x.ID, now.Add(sessionLasts)}
		}
	})
	if err == nil && stale {
		err = errors.New("the password was changed meanwhile")
	}
	return secret, err
}

// who gives whose session a browser has.
func (a *accounts) who(secret string, now time.Time) (account, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s, ok := a.Sessions[sum(secret)]
	if !ok || now.After(s.Until) || a.Accounts[s.Account] == nil {
		return account{}, false
	}
	return *a.Accounts[s.Account], true
}

// end signs a browser out.
func (a *accounts) end(secret string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.Sessions, sum(secret))
	return a.save()
}

// hash makes what is kept of a password.
func hash(password string) (string, error) {
	salt := make([]byte, 16)
	rand.Read(salt)
	key, err := pbkdf2.Key(sha256.New, password, salt, iterations, 32)
	if err != nil {
		return "", err
	}
	e := base64.RawStdEncoding
	return fmt.Sprintf("pbkdf2-sha256$%d$%s$%s", iterations, e.EncodeToString(salt), e.EncodeToString(key)), nil
}

// same reports whether a hash is of a password.
func same(stored, password string) bool {
	parts := strings.Split(stored, "$")
	if len(parts) != 4 || parts[0] != "pbkdf2-sha256" {
		return false
	}
	n, err := strconv.Atoi(parts[1])
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[2])
	want, wantErr := base64.RawStdEncoding.DecodeString(parts[3])
	if err != nil || saltErr != nil || wantErr != nil || n < 1 || n > 10_000_000 || len(want) == 0 {
		return false
	}
	key, err := pbkdf2.Key(sha256.New, password, salt, n, len(want))
	return err == nil && subtle.ConstantTimeCompare(key, want) == 1
}

// importAccounts takes in a file of accounts: a heading, then id,mail,password. An account that is there already stays as it is.
func importAccounts(folder, file string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	a, err := openAccounts(folder)
	if err != nil {
		return err
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return err
	}
	for i, row := range rows {
		switch {
		case i == 0 && strings.Join(row, ",") != "id,mail,password":
			return fmt.Errorf("%s: its first line is not id,mail,password", file)
		case i == 0:
		case len(row) != 3 || row[0] == "" || !strings.Contains(row[1], "@") || row[2] == "":
			return fmt.Errorf("%s: line %d is no account", file, i+1)
		case a.Accounts[row[0]] != nil || a.byMail[folded(row[1])] != nil:
		default:
			h, err := hash(row[2])
			if err != nil {
				return err
			}
			x := &account{ID: row[0], Mail: row[1], Hash: h}
			a.Accounts[x.ID], a.byMail[folded(x.Mail)] = x, x
		}
	}
	return a.save()
}
