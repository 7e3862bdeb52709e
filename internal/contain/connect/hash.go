package connect

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// Hashes are the forms in which a database may keep a password.
const (
	Argon2id = "argon2id" // the PHC string form
	Bcrypt   = "bcrypt"
)

// The parameters of RFC 9106, 4, for where memory is scarce.
const (
	argonTime, argonMemory, argonLanes = 3, 64 << 10, 4
	argonKey                           = 32
	// maxArgon bounds what a stored hash may ask of us, in KiB and passes.
	maxArgonMemory, maxArgonTime = 1 << 20, 20
)

// hash makes the form that is kept.
func hash(form, password string) (string, error) {
	switch form {
	case Bcrypt:
		b, err := bcrypt.GenerateFromPassword([]byte(password), 12)
		if errors.Is(err, bcrypt.ErrPasswordTooLong) { // beyond 72 bytes bcrypt reads nothing: it would be another password than the one that was chosen
			return "", fmt.Errorf("%w: it is longer than bcrypt reads", ErrPassword)
		}
		return string(b), err
	default:
		salt := make([]byte, 16)
		rand.Read(salt)
		return formatArgon(argonMemory, argonTime, argonLanes, salt, argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonLanes, argonKey)), nil
	}
}

func formatArgon(memory, time uint32, lanes uint8, salt, key []byte) string {
	e := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, time, lanes, e.EncodeToString(salt), e.EncodeToString(key))
}

// unusable is what no password has as its hash, in a form that readers of hashes can read. It is made up, and of nothing.
func unusable(form string) string {
	key := make([]byte, argonKey)
	rand.Read(key)
	if form == Bcrypt {
		const letters = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
		b := make([]byte, 53)
		rand.Read(b)
		for i := range b {
			b[i] = letters[b[i]%64]
		}
		b[21], b[52] = 'O', 'C' // the last letters of salt and hash stand for fewer bits than the others
		return "$2b$12$" + string(b)
	}
	salt := make([]byte, 16)
	rand.Read(salt)
	return formatArgon(argonMemory, argonTime, argonLanes, salt, key)
}

// matches reports whether a password has a stored hash; known is false where the form is none that is read here.
func matches(stored, password string) (same, known bool) {
	if strings.HasPrefix(stored, "$2a$") || strings.HasPrefix(stored, "$2b$") || strings.HasPrefix(stored, "$2y$") {
		err := bcrypt.CompareHashAndPassword([]byte(stored), []byte(password))
		return err == nil, err == nil || errors.Is(err, bcrypt.ErrMismatchedHashAndPassword)
	}
	parts := strings.Split(stored, "$")
	if len(parts) != 6 || parts[1] != Argon2id {
		return false, false
	}
	var version int
	var memory, time uint32
	var lanes uint8
	if n, err := fmt.Sscanf(parts[2], "v=%d", &version); n != 1 || err != nil || version != argon2.Version {
		return false, false
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &time, &lanes); n != 3 || err != nil || memory < 8 || memory > maxArgonMemory || time < 1 || time > maxArgonTime || lanes < 1 {
		return false, false
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	key, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(salt) < 8 || len(key) < 16 || len(key) > 128 {
		return false, false
	}
	return subtle.ConstantTimeCompare(key, argon2.IDKey([]byte(password), salt, time, memory, lanes, uint32(len(key)))) == 1, true
}
