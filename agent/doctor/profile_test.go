package doctor

import (
	"strings"
	"testing"
	"time"

	"github.com/slipway-build/slipway/agent/cluster"
	"github.com/slipway-build/slipway/agent/cluster/manifest"
	"github.com/slipway-build/slipway/configmap"
)

func TestJudgeProfile(t *testing.T) {
	running := func(profile configmap.Profile) cluster.Status {
		return cluster.Status{Pods: []cluster.PodStatus{
			{Name: "going", Ready: true, Terminating: true, Profile: manifest.ProfileRoot},
			{Name: "coming", Profile: manifest.ProfileRoot},
			{Name: "pod", Ready: true, Profile: profile},
		}}
	}
	both := cluster.Places{Fit: []string{"a", "b"}, UserNamespaces: []string{"a", "b"}}
	one := cluster.Places{Fit: []string{"a", "b"}, UserNamespaces: []string{"b"}}
	const privileged, users, rootless = configmap.ProfilePrivileged, configmap.ProfileUserNamespace, configmap.ProfileRootless
	for _, tt := range []struct {
		name    string
		asked   configmap.Profile
		status  cluster.Status
		places  cluster.Places
		old     bool
		verdict Verdict
		words   string
		hint    string
	}{
		{name: "better is to be had", asked: privileged, status: running(privileged), places: both, verdict: VerdictOK, words: "is root on the cluster node; its cluster nodes offer user namespaces: a, b", hint: "profile: user-namespace"},
		{name: "before there is a pod", asked: privileged, places: both, verdict: VerdictOK, words: "offer user namespaces: a, b", hint: "profile: user-namespace"},
		{name: "not on every cluster node", asked: privileged, status: running(privileged), places: one, verdict: VerdictOK, words: "is root on the cluster node"},
		{name: "not with this API server", asked: privileged, status: running(privileged), places: both, old: true, verdict: VerdictOK, words: "is root on the cluster node"},
		{name: "no right to look", asked: privileged, status: running(privileged), verdict: VerdictOK, words: "is root on the cluster node"},
		{name: "rootless", asked: rootless, status: running(rootless), places: both, verdict: VerdictOK, words: "rootless: who breaks out of the pod is a user without rights"},
		{name: "user namespaces", asked: users, status: running(users), places: both, verdict: VerdictOK, words: "user-namespace: who breaks out of the pod is nobody"},
		{name: "user namespaces, no right to look", asked: users, status: running(users), verdict: VerdictOK, words: "is nobody"},
		{name: "user namespaces that not all have", asked: users, places: one, verdict: VerdictWarning, words: "only 1 of 2 cluster nodes offer user namespaces: b", hint: "Linux 6.3"},
		{name: "forgotten", asked: users, status: running(privileged), places: both, old: true, verdict: VerdictWarning, words: "asks for user-namespace, but pod pod is privileged: who breaks out of a build is root", hint: "before 1.33"},
		{name: "of an earlier definition", asked: rootless, status: running(privileged), verdict: VerdictWarning, words: "asks for rootless, but pod pod is privileged", hint: "earlier definition"},
	} {
		got := judgeProfile(tt.asked, tt.status, tt.places, !tt.old)
		if got.verdict != tt.verdict || !strings.Contains(got.detail, tt.words) {
			t.Errorf("%s: %+v", tt.name, got)
		}
		if hints := strings.Join(got.hints, "\n"); (hints == "") != (tt.hint == "") || !strings.Contains(hints, tt.hint) {
			t.Errorf("%s: hints %q, want %q", tt.name, hints, tt.hint)
		}
	}
}

func TestJudgeExpiry(t *testing.T) {
	now := time.Date(2026, 11, 21, 18, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for _, tt := range []struct {
		left    time.Duration
		brought bool
		verdict Verdict
		detail  string
		hint    string
	}{
		{365 * day, false, VerdictOK, "end on 2027-11-21, in 365 days", ""},
		{14 * day, true, VerdictOK, "end on 2026-12-05, in 14 days", ""},
		{14*day - time.Second, false, VerdictWarning, "end on 2026-12-05, in 13 days", "slipway up --renew-certificates"},
		{time.Hour, true, VerdictWarning, "end on 2026-11-21, in 0 days", "cert-manager"},
		{-time.Second, false, VerdictWarning, "ended on 2026-11-21; builds go by exec, where that is allowed", "--renew-certificates"},
	} {
		got := judgeExpiry(now.Add(tt.left), now, tt.brought)
		if got.verdict != tt.verdict || got.detail != tt.detail {
			t.Errorf("%s: %+v, want %s: %s", tt.left, got, tt.verdict, tt.detail)
		}
		if hints := strings.Join(got.hints, "\n"); (hints == "") != (tt.hint == "") || !strings.Contains(hints, tt.hint) {
			t.Errorf("%s: hints %q, want %q", tt.left, hints, tt.hint)
		}
	}
}
