package sidecar

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	control "github.com/moby/buildkit/api/services/control"
	gateway "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/rs/zerolog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/slipway-build/slipway/agent/fleet"
	"github.com/slipway-build/slipway/agent/fleet/fleettest"
	"github.com/slipway-build/slipway/agent/sidecar/metrics"
	"github.com/slipway-build/slipway/agent/sidecar/peer"
	"github.com/slipway-build/slipway/agent/sidecar/relay"
	"github.com/slipway-build/slipway/configmap"
)

const someDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// scrape is what is served of the metrics.
func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

// records is a log that is read while it is written.
type records struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *records) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

// audited are the lines of builds.
func (r *records) audited(t *testing.T) []map[string]any {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []map[string]any
	for line := range strings.Lines(r.text.String()) {
		record := map[string]any{}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if record["audit"] == "build" {
			all = append(all, record)
		}
	}
	return all
}

// TestBuildsAreAudited tests what is logged and counted of builds, by how they end.
func TestBuildsAreAudited(t *testing.T) {
	request := &control.SolveRequest{
		Ref: "ref1", Frontend: "dockerfile.v0", FrontendAttrs: map[string]string{"target": "app", "build-arg:TOKEN": "hunter2"},
		Exporters: []*control.Exporter{{Type: "image", Attrs: map[string]string{"name": "registry.example/app:1"}}},
	}
	done, stop := context.WithCancel(t.Context())
	stop()
	for name, c := range map[string]struct {
		ctx     context.Context
		refuse  error // of an interceptor
		answer  error // of buildkitd
		want    metrics.Result
		present map[string]any
		absent  []string
	}{
		"done":      {want: metrics.ResultOK, present: map[string]any{"digest": someDigest}, absent: []string{"code", "reason"}},
		"failed":    {answer: status.Error(codes.Unknown, "RUN curl hunter2 failed"), want: metrics.ResultFailed, present: map[string]any{"code": "Unknown"}, absent: []string{"digest", "reason"}},
		"lost":      {answer: status.Error(codes.Unavailable, "EOF"), want: metrics.ResultLost, present: map[string]any{"code": "Unavailable"}},
		"cancelled": {ctx: done, answer: status.Error(codes.Canceled, "gone"), want: metrics.ResultCancelled, present: map[string]any{"code": "Canceled"}},
		"refused": {
			refuse: status.Error(codes.PermissionDenied, "exporter image:\nnot allowed"), want: metrics.ResultRefused,
			present: map[string]any{"code": "PermissionDenied", "reason": "exporter image: not allowed"},
		},
		"gone in the queue": {ctx: done, refuse: status.Error(codes.Canceled, "gone"), want: metrics.ResultCancelled},
	} {
		t.Run(name, func(t *testing.T) {
			var log records
			m := metrics.New("v1")
			n := &server{metrics: m.Of("kube", "amd64"), node: configmap.Node{Name: "amd64"}}
			v := &visit{node: n, client: peer.Peer{UID: 1000, Local: true}, up: fleet.Dialled{Pod: "pod-1", Transport: "direct"}}
			v.log = v.client.Log(zerolog.New(&log))
			ctx := c.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			daemon := func(context.Context) (proto.Message, error) {
				if got := scrape(t, m); !strings.Contains(got, `slipway_agent_builds_running{builder="kube",node="amd64"} 1`) {
					t.Error("it does not count as running")
				}
				// The client leads the build over the same connection.
				of := metadata.NewIncomingContext(ctx, metadata.Pairs("buildkit-controlapi-buildid", "ref1"))
				_, err := v.enter(of, &relay.Call{Method: gateway.LLBBridge_Solve_FullMethodName, Request: &gateway.SolveRequest{Frontend: "gateway.v0", FrontendOpt: map[string]string{"source": "f:1"}}},
					func(context.Context) (proto.Message, error) { return nil, nil })
				if err != nil {
					t.Error(err)
				}
				return &control.SolveResponse{ExporterResponse: map[string]string{"containerimage.digest": someDigest}}, c.answer
			}
			_, err := v.enter(ctx, &relay.Call{Method: control.Control_Solve_FullMethodName, Request: request}, func(ctx context.Context) (proto.Message, error) {
				if got := scrape(t, m); !strings.Contains(got, `slipway_agent_builds_waiting{builder="kube",node="amd64"} 1`) {
					t.Error("it does not count as waiting")
				}
				if c.refuse != nil {
					return nil, c.refuse
				}
				answer, err := v.pass(ctx, nil, daemon)
				if err != nil {
					answer = nil
				}
				return answer, err
			})
			if c.want == metrics.ResultLost {
				const said = "slipway agent: the connection to pod pod-1 of node amd64 was lost, connect again for another one: EOF"
				if status.Code(err) != codes.Unavailable || status.Convert(err).Message() != said {
					t.Errorf("error %v, want %s", err, said)
				}
			} else if !errors.Is(err, c.refuse) && !errors.Is(err, c.answer) {
				t.Errorf("error %v", err)
			}
			lines := log.audited(t)
			if len(lines) != 1 {
				t.Fatalf("lines %v", lines)
			}
			line := lines[0]
			want := map[string]any{"ref": "ref1", "uid": 1000.0, "pod": "pod-1", "transport": "direct", "result": string(c.want), "message": "build ended"}
			for name, value := range c.present {
				want[name] = value
			}
			for name, value := range want {
				if line[name] != value {
					t.Errorf("%s is %v, want %v", name, line[name], value)
				}
			}
			for _, name := range c.absent {
				if line[name] != nil {
					t.Errorf("%s is %v", name, line[name])
				}
			}
			frontends := 1
			if c.refuse == nil {
				frontends = 2
			}
			if got, _ := line["frontends"].([]any); len(got) != frontends {
				t.Errorf("frontends %v", line["frontends"])
			}
			if strings.Contains(fmt.Sprint(line), "hunter2") {
				t.Errorf("a secret is in %v", line)
			}
			counted := scrape(t, m)
			for _, line := range []string{
				fmt.Sprintf(`slipway_agent_builds_total{builder="kube",node="amd64",result="%s"} 1`, c.want),
				`slipway_agent_builds_running{builder="kube",node="amd64"} 0`, `slipway_agent_builds_waiting{builder="kube",node="amd64"} 0`,
			} {
				if !strings.Contains(counted, line+"\n") {
					t.Errorf("no %s", line)
				}
			}
			refusals := 0
			if c.want == metrics.ResultRefused {
				refusals = 1
			}
			if line := fmt.Sprintf(`slipway_agent_refusals_total{reason="policy"} %d`, refusals); !strings.Contains(counted, line) {
				t.Errorf("no %s", line)
			}
			if len(n.underWay.builds) != 0 {
				t.Errorf("builds are kept: %v", n.underWay.builds)
			}
		})
	}
}

