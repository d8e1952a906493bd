package configmap

import "time"

// defaultTerminationGrace is longer than nearly all builds. It costs nothing
// where nothing is built, for a pod ends with its last build.
const defaultTerminationGrace = time.Hour

// readTerminationGrace reads how long a pod may drain. Kubernetes counts whole
// seconds, and takes none at all to mean that the pod is forgotten at once,
// whether it has ended or not.
func readTerminationGrace(e *extension, value any, r report) {
	var text string
	if !readString(&text, value, r) {
		return
	}
	grace, err := time.ParseDuration(text)
	if err != nil || grace < time.Second || grace%time.Second != 0 {
		r.hinting("write it like 1h or 90s").bad("must be a duration of whole seconds, at least 1s, not %q", text)
		return
	}
	e.terminationGrace = &grace
}
