package solve

import (
	"errors"
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