// TestHTTP tests that a build over a socket shows in the metrics and the log of a whole
// sidecar, and who gets profiles.
func TestHTTP(t *testing.T) {
	for name, profiles := range map[string]bool{"profiles": true, "none": false} {
		t.Run(name, func(t *testing.T) {
			var log records
			daemon := &fleettest.Daemon{Answers: map[string]string{"containerimage.digest": someDigest}}
			address := freeAddress(t)
			r := start(t, func(s *Sidecar) {
				s.Definitions[0].Nodes[0].Remote = &configmap.Remote{Address: daemon.Listen(t), Timeout: time.Minute}
				s.HTTP, s.PProf, s.Log = address, profiles, zerolog.New(&log)
			})
			conn, err := grpc.NewClient("unix:"+r.dir+"/kube/amd64.sock", grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := control.NewControlClient(conn).Solve(t.Context(), &control.SolveRequest{Ref: "ref1", Frontend: "dockerfile.v0"}); err != nil {
				t.Fatal(err)
			}
			if err := conn.Invoke(t.Context(), "/moby.buildkit.v1.Control/Nothing", &control.InfoRequest{}, &control.InfoResponse{}); status.Code(err) != codes.PermissionDenied {
				t.Errorf("an unknown method: %v", err)
			}
			lines := log.audited(t)
			if len(lines) != 1 || lines[0]["ref"] != "ref1" || lines[0]["digest"] != someDigest || lines[0]["node"] != "amd64" || lines[0]["uid"] != float64(os.Getuid()) {
				t.Errorf("lines %v", lines)
			}
			get := func(path string) (int, string) {
				t.Helper()
				response, err := http.Get("http://" + address + path)
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				body, err := io.ReadAll(response.Body)
				if err != nil {
					t.Fatal(err)
				}
				return response.StatusCode, string(body)
			}
			code, counted := get("/metrics")
			for _, line := range []string{
				`slipway_agent_builds_total{builder="kube",node="amd64",result="ok"} 1`, `slipway_agent_dials_total{builder="kube",node="amd64",transport="remote"} 1`,
				`slipway_agent_connections{builder="kube",node="amd64"} 1`, `slipway_agent_refusals_total{reason="method"} 1`, `slipway_agent_node_ready{builder="kube",node="arm64"} 1`,
				`slipway_agent_time_to_first_byte_seconds_count{builder="kube",node="amd64"} 1`,
			} {
				if !strings.Contains(counted, line+"\n") {
					t.Errorf("%d: no %s:\n%s", code, line, counted)
				}
			}
			if strings.Contains(counted, `slipway_agent_bytes_total{builder="kube",direction="from_builder",node="amd64"} 0`) {
				t.Error("no bytes are counted")
			}
			want := map[string]int{"/healthz": 200, "/readyz": 200, "/v1/status": 404, "/": 404, "/debug/pprof/goroutine?debug=1": 404}
			if profiles {
				want["/debug/pprof/goroutine?debug=1"] = 200
			}
			for path, status := range want {
				if got, _ := get(path); got != status {
					t.Errorf("%s: status %d, want %d", path, got, status)
				}
			}
		})
	}
}

// freeAddress is an address on which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func TestCheckHTTP(t *testing.T) {
	for address, want := range map[string]struct{ plain, profiles bool }{
		"127.0.0.1:9464": {true, true}, "[::1]:9464": {true, true}, "localhost:9464": {true, true},
		":9464": {true, false}, "0.0.0.0:9464": {true, false}, "10.0.0.1:9464": {true, false}, "host:9464": {true, false},
		"9464": {}, "127.0.0.1": {}, "127.0.0.1:": {}, "http://127.0.0.1:9464": {},
	} {
		if err := (Sidecar{HTTP: address}).checkHTTP(); (err == nil) != want.plain {
			t.Errorf("%s: %v", address, err)
		}
		if err := (Sidecar{HTTP: address, PProf: true}).checkHTTP(); (err == nil) != want.profiles {
			t.Errorf("%s with profiles: %v", address, err)
		}
	}
}

