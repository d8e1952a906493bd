package scenarios

import (
	"regexp"
	"strings"
	"testing"
)

// TestQuotaAndLimits starts the builder of docs/clusters.md under the quota and
// the limits of the page, and builds with it.
func TestQuotaAndLimits(t *testing.T) {
	t.Parallel()
	_, section, found := strings.Cut(readFile(t, "../docs/clusters.md"), "\n## Quota and limits\n")
	section, _, ended := strings.Cut(section, "\n## ")
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(section, -1)
	if !found || !ended || len(blocks) != 2 {
		t.Fatalf("the section has %d blocks, want a definition and what bounds it", len(blocks))
	}
	s := newSpace(t, "slipway-build", "slipway-manage")
	s.defineRaw(map[string]string{"kube.yaml": strings.Replace(blocks[0][1], "namespace: buildkit\n", "namespace: "+s.Name+"\n      image: "+s.Bed.Images.BuildKit+"\n      "+strings.Replace(ownTimeout(), "=", ": ", 1)+"\n", 1)})
	a := s.startAgent("agent", s.Bed.Images.Agent)
	a.write("Dockerfile", smallDockerfile)
	s.kubectl(blocks[1][1], "create", "-f", "-")
	a.ok("slipway build -o out . && cmp Dockerfile out/Dockerfile")
	used := s.kubectl("", "get", "resourcequota", "builders", "-o", "jsonpath={.status.used.limits\\.memory}")
	want(t, "memory that counts for the quota", used, "1Gi")
}
