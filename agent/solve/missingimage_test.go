package solve

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"google.golang.org/grpc/codes"

	"github.com/slipway-build/slipway/internal/fault"
)

// A base image that is not there is said once, with what to do.
func TestExplainImage(t *testing.T) {
	const hub = "it is no stage of the Dockerfile, and a name without a host is one of Docker Hub: write the registry in front, REGISTRY/REPOSITORY:TAG"
	const look = "look at the spelling of repository and tag, and whether the tag has been pushed or removed: slipway index inspect "
	for name, tt := range map[string]struct {
		text  string
		want  string
		hints []string
	}{
		"a repository": {
			"r.example/team/bsae:1: failed to resolve source metadata for r.example/team/bsae:1: r.example/team/bsae:1: not found",
			"FROM $BASE (Dockerfile:2): the registry has no r.example/team/bsae:1", []string{look + "r.example/team/bsae:1"},
		},
		"one of Docker Hub": {
			"nope: failed to resolve source metadata for docker.io/library/nope:latest: docker.io/library/nope:latest: not found",
			"FROM $BASE (Dockerfile:2): the registry has no docker.io/library/nope:latest", []string{hub, look + "docker.io/library/nope:latest"},
		},
		"a stage": {
			"biuld: failed to resolve source metadata for docker.io/library/biuld:latest: docker.io/library/biuld:latest: not found (did you mean build?)",
			"FROM $BASE (Dockerfile:2): the registry has no docker.io/library/biuld:latest", []string{"did you mean build?", hub, look + "docker.io/library/biuld:latest"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			failed := errdefs.WithSource(answer(codes.Unknown, tt.text), &errdefs.Source{
				Info:   &pb.SourceInfo{Filename: "Dockerfile", Data: []byte("ARG BASE\nFROM $BASE\n")},
				Ranges: []*pb.Range{{Start: &pb.Position{Line: 2}, End: &pb.Position{Line: 2}}},
			})
			err := explainImage(failed)
			if got := Failure(err); got != tt.want || err.Error() != failed.Error() || Classify(failed) != KindBuild {
				t.Errorf("failure %q, error %q, of kind %s, want %q", got, err, Classify(failed), tt.want)
			}
			if diff := cmp.Diff(tt.hints, fault.Hints(err)); diff != "" {
				t.Errorf("hints (-want +got):\n%s", diff)
			}
		})
	}
	for _, other := range []error{
		errors.New("failed to resolve source metadata for r.example/a:1: r.example/a:1: not found"), // no instruction of a Dockerfile
		sourced(answer(codes.Unknown, "failed to resolve source metadata for r.example/a:1: no match for platform in manifest: not found")),
	} {
		if got := explainImage(other); errors.As(got, new(*MissingImageError)) {
			t.Errorf("%v is explained as an image that is missing", other)
		}
	}
}
