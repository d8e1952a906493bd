package lstable

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/internal/color"
)

func TestShortPlatforms(t *testing.T) {
	for _, tt := range []struct{ all, want string }{
		{"", ""},
		{"linux/arm64", "linux/arm64"},
		{"linux/arm64/v8 linux/amd64", "linux/amd64,linux/arm64/v8"},
		{"linux/amd64 linux/amd64/v2 linux/amd64/v3 linux/amd64/v4 linux/386", "linux/amd64 (+4),linux/386"},
		{
			"linux/amd64 linux/amd64/v2 linux/386 linux/arm64 linux/riscv64 linux/ppc64le linux/s390x linux/arm/v7 linux/arm/v6",
			"linux/amd64 (+2),linux/arm64,linux/arm (+2),linux/ppc64le,(3 more)",
		},
	} {
		if got := strings.Join(shortPlatforms(strings.Fields(tt.all)), ","); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.all, got, tt.want)
		}
	}
}

func TestTableOfBuilders(t *testing.T) {
	list := []builders.Status{
		{Name: "kube", Driver: "kubernetes", Selected: true, Nodes: []builders.NodeStatus{
			{Name: "builder-amd64", Endpoint: "buildkit/builder-amd64", Status: "running", Ready: 2, Desired: 2, BuildKit: "v0.33.1", Platforms: []string{"linux/amd64", "linux/amd64/v2", "linux/amd64/v3", "linux/386"}, Drifted: true},
			{Name: "builder-arm64", Endpoint: "buildkit/builder-arm64", Status: "failing", Desired: 2, Platforms: []string{"linux/arm64"}, Error: "pod builder-arm64-x: cannot pull image", Hints: []string{"check image="}},
			{Name: "builder-s390x", Endpoint: "buildkit/builder-s390x", Status: "starting", Desired: 1, Platforms: []string{"linux/s390x"}, Reason: "pod builder-s390x-y: pulling image", Hints: []string{"check image="}},
		}},
	}
	print := func(style Style) []string {
		var out strings.Builder
		if err := Print(&out, list, style); err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	}
	notes := []string{
		"! kube/builder-amd64 is not as its definition says: slipway inspect kube shows in what",
		"kube/builder-arm64: pod builder-arm64-x: cannot pull image",
		"kube/builder-s390x: pod builder-s390x-y: pulling image",
		"hint: check image=",
	}
	want := append([]string{
		`NAME/NODE          DRIVER/ENDPOINT         STATUS    PODS  BUILDKIT  PLATFORMS`,
		`kube*              kubernetes`,
		` \_ builder-amd64  buildkit/builder-amd64  running!  2/2   v0.33.1   linux/amd64 (+3), linux/386`,
		` \_ builder-arm64  buildkit/builder-arm64  failing   0/2             linux/arm64`,
		` \_ builder-s390x  buildkit/builder-s390x  starting  0/1             linux/s390x`,
	}, notes...)
	if diff := cmp.Diff(want, print(Style{})); diff != "" {
		t.Errorf("to a file (-want +got):\n%s", diff)
	}
	narrow := print(Style{Width: 80})
	for _, line := range narrow[:5] {
		if utf8.RuneCountInString(line) > 80 {
			t.Errorf("wider than 80 columns: %q", line)
		}
	}
	if !slices.Contains(narrow, ` \_ builder-amd64  buildkit/build…  running!  2/2   v0.33.1   linux/amd64 (+3),…`) || !slices.Equal(narrow[5:], notes) {
		t.Errorf("at 80 columns:\n%s", strings.Join(narrow, "\n"))
	}
	if whole := print(Style{Whole: true}); !strings.Contains(whole[2], "linux/amd64, linux/amd64/v2, linux/amd64/v3, linux/386") {
		t.Errorf("in full:\n%s", strings.Join(whole, "\n"))
	}
	if colored := print(Style{Paint: color.For(true, func(string) (string, bool) { return "", false })}); !strings.Contains(colored[3], "\x1b[1;31mfailing\x1b[0m   0/2") {
		t.Errorf("in colours: %q", colored[3])
	}
	if strings.Contains(print(Style{Paint: color.For(true, func(string) (string, bool) { return "", false })})[0], "\x1b") {
		t.Error("the header has colours")
	}
	same := []builders.Status{{Name: "kube", Nodes: []builders.NodeStatus{{Name: "a", Error: "no route"}, {Name: "b", Error: "no route"}}}}
	if got := notesOn(same, color.Painter{}); !slices.Equal(got, []string{"kube/a, kube/b: no route"}) {
		t.Errorf("two nodes with one reason: %q", got)
	}
	// No terminal is too narrow to print.
	for width := 1; width < 80; width++ {
		print(Style{Width: width})
	}
}
