package configmap

import (
	"slices"
	"time"
)

// defaultUnschedulableGrace is long enough for an autoscaler to say that it
// acts.
const defaultUnschedulableGrace = 15 * time.Second

// defaultOverflow is how many builds keep a pod busy: a few share its CPUs well
// enough, and their cache is worth waiting for.
const defaultOverflow = 4

// defaultTerminationGrace is longer than nearly all builds. It costs nothing
// where nothing is built, for a pod ends with its last build.
const defaultTerminationGrace = time.Hour

// readChoice reads one of some names. what is a name of the kind: "a transport".
func readChoice[T ~string](known []string, what string) func(value any, r report) (T, bool) {
	return func(value any, r report) (T, bool) {
		var text string
		if !readString(&text, value, r) {
			return "", false
		}
		if !slices.Contains(known, text) {
			r.hinting("%s", didYouMean(text, known)).bad("%q is not %s", text, what)
			return "", false
		}
		return T(text), true
	}
}

// readWait reads a duration that may be nothing at all. The examples are for
// the hint.
func readWait(examples string) func(value any, r report) (time.Duration, bool) {
	return func(value any, r report) (time.Duration, bool) {
		var text string
		if !readString(&text, value, r) {
			return 0, false
		}
		wait, err := time.ParseDuration(text)
		if err != nil || wait < 0 {
			r.hinting("write it like %s", examples).bad("must be a duration, not %q", text)
			return 0, false
		}
		return wait, true
	}
}

// readOverflow reads the number of builds that make a pod too busy.
func readOverflow(value any, r report) (int, bool) {
	n, ok := value.(int64)
	if !ok || n < 0 || n > 1<<20 {
		r.hinting("write a number of builds, 0 for no limit").bad("must be a whole number, not %s", describe(value))
		return 0, false
	}
	return int(n), true
}

// readTerminationGrace reads how long a pod may drain. Kubernetes counts whole
// seconds, and takes none at all to mean that the pod is forgotten at once,
// whether it has ended or not.
func readTerminationGrace(value any, r report) (time.Duration, bool) {
	var text string
	if !readString(&text, value, r) {
		return 0, false
	}
	grace, err := time.ParseDuration(text)
	if err != nil || grace < time.Second || grace%time.Second != 0 {
		r.hinting("write it like 1h or 90s").bad("must be a duration of whole seconds, at least 1s, not %q", text)
		return 0, false
	}
	return grace, true
}

// readTruth reads true or false.
func readTruth(value any, r report) (truth, ok bool) {
	truth, ok = value.(bool)
	if !ok {
		r.hinting("write true or false, without quotes").bad("must be true or false, not %s", describe(value))
	}
	return truth, ok
}
