package scenarios

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/slipway-build/slipway/e2e/registrytest/proxy"
)

// TestBuildWithOddities builds on two nodes, with two tags and a cache, with a
// registry of every oddity that BuildKit itself, which pushes the layers, can
// live with.
func TestBuildWithOddities(t *testing.T) {
	t.Parallel()
	p := startProxy(t)
	s := newShop(t, bed(t).Images.Agent, p.Registry())
	notForBuildKit := map[string]bool{
		"HEAD 405": true, "push only": true, // it asks for every manifest with HEAD before it pushes it
		"mount 403": true, "mount 404": true, // it uploads after 401 only
		"http location": true,
		"PUT 202":       true, // it takes 200, 201 and 204 for a layer
	}
	for _, oddity := range proxy.Oddities() {
		if notForBuildKit[oddity.Name] {
			continue
		}
		name := strings.ReplaceAll(strings.ToLower(oddity.Name), " ", "-")
		s.write("Dockerfile", machineDockerfile+"RUN echo "+name+" >> /machine.txt\n")
		p.Be(oddity)
		cache := "--cache-to type=registry,mode=max,ref=" + s.tag("cache-"+name) + " --cache-from type=registry,ref=" + s.tag("cache-"+name) + " "
		build := "slipway build " + both + s.from() + cache + "-t " + s.tag(name) + " -t " + s.tag(name+"-too") + " --push ."
		r := s.sh(build)
		// The tags of a cache move; those of an image are right already.
		if r.code == 0 && !strings.HasPrefix(oddity.Name, "immutable") {
			r = s.sh(build)
		}
		p.Be(proxy.Oddity{})
		if r.code != 0 {
			t.Errorf("%s: exit %d:\n%s", oddity.Name, r.code, r.stderr)
			continue
		}
		s.index(name, "linux/amd64", "linux/arm64")
		want(t, "the second tag of "+name, s.digest(name+"-too"), s.digest(name))
	}

	// A missing right to push that is answered as a wrong password: the build finds
	// out which of them it is, as auth --check does.
	s.write("Dockerfile", machineDockerfile+"RUN echo refused >> /machine.txt\n")
	p.Add(proxy.Rule{Method: http.MethodPost, Path: regexp.MustCompile("/blobs/uploads/$"), Fault: proxy.Status(http.StatusUnauthorized, http.Header{"Www-Authenticate": {`Basic realm="test"`}})})
	valid := "is valid: it may pull from " + s.repo + " and may not push to it"
	s.fails(5, "slipway build --platform linux/amd64 "+s.from()+"-t "+s.tag("refused")+" --push .", "cannot push "+s.repo+": the credential may pull and may not push", "hint: the credential from ", valid)
	s.fails(5, "slipway auth --check "+s.repo, valid)
}
