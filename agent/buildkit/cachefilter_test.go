package buildkit

import (
	"strings"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/pkg/filters"
	"github.com/google/go-cmp/cmp"
)

func TestParseCacheFilter(t *testing.T) {
	for _, tt := range []struct {
		given   []string
		want    CacheFilter
		mistake string
	}{
		{given: nil},
		{given: []string{""}},
		{given: []string{"until=24h"}, want: CacheFilter{Unused: 24 * time.Hour}},
		{given: []string{"unused-for=90m", "type=regular"}, want: CacheFilter{Expression: "type==regular", Unused: 90 * time.Minute}},
		{given: []string{"type=source.local", "shared"}, want: CacheFilter{Expression: `type=="source.local",shared`}},
		{given: []string{"private=true"}, want: CacheFilter{Expression: "private"}},
		{given: []string{" Type = regular "}, want: CacheFilter{Expression: "type==regular"}},
		{given: []string{"id=abc"}, want: CacheFilter{Expression: "id~=abc"}},
		{given: []string{"id!=abc"}, want: CacheFilter{Expression: "id!=abc"}},
		{given: []string{"description~=apt get,shared"}, want: CacheFilter{Expression: `description~="apt get,shared"`}},
		{given: []string{`description~=a\.b"c`}, want: CacheFilter{Expression: `description~="a\\.b\"c"`}},
		{given: []string{"type"}, want: CacheFilter{Expression: "type"}},

		{given: []string{"until=soon"}, mistake: `--filter "until=soon": expects a duration`},
		{given: []string{"until=-1h"}, mistake: "expects a duration"},
		{given: []string{"until"}, mistake: "expects a duration"},
		{given: []string{"until=1h", "unused-for=2h"}, mistake: "a time is given twice"},
		{given: []string{"shared=false"}, mistake: "takes no value but true"},
		{given: []string{"shared!=true"}, mistake: "takes no value but true"},
		{given: []string{"size=5"}, mistake: `--filter "size=5": is not known`},
		{given: []string{"size=5", "shared=no"}, mistake: `"shared=no"`},
	} {
		got, err := ParseCacheFilter(tt.given)
		if tt.mistake != "" {
			if err == nil || !strings.Contains(err.Error(), tt.mistake) {
				t.Errorf("%q: %v, want %s", tt.given, err, tt.mistake)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", tt.given, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.given, diff)
		}
	}
}

// FuzzCacheFilter holds that what is accepted is an expression of BuildKit's
// syntax with as many terms as were given.
func FuzzCacheFilter(f *testing.F) {
	for _, seed := range []string{"until=1h", "type=regular", "description~=a,b", `id="x`, "shared"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		parsed, err := ParseCacheFilter([]string{value})
		if err != nil || parsed.Expression == "" {
			return
		}
		if strings.Contains(parsed.Expression, "~=") { // a value need not be a regular expression
			return
		}
		if _, err := filters.Parse(parsed.Expression); err != nil {
			t.Errorf("%q gives %q: %v", value, parsed.Expression, err)
		}
	})
}
