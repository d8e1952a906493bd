package transport

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/streaming/pkg/httpstream"

	"github.com/slipway-build/slipway/agent/cluster/clustertest"
	"github.com/slipway-build/slipway/agent/cluster/kube"
)

func upgradeFailure(err error) error { return &httpstream.UpgradeFailureError{Cause: err} }

var (
	errNoPod     = clustertest.StatusError(404, metav1.StatusReasonNotFound, `pods "b-0" not found`)
	errForbidden = clustertest.StatusError(403, metav1.StatusReasonForbidden, `pods "b-0" is forbidden: User "system:serviceaccount:ci:agent" cannot get resource "pods/exec" in API group "" in the namespace "ci"`)
	errBadToken  = clustertest.StatusError(401, metav1.StatusReasonUnauthorized, "Unauthorized")
)

func TestExplainDial(t *testing.T) {
	cases := map[string]struct {
		err    error
		reason kube.Reason
		words  string
		hint   string
	}{
		"pod gone":               {upgradeFailure(errNoPod), kube.ReasonGone, "exec in pod ci/b-0: the pod is gone", "another pod"},
		"forbidden":              {upgradeFailure(errForbidden), kube.ReasonForbidden, `cannot get resource "pods/exec"`, "- pods/exec\n  verbs:\n  - create\n  - get"},
		"forbidden over spdy":    {errors.New("unable to upgrade connection: " + strings.Replace(errForbidden.Error(), "cannot get", "cannot create", 1)), kube.ReasonForbidden, `exec in pod ci/b-0: pods "b-0" is forbidden`, "- pods/exec\n  verbs:\n  - create\n  - get"},
		"unauthorized":           {upgradeFailure(errBadToken), kube.ReasonUnauthorized, "does not accept the credential", "not expired"},
		"container not running":  {upgradeFailure(clustertest.StatusError(500, metav1.StatusReasonInternalError, `container not found ("buildkitd")`)), kube.ReasonTransport, `exec in pod ci/b-0: container not found ("buildkitd")`, "kubectl describe pod --namespace ci b-0"},
		"pod gone over spdy":     {errors.New(refusedUpgrade + `pods "b-0" not found`), kube.ReasonGone, "exec in pod ci/b-0: the pod is gone", "another pod"},
		"the same over spdy":     {errors.New(`unable to upgrade connection: container not found ("buildkitd")`), kube.ReasonTransport, `exec in pod ci/b-0: container not found ("buildkitd")`, "kubectl describe pod"},
		"buildkitd is not there": {&endedError{Cause: errors.New("exit code 1"), Stderr: "dial unix: no such file"}, kube.ReasonTransport, "reach buildkitd in pod ci/b-0 by exec: exit code 1: dial unix: no such file", "buildctl debug workers"},
		"api server away":        {errors.New("dial tcp: connection refused"), kube.ReasonUnreachable, "connection refused", "https://api"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := explainExec(c.err, kube.Pod{Namespace: "ci", Name: "b-0", Container: "buildkitd"}, kube.Identity{Server: "https://api"})
			var e *kube.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %T %v", err, err)
			}
			if e.Reason != c.reason || !strings.Contains(e.Error(), c.words) || strings.Contains(e.Error(), "upgrade") {
				t.Errorf("got %s: %s\nwant %s with %q", e.Reason, e, c.reason, c.words)
			}
			if !strings.Contains(strings.Join(e.Hints(), "\n"), c.hint) {
				t.Errorf("hints %q lack %q", e.Hints(), c.hint)
			}
		})
	}
	t.Run("context", func(t *testing.T) {
		err := explainExec(fmt.Errorf("wait: %w", context.DeadlineExceeded), kube.Pod{}, kube.Identity{})
		var e *kube.Error
		if errors.As(err, &e) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %T %v", err, err)
		}
	})
}

func TestWorthWebSocket(t *testing.T) {
	cases := map[string]struct {
		err  error
		want bool
	}{
		"no spdy":              {errors.New(refusedUpgrade + "<html>bad gateway</html>"), true},
		"role without create":  {errors.New(refusedUpgrade + errForbidden.Error()), true},
		"pod gone":             {errors.New(refusedUpgrade + `pods "b-0" not found`), false},
		"container gone":       {errors.New(refusedUpgrade + `container not found ("buildkitd")`), false},
		"pod gone for kubelet": {errors.New(refusedUpgrade + "pod does not exist"), false},
		"bad credential":       {errors.New(refusedUpgrade + "Unauthorized"), false},
		"connection lost":      {errors.New("read: connection reset by peer"), false},
	}
	for name, c := range cases {
		if got := worthWebSocket(c.err); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
