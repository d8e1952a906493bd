package scenarios

import (
	"strings"
	"testing"
)

// TestBaseOfAnotherArchitecture names a base by the digest of its amd64 image:
// the arm64 node takes it as it is, and says so once.
func TestBaseOfAnotherArchitecture(t *testing.T) {
	t.Parallel()
	b := bed(t)
	s := newShop(t, b.Images.Agent, b.Registry)
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
	if n := strings.Count(r.stderr, `was pulled with platform "linux/amd64", expected "linux/arm64"`); n != 1 {
		t.Errorf("the base's platform is told %d times, want once:\n%s", n, r.stderr)
	}
}
