package configmap

// defaultOverflow is how many builds keep a pod busy: a few share its CPUs well
// enough, and their cache is worth waiting for.
const defaultOverflow = 4

// readOverflow reads the number of builds that make a pod too busy.
func readOverflow(e *extension, value any, r report) {
	n, ok := value.(int64)
	if !ok || n < 0 || n > 1<<20 {
		r.hinting("write a number of builds, 0 for no limit").bad("must be a whole number, not %s", describe(value))
		return
	}
	overflow := int(n)
	e.overflow = &overflow
}
