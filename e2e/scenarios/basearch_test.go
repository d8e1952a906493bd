package scenarios

import (
	"strings"
	"testing"
)

// TestBaseOfAnotherArchitecture names a base by the digest of its amd64 image:
// the arm64 node takes it as it is, and the list of warnings says so once. (Whether
// the log of the step says so too depends on which of its end and its warning
// arrives first.)
func TestBaseOfAnotherArchitecture(t *testing.T) {
	t.Parallel()
	b := bed(t)
	s := newSharedShop(t)
	image, err := s.images.Image(t.Context(), b.Registry.Base, "linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	repository := b.Registry.Base[:strings.LastIndex(b.Registry.Base, ":")]
	s.write("Dockerfile", "FROM "+repository+"@"+digest.String()+"\nLABEL scenario=yes\n")
	r := s.sh("slipway build --progress plain " + both + "-o type=cacheonly .")
	if r.code != 0 {
		t.Fatalf("exit %d:\n%s", r.code, r.stderr)
	}
	_, warnings, _ := strings.Cut(r.stderr, " 1 warning found:\n")
	if n := strings.Count(warnings, `was pulled with platform "linux/amd64", expected "linux/arm64"`); n != 1 {
		t.Errorf("the list of warnings has the base's platform %d times, want once:\n%s", n, r.stderr)
	}
}
