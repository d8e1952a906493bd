package metrics

import (
	"io"
	"net"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// scrape is what is served.
func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// all counts everything once.
func all(t *testing.T) *Metrics {
	t.Helper()
	m := New("v1")
	n := m.Of("kube", "amd64")
	n.Ready(true)
	n.Connected()
	n.SessionOpened()()
	n.Waiting()()
	n.Running()
	n.Built(ResultOK, 3*time.Second)
	n.Dialled("direct", PodFavourite, time.Second)
	n.Dialled("remote", PodNone, time.Second)
	n.DialFailed()
	n.Redialled()
	n.Refused(ReasonPush)

	here, there := net.Pipe()
	conn := n.Counted(here, time.Now())
	go func() {
		_, _ = io.ReadFull(there, make([]byte, 5))
		_, _ = there.Write([]byte("abc"))
		_ = there.Close()
	}()
	_, _ = conn.Write([]byte("12345"))
	if got, err := io.ReadAll(conn); err != nil || string(got) != "abc" {
		t.Errorf("read %q, %v", got, err)
	}
	_ = conn.Close()
	return m
}

// TestValues tests what the events count.
func TestValues(t *testing.T) {
	served := scrape(t, all(t))
	for _, line := range []string{
		`slipway_agent_builds_total{builder="kube",node="amd64",result="ok"} 1`,
		`slipway_agent_builds_total{builder="kube",node="amd64",result="lost"} 0`,
		`slipway_agent_builds_running{builder="kube",node="amd64"} 1`,
		`slipway_agent_builds_waiting{builder="kube",node="amd64"} 0`,
		`slipway_agent_build_duration_seconds_sum{builder="kube",node="amd64",result="ok"} 3`,
		`slipway_agent_build_wait_seconds_count{builder="kube",node="amd64"} 1`,
		`slipway_agent_refusals_total{reason="push"} 1`,
		`slipway_agent_refusals_total{reason="policy"} 0`,
		`slipway_agent_bytes_total{builder="kube",direction="to_builder",node="amd64"} 5`,
		`slipway_agent_bytes_total{builder="kube",direction="from_builder",node="amd64"} 3`,
		`slipway_agent_connections{builder="kube",node="amd64"} 1`,
		`slipway_agent_sessions{builder="kube",node="amd64"} 0`,
		`slipway_agent_sessions_total{builder="kube",node="amd64"} 1`,
		`slipway_agent_dials_total{builder="kube",node="amd64",transport="direct"} 1`,
		`slipway_agent_dial_errors_total{builder="kube",node="amd64"} 1`,
		`slipway_agent_dial_duration_seconds_count{builder="kube",node="amd64"} 2`,
		`slipway_agent_time_to_first_byte_seconds_count{builder="kube",node="amd64"} 1`,
		`slipway_agent_pod_choices_total{builder="kube",node="amd64",pod="favourite"} 1`,
		`slipway_agent_reconnects_total{builder="kube",node="amd64"} 1`,
		`slipway_agent_lost_builders_total{builder="kube",node="amd64"} 1`,
		`slipway_agent_node_ready{builder="kube",node="amd64"} 1`,
		`slipway_agent_info{version="v1"} 1`,
	} {
		if !strings.Contains(served, line+"\n") {
			t.Errorf("no %s", line)
		}
	}
	if !strings.Contains(served, "go_goroutines ") || !strings.Contains(served, "process_open_fds ") {
		t.Error("the process is not measured")
	}
	if t.Failed() {
		t.Log(served)
	}
}

// TestCloseIsNoLoss tests that a connection that this side closes does not count as lost.
func TestCloseIsNoLoss(t *testing.T) {
	m := New("v1")
	here, there := net.Pipe()
	defer there.Close()
	conn := m.Of("kube", "amd64").Counted(here, time.Now())
	_ = conn.Close()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("it is read after the end")
	}
	if served := scrape(t, m); !strings.Contains(served, `slipway_agent_lost_builders_total{builder="kube",node="amd64"} 0`+"\n") {
		t.Error("it counts as lost")
	}
}

// TestPage tests that the page has the names, types and labels of what is served, and
// nothing else.
func TestPage(t *testing.T) {
	page, err := os.ReadFile("../../../docs/sidecar.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(slipway_agent_\\w+)` \\| (\\w+) \\| (.*?) \\|").FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, row[1]+" "+row[2]+" "+strings.NewReplacer("`", "", ",", "").Replace(row[3]))
	}
	served := scrape(t, all(t))
	var found []string
	for _, typed := range regexp.MustCompile(`(?m)^# TYPE (slipway_agent_\w+) (\w+)$`).FindAllStringSubmatch(served, -1) {
		labels := map[string]bool{}
		for _, sample := range regexp.MustCompile(`(?m)^`+typed[1]+`(?:_bucket|_sum|_count)?\{(.*)\} `).FindAllStringSubmatch(served, -1) {
			for _, label := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(sample[1], -1) {
				labels[label[1]] = label[1] != "le"
			}
		}
		names := []string{}
		for _, name := range []string{"builder", "node", "result", "direction", "transport", "pod", "reason", "version"} { // the order in the page
			if labels[name] {
				names = append(names, name)
			}
			delete(labels, name)
		}
		delete(labels, "le")
		if len(labels) > 0 {
			t.Errorf("%s has the labels %v, which this test does not know", typed[1], labels)
		}
		found = append(found, typed[1]+" "+typed[2]+" "+strings.Join(names, " "))
	}
	slices.Sort(documented)
	slices.Sort(found)
	if strings.Join(documented, "\n") != strings.Join(found, "\n") {
		t.Errorf("docs/sidecar.md has\n%s\n\nserved is\n%s", strings.Join(documented, "\n"), strings.Join(found, "\n"))
	}
	for _, values := range [][]string{strs(results), strs(reasons), {string(PodFavourite), string(PodOther), string(ToBuilder), string(FromBuilder), "direct", "portforward", "exec", "remote"}} {
		for _, v := range values {
			if !strings.Contains(string(page), "`"+v+"`") {
				t.Errorf("docs/sidecar.md does not explain the value %q", v)
			}
		}
	}
}

func strs[T ~string](values []T) []string {
	var all []string
	for _, v := range values {
		all = append(all, string(v))
	}
	return all
}
