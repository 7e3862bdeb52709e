//go:build !unix

package figure

import "time"

// Processor is 0 where the system is not asked.
func Processor() time.Duration { return 0 }
