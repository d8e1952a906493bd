package configmap

import "time"

// readIdleTimeout reads how long a workload may be idle before it is put to
// sleep. A node says 0 where its group has a time and it is to stay awake.
func readIdleTimeout(e *extension, value any, r report) {
	var text string
	if !readString(&text, value, r) {
		return
	}
	idle, err := time.ParseDuration(text)
	if err != nil || idle < 0 {
		r.hinting("write it like 30m or 2h, 0s for never").bad("must be a duration, not %q", text)
		return
	}
	e.idleTimeout = &idle
}
