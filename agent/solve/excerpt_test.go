package solve

import (
	"errors"
	"strings"
	"testing"

	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
)

func TestExcerptOfNoPlace(t *testing.T) {
	info := &pb.SourceInfo{Filename: "Dockerfile", Data: []byte("FROM scratch")}
	for _, r := range []*pb.Range{{}, {Start: &pb.Position{Line: 1}}, {End: &pb.Position{Line: 1}}} {
		if got := Excerpt(errdefs.WithSource(errors.New("x"), &errdefs.Source{Info: info, Ranges: []*pb.Range{r}})); got != "" {
			t.Errorf("the excerpt of %v is %q", r, got)
		}
	}
}

func TestExcerptHasNoCredentials(t *testing.T) {
	err := errdefs.WithSource(errors.New("404 Not Found"), &errdefs.Source{
		Info:   &pb.SourceInfo{Filename: "Dockerfile", Data: []byte("FROM scratch\nADD https://ci:s3cret@h/f /\n")},
		Ranges: []*pb.Range{{Start: &pb.Position{Line: 2}, End: &pb.Position{Line: 2}}},
	})
	if got := Excerpt(err); !strings.Contains(got, ">>> ADD https://xxxxx:xxxxx@h/f /") || strings.Contains(got, "s3cret") {
		t.Errorf("%s", got)
	}
}
