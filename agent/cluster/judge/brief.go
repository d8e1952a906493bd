package judge

import "strings"

// How long a reason may be in a line that says what is waited for, and how much is
// left of a longer one. Schedulers and kubelets write several hundred characters,
// the cause first or last. The log of a step that fails is shown twice, and the
// error that follows has all of them.
const (
	maxWords = 160
	headOf   = 100
	tailOf   = 50
)

// brief is the finding's line for those who wait.
func (f finding) brief() string { return strings.Replace(f.line, f.words, brief(f.words), 1) }

// brief takes out the middle of a reason that is long, between words.
func brief(reason string) string {
	runes := []rune(reason)
	if len(runes) <= maxWords {
		return reason
	}
	head, tail := string(runes[:headOf]), string(runes[len(runes)-tailOf:])
	if at := strings.LastIndexByte(head, ' '); at > 0 {
		head = head[:at]
	}
	if at := strings.IndexByte(tail, ' '); at >= 0 {
		tail = tail[at+1:]
	}
	return head + " ... " + tail
}
