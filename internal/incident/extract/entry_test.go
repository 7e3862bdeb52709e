package extract

import (
	"strconv"
)

// valueOf gives the value of an entry as a text.
func valueOf(e Entry) string {
	switch v := e.Value.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case map[string]string:
		return v["telephone"] + v["url"]
	}
	return ""
}
