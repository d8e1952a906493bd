package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipway-build/slipway/agent/builders"
	"github.com/slipway-build/slipway/agent/buildkit"
	"github.com/slipway-build/slipway/cmd/slipway/cachetable"
)

// usedCaches are two records with short and long values, of two pods.
func usedCaches(now time.Time) []builders.PodCache {
	used := now.Add(-time.Hour)
	return []builders.PodCache{
		{Node: "builder-amd64", Pod: "builder-amd64-0", Records: []buildkit.CacheRecord{
			{ID: "abcdefghijklmnopqrstuvwxy", Size: 1234567, Mutable: true, LastUsedAt: &used, CreatedAt: used, Type: "regular"},
		}},
		{Node: "b", Pod: "b-0", Records: []buildkit.CacheRecord{
			{ID: "short", Size: 7, InUse: true, Shared: true, CreatedAt: used, Parents: []string{"p"}},
		}},
	}
}

// TestTablesOfRecordsAreAligned tests that the columns of du and prune begin
// below their headers, with blanks only: tabs end elsewhere in a CI system's log.
func TestTablesOfRecordsAreAligned(t *testing.T) {
	now := time.Now()
	var du, prune strings.Builder
	if err := cachetable.Table(&du, usedCaches(now), true, now); err != nil {
		t.Fatal(err)
	}
	list := removedList{out: &prune}
	for _, cache := range usedCaches(now) {
		for _, r := range cache.Records {
			list.add(cache.Node, cache.Pod, r)
		}
	}
	if err := list.close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"du": du.String(), "prune": prune.String()} {
		if strings.Contains(text, "\t") {
			t.Errorf("%s has tabs:\n%s", name, text)
		}
		lines := strings.Split(text, "\n")
		for header, values := range map[string][]string{"RECLAIMABLE": {"true", "false"}, "SIZE": {"1.235MB", "7B*"}, "NODE": {"builder-amd64", "b"}, "POD": {"builder-amd64-0", "b-0"}} {
			at := strings.Index(lines[0], header)
			for i, value := range values {
				if at < 0 || len(lines[i+1]) < at || !strings.HasPrefix(lines[i+1][at:], value) {
					t.Errorf("%s: %s is not below %s:\n%s", name, value, header, text)
				}
			}
		}
	}
}

func TestDuFormats(t *testing.T) {
	now := time.Now()
	for format, want := range map[string]string{
		"{{.ID}} {{.Size}} {{.Bytes}} {{.Node}}/{{.Pod}}":  "abcdefghijklmnopqrstuvwxy 1.235MB 1234567 builder-amd64/builder-amd64-0\nshort 7B 7 b/b-0\n",
		`table {{.ID}}\t{{.Reclaimable}}\t{{.LastUsedAt}}`: "ID                           RECLAIMABLE   LAST ACCESSED\nabcdefghijklmnopqrstuvwxy*   true          About an hour ago\nshort                        false         \n",
		"{{json .Parents}}": "[]\n[\"p\"]\n",
	} {
		print, err := (&duCmd{Format: format}).printer()
		if err != nil {
			t.Errorf("%s: %v", format, err)
			continue
		}
		var out strings.Builder
		if err := print(&out, usedCaches(now), now); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
	}
	var out strings.Builder
	if err := cachetable.List(&out, usedCaches(now)[:1], now); err != nil || !strings.Contains(out.String(), `"size": 1234567,`) || !strings.Contains(out.String(), `"parents": []`) {
		t.Errorf("%s, %v", out.String(), err)
	}
}