// TestAuditKnowsAllFrontends tests that a client does not hide what it builds: neither by
// leading the build over another connection, nor by asking for one with the same reference.
func TestAuditKnowsAllFrontends(t *testing.T) {
	var log records
	n := &server{metrics: metrics.New("v1").Of("kube", "amd64"), node: configmap.Node{Name: "amd64"}}
	visitor := func() *visit { return &visit{node: n, log: zerolog.New(&log)} }
	solve := func(v *visit, next relay.Handler) {
		_, _ = v.enter(t.Context(), &relay.Call{Method: control.Control_Solve_FullMethodName, Request: &control.SolveRequest{Ref: "ref1"}}, next)
	}
	ask := func(v *visit, frontend string) {
		of := metadata.NewIncomingContext(t.Context(), metadata.Pairs("buildkit-controlapi-buildid", "ref1"))
		_, _ = v.enter(of, &relay.Call{Method: gateway.LLBBridge_Solve_FullMethodName, Request: &gateway.SolveRequest{Frontend: frontend}},
			func(context.Context) (proto.Message, error) { return nil, nil })
	}
	here := visitor()
	solve(here, func(context.Context) (proto.Message, error) {
		ask(visitor(), "elsewhere")
		solve(here, func(context.Context) (proto.Message, error) {
			return nil, status.Error(codes.PermissionDenied, "there is another build with this reference")
		})
		ask(here, "later")
		return &control.SolveResponse{}, nil
	})
	lines := log.audited(t)
	if len(lines) != 2 || !strings.Contains(fmt.Sprint(lines[1]["frontends"]), "elsewhere") || !strings.Contains(fmt.Sprint(lines[1]["frontends"]), "later") {
		t.Errorf("%v", lines)
	}
	if len(n.underWay.builds) != 0 {
		t.Errorf("%v are remembered", n.underWay.builds)
	}
}
