package buildkit

import (
	"slices"
	"strings"
	"testing"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestRecordFilter(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	ended := BuildRecord{Ref: "abc", CreatedAt: now.Add(-time.Hour), CompletedAt: now.Add(-time.Hour + 10*time.Second), Attrs: map[string]string{"vcs:source": "https://git.example/team/app"}}
	failed := ended
	failed.Failed, failed.Message = true, "exit code: 1"
	cancelled := ended
	cancelled.Failed, cancelled.Message = true, "context canceled"
	active := BuildRecord{Ref: "abd", CreatedAt: now.Add(-time.Minute), Attrs: map[string]string{"context": "https://git.example/team/lib.git#main"}}
	all := map[string]BuildRecord{"ended": ended, "failed": failed, "cancelled": cancelled, "active": active}
	for _, tt := range []struct {
		conditions []string
		request    []string
		want       string
	}{
		{nil, nil, "active cancelled ended failed"},
		{[]string{"status=error"}, []string{"status==error"}, "failed"},
		{[]string{"status=canceled"}, []string{"status==canceled"}, "cancelled"},
		{[]string{"status=running"}, []string{"status==running"}, "active"},
		{[]string{"status!=completed"}, []string{"status!=completed"}, "active cancelled failed"},
		{[]string{"ref=abd"}, []string{"ref~=abd"}, "active"},
		{[]string{"ref!=abd"}, []string{"ref!=abd"}, "cancelled ended failed"},
		{[]string{"repository=team/app"}, []string{"repository~=team/app"}, "cancelled ended failed"},
		{[]string{"repository=git.example/team/lib"}, []string{"repository~=git.example/team/lib"}, "active"},
		{[]string{"startedAt>=30m"}, []string{"startedAt>=30m"}, "active"},
		{[]string{"startedAt<2026-01-31T11:30:00Z"}, []string{"startedAt<2026-01-31T11:30:00Z"}, "cancelled ended failed"},
		{[]string{"completedAt>30m"}, []string{"completedAt>30m"}, ""},
		{[]string{"duration>=10s"}, []string{"duration>=10s"}, "cancelled ended failed"},
		{[]string{"duration<=9s"}, []string{"duration<=9s"}, "active"},
		{[]string{"duration>10s"}, []string{"duration>10s"}, ""},
		{[]string{"status=error", "ref=a,b"}, []string{`status==error,"ref~=a,b"`}, ""},
	} {
		f, err := ParseRecordFilter(tt.conditions, now)
		if err != nil {
			t.Errorf("%q: %v", tt.conditions, err)
			continue
		}
		var got []string
		for name, r := range all {
			if f.match(r) {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		if strings.Join(got, " ") != tt.want || !slices.Equal(f.request(), tt.request) {
			t.Errorf("%q chooses %q, want %q, and sends %q", tt.conditions, got, tt.want, f.request())
		}
	}
	for condition, want := range map[string]string{
		"":                "there are ref, repository",
		"name=x":          "there are ref, repository",
		"status":          "there are ref, repository",
		"status=failed":   "a status is one of completed, running, error, canceled",
		"status>=error":   "status is compared with = or !=",
		"duration=5s":     "duration is compared with <",
		"duration>5":      `"5" is not a duration`,
		"startedAt>today": `"today" is neither a duration`,
	} {
		if _, err := ParseRecordFilter([]string{condition}, now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", condition, err, want)
		}
	}
}

func FuzzParseRecordFilter(f *testing.F) {
	for _, text := range []string{"status=error", "ref!=x", "duration<=9s", "startedAt>=2026-01-31T11:30:00Z", "=", "<>", "repository=a,\"b"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := ParseRecordFilter([]string{text}, time.Unix(0, 0))
		if err == nil {
			filter.match(BuildRecord{})
			if len(filter.request()) != 1 {
				t.Errorf("%q: sent as %q", text, filter.request())
			}
		}
	})
}

// TestBuildRecord has a record whose times no JSON can have, and credentials.
func TestBuildRecord(t *testing.T) {
	r := buildRecord(&control.BuildHistoryRecord{
		Ref: "x", CreatedAt: &timestamppb.Timestamp{Seconds: 1 << 60}, CompletedAt: nil,
		FrontendAttrs: map[string]string{"cache-imports": `no list: secret`},
	}, time.Time{})
	if _, known := r.Duration(); !r.CreatedAt.IsZero() || !r.CompletedAt.IsZero() || known || r.Attrs["cache-imports"] != "" {
		t.Errorf("%+v", r)
	}
}

// TestBuildName has what docker buildx calls builds, see the tests of its name.go.
func TestBuildName(t *testing.T) {
	type attrs = map[string]string
	for _, tt := range []struct {
		attrs               attrs
		context, dockerfile string
		want                string
	}{
		{nil, "", "", ""},
		{attrs{"build-arg:BUILDKIT_BUILD_NAME": "app"}, "/src/lib", "", "app"},
		{attrs{"target": "test"}, "", "", "test"},
		{nil, "/src/app", "/src/app/Dockerfile", "app"},
		{nil, "/src/app", "/src/app/deploy/Dockerfile", "app/deploy"},
		{nil, "/src/app", "/src/app/deploy/Dockerfile.release", "app/deploy/Dockerfile.release"},
		{nil, "/src/app", "/etc/build/Dockerfile.release", "build/Dockerfile.release"},
		{nil, "/src/app", "/etc/build/Dockerfile", "build"},
		{attrs{"target": "test"}, "/src/app", "/src/app/Dockerfile", "app (test)"},
		{attrs{"vcs:localdir:context": "services/a", "vcs:source": "https://git.example/app"}, "", "", "services/a"},
		{attrs{"vcs:localdir:context": ".", "vcs:source": "https://git.example/app.git"}, "", "", "https://git.example/app.git"},
		{attrs{"context": "https://git.example/app.git#main"}, "", "", "https://git.example/app.git#main"},
		{attrs{"filename": "build.Dockerfile", "vcs:localdir:dockerfile": "docker"}, "", "", "docker/build.Dockerfile"},
		{attrs{"input:context": "https://git.example/app.git?ref=main"}, "", "", "https://git.example/app.git#main"},
		{nil, "-", "-", ""},
		{nil, "https://git.example/app.git", "Dockerfile", ""},
	} {
		if got := (BuildRecord{Attrs: tt.attrs}).Name(tt.context, tt.dockerfile); got != tt.want {
			t.Errorf("%v %q %q: %q, want %q", tt.attrs, tt.context, tt.dockerfile, got, tt.want)
		}
	}
}

func TestTail(t *testing.T) {
	log := tail{last: 2}
	for range 100 {
		log.write(1, []byte("many\n"))
	}
	log.write(1, []byte("be"))
	log.write(2, []byte("other"))
	log.write(1, []byte("gin\n\n"))
	if got := log.lines(); !slices.Equal(got, []string{"begin", "other"}) || len(log.kept) > 9 {
		t.Errorf("%q of %d kept", got, len(log.kept))
	}
	log.write(1, []byte(strings.Repeat("x", 3*maxTailLine)))
	log.write(1, []byte("more"))
	if got := log.lines(); len(got[1]) != maxTailLine {
		t.Errorf("a line of %d bytes is kept", len(got[1]))
	}
}
